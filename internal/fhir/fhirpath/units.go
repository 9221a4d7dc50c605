package fhirpath

import (
	"math/big"
	"strings"

	units "github.com/xinglin-health/xinglin/internal/fhir/ucum"
)

// rat is d as a fraction.
func (d decimal) rat() *big.Rat { return new(big.Rat).SetFrac(d.int(), pow10(d.scale)) }

// fromRat is exact where the fraction ends, else rounded to divScale digits.
func fromRat(r *big.Rat) (decimal, bool) {
	num, ok1 := fromBig(new(big.Int).Set(r.Num()), 0).fits()
	den, ok2 := fromBig(new(big.Int).Set(r.Denom()), 0).fits()
	if ok1 && ok2 {
		return num.div(den)
	}
	return parseDecimal(r.FloatString(divScale))
}

// inUnit converts q to a UCUM unit; false when the two are not comparable.
func (q *quantity) inUnit(unit string) (decimal, bool) {
	if q.calendar {
		return decimal{}, false
	}
	if q.unit == unit {
		return q.value, true
	}
	from, err1 := units.Parse(q.unit)
	to, err2 := units.Parse(unit)
	if err1 != nil || err2 != nil {
		return decimal{}, false
	}
	r, ok := from.To(to, q.value.rat())
	if !ok {
		return decimal{}, false
	}
	return fromRat(r)
}

// definite is q in UCUM where its calendar unit has a fixed length.
func (q *quantity) definite() *quantity {
	if q.calendar && fixed[q.unit] != "" {
		return &quantity{q.value, fixed[q.unit], false}
	}
	return q
}

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
	u, err1 := units.Parse(a.unit)
	v, err2 := units.Parse(b.unit)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	r, ok := v.To(u, b.value.rat())
	if !ok {
		return 0, false
	}
	return a.value.rat().Cmp(r), true
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
	if a.unit == b.unit && a.calendar == b.calendar {
		places := min(a.value.places(), b.value.places())
		return a.value.round(places).cmp(b.value.round(places)) == 0
	}
	if a.calendar || b.calendar {
		return false
	}
	if a.grain().Cmp(b.grain()) < 0 {
		a, b = b, a
	}
	v, ok := b.inUnit(a.unit)
	return ok && v.round(a.value.places()).cmp(a.value) == 0
}

// grain is the size of the last digit that was written, in base units.
func (q *quantity) grain() *big.Rat {
	u, err := units.Parse(q.unit)
	if err != nil {
		return new(big.Rat)
	}
	one := decimal{small: 1, scale: q.value.scale}
	return new(big.Rat).Sub(u.Base(one.rat()), u.Base(new(big.Rat)))
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
