// Package spec answers what FHIR R4 defines: types, elements, search parameters, compartments, required codes.
package spec

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
	ID         int32  // stable for ever: it stands in index rows
	Code       string // "subject"
	Type       ParamType
	Expression string   // FHIRPath of the definition, reduced to the part for this type
	Targets    []string // Reference: the allowed types
	Sealed     bool     // indexed by HMAC only: resident and insurance identifiers, telecom, address
	URL        string
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
