package store

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// set selects the numbers of all resources that a clause finds, unordered, perhaps some twice; nil = no index leads
// there. loose says that it finds too many, so that the clause is to be checked all the same.
func (f *finder) set(pl *plan, c *search.Clause) (q *sql, loose bool, err error) {
	if f.depth++; f.depth > MaxDepth {
		return nil, false, nil
	}
	defer func() { f.depth-- }()
	columns := func(t string) string { return t + ".rid" }
	if f.wantAt { // of this clause, not of those inside
		columns = func(t string) string { return t + ".at, " + t + ".rid" }
	}
	f.wantAt = false
	p := c.Param
	switch name := special(c); {
	case c.Filter != nil:
		return f.filterSet(pl, c.Filter)
	case c.Has != nil:
		return f.hasSet(c.Has)
	case c.Across != nil:
		return f.acrossSet(c)
	case c.Chain != nil:
		return f.chainSet(p, c.Chain)
	case c.Modifier == "missing" || c.Modifier == "not" || c.Modifier == "not-in" || len(c.Values) == 0:
		return nil, false, nil
	case name == "_id":
		rids, err := f.byID(pl, c)
		q := &sql{}
		q.add("SELECT u.rid FROM resource u WHERE ")
		f.in(q, "u.rid", rids)
		return q, false, err
	case name == "_list":
		return f.listSet(c)
	case fullText(name):
		return f.wordSet(c)
	case p == nil || name != "":
		return nil, false, nil
	}
	q = &sql{}
	params := f.params(pl, p)
	union := func() *sql {
		if q.b.Len() > 0 {
			q.add(" UNION ALL ")
		}
		return q
	}
	defer func() {
		if err == nil && q != nil && q.b.Len() == 0 {
			q.add("SELECT " + columns("r") + " FROM resource r WHERE " + nothing)
		}
	}()
	switch {
	case p.Sealed || c.Modifier == "of-type" || c.Modifier == "identifier" && p.Type == spec.Reference:
		q.add("SELECT s.rid FROM ix_sealed s WHERE ")
		err := f.sealed(q, c, "s")
		return q, false, err
	case c.Modifier == "text" && p.Type == spec.Token:
		for i := range c.Values {
			f.textSet(union(), params, &c.Values[i])
		}
		return q, false, nil
	case p.Type == spec.Token && !byText(p):
		groups, err := f.codeGroups(params, c)
		if err != nil {
			return nil, false, err
		}
		for i := range groups {
			union().add("SELECT " + columns("t") + " FROM ix_token t WHERE ")
			f.group(q, &groups[i], "t")
		}
		return q, false, nil
	case p.Type == spec.Reference:
		rids, urls, err := f.allTargets(p, c)
		if err != nil {
			return nil, false, err
		}
		if len(rids) > 0 {
			union().add("SELECT " + columns("f") + " FROM ix_ref f WHERE ")
			f.in(q, "f.param", ids(basesOf(params)))
			q.add(" AND ")
			f.in(q, "f.target", rids)
		}
		if len(urls) > 0 {
			union().add("SELECT u.rid FROM ix_uri u WHERE ")
			f.in(q, "u.param", ids(params))
			q.add(" AND ")
			if _, err := f.uris(q, &search.Clause{Modifier: c.Modifier, Values: urls}, "u.uri"); err != nil {
				return nil, false, err
			}
		}
		return q, false, nil
	case p.Type == spec.URI:
		q.add("SELECT u.rid FROM ix_uri u WHERE ")
		f.in(q, "u.param", ids(params))
		q.add(" AND ")
		_, err := f.uris(q, c, "u.uri")
		return q, false, err
	}
	if p.Type == spec.Token {
		q.add("SELECT t.rid FROM ix_ident t WHERE ")
		err := f.ident(q, params, c.Values, "t")
		return q, false, err
	}
	if err := few(c); err != nil {
		return nil, false, err
	}
	for i := range c.Values {
		v := &c.Values[i]
		if strings.Count(q.String(), "UNION ALL") > maxUnion {
			return nil, false, nil
		}
		switch p.Type {
		case spec.String:
			union().add("SELECT s.rid FROM ix_string s WHERE ")
			f.in(q, "s.param", ids(params))
			q.add(" AND ")
			f.text(q, c.Modifier, v, "s")
		case spec.Number, spec.Quantity:
			err := f.numbers(params, v, func(table string, p *spec.Param, u *inUnit) {
				union().add("SELECT s.rid FROM "+table+" s WHERE s.param = ? AND ", p.ID)
				numberCondition(q, table, u, "s", "")
			})
			if err != nil {
				return nil, false, err
			}
		case spec.Composite:
			err := f.pairs(params, v, "", func(table string, cond *sql) {
				union().add("SELECT "+columns("x")+" FROM "+table+" x WHERE "+cond.String(), cond.args...)
			})
			if err != nil {
				return nil, false, err
			}
		case spec.Date:
			if pl == nil || pl.date != nil && p.ID == pl.date.ID {
				return nil, false, nil // stands on the resource itself
			}
			union().add("SELECT s.rid FROM ix_date s WHERE ")
			f.in(q, "s.param", ids(params))
			q.add(" AND (")
			dateCondition(q, v, "s.low", "s.high", f.tx.now)
			q.add(")")
			dateBounds(q, &search.Clause{Param: p, Values: c.Values[i : i+1]}, "s.low")
		default:
			return nil, false, nil
		}
	}
	return q, false, nil
}

