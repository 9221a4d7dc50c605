package identity_test

import (
	"encoding/base32"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func administrator(org string) []identity.Role {
	return []identity.Role{{Role: access.Administrator, Org: org}}
}

func (h house) code(secret string) string {
	code, err := totp.GenerateCode(secret, h.wall.Now())
	if err != nil {
		panic(err)
	}
	return code
}

// enrolled is an account with an authenticator; the recovery codes come back too.
func (h house) enrolled(t *testing.T, username string, roles []identity.Role) (secret string, recovery []string) {
	t.Helper()
	h.add(t, identity.NewUser{Username: username, Password: right, Roles: roles})
	se, err := h.Login(ctx, username, right, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	e, err := h.NewTOTP(ctx, se.User)
	if err != nil {
		t.Fatal(err)
	}
	recovery, err = h.ConfirmTOTP(ctx, se, e.ID, "手机", h.code(e.Secret))
	if err != nil || len(recovery) != 10 {
		t.Fatalf("got %d recovery codes, %v; want 10", len(recovery), err)
	}
	h.wall.Turn(30 * time.Second)
	return e.Secret, recovery
}

// The vectors of RFC 6238, appendix B, for SHA-1, cut to six digits.
func TestTOTPByItsStandard(t *testing.T) {
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		got, err := totp.GenerateCodeCustom(secret, time.Unix(at, 0), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil || got != want {
			t.Errorf("at %d: got %s, %v; want %s", at, got, err, want)
		}
	}
}

func TestSecondStepByCode(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		secret, recovery := h.enrolled(t, "lin", doctor("Organization/county"))
		enter := func() string {
			t.Helper()
			e, err := h.Enter(ctx, "lin", right, home)
			if err != nil || e.Ticket == "" || e.Session.Secret != "" || strings.Join(e.Ways, " ") != "totp recovery" {
				t.Fatalf("got %v, ticket %q, session %q, ways %v; want a ticket and no session", err, e.Ticket, e.Session.Secret, e.Ways)
			}
			return e.Ticket
		}
		ticket := enter()
		if _, err := h.Login(ctx, "lin", right, "10.0.0.1"); detail(err) != "second-factor-required" {
			t.Errorf("one step alone: got %v; want second-factor-required", err)
		}
		if _, err := h.Second(ctx, ticket, "000000", home); detail(err) != "wrong-code" {
			t.Errorf("a wrong code: got %v; want wrong-code", err)
		}
		if _, err := h.Second(ctx, "made-up", h.code(secret), home); detail(err) != "login-expired" {
			t.Errorf("a made-up ticket: got %v; want login-expired", err)
		}
		code := h.code(secret)
		e, err := h.Second(ctx, ticket, code, home)
		if err != nil || !e.Session.Strong || !e.Session.Caller.Strong || e.Session.How != "password totp" {
			t.Fatalf("got %+v, %v; want a strong session", e.Session, err)
		}
		if _, err := h.Second(ctx, ticket, h.code(secret), home); detail(err) != "login-expired" {
			t.Errorf("the ticket again: got %v; want login-expired", err)
		}
		if _, err := h.Second(ctx, enter(), code, home); detail(err) != "wrong-code" {
			t.Errorf("the same code in its own time: got %v; want wrong-code", err)
		}
		early := h.code(secret)
		h.wall.Turn(30 * time.Second)
		if _, err := h.Second(ctx, enter(), h.code(secret), home); err != nil {
			t.Errorf("the next code: got %v; want success", err)
		}
		if _, err := h.Second(ctx, enter(), early, home); detail(err) != "wrong-code" {
			t.Errorf("an earlier code after a later one: got %v; want wrong-code", err)
		}
		e, err = h.Second(ctx, enter(), strings.ToUpper(recovery[0]), home)
		if err != nil || e.Session.How != "password recovery" {
			t.Errorf("a recovery code: got %v; want success", err)
		}
		if _, err := h.Second(ctx, enter(), recovery[0], home); detail(err) != "wrong-code" {
			t.Errorf("the recovery code again: got %v; want wrong-code", err)
		}
		old := enter()
		h.wall.Turn(6 * time.Minute)
		if _, err := h.Second(ctx, old, h.code(secret), home); detail(err) != "login-expired" {
			t.Errorf("a ticket of six minutes: got %v; want login-expired", err)
		}
		late := enter()
		for range 5 {
			h.Second(ctx, late, "000000", home)
		}
		if _, err := h.Second(ctx, late, h.code(secret), home); detail(err) != "too-many-attempts" {
			t.Errorf("the right code after guessing: got %v; want too-many-attempts", err)
		}
	})
}

