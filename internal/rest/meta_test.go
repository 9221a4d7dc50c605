package rest_test

import (
	"strings"
	"testing"
)

func TestMetaOperations(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p", "张")
	add := `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"profile":["http://x/p"],"tag":[{"system":"urn:t","code":"a"},{"system":"urn:t","code":"b"}]}}]}`
	for range 2 { // the second changes nothing
		h.audit.take()
		r := h.want(200, county, "POST", "/Patient/p/$meta-add", add)
		if got := r.node.Get("parameter[0].valueMeta"); len(got.All("tag")) != 2 || got.Str("versionId") != "2" || got.Str("profile[0]") != "http://x/p" {
			t.Errorf("got %s", r.body)
		}
		h.audited("meta-add", "Patient/p")
	}
	r := h.want(200, county, "POST", "/Patient/p/$meta-delete", `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"profile":["http://x/p"],"tag":[{"system":"urn:t","code":"a"},{"system":"urn:t","code":"z"}]}}]}`)
	if got := r.node.Get("parameter[0].valueMeta"); len(got.All("tag")) != 1 || got.Child("profile") != nil {
		t.Errorf("got %s", r.body)
	}
	if r := h.want(200, county, "GET", "/Patient/p/$meta", ""); r.node.Str("parameter[0].valueMeta.tag[0].code") != "b" {
		t.Errorf("got %s", r.body)
	}
	if r := h.want(200, county, "GET", "/Patient?_tag=urn:t|b", ""); r.ids() != "Patient/p" || !strings.Contains(r.body, "张") {
		t.Errorf("search by the tag: got %s", r.body)
	}
	h.want(404, stranger, "GET", "/Patient/p/$meta", "")
	h.want(404, stranger, "POST", "/Patient/p/$meta-add", add)
	h.want(403, program("system/Patient.r"), "POST", "/Patient/p/$meta-add", add)
	h.want(400, county, "POST", "/Patient/p/$meta-add", `{"resourceType":"Parameters"}`)
}
