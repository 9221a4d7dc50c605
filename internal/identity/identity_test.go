package identity_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

var ctx = context.Background()

// cheap keeps the tests quick; what is tested does not depend on the cost.
var cheap = identity.Cost{Memory: 64, Passes: 1, Threads: 1}

type house struct {
	*identity.Service
	store    *store.Store
	business *clock.Turned
	wall     *clock.Turned
}

func open(t *testing.T, with storetest.Open) house {
	t.Helper()
	h := house{business: clock.At(storetest.Start), wall: clock.At(storetest.Start)}
	h.store = with(t, store.Options{Clock: h.business, Migrations: identity.Migrations})
	h.Service = identity.New(h.store, access.NewTree(), identity.Options{Clock: h.business, Wall: h.wall, Cost: cheap})
	return h
}

func (h house) add(t *testing.T, n identity.NewUser) identity.User {
	t.Helper()
	if n.Name == "" {
		n.Name = "测试"
	}
	u, _, err := h.AddUser(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func doctor(org string) []identity.Role {
	return []identity.Role{{Role: access.ReferringDoctor, Org: org}}
}

// detail is the stable code of a refusal, "" when err is nil.
func detail(err error) string {
	var fe *fhir.Error
	if errors.As(err, &fe) {
		return fe.Issues[0].Detail
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

const right = "Xinglin-demo-1"

var home = identity.Visit{Remote: "10.0.0.1"}

func TestLogin(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.add(t, identity.NewUser{Username: "Lin", Password: right, Roles: doctor("Organization/county")})
		h.add(t, identity.NewUser{Username: "norole", Password: right})
		gone := h.add(t, identity.NewUser{Username: "gone", Password: right, Roles: doctor("Organization/county")})
		h.add(t, identity.NewUser{Username: "admin", Password: right, Roles: []identity.Role{{Role: access.Administrator}}})
		off := true
		if _, _, err := h.ChangeUser(ctx, gone.ID, identity.Change{Disabled: &off}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ rule, username, password, want string }{
			{"the right password opens", "lin", right, ""},
			{"the user name is folded", " LIN ", right, ""},
			{"a wrong password does not", "lin", "Xinglin-demo-2", "login-failed"},
			{"an empty password does not", "lin", "", "login-failed"},
			{"an unknown user gets the same answer", "nobody", right, "login-failed"},
			{"a disabled user gets the same answer", "gone", right, "login-failed"},
			{"a user without a role in force is told so", "norole", right, "no-role"},
		} {
			if _, err := h.Login(ctx, c.username, c.password, "10.0.0.1"); detail(err) != c.want {
				t.Errorf("%s: Login(%q) got %q; want %q", c.rule, c.username, detail(err), c.want)
			}
		}
	})
}

func TestSameUserNameOnce(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.add(t, identity.NewUser{Username: "lin"})
		if _, _, err := h.AddUser(ctx, identity.NewUser{Username: "LIN", Name: "林"}); detail(err) != "username-taken" {
			t.Errorf("got %v; want username-taken", err)
		}
	})
}

func TestSecretsAreNotInTheTables(t *testing.T) {
	h := open(t, storetest.Memory)
	h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: doctor("Organization/county")})
	se, err := h.Login(ctx, "lin", right, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := h.NewToken(ctx, "his", []string{"system/*.rs"}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, q := range []string{"SELECT password FROM identity_user", "SELECT hash FROM identity_session", "SELECT hash FROM identity_token"} {
		err := h.store.View(ctx, func(tx *store.Tx) error {
			return tx.Query(ctx, q, nil, func(scan func(...any) error) error {
				var b []byte
				err := scan(&b)
				all.Write(b)
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range []string{right, se.Secret, token, se.CSRF()} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("a secret stands in the tables: %q", secret)
		}
	}
}

// door is a client with a cookie, at a door that answers the caller's name.
type door struct {
	t *testing.T
	http.Handler
}

func newDoor(t *testing.T, h house) door {
	return door{t, h.Authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := access.From(r.Context()); c != nil {
			w.Write([]byte("hello " + string(c.Role) + " of " + c.Org))
			return
		}
		w.WriteHeader(401)
	}))}
}

// catch keeps the session with which a request came.
func catch(found **identity.Session) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { *found = identity.SessionFrom(r.Context()) })
}

