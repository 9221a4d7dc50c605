package subscription_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// BenchmarkFollow writes 5,000 Observations in bundles of 100 and then follows them, with so many subscriptions on Observation.
func BenchmarkFollow(b *testing.B) {
	for _, subs := range []int{0, 1, 10, 100, 1000} {
		b.Run(fmt.Sprint(subs), func(b *testing.B) {
			w := newWorld(b, storetest.Memory, subscription.Options{PerOrg: 10_000})
			ctx := access.With(context.Background(), county)
			w.patient(county, "p")
			for i := range subs {
				w.put(county, fmt.Sprintf(`{"resourceType":"Subscription","id":"s%d","status":"requested","reason":"bench","criteria":"Observation?code=http://loinc.org|%d&status=final","channel":{"type":"websocket"}}`, i, i))
			}
			w.tick()
			for range b.N {
				const all = 5000
				begun := time.Now()
				for n := 0; n < all; n += 100 {
					puts := make([]store.Put, 100)
					for i := range puts {
						node, err := fhir.Parse([]byte(fmt.Sprintf(`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"%d"}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-03-01"}`, (n+i)%2000)))
						if err != nil {
							b.Fatal(err)
						}
						p, err := store.Prepare(node)
						if err != nil {
							b.Fatal(err)
						}
						puts[i] = store.Put{Op: store.Create, Type: "Observation", Resource: p, Custodian: county.Org}
					}
					err := w.store.Update(ctx, func(tx *store.Tx) error { _, err := tx.PutAll(ctx, puts); return err })
					if err != nil {
						b.Fatal(err)
					}
				}
				wrote := time.Since(begun)
				begun = time.Now()
				for more := true; more; {
					var err error
					if more, err = w.engine.Follow(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(all/wrote.Seconds(), "written/s")
				b.ReportMetric(all/time.Since(begun).Seconds(), "followed/s")
				b.ReportMetric(float64(w.engine.Counts.Events.Load())/float64(b.N), "events")
			}
		})
	}
}
