package access

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// most is how many relations one resource may tell of.
const most = 200

// relations read what a resource tells, by type.
var relations = map[string]func(*fhir.Node, store.Written) []bond{
	"Encounter": encounter, "EpisodeOfCare": episode, "Appointment": appointment, "ServiceRequest": consultation,
	"RelatedPerson": guardian, "CareTeam": team,
}

// until is when the grace after an end is over.
func until(end string, w store.Written, of string) time.Time {
	t := instantOf(end)
	if t.IsZero() {
		t = w.Updated
	}
	return t.Add(grace(of))
}

// instantOf reads a FHIR date or dateTime; a day ends at its end.
func instantOf(s string) time.Time {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(form, s); err == nil {
			return t
		}
	}
	for _, form := range []struct {
		layout              string
		years, months, days int
	}{{"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		if t, err := time.ParseInLocation(form.layout, s, zone); err == nil {
			return t.AddDate(form.years, form.months, form.days)
		}
	}
	return time.Time{}
}

var zone = func() *time.Location {
	if z, err := time.LoadLocation("Asia/Shanghai"); err == nil {
		return z
	}
	return time.FixedZone("CST", 8*3600)
}()

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// bonds collects what a resource tells, each once.
type bonds struct {
	patient, basis string
	list           []bond
}

func (b *bonds) add(to string, until time.Time) {
	if to == "" || len(b.list) >= most || !strings.HasPrefix(b.patient, "Patient/") {
		return
	}
	next := bond{patient: b.patient, to: to, basis: b.basis, until: until}
	if !slices.ContainsFunc(b.list, func(o bond) bool { return o.to == to && o.until.Equal(until) }) {
		b.list = append(b.list, next)
	}
}

// encounter: the department that provides it, the wards where the patient lies, and who is named in it; while it
// lasts, and some time after.
func encounter(n *fhir.Node, w store.Written) []bond {
	b := &bonds{patient: n.Str("subject.reference"), basis: "treating"}
	var end time.Time
	switch n.Str("status") {
	case "planned", "arrived", "triaged", "in-progress", "onleave":
	case "finished":
		end = until(n.Str("period.end"), w, "encounter")
	default:
		return nil
	}
	provider := n.Str("serviceProvider.reference")
	if provider == "" {
		provider = w.Custodian
	}
	b.add(provider, end)
	for _, l := range n.All("location") {
		over := instantOf(l.Str("period.end"))
		if s := l.Str("status"); over.IsZero() && s == "completed" {
			over = w.Updated
		}
		if !end.IsZero() && over.Equal(instantOf(n.Str("period.end"))) { // the ward from which he left
			over = end
		}
		b.add(l.Str("location.reference"), sooner(end, over))
	}
	for _, p := range n.All("participant") {
		b.add(p.Str("individual.reference"), sooner(end, instantOf(p.Str("period.end"))))
	}
	return b.list
}

// episode: the organisation and the teams that manage it.
func episode(n *fhir.Node, w store.Written) []bond {
	b := &bonds{patient: n.Str("patient.reference"), basis: "treating"}
	var end time.Time
	switch n.Str("status") {
	case "planned", "waitlist", "active", "onhold":
	case "finished":
		end = until(n.Str("period.end"), w, "encounter")
	default:
		return nil
	}
	b.add(n.Str("managingOrganization.reference"), end)
	b.add(n.Str("careManager.reference"), end)
	for _, t := range n.All("team") {
		b.add(t.Str("reference"), end)
	}
	return b.list
}

// team: the participants of a team about one patient, each in his time.
func team(n *fhir.Node, w store.Written) []bond {
	b := &bonds{patient: n.Str("subject.reference"), basis: "team"}
	if s := n.Str("status"); s != "active" && s != "proposed" {
		return nil
	}
	end := instantOf(n.Str("period.end"))
	for _, p := range n.All("participant") {
		over := sooner(end, instantOf(p.Str("period.end")))
		b.add(p.Str("member.reference"), over)
		b.add(p.Str("onBehalfOf.reference"), over)
	}
	b.add(n.Str("managingOrganization[0].reference"), end)
	return b.list
}

// appointment: who is to see the patient, from the booking until some time after.
func appointment(n *fhir.Node, w store.Written) []bond {
	switch n.Str("status") {
	case "booked", "pending", "arrived", "checked-in", "fulfilled":
	default:
		return nil
	}
	end := until(n.Str("end"), w, "appointment")
	var all []bond
	for _, who := range n.All("participant") {
		b := &bonds{patient: who.Str("actor.reference"), basis: "appointment"}
		for _, p := range n.All("participant") {
			b.add(p.Str("actor.reference"), end)
		}
		if len(all) < most {
			all = append(all, b.list...)
		}
	}
	return all
}

