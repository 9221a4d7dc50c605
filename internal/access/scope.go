package access

import (
	"slices"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Settle fills Institution, Scope, Places and Purpose from Role, Org, Teams and Scopes by the tree as it is now.
// It is cheap enough for every request; Scope's lists are shared, do not change them.
func (t *Tree) Settle(c *Caller) {
	c.Scope, c.Places = search.Scope{}, nil
	if c.Org != "" {
		c.Institution = t.Institution(c.Org)
	}
	rule := rules[c.Role]
	if rule == nil {
		return
	}
	if c.Role != Program {
		c.Purpose = PurposeOf(c.Role, c.Purpose)
	}
	s := &c.Scope
	s.Types, s.Opens = readable(rule), rule.Opens
	switch rule.Reach {
	case System:
		if s.Types = ReadableTypes(c.Scopes); c.Org == "" {
			s.All = true
			return
		}
		v := t.view(c.Org)
		s.Parties, s.Sights, s.Opens, c.Places = v.below, []search.Sight{{Parties: v.desks, Custodians: v.legal}}, GuardedKinds(), v.places
	case Institution:
		v := t.view(c.Org)
		s.Parties, s.Own, c.Places = v.below, v.below, v.places
		s.Sights = append([]search.Sight{{Parties: c.personal(v.desks, nil), Custodians: v.legal}}, v.shared...)
	case Desk:
		v := t.view(c.Org)
		s.Own, c.Places = v.below, v.places
		s.Sights = []search.Sight{{Parties: c.personal(v.desks, v.units), Custodians: v.legal}}
	case Unit:
		v := t.view(c.Org)
		own := c.personal(v.units, nil)
		if rule.Clinical && c.Institution != "" {
			own = append(own, c.Institution+Emergency)
		}
		s.Sights = append(s.Sights, search.Sight{Parties: own, Custodians: v.legal})
		if rule.Clinical && c.Practitioner != "" {
			s.Sights = append(s.Sights, search.Sight{Parties: []string{c.Practitioner + Whole}})
		}
		if v.opens != nil {
			s.Opens = slices.Concat(s.Opens, v.opens)
		}
		s.Sights = append(s.Sights, v.shared...)
		s.Own, c.Places = v.own, v.near
		if rule.OnDuty && v.desks != nil {
			s.Sights, c.Places = append(s.Sights, search.Sight{Parties: v.desks, Custodians: v.legal}), v.places
		}
	case Self:
		if c.Role == Patient && strings.HasPrefix(c.Practitioner, "Patient/") {
			s.All, s.Only = true, []string{c.Practitioner}
		} else if strings.HasPrefix(c.Practitioner, "RelatedPerson/") {
			s.Sights = []search.Sight{{Parties: []string{c.Practitioner}}}
			s.Opens = slices.DeleteFunc(slices.Clone(GuardedKinds()), func(kind string) bool { return kind == Abuse })
		}
	case Registers:
		s.Own = t.view(c.Org).below
	}
	t.letHandle(c)
	if c.Institution != "" && rule.Reach != Self && rule.Reach != Nothing && rule.Reach != Registers {
		s.Sights = append(s.Sights, search.Sight{Parties: []string{Network}})
	}
}

// personal are the parties of a place with what the caller is himself, and his teams.
func (c *Caller) personal(a, b []string) []string {
	all := make([]string, 0, len(a)+len(b)+len(c.Teams)+2)
	all = append(append(append(all, a...), b...), c.Teams...)
	if c.Practitioner != "" {
		all = append(all, c.Practitioner)
	}
	return all
}

// Readers are the parties to which single resources are given that the caller sees; nil where he sees all that his
// institution keeps.
func (c *Caller) Readers() []string {
	if c.Scope.All || c.Scope.Parties != nil {
		return nil
	}
	readers := []string{}
	for _, s := range c.Scope.Sights {
		readers = append(readers, s.Parties...)
	}
	return readers
}

// readable are the types of a role's minimum with the shared registers; nil = any.
func readable(rule *Rule) []string {
	if rule.Types == nil {
		return nil
	}
	types, _ := minimum.LoadOrStore(rule.Code, slices.Concat(rule.Types, search.Shared))
	return types.([]string)
}

var minimum sync.Map

// view is what people at one organisation see by its place in the tree.
type view struct {
	below  []string // the institution and all beneath it
	legal  []string // all of its legal person
	places []string // the institutions of below: whose cases its desks work on
	near   []string // those whose cases the unit works on
	desks  []string // parties of the desks
	units  []string // parties of those who treat in the unit
	own    []string // the unit and all beneath it: where what is about nobody is kept
	opens  []string // guarded kinds that are the unit's daily work
	shared []search.Sight
}

// view is kept until the tree changes.
func (t *Tree) view(org string) *view {
	if org == "" {
		return &view{}
	}
	t.mu.RLock()
	v, changes := t.views[org], t.changes
	t.mu.RUnlock()
	if v != nil {
		return v
	}
	institution := t.Institution(org)
	v = &view{below: t.Below(institution), legal: t.Below(t.Legal(org))}
	for _, o := range v.below {
		if t.Institution(o) == o {
			v.places = append(v.places, o)
			v.desks = append(v.desks, o+Cases)
		}
	}
	switch {
	case org != institution: // a department, ward or team
		v.own, v.near, v.opens = t.Below(org), []string{institution}, daily(t.Name(org))
	case t.Departments(institution): // a hospital is no unit: whoever works there works in a department
		v.near = []string{institution}
	default: // a township or village is its own unit and desk
		v.own, v.near, v.units = v.below, v.places, slices.Clone(v.desks)
	}
	var whole, results []string
	for _, o := range v.own {
		v.units = append(v.units, o+Care)
		whole, results = append(whole, o+Whole), append(results, o+Results)
	}
	if v.own != nil {
		if org != institution {
			whole, results = append(whole, institution+Whole), append(results, institution+Results)
		}
		v.shared = []search.Sight{{Parties: whole}, {Parties: results, Types: ResultTypes}}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changes == changes {
		t.views[org] = v
	}
	return v
}

// ResultTypes are what recognition of results shows: no notes.
var ResultTypes = []string{"Patient", "Observation", "DiagnosticReport", "ImagingStudy", "Specimen", "Media"}

// ReadableTypes lists the types that SMART scopes let a program read; nil = all of them.
func ReadableTypes(scopes []string) []string {
	types := []string{}
	for _, s := range scopes {
		typ, letters, ok := ParseScope(s)
		if !ok || !strings.ContainsAny(letters, "rs") {
			continue
		}
		if typ == "*" {
			return nil
		}
		if !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	return types
}

// ParseScope reads a SMART v2 scope such as system/Observation.rs, or a v1 one (.read, .write, .*),
// into the type and the letters of c r u d s. Scopes with a query part are not understood, so give nothing.
func ParseScope(s string) (typ, letters string, ok bool) {
	_, rest, ok := strings.Cut(s, "/")
	if !ok {
		return "", "", false
	}
	typ, letters, ok = strings.Cut(rest, ".")
	switch letters {
	case "read":
		letters = "rs"
	case "write":
		letters = "cud"
	case "*":
		letters = "cruds"
	}
	if !ok || typ == "" || letters == "" || strings.Trim(letters, "cruds") != "" {
		return "", "", false
	}
	return typ, letters, true
}

// May says whether the caller may do one of c r u d s to resources of a type, before any look at
// whose they are. People: registers are written by administrators, patient data by those who see it.
func (c *Caller) May(letter byte, typ string) error {
	allowed := false
	switch {
	case c.Role == Program:
		allowed = c.granted(letter, typ)
	case c.Delegated() && (!c.granted(letter, typ) || slices.Contains(never, typ)):
	case letter == 'r' || letter == 's':
		allowed = true // the scope decides whose
	default:
		rule := rules[c.Role]
		allowed = rule != nil && rule.writes(typ)
	}
	if allowed {
		return nil
	}
	return notAllowed(typ)
}
