package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/store"
)

type teamMemberOut struct {
	Person Ref  `json:"person"`
	Head   bool `json:"head"`
	spanOut
	InForce bool `json:"inForce"`
}

type teamOut struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Org     Ref    `json:"org"`
	Active  bool   `json:"active"`
	Version int64  `json:"version"`
	spanOut
	Members []teamMemberOut `json:"members"`
	May     bool            `json:"may"` // the caller may change it
}

// mayTeam says who forms and changes the teams of a department: its heads, and the administrators, medical affairs and
// leaders above it.
func (a *Registry) mayTeam(ctx context.Context, tx *store.Tx, c *access.Caller, org string) (bool, error) {
	if manages(c) && (c.Org == "" || a.Tree.Within(org, c.Institution)) {
		return true, nil
	}
	if c.Practitioner == "" || !access.SeesPatients(c.Role) {
		return false, nil
	}
	return a.Room.MayApprove(ctx, tx, "team", c.Practitioner, org, tx.Now())
}

var notYourTeam = fhir.Refuse(403, "forbidden", "not-your-team", "only the heads of the department and those who administer it may do this", "只有本科室负责人、医务部门或管理员可以进行此操作")

// teams lists the standing teams at an organisation or beneath it, the ended ones too.
func (a *Registry) teams(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	org := r.URL.Query().Get("org")
	if org == "" {
		org = c.Institution
	}
	if !manages(c) && !access.SeesPatients(c.Role) || c.Org != "" && !a.Tree.Within(org, c.Institution) {
		refused(w, r, outsideYours)
		return
	}
	out := []teamOut{}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		out = out[:0]
		ask, err := search.Parse("CareTeam", []search.Param{{Name: "subject:missing", Value: "true"}}, search.Options{Zone: a.Zone})
		if err != nil {
			return err
		}
		ask.Query.Scope, ask.Query.Count = search.Scope{Own: a.below(org)}, 500 // teams about nobody, kept here
		page, err := tx.Search(r.Context(), ask.Query)
		if err != nil {
			return err
		}
		var teams []registry.Team
		var people []string
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			t := a.Room.TeamOf(n)
			t.Version = v.VID
			if t.Org == "" || org != "" && !a.Tree.Within(t.Org, org) {
				continue
			}
			teams = append(teams, t)
			for _, m := range t.Members {
				people = append(people, m.Person)
			}
		}
		names, _, err := a.names(r.Context(), tx, c.Scope, people)
		if err != nil {
			return err
		}
		may := map[string]bool{}
		for _, t := range teams {
			if _, asked := may[t.Org]; !asked {
				if may[t.Org], err = a.mayTeam(r.Context(), tx, c, t.Org); err != nil {
					return err
				}
			}
			out = append(out, a.teamOut(t, names, may[t.Org], tx.Now()))
		}
		slices.SortStableFunc(out, func(x, y teamOut) int {
			if x.Active != y.Active {
				return map[bool]int{true: -1, false: 1}[x.Active]
			}
			return strings.Compare(x.Org.Reference+x.Name, y.Org.Reference+y.Name)
		})
		return nil
	})
	if err == nil {
		e := audit.Of(r.Context(), "R", "registry-teams", org)
		e.Count = len(out)
		err = a.Audit.Read(r.Context(), e)
	}
	if !refused(w, r, err) {
		Answer(w, 200, map[string]any{"teams": out})
	}
}

func (a *Registry) teamOut(t registry.Team, names map[string]string, may bool, now time.Time) teamOut {
	o := teamOut{ID: t.ID, Name: t.Name, Org: Ref{t.Org, a.Tree.Name(t.Org)}, Active: t.Active, Version: t.Version, spanOut: spanOut{when(t.From), when(t.Until)}, Members: []teamMemberOut{}, May: may}
	for _, m := range t.Members {
		o.Members = append(o.Members, teamMemberOut{Ref{m.Person, names[m.Person]}, m.Head, spanOut{when(m.From), when(m.Until)}, m.Span.At(now) && t.Active})
	}
	return o
}