// consultation: who is asked within the legal person; a request to another hospital goes by a Task.
func consultation(n *fhir.Node, w store.Written) []bond {
	b := &bonds{patient: n.Str("subject.reference"), basis: "consultation"}
	if i := n.Str("intent"); i == "proposal" || i == "plan" || i == "option" {
		return nil
	}
	var end time.Time
	switch n.Str("status") {
	case "active", "on-hold":
	case "completed":
		end = until("", w, "encounter")
	default:
		return nil
	}
	for _, p := range n.All("performer") {
		b.add(p.Str("reference"), end)
	}
	return b.list
}

// guardian: of a child, until the child is of age; of an adult, as long as it is said.
func guardian(n *fhir.Node, w store.Written) []bond {
	b := &bonds{patient: n.Str("patient.reference"), basis: "guardian"}
	if n.Str("active") == "false" {
		return nil
	}
	is := false
	for _, r := range n.All("relationship") {
		for _, c := range r.All("coding") {
			is = is || slices.Contains(guardians, c.Str("code"))
		}
	}
	if is {
		b.add("RelatedPerson/"+w.ID, instantOf(n.Str("period.end")))
	}
	return b.list
}

// guardians are the relationships of v3-RoleCode that stand for a guardian.
var guardians = []string{"GUARD", "PRN", "FTH", "MTH", "NPRN", "STPPRN", "ADOPTP", "ADOPTF", "ADOPTM"}

// ofAge is when a guardian's sight of a child ends.
func ofAge(ctx context.Context, tx *store.Tx, b bond) (time.Time, error) {
	v, err := tx.Read(ctx, search.Everything, "Patient", strings.TrimPrefix(b.patient, "Patient/"))
	if err != nil {
		return b.until, missing(err)
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return b.until, err
	}
	born := beginOf(n.Str("birthDate"))
	if of := born.AddDate(data.Adult, 0, 0); !born.IsZero() && of.After(tx.Now()) {
		return sooner(b.until, of), nil
	}
	return b.until, nil
}

// members keeps who belongs to a standing team, one without a subject, from when until when.
func (r *Relations) members(ctx context.Context, tx *store.Tx, w store.Written) error {
	if !r.Tables {
		return nil
	}
	source := "CareTeam/" + w.ID
	standing := w.After != nil && w.After.Str("subject.reference") == "" && w.After.Str("status") != "entered-in-error" && w.After.Str("status") != "proposed"
	if w.Before != nil {
		if err := tx.Queue(ctx, "DELETE FROM access_member WHERE source = ?", source); err != nil {
			return err
		}
	}
	if !standing {
		return nil
	}
	end := instantOf(w.After.Str("period.end"))
	if s := w.After.Str("status"); s == "suspended" || s == "inactive" {
		end = sooner(end, w.Updated)
	}
	for i, p := range w.After.All("participant") {
		if i >= most {
			break
		}
		who, err := r.partyOf(ctx, tx, p.Str("member.reference"), w.Custodian)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(who, "Practitioner/") {
			continue
		}
		since, over := int64(0), open
		if t := beginOf(p.Str("period.start")); !t.IsZero() {
			since = t.UnixMicro()
		}
		if t := sooner(end, instantOf(p.Str("period.end"))); !t.IsZero() {
			over = t.UnixMicro()
		}
		err = tx.Queue(ctx, "INSERT INTO access_member (source, team, practitioner, since, until) VALUES (?, ?, ?, ?, ?) ON CONFLICT (practitioner, team, source, since) DO UPDATE SET until = excluded.until",
			source, source, who, since, over)
		if err != nil {
			return err
		}
	}
	return nil
}

// open is later than every end.
const open = int64(1) << 61

// beginOf reads a FHIR date or dateTime; a day begins at its beginning.
func beginOf(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t
		}
	}
	return time.Time{}
}

// TeamsOf lists the standing teams of which a practitioner is a member now, for Caller.Teams.
func TeamsOf(ctx context.Context, tx *store.Tx, practitioner string) (teams []string, err error) {
	if practitioner == "" {
		return nil, nil
	}
	return TeamsAt(ctx, tx, practitioner, tx.Now())
}

// TeamsAt is TeamsOf at another time.
func TeamsAt(ctx context.Context, tx *store.Tx, practitioner string, at time.Time) (teams []string, err error) {
	now := at.UnixMicro()
	err = tx.Query(ctx, "SELECT DISTINCT team FROM access_member WHERE practitioner = ? AND since <= ? AND until > ? ORDER BY team LIMIT 50", []any{practitioner, now, now}, func(scan func(...any) error) error {
		var team string
		err := scan(&team)
		teams = append(teams, team)
		return err
	})
	return teams, err
}
