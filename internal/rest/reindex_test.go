package rest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// nickname is a search parameter that R4 does not have.
const nickname = `{"resourceType":"SearchParameter","id":"nick","url":"http://example.org/sp/nickname","name":"Nickname","status":"active","description":"x","code":"nickname","base":["Patient"],"type":"string","expression":"Patient.name.where(use = 'nickname').text"}`

// finishIndexing does what the background would, at most for ten seconds.
func (h *hub) finishIndexing() {
	h.t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		if _, err := h.store.IndexSome(context.Background()); err != nil {
			h.t.Fatal(err)
		}
		list, err := h.store.Indexing(context.Background())
		if err != nil {
			h.t.Fatal(err)
		}
		if len(list) == 0 {
			return
		}
	}
	h.t.Fatal("indexing does not end")
}

func (h *hub) nicknamed(id, nick string) {
	h.t.Helper()
	h.put(county, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"identifier":[{"system":"urn:id","value":"99-%s"}],"name":[{"family":"张"},{"use":"nickname","text":%q}]}`, id, id, nick))
}

func TestGivenParameters(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		for i := range 250 {
			h.nicknamed(fmt.Sprintf("p%03d", i), fmt.Sprintf("nick%d", i))
		}
		h.want(400, county, "GET", "/Patient?nickname=nick7", "", "Prefer: handling=strict")
		h.put(system, nickname)
		// Not complete: refused, also leniently, and it says so.
		for _, handling := range []string{"lenient", "strict"} {
			r := h.want(503, county, "GET", "/Patient?nickname=nick7", "", "Prefer: handling="+handling)
			if r.detail() != "parameter-not-ready" || !strings.Contains(r.body, "%") {
				t.Fatalf("got %s; want parameter-not-ready with its progress", r.body)
			}
			if _, err := h.store.IndexSome(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if r := h.want(200, county, "GET", "/metadata", ""); strings.Contains(r.body, "sp/nickname") {
			t.Error("an incomplete parameter stands in the capability statement")
		}
		h.nicknamed("late", "latecomer") // a write during the walk
		h.nicknamed("p001", "renamed")   // of what has been walked
		h.nicknamed("p249", "renamed")   // of what has not
		h.want(204, county, "DELETE", "/Patient/p002", "")
		h.finishIndexing()
		for url, want := range map[string]string{
			"/Patient?nickname=nick77":                         "Patient/p077",
			"/Patient?nickname=latecomer":                      "Patient/late",
			"/Patient?nickname=renamed&_sort=_id":              "Patient/p001 Patient/p249",
			"/Patient?nickname=nick1&_id=p001":                 "",
			"/Patient?nickname:exact=nick249":                  "",
			"/Patient?nickname=nick2&_id=p002":                 "",
			"/Patient?nickname:missing=true":                   "",
			"/Patient?nickname:contains=ick78":                 "Patient/p078",
			"/Patient?_filter=nickname%20eq%20%22nick79%22":    "Patient/p079",
			"/Patient?nickname=nick8&_sort=-nickname&_count=1": "Patient/p089",
		} {
			if got := h.want(200, county, "GET", url, "").ids(); got != want {
				t.Errorf("%s: got %q; want %q", url, got, want)
			}
			if r := h.want(200, stranger, "GET", url+"&_total=accurate", ""); r.ids() != "" || r.node.Str("total") != "0" {
				t.Errorf("%s: a stranger got %s", url, r.body)
			}
		}
		if r := h.want(200, county, "GET", "/metadata", ""); !strings.Contains(r.body, "http://example.org/sp/nickname") {
			t.Error("the capability statement does not name the parameter")
		}
		// A chain uses it too.
		h.put(county, `{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p080"}}`)
		if got := h.want(200, county, "GET", "/Observation?subject:Patient.nickname=nick80", "").ids(); got != "Observation/o1" {
			t.Errorf("chain: got %q", got)
		}
		// Another expression under the same code begins anew; the old rows are gone.
		h.put(system, strings.Replace(nickname, ".text", ".text.upper() + '!'", 1))
		h.want(503, county, "GET", "/Patient?nickname=nick7", "")
		h.finishIndexing()
		if got := h.want(200, county, "GET", "/Patient?nickname:exact=NICK7!", "").ids(); got != "Patient/p007" {
			t.Errorf("changed expression: got %q", got)
		}
		if got := h.want(200, county, "GET", "/Patient?nickname:exact=nick7", "").ids(); got != "" {
			t.Errorf("rows of the old expression are left: %q", got)
		}
		// Retired: unknown again.
		h.put(system, strings.Replace(nickname, `"active"`, `"retired"`, 1))
		h.finishIndexing()
		h.want(400, county, "GET", "/Patient?nickname=nick7", "", "Prefer: handling=strict")
	})
}

