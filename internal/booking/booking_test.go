package booking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const centre = "Organization/centre"

// bench is a room on an empty store, with what it told.
type bench struct {
	*Room
	t        testing.TB
	clock    *clock.Turned
	informed []string
	refuse   error // of Inform
}

var ctx = context.Background()

func setUp(t testing.TB, open storetest.Open, also ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, clock: clock.At(storetest.Start)}
	s := open(t, store.Options{Clock: b.clock, Migrations: slices.Concat(event.Migrations, Migrations), Guard: []store.Guard{Guard}, Derive: []store.Deriver{Derive}})
	o := Options{Store: s, Clock: b.clock, Raise: event.Raise, Inform: func(_ context.Context, holder, step string, _ *fhir.Node) (bool, error) {
		if b.refuse != nil {
			return false, b.refuse
		}
		b.informed = append(b.informed, step+" "+holder)
		return true, nil
	}}
	for _, set := range also {
		set(&o)
	}
	b.Room = New(o)
	return b
}

var desk = &access.Caller{User: "desk", Role: "bed-desk", Org: centre, Institution: centre, Scope: search.Everything}

// try performs commands as one unit.
func (b *bench) try(commands ...Command) error {
	return b.Store.Update(ctx, func(tx *store.Tx) error { return b.Do(ctx, tx, desk, commands...) })
}

func (b *bench) do(commands ...Command) {
	b.t.Helper()
	if err := b.try(commands...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) refused(detail string, commands ...Command) {
	b.t.Helper()
	if err := b.try(commands...); Detail(err) != detail {
		b.t.Fatalf("got %v; want the refusal %s", err, detail)
	}
}

func Detail(err error) string {
	var no *fhir.Error
	if errors.As(err, &no) && len(no.Issues) > 0 {
		return no.Issues[0].Detail
	}
	return ""
}

func (b *bench) view(fn func(tx *store.Tx) error) {
	b.t.Helper()
	if err := b.Store.View(ctx, fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) of(holder string) (k *Booking) {
	b.t.Helper()
	b.view(func(tx *store.Tx) (err error) { k, err = b.Of(ctx, tx, holder); return err })
	return k
}

func (b *bench) tick() {
	b.t.Helper()
	if _, err := b.Tick(ctx); err != nil {
		b.t.Fatal(err)
	}
}

// said are the events of the pool: kind, holder, thing.
func (b *bench) said() (all []string) {
	b.t.Helper()
	if err := event.Sequence(ctx, b.Store); err != nil {
		b.t.Fatal(err)
	}
	b.view(func(tx *store.Tx) error {
		events, err := event.After(ctx, tx, centre, 0, 1000)
		for _, e := range events {
			all = append(all, strings.TrimPrefix(e.Kind, "booking.")+" "+e.Focus+" "+e.Data["thing"])
		}
		return err
	})
	return all
}

func (b *bench) appointment(id string) *fhir.Node {
	b.t.Helper()
	var n *fhir.Node
	b.view(func(tx *store.Tx) error {
		v, err := tx.Read(ctx, search.Everything, "Appointment", id)
		if err != nil {
			return err
		}
		n, err = fhir.Parse(v.JSON)
		return err
	})
	return n
}

func (b *bench) in(d time.Duration) time.Time { return b.clock.Now().Add(d) }

func held(holder, thing string, expires time.Time) Command {
	return Command{Do: Hold, Thing: thing, Pool: centre, Holder: holder, Patient: "Patient/" + strings.TrimPrefix(holder, "Task/"), Expires: expires}
}

func waits4(holder string, rank int, since time.Time) Command {
	return Command{Do: Await, Holder: holder, Wait: &Wait{Pool: centre, Patient: "Patient/" + strings.TrimPrefix(holder, "Task/"), Rank: rank, Since: since, Needs: []byte(`{}`)}}
}

func TestOneThingIsNeverGivenTwice(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		b := setUp(t, open)
		b.do(held("Task/a", "Location/1", b.in(time.Hour)))
		b.refused("taken", held("Task/b", "Location/1", b.in(time.Hour)))
		b.refused("holds-already", held("Task/a", "Location/2", b.in(time.Hour)))
		b.refused("expires-in-past", held("Task/b", "Location/2", b.in(-time.Hour)))
		b.do(held("Task/a", "Location/1", b.in(2*time.Hour))) // runs longer
		if k := b.of("Task/a"); k == nil || k.Version != 2 || !k.Expires.Equal(b.in(2*time.Hour)) {
			t.Fatalf("got %+v", k)
		}
		b.do(Command{Do: Confirm, Holder: "Task/a"})
		b.do(Command{Do: Occupy, Holder: "Task/a"})
		b.refused("taken", held("Task/b", "Location/1", b.in(time.Hour)))
		b.refused("not-displaceable", Command{Do: Displace, Thing: "Location/1", Pool: centre, Holder: "Task/b", Reason: "emergency"})
		b.do(Command{Do: Plan, Holder: "Task/a", Until: b.in(24 * time.Hour)})
		b.do(Command{Do: HandOver, Holder: "Task/a", To: "Task/stay"})
		if b.of("Task/a") != nil || b.of("Task/stay").State != Occupied {
			t.Fatal("the stay should have the bed, the admission nothing")
		}
		id := b.of("Task/stay").ID
		if n := b.appointment(id); n.Str("status") != "booked" || n.Str("start") == "" || n.Str("end") == "" || n.Str("participant[1].actor.reference") != "Location/1" {
			t.Fatalf("got %s", n.JSON())
		}
		b.clock.Turn(time.Hour)
		b.do(Command{Do: Release, Holder: "Task/stay", Reason: "discharged"})
		if n := b.appointment(id); n.Str("status") != "fulfilled" {
			t.Fatalf("got %s", n.JSON())
		}
		b.do(held("Task/b", "Location/1", b.in(time.Hour)))
		want := []string{"held Task/a Location/1", "held Task/a Location/1", "confirmed Task/a Location/1", "occupied Task/a Location/1", "occupied Task/stay Location/1", "released Task/stay Location/1", "held Task/b Location/1"}
		if got := b.said(); !slices.Equal(got, want) {
			t.Fatalf("got %q; want %q", got, want)
		}
	})
}

