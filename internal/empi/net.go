package empi

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
)

// cause is why links change.
type cause struct {
	why      string
	by       By
	decision int64
}

// net is the neighbourhood of some records: everything that can have a say in which of them are of one person.
// It is decided as a whole and in a fixed order, so that it does not matter in which order records and decisions came.
type net struct {
	x     *Index
	tx    *store.Tx
	cause cause
	w     *weights

	rows      map[int64]*row
	byPatient map[string]*row
	inside    map[int64]bool // whose pairs and decisions are all here
	pairs     map[[2]int64]*pairRow
	said      map[[2]string]*Decision // in force, the newest of two records
	seeds     []int64
}

// widest is how many records one decision looks at. A person with so many is a mistake of somebody's register.
const widest = 2000

// oneself is how many records the weights alone make one person of; beyond it only people do.
const oneself = 300

func (x *Index) newNet(tx *store.Tx, c cause) *net {
	return &net{x: x, tx: tx, cause: c, rows: map[int64]*row{}, byPatient: map[string]*row{}, inside: map[int64]bool{}, pairs: map[[2]int64]*pairRow{}, said: map[[2]string]*Decision{}}
}

func both(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

func (n *net) load(ctx context.Context, recs []int64) error {
	missing := slices.DeleteFunc(slices.Clone(recs), func(rec int64) bool { return n.rows[rec] != nil })
	list, err := rowsOf(ctx, n.tx, "rec", missing)
	n.know(list)
	return err
}

func (n *net) know(list []*row) {
	for _, r := range list {
		if n.rows[r.rec] == nil {
			n.rows[r.rec], n.byPatient[r.patient] = r, r
		}
	}
}

// change brings in what was found of some records: what they have in common with others from now on, and no more.
func (n *net) change(ctx context.Context, recs []int64, found map[int64]*judged) error {
	n.seeds = append(n.seeds, recs...)
	err := pairsOf(ctx, n.tx, recs, func(p *pairRow) {
		if n.pairs[[2]int64{p.a, p.b}] == nil {
			n.pairs[[2]int64{p.a, p.b}] = p
		}
		if p.outcome == match.Same {
			n.seeds = append(n.seeds, p.a, p.b)
		}
	})
	if err != nil {
		return err
	}
	var all []int64
	for _, rec := range recs {
		all = append(all, rec)
		for _, p := range found[rec].pairs {
			all = append(all, p.a, p.b)
		}
	}
	slices.Sort(all)
	if err := n.load(ctx, slices.Compact(all)); err != nil {
		return err
	}
	still := map[[2]int64]bool{}
	for _, rec := range recs {
		for i := range found[rec].pairs {
			f := &found[rec].pairs[i]
			key := [2]int64{f.a, f.b}
			still[key] = true
			if n.rows[f.a] == nil || n.rows[f.b] == nil {
				continue // deleted meanwhile
			}
			p := n.pairs[key]
			if p == nil {
				p = &pairRow{a: f.a, b: f.b, fresh: true}
				n.pairs[key] = p
			}
			if p.outcome != f.outcome || p.score != f.score || p.probability != f.probability || p.bar != f.bar || p.firm != f.firm || p.model != f.model {
				p.outcome, p.score, p.probability, p.bar, p.firm, p.model, p.touched = f.outcome, f.score, f.probability, f.bar, f.firm, f.model, true
			}
			if f.outcome == match.Same {
				n.seeds = append(n.seeds, f.a, f.b)
			}
		}
	}
	for key, p := range n.pairs {
		if (found[p.a] != nil || found[p.b] != nil) && !still[key] && p.outcome != match.Different {
			p.outcome, p.bar, p.firm, p.touched = match.Different, "", false, true
		}
	}
	return nil
}

// grow takes in everything that hangs together with the seeds: by the weights, by what was said, by the persons of now.
func (n *net) grow(ctx context.Context) error {
	frontier := slices.Compact(slices.Sorted(slices.Values(n.seeds)))
	persons := map[int64]bool{}
	for len(frontier) > 0 && len(n.inside) < widest {
		if err := n.load(ctx, frontier); err != nil {
			return err
		}
		frontier = slices.DeleteFunc(frontier, func(rec int64) bool { return n.rows[rec] == nil })
		next := map[int64]bool{}
		var fresh []int64
		var patients []string
		for _, rec := range frontier {
			n.inside[rec] = true
			r := n.rows[rec]
			patients = append(patients, r.patient)
			if r.person > 0 && !persons[r.person] {
				persons[r.person] = true
				fresh = append(fresh, r.person)
			}
		}
		members, err := rowsOf(ctx, n.tx, "person", fresh)
		if err != nil {
			return err
		}
		n.know(members)
		for _, m := range members {
			next[m.rec] = true
		}
		err = pairsOf(ctx, n.tx, frontier, func(p *pairRow) {
			if n.pairs[[2]int64{p.a, p.b}] == nil {
				n.pairs[[2]int64{p.a, p.b}] = p
			}
		})
		if err != nil {
			return err
		}
		here := map[int64]bool{}
		for _, rec := range frontier {
			here[rec] = true
		}
		for _, p := range n.pairs {
			if p.outcome == match.Same && (here[p.a] || here[p.b]) {
				next[p.a], next[p.b] = true, true
			}
		}
		said, err := decisionsOf(ctx, n.tx, patients, true)
		if err != nil {
			return err
		}
		var unknown []string
		for i := range said {
			d := &said[i]
			key := both(d.Left, d.Right)
			if old := n.said[key]; old == nil || old.ID < d.ID {
				n.said[key] = d
			}
			for _, p := range key {
				if n.byPatient[p] == nil {
					unknown = append(unknown, p)
				}
			}
		}
		slices.Sort(unknown)
		others, err := rowsOf(ctx, n.tx, "patient", slices.Compact(unknown))
		if err != nil {
			return err
		}
		n.know(others)
		for i := range said {
			a, b := n.byPatient[said[i].Left], n.byPatient[said[i].Right]
			if a != nil && b != nil && said[i].What != Different {
				next[a.rec], next[b.rec] = true, true
			}
		}
		frontier = frontier[:0]
		for rec := range next {
			if !n.inside[rec] {
				frontier = append(frontier, rec)
			}
		}
		slices.Sort(frontier)
	}
	return nil
}

// joins says whether a decision makes two records one. What a hospital states it states of its own records, and of somebody
// who came to it without a name.
func (n *net) joins(d *Decision) bool {
	if d == nil || d.What == Different {
		return false
	}
	a, b := n.byPatient[d.Left], n.byPatient[d.Right]
	return a != nil && b != nil && (!d.statement() || d.Reason == statedUnknown || a.org == b.org)
}

// groups partitions what is inside, each sorted by patient.
func (n *net) groups(ctx context.Context) (groups [][]*row, err error) {
	var nodes []*row
	for rec := range n.inside {
		nodes = append(nodes, n.rows[rec])
	}
	slices.SortFunc(nodes, func(a, b *row) int { return cmp.Compare(a.patient, b.patient) })
	at := map[int64]int{}
	root := make([]int, len(nodes))
	for i, r := range nodes {
		at[r.rec], root[i] = i, i
	}
	var find func(i int) int
	find = func(i int) int {
		if root[i] != i {
			root[i] = find(root[i])
		}
		return root[i]
	}
	union := func(i, j int) {
		i, j = find(i), find(j)
		root[max(i, j)] = min(i, j)
	}
	var edges []match.Edge
	var together, apart [][2]int
	for _, p := range n.pairs {
		if p.outcome == match.Same && n.inside[p.a] && n.inside[p.b] {
			edges = append(edges, match.Edge{A: at[p.a], B: at[p.b], Score: p.score})
			union(at[p.a], at[p.b])
		}
	}
	for _, d := range n.said {
		a, b := n.byPatient[d.Left], n.byPatient[d.Right]
		if a == nil || b == nil || !n.inside[a.rec] || !n.inside[b.rec] {
			continue
		}
		if d.What == Different {
			apart = append(apart, [2]int{at[a.rec], at[b.rec]})
		} else if n.joins(d) {
			together = append(together, [2]int{at[a.rec], at[b.rec]})
			union(at[a.rec], at[b.rec])
		}
	}
	parts := map[int][]int{}
	for i := range nodes {
		parts[find(i)] = append(parts[find(i)], i)
	}
	for _, first := range slices.Sorted(maps.Keys(parts)) {
		some, err := n.part(ctx, nodes, parts[first], edges, together, apart)
		if err != nil {
			return nil, err
		}
		groups = append(groups, some...)
	}
	return groups, nil
}

// part decides one connected part.
func (n *net) part(ctx context.Context, nodes []*row, part []int, edges []match.Edge, together, apart [][2]int) (groups [][]*row, err error) {
	if len(part) == 1 {
		return [][]*row{{nodes[part[0]]}}, nil
	}
	place := map[int]int{}
	ids := make([]string, len(part))
	for i, node := range part {
		place[node], ids[i] = i, nodes[node].patient
	}
	within := func(list [][2]int) (mine [][2]int) {
		for _, e := range list {
			a, here := place[e[0]]
			b, also := place[e[1]]
			if here && also {
				mine = append(mine, [2]int{a, b})
			}
		}
		return mine
	}
	var mine []match.Edge
	if len(part) <= oneself {
		for _, e := range edges {
			if a, here := place[e.A]; here {
				mine = append(mine, match.Edge{A: a, B: place[e.B], Score: e.Score})
			}
		}
	} else {
		n.x.warn(fmt.Sprintf("a person of %d records is more than the weights may make; only what people said holds", len(part)))
	}
	barred := func(i, j int) bool {
		if err != nil {
			return true
		}
		var b bool
		b, err = n.barred(ctx, nodes[part[i]], nodes[part[j]])
		return b
	}
	of := match.Cluster(ids, mine, barred, within(together), within(apart))
	if err != nil {
		return nil, err
	}
	if len(of) != len(part) {
		return nil, fmt.Errorf("empi: %d records were made %d", len(part), len(of))
	}
	byFirst := map[int][]*row{}
	var order []int
	for i, first := range of {
		if byFirst[first] == nil {
			order = append(order, first)
		}
		byFirst[first] = append(byFirst[first], nodes[part[i]])
	}
	for _, first := range order {
		groups = append(groups, byFirst[first])
	}
	return groups, nil
}

// barred says whether two records must not come together through others.
func (n *net) barred(ctx context.Context, a, b *row) (bool, error) {
	key := [2]int64{min(a.rec, b.rec), max(a.rec, b.rec)}
	if p := n.pairs[key]; p != nil && p.outcome != match.Different {
		return p.firm, nil
	}
	if n.w == nil {
		w, err := n.x.weights(ctx, n.tx)
		if err != nil {
			return false, err
		}
		n.w = w
	}
	for _, r := range []*row{a, b} {
		if err := n.x.unpack(ctx, n.tx, r); err != nil {
			return false, err
		}
	}
	return n.w.m.Forbids(a.ready, b.ready), nil
}

// settle decides the neighbourhood anew and writes persons, pairs, entries and events.
func (n *net) settle(ctx context.Context) error {
	if err := n.grow(ctx); err != nil {
		return err
	}
	groups, err := n.groups(ctx)
	if err != nil {
		return err
	}
	if err := n.assign(ctx, groups); err != nil {
		return err
	}
	return n.ask(ctx)
}
