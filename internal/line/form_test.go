package line

import (
	"errors"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
)

func TestFormCheck(t *testing.T) {
	f := Form{Fields: []Field{
		{Name: "outcome", Type: "choice", Required: true, Options: []Option{{Code: "clinic"}, {Code: "advice"}}},
		{Name: "advice", Type: "textarea", Required: true, ShowIf: &ShowIf{Field: "outcome", In: []string{"advice"}}},
		{Name: "phone", Type: "phone", Required: true, Waived: true},
		{Name: "to", Type: "organization"}, {Name: "on", Type: "date"}, {Name: "sure", Type: "boolean"}, {Name: "medicines", Type: "text", Repeats: true},
	}}
	for _, c := range []struct {
		name    string
		urgency flow.Urgency
		answers []any
		detail  string
	}{
		{"all that is needed", flow.Routine, []any{"outcome", "clinic", "phone", "0990-1234567"}, ""},
		{"a required field is missing", flow.Routine, []any{"phone", "0990-1234567"}, "missing-field"},
		{"white space is nothing", flow.Routine, []any{"outcome", "clinic", "phone", "  "}, "missing-field"},
		{"an emergency may leave out what is waived", flow.Emergency, []any{"outcome", "clinic"}, ""},
		{"but not what is needed", flow.Emergency, []any{"phone", "0990-1234567"}, "missing-field"},
		{"a field that is shown is required", flow.Emergency, []any{"outcome", "advice"}, "missing-field"},
		{"a choice outside its options", flow.Emergency, []any{"outcome", "magic"}, "bad-field"},
		{"a telephone number with words", flow.Routine, []any{"outcome", "clinic", "phone", "call me"}, "bad-field"},
		{"a reference to another type", flow.Emergency, []any{"outcome", "clinic", "to", fhir.Obj{"reference", "Patient/1"}}, "bad-field"},
		{"a reference outside", flow.Emergency, []any{"outcome", "clinic", "to", fhir.Obj{"reference", "http://example.org/Organization/1"}}, "bad-field"},
		{"a day that is none", flow.Emergency, []any{"outcome", "clinic", "on", "2026-02-31"}, "bad-field"},
		{"a boolean that is none", flow.Emergency, []any{"outcome", "clinic", "sure", "maybe"}, "bad-field"},
		{"a field given twice", flow.Emergency, []any{"outcome", "clinic", "outcome", "clinic"}, "repeated-field"},
		{"a field that repeats", flow.Emergency, []any{"outcome", "clinic", "medicines", "a", "medicines", "b"}, ""},
		{"a field that the form does not know", flow.Emergency, []any{"outcome", "clinic", "colour", "red"}, "unknown-field"},
	} {
		err := f.Check(ParamsOf(Ask(c.answers...)), c.urgency)
		var no *fhir.Error
		if errors.As(err, &no); (err == nil) != (c.detail == "") || no != nil && no.Issues[0].Detail != c.detail {
			t.Errorf("%s: got %v; want %q", c.name, err, c.detail)
		}
	}
}

func TestParams(t *testing.T) {
	p, err := fhir.Parse([]byte(`{"resourceType":"Parameters","parameter":[{"name":"a","valueString":" x "},{"name":"b","valueReference":{"reference":"Task/1","display":"t"}},
{"name":"c","valueCoding":{"system":"s","code":"I21"}},{"name":"d","valueCodeableConcept":{"coding":[{"code":"k"}]}},{"name":"e","valueBoolean":true},{"name":"f","valueDateTime":"2026-03-02T08:00:00+08:00"},{"name":"a","valueString":"y"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	v := ParamsOf(p)
	for name, want := range map[string]string{"a": "x", "b": "Task/1", "c": "I21", "d": "k", "e": "true", "none": ""} {
		if got := v.Str(name); got != want {
			t.Errorf("%s is %q; want %q", name, got, want)
		}
	}
	if all := v.All("a"); len(all) != 2 || all[1] != "y" {
		t.Errorf("got %v; want both values", all)
	}
	if got := v.Time("f"); !got.Equal(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %v", got)
	}
	if (Params{}).Has("a") {
		t.Error("the zero value has something")
	}
}

func TestIDsKeepTheirOrder(t *testing.T) {
	last := ""
	for range 10_000 {
		id := newID()
		if id <= last || len(id) != 36 || id[14] != '7' {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}