func TestHoldThatHasRunOut(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		b := setUp(t, open)
		b.do(held("Task/a", "Location/1", b.in(time.Hour)))
		b.do(held("Task/f", "Location/2", b.in(time.Hour)), Command{Do: Freeze, Holder: "Task/f"})
		b.clock.Turn(time.Hour)
		if b.of("Task/a") != nil {
			t.Fatal("a hold that has run out counts as none")
		}
		if b.of("Task/f") == nil {
			t.Fatal("in transit, nothing runs out")
		}
		b.refused("hold-lapsed", Command{Do: Confirm, Holder: "Task/a"})
		b.refused("hold-lapsed", Command{Do: Freeze, Holder: "Task/a"})
		// taken over at once, before any tick
		b.do(held("Task/b", "Location/1", b.in(time.Hour)))
		b.tick()
		b.tick()
		if want := []string{"hold-lapsed Task/a"}; !slices.Equal(b.informed, want) {
			t.Fatalf("got %q; want %q", b.informed, want)
		}
		// by the tick alone
		b.clock.Turn(time.Hour)
		b.refuse = errors.New("the step fails")
		if _, err := b.Tick(ctx); err == nil {
			t.Fatal("want the error of the step")
		}
		b.refuse = nil
		b.clock.Turn(again)
		b.tick()
		if want := []string{"hold-lapsed Task/a", "hold-lapsed Task/b"}; !slices.Equal(b.informed, want) {
			t.Fatalf("got %q; want %q", b.informed, want)
		}
		b.refused("expires-in-past", Command{Do: Thaw, Holder: "Task/f", Expires: b.in(0)})
		b.do(Command{Do: Thaw, Holder: "Task/f", Expires: b.in(time.Minute)})
		b.clock.Turn(time.Minute)
		b.tick()
		if got := b.informed[len(b.informed)-1]; got != "hold-lapsed Task/f" {
			t.Fatalf("got %s", got)
		}
	})
}

