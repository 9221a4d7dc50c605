package profile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
)

func parse(t testing.TB, s string) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return n
}

const canonical = "http://x.test/StructureDefinition/"

// define writes a constraint profile from the elements of its differential.
func define(t testing.TB, id, typ string, elements ...string) *fhir.Node {
	t.Helper()
	return defineOn(t, id, typ, "http://hl7.org/fhir/StructureDefinition/"+typ, elements...)
}

func defineOn(t testing.TB, id, typ, base string, elements ...string) *fhir.Node {
	t.Helper()
	return parse(t, `{"resourceType":"StructureDefinition","id":"`+id+`","url":"`+canonical+id+`","version":"1.0","name":"`+id+`","status":"active","kind":"resource","abstract":false,"type":"`+typ+`","baseDefinition":"`+base+`","derivation":"constraint","differential":{"element":[`+
		strings.Join(elements, ",")+`]}}`)
}

// faults lists "detail place" of what is at least a warning; with infos also of the others.
func faults(issues []fhir.Issue) string {
	var out []string
	for _, i := range issues {
		if i.Severity == "information" || i.Detail == "invariant-dom-6" {
			continue
		}
		mark := ""
		if i.Severity == "warning" {
			mark = "?"
		}
		out = append(out, mark+i.Detail+" "+i.Expression)
	}
	return strings.Join(out, ", ")
}

type trial struct{ name, json, want string }

// try checks resources against a profile: by the differentials, and by snapshots that say the same.
func try(t *testing.T, s *shelf, url string, trials []trial) {
	t.Helper()
	tryOn(t, s, url, trials)
	again := newShelf()
	again.sets, again.targets = s.sets, s.targets
	for u, n := range s.definitions {
		if !strings.HasPrefix(n.Str("baseDefinition"), core) {
			return // what the parent asks would be missing
		}
		n = n.Copy()
		for i := range n.Members {
			if n.Members[i].Name == "differential" {
				n.Members[i].Name = "snapshot"
			}
		}
		again.definitions[u] = n
	}
	tryOn(t, again, url, trials)
}

func tryOn(t *testing.T, s *shelf, url string, trials []trial) {
	t.Helper()
	for _, c := range trials {
		n := parse(t, c.json)
		if issues := validate.Resource(n); len(issues) > 0 {
			t.Errorf("%s: the structure itself is wrong: %+v", c.name, issues[0])
		}
		issues := profile.Check(n, s, profile.Options{Profiles: []string{url}, Now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)})
		if got := faults(issues); got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
		for _, i := range issues {
			if i.Zh == "" || i.Text == "" {
				t.Errorf("%s: an issue without words: %+v", c.name, i)
			}
		}
	}
}

func TestCardinality(t *testing.T) {
	s := newShelf(define(t, "p", "Patient", `{"id":"Patient.name","path":"Patient.name","min":1,"max":"2"}`, `{"id":"Patient.contact","path":"Patient.contact","max":"0"}`,
		`{"id":"Patient.name.given","path":"Patient.name.given","min":2}`, `{"id":"Patient.deceased[x]","path":"Patient.deceased[x]","min":1}`))
	const dead = `"deceasedBoolean":false`
	try(t, s, canonical+"p", []trial{
		{"as asked", `{"resourceType":"Patient",` + dead + `,"name":[{"given":["a","b"]}]}`, ""},
		{"too few", `{"resourceType":"Patient",` + dead + `}`, "profile-min Patient.name"},
		{"too many", `{"resourceType":"Patient",` + dead + `,"name":[{"given":["a","b"]},{"given":["a","b"]},{"given":["a","b"]}]}`, "profile-max Patient.name"},
		{"forbidden", `{"resourceType":"Patient",` + dead + `,"name":[{"given":["a","b"]}],"contact":[{"gender":"male"}]}`, "profile-max Patient.contact"},
		{"below, too few", `{"resourceType":"Patient",` + dead + `,"name":[{"given":["a","b"]},{"given":["a"]}]}`, "profile-min Patient.name[1].given"},
		{"null with an extension counts", `{"resourceType":"Patient",` + dead + `,"name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"http://hl7.org/fhir/x","valueCode":"y"}]}]}]}`, ""},
		{"a choice", `{"resourceType":"Patient","name":[{"given":["a","b"]}]}`, "profile-min Patient.deceased"},
	})
}

