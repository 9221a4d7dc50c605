package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/registry/intake"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Registry answers who is licensed for what, who heads what and headed it when, what ends soon, and who can do what;
// it takes spreadsheets and keeps medical teams. Single entries are written through FHIR.
type Registry struct {
	Store *store.Store
	Room  *registry.Room
	Tree  *access.Tree
	Audit audit.Log
	Zone  *time.Location
	// Write applies an import as the caller in ctx: all or nothing, each on the version that was looked at.
	Write    func(ctx context.Context, resources []*fhir.Node, known map[string]int64, what string) error
	Validate func(*fhir.Node) []fhir.Issue
}

func (a *Registry) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/registry/catalogue", a.catalogue)
	mux.HandleFunc("GET /api/registry/who", a.who)
	mux.HandleFunc("GET /api/registry/posts", a.posts)
	mux.HandleFunc("GET /api/registry/people", a.people)
	mux.HandleFunc("GET /api/registry/people/{id}", a.person)
	mux.HandleFunc("GET /api/registry/acts", a.acts)
	mux.HandleFunc("GET /api/registry/expiring", a.expiring)
	mux.HandleFunc("GET /api/registry/partners", a.partners)
	mux.HandleFunc("GET /api/registry/template", a.template)
	mux.HandleFunc("POST /api/registry/import", a.take)
	mux.HandleFunc("GET /api/registry/teams", a.teams)
	mux.HandleFunc("POST /api/registry/teams", a.formTeam)
	mux.HandleFunc("PATCH /api/registry/teams/{id}", a.changeTeam)
	mux.HandleFunc("GET /api/registry/teams/{id}/patients", a.teamPatients)
	mux.HandleFunc("POST /api/registry/teams/{id}/patients", a.assign)
	mux.HandleFunc("POST /api/registry/teams/{id}/release", a.release)
}

// refused answers an error and says whether there was one.
func refused(w http.ResponseWriter, r *http.Request, err error) bool {
	if err != nil {
		Refuse(w, r, err)
	}
	return err != nil
}

func (a *Registry) catalogue(w http.ResponseWriter, r *http.Request) {
	if Caller(w, r) == nil {
		return
	}
	type roleName struct {
		Code string `json:"code"`
		Zh   string `json:"zh"`
		En   string `json:"en"`
	}
	roles := []roleName{}
	for code, name := range access.RoleNames {
		if code != access.Program && code != access.Patient && code != access.Guardian {
			roles = append(roles, roleName{string(code), name.Zh, name.En})
		}
	}
	slices.SortFunc(roles, func(a, b roleName) int { return strings.Compare(a.Code, b.Code) })
	Answer(w, 200, struct {
		registry.Catalogue
		Roles  []roleName      `json:"roles"`
		Tables []registry.Term `json:"tables"`
	}{registry.Rules, roles, intake.Tables()})
}

type spanOut struct {
	From  *time.Time `json:"from,omitempty"`
	Until *time.Time `json:"until,omitempty"` // the moment after the last
}

type rightOut struct {
	Code string `json:"code"`
	Name Words  `json:"name"`
	spanOut
	InForce bool `json:"inForce"`
}

type heldOut struct {
	Role      string `json:"role"` // "PractitionerRole/…"
	Version   int64  `json:"version"`
	Code      string `json:"code"` // "post/…" or "role/…"
	Name      Words  `json:"name"`
	Person    Ref    `json:"person"`
	Org       Ref    `json:"org"`
	StandsFor string `json:"standsFor,omitempty"`
	spanOut
	Known   *time.Time `json:"known,omitempty"`
	Basis   *codeOut   `json:"basis,omitempty"`
	Rights  []rightOut `json:"rights"`
	Away    []spanOut  `json:"away,omitempty"`
	InForce bool       `json:"inForce"` // its period holds
	Acting  bool       `json:"acting"`  // and the holder is there: not away, on the rota
	Here    bool       `json:"here"`    // at the organisation asked about, or beneath it
}

type codeOut struct {
	Code string `json:"code"`
	Name Words  `json:"name"`
}

func termOf(list []registry.Term, code string) *codeOut {
	if code == "" {
		return nil
	}
	for _, t := range list {
		if t.Code == code {
			return &codeOut{code, Words{t.Zh, t.En}}
		}
	}
	return &codeOut{code, Words{code, code}}
}

