// Package beds is one pool of beds: what beds there are, who lies in them, what wards can bear, and whom to put where.
package beds

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bookings is what this room asks of the one that holds and reserves.
type Bookings interface {
	Of(ctx context.Context, tx *store.Tx, holder string) (*booking.Booking, error)
	WaitOf(ctx context.Context, tx *store.Tx, holder string) (*booking.Wait, error)
	Waits(ctx context.Context, tx *store.Tx, pool string) ([]booking.Wait, error)
	Holds(ctx context.Context, tx *store.Tx, pool string) ([]booking.Booking, error)
	// Opened notes that a thing can be given, Closed that it can not for now.
	Opened(ctx context.Context, tx *store.Tx, pool, thing string) error
	Closed(ctx context.Context, tx *store.Tx, thing string) error
}

// Options of New.
type Options struct {
	Tree     *access.Tree
	Zone     *time.Location // in which days and shifts begin; nil = Asia/Shanghai
	Audit    audit.Log      // nil = none, for tests
	Raise    func(context.Context, *store.Tx, event.Event) error
	Bookings Bookings
	Log      *slog.Logger
}

// Room keeps the register of beds and what follows from who lies in them.
type Room struct {
	Options

	mu      sync.Mutex
	kept    *register             // the newest that a view has seen
	rules   map[string]understood // of institutions that have set some
	memo    memo
	refused map[refusal]int
}

// New makes the room. Give Derive and Keep to the store, Guard, Changed, Fits and Units to booking.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Room{Options: o, rules: map[string]understood{}, refused: map[refusal]int{}}
}

func (r *Room) zone() *time.Location {
	if r.Zone != nil {
		return r.Zone
	}
	return time.FixedZone("CST", 8*3600)
}

// institution is whose pool an organisation belongs to.
func (r *Room) institution(org string) string {
	if r.Tree == nil {
		return org
	}
	return r.Tree.Institution(org)
}

func (r *Room) within(org, top string) bool {
	return org != "" && top != "" && (org == top || r.Tree != nil && r.Tree.Within(org, top))
}
