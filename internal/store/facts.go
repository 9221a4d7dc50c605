package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/keys"
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
	key = tx.s.Mask("idempotency", key) // clients put what they like into a key
	ok, err = tx.one(ctx, "SELECT answer FROM idempotency WHERE client = ? AND key = ? AND expires > ?",
		[]any{client, key, tx.now.UnixMicro()}, &answer)
	if err != nil || !ok {
		return "", nil, ok, err
	}
	kept, err := tx.unseal(ctx, append([]byte(nil), answer...), "idempotency/"+client+"/"+key)
	if err != nil {
		return "", nil, false, fmt.Errorf("store: kept answer: %w", err)
	}
	of, answer, _ := bytes.Cut(kept, []byte{'\n'})
	return string(of), answer, true, nil
}

// Remember keeps the answer of a client's key; ErrExists when another unit was first.
func (tx *Tx) Remember(ctx context.Context, client, key, hash string, answer []byte) error {
	now := tx.now.UnixMicro()
	if _, err := tx.Exec(ctx, "DELETE FROM idempotency WHERE expires <= ?", now); err != nil {
		return err
	}
	key = tx.s.Mask("idempotency", key)
	kept := append([]byte(hash+"\n"), answer...) // the hash of a request could be guessed at
	_, err := tx.Exec(ctx, "INSERT INTO idempotency (client, key, hash, answer, expires) VALUES (?, ?, '', ?, ?)",
		client, key, tx.s.ring.Seal(kept, "idempotency/"+client+"/"+key), tx.now.Add(IdempotencyKept).UnixMicro())
	return err
}

// unseal opens what Ring.Seal made, also under a key that another program has just made.
func (tx *Tx) unseal(ctx context.Context, box []byte, about string) ([]byte, error) {
	plain, err := tx.s.ring.Open(box, about)
	if errors.Is(err, keys.ErrUnknown) {
		if err := tx.s.takeKeys(ctx, tx); err != nil {
			return nil, err
		}
		plain, err = tx.s.ring.Open(box, about)
	}
	return plain, err
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

// sealedText marks a text that SealText made.
const sealedText = "sealed:2:"

// SealText hides a text that a room keeps in a table of its own; about binds it to its place. Without a key it stays as it is.
func (tx *Tx) SealText(text, about string) string {
	box := tx.s.ring.Seal([]byte(text), about)
	if _, sealed := keys.Sealed(box); !sealed {
		return text
	}
	return sealedText + base64.RawStdEncoding.EncodeToString(box)
}

// OpenText undoes SealText; what was never sealed stays as it is.
func (tx *Tx) OpenText(ctx context.Context, text, about string) (string, error) {
	kept, ok := strings.CutPrefix(text, sealedText)
	if !ok {
		return text, nil
	}
	box, err := base64.RawStdEncoding.DecodeString(kept)
	if err != nil {
		return "", fmt.Errorf("store: sealed text: %w", err)
	}
	plain, err := tx.unseal(ctx, box, about)
	if err != nil {
		return "", fmt.Errorf("store: sealed text: %w", err)
	}
	return string(plain), nil
}

// OpenBox undoes Ring.Seal for a room that keeps bytes, also under a key that another program has just made.
func (tx *Tx) OpenBox(ctx context.Context, box []byte, about string) ([]byte, error) {
	plain, err := tx.unseal(ctx, box, about)
	if err != nil {
		return nil, fmt.Errorf("store: sealed box: %w", err)
	}
	return plain, nil
}
