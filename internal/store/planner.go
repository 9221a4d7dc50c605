package store

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// driver is where a search starts: the rows that it walks over.
type driver struct {
	from *sql  // "FROM … d", nil = the table of resources itself
	cond *sql  // conditions on d or r, beginning with AND
	at   bool  // d has the column at, in the order of the index
	rid  bool  // d has the column rid
	skip int   // the clause that it answers fully, -1 = none
	code int64 // of seenHot
	keep bool  // its clause is to be checked all the same
	seen bool  // its rows are those that the caller may see
}

// The rows that a probe counts before it calls a way too long.
const probeRows = 2000

// A way this short is taken without looking for a shorter one.
const shortEnough = 60

// plan chooses the driver: of all ways that an index offers, the one with the fewest rows.
func (f *finder) plan() (*driver, error) {
	plain := &driver{skip: -1}
	if f.none || f.pl == nil {
		return plain, nil
	}
	var ways []*driver
	for i := range f.q.Where {
		d, err := f.way(f.pl, &f.q.Where[i])
		if err != nil {
			return nil, err
		}
		if d != nil {
			if d.skip = i; d.keep {
				d.skip = -1
			}
			ways = append(ways, d)
		}
	}
	if hot, err := f.hot(); err != nil {
		return nil, err
	} else if hot != nil {
		ways = append([]*driver{hot}, ways...)
	}
	seen, err := f.seen()
	if err != nil {
		return nil, err
	}
	if seen != nil {
		ways = append(ways, seen)
		if hot, err := f.seenHot(); err != nil {
			return nil, err
		} else if hot != nil {
			ways = append(ways, hot)
		}
	}
	if len(ways) == 0 {
		return plain, nil
	}
	best, least := ways[0], int64(1)<<62
	if f.dated() {
		// A short stretch of time needs no other way.
		q := &sql{}
		q.add("SELECT count(*) FROM (SELECT 1 FROM resource r WHERE r.type = ? AND r.deleted = 0", f.pl.id)
		for i := range f.q.Where {
			if c := &f.q.Where[i]; c.Param != nil && c.Chain == nil && c.Param.ID == f.pl.date.ID {
				dateBounds(q, c, "r.at")
			}
		}
		q.add(" LIMIT ?) n", probeRows)
		var n int64
		if _, err := f.tx.one(f.ctx, q.String(), q.args, &n); err != nil {
			return nil, err
		}
		if n < probeRows {
			best, least = plain, n
		}
	}
	for _, d := range ways {
		if least <= shortEnough {
			break
		}
		n := int64(0)
		if len(ways) > 1 || !d.at {
			q := &sql{}
			q.add("SELECT count(*) FROM (SELECT 1 ")
			q.add(d.from.String(), d.from.args...)
			q.add(" WHERE 1 = 1")
			if d.cond != nil {
				q.add(d.cond.String(), d.cond.args...)
			}
			q.add(" LIMIT ?) n", probeRows)
			if _, err := f.tx.one(f.ctx, q.String(), q.args, &n); err != nil {
				return nil, err
			}
			if n == 0 && d.skip >= 0 {
				f.none = true
				return plain, nil
			}
			if d.seen && n < probeRows && f.streams() {
				// Who sees a good part of a list finds a page sooner by walking down the list:
				// about a page times total/n rows, against n rows to gather and sort.
				total, err := f.total(d)
				if err != nil {
					return nil, err
				}
				if int64(f.q.Count+1)*total < n*n {
					n = probeRows
				}
			}
		}
		if n < least || n == least && d.at && !best.at {
			best, least = d, n
		}
	}
	if best != plain && least >= probeRows && !best.at && f.streams() {
		// All ways are long: walk in the order of the page and filter, so that the first page comes early.
		return plain, nil
	}
	return best, nil
}

// total is about how many rows there are to walk down instead of a seen driver: all of the type, or all of
// the code. Counted again after a while.
func (f *finder) total(d *driver) (n int64, err error) {
	const enough = 200_000
	key, query, args := [2]int64{int64(f.pl.id), 0}, "SELECT count(*) FROM (SELECT 1 FROM resource WHERE type = ? AND deleted = 0 LIMIT ?) n", []any{f.pl.id, enough}
	if d.code != 0 {
		key = [2]int64{-int64(f.pl.code.ID), d.code}
		query, args = "SELECT count(*) FROM (SELECT 1 FROM ix_token WHERE param = ? AND code = ? LIMIT ?) n", []any{f.pl.code.ID, d.code, enough}
	}
	names := &f.tx.s.names
	names.mu.RLock()
	known, ok := names.totals[key]
	names.mu.RUnlock()
	if ok && time.Since(known.when) < 2*time.Minute {
		return known.n, nil
	}
	if _, err := f.tx.one(f.ctx, query, args, &n); err != nil {
		return 0, err
	}
	names.mu.Lock()
	if len(names.totals) > 10_000 {
		clear(names.totals)
	}
	names.totals[key] = total{n, time.Now()}
	names.mu.Unlock()
	return n, nil
}

