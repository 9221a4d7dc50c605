package fhirpath

import (
	"slices"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// kind is a type: System's or FHIR's.
type kind struct {
	name      string // "Integer", "code", "HumanName", "Patient.contact"
	system    bool
	resource  bool // Resource or one of its kind
	primitive bool // of FHIR
	base      *kind
	as        *kind // the System type that it converts to by itself, nil for none
	open      bool  // not known to the definitions: any member may be asked for

	fields map[string]*field // by FHIRPath name; a choice by its stem
	json   map[string]*field // by JSON name; choices one by one
	list   []*field          // as defined; choices one by one
}

// field is one element of a kind, or one type of a choice.
type field struct {
	name      string // "value"
	json      string // "valueQuantity"; for the stem of a choice "value"
	companion string // "_birthDate"; "" when the type is no primitive
	kind      *kind  // nil for the stem of a choice
	types     []*field
	many      bool
}

var (
	systemAny      = &kind{name: "Any", system: true}
	systemBoolean  = systemKind("Boolean")
	systemString   = systemKind("String")
	systemInteger  = systemKind("Integer")
	systemDecimal  = systemKind("Decimal")
	systemDate     = systemKind("Date")
	systemDateTime = systemKind("DateTime")
	systemTime     = systemKind("Time")
	systemQuantity = systemKind("Quantity")
	systemClass    = systemKind("ClassInfo") // what type() returns
	systemKinds    = map[string]*kind{"Any": systemAny, "Boolean": systemBoolean, "String": systemString, "Integer": systemInteger, "Decimal": systemDecimal,
		"Date": systemDate, "DateTime": systemDateTime, "Time": systemTime, "Quantity": systemQuantity}
)

func systemKind(name string) *kind {
	k := &kind{name: name, system: true, base: systemAny}
	k.as = k
	return k
}

// bases are the types that others derive from; what is not listed derives from Element or DomainResource.
var bases = map[string]string{"code": "string", "id": "string", "markdown": "string", "url": "uri", "canonical": "uri", "oid": "uri", "uuid": "uri",
	"unsignedInt": "integer", "positiveInt": "integer", "Age": "Quantity", "Count": "Quantity", "Distance": "Quantity", "Duration": "Quantity",
	"MoneyQuantity": "Quantity", "SimpleQuantity": "Quantity", "BackboneElement": "Element", "Element": "", "Resource": "", "DomainResource": "Resource",
	"Bundle": "Resource", "Binary": "Resource", "Parameters": "Resource", "Timing": "BackboneElement", "Dosage": "BackboneElement", "ElementDefinition": "BackboneElement"}

var (
	kinds   sync.Map // name → *kind, complete
	kindsMu sync.Mutex
	growing = map[string]*kind{} // kindsMu is held
)

// kindOf returns the type of that name; one that FHIR does not know is open.
func kindOf(name string) *kind {
	if k, ok := kinds.Load(name); ok {
		return k.(*kind)
	}
	if !known(name) {
		return &kind{name: name, open: true}
	}
	kindsMu.Lock()
	defer kindsMu.Unlock()
	k := build(name)
	for n, g := range growing {
		kinds.Store(n, g)
	}
	clear(growing)
	return k
}

// known reports whether R4 defines a type, or a nested element of that path.
func known(name string) bool {
	return spec.IsPrimitive(name) || len(spec.Elements(name)) > 0 || name == "Resource" || name == "DomainResource" || bases[name] == "Quantity"
}

func build(name string) *kind {
	if k, ok := kinds.Load(name); ok {
		return k.(*kind)
	}
	if k := growing[name]; k != nil {
		return k
	}
	k := &kind{name: name, fields: map[string]*field{}, json: map[string]*field{}}
	growing[name] = k
	k.resource = spec.IsResource(name) || name == "Resource" || name == "DomainResource"
	k.primitive = spec.IsPrimitive(name)
	base, listed := bases[name]
	switch {
	case listed:
	case spec.IsResource(name):
		base = "DomainResource"
	default:
		base = "Element"
	}
	elements := spec.Elements(name)
	if strings.Contains(name, ".") {
		base = "Element"
		if slices.ContainsFunc(elements, func(e spec.Element) bool { return e.Name == "modifierExtension" }) {
			base = "BackboneElement"
		}
	}
	if len(elements) == 0 && bases[name] == "Quantity" {
		elements = spec.Elements("Quantity")
	}
	if base != "" {
		k.base = build(base)
	}
	k.as = systemOf(k)
	switch name {
	case "Resource":
		elements = elementsOf("Bundle", "id", "meta", "implicitRules", "language")
	case "DomainResource":
		elements = elementsOf("Basic", "id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension")
	}
	if k.primitive {
		elements = spec.Elements("Element")
	}
	for _, e := range elements {
		typ := e.Types[0]
		if _, path, nested := strings.Cut(typ, ":"); nested {
			typ = path
		}
		f := &field{name: e.Name, json: e.Name, kind: build(typ), many: e.Max != 1}
		if f.kind.primitive {
			f.companion = "_" + e.Name
		}
		k.json[e.Name] = f
		k.list = append(k.list, f)
		if e.Choice == "" {
			k.fields[e.Name] = f
			continue
		}
		f.name = strings.TrimSuffix(e.Choice, "[x]")
		stem := k.fields[f.name]
		if stem == nil {
			stem = &field{name: f.name, json: f.name, many: f.many}
			k.fields[f.name] = stem
		}
		stem.types = append(stem.types, f)
	}
	return k
}

func elementsOf(typ string, names ...string) []spec.Element {
	var list []spec.Element
	for _, e := range spec.Elements(typ) {
		for _, n := range names {
			if e.Name == n {
				list = append(list, e)
			}
		}
	}
	return list
}

func systemOf(k *kind) *kind {
	for b := k; b != nil; b = b.base {
		switch b.name {
		case "boolean":
			return systemBoolean
		case "integer":
			return systemInteger
		case "decimal":
			return systemDecimal
		case "date":
			return systemDate
		case "dateTime", "instant":
			return systemDateTime
		case "time":
			return systemTime
		case "Quantity":
			return systemQuantity
		}
	}
	if k.primitive {
		return systemString
	}
	return nil
}

// isA reports whether k is t or derived from it.
func (k *kind) isA(t *kind) bool {
	for ; k != nil; k = k.base {
		if k == t || k.name == t.name && k.system == t.system {
			return true
		}
	}
	return false
}

// resourceKind is the kind of a whole resource.
func resourceKind(n *fhir.Node) *kind {
	t := n.Child("resourceType")
	if t == nil || t.Kind != fhir.String {
		return &kind{open: true, resource: true}
	}
	if k := kindOf(t.Text); !k.open {
		return k
	}
	return &kind{name: t.Text, open: true, resource: true}
}
