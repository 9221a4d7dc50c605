package beds

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/beds/simulate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func TestThePastIsStaysWithoutPersons(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		h.staffed(10)
		before := h.clock.Now()
		h.waits("li", "male", "cardiology")
		h.waits("wu", "female", "respiratory")
		h.clock.Turn(3 * time.Hour)
		h.do(nil, occupy("li", "cardiology-male-1"))
		h.clock.Turn(2 * time.Hour)
		h.do(nil, occupy("wu", "respiratory-female-1"))
		h.clock.Turn(5 * time.Hour)
		h.staffed(10)
		h.do(nil, occupy("li", "respiratory-male-1")) // moved
		h.clock.Turn(14 * time.Hour)
		h.do(nil, booking.Command{Do: booking.Release, Holder: "Task/li"})
		h.view(func(tx *store.Tx) error {
			p, err := h.Past(ctx, tx, centre, before.Add(-time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Stays) != 2 {
				t.Fatalf("got %+v; want two stays", p.Stays)
			}
			for _, s := range p.Stays {
				want, ward := 21.0, "Organization/centre-cardiology"
				if s.Request.Sex == allocate.Female {
					want, ward = 19, "Organization/centre-respiratory"
				}
				if !s.From.Equal(before) || s.Hours != want || s.Request.Urgency != allocate.Urgent || s.Request.Nursing != "2" || s.Ward != "" && s.Ward != ward {
					t.Errorf("got %+v; want %v hours from %v", s, want, before)
				}
			}
			if said := fmt.Sprintf("%+v", p.Stays); strings.Contains(said, "Task/") || strings.Contains(said, "Patient/") {
				t.Errorf("a stay names somebody: %s", said)
			}
			for _, b := range p.Pool.Beds {
				if b.State != allocate.Free {
					t.Errorf("%s is %s; want an empty hospital", b.ID, b.State)
				}
			}
			w, err := simulate.NewRecorded(p.Stays, &p.Pool)
			if err != nil || w.Unknown != 0 {
				t.Fatalf("%v, %d unknown", err, w.Unknown)
			}
			later, err := h.Past(ctx, tx, centre, before.Add(20*time.Hour))
			if err == nil && (len(later.Stays) != 2 || later.Stays[0].Hours > 5 || !later.Stays[0].From.Equal(before.Add(20*time.Hour))) {
				t.Errorf("who lay there already: got %+v", later.Stays)
			}
			if other, err := h.Past(ctx, tx, "Organization/elsewhere", before); err != nil || len(other.Stays) != 0 || len(other.Pool.Beds) != 0 {
				t.Errorf("another hospital: got %+v, %v", other, err)
			}
			return err
		})
	})
}
