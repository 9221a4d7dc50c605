package rest_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const jsonPatch = "Content-Type: application/json-patch+json"

func TestPatch(t *testing.T) {
	h := newHub(t)
	h.put(county, `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"体温"},"valueQuantity":{"value":36.50,"unit":"Cel"}}`)
	h.audit.take()
	r := h.want(200, county, "PATCH", "/Observation/o", `[{"op":"test","path":"/status","value":"final"},{"op":"replace","path":"/status","value":"amended"}]`, jsonPatch)
	if r.Header.Get("ETag") != `W/"2"` || r.node.Str("status") != "amended" || !strings.Contains(r.body, `"value":36.50`) {
		t.Errorf("got %s %s", r.Header.Get("ETag"), r.body)
	}
	if entries := h.audit.take(); len(entries) != 1 || entries[0].What != "patch" || entries[0].Action != "U" || entries[0].Target != "Observation/o" {
		t.Errorf("audit: got %+v; want one entry of patch", entries)
	}
	for _, c := range []struct {
		name, url, patch string
		status           int
		detail           string
		headers          []string
	}{
		{"a failing test", "/Observation/o", `[{"op":"test","path":"/status","value":"final"}]`, 422, "patch-test", nil},
		{"nothing is there", "/Observation/o", `[{"op":"remove","path":"/note"}]`, 422, "patch-path", nil},
		{"the result is not valid", "/Observation/o", `[{"op":"remove","path":"/status"}]`, 422, "missing-element", nil},
		{"another type", "/Observation/o", `[{"op":"replace","path":"/resourceType","value":"Patient"}]`, 422, "patch-identity", nil},
		{"another id", "/Observation/o", `[{"op":"replace","path":"/id","value":"p"}]`, 422, "patch-identity", nil},
		{"no patch", "/Observation/o", `[{"op":"shake","path":"/id"}]`, 400, "bad-patch", nil},
		{"no JSON", "/Observation/o", `[{`, 400, "bad-json", nil},
		{"a version that has passed", "/Observation/o", `[]`, 412, "version-conflict", []string{`If-Match: W/"1"`}},
		{"nobody has heard of it", "/Observation/none", `[]`, 404, "not-found", nil},
		{"no such match", "/Observation?code=none", `[]`, 404, "not-found", nil},
		{"no criteria", "/Observation", `[]`, 412, "no-criteria", nil},
		{"a reference to nobody", "/Observation/o", `[{"op":"add","path":"/subject","value":{"reference":"Patient/none"}}]`, 422, "unknown-patient", nil},
		{"a resource", "/Observation/o", `{"resourceType":"Observation"}`, 400, "bad-patch", []string{"Content-Type: application/fhir+json"}},
		{"a body of no type", "/Observation/o", `[]`, 415, "format-unsupported", []string{"Content-Type: text/plain"}},
	} {
		r := h.do(county, "PATCH", c.url, c.patch, append([]string{jsonPatch}, c.headers...)...)
		if r.StatusCode != c.status || r.detail() != c.detail {
			t.Errorf("%s: got %d %s; want %d %s", c.name, r.StatusCode, r.body, c.status, c.detail)
		}
	}
	h.want(404, stranger, "PATCH", "/Observation/o", `[]`, jsonPatch)
	h.want(404, stranger, "PATCH", "/Observation?status=amended", `[]`, jsonPatch)
	if r := h.want(200, county, "PATCH", "/Observation?status=amended", `[{"op":"replace","path":"/status","value":"final"}]`, jsonPatch, "Prefer: return=minimal"); r.Header.Get("ETag") != `W/"3"` || r.body != "" {
		t.Errorf("conditional patch: got %s %s", r.Header.Get("ETag"), r.body)
	}
	h.want(204, county, "DELETE", "/Observation/o", "")
	h.want(410, county, "PATCH", "/Observation/o", `[]`, jsonPatch)
	h.want(403, program("system/Observation.r"), "PATCH", "/Observation/o", `[]`, jsonPatch)
}

func TestEveryOneOfManyPatchesCounts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		h.put(county, zhang)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := range 4 {
					for {
						r := h.do(county, "PATCH", "/Patient/mine", fmt.Sprintf(`[{"op":"add","path":"/name/-","value":{"text":"%d-%d"}}]`, i, j), jsonPatch)
						if r.StatusCode == 200 {
							break
						}
						if r.StatusCode != 409 {
							t.Errorf("got %d %s; want 200, or 409 to try again", r.StatusCode, r.body)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		if r := h.want(200, county, "GET", "/Patient/mine", ""); len(r.node.All("name")) != 17 {
			t.Errorf("got %d names; want 17: no patch is lost", len(r.node.All("name")))
		}
	})
}

