package fhirpath

var operators = map[string]func(r *run, at int, a, b Collection) (Collection, error){
	"=":  func(r *run, at int, a, b Collection) (Collection, error) { return r.equality(a, b, true) },
	"!=": func(r *run, at int, a, b Collection) (Collection, error) { return r.equality(a, b, false) },
	"~": func(r *run, at int, a, b Collection) (Collection, error) {
		e, err := r.equivalent(a, b)
		return truth(e), err
	},
	"!~": func(r *run, at int, a, b Collection) (Collection, error) {
		e, err := r.equivalent(a, b)
		return truth(!e), err
	},
	"<": func(r *run, at int, a, b Collection) (Collection, error) {
		return ordered(at, a, b, func(o int) bool { return o < 0 })
	},
	">": func(r *run, at int, a, b Collection) (Collection, error) {
		return ordered(at, a, b, func(o int) bool { return o > 0 })
	},
	"<=": func(r *run, at int, a, b Collection) (Collection, error) {
		return ordered(at, a, b, func(o int) bool { return o <= 0 })
	},
	">=": func(r *run, at int, a, b Collection) (Collection, error) {
		return ordered(at, a, b, func(o int) bool { return o >= 0 })
	},
	"|":  func(r *run, at int, a, b Collection) (Collection, error) { return r.distinct(a, b) },
	"in": func(r *run, at int, a, b Collection) (Collection, error) { return r.contains(at, b, a) },
	"contains": func(r *run, at int, a, b Collection) (Collection, error) {
		return r.contains(at, a, b)
	},
	"+": plus, "-": minus, "*": multiply, "/": divide, "div": div, "mod": mod, "&": concatenate,
}

func (r *run) equality(a, b Collection, want bool) (Collection, error) {
	e, known, err := r.equal(a, b)
	if err != nil || !known {
		return nil, err
	}
	return truth(e == want), nil
}

func (r *run) contains(at int, c, i Collection) (Collection, error) {
	if len(i) == 0 {
		return nil, nil
	}
	if len(i) > 1 {
		return nil, fail(at, "membership is asked of one item, not of %d", len(i))
	}
	for n := range c {
		e, known, err := r.equalTo(&c[n], &i[0])
		if err != nil {
			return nil, err
		}
		if e && known {
			return yes, nil
		}
	}
	return no, nil
}

// pair takes one item from each side; ok is false when one side is empty.
func pair(at int, op string, a, b Collection) (x, y *Item, ok bool, err error) {
	if len(a) == 0 || len(b) == 0 {
		return nil, nil, false, nil
	}
	if len(a) > 1 || len(b) > 1 {
		return nil, nil, false, fail(at, "%s wants one item on each side, not %d and %d", op, len(a), len(b))
	}
	return &a[0], &b[0], true, nil
}

func ordered(at int, a, b Collection, want func(int) bool) (Collection, error) {
	x, y, ok, err := pair(at, "a comparison", a, b)
	if !ok {
		return nil, err
	}
	order, known, comparable := x.order(y)
	if !comparable {
		if !x.typ.valued() || !y.typ.valued() || x.system() != nil && y.system() != nil {
			return nil, fail(at, "%s and %s have no order", x.Type(), y.Type())
		}
		return nil, nil // a primitive without a value
	}
	if !known {
		return nil, nil
	}
	return truth(want(order)), nil
}

// valued reports whether items of this kind have a System value.
func (k *kind) valued() bool { return k != nil && k.as != nil }

func none(at int, op string, x, y *Item) (Collection, error) {
	if x.typ.valued() && x.system() == nil || y.typ.valued() && y.system() == nil {
		return nil, nil
	}
	return nil, fail(at, "%s is not defined for %s and %s", op, x.Type(), y.Type())
}

// numeral makes a result an item: integers stay integers, what overflows is empty.
func numeral(d decimal, ok, integer bool) (Collection, error) {
	if !ok {
		return nil, nil
	}
	if integer {
		i, ok := d.integer()
		if !ok {
			return nil, nil
		}
		return one(Integer(i)), nil
	}
	return one(d.item()), nil
}

func integers(x, y any) bool {
	_, a := x.(int64)
	_, b := y.(int64)
	return a && b
}

func plus(r *run, at int, a, b Collection) (Collection, error) {
	x, y, ok, err := pair(at, "+", a, b)
	if !ok {
		return nil, err
	}
	if s, ok := x.str(); ok {
		if t, ok := y.str(); ok {
			return r.text(s + t)
		}
	}
	v, w := x.system(), y.system()
	if m, ok := v.(*moment); ok {
		if q, ok := w.(*quantity); ok {
			return m.shift(at, q, false)
		}
		return none(at, "+", x, y)
	}
	if p, q, ok := quantities(v, w); ok {
		return sum(p, q)
	}
	if p, q, ok := decimals(v, w); ok {
		d, ok := p.add(q)
		return numeral(d, ok, integers(v, w))
	}
	return none(at, "+", x, y)
}

