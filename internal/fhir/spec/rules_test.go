package spec_test

import (
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

func TestInvariantsAreThoseOfR4(t *testing.T) {
	keys := func(path string) string {
		var b []string
		for _, i := range spec.Invariants(path) {
			b = append(b, i.Key)
			if i.Expression == "" || i.Human == "" || i.Zh == "" || i.Severity != "error" && i.Severity != "warning" {
				t.Errorf("%s %s: incomplete: %+v", path, i.Key, i)
			}
		}
		return strings.Join(b, " ")
	}
	for path, want := range map[string]string{
		"DomainResource":       "dom-2 dom-3 dom-4 dom-5 dom-6",
		"Element":              "ele-1",
		"Extension":            "ele-1 ext-1",
		"Patient":              "",
		"Patient.contact":      "pat-1",
		"Period":               "per-1",
		"SimpleQuantity":       "sqty-1",
		"Observation":          "obs-6 obs-7",
		"Timing.repeat":        "tim-1 tim-2 tim-4 tim-5 tim-6 tim-7 tim-8 tim-9 tim-10",
		"Organization.address": "org-2",
	} {
		if got := keys(path); got != want {
			t.Errorf("%s: got %q; want %q", path, got, want)
		}
	}
	for _, typ := range spec.Types() {
		keys(typ)
	}
}

func TestLooserBindingsAndProfilesOfTypes(t *testing.T) {
	if b, ok := spec.Looser("Observation.interpretation"); !ok || b.Strength != "extensible" || b.ValueSet != "http://hl7.org/fhir/ValueSet/observation-interpretation" {
		t.Errorf("got %+v", b)
	}
	if got := spec.ProfileOf("Observation.referenceRange.low", "Quantity"); got != "SimpleQuantity" {
		t.Errorf("got %q; want SimpleQuantity", got)
	}
}
