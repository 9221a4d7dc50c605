package his

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// statuses of a bed (table 0116) and what they mean here. I, isolated, is in use.
var statuses = map[string]allocate.State{
	"U": allocate.Free, "O": allocate.Occupied, "I": allocate.Occupied, "H": allocate.Cleaning, "K": allocate.Cleaning, "C": allocate.Closed,
}

// Owns says whether a bed's state is the caller's hospital's own system's to say.
func (r *Room) Owns(ctx context.Context, tx *store.Tx, by *access.Caller, bed string) (bool, error) {
	p, err := (&unit{Room: r, ctx: ctx, tx: tx, by: by}).owned(bed)
	return p != nil, err
}

// Stated is what the hospital's system says of a bed itself, by A20 or $bed-state: status is of table 0116.
func (r *Room) Stated(ctx context.Context, tx *store.Tx, by *access.Caller, bed, status, source string) error {
	state, known := statuses[status]
	if !known {
		return fhir.Refuse(422, "value", "bad-bed-status", "a bed's status is C, H, O, U, K or I", "床位状态须为 C、H、O、U、K 或 I")
	}
	if by == nil || by.Role != access.Program || by.Institution == "" {
		return fhir.Refuse(403, "forbidden", "not-a-system", "the hospital's own system says this", "须由医院信息系统上报")
	}
	p, err := r.placeOf(ctx, tx, bed)
	if err != nil {
		return err
	}
	if p == nil || r.legal(p.pool) != r.legal(by.Org) {
		return fhir.Refuse(404, "not-found", "unknown-bed", "no such bed in your institution", "本院没有这张床")
	}
	u := &unit{Room: r, ctx: context.WithValue(ctx, reporting{}, true), tx: tx, by: by, source: source}
	if p, err = u.owned(bed); err != nil {
		return err
	}
	if p == nil {
		return fhir.Refuse(409, "conflict", "owned-by-hub", "the states of this ward's beds are kept here, not at your system", "该病区床位状态以本系统为准")
	}
	return u.stated(p, state)
}

func (u *unit) stated(p *place, state allocate.State) error {
	b, err := u.Bookings.At(u.ctx, u.tx, p.bed)
	if err != nil {
		return err
	}
	used := b != nil && b.State == booking.Occupied
	d := Difference{Pool: p.pool, Ward: p.ward, Bed: p.bed, Said: string(state), Source: u.source}
	if state == allocate.Occupied {
		if used {
			return nil
		}
		if err := u.usable(d); err != nil {
			return err
		}
		if err := u.displaces(d, p.bed); err != nil {
			return err
		}
		if err := u.do(booking.Command{Do: booking.Occupy, Thing: p.bed, Pool: p.pool, Holder: p.bed, Reason: reason, Fact: true}); err != nil {
			return err
		}
		d.Kind, d.Had = OccupiedUnknown, "free"
		if b != nil {
			d.Had = string(b.State)
		}
		return u.differ(u.ctx, u.tx, d)
	}
	if used { // it is empty: whoever lay there does not
		if err := u.do(booking.Command{Do: booking.Release, Holder: b.Holder, Reason: reason}); err != nil {
			return err
		}
		if b.Patient != "" {
			gone := d
			gone.Kind, gone.Had, gone.Patient, gone.Holder = FreeThere, string(booking.Occupied), b.Patient, b.Holder
			if err := u.differ(u.ctx, u.tx, gone); err != nil {
				return err
			}
		}
	} else if b != nil && state == allocate.Closed { // a hold of a bed that is closed is worth nothing
		d.Kind, d.Had, d.Patient, d.Holder = HoldLost, string(b.State), b.Patient, b.Holder
		if err := u.differ(u.ctx, u.tx, d); err != nil {
			return err
		}
		// displaced by the ward itself, and given back at once: the case is told, and waits again
		if err := u.do(booking.Command{Do: booking.Occupy, Thing: p.bed, Pool: p.pool, Holder: p.bed, Reason: reason, Fact: true},
			booking.Command{Do: booking.Release, Holder: p.bed, Reason: reason}); err != nil {
			return err
		}
	}
	if err := u.settle(u.ctx, u.tx, "bed = ? AND kind = 'occupied-unknown'", p.bed); err != nil {
		return err
	}
	_, err = u.State(u.ctx, u.tx, u.by, p.bed, state, reason)
	return err
}
