// Package keys seals bytes under data keys that a master key wraps.
package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// Algorithm of a data key.
type Algorithm string

// Both are authenticated; the second is the suite of GB/T 32907 with the hash of GB/T 32905.
const (
	AES Algorithm = "aes-256-gcm"
	SM4 Algorithm = "sm4-gcm"
)

// Of names an algorithm as people write it: aes or sm4.
func Of(text string) (Algorithm, error) {
	switch text {
	case "aes", string(AES):
		return AES, nil
	case "sm4", string(SM4):
		return SM4, nil
	}
	return "", fmt.Errorf("keys: %q is neither aes nor sm4", text)
}

// Size of a key in bytes.
func (a Algorithm) Size() int {
	if a == SM4 {
		return sm4.BlockSize
	}
	return 32
}

// Hash of the same suite: SM3 beside SM4, SHA-256 beside AES.
func (a Algorithm) Hash() func() hash.Hash {
	if a == SM4 {
		return sm3.New
	}
	return sha256.New
}

// AEAD of a key; nonces have 12 bytes, tags 16.
func (a Algorithm) AEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != a.Size() {
		return nil, fmt.Errorf("keys: a key of %s has %d bytes, not %d", a, a.Size(), len(key))
	}
	var block cipher.Block
	var err error
	switch a {
	case AES:
		block, err = aes.NewCipher(key)
	case SM4:
		block, err = sm4.NewCipher(key)
	default:
		return nil, fmt.Errorf("keys: unknown algorithm %q", string(a))
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return cipher.NewGCM(block)
}

// Random bytes of the system's generator.
func Random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// Derive makes a key for one purpose out of another key (HKDF, RFC 5869).
func Derive(h func() hash.Hash, secret, salt []byte, purpose string, size int) []byte {
	key, err := hkdf.Key(h, secret, salt, purpose, size)
	if err != nil {
		panic(err) // only for sizes that nobody asks for
	}
	return key
}

const (
	nonceSize = 12
	tagSize   = 16
)

// ErrUnknown: sealed under a key that is not on the ring.
var ErrUnknown = errors.New("keys: sealed under a key that is not here")

// Key is one data key.
type Key struct {
	ID        int64
	Algorithm Algorithm
	secret    []byte
	aead      cipher.AEAD
	bytes     atomic.Int64 // sealed since Spent was last asked
	times     atomic.Int64
}

// NewKey takes an unwrapped data key.
func NewKey(id int64, a Algorithm, secret []byte) (*Key, error) {
	aead, err := a.AEAD(secret)
	if err != nil {
		return nil, err
	}
	return &Key{ID: id, Algorithm: a, secret: secret, aead: aead}, nil
}

// Seal hides plain; about is bound to it and must be the same at Open. Nonces are random, which is safe for the
// number of times that the owner of the ring allows.
func (k *Key) Seal(plain, about []byte) []byte {
	k.bytes.Add(int64(len(plain)))
	k.times.Add(1)
	box := make([]byte, nonceSize, nonceSize+len(plain)+tagSize)
	rand.Read(box)
	return k.aead.Seal(box, box, plain, about)
}

// Open undoes Seal.
func (k *Key) Open(box, about []byte) ([]byte, error) {
	if len(box) < nonceSize+tagSize {
		return nil, errors.New("keys: what was sealed is too short")
	}
	plain, err := k.aead.Open(nil, box[:nonceSize], box[nonceSize:], about)
	if err != nil {
		return nil, fmt.Errorf("keys: what was sealed has been changed, or stands in another place: %w", err)
	}
	return plain, nil
}

// Spent gives what was sealed since it was last asked.
func (k *Key) Spent() (bytes, times int64) { return k.bytes.Swap(0), k.times.Swap(0) }

// Unspent gives a count back that could not be noted.
func (k *Key) Unspent(bytes, times int64) { k.bytes.Add(bytes); k.times.Add(times) }

// Ring holds the data keys of one hub: one seals, all open. Safe for many goroutines.
type Ring struct {
	now atomic.Pointer[Key]
	mu  sync.RWMutex
	all map[int64]*Key
}

// Add puts a key on the ring.
func (r *Ring) Add(k *Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[int64]*Key{}
	}
	if r.all[k.ID] == nil {
		r.all[k.ID] = k
	}
}

// Use has new things sealed under a key of the ring.
func (r *Ring) Use(id int64) {
	if k := r.Key(id); k != nil {
		r.now.Store(k)
	}
}

// Now is the key that seals; nil = nothing is sealed.
func (r *Ring) Now() *Key {
	if r == nil {
		return nil
	}
	return r.now.Load()
}

// Key of a number; nil = not on this ring.
func (r *Ring) Key(id int64) *Key {
	if r == nil {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all[id]
}

// Each visits all keys.
func (r *Ring) Each(visit func(*Key)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, k := range r.all {
		visit(k)
	}
}

// mark begins what Seal makes: no text and no JSON begins so.
const mark = "\x00XS1"

// Seal makes a box that names its key; without a key it gives plain back.
func (r *Ring) Seal(plain []byte, about string) []byte {
	k := r.Now()
	if k == nil {
		return plain
	}
	box := binary.BigEndian.AppendUint64([]byte(mark), uint64(k.ID))
	return append(box, k.Seal(plain, []byte(about))...)
}

// Sealed tells whether Seal made it, and under which key.
func Sealed(box []byte) (key int64, ok bool) {
	if len(box) < len(mark)+8 || string(box[:len(mark)]) != mark {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(box[len(mark):])), true
}

// Open undoes Seal; what was never sealed comes back as it is.
func (r *Ring) Open(box []byte, about string) ([]byte, error) {
	id, ok := Sealed(box)
	if !ok {
		return box, nil
	}
	k := r.Key(id)
	if k == nil {
		return nil, ErrUnknown
	}
	return k.Open(box[len(mark)+8:], []byte(about))
}
