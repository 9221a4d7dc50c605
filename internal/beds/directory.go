package beds

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

const (
	// CapacityMeasure is what a MeasureReport of the capacity directory measures: one group a specialty, in it one
	// stratum a level. It names nobody.
	CapacityMeasure = spec.Canonical + "/Measure/bed-capacity"
	// CapacityCode are the populations of its groups: beds, free, today.
	CapacityCode = spec.Canonical + "/CodeSystem/bed-capacity"
	// WaitP90 is the extension of a group's score: the wait in which nine of ten were admitted, hours.
	WaitP90 = extension + "wait-p90"
)

// Capacity is what an institution can take of one specialty at one level.
type Capacity struct {
	Specialty string
	Level     allocate.Level
	Beds      int
	Free      int      // now, less what is kept for emergencies
	Today     int      // expected to become free until midnight
	P50, P90  *float64 // hours from asking to admission lately, of the specialty; nil = nobody was admitted
}

// CapacityOf reckons what an institution can take now, by specialty and level.
func (r *Room) CapacityOf(ctx context.Context, tx *store.Tx, pool string) ([]Capacity, error) {
	l, err := r.Look(ctx, tx, pool)
	if err != nil || len(l.Of) == 0 {
		return nil, err
	}
	now := tx.Now()
	tonight := r.midnight(now).AddDate(0, 0, 1)
	type key struct {
		specialty string
		level     allocate.Level
	}
	sums := map[key]*Capacity{}
	today := map[key]float64{}
	reserve := map[key]int{}
	for i, w := range l.Of {
		for _, s := range w.Specialties {
			reserve[key{s, allocate.General}] += l.Wards[i].Reserve
		}
	}
	for i := range l.Beds {
		b := &l.Beds[i]
		for _, s := range l.Wards[b.Ward].Specialties {
			k := key{s, b.Level}
			if sums[k] == nil {
				sums[k] = &Capacity{Specialty: s, Level: b.Level}
			}
			if b.State == allocate.Closed {
				continue
			}
			sums[k].Beds++
			switch b.State {
			case allocate.Free:
				sums[k].Free++
			case allocate.Cleaning:
				if b.Frees.IsZero() || b.Frees.Before(tonight) {
					today[k]++
				}
			case allocate.Occupied, allocate.Lent:
				if !b.Frees.IsZero() && b.Frees.Before(tonight) {
					today[k] += b.Likely
				}
			}
		}
	}
	waits, err := r.lately(ctx, tx, pool, now.AddDate(0, 0, -l.Rules.Directory.Days))
	if err != nil {
		return nil, err
	}
	all := make([]Capacity, 0, len(sums))
	for k, c := range sums {
		c.Free, c.Today = max(0, c.Free-reserve[k]), int(math.Round(today[k]))
		c.P50, c.P90 = quantile(waits[k.specialty], 0.5), quantile(waits[k.specialty], 0.9)
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Capacity) int {
		return cmp.Or(cmp.Compare(a.Specialty, b.Specialty), cmp.Compare(a.Level, b.Level))
	})
	return all, nil
}

