package empi

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Report says what other weights would change.
type Report struct {
	Records   int
	Joined    int // pairs of records that would be of one person and are not
	Parted    int // the other way round
	Asked     int // pairs that somebody would be asked about and is not
	Answered  int // open pairs that nobody would be asked about
	Persons   int // of several records, then
	PersonsAt int // of several records, now
	Changes   []Change
}

// Change is an example.
type Change struct {
	What        string // joined, parted, asked, answered
	Left, Right string
	Was, Would  float64 // bits, 0 = not compared
	Bar         string
}

// examples of each sort in a report.
const examples = 50

// Compare says what would change under other weights, and changes nothing. progress is told records done and in all; it may be nil.
func (x *Index) Compare(ctx context.Context, m *match.Model, progress func(done, total int)) (*Report, error) {
	t := &trial{x: x, w: &weights{id: -1, m: m}, rows: map[int64]*row{}, root: map[int64]int64{}, pairs: map[[2]int64]*pairRow{}, report: &Report{}}
	total := 0
	err := x.store.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, `SELECT count(*) FROM empi_record`, nil, func(scan func(...any) error) error { return scan(&total) })
	})
	if err != nil {
		return nil, fmt.Errorf("empi: compare weights: %w", err)
	}
	at := int64(0)
	for more := true; more; {
		err := x.store.View(ctx, func(tx *store.Tx) error {
			list, err := after(ctx, tx, at, inAtOnce)
			if err != nil {
				return err
			}
			more = len(list) == inAtOnce
			if len(list) > 0 {
				at = list[len(list)-1].rec
			}
			return t.look(ctx, tx, list)
		})
		if err != nil {
			return nil, fmt.Errorf("empi: compare weights: %w", err)
		}
		if progress != nil {
			progress(len(t.rows), total)
		}
	}
	if err := x.store.View(ctx, func(tx *store.Tx) error { return t.weigh(ctx, tx) }); err != nil {
		return nil, fmt.Errorf("empi: compare weights: %w", err)
	}
	return t.report, nil
}

// after reads the next records.
func after(ctx context.Context, tx *store.Tx, at int64, limit int) (list []*row, err error) {
	var recs []int64
	err = tx.Query(ctx, `SELECT rec FROM empi_record WHERE rec > ? ORDER BY rec LIMIT ?`, []any{at, limit}, func(scan func(...any) error) error {
		var rec int64
		err := scan(&rec)
		recs = append(recs, rec)
		return err
	})
	if err != nil {
		return nil, err
	}
	list, err = rowsOf(ctx, tx, "rec", recs)
	slices.SortFunc(list, func(a, b *row) int { return cmp.Compare(a.rec, b.rec) })
	return list, err
}

// trial decides the whole index under other weights, in memory: numbers and scores only.
type trial struct {
	x      *Index
	w      *weights
	rows   map[int64]*row // without what they say
	root   map[int64]int64
	pairs  map[[2]int64]*pairRow
	report *Report
}

func (t *trial) find(rec int64) int64 {
	for t.root[rec] != 0 && t.root[rec] != rec {
		if up := t.root[t.root[rec]]; up != 0 {
			t.root[rec] = up
		}
		rec = t.root[rec]
	}
	return rec
}

func (t *trial) union(a, b int64) {
	a, b = t.find(a), t.find(b)
	if a != b {
		t.root[max(a, b)], t.root[min(a, b)] = min(a, b), min(a, b)
	}
}

func (t *trial) look(ctx context.Context, tx *store.Tx, list []*row) error {
	batch := make([]judged, len(list))
	for i, r := range list {
		batch[i].rec = r.rec
	}
	if err := t.x.judge(ctx, tx, t.w, batch); err != nil {
		return err
	}
	for i, r := range list {
		t.rows[r.rec] = &row{rec: r.rec, patient: r.patient, org: r.org, person: r.person, updated: r.updated}
		for _, p := range batch[i].pairs {
			if p.outcome == match.Different {
				continue
			}
			t.pairs[[2]int64{p.a, p.b}] = &p
			if p.outcome == match.Same {
				t.union(p.a, p.b)
			}
		}
	}
	return nil
}

