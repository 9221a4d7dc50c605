package beds

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func TestRegisterFollowsFromLocations(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		l := h.look()
		if len(l.Wards) != 3 || len(l.Rooms) != 12 || len(l.Beds) != 7+7+4 {
			t.Fatalf("got %d wards, %d rooms, %d beds; want 3, 12, 18", len(l.Wards), len(l.Rooms), len(l.Beds))
		}
		i := slices.IndexFunc(l.Wards, func(w allocate.Ward) bool { return w.Name == "respiratory ward" })
		w := l.Wards[i]
		if w.ID != "Organization/centre-respiratory" || w.Campus != "Location/west" || !w.Lends || !slices.Equal(w.Neighbours, []string{"cardiology"}) || w.Free != 7 || !w.Stale {
			t.Errorf("got %+v", w)
		}
		for _, b := range l.Beds {
			if b.State != allocate.Free || b.Equipment != allocate.Oxygen || l.Rooms[b.Room].ID == "" {
				t.Errorf("got %+v", b)
			}
		}
	})
}

func TestABedBeforeItsWardIsFoundLater(t *testing.T) {
	h := setUp(t, storetest.Memory)
	h.ward("cardiology", "east", 1)
	h.view(func(tx *store.Tx) error {
		pools, err := h.Pools(ctx, tx)
		if pools[centre] != 4 {
			t.Errorf("got %v; want 4 beds of the centre", pools)
		}
		return err
	})
}

func TestTheWayOfABed(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		h.staffed(3)
		h.waits("li", "male", "cardiology")
		for _, step := range []struct {
			does string
			do   func()
			want string
		}{
			{"a hold", func() {
				h.do(nil, hold("li", "cardiology-male-1", h), booking.Command{Do: booking.Leave, Holder: "Task/li"})
			}, "U held"},
			{"he lies there", func() { h.do(nil, booking.Command{Do: booking.Occupy, Holder: "Task/li"}) }, "O occupied"},
			{"a stay takes it over", func() { h.do(nil, booking.Command{Do: booking.HandOver, Holder: "Task/li", To: "Task/stay"}) }, "O occupied"},
			{"he leaves", func() { h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/stay"}) }, "H cleaning"},
			{"the time is not over", func() { h.clock.Turn(29 * time.Minute); h.tick() }, "H cleaning"},
			{"it is", func() { h.clock.Turn(time.Minute); h.tick() }, "U free"},
		} {
			step.do()
			if got := h.location("cardiology-male-1"); got != step.want {
				t.Fatalf("%s: got %q; want %q", step.does, got, step.want)
			}
		}
		if err := event.Sequence(ctx, h.store); err != nil {
			t.Fatal(err)
		}
		h.view(func(tx *store.Tx) error {
			all, err := uses(ctx, tx, "ORDER BY seq")
			if len(all) != 2 || all[0].Ending != "occupied" || all[1].Ending != "released" || all[1].Holder != "Task/stay" || all[1].Sex != allocate.Male || all[1].Specialty != "cardiology" {
				t.Errorf("got %+v", all)
			}
			events, err2 := event.After(ctx, tx, centre, 0, 100)
			var said []string
			for _, e := range events {
				if e.Kind == "beds.state" {
					said = append(said, e.Data["state"])
				}
			}
			if !slices.Equal(said, []string{"held", "occupied", "cleaning", "free"}) {
				t.Errorf("got events %v", said)
			}
			if err == nil {
				err = err2
			}
			return err
		})
	})
}

func TestHardRulesInTheUnit(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		h.waits("woman", "female", "cardiology")
		h.waits("icu", "male", "cardiology", func(q *allocate.Request) { q.Level = allocate.ICU })
		h.waits("air", "male", "cardiology", func(q *allocate.Request) { q.Isolation = "airborne" })
		h.waits("lung", "male", "respiratory")
		h.waits("special", "male", "respiratory", func(q *allocate.Request) { q.Nursing = "special" })
		for _, c := range []struct {
			rule, who, bed string
			override       []string
			want           string
		}{
			{"no woman in a room for men", "woman", "cardiology-male-1", nil, "bed-sex"},
			{"nobody sets that aside", "woman", "cardiology-male-1", []string{"sex"}, "bed-sex"},
			{"level", "icu", "cardiology-male-1", nil, "bed-level"},
			{"isolation", "air", "cardiology-male-1", nil, "bed-isolation"},
			{"a ward that has not set its shift is closed to others", "lung", "cardiology-male-1", nil, "bed-stale"},
			{"the bed desk does not set that aside", "lung", "cardiology-male-1", []string{"stale"}, "override-not-yours"},
			{"a protected ward", "lung", "obstetrics-male-1", nil, "bed-protected"},
		} {
			k := hold(c.who, c.bed, h)
			k.Override, k.Reason = c.override, "why"
			if got := details(h.try(nil, k)); !slices.Contains(got, c.want) {
				t.Errorf("%s: got %v; want %s", c.rule, got, c.want)
			}
		}
		stale := hold("lung", "cardiology-male-1", h)
		stale.Override = []string{"stale"}
		if got := details(h.try(desk(NursingDuty, centre), stale)); !slices.Equal(got, []string{"needs-reason"}) {
			t.Errorf("the nursing duty chief without a reason: got %v", got)
		}
		stale.Reason = "two nurses come from the pool"
		h.do(desk(NursingDuty, centre), stale)
		h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/lung"})

		h.staffed(0.5) // 10 points in the evening
		h.do(nil, hold("lung", "cardiology-male-1", h))
		if l := h.look(); l.Wards[slices.IndexFunc(l.Wards, func(w allocate.Ward) bool { return w.Name == "cardiology ward" })].Load != 1.5 {
			t.Errorf("got %+v; want a load of 1.5", l.Wards)
		}
		h.staffed(0.2) // 4 points: 1.5 are there, 6 would come
		if got := details(h.try(nil, hold("special", "cardiology-male-2", h))); !slices.Contains(got, "bed-nursing") {
			t.Errorf("beyond the nurses: got %v", got)
		}
		if got := h.location("cardiology-male-1"); got != "U held" {
			t.Errorf("got %q", got)
		}
	})
}

