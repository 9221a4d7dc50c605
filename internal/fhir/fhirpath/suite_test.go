package fhirpath

import (
	"bufio"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
)

type suite struct {
	Groups []struct {
		Name  string      `xml:"name,attr"`
		Tests []suiteCase `xml:"test"`
	} `xml:"group"`
}

type suiteCase struct {
	Name       string `xml:"name,attr"`
	Input      string `xml:"inputfile,attr"`
	Mode       string `xml:"mode,attr"`
	Predicate  bool   `xml:"predicate,attr"`
	Ordered    string `xml:"ordered,attr"`
	Expression struct {
		Text    string `xml:",chardata"`
		Invalid string `xml:"invalid,attr"`
	} `xml:"expression"`
	Outputs []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"output"`
}

// exceptions are the cases that are known to fail, with the reason.
func exceptions(t *testing.T) map[string]string {
	f, err := os.Open("testdata/exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	known := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if name, reason, ok := strings.Cut(line, "\t"); ok && line[0] != '#' {
			known[name] = strings.TrimSpace(reason)
		} else if line != "" && line[0] != '#' {
			t.Fatalf("exceptions.txt: %q has no reason", line)
		}
	}
	return known
}

// TestSuite runs the public suite for R4. A case fails the test unless it stands in
// testdata/exceptions.txt, and one that stands there fails it by passing.
func TestSuite(t *testing.T) {
	dir := filepath.Join(fhirtest.Folder(t), "fhirpath-tests")
	data, err := os.ReadFile(filepath.Join(dir, "tests-fhir-r4.xml"))
	if err != nil {
		t.Skip(err)
	}
	d := xml.NewDecoder(strings.NewReader(string(data)))
	d.Strict = false
	var s suite
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	known := exceptions(t)
	inputs := map[string]*fhir.Node{}
	passed, total := 0, 0
	for _, g := range s.Groups {
		for _, c := range g.Tests {
			total++
			why := c.run(t, inputs, filepath.Join(dir, "input"))
			reason, excepted := known[c.Name]
			delete(known, c.Name)
			switch {
			case why == "" && excepted:
				t.Errorf("%s passes; take it off exceptions.txt (%s)", c.Name, reason)
			case why == "":
				passed++
			case !excepted:
				t.Errorf("%s/%s: %s\n\t%s", g.Name, c.Name, strings.TrimSpace(c.Expression.Text), why)
			}
		}
	}
	for name := range known {
		t.Errorf("exceptions.txt names %s, which the suite does not have", name)
	}
	t.Logf("FHIRPath suite: %d of %d pass", passed, total)
}

func (c *suiteCase) run(t *testing.T, inputs map[string]*fhir.Node, dir string) (why string) {
	var focus []Item
	typ := ""
	if c.Input != "" {
		n := inputs[c.Input]
		if n == nil {
			data, err := os.ReadFile(filepath.Join(dir, c.Input))
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(c.Input, ".xml") {
				n, err = fhirtest.XML(data)
			} else {
				n, err = fhir.Parse(data)
			}
			if err != nil {
				t.Fatalf("%s: %v", c.Input, err)
			}
			inputs[c.Input] = n
		}
		focus, typ = []Item{Of(n)}, n.Type()
	}
	env := &Env{Now: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)}
	e, err := Compile(c.Expression.Text)
	if err == nil && (c.Mode == "strict" || c.Expression.Invalid == "semantic") {
		_, err = e.Check(typ)
	}
	var out Collection
	if err == nil {
		out, err = e.Eval(env, focus...)
	}
	if c.Expression.Invalid != "" {
		if err == nil {
			return "got " + out.String() + "; want an error (" + c.Expression.Invalid + ")"
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	if c.Predicate {
		v, ok := out.Bool()
		out = truth(ok && v)
	}
	if len(out) != len(c.Outputs) {
		return "got " + out.String() + "; want " + c.wanted()
	}
	used := make([]bool, len(out))
	for i, want := range c.Outputs {
		found := false
		for j := range out {
			if used[j] || c.Ordered != "false" && i != j {
				continue
			}
			if matchesOutput(out[j], want.Type, want.Text) {
				used[j], found = true, true
				break
			}
		}
		if !found {
			return "got " + out.String() + " " + out[min(i, len(out)-1)].Type() + "; want " + c.wanted()
		}
	}
	return ""
}

func (c *suiteCase) wanted() string {
	var w []string
	for _, o := range c.Outputs {
		w = append(w, o.Type+" "+o.Text)
	}
	return "[" + strings.Join(w, ", ") + "]"
}

func matchesOutput(i Item, typ, text string) bool {
	got, _ := i.Text()
	if typ != "" && !strings.EqualFold(strings.TrimPrefix(i.Type(), "System."), typ) {
		return false
	}
	want := strings.TrimPrefix(strings.TrimPrefix(text, "@"), "T")
	if _, isNumber := number_(i.system()); isNumber && got != want {
		a, ok1 := parseDecimal(got)
		b, ok2 := parseDecimal(want)
		return ok1 && ok2 && a.cmp(b) == 0 && (a.scale == b.scale || typ != "")
	}
	return got == want
}
