package hubtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// 64 clients fight for 100 beds on a whole hub on disk: hard rules, Appointment, Location, event and audit of each decision.
// XINGLIN_BENCH_BOOKING says how many attempts; `make bench-booking` makes 100,000.
func TestBookingLoad(t *testing.T) {
	attempts := 1500
	if s := os.Getenv("XINGLIN_BENCH_BOOKING"); s != "" {
		var err error
		if attempts, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("sqlite", func(t *testing.T) { bookingLoad(t, server.Options{}, attempts) })
	t.Run("postgres", func(t *testing.T) {
		bookingLoad(t, server.Options{DB: storetest.PostgresURL(t)}, max(attempts/20, 200))
	})
}

func bookingLoad(t *testing.T, o server.Options, attempts int) {
	const clients, beds = 64, 100
	h := hubtest.Open(t, o)
	ctx := context.Background()
	put := func(text string) {
		n, err := fhir.Parse([]byte(text))
		if err == nil {
			err = h.Store.Update(ctx, func(tx *store.Tx) error {
				ready, err := store.Prepare(n)
				if err != nil {
					return err
				}
				_, err = tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, Custodian: "Organization/centre", ByStep: true})
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const at = `"status":"active","managingOrganization":{"reference":"Organization/centre"}`
	for w := range 5 {
		put(fmt.Sprintf(`{"resourceType":"Location","id":"ld-w%d",%s,"physicalType":{"coding":[{"code":"wa"}]},"extension":[{"url":"https://xinglin.health/fhir/StructureDefinition/ward-specialty","valueCode":"load"}]}`, w, at))
	}
	for b := range beds {
		put(fmt.Sprintf(`{"resourceType":"Location","id":"ld-%d",%s,"name":"%d 床","physicalType":{"coding":[{"code":"bd"}]},"partOf":{"reference":"Location/ld-w%d"}}`, b, at, b, b%5))
	}
	by := &access.Caller{User: "load", Name: "load", Role: access.Program, Org: "Organization/centre", Institution: "Organization/centre", Scopes: []string{"system/*.cruds"}}
	h.Tree.Settle(by)
	as := access.With(ctx, by)
	decide := func(c booking.Command) error {
		for try := 0; ; try++ {
			err := h.Store.Update(as, func(tx *store.Tx) error {
				if err := h.Bookings.Do(as, tx, by, c); err != nil {
					return err
				}
				e := audit.By(by)
				e.At, e.Wall, e.Action, e.What, e.Target, e.Patients, e.Count = tx.Now(), time.Now(), "U", "load:"+string(c.Do), c.Holder, []string{c.Patient}, 1
				return h.Audit.Write(as, tx, e)
			})
			if try < 20 && (errors.Is(err, store.ErrTryAgain) || errors.Is(err, store.ErrConflict)) {
				continue
			}
			return err
		}
	}
	var mu sync.Mutex
	count := map[string]int{}
	var times []time.Duration
	begun := time.Now()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := rand.New(rand.NewPCG(3, uint64(c)))
			mine := map[string]int{}
			var took []time.Duration
			var has []string
			for i := range attempts / clients {
				cmd := booking.Command{Do: booking.Release, Reason: "load"}
				if len(has) > 0 && rnd.IntN(8) < 2*len(has) { // the more a desk has, the sooner it gives back
					cmd.Holder, has = has[0], has[1:]
				} else {
					holder := fmt.Sprintf("Task/ld-%d-%d", c, i)
					cmd = booking.Command{Do: booking.Hold, Thing: fmt.Sprintf("Location/ld-%d", rnd.IntN(beds)), Pool: "Organization/centre", Holder: holder, Patient: fmt.Sprintf("Patient/p%04d", 1+c%50),
						Expires: h.Clock.Now().Add(time.Hour), Wait: &booking.Wait{Holder: holder, Pool: "Organization/centre", Needs: []byte(`{"specialty":"load","urgency":"elective"}`)}}
				}
				cut := time.Now()
				err := decide(cmd)
				took = append(took, time.Since(cut))
				var no *fhir.Error
				switch {
				case err == nil:
					mine[string(cmd.Do)]++
					if cmd.Do == booking.Hold {
						has = append(has, cmd.Holder)
					}
				case errors.As(err, &no):
					mine["refused "+no.Issues[0].Detail]++
				default:
					t.Error(err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for k, n := range mine {
				count[k] += n
			}
			times = append(times, took...)
		}()
	}
	wg.Wait()
	took := time.Since(begun)
	all, refused := 0, 0
	for k, n := range count {
		all += n
		if k != "hold" && k != "release" {
			refused += n
		}
	}
	err := h.Store.View(ctx, func(tx *store.Tx) error {
		wrong, err := booking.Check(ctx, tx)
		for _, w := range wrong {
			t.Error(w)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if count["hold"] == 0 || count["refused taken"] == 0 {
		t.Errorf("got %v; the test says nothing", count)
	}
	slices.Sort(times)
	per := func(n int) float64 { return float64(n) / took.Seconds() }
	t.Logf("%d decisions in %s: %.0f/s (holds %.0f/s, releases %.0f/s, refusals %.0f/s), p50 %s, p99 %s, none twice; %v", all, took.Round(time.Millisecond), per(all),
		per(count["hold"]), per(count["release"]), per(refused), times[len(times)/2].Round(time.Microsecond), times[len(times)*99/100].Round(time.Microsecond), count)
}
