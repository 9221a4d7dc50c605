package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Auth answers who am I: login, logout, role, language, password.
type Auth struct {
	Store    *store.Store
	Identity *identity.Service
	Tree     *access.Tree
	Audit    audit.Log
	Clock    clock.Clock // business time, for the periods of roles
	Hub      Words       // what this hub is called
	Version  string
	Demo     bool
}

func (a *Auth) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/login", a.doors)
	mux.HandleFunc("POST /api/login", a.login)
	mux.HandleFunc("POST /api/login/second", a.second)
	mux.HandleFunc("POST /api/login/passkey/ask", a.askPasskey)
	mux.HandleFunc("POST /api/login/passkey", a.passkey)
	mux.HandleFunc("GET /api/login/with/{slug}", a.leave)
	mux.HandleFunc("GET /api/login/with/{slug}/back", a.back)
	a.registerProofs(mux)
	mux.HandleFunc("POST /api/logout", a.logout)
	mux.HandleFunc("GET /api/me", a.me)
	mux.HandleFunc("POST /api/role", a.role)
	mux.HandleFunc("POST /api/lang", a.lang)
	mux.HandleFunc("POST /api/password", a.password)
}

type roleView struct {
	ID          string `json:"id"`
	Role        string `json:"role"`
	RoleName    Words  `json:"roleName"`
	Org         Ref    `json:"org"`
	Institution Ref    `json:"institution"`
}

func (a *Auth) roleView(r identity.Role) roleView {
	name := access.RoleNames[r.Role]
	return roleView{ID: r.ID, Role: string(r.Role), RoleName: Words{name.Zh, name.En}, Org: a.ref(r.Org), Institution: a.ref(a.Tree.Institution(r.Org))}
}

func (a *Auth) ref(org string) Ref {
	if org == "" {
		return Ref{Display: a.Hub.Zh}
	}
	return Ref{Reference: org, Display: a.Tree.Name(org)}
}

func (a *Auth) answerMe(w http.ResponseWriter, r *http.Request, se identity.Session) {
	var events int64
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) { events, err = event.Last(r.Context(), tx); return err })
	if err != nil {
		Refuse(w, r, err)
		return
	}
	type user struct {
		ID           string `json:"id"`
		Username     string `json:"username"`
		Name         string `json:"name"`
		Practitioner string `json:"practitioner,omitempty"`
		Lang         string `json:"lang"`
		MustChange   bool   `json:"mustChangePassword"`
		MustEnrol    bool   `json:"mustEnrol"`
	}
	type hub struct {
		Name    Words  `json:"name"`
		Version string `json:"version"`
	}
	roles := []roleView{}
	for _, r := range se.User.Roles {
		if r.At(a.Clock.Now()) {
			roles = append(roles, a.roleView(r))
		}
	}
	u := se.User
	Answer(w, 200, struct {
		User  user       `json:"user"`
		Role  roleView   `json:"role"`
		Roles []roleView `json:"roles"`
		CSRF  string     `json:"csrf"`
		Hub   hub        `json:"hub"`
		Demo  bool       `json:"demo"`
		// Events is the newest event now: what the page asks for after this, GET /api/stream?after= continues.
		Events int64 `json:"events"`
		// Lenient: this hub asks nobody for a second factor.
		Lenient bool `json:"lenient,omitempty"`
	}{user{u.ID, u.Username, u.Name, u.Practitioner, u.Lang, u.MustChange || se.Aged, se.Enrol}, a.roleView(se.Role), roles, se.CSRF(), hub{a.Hub, a.Version}, a.Demo, events, a.Identity.Lenient()})
}

// login is the first step: user name and password.
func (a *Auth) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Username, Password string }
	if err := Body(w, r, 4<<10, &in); err != nil {
		Refuse(w, r, err)
		return
	}
	e, err := a.Identity.Enter(r.Context(), in.Username, in.Password, a.Identity.VisitOf(r))
	if !a.entered(w, r, "login", e, err) {
		return
	}
	if e.Ticket != "" {
		Answer(w, 200, map[string]any{"second": a.ways(r, e.Ways)})
		return
	}
	a.answerMe(w, r, e.Session)
}

// entered writes the audit entry of a step of a login and gives the browser its cookies; on a refusal it answers.
func (a *Auth) entered(w http.ResponseWriter, r *http.Request, what string, e identity.Entry, err error) bool {
	if err = a.enters(w, r, what, e, err); err != nil {
		Refuse(w, r, err)
		return false
	}
	return true
}

