package beds

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func (h *hospital) figures(days int) (f Figures) {
	h.t.Helper()
	h.view(func(tx *store.Tx) (err error) {
		f, err = h.Figures(ctx, tx, centre, tx.Now().AddDate(0, 0, 1-days), tx.Now())
		return err
	})
	return f
}

func TestLeadersFigures(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		h.staffed(10)
		for i := range 4 {
			h.waits(fmt.Sprint("m", i), "male", "cardiology")
		}
		h.waits("lung", "male", "respiratory")
		h.waits("woman", "female", "cardiology", func(q *allocate.Request) { q.Urgency = allocate.Elective })
		h.clock.Turn(time.Hour)
		h.do(nil, occupy("m0", "cardiology-male-1"))
		h.clock.Turn(time.Hour)
		h.do(nil, occupy("m1", "cardiology-male-2"))
		h.do(nil, occupy("lung", "cardiology-mixed-1")) // lent
		h.do(nil, hold("m2", "cardiology-mixed-2", h))
		if got := details(h.try(nil, hold("woman", "cardiology-male-1", h))); !slices.Equal(got, []string{"taken"}) {
			t.Errorf("got %v", got)
		}
		for range 3 {
			if got := details(h.try(nil, hold("m3", "cardiology-female-1", h))); !slices.Equal(got, []string{"bed-sex"}) {
				t.Errorf("got %v", got)
			}
		}
		h.clock.Turn(6 * time.Hour) // 00:00 of the next day in the hub's zone
		h.tick()                    // the hold has run out
		h.clock.Turn(12 * time.Hour)
		h.do(nil, booking.Command{Do: booking.Move, Holder: "Task/m0", Thing: "Location/cardiology-single-1"})
		h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/lung"})

		f := h.figures(2)
		ward := f.Wards[slices.IndexFunc(f.Wards, func(w StandOf) bool { return w.ID == "Location/w-cardiology" })]
		if ward.Beds != 7 || ward.Occupied != 2 || ward.Cleaning != 2 || ward.Refused != 3 {
			t.Errorf("ward: got %+v", ward)
		}
		// from 16:00: m0 since 17:00 19 h, m1 since 18:00 18 h, lung 18 h until 12:00 of the second day
		if ward.LentDays != 0.75 || f.Days[0].Occupied == 0 || f.Days[0].Refused != 3 || f.Days[0].Lapsed+f.Days[1].Lapsed != 1 {
			t.Errorf("got %+v, %+v", ward, f.Days)
		}
		if want := round((19+18+18)/(7*19.0), 1000); ward.Mean != want {
			t.Errorf("mean occupancy: got %v; want %v", ward.Mean, want)
		}
		urgent := f.Waits[slices.IndexFunc(f.Waits, func(w WaitOf) bool { return w.Urgency == allocate.Urgent })]
		if urgent.Served != 3 || urgent.P50 == nil || *urgent.P50 != 2 || *urgent.P90 != 2 || urgent.Waiting != 5 {
			t.Errorf("urgent: got %+v; a move is no admission", urgent)
		}
		if len(f.Refused) != 1 || f.Refused[0].Code != "sex" || f.Refused[0].N != 3 || f.Holds.Held != 1 || f.Holds.Lapsed != 1 {
			t.Errorf("got %+v %+v", f.Refused, f.Holds)
		}
		if len(f.Campuses) != 2 || f.Campuses[0].Beds+f.Campuses[1].Beds != 18 {
			t.Errorf("got %+v", f.Campuses)
		}
	})
}

