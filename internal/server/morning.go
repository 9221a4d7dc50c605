package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// remindToBind tells a hospital in the morning which cases of today have capacity and no bed yet: once a case and day.
func (h *Hub) remindToBind(ctx context.Context) error {
	now := h.Clock.Now().In(line.Zone())
	today := now.Format(time.DateOnly)
	var due []booking.Booking
	err := h.Store.View(ctx, func(tx *store.Tx) error {
		pools, err := h.Beds.Pools(ctx, tx)
		if err != nil {
			return err
		}
		for pool := range pools {
			rules, err := h.Beds.RulesOf(ctx, tx, pool)
			if err != nil {
				return err
			}
			if !rules.Binds(now) {
				continue
			}
			held, err := h.Bookings.Holds(ctx, tx, pool)
			if err != nil {
				return err
			}
			for _, b := range held {
				if !strings.HasPrefix(b.Thing, "capacity:") || b.From.In(line.Zone()).Format(time.DateOnly) != today {
					continue
				}
				if told, _, err := tx.Claimed(ctx, "bind-due", b.Holder+" "+today); err != nil {
					return err
				} else if told == "" {
					due = append(due, b)
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("server: what is to be bound today: %w", err)
	}
	for _, b := range due {
		err := h.Store.Update(ctx, func(tx *store.Tx) error {
			var held *store.Claimed
			if err := tx.Claim(ctx, "bind-due", b.Holder+" "+today, b.Holder); errors.As(err, &held) {
				return nil
			} else if err != nil {
				return err
			}
			v, err := tx.Read(ctx, search.Everything, "Task", strings.TrimPrefix(b.Holder, "Task/"))
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
				return nil
			}
			if err != nil {
				return err
			}
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			slug, code := line.LineOf(n)
			return event.Raise(ctx, tx, event.Event{At: tx.Now(), Kind: slug + ".bind-due", Focus: b.Holder, Patient: b.Patient, Parties: []string{b.Pool}, Actor: b.Pool, ActBy: b.Expires,
				Data: map[string]string{"line": slug, "flow": code, "state": line.StateOf(n), "urgency": string(line.UrgencyOf(n))}})
		})
		if err != nil {
			return fmt.Errorf("server: %s is to be bound today: %w", b.Holder, err)
		}
	}
	return nil
}
