package server

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/region"
	"github.com/xinglin-health/xinglin/internal/store"
)

// MakeRegion fills an empty hub with a made-up region whose history ends at present; made is false when
// something is there already. It opens the hub for itself, under a clock that it turns.
func MakeRegion(ctx context.Context, o Options, r *region.Region, progress func(stage string, done, total int)) (made bool, err error) {
	turned := clock.At(r.Begins())
	o.Clock = turned
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h, err := Open(ctx, o)
	if err != nil {
		return false, err
	}
	defer func() {
		if shut := h.Close(); err == nil {
			err = shut
		}
	}()
	empty, err := h.empty(ctx)
	if err != nil || !empty {
		return false, err
	}
	if err := h.Inhabit(ctx, r, turned, progress); err != nil {
		return false, fmt.Errorf("server: make the region: %w", err)
	}
	return true, nil
}

// Inhabit makes the region in this hub, which is empty and runs by the turned clock.
func (h *Hub) Inhabit(ctx context.Context, r *region.Region, turned *clock.Turned, progress func(stage string, done, total int)) error {
	return r.Make(ctx, region.Hub{Store: h.Store, Tree: h.Tree, Accounts: h.Identity, Runner: h.Runner, Clock: turned, Bookings: h.Bookings, Beds: h.Beds}, progress)
}

func (h *Hub) empty(ctx context.Context) (empty bool, err error) {
	err = h.Store.View(ctx, func(tx *store.Tx) error {
		page, err := tx.Search(ctx, search.Query{Type: "Organization", Count: 1, Scope: search.Everything})
		empty = err == nil && len(page.Matches) == 0
		return err
	})
	return empty, err
}
