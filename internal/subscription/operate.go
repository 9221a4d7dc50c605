package subscription

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Row is what the hub knows of one subscription.
func (e *Engine) Row(ctx context.Context, id string) (r Row, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) (err error) { r, err = rowOf(ctx, tx, id); return err })
	return r, err
}
