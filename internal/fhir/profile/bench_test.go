package profile_test

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
)

// On one core over Synthea's resources: what $validate costs beside the structure, with R4's rules, and with the vital
// signs profile on every Observation.
func BenchmarkCheck(b *testing.B) {
	var resources, observations []*fhir.Node
	fhirtest.Each(b, fhirtest.Synthea, 6, func(_ string, data []byte) {
		n, err := fhir.Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range n.All("entry") {
			r := e.Child("resource")
			resources = append(resources, r)
			if r.Type() == "Observation" {
				observations = append(observations, r)
			}
		}
	})
	s, _, _ := publishedShelf(b)
	run := func(name string, list []*fhir.Node, do func(n *fhir.Node)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			count := 0
			for b.Loop() {
				for _, n := range list {
					do(n)
				}
				count += len(list)
			}
			b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "resources/s")
			b.ReportMetric(0, "ns/op")
		})
	}
	run("structure", resources, func(n *fhir.Node) { validate.Resource(n) })
	run("rules", resources, func(n *fhir.Node) { profile.Check(n, s, profile.Options{Rules: true}) })
	run("vitalsigns", observations, func(n *fhir.Node) {
		profile.Check(n, s, profile.Options{Profiles: []string{core + "vitalsigns"}})
	})
	run("bp", observations, func(n *fhir.Node) {
		profile.Check(n, s, profile.Options{Rules: true, Profiles: []string{core + "bp"}})
	})
	b.Run("compile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := profile.Compile(s.definitions[core+"bp"], s.Profile); err != nil {
				b.Fatal(err)
			}
		}
	})
}
