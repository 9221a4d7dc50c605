package profile

import (
	"strconv"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// value is one element of a resource with its type and place.
type value struct {
	n      *fhir.Node // nil for a primitive that has only extensions
	beside *fhir.Node // id and extensions of a primitive
	typ    string     // "HumanName", "Patient.contact", "code"; of a resource its type
	m      *member    // what it is in the type above; nil for a whole resource
	place  *place
}

// place is where a value stands.
type place struct {
	up    *place
	name  string
	index int // -1 = none
}

func (p *place) String() string { return string(p.append(nil)) }

func (p *place) append(b []byte) []byte {
	if p == nil {
		return b
	}
	if p.up != nil {
		b = append(p.up.append(b), '.')
	}
	b = append(b, p.name...)
	if p.index >= 0 {
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(p.index), 10)
		b = append(b, ']')
	}
	return b
}

// whole makes the value of a resource.
func whole(n *fhir.Node, at *place) value {
	typ := n.Type()
	if at == nil {
		at = &place{name: typ, index: -1}
	}
	return value{n: n, typ: typ, place: at}
}

// member is one JSON property of a type.
type member struct {
	key, label string // "value[x]", "value"
	json       string // "valueQuantity"
	typ        string
	primitive  bool
	path       string // as definitions write it: "Patient.name", "Observation.value[x]"
	simple     bool   // a SimpleQuantity
	binding    *binding
}

type members struct {
	byJSON map[string]*member
	byKey  map[string][]*member
}

var memberCache sync.Map // type → *members

func membersOf(typ string) *members {
	if m, ok := memberCache.Load(typ); ok {
		return m.(*members)
	}
	m := &members{byJSON: map[string]*member{}, byKey: map[string][]*member{}}
	name := typ
	if spec.IsPrimitive(typ) {
		name = "Element"
	}
	for _, e := range spec.Elements(name) {
		one := &member{key: e.Name, label: e.Name, json: e.Name, typ: e.Types[0]}
		if _, path, nested := strings.Cut(one.typ, ":"); nested {
			one.typ = path
		}
		if e.Choice != "" {
			one.key, one.label = e.Choice, strings.TrimSuffix(e.Choice, "[x]")
		}
		one.primitive = spec.IsPrimitive(one.typ)
		one.path = name + "." + one.key
		one.simple = spec.ProfileOf(one.path, one.typ) == "SimpleQuantity"
		if b, ok := spec.Looser(one.path); ok {
			one.binding = &binding{strength: b.Strength, set: b.ValueSet}
		}
		if _, told := grammars[e.Required]; told { // package validate holds the sets that can be listed
			one.binding = &binding{strength: "required", set: e.Required}
		}
		m.byJSON[one.json] = one
		m.byKey[one.key] = append(m.byKey[one.key], one)
	}
	if len(m.byJSON) > 0 { // names come from outside: only those of R4 are kept
		memberCache.Store(typ, m)
	}
	return m
}

func (v value) object() *fhir.Node {
	if v.n != nil && v.n.Kind == fhir.Object {
		return v.n
	}
	return v.beside
}

// children returns the values of one element by the definition's name ("name", "value[x]").
func (v value) children(key string) []value {
	o := v.object()
	if o == nil || o.Kind != fhir.Object {
		return nil
	}
	var out []value
	for _, m := range membersOf(v.typ).byKey[key] {
		out = v.take(out, o, m)
	}
	return out
}

// all returns every child value in the order of the definition of what is there.
func (v value) all() []value {
	o := v.object()
	if o == nil || o.Kind != fhir.Object {
		return nil
	}
	var out []value
	known := membersOf(v.typ)
	for i := range o.Members {
		name := o.Members[i].Name
		plain := strings.TrimPrefix(name, "_")
		m := known.byJSON[plain]
		if m == nil || plain != name && o.Child(plain) != nil {
			continue
		}
		out = v.take(out, o, m)
	}
	return out
}

// take appends the values of one JSON property.
func (v value) take(out []value, o *fhir.Node, m *member) []value {
	n := o.Child(m.json)
	var beside *fhir.Node
	if m.primitive {
		beside = o.Child("_" + m.json)
	}
	if n == nil && beside == nil {
		return out
	}
	one := func(n, beside *fhir.Node, index int) {
		if n != nil && n.Kind == fhir.Null {
			n = nil
		}
		if beside != nil && beside.Kind != fhir.Object {
			beside = nil
		}
		if n == nil && beside == nil {
			return
		}
		c := value{n: n, beside: beside, typ: m.typ, m: m, place: &place{v.place, m.label, index}}
		if m.typ == "Resource" {
			c.typ = n.Type()
			if !spec.IsResource(c.typ) {
				return
			}
		}
		out = append(out, c)
	}
	if n != nil && n.Kind == fhir.Array || n == nil && beside.Kind == fhir.Array {
		count := 0
		var items, besides []*fhir.Node
		if n != nil {
			items = n.Items
		}
		if beside != nil && beside.Kind == fhir.Array {
			besides = beside.Items
		}
		count = max(len(items), len(besides))
		for i := range count {
			var a, b *fhir.Node
			if i < len(items) {
				a = items[i]
			}
			if i < len(besides) {
				b = besides[i]
			}
			one(a, b, i)
		}
		return out
	}
	one(n, beside, -1)
	return out
}

// item is the value for FHIRPath.
func (v value) item() fhirpath.Item {
	switch {
	case spec.IsPrimitive(v.typ):
		return fhirpath.Primitive(v.n, v.beside, v.typ)
	case spec.IsResource(v.typ):
		return fhirpath.Of(v.n)
	}
	return fhirpath.At(v.n, v.typ)
}

// text is the value of a primitive, "" when it has only extensions.
func (v value) text() string {
	if v.n == nil {
		return ""
	}
	return v.n.Text
}

// ancestors are the types that a type is derived from.
var ancestors = map[string][]string{"code": {"string"}, "id": {"string"}, "markdown": {"string"}, "url": {"uri"}, "canonical": {"uri"}, "oid": {"uri"}, "uuid": {"uri"},
	"unsignedInt": {"integer"}, "positiveInt": {"integer"}, "Age": {"Quantity"}, "Count": {"Quantity"}, "Distance": {"Quantity"}, "Duration": {"Quantity"}}

// isA reports whether a value of type typ may stand where a definition says want.
func isA(typ, want string) bool {
	if typ == want {
		return true
	}
	switch want {
	case "Element", "BackboneElement":
		return !spec.IsResource(typ)
	case "Resource":
		return spec.IsResource(typ)
	case "SimpleQuantity", "MoneyQuantity":
		return typ == "Quantity"
	case "DomainResource":
		return spec.IsResource(typ) && typ != "Bundle" && typ != "Binary" && typ != "Parameters"
	}
	for _, a := range ancestors[typ] {
		if a == want {
			return true
		}
	}
	return false
}
