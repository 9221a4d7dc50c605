package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParseKeepsWhatWasWritten(t *testing.T) {
	for _, in := range []string{
		`{"resourceType":"Patient","a":1.00,"b":1e2,"c":-0.0,"d":[true,false,null,"x"],"e":{}}`,
		`{"b":"1","a":"\"\\\n\t\u0001张三😀"}`,
		`{"a":[[],[[]],{"b":[]}]}`,
		`{}`,
	} {
		n, err := Parse([]byte(in))
		if err != nil || string(n.JSON()) != in {
			t.Errorf("got %s %v; want %s", n.JSON(), err, in)
		}
	}
	n, err := Parse([]byte(" {\n\t\"a\" : [ 1 , \"\\u5f20\\/\" ] , \"b\\u0031\" : { } }\r\n"))
	if err != nil || string(n.JSON()) != `{"a":[1,"张/"],"b1":{}}` {
		t.Errorf("got %s %v", n.JSON(), err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, in, place string }{
		{"nothing", ``, ""}, {"space", ` `, ""}, {"an array", `[]`, ""}, {"a string", `"x"`, ""}, {"two", `{}{}`, ""}, {"trailing text", `{} x`, ""},
		{"duplicate name", `{"name":[{"text":"张三","text":"y"}]}`, "name[0].text"},
		{"duplicate name, escaped", `{"a":1,"\u0061":2}`, "a"},
		{"lone surrogate", `{"a":"\ud800"}`, "a"}, {"invalid UTF-8", "{\"a\":\"\xff\"}", "a"}, {"U+0000", `{"a":"\u0000"}`, ""}, {"U+0000 in a name", `{"\u0000":1}`, ""},
		{"raw control", "{\"a\":\"\n\"}", "a"}, {"leading zero", `{"a":01}`, ""}, {"NaN", `{"a":NaN}`, "a"}, {"trailing comma", `{"a":1,}`, ""}, {"comment", `{/**/}`, ""},
		{"cut off", `{"a":`, "a"}, {"single quotes", `{'a':1}`, ""}, {"too deep", `{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, ""},
		{"far too deep", strings.Repeat(`{"a":`, 200000), ""},
	} {
		n, err := Parse([]byte(c.in))
		var fe *Error
		if err == nil || !errors.As(err, &fe) || fe.Status != 400 || fe.Issues[0].Detail != "bad-json" {
			t.Errorf("%s: got %v %v; want bad-json", c.name, n, err)
			continue
		}
		if c.place != "" && fe.Issues[0].Expression != c.place {
			t.Errorf("%s: place is %q; want %q", c.name, fe.Issues[0].Expression, c.place)
		}
		if strings.Contains(err.Error(), "张") {
			t.Errorf("%s: the error repeats what was sent: %v", c.name, err)
		}
	}
}

func TestParseDoesNotKeepTheInput(t *testing.T) {
	in := []byte(`{"a":"before"}`)
	n, _ := Parse(in)
	copy(in, `{"a":"after!"}`)
	if n.Str("a") != "before" {
		t.Errorf("got %q; the tree must not change with the caller's buffer", n.Str("a"))
	}
}

func TestTreesOfOneParseDoNotGrowIntoEachOther(t *testing.T) {
	n, _ := Parse([]byte(`{"a":{"x":1},"b":{"y":2},"c":[1],"d":[2]}`))
	n.Child("a").Set("new", "v")
	n.Add("c", 9)
	if got := string(n.JSON()); got != `{"a":{"x":1,"new":"v"},"b":{"y":2},"c":[1,9],"d":[2]}` {
		t.Errorf("got %s", got)
	}
}

func TestGetAndSet(t *testing.T) {
	n := New("Task", "status", "requested")
	n.Set("restriction.period.end", "2026-01-01").Add("input", Obj{"valueString", "a"}).Add("input", Obj{"valueString", "b"})
	n.Set("for", Ref("Patient/1", ""))
	if got := string(n.JSON()); got != `{"resourceType":"Task","status":"requested","restriction":{"period":{"end":"2026-01-01"}},"input":[{"valueString":"a"},{"valueString":"b"}],"for":{"reference":"Patient/1"}}` {
		t.Errorf("got %s", got)
	}
	for path, want := range map[string]string{"input[1].valueString": "b", "for.reference": "Patient/1", "input[2].valueString": "", "none.of[0]": "", "status": "requested", "input[x]": ""} {
		if got := n.Str(path); got != want {
			t.Errorf("%s: got %q; want %q", path, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"\u00e9\\"}],"c":null}`, ` { } `, `{"a":"\""}`, `{"a":-1.5e+3}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Parse(data)
		if err != nil {
			return
		}
		var want, got any
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("accepted %q: %v", data, err)
		}
		dec = json.NewDecoder(bytes.NewReader(n.JSON()))
		dec.UseNumber()
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("wrote %q: %v", n.JSON(), err)
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		if !bytes.Equal(a, b) {
			t.Fatalf("%q became %q", data, n.JSON())
		}
	})
}
