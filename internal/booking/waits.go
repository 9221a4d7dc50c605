package booking

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

const waitColumns = "SELECT holder, patient, pool, rank, since, promised, reason, needs, told FROM booking_wait "

func waits(ctx context.Context, tx *store.Tx, where string, args ...any) (all []Wait, err error) {
	err = tx.Query(ctx, waitColumns+where, args, func(scan func(...any) error) error {
		var w Wait
		var since, promised, told int64
		if err := scan(&w.Holder, &w.Patient, &w.Pool, &w.Rank, &since, &promised, &w.Reason, &w.Needs, &told); err != nil {
			return err
		}
		w.Since, w.Promised, w.Told = moment(since), moment(promised), moment(told)
		all = append(all, w)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("booking: %w", err)
	}
	return all, nil
}

// WaitOf is what a holder waits for, nil when it does not.
func (r *Room) WaitOf(ctx context.Context, tx *store.Tx, holder string) (*Wait, error) {
	all, err := waits(ctx, tx, "WHERE holder = ? AND live = 1", holder)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// Waits is the waiting list of a pool in its order.
func (r *Room) Waits(ctx context.Context, tx *store.Tx, pool string) ([]Wait, error) {
	return waits(ctx, tx, "WHERE pool = ? AND live = 1 ORDER BY rank, since, holder", pool)
}

// await puts a case on the list. Without a Since of its own it keeps the one it had, also after it had left.
func (u *unit) await(c *Command) error {
	if c.Wait == nil {
		return errors.New("booking: wait without saying for what")
	}
	w := *c.Wait
	w.Holder = c.Holder
	if w.Pool == "" {
		w.Pool = c.Pool
	}
	if w.Patient == "" {
		w.Patient = c.Patient
	}
	if w.Pool == "" {
		return fmt.Errorf("booking: %s waits for nothing of nobody", w.Holder)
	}
	was, err := waits(u.ctx, u.tx, "WHERE holder = ?", w.Holder)
	if err != nil {
		return err
	}
	if w.Since.IsZero() {
		w.Since = u.now
		if len(was) > 0 {
			w.Since = was[0].Since
		}
	}
	if w.Needs == nil {
		w.Needs = []byte("{}")
	}
	if err := u.decline(w.Holder, ""); err != nil {
		return err
	}
	err = u.tx.Queue(u.ctx, `INSERT INTO booking_wait (holder, patient, pool, rank, since, promised, reason, needs, told, offer, fresh, seen, live) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '', 1, 0, 1)
		ON CONFLICT (holder) DO UPDATE SET patient = excluded.patient, pool = excluded.pool, rank = excluded.rank, since = excluded.since, promised = excluded.promised, reason = excluded.reason,
		needs = excluded.needs, offer = '', fresh = booking_wait.fresh + 1, live = 1`, w.Holder, w.Patient, w.Pool, w.Rank, w.Since.UnixMicro(), micros(w.Promised), w.Reason, w.Needs)
	if err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	return nil
}

// leave takes a case off the list; what it was told of goes to the next.
func (u *unit) leave(holder string) error {
	if err := u.decline(holder, ""); err != nil {
		return err
	}
	return u.write1("UPDATE booking_wait SET live = 0, offer = '' WHERE holder = ? AND live = 1", holder)
}

func (u *unit) write1(query string, args ...any) error {
	if err := u.tx.Queue(u.ctx, query, args...); err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	return nil
}

// decline gives back what a waiter was told of, unless it is what he takes.
func (u *unit) decline(holder, but string) error {
	var offer string
	err := u.tx.Query(u.ctx, "SELECT offer FROM booking_wait WHERE holder = ? AND offer <> ''", []any{holder}, func(scan func(...any) error) error { return scan(&offer) })
	if err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	if offer == but {
		return nil
	}
	return u.declined(holder, offer)
}

func (u *unit) declined(holder, offer string) error {
	if offer == "" {
		return nil
	}
	if err := u.write1("UPDATE booking_wait SET offer = '' WHERE holder = ?", holder); err != nil {
		return err
	}
	return u.write1("UPDATE booking_free SET offer = '', fresh = fresh + 1 WHERE thing = ? AND offer = ?", offer, holder)
}

// given takes a thing off the list of what is free. Who was told of it, and did not get it, is looked at anew. The row is
// written also where the thing does not stand as free: a unit that frees it meanwhile then finds that, and looks again.
func (u *unit) given(pool, thing, holder string) error {
	var to *string // whom it was offered, nil = it is not free
	var own string
	err := u.tx.Query(u.ctx, "SELECT (SELECT offer FROM booking_free WHERE thing = ? AND open = 1), (SELECT offer FROM booking_wait WHERE holder = ?)", []any{thing, holder}, func(scan func(...any) error) error { return scan(&to, &own) })
	if err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	err = u.write1(`INSERT INTO booking_free (thing, pool, open, since, offer, fresh, seen) VALUES (?, ?, 0, ?, '', 0, 0)
		ON CONFLICT (thing) DO UPDATE SET open = 0, offer = ''`, thing, pool, u.now.UnixMicro())
	if err != nil {
		return err
	}
	if to != nil && *to != "" {
		if err := u.write1("UPDATE booking_wait SET offer = '', fresh = fresh + 1 WHERE holder = ? AND offer = ?", *to, thing); err != nil {
			return err
		}
		if *to == holder && own == thing {
			own = ""
		}
	}
	return u.declined(holder, own)
}

// freed notes that the next waiter is to be told of a thing; Tick tells.
func (u *unit) freed(pool, thing string) error { return u.Opened(u.ctx, u.tx, pool, thing) }

// Opened notes that a thing can be given: it is new, clean, open again, or may now be lent. The next waiter whom it fits is
// told. What somebody has is not noted: it is when he gives it back.
func (r *Room) Opened(ctx context.Context, tx *store.Tx, pool, thing string) error {
	now := tx.Now()
	if has, err := overlapping(ctx, tx, thing, now, now.Add(time.Microsecond)); err != nil || len(has) > 0 {
		return err
	}
	err := tx.Queue(ctx, `INSERT INTO booking_free (thing, pool, open, since, offer, fresh, seen) VALUES (?, ?, 1, ?, '', 1, 0)
		ON CONFLICT (thing) DO UPDATE SET pool = excluded.pool, since = CASE WHEN booking_free.open = 1 THEN booking_free.since ELSE excluded.since END, open = 1, fresh = booking_free.fresh + 1`,
		thing, pool, now.UnixMicro())
	if err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	return nil
}

// Closed notes that a thing can not be given for now. Who was told of it is looked at anew.
func (r *Room) Closed(ctx context.Context, tx *store.Tx, thing string) error {
	u := r.unit(ctx, tx, nil)
	return u.given("", thing, "")
}
