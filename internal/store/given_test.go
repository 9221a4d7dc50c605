package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// What is given, taken back or has run out counts from the next search on, for every way of giving, whatever the store
// remembers of the caller, and from another process on the same database as well.
func TestWhatIsGivenAndTakenBackCountsAtOnce(t *testing.T) {
	kinds := store.Options{Kinds: []string{"hiv"}, Guarded: func(n *fhir.Node) []string {
		if n.Type() == "Patient" && n.ID() == "guarded" {
			return []string{"hiv"}
		}
		return nil
	}}
	for _, c := range []struct {
		name string
		open func(t *testing.T, o store.Options) (writes, asks *store.Store)
	}{
		{"sqlite", func(t *testing.T, o store.Options) (*store.Store, *store.Store) {
			s := storetest.Memory(t, o)
			return s, s
		}},
		{"sqlite, alone", func(t *testing.T, o store.Options) (*store.Store, *store.Store) {
			o.Alone = true
			s := storetest.Memory(t, o)
			return s, s
		}},
		{"postgres, two processes", func(t *testing.T, o store.Options) (*store.Store, *store.Store) {
			url := storetest.PostgresURL(t)
			var two []*store.Store
			for range 2 {
				s, err := store.Open(context.Background(), url, o)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				two = append(two, s)
			}
			return two[0], two[1]
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := kinds
			turned := clock.At(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
			o.Clock = turned
			s, other := c.open(t, o)
			ctx := context.Background()
			in := func(fn func(tx *store.Tx) error) {
				t.Helper()
				if err := s.Update(ctx, fn); err != nil {
					t.Fatal(err)
				}
			}
			put := func(custodian, text string) {
				t.Helper()
				n, err := fhir.Parse([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				p, err := s.Prepare(n)
				if err != nil {
					t.Fatal(err)
				}
				in(func(tx *store.Tx) error {
					_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p, Custodian: custodian})
					return err
				})
			}
			put("Organization/h", `{"resourceType":"Patient","id":"plain","name":[{"family":"A"}]}`)
			put("Organization/h", `{"resourceType":"Patient","id":"guarded","name":[{"family":"A"}]}`)
			put("Organization/h", `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/plain"}}`)
			// 60 departments of whom most keep nothing yet
			departments := []string{"Organization/h"}
			for i := range 60 {
				departments = append(departments, fmt.Sprint("Organization/h", i))
			}
			scope := search.Scope{Sights: []search.Sight{{Parties: []string{"Practitioner/d", "CareTeam/t"}, Custodians: departments}}}
			sees := func(when string, patients, observations int64) {
				t.Helper()
				for typ, want := range map[string]int64{"Patient?name=a": patients, "Observation?status=final": observations, "Patient?_sort=name": patients} {
					for _, s := range []*store.Store{other, s, other} {
						err := s.View(ctx, func(tx *store.Tx) error {
							page, err := tx.Search(ctx, storetest.Query(t, typ+"&_total=accurate", scope))
							if err == nil && (page.Total != want || int64(len(page.Matches)) != want) {
								t.Errorf("%s: %s: total %d and %d matches instead of %d", when, typ, page.Total, len(page.Matches), want)
							}
							return err
						})
						if err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			sees("before anything was given", 0, 0)
			in(func(tx *store.Tx) error {
				return tx.Grant(ctx, store.Grant{Patient: "Patient/plain", Party: "CareTeam/t", Source: "a"})
			})
			sees("a team is given a patient", 1, 1)
			in(func(tx *store.Tx) error { return tx.Revoke(ctx, "a") })
			sees("taken back", 0, 0)
			in(func(tx *store.Tx) error {
				return tx.Item(ctx, store.Item{Resource: "Observation/o", Party: "Practitioner/d", Source: "b"})
			})
			sees("one piece is given", 0, 1)
			in(func(tx *store.Tx) error { return tx.Revoke(ctx, "b") })
			sees("the piece is taken back", 0, 0)
			in(func(tx *store.Tx) error {
				return tx.Grant(ctx, store.Grant{Patient: "Patient/guarded", Party: "Practitioner/d", Source: "c", Until: turned.Now().Add(time.Hour)})
			})
			sees("a guarded patient without a reason", 0, 0)
			in(func(tx *store.Tx) error {
				return tx.Grant(ctx, store.Grant{Patient: "Patient/guarded", Party: "Practitioner/d!hiv", Source: "d"})
			})
			sees("with a reason", 1, 0)
			put("Organization/h7", `{"resourceType":"Observation","id":"o7","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/guarded"}}`)
			sees("a department keeps its first thing", 1, 1)
			turned.Turn(2 * time.Hour)
			sees("after the hour", 0, 0)
		})
	}
}
