package booking

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Tick does what time demands: it writes down which holds have run out, informs who has lost a thing, and tells waiters
// whose turn it is. Each of them is done in a unit of its own, so what a crash cuts short is done by the next Tick; many
// may run. It returns how many were done.
func (r *Room) Tick(ctx context.Context) (int, error) {
	if r.Store == nil {
		return 0, nil
	}
	ctx = access.With(ctx, nil)
	lapsed, err1 := r.lapse(ctx)
	informed, err2 := r.informAll(ctx)
	told, err3 := r.tellAll(ctx)
	return lapsed + informed + told, errors.Join(err1, err2, err3)
}

// Run ticks every second, and soon after each change, until ctx ends.
func (r *Room) Run(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		if _, err := r.Tick(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		case <-r.woken:
			select { // many changes make one tick
			case <-ctx.Done():
				return nil
			case <-time.After(soon):
			}
		}
	}
}

const soon = 50 * time.Millisecond

func (r *Room) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

const some = 200 // that one look takes in

// lapse ends the holds that have run out.
func (r *Room) lapse(ctx context.Context) (done int, err error) {
	for {
		var due []Booking
		err := r.Store.View(ctx, func(tx *store.Tx) (err error) {
			due, err = list(ctx, tx, "WHERE state = 'held' AND expires > 0 AND expires <= ? ORDER BY expires, id LIMIT ?", tx.Now().UnixMicro(), some)
			return err
		})
		if err != nil || len(due) == 0 {
			return done, err
		}
		before := done
		var failed error
		for _, b := range due {
			ok := false
			err := r.Store.Update(ctx, func(tx *store.Tx) error {
				ok = false
				now, err := one(ctx, tx, "WHERE id = ?", b.ID)
				if err != nil || now == nil || !now.runOut(tx.Now()) {
					return err
				}
				ok = true
				u := r.unit(ctx, tx, nil)
				if err := u.lapse(now); err != nil {
					return err
				}
				return r.note(ctx, tx, now, "hold-lapsed")
			})
			if err != nil && !errors.Is(err, store.ErrTryAgain) {
				failed = errors.Join(failed, fmt.Errorf("booking: %s has run out: %w", b.ID, err))
			} else if ok && err == nil {
				done++
			}
		}
		if failed != nil || len(due) < some || done == before {
			return done, failed
		}
	}
}

// note leaves the audit entry of what time did.
func (r *Room) note(ctx context.Context, tx *store.Tx, b *Booking, what string) error {
	if r.Audit == nil {
		return nil
	}
	e := audit.Entry{Outcome: "0", At: tx.Now(), Wall: time.Now(), User: "hub", Name: "系统", Role: "system", Action: "U", What: "booking:" + what, Target: "Appointment/" + b.ID, Count: 1}
	if b.Patient != "" {
		e.Patients = []string{b.Patient}
	}
	return r.Audit.Write(ctx, tx, e)
}

// again is how long an informing that failed waits.
const again = 30 * time.Second

// informAll takes the system's step of every holder who has lost a thing. A crash between the step and the note brings the
// step once more: it finds itself not open, or the holder with another thing.
func (r *Room) informAll(ctx context.Context) (done int, err error) {
	for {
		var due []Booking
		err := r.Store.View(ctx, func(tx *store.Tx) (err error) {
			due, err = list(ctx, tx, "WHERE inform_at > 0 AND inform_at <= ? ORDER BY inform_at, id LIMIT ?", tx.Now().UnixMicro(), some)
			return err
		})
		if err != nil || len(due) == 0 {
			return done, err
		}
		var failed error
		for _, b := range due {
			err := r.inform(ctx, b)
			if err == nil {
				done++
				continue
			}
			failed = errors.Join(failed, fmt.Errorf("booking: inform %s of %s: %w", b.Holder, b.ID, err))
			err = r.Store.Update(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE booking_row SET inform_at = ? WHERE id = ? AND inform_at > 0", tx.Now().Add(again).UnixMicro(), b.ID)
				return err
			})
			failed = errors.Join(failed, err)
		}
		if failed != nil || len(due) < some {
			return done, failed
		}
	}
}

func (r *Room) inform(ctx context.Context, b Booking) error {
	if r.Inform != nil && isTask(b.Holder) {
		step := "hold-lapsed"
		params := fhir.New("Parameters")
		params.Add("parameter", fhir.Obj{"name", "bed", "valueString", b.Thing})
		if b.State == Displaced {
			step = "displaced"
			params.Add("parameter", fhir.Obj{"name", "reason", "valueString", b.Reason})
		}
		if _, err := r.Inform(ctx, b.Holder, step, params); err != nil {
			return err
		}
	}
	return r.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE booking_row SET inform_at = 0 WHERE id = ?", b.ID)
		return err
	})
}

func isTask(holder string) bool { return len(holder) > 5 && holder[:5] == "Task/" }

// tellAll tells waiters in every pool where something has changed.
func (r *Room) tellAll(ctx context.Context) (done int, err error) {
	for range 20 { // what changes meanwhile may wait for the next Tick
		var pools []string
		var failed error
		if err := r.Store.View(ctx, func(tx *store.Tx) (err error) { pools, err = freshPools(ctx, tx); return err }); err != nil || len(pools) == 0 {
			return done, err
		}
		for _, pool := range pools {
			told, err := r.tell(ctx, pool)
			done += told
			failed = errors.Join(failed, err)
		}
		if failed != nil {
			return done, failed
		}
	}
	return done, nil
}