func TestFixedPatternAndRange(t *testing.T) {
	s := newShelf(define(t, "o", "Observation",
		`{"id":"Observation.status","path":"Observation.status","fixedCode":"final"}`,
		`{"id":"Observation.code","path":"Observation.code","patternCodeableConcept":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]}}`,
		`{"id":"Observation.value[x]","path":"Observation.value[x]","type":[{"code":"Quantity"},{"code":"string"}]}`,
		`{"id":"Observation.method","path":"Observation.method","fixedCodeableConcept":{"text":"cuff"}}`,
		`{"id":"Observation.effective[x]","path":"Observation.effective[x]","minValueDateTime":"2020-01-01","maxValueDateTime":"2029-12-31"}`,
		`{"id":"Observation.component.value[x]","path":"Observation.component.value[x]","minValueInteger":1,"maxValueInteger":10,"maxLength":5}`,
	))
	const good = `"resourceType":"Observation","status":"final","code":{"text":"x","coding":[{"system":"http://a","code":"b"},{"system":"http://loinc.org","code":"8480-6","display":"y"}]}`
	part := func(value string) string {
		return `{` + good + `,"component":[{"code":{"text":"x"},` + value + `}]}`
	}
	try(t, s, canonical+"o", []trial{
		{"as asked", `{` + good + `,"valueString":"x","effectiveDateTime":"2026-02","method":{"text":"cuff"}}`, ""},
		{"fixed", strings.Replace(`{`+good+`}`, `"final"`, `"amended"`, 1), "profile-fixed Observation.status"},
		{"pattern", strings.Replace(`{`+good+`}`, `8480-6`, `8480-7`, 1), "profile-pattern Observation.code"},
		{"type", `{` + good + `,"valueInteger":1}`, "profile-type Observation.value"},
		{"fixed is whole", `{` + good + `,"method":{"text":"cuff","coding":[{"code":"x"}]}}`, "profile-fixed Observation.method"},
		{"too early", `{` + good + `,"effectiveDateTime":"2019-12-31"}`, "profile-range Observation.effective"},
		{"too late", `{` + good + `,"effectiveDateTime":"2030"}`, "profile-range Observation.effective"},
		{"not to be compared", `{` + good + `,"effectiveDateTime":"2020-01-01T00:00:00+08:00"}`, ""},
		{"too small", part(`"valueInteger":0`), "profile-range Observation.component[0].value"},
		{"largest", part(`"valueInteger":10`), ""},
		{"too large", part(`"valueInteger":11`), "profile-range Observation.component[0].value"},
		{"characters, not bytes", part(`"valueString":"一二三四五"`), ""},
		{"too long", part(`"valueString":"一二三四五六"`), "profile-length Observation.component[0].value"},
	})
}

func TestSimpleQuantityIsKnown(t *testing.T) {
	s := newShelf(define(t, "q", "Observation", `{"path":"Observation.value[x]","type":[{"code":"Quantity","profile":["`+core+`SimpleQuantity"]}]}`))
	const o = `"resourceType":"Observation","status":"final","code":{"text":"x"}`
	try(t, s, canonical+"q", []trial{
		{"plain", `{` + o + `,"valueQuantity":{"value":1}}`, ""},
		{"with a comparator", `{` + o + `,"valueQuantity":{"value":1,"comparator":">"}}`, "invariant-sqty-1 Observation.value"},
	})
}

func TestFixedDecimalComparesByValue(t *testing.T) {
	s := newShelf(define(t, "d", "Observation", `{"path":"Observation.valueQuantity.value","fixedDecimal":1.50}`, `{"path":"Observation.referenceRange.low","minValueQuantity":{"value":1.5,"system":"http://unitsofmeasure.org","code":"mg"}}`))
	const o = `"resourceType":"Observation","status":"final","code":{"text":"x"}`
	low := func(q string) string { return `{` + o + `,"referenceRange":[{"low":{` + q + `}}]}` }
	try(t, s, canonical+"d", []trial{
		{"same text", `{` + o + `,"valueQuantity":{"value":1.50}}`, ""},
		{"same number", `{` + o + `,"valueQuantity":{"value":1.5}}`, ""},
		{"another", `{` + o + `,"valueQuantity":{"value":1.51}}`, "profile-fixed Observation.value.value"},
		{"a number too long to compare", `{` + o + `,"valueQuantity":{"value":1.5e-9999999}}`, "profile-fixed Observation.value.value"},
		{"quantity too small", low(`"value":1.4,"system":"http://unitsofmeasure.org","code":"mg"`), "profile-range Observation.referenceRange[0].low"},
		{"quantity in another unit", low(`"value":1.4,"system":"http://unitsofmeasure.org","code":"g"`), ""},
	})
}

