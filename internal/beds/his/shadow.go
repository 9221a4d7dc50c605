package his

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Guard refuses a hold in a ward that runs in the shadow: what is proposed there binds nobody. Give it to booking before
// the hard rules; facts pass.
func (r *Room) Guard(ctx context.Context, tx *store.Tx, by *access.Caller, c *booking.Command, _ *booking.Booking) error {
	if c.Fact || by == nil || by.Role == "system" || c.Do != booking.Hold && c.Do != booking.Displace || !strings.HasPrefix(c.Thing, "Location/") {
		return nil
	}
	p, err := r.placeOf(ctx, tx, c.Thing)
	if p == nil || err != nil {
		return err
	}
	s, err := r.sourceOf(ctx, tx, p.ward, p.pool)
	if err != nil || !s.Shadow {
		return err
	}
	return fhir.Refuse(422, "business-rule", "ward-in-shadow", "this ward runs in the shadow: proposals are recorded and bind nobody; no bed is held there", "该病区处于影子运行：只记录建议，不留床")
}

// Changed notes what really happened to a patient of whom something was proposed, and what people entered before the
// hospital's system said so. Give it to booking after what the beds do.
func (r *Room) Changed(ctx context.Context, tx *store.Tx, before, after *booking.Booking) error {
	if after == nil || !strings.HasPrefix(after.Thing, "Location/") {
		return nil
	}
	begins := after.State == booking.Occupied && (before == nil || before.State != booking.Occupied || before.Thing != after.Thing)
	ends := before != nil && before.State == booking.Occupied && after.State == booking.Released
	if !begins && !ends {
		return nil
	}
	p, err := r.placeOf(ctx, tx, after.Thing)
	if p == nil || err != nil {
		return err
	}
	if begins && after.Patient != "" {
		_, err := tx.Exec(ctx, "UPDATE beds_shadow SET ended = ?, actual_bed = ?, actual_ward = ?, actual_at = ? WHERE ended = 0 AND pool = ? AND (holder = ? OR patient = ?)",
			tx.Now().UnixMicro(), p.bed, p.ward, tx.Now().UnixMicro(), p.pool, after.Holder, after.Patient)
		if err != nil {
			return fmt.Errorf("beds: shadow: %w", err)
		}
	}
	if isReport(ctx) || after.Patient == "" {
		return nil
	}
	s, err := r.sourceOf(ctx, tx, p.ward, p.pool)
	if err != nil || s.Owner != HIS {
		return err
	}
	if ends { // a case that follows a report gives nothing back any more
		n, err := tx.Exec(ctx, "UPDATE beds_difference SET resolved = ?, how = 'message' WHERE resolved = 0 AND kind = 'ahead' AND pool = ? AND patient = ?", tx.Now().UnixMicro(), p.pool, after.Patient)
		if err != nil || n > 0 {
			return err
		}
	}
	d := Difference{Pool: p.pool, Ward: p.ward, Kind: Ahead, Bed: p.bed, Patient: after.Patient, Holder: after.Holder, Had: string(booking.Occupied)}
	if ends {
		d.Had = "left"
	}
	return r.differ(ctx, tx, d)
}

