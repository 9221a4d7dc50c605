package rest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const zhang = `{"resourceType":"Patient","id":"mine","identifier":[{"system":"urn:id","value":"99-1"}],"name":[{"family":"张"}]}`

func TestCreateIgnoresTheIDAndNamesThePlace(t *testing.T) {
	h := newHub(t)
	r := h.want(201, county, "POST", "/Patient", zhang)
	id := r.node.ID()
	if id == "mine" || id == "" {
		t.Errorf("id: got %q; want one of the server's own", id)
	}
	if want := "http://hub.test/fhir/Patient/" + id + "/_history/1"; r.Header.Get("Location") != want {
		t.Errorf("Location: got %s; want %s", r.Header.Get("Location"), want)
	}
	h.audited("create", "Patient/"+id)
	h.want(404, county, "GET", "/Patient/mine", "")
}

func TestPreferSaysWhatComesBack(t *testing.T) {
	h := newHub(t)
	if r := h.want(201, county, "POST", "/Patient", zhang, "Prefer: return=minimal"); r.body != "" || r.Header.Get("Location") == "" {
		t.Errorf("minimal: got %q", r.body)
	}
	if r := h.want(201, county, "POST", "/Patient", zhang, "Prefer: return=OperationOutcome"); r.node.Type() != "OperationOutcome" {
		t.Errorf("OperationOutcome: got %s", r.body)
	}
	if r := h.want(201, county, "POST", "/Patient", zhang, "Prefer: return=representation"); r.node.Type() != "Patient" {
		t.Errorf("representation: got %s", r.body)
	}
}

func TestConditionalCreate(t *testing.T) {
	h := newHub(t)
	first := h.want(201, county, "POST", "/Patient", zhang, "If-None-Exist: identifier=urn:id|99-1")
	second := h.want(200, county, "POST", "/Patient", zhang, "If-None-Exist: identifier=urn:id|99-1")
	if first.node.ID() != second.node.ID() {
		t.Errorf("got %s and %s; want one patient", first.node.ID(), second.node.ID())
	}
	h.want(201, county, "POST", "/Patient", zhang)
	if r := h.want(412, county, "POST", "/Patient", zhang, "If-None-Exist: identifier=urn:id|99-1"); r.detail() != "multiple-matches" {
		t.Errorf("got %s; want multiple-matches", r.detail())
	}
	h.want(400, county, "POST", "/Patient", zhang, "If-None-Exist: nose=long")
	h.want(412, county, "POST", "/Patient", zhang, "If-None-Exist: _count=1")
	// what one may not see does not match
	h.want(201, stranger, "POST", "/Patient", zhang, "If-None-Exist: identifier=urn:id|99-1")
}

func TestConditionalCreateByManyClientsGivesOne(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		var wg sync.WaitGroup
		status := make([]int, 64)
		for i := range status {
			wg.Go(func() {
				status[i] = h.do(county, "POST", "/Patient", zhang, "If-None-Exist: identifier=urn:id|99-1").StatusCode
			})
		}
		wg.Wait()
		count := map[int]int{}
		for _, s := range status {
			count[s]++
		}
		if count[201] != 1 || count[200] != 63 {
			t.Errorf("got %v; want 201 once and 200 for the others", count)
		}
	})
}

func TestUpdate(t *testing.T) {
	h := newHub(t)
	r := h.put(county, zhang)
	if r.StatusCode != 201 || r.Header.Get("Location") == "" {
		t.Errorf("update as create: got %d, Location %q", r.StatusCode, r.Header.Get("Location"))
	}
	li, wang := strings.Replace(zhang, "张", "李", 1), strings.Replace(zhang, "张", "王", 1)
	if r := h.put(county, li); r.StatusCode != 200 || r.Header.Get("ETag") != `W/"2"` {
		t.Errorf("update: got %d %s", r.StatusCode, r.Header.Get("ETag"))
	}
	h.want(400, county, "PUT", "/Patient/other", zhang)
	h.want(400, county, "PUT", "/Patient/mine", `{"resourceType":"Observation","id":"mine"}`)
	h.want(200, county, "PUT", "/Patient/mine", wang, `If-Match: W/"2"`)
	if r := h.want(412, county, "PUT", "/Patient/mine", zhang, `If-Match: W/"2"`); r.detail() != "version-conflict" {
		t.Errorf("lost update: got %s", r.detail())
	}
	h.want(412, county, "PUT", "/Patient/mine", zhang, `If-None-Match: *`)
	h.want(412, county, "PUT", "/Patient/absent", strings.Replace(zhang, "mine", "absent", 1), `If-Match: W/"1"`)
	h.want(412, county, "DELETE", "/Patient/mine", "", `If-Match: W/"1"`)
	h.want(204, county, "DELETE", "/Patient/mine", "", `If-Match: W/"3"`)
}

