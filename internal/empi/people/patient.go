package people

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Patient is the row as its hospital would send it. What FHIR cannot hold (a birthday that is no date) is left out.
func (r Row) Patient(id, hospital string) *fhir.Node {
	b := []any{"Patient", "id", id, "active", true, "name", fhir.Arr{fhir.Obj{"text", strings.TrimSpace(r.Name)}}}
	put := func(name string, value any) { b = append(b, name, value) }
	if n := r.Number; n != "" {
		sid := "resident-id"
		switch {
		case n[0] == 'H' || n[0] == 'M':
			sid = "hk-macau-permit"
		case n[0] >= 'A' && n[0] <= 'Z':
			sid = "passport"
		case len(n) == 8:
			sid = "taiwan-permit"
		}
		put("identifier", fhir.Arr{fhir.Identifier(spec.Canonical+"/sid/"+sid, n)})
	}
	if r.Phone != "" {
		put("telecom", fhir.Arr{fhir.Telecom("phone", r.Phone, "mobile")})
	}
	switch r.Sex {
	case "1", "男", "M":
		put("gender", "male")
	case "2", "女", "F":
		put("gender", "female")
	}
	if day := date(r.Birth); fhir.IsDate(day) {
		put("birthDate", day)
	}
	if r.Address != "" {
		put("address", fhir.Arr{fhir.Obj{"text", r.Address}})
	}
	put("managingOrganization", fhir.Obj{"reference", hospital})
	return fhir.New(b[0].(string), b[1:]...)
}

// date undoes the styles of hospitals.
func date(s string) string {
	s = strings.TrimSuffix(strings.NewReplacer("年", "-", "月", "-", "/", "-").Replace(s), "日")
	if len(s) == 8 && !strings.Contains(s, "-") {
		s = s[:4] + "-" + s[4:6] + "-" + s[6:]
	}
	return s
}
