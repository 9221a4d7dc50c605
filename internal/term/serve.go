package term

import (
	"context"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Has says whether the value set holds the code; known is false when the set, or a code system it takes codes
// from, is not here. system "" asks in any system.
func (s *Service) Has(ctx context.Context, valueset, system, code string) (has, known bool, err error) {
	err = s.ask(ctx, func(q *session) error {
		set, err := q.whole(ctx, valueset)
		if set == nil || err != nil {
			return err
		}
		_, c, _, ok := set.find(system, "", code)
		has, known = ok && c.Code == code, true
		return nil
	})
	return has, known, err
}

var _ search.Terms = (*Service)(nil)

// Codes lists a value set, named by canonical or as ValueSet/id, for searches with :in and :not-in.
func (s *Service) Codes(ctx context.Context, valueset string, limit int) (codes []search.Coding, err error) {
	err = s.ask(ctx, func(q *session) error {
		set, err := q.whole(ctx, valueset)
		switch {
		case err != nil:
			return err
		case set == nil:
			return search.ErrUnknownTerms
		case set.Len() > limit:
			return search.ErrTooMany
		}
		codes = make([]search.Coding, 0, set.Len())
		for _, p := range set.parts {
			for i := range p.len() {
				c, _ := p.concept(i)
				codes = append(codes, search.Coding{System: p.system, Code: c.Code})
			}
		}
		return nil
	})
	return codes, err
}

// whole evaluates a value set; nil when it cannot be known here.
func (q *session) whole(ctx context.Context, name string) (*Set, error) {
	w := Where{URL: name}
	if id, ok := strings.CutPrefix(name, "ValueSet/"); ok {
		w = Where{ID: id}
	}
	v, err := q.set(ctx, w)
	if err == nil {
		var set *Set
		if set, err = q.evaluate(ctx, v); err == nil {
			return set, nil
		}
	}
	if refused(err) || absent(err) {
		return nil, nil
	}
	return nil, err
}

// Below lists a code and all that it subsumes.
func (s *Service) Below(ctx context.Context, system, code string, limit int) ([]search.Coding, error) {
	return s.line(ctx, system, code, limit, (*book).below)
}

// Above lists a code and all that subsume it.
func (s *Service) Above(ctx context.Context, system, code string, limit int) ([]search.Coding, error) {
	return s.line(ctx, system, code, limit, (*book).above)
}

func (s *Service) line(ctx context.Context, system, code string, limit int, reach func(*book, int32) []int32) (codes []search.Coding, err error) {
	err = s.ask(ctx, func(q *session) error {
		e, err := q.system(ctx, system, "")
		if err != nil {
			return err
		}
		if e == nil {
			return search.ErrUnknownTerms
		}
		b, err := q.bookOf(ctx, e)
		if err != nil {
			return err
		}
		i, ok := b.find(code)
		if !ok {
			return search.ErrUnknownTerms
		}
		list := reach(b, i)
		if len(list) > limit {
			return search.ErrTooMany
		}
		codes = make([]search.Coding, len(list))
		for n, x := range list {
			codes[n] = search.Coding{System: e.url, Code: b.concepts[x].Code}
		}
		return nil
	})
	return codes, err
}
