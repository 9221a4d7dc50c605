package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// Units that wait for each other's row do not keep numbers from the rest: the next block of them is drawn beside what is queued.
func TestNumbersAreDrawnWhileAUnitWaits(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		s := open(t, store.Options{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for w := range 12 {
			all.Go(func() {
				for i := range 15 {
					err := s.Update(ctx, func(tx *store.Tx) error {
						for k := range 4 { // the same new ones in every unit, so that their inserts wait for each other
							n, err := fhir.Parse([]byte(fmt.Sprintf(`{"resourceType":"Basic","id":"n%d-%d","code":{"text":"%d"}}`, i, k, w)))
							if err != nil {
								return err
							}
							p, err := s.Prepare(n)
							if err != nil {
								return err
							}
							if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Basic", ID: n.ID(), Resource: p}); err != nil {
								return err
							}
						}
						return nil
					})
					if ctx.Err() != nil {
						t.Error("units wait for each other without end")
						return
					}
					_ = err // that two wanted the same is not what is asked here
				}
			})
		}
		all.Wait()
	})
}
