package search_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

var shanghai = time.FixedZone("Asia/Shanghai", 8*3600)

func parse(t *testing.T, typ, raw string, o search.Options) (search.Request, error) {
	t.Helper()
	params, err := search.ParseQuery(raw)
	if err != nil {
		return search.Request{}, err
	}
	if o.Zone == nil {
		o.Zone = shanghai
	}
	return search.Parse(typ, params, o)
}

func must(t *testing.T, typ, raw string) search.Request {
	t.Helper()
	r, err := parse(t, typ, raw, search.Options{Base: "https://hub.example/fhir", Resolves: true})
	if err != nil {
		t.Fatalf("%s?%s: got %v; want no error", typ, raw, err)
	}
	return r
}

func text(s *string) string {
	if s == nil {
		return "any"
	}
	return "<" + *s + ">"
}

func TestTokensTellSystemsApart(t *testing.T) {
	for _, c := range []struct{ value, system, code string }{
		{"male", "any", "male"},
		{"|male", "<>", "male"},
		{"http://loinc.org|", "<http://loinc.org>", ""},
		{"http://loinc.org%7C1234-5", "<http://loinc.org>", "1234-5"},
		{`a\|b`, "any", "a|b"},
		{`s|a\,b`, "<s>", "a,b"},
		{`s|a\\b`, "<s>", `a\b`},
	} {
		v := must(t, "Observation", "code="+c.value).Where[0].Values[0]
		if text(v.System) != c.system || v.Code != c.code {
			t.Errorf("code=%s: got %s|%s; want %s|%s", c.value, text(v.System), v.Code, c.system, c.code)
		}
	}
}

func TestCommasMeanOrUnlessEscaped(t *testing.T) {
	r := must(t, "Patient", `name=a\,b,c,\$d&name=e`)
	if len(r.Where) != 2 || len(r.Where[0].Values) != 3 {
		t.Fatalf("got %d clauses, %v; want 2 clauses, 3 values in the first", len(r.Where), r.Where)
	}
	for i, want := range []string{"a,b", "c", "$d"} {
		if got := r.Where[0].Values[i].Text; got != want {
			t.Errorf("value %d: got %q; want %q", i, got, want)
		}
	}
}

func TestDatesAreIntervalsOfTheirPrecision(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixMicro()
	}
	for _, c := range []struct {
		value     string
		prefix    search.Prefix
		low, high string
	}{
		{"2026", search.Eq, "2026-01-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00"},
		{"ge2026-02", search.Ge, "2026-02-01T00:00:00+08:00", "2026-03-01T00:00:00+08:00"},
		{"lt2026-12-31", search.Lt, "2026-12-31T00:00:00+08:00", "2027-01-01T00:00:00+08:00"},
		{"2026-11-23T08:30", search.Eq, "2026-11-23T08:30:00+08:00", "2026-11-23T08:31:00+08:00"},
		{"sa2026-11-23T08:30:05Z", search.Sa, "2026-11-23T08:30:05Z", "2026-11-23T08:30:06Z"},
		{"2026-11-23T08:30:05.25%2B01:00", search.Eq, "2026-11-23T08:30:05.25+01:00", "2026-11-23T08:30:05.26+01:00"},
		{"2026-11-23T08:30:00+08:00", search.Eq, "2026-11-23T08:30:00+08:00", "2026-11-23T08:30:01+08:00"},
	} {
		v := must(t, "Observation", "date="+c.value).Where[0].Values[0]
		if v.Prefix != c.prefix || v.Low != at(c.low) || v.High != at(c.high) {
			t.Errorf("date=%s: got prefix %d [%d, %d); want %d [%d, %d)", c.value, v.Prefix, v.Low, v.High, c.prefix, at(c.low), at(c.high))
		}
	}
	for _, bad := range []string{"2026-02-31", "2026-13", "20261123", "yesterday", "2026-11-23T24:00:00", "2026-11-23T08", "0000", "2026-11-23T08:30:00%2B99:00"} {
		if _, err := parse(t, "Observation", "date="+bad, search.Options{Lenient: true}); err == nil {
			t.Errorf("date=%s: got no error; want a refusal", bad)
		}
	}
}