func TestPatchInBundles(t *testing.T) {
	h := newHub(t)
	h.put(county, zhang)
	entry := func(url, patch string) string {
		return fmt.Sprintf(`{"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":%q},"request":{"method":"PATCH","url":%q}}`, base64.StdEncoding.EncodeToString([]byte(patch)), url)
	}
	r := h.want(200, system, "POST", "/", transaction(
		post(urn1, `{"resourceType":"Organization","name":"新医院"}`),
		entry("Patient?identifier=urn:id|99-1", `[{"op":"add","path":"/gender","value":"male"},{"op":"add","path":"/managingOrganization","value":{"reference":"`+urn1+`"}}]`)))
	if r.StatusCode == 200 {
		org := r.node.Str("entry[0].response.location")
		p := h.want(200, county, "GET", "/Patient/mine", "").node
		if ref := p.Str("managingOrganization.reference"); p.Str("gender") != "male" || !strings.HasPrefix(org, ref+"/") {
			t.Errorf("got %s beside %s", p.JSON(), org)
		}
		if got := r.node.Str("entry[1].response.location"); got != "Patient/mine/_history/2" {
			t.Errorf("location: got %q", got)
		}
	}
	r = h.want(404, county, "POST", "/", transaction(entry("Patient/mine", `[{"op":"remove","path":"/gender"}]`), entry("Patient/none", `[]`)))
	if r.StatusCode == 200 || h.want(200, county, "GET", "/Patient/mine", "").node.Str("gender") == "" {
		t.Errorf("a transaction with a patch that fails: got %s", r.body)
	}
	r = h.want(200, county, "POST", "/", batch(
		entry("Patient/mine", `[{"op":"remove","path":"/gender"}]`),
		entry("Patient/none", `[]`),
		`{"resource":{"resourceType":"Binary","contentType":"text/plain","data":"eA=="},"request":{"method":"PATCH","url":"Patient/mine"}}`))
	for i, want := range []string{"200 OK", "404 Not Found", "400 Bad Request"} {
		if got := r.node.Str(fmt.Sprintf("entry[%d].response.status", i)); got != want {
			t.Errorf("entry %d: got %s; want %s: %s", i, got, want, r.body)
		}
	}
}

func TestAnUpdateThatChangesNothingMakesNoVersion(t *testing.T) {
	h := newHub(t)
	h.put(county, `{"resourceType":"Patient","id":"p","meta":{"tag":[{"code":"x"}]},"name":[{"family":"张"}],"gender":"male"}`)
	h.audit.take()
	for _, same := range []string{
		`{"resourceType":"Patient","id":"p","meta":{"tag":[{"code":"x"}]},"name":[{"family":"张"}],"gender":"male"}`,
		`{"gender":"male","resourceType":"Patient","name":[{"family":"张"}],"meta":{"versionId":"9","lastUpdated":"2001-01-01T00:00:00Z","tag":[{"code":"x"}]},"id":"p"}`,
	} {
		r := h.want(200, county, "PUT", "/Patient/p", same)
		if r.Header.Get("ETag") != `W/"1"` || r.node.Str("meta.versionId") != "1" {
			t.Errorf("got %s %s; want version 1 still", r.Header.Get("ETag"), r.body)
		}
		h.audited("update", "Patient/p")
	}
	h.want(200, county, "PATCH", "/Patient/p", `[{"op":"replace","path":"/gender","value":"male"}]`, jsonPatch)
	h.audited("patch", "Patient/p")
	if r := h.want(200, county, "POST", "/", transaction(`{"resource":{"resourceType":"Patient","id":"p","meta":{"tag":[{"code":"x"}]},"name":[{"family":"张"}],"gender":"male"},"request":{"method":"PUT","url":"Patient/p"}}`)); r.node.Str("entry[0].response.etag") != `W/"1"` {
		t.Errorf("in a transaction: got %s", r.body)
	}
	if r := h.want(200, county, "GET", "/Patient/p/_history", ""); r.node.Str("total") != "1" {
		t.Errorf("got %s versions; want 1", r.node.Str("total"))
	}
	for _, other := range []string{
		`{"resourceType":"Patient","id":"p","name":[{"family":"张"}],"gender":"male"}`,
		`{"resourceType":"Patient","id":"p","meta":{"tag":[{"code":"y"}]},"name":[{"family":"张"}],"gender":"male"}`,
		`{"resourceType":"Patient","id":"p","meta":{"tag":[{"code":"y"}]},"name":[{"family":"张"}],"gender":"male","active":true}`,
	} {
		before := h.want(200, county, "GET", "/Patient/p", "").Header.Get("ETag")
		if r := h.want(200, county, "PUT", "/Patient/p", other); r.Header.Get("ETag") == before {
			t.Errorf("%s: got %s again; want a new version", other, before)
		}
	}
}

