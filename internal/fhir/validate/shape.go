package validate

import (
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// shape is what the definition says of one type or nested element, ready for one walk.
type shape struct {
	name   string // "Patient", "Patient.contact", "HumanName"
	fields map[string]*field
	needed []*field // one of each group with Min > 0
	groups int
	extra  func(w *walk, n *fhir.Node) // rules of this type that no table holds
}

// field is one element, or one type of a choice.
type field struct {
	label    string // as FHIRPath names it: a choice without its type
	choice   string // "value[x]", "" when it is none
	group    int    // number within the shape; the types of a choice share it
	needed   bool
	many     bool
	none     bool      // Max 0
	kind     fhir.Kind // of the JSON value; Null = a resource of any type
	datatype string
	shape    *shape // of an object
	targets  map[string]bool
	binding  string
	codes    map[string]bool // of a required binding that can be listed
}

var (
	shapesMu sync.Mutex
	shapes   = map[string]*shape{}
	roots    sync.Map // resource type → *shape
)

// shapeOf returns the shape of a resource type or datatype.
func shapeOf(name string) *shape {
	if s, ok := roots.Load(name); ok {
		return s.(*shape)
	}
	shapesMu.Lock()
	defer shapesMu.Unlock()
	s := build(name)
	roots.Store(name, s)
	return s
}

// build makes a shape and those that it leads to; shapesMu is held.
func build(name string) *shape {
	if s := shapes[name]; s != nil {
		return s
	}
	s := &shape{name: name, fields: map[string]*field{}, extra: extras[name]}
	shapes[name] = s
	groups := map[string]int{}
	for _, e := range spec.Elements(name) {
		key, label := e.Name, e.Name
		if e.Choice != "" {
			key, label = e.Choice, strings.TrimSuffix(e.Choice, "[x]")
		}
		g, seen := groups[key]
		if !seen {
			g = len(groups)
			groups[key] = g
		}
		f := &field{label: label, choice: e.Choice, group: g, needed: e.Min > 0, many: e.Max != 1 && e.Max != 0, none: e.Max == 0, datatype: e.Types[0]}
		if _, path, nested := strings.Cut(f.datatype, ":"); nested {
			f.datatype = path
		}
		switch {
		case spec.IsPrimitive(f.datatype):
			f.kind = fhir.PrimitiveKind(f.datatype)
		case f.datatype == "Resource":
			f.kind = fhir.Null
		default:
			f.kind = fhir.Object
			f.shape = build(f.datatype)
		}
		if f.datatype == "Reference" && len(e.Targets) > 0 && e.Targets[0] != "" {
			f.targets = map[string]bool{}
			for _, t := range e.Targets {
				f.targets[t] = true
			}
		}
		if e.Required != "" {
			f.codes, _ = spec.Codes(e.Required)
			f.binding = e.Required
		}
		if f.needed && !seen {
			s.needed = append(s.needed, f)
		}
		s.fields[e.Name] = f
	}
	s.groups = len(groups)
	return s
}
