// Package spec answers what FHIR R4 defines: types, elements, search parameters, compartments, required codes.
package spec

//go:generate sh gen/fetch.sh

import (
	"maps"
	"slices"
	"strings"
)

// Canonical is our own base URL for everything that we define; it never changes.
const Canonical = "https://xinglin.health/fhir"

// ParamType is the type of a search parameter.
type ParamType uint8

const (
	Token ParamType = iota + 1
	String
	Date
	Number
	Quantity
	Reference
	URI
	Composite
	Special
)

// Param is one search parameter as it applies to one resource type.
type Param struct {
	ID         int32  // stable for ever: it stands in index rows; each type's parameter has its own
	Base       string // the resource type that it is for
	Code       string // "subject"
	Type       ParamType
	Expression string   // FHIRPath of the definition, reduced to the part for this type
	Targets    []string // Reference: the allowed types
	Sealed     bool     // indexed by HMAC only: resident and insurance identifiers, telecom, address
	URL        string
	Components []*Param // Composite: what each component takes; ID 0, Expression relative to the composite's own
}

// Element is one element of a type or resource.
type Element struct {
	Name     string   // "birthDate"; for a choice the concrete name, "valueQuantity"
	Types    []string // "code", "Reference", "BackboneElement:Patient.contact", …
	Min      int
	Max      int      // -1 = *
	Targets  []string // Reference: the allowed resource types; empty = any
	Choice   string   // "value[x]" when Name came from a choice
	Required string   // canonical of a required binding, "" when none
	Summary  bool
	Modifier bool
}

// Types lists the 146 resource types that can be stored, sorted.
func Types() []string { return loaded().types }

// IsResource reports whether t is a concrete resource type.
func IsResource(t string) bool { _, ok := loaded().typeID[t]; return ok }

// IsPrimitive reports whether t is a primitive datatype such as "dateTime".
func IsPrimitive(t string) bool { return loaded().primitives[t] }

// TypeID is the stable number of a resource type, 0 when there is none of that name.
func TypeID(t string) int16 { return loaded().typeID[t] }

// TypeName undoes TypeID; "" for an unknown number.
func TypeName(id int16) string { return loaded().typeName[id] }

// Params lists the search parameters of a resource type by code, those that every type has
// (_id, _lastUpdated, _tag, …) included.
func Params(t string) []*Param { return loaded().params[t] }

// Lookup finds a search parameter of a resource type; nil when there is none.
func Lookup(t, code string) *Param { return loaded().byCode[t][code] }

// ParamByID undoes Param.ID; nil for an unknown number.
func ParamByID(id int32) *Param {
	if l := loaded(); id > 0 && int(id) < len(l.byID) {
		return l.byID[id]
	}
	return nil
}

// Elements lists the elements of a resource type, a datatype or a path such as
// "Patient.contact" in the order of the definition; choices one by one.
func Elements(typeOrPath string) []Element { return loaded().elements[typeOrPath] }

// Codes returns the codes of a value set that some element requires; false when the set
// is not one of those or cannot be listed. The canonical may carry a version.
func Codes(valueset string) (map[string]bool, bool) {
	c := setOf(valueset)
	if c == nil {
		return nil, false
	}
	return c.all, true
}

// HasCode reports whether the value set holds the code; listed is false when the set
// cannot be listed. system "" asks in any system.
func HasCode(valueset, system, code string) (has, listed bool) {
	c := setOf(valueset)
	if c == nil {
		return false, false
	}
	if system == "" {
		return c.all[code], true
	}
	return c.bySystem[system][code], true
}

// SystemOf returns the code system of a value set, "" when it is unknown or there are several.
func SystemOf(valueset string) string {
	if c := setOf(valueset); c != nil {
		return c.system
	}
	return ""
}

// ValueSets lists the value sets that some element requires and that can be listed, in no order.
func ValueSets() []string {
	return slices.Collect(maps.Keys(loaded().codes))
}

func setOf(valueset string) *codeSet {
	l := loaded()
	if c := l.codes[valueset]; c != nil {
		return c
	}
	url, _, _ := strings.Cut(valueset, "|")
	return l.codes[url]
}

// CodesBySystem lists the codes of a value set that some element requires, by system; nil when the set is not one of
// those or cannot be listed.
func CodesBySystem(valueset string) map[string][]string {
	c := setOf(valueset)
	if c == nil {
		return nil
	}
	r := make(map[string][]string, len(c.bySystem))
	for system, codes := range c.bySystem {
		r[system] = slices.Sorted(maps.Keys(codes))
	}
	return r
}

// Compartments lists the types that have a compartment.
func Compartments() []string {
	return []string{"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"}
}

// CompartmentOf lists the search parameters that put a resource of type t into the compartment of another
// type; "{def}" is its own id. None when the type is not part of it.
func CompartmentOf(compartment, t string) []string {
	return loaded().compartments[compartment][t]
}

// InCompartment lists the types that can be in a compartment, sorted.
func InCompartment(compartment string) []string {
	return slices.Sorted(maps.Keys(loaded().compartments[compartment]))
}

// CompartmentParams lists the search parameters that put a resource of type t into a
// Patient's compartment; none when the type is not part of it.
func CompartmentParams(t string) []string { return CompartmentOf("Patient", t) }
