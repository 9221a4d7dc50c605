package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// Tx is the inside of View or Update.
type Tx struct {
	now      time.Time
	s        *Store
	c        engine.Conn
	names    unitNames
	absent   map[ident]bool   // looked for in this unit and not found
	guards   map[int64]int64  // what was read of resource.guarded of patients
	born     map[int64]bool   // numbers that this unit took
	promised map[ident]int64  // numbers given to what this unit is going to create
	keys     map[ident]bool   // what this unit replaces, of all its runs
	plains   map[int64][]byte // bodies that this unit has read, by seq
	notes    map[any]any
	after    []func()
	gifts    int64 // of a view: how many units had given something before it began
	gave     bool  // this unit gives somebody something
}

// View runs fn on a snapshot.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) (err error) {
	if s.opts.Watch != nil {
		end := s.opts.Watch(ctx, "view")
		defer func() { end(err) }()
	}
	gifts := s.names.gifts.Load()
	return s.db.View(ctx, func(c engine.Conn) error {
		tx := &Tx{now: s.clock.Now(), s: s, c: c, gifts: gifts}
		err := fn(tx)
		s.names.keep(&unitNames{symbols: tx.names.symbols}) // what a view finds is committed
		return err
	})
}

// Update runs fn as one unit that is durable when Update returns nil. Units of many callers share
// one commit; an error from fn undoes only its own unit. fn may be run more than once,
// so it must not have effects outside tx. An Update inside fn would wait for itself.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) (err error) {
	if s.opts.Watch != nil {
		end := s.opts.Watch(ctx, "update")
		defer func() { end(err) }()
	}
	var tx *Tx
	keys := map[ident]bool{}
	defer s.cache.end(keys)
	err = s.db.Update(ctx, func(c engine.Conn) error {
		tx = &Tx{now: s.clock.Now(), s: s, c: c, keys: keys}
		if err := fn(tx); err != nil {
			return err
		}
		return tx.honour(ctx)
	})
	if err != nil {
		return named(err) // a queued statement may fail as late as the commit
	}
	s.names.keep(&tx.names)
	if tx.gave {
		s.names.gifts.Add(1)
	}
	for _, fn := range tx.after {
		fn()
	}
	return nil
}

// Now is the business time of this unit.
func (tx *Tx) Now() time.Time { return tx.now }

// Database names the kind of database, as of Store.
func (tx *Tx) Database() string { return tx.s.Database() }

// Writing says whether the unit may write: in an Update, not in a View.
func (tx *Tx) Writing() bool { return tx.keys != nil }

// Note keeps what a package has found out for the rest of this run of the unit; nil forgets it. Noted gives it back.
func (tx *Tx) Note(key, value any) {
	if tx.notes == nil {
		tx.notes = map[any]any{}
	}
	tx.notes[key] = value
}

// Noted is what was noted under a key, nil when nothing was.
func (tx *Tx) Noted(key any) any { return tx.notes[key] }

// Exec and Query serve the packages of floor 2 with their own tables. Text is written once, with ? for
// arguments; booleans are 0/1 integers, times are UTC microseconds (int64), bytes are []byte.
// A unique row that is taken is ErrExists. After an error the unit cannot be saved, on either database.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (affected int64, err error) {
	n, err := tx.c.Exec(ctx, query, args...)
	return n, named(err)
}

// Queue is Exec for statements whose count nobody needs: PostgreSQL gets many in one round trip.
// Its error may come with a later statement or with the commit.
func (tx *Tx) Queue(ctx context.Context, query string, args ...any) error {
	return named(tx.c.Queue(ctx, query, args...))
}

// Query calls row for each row; scan takes *int64, *int, *string, *[]byte, *float64, *bool and
// nullable pointers (**int64, **string); NULL reads as zero into the others. row may use tx.
func (tx *Tx) Query(ctx context.Context, query string, args []any, row func(scan func(dest ...any) error) error) error {
	return named(tx.c.Query(ctx, query, args, func(scan engine.Row) error { return row(scan) }))
}

// one reads a single row; found is false when there is none.
func (tx *Tx) one(ctx context.Context, query string, args []any, dest ...any) (found bool, err error) {
	err = tx.Query(ctx, query, args, func(scan func(...any) error) error {
		if found {
			return nil
		}
		found = true
		return scan(dest...)
	})
	return found, err
}

func named(err error) error {
	if errors.Is(err, engine.ErrUnique) && !errors.Is(err, ErrExists) {
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	return err
}

// AfterCommit calls fn once this unit is durable.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// Locking has the units of a context hold these keys from their beginning, where they would only ask for them by Lock.
func Locking(ctx context.Context, keys ...string) context.Context {
	return engine.Locking(ctx, keys...)
}

// Lock lets one unit at a time pass with this key, until it ends: for decisions on what is not there yet,
// such as a conditional create. Ask early: on PostgreSQL the unit starts again with the lock, so an
// error of Lock goes straight back out of the unit.
func (tx *Tx) Lock(ctx context.Context, key string) error { return tx.c.Lock(ctx, key) }
