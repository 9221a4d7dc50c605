package fhir

import (
	"math"
	"strconv"
	"strings"
)

// Decimal is a number as written: its value and the interval that its digits imply.
type Decimal struct {
	Value     float64
	Low, High float64 // [Low, High): 100 is 99.5 to 100.5, 1e2 is 95 to 105 (FHIR search, number)
}

// ParseDecimal reads a JSON number or a number in a search; false for anything else,
// also where the value is too big for a float64.
func ParseDecimal(s string) (Decimal, bool) {
	if !IsDecimal(strings.TrimPrefix(s, "+")) {
		return Decimal{}, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) {
		return Decimal{}, false
	}
	mantissa, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		if exp, err = strconv.Atoi(strings.TrimPrefix(s[i+1:], "+")); err != nil {
			return Decimal{}, false
		}
		// 1e2 is written as one significant digit of tens
		if !strings.Contains(mantissa, ".") && exp > 0 {
			exp--
			if len(strings.TrimLeft(mantissa, "-+")) > 1 {
				exp++
			}
		}
	}
	places := 0
	if _, frac, ok := strings.Cut(mantissa, "."); ok {
		places = len(frac)
	}
	half := 0.5 * math.Pow10(exp-places)
	d := Decimal{v, tidy(v-half, places-exp+1), tidy(v+half, places-exp+1)}
	if d.High <= v { // more digits than a float64 holds
		d.High = math.Nextafter(v, math.Inf(1))
	}
	d.Low = min(d.Low, v)
	return d, true
}

// tidy rounds to the given decimal places, so that 5.4-0.05 is the nearest float to 5.35.
func tidy(v float64, places int) float64 {
	if places < 0 || places > 15 || math.Abs(v) > 1e15 {
		return v
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', places, 64), 64)
	return r
}

// IsDecimal reports whether s is a JSON number.
func IsDecimal(s string) bool {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	n := run(s, i)
	if n == i || s[i] == '0' && n > i+1 {
		return false
	}
	if i = n; i < len(s) && s[i] == '.' {
		if n = run(s, i+1); n == i+1 {
			return false
		}
		i = n
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if n = run(s, i); n == i {
			return false
		}
		i = n
	}
	return i == len(s) && i > 0
}

func run(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}
