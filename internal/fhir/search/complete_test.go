package search_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// show writes a clause so that a table can name it.
func show(c search.Clause) string {
	switch {
	case c.Has != nil:
		return fmt.Sprintf("has(%s.%s %s)", c.Has.Type, c.Has.Param.Code, show(c.Has.Where))
	case c.Filter != nil:
		return showFilter(*c.Filter)
	case c.Across != nil:
		var r []string
		for _, t := range spec.Types() {
			if one := c.Across[t]; one != nil {
				r = append(r, t+"."+show(*one))
			}
		}
		return "across(" + strings.Join(r, " ") + ")"
	case c.Chain != nil:
		var r []string
		for _, t := range c.Chain.Types {
			r = append(r, t+"."+show(c.Chain.Where[t]))
		}
		return c.Param.Code + "→(" + strings.Join(r, " ") + ")"
	}
	name := c.Special
	if c.Param != nil {
		name = c.Param.Code
	}
	if c.Modifier == "missing" {
		return fmt.Sprintf("%s:missing=%v", name, c.Missing)
	}
	if c.Modifier != "" {
		name += ":" + c.Modifier
	}
	var r []string
	for _, v := range c.Values {
		r = append(r, showValue(v))
	}
	return name + "=" + strings.Join(r, ",")
}

func showValue(v search.Value) string {
	if v.Parts != nil {
		var r []string
		for _, part := range v.Parts {
			r = append(r, showValue(part))
		}
		return strings.Join(r, "$")
	}
	s := [...]string{"", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "po"}[v.Prefix]
	switch {
	case v.High != 0:
		s += v.Raw
		if p := s; len(p) > 4 && p[:2] == p[2:4] { // the raw value holds the prefix
			s = p[2:]
		}
	case v.NumHi != 0:
		s += fmt.Sprint(v.Number)
	case v.URL != "":
		s += v.URL
	case v.RefID != "":
		s += v.RefType + "/" + v.RefID
	}
	if v.System != nil {
		s += "<" + *v.System + ">"
	}
	if v.Code != "" {
		s += "#" + v.Code
	}
	if v.Text != "" {
		s += "'" + v.Text + "'"
	}
	return s
}

func showFilter(f search.Filter) string {
	if f.Clause != nil {
		return show(*f.Clause)
	}
	var r []string
	for _, part := range f.Parts {
		r = append(r, showFilter(part))
	}
	return f.Op + "(" + strings.Join(r, " ") + ")"
}

