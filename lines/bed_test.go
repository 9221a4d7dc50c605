package lines_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// hospital is a world whose centre keeps three beds in the register: two of one ward, and one of nobody's.
type hospital struct {
	*world
	room *booking.Room
}

func newHospital(t *testing.T, open storetest.Open) *hospital {
	w := worldWith(t, open, func(o *store.Options) {
		o.Migrations = append(o.Migrations, booking.Migrations...)
		o.Derive = append(o.Derive, booking.Derive)
		o.Guard = append(o.Guard, booking.Guard)
	})
	h := &hospital{world: w}
	h.room = booking.New(booking.Options{Store: w.s, Clock: w.clock, Zone: line.Zone(), Raise: w.r.Raise, Inform: w.r.System,
		Units: func(context.Context, *store.Tx, string, time.Time) (int, error) { return 1, nil },
		Fits:  func(context.Context, *store.Tx, string, booking.Wait) (bool, error) { return true, nil }})
	w.r.Bookings = h.room
	w.r.Beds = func(_ context.Context, _ *store.Tx, institution string) (bool, error) {
		return institution == "Organization/centre", nil
	}
	w.r.Institution = func(organization string) string {
		if organization == "Organization/centre-cardiology" {
			return "Organization/centre"
		}
		return organization
	}
	for _, id := range []string{"wang", "li", "zhao"} {
		w.put(fhir.New("Patient", "id", id, "name", fhir.Arr{fhir.Obj{"text", id}}, "gender", "male", "birthDate", "1980-02-02"), "Organization/county")
	}
	w.put(fhir.New("Organization", "id", "centre-cardiology", "active", true, "name", "心内科", "partOf", fhir.Ref("Organization/centre", ""),
		"type", fhir.Arr{fhir.Concept(spec.Canonical+"/CodeSystem/department", "cardiology", "心内科")}), "Organization/centre")
	place := func(id, kind, name, above, org string) {
		n := fhir.New("Location", "id", id, "status", "active", "name", name, "mode", "instance", "physicalType", fhir.Concept("http://terminology.hl7.org/CodeSystem/location-physical-type", kind, ""))
		if above != "" {
			n.Set("partOf", fhir.Ref("Location/"+above, ""))
		}
		if org != "" {
			n.Set("managingOrganization", fhir.Ref(org, ""))
		}
		w.put(n, "Organization/centre")
	}
	place("ward", "wa", "心内一病区", "", "Organization/centre-cardiology")
	place("room", "ro", "101", "ward", "")
	place("bed-1", "bd", "1 床", "room", "")
	place("bed-2", "bd", "2 床", "room", "")
	place("elsewhere", "bd", "9 床", "", "Organization/stranger")
	return h
}

var bed1, bed2 = ref("Location/bed-1"), ref("Location/bed-2")

// sent is a referral of the county to the centre.
func (h *hospital) sent(urgency, patient string) string {
	h.Helper()
	return h.mustStart("county-sender", "up", form("centre", urgency, "patient", ref("Patient/"+patient), "documents", "-"))
}

// accepted is one that waits there for a bed.
func (h *hospital) accepted(urgency, patient string) string {
	h.Helper()
	task := h.sent(urgency, patient)
	h.must("centre-office", task, "receive", "department", ref("Organization/centre-cardiology"))
	h.must("centre-doctor", task, "accept", "outcome", "admission", "coordinator", "王护士", "phone", "0990-7654321", "level", "ccu", "equipment", "monitor")
	return task
}

func (h *hospital) tickBookings() {
	h.Helper()
	if _, err := h.room.Tick(context.Background()); err != nil {
		h.Fatal(err)
	}
}

func (h *hospital) waiting(task string) (w *booking.Wait) {
	h.Helper()
	h.view(func(tx *store.Tx) (err error) { w, err = h.room.WaitOf(context.Background(), tx, task); return err })
	return w
}

func (h *hospital) booked(task string) (b *booking.Booking) {
	h.Helper()
	h.view(func(tx *store.Tx) (err error) { b, err = h.room.Of(context.Background(), tx, task); return err })
	return b
}

func (h *hospital) view(fn func(*store.Tx) error) {
	h.Helper()
	if err := h.s.View(context.Background(), fn); err != nil {
		h.Fatal(err)
	}
}

