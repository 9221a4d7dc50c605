package people_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/empi/people"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// The matcher has not seen this population, and each seed is another one.
func TestMatchJoinsAMadeUpPopulationRightly(t *testing.T) {
	for _, seed := range []uint64{101, 102} {
		var file bytes.Buffer
		if err := people.Write(&file, people.Make(people.Options{Records: 12_000, Seed: seed})); err != nil {
			t.Fatal(err)
		}
		truth, err := people.ReadTruth(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		var records []*match.Ready
		err = match.ReadCSV(&file, nil, func(_ int, r *match.Record) error {
			records = append(records, match.Prepare(r))
			return nil
		}, func(b match.BadRow) {
			if !b.Kept {
				t.Errorf("seed %d: left out %s", seed, b)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		found, err := match.Batch{}.Run(context.Background(), records)
		if err != nil {
			t.Fatal(err)
		}
		var clusters, pairs strings.Builder
		clusters.WriteString("rec_id,person\n")
		for i, p := range found.Person {
			fmt.Fprintf(&clusters, "%s,%d\n", records[i].ID(), p)
		}
		pairs.WriteString("rec_id_a,rec_id_b\n")
		for _, p := range found.Possible {
			fmt.Fprintf(&pairs, "%s,%s\n", records[p.A].ID(), records[p.B].ID())
		}
		r, err := truth.Score(strings.NewReader(clusters.String()), strings.NewReader(pairs.String()))
		if err != nil {
			t.Fatal(err)
		}
		if r.Precision() < 0.999 || r.Recall() < 0.80 || r.RecallWithQueue() < 0.97 || r.Twins > 1 {
			t.Errorf("seed %d: precision %.5f, recall %.4f, with the queue %.4f, %d pairs with a twin; want 0.999, 0.80, 0.97 at least and 1 at most\n%+v", seed, r.Precision(), r.Recall(), r.RecallWithQueue(), r.Twins, r.Wrong)
		}
	}
}

// What is linked as records come one after another is as right as what a batch joins.
func TestTheLiveIndexJoinsAMadeUpPopulationRightly(t *testing.T) {
	storetest.Both(t, func(t *testing.T, _ storetest.Open) {
		dsn := ":memory:"
		if strings.HasSuffix(t.Name(), "postgres") {
			dsn = storetest.PostgresURL(t)
		}
		g := open(t, dsn)
		var truth, clusters strings.Builder
		truth.WriteString("rec_id,truth_person,truth_kind\n")
		clusters.WriteString("rec_id,person\n")
		var some []people.Row
		for r := range people.Make(people.Options{Records: 900, Seed: 103}) {
			some = append(some, r)
			fmt.Fprintf(&truth, "Patient/p%d,%d,%s\n", g.next+len(some), r.Person, r.Kind)
			if len(some) == 300 {
				g.put(some)
				g.settle()
				some = some[:0]
			}
		}
		err := g.store.View(g.ctx, func(tx *store.Tx) error {
			for i := range g.next {
				p, err := g.index.Person(g.ctx, tx, fmt.Sprintf("Patient/p%d", i+1))
				if err != nil {
					return err
				}
				if p.ID != 0 {
					fmt.Fprintf(&clusters, "Patient/p%d,%d\n", i+1, p.ID)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		known, err := people.ReadTruth(strings.NewReader(truth.String()))
		if err != nil {
			t.Fatal(err)
		}
		r, err := known.Score(strings.NewReader(clusters.String()), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Joined != r.Right || r.Recall() < 0.75 {
			t.Errorf("precision %.4f, recall %.4f of %d pairs; want 1 and 0.75 at least\n%+v", r.Precision(), r.Recall(), r.True, r.Wrong)
		}
	})
}
