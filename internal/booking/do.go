package booking

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// unit is the commands of one caller in one transaction.
type unit struct {
	*Room
	ctx context.Context
	tx  *store.Tx
	by  *access.Caller
	now time.Time
}

// unit counts time as the tables do, in whole microseconds.
func (r *Room) unit(ctx context.Context, tx *store.Tx, by *access.Caller) *unit {
	return &unit{r, ctx, tx, by, tx.Now().Truncate(time.Microsecond)}
}

// Do performs commands in the unit of a step. What is taken or not allowed is a *fhir.Error for the person.
func (r *Room) Do(ctx context.Context, tx *store.Tx, by *access.Caller, commands ...Command) error {
	u := r.unit(ctx, tx, by)
	for i := range commands {
		c := commands[i]
		if c.Holder == "" {
			return fmt.Errorf("booking: %s without a holder", c.Do)
		}
		if err := u.do(&c); err != nil {
			return err
		}
	}
	tx.AfterCommit(r.wake)
	return nil
}

func (u *unit) do(c *Command) error {
	switch c.Do {
	case Hold, Displace:
		return u.hold(c)
	case Await:
		return u.await(c)
	case Leave:
		return u.leave(c.Holder)
	}
	b, err := ofHolder(u.ctx, u.tx, c.Holder)
	if err != nil {
		return err
	}
	if b != nil && b.runOut(u.now) && c.Do != Release {
		if c.Do != Occupy || c.Thing == "" {
			return gone(b)
		}
	}
	switch {
	case c.Do == Release:
		if b == nil {
			return nil
		}
		after := *b
		after.State, after.Reason = Released, c.Reason
		return u.end(b, &after)
	case c.Do == Occupy:
		return u.occupy(c, b)
	case b == nil:
		return fhir.Refuse(409, "conflict", "nothing-held", "the case holds nothing", "该业务没有占用或预留任何资源")
	case c.Do == Move:
		return u.move(c, b)
	}
	after := *b
	switch c.Do {
	case Confirm:
		if b.State != Held {
			return nil
		}
		after.State, after.Expires = Confirmed, time.Time{}
	case Plan:
		after.Planned, after.Reason = c.Until, c.Reason
	case HandOver:
		if err := u.empty(c.To); err != nil {
			return err
		}
		after.Holder = c.To
		if c.Patient != "" {
			after.Patient = c.Patient
		}
	case Freeze:
		if b.State != Held {
			return nil
		}
		after.Expires = time.Time{}
	case Thaw:
		if b.State != Held {
			return nil
		}
		if !c.Expires.After(u.now) {
			return past()
		}
		after.Expires = c.Expires
	default:
		return fmt.Errorf("booking: unknown command %q", c.Do)
	}
	return u.change(b, &after)
}

// hold takes a thing for a case that has none, or lets its hold of this very thing run longer.
func (u *unit) hold(c *Command) error {
	if err := u.proper(c); err != nil {
		return err
	}
	own, others, err := u.around(c)
	if err != nil {
		return err
	}
	if own != nil && !own.runOut(u.now) {
		if own.State == Held && own.Thing == c.Thing {
			after := *own
			after.Expires = c.Expires
			return u.change(own, &after)
		}
		return fhir.Refuse(409, "conflict", "holds-already", "the case holds "+own.Thing+" already; release it first", "该业务已占用或预留其他资源，请先释放")
	}
	b := &Booking{ID: store.NewID(u.now), Thing: c.Thing, Pool: c.Pool, Holder: c.Holder, Patient: c.Patient, State: Held,
		From: c.From, Until: c.Until, Expires: c.Expires, Reason: c.Reason}
	if id, ok := strings.CutPrefix(c.Holder, "Appointment/"); ok {
		b.ID = id // held for nobody's case: the Appointment itself is the holder
	}
	return u.take(c, b, own, others)
}

// around reads at once what the holder has and who else has the thing then; others is nil where the thing is still to be chosen.
func (u *unit) around(c *Command) (own *Booking, others []Booking, err error) {
	if strings.HasSuffix(c.Thing, Any) {
		own, err = ofHolder(u.ctx, u.tx, c.Holder)
		return own, nil, err
	}
	end := far
	if !c.Until.IsZero() {
		end = c.Until.UnixMicro()
	}
	all, err := list(u.ctx, u.tx, "WHERE live = 1 AND (holder = ? OR thing = ? AND from_at < ? AND (until_at IS NULL OR until_at > ?)) ORDER BY from_at", c.Holder, c.Thing, end, c.From.UnixMicro())
	others = make([]Booking, 0, len(all))
	for i := range all {
		if all[i].Holder == c.Holder {
			own = &all[i]
		} else {
			others = append(others, all[i])
		}
	}
	return own, others, err
}

