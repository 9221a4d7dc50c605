package booking

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// ask is what a client of a history does to one thing; what it got is the refusal's code, "" = done.
type ask struct {
	verb          Verb
	thing, holder string
}

// has is the state of one thing in the model.
type has struct {
	holder string
	state  State
}

// model says what one thing must answer, were its clients one after the other.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byThing := map[string][]porcupine.Operation{}
		for _, o := range history {
			byThing[o.Input.(ask).thing] = append(byThing[o.Input.(ask).thing], o)
		}
		var all [][]porcupine.Operation
		for _, h := range byThing {
			all = append(all, h)
		}
		return all
	},
	Init: func() any { return has{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, got := state.(has), input.(ask), output.(string)
		mine := s.holder == in.holder
		switch in.verb {
		case Hold:
			if s.holder == "" || mine && s.state == Held {
				return got == "", has{in.holder, Held}
			}
			if mine {
				return got == "holds-already", s
			}
			return got == "taken", s
		case Displace:
			if s.holder == "" || s.state == Held {
				return got == "", has{in.holder, Held}
			}
			if mine {
				return got == "holds-already", s
			}
			return got == "not-displaceable", s
		case Occupy:
			if mine {
				return got == "", has{in.holder, Occupied}
			}
			return got == "nothing-held", s
		case Release:
			if mine {
				return got == "", has{}
			}
			return got == "", s
		}
		return false, s
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v -> %q", input, output)
	},
}

// all multiplies what a proof does when everything is to be run.
func all(n int) int {
	if os.Getenv("XINGLIN_ALL") != "" {
		return n * 20
	}
	return n
}

// Many clients at once, on few things: what they were answered could have been answered one after the other.
func TestHistoriesAreLinearizable(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		b := setUp(t, open, func(o *Options) { o.Raise = nil })
		const clients, things = 16, 4
		each := all(40)
		history := make([][]porcupine.Operation, clients)
		begun := time.Now()
		var wg sync.WaitGroup
		for c := range clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rnd := rand.New(rand.NewPCG(1, uint64(c)))
				holder := fmt.Sprintf("Task/c%d", c)
				thing := fmt.Sprintf("Location/%d", c%things)
				for range each {
					if rnd.IntN(6) == 0 { // to another thing, leaving nothing behind
						history[c] = append(history[c], b.timed(begun, c, ask{Release, thing, holder}))
						thing = fmt.Sprintf("Location/%d", rnd.IntN(things))
					}
					verb := []Verb{Hold, Hold, Hold, Displace, Occupy, Release, Release}[rnd.IntN(7)]
					history[c] = append(history[c], b.timed(begun, c, ask{verb, thing, holder}))
				}
			}()
		}
		wg.Wait()
		var whole []porcupine.Operation
		for _, h := range history {
			whole = append(whole, h...)
		}
		if got := porcupine.CheckOperationsTimeout(model, whole, time.Minute); got != porcupine.Ok {
			t.Fatalf("the history of %d operations is %s", len(whole), got)
		}
		done := 0
		for _, o := range whole {
			if o.Output == "" {
				done++
			}
		}
		t.Logf("%d operations, %d done, in %s", len(whole), done, time.Since(begun).Round(time.Millisecond))
		b.sound()
	})
}

// timed performs one operation and notes from when to when it ran.
func (b *bench) timed(begun time.Time, client int, a ask) porcupine.Operation {
	command := Command{Do: a.verb, Thing: a.thing, Pool: centre, Holder: a.holder, Reason: "test"}
	if a.verb == Hold || a.verb == Displace {
		command.Expires = b.in(time.Hour)
	}
	if a.verb == Occupy {
		command.Thing = ""
	}
	call := time.Since(begun)
	err := b.patient(command)
	got := Detail(err)
	if err != nil && got == "" {
		b.t.Errorf("%+v: %v", a, err)
	}
	return porcupine.Operation{ClientId: client, Input: a, Call: int64(call), Output: got, Return: int64(time.Since(begun))}
}