// streams tells whether an index gives all resources of the type in the order of the page.
func (f *finder) streams() bool {
	switch len(f.q.Sort) {
	case 0:
		return true
	case 1:
		s := &f.q.Sort[0]
		return s.Special == "_lastUpdated" || s.Param != nil && (s.Param.Code == "_lastUpdated" || f.pl.date != nil && s.Param.ID == f.pl.date.ID)
	}
	return false
}

// dated tells whether the search leaves out what has no main date.
func (f *finder) dated() bool {
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if c.Param != nil && c.Chain == nil && f.pl.date != nil && c.Param.ID == f.pl.date.ID && c.Modifier == "" {
			return true
		}
	}
	return false
}

// way is the driver that one clause offers; nil = none.
func (f *finder) way(pl *plan, c *search.Clause) (*driver, error) {
	p := c.Param
	switch special(c) {
	case "_id":
		rids, err := f.byID(pl, c)
		if err != nil {
			return nil, err
		}
		d := &driver{rid: true, from: &sql{}}
		d.from.add("FROM (SELECT u.rid FROM resource u WHERE u.rid IN ("+marks(len(rids))+")) d", rids...)
		return d, nil
	case "_lastUpdated":
		if len(c.Values) != 1 {
			return nil, nil
		}
		switch c.Values[0].Prefix {
		case search.Eq, search.Gt, search.Ge, search.Sa:
			d := &driver{rid: true, from: &sql{}, keep: true}
			d.from.add("FROM (SELECT u.rid FROM resource u WHERE u.type = ? AND u.deleted = 0 AND u.updated >= ?) d", pl.id, bound(c.Values[0].Low))
			return d, nil
		}
		return nil, nil
	}
	if p == nil || c.Modifier == "missing" || c.Modifier == "not" {
		return nil, nil
	}
	if c.Chain == nil && len(c.Values) == 1 && !p.Sealed {
		v := &c.Values[0]
		d := &driver{at: true, rid: true, from: &sql{}, cond: &sql{}}
		switch {
		case p.Type == spec.Token && !byText(p) && v.Code != "":
			cond, err := f.token(p, v, "d")
			if err != nil {
				return nil, err
			}
			if cond == nil {
				f.none = true
				return nil, nil
			}
			d.from.add("FROM ix_token d")
			d.cond.add(" AND "+cond.String(), cond.args...)
			f.bound(d)
			return d, nil
		case p.Type == spec.Reference && v.URL == "":
			targets, err := f.targets(p, v)
			if err != nil {
				return nil, err
			}
			switch len(targets) {
			case 0:
				f.none = true
				return nil, nil
			case 1:
				d.from.add("FROM ix_ref d")
				d.cond.add(" AND d.param = ? AND d.target = ?", base(p).ID, targets[0])
				f.bound(d)
				return d, nil
			}
		}
	}
	set, err := f.set(pl, c)
	if set == nil || err != nil {
		return nil, err
	}
	d := &driver{rid: true, from: &sql{}}
	d.from.add("FROM (")
	d.from.add(set.String(), set.args...)
	d.from.add(") d")
	return d, nil
}

// bound narrows a driver in date order by a clause on the main date.
func (f *finder) bound(d *driver) {
	if f.pl.date == nil {
		return
	}
	for i := range f.q.Where {
		if c := &f.q.Where[i]; c.Param != nil && c.Chain == nil && c.Param.ID == f.pl.date.ID {
			dateBounds(d.cond, c, "d.at")
		}
	}
}