func TestEmergencyTakesAHold(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		b := setUp(t, open)
		b.do(held("Task/a", "Location/1", b.in(time.Hour)))
		take := Command{Do: Displace, Thing: "Location/1", Pool: centre, Holder: "Task/e", Patient: "Patient/e"}
		b.refused("reason-required", take)
		take.Reason = "emergency"
		b.do(take)
		if b.of("Task/a") != nil || b.of("Task/e") == nil {
			t.Fatal("the emergency should have the bed")
		}
		b.refused("not-displaceable", Command{Do: Displace, Thing: "Location/1", Pool: centre, Holder: "Task/g", Reason: "emergency"})
		b.tick()
		if want := []string{"displaced Task/a"}; !slices.Equal(b.informed, want) {
			t.Fatalf("got %q", b.informed)
		}
		// displaced, and given another thing before he is informed: nothing to say
		b.do(held("Task/h", "Location/2", b.in(time.Hour)))
		b.do(Command{Do: Displace, Thing: "Location/2", Pool: centre, Holder: "Task/i", Reason: "emergency"})
		b.do(held("Task/h", "Location/3", b.in(time.Hour)))
		b.tick()
		if len(b.informed) != 1 {
			t.Fatalf("got %q", b.informed)
		}
	})
}

func TestIntervalsAndCapacity(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		b := setUp(t, open, func(o *Options) {
			o.Units = func(_ context.Context, _ *store.Tx, base string, _ time.Time) (int, error) {
				if base != "capacity:"+centre+"/cardiology/general/male" {
					return 0, fmt.Errorf("unknown %s", base)
				}
				return 2, nil
			}
		})
		day := storetest.Start.Add(24 * time.Hour)
		slot := func(holder string, from, until time.Time) Command {
			c := held(holder, "Slot/x", b.in(time.Hour))
			c.From, c.Until = from, until
			return c
		}
		b.do(slot("Task/a", day, day.Add(time.Hour)))
		b.do(slot("Task/b", day.Add(time.Hour), day.Add(2*time.Hour)))
		b.refused("taken", slot("Task/c", day.Add(30*time.Minute), day.Add(90*time.Minute)))
		b.refused("taken", slot("Task/c", day.Add(90*time.Minute), time.Time{}))
		b.refused("bad-interval", slot("Task/c", day, day))

		any := func(holder string, day time.Time) Command {
			c := held(holder, "capacity:"+centre+"/cardiology/general/male"+Any, b.in(time.Hour))
			c.From, c.Until = day, day.Add(24*time.Hour)
			return c
		}
		b.do(any("Task/1", day))
		b.do(any("Task/2", day))
		b.refused("taken", any("Task/3", day))
		b.do(any("Task/3", day.Add(24*time.Hour)))
		if got := b.of("Task/2").Thing; got != Capacity(centre, "cardiology", "general", "male", 2) {
			t.Fatalf("got %s", got)
		}
		// that morning a bed is bound, and the capacity is free again
		b.do(Command{Do: Move, Holder: "Task/1", Thing: "Location/9"})
		k := b.of("Task/1")
		if k.Thing != "Location/9" || k.State != Held || !k.Until.IsZero() {
			t.Fatalf("got %+v", k)
		}
		b.do(any("Task/4", day))
		if got := b.of("Task/4").Thing; !strings.HasSuffix(got, "#1") {
			t.Fatalf("got %s", got)
		}
		n := b.appointment(b.of("Task/4").ID)
		if strings.Contains(string(n.Get("participant").JSON()), "Location/") || n.Str("serviceType[0].text") != "cardiology/general/male" {
			t.Fatalf("got %s", n.JSON())
		}
		b.view(func(tx *store.Tx) error {
			all, err := b.Holds(ctx, tx, centre)
			if len(all) != 6 {
				t.Errorf("got %d holds; want 6", len(all))
			}
			return err
		})
	})
}

