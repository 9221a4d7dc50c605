package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// singly: what was given to a party by itself is found by every search, and counted, while it is given.
func singly(t *testing.T, open Open) {
	ctx := context.Background()
	s, turned := fixture(t, open)
	b := search.Scope{Parties: []string{"Organization/b"}}
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		return tx.Item(ctx, store.Item{Resource: "Observation/hr1", Party: "Organization/b", Until: tx.Now().Add(time.Hour), Source: "Task/1"})
	}))
	for query, want := range map[string]string{
		"Observation?_total=accurate":               "hr3 hr1 nodate of 3",
		"Observation?code=8867-4&_total=accurate":   "hr3 hr1 of 2",
		"Observation?status=final&_total=accurate":  "hr3 hr1 nodate of 3",
		"Observation?date=2026-01&_total=accurate":  "hr3 hr1 of 2",
		"Observation?patient=zhang&_total=accurate": "hr1 of 1",
		"Observation?_summary=count":                " of 3",
		"Observation?code=8867-4&_summary=count":    " of 2",
		"Patient?_total=accurate":                   "li of 1",
	} {
		if got := ids(t, s, Query(t, query, b)); got != want {
			t.Errorf("%s: got %q; want %q", query, got, want)
		}
	}
	turned.Turn(2 * time.Hour)
	if got := ids(t, s, Query(t, "Observation?code=8867-4&_total=accurate", b)); got != "hr3 of 1" {
		t.Errorf("after its time: got %q; want %q", got, "hr3 of 1")
	}
}
