package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// is names the roles of an account that hold now.
func (h house) is(t *testing.T, username string) string {
	t.Helper()
	u, err := h.UserNamed(ctx, username)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range u.Roles {
		if r.At(h.business.Now()) {
			list = append(list, string(r.Role)+"@"+strings.TrimPrefix(r.Org, "Organization/"))
		}
	}
	return strings.Join(list, " ")
}

func TestRolesFollowTheRegister(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		w := openWard(t, with)
		expect := func(rule, want string) {
			t.Helper()
			if got := w.is(t, "wu"); got != want {
				t.Errorf("%s: got %q; want %q", rule, got, want)
			}
		}
		expect("at first", "referring-doctor@centre")
		day := func(d int) string { return storetest.Start.AddDate(0, 0, d).In(w.store.Zone()).Format("2006-01-02") }
		w.post(t, "dispatch", "wu", "county", "receiving-doctor", day(1), day(3))
		expect("a dispatch that has not begun", "referring-doctor@centre")
		w.business.Turn(24 * time.Hour)
		expect("on its first day", "referring-doctor@centre receiving-doctor@county")
		w.wall.Turn(24 * time.Hour)

		hash := w.Hash(right)
		set := func(sql string, args ...any) {
			t.Helper()
			err := w.store.Update(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, sql, args...); return err })
			if err != nil {
				t.Fatal(err)
			}
		}
		set(`UPDATE identity_user SET password = ? WHERE username = 'wu'`, hash)
		se, err := w.Login(ctx, "wu", right, "10.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if se, err = w.SwitchRole(ctx, se, "PractitionerRole/dispatch#receiving-doctor"); err != nil || se.Caller.Org != "Organization/county" {
			t.Fatalf("switch to the host: got %v, %v", se.Caller, err)
		}
		d := newDoor(t, w.house)
		cookie := identity.Cookie + "=" + se.Secret
		if got, body := d.ask("GET", "/", "Cookie", cookie); got != 200 || !strings.Contains(body, "county") {
			t.Errorf("while it lasts: got %d %s", got, body)
		}
		n := post("dispatch", "wu", "county", "receiving-doctor", day(1), day(3))
		n.Set("active", false)
		w.put(t, n)
		if got, _ := d.ask("GET", "/", "Cookie", cookie); got != 401 {
			t.Errorf("at once after the post was ended: got %d; want 401", got)
		}
		expect("ended early", "referring-doctor@centre")
		w.post(t, "dispatch", "wu", "county", "receiving-doctor", day(1), day(3))
		if got, _ := d.ask("GET", "/", "Cookie", cookie); got != 200 {
			t.Errorf("given again: got %d; want 200", got)
		}
		begin := storetest.Start.In(w.store.Zone())
		end := time.Date(begin.Year(), begin.Month(), begin.Day()+4, 0, 0, 0, 0, begin.Location())
		w.business.Turn(end.Sub(w.business.Now()) - time.Minute)
		expect("in the last minute of the last day", "referring-doctor@centre receiving-doctor@county")
		w.business.Turn(2 * time.Minute)
		if got, _ := d.ask("GET", "/", "Cookie", cookie); got != 401 {
			t.Errorf("the day after: got %d; want 401", got)
		}
		expect("the day after", "referring-doctor@centre")
		err = w.store.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Put(ctx, store.Put{Op: store.Delete, Type: "PractitionerRole", ID: "wu-centre"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		expect("deleted from the register", "")
	})
}

func TestTheRegisterMakesNoAdministrator(t *testing.T) {
	w := openWard(t, storetest.Memory)
	for _, role := range []string{"administrator", "auditor", "program", "patient", "boss"} {
		w.post(t, "bad", "wu", "centre", role, "", "")
		if got := w.is(t, "wu"); got != "referring-doctor@centre" {
			t.Errorf("%s by the register: got %q; want nothing new", role, got)
		}
	}
	n := post("bad", "wu", "centre", "leader", "", "")
	n.Set("code[0].coding[0].system", "https://elsewhere.example/roles")
	w.put(t, n)
	if got := w.is(t, "wu"); got != "referring-doctor@centre" {
		t.Errorf("a code of another system: got %q; want nothing new", got)
	}
}