func TestNumbersCarryTheirPrecision(t *testing.T) {
	for _, c := range []struct {
		value     string
		low, high float64
	}{{"100", 99.5, 100.5}, {"100.00", 99.995, 100.005}, {"-2.5", -2.55, -2.45}, {"gt1e2", 95, 105}, {"5.4||mg", 5.35, 5.45}} {
		v := must(t, "Observation", "value-quantity="+c.value).Where[0].Values[0]
		if near(v.NumLow, c.low) && near(v.NumHi, c.high) {
			continue
		}
		t.Errorf("%s: got [%v, %v); want [%v, %v)", c.value, v.NumLow, v.NumHi, c.low, c.high)
	}
	v := must(t, "Observation", "value-quantity=5.4%7Chttp://unitsofmeasure.org%7Cmg").Where[0].Values[0]
	if text(v.System) != "<http://unitsofmeasure.org>" || v.Code != "mg" {
		t.Errorf("unit: got %s|%s; want UCUM mg", text(v.System), v.Code)
	}
	for _, bad := range []string{"abc", "1.", ".5", "1e999", "--1", "1e400", "NaN", "0x10"} {
		if _, err := parse(t, "Observation", "value-quantity="+bad, search.Options{Lenient: true}); err == nil {
			t.Errorf("value-quantity=%s: got no error; want a refusal", bad)
		}
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

func TestReferencesKnowTheirOwnBase(t *testing.T) {
	for _, c := range []struct{ query, typ, id, url string }{
		{"subject=Patient/1", "Patient", "1", ""},
		{"subject=1", "", "1", ""},
		{"subject:Patient=1", "Patient", "1", ""},
		{"subject=https://hub.example/fhir/Patient/1", "Patient", "1", ""},
		{"subject=https://other.example/fhir/Patient/1", "", "", "https://other.example/fhir/Patient/1"},
		{"subject=Patient/1/_history/2", "Patient", "1", ""},
		{"subject=urn:uuid:5", "", "", "urn:uuid:5"},
	} {
		v := must(t, "Observation", c.query).Where[0].Values[0]
		if v.RefType != c.typ || v.RefID != c.id || v.URL != c.url {
			t.Errorf("%s: got %s/%s %s; want %s/%s %s", c.query, v.RefType, v.RefID, v.URL, c.typ, c.id, c.url)
		}
	}
}

func TestChainsLeadToEveryTargetThatHasTheParameter(t *testing.T) {
	r := must(t, "Observation", "subject:Patient.name:exact=张三")
	ch := r.Where[0].Chain
	if ch == nil || len(ch.Types) != 1 || ch.Where["Patient"].Modifier != "exact" || ch.Where["Patient"].Values[0].Text != "张三" {
		t.Fatalf("typed chain: got %+v; want name:exact at Patient", ch)
	}
	ch = must(t, "Observation", "subject.identifier=x").Where[0].Chain
	if len(ch.Types) < 2 {
		t.Errorf("untyped chain: got %v; want every target of Observation.subject with an identifier", ch.Types)
	}
	ch = must(t, "Observation", "subject:Patient.organization.name=x").Where[0].Chain
	if hop := ch.Where["Patient"].Chain; hop == nil || hop.Where["Organization"].Values[0].Text != "x" {
		t.Errorf("two steps: got %+v; want Organization.name", ch)
	}
	if ch := must(t, "Observation", "subject:Patient._id=7").Where[0].Chain; ch.Where["Patient"].Special != "_id" {
		t.Errorf("_id at the end of a chain: got %+v", ch.Where["Patient"])
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, typ, query, detail string }{
		{"unknown type", "Hospital", "", "unknown-type"},
		{"unknown parameter", "Patient", "nose=long", "unknown-parameter"},
		{"modifier that is not supported", "Patient", "birthdate:above=2020", "bad-modifier"},
		{":exact is for strings", "Patient", "gender:exact=x", "bad-modifier"},
		{":not is for tokens", "Patient", "name:not=x", "bad-modifier"},
		{":missing takes a boolean", "Patient", "name:missing=maybe", "bad-missing"},
		{"chain over what is no reference", "Patient", "name.family=x", "bad-chain"},
		{"chain that branches without end", "Provenance", "target.target.target.target.target.entity=x", "bad-chain"},
		{"bad count", "Patient", "_count=-1", "bad-count"},
		{"bad total", "Patient", "_total=all", "bad-total"},
		{"bad summary", "Patient", "_summary=short", "bad-summary"},
		{"sort by what is not there", "Patient", "_sort=nose", "unknown-sort"},
		{"include of what is no reference", "Patient", "_include=Patient:name", "bad-include"},
		{"bad escape of the URL", "Patient", "name=%zz", "bad-query"},
		{"across types only common parameters", "", "name=x", "unknown-parameter"},
		{"unknown _type", "", "_type=Patient,Hospital", "unknown-type"},
		{"too many values", "Patient", "_id=" + strings.Repeat("a,", 3000), "too-many-values"},
		{"too many parameters", "Patient", strings.Repeat("name=a&", 200), "too-many-parameters"},
	} {
		_, err := parse(t, c.typ, c.query, search.Options{})
		var e *fhir.Error
		if !errors.As(err, &e) || e.Issues[0].Detail != c.detail || e.Issues[0].Zh == "" {
			t.Errorf("%s: got %v; want %s in two languages", c.name, err, c.detail)
		}
	}
}

func TestLenientLeavesOutWhatItDoesNotKnowAndSaysSo(t *testing.T) {
	r, err := parse(t, "Patient", "nose=long&gender=male&_count=5&_score=x", search.Options{Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := search.Encode(r.Applied); got != "gender=male&_count=5" {
		t.Errorf("self: got %s; want only what counted", got)
	}
	if len(r.Warnings) != 2 || len(r.Where) != 1 {
		t.Errorf("got %d warnings, %d clauses; want 2, 1", len(r.Warnings), len(r.Where))
	}
}

func TestResultParameters(t *testing.T) {
	r := must(t, "Observation", "_sort=-date,code&_count=7&_total=accurate&_elements=status,Observation.code&_include=Observation:subject:Patient&_revinclude=Provenance:target&_include=Observation:*&_cursor=abc")
	if len(r.Sort) != 2 || !r.Sort[0].Descending || r.Sort[0].Param.Code != "date" || r.Sort[1].Descending {
		t.Errorf("sort: got %+v", r.Sort)
	}
	if r.Count != 7 || r.Total != search.TotalAccurate || r.Cursor != "abc" || strings.Join(r.Elements, " ") != "status Observation.code" {
		t.Errorf("got count %d, total %d, cursor %q, elements %v", r.Count, r.Total, r.Cursor, r.Elements)
	}
	if len(r.Include) != 2 || r.Include[0].Target != "Patient" || r.Include[1].Param != nil || r.RevInclude[0].Source != "Provenance" {
		t.Errorf("includes: got %+v %+v", r.Include, r.RevInclude)
	}
	if strings.Contains(search.Encode(r.Applied), "_cursor") {
		t.Error("self parameters hold the cursor; want them without")
	}
	for _, q := range []string{"_summary=count", "_count=0"} {
		if r := must(t, "Patient", q); r.Count != 0 || r.Total != search.TotalAccurate {
			t.Errorf("%s: got count %d, total %d; want the total only", q, r.Count, r.Total)
		}
	}
	if r := must(t, "Patient", "_count=100000"); r.Count != 1000 {
		t.Errorf("count: got %d; want it bounded at 1000", r.Count)
	}
}

func TestEveryParameterOfOneTypeCanBeParsed(t *testing.T) {
	values := map[spec.ParamType]string{spec.Token: "a|b", spec.String: "x", spec.Date: "ge2020", spec.Number: "1.0", spec.Quantity: "1|u|v", spec.Reference: "Patient/1", spec.URI: "urn:x"}
	for _, typ := range spec.Types() {
		for _, p := range spec.Params(typ) {
			v, ok := values[p.Type]
			if !ok || strings.HasPrefix(p.Code, "_") {
				continue
			}
			if _, err := search.Parse(typ, []search.Param{{Name: p.Code, Value: v}, {Name: p.Code + ":missing", Value: "true"}}, search.Options{}); err != nil {
				t.Errorf("%s.%s: %v", typ, p.Code, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`name=a\,b&birthdate=ge2020-01-01T00:00:00+08:00`, "_include=*&_sort=-name", "general-practitioner:Practitioner.name:exact=x", "_id=&_count=1e9", `identifier=a\|b|c`, "link:Patient.link.link.link=1"} {
		f.Add("Patient", s)
	}
	f.Add("", "_type=Patient&_lastUpdated=lt2020")
	f.Add("Observation", "value-quantity=5.40e-3||mg&component-value-quantity=ap1")
	f.Add("Patient", `_filter=not(name co "a\"b") and _has:Observation:patient:code eq a or (gender ne male)&_list=1`)
	f.Add("Observation", `code-value-quantity=a\$b|c$ge5||mg&subject:identifier=|x&code:below=s|c&_include:iterate=*`)
	f.Add("", "name:phonetic=zs&_type=Patient,Person&_tag:not=x")
	f.Add("Encounter", "patient._has:Group:member:_has:List:item:code:in=x&location:above=Location/1")
	f.Fuzz(func(t *testing.T, typ, raw string) {
		params, err := search.ParseQuery(raw)
		if err != nil {
			return
		}
		r, err := search.Parse(typ, params, search.Options{Lenient: true, Resolves: true})
		if err != nil {
			var e *fhir.Error
			if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 {
				t.Fatalf("%s?%s: got %v; want a refusal of the 400s", typ, raw, err)
			}
			return
		}
		again, err := search.Parse(typ, r.Applied, search.Options{Resolves: true})
		if err != nil {
			t.Fatalf("what was applied is refused when strict: %s: %v", search.Encode(r.Applied), err)
		}
		if len(again.Where) != len(r.Where) || search.Encode(again.Applied) != search.Encode(r.Applied) {
			t.Fatalf("self link means something else: %s", search.Encode(r.Applied))
		}
		search.Resolve(context.Background(), &r.Query, &book{}, wards{})
		if _, err := search.ParseQuery(search.Encode(r.Applied)); err != nil {
			t.Fatalf("self link cannot be read: %v", err)
		}
	})
}

func TestSealedValuesAreComparedInTheirNormalForm(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"phone=%2B86 138-0013-8000", "13800138000"},
		{"telecom=A@B.cn", "a@b.cn"},
		{"phone-last4=13800138000", "8000"},
		{"identifier=x|11010519491231002x", "11010519491231002X"},
	} {
		if v := must(t, "Patient", c.query).Where[0].Values[0]; v.Code != c.want {
			t.Errorf("%s: got %q; want %q", c.query, v.Code, c.want)
		}
	}
}