func TestOperationsThatOnlyReadMayStandInBundles(t *testing.T) {
	h := newHub(t)
	o := h.options
	o.Operations = []rest.Operation{
		{Type: "Patient", Name: "look", Instance: true, Safe: true, Handle: func(ctx context.Context, c rest.Call) (rest.Answer, error) {
			var v store.Version
			err := h.store.View(ctx, func(tx *store.Tx) (err error) { v, err = tx.Read(ctx, c.Scope, "Patient", c.ID); return err })
			return rest.Answer{Body: fhir.New("Basic", "id", v.ID+c.Param("mark"))}, err
		}},
		{Type: "Task", Name: "accept", Instance: true, Handle: func(context.Context, rest.Call) (rest.Answer, error) {
			t.Error("the operation that changes something was called")
			return rest.Answer{}, nil
		}},
	}
	h.handler = rest.New(o)
	h.put(county, zhang)
	entries := []string{
		`{"request":{"method":"GET","url":"Patient/mine/$look?mark=-a"}}`,
		`{"resource":{"resourceType":"Parameters","parameter":[{"name":"mark","valueString":"-b"}]},"request":{"method":"POST","url":"Patient/mine/$look"}}`,
	}
	for _, kind := range []string{batch(entries...), transaction(entries...)} {
		r := h.want(200, county, "POST", "/", kind)
		if r.node.Str("entry[0].resource.id") != "mine-a" || r.node.Str("entry[1].resource.id") != "mine-b" {
			t.Errorf("got %s", r.body)
		}
	}
	if r := h.want(200, stranger, "POST", "/", batch(entries...)); !strings.HasPrefix(r.node.Str("entry[0].response.status"), "404") {
		t.Errorf("a stranger: got %s", r.body)
	}
	accept := `{"resource":{"resourceType":"Parameters"},"request":{"method":"POST","url":"Task/1/$accept"}}`
	if r := h.want(400, county, "POST", "/", transaction(accept)); r.detail() != "entry-operation" {
		t.Errorf("got %s", r.body)
	}
	if r := h.want(200, county, "POST", "/", batch(accept)); r.node.Str("entry[0].response.outcome.issue[0].details.coding[0].code") != "entry-operation" {
		t.Errorf("got %s", r.body)
	}
}

func TestFHIRPathPatchOverHTTP(t *testing.T) {
	h := newHub(t)
	h.put(county, zhang)
	operation := func(parts string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[` + parts + `]}]}`
	}
	add := operation(`{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},{"name":"name","valueString":"gender"},{"name":"value","valueCode":"male"}`)
	if r := h.want(200, county, "PATCH", "/Patient/mine", add); r.node.Str("gender") != "male" || r.Header.Get("ETag") != `W/"2"` {
		t.Errorf("got %s", r.body)
	}
	if r := h.want(422, county, "PATCH", "/Patient/mine", add); r.detail() != "patch-exists" || !strings.HasPrefix(r.node.Str("issue[0].expression[0]"), "Parameters.parameter[0]") {
		t.Errorf("twice: got %s", r.body)
	}
	if r := h.want(422, county, "PATCH", "/Patient/mine", strings.NewReplacer(`"add"`, `"replace"`, `"valueString":"Patient"`, `"valueString":"Patient.gender"`, `"male"`, `"manly"`).Replace(add)); r.detail() != "unknown-code" {
		t.Errorf("not valid afterwards: got %s", r.body)
	}
	remove := operation(`{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Patient.gender"}`)
	r := h.want(200, county, "POST", "/", transaction(`{"resource":`+remove+`,"request":{"method":"PATCH","url":"Patient/mine","ifMatch":"W/\"2\""}}`))
	if r.node.Str("entry[0].response.etag") != `W/"3"` || strings.Contains(h.want(200, county, "GET", "/Patient/mine", "").body, "gender") {
		t.Errorf("in a transaction: got %s", r.body)
	}
	h.want(412, county, "POST", "/", transaction(`{"resource":`+remove+`,"request":{"method":"PATCH","url":"Patient/mine","ifMatch":"W/\"2\""}}`))
	if r := h.want(422, county, "PATCH", "/Patient/mine", operation(`{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.id"},{"name":"value","valueId":"x"}`)); r.detail() != "patch-identity" {
		t.Errorf("another id: got %s", r.body)
	}
	h.want(404, stranger, "PATCH", "/Patient/mine", remove)
}
