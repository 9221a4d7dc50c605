// Package storetest is the one suite that the store passes on both databases.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Start is the time at which every test begins.
var Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// Open makes an empty store with the options given.
type Open func(t testing.TB, o store.Options) *store.Store

// Memory opens a private SQLite.
func Memory(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), ":memory:", defaults(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func defaults(o store.Options) store.Options {
	if o.Clock == nil {
		o.Clock = clock.At(Start)
	}
	return o
}

// Postgres opens a database of its own on the server of XINGLIN_TEST_POSTGRES, and skips the test when there is none.
func Postgres(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), PostgresURL(t), defaults(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Settle waits until the log shows all that was written: on PostgreSQL its readers stop below the oldest
// transaction of the whole server, which may be another test's.
func Settle(t testing.TB, s *store.Store) {
	t.Helper()
	if s.Database() != "postgres" {
		return
	}
	ctx := context.Background()
	for patience := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var late int64
		err := s.View(ctx, func(tx *store.Tx) error {
			return tx.Query(ctx, "SELECT count(*) FROM version WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())", nil, func(scan func(...any) error) error { return scan(&late) })
		})
		if err != nil {
			t.Fatal(err)
		}
		if late == 0 {
			return
		}
		if time.Now().After(patience) {
			t.Fatalf("the log still hides %d versions behind a transaction", late)
		}
	}
}

var databases atomic.Int64

// PostgresURL makes a database that ends with the test.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("XINGLIN_TEST_POSTGRES")
	if server == "" {
		t.Skip("XINGLIN_TEST_POSTGRES names no server")
	}
	ctx := context.Background()
	name := fmt.Sprintf("xinglin_test_%d_%d", os.Getpid(), databases.Add(1))
	admin := func(sql string) error {
		c, err := pgx.Connect(ctx, server)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		_, err = c.Exec(ctx, sql)
		return err
	}
	if err := admin("CREATE DATABASE " + name + " TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// Both runs test on SQLite, and on PostgreSQL where a server is named.
func Both(t *testing.T, test func(t *testing.T, open Open)) {
	t.Run("sqlite", func(t *testing.T) { test(t, Memory) })
	t.Run("postgres", func(t *testing.T) {
		if os.Getenv("XINGLIN_TEST_POSTGRES") == "" {
			t.Skip("XINGLIN_TEST_POSTGRES names no server")
		}
		test(t, Postgres)
	})
}

// Run is the suite.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, open Open)
	}{
		{"own tables, placeholders and NULL are the same", ownTables},
		{"queued statements keep their order", queued},
		{"an error undoes only its own unit", isolation},
		{"a unit that swallowed a failed statement is not saved", broken},
		{"a taken unique row is ErrExists", unique},
		{"after commit runs once, and not after an error", afterCommit},
		{"one of 64 claims wins and the others learn the holder", claims},
		{"a view does not see what is committed meanwhile", snapshot},
		{"a read that is called off says so", calledOff},
		{"lock lets one unit at a time decide", locks},
		{"answers are remembered for seven days", idempotency},
		{"a resource comes back as it was written, with the store's own meta", roundTrip},
		{"versions, conditions, deletes and the log", versions},
		{"64 clients on one id", sameID},
		{"the log skips nothing under concurrent commits", since},
		{"reads carry the scope", scopeOfReads},
		{"a patient's records in order of time carry the scope", compartments},
		{"a walk shows what stood at its moment", walks},
		{"reads of many are reads of each", many},
		{"searches find what they say", searches},
		{"searches carry the scope on every hop", scopeOfSearches},
		{"what is given to a new party is seen in the same unit", givenAtOnce},
		{"a new patient of a kind may point to himself and change within his unit", guardedFromBirth},
		{"what a patient's kinds are holds for all that is written meanwhile", guardedMeanwhile},
		{"kinds and what they guard are written at once", guardedAtOnce},
		{"what is given singly is found and counted", singly},
		{"searches follow changes and deletes", changes},
		{"searches of every shape answer as R4 words it", AgainstNaive},
		{"full text follows the log and carries the scope", words},
		{"lists as long as a value set are one condition", longLists},
		{"what is nested without end is refused", deep},
		{"pages are stable under writes", paging},
		{"sealed values stand in no table", sealed},
		{"sealed addresses are found by their words", sealedAddress},
		{"a record is of one person at a time", members},
		{"what is remembered of a patient says whether he is linked", rememberedLinks},
		{"links show to whom sees both records", linkedInSight},
		{"derivers and guards see before and after", deriveAndGuard},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) { c.test(t, open) })
	}
}

var things = store.Migration{Name: "test/0001_thing",
	SQLite:   "CREATE TABLE test_thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER, data BLOB);",
	Postgres: "CREATE TABLE test_thing (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, size bigint, data bytea);"}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, s *store.Store, query string, args ...any) (n int64) {
	t.Helper()
	must(t, s.View(context.Background(), func(tx *store.Tx) error {
		return tx.Query(context.Background(), query, args, func(scan func(...any) error) error { return scan(&n) })
	}))
	return n
}