func (d door) ask(method, url string, head ...string) (int, string) {
	d.t.Helper()
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestDoor(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: doctor("Organization/county")})
		se, err := h.Login(ctx, "lin", right, "10.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		other, _ := h.Login(ctx, "lin", right, "10.0.0.1")
		tok, token, _ := h.NewToken(ctx, "his", []string{"system/*.rs"}, "Organization/county", time.Hour)
		_, revoked, _ := h.NewToken(ctx, "old", []string{"system/*.rs"}, "", 0)
		list, _ := h.Tokens(ctx)
		for _, x := range list {
			if x.ID != tok.ID {
				h.RevokeToken(ctx, x.ID)
			}
		}
		d := newDoor(t, h)
		cookie := identity.Cookie + "=" + se.Secret
		for _, c := range []struct {
			rule, method, url string
			head              []string
			want              int
		}{
			{"no credentials: no caller", "GET", "/fhir/Patient", nil, 401},
			{"a session reads", "GET", "/fhir/Patient", []string{"Cookie", cookie}, 200},
			{"a made-up session is none", "GET", "/fhir/Patient", []string{"Cookie", identity.Cookie + "=made-up"}, 401},
			{"a session does not write without its CSRF token", "POST", "/fhir/Patient", []string{"Cookie", cookie}, 403},
			{"nor with that of another session", "POST", "/fhir/Patient", []string{"Cookie", cookie, "X-CSRF-Token", other.CSRF()}, 403},
			{"nor does a search by POST", "POST", "/fhir/Patient/_search", []string{"Cookie", cookie}, 403},
			{"nor does a DELETE", "DELETE", "/api/x", []string{"Cookie", cookie}, 403},
			{"with it, it writes", "POST", "/fhir/Patient", []string{"Cookie", cookie, "X-CSRF-Token", se.CSRF()}, 200},
			{"a token reads", "GET", "/fhir/Patient", []string{"Authorization", "Bearer " + token}, 200},
			{"a token writes without CSRF", "POST", "/fhir/Patient", []string{"Authorization", "Bearer " + token}, 200},
			{"a token in the URL is not looked at", "GET", "/fhir/Patient?access_token=" + token, nil, 401},
			{"a session in the URL is not looked at", "GET", "/fhir/Patient?" + cookie, nil, 401},
			{"a bad token is refused", "GET", "/fhir/Patient", []string{"Authorization", "Bearer xl_bad"}, 401},
			{"a bad token beside a good cookie is refused", "GET", "/fhir/Patient", []string{"Authorization", "Bearer xl_bad", "Cookie", cookie}, 401},
			{"a revoked token is refused", "GET", "/fhir/Patient", []string{"Authorization", "Bearer " + revoked}, 401},
			{"Basic is refused", "GET", "/fhir/Patient", []string{"Authorization", "Basic bGluOng="}, 401},
			{"a login from another site is refused", "POST", "/api/login", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		} {
			if got, body := d.ask(c.method, c.url, c.head...); got != c.want {
				t.Errorf("%s: got %d %s; want %d", c.rule, got, body, c.want)
			}
		}
		h.wall.Turn(time.Hour)
		if got, _ := d.ask("GET", "/fhir/Patient", "Authorization", "Bearer "+token); got != 401 {
			t.Errorf("an expired token: got %d; want 401", got)
		}
	})
}