func TestParametersThatCannotBe(t *testing.T) {
	h := newHub(t)
	for detail, change := range map[string][2]string{
		"parameter-expression": {"Patient.name.where(use = 'nickname').text", "Patient.name.where("},
		"parameter-type":       {`"string"`, `"composite"`},
		"parameter-base":       {`["Patient"]`, `["Resource"]`},
		"parameter-exists":     {`"code":"nickname"`, `"code":"family"`},
		"parameter-code":       {`"code":"nickname"`, `"code":"_nick"`},
	} {
		r := h.want(422, system, "PUT", "/SearchParameter/nick", strings.Replace(nickname, change[0], change[1], 1))
		if r.detail() != detail {
			t.Errorf("got %s; want %s", r.body, detail)
		}
	}
	r := h.want(422, system, "PUT", "/SearchParameter/nick", strings.Replace(nickname, "text\"", "period\"", 1))
	if r.detail() != "parameter-expression" || !strings.Contains(r.body, "Period") {
		t.Errorf("a period under a string: got %s", r.body)
	}
	h.put(system, nickname)
	other := strings.Replace(nickname, `"id":"nick"`, `"id":"nick2"`, 1)
	if r := h.want(422, system, "PUT", "/SearchParameter/nick2", other); r.detail() != "parameter-exists" {
		t.Errorf("two definitions of one code: got %s", r.body)
	}
	h.want(403, county, "PUT", "/SearchParameter/nick3", strings.Replace(other, "nick2", "nick3", 1))
}

// TestGivenParametersSeal: what identifies a person is not kept in plain under another name.
func TestGivenParametersSeal(t *testing.T) {
	h := newHub(t)
	h.nicknamed("p1", "a")
	h.put(system, `{"resourceType":"SearchParameter","id":"card","url":"http://example.org/sp/card","name":"Card","status":"active","description":"x","code":"card","base":["Patient"],"type":"token","expression":"Patient.identifier.where(system = 'urn:id')"}`)
	h.finishIndexing()
	if got := h.want(200, county, "GET", "/Patient?card=99-p1", "").ids(); got != "Patient/p1" {
		t.Errorf("got %q; want Patient/p1", got)
	}
	if r := h.want(400, county, "GET", "/Patient?_sort=card", ""); r.detail() != "sealed-sort" {
		t.Errorf("sorting by a sealed parameter: got %s", r.body)
	}
	if r := h.want(200, stranger, "GET", "/Patient?card=99-p1", ""); r.ids() != "" {
		t.Errorf("a stranger got %s", r.body)
	}
}

func TestReindex(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		for i := range 130 {
			h.nicknamed(fmt.Sprintf("p%03d", i), "x")
			h.observation(county, fmt.Sprintf("o%03d", i), fmt.Sprintf("p%03d", i), "2026-01-02")
		}
		h.want(403, county, "POST", "/$reindex", "")
		h.want(403, stranger, "GET", "/$reindex", "")
		h.audit.take()
		if r := h.want(404, registry, "POST", "/$reindex?type=Patient&parameter=nothing", ""); r.detail() != "unknown-parameter" {
			t.Errorf("got %s", r.body)
		}
		before := h.everything()
		// Without clean it can be searched by all along.
		h.want(202, registry, "POST", "/$reindex", `{"resourceType":"Parameters","parameter":[{"name":"type","valueCode":"Observation"}]}`)
		if got := h.everything(); got != before {
			t.Errorf("while indexing: got %s; want %s", got, before)
		}
		h.finishIndexing()
		if got := h.everything(); got != before {
			t.Errorf("after indexing: got %s; want %s", got, before)
		}
		// With clean, what waits is refused and the rest is not.
		r := h.want(202, registry, "POST", "/$reindex?type=Observation&parameter=code&clean=true", "")
		if r.node.Str("parameter[0].valueInteger") != "1" || r.Header.Get("Content-Location") == "" {
			t.Errorf("got %s", r.body)
		}
		h.want(503, county, "GET", "/Observation?code=8867-4", "")
		h.want(200, county, "GET", "/Observation?date=2026", "")
		h.want(200, registry, "GET", "/$reindex", "")
		h.finishIndexing()
		if got := h.everything(); got != before {
			t.Errorf("after a clean indexing: got %s; want %s", got, before)
		}
	})
}

// everything is what a few searches of all kinds find.
func (h *hub) everything() string {
	h.t.Helper()
	var b strings.Builder
	for _, url := range []string{"/Observation?code=http://loinc.org|8867-4&date=ge2026-01-01&_summary=count", "/Observation?patient=p007&code=8867-4&_summary=count",
		"/Observation?value-quantity=72&_summary=count", "/Observation?code:missing=true&_summary=count", "/Observation?subject:Patient.family=张&_summary=count", "/Observation?code-value-quantity=8867-4$72&_summary=count"} {
		b.WriteString(h.want(200, county, "GET", url, "").node.Str("total") + " ")
	}
	return b.String()
}
