package empi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/store"
)

// keyed seals records and hashes what brings them together.
type keyed struct {
	store *store.Store
	own   *keys.Key // of a database without data keys, made of the hub's key
	macs  sync.Pool
}

func newKeyed(s *store.Store) (*keyed, error) {
	own, err := keys.NewKey(0, keys.AES, s.Secret("empi/record"))
	if err != nil {
		return nil, fmt.Errorf("empi: %w", err)
	}
	secret := s.Secret("empi/key")
	return &keyed{store: s, own: own, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}, nil
}

// hashes are the keys of a record as they are kept: nobody without the hub's key can try names or numbers on them.
func (k *keyed) hashes(r *match.Ready) []int64 {
	h := k.macs.Get().(hash.Hash)
	defer k.macs.Put(h)
	plain := r.Keys()
	hashed := make([]int64, 0, len(plain))
	for _, key := range plain {
		var b [9]byte
		b[0] = byte(key.Kind)
		binary.BigEndian.PutUint64(b[1:], key.Hash)
		h.Reset()
		h.Write(b[:])
		var sum [sha256.Size]byte
		hashed = append(hashed, int64(binary.BigEndian.Uint64(h.Sum(sum[:0]))))
	}
	slices.Sort(hashed)
	return slices.Compact(hashed)
}

func packKeys(list []int64) []byte {
	b := make([]byte, 0, 8*len(list))
	for _, k := range list {
		b = binary.BigEndian.AppendUint64(b, uint64(k))
	}
	return b
}

func unpackKeys(b []byte) []int64 {
	list := make([]int64, 0, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		list = append(list, int64(binary.BigEndian.Uint64(b)))
	}
	return list
}

// What a kept record begins with.
const (
	sealedHere = 1 // under the hub's key
	sealedRing = 2 // under a data key
)

func (k *keyed) seal(r *match.Record) []byte {
	plain := encode(r)
	if k.store.Ring().Now() != nil {
		return append([]byte{sealedRing}, k.store.Ring().Seal(plain, "empi/"+r.ID)...)
	}
	return append([]byte{sealedHere}, k.own.Seal(plain, []byte("empi/"+r.ID))...)
}

var errBroken = errors.New("empi: a kept record cannot be read")

func (k *keyed) open(ctx context.Context, tx *store.Tx, box []byte, patient, org string) (*match.Record, error) {
	if len(box) == 0 {
		return nil, errBroken
	}
	var plain []byte
	var err error
	switch box[0] {
	case sealedHere:
		plain, err = k.own.Open(box[1:], []byte("empi/"+patient))
	case sealedRing:
		plain, err = tx.OpenBox(ctx, box[1:], "empi/"+patient)
	default:
		return nil, errBroken
	}
	if err != nil {
		return nil, fmt.Errorf("empi: %s: %w", patient, err)
	}
	r, err := decode(plain)
	if err != nil {
		return nil, fmt.Errorf("empi: %s: %w", patient, err)
	}
	r.ID, r.Org = patient, org
	return r, nil
}

// coding is the form in which a record is kept; another one follows with another number.
const coding = 1

func encode(r *match.Record) []byte {
	b := make([]byte, 0, 256)
	b = append(b, coding)
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	count := func(n int) { b = binary.AppendUvarint(b, uint64(n)) }
	flag := func(f bool) {
		if f {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	count(len(r.Names))
	for _, n := range r.Names {
		text(n.Text)
		text(n.Family)
		text(n.Given)
	}
	text(r.Sex)
	text(r.Birth)
	count(len(r.Numbers))
	for _, n := range r.Numbers {
		text(n.System)
		text(n.Value)
		flag(n.Verified)
	}
	count(len(r.Phones))
	for _, p := range r.Phones {
		text(p)
	}
	count(len(r.Address))
	for _, a := range r.Address {
		text(a.Text)
		text(a.Place)
		text(a.Area)
		text(a.City)
		text(a.PostalCode)
	}
	text(r.Mother)
	count(max(0, r.Order))
	flag(r.Unknown)
	count(len(r.Apart))
	for _, a := range r.Apart {
		text(a)
	}
	return b
}

func decode(b []byte) (*match.Record, error) {
	if len(b) == 0 || b[0] != coding {
		return nil, errBroken
	}
	b = b[1:]
	ok := true
	count := func() int {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > 1<<20 {
			ok, b = false, nil
			return 0
		}
		b = b[size:]
		return int(n)
	}
	text := func() string {
		n := count()
		if n > len(b) {
			ok, b = false, nil
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	flag := func() bool { return count() == 1 }
	many := func() int { // of what takes at least a byte each
		n := count()
		if n > len(b) {
			ok, b = false, nil
			return 0
		}
		return n
	}
	r := &match.Record{}
	for range many() {
		r.Names = append(r.Names, match.Name{Text: text(), Family: text(), Given: text()})
	}
	r.Sex, r.Birth = text(), text()
	for range many() {
		r.Numbers = append(r.Numbers, match.Number{System: text(), Value: text(), Verified: flag()})
	}
	for range many() {
		r.Phones = append(r.Phones, text())
	}
	for range many() {
		r.Address = append(r.Address, match.Address{Text: text(), Place: text(), Area: text(), City: text(), PostalCode: text()})
	}
	r.Mother, r.Order, r.Unknown = text(), count(), flag()
	for range many() {
		r.Apart = append(r.Apart, text())
	}
	if !ok {
		return nil, errBroken
	}
	return r, nil
}
