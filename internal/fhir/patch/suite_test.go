package patch

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
)

// plain writes a narrative the same way, whether it came as an element or as text.
func plain(n *fhir.Node) *fhir.Node {
	if div := n.Get("text.div"); div != nil {
		div.Text = strings.NewReplacer("\r\n", "\n", "&quot;", `"`).Replace(div.Text)
	}
	return n
}

func TestPublicFHIRPathPatchSuite(t *testing.T) {
	type inner struct {
		XML string `xml:",innerxml"`
	}
	var suite struct {
		Cases []struct {
			Name   string    `xml:"name,attr"`
			Input  inner     `xml:"input"`
			Diff   inner     `xml:"diff"`
			Output *inner    `xml:"output"`
			Error  *struct{} `xml:"error"`
		} `xml:"case"`
	}
	if err := xml.Unmarshal(outside(t, "fhir-patch-tests.xml"), &suite); err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, c := range suite.Cases {
		input, err := fhirtest.XML([]byte(c.Input.XML))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		diff, err := fhirtest.XML([]byte(c.Diff.XML))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		wrong := ""
		got, err := FHIRPath(input, diff)
		switch {
		case c.Output == nil && err == nil:
			wrong = "got " + string(got.JSON()) + "; want a refusal"
		case c.Output != nil && err != nil:
			wrong = "got " + err.Error()
		case c.Output != nil:
			want, err := fhirtest.XML([]byte(c.Output.XML))
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			if !equal(plain(got), plain(want)) {
				wrong = "got " + string(got.JSON()) + "; want " + string(want.JSON())
			}
		}
		if wrong != "" {
			t.Errorf("%s: %s", c.Name, wrong)
			continue
		}
		passed++
	}
	t.Logf("public FHIRPath Patch suite: %d of %d", passed, len(suite.Cases))
}
