package empi

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/store"
)

// sweeping is the setting that says how far all records have been made due again; none = no sweep is under way.
const sweeping = "persons-sweep"

// sweep makes the next records due, once what was due is done.
func (x *Index) sweep(ctx context.Context) (more bool, err error) {
	under := false
	err = x.store.View(ctx, func(tx *store.Tx) error {
		text, _, err := tx.Setting(ctx, sweeping)
		under = text != "" && text != "done"
		return err
	})
	if err != nil || !under {
		return false, err
	}
	err = x.store.Update(ctx, func(tx *store.Tx) error {
		more = false
		if err := tx.Lock(ctx, lock); err != nil {
			return err
		}
		text, _, err := tx.Setting(ctx, sweeping)
		if err != nil {
			return err
		}
		var at int64
		if n, _ := fmt.Sscanf(text, "%d", &at); n != 1 {
			return nil
		}
		var recs []int64
		err = tx.Query(ctx, `SELECT rec FROM empi_record WHERE rec > ? ORDER BY rec LIMIT ?`, []any{at, dueAtOnce}, func(scan func(...any) error) error {
			var rec int64
			err := scan(&rec)
			recs = append(recs, rec)
			return err
		})
		if err != nil {
			return err
		}
		if len(recs) == 0 {
			return tx.SetSetting(ctx, sweeping, "done")
		}
		more = true
		if err := due(ctx, tx, 2, byWeights, recs...); err != nil {
			return err
		}
		return tx.SetSetting(ctx, sweeping, fmt.Sprint(recs[len(recs)-1]))
	})
	if err != nil {
		return false, fmt.Errorf("empi: sweep: %w", err)
	}
	return more, nil
}
