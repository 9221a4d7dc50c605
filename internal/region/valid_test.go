package region

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir/validate"
)

func TestEveryResourceIsValid(t *testing.T) {
	bad := 0
	for _, rec := range everything(t, New(1, Size{Patients: 400}, present)) {
		for _, issue := range validate.Resource(rec.Node) {
			if issue.Severity == "error" || issue.Severity == "fatal" {
				t.Errorf("%s/%s: %s: %s", rec.Node.Type(), rec.Node.ID(), issue.Expression, issue.Text)
				bad++
			}
		}
		if bad > 10 {
			t.FailNow()
		}
	}
}
