package empi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bounds of what a record is compared with. A key that more than crowd records share brings only those together that share
// two such keys, one that more than throng share brings nobody together: a telephone of a village, a number full of noughts.
var crowd, throng = 100, 2000

const candidates = 1000

// dueAtOnce is how many records one unit decides, togetherAtOnce how many of them ask for their keys together.
const dueAtOnce, togetherAtOnce = 400, 100

// judged is what a record has in common with others now.
type judged struct {
	rec, rev int64
	why      string
	pairs    []pairRow
	broken   bool // what it says cannot be read: its links stay as they are
}

// work compares some of the records that are due, on a snapshot, and then concludes what follows. While it concludes, the
// next are compared: what is concluded changes nothing of what records say. What they say changes by take, which leaves
// aside what has been compared ahead.
func (x *Index) work(ctx context.Context) (more bool, err error) {
	batch := x.ahead
	x.ahead = nil
	if batch == nil {
		if batch, err = x.compareSome(ctx, nil); err != nil {
			return false, fmt.Errorf("empi: compare: %w", err)
		}
	}
	if len(batch) == 0 {
		return false, nil
	}
	ahead := make(chan []judged, 1)
	if len(batch) == dueAtOnce {
		go func() {
			next, err := x.compareSome(ctx, batch)
			if err != nil || len(next) == 0 {
				next = nil // compared when its turn comes, and its error told then
			}
			ahead <- next
		}()
	} else {
		ahead <- nil
	}
	err = x.unit(ctx, func(ctx context.Context, tx *store.Tx) error { return x.conclude(ctx, tx, batch) })
	x.ahead = <-ahead
	if errors.Is(err, errMoved) {
		return true, nil
	}
	if err != nil {
		x.ahead = nil
		return false, fmt.Errorf("empi: conclude: %w", err)
	}
	return true, nil
}

