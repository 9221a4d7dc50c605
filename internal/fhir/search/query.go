// Package search reads a FHIR search URL into a Query, and knows no SQL.
package search

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Query is one search, ready for the store.
type Query struct {
	Type        string   // resource type; "" = across types (only _id, _lastUpdated, _type)
	Types       []string // _type for system-wide searches and history
	Where       []Clause // all must hold
	Sort        []SortKey
	Count       int    // page size; 0 asks for the total only
	Cursor      string // opaque, from Page.Next
	Total       TotalMode
	Include     []Include
	RevInclude  []Include
	Compartment *Compartment // only what belongs to it; nil = no limit
	Contained   string       // _contained: "" = containers only, "true" = contained resources only, "both"
	Container   bool         // with Contained: show what contains the match (_containedType=container, the default)
	Scope       Scope
}

// Compartment is the address Patient/1/Observation: what belongs to one patient. Those of other types
// (Encounter, Practitioner, …) are clauses over their reference parameters.
type Compartment struct{ Type, ID string }

// Clause is one parameter: any of its values must hold.
type Clause struct {
	Param    *spec.Param // nil for ID and LastUpdated clauses
	Special  string      // when Param is nil: "_id", "_lastUpdated", "_text", "_content", "_list"
	Modifier string      // see below
	Values   []Value
	Missing  bool    // Modifier "missing": the wanted answer
	Chain    *Chain  // Values are empty then
	Has      *Has    // _has; Param is nil then
	Filter   *Filter // a tree of clauses; Param is nil then

	// Across is set in searches over several types (Query.Type ""): the clause as each type has it, by type;
	// types that are not in it do not match. Param is nil then.
	Across map[string]*Clause
}

// Modifiers of a Clause, as they reach the store:
//
//	missing     any parameter: Missing is the wanted answer, Values are empty
//	not         token: no value holds; also where the element is absent
//	exact       string: Text as written
//	contains    string: Text anywhere
//	equal, ends string, from _filter only: the whole folded text, its end
//	text        token: Text begins the display or text of the code
//	of-type     token (identifiers): System and Code are those of Identifier.type, Text the value
//	identifier  reference: System and Code are those of Reference.identifier
//	below       uri: Text itself or below it by path; reference: URL itself or a longer version of it (url|1 finds url|1.2)
//	Patient, …  reference: only to that type
//
// Of tokens, in, not-in, above and below, of references to a hierarchy (Location, Organization, …) above and below,
// and of references to patients and their _id person, become plain values or "not" by Resolve; :above of URIs and canonicals does by Parse.

// Person is the modifier that means all records of the person whose record is named; others call it mdm.
const (
	Person      = "person"
	personAlias = "mdm"
)

// Has asks for resources that others refer to: _has:Observation:patient:code=… ; nested by a Where that has a Has itself.
type Has struct {
	Type  string      // who refers
	Param *spec.Param // its reference parameter that leads here
	Where Clause      // what must hold there
}

// Filter combines clauses: "and", "or", "not" (its first part), or one Clause.
type Filter struct {
	Op     string
	Parts  []Filter
	Clause *Clause // Op ""
}

// Chain is one hop: subject:Patient.name=… ; Types lists the target types tried.
type Chain struct {
	Types []string
	Where map[string]Clause // by target type: the clause there
}

// Prefix compares ordered values.
type Prefix uint8

const (
	Eq Prefix = iota
	Ne
	Gt
	Lt
	Ge
	Le
	Sa
	Eb
	Ap
	Po // dates, from _filter only: the intervals overlap
)

// Value is one of the comma-separated values of a clause, parsed for the parameter's type.
type Value struct {
	Raw string

	Prefix Prefix

	// Token and Quantity: System nil = any system, "" = explicitly none ("|code").
	System *string
	Code   string // "" = any code of the system ("system|")

	Text string // String, URI, _id, _list, _text, _content; with "text" and "of-type" also tokens

	Low, High int64 // Date: UTC microseconds [Low, High) by the precision given

	Number        float64 // Number, Quantity
	NumLow, NumHi float64 // [NumLow, NumHi) by the significant digits given

	RefType, RefID string // Reference: type may be "" (bare id); URL for absolute ones
	URL            string

	Parts []Value // Composite: one for each of Param.Components, in their order
}

// SortKey is one key of _sort.
type SortKey struct {
	Param      *spec.Param // nil for Special
	Special    string      // "_id", "_lastUpdated"
	Descending bool
}

// TotalMode is _total.
type TotalMode uint8

const (
	TotalNone TotalMode = iota
	TotalEstimate
	TotalAccurate
)

// Include is _include or _revinclude: Source:param[:target].
type Include struct {
	Source  string
	Param   *spec.Param // nil = every reference parameter ("*")
	Target  string      // "" = any
	Iterate bool        // :iterate: applied to what was included, too
}

// Scope says whose records a search or read may touch. The zero value sees nothing
// but the shared registers. The store applies it on every hop.
type Scope struct {
	All     bool     // no limit
	Parties []string // sees whole what was granted to these ("Organization/…" or a facet of one), and all that they are custodian of
	Sights  []Sight  // what else is seen, and how much of it
	Own     []string // sees what these are custodian of and what is about nobody
	Types   []string // when not nil: only these resource types may be read (scopes of a token, minimum of a role)
	Only    []string // when not nil: nothing about other patients than these, "Patient/…" (patient/ scopes)
	Opens   []string // guarded kinds that are seen without a further reason; All opens every kind
}

// Sight is one way of seeing: of the patients granted to its parties, the resources of its types that its
// custodians keep. What is granted singly (store.Item) to one of its parties is seen whatever the types and custodians.
type Sight struct {
	Parties    []string
	Types      []string // nil = any
	Custodians []string // nil = whoever's
}

// Everything is the scope of the program itself, never of a request.
var Everything = Scope{All: true}

// Shared lists the types that hold no patient data and that everybody who is
// logged in may read when home is 0: the registers of the network.
var Shared = []string{"Organization", "OrganizationAffiliation", "Practitioner", "PractitionerRole", "Location", "HealthcareService", "Endpoint",
	"CodeSystem", "ValueSet", "ConceptMap", "NamingSystem", "StructureDefinition", "SearchParameter", "OperationDefinition", "CapabilityStatement", "CompartmentDefinition",
	"Questionnaire", "PlanDefinition", "ActivityDefinition", "Medication", "MedicationKnowledge", "Substance", "Measure", "Library"}

// Span is a half-open interval of time.
type Span struct{ From, To time.Time }
