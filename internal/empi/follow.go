package empi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// horizon is the name of this consumer of the log, lock what every unit holds that changes persons.
const (
	horizon = "persons"
	lock    = "empi"
)

// atOnce is how many Patients one unit takes in.
const atOnce = 400

var errMoved = errors.New("another process has followed the log")

// news is a Patient as it stands now.
type news struct {
	patient, org string
	vid, updated int64
	gone         bool
	keys         []int64
	box          []byte
	replacedBy   string
	temporary    bool
}

// take brings what the log says of Patients into the records, and notes whose links are to be looked at.
func (x *Index) take(ctx context.Context) (more bool, err error) {
	var from, to int64
	var list []news
	var passed []int64
	err = x.store.View(ctx, func(tx *store.Tx) (err error) {
		list, passed = list[:0], nil
		if from, err = tx.Horizon(ctx, horizon); err != nil {
			return err
		}
		to = from
		var ids []string
		seen := map[string]bool{}
		n := 0
		err = tx.HeadsOf(ctx, "Patient", from, atOnce, func(l store.Logged) error {
			n++
			to = l.Seq
			if !seen[l.ID] {
				seen[l.ID] = true
				ids = append(ids, l.ID)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if more = n == atOnce; !more {
			if to, err = tx.Head(ctx); err != nil {
				return err
			}
		}
		if len(ids) == 0 {
			return nil
		}
		now, err := tx.ReadMany(ctx, search.Everything, "Patient", ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			v, ok := now[id]
			if !ok {
				list = append(list, news{patient: "Patient/" + id, gone: true})
				continue
			}
			one, err := x.newsOf(&v)
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		passed, err = passedBy(ctx, tx, list)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("empi: follow: %w", err)
	}
	// what is not about Patients moves the horizon by large steps only
	if to == from || len(list) == 0 && to-from < 1000 {
		return false, nil
	}
	x.ahead = nil // what it compared may have changed
	err = x.unit(ctx, func(ctx context.Context, tx *store.Tx) error {
		stands, err := tx.Horizon(ctx, horizon)
		if err != nil {
			return err
		}
		if stands != from {
			return errMoved
		}
		if err := x.keep(ctx, tx, list); err != nil {
			return err
		}
		if err := again(ctx, tx, passed); err != nil {
			return err
		}
		return tx.SetHorizon(ctx, horizon, to)
	})
	if errors.Is(err, errMoved) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("empi: follow: %w", err)
	}
	return more, nil
}

// passedBy are the keys that pass a bound with the news.
func passedBy(ctx context.Context, tx *store.Tx, list []news) ([]int64, error) {
	patients := make([]string, len(list))
	for i, n := range list {
		patients[i] = n.patient
	}
	rows, err := rowsOf(ctx, tx, "patient", patients)
	if err != nil {
		return nil, err
	}
	change := map[int64]int{}
	for _, n := range list {
		for _, k := range n.keys {
			change[k]++
		}
	}
	for _, r := range rows {
		for _, k := range r.keys {
			change[k]--
		}
	}
	maps.DeleteFunc(change, func(_ int64, by int) bool { return by == 0 })
	return passing(ctx, tx, change)
}

func (x *Index) newsOf(v *store.Version) (news, error) {
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return news{}, fmt.Errorf("empi: Patient/%s: %w", v.ID, err)
	}
	org := keeper(n, v)
	r := FromPatient(n, org)
	r.ID = "Patient/" + v.ID
	ready := x.prepare(&r)
	one := news{patient: r.ID, org: org, vid: v.VID, updated: micros(v.Updated), keys: x.keys.hashes(ready), box: x.keys.seal(&r), replacedBy: replacedBy(n)}
	for _, id := range first(n.All("identifier")) {
		one.temporary = one.temporary || id.Str("system") == temporaryID
	}
	if one.replacedBy == one.patient {
		one.replacedBy = ""
	}
	return one, nil
}

// keep writes records and their keys; links follow in conclude.
func (x *Index) keep(ctx context.Context, tx *store.Tx, list []news) error {
	if err := x.adopt(ctx, tx); err != nil {
		return err
	}
	patients := make([]string, len(list))
	for i, n := range list {
		patients[i] = n.patient
	}
	rows, err := rowsOf(ctx, tx, "patient", patients)
	if err != nil {
		return err
	}
	old := map[string]*row{}
	for _, r := range rows {
		old[r.patient] = r
	}
	for i := range list {
		n, r := &list[i], old[list[i].patient]
		switch {
		case n.gone && r == nil, r != nil && !n.gone && r.vid == n.vid:
			continue
		case n.gone:
			if err := x.forget(ctx, tx, r); err != nil {
				return err
			}
			continue
		case r == nil:
			r = &row{patient: n.patient}
			if r.rec, err = number(ctx, tx, "record"); err != nil {
				return err
			}
		}
		if err := keepKeys(ctx, tx, r.rec, r.keys, n.keys, r.vid == 0); err != nil {
			return err
		}
		err := tx.Queue(ctx, `INSERT INTO empi_record (rec, patient, org, vid, rev, person, updated, keys, body) VALUES (?, ?, ?, ?, 1, 0, ?, ?, ?)
			ON CONFLICT (rec) DO UPDATE SET org = excluded.org, vid = excluded.vid, rev = empi_record.rev + 1, updated = excluded.updated, keys = excluded.keys, body = excluded.body`,
			r.rec, n.patient, n.org, n.vid, n.updated, packKeys(n.keys), n.box)
		if err != nil {
			return err
		}
		if err := due(ctx, tx, 0, byChange, r.rec); err != nil {
			return err
		}
		if err := x.stated(ctx, tx, n, r.vid > 0); err != nil {
			return err
		}
	}
	return nil
}

// keepKeys of a record that has had the old ones; anew = it is new, or read again: nothing is taken for granted.
func keepKeys(ctx context.Context, tx *store.Tx, rec int64, old, now []int64, anew bool) error {
	for _, k := range old { // both are in order
		if _, still := slices.BinarySearch(now, k); !still {
			if err := tx.Queue(ctx, `DELETE FROM empi_key WHERE key = ? AND rec = ?`, k, rec); err != nil {
				return err
			}
		}
	}
	for _, k := range now {
		if _, had := slices.BinarySearch(old, k); !had || anew {
			if err := tx.Queue(ctx, `INSERT INTO empi_key (key, rec) VALUES (?, ?) ON CONFLICT DO NOTHING`, k, rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// Why links are looked at: what a link's entry in the log says.
const (
	byMatch   = "match"
	byChange  = "changed"
	byDelete  = "deleted"
	byWeights = "weights"
	byPerson  = "decision"
)

// due notes that a record is to be compared again: 0 = news, 1 = a key has passed a bound, 2 = a sweep. What has been noted keeps its place.
func due(ctx context.Context, tx *store.Tx, later int, why string, recs ...int64) error {
	for _, rec := range recs {
		err := tx.Queue(ctx, `INSERT INTO empi_due (rec, rev, later, why) VALUES (?, 1, ?, ?) ON CONFLICT (rec) DO UPDATE SET rev = empi_due.rev + 1,
			later = CASE WHEN excluded.later < empi_due.later THEN excluded.later ELSE empi_due.later END`, rec, later, why)
		if err != nil {
			return fmt.Errorf("empi: due: %w", err)
		}
	}
	return nil
}

// forget takes out a record whose Patient has been deleted; the others of his are looked at again.
func (x *Index) forget(ctx context.Context, tx *store.Tx, r *row) error {
	around := map[int64]bool{}
	if err := pairsOf(ctx, tx, []int64{r.rec}, func(p *pairRow) { around[p.a+p.b-r.rec] = true }); err != nil {
		return err
	}
	if r.person > 0 {
		members, err := rowsOf(ctx, tx, "person", []int64{r.person})
		if err != nil {
			return err
		}
		for _, m := range members {
			around[m.rec] = true
		}
		if err := x.leave(ctx, tx, r, "", cause{why: byDelete}, nil); err != nil {
			return err
		}
	}
	delete(around, r.rec)
	for rec := range around {
		if err := due(ctx, tx, 0, byDelete, rec); err != nil {
			return err
		}
	}
	if err := keepKeys(ctx, tx, r.rec, r.keys, nil, false); err != nil {
		return err
	}
	var ids []int64
	if err := pairsOf(ctx, tx, []int64{r.rec}, func(p *pairRow) { ids = append(ids, p.id) }); err != nil {
		return err
	}
	for _, id := range ids {
		if err := x.pairGone(ctx, tx, id, r.org); err != nil {
			return err
		}
	}
	for _, del := range []string{`DELETE FROM empi_pair WHERE a = ?`, `DELETE FROM empi_pair WHERE b = ?`, `DELETE FROM empi_due WHERE rec = ?`, `DELETE FROM empi_record WHERE rec = ?`} {
		if err := tx.Queue(ctx, del, r.rec); err != nil {
			return err
		}
	}
	return nil
}

// Why a statement is believed: see believes.
const (
	statedReplaced = "replaced-by"
	statedUnknown  = "unknown" // the record of somebody whose name nobody knew
)

// stated keeps what a Patient says of the record that replaces it, and takes it back when it says so no more.
func (x *Index) stated(ctx context.Context, tx *store.Tx, n *news, known bool) error {
	var said []Decision
	if known || n.replacedBy != "" {
		var err error
		if said, err = decisions(ctx, tx, `WHERE a = ? AND back_at = 0 AND what = ?`, n.patient, Merged); err != nil {
			return err
		}
	}
	there := false
	for _, d := range said {
		switch {
		case d.Right == n.replacedBy:
			there = true
		case d.statement(): // what somebody said holds, also when the hospital's system writes its record anew
			if err := back(ctx, tx, d.ID, By{}, statedReplaced); err != nil {
				return err
			}
			if err := x.enter(ctx, tx, Entry{Patient: d.Left, What: "unmerged", Source: Statement, With: d.Right, Decision: d.ID, Why: statedReplaced}); err != nil {
				return err
			}
		}
	}
	if n.replacedBy == "" || there {
		return nil
	}
	why := statedReplaced
	if n.temporary {
		why = statedUnknown
	}
	d := Decision{Left: n.patient, Right: n.replacedBy, What: Merged, Reason: why, At: tx.Now()}
	if err := say(ctx, tx, &d); err != nil {
		return err
	}
	return x.enter(ctx, tx, Entry{Patient: d.Left, What: "merged", Source: Statement, With: d.Right, Decision: d.ID, Why: why})
}

// Step does the next piece of work; more says that there may be another.
func (x *Index) step(ctx context.Context) (more bool, err error) {
	x.following.Lock()
	defer x.following.Unlock()
	if !x.begun {
		if err := x.reform(ctx); err != nil {
			return false, fmt.Errorf("empi: %w", err)
		}
		x.begun = true
	}
	if more, err = x.take(ctx); err != nil || more {
		return more, err
	}
	if more, err = x.work(ctx); err != nil || more {
		return more, err
	}
	if more, err = x.sweep(ctx); err != nil || more {
		return more, err
	}
	return x.tell(ctx)
}

// Run follows the log until ctx ends: when woken, and every second for what other processes write.
func (x *Index) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		more, err := x.step(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-x.wake:
		case <-tick.C:
		}
	}
	return nil
}

// Settle returns when everything that was committed before is matched, the work of a sweep left aside. Not inside an Update.
func (x *Index) Settle(ctx context.Context) error {
	for {
		more, err := x.step(ctx)
		if err != nil {
			return err
		}
		behind := false
		err = x.store.View(ctx, func(tx *store.Tx) error {
			from, err := tx.Horizon(ctx, horizon)
			if err == nil {
				behind, err = tx.Behind(ctx, "Patient", from)
			}
			if err != nil || behind {
				return err
			}
			return tx.Query(ctx, `SELECT 1 FROM empi_due WHERE later < 2 LIMIT 1`, nil, func(func(...any) error) error { behind = true; return nil })
		})
		if err != nil || !behind {
			return err
		}
		if more {
			continue
		}
		select { // an older unit is still open, or another process is at it
		case <-ctx.Done():
			return fmt.Errorf("empi: settle: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Drain does all work that there is, sweeps too: for commands and tests. progress may be nil.
func (x *Index) Drain(ctx context.Context, progress func(Status)) error {
	var told time.Time
	for {
		if progress != nil && time.Since(told) > time.Second {
			told = time.Now()
			var st Status
			if err := x.store.View(ctx, func(tx *store.Tx) (err error) { st, err = x.Status(ctx, tx); return err }); err != nil {
				return err
			}
			progress(st)
		}
		more, err := x.step(ctx)
		if err != nil {
			return err
		}
		if !more {
			return x.Settle(ctx)
		}
	}
}

// Derive wakes the follower after a Patient was written.
func (x *Index) Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Type == "Patient" {
		tx.AfterCommit(x.nudge)
	}
	return nil
}

func isPatient(ref string) bool {
	id, ok := strings.CutPrefix(ref, "Patient/")
	return ok && id != "" && !strings.Contains(id, "/")
}
