package search

import "github.com/xinglin-health/xinglin/internal/fhir/ucum"

// In is the same quantity in another unit; false unless the value names UCUM as its system and both units measure
// the same. The bounds of its digits are converted with it.
func (v *Value) In(unit string) (Value, bool) {
	if v.System == nil || *v.System != ucum.System || v.Code == "" {
		return Value{}, false
	}
	from, err := ucum.Parse(v.Code)
	if err != nil {
		return Value{}, false
	}
	to, err := ucum.Parse(unit)
	if err != nil || !from.Comparable(to) {
		return Value{}, false
	}
	r := *v
	r.Code = unit
	for _, n := range []*float64{&r.Number, &r.NumLow, &r.NumHi} {
		var ok bool
		if *n, ok = ucum.Float(*n, from, to); !ok {
			return Value{}, false
		}
	}
	return r, true
}
