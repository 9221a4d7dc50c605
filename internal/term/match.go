package term

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// matcher finds concepts by what a person types: Chinese, a code, or pinyin; several words must all be found.
type matcher struct {
	words   []string
	readers []*reader // nil where a word cannot be pinyin
}

func (s *sounds) matcher(filter string) *matcher {
	m := &matcher{}
	for _, w := range strings.Fields(foldText(filter)) {
		m.words = append(m.words, w)
		var r *reader
		if spoken(w) {
			r = s.reader(w)
		}
		m.readers = append(m.readers, r)
	}
	return m
}

// rank says how well a concept fits, smaller is better: whole, beginning, beginning of a word, somewhere; and in each
// the text itself before its pinyin. -1 when some word is not there.
func (m *matcher) rank(w *words) int {
	sum := 0
	for i, word := range m.words {
		best := 2 * nowhere
		if p := place(w.display, word); p < nowhere {
			best = 2 * p
		}
		if strings.HasPrefix(w.code, word) {
			p := atStart
			if len(w.code) == len(word) {
				p = whole
			}
			best = min(best, 2*p)
		} else if best > 2*inside && strings.Contains(w.code, word) {
			best = 2 * inside
		}
		for _, o := range w.others {
			best = min(best, 2*place(o, word)+1)
		}
		if r := m.readers[i]; r != nil && best > 1 {
			if p := r.place(w.sounds); p < nowhere {
				best = min(best, 2*p+1)
			}
		}
		if best >= 2*nowhere {
			return -1
		}
		sum += best
	}
	return sum
}

// place says where word stands in text.
func place(text, word string) int {
	best := nowhere
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return best
		}
		i += from
		switch {
		case i == 0 && len(text) == len(word):
			return whole
		case i == 0:
			return atStart
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		if !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			return atWord
		}
		best = inside
		_, size := utf8.DecodeRuneInString(text[i:])
		from = i + max(size, 1)
	}
}

// hit is a concept that fits a filter.
type hit struct {
	part   *part
	i      int
	rank   int
	length int
}

func sortHits(hits []hit) {
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.length, b.length)) })
}
