package patch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// op writes one operation: type add; path Patient; name birthDate; value {"valueDate":"1930-01-01"}}, closing brace doubled.
func op(text string) string {
	var parts []string
	for _, part := range strings.Split(text, "; ") {
		name, value, _ := strings.Cut(part, " ")
		switch name {
		case "value":
			parts = append(parts, `{"name":"value",`+value[1:len(value)-1])
		case "index", "source", "destination":
			parts = append(parts, fmt.Sprintf(`{"name":%q,"valueInteger":%s}`, name, value))
		default:
			parts = append(parts, fmt.Sprintf(`{"name":%q,"valueString":%q}`, name, value))
		}
	}
	return `{"name":"operation","part":[` + strings.Join(parts, ",") + `]}`
}

func parameters(ops ...string) string {
	list := make([]string, len(ops))
	for i, o := range ops {
		list[i] = op(o)
	}
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(list, ",") + `]}`
}

func TestFHIRPath(t *testing.T) {
	const patient = `{"resourceType":"Patient","active":true,"name":[{"family":"张","given":["三",null,"四"],"_given":[null,{"extension":[{"url":"u","valueString":"x"}]},null]},{"text":"阿三"}],"birthDate":"1960-05-01","_birthDate":{"extension":[{"url":"t","valueTime":"08:00:00"}]},"deceasedBoolean":false,"contact":[{"name":{"text":"李"}}]}`
	const nothing = `{"resourceType":"Patient"}`
	for _, c := range []struct{ name, doc, ops, want, refusal string }{
		{"add a primitive", nothing, `type add; path Patient; name gender; value {"valueCode":"male"}}`, `{"resourceType":"Patient","gender":"male"}`, ""},
		{"add to a list makes it", nothing, `type add; path Patient; name name; value {"valueHumanName":{"text":"张"}}}`, `{"resourceType":"Patient","name":[{"text":"张"}]}`, ""},
		{"add appends", patient, `type add; path Patient.name[0]; name given; value {"valueString":"五"}}`, `"given":["三",null,"四","五"],"_given":[null,{"extension":[{"url":"u","valueString":"x"}]},null,null]`, ""},
		{"add what stands there and does not repeat", patient, `type add; path Patient; name birthDate; value {"valueDate":"1930-01-01"}}`, "", "patch-exists"},
		{"add a choice by its name", nothing, `type add; path Patient; name deceased; value {"valueDateTime":"2026-01-01"}}`, `{"resourceType":"Patient","deceasedDateTime":"2026-01-01"}`, ""},
		{"add a second of a choice", patient, `type add; path Patient; name deceased; value {"valueDateTime":"2026-01-01"}}`, "", "patch-exists"},
		{"add a choice of a type that it has not", nothing, `type add; path Patient; name deceased; value {"valueQuantity":{"value":1}}}`, "", "patch-path"},
		{"add by parts", nothing, `type add; path Patient; name contact; value {"part":[{"name":"gender","valueCode":"male"},{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"name","part":[{"name":"given","valueString":"三"}]}]}}`, `{"resourceType":"Patient","contact":[{"gender":"male","telecom":[{"value":"1"}],"name":{"given":["三"]}}]}`, ""},
		{"add an extension to a primitive", nothing[:len(nothing)-1] + `,"birthDate":"1960"}`, `type add; path Patient.birthDate; name extension; value {"valueExtension":{"url":"u","valueString":"x"}}}`, `"_birthDate":{"extension":[{"url":"u","valueString":"x"}]}`, ""},
		{"add to nothing", patient, `type add; path Patient.maritalStatus; name text; value {"valueString":"x"}}`, "", "patch-path"},
		{"add what no such type has", patient, `type add; path Patient; name nose; value {"valueString":"x"}}`, "", "patch-path"},
		{"replace a primitive, its extensions go", patient, `type replace; path Patient.birthDate; value {"valueDate":"1961-05-01"}}`, `"birthDate":"1961-05-01","deceasedBoolean"`, ""},
		{"replace with extensions", patient, `type replace; path Patient.birthDate; value {"valueDate":"1961","_valueDate":{"extension":[{"url":"n","valueString":"y"}]}}}`, `"birthDate":"1961","_birthDate":{"extension":[{"url":"n","valueString":"y"}]}`, ""},
		{"replace one of a list", patient, `type replace; path Patient.name[0].given[2]; value {"valueString":"伍"}}`, `"given":["三",null,"伍"]`, ""},
		{"replace a choice by another type", patient, `type replace; path Patient.deceased; value {"valueDateTime":"2026"}}`, `"deceasedDateTime":"2026"`, ""},
		{"replace what is not there", patient, `type replace; path Patient.gender; value {"valueCode":"male"}}`, "", "patch-path"},
		{"replace several", patient, `type replace; path Patient.name; value {"valueHumanName":{"text":"x"}}}`, "", "patch-path"},
		{"a number keeps its text", `{"resourceType":"Observation","valueQuantity":{"value":1.5}}`, `type replace; path Observation.value.value; value {"valueDecimal":2.50}}`, `"value":2.50`, ""},
		{"delete", patient, `type delete; path Patient.name[1]`, `"_given":[null,{"extension":[{"url":"u","valueString":"x"}]},null]}],"birthDate"`, ""},
		{"delete keeps both lists in step", patient, `type delete; path Patient.name[0].given[0]`, `"given":[null,"四"],"_given":[{"extension":[{"url":"u","valueString":"x"}]},null]`, ""},
		{"delete by a condition", patient, `type delete; path Patient.name.where(text = '阿三')`, `"四"],"_given":[null,{"extension":[{"url":"u","valueString":"x"}]},null]}],"birthDate"`, ""},
		{"delete what is not there", nothing, `type delete; path Patient.gender`, nothing, ""},
		{"delete the last takes its parents along", patient, `type delete; path Patient.contact[0].name.text`, `"deceasedBoolean":false}`, ""},
		{"delete several", patient, `type delete; path Patient.name`, "", "patch-path"},
		{"delete all", patient, `type delete; path Patient`, "", "patch-path"},
		{"insert at the beginning", patient, `type insert; path Patient.name; index 0; value {"valueHumanName":{"text":"新"}}}`, `"name":[{"text":"新"},{"family"`, ""},
		{"insert at the end", patient, `type insert; path Patient.name; index 2; value {"valueHumanName":{"text":"新"}}}`, `{"text":"阿三"},{"text":"新"}]`, ""},
		{"insert beyond", patient, `type insert; path Patient.name; index 3; value {"valueHumanName":{"text":"新"}}}`, "", "patch-path"},
		{"insert before", patient, `type insert; path Patient.name; index -1; value {"valueHumanName":{"text":"新"}}}`, "", "patch-path"},
		{"insert into an empty list", nothing, `type insert; path Patient.identifier; index 0; value {"valueIdentifier":{"value":"1"}}}`, `"identifier":[{"value":"1"}]`, ""},
		{"insert into no list", patient, `type insert; path Patient.birthDate; index 0; value {"valueDate":"1960"}}`, "", "patch-path"},
		{"insert by a path without the type", patient, `type insert; path name; index 0; value {"valueHumanName":{"text":"新"}}}`, `"name":[{"text":"新"},{"family"`, ""},
		{"insert keeps both lists in step", patient, `type insert; path Patient.name[0].given; index 1; value {"valueString":"零"}}`, `"given":["三","零",null,"四"],"_given":[null,null,{"extension":[{"url":"u","valueString":"x"}]},null]`, ""},
		{"move", patient, `type move; path Patient.name; source 1; destination 0`, `"name":[{"text":"阿三"},{"family"`, ""},
		{"move a primitive with its extensions", patient, `type move; path Patient.name[0].given; source 1; destination 0`, `"given":[null,"三","四"],"_given":[{"extension":[{"url":"u","valueString":"x"}]},null,null]`, ""},
		{"move from beyond", patient, `type move; path Patient.name; source 2; destination 0`, "", "patch-path"},
		{"move to beyond", patient, `type move; path Patient.name; source 0; destination 2`, "", "patch-path"},
		{"a path that computes", patient, `type delete; path Patient.name.count()`, "", "patch-path"},
		{"a path that is none", patient, `type delete; path Patient.name[`, "", "bad-patch"},
		{"no path", patient, `type delete`, "", "bad-patch"},
		{"no type", patient, `path Patient`, "", "bad-patch"},
		{"no value", patient, `type add; path Patient; name gender`, "", "bad-patch"},
		{"no name", patient, `type add; path Patient; value {"valueCode":"male"}}`, "", "bad-patch"},
		{"no index", patient, `type insert; path Patient.name; value {"valueHumanName":{"text":"新"}}}`, "", "bad-patch"},
	} {
		doc := parse(t, c.doc)
		got, err := FHIRPath(doc, parse(t, parameters(c.ops)))
		if string(doc.JSON()) != c.doc {
			t.Errorf("%s: the document itself was changed", c.name)
		}
		if detail(err) != c.refusal || (err != nil) != (c.refusal != "") {
			t.Errorf("%s: got %v; want refusal %q", c.name, err, c.refusal)
			continue
		}
		if err == nil && !strings.Contains(string(got.JSON()), c.want) {
			t.Errorf("%s: got %s; want %s in it", c.name, got.JSON(), c.want)
		}
	}
	if _, err := FHIRPath(parse(t, patient), parse(t, `{"resourceType":"Patient"}`)); detail(err) != "bad-patch" {
		t.Errorf("no Parameters: got %v", err)
	}
	if _, err := FHIRPath(parse(t, patient), parse(t, `{"resourceType":"Parameters","parameter":[{"name":"x"}]}`)); detail(err) != "bad-patch" {
		t.Errorf("another name: got %v", err)
	}
	got, err := FHIRPath(parse(t, nothing), parse(t, parameters(`type add; path Patient; name name; value {"valueHumanName":{"text":"一"}}}`, `type insert; path Patient.name; index 0; value {"valueHumanName":{"text":"零"}}}`, `type delete; path Patient.name[1]`)))
	if err != nil || string(got.JSON()) != `{"resourceType":"Patient","name":[{"text":"零"}]}` {
		t.Errorf("one after the other: got %v, %v", got, err)
	}
}

