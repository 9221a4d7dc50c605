package booking

import (
	"context"
	"strings"

	"github.com/xinglin-health/xinglin/internal/store"
)

// OfPatients is what some patients have and wait for in a pool, at tx.Now().
func (r *Room) OfPatients(ctx context.Context, tx *store.Tx, pool string, patients ...string) ([]Booking, []Wait, error) {
	if len(patients) == 0 {
		return nil, nil, nil
	}
	args := []any{pool}
	for _, p := range patients {
		args = append(args, p)
	}
	in := " AND patient IN (?" + strings.Repeat(", ?", len(patients)-1) + ")"
	all, err := list(ctx, tx, "WHERE pool = ? AND live = 1"+in+" ORDER BY from_at, id", args...)
	if err != nil {
		return nil, nil, err
	}
	kept := all[:0]
	for _, b := range all {
		if !b.runOut(tx.Now()) {
			kept = append(kept, b)
		}
	}
	waiting, err := waits(ctx, tx, "WHERE pool = ? AND live = 1"+in+" ORDER BY rank, since, holder", args...)
	return kept, waiting, err
}