func TestAdministratorsNeedASecondFactor(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.add(t, identity.NewUser{Username: "boss", Password: right, Roles: append(doctor("Organization/county"), administrator("")...)})
		se, err := h.Login(ctx, "boss", right, "10.0.0.1")
		if err != nil || !se.Enrol {
			t.Fatalf("got %v, enrol %v; want a session that may only enrol", err, se.Enrol)
		}
		d := newDoor(t, h)
		cookie := identity.Cookie + "=" + se.Secret
		for url, want := range map[string]int{"/api/me": 200, "/api/me/factors": 200, "/api/step-up": 200, "/api/admin/users": 403, "/fhir/Patient": 403, "/api/role": 403, "/api/mere": 403} {
			if got, _ := d.ask("GET", url, "Cookie", cookie); got != want {
				t.Errorf("%s without a second factor: got %d; want %d", url, got, want)
			}
		}
		if c, err := h.Lasting(ctx, se.Mark()); c != nil || err != nil {
			t.Errorf("an app for such a session: got %v, %v; want nobody", c, err)
		}
		e, err := h.NewTOTP(ctx, se.User)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ConfirmTOTP(ctx, se, e.ID, "", "000000"); detail(err) != "wrong-code" {
			t.Errorf("a wrong first code: got %v; want wrong-code", err)
		}
		if got, _ := d.ask("GET", "/fhir/Patient", "Cookie", cookie); got != 403 {
			t.Errorf("not yet confirmed: got %d; want 403", got)
		}
		other := h.add(t, identity.NewUser{Username: "thief", Password: right, Roles: doctor("Organization/county")})
		thief, _ := h.Login(ctx, other.Username, right, "10.0.0.6")
		if _, err := h.ConfirmTOTP(ctx, thief, e.ID, "", h.code(e.Secret)); detail(err) != "unknown-factor" {
			t.Errorf("another's authenticator: got %v; want unknown-factor", err)
		}
		if _, err := h.ConfirmTOTP(ctx, se, e.ID, "", h.code(e.Secret)); err != nil {
			t.Fatal(err)
		}
		if got, _ := d.ask("GET", "/fhir/Patient", "Cookie", cookie); got != 200 {
			t.Errorf("with it: got %d; want 200", got)
		}
		list, left, err := h.Factors(ctx, se.User.ID)
		if err != nil || len(list) != 1 || left != 10 {
			t.Fatalf("got %v, %d, %v; want one factor and ten codes", list, left, err)
		}
		if err := h.RemoveFactor(ctx, se.User, list[0].ID); detail(err) != "last-factor" {
			t.Errorf("remove the last: got %v; want last-factor", err)
		}
		if err := h.ResetFactors(ctx, se.User.ID); err != nil {
			t.Fatal(err)
		}
		if got, _ := d.ask("GET", "/api/me", "Cookie", cookie); got != 401 {
			t.Errorf("after a reset of the factors: got %d; want the session over", got)
		}
		if se, err = h.Login(ctx, "boss", right, "10.0.0.1"); err != nil || !se.Enrol {
			t.Errorf("after the reset: got %v; want to enrol anew", err)
		}
	})
}

func TestSensitiveActsNeedAFreshProof(t *testing.T) {
	h := open(t, storetest.Memory)
	secret, _ := h.enrolled(t, "lin", doctor("Organization/county"))
	entry, err := h.Enter(ctx, "lin", right, home)
	if err != nil {
		t.Fatal(err)
	}
	if entry, err = h.Second(ctx, entry.Ticket, h.code(secret), home); err != nil {
		t.Fatal(err)
	}
	se := entry.Session
	proved := func() string {
		return detail(h.Proved(identity.WithSession(ctx, &se)))
	}
	if got := proved(); got != "" {
		t.Errorf("at once: got %q; want it enough", got)
	}
	h.wall.Turn(10 * time.Minute)
	if got := proved(); got != "step-up-required" {
		t.Errorf("ten minutes later: got %q; want step-up-required", got)
	}
	if err := h.Prove(ctx, se, right, ""); detail(err) != "wrong-code" {
		t.Errorf("the password where there is a second factor: got %v; want wrong-code", err)
	}
	if err := h.Prove(ctx, se, "", h.code(secret)); err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, h)
	if got, _ := d.ask("GET", "/", "Cookie", identity.Cookie+"="+se.Secret); got != 200 {
		t.Fatal(got)
	}
	fresh := resumed(t, h, se.Secret)
	if detail(h.Proved(identity.WithSession(ctx, fresh))) != "" {
		t.Error("after the proof: want it enough")
	}
}

