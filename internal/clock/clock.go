// Package clock tells business time, which tests turn by hand.
package clock

import (
	"sync"
	"time"
)

// Clock is where every deadline, period and lastUpdated comes from.
type Clock interface {
	Now() time.Time
}

// System is the machine's own clock.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

// Turned stands still until it is turned. Safe for many goroutines.
type Turned struct {
	mu  sync.Mutex
	now time.Time
}

// At returns a clock that shows t.
func At(t time.Time) *Turned { return &Turned{now: t} }

func (c *Turned) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Turn moves the clock forward by d and returns the new time.
func (c *Turned) Turn(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Set moves the clock to t.
func (c *Turned) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// Shifted runs with the machine's clock, moved by a fixed offset.
func Shifted(d time.Duration) Clock { return shifted(d) }

type shifted time.Duration

func (s shifted) Now() time.Time { return time.Now().Add(time.Duration(s)) }
