package fhirpath

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// equalTo is the = of two items; known is false where precision or units leave it open.
func (r *run) equalTo(a, b *Item) (equal, known bool, err error) {
	if err := r.spend(1); err != nil {
		return false, false, err
	}
	if s, ok := a.str(); ok {
		t, ok := b.str()
		return ok && s == t, true, nil
	}
	x, y := a.system(), b.system()
	if x == nil || y == nil {
		if x != nil || y != nil {
			return false, true, nil
		}
		if a.typ.primitive != b.typ.primitive {
			return false, true, nil
		}
		same, err := r.same(a.node, b.node)
		if same && a.typ.primitive {
			same, err = r.same(a.beside, b.beside)
		}
		return same, true, err
	}
	switch x := x.(type) {
	case bool:
		y, ok := y.(bool)
		return ok && x == y, true, nil
	case int64:
		if y, ok := y.(int64); ok {
			return x == y, true, nil
		}
	case *moment:
		y, ok := y.(*moment)
		if !ok || (x.kind == aTime) != (y.kind == aTime) {
			return false, true, nil
		}
		order, known := x.compare(y)
		return order == 0, known, nil
	case *class:
		y, ok := y.(*class)
		return ok && *x == *y, true, nil
	}
	if p, q, ok := quantities(x, y); ok {
		order, known := p.compare(q)
		return order == 0, known, nil
	}
	if p, q, ok := decimals(x, y); ok {
		return p.cmp(q) == 0, true, nil
	}
	return false, true, nil
}

// decimals converts two numbers.
func decimals(x, y any) (a, b decimal, ok bool) {
	a, ok1 := number_(x)
	b, ok2 := number_(y)
	return a, b, ok1 && ok2
}

func number_(x any) (decimal, bool) {
	switch v := x.(type) {
	case int64:
		return fromInt(v), true
	case decimal:
		return v, true
	}
	return decimal{}, false
}

// quantities converts two values of which at least one is a quantity; a number is one of unit 1.
func quantities(x, y any) (a, b *quantity, ok bool) {
	a, isA := x.(*quantity)
	b, isB := y.(*quantity)
	if !isA && !isB {
		return nil, nil, false
	}
	if !isA {
		d, ok := number_(x)
		if !ok {
			return nil, nil, false
		}
		a = &quantity{d, "1", false}
	}
	if !isB {
		d, ok := number_(y)
		if !ok {
			return nil, nil, false
		}
		b = &quantity{d, "1", false}
	}
	return a, b, true
}

// same compares two JSON values; members may stand in any order, 1.0 equals 1.
func (r *run) same(a, b *fhir.Node) (bool, error) {
	if a == nil || b == nil || a == b {
		return a == b, nil
	}
	if err := r.spend(1); err != nil {
		return false, err
	}
	if a.Kind != b.Kind || len(a.Members) != len(b.Members) || len(a.Items) != len(b.Items) {
		return false, nil
	}
	switch a.Kind {
	case fhir.Number:
		x, ok1 := parseDecimal(a.Text)
		y, ok2 := parseDecimal(b.Text)
		return a.Text == b.Text || ok1 && ok2 && x.cmp(y) == 0, nil
	case fhir.String, fhir.Bool:
		return a.Text == b.Text, nil
	}
	for i := range a.Items {
		if ok, err := r.same(a.Items[i], b.Items[i]); !ok {
			return false, err
		}
	}
	for i := range a.Members {
		m := &a.Members[i]
		other := b.Members[i].Value
		if b.Members[i].Name != m.Name {
			other = b.Child(m.Name)
		}
		if ok, err := r.same(m.Value, other); !ok {
			return false, err
		}
	}
	return true, nil
}

// equal is = of two collections.
func (r *run) equal(a, b Collection) (equal, known bool, err error) {
	if len(a) == 0 || len(b) == 0 {
		return false, false, nil
	}
	if len(a) != len(b) {
		return false, true, nil
	}
	known = true
	for i := range a {
		e, k, err := r.equalTo(&a[i], &b[i])
		if err != nil {
			return false, false, err
		}
		if k && !e {
			return false, true, nil
		}
		known = known && k
	}
	return true, known, nil
}

