package validate_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
)

var update = flag.Bool("update", false, "rewrite testdata/invalid.tsv")

// The table names the published examples that R4 itself does not allow, with the first fault.
const invalidFile = "testdata/invalid.tsv"

func TestExamples(t *testing.T) {
	zone := time.FixedZone("UTC+8", 8*3600)
	known := map[string]string{}
	table, _ := os.ReadFile(invalidFile)
	for line := range strings.Lines(string(table)) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		known[name] = rest
	}
	var invalid []string
	files, seen := 0, map[string]bool{}
	fhirtest.Each(t, fhirtest.Examples, 0, func(name string, data []byte) {
		name = name[strings.LastIndexByte(name, '/')+1:]
		if !bytes.Contains(data, []byte(`"resourceType"`)) {
			return // the package's own description
		}
		files++
		n, err := fhir.Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if want, err := jsontext.AppendFormat(nil, data, jsontext.PreserveRawStrings(false)); err != nil || !bytes.Equal(want, n.JSON()) {
			t.Errorf("%s does not come back as it was: %v", name, err)
		}
		index.Extract(n, zone)
		index.Compartments(n)
		if issues := validate.Resource(n); len(issues) > 0 {
			i := issues[0]
			line := fmt.Sprintf("%s\t%s\t%s\t%s", name, i.Detail, i.Expression, i.Text)
			invalid = append(invalid, line)
			seen[name] = true
			if got, want := i.Detail+"\t"+i.Expression+"\t"+i.Text, known[name]; !*update && got != want {
				t.Errorf("%s: got %s; want %q", name, got, want)
			}
		}
	})
	for name := range known {
		if !seen[name] && !*update {
			t.Errorf("%s is listed as invalid and passes", name)
		}
	}
	if files < 5000 {
		t.Errorf("only %d examples", files)
	}
	t.Logf("%d examples, %d invalid", files, len(invalid))
	if *update {
		sort.Strings(invalid)
		os.MkdirAll("testdata", 0o755)
		if err := os.WriteFile(invalidFile, []byte(strings.Join(invalid, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Every made-up patient of Synthea fits R4; these bundles are what the product imports.
func TestSyntheaIsValid(t *testing.T) {
	limit := 12
	if os.Getenv("XINGLIN_ALL") != "" {
		limit = 0
	}
	resources := 0
	fhirtest.Each(t, fhirtest.Synthea, limit, func(name string, data []byte) {
		n, err := fhir.Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		resources += len(n.All("entry"))
		if issues := validate.Resource(n); len(issues) > 0 {
			t.Errorf("%s: %d issues, first %+v", name, len(issues), issues[0])
		}
	})
	t.Logf("%d resources", resources)
}
