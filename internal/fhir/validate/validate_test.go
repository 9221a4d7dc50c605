package validate_test

import (
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
)

func TestResource(t *testing.T) {
	const obs = `"resourceType":"Observation","status":"final","code":{"text":"x"}`
	div := func(inner string) string {
		return `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + inner + `</div>"}}`
	}
	for _, c := range []struct{ name, json, want string }{
		{"a whole patient", `{"resourceType":"Patient","id":"p","gender":"male","birthDate":"2024-02-29","contact":[{"gender":"female"}]}`, ""},
		{"unknown element", `{"resourceType":"Patient","nickname":"x"}`, "unknown-element Patient.nickname"},
		{"unknown nested element", `{"resourceType":"Patient","contact":[{"gender":"male"},{"sex":"x"}]}`, "unknown-element Patient.contact[1].sex"},
		{"resourceType in a child", `{"resourceType":"Patient","contact":[{"resourceType":"Patient"}]}`, "unknown-element Patient.contact[0].resourceType"},
		{"no such day", `{"resourceType":"Patient","birthDate":"2026-02-31"}`, "bad-format Patient.birthDate"},
		{"number for string", `{"resourceType":"Patient","birthDate":2026}`, "wrong-type Patient.birthDate"},
		{"string for boolean", `{"resourceType":"Patient","active":"true"}`, "wrong-type Patient.active"},
		{"string for decimal", `{` + obs + `,"valueQuantity":{"value":"1"}}`, "wrong-type Observation.value.value"},
		{"object for array", `{"resourceType":"Patient","name":{"text":"x"}}`, "array-expected Patient.name"},
		{"array for object", `{"resourceType":"Patient","maritalStatus":[{"text":"x"}]}`, "array-unexpected Patient.maritalStatus"},
		{"array in an array", `{"resourceType":"Patient","name":[[{"text":"x"}]]}`, "wrong-type Patient.name[0]"},
		{"missing element", `{"resourceType":"Observation","status":"final"}`, "missing-element Observation.code"},
		{"missing nested element", `{"resourceType":"Patient","link":[{"type":"refer"}]}`, "missing-element Patient.link[0].other"},
		{"missing choice", `{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/p"}}`, "missing-element MedicationRequest.medication"},
		{"choice twice", `{` + obs + `,"valueString":"x","valueInteger":1}`, "choice-twice Observation.value"},
		{"one choice with its extension", `{` + obs + `,"valueString":"x","_valueString":{"id":"a"}}`, ""},
		{"extension alone fills a required element", `{"resourceType":"Observation","_status":{"extension":[{"url":"http://x","valueCode":"unknown"}]},"code":{"text":"x"}}`, ""},
		{"code of another set", `{"resourceType":"Patient","gender":"男"}`, "unknown-code Patient.gender"},
		{"concept of another set", `{"resourceType":"Condition","subject":{"reference":"Patient/p"},"clinicalStatus":{"coding":[{"system":"http://x","code":"active"}]}}`, "unknown-code Condition.clinicalStatus"},
		{"concept of the set", `{"resourceType":"Condition","subject":{"reference":"Patient/p"},"clinicalStatus":{"coding":[{"code":"1","system":"http://x"},{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}}`, ""},
		{"reference to the wrong type", `{` + obs + `,"subject":{"reference":"Organization/o"}}`, "reference-target Observation.subject"},
		{"reference to no type", `{` + obs + `,"subject":{"reference":"Human/o"}}`, "bad-reference Observation.subject.reference"},
		{"reference of no form", `{` + obs + `,"subject":{"reference":"p"}}`, "bad-reference Observation.subject.reference"},
		{"reference elsewhere", `{` + obs + `,"subject":{"reference":"https://x.example/fhir/Patient/1"}}`, ""},
		{"reference by urn", `{` + obs + `,"subject":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}`, ""},
		{"reference by condition outside of a bundle", `{` + obs + `,"subject":{"reference":"Patient?identifier=1"}}`, "bad-reference Observation.subject.reference"},
		{"reference by condition in a bundle", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST","url":"Observation"},"resource":{` + obs + `,"subject":{"reference":"Patient?identifier=1"}}}]}`, ""},
		{"contained", `{` + obs + `,"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`, ""},
		{"contained is missing", `{` + obs + `,"subject":{"reference":"#p"}}`, "contained-missing Observation.subject.reference"},
		{"contained of the wrong type", `{` + obs + `,"contained":[{"resourceType":"Organization","id":"p"}],"subject":{"reference":"#p"}}`, "reference-target Observation.subject"},
		{"contained without id", `{` + obs + `,"contained":[{"resourceType":"Patient"}]}`, "contained-id Observation.contained[0]"},
		{"contained within contained", `{` + obs + `,"contained":[{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Patient","id":"q"}]}]}`, "contained-nested Observation.contained[0].contained[0]"},
		{"fault in contained", `{` + obs + `,"contained":[{"resourceType":"Patient","id":"p","gender":"x"}]}`, "unknown-code Observation.contained[0].gender"},
		{"fault in a bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","gender":"x"}}]}`, "unknown-code Bundle.entry[0].resource.gender"},
		{"entry without request", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","active":true}}]}`, "missing-element Bundle.entry[0].request"},
		{"unknown resource type", `{"resourceType":"Human"}`, "unknown-resource-type "},
		{"no resource type", `{"id":"x"}`, "resource-type-missing "},
		{"unknown type in a bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Human"}}]}`, "unknown-resource-type Bundle.entry[0].resource"},
		{"empty string", `{"resourceType":"Patient","birthDate":""}`, "empty-value Patient.birthDate"},
		{"blank string", `{"resourceType":"Patient","name":[{"text":"  "}]}`, "bad-format Patient.name[0].text"},
		{"empty array", `{"resourceType":"Patient","name":[]}`, "empty-array Patient.name"},
		{"empty object", `{"resourceType":"Patient","name":[{}]}`, "empty-object Patient.name[0]"},
		{"null", `{"resourceType":"Patient","birthDate":null}`, "null-value Patient.birthDate"},
		{"null with its extension", `{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"http://x","valueCode":"y"}]}]}]}`, ""},
		{"null without extension", `{"resourceType":"Patient","name":[{"given":["a",null]}]}`, "null-value Patient.name[0].given[1]"},
		{"extensions of another length", `{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[{"id":"x"}]}]}`, "primitive-extension Patient.name[0].given"},
		{"extension of an object", `{"resourceType":"Patient","_maritalStatus":{"id":"x"}}`, "unknown-element Patient._maritalStatus"},
		{"fault in a primitive's extension", `{"resourceType":"Patient","_birthDate":{"value":"x"}}`, "unknown-element Patient.birthDate.value"},
		{"bad id", `{"resourceType":"Patient","id":"a_b"}`, "bad-format Patient.id"},
		{"extension with value and extensions", `{"resourceType":"Patient","extension":[{"url":"http://x","valueCode":"y","extension":[{"url":"z","valueCode":"y"}]}]}`, "extension-value Patient.extension[0]"},
		{"extension with neither", `{"resourceType":"Patient","extension":[{"url":"http://x"}]}`, "extension-value Patient.extension[0]"},
		{"period backwards", `{"resourceType":"Encounter","status":"planned","class":{"code":"AMB"},"period":{"start":"2026-02-02","end":"2026-02-01"}}`, "period-order Encounter.period"},
		{"period within a day", `{"resourceType":"Encounter","status":"planned","class":{"code":"AMB"},"period":{"start":"2026-02-02","end":"2026-02-02"}}`, ""},
		{"narrative", div(`<p style=\"a\">张 &amp; 三<br/><img src=\"x.png\" alt=\"a\"/></p>`), ""},
		{"narrative with script", div(`<script>x</script>`), "narrative-unsafe Basic.text.div"},
		{"narrative with handler", div(`<p class='a' OnClick = 'x'>y</p>`), "narrative-unsafe Basic.text.div"},
		{"narrative with handler after slash", div(`<img/onerror='x'/>`), "narrative-unsafe Basic.text.div"},
		{"narrative with handler after a bare attribute", div(`<img src onerror='x'/>`), "narrative-unsafe Basic.text.div"},
		{"narrative with handler after slashes", div(`<img/x/onerror='y'/>`), "narrative-unsafe Basic.text.div"},
		{"narrative with a bare attribute", div(`<p onclick>x</p>`), "narrative-unsafe Basic.text.div"},
		{"narrative with a tag inside a tag", `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<div <sCript></0>"}}`, "narrative-unsafe Basic.text.div"},
		{"narrative with a comment that ends at once", div(`<!--><img src='x' onerror='y'/>-->`), "narrative-unsafe Basic.text.div"},
		{"narrative with a comment that ends otherwise", div(`<!-- a --!><img src='x' onerror='y'/>-->`), "narrative-unsafe Basic.text.div"},
		{"narrative with a form feed", div(`<script\f>x</script\f>`), "narrative-unsafe Basic.text.div"},
		{"narrative with a plain comment", div(`<p>x</p><!-- a > b - c -->`), ""},
		{"narrative with script address", div(`<a href=\" java\nscript:x\">y</a>`), "narrative-unsafe Basic.text.div"},
		{"narrative with spelled script address", div(`<a href=\"&#106;avascript:x\">y</a>`), "narrative-unsafe Basic.text.div"},
		{"narrative with plain address", div(`<a href=\"http://x/?a=1&amp;b=2\">y</a>`), ""},
		{"narrative with an ampersand at the end", div(`<a href=\"http://x/?&\">y</a>`), ""},
		{"narrative of another element", `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<divider>x</divider>"}}`, "narrative-unsafe Basic.text.div"},
		{"narrative left open", div(`<p>`), "narrative-unsafe Basic.text.div"},
		{"narrative that escapes", div(`</div><p>x</p><div>`), "narrative-unsafe Basic.text.div"},
		{"narrative that is no div", `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<p>x</p>"}}`, "narrative-unsafe Basic.text.div"},
		{"questions in questions", `{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"nothing"}]}]}`, "unknown-code Questionnaire.item[0].item[0].type"},
	} {
		n, err := fhir.Parse([]byte(c.json))
		if err != nil {
			t.Fatal(c.name, err)
		}
		got := ""
		for i, is := range validate.Resource(n) {
			if i > 0 {
				got += ", "
			}
			got += is.Detail + " " + is.Expression
			if is.Text == "" || is.Zh == "" || is.Code == "" || is.Severity != "error" {
				t.Errorf("%s: an issue without words: %+v", c.name, is)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
	}
}

func TestEntryMayReferByCondition(t *testing.T) {
	n, _ := fhir.Parse([]byte(`{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient?identifier=1"},"encounter":{"reference":"Patient?identifier=1"}}`))
	got := validate.Entry(n)
	if len(got) != 1 || got[0].Expression != "Observation.encounter" || got[0].Detail != "reference-target" {
		t.Errorf("got %+v; want the wrong target of encounter only", got)
	}
}

func TestManyFaultsStopSomewhere(t *testing.T) {
	n, _ := fhir.Parse([]byte(`{"resourceType":"Patient","name":[` + strings.Repeat(`{},`, 5000) + `{}]}`))
	if got := len(validate.Resource(n)); got == 0 || got > 100 {
		t.Errorf("got %d issues; want at most 100", got)
	}
}

func FuzzResource(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"x"}]}],"text":{"status":"generated","div":"<div><p a='b'/></div>"}}`))
	f.Add([]byte(`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Observation","subject":{"reference":"#"}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := fhir.Parse(data)
		if err != nil {
			return
		}
		again, err := fhir.Parse(n.JSON())
		if err != nil || string(again.JSON()) != string(n.JSON()) {
			t.Fatalf("does not come back: %v", err)
		}
		validate.Resource(n)
	})
}