func TestClauses(t *testing.T) {
	for _, c := range []struct{ name, typ, query, want string }{
		{"composite", "Observation", "code-value-quantity=http://loinc.org|8480-6$gt120||mm[Hg]", "code-value-quantity=<http://loinc.org>#8480-6$gt120#mm[Hg]"},
		{"composite, several", "Observation", "code-value-concept=a$b,c$d", "code-value-concept=#a$#b,#c$#d"},
		{"composite with escapes", "Observation", `code-value-string=a\$b$c\,d\|e`, `code-value-string=#a$b$'c,d|e'`},
		{"composite with a date", "Observation", "code-value-date=a$ge2026-01", "code-value-date=#a$ge2026-01"},
		{"composite of token and reference", "DocumentReference", "relationship=DocumentReference/1$replaces", "relationship=DocumentReference/1$#replaces"},
		{"composite of three", "MolecularSequence", "chromosome-variant-coordinate=3$lt5$ge6", "chromosome-variant-coordinate=#3$lt5$ge6"},
		{"composite missing", "Observation", "code-value-quantity:missing=true", "code-value-quantity:missing=true"},

		{"_has", "Patient", "_has:Observation:patient:code=1234-5", "has(Observation.patient code=#1234-5)"},
		{"_has with a modifier", "Patient", "_has:Observation:patient:code:not=a,b", "has(Observation.patient code:not=#a,#b)"},
		{"_has in _has", "Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/1", "has(Observation.patient has(AuditEvent.entity agent=Practitioner/1))"},
		{"_has then a chain", "Patient", "_has:Observation:patient:encounter.class=AMB", "has(Observation.patient encounter→(Encounter.class=#AMB))"},
		{"a chain then _has", "Encounter", "patient._has:Group:member:code=x", "patient→(Patient.has(Group.member code=#x))"},
		{"a typed chain then _has", "Encounter", "subject:Patient._has:Group:member:_id=7", "subject→(Patient.has(Group.member _id='7'))"},
		{"_has by a composite", "Patient", "_has:Observation:subject:code-value-quantity=a$5", "has(Observation.subject code-value-quantity=#a$5)"},

		{"chain with modifiers", "Observation", "subject:Patient.organization.name:contains=医", "subject→(Patient.organization→(Organization.name:contains='医'))"},
		{":missing at the end of a chain", "Observation", "subject:Patient.birthdate:missing=true", "subject→(Patient.birthdate:missing=true)"},

		{":text", "Observation", "code:text=血糖", "code:text='血糖'"},
		{":of-type", "Patient", "identifier:of-type=http://v2|MR|12\\|3", "identifier:of-type=<http://v2>#MR'12|3'"},
		{":identifier", "Observation", "subject:identifier=urn:x|5", "subject:identifier=<urn:x>#5"},
		{":identifier without a system", "Observation", "subject:identifier=|5", "subject:identifier=<>#5"},
		{":Type", "Observation", "subject:Group=7", "subject:Group=Group/7"},
		{"uri below", "ValueSet", "url:below=http://acme.org/fhir/", "url:below='http://acme.org/fhir'"},
		{"uri above", "ValueSet", "url:above=http://acme.org/fhir/ValueSet/1", "url='http://acme.org/fhir/ValueSet/1','http://acme.org/fhir/ValueSet/','http://acme.org/fhir/ValueSet','http://acme.org/fhir/','http://acme.org/fhir','http://acme.org/','http://acme.org'"},
		{"canonical above", "PlanDefinition", "definition:above=http://x|1.2.3", "definition=http://x|1.2.3,http://x|1.2,http://x|1,http://x"},
		{"canonical below", "PlanDefinition", "definition:below=http://x|1", "definition:below=http://x|1"},

		{"pinyin", "Patient", "phonetic=Zhang San,zs", "phonetic='zhangsan','zs'"},
		{"pinyin by its alias", "Patient", "name:phonetic=lyu", "phonetic='lyu','lv'"},
		{"pinyin of Chinese", "Patient", "name:phonetic=尉迟恭", "phonetic='yuchigong'"},

		{"_list", "Patient", "_list=42", "_list='42'"},
		{"_text", "Patient", "_text=心梗 支架", "_text='心梗 支架'"},
		{"_content", "", "_content=x", "_content='x'"},
		{"across types", "", "_type=Patient,Practitioner&name=王", "across(Patient.name='王' Practitioner.name='王')"},
		{"across types with _type at the end", "", "name=王&_type=Patient,Person", "across(Patient.name='王' Person.name='王')"},
		{"sole target", "Observation", "patient=1,Patient/2", "patient=Patient/1,Patient/2"},

		{"filter", "Patient", `_filter=given eq "peter" and birthdate ge 2014-10-10`, "and(given:equal='peter' birthdate=ge2014-10-10)"},
		{"filter goes from left to right", "Patient", `_filter=name co a or name sw b and gender eq male`, "and(or(name:contains='a' name='b') gender=#male)"},
		{"filter with parentheses", "Patient", `_filter=name co a or (name sw b and gender ne male)`, "or(name:contains='a' and(name='b' not(gender=#male)))"},
		{"filter with not", "Patient", `_filter=not (gender eq male) and name ew "三"`, "and(not(gender=#male) name:ends='三')"},
		{"filter with presence", "Patient", `_filter=birthdate pr false and name pr true`, "and(birthdate:missing=true name:missing=false)"},
		{"filter with a chain", "Observation", `_filter=subject:Patient.name co "pet"`, "subject→(Patient.name:contains='pet')"},
		{"filter with _has", "Patient", `_filter=_has:Observation:patient:code eq http://loinc.org|1-2`, "has(Observation.patient code=<http://loinc.org>#1-2)"},
		{"filter with a composite", "Observation", `_filter=code-value-quantity eq loinc|1$ge150||mmol/L`, "code-value-quantity=<loinc>#1$ge150#mmol/L"},
		{"filter of references", "Observation", `_filter=subject re Patient/1`, "subject=Patient/1"},
		{"filter by a set", "Observation", `_filter=code in http://vs and code ni http://ws`, "and(code:in='http://vs' code:not-in='http://ws')"},
		{"filter by a hierarchy", "Observation", `_filter=code sb s|1 or code ss s|2`, "or(code:below=<s>#1 code:above=<s>#2)"},
		{"filter by overlap", "Encounter", `_filter=date po 2026-01`, "date=po2026-01"},
		{"filter by id", "Patient", `_filter=_id eq 7`, "_id='7'"},
		{"filter with an escaped string", "Patient", `_filter=name eq "a\"b,c\\d"`, `name:equal='a"b,c\d'`},
		{"filter with everything in capitals", "Patient", `_filter=gender EQ male AND NOT(active EQ true)`, "and(gender=#male not(active=#true))"},
	} {
		r := must(t, c.typ, c.query)
		var got []string
		for _, cl := range r.Where {
			got = append(got, show(cl))
		}
		if strings.Join(got, " & ") != c.want {
			t.Errorf("%s: %s: got %s; want %s", c.name, c.query, strings.Join(got, " & "), c.want)
		}
	}
}

