package booking

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// take writes a new row for a thing that nobody has, or whose hold has run out; old is what the holder had before, others
// are who has the thing then, nil = not looked for yet.
func (u *unit) take(c *Command, b *Booking, old *Booking, others []Booking) (err error) {
	if strings.HasSuffix(b.Thing, Any) {
		if err := u.lowest(b); err != nil {
			return err
		}
		c.Thing = b.Thing
	}
	if others == nil {
		if others, err = overlapping(u.ctx, u.tx, b.Thing, b.From, b.Until); err != nil {
			return err
		}
	}
	if old != nil {
		others = slices.DeleteFunc(others, func(o Booking) bool { return o.ID == old.ID })
	}
	for i := range others {
		o := &others[i]
		switch {
		case o.runOut(u.now), c.Fact:
		case c.Do != Displace:
			return u.taken(o)
		case o.State != Held || o.Expires.IsZero():
			return fhir.Refuse(409, "conflict", "not-displaceable", o.Thing+" is in use, promised, or its patient is on the way", "该资源已启用、已确认或患者已在途，不能调用")
		case c.Reason == "":
			return fhir.Refuse(422, "required", "reason-required", "say why the hold is taken", "请说明调用他人预留资源的原因")
		}
	}
	if err := u.alone(b); err != nil {
		return err
	}
	if u.Guard != nil {
		live := old
		if old != nil && old.runOut(u.now) {
			live = nil
		}
		if err := u.Guard(u.ctx, u.tx, u.by, c, live); err != nil {
			return err
		}
	}
	for i := range others {
		o := &others[i]
		if o.runOut(u.now) {
			err = u.lapse(o)
		} else {
			after := *o
			after.State, after.Reason = Displaced, c.Reason
			err = u.end(o, &after)
		}
		if err != nil {
			return err
		}
	}
	if old != nil {
		if old.runOut(u.now) {
			err = u.lapse(old)
		} else {
			after := *old
			after.State, after.Reason = Released, "moved"
			err = u.end(old, &after)
		}
		if err != nil {
			return err
		}
	}
	if err := u.after(b); err != nil {
		return err
	}
	// What the holder has lost before needs no word any more: he has something again.
	if err := u.tx.Queue(u.ctx, "UPDATE booking_row SET inform_at = 0 WHERE holder = ? AND inform_at > 0", b.Holder); err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	return u.begin(c.Do, b)
}

// after lets a row begin no earlier than the last of its thing has ended: on PostgreSQL a unit may see the end that
// another has written with a later clock.
func (u *unit) after(b *Booking) error {
	var last int64
	err := u.tx.Query(u.ctx, "SELECT max(until_at) FROM booking_row WHERE thing = ? AND since > ? AND live = 0", []any{b.Thing, u.now.UnixMicro()}, func(scan func(...any) error) error { return scan(&last) })
	if err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	if last > b.From.UnixMicro() && (b.Until.IsZero() || b.Until.UnixMicro() > last) {
		b.From = moment(last)
	}
	return nil
}

// clear makes way for a row that grows.
func (u *unit) clear(c *Command, b *Booking, but string) error {
	others, err := overlapping(u.ctx, u.tx, b.Thing, b.From, b.Until)
	if err != nil {
		return err
	}
	for i := range others {
		if o := &others[i]; o.ID == but {
			continue
		} else if !o.runOut(u.now) && c.Fact {
			lost := *o
			lost.State, lost.Reason = Displaced, c.Reason
			if err := u.end(o, &lost); err != nil {
				return err
			}
		} else if !o.runOut(u.now) {
			return u.taken(o)
		} else if err := u.lapse(o); err != nil {
			return err
		}
	}
	return nil
}

// lowest gives b the lowest free unit of its capacity.
func (u *unit) lowest(b *Booking) error {
	base := strings.TrimSuffix(b.Thing, Any)
	units := 0
	var err error
	if u.Units != nil {
		if units, err = u.Units(u.ctx, u.tx, base, b.From); err != nil {
			return err
		}
	}
	end := far
	if !b.Until.IsZero() {
		end = b.Until.UnixMicro()
	}
	rows, err := list(u.ctx, u.tx, "WHERE base = ? AND live = 1 AND from_at < ? AND (until_at IS NULL OR until_at > ?)", base, end, b.From.UnixMicro())
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for i := range rows {
		if !rows[i].runOut(u.now) {
			used[rows[i].Thing] = true
		}
	}
	for n := 1; n <= units; n++ {
		if thing := fmt.Sprintf("%s#%d", base, n); !used[thing] {
			b.Thing = thing
			return nil
		}
	}
	e := fhir.Refuse(409, "conflict", "taken", fmt.Sprintf("all %d of %s are taken", units, base), fmt.Sprintf("该类资源共 %d 个，均已被预留", units))
	e.Issues[0].Expression = base
	return e
}

// alone lets one unit at a time give a thing, or something to a holder: inserts that wait for each other at the exclusion
// constraint would end each other as deadlocks, a second apiece. Who is refused needs no lock.
func (u *unit) alone(b *Booking) (first error) {
	keys := []string{base(b.Thing)}
	if !strings.HasPrefix(b.Holder, "Appointment/") { // which is its own holder, and new with each try
		keys = append(keys, b.Holder)
	}
	for i := range keys {
		keys[i] = "booking/" + keys[i]
	}
	if u.Beside != nil {
		if key := u.Beside(b.Thing); key != "" {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if err := u.tx.Lock(u.ctx, key); first == nil {
			first = err // PostgreSQL starts again with all that was asked for
		}
	}
	return first
}
