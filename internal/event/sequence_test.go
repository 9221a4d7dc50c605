package event_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// Two processes on one database: each with 16 writers, a hub and readers who follow by cursor.
func TestManyWritersGiveOneOrder(t *testing.T) {
	one := func(t *testing.T) [2]*store.Store {
		s := storetest.Memory(t, store.Options{Migrations: event.Migrations})
		return [2]*store.Store{s, s}
	}
	two := func(t *testing.T) (s [2]*store.Store) {
		url := storetest.PostgresURL(t)
		for i := range s {
			s[i] = openAt(t, url, event.Migrations)
		}
		return s
	}
	for name, open := range map[string]func(t *testing.T) [2]*store.Store{"sqlite": one, "postgres": two} {
		t.Run(name, func(t *testing.T) {
			const writers, each = 32, 8
			s := open(t)
			running, stop := context.WithCancel(ctx)
			defer stop()
			var ears [2]*event.Ear
			for i := range s {
				h := event.NewHub(s[i])
				h.Every = 20 * time.Millisecond
				ears[i] = h.Listen(county)
				go h.Run(running)
				h.Started()
			}
			var follow, write sync.WaitGroup
			done := make(chan struct{})
			var followed [2][]event.Event
			for i := range followed {
				follow.Go(func() {
					last := int64(0)
					for end := false; !end; {
						select {
						case <-done:
							end = true
						default:
						}
						var some []event.Event
						if end {
							some = after(t, s[i], "", last)
						} else if err := s[i].View(ctx, func(tx *store.Tx) (err error) { some, err = event.After(ctx, tx, "", last, 7); return err }); err != nil {
							t.Error(err)
							return
						}
						for _, e := range some {
							followed[i], last = append(followed[i], e), e.Seq
						}
					}
				})
			}
			for w := range writers {
				write.Go(func() {
					for n := range each {
						raise(t, s[w%2], event.Event{Kind: "test.event", Focus: fmt.Sprintf("Task/%d", w), Parties: []string{county}, Data: map[string]string{"n": fmt.Sprint(n)}})
						if n%3 == 0 { // others ask beside the hub
							if err := event.Sequence(ctx, s[w%2]); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			write.Wait()
			close(done)
			follow.Wait()
			var heard [2][]event.Event
			for i := range heard {
				for len(heard[i]) < writers*each {
					select {
					case e := <-ears[i].C:
						heard[i] = append(heard[i], e)
					case <-time.After(20 * time.Second):
						t.Fatalf("hub %d: heard %d of %d", i, len(heard[i]), writers*each)
					}
				}
			}
			for name, list := range map[string][]event.Event{"the log": after(t, s[0], "", 0), "a reader": followed[0], "another": followed[1], "a hub": heard[0], "the other hub": heard[1]} {
				if len(list) != writers*each {
					t.Errorf("%s: got %d events; want %d", name, len(list), writers*each)
				}
				own := map[string]int{}
				for i, e := range list {
					if e.Seq != int64(i+1) {
						t.Fatalf("%s: event %d has seq %d", name, i+1, e.Seq)
					}
					if e.Data["n"] != fmt.Sprint(own[e.Focus]) {
						t.Fatalf("%s: %s comes before what it did earlier, at seq %d", name, e.Focus, e.Seq)
					}
					own[e.Focus]++
				}
			}
		})
	}
}

// A unit that stays open holds nobody up, and nothing of it is missed: its events get their seqs when it commits.
func TestAnOpenUnitIsNotMissed(t *testing.T) {
	s := openAt(t, storetest.PostgresURL(t), event.Migrations)
	h := event.NewHub(s)
	ear := h.Listen(county)
	running, stop := context.WithCancel(ctx)
	defer stop()
	go h.Run(running)
	h.Started()
	hear := func(want string, seq int64) {
		t.Helper()
		select {
		case e := <-ear.C:
			if e.Focus != want || e.Seq != seq {
				t.Fatalf("heard %s with seq %d; want %s with %d", e.Focus, e.Seq, want, seq)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s was not heard", want)
		}
	}
	opened, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		left <- s.Update(ctx, func(tx *store.Tx) error {
			if err := event.Raise(ctx, tx, event.Event{Kind: "test.event", Focus: "Task/open", Parties: []string{county}}); err != nil {
				return err
			}
			if _, err := event.Last(ctx, tx); err != nil { // what was raised is in the database now
				return err
			}
			close(opened)
			<-leave
			return nil
		})
	}()
	<-opened
	for i := range 5 {
		focus := fmt.Sprintf("Task/later-%d", i)
		raise(t, s, event.Event{Kind: "test.event", Focus: focus, Parties: []string{county}})
		hear(focus, int64(i+1))
	}
	close(leave)
	if err := <-left; err != nil {
		t.Fatal(err)
	}
	hear("Task/open", 6)
	if got := after(t, s, county, 5); len(got) != 1 || got[0].Focus != "Task/open" {
		t.Errorf("a reader that stood at 5: got %+v", got)
	}
}

// What was raised before the program ended, and has no seq, gets it from the next one; what it had stays.
func TestWhatWasRaisedOutlivesTheProgram(t *testing.T) {
	url := storetest.PostgresURL(t)
	s := openAt(t, url, event.Migrations)
	raise(t, s, event.Event{Kind: "test.event", Focus: "Task/1", Parties: []string{county, centre}})
	after(t, s, "", 0)
	for i := range 1200 / 100 { // more than one unit moves
		err := s.Update(ctx, func(tx *store.Tx) error {
			for n := range 100 {
				if err := event.Raise(ctx, tx, event.Event{Kind: "test.event", Focus: fmt.Sprintf("Task/%d", 2+100*i+n), Parties: []string{county, ""}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = openAt(t, url, event.Migrations)
	h := event.NewHub(s)
	ear := h.Listen(county)
	running, stop := context.WithCancel(ctx)
	defer stop()
	go h.Run(running)
	h.Started()
	raise(t, s, event.Event{Kind: "test.event", Focus: "Task/1202", Parties: []string{county}})
	if e := <-ear.C; e.Seq != 1202 || e.Focus != "Task/1202" {
		t.Errorf("heard %+v; want only what came after the start", e)
	}
	last := int64(0)
	for range 3 {
		for _, e := range after(t, s, county, last) {
			if last++; e.Seq != last || e.Focus != fmt.Sprintf("Task/%d", last) {
				t.Fatalf("at %d: got %s with seq %d", last, e.Focus, e.Seq)
			}
		}
	}
	if last != 1202 {
		t.Errorf("got %d events; want 1202", last)
	}
	if list := after(t, s, centre, 0); len(list) != 1 {
		t.Errorf("centre: got %d; want 1", len(list))
	}
}

// A database that was filled by the release before goes on where it was, also with what is still to be delivered.
func TestAFilledDatabaseGoesOn(t *testing.T) {
	for name, at := range map[string]func(*testing.T) string{"sqlite": func(t *testing.T) string { return "file:" + t.TempDir() }, "postgres": func(t *testing.T) string { return storetest.PostgresURL(t) }} {
		t.Run(name, func(t *testing.T) {
			url := at(t)
			old := openAt(t, url, event.Migrations[:1])
			err := old.Update(ctx, func(tx *store.Tx) error {
				for _, q := range []string{
					"INSERT INTO event_log (seq, at, kind, focus, patient, parties, act_by, actor, data) VALUES (1, 5, 'test.old', 'Task/1', '', 'Organization/county', 0, '', '{}')",
					"INSERT INTO event_party (party, seq) VALUES ('Organization/county', 1)",
					"INSERT INTO event_log (seq, at, kind, focus, patient, parties, act_by, actor, data) VALUES (2, 6, 'test.late', 'Task/2', '', 'Organization/county', 0, 'Organization/county', '{}')",
					"INSERT INTO event_party (party, seq) VALUES ('Organization/county', 2)",
					"UPDATE event_head SET seq = 2, sent = 1",
				} {
					if _, err := tx.Exec(ctx, q); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			old.Close()
			s := openAt(t, url, event.Migrations)
			raise(t, s, event.Event{Kind: "test.late", Focus: "Task/3", Actor: county, Parties: []string{county}})
			if list := after(t, s, county, 0); len(list) != 3 || list[2].Seq != 3 || list[0].Focus != "Task/1" {
				t.Errorf("got %+v", list)
			}
			err = s.Update(ctx, func(tx *store.Tx) error {
				return event.SaveOutlet(ctx, tx, event.Outlet{ID: "a", Org: county, Kind: "webhook", URL: "http://localhost/", Enabled: true})
			})
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			d := &event.Dispatcher{Store: s, Enqueue: func(_ context.Context, _ *store.Tx, _, key string, _ time.Time, _ []byte) error {
				keys = append(keys, key)
				return nil
			}}
			for range 2 {
				if err := d.Tick(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(keys, []string{"a/2", "a/3"}) {
				t.Errorf("queued %v; want what was not queued before, once", keys)
			}
		})
	}
}

// XINGLIN_BENCH_EVENTS=1 tells how long it takes from the commit until an ear hears of it.
func TestHeardSoon(t *testing.T) {
	rounds := 20
	if os.Getenv("XINGLIN_BENCH_EVENTS") != "" {
		rounds = 1000
	}
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		for _, writers := range []int{1, 32} {
			s := open(t, with)
			h := event.NewHub(s)
			running, stop := context.WithCancel(ctx)
			go h.Run(running)
			h.Started()
			var mu sync.Mutex
			var all []time.Duration
			var work sync.WaitGroup
			begun := time.Now()
			for w := range writers {
				ear := h.Listen(fmt.Sprintf("Organization/%d", w))
				work.Go(func() {
					defer h.Leave(ear)
					for range max(1, rounds/writers) {
						raise(t, s, event.Event{Kind: "test.event", Focus: "Task/1", Parties: []string{fmt.Sprintf("Organization/%d", w)}})
						at := time.Now()
						select {
						case <-ear.C:
						case <-time.After(20 * time.Second):
							t.Error("not heard")
							return
						}
						mu.Lock()
						all = append(all, time.Since(at))
						mu.Unlock()
					}
				})
			}
			work.Wait()
			took := time.Since(begun)
			stop()
			slices.Sort(all)
			if len(all) > 0 {
				t.Logf("%2d writers: heard after p50 %s, p99 %s; %.0f events/s", writers, all[len(all)/2].Round(time.Microsecond), all[len(all)*99/100].Round(time.Microsecond), float64(len(all))/took.Seconds())
			}
		}
	})
}

func openAt(t *testing.T, url string, migrations []store.Migration) *store.Store {
	t.Helper()
	s, err := store.Open(ctx, strings.TrimPrefix(url, "file:"), store.Options{Clock: clock.At(storetest.Start), Migrations: migrations})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
