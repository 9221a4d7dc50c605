package term

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Set is a value set worked out: parts in the order of the definition, no code twice.
type Set struct {
	parts []*part
	used  []string // system|version that it rests on
}

// part is some codes of one code system: of a loaded one, or as listed where the system is not known here.
type part struct {
	system, version string
	book            *book
	idx             []int32 // of book, in order
	has             bits
	own             map[int32]*Concept // what the value set says otherwise of a concept of book: display, designations
	loose           []Concept          // without book
	at              map[string]int     // of loose
}

func (p *part) len() int {
	if p.book != nil {
		return len(p.idx)
	}
	return len(p.loose)
}

// concept gives the i-th one; own is what the value set says of it.
func (p *part) concept(i int) (c, own *Concept) {
	if p.book != nil {
		return &p.book.concepts[p.idx[i]], p.own[p.idx[i]]
	}
	return &p.loose[i], nil
}

func (p *part) find(code string) (c, own *Concept, ok bool) {
	if p.book == nil {
		i, ok := p.at[code]
		if !ok {
			return nil, nil, false
		}
		return &p.loose[i], nil, true
	}
	i, ok := p.book.find(code)
	if !ok || !p.has.has(i) {
		return nil, nil, false
	}
	return &p.book.concepts[i], p.own[i], true
}

// Len counts the codes.
func (s *Set) Len() int {
	n := 0
	for _, p := range s.parts {
		n += p.len()
	}
	return n
}

func (s *Set) find(system, version, code string) (p *part, c, own *Concept, ok bool) {
	for _, p := range s.parts {
		if system != "" && p.system != system || version != "" && p.version != "" && p.version != version {
			continue
		}
		if c, own, ok := p.find(code); ok {
			return p, c, own, true
		}
	}
	return nil, nil, nil, false
}

// evaluate works out a value set; one that is stored is remembered until some terminology changes.
func (q *session) evaluate(ctx context.Context, v *valueSet) (*Set, error) {
	keep := v.num > 0 && q.given == nil && len(q.pins) == 0
	if keep {
		q.known.mu.Lock()
		s := q.known.sets[v.num]
		q.known.mu.Unlock()
		if s != nil {
			for _, u := range s.used {
				q.used[u] = true
			}
			return s, nil
		}
	}
	if slices.Contains(q.stack, v.canonical) && v.canonical != "" {
		return nil, fhir.Refuse(422, "processing", "cyclic-value-set", "value sets include each other: "+strings.Join(append(q.stack, v.canonical), " → "), "值集相互包含，无法展开")
	}
	if len(q.stack) >= maxDepth {
		return nil, tooCostly("value sets are nested too deeply", "值集嵌套过深")
	}
	outer := q.used
	q.used = map[string]bool{}
	q.stack = append(q.stack, v.canonical)
	s, err := q.compose(ctx, v.node)
	q.stack = q.stack[:len(q.stack)-1]
	if err == nil {
		for u := range q.used {
			s.used = append(s.used, u)
		}
		slices.Sort(s.used)
	}
	for u := range q.used {
		outer[u] = true
	}
	q.used = outer
	if err != nil {
		return nil, err
	}
	if keep {
		q.known.mu.Lock()
		if len(q.known.sets) >= 256 {
			clear(q.known.sets)
		}
		q.known.sets[v.num] = s
		q.known.mu.Unlock()
	}
	return s, nil
}

func (q *session) compose(ctx context.Context, n *fhir.Node) (*Set, error) {
	compose := n.Child("compose")
	if compose == nil {
		return q.listed(ctx, n)
	}
	b := &builder{q: q}
	for _, inc := range compose.All("include") {
		s, err := q.selected(ctx, inc)
		if err != nil {
			return nil, err
		}
		if err := b.add(ctx, s); err != nil {
			return nil, err
		}
	}
	var without []*Set
	for _, exc := range compose.All("exclude") {
		s, err := q.selected(ctx, exc)
		if err != nil {
			return nil, err
		}
		without = append(without, s)
	}
	activeOnly := compose.Str("inactive") == "false"
	return q.keep(ctx, &b.set, func(p *part, c *Concept) bool {
		if activeOnly && c.inactive() {
			return false
		}
		for _, s := range without {
			if _, _, _, ok := s.find(p.system, "", c.Code); ok {
				return false
			}
		}
		return true
	}, activeOnly || len(without) > 0)
}

