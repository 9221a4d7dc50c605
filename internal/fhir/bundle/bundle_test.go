package bundle_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
)

func node(t *testing.T, s string) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return n
}

func TestOrderIsDeletePostPutGet(t *testing.T) {
	b := node(t, `{"resourceType":"Bundle","type":"transaction","entry":[
		{"request":{"method":"GET","url":"Patient/1"}},
		{"resource":{"resourceType":"Patient","id":"2"},"request":{"method":"PUT","url":"Patient/2"}},
		{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
		{"request":{"method":"DELETE","url":"/Patient/3"}},
		{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"https://hub.example/fhir/Patient","ifNoneExist":"identifier=1"}}]}`)
	_, entries, err := bundle.Read(b, "https://hub.example/fhir")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range bundle.Order(entries) {
		got = append(got, entries[i].Method+" "+entries[i].URL)
	}
	want := "DELETE Patient/3, POST Patient, POST Patient, PUT Patient/2, GET Patient/1"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got %s; want %s", s, want)
	}
	if entries[4].IfNoneExist != "identifier=1" {
		t.Errorf("ifNoneExist: got %q", entries[4].IfNoneExist)
	}
}

func TestRewriteReachesEveryPlaceThatPointsToAnEntry(t *testing.T) {
	const id = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
	ids := bundle.Identities{}
	ids.Name(&bundle.Entry{FullURL: id}, "Patient", "7")
	ids.Name(&bundle.Entry{FullURL: "https://old.example/fhir/Practitioner/p1"}, "Practitioner", "9")
	for _, c := range []struct{ name, before, after string }{
		{"a reference", `{"resourceType":"Observation","subject":{"reference":"` + id + `"}}`, `{"resourceType":"Observation","subject":{"reference":"Patient/7"}}`},
		{"a reference with a fragment", `{"resourceType":"Observation","subject":{"reference":"` + id + `#a"}}`, `{"resourceType":"Observation","subject":{"reference":"Patient/7#a"}}`},
		{"a reference relative to the fullUrl of its entry", `{"resourceType":"Observation","performer":[{"reference":"Practitioner/p1"}]}`, `{"resourceType":"Observation","performer":[{"reference":"Practitioner/9"}]}`},
		{"an absolute reference", `{"resourceType":"Observation","performer":[{"reference":"https://old.example/fhir/Practitioner/p1"}]}`, `{"resourceType":"Observation","performer":[{"reference":"Practitioner/9"}]}`},
		{"a uri in an extension", `{"resourceType":"Patient","extension":[{"url":"x","valueUri":"` + id + `"}]}`, `{"resourceType":"Patient","extension":[{"url":"x","valueUri":"Patient/7"}]}`},
		{"a canonical", `{"resourceType":"ServiceRequest","instantiatesCanonical":["` + id + `"]}`, `{"resourceType":"ServiceRequest","instantiatesCanonical":["Patient/7"]}`},
		{"an identifier's value is text and stays", `{"resourceType":"Patient","identifier":[{"system":"urn:ietf:rfc:3986","value":"` + id + `"}]}`, `{"resourceType":"Patient","identifier":[{"system":"urn:ietf:rfc:3986","value":"` + id + `"}]}`},
		{"a string stays", `{"resourceType":"Observation","valueString":"` + id + `"}`, `{"resourceType":"Observation","valueString":"` + id + `"}`},
		{"links of the narrative", `{"resourceType":"Patient","text":{"status":"generated","div":"<div><a href=\"` + id + `\">x</a><img src='` + id + `'/>` + id + `</div>"}}`,
			`{"resourceType":"Patient","text":{"status":"generated","div":"<div><a href=\"Patient/7\">x</a><img src='Patient/7'/>` + id + `</div>"}}`},
		{"inside contained resources", `{"resourceType":"Observation","contained":[{"resourceType":"Provenance","target":[{"reference":"` + id + `"}]}]}`,
			`{"resourceType":"Observation","contained":[{"resourceType":"Provenance","target":[{"reference":"Patient/7"}]}]}`},
		{"others stay", `{"resourceType":"Observation","subject":{"reference":"Patient/61"}}`, `{"resourceType":"Observation","subject":{"reference":"Patient/61"}}`},
	} {
		n := node(t, c.before)
		ids.Rewrite(n)
		if got := string(n.JSON()); got != string(node(t, c.after).JSON()) {
			t.Errorf("%s: got %s; want %s", c.name, got, c.after)
		}
	}
}