type teamIn struct {
	Name    string   `json:"name"`
	Org     orgIn    `json:"org"`
	Head    string   `json:"head"`
	Members []string `json:"members"`
	End     bool     `json:"end"`
	Version int64    `json:"version"`
}

// formTeam makes a standing team; its leader answers for its patients.
func (a *Registry) formTeam(w http.ResponseWriter, r *http.Request) {
	a.writeTeam(w, r, "")
}

// changeTeam renames, changes members, or dissolves; who leaves leaves today, the past stays.
func (a *Registry) changeTeam(w http.ResponseWriter, r *http.Request) {
	a.writeTeam(w, r, r.PathValue("id"))
}

func (a *Registry) writeTeam(w http.ResponseWriter, r *http.Request, id string) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var in teamIn
	if refused(w, r, Body(w, r, 64<<10, &in)) {
		return
	}
	var out teamOut
	ctx := r.Context()
	err := a.Store.Update(ctx, func(tx *store.Tx) error {
		n, put := fhir.New("CareTeam", "status", "active"), store.Put{Op: store.Create, Type: "CareTeam", ID: id, Custodian: string(in.Org)}
		if id != "" {
			v, err := tx.Read(ctx, search.Scope{Own: a.below(c.Institution)}, "CareTeam", id)
			if err != nil {
				return err
			}
			if n, err = fhir.Parse(v.JSON); err != nil {
				return err
			}
			if n.Get("subject") != nil {
				return store.ErrNotFound
			}
			put.Op, put.IfMatch = store.Update, in.Version
			in.Org = orgIn(n.Str("managingOrganization[0].reference"))
			if n.Str("status") != "active" {
				return fhir.Refuse(422, "business-rule", "team-ended", "this team has ended; form a new one", "该医疗组已解散，请新建")
			}
		}
		may, err := a.mayTeam(ctx, tx, c, string(in.Org))
		if err != nil {
			return err
		}
		if _, known := a.Tree.Place(string(in.Org)); !known || !may {
			return notYourTeam
		}
		names, err := a.shape(ctx, tx, n, in, id == "")
		if err != nil {
			return err
		}
		if put.Resource, err = a.Store.Prepare(n); err != nil {
			return err
		}
		v, err := tx.Put(ctx, put)
		if err != nil {
			return err
		}
		t := a.Room.TeamOf(n)
		t.ID, t.Version = v.ID, v.VID
		out = a.teamOut(t, names, true, tx.Now())
		e := audit.Of(ctx, map[bool]string{true: "C", false: "U"}[id == ""], "registry-team", "CareTeam/"+v.ID)
		return a.Audit.Write(ctx, tx, e)
	})
	if !refused(w, r, err) {
		Answer(w, map[bool]int{true: 201, false: 200}[id == ""], out)
	}
}

// below lists an organisation and what is beneath it; "" = the whole tree.
func (a *Registry) below(org string) []string {
	if org != "" {
		return a.Tree.Below(org)
	}
	var refs []string
	for _, p := range a.Tree.All("") {
		refs = append(refs, p.Ref)
	}
	return refs
}

