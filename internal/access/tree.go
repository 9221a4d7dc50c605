package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Tree is the tree of organisations, kept in memory and in step with every write of an Organization.
type Tree struct {
	mu     sync.RWMutex
	places map[string]*Place
	below  map[string][]string // cache of Below; dropped by every change
	asOf   time.Time           // business time of the last look at the database
}

// Place is one organisation of the tree.
type Place struct {
	Ref      string // "Organization/…"
	Name     string
	Type     string // code of Organization.type
	Parent   string // "" at the top
	Level    string // code of the extension institution level, "" when unknown
	Inactive bool
	vid      int64
}

// parts are the organisation types that are a part of an institution, not one themselves.
var parts = map[string]bool{"dept": true, "team": true, "campus": true, "ward": true}

// NewTree makes an empty tree. Give its Derive to store.Options and then call Load.
func NewTree() *Tree {
	return &Tree{places: map[string]*Place{}, below: map[string][]string{}}
}

// Load reads every organisation; call it once after the store is open.
func (t *Tree) Load(ctx context.Context, s *store.Store) error { return t.read(ctx, s, time.Time{}) }

// Refresh reads what was written lately, by other processes on the same database.
func (t *Tree) Refresh(ctx context.Context, s *store.Store) error {
	t.mu.RLock()
	since := t.asOf.Add(-time.Minute) // what commits late is looked at again
	t.mu.RUnlock()
	return t.read(ctx, s, since)
}

func (t *Tree) read(ctx context.Context, s *store.Store, since time.Time) error {
	var found []store.Version
	var now time.Time
	err := s.View(ctx, func(tx *store.Tx) error {
		found, now = found[:0], tx.Now()
		q := search.Query{Type: "Organization", Count: 1000, Scope: search.Everything}
		if !since.IsZero() {
			us := since.UnixMicro()
			q.Where = []search.Clause{{Special: "_lastUpdated", Values: []search.Value{{Prefix: search.Ge, Low: us, High: us + 1}}}}
		}
		for {
			page, err := tx.Search(ctx, q)
			if err != nil {
				return err
			}
			found = append(found, page.Matches...)
			if page.Next == "" {
				return nil
			}
			q.Cursor = page.Next
		}
	})
	if err != nil {
		return fmt.Errorf("access: load organisations: %w", err)
	}
	for _, v := range found {
		if t.knows(v) {
			continue
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return fmt.Errorf("access: Organization/%s: %w", v.ID, err)
		}
		t.put(v, n)
	}
	t.mu.Lock()
	t.asOf = now
	t.mu.Unlock()
	return nil
}

func (t *Tree) knows(v store.Version) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p := t.places["Organization/"+v.ID]
	return p != nil && p.vid >= v.VID
}

// Derive keeps the tree in step; it is a store.Deriver.
func (t *Tree) Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Type == "Organization" {
		tx.AfterCommit(func() { t.put(w.Version, w.After) })
	}
	return nil
}

func (t *Tree) put(v store.Version, n *fhir.Node) {
	p := placeOf(v.ID, n)
	p.vid = v.VID
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.places[p.Ref]
	if old != nil && old.vid >= p.vid {
		return
	}
	if old == nil || old.Parent != p.Parent || old.Type != p.Type {
		clear(t.below)
	}
	t.places[p.Ref] = p
}

// placeOf reads an Organization; a deleted one stays as an inactive leaf, so that a late older
// write cannot bring it back.
func placeOf(id string, n *fhir.Node) *Place {
	p := &Place{Ref: "Organization/" + id, Inactive: n == nil || n.Str("active") == "false"}
	if n == nil {
		return p
	}
	// Cloned: a text of a node is a piece of the whole bundle that it came in.
	p.Name, p.Type, p.Parent = strings.Clone(n.Str("name")), strings.Clone(n.Str("type[0].coding[0].code")), strings.Clone(n.Str("partOf.reference"))
	for _, e := range n.All("extension") {
		if strings.HasSuffix(e.Str("url"), "/institution-level") {
			p.Level = strings.Clone(e.Str("valueCode"))
		}
	}
	if !strings.HasPrefix(p.Parent, "Organization/") {
		p.Parent = ""
	}
	return p
}

// Place returns one organisation.
func (t *Tree) Place(ref string) (Place, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if p := t.places[ref]; p != nil {
		return *p, true
	}
	return Place{}, false
}

// Name is what an organisation is called, "" when unknown.
func (t *Tree) Name(ref string) string {
	p, _ := t.Place(ref)
	return p.Name
}

// Institution is the nearest institution at or above org: departments, teams and campuses belong to one.
func (t *Tree) Institution(org string) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.institution(org)
}

func (t *Tree) institution(org string) string {
	at := org
	for range 32 {
		p := t.places[at]
		if p == nil || !parts[p.Type] || p.Parent == "" {
			return at
		}
		at = p.Parent
	}
	return org
}

// Below lists org and everything beneath it; the result is shared, do not change it.
func (t *Tree) Below(org string) []string {
	if org == "" {
		return nil
	}
	t.mu.RLock()
	list, ok := t.below[org]
	t.mu.RUnlock()
	if ok {
		return list
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	children := map[string][]string{}
	for _, p := range t.places {
		if p.Parent != "" {
			children[p.Parent] = append(children[p.Parent], p.Ref)
		}
	}
	seen := map[string]bool{org: true}
	list = []string{org}
	for i := 0; i < len(list); i++ {
		kids := children[list[i]]
		slices.Sort(kids)
		for _, k := range kids {
			if !seen[k] {
				seen[k] = true
				list = append(list, k)
			}
		}
	}
	t.below[org] = list
	return list
}

// Within says whether org is top or beneath it. The hub itself ("") is above everything.
func (t *Tree) Within(org, top string) bool {
	if top == "" || org == top {
		return true
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for range 32 {
		p := t.places[org]
		if p == nil || p.Parent == "" {
			return false
		}
		if org = p.Parent; org == top {
			return true
		}
	}
	return false
}

// All lists the places at or beneath top in the order of the tree ("" = all, tops first).
func (t *Tree) All(top string) []Place {
	var refs []string
	if top != "" {
		refs = t.Below(top)
	} else {
		t.mu.RLock()
		var tops []string
		for ref, p := range t.places {
			if t.places[p.Parent] == nil {
				tops = append(tops, ref)
			}
		}
		t.mu.RUnlock()
		slices.Sort(tops)
		for _, ref := range tops {
			refs = append(refs, t.Below(ref)...)
		}
	}
	places := make([]Place, 0, len(refs))
	for _, ref := range refs {
		if p, ok := t.Place(ref); ok && !p.Inactive {
			places = append(places, p)
		}
	}
	return places
}