// wantWaits wants the case on the list, or off it, and a live booking of a thing, or none.
func (h *hospital) want(task, state, thing string, waits bool) {
	h.Helper()
	h.wantState(task, state)
	got := ""
	if b := h.booked(task); b != nil {
		got = b.Thing
	}
	if on := h.waiting(task) != nil; got != thing || on != waits {
		h.Fatalf("%s holds %q and waits=%v; want %q, %v", task, got, on, thing, waits)
	}
}

func (h *hospital) after(d time.Duration) string {
	return h.clock.Now().Add(d).In(line.Zone()).Format(time.RFC3339)
}

func TestAReferralArrivesWithABed(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHospital(t, open)
		task := h.accepted("urgent", "wang")
		h.want(task, "accepted-no-bed", "", true)
		wait := h.waiting(task)
		needs, err := allocate.ParseNeeds(wait.Needs)
		if err != nil || needs.Level != allocate.CCU || needs.Specialty != "cardiology" || needs.Sex != allocate.Male || needs.Equipment != allocate.Monitor || wait.Rank != allocate.Urgent.Rank() || wait.Pool != "Organization/centre" {
			t.Fatalf("it waits as %+v for %+v, %v", wait, needs, err)
		}
		h.wantRefused(h.do("county-sender", task, "depart"), "not-your-step")
		h.wantRefused(h.do("centre-doctor", task, "hold-bed", "bed", bed1), "not-your-step")
		h.wantRefused(h.do("centre-desk", task, "hold-bed"), "needs-bed")
		h.wantRefused(h.do("centre-desk", task, "hold-bed", "bed", ref("Location/elsewhere")), "other-pool")
		h.wantRefused(h.do("centre-desk", task, "hold-bed", "bed", ref("Location/ward")), "unknown-bed")
		h.wantRefused(h.do("centre-desk", task, "hold-bed", "bed", bed1, "expected", h.after(-time.Hour)), "bad-arrival")
		h.wantRefused(h.do("centre-desk", task, "hold-bed", "bed", bed1, "override", "nursing", "reason", "夜间"), "needs-nursing-duty")
		h.wantRefused(h.do("centre-nursing", task, "hold-bed", "bed", bed1), "not-your-step")
		h.must("centre-desk", task, "hold-bed", "bed", bed1, "expected", h.after(3*time.Hour))
		h.want(task, "bed-held", "Location/bed-1", false)
		if b := h.booked(task); !b.Expires.Equal(h.clock.Now().Add(4 * time.Hour)) {
			t.Errorf("held until %s; want the promised arrival and an hour", b.Expires)
		}
		if got := h.get(task); line.Fact(got, "bed").Str("display") != "心内一病区 1 床" || got.Str("restriction.period.end") != h.after(4*time.Hour) {
			t.Errorf("the sender reads %s; want bed and time", got.JSON())
		}
		h.wantRefused(h.do("centre-desk", task, "hold-bed", "bed", bed2), "step-not-open")
		h.must("county-sender", task, "depart", "transport", "ambulance")
		if b := h.booked(task); b.State != booking.Held || !b.Expires.IsZero() {
			t.Errorf("on the way the bed is %s until %s; want held, with its clock stopped", b.State, b.Expires)
		}
		h.turn(9 * time.Hour)
		h.tickBookings()
		h.want(task, "in-transit", "Location/bed-1", false) // on the way nothing runs out
		h.must("centre-office", task, "arrive")
		if b := h.booked(task); b.State != booking.Confirmed {
			t.Errorf("the bed is %s; want confirmed until he lies in it", b.State)
		}
		h.must("centre-doctor", task, "admit", "reason", "心梗")
		h.must("centre-doctor", task, "treat", "summary", "好转")
		h.want(task, "treated", "", false)
	})
}

func TestAHoldRunsOut(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHospital(t, open)
		first := h.accepted("urgent", "wang")
		since := h.waiting(first).Since
		h.turn(10 * time.Minute)
		second := h.accepted("urgent", "li")
		h.must("centre-desk", first, "hold-bed", "bed", bed1, "expected", h.after(time.Hour))
		h.turn(2*time.Hour + time.Second)
		h.wantRefused(h.do("county-sender", first, "depart"), "hold-lapsed") // even before anybody has looked
		h.tickBookings()
		h.want(first, "accepted-no-bed", "", true)
		if w := h.waiting(first); !w.Since.Equal(since) || w.Reason != "lapsed" {
			t.Errorf("waits since %s for %q; want its old place %s", w.Since, w.Reason, since)
		}
		if line.Fact(h.get(first), "bed") != nil || h.raised("referral.hold-lapsed") != 1 || h.raised("booking.turn") == 0 {
			t.Errorf("lapses told %d times, turns %d", h.raised("referral.hold-lapsed"), h.raised("booking.turn"))
		}
		h.must("centre-desk", second, "hold-bed", "bed", bed1) // the next waiter has it now
		h.must("centre-desk", first, "promise", "promised", h.after(5*time.Hour), "reason", "下午有出院")
		if got := h.get(first).Str("restriction.period.end"); got != h.after(5*time.Hour) {
			t.Errorf("due %s; want when it was promised", got)
		}
		h.turn(5*time.Hour + time.Second)
		h.tick()
		if h.raised("referral.late") == 0 {
			t.Error("a promise passed and nobody heard")
		}
		h.must("centre-office", first, "redirect", "to", ref("Organization/centre2"), "reason", "capacity-full", "consent", "patient")
		h.want(first, "redirected", "", false)
	})
}