func (u *unit) proper(c *Command) error {
	if c.From.Before(u.now) { // what was not written down then has not been
		c.From = u.now
	}
	switch {
	case c.Thing == "" || c.Pool == "":
		return fmt.Errorf("booking: %s for %s without a thing or pool", c.Do, c.Holder)
	case !c.Expires.IsZero() && !c.Expires.After(u.now):
		return past()
	case !c.Until.IsZero() && !c.Until.After(c.From):
		return fhir.Refuse(422, "invalid", "bad-interval", "the end must be after the beginning", "结束时间须晚于开始时间")
	}
	return nil
}

// empty refuses a holder who has something.
func (u *unit) empty(holder string) error {
	if holder == "" {
		return errors.New("booking: hand-over to nobody")
	}
	own, err := ofHolder(u.ctx, u.tx, holder)
	if err != nil || own == nil {
		return err
	}
	if own.runOut(u.now) {
		return u.lapse(own)
	}
	return fhir.Refuse(409, "conflict", "holds-already", "the case holds "+own.Thing+" already; release it first", "该业务已占用或预留其他资源，请先释放")
}

// occupy uses what the holder has, or a thing at once.
func (u *unit) occupy(c *Command, own *Booking) error {
	if own != nil && !own.runOut(u.now) && (c.Thing == "" || c.Thing == own.Thing) {
		after := *own
		after.State, after.Expires = Occupied, time.Time{}
		if after.From.After(u.now) {
			after.From = u.now
		}
		if !c.Until.IsZero() {
			after.Until = c.Until
		}
		if own.State == Occupied {
			return nil
		}
		if u.Guard != nil {
			use := *c
			use.Thing, use.Pool = own.Thing, own.Pool
			if err := u.Guard(u.ctx, u.tx, u.by, &use, own); err != nil {
				return err
			}
		}
		if err := u.clear(c, &after, own.ID); err != nil {
			return err
		}
		if own.From.After(u.now) {
			if err := u.after(&after); err != nil {
				return err
			}
		}
		return u.change(own, &after)
	}
	if own != nil && !own.runOut(u.now) { // another thing than the one held
		to := *c
		to.Do, to.From = Move, u.now
		if err := u.move(&to, own); err != nil {
			return err
		}
		var err error
		if own, err = ofHolder(u.ctx, u.tx, c.Holder); err != nil {
			return err
		}
		to.Thing = ""
		return u.occupy(&to, own)
	}
	if c.Thing == "" {
		return fhir.Refuse(409, "conflict", "nothing-held", "the case holds nothing", "该业务没有占用或预留任何资源")
	}
	c.Expires = time.Time{}
	if err := u.proper(c); err != nil {
		return err
	}
	b := &Booking{ID: store.NewID(u.now), Thing: c.Thing, Pool: c.Pool, Holder: c.Holder, Patient: c.Patient, State: Occupied,
		From: u.now, Until: c.Until, Reason: c.Reason}
	return u.take(c, b, own, nil)
}

// move ends what the holder has and takes another thing in the same state.
func (u *unit) move(c *Command, own *Booking) error {
	if c.Thing == "" || c.Thing == own.Thing {
		return fhir.Refuse(422, "business-rule", "same-thing", "the case has this very thing", "目标与当前相同")
	}
	c.From = u.now
	b := *own
	b.ID, b.Thing, b.From, b.Reason, b.Planned, b.Version = store.NewID(u.now), c.Thing, u.now, c.Reason, own.Planned, 0
	if c.Pool != "" {
		b.Pool = c.Pool
	}
	if b.Until = c.Until; b.Until.IsZero() && !strings.HasPrefix(own.Thing, "capacity:") {
		b.Until = own.Until
	}
	if !c.Expires.IsZero() && b.State == Held {
		b.Expires = c.Expires
	}
	c.Until, c.Patient, c.Pool = b.Until, b.Patient, b.Pool
	return u.take(c, &b, own, nil)
}

// begin inserts a live row. Where the database finds that somebody was faster, the thing is taken; who may displace him
// looks again.
func (u *unit) begin(do Verb, b *Booking) error {
	b.Since, b.Version, b.By = u.now, 1, u.who()
	_, err := u.tx.Exec(u.ctx, `INSERT INTO booking_row (id, thing, base, pool, holder, patient, state, live, from_at, until_at, planned, expires, since, by_who, reason, version, inform_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, 1, 0)`,
		b.ID, b.Thing, base(b.Thing), b.Pool, b.Holder, b.Patient, string(b.State), b.From.UnixMicro(), ending(b.Until), micros(b.Planned), micros(b.Expires), b.Since.UnixMicro(), b.By, b.Reason)
	if errors.Is(err, store.ErrExists) && do == Displace {
		return store.ErrTryAgain
	} else if errors.Is(err, store.ErrExists) {
		return u.taken(&Booking{Thing: b.Thing})
	} else if err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	if err := u.given(b.Pool, b.Thing, b.Holder); err != nil {
		return err
	}
	return u.follow(nil, b)
}

// change rewrites a live row that stays live.
func (u *unit) change(before, after *Booking) error { return u.write(before, after, 0) }