// shape writes what is asked for into the CareTeam.
func (a *Registry) shape(ctx context.Context, tx *store.Tx, n *fhir.Node, in teamIn, fresh bool) (map[string]string, error) {
	now := tx.Now()
	if name := strings.TrimSpace(in.Name); name != "" {
		n.Set("name", name)
	}
	if n.Str("name") == "" || fresh && in.Head == "" {
		return nil, fhir.Refuse(422, "required", "team-needs-head", "a team needs a name and a leader", "请填写医疗组名称和组长")
	}
	if fresh {
		n.Set("period", fhir.Obj{"start", registry.Stamp(now, a.Zone)})
		n.Set("managingOrganization", fhir.Arr{fhir.Ref(string(in.Org), a.Tree.Name(string(in.Org)))})
	}
	var people []string
	if in.Head != "" {
		wanted := []registry.TeamMember{{Person: in.Head, Head: true}}
		for _, m := range in.Members {
			if m != in.Head {
				wanted = append(wanted, registry.TeamMember{Person: m})
			}
		}
		if len(wanted) > 100 {
			return nil, fhir.Refuse(422, "too-long", "team-too-large", "a team has at most 100 members", "医疗组最多 100 人")
		}
		for _, m := range wanted {
			people = append(people, m.Person)
		}
		names, _, err := a.names(ctx, tx, search.Everything, people)
		if err != nil {
			return nil, err
		}
		for _, m := range wanted {
			posts, err := a.Room.PostsOf(ctx, tx, m.Person)
			if err != nil {
				return nil, err
			}
			here := slices.ContainsFunc(posts, func(h registry.Held) bool {
				return h.Span.At(now) && a.Tree.Institution(h.Org) == a.Tree.Institution(string(in.Org))
			})
			if _, known := names[m.Person]; !known || !here {
				return nil, fhir.Refuse(422, "business-rule", "not-of-this-institution", "every member holds a role at this institution now", "组员须在本机构任职")
			}
		}
		a.Room.WithMembers(n, wanted, names, now)
	}
	if in.End {
		n.Set("status", "inactive").Set("period.end", registry.Stamp(now, a.Zone))
		a.Room.WithMembers(n, nil, nil, now)
	}
	for _, m := range a.Room.TeamOf(n).Members {
		people = append(people, m.Person)
	}
	names, _, err := a.names(ctx, tx, search.Everything, people)
	return names, err
}

// teamPatients lists the patients of a team, as far as the caller may see them.
func (a *Registry) teamPatients(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	type assignedOut struct {
		ID      string `json:"id"`
		Patient Ref    `json:"patient"`
		spanOut
		Active bool `json:"active"`
	}
	out, patients := []assignedOut{}, []string{}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		out, patients = out[:0], patients[:0]
		ask, err := search.Parse("CareTeam", []search.Param{{Name: "participant", Value: "CareTeam/" + r.PathValue("id")}, {Name: "subject:missing", Value: "false"}, {Name: "_sort", Value: "-_lastUpdated"}}, search.Options{Zone: a.Zone})
		if err != nil {
			return err
		}
		ask.Query.Scope, ask.Query.Count = c.Scope, 500
		page, err := tx.Search(r.Context(), ask.Query)
		if err != nil {
			return err
		}
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			t := a.Room.TeamOf(n)
			patient := n.Str("subject.reference")
			p, err := tx.Read(r.Context(), c.Scope, "Patient", strings.TrimPrefix(patient, "Patient/"))
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
				continue
			}
			if err != nil {
				return err
			}
			who, err := fhir.Parse(p.JSON)
			if err != nil {
				return err
			}
			patients = append(patients, patient)
			out = append(out, assignedOut{v.ID, Ref{patient, nameOfPerson(who)}, spanOut{when(t.From), when(t.Until)}, t.Active && t.Span.At(tx.Now())})
		}
		return nil
	})
	if err == nil {
		e := audit.Of(r.Context(), "R", "registry-team-patients", "CareTeam/"+r.PathValue("id"))
		e.Patients, e.Count = patients, len(out)
		err = a.Audit.Read(r.Context(), e)
	}
	if !refused(w, r, err) {
		Answer(w, 200, map[string]any{"patients": out})
	}
}

