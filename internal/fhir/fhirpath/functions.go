package fhirpath

import (
	"fmt"
	"slices"
)

// function is a built-in function of FHIRPath or FHIR.
type function struct {
	least, most int
	typed       bool // the argument is a type
	pattern     bool // the first argument is a regular expression
	eval        func(r *run, c *call, in Collection) (Collection, error)
}

func (f *function) takes() string {
	if f.least == f.most {
		return fmt.Sprintf("%d arguments", f.least)
	}
	return fmt.Sprintf("%d to %d arguments", f.least, f.most)
}

var functions = map[string]*function{}

func define(least, most int, eval func(r *run, c *call, in Collection) (Collection, error), names ...string) {
	for _, n := range names {
		functions[n] = &function{least: least, most: most, eval: eval}
	}
}

func init() {
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return truth(len(in) == 0), nil }, "empty")
	define(0, 1, exists, "exists")
	define(1, 1, all, "all")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return every(in, true, false) }, "allTrue")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return every(in, false, true) }, "anyTrue")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return every(in, true, true) }, "allFalse")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return every(in, false, false) }, "anyFalse")
	define(1, 1, func(r *run, c *call, in Collection) (Collection, error) { return subset(r, c, in, false) }, "subsetOf")
	define(1, 1, func(r *run, c *call, in Collection) (Collection, error) { return subset(r, c, in, true) }, "supersetOf")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return one(Integer(int64(len(in)))), nil }, "count")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return r.distinct(in) }, "distinct")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) {
		d, err := r.distinct(in)
		return truth(len(d) == len(in)), err
	}, "isDistinct")

	define(1, 1, where, "where")
	define(1, 1, selectEach, "select")
	define(1, 1, func(r *run, c *call, in Collection) (Collection, error) { return repeat(r, c, in, true) }, "repeat")
	define(1, 1, func(r *run, c *call, in Collection) (Collection, error) { return repeat(r, c, in, false) }, "repeatAll")
	define(0, 0, single, "single")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) {
		return in[:min(1, len(in)):min(1, len(in))], nil
	}, "first")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return in[max(0, len(in)-1):], nil }, "last")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return in[min(1, len(in)):], nil }, "tail")
	define(1, 1, skip, "skip")
	define(1, 1, take, "take")
	define(1, 1, intersect, "intersect")
	define(1, 1, exclude, "exclude")
	define(1, 1, union, "union")
	define(1, 1, combine, "combine")
	define(2, 3, iif, "iif")
	define(1, 2, aggregate, "aggregate")
	define(0, 8, sortBy, "sort")
	define(1, 16, coalesce, "coalesce")
	define(1, 2, defineVariable, "defineVariable")
	define(1, 2, trace, "trace")
	define(0, 0, not, "not")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) {
		var out Collection
		for i := range in {
			if err := r.spend(1); err != nil {
				return nil, err
			}
			out = children(&in[i], out)
		}
		return out, r.spend(len(out))
	}, "children")
	define(0, 0, descendants, "descendants")
	define(0, 0, typeOf, "type")
	for name, eval := range map[string]func(r *run, c *call, in Collection) (Collection, error){
		"is":     func(r *run, c *call, in Collection) (Collection, error) { return is(c.at, in, c.want) },
		"as":     func(r *run, c *call, in Collection) (Collection, error) { return r.as(c.at, in, c.want) },
		"ofType": func(r *run, c *call, in Collection) (Collection, error) { return ofType(in, c.want), nil },
	} {
		functions[name] = &function{least: 1, most: 1, typed: true, eval: eval}
	}
}

// flag is the boolean that a criterion came to; empty counts as false.
func flag(at int, c Collection) (bool, error) {
	if len(c) > 1 {
		return false, fail(at, "a criterion gives one boolean, not %d items", len(c))
	}
	v, _ := c.Bool()
	return v, nil
}

func exists(r *run, c *call, in Collection) (Collection, error) {
	if len(c.args) == 0 {
		return truth(len(in) > 0), nil
	}
	found := false
	err := r.each(c, 0, in, func(_ int, out Collection) (bool, error) {
		v, err := flag(c.at, out)
		found = found || v
		return !found, err
	})
	return truth(found), err
}

func all(r *run, c *call, in Collection) (Collection, error) {
	holds := true
	err := r.each(c, 0, in, func(_ int, out Collection) (bool, error) {
		v, err := flag(c.at, out)
		holds = holds && v
		return holds, err
	})
	return truth(holds), err
}

// every walks booleans: start stands unless one of them is turn.
func every(in Collection, start, turn bool) (Collection, error) {
	result := start
	for _, i := range in {
		v, ok := i.Bool()
		if !ok {
			if i.typ.valued() && i.system() == nil {
				continue
			}
			return nil, fail(-1, "wants booleans, not %s", i.Type())
		}
		if v == turn {
			result = !start
		}
	}
	return truth(result), nil
}

