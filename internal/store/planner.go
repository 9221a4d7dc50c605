package store

import (
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// driver is where a search starts: the rows that it walks over.
type driver struct {
	from   *sql   // "FROM … d", nil = the table of resources itself
	cond   *sql   // conditions on d or r, beginning with AND
	at     bool   // d has the column at, in the order of the index
	rid    bool   // d has the column rid
	dated  bool   // d has the column at, in no order
	once   bool   // no resource stands twice in it
	bare   bool   // all its rows are of living resources of the type
	skip   int    // the clause that it answers fully, -1 = none
	skip2  int    // another one
	covers []int  // clauses whose own ways are no shorter
	seen   bool   // its rows are those that the caller may see
	inner  []*sql // what it is made of, to be gathered before it can give a first row
	guess  *sql   // counts rows of a sample instead of its own
	n      int64  // rows, as far as was counted
	long   bool   // what it is made of is too much to gather
}

// probing bounds what a probe may cost. Tests make it small, so that small tables take every way.
var probing = struct {
	first   int64 // rows of the first look
	rows    int64 // rows that are counted before a way is called long
	inner   int64 // rows that may have to be gathered before a first one comes
	sample  int64 // rows in which a text is looked for
	longest int64 // rows that are counted where all ways are long, and remembered as a hint
	walk    int64 // rows of a walk down an index that needs no further thought
	handful int   // candidates that are looked up at once
}{64, 2000, 20_000, 20_000, 50_000, 1000, 256}

const hintsKeptIn = 2 * time.Minute

func (f *finder) plain() *driver { return &driver{skip: -1, skip2: -1, once: true} }

// ways lists the drivers that the clauses, the compartment and the caller's sight offer.
func (f *finder) ways(whole bool) ([]*driver, error) {
	var ways []*driver
	take := func(d *driver, err error) error {
		if d != nil && err == nil {
			ways = append(ways, d)
		}
		return err
	}
	for i := range f.q.Where { // a few ids are the shortest way: nothing else need be counted
		c := &f.q.Where[i]
		if special(c) == "_id" && positive(c) && len(c.Values) < int(probing.first) {
			d, err := f.way(f.pl, c, i)
			if err != nil || f.none {
				return nil, err
			}
			if d != nil {
				return []*driver{d}, nil
			}
		}
	}
	if f.q.Compartment != nil {
		if err := take(f.compartmentWay()); err != nil {
			return nil, err
		}
	}
	for i := range f.q.Where {
		d, err := f.way(f.pl, &f.q.Where[i], i)
		if err := take(d, err); err != nil || f.none {
			return nil, err
		}
	}
	if f.pl == nil {
		return ways, nil
	}
	for _, combined := range []func() (*driver, error){f.hot, f.hotChain} {
		d, err := combined()
		if err != nil {
			return nil, err
		}
		if d != nil { // shorter than what it combines
			ways = append(slices.DeleteFunc(ways, func(w *driver) bool { return w.skip >= 0 && slices.Contains(d.covers, w.skip) }), d)
		}
	}
	if !slices.ContainsFunc(ways, func(w *driver) bool { return w.at }) { // the others are within the same dates
		if err := take(f.datedWay()); err != nil {
			return nil, err
		}
	}
	if many, err := f.seesMany(); many && !whole && f.streams() || err != nil {
		return ways, err
	}
	seen, err := f.seen()
	if err != nil || seen == nil {
		return ways, err
	}
	if hot, err := f.seenHot(); hot != nil || err != nil {
		return append(ways, hot), err
	}
	return append(ways, seen), nil
}

// seesMany tells a caller to whom so many patients are granted that he finds a page sooner by walking down a list.
func (f *finder) seesMany() (bool, error) {
	if f.see.all || len(f.see.parties) == 0 {
		return true, nil
	}
	q := &sql{}
	q.add("granted", f.see.parties...)
	granted, err := f.remembered(hintKey(q), func() (n int64, err error) {
		args := append(f.see.parties[:len(f.see.parties):len(f.see.parties)], f.see.now, f.see.now, probing.longest)
		_, err = f.tx.one(f.ctx, "SELECT count(*) FROM (SELECT DISTINCT patient FROM access_grant WHERE party IN ("+marks(len(f.see.parties))+") AND since <= ? AND until > ? LIMIT ?) n", args, &n)
		return n, err
	})
	if err != nil {
		return false, err
	}
	all, err := f.total(planOf("Patient"))
	return granted*20 >= all, err
}

// plan chooses the driver: of all ways that an index offers, the one with the fewest rows; or, for a page, one in
// the order of the page that will fill it sooner. whole asks for a driver whose rows will all be visited.
func (f *finder) plan(whole bool) (*driver, error) {
	if f.none {
		return f.plain(), nil
	}
	ways, err := f.ways(whole)
	if err != nil || f.none || len(ways) == 0 {
		return f.plain(), err
	}
	if len(ways) == 1 && ways[0].at && (whole || f.streams()) {
		return ways[0], nil
	}
	var best *driver
	look := func(limit int64) error {
		for _, d := range ways {
			if d.n < probing.first && d.n > 0 || d.long {
				continue // known from the first look
			}
			n, err := f.probe(d, limit)
			if err != nil {
				return err
			}
			if d.n = n; n == 0 && !d.seen && d.guess == nil {
				f.none = true
				return nil
			}
			if n < limit && (best == nil || n < best.n) {
				best = d
			}
		}
		return nil
	}
	if err := look(probing.first); err != nil || f.none {
		return f.plain(), err
	}
	stream := f.plain() // in the order of the page: about a page times all/matching rows
	if best == nil {
		limit := probing.rows
		if f.streams() && !whole {
			if stream, err = f.shortest(ways); err != nil {
				return nil, err
			}
			if stream.from != nil {
				// With so many rows on every way a page comes soon enough.
				limit = min(limit, max(probing.first, int64(f.q.Count+1)*stream.n/probing.walk))
			}
		}
		if limit > probing.first {
			if err := look(limit); err != nil {
				return nil, err
			}
		}
		if best == nil && stream.from != nil && int64(f.q.Count+1)*stream.n/limit <= probing.walk {
			return stream, nil
		}
	}
	if best == nil {
		if best, err = f.leastOf(ways, whole); err != nil {
			return nil, err
		}
	}
	if whole || best != nil && (best.n < probing.first || best.at || !f.streams()) {
		if best == nil {
			best = f.plain()
		}
		return best, nil
	}
	if best == nil || !f.streams() {
		return stream, nil
	}
	for _, d := range ways {
		if d.at && (stream.from == nil || d.n < stream.n) {
			stream = d
		}
	}
	if stream.from == nil {
		if stream.n, err = f.total(f.pl); err != nil {
			return nil, err
		}
	}
	// A row that the index has with its date costs a quarter of one that is looked up; one that is walked over and
	// checked, several times as much.
	gather, walked := best.n*4, int64(20)
	if best.dated {
		gather = best.n
	}
	if !f.see.all {
		walked = 60
	}
	if int64(f.q.Count+1)*stream.n/best.n*walked < gather {
		return stream, nil
	}
	return best, nil
}

// shortest is the way in the order of the page with the fewest rows; without one, the table of resources itself.
func (f *finder) shortest(ways []*driver) (*driver, error) {
	stream := f.plain()
	for _, d := range ways {
		if !d.at {
			continue
		}
		n, err := f.hint(d)
		if err != nil {
			return nil, err
		}
		if d.n = n; stream.from == nil || n < stream.n {
			stream = d
		}
	}
	return stream, nil
}

// leastOf looks further at ways that are all long; nil where the end of none is in sight.
func (f *finder) leastOf(ways []*driver, whole bool) (*driver, error) {
	var least *driver
	for _, d := range ways {
		if d.guess != nil || d.long || d.seen && !whole && f.streams() {
			continue
		}
		n, err := f.hint(d)
		if err != nil {
			return nil, err
		}
		if d.n = n; n > 0 && (n < probing.longest || d.at) && (least == nil || n < least.n) {
			least = d
		}
	}
	return least, nil
}

// probe counts the rows of a way, up to limit.
func (f *finder) probe(d *driver, limit int64) (n int64, err error) {
	for _, inner := range d.inner {
		q := &sql{}
		q.add("SELECT count(*) FROM (SELECT 1 FROM ("+inner.String()+") s LIMIT ?) n", append(inner.args[:len(inner.args):len(inner.args)], probing.inner)...)
		n, err := f.remembered(hintKey(q), func() (n int64, err error) {
			_, err = f.tx.one(f.ctx, q.String(), q.args, &n)
			return n, err
		})
		if d.long = n >= probing.inner; err != nil || d.long {
			return limit, err
		}
	}
	if d.guess != nil {
		_, err = f.tx.one(f.ctx, d.guess.String(), d.guess.args, &n)
		if n++; n > probing.first {
			return limit, err
		}
		return n, err
	}
	q := &sql{}
	q.add("SELECT count(*) FROM (SELECT 1 ")
	q.add(d.from.String(), d.from.args...)
	q.add(" WHERE 1 = 1")
	if d.cond != nil {
		q.add(d.cond.String(), d.cond.args...)
	}
	q.add(" LIMIT ?) n", limit)
	_, err = f.tx.one(f.ctx, q.String(), q.args, &n)
	return n, err
}

// hint is about how many rows a way has, up to probing.longest; counted again after a while.
func (f *finder) hint(d *driver) (int64, error) {
	q := &sql{}
	q.add(d.from.String(), d.from.args...)
	if d.cond != nil {
		q.add(d.cond.String(), d.cond.args...)
	}
	for i, arg := range q.args {
		if arg == any(f.see.now) {
			q.args[i] = 0
		}
	}
	limit := probing.longest
	if len(d.inner) > 0 || d.seen {
		limit /= 5 // each row is joined
	}
	return f.remembered(hintKey(q), func() (int64, error) {
		n, err := f.probe(d, limit)
		if n >= limit {
			n = probing.longest
		}
		return n, err
	})
}

// total is about how many resources of the type there are.
func (f *finder) total(pl *plan) (int64, error) {
	q := &sql{}
	q.add("total", pl.id)
	return f.remembered(hintKey(q), func() (n int64, err error) {
		_, err = f.tx.one(f.ctx, "SELECT count(*) FROM (SELECT 1 FROM resource WHERE type = ? AND deleted = 0 LIMIT ?) n", []any{pl.id, 4 * probing.longest}, &n)
		return n, err
	})
}

func (f *finder) remembered(key uint64, count func() (int64, error)) (int64, error) {
	names := &f.tx.s.names
	names.mu.RLock()
	known, ok := names.totals[key]
	names.mu.RUnlock()
	if ok && time.Since(known.when) < hintsKeptIn {
		return known.n, nil
	}
	n, err := count()
	if err != nil {
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
	if f.pl == nil {
		return false
	}
	switch len(f.q.Sort) {
	case 0:
		return true
	case 1:
		s := &f.q.Sort[0]
		return f.pl.date != nil && s.Param != nil && s.Param.ID == f.pl.date.ID && (s.Descending || f.dated())
	}
	return false
}

// onDate tells a clause on the main date.
func (f *finder) onDate(c *search.Clause) bool {
	return f.pl != nil && f.pl.date != nil && c.Param != nil && c.Chain == nil && c.Filter == nil && c.Has == nil && c.Param.ID == f.pl.date.ID && c.Modifier == ""
}

// dated tells whether the search leaves out what has no main date.
func (f *finder) dated() bool {
	for i := range f.q.Where {
		if f.onDate(&f.q.Where[i]) {
			return true
		}
	}
	return false
}

// bounds narrows a column of main dates by the clauses on it.
func (f *finder) bounds(q *sql, column string) {
	for i := range f.q.Where {
		if c := &f.q.Where[i]; f.onDate(c) {
			dateBounds(q, c, column)
		}
	}
}

// datedWay goes over a stretch of time.
func (f *finder) datedWay() (*driver, error) {
	if !f.dated() {
		return nil, nil
	}
	d := &driver{from: &sql{}, cond: &sql{}, at: true, rid: true, once: true, bare: true, skip: -1, skip2: -1}
	d.from.add("FROM resource d")
	d.cond.add(" AND d.type = ? AND d.deleted = 0", f.pl.id)
	before := d.cond.b.Len()
	f.bounds(d.cond, "d.at")
	if d.cond.b.Len() == before {
		return nil, nil
	}
	return d, nil
}

// compartmentWay goes over one patient's record.
func (f *finder) compartmentWay() (*driver, error) {
	patient, err := f.compartment()
	if err != nil || f.none {
		return nil, err
	}
	d := &driver{from: &sql{}, cond: &sql{}, at: f.pl != nil, rid: true, once: true, skip: -1, skip2: -1}
	d.from.add("FROM compartment d")
	d.cond.add(" AND d.patient = ?", patient)
	if f.pl != nil {
		d.cond.add(" AND d.type = ?", f.pl.id)
		f.bounds(d.cond, "d.at")
	}
	return d, nil
}

// way is the driver that one clause offers; nil = none.
func (f *finder) way(pl *plan, c *search.Clause, i int) (*driver, error) {
	p := c.Param
	d := &driver{rid: true, from: &sql{}, cond: &sql{}, skip: i, skip2: -1, bare: true}
	if special(c) == "_lastUpdated" && positive(c) {
		if len(c.Values) != 1 || pl == nil {
			return nil, nil
		}
		switch c.Values[0].Prefix {
		case search.Eq, search.Gt, search.Ge, search.Sa:
			d.skip, d.once = -1, true
			d.from.add("FROM (SELECT u.rid FROM resource u WHERE u.type = ? AND u.deleted = 0 AND u.updated >= ?) d", pl.id, bound(c.Values[0].Low))
			return d, nil
		}
		return nil, nil
	}
	if p != nil && positive(c) && c.Chain == nil && !p.Sealed && pl != nil {
		switch {
		case p.Type == spec.Token && !byText(p) && special(c) == "":
			groups, err := f.codeGroups(f.params(pl, p), c)
			if err != nil {
				return nil, err
			}
			if len(groups) == 0 {
				f.none = true
				return nil, nil
			}
			if len(groups) == 1 && len(groups[0].codes) == 1 {
				d.at, d.once = true, groups[0].once()
				d.from.add("FROM ix_token d")
				d.cond.add(" AND ")
				f.group(d.cond, &groups[0], "d")
				f.bounds(d.cond, "d.at")
				return d, nil
			}
		case p.Type == spec.Reference && len(c.Values) == 1 && c.Values[0].URL == "":
			targets, err := f.targets(p, &c.Values[0])
			if err != nil {
				return nil, err
			}
			switch len(targets) {
			case 0:
				f.none = true
				return nil, nil
			case 1:
				d.at, d.once = true, true
				d.from.add("FROM ix_ref d")
				d.cond.add(" AND d.param = ? AND d.target = ?", base(p).ID, targets[0])
				f.bounds(d.cond, "d.at")
				return d, nil
			}
		}
	}
	f.inner = nil
	d.dated = pl != nil && f.withDate(c)
	f.wantAt = d.dated
	set, loose, err := f.set(pl, c)
	if f.wantAt = false; set == nil || err != nil {
		return nil, err
	}
	if loose {
		d.skip = -1
	}
	if d.inner = f.inner; c.Has != nil || c.Filter != nil || c.Across != nil || special(c) != "" || pl == nil {
		d.bare = false
	}
	if p != nil && p.Type == spec.String && !p.Sealed && c.Chain == nil && (c.Modifier == "contains" || c.Modifier == "text" || c.Modifier == "ends") {
		d.guess = &sql{}
		d.guess.add("SELECT count(*) FROM (SELECT s.folded FROM ix_string s WHERE s.param = ? LIMIT ?) s WHERE "+nothing, p.ID, probing.sample)
		for j := range c.Values {
			d.guess.add(" OR ")
			f.text(d.guess, c.Modifier, &c.Values[j], "s")
		}
	}
	d.from.add("FROM (")
	d.from.add(set.String(), set.args...)
	d.from.add(") d")
	if d.dated {
		f.bounds(d.cond, "d.at")
	}
	return d, nil
}

// withDate tells whether the set of a clause comes from an index that has the main date.
func (f *finder) withDate(c *search.Clause) bool {
	p := c.Param
	if p == nil || !positive(c) || c.Chain != nil || p.Sealed || special(c) != "" {
		return false
	}
	switch p.Type {
	case spec.Token:
		return !byText(p)
	case spec.Composite:
		return true
	case spec.Reference:
		return !slices.ContainsFunc(c.Values, func(v search.Value) bool { return v.URL != "" })
	}
	return false
}

// hotChain combines a chain to patients and a code: of each patient found only the rows of that code.
func (f *finder) hotChain() (*driver, error) {
	code := f.hotClause()
	if code < 0 {
		return nil, nil
	}
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if c.Chain == nil || len(c.Chain.Types) != 1 || c.Chain.Types[0] != "Patient" || base(c.Param).Code != "subject" && base(c.Param).Code != "patient" {
			continue
		}
		inner, patients := c.Chain.Where["Patient"], planOf("Patient")
		groups, err := f.codeGroups(parts(f.pl.code), &f.q.Where[code])
		if err != nil || len(groups) != 1 || !f.see.reads(patients.id) {
			return nil, err
		}
		f.inner = nil
		set, loose, err := f.set(patients, &inner)
		if set == nil || loose || err != nil {
			return nil, err
		}
		d := &driver{from: &sql{}, cond: &sql{}, rid: true, dated: true, bare: true, skip: code, skip2: i, covers: []int{i}, inner: append(f.inner, set)}
		q := d.from
		q.add("FROM (SELECT t.at, t.rid FROM (SELECT DISTINCT rid FROM (")
		q.add(set.String(), set.args...)
		q.add(") s) x CROSS JOIN resource r CROSS JOIN ix_hot t CROSS JOIN ix_ref f WHERE r.rid = x.rid AND r.type = ? AND r.deleted = 0", patients.id)
		f.see.visible(q, "r")
		q.add(" AND t.patient = x.rid AND ")
		f.group(q, &groups[0], "t")
		q.add(" AND f.param = ? AND f.target = x.rid AND f.at = t.at AND f.rid = t.rid) d", base(c.Param).ID)
		f.bounds(d.cond, "d.at")
		return d, nil
	}
	return nil, nil
}

// hot combines patient and code into one range in date order.
func (f *finder) hot() (*driver, error) {
	if f.pl.code == nil {
		return nil, nil
	}
	code, patient := f.hotClause(), -1
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if c.Param == nil || c.Chain != nil || c.Param.Type != spec.Reference || c.Modifier != "" && c.Modifier != "Patient" || len(c.Values) != 1 {
			continue
		}
		if (c.Param.Code == "patient" || c.Param.Code == "subject") && (c.Values[0].RefType == "Patient" || c.Param.Code == "patient" && c.Values[0].RefType == "") {
			patient = i
		}
	}
	if code < 0 || patient < 0 {
		return nil, nil
	}
	rid, err := f.tx.rid(f.ctx, spec.TypeID("Patient"), f.q.Where[patient].Values[0].RefID)
	if err != nil || rid == 0 {
		return nil, err
	}
	groups, err := f.codeGroups(parts(f.pl.code), &f.q.Where[code])
	if err != nil || len(groups) != 1 || len(groups[0].codes) != 1 {
		return nil, err
	}
	d := &driver{from: &sql{}, cond: &sql{}, at: true, rid: true, bare: true, once: groups[0].once(), skip: code, skip2: -1, covers: []int{code, patient}}
	d.from.add("FROM ix_hot d")
	d.cond.add(" AND d.patient = ? AND ", rid)
	f.group(d.cond, &groups[0], "d")
	f.bounds(d.cond, "d.at")
	return d, nil
}