func TestRefusals(t *testing.T) {
	patient := `{"resourceType":"Patient","id":"1"}`
	for _, c := range []struct{ name, entries, detail string }{
		{"no request", `{"resource":` + patient + `}`, "entry-request"},
		{"unknown method", `{"request":{"method":"LIST","url":"Patient"}}`, "entry-method"},
		{"unknown type", `{"resource":{"resourceType":"Hospital"},"request":{"method":"POST","url":"Hospital"}}`, "unknown-type"},
		{"type of url and resource differ", `{"resource":` + patient + `,"request":{"method":"POST","url":"Observation"}}`, "type-mismatch"},
		{"PUT without id", `{"resource":` + patient + `,"request":{"method":"PUT","url":"Patient"}}`, "entry-url"},
		{"POST with id", `{"resource":` + patient + `,"request":{"method":"POST","url":"Patient/1"}}`, "entry-url"},
		{"no resource", `{"request":{"method":"POST","url":"Patient"}}`, "entry-resource"},
		{"an operation by PUT", `{"resource":{"resourceType":"Parameters"},"request":{"method":"PUT","url":"Task/1/$accept"}}`, "entry-operation"},
		{"PATCH without id", `{"resource":{"resourceType":"Parameters"},"request":{"method":"PATCH","url":"Patient"}}`, "entry-url"},
		{"the same resource twice", `{"resource":` + patient + `,"request":{"method":"PUT","url":"Patient/1"}},{"request":{"method":"DELETE","url":"Patient/1"}}`, "duplicate-identity"},
		{"the same fullUrl twice", `{"fullUrl":"urn:uuid:1","resource":` + patient + `,"request":{"method":"POST","url":"Patient"}},{"fullUrl":"urn:uuid:1","resource":` + patient + `,"request":{"method":"POST","url":"Patient"}}`, "duplicate-identity"},
	} {
		b := node(t, `{"resourceType":"Bundle","type":"transaction","entry":[`+c.entries+`]}`)
		_, entries, err := bundle.Read(b, "")
		if err == nil {
			err = bundle.CheckIdentities(entries)
		}
		var e *fhir.Error
		if !errors.As(err, &e) || e.Issues[0].Detail != c.detail || !strings.HasPrefix(e.Issues[0].Expression, "Bundle.entry[") {
			t.Errorf("%s: got %v; want %s with its entry", c.name, err, c.detail)
		}
	}
	if _, _, err := bundle.Read(node(t, `{"resourceType":"Bundle","type":"collection"}`), ""); err == nil {
		t.Error("a collection: got no error; want a refusal")
	}
}

func TestPathToNamesThePlace(t *testing.T) {
	n := node(t, `{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"reference":"a"},{"reference":"Practitioner/2"}]}`)
	refs := bundle.References(n)
	if len(refs) != 3 {
		t.Fatalf("got %d references; want 3", len(refs))
	}
	if got, want := bundle.PathTo(n, refs[2]), "Observation.performer[1].reference"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestConditionalReferences(t *testing.T) {
	for ref, want := range map[string]bool{"Patient?identifier=a|b": true, "Patient/1": false, "Patient?": false, "Hospital?a=b": false, "urn:uuid:1?x": false} {
		if _, _, got := bundle.Conditional(ref); got != want {
			t.Errorf("%s: got %v; want %v", ref, got, want)
		}
	}
}
