package event

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Hub hands events to whoever listens, after their commit, in order of seq.
type Hub struct {
	store *store.Store
	Every time.Duration // how often to look for events of other processes on the same database; 0 = 2 s

	order sequencer
	woken chan struct{}
	mu    sync.Mutex
	last  int64
	ears  map[*Ear]struct{}
}

// Ear is one listener, of an institution and what else is told there. C is closed when the listener is too slow: it then
// resumes from the last seq that it saw.
type Ear struct {
	C       chan Event
	parties []string
}

// NewHub makes a hub on s; Run starts it.
func NewHub(s *store.Store) *Hub {
	return &Hub{store: s, order: sequencer{store: s, below: "0"}, woken: make(chan struct{}, 1), ears: map[*Ear]struct{}{}}
}

// Run fans out until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	if err := h.order.run(ctx, false); err != nil { // what was raised while no hub ran
		return err
	}
	err := h.store.View(ctx, func(tx *store.Tx) (err error) { h.last, err = Last(ctx, tx); return err })
	if err != nil {
		return err
	}
	hubs.Lock()
	hubs.live = append(hubs.live, h)
	hubs.Unlock()
	defer func() {
		hubs.Lock()
		hubs.live = slices.DeleteFunc(hubs.live, func(x *Hub) bool { return x == h })
		hubs.Unlock()
		h.silence()
	}()
	every := h.Every
	if every == 0 {
		every = 2 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		woken := false
		select {
		case <-ctx.Done():
			return nil
		case <-h.woken:
			woken = true
		case <-tick.C:
		}
		if err := h.tick(ctx, woken); err != nil && ctx.Err() == nil {
			slog.Error("event: fan out", "error", err)
		}
	}
}

// Tick hands out what is new.
func (h *Hub) Tick(ctx context.Context) error { return h.tick(ctx, false) }

// Settle gives seqs to what is committed: who reads the log next finds what he has just caused.
func (h *Hub) Settle(ctx context.Context) error { return h.order.run(ctx, false) }

func (h *Hub) tick(ctx context.Context, woken bool) error {
	if err := h.order.run(ctx, woken); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		var events []Event
		err := h.store.View(ctx, func(tx *store.Tx) (err error) { events, err = After(ctx, tx, "", h.last, 500); return err })
		if err != nil || len(events) == 0 {
			return err
		}
		for _, e := range events {
			h.last = e.Seq
			for ear := range h.ears {
				if !slices.ContainsFunc(e.Parties, func(p string) bool { return slices.Contains(ear.parties, p) }) {
					continue
				}
				select {
				case ear.C <- e:
				default:
					delete(h.ears, ear)
					close(ear.C)
				}
			}
		}
	}
}

// Listen starts an ear for the events of these parties; what the hub has already handed out is returned
// from the log by the caller, who compares seqs.
func (h *Hub) Listen(parties ...string) *Ear {
	ear := &Ear{C: make(chan Event, 256), parties: parties}
	h.mu.Lock()
	h.ears[ear] = struct{}{}
	h.mu.Unlock()
	return ear
}

// Leave ends an ear.
func (h *Hub) Leave(ear *Ear) {
	h.mu.Lock()
	delete(h.ears, ear)
	h.mu.Unlock()
}

func (h *Hub) silence() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ear := range h.ears {
		delete(h.ears, ear)
		close(ear.C)
	}
}

func (h *Hub) wake() {
	select {
	case h.woken <- struct{}{}:
	default:
	}
}
