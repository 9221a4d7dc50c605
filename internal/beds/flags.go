package beds

import (
	"context"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Flag is what somebody looks at before a stay is settled. It accuses nobody.
type Flag struct {
	Kind    string // absence (挂床) or readmission (分解住院)
	Holder  string // "Task/…" of the stay
	Patient string
	Bed     string
	Ward    string
	Since   time.Time // of the absence; when the readmission was found
	Until   time.Time // zero = he is still away
}

// Flags are the absences from a bed in use that lasted longer than the institution's rule says, of those who are in a bed
// or left it within 31 days, and the stays that were found to follow soon on another one for the same disease.
func (r *Room) Flags(ctx context.Context, tx *store.Tx, pool string) ([]Flag, *Rules, error) {
	u, err := r.RulesOf(ctx, tx, pool)
	if err != nil {
		return nil, nil, err
	}
	now := tx.Now()
	var all []Flag
	limit := time.Duration(u.Flags.Absence) * time.Hour
	if limit > 0 {
		err = tx.Query(ctx, `SELECT a.holder, a.bed, a.since, a.back, u.patient, u.ward FROM beds_away a JOIN beds_use u ON u.holder = a.holder AND u.bed = a.bed AND u.state = 'occupied'
WHERE u.pool = ? AND a.since <= ? AND (a.back = 0 OR a.back - a.since >= ?) AND (u.ended = 0 OR u.ended >= ?) ORDER BY a.since LIMIT 2000`,
			[]any{pool, now.Add(-limit).UnixMicro(), limit.Microseconds(), now.AddDate(0, 0, -31).UnixMicro()}, func(scan func(...any) error) error {
				f := Flag{Kind: "absence"}
				var since, back int64
				err := scan(&f.Holder, &f.Bed, &since, &back, &f.Patient, &f.Ward)
				f.Since, f.Until = moment(since), moment(back)
				all = append(all, f)
				return err
			})
		if err != nil {
			return nil, nil, fmt.Errorf("beds: flags: %w", err)
		}
	}
	err = tx.Query(ctx, `SELECT c.holder, u.bed, c.patient, u.ward, c.flagged FROM beds_case c JOIN beds_use u ON u.holder = c.holder AND u.state = 'occupied' AND u.ended = 0
WHERE c.flagged > 0 AND u.pool = ? ORDER BY c.flagged, c.holder LIMIT 2000`, []any{pool}, func(scan func(...any) error) error {
		f := Flag{Kind: "readmission"}
		var since int64
		err := scan(&f.Holder, &f.Bed, &f.Patient, &f.Ward, &since)
		f.Since = moment(since)
		all = append(all, f)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("beds: flags: %w", err)
	}
	return all, u, nil
}
