package empi

import (
	"context"
	"log/slog"
	"time"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/store"
)

// New makes an index. Give its Derive to the store, then call Open.
func New(o Options) *Index {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Index{o: o, wake: make(chan struct{}, 1)}
}

// Open gives the index what opens after it. a keeps decisions in the trail, trail says who read by a link that was undone; both may be nil.
func (x *Index) Open(ctx context.Context, s *store.Store, a audit.Log, trail Trail) (err error) {
	x.store, x.audit, x.trail = s, a, trail
	x.keys, err = newKeyed(s)
	return err
}

// warn logs at most once a minute, without data of patients.
func (x *Index) warn(text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); now.Sub(x.warned) > time.Minute {
		x.warned = now
		x.o.Log.Warn("persons: " + text)
	}
}
