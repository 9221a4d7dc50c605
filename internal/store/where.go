package store

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// MaxDepth bounds how deep chains, _has and filters may be nested in one another.
const MaxDepth = 40

// maxAlternatives bounds the values of one clause that are looked for one by one: databases bound how many parts a
// condition may have. Codes, identifiers, references and URIs may be many more.
const maxAlternatives = 250

const nothing, everything = "1 = 0", "1 = 1"

// where adds " AND (…)" for one clause on the resource row r.
func (f *finder) where(q *sql, pl *plan, c *search.Clause, r string) error {
	q.add(" AND (")
	err := f.clause(q, pl, c, r)
	q.add(")")
	return err
}

// special names the parameter when it is one that the head of every resource answers.
func special(c *search.Clause) string {
	if c.Param != nil && c.Chain == nil && (c.Param.Code == "_id" || c.Param.Code == "_lastUpdated") {
		return c.Param.Code
	}
	return c.Special
}

// clause is the condition of one clause on the resource row r.
func (f *finder) clause(q *sql, pl *plan, c *search.Clause, r string) error {
	if f.depth++; f.depth > MaxDepth {
		return fhir.Refuse(400, "too-costly", "too-deep", "the search is nested too deep", "检索条件嵌套过深")
	}
	defer func() { f.depth-- }()
	switch name := special(c); {
	case c.Filter != nil:
		return f.filter(q, pl, c.Filter, r)
	case c.Has != nil:
		return f.has(q, c.Has, r)
	case c.Across != nil:
		return f.across(q, c, r)
	case c.Chain != nil:
		return f.chain(q, c.Param, c.Chain, r)
	case c.Modifier == "missing":
		return f.missing(q, pl, c, r)
	case c.Modifier == "not" || c.Modifier == "not-in":
		q.add("NOT (")
		err := f.holds(q, pl, c, r)
		q.add(")")
		return err
	case c.Param == nil && name != "_id" && name != "_lastUpdated" && name != "_list" && !fullText(name):
		return fhir.Refuse(400, "not-supported", "unknown-parameter", "cannot search by "+name, "不支持的检索参数："+name)
	}
	return f.holds(q, pl, c, r)
}

// holds is the condition that any value of a clause is found at r.
func (f *finder) holds(q *sql, pl *plan, c *search.Clause, r string) error {
	if len(c.Values) == 0 {
		q.add(nothing)
		return nil
	}
	p := c.Param
	switch name := special(c); {
	case name == "_id":
		rids, err := f.byID(pl, c)
		f.in(q, r+".rid", rids)
		return err
	case name == "_lastUpdated":
		return each(q, c.Values, func(v *search.Value) error {
			// a point in time, as an interval of no length
			dateCondition(q, v, r+".updated", r+".updated + 1", f.tx.now)
			return nil
		})
	case name == "_list":
		return f.listed(q, c, r)
	case fullText(name):
		return f.wordCondition(q, c, r+".rid")
	case c.Modifier == "identifier" && p.Type == spec.Reference, p.Sealed, c.Modifier == "of-type":
		q.add("EXISTS (SELECT 1 FROM ix_sealed s WHERE s.rid = " + r + ".rid AND ")
		err := f.sealed(q, c, "s")
		q.add(")")
		return err
	case c.Modifier == "text" && p.Type == spec.Token:
		return f.textAt(q, pl, c, r)
	}
	params := f.params(pl, p)
	switch p.Type {
	case spec.Token:
		return f.tokensAt(q, params, c, r)
	case spec.Reference:
		return f.referencesAt(q, params, c, r)
	case spec.URI:
		return f.urisAt(q, params, c, r)
	}
	if err := few(c); err != nil {
		return err
	}
	return each(q, c.Values, func(v *search.Value) error {
		switch p.Type {
		case spec.String:
			q.add("EXISTS (SELECT 1 FROM ix_string s WHERE s.rid = " + r + ".rid AND ")
			f.in(q, "s.param", ids(params))
			q.add(" AND ")
			f.text(q, c.Modifier, v, "s")
			q.add(")")
		case spec.Date:
			if pl != nil && pl.date != nil && p.ID == pl.date.ID {
				q.add(r+".at > ? AND (", int64(minDate))
				dateCondition(q, v, r+".at", r+".till", f.tx.now)
				q.add(")")
				return nil
			}
			q.add("EXISTS (SELECT 1 FROM ix_date s WHERE s.rid = " + r + ".rid AND ")
			f.in(q, "s.param", ids(params))
			q.add(" AND (")
			dateCondition(q, v, "s.low", "s.high", f.tx.now)
			q.add("))")
		case spec.Number, spec.Quantity:
			return f.numberAt(q, params, v, r)
		case spec.Composite:
			return f.pairAt(q, params, v, r)
		default:
			return unsupported(p)
		}
		return nil
	})
}

func few(c *search.Clause) error {
	if len(c.Values) <= maxAlternatives {
		return nil
	}
	name := c.Special
	if c.Param != nil {
		name = c.Param.Code
	}
	return fhir.Refuse(400, "too-costly", "too-many-values", fmt.Sprintf("more than %d values of %s in one search", maxAlternatives, name), fmt.Sprintf("一次检索中 %s 的值不能超过 %d 个", name, maxAlternatives))
}

