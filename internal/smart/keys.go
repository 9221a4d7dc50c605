package smart

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v3"

	"github.com/xinglin-health/xinglin/internal/store"
)

// keyring holds the keys with which this hub signs identity tokens; newest first.
type keyring struct {
	s *Service

	mu   sync.Mutex
	keys []signingKey
	read time.Time
}

type signingKey struct {
	jwk     jose.JSONWebKey
	created time.Time
}

// shownAfter is how long a key is still published after a newer one signs: longer than any identity token is valid.
const shownAfter = 48 * time.Hour

func (k *keyring) current(ctx context.Context) (any, error) {
	keys, err := k.all(ctx)
	if err != nil {
		return nil, err
	}
	return &keys[0].jwk, nil
}

// public is the key set that others check signatures with.
func (k *keyring) public(ctx context.Context) (jose.JSONWebKeySet, error) {
	keys, err := k.all(ctx)
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range keys {
		set.Keys = append(set.Keys, key.jwk.Public())
	}
	return set, err
}

// all reads the keys, making one where there is none or the newest is old, and dropping those that signed long ago.
func (k *keyring) all(ctx context.Context) ([]signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, life := k.s.Wall.Now(), time.Duration(k.s.Rules.KeyDays)*24*time.Hour
	if age := now.Sub(k.read); len(k.keys) > 0 && age >= 0 && age < time.Minute && now.Sub(k.keys[0].created) < life {
		return k.keys, nil
	}
	found, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || now.Sub(found[0].created) >= life {
		if err := k.make(ctx, now, life); err != nil {
			return nil, err
		}
		if found, err = k.load(ctx); err != nil {
			return nil, err
		}
	}
	if len(found) == 0 {
		return nil, errors.New("smart: no signing key")
	}
	k.keys, k.read = found, now
	return found, nil
}

func (k *keyring) load(ctx context.Context) (found []signingKey, err error) {
	err = k.s.Store.View(ctx, func(tx *store.Tx) error {
		found = nil
		return tx.Query(ctx, `SELECT kid, sealed, created FROM smart_key ORDER BY created DESC, kid`, nil, func(scan func(...any) error) error {
			var kid string
			var box []byte
			var created int64
			if err := scan(&kid, &box, &created); err != nil {
				return err
			}
			key := signingKey{created: moment(created)}
			plain, err := k.open(kid, box)
			if err == nil {
				err = json.Unmarshal(plain, &key.jwk)
			}
			if err != nil {
				return fmt.Errorf("smart: signing key %s: %w", kid, err)
			}
			found = append(found, key)
			return nil
		})
	})
	return found, err
}

func (k *keyring) make(ctx context.Context, now time.Time, life time.Duration) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("smart: signing key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: private, KeyID: secret("")[:16], Algorithm: "RS256", Use: "sig"}
	plain, err := json.Marshal(jwk)
	if err != nil {
		return fmt.Errorf("smart: signing key: %w", err)
	}
	return k.s.Store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "smart key"); err != nil {
			return err
		}
		young := false // another process may have been faster
		err := tx.Query(ctx, `SELECT kid FROM smart_key WHERE created > ?`, []any{micros(now.Add(-life))}, func(func(...any) error) error { young = true; return nil })
		if err != nil || young {
			return err
		}
		if _, err = tx.Exec(ctx, `DELETE FROM smart_key WHERE created < ?`, micros(now.Add(-life-life/2-shownAfter))); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `INSERT INTO smart_key (kid, sealed, created) VALUES (?, ?, ?)`, jwk.KeyID, k.seal(jwk.KeyID, plain), micros(now)); err != nil {
			return err
		}
		return k.s.note(ctx, tx, "C", "signing-key", "App/hub")
	})
}

func (k *keyring) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.s.Store.Secret("smart/key"))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func (k *keyring) seal(kid string, plain []byte) []byte {
	aead := k.aead()
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, []byte(kid))
}

func (k *keyring) open(kid string, box []byte) ([]byte, error) {
	aead := k.aead()
	if len(box) < aead.NonceSize() {
		return nil, errors.New("not sealed rightly")
	}
	return aead.Open(nil, box[:aead.NonceSize()], box[aead.NonceSize():], []byte(kid))
}