func FuzzNarrative(f *testing.F) {
	f.Add(`<div><a href="x">y</a></div>`)
	f.Add(`<div><!-- <script> --></div>`)
	f.Add(`<div a='>' b=">"/`)
	f.Add(`<div <sCript></0>`)
	f.Fuzz(func(t *testing.T, div string) {
		n := fhir.New("Basic", "code", fhir.TextConcept("x"), "text", fhir.Obj{"status", "generated", "div", div})
		bad := len(validate.Resource(n)) > 0
		if low := strings.ToLower(div); !bad && strings.Contains(low, "<script") && !strings.Contains(low, "<!--") && !strings.ContainsAny(low, `"'`) {
			t.Errorf("let through: %q", div)
		}
	})
}

func corpus(b *testing.B) (bundles [][]byte, bytes, resources int) {
	fhirtest.Each(b, fhirtest.Synthea, 20, func(_ string, data []byte) {
		n, err := fhir.Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		bundles = append(bundles, n.JSON())
		bytes += len(n.JSON())
		resources += len(n.All("entry"))
	})
	return bundles, bytes, resources
}

// On one core over Synthea's bundles, compact: MB/s of JSON and resources a second.
func BenchmarkSynthea(b *testing.B) {
	bundles, bytes, resources := corpus(b)
	var trees []*fhir.Node
	for _, data := range bundles {
		n, _ := fhir.Parse(data)
		trees = append(trees, n)
	}
	run := func(name string, do func(i int)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			for b.Loop() {
				for i := range bundles {
					do(i)
				}
			}
			b.ReportMetric(float64(resources)*float64(b.N)/b.Elapsed().Seconds(), "resources/s")
		})
	}
	run("parse", func(i int) { fhir.Parse(bundles[i]) })
	run("validate", func(i int) { validate.Resource(trees[i]) })
	run("extract", func(i int) {
		for _, e := range trees[i].All("entry") {
			index.Extract(e.Child("resource"), nil)
		}
	})
	run("compartments", func(i int) {
		for _, e := range trees[i].All("entry") {
			index.Compartments(e.Child("resource"))
		}
	})
	run("write", func(i int) { trees[i].JSON() })
	run("all", func(i int) {
		n, _ := fhir.Parse(bundles[i])
		validate.Resource(n)
		for _, e := range n.All("entry") {
			r := e.Child("resource")
			index.Extract(r, nil)
			index.Compartments(r)
			r.JSON()
		}
	})
}
