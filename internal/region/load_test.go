package region

import (
	"context"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

func TestLoadWritesEverythingForItsCustodian(t *testing.T) {
	ctx := context.Background()
	s, err := store.Open(ctx, ":memory:", store.Options{Clock: clock.At(present), Derive: []store.Deriver{access.Derive}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := New(1, Small, present)
	want, written := len(everything(t, r)), 0
	if err := r.Load(ctx, s, func(n int) { written = n }); err != nil {
		t.Fatal(err)
	}
	if written != want {
		t.Errorf("got %d resources; want %d", written, want)
	}
	err = s.View(ctx, func(tx *store.Tx) error {
		home, stranger := search.Scope{Parties: []string{"Organization/village-001"}}, search.Scope{Parties: []string{"Organization/partner-1"}}
		v, err := tx.Read(ctx, home, "Patient", "p0001")
		if err != nil || v.Custodian != "Organization/village-001" {
			t.Errorf("the village reads its patient: got custodian %q, %v", v.Custodian, err)
		}
		if _, err := tx.Read(ctx, home, "Condition", "p0001-condition-1"); err != nil {
			t.Errorf("the village reads the record: got %v", err)
		}
		if _, err := tx.Read(ctx, stranger, "Patient", "p0001"); err == nil {
			t.Error("a stranger reads the patient")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkLoadDemo(b *testing.B) {
	ctx := context.Background()
	for range b.N {
		s, err := store.Open(ctx, "file:"+b.TempDir(), store.Options{Clock: clock.At(present), Derive: []store.Deriver{access.Derive}})
		if err != nil {
			b.Fatal(err)
		}
		begun, n := time.Now(), 0
		if err := New(1, Demo, present).Load(ctx, s, func(w int) { n = w }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "resources/s")
		s.Close()
	}
}