func subset(r *run, c *call, in Collection, swap bool) (Collection, error) {
	other, err := r.arg(c, 0)
	if err != nil {
		return nil, err
	}
	small, big := in, other
	if swap {
		small, big = other, in
	}
	s, err := r.setOf(big)
	if err != nil {
		return nil, err
	}
	for i := range small {
		if has, err := s.has(&small[i]); err != nil || !has {
			return no, err
		}
	}
	return yes, nil
}

func where(r *run, c *call, in Collection) (Collection, error) {
	var out Collection
	err := r.each(c, 0, in, func(i int, res Collection) (bool, error) {
		v, err := flag(c.at, res)
		if v {
			out = append(out, in[i])
		}
		return true, err
	})
	return out, err
}

func selectEach(r *run, c *call, in Collection) (Collection, error) {
	var out Collection
	err := r.each(c, 0, in, func(_ int, res Collection) (bool, error) {
		out = append(out, res...)
		return true, r.spend(len(res))
	})
	return out, err
}

// repeat gathers what the projection gives, and what it gives of that, until nothing new comes.
func repeat(r *run, c *call, in Collection, once bool) (Collection, error) {
	var out Collection
	seen := &set{r: r}
	for queue := in; len(queue) > 0; {
		var next Collection
		err := r.each(c, 0, queue, func(_ int, res Collection) (bool, error) {
			for i := range res {
				if once {
					added, err := seen.visit(&res[i])
					if err != nil {
						return false, err
					}
					if !added {
						continue
					}
				}
				next = append(next, res[i])
			}
			return true, r.spend(len(res))
		})
		if err != nil {
			return nil, err
		}
		out = append(out, next...)
		queue = next
	}
	return out, nil
}

// visit adds an item once. Elements of one tree are told apart by their place, without comparing them:
// the same text twice in a questionnaire is two items.
func (s *set) visit(i *Item) (bool, error) {
	if i.node == nil || i.typ.primitive {
		return s.insert(i)
	}
	if s.nodes[i.node] {
		return false, nil
	}
	for n := range s.others {
		e, k, err := s.r.equalTo(&s.others[n], i)
		if err != nil || e && k {
			return false, err
		}
	}
	if s.nodes == nil {
		s.nodes = nodes{}
	}
	s.nodes[i.node] = true
	s.others = append(s.others, *i)
	return true, nil
}

func single(r *run, c *call, in Collection) (Collection, error) {
	if len(in) > 1 {
		return nil, fail(c.at, "single() wants one item, not %d", len(in))
	}
	return in, nil
}

// integer evaluates an argument to one integer; ok is false when it is empty.
func (r *run) integer(c *call, n int) (v int64, ok bool, err error) {
	a, err := r.arg(c, n)
	if err != nil || len(a) == 0 {
		return 0, false, err
	}
	if len(a) > 1 {
		return 0, false, fail(c.at, "%s() wants one integer, not %d items", c.name, len(a))
	}
	switch x := a[0].system().(type) {
	case int64:
		return x, true, nil
	case decimal:
		if i, ok := x.integer(); ok {
			return i, true, nil
		}
	}
	return 0, false, fail(c.at, "%s() wants an integer, not %s", c.name, a[0].Type())
}

func skip(r *run, c *call, in Collection) (Collection, error) {
	n, ok, err := r.integer(c, 0)
	if err != nil || !ok {
		return nil, err
	}
	return in[min(max(n, 0), int64(len(in))):], nil
}

func take(r *run, c *call, in Collection) (Collection, error) {
	n, ok, err := r.integer(c, 0)
	if err != nil || !ok {
		return nil, err
	}
	n = min(max(n, 0), int64(len(in)))
	return in[:n:n], nil
}

func intersect(r *run, c *call, in Collection) (Collection, error) {
	return r.keep(c, in, true)
}

func exclude(r *run, c *call, in Collection) (Collection, error) {
	return r.keep(c, in, false)
}

// keep keeps the items that are, or are not, in the argument; an intersection holds each once.
func (r *run) keep(c *call, in Collection, inside bool) (Collection, error) {
	other, err := r.arg(c, 0)
	if err != nil {
		return nil, err
	}
	s, err := r.setOf(other)
	if err != nil {
		return nil, err
	}
	var out Collection
	for i := range in {
		has, err := s.has(&in[i])
		if err != nil {
			return nil, err
		}
		if has == inside {
			out = append(out, in[i])
		}
	}
	if inside {
		return r.distinct(out)
	}
	return out, nil
}

func union(r *run, c *call, in Collection) (Collection, error) {
	other, err := r.arg(c, 0)
	if err != nil {
		return nil, err
	}
	return r.distinct(in, other)
}

func combine(r *run, c *call, in Collection) (Collection, error) {
	other, err := r.arg(c, 0)
	if err != nil {
		return nil, err
	}
	return slices.Concat(in, other), r.spend(len(in) + len(other))
}

