//go:build linux && (amd64 || arm64)

package sqlite

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"

	"modernc.org/libc"
)

// Blocks of any size keep what was written into them, wherever they come from, also through realloc.
func TestBlocksKeepTheirBytes(t *testing.T) {
	tls := libc.NewTLS()
	defer tls.Close()
	bytesOf := func(p uintptr, n int) []byte { return unsafe.Slice(*(**byte)(unsafe.Pointer(&p)), n) }
	type block struct {
		p    uintptr
		n    int
		mark byte
	}
	var held []block
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		switch k := r.IntN(10); {
		case k < 5 || len(held) == 0:
			n := 1 + r.IntN(largest+10_000)
			b := block{malloc(tls, int32(n)), n, byte(i)}
			if got := int(size(tls, b.p)); got < n {
				t.Fatalf("malloc(%d): got size %d; want at least as much", n, got)
			}
			copy(bytesOf(b.p, n), bytes.Repeat([]byte{b.mark}, n))
			held = append(held, b)
		case k < 7:
			j := r.IntN(len(held))
			b := &held[j]
			n := 1 + r.IntN(largest+10_000)
			b.p = realloc(tls, b.p, int32(n))
			if kept := bytesOf(b.p, min(n, b.n)); bytes.Count(kept, []byte{b.mark}) != len(kept) {
				t.Fatalf("realloc from %d to %d lost bytes", b.n, n)
			}
			b.n = n
			copy(bytesOf(b.p, n), bytes.Repeat([]byte{b.mark}, n))
		default:
			j := r.IntN(len(held))
			b := held[j]
			if all := bytesOf(b.p, b.n); bytes.Count(all, []byte{b.mark}) != b.n {
				t.Fatalf("a block of %d bytes was written by another", b.n)
			}
			free(tls, b.p)
			held[j] = held[len(held)-1]
			held = held[:len(held)-1]
		}
	}
}

func TestClassesHoldTheirSizes(t *testing.T) {
	for n := smallest + 1; n <= largest; n++ {
		if c := classOf(n); c >= classes || sizeOf(c) < n || c > 0 && sizeOf(c-1) >= n && classOf(n-1) == c {
			t.Fatalf("size %d: got class %d of %d; want the smallest that holds it", n, c, sizeOf(c))
		}
	}
}
