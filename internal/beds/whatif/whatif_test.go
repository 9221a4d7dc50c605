package whatif_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/beds/simulate"
	"github.com/xinglin-health/xinglin/internal/beds/whatif"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

var ctx = context.Background()

// hub is one process: its room and its runner of jobs.
type hub struct {
	t     *testing.T
	store *store.Store
	clock *clock.Turned
	room  *whatif.Room
	jobs  *job.Runner
}

const centre = "Organization/centre"

var migrations = slices.Concat(job.Migrations, whatif.Migrations)

func open(t *testing.T, with storetest.Open) *hub {
	c := clock.At(storetest.Start)
	return on(t, with(t, store.Options{Clock: c, Migrations: migrations}), c)
}

// on is another process on the same database. It plays one play a piece.
func on(t *testing.T, s *store.Store, c *clock.Turned) *hub {
	room := whatif.New(whatif.Options{Store: s, Clock: c, Slice: time.Nanosecond, Past: past})
	h := &hub{t, s, c, room, job.NewRunner(s, c)}
	h.jobs.Handle(whatif.Job, room.Work())
	return h
}

// past is 300 stays in a ward of 12 beds, none of which is over before it is asked.
func past(_ context.Context, institution string, since time.Time) (*beds.Past, error) {
	p := &beds.Past{Rules: allocate.Default()}
	p.Pool.Wards = []allocate.Ward{{ID: "Organization/w", Name: "心内科", Campus: "Location/c", Specialties: []string{"cardiology"}, Lends: true, Capacity: 1e9, Free: 12}}
	for i := range 12 {
		p.Pool.Rooms = append(p.Pool.Rooms, allocate.Room{ID: fmt.Sprint("Location/r", i), Rule: allocate.Single})
		p.Pool.Beds = append(p.Pool.Beds, allocate.Bed{ID: fmt.Sprint("Location/b", i), Room: i, Level: allocate.General, State: allocate.Free})
	}
	for i := range 300 {
		p.Stays = append(p.Stays, simulate.Stay{Patient: fmt.Sprint(i), From: since.Add(time.Duration(i) * 2 * time.Hour), Hours: float64(20 + i%9),
			Request: allocate.Request{Specialty: "cardiology", Urgency: allocate.Urgent, Sex: allocate.Male, Level: allocate.General, Age: -1}})
	}
	return p, nil
}

func who(name string) *access.Caller {
	return &access.Caller{User: name, Name: name, Role: "leader", Org: centre, Institution: centre}
}

func (h *hub) ask(name string, w whatif.Wish) *whatif.Simulation {
	h.t.Helper()
	one, err := h.room.Ask(ctx, who(name), centre, w)
	if err != nil {
		h.t.Fatal(err)
	}
	return one
}

func (h *hub) show(id string) (one *whatif.Simulation) {
	h.t.Helper()
	err := h.store.View(ctx, func(tx *store.Tx) (err error) { one, err = h.room.Show(ctx, tx, id); return err })
	if err != nil {
		h.t.Fatal(err)
	}
	return one
}

// pieces does as many as a process gets done before it is killed in the next.
func (h *hub) pieces(n int) {
	h.t.Helper()
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	left := n
	r := job.NewRunner(h.store, h.clock)
	work := h.room.Work()
	call := work.Call
	work.Call = func(c context.Context, j job.Job) error {
		if left == 0 {
			cancel()
			return stop.Err()
		}
		left--
		return call(c, j)
	}
	r.Handle(whatif.Job, work)
	if _, err := r.Tick(stop); err != nil && stop.Err() == nil {
		h.t.Fatal(err)
	}
}

func (h *hub) tick() {
	h.t.Helper()
	if _, err := h.jobs.Tick(ctx); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) count(table string) (n int64) {
	h.t.Helper()
	err := h.store.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, "SELECT count(*) FROM "+table, nil, func(scan func(...any) error) error { return scan(&n) })
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// kept is what of a simulation stands in the database beside its row.
func (h *hub) kept(id string) (plays, input int64) {
	h.t.Helper()
	err := h.store.View(ctx, func(tx *store.Tx) error {
		err := tx.Query(ctx, "SELECT count(*) FROM beds_whatif_play WHERE simulation = ?", []any{id}, func(scan func(...any) error) error { return scan(&plays) })
		if err != nil {
			return err
		}
		return tx.Query(ctx, "SELECT length(input) FROM beds_whatif WHERE id = ?", []any{id}, func(scan func(...any) error) error { return scan(&input) })
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return plays, input
}

var small = whatif.Wish{Source: "region", Days: 14, Seeds: 2, Policies: []string{"own", "weighted"}, Reserves: []int{0, 5}}

// whole is what the same wish gives in one go, without a database.
func whole(t *testing.T, w whatif.Wish) string {
	e, err := simulate.GeneratedFrom(simulate.Shipped(), w.Days, min(90, w.Days), w.Load)
	if err != nil {
		t.Fatal(err)
	}
	e.First, e.Seeds, e.Reserves = 1, w.Seeds, w.Reserves
	e.Policies, _ = simulate.Named(w.Policies)
	r, err := e.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(r)
	return string(b)
}

func TestWhatWasCutOffGoesOnInAnotherProcessAndComesOutTheSame(t *testing.T) {
	want := whole(t, small)
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		one := h.ask("a", small)
		h.pieces(3)
		if got := h.show(one.ID); got.State != whatif.Running || got.Done != 3 || got.Of != 8 || got.Report != nil {
			t.Fatalf("after three pieces: %+v", got)
		}
		other := on(t, h.store, h.clock)
		if other.tick(); other.show(one.ID).Done != 3 {
			t.Errorf("the lease of the first process does not hold")
		}
		h.clock.Turn(time.Minute) // the first is gone: its lease has run out
		other.tick()
		got := h.show(one.ID)
		if got.State != whatif.Done || got.Done != 8 || got.Ended.IsZero() {
			t.Fatalf("got %+v", got)
		}
		if string(got.Report) != want {
			t.Errorf("the report differs from that of one go:\n%.400s\n%.400s", got.Report, want)
		}
		if plays, input := h.kept(one.ID); plays != 0 || input != 0 {
			t.Errorf("%d plays and %d bytes of input are kept after the end", plays, input)
		}
	})
}

