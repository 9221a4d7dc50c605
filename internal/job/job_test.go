package job_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

var ctx = context.Background()

var counter = store.Migration{Name: "test/0001_count",
	SQLite:   "CREATE TABLE test_count (id INTEGER PRIMARY KEY, n INTEGER NOT NULL); INSERT INTO test_count (id, n) VALUES (1, 0);",
	Postgres: "CREATE TABLE test_count (id BIGINT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO test_count (id, n) VALUES (1, 0);"}

type bench struct {
	*store.Store
	clock *clock.Turned
}

func open(t *testing.T, with storetest.Open) bench {
	c := clock.At(storetest.Start)
	return bench{with(t, store.Options{Clock: c, Migrations: append(job.Migrations, counter)}), c}
}

func (b bench) enqueue(t *testing.T, kind, key string, at time.Time) {
	t.Helper()
	err := b.Update(ctx, func(tx *store.Tx) error { return job.Enqueue(ctx, tx, kind, key, at, []byte("p")) })
	if err != nil {
		t.Fatal(err)
	}
}

func (b bench) count(t *testing.T) (n int) {
	t.Helper()
	err := b.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, "SELECT n FROM test_count", nil, func(scan func(...any) error) error { return scan(&n) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (b bench) list(t *testing.T, s job.State) (jobs []job.Job) {
	t.Helper()
	err := b.View(ctx, func(tx *store.Tx) (err error) { jobs, err = job.List(ctx, tx, "k", s, 100); return err })
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func tick(t *testing.T, r *job.Runner) int {
	t.Helper()
	n, err := r.Tick(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func add(ctx context.Context, tx *store.Tx, _ job.Job) error {
	_, err := tx.Exec(ctx, "UPDATE test_count SET n = n + 1 WHERE id = 1")
	return err
}

func TestAJobRunsOnceAndNotBeforeItsTime(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		b := open(t, with)
		r := job.NewRunner(b.Store, b.clock)
		r.Handle("k", job.Work{Do: add})
		for range 2 {
			b.enqueue(t, "k", "1", b.clock.Now().Add(time.Hour))
		}
		if n := tick(t, r); n != 0 || b.count(t) != 0 {
			t.Errorf("before its time: got %d", n)
		}
		b.clock.Turn(time.Hour)
		tick(t, r)
		tick(t, r)
		b.enqueue(t, "k", "1", time.Time{})
		tick(t, r)
		if got := b.count(t); got != 1 {
			t.Errorf("got %d effects; want 1", got)
		}
	})
}

func TestManyTickersOneEffect(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		b := open(t, with)
		var called atomic.Int64
		for range 20 {
			b.enqueue(t, "k", time.Duration(called.Add(1)).String(), time.Time{})
		}
		b.enqueue(t, "call", "1", time.Time{})
		called.Store(0)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				r := job.NewRunner(b.Store, b.clock)
				r.Handle("k", job.Work{Do: add})
				r.Handle("call", job.Work{Call: func(context.Context, job.Job) error { called.Add(1); return nil }})
				if _, err := r.Tick(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := b.count(t); got != 20 {
			t.Errorf("got %d effects; want 20", got)
		}
		if called.Load() != 1 {
			t.Errorf("got %d calls; want 1", called.Load())
		}
	})
}

func TestFailuresBackOffAndEndDead(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		b := open(t, with)
		fail := errors.New("no answer")
		r := job.NewRunner(b.Store, b.clock)
		r.Handle("k", job.Work{Tries: 3, Wait: time.Minute, Do: func(ctx context.Context, tx *store.Tx, j job.Job) error {
			add(ctx, tx, j)
			return fail
		}})
		b.enqueue(t, "k", "1", time.Time{})
		for _, wait := range []time.Duration{0, time.Minute, 2 * time.Minute} {
			if wait > 0 {
				b.clock.Turn(wait - time.Second)
				tick(t, r)
				b.clock.Turn(time.Second)
			}
			before := b.list(t, job.Waiting)
			tick(t, r)
			if len(before) != 1 {
				t.Fatalf("after %v: got %d waiting; want 1", wait, len(before))
			}
		}
		dead := b.list(t, job.Dead)
		if len(dead) != 1 || dead[0].Attempts != 3 || dead[0].Error != "no answer" {
			t.Fatalf("got %+v; want one dead job after 3 attempts", dead)
		}
		if got := b.count(t); got != 0 {
			t.Errorf("got %d effects of failed attempts; want none", got)
		}
		fail = nil
		b.Update(ctx, func(tx *store.Tx) error { return job.Retry(ctx, tx, dead[0].ID) })
		tick(t, r)
		if got := b.count(t); got != 1 {
			t.Errorf("after retry: got %d effects; want 1", got)
		}
	})
}

func TestACallThatDiedRunsAgainAfterItsLease(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		b := open(t, with)
		b.enqueue(t, "k", "1", time.Time{})
		calls := 0
		dying, die := context.WithCancel(ctx)
		r := job.NewRunner(b.Store, b.clock)
		r.Handle("k", job.Work{Lease: time.Minute, Call: func(ctx context.Context, _ job.Job) error {
			if calls++; calls == 1 {
				die()
				return ctx.Err()
			}
			return nil
		}})
		r.Tick(dying)
		tick(t, r)
		if calls != 1 {
			t.Fatalf("within the lease: got %d calls; want 1", calls)
		}
		b.clock.Turn(time.Minute)
		tick(t, r)
		if calls != 2 || len(b.list(t, job.Done)) != 1 {
			t.Errorf("after the lease: got %d calls; want 2 and done", calls)
		}
	})
}

func TestARefusalIsNotRepeated(t *testing.T) {
	b := open(t, storetest.Memory)
	b.enqueue(t, "k", "1", time.Time{})
	r := job.NewRunner(b.Store, b.clock)
	r.Handle("k", job.Work{Call: func(context.Context, job.Job) error { return job.Refused{Err: errors.New("never")} }})
	tick(t, r)
	if got := b.list(t, job.Dead); len(got) != 1 {
		t.Errorf("got %d dead; want 1", len(got))
	}
}

// Two runners share the queue, each for its own kinds: what the one has not come to yet does not hide the other's.
func TestEachRunnerFindsItsOwnKinds(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		b := open(t, with)
		for i := range 150 {
			b.enqueue(t, "others", fmt.Sprint(i), time.Time{})
		}
		b.enqueue(t, "k", "mine", time.Time{})
		r := job.NewRunner(b.Store, b.clock)
		r.Handle("k", job.Work{Do: func(context.Context, *store.Tx, job.Job) error { return nil }})
		if n, err := r.Tick(ctx); n != 1 || err != nil {
			t.Errorf("got %d jobs done, %v; want 1", n, err)
		}
		if n, err := job.NewRunner(b.Store, b.clock).Tick(ctx); n != 0 || err != nil {
			t.Errorf("without a kind: got %d jobs done, %v", n, err)
		}
	})
}
