package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// fewAreOld writes n observations of one code; those of family Z are the 100 oldest, or as many as there are.
func fewAreOld(t *testing.T, s *store.Store, n int) {
	t.Helper()
	ctx := context.Background()
	put := func(tx *store.Tx, text string) error {
		node, err := fhir.Parse([]byte(text))
		if err != nil {
			return err
		}
		p, err := s.Prepare(node)
		if err != nil {
			return err
		}
		_, err = tx.Put(ctx, store.Put{Op: store.Update, Type: node.Type(), ID: node.ID(), Resource: p})
		return err
	}
	for from := 0; from < n; from += 250 {
		err := s.Update(ctx, func(tx *store.Tx) error {
			if from == 0 {
				for id, family := range map[string]string{"z0": "Z", "z1": "Z", "a0": "A", "a1": "A"} {
					if err := put(tx, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":%q}]}`, id, family)); err != nil {
						return err
					}
				}
			}
			for i := from; i < min(n, from+250); i++ {
				of := "a"
				if i < 100 {
					of = "z"
				}
				day := i + 1
				if err := put(tx, fmt.Sprintf(`{"resourceType":"Observation","id":"o%04d","status":"final","code":{"coding":[{"system":"urn:s","code":"c"}]},"subject":{"reference":"Patient/%s%d"},"effectiveDateTime":"%d-%02d-%02d"}`,
					i, of, i%2, 2000+day/336, 1+day%336/28, 1+day%28)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A walk down the list of a common code that meets only others turns to the patients of the chain.
func TestAWalkThatMeetsOthersTakesAnotherWay(t *testing.T) {
	s := storetest.Postgres(t, store.Options{}) // which counts the rows that it fetches
	ctx := context.Background()
	fewAreOld(t, s, 3000)
	if err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, "ANALYZE"); return err }); err != nil {
		t.Fatal(err)
	}
	err := s.View(ctx, func(tx *store.Tx) error {
		page, err := tx.Search(ctx, storetest.Query(t, "Observation?subject:Patient.family=Z&code=c&_count=20", search.Everything))
		if err != nil {
			return err
		}
		if len(page.Matches) != 20 || page.Matches[0].ID != "o0099" {
			t.Errorf("got %d matches", len(page.Matches))
		}
		return tx.Query(ctx, "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'resource'", nil, func(scan func(...any) error) error {
			var n int64
			err := scan(&n)
			if n > 4000 { // each row walked over fetches the observation and its patient
				t.Errorf("fetched %d resources for a page of 20", n)
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheOtherWayOfAWalkShowsTheSamePages(t *testing.T) {
	for name, open := range map[string]storetest.Open{"sqlite": storetest.Memory, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			s := open(t, store.Options{})
			fewAreOld(t, s, 130)
			var want []string
			for i := 99; i >= 0; i-- {
				want = append(want, fmt.Sprintf("o%04d", i))
			}
			for _, small := range []bool{false, true} {
				restore := func() {}
				if small {
					restore = store.SmallProbes()
				}
				var got []string
				q := storetest.Query(t, "Observation?subject:Patient.family=Z&code=c&_count=7", search.Everything)
				for more := true; more; more = q.Cursor != "" {
					err := s.View(context.Background(), func(tx *store.Tx) error {
						page, err := tx.Search(context.Background(), q)
						for _, m := range page.Matches {
							got = append(got, m.ID)
						}
						q.Cursor = page.Next
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				restore()
				if strings.Join(got, " ") != strings.Join(want, " ") {
					t.Errorf("small probes %t: got %v", small, got)
				}
			}
		})
	}
}