func TestMoreRefusals(t *testing.T) {
	for _, c := range []struct{ typ, query, detail string }{
		{"Observation", "code-value-quantity=a", "bad-value"},
		{"Observation", "code-value-quantity=a$b$c", "bad-value"},
		{"Observation", "code-value-quantity=a$", "bad-value"},
		{"Observation", "code-value-quantity=a$x", "bad-value"},
		{"Observation", "code-value-quantity:exact=a$5", "bad-modifier"},
		{"Observation", "_sort=code-value-quantity", "unknown-sort"},
		{"Patient", "_has:Observation:patient=x", "bad-has"},
		{"Patient", "_has:Hospital:patient:code=x", "unknown-type"},
		{"Patient", "_has:Observation:code:code=x", "bad-has"},
		{"Practitioner", "_has:Observation:patient:code=x", "bad-has"},
		{"Patient", "_has:Observation:patient:nose=x", "unknown-parameter"},
		{"Patient", strings.Repeat("_has:Observation:patient:subject:Patient.", 8) + "_id=x", "bad-chain"},
		{"Patient", "gender:above=male", "bad-value"},
		{"Patient", "gender:in=http://vs", "bad-modifier"}, // these tests do not resolve
		{"Encounter", "location:below=Location/1", "bad-modifier"},
		{"Observation", "_filter=code in http://vs", "bad-modifier"},
		{"Patient", "family=" + strings.Repeat(`a\\,b,`, 2500), "too-many-values"},
		{"ValueSet", "url:above=" + strings.TrimSuffix(strings.Repeat("http://x"+strings.Repeat("/a", 100)+",", 200), ","), "too-many-values"},
		{"Patient", "identifier:in=x", "bad-modifier"},
		{"Patient", "name:text=x", "bad-modifier"},
		{"Patient", "birthdate:not=2020", "bad-modifier"},
		{"Patient", "identifier:of-type=a|b", "bad-value"},
		{"Patient", "gender:of-type=a|b|c", "bad-modifier"},
		{"ValueSet", "url:below=urn:oid:1.2", "bad-value"},
		{"Observation", "subject:Hospital=x", "bad-modifier"},
		{"Observation", "subject:Nurse.name=x", "bad-modifier"},
		{"Patient", "_list=$current-allergies", "functional-list"},
		{"Patient", "_list=a b", "bad-value"},
		{"Patient", "_query=x", "unknown-parameter"},
		{"Location", "near=1|2|3|km", "unknown-parameter"},
		{"Patient", "_count:exact=3", "bad-modifier"},
		{"Patient", "_contained=maybe", "bad-contained"},
		{"Patient", "_contained=true", "unknown-parameter"},
		{"Patient", "_include:deep=Patient:organization", "bad-modifier"},
		{"Patient", "_include=Patient:organization&_summary=text", "unknown-parameter"},
		{"", "name=x", "unknown-parameter"},
		{"", "_type=Patient,Observation&name=x", "unknown-parameter"},
		{"", "_filter=name eq x", "unknown-parameter"},
		{"", "_has:Observation:patient:code=x", "unknown-parameter"},
		{"Patient", "_filter=name", "bad-filter"},
		{"Patient", "_filter=name is x", "bad-filter"},
		{"Patient", `_filter=name eq "x`, "bad-filter"},
		{"Patient", "_filter=(name eq x", "bad-filter"},
		{"Patient", "_filter=name eq x)", "bad-filter"},
		{"Patient", "_filter=not name eq x", "bad-filter"},
		{"Patient", "_filter=name eq x gender eq y", "bad-filter"},
		{"Patient", "_filter=nose eq x", "unknown-parameter"},
		{"Patient", "_filter=gender gt x", "filter-unsupported"},
		{"Patient", "_filter=name gt x", "filter-unsupported"},
		{"Observation", "_filter=related[type eq x].target pr true", "filter-unsupported"},
		{"Patient", "_filter=name:exact eq x", "bad-modifier"},
		{"Patient", "_filter=" + strings.Repeat("(", 500) + "name eq x", "bad-filter"},
		{"Patient", "_filter=name eq x" + strings.Repeat(" or name eq x", 500), "too-many-values"},
	} {
		_, err := parse(t, c.typ, c.query, search.Options{})
		var e *fhir.Error
		if !errors.As(err, &e) || e.Issues[0].Detail != c.detail || e.Issues[0].Zh == "" {
			t.Errorf("%s?%.60s: got %v; want %s in two languages", c.typ, c.query, err, c.detail)
		}
	}
}

