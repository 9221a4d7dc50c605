package empi_test

import (
	"bytes"
	"testing"

	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// strict joins nothing without asking.
func strict(t *testing.T) *match.Model {
	var b bytes.Buffer
	if err := match.Default().Write(&b); err != nil {
		t.Fatal(err)
	}
	m, err := match.ReadModel(&b)
	if err != nil {
		t.Fatal(err)
	}
	m.Same = 1 - 1e-15
	return m
}

func TestOtherWeightsAreTriedFirst(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		if err := putAll(w.s, population(200)); err != nil {
			t.Fatal(err)
		}
		w.settle()
		before, asked := w.together(), w.questions()
		same, err := w.x.Compare(ctx, match.Default(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if same.Joined+same.Parted+same.Asked+same.Answered != 0 || same.Records != 200 || same.Persons != same.PersonsAt || same.Persons == 0 {
			t.Errorf("the weights in force: got %+v; want nothing to change", same)
		}
		would, err := w.x.Compare(ctx, strict(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if would.Parted == 0 || would.Asked == 0 || would.Joined != 0 || len(would.Changes) == 0 {
			t.Errorf("got %+v; want pairs parted and asked about", would)
		}
		if w.together() != before || w.questions() != asked {
			t.Error("a trial has changed something")
		}
		var id int64
		w.update(func(tx *store.Tx) (err error) { id, err = w.x.Keep(ctx, tx, strict(t), "by hand", clerk); return err })
		w.settle()
		if w.together() != before {
			t.Error("weights that are only kept are in force")
		}
		refused(t, w.s.Update(ctx, func(tx *store.Tx) error { return w.x.Reweigh(ctx, tx, id, empi.By{}) }), "nobody")
		refused(t, w.s.Update(ctx, func(tx *store.Tx) error { return w.x.Reweigh(ctx, tx, 99, clerk) }), "unknown-weights")
		w.update(func(tx *store.Tx) error { return w.x.Reweigh(ctx, tx, id, clerk) })
		w.begin() // a crash: it goes on
		if err := w.x.Drain(ctx, nil); err != nil {
			t.Fatal(err)
		}
		again, err := w.x.Compare(ctx, strict(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if again.Joined+again.Parted+again.Asked+again.Answered != 0 || again.PersonsAt != would.Persons {
			t.Errorf("after it: got %+v; want what the trial said, %+v", again, would)
		}
		var st empi.Status
		w.view(func(tx *store.Tx) (err error) { st, err = w.x.Status(ctx, tx); return err })
		if st.Weights.ID != id || st.Waiting != 0 || st.Swept != -1 || st.Behind || st.Records != 200 {
			t.Errorf("got %+v", st)
		}
		w.update(func(tx *store.Tx) error { return w.x.Reweigh(ctx, tx, 0, clerk) })
		if err := w.x.Drain(ctx, nil); err != nil {
			t.Fatal(err)
		}
		if got := w.together(); got != before {
			t.Errorf("back to the former weights: %s", differ(got, before))
		}
		w.update(func(tx *store.Tx) error { return w.x.Reindex(ctx, tx) })
		w.settle()
		if got := w.together(); got != before || w.questions() != asked {
			t.Errorf("read again: %s %s", differ(got, before), differ(w.questions(), asked))
		}
		_, n, err := w.x.Estimate(ctx, 0)
		if n != 200 {
			t.Errorf("got %d records", n)
		}
		refused(t, err, "too-few-records")
	})
}

func TestWeightsAreLearnedFromTheHubsOwnRecords(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	if err := putAll(w.s, population(1500)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	before := w.together()
	m, n, err := w.x.Estimate(ctx, 0)
	if err != nil || n != 1500 {
		t.Fatal(n, err)
	}
	var id int64
	w.update(func(tx *store.Tx) (err error) { id, err = w.x.Keep(ctx, tx, m, "estimated", clerk); return err })
	w.begin()
	w.view(func(tx *store.Tx) error {
		kept, err := w.x.Model(ctx, tx, id)
		if err == nil && kept.Population == 0 {
			t.Errorf("got %+v", kept)
		}
		list, err := w.x.Versions(ctx, tx)
		if len(list) != 3 || list[0].Active || !list[1].Active || list[2].Active || list[2].ID != 0 {
			t.Errorf("got %+v; want the new ones kept and those in force that the hub began with", list)
		}
		return err
	})
	if w.together() != before {
		t.Error("learned weights were switched on by themselves")
	}
}

func TestAnotherFormIsReadAgain(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	w.put(meng("1", county), meng("2", centre))
	w.update(func(tx *store.Tx) error { return tx.SetSetting(ctx, "persons-form", "an older program's") })
	w.update(func(tx *store.Tx) error { _, err := tx.Exec(ctx, `DELETE FROM empi_key`); return err })
	w.begin()
	w.put(meng("3", county))
	w.want("1+2+3", "")
	w.view(func(tx *store.Tx) error {
		n := map[int64]int{}
		err := tx.Query(ctx, `SELECT rec, key FROM empi_key`, nil, func(scan func(...any) error) error {
			var rec, key int64
			err := scan(&rec, &key)
			n[rec]++
			return err
		})
		if len(n) != 3 || n[1] != n[3] {
			t.Errorf("got keys %v; want those of three records", n)
		}
		return err
	})
}
