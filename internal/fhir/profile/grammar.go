package profile

import (
	"strings"

	"golang.org/x/text/language"

	"github.com/xinglin-health/xinglin/internal/fhir/ucum"
)

// grammars are value sets whose codes are told by their form: nobody could list them.
var grammars = map[string]struct {
	system string
	holds  func(code string) bool
}{
	"http://hl7.org/fhir/ValueSet/mimetypes":     {"urn:ietf:bcp:13", isMediaType},
	"http://hl7.org/fhir/ValueSet/all-languages": {"urn:ietf:bcp:47", isLanguage},
	"http://hl7.org/fhir/ValueSet/ucum-units":    {ucum.System, isUnit},
}

// isMediaType: type/subtype; parameters as they come, since R4's own are not all quoted. FHIR's formats have short names.
func isMediaType(s string) bool {
	switch s {
	case "json", "xml", "ttl":
		return true
	}
	s, _, _ = strings.Cut(s, ";")
	typ, sub, ok := strings.Cut(strings.TrimSpace(s), "/")
	return ok && typ != "" && sub != "" && !strings.ContainsAny(typ+sub, " /\"()<>@,:")
}

func isLanguage(s string) bool {
	_, err := language.Parse(s)
	return err == nil && !strings.Contains(s, "_")
}

func isUnit(s string) bool {
	_, err := ucum.Parse(s)
	return err == nil
}

// formed asks a set that is told by form; known is false for the others.
func formed(set, system, code string) (in, known bool) {
	url, _, _ := strings.Cut(set, "|")
	g, known := grammars[url]
	if !known {
		return false, false
	}
	return (system == "" || system == g.system) && g.holds(code), true
}

// unit looks at the code of a quantity that says it is of UCUM.
func (c *checker) unit(v value) {
	if v.n == nil || v.n.Str("system") != ucum.System {
		return
	}
	if code := v.n.Str("code"); code != "" && !isUnit(code) {
		c.report(&place{v.place, "code", -1}, "warning", "code-invalid", "unit-unknown", clip(code)+" is no UCUM unit that is known here", clip(code)+" 不是已知的 UCUM 单位")
	}
}
