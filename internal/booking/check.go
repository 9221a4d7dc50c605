package booking

import (
	"context"
	"fmt"
	"slices"

	"github.com/xinglin-health/xinglin/internal/store"
)

// next are the states that may follow a state. Each booking ends in one of the three that have none, or is live.
var next = map[State][]State{
	"":        {Held, Confirmed, Occupied},
	Held:      {Held, Confirmed, Occupied, Released, Lapsed, Displaced},
	Confirmed: {Confirmed, Occupied, Released},
	Occupied:  {Occupied, Released},
}

// entry is one row of the history.
type entry struct {
	id      string
	version int64
	state   State
}

const mostFound = 20 // that Check lists

// Check looks at all bookings and their history: nothing was given twice in one moment, every booking has come its way by
// allowed states without a gap, what is live holds, and who waits and what is free name each other. It returns what is wrong.
func Check(ctx context.Context, tx *store.Tx) (wrong []string, err error) {
	found := func(format string, args ...any) {
		if len(wrong) < mostFound {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	last := map[string]entry{}
	err = tx.Query(ctx, "SELECT id, version, state FROM booking_log ORDER BY id, version", nil, func(scan func(...any) error) error {
		var e entry
		var state string
		if err := scan(&e.id, &e.version, &state); err != nil {
			return err
		}
		e.state = State(state)
		was := last[e.id]
		if e.version != was.version+1 {
			found("%s: version %d follows %d", e.id, e.version, was.version)
		}
		if !slices.Contains(next[was.state], e.state) {
			found("%s: %s follows %q", e.id, e.state, was.state)
		}
		last[e.id] = e
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("booking: check: %w", err)
	}
	// Intervals of one thing, in their order: none begins before the one before it has ended.
	var thing, before string
	var end int64
	err = tx.Query(ctx, "SELECT id, thing, state, live, from_at, COALESCE(until_at, 0), since, version FROM booking_row ORDER BY thing, from_at, id", nil, func(scan func(...any) error) error {
		var id, of, state string
		var live bool
		var from, until, since, version int64
		if err := scan(&id, &of, &state, &live, &from, &until, &since, &version); err != nil {
			return err
		}
		if e := last[id]; e.version != version || e.state != State(state) {
			found("%s is %s in version %d, its history ends with %q in version %d", id, state, version, e.state, e.version)
		}
		delete(last, id)
		if State(state).Live() != live {
			found("%s is %s and live=%t", id, state, live)
		}
		switch {
		case live && until == 0:
			until = far
		case !live && (until == 0 || until > since):
			until = since // given back before its end
		}
		if until <= from {
			return nil
		}
		if of == thing && from < end {
			found("%s was given twice in one moment: %s and %s", of, before, id)
		}
		if of != thing {
			thing, end = of, 0
		}
		if until > end {
			end, before = until, id
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("booking: check: %w", err)
	}
	for id := range last {
		found("%s has a history and no row", id)
	}
	for _, q := range []struct{ query, says string }{
		{"SELECT f.thing FROM booking_free f WHERE f.open = 1 AND f.offer <> '' AND NOT EXISTS (SELECT 1 FROM booking_wait w WHERE w.holder = f.offer AND w.offer = f.thing AND w.live = 1)", "%s is kept for somebody who does not wait for it"},
		{"SELECT w.holder FROM booking_wait w WHERE w.live = 1 AND w.offer <> '' AND NOT EXISTS (SELECT 1 FROM booking_free f WHERE f.thing = w.offer AND f.offer = w.holder AND f.open = 1)", "%s was told of a thing that is not free"},
		{"SELECT f.thing FROM booking_free f JOIN booking_row b ON b.thing = f.thing AND b.live = 1 AND b.until_at IS NULL WHERE f.open = 1", "%s is both free and taken"},
	} {
		err := tx.Query(ctx, q.query, nil, func(scan func(...any) error) error {
			var s string
			err := scan(&s)
			found(q.says, s)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("booking: check: %w", err)
		}
	}
	return wrong, nil
}