// hot combines patient and code into one range in date order.
func (f *finder) hot() (*driver, error) {
	if f.pl.code == nil {
		return nil, nil
	}
	code, patient := -1, -1
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if c.Param == nil || c.Chain != nil || c.Modifier != "" && c.Modifier != "Patient" || len(c.Values) != 1 {
			continue
		}
		switch {
		case c.Param.ID == f.pl.code.ID && c.Values[0].Code != "":
			code = i
		case (c.Param.Code == "patient" || c.Param.Code == "subject") && c.Param.Type == spec.Reference && (c.Values[0].RefType == "Patient" || c.Param.Code == "patient" && c.Values[0].RefType == ""):
			patient = i
		}
	}
	if code < 0 || patient < 0 {
		return nil, nil
	}
	pv := f.q.Where[patient].Values[0]
	rid, err := f.tx.rid(f.ctx, spec.TypeID("Patient"), pv.RefID)
	if err != nil || rid == 0 {
		return nil, err
	}
	cond, err := f.token(f.pl.code, &f.q.Where[code].Values[0], "d")
	if err != nil || cond == nil {
		return nil, err
	}
	d := &driver{from: &sql{}, cond: &sql{}, at: true, rid: true, skip: code}
	d.from.add("FROM ix_hot d")
	d.cond.add(" AND d.patient = ? AND "+cond.String(), append([]any{rid}, cond.args...)...)
	f.bound(d)
	return d, nil
}

// seen drives from what the caller may see, where that is little.
func (f *finder) seen() (*driver, error) {
	if f.see.all || len(f.see.parties) == 0 {
		return nil, nil
	}
	for _, id := range sharedTypes {
		if id.(int16) == f.pl.id {
			return nil, nil
		}
	}
	in := marks(len(f.see.parties))
	d := &driver{from: &sql{}, rid: true, skip: -1, seen: true}
	d.from.add("FROM (SELECT c.rid FROM access_grant g CROSS JOIN compartment c WHERE g.party IN ("+in+")", f.see.parties...)
	d.from.add(" AND g.since <= ? AND g.until > ? AND c.patient = g.patient AND c.type = ?", f.see.now, f.see.now, f.pl.id)
	d.from.add(" UNION ALL SELECT r.rid FROM resource r WHERE r.custodian IN ("+in+")", f.see.parties...)
	d.from.add(" AND r.type = ? AND r.deleted = 0) d", f.pl.id)
	return d, nil
}

// seenHot is seen for a search by code: of each visible patient only the rows of that code.
func (f *finder) seenHot() (*driver, error) {
	if f.pl.code == nil {
		return nil, nil
	}
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if c.Param == nil || c.Param.ID != f.pl.code.ID || c.Chain != nil || c.Modifier != "" || len(c.Values) != 1 || c.Values[0].Code == "" {
			continue
		}
		cond, err := f.token(f.pl.code, &c.Values[0], "t")
		if cond == nil || err != nil {
			return nil, err
		}
		in := marks(len(f.see.parties))
		code, _, err := f.tx.findSymbol(f.ctx, clip(c.Values[0].Code))
		if err != nil {
			return nil, err
		}
		d := &driver{from: &sql{}, rid: true, skip: -1, seen: true, code: code}
		d.from.add("FROM (SELECT t.rid FROM access_grant g CROSS JOIN ix_hot t WHERE g.party IN ("+in+")", f.see.parties...)
		d.from.add(" AND g.since <= ? AND g.until > ? AND t.patient = g.patient AND ", f.see.now, f.see.now)
		d.from.add(cond.String(), cond.args...)
		d.from.add(" UNION ALL SELECT c.rid FROM access_grant g CROSS JOIN compartment c WHERE g.party IN ("+in+")", f.see.parties...)
		d.from.add(" AND g.since <= ? AND g.until > ? AND c.patient = g.patient AND c.type = ? AND c.extra = 1", f.see.now, f.see.now, f.pl.id)
		d.from.add(" UNION ALL SELECT r.rid FROM resource r CROSS JOIN ix_token t WHERE r.custodian IN ("+in+")", f.see.parties...)
		d.from.add(" AND r.type = ? AND r.deleted = 0 AND t.at = r.at AND t.rid = r.rid AND ", f.pl.id)
		d.from.add(cond.String()+") d", cond.args...)
		return d, nil
	}
	return nil, nil
}

