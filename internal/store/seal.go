package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// sealer hides the values of sealed parameters: equal values are found, nothing can be read back without the key.
type sealer struct{ pool *sync.Pool }

const macSize = 12

func newSealer(key []byte) sealer {
	key = append([]byte(nil), key...)
	return sealer{&sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (s sealer) mac(family, value string) []byte {
	h := s.pool.Get().(hash.Hash)
	defer s.pool.Put(h)
	h.Reset()
	h.Write([]byte(family))
	h.Write([]byte{0})
	h.Write([]byte(value))
	return h.Sum(make([]byte, 0, 32))[:macSize:macSize]
}
