package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// finder is one search under way.
type finder struct {
	tx   *Tx
	ctx  context.Context
	see  sight
	q    search.Query
	pl   *plan // nil = across types
	none bool  // nothing can match

	depth   int
	groups  map[*search.Clause][]codeGroup
	implies map[*search.Clause]*search.Clause
	inner   []*sql // of the set under way
	wantAt  bool   // the set under way is to have the main date

	ends []cursor // behind each of the page found last
}

// key is one column of the order: the resource's number closes every order.
type key struct {
	expr string
	args []any
	desc bool
	text bool // compares as text, else as a number
	real bool
}

// cursor is where a page ended.
type cursor struct {
	Keys []any `json:"k"`
	RID  int64 `json:"r"`
	// Top is the newest resource when the first page was made: later ones do not push into the pages.
	Top int64 `json:"t"`
}

// MaxCount bounds a page, MaxIncluded what comes with it, ExactTotal how far an estimate counts.
const (
	MaxCount    = 1000
	MaxIncluded = 2000
	ExactTotal  = 10_000
)

// Search answers one page. Without _sort the newest come first, by the main date of the type.
func (tx *Tx) Search(ctx context.Context, q search.Query) (Page, error) {
	if q.Contained != "" {
		return tx.searchContained(ctx, q)
	}
	f := &finder{tx: tx, ctx: ctx, q: q}
	page := Page{Total: -1}
	var err error
	if f.see, err = tx.sight(ctx, q.Scope); err != nil {
		return page, err
	}
	if q.Type != "" {
		if f.pl = planOf(q.Type); f.pl == nil {
			return page, unknownType(q.Type)
		}
		f.none = !f.see.reads(f.pl.id)
	}
	if q.Total != search.TotalNone || q.Count <= 0 {
		if page.Total, err = f.count(); err != nil {
			return page, err
		}
		if page.Total == 0 {
			return page, nil
		}
	}
	if q.Count <= 0 {
		return page, nil
	}
	drive, err := f.plan(false)
	if err != nil || f.none {
		return page, err
	}
	rids, err := f.page(drive, &page)
	if err != nil {
		return page, err
	}
	if page.Matches, err = tx.fetch(ctx, rids); err != nil {
		return page, err
	}
	if len(q.Include)+len(q.RevInclude) > 0 {
		if page.Includes, err = f.included(rids); err != nil {
			return page, err
		}
	}
	return page, nil
}

// page finds the numbers of one page, in order.
func (f *finder) page(d *driver, page *Page) ([]int64, error) {
	keys, err := f.keys(d)
	if err != nil {
		return nil, err
	}
	ridColumn := "r.rid"
	if d.rid {
		ridColumn = "d.rid"
	}
	var cur cursor
	if f.q.Cursor != "" {
		if err := readCursor(f.q.Cursor, keys, &cur); err != nil {
			return nil, err
		}
	} else if _, err := f.tx.one(f.ctx, "SELECT coalesce(max(rid), 0) FROM resource", nil, &cur.Top); err != nil {
		return nil, err
	}
	if f.streams() && !d.dated && !d.at && d.rid && d.from != nil && !f.see.all && f.pl != nil {
		d = f.withDates(d)
	}
	if d.dated && f.streams() {
		return f.gathered(d, &cur, keys[0].desc, page)
	}
	desc := keys[len(keys)-1].desc // the number goes the way of the last key, so that an index can serve both
	var near *int64
	if d.otherwise != nil && d.at && d.from != nil && desc && f.streams() {
		if near, err = f.near(d, &cur); err != nil {
			return nil, err
		}
	}
	q := &sql{}
	q.add("SELECT ")
	if !d.once {
		q.add("DISTINCT ")
	}
	for _, k := range keys {
		q.add(k.expr+", ", k.args...)
	}
	q.add(ridColumn)
	if err := f.body(q, d); err != nil {
		return nil, err
	}
	q.add(" AND "+ridColumn+" <= ?", cur.Top)
	if near != nil {
		q.add(" AND d.at >= ?", *near)
	}
	if f.q.Cursor != "" {
		after(q, keys, ridColumn, desc, &cur)
	}
	q.add(" ORDER BY ")
	for i := range keys {
		q.add(fmt.Sprintf("%d%s, ", i+1, direction(keys[i].desc)))
	}
	count := min(f.q.Count, MaxCount)
	q.add(fmt.Sprintf("%d%s LIMIT %d", len(keys)+1, direction(desc), count+1))

	var rids []int64
	var ends []cursor
	err = f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
		values := make([]any, len(keys)+1)
		for i, k := range keys {
			switch {
			case k.text:
				values[i] = new(string)
			case k.real:
				values[i] = new(float64)
			default:
				values[i] = new(int64)
			}
		}
		rid := new(int64)
		values[len(keys)] = rid
		if err := scan(values...); err != nil {
			return err
		}
		rids = append(rids, *rid)
		ends = append(ends, cursor{Keys: values[:len(keys)], RID: *rid, Top: cur.Top})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: search %s: %w", f.q.Type, err)
	}
	if near != nil && len(rids) <= count {
		return f.page(d.otherwise, page)
	}
	if len(rids) > count {
		rids = rids[:count]
		page.Next = ends[count-1].text()
	}
	f.ends = ends
	return rids, nil
}

