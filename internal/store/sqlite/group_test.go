package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

func openMemory(t *testing.T) *DB {
	t.Helper()
	db, err := Open(context.Background(), ":memory:", 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	err = db.Script(context.Background(), "CREATE TABLE note (who INTEGER NOT NULL, n INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (who, n)) WITHOUT ROWID", "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Units share commits, yet one that fails, panics or is broken by a statement undoes itself alone, whatever it had written.
func TestOneOfAGroupFailsAlone(t *testing.T) {
	db := openMemory(t)
	ctx := context.Background()
	const insert = "INSERT INTO note (who, n, text) VALUES (?, ?, ?)"
	boom := errors.New("boom")
	const units, rows = 300, 60
	kind := func(who int) int { return who % 7 }
	errs := make([]error, units)
	var wg sync.WaitGroup
	for who := range units {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() {
				if p := recover(); p != nil {
					errs[who] = fmt.Errorf("panic %v", p)
				}
			}()
			errs[who] = db.Update(ctx, func(c engine.Conn) error {
				for n := range rows {
					if err := c.Queue(ctx, insert, who, n, "x"); err != nil {
						return err
					}
				}
				switch kind(who) {
				case 3: // has been written out
					_, err := c.Exec(ctx, "UPDATE note SET text = 'y' WHERE who = ?", who)
					return errors.Join(err, boom)
				case 4:
					panic("boom")
				case 5: // a row twice: the statement fails, at the latest when the unit ends
					return c.Queue(ctx, insert, who, 0, "again")
				case 6: // fails before anything is written out
					return boom
				}
				return nil
			})
		}()
	}
	wg.Wait()
	count := map[int64]int64{}
	err := db.View(ctx, func(c engine.Conn) error {
		return c.Query(ctx, "SELECT who, count(*) FROM note GROUP BY who", nil, func(scan engine.Row) error {
			var who, n int64
			err := scan(&who, &n)
			count[who] = n
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for who := range units {
		good := kind(who) < 3
		if good && (errs[who] != nil || count[int64(who)] != rows) {
			t.Errorf("unit %d: got %d rows, %v; want %d", who, count[int64(who)], errs[who], rows)
		}
		if !good && (errs[who] == nil || count[int64(who)] != 0) {
			t.Errorf("unit %d of kind %d: got %d rows, %v; want none and an error", who, kind(who), count[int64(who)], errs[who])
		}
		if kind(who) == 5 && !errors.Is(errs[who], engine.ErrUnique) {
			t.Errorf("unit %d: got %v; want %v", who, errs[who], engine.ErrUnique)
		}
	}
}

// What was queued is seen by the next statement that asks for it.
func TestWhatIsQueuedIsSeen(t *testing.T) {
	db := openMemory(t)
	ctx := context.Background()
	err := db.Update(ctx, func(c engine.Conn) error {
		for n := range 50 {
			if err := c.Queue(ctx, "INSERT INTO note (who, n, text) VALUES (?, ?, ?) ON CONFLICT (who, n) DO NOTHING", 1, n%25, fmt.Sprint(n)); err != nil {
				return err
			}
		}
		var rows int64
		if err := c.Query(ctx, "SELECT count(*) FROM note", nil, func(scan engine.Row) error { return scan(&rows) }); err != nil {
			return err
		}
		if rows != 25 {
			t.Errorf("got %d rows; want 25", rows)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The log begins anew under continuous writing and reading, so that it does not grow for ever.
func TestTheLogDoesNotGrowForEver(t *testing.T) {
	db := openMemory(t)
	const begin = 1000
	ctx := context.Background()
	if err := db.Update(ctx, func(engine.Conn) error { db.log.begin = begin; return nil }); err != nil { // the writer's own
		t.Fatal(err)
	}
	text := string(make([]byte, 3000))
	highest := uint32(0)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := db.View(ctx, func(c engine.Conn) error {
					return c.Query(ctx, "SELECT count(*) FROM (SELECT 1 FROM note ORDER BY who DESC LIMIT 300)", nil, func(engine.Row) error { return nil })
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	defer readers.Wait()
	defer close(stop)
	for unit := range 100 {
		err := db.Update(ctx, func(c engine.Conn) error {
			for n := range 100 {
				if err := c.Queue(ctx, "INSERT INTO note (who, n, text) VALUES (?, ?, ?)", unit, n, text); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		highest = max(highest, db.logged())
	}
	// 100 units of 100 rows of about a page each: 10,000 frames and more in all
	if highest < begin || highest > 6*begin {
		t.Errorf("got a log of up to %d frames; want it to begin anew soon after %d", highest, begin)
	}
	t.Logf("up to %d frames", highest)
}