func TestCompartmentsAreClausesOverTheReferencesThatR4Names(t *testing.T) {
	for _, c := range []struct {
		in   search.Compartment
		typ  string
		want string
	}{
		{search.Compartment{Type: "Encounter", ID: "1"}, "Observation", "encounter=Encounter/1"},
		{search.Compartment{Type: "Encounter", ID: "1"}, "Encounter", "_id='1'"},
		{search.Compartment{Type: "Practitioner", ID: "1"}, "Encounter", "or(practitioner=Practitioner/1 participant=Practitioner/1)"},
		{search.Compartment{Type: "RelatedPerson", ID: "1"}, "Patient", "link=RelatedPerson/1"},
		{search.Compartment{Type: "Device", ID: "1"}, "Observation", "or(subject=Device/1 device=Device/1)"},
	} {
		r, err := search.Parse(c.typ, nil, search.Options{Compartment: &c.in})
		if err != nil || len(r.Where) != 1 || show(r.Where[0]) != c.want {
			t.Errorf("%v/%s: got %v, %v; want %s", c.in, c.typ, r.Where, err, c.want)
		}
	}
	r, err := search.Parse("Observation", []search.Param{{Name: "code", Value: "x"}}, search.Options{Compartment: &search.Compartment{Type: "Patient", ID: "1"}})
	if err != nil || r.Compartment == nil || r.Compartment.ID != "1" || len(r.Where) != 1 {
		t.Errorf("Patient/1/Observation: got %+v, %v", r.Query, err)
	}
	r, err = search.Parse("", []search.Param{{Name: "_type", Value: "Observation,Patient"}}, search.Options{Compartment: &search.Compartment{Type: "Encounter", ID: "1"}})
	if err != nil || strings.Join(r.Types, " ") != "Observation" {
		t.Errorf("Encounter/1/*?_type=Observation,Patient: got %v, %v; want Observation, which alone belongs there", r.Types, err)
	}
	r, err = search.Parse("", nil, search.Options{Compartment: &search.Compartment{Type: "Patient", ID: "1"}})
	if err != nil || len(r.Types) != 67 {
		t.Errorf("Patient/1/*: got %d types, %v; want 67", len(r.Types), err)
	}
	for _, c := range []struct{ in, typ, detail string }{{"Organization", "Encounter", "no-compartment"}, {"Encounter", "Organization", "not-in-compartment"}} {
		_, err := search.Parse(c.typ, nil, search.Options{Compartment: &search.Compartment{Type: c.in, ID: "1"}})
		var e *fhir.Error
		if !errors.As(err, &e) || e.Issues[0].Detail != c.detail || e.Status != 404 {
			t.Errorf("%s/1/%s: got %v; want %s", c.in, c.typ, err, c.detail)
		}
	}
}

