package index

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxText is the longest text in an index row, in runes; beyond it strings match by their beginning.
const MaxText = 200

// Fold makes texts equal that a search by string does not tell apart: by case, width, accents or runs of spaces.
func Fold(s string) string { return FoldTo(s, MaxText) }

// FoldTo is Fold up to a number of runes.
func FoldTo(s string, most int) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if !ascii {
		s = norm.NFKD.String(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	space := true // drops leading spaces
	n := 0
	for _, r := range s {
		if r >= utf8.RuneSelf && unicode.Is(unicode.Mn, r) {
			continue
		}
		if unicode.IsSpace(r) {
			if !space {
				b.WriteByte(' ')
				n++
			}
			space = true
			continue
		}
		space = false
		b.WriteRune(unicode.ToLower(r))
		if n++; n >= most {
			break
		}
	}
	out := strings.TrimRight(b.String(), " ")
	if !ascii {
		out = norm.NFC.String(out)
	}
	return out
}
