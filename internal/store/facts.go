package store

import (
	"context"
	"fmt"
	"time"
)

// Setting reads one setting of the hub.
func (tx *Tx) Setting(ctx context.Context, key string) (value string, ok bool, err error) {
	ok, err = tx.one(ctx, "SELECT value FROM setting WHERE key = ?", []any{key}, &value)
	return value, ok, err
}

// SetSetting writes one setting of the hub.
func (tx *Tx) SetSetting(ctx context.Context, key, value string) error {
	_, err := tx.Exec(ctx, "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	return err
}

// Claimed is the refusal of Claim: who holds it. errors.Is(err, ErrExists) holds too.
type Claimed struct{ Kind, Key, Holder string }

func (e *Claimed) Error() string { return fmt.Sprintf("%s is held by %s", e.Kind, e.Holder) }

// Is makes Claimed an ErrExists.
func (e *Claimed) Is(target error) bool { return target == ErrExists }

// Claim takes (kind, key) for holder, once: what must not exist twice. Taken by another it is *Claimed;
// to claim again what one holds is no error.
func (tx *Tx) Claim(ctx context.Context, kind, key, holder string) error {
	n, err := tx.Exec(ctx, "INSERT INTO claim (kind, key, holder) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO NOTHING", kind, key, holder)
	if err != nil || n == 1 {
		return err
	}
	by, _, err := tx.Claimed(ctx, kind, key)
	if err != nil || by == holder {
		return err
	}
	return &Claimed{kind, key, by}
}

// Claimed tells who holds (kind, key).
func (tx *Tx) Claimed(ctx context.Context, kind, key string) (holder string, ok bool, err error) {
	ok, err = tx.one(ctx, "SELECT holder FROM claim WHERE kind = ? AND key = ?", []any{kind, key}, &holder)
	return holder, ok, err
}

// Release frees (kind, key).
func (tx *Tx) Release(ctx context.Context, kind, key string) error {
	_, err := tx.Exec(ctx, "DELETE FROM claim WHERE kind = ? AND key = ?", kind, key)
	return err
}

// ReleaseHolder frees all that holder claimed.
func (tx *Tx) ReleaseHolder(ctx context.Context, holder string) error {
	_, err := tx.Exec(ctx, "DELETE FROM claim WHERE holder = ?", holder)
	return err
}

// IdempotencyKept is how long an answer can be given again.
const IdempotencyKept = 7 * 24 * time.Hour

// Recall returns the answer kept for a client's key, with the hash of its request.
func (tx *Tx) Recall(ctx context.Context, client, key string) (hash string, answer []byte, ok bool, err error) {
	ok, err = tx.one(ctx, "SELECT hash, answer FROM idempotency WHERE client = ? AND key = ? AND expires > ?",
		[]any{client, key, tx.now.UnixMicro()}, &hash, &answer)
	return hash, answer, ok, err
}

// Remember keeps the answer of a client's key; ErrExists when another unit was first.
func (tx *Tx) Remember(ctx context.Context, client, key, hash string, answer []byte) error {
	now := tx.now.UnixMicro()
	if _, err := tx.Exec(ctx, "DELETE FROM idempotency WHERE expires <= ?", now); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO idempotency (client, key, hash, answer, expires) VALUES (?, ?, ?, ?, ?)",
		client, key, hash, answer, tx.now.Add(IdempotencyKept).UnixMicro())
	return err
}

// Horizon is how far in the log a named consumer has come; 0 = at the beginning.
func (tx *Tx) Horizon(ctx context.Context, name string) (seq int64, err error) {
	_, err = tx.one(ctx, "SELECT seq FROM horizon WHERE name = ?", []any{name}, &seq)
	return seq, err
}

// SetHorizon is committed with what the consumer writes.
func (tx *Tx) SetHorizon(ctx context.Context, name string, seq int64) error {
	_, err := tx.Exec(ctx, "INSERT INTO horizon (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq", name, seq)
	return err
}
