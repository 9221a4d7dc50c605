package audit

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Unsealed counts the entries that wait to be sealed into the chain; reads still in the journal are not among them.
func Unsealed(ctx context.Context, tx *store.Tx) (n int64, err error) {
	err = tx.Query(ctx, "SELECT count(*) FROM audit_entry WHERE seq IS NULL", nil, func(scan func(...any) error) error { return scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("audit: unsealed: %w", err)
	}
	return n, nil
}
