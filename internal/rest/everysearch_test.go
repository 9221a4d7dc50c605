package rest_test

import (
	"context"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// ward is a small hospital for searches of every kind.
func ward(t *testing.T) *hub { return wardOn(t, storetest.Memory) }

func wardOn(t *testing.T, open storetest.Open) *hub {
	h := newHubOn(t, open)
	for _, r := range []string{
		`{"resourceType":"Location","id":"campus","name":"东院"}`,
		`{"resourceType":"Location","id":"block","name":"住院楼","partOf":{"reference":"Location/campus"}}`,
		`{"resourceType":"Location","id":"bed","name":"12床","partOf":{"reference":"Location/block"}}`,
		`{"resourceType":"Practitioner","id":"doc","name":[{"family":"覃","given":["丽"]}],"identifier":[{"system":"urn:staff","value":"7"}]}`,
		`{"resourceType":"Practitioner","id":"jose","name":[{"text":"José ＬＩ","family":"ＬＩ","given":["José"]},{"text":"張國"}]}`,
		`{"resourceType":"ValueSet","id":"v","url":"http://acme.org/fhir/vs/1","status":"active"}`,
		`{"resourceType":"ValueSet","id":"w","url":"http://acme.org/fhir/vs/10","status":"active"}`,
		`{"resourceType":"ValueSet","id":"x","url":"http://acme.org/fhir","status":"active"}`,
		`{"resourceType":"PlanDefinition","id":"plan","status":"active","library":["http://lib.org/a|1.2.3"]}`,
	} {
		h.put(system, r)
	}
	for _, r := range []string{
		`{"resourceType":"Patient","id":"zhang","active":true,"name":[{"text":"张三","family":"张","given":["三"]}],"gender":"male","birthDate":"1960-05-01","managingOrganization":{"reference":"Organization/county"},
			"identifier":[{"system":"urn:mrn","value":"A,1","type":{"coding":[{"system":"http://v2","code":"MR"}],"text":"病案号"}},{"system":"urn:id","value":"990000196005010011"}]}`,
		`{"resourceType":"Patient","id":"lyu","name":[{"text":"吕布","family":"吕","given":["布"]}],"birthDate":"1970","generalPractitioner":[{"reference":"Practitioner/doc"}],"meta":{"tag":[{"system":"t","code":"vip"}]}}`,
		`{"resourceType":"Patient","id":"rare","name":[{"text":"王𠮷","family":"王","given":["𠮷"]}],"gender":"female","birthDate":"1980-02-29","link":[{"other":{"reference":"Patient/zhang"},"type":"seealso"}]}`,
		`{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"IMP"},"subject":{"reference":"Patient/zhang"},"participant":[{"individual":{"reference":"Practitioner/doc"}}],"location":[{"location":{"reference":"Location/bed"}}],"period":{"start":"2026-01-01","end":"2026-01-10"}}`,
		`{"resourceType":"Encounter","id":"e2","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/lyu"},"location":[{"location":{"reference":"Location/campus"}}],"period":{"start":"2026-02-01","end":"2026-02-01"}}`,
		`{"resourceType":"Observation","id":"bp","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure"}],"text":"血压"},"subject":{"reference":"Patient/zhang"},"encounter":{"reference":"Encounter/e1"},"effectiveDateTime":"2026-01-02T08:00:00+08:00",
			"component":[{"code":{"coding":[{"code":"sys"}]},"valueQuantity":{"value":150,"unit":"mmHg"}},{"code":{"coding":[{"code":"dia"}]},"valueQuantity":{"value":80,"unit":"mmHg"}}]}`,
		`{"resourceType":"Observation","id":"glu","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2339-0","display":"Glucose"}]},"subject":{"reference":"Patient/zhang"},"effectiveDateTime":"2026-01-03","valueQuantity":{"value":5.4,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}}`,
		`{"resourceType":"Observation","id":"glu2","status":"amended","code":{"coding":[{"code":"2339-0"}]},"subject":{"reference":"Patient/lyu"},"effectiveDateTime":"2026-02-01","valueQuantity":{"value":9.1,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"},"performer":[{"type":"Practitioner","identifier":{"system":"urn:staff","value":"7"}}]}`,
		`{"resourceType":"Observation","id":"wt","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"29463-7","display":"Weight"}]},"subject":{"reference":"Patient/lyu"},"effectiveDateTime":"2026-03-01","valueQuantity":{"value":70,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}`,
		`{"resourceType":"Observation","id":"neg","status":"final","code":{"coding":[{"code":"swab"}]},"subject":{"reference":"Patient/rare"},"valueString":"阴性, a|b"}`,
		`{"resourceType":"List","id":"mine","status":"current","mode":"working","subject":{"reference":"Patient/zhang"},"entry":[{"item":{"reference":"Patient/zhang"}},{"item":{"reference":"Observation/glu2"}}]}`,
		`{"resourceType":"Bundle","id":"b","type":"document","identifier":{"system":"urn:doc","value":"1"},"timestamp":"2026-01-01T00:00:00Z","entry":[{"fullUrl":"http://x.example/fhir/Composition/c","resource":{"resourceType":"Composition","id":"c","status":"final","type":{"text":"x"},"date":"2026-01-01","author":[{"display":"a"}],"title":"t"}}]}`,
		`{"resourceType":"Binary","id":"bin","contentType":"text/plain","data":"eA=="}`,
		`{"resourceType":"Composition","id":"comp","status":"final","type":{"coding":[{"code":"disch"}]},"subject":{"reference":"Patient/zhang"},"date":"2026-01-09","author":[{"reference":"Practitioner/doc"}],"title":"出院小结"}`,
	} {
		h.put(county, r)
	}
	h.audit.take()
	return h
}

// query escapes the values of a search, which stand readable in the tables below.
func query(q string) string {
	path, raw, _ := strings.Cut(q, "?")
	var out []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		out = append(out, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	return path + "?" + strings.Join(out, "&")
}

func sorted(ids string) string {
	f := strings.Fields(ids)
	for i := range f {
		_, id, _ := strings.Cut(f[i], "/")
		if strings.HasPrefix(f[i], "+") {
			id = "+" + id
		}
		f[i] = id
	}
	sort.Strings(f)
	return strings.Join(f, " ")
}

type vocabulary struct{}

func (vocabulary) Codes(_ context.Context, set string, _ int) ([]search.Coding, error) {
	if set != "http://vs/sugar" {
		return nil, search.ErrUnknownTerms
	}
	return []search.Coding{{System: "http://loinc.org", Code: "2339-0"}, {System: "http://loinc.org", Code: "0-0"}}, nil
}
func (vocabulary) Below(_ context.Context, system, code string, _ int) ([]search.Coding, error) {
	if code != "vital" {
		return nil, search.ErrUnknownTerms
	}
	return []search.Coding{{System: system, Code: code}, {System: system, Code: "85354-9"}, {System: system, Code: "29463-7"}}, nil
}
func (vocabulary) Above(_ context.Context, system, code string, _ int) ([]search.Coding, error) {
	return []search.Coding{{System: system, Code: code}}, nil
}

// everySearch is the matrix of docs/fhir.md: each search with what it must find, in the order of their names.
var everySearch = []struct{ name, query, want string }{
	{"composite of component: sys over 140", "Observation?component-code-value-quantity=sys$gt140", "bp"},
	{"composite never joins two repetitions", "Observation?component-code-value-quantity=dia$gt140", ""},
	{"combo takes code and component", "Observation?combo-code-value-quantity=sys$150,http://loinc.org|2339-0$5.4", "bp glu"},
	{"composite with a unit", "Observation?code-value-quantity=2339-0$gt5||mmol/L", "glu glu2"},
	{"composite with a system", "Observation?code-value-quantity=|2339-0$gt5", "glu2"},
	{"composite of text with escapes", `Observation?code-value-string=swab$阴性\, a\|b`, "neg"},
	{"composite missing", "Observation?code-value-quantity:missing=true", "bp neg"},

	{"_has", "Patient?_has:Observation:patient:code=2339-0", "lyu zhang"},
	{"_has with a prefix", "Patient?_has:Observation:patient:value-quantity=gt9", "lyu"},
	{"_has by a composite", "Patient?_has:Observation:subject:code-value-quantity=2339-0$lt6", "zhang"},
	{"_has twice must hold on both, not on one", "Patient?_has:Observation:patient:code=2339-0&_has:Observation:patient:status=amended", "lyu"},
	{"_has in _has", "Practitioner?_has:Encounter:practitioner:_has:Observation:encounter:code=85354-9", "doc"},
	{"_has then a chain", "Patient?_has:Observation:patient:encounter.class=IMP", "zhang"},
	{"a chain then _has", "Encounter?subject:Patient._has:Observation:patient:status=amended", "e2"},

	{"chain, typed", "Observation?subject:Patient.name=张", "bp glu"},
	{"chain of two", "Observation?subject:Patient.general-practitioner:Practitioner.name=覃", "glu2 wt"},
	{"both hops over one element", "Observation?encounter:Encounter.class=IMP&encounter:Encounter.status=finished", "bp"},
	{"chain and :missing", "Observation?subject:Patient.gender:missing=true", "glu2 wt"},
	{"chain and :not", "Observation?subject:Patient.gender:not=male", "glu2 neg wt"},

	{":not also where the element is absent", "Patient?gender:not=male", "lyu rare"},
	{":missing", "Patient?gender:missing=true", "lyu"},
	{"system|code", "Observation?code=http://loinc.org|2339-0", "glu"},
	{"|code", "Observation?code=|2339-0", "glu2"},
	{"code", "Observation?code=2339-0", "glu glu2"},
	{"system|", "Observation?code=http://loinc.org|", "bp glu wt"},
	{"escaped comma", `Patient?identifier=A\,1`, "zhang"},
	{"comma is or", "Patient?gender=male,female", "rare zhang"},
	{":text by display", "Observation?code:text=blood", "bp"},
	{":text by text", "Observation?code:text=血压", "bp"},
	{":of-type", `Patient?identifier:of-type=http://v2|MR|A\,1`, "zhang"},
	{":of-type of another type", `Patient?identifier:of-type=http://v2|SS|A\,1`, ""},
	{":identifier", "Observation?performer:identifier=urn:staff|7", "glu2"},
	{":identifier of another", "Observation?performer:identifier=urn:staff|8", ""},
	{":in", "Observation?code:in=http://vs/sugar", "glu"},
	{":not-in", "Observation?code:not-in=http://vs/sugar", "bp glu2 neg wt"},
	{":below of a code", "Observation?code:below=http://loinc.org|vital", "bp wt"},
	{":in a set of R4", "Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "rare zhang"},
	{":in after _has", "Patient?_has:Observation:patient:code:in=http://vs/sugar", "zhang"},
	{":below of a place", "Encounter?location:below=Location/campus", "e1 e2"},
	{":below of a part", "Encounter?location:below=Location/block", "e1"},
	{":above of a place", "Encounter?location:above=Location/bed", "e1 e2"},
	{"uri", "ValueSet?url=http://acme.org/fhir", "x"},
	{"uri :below goes by path", "ValueSet?url:below=http://acme.org/fhir/vs", "v w"},
	{"uri :below is no prefix of letters", "ValueSet?url:below=http://acme.org/fhir/vs/1", "v"},
	{"uri :above", "ValueSet?url:above=http://acme.org/fhir/vs/1", "v x"},
	{"canonical with and without version", "PlanDefinition?depends-on=http://lib.org/a", "plan"},
	{"canonical of another version", "PlanDefinition?depends-on=http://lib.org/a|1.2", ""},
	{"canonical :below by version", "PlanDefinition?depends-on:below=http://lib.org/a|1.2", "plan"},
	{":exact", "Patient?name:exact=张三", "zhang"},
	{":exact is the whole", "Patient?family:exact=张三", ""},
	{":contains", "Patient?name:contains=三", "zhang"},
	{"a character beyond the basic plane", "Patient?given=𠮷", "rare"},
	{"a part of a name that is not its beginning", "Location?name=院", ""},
	{"accents fold", "Practitioner?name=jose", "jose"},
	{"width and case fold", "Practitioner?family=Ｌi", "jose"},
	{":exact folds nothing", "Practitioner?family:exact=li", ""},
	{"traditional and simplified stay apart", "Practitioner?name=张国", ""},
	{"traditional", "Practitioner?name=張", "jose"},
	{"traditional by pinyin", "Practitioner?name:phonetic=zhangguo", "jose"},

	{"eq is containment", "Patient?birthdate=1960", "zhang"},
	{"a year does not fit into a day", "Patient?birthdate=1970-01-01", ""},
	{"ge and le by the edges", "Patient?birthdate=ge1970&birthdate=le1970", "lyu"},
	{"sa", "Patient?birthdate=sa1970", "rare"},
	{"eb", "Patient?birthdate=eb1970", "zhang"},
	{"ne", "Patient?birthdate=ne1970", "rare zhang"},
	{"period by eq", "Encounter?date=2026-01", "e1"},
	{"period by sa", "Encounter?date=sa2026-01-10", "e2"},
	{"significant digits", "Observation?value-quantity=5.4", "glu"},
	{"significant digits of a rounder value", "Observation?value-quantity=5", "glu"},
	{"quantity with system", "Observation?value-quantity=70|http://unitsofmeasure.org|kg", "wt"},
	{"quantity by unit", "Observation?value-quantity=gt5||mmol/L", "glu glu2"},

	{"quantity in another unit of UCUM", "Observation?value-quantity=70000|http://unitsofmeasure.org|g", "wt"},
	{"quantity in another unit, compared", "Observation?value-quantity=gt60|http://unitsofmeasure.org|[lb_av]", "wt"},
	{"quantity in another unit, by its digits", "Observation?value-quantity=5.4|http://unitsofmeasure.org|umol/mL,9.14|http://unitsofmeasure.org|mmol/L", "glu"},
	{"a unit without its system is not converted", "Observation?value-quantity=70000||g", ""},
	{"composite in another unit", "Observation?code-value-quantity=2339-0$gt5500|http://unitsofmeasure.org|umol/L", "glu2"},
	{"_has in another unit", "Patient?_has:Observation:patient:value-quantity=le5400|http://unitsofmeasure.org|umol/L", "zhang"},

	{"pinyin", "Patient?phonetic=zhang san", "zhang"},
	{"pinyin by name:phonetic", "Patient?name:phonetic=zs", "zhang"},
	{"pinyin of a surname with two readings", "Practitioner?phonetic=tan li", "doc"},
	{"ü as v, yu and ü", "Patient?name:phonetic=lyubu", "lyu"},
	{"pinyin of the same sound", "Patient?name:phonetic=章三", "zhang"},

	{"_filter", `Patient?_filter=gender eq male or name co "布"`, "lyu zhang"},
	{"_filter with not", "Patient?_filter=not(gender eq male) and birthdate ge 1980", "rare"},
	{"_filter: ends", "Patient?_filter=name ew 三", "zhang"},
	{"_filter: equals", "Patient?_filter=family eq 张", "zhang"},
	{"_filter: equals is no prefix", "Patient?_filter=name eq 王", "rare"},
	{"_filter: overlap", "Encounter?_filter=date po 2026-01-05", "e1"},
	{"_filter: presence", "Patient?_filter=gender pr false", "lyu"},
	{"_filter: in", "Observation?_filter=code in http://vs/sugar or code sb http://loinc.org|vital", "bp glu wt"},
	{"_filter: chain and _has", "Observation?_filter=subject:Patient.name sw 张 and status eq final", "bp glu"},

	{"_list", "Patient?_list=mine", "zhang"},
	{"_list of another type", "Observation?_list=mine", "glu2"},
	{"_id", "Patient?_id=zhang,lyu", "lyu zhang"},
	{"_tag", "Patient?_tag=t|vip", "lyu"},
	{"_tag:not", "Patient?_tag:not=t|vip", "rare zhang"},

	{"compartment of a patient", "Patient/zhang/Observation?status=final", "bp glu"},
	{"compartment of a patient, all types", "Patient/zhang/*?_type=Encounter,Observation", "bp e1 glu"},
	{"compartment of an encounter", "Encounter/e1/Observation?", "bp"},
	{"compartment of an encounter itself", "Encounter/e1/Encounter?", "e1"},
	{"compartment of a practitioner", "Practitioner/doc/Encounter?", "e1"},
	{"compartment of a practitioner, all types", "Practitioner/doc/*?_type=Encounter,Composition,Patient", "comp e1 lyu"},
	{"compartment of a related person", "RelatedPerson/none/Patient?", ""},
	{"compartment of a device", "Device/none/Observation?", ""},

	{"across types", "?_type=Patient,Practitioner&name=覃,张", "doc zhang"},
	{"across types by what all have", "?_tag=t|vip", "lyu"},
	{"across types with _lastUpdated", "?_type=Binary,Bundle&_lastUpdated=ge2026", "b bin"},
	{"Bundle", "Bundle?identifier=urn:doc|1", "b"},
	{"Bundle by its composition's address", "Bundle?type=document", "b"},
	{"Binary", "Binary?_id=bin", "bin"},
	{"Composition", "Composition?type=disch&author=Practitioner/doc", "comp"},

	{"_include", "Observation?code=85354-9&_include=Observation:subject", "+zhang bp"},
	{"_include of one target type", "Observation?code=85354-9&_include=Observation:subject:Group", "bp"},
	{"_include of all", "Observation?code=85354-9&_include=*", "+e1 +zhang bp"},
	{"_include of all across types", "?_type=Observation,Composition&_lastUpdated=ge2026&_id=bp,comp&_include=*", "+doc +e1 +zhang bp comp"},
	{"_include:iterate", "Observation?code=85354-9&_include=Observation:encounter&_include:iterate=Encounter:location&_include:iterate=Location:partof", "+bed +block +campus +e1 bp"},
	{"_include without :iterate goes one step", "Observation?code=85354-9&_include=Observation:encounter&_include=Encounter:location", "+e1 bp"},
	{"_revinclude", "Patient?_id=rare&_revinclude=Observation:subject", "+neg rare"},
	{"_revinclude:iterate", "Location?_id=block&_revinclude:iterate=Location:partof", "+bed block"},
	{"a match wins over an include", "Patient?_include=Patient:link", "lyu rare zhang"},
}

func TestEverySearch(t *testing.T) {
	storetest.Both(t, everySearchOn)
}

func everySearchOn(t *testing.T, open storetest.Open) {
	h := wardOn(t, open)
	h.options.Terms = vocabulary{}
	h.handler = rest.New(h.options)
	for _, c := range everySearch {
		r := h.want(200, county, "GET", "/"+query(c.query), "", "Prefer: handling=strict")
		if got := sorted(r.ids()); got != c.want {
			t.Errorf("%s: %s: got %q; want %q", c.name, c.query, got, c.want)
		}
		matches := len(strings.Fields(c.want)) - strings.Count(c.want, "+")
		count := h.want(200, county, "GET", "/"+query(c.query+"&_summary=count"), "", "Prefer: handling=strict")
		if got := count.node.Str("total"); got != fmt.Sprint(matches) {
			t.Errorf("%s: %s: counted %s; want %d", c.name, c.query, got, matches)
		}
		entries := h.audit.take()
		if len(entries) != 2 {
			t.Errorf("%s: %d audit entries; want one for each search", c.name, len(entries))
		}
	}
}

func TestAStrangerFindsNothingByAnySearch(t *testing.T) {
	h := ward(t)
	h.options.Terms = vocabulary{}
	h.handler = rest.New(h.options)
	shared := map[string]bool{"doc": true, "jose": true, "v": true, "w": true, "x": true, "plan": true, "campus": true, "block": true, "bed": true}
	for _, c := range everySearch {
		r := h.want(200, stranger, "GET", "/"+query(c.query), "")
		var left []string
		for id := range strings.FieldsSeq(sorted(r.ids())) {
			if !shared[strings.TrimPrefix(id, "+")] {
				left = append(left, id)
			}
		}
		count := h.want(200, stranger, "GET", "/"+query(c.query+"&_summary=count"), "").node.Str("total")
		open := 0
		for id := range strings.FieldsSeq(c.want) {
			if shared[id] {
				open++
			}
		}
		if strings.HasPrefix(c.name, "_has in _has") { // the way there leads over records that he may not see
			open = 0
		}
		if len(left) > 0 || count != fmt.Sprint(open) {
			t.Errorf("%s: %s: a stranger finds %v and counts %s; want nothing but %d of the registers", c.name, c.query, left, count, open)
		}
	}
}

func TestSelfShowsWhatWasApplied(t *testing.T) {
	h := ward(t)
	for _, c := range []struct{ query, self string }{
		{"Observation?subject:Patient.name:exact=张三&code:text=l&_sort=-date,code&_count=1", "Observation?subject:Patient.name:exact=张三&code:text=l&_sort=-date,code&_count=1"},
		{"Patient/zhang/Observation?status=final&_count=1", "Patient/zhang/Observation?status=final&_count=1"},
		{"Patient/zhang/*?_count=1", "Patient/zhang/*?_count=1"},
		{"Patient?_has:Observation:patient:code=2339-0&nose=long&_count=1", "Patient?_has:Observation:patient:code=2339-0&_count=1"},
		{"Patient?_filter=not(gender eq other)&_include:iterate=Patient:link&_count=1", "Patient?_filter=not(gender eq other)&_include:iterate=Patient:link&_count=1"},
	} {
		r := h.want(200, county, "GET", "/"+query(c.query), "")
		self, err := url.QueryUnescape(linkOf(r, "self"))
		if err != nil || self != "http://hub.test/fhir/"+c.self {
			t.Errorf("%s: self is %s", c.query, self)
		}
		next, err := url.QueryUnescape(linkOf(r, "next"))
		if err != nil || !strings.HasPrefix(next, "http://hub.test/fhir/"+c.self+"&_cursor=") {
			t.Errorf("%s: next is %s; want it to keep everything", c.query, next)
		}
		again := h.want(200, county, "GET", strings.TrimPrefix(linkOf(r, "next"), "http://hub.test/fhir"), "")
		if again.ids() == "" || again.ids() == r.ids() {
			t.Errorf("%s: the next page is %s", c.query, again.ids())
		}
	}
}

func TestPostSearchTakesAddressAndBodyTogether(t *testing.T) {
	h := ward(t)
	for _, c := range []struct{ url, body, want string }{
		{"/Observation/_search?status=final", "code=2339-0", "glu"},
		{"/Patient/zhang/Observation/_search?status=final", "code=2339-0", "glu"},
		{"/_search?_type=Patient", "name=" + url.QueryEscape("张"), "zhang"},
	} {
		r := h.want(200, county, "POST", c.url, c.body, "Content-Type: application/x-www-form-urlencoded")
		if got := sorted(r.ids()); got != c.want {
			t.Errorf("%s with %s: got %s; want %s", c.url, c.body, got, c.want)
		}
	}
}

func TestSortKeepsWhatLacksTheKeyAtTheEnd(t *testing.T) {
	h := ward(t)
	for _, c := range []struct{ query, want string }{
		{"Patient?_sort=birthdate", "Patient/zhang Patient/lyu Patient/rare"},
		{"Patient?_sort=-birthdate", "Patient/rare Patient/lyu Patient/zhang"},
		{"Patient?_sort=gender,-birthdate", "Patient/rare Patient/zhang Patient/lyu"},
		{"Observation?code=2339-0&_sort=-value-quantity", "Observation/glu2 Observation/glu"},
	} {
		if r := h.want(200, county, "GET", "/"+query(c.query), ""); r.ids() != c.want {
			t.Errorf("%s: got %s; want %s", c.query, r.ids(), c.want)
		}
	}
}

func TestElementsAndSummariesWithIncludes(t *testing.T) {
	h := ward(t)
	r := h.want(200, county, "GET", "/"+query("Observation?code=85354-9&_include=Observation:subject&_elements=Observation.status"), "")
	obs, patient := r.node.Get("entry[0].resource"), r.node.Get("entry[1].resource")
	if obs.Child("component") != nil || obs.Str("status") != "final" || obs.Get("meta.tag") == nil {
		t.Errorf("the match: got %s; want status and what must be there", obs.JSON())
	}
	if patient.Child("birthDate") == nil || patient.Get("meta.tag") != nil {
		t.Errorf("the include, of which nothing was said: got %s; want all of it", patient.JSON())
	}
	r = h.want(200, county, "GET", "/"+query("Observation?code=85354-9&_include=Observation:subject&_elements=status"), "")
	if p := r.node.Get("entry[1].resource"); p.Child("birthDate") != nil || p.Get("meta.tag") == nil {
		t.Errorf("an element without a type is for all: got %s", p.JSON())
	}
	r = h.want(200, county, "GET", "/"+query("Observation?code=85354-9&_include=Observation:subject&_summary=true"), "")
	if r.node.Get("entry[1].resource.generalPractitioner") != nil || r.node.Get("entry[1].resource.meta.tag") == nil {
		t.Errorf("_summary is for includes too: got %s", r.body)
	}
	r = h.want(200, county, "GET", "/"+query("Observation?code=85354-9&_include=Observation:subject&_summary=text"), "")
	if r.ids() != "Observation/bp OperationOutcome/" || strings.Contains(linkOf(r, "self"), "_include") {
		t.Errorf("_summary=text goes without includes, and says so: got %s, self %s", r.ids(), linkOf(r, "self"))
	}
}

func TestSearchesThatAreNotAnsweredSaySo(t *testing.T) {
	h := ward(t)
	for _, c := range []struct {
		query  string
		status int
		detail string
	}{
		{"Observation?code:in=http://nowhere", 400, "unknown-terms"},
		{"Encounter/e1/Organization?", 404, "not-in-compartment"},
		{"Organization/county/Patient?", 404, "no-compartment"},
		{"Patient?_list=$current-problems", 400, "functional-list"},
		{"Patient?_query=x", 400, "unknown-parameter"},
		{"Patient?_filter=name eq", 400, "bad-filter"},
		{"Patient?identifier:contains=99", 400, "bad-modifier"},
		{"Observation?subject:below=Patient/zhang", 400, "no-hierarchy"},
	} {
		r := h.want(c.status, county, "GET", "/"+query(c.query), "", "Prefer: handling=strict")
		if r.detail() != c.detail {
			t.Errorf("%s: got %s; want %s", c.query, r.detail(), c.detail)
		}
	}
	if r := h.do(county, "PUT", "/Encounter/e1/Observation", "{}"); r.StatusCode != 405 {
		t.Errorf("PUT to a compartment: got %d; want 405", r.StatusCode)
	}
}

func TestAuditOfSearchesHoldsNoNames(t *testing.T) {
	h := ward(t)
	for _, q := range []string{"Patient?_filter=name eq 张三", "Patient?_has:Person:link:name=张三", "Observation?subject:identifier=urn:id|张三", "Observation?_content=张三",
		"Observation?subject:Patient.name=张三", "?_type=Patient&name=张三", "Observation?code-value-string=a$张三", "Patient?name:phonetic=张三", "Patient?identifier:of-type=a|b|张三"} {
		h.do(county, "GET", "/"+query(q), "")
		for _, e := range h.audit.take() {
			if strings.Contains(e.Target, "张") {
				t.Errorf("%s: the audit entry tells %s", q, e.Target)
			}
		}
	}
	h.want(200, county, "GET", "/Patient/zhang/Observation?status=final", "")
	if e := h.audit.take(); len(e) != 1 || e[0].What != "search-compartment" || e[0].Target != "Patient/zhang/Observation?status=final" {
		t.Errorf("a compartment: got %+v", e)
	}
}

func TestSearchesOfEveryKindStandInBatches(t *testing.T) {
	h := ward(t)
	h.options.Terms = vocabulary{}
	h.handler = rest.New(h.options)
	var entries []string
	for _, c := range everySearch {
		entries = append(entries, fmt.Sprintf(`{"request":{"method":"GET","url":%q}}`, query(c.query)))
	}
	r := h.want(200, county, "POST", "", `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Join(entries, ",")+`]}`)
	answers := r.node.All("entry")
	if len(answers) != len(everySearch) {
		t.Fatalf("got %d answers; want %d", len(answers), len(everySearch))
	}
	for i, e := range answers {
		c := everySearch[i]
		if got := sorted(reply{node: e.Child("resource")}.ids()); got != c.want {
			t.Errorf("%s: in a batch: got %s, %q; want %q", c.name, e.Str("response.status"), got, c.want)
		}
	}
}

func TestTheStatementListsWhatSearchesKnow(t *testing.T) {
	h := newHub(t)
	n := h.want(200, nil, "GET", "/metadata", "").node
	for _, c := range n.All("rest[0].compartment") {
		if !strings.HasPrefix(c.Text, "http://hl7.org/fhir/CompartmentDefinition/") {
			t.Errorf("got compartment %s", c.Text)
		}
	}
	if got := len(n.All("rest[0].compartment")); got != 5 {
		t.Errorf("got %d compartments; want 5", got)
	}
	for _, r := range n.All("rest[0].resource") {
		if r.Str("type") != "Observation" {
			continue
		}
		kinds := map[string]string{}
		for _, p := range r.All("searchParam") {
			kinds[p.Str("name")] = p.Str("type")
		}
		if kinds["code-value-quantity"] != "composite" || kinds["code"] != "token" || kinds["_query"] != "" {
			t.Errorf("got %v", kinds)
		}
		if !strings.Contains(string(r.Get("searchRevInclude").JSON()), `"DiagnosticReport:result"`) {
			t.Error("nothing is said of _revinclude")
		}
	}
}
