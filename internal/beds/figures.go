package beds

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/store"
)

// refusal is what was refused, or set aside, in which ward on which day.
type refusal struct{ pool, day, ward, code string }

const overridden = "override:" // before the code of what was set aside

func (r *Room) day(t time.Time) string { return t.In(r.zone()).Format(time.DateOnly) }

func count(ctx context.Context, tx *store.Tx, k refusal, n int) error {
	_, err := tx.Exec(ctx, "INSERT INTO beds_refusal (pool, day, ward, code, n) VALUES (?, ?, ?, ?, ?) ON CONFLICT (pool, day, ward, code) DO UPDATE SET n = beds_refusal.n + excluded.n",
		k.pool, k.day, k.ward, k.code, n)
	if err != nil {
		return fmt.Errorf("beds: count refusals: %w", err)
	}
	return nil
}

// Flush writes down how many bookings were refused; a refusal ends its own unit, so it is counted beside it.
func (r *Room) Flush(ctx context.Context, s *store.Store) error {
	r.mu.Lock()
	some := r.refused
	r.refused = map[refusal]int{}
	r.mu.Unlock()
	if len(some) == 0 {
		return nil
	}
	err := s.Update(ctx, func(tx *store.Tx) error {
		for k, n := range some {
			if err := count(ctx, tx, k, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.mu.Lock()
		for k, n := range some {
			r.refused[k] += n
		}
		r.mu.Unlock()
	}
	return err
}

// Stand is how many beds are in which state now, and which share of them was in use over the period.
type Stand struct {
	Beds     int     `json:"beds"`
	Occupied int     `json:"occupied"` // lent ones among them
	Free     int     `json:"free"`
	Held     int     `json:"held"`
	Cleaning int     `json:"cleaning"`
	Closed   int     `json:"closed"`
	Lent     int     `json:"lent"`
	Mean     float64 `json:"mean"`
	used     time.Duration
}

// StandOf is the stand of a ward or campus.
type StandOf struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Campus string `json:"campus,omitempty"`
	Stand
	Refused  int     `json:"refused"`
	LentDays float64 `json:"lentDays"`
	Stale    bool    `json:"stale,omitempty"`
}

// WaitOf is how long patients of one urgency wait; hours.
type WaitOf struct {
	Urgency allocate.Urgency `json:"urgency"`
	Waiting int              `json:"waiting"`
	Longest *float64         `json:"longest,omitempty"`
	Served  int              `json:"served"`
	P50     *float64         `json:"p50,omitempty"`
	P90     *float64         `json:"p90,omitempty"`
}

// Day is one day of the period.
type Day struct {
	Day       string   `json:"day"`
	Occupied  float64  `json:"occupied"` // beds in use, on average
	Beds      int      `json:"beds"`
	Lent      float64  `json:"lent"`
	Refused   int      `json:"refused"`
	Lapsed    int      `json:"lapsed"`
	Displaced int      `json:"displaced"`
	P50       *float64 `json:"p50,omitempty"` // hours, of who was admitted
}

// Counted is how often a hard rule refused.
type Counted struct {
	Code string `json:"code"`
	Zh   string `json:"zh"`
	En   string `json:"en"`
	N    int    `json:"n"`
}

// Figures are what leaders ask of a pool over a period.
type Figures struct {
	From     string    `json:"from"`
	To       string    `json:"to"` // the last day
	At       string    `json:"at"`
	Campuses []StandOf `json:"campuses"`
	Wards    []StandOf `json:"wards"`
	Waits    []WaitOf  `json:"waits"`
	Days     []Day     `json:"days"`
	Refused  []Counted `json:"refusals"`
	Holds    struct {
		Held       int `json:"held"`
		Lapsed     int `json:"lapsed"`
		Displaced  int `json:"displaced"`
		Overridden int `json:"overridden"`
	} `json:"holds"`
}

// MostDays bounds the period of Figures.
const MostDays = 366

// Figures of the days from one to another, both included and in the hub's zone.
func (r *Room) Figures(ctx context.Context, tx *store.Tx, pool string, first, last time.Time) (Figures, error) {
	now := tx.Now()
	first, last = r.midnight(first), r.midnight(last)
	end := last.AddDate(0, 0, 1)
	f := Figures{From: first.Format(time.DateOnly), To: last.Format(time.DateOnly), At: stamp(now.In(r.zone())), Campuses: []StandOf{}, Wards: []StandOf{}, Waits: []WaitOf{}, Days: []Day{}, Refused: []Counted{}}
	l, err := r.Look(ctx, tx, pool)
	if err != nil {
		return f, err
	}
	wards := map[string]*StandOf{}
	for i, w := range l.Of {
		f.Wards = append(f.Wards, StandOf{ID: w.ID, Name: w.Name, Campus: w.Campus, Stale: l.Wards[i].Stale})
	}
	for i := range f.Wards {
		wards[f.Wards[i].ID] = &f.Wards[i]
	}
	for i := range l.Beds {
		f.Wards[l.Beds[i].Ward].add(l.Beds[i].State)
	}
	until := end
	if now.Before(until) {
		until = now
	}
	days := map[string]*Day{}
	used := map[string]*[2]time.Duration{} // by day: in use, lent
	for d := first; d.Before(end) && len(f.Days) < MostDays; d = d.AddDate(0, 0, 1) {
		f.Days = append(f.Days, Day{Day: d.Format(time.DateOnly), Beds: len(l.Beds)})
		used[d.Format(time.DateOnly)] = &[2]time.Duration{}
	}
	for i := range f.Days {
		days[f.Days[i].Day] = &f.Days[i]
	}
	waited := map[allocate.Urgency][]float64{}
	waitedBy := map[string][]float64{}
	seen := map[string]bool{} // holders of whom an earlier occupation is known
	past, err := uses(ctx, tx, "WHERE pool = ? AND since < ? AND (ended = 0 OR ended > ?) ORDER BY since, seq", pool, end.UnixMicro(), first.UnixMicro())
	if err != nil {
		return f, err
	}
	known := until // since when anything is known
	for i := range past {
		u := &past[i]
		known = earlier(known, later(u.Since, first))
		if u.State == booking.Held && !u.Since.Before(first) {
			f.Holds.Held++
		}
		if !u.Ended.IsZero() && u.Ended.Before(end) && days[r.day(u.Ended)] != nil {
			switch d := days[r.day(u.Ended)]; booking.State(u.Ending) {
			case booking.Lapsed:
				d.Lapsed++
				f.Holds.Lapsed++
			case booking.Displaced:
				d.Displaced++
				f.Holds.Displaced++
			}
		}
		if u.State != booking.Occupied {
			continue
		}
		if w := wards[u.Ward]; w != nil {
			w.used += overlapOf(u, first, until)
			if u.Lent {
				w.LentDays += overlapOf(u, first, until).Hours() / 24
			}
		}
		for d := r.midnight(later(u.Since, first)); d.Before(until) && (u.Ended.IsZero() || d.Before(u.Ended)); d = d.AddDate(0, 0, 1) {
			if n := used[d.Format(time.DateOnly)]; n != nil {
				span := overlapOf(u, d, earlier(d.AddDate(0, 0, 1), until))
				n[0] += span
				if u.Lent {
					n[1] += span
				}
			}
		}
		if !seen[u.Holder] && !u.Since.Before(first) && !u.Waited.IsZero() {
			hours := u.Since.Sub(u.Waited).Hours()
			waited[urgency(u.Urgency)] = append(waited[urgency(u.Urgency)], hours)
			waitedBy[r.day(u.Since)] = append(waitedBy[r.day(u.Since)], hours)
		}
		seen[u.Holder] = true
	}
	for i := range f.Days {
		d := &f.Days[i]
		begins, _ := time.ParseInLocation(time.DateOnly, d.Day, r.zone())
		if span := earlier(begins.AddDate(0, 0, 1), until).Sub(begins); span > 0 {
			d.Occupied, d.Lent = round(used[d.Day][0].Hours()/span.Hours(), 10), round(used[d.Day][1].Hours()/span.Hours(), 10)
		}
		d.P50 = quantile(waitedBy[d.Day], 0.5)
	}
	if err := r.refusals(ctx, tx, &f, pool, wards, days); err != nil {
		return f, err
	}
	if err := r.waitsNow(ctx, tx, &f, pool, waited); err != nil {
		return f, err
	}
	return f, r.sumUp(ctx, tx, &f, until.Sub(known))
}

func (s *StandOf) add(state allocate.State) {
	s.Beds++
	switch state {
	case allocate.Free:
		s.Free++
	case allocate.Held:
		s.Held++
	case allocate.Occupied:
		s.Occupied++
	case allocate.Lent:
		s.Occupied, s.Lent = s.Occupied+1, s.Lent+1
	case allocate.Cleaning:
		s.Cleaning++
	case allocate.Closed:
		s.Closed++
	}
}

func (r *Room) refusals(ctx context.Context, tx *store.Tx, f *Figures, pool string, wards map[string]*StandOf, days map[string]*Day) error {
	by := map[string]int{}
	err := tx.Query(ctx, "SELECT day, ward, code, n FROM beds_refusal WHERE pool = ? AND day >= ? AND day <= ?", []any{pool, f.From, f.To}, func(scan func(...any) error) error {
		var day, ward, code string
		var n int
		if err := scan(&day, &ward, &code, &n); err != nil {
			return err
		}
		if strings.HasPrefix(code, overridden) {
			f.Holds.Overridden += n
			return nil
		}
		by[code] += n
		if w := wards[ward]; w != nil {
			w.Refused += n
		}
		if d := days[day]; d != nil {
			d.Refused += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("beds: refusals: %w", err)
	}
	for code, n := range by {
		zh, en := allocate.Word(code)
		f.Refused = append(f.Refused, Counted{code, zh, en, n})
	}
	slices.SortFunc(f.Refused, func(a, b Counted) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Code, b.Code)) })
	return nil
}

func (r *Room) waitsNow(ctx context.Context, tx *store.Tx, f *Figures, pool string, waited map[allocate.Urgency][]float64) error {
	waits, err := r.Bookings.Waits(ctx, tx, pool)
	if err != nil {
		return fmt.Errorf("beds: %w", err)
	}
	now, longest := map[allocate.Urgency]int{}, map[allocate.Urgency]float64{}
	for _, w := range waits {
		q, err := RequestOf(w)
		if err != nil {
			return err
		}
		u := urgency(q.Urgency)
		now[u]++
		longest[u] = max(longest[u], tx.Now().Sub(w.Since).Hours())
	}
	for _, u := range allocate.Urgencies {
		x := WaitOf{Urgency: u, Waiting: now[u], Served: len(waited[u]), P50: quantile(waited[u], 0.5), P90: quantile(waited[u], 0.9)}
		if now[u] > 0 {
			h := round(longest[u], 100)
			x.Longest = &h
		}
		f.Waits = append(f.Waits, x)
	}
	return nil
}

// sumUp adds the wards up to campuses.
func (r *Room) sumUp(ctx context.Context, tx *store.Tx, f *Figures, span time.Duration) error {
	campuses, err := r.Campuses(ctx, tx)
	if err != nil {
		return err
	}
	at := map[string]int{}
	for i := range f.Wards {
		w := &f.Wards[i]
		k, known := at[w.Campus]
		if !known {
			k = len(f.Campuses)
			at[w.Campus] = k
			f.Campuses = append(f.Campuses, StandOf{ID: w.Campus, Name: campuses[w.Campus].Name})
		}
		c := &f.Campuses[k]
		c.Beds, c.Occupied, c.Free, c.Held, c.Cleaning, c.Closed, c.Lent = c.Beds+w.Beds, c.Occupied+w.Occupied, c.Free+w.Free, c.Held+w.Held, c.Cleaning+w.Cleaning, c.Closed+w.Closed, c.Lent+w.Lent
		c.used, c.Refused, c.LentDays = c.used+w.used, c.Refused+w.Refused, c.LentDays+w.LentDays
	}
	for _, list := range [][]StandOf{f.Wards, f.Campuses} {
		for i := range list {
			if s := &list[i]; s.Beds > 0 && span > 0 {
				s.Mean = round(s.used.Hours()/(float64(s.Beds)*span.Hours()), 1000)
				s.LentDays = round(s.LentDays, 100)
			}
		}
	}
	return nil
}

func (r *Room) midnight(t time.Time) time.Time {
	d := t.In(r.zone())
	return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, r.zone())
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// overlapOf is how long a use lasted within a span.
func overlapOf(u *Use, from, until time.Time) time.Duration {
	end := until
	if !u.Ended.IsZero() {
		end = earlier(end, u.Ended)
	}
	return max(0, end.Sub(later(u.Since, from)))
}

func urgency(u allocate.Urgency) allocate.Urgency {
	if slices.Contains(allocate.Urgencies, u) {
		return u
	}
	return allocate.Elective
}

// quantile by nearest rank; nil of nothing.
func quantile(values []float64, q float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	v := round(sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)], 100)
	return &v
}

func round(v float64, to float64) float64 { return math.Round(v*to) / to }
