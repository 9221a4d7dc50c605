package rest_test

import (
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// Synthea's Observations through the door, one after the other: by R4's rules, and by the vital signs profile; with a
// reference to look up in the caller's scope.
func BenchmarkValidate(b *testing.B) {
	h := newChecked(b, storetest.Memory, false)
	h.options.AllowDangling = false
	h.patient(county, "p", "张")
	fhirtest.Each(b, fhirtest.Examples, 0, func(name string, data []byte) {
		if strings.HasSuffix(name, "/StructureDefinition-vitalsigns.json") {
			h.put(system, string(data))
		}
	})
	var bodies []string
	fhirtest.Each(b, fhirtest.Synthea, 3, func(_ string, data []byte) {
		n, err := fhir.Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range n.All("entry") {
			if r := e.Child("resource"); r.Type() == "Observation" {
				r.Set("encounter", nil)
				bodies = append(bodies, string(r.Set("subject.reference", "Patient/p").JSON()))
			}
		}
	})
	for _, c := range []struct{ name, query string }{{"rules", ""}, {"vitalsigns", "?profile=http://hl7.org/fhir/StructureDefinition/vitalsigns"}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.want(200, county, "POST", "/Observation/$validate"+c.query, bodies[i%len(bodies)])
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
