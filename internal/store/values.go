package store

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// text is the condition on a row of ix_string.
func (f *finder) text(q *sql, modifier string, v *search.Value, s string) {
	folded, exact := folded(v.Text)
	switch {
	case folded == "":
		q.add(nothing)
	case modifier == "exact":
		q.add(s+".folded = ? AND "+s+".exact = ?", folded, exact)
	case modifier == "contains" || modifier == "text":
		f.contains(q, s+".folded", folded)
	case modifier == "equal":
		q.add(s+".folded = ?", folded)
	case modifier == "ends":
		q.add("substr("+s+".folded, length("+s+".folded) - ?) = ?", utf8.RuneCountInString(folded)-1, folded)
	default:
		q.add(s+".folded >= ? AND "+s+".folded < ?", folded, folded+last)
	}
}

// dateCondition compares the interval [low, high) of a resource with that of the value.
func dateCondition(q *sql, v *search.Value, low, high string, now time.Time) {
	l, h := bound(v.Low), bound(v.High)
	switch v.Prefix {
	case search.Ne:
		q.add("NOT ("+low+" >= ? AND "+high+" <= ?)", l, h)
	case search.Gt:
		q.add(high+" > ?", h)
	case search.Ge:
		q.add("("+high+" > ? OR "+low+" >= ?)", h, l)
	case search.Lt:
		q.add(low+" < ?", l)
	case search.Le:
		q.add("("+low+" < ? OR "+high+" <= ?)", l, h)
	case search.Sa:
		q.add(low+" >= ?", h)
	case search.Eb:
		q.add(high+" <= ?", l)
	case search.Ap:
		margin := max((now.UnixMicro()-l)/10, (l-now.UnixMicro())/10, h-l)
		q.add(low+" < ? AND "+high+" > ?", bound(h+margin), bound(l-margin))
	case search.Po:
		q.add(low+" < ? AND "+high+" > ?", h, l)
	default:
		q.add(low+" >= ? AND "+high+" <= ?", l, h)
	}
}

// dateBounds narrows an index on the beginning of intervals to where the values of a clause can be;
// the longest interval of the parameter says how far before the value a match can begin.
func dateBounds(q *sql, c *search.Clause, column string) {
	if len(c.Values) != 1 || c.Modifier != "" {
		return
	}
	v := &c.Values[0]
	l, h := bound(v.Low), bound(v.High)
	span := " > ? - (SELECT coalesce(max(span), 0) FROM date_span WHERE param = ?)"
	switch v.Prefix {
	case search.Eq:
		q.add(" AND "+column+" >= ? AND "+column+" <= ?", l, h)
	case search.Gt, search.Ge:
		q.add(" AND "+column+span, l, c.Param.ID)
	case search.Sa:
		q.add(" AND "+column+" >= ?", h)
	case search.Lt, search.Eb:
		q.add(" AND "+column+" < ?", l)
	case search.Le:
		q.add(" AND "+column+" <= ?", h)
	}
}

// pointCondition compares a number with the value.
func pointCondition(q *sql, v *search.Value, x string) {
	switch v.Prefix {
	case search.Ne:
		q.add("NOT ("+x+" >= ? AND "+x+" < ?)", v.NumLow, v.NumHi)
	case search.Gt, search.Sa:
		q.add(x+" > ?", v.Number)
	case search.Ge:
		q.add(x+" >= ?", v.Number)
	case search.Lt, search.Eb:
		q.add(x+" < ?", v.Number)
	case search.Le:
		q.add(x+" <= ?", v.Number)
	case search.Ap:
		low, high := around(v)
		q.add(x+" >= ? AND "+x+" <= ?", low, high)
	default:
		q.add(x+" >= ? AND "+x+" < ?", v.NumLow, v.NumHi)
	}
}

// around is ten percent about a value, for ap.
func around(v *search.Value) (low, high float64) {
	margin := max(v.Number/10, -v.Number/10)
	return min(v.Number-margin, v.NumLow), max(v.Number+margin, v.NumHi)
}

// intervalCondition compares an interval of numbers, ends included, with the value.
func intervalCondition(q *sql, v *search.Value, low, high string) {
	switch v.Prefix {
	case search.Ne:
		q.add("NOT ("+low+" >= ? AND "+high+" < ?)", v.NumLow, v.NumHi)
	case search.Gt:
		q.add(high+" > ?", v.Number)
	case search.Ge:
		q.add(high+" >= ?", v.Number)
	case search.Sa:
		q.add(low+" > ?", v.Number)
	case search.Lt:
		q.add(low+" < ?", v.Number)
	case search.Le:
		q.add(low+" <= ?", v.Number)
	case search.Eb:
		q.add(high+" < ?", v.Number)
	case search.Ap:
		l, h := around(v)
		q.add(low+" <= ? AND "+high+" >= ?", h, l)
	default:
		q.add(low+" >= ? AND "+high+" < ?", v.NumLow, v.NumHi)
	}
}

