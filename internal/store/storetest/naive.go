package storetest

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// naive answers searches by looking at every resource, as R4 words it: what the store is compared with.
type naive struct {
	items   []*item
	gone    []*item // deleted, as they last stood
	grants  []store.Grant
	singles []store.Item
	kinds   map[string][]string // of the patients
	now     time.Time
}

// mainDates of the types in the population: these are sorted by their beginning, either way.
var mainDates = []string{"date", "onset-date", "birthdate"}

type item struct {
	typ, id, custodian string
	node               *fhir.Node
	entries            []index.Entry
	home               string
	patients           []string
	kinds              []string
	versions           []edition
}

func (w *naive) find(typ, id string) *item {
	for _, it := range w.items {
		if it.typ == typ && it.id == id {
			return it
		}
	}
	return nil
}

func (w *naive) put(it *item) {
	it.entries, it.home, it.patients = index.Extract(it.node, zone), index.Home(it.node), index.Compartments(it.node)
	if old := w.take(it.typ, it.id); old != nil {
		it.versions = old.versions
		for i := range it.versions {
			it.versions[i].moved = it.versions[i].moved || old.home != "" && old.home != it.home
		}
	}
	it.versions = append(it.versions, edition{kinds: it.kinds})
	if it.typ == "Patient" {
		w.kinds["Patient/"+it.id] = it.kinds
	}
	w.items = append(w.items, it)
}

// take removes a resource, alive or gone.
func (w *naive) take(typ, id string) (old *item) {
	is := func(it *item) bool {
		if it.typ == typ && it.id == id {
			old = it
			return true
		}
		return false
	}
	w.items, w.gone = slices.DeleteFunc(w.items, is), slices.DeleteFunc(w.gone, is)
	return old
}

func (w *naive) remove(typ, id string) {
	if old := w.take(typ, id); old != nil {
		old.versions = append(old.versions, edition{deleted: true})
		w.gone = append(w.gone, old)
	}
}

// search lists all matches, unordered.
func (w *naive) search(q search.Query) []*item {
	var out []*item
	for _, it := range w.items {
		if (q.Type == "" || it.typ == q.Type) && (len(q.Types) == 0 || slices.Contains(q.Types, it.typ)) && w.visible(it, q.Scope) && w.all(it, q) {
			out = append(out, it)
		}
	}
	return out
}

func (w *naive) all(it *item, q search.Query) bool {
	if q.Compartment != nil && !slices.Contains(it.patients, "Patient/"+q.Compartment.ID) {
		return false
	}
	for i := range q.Where {
		if !w.matches(it, &q.Where[i], q.Scope) {
			return false
		}
	}
	return true
}

func (w *naive) filter(it *item, f *search.Filter, scope search.Scope) bool {
	switch f.Op {
	case "and":
		return !slices.ContainsFunc(f.Parts, func(p search.Filter) bool { return !w.filter(it, &p, scope) })
	case "or":
		return slices.ContainsFunc(f.Parts, func(p search.Filter) bool { return w.filter(it, &p, scope) })
	case "not":
		return !w.filter(it, &f.Parts[0], scope)
	}
	return w.matches(it, f.Clause, scope)
}

func (w *naive) matches(it *item, c *search.Clause, scope search.Scope) bool {
	switch {
	case c.Filter != nil:
		return w.filter(it, c.Filter, scope)
	case c.Has != nil:
		return slices.ContainsFunc(w.items, func(other *item) bool {
			return other.typ == c.Has.Type && w.visible(other, scope) && refers(other, c.Has.Param, it) && w.matches(other, &c.Has.Where, scope)
		})
	case c.Chain != nil:
		return slices.ContainsFunc(w.items, func(other *item) bool {
			inner, ok := c.Chain.Where[other.typ]
			return ok && slices.Contains(c.Chain.Types, other.typ) && w.visible(other, scope) && refers(it, c.Param, other) && w.matches(other, &inner, scope)
		})
	case c.Special == "_list":
		return slices.ContainsFunc(c.Values, func(v search.Value) bool {
			list := w.find("List", v.Text)
			return list != nil && w.visible(list, scope) && refers(list, spec.Lookup("List", "item"), it)
		})
	case c.Special == "_id" || c.Param != nil && c.Param.Code == "_id":
		return slices.ContainsFunc(c.Values, func(v search.Value) bool { return v.Text == it.id })
	case c.Modifier == "missing":
		return c.Missing == !slices.ContainsFunc(it.entries, func(e index.Entry) bool { return e.Param.ID == c.Param.ID })
	case c.Modifier == "not":
		return !w.holds(it, c)
	}
	return w.holds(it, c)
}

