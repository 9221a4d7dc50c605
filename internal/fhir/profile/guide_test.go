package profile_test

import (
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
)

// guide is the Chongqing master data guide with its code lists; HL7's own value sets that it includes are left open.
func guide(t *testing.T) (s *shelf, instances []*fhir.Node) {
	s = newShelf()
	systems := map[string][]string{}
	var sets []*fhir.Node
	for _, n := range fhirtest.Guide(t, "cq-core-ig/input/fsh", "http://fhir.cq.hc") {
		switch n.Type() {
		case "StructureDefinition":
			s.definitions[n.Str("url")] = n
		case "CodeSystem":
			for _, c := range n.All("concept") {
				systems[n.Str("url")] = append(systems[n.Str("url")], c.Str("code"))
			}
		case "ValueSet":
			sets = append(sets, n)
		default:
			instances = append(instances, n)
		}
		if issues := validate.Resource(n); len(issues) > 0 {
			t.Errorf("%s/%s: %+v", n.Type(), n.ID(), issues[0])
		}
	}
	for _, n := range sets {
		codes := map[string]bool{}
		for _, in := range n.All("compose.include") {
			for _, code := range systems[in.Str("system")] {
				codes[in.Str("system")+"|"+code] = true
			}
		}
		s.sets[n.Str("url")] = codes
	}
	return s, instances
}

func TestChongqingGuide(t *testing.T) {
	s, instances := guide(t)
	if len(instances) < 4 || len(s.definitions) < 10 {
		t.Fatalf("%d instances, %d definitions", len(instances), len(s.definitions))
	}
	hospital := (*fhir.Node)(nil)
	for _, n := range instances {
		issues := profile.Check(n, s, profile.Options{Rules: true})
		if got := faults(issues); got != "" {
			t.Errorf("%s: %s", n.ID(), got)
			for _, i := range issues {
				t.Logf("%+v", i)
			}
		}
		if strings.Contains(n.Str("meta.profile[0]"), "healthcare") && hospital == nil {
			hospital = n
		}
	}
	item := func(n *fhir.Node, list, path, value string) *fhir.Node {
		for _, x := range n.All(list) {
			if x.Str(path) == value {
				return x
			}
		}
		t.Fatalf("no %s with %s %s", list, path, value)
		return nil
	}
	const url = "http://fhir.cq.hc/StructureDefinition/"
	for _, c := range []struct {
		name  string
		spoil func(n *fhir.Node)
		want  string
	}{
		{"no name", func(n *fhir.Node) { n.Set("name", nil) }, "profile-min Organization.name"},
		{"no district", func(n *fhir.Node) {
			item(n, "extension", "url", url+"hc-mdm-administrativedivision").Set("url", "http://fhir.cq.hc/else")
		}, "profile-min Organization.extension"},
		{"a district that is none", func(n *fhir.Node) {
			item(n, "extension", "url", url+"hc-mdm-administrativedivision").Set("valueCoding.code", "999999")
		}, "profile-code Organization.extension[0].value"},
		{"no licence", func(n *fhir.Node) {
			item(n, "identifier", "type.coding[0].code", "MIPLRN").Set("type.coding[0].code", "CIN")
		}, "profile-min Organization.identifier"},
		{"a licence not official", func(n *fhir.Node) { item(n, "identifier", "type.coding[0].code", "MIPLRN").Set("use", "temp") }, "profile-pattern Organization.identifier[0].use"},
		{"a licence in lower case", func(n *fhir.Node) {
			item(n, "identifier", "type.coding[0].code", "MIPLRN").Set("value", "prn56")
		}, "invariant-miplrn-encodingrule-format Organization.identifier[0]"},
		{"a credit code of 17 characters", func(n *fhir.Node) {
			item(n, "identifier", "type.coding[0].code", "USCC").Set("value", "1233000047005172F")
		}, "invariant-uscc-encodingrule-18 Organization.identifier[3]"},
		{"two telephones", func(n *fhir.Node) { item(n, "telecom", "system", "email").Set("system", "phone") }, "profile-max Organization.telecom"},
		{"a post code elsewhere", func(n *fhir.Node) { n.Set("address[0].postalCode", "610000") }, "invariant-postalcode-chongqing-format Organization.address[0]"},
		{"a longitude as text", func(n *fhir.Node) {
			n.Get("address[0].extension[0].extension[0]").Set("valueDecimal", nil).Set("valueString", "106")
		}, "profile-type Organization.address[0].extension[0].extension[0].value"},
		{"no class of economy, which the profile of hospitals asks for", func(n *fhir.Node) {
			item(n, "extension", "url", url+"hc-mdm-economicindustryclassification").Set("url", "http://fhir.cq.hc/else")
		}, "profile-min Organization.extension"},
		{"a type of institution that is none", func(n *fhir.Node) { n.Set("type[0].coding[0].code", "000") }, "profile-code Organization.type[0]"},
	} {
		n := hospital.Copy()
		c.spoil(n)
		if got := faults(profile.Check(n, s, profile.Options{Rules: true})); got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
	}
}
