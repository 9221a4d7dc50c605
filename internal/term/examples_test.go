package term_test

import (
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/term"
)

// HL7's own code systems, value sets and maps of R4.
func TestPublishedTerminologyIsTakenAndExpands(t *testing.T) {
	h := open(t, storetest.Memory)
	var sets []string
	stored := map[string]int{}
	fhirtest.Each(t, "fhir-r4-examples/hl7.fhir.r4.examples-4.0.1.tar.xz", 0, func(name string, data []byte) {
		if !strings.Contains(name, "CodeSystem-") && !strings.Contains(name, "ValueSet-") && !strings.Contains(name, "ConceptMap-") {
			return
		}
		n, err := fhir.Parse(data)
		if err != nil || n.Type() != "CodeSystem" && n.Type() != "ValueSet" && n.Type() != "ConceptMap" {
			return
		}
		if err := h.tryPut(n); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		stored[n.Type()]++
		if n.Type() == "ValueSet" {
			sets = append(sets, n.ID())
		}
	})
	reasons := map[string]int{}
	for _, id := range sets {
		_, err := h.Expand(ctx, term.Expand{Where: term.Where{ID: id}, Count: 100})
		why := "expanded"
		if err != nil {
			why = detail(err)
		}
		reasons[why]++
		switch why {
		case "expanded", "unknown-code-system", "unknown-value-set": // SNOMED CT, LOINC and others are not among the examples
		default:
			t.Errorf("ValueSet/%s: %v", id, err)
		}
	}
	t.Logf("stored %v; value sets: %v", stored, reasons)
	if stored["CodeSystem"] < 100 || reasons["expanded"] < len(sets)/2 {
		t.Errorf("stored %v, value sets %v; want most of them", stored, reasons)
	}
}
