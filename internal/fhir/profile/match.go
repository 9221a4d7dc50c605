package profile

import (
	"math/big"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// equal compares values whole: order of properties and text of numbers do not matter, all else does.
func equal(a, b *fhir.Node) bool {
	if a == nil || b == nil || a.Kind != b.Kind {
		return a == b
	}
	switch a.Kind {
	case fhir.Number:
		return a.Text == b.Text || sameNumber(a.Text, b.Text)
	case fhir.Bool, fhir.String:
		return a.Text == b.Text
	case fhir.Array:
		if len(a.Items) != len(b.Items) {
			return false
		}
		for i := range a.Items {
			if !equal(a.Items[i], b.Items[i]) {
				return false
			}
		}
		return true
	case fhir.Object:
		if len(a.Members) != len(b.Members) {
			return false
		}
		for i := range a.Members {
			if o := b.Child(a.Members[i].Name); o == nil || !equal(a.Members[i].Value, o) {
				return false
			}
		}
	}
	return true
}

// fits reports whether v has at least what the pattern has; each item of a list is to be found in v's.
func fits(v, pattern *fhir.Node) bool {
	if v == nil || v.Kind != pattern.Kind {
		return false
	}
	switch pattern.Kind {
	case fhir.Array:
		for _, want := range pattern.Items {
			found := false
			for _, item := range v.Items {
				if fits(item, want) {
					found = true
					break
				}
			}
			if !found {
				return false
			}
		}
		return true
	case fhir.Object:
		for i := range pattern.Members {
			if c := v.Child(pattern.Members[i].Name); c == nil || !fits(c, pattern.Members[i].Value) {
				return false
			}
		}
		return true
	}
	return equal(v, pattern)
}

func sameNumber(a, b string) bool {
	c, ok := compareNumbers(a, b)
	return ok && c == 0
}

// longest number that is compared: 1e999999999 would fill the memory.
const longestNumber = 64

func compareNumbers(a, b string) (int, bool) {
	x, ok1 := rational(a)
	y, ok2 := rational(b)
	if !ok1 || !ok2 {
		return 0, false
	}
	return x.Cmp(y), true
}

func rational(s string) (*big.Rat, bool) {
	if len(s) > longestNumber {
		return nil, false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c == 'e' && len(s)-i > 5 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}

// compare orders two values of one type; false when they cannot be ordered.
func compare(typ string, a, b *fhir.Node) (int, bool) {
	if a == nil || b == nil {
		return 0, false
	}
	switch typ {
	case "date", "dateTime", "instant":
		x, err1 := fhir.ParseDate(a.Text, nil)
		y, err2 := fhir.ParseDate(b.Text, nil)
		switch {
		case err1 != nil || err2 != nil || x.Zoned != y.Zoned:
			return 0, false
		case x.Low == y.Low && x.High == y.High:
			return 0, true
		case x.High <= y.Low:
			return -1, true
		case x.Low >= y.High:
			return 1, true
		}
		return 0, false
	case "time":
		switch {
		case a.Text < b.Text:
			return -1, true
		case a.Text > b.Text:
			return 1, true
		}
		return 0, true
	case "decimal", "integer", "positiveInt", "unsignedInt":
		return compareNumbers(a.Text, b.Text)
	case "Quantity", "Age", "Count", "Distance", "Duration":
		if a.Str("system") != b.Str("system") || a.Str("code") != b.Str("code") || a.Child("comparator") != nil {
			return 0, false
		}
		return compareNumbers(a.Str("value"), b.Str("value"))
	}
	return 0, false
}
