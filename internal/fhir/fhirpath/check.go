package fhirpath

import (
	"slices"
	"strings"
)

// Check looks at the expression without data: typ is the type of its context, as "Patient" or "Patient.contact"
// ("" for any). It returns the types that the expression may yield, nil when they cannot be told, and an *Error where
// it asks for an element that its type does not have, counts on an order that there is none of, or the like.
func (e *Expression) Check(typ string) ([]string, error) {
	start := shape{any: true}
	if typ != "" {
		k := kindOf(typ)
		if k.open {
			return nil, &Error{e.text, -1, "unknown type " + clip(typ)}
		}
		start = shape{kinds: []*kind{k}}
	}
	c := checker{context: start, this: start}
	out, err := c.node(e.root, start)
	if err != nil {
		err.Expression = e.text
		return nil, err
	}
	if out.any {
		return nil, nil
	}
	names := []string{}
	for _, k := range out.kinds {
		names = append(names, Item{typ: k}.Type())
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// shape is what is known of a collection before there is data.
type shape struct {
	kinds     []*kind
	any       bool // kinds are not known
	unordered bool
}

func of(k ...*kind) shape { return shape{kinds: k} }

func (s shape) join(o shape) shape {
	return shape{append(slices.Clip(s.kinds), o.kinds...), s.any || o.any, s.unordered || o.unordered}
}

// never reports that no kind of s passes: it is known and has none such.
func (s shape) never(pass func(*kind) bool) bool {
	return !s.any && len(s.kinds) > 0 && !slices.ContainsFunc(s.kinds, func(k *kind) bool { return k.open || pass(k) })
}

func (s shape) String() string {
	var names []string
	for _, k := range s.kinds {
		names = append(names, Item{typ: k}.Type())
	}
	return strings.Join(names, ", ")
}

type checker struct{ context, this shape }

func (c *checker) node(n node, in shape) (shape, *Error) {
	switch n := n.(type) {
	case *literal:
		s := shape{}
		for _, i := range n.c {
			s.kinds = append(s.kinds, i.typ)
		}
		return s, nil
	case *member:
		return in.member(n)
	case *chain:
		left, err := c.node(n.left, in)
		if err != nil {
			return shape{}, err
		}
		return c.node(n.right, left)
	case *indexer:
		s, err := c.node(n.of, in)
		if err == nil && s.unordered {
			err = fail(-1, "[ ] counts on an order that the collection does not have")
		}
		if err != nil {
			return shape{}, err
		}
		_, err = c.node(n.index, c.this)
		return s, err
	case *polarity:
		return c.node(n.of, in)
	case *logic:
		if _, err := c.node(n.left, in); err != nil {
			return shape{}, err
		}
		_, err := c.node(n.right, in)
		return of(systemBoolean), err
	case *binary:
		left, err := c.node(n.left, in)
		if err != nil {
			return shape{}, err
		}
		right, err := c.node(n.right, in)
		switch n.op {
		case "|":
			return left.join(right), err
		case "&":
			return of(systemString), err
		case "+", "-", "*", "/", "div", "mod":
			return shape{any: true}, err
		}
		return of(systemBoolean), err
	case *typeTest:
		if _, err := c.node(n.of, in); err != nil || !n.as {
			return of(systemBoolean), err
		}
		return of(n.want), nil
	case *special_:
		switch n.name {
		case "this":
			return c.this, nil
		case "index":
			return of(systemInteger), nil
		}
		return shape{any: true}, nil
	case *external:
		if n.name == "context" {
			return c.context, nil
		}
		if constants[n.name] != "" || strings.HasPrefix(n.name, "vs-") || strings.HasPrefix(n.name, "ext-") {
			return of(systemString), nil
		}
		return shape{any: true}, nil
	case *call:
		return c.call(n, in)
	}
	return shape{any: true}, nil
}

func (s shape) member(m *member) (shape, *Error) {
	if m.first && m.name[0] >= 'A' && m.name[0] <= 'Z' {
		named := slices.DeleteFunc(slices.Clone(s.kinds), func(k *kind) bool { return !(Item{typ: k}).IsA(m.name) })
		if len(named) > 0 || s.any {
			if s.any {
				return of(kindOf(m.name)), nil
			}
			return shape{kinds: named}, nil
		}
	}
	out := shape{any: s.any, unordered: s.unordered}
	found := s.any || len(s.kinds) == 0
	for _, k := range s.kinds {
		if k.open || k == systemClass || k.name == "Resource" {
			out.any, found = true, true
			continue
		}
		f := k.fields[m.name]
		if f == nil {
			continue
		}
		found = true
		if f.types == nil {
			out.kinds = append(out.kinds, f.kind)
		}
		for _, t := range f.types {
			out.kinds = append(out.kinds, t.kind)
		}
	}
	if !found {
		return shape{}, fail(m.at, "%s has no element %s", s, clip(m.name))
	}
	for _, k := range out.kinds {
		out.any = out.any || k.name == "Resource"
	}
	return out, nil
}

// results are the System types of functions that always yield one.
var results = map[string]*kind{}

func init() {
	for k, names := range map[*kind]string{
		systemBoolean: "empty exists all allTrue anyTrue allFalse anyFalse subsetOf supersetOf isDistinct not is startsWith endsWith contains matches matchesFull hasValue memberOf conformsTo htmlChecks comparable toBoolean",
		systemInteger: "count length indexOf lastIndexOf precision toInteger ceiling floor truncate",
		systemString:  "upper lower trim substring replace replaceMatches toChars split join encode decode escape unescape toString getResourceKey getReferenceKey",
		systemDecimal: "toDecimal exp ln log sqrt",
		systemDate:    "toDate today", systemDateTime: "toDateTime now", systemTime: "toTime timeOfDay", systemQuantity: "toQuantity",
	} {
		for _, n := range strings.Fields(names) {
			results[n] = k
		}
	}
	for n := range functions {
		if strings.HasPrefix(n, "convertsTo") {
			results[n] = systemBoolean
		}
	}
}

func (c *checker) call(n *call, in shape) (shape, *Error) {
	switch n.name {
	case "skip", "take", "first", "last", "tail":
		if in.unordered {
			return shape{}, fail(n.at, "%s() counts on an order that the collection does not have", n.name)
		}
	case "startsWith", "endsWith", "contains", "matches", "matchesFull", "replace", "replaceMatches", "upper", "lower", "substring", "indexOf", "split":
		if in.never(func(k *kind) bool { return k.as != nil && k.as != systemQuantity }) {
			return shape{}, fail(n.at, "%s() is applied to a string, not to %s", n.name, in)
		}
	}
	args := make([]shape, len(n.args))
	for i, a := range n.args {
		if a == nil {
			continue
		}
		saved := *c
		switch n.name {
		case "exists", "all", "where", "select", "sort", "repeat", "repeatAll", "aggregate":
			if n.name != "aggregate" || i == 0 {
				c.this = in
			}
		case "trace", "defineVariable":
			if i == 1 {
				c.this = in
			}
		case "iif":
			if len(in.kinds) > 0 || in.any {
				c.this = in
			}
		}
		var err *Error
		args[i], err = c.node(a, c.this)
		if err == nil && (n.name == "repeat" || n.name == "repeatAll") {
			args[i], err = c.again(a, args[i])
		}
		*c = saved
		if err != nil {
			return shape{}, err
		}
	}
	if k := results[n.name]; k != nil {
		return of(k), nil
	}
	switch n.name {
	case "where", "single", "first", "last", "tail", "skip", "take", "distinct", "trace", "defineVariable", "exclude", "intersect", "abs", "round":
		return in, nil
	case "sort":
		in.unordered = false
		return in, nil
	case "select", "repeat", "repeatAll":
		args[0].unordered = args[0].unordered || in.unordered
		return args[0], nil
	case "union", "combine":
		return in.join(args[0]), nil
	case "coalesce":
		s := shape{}
		for _, a := range args {
			s = s.join(a)
		}
		return s, nil
	case "iif":
		if args[0].never(func(k *kind) bool { return k.as == systemBoolean }) {
			return shape{}, fail(n.at, "the criterion of iif() is a boolean, not %s", args[0])
		}
		if len(args) == 3 {
			return args[1].join(args[2]), nil
		}
		return args[1], nil
	case "as", "ofType":
		return of(n.want), nil
	case "extension":
		if in.never(func(k *kind) bool { return k.fields["extension"] != nil }) {
			return shape{}, fail(n.at, "%s has no extension", in)
		}
		return of(kindOf("Extension")), nil
	case "children", "descendants":
		return shape{any: true, unordered: true}, nil
	}
	return shape{any: true}, nil
}

// again finds what a repeated projection may come to: it is applied to its own results until these stay the same.
func (c *checker) again(a node, first shape) (shape, *Error) {
	all := first
	for range 8 {
		if all.any {
			return all, nil
		}
		c.this = all
		next, err := c.node(a, all)
		if err != nil {
			return all, nil // the projection need not fit every result
		}
		before := len(all.kinds)
		all = all.join(next)
		slices.SortFunc(all.kinds, func(x, y *kind) int { return strings.Compare(x.name, y.name) })
		all.kinds = slices.Compact(all.kinds)
		if len(all.kinds) == before {
			return all, nil
		}
	}
	return all, nil
}