// equivalentTo is the ~ of two items: always decided; case and white space of strings do not count.
func (r *run) equivalentTo(a, b *Item) (bool, error) {
	if err := r.spend(1); err != nil {
		return false, err
	}
	if s, ok := a.str(); ok {
		t, ok := b.str()
		return ok && (s == t || strings.EqualFold(plain(s), plain(t))), nil
	}
	x, y := a.system(), b.system()
	if x == nil || y == nil {
		if x != nil || y != nil || a.typ.primitive || b.typ.primitive {
			return false, nil
		}
		return r.alike(a, b)
	}
	if m, ok := x.(*moment); ok {
		n, ok := y.(*moment)
		if !ok {
			return false, nil
		}
		order, known := m.compare(n)
		return known && order == 0, nil
	}
	if p, q, ok := quantities(x, y); ok {
		return p.equivalent(q), nil
	}
	if p, q, ok := decimals(x, y); ok {
		places := min(p.places(), q.places())
		return p.round(places).cmp(q.round(places)) == 0, nil
	}
	e, k, err := r.equalTo(a, b)
	return e && k, err
}

// alike compares two complex elements member by member, each in any order.
func (r *run) alike(a, b *Item) (bool, error) {
	ca, cb := children(a, nil), children(b, nil)
	if len(ca) != len(cb) {
		return false, nil
	}
	used := make([]bool, len(cb))
next:
	for i := range ca {
		for j := range cb {
			if used[j] || ca[i].field.name != cb[j].field.name {
				continue
			}
			ok, err := r.equivalentTo(&ca[i], &cb[j])
			if err != nil {
				return false, err
			}
			if ok {
				used[j] = true
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

// plain writes every run of white space as one space.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

func (r *run) equivalent(a, b Collection) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	used := make([]bool, len(b))
next:
	for i := range a {
		for j := range b {
			if used[j] {
				continue
			}
			ok, err := r.equivalentTo(&a[i], &b[j])
			if err != nil {
				return false, err
			}
			if ok {
				used[j] = true
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

// order compares two items for < and sort; comparable is false for types that have no order among them.
func (i *Item) order(o *Item) (order int, known, comparable bool) {
	if s, ok := i.str(); ok {
		t, ok := o.str()
		return strings.Compare(s, t), true, ok
	}
	x, y := i.system(), o.system()
	if m, ok := x.(*moment); ok {
		n, ok := y.(*moment)
		if !ok || (m.kind == aTime) != (n.kind == aTime) {
			return 0, false, false
		}
		order, known := m.compare(n)
		return order, known, true
	}
	if p, q, ok := quantities(x, y); ok {
		order, known := p.compare(q)
		return order, known, true
	}
	if p, q, ok := decimals(x, y); ok {
		return p.cmp(q), true, true
	}
	return 0, false, false
}

// set holds items by =. What has a key is found at once, the rest one by one.
type set struct {
	r      *run
	keys   map[string]bool
	others Collection
	nodes  nodes
}

type nodes map[*fhir.Node]bool

// key is equal exactly for equal items among those that have one.
func (i *Item) key() (string, bool) {
	if s, ok := i.str(); ok {
		return "s" + s, true
	}
	switch v := i.system().(type) {
	case bool:
		if v {
			return "t", true
		}
		return "f", true
	case int64:
		return "n" + fromInt(v).String(), true
	case decimal:
		return "n" + v.trim().String(), true
	}
	return "", false
}

func (s *set) has(i *Item) (bool, error) {
	if err := s.r.spend(1); err != nil {
		return false, err
	}
	if k, ok := i.key(); ok {
		return s.keys[k], nil
	}
	for n := range s.others {
		e, k, err := s.r.equalTo(&s.others[n], i)
		if err != nil || e && k {
			return e && k, err
		}
	}
	return false, nil
}

func (s *set) add(i *Item) {
	if k, ok := i.key(); ok {
		if s.keys == nil {
			s.keys = map[string]bool{}
		}
		s.keys[k] = true
		return
	}
	s.others = append(s.others, *i)
}

// insert adds the item when it is not there yet.
func (s *set) insert(i *Item) (added bool, err error) {
	has, err := s.has(i)
	if err != nil || has {
		return false, err
	}
	s.add(i)
	return true, nil
}

func (r *run) setOf(c Collection) (*set, error) {
	s := &set{r: r}
	for i := range c {
		if err := r.spend(1); err != nil {
			return nil, err
		}
		s.add(&c[i])
	}
	return s, nil
}

func (r *run) distinct(lists ...Collection) (Collection, error) {
	s := &set{r: r}
	var out Collection
	for _, c := range lists {
		for i := range c {
			added, err := s.insert(&c[i])
			if err != nil {
				return nil, err
			}
			if added {
				out = append(out, c[i])
			}
		}
	}
	return out, nil
}