func (a *Auth) enters(w http.ResponseWriter, r *http.Request, what string, e identity.Entry, err error) error {
	se := e.Session
	x := audit.Entry{Action: "E", What: what, User: e.User.ID, Name: e.User.Name, Role: string(se.Role.Role), Org: se.Role.Org, Remote: a.Identity.Remote(r), Request: r.Header.Get("X-Request-Id")}
	if e.User.ID != "" {
		x.Target = "User/" + e.User.ID
		if x.Org == "" && len(e.User.Roles) > 0 {
			x.Org = e.User.Roles[0].Org
		}
	}
	if err != nil {
		x.Outcome = "4"
	} else if e.Ticket != "" {
		x.What = "login-first-step"
	}
	if waits(w, err) {
		return err
	}
	if err2 := a.Audit.Read(r.Context(), x); err2 != nil {
		err = errors.Join(err2, err)
	}
	if err != nil {
		return err
	}
	if e.Ticket != "" {
		a.Identity.SetShort(w, r, identity.StepCookie, e.Ticket)
		return nil
	}
	if old, err := r.Cookie(identity.Cookie); err == nil && old.Value != "" {
		if err := a.Identity.Logout(r.Context(), old.Value); err != nil {
			return err
		}
	}
	if _, err := r.Cookie(identity.StepCookie); err == nil {
		a.Identity.SetShort(w, r, identity.StepCookie, "")
	}
	a.Identity.SetCookie(w, r, se)
	a.Identity.SetDevice(w, r, e.Device)
	return nil
}

// waits says how long somebody who has tried too often must wait, if that is what err is.
func waits(w http.ResponseWriter, err error) bool {
	var wait *identity.TooMany
	if !errors.As(err, &wait) {
		return false
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait.After.Seconds()+0.999))))
	return true
}

// session returns the session of the request, or answers 401.
func (a *Auth) session(w http.ResponseWriter, r *http.Request) *identity.Session {
	se := identity.SessionFrom(r.Context())
	if se == nil {
		Refuse(w, r, loggedIn)
	}
	return se
}

func (a *Auth) logout(w http.ResponseWriter, r *http.Request) {
	elsewhere := ""
	if se := identity.SessionFrom(r.Context()); se != nil {
		elsewhere = a.Identity.Farewell(r, *se)
		if err := a.Identity.Logout(r.Context(), se.Secret); err != nil {
			Refuse(w, r, err)
			return
		}
		if err := a.Audit.Read(r.Context(), audit.Of(r.Context(), "E", "logout", "User/"+se.User.ID)); err != nil {
			Refuse(w, r, err)
			return
		}
	}
	a.Identity.DropCookie(w, r)
	if elsewhere != "" { // the hospital's own login, which would let in again whoever comes next to this desk
		Answer(w, 200, map[string]string{"elsewhere": elsewhere})
		return
	}
	Answer(w, 204, nil)
}

func (a *Auth) me(w http.ResponseWriter, r *http.Request) {
	if se := a.session(w, r); se != nil {
		a.answerMe(w, r, *se)
	}
}

func (a *Auth) role(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	var in struct{ ID string }
	err := Body(w, r, 4<<10, &in)
	var moved identity.Session
	if err == nil {
		moved, err = a.Identity.SwitchRole(r.Context(), *se, in.ID)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	a.answerMe(w, r, moved)
}

func (a *Auth) lang(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	var in struct{ Lang string }
	err := Body(w, r, 4<<10, &in)
	if err == nil {
		err = a.Identity.SetLang(r.Context(), se.User.ID, strings.ToLower(in.Lang))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 204, nil)
}

func (a *Auth) password(w http.ResponseWriter, r *http.Request) {
	se := a.session(w, r)
	if se == nil {
		return
	}
	var in struct{ Old, New string }
	err := Body(w, r, 4<<10, &in)
	var fresh identity.Session
	if err == nil {
		fresh, err = a.Identity.ChangePassword(r.Context(), *se, in.Old, in.New, a.Identity.VisitOf(r))
	}
	if err != nil {
		waits(w, err)
		Refuse(w, r, err)
		return
	}
	a.Identity.SetCookie(w, r, fresh)
	w.Header().Set("X-CSRF-Token", fresh.CSRF()) // the old one ended with the old session
	Answer(w, 204, nil)
}
