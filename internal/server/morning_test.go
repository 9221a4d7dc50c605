package server

import (
	"context"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/region"
	"github.com/xinglin-health/xinglin/internal/store"
)

func TestAHospitalHearsInTheMorningWhomToGiveABed(t *testing.T) {
	ctx := context.Background()
	turned := clock.At(time.Date(2026, 11, 20, 20, 0, 0, 0, line.Zone()))
	h, err := Open(ctx, Options{Memory: true, Data: t.TempDir(), Clock: turned, PasswordCost: identity.Cost{Memory: 64, Passes: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r := region.New(1, region.Size{Patients: 20, Days: 2, Beds: 24}, turned.Now()).Keep("centre")
	if err := r.Load(ctx, h.Store, nil); err != nil {
		t.Fatal(err)
	}
	task := fhir.New("Task", "id", "case", "status", "accepted", "intent", "order", "code", fhir.Obj{"coding", fhir.Arr{fhir.Coding(line.LineSystem, "referral", ""), fhir.Coding(line.FlowSystem, "referral-up", "")}},
		"requester", fhir.Ref("Organization/centre", ""), "owner", fhir.Ref("Organization/centre", ""))
	ready, err := store.Prepare(task)
	if err != nil {
		t.Fatal(err)
	}
	rooms := *h.Bookings
	rooms.Units = func(context.Context, *store.Tx, string, time.Time) (int, error) { return 1, nil }
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, line.Zone())
	err = h.Store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Task", ID: "case", Resource: ready, ByStep: true}); err != nil {
			return err
		}
		return rooms.Do(ctx, tx, nil, booking.Command{Do: booking.Hold, Thing: "capacity:Organization/centre/cardiology/general/male#*", Pool: "Organization/centre", Holder: "Task/case",
			From: day, Until: day.AddDate(0, 0, 1), Expires: day.Add(18 * time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	told := func() (n int) {
		t.Helper()
		if err := h.remindToBind(ctx); err != nil {
			t.Fatal(err)
		}
		err := h.Store.View(ctx, func(tx *store.Tx) error {
			return tx.Query(ctx, "SELECT count(*) FROM event_log WHERE kind = 'referral.bind-due'", nil, func(scan func(...any) error) error { return scan(&n) })
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, c := range []struct {
		name string
		at   time.Time
		want int
	}{
		{"not on the evening before", turned.Now(), 0},
		{"not in the night", day.Add(5 * time.Hour), 0},
		{"at six", day.Add(6 * time.Hour), 1},
		{"once", day.Add(7 * time.Hour), 1},
	} {
		turned.Set(c.at)
		if got := told(); got != c.want {
			t.Errorf("%s: told %d times; want %d", c.name, got, c.want)
		}
	}
}
