package store

import (
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// chain follows one reference and asks there, under the same scope.
func (f *finder) chain(q *sql, p *spec.Param, ch *search.Chain, r string) error {
	q.add(nothing)
	for _, t := range ch.Types {
		pl := planOf(t)
		inner, ok := ch.Where[t]
		if pl == nil || !ok || !f.see.reads(pl.id) {
			continue
		}
		next := r + "c"
		q.add(" OR EXISTS (SELECT 1 FROM ix_ref f"+next+" CROSS JOIN resource "+next+" WHERE "+next+".rid = f"+next+".target AND f"+next+".rid = "+r+".rid AND f"+next+".param = ? AND "+next+".type = ? AND "+next+".deleted = 0", base(p).ID, pl.id)
		f.see.visible(q, next, pl.id)
		if err := f.where(q, pl, &inner, next); err != nil {
			return err
		}
		q.add(")")
	}
	return nil
}

// has asks for visible resources that refer to r and fulfil a clause.
func (f *finder) has(q *sql, h *search.Has, r string) error {
	pl := planOf(h.Type)
	if pl == nil || h.Param == nil || !f.see.reads(pl.id) {
		q.add(nothing)
		return nil
	}
	next := r + "h"
	link := "f" + next
	if code := f.hotOf(pl, h); code != nil {
		// Who is the patient of such a code stands in one range.
		groups, err := f.codeGroups(parts(code), &h.Where)
		if err != nil {
			return err
		}
		q.add(nothing)
		for i := range groups {
			q.add(" OR EXISTS (SELECT 1 FROM ix_hot t" + next + " CROSS JOIN resource " + next + " CROSS JOIN ix_ref " + link + " WHERE t" + next + ".patient = " + r + ".rid AND ")
			f.group(q, &groups[i], "t"+next)
			q.add(" AND "+next+".rid = t"+next+".rid AND "+link+".param = ? AND "+link+".target = "+r+".rid AND "+link+".at = t"+next+".at AND "+link+".rid = t"+next+".rid AND "+next+".deleted = 0", base(h.Param).ID)
			f.see.visible(q, next, pl.id)
			q.add(")")
		}
		return nil
	}
	q.add("EXISTS (SELECT 1 FROM ix_ref "+link+" CROSS JOIN resource "+next+" WHERE "+link+".param = ? AND "+link+".target = "+r+".rid AND "+next+".rid = "+link+".rid AND "+next+".type = ? AND "+next+".deleted = 0", base(h.Param).ID, pl.id)
	f.see.visible(q, next, pl.id)
	err := f.where(q, pl, &h.Where, next)
	q.add(")")
	return err
}

// hotOf is the hot code by which a _has asks about a patient; nil = it asks otherwise.
func (f *finder) hotOf(pl *plan, h *search.Has) *spec.Param {
	c := &h.Where
	if b := base(h.Param); pl.code != nil && c.Param != nil && c.Param.ID == pl.code.ID && positive(c) && c.Chain == nil && (b.Code == "subject" || b.Code == "patient") {
		return pl.code
	}
	return nil
}

// positive tells a clause that is answered by its values alone.
func positive(c *search.Clause) bool {
	return c.Filter == nil && c.Has == nil && (c.Modifier == "" || c.Modifier == "in" || c.Modifier == "below")
}

// filter is a tree of clauses on r.
func (f *finder) filter(q *sql, pl *plan, t *search.Filter, r string) error {
	if t.Op == "" {
		if t.Clause == nil {
			return fhir.Refuse(400, "value", "bad-value", "an empty filter", "过滤条件为空")
		}
		return f.clause(q, pl, t.Clause, r)
	}
	if f.depth++; f.depth > MaxDepth {
		return fhir.Refuse(400, "too-costly", "too-deep", "the search is nested too deep", "检索条件嵌套过深")
	}
	defer func() { f.depth-- }()
	word := " AND "
	switch {
	case len(t.Parts) == 0:
		return fhir.Refuse(400, "value", "bad-value", "an empty filter", "过滤条件为空")
	case t.Op == "not":
		q.add("NOT (")
		err := f.filter(q, pl, &t.Parts[0], r)
		q.add(")")
		return err
	case t.Op == "or":
		word = " OR "
	}
	for i := range t.Parts {
		if i > 0 {
			q.add(word)
		}
		q.add("(")
		if err := f.filter(q, pl, &t.Parts[i], r); err != nil {
			return err
		}
		q.add(")")
	}
	return nil
}

// lists are the List resources named by _list.
func (f *finder) lists(c *search.Clause) ([]any, int32, error) {
	item := spec.Lookup("List", "item")
	pl := planOf("List")
	if item == nil || pl == nil || !f.see.reads(pl.id) {
		return nil, 0, nil
	}
	var rids []any
	for i := range c.Values {
		id := c.Values[i].RefID
		if id == "" {
			id = c.Values[i].Text
		}
		if id == "" {
			id = c.Values[i].Raw
		}
		rid, err := f.tx.rid(f.ctx, pl.id, id)
		if err != nil {
			return nil, 0, err
		}
		if rid != 0 {
			rids = append(rids, rid)
		}
	}
	return rids, item.ID, nil
}

// listed asks whether a list that the caller may see holds r.
func (f *finder) listed(q *sql, c *search.Clause, r string) error {
	lists, item, err := f.lists(c)
	if err != nil || len(lists) == 0 {
		q.add(nothing)
		return err
	}
	q.add("EXISTS (SELECT 1 FROM ix_ref fl CROSS JOIN resource l WHERE fl.param = ? AND fl.target = "+r+".rid AND l.rid = fl.rid AND l.deleted = 0 AND ", item)
	f.in(q, "fl.rid", lists)
	f.see.visible(q, "l", spec.TypeID("List"))
	q.add(")")
	return nil
}

// compartment is the number of the patient whose compartment is asked for; 0 = there is none, or nobody is asked for.
func (f *finder) compartment() (int64, error) {
	c := f.q.Compartment
	if c == nil {
		return 0, nil
	}
	if c.Type != "Patient" {
		return 0, fhir.Refuse(400, "not-supported", "unsupported-compartment", "the compartment of "+c.Type+" is asked for by clauses", "不支持的归属范围："+c.Type)
	}
	rid, err := f.tx.rid(f.ctx, spec.TypeID("Patient"), c.ID)
	if rid == 0 {
		f.none = true
	}
	return rid, err
}