// calledOff: whoever answers a client can tell one that went away from a fault.
func calledOff(t *testing.T, open Open) {
	s := open(t, store.Options{})
	for _, c := range []struct {
		when   string
		cancel func(context.CancelFunc)
	}{
		{"before", func(cancel context.CancelFunc) { cancel() }},
		{"while it runs", func(cancel context.CancelFunc) { time.AfterFunc(10*time.Millisecond, cancel) }},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.View(ctx, func(tx *store.Tx) error {
			c.cancel(cancel)
			const long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT count(*) FROM n"
			return tx.Query(ctx, long, nil, func(func(...any) error) error { return nil })
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("called off %s: got %v; want %v", c.when, err, context.Canceled)
		}
	}
	if n := count(t, s, "SELECT 7"); n != 7 {
		t.Errorf("the next read: got %d; want 7", n)
	}
}

func ownTables(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{Migrations: []store.Migration{things}})
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		for i, size := range []any{nil, 7, true} {
			n, err := tx.Exec(ctx, "INSERT INTO test_thing (name, size, data) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING", fmt.Sprint("thing?", i), size, []byte{byte(i), 0})
			if err != nil || n != 1 {
				return fmt.Errorf("insert: got %d, %v", n, err)
			}
		}
		return nil
	}))
	var got []string
	must(t, s.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, "SELECT name, size, size, data FROM test_thing WHERE name LIKE 'thing?%' AND id > ? ORDER BY id", []any{0}, func(scan func(...any) error) error {
			var name string
			var size *int64
			var flag bool
			var data []byte
			if err := scan(&name, &size, &flag, &data); err != nil {
				return err
			}
			// a query inside a query is the same text on the same connection
			var same int64
			if err := tx.Query(ctx, "SELECT count(*) FROM test_thing WHERE name = ?", []any{name}, func(scan func(...any) error) error { return scan(&same) }); err != nil {
				return err
			}
			text := "null"
			if size != nil {
				text = fmt.Sprint(*size)
			}
			got = append(got, fmt.Sprint(name, " ", text, " ", flag, " ", data, " ", same))
			return nil
		})
	}))
	want := "[thing?0 null false [0 0] 1 thing?1 7 true [1 0] 1 thing?2 1 true [2 0] 1]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v; want %v", got, want)
	}
	err := s.View(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM test_thing")
		return err
	})
	if err == nil {
		t.Error("a view wrote")
	}
}

func queued(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{Migrations: []store.Migration{things}})
	const insert = "INSERT INTO test_thing (name, size, data) VALUES (?, ?, ?)"
	const update = "UPDATE test_thing SET size = size + ? WHERE name = ?"
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		for _, q := range []struct {
			query string
			args  []any
		}{
			{insert, []any{"a", 1, []byte{1}}}, {insert, []any{"b", 2, []byte(nil)}}, {update, []any{10, "a"}}, {insert, []any{"c", nil, nil}},
			{insert, []any{"d", 4, []byte{4}}}, {update, []any{100, "d"}}, {"DELETE FROM test_thing WHERE name = ?", []any{"b"}}, {insert, []any{"b", 7, []byte{}}},
			{insert + " ON CONFLICT (name) DO NOTHING", []any{"b", 8, []byte{}}}, {insert + " ON CONFLICT (name) DO NOTHING", []any{"e", 8, []byte{}}},
		} {
			if err := tx.Queue(ctx, q.query, q.args...); err != nil {
				return err
			}
		}
		return nil
	}))
	var got []string
	must(t, s.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, "SELECT name, size, data FROM test_thing ORDER BY name", nil, func(scan func(...any) error) error {
			var name string
			var size int64
			var data []byte
			err := scan(&name, &size, &data)
			got = append(got, fmt.Sprint(name, size, data, data == nil))
			return err
		})
	}))
	if want := "[a11 [1] false b7 [] false c0 [] true d104 [4] false e8 [] false]"; fmt.Sprint(got) != want {
		t.Errorf("got %v; want %v", got, want)
	}
	err := s.Update(ctx, func(tx *store.Tx) error { return tx.Queue(ctx, insert, "a", 1, []byte{}) })
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("a queued insert of a taken row: got %v; want ErrExists", err)
	}
}

