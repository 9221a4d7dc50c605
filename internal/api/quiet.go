package api

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
)

// Quiet spares the trail an entry each time that an open page asks again by itself and is shown, byte for byte, what
// the same session was shown within the hour: the first entry says it. It trusts its own memory of what it has shown,
// not the header by which the page says so.
type Quiet struct {
	Next http.Handler
	Log  audit.Log
	Now  func() time.Time // nil = the machine's

	mu    sync.Mutex
	shown map[[32]byte]time.Time
}

const (
	quietFor   = time.Hour
	mostShown  = 20_000
	mostQuiet  = 2 << 20 // bytes of an answer that are looked at; longer ones are recorded each time
	background = "X-Background"
)

func (q *Quiet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := access.From(r.Context())
	if r.Method != http.MethodGet || r.Header.Get(background) == "" || c == nil || c.Session == "" || !quietPath(r.URL.Path) {
		q.Next.ServeHTTP(w, r)
		return
	}
	ctx, held := audit.Hold(r.Context())
	kept := &keptAnswer{ResponseWriter: w, record: func() error { return held.Record(ctx, q.Log) }}
	q.Next.ServeHTTP(kept, r.WithContext(ctx))
	if kept.passed {
		return
	}
	sum := sha256.New()
	for _, part := range []string{c.Session, string(c.Role), c.Org, c.Purpose, r.URL.Path, r.URL.RawQuery} {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	sum.Write(kept.body.Bytes())
	if kept.status != http.StatusOK || !held.Plain() || !q.known([32]byte(sum.Sum(nil))) {
		// the answer waits for its entry, and is not given without it
		if err := held.Record(r.Context(), q.Log); err != nil {
			w.Header().Del("Content-Length")
			Refuse(w, r, err)
			return
		}
		if kept.status == http.StatusOK {
			q.remember([32]byte(sum.Sum(nil)))
		}
	}
	w.WriteHeader(kept.status)
	w.Write(kept.body.Bytes())
}

// quietPath names what an open page asks for again by itself.
func quietPath(path string) bool {
	return path == "/api/work" || strings.HasPrefix(path, "/api/lines/") || strings.HasPrefix(path, "/api/patients/")
}

func (q *Quiet) now() time.Time {
	if q.Now != nil {
		return q.Now()
	}
	return time.Now()
}

func (q *Quiet) known(sum [32]byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at, ok := q.shown[sum]
	return ok && q.now().Sub(at) < quietFor
}

func (q *Quiet) remember(sum [32]byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shown == nil || len(q.shown) >= mostShown {
		q.shown = map[[32]byte]time.Time{}
	}
	q.shown[sum] = q.now()
}

// keptAnswer keeps an answer back until its entry stands; one that grows too long is recorded and passed on.
type keptAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	record func() error
	passed bool
	failed error
}

func (k *keptAnswer) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *keptAnswer) Write(b []byte) (int, error) {
	if k.status == 0 {
		k.status = http.StatusOK
	}
	if k.failed != nil {
		return 0, k.failed
	}
	if k.passed {
		return k.ResponseWriter.Write(b)
	}
	if k.body.Len()+len(b) <= mostQuiet {
		return k.body.Write(b)
	}
	k.passed = true
	if k.failed = k.record(); k.failed != nil {
		k.Header().Del("Content-Length")
		k.ResponseWriter.WriteHeader(http.StatusInternalServerError)
		return 0, k.failed
	}
	k.ResponseWriter.WriteHeader(k.status)
	if _, err := k.ResponseWriter.Write(k.body.Bytes()); err != nil {
		return 0, err
	}
	return k.ResponseWriter.Write(b)
}