// compareSome judges the first records that are due, but for those that are being concluded.
func (x *Index) compareSome(ctx context.Context, but []judged) (batch []judged, err error) {
	busy := make(map[int64]bool, len(but))
	for i := range but {
		busy[but[i].rec] = true
	}
	err = x.store.View(ctx, func(tx *store.Tx) error {
		batch = make([]judged, 0, dueAtOnce)
		err := tx.Query(ctx, `SELECT rec, rev, why FROM empi_due ORDER BY later, rec LIMIT ?`, []any{dueAtOnce + len(but)}, func(scan func(...any) error) error {
			var j judged
			err := scan(&j.rec, &j.rev, &j.why)
			if !busy[j.rec] && len(batch) < dueAtOnce {
				batch = append(batch, j)
			}
			return err
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		w, err := x.weights(ctx, tx)
		if err != nil {
			return err
		}
		return x.judge(ctx, tx, w, batch)
	})
	return batch, err
}

// judge fills in the pairs of each record of the batch.
func (x *Index) judge(ctx context.Context, tx *store.Tx, w *weights, batch []judged) error {
	recs := make([]int64, len(batch))
	for i := range batch {
		recs[i] = batch[i].rec
	}
	list, err := rowsOf(ctx, tx, "rec", recs)
	if err != nil {
		return err
	}
	known := map[int64]*row{}
	var patients []string
	for _, r := range list {
		known[r.rec] = r
		patients = append(patients, r.patient)
	}
	said, err := partners(ctx, tx, patients)
	if err != nil {
		return err
	}
	with := make([][]int64, len(batch))
	var missing []int64
	want := map[int64]bool{}
	for from := 0; from < len(batch); from += togetherAtOnce {
		some := batch[from:min(len(batch), from+togetherAtOnce)]
		var keys []int64
		for i := range some {
			if r := known[some[i].rec]; r != nil {
				keys = append(keys, r.keys...)
			}
		}
		slices.Sort(keys)
		b, err := blocksOf(ctx, tx, slices.Compact(keys))
		if err != nil {
			return err
		}
		for i := range some {
			r := known[some[i].rec]
			if r == nil {
				continue
			}
			mine := append(b.sharing(r.keys, r.rec), said[r.patient]...)
			slices.Sort(mine)
			mine = slices.Compact(mine)
			for _, rec := range mine {
				if known[rec] == nil && !want[rec] {
					want[rec] = true
					missing = append(missing, rec)
				}
			}
			with[from+i] = mine
		}
	}
	slices.Sort(missing)
	if list, err = rowsOf(ctx, tx, "rec", missing); err != nil {
		return err
	}
	for _, r := range list {
		known[r.rec] = r
	}
	done := map[[2]int64]*pairRow{}
	for i := range batch {
		r := known[batch[i].rec]
		if r == nil {
			continue
		}
		if err := x.unpack(ctx, tx, r); err != nil {
			return err
		}
		batch[i].broken = r.broken
		for _, rec := range with[i] {
			o := known[rec]
			if o == nil || o.rec == r.rec {
				continue
			}
			a, b := r, o
			if a.rec > b.rec {
				a, b = b, a
			}
			key := [2]int64{a.rec, b.rec}
			if done[key] == nil {
				if done[key], err = x.compare(ctx, tx, w, a, b); err != nil {
					return err
				}
			}
			if p := done[key]; p.outcome != match.Different || slices.Contains(said[r.patient], rec) {
				batch[i].pairs = append(batch[i].pairs, *p)
			}
		}
	}
	return nil
}

// compare judges two records; the order of their ids decides which is left.
func (x *Index) compare(ctx context.Context, tx *store.Tx, w *weights, a, b *row) (*pairRow, error) {
	for _, r := range []*row{a, b} {
		if err := x.unpack(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	v := w.judge(a, b, false)
	return &pairRow{a: a.rec, b: b.rec, outcome: v.Outcome, score: v.Score, probability: v.Probability, bar: v.Bar, firm: v.Firm, model: w.id}, nil
}

// judge is the verdict on two unpacked rows, with its evidence where somebody will read it. Somebody whose name nobody knows
// is linked by people only.
func (w *weights) judge(a, b *row, explained bool) (v match.Verdict) {
	defer func() {
		if recover() != nil { // a comparison that fails joins nothing
			v = match.Verdict{}
		}
	}()
	if a.patient > b.patient {
		a, b = b, a
	}
	if explained {
		v = w.m.Judge(a.ready, b.ready)
	} else {
		v = w.m.Outcome(a.ready, b.ready)
	}
	if v.Outcome == match.Same && (a.record.Unknown || b.record.Unknown || v.Bar != "") {
		v.Outcome = match.Possible
		if v.Bar == "" {
			v.Bar = "unknown"
		}
	}
	return v
}

// partners are the records about which something was said together with these patients.
func partners(ctx context.Context, tx *store.Tx, patients []string) (map[string][]int64, error) {
	said, err := decisionsOf(ctx, tx, patients, true)
	if err != nil || len(said) == 0 {
		return nil, err
	}
	var all []string
	for _, d := range said {
		all = append(all, d.Left, d.Right)
	}
	slices.Sort(all)
	rows, err := rowsOf(ctx, tx, "patient", slices.Compact(all))
	if err != nil {
		return nil, err
	}
	rec := map[string]int64{}
	for _, r := range rows {
		rec[r.patient] = r.rec
	}
	with := map[string][]int64{}
	for _, d := range said {
		if a, b := rec[d.Left], rec[d.Right]; a != 0 && b != 0 {
			with[d.Left] = append(with[d.Left], b)
			with[d.Right] = append(with[d.Right], a)
		}
	}
	return with, nil
}

// arms is how many keys one query of SQLite asks for; the text is always the same. PostgreSQL takes a list.
const arms, listed = 16, 2000

type asking struct{ lite, postgres string }

func armed(arm string) string {
	return strings.TrimSuffix(strings.Repeat(arm+" UNION ALL ", arms), " UNION ALL ")
}

var (
	askRecords = asking{
		armed(fmt.Sprintf(`SELECT * FROM (SELECT key, rec FROM empi_key WHERE key = ? LIMIT %d) x`, throng+1)),
		fmt.Sprintf(`SELECT k.key, x.rec FROM unnest(string_to_array(?::text, ',')::bigint[]) AS k (key) CROSS JOIN LATERAL (SELECT rec FROM empi_key e WHERE e.key = k.key LIMIT %d) x`, throng+1)}
	askSizes = asking{
		armed(fmt.Sprintf(`SELECT min(key), count(*) FROM (SELECT key FROM empi_key WHERE key = ? LIMIT %d) x`, throng+2*atOnce)),
		fmt.Sprintf(`SELECT k.key, x.n FROM unnest(string_to_array(?::text, ',')::bigint[]) AS k (key) CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT 1 FROM empi_key e WHERE e.key = k.key LIMIT %d) y) x WHERE x.n > 0`, throng+2*atOnce)}
)

// inArms asks for keys some at a time; on SQLite, what the first of the last few gives may come twice, which again says.
func inArms(ctx context.Context, tx *store.Tx, query asking, keys []int64, each func(key, n int64, again bool)) error {
	text, most := query.lite, arms
	if tx.Database() == "postgres" {
		text, most = query.postgres, listed
	}
	for some := range slices.Chunk(keys, most) {
		args := anys(some)
		if most == listed {
			args = []any{list(some)}
		} else {
			for len(args) < arms {
				args = append(args, some[0])
			}
		}
		err := tx.Query(ctx, text, args, func(scan func(...any) error) error {
			var key, n int64
			err := scan(&key, &n)
			each(key, n, most == arms && len(some) < arms && key == some[0])
			return err
		})
		if err != nil {
			return fmt.Errorf("empi: keys: %w", err)
		}
	}
	return nil
}

func list(keys []int64) string {
	b := make([]byte, 0, 21*len(keys))
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, k, 10)
	}
	return string(b)
}

// blocks are the records that share a key, by key.
type blocks map[int64][]int64

func blocksOf(ctx context.Context, tx *store.Tx, keys []int64) (blocks, error) {
	found := make(blocks, len(keys))
	double := int64(0)
	err := inArms(ctx, tx, askRecords, keys, func(key, rec int64, again bool) {
		found[key] = append(found[key], rec)
		if again {
			double = key
		}
	})
	if err != nil {
		return nil, err
	}
	if list := found[double]; list != nil {
		slices.Sort(list)
		found[double] = slices.Compact(list)
	}
	return found, nil
}

// find gives the records that share keys worth comparing, in order.
func find(ctx context.Context, tx *store.Tx, keys []int64, self int64) ([]int64, error) {
	b, err := blocksOf(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	return b.sharing(keys, self), nil
}

func (b blocks) sharing(keys []int64, self int64) []int64 {
	shared := map[int64]int{}
	taken := map[int64]bool{}
	for _, key := range keys {
		list := b[key]
		if len(list) > throng {
			continue
		}
		for _, rec := range list {
			if rec == self {
				continue
			}
			shared[rec]++
			if len(list) <= crowd || shared[rec] > 1 {
				taken[rec] = true
			}
		}
	}
	all := make([]int64, 0, len(taken))
	for rec := range taken {
		all = append(all, rec)
	}
	slices.SortFunc(all, func(a, b int64) int { return cmp.Or(shared[b]-shared[a], cmp.Compare(a, b)) })
	return all[:min(len(all), candidates)]
}

// passing are the keys that pass one of the bounds with these changes of how many records share them: everybody who shares one
// is to be compared again, or it would depend on the order who had met whom.
func passing(ctx context.Context, tx *store.Tx, change map[int64]int) (keys []int64, err error) {
	err = inArms(ctx, tx, askSizes, slices.Sorted(maps.Keys(change)), func(key, n int64, _ bool) {
		before, after := int(n), int(n)+change[key]
		if (before <= crowd) != (after <= crowd) || (before <= throng) != (after <= throng) {
			keys = append(keys, key)
		}
	})
	slices.Sort(keys)
	return slices.Compact(keys), err
}

// again makes everybody due who shares one of the keys.
func again(ctx context.Context, tx *store.Tx, keys []int64) error {
	var recs []int64
	for _, key := range keys {
		err := tx.Query(ctx, `SELECT rec FROM empi_key WHERE key = ? LIMIT ?`, []any{key, throng + 2*atOnce}, func(scan func(...any) error) error {
			var rec int64
			err := scan(&rec)
			recs = append(recs, rec)
			return err
		})
		if err != nil {
			return fmt.Errorf("empi: keys: %w", err)
		}
	}
	slices.Sort(recs)
	return due(ctx, tx, 1, byChange, slices.Compact(recs)...)
}

// conclude writes what the batch has found and decides anew what belongs together around it.
func (x *Index) conclude(ctx context.Context, tx *store.Tx, batch []judged) error {
	var recs []int64
	var why string
	todo := map[int64]*judged{}
	stands := map[int64]int64{}
	for i := range batch {
		recs = append(recs, batch[i].rec)
	}
	for some := range slices.Chunk(recs, inAtOnce) {
		err := tx.Query(ctx, `SELECT rec, rev FROM empi_due WHERE rec IN (`+marks(len(some))+`)`, anys(some), func(scan func(...any) error) error {
			var rec, rev int64
			err := scan(&rec, &rev)
			stands[rec] = rev
			return err
		})
		if err != nil {
			return err
		}
	}
	recs = recs[:0]
	for i := range batch {
		j := &batch[i]
		if stands[j.rec] != j.rev {
			continue // it has changed since, and is due again
		}
		if err := tx.Queue(ctx, `DELETE FROM empi_due WHERE rec = ?`, j.rec); err != nil {
			return err
		}
		if j.broken {
			continue
		}
		todo[j.rec] = j
		recs = append(recs, j.rec)
		why = j.why
	}
	if len(recs) == 0 {
		return nil
	}
	net := x.newNet(tx, cause{why: why})
	if err := net.change(ctx, recs, todo); err != nil {
		return err
	}
	return net.settle(ctx)
}
