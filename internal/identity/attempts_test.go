package identity_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func at(remote, device string) identity.Visit { return identity.Visit{Remote: remote, Device: device} }

// try enters and says what came of it: "" for success.
func (h house) try(username, password string, v identity.Visit) string {
	_, err := h.Enter(ctx, username, password, v)
	return detail(err)
}

func TestFailuresLockThePlaceAndNotTheOwner(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: doctor("Organization/county")})
		first, err := h.Enter(ctx, "lin", right, at("10.0.0.1", ""))
		if err != nil || first.Device == "" {
			t.Fatalf("got %v, device %q; want a login and a device to be known by", err, first.Device)
		}
		for n := range 5 {
			if got := h.try("lin", "wrong", at(fmt.Sprintf("10.0.0.%d", 50+n), "")); got != "login-failed" {
				t.Fatalf("failure %d: got %s; want login-failed", n, got)
			}
		}
		if got := h.try("lin", right, at("10.0.0.99", "")); got != "too-many-attempts" {
			t.Errorf("the network of the failures, even with the right password: got %q; want too-many-attempts", got)
		}
		if got := h.try("lin", right, at("10.0.0.99", first.Device)); got != "" {
			t.Errorf("the owner at his own device in that network: got %q; want success", got)
		}
		if got := h.try("lin", right, at("10.9.0.1", "")); got != "" {
			t.Errorf("another network: got %q; want success", got)
		}
		again := identity.New(h.store, access.NewTree(), identity.Options{Clock: h.business, Wall: h.wall, Cost: cheap})
		if _, err := again.Enter(ctx, "lin", right, at("10.0.0.99", "")); detail(err) != "too-many-attempts" {
			t.Errorf("after a restart, or in another process: got %v; want too-many-attempts", err)
		}
		h.wall.Turn(10 * time.Minute)
		if got := h.try("lin", "wrong", at("10.0.0.99", "")); got != "login-failed" {
			t.Errorf("after the lock: got %q; want another try", got)
		}
		_, err = h.Enter(ctx, "lin", right, at("10.0.0.99", ""))
		var wait *identity.TooMany
		if !errors.As(err, &wait) || wait.After != 20*time.Minute {
			t.Errorf("the second lock: got %v; want twice as long, 20 minutes", err)
		}
		h.wall.Turn(20 * time.Minute)
		if got := h.try("lin", right, at("10.0.0.99", "")); got != "" {
			t.Errorf("after the second lock: got %q; want success", got)
		}
	})
}

func TestGuessingFromManyNetworksStopsStrangersOnly(t *testing.T) {
	h := open(t, storetest.Memory)
	h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: doctor("Organization/county")})
	first, err := h.Enter(ctx, "lin", right, at("10.0.0.1", ""))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		h.try("lin", "wrong", at(fmt.Sprintf("20.0.%d.1", n), ""))
	}
	if got := h.try("lin", right, at("20.0.200.1", "")); got != "too-many-attempts" {
		t.Errorf("a fresh network after 50 failures: got %q; want too-many-attempts", got)
	}
	if got := h.try("lin", right, at("10.0.0.1", first.Device)); got != "" {
		t.Errorf("the owner meanwhile: got %q; want success", got)
	}
	if got := h.try("lin", right, at("20.0.200.1", first.Device+"x")); got != "too-many-attempts" {
		t.Errorf("a made-up device: got %q; want too-many-attempts", got)
	}
}

func TestAnAddressThatTriesManyAccountsWaits(t *testing.T) {
	h := open(t, storetest.Memory)
	h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: doctor("Organization/county")})
	for n := range 60 {
		h.try(fmt.Sprintf("user%d", n), "wrong", at("10.0.0.9", ""))
	}
	if got := h.try("lin", right, at("10.0.0.9", "")); got != "too-many-attempts" {
		t.Errorf("an address that tried 60 users: got %q; want too-many-attempts", got)
	}
	if got := h.try("lin", right, at("10.0.0.2", "")); got != "" {
		t.Errorf("another address meanwhile: got %q; want success", got)
	}
}

func TestManyGuessesAtOnceCountEach(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: doctor("Organization/county")})
		var mu sync.Mutex
		looked := 0
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				if h.try("lin", "wrong", at("10.0.0.1", "")) == "login-failed" {
					mu.Lock()
					looked++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if looked > 5 {
			t.Errorf("%d of 40 guesses at once were looked at; want at most 5", looked)
		}
	})
}

