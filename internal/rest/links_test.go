package rest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// linksOf writes a Patient's links: "e1 seealso".
func linksOf(n *fhir.Node) string {
	var out []string
	for _, l := range n.All("link") {
		out = append(out, strings.TrimPrefix(l.Str("other.reference"), "Patient/")+" "+l.Str("type"))
	}
	return strings.Join(out, ", ")
}

func escaped(url string) string {
	if !strings.Contains(url, "?") {
		return url
	}
	return query(url)
}

func (h *hub) seeBoth() {
	h.t.Helper()
	h.unit(func(ctx context.Context, tx *store.Tx) error {
		return tx.Grant(ctx, store.Grant{Patient: "Patient/e1", Party: "Organization/county", Class: "record", Source: "Task/t"})
	})
}

func TestLinksShowToWhomSeesBothRecords(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		twoHospitals(h)
		first := func(r reply) *fhir.Node {
			for _, e := range r.node.All("entry") {
				if n := e.Child("resource"); n.ID() == "c1" {
					return n
				}
			}
			return r.node
		}
		ways := []string{"/Patient/c1", "/Patient?_id=c1", "/Patient/c1?_summary=true", "/Patient/c1?_elements=link", "/Patient?name=张&_elements=link", "/Observation?_id=co1&_include=Observation:patient",
			"/Patient/c1/$everything?_type=Patient", "/?_type=Patient&_id=c1"}
		for step, want := range []string{"", "", "e1 seealso", "", ""} {
			switch step {
			case 1:
				h.join(1, "c1", "e1")
			case 2:
				h.seeBoth()
			case 3:
				h.leave(1, "e1")
			case 4:
				h.leave(1, "c1")
			}
			for _, url := range ways {
				for range 2 { // the second from memory
					if got := linksOf(first(h.want(200, county, "GET", escaped(url), ""))); got != want {
						t.Errorf("step %d, %s: got %q; want %q", step, url, got, want)
					}
				}
			}
			all := map[bool]string{true: "e1 seealso"}[step == 1 || step == 2]
			if got := linksOf(h.want(200, system, "GET", "/Patient/c1", "").node); got != all {
				t.Errorf("step %d, who sees all: got %q; want %q", step, got, all)
			}
			for _, url := range []string{"/Patient/c1/_history/1", "/Patient/c1/_history"} {
				if r := h.want(200, system, "GET", url, ""); strings.Contains(r.body, "seealso") {
					t.Errorf("step %d, %s: a version shows a link: %s", step, url, r.body)
				}
			}
			h.want(404, stranger, "GET", "/Patient/c1", "")
		}
	})
}

func TestALinkThatIsWrittenBackLinksNothing(t *testing.T) {
	h := newHub(t)
	twoHospitals(h)
	h.join(1, "c1", "e1")
	h.seeBoth()
	members := func() (n int64) {
		h.unit(func(ctx context.Context, tx *store.Tx) error {
			return tx.Query(ctx, "SELECT count(*) FROM person_member", nil, func(scan func(...any) error) error { return scan(&n) })
		})
		return n
	}
	r := h.want(200, county, "GET", "/Patient/c1", "")
	if linksOf(r.node) != "e1 seealso" {
		t.Fatalf("got %s", r.body)
	}
	if again := h.want(200, county, "PUT", "/Patient/c1", r.body); again.Header.Get("ETag") != r.Header.Get("ETag") {
		t.Errorf("what was read and written back made a version: %s after %s", again.Header.Get("ETag"), r.Header.Get("ETag"))
	}
	h.leave(1, "e1")
	h.want(200, county, "PUT", "/Patient/c1", strings.Replace(r.body, "张", "章", 1))
	if got := h.want(200, county, "GET", "/Patient/c1", ""); linksOf(got.node) != "" || got.node.Str("name[0].family") != "章" || got.Header.Get("ETag") != `W/"2"` {
		t.Errorf("a link that had been undone came back with a write: %s", got.body)
	}
	h.want(200, county, "POST", "/", fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":%s,"request":{"method":"PUT","url":"Patient/c1"}}]}`, r.body))
	marked := r.node.All("link")[0].JSON()
	h.want(200, county, "PATCH", "/Patient/c1", `[{"op":"add","path":"/link","value":[`+string(marked)+`]}]`, "Content-Type: application/json-patch+json")
	if got := h.want(200, county, "GET", "/Patient/c1", ""); linksOf(got.node) != "" {
		t.Errorf("by a transaction or patch: %s", got.body)
	}
	// what a hospital says itself stays in its record, beside what the index adds, and links nothing
	h.patient(county, "c2", "张")
	h.put(county, `{"resourceType":"Patient","id":"c1","name":[{"family":"张"}],"link":[{"other":{"reference":"Patient/c2"},"type":"seealso"}]}`)
	if got := members(); got != 2 {
		t.Errorf("got %d members; want 2", got)
	}
	h.join(1, "c1", "e1", "c2")
	r = h.want(200, county, "GET", "/Patient/c1", "")
	if got := linksOf(r.node); got != "c2 seealso, e1 seealso" {
		t.Errorf("got %q; want its own link once, and the other", got)
	}
	h.want(200, county, "PUT", "/Patient/c1", strings.Replace(r.body, "张", "章", 1))
	h.leave(1, "e1")
	h.leave(1, "c2")
	if got := linksOf(h.want(200, county, "GET", "/Patient/c1", "").node); got != "c2 seealso" {
		t.Errorf("got %q; want what the hospital says itself", got)
	}
	if r := h.want(200, county, "GET", "/Patient?link=Patient/c2", ""); r.ids() != "Patient/c1" {
		t.Errorf("search by link: got %s; want what the records say themselves", r.ids())
	}
}
