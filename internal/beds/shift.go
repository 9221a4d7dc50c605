package beds

import (
	"context"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Staffing is what a ward can bear in one shift.
type Staffing struct {
	Ward   string // "Location/…"
	Shift  string
	Starts time.Time
	Ends   time.Time
	Nurses float64
	Points float64
	Source string // head-nurse, nursing-duty, roster
	By     string
	At     time.Time
}

const shiftColumns = "SELECT ward, shift, starts, ends, nurses, points, source, account, at FROM beds_shift "

func shifts(ctx context.Context, tx *store.Tx, where string, args ...any) (all []Staffing, err error) {
	err = tx.Query(ctx, shiftColumns+where, args, func(scan func(...any) error) error {
		var s Staffing
		var starts, ends, at int64
		err := scan(&s.Ward, &s.Shift, &starts, &ends, &s.Nurses, &s.Points, &s.Source, &s.By, &at)
		s.Starts, s.Ends, s.At = moment(starts), moment(ends), moment(at)
		all = append(all, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("beds: shifts: %w", err)
	}
	return all, nil
}

// shiftsAt are the staffings in force by ward; a ward that is not there has set nothing for this shift.
func shiftsAt(ctx context.Context, tx *store.Tx, now time.Time, ward string) (map[string]Staffing, error) {
	where, args := "WHERE starts <= ? AND ends > ?", []any{now.UnixMicro(), now.UnixMicro()}
	if ward != "" {
		where, args = where+" AND ward = ?", append(args, ward)
	}
	list, err := shifts(ctx, tx, where+" ORDER BY ward, starts", args...)
	if err != nil {
		return nil, err
	}
	all := map[string]Staffing{}
	for _, s := range list {
		all[s.Ward] = s
	}
	return all, nil
}

// Shifts lists what the wards of an institution have set between two times.
func (r *Room) Shifts(ctx context.Context, tx *store.Tx, pool string, from, until time.Time) ([]Staffing, error) {
	wards, err := r.Wards(ctx, tx, pool)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, w := range wards {
		ours[w.ID] = true
	}
	list, err := shifts(ctx, tx, "WHERE starts < ? AND ends > ? ORDER BY starts, ward LIMIT 20000", until.UnixMicro(), from.UnixMicro())
	if err != nil {
		return nil, err
	}
	kept := list[:0]
	for _, s := range list {
		if ours[s.Ward] {
			kept = append(kept, s)
		}
	}
	return kept, nil
}

// NursingDuty is the role that answers for nursing in the whole hospital (护理部值班).
const NursingDuty = access.Role("nursing-duty")

// MaySet says as what a caller sets the shifts of a ward: its head nurse, the nursing duty chief, or a roster; "" = he may not.
func (r *Room) MaySet(by *access.Caller, w *Ward) (source string) {
	switch {
	case by == nil || by.Institution != r.institution(w.Org):
	case by.Role == "head-nurse" && r.within(w.Org, by.Org) && (by.Org != by.Institution || w.Org == by.Org):
		return "head-nurse"
	case by.Role == NursingDuty:
		return "nursing-duty"
	case by.Role == access.Program && r.within(w.Org, by.Org) && by.May('u', "Schedule") == nil:
		return "roster"
	}
	return ""
}

// SetShift says how many nurses a ward has in the shift at a time. points 0 = as the rules reckon.
func (r *Room) SetShift(ctx context.Context, tx *store.Tx, by *access.Caller, ward string, at time.Time, nurses, points float64) (Staffing, error) {
	r.forget()
	g, err := r.register(ctx, tx)
	if err != nil {
		return Staffing{}, err
	}
	w := g.ward(ward)
	if w == nil || by == nil || r.institution(w.Org) != by.Institution {
		return Staffing{}, fhir.Refuse(404, "not-found", "unknown-ward", "no such ward in your institution", "本院没有这个病区")
	}
	source := r.MaySet(by, w)
	if source == "" {
		return Staffing{}, fhir.Refuse(403, "forbidden", "not-your-ward", "the head nurse of the ward sets its shift", "班次由本病区护士长登记")
	}
	if nurses < 0 || nurses > 200 || points < 0 || points > 20_000 {
		return Staffing{}, fhir.Refuse(422, "value", "bad-staffing", "nurses are 0 to 200, points 0 to 20000", "护士人数须在 0 至 200 之间")
	}
	u, err := r.RulesOf(ctx, tx, by.Institution)
	if err != nil {
		return Staffing{}, err
	}
	shift, from, until := u.ShiftAt(at.In(r.zone()))
	if !until.After(tx.Now()) {
		return Staffing{}, fhir.Refuse(422, "business-rule", "shift-is-over", "this shift is over", "该班次已结束")
	}
	if from.After(tx.Now().AddDate(0, 0, 31)) {
		return Staffing{}, fhir.Refuse(422, "business-rule", "shift-too-far", "a shift is set at most a month ahead", "最多提前一个月登记")
	}
	if points == 0 {
		points = nurses * shift.Points
	}
	s := Staffing{Ward: ward, Shift: shift.Code, Starts: from, Ends: until, Nurses: nurses, Points: points, Source: source, By: by.User, At: tx.Now()}
	_, err = tx.Exec(ctx, `INSERT INTO beds_shift (ward, starts, ends, shift, nurses, points, source, account, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (ward, starts) DO UPDATE SET ends = excluded.ends, shift = excluded.shift, nurses = excluded.nurses, points = excluded.points,
source = excluded.source, account = excluded.account, at = excluded.at`,
		ward, from.UnixMicro(), until.UnixMicro(), shift.Code, nurses, points, source, by.User, tx.Now().UnixMicro())
	if err != nil {
		return s, fmt.Errorf("beds: shift of %s: %w", ward, err)
	}
	if err := r.note(ctx, tx, "U", "bed-shift", ward); err != nil || r.Bookings == nil || from.After(tx.Now()) {
		return s, err
	}
	l, err := r.look(ctx, tx, by.Institution, []*Ward{w}, w.ID, "", "")
	if err != nil {
		return s, err
	}
	for _, b := range l.Beds { // what it may lend now, others are told of
		if b.State == allocate.Free {
			if err := r.Bookings.Opened(ctx, tx, by.Institution, b.ID); err != nil {
				return s, fmt.Errorf("beds: shift of %s: %w", ward, err)
			}
		}
	}
	return s, nil
}
