package secondlook

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		t.Errorf("the table has changed: look at the diagram, then go test ./lines/secondlook -update")
	}
}