// assign gives a patient whom the caller sees to a team; at one institution a patient has one team at a time.
func (a *Registry) assign(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var in struct {
		Patient string `json:"patient"`
	}
	if refused(w, r, Body(w, r, 4<<10, &in)) {
		return
	}
	ctx := r.Context()
	var id string
	err := a.Store.Update(ctx, func(tx *store.Tx) error {
		n, org, err := a.standing(ctx, tx, c, r.PathValue("id"))
		if err != nil {
			return err
		}
		patient, ok := strings.CutPrefix(in.Patient, "Patient/")
		if _, err := tx.Read(ctx, c.Scope, "Patient", patient); !ok || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			return fhir.Refuse(422, "not-found", "unknown-patient", "the patient does not exist or is not visible to you", "找不到该患者，或您无权查看")
		} else if err != nil {
			return err
		}
		of := fhir.New("CareTeam", "status", "active", "name", n.Str("name"), "subject", fhir.Ref(in.Patient, ""), "period", fhir.Obj{"start", registry.Stamp(tx.Now(), a.Zone)},
			"participant", fhir.Arr{fhir.Obj{"member", fhir.Ref("CareTeam/"+n.ID(), n.Str("name"))}}, "managingOrganization", fhir.Arr{n.Get("managingOrganization[0]").Copy()})
		ready, err := a.Store.Prepare(of)
		if err != nil {
			return err
		}
		v, err := tx.Put(ctx, store.Put{Op: store.Create, Type: "CareTeam", Resource: ready, Custodian: org})
		if err != nil {
			return err
		}
		id = v.ID
		var held *store.Claimed
		if err := tx.Claim(ctx, "team-patient", in.Patient+"@"+a.Tree.Institution(org), "CareTeam/"+v.ID); errors.As(err, &held) {
			return fhir.Refuse(409, "duplicate", "has-a-team", "the patient has a team here already", "该患者已由其他医疗组负责，请先转出")
		} else if err != nil {
			return err
		}
		e := audit.Of(ctx, "C", "registry-team-assign", "CareTeam/"+v.ID)
		e.Patients = []string{in.Patient}
		return a.Audit.Write(ctx, tx, e)
	})
	if !refused(w, r, err) {
		Answer(w, 201, map[string]any{"id": id})
	}
}

// standing finds an active team that the caller may work with: its members and those who may change it.
func (a *Registry) standing(ctx context.Context, tx *store.Tx, c *access.Caller, id string) (*fhir.Node, string, error) {
	v, err := tx.Read(ctx, search.Scope{Own: a.below(c.Institution)}, "CareTeam", id)
	if err != nil {
		return nil, "", err
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, "", err
	}
	t := a.Room.TeamOf(n)
	if n.Get("subject") != nil {
		return nil, "", store.ErrNotFound
	}
	if !t.Active || !t.Span.At(tx.Now()) {
		return nil, "", fhir.Refuse(422, "business-rule", "team-ended", "this team has ended", "该医疗组已解散")
	}
	member := slices.ContainsFunc(t.Members, func(m registry.TeamMember) bool { return m.Person == c.Practitioner && m.Span.At(tx.Now()) })
	may, err := a.mayTeam(ctx, tx, c, t.Org)
	if err == nil && !may && !member {
		err = notYourTeam
	}
	return n, t.Org, err
}

// release ends the assignment of a patient to a team.
func (a *Registry) release(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var in struct {
		ID string `json:"id"` // of the assignment
	}
	if refused(w, r, Body(w, r, 4<<10, &in)) {
		return
	}
	ctx := r.Context()
	err := a.Store.Update(ctx, func(tx *store.Tx) error {
		if _, _, err := a.standing(ctx, tx, c, r.PathValue("id")); err != nil {
			return err
		}
		v, err := tx.Read(ctx, c.Scope, "CareTeam", in.ID)
		if err != nil {
			return err
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return err
		}
		if n.Str("participant[0].member.reference") != "CareTeam/"+r.PathValue("id") || n.Get("subject") == nil {
			return store.ErrNotFound
		}
		n.Set("status", "inactive").Set("period.end", registry.Stamp(tx.Now(), a.Zone))
		ready, err := a.Store.Prepare(n)
		if err != nil {
			return err
		}
		if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "CareTeam", ID: in.ID, Resource: ready, IfMatch: v.VID}); err != nil {
			return err
		}
		if err := tx.ReleaseHolder(ctx, "CareTeam/"+in.ID); err != nil {
			return err
		}
		e := audit.Of(ctx, "U", "registry-team-release", "CareTeam/"+in.ID)
		e.Patients = []string{n.Str("subject.reference")}
		return a.Audit.Write(ctx, tx, e)
	})
	if !refused(w, r, err) {
		Answer(w, 204, nil)
	}
}