// end closes a row and frees its thing; whom it was taken from is told.
func (u *unit) end(before, after *Booking) error {
	inform := int64(0)
	if after.State == Lapsed || after.State == Displaced {
		inform = u.now.UnixMicro()
	}
	end := u.now
	if after.State == Lapsed {
		end = after.Expires
	}
	if after.From.Before(end) && (after.Until.IsZero() || after.Until.After(end)) {
		after.Until = end
	}
	if err := u.write(before, after, inform); err != nil {
		return err
	}
	return u.freed(after.Pool, after.Thing)
}

// lapse ends a hold that has run out.
func (u *unit) lapse(b *Booking) error {
	after := *b
	after.State, after.Reason = Lapsed, ""
	by := u.by
	u.by = nil // time did it
	defer func() { u.by = by }()
	return u.end(b, &after)
}

// write is the one conditional update by which a row changes: where somebody was faster, all is prepared again.
func (u *unit) write(before, after *Booking, inform int64) error {
	after.Version, after.By = before.Version+1, u.who()
	if after.State != before.State || after.Holder != before.Holder {
		after.Since = u.now
	}
	live := 0
	if after.State.Live() {
		live = 1
	}
	n, err := u.tx.Exec(u.ctx, `UPDATE booking_row SET holder = ?, patient = ?, state = ?, live = ?, from_at = ?, until_at = ?, planned = ?, expires = ?, since = ?, by_who = ?, reason = ?, version = ?, inform_at = ?
		WHERE id = ? AND version = ?`, after.Holder, after.Patient, string(after.State), live, after.From.UnixMicro(), ending(after.Until), micros(after.Planned), micros(after.Expires), after.Since.UnixMicro(),
		after.By, after.Reason, after.Version, inform, before.ID, before.Version)
	if errors.Is(err, store.ErrExists) {
		return u.taken(&Booking{Thing: after.Thing})
	}
	if err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	if n == 0 {
		return store.ErrTryAgain
	}
	return u.follow(before, after)
}

// follow writes what every change of a booking brings: history, Appointment and Slot, the hook, the event.
func (u *unit) follow(before, after *Booking) error {
	err := u.tx.Queue(u.ctx, "INSERT INTO booking_log (id, version, at, state, thing, holder, from_at, until_at, expires, by_who, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		after.ID, after.Version, u.now.UnixMicro(), string(after.State), after.Thing, after.Holder, after.From.UnixMicro(), micros(after.Until), micros(after.Expires), after.By, after.Reason)
	if err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	if err := u.resources(before, after); err != nil {
		return err
	}
	if u.Changed != nil {
		if err := u.Changed(u.ctx, u.tx, before, after); err != nil {
			return err
		}
	}
	if before != nil && before.State == after.State && before.Holder == after.Holder && before.Expires.Equal(after.Expires) {
		return nil
	}
	return u.raise("booking."+string(after.State), after)
}

func (u *unit) raise(kind string, b *Booking) error {
	if u.Raise == nil {
		return nil
	}
	var act time.Time
	actor := b.Pool
	if b.State.Live() { // it is known until when, and nobody must act
		act, actor = b.Expires, ""
	}
	return u.Raise(u.ctx, u.tx, event.Event{Kind: kind, Focus: b.Holder, Patient: b.Patient, Parties: []string{b.Pool}, ActBy: act, Actor: actor,
		Data: map[string]string{"booking": b.ID, "thing": b.Thing, "pool": b.Pool, "state": string(b.State)}})
}

func (u *unit) who() string {
	if u.by == nil {
		return "hub"
	}
	return u.by.User
}

// taken names the thing and, to those of its pool, until when it is taken; never who has it.
func (u *unit) taken(o *Booking) error {
	en, zh := o.Thing+" is taken", "该资源已被占用或预留"
	if end := until(o); u.by != nil && u.by.Institution != "" && u.by.Institution == o.Pool && !end.IsZero() {
		en += " until " + end.In(u.Zone).Format(time.RFC3339)
		zh += "，至 " + end.In(u.Zone).Format("1月2日 15:04")
	}
	e := fhir.Refuse(409, "conflict", "taken", en, zh)
	e.Issues[0].Expression = o.Thing
	return e
}

// until is when a booking gives its thing back, as far as anybody knows.
func until(b *Booking) time.Time {
	switch {
	case !b.Until.IsZero():
		return b.Until
	case !b.Expires.IsZero():
		return b.Expires
	}
	return b.Planned
}

func gone(b *Booking) error {
	e := fhir.Refuse(409, "conflict", "hold-lapsed", "the hold of "+b.Thing+" has run out", "预留已过期，请重新预留")
	e.Issues[0].Expression = b.Thing
	return e
}

func past() error {
	return fhir.Refuse(422, "invalid", "expires-in-past", "a hold must end in the future", "预留的截止时间须晚于现在")
}

// base of a unit of capacity is what is counted; of everything else it is the thing.
func base(thing string) string {
	if strings.HasPrefix(thing, "capacity:") {
		b, _, _ := strings.Cut(thing, "#")
		return b
	}
	return thing
}
