package keys

import (
	"fmt"
	"testing"
)

func BenchmarkBody(b *testing.B) {
	for _, a := range []Algorithm{AES, SM4} {
		for _, size := range []int{300, 1 << 10, 16 << 10} { // a packed body has about 300 bytes
			k, err := NewKey(1, a, Random(a.Size()))
			if err != nil {
				b.Fatal(err)
			}
			plain, about := Random(size), Random(16)
			box := k.Seal(plain, about)
			b.Run(fmt.Sprintf("seal/%s/%d", a, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					k.Seal(plain, about)
				}
			})
			b.Run(fmt.Sprintf("open/%s/%d", a, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					k.Open(box, about)
				}
			})
		}
	}
}
