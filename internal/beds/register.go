package beds

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Ward is a ward of the register with its rooms and beds.
type Ward struct {
	ID     string // "Location/…"
	Org    string // "Organization/…" that answers for it
	Campus string // "Location/…", "" when it says none
	Name   string
	place
	Beds  []Bed
	Rooms []Chamber
}

// Chamber is a room with beds. A bed that stands in a ward without a room is one of its own.
type Chamber struct {
	ID   string
	Name string
	Rule allocate.Sex
}

// Bed is one bed of the register; Chamber is a place in Ward.Rooms.
type Bed struct {
	ID        string
	Name      string
	Chamber   int
	Level     allocate.Level
	Equipment allocate.Equipment
	Off       bool
}

// Campus is where wards stand.
type Campus struct {
	ID, Name, Org, Role string
	Lat, Long           float64 // both 0 = not known
}

// register is all of it, as it stood at a version; it is never changed.
type register struct {
	version  int64
	wards    []*Ward // by organisation and name
	campuses map[string]Campus
	at       map[string][2]int // bed -> ward and bed in it
	byWard   map[string]int
}

func (g *register) bed(id string) (*Ward, *Bed) {
	at, ok := g.at[id]
	if !ok {
		return nil, nil
	}
	w := g.wards[at[0]]
	return w, &w.Beds[at[1]]
}

func (g *register) ward(id string) *Ward {
	i, ok := g.byWard[id]
	if !ok {
		return nil
	}
	return g.wards[i]
}