func iif(r *run, c *call, in Collection) (Collection, error) {
	if len(in) > 1 {
		return nil, fail(c.at, "iif() is applied to at most one item, not %d", len(in))
	}
	this := r.this
	if len(in) == 1 {
		r.this = in
	}
	defer func() { r.this = this }()
	crit, err := r.arg(c, 0)
	if err != nil {
		return nil, err
	}
	v, err := flag(c.at, crit)
	switch {
	case err != nil:
		return nil, err
	case v:
		return r.arg(c, 1)
	case len(c.args) == 3:
		return r.arg(c, 2)
	}
	return nil, nil
}

func aggregate(r *run, c *call, in Collection) (Collection, error) {
	total := r.total
	defer func() { r.total = total }()
	var start Collection
	if len(c.args) == 2 {
		var err error
		if start, err = r.arg(c, 1); err != nil {
			return nil, err
		}
	}
	r.total = start
	err := r.each(c, 0, in, func(_ int, out Collection) (bool, error) {
		r.total = out
		return true, r.spend(len(out))
	})
	return r.total, err
}

// sortBy sorts by keys; a key that is negated sorts from high to low. What is absent is highest.
func sortBy(r *run, c *call, in Collection) (Collection, error) {
	keys := []node{&special_{"this"}}
	if len(c.args) > 0 {
		keys = c.args
	}
	type row struct {
		item Item
		keys []Collection
	}
	rows := make([]row, len(in))
	down := make([]bool, len(keys))
	for k, key := range keys {
		if p, ok := key.(*polarity); ok {
			key, down[k] = p.of, true
		}
		err := r.each(&call{args: []node{key}, at: c.at}, 0, in, func(i int, out Collection) (bool, error) {
			if len(out) > 1 {
				return false, fail(c.at, "a sort key is one item, not %d", len(out))
			}
			rows[i].item = in[i]
			rows[i].keys = append(rows[i].keys, out)
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	if err := r.spend(len(in) * 4); err != nil {
		return nil, err
	}
	var wrong error
	slices.SortStableFunc(rows, func(a, b row) int {
		for k := range keys {
			x, y := a.keys[k], b.keys[k]
			order := 0
			switch {
			case len(x) == 0 || len(y) == 0:
				order = btoi(len(x) == 0) - btoi(len(y) == 0)
			default:
				o, known, comparable := x[0].order(&y[0])
				if !comparable && wrong == nil {
					wrong = fail(c.at, "%s and %s have no order", x[0].Type(), y[0].Type())
				}
				if known {
					order = o
				}
			}
			if down[k] {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	out := make(Collection, len(rows))
	for i := range rows {
		out[i] = rows[i].item
	}
	return out, wrong
}

func coalesce(r *run, c *call, in Collection) (Collection, error) {
	for n := range c.args {
		out, err := r.arg(c, n)
		if err != nil || len(out) > 0 {
			return out, err
		}
	}
	return nil, nil
}

func defineVariable(r *run, c *call, in Collection) (Collection, error) {
	name, ok, err := r.string(c, 0)
	if err != nil || !ok {
		return nil, err
	}
	for v := r.vars; v != nil; v = v.next {
		if v.name == name {
			return nil, fail(c.at, "%%%s is defined already", clip(name))
		}
	}
	if _, has := r.env.Vars[name]; has || constants[name] != "" || name == "context" || name == "resource" || name == "rootResource" {
		return nil, fail(c.at, "%%%s is defined already", clip(name))
	}
	value := in
	if len(c.args) == 2 {
		this := r.this
		r.this = in
		value, err = r.arg(c, 1)
		r.this = this
		if err != nil {
			return nil, err
		}
	}
	r.vars = &defined{name, value, r.vars}
	return in, nil
}

func trace(r *run, c *call, in Collection) (Collection, error) {
	name, _, err := r.string(c, 0)
	if err != nil {
		return nil, err
	}
	shown := in
	if len(c.args) == 2 {
		shown = nil
		err = r.each(c, 1, in, func(_ int, out Collection) (bool, error) {
			shown = append(shown, out...)
			return true, r.spend(len(out))
		})
	}
	if r.env.Trace != nil && err == nil {
		r.env.Trace(name, shown)
	}
	return in, err
}

func not(r *run, c *call, in Collection) (Collection, error) {
	if len(in) > 1 {
		return nil, fail(c.at, "not() wants one boolean, not %d items", len(in))
	}
	v, ok := in.Bool()
	if !ok {
		return nil, nil
	}
	return truth(!v), nil
}

func descendants(r *run, c *call, in Collection) (Collection, error) {
	var out Collection
	for i := range in {
		out = children(&in[i], out)
	}
	for n := 0; n < len(out); n++ {
		if err := r.spend(1); err != nil {
			return nil, err
		}
		i := out[n]
		out = children(&i, out)
	}
	return out, nil
}

func typeOf(r *run, c *call, in Collection) (Collection, error) {
	out := make(Collection, 0, len(in))
	for _, i := range in {
		k := &class{"FHIR", i.typ.name}
		if i.typ.system {
			k.namespace = "System"
		}
		out = append(out, Item{typ: systemClass, value: k, index: -1})
	}
	return out, nil
}
