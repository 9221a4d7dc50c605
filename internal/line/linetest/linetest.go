// Package linetest asks of every line what all lines must hold to: no dead ends, a diagram that is the table, words for each step.
package linetest

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

var update = flag.Bool("update", false, "rewrite golden files")

// Check looks at the tables, forms, rules and builders of a line, in the test of its folder. Steps that are written by
// another flow than their own are elsewhere.
func Check(t *testing.T, l *line.Line, elsewhere ...string) {
	t.Run("tables have no dead ends", func(t *testing.T) {
		for _, f := range l.Flows {
			for _, err := range f.Check() {
				t.Error(err)
			}
		}
	})
	t.Run("the diagram is the table", func(t *testing.T) { diagram(t, l) })
	for _, f := range l.Flows {
		t.Run("every step of "+f.Code+" is named and asked", func(t *testing.T) { steps(t, f, elsewhere) })
	}
}

func diagram(t *testing.T, l *line.Line) {
	var b strings.Builder
	for _, f := range l.Flows {
		b.WriteString(f.Mermaid())
		b.WriteString("\n")
	}
	golden := filepath.Join("testdata", "flow.mmd")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the table has changed: look at the diagram, then go test ./lines/%s -update", l.Slug)
	}
}

func steps(t *testing.T, f *line.Flow, elsewhere []string) {
	known := map[string]bool{}
	for _, s := range f.Steps {
		known[s.Do] = true
		if s.By != flow.System && f.Build[s.Do] == nil && !slices.Contains(elsewhere, s.Do) {
			t.Errorf("step %q builds nothing", s.Do)
		}
	}
	for _, do := range slices.Concat(slices.Collect(maps.Keys(f.Forms)), slices.Collect(maps.Keys(f.Rules)), slices.Collect(maps.Keys(f.Build))) {
		if !known[do] {
			t.Errorf("%q is no step of the table", do)
		}
	}
	for do, form := range f.Forms {
		for _, x := range form.Fields {
			if x.Label.Zh == "" || x.Label.En == "" {
				t.Errorf("%s: field %q needs a label in both languages", do, x.Name)
			}
			if x.Type == "choice" && len(x.Options) == 0 {
				t.Errorf("%s: choice %q has no options", do, x.Name)
			}
		}
	}
}