func TestTwoHoldsDoNotPassALimitTogether(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		h.staffed(0.1) // 2 points: one patient of level 2
		const n = 6
		for i := range n {
			h.waits(fmt.Sprint("p", i), "male", "respiratory")
		}
		beds := []string{"cardiology-male-1", "cardiology-male-2", "cardiology-mixed-1", "cardiology-mixed-2", "cardiology-single-1", "cardiology-male-2"}
		errs := make(chan error, n)
		for i := range n {
			go func() { errs <- h.try(nil, hold(fmt.Sprint("p", i), beds[i], h)) }()
		}
		won := 0
		for range n {
			if err := <-errs; err == nil {
				won++
			} else if got := details(err); !slices.Contains(got, "bed-nursing") && !slices.Contains(got, "taken") {
				t.Errorf("got %v", err)
			}
		}
		if won != 1 {
			t.Errorf("got %d holds; want 1 within the nursing of the shift", won)
		}
	})
}

// A unit that has looked and not yet committed counts: another cannot look at the same ward meanwhile.
func TestALimitHoldsWhileAnotherUnitIsOpen(t *testing.T) {
	if os.Getenv("XINGLIN_TEST_POSTGRES") == "" {
		t.Skip("one writer at a time without PostgreSQL: XINGLIN_TEST_POSTGRES names no server")
	}
	h := setUp(t, storetest.Postgres).standard()
	h.staffed(0.1)
	h.waits("first", "male", "respiratory")
	h.waits("second", "male", "respiratory")
	looked, both := make(chan struct{}), make(chan struct{})
	var once, other sync.Once
	first := make(chan error)
	go func() {
		first <- h.store.Update(ctx, func(tx *store.Tx) error {
			err := h.bookings.Do(ctx, tx, desk("bed-desk", centre), hold("first", "cardiology-male-1", h))
			if err != nil { // it starts again with its locks
				return err
			}
			once.Do(func() { close(looked) })
			select {
			case <-both: // the other has looked too, before this one committed
			case <-time.After(300 * time.Millisecond): // it is made to wait, as it should be
			}
			return err
		})
	}()
	<-looked
	err := h.store.Update(ctx, func(tx *store.Tx) error {
		err := h.bookings.Do(ctx, tx, desk("bed-desk", centre), hold("second", "cardiology-mixed-1", h))
		if err == nil {
			other.Do(func() { close(both) })
		}
		return err
	})
	if e := <-first; e != nil {
		t.Fatalf("the first: %v", e)
	}
	if got := details(err); !slices.Contains(got, "bed-nursing") {
		t.Errorf("the second got %v; want bed-nursing", err)
	}
}

func TestABedIsOfItsOwnHospital(t *testing.T) {
	h := setUp(t, storetest.Memory).standard()
	h.staffed(3)
	h.waits("li", "male", "cardiology")
	strange := hold("li", "cardiology-male-1", h)
	strange.Pool = "Organization/elsewhere"
	for _, by := range []*access.Caller{desk("bed-desk", centre), desk(system, centre)} {
		if got := details(h.try(by, strange)); !slices.Equal(got, []string{"other-pool"}) {
			t.Errorf("by %s: got %v; want other-pool", by.Role, got)
		}
	}
}

// Where the ward says so, time alone makes no bed clean: it may be promised, but nobody lies down in it.
func TestNobodyLiesDownBeforeTheBedIsSaidToBeClean(t *testing.T) {
	h := setUp(t, storetest.Memory)
	h.ward("cardiology", "east", 1, fhir.Extension(ConfirmsOf, "valueBoolean", true))
	h.staffed(3)
	h.waits("first", "male", "cardiology")
	h.waits("next", "male", "cardiology")
	h.do(nil, occupy("first", "cardiology-male-1"))
	h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/first"})
	h.clock.Turn(3 * time.Hour)
	h.tick()
	h.do(nil, hold("next", "cardiology-male-1", h))
	for _, use := range []booking.Command{{Do: booking.Occupy, Holder: "Task/next"}, occupy("next", "cardiology-male-1"), occupy("walk-in", "cardiology-male-1")} {
		if use.Holder == "Task/walk-in" {
			h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/next"})
			h.patient("walk-in", "male")
		}
		if got := details(h.try(nil, use)); !slices.Contains(got, "bed-unclean") {
			t.Fatalf("%s: got %v; want bed-unclean", use.Holder, got)
		}
	}
	his := occupy("walk-in", "cardiology-male-1") // the hospital's system says what has happened
	his.Fact = true
	h.do(nil, his)
	h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/walk-in"})
	h.clock.Turn(3 * time.Hour)
	h.tick()
	h.do(nil, hold("next", "cardiology-male-1", h))
	h.update(func(tx *store.Tx) error {
		_, err := h.SetState(ctx, tx, desk("head-nurse", "Organization/centre-cardiology"), "Location/cardiology-male-1", allocate.Free, "")
		return err
	})
	h.do(nil, occupy("next", "cardiology-male-1"))
}
