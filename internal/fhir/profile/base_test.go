package profile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

func rules(t *testing.T, json string) string {
	t.Helper()
	return faults(profile.Check(parse(t, json), nil, profile.Options{Rules: true, Now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}))
}

// Each rule with something that keeps it and something that breaks it.
func TestInvariants(t *testing.T) {
	obs := func(more string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"x"}` + more + `}`
	}
	timing := func(repeat string) string {
		return `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/p"},"occurrenceTiming":{"repeat":{` + repeat + `}}}`
	}
	bundle := func(typ, more string) string { return `{"resourceType":"Bundle","type":"` + typ + `"` + more + `}` }
	question := func(item string) string {
		return `{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1",` + item + `}]}`
	}
	const composition = `{"resourceType":"Composition","status":"final","type":{"text":"x"},"date":"2026","author":[{"display":"x"}],"title":"x"}`
	for _, c := range []struct{ key, place, good, bad string }{
		{"pat-1", "Patient.contact[0]", `{"resourceType":"Patient","contact":[{"telecom":[{"system":"phone","value":"1"}]}]}`, `{"resourceType":"Patient","contact":[{"gender":"male"}]}`},
		{"obs-6", "Observation", obs(`,"valueInteger":1`), obs(`,"valueInteger":1,"dataAbsentReason":{"text":"x"}`)},
		{"obs-7", "Observation", obs(`,"component":[{"code":{"text":"x"},"valueInteger":1}]`), `{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"a"}]},"valueInteger":1,"component":[{"code":{"coding":[{"code":"a"}]},"valueInteger":1}]}`},
		{"obs-3", "Observation.referenceRange[0]", obs(`,"referenceRange":[{"text":"x"}]`), obs(`,"referenceRange":[{"appliesTo":[{"text":"x"}]}]`)},
		{"sqty-1", "Observation.referenceRange[0].low", obs(`,"referenceRange":[{"low":{"value":1}}]`), obs(`,"referenceRange":[{"low":{"value":1,"comparator":">"}}]`)},
		{"qty-3", "Observation.value", obs(`,"valueQuantity":{"value":1,"unit":"mg"}`), obs(`,"valueQuantity":{"value":1,"code":"mg"}`)},
		{"rng-2", "Observation.value", obs(`,"valueRange":{"low":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"},"high":{"value":2,"system":"http://unitsofmeasure.org","code":"mg"}}`),
			obs(`,"valueRange":{"low":{"value":3,"system":"http://unitsofmeasure.org","code":"mg"},"high":{"value":2,"system":"http://unitsofmeasure.org","code":"mg"}}`)},
		{"rat-1", "Observation.value", obs(`,"valueRatio":{"numerator":{"value":1},"denominator":{"value":1}}`), obs(`,"valueRatio":{"numerator":{"value":1}}`)},
		{"cpt-2", "Patient.telecom[0]", `{"resourceType":"Patient","telecom":[{"system":"phone","value":"1"}]}`, `{"resourceType":"Patient","telecom":[{"value":"1"}]}`},
		{"att-1", "Patient.photo[0]", `{"resourceType":"Patient","photo":[{"contentType":"image/png","data":"AAAA"}]}`, `{"resourceType":"Patient","photo":[{"data":"AAAA"}]}`},
		{"ele-1", "Patient.name[0]", `{"resourceType":"Patient","name":[{"id":"x","text":"y"}]}`, `{"resourceType":"Patient","name":[{"id":"x"}]}`},
		{"tim-1", "ServiceRequest.occurrence.repeat", timing(`"duration":1,"durationUnit":"h"`), timing(`"duration":1`)},
		{"tim-2", "ServiceRequest.occurrence.repeat", timing(`"period":1,"periodUnit":"d"`), timing(`"period":1`)},
		{"tim-5", "ServiceRequest.occurrence.repeat", timing(`"period":0,"periodUnit":"d"`), timing(`"period":-1,"periodUnit":"d"`)},
		{"tim-8", "ServiceRequest.occurrence.repeat", timing(`"count":1,"countMax":2`), timing(`"countMax":2`)},
		{"tim-9", "ServiceRequest.occurrence.repeat", timing(`"offset":10,"when":["AC"]`), timing(`"offset":10,"when":["C"]`)},
		{"tim-10", "ServiceRequest.occurrence.repeat", timing(`"timeOfDay":["08:00:00"]`), timing(`"timeOfDay":["08:00:00"],"when":["AC"]`)},
		{"org-1", "Organization", `{"resourceType":"Organization","name":"x"}`, `{"resourceType":"Organization","active":true}`},
		{"org-2", "Organization.address[0]", `{"resourceType":"Organization","name":"x","address":[{"use":"work","text":"x"}]}`, `{"resourceType":"Organization","name":"x","address":[{"use":"home","text":"x"}]}`},
		{"org-3", "Organization.telecom[1]", `{"resourceType":"Organization","name":"x","telecom":[{"use":"work","system":"phone","value":"1"}]}`, `{"resourceType":"Organization","name":"x","telecom":[{"system":"phone","value":"1"},{"use":"home","system":"phone","value":"1"}]}`},
		{"con-4", "Condition", `{"resourceType":"Condition","subject":{"reference":"Patient/p"},"abatementDateTime":"2026","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"resolved"}]}}`,
			`{"resourceType":"Condition","subject":{"reference":"Patient/p"},"abatementDateTime":"2026","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}}`},
		{"ait-1", "AllergyIntolerance", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/p"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}`,
			`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/p"}}`},
		{"app-3", "Appointment", `{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"}]}`, `{"resourceType":"Appointment","status":"booked","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"}]}`},
		{"app-1", "Appointment.participant[0]", `{"resourceType":"Appointment","status":"proposed","participant":[{"type":[{"text":"x"}],"status":"accepted"}]}`, `{"resourceType":"Appointment","status":"proposed","participant":[{"status":"accepted"}]}`},
		{"inv-1", "Task", `{"resourceType":"Task","status":"draft","intent":"order","authoredOn":"2026-11-22","lastModified":"2026-11-23"}`, `{"resourceType":"Task","status":"draft","intent":"order","authoredOn":"2026-11-23","lastModified":"2026-11-22"}`},
		{"inv-1", "Parameters.parameter[0]", `{"resourceType":"Parameters","parameter":[{"name":"x","valueCode":"y"}]}`, `{"resourceType":"Parameters","parameter":[{"name":"x"}]}`},
		{"bdl-1", "Bundle", bundle("searchset", `,"total":0`), bundle("collection", `,"total":0`)},
		{"bdl-3", "Bundle", bundle("collection", `,"entry":[{"resource":`+obs("")+`}]`), bundle("collection", `,"entry":[{"resource":`+obs("")+`,"request":{"method":"POST","url":"Observation"}}]`)},
		{"bdl-5", "Bundle.entry[0]", bundle("collection", `,"entry":[{"resource":`+obs("")+`}]`), bundle("collection", `,"entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}]`)},
		{"bdl-7", "Bundle", bundle("collection", `,"entry":[{"fullUrl":"http://x/1","resource":`+obs("")+`},{"fullUrl":"http://x/2","resource":`+obs("")+`}]`), bundle("collection", `,"entry":[{"fullUrl":"http://x/1","resource":`+obs("")+`},{"fullUrl":"http://x/1","resource":`+obs("")+`}]`)},
		{"bdl-8", "Bundle.entry[0]", bundle("collection", `,"entry":[{"fullUrl":"http://x/Observation/1","resource":`+obs("")+`}]`), bundle("collection", `,"entry":[{"fullUrl":"http://x/Observation/1/_history/2","resource":`+obs("")+`}]`)},
		{"bdl-11", "Bundle", bundle("document", `,"timestamp":"2026-11-23T08:00:00Z","identifier":{"system":"urn:x","value":"1"},"entry":[{"resource":`+composition+`}]`), bundle("document", `,"timestamp":"2026-11-23T08:00:00Z","identifier":{"system":"urn:x","value":"1"},"entry":[{"resource":`+obs("")+`}]`)},
		{"dom-3", "Observation.contained[0]", obs(`,"contained":[{"resourceType":"Patient","id":"p","active":true}],"subject":{"reference":"#p"}`), obs(`,"contained":[{"resourceType":"Patient","id":"p","active":true}]`)},
		{"dom-3", "Observation.contained[0]", obs(`,"contained":[{"resourceType":"Provenance","id":"p","target":[{"reference":"#"}],"recorded":"2026-11-23T08:00:00Z","agent":[{"who":{"display":"x"}}]}]`), obs(`,"contained":[{"resourceType":"Patient","id":"p","active":true}],"subject":{"display":"p"}`)},
		{"dom-4", "Observation", obs(`,"contained":[{"resourceType":"Patient","id":"p","active":true}],"subject":{"reference":"#p"}`), obs(`,"contained":[{"resourceType":"Patient","id":"p","meta":{"versionId":"1"}}],"subject":{"reference":"#p"}`)},
		{"csd-1", "CodeSystem", `{"resourceType":"CodeSystem","status":"active","content":"complete","concept":[{"code":"a","concept":[{"code":"b"}]}]}`, `{"resourceType":"CodeSystem","status":"active","content":"complete","concept":[{"code":"a","concept":[{"code":"a"}]}]}`},
		{"que-1", "Questionnaire.item[0]", question(`"type":"group","item":[{"linkId":"2","type":"string"}]`), question(`"type":"group"`)},
		{"que-2", "Questionnaire", question(`"type":"string"`), question(`"type":"group","item":[{"linkId":"1","type":"string"}]`)},
		{"que-7", "Questionnaire.item[0].enableWhen[0]", question(`"type":"string","enableWhen":[{"question":"2","operator":"exists","answerBoolean":true}]`), question(`"type":"string","enableWhen":[{"question":"2","operator":"exists","answerString":"x"}]`)},
		{"vsd-1", "ValueSet.compose.include[0]", `{"resourceType":"ValueSet","status":"active","compose":{"include":[{"system":"http://s"}]}}`, `{"resourceType":"ValueSet","status":"active","compose":{"include":[{"version":"1"}]}}`},
		{"cmp-1", "Composition.section[0]", strings.Replace(composition, `"title"`, `"section":[{"entry":[{"display":"x"}]}],"title"`, 1), strings.Replace(composition, `"title"`, `"section":[{"title":"x"}],"title"`, 1)},
		{"fhs-2", "FamilyMemberHistory", `{"resourceType":"FamilyMemberHistory","status":"completed","patient":{"reference":"Patient/p"},"relationship":{"text":"x"},"ageString":"60","estimatedAge":true}`, `{"resourceType":"FamilyMemberHistory","status":"completed","patient":{"reference":"Patient/p"},"relationship":{"text":"x"},"estimatedAge":true}`},
		{"txt-2", "Basic.text.div", `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><img src=\"a.png\" alt=\"\"/></div>"}}`, `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> <p> </p> </div>"}}`},
		{"txt-1", "Basic.text.div", `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>张</p></div>"}}`, `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><video>x</video></div>"}}`},
		{"nsd-2", "NamingSystem", `{"resourceType":"NamingSystem","name":"X","status":"active","kind":"identifier","date":"2026","uniqueId":[{"type":"uri","value":"x","preferred":true}]}`, `{"resourceType":"NamingSystem","name":"X","status":"active","kind":"identifier","date":"2026","uniqueId":[{"type":"uri","value":"x","preferred":true},{"type":"uri","value":"y","preferred":true}]}`},
	} {
		if got := rules(t, c.good); strings.Contains(got, c.key+" ") {
			t.Errorf("%s: kept, but got %q", c.key, got)
		}
		if got, want := rules(t, c.bad), "invariant-"+c.key+" "+c.place; !strings.Contains(" "+got+",", want+",") {
			t.Errorf("%s: broken, but got %q; want %s", c.key, got, want)
		}
	}
}

