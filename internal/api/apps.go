package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/smart"
)

// Apps is what the page needs of SMART apps: to launch one, to ask the person, to take it back, to register them.
type Apps struct {
	Smart *smart.Service
	Tree  *access.Tree
}

func (a *Apps) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/apps", a.launchable)
	mux.HandleFunc("POST /api/apps/{id}/launch", a.launch)
	mux.HandleFunc("POST /api/consent", a.ask)
	mux.HandleFunc("POST /api/consent/decide", a.decide)
	mux.HandleFunc("GET /api/me/apps", a.letIn)
	mux.HandleFunc("DELETE /api/me/apps/{id}", a.withdraw)
	mux.HandleFunc("GET /api/admin/apps", a.list)
	mux.HandleFunc("POST /api/admin/apps", a.add)
	mux.HandleFunc("PATCH /api/admin/apps/{id}", a.change)
}

// session returns the login of the person at the page, or answers 401: programs and apps let nobody in.
func (a *Apps) session(w http.ResponseWriter, r *http.Request) *identity.Session {
	se := identity.SessionFrom(r.Context())
	if se == nil {
		Refuse(w, r, loggedIn)
	}
	return se
}

type appRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Org  Ref    `json:"org"`
}

func (a *Apps) ref(app smart.App) appRef {
	return appRef{app.ID, app.Name, Ref{app.Org, a.Tree.Name(app.Org)}}
}

func (a *Apps) launchable(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	all, err := a.Smart.Apps(r.Context())
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := []appRef{}
	for _, app := range all {
		if !app.Disabled && app.Launch != "" && (app.Org == "" || a.Tree.Within(se.Caller.Org, app.Org)) {
			out = append(out, a.ref(app))
		}
	}
	Answer(w, 200, map[string]any{"apps": out})
}

func (a *Apps) launch(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	var in struct{ Patient, Encounter string }
	err := Body(w, r, 4<<10, &in)
	base, address := "", ""
	if err == nil {
		base, err = a.Smart.Base(r)
	}
	if err == nil {
		address, err = a.Smart.Launch(r.Context(), base, se, r.PathValue("id"), in.Patient, in.Encounter)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, map[string]string{"url": address})
}

type questionOut struct {
	App         appRef   `json:"app"`
	To          string   `json:"to"` // host to which the browser goes back
	Scopes      []string `json:"scopes"`
	Refused     []string `json:"beyond"` // of what was asked, not to be had
	Launched    bool     `json:"launched"`
	Patient     string   `json:"patient,omitempty"`
	Encounter   string   `json:"encounter,omitempty"`
	NeedPatient bool     `json:"needPatient"`
	Remembered  bool     `json:"remembered"`
}

func (a *Apps) ask(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	var in struct{ Query string }
	err := Body(w, r, 16<<10, &in)
	base := ""
	if err == nil {
		base, err = a.Smart.Base(r)
	}
	var q *smart.Asked
	if err == nil {
		q, err = a.Smart.Ask(r.Context(), base, in.Query, se)
	}
	var back *smart.Back
	if errors.As(err, &back) {
		Answer(w, 200, map[string]string{"location": back.Location})
		return
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	refused := q.Refused
	if refused == nil {
		refused = []string{}
	}
	Answer(w, 200, questionOut{a.ref(q.App), q.Host(), q.Scopes, refused, q.Launched, q.Patient, q.Encounter, q.NeedPatient, q.Remembered})
}

func (a *Apps) decide(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	var in struct {
		Query, Patient, Encounter string
		Allow                     bool
		Scopes                    []string
	}
	err := Body(w, r, 16<<10, &in)
	base, location := "", ""
	if err == nil {
		base, err = a.Smart.Base(r)
	}
	if err == nil {
		location, err = a.Smart.Decide(r.Context(), base, in.Query, se, smart.Decision{Allow: in.Allow, Scopes: in.Scopes, Patient: in.Patient, Encounter: in.Encounter})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, map[string]string{"location": location})
}

func (a *Apps) letIn(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	list, err := a.Smart.LetInBy(r.Context(), se.User.ID)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	type one struct {
		appRef
		Scopes   []string  `json:"scopes"`
		Since    time.Time `json:"since"`
		Used     time.Time `json:"used"`
		Disabled bool      `json:"disabled"`
	}
	out := []one{}
	for _, l := range list {
		out = append(out, one{a.ref(l.App), l.Scopes, l.Since, l.Used, l.App.Disabled})
	}
	Answer(w, 200, map[string]any{"apps": out})
}

func (a *Apps) withdraw(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	if err := a.Smart.Withdraw(r.Context(), se.User.ID, r.PathValue("id")); err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 204, nil)
}

