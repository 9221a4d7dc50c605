package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// A code and a quantity, each asked for by itself, find what their composite does not know, too: sampled data, and "< 5".
func TestACodeAndAQuantityFindEveryKindOfValue(t *testing.T) {
	for name, open := range map[string]storetest.Open{"sqlite": storetest.Memory, "postgres": storetest.Postgres} {
		for _, small := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s small probes %t", name, small), func(t *testing.T) {
				if small {
					defer store.SmallProbes()()
				}
				s := open(t, store.Options{})
				ctx := context.Background()
				put := func(id, code, value string) {
					t.Helper()
					n, err := fhir.Parse([]byte(fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"coding":[{"system":"urn:s","code":%q}]},"effectiveDateTime":"2026-01-01",%s}`, id, code, value)))
					if err != nil {
						t.Fatal(err)
					}
					p, err := store.Prepare(n)
					if err != nil {
						t.Fatal(err)
					}
					err = s.Update(ctx, func(tx *store.Tx) error {
						_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Observation", ID: id, Resource: p})
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				quantity := func(v string) string { return `"valueQuantity":{"value":` + v + `,"unit":"mV"}` }
				for i := range 20 {
					put(fmt.Sprintf("low%d", i), "a", quantity("1"))
				}
				put("high", "a", quantity("9"))
				put("more", "a", `"valueQuantity":{"value":8,"comparator":">","unit":"mV"}`)
				put("wave", "a", `"valueSampledData":{"origin":{"value":0,"unit":"mV"},"period":10,"dimensions":1,"data":"8 9 9"}`)
				put("other", "b", quantity("9"))
				put("otherwave", "b", `"valueSampledData":{"origin":{"value":0,"unit":"mV"},"period":10,"dimensions":1,"data":"8 9 9"}`)
				for _, c := range []struct {
					query string
					want  int64
				}{
					{"code=a&value-quantity=gt7", 3}, {"code=urn:s|a&value-quantity=gt7||mV", 3}, {"code=a&value-quantity=9", 1}, {"code=a&value-quantity=lt2", 20},
					{"code=a&value-quantity=gt7&date=2026", 3}, {"code=b&value-quantity=gt7", 2}, {"code=a&value-quantity=gt7&date=2025", 0},
					{"code-value-quantity=a$gt7", 2}, {"code=c&value-quantity=gt7", 0},
				} {
					params, _ := search.ParseQuery(c.query + "&_total=accurate")
					q, err := search.Parse("Observation", params, search.Options{Zone: s.Zone()})
					if err != nil {
						t.Fatal(err)
					}
					q.Scope = search.Everything
					err = s.View(ctx, func(tx *store.Tx) error {
						p, err := tx.Search(ctx, q.Query)
						if n := int64(len(p.Matches)); n != c.want || p.Total != c.want {
							t.Errorf("%s: got %d of %d; want %d", c.query, n, p.Total, c.want)
						}
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}
