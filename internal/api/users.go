package api

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
)

// Users is the administration of accounts: an administrator manages those whose every role lies
// in his own institution or beneath it.
type Users struct {
	Identity *identity.Service
	Tree     *access.Tree
	Audit    audit.Log
}

func (a *Users) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/admin/users", a.list)
	mux.HandleFunc("POST /api/admin/users", a.create)
	mux.HandleFunc("PATCH /api/admin/users/{id}", a.change)
	mux.HandleFunc("GET /api/admin/orgs", a.orgs)
}

var notAdministrator = fhir.Refuse(403, "forbidden", "not-administrator", "only administrators may do this", "只有管理员可以进行此操作")
var outsideYours = fhir.Refuse(403, "forbidden", "outside-your-organisations", "this lies outside your organisations", "超出您的管理范围")

// administrator returns the caller if he is one; else it answers.
func administrator(w http.ResponseWriter, r *http.Request) *access.Caller {
	c := Caller(w, r)
	if c != nil && c.Role != access.Administrator {
		Refuse(w, r, notAdministrator)
		return nil
	}
	return c
}

type roleIn struct {
	Role  string     `json:"role"`
	Org   orgIn      `json:"org"`
	From  *time.Time `json:"from"`
	Until *time.Time `json:"until"`
	ID    string     `json:"id"`
	Name  any        `json:"roleName"` // as the page got it; not read
}