// Tick records what would be proposed now in the wards that run in the shadow. It returns how many proposals are new.
func (r *Room) Tick(ctx context.Context) (int, error) {
	if r.Propose == nil {
		return 0, nil
	}
	ctx = access.With(ctx, nil)
	pools := map[string][]string{} // institution -> wards in the shadow
	err := r.Store.View(ctx, func(tx *store.Tx) error {
		clear(pools)
		return tx.Query(ctx, "SELECT s.ward, p.org FROM beds_source s JOIN beds_place p ON p.id = s.ward WHERE s.shadow = 1", nil, func(scan func(...any) error) error {
			var ward, org string
			err := scan(&ward, &org)
			pools[r.institution(org)] = append(pools[r.institution(org)], ward)
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("beds: shadow: %w", err)
	}
	fresh := 0
	for pool, wards := range pools {
		n, err := r.shadow(ctx, pool, wards)
		if err != nil {
			return fresh, fmt.Errorf("beds: shadow of %s: %w", pool, err)
		}
		fresh += n
	}
	return fresh, nil
}

// shadow keeps one open row a case: what was proposed last.
func (r *Room) shadow(ctx context.Context, pool string, wards []string) (fresh int, err error) {
	type row struct{ bed, ward string }
	var proposals []allocate.Proposal
	err = r.Store.View(ctx, func(tx *store.Tx) (err error) {
		proposals, err = r.Propose(ctx, tx, pool)
		return err
	})
	if err != nil {
		return 0, err
	}
	err = r.Store.Update(ctx, func(tx *store.Tx) error {
		fresh = 0
		if err := tx.Lock(ctx, "shadow "+pool); err != nil {
			return err
		}
		type open struct {
			id, bed string
			first   int64
		}
		was := map[string]open{}
		err := tx.Query(ctx, "SELECT id, holder, bed, first FROM beds_shadow WHERE pool = ? AND ended = 0", []any{pool}, func(scan func(...any) error) error {
			var o open
			var holder string
			err := scan(&o.id, &holder, &o.bed, &o.first)
			was[holder] = o
			return err
		})
		if err != nil {
			return err
		}
		now := tx.Now().UnixMicro()
		for i := range proposals {
			q := &proposals[i]
			at := row{bed: q.Bed}
			if q.Bed != "" {
				p, err := r.placeOf(ctx, tx, q.Bed)
				if err != nil {
					return err
				}
				if p != nil {
					at.ward = p.ward
				}
			}
			o, isOpen := was[q.Request]
			delete(was, q.Request)
			if !slices.Contains(wards, at.ward) {
				at.bed = ""
			}
			if isOpen && o.bed == at.bed {
				continue
			}
			if isOpen {
				if _, err := tx.Exec(ctx, "UPDATE beds_shadow SET ended = ? WHERE id = ?", now, o.id); err != nil {
					return err
				}
			}
			if at.bed == "" {
				continue
			}
			first := now
			if isOpen {
				first = o.first
			}
			terms, err := json.Marshal(q.Terms)
			if err != nil {
				return err
			}
			w, err := r.Bookings.WaitOf(ctx, tx, q.Request)
			if err != nil {
				return err
			}
			if w == nil {
				continue
			}
			_, err = tx.Exec(ctx, `INSERT INTO beds_shadow (id, pool, ward, bed, holder, patient, cost, terms, zh, en, at, first, ended, actual_bed, actual_ward, actual_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', 0)`, store.NewID(tx.Now()), pool, at.ward, at.bed, q.Request, w.Patient, q.Cost, string(terms), q.Zh, q.En, now, first)
			if err != nil {
				return err
			}
			fresh++
		}
		for _, o := range was { // waits no more, and nobody has seen where he went
			if _, err := tx.Exec(ctx, "UPDATE beds_shadow SET ended = ? WHERE id = ? AND ended = 0", now, o.id); err != nil {
				return err
			}
		}
		return nil
	})
	return fresh, err
}

// Shadowed is one proposal of the shadow and what really happened.
type Shadowed struct {
	ID, Ward, Bed, Holder, Patient string
	Zh, En                         string
	At, First, Actual              time.Time // proposed so, anything proposed, lay down; zero = not yet
	ActualBed, ActualWard          string
}

// Comparison is what came of the shadow in a time.
type Comparison struct {
	From, Until time.Time
	Cases       int // with a proposal that lay down
	SameBed     int
	SameWard    int
	Open        int
	Sooner      []time.Duration // how much earlier a bed was proposed than the patient lay down, ascending
	Rows        []Shadowed      // newest first
}

// Compare reads what was proposed in the shadow of an institution and what happened, in a time.
func (r *Room) Compare(ctx context.Context, tx *store.Tx, pool string, from, until time.Time, limit int) (c Comparison, err error) {
	c.From, c.Until = from, until
	err = tx.Query(ctx, `SELECT id, ward, bed, holder, patient, zh, en, at, first, actual_bed, actual_ward, actual_at FROM beds_shadow
		WHERE pool = ? AND (actual_at >= ? AND actual_at < ? OR ended = 0) ORDER BY at DESC, id DESC LIMIT 20000`, []any{pool, from.UnixMicro(), until.UnixMicro()}, func(scan func(...any) error) error {
		var s Shadowed
		var at, first, actual int64
		if err := scan(&s.ID, &s.Ward, &s.Bed, &s.Holder, &s.Patient, &s.Zh, &s.En, &at, &first, &s.ActualBed, &s.ActualWard, &actual); err != nil {
			return err
		}
		s.At, s.First = time.UnixMicro(at), time.UnixMicro(first)
		if actual == 0 {
			c.Open++
		} else {
			s.Actual = time.UnixMicro(actual)
			c.Cases++
			if s.ActualBed == s.Bed {
				c.SameBed++
			}
			if s.ActualWard == s.Ward {
				c.SameWard++
			}
			c.Sooner = append(c.Sooner, s.Actual.Sub(s.First))
		}
		if len(c.Rows) < limit {
			c.Rows = append(c.Rows, s)
		}
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("beds: shadow: %w", err)
	}
	slices.SortFunc(c.Sooner, cmp.Compare[time.Duration])
	return c, nil
}