// patient prepares again as the runner of steps does.
func (b *bench) patient(commands ...Command) (err error) {
	for range 100 {
		if err = b.try(commands...); !errors.Is(err, store.ErrTryAgain) && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return err
}

// sound fails where an invariant does not hold.
func (b *bench) sound() {
	b.t.Helper()
	b.view(func(tx *store.Tx) error {
		wrong, err := Check(ctx, tx)
		for _, w := range wrong {
			b.t.Error(w)
		}
		return err
	})
}

// Who gives a thing back that another takes meanwhile does not offer it: his unit had not seen the other's when it began.
func TestAThingIsNotOfferedThatWasTakenMeanwhile(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		b := setUp(t, open)
		thing := "Location/1"
		b.do(Command{Do: Hold, Thing: thing, Pool: centre, Holder: "Task/first", Patient: "Patient/1", Until: b.in(time.Minute), Expires: b.in(time.Hour)})
		b.clock.Turn(2 * time.Minute) // its time is over, though he holds it still
		take := Command{Do: Hold, Thing: thing, Pool: centre, Holder: "Task/second", Patient: "Patient/2", Expires: b.in(time.Hour)}
		started, tried := make(chan struct{}), make(chan error)
		go func() {
			<-started
			tried <- b.patient(take)
		}()
		tries := 0
		err := b.Store.Update(ctx, func(tx *store.Tx) error {
			if _, err := b.Of(ctx, tx, "Task/first"); err != nil {
				return err
			}
			if tries++; tries == 1 {
				close(started)
				select { // on SQLite the other waits until this unit is over
				case err := <-tried:
					go func() { tried <- err }()
				case <-time.After(500 * time.Millisecond):
				}
			}
			return b.Do(ctx, tx, desk, Command{Do: Release, Holder: "Task/first"})
		})
		if err := errors.Join(err, <-tried); err != nil {
			t.Fatal(err)
		}
		b.sound()
	})
}

