package index

import (
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

func TestCustom(t *testing.T) {
	n, err := fhir.Parse([]byte(`{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:id","value":"99-p1"}],"name":[{"family":"张"},{"use":"nickname","text":"nick7"}],
		"birthDate":"1960-05-01","managingOrganization":{"reference":"Organization/o1"},"extension":[{"url":"http://example.org/weight","valueQuantity":{"value":61.5,"system":"http://unitsofmeasure.org","code":"kg"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		p    spec.Param
		want Entry
	}{
		{"text", spec.Param{Type: spec.String, Expression: "Patient.name.where(use = 'nickname').text"}, Entry{Text: "nick7"}},
		{"computed text", spec.Param{Type: spec.String, Expression: "Patient.name.where(use = 'nickname').text.upper() + '!'"}, Entry{Text: "NICK7!"}},
		{"sealed identifier", spec.Param{Type: spec.Token, Sealed: true, Expression: "Patient.identifier.where(system = 'urn:id')"}, Entry{System: "urn:id", Code: "99-p1"}},
		{"computed boolean", spec.Param{Type: spec.Token, Expression: "Patient.name.exists()"}, Entry{Code: "true"}},
		{"computed number", spec.Param{Type: spec.Number, Expression: "Patient.name.count()"}, Entry{Value: 2, NumLow: 1.5, NumHi: 2.5}},
		{"extension", spec.Param{Type: spec.Quantity, Expression: "Patient.extension('http://example.org/weight').value"}, Entry{Value: 61.5, NumLow: 61.45, NumHi: 61.55, System: "http://unitsofmeasure.org", Code: "kg"}},
		{"reference of a type", spec.Param{Type: spec.Reference, Expression: "Patient.managingOrganization.where(resolve() is Organization)"}, Entry{RefType: "Organization", RefID: "o1"}},
		{"parts for other types", spec.Param{Type: spec.Reference, Expression: "Practitioner.nothing | Patient.managingOrganization"}, Entry{RefType: "Organization", RefID: "o1"}},
		{"date", spec.Param{Type: spec.Date, Expression: "Patient.birthDate"}, Entry{Low: -305164800000000, High: -305078400000000}},
	} {
		c.p.Base, c.p.Code = "Patient", "x"
		custom, err := NewCustom(&c.p)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := custom.Extract(n, time.UTC)
		if len(got) != 1 {
			t.Errorf("%s: got %+v; want one entry", c.name, got)
			continue
		}
		e := got[0]
		if e.System != c.want.System || e.Code != c.want.Code || e.Text != c.want.Text || e.Low != c.want.Low || e.High != c.want.High || e.Value != c.want.Value ||
			e.NumLow != c.want.NumLow || e.NumHi != c.want.NumHi || e.RefType != c.want.RefType || e.RefID != c.want.RefID {
			t.Errorf("%s: got %+v; want %+v", c.name, e, c.want)
		}
	}
	for name, p := range map[string]spec.Param{
		"a wrong element":          {Type: spec.String, Expression: "Patient.nothing"},
		"a period under a string":  {Type: spec.String, Expression: "Patient.name.period"},
		"composites":               {Type: spec.Composite, Expression: "Patient.name"},
		"no expression of its own": {Type: spec.String, Expression: "Patient.name."},
	} {
		p.Base = "Patient"
		if _, err := NewCustom(&p); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