func TestBindings(t *testing.T) {
	s := newShelf(define(t, "b", "Observation",
		`{"path":"Observation.code","binding":{"strength":"required","valueSet":"http://x.test/vs"}}`,
		`{"path":"Observation.method","binding":{"strength":"extensible","valueSet":"http://x.test/vs","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet","valueCanonical":"http://x.test/most"}]}}`,
		`{"path":"Observation.bodySite","binding":{"strength":"preferred","valueSet":"http://x.test/vs"}}`,
		`{"path":"Observation.category","binding":{"strength":"required","valueSet":"http://x.test/nowhere"}}`,
		`{"path":"Observation.value[x]","binding":{"strength":"required","valueSet":"http://x.test/vs"}}`,
		`{"path":"Observation.language","binding":{"strength":"required","valueSet":"http://x.test/languages"}}`,
		`{"path":"Observation.interpretation","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"}}`))
	s.sets["http://x.test/vs"] = map[string]bool{"http://s|a": true, "http://s|b": true}
	s.sets["http://x.test/most"] = map[string]bool{"http://s|a": true, "http://s|c": true}
	s.sets["http://x.test/languages"] = map[string]bool{"urn:ietf:bcp:47|zh": true}
	o := func(code, more string) string {
		return `{"resourceType":"Observation","status":"final","code":{` + code + `}` + more + `}`
	}
	const a = `"coding":[{"system":"http://s","code":"a"}]`
	const z = `"coding":[{"system":"http://s","code":"z"}]`
	try(t, s, canonical+"b", []trial{
		{"a code of the set", o(a, ""), ""},
		{"one of several is of the set", o(`"coding":[{"system":"http://t","code":"a"},{"system":"http://s","code":"b"}]`, ""), ""},
		{"the code in another system", o(`"coding":[{"system":"http://t","code":"a"}]`, ""), "profile-code Observation.code"},
		{"text only", o(`"text":"x"`, ""), "profile-code Observation.code"},
		{"extensible, outside", o(a, `,"method":{"coding":[{"system":"http://s","code":"c"}]}`), "?code-outside Observation.method"},
		{"extensible, text only", o(a, `,"method":{"text":"x"}`), ""},
		{"extensible, outside of the most", o(a, `,"method":{`+z+`}`), "profile-code Observation.method"},
		{"preferred", o(a, `,"bodySite":{`+z+`}`), ""},
		{"unknown set", o(a, `,"category":[{`+z+`},{`+z+`}]`), "?valueset-unknown Observation.category[0]"},
		{"a choice that is coded", o(a, `,"valueCodeableConcept":{`+z+`}`), "profile-code Observation.value"},
		{"a quantity by its unit", o(a, `,"valueQuantity":{"value":1,"system":"http://s","code":"z"}`), "profile-code Observation.value"},
		{"a choice that is not coded", o(a, `,"valueInteger":1`), ""},
		{"code", o(a, `,"language":"en"`), "profile-code Observation.language"},
		{"a set of R4 itself, with its version", o(a, `,"interpretation":[{"coding":[{"system":"http://hl7.org/fhir/administrative-gender","code":"male"}]},{"coding":[{"system":"http://hl7.org/fhir/administrative-gender","code":"x"}]}]`), "profile-code Observation.interpretation[1]"},
	})
	issues := profile.Check(parse(t, o(a, `,"bodySite":{`+z+`}`)), s, profile.Options{Profiles: []string{canonical + "b"}})
	if len(issues) != 1 || issues[0].Severity != "information" || issues[0].Detail != "code-unpreferred" {
		t.Errorf("preferred: got %+v", issues)
	}
}

func slicedBy(discriminator, rules string, more ...string) []string {
	return append([]string{`{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[` + discriminator + `],"rules":"` + rules + `"}}`}, more...)
}

func TestSlicingByValue(t *testing.T) {
	slices := []string{
		`{"id":"Patient.identifier:mrn","path":"Patient.identifier","sliceName":"mrn","min":1,"max":"1"}`,
		`{"id":"Patient.identifier:mrn.system","path":"Patient.identifier.system","min":1,"fixedUri":"urn:mrn"}`,
		`{"id":"Patient.identifier:mrn.value","path":"Patient.identifier.value","min":1}`,
		`{"id":"Patient.identifier:card","path":"Patient.identifier","sliceName":"card","max":"1"}`,
		`{"id":"Patient.identifier:card.system","path":"Patient.identifier.system","min":1,"fixedUri":"urn:card"}`,
	}
	bySystem := `{"type":"value","path":"system"}`
	s := newShelf(define(t, "open", "Patient", slicedBy(bySystem, "open", slices...)...), define(t, "closed", "Patient", slicedBy(bySystem, "closed", slices...)...),
		define(t, "untold", "Patient", slicedBy(bySystem, "open", `{"id":"Patient.identifier:x","path":"Patient.identifier","sliceName":"x"}`)...),
		define(t, "end", "Patient", slicedBy(bySystem, "openAtEnd", slices...)...),
		define(t, "ordered", "Patient", append([]string{`{"path":"Patient.identifier","slicing":{"discriminator":[` + bySystem + `],"rules":"open","ordered":true}}`}, slices...)...))
	p := func(systems ...string) string {
		var ids []string
		for _, x := range systems {
			ids = append(ids, `{"system":"urn:`+x+`","value":"1"}`)
		}
		return `{"resourceType":"Patient","identifier":[` + strings.Join(ids, ",") + `]}`
	}
	try(t, s, canonical+"open", []trial{
		{"both", p("mrn", "card"), ""},
		{"none of the slice that must be", p("card", "else"), "profile-min Patient.identifier"},
		{"two of a slice", p("mrn", "mrn"), "profile-max Patient.identifier"},
		{"a rule of the slice only", `{"resourceType":"Patient","identifier":[{"system":"urn:mrn"},{"system":"urn:card"}]}`, "profile-min Patient.identifier[0].value"},
		{"others between", p("else", "mrn", "else", "card"), ""},
	})
	try(t, s, canonical+"untold", []trial{{"nothing tells the slice apart", p("mrn"), "?slice-untold Patient.identifier"}})
	try(t, s, canonical+"closed", []trial{{"no others", p("mrn", "card"), ""}, {"others", p("mrn", "else"), "slice-closed Patient.identifier[1]"}})
	try(t, s, canonical+"end", []trial{{"others at the end", p("card", "mrn", "else"), ""}, {"others before", p("mrn", "else", "card"), "slice-order Patient.identifier[2]"}})
	try(t, s, canonical+"ordered", []trial{{"in order", p("mrn", "else", "card"), ""}, {"out of order", p("card", "mrn"), "slice-order Patient.identifier[1]"}})
}