func isolation(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{Migrations: []store.Migration{things}})
	var wg sync.WaitGroup
	errBad := errors.New("bad")
	errs := make([]error, 200)
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = s.Update(ctx, func(tx *store.Tx) error {
				if _, err := tx.Exec(ctx, "INSERT INTO test_thing (id, name) VALUES (?, ?)", i+1, fmt.Sprint(i)); err != nil {
					return err
				}
				if i%3 == 0 {
					return errBad
				}
				return nil
			})
		}()
	}
	wg.Wait()
	want := int64(0)
	for i, err := range errs {
		if (i%3 == 0) != errors.Is(err, errBad) {
			t.Errorf("unit %d: got %v", i, err)
		}
		if i%3 != 0 {
			want++
		}
	}
	if got := count(t, s, "SELECT count(*) FROM test_thing"); got != want {
		t.Errorf("got %d rows; want %d", got, want)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic did not reach its caller")
			}
		}()
		s.Update(ctx, func(tx *store.Tx) error { panic("in the unit") })
	}()
	must(t, s.Update(ctx, func(tx *store.Tx) error { return nil }))
}

func broken(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{Migrations: []store.Migration{things}})
	err := s.Update(ctx, func(tx *store.Tx) error {
		tx.Exec(ctx, "INSERT INTO test_thing (name) VALUES ('one')")
		tx.Exec(ctx, "INSERT INTO test_thing (name) VALUES ('one')")
		return nil
	})
	if err == nil {
		t.Error("saved")
	}
	if got := count(t, s, "SELECT count(*) FROM test_thing"); got != 0 {
		t.Errorf("got %d rows; want 0", got)
	}
}

func unique(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{Migrations: []store.Migration{things}})
	insert := func() error {
		return s.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO test_thing (name) VALUES ('one')")
			return err
		})
	}
	must(t, insert())
	if err := insert(); !errors.Is(err, store.ErrExists) {
		t.Errorf("got %v; want ErrExists", err)
	}
}

func afterCommit(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	ran := 0
	must(t, s.Update(ctx, func(tx *store.Tx) error { tx.AfterCommit(func() { ran++ }); return nil }))
	s.Update(ctx, func(tx *store.Tx) error { tx.AfterCommit(func() { ran += 10 }); return errors.New("no") })
	if ran != 1 {
		t.Errorf("got %d; want 1", ran)
	}
}

func claims(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	var wg sync.WaitGroup
	var won, named atomic.Int64
	for i := range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := s.Update(ctx, func(tx *store.Tx) error { return tx.Claim(ctx, "open-referral", "p1>h1", fmt.Sprint("Task/", i)) })
			var held *store.Claimed
			switch {
			case err == nil:
				won.Add(1)
			case errors.As(err, &held) && errors.Is(err, store.ErrExists) && strings.HasPrefix(held.Holder, "Task/"):
				named.Add(1)
			default:
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if won.Load() != 1 || named.Load() != 63 {
		t.Errorf("got %d winners, %d told; want 1, 63", won.Load(), named.Load())
	}
	must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.Release(ctx, "open-referral", "p1>h1") }))
	must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.Claim(ctx, "open-referral", "p1>h1", "Task/new") }))
}

func snapshot(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	must(t, s.View(ctx, func(tx *store.Tx) error {
		read := func() string {
			v, _, err := tx.Setting(ctx, "colour")
			must(t, err)
			return v
		}
		before := read()
		must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.SetSetting(ctx, "colour", "green") }))
		if got := read(); got != before {
			t.Errorf("got %q in the same view; want %q", got, before)
		}
		return nil
	}))
	if got := count(t, s, "SELECT count(*) FROM setting WHERE key = 'colour' AND value = 'green'"); got != 1 {
		t.Error("the change is not there afterwards")
	}
}

func locks(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{Migrations: []store.Migration{things}})
	var wg sync.WaitGroup
	for range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := s.Update(ctx, func(tx *store.Tx) error {
				if err := tx.Lock(ctx, "only-one"); err != nil {
					return err
				}
				var n int64
				if err := tx.Query(ctx, "SELECT count(*) FROM test_thing", nil, func(scan func(...any) error) error { return scan(&n) }); err != nil || n > 0 {
					return err
				}
				_, err := tx.Exec(ctx, "INSERT INTO test_thing (name) VALUES (?)", "the one and only")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if got := count(t, s, "SELECT count(*) FROM test_thing"); got != 1 {
		t.Errorf("got %d rows; want 1", got)
	}
}

func idempotency(t *testing.T, open Open) {
	ctx := context.Background()
	turned := clock.At(Start)
	s := open(t, store.Options{Clock: turned})
	must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.Remember(ctx, "c", "k", "h", []byte("answer")) }))
	recall := func() (ok bool) {
		must(t, s.View(ctx, func(tx *store.Tx) error {
			hash, answer, found, err := tx.Recall(ctx, "c", "k")
			ok = found && hash == "h" && string(answer) == "answer"
			return err
		}))
		return ok
	}
	if !recall() {
		t.Error("not recalled")
	}
	turned.Turn(store.IdempotencyKept + time.Second)
	if recall() {
		t.Error("recalled after seven days")
	}
	must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.Remember(ctx, "c", "k", "h2", nil) }))
}