// The database itself refuses, whoever writes.
func TestGuardOfTheDatabase(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		insert := func(tx *store.Tx, id string, from int64, until any) error {
			_, err := tx.Exec(ctx, `INSERT INTO booking_row (id, thing, base, pool, holder, patient, state, live, from_at, until_at, planned, expires, since, by_who, reason, version, inform_at)
				VALUES (?, 'Location/1', 'Location/1', 'p', ?, '', 'occupied', 1, ?, ?, 0, 0, 0, '', '', 1, 0)`, id, "Task/"+id, from, until)
			return err
		}
		for _, c := range []struct {
			name  string
			from  int64
			until any
			ok    bool
		}{
			{"same", 100, int64(200), false}, {"within", 120, int64(130), false}, {"around", 50, int64(300), false}, {"open", 150, nil, false}, {"open before", 10, nil, false},
			{"after", 200, int64(300), true}, {"before", 50, int64(100), true}, {"open after", 200, nil, true},
		} {
			t.Run(c.name, func(t *testing.T) {
				b := setUp(t, open)
				err := b.Store.Update(ctx, func(tx *store.Tx) error {
					if err := insert(tx, "a", 100, int64(200)); err != nil {
						return err
					}
					return insert(tx, "b", c.from, c.until)
				})
				if c.ok != (err == nil) || err != nil && !errors.Is(err, store.ErrExists) {
					t.Fatalf("got %v", err)
				}
			})
		}
		for _, c := range []struct {
			name, change string
			until        any // of the other row
			ok           bool
		}{
			{"grows without end", "until_at = NULL", nil, false},
			{"grows into another", "until_at = 350", int64(400), false},
			{"moves into another", "from_at = 350, until_at = 360", nil, false},
			{"comes to another thing", "thing = 'Location/2', from_at = 350, until_at = 360", nil, false},
			{"comes alive again", "live = 1", int64(400), false},
			{"grows up to another", "until_at = 300", int64(400), true},
		} {
			t.Run("a row that "+c.name, func(t *testing.T) {
				b := setUp(t, open)
				err := b.Store.Update(ctx, func(tx *store.Tx) error {
					if err := insert(tx, "a", 100, int64(200)); err != nil {
						return err
					}
					if strings.HasPrefix(c.change, "live") {
						if _, err := tx.Exec(ctx, "UPDATE booking_row SET live = 0, until_at = 350 WHERE id = 'a'"); err != nil {
							return err
						}
					}
					if err := insert(tx, "b", 300, c.until); err != nil {
						return err
					}
					if strings.HasPrefix(c.change, "thing") {
						if _, err := tx.Exec(ctx, "UPDATE booking_row SET thing = 'Location/2' WHERE id = 'b'"); err != nil {
							return err
						}
					}
					_, err := tx.Exec(ctx, "UPDATE booking_row SET "+c.change+" WHERE id = 'a'")
					return err
				})
				if c.ok != (err == nil) || err != nil && !errors.Is(err, store.ErrExists) {
					t.Fatalf("got %v", err)
				}
			})
		}
	})
}

// Whoever takes a booking over has none yet: nobody loses sight of what he had.
func TestNobodyTakesOverASecondThing(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		b := setUp(t, open)
		b.do(held("Task/a", "Location/1", b.in(time.Hour)))
		b.do(held("Task/stay", "Location/2", b.in(time.Minute)))
		b.refused("holds-already", Command{Do: HandOver, Holder: "Task/a", To: "Task/stay"})
		b.clock.Turn(time.Minute) // what he had has run out
		b.do(Command{Do: HandOver, Holder: "Task/a", To: "Task/stay"})
		if k := b.of("Task/stay"); k == nil || k.Thing != "Location/1" {
			t.Fatalf("got %+v; want what he took over", k)
		}
		b.tick()
		b.sound()
	})
}

