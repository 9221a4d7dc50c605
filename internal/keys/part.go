package keys

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// MakePart begins a sealed file that grows by pieces.
func MakePart(path string, ring *Ring) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if k := ring.Now(); k != nil {
		var s *segments
		if s, err = newSegments(k); err == nil {
			k.times.Add(1)
			_, err = f.Write(s.head)
		}
	}
	return errors.Join(err, f.Close())
}

// ReadPart opens what has arrived.
func ReadPart(f *os.File, ring *Ring) (*Reader, error) { return newReader(f, ring, true) }

// Part is a file that grows by pieces: a piece that ends within a segment has that segment sealed again, under a
// new nonce, when the next one comes.
type Part struct {
	f    *os.File
	s    *segments
	n    int64 // full segments
	tail []byte
	size int64
}

// OpenPart goes on with a file. A last segment that was torn by a crash is dropped.
func OpenPart(f *os.File, ring *Ring) (*Part, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	head := make([]byte, headSize)
	k, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("keys: %w", err)
	}
	s, sealed, err := headOf(head[:k], ring)
	if err != nil {
		return nil, err
	}
	p := &Part{f: f, s: s, size: info.Size()}
	if !sealed {
		return p, nil
	}
	rest := (info.Size() - headSize) % sealedSize
	p.n = (info.Size() - headSize) / sealedSize
	p.tail = make([]byte, 0, segmentSize)
	if rest > 0 {
		box := make([]byte, rest)
		if _, err := f.ReadAt(box, headSize+p.n*sealedSize); err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		if plain, err := s.open(p.n, growing, box); err == nil {
			p.tail = append(p.tail, plain...)
		}
	}
	p.size = p.n*segmentSize + int64(len(p.tail))
	return p, nil
}

// Size of what has arrived.
func (p *Part) Size() int64 { return p.size }

// ReadFrom adds a piece; what came before an error stays.
func (p *Part) ReadFrom(r io.Reader) (n int64, err error) {
	if p.s == nil {
		if _, err := p.f.Seek(p.size, io.SeekStart); err != nil {
			return 0, fmt.Errorf("keys: %w", err)
		}
		n, err = io.Copy(struct{ io.Writer }{p.f}, r)
		p.size += n
		return n, err
	}
	for err == nil {
		var k int
		k, err = fill(r, p.tail[len(p.tail):segmentSize])
		p.tail = p.tail[:len(p.tail)+k]
		n += int64(k)
		p.size += int64(k)
		if len(p.tail) == 0 || k == 0 {
			continue
		}
		if err := p.write(); err != nil {
			return n, err
		}
		if len(p.tail) == segmentSize {
			p.n, p.tail = p.n+1, p.tail[:0]
		}
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// fill reads until p is full; unlike io.ReadFull it tells a broken line from the end.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

func (p *Part) write() error {
	if _, err := p.f.WriteAt(p.s.seal(p.n, growing, p.tail), headSize+p.n*sealedSize); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// Truncate forgets what came behind size.
func (p *Part) Truncate(size int64) error {
	if size >= p.size {
		return nil
	}
	if p.s == nil {
		p.size = size
		return p.f.Truncate(size)
	}
	n := size / segmentSize
	var tail []byte
	switch {
	case n == p.n:
		tail = p.tail[:size%segmentSize]
	case size%segmentSize > 0:
		box := make([]byte, sealedSize)
		if _, err := p.f.ReadAt(box, headSize+n*sealedSize); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		plain, err := p.s.open(n, growing, box)
		if err != nil {
			return err
		}
		tail = plain[:size%segmentSize]
	}
	p.n, p.tail, p.size = n, append(make([]byte, 0, segmentSize), tail...), size
	if err := p.f.Truncate(headSize + n*sealedSize); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if len(p.tail) == 0 {
		return nil
	}
	return p.write()
}