// weigh makes persons of what was found and holds them against those of now.
func (t *trial) weigh(ctx context.Context, tx *store.Tx) error {
	byPatient := map[string]*row{}
	persons := map[int64]int{}
	for _, r := range t.rows {
		byPatient[r.patient] = r
		if r.person > 0 {
			persons[r.person]++
		}
	}
	t.report.Records, t.report.PersonsAt = len(t.rows), len(persons)
	said, err := decisions(ctx, tx, `WHERE back_at = 0 ORDER BY id`)
	if err != nil {
		return err
	}
	latest := map[[2]string]*Decision{}
	for i := range said {
		d := &said[i]
		latest[both(d.Left, d.Right)] = d
		if a, b := byPatient[d.Left], byPatient[d.Right]; a != nil && b != nil && d.What != Different {
			t.union(a.rec, b.rec)
		}
	}
	parts := map[int64][]int64{}
	for rec := range t.rows {
		parts[t.find(rec)] = append(parts[t.find(rec)], rec)
	}
	edges := map[int64][]*pairRow{}
	for key, p := range t.pairs {
		if t.rows[key[0]] != nil && t.rows[key[1]] != nil {
			edges[t.find(p.a)] = append(edges[t.find(p.a)], p)
		}
	}
	group := map[int64]int64{} // record → the first of its group, then
	for root, recs := range parts {
		if len(recs) == 1 {
			group[root] = root
			continue
		}
		n := t.x.newNet(tx, cause{})
		n.w = t.w
		if err := n.load(ctx, recs); err != nil {
			return err
		}
		for _, rec := range recs {
			if n.rows[rec] != nil {
				n.inside[rec] = true
			}
		}
		for _, p := range edges[root] {
			n.pairs[[2]int64{p.a, p.b}] = p
		}
		for key, d := range latest {
			if n.byPatient[key[0]] != nil && n.byPatient[key[1]] != nil {
				n.said[key] = d
			}
		}
		groups, err := n.groups(ctx)
		if err != nil {
			return err
		}
		for _, g := range groups {
			if len(g) > 1 {
				t.report.Persons++
			}
			for _, r := range g {
				group[r.rec] = g[0].rec
			}
		}
	}
	return t.hold(ctx, tx, group, latest, byPatient)
}

// hold counts and samples what differs.
func (t *trial) hold(ctx context.Context, tx *store.Tx, group map[int64]int64, latest map[[2]string]*Decision, byPatient map[string]*row) error {
	now := map[[2]int64]*pairRow{}
	sets := func(of func(r *row) int64) map[int64][]*row {
		m := map[int64][]*row{}
		for _, r := range t.rows {
			if g := of(r); g != 0 {
				m[g] = append(m[g], r)
			}
		}
		return m
	}
	pairs := func(m map[int64][]*row, same func(a, b *row) bool, found func(a, b *row)) {
		for _, list := range m {
			slices.SortFunc(list, func(a, b *row) int { return cmp.Compare(a.patient, b.patient) })
			for i, a := range list {
				for _, b := range list[i+1:] {
					if !same(a, b) {
						found(a, b)
					}
				}
			}
		}
	}
	open := map[[2]int64]bool{}
	err := tx.Query(ctx, pairColumns+`WHERE state = ?`, []any{Open}, func(scan func(...any) error) error {
		p, err := scanPair(scan)
		if err == nil {
			now[[2]int64{p.a, p.b}] = p
			open[[2]int64{p.a, p.b}] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	counted := map[string]int{}
	note := func(what string, a, b *row) {
		if counted[what]++; counted[what] > examples {
			return
		}
		c := Change{What: what, Left: a.patient, Right: b.patient}
		key := [2]int64{min(a.rec, b.rec), max(a.rec, b.rec)}
		if p := t.pairs[key]; p != nil {
			c.Would, c.Bar = p.score, p.bar
		}
		if p := now[key]; p != nil {
			c.Was = p.score
		}
		t.report.Changes = append(t.report.Changes, c)
	}
	oneNow := func(a, b *row) bool { return a.person > 0 && a.person == b.person }
	oneThen := func(a, b *row) bool { return group[a.rec] == group[b.rec] }
	pairs(sets(func(r *row) int64 { return group[r.rec] }), oneNow, func(a, b *row) { note("joined", a, b) })
	pairs(sets(func(r *row) int64 { return r.person }), oneThen, func(a, b *row) { note("parted", a, b) })
	asked := map[[2]int64]bool{}
	var keys [][2]int64
	for key := range t.pairs {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b [2]int64) int {
		return cmp.Or(cmp.Compare(t.pairs[b].score, t.pairs[a].score), cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	still := map[[2]int64]bool{}
	for _, d := range latest {
		if a, b := byPatient[d.Left], byPatient[d.Right]; d.What == Different && a != nil && b != nil {
			asked[between(group[a.rec], group[b.rec])] = true
		}
	}
	for _, key := range keys {
		a, b := t.rows[key[0]], t.rows[key[1]]
		if a == nil || b == nil || oneThen(a, b) || latest[both(a.patient, b.patient)] != nil || asked[between(group[a.rec], group[b.rec])] {
			continue
		}
		asked[between(group[a.rec], group[b.rec])] = true
		still[key] = true
		if !open[key] {
			note("asked", a, b)
		}
	}
	for key := range open {
		if a, b := t.rows[key[0]], t.rows[key[1]]; a != nil && b != nil && !still[key] {
			note("answered", a, b)
		}
	}
	t.report.Joined, t.report.Parted, t.report.Asked, t.report.Answered = counted["joined"], counted["parted"], counted["asked"], counted["answered"]
	slices.SortStableFunc(t.report.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Left, b.Left), cmp.Compare(a.Right, b.Right))
	})
	return nil
}