func TestWaitersAreToldInOrder(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		fits := map[string]bool{} // "thing holder" that does not
		b := setUp(t, open, func(o *Options) {
			o.Fits = func(_ context.Context, _ *store.Tx, thing string, w Wait) (bool, error) {
				return !fits[thing+" "+w.Holder], nil
			}
		})
		turns := func() (all []string) {
			b.tick()
			for _, e := range b.said() {
				if rest, ok := strings.CutPrefix(e, "turn "); ok {
					all = append(all, rest)
				}
			}
			return all
		}
		same := func(want ...string) {
			t.Helper()
			if got := turns(); !slices.Equal(got, want) {
				t.Fatalf("got %q; want %q", got, want)
			}
		}
		start := b.clock.Now()
		b.do(held("Task/a", "Location/1", b.in(time.Hour)), held("Task/b", "Location/2", b.in(time.Hour)), held("Task/c", "Location/3", b.in(time.Hour)))
		b.do(waits4("Task/late", 2, start), waits4("Task/first", 1, start.Add(-time.Hour)), waits4("Task/second", 1, start))
		b.view(func(tx *store.Tx) error {
			all, err := b.Waits(ctx, tx, centre)
			if len(all) != 3 || all[0].Holder != "Task/first" || all[2].Holder != "Task/late" {
				t.Errorf("got %v", all)
			}
			return err
		})
		same()
		fits["Location/1 Task/first"] = true // the room is of the other sex
		b.do(Command{Do: Release, Holder: "Task/a"})
		same("Task/second Location/1")
		same("Task/second Location/1") // not told again
		b.do(Command{Do: Release, Holder: "Task/b"})
		same("Task/second Location/1", "Task/first Location/2")
		// the second takes what the first was told of: the first is looked at again, and so is Location/1
		b.do(held("Task/second", "Location/2", b.in(time.Hour)), Command{Do: Leave, Holder: "Task/second"})
		same("Task/second Location/1", "Task/first Location/2", "Task/late Location/1")
		// who leaves passes on what he was told of
		b.do(Command{Do: Leave, Holder: "Task/late"})
		same("Task/second Location/1", "Task/first Location/2", "Task/late Location/1")
		delete(fits, "Location/1 Task/first")
		b.do(Command{Do: Release, Holder: "Task/c"})
		same("Task/second Location/1", "Task/first Location/2", "Task/late Location/1", "Task/first Location/3")
		// a bed is closed, then open again, and a new case comes
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		must(b.Store.Update(ctx, func(tx *store.Tx) error { return b.Closed(ctx, tx, "Location/3") }))
		fits["Location/1 Task/first"] = true
		n := len(turns())
		b.do(waits4("Task/new", 3, b.clock.Now()))
		if got := turns(); len(got) != n+1 || got[n] != "Task/new Location/1" && got[n] != "Task/first Location/1" {
			t.Fatalf("got %q", got)
		}
	})
}

func TestWaiterComesBackToHisPlace(t *testing.T) {
	b := setUp(t, storetest.Memory)
	long := b.in(-48 * time.Hour)
	b.do(waits4("Task/a", 1, long), waits4("Task/b", 1, b.clock.Now()))
	b.do(held("Task/a", "Location/1", b.in(time.Hour)), Command{Do: Leave, Holder: "Task/a"})
	b.view(func(tx *store.Tx) error {
		w, err := b.WaitOf(ctx, tx, "Task/a")
		if w != nil {
			t.Error("who has a bed and has left waits no more")
		}
		return err
	})
	b.clock.Turn(2 * time.Hour)
	b.do(waits4("Task/a", 1, time.Time{}))
	b.view(func(tx *store.Tx) error {
		all, err := b.Waits(ctx, tx, centre)
		if len(all) != 2 || all[0].Holder != "Task/a" || !all[0].Since.Equal(long) {
			t.Errorf("got %+v", all)
		}
		return err
	})
}

