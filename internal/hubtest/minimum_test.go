package hubtest_test

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/hubtest"
)

const insurance = "zongyibao" // of the county group

func TestTheInsuranceOfficeSeesTheLeast(t *testing.T) {
	h := hubtest.New(t)
	if a := h.Call(hubtest.Village, "POST", "/fhir/Task/$start", hubtest.Ask("line", "referral", "flow", "up", "patient", "Patient/p0001", "to", "Organization/centre", "urgency", "routine", "reason", "胸痛", "coordinator", "村医",
		"phone", "0990-5500001", "filing", "to-file", "insurance-place", "青榆县", "consent", "patient", "documents", "Condition/p0001-condition-1")); a.Status != 201 {
		t.Fatalf("start: %d %s", a.Status, a.Body)
	}
	h.Run([]hubtest.Scenario{
		{Name: "the patient of its errand", As: insurance, URL: "/fhir/Patient/p0001", Status: 200, Content: []string{"SUBSETTED", "identifier"}, NotContent: []string{`"address"`}, Audit: -1},
		{Name: "by search", As: insurance, URL: "/fhir/Patient?_id=p0001", Status: 200, Content: []string{"SUBSETTED"}, NotContent: []string{`"address"`}, Audit: -1},
		{Name: "in history", As: insurance, URL: "/fhir/Patient/p0001/_history", Status: 200, Content: []string{"SUBSETTED"}, NotContent: []string{`"address"`}, Audit: -1},
		{Name: "beside its tasks", As: insurance, URL: "/fhir/Task?_include=Task:patient", Status: 200, NotContent: []string{`"postalCode"`}, Audit: -1},
		{Name: "in a batch", As: insurance, Method: "POST", URL: "/fhir", Body: `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/p0001"}}]}`, Status: 200, NotContent: []string{`"postalCode"`}, Audit: -1},
		{Name: "not by other elements", As: insurance, URL: "/fhir/Patient?address=东岭", Status: 403, Content: []string{"beyond-minimum"}, Audit: -1},
		{Name: "nor in their order", As: insurance, URL: "/fhir/Patient?_sort=address", Status: 403, Audit: -1},
		{Name: "nor through a chain", As: insurance, URL: "/fhir/Task?patient.address=东岭", Status: 403, Audit: -1},
		{Name: "nor by _has", As: insurance, URL: "/fhir/Patient?_has:Condition:patient:code=I10", Status: 403, Audit: -1},
		{Name: "no graph", As: insurance, Method: "POST", URL: "/fhir/$graphql", Body: `{"query":"{Patient(id:\"p0001\"){address{text}}}"}`, Status: 403, Audit: -1},
		{Name: "no diagnosis", As: insurance, URL: "/fhir/Condition/p0001-condition-1", Status: 404, Audit: -1},
	})
}
