package store

import (
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

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

// byID finds the numbers of the resources named, of one type or, without one, of those asked for.
func (f *finder) byID(pl *plan, c *search.Clause) ([]any, error) {
	var rids []any
	var ids []any
	for _, v := range c.Values {
		id := v.Text
		if id == "" {
			id = v.Raw
		}
		if pl == nil {
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
	if pl != nil || len(ids) == 0 {
		return rids, nil
	}
	types := f.q.Types
	if len(types) == 0 {
		types = spec.Types()
	}
	args := make([]any, 0, len(types)+len(ids))
	for _, t := range types {
		args = append(args, spec.TypeID(t))
	}
	err := f.tx.Query(f.ctx, "SELECT rid FROM resource_id WHERE type IN ("+marks(len(types))+") AND id IN ("+marks(len(ids))+")", append(args, ids...), func(scan func(...any) error) error {
		var rid int64
		err := scan(&rid)
		rids = append(rids, rid)
		return err
	})
	return rids, err
}

const nothing = "1 = 0"

func (f *finder) clause(q *sql, pl *plan, c *search.Clause, r string) error {
	p := c.Param
	switch {
	case special(c) == "_id":
		rids, err := f.byID(pl, c)
		q.add(r+".rid IN ("+marks(len(rids))+")", rids...)
		return err
	case special(c) == "_lastUpdated":
		return f.any(q, c.Values, func(v *search.Value) error {
			// a point in time, as an interval of no length
			dateCondition(q, v, r+".updated", r+".updated + 1", f.tx.now)
			return nil
		})
	case p == nil:
		return fhir.Refuse(400, "not-supported", "unknown-parameter", "cannot search by "+c.Special, "不支持的检索参数："+c.Special)
	case c.Chain != nil:
		return f.chain(q, p, c.Chain, r)
	case c.Modifier == "missing":
		not := ""
		if c.Missing {
			not = "NOT "
		}
		q.add(fmt.Sprintf("%s.shape %sIN (SELECT id FROM symbol WHERE text >= 'shape:' AND text < 'shape;' AND text LIKE '%%,%d,%%')", r, not, p.ID))
		return nil
	case c.Modifier == "not":
		q.add("NOT (")
		err := f.any(q, c.Values, func(v *search.Value) error { return f.value(q, pl, c, v, r) })
		q.add(")")
		return err
	}
	return f.any(q, c.Values, func(v *search.Value) error { return f.value(q, pl, c, v, r) })
}

// any joins the conditions of the values by OR.
func (f *finder) any(q *sql, values []search.Value, one func(v *search.Value) error) error {
	if len(values) == 0 {
		q.add(nothing)
	}
	for i := range values {
		if i > 0 {
			q.add(" OR ")
		}
		if err := one(&values[i]); err != nil {
			return err
		}
	}
	return nil
}

// value is the condition of one value on the resource row r.
func (f *finder) value(q *sql, pl *plan, c *search.Clause, v *search.Value, r string) error {
	p := c.Param
	if p.Sealed {
		mac, err := f.mac(p, v)
		if err != nil {
			return err
		}
		q.add("EXISTS (SELECT 1 FROM ix_sealed s WHERE s.param = ? AND s.mac = ? AND s.rid = "+r+".rid)", p.ID, mac)
		return nil
	}
	switch p.Type {
	case spec.Token:
		cond, err := f.token(p, v, "t")
		switch {
		case err != nil:
			return err
		case cond == nil:
			q.add(nothing)
		case byText(p):
			q.add("EXISTS (SELECT 1 FROM ix_ident t WHERE t.rid = " + r + ".rid AND ")
			q.add(cond.String()+")", cond.args...)
		case v.Code == "":
			q.add(r + ".rid IN (SELECT t.rid FROM ix_token t WHERE ")
			q.add(cond.String()+")", cond.args...)
		default:
			q.add("EXISTS (SELECT 1 FROM ix_token t WHERE t.at = " + r + ".at AND t.rid = " + r + ".rid AND ")
			q.add(cond.String()+")", cond.args...)
		}
	case spec.String:
		q.add("EXISTS (SELECT 1 FROM ix_string s WHERE s.rid = "+r+".rid AND s.param = ? AND ", p.ID)
		f.text(q, c.Modifier, v, "s")
		q.add(")")
	case spec.Date:
		if pl.date != nil && p.ID == pl.date.ID {
			q.add(r+".at > ? AND ", int64(minDate))
			q.add("(")
			dateCondition(q, v, r+".at", r+".till", f.tx.now)
			q.add(")")
			return nil
		}
		q.add("EXISTS (SELECT 1 FROM ix_date s WHERE s.rid = "+r+".rid AND s.param = ? AND (", p.ID)
		dateCondition(q, v, "s.low", "s.high", f.tx.now)
		q.add("))")
	case spec.Number, spec.Quantity:
		q.add("EXISTS (SELECT 1 FROM ix_quantity s WHERE s.rid = "+r+".rid AND s.param = ? AND ", p.ID)
		if err := f.quantity(q, v, "s"); err != nil {
			return err
		}
		q.add(")")
	case spec.Reference:
		targets, err := f.targets(p, v)
		if err != nil {
			return err
		}
		switch {
		case len(targets) > 0:
			q.add("EXISTS (SELECT 1 FROM ix_ref f WHERE f.param = ? AND f.target IN ("+marks(len(targets))+")", append([]any{base(p).ID}, targets...)...)
			q.add(" AND f.at = " + r + ".at AND f.rid = " + r + ".rid)")
		case v.URL != "":
			return f.uri(q, p, v.URL, r)
		default:
			q.add(nothing)
		}
	case spec.URI:
		return f.uri(q, p, v.Text, r)
	default:
		return fhir.Refuse(400, "not-supported", "unsupported-parameter", p.Code+" cannot be searched yet", "暂不支持按 "+p.Code+" 检索")
	}
	return nil
}

func (f *finder) mac(p *spec.Param, v *search.Value) ([]byte, error) {
	code := v.Code
	if p.Type == spec.String {
		code = v.Text
	}
	code = fold(code)
	if code == "" {
		return nil, fhir.Refuse(400, "value", "sealed-needs-value", p.Code+" is sealed: it is found by its whole value only", p.Code+" 已加密保存，只能按完整的值检索")
	}
	if v.System != nil && *v.System != "" {
		code = sealedValue(*v.System, code)
	}
	return f.tx.s.seal.mac(p.Code, code), nil
}

// token is the condition on a row of ix_token or ix_ident; nil = no row can match.
func (f *finder) token(p *spec.Param, v *search.Value, t string) (*sql, error) {
	q := &sql{}
	q.add(t+".param = ?", p.ID)
	if v.Code != "" {
		if byText(p) {
			q.add(" AND "+t+".code = ?", clip(v.Code))
		} else {
			code, ok, err := f.tx.findSymbol(f.ctx, clip(v.Code))
			if err != nil || !ok {
				return nil, err
			}
			q.add(" AND "+t+".code = ?", code)
		}
	} else if v.System == nil || *v.System == "" {
		return nil, nil
	}
	if v.System != nil {
		system, ok, err := f.tx.findSymbol(f.ctx, clip(*v.System))
		if err != nil || !ok {
			return nil, err
		}
		q.add(" AND "+t+".system = ?", system)
	}
	return q, nil
}

// text is the condition on a row of ix_string.
func (f *finder) text(q *sql, modifier string, v *search.Value, s string) {
	folded := fold(v.Text)
	switch {
	case folded == "":
		q.add(nothing)
	case modifier == "exact":
		exact := clip(v.Text)
		if exact == folded {
			exact = ""
		}
		q.add(s+".folded = ? AND "+s+".exact = ?", folded, exact)
	case modifier == "contains":
		if f.tx.s.db.Dialect() == engine.Postgres {
			q.add("strpos("+s+".folded, ?) > 0", folded)
		} else {
			q.add("instr("+s+".folded, ?) > 0", folded)
		}
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
		q.add(" AND "+column+" < ?", h)
	}
}

func (f *finder) quantity(q *sql, v *search.Value, s string) error {
	x := s + ".value"
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
		margin := max(v.Number/10, -v.Number/10)
		q.add(x+" >= ? AND "+x+" <= ?", v.Number-margin, v.Number+margin)
	default:
		q.add(x+" >= ? AND "+x+" < ?", v.NumLow, v.NumHi)
	}
	for _, part := range []struct {
		column string
		text   *string
	}{{"system", v.System}, {"unit", &v.Code}} {
		if part.text == nil || *part.text == "" {
			continue
		}
		id, ok, err := f.tx.findSymbol(f.ctx, clip(*part.text))
		if err != nil {
			return err
		}
		if !ok {
			q.add(" AND " + nothing)
		} else {
			q.add(" AND "+s+"."+part.column+" = ?", id)
		}
	}
	return nil
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

func (f *finder) uri(q *sql, p *spec.Param, text, r string) error {
	uri, ok, err := f.tx.findSymbol(f.ctx, clip(text))
	if err != nil {
		return err
	}
	if !ok || text == "" {
		q.add(nothing)
		return nil
	}
	q.add("EXISTS (SELECT 1 FROM ix_uri u WHERE u.param = ? AND u.uri = ? AND u.rid = "+r+".rid)", p.ID, uri)
	return nil
}

// chain follows one reference and asks there, under the same scope.
func (f *finder) chain(q *sql, p *spec.Param, ch *search.Chain, r string) error {
	first := true
	for _, t := range ch.Types {
		pl := planOf(t)
		inner, ok := ch.Where[t]
		if pl == nil || !ok || !f.see.reads(pl.id) {
			continue
		}
		if !first {
			q.add(" OR ")
		}
		first = false
		next := r + "c"
		q.add("EXISTS (SELECT 1 FROM ix_ref f"+next+" JOIN resource "+next+" ON "+next+".rid = f"+next+".target WHERE f"+next+".rid = "+r+".rid AND f"+next+".param = ? AND "+next+".type = ? AND "+next+".deleted = 0", base(p).ID, pl.id)
		f.see.visible(q, next)
		if err := f.where(q, pl, &inner, next); err != nil {
			return err
		}
		q.add(")")
	}
	if first {
		q.add(nothing)
	}
	return nil
}
