package subscription

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// version is one version of a resource made ready for a decision in memory: the search engine of the store
// knows only what is current, but a version that has been overtaken, and the one before it, count too.
type version struct {
	node    *fhir.Node
	entries []index.Entry
	updated time.Time
}

func versionOf(v store.Version, zone *time.Location) (*version, error) {
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	return &version{node: n, entries: index.Extract(n, zone), updated: v.Updated}, nil
}

// meets decides criteria in memory; known is false for what only the search engine can decide (chains and the like).
func (v *version) meets(where []search.Clause, now time.Time) (ok, known bool) {
	ok, known = true, true
	for i := range where {
		met, sure := v.clause(&where[i], now)
		if sure && !met {
			return false, true
		}
		known = known && sure
	}
	return ok, known
}

func (v *version) clause(c *search.Clause, now time.Time) (ok, known bool) {
	switch {
	case c.Param == nil && c.Special == "_lastUpdated":
		at := v.updated.UnixMicro()
		return anyOf(c.Values, func(w *search.Value) bool { return within(w, at, at+1, now) }), true
	case c.Chain != nil || c.Has != nil || c.Filter != nil:
		return false, false
	case c.Special == "_id" || c.Param != nil && c.Param.Code == "_id":
		return anyOf(c.Values, func(w *search.Value) bool { return w.Text == v.node.ID() || w.Code == v.node.ID() }), true
	case c.Param == nil || c.Param.Sealed || spec.Lookup(v.node.Type(), c.Param.Code) != c.Param:
		return false, false
	}
	var has []*index.Entry
	for i := range v.entries {
		if v.entries[i].Param == c.Param {
			has = append(has, &v.entries[i])
		}
	}
	switch c.Modifier {
	case "missing":
		return (len(has) == 0) == c.Missing, true
	case "", "not":
	case "exact", "contains":
		if c.Param.Type != spec.String {
			return false, false
		}
	default:
		return false, false
	}
	switch c.Param.Type {
	case spec.Token, spec.String, spec.Date, spec.Reference, spec.URI:
	case spec.Number, spec.Quantity:
		if anyOf(c.Values, func(w *search.Value) bool { return w.Code != "" }) || slices.ContainsFunc(has, func(x *index.Entry) bool { return x.Interval }) {
			return false, false // units that compare, and values that are ranges
		}
	default:
		return false, false
	}
	met := anyOf(c.Values, func(w *search.Value) bool {
		for _, x := range has {
			if holds(c, w, x, now) {
				return true
			}
		}
		return false
	})
	return met != (c.Modifier == "not"), true
}

func anyOf(values []search.Value, one func(*search.Value) bool) bool {
	for i := range values {
		if one(&values[i]) {
			return true
		}
	}
	return false
}

// holds compares one value of a clause with one entry of the resource, as the store's queries do.
func holds(c *search.Clause, w *search.Value, x *index.Entry, now time.Time) bool {
	switch c.Param.Type {
	case spec.Token:
		if w.Code == "" && (w.System == nil || *w.System == "") {
			return false
		}
		return (w.Code == "" || w.Code == x.Code) && (w.System == nil || *w.System == x.System)
	case spec.String:
		want, got := store.Fold(w.Text), store.Fold(x.Text)
		switch {
		case want == "":
			return false
		case c.Modifier == "exact":
			return w.Text == x.Text
		case c.Modifier == "contains":
			return strings.Contains(got, want)
		}
		return strings.HasPrefix(got, want)
	case spec.Date:
		return within(w, x.Low, x.High, now)
	case spec.Number, spec.Quantity:
		return measures(w, x)
	case spec.Reference:
		if w.RefID == "" {
			return w.URL != "" && w.URL == x.URI
		}
		return w.RefID == x.RefID && (w.RefType == "" || w.RefType == x.RefType)
	case spec.URI:
		return w.Text != "" && w.Text == x.URI
	}
	return false
}

