package agreement

import (
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Code systems and extensions of agreements.
const (
	KindSystem      = spec.Canonical + "/CodeSystem/agreement"         // Contract.type, OrganizationAffiliation.code
	ServiceSystem   = spec.Canonical + "/CodeSystem/agreement-service" // Contract.term.type, OrganizationAffiliation.code
	StateSystem     = spec.Canonical + "/CodeSystem/agreement-state"   // Contract.legalState
	RoleSystem      = spec.Canonical + "/CodeSystem/agreement-role"    // lead, member or party
	SpecialtySystem = spec.Canonical + "/CodeSystem/department"        // Contract.term.asset.type
	sharingURL      = spec.Canonical + "/StructureDefinition/agreement-sharing"
)

// States of an agreement. In force is what both have signed, from its first to its last day.
const (
	Draft      = "draft"
	Proposed   = "proposed"
	HalfAsker  = "signed-by-requester"
	HalfOther  = "signed-by-owner"
	Signed     = "signed"
	Active     = "active"
	Suspended  = "suspended"
	Ended      = "ended"
	Terminated = "terminated"
	Declined   = "declined"
	Withdrawn  = "withdrawn"
)

// statuses are FHIR's words for our states.
var statuses = map[string]string{Draft: "negotiable", Proposed: "offered", HalfAsker: "offered", HalfOther: "offered", Signed: "executed", Active: "executed",
	Suspended: "executable", Ended: "terminated", Terminated: "terminated", Declined: "rejected", Withdrawn: "cancelled"}

// How much of a record one party shows the other.
const (
	Packet  = "packet"  // what goes along with a case
	Results = "results" // results, too: recognition
	Whole   = "whole"   // the whole record of the patients of a case
)

// Terms are what a Contract of ours says.
type Terms struct {
	ID, State, Kind, Title, Text string
	Requester, Owner             string // the parties, "Organization/…": who proposed, who was asked
	Lead                         string // the party that the other one turns to; "" = equals
	Services, Specialties        []string
	Sharing                      string
	From, Until                  time.Time // [From, Until); zero Until = open
}

// Member is the party that is not the lead; the owner among equals.
func (t Terms) Member() string {
	if t.Lead == t.Owner {
		return t.Requester
	}
	return t.Owner
}

// InForce says whether both have signed and the day is within the term.
func (t Terms) InForce(now time.Time) bool {
	return (t.State == Signed || t.State == Active) && !now.Before(t.From) && (t.Until.IsZero() || now.Before(t.Until))
}

// Of reads a Contract; false when it is none of ours.
func Of(n *fhir.Node, zone *time.Location) (Terms, bool) {
	if n == nil || n.Type() != "Contract" {
		return Terms{}, false
	}
	t := Terms{ID: n.ID(), Kind: codeAt(n, "type", KindSystem), State: codeAt(n, "legalState", StateSystem), Title: n.Str("title"), Sharing: Packet,
		Requester: n.Str("subject[0].reference"), Owner: n.Str("subject[1].reference")}
	if t.State == "" {
		return Terms{}, false
	}
	for _, x := range n.All("extension") {
		if x.Str("url") == sharingURL {
			t.Sharing = x.Str("valueCode")
		}
	}
	for i, term := range n.All("term") {
		t.Services = append(t.Services, codeAt(term, "type", ServiceSystem))
		if i > 0 {
			continue
		}
		t.Text = term.Str("offer.text")
		for _, p := range term.All("offer.party") {
			if codeAt(p, "role", RoleSystem) == "lead" {
				t.Lead = p.Str("reference[0].reference")
			}
		}
		for _, c := range term.All("asset[0].type") {
			t.Specialties = append(t.Specialties, c.Str("coding[0].code"))
		}
	}
	t.From = dayAt(n.Str("applies.start"), zone)
	if end := dayAt(n.Str("applies.end"), zone); !end.IsZero() {
		t.Until = end.AddDate(0, 0, 1) // the last day counts
	}
	return t, true
}

// Write puts the terms into a Contract; name says what an organisation is called.
func (t Terms) Write(n *fhir.Node, zone *time.Location, name func(ref string) string) {
	side := func(ref string) fhir.Obj { return fhir.Ref(ref, name(ref)) }
	kind, _ := Kind(t.Kind)
	n.Set("extension", fhir.Arr{fhir.Obj{"url", sharingURL, "valueCode", t.Sharing}})
	n.Set("identifier", fhir.Arr{fhir.Identifier(spec.Canonical+"/sid/agreement", n.ID())})
	n.Set("type", fhir.Concept(KindSystem, t.Kind, kind.Zh))
	n.Set("title", t.Title)
	n.Set("subject", fhir.Arr{side(t.Requester), side(t.Owner)})
	period := fhir.Obj{"start", t.From.In(zone).Format(time.DateOnly)}
	if !t.Until.IsZero() {
		period = append(period, "end", t.Until.In(zone).AddDate(0, 0, -1).Format(time.DateOnly))
	}
	n.Set("applies", period)
	parties := fhir.Arr{}
	for _, p := range []string{t.Requester, t.Owner} {
		role, zh := "party", "协议方"
		switch {
		case t.Lead == p:
			role, zh = "lead", "牵头方"
		case t.Lead != "":
			role, zh = "member", "成员方"
		}
		parties = append(parties, fhir.Obj{"reference", fhir.Arr{side(p)}, "role", fhir.Concept(RoleSystem, role, zh)})
	}
	terms := fhir.Arr{}
	for _, code := range t.Services {
		s, _ := ServiceOf(code)
		offer := fhir.Obj{"party", parties}
		if t.Text != "" {
			offer = append(offer, "text", t.Text)
		}
		term := fhir.Obj{"type", fhir.Concept(ServiceSystem, code, s.Zh), "offer", offer}
		if len(t.Specialties) > 0 {
			types := fhir.Arr{}
			for _, x := range t.Specialties {
				types = append(types, fhir.Concept(SpecialtySystem, x, Specialty(x).Zh))
			}
			term = append(term, "asset", fhir.Arr{fhir.Obj{"type", types}})
		}
		terms = append(terms, term)
	}
	if len(terms) == 0 {
		n.Set("term", nil)
	} else {
		n.Set("term", terms)
	}
	t.SetState(n)
}

// SetState writes the state alone.
func (t Terms) SetState(n *fhir.Node) {
	n.Set("status", statuses[t.State])
	n.Set("legalState", fhir.Concept(StateSystem, t.State, stateZh[t.State]))
}

var stateZh = map[string]string{Draft: "草稿", Proposed: "待签署", HalfAsker: "发起方已签", HalfOther: "受邀方已签", Signed: "已签署", Active: "生效中",
	Suspended: "已暂停", Ended: "已到期", Terminated: "已终止", Declined: "未同意", Withdrawn: "已撤回"}

// Affiliation is the open fact of an agreement for directories: who with whom, for what, from when to when.
func (t Terms) Affiliation(n *fhir.Node, zone *time.Location, name func(ref string) string) {
	lead, other := t.Lead, t.Member()
	if lead == "" {
		lead = t.Requester
	}
	kind, _ := Kind(t.Kind)
	codes := fhir.Arr{fhir.Concept(KindSystem, t.Kind, kind.Zh)}
	for _, code := range t.Services {
		s, _ := ServiceOf(code)
		codes = append(codes, fhir.Concept(ServiceSystem, code, s.Zh))
	}
	period := fhir.Obj{"start", t.From.In(zone).Format(time.DateOnly)}
	if !t.Until.IsZero() {
		period = append(period, "end", t.Until.In(zone).AddDate(0, 0, -1).Format(time.DateOnly))
	}
	n.Set("active", t.State == Signed || t.State == Active).Set("period", period).Set("organization", fhir.Ref(lead, name(lead))).
		Set("participatingOrganization", fhir.Ref(other, name(other))).Set("code", codes)
	if len(t.Specialties) > 0 {
		specialty := fhir.Arr{}
		for _, x := range t.Specialties {
			specialty = append(specialty, fhir.Concept(SpecialtySystem, x, Specialty(x).Zh))
		}
		n.Set("specialty", specialty)
	}
}

func codeAt(n *fhir.Node, path, system string) string {
	for _, c := range n.All(path + ".coding") {
		if c.Str("system") == system {
			return c.Str("code")
		}
	}
	return ""
}

func dayAt(text string, zone *time.Location) time.Time {
	if len(text) > 10 {
		text = text[:10]
	}
	at, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return time.Time{}
	}
	return at
}

// covers says whether a service is among the terms.
func (t Terms) covers(service string) bool { return slices.Contains(t.Services, service) }