type roleOut struct {
	ID       string     `json:"id"`
	Role     string     `json:"role"`
	RoleName Words      `json:"roleName"`
	Org      Ref        `json:"org"`
	From     *time.Time `json:"from,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
}

type userOut struct {
	ID           string     `json:"id"`
	Username     string     `json:"username"`
	Name         string     `json:"name"`
	Practitioner string     `json:"practitioner,omitempty"`
	Lang         string     `json:"lang"`
	Disabled     bool       `json:"disabled"`
	MustChange   bool       `json:"mustChangePassword"`
	Created      *time.Time `json:"created,omitempty"`
	LastLogin    *time.Time `json:"lastLogin,omitempty"`
	Roles        []roleOut  `json:"roles"`
	Manageable   bool       `json:"manageable"`
	Password     string     `json:"password,omitempty"` // one-time, told once
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *Users) out(c *access.Caller, u identity.User, password string) userOut {
	o := userOut{ID: u.ID, Username: u.Username, Name: u.Name, Practitioner: u.Practitioner, Lang: u.Lang, Disabled: u.Disabled, MustChange: u.MustChange,
		Created: when(u.Created), LastLogin: when(u.LastLogin), Roles: []roleOut{}, Manageable: a.manages(c, u), Password: password}
	for _, r := range u.Roles {
		name := access.RoleNames[r.Role]
		o.Roles = append(o.Roles, roleOut{r.ID, string(r.Role), Words{name.Zh, name.En}, Ref{r.Org, a.Tree.Name(r.Org)}, when(r.From), when(r.Until)})
	}
	return o
}

// reach says whether org lies in the caller's part of the tree. Only the hub's own administrators reach the hub ("").
func (a *Users) reach(c *access.Caller, org string) bool {
	return c.Org == "" || org != "" && a.Tree.Within(org, c.Institution)
}

func (a *Users) manages(c *access.Caller, u identity.User) bool {
	for _, r := range u.Roles {
		if !a.reach(c, r.Org) {
			return false
		}
	}
	return len(u.Roles) > 0 || a.reach(c, u.HomeOrg)
}

func (a *Users) list(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	users, err := a.Identity.Users(r.Context())
	if err == nil {
		err = a.Audit.Read(r.Context(), audit.Of(r.Context(), "R", "user-list", ""))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := []userOut{}
	for _, u := range users {
		if a.manages(c, u) || slices.ContainsFunc(u.Roles, func(r identity.Role) bool { return a.reach(c, r.Org) }) {
			out = append(out, a.out(c, u, ""))
		}
	}
	Answer(w, 200, map[string]any{"users": out})
}

func (a *Users) roles(c *access.Caller, in []roleIn) ([]identity.Role, error) {
	roles := []identity.Role{}
	for _, r := range in {
		if !a.reach(c, string(r.Org)) {
			return nil, outsideYours
		}
		if _, ok := a.Tree.Place(string(r.Org)); !ok && r.Org != "" {
			return nil, fhir.Refuse(422, "value", "bad-organisation", "no such organisation", "没有这个机构")
		}
		role := identity.Role{Role: access.Role(r.Role), Org: string(r.Org)}
		if r.From != nil {
			role.From = *r.From
		}
		if r.Until != nil {
			role.Until = *r.Until
		}
		roles = append(roles, role)
	}
	return roles, nil
}

func (a *Users) create(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	var in struct {
		Username, Name, Practitioner, Lang string
		Roles                              []roleIn
	}
	err := Body(w, r, 64<<10, &in)
	var roles []identity.Role
	if err == nil {
		roles, err = a.roles(c, in.Roles)
	}
	var u identity.User
	var password string
	if err == nil {
		u, password, err = a.Identity.AddUser(r.Context(), identity.NewUser{Username: in.Username, Name: in.Name, Practitioner: in.Practitioner, Lang: in.Lang, Roles: roles})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 201, a.out(c, u, password))
}

func (a *Users) change(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	var in struct {
		Name, Lang *string
		Disabled   *bool
		Reset      bool
		Roles      *[]roleIn
	}
	if err := Body(w, r, 64<<10, &in); err != nil {
		Refuse(w, r, err)
		return
	}
	u, err := a.Identity.User(r.Context(), r.PathValue("id"))
	if err == nil && !a.manages(c, u) {
		err = outsideYours
	}
	if err == nil && u.ID == c.User && (in.Roles != nil || in.Disabled != nil && *in.Disabled) {
		err = fhir.Refuse(422, "business-rule", "not-yourself", "somebody else must change your own roles or disable you", "不能更改自己的角色或停用自己，请由其他管理员操作")
	}
	change := identity.Change{Name: in.Name, Lang: in.Lang, Disabled: in.Disabled, Reset: in.Reset}
	if err == nil && in.Roles != nil {
		var roles []identity.Role
		roles, err = a.roles(c, *in.Roles)
		change.Roles = &roles
	}
	var password string
	if err == nil {
		u, password, err = a.Identity.ChangeUser(r.Context(), u.ID, change)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, a.out(c, u, password))
}

type orgOut struct {
	Reference string    `json:"reference"`
	Name      string    `json:"name"`
	Type      string    `json:"type,omitempty"`
	Level     string    `json:"level,omitempty"`
	Parent    string    `json:"parent,omitempty"`
	Mine      bool      `json:"mine"` // in the caller's institution or beneath it
	Children  []*orgOut `json:"children"`
}

// orgs is the whole tree: organisations are a register that everybody who is logged in may read.
func (a *Users) orgs(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	nodes := map[string]*orgOut{}
	tops := []*orgOut{}
	for _, p := range a.Tree.All("") {
		n := &orgOut{Reference: p.Ref, Name: p.Name, Type: p.Type, Level: p.Level, Parent: p.Parent, Mine: a.reach(c, p.Ref), Children: []*orgOut{}}
		nodes[p.Ref] = n
		if up := nodes[p.Parent]; up != nil {
			up.Children = append(up.Children, n)
		} else {
			tops = append(tops, n)
		}
	}
	Answer(w, 200, tops)
}

// orgIn takes "Organization/…" or {"reference": "Organization/…"}.
type orgIn string

func (o *orgIn) UnmarshalJSON(b []byte) error {
	n, err := fhir.Parse(append(append([]byte(`{"o":`), b...), '}'))
	if err != nil {
		return err
	}
	switch v := n.Child("o"); v.Kind {
	case fhir.String:
		*o = orgIn(v.Text)
	case fhir.Object:
		*o = orgIn(v.Str("reference"))
	case fhir.Null:
	default:
		return errors.New("an organisation is a reference")
	}
	return nil
}