// What is only recommended is a warning, and so is R4's own best practice.
func TestInvariantsThatWarn(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`{"resourceType":"ValueSet","name":"a b","status":"active"}`, "?invariant-vsd-0 ValueSet"},
		{`{"resourceType":"Condition","subject":{"reference":"Patient/p"},"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-category","code":"problem-list-item"}]}]}`, "?invariant-con-3 Condition"},
		{`{"resourceType":"Condition","subject":{"reference":"Patient/p"},"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-category","code":"encounter-diagnosis"}]}]}`, ""},
	} {
		if got := rules(t, c.json); got != c.want {
			t.Errorf("got %q; want %q", got, c.want)
		}
	}
	issues := profile.Check(parse(t, `{"resourceType":"Basic","code":{"text":"x"}}`), nil, profile.Options{Rules: true})
	if len(issues) != 1 || issues[0].Severity != "warning" || issues[0].Detail != "invariant-dom-6" || !strings.Contains(issues[0].Zh, "叙述文本") {
		t.Errorf("got %+v", issues)
	}
}

// Every expression of R4 can be parsed.
func TestEveryInvariantCompiles(t *testing.T) {
	seen := 0
	var look func(path string)
	done := map[string]bool{}
	look = func(path string) {
		if done[path] {
			return
		}
		done[path] = true
		for _, i := range spec.Invariants(path) {
			seen++
			if _, err := fhirpath.Compile(i.Expression); err != nil {
				t.Errorf("%s %s: %v", path, i.Key, err)
			}
		}
		for _, e := range spec.Elements(path) {
			look(path + "." + e.Name)
			if _, nested, ok := strings.Cut(e.Types[0], ":"); ok {
				look(nested)
			} else {
				look(e.Types[0])
			}
		}
	}
	for _, typ := range append(spec.Types(), "DomainResource", "SimpleQuantity", "MoneyQuantity") {
		look(typ)
	}
	if seen < 240 {
		t.Errorf("only %d", seen)
	}
}

