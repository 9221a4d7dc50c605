package registry

import (
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// TeamRole codes who somebody is in a medical team: team-head or member.
const TeamRole = spec.Canonical + "/CodeSystem/team-role"

// Team is a standing medical team (医疗组) under a leader: a CareTeam about nobody.
type Team struct {
	ID      string
	Name    string
	Org     string // "Organization/…"
	Active  bool
	Version int64
	Span
	Members []TeamMember
}

// TeamMember is somebody in a team, from when until when.
type TeamMember struct {
	Person string
	Head   bool
	Span
}

// TeamOf reads a CareTeam.
func (r *Room) TeamOf(n *fhir.Node) Team {
	t := Team{ID: n.ID(), Name: n.Str("name"), Org: n.Str("managingOrganization[0].reference"), Active: n.Str("status") == "active"}
	t.From, t.Until = r.span(n.Get("period"))
	for _, p := range n.All("participant") {
		m := TeamMember{Person: p.Str("member.reference")}
		for _, role := range p.All("role") {
			for _, c := range role.All("coding") {
				m.Head = m.Head || c.Str("system") == TeamRole && c.Str("code") == "team-head"
			}
		}
		m.From, m.Until = r.span(p.Get("period"))
		if strings.HasPrefix(m.Person, "Practitioner/") {
			t.Members = append(t.Members, m)
		}
	}
	return t
}

// Participant is a member as a CareTeam says it.
func Participant(person, name string, head bool, from time.Time, zone *time.Location) fhir.Obj {
	role := fhir.Concept(TeamRole, "member", "组员")
	if head {
		role = fhir.Concept(TeamRole, "team-head", "医疗组长")
	}
	return fhir.Obj{"role", fhir.Arr{role}, "member", fhir.Ref(person, name), "period", fhir.Obj{"start", Stamp(from, zone)}}
}

// Stamp is a moment as FHIR writes it.
func Stamp(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = shanghai
	}
	return t.In(zone).Format("2006-01-02T15:04:05-07:00")
}

// WithMembers makes the members of a team what is wanted now: who stays keeps his beginning, who is no more wanted, or
// becomes something else, ends now; nothing of the past is lost.
func (r *Room) WithMembers(n *fhir.Node, wanted []TeamMember, names map[string]string, now time.Time) {
	stays := map[string]bool{}
	for _, p := range n.All("participant") {
		m := r.TeamOf(fhir.New("CareTeam", "participant", fhir.Arr{p.Copy()})).Members
		if len(m) == 0 || !m[0].Until.IsZero() {
			continue
		}
		if slices.ContainsFunc(wanted, func(w TeamMember) bool { return w.Person == m[0].Person && w.Head == m[0].Head }) {
			stays[m[0].Person] = true
		} else {
			p.Set("period.end", Stamp(now, r.Zone))
		}
	}
	for _, w := range wanted {
		if !stays[w.Person] {
			n.Add("participant", Participant(w.Person, names[w.Person], w.Head, now, r.Zone))
			stays[w.Person] = true
		}
	}
}