func TestSessionEnds(t *testing.T) {
	for _, c := range []struct {
		rule string
		do   func(t *testing.T, h house, u identity.User, se identity.Session)
	}{
		{"by logout", func(t *testing.T, h house, u identity.User, se identity.Session) { h.Logout(ctx, se.Secret) }},
		{"after 30 idle minutes", func(t *testing.T, h house, u identity.User, se identity.Session) { h.wall.Turn(30 * time.Minute) }},
		{"after 30 minutes with nobody at the desk, though the page keeps asking", func(t *testing.T, h house, u identity.User, se identity.Session) {
			d := newDoor(t, h)
			for range 5 {
				h.wall.Turn(5 * time.Minute)
				if got, _ := d.ask("GET", "/", "Cookie", identity.Cookie+"="+se.Secret, identity.Background, "1"); got != 200 {
					t.Fatalf("within 30 minutes: got %d; want 200", got)
				}
			}
			h.wall.Turn(5 * time.Minute)
		}},
		{"after 30 minutes with nobody at the desk, though the page opens its stream again and again", func(t *testing.T, h house, u identity.User, se identity.Session) {
			d := newDoor(t, h)
			for range 5 {
				h.wall.Turn(5 * time.Minute)
				if got, _ := d.ask("GET", "/", "Cookie", identity.Cookie+"="+se.Secret, "Accept", "text/event-stream"); got != 200 {
					t.Fatalf("within 30 minutes: got %d; want 200", got)
				}
			}
			h.wall.Turn(5 * time.Minute)
		}},
		{"after 12 busy hours", func(t *testing.T, h house, u identity.User, se identity.Session) {
			d := newDoor(t, h)
			for range 12*6 - 1 {
				h.wall.Turn(10 * time.Minute)
				if got, _ := d.ask("GET", "/", "Cookie", identity.Cookie+"="+se.Secret); got != 200 {
					t.Fatalf("busy within 12 hours: got %d; want 200", got)
				}
			}
			h.wall.Turn(10 * time.Minute)
		}},
		{"when the user is disabled", func(t *testing.T, h house, u identity.User, se identity.Session) {
			off := true
			if _, _, err := h.ChangeUser(ctx, u.ID, identity.Change{Disabled: &off}); err != nil {
				t.Fatal(err)
			}
		}},
		{"when the password is reset", func(t *testing.T, h house, u identity.User, se identity.Session) {
			h.ChangeUser(ctx, u.ID, identity.Change{Reset: true})
		}},
		{"when its role's period ends, by the business clock", func(t *testing.T, h house, u identity.User, se identity.Session) {
			h.business.Turn(48 * time.Hour)
		}},
		{"when the password is changed elsewhere", func(t *testing.T, h house, u identity.User, se identity.Session) {
			other, err := h.Login(ctx, "lin", right, "10.0.0.7")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.ChangePassword(ctx, other, right, "another-Good-1", home); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(strings.ReplaceAll(c.rule, " ", "_"), func(t *testing.T) {
			h := open(t, storetest.Memory)
			u := h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: []identity.Role{
				{Role: access.ReferringDoctor, Org: "Organization/county", Until: storetest.Start.Add(48 * time.Hour)}}})
			se, err := h.Login(ctx, "lin", right, "10.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			d := newDoor(t, h)
			if got, _ := d.ask("GET", "/", "Cookie", identity.Cookie+"="+se.Secret); got != 200 {
				t.Fatalf("before: got %d; want 200", got)
			}
			c.do(t, h, u, se)
			if got, _ := d.ask("GET", "/", "Cookie", identity.Cookie+"="+se.Secret); got != 401 {
				t.Errorf("got %d; want 401", got)
			}
		})
	}
}

func TestOneTimePasswordOpensOnlyItsChange(t *testing.T) {
	h := open(t, storetest.Memory)
	_, once, err := h.AddUser(ctx, identity.NewUser{Username: "lin", Name: "林", Roles: doctor("Organization/county")})
	if err != nil || once == "" {
		t.Fatalf("got %q, %v; want a one-time password", once, err)
	}
	se, err := h.Login(ctx, "lin", once, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, h)
	for url, want := range map[string]int{"/api/me": 200, "/fhir/Patient": 403, "/api/work": 403, "/api/admin/users": 403, "/api/me/factors": 403, "/api/login": 200, "/oauth/authorize": 403} {
		if got, body := d.ask("GET", url, "Cookie", identity.Cookie+"="+se.Secret); got != want {
			t.Errorf("%s with a one-time password: got %d %s; want %d", url, got, body, want)
		}
	}
	for _, c := range []struct{ rule, old, new, want string }{
		{"the old password must be right", "wrong", "another-Good-1", "wrong-password"},
		{"the new one must be long enough", once, "short", "password-too-short"},
		{"not all the same", once, "aaaaaaaaaaaa", "password-too-plain"},
		{"not the user name", once, "lin-lin-123456", "password-own-name"},
		{"not what everybody takes", once, "P@ssw0rd2026!", "password-too-plain"},
		{"of several kinds", once, "wengjiangdao", "password-too-few-kinds"},
		{"not the old one", once, once, "same-password"},
	} {
		if _, err := h.ChangePassword(ctx, se, c.old, c.new, home); detail(err) != c.want {
			t.Errorf("%s: got %q; want %q", c.rule, detail(err), c.want)
		}
	}
	fresh, err := h.ChangePassword(ctx, se, once, "another-Good-1", home)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Secret == se.Secret {
		t.Error("the session keeps its secret over a change of password")
	}
	if got, _ := d.ask("GET", "/fhir/Patient", "Cookie", identity.Cookie+"="+fresh.Secret); got != 200 {
		t.Errorf("after the change: got %d; want 200", got)
	}
	if _, err := h.Login(ctx, "lin", once, "10.0.0.1"); detail(err) != "login-failed" {
		t.Errorf("the one-time password again: got %v; want login-failed", err)
	}
}

func TestLastAdministratorStays(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		admin := []identity.Role{{Role: access.Administrator}}
		a := h.add(t, identity.NewUser{Username: "first", Roles: admin})
		b := h.add(t, identity.NewUser{Username: "second", Roles: admin})
		off := true
		if _, _, err := h.ChangeUser(ctx, a.ID, identity.Change{Disabled: &off}); err != nil {
			t.Fatalf("one of two: got %v; want no error", err)
		}
		if _, _, err := h.ChangeUser(ctx, b.ID, identity.Change{Disabled: &off}); detail(err) != "last-administrator" {
			t.Errorf("disable the last: got %v; want last-administrator", err)
		}
		none := []identity.Role{}
		if _, _, err := h.ChangeUser(ctx, b.ID, identity.Change{Roles: &none}); detail(err) != "last-administrator" {
			t.Errorf("take the role of the last: got %v; want last-administrator", err)
		}
	})
}