// book is a small terminology and a small hierarchy.
type book struct{ asked int }

func (b *book) Codes(_ context.Context, set string, _ int) ([]search.Coding, error) {
	b.asked++
	switch set {
	case "http://vs":
		return []search.Coding{{System: "s", Code: "1"}, {System: "s", Code: "2"}}, nil
	case "http://empty":
		return nil, nil
	case "http://huge":
		return nil, search.ErrTooMany
	}
	return nil, search.ErrUnknownTerms
}

func (b *book) Below(_ context.Context, system, code string, _ int) ([]search.Coding, error) {
	return []search.Coding{{System: system, Code: code}, {System: system, Code: code + ".1"}}, nil
}

func (b *book) Above(_ context.Context, system, code string, _ int) ([]search.Coding, error) {
	return []search.Coding{{System: system, Code: code}, {System: system, Code: code[:1]}}, nil
}

type wards struct{}

func (wards) Below(_ context.Context, by *spec.Param, id string, _ int) ([]string, error) {
	return []string{id, id + "-a"}, nil
}
func (wards) Above(_ context.Context, by *spec.Param, id string, _ int) ([]string, error) {
	return []string{id, "root"}, nil
}
func (wards) Records(_ context.Context, ids []string) (map[string][]string, error) {
	linked := map[string][]string{}
	for _, id := range ids {
		if id == "1" {
			linked[id] = []string{"2", "3"}
		}
	}
	return linked, nil
}

