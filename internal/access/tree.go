package access

import (
	"context"
	"fmt"
	"maps"
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
	// Kept says that the table access_place stands (Migrations): the tree is read from it, not from the resources.
	Kept bool

	mu      sync.RWMutex
	places  map[string]*Place
	kids    map[string][]string // by parent, sorted
	below   map[string][]string // cache of Below; dropped by every change, as are views
	views   map[string]*view
	changes int       // of the tree's shape
	asOf    time.Time // business time of the last look at the database
}

// Place is one organisation of the tree.
type Place struct {
	Ref      string // "Organization/…"
	Name     string
	Type     string // code of Organization.type
	Parent   string // "" at the top
	Level    string // code of the extension institution level, "" when unknown
	Network  bool   // an alliance or authority above legal persons, none itself
	Inactive bool
	vid      int64
}

// parts are the organisation types that are a part of an institution, not one themselves.
var parts = map[string]bool{"dept": true, "team": true, "campus": true, "ward": true}

// networks are the types and levels of what stands above legal persons.
var networks = map[string]bool{"network": true, "govt": true, "alliance": true, "region": true}

// NewTree makes an empty tree. Give its Derive to store.Options and then call Load.
func NewTree() *Tree {
	return &Tree{places: map[string]*Place{}, kids: map[string][]string{}, below: map[string][]string{}, views: map[string]*view{}}
}

