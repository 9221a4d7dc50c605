package identity

import (
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
)

// throttle slows down whoever fails: after free failures the wait doubles from one second up to longest. It lives in memory: a restart forgets, which costs an attacker nothing he may keep.
type throttle struct {
	free    int
	longest time.Duration
	wall    clock.Clock
	mu      sync.Mutex
	seen    map[string]*failures
}

type failures struct {
	count int
	last  time.Time
	until time.Time
}

const (
	forgotten = time.Hour // without a failure, the count begins anew
	mostSeen  = 100_000
)

func newThrottle(free int, longest time.Duration, wall clock.Clock) *throttle {
	return &throttle{free: free, longest: longest, wall: wall, seen: map[string]*failures{}}
}

// wait is how long key must wait before the next try.
func (t *throttle) wait(key string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.seen[key]
	if f == nil {
		return 0
	}
	return max(0, f.until.Sub(t.wall.Now()))
}

func (t *throttle) failed(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.wall.Now()
	f := t.seen[key]
	if f == nil || now.Sub(f.last) > forgotten {
		if len(t.seen) >= mostSeen {
			for k, old := range t.seen {
				if now.After(old.until) {
					delete(t.seen, k)
				}
			}
		}
		f = &failures{}
		t.seen[key] = f
	}
	f.count++
	f.last = now
	if over := f.count - t.free; over >= 0 {
		wait := t.longest
		if over < 10 {
			wait = min(wait, time.Second<<over)
		}
		f.until = now.Add(wait)
	}
}

func (t *throttle) succeeded(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, key)
}
