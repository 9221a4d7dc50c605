package fhirpath

import (
	"errors"
	"strings"
	"testing"
)

var seeds = []string{"Patient.name.where(use = 'official').given.first()", "name.given | name.family", "birthDate <= today()", "descendants().where($this is string).count()",
	"iif(active, 1 + 2.5, {})", "name.repeat(children())", "(1|2|3).aggregate($total + $this, 0)", "4.0 'g' / 2 'm'", "@2015-02-04T14:34:28+10:00 - 3 months",
	"%resource.contained.all('#' + id in %resource.descendants().reference)", "'abc'.replaceMatches('(a)', '$1$1')", "1.587.lowBoundary(2)", "-1.5.abs()", "name.sort(-family, given.first())",
	"managingOrganization.resolve().ofType(Organization).name", "`div` // comment", "%`vs-x` & {} ~ '\\u4e2d'", "extension('x').value as Quantity", "defineVariable('x', 3).select(%x)", "``", "4 'g' ~ 4040 'mg'", "1 '10*9/L' < 2.5 '{x}/mm3'", "1 'Cel' = 274.15 'K'"}

// FuzzCompile: no text makes the parser panic, and what it accepts stays within its bounds.
func FuzzCompile(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Compile(s)
		if err != nil {
			var at *Error
			if !errors.As(err, &at) || at.At > len(s) {
				t.Fatalf("%q: error without a place: %v", s, err)
			}
			return
		}
		e.Check("Patient")
	})
}

// FuzzEval: no expression makes the evaluation panic or work without end.
func FuzzEval(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	root := Of(patient(f))
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Compile(s)
		if err != nil {
			return
		}
		out, err := e.Eval(&Env{Steps: 20000}, root)
		if err != nil {
			return
		}
		if len(out) > 40000 {
			t.Fatalf("%q: %d items", s, len(out))
		}
		for _, i := range out {
			i.Path()
			i.Text()
		}
	})
}

// TestBounds: what would grow without end stops with an error, soon.
func TestBounds(t *testing.T) {
	for name, expr := range map[string]string{
		"doubling text":   "(" + strings.Repeat("1|2|3|4|5|6|7|8|9|0.1|0.2|0.3|0.4|", 1) + "99).select($this.toString()).repeat($this + $this)",
		"endless repeat":  "1.repeat($this + 1)",
		"repeatAll":       "1.repeatAll($this)",
		"nested products": "descendants().select(%resource.descendants().select(%resource.descendants().select(%resource.descendants())))",
		"long replace":    "'aaaaaaaaaa'.replace('', 'aaaaaaaaaaaaaaaaaaaa').replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')",
		"long sum":        "(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30).aggregate($total & $total & 'x', 'x')",
	} {
		e, err := Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if out, err := e.Eval(nil, Of(patient(t))); !errors.Is(err, ErrSteps) {
			t.Errorf("%s: got %d items, %v; want ErrSteps", name, len(out), err)
		}
	}
	for name, expr := range map[string]string{
		"nesting":   strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200),
		"minus":     strings.Repeat("-", 300) + "1",
		"arguments": strings.Repeat("not().iif(", 150) + "1",
		"length":    strings.Repeat("1 ", MaxLength),
		"operators": "1" + strings.Repeat("+1", 5000),
		"steps":     "a" + strings.Repeat(".b", 5000),
		"pattern":   "'a'.matches('(')",
	} {
		if _, err := Compile(expr); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func BenchmarkInvariants(b *testing.B) {
	root := Of(patient(b))
	for name, expr := range map[string]string{
		"ele-1":  "hasValue() or (children().count() > id.count())",
		"dom-2":  "contained.contained.empty()",
		"dom-3":  "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()",
		"dom-4":  "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()",
		"pat-1":  "contact.all(name.exists() or telecom.exists() or address.exists() or organization.exists())",
		"name":   "name.where(use = 'official').given.first()",
		"search": "Patient.name.family | Patient.contact.name.family",
	} {
		e := MustCompile(expr)
		b.Run(name, func(b *testing.B) {
			env := &Env{Lenient: true}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(env, root); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
