package rest_test

import (
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/term"
)

const diagnoses = `{"resourceType":"CodeSystem","id":"icd","url":"http://x/icd","version":"2","name":"ICD","title":"诊断","status":"active","content":"complete","caseSensitive":true,
"property":[{"code":"notSelectable","type":"boolean"}],
"concept":[{"code":"I10","display":"高血压类目","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[{"code":"I10.x00","display":"特发性高血压"},{"code":"I10.x02","display":"高血压","designation":[{"language":"en","value":"Hypertension"}]}]},{"code":"J18.900","display":"肺炎"}]}`

const choosable = `{"resourceType":"ValueSet","id":"dx","url":"http://x/dx","status":"active","compose":{"include":[{"system":"http://x/icd","filter":[{"property":"notSelectable","op":"=","value":"false"}]}]}}`

const pairs = `{"resourceType":"ConceptMap","id":"map","url":"http://x/map","status":"active","group":[{"source":"http://x/icd","target":"http://x/nhsa","element":[{"code":"I10.x02","target":[{"code":"I10.x00","display":"高血压","equivalence":"wider"}]}]}]}`

func newTermHub(t *testing.T, open storetest.Open) *hub {
	h := newHub(t)
	h.store = open(t, store.Options{Clock: h.clock, Migrations: term.Migrations, Derive: []store.Deriver{access.Derive, term.Derive}})
	terms := term.New(h.store)
	h.options.Store, h.options.Terminology, h.options.Terms = h.store, terms, terms
	h.handler = rest.New(h.options)
	for _, r := range []string{diagnoses, choosable, pairs} {
		h.put(system, r)
	}
	h.audit.take()
	return h
}

// codesOf lists an expansion.
func codesOf(r reply) string {
	var out []string
	for _, c := range r.node.All("expansion.contains") {
		out = append(out, c.Str("code"))
	}
	return strings.Join(out, " ")
}

