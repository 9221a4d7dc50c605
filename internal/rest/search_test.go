package rest_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestSearchAnswersWithLinksAndModes(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.observation(county, "o1", "p1", "2026-01-01")
	h.observation(county, "o2", "p1", "2026-01-02")
	h.audit.take()
	r := h.want(200, county, "GET", "/Observation?patient=p1&_sort=-date&_include=Observation:subject&_total=accurate", "")
	h.audited("search-type", "Patient/p1")
	if r.ids() != "Observation/o2 Observation/o1 +Patient/p1" || r.node.Str("total") != "2" {
		t.Errorf("got %s, total %s; want two matches, newest first, one include not counted", r.ids(), r.node.Str("total"))
	}
	if self := linkOf(r, "self"); !strings.Contains(self, "patient=p1") || !strings.HasPrefix(self, "http://hub.test/fhir/Observation?") {
		t.Errorf("self: got %s", self)
	}
	if got := r.node.Str("entry[0].fullUrl"); got != "http://hub.test/fhir/Observation/o2" {
		t.Errorf("fullUrl: got %s", got)
	}
	form := h.want(200, county, "POST", "/Observation/_search?_sort=date", "patient=p1&_count=1", "Content-Type: application/x-www-form-urlencoded")
	if form.ids() != "Observation/o1" {
		t.Errorf("POST _search: got %s", form.ids())
	}
	h.want(415, county, "POST", "/Observation/_search", `{"a":"b"}`)
}

func TestPagingFollowsTheNextLinkToTheEnd(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	for i := range 7 {
		h.observation(county, fmt.Sprintf("o%d", i), "p1", fmt.Sprintf("2026-01-0%d", i+1))
	}
	seen, url := []string{}, "/Observation?patient=p1&status=final&_sort=date&_count=3"
	for pages := 0; url != ""; pages++ {
		if pages > 5 {
			t.Fatal("the next link leads in a circle")
		}
		r := h.want(200, county, "GET", url, "")
		seen = append(seen, strings.Fields(r.ids())...)
		if url = linkOf(r, "next"); url != "" && !strings.Contains(url, "status=final") {
			t.Errorf("next link lost its parameters: %s", url)
		}
		url = strings.TrimPrefix(url, "http://hub.test/fhir")
		h.observation(county, fmt.Sprintf("late%d", pages), "p1", "2025-01-01") // a write between the pages
	}
	if want := "Observation/o0 Observation/o1 Observation/o2 Observation/o3 Observation/o4 Observation/o5 Observation/o6"; strings.Join(seen, " ") != want {
		t.Errorf("got %v; want each of the seven once", seen)
	}
}

func TestLenientAndStrict(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	r := h.want(200, county, "GET", "/Patient?nose=long&gender=male", "")
	if strings.Contains(linkOf(r, "self"), "nose") || !strings.Contains(r.body, `"mode":"outcome"`) {
		t.Errorf("got %s; want a warning, and self without what was left out", r.body)
	}
	if r := h.want(400, county, "GET", "/Patient?nose=long", "", "Prefer: handling=strict"); r.detail() != "unknown-parameter" {
		t.Errorf("got %s", r.detail())
	}
}

func TestAStrangerSeesNothing(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.observation(county, "o1", "p1", "2026-01-01")
	for _, url := range []string{"/Patient?_id=p1", "/Patient?identifier=urn:id|99-p1", "/Patient?_sort=birthdate", "/Observation?subject=Patient/p1", "/Observation?subject:Patient.name=张",
		"/Organization?_revinclude=Patient:organization", "/Observation?code=8867-4&_include=Observation:subject", "/Patient?_summary=count", "/Patient?_total=accurate&_count=1",
		"/?_type=Patient,Observation", "/_history", "/Patient/_history", "/Patient?gender:missing=false", "/Patient?gender:not=female"} {
		r := h.want(200, stranger, "GET", url, "")
		if strings.Contains(r.body, "p1") && strings.Contains(r.body, "张") || strings.Contains(r.ids(), "Patient") || strings.Contains(r.ids(), "Observation") {
			t.Errorf("%s: a stranger sees %s", url, r.ids())
		}
		if total := r.node.Str("total"); total != "" && total != "0" {
			t.Errorf("%s: a stranger counts %s", url, total)
		}
	}
	for _, url := range []string{"/Patient/p1", "/Patient/p1/_history/1", "/Observation/o1"} {
		h.want(404, stranger, "GET", url, "")
	}
}

func TestAuditHoldsNoNamesAndNumbers(t *testing.T) {
	h := newHub(t)
	h.audit.take()
	h.want(200, county, "GET", "/Patient?identifier=urn:id|990101&name=zhangsan&birthdate=1960&gender=male", "")
	entries := h.audit.take()
	if len(entries) != 1 || strings.Contains(entries[0].Target, "990101") || strings.Contains(entries[0].Target, "zhangsan") || !strings.Contains(entries[0].Target, "gender=male") {
		t.Errorf("got %+v; want the search without identifying values", entries)
	}
	h.want(404, county, "GET", "/Patient/none", "")
	if entries := h.audit.take(); len(entries) != 1 || entries[0].Outcome != "4" {
		t.Errorf("a refusal: got %+v; want one entry with outcome 4", entries)
	}
}