// set selects the numbers of all resources that a clause finds, unordered; nil = no index leads there.
func (f *finder) set(pl *plan, c *search.Clause) (*sql, error) {
	p := c.Param
	q := &sql{}
	if c.Chain != nil {
		return f.chainSet(p, c.Chain)
	}
	for i := range c.Values {
		v := &c.Values[i]
		if i > 0 {
			q.add(" UNION ALL ")
		}
		switch {
		case p.Sealed:
			mac, err := f.mac(p, v)
			if err != nil {
				return nil, err
			}
			q.add("SELECT rid FROM ix_sealed WHERE param = ? AND mac = ?", p.ID, mac)
		case p.Type == spec.Token:
			cond, err := f.token(p, v, "t")
			if err != nil {
				return nil, err
			}
			if cond == nil {
				q.add("SELECT rid FROM resource WHERE " + nothing)
				continue
			}
			table := "ix_token"
			if byText(p) {
				table = "ix_ident"
			}
			q.add("SELECT t.rid FROM "+table+" t WHERE "+cond.String(), cond.args...)
		case p.Type == spec.String && c.Modifier != "contains":
			q.add("SELECT s.rid FROM ix_string s WHERE s.param = ? AND ", p.ID)
			f.text(q, c.Modifier, v, "s")
		case p.Type == spec.Reference && v.URL == "":
			targets, err := f.targets(p, v)
			if err != nil {
				return nil, err
			}
			q.add("SELECT f.rid FROM ix_ref f WHERE f.param = ? AND f.target IN ("+marks(len(targets))+")", append([]any{base(p).ID}, targets...)...)
		case p.Type == spec.Quantity || p.Type == spec.Number:
			q.add("SELECT s.rid FROM ix_quantity s WHERE s.param = ? AND ", p.ID)
			if err := f.quantity(q, v, "s"); err != nil {
				return nil, err
			}
		case p.Type == spec.URI || p.Type == spec.Reference:
			text := v.Text
			if p.Type == spec.Reference {
				text = v.URL
			}
			uri, ok, err := f.tx.findSymbol(f.ctx, clip(text))
			if err != nil {
				return nil, err
			}
			if !ok {
				uri = -1
			}
			q.add("SELECT rid FROM ix_uri WHERE param = ? AND uri = ?", p.ID, uri)
		case p.Type == spec.Date && (pl.date == nil || p.ID != pl.date.ID):
			q.add("SELECT s.rid FROM ix_date s WHERE s.param = ? AND (", p.ID)
			dateCondition(q, v, "s.low", "s.high", f.tx.now)
			q.add(")")
			if len(c.Values) == 1 {
				dateBounds(q, c, "s.low")
			}
		default:
			return nil, nil
		}
	}
	return q, nil
}

// chainSet goes the chain backwards: first the targets, then who refers to them.
func (f *finder) chainSet(p *spec.Param, ch *search.Chain) (*sql, error) {
	q := &sql{}
	for i, t := range ch.Types {
		pl := planOf(t)
		inner, ok := ch.Where[t]
		if pl == nil || !ok || inner.Param == nil || inner.Modifier == "not" || inner.Modifier == "missing" || inner.Param.Code == "_id" || inner.Param.Code == "_lastUpdated" {
			return nil, nil
		}
		set, err := f.set(pl, &inner)
		if set == nil || err != nil {
			return nil, err
		}
		if i > 0 {
			q.add(" UNION ALL ")
		}
		q.add("SELECT f.rid FROM (SELECT DISTINCT rid FROM (")
		q.add(set.String(), set.args...)
		q.add(") s) x CROSS JOIN resource r CROSS JOIN ix_ref f WHERE r.rid = x.rid AND r.deleted = 0 AND f.param = ? AND f.target = x.rid", base(p).ID)
		f.see.visible(q, "r")
	}
	if q.b.Len() == 0 {
		return nil, nil
	}
	return q, nil
}

// body writes FROM and WHERE of the search.
func (f *finder) body(q *sql, d *driver) error {
	switch {
	case d.from != nil:
		q.add(" ")
		q.add(d.from.String(), d.from.args...)
		q.add(" CROSS JOIN resource r WHERE r.rid = d.rid")
		if d.cond != nil {
			q.add(d.cond.String(), d.cond.args...)
		}
	default:
		q.add(" FROM resource r WHERE 1 = 1")
	}
	if f.pl != nil {
		q.add(" AND r.type = ?", f.pl.id)
	} else if len(f.q.Types) > 0 {
		ids := make([]any, 0, len(f.q.Types))
		for _, t := range f.q.Types {
			ids = append(ids, spec.TypeID(t))
		}
		q.add(" AND r.type IN ("+marks(len(ids))+")", ids...)
	}
	q.add(" AND r.deleted = 0")
	if !d.seen {
		f.see.visible(q, "r")
	}
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if i == d.skip {
			continue
		}
		if d.from == nil && f.pl != nil && f.pl.date != nil && c.Param != nil && c.Chain == nil && c.Param.ID == f.pl.date.ID {
			dateBounds(q, c, "r.at")
		}
		if err := f.where(q, f.pl, c, "r"); err != nil {
			return err
		}
	}
	return nil
}
