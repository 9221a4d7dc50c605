package spec

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestCounts(t *testing.T) {
	if got := len(Types()); got != 146 {
		t.Errorf("got %d concrete resource types; want 146 (148 with Resource and DomainResource)", got)
	}
	if got := loaded().defined; got != 1377 {
		t.Errorf("got %d core search parameters; want 1377", got)
	}
	urls := map[string]bool{}
	for _, typ := range Types() {
		if TypeID(typ) == 0 || TypeName(TypeID(typ)) != typ {
			t.Errorf("type %s has no stable number", typ)
		}
		for _, p := range Params(typ) {
			if Lookup(typ, p.Code) != p || ParamByID(p.ID) != p {
				t.Errorf("%s.%s: lookup does not lead back", typ, p.Code)
			}
			if p.Type == 0 || p.Expression == "" && p.Type != Special {
				t.Errorf("%s.%s: type %d, expression %q", typ, p.Code, p.Type, p.Expression)
			}
			if !strings.HasPrefix(p.URL, Canonical) {
				urls[p.URL] = true
			}
		}
	}
	if len(urls) != 1377 {
		t.Errorf("got %d core definitions in use; want 1377", len(urls))
	}
}

func TestNumbersNeverMove(t *testing.T) {
	for _, file := range []string{"params.tsv", "types.tsv"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			num, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
			id, _ := strconv.Atoi(num)
			if file == "types.tsv" {
				if TypeName(int16(id)) != name {
					t.Errorf("type %d is %q; want %q", id, TypeName(int16(id)), name)
				}
				continue
			}
			typ, code, _ := strings.Cut(name, ".")
			if p := Lookup(typ, code); p == nil || p.ID != int32(id) {
				t.Errorf("parameter %s is %v; want number %d", name, p, id)
			}
		}
	}
	for _, c := range []struct {
		name string
		id   int32
	}{{"Patient.identifier", 2134}, {"Observation.code", 0}} {
		typ, code, _ := strings.Cut(c.name, ".")
		if p := Lookup(typ, code); p == nil || c.id != 0 && p.ID != c.id {
			t.Errorf("%s: got %v; want number %d", c.name, p, c.id)
		}
	}
}

func TestElements(t *testing.T) {
	for _, c := range []struct{ path, name, want string }{
		{"Patient", "birthDate", "date 0..1"},
		{"Patient", "deceasedDateTime", "dateTime 0..1 deceased[x]"},
		{"Patient", "contact", "BackboneElement:Patient.contact 0..-1"},
		{"Patient.contact", "gender", "code 0..1 http://hl7.org/fhir/ValueSet/administrative-gender"},
		{"Patient.link", "other", "Reference 1..1 →Patient,RelatedPerson"},
		{"Bundle.entry", "link", "BackboneElement:Bundle.link 0..-1"},
		{"Timing", "repeat", "Element:Timing.repeat 0..1"},
		{"Patient", "id", "id 0..1"},
		{"Extension", "url", "uri 1..1"},
		{"Observation", "valueQuantity", "Quantity 0..1 value[x]"},
		{"EvidenceVariable.characteristic", "timeFromStart", "Duration 0..1"},
		{"Meta", "project", ""},
		{"ResearchStudy", "recruitment", ""},
	} {
		got := ""
		for _, e := range Elements(c.path) {
			if e.Name == c.name {
				got = strings.Join(e.Types, "|") + " " + strconv.Itoa(e.Min) + ".." + strconv.Itoa(e.Max)
				if e.Choice != "" {
					got += " " + e.Choice
				}
				if e.Required != "" {
					got += " " + e.Required
				}
				if len(e.Targets) > 0 {
					got += " →" + strings.Join(e.Targets, ",")
				}
			}
		}
		if got != c.want {
			t.Errorf("%s.%s: got %q; want %q", c.path, c.name, got, c.want)
		}
	}
}

func TestCodes(t *testing.T) {
	const gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
	codes, ok := Codes(gender + "|4.0.1")
	if !ok || len(codes) != 4 || !codes["male"] || SystemOf(gender) != "http://hl7.org/fhir/administrative-gender" {
		t.Errorf("got %v %v %q; want the four genders", codes, ok, SystemOf(gender))
	}
	if _, listed := HasCode("http://hl7.org/fhir/ValueSet/mimetypes", "", "text/plain"); listed {
		t.Error("media types cannot be listed")
	}
}

func TestSealed(t *testing.T) {
	for name, want := range map[string]bool{"Patient.identifier": true, "Patient.phone": true, "Person.address-city": true, "Patient.phone-last4": true,
		"Patient.address-area": true, "Patient.name": false, "Practitioner.identifier": true, "PractitionerRole.phone": true, "Coverage.identifier": true, "Encounter.identifier": false, "RelatedPerson.email": true} {
		typ, code, _ := strings.Cut(name, ".")
		if p := Lookup(typ, code); p == nil || p.Sealed != want {
			t.Errorf("%s: got %+v; want sealed=%v", name, p, want)
		}
	}
}

func TestExpressionIsReducedToTheType(t *testing.T) {
	if got := Lookup("Observation", "patient").Expression; got != "Observation.subject.where(resolve() is Patient)" {
		t.Errorf("got %q", got)
	}
	if got := Lookup("Observation", "date").Expression; got != "Observation.effective" {
		t.Errorf("got %q", got)
	}
}

func TestCompositesHaveComponents(t *testing.T) {
	for _, typ := range Types() {
		for _, p := range Params(typ) {
			if (p.Type == Composite) != (len(p.Components) > 1) {
				t.Errorf("%s.%s: type %d with %d components", typ, p.Code, p.Type, len(p.Components))
			}
		}
	}
	c := Lookup("Observation", "code-value-quantity").Components
	if c[0].Type != Token || c[1].Type != Quantity || c[1].Code != "value-quantity" || c[1].Expression != "value.as(Quantity)" || c[1].ID != 0 {
		t.Errorf("got %+v, %+v; want code and value-quantity", c[0], c[1])
	}
	if c := Lookup("MolecularSequence", "chromosome-variant-coordinate").Components; len(c) != 3 {
		t.Errorf("got %d components; want 3", len(c))
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		load()
	}
}
