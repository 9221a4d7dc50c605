package rest_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
)

func TestReadGivesBackWhatWasWritten(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.audit.take()
	r := h.want(200, county, "GET", "/Patient/p1", "")
	h.audited("read", "Patient/p1")
	if r.Header.Get("ETag") != `W/"1"` || r.Header.Get("Last-Modified") != "Mon, 23 Nov 2026 08:00:00 GMT" {
		t.Errorf("got ETag %s, Last-Modified %s", r.Header.Get("ETag"), r.Header.Get("Last-Modified"))
	}
	if r.node.Str("meta.versionId") != "1" || r.node.Str("name[0].family") != "张" {
		t.Errorf("got %s", r.body)
	}
	if head := h.want(200, county, "HEAD", "/Patient/p1", ""); head.body != "" || head.Header.Get("ETag") == "" {
		t.Errorf("HEAD: got body %q, ETag %q", head.body, head.Header.Get("ETag"))
	}
}

func TestDecimalTextIsKept(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.observation(county, "o1", "p1", "2026-01-01")
	if r := h.want(200, county, "GET", "/Observation/o1", ""); !strings.Contains(r.body, `"value":72.0`) {
		t.Errorf("got %s; want 72.0 as written", r.body)
	}
}

func TestConditionalReads(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.want(304, county, "GET", "/Patient/p1", "", `If-None-Match: W/"1"`)
	h.want(200, county, "GET", "/Patient/p1", "", `If-None-Match: W/"2"`)
	h.want(304, county, "GET", "/Patient/p1", "", "If-Modified-Since: Mon, 23 Nov 2026 08:00:00 GMT")
	h.want(200, county, "GET", "/Patient/p1", "", "If-Modified-Since: Mon, 23 Nov 2026 07:59:59 GMT")
}

func TestGoneAndNotFoundAreApart(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.observation(county, "o1", "p1", "2026-01-01")
	h.want(204, county, "DELETE", "/Observation/o1", "")
	if r := h.want(410, county, "GET", "/Observation/o1", ""); r.detail() != "gone" {
		t.Errorf("got %s; want gone", r.detail())
	}
	h.want(404, county, "GET", "/Observation/o2", "")
	h.want(404, stranger, "GET", "/Observation/o1", "") // not even that there was something
	h.want(404, county, "GET", "/Hospital/1", "")
	h.want(204, county, "DELETE", "/Observation/o1", "")
	h.want(204, county, "DELETE", "/Observation/never", "")
	h.want(200, county, "GET", "/Observation/o1/_history/1", "")
	h.want(410, county, "GET", "/Observation/o1/_history/2", "")
	h.want(404, county, "GET", "/Observation/o1/_history/9", "")
	h.observation(county, "o1", "p1", "2026-01-02")
	if r := h.want(200, county, "GET", "/Observation/o1", ""); r.node.Str("meta.versionId") != "3" {
		t.Errorf("after deletion: got version %s; want 3", r.node.Str("meta.versionId"))
	}
}

func TestHistoryIsNewestFirstAndShowsDeletes(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.observation(county, "o1", "p1", "2026-01-01")
	h.clock.Turn(time.Minute)
	h.observation(county, "o1", "p1", "2026-01-02")
	h.clock.Turn(time.Minute)
	h.want(204, county, "DELETE", "/Observation/o1", "")
	r := h.want(200, county, "GET", "/Observation/o1/_history", "")
	var got []string
	for _, e := range r.node.All("entry") {
		got = append(got, e.Str("request.method")+" "+e.Str("response.etag"))
	}
	if s := strings.Join(got, ", "); s != `DELETE W/"3", PUT W/"2", PUT W/"1"` && s != `DELETE W/"3", PUT W/"2", POST W/"1"` {
		t.Errorf("got %s; want the delete, then versions 2 and 1", s)
	}
	if r := h.want(200, county, "GET", "/Observation/o1/_history?_since=2026-11-23T08:01:00Z", ""); len(r.node.All("entry")) != 2 {
		t.Errorf("_since: got %d entries; want 2", len(r.node.All("entry")))
	}
	h.want(404, stranger, "GET", "/Observation/o1/_history", "")
	if r := h.want(200, stranger, "GET", "/Observation/_history", ""); len(r.node.All("entry")) != 0 {
		t.Errorf("a stranger sees history: %s", r.body)
	}
	first := h.want(200, county, "GET", "/Observation/o1/_history?_count=1", "")
	next := linkOf(first, "next")
	if next == "" {
		t.Fatal("no next link after the first of three versions")
	}
	second := h.want(200, county, "GET", strings.TrimPrefix(next, "http://hub.test/fhir"), "")
	if got := second.node.Str("entry[0].response.etag"); got != `W/"2"` {
		t.Errorf("second page: got %s; want W/\"2\"", got)
	}
}

func linkOf(r reply, relation string) string {
	for _, l := range r.node.All("link") {
		if l.Str("relation") == relation {
			return l.Str("url")
		}
	}
	return ""
}

