package fhirpath

import "strings"

// inUnit converts q to a UCUM unit; false when the two are not comparable.
func (q *quantity) inUnit(unit string) (decimal, bool) {
	if q.calendar {
		return decimal{}, false
	}
	if q.unit == unit {
		return q.value, true
	}
	from, ok1 := lengths[q.unit]
	to, ok2 := lengths[unit]
	if !ok1 || !ok2 {
		return decimal{}, false
	}
	v, ok := q.value.mul(from)
	if !ok {
		return decimal{}, false
	}
	return v.div(to)
}

// definite is q in UCUM where its calendar unit has a fixed length.
func (q *quantity) definite() *quantity {
	if q.calendar && fixed[q.unit] != "" {
		return &quantity{q.value, fixed[q.unit], false}
	}
	return q
}

// lengths are the seconds of the UCUM units that calendar durations become.
var lengths = map[string]decimal{"wk": fromInt(604800), "d": fromInt(86400), "h": fromInt(3600), "min": fromInt(60), "s": fromInt(1), "ms": {small: 1, scale: 3}}

// compare orders two quantities; ok is false when their units are not comparable.
func (q *quantity) compare(o *quantity) (order int, ok bool) {
	if q.unit == o.unit && q.calendar == o.calendar {
		return q.value.cmp(o.value), true
	}
	a, b := q.definite(), o.definite()
	if a.calendar && b.calendar { // years and months
		return a.inMonths().cmp(b.inMonths()), true
	}
	if a.calendar || b.calendar {
		return 0, false
	}
	if v, ok := b.inUnit(a.unit); ok {
		return a.value.cmp(v), true
	}
	return 0, false
}

func (q *quantity) inMonths() decimal {
	if q.unit == "year" {
		m, _ := q.value.mul(fromInt(12))
		return m
	}
	return q.value
}

// equivalent compares to the precision of the less precise; a calendar year is a UCUM year here.
func (q *quantity) equivalent(o *quantity) bool {
	a, b := q.definite(), o.definite()
	if a.calendar != b.calendar {
		a, b = a.mean(), b.mean()
	}
	if a.calendar && b.calendar && a.unit != b.unit {
		a, b = &quantity{a.inMonths(), "month", true}, &quantity{b.inMonths(), "month", true}
	}
	x, y := a.value, b.value
	if a.unit != b.unit || a.calendar != b.calendar {
		// in the unit of the less precise
		if a.value.places() > b.value.places() {
			a, b = b, a
		}
		v, ok := b.inUnit(a.unit)
		if !ok {
			return false
		}
		x, y = a.value, v
	}
	places := min(x.places(), y.places())
	return x.round(places).cmp(y.round(places)) == 0
}

// mean is q in UCUM, years and months by their mean length.
func (q *quantity) mean() *quantity {
	if q.calendar {
		switch q.unit {
		case "year":
			return &quantity{q.value, "a", false}
		case "month":
			return &quantity{q.value, "mo", false}
		}
	}
	return q
}

// joinUnits writes the product or quotient of two UCUM codes.
func joinUnits(a, b, by string) string {
	if by == "/" && strings.ContainsAny(b, "./") {
		b = "(" + b + ")"
	}
	return a + by + b
}
