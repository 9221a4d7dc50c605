package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
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
	mux.HandleFunc("GET /api/admin/users/{id}/sessions", a.sessions)
	mux.HandleFunc("DELETE /api/admin/users/{id}/sessions", a.endSessions)
	mux.HandleFunc("POST /api/admin/requests/{id}", a.decide)
	mux.HandleFunc("GET /api/admin/roles", a.given)
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
	Role   string     `json:"role"`
	Org    orgIn      `json:"org"`
	From   *time.Time `json:"from"`
	Until  *time.Time `json:"until"`
	ID     string     `json:"id"`
	Name   any        `json:"roleName"` // as the page got it; not read
	Source string     `json:"source"`   // of the register: stays as it is there
}

type roleOut struct {
	ID       string     `json:"id"`
	Role     string     `json:"role"`
	RoleName Words      `json:"roleName"`
	Org      Ref        `json:"org"`
	From     *time.Time `json:"from,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	Source   string     `json:"source,omitempty"` // PractitionerRole/… of the register that says so
}

// requestOut is a role that waits for a second administrator.
type requestOut struct {
	ID       string     `json:"id"`
	Role     string     `json:"role"`
	RoleName Words      `json:"roleName"`
	Org      Ref        `json:"org"`
	By       string     `json:"by"` // name of who asked
	Created  time.Time  `json:"created"`
	Mine     bool       `json:"mine"` // the caller may confirm
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
	Factors      []string   `json:"factors"`            // kinds of second factor
	Needs        bool       `json:"needsFactor"`        // its roles need one

	Requests []requestOut `json:"requests,omitempty"`
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *Users) out(c *access.Caller, u identity.User, password string) userOut {
	o := userOut{ID: u.ID, Username: u.Username, Name: u.Name, Practitioner: u.Practitioner, Lang: u.Lang, Disabled: u.Disabled, MustChange: u.MustChange,
		Created: when(u.Created), LastLogin: when(u.LastLogin), Roles: []roleOut{}, Manageable: a.manages(c, u), Password: password,
		Factors: []string{}, Needs: a.Identity.Needs(u)}
	for _, r := range u.Roles {
		name := access.RoleNames[r.Role]
		o.Roles = append(o.Roles, roleOut{r.ID, string(r.Role), Words{name.Zh, name.En}, Ref{r.Org, a.Tree.Name(r.Org)}, when(r.From), when(r.Until), r.Source})
	}
	return o
}

// reach says whether org lies in the caller's part of the tree. Only the hub's own administrators reach the hub ("").
func (a *Users) reach(c *access.Caller, org string) bool {
	return c.Org == "" || org != "" && a.Tree.Within(org, c.Institution)
}

func (a *Users) manages(c *access.Caller, u identity.User) bool {
	now, some := a.Identity.Now(), false
	for _, r := range u.Roles {
		if !r.Until.IsZero() && !now.Before(r.Until) {
			continue // over
		}
		if !a.reach(c, r.Org) {
			return false
		}
		some = true
	}
	return some || a.reach(c, u.HomeOrg)
}

func (a *Users) list(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	users, err := a.Identity.Users(r.Context())
	var factors map[string][]string
	var requests []identity.Request
	if err == nil {
		factors, err = a.Identity.FactorKinds(r.Context())
	}
	if err == nil {
		requests, err = a.Identity.Requests(r.Context())
	}
	if err == nil {
		err = a.Audit.Read(r.Context(), audit.Of(r.Context(), "R", "user-list", ""))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out, called := []userOut{}, map[string]string{}
	for _, u := range users {
		called[u.ID] = u.Name
	}
	for _, u := range users {
		if !a.manages(c, u) && !slices.ContainsFunc(u.Roles, func(r identity.Role) bool { return a.reach(c, r.Org) }) {
			continue
		}
		o := a.out(c, u, "")
		o.Factors = append(o.Factors, factors[u.ID]...)
		for _, q := range requests {
			if q.User == u.ID && a.reach(c, q.Role.Org) {
				name := access.RoleNames[q.Role.Role]
				o.Requests = append(o.Requests, requestOut{q.ID, string(q.Role.Role), Words{name.Zh, name.En}, Ref{q.Role.Org, a.Tree.Name(q.Role.Org)}, called[q.By], q.Created, q.By != c.User && u.ID != c.User, when(q.Role.Until)})
			}
		}
		out = append(out, o)
	}
	Answer(w, 200, map[string]any{"users": out})
}

// given lists the roles that the caller may give, in the order of the data.
func (a *Users) given(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	type role struct {
		Role string `json:"role"`
		Name Words  `json:"roleName"`
		Unit bool   `json:"unit"` // belongs to a department where there are departments
	}
	list := []role{}
	for _, x := range access.Roles() {
		if x.Reach != access.Self && access.MayAppoint(c.Role, x.Code) {
			list = append(list, role{string(x.Code), Words{x.Zh, x.En}, x.Reach == access.Unit})
		}
	}
	Answer(w, 200, map[string]any{"roles": list})
}

// decide confirms or refuses a role that waits for a second administrator.
func (a *Users) decide(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	var in struct{ Grant bool }
	err := Body(w, r, 4<<10, &in)
	if err == nil {
		err = a.Identity.Proved(r.Context())
	}
	var list []identity.Request
	if err == nil {
		list, err = a.Identity.Requests(r.Context())
	}
	for _, q := range list {
		if q.ID == r.PathValue("id") && !a.reach(c, q.Role.Org) {
			err = outsideYours
		}
	}
	var q identity.Request
	if err == nil {
		q, err = a.Identity.Confirm(r.Context(), r.PathValue("id"), in.Grant)
	}
	var u identity.User
	if err == nil {
		u, err = a.Identity.User(r.Context(), q.User)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, a.out(c, u, ""))
}

// managed is the account that an administrator's address names, if it is his to manage; else it answers.
func (a *Users) managed(w http.ResponseWriter, r *http.Request) (*access.Caller, *identity.User) {
	c := administrator(w, r)
	if c == nil {
		return nil, nil
	}
	u, err := a.Identity.User(r.Context(), r.PathValue("id"))
	if err == nil && !a.manages(c, u) {
		err = outsideYours
	}
	if err != nil {
		Refuse(w, r, err)
		return nil, nil
	}
	return c, &u
}

func (a *Users) sessions(w http.ResponseWriter, r *http.Request) {
	if _, u := a.managed(w, r); u != nil {
		list, err := a.Identity.Logins(r.Context(), u.ID, nil)
		if err == nil {
			err = a.Audit.Read(r.Context(), audit.Of(r.Context(), "R", "session-list", "User/"+u.ID))
		}
		say(w, r, map[string]any{"sessions": list}, err)
	}
}

func (a *Users) endSessions(w http.ResponseWriter, r *http.Request) {
	if _, u := a.managed(w, r); u != nil {
		say(w, r, nil, a.Identity.EndLogin(r.Context(), u.ID, "", nil))
	}
}

func (a *Users) roles(c *access.Caller, in []roleIn, has identity.User) ([]identity.Role, error) {
	roles := []identity.Role{}
	if len(in) > 50 {
		return nil, fhir.Refuse(422, "value", "too-many-roles", "an account has at most 50 roles", "一个账号最多 50 个角色")
	}
	for _, r := range in {
		if r.Source != "" {
			continue
		}
		if !a.reach(c, string(r.Org)) {
			return nil, outsideYours
		}
		if _, ok := a.Tree.Place(string(r.Org)); !ok && r.Org != "" {
			return nil, fhir.Refuse(422, "value", "bad-organisation", "no such organisation", "没有这个机构")
		}
		role := identity.Role{Role: access.Role(r.Role), Org: string(r.Org)}
		if !slices.ContainsFunc(has.Roles, func(h identity.Role) bool { return h.Role == role.Role && h.Org == role.Org }) {
			if rule := access.RuleOf(role.Role); rule != nil && rule.Reach == access.Unit && a.Tree.Institution(role.Org) == role.Org && a.Tree.Departments(role.Org) {
				return nil, fhir.Refuse(422, "business-rule", "department-needed", "this role sees the patients of its department: name the department", "该角色只能查看所在科室的患者，请选择科室而不是整个机构")
			}
			if err := a.Identity.Appoints(c, role.Role, role.Org, has.ID, has.Practitioner); err != nil {
				return nil, err
			}
		}
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
	if err == nil {
		err = a.Identity.Proved(r.Context())
	}
	var roles []identity.Role
	if err == nil {
		roles, err = a.roles(c, in.Roles, identity.User{Practitioner: in.Practitioner})
	}
	if err == nil && in.Practitioner != "" {
		err = a.links(r, c, in.Practitioner)
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
		Factors    bool `json:"resetFactors"` // the phone is lost
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
	if err == nil {
		err = a.Identity.Proved(r.Context())
	}
	if err == nil && in.Factors {
		if u.ID == c.User {
			err = fhir.Refuse(422, "business-rule", "not-yourself", "another administrator must reset your factors", "请由其他管理员重置您的验证方式")
		} else {
			err = a.Identity.ResetFactors(r.Context(), u.ID)
		}
	}
	if err == nil && u.ID == c.User && (in.Roles != nil || in.Disabled != nil && *in.Disabled) {
		err = fhir.Refuse(422, "business-rule", "not-yourself", "somebody else must change your own roles or disable you", "不能更改自己的角色或停用自己，请由其他管理员操作")
	}
	change := identity.Change{Name: in.Name, Lang: in.Lang, Disabled: in.Disabled, Reset: in.Reset}
	if err == nil && in.Roles != nil {
		var roles []identity.Role
		roles, err = a.roles(c, *in.Roles, u)
		change.Roles = &roles
	}
	var password string
	if err == nil && (change != identity.Change{} || !in.Factors) {
		u, password, err = a.Identity.ChangeUser(r.Context(), u.ID, change)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, a.out(c, u, password))
}

// links refuses an account for a person whose posts lie elsewhere: it would open them.
func (a *Users) links(r *http.Request, c *access.Caller, practitioner string) error {
	if !strings.HasPrefix(practitioner, "Practitioner/") {
		return fhir.Refuse(422, "value", "bad-practitioner", "a person of the register is a Practitioner/…", "人员须为 Practitioner/…")
	}
	orgs, err := a.Identity.PostsAt(r.Context(), practitioner)
	for _, org := range orgs {
		if !a.reach(c, org) {
			return outsideYours
		}
	}
	return err
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