// near is the main date to which a walk goes before another way is taken; nil = its list ends sooner.
func (f *finder) near(d *driver, cur *cursor) (*int64, error) {
	q := &sql{}
	q.add("SELECT d.at ")
	q.add(d.from.String(), d.from.args...)
	q.add(" WHERE 1 = 1")
	if d.cond != nil {
		q.add(d.cond.String(), d.cond.args...)
	}
	if f.q.Cursor != "" {
		q.add(" AND d.at <= ?", cur.Keys[0])
	}
	q.add(" ORDER BY d.at DESC LIMIT 1 OFFSET ? + 0", probing.walk)
	var at int64
	found, err := f.tx.one(f.ctx, q.String(), q.args, &at)
	if !found || err != nil {
		return nil, err
	}
	return &at, nil
}

func (c *cursor) text() string {
	b, _ := json.Marshal(c) // numbers and texts
	return base64.RawURLEncoding.EncodeToString(b)
}

// handfulGrows is by how much each later handful of candidates is larger.
const handfulGrows = 6

// withDates takes the main dates of what a way leads to from the resources, so that it is sorted before each is asked
// whether the caller sees it: that costs more than all else, and few are needed.
func (f *finder) withDates(d *driver) *driver {
	with := *d
	with.from, with.cond, with.dated = &sql{}, nil, true
	with.from.add("FROM (SELECT r.at, d.rid ")
	with.from.add(d.from.String(), d.from.args...)
	with.from.add(" CROSS JOIN resource r WHERE r.rid = d.rid AND r.type = ? AND r.deleted = 0", f.pl.id)
	if d.cond != nil {
		with.from.add(d.cond.String(), d.cond.args...)
	}
	f.bounds(with.from, "r.at")
	with.from.add(") d")
	return &with
}

// answers tells a way that fulfils every clause by itself.
func (f *finder) answers(d *driver) bool {
	for i := range f.q.Where {
		if i != d.skip && i != d.skip2 {
			return false
		}
	}
	return f.q.Compartment == nil
}

// gathered finds a page among rows whose index has the main date: it sorts those, and looks up a handful after the
// other until the page is full.
func (f *finder) gathered(d *driver, cur *cursor, desc bool, page *Page) (rids []int64, err error) {
	count := min(f.q.Count, MaxCount)
	type place struct{ at, rid int64 }
	var ends []place
	order, beyond := "", " > ?"
	if desc {
		order, beyond = " DESC", " < ?"
	}
	keys := f.q.Cursor != ""
	var from place
	if keys {
		from = place{cur.Keys[0].(int64), cur.RID}
	}
	size := max(probing.handful, 2*count)
	if d.seen { // most of it he sees
		size = 2*count + 2
	} else if f.answers(d) { // nothing is asked but whether he sees it
		size = min(size, 4*count+1)
	}
	for ; ; size *= handfulGrows {
		q := &sql{}
		q.add("SELECT d.at, d.rid ")
		q.add(d.from.String(), d.from.args...)
		q.add(" WHERE d.rid <= ?", cur.Top)
		if d.cond != nil {
			q.add(d.cond.String(), d.cond.args...)
		}
		if keys {
			q.add(" AND (d.at"+beyond+" OR d.at = ? AND d.rid"+beyond+")", from.at, from.at, from.rid)
		}
		q.add(fmt.Sprintf(" ORDER BY 1%s, 2%s LIMIT %d", order, order, size))
		var some []place
		var args []any
		rows := 0
		err := f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
			var p place
			err := scan(&p.at, &p.rid)
			if rows++; len(some) == 0 || some[len(some)-1] != p { // one that stands there twice comes twice in a row
				some, args = append(some, p), append(args, p.rid)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("store: search %s: %w", f.q.Type, err)
		}
		if len(some) > 0 {
			q = &sql{}
			q.add("SELECT r.rid FROM ")
			f.table(q, args)
			q.add(" d CROSS JOIN resource r WHERE r.rid = d.rid AND r.type = ? AND r.deleted = 0", f.pl.id)
			if !d.exact {
				f.see.visible(q, "r", f.pl.id)
			}
			if err := f.clauses(q, d, "r"); err != nil {
				return nil, err
			}
			held := make(map[int64]bool, len(some))
			err = f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
				var rid int64
				err := scan(&rid)
				held[rid] = true
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("store: search %s: %w", f.q.Type, err)
			}
			for _, p := range some {
				if held[p.rid] && len(rids) <= count {
					rids, ends = append(rids, p.rid), append(ends, p)
				}
			}
			keys, from = true, some[len(some)-1]
		}
		if len(rids) <= count && rows == size {
			continue
		}
		f.ends = f.ends[:0]
		for _, end := range ends {
			f.ends = append(f.ends, cursor{Keys: []any{end.at}, RID: end.rid, Top: cur.Top})
		}
		if len(rids) > count {
			page.Next = f.ends[count-1].text()
			return rids[:count], nil
		}
		return rids, nil
	}
}

