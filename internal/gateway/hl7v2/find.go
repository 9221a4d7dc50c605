package hl7v2

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/er7"
	"github.com/xinglin-health/xinglin/internal/store"
)

var escape = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`)

// byIdentifier finds what the caller may see by a number.
func byIdentifier(ctx context.Context, tx *store.Tx, scope search.Scope, typ, system, value string) ([]store.Version, error) {
	token := escape.Replace(value)
	if system != "" {
		token = escape.Replace(system) + "|" + token
	}
	r, err := search.Parse(typ, []search.Param{{Name: "identifier", Value: token}}, search.Options{})
	if err != nil {
		return nil, fmt.Errorf("hl7v2: %s by identifier: %w", typ, err)
	}
	r.Query.Scope, r.Query.Count = scope, 20
	page, err := tx.Search(ctx, r.Query)
	if err != nil {
		return nil, fmt.Errorf("hl7v2: %s by identifier: %w", typ, err)
	}
	return page.Matches, nil
}

// numberOf is the patient's number at the sender: of its authority, else the first that says it is a record number.
func (p *Peer) numberOf(m *er7.Message) string {
	for _, v := range m.First("PID").Repeats(3) {
		switch kind := strings.ToUpper(v.Component(5)); {
		case v.Component(1) == "" || er7.Null(v.Component(1)):
		case p.Authority != "":
			if v.Component(4) == p.Authority || v.Sub(4, 2) == p.Authority {
				return v.Component(1)
			}
		case slices.Contains([]string{"", "MR", "MRN", "PI", "PT"}, kind):
			return v.Component(1)
		}
	}
	return ""
}

// patient finds the hospital's own record of the patient, or makes it.
func (g *Gateway) patient(ctx context.Context, tx *store.Tx, m *message) (string, error) {
	number := m.peer.numberOf(m.Message)
	if number == "" || len(number) > 200 {
		n := noPatient
		return "", &n
	}
	found, err := byIdentifier(ctx, tx, m.by.Scope, "Patient", m.peer.Patients, number)
	if err != nil {
		return "", err
	}
	for _, v := range found { // a record number is one only at its own hospital
		if g.legal(v.Custodian) == g.legal(m.peer.Organization) {
			return "Patient/" + v.ID, nil
		}
	}
	pid := m.First("PID")
	n := fhir.New("Patient", "id", m.newPatient, "active", true)
	ids := fhir.Arr{fhir.Identifier(m.peer.Patients, number)}
	if r := resident(pid); r != "" {
		ids = append(ids, fhir.Identifier(residentID, r))
	}
	n.Set("identifier", ids)
	if name := nameOf(pid.At(5)); name != nil {
		n.Set("name", fhir.Arr{name})
	}
	if phone := said(pid.At(13).Component(1), pid.At(13).Component(12)); phone != "" && len(phone) < 40 {
		n.Set("telecom", fhir.Arr{fhir.Telecom("phone", phone, "")})
	}
	switch strings.ToUpper(pid.At(8).Text()) {
	case "M":
		n.Set("gender", "male")
	case "F":
		n.Set("gender", "female")
	case "O", "A":
		n.Set("gender", "other")
	default:
		n.Set("gender", "unknown")
	}
	if born := er7.Date(pid.At(7).Text()); born != "" {
		n.Set("birthDate", born)
	}
	n.Set("managingOrganization", fhir.Ref(m.peer.Organization, ""))
	if err := g.put(ctx, tx, m, n, 0); err != nil {
		return "", err
	}
	return "Patient/" + n.ID(), nil
}

func said(texts ...string) string {
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" && !er7.Null(t) {
			return t
		}
	}
	return ""
}

// resident is the resident number, wherever it stands.
func resident(pid *er7.Segment) string {
	texts := []string{pid.At(19).Text()}
	for _, v := range pid.Repeats(3) {
		texts = append(texts, v.Component(1))
	}
	for _, t := range texts {
		if len(t) == 18 || len(t) == 15 {
			if _, ok := fhir.ParseResident(t); ok {
				return strings.ToUpper(t)
			}
		}
	}
	return ""
}

// nameOf reads a name: family and given, or all of it in the first component, as Chinese systems write it.
func nameOf(v er7.Value) fhir.Obj {
	family, given := said(v.Sub(1, 1)), said(v.Component(2))
	text := family
	switch {
	case family == "" && given == "":
		return nil
	case family == "":
		text = given
	case given != "" && strings.ContainsFunc(family+given, func(r rune) bool { return unicode.Is(unicode.Han, r) }):
		text = family + given
	case given != "":
		text = given + " " + family
	}
	name := fhir.Obj{"use", "official", "text", text}
	if given != "" && family != "" {
		name = append(name, "family", family, "given", fhir.Arr{given})
	}
	return name
}

// encounter finds the visit by its number, among those of the hospital.
func (g *Gateway) encounter(ctx context.Context, tx *store.Tx, m *message, number string) (*fhir.Node, int64, error) {
	found, err := byIdentifier(ctx, tx, m.by.Scope, "Encounter", m.peer.Visits, number)
	if err != nil {
		return nil, 0, err
	}
	for _, v := range found {
		if g.legal(v.Custodian) != g.legal(m.peer.Organization) {
			continue
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, 0, fmt.Errorf("hl7v2: Encounter/%s: %w", v.ID, err)
		}
		return n, v.VID, nil
	}
	return nil, 0, nil
}

// named is what the sender calls a bed, as its identifier is written here; "" when no bed is named.
func (p *Peer) named(v er7.Value) string {
	if said(v.Component(3)) == "" && said(v.Component(1)) == "" {
		return ""
	}
	part := func(n int) string { return said(v.Component(n)) }
	name := strings.NewReplacer("{ward}", part(1), "{room}", part(2), "{bed}", part(3), "{facility}", part(4), "{building}", part(7), "{floor}", part(8)).Replace(p.Bed)
	if len(name) > 200 {
		name = strings.ToValidUTF8(name[:200], "")
	}
	return name
}

// place is where PV1-3 says that the patient lies, nil when it says nothing.
func (g *Gateway) place(ctx context.Context, tx *store.Tx, m *message) (*where, error) {
	named := m.peer.named(m.First("PV1").At(3))
	if named == "" {
		return nil, nil
	}
	bed, err := g.bed(ctx, tx, m, named)
	if err != nil {
		return nil, err
	}
	if bed == nil {
		system := m.peer.Beds
		if system == "" {
			system = bedName
		}
		return &where{system: system, named: named}, nil
	}
	return &where{ref: "Location/" + bed.ID(), display: bed.Str("name")}, nil
}

// bed finds a bed of the sender's hospital by its identifier; nil when there is none, or more than one.
func (g *Gateway) bed(ctx context.Context, tx *store.Tx, m *message, named string) (*fhir.Node, error) {
	found, err := byIdentifier(ctx, tx, m.by.Scope, "Location", m.peer.Beds, named)
	if err != nil {
		return nil, err
	}
	var bed *fhir.Node
	for _, v := range found {
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, fmt.Errorf("hl7v2: Location/%s: %w", v.ID, err)
		}
		org := n.Str("managingOrganization.reference")
		if org == "" && g.Beds != nil {
			if org, err = g.Beds.WardOf(ctx, tx, "Location/"+v.ID); err != nil {
				return nil, err
			}
		}
		if org == "" {
			org = v.Custodian
		}
		isBed := slices.ContainsFunc(n.All("physicalType.coding"), func(c *fhir.Node) bool { return c.Str("code") == "bd" })
		if !isBed || n.Str("status") == "inactive" || g.legal(org) != g.legal(m.peer.Organization) {
			continue
		}
		if bed != nil {
			return nil, nil
		}
		bed = n
	}
	return bed, nil
}

// put writes a resource as its own hospital would over FHIR: validated, guarded, with the credential's scopes.
func (g *Gateway) put(ctx context.Context, tx *store.Tx, m *message, n *fhir.Node, vid int64) error {
	letter := byte('c')
	if vid > 0 {
		letter = 'u'
	}
	if err := m.by.May(letter, n.Type()); err != nil {
		return err
	}
	if wrong := slices.DeleteFunc(validate.Resource(n), func(i fhir.Issue) bool { return i.Severity != "error" && i.Severity != "fatal" }); len(wrong) > 0 {
		return &fhir.Error{Status: 422, Issues: wrong}
	}
	ready, err := store.Prepare(n)
	if err != nil {
		return err
	}
	p := store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, IfMatch: vid, Custodian: m.by.Org}
	if vid == 0 {
		p.IfMatch = -1
	}
	if _, err := tx.Put(ctx, p); err != nil {
		return err
	}
	m.done = append(m.done, n.Type()+"/"+n.ID())
	return nil
}
