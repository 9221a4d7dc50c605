package profile

import (
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Bounds of what a Library keeps.
const (
	maxProfiles = 4000
	maxRules    = 1_000_000
)

// Library compiles definitions when they are first asked for, and keeps them.
type Library struct {
	find func(canonical string) (*fhir.Node, error)

	mu    sync.Mutex
	known map[string]*Profile // nil: not there
	rules int
}

// NewLibrary makes one over find, which gives the StructureDefinition of a canonical, with or without |version; nil = none.
// What find fails to say is asked again the next time.
func NewLibrary(find func(canonical string) (*fhir.Node, error)) *Library {
	return &Library{find: find, known: map[string]*Profile{}}
}

// Profile returns the compiled profile, nil when there is none. A definition that cannot be used has no rules but a note.
func (l *Library) Profile(canonical string) *Profile {
	if canonical == "" || len(canonical) > 2000 {
		return nil
	}
	l.mu.Lock()
	p, done := l.known[canonical]
	l.mu.Unlock()
	if done {
		return p
	}
	return l.make(canonical, nil)
}

// make compiles outside of the lock: two may do the same, and it is the same.
func (l *Library) make(canonical string, above []string) *Profile {
	var p *Profile
	n, err := l.find(canonical)
	if err != nil {
		return nil
	}
	if n != nil {
		p, err = Compile(n, func(parent string) *Profile {
			bare, _, _ := strings.Cut(parent, "|")
			for _, a := range above {
				if a == bare {
					return nil // a circle
				}
			}
			if len(above) >= maxParents {
				return nil
			}
			own, _, _ := strings.Cut(canonical, "|")
			if own == bare {
				return nil
			}
			return l.make(parent, append(above[:len(above):len(above)], own))
		})
		if err != nil {
			p = &Profile{URL: n.Str("url"), Version: n.Str("version"), Type: n.Str("type")}
			p.root = &rule{name: p.Type, id: p.Type, max: -1}
			p.note("profile-unusable", "this profile cannot be used: "+clip(err.Error()), "该规范无法使用")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= maxProfiles || l.rules > maxRules {
		l.known, l.rules = map[string]*Profile{}, 0
	}
	l.known[strings.Clone(canonical)] = p
	if p != nil {
		l.rules += p.rules
	}
	return p
}
