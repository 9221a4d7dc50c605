package beds

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Lent is what one ward has done in a span of time for the patients of another department.
type Lent struct {
	Home     string // "Organization/…", responsible
	Ward     string // "Location/…", where they lay
	Host     string // "Organization/…" of the ward
	Patients int
	Days     float64 // in its beds, to a tenth
	Points   float64 // of nursing, to a tenth: of each patient's level in every shift
}

// LentDays counts the days of lent beds of a pool in [from, until), by responsible department and ward. It names nobody.
func (r *Room) LentDays(ctx context.Context, tx *store.Tx, pool string, from, until time.Time) ([]Lent, error) {
	rules, err := r.RulesOf(ctx, tx, pool)
	if err != nil {
		return nil, err
	}
	all, err := uses(ctx, tx, "WHERE pool = ? AND lent = 1 AND state = ? AND since < ? AND (ended = 0 OR ended > ?)", pool, string(booking.Occupied), until.UnixMicro(), from.UnixMicro())
	if err != nil {
		return nil, err
	}
	type sides struct{ home, ward string }
	sums := map[sides]*Lent{}
	patients := map[sides]map[string]bool{}
	now := tx.Now()
	for _, u := range all {
		if u.Home == "" || u.Home == u.Host {
			continue
		}
		began, ended := u.Since, u.Ended
		if ended.IsZero() || ended.After(until) {
			ended = until
		}
		if ended.After(now) {
			ended = now
		}
		if began.Before(from) {
			began = from
		}
		days := ended.Sub(began).Hours() / 24
		if days <= 0 {
			continue
		}
		key := sides{u.Home, u.Ward}
		sum := sums[key]
		if sum == nil {
			sum = &Lent{Home: u.Home, Ward: u.Ward, Host: u.Host}
			sums[key], patients[key] = sum, map[string]bool{}
		}
		sum.Days += days
		points, said := rules.Who.Nursing[u.Nursing]
		if !said {
			points = rules.Who.Nursing[""]
		}
		sum.Points += days * points * float64(len(rules.Shifts))
		patients[key][u.Patient] = true
	}
	list := []Lent{}
	for key, sum := range sums {
		sum.Patients = len(patients[key])
		sum.Days, sum.Points = math.Round(sum.Days*10)/10, math.Round(sum.Points*10)/10
		if sum.Days > 0 {
			list = append(list, *sum)
		}
	}
	slices.SortFunc(list, func(a, b Lent) int { return cmp.Or(cmp.Compare(a.Home, b.Home), cmp.Compare(a.Ward, b.Ward)) })
	return list, nil
}