func TestAnOldDatabaseIsReadOnce(t *testing.T) {
	w := openWard(t, storetest.Memory)
	err := w.store.Update(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, `DELETE FROM identity_post`); return err })
	if err != nil {
		t.Fatal(err)
	}
	if got := w.is(t, "wu"); got != "" {
		t.Fatalf("got %q; want none yet", got)
	}
	if err := w.Build(ctx); err != nil {
		t.Fatal(err)
	}
	if got := w.is(t, "wu"); got != "referring-doctor@centre" {
		t.Errorf("got %q; want the register's", got)
	}
}

func TestNobodyAppointsHimself(t *testing.T) {
	w := openWard(t, storetest.Memory)
	guard := identity.Guard(func() *identity.Service { return w.Service })
	chief := &access.Caller{User: "u", Practitioner: "Practitioner/wu", Role: access.Administrator, Org: "Organization/centre"}
	mine, theirs := post("x", "wu", "centre", "leader", "", ""), post("x", "lin", "centre", "leader", "", "")
	for _, c := range []struct {
		rule   string
		by     *access.Caller
		before *fhir.Node
		after  *fhir.Node
		want   string
	}{
		{"himself", chief, nil, mine, "not-yourself"},
		{"another", chief, nil, theirs, ""},
		{"his own post turned to another", chief, mine, theirs, "not-yourself"},
		{"another's turned to himself", chief, theirs, mine, "not-yourself"},
		{"his own taken away", chief, mine, nil, "not-yourself"},
		{"the program itself", nil, nil, mine, ""},
	} {
		at := ctx
		if c.by != nil {
			at = access.With(ctx, c.by)
		}
		if err := guard(at, store.Put{Type: "PractitionerRole", Resource: store.Prepared{Node: c.after}}, c.before); detail(err) != c.want {
			t.Errorf("%s: got %q; want %q", c.rule, detail(err), c.want)
		}
	}
}

func TestASecondAdministratorConfirms(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		as := func(u identity.User) *access.Caller {
			return &access.Caller{User: u.ID, Role: access.Administrator, Org: "Organization/county", Institution: "Organization/county"}
		}
		first := h.add(t, identity.NewUser{Username: "first", Roles: administrator("Organization/county")})
		doc := h.add(t, identity.NewUser{Username: "doc", Password: right, Roles: doctor("Organization/county")})
		promote := func(by identity.User) identity.User {
			t.Helper()
			roles := append(doctor("Organization/county"), administrator("Organization/county")...)
			u, _, err := h.ChangeUser(access.With(ctx, as(by)), doc.ID, identity.Change{Roles: &roles})
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		if u := promote(first); len(u.Roles) != 2 {
			t.Errorf("where there is one administrator only: got %v; want the second at once", u.Roles)
		}
		back := doctor("Organization/county")
		if _, _, err := h.ChangeUser(ctx, doc.ID, identity.Change{Roles: &back}); err != nil {
			t.Fatal(err)
		}
		second := h.add(t, identity.NewUser{Username: "second", Roles: administrator("Organization/county")})
		if u := promote(first); len(u.Roles) != 1 {
			t.Errorf("where there are two: got %v; want it to wait", u.Roles)
		}
		promote(first)
		waiting, err := h.Requests(ctx)
		if err != nil || len(waiting) != 1 || waiting[0].User != doc.ID || waiting[0].By != first.ID {
			t.Fatalf("got %v, %v; want one request, asked twice", waiting, err)
		}
		id := waiting[0].ID
		for _, by := range []identity.User{first, doc} {
			if _, err := h.Confirm(access.With(ctx, as(by)), id, true); detail(err) != "second-administrator" {
				t.Errorf("confirmed by %s: got %v; want second-administrator", by.Username, err)
			}
		}
		if _, err := h.Confirm(access.With(ctx, as(second)), id, true); err != nil {
			t.Fatal(err)
		}
		if got := h.is(t, "doc"); got != "referring-doctor@county administrator@county" {
			t.Errorf("confirmed: got %q", got)
		}
		if _, err := h.Confirm(access.With(ctx, as(second)), id, true); detail(err) != "unknown-request" {
			t.Errorf("confirmed twice: got %v; want unknown-request", err)
		}
		u, _, err := h.AddUser(access.With(ctx, as(first)), identity.NewUser{Username: "fourth", Name: "丁", Roles: administrator("Organization/county")})
		if err != nil || len(u.Roles) != 0 {
			t.Errorf("a new account as administrator: got %v, %v; want it to wait", u.Roles, err)
		}
		h.wall.Turn(8 * 24 * time.Hour)
		if waiting, _ := h.Requests(ctx); len(waiting) != 0 {
			t.Errorf("after eight days: got %v; want none", waiting)
		}
	})
}