func postName(code string) Words {
	if post, ok := strings.CutPrefix(code, "post/"); ok {
		p, _ := registry.Rules.Post(post)
		return Words{p.Zh, p.En}
	}
	role := strings.TrimPrefix(code, "role/")
	if n, ok := access.RoleNames[access.Role(role)]; ok {
		return Words{n.Zh, n.En}
	}
	return Words{role, role}
}

func (a *Registry) heldOut(h registry.Held, names map[string]string, at time.Time) heldOut {
	o := heldOut{Role: h.Role, Version: h.Version, Code: h.Code, Name: postName(h.Code), Person: Ref{h.Person, names[h.Person]}, Org: Ref{h.Org, a.Tree.Name(h.Org)},
		StandsFor: h.StandsFor, spanOut: spanOut{when(h.From), when(h.Until)}, Known: when(h.Known), Basis: termOf(registry.Rules.Bases, h.Basis), Rights: []rightOut{},
		InForce: h.Span.At(at), Acting: a.Room.There(&h, at)}
	for _, g := range h.Rights {
		t := termOf(registry.Rules.Rights, g.Code)
		o.Rights = append(o.Rights, rightOut{g.Code, t.Name, spanOut{when(g.From), when(g.Until)}, g.At(at)})
	}
	for _, s := range h.Away {
		o.Away = append(o.Away, spanOut{when(s.From), when(s.Until)})
	}
	return o
}

// names reads what people are called.
func (a *Registry) names(ctx context.Context, tx *store.Tx, scope search.Scope, people []string) (map[string]string, map[string]*fhir.Node, error) {
	names, nodes := map[string]string{}, map[string]*fhir.Node{}
	var ids []string
	for _, p := range people {
		if id, ok := strings.CutPrefix(p, "Practitioner/"); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for chunk := range slices.Chunk(ids, 400) {
		found, err := tx.ReadMany(ctx, scope, "Practitioner", chunk)
		if err != nil {
			return nil, nil, err
		}
		for id, v := range found {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return nil, nil, err
			}
			names["Practitioner/"+id], nodes["Practitioner/"+id] = nameOfPerson(n), n
		}
	}
	return names, nodes, nil
}

func nameOfPerson(n *fhir.Node) string {
	if s := n.Str("name[0].text"); s != "" {
		return s
	}
	return n.Str("name[0].family") + n.Str("name[0].given[0]")
}

// moment reads a time of a query: a day means nine in the morning there, "" now.
func (a *Registry) moment(r *http.Request, name string, now time.Time) (time.Time, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return now, nil
	}
	d, err := fhir.ParseDate(s, a.Zone)
	if err != nil {
		return now, fhir.Refuse(400, "value", "bad-date", name+" is no date", "日期格式不正确")
	}
	at := time.UnixMicro(d.Low)
	if d.Precision <= fhir.Day {
		at = at.Add(9 * time.Hour)
	}
	return at, nil
}

// who answers "who was 业务主任 of cardiology on 3 March?", as known now or, with known, as known then.
func (a *Registry) who(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	q := r.URL.Query()
	if _, ok := registry.Rules.Post(q.Get("post")); !ok && q.Get("post") != "" {
		refused(w, r, fhir.Refuse(422, "value", "unknown-post", "no such post", "没有这个职务"))
		return
	}
	out := []heldOut{}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		at, err := a.moment(r, "at", tx.Now())
		if err != nil {
			return err
		}
		known, err := a.moment(r, "known", time.Time{})
		if err != nil {
			return err
		}
		var list []registry.Held
		for _, p := range registry.Rules.Posts {
			if q.Get("post") == "" || q.Get("post") == p.Code {
				held, err := a.Room.WhoIs(r.Context(), tx, q.Get("org"), p.Code, at, known)
				if err != nil {
					return err
				}
				list = append(list, held...)
			}
		}
		out, err = a.heldList(r.Context(), tx, c.Scope, list, at)
		return err
	})
	if !refused(w, r, err) {
		Answer(w, 200, map[string]any{"held": out})
	}
}

func (a *Registry) heldList(ctx context.Context, tx *store.Tx, scope search.Scope, list []registry.Held, at time.Time) ([]heldOut, error) {
	var people []string
	for _, h := range list {
		people = append(people, h.Person)
	}
	names, _, err := a.names(ctx, tx, scope, people)
	if err != nil {
		return nil, err
	}
	out := []heldOut{}
	for _, h := range list {
		out = append(out, a.heldOut(h, names, at))
	}
	return out, nil
}

