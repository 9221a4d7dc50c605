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

// On PostgreSQL nothing that a caller's sight asks may read a whole table: a search costs the same however many
// patients others see.
func TestSearchesOnPostgresReadNoWholeTable(t *testing.T) {
	s := storetest.Postgres(t, store.Options{})
	ctx := context.Background()
	const patients = 400
	for from := 0; from < patients; from += 100 {
		err := s.Update(ctx, func(tx *store.Tx) error {
			for i := from; i < from+100; i++ {
				for typ, text := range map[string]string{
					"Patient":     fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","name":[{"family":"%c"}]}`, i, 'A'+i%26),
					"Observation": fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","status":"final","code":{"coding":[{"system":"urn:s","code":"c%d"}]},"subject":{"reference":"Patient/p%d"},"effectiveDateTime":"2026-01-%02d"}`, i, i%3, i, 1+i%28),
				} {
					n, err := fhir.Parse([]byte(text))
					if err != nil {
						return err
					}
					p, err := s.Prepare(n)
					if err != nil {
						return err
					}
					if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: typ, ID: n.ID(), Resource: p, Custodian: "Organization/h"}); err != nil {
						return err
					}
				}
				for g := range 10 {
					if err := tx.Grant(ctx, store.Grant{Patient: fmt.Sprint("Patient/p", i), Party: fmt.Sprintf("Practitioner/%d", (i+g)%200), Source: "x"}); err != nil {
						return err
					}
				}
				if err := tx.Item(ctx, store.Item{Resource: fmt.Sprint("Observation/o", i), Party: fmt.Sprintf("Practitioner/%d", i%200), Source: "x"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, "ANALYZE"); return err })
	if err != nil {
		t.Fatal(err)
	}
	scope := search.Scope{Sights: []search.Sight{{Parties: []string{"Practitioner/7", "Organization/h", "Practitioner/nobody"}, Custodians: []string{"Organization/h"}}, {Parties: []string{"Practitioner/8"}}}}
	for _, text := range []string{
		"Observation?code=c1&_count=5", "Observation?code=urn:s|c1&date=ge2026-01-05", "Observation?_sort=-date&_count=5", "Patient?name=c",
		"Patient?_has:Observation:patient:code=c2", "Observation?subject:Patient.family=D&code=c1", "Observation?code=none", "Patient?_id=p7&_revinclude=Observation:subject",
	} {
		err := s.View(ctx, func(tx *store.Tx) error {
			if _, err := tx.Search(ctx, storetest.Query(t, text, scope)); err != nil {
				return err
			}
			return tx.Query(ctx, "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE seq_scan > 0 AND relname IN ('access_grant', 'access_item')", nil, func(scan func(...any) error) error {
				var table string
				var n int64
				err := scan(&table, &n)
				t.Errorf("%s: %s was read whole %d times", text, table, n)
				return err
			})
		})
		if err != nil {
			t.Fatal(text, err)
		}
	}
}
