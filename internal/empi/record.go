package empi

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Systems and extensions of the house that the index reads.
const (
	sids        = spec.Canonical + "/sid/"
	temporaryID = sids + "unknown-person" // of who has no name yet
	recordID    = sids + "record-number"  // unique within its hospital only

	motherURL   = spec.Canonical + "/StructureDefinition/mother"   // of a newborn: valueReference (Patient) or valueIdentifier
	verifiedURL = spec.Canonical + "/StructureDefinition/verified" // of an identifier: valueBoolean true, or valueDateTime of the check
)

// kinds: systems whose numbers are known by their form. 2.16.156.10011.1.3 is the resident number in documents of WS/T 500.
var kinds = map[string]string{
	sids + "resident-id":             match.ResidentID,
	"urn:oid:2.16.156.10011.1.3":     match.ResidentID,
	sids + "insurance-id":            match.InsuranceID,
	sids + "passport":                match.Passport,
	sids + "hk-macau-permit":         match.HongKongMacau,
	sids + "taiwan-permit":           match.Taiwan,
	sids + "foreign-resident-id":     match.ForeignResident,
	"http://hl7.org/fhir/sid/us-ssn": match.NationalID,
}

// most of one kind of thing that a record is compared by; Patients have a few.
const most = 12

// FromPatient reads what the index compares out of a Patient. custodian is whose record it is.
func FromPatient(n *fhir.Node, custodian string) match.Record {
	r := match.Record{Org: custodian, Sex: n.Str("gender"), Birth: n.Str("birthDate")}
	if id := n.ID(); id != "" {
		r.ID = "Patient/" + id
	}
	temporary := false
	for _, id := range first(n.All("identifier")) {
		system, value := id.Str("system"), strings.TrimSpace(id.Str("value"))
		if system == temporaryID || id.Str("use") == "temp" {
			temporary = temporary || system == temporaryID
			continue // says nothing of the person
		}
		if value == "" {
			continue
		}
		r.Numbers = append(r.Numbers, match.Number{System: kindOf(id, system, value, custodian), Value: value, Verified: verified(id)})
	}
	named := false
	for _, name := range first(n.All("name")) {
		if name.Str("use") == "temp" || temporary && name.Str("use") == "old" {
			continue
		}
		m := match.Name{Text: name.Str("text"), Family: name.Str("family"), Given: given(name)}
		if m != (match.Name{}) {
			r.Names, named = append(r.Names, m), true
		}
	}
	r.Unknown = temporary && !named
	for _, t := range first(n.All("telecom")) {
		if s := t.Str("system"); (s == "phone" || s == "sms") && t.Str("value") != "" {
			r.Phones = append(r.Phones, t.Str("value"))
		}
	}
	for _, a := range first(n.All("address")) {
		text := a.Str("text")
		if text == "" {
			text = joined(a.All("line"), " ")
		}
		m := match.Address{Text: text, Area: a.Str("district"), City: a.Str("city"), PostalCode: a.Str("postalCode")}
		if m != (match.Address{}) {
			r.Address = append(r.Address, m)
		}
	}
	for _, e := range first(n.All("extension")) {
		if e.Str("url") != motherURL {
			continue
		}
		switch ref := e.Str("valueReference.reference"); {
		case strings.HasPrefix(ref, "Patient/"):
			r.Mother = ref
		case e.Str("valueIdentifier.value") != "":
			id := e.Get("valueIdentifier")
			r.Mother = kindOf(id, id.Str("system"), id.Str("value"), custodian) + "|" + id.Str("value")
		}
	}
	for _, c := range n.Str("multipleBirthInteger") {
		if c < '0' || c > '9' || r.Order > 20 {
			r.Order = 0
			break
		}
		r.Order = 10*r.Order + int(c-'0')
	}
	return r
}

// keeper is whose record it is: the custodian, or, of what the hub itself has brought in, whom the Patient names.
func keeper(n *fhir.Node, v *store.Version) string {
	if v.Custodian != "" {
		return v.Custodian
	}
	if org := n.Str("managingOrganization.reference"); strings.HasPrefix(org, "Organization/") {
		return org
	}
	return ""
}

func first(list []*fhir.Node) []*fhir.Node { return list[:min(len(list), most)] }

// kindOf is the system by which numbers are compared: of a known form, or the assigner's own.
func kindOf(id *fhir.Node, system, value, custodian string) string {
	if kind, ok := kinds[system]; ok {
		return kind
	}
	if system == recordID {
		if by := id.Str("assigner.reference"); by != "" {
			return system + "|" + by
		}
		return system + "|" + custodian
	}
	for _, c := range first(id.All("type.coding")) {
		switch c.Str("code") {
		case "PPN":
			return match.Passport
		case "NNCHN":
			return match.ResidentID
		case "NI", "SS":
			if len(value) == 18 {
				return match.ResidentID
			}
			return match.NationalID
		}
	}
	if system == "" {
		return "|" + custodian
	}
	return system
}

func verified(id *fhir.Node) bool {
	for _, e := range first(id.All("extension")) {
		if e.Str("url") == verifiedURL {
			return e.Str("valueBoolean") == "true" || e.Str("valueDateTime") != ""
		}
	}
	return false
}

// given are the given names: Chinese ones are written without blanks.
func given(name *fhir.Node) string {
	blank := ""
	for _, g := range name.All("given") {
		for _, r := range g.Text {
			if r < 0x2E80 {
				blank = " "
			}
		}
	}
	return joined(name.All("given"), blank)
}

func joined(list []*fhir.Node, by string) string {
	var parts []string
	for _, item := range first(list) {
		if item.Text != "" {
			parts = append(parts, item.Text)
		}
	}
	return strings.Join(parts, by)
}

// replacedBy is the record that a hospital names as the one to use instead; "" = none.
func replacedBy(n *fhir.Node) string {
	for _, l := range first(n.All("link")) {
		if ref := l.Str("other.reference"); l.Str("type") == "replaced-by" && strings.HasPrefix(ref, "Patient/") && strings.Count(ref, "/") == 1 {
			return ref
		}
	}
	return ""
}
