package booking

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Options of New. What is nil asks nothing and tells nobody.
type Options struct {
	Store *store.Store // for Tick and the operations; Do, Of and the lists work in the unit they are given
	Clock clock.Clock  // nil = the machine's
	Zone  *time.Location
	Audit audit.Log
	Log   *slog.Logger

	// Raise records an event in the unit.
	Raise func(ctx context.Context, tx *store.Tx, e event.Event) error
	// Inform takes the system's step "hold-lapsed" or "displaced" of a holder; false = the step is not open any more.
	Inform func(ctx context.Context, holder, step string, params *fhir.Node) (bool, error)
	// Fits says whether a thing would do for a waiter now.
	Fits func(ctx context.Context, tx *store.Tx, thing string, w Wait) (bool, error)
	// Guard may refuse a command that takes a thing, or begins to use what is held, before anything is written. before is
	// the holder's own live booking, of the same thing where its use begins; nil when it has none.
	Guard func(ctx context.Context, tx *store.Tx, by *access.Caller, c *Command, before *Booking) error
	// Beside names the lock that Guard will ask for when a thing is taken, "" = it cannot say without looking: asked for
	// together with the thing's own, it spares the unit another start.
	Beside func(thing string) string
	// Changed follows every change of a booking in its unit. before is nil for a new one.
	Changed func(ctx context.Context, tx *store.Tx, before, after *Booking) error
	// Units says how many units there are of a capacity ("capacity:…/sex" without "#n") at a time; nil = none.
	Units func(ctx context.Context, tx *store.Tx, base string, at time.Time) (int, error)
	// Tree says whose a thing is, for the operations; nil = they are not served.
	Tree *access.Tree
}

// Room keeps bookings and waiting lists.
type Room struct {
	Options
	woken chan struct{}
}

// New makes the room; its tables are in Migrations.
func New(o Options) *Room {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Room{Options: o, woken: make(chan struct{}, 1)}
}

// Of is the live booking of a holder at tx.Now(), nil when there is none; a hold that has run out is none.
func (r *Room) Of(ctx context.Context, tx *store.Tx, holder string) (*Booking, error) {
	b, err := ofHolder(ctx, tx, holder)
	if err != nil || b == nil || b.runOut(tx.Now()) {
		return nil, err
	}
	return b, nil
}

// At is who has a thing at tx.Now(), nil when it is free.
func (r *Room) At(ctx context.Context, tx *store.Tx, thing string) (*Booking, error) {
	now := tx.Now()
	all, err := overlapping(ctx, tx, thing, now, now.Add(time.Microsecond))
	if err != nil {
		return nil, err
	}
	for i := range all {
		if !all[i].runOut(now) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// Get is one booking by its id, whatever its state; nil when there is none.
func (r *Room) Get(ctx context.Context, tx *store.Tx, id string) (*Booking, error) {
	return one(ctx, tx, "WHERE id = ?", id)
}

// Holds lists the live bookings of a pool, of beds and of capacity, by beginning; what has run out is left out.
func (r *Room) Holds(ctx context.Context, tx *store.Tx, pool string) ([]Booking, error) {
	all, err := list(ctx, tx, "WHERE pool = ? AND live = 1 ORDER BY from_at, id", pool)
	if err != nil {
		return nil, err
	}
	now, kept := tx.Now(), all[:0]
	for _, b := range all {
		if !b.runOut(now) {
			kept = append(kept, b)
		}
	}
	return kept, nil
}

// runOut says whether a hold's time is over: whoever comes may take the thing.
func (b *Booking) runOut(now time.Time) bool {
	return b.State == Held && !b.Expires.IsZero() && !b.Expires.After(now)
}

const columns = "SELECT id, thing, pool, holder, patient, state, from_at, until_at, planned, expires, since, by_who, reason, version FROM booking_row "

func list(ctx context.Context, tx *store.Tx, where string, args ...any) (all []Booking, err error) {
	err = tx.Query(ctx, columns+where, args, func(scan func(...any) error) error {
		var b Booking
		var state string
		var from, until, planned, expires, since int64
		if err := scan(&b.ID, &b.Thing, &b.Pool, &b.Holder, &b.Patient, &state, &from, &until, &planned, &expires, &since, &b.By, &b.Reason, &b.Version); err != nil {
			return err
		}
		b.State, b.From, b.Until, b.Planned, b.Expires, b.Since = State(state), moment(from), moment(until), moment(planned), moment(expires), moment(since)
		all = append(all, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("booking: %w", err)
	}
	return all, nil
}

func one(ctx context.Context, tx *store.Tx, where string, args ...any) (*Booking, error) {
	all, err := list(ctx, tx, where, args...)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// ofHolder is the row that stands as live, though it may have run out.
func ofHolder(ctx context.Context, tx *store.Tx, holder string) (*Booking, error) {
	return one(ctx, tx, "WHERE holder = ? AND live = 1", holder)
}

// overlapping are the rows of a thing that stand as live in an interval, though they may have run out.
func overlapping(ctx context.Context, tx *store.Tx, thing string, from, until time.Time) ([]Booking, error) {
	end := far
	if !until.IsZero() {
		end = until.UnixMicro()
	}
	return list(ctx, tx, "WHERE thing = ? AND live = 1 AND from_at < ? AND (until_at IS NULL OR until_at > ?) ORDER BY from_at", thing, end, from.UnixMicro())
}

const far = int64(1) << 61 // later than every end

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// ending is NULL for what is open-ended.
func ending(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