func TestCapacityDirectory(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		h.ward("surgery", "east", 1, fhir.Extension(ReserveOf, "valueInteger", 3))
		h.staffed(10)
		h.waits("a", "male", "cardiology")
		h.clock.Turn(3 * time.Hour) // 19:00
		h.do(nil, occupy("a", "cardiology-male-1"))
		h.do(nil, booking.Command{Do: booking.Plan, Holder: "Task/a", Until: h.clock.Now().Add(2 * time.Hour), Reason: "sure"})
		report := func() int {
			n, err := h.Report(ctx, h.store)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := report(); n != 1 {
			t.Fatalf("got %d reports; want 1", n)
		}
		if n := report(); n != 0 {
			t.Errorf("nothing has changed: got %d reports", n)
		}
		read := func(scope search.Scope) *fhir.Node {
			var n *fhir.Node
			h.view(func(tx *store.Tx) error {
				page, err := tx.Search(ctx, storetest.Query(t, "MeasureReport?measure="+CapacityMeasure+"&reporter="+centre, scope))
				if err == nil && len(page.Matches) == 1 {
					n, err = fhir.Parse(page.Matches[0].JSON)
				}
				return err
			})
			return n
		}
		partner := &access.Caller{Role: access.ReferralOffice, Org: "Organization/other"}
		h.tree.Settle(partner)
		n := read(partner.Scope)
		if n == nil {
			t.Fatal("a partner's staff does not find it")
		}
		patient := &access.Caller{Role: access.Patient, Org: centre, Practitioner: "Patient/a"}
		h.tree.Settle(patient)
		if read(patient.Scope) != nil || read(search.Scope{}) != nil {
			t.Error("a patient, or nobody, finds it")
		}
		got := map[string]string{}
		for _, g := range n.All("group") {
			var c []string
			for _, p := range g.All("population") {
				c = append(c, p.Str("count"))
			}
			got[g.Str("code.coding[0].code")] = strings.Join(c, " ") + " " + g.Str("measureScore.value")
		}
		for specialty, want := range map[string]string{"cardiology": "7 6 1 3", "respiratory": "7 7 0 ", "surgery": "4 1 0 "} {
			if got[specialty] != want {
				t.Errorf("%s: got %q; want beds, free, today, typical wait %q", specialty, got[specialty], want)
			}
		}
		if text := string(n.JSON()); strings.Contains(text, "Patient/") || strings.Contains(text, "Task/") {
			t.Error("it names a patient or a case")
		}
		h.clock.Turn(2 * time.Minute)
		h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/a"}) // to be cleaned: still one of today's
		if n := report(); n != 0 {
			t.Errorf("the same numbers: got %d reports", n)
		}
		h.do(nil, hold("a", "respiratory-male-1", h))
		if n := report(); n != 1 {
			t.Errorf("got %d reports; want 1", n)
		}
		h.clock.Turn(30 * time.Second)
		h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/a"})
		if n := report(); n != 0 {
			t.Errorf("within the minute: got %d reports", n)
		}
		h.clock.Turn(time.Minute)
		if n := report(); n != 1 {
			t.Errorf("after the minute: got %d reports", n)
		}
	})
}

func TestReservationsByCount(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open)
		h.ward("cardiology", "east", 1, fhir.Extension(ReserveOf, "valueInteger", 1)) // male, female, mixed, single: 3 beds take a man, 1 is kept
		day := time.Date(2026, 3, 3, 0, 0, 0, 0, h.zone())
		reserve := func(id string) booking.Command {
			h.patient(id, "male")
			return booking.Command{Do: booking.Hold, Thing: "capacity:" + centre + "/cardiology/general/male" + booking.Any, Pool: centre, Holder: "Task/" + id, Patient: "Patient/" + id,
				From: day, Until: day.AddDate(0, 0, 1), Expires: day.Add(18 * time.Hour)}
		}
		h.do(nil, reserve("a"), reserve("b"))
		if got := details(h.try(nil, reserve("c"))); !slices.Equal(got, []string{"taken"}) {
			t.Errorf("a third: got %v", got)
		}
		h.clock.Set(day.Add(8 * time.Hour))
		h.do(nil, booking.Command{Do: booking.Move, Holder: "Task/a", Thing: "Location/cardiology-male-1"}) // that morning it becomes a bed
		if got := h.location("cardiology-male-1"); got != "U held" {
			t.Errorf("got %q", got)
		}
		if got := details(h.try(nil, booking.Command{Do: booking.Move, Holder: "Task/b", Thing: "Location/cardiology-female-1"})); !slices.Contains(got, "bed-sex") {
			t.Errorf("the rules hold for it, too: got %v", got)
		}
	})
}

