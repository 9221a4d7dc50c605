package beds

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/beds/simulate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Past is an institution's register, empty, with the stays of a time, for a simulation. Nothing in it leads to a person.
type Past struct {
	Stays []simulate.Stay
	Pool  allocate.Pool
	Rules *allocate.Rules
}

// mostPast bounds what is read of the past.
const mostPast = 2_000_000

// Past reads the stays of a pool that had not ended at a time or began since. Moves are part of one stay; another level of
// bed is a part of its own. Who lay there already comes at that time, for what was left of his stay; who lies there still
// leaves when he is planned to, else now.
func (r *Room) Past(ctx context.Context, tx *store.Tx, institution string, since time.Time) (*Past, error) {
	look, err := r.Look(ctx, tx, institution)
	if err != nil {
		return nil, err
	}
	p := &Past{Pool: emptied(look.Pool)}
	rules, err := r.RulesOf(ctx, tx, institution)
	if err != nil {
		return nil, err
	}
	p.Rules = rules.Who
	from := since.UnixMicro()
	all, err := uses(ctx, tx, "WHERE pool = ? AND state = ? AND (ended = 0 OR ended > ?) ORDER BY patient, since, seq LIMIT ?", institution, string(booking.Occupied), from, mostPast)
	if err != nil {
		return nil, err
	}
	wards := map[string]bool{}
	for _, w := range p.Pool.Wards {
		wards[w.ID] = true
	}
	patients := 0
	for i := range all {
		u := &all[i]
		ended := u.Ended
		if ended.IsZero() {
			ended = tx.Now()
			if u.Frees.After(ended) {
				ended = u.Frees
			}
		}
		began := u.Since
		if began.Before(since) {
			began = since
		}
		hours := max(0, ended.Sub(began).Hours())
		if i > 0 && followed(&all[i-1], u) {
			if last := &p.Stays[len(p.Stays)-1]; last.Request.Level == needed(u.Level) {
				last.Hours += hours // moved
				continue
			}
		} else {
			patients++
		}
		s := simulate.Stay{Patient: strconv.Itoa(patients), From: began, Hours: hours}
		if !u.Waited.IsZero() && u.Waited.Before(u.Since) && !u.Waited.Before(since) {
			s.From = u.Waited // he asked then
		}
		if wards[u.Home] {
			s.Ward = u.Home
		}
		if s.Ward == "" && u.Specialty == "" {
			s.Ward = u.Host
		}
		s.Request = allocate.Request{Specialty: u.Specialty, Urgency: cmp.Or(u.Urgency, allocate.Elective), Sex: u.Sex, Level: needed(u.Level), Isolation: u.Isolation, Nursing: u.Nursing, Age: -1}
		p.Stays = append(p.Stays, s)
	}
	return p, nil
}

// followed: the one went from the first bed into the second.
func followed(a, b *Use) bool {
	return a.Booking == b.Booking || a.Patient != "" && a.Patient == b.Patient && !a.Ended.IsZero() && b.Since.Sub(a.Ended).Abs() < 5*time.Minute
}

// needed is what a patient in such a bed is taken to need: a better bed than that for want of another is not known from
// one that he needed.
func needed(l allocate.Level) allocate.Level {
	switch l {
	case allocate.ICU, allocate.CCU, allocate.Neonatal, allocate.Isolation:
		return l
	}
	return allocate.General
}

// emptied is a pool in which nobody lies. A ward that has not set its shift is taken to have enough nurses.
func emptied(p allocate.Pool) allocate.Pool {
	p.Beds, p.Rooms, p.Wards = slices.Clone(p.Beds), slices.Clone(p.Rooms), slices.Clone(p.Wards)
	for i := range p.Wards {
		w := &p.Wards[i]
		w.Load, w.Free, w.Teams = 0, 0, nil
		if w.Stale || w.Capacity <= 0 {
			w.Stale, w.Capacity = false, 1e9
		}
	}
	for i := range p.Rooms {
		p.Rooms[i] = allocate.Room{ID: p.Rooms[i].ID, Rule: p.Rooms[i].Rule}
	}
	for i := range p.Beds {
		b := &p.Beds[i]
		b.Frees, b.Likely = time.Time{}, 0
		if b.State != allocate.Closed {
			b.State = allocate.Free
			p.Wards[b.Ward].Free++
		}
	}
	return p
}
