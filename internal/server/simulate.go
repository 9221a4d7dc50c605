package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/store"
)

// PastBeds are an institution's beds and stays since a time, for a simulation; "" is the only one that has beds.
func (h *Hub) PastBeds(ctx context.Context, institution string, since time.Time) (past *beds.Past, name string, err error) {
	err = h.Store.View(ctx, func(tx *store.Tx) error {
		pools, err := h.Beds.Pools(ctx, tx)
		if err != nil {
			return err
		}
		if institution == "" {
			var all []string
			for pool := range pools {
				all = append(all, pool)
			}
			if len(all) != 1 {
				slices.Sort(all)
				return fmt.Errorf("server: %d institutions have beds; --institution says which: %s", len(all), strings.Join(all, ", "))
			}
			institution = all[0]
		}
		if pools[institution] == 0 {
			return errors.Join(ErrUnavailable, fmt.Errorf("server: %s has no beds in the register", institution))
		}
		past, err = h.Beds.Past(ctx, tx, institution, since)
		return err
	})
	return past, h.Tree.Name(institution), err
}

// pastOfPool is PastBeds for the API: who has no beds has no past.
func (h *Hub) pastOfPool(ctx context.Context, institution string, since time.Time) (*beds.Past, error) {
	past, _, err := h.PastBeds(ctx, institution, since)
	if errors.Is(err, ErrUnavailable) {
		return &beds.Past{}, nil
	}
	return past, err
}