// What a crash cuts off between the freeing and the telling is told by the next tick, once.
func TestNothingIsForgottenBetween(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		fail := true
		b := setUp(t, open, func(o *Options) {
			raise := o.Raise
			o.Raise = func(ctx context.Context, tx *store.Tx, e event.Event) error {
				if fail && e.Kind == "booking.turn" {
					return errors.New("the power fails")
				}
				return raise(ctx, tx, e)
			}
		})
		b.do(held("Task/a", "Location/1", b.in(time.Hour)), waits4("Task/w", 1, time.Time{}))
		b.clock.Turn(time.Hour)
		if _, err := b.Tick(ctx); err == nil {
			t.Fatal("want the error")
		}
		fail = false
		b.tick()
		b.tick()
		n := 0
		for _, e := range b.said() {
			if e == "turn Task/w Location/1" {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("told %d times; want once", n)
		}
	})
}

func TestPlainWritesAreRefused(t *testing.T) {
	b := setUp(t, storetest.Memory)
	b.do(held("Task/a", "Location/1", b.in(time.Hour)))
	id := b.of("Task/a").ID
	put := func(n *fhir.Node) error {
		ready, err := store.Prepare(n)
		if err != nil {
			return err
		}
		return b.Store.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready})
			return err
		})
	}
	parse := func(text string) *fhir.Node {
		n, err := fhir.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	bed := `{"resourceType":"Location","id":"1","status":"active","physicalType":{"coding":[{"code":"bd"}]},"operationalStatus":{"code":"%s"}}`
	if err := put(parse(fmt.Sprintf(bed, "U"))); err != nil {
		t.Fatal("a bed may come into the register with its state:", err)
	}
	slot := parse(`{"resourceType":"Slot","id":"s","status":"free","schedule":{"reference":"Schedule/x"},"start":"2026-03-03T08:00:00Z","end":"2026-03-03T08:30:00Z"}`)
	if err := put(slot); err != nil {
		t.Fatal(err)
	}
	b.do(held("Task/s", "Slot/s", b.in(time.Hour)))
	commented := b.appointment(id).Copy()
	commented.Set("comment", "家属陪同")
	for _, c := range []struct {
		name   string
		change *fhir.Node
		ok     bool
	}{
		{"a comment", commented, true},
		{"the status", b.appointment(id).Copy().Set("status", "cancelled"), false},
		{"the end", b.appointment(id).Copy().Set("end", "2027-01-01T00:00:00Z"), false},
		{"an Appointment that says it is a booking's", parse(`{"resourceType":"Appointment","id":"x","identifier":[{"system":"` + System + `","value":"x"}],"status":"booked","participant":[{"status":"accepted","type":[{"text":"x"}]}]}`), false},
		{"an Appointment of somebody's own", parse(`{"resourceType":"Appointment","id":"y","status":"booked","start":"2026-03-03T08:00:00Z","end":"2026-03-03T08:30:00Z","participant":[{"status":"accepted","type":[{"text":"x"}]}]}`), true},
		{"a Slot that is given", slot, false},
		{"a bed's status", parse(fmt.Sprintf(bed, "O")), false},
		{"a bed's name", parse(fmt.Sprintf(bed, "U")).Set("name", "12 床"), true},
	} {
		if err := put(c.change); c.ok != (err == nil) || err != nil && Detail(err) != "only-by-booking" {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	err := b.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Delete, Type: "Location", ID: "1"})
		return err
	})
	if Detail(err) != "booked" {
		t.Errorf("a bed that somebody has: got %v", err)
	}
	b.do(Command{Do: Release, Holder: "Task/s"})
	b.view(func(tx *store.Tx) error {
		v, err := tx.Read(ctx, search.Everything, "Slot", "s")
		if !strings.Contains(string(v.JSON), `"status":"free"`) || strings.Contains(string(v.JSON), slotBooking) {
			t.Errorf("got %s", v.JSON)
		}
		return err
	})
}
