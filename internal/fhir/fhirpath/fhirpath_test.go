package fhirpath

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

func patient(t testing.TB) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse([]byte(`{"resourceType":"Patient","id":"p1","active":true,
		"name":[{"use":"official","family":"张","given":["三",null],"_given":[null,{"extension":[{"url":"http://example.org/why","valueCode":"unknown"}]}]},{"text":"张三"}],
		"_birthDate":{"extension":[{"url":"http://example.org/lunar","valueString":"腊月初八"}]},
		"deceasedBoolean":false,
		"contact":[{"name":{"family":"李"},"gender":"female"}],
		"contained":[{"resourceType":"Organization","id":"o1","name":"某县医院"}],
		"managingOrganization":{"reference":"#o1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPaths(t *testing.T) {
	for _, c := range []struct{ expr, path, typ string }{
		{"Patient.name[0].given[0]", "Patient.name[0].given[0]", "string"},
		{"name.given[1]", "Patient.name[0].given[1]", "string"},
		{"Patient.birthDate", "Patient.birthDate", "date"},
		{"deceased", "Patient.deceased", "boolean"},
		{"contact", "Patient.contact[0]", "Patient.contact"},
		{"managingOrganization.resolve().name", "Patient.contained[0].name", "string"},
		{"birthDate.extension('http://example.org/lunar').value", "Patient.birthDate.extension[0].value", "string"},
		{"name.count()", "", "System.Integer"},
	} {
		out, err := MustCompile(c.expr).Eval(nil, Of(patient(t)))
		if err != nil || len(out) != 1 {
			t.Errorf("%s: got %v, %v; want one item", c.expr, out, err)
			continue
		}
		if out[0].Path() != c.path || out[0].Type() != c.typ {
			t.Errorf("%s: got %s %s; want %s %s", c.expr, out[0].Path(), out[0].Type(), c.path, c.typ)
		}
	}
}