func TestTwoDesksWantOneBed(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHospital(t, open)
		tasks := []string{h.accepted("urgent", "wang"), h.accepted("urgent", "li")}
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i, task := range tasks {
			all.Go(func() { errs[i] = h.do("centre-desk", task, "hold-bed", "bed", bed1) })
		}
		all.Wait()
		won, lost := 0, 1
		if errs[0] != nil {
			won, lost = 1, 0
		}
		if errs[won] != nil {
			t.Fatalf("nobody won: %v, %v", errs[0], errs[1])
		}
		h.wantRefused(errs[lost], "taken")
		h.want(tasks[won], "bed-held", "Location/bed-1", false)
		h.want(tasks[lost], "accepted-no-bed", "", true)
	})
}

func TestAnEmergencyWaitsForNoBedAndMayTakeOne(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHospital(t, open)
		routine := h.accepted("routine", "li")
		h.must("centre-desk", routine, "hold-bed", "bed", bed1, "expected", h.after(2*time.Hour))
		h.wantRefused(h.do("centre-desk", routine, "take-bed", "bed", bed1, "reason", "x"), "step-not-open")

		task := h.sent("emergency", "wang")
		h.must("county-sender", task, "depart", "transport", "ambulance")
		h.want(task, "departed", "", true) // the desk sees him come
		h.wantRefused(h.do("centre-desk", task, "hold-bed", "bed", bed1), "taken")
		h.wantRefused(h.do("centre-desk", task, "take-bed", "bed", bed1), "missing-field")
		h.must("centre-desk", task, "take-bed", "bed", bed1, "reason", "急性心梗，CCU 仅此一床")
		h.want(task, "departed", "Location/bed-1", false)
		if b := h.booked(task); !b.Expires.IsZero() {
			t.Errorf("the hold of one on the way runs out at %s; want never", b.Expires)
		}
		h.tickBookings()
		h.want(routine, "accepted-no-bed", "", true)
		due, _ := time.Parse(time.RFC3339, h.get(routine).Str("restriction.period.end"))
		if due.Sub(h.clock.Now()) > 30*time.Minute || h.raised("referral.displaced") != 1 {
			t.Errorf("a new promise is due %s; want within 30 minutes", due)
		}
		h.must("centre-desk", routine, "promise", "promised", h.after(24*time.Hour), "reason", "急诊占用")

		h.must("centre-office", task, "arrive")
		h.must("centre-doctor", task, "treat", "summary", "PCI")
		h.want(task, "treated", "", false)

		again := h.sent("emergency", "zhao")
		h.must("centre-doctor", again, "accept", "outcome", "admission")
		h.want(again, "accepted", "", true) // he may depart at once
		h.must("county-sender", again, "depart")
		h.must("county-sender", again, "cancel", "reason", "turned-back")
		h.want(again, "cancelled", "", false)
	})
}

func TestCapacityIsReservedAndBoundOnItsDay(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHospital(t, open)
		task := h.accepted("routine", "wang")
		other := h.accepted("routine", "li")
		day := h.clock.Now().In(line.Zone()).AddDate(0, 0, 2)
		date := day.Format(time.DateOnly)
		h.must("centre-desk", task, "hold-bed", "reserve", true, "date", date)
		h.want(task, "bed-held", "capacity:Organization/centre/cardiology/ccu/male#1", false)
		evening := time.Date(day.Year(), day.Month(), day.Day(), 18, 0, 0, 0, line.Zone())
		if b := h.booked(task); !b.Expires.Equal(evening) {
			t.Errorf("reserved until %s; want %s", b.Expires, evening)
		}
		h.wantRefused(h.do("centre-desk", other, "hold-bed", "reserve", true, "date", date), "taken")
		h.wantRefused(h.do("centre-desk", task, "bind-bed", "bed", bed2), "not-yet")
		h.turn(evening.Add(-11 * time.Hour).Sub(h.clock.Now()))
		h.must("centre-desk", task, "bind-bed", "bed", bed2)
		h.want(task, "bed-held", "Location/bed-2", false)
		h.wantRefused(h.do("centre-desk", task, "bind-bed", "bed", bed1), "no-reservation")
		h.must("centre-desk", task, "release-bed", "reason", "患者改期")
		h.want(task, "accepted-no-bed", "", true)
		h.must("county-sender", task, "cancel", "reason", "improved")
		h.want(task, "cancelled", "", false)
	})
}