// posts lists every headship of an organisation, past and to come.
func (a *Registry) posts(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var out []heldOut
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		known, err := a.moment(r, "known", time.Time{})
		if err != nil {
			return err
		}
		list, err := a.Room.HistoryOf(r.Context(), tx, r.URL.Query().Get("org"), known)
		if err != nil {
			return err
		}
		out, err = a.heldList(r.Context(), tx, c.Scope, list, tx.Now())
		return err
	})
	if !refused(w, r, err) {
		Answer(w, 200, map[string]any{"held": out})
	}
}

type licenceOut struct {
	Kind   string `json:"kind"`
	Name   Words  `json:"name"`
	Number string `json:"number,omitempty"`
	Scope  string `json:"scope,omitempty"`
	Places []Ref  `json:"places"`
	spanOut
	Suspended bool `json:"suspended,omitempty"`
	InForce   bool `json:"inForce"`
}

type memberOut struct {
	Reference string       `json:"reference"`
	Name      string       `json:"name"`
	Sex       string       `json:"sex,omitempty"`
	Number    string       `json:"number,omitempty"` // staff number
	Active    bool         `json:"active"`
	Licences  []licenceOut `json:"licences"`
	Posts     []heldOut    `json:"posts"`
	Ends      *time.Time   `json:"ends,omitempty"` // the first licence or role in force to end within the week
	Version   string       `json:"version,omitempty"`
}

func (a *Registry) memberOut(m registry.Member, n *fhir.Node, names map[string]string, now time.Time) memberOut {
	o := memberOut{Reference: m.Person, Name: names[m.Person], Sex: n.Str("gender"), Active: n != nil && n.Str("active") != "false", Licences: []licenceOut{}, Posts: []heldOut{}, Version: n.Str("meta.versionId")}
	for _, id := range n.All("identifier") {
		if id.Str("system") == registry.StaffNumber {
			o.Number = id.Str("value")
		}
	}
	soon := func(s registry.Span) {
		if s.At(now) && !s.Until.IsZero() && !s.Until.After(now.Add(registry.Ahead)) && (o.Ends == nil || s.Until.Before(*o.Ends)) {
			o.Ends = when(s.Until)
		}
	}
	for _, l := range m.Licences {
		out := licenceOut{Kind: l.Kind, Name: termOf(registry.Rules.Kinds, l.Kind).Name, Number: l.Number, Scope: l.Scope, Places: []Ref{}, spanOut: spanOut{when(l.From), when(l.Until)},
			Suspended: l.Suspended, InForce: l.At(now) && !l.Suspended}
		for _, p := range l.Places {
			out.Places = append(out.Places, Ref{p, a.Tree.Name(p)})
		}
		o.Licences = append(o.Licences, out)
		soon(l.Span)
	}
	for _, h := range m.Posts {
		o.Posts = append(o.Posts, a.heldOut(h, names, now))
		soon(h.Span)
	}
	return o
}

// people lists who works at an organisation or beneath it. Registers are open to everybody who is logged in.
func (a *Registry) people(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	q := r.URL.Query()
	org := q.Get("org")
	if org == "" {
		org = c.Institution
	}
	orgs := a.below(org)
	if len(orgs) > 2000 {
		orgs = orgs[:2000]
	}
	const page = 200
	out, next := []memberOut{}, ""
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		out, next = out[:0], ""
		after, find := q.Get("cursor"), strings.TrimSpace(q.Get("q"))
		for len(orgs) > 0 { // a search by name looks through the pages, at most 20 of them
			list, err := a.Room.Staff(r.Context(), tx, orgs, after, page)
			if err != nil {
				return err
			}
			var people []string
			for _, m := range list {
				people = append(people, m.Person)
			}
			names, nodes, err := a.names(r.Context(), tx, c.Scope, people)
			if err != nil {
				return err
			}
			for _, m := range list {
				o := a.memberOut(m, nodes[m.Person], names, tx.Now())
				for i := range o.Posts {
					o.Posts[i].Here = org == "" || a.Tree.Within(o.Posts[i].Org.Reference, org)
				}
				if find == "" || strings.Contains(o.Name, find) || o.Number == find {
					out = append(out, o)
				}
			}
			if len(list) < page {
				return nil
			}
			after = list[len(list)-1].Person
			if next = after; find == "" || len(out) >= page {
				return nil
			}
		}
		return nil
	})
	if err == nil {
		e := audit.Of(r.Context(), "R", "registry-people", org)
		e.Count = len(out)
		err = a.Audit.Read(r.Context(), e)
	}
	if !refused(w, r, err) {
		Answer(w, 200, map[string]any{"people": out, "next": next})
	}
}

