package safeguard

import (
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

var rules = map[string][]line.Rule{
	"suspect": {needsPatient},
}

// A suspicion is about a patient whom the reporter sees; several reports of one patient are several.
func needsPatient(c line.Call) error {
	if c.Read.Get(c.Params.Str("patient")) == nil {
		return fhir.Refuse(422, "not-found", "unknown-patient", "the patient does not exist or is not visible to you", "找不到该患者，或您无权查看")
	}
	return nil
}
