package store

import "github.com/xinglin-health/xinglin/internal/fhir/index"

// The longest text in an index row, in runes; beyond it strings match by their beginning.
const maxIndexed = index.MaxText

// fold makes texts equal that differ in case, width, accents or runs of spaces only.
func fold(s string) string { return index.Fold(s) }

// clip bounds a text that is kept as written.
func clip(s string) string {
	if len(s) <= maxIndexed {
		return s
	}
	n := 0
	for i := range s {
		if n++; n > maxIndexed {
			return s[:i]
		}
	}
	return s
}