// targets are the numbers of the resources that a reference value may mean.
func (f *finder) targets(p *spec.Param, v *search.Value) ([]any, error) {
	if v.RefID == "" {
		return nil, nil
	}
	types := []string{v.RefType}
	if base(p) != p && v.RefType != "" && v.RefType != "Patient" {
		return nil, nil
	}
	if v.RefType == "" {
		if types = p.Targets; len(types) == 0 {
			types = spec.Types()
		}
	}
	var rids []any
	for _, t := range types {
		id := spec.TypeID(t)
		if id == 0 {
			continue
		}
		rid, err := f.tx.rid(f.ctx, id, v.RefID)
		if err != nil {
			return nil, err
		}
		if rid != 0 {
			rids = append(rids, rid)
		}
	}
	return rids, nil
}

// allTargets are those of all values, and the values that are URLs.
func (f *finder) allTargets(p *spec.Param, c *search.Clause) (rids []any, urls []search.Value, err error) {
	if len(c.Values) > 5 {
		var names []ident
		for i := range c.Values {
			if v := &c.Values[i]; v.RefType != "" && v.RefID != "" {
				names = append(names, ident{spec.TypeID(v.RefType), v.RefID})
			}
		}
		if err := f.tx.learnRIDs(f.ctx, names); err != nil {
			return nil, nil, err
		}
	}
	for i := range c.Values {
		if c.Values[i].URL != "" {
			urls = append(urls, c.Values[i])
			continue
		}
		some, err := f.targets(p, &c.Values[i])
		if err != nil {
			return nil, nil, err
		}
		rids = append(rids, some...)
	}
	return rids, urls, nil
}

func (f *finder) referencesAt(q *sql, params []*spec.Param, c *search.Clause, r string) error {
	rids, urls, err := f.allTargets(c.Param, c)
	if err != nil {
		return err
	}
	q.add(nothing)
	if len(rids) > 0 {
		q.add(" OR EXISTS (SELECT 1 FROM ix_ref f WHERE ")
		f.in(q, "f.param", ids(basesOf(params)))
		q.add(" AND ")
		f.in(q, "f.target", rids)
		q.add(" AND f.at = " + r + ".at AND f.rid = " + r + ".rid)")
	}
	if len(urls) > 0 {
		q.add(" OR ")
		return f.urisAt(q, params, &search.Clause{Param: c.Param, Modifier: c.Modifier, Values: urls}, r)
	}
	return nil
}

func basesOf(params []*spec.Param) []*spec.Param {
	out := make([]*spec.Param, len(params))
	for i, p := range params {
		out[i] = base(p)
	}
	return out
}

// uris is the condition on the column of a URI's number; false = nothing can match.
func (f *finder) uris(q *sql, c *search.Clause, column string) (bool, error) {
	var numbers []any
	var below []string
	for i := range c.Values {
		v := &c.Values[i]
		text := clip(v.URL + v.Text)
		if text == "" {
			continue
		}
		texts := []string{text}
		switch c.Modifier {
		case "below":
			below = append(below, strings.TrimSuffix(text, "/"))
		case "above":
			texts = above(text)
		}
		for _, t := range texts {
			id, ok, err := f.tx.findSymbol(f.ctx, t)
			if err != nil {
				return false, err
			}
			if ok && id != 0 {
				numbers = append(numbers, id)
			}
		}
	}
	if len(numbers)+len(below) == 0 {
		q.add(nothing)
		return false, nil
	}
	q.add("(" + nothing)
	if len(numbers) > 0 {
		q.add(" OR ")
		f.in(q, column, numbers)
	}
	for _, b := range below { // what follows a slash, or a # or | of a canonical
		ends := []string{"/", "|", "#"}
		if strings.Contains(b, "|") {
			ends = []string{".", "#"} // url|1 stands above url|1.2
		}
		for _, end := range ends {
			q.add(" OR "+column+" IN (SELECT y.id FROM symbol y WHERE y.text >= ? AND y.text < ?)", b+end, b+end+last)
		}
	}
	q.add(")")
	return true, nil
}

// above lists a URI and those that it stands under, by their path.
func above(uri string) []string {
	out := []string{uri}
	start := 0
	if i := strings.Index(uri, "://"); i >= 0 {
		start = i + 3
	}
	for end := len(uri); len(out) < 50; {
		end = strings.LastIndexAny(uri[start:end], "/|#")
		if end <= 0 {
			break
		}
		end += start
		out = append(out, uri[:end], uri[:end]+"/")
	}
	return out
}

func (f *finder) urisAt(q *sql, params []*spec.Param, c *search.Clause, r string) error {
	q.add("EXISTS (SELECT 1 FROM ix_uri u WHERE u.rid = " + r + ".rid AND ")
	f.in(q, "u.param", ids(params))
	q.add(" AND ")
	_, err := f.uris(q, c, "u.uri")
	q.add(")")
	return err
}