func TestOneOfManyUpdatesWithTheSameVersionWins(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		h.put(county, zhang)
		var wg sync.WaitGroup
		status := make([]int, 32)
		for i := range status {
			wg.Go(func() {
				status[i] = h.do(county, "PUT", "/Patient/mine", strings.Replace(zhang, "张", fmt.Sprint("张", i), 1), `If-Match: W/"1"`).StatusCode
			})
		}
		wg.Wait()
		count := map[int]int{}
		for _, s := range status {
			count[s]++
		}
		if count[200] != 1 || count[412] != 31 {
			t.Errorf("got %v; want 200 once and 412 for the others", count)
		}
	})
}

func TestConditionalUpdateAndDelete(t *testing.T) {
	h := newHub(t)
	withoutID := strings.Replace(zhang, `"id":"mine",`, "", 1)
	r := h.want(201, county, "PUT", "/Patient?identifier=urn:id|99-1", withoutID)
	id := r.node.ID()
	if r := h.want(200, county, "PUT", "/Patient?identifier=urn:id|99-1", strings.Replace(withoutID, "张", "李", 1)); r.node.ID() != id || r.node.Str("meta.versionId") != "2" {
		t.Errorf("got %s", r.body)
	}
	h.want(400, county, "PUT", "/Patient?identifier=urn:id|99-1", zhang)
	h.want(412, county, "PUT", "/Patient", withoutID)
	h.want(412, county, "DELETE", "/Patient", "")
	h.want(204, stranger, "DELETE", "/Patient?identifier=urn:id|99-1", "")
	h.want(200, county, "GET", "/Patient/"+id, "")
	h.want(204, county, "DELETE", "/Patient?identifier=urn:id|99-1", "")
	h.want(410, county, "GET", "/Patient/"+id, "")
}

func TestInvalidResourcesAreRefusedWithEveryPlace(t *testing.T) {
	h := newHub(t)
	r := h.want(422, county, "POST", "/Patient", `{"resourceType":"Patient","gender":"manly","birthDate":"2026-02-31","nose":"long"}`)
	var places []string
	for _, is := range r.node.All("issue") {
		places = append(places, is.Str("expression[0]"))
	}
	for _, want := range []string{"Patient.gender", "Patient.birthDate", "Patient.nose"} {
		if !strings.Contains(strings.Join(places, " "), want) {
			t.Errorf("got places %v; want %s among them", places, want)
		}
	}
}

func TestDanglingReferencesAreRefused(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	of := func(patient string) string {
		return `{"resourceType":"Condition","subject":{"reference":"Patient/` + patient + `"},"encounter":{"reference":"Encounter/none"}}`
	}
	r := h.want(422, county, "POST", "/Condition", of("p1"))
	if r.detail() != "unknown-reference" || r.node.Str("issue[0].expression[0]") != "Condition.encounter.reference" {
		t.Errorf("got %s", r.body)
	}
	r = h.want(422, county, "POST", "/Condition", of("p2"))
	if r.detail() != "unknown-reference" && r.detail() != "unknown-patient" || len(r.node.All("issue")) != 2 {
		t.Errorf("got %s; want both references named", r.body)
	}
}