func FuzzFHIRPath(f *testing.F) {
	f.Add(`{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"x"}]}]}`, parameters(`type move; path Patient.name[0].given; source 1; destination 0`, `type delete; path Patient.name[0].given[0]`))
	f.Add(`{"resourceType":"Patient"}`, parameters(`type add; path Patient; name contact; value {"part":[{"name":"gender","valueCode":"male"}]}}`, `type insert; path Patient.contact; index 0; value {"valueString":"x"}}`, `type replace; path Patient.contact[0]; value {"valueString":"x"}}`))
	f.Add(`{"resourceType":"Observation","valueQuantity":{"value":1.0}}`, parameters(`type replace; path Observation.value; value {"valueString":"x","_valueString":{"id":"y"}}}`))
	f.Fuzz(func(t *testing.T, doc, ops string) {
		d, err := fhir.Parse([]byte(doc))
		if err != nil {
			return
		}
		o, err := fhir.Parse([]byte(ops))
		if err != nil {
			return
		}
		before := string(d.JSON())
		got, err := FHIRPath(d, o)
		if string(d.JSON()) != before {
			t.Fatalf("the document was changed")
		}
		if err != nil {
			if detail(err) == "" {
				t.Fatalf("a refusal without a code: %v", err)
			}
			return
		}
		if _, err := fhir.ParseValue(got.JSON()); err != nil {
			t.Fatalf("the result is not JSON: %v", err)
		}
	})
}
