package rest_test

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
)

func TestOurOwnAnswersAreValid(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.observation(county, "o1", "p1", "2026-01-01")
	for _, c := range []struct{ method, url, body string }{
		{"GET", "/metadata", ""},
		{"GET", "/Patient/none", ""},
		{"GET", "/Observation?nose=long&_include=Observation:subject&_total=accurate", ""},
		{"GET", "/Patient?_summary=count", ""},
		{"GET", "/Patient?_elements=gender", ""},
		{"GET", "/Patient?_summary=text", ""},
		{"GET", "/Patient?_id=none", ""},
		{"GET", "/Observation/o1/_history", ""},
		{"GET", "/_history?_count=1", ""},
		{"POST", "/", transaction(post(urn1, `{"resourceType":"Patient"}`), `{"request":{"method":"GET","url":"Patient/p1"}}`)},
		{"POST", "/", batch(post(urn1, `{"resourceType":"Patient","gender":"x"}`), `{"request":{"method":"DELETE","url":"Patient/zz"}}`, `{"request":{"method":"GET","url":"Patient?gender=male"}}`)},
		{"POST", "/Patient", `{"resourceType":"Patient","gender":"x","birthDate":"x"}`},
	} {
		r := h.do(county, c.method, c.url, c.body)
		for _, is := range validate.Resource(r.node) {
			if is.Severity == "error" && is.Detail != "entry-request" {
				t.Errorf("%s %s: %s %s: %s", c.method, c.url, is.Expression, is.Detail, is.Text)
			}
		}
	}
}

func TestLargeAnswersAreCompressedWhenAskedFor(t *testing.T) {
	h := newHub(t)
	r := httptest.NewRequest("GET", "http://hub.test/fhir/metadata", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	z, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("got %q, %v; want gzip", w.Header().Get("Content-Encoding"), err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := fhir.Parse(data); err != nil || n.Type() != "CapabilityStatement" {
		t.Errorf("got %v; want the capability statement", err)
	}
}

func TestACompressedBodyIsReadWithinTheLimit(t *testing.T) {
	h := newHub(t)
	send := func(body string) int {
		var b strings.Builder
		z := gzip.NewWriter(&b)
		io.WriteString(z, body)
		z.Close()
		r := httptest.NewRequest("POST", "http://hub.test/fhir/Patient", strings.NewReader(b.String()))
		r.Header.Set("Content-Encoding", "gzip")
		r.Header.Set("Content-Type", "application/fhir+json")
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r.WithContext(access.With(r.Context(), county)))
		return w.Code
	}
	if got := send(zhang); got != 201 {
		t.Errorf("got %d; want 201", got)
	}
	if got := send(`{"resourceType":"Patient","id":"` + strings.Repeat("0", 8<<20) + `"}`); got != 413 {
		t.Errorf("8 MB out of some kB: got %d; want 413", got)
	}
}
