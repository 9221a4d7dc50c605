package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const provenance = `X-Provenance: {"resourceType":"Provenance","recorded":"2026-11-23T08:00:00Z","agent":[{"who":{"reference":"Organization/county"}}]}`

func TestProvenanceIsWrittenWithItsTarget(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		targets := func() string {
			t.Helper()
			r := h.want(200, county, "GET", "/Provenance?_sort=_lastUpdated,_id", "")
			var out []string
			for _, e := range r.node.All("entry") {
				var refs []string
				for _, ref := range e.All("resource.target") {
					refs = append(refs, ref.Str("reference"))
				}
				out = append(out, strings.Join(refs, "+"))
			}
			return strings.Join(out, " ")
		}
		h.want(201, county, "PUT", "/Patient/mine", zhang, provenance)
		if got := targets(); got != "Patient/mine/_history/1" {
			t.Fatalf("create: got %s", got)
		}
		h.want(200, county, "PUT", "/Patient/mine", zhang, provenance) // nothing new, nothing to tell
		if got := targets(); got != "Patient/mine/_history/1" {
			t.Errorf("no-op: got %s", got)
		}
		h.want(200, county, "PATCH", "/Patient/mine", `[{"op":"add","path":"/gender","value":"male"}]`, jsonPatch, provenance)
		id := h.want(201, county, "POST", "/Patient", zhang, provenance).node.ID()
		h.want(200, county, "POST", "/", transaction(post(urn1, `{"resourceType":"Basic","id":"x","code":{"text":"x"}}`), post(urn2, `{"resourceType":"Basic","code":{"text":"y"}}`)), provenance)
		h.want(204, county, "DELETE", "/Patient/"+id, "", provenance)
		got := targets()
		for _, want := range []string{"Patient/mine/_history/2", "Patient/" + id + "/_history/1", "Patient/" + id + "/_history/2"} {
			if !strings.Contains(got, want) {
				t.Errorf("got %s; want %s among them", got, want)
			}
		}
		if !strings.Contains(got, "/_history/1+Basic/") {
			t.Errorf("a transaction: got %s; want one Provenance of both", got)
		}
		// the versioned target resolves
		h.want(200, county, "GET", "/Patient/mine/_history/2", "")
		if r := h.want(200, county, "GET", "/Provenance?target=Patient/mine", ""); len(r.node.All("entry")) != 2 {
			t.Errorf("by target: got %s", r.body)
		}
		before := targets()
		for _, c := range []struct {
			name, header string
			status       int
		}{
			{"with a target", strings.Replace(provenance, `"recorded"`, `"target":[{"reference":"Patient/1"}],"recorded"`, 1), 400},
			{"another resource", `X-Provenance: {"resourceType":"Patient"}`, 400},
			{"no JSON", `X-Provenance: hello`, 400},
			{"not valid", `X-Provenance: {"resourceType":"Provenance"}`, 422},
			{"about nobody here", strings.Replace(provenance, "Organization/county", "Organization/none", 1), 422},
		} {
			if r := h.do(county, "POST", "/Patient", zhang, c.header); r.StatusCode != c.status {
				t.Errorf("%s: got %d %s; want %d", c.name, r.StatusCode, r.body, c.status)
			}
		}
		h.want(403, program("system/Patient.cruds"), "POST", "/Patient", zhang, provenance)
		if targets() != before || h.want(200, county, "GET", "/Patient?_summary=count", "").node.Str("total") != "1" {
			t.Error("a refused Provenance left something behind")
		}
		first := h.want(201, county, "POST", "/Patient", zhang, provenance, "Idempotency-Key: k")
		if again := h.want(201, county, "POST", "/Patient", zhang, provenance, "Idempotency-Key: k"); again.node.ID() != first.node.ID() {
			t.Error("the same key made another")
		}
	})
}

func TestVersionedReferencesAreKept(t *testing.T) {
	h := newHub(t)
	h.put(county, zhang)
	h.put(county, strings.Replace(zhang, "张", "李", 1))
	h.want(201, county, "PUT", "/Observation/o", `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/mine/_history/1"}}`)
	ref := h.want(200, county, "GET", "/Observation/o", "").node.Str("subject.reference")
	if ref != "Patient/mine/_history/1" {
		t.Errorf("got %s", ref)
	}
	if r := h.want(200, county, "GET", "/"+ref, ""); r.node.Str("name[0].family") != "张" {
		t.Errorf("got %s", r.body)
	}
	if r := h.want(200, county, "GET", "/Observation?subject=Patient/mine", ""); r.ids() != "Observation/o" {
		t.Errorf("search: got %s", r.ids())
	}
}

