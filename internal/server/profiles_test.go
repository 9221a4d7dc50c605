package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
)

// The Chongqing guide, loaded over the API as an integrator would, with its own code lists as value sets.
func TestTheChongqingGuideOnAWholeHub(t *testing.T) {
	h := open(t, func(o *Options) { o.EnforceProfiles = true })
	url, stop := serving(t, h)
	defer stop()
	_, token, err := h.Identity.NewToken(t.Context(), "loader", []string{"system/*.cruds"}, "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string) (int, *fhir.Node) {
		t.Helper()
		r, err := http.NewRequest(method, url+"/fhir/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/fhir+json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		n, err := fhir.Parse(data)
		if err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, data)
		}
		return res.StatusCode, n
	}
	var instances []*fhir.Node
	for _, n := range fhirtest.Guide(t, "cq-core-ig/input/fsh", "http://fhir.cq.hc") {
		if n.Type() == "Organization" {
			instances = append(instances, n)
			continue
		}
		if status, answer := call("PUT", n.Type()+"/"+n.ID(), string(n.JSON())); status != 201 {
			t.Fatalf("%s/%s: %d %s", n.Type(), n.ID(), status, answer.JSON())
		}
	}
	validate := func(n *fhir.Node) string {
		status, answer := call("POST", "Organization/$validate", string(n.JSON()))
		if status != 200 {
			t.Fatalf("%s: %d %s", n.ID(), status, answer.JSON())
		}
		var out []string
		for _, i := range answer.All("issue") {
			if i.Str("severity") == "error" {
				out = append(out, i.Str("details.coding[0].code")+" "+i.Str("expression[0]"))
			}
		}
		return strings.Join(out, ", ")
	}
	for _, n := range instances {
		if got := validate(n); got != "" {
			t.Errorf("%s: %s", n.ID(), got)
		}
		if status, answer := call("PUT", "Organization/"+n.ID(), string(n.JSON())); status != 201 {
			t.Errorf("%s is not accepted: %d %s", n.ID(), status, answer.JSON())
		}
	}
	bad := instances[0].Copy()
	for _, x := range bad.All("extension") {
		if strings.HasSuffix(x.Str("url"), "administrativedivision") {
			x.Set("valueCoding.code", "999999")
		}
	}
	if got := validate(bad); got != "profile-code Organization.extension[0].value" {
		t.Errorf("a district that is none: got %q", got)
	}
	if status, answer := call("PUT", "Organization/"+bad.ID(), string(bad.JSON())); status != 422 || answer.Str("issue[0].details.coding[0].code") != "profile-code" {
		t.Errorf("written all the same: %d %s", status, answer.JSON())
	}
	// a code that the list has from now on
	if _, list := call("GET", "CodeSystem/cq-administrativedivision-code-system", ""); true {
		list.Add("concept", fhir.Obj{"code", "999999", "display", "新区"})
		if status, answer := call("PUT", "CodeSystem/"+list.ID(), string(list.JSON())); status != 200 {
			t.Fatalf("%d %s", status, answer.JSON())
		}
	}
	if got := validate(bad); got != "" {
		t.Errorf("after the list was changed: got %q", got)
	}
}