// hotClause is the clause on the hot code that one range answers; -1 = none.
func (f *finder) hotClause() int {
	for i := range f.q.Where {
		if c := &f.q.Where[i]; f.pl != nil && f.pl.code != nil && c.Param != nil && c.Param.ID == f.pl.code.ID && c.Chain == nil && positive(c) {
			return i
		}
	}
	return -1
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
	d := &driver{from: &sql{}, rid: true, skip: -1, skip2: -1, seen: true}
	d.from.add("FROM (SELECT c.rid FROM access_grant g CROSS JOIN compartment c WHERE g.party IN ("+in+")", f.see.parties...)
	d.from.add(" AND g.since <= ? AND g.until > ? AND c.patient = g.patient AND c.type = ?", f.see.now, f.see.now, f.pl.id)
	f.bounds(d.from, "c.at")
	d.from.add(" UNION ALL SELECT r.rid FROM resource r WHERE r.custodian IN ("+in+")", f.see.parties...)
	d.from.add(" AND r.type = ? AND r.deleted = 0", f.pl.id)
	f.bounds(d.from, "r.at")
	d.from.add(") d")
	return d, nil
}

// seenHot is seen for a search by code: of each visible patient only the rows of that code.
func (f *finder) seenHot() (*driver, error) {
	code := f.hotClause()
	if code < 0 {
		return nil, nil
	}
	groups, err := f.codeGroups(parts(f.pl.code), &f.q.Where[code])
	if err != nil || len(groups) != 1 {
		return nil, err
	}
	in := marks(len(f.see.parties))
	d := &driver{from: &sql{}, rid: true, skip: -1, skip2: -1, seen: true}
	q := d.from
	q.add("FROM (SELECT t.rid FROM access_grant g CROSS JOIN ix_hot t WHERE g.party IN ("+in+")", f.see.parties...)
	q.add(" AND g.since <= ? AND g.until > ? AND t.patient = g.patient AND ", f.see.now, f.see.now)
	f.group(q, &groups[0], "t")
	f.bounds(q, "t.at")
	q.add(" UNION ALL SELECT c.rid FROM access_grant g CROSS JOIN compartment c"+f.by("compartment_extra")+" WHERE g.party IN ("+in+")", f.see.parties...)
	q.add(" AND g.since <= ? AND g.until > ? AND c.patient = g.patient AND c.type = ? AND c.extra = 1", f.see.now, f.see.now, f.pl.id)
	q.add(" UNION ALL SELECT r.rid FROM resource r CROSS JOIN ix_token t WHERE r.custodian IN ("+in+")", f.see.parties...)
	q.add(" AND r.type = ? AND r.deleted = 0 AND t.at = r.at AND t.rid = r.rid AND ", f.pl.id)
	f.group(q, &groups[0], "t")
	f.bounds(q, "r.at")
	q.add(") d")
	return d, nil
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
	} else if f.see.types != nil && !f.see.types[f.pl.id] {
		q.add(" AND " + nothing)
	}
	if d.from == nil {
		f.bounds(q, "r.at")
	}
	return f.clauses(q, d, "r")
}

// clauses adds what the driver does not answer by itself.
func (f *finder) clauses(q *sql, d *driver, r string) error {
	for i := range f.q.Where {
		if i == d.skip || i == d.skip2 {
			continue
		}
		if err := f.where(q, f.pl, &f.q.Where[i], r); err != nil {
			return err
		}
	}
	if f.q.Compartment != nil {
		patient, err := f.compartment()
		if err != nil {
			return err
		}
		q.add(" AND EXISTS (SELECT 1 FROM compartment c WHERE c.patient = ? AND c.type = "+r+".type AND c.at = "+r+".at AND c.rid = "+r+".rid)", patient)
	}
	return nil
}
