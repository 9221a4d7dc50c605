package patch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// outside is a file of the suites that were not written for this project.
func outside(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("XINGLIN_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	data, err := os.ReadFile(filepath.Join(dir, "fhir-patch-tests", name))
	if os.IsNotExist(err) {
		t.Skipf("skipped: the patch suite is not here (XINGLIN_DATA)")
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t testing.TB, text string) *fhir.Node {
	t.Helper()
	n, err := fhir.ParseValue([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

func detail(err error) string {
	var e *fhir.Error
	if errors.As(err, &e) {
		return e.Issues[0].Detail
	}
	return ""
}

func TestPublicJSONPatchSuite(t *testing.T) {
	cases := parse(t, string(outside(t, "json-patch-tests.json")))
	passed := 0
	for _, c := range cases.Items {
		doc := c.Child("doc")
		before := string(doc.JSON())
		got, err := JSON(doc, c.Child("patch"))
		want := c.Child("expected")
		switch {
		case want == nil && err == nil:
			t.Errorf("%s: got %s; want a refusal: %s", c.Str("comment"), got.JSON(), c.Str("error"))
		case want != nil && err != nil:
			t.Errorf("%s: got %v; want %s", c.Str("comment"), err, want.JSON())
		case want != nil && !equal(got, want):
			t.Errorf("%s: got %s; want %s", c.Str("comment"), got.JSON(), want.JSON())
		default:
			passed++
		}
		if string(doc.JSON()) != before {
			t.Errorf("%s: the document itself was changed", c.Str("comment"))
		}
	}
	t.Logf("public JSON Patch suite: %d of %d", passed, len(cases.Items))
}

func TestJSON(t *testing.T) {
	const doc = `{"resourceType":"Patient","name":[{"family":"张","given":["三","四"]}],"multipleBirthInteger":2,"x/y":1,"m~n":2}`
	for _, c := range []struct{ name, patch, want, refusal string }{
		{"add appends with -", `[{"op":"add","path":"/name/0/given/-","value":"五"}]`, `"given":["三","四","五"]`, ""},
		{"add at the length appends", `[{"op":"add","path":"/name/0/given/2","value":"五"}]`, `"given":["三","四","五"]`, ""},
		{"add beyond the length", `[{"op":"add","path":"/name/0/given/3","value":"五"}]`, "", "patch-path"},
		{"add to an index pushes", `[{"op":"add","path":"/name/0/given/0","value":"零"}]`, `"given":["零","三","四"]`, ""},
		{"add replaces a member that is there", `[{"op":"add","path":"/multipleBirthInteger","value":3}]`, `"multipleBirthInteger":3`, ""},
		{"number text is kept", `[{"op":"add","path":"/v","value":1.00}]`, `"v":1.00`, ""},
		{"a copied number keeps its text", `[{"op":"add","path":"/v","value":1.50},{"op":"copy","from":"/v","path":"/w"}]`, `"w":1.50`, ""},
		{"leading zero", `[{"op":"replace","path":"/name/00/family","value":"李"}]`, "", "patch-path"},
		{"sign", `[{"op":"replace","path":"/name/+0/family","value":"李"}]`, "", "patch-path"},
		{"negative", `[{"op":"replace","path":"/name/-1/family","value":"李"}]`, "", "patch-path"},
		{"- names nothing that is there", `[{"op":"replace","path":"/name/-","value":{}}]`, "", "patch-path"},
		{"an index beyond what a number holds", `[{"op":"remove","path":"/name/99999999999999999999"}]`, "", "patch-path"},
		{"replace of nothing", `[{"op":"replace","path":"/gender","value":"male"}]`, "", "patch-path"},
		{"remove of nothing", `[{"op":"remove","path":"/gender"}]`, "", "patch-path"},
		{"escaped pointers", `[{"op":"test","path":"/x~1y","value":1},{"op":"replace","path":"/m~0n","value":3}]`, `"m~n":3`, ""},
		{"bad escape", `[{"op":"test","path":"/m~2n","value":1}]`, "", "bad-patch"},
		{"into a string", `[{"op":"add","path":"/name/0/family/x","value":1}]`, "", "patch-path"},
		{"test compares numbers by value", `[{"op":"test","path":"/multipleBirthInteger","value":20e-1}]`, `"multipleBirthInteger":2`, ""},
		{"test tells texts and numbers apart", `[{"op":"test","path":"/multipleBirthInteger","value":"2"}]`, "", "patch-test"},
		{"a failing test undoes what came before", `[{"op":"remove","path":"/name"},{"op":"test","path":"/m~0n","value":9}]`, "", "patch-test"},
		{"the last item removed takes its array along", `[{"op":"remove","path":"/name/0"}]`, `{"resourceType":"Patient","multipleBirthInteger":2`, ""},
		{"what was emptied can be filled again", `[{"op":"remove","path":"/name/0"},{"op":"add","path":"/name/-","value":{"text":"李四"}}]`, `"name":[{"text":"李四"}]`, ""},
		{"emptied from below", `[{"op":"remove","path":"/name/0/family"},{"op":"remove","path":"/name/0/given"}]`, `{"resourceType":"Patient","multipleBirthInteger":2`, ""},
		{"move into itself", `[{"op":"move","from":"/name","path":"/name/0/given"}]`, "", "patch-path"},
		{"move onto itself", `[{"op":"move","from":"/name/0","path":"/name/0"}]`, `"family":"张"`, ""},
		{"move to a sibling with the same beginning", `[{"op":"move","from":"/name","path":"/nameBefore"}]`, `"nameBefore":[`, ""},
		{"no array", `{"op":"add"}`, "", "bad-patch"},
		{"unknown operation", `[{"op":"merge","path":"/x"}]`, "", "bad-patch"},
		{"no path", `[{"op":"remove"}]`, "", "bad-patch"},
		{"path without a slash", `[{"op":"remove","path":"name"}]`, "", "bad-patch"},
		{"no value", `[{"op":"add","path":"/a"}]`, "", "bad-patch"},
		{"a value of null is a value", `[{"op":"add","path":"/a","value":null}]`, `"a":null`, ""},
		{"no from", `[{"op":"copy","path":"/a"}]`, "", "bad-patch"},
		{"the whole resource removed", `[{"op":"remove","path":""}]`, "", "patch-empties"},
		{"nothing to do", `[]`, `"resourceType":"Patient"`, ""},
	} {
		got, err := JSON(parse(t, doc), parse(t, c.patch))
		if detail(err) != c.refusal || (err != nil) != (c.refusal != "") {
			t.Errorf("%s: got %v; want refusal %q", c.name, err, c.refusal)
			continue
		}
		if err == nil && !strings.Contains(string(got.JSON()), c.want) {
			t.Errorf("%s: got %s; want %s in it", c.name, got.JSON(), c.want)
		}
	}
}

func TestJSONIsBounded(t *testing.T) {
	double := `[{"op":"add","path":"/a","value":["x","y"]}` + strings.Repeat(`,{"op":"copy","from":"/a","path":"/a/-"}`, 60) + `]`
	if _, err := JSON(parse(t, `{}`), parse(t, double)); detail(err) != "patch-too-large" {
		t.Errorf("doubling sixty times: got %v; want patch-too-large", err)
	}
	nest := `[{"op":"add","path":"/a","value":{"b":{}}}` + strings.Repeat(`,{"op":"move","from":"/a","path":"/c"},{"op":"add","path":"/a","value":{"b":{}}},{"op":"move","from":"/c","path":"/a/b/d"}`, 40) + `]`
	if _, err := JSON(parse(t, `{}`), parse(t, nest)); detail(err) != "patch-too-deep" {
		t.Errorf("nested forty times: got %v; want patch-too-deep", err)
	}
	many := `[` + strings.Repeat(`{"op":"test","path":"","value":{}},`, MaxOperations) + `{"op":"test","path":"","value":{}}]`
	if _, err := JSON(parse(t, `{}`), parse(t, many)); detail(err) != "bad-patch" {
		t.Errorf("too many operations: got %v; want bad-patch", err)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"a":[1,{"b":2.0}]}`, `[{"op":"add","path":"/a/-","value":3},{"op":"move","from":"/a/0","path":"/c"},{"op":"test","path":"/a/0/b","value":2}]`)
	f.Add(`{"a":[]}`, `[{"op":"remove","path":"/a"},{"op":"copy","from":"","path":"/x~1"}]`)
	f.Fuzz(func(t *testing.T, doc, ops string) {
		d, err := fhir.Parse([]byte(doc))
		if err != nil {
			return
		}
		o, err := fhir.ParseValue([]byte(ops))
		if err != nil {
			return
		}
		before := string(d.JSON())
		got, err := JSON(d, o)
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
