package beds

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// Whatever happens to beds, in whatever order, what this room keeps is what the bookings say.
func TestWhatIsKeptIsWhatTheBookingsSay(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		for seed := range uint64(2) {
			h := setUp(t, open).standard()
			h.staffed(50)
			rnd := rand.New(rand.NewPCG(seed, 7))
			var beds []string
			for _, b := range h.look().Beds {
				beds = append(beds, b.ID)
			}
			holders := make([]string, 14)
			for i := range holders {
				holders[i] = fmt.Sprint("p", i)
				h.waits(holders[i], []string{"male", "female"}[i%2], []string{"cardiology", "respiratory"}[i%3%2])
			}
			next := len(holders)
			steps, done := 150, 0
			for i := range steps {
				at := rnd.IntN(len(holders))
				who, bed := holders[at], beds[rnd.IntN(len(beds))]
				c := booking.Command{Thing: bed, Pool: centre, Holder: "Task/" + who, Patient: "Patient/" + who}
				switch rnd.IntN(11) {
				case 0, 1, 2:
					c.Do, c.Expires = booking.Hold, h.clock.Now().Add(time.Duration(10+rnd.IntN(120))*time.Minute)
				case 3, 4:
					c.Do = booking.Occupy
					if rnd.IntN(2) == 0 {
						c.Thing = ""
					}
				case 5:
					c.Do = booking.Move
				case 6:
					c.Do, c.Reason = booking.Release, "done"
				case 7:
					c.Do, c.Until, c.Reason = booking.Plan, h.clock.Now().Add(5*time.Hour), "likely"
				case 8:
					c.Do = []booking.Verb{booking.Freeze, booking.Confirm}[rnd.IntN(2)]
				case 9:
					c.Do, c.Reason, c.Expires = booking.Displace, "emergency", h.clock.Now().Add(time.Hour)
				case 10:
					c.Do, c.To = booking.HandOver, fmt.Sprint("Task/p", next)
				}
				if err := h.try(nil, c); err == nil {
					if done++; c.Do == booking.HandOver {
						holders[at] = fmt.Sprint("p", next)
						h.patient(holders[at], "male")
						next++
					}
				} else if len(details(err)) == 0 {
					t.Fatalf("step %d, %s: %v", i, c.Do, err)
				}
				if rnd.IntN(4) == 0 {
					h.clock.Turn(time.Duration(rnd.IntN(40)) * time.Minute)
				}
				if rnd.IntN(5) == 0 {
					h.tick()
				}
				if i%5 == 0 {
					h.agrees(i)
				}
			}
			if done < steps/4 {
				t.Errorf("only %d of %d steps were done: the test says little", done, steps)
			}
		}
	})
}

// agrees compares what the room keeps with the bookings.
func (h *hospital) agrees(step int) {
	h.t.Helper()
	l := h.look()
	var holds []booking.Booking
	h.view(func(tx *store.Tx) (err error) { holds, err = h.bookings.Holds(ctx, tx, centre); return err })
	by := map[string]booking.Booking{}
	for _, b := range holds {
		by[b.Thing] = b
	}
	if len(by) != len(l.Uses) {
		h.t.Fatalf("step %d: %d beds are booked and %d in use here", step, len(by), len(l.Uses))
	}
	people := map[int]int{}
	for _, b := range l.Beds {
		k, booked := by[b.ID]
		u := l.Uses[b.ID]
		if !booked {
			if b.State != allocate.Free && b.State != allocate.Cleaning {
				h.t.Fatalf("step %d: %s is %s and nobody has it", step, b.ID, b.State)
			}
			continue
		}
		people[b.Room]++
		if u.Booking != k.ID || u.Holder != k.Holder || u.State != k.State || !u.Expires.Equal(k.Expires) {
			h.t.Fatalf("step %d: %s: got %+v; want %+v", step, b.ID, u, k)
		}
		want := allocate.Held
		if k.State == booking.Occupied {
			want = allocate.Occupied
			if u.Lent {
				want = allocate.Lent
			}
			if !b.Frees.Equal(k.Planned) {
				h.t.Fatalf("step %d: %s frees at %v; want %v", step, b.ID, b.Frees, k.Planned)
			}
		}
		if b.State != want {
			h.t.Fatalf("step %d: %s is %s; want %s", step, b.ID, b.State, want)
		}
		if said := h.location(strings.TrimPrefix(b.ID, "Location/")); !strings.HasSuffix(said, string(want)) {
			h.t.Fatalf("step %d: the Location of %s says %q; want %s", step, b.ID, said, want)
		}
	}
	for i, room := range l.Rooms {
		if got := room.Men + room.Women + room.Others; got != people[i] {
			h.t.Fatalf("step %d: %s counts %d; want %d", step, room.ID, got, people[i])
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	h := setUp(b, storetest.Memory)
	h.ward("cardiology", "east", 12)
	h.waits("li", "male", "cardiology")
	by := desk("bed-desk", centre)
	c := hold("li", "cardiology-male-1", h)
	h.view(func(tx *store.Tx) error { _, err := h.Look(ctx, tx, centre); return err })
	h.update(func(tx *store.Tx) error {
		for b.Loop() {
			if err := h.Guard(ctx, tx, by, &c, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkHoldAndRelease(b *testing.B) {
	h := setUp(b, storetest.Memory)
	h.ward("cardiology", "east", 12)
	h.waits("li", "male", "cardiology")
	h.view(func(tx *store.Tx) error { _, err := h.Look(ctx, tx, centre); return err })
	for b.Loop() {
		h.do(nil, hold("li", "cardiology-male-1", h))
		h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/li", Reason: "x"})
	}
}