func minus(r *run, at int, a, b Collection) (Collection, error) {
	x, y, ok, err := pair(at, "-", a, b)
	if !ok {
		return nil, err
	}
	v, w := x.system(), y.system()
	if m, ok := v.(*moment); ok {
		if q, ok := w.(*quantity); ok {
			return m.shift(at, q, true)
		}
		return none(at, "-", x, y)
	}
	if p, q, ok := quantities(v, w); ok {
		return sum(p, &quantity{q.value.neg(), q.unit, q.calendar})
	}
	if p, q, ok := decimals(v, w); ok {
		d, ok := p.add(q.neg())
		return numeral(d, ok, integers(v, w))
	}
	return none(at, "-", x, y)
}

// sum adds in the unit of the left; units that are not comparable give nothing.
func sum(p, q *quantity) (Collection, error) {
	v := q.value
	if p.unit != q.unit || p.calendar != q.calendar {
		a, b := p.definite(), q.definite()
		if a.calendar || b.calendar {
			return nil, nil
		}
		ok := false
		if v, ok = b.inUnit(a.unit); !ok {
			return nil, nil
		}
	}
	d, ok := p.value.add(v)
	if !ok {
		return nil, nil
	}
	return one((&quantity{d, p.unit, p.calendar}).item()), nil
}

func (m *moment) shift(at int, q *quantity, back bool) (Collection, error) {
	unit := q.duration()
	if unit == "" || m.kind == aTime && (unit == "year" || unit == "month") {
		return nil, fail(at, "a date or time is not moved by %q", q.unit)
	}
	v := q.value
	if back {
		v = v.neg()
	}
	moved, ok := m.plus(v, unit)
	if !ok {
		return nil, nil
	}
	return one(moved.item()), nil
}

func multiply(r *run, at int, a, b Collection) (Collection, error) {
	x, y, ok, err := pair(at, "*", a, b)
	if !ok {
		return nil, err
	}
	v, w := x.system(), y.system()
	if p, q, ok := quantities(v, w); ok {
		d, ok := p.value.mul(q.value)
		if !ok {
			return nil, nil
		}
		return product(d, p, q, ".")
	}
	if p, q, ok := decimals(v, w); ok {
		d, ok := p.mul(q)
		return numeral(d, ok, integers(v, w))
	}
	return none(at, "*", x, y)
}

// product joins two units by . or /.
func product(d decimal, p, q *quantity, by string) (Collection, error) {
	if q.unit == "1" && !q.calendar {
		return one((&quantity{d, p.unit, p.calendar}).item()), nil
	}
	if p.unit == "1" && !p.calendar && by == "." {
		return one((&quantity{d, q.unit, q.calendar}).item()), nil
	}
	a, b := p.definite(), q.definite()
	if a.calendar || b.calendar || len(a.unit)+len(b.unit) > 200 {
		return nil, nil
	}
	if by == "/" && a.unit == b.unit {
		return one((&quantity{d, "1", false}).item()), nil
	}
	return one((&quantity{d, joinUnits(a.unit, b.unit, by), false}).item()), nil
}

func divide(r *run, at int, a, b Collection) (Collection, error) {
	x, y, ok, err := pair(at, "/", a, b)
	if !ok {
		return nil, err
	}
	v, w := x.system(), y.system()
	if p, q, ok := quantities(v, w); ok {
		d, ok := p.value.div(q.value)
		if !ok {
			return nil, nil
		}
		return product(d, p, q, "/")
	}
	if p, q, ok := decimals(v, w); ok {
		d, ok := p.div(q)
		return numeral(d, ok, false)
	}
	return none(at, "/", x, y)
}

func div(r *run, at int, a, b Collection) (Collection, error) {
	x, y, ok, err := pair(at, "div", a, b)
	if !ok {
		return nil, err
	}
	p, q, ok := decimals(x.system(), y.system())
	if !ok {
		return none(at, "div", x, y)
	}
	d, ok := p.quo(q)
	return numeral(d, ok, true)
}

func mod(r *run, at int, a, b Collection) (Collection, error) {
	x, y, ok, err := pair(at, "mod", a, b)
	if !ok {
		return nil, err
	}
	v, w := x.system(), y.system()
	p, q, ok := decimals(v, w)
	if !ok {
		return none(at, "mod", x, y)
	}
	whole, ok := p.quo(q)
	if !ok {
		return nil, nil
	}
	back, ok := whole.mul(q)
	if !ok {
		return nil, nil
	}
	d, ok := p.add(back.neg())
	return numeral(d, ok, integers(v, w))
}

func concatenate(r *run, at int, a, b Collection) (Collection, error) {
	s, err := textOf(at, a)
	if err != nil {
		return nil, err
	}
	t, err := textOf(at, b)
	if err != nil {
		return nil, err
	}
	return r.text(s + t)
}

// textOf is one string; nothing is an empty one.
func textOf(at int, c Collection) (string, error) {
	if len(c) == 0 {
		return "", nil
	}
	if len(c) > 1 {
		return "", fail(at, "& wants one string on each side, not %d", len(c))
	}
	if s, ok := c[0].str(); ok {
		return s, nil
	}
	if c[0].typ.valued() && c[0].system() == nil {
		return "", nil
	}
	return "", fail(at, "& joins strings, not %s", c[0].Type())
}

// text makes a string an item and charges for its length.
func (r *run) text(s string) (Collection, error) {
	if len(s) > maxText {
		return nil, ErrSteps
	}
	if err := r.spend(len(s) / 64); err != nil {
		return nil, err
	}
	return one(Text(s)), nil
}
