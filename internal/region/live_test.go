package region_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/region"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
)

// lived makes a region and counts its cases by flow and state.
func lived(t *testing.T, present time.Time, seed uint64) map[string]int {
	t.Helper()
	ctx := context.Background()
	turned := clock.At(present)
	h, err := server.Open(ctx, server.Options{Memory: true, Data: t.TempDir(), Clock: turned, PasswordCost: identity.Cost{Memory: 64, Passes: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r := region.New(seed, region.Size{Patients: 260, Referrals: 110, Days: 40, Beds: 60}, present)
	if err := h.Inhabit(ctx, r, turned, nil); err != nil {
		t.Fatal(err)
	}
	if got := turned.Now(); !got.Equal(r.Present) {
		t.Errorf("the clock shows %s; want the present %s", got, r.Present)
	}
	states := map[string]int{}
	err = h.Store.View(ctx, func(tx *store.Tx) error {
		q := search.Query{Type: "Task", Count: 1000, Scope: search.Everything}
		page, err := tx.Search(ctx, q)
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			_, flow := line.LineOf(n)
			states[flow+" "+line.StateOf(n)]++
			if v.Updated.After(r.Present) || v.Updated.Before(r.Begins()) {
				t.Errorf("Task/%s was written at %s, outside the region's days", v.ID, v.Updated)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return states
}

func TestTheRegionIsLivedIn(t *testing.T) {
	present := time.Date(2026, 11, 20, 9, 30, 0, 0, region.Zone)
	states := lived(t, present, 7)
	for _, want := range []string{"up closed", "up declined", "up redirected", "up submitted", "up received", "up accepted", "down closed", "down followed-up", "insurance-filing filed"} {
		if states[want] == 0 {
			t.Errorf("no case is %q: %v", want, states)
		}
	}
	if again := lived(t, present, 7); len(again) != len(states) || again["up closed"] != states["up closed"] || again["down closed"] != states["down closed"] {
		t.Errorf("the same seed lived otherwise: %v and %v", states, again)
	}
}

// What happens depends on the hour at which the region is made; it can be made at every hour.
func TestTheRegionIsMadeAtAnyHour(t *testing.T) {
	hours := []int{20}
	if os.Getenv("XINGLIN_ALL") != "" {
		hours = nil
		for h := range 48 {
			hours = append(hours, h)
		}
	}
	for _, h := range hours {
		for seed := range uint64(2) {
			lived(t, time.Date(2026, 11, 23, h, 27, 0, 0, region.Zone), seed+1)
		}
	}
}
