package subscription_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// link makes records one person's, as the index does.
func (w *world) link(kind string, patients ...string) {
	w.t.Helper()
	ctx := context.Background()
	err := w.store.Update(ctx, func(tx *store.Tx) error {
		for _, p := range patients {
			do := func() error { return tx.Join(ctx, 7, p, "auto") }
			if kind == "person.unlinked" {
				do = func() error { return tx.Leave(ctx, 7, p) }
			}
			if err := do(); err != nil {
				return err
			}
			if err := event.Raise(ctx, tx, event.Event{Kind: kind, Focus: fmt.Sprint("Person/", 7), Patient: p}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestLinksAreToldToWhoSeesBothRecords(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc := receive(t)
		w.patient(county, "p")
		w.patient(centre, "q")
		w.patient(county, "r")
		w.link("person.linked", "Patient/p", "Patient/q") // before they began
		w.clock.Turn(time.Second)
		topic := spec.Canonical + "/SubscriptionTopic/patient-linked"
		w.put(hubwide, topical("hub", topic, "", "id-only", rc.URL, ""))
		w.put(county, topical("county", topic, "", "id-only", rc.URL, ""))
		w.put(stranger, topical("stranger", topic, "", "id-only", rc.URL, ""))
		w.tick()
		rc.take()
		count := func(want map[string]int64) {
			t.Helper()
			w.tick()
			for id, n := range want {
				if r := w.row(id); r.Last != n {
					t.Errorf("%s: got %d events; want %d", id, r.Last, n)
				}
			}
		}
		before := map[string]int64{}
		for _, id := range []string{"hub", "county", "stranger"} {
			before[id] = w.row(id).Last
		}
		if before["county"] != 0 || before["stranger"] != 0 {
			t.Errorf("got %v; want no word of a record that they may not see", before)
		}
		w.link("person.unlinked", "Patient/p")
		count(map[string]int64{"hub": before["hub"] + 1, "county": 0, "stranger": 0})
		w.link("person.linked", "Patient/p", "Patient/r")
		count(map[string]int64{"hub": before["hub"] + 3, "county": 2, "stranger": 0})
		w.link("person.unlinked", "Patient/p", "Patient/q", "Patient/r") // nobody is left
		count(map[string]int64{"hub": before["hub"] + 6, "county": 4, "stranger": 0})
		w.tick()
		count(map[string]int64{"hub": before["hub"] + 6})
	}, subscription.Options{})
}
