package api_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/store"
)

// A patient with 500 resources: the page and a search, over HTTP.
func BenchmarkPatientPage(b *testing.B) {
	h := hubtest.New(b)
	ctx := context.Background()
	err := h.Store.Update(ctx, func(tx *store.Tx) error {
		for i := range 500 {
			p, err := store.Prepare(fhir.New("Observation", "status", "final", "subject", fhir.Obj{"reference", "Patient/p0001"},
				"code", fhir.Concept("http://loinc.org", "718-7", "血红蛋白"), "effectiveDateTime", fmt.Sprintf("2026-%02d-%02dT08:00:00+08:00", i%11+1, i%28+1),
				"valueQuantity", fhir.Obj{"value", 120 + i%30, "unit", "g/L"}))
			if err != nil {
				return err
			}
			if _, err := tx.Put(ctx, store.Put{Op: store.Create, Type: "Observation", Resource: p, Custodian: "Organization/village-001"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, url := range []string{"/api/patients/p0001", "/api/patients?q=zhang", "/api/patients?q=王"} {
		b.Run(url, func(b *testing.B) {
			for b.Loop() {
				if a := h.Call(hubtest.Village, "GET", url, ""); a.Status != 200 {
					b.Fatalf("got %d %s", a.Status, a.Body)
				}
			}
		})
	}
}
