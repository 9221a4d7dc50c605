package fhirpath

import "strings"

func init() {
	define(0, 1, func(r *run, c *call, in Collection) (Collection, error) { return boundary(r, c, in, false) }, "lowBoundary")
	define(0, 1, func(r *run, c *call, in Collection) (Collection, error) { return boundary(r, c, in, true) }, "highBoundary")
	define(0, 0, precision, "precision")
	define(1, 1, comparable, "comparable")
}

// boundary is the least or greatest value that what was written may stand for, to a precision:
// places of a number, digits of a date (4 year, 6 month, 8 day, 17 millisecond) or time (2, 4, 6, 9).
func boundary(r *run, c *call, in Collection, high bool) (Collection, error) {
	v, err := c.sole(in)
	if err != nil || v == nil {
		return nil, err
	}
	places := int64(-1)
	if len(c.args) == 1 {
		n, ok, err := r.integer(c, 0)
		if err != nil {
			return nil, err
		}
		if ok {
			if n < 0 || n > 31 {
				return nil, nil
			}
			places = n
		}
	}
	switch v := v.(type) {
	case int64:
		return numeral(fromInt(v).boundary(places, high), true, false)
	case decimal:
		return numeral(v.boundary(places, high), true, false)
	case *quantity:
		return one((&quantity{v.value.boundary(places, high), v.unit, v.calendar}).item()), nil
	case *moment:
		if m := v.boundary(places, high); m != nil {
			return one(m.item()), nil
		}
		return nil, nil
	}
	return nil, fail(c.at, "%s() is not defined for %s", c.name, in[0].Type())
}

// boundary goes half a unit of the last digit down or up. Toward zero the rest is cut off, away from zero it is
// rounded, as the examples of the specification do (1.587 to two places: 1.58 and 1.59).
func (d decimal) boundary(places int64, high bool) decimal {
	if places < 0 {
		places = 8
	}
	half := decimal{small: 5, scale: d.scale + 1}
	if !high {
		half = half.neg()
	}
	b, _ := d.add(half)
	away := high == (d.sign() > 0)
	if d.sign() == 0 {
		away = true
	}
	if away {
		b = b.round(int32(places))
	} else {
		b = b.truncate(int32(places))
	}
	return b.rescale(int32(places))
}

// digitsOf are the digits up to each part of a date or dateTime.
var digitsOf = [...]int64{years: 4, months: 6, days: 8, hours: 10, minutes: 12, seconds: 14}

func (m *moment) boundary(places int64, high bool) *moment {
	b := *m
	if m.kind == aTime {
		if places < 0 {
			places = 9
		}
		places += 8
	} else if places < 0 {
		places = 17
		if m.kind == aDate {
			places = 8
		}
	}
	to, ok := years, false
	for p, d := range digitsOf {
		if d == places {
			to, ok = part(p), true
		}
	}
	if places == 17 {
		to, ok = seconds, true
	}
	if !ok || m.kind == aDate && to > days || m.kind == aTime && to < hours {
		return nil
	}
	pick := func(low, top int) int {
		if high {
			return top
		}
		return low
	}
	if m.kind != aTime && b.precision < months {
		b.month = pick(1, 12)
	}
	if m.kind != aTime && b.precision < days {
		b.day = pick(1, daysIn(b.year, b.month))
	}
	if b.precision < hours {
		b.hour = pick(0, 23)
	}
	if b.precision < minutes {
		b.minute = pick(0, 59)
	}
	if b.precision < seconds {
		b.second = pick(0, 59)
	}
	if b.precision < seconds || b.places < 3 {
		if b.precision < seconds || b.places == 0 {
			b.nano = pick(0, 999_000_000)
		} else if high {
			b.nano += [...]int{1: 99_000_000, 2: 9_000_000}[b.places]
		}
	}
	b.precision, b.places = to, 0
	if places == 17 {
		b.places, b.nano = 3, b.nano/1_000_000*1_000_000
	} else {
		b.nano = 0
	}
	if to < hours {
		b.zoned, b.offset = false, 0
	} else if m.kind == aDateTime && !b.zoned {
		// the earliest instant of that local time is furthest east
		b.zoned, b.offset = true, pick(14*60, -12*60)
	}
	return &b
}

// precision counts the places of a number, the digits of a date or time.
func precision(r *run, c *call, in Collection) (Collection, error) {
	v, err := c.sole(in)
	if err != nil || v == nil {
		return nil, err
	}
	switch v := v.(type) {
	case int64:
		return one(Integer(0)), nil
	case decimal:
		return one(Integer(int64(v.scale))), nil
	case *moment:
		n := digitsOf[v.precision] + int64(v.places)
		if v.kind == aTime {
			n -= 8
		}
		return one(Integer(n)), nil
	}
	return nil, fail(c.at, "precision() is not defined for %s", in[0].Type())
}

func comparable(r *run, c *call, in Collection) (Collection, error) {
	v, err := c.sole(in)
	if err != nil {
		return nil, err
	}
	a, err := r.arg(c, 0)
	if err != nil || v == nil || len(a) == 0 {
		return nil, err
	}
	w, err := c.sole(a)
	if err != nil || w == nil {
		return nil, err
	}
	p, q, ok := quantities(v, w)
	if !ok {
		return nil, fail(c.at, "comparable() is defined for quantities, not for %s and %s", in[0].Type(), a[0].Type())
	}
	_, known := p.compare(q)
	return truth(known && !strings.Contains(p.unit, "|") && !strings.Contains(q.unit, "|")), nil
}
