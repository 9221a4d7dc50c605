package store

import (
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

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
	if d, err := f.paired(); err != nil {
		return nil, err
	} else if d != nil { // shorter than the value alone; the code alone stays as a list to walk down
		ways = append(slices.DeleteFunc(ways, func(w *driver) bool { return w.skip == d.skip2 }), d)
	}
	for i := range f.q.Where { // a value of a code is found down the list of that code, too
		c := f.implied(&f.q.Where[i])
		if c == nil {
			continue
		}
		d, err := f.way(f.pl, c, -1)
		if err != nil || f.none {
			return nil, err
		}
		if d != nil && d.at {
			ways = append(ways, d)
		}
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
	if f.see.all {
		return true, nil
	}
	given := f.see.of(f.pl.id).parties
	if len(given) == 0 {
		return len(f.see.keeps)+len(f.see.own)+len(f.see.items) == 0, nil
	}
	q := &sql{}
	q.add("granted", given...)
	granted, err := f.remembered(hintKey(q), func() (n int64, err error) {
		q := &sql{}
		q.add("SELECT count(*) FROM (SELECT DISTINCT g.patient FROM access_grant g WHERE ")
		f.see.holds(q, given)
		q.add(" LIMIT ? + 0) n", probing.longest)
		_, err = f.tx.one(f.ctx, q.String(), q.args, &n)
		return n, err
	})
	if err != nil {
		return false, err
	}
	all, err := f.total(planOf("Patient"))
	return granted*20 >= all, err
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
	if p != nil && p.Type == spec.Composite && pl == f.pl {
		if d.once, err = f.single(c); err != nil {
			return nil, err
		}
	}
	if d.inner = f.inner; c.Has != nil || c.Filter != nil || c.Across != nil || special(c) != "" || pl == nil {
		d.bare = false
	}
	if p != nil && p.Type == spec.String && !p.Sealed && c.Chain == nil && (c.Modifier == "contains" || c.Modifier == "text" || c.Modifier == "ends") {
		d.guess = &sql{}
		d.guess.add("SELECT count(*) FROM (SELECT s.folded FROM ix_string s WHERE s.param = ? LIMIT ? + 0) s WHERE "+nothing, p.ID, probing.sample)
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

// implied is the clause on a code that holds wherever a composite of that code and a value does; nil = none.
func (f *finder) implied(c *search.Clause) *search.Clause {
	if known, ok := f.implies[c]; ok {
		return known
	}
	var code *search.Clause
	if p := c.Param; p != nil && p.Type == spec.Composite && positive(c) && c.Chain == nil && len(c.Values) == 1 && len(c.Values[0].Parts) > 0 && c.Values[0].Parts[0].Code != "" && !stands(p) {
		if of, _, ok := strings.Cut(p.Code, "-value-"); ok {
			if t := spec.Lookup(p.Base, of); t != nil && t.Type == spec.Token && !stands(t) {
				code = &search.Clause{Param: t, Values: c.Values[0].Parts[:1]}
			}
		}
	}
	if code != nil && !f.complete(code.Param) {
		code = nil
	}
	if f.implies == nil {
		f.implies = map[*search.Clause]*search.Clause{}
	}
	f.implies[c] = code
	return code
}

// complete tells that nothing is under way which indexes a parameter anew.
func (f *finder) complete(p *spec.Param) bool {
	var one int64
	waits, err := f.tx.one(f.ctx, "SELECT 1 FROM reindex WHERE param = ? LIMIT 1", []any{p.ID}, &one)
	return err == nil && !waits
}

// paired answers a code and a quantity, each asked for by itself, from the range of their composite. What is sampled
// data is a value-quantity and no part of the composite: it stands among the intervals.
func (f *finder) paired() (*driver, error) {
	hot, code := f.hotClause()
	if hot == nil || code < 0 || hot.Modifier != "" || len(hot.Values) != 1 || hot.Values[0].Code == "" {
		return nil, nil
	}
	both := spec.Lookup(f.pl.name, "code-value-quantity")
	if both == nil || !f.complete(both) {
		return nil, nil
	}
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if c.Param == nil || c.Param.Code != "value-quantity" || c.Chain != nil || !positive(c) || len(c.Values) != 1 {
			continue
		}
		groups, err := f.codeGroups(parts(f.pl.code), hot)
		if err != nil || len(groups) != 1 {
			return nil, err
		}
		q, inner := &sql{}, []*sql(nil)
		arm := func() *sql {
			if q.b.Len() > 0 {
				q.add(" UNION ALL ")
			}
			return q
		}
		value := &search.Value{Parts: []search.Value{hot.Values[0], c.Values[0]}}
		err = f.pairs(parts(both), value, "", func(table string, cond *sql) {
			arm().add("SELECT x.at, x.rid FROM "+table+" x WHERE "+cond.String(), cond.args...)
		})
		if err != nil {
			return nil, err
		}
		err = f.numbers(parts(c.Param), &c.Values[0], func(table string, p *spec.Param, u *inUnit) {
			if table != "ix_range" {
				return
			}
			ranges := &sql{}
			ranges.add("SELECT s.rid FROM ix_range s WHERE s.param = ? AND ", p.ID)
			numberCondition(ranges, table, u, "s", "")
			inner = append(inner, ranges)
			arm().add("SELECT r.at, r.rid FROM ix_range s CROSS JOIN resource r CROSS JOIN ix_token t WHERE s.param = ? AND ", p.ID)
			numberCondition(q, table, u, "s", "")
			q.add(" AND r.rid = s.rid AND t.at = r.at AND t.rid = r.rid AND ")
			f.group(q, &groups[0], "t")
		})
		if err != nil || q.b.Len() == 0 {
			return nil, err
		}
		d := &driver{from: &sql{}, cond: &sql{}, rid: true, dated: true, bare: true, once: len(inner) == 0 && groups[0].once(), skip: code, skip2: i, inner: inner}
		d.from.add("FROM (")
		d.from.add(q.String(), q.args...)
		d.from.add(") d")
		f.bounds(d.cond, "d.at")
		return d, nil
	}
	return nil, nil
}

// single tells a composite that a resource meets at most once: its value does not repeat, and its code stands in one system.
func (f *finder) single(c *search.Clause) (bool, error) {
	code := f.implied(c)
	if code == nil || f.pl == nil || code.Param != f.pl.code {
		return false, nil
	}
	groups, err := f.codeGroups(f.params(f.pl, code.Param), code)
	return len(groups) == 1 && groups[0].once(), err
}

// hotChain combines a chain to patients and a code: of each patient found only the rows of that code.
func (f *finder) hotChain() (*driver, error) {
	hot, code := f.hotClause()
	if hot == nil {
		return nil, nil
	}
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if c.Chain == nil || len(c.Chain.Types) != 1 || c.Chain.Types[0] != "Patient" || base(c.Param).Code != "subject" && base(c.Param).Code != "patient" {
			continue
		}
		inner, patients := c.Chain.Where["Patient"], planOf("Patient")
		groups, err := f.codeGroups(parts(f.pl.code), hot)
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
		f.see.visible(q, "r", patients.id)
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
	c, code := f.hotClause()
	patient := -1
	for i := range f.q.Where {
		c := &f.q.Where[i]
		if c.Param == nil || c.Chain != nil || c.Param.Type != spec.Reference || c.Modifier != "" && c.Modifier != "Patient" || len(c.Values) != 1 {
			continue
		}
		if (c.Param.Code == "patient" || c.Param.Code == "subject") && (c.Values[0].RefType == "Patient" || c.Param.Code == "patient" && c.Values[0].RefType == "") {
			patient = i
		}
	}
	if c == nil || patient < 0 {
		return nil, nil
	}
	rid, err := f.tx.rid(f.ctx, spec.TypeID("Patient"), f.q.Where[patient].Values[0].RefID)
	if err != nil || rid == 0 {
		return nil, err
	}
	groups, err := f.codeGroups(parts(f.pl.code), c)
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

// hotClause is the clause on the hot code that one range answers, and where it stands in the search; -1 = it is only
// implied by another, which is to be asked as well. nil = none.
func (f *finder) hotClause() (code *search.Clause, at int) {
	if f.pl == nil || f.pl.code == nil {
		return nil, -1
	}
	for i := range f.q.Where {
		if c := &f.q.Where[i]; c.Param != nil && c.Param.ID == f.pl.code.ID && c.Chain == nil && positive(c) {
			return c, i
		}
	}
	for i := range f.q.Where {
		if c := f.implied(&f.q.Where[i]); c != nil && c.Param.ID == f.pl.code.ID {
			return c, -1
		}
	}
	return nil, -1
}

// seen drives from what the caller may see, where that is little: what stands under the patients granted to him, what
// he is custodian of, what was given to him singly. Rows may be too many: exact says that they are not.
func (f *finder) seen() (*driver, error) {
	w := f.see.of(f.pl.id)
	if f.see.all || isShared(f.pl.id) || len(w.parties)+len(f.see.keeps)+len(f.see.own)+len(f.see.items) == 0 {
		return nil, nil
	}
	d := &driver{from: &sql{}, cond: &sql{}, rid: true, dated: true, skip: -1, skip2: -1, seen: true, exact: f.see.simple(f.pl.id)}
	q := &sql{}
	arm := arms(q)
	if len(w.parties) > 0 {
		arm("SELECT c.at, c.rid FROM access_grant g CROSS JOIN compartment c WHERE ")
		f.see.holds(q, w.parties)
		q.add(" AND c.patient = g.patient AND c.type = ?", f.pl.id)
		f.bounds(q, "c.at")
	}
	if len(f.see.keeps) > 0 {
		arm("SELECT r.at, r.rid FROM resource r WHERE ")
		f.see.in(q, "r.custodian", f.see.keeps)
		q.add(" AND r.type = ? AND r.deleted = 0", f.pl.id)
		f.bounds(q, "r.at")
	}
	if err := f.seenApart(arm, nil); err != nil {
		return nil, err
	}
	if q.b.Len() == 0 {
		return nil, nil
	}
	d.from.add("FROM (")
	d.from.add(q.String(), q.args...)
	d.from.add(") d")
	return d, nil
}

// arms begins one part of a union after the other.
func arms(q *sql) func(text string, args ...any) *sql {
	return func(text string, args ...any) *sql {
		if q.b.Len() > 0 {
			q.add(" UNION ALL ")
		}
		q.add(text, args...)
		return q
	}
}

// holds is the condition that a row g of access_grant is now one of the parties'.
func (v *sight) holds(q *sql, parties []any) {
	v.in(q, "g.party", parties)
	q.add(" AND g.since <= ? AND g.until > ?", v.now, v.now)
}

// seenApart adds what is about nobody and what was given singly; of one code where group is not nil.
func (f *finder) seenApart(arm func(string, ...any) *sql, group *codeGroup) error {
	coded := func(q *sql) {
		q.add(" AND r.type = ? AND r.deleted = 0", f.pl.id)
		if group != nil {
			q.add(" AND t.at = r.at AND t.rid = r.rid AND ")
			f.group(q, group, "t")
		}
		f.bounds(q, "r.at")
	}
	token := ""
	if group != nil {
		token = " CROSS JOIN ix_token t"
	}
	if nobody, err := f.ofNobody(); err != nil {
		return err
	} else if len(nobody) > 0 {
		q := arm("SELECT r.at, r.rid FROM resource r" + f.by("resource_nobody") + token + " WHERE r.home = 0 AND ")
		f.see.in(q, "r.custodian", nobody)
		coded(q)
	}
	if len(f.see.items) > 0 {
		q := arm("SELECT r.at, r.rid FROM access_item i CROSS JOIN resource r" + token + " WHERE ")
		f.see.in(q, "i.party", f.see.items)
		q.add(" AND i.since <= ? AND i.until > ? AND r.rid = i.rid", f.see.now, f.see.now)
		coded(q)
	}
	return nil
}

// seenHot is seen for a search by code: of each patient whom the caller may see, or of whom he has anything of his own,
// only the rows of that code.
func (f *finder) seenHot() (*driver, error) {
	code, _ := f.hotClause()
	if code == nil {
		return nil, nil
	}
	groups, err := f.codeGroups(parts(f.pl.code), code)
	if err != nil || len(groups) != 1 {
		return nil, err
	}
	w := f.see.of(f.pl.id)
	d := &driver{from: &sql{}, cond: &sql{}, rid: true, dated: true, skip: -1, skip2: -1, seen: true, exact: f.see.simple(f.pl.id)}
	q := &sql{}
	arm := arms(q)
	if len(w.parties) > 0 {
		arm("SELECT t.at, t.rid FROM access_grant g CROSS JOIN ix_hot t WHERE ")
		f.see.holds(q, w.parties)
		q.add(" AND t.patient = g.patient AND ")
		f.group(q, &groups[0], "t")
		f.bounds(q, "t.at")
		arm("SELECT c.at, c.rid FROM access_grant g CROSS JOIN compartment c" + f.by("compartment_extra") + " WHERE ")
		f.see.holds(q, w.parties)
		q.add(" AND c.patient = g.patient AND c.type = ? AND c.extra = 1", f.pl.id)
		f.bounds(q, "c.at")
	}
	if len(f.see.keeps) > 0 {
		arm("SELECT t.at, t.rid FROM custody k CROSS JOIN ix_hot t CROSS JOIN resource r WHERE ")
		f.see.in(q, "k.custodian", f.see.keeps)
		if len(w.whole) > 0 {
			q.add(" AND NOT ")
			f.see.grantedPatient(q, "k.patient", w.whole)
		}
		q.add(" AND t.patient = k.patient AND ")
		f.group(q, &groups[0], "t")
		f.bounds(q, "t.at")
		q.add(" AND r.rid = t.rid AND r.deleted = 0 AND ")
		f.see.in(q, "r.custodian", f.see.keeps)
	}
	if err := f.seenApart(arm, &groups[0]); err != nil || q.b.Len() == 0 {
		return nil, err
	}
	d.from.add("FROM (")
	d.from.add(q.String(), q.args...)
	d.from.add(") d")
	return d, nil
}

// ofNobody lists who of those whose own things the caller sees keeps something of the type that is about nobody.
func (f *finder) ofNobody() (keepers []any, err error) {
	asked := unique(append(f.see.keeps[:len(f.see.keeps):len(f.see.keeps)], f.see.own...))
	if len(asked) == 0 {
		return nil, nil
	}
	q := &sql{}
	q.add("SELECT custodian FROM custody WHERE patient = ? AND ", -int64(f.pl.id))
	f.see.in(q, "custodian", asked)
	err = f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
		var keeper int64
		err := scan(&keeper)
		keepers = append(keepers, keeper)
		return err
	})
	return unique(keepers), err
}
