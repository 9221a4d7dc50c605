package term

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// entry is one stored CodeSystem, ValueSet or ConceptMap as its row in term_book says.
type entry struct {
	num, vid, updated int64
	kind, id          string
	url, version      string
	status, date      string
	name, title       string
	content, language string
	folds             bool // codes differ in more than their case
	concepts          int64
}

func (e *entry) canonical() string {
	if e.version == "" {
		return e.url
	}
	return e.url + "|" + e.version
}

// book is a code system in memory.
type book struct {
	entry
	concepts []Concept
	index    map[string]int32
	parents  [][]int32
	children [][]int32
	words    []words
	all      []int32 // 0, 1, 2, …
}

// words is what a text filter looks at.
type words struct {
	code    string // folded
	display string // folded
	others  []string
	sounds  []uint16
	length  int
}

func newBook(e entry, concepts []Concept, s *sounds) *book {
	b := &book{entry: e, concepts: concepts, index: make(map[string]int32, len(concepts)), parents: make([][]int32, len(concepts)),
		children: make([][]int32, len(concepts)), words: make([]words, len(concepts)), all: make([]int32, len(concepts))}
	for i := range concepts {
		b.index[b.fold(concepts[i].Code)] = int32(i)
		b.all[i] = int32(i)
	}
	for i := range concepts {
		c := &concepts[i]
		for _, code := range c.Parents {
			if p, ok := b.index[b.fold(code)]; ok && int(p) != i {
				b.parents[i] = append(b.parents[i], p)
				b.children[p] = append(b.children[p], int32(i))
			}
		}
		b.words[i] = wordsOf(c, s)
	}
	return b
}

func wordsOf(c *Concept, s *sounds) words {
	w := words{code: foldText(c.Code), display: foldText(c.Display), sounds: s.of(c.Display), length: utf8.RuneCountInString(c.Display)}
	if c.Extra != nil {
		for _, d := range c.Designations {
			if t := foldText(d.Value); t != w.display {
				w.others = append(w.others, t)
			}
		}
	}
	return w
}

func (b *book) fold(code string) string {
	if b.folds {
		return strings.ToLower(code)
	}
	return code
}

func (b *book) find(code string) (int32, bool) {
	i, ok := b.index[b.fold(code)]
	return i, ok
}

// fragment says that more codes may exist than are listed.
func (e *entry) fragment() bool {
	return e.content == "fragment" || e.content == "example" || e.content == "not-present"
}

// below is the concept and all its descendants, in the order of the definition.
func (b *book) below(i int32) []int32 { return b.reach(i, b.children) }

// above is the concept and all its ancestors.
func (b *book) above(i int32) []int32 { return b.reach(i, b.parents) }

func (b *book) reach(i int32, next [][]int32) []int32 {
	seen := newBits(len(b.concepts))
	seen.set(i)
	out := []int32{i}
	for n := 0; n < len(out); n++ {
		for _, c := range next[out[n]] {
			if !seen.has(c) {
				seen.set(c)
				out = append(out, c)
			}
		}
	}
	slices.Sort(out)
	return out
}

// subsumes says whether a is an ancestor of b.
func (b *book) subsumes(a, of int32) bool {
	if a == of {
		return false
	}
	_, found := slices.BinarySearch(b.above(of), a)
	return found
}

// bits is a set of concepts.
type bits []uint64

func newBits(n int) bits        { return make(bits, (n+63)/64) }
func (s bits) has(i int32) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s bits) set(i int32)      { s[i/64] |= 1 << (i % 64) }
func bitsOf(n int, l []int32) bits {
	s := newBits(n)
	for _, i := range l {
		s.set(i)
	}
	return s
}

// foldText makes texts equal that differ in case or width only.
func foldText(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return strings.ToLower(norm.NFKC.String(s))
		}
	}
	return strings.ToLower(s)
}

type bookKey struct{ num, vid int64 }

type heldBook struct {
	book *book
	turn int64
}

