// Package match decides search criteria on one resource in memory, as the search engine does.
package match

import (
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Resource is one made ready for decisions: one that no index knows, as contained ones and versions that have been overtaken.
type Resource struct {
	Node    *fhir.Node
	Entries []index.Entry
	Updated time.Time
}

// Of makes a resource ready; zone is that of dates without one, nil meaning UTC.
func Of(n *fhir.Node, zone *time.Location, updated time.Time) *Resource {
	return &Resource{Node: n, Entries: index.Extract(n, zone), Updated: updated}
}

// Meets decides criteria in memory; known is false for what only the search engine can decide (chains and the like).
func (v *Resource) Meets(where []search.Clause, now time.Time) (ok, known bool) {
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

// Decides tells whether a clause can be decided in memory on resources of a type; chains and the like cannot.
func Decides(typ string, c *search.Clause) bool {
	switch {
	case c.Param == nil && c.Special == "_lastUpdated":
		return true
	case c.Chain != nil || c.Has != nil || c.Filter != nil || c.Across != nil:
		return false
	case isID(c):
		return true
	case c.Param == nil || spec.Lookup(typ, c.Param.Code) != c.Param:
		return false
	case c.Modifier == "missing":
		return true
	case c.Param.Sealed && (c.Param.Type != spec.Token || anyOf(c.Values, func(w *search.Value) bool { return index.Fold(w.Code) == "" })):
		return false
	}
	switch c.Modifier {
	case "", "not":
	case "exact", "contains":
		if c.Param.Type != spec.String {
			return false
		}
	default:
		return false
	}
	switch c.Param.Type {
	case spec.Token, spec.String, spec.Date, spec.Reference, spec.URI:
		return true
	case spec.Number, spec.Quantity: // not of units that compare
		return !anyOf(c.Values, func(w *search.Value) bool { return w.Code != "" })
	}
	return false
}

func isID(c *search.Clause) bool {
	return c.Special == "_id" || c.Param != nil && c.Param.Code == "_id"
}

func (v *Resource) clause(c *search.Clause, now time.Time) (ok, known bool) {
	switch {
	case !Decides(v.Node.Type(), c):
		return false, false
	case c.Param == nil && c.Special == "_lastUpdated":
		at := v.Updated.UnixMicro()
		return anyOf(c.Values, func(w *search.Value) bool { return within(w, at, at+1, now) }), true
	case isID(c):
		return anyOf(c.Values, func(w *search.Value) bool { return w.Text == v.Node.ID() || w.Code == v.Node.ID() }), true
	}
	var has []*index.Entry
	for i := range v.Entries {
		if v.Entries[i].Param == c.Param {
			has = append(has, &v.Entries[i])
		}
	}
	if c.Modifier == "missing" {
		return (len(has) == 0) == c.Missing, true
	}
	if slices.ContainsFunc(has, func(x *index.Entry) bool { return x.Interval }) {
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
		if c.Param.Sealed { // as whole values, folded
			return (w.System == nil || *w.System == x.System) && index.Fold(w.Code) == index.Fold(x.Code)
		}
		if w.Code == "" && (w.System == nil || *w.System == "") {
			return false
		}
		return (w.Code == "" || w.Code == x.Code) && (w.System == nil || *w.System == x.System)
	case spec.String:
		want, got := index.Fold(w.Text), index.Fold(x.Text)
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
