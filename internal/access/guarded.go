package access

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Kinds of data that need a further reason. Their numbers in the store are their order in guarded.json: only append.
const (
	Psychiatry = "psychiatry"
	HIV        = "hiv"
	Genetics   = "genetics"
	Staff      = "staff" // own staff as patients: holds for the whole record
	Abuse      = "abuse" // hidden from the guardian, opened for the safeguarding duty
)

// Kind is a guarded kind of data and how it is recognised.
type Kind struct {
	Code        string   `json:"code"`
	Zh          string   `json:"zh"`
	En          string   `json:"en"`
	Labels      []string `json:"labels"` // codes of meta.security
	ICD         []string `json:"icd"`    // prefixes
	LOINC       []string `json:"loinc"`
	Departments []string `json:"departments"` // pieces of names of departments that work with it every day
	Record      bool     `json:"record"`      // of a Patient: the whole record; nothing else has it by itself
}

//go:embed guarded.json
var guardedJSON []byte

var guarded = func() (kinds []Kind) {
	var file struct{ Kinds []Kind }
	if err := json.Unmarshal(guardedJSON, &file); err != nil {
		panic("access: guarded.json: " + err.Error())
	}
	return file.Kinds
}()

// Kinds lists the guarded kinds.
func Kinds() []Kind { return guarded }

var guardedKinds = func() (codes []string) {
	for _, k := range guarded {
		codes = append(codes, k.Code)
	}
	return codes
}()

// GuardedKinds are their codes in their fixed order, for store.Options.Kinds.
func GuardedKinds() []string { return guardedKinds }

// coded are the elements that tell what a resource is about, by type.
var coded = map[string][]string{
	"Condition":           {"code"},
	"Observation":         {"code", "valueCodeableConcept"},
	"DiagnosticReport":    {"code", "conclusionCode"},
	"Procedure":           {"code", "reasonCode"},
	"Encounter":           {"reasonCode", "type", "serviceType"},
	"ServiceRequest":      {"code", "reasonCode"},
	"MedicationRequest":   {"reasonCode"},
	"DocumentReference":   {"type", "category"},
	"Composition":         {"type", "category"},
	"Media":               {"type"},
	"ImagingStudy":        {"reasonCode"},
	"CarePlan":            {"category"},
	"FamilyMemberHistory": {"condition"},
	"AllergyIntolerance":  {"code"},
}

// Guarded names the kinds of guarded data that a resource is of, for store.Options.Guarded. A label always counts;
// codes count where the type has them.
func Guarded(n *fhir.Node) []string {
	var kinds []string
	add := func(code string) {
		if !slices.Contains(kinds, code) {
			kinds = append(kinds, code)
		}
	}
	typ := n.Type()
	for _, label := range n.All("meta.security") {
		for i := range guarded {
			if slices.Contains(guarded[i].Labels, label.Str("code")) && (!guarded[i].Record || typ == "Patient") {
				add(guarded[i].Code)
			}
		}
	}
	for _, element := range coded[typ] {
		for _, concept := range n.All(element) {
			for _, c := range concept.All("coding") {
				for i := range guarded {
					if guarded[i].holds(c.Str("system"), c.Str("code")) {
						add(guarded[i].Code)
					}
				}
			}
		}
	}
	return kinds
}

func (k *Kind) holds(system, code string) bool {
	if code == "" {
		return false
	}
	if system == "http://loinc.org" {
		return slices.Contains(k.LOINC, code)
	}
	if !strings.Contains(strings.ToLower(system), "icd") {
		return false
	}
	return slices.ContainsFunc(k.ICD, func(prefix string) bool { return strings.HasPrefix(code, prefix) })
}

// daily are the kinds with which a department of this name works every day.
func daily(name string) []string {
	var kinds []string
	for i := range guarded {
		if slices.ContainsFunc(guarded[i].Departments, func(piece string) bool { return strings.Contains(name, piece) }) {
			kinds = append(kinds, guarded[i].Code)
		}
	}
	return kinds
}