// filterSet goes by one part of an "and" that an index answers, or by all parts of an "or".
func (f *finder) filterSet(pl *plan, t *search.Filter) (*sql, bool, error) {
	switch t.Op {
	case "":
		if t.Clause == nil {
			return nil, false, nil
		}
		return f.set(pl, t.Clause)
	case "and":
		for i := range t.Parts {
			q, _, err := f.filterSet(pl, &t.Parts[i])
			if q != nil || err != nil {
				return q, true, err
			}
		}
	case "or":
		all, anyLoose := &sql{}, false
		for i := range t.Parts {
			q, loose, err := f.filterSet(pl, &t.Parts[i])
			if q == nil || err != nil {
				return nil, false, err
			}
			if i > 0 {
				all.add(" UNION ALL ")
			}
			all.add("SELECT rid FROM ("+q.String()+") o", q.args...)
			anyLoose = anyLoose || loose
		}
		if len(t.Parts) > 0 {
			return all, anyLoose, nil
		}
	}
	return nil, false, nil
}

// chainSet goes the chain backwards: first the targets, then who refers to them.
func (f *finder) chainSet(p *spec.Param, ch *search.Chain) (*sql, bool, error) {
	q := &sql{}
	anyLoose := false
	for _, t := range ch.Types {
		pl := planOf(t)
		inner, ok := ch.Where[t]
		if pl == nil || !ok || !f.see.reads(pl.id) {
			continue
		}
		set, loose, err := f.set(pl, &inner)
		if set == nil || err != nil {
			return nil, false, err
		}
		anyLoose = anyLoose || loose
		f.inner = append(f.inner, set)
		if q.b.Len() > 0 {
			q.add(" UNION ALL ")
		}
		q.add("SELECT f.rid FROM (SELECT DISTINCT rid FROM (")
		q.add(set.String(), set.args...)
		q.add(") s) x CROSS JOIN resource r CROSS JOIN ix_ref f WHERE r.rid = x.rid AND r.type = ? AND r.deleted = 0 AND f.param = ? AND f.target = x.rid", pl.id, base(p).ID)
		f.see.visible(q, "r", pl.id)
	}
	if q.b.Len() == 0 {
		return nil, false, nil
	}
	return q, anyLoose, nil
}

// hasSet goes from those that refer to what they refer to.
func (f *finder) hasSet(h *search.Has) (*sql, bool, error) {
	pl := planOf(h.Type)
	if pl == nil || h.Param == nil || !f.see.reads(pl.id) {
		return nil, false, nil
	}
	set, loose, err := f.set(pl, &h.Where)
	if set == nil || err != nil {
		return nil, false, err
	}
	f.inner = append(f.inner, set)
	q := &sql{}
	q.add("SELECT f.target AS rid FROM (SELECT DISTINCT rid FROM (")
	q.add(set.String(), set.args...)
	q.add(") s) x CROSS JOIN resource r CROSS JOIN ix_ref f WHERE r.rid = x.rid AND r.type = ? AND r.deleted = 0 AND f.rid = x.rid AND f.param = ?", pl.id, base(h.Param).ID)
	f.see.visible(q, "r", pl.id)
	return q, loose, nil
}

func (f *finder) listSet(c *search.Clause) (*sql, bool, error) {
	lists, item, err := f.lists(c)
	if err != nil {
		return nil, false, err
	}
	q := &sql{}
	if len(lists) == 0 {
		q.add("SELECT rid FROM resource WHERE " + nothing)
		return q, false, nil
	}
	q.add("SELECT f.target AS rid FROM ix_ref f CROSS JOIN resource l WHERE f.param = ? AND l.rid = f.rid AND l.deleted = 0 AND ", item)
	f.in(q, "f.rid", lists)
	f.see.visible(q, "l", spec.TypeID("List"))
	return q, false, nil
}