type appOut struct {
	appRef
	Kind        string    `json:"kind"`
	Redirects   []string  `json:"redirects"`
	Launch      string    `json:"launch,omitempty"`
	Scopes      []string  `json:"scopes"`
	JWKS        string    `json:"jwks,omitempty"`
	JWKSURL     string    `json:"jwksUrl,omitempty"`
	Introspects bool      `json:"introspects"`
	Disabled    bool      `json:"disabled"`
	Waits       bool      `json:"waits"` // for another administrator than who made it
	Own         bool      `json:"own"`   // made by who asks
	Created     time.Time `json:"created"`
	Secret      string    `json:"secret,omitempty"` // told once
}

func (a *Apps) out(c *access.Caller, app smart.App, secret string) appOut {
	return appOut{a.ref(app), app.Kind, append([]string{}, app.Redirects...), app.Launch, app.Scopes, app.JWKS, app.JWKSURL, app.Introspects, app.Disabled,
		app.Disabled && app.System() && app.MadeBy != "", app.MadeBy == c.User, app.Created, secret}
}

func (a *Apps) reach(c *access.Caller, org string) error {
	if c.Org == "" || org != "" && a.Tree.Within(org, c.Institution) {
		return nil
	}
	return fhir.Refuse(403, "forbidden", "outside-your-organisations", "this app is not of your institution", "该应用不在您的管理范围内")
}

func (a *Apps) list(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	all, err := a.Smart.Apps(r.Context())
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := []appOut{}
	for _, app := range all {
		if a.reach(c, app.Org) == nil {
			out = append(out, a.out(c, app, ""))
		}
	}
	Answer(w, 200, map[string]any{"apps": out})
}

func (a *Apps) add(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	var in struct {
		Name, Kind, Launch, Org, JWKS, JWKSURL string
		Redirects, Scopes                      []string
		Introspects                            bool
	}
	err := Body(w, r, 128<<10, &in)
	if err == nil {
		err = a.reach(c, in.Org)
	}
	if _, there := a.Tree.Place(in.Org); err == nil && in.Org != "" && !there {
		err = fhir.Refuse(422, "value", "bad-organisation", "no such organisation", "没有这个机构")
	}
	var app smart.App
	secret := ""
	if err == nil {
		app, secret, err = a.Smart.Add(r.Context(), smart.App{Name: in.Name, Kind: in.Kind, Launch: in.Launch, Org: in.Org, JWKS: in.JWKS, JWKSURL: in.JWKSURL,
			Redirects: in.Redirects, Scopes: in.Scopes, Introspects: in.Introspects})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 201, a.out(c, app, secret))
}

func (a *Apps) change(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	var in struct {
		Name, Launch, JWKS, JWKSURL *string
		Redirects, Scopes           *[]string
		Disabled                    *bool
		NewSecret                   bool
	}
	err := Body(w, r, 128<<10, &in)
	var all []smart.App
	if err == nil {
		all, err = a.Smart.Apps(r.Context())
	}
	found := false
	for _, app := range all {
		if app.ID == r.PathValue("id") && a.reach(c, app.Org) == nil {
			found = true
		}
	}
	if err == nil && !found {
		err = fhir.Refuse(404, "not-found", "unknown-app", "no such app", "没有这个应用")
	}
	var app smart.App
	secret := ""
	if err == nil {
		app, secret, err = a.Smart.ChangeApp(r.Context(), r.PathValue("id"), smart.AppChange{Name: in.Name, Launch: in.Launch, JWKS: in.JWKS, JWKSURL: in.JWKSURL,
			Redirects: in.Redirects, Scopes: in.Scopes, Disabled: in.Disabled, NewSecret: in.NewSecret})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, a.out(c, app, secret))
}
