package profile_test

import (
	"os"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
)

// Synthea's patients keep R4's invariants, all of them.
func TestSyntheaKeepsTheInvariants(t *testing.T) {
	limit := 10
	if os.Getenv("XINGLIN_ALL") != "" {
		limit = 0
	}
	s, _, _ := publishedShelf(t)
	resources, found := 0, map[string]int{}
	first := map[string]string{}
	began := time.Now()
	fhirtest.Each(t, fhirtest.Synthea, limit, func(name string, data []byte) {
		n, err := fhir.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		resources += len(n.All("entry"))
		for _, i := range profile.Check(n, s, profile.Options{Rules: true}) {
			if i.Severity == "error" || i.Code == "too-costly" {
				found[i.Detail]++
				first[i.Detail] = i.Expression + ": " + i.Text
			}
		}
	})
	t.Logf("%d resources in %v", resources, time.Since(began))
	for detail, count := range found {
		t.Errorf("%s: %d times, such as %s", detail, count, first[detail])
	}
}