func TestAHistoryIsPlayedAsItWasWhenItWasAsked(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		wish := whatif.Wish{Source: "history", Pool: centre, Days: 60, Seeds: 2, Policies: []string{"own", "pool"}}
		reports := map[string]bool{}
		for _, cut := range []int{0, 2} {
			h := open(t, with)
			one := h.ask("a", wish)
			if _, input := h.kept(one.ID); input == 0 {
				t.Fatal("the history is not kept")
			}
			h.pieces(cut)
			h.clock.Turn(time.Hour) // a history that is read now would be another
			on(t, h.store, h.clock).tick()
			got := h.show(one.ID)
			if got.State != whatif.Done {
				t.Fatalf("got %+v", got)
			}
			reports[string(got.Report)] = true
			if _, input := h.kept(one.ID); input != 0 {
				t.Errorf("%d bytes of the history are kept after the end", input)
			}
		}
		if len(reports) != 1 {
			t.Errorf("got %d different reports; want one", len(reports))
		}
	})
}

func TestTwoProcessesAndSeveralPeople(t *testing.T) {
	want := whole(t, small)
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		other := on(t, h.store, h.clock)
		a, b := h.ask("a", small), other.ask("b", small)
		_, err := h.room.Ask(ctx, who("a"), centre, small)
		var refused *fhir.Error
		if !errors.As(err, &refused) || refused.Issues[0].Detail != "simulation-running" {
			t.Errorf("a second of one person: got %v", err)
		}
		// each has its turn: neither waits for the other's end
		h.pieces(4)
		if x, y := h.show(a.ID).Done, h.show(b.ID).Done; x != 2 || y != 2 {
			t.Errorf("after four pieces: %d and %d plays", x, y)
		}
		h.clock.Turn(time.Minute)
		wrong := make(chan error, 2)
		for _, p := range []*hub{h, other} {
			go func() { _, err := p.jobs.Tick(ctx); wrong <- err }()
		}
		for range 2 {
			if err := <-wrong; err != nil {
				t.Error(err)
			}
		}
		h.clock.Turn(time.Minute)
		h.tick()
		for _, id := range []string{a.ID, b.ID} {
			if got := h.show(id); got.State != whatif.Done || string(got.Report) != want {
				t.Errorf("got %s, %d of %d, the same report: %v", got.State, got.Done, got.Of, string(got.Report) == want)
			}
		}
	})
}

func TestStoppingIsItsAskers(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		one := h.ask("a", small)
		h.pieces(2)
		if err := h.room.Cancel(ctx, one.ID, "b"); err != nil || h.show(one.ID).State != whatif.Running {
			t.Errorf("by somebody else: %v, %s", err, h.show(one.ID).State)
		}
		if err := h.room.Cancel(ctx, one.ID, "a"); err != nil {
			t.Fatal(err)
		}
		h.clock.Turn(time.Minute)
		h.tick()
		if got := h.show(one.ID); got.State != whatif.Cancelled || got.Done != 2 {
			t.Errorf("got %+v", got)
		}
		if plays, _ := h.kept(one.ID); plays != 0 {
			t.Errorf("%d plays are kept", plays)
		}
		again := h.ask("a", small)
		h.tick()
		if err := h.room.Cancel(ctx, again.ID, "a"); err != nil || h.show(again.ID).State != whatif.Done {
			t.Errorf("stopped after its end: %v, %s; want done", err, h.show(again.ID).State)
		}
	})
}

// A simulation that brings its process down is taken up a few times, not for ever.
func TestWhatNeverEndsAPieceFails(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		one := h.ask("a", small)
		err := h.store.Update(ctx, func(tx *store.Tx) error { // begun five times, and killed each time before it was saved
			_, err := tx.Exec(ctx, `UPDATE beds_whatif SET tries = 5 WHERE id = ?`, one.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.tick()
		got := h.show(one.ID)
		if got.State != whatif.Failed || !strings.Contains(got.WrongEn, "broke off") {
			t.Errorf("got %+v", got)
		}
	})
}

func TestOnlyTheLatestAreKept(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		first := ""
		for range 63 {
			one := h.ask("a", small)
			if err := h.room.Cancel(ctx, one.ID, "a"); err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = one.ID
			}
			h.clock.Turn(time.Minute)
		}
		if err := h.room.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if n := h.count("beds_whatif"); n != 60 || h.show(first) != nil {
			t.Errorf("%d are kept; want the latest 60", n)
		}
		var mine, others []*whatif.Simulation
		err := h.store.View(ctx, func(tx *store.Tx) (err error) {
			if mine, err = h.room.List(ctx, tx, []string{centre}, 10); err == nil {
				others, err = h.room.List(ctx, tx, []string{"Organization/other"}, 10)
			}
			return err
		})
		if err != nil || len(mine) != 10 || len(others) != 0 || mine[0].Since.Before(mine[9].Since) {
			t.Errorf("listed %d and %d, %v", len(mine), len(others), err)
		}
		h.clock.Turn(200 * 24 * time.Hour)
		if err := h.room.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if n := h.count("beds_whatif"); n != 0 {
			t.Errorf("%d are kept after 200 days", n)
		}
	})
}