// answered lists Parameters as name=value, parts in brackets.
func answered(r reply) string {
	var out []string
	for _, p := range r.node.All("parameter") {
		text := p.Str("name")
		for _, part := range p.All("part") {
			for _, m := range part.Members {
				if strings.HasPrefix(m.Name, "value") {
					text += " " + part.Str("name") + ":" + m.Value.Text + m.Value.Str("code")
				}
			}
		}
		for _, m := range p.Members {
			if strings.HasPrefix(m.Name, "value") {
				text += "=" + m.Value.Text
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestTerminologyOperationsByEveryWayOfAsking(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newTermHub(t, open)
		post := func(params string) string { return `{"resourceType":"Parameters","parameter":[` + params + `]}` }
		for _, c := range []struct{ name, method, url, body, want string }{
			{"expand by url", "GET", "/ValueSet/$expand?url=http://x/dx", "", "I10.x00 I10.x02 J18.900"},
			{"expand with a filter in pinyin", "GET", "/ValueSet/$expand?url=http://x/dx&filter=gxy&count=1", "", "I10.x02"},
			{"expand an instance", "GET", "/ValueSet/dx/$expand?count=1&offset=2", "", "J18.900"},
			{"expand by POST", "POST", "/ValueSet/$expand", post(`{"name":"url","valueUri":"http://x/dx"},{"name":"filter","valueString":"肺"}`), "J18.900"},
			{"expand what is sent", "POST", "/ValueSet/$expand", post(`{"name":"valueSet","resource":` + choosable + `}`), "I10.x00 I10.x02 J18.900"},
			{"expand a value set as the body", "POST", "/ValueSet/$expand", choosable, "I10.x00 I10.x02 J18.900"},
			{"expand, groupers with their children", "GET", "/ValueSet/$expand?url=http://x/icd%3Ffhir_vs&excludeNested=false", "", "I10 J18.900"},
			{"look up", "GET", "/CodeSystem/$lookup?system=http://x/icd&code=I10.x02&displayLanguage=en", "", "name=诊断, version=2, display=Hypertension, designation language:en value:Hypertension, property code:parent value:I10"},
			{"look up a coding", "POST", "/CodeSystem/$lookup", post(`{"name":"coding","valueCoding":{"system":"http://x/icd","code":"I10"}},{"name":"property","valueCode":"child"}`), "name=诊断, version=2, display=高血压类目, property code:child value:I10.x00, property code:child value:I10.x02"},
			{"validate in the system", "GET", "/CodeSystem/$validate-code?url=http://x/icd&code=J18.900&display=肺炎", "", "result=true, display=肺炎"},
			{"validate in an instance", "GET", "/CodeSystem/icd/$validate-code?code=J18", "", `result=false, message=the code "J18" is not in http://x/icd|2`},
			{"validate in what is sent", "POST", "/CodeSystem/$validate-code", post(`{"name":"codeSystem","resource":` + diagnoses + `},{"name":"code","valueCode":"J18.900"}`), "result=true, display=肺炎"},
			{"validate in a set, wrong name", "GET", "/ValueSet/$validate-code?url=http://x/dx&system=http://x/icd&code=J18.900&display=%E8%82%BA", "", `result=false, message=the code "J18.900" is called "肺炎", not "肺", display=肺炎`},
			{"validate a concept", "POST", "/ValueSet/dx/$validate-code", post(`{"name":"codeableConcept","valueCodeableConcept":{"coding":[{"system":"http://x/other","code":"1"},{"system":"http://x/icd","code":"I10.x02"}]}}`), "result=true, display=高血压"},
			{"subsumes", "GET", "/CodeSystem/$subsumes?system=http://x/icd&codeA=I10&codeB=I10.x02", "", "outcome=subsumes"},
			{"subsumes in an instance by codings", "POST", "/CodeSystem/icd/$subsumes", post(`{"name":"codingA","valueCoding":{"system":"http://x/icd","code":"J18.900"}},{"name":"codingB","valueCoding":{"system":"http://x/icd","code":"I10"}}`), "outcome=not-subsumed"},
			{"translate", "GET", "/ConceptMap/$translate?url=http://x/map&system=http://x/icd&code=I10.x02", "", "result=true, match equivalence:wider concept:I10.x00 source:http://x/map"},
			{"translate back", "GET", "/ConceptMap/map/$translate?system=http://x/nhsa&code=I10.x00&reverse=true", "", "result=true, match equivalence:narrower concept:I10.x02 source:http://x/map"},
			{"translate what has no counterpart", "POST", "/ConceptMap/$translate", post(`{"name":"coding","valueCoding":{"system":"http://x/icd","code":"J18.900"}}`), "result=false, message=no counterpart found"},
		} {
			r := h.want(200, county, c.method, c.url, c.body)
			got := codesOf(r)
			if r.node.Type() == "Parameters" {
				got = answered(r)
			}
			if got != c.want {
				t.Errorf("%s: got %s; want %s", c.name, got, c.want)
			}
			entries := h.audit.take()
			if len(entries) != 1 || entries[0].Action != "E" || entries[0].User != county.User || entries[0].Outcome != "0" {
				t.Errorf("%s: got audit %+v; want one entry of the caller", c.name, entries)
			}
		}
		if got := h.want(200, county, "GET", "/ValueSet/$expand?url=http://x/dx&filter=none&count=5", "").node.Str("expansion.total"); got != "0" {
			t.Errorf("nothing found: got total %s", got)
		}
	})
}

func TestTheStatementNamesTheTerminologyService(t *testing.T) {
	h := newTermHub(t, storetest.Memory)
	r := h.want(200, nil, "GET", "/metadata?mode=terminology", "")
	if r.node.Type() != "TerminologyCapabilities" || r.node.Str("expansion.paging") != "true" {
		t.Errorf("got %s", r.body)
	}
	for _, is := range validate.Resource(r.node) {
		if is.Severity == "error" {
			t.Errorf("not valid: %s %s", is.Expression, is.Text)
		}
	}
	if r := h.want(200, nil, "GET", "/metadata", ""); !strings.Contains(r.body, "http://hl7.org/fhir/OperationDefinition/ValueSet-expand") {
		t.Error("the statement does not list $expand")
	}
}

func TestTerminologyRefusals(t *testing.T) {
	h := newTermHub(t, storetest.Memory)
	for _, c := range []struct {
		name, url string
		as        *access.Caller
		status    int
		detail    string
	}{
		{"nobody", "/ValueSet/$expand?url=http://x/dx", nil, 401, "login-required"},
		{"a token for something else", "/ValueSet/$expand?url=http://x/dx", program("system/Observation.rs"), 403, "not-allowed"},
		{"a token for value sets", "/ValueSet/$expand?url=http://x/dx", program("system/ValueSet.rs"), 200, ""},
		{"a stranger reads the register, too", "/ValueSet/$expand?url=http://x/dx", stranger, 200, ""},
		{"no value set", "/ValueSet/$expand", county, 400, "value-set-required"},
		{"unknown value set", "/ValueSet/$expand?url=http://x/none", county, 404, "unknown-value-set"},
		{"unknown instance", "/ValueSet/none/$expand", county, 404, "not-found"},
		{"unknown parameter", "/ValueSet/$expand?url=http://x/dx&context=x", county, 400, "unknown-parameter"},
		{"bad count", "/ValueSet/$expand?url=http://x/dx&count=-1", county, 400, "bad-value"},
		{"bad flag", "/ValueSet/$expand?url=http://x/dx&activeOnly=maybe", county, 400, "bad-value"},
		{"unknown code", "/CodeSystem/$lookup?system=http://x/icd&code=X", county, 404, "unknown-code"},
		{"unknown system", "/CodeSystem/$lookup?system=http://x/none&code=X", county, 404, "unknown-code-system"},
		{"no code", "/CodeSystem/$lookup?system=http://x/icd", county, 400, "code-required"},
		{"no system", "/CodeSystem/$subsumes?codeA=a&codeB=b", county, 400, "system-required"},
		{"unknown map", "/ConceptMap/$translate?url=http://x/none&system=http://x/icd&code=X", county, 404, "unknown-concept-map"},
		{"a filter without end", "/ValueSet/$expand?url=http://x/dx&filter=" + strings.Repeat("a", 300), county, 400, "filter-too-long"},
	} {
		r := h.do(c.as, "GET", c.url, "")
		if r.StatusCode != c.status || c.detail != "" && r.detail() != c.detail {
			t.Errorf("%s: got %d %s; want %d %s", c.name, r.StatusCode, r.body, c.status, c.detail)
		}
	}
	h.want(403, county, "PUT", "/CodeSystem/icd", diagnoses)
	h.want(200, registry, "GET", "/CodeSystem/$lookup?system=http://x/icd&code=I10", "")
}

func TestSearchesUseWhatIsLoaded(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newTermHub(t, open)
		h.put(system, `{"resourceType":"Organization","id":"county","name":"县医院"}`)
		h.patient(county, "p1", "张")
		for id, code := range map[string]string{"a": "I10.x00", "b": "I10.x02", "c": "J18.900"} {
			h.put(county, `{"resourceType":"Condition","id":"`+id+`","subject":{"reference":"Patient/p1"},"code":{"coding":[{"system":"http://x/icd","code":"`+code+`"}]}}`)
		}
		for url, want := range map[string]string{"code:below=http://x/icd|I10": "2", "code:in=http://x/dx": "3", "code:not-in=http://x/dx": "0", "code:above=http://x/icd|I10.x02": "1"} {
			if got := h.want(200, county, "GET", "/Condition?"+url+"&_total=accurate", "").node.Str("total"); got != want {
				t.Errorf("%s: got %s; want %s", url, got, want)
			}
			if got := h.want(200, stranger, "GET", "/Condition?"+url+"&_total=accurate", "").node.Str("total"); got != "0" {
				t.Errorf("%s for a stranger: got %s; want 0", url, got)
			}
		}
	})
}
