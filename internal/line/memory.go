package line

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/store"
)

// memory is how the store remembers answered commands for 7 days.
type memory interface {
	Recall(ctx context.Context, client, key string) (hash, answer []byte, ok bool, err error)
	Remember(ctx context.Context, client, key string, hash, answer []byte) error
}

func memoryOf(tx *store.Tx) memory {
	m, _ := any(tx).(memory)
	return m
}
