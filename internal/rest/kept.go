package rest

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/store"
)

func storeRecall(ctx context.Context, tx *store.Tx, client, key string) (hash, answer []byte, ok bool, err error) {
	t, can := any(tx).(interface {
		Recall(ctx context.Context, client, key string) (hash, answer []byte, ok bool, err error)
	})
	if !can {
		return nil, nil, false, nil
	}
	return t.Recall(ctx, client, key)
}

func storeRemember(ctx context.Context, tx *store.Tx, client, key string, hash, answer []byte) error {
	t, can := any(tx).(interface {
		Remember(ctx context.Context, client, key string, hash, answer []byte) error
	})
	if !can {
		return nil
	}
	return t.Remember(ctx, client, key, hash, answer)
}

func lock(ctx context.Context, tx *store.Tx, key string) error {
	t, can := any(tx).(interface {
		Lock(ctx context.Context, key string) error
	})
	if !can {
		return nil
	}
	return t.Lock(ctx, key)
}

func claim(ctx context.Context, tx *store.Tx, kind, key, holder string) error {
	t, can := any(tx).(interface {
		Claim(ctx context.Context, kind, key, holder string) error
	})
	if !can {
		return nil
	}
	return t.Claim(ctx, kind, key, holder)
}
