package empi

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
)

// weights are a version of the model; 0 is the one that is shipped.
type weights struct {
	id int64
	m  *match.Model
}

// weights in force.
func (x *Index) weights(ctx context.Context, tx *store.Tx) (*weights, error) {
	var id int64
	err := tx.Query(ctx, `SELECT id FROM empi_model WHERE active = 1 ORDER BY id DESC LIMIT 1`, nil, func(scan func(...any) error) error { return scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("empi: weights: %w", err)
	}
	x.mu.RLock()
	w := x.model
	x.mu.RUnlock()
	if w != nil && w.id == id {
		return w, nil
	}
	w = &weights{id: id, m: match.Default()}
	x.mu.Lock()
	x.model = w
	x.mu.Unlock()
	return w, nil
}
