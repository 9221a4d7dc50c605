package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Listed is a resource in its place on a patient's line of time.
type Listed struct {
	Version
	At time.Time // main date of the type; zero = it has none
}

// Compartment lists a patient's current resources of some types as far as the scope sees them, newest first by
// main date: at most limit of those dated at or before until (zero = all), then those that have no date, at most
// MaxCount. more says that older ones follow.
func (tx *Tx) Compartment(ctx context.Context, scope search.Scope, patient string, types []string, until time.Time, limit int) (list []Listed, more bool, err error) {
	see, err := tx.sight(ctx, scope)
	if err != nil {
		return nil, false, err
	}
	id, ok := strings.CutPrefix(patient, "Patient/")
	if !ok {
		return nil, false, fmt.Errorf("store: %q is no patient", patient)
	}
	rid, err := tx.rid(ctx, spec.TypeID("Patient"), id)
	if err != nil || rid == 0 {
		return nil, false, err
	}
	whole, err := tx.seesWhole(ctx, &see, rid)
	if err != nil {
		return nil, false, err
	}
	newest := maxDate
	if !until.IsZero() {
		newest = until.UnixMicro()
	}
	q := &sql{}
	arm := func(typ int16, dates string, bound int64, most int) {
		if len(q.args) > 0 {
			q.add(" UNION ALL ")
		}
		q.add("SELECT * FROM (SELECT c.at, c.rid FROM compartment c CROSS JOIN resource r WHERE c.patient = ? AND c.type = ? AND "+dates, rid, typ, bound)
		q.add(" AND r.rid = c.rid AND r.deleted = 0")
		if !whole(typ) {
			see.visible(q, "r", typ)
		}
		q.add(fmt.Sprintf(" ORDER BY c.at DESC, c.rid DESC LIMIT %d) a", most))
	}
	for _, name := range types {
		pl := planOf(name)
		if pl == nil {
			return nil, false, unknownType(name)
		}
		if !see.reads(pl.id) {
			continue
		}
		if pl.date != nil {
			arm(pl.id, fmt.Sprintf("c.at > %d AND c.at <= ?", int64(minDate)), newest, limit+1)
		}
		arm(pl.id, "c.at = ?", minDate, MaxCount)
	}
	if len(q.args) == 0 {
		return nil, false, nil
	}
	q.add(" ORDER BY 1 DESC, 2 DESC")
	var rids, ats []int64
	dated := 0
	err = tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
		var at, rid int64
		if err := scan(&at, &rid); err != nil {
			return err
		}
		if at != minDate {
			if dated++; dated > limit {
				more = true
				return nil
			}
		}
		rids, ats = append(rids, rid), append(ats, at)
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("store: compartment: %w", err)
	}
	versions, err := tx.fetch(ctx, rids)
	if err != nil || len(versions) != len(rids) {
		return nil, false, fmt.Errorf("store: compartment: %d of %d bodies: %w", len(versions), len(rids), err)
	}
	list = make([]Listed, len(versions))
	for i, v := range versions {
		list[i].Version = v
		if ats[i] != minDate {
			list[i].At = time.UnixMicro(ats[i]).In(tx.s.zone)
		}
	}
	return list, more, nil
}

// seesWhole says of which types the scope sees all that stands under this patient, because he was granted to it. What
// it sees otherwise, or where anything may be guarded, is asked row by row.
func (tx *Tx) seesWhole(ctx context.Context, see *sight, patient int64) (func(typ int16) bool, error) {
	if see.all || see.limited || see.closed != 0 {
		return func(int16) bool { return see.all && !see.limited }, nil
	}
	held := map[any]bool{}
	if given := see.of(0).parties; len(given) > 0 {
		q := &sql{}
		q.add("SELECT DISTINCT g.party FROM access_grant g WHERE g.patient = ? AND ", patient)
		see.in(q, "g.party", given)
		q.add(" AND g.since <= ? AND g.until > ?", see.now, see.now)
		err := tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
			var party int64
			err := scan(&party)
			held[party] = true
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return func(typ int16) bool {
		return slices.ContainsFunc(see.of(typ).whole, func(p any) bool { return held[p] })
	}, nil
}