func TestSwitchRole(t *testing.T) {
	h := open(t, storetest.Memory)
	h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: []identity.Role{
		{ID: "a", Role: access.ReferringDoctor, Org: "Organization/county"},
		{ID: "b", Role: access.Leader, Org: "Organization/county"},
		{ID: "c", Role: access.Leader, Org: "Organization/centre", Until: storetest.Start}}})
	h.add(t, identity.NewUser{Username: "wu", Roles: []identity.Role{{ID: "d", Role: access.Leader, Org: "Organization/centre"}}})
	se, err := h.Login(ctx, "lin", right, "10.0.0.1")
	if err != nil || se.Role.ID != "a" {
		t.Fatalf("got role %q, %v; want the first", se.Role.ID, err)
	}
	for role, want := range map[string]string{"b": "", "c": "unknown-role", "d": "unknown-role", "": "unknown-role"} {
		if _, err := h.SwitchRole(ctx, se, role); detail(err) != want {
			t.Errorf("switch to %q: got %q; want %q", role, detail(err), want)
		}
	}
	d := newDoor(t, h)
	if _, body := d.ask("GET", "/", "Cookie", identity.Cookie+"="+se.Secret); body != "hello leader of Organization/county" {
		t.Errorf("after the switch: got %q", body)
	}
}

func TestForwardedAddressCountsFromTrustedProxiesOnly(t *testing.T) {
	h := open(t, storetest.Memory)
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "192.0.2.1:1000"
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	if got := h.Remote(r); got != "192.0.2.1" {
		t.Errorf("got %s; want the address that connected", got)
	}
}

func TestRenewGivesWhatHoldsNow(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		u := h.add(t, identity.NewUser{Username: "li", Roles: doctor("Organization/a")})
		asked := access.Caller{User: u.ID, Role: access.ReferringDoctor, Org: "Organization/a", Request: "r1"}
		if c, err := h.Renew(ctx, asked); err != nil || c.User != u.ID || c.Org != "Organization/a" || c.Request != "r1" || len(c.Scope.Sights) == 0 {
			t.Errorf("got %+v, %v; want the account as it stands", c, err)
		}
		other := asked
		other.Org = "Organization/b"
		if _, err := h.Renew(ctx, other); err == nil {
			t.Error("a role that the account does not have was renewed")
		}
		disabled := true
		if _, _, err := h.ChangeUser(ctx, u.ID, identity.Change{Disabled: &disabled}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Renew(ctx, asked); !identity.LoginNeeded(err) {
			t.Errorf("a disabled account: got %v; want a refusal", err)
		}
		token, _, err := h.NewToken(ctx, "lab", []string{"system/*.rs"}, "Organization/a", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		program := access.Caller{User: token.ID, Role: access.Program}
		if c, err := h.Renew(ctx, program); err != nil || c.Org != "Organization/a" || len(c.Scopes) != 1 {
			t.Errorf("got %+v, %v; want the token", c, err)
		}
		h.wall.Turn(2 * time.Hour)
		if _, err := h.Renew(ctx, program); detail(err) != "bad-token" {
			t.Errorf("an expired token: got %v; want bad-token", err)
		}
	})
}