func refers(from *item, p *spec.Param, to *item) bool {
	return slices.ContainsFunc(from.entries, func(e index.Entry) bool { return e.Param.ID == p.ID && e.RefType == to.typ && e.RefID == to.id })
}

func (w *naive) holds(it *item, c *search.Clause) bool {
	if index.ByWords(c.Param) && c.Modifier != "exact" {
		has := map[string]bool{}
		for _, e := range it.entries {
			if e.Param.ID == c.Param.ID {
				for _, word := range index.AddressWords(e.Text) {
					has[word] = true
				}
			}
		}
		return slices.ContainsFunc(c.Values, func(v search.Value) bool {
			words := index.AddressWords(v.Text)
			return len(words) > 0 && !slices.ContainsFunc(words, func(word string) bool { return !has[word] })
		})
	}
	for _, e := range it.entries {
		if e.Param.ID != c.Param.ID {
			continue
		}
		for i := range c.Values {
			if w.equal(c.Param, c.Modifier, &e, &c.Values[i]) {
				return true
			}
		}
	}
	return false
}

func lower(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func (w *naive) equal(p *spec.Param, modifier string, e *index.Entry, v *search.Value) bool {
	switch p.Type {
	case spec.Token:
		if modifier == "text" {
			return v.Text != "" && strings.Contains(lower(e.Text), lower(v.Text))
		}
		return tokenEqual(e, v)
	case spec.String:
		a, b := lower(e.Text), lower(v.Text)
		switch {
		case p.Sealed:
			return a == b
		case modifier == "exact":
			return e.Text == v.Text
		case modifier == "contains":
			return strings.Contains(a, b)
		case modifier == "equal":
			return a == b
		case modifier == "ends":
			return strings.HasSuffix(a, b)
		}
		return strings.HasPrefix(a, b)
	case spec.Date:
		return w.dateEqual(e, v)
	case spec.Number, spec.Quantity:
		return quantityEqual(p, e, v)
	case spec.Reference:
		if modifier == "identifier" {
			return e.RefType == "" && e.URI == "" && tokenEqual(e, v)
		}
		if v.URL != "" {
			return e.URI == v.URL
		}
		return e.RefID == v.RefID && e.RefType != "" && (v.RefType == "" || v.RefType == e.RefType)
	case spec.URI:
		if modifier == "below" {
			return e.URI == v.Text || strings.HasPrefix(e.URI, v.Text+"/")
		}
		return e.URI == v.Text
	case spec.Composite:
		for i := range v.Parts {
			if !w.equal(p.Components[i], "", &e.Parts[i], &v.Parts[i]) {
				return false
			}
		}
		return true
	}
	return false
}

func tokenEqual(e *index.Entry, v *search.Value) bool {
	switch {
	case e.Code == "" && e.System == "":
		return false
	case v.Code == "":
		return v.System != nil && *v.System != "" && *v.System == e.System
	}
	return e.Code == v.Code && (v.System == nil || *v.System == e.System)
}

func (w *naive) dateEqual(e *index.Entry, v *search.Value) bool {
	low, high := e.Low, e.High
	switch v.Prefix {
	case search.Ne:
		return !(low >= v.Low && high <= v.High)
	case search.Gt:
		return high > v.High
	case search.Ge:
		return high > v.High || low >= v.Low
	case search.Lt:
		return low < v.Low
	case search.Le:
		return low < v.Low || high <= v.High
	case search.Sa:
		return low >= v.High
	case search.Eb:
		return high <= v.Low
	case search.Ap:
		now := w.now.UnixMicro()
		margin := max((now-v.Low)/10, (v.Low-now)/10, v.High-v.Low)
		return low < v.High+margin && high > v.Low-margin
	}
	return low >= v.Low && high <= v.High
}

// rounded undoes what floating point adds to a short decimal.
func rounded(x float64) float64 {
	x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', 12, 64), 64)
	return x
}

func quantityEqual(p *spec.Param, e *index.Entry, v *search.Value) bool {
	if p.Type == spec.Quantity {
		if v.System != nil && *v.System != "" && *v.System != e.System {
			return false
		}
		if v.Code != "" && e.Code != v.Code {
			factor, ok := map[[2]string]float64{{"mg", "g"}: 1e-3, {"g", "mg"}: 1e3}[[2]string{v.Code, e.Code}]
			if !ok || v.System == nil || *v.System != "http://unitsofmeasure.org" { // R4 converts what is said to be of UCUM
				return false
			}
			other := *v
			other.Code, other.Number, other.NumLow, other.NumHi = e.Code, rounded(v.Number*factor), rounded(v.NumLow*factor), rounded(v.NumHi*factor)
			v = &other
		}
	}
	low, high := e.Value, e.Value
	if e.Interval {
		low, high = e.NumLow, e.NumHi
	}
	switch v.Prefix {
	case search.Ne:
		return !(low >= v.NumLow && high < v.NumHi)
	case search.Gt:
		return high > v.Number
	case search.Ge:
		return high >= v.Number
	case search.Sa:
		return low > v.Number
	case search.Lt:
		return low < v.Number
	case search.Le:
		return low <= v.Number
	case search.Eb:
		return high < v.Number
	case search.Ap:
		margin := max(v.Number/10, -v.Number/10)
		return low <= max(v.Number+margin, v.NumHi) && high >= min(v.Number-margin, v.NumLow)
	}
	return low >= v.NumLow && high < v.NumHi
}

// includes lists what comes with the matches.
func (w *naive) includes(q search.Query, matches []*item) []string {
	seen := map[*item]bool{}
	for _, m := range matches {
		seen[m] = true
	}
	var out []string
	from := matches
	for hop := 0; len(from) > 0; hop++ {
		var next []*item
		add := func(it *item) {
			if !seen[it] && w.visible(it, q.Scope) {
				seen[it] = true
				next = append(next, it)
				out = append(out, it.typ+"/"+it.id)
			}
		}
		for _, inc := range q.Include {
			for _, it := range from {
				if hop > 0 && !inc.Iterate || it.typ != inc.Source {
					continue
				}
				for _, other := range w.items {
					if (inc.Target == "" || inc.Target == other.typ) && refers(it, inc.Param, other) {
						add(other)
					}
				}
			}
		}
		for _, inc := range q.RevInclude {
			for _, it := range from {
				if hop > 0 && !inc.Iterate || inc.Target != "" && it.typ != inc.Target {
					continue
				}
				for _, other := range w.items {
					if other.typ == inc.Source && refers(other, inc.Param, it) {
						add(other)
					}
				}
			}
		}
		from = next
	}
	sort.Strings(out)
	return out
}

// sortKey is what a resource is sorted by; ok is false where it has nothing.
func (it *item) sortKey(s search.SortKey) (text string, number float64, ok bool) {
	for _, e := range it.entries {
		if e.Param.ID != s.Param.ID {
			continue
		}
		var t string
		var n float64
		switch s.Param.Type {
		case spec.String:
			t = lower(e.Text)
		case spec.Token:
			if t = e.Code; t == "" {
				continue
			}
		case spec.Date:
			if n = float64(e.Low); s.Descending && !slices.Contains(mainDates, s.Param.Code) {
				n = float64(e.High)
			}
		default:
			if n = e.Value; e.Interval {
				if n = e.NumLow; n < -1e300 {
					n = e.NumHi
				}
			}
		}
		if !ok || !s.Descending && (t < text || n < number) || s.Descending && (t > text || n > number) {
			text, number, ok = t, n, true
		}
	}
	return text, number, ok
}

// ordered compares two neighbours by the keys: missing values come last.
func ordered(a, b *item, keys []search.SortKey) bool {
	for _, k := range keys {
		at, an, aok := a.sortKey(k)
		bt, bn, bok := b.sortKey(k)
		switch {
		case aok != bok:
			return aok
		case !aok || at == bt && an == bn:
			continue
		}
		return (at < bt || an < bn) != k.Descending
	}
	return true
}