// A storm of all that can happen, while time runs, holds lapse and waiters are told. Afterwards nothing was given twice in
// one moment, nothing leaks, nobody is forgotten.
func TestStorm(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		begun := time.Now()
		b := setUp(t, func(t testing.TB, o store.Options) *store.Store {
			o.Clock = clock.System
			return open(t, o)
		}, func(o *Options) {
			o.Clock = clock.System
			o.Units = func(_ context.Context, _ *store.Tx, _ string, _ time.Time) (int, error) { return 3, nil }
		})
		var mu sync.Mutex
		informed := map[string]int{}
		b.Inform = func(_ context.Context, holder, step string, _ *fhir.Node) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			informed[holder]++
			if informed[holder]%5 == 0 {
				return false, errors.New("the step fails now and then")
			}
			return true, nil
		}
		const clients, things = 24, 8
		each := all(25)
		capacity := "capacity:" + centre + "/g/general/male" + Any
		var did, refused atomic.Int64
		stop := make(chan struct{})
		var ticking, wg sync.WaitGroup
		for range 2 { // two hubs on one database
			ticking.Add(1)
			go func() {
				defer ticking.Done()
				for {
					select {
					case <-stop:
						return
					default:
						b.Tick(ctx) // its errors come again below
					}
				}
			}()
		}
		for c := range clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rnd := rand.New(rand.NewPCG(2, uint64(c)))
				me := fmt.Sprintf("Task/s%d", c)
				thing := func() string {
					if rnd.IntN(5) == 0 {
						return capacity
					}
					return fmt.Sprintf("Location/%d", rnd.IntN(things))
				}
				for i := range each {
					now := time.Now()
					hold := Command{Do: Hold, Thing: thing(), Pool: centre, Holder: me, Patient: "Patient/" + me[5:], Expires: now.Add(time.Duration(1+rnd.IntN(60)) * time.Millisecond)}
					if rnd.IntN(4) == 0 {
						hold.From = now.Add(time.Duration(rnd.IntN(100)) * time.Millisecond)
						hold.Until = hold.From.Add(time.Duration(1+rnd.IntN(100)) * time.Millisecond)
					}
					do := []Command{hold}
					switch rnd.IntN(14) {
					case 0:
						do = []Command{{Do: Confirm, Holder: me}}
					case 1:
						do = []Command{{Do: Occupy, Holder: me}}
					case 2:
						do = []Command{{Do: Move, Holder: me, Thing: fmt.Sprintf("Location/%d", rnd.IntN(things))}}
					case 3:
						do = []Command{{Do: Freeze, Holder: me}, {Do: Thaw, Holder: me, Expires: now.Add(20 * time.Millisecond)}}
					case 4:
						to := fmt.Sprintf("Task/s%d-stay%d", c, i)
						do = []Command{{Do: HandOver, Holder: me, To: to}, {Do: Occupy, Holder: to}, {Do: Release, Holder: to}}
					case 5:
						do[0].Do, do[0].Thing, do[0].Reason = Displace, fmt.Sprintf("Location/%d", rnd.IntN(things)), "emergency"
					case 6, 7:
						do = []Command{{Do: Await, Holder: me, Wait: &Wait{Pool: centre, Rank: rnd.IntN(3)}}}
					case 8:
						do = []Command{{Do: Leave, Holder: me}}
					case 9, 10, 11:
						do = []Command{{Do: Release, Holder: me}}
					}
					switch err := b.patient(do...); {
					case err == nil:
						did.Add(1)
					case Detail(err) != "":
						refused.Add(1)
					default:
						t.Errorf("%s: %v", do[0].Do, err)
					}
				}
			}()
		}
		wg.Wait()
		close(stop)
		ticking.Wait()
		b.sound()
		if did.Load() == 0 || refused.Load() == 0 {
			t.Fatalf("%d done and %d refused; the test says nothing", did.Load(), refused.Load())
		}
		// Time passes: holds end, whoever waits is told of what is free, and who has lost something is informed.
		late := clock.At(time.Now().Add(time.Hour))
		s := b.Store
		for range 20 {
			at := late.Turn(again)
			err := s.Update(ctx, func(tx *store.Tx) error { // the clock of this store runs by the machine: bring the ends near instead
				_, err := tx.Exec(ctx, "UPDATE booking_row SET expires = 1 WHERE state = 'held' AND expires > 0")
				if err == nil {
					_, err = tx.Exec(ctx, "UPDATE booking_row SET inform_at = 1 WHERE inform_at > 0 AND inform_at < ?", at.UnixMicro())
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := b.Tick(ctx); n == 0 && err == nil {
				break
			}
		}
		b.view(func(tx *store.Tx) error {
			for _, q := range []struct{ query, says string }{
				{"SELECT count(*) FROM booking_row WHERE state = 'held' AND expires > 0", "holds that have run out and still stand"},
				{"SELECT count(*) FROM booking_row WHERE inform_at > 0", "holders who were not informed"},
				{"SELECT count(*) FROM booking_wait w WHERE w.live = 1 AND w.offer = '' AND EXISTS (SELECT 1 FROM booking_free f WHERE f.pool = w.pool AND f.open = 1 AND f.offer = '')", "waiters who were forgotten"},
				{"SELECT count(*) FROM booking_wait WHERE live = 1 AND fresh > seen", "waiters who were not looked at"},
			} {
				var n int64
				if err := tx.Query(ctx, q.query, nil, func(scan func(...any) error) error { return scan(&n) }); err != nil {
					return err
				}
				if n > 0 {
					t.Errorf("%d %s", n, q.says)
				}
			}
			return nil
		})
		t.Logf("%d done, %d refused in %s", did.Load(), refused.Load(), time.Since(begun).Round(time.Millisecond))
	})
}

// Check finds what is wrong.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	b := setUp(t, storetest.Memory)
	b.do(held("Task/a", "Location/1", b.in(time.Hour)))
	b.clock.Turn(time.Minute)
	b.do(Command{Do: Release, Holder: "Task/a"})
	b.do(held("Task/b", "Location/1", b.in(time.Hour)))
	b.clock.Turn(time.Minute)
	b.sound()
	for _, spoil := range []string{
		"UPDATE booking_row SET until_at = until_at + 1000000, since = since + 1000000 WHERE holder = 'Task/a'",
		"UPDATE booking_row SET state = 'confirmed' WHERE holder = 'Task/b'",
		"DELETE FROM booking_log WHERE version = 1",
		"DELETE FROM booking_row WHERE holder = 'Task/b'",
		"UPDATE booking_free SET open = 1",
	} {
		err := b.Store.Update(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(ctx, spoil); err != nil {
				return err
			}
			wrong, err := Check(ctx, tx)
			if err == nil && len(wrong) == 0 {
				t.Errorf("%s: nothing found", spoil)
			}
			return errors.Join(err, errors.New("undone"))
		})
		if err == nil {
			t.Fatal("it was kept")
		}
	}
	b.sound()
}
