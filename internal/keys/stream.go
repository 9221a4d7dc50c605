package keys

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed stream is a head (mark, number of the data key, salt) and segments of one size, of which only the last is
// shorter. Each stream has a key of its own, derived from the data key and the salt. A segment is nonce, ciphertext and
// tag; its number and whether it is the last are bound to it, so that none can be left out, moved or cut off.
const (
	streamMark  = "XLF1"
	headSize    = 32
	saltSize    = headSize - len(streamMark) - 8
	segmentSize = 64 << 10
	sealedSize  = nonceSize + segmentSize + tagSize
)

// What a segment is, beside its number.
const (
	middle   = 0
	last     = 1
	growing  = 2 // of a part that is still being received: its end is proved by the hash of the whole
	minSized = nonceSize + tagSize
)

type segments struct {
	head []byte
	aead cipher.AEAD
	key  *Key
	box  []byte
}

func newSegments(k *Key) (*segments, error) {
	head := binary.BigEndian.AppendUint64([]byte(streamMark), uint64(k.ID))
	return segmentsOf(k, append(head, Random(saltSize)...))
}

func segmentsOf(k *Key, head []byte) (*segments, error) {
	aead, err := k.Algorithm.AEAD(Derive(k.Algorithm.Hash(), k.secret, head[headSize-saltSize:], "xinglin/stream", k.Algorithm.Size()))
	return &segments{head: head, aead: aead, key: k}, err
}

// headOf reads the head of a stream; ok is false when it is not sealed.
func headOf(head []byte, ring *Ring) (s *segments, ok bool, err error) {
	if len(head) < headSize || string(head[:len(streamMark)]) != streamMark {
		return nil, false, nil
	}
	k := ring.Key(int64(binary.BigEndian.Uint64(head[len(streamMark):])))
	if k == nil {
		return nil, true, ErrUnknown
	}
	s, err = segmentsOf(k, append([]byte(nil), head[:headSize]...))
	return s, true, err
}

func place(n int64, what byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 9), uint64(n)), what)
}

// seal gives a box that is good until the next call.
func (s *segments) seal(n int64, what byte, plain []byte) []byte {
	s.key.bytes.Add(int64(len(plain)))
	if s.box == nil {
		s.box = make([]byte, 0, sealedSize)
	}
	nonce := s.box[:nonceSize]
	rand.Read(nonce)
	return s.aead.Seal(nonce, nonce, plain, place(n, what))
}

func (s *segments) open(n int64, what byte, box []byte) ([]byte, error) {
	if len(box) < minSized {
		return nil, errors.New("keys: the sealed file is cut off")
	}
	plain, err := s.aead.Open(box[nonceSize:nonceSize], box[:nonceSize], box[nonceSize:], place(n, what))
	if err != nil {
		return nil, fmt.Errorf("keys: segment %d of the sealed file has been changed: %w", n, err)
	}
	return plain, nil
}

// lengthOf what was sealed, from the length of the stream, and how many full segments there are.
func lengthOf(size int64) (plain, full int64, err error) {
	size -= headSize
	full = size / sealedSize
	switch rest := size % sealedSize; {
	case size < 0, rest > 0 && rest < minSized, rest == minSized && full > 0: // only a stream of nothing ends with an empty segment
		return 0, 0, errors.New("keys: the sealed file is cut off")
	case rest > 0:
		return full*segmentSize + rest - minSized, full, nil
	}
	return full * segmentSize, full, nil
}

// Writer seals what is written to it; Close ends the stream and leaves w open.
type Writer struct {
	w     io.Writer
	s     *segments
	n     int64
	plain []byte
	err   error
}

// NewWriter seals under the ring's key of now; without one it passes on what is written.
func NewWriter(w io.Writer, ring *Ring) (*Writer, error) {
	k := ring.Now()
	if k == nil {
		return &Writer{w: w}, nil
	}
	s, err := newSegments(k)
	if err != nil {
		return nil, err
	}
	k.times.Add(1)
	_, err = w.Write(s.head)
	return &Writer{w: w, s: s, plain: make([]byte, 0, segmentSize)}, err
}