// Derive keeps beds_place in step with the Locations. It is a store.Deriver.
func (r *Room) Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Type != "Location" {
		return r.follow(ctx, tx, w)
	}
	was, is := placeOf(w.Before), placeOf(w.After)
	if reflect.DeepEqual(was, is) { // also every change of a bed's state
		return nil
	}
	ref := "Location/" + w.ID
	if is == nil {
		if _, err := tx.Exec(ctx, "DELETE FROM beds_place WHERE id = ?", ref); err != nil {
			return fmt.Errorf("beds: %s: %w", ref, err)
		}
		return r.renew(ctx, tx)
	}
	says, err := json.Marshal(is)
	if err != nil {
		return fmt.Errorf("beds: %s: %w", ref, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO beds_place (id, kind, parent, org, name, says, told) VALUES (?, ?, ?, ?, ?, ?, 0)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, parent = excluded.parent, org = excluded.org, name = excluded.name, says = excluded.says, told = 0`,
		ref, is.Kind, is.Parent, is.Org, is.Name, string(says))
	if err != nil {
		return fmt.Errorf("beds: %s: %w", ref, err)
	}
	if is.Kind == "ro" || is.Kind == "wa" { // beds that stood nowhere may have found their ward
		if _, err := tx.Exec(ctx, "UPDATE beds_place SET told = 0 WHERE kind = 'bd' AND told = 2"); err != nil {
			return fmt.Errorf("beds: %s: %w", ref, err)
		}
	}
	return r.renew(ctx, tx)
}

func (r *Room) renew(ctx context.Context, tx *store.Tx) error {
	tx.Note(registered{}, nil)
	if _, err := tx.Exec(ctx, "UPDATE beds_register SET version = version + 1 WHERE id = 1"); err != nil {
		return fmt.Errorf("beds: register: %w", err)
	}
	return nil
}

// Keep refuses what only the hub writes: operationalStatus and bed-state of a bed follow from bookings and from what the
// ward says of its beds. It is a store.Guard.
func (r *Room) Keep(ctx context.Context, p store.Put, before *fhir.Node) error {
	if p.Type != "Location" || p.ByStep || access.From(ctx) == nil {
		return nil
	}
	was, is := placeOf(before), placeOf(p.Resource.Node)
	if (was == nil || was.Kind != "bd") && (is == nil || is.Kind != "bd") {
		return nil
	}
	if p.Op == store.Delete || is == nil {
		if state, _ := stateSaid(before); state == "" || state == string(allocate.Free) || state == string(allocate.Closed) {
			return nil
		}
		return fhir.Refuse(422, "business-rule", "bed-in-use", "a bed in use is not taken out of the register", "床位正在使用，不能删除")
	}
	state, said := stateSaid(p.Resource.Node)
	old, oldSaid := "", ""
	if before != nil {
		old, oldSaid = stateSaid(before)
	} else if (state == "" || state == "free") && (said == "" || said == "U") {
		return nil // a new bed is free
	}
	if state == old && said == oldSaid {
		return nil
	}
	return fhir.Refuse(422, "business-rule", "bed-state-by-bookings", "the state of a bed follows from bookings; call $bed-state to clean, close or open it", "床位状态由预订与占用产生；清洁、停用、启用请用床位状态操作")
}

func stateSaid(n *fhir.Node) (state, status string) {
	for _, e := range n.All("extension") {
		if e.Str("url") == StateOf {
			state = e.Str("valueCode")
		}
	}
	return state, n.Str("operationalStatus.code")
}

// register reads all places, from memory unless they have changed. What a unit that writes sees is its own until it is
// committed.
func (r *Room) register(ctx context.Context, tx *store.Tx) (*register, error) {
	if g, read := tx.Noted(registered{}).(*register); read {
		return g, nil
	}
	g, err := r.registerNow(ctx, tx)
	if err == nil {
		tx.Note(registered{}, g)
	}
	return g, err
}

// registered is what a unit has read of the register.
type registered struct{}

func (r *Room) registerNow(ctx context.Context, tx *store.Tx) (*register, error) {
	var version int64
	err := tx.Query(ctx, "SELECT version FROM beds_register WHERE id = 1", nil, func(scan func(...any) error) error { return scan(&version) })
	if err != nil {
		return nil, fmt.Errorf("beds: register: %w", err)
	}
	r.mu.Lock()
	kept := r.kept
	r.mu.Unlock()
	if kept != nil && kept.version == version {
		return kept, nil
	}
	g, err := load(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("beds: register: %w", err)
	}
	g.version = version
	keep := func() {
		r.mu.Lock()
		if r.kept == nil || r.kept.version < version {
			r.kept = g
		}
		r.mu.Unlock()
	}
	if tx.Writing() {
		tx.AfterCommit(keep) // until then it is this unit's own
	} else {
		keep()
	}
	return g, nil
}

func load(ctx context.Context, tx *store.Tx) (*register, error) {
	g := &register{campuses: map[string]Campus{}, at: map[string][2]int{}, byWard: map[string]int{}}
	all := map[string]*place{}
	var ids []string
	err := tx.Query(ctx, "SELECT id, kind, parent, org, name, says FROM beds_place ORDER BY org, name, id", nil, func(scan func(...any) error) error {
		p, id, says := &place{}, "", ""
		if err := scan(&id, &p.Kind, &p.Parent, &p.Org, &p.Name, &says); err != nil {
			return err
		}
		all[id], ids = p, append(ids, id)
		return json.Unmarshal([]byte(says), p)
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		switch p := all[id]; p.Kind {
		case "si":
			g.campuses[id] = Campus{ID: id, Name: p.Name, Org: p.Org, Role: p.Role, Lat: p.Lat, Long: p.Long}
		case "wa":
			w := &Ward{ID: id, Org: p.Org, Name: p.Name, place: *p}
			if above := all[p.Parent]; above != nil {
				w.Campus = p.Parent
				if above.Kind != "si" && all[above.Parent] != nil { // a building between
					w.Campus = above.Parent
				}
			}
			g.wards = append(g.wards, w)
		}
	}
	for i, w := range g.wards {
		g.byWard[w.ID] = i
	}
	rooms := map[string]int{} // room -> place in its ward
	for _, id := range ids {
		if p := all[id]; p.Kind == "ro" {
			if w := g.ward(p.Parent); w != nil {
				rooms[id] = len(w.Rooms)
				w.Rooms = append(w.Rooms, Chamber{ID: id, Name: p.Name, Rule: p.Sex})
			}
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int { return natural(all[a].Name, all[b].Name) })
	for _, id := range ids {
		p := all[id]
		if p.Kind != "bd" {
			continue
		}
		b := Bed{ID: id, Name: p.Name, Level: p.Level, Equipment: p.Equipment, Off: p.Off}
		w := g.ward(p.Parent)
		if w != nil {
			b.Chamber = len(w.Rooms)
			w.Rooms = append(w.Rooms, Chamber{ID: id, Name: p.Name, Rule: allocate.Single})
		} else if room := all[p.Parent]; room != nil && room.Kind == "ro" {
			if w = g.ward(room.Parent); w != nil {
				b.Chamber = rooms[p.Parent]
				b.Off = b.Off || room.Off
			}
		}
		if w == nil {
			continue // its ward has not been written yet
		}
		b.Off = b.Off || w.Off
		g.at[id] = [2]int{g.byWard[w.ID], len(w.Beds)}
		w.Beds = append(w.Beds, b)
	}
	return g, nil
}

// natural orders "9 床" before "10 床".
func natural(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			if c := cmp.Compare(number(a[:x]), number(b[:y])); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func digits(s string) (n int) {
	for n < len(s) && n < 12 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func number(s string) (n int64) {
	for _, c := range []byte(s) {
		n = n*10 + int64(c-'0')
	}
	return n
}

// Pools lists the institutions that have beds, with how many.
func (r *Room) Pools(ctx context.Context, tx *store.Tx) (map[string]int, error) {
	g, err := r.register(ctx, tx)
	if err != nil {
		return nil, err
	}
	pools := map[string]int{}
	for _, w := range g.wards {
		pools[r.institution(w.Org)] += len(w.Beds)
	}
	delete(pools, "")
	return pools, nil
}

// Wards lists the wards of an institution with their beds, shared: do not change them.
func (r *Room) Wards(ctx context.Context, tx *store.Tx, pool string) ([]*Ward, error) {
	g, err := r.register(ctx, tx)
	if err != nil {
		return nil, err
	}
	return r.wardsOf(g, pool), nil
}

func (r *Room) wardsOf(g *register, pool string) (wards []*Ward) {
	for _, w := range g.wards {
		if r.institution(w.Org) == pool {
			wards = append(wards, w)
		}
	}
	return wards
}