func TestLooserBindingsOfR4(t *testing.T) {
	s := newShelf()
	set := "http://hl7.org/fhir/ValueSet/observation-interpretation"
	n := parse(t, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"interpretation":[{"coding":[{"system":"http://s","code":"z"}]}]}`)
	if got := faults(profile.Check(n, s, profile.Options{Rules: true})); got != "" {
		t.Errorf("an unknown set of R4 is passed over: got %q", got)
	}
	s.sets[set] = map[string]bool{"http://s|H": true}
	if got := faults(profile.Check(n, s, profile.Options{Rules: true})); got != "?code-outside Observation.interpretation[0]" {
		t.Errorf("a known one is not: got %q", got)
	}
}

func TestCodesToldByTheirForm(t *testing.T) {
	quantity := func(system, code string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"system":"` + system + `","code":"` + code + `"}}`
	}
	const ucum = "http://unitsofmeasure.org"
	photo := func(contentType string) string {
		return `{"resourceType":"Patient","photo":[{"contentType":"` + contentType + `"}]}`
	}
	for _, c := range []struct{ json, want string }{
		{quantity(ucum, "mm[Hg]"), ""},
		{quantity(ucum, "10*9/L"), ""},
		{quantity(ucum, "{beats}/min"), ""},
		{quantity(ucum, "mmHg"), "?unit-unknown Observation.value.code"},
		{quantity(ucum, "次/分"), "?unit-unknown Observation.value.code"},
		{quantity("http://x", "mmHg"), ""},
		{photo("image/png"), ""},
		{photo("application/fhir+json; fhirVersion=4.0"), ""},
		{photo("png"), "profile-code Patient.photo[0].contentType"},
		{`{"resourceType":"Patient","communication":[{"language":{"text":"中文"}}]}`, ""},
	} {
		if got := rules(t, c.json); got != c.want {
			t.Errorf("%s: got %q; want %q", c.json, got, c.want)
		}
	}
	s := newShelf(define(t, "f", "Patient", `{"path":"Patient.communication.language","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/all-languages|4.0.1"}}`))
	speaks := func(system, code string) string {
		return `{"resourceType":"Patient","communication":[{"language":{"coding":[{"system":"` + system + `","code":"` + code + `"}]}}]}`
	}
	try(t, s, canonical+"f", []trial{
		{"a language", speaks("urn:ietf:bcp:47", "zh-CN"), ""},
		{"none", speaks("urn:ietf:bcp:47", "chinese!"), "profile-code Patient.communication[0].language"},
		{"of another system", speaks("http://x", "zh"), "profile-code Patient.communication[0].language"},
	})
}