func (w *Writer) Write(p []byte) (n int, err error) {
	if w.s == nil {
		return w.w.Write(p)
	}
	for n = 0; n < len(p) && w.err == nil; {
		if len(w.plain) == segmentSize { // there is more, so this is not the last
			w.flush(middle)
			continue
		}
		k := min(segmentSize-len(w.plain), len(p)-n)
		w.plain = append(w.plain, p[n:n+k]...)
		n += k
	}
	return n, w.err
}

func (w *Writer) flush(what byte) {
	_, w.err = w.w.Write(w.s.seal(w.n, what, w.plain))
	w.n++
	w.plain = w.plain[:0]
}

// Close writes the last segment.
func (w *Writer) Close() error {
	if w.s != nil && w.err == nil {
		w.flush(last)
	}
	return w.err
}

// Reader gives back what a Writer sealed, from any place in it.
type Reader struct {
	r      io.ReadSeeker
	s      *segments
	part   bool
	size   int64
	at     int64 // of the next byte
	under  int64 // where r stands
	whole  int64 // length of the stream
	have   int64 // number of the segment in plain; -1 = none
	plain  []byte
	sealed []byte
}

// NewReader opens a stream; what was never sealed is given as it is.
func NewReader(r io.ReadSeeker, ring *Ring) (*Reader, error) { return newReader(r, ring, false) }

func newReader(r io.ReadSeeker, ring *Ring, part bool) (*Reader, error) {
	whole, err := r.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("keys: %w", err)
	}
	s, sealed, err := headOf(head[:n], ring)
	if err != nil {
		return nil, err
	}
	x := &Reader{r: r, s: s, part: part, size: whole, whole: whole, have: -1, under: int64(n)}
	if sealed {
		if x.size, _, err = lengthOf(whole); err != nil {
			return nil, err
		}
		if !part && whole == headSize {
			return nil, errors.New("keys: the sealed file is cut off")
		}
	}
	return x, nil
}

// Size of what was sealed.
func (x *Reader) Size() int64 { return x.size }

// Key is the number of the data key; 0 = not sealed.
func (x *Reader) Key() int64 {
	if x.s == nil {
		return 0
	}
	return x.s.key.ID
}

// Seek is io.Seeker.
func (x *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += x.at
	case io.SeekEnd:
		offset += x.size
	}
	if offset < 0 {
		return 0, errors.New("keys: before the beginning")
	}
	x.at = offset
	return offset, nil
}

func (x *Reader) Read(p []byte) (int, error) {
	if x.s == nil {
		if err := x.stand(x.at); err != nil {
			return 0, err
		}
		n, err := x.r.Read(p)
		x.at += int64(n)
		x.under = x.at
		return n, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if x.at >= x.size && (x.have >= 0 || x.size > 0) {
		return 0, io.EOF
	}
	if err := x.load(x.at / segmentSize); err != nil {
		return 0, err
	}
	n := copy(p, x.plain[min(int64(len(x.plain)), x.at-x.have*segmentSize):])
	x.at += int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (x *Reader) stand(at int64) error {
	if x.under == at {
		return nil
	}
	x.under = -1
	if _, err := x.r.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	x.under = at
	return nil
}

// load opens segment n.
func (x *Reader) load(n int64) error {
	if n == x.have {
		return nil
	}
	begin := headSize + n*sealedSize
	end := min(begin+sealedSize, x.whole)
	if err := x.stand(begin); err != nil {
		return err
	}
	if x.sealed == nil {
		x.sealed = make([]byte, sealedSize)
	}
	x.have = -1
	box := x.sealed[:end-begin]
	if _, err := io.ReadFull(x.r, box); err != nil {
		x.under = -1
		return fmt.Errorf("keys: %w", err)
	}
	x.under = end
	what := byte(middle)
	switch {
	case x.part:
		what = growing
	case end == x.whole:
		what = last
	}
	plain, err := x.s.open(n, what, box)
	if err != nil {
		return err
	}
	x.have, x.plain = n, plain
	return nil
}
