// Package profile checks a resource against R4's invariants and against the profiles that people write for it.
package profile

import (
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
)

// Profile is a StructureDefinition made ready: only what it adds to R4 is kept. It never changes.
type Profile struct {
	URL, Version, Name string
	Type               string       // "Observation", "Extension", …
	Notes              []fhir.Issue // what of the definition cannot be checked; warnings

	contexts []context // of an extension: where it may stand
	root     *rule
	rules    int
}

type context struct{ kind, expression string }

// Rules is how many element rules are kept, a measure of the memory that a profile takes.
func (p *Profile) Rules() int { return p.rules }

// rule is what a profile asks of one element, or of one slice of it.
type rule struct {
	name  string // of the element: "identifier", "value[x]"; of the root the type
	slice string // "mrn", "" when it is no slice
	id    string // as definitions name it: Patient.identifier:mrn

	min, max   int // 0 and -1 = as R4 has it
	types      []typeRule
	fixed      *fhir.Node
	pattern    *fhir.Node
	least      *fhir.Node // minValue
	most       *fhir.Node // maxValue
	length     int        // maxLength, 0 = none
	binding    *binding
	invariants []*invariant
	slicing    *slicing
	slices     []*rule
	children   []*rule
	short      []string // of a choice: the types that a definition names as elements of their own, valueQuantity
	same       string   // contentReference: the id of the element whose children these are
}

type typeRule struct {
	code     string
	profiles []string
	targets  []string
}

type binding struct {
	strength, set string
	top           string // maxValueSet: what is not in set must be in this one
}

type slicing struct {
	discriminators []discriminator
	rules          string // open, closed, openAtEnd
	ordered        bool
}

type discriminator struct {
	kind, path string
	steps      []step
}

type invariant struct {
	key, severity, human, zh, text string
	expression                     *fhirpath.Expression
}

func (r *rule) child(name string) *rule {
	for _, c := range r.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// Definitions is where a check finds what a resource names. One serves one check.
type Definitions interface {
	// Profile finds a profile by its canonical, with or without |version; nil when it is not known.
	Profile(canonical string) *Profile
	// Has reports whether a value set holds a code; known is false when the set is not here. System "" is any.
	Has(valueset, system, code string) (has, known bool)
	// Resolve reads what a reference names, nil when it is not here or not for the caller to see.
	Resolve(reference string) *fhir.Node
}

// Nothing knows no definitions: only R4's own rules are checked.
type Nothing struct{}

func (Nothing) Profile(string) *Profile              { return nil }
func (Nothing) Has(_, _, _ string) (has, known bool) { return false, false }
func (Nothing) Resolve(string) *fhir.Node            { return nil }

const core = "http://hl7.org/fhir/StructureDefinition/"