func TestAbsenceIsFlagged(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		h.waits("a", "male", "cardiology")
		h.do(nil, occupy("a", "cardiology-male-1"))
		h.update(func(tx *store.Tx) error { return h.followAway(ctx, tx, "Task/a", false, true) })
		flags := func() (all []Flag) {
			h.view(func(tx *store.Tx) (err error) { all, _, err = h.Flags(ctx, tx, centre); return err })
			return all
		}
		h.clock.Turn(23 * time.Hour)
		if got := flags(); len(got) != 0 {
			t.Errorf("after 23 hours: got %v", got)
		}
		h.clock.Turn(2 * time.Hour)
		if got := flags(); len(got) != 1 || got[0].Kind != "absence" || got[0].Holder != "Task/a" {
			t.Errorf("after 25 hours: got %v", got)
		}
		h.update(func(tx *store.Tx) error { return h.followAway(ctx, tx, "Task/a", true, false) })
		if got := flags(); len(got) != 1 || got[0].Until.IsZero() {
			t.Errorf("he is back: got %v", got)
		}
		stay := fhir.New("Task", "id", "a", "status", "in-progress", "intent", "order", "for", fhir.Ref("Patient/a", ""), "code", fhir.Obj{"coding", fhir.Arr{
			fhir.Coding(line.LineSystem, "bedpool", ""), fhir.Coding(line.FlowSystem, "bedpool-stay", "")}})
		h.put(stay)
		line.Say(stay, "output", "flag", "", "valueCodeableConcept", fhir.Concept("", "readmission", ""))
		h.put(stay)
		if got := flags(); len(got) != 2 || got[1].Kind != "readmission" || got[1].Holder != "Task/a" {
			t.Errorf("found to follow soon on another one: got %v", got)
		}
	})
}

func TestWaitersAreToldWhenTheBedIsClean(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open)
		h.ward("cardiology", "east", 1)
		h.waits("a", "male", "cardiology")
		h.do(nil, occupy("a", "cardiology-male-1"), booking.Command{Do: booking.Leave, Holder: "Task/a"})
		h.waits("woman", "female", "cardiology", func(q *allocate.Request) { q.Equipment = allocate.Ventilator })
		h.waits("man", "male", "cardiology")
		told := func() (at time.Time) {
			h.tick()
			h.view(func(tx *store.Tx) error {
				w, err := h.bookings.WaitOf(ctx, tx, "Task/man")
				at = w.Told
				return err
			})
			return at
		}
		h.update(func(tx *store.Tx) error {
			for _, bed := range []string{"female", "mixed", "single"} {
				if _, err := h.SetState(ctx, tx, desk("head-nurse", "Organization/centre-cardiology"), "Location/cardiology-"+bed+"-1", allocate.Closed, "检修"); err != nil {
					return err
				}
			}
			return nil
		})
		h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/a"})
		if !told().IsZero() {
			t.Error("told of a bed that is being cleaned")
		}
		h.clock.Turn(31 * time.Minute)
		if told().IsZero() {
			t.Error("not told when the bed is clean")
		}
	})
}

func TestWaitersAreToldOfWhatIsNewAndOfWhatMayBeLent(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open)
		h.ward("cardiology", "east", 1, fhir.Extension(LendsOf, "valueBoolean", true))
		told := func(holder string) bool {
			var w *booking.Wait
			h.tick()
			h.view(func(tx *store.Tx) (err error) { w, err = h.bookings.WaitOf(ctx, tx, "Task/"+holder); return err })
			return !w.Told.IsZero()
		}
		h.waits("own", "male", "cardiology")
		if !told("own") {
			t.Error("not told of a bed that nobody has used yet")
		}
		h.waits("lung", "male", "respiratory")
		if told("lung") {
			t.Error("told of a ward whose shift nobody has set")
		}
		h.clock.Turn(time.Minute)
		h.staffed(5)
		if !told("lung") {
			t.Error("not told when the ward may lend")
		}
	})
}
