package index

import (
	"slices"
	"unicode"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// ByWords says whether a sealed parameter is also found by the words of its value.
func ByWords(p *spec.Param) bool { return p.Sealed && p.Type == spec.String && p.Code == "address" }

// maxAddressWords bounds what one address, or one question for it, is taken apart into.
const maxAddressWords = 64

// AddressWords are the words by which a sealed address is found: pairs of Chinese characters, and whole words and
// numbers of other scripts. A single character alone is none: it would say little and reveal much.
func AddressWords(text string) (words []string) {
	var run []rune
	han := false
	add := func(w string) {
		if len(words) < maxAddressWords && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	flush := func() {
		if !han && len(run) > 0 {
			add(string(run))
		}
		for i := 0; han && i+1 < len(run); i++ {
			add(string(run[i : i+2]))
		}
		run = run[:0]
	}
	for _, r := range Fold(text) {
		isHan := unicode.Is(unicode.Han, r)
		if !isHan && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if isHan != han {
			flush()
			han = isHan
		}
		run = append(run, r)
	}
	flush()
	return words
}