func TestOneMayReferToNoPatientThatOneCannotSee(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	condition := `{"resourceType":"Condition","subject":{"reference":"Patient/%s"}}`
	h.want(201, county, "POST", "/Condition", fmt.Sprintf(condition, "p1"))
	hidden := h.want(422, stranger, "POST", "/Condition", fmt.Sprintf(condition, "p1"))
	absent := h.want(422, stranger, "POST", "/Condition", fmt.Sprintf(condition, "zz"))
	if hidden.detail() != "unknown-patient" || absent.detail() != "unknown-patient" {
		t.Errorf("got %s and %s; want no difference", hidden.detail(), absent.detail())
	}
}

func TestOneChangesOnlyWhatOnesOwnHouseMade(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.want(409, stranger, "PUT", "/Patient/p1", strings.Replace(zhang, "mine", "p1", 1))
	h.want(204, stranger, "DELETE", "/Patient/p1", "")
	h.want(200, county, "GET", "/Patient/p1", "")
	h.want(403, county, "PUT", "/Organization/elsewhere", `{"resourceType":"Organization","id":"elsewhere","name":"mine now"}`)
	h.want(403, county, "POST", "/Practitioner", `{"resourceType":"Practitioner"}`)
	h.want(201, registry, "POST", "/Practitioner", `{"resourceType":"Practitioner","id":"x"}`)
	h.put(system, `{"resourceType":"Location","id":"ward","name":"hub's"}`)
	h.want(403, registry, "PUT", "/Location/ward", `{"resourceType":"Location","id":"ward","name":"mine now"}`)
}

func TestIdempotencyKey(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		first := h.want(201, county, "POST", "/Patient", zhang, "Idempotency-Key: k1")
		again := h.want(201, county, "POST", "/Patient", zhang, "Idempotency-Key: k1")
		if first.body != again.body || first.Header.Get("Location") != again.Header.Get("Location") {
			t.Errorf("got %s then %s; want the same answer", first.body, again.body)
		}
		if r := h.want(422, county, "POST", "/Patient", strings.Replace(zhang, "张", "李", 1), "Idempotency-Key: k1"); r.detail() != "key-reused" {
			t.Errorf("another body: got %s", r.detail())
		}
		h.want(201, stranger, "POST", "/Patient", strings.Replace(zhang, "张", "李", 1), "Idempotency-Key: k1") // keys belong to their client
		if r := h.want(200, county, "GET", "/Patient?_summary=count", ""); r.node.Str("total") != "1" {
			t.Errorf("got %s patients; want 1", r.node.Str("total"))
		}
		var wg sync.WaitGroup
		ids := make([]string, 16)
		for i := range ids {
			wg.Go(func() { ids[i] = h.do(county, "POST", "/Patient", zhang, "Idempotency-Key: k2").node.ID() })
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] || id == "" {
				t.Fatalf("16 clients with one key: got %v; want one patient", ids)
			}
		}
	})
}

func TestTokenScopes(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.observation(county, "o1", "p1", "2026-01-01")
	reader, writer, old := program("system/Observation.rs"), program("system/Observation.cruds"), program("system/Observation.read")
	h.want(200, reader, "GET", "/Observation/o1", "")
	h.want(200, old, "GET", "/Observation?code=8867-4", "")
	h.want(403, reader, "GET", "/Patient/p1", "")
	h.want(403, reader, "DELETE", "/Observation/o1", "")
	h.want(403, old, "POST", "/Observation", `{"resourceType":"Observation"}`)
	h.want(403, program("system/Observation.rs?category=x"), "GET", "/Observation/o1", "")
	if r := h.want(200, reader, "GET", "/Observation?_include=Observation:subject", ""); r.ids() != "Observation/o1" {
		t.Errorf("include beyond the scopes: got %s", r.ids())
	}
	h.want(201, writer, "PUT", "/Observation/o2", `{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}`)
	r := h.want(200, reader, "POST", "/", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/p1"}},{"request":{"method":"GET","url":"Observation/o1"}}]}`)
	if got := r.node.Str("entry[0].response.status") + ", " + r.node.Str("entry[1].response.status"); got != "403 Forbidden, 200 OK" {
		t.Errorf("entries of a batch: got %s", got)
	}
	h.want(403, reader, "POST", "/", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Observation/o1"}}]}`)
}