func TestWorthyPasswords(t *testing.T) {
	h := open(t, storetest.Memory)
	_, once, err := h.AddUser(ctx, identity.NewUser{Username: "zhangwei", Name: "欧阳建国", Roles: doctor("Organization/county")})
	if err != nil {
		t.Fatal(err)
	}
	se, err := h.Login(ctx, "zhangwei", once, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ rule, password, want string }{
		{"too short", "Ab1-x", "password-too-short"},
		{"a run", "abcdefgh12345678", "password-too-plain"},
		{"a row of keys", "Qwertyuiop123!", "password-too-plain"},
		{"a word and a year", "Hospital2026!", "password-too-plain"},
		{"a word with digits for letters", "P4ssw0rd12345", "password-too-plain"},
		{"the user name", "My-ZhangWei-77", "password-own-name"},
		{"the own name", "我是欧阳建国的密码1A", "password-own-name"},
		{"the own name in pinyin", "Ouyangjianguo-8Q", "password-own-name"},
		{"two kinds only", "tangerine-moss", "password-too-few-kinds"},
		{"too long", string(make([]byte, 300)), "password-too-long"},
	} {
		if _, err := h.ChangePassword(ctx, se, once, c.password, home); detail(err) != c.want {
			t.Errorf("%s (%q): got %q; want %q", c.rule, c.password, detail(err), c.want)
		}
	}
	if _, err := h.ChangePassword(ctx, se, once, "a boat under seven bridges", home); err != nil {
		t.Errorf("a long sentence of one kind: got %v; want it taken", err)
	}
}

func TestPasswordsDoNotComeBackAndGrowOld(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.add(t, identity.NewUser{Username: "wangwu", Password: right, Roles: doctor("Organization/county")})
		se, err := h.Login(ctx, "wangwu", right, "10.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		now := right
		change := func(to, want string) {
			t.Helper()
			h.wall.Turn(time.Second)
			fresh, err := h.ChangePassword(ctx, se, now, to, home)
			if detail(err) != want {
				t.Errorf("change to %s: got %q; want %q", to, detail(err), want)
			}
			if err == nil {
				se, now = fresh, to
			}
		}
		for n := range 4 {
			change(fmt.Sprintf("Good-boat-%d%d", n, n+5), "")
		}
		change(right, "password-used-before")
		change("Good-boat-05", "password-used-before")
		change("Good-boat-99", "")
		change(right, "")
		d := newDoor(t, h)
		if got, _ := d.ask("GET", "/fhir/Patient", "Cookie", identity.Cookie+"="+se.Secret); got != 200 {
			t.Fatalf("fresh: got %d; want 200", got)
		}
		h.wall.Turn(91 * 24 * time.Hour)
		old, err := h.Login(ctx, "wangwu", now, "10.0.0.1")
		if err != nil || !old.Aged {
			t.Fatalf("after 91 days: got %v, aged %v; want a login that says so", err, old.Aged)
		}
		if got, _ := d.ask("GET", "/fhir/Patient", "Cookie", identity.Cookie+"="+old.Secret); got != 403 {
			t.Errorf("an outdated password: got %d; want 403", got)
		}
	})
}

func TestRulesAreBounded(t *testing.T) {
	if r := identity.UsualRules(); r.Source == "" || r.Verified {
		t.Errorf("got source %q, verified %v; want a source that nobody has compared yet", r.Source, r.Verified)
	}
	for text, want := range map[string]bool{
		`{"password":{"least":12}}`: true, `{"password":{"least":4}}`: false, `{"session":{"idleMinutes":0}}`: false, `{"attempts":{"tries":1000}}`: false, `{`: false,
	} {
		path := t.TempDir() + "/login-rules.json"
		write(t, path, text)
		r, err := identity.ReadRules(path)
		if (err == nil) != want {
			t.Errorf("%s: got %v; want accepted: %v", text, err, want)
		}
		if want && (r.Password.Least != 12 || r.Password.Kinds != 3) {
			t.Errorf("%s: got %+v; want 12 characters, the rest as usual", text, r.Password)
		}
	}
}
