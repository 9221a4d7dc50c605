package profile

import (
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// prune takes away what a snapshot only repeats from R4, so that a profile stays small.
func prune(root *rule) { pruneBelow(root, root.name) }

func pruneBelow(r *rule, typ string) {
	bases := map[string]spec.Element{}
	for _, e := range spec.Elements(typ) {
		key := e.Name
		if e.Choice != "" {
			key = e.Choice
		}
		bases[key] = e
	}
	for _, c := range r.children {
		next := ""
		if ms := membersOf(typ).byKey[c.name]; len(ms) == 1 {
			next = ms[0].typ
		}
		base, known := bases[c.name]
		if known {
			c.likeBase(base, typ)
		}
		if len(c.types) == 1 && len(membersOf(c.types[0].code).byKey) > 0 && c.types[0].code != "BackboneElement" && c.types[0].code != "Element" {
			next = c.types[0].code
		}
		pruneBelow(c, next)
		for _, s := range c.slices {
			sliced := next
			if len(s.types) == 1 && len(membersOf(s.types[0].code).byKey) > 0 && s.types[0].code != "BackboneElement" && s.types[0].code != "Element" {
				sliced = s.types[0].code
			}
			if known && s.binding != nil && repeats(s.binding, base, typ) {
				s.binding = nil
			}
			if known && sameTargets(s.types, base) && base.Choice == "" {
				s.types = nil
			}
			pruneBelow(s, sliced)
		}
	}
	r.children = slices.DeleteFunc(r.children, func(c *rule) bool { return c.idle() })
}

// likeBase forgets what R4 says of the element already.
func (r *rule) likeBase(base spec.Element, typ string) {
	if r.min <= base.Min {
		r.min = 0
	}
	if r.max == base.Max {
		r.max = -1
	}
	if base.Choice == "" && sameTargets(r.types, base) {
		r.types = nil
	}
	if base.Choice != "" && len(r.types) == len(membersOf(typ).byKey[base.Choice]) && !slices.ContainsFunc(r.types, func(t typeRule) bool { return len(t.profiles) > 0 || len(t.targets) > 0 }) {
		r.types = nil
	}
	if r.binding != nil && repeats(r.binding, base, typ) {
		r.binding = nil
	}
	if r.slicing != nil && len(r.slices) == 0 && r.slicing.rules == "open" {
		r.slicing = nil
	}
}

func repeats(b *binding, base spec.Element, typ string) bool {
	set, _, _ := strings.Cut(b.set, "|")
	if b.strength == "required" {
		return base.Required == set
	}
	name := base.Name
	if base.Choice != "" {
		name = base.Choice
	}
	looser, ok := spec.Looser(typ + "." + name)
	return ok && looser.ValueSet == set && looser.Strength == b.strength
}

func sameTargets(types []typeRule, base spec.Element) bool {
	if len(types) != 1 || len(types[0].profiles) > 0 {
		return false
	}
	if of, _, _ := strings.Cut(base.Types[0], ":"); types[0].code != of && !strings.Contains(types[0].code, "/") && !strings.Contains(base.Types[0], ":") {
		return false // a resource of one type where R4 allows any
	}
	if types[0].code != "Reference" {
		return true
	}
	if len(types[0].targets) == 0 {
		return true
	}
	var have []string
	for _, t := range types[0].targets {
		name := baseName(t)
		if name == "" {
			return false
		}
		have = append(have, name)
	}
	if slices.Contains(have, "Resource") {
		return true
	}
	return len(have) == len(base.Targets)
}

// idle reports that nothing is asked.
func (r *rule) idle() bool {
	return r.min == 0 && r.max < 0 && len(r.types) == 0 && r.fixed == nil && r.pattern == nil && r.least == nil && r.most == nil && r.length == 0 && r.binding == nil &&
		len(r.invariants) == 0 && r.slicing == nil && len(r.slices) == 0 && len(r.children) == 0
}
