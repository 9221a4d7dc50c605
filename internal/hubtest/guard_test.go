package hubtest_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/hubtest"
)

// However a write comes, the Task of a line changes only by its steps.
func TestATaskOfALineChangesOnlyByStepsHoweverTheWriteComes(t *testing.T) {
	h := hubtest.New(t)
	begun := h.Call(hubtest.Village, "POST", "/fhir/Task/$start", referral("Patient/p0001"))
	if begun.Status != 201 {
		t.Fatalf("start: %d %s", begun.Status, begun.Body)
	}
	var task struct{ ID string }
	begun.JSON(t, &task)
	url := "/fhir/Task/" + task.ID
	patch := `[{"op":"replace","path":"/status","value":"completed"}]`
	path := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Task.status"},{"name":"value","valueCode":"completed"}]}]}`
	entry := func(resource, method, url string) string {
		return fmt.Sprintf(`{"resource":%s,"request":{"method":%q,"url":%q}}`, resource, method, url)
	}
	binary := fmt.Sprintf(`{"resourceType":"Binary","contentType":"application/json-patch+json","data":%q}`, base64.StdEncoding.EncodeToString([]byte(patch)))
	changed := strings.Replace(string(begun.Body), `"status":"`, `"status":"completed","x-status":"`, 1)
	changed = strings.Replace(changed, `"x-status":"requested",`, "", 1)
	for _, c := range []struct {
		name, method, url, body string
		header                  []string
	}{
		{"JSON Patch", "PATCH", url, patch, []string{"Content-Type", "application/json-patch+json"}},
		{"FHIRPath Patch", "PATCH", url, path, nil},
		{"conditional patch", "PATCH", "/fhir/Task?_id=" + task.ID, path, nil},
		{"an update", "PUT", url, changed, nil},
		{"a tag", "POST", url + "/$meta-add", `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}`, nil},
		{"a delete", "DELETE", url, "", nil},
		{"a patch in a transaction", "POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[` + entry(binary, "PATCH", "Task/"+task.ID) + `]}`, nil},
		{"a patch of Parameters in a transaction", "POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[` + entry(path, "PATCH", "Task/"+task.ID) + `]}`, nil},
	} {
		a := h.Call(hubtest.Village, c.method, c.url, c.body, c.header...)
		if a.Status != 422 || !strings.Contains(string(a.Body), "only-by-steps") {
			t.Errorf("%s: got %d %s; want 422 only-by-steps", c.name, a.Status, a.Body)
		}
	}
	a := h.Call(hubtest.Village, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[`+entry(path, "PATCH", "Task/"+task.ID)+`]}`)
	if a.Status != 200 || !strings.Contains(string(a.Body), "only-by-steps") {
		t.Errorf("in a batch: got %d %s", a.Status, a.Body)
	}
	if now := h.Call(hubtest.Village, "GET", url, ""); strings.Contains(string(now.Body), `"completed"`) || !strings.Contains(string(now.Body), `"versionId":"1"`) {
		t.Errorf("the Task has changed: %s", now.Body)
	}
}
