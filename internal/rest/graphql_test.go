package rest_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestGraphQL(t *testing.T) {
	h := newHub(t)
	h.chart()
	h.put(county, `{"resourceType":"Patient","id":"r","name":[{"use":"official","family":"赵","given":["一","二"]},{"use":"nickname","text":"小赵"}],"generalPractitioner":[{"reference":"Practitioner/dr"},{"reference":"Organization/elsewhere"}]}`)
	for _, c := range []struct{ name, at, query, want string }{
		{"fields of one", "/Patient/r/$graphql", `{ id name { family given } }`, `{"id":"r","name":[{"family":"赵","given":["一","二"]},{"family":null,"given":null}]}`},
		{"an argument chooses", "/Patient/r/$graphql", `{ name(use: nickname) { text } }`, `{"name":[{"text":"小赵"}]}`},
		{"so does FHIRPath", "/Patient/r/$graphql", `{ name(fhirpath: "given.exists()") { family } }`, `{"name":[{"family":"赵"}]}`},
		{"some of a list, by another name", "/Patient/r/$graphql", `{ second: name(_offset: 1, _count: 1) { text } }`, `{"second":[{"text":"小赵"}]}`},
		{"references resolve", "/Patient/r/$graphql", `{ generalPractitioner { resource { resourceType ... on Practitioner { name { family } } ... on Organization { name } } } }`, `{"generalPractitioner":[{"resource":{"resourceType":"Practitioner","name":[{"family":"王"}]}},{"resource":{"resourceType":"Organization","name":"别处医院"}}]}`},
		{"of one type only", "/Patient/r/$graphql", `{ generalPractitioner { resource(type: Organization) { id } } }`, `{"generalPractitioner":[{"resource":null},{"resource":{"id":"elsewhere"}}]}`},
		{"back by a search", "/Encounter/e1/$graphql", `{ ObservationList(_reference: encounter, _sort: date) { id effectiveDateTime subject { resource { ... on Patient { birthDate } } } } }`, `{"ObservationList":[{"id":"o0","effectiveDateTime":"2026-01-15","subject":{"resource":{"birthDate":"1960-05-01"}}},{"id":"o1","effectiveDateTime":"2026-03-01","subject":{"resource":{"birthDate":"1960-05-01"}}}]}`},
		{"from the whole", "/$graphql", `{ Patient(id: q) { gender } none: Patient(id: none) { gender } ObservationList(patient: "Patient/p", date: "2026-05-01") { id } }`, `{"Patient":{"gender":"male"},"none":null,"ObservationList":[{"id":"o2"}]}`},
		{"a parameter with a dash", "/$graphql", `{ PatientList(general_practitioner: "Practitioner/dr") { id } }`, `{"PatientList":[{"id":"r"}]}`},
	} {
		h.audit.take()
		r := h.want(200, county, "GET", c.at+"?query="+url.QueryEscape(c.query), "")
		if got := string(r.node.Child("data").JSON()); got != c.want || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %s; want %s", c.name, got, c.want)
		}
		if entries := h.audit.take(); len(entries) != 1 || entries[0].What != "graphql" || !slices.ContainsFunc(entries[0].Patients, func(p string) bool { return strings.HasPrefix(p, "Patient/") }) {
			t.Errorf("%s: audit: got %+v", c.name, entries)
		}
		r = h.want(200, county, "POST", c.at, fmt.Sprintf(`{"query":%q}`, c.query), "Content-Type: application/json")
		if got := string(r.node.Child("data").JSON()); got != c.want {
			t.Errorf("%s by POST: got %s; want %s", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		name, at, query string
		status          int
		detail          string
	}{
		{"no such field", "/Patient/r/$graphql", `{ nose }`, 400, "bad-graphql"},
		{"a complex value without selection", "/Patient/r/$graphql", `{ name }`, 400, "bad-graphql"},
		{"a plain value with one", "/Patient/r/$graphql", `{ id { x } }`, 400, "bad-graphql"},
		{"a search that is none", "/$graphql", `{ PatientList(nose: 1) { id } }`, 400, "unknown-parameter"},
		{"a list without its way back", "/Patient/r/$graphql", `{ ObservationList { id } }`, 400, "bad-graphql"},
		{"no query", "/$graphql", ``, 400, "bad-graphql"},
		{"nobody", "/Patient/none/$graphql", `{ id }`, 404, "not-found"},
	} {
		if r := h.do(county, "GET", c.at+"?query="+url.QueryEscape(c.query), ""); r.StatusCode != c.status || r.detail() != c.detail {
			t.Errorf("%s: got %d %s; want %d %s", c.name, r.StatusCode, r.body, c.status, c.detail)
		}
	}
	deep := `{ id }`
	for range 4 {
		deep = `{ subject { resource { ... on Patient { ObservationList(_reference: subject) ` + deep + ` } } } }`
	}
	deep = `{ ObservationList(_count: 200) ` + deep + ` }`
	if r := h.do(county, "GET", "/$graphql?query="+url.QueryEscape(deep), ""); r.StatusCode != 422 || r.detail() != "too-many-results" {
		t.Errorf("a query that grows: got %d %.200s", r.StatusCode, r.body)
	}
}

func TestGraphQLShowsAStrangerNothing(t *testing.T) {
	h := newHub(t)
	h.chart()
	q := "?query=" + url.QueryEscape(`{ Patient(id: p) { id } PatientList { id } ObservationList(code: "8867-4") { id } }`)
	if r := h.want(200, stranger, "GET", "/$graphql"+q, ""); string(r.node.Child("data").JSON()) != `{"Patient":null,"PatientList":[],"ObservationList":[]}` {
		t.Errorf("got %s", r.body)
	}
	h.want(404, stranger, "GET", "/Patient/p/$graphql?query={id}", "")
	// a reference leads no further than the right does
	h.put(system, `{"resourceType":"Basic","id":"b","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
	h.put(stranger, `{"resourceType":"Basic","id":"own","code":{"text":"x"},"subject":{"identifier":{"value":"x"}}}`)
	if r := h.want(200, system, "GET", "/Basic/b/$graphql?query="+url.QueryEscape(`{subject{resource{... on Patient {id}}}}`), ""); !strings.Contains(r.body, `"id":"p"`) {
		t.Errorf("got %s", r.body)
	}
	h.put(system, `{"resourceType":"Practitioner","id":"seen","name":[{"family":"见"}],"extension":[{"url":"http://x","valueReference":{"reference":"Patient/p"}}]}`)
	if r := h.want(200, stranger, "GET", "/Practitioner/seen/$graphql?query="+url.QueryEscape(`{extension{valueReference{reference resource{... on Patient {birthDate}}}}}`), ""); !strings.Contains(r.body, `"resource":null`) {
		t.Errorf("got %s", r.body)
	}
	h.want(403, program("system/Observation.rs"), "GET", "/$graphql"+q, "")
}
