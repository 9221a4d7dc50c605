package hubtest_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/hubtest"
)

// parts is a Parameters body of raw parts.
func parts(list ...string) string {
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(list, ",") + `]}`
}

func side(name, patient string) string {
	return fmt.Sprintf(`{"name":%q,"valueReference":{"reference":"Patient/%s"}}`, name, patient)
}

// The index by FHIR, on a whole hub: who sees both records of a person is told of both, who sees one of one, and
// nobody learns more by asking otherwise.
func TestPersonsByFHIRTellNobodyMore(t *testing.T) {
	h := hubtest.New(t)
	catchUp(t, h)
	const number = "990301197103052017"
	sends(t, h, "county-1", patient("za", "周文彬", "1971-03-05", number, "19901990001", home), condition("za-1", "za", "高血压"))
	sends(t, h, "village-001", patient("zc", "周文斌", "1971-03-05", number, "19901990001", home), condition("zc-1", "zc", "青霉素过敏性休克史"))
	sends(t, h, "county-1", `{"resourceType":"Patient","id":"zd","active":true,"name":[{"text":"周大爷"}],"gender":"male"}`, condition("zd-1", "zd", "肺炎"))

	who := h.Call(groupDesk, "GET", "/fhir/Person?link=Patient/za", "")
	person := regexp.MustCompile(`"id":"(\d+)"`).FindStringSubmatch(string(who.Body))
	if person == nil {
		t.Fatalf("who sees both sees no person: %s", who.Body)
	}
	match := parts(`{"name":"resource","resource":` + patient("x", "周文彬", "1971-03-05", number, "19901990001", home) + `}`)
	pix := "/fhir/Patient/$ihe-pix?sourceIdentifier=https://xinglin.health/fhir/sid/resident-id%7C" + number
	merge := parts(side("source-patient", "zd"), side("target-patient", "za"), `{"name":"reason","valueString":"重复建档"}`)
	undo := parts(side("source-patient", "zd"), side("target-patient", "za"), `{"name":"reason","valueString":"不是同一人"}`)
	both, one := []string{"Patient/za", "Patient/zc"}, []string{"Patient/za"}
	other := []string{"Patient/zc", "周文斌"}
	h.Run([]hubtest.Scenario{
		{Name: "a person, for who sees both", As: groupDesk, URL: "/fhir/Person/" + person[1], Status: 200, Content: both, Audit: 1},
		{Name: "no person for who sees one", As: countyDesk, URL: "/fhir/Person/" + person[1], Status: 404, NotContent: []string{"za", "zc"}, Audit: -1},
		{Name: "nor by a search", As: countyDesk, URL: "/fhir/Person?link=Patient/za", Status: 200, Content: []string{`"total":0`}, NotContent: other, Audit: 1},
		{Name: "nor by the number", As: countyDesk, URL: "/fhir/Person?identifier=https://xinglin.health/fhir/sid/resident-id%7C" + number, Status: 200, Content: []string{`"total":0`}, Audit: 1},
		{Name: "links of both", As: groupDesk, URL: "/fhir/Patient/za", Status: 200, Content: []string{"Patient/zc", "seealso", "linked-by-index"}, Audit: 1},
		{Name: "no link to what he does not see", As: countyDesk, URL: "/fhir/Patient/za", Status: 200, NotContent: []string{"zc", "seealso"}, Audit: 1},
		{Name: "everything of both", As: groupDesk, URL: "/fhir/Patient/za/$everything", Status: 200, Content: []string{"高血压", "青霉素过敏性休克史"}, Audit: 1},
		{Name: "everything of the one", As: countyDesk, URL: "/fhir/Patient/za/$everything", Status: 200, Content: []string{"高血压"}, NotContent: []string{"青霉素", "zc"}, Audit: 1},
		{Name: "search by person", As: groupDesk, URL: "/fhir/Condition?patient:person=Patient/za", Status: 200, Content: []string{"高血压", "青霉素过敏性休克史"}, Audit: 1},
		{Name: "search by person, of the one", As: countyDesk, URL: "/fhir/Condition?patient:person=Patient/za&_total=accurate", Status: 200, Content: []string{`"total":1`}, NotContent: []string{"青霉素"}, Audit: 1},
		{Name: "matches both", As: groupDesk, Method: "POST", URL: "/fhir/Patient/$match", Body: match, Status: 200, Content: append(both[:0:0], `"id":"za"`, `"id":"zc"`, `"valueCode":"certain"`), Audit: 1},
		{Name: "matches what he sees", As: countyDesk, Method: "POST", URL: "/fhir/Patient/$match", Body: match, Status: 200, Content: []string{`"id":"za"`, `"total":1`}, NotContent: other, Audit: 1},
		{Name: "a stranger matches nobody", As: hubtest.Stranger, Method: "POST", URL: "/fhir/Patient/$match", Body: match, Status: 200, Content: []string{`"total":0`}, NotContent: []string{"周文", "za"}, Audit: 1},
		{Name: "who runs the system matches nobody", As: hubtest.Administrator, Method: "POST", URL: "/fhir/Patient/$match", Body: match, Status: 200, Content: []string{`"total":0`}, NotContent: []string{"周文"}, Audit: 1},
		{Name: "cross references of both", As: groupDesk, URL: pix, Status: 200, Content: both, Audit: 1},
		{Name: "cross references of the one", As: countyDesk, URL: pix, Status: 200, Content: one, NotContent: other, Audit: 1},
		{Name: "a stranger has none", As: hubtest.Stranger, URL: pix, Status: 404, NotContent: []string{"za", "zc"}, Audit: -1},
		{Name: "a doctor does not merge", As: hubtest.CountyReceiver, Method: "POST", URL: "/fhir/Patient/$merge", Body: merge, Status: 403, Content: []string{"may-not-merge"}, Audit: -1},
		{Name: "another hospital's desk does not find them", As: partnerDesk, Method: "POST", URL: "/fhir/Patient/$merge", Body: merge, Status: 422, Content: []string{"unknown-patient"}, NotContent: []string{"周"}, Audit: -1},
		{Name: "nor into its own", As: countyDesk, Method: "POST", URL: "/fhir/Patient/$merge", Body: parts(side("source-patient", "za"), side("target-patient", "zc"), `{"name":"reason","valueString":"x"}`), Status: 422, Content: []string{"unknown-patient"}, NotContent: []string{"周"}, Audit: -1},
		{Name: "a preview", As: countyDesk, Method: "POST", URL: "/fhir/Patient/$merge", Body: parts(side("source-patient", "zd"), side("target-patient", "za"), `{"name":"reason","valueString":"x"}`, `{"name":"preview","valueBoolean":true}`), Status: 200, Content: []string{"preview"}, Events: map[string]int{"*": 0}, Audit: 1},
		{Name: "the desk merges its own two records", As: countyDesk, Method: "POST", URL: "/fhir/Patient/$merge", Body: merge, Status: 200, Content: []string{`"replaces"`, `"completed"`}, Audit: -1},
		{Name: "what was written about the one is found by the other", As: countyDesk, URL: "/fhir/Condition?patient:person=Patient/za&_total=accurate", Status: 200, Content: []string{`"total":2`, "肺炎", "高血压"}, NotContent: []string{"青霉素"}, Audit: 1},
		{Name: "another desk does not take it back", As: partnerDesk, Method: "POST", URL: "/fhir/Patient/$unmerge", Body: undo, Status: 422, Content: []string{"unknown-patient"}, Audit: -1},
		{Name: "it is taken back", As: countyDesk, Method: "POST", URL: "/fhir/Patient/$unmerge", Body: undo, Status: 200, NotContent: []string{`"replaces"`, `"replaced-by"`, `"active":false`}, Audit: -1},
		{Name: "and each has its own again", As: countyDesk, URL: "/fhir/Condition?patient:person=Patient/za&_total=accurate", Status: 200, Content: []string{`"total":1`, "高血压"}, NotContent: []string{"肺炎"}, Audit: 1},
		{Name: "Persons are not written", As: countyDesk, Method: "PUT", URL: "/fhir/Person/" + person[1], Body: `{"resourceType":"Person","id":"` + person[1] + `"}`, Status: 405, Content: []string{"person-not-written"}, Audit: -1},
	})
}