// Load reads every organisation; call it once after the store is open.
func (t *Tree) Load(ctx context.Context, s *store.Store) error {
	if !t.Kept {
		return t.read(ctx, s, time.Time{})
	}
	n, err := t.readPlaces(ctx, s, time.Time{})
	if err != nil || n > 0 {
		return err
	}
	if err := t.read(ctx, s, time.Time{}); err != nil { // a database from before the table
		return err
	}
	t.mu.RLock()
	places := slices.Collect(maps.Values(t.places))
	t.mu.RUnlock()
	for some := range slices.Chunk(places, 500) {
		err := s.Update(ctx, func(tx *store.Tx) error {
			for _, p := range some {
				if err := p.keep(ctx, tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("access: keep organisations: %w", err)
		}
	}
	return nil
}

// Refresh reads what was written lately, by other processes on the same database.
func (t *Tree) Refresh(ctx context.Context, s *store.Store) error {
	t.mu.RLock()
	since := t.asOf.Add(-time.Minute) // what commits late is looked at again
	t.mu.RUnlock()
	if t.Kept {
		_, err := t.readPlaces(ctx, s, since)
		return err
	}
	return t.read(ctx, s, since)
}

// readPlaces reads the table, deleted organisations included.
func (t *Tree) readPlaces(ctx context.Context, s *store.Store, since time.Time) (n int, err error) {
	var found []*Place
	var now time.Time
	err = s.View(ctx, func(tx *store.Tx) error {
		found, now = found[:0], tx.Now()
		from := int64(0)
		if !since.IsZero() {
			from = since.UnixMicro()
		}
		return tx.Query(ctx, "SELECT org, name, type, parent, level, network, inactive, vid FROM access_place WHERE changed >= ?", []any{from}, func(scan func(...any) error) error {
			p, network, inactive := &Place{}, int64(0), int64(0)
			err := scan(&p.Ref, &p.Name, &p.Type, &p.Parent, &p.Level, &network, &inactive, &p.vid)
			p.Network, p.Inactive = network != 0, inactive != 0
			found = append(found, p)
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("access: read organisations: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range found {
		t.set(p)
	}
	t.asOf = now
	return len(found), nil
}

// keep writes the row of one place.
func (p *Place) keep(ctx context.Context, tx *store.Tx) error {
	flag := map[bool]int64{true: 1}
	return tx.Queue(ctx, `INSERT INTO access_place (org, name, type, parent, level, network, inactive, vid, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (org) DO UPDATE SET name = excluded.name, type = excluded.type, parent = excluded.parent, level = excluded.level, network = excluded.network,
		inactive = excluded.inactive, vid = excluded.vid, changed = excluded.changed`,
		p.Ref, p.Name, p.Type, p.Parent, p.Level, flag[p.Network], flag[p.Inactive], p.vid, tx.Now().UnixMicro())
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
	if w.Type != "Organization" {
		return nil
	}
	if t.Kept {
		p := placeOf(w.ID, w.After)
		p.vid = w.VID
		if err := p.keep(ctx, tx); err != nil {
			return fmt.Errorf("access: keep %s: %w", p.Ref, err)
		}
	}
	tx.AfterCommit(func() { t.put(w.Version, w.After) })
	return nil
}

func (t *Tree) put(v store.Version, n *fhir.Node) {
	p := placeOf(v.ID, n)
	p.vid = v.VID
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(p)
}

func (t *Tree) set(p *Place) {
	old := t.places[p.Ref]
	if old != nil && old.vid >= p.vid {
		return
	}
	t.places[p.Ref] = p
	if old != nil && old.Parent == p.Parent && old.Type == p.Type && old.Network == p.Network && old.Inactive == p.Inactive {
		return
	}
	if len(t.below) > 0 || len(t.views) > 0 {
		clear(t.below)
		clear(t.views)
	}
	t.changes++
	if old != nil && old.Parent == p.Parent {
		return
	}
	if old != nil && old.Parent != "" {
		t.kids[old.Parent] = slices.DeleteFunc(slices.Clone(t.kids[old.Parent]), func(k string) bool { return k == p.Ref })
	}
	if p.Parent != "" {
		kids := t.kids[p.Parent]
		at, _ := slices.BinarySearch(kids, p.Ref)
		t.kids[p.Parent] = slices.Insert(kids, at, p.Ref)
	}
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
	p.Network = networks[p.Level]
	for _, typ := range n.All("type") {
		for _, c := range typ.All("coding") {
			p.Network = p.Network || networks[c.Str("code")]
		}
	}
	if !strings.HasPrefix(p.Parent, "Organization/") {
		p.Parent = ""
	}
	return p
}

// Legal is the legal person of an organisation: the topmost institution above it that is no network.
func (t *Tree) Legal(org string) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	legal := t.institution(org)
	at := legal
	for range 32 {
		p := t.places[at]
		if p == nil || p.Parent == "" {
			return legal
		}
		above := t.places[p.Parent]
		if above == nil || above.Network {
			return legal
		}
		if at = p.Parent; !parts[above.Type] {
			legal = at
		}
	}
	return legal
}

// Departments says whether an institution has departments, wards or teams of its own.
func (t *Tree) Departments(institution string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.ContainsFunc(t.kids[institution], func(k string) bool { p := t.places[k]; return p != nil && parts[p.Type] && !p.Inactive })
}

// Desk is whose offices answer for what an organisation keeps: the nearest institution at or above it that has departments,
// for a village has no offices; else the legal person.
func (t *Tree) Desk(org string) string {
	at := t.Institution(org)
	for range 32 {
		if at == "" || t.Departments(at) {
			return at
		}
		p, _ := t.Place(at)
		if p.Parent == "" {
			break
		}
		at = t.Institution(p.Parent)
	}
	return t.Legal(org)
}

// Level finds the first place with a code of institution level; "" when there is none.
func (t *Tree) Level(code string) string {
	for _, p := range t.All("") {
		if p.Level == code && !p.Inactive {
			return p.Ref
		}
	}
	return ""
}

// Department finds the department of an institution that people call by a name; "" when there is none or several.
func (t *Tree) Department(institution, name string) string {
	if name == "" {
		return ""
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	found := ""
	for _, k := range t.kids[institution] {
		p := t.places[k]
		if p == nil || p.Inactive || !parts[p.Type] || !strings.HasSuffix(p.Name, name) {
			continue
		}
		if found != "" {
			return ""
		}
		found = k
	}
	return found
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
	seen := map[string]bool{org: true}
	list = []string{org}
	for i := 0; i < len(list); i++ {
		for _, k := range t.kids[list[i]] {
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

// Treats says whether a caller treats or nurses in a unit, by his role there: the unit is his own, one below it or one
// above it. Who is posted to the whole institution treats in no unit of it.
func (t *Tree) Treats(c *Caller, unit string) bool {
	rule := RuleOf(c.Role)
	if rule == nil || !rule.Clinical || rule.Reach != Unit || c.Org == "" || unit == "" {
		return false
	}
	if c.Org == unit {
		return true
	}
	whole := t.Institution(unit)
	return whole == t.Institution(c.Org) && unit != whole && c.Org != whole && (t.Within(unit, c.Org) || t.Within(c.Org, unit))
}
