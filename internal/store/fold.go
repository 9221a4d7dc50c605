package store

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The longest text in an index row, in runes; beyond it strings match by their beginning.
const maxIndexed = 200

// fold makes texts equal that differ in case, width, accents or runs of spaces only.
func fold(s string) string { return foldTo(s, maxIndexed) }

// foldTo is fold up to a number of runes.
func foldTo(s string, most int) string {
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