// Whatever ends a case that holds a bed gives it back.
func TestEveryEndGivesTheBedBack(t *testing.T) {
	for _, c := range []struct {
		who, step, state string
		answers          []any
	}{
		{"county-sender", "cancel", "cancelled", []any{"reason", "improved"}},
		{"county-sender", "refuse", "refused", []any{"reason", "cost"}},
		{"county-sender", "arrived-elsewhere", "arrived-elsewhere", []any{"place", "省医院"}},
		{"county-sender", "managed-outside", "managed-outside", []any{"place", "省医院"}},
		{"centre-office", "no-show", "no-show", nil},
		{"centre-office", "redirect", "redirected", []any{"to", ref("Organization/centre2"), "reason", "capacity-full", "consent", "patient"}},
		{"centre-desk", "release-bed", "accepted-no-bed", []any{"reason", "x"}},
	} {
		t.Run(c.step, func(t *testing.T) {
			h := newHospital(t, storetest.Memory)
			task := h.accepted("urgent", "wang")
			h.must("centre-desk", task, "hold-bed", "bed", bed1)
			h.must(c.who, task, c.step, c.answers...)
			h.want(task, c.state, "", c.state == "accepted-no-bed")
		})
	}
	t.Run("expire", func(t *testing.T) {
		h := newHospital(t, storetest.Memory)
		task := h.accepted("urgent", "wang")
		h.turn(31 * 24 * time.Hour)
		for range 5 {
			h.tick()
		}
		h.want(task, "expired", "", false)
	})
}

func TestABedWithTheAcceptance(t *testing.T) {
	h := newHospital(t, storetest.Memory)
	task := h.sent("urgent", "wang")
	h.must("centre-office", task, "receive", "department", ref("Organization/centre-cardiology"))
	h.wantRefused(h.do("centre-doctor", task, "accept", "outcome", "admission", "coordinator", "王", "phone", "0990-7654321", "bed", bed1), "needs-bed-desk")
	h.wantRefused(h.do("centre-chief", task, "accept", "outcome", "clinic", "coordinator", "王", "phone", "0990-7654321", "bed", bed1), "no-admission")
	h.must("centre-chief", task, "accept", "outcome", "admission", "coordinator", "王", "phone", "0990-7654321", "bed", bed1, "expected", h.after(time.Hour))
	h.want(task, "bed-held", "Location/bed-1", false)
}

func TestWithoutARegisterNothingWaitsForABed(t *testing.T) {
	h := newHospital(t, storetest.Memory)
	task := h.mustStart("village-sender", "up", form("county", "routine"))
	h.must("county-office", task, "receive")
	h.must("county-doctor", task, "accept", "outcome", "admission", "coordinator", "王", "phone", "0990-7654321")
	h.want(task, "accepted", "", false)
	h.must("village-sender", task, "depart")
	h.must("county-office", task, "arrive")
	h.must("county-doctor", task, "admit", "reason", "肺炎")
	h.want(task, "arrived", "", false)

	clinic := h.sent("routine", "wang")
	h.must("centre-office", clinic, "receive")
	h.must("centre-doctor", clinic, "accept", "outcome", "clinic", "coordinator", "王", "phone", "0990-7654321")
	h.want(clinic, "accepted", "", false) // who comes to the clinic needs no bed
	h.must("county-sender", clinic, "depart")
	h.must("centre-office", clinic, "arrive")
	h.must("centre-doctor", clinic, "admit", "reason", "需住院", "department", ref("Organization/centre-cardiology"))
	h.want(clinic, "arrived", "", true) // with the order he does
	h.must("centre-desk", clinic, "hold-bed", "bed", bed1)
	h.want(clinic, "arrived", "Location/bed-1", false)
}
