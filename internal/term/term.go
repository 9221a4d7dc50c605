// Package term answers what codes mean: code systems, value sets and maps between codes.
package term

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bounds of one question.
const (
	MaxCount   = 10_000    // codes in one answer; larger value sets are paged or filtered
	maxFilter  = 200       // bytes of a text filter
	maxRegex   = 1_000     // bytes of a regular expression
	maxDepth   = 20        // value sets within value sets
	maxWork    = 2_000_000 // codes looked at for one value set
	maxHeld    = 600_000   // concepts kept in memory, of all code systems
	maxAliases = 4_096     // canonicals remembered between two changes
)

// Service answers from what is stored. What it keeps in memory is checked against the database at every
// question, so that a change takes effect at once, from whichever program it came.
type Service struct {
	store  *store.Store
	sounds *sounds

	mu    sync.Mutex
	books map[bookKey]*heldBook
	held  int
	turn  int64
	known *knowledge

	loading sync.Mutex
}

// New makes the service; the store must have been opened with Migrations and Derive.
func New(s *store.Store) *Service {
	return &Service{store: s, sounds: newSounds(), books: map[bookKey]*heldBook{}, known: newKnowledge(-1)}
}

// knowledge is what holds until some terminology is written.
type knowledge struct {
	mu         sync.Mutex
	generation int64
	entries    map[string]*entry // canonical with its kind -> nil when there is none
	sets       map[int64]*Set    // by the number of a stored value set
}

func newKnowledge(generation int64) *knowledge {
	return &knowledge{generation: generation, entries: map[string]*entry{}, sets: map[int64]*Set{}}
}

// session is one question, on one snapshot.
type session struct {
	*Service
	tx    *store.Tx
	known *knowledge
	stack []string          // value sets being expanded, for cycles
	work  int               // codes looked at
	given *fhir.Node        // a code system that came with the question
	pins  map[string]string // system -> version, where the question names one
	used  map[string]bool   // system|version that the answer rests on
}

func (s *Service) ask(ctx context.Context, fn func(*session) error) error {
	return s.store.View(ctx, func(tx *store.Tx) error {
		var generation int64
		err := tx.Query(ctx, "SELECT CAST(sum(n) AS BIGINT) FROM term_stamp", nil, func(scan func(...any) error) error { return scan(&generation) })
		if err != nil {
			return fmt.Errorf("term: %w", err)
		}
		return fn(&session{Service: s, tx: tx, known: s.knowledgeAt(generation), pins: map[string]string{}, used: map[string]bool{}})
	})
}

func (s *Service) knowledgeAt(generation int64) *knowledge {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.known.generation == generation:
		return s.known
	case s.known.generation > generation: // an older snapshot still looks at what was
		return newKnowledge(generation)
	}
	s.known = newKnowledge(generation)
	return s.known
}

// spend counts work, and refuses what would take too much of it.
func (q *session) spend(ctx context.Context, n int) error {
	if q.work += n; q.work > maxWork {
		return tooCostly("this value set takes too much work to expand; narrow its definition", "该值集过大，无法展开，请缩小定义范围")
	}
	return ctx.Err()
}

func tooCostly(text, zh string) error { return fhir.Refuse(422, "too-costly", "too-costly", text, zh) }

func unknown(what, canonical string) error {
	zh := map[string]string{"code system": "代码系统", "value set": "值集", "concept map": "概念映射"}[what]
	return fhir.Refuse(404, "not-found", "unknown-"+hyphens(what), "no "+what+" "+canonical+" is loaded here", "本系统未加载"+zh+" "+canonical)
}

func hyphens(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == ' ' {
			b[i] = '-'
		}
	}
	return string(b)
}

func invalid(detail, text, zh string) error { return fhir.Refuse(400, "invalid", detail, text, zh) }

// refused says whether err is one that a person caused and can read.
func refused(err error) bool {
	var e *fhir.Error
	return errors.As(err, &e)
}