func TestResolveTurnsTermsAndHierarchiesIntoValues(t *testing.T) {
	for _, c := range []struct{ typ, query, want string }{
		{"Observation", "code:in=http://vs", "code=<s>#1,<s>#2"},
		{"Observation", "code:not-in=http://vs", "code:not=<s>#1,<s>#2"},
		{"Observation", "code:in=http://empty", "code="},
		{"Observation", "code:below=s|A", "code=<s>#A,<s>#A.1"},
		{"Observation", "code:above=s|A1,t|B2", "code=<s>#A1,<s>#A,<t>#B2,<t>#B"},
		{"Patient", "_has:Observation:patient:code:in=http://vs", "has(Observation.patient code=<s>#1,<s>#2)"},
		{"Observation", "encounter:Encounter.type:in=http://vs", "encounter→(Encounter.type=<s>#1,<s>#2)"},
		{"Observation", "_filter=code sb s|A or not(code in http://vs)", "or(code=<s>#A,<s>#A.1 not(code=<s>#1,<s>#2))"},
		{"Encounter", "location:below=Location/1", "location=Location/1,Location/1-a"},
		{"Encounter", "location:above=1", "location=Location/1,Location/root"},
		{"Observation", "patient:person=Patient/1,2,9", "patient=Patient/1,Patient/2,Patient/9,Patient/3"},
		{"Observation", "subject:mdm=1", "subject=Patient/1,Patient/2,Patient/3"},
		{"Patient", "_id:person=9", "_id='9'"},
		{"Encounter", "subject:Patient._id:person=1", "subject→(Patient._id='1','2','3')"},
		{"Patient", "gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "gender=<http://hl7.org/fhir/administrative-gender>#female,<http://hl7.org/fhir/administrative-gender>#male,<http://hl7.org/fhir/administrative-gender>#other,<http://hl7.org/fhir/administrative-gender>#unknown"},
		{"", "_type=Observation,Condition&code:in=http://vs", "across(Condition.code=<s>#1,<s>#2 Observation.code=<s>#1,<s>#2)"},
	} {
		r := must(t, c.typ, c.query)
		if !search.NeedsResolve(&r.Query) {
			t.Errorf("%s: nothing to resolve", c.query)
		}
		b := &book{}
		if err := search.Resolve(context.Background(), &r.Query, b, wards{}); err != nil || show(r.Where[0]) != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.query, show(r.Where[0]), err, c.want)
		}
		if b.asked > 1 {
			t.Errorf("%s: asked %d times for one value set", c.query, b.asked)
		}
		if search.NeedsResolve(&r.Query) {
			t.Errorf("%s: still to resolve", c.query)
		}
	}
	if r := must(t, "Patient", "gender=male&name:exact=x"); search.NeedsResolve(&r.Query) {
		t.Error("plain clauses need no resolving")
	}
	for _, c := range []struct{ typ, query, detail string }{
		{"Observation", "code:in=http://nowhere", "unknown-terms"},
		{"Observation", "code:in=http://huge", "too-many-codes"},
		{"Observation", "subject:below=Patient/1", "no-hierarchy"},
	} {
		r := must(t, c.typ, c.query)
		err := search.Resolve(context.Background(), &r.Query, &book{}, wards{})
		var e *fhir.Error
		if !errors.As(err, &e) || e.Issues[0].Detail != c.detail || e.Issues[0].Zh == "" {
			t.Errorf("%s: got %v; want %s", c.query, err, c.detail)
		}
	}
}

func TestControlsGivenTwiceCountOnceAndSelfSaysWhich(t *testing.T) {
	r := must(t, "Patient", "_count=5&name=a&_count=70000&_include:iterate=Patient:organization&_include=*")
	if got := search.Encode(r.Applied); got != "name=a&_count=1000&_include%3Aiterate=Patient%3Aorganization&_include=%2A" || r.Count != 1000 {
		t.Errorf("got %s, count %d", got, r.Count)
	}
	if !r.Include[0].Iterate || r.Include[1].Iterate || r.Include[1].Source != "Patient" || r.Include[1].Param != nil {
		t.Errorf("got %+v", r.Include)
	}
	if r := must(t, "Patient", "_revinclude:recurse=Observation:subject"); !r.RevInclude[0].Iterate {
		t.Error(":recurse is :iterate")
	}
	if r, err := parse(t, "Patient", "_contained=both&_containedType=container", search.Options{Contained: true}); err != nil || r.Contained != "both" || !r.Container {
		t.Errorf("_contained: got %+v, %v", r.Query, err)
	}
}

func TestQuantitiesConvertWithTheirBounds(t *testing.T) {
	v := must(t, "Observation", "value-quantity=ge5.4|http://unitsofmeasure.org|mg").Where[0].Values[0]
	g, ok := v.In("g")
	if !ok || g.Number != 0.0054 || g.NumLow != 0.00535 || g.NumHi != 0.00545 || g.Prefix != search.Ge || g.Code != "g" {
		t.Errorf("got %+v, %v; want 0.0054 g with the bounds of two digits", g, ok)
	}
	for _, unit := range []string{"mL", "[iU]", "mgs", ""} {
		if _, ok := v.In(unit); ok {
			t.Errorf("mg became %s", unit)
		}
	}
	plain := must(t, "Observation", "value-quantity=5.4||mg").Where[0].Values[0]
	if _, ok := plain.In("g"); ok {
		t.Error("a unit of no system was converted")
	}
}