func within(w *search.Value, low, high int64, now time.Time) bool {
	switch w.Prefix {
	case search.Ne:
		return !(low >= w.Low && high <= w.High)
	case search.Gt:
		return high > w.High
	case search.Ge:
		return high > w.High || low >= w.Low
	case search.Lt:
		return low < w.Low
	case search.Le:
		return low < w.Low || high <= w.High
	case search.Sa:
		return low >= w.High
	case search.Eb:
		return high <= w.Low
	case search.Ap:
		margin := max((now.UnixMicro()-w.Low)/10, (w.Low-now.UnixMicro())/10, w.High-w.Low)
		return low < w.High+margin && high > w.Low-margin
	}
	return low >= w.Low && high <= w.High
}

func measures(w *search.Value, x *index.Entry) bool {
	if w.System != nil && *w.System != "" && *w.System != x.System || w.Code != "" && w.Code != x.Code {
		return false
	}
	v := x.Value
	switch w.Prefix {
	case search.Ne:
		return !(v >= w.NumLow && v < w.NumHi)
	case search.Gt, search.Sa:
		return v > w.Number
	case search.Ge:
		return v >= w.Number
	case search.Lt, search.Eb:
		return v < w.Number
	case search.Le:
		return v <= w.Number
	case search.Ap:
		margin := max(w.Number/10, -w.Number/10)
		return v >= w.Number-margin && v <= w.Number+margin
	}
	return v >= w.NumLow && v < w.NumHi
}

// sieve is the part of criteria that can rule a resource out cheaply: one of these codes, or one of these ids, must
// stand there. It lets through more than the criteria do, never less; what passes is put to the search engine.
type sieve []mesh

type mesh struct {
	param *spec.Param
	any   map[string]bool // codes in lower case, or ids
}

func sieveOf(typ string, where []search.Clause) (s sieve) {
	for i := range where {
		c := &where[i]
		if c.Param == nil || c.Modifier != "" || c.Chain != nil || c.Has != nil || c.Filter != nil || c.Param.Sealed || spec.Lookup(typ, c.Param.Code) != c.Param {
			continue
		}
		m := mesh{c.Param, map[string]bool{}}
		for _, w := range c.Values {
			switch {
			case c.Param.Type == spec.Token && w.Code != "":
				m.any[strings.ToLower(w.Code)] = true
			case c.Param.Type == spec.Reference && w.RefID != "":
				m.any[w.RefID] = true
			default:
				m.any = nil
			}
			if m.any == nil {
				break
			}
		}
		if len(m.any) > 0 && c.Param.Code[0] != '_' {
			s = append(s, m)
		}
	}
	return s
}

// passes says whether a version may meet the criteria.
func (s sieve) passes(v *version) bool {
	for i := range s {
		m := &s[i]
		found := false
		for j := range v.entries {
			x := &v.entries[j]
			if x.Param != m.param {
				continue
			}
			if m.param.Type == spec.Reference {
				found = m.any[x.RefID]
			} else {
				found = m.any[x.Code] || m.any[strings.ToLower(x.Code)]
			}
			if found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// raises says whether a change is an event of the topic: before is nil on creation, after on delete.
func (t *Topic) raises(before, after *version, now time.Time) bool {
	letter := "u"
	switch {
	case after == nil:
		letter = "d"
	case before == nil:
		letter = "c"
	}
	if !strings.Contains(t.On, letter) {
		return false
	}
	if after != nil {
		if ok, _ := after.meets(t.now, now); !ok {
			return false
		}
	}
	if before == nil || after == nil {
		return true
	}
	if len(t.was) > 0 {
		if was, _ := before.meets(t.was, now); was {
			return false
		}
	}
	if t.Changed == nil {
		return true
	}
	for _, path := range t.Changed {
		if !equal(before.node.Get(path), after.node.Get(path)) {
			return true
		}
	}
	return false
}

func equal(a, b *fhir.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.JSON(), b.JSON())
}