func (a *Registry) person(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	ref := "Practitioner/" + r.PathValue("id")
	var out memberOut
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		v, err := tx.Read(r.Context(), c.Scope, "Practitioner", r.PathValue("id"))
		if err != nil {
			return err
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return err
		}
		m := registry.Member{Person: ref, Licences: a.Room.LicencesOf(n)}
		if m.Posts, err = a.Room.PostsOf(r.Context(), tx, ref); err != nil {
			return err
		}
		out = a.memberOut(m, n, map[string]string{ref: nameOfPerson(n)}, tx.Now())
		return nil
	})
	if err == nil {
		err = a.Audit.Read(r.Context(), audit.Of(r.Context(), "R", "registry-person", ref))
	}
	if !refused(w, r, err) {
		Answer(w, 200, out)
	}
}

// acts says what a person may do at an organisation at this moment, and of the rest why not.
func (a *Registry) acts(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	type actOut struct {
		Code string `json:"code"`
		Name Words  `json:"name"`
		May  bool   `json:"may"`
		Why  *Words `json:"why,omitempty"`
		By   string `json:"refusal,omitempty"`
	}
	out := []actOut{}
	who := &access.Caller{User: "asked", Practitioner: r.URL.Query().Get("person"), Org: r.URL.Query().Get("org")}
	if who.Practitioner == "" {
		who.Practitioner, who.Org = c.Practitioner, c.Org
	}
	who.Institution = a.Tree.Institution(who.Org)
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		out = out[:0]
		for _, act := range registry.Rules.Acts {
			o := actOut{Code: act.Code, Name: Words{act.Zh, act.En}, May: true}
			if err := a.Room.Allowed(r.Context(), tx, who, act.Code); err != nil {
				i, ok := issueOf(err)
				if !ok {
					return err
				}
				o.May, o.Why, o.By = false, &Words{i.Zh, i.Text}, i.Detail
			}
			out = append(out, o)
		}
		return nil
	})
	if !refused(w, r, err) {
		Answer(w, 200, map[string]any{"acts": out})
	}
}

// expiring lists what ends within the next weeks, or ended in the last, in the caller's part of the tree.
func (a *Registry) expiring(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	type endOut struct {
		What   string    `json:"what"`
		Person Ref       `json:"person"`
		Name   Words     `json:"name"`
		Number string    `json:"number,omitempty"`
		Orgs   []Ref     `json:"orgs"`
		Until  time.Time `json:"until"`
		Over   bool      `json:"over"`
		Role   string    `json:"role,omitempty"`
	}
	out := []endOut{}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		out = out[:0]
		now := tx.Now()
		list, err := a.Room.Expiring(r.Context(), tx, now.AddDate(0, -1, 0), now.AddDate(0, 1, 0))
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(e registry.Ending) bool {
			mine := e.Person == c.Practitioner && c.Practitioner != ""
			return !mine && !(manages(c) && slices.ContainsFunc(e.Orgs, func(o string) bool { return c.Org == "" || a.Tree.Within(o, c.Institution) }))
		})
		var people []string
		for _, e := range list {
			people = append(people, e.Person)
		}
		names, _, err := a.names(r.Context(), tx, c.Scope, people)
		if err != nil {
			return err
		}
		for _, e := range list {
			o := endOut{What: e.What, Person: Ref{e.Person, names[e.Person]}, Number: e.Number, Orgs: []Ref{}, Until: e.Until, Over: !e.Until.After(now), Role: e.Role}
			if o.Name = postName(e.Code); e.What == "licence" {
				o.Name = termOf(registry.Rules.Kinds, e.Code).Name
			}
			for _, org := range e.Orgs {
				o.Orgs = append(o.Orgs, Ref{org, a.Tree.Name(org)})
			}
			out = append(out, o)
		}
		return nil
	})
	if !refused(w, r, err) {
		Answer(w, 200, map[string]any{"endings": out})
	}
}

// manages says who looks after other people's licences and roles.
func manages(c *access.Caller) bool {
	return c.Role == access.Administrator || c.Role == access.MedicalAffairs || c.Role == access.Leader
}