// lately are the waits of those admitted since a time, in hours by specialty.
func (r *Room) lately(ctx context.Context, tx *store.Tx, pool string, since time.Time) (map[string][]float64, error) {
	waits := map[string][]float64{}
	err := tx.Query(ctx, `SELECT u.specialty, u.since - u.waited FROM beds_use u WHERE u.pool = ? AND u.since >= ? AND u.state = ? AND u.waited > 0
AND NOT EXISTS (SELECT 1 FROM beds_use o WHERE o.holder = u.holder AND o.state = u.state AND o.since < u.since) LIMIT 100000`,
		[]any{pool, since.UnixMicro(), string(booking.Occupied)}, func(scan func(...any) error) error {
			var specialty string
			var us int64
			err := scan(&specialty, &us)
			waits[specialty] = append(waits[specialty], time.Duration(us*1000).Hours())
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("beds: waits: %w", err)
	}
	return waits, nil
}

// reportID is the id of an institution's MeasureReport.
func reportID(pool string) string {
	id := "bed-capacity-" + strings.TrimPrefix(pool, "Organization/")
	return id[:min(len(id), 64)]
}

// report writes capacities as a MeasureReport, without its date.
func (r *Room) report(pool string, all []Capacity, now time.Time) *fhir.Node {
	day := r.day(now)
	n := fhir.New("MeasureReport", "id", reportID(pool), "status", "complete", "type", "summary", "measure", CapacityMeasure, "reporter", fhir.Ref(pool, r.nameOf(pool)),
		"period", fhir.Obj{"start", day, "end", day})
	var groups fhir.Arr
	for from := 0; from < len(all); {
		to := from
		var sum Capacity
		var strata fhir.Arr
		for ; to < len(all) && all[to].Specialty == all[from].Specialty; to++ {
			c := all[to]
			sum.Beds, sum.Free, sum.Today = sum.Beds+c.Beds, sum.Free+c.Free, sum.Today+c.Today
			strata = append(strata, fhir.Obj{"value", fhir.Concept(LevelOf, string(c.Level), ""), "population", populations(c)})
		}
		group := fhir.Obj{"code", fhir.Concept(departments, all[from].Specialty, ""), "population", populations(sum)}
		if p50 := all[from].P50; p50 != nil {
			score := fhir.Obj{}
			if p90 := all[from].P90; p90 != nil {
				score = append(score, "extension", fhir.Arr{fhir.Extension(WaitP90, "valueQuantity", hours(*p90))})
			}
			group = append(group, "measureScore", append(score, hours(*p50)...))
		}
		groups = append(groups, append(group, "stratifier", fhir.Arr{fhir.Obj{"code", fhir.Arr{fhir.Concept(CapacityCode, "level", "床位级别")}, "stratum", strata}}))
		from = to
	}
	if groups != nil {
		n.Set("group", groups)
	}
	return n
}

func hours(v float64) fhir.Obj {
	return fhir.Obj{"value", &fhir.Node{Kind: fhir.Number, Text: strconv.FormatFloat(v, 'f', -1, 64)}, "unit", "h", "system", "http://unitsofmeasure.org", "code", "h"}
}

func populations(c Capacity) fhir.Arr {
	one := func(code, zh string, n int) fhir.Obj {
		return fhir.Obj{"code", fhir.Concept(CapacityCode, code, zh), "count", n}
	}
	return fhir.Arr{one("beds", "在用床位", c.Beds), one("free", "现可收治", c.Free), one("today", "今日预计空出", c.Today)}
}

func (r *Room) nameOf(org string) string {
	if r.Tree == nil {
		return ""
	}
	return r.Tree.Name(org)
}

// Report brings the capacity directory up to date: the MeasureReport of each institution whose numbers have changed, at
// most once a minute. It returns how many it wrote.
func (r *Room) Report(ctx context.Context, s *store.Store) (written int, err error) {
	ctx = access.With(ctx, nil)
	var pools map[string]int
	if err := s.View(ctx, func(tx *store.Tx) (err error) { pools, err = r.Pools(ctx, tx); return err }); err != nil {
		return 0, err
	}
	for pool := range pools {
		done := false
		var fresh *fhir.Node
		var vid int64
		err := s.View(ctx, func(tx *store.Tx) error { // reckoned outside the writer
			fresh, vid = nil, 0
			all, err := r.CapacityOf(ctx, tx, pool)
			if err != nil {
				return err
			}
			n := r.report(pool, all, tx.Now())
			v, err := tx.Read(ctx, search.Everything, "MeasureReport", n.ID())
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrGone) {
				return err
			}
			if err == nil {
				old, err := fhir.Parse(v.JSON)
				if err != nil {
					return err
				}
				old.Set("meta", nil).Set("date", nil)
				if bytes.Equal(old.JSON(), n.JSON()) || tx.Now().Sub(v.Updated) < time.Minute {
					return nil
				}
				vid = v.VID
			}
			n.Set("date", stamp(tx.Now().In(r.zone())))
			fresh = n
			return nil
		})
		if err != nil {
			return written, fmt.Errorf("beds: capacity of %s: %w", pool, err)
		}
		if fresh == nil {
			continue
		}
		ready, err := store.Prepare(fresh)
		if err != nil {
			return written, fmt.Errorf("beds: capacity of %s: %w", pool, err)
		}
		err = s.Update(ctx, func(tx *store.Tx) error {
			done = false
			p := store.Put{Op: store.Update, Type: "MeasureReport", ID: fresh.ID(), Resource: ready, IfMatch: vid, Custodian: pool, ByStep: true}
			if vid == 0 {
				p.IfMatch = -1
			}
			if _, err := tx.Put(ctx, p); err != nil {
				return err
			}
			done = true
			ref := "MeasureReport/" + fresh.ID()
			return tx.Item(ctx, store.Item{Resource: ref, Party: access.Network, Basis: "capacity", Source: ref})
		})
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) { // another program was first
			continue
		}
		if err != nil {
			return written, fmt.Errorf("beds: capacity of %s: %w", pool, err)
		}
		if done {
			written++
		}
	}
	return written, nil
}
