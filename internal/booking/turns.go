package booking

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/store"
)

// idle is a thing that is free and of which nobody was told.
type idle struct {
	thing       string
	fresh, seen int64
}

// waiting is a waiter who was told of nothing that is still free.
type waiting struct {
	Wait
	fresh, seen int64
}

// turn is a thing of which a waiter is to be told.
type turn struct {
	idle
	waiting
}

// look is what one look at a pool found.
type look struct {
	free  []idle
	list  []waiting
	turns []turn
}

// freshPools lists those in which something is to be looked at.
func freshPools(ctx context.Context, tx *store.Tx) (all []string, err error) {
	err = tx.Query(ctx, "SELECT pool FROM booking_free WHERE open = 1 AND fresh > seen UNION SELECT pool FROM booking_wait WHERE live = 1 AND fresh > seen ORDER BY 1 LIMIT 1000", nil, func(scan func(...any) error) error {
		var pool string
		err := scan(&pool)
		all = append(all, pool)
		return err
	})
	return all, err
}

// look compares what is free with who waits, in the order of the list: each waiter gets at most one thing, each thing one
// waiter. Pairs of which neither has changed since the last look are left out.
func (r *Room) look(ctx context.Context, tx *store.Tx, pool string) (l look, err error) {
	err = tx.Query(ctx, "SELECT thing, fresh, seen FROM booking_free WHERE pool = ? AND open = 1 AND offer = '' ORDER BY since, thing", []any{pool}, func(scan func(...any) error) error {
		var f idle
		err := scan(&f.thing, &f.fresh, &f.seen)
		l.free = append(l.free, f)
		return err
	})
	if err != nil {
		return l, err
	}
	err = tx.Query(ctx, "SELECT holder, patient, pool, rank, since, promised, reason, needs, told, fresh, seen FROM booking_wait WHERE pool = ? AND live = 1 AND offer = '' ORDER BY rank, since, holder", []any{pool},
		func(scan func(...any) error) error {
			var w waiting
			var since, promised, told int64
			if err := scan(&w.Holder, &w.Patient, &w.Pool, &w.Rank, &since, &promised, &w.Reason, &w.Needs, &told, &w.fresh, &w.seen); err != nil {
				return err
			}
			w.Since, w.Promised, w.Told = moment(since), moment(promised), moment(told)
			l.list = append(l.list, w)
			return nil
		})
	if err != nil {
		return l, err
	}
	gone := make([]bool, len(l.free))
	left := len(l.free)
	for i := 0; i < len(l.list) && left > 0; i++ {
		w := &l.list[i]
		for j := range l.free {
			f := &l.free[j]
			if gone[j] || w.fresh == w.seen && f.fresh == f.seen {
				continue
			}
			ok := true
			if r.Fits != nil {
				if ok, err = r.Fits(ctx, tx, f.thing, w.Wait); err != nil {
					return l, err
				}
			}
			if ok {
				gone[j] = true
				left--
				l.turns = append(l.turns, turn{*f, *w})
				break
			}
		}
	}
	return l, nil
}

// tell tells the waiters of a pool whose turn it is: found on a snapshot, written down in one unit with its events. Where
// anything has changed meanwhile, it stays fresh and is looked at again.
func (r *Room) tell(ctx context.Context, pool string) (told int, err error) {
	var l look
	if err = r.Store.View(ctx, func(tx *store.Tx) (err error) { l, err = r.look(ctx, tx, pool); return err }); err != nil {
		return 0, fmt.Errorf("booking: look at %s: %w", pool, err)
	}
	err = r.Store.Update(ctx, func(tx *store.Tx) error {
		told = 0
		u := r.unit(ctx, tx, nil)
		for _, t := range l.turns {
			n, err := tx.Exec(ctx, "UPDATE booking_wait SET offer = ?, told = ?, seen = fresh WHERE holder = ? AND live = 1 AND offer = '' AND fresh = ? AND EXISTS (SELECT 1 FROM booking_free f WHERE f.thing = ? AND f.open = 1 AND f.offer = '' AND f.fresh = ?)",
				t.thing, u.now.UnixMicro(), t.Holder, t.waiting.fresh, t.thing, t.idle.fresh)
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if _, err := tx.Exec(ctx, "UPDATE booking_free SET offer = ?, seen = fresh WHERE thing = ?", t.Holder, t.thing); err != nil {
				return err
			}
			if err := u.raise("booking.turn", &Booking{Thing: t.thing, Pool: pool, Holder: t.Holder, Patient: t.Patient, State: "free"}); err != nil {
				return err
			}
			told++
		}
		if told < len(l.turns) { // what was to be given is not, so what came after it may be wrong
			return nil
		}
		for _, f := range l.free {
			if f.fresh > f.seen {
				if _, err := tx.Exec(ctx, "UPDATE booking_free SET seen = ? WHERE thing = ? AND seen < ?", f.fresh, f.thing, f.fresh); err != nil {
					return err
				}
			}
		}
		for _, w := range l.list {
			if w.fresh > w.seen {
				if _, err := tx.Exec(ctx, "UPDATE booking_wait SET seen = ? WHERE holder = ? AND seen < ?", w.fresh, w.Holder, w.fresh); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return told, err
}
