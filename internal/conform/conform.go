// Package conform checks resources against the profiles that this hub keeps as StructureDefinitions.
package conform

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bounds.
const (
	fresh    = 10 * time.Second // Fresh, where it is not given
	patience = 10 * time.Second // of one check
	versions = 100              // of one canonical that are looked at
)

// Terms knows value sets; known is false for one that is not here.
type Terms interface {
	Has(ctx context.Context, valueset, system, code string) (has, known bool, err error)
}

// Room keeps compiled profiles.
type Room struct {
	Store *store.Store
	Terms Terms         // nil = only the sets that R4 itself requires
	Clock clock.Clock   // nil = the machine's
	Fresh time.Duration // how long definitions are believed before the log is asked whether another process wrote some; 0 = 10 s

	library atomic.Pointer[profile.Library]
	absent  atomic.Pointer[sync.Map] // value sets that were asked for and are not here
	mu      sync.Mutex
	asked   time.Time // when the log was asked last
	seq     int64     // of the newest StructureDefinition then
}

// Derive forgets the compiled profiles when a StructureDefinition is written, and which value sets are absent when
// terminology is.
func (r *Room) Derive(_ context.Context, tx *store.Tx, w store.Written) error {
	switch w.Type {
	case "StructureDefinition":
		tx.AfterCommit(func() { r.library.Store(nil) })
	case "ValueSet", "CodeSystem":
		tx.AfterCommit(func() { r.absent.Store(&sync.Map{}) })
	}
	return nil
}

// definitions returns the compiled profiles; those that another process has changed are forgotten within seconds.
func (r *Room) definitions(ctx context.Context) *profile.Library {
	r.mu.Lock()
	long := r.Fresh
	if long == 0 {
		long = fresh
	}
	if now := time.Now(); now.Sub(r.asked) > long {
		r.asked = now
		r.absent.Store(&sync.Map{})
		if seq, err := r.newest(ctx); err != nil || seq != r.seq {
			r.seq = seq
			r.library.Store(nil)
		}
	}
	r.mu.Unlock()
	for {
		if l := r.library.Load(); l != nil {
			return l
		}
		l := profile.NewLibrary(r.find)
		if r.library.CompareAndSwap(nil, l) {
			return l
		}
	}
}

func (r *Room) newest(ctx context.Context) (seq int64, err error) {
	err = r.Store.View(ctx, func(tx *store.Tx) error {
		page, err := tx.History(ctx, store.HistoryQuery{Type: "StructureDefinition", Count: 1, Scope: search.Everything})
		if err == nil && len(page.Matches) > 0 {
			seq = page.Matches[0].Seq
		}
		return err
	})
	return seq, err
}

// find reads the definition of a canonical: the version that it names, or else the newest that is active.
func (r *Room) find(canonical string) (best *fhir.Node, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url, version, _ := fhir.SplitCanonical(canonical)
	err = r.Store.View(ctx, func(tx *store.Tx) error {
		best = nil
		page, err := tx.Search(ctx, search.Query{Type: "StructureDefinition", Count: versions, Scope: search.Everything,
			Where: []search.Clause{{Param: spec.Lookup("StructureDefinition", "url"), Values: []search.Value{{Raw: url, Text: url}}}}})
		if err != nil {
			return err
		}
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			if n.Str("url") == url && (version == "" || n.Str("version") == version) && (best == nil || better(n, best)) {
				best = n
			}
		}
		return nil
	})
	return best, err
}

// better prefers what is active, then the higher version.
func better(a, b *fhir.Node) bool {
	if x, y := a.Str("status") == "active", b.Str("status") == "active"; x != y {
		return x
	}
	if x, y := a.Str("status") == "retired", b.Str("status") == "retired"; x != y {
		return y
	}
	return compareVersions(a.Str("version"), b.Str("version")) > 0
}

func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, err1 := strconv.Atoi(x)
		n, err2 := strconv.Atoi(y)
		if err1 == nil && err2 == nil {
			return m - n
		}
		return strings.Compare(x, y)
	})
}

// Check lists what is wrong with a resource beyond its structure. References are looked up within scope; what was read
// for them is returned, for the audit entry.
func (r *Room) Check(ctx context.Context, scope search.Scope, n *fhir.Node, o profile.Options) (issues []fhir.Issue, seen []store.Version, err error) {
	o.Until = time.Now().Add(patience)
	if o.Now.IsZero() && r.Clock != nil {
		o.Now = r.Clock.Now()
	}
	o.Zone = r.Store.Zone()
	a := &asking{Library: r.definitions(ctx), codes: map[coded]bool{}, ctx: ctx, room: r, scope: &scope}
	issues = profile.Check(n, a, o)
	return issues, a.seen, a.err
}

// Enforce lists the errors of a resource against the profiles that it claims; profiles that are not here say nothing.
// References are judged by their type alone.
func (r *Room) Enforce(n *fhir.Node) (wrong []fhir.Issue) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a := &asking{Library: r.definitions(ctx), codes: map[coded]bool{}, ctx: ctx, room: r}
	for _, i := range profile.Check(n, a, profile.Options{Until: time.Now().Add(patience), Zone: r.Store.Zone()}) {
		if i.Severity == "error" {
			wrong = append(wrong, i)
		}
	}
	return wrong
}

// asking answers what one check wants to know.
type asking struct {
	*profile.Library
	ctx   context.Context
	room  *Room
	scope *search.Scope // nil = no reference is looked up
	seen  []store.Version
	err   error
	codes map[coded]bool
}

type coded struct{ set, system, code string }

func (a *asking) Has(valueset, system, code string) (has, known bool) {
	if a.room.Terms == nil || a.err != nil {
		return false, false
	}
	absent := a.room.absent.Load() // before asking: what is found out about the time before a write is dropped with it
	if _, is := absent.Load(valueset); is {
		return false, false
	}
	key := coded{valueset, system, code}
	if has, done := a.codes[key]; done {
		return has, true
	}
	has, known, err := a.room.Terms.Has(a.ctx, valueset, system, code)
	switch {
	case err != nil:
		a.err = err
	case known && len(a.codes) < 10_000:
		a.codes[key] = has
	case !known:
		absent.Store(strings.Clone(valueset), true)
	}
	return has, known && err == nil
}

// Resolve reads in a view of its own: a check may take long, and a snapshot that is held holds others up.
func (a *asking) Resolve(reference string) (n *fhir.Node) {
	ref, ok := fhir.ParseReference(reference)
	if a.scope == nil || a.err != nil || !ok || ref.Base != "" || !spec.IsResource(ref.Type) || !fhir.IsID(ref.ID) {
		return nil
	}
	err := a.room.Store.View(a.ctx, func(tx *store.Tx) error {
		v, err := tx.Read(a.ctx, *a.scope, ref.Type, ref.ID)
		if err != nil {
			return err
		}
		if n, err = fhir.Parse(v.JSON); err == nil {
			a.seen = append(a.seen, store.Version{Type: v.Type, ID: v.ID, Home: v.Home})
		}
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrGone) {
		a.err = err
	}
	return n
}