// listed reads a value set that has an expansion only.
func (q *session) listed(ctx context.Context, n *fhir.Node) (*Set, error) {
	b := &builder{q: q}
	var walk func(list []*fhir.Node, depth int) error
	walk = func(list []*fhir.Node, depth int) error {
		for _, c := range list {
			if code := c.Str("code"); code != "" {
				var x *Extra
				if c.Str("abstract") == "true" || c.Str("inactive") == "true" {
					x = &Extra{Abstract: c.Str("abstract") == "true", Inactive: c.Str("inactive") == "true"}
				}
				if err := q.spend(ctx, 1); err != nil {
					return err
				}
				b.loose(c.Str("system"), c.Str("version"), Concept{Code: code, Display: c.Str("display"), Extra: x})
			}
			if depth < 100 {
				if err := walk(c.All("contains"), depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err := walk(n.All("expansion.contains"), 0)
	return &b.set, err
}

// selected works out one include or exclude: the codes of the system that all of its filters and all of its value sets allow.
func (q *session) selected(ctx context.Context, inc *fhir.Node) (*Set, error) {
	var within []*Set
	for _, c := range inc.All("valueSet") {
		v, err := q.valueSetOf(ctx, c.Text)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, unknown("value set", c.Text)
		}
		s, err := q.evaluate(ctx, v)
		if err != nil {
			return nil, err
		}
		within = append(within, s)
	}
	var from *Set
	if system := inc.Str("system"); system != "" {
		p, err := q.ofSystem(ctx, system, inc.Str("version"), inc)
		if err != nil {
			return nil, err
		}
		from = &Set{parts: []*part{p}}
	} else if len(within) > 0 {
		from, within = within[0], within[1:]
	} else {
		return &Set{}, nil
	}
	return q.keep(ctx, from, func(p *part, c *Concept) bool {
		for _, s := range within {
			if _, _, _, ok := s.find(p.system, "", c.Code); !ok {
				return false
			}
		}
		return true
	}, len(within) > 0)
}

func (q *session) ofSystem(ctx context.Context, system, version string, inc *fhir.Node) (*part, error) {
	listed, filters := inc.All("concept"), inc.All("filter")
	e, err := q.system(ctx, system, version)
	if err != nil {
		return nil, err
	}
	p := &part{system: system, version: version}
	if e == nil || e.content == "not-present" {
		if len(listed) == 0 {
			return nil, unknown("code system", system)
		}
		if len(filters) > 0 {
			return nil, invalid("concepts-and-filters", "an include has concepts or filters, not both", "同一 include 不能同时有 concept 和 filter")
		}
		for _, c := range listed {
			p.list(readListed(c))
		}
		return p, q.spend(ctx, len(listed))
	}
	if p.book, err = q.bookOf(ctx, e); err != nil {
		return nil, err
	}
	p.version = p.book.version
	if len(listed) == 0 {
		p.idx = p.book.all
		for _, f := range filters {
			if err := q.spend(ctx, len(p.idx)); err != nil {
				return nil, err
			}
			if p.idx, err = q.filter(ctx, p.book, p.idx, f); err != nil {
				return nil, err
			}
		}
		p.has = bitsOf(len(p.book.concepts), p.idx)
		return p, q.spend(ctx, len(p.idx))
	}
	if len(filters) > 0 {
		return nil, invalid("concepts-and-filters", "an include has concepts or filters, not both", "同一 include 不能同时有 concept 和 filter")
	}
	if p.book.fragment() { // what is not in the fragment may exist all the same
		known := p.book
		p.book = nil
		for _, c := range listed {
			l := readListed(c)
			if i, ok := known.find(l.Code); ok {
				l = merged(&known.concepts[i], &l)
			}
			p.list(l)
		}
		return p, q.spend(ctx, len(listed))
	}
	p.has = newBits(len(p.book.concepts))
	for _, c := range listed {
		l := readListed(c)
		i, ok := p.book.find(l.Code)
		if !ok || p.has.has(i) {
			continue
		}
		p.has.set(i)
		p.idx = append(p.idx, i)
		if l.Display != "" || l.Extra != nil {
			if p.own == nil {
				p.own = map[int32]*Concept{}
			}
			p.own[i] = &l
		}
	}
	return p, q.spend(ctx, len(listed))
}

func readListed(c *fhir.Node) Concept {
	l := Concept{Code: c.Str("code"), Display: c.Str("display")}
	for _, d := range c.All("designation") {
		if l.Extra == nil {
			l.Extra = &Extra{}
		}
		l.Designations = append(l.Designations, Designation{d.Str("language"), d.Child("use"), d.Str("value")})
	}
	return l
}

// merged is a concept as its system has it, with what a value set says otherwise.
func merged(c, own *Concept) Concept {
	out := *c
	if own == nil {
		return out
	}
	if own.Display != "" {
		out.Display = own.Display
	}
	if own.Extra != nil {
		x := Extra{}
		if c.Extra != nil {
			x = *c.Extra
		}
		x.Designations = append(slices.Clone(own.Designations), x.Designations...)
		out.Extra = &x
	}
	return out
}

func (p *part) list(c Concept) {
	if p.at == nil {
		p.at = map[string]int{}
	}
	if _, twice := p.at[c.Code]; twice || c.Code == "" {
		return
	}
	p.at[c.Code] = len(p.loose)
	p.loose = append(p.loose, c)
}

// keep gives the set of those concepts that ok lets through.
func (q *session) keep(ctx context.Context, s *Set, ok func(*part, *Concept) bool, needed bool) (*Set, error) {
	if !needed {
		return s, nil
	}
	if err := q.spend(ctx, s.Len()); err != nil {
		return nil, err
	}
	out := &Set{}
	for _, p := range s.parts {
		n := &part{system: p.system, version: p.version, book: p.book, own: p.own}
		if p.book != nil {
			n.idx = make([]int32, 0, len(p.idx))
			for _, i := range p.idx {
				if ok(p, &p.book.concepts[i]) {
					n.idx = append(n.idx, i)
				}
			}
			n.has = bitsOf(len(p.book.concepts), n.idx)
		} else {
			for i := range p.loose {
				if ok(p, &p.loose[i]) {
					n.list(p.loose[i])
				}
			}
		}
		if n.len() > 0 {
			out.parts = append(out.parts, n)
		}
	}
	return out, nil
}

// builder puts sets together, each code once.
type builder struct {
	q   *session
	set Set
}

func (b *builder) add(ctx context.Context, s *Set) error {
	if err := b.q.spend(ctx, s.Len()); err != nil {
		return err
	}
	for _, p := range s.parts {
		fresh, err := b.q.keep(ctx, &Set{parts: []*part{p}}, func(p *part, c *Concept) bool {
			for _, o := range b.set.parts {
				if o.system == p.system && o.version == p.version {
					if _, _, ok := o.find(c.Code); ok {
						return false
					}
				}
			}
			return true
		}, slices.ContainsFunc(b.set.parts, func(o *part) bool { return o.system == p.system }))
		if err != nil {
			return err
		}
		b.set.parts = append(b.set.parts, fresh.parts...)
	}
	if len(b.set.parts) > 10_000 {
		return tooCostly(fmt.Sprintf("the value set has more than %d parts", 10_000), "值集组成部分过多")
	}
	return nil
}

func (b *builder) loose(system, version string, c Concept) {
	for _, p := range b.set.parts {
		if p.system == system && p.version == version {
			p.list(c)
			return
		}
	}
	p := &part{system: system, version: version}
	p.list(c)
	b.set.parts = append(b.set.parts, p)
}
