package store

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/keys"
)

// Codecs of version.codec. A released codec or dictionary never changes; new ones get new numbers.
const (
	codecPlain = 0
	codecZstd  = 1
)

//go:embed dict/1.dict
var dict1 []byte

// The dictionary that new bodies are packed with.
const dictNow = 1

var (
	packer   *zstd.Encoder
	unpacker *zstd.Decoder
)

func init() {
	var err error
	if packer, err = zstd.NewWriter(nil, zstd.WithEncoderDict(dict1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(128<<10), zstd.WithLowerEncoderMem(true)); err != nil {
		panic(err)
	}
	if unpacker, err = zstd.NewReader(nil, zstd.WithDecoderDicts(dict1), zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(256<<20)); err != nil {
		panic(err)
	}
}

// seal hides a packed body under the data key of now; 0 = nothing is sealed here. rid and vid are bound to it, so that
// bodies cannot be swapped.
func (s *Store) sealBody(packed []byte, rid, vid int64) ([]byte, int64) {
	k := s.ring.Now()
	if k == nil || packed == nil {
		return packed, 0
	}
	return k.Seal(packed, place(rid, vid)), k.ID
}

func place(rid, vid int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(rid)), uint64(vid))
}

// openBody undoes sealBody and packing.
func (tx *Tx) openBody(ctx context.Context, body []byte, codec int, key, rid, vid int64) ([]byte, error) {
	if key != 0 {
		k := tx.s.ring.Key(key)
		if k == nil { // made by another program a moment ago
			if err := tx.s.takeKeys(ctx, tx); err != nil {
				return nil, err
			}
			if k = tx.s.ring.Key(key); k == nil {
				return nil, fmt.Errorf("this body is sealed under key %d: %w", key, keys.ErrUnknown)
			}
		}
		var err error
		if body, err = k.Open(body, place(rid, vid)); err != nil {
			return nil, err
		}
	}
	switch codec {
	case codecPlain:
		return body, nil
	case codecZstd:
		return unpacker.DecodeAll(body, nil)
	}
	return nil, fmt.Errorf("unknown codec %d", codec)
}

// pack compresses unless that makes it longer.
func pack(plain []byte) (packed []byte, codec, dict int) {
	packed = packer.EncodeAll(plain, make([]byte, 0, len(plain)/3))
	if len(packed) < len(plain) {
		return packed, codecZstd, dictNow
	}
	return plain, codecPlain, 0
}

// strip writes a resource without what the store gives itself: resourceType, id, meta.versionId and
// meta.lastUpdated. What is left of meta stands before a newline, everything else behind it, both
// as members without braces; compact JSON holds no raw newline.
func strip(n *fhir.Node) []byte {
	b := make([]byte, 0, 1024)
	member := func(first *bool, m *fhir.Member) {
		if !*first {
			b = append(b, ',')
		}
		*first = false
		b, _ = jsontext.AppendQuote(b, m.Name)
		b = append(b, ':')
		b = m.Value.Append(b)
	}
	first := true
	if meta := n.Child("meta"); meta != nil {
		for i := range meta.Members {
			if m := &meta.Members[i]; m.Name != "versionId" && m.Name != "lastUpdated" {
				member(&first, m)
			}
		}
	}
	b = append(b, '\n')
	first = true
	for i := range n.Members {
		if m := &n.Members[i]; m.Name != "resourceType" && m.Name != "id" && m.Name != "meta" {
			member(&first, m)
		}
	}
	return b
}

// splice undoes strip with the values of one version.
func splice(plain []byte, typ, id string, vid int64, updated time.Time) []byte {
	cut := 0
	for cut < len(plain) && plain[cut] != '\n' {
		cut++
	}
	b := make([]byte, 0, len(plain)+len(typ)+len(id)+120)
	b = append(b, `{"resourceType":"`...)
	b = append(b, typ...)
	b = append(b, `","id":"`...)
	b = append(b, id...)
	b = append(b, `","meta":{"versionId":"`...)
	b = fmt.Appendf(b, "%d", vid)
	b = append(b, `","lastUpdated":"`...)
	b = updated.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, '"')
	if cut > 0 {
		b = append(b, ',')
		b = append(b, plain[:cut]...)
	}
	b = append(b, '}')
	if cut+1 < len(plain) {
		b = append(b, ',')
		b = append(b, plain[cut+1:]...)
	}
	return append(b, '}')
}