func TestSlicingByPatternExistsAndType(t *testing.T) {
	s := newShelf(
		define(t, "pattern", "Patient", slicedBy(`{"type":"pattern","path":"type"}`, "open",
			`{"id":"Patient.identifier:mr","path":"Patient.identifier","sliceName":"mr","min":1}`,
			`{"id":"Patient.identifier:mr.type","path":"Patient.identifier.type","patternCodeableConcept":{"coding":[{"system":"http://s","code":"MR"}]}}`,
			`{"id":"Patient.identifier:mr.assigner","path":"Patient.identifier.assigner","min":1}`)...),
		define(t, "exists", "Patient", slicedBy(`{"type":"exists","path":"period.end"}`, "open",
			`{"id":"Patient.identifier:old","path":"Patient.identifier","sliceName":"old"}`,
			`{"id":"Patient.identifier:old.period","path":"Patient.identifier.period","min":1}`,
			`{"id":"Patient.identifier:old.period.end","path":"Patient.identifier.period.end","min":1}`,
			`{"id":"Patient.identifier:old.use","path":"Patient.identifier.use","min":1,"fixedCode":"old"}`,
			`{"id":"Patient.identifier:now","path":"Patient.identifier","sliceName":"now","min":1,"max":"1"}`,
			`{"id":"Patient.identifier:now.period.end","path":"Patient.identifier.period.end","max":"0"}`)...),
		define(t, "type", "Observation",
			`{"id":"Observation.value[x]","path":"Observation.value[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"closed"}}`,
			`{"id":"Observation.value[x]:valueQuantity","path":"Observation.value[x]","sliceName":"valueQuantity","type":[{"code":"Quantity"}]}`,
			`{"id":"Observation.value[x]:valueQuantity.code","path":"Observation.value[x].code","min":1}`,
			`{"id":"Observation.value[x]:valueString","path":"Observation.value[x]","sliceName":"valueString","type":[{"code":"string"}]}`),
		define(t, "short", "Observation", `{"id":"Observation.valueQuantity","path":"Observation.valueQuantity","min":1}`, `{"id":"Observation.valueQuantity.code","path":"Observation.valueQuantity.code","min":1}`),
		define(t, "entries", "Bundle",
			`{"id":"Bundle.entry","path":"Bundle.entry","slicing":{"discriminator":[{"type":"type","path":"resource"}],"rules":"closed"}}`,
			`{"id":"Bundle.entry:p","path":"Bundle.entry","sliceName":"p","min":1,"max":"1"}`,
			`{"id":"Bundle.entry:p.resource","path":"Bundle.entry.resource","min":1,"type":[{"code":"Patient","profile":["`+canonical+`named"]}]}`,
			`{"id":"Bundle.entry:o","path":"Bundle.entry","sliceName":"o"}`,
			`{"id":"Bundle.entry:o.resource","path":"Bundle.entry.resource","type":[{"code":"Observation"}]}`),
		define(t, "named", "Patient", `{"path":"Patient.name","min":1}`))
	const mr = `"type":{"coding":[{"system":"http://s","code":"MR"}]}`
	try(t, s, canonical+"pattern", []trial{
		{"as asked", `{"resourceType":"Patient","identifier":[{` + mr + `,"assigner":{"display":"x"}},{"value":"1"}]}`, ""},
		{"absent", `{"resourceType":"Patient","identifier":[{"type":{"coding":[{"system":"http://t","code":"MR"}]}}]}`, "profile-min Patient.identifier"},
		{"rule of the slice", `{"resourceType":"Patient","identifier":[{"value":"1"},{` + mr + `}]}`, "profile-min Patient.identifier[1].assigner"},
	})
	try(t, s, canonical+"exists", []trial{
		{"each its own", `{"resourceType":"Patient","identifier":[{"value":"1"},{"use":"old","period":{"end":"2020"}}]}`, ""},
		{"an old one that does not say so", `{"resourceType":"Patient","identifier":[{"value":"1"},{"period":{"end":"2020"}}]}`, "profile-min Patient.identifier[1].use"},
		{"two of now", `{"resourceType":"Patient","identifier":[{"value":"1"},{"value":"2"}]}`, "profile-max Patient.identifier"},
	})
	const o = `"resourceType":"Observation","status":"final","code":{"text":"x"}`
	try(t, s, canonical+"type", []trial{
		{"as asked", `{` + o + `,"valueQuantity":{"value":1,"system":"http://u","code":"mg"}}`, ""},
		{"rule of the type", `{` + o + `,"valueQuantity":{"value":1}}`, "profile-min Observation.value.code"},
		{"the other type", `{` + o + `,"valueString":"x"}`, ""},
		{"no other type", `{` + o + `,"valueInteger":1}`, "slice-closed Observation.value"},
	})
	try(t, s, canonical+"short", []trial{
		{"as asked", `{` + o + `,"valueQuantity":{"value":1,"system":"http://u","code":"mg"}}`, ""},
		{"rule of the type", `{` + o + `,"valueQuantity":{"value":1}}`, "profile-min Observation.value.code"},
		{"absent", `{` + o + `}`, "profile-min Observation.value"},
	})
	const patient, named = `{"fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","resource":{"resourceType":"Patient","active":true}}`, `{"resource":{"resourceType":"Patient","name":[{"text":"x"}]}}`
	try(t, s, canonical+"entries", []trial{
		{"as asked", `{"resourceType":"Bundle","type":"collection","entry":[` + named + `,{"resource":{` + o + `}}]}`, ""},
		{"profile of the entry's resource", `{"resourceType":"Bundle","type":"collection","entry":[` + patient + `]}`, "profile-min Bundle.entry[0].resource.name"},
		{"another type", `{"resourceType":"Bundle","type":"collection","entry":[` + named + `,{"resource":{"resourceType":"Basic","code":{"text":"x"}}}]}`, "slice-closed Bundle.entry[1]"},
	})
}