// load gives a stored code system, from memory when it has not changed.
func (q *session) load(ctx context.Context, e *entry) (*book, error) {
	if b := q.holding(bookKey{e.num, e.vid}); b != nil {
		return b, nil
	}
	q.loading.Lock() // the second who asks finds what the first has loaded
	defer q.loading.Unlock()
	if b := q.holding(bookKey{e.num, e.vid}); b != nil {
		return b, nil
	}
	rows := make([]Concept, 0, e.concepts)
	var order []int64
	err := q.tx.Query(ctx, "SELECT ord, code, display, parents, extra FROM term_concept WHERE book = ? ORDER BY ord", []any{e.num}, func(scan func(...any) error) error {
		var ord int64
		c, err := scanConcept(scan, &ord)
		rows, order = append(rows, c), append(order, ord)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("term: load %s: %w", e.canonical(), err)
	}
	b := newBook(*e, rows, q.sounds)
	q.hold(b)
	return b, nil
}

func scanConcept(scan func(...any) error, ord *int64) (c Concept, err error) {
	var parents, extra string
	if err := scan(ord, &c.Code, &c.Display, &parents, &extra); err != nil {
		return c, err
	}
	if parents != "" {
		c.Parents = strings.Split(parents, "\n")
	}
	c.Extra, err = readExtra(extra)
	return c, err
}

func (s *Service) holding(k bookKey) *book {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.books[k]
	if h == nil {
		return nil
	}
	s.turn++
	h.turn = s.turn
	return h.book
}

// hold keeps a book and lets go of an older version of it, and of those unused for longest when there are too many concepts.
func (s *Service) hold(b *book) {
	s.mu.Lock()
	defer s.mu.Unlock()
	drop := func(k bookKey) {
		s.held -= len(s.books[k].book.concepts)
		delete(s.books, k)
	}
	for k := range s.books {
		if k.num == b.num && k.vid < b.vid {
			drop(k)
		}
	}
	for s.held > 0 && s.held+len(b.concepts) > maxHeld {
		var oldest bookKey
		least := int64(-1)
		for k, h := range s.books {
			if least < 0 || h.turn < least {
				oldest, least = k, h.turn
			}
		}
		if least < 0 {
			break
		}
		drop(oldest)
	}
	s.turn++
	s.books[bookKey{b.num, b.vid}] = &heldBook{b, s.turn}
	s.held += len(b.concepts)
}

// concept is one concept of a stored code system, without loading all of it.
func (q *session) concept(ctx context.Context, e *entry, code string) (c Concept, found bool, err error) {
	if b := q.holding(bookKey{e.num, e.vid}); b != nil || e.folds || e.num <= 0 {
		if b == nil {
			if b, err = q.bookOf(ctx, e); err != nil {
				return c, false, err
			}
		}
		i, ok := b.find(code)
		if !ok {
			return c, false, nil
		}
		return b.concepts[i], true, nil
	}
	err = q.tx.Query(ctx, "SELECT ord, code, display, parents, extra FROM term_concept WHERE book = ? AND code = ?", []any{e.num, code}, func(scan func(...any) error) error {
		var ord int64
		found = true
		c, err = scanConcept(scan, &ord)
		return err
	})
	return c, found, err
}

// read gives the resource of an entry.
func (q *session) read(ctx context.Context, e *entry) (*fhir.Node, error) {
	v, err := q.tx.Read(ctx, everything, e.kind, e.id)
	if err != nil {
		return nil, fmt.Errorf("term: %s/%s: %w", e.kind, e.id, err)
	}
	return fhir.Parse(v.JSON)
}

func buildKind(ctx context.Context, tx *store.Tx, kind string) error {
	cursor := ""
	for {
		page, err := tx.Search(ctx, allOf(kind, cursor))
		if err != nil {
			return err
		}
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			if err := derive(ctx, tx, store.Written{Version: v, After: n}); err != nil && !refused(err) {
				return fmt.Errorf("%s: %w", v.ID, err)
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}
