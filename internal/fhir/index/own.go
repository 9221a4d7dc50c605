package index

import (
	"unicode"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// ownWay holds the parameters whose rows are not simply the values at a path.
var ownWay = map[string]taking{
	"Patient.deceased":     deceased,
	"Patient.address-area": addressArea,
	"Bundle.composition":   firstEntry,
	"Bundle.message":       firstEntry,
}

// deceased is Patient.deceased.exists() and Patient.deceased != false.
func deceased(x *walk, t *take, n *fhir.Node) {
	flag, when := n.Child("deceasedBoolean"), n.Child("deceasedDateTime")
	dead := "false"
	if when != nil || flag != nil && flag.Text == "true" {
		dead = "true"
	}
	x.add(Entry{Param: t.param, Code: dead})
}

// firstEntry is Bundle.entry[0].resource: a document's composition, a message's header.
func firstEntry(x *walk, t *take, n *fhir.Node) {
	want := map[string]string{"composition": "Composition", "message": "MessageHeader"}[t.param.Code]
	if r := n.Get("entry[0].resource"); r.Type() == want && r.ID() != "" {
		x.add(Entry{Param: t.param, RefType: want, RefID: r.ID()})
	}
}

// AreaExtension carries the GB/T 2260 code of an Address.
const AreaExtension = "https://xinglin.health/fhir/StructureDefinition/address-area"

// addressArea takes the six-digit area from an extension of an address, from a postal
// code that is one, and from resident numbers.
func addressArea(x *walk, t *take, n *fhir.Node) {
	seen := map[string]bool{}
	add := func(area string) {
		if len(area) >= 6 && isDigits(area[:6]) && !seen[area[:6]] {
			seen[area[:6]] = true
			x.add(Entry{Param: t.param, Code: area[:6]})
		}
	}
	for _, a := range n.All("address") {
		for _, e := range a.All("extension") {
			if e.Str("url") == AreaExtension {
				add(e.Str("valueCode") + e.Str("valueString") + e.Str("valueCoding.code"))
			}
		}
		if p := a.Str("postalCode"); len(p) == 6 {
			add(p)
		}
	}
	for _, id := range n.All("identifier") {
		if r, ok := fhir.ParseResident(id.Str("value")); ok {
			add(r.Area)
		}
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// wholeName joins family and given name as Chinese does; "" for other scripts.
func wholeName(n *fhir.Node) string {
	family := n.Str("family")
	if !hasHan(family) {
		return ""
	}
	for _, g := range n.All("given") {
		family += g.Text
	}
	return family
}

func hasHan(s string) bool {
	for _, r := range s {
		if unicode.Is(unicode.Han, r) {
			return true
		}
	}
	return false
}
