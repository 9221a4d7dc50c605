package store

import (
	"regexp"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// count is the total, exact or, as an estimate, exact up to ExactTotal.
func (f *finder) count() (n int64, err error) {
	if f.none {
		return 0, nil
	}
	plain := f.byCodeAndDate()
	if plain {
		if n, ok, err := f.countSeen(); ok || err != nil {
			return n, err
		}
	}
	d, err := f.plan(true)
	if err != nil || f.none {
		return 0, err
	}
	if hot, code := f.hotClause(); !plain && (d.from == nil || d.n >= longest(true) || d.n >= probing.rows && hot != nil && (d.skip == code || d.seen)) {
		if n, ok, err := f.countSeen(); ok || err != nil {
			return n, err
		}
	}
	if f.see.all && !f.see.limited && f.pl != nil && d.bare && f.q.Compartment == nil && f.q.Total != search.TotalEstimate {
		return f.countIn(&stretch{from: d.from, cond: d.cond, at: d.at, once: d.once, skip: []int{d.skip, d.skip2}})
	}
	q := &sql{}
	ridColumn := "r.rid"
	if d.rid {
		ridColumn = "d.rid"
	}
	distinct := "DISTINCT "
	if d.once {
		distinct = ""
	}
	q.add("SELECT count(*) FROM (SELECT " + distinct + ridColumn + " AS rid")
	if err := f.body(q, d); err != nil {
		return 0, err
	}
	if f.q.Total == search.TotalEstimate {
		q.add(" LIMIT ? + 0", ExactTotal)
	}
	q.add(") n")
	_, err = f.tx.one(f.ctx, q.String(), q.args, &n)
	return n, err
}

// stretch is a range d of an index whose rows are of living resources of the type.
type stretch struct {
	from, cond *sql
	at         bool // d has the column at
	once       bool // no resource stands twice in it
	skip       []int
	head       *sql // a condition on the resource r, nil = none
}

// headOnly finds what of a condition on d only the resource itself can answer.
var headOnly = regexp.MustCompile(`\bd\.(till|updated|shape|type|home|custodian|deleted|multi)\b`)

// countIn counts the resources of a stretch for which all clauses hold, from the index alone where it can. Of a main
// date the index has the beginning only: where that decides, it counts, and looks at the resource where it does not.
func (f *finder) countIn(s *stretch) (total int64, err error) {
	others := &sql{}
	var dates []int
	for i := range f.q.Where {
		c := &f.q.Where[i]
		switch {
		case slices.Contains(s.skip, i):
		case f.onDate(c):
			dates = append(dates, i)
		default:
			if err := f.where(others, f.pl, c, "d"); err != nil {
				return 0, err
			}
		}
	}
	atHand := s.head == nil && !headOnly.MatchString(others.String()) && (s.at || others.b.Len() == 0)
	count := func(atHand bool, from, to int64, checked bool) error {
		if from > to {
			return nil
		}
		q := &sql{}
		columns := "d.rid"
		if s.at {
			columns = "d.at, d.rid" // in the order of the index, so that nothing is sorted
		}
		if !s.once {
			columns = "DISTINCT " + columns
		}
		q.add("SELECT count(*) FROM (SELECT " + columns + " ")
		q.add(s.from.String(), s.from.args...)
		if !atHand {
			q.add(" CROSS JOIN resource r WHERE r.rid = d.rid")
		} else {
			q.add(" WHERE 1 = 1")
		}
		if s.cond != nil {
			q.add(s.cond.String(), s.cond.args...)
		}
		if from > minDate {
			q.add(" AND d.at >= ?", from)
		}
		if to < maxDate {
			q.add(" AND d.at <= ?", to)
		}
		if atHand {
			q.add(others.String(), others.args...)
		} else {
			if s.head != nil {
				q.add(s.head.String(), s.head.args...)
			}
			for i := range f.q.Where {
				if slices.Contains(s.skip, i) || !checked && slices.Contains(dates, i) {
					continue
				}
				if err := f.where(q, f.pl, &f.q.Where[i], "r"); err != nil {
					return err
				}
			}
		}
		q.add(") n")
		var n int64
		_, err := f.tx.one(f.ctx, q.String(), q.args, &n)
		total += n
		return err
	}
	if len(dates) == 0 {
		return total, count(atHand, minDate, maxDate, false)
	}
	low, high, ok := int64(0), int64(0), s.at
	if ok {
		if low, high, ok, err = f.surely(dates); err != nil {
			return 0, err
		}
	}
	if !ok || low > high {
		return total, count(false, minDate, maxDate, true)
	}
	if err := count(atHand, low, high, false); err != nil {
		return 0, err
	}
	if err := count(false, minDate, low-1, true); err != nil {
		return 0, err
	}
	return total, count(false, high+1, maxDate, true)
}

// surely is the range of beginnings for which clauses on the main date hold whatever the end; ok is false when a
// clause has none.
func (f *finder) surely(dates []int) (low, high int64, ok bool, err error) {
	var span int64
	if _, err := f.tx.one(f.ctx, "SELECT span FROM date_span WHERE param = ?", []any{f.pl.date.ID}, &span); err != nil {
		return 0, 0, false, err
	}
	for _, s := range f.tx.names.spans { // of this unit
		span = max(span, s)
	}
	low, high = minDate+1, maxDate
	for _, i := range dates {
		c := &f.q.Where[i]
		if len(c.Values) != 1 {
			return 0, 0, false, nil
		}
		v := &c.Values[0]
		l, h := bound(v.Low), bound(v.High)
		switch v.Prefix {
		case search.Eq:
			low, high = max(low, l), min(high, h-span)
		case search.Gt:
			low = max(low, h+1)
		case search.Ge:
			low = max(low, l)
		case search.Lt:
			high = min(high, l-1)
		case search.Le:
			high = min(high, l-1)
		case search.Sa:
			low = max(low, h)
		case search.Eb:
			high = min(high, l-span)
		default:
			return 0, 0, false, nil
		}
	}
	return low, high, true, nil
}

// byCodeAndDate tells a search that asks for nothing but the hot code and the main date.
func (f *finder) byCodeAndDate() bool {
	_, code := f.hotClause()
	for i := range f.q.Where {
		if c := &f.q.Where[i]; i != code && !f.onDate(c) {
			return false
		}
	}
	return true
}

// countSeen counts what a caller sees, looking at resources one by one only where it must: what stands under the
// patients granted to him, under those in whose records nobody else's is, and under the others; what of others he is
// custodian of, and what is about nobody; what stands under a granted patient beside its own; what was given to him
// singly; less what is guarded. ok is false where that is no way to count, or where all is seen anyway.
func (f *finder) countSeen() (total int64, ok bool, err error) {
	v := &f.see
	if v.all || v.limited || f.pl == nil || f.q.Compartment != nil || f.q.Total == search.TotalEstimate || isShared(f.pl.id) {
		return 0, false, nil
	}
	w := v.of(f.pl.id)
	if len(w.within) > 1 {
		return 0, false, nil
	}
	clause, code := f.hotClause()
	var group *codeGroup
	if clause != nil {
		groups, err := f.codeGroups(parts(f.pl.code), clause)
		if err != nil || len(groups) == 0 {
			return 0, err == nil, err
		}
		if len(groups) > 1 || len(groups[0].codes) > 1 {
			return 0, false, nil
		}
		group = &groups[0]
	}
	coded := func(q *sql, d string) {
		if group != nil {
			q.add(" AND EXISTS (SELECT 1 FROM ix_token t WHERE t.at = " + d + ".at AND t.rid = " + d + ".rid AND ")
			f.group(q, group, "t")
			q.add(")")
		}
	}
	fresh := func(from string) *stretch {
		s := &stretch{from: &sql{}, cond: &sql{}, at: true, once: true, skip: []int{code}}
		s.from.add(from)
		return s
	}
	count := func(s *stretch, sign int64) error {
		n, err := f.countIn(s)
		total += sign * n
		return err
	}
	// what stands under each patient p of a list, by code, or else all of the type
	under := func(patients *sql, head *sql) error {
		s := fresh("FROM (")
		s.from.add(patients.String(), patients.args...)
		if group != nil {
			s.once = group.once()
			s.from.add(") p CROSS JOIN ix_hot d")
			s.cond.add(" AND d.patient = p.patient AND ")
			f.group(s.cond, group, "d")
		} else {
			s.from.add(") p CROSS JOIN compartment d")
			s.cond.add(" AND d.patient = p.patient AND d.type = ? AND d.extra = 0", f.pl.id)
		}
		f.bounds(s.cond, "d.at")
		s.head = head
		return count(s, 1)
	}
	// the same, where the compartment keeps what was deleted
	gone := func(home func(q *sql)) error {
		if group != nil {
			return nil
		}
		s := fresh("FROM resource d")
		s.cond.add(" AND d.deleted = 1 AND d.type = ? AND ", f.pl.id)
		home(s.cond)
		return count(s, -1)
	}
	if len(w.whole) > 0 {
		q := &sql{}
		q.add("SELECT DISTINCT g.patient FROM access_grant g WHERE ")
		v.holds(q, w.whole)
		if err := under(q, nil); err != nil {
			return 0, false, err
		}
		if err := gone(func(q *sql) { v.grantedPatient(q, "d.home", w.whole) }); err != nil {
			return 0, false, err
		}
	}
	for i := range w.within {
		p := &w.within[i]
		keepers := unique(append(p.custodians[:len(p.custodians):len(p.custodians)], v.keeps...)) // of what he sees under them
		others := func(q *sql, patient string, mixed bool) {
			if len(w.whole) > 0 {
				q.add(" AND NOT ")
				v.grantedPatient(q, patient, w.whole)
			}
			if q.add(" AND "); !mixed {
				q.add("NOT ")
			}
			q.add("EXISTS (SELECT 1 FROM custody k" + f.by("custody_patient") + " WHERE k.patient = " + patient + " AND NOT ")
			v.in(q, "k.custodian", keepers)
			q.add(")")
		}
		for _, mixed := range []bool{false, true} {
			q := &sql{}
			q.add("SELECT DISTINCT g.patient FROM access_grant g WHERE ")
			v.holds(q, p.parties)
			others(q, "g.patient", mixed)
			var head *sql
			if mixed {
				head = &sql{}
				head.add(" AND r.deleted = 0 AND ")
				v.in(head, "r.custodian", keepers)
			}
			if err := under(q, head); err != nil {
				return 0, false, err
			}
		}
		err := gone(func(q *sql) {
			v.grantedPatient(q, "d.home", p.parties)
			others(q, "d.home", false)
		})
		if err != nil {
			return 0, false, err
		}
	}
	if len(v.keeps) > 0 { // under others
		q, head := &sql{}, &sql{}
		q.add("SELECT DISTINCT k.patient FROM custody k WHERE ")
		v.in(q, "k.custodian", v.keeps)
		q.add(" AND k.patient > 0")
		if len(w.parties) > 0 {
			q.add(" AND NOT ")
			v.grantedPatient(q, "k.patient", w.parties)
		}
		head.add(" AND r.deleted = 0 AND ")
		v.in(head, "r.custodian", v.keeps)
		if err := under(q, head); err != nil {
			return 0, false, err
		}
	}
	nobody, err := f.ofNobody()
	if err != nil {
		return 0, false, err
	}
	if len(nobody) > 0 {
		s := fresh("FROM resource d" + f.by("resource_nobody"))
		s.cond.add(" AND d.home = 0 AND d.deleted = 0 AND d.type = ? AND ", f.pl.id)
		v.in(s.cond, "d.custodian", nobody)
		f.bounds(s.cond, "d.at")
		coded(s.cond, "d")
		if err := count(s, 1); err != nil {
			return 0, false, err
		}
	}
	if len(w.parties) > 0 { // beside its own patient
		s := fresh("FROM (SELECT DISTINCT c.at, c.rid FROM access_grant g CROSS JOIN compartment c" + f.by("compartment_extra") + " WHERE ")
		v.holds(s.from, w.parties)
		s.from.add(" AND c.patient = g.patient AND c.type = ? AND c.extra = 1) d", f.pl.id)
		s.head = &sql{}
		s.head.add(" AND r.deleted = 0 AND (")
		v.shown(s.head, "r", f.pl.id, beside)
		s.head.add(") AND NOT (")
		v.shown(s.head, "r", f.pl.id, itself)
		s.head.add(")")
		coded(s.head, "r")
		if err := count(s, 1); err != nil {
			return 0, false, err
		}
	}
	if len(v.items) > 0 {
		s := fresh("FROM (SELECT DISTINCT r.at, r.rid FROM access_item i CROSS JOIN resource r WHERE ")
		v.in(s.from, "i.party", v.items)
		s.from.add(" AND i.since <= ? AND i.until > ? AND r.rid = i.rid AND r.type = ?) d", v.now, v.now, f.pl.id)
		s.head = &sql{}
		s.head.add(" AND r.deleted = 0 AND NOT (")
		v.shown(s.head, "r", f.pl.id, beside)
		s.head.add(")")
		coded(s.head, "r")
		if err := count(s, 1); err != nil {
			return 0, false, err
		}
	}
	if v.closed != 0 {
		s := fresh("FROM resource d" + f.by("resource_guarded"))
		s.cond.add(" AND d.guarded <> 0 AND d.deleted = 0 AND d.type = ? AND (", f.pl.id)
		v.shown(s.cond, "d", f.pl.id, singly)
		s.cond.add(") AND NOT (1 = 1")
		v.guards(s.cond, "d.guarded", "d.home", 0)
		s.cond.add(")")
		f.bounds(s.cond, "d.at")
		coded(s.cond, "d")
		if err := count(s, -1); err != nil {
			return 0, false, err
		}
	}
	return total, true, nil
}

func (f *finder) by(index string) string { return f.see.by(index) }
