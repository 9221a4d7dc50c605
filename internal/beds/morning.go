package beds

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Due are the cases of a pool with a place reserved for today that are to be given their beds now, and what each needs:
// the place is its promise. Before the hour of the rule "morning" there are none.
func (r *Room) Due(ctx context.Context, tx *store.Tx, pool string) ([]booking.Booking, []allocate.Request, error) {
	u, err := r.RulesOf(ctx, tx, pool)
	if err != nil || !u.Binds(tx.Now().In(r.zone())) {
		return nil, nil, err
	}
	held, err := r.Bookings.Holds(ctx, tx, pool)
	if err != nil {
		return nil, nil, fmt.Errorf("beds: %w", err)
	}
	var due []booking.Booking
	var all []allocate.Request
	for _, b := range held {
		if !r.IsDue(u, b, tx.Now()) {
			continue
		}
		q, err := r.known(ctx, tx, b.Holder, b.Patient, nil)
		if err != nil {
			return nil, nil, err
		}
		q.ID = b.Holder
		if q.Promised.IsZero() {
			q.Promised = b.From
		}
		due, all = append(due, b), append(all, q)
	}
	return due, all, nil
}

// IsDue says whether a booking is a place reserved for today that is to become a bed now.
func (r *Room) IsDue(u *Rules, b booking.Booking, now time.Time) bool {
	return strings.HasPrefix(b.Thing, "capacity:") && b.State != booking.Occupied && !b.From.After(now) && (b.Until.IsZero() || b.Until.After(now)) && u.Binds(now.In(r.zone()))
}