func TestFormats(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	for _, c := range []struct {
		name, url, accept string
		status            int
	}{
		{"json", "/Patient/p1", "application/fhir+json", 200},
		{"a browser", "/Patient/p1", "text/html,application/xhtml+xml,*/*;q=0.8", 200},
		{"xml", "/Patient/p1", "application/fhir+xml", 406},
		{"_format wins", "/Patient/p1?_format=json", "application/fhir+xml", 200},
		{"_format with a plus that became a space", "/Patient/p1?_format=application/fhir+json", "", 200},
		{"_format xml", "/Patient/p1?_format=xml", "", 406},
		{"another FHIR version", "/Patient/p1", "application/fhir+json; fhirVersion=5.0", 406},
	} {
		headers := []string{}
		if c.accept != "" {
			headers = append(headers, "Accept: "+c.accept)
		}
		if r := h.do(county, "GET", c.url, "", headers...); r.StatusCode != c.status {
			t.Errorf("%s: got %d; want %d", c.name, r.StatusCode, c.status)
		}
	}
	h.want(415, county, "POST", "/Patient", "<Patient/>", "Content-Type: application/fhir+xml")
	h.want(400, county, "POST", "/Patient", `{"resourceType":"Patient","active":true,"active":false}`)
	h.want(400, county, "POST", "/Patient", "")
	h.want(413, county, "POST", "/Patient", `{"resourceType":"Patient","id":"`+strings.Repeat("x", 2<<20)+`"}`)
	h.want(405, county, "POST", "/Patient/p1", `{"resourceType":"Patient"}`)
	h.want(415, county, "PATCH", "/Patient/p1", `<diff/>`, "Content-Type: application/xml-patch+xml")
	h.want(404, county, "GET", "/Patient/p1/nothing/here", "")
}

func TestNobodySeesOnlyTheCapabilities(t *testing.T) {
	h := newHub(t)
	r := h.want(200, nil, "GET", "/metadata", "")
	if r.node.Str("fhirVersion") != "4.0.1" || len(r.node.All("rest[0].resource")) < 140 {
		t.Errorf("got version %s and %d types", r.node.Str("fhirVersion"), len(r.node.All("rest[0].resource")))
	}
	for _, url := range []string{"/Patient", "/Patient/1", "/_history", "/Organization/county"} {
		if r := h.want(401, nil, "GET", url, ""); r.detail() != "login-required" || r.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: got %s", url, r.body)
		}
	}
	h.want(401, nil, "POST", "/", `{"resourceType":"Bundle","type":"batch"}`)
}

func TestMessagesSpeakTheCallersLanguage(t *testing.T) {
	h := newHub(t)
	zh := h.want(404, county, "GET", "/Patient/none", "", "Accept-Language: zh-CN")
	en := h.want(404, county, "GET", "/Patient/none", "", "X-Request-Id: abc-1")
	if got := zh.node.Str("issue[0].details.text"); !strings.Contains(got, "没有") {
		t.Errorf("zh: got %s", got)
	}
	if got := en.node.Str("issue[0].details.text"); !strings.Contains(got, "no such") {
		t.Errorf("en: got %s", got)
	}
	if en.Header.Get("X-Request-Id") != "abc-1" || !strings.Contains(en.node.Str("issue[0].diagnostics"), "abc-1") {
		t.Errorf("request id: got %s, %s", en.Header.Get("X-Request-Id"), en.node.Str("issue[0].diagnostics"))
	}
}

func TestWhatCannotBeAuditedIsNotShown(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	h.audit.fail = errors.New("disk full")
	if r := h.want(500, county, "GET", "/Patient/p1", ""); strings.Contains(r.body, "张") {
		t.Errorf("got %s; want no data", r.body)
	}
}

func TestSummaryAndElementsMarkTheirAnswers(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "张")
	r := h.want(200, county, "GET", "/Patient/p1?_elements=gender", "")
	if r.node.Str("gender") != "male" || r.node.Child("name") != nil || r.node.Str("meta.tag[0].code") != "SUBSETTED" {
		t.Errorf("got %s", r.body)
	}
	h.want(422, county, "PUT", "/Patient/p1", r.body)
	r = h.want(200, county, "GET", "/Patient?_summary=data&_id=p1", "")
	if r.node.Str("entry[0].resource.name[0].family") != "张" {
		t.Errorf("got %s", r.body)
	}
}

func BenchmarkRead(b *testing.B) {
	h := newHub(b)
	h.patient(county, "p1", "张")
	for b.Loop() {
		r := httptest.NewRequest("GET", "http://hub.test/fhir/Patient/p1", nil)
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r.WithContext(access.With(r.Context(), county)))
		if w.Code != 200 {
			b.Fatal(w.Body.String())
		}
	}
}

func TestHistoryOfAList(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p", "张")
	h.patient(county, "q", "李")
	h.patient(stranger, "theirs", "王")
	h.observation(county, "o", "p", "2026-01-01")
	h.clock.Turn(time.Minute)
	h.patient(county, "p", "章")
	h.put(system, `{"resourceType":"List","id":"l","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/p"}},{"item":{"reference":"Observation/o"}},{"item":{"reference":"Patient/theirs"}}]}`)
	h.put(county, `{"resourceType":"List","id":"ours","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/p"}},{"item":{"reference":"Observation/o"}}]}`)
	if r := h.want(200, county, "GET", "/_history?_list=ours", ""); len(r.node.All("entry")) != 3 || r.node.Str("entry[0].resource.name[0].family") != "章" {
		t.Errorf("got %s", r.body)
	}
	if r := h.want(200, county, "GET", "/Patient/_history?_list=ours", ""); len(r.node.All("entry")) != 2 {
		t.Errorf("of one type: got %s", r.body)
	}
	if r := h.want(200, county, "GET", "/_history?_list=ours&_since=2026-11-23T08:00:30Z", ""); len(r.node.All("entry")) != 1 {
		t.Errorf("since: got %s", r.body)
	}
	if r := h.want(200, system, "GET", "/_history?_list=l", ""); len(r.node.All("entry")) != 4 {
		t.Errorf("got %s", r.body)
	}
	h.want(404, county, "GET", "/_history?_list=l", "") // of another house
	h.want(404, stranger, "GET", "/_history?_list=ours", "")
	h.want(400, county, "GET", "/Patient/p/_history?_list=ours", "")
}