func TestSlicingByProfileAndResolve(t *testing.T) {
	s := newShelf(
		define(t, "report", "DiagnosticReport",
			`{"id":"DiagnosticReport.result","path":"DiagnosticReport.result","slicing":{"discriminator":[{"type":"value","path":"resolve().code"}],"rules":"closed","ordered":true}}`,
			`{"id":"DiagnosticReport.result:a","path":"DiagnosticReport.result","sliceName":"a","min":1,"max":"1","type":[{"code":"Reference","targetProfile":["`+canonical+`a"]}]}`,
			`{"id":"DiagnosticReport.result:b","path":"DiagnosticReport.result","sliceName":"b","max":"1","type":[{"code":"Reference","targetProfile":["`+canonical+`b"]}]}`),
		define(t, "byprofile", "DiagnosticReport",
			`{"id":"DiagnosticReport.result","path":"DiagnosticReport.result","slicing":{"discriminator":[{"type":"profile","path":"resolve()"}],"rules":"closed"}}`,
			`{"id":"DiagnosticReport.result:a","path":"DiagnosticReport.result","sliceName":"a","type":[{"code":"Reference","targetProfile":["`+canonical+`a"]}]}`),
		define(t, "bytype", "Observation",
			`{"id":"Observation.performer","path":"Observation.performer","slicing":{"discriminator":[{"type":"type","path":"resolve()"}],"rules":"open"}}`,
			`{"id":"Observation.performer:person","path":"Observation.performer","sliceName":"person","min":1,"type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Practitioner"]}]}`),
		define(t, "a", "Observation", `{"path":"Observation.code","fixedCodeableConcept":{"coding":[{"system":"http://s","code":"a"}]}}`, `{"path":"Observation.value[x]","min":1}`),
		define(t, "b", "Observation", `{"path":"Observation.code","fixedCodeableConcept":{"coding":[{"system":"http://s","code":"b"}]}}`))
	obs := func(id, code, more string) string {
		return `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"coding":[{"system":"http://s","code":"` + code + `"}]}` + more + `}`
	}
	report := func(contained string, refs ...string) string {
		var list []string
		for _, r := range refs {
			list = append(list, `{"reference":"`+r+`"}`)
		}
		return `{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"},"contained":[` + contained + `],"result":[` + strings.Join(list, ",") + `]}`
	}
	a, b, bare := obs("a", "a", `,"valueInteger":1`), obs("b", "b", ""), obs("c", "a", "")
	s.targets["Observation/out"] = parse(t, a)
	try(t, s, canonical+"report", []trial{
		{"in order", report(a+","+b, "#a", "#b"), ""},
		{"out of order", report(a+","+b, "#b", "#a"), "slice-order DiagnosticReport.result[1]"},
		{"another", report(a+","+obs("z", "z", ""), "#a", "#z"), "slice-closed DiagnosticReport.result[1]"},
		{"resolved outside", report(b, "Observation/out", "#b"), ""},
		{"the target does not conform", report(bare, "#c"), "profile-target DiagnosticReport.result[0]"},
	})
	try(t, s, canonical+"byprofile", []trial{{"conforms", report(a, "#a"), ""}, {"does not", report(bare, "#c"), "slice-closed DiagnosticReport.result[0]"}})
	const o = `"resourceType":"Observation","status":"final","code":{"text":"x"}`
	try(t, s, canonical+"bytype", []trial{
		{"by the reference's own type", `{` + o + `,"performer":[{"reference":"Practitioner/p"}]}`, ""},
		{"another type", `{` + o + `,"performer":[{"reference":"Organization/p"}]}`, "profile-min Observation.performer"},
		{"by the target in the bundle", `{` + o + `,"performer":[{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","type":"Practitioner"}]}`, ""},
	})
}

