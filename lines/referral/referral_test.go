package referral

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/flow"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestTablesHaveNoDeadEnds(t *testing.T) {
	for _, f := range Line.Flows {
		for _, err := range f.Check() {
			t.Error(err)
		}
	}
}

func TestDiagramIsTheTable(t *testing.T) {
	var b strings.Builder
	for _, f := range Line.Flows {
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
		t.Errorf("the table has changed: look at the diagram, then go test ./lines/referral -update")
	}
}

func TestEveryStepIsNamedAndAsked(t *testing.T) {
	for _, f := range Line.Flows {
		seen := map[string]bool{}
		for _, s := range f.Steps {
			seen[s.Do] = true
			if s.By != flow.System && s.Do != "open-filing" && s.Do != "plan-visit" && f.Build[s.Do] == nil {
				t.Errorf("%s: step %q builds nothing", f.Code, s.Do)
			}
		}
		for _, m := range []map[string]bool{keys(f.Forms), keys(f.Rules), keys(f.Build)} {
			for do := range m {
				if !seen[do] {
					t.Errorf("%s: %q is no step of the table", f.Code, do)
				}
			}
		}
		for do, form := range f.Forms {
			for _, x := range form.Fields {
				if x.Label.Zh == "" || x.Label.En == "" {
					t.Errorf("%s/%s: field %q needs a label in both languages", f.Code, do, x.Name)
				}
				if x.Type == "choice" && len(x.Options) == 0 {
					t.Errorf("%s/%s: choice %q has no options", f.Code, do, x.Name)
				}
			}
		}
	}
}

func keys[V any](m map[string]V) map[string]bool {
	k := map[string]bool{}
	for x := range m {
		k[x] = true
	}
	return k
}
