package term

import "context"

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

// Codes lists a value set; known is false when it, or a code system it takes codes from, is not here, or it has more
// codes than one answer may.
func (s *Service) Codes(ctx context.Context, valueset string) (codes []Code, known bool, err error) {
	err = s.ask(ctx, func(q *session) error {
		set, err := q.whole(ctx, valueset)
		if set == nil || err != nil {
			return err
		}
		known = true
		codes = make([]Code, 0, set.Len())
		for _, p := range set.parts {
			for i := range p.len() {
				c, _ := p.concept(i)
				codes = append(codes, Code{System: p.system, Version: p.version, Code: c.Code, Display: c.Display})
			}
		}
		return nil
	})
	return codes, known, err
}

// whole evaluates a value set; nil when it cannot be known here.
func (q *session) whole(ctx context.Context, canonical string) (*Set, error) {
	v, err := q.valueSetOf(ctx, canonical)
	if v == nil || err != nil {
		return nil, err
	}
	set, err := q.evaluate(ctx, v)
	if refused(err) {
		return nil, nil
	}
	return set, err
}

// Below lists a code and all that it subsumes; known is false when the system or the code is not here.
func (s *Service) Below(ctx context.Context, system, code string) (codes []string, known bool, err error) {
	return s.line(ctx, system, code, (*book).below)
}

// Above lists a code and all that subsume it.
func (s *Service) Above(ctx context.Context, system, code string) (codes []string, known bool, err error) {
	return s.line(ctx, system, code, (*book).above)
}

func (s *Service) line(ctx context.Context, system, code string, reach func(*book, int32) []int32) (codes []string, known bool, err error) {
	err = s.ask(ctx, func(q *session) error {
		e, err := q.system(ctx, system, "")
		if e == nil || err != nil {
			return err
		}
		b, err := q.bookOf(ctx, e)
		if err != nil {
			return err
		}
		i, ok := b.find(code)
		if !ok {
			return nil
		}
		known = true
		for _, x := range reach(b, i) {
			codes = append(codes, b.concepts[x].Code)
		}
		return nil
	})
	return codes, known, err
}