// A large system is checked in one pass.
func TestALargeCodeSystem(t *testing.T) {
	concepts := fhir.Arr{}
	for i := range 40_000 {
		concepts = append(concepts, fhir.Obj{"code", fmt.Sprintf("c%d", i), "display", "x"})
	}
	n := fhir.New("CodeSystem", "status", "active", "content", "complete", "concept", concepts)
	began := time.Now()
	got := faults(profile.Check(n, nil, profile.Options{Rules: true}))
	if took := time.Since(began); got != "" || took > 3*time.Second {
		t.Errorf("got %q in %v", got, took)
	}
}

// A large Bundle costs as much as its entries, not as their square.
func TestALargeBundle(t *testing.T) {
	entries := fhir.Arr{fhir.Obj{"fullUrl", "http://h/Patient/p", "resource", fhir.New("Patient", "id", "p", "active", true)}}
	for i := range 20_000 {
		entries = append(entries, fhir.Obj{"fullUrl", fmt.Sprintf("http://h/Observation/%d", i), "resource",
			fhir.New("Observation", "id", fmt.Sprint(i), "status", "final", "code", fhir.TextConcept("x"), "subject", fhir.Ref("Patient/p", ""))})
	}
	began := time.Now()
	issues := profile.Check(fhir.New("Bundle", "type", "collection", "entry", entries), nil, profile.Options{Rules: true, References: "error"})
	got := faults(issues)
	for _, i := range issues {
		if i.Detail == "invariant-unevaluated" || i.Detail == "too-costly" {
			t.Errorf("%+v", i)
		}
	}
	if took := time.Since(began); got != "" || took > 20*time.Second {
		t.Errorf("got %.300q in %v", got, took)
	} else {
		t.Log(took)
	}
}
