package api

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

func TestAValueReadsAsPeopleMeasure(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"10.543853618829715", "10.544 fL"}, {"348.7965193460884", "348.8 fL"}, {"0.21", "0.21 fL"}, {"6.1234", "6.1234 fL"},
		{"120", "120 fL"}, {"-1.234567", "-1.2346 fL"}, {"0.000012345", "0.000012345 fL"}, {"250000.123456", "250000.123456 fL"},
	} {
		n, err := fhir.Parse([]byte(`{"resourceType":"Observation","valueQuantity":{"value":` + c.value + `,"unit":"fL"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := valueOf(n); got != c.want {
			t.Errorf("%s: got %q; want %q", c.value, got, c.want)
		}
	}
}
