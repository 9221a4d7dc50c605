package rest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func (h *hub) chart() {
	h.put(system, `{"resourceType":"Practitioner","id":"dr","name":[{"family":"王"}]}`)
	h.put(system, `{"resourceType":"PractitionerRole","id":"role","practitioner":{"reference":"Practitioner/dr"},"organization":{"reference":"Organization/elsewhere"}}`)
	h.put(system, `{"resourceType":"Medication","id":"med","code":{"text":"阿司匹林"}}`)
	h.patient(county, "p", "张")
	h.patient(county, "q", "李")
	h.put(county, `{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"},"participant":[{"individual":{"reference":"PractitionerRole/role"}}],"period":{"start":"2026-03-01T08:00:00+08:00","end":"2026-03-02T08:00:00+08:00"}}`)
	h.put(county, `{"resourceType":"Encounter","id":"e2","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"},"period":{"start":"2026-05-01T08:00:00+08:00"}}`)
	for i, day := range []string{"2026-01-15", "2026-03-01", "2026-05-01"} {
		h.put(county, fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p"},"encounter":{"reference":"Encounter/%s"},"effectiveDateTime":%q}`, i, []string{"e1", "e1", "e2"}[i], day))
	}
	h.put(county, `{"resourceType":"Observation","id":"undated","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
	h.put(county, `{"resourceType":"MedicationRequest","id":"m","status":"active","intent":"order","medicationReference":{"reference":"Medication/med"},"subject":{"reference":"Patient/p"},"encounter":{"reference":"Encounter/e1"},"authoredOn":"2026-03-01"}`)
	h.observation(county, "other", "q", "2026-03-01")
	h.audit.take()
}

func inOrder(ids string) string {
	list := strings.Fields(ids)
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestEverything(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		h.chart()
		h.clock.Turn(time.Hour)
		h.put(county, `{"resourceType":"Observation","id":"late","status":"final","code":{"text":"y"},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-03-01"}`)
		for _, c := range []struct{ name, url, want string }{
			{"all of a patient", "/Patient/p/$everything", "+Medication/med +Organization/elsewhere +Practitioner/dr +PractitionerRole/role Encounter/e1 Encounter/e2 MedicationRequest/m Observation/late Observation/o0 Observation/o1 Observation/o2 Observation/undated Patient/p"},
			{"in a span", "/Patient/p/$everything?start=2026-03-01&end=2026-03-01&_type=Patient,Encounter,Observation", "Encounter/e1 Observation/late Observation/o1 Observation/undated Patient/p"},
			{"since", "/Patient/p/$everything?_since=2026-11-23T16:30:00%2B08:00", "Observation/late"},
			{"of one type", "/Patient/p/$everything?_type=MedicationRequest", "MedicationRequest/m"},
			{"of an encounter", "/Encounter/e1/$everything", "+Medication/med +Organization/elsewhere +Practitioner/dr +PractitionerRole/role Encounter/e1 MedicationRequest/m Observation/o0 Observation/o1 Patient/p"},
			{"of another encounter", "/Encounter/e2/$everything", "Encounter/e2 Observation/o2 Patient/p"},
			{"of all patients", "/Patient/$everything?_type=Patient,Observation", "Observation/late Observation/o0 Observation/o1 Observation/o2 Observation/other Observation/undated Patient/p Patient/q"},
		} {
			h.audit.take()
			r := h.want(200, county, "GET", c.url, "")
			if got := inOrder(r.ids()); got != c.want {
				t.Errorf("%s: got %s; want %s", c.name, got, c.want)
			}
			entries := h.audit.take()
			if len(entries) != 1 || entries[0].What != "everything" || entries[0].Count != len(strings.Fields(c.want)) || !slices.Contains(entries[0].Patients, "Patient/p") {
				t.Errorf("%s: audit: got %+v", c.name, entries)
			}
			// page by page: the same, each once
			var paged []string
			for url, pages := c.url+map[bool]string{true: "&", false: "?"}[strings.Contains(c.url, "?")]+"_count=2", 0; url != ""; pages++ {
				if pages > 20 {
					t.Fatalf("%s: the pages do not end", c.name)
				}
				r := h.want(200, county, "GET", url, "")
				for _, id := range strings.Fields(r.ids()) {
					if id[0] != '+' {
						paged = append(paged, id)
					}
				}
				if pages == 0 {
					h.put(county, fmt.Sprintf(`{"resourceType":"Observation","id":"a%d","status":"final","code":{"text":"y"},"subject":{"reference":"Patient/p"}}`, time.Now().UnixNano()))
				}
				url = strings.TrimPrefix(linkOf(r, "next"), "http://hub.test/fhir")
			}
			matches := strings.Join(slices.DeleteFunc(strings.Fields(c.want), func(id string) bool { return id[0] == '+' }), " ")
			if got := inOrder(strings.Join(paged, " ")); got != matches {
				t.Errorf("%s by pages: got %s; want %s", c.name, got, matches)
			}
			for _, id := range paged {
				if strings.HasPrefix(id, "Observation/a") {
					t.Errorf("%s: a later write pushed into the pages", c.name)
				}
			}
			r = h.want(200, county, "GET", "/Observation?code:text=y&_count=100", "")
			for _, e := range r.node.All("entry") {
				if id := e.Str("resource.id"); strings.HasPrefix(id, "a") {
					h.want(204, county, "DELETE", "/Observation/"+id, "")
				}
			}
		}
		if r := h.want(200, county, "POST", "/Patient/p/$everything", `{"resourceType":"Parameters","parameter":[{"name":"_type","valueCode":"Patient"}]}`); r.ids() != "Patient/p" {
			t.Errorf("by POST: got %s", r.ids())
		}
	})
}

func TestEverythingShowsAStrangerNothing(t *testing.T) {
	h := newHub(t)
	h.chart()
	h.want(404, stranger, "GET", "/Patient/p/$everything", "")
	h.want(404, stranger, "GET", "/Encounter/e1/$everything", "")
	if r := h.want(200, stranger, "GET", "/Patient/$everything", ""); r.ids() != "" {
		t.Errorf("got %s; want nothing", r.ids())
	}
	// a task gives the patient, not the other one
	h.put(system, `{"resourceType":"Task","id":"t","status":"requested","intent":"order","for":{"reference":"Patient/q"},"requester":{"reference":"Organization/county"},"owner":{"reference":"Organization/elsewhere"}}`)
	if r := h.want(200, stranger, "GET", "/Patient/q/$everything?_type=Patient,Observation", ""); inOrder(r.ids()) != "Observation/other Patient/q" {
		t.Errorf("with a grant: got %s", r.ids())
	}
	if r := h.want(200, program("system/Patient.rs", "system/Observation.rs"), "GET", "/Patient/p/$everything", ""); inOrder(r.ids()) != "Observation/o0 Observation/o1 Observation/o2 Observation/undated Patient/p" {
		t.Errorf("a token for two types: got %s", r.ids())
	}
	h.want(403, program("system/Observation.rs"), "GET", "/Patient/p/$everything", "")
	for _, url := range []string{"/Patient/p/$everything?_count=x", "/Patient/p/$everything?_type=Dog", "/Patient/p/$everything?start=noon", "/Patient/p/$everything?_cursor=zzz"} {
		h.want(400, county, "GET", url, "")
	}
	h.want(404, county, "GET", "/Patient/none/$everything", "")
	h.want(204, county, "DELETE", "/Patient/q", "")
	h.want(410, county, "GET", "/Patient/q/$everything", "")
}