func direction(desc bool) string {
	if desc {
		return " DESC"
	}
	return ""
}

// after continues behind the cursor: (k1, k2, rid) beyond the values given, each key in its direction.
func after(q *sql, keys []key, ridColumn string, desc bool, cur *cursor) {
	beyond := func(desc bool) string {
		if desc {
			return " < ?"
		}
		return " > ?"
	}
	if len(keys) == 1 && len(keys[0].args) == 0 {
		// a bound that an index understands, then the exact condition
		op := " >= ?"
		if desc {
			op = " <= ?"
		}
		q.add(" AND "+keys[0].expr+op, cur.Keys[0])
	}
	q.add(" AND (")
	for i, k := range keys {
		for j := range i {
			q.add(keys[j].expr, keys[j].args...)
			q.add(" = ? AND ", cur.Keys[j])
		}
		q.add(k.expr, k.args...)
		q.add(beyond(k.desc)+" OR ", cur.Keys[i])
	}
	for j := range keys {
		q.add(keys[j].expr, keys[j].args...)
		q.add(" = ? AND ", cur.Keys[j])
	}
	q.add(ridColumn+beyond(desc)+")", cur.RID)
}

func readCursor(text string, keys []key, cur *cursor) error {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return badCursor()
	}
	var raw struct {
		Keys []json.RawMessage `json:"k"`
		RID  int64             `json:"r"`
		Top  int64             `json:"t"`
	}
	if err := json.Unmarshal(b, &raw); err != nil || len(raw.Keys) != len(keys) {
		return badCursor()
	}
	*cur = cursor{Keys: make([]any, len(keys)), RID: raw.RID, Top: raw.Top}
	for i, k := range keys {
		switch {
		case k.text:
			cur.Keys[i], err = decode[string](raw.Keys[i])
		case k.real:
			cur.Keys[i], err = decode[float64](raw.Keys[i])
		default:
			cur.Keys[i], err = decode[int64](raw.Keys[i])
		}
		if err != nil {
			return badCursor()
		}
	}
	return nil
}

func decode[T any](raw json.RawMessage) (any, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	return v, err
}

// fetch reads the current versions of some resources, in the order given.
func (tx *Tx) fetch(ctx context.Context, rids []int64) ([]Version, error) {
	if len(rids) == 0 {
		return nil, nil
	}
	byRID := make(map[int64]Version, len(rids))
	for rest := rids; len(rest) > 0; {
		part := rest[:min(len(rest), 500)]
		rest = rest[len(part):]
		args := make([]any, len(part))
		for i, rid := range part {
			args[i] = rid
		}
		err := tx.Query(ctx, "SELECT "+versionColumns+" FROM resource r JOIN version v ON v.seq = r.seq LEFT JOIN resource h ON h.rid = r.home WHERE r.rid IN ("+marks(len(part))+")", args,
			func(scan func(...any) error) error {
				v, rid, err := tx.version(ctx, scan)
				byRID[rid] = v
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	out := make([]Version, 0, len(rids))
	for _, rid := range rids {
		if v, ok := byRID[rid]; ok {
			out = append(out, v)
		}
	}
	return out, nil
}