func TestSlicesOfSlices(t *testing.T) {
	s := newShelf(define(t, "re", "Patient",
		`{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}}`,
		`{"id":"Patient.identifier:card","path":"Patient.identifier","sliceName":"card","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"closed"}}`,
		`{"id":"Patient.identifier:card.system","path":"Patient.identifier.system","fixedUri":"urn:card"}`,
		`{"id":"Patient.identifier:card/usual","path":"Patient.identifier","sliceName":"card/usual","min":1,"max":"1"}`,
		`{"id":"Patient.identifier:card/usual.use","path":"Patient.identifier.use","fixedCode":"usual"}`))
	p := func(ids string) string { return `{"resourceType":"Patient","identifier":[` + ids + `]}` }
	try(t, s, canonical+"re", []trial{
		{"one usual", p(`{"system":"urn:card","use":"usual"},{"system":"urn:else","use":"old"}`), ""},
		{"none usual", p(`{"system":"urn:else","use":"old"}`), "profile-min Patient.identifier"},
		{"one more that is not usual", p(`{"system":"urn:card","use":"usual"},{"system":"urn:card","use":"old"}`), "slice-closed Patient.identifier[1]"},
	})
}

func TestExtensions(t *testing.T) {
	ext := define(t, "level", "Extension", `{"path":"Extension.url","fixedUri":"`+canonical+`level"}`, `{"path":"Extension.value[x]","min":1,"type":[{"code":"Coding"}],"binding":{"strength":"required","valueSet":"http://x.test/vs"}}`)
	ext.Set("context", fhir.Arr{fhir.Obj{"type", "element", "expression", "Patient"}})
	deep := define(t, "gis", "Extension",
		`{"id":"Extension.extension:longitude","path":"Extension.extension","sliceName":"longitude","min":1,"max":"1"}`,
		`{"id":"Extension.extension:longitude.url","path":"Extension.extension.url","fixedUri":"longitude"}`,
		`{"id":"Extension.extension:longitude.value[x]","path":"Extension.extension.value[x]","min":1,"type":[{"code":"decimal"}]}`,
		`{"id":"Extension.value[x]","path":"Extension.value[x]","max":"0"}`)
	s := newShelf(define(t, "p", "Patient",
		`{"id":"Patient.extension:level","path":"Patient.extension","sliceName":"level","min":1,"max":"1","type":[{"code":"Extension","profile":["`+canonical+`level"]}]}`,
		`{"id":"Patient.birthDate.extension:when","path":"Patient.birthDate.extension","sliceName":"when","min":1,"type":[{"code":"Extension","profile":["`+canonical+`when"]}]}`),
		ext, deep, define(t, "when", "Extension", `{"path":"Extension.url","fixedUri":"`+canonical+`when"}`, `{"path":"Extension.value[x]","type":[{"code":"dateTime"}]}`))
	s.sets["http://x.test/vs"] = map[string]bool{"http://s|3": true}
	level := func(value string) string { return `{"url":"` + canonical + `level",` + value + `}` }
	const three = `"valueCoding":{"system":"http://s","code":"3"}`
	p := func(extensions, more string) string {
		return `{"resourceType":"Patient","extension":[` + extensions + `]` + more + `}`
	}
	try(t, s, canonical+"p", []trial{
		{"as asked", p(level(three), ""), ""},
		{"absent", p(`{"url":"http://else","valueCode":"x"}`, ""), "profile-min Patient.extension"},
		{"its own definition", p(level(`"valueString":"3"`), ""), "profile-type Patient.extension[0].value"},
		{"its binding", p(level(`"valueCoding":{"system":"http://s","code":"4"}`), ""), "profile-code Patient.extension[0].value"},
		{"twice", p(level(three)+","+level(three), ""), "profile-max Patient.extension"},
		{"of a primitive", p(level(three), `,"birthDate":"2020","_birthDate":{"extension":[{"url":"`+canonical+`when","valueDateTime":"2020"}]}`), ""},
		{"of a primitive, absent", p(level(three), `,"birthDate":"2020"`), "profile-min Patient.birthDate.extension"},
		{"of a primitive, wrong", p(level(three), `,"_birthDate":{"extension":[{"url":"`+canonical+`when","valueString":"2020"}]}`), "profile-type Patient.birthDate.extension[0].value"},
		{"with parts", p(level(three)+`,{"url":"`+canonical+`gis","extension":[{"url":"longitude","valueDecimal":106.5}]}`, ""), ""},
		{"with a wrong part", p(level(three)+`,{"url":"`+canonical+`gis","extension":[{"url":"longitude","valueString":"106.5"}]}`, ""), "profile-type Patient.extension[1].extension[0].value"},
		{"without its part", p(level(three)+`,{"url":"`+canonical+`gis","extension":[{"url":"latitude","valueDecimal":1}]}`, ""), "profile-min Patient.extension[1].extension"},
	})
	for _, c := range []struct{ name, json, want string }{
		{"unknown", p(`{"url":"http://else","valueCode":"x"}`, ""), "information unknown-extension Patient.extension[0]"},
		{"unknown, changing the meaning", `{"resourceType":"Patient","modifierExtension":[{"url":"http://else","valueCode":"x"}]}`, "error unknown-modifier-extension Patient.modifierExtension[0]"},
		{"in another place", `{"resourceType":"Patient","name":[{"text":"x","extension":[` + level(three) + `]}]}`, "warning extension-context Patient.name[0].extension[0]"},
		{"in its place", p(level(three), ""), ""},
		{"no address", p(`{"url":"level","valueCode":"x"}`, ""), "error extension-url Patient.extension[0]"},
	} {
		got := ""
		for _, i := range profile.Check(parse(t, c.json), s, profile.Options{Rules: true}) {
			if i.Detail != "invariant-dom-6" {
				got += i.Severity + " " + i.Detail + " " + i.Expression
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
	}
}

func TestProfileOverProfile(t *testing.T) {
	s := newShelf(
		define(t, "parent", "Patient",
			`{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}}`,
			`{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","min":1}`,
			`{"id":"Patient.identifier:a.system","path":"Patient.identifier.system","fixedUri":"urn:a"}`,
			`{"id":"Patient.name","path":"Patient.name","min":1}`),
		defineOn(t, "child", "Patient", canonical+"parent",
			`{"id":"Patient.identifier:a.value","path":"Patient.identifier.value","min":1}`,
			`{"id":"Patient.identifier:b","path":"Patient.identifier","sliceName":"b","min":1}`,
			`{"id":"Patient.identifier:b.system","path":"Patient.identifier.system","fixedUri":"urn:b"}`),
		defineOn(t, "orphan", "Patient", canonical+"nowhere", `{"path":"Patient.name","min":1}`),
		defineOn(t, "round", "Patient", canonical+"round2", `{"path":"Patient.name","min":1}`),
		defineOn(t, "round2", "Patient", canonical+"round"))
	p := func(ids, more string) string {
		return `{"resourceType":"Patient","identifier":[` + ids + `]` + more + `}`
	}
	const named = `,"name":[{"text":"x"}]`
	try(t, s, canonical+"child", []trial{
		{"as both ask", p(`{"system":"urn:a","value":"1"},{"system":"urn:b"}`, named), ""},
		{"what the parent asks", p(`{"system":"urn:a","value":"1"},{"system":"urn:b"}`, ""), "profile-min Patient.name"},
		{"a slice of the parent, refined", p(`{"system":"urn:a"},{"system":"urn:b"}`, named), "profile-min Patient.identifier[0].value"},
		{"a slice of its own", p(`{"system":"urn:a","value":"1"}`, named), "profile-min Patient.identifier"},
	})
	try(t, s, canonical+"parent", []trial{{"the parent alone", p(`{"system":"urn:a"}`, named), ""}})
	try(t, s, canonical+"orphan", []trial{{"an unknown parent is said", `{"resourceType":"Patient","active":true}`, "?parent-unknown Patient, profile-min Patient.name"}})
	try(t, s, canonical+"round", []trial{{"a circle ends", `{"resourceType":"Patient","active":true}`, "?parent-unknown Patient, profile-min Patient.name"}})
}

func TestClaimsAndParameters(t *testing.T) {
	s := newShelf(define(t, "p", "Patient", `{"path":"Patient.name","min":1}`))
	const bare = `{"resourceType":"Patient","active":true}`
	claims := func(c string) string { return `{"resourceType":"Patient","meta":{"profile":["` + c + `"]}}` }
	for _, c := range []struct{ name, json, asked, want string }{
		{"nothing asked", bare, "", ""},
		{"claimed", claims(canonical + "p"), "", "profile-min Patient.name"},
		{"claimed with the version", claims(canonical + "p|1.0"), "", "profile-min Patient.name"},
		{"claimed with another version", claims(canonical + "p|2.0"), "", "?unknown-profile Patient.meta.profile[0]"},
		{"claimed, unknown", claims(canonical + "q"), "", "?unknown-profile Patient.meta.profile[0]"},
		{"asked for, unknown", bare, canonical + "q", "unknown-profile Patient"},
		{"asked for and claimed is checked once", claims(canonical + "p"), canonical + "p", "profile-min Patient.name"},
		{"claimed inside of a bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + claims(canonical+"p") + `}]}`, "", "profile-min Bundle.entry[0].resource.name"},
		{"claimed by what is contained", `{"resourceType":"Basic","code":{"text":"x"},"contained":[` + claims(canonical+"p") + `]}`, "", "profile-min Basic.contained[0].name"},
		{"for another type", `{"resourceType":"Basic","code":{"text":"x"}}`, canonical + "p", "profile-type Basic"},
		{"R4's own definition", bare, "http://hl7.org/fhir/StructureDefinition/Patient", ""},
		{"R4's own definition of another type", bare, "http://hl7.org/fhir/StructureDefinition/Basic", "profile-type Patient"},
	} {
		o := profile.Options{}
		if c.asked != "" {
			o.Profiles = []string{c.asked}
		}
		if got := faults(profile.Check(parse(t, c.json), s, o)); got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
	}
}

func TestContentReference(t *testing.T) {
	s := newShelf(define(t, "q", "Questionnaire", `{"path":"Questionnaire.item.text","min":1}`))
	try(t, s, canonical+"q", []trial{
		{"items within items", `{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","text":"x","item":[{"linkId":"2","type":"group","text":"x","item":[{"linkId":"3","type":"string"}]}]}]}`,
			"profile-min Questionnaire.item[0].item[0].item[0].text"},
	})
}

func TestReferencesAreLookedUp(t *testing.T) {
	s := newShelf()
	s.targets["Patient/here"] = parse(t, `{"resourceType":"Patient","id":"here"}`)
	for _, c := range []struct{ ref, want string }{{"Patient/here", ""}, {"Patient/gone", "unknown-reference Observation.subject.reference"}, {"http://else.test/fhir/Patient/1", ""}} {
		n := parse(t, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"`+c.ref+`"}}`)
		if got := faults(profile.Check(n, s, profile.Options{References: "error"})); got != c.want {
			t.Errorf("%s: got %q; want %q", c.ref, got, c.want)
		}
	}
	inside := parse(t, `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://h.test/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1"}},{"fullUrl":"http://h.test/fhir/Observation/1","resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"},"encounter":{"reference":"Encounter/1"}}}]}`)
	if got := faults(profile.Check(inside, s, profile.Options{References: "error"})); got != "unknown-reference Bundle.entry[1].resource.encounter.reference" {
		t.Errorf("within a bundle: got %q", got)
	}
}

// What a definition can do to whoever checks against it is bounded.
func TestHostileDefinitions(t *testing.T) {
	self := define(t, "self", "Patient", `{"path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["`+canonical+`self"]}]}`)
	loop := define(t, "loop", "Extension", `{"path":"Extension.extension","slicing":{"discriminator":[{"type":"profile","path":"$this"}],"rules":"closed"}}`,
		`{"id":"Extension.extension:x","path":"Extension.extension","sliceName":"x","type":[{"code":"Extension","profile":["`+canonical+`loop"]}]}`)
	var many []string
	for range 11_000 {
		many = append(many, `{"path":"Patient.name"}`)
	}
	s := newShelf(self, loop, define(t, "many", "Patient", many...), define(t, "odd", "Patient", `{"path":"Patient.nothing.at.all","min":1}`, `{"path":"","min":1}`, `{"id":"Patient:x","path":"Patient"}`,
		`{"path":"Patient.name","slicing":{"discriminator":[{"type":"value","path":"a(("},{"type":"odd","path":"use"}],"rules":"closed"}}`, `{"id":"Patient.name:x","path":"Patient.name","sliceName":"x"}`))
	a, b := `{"resourceType":"Patient","id":"a","link":[{"type":"seealso","other":{"reference":"Patient/b"}}]}`, `{"resourceType":"Patient","id":"b","link":[{"type":"seealso","other":{"reference":"Patient/a"}}]}`
	s.targets["Patient/a"], s.targets["Patient/b"] = parse(t, a), parse(t, b)
	try(t, s, canonical+"self", []trial{{"references in a circle", a, ""}})
	me := define(t, "me", "Patient", `{"path":"Patient","type":[{"code":"Patient","profile":["`+canonical+`me"]}]}`, `{"path":"Patient.name","type":[{"code":"HumanName","profile":["`+canonical+`me2"]}]}`)
	try(t, newShelf(me, define(t, "me2", "HumanName", `{"path":"HumanName","type":[{"code":"HumanName","profile":["`+canonical+`me2"]}]}`, `{"path":"HumanName.text","min":1}`)), canonical+"me", []trial{
		{"a profile of its own type", `{"resourceType":"Patient","name":[{"family":"x"}]}`, "profile-min Patient.name[0].text"},
	})
	nested := `{"url":"http://x","valueCode":"y"}`
	for range 12 {
		nested = `{"url":"` + canonical + `loop","extension":[` + nested + `,` + nested + `]}`
	}
	began := time.Now()
	profile.Check(parse(t, `{"resourceType":"Patient","extension":[`+nested+`]}`), s, profile.Options{Rules: true, Until: time.Now().Add(2 * time.Second)})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a profile that asks for itself took %v", took)
	}
	if got := faults(profile.Check(parse(t, a), s, profile.Options{Profiles: []string{canonical + "many"}})); got != "?profile-unusable Patient" {
		t.Errorf("too many elements: got %q", got)
	}
	got := faults(profile.Check(parse(t, `{"resourceType":"Patient","name":[{"text":"x"}]}`), s, profile.Options{Profiles: []string{canonical + "odd"}}))
	for _, want := range []string{"?unknown-path Patient", "?discriminator Patient"} {
		if !strings.Contains(got, want) {
			t.Errorf("an odd definition: got %q; want %s in it", got, want)
		}
	}
}
