package simulate

import "time"

// kind of an event. At one moment what gives beds comes before what takes them.
type kind uint8

const (
	leaves kind = iota // a stay, or a part of it, ends
	cleaned
	shifts
	plans // the ward says again when a patient will leave
	gives // a waiter's patience ends
	looks // a waiter need not wait for his own ward any longer
)

type event struct {
	at   time.Duration
	seq  uint64
	kind kind
	who  int32 // admission
	bed  int32
}

func (e *event) before(o *event) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	if e.kind != o.kind {
		return e.kind < o.kind
	}
	return e.seq < o.seq
}

// calendar is a heap of what is to come.
type calendar struct {
	events []event
	seq    uint64
}

func (c *calendar) add(e event) {
	c.seq++
	e.seq = c.seq
	c.events = append(c.events, e)
	i := len(c.events) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !c.events[i].before(&c.events[up]) {
			break
		}
		c.events[i], c.events[up] = c.events[up], c.events[i]
		i = up
	}
}

func (c *calendar) next() (event, bool) {
	n := len(c.events)
	if n == 0 {
		return event{}, false
	}
	top := c.events[0]
	n--
	c.events[0] = c.events[n]
	c.events = c.events[:n]
	for i := 0; ; {
		least := i
		for down := 4*i + 1; down < min(4*i+5, n); down++ {
			if c.events[down].before(&c.events[least]) {
				least = down
			}
		}
		if least == i {
			return top, true
		}
		c.events[i], c.events[least] = c.events[least], c.events[i]
		i = least
	}
}
