package graphql

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// show writes fields back in one form.
func show(fields []Field) string {
	var out []string
	for _, f := range fields {
		text := f.Name
		if f.On != "" {
			text = "...on " + f.On
		} else if f.Alias != f.Name {
			text = f.Alias + ":" + f.Name
		}
		for _, a := range f.Args {
			text += fmt.Sprintf("(%s=%s)", a.Name, a.Value)
		}
		if f.Fields != nil {
			text += "{" + show(f.Fields) + "}"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{`{ id }`, "id"},
		{`query Q { name { family, given } }`, "name{family given}"},
		{`{a:name(use:official,_count: 1){text}}`, "a:name(use=official)(_count=1){text}"},
		{`{ Patient(id: "p-1") { birthDate } # all
		}`, "Patient(id=p-1){birthDate}"},
		{`{ s(x: "a\"\u4e2d", y: -1.50, z: true) }`, `s(x=a"中)(y=-1.50)(z=true)`},
		{`{ subject { resource { ... on Patient { id } ... on Group { id } } } }`, "subject{resource{...on Patient{id} ...on Group{id}}}"},
	} {
		got, err := Parse(c.query)
		if err != nil || show(got) != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.query, show(got), err, c.want)
		}
	}
	for _, bad := range []string{"", "{", "{}", "{a", "{a}}", "{a(}", "{a(b)}", "{a(b:)}", "{a(b:$v)}", "query($v:Int){a}", "{...F} fragment F on X {a}", "{a @skip(if:true)}", "mutation {a}", `{a(b:"x)}`, `{a(b:"""x""")}`, "{a:}", "{1}",
		"{a}{b}", strings.Repeat("{a", 30) + strings.Repeat("}", 30), "{" + strings.Repeat("a ", MaxFields+1) + "}", "{" + strings.Repeat(" ", MaxLength) + "a}"} {
		_, err := Parse(bad)
		var e *fhir.Error
		if !errors.As(err, &e) || e.Issues[0].Detail != "bad-graphql" {
			t.Errorf("%.40s: got %v; want bad-graphql", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{ Patient(id: "1") { name(use: official) { family ... on X { y } } } }`)
	f.Fuzz(func(t *testing.T, query string) {
		fields, err := Parse(query)
		if err == nil && len(fields) == 0 {
			t.Fatal("nothing was asked for, and nothing refused")
		}
	})
}
