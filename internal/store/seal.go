package store

import (
	"crypto/hmac"
	"hash"
	"sync"

	"github.com/xinglin-health/xinglin/internal/keys"
)

// sealer hides the values of sealed parameters: equal values of one parameter are found, nothing can be read back without the key.
type sealer struct {
	key   []byte
	suite keys.Algorithm // "" = made before each parameter had a key of its own
	pools *sync.Map      // family → *sync.Pool of hash.Hash
}

const macSize = 12

func newSealer(key []byte, suite keys.Algorithm) sealer {
	return sealer{append([]byte(nil), key...), suite, &sync.Map{}}
}

func (s sealer) pool(family string) *sync.Pool {
	name := family
	if s.suite == "" {
		name = ""
	}
	if p, ok := s.pools.Load(name); ok {
		return p.(*sync.Pool)
	}
	h, key := s.suite.Hash(), s.key
	if s.suite != "" {
		key = keys.Derive(h, s.key, nil, "xinglin/index/"+family, 32)
	}
	p, _ := s.pools.LoadOrStore(name, &sync.Pool{New: func() any { return hmac.New(h, key) }})
	return p.(*sync.Pool)
}

func (s sealer) mac(family, value string) []byte {
	pool := s.pool(family)
	h := pool.Get().(hash.Hash)
	defer pool.Put(h)
	h.Reset()
	h.Write([]byte(family))
	h.Write([]byte{0})
	h.Write([]byte(value))
	return h.Sum(make([]byte, 0, 32))[:macSize:macSize]
}