func TestSecondFactorsAreSealed(t *testing.T) {
	h := open(t, storetest.Memory)
	secret, recovery := h.enrolled(t, "lin", doctor("Organization/county"))
	var all strings.Builder
	for _, q := range []string{"SELECT data FROM identity_factor", "SELECT hash FROM identity_recovery", "SELECT hash FROM identity_device", "SELECT data FROM identity_ceremony"} {
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
	raw, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	for _, s := range []string{secret, string(raw), recovery[0], strings.ReplaceAll(recovery[0], "-", "")} {
		if strings.Contains(all.String(), s) {
			t.Errorf("a secret stands in the tables: %q", s)
		}
	}
}

func TestLoginsAreListedAndEnded(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		u := h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: doctor("Organization/county")})
		other := h.add(t, identity.NewUser{Username: "wu", Password: right, Roles: doctor("Organization/county")})
		desk := identity.Visit{Remote: "10.0.0.1", Agent: "Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 Chrome/109.0.0.0 Safari/537.36"}
		first, err := h.Enter(ctx, "lin", right, desk)
		if err != nil {
			t.Fatal(err)
		}
		if news, _ := h.Strangers(ctx, first.Session); len(news) != 0 {
			t.Errorf("the first device ever: got %v; want no news", news)
		}
		h.wall.Turn(time.Minute)
		second, err := h.Enter(ctx, "lin", right, identity.Visit{Remote: "203.0.113.9", Agent: "<script>alert(1)</script> Firefox/99999999"})
		if err != nil {
			t.Fatal(err)
		}
		list, err := h.Logins(ctx, u.ID, &first.Session)
		if err != nil || len(list) != 2 || list[0].Mine || !list[1].Mine || list[1].Agent != "Chrome 109 · Windows 7" || list[0].Agent != "Firefox" {
			t.Fatalf("got %+v, %v; want two, the other one first", list, err)
		}
		if news, _ := h.Strangers(ctx, second.Session); len(news) != 0 {
			t.Errorf("the new device itself: got %v; want no news", news)
		}
		news, err := h.Strangers(ctx, first.Session)
		if err != nil || len(news) != 1 || news[0].Remote != "203.0.113.9" {
			t.Fatalf("got %v, %v; want news of the login elsewhere", news, err)
		}
		if err := h.Seen(ctx, second.Session); err != nil {
			t.Fatal(err)
		}
		if news, _ := h.Strangers(ctx, first.Session); len(news) != 1 {
			t.Error("the stranger himself says that it was he, and the owner is not told any more")
		}
		if err := h.Seen(ctx, first.Session); err != nil {
			t.Fatal(err)
		}
		if news, _ := h.Strangers(ctx, first.Session); len(news) != 0 {
			t.Errorf("once seen: got %v; want no news", news)
		}
		if err := h.EndLogin(ctx, other.ID, list[0].ID, nil); detail(err) != "unknown-session" {
			t.Errorf("another's session: got %v; want unknown-session", err)
		}
		d := newDoor(t, h)
		on := func(se identity.Session) bool {
			got, _ := d.ask("GET", "/", "Cookie", identity.Cookie+"="+se.Secret)
			return got == 200
		}
		if err := h.EndLogin(ctx, u.ID, list[0].ID, &first.Session); err != nil || on(second.Session) || !on(first.Session) {
			t.Errorf("end one: got %v, other on: %v, own on: %v", err, on(second.Session), on(first.Session))
		}
		third, _ := h.Enter(ctx, "lin", right, desk)
		if err := h.EndLogin(ctx, u.ID, "", &third.Session); err != nil || on(first.Session) || !on(third.Session) {
			t.Errorf("end all others: got %v", err)
		}
		for range 5 {
			h.wall.Turn(time.Second)
			if _, err := h.Enter(ctx, "lin", right, desk); err != nil {
				t.Fatal(err)
			}
		}
		if on(third.Session) {
			t.Error("the sixth login at once: want the oldest ended")
		}
	})
}

// resumed is the session as the door finds it.
func resumed(t *testing.T, h house, secret string) *identity.Session {
	t.Helper()
	var found *identity.Session
	d := door{t, h.Authenticate(catch(&found))}
	d.ask("GET", "/", "Cookie", identity.Cookie+"="+secret)
	if found == nil {
		t.Fatal("no session")
	}
	return found
}