func TestBinary(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p", "张")
	const pdf = "%PDF-1.7 \x00\xff 内容"
	r := h.want(201, county, "POST", "/Binary", pdf, "Content-Type: application/pdf", "X-Security-Context: Patient/p")
	id := r.node.ID()
	if r.node.Str("contentType") != "application/pdf" || r.node.Str("securityContext.reference") != "Patient/p" {
		t.Errorf("create: got %s", r.body)
	}
	h.audit.take()
	for _, accept := range []string{"", "Accept: application/pdf", "Accept: application/*;q=0.8, text/html", "Accept: */*"} {
		headers := []string{}
		if accept != "" {
			headers = append(headers, accept)
		}
		r := h.want(200, county, "GET", "/Binary/"+id, "", headers...)
		if r.body != pdf || r.Header.Get("Content-Type") != "application/pdf" || r.Header.Get("X-Security-Context") != "Patient/p" || r.Header.Get("ETag") != `W/"1"` ||
			r.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(r.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%q: got %q %v", accept, r.body, r.Header)
		}
		h.audited("read", "Patient/p")
	}
	for _, as := range []string{"Accept: application/fhir+json", "Accept: application/pdf, application/fhir+json"} {
		if r := h.want(200, county, "GET", "/Binary/"+id, "", as); r.node.Type() != "Binary" {
			t.Errorf("%s: got %s", as, r.body)
		}
	}
	if r := h.want(200, county, "GET", "/Binary/"+id+"?_format=json", ""); r.node.Type() != "Binary" {
		t.Errorf("_format: got %s", r.body)
	}
	h.want(406, county, "GET", "/Binary/"+id, "", "Accept: image/png")
	h.want(304, county, "GET", "/Binary/"+id, "", `If-None-Match: W/"1"`)
	if r := h.want(200, county, "HEAD", "/Binary/"+id, ""); r.body != "" {
		t.Errorf("HEAD: got %q", r.body)
	}
	h.want(200, county, "PUT", "/Binary/"+id, "text", "Content-Type: text/plain; charset=utf-8")
	if r := h.want(200, county, "GET", "/Binary/"+id, ""); r.body != "text" || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("update: got %q %v", r.body, r.Header)
	}
	h.want(201, county, "PUT", "/Binary/own", "x", "Content-Type: image/png")
	h.want(404, stranger, "GET", "/Binary/"+id, "")
	h.want(404, stranger, "GET", "/Binary/own", "", "Accept: application/fhir+json")
	h.want(415, county, "POST", "/Patient", pdf, "Content-Type: application/pdf")
	h.want(422, county, "POST", "/Binary", pdf, "Content-Type: application/pdf", "X-Security-Context: Patient/none")
	if r := h.want(200, county, "POST", "/", batch(fmt.Sprintf(`{"request":{"method":"GET","url":"Binary/%s"}}`, id))); r.node.Str("entry[0].resource.resourceType") != "Binary" {
		t.Errorf("in a batch: got %s", r.body)
	}
}

func TestABinaryIsSeenByWhoSeesWhatItBelongsTo(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p", "张")
	h.put(county, `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
	h.want(201, county, "PUT", "/Binary/ofp", "a", "Content-Type: text/plain", "X-Security-Context: Patient/p")
	h.want(201, county, "PUT", "/Binary/ofo", "b", "Content-Type: text/plain", "X-Security-Context: Observation/o")
	tags := strings.Repeat(`{"system":"urn:example","code":"a"},`, 400)
	h.put(county, `{"resourceType":"Binary","id":"long","meta":{"tag":[`+strings.TrimSuffix(tags, ",")+`]},"contentType":"text/plain","securityContext":{"reference":"Observation/o"},"data":"`+strings.Repeat("YWFh", 4000)+`"}`)
	h.want(404, stranger, "GET", "/Binary/ofp", "")
	if r := h.want(200, stranger, "GET", "/Binary?_summary=count", ""); r.node.Str("total") != "0" {
		t.Errorf("got %s", r.body)
	}
	h.put(system, `{"resourceType":"Task","id":"t","status":"requested","intent":"order","for":{"reference":"Patient/p"},"requester":{"reference":"Organization/county"},"owner":{"reference":"Organization/elsewhere"}}`)
	if r := h.want(200, stranger, "GET", "/Binary/ofp", ""); r.body != "a" {
		t.Errorf("got %q", r.body)
	}
	h.want(200, county, "GET", "/Binary/ofo", "")
	h.want(200, county, "GET", "/Binary/long", "")
	h.want(204, county, "DELETE", "/Observation/o", "")
	h.want(404, county, "GET", "/Binary/ofo", "") // what it belonged to is gone
	h.want(404, county, "GET", "/Binary/long", "")
	h.want(404, county, "GET", "/Binary/ofo/_history/1", "")
}
