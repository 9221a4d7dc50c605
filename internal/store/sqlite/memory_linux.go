//go:build linux && (amd64 || arm64)

package sqlite

import (
	"encoding/binary"
	"sync"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// The library's allocator rounds up to powers of two, so that a page of 4096 bytes with its header takes
// 8192, and it asks the kernel anew for every block of middle size, which a B-tree needs whenever it
// balances. Blocks of such sizes come from here: classes near to each other, freed ones used again.
const (
	reserved  = 4 << 30 // address space, not memory
	chunk     = 256 << 10
	smallest  = 2 << 10 // smaller blocks stay with the library
	finest    = 8 << 10 // up to here a class every 128 bytes, above every 4096
	largest   = 64 << 10
	classFine = 128
	classWide = 4096
	fine      = finest / classFine
	classes   = fine + (largest-finest)/classWide
)

var blocks struct {
	sync.Mutex
	mem   []byte
	base  uintptr
	used  int // of mem, in whole chunks
	class [reserved / chunk]uint8
	free  [classes]int // first free block, chained through their first words; 0 = none
	next  [classes]int // untouched rest of the class's newest chunk
	limit [classes]int
}

// The library's own functions.
var (
	ownMalloc  func(*libc.TLS, int32) uintptr
	ownFree    func(*libc.TLS, uintptr)
	ownRealloc func(*libc.TLS, uintptr, int32) uintptr
	ownSize    func(*libc.TLS, uintptr) int32
)

func init() {
	mem, err := syscall.Mmap(-1, 0, reserved, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return // the library's allocator will do
	}
	tls := libc.NewTLS()
	defer tls.Close()
	at := libc.Xmalloc(tls, uint64(unsafe.Sizeof(lib.Tsqlite3_mem_methods{}))) // where the library may do arithmetic on it
	defer libc.Xfree(tls, at)
	m := *(**lib.Tsqlite3_mem_methods)(unsafe.Pointer(&at))
	configure := func(op int32, arg any) bool {
		list := libc.NewVaList(arg)
		defer libc.Xfree(tls, list)
		return lib.Xsqlite3_config(tls, op, list) == lib.SQLITE_OK
	}
	if !configure(lib.SQLITE_CONFIG_GETMALLOC, at) {
		return
	}
	blocks.mem, blocks.base = mem, uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	blocks.used = chunk // no block begins at 0
	ownMalloc, ownFree = goFunc[func(*libc.TLS, int32) uintptr](m.FxMalloc), goFunc[func(*libc.TLS, uintptr)](m.FxFree)
	ownRealloc, ownSize = goFunc[func(*libc.TLS, uintptr, int32) uintptr](m.FxRealloc), goFunc[func(*libc.TLS, uintptr) int32](m.FxSize)
	m.FxMalloc, m.FxFree, m.FxRealloc, m.FxSize = cFunc(malloc), cFunc(free), cFunc(realloc), cFunc(size)
	configure(lib.SQLITE_CONFIG_MALLOC, at)
	configure(lib.SQLITE_CONFIG_MEMSTATUS, int32(0)) // statistics would cost one lock for all connections
}

// cFunc and goFunc turn a declared function into what the library calls a pointer to it, and back.
func cFunc[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) }

func goFunc[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

func classOf(n int) int {
	if n <= finest {
		return (n - 1) / classFine
	}
	return fine + (n-finest-1)/classWide
}

func sizeOf(class int) int {
	if class < fine {
		return (class + 1) * classFine
	}
	return finest + (class-fine+1)*classWide
}

func ours(p uintptr) (at int, ok bool) {
	d := p - blocks.base
	return int(d), d < reserved
}

func malloc(tls *libc.TLS, n int32) uintptr {
	if n <= smallest || n > largest {
		return ownMalloc(tls, n)
	}
	b, class := &blocks, classOf(int(n))
	b.Lock()
	defer b.Unlock()
	if at := b.free[class]; at != 0 {
		b.free[class] = int(binary.NativeEndian.Uint64(b.mem[at:]))
		return b.base + uintptr(at)
	}
	if b.next[class]+sizeOf(class) > b.limit[class] {
		if b.used+chunk > reserved {
			return ownMalloc(tls, n)
		}
		b.class[b.used/chunk] = uint8(class)
		b.next[class], b.limit[class] = b.used, b.used+chunk
		b.used += chunk
	}
	at := b.next[class]
	b.next[class] += sizeOf(class)
	return b.base + uintptr(at)
}

func free(tls *libc.TLS, p uintptr) {
	at, ok := ours(p)
	if !ok {
		ownFree(tls, p)
		return
	}
	b := &blocks
	b.Lock()
	defer b.Unlock()
	class := b.class[at/chunk]
	binary.NativeEndian.PutUint64(b.mem[at:], uint64(b.free[class]))
	b.free[class] = at
}

func size(tls *libc.TLS, p uintptr) int32 {
	at, ok := ours(p)
	if !ok {
		return ownSize(tls, p)
	}
	return int32(sizeOf(int(blocks.class[at/chunk]))) // written before the block was given out
}

func realloc(tls *libc.TLS, p uintptr, n int32) uintptr {
	at, ok := ours(p)
	if !ok && (n <= smallest || n > largest) {
		return ownRealloc(tls, p, n)
	}
	had := size(tls, p)
	if ok && n <= had && classOf(int(n)) == classOf(int(had)) {
		return p
	}
	to := malloc(tls, n)
	if to == 0 {
		return 0
	}
	_ = at
	libc.Xmemcpy(tls, to, p, uint64(min(had, n)))
	free(tls, p)
	return to
}