func unsupported(p *spec.Param) error {
	return fhir.Refuse(400, "not-supported", "unsupported-parameter", p.Code+" cannot be searched yet", "暂不支持按 "+p.Code+" 检索")
}

// each joins the conditions of the values by OR.
func each(q *sql, values []search.Value, one func(v *search.Value) error) error {
	for i := range values {
		if i > 0 {
			q.add(" OR ")
		}
		q.add("(")
		if err := one(&values[i]); err != nil {
			return err
		}
		q.add(")")
	}
	return nil
}

// in writes column IN (…); a long list goes as one argument.
func (f *finder) in(q *sql, column string, ids []any) {
	const long = 100
	switch {
	case len(ids) == 1:
		q.add(column+" = ?", ids[0])
	case len(ids) <= long:
		q.add(column+" IN ("+marks(len(ids))+")", ids...)
	case f.tx.s.db.Dialect() == engine.Postgres:
		q.add(column+" = ANY(?::text::bigint[])", "{"+joined(ids)+"}")
	default:
		q.add(column+" IN (SELECT value FROM json_each(?))", "["+joined(ids)+"]")
	}
}

// table writes a table of one column, rid, of the numbers given.
func (f *finder) table(q *sql, ids []any) { numbers(q, f.tx.s.db.Dialect() == engine.Postgres, ids) }

func numbers(q *sql, pg bool, ids []any) {
	if pg {
		q.add("(SELECT unnest(?::text::bigint[]) AS rid)", "{"+joined(ids)+"}")
	} else {
		q.add("(SELECT value AS rid FROM json_each(?))", "["+joined(ids)+"]")
	}
}

func joined(ids []any) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(strconv.AppendInt(nil, number(id), 10))
	}
	return b.String()
}

// params are the parameters in whose rows one parameter stands: across types those of every type that has it.
func (f *finder) params(pl *plan, p *spec.Param) []*spec.Param {
	if pl != nil {
		return parts(p)
	}
	types := f.q.Types
	if len(types) == 0 {
		types = spec.Types()
	}
	var all []*spec.Param
	for _, t := range types {
		if other := spec.Lookup(t, p.Code); other != nil && other.Type == p.Type {
			all = append(all, parts(other)...)
		}
	}
	return all
}

func ids(params []*spec.Param) []any {
	out := make([]any, len(params))
	for i, p := range params {
		out[i] = p.ID
	}
	return out
}

// missing asks whether the resource has the parameter at all: its shape lists all that it has.
func (f *finder) missing(q *sql, pl *plan, c *search.Clause, r string) error {
	has, hasNot := everything, nothing
	if name := special(c); name == "_id" || name == "_lastUpdated" {
		if c.Missing {
			has = hasNot
		}
		q.add(has)
		return nil
	}
	if c.Param == nil {
		return fhir.Refuse(400, "not-supported", "bad-modifier", c.Special+" does not take :missing", c.Special+" 不支持 :missing")
	}
	params := []*spec.Param{c.Param}
	if pl == nil {
		params = f.params(nil, c.Param)
	} else if stands(c.Param) {
		params = append(params, parts(c.Param)...)
	}
	not := ""
	if c.Missing {
		not = "NOT "
	}
	q.add(r + ".shape " + not + "IN (SELECT id FROM symbol WHERE text >= 'shape:' AND text < 'shape;' AND (" + nothing)
	for _, p := range params {
		q.add(" OR text LIKE ?", fmt.Sprintf("%%,%d,%%", p.ID))
	}
	q.add("))")
	return nil
}

// byID finds the numbers of the resources named, of one type or, without one, of those asked for.
func (f *finder) byID(pl *plan, c *search.Clause) ([]any, error) {
	var rids, ids []any
	for _, v := range c.Values {
		id := v.Text
		if id == "" {
			id = v.Raw
		}
		if pl == nil || len(c.Values) > 20 {
			ids = append(ids, id)
			continue
		}
		rid, err := f.tx.rid(f.ctx, pl.id, id)
		if err != nil {
			return nil, err
		}
		if rid != 0 {
			rids = append(rids, rid)
		}
	}
	types := []any{}
	switch {
	case pl != nil:
		types = append(types, pl.id)
	case len(f.q.Types) > 0:
		for _, t := range f.q.Types {
			types = append(types, spec.TypeID(t))
		}
	default:
		for _, t := range spec.Types() {
			types = append(types, spec.TypeID(t))
		}
	}
	for len(ids) > 0 {
		some := ids[:min(len(ids), 200)]
		ids = ids[len(some):]
		err := f.tx.Query(f.ctx, "SELECT rid FROM resource_id WHERE type IN ("+marks(len(types))+") AND id IN ("+marks(len(some))+")", append(types[:len(types):len(types)], some...), func(scan func(...any) error) error {
			var rid int64
			err := scan(&rid)
			rids = append(rids, rid)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return rids, nil
}
