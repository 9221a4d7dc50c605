package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/xinglin-health/xinglin/internal/identity"
)

// enrols gives the account of a desk an authenticator and returns its secret.
func (d *desk) enrols() (secret string, recovery []string) {
	d.t.Helper()
	var e struct{ ID, Secret string }
	json.Unmarshal([]byte(d.expect("begins an authenticator", 200, `"path":"M`, "POST", "/api/me/factors/totp", "")), &e)
	code, err := totp.GenerateCode(e.Secret, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	var said struct{ Recovery []string }
	json.Unmarshal([]byte(d.expect("confirms it", 200, `"recovery":[`, "POST", "/api/me/factors/totp/confirm", `{"id":"`+e.ID+`","name":"手机","code":"`+code+`"}`)), &said)
	return e.Secret, said.Recovery
}

func TestAnAdministratorEnrolsBeforeAnythingElse(t *testing.T) {
	o := openOfficeAs(t, false)
	d := o.desk()
	d.expect("the doors", 200, `"second":null`, "GET", "/api/login", "")
	d.expect("the password is right", 200, `"mustEnrol":true`, "POST", "/api/login", `{"username":"countyadmin","password":"`+password+`"}`)
	for _, path := range []string{"/api/admin/users", "/api/notices", "/api/audit"} {
		d.expect("nothing else is open", 403, "second-factor-required", "GET", path, "")
	}
	_, recovery := d.enrols()
	d.expect("then everything", 200, `"factors":["totp"]`, "GET", "/api/admin/users", "")
	d.expect("the last one stays", 409, "last-factor", "DELETE", "/api/me/factors/"+factorID(d), "")

	again := o.desk()
	first := again.expect("the next login has two steps", 200, `"second":{"ways":["totp","recovery"]`, "POST", "/api/login", `{"username":"countyadmin","password":"`+password+`"}`)
	if strings.Contains(first, "csrf") || strings.Contains(first, "countyadmin") {
		t.Errorf("the first step says too much: %s", first)
	}
	again.expect("which opens nothing yet", 401, "login-required", "GET", "/api/me", "")
	again.expect("the doors know of it", 200, `"second":{"ways"`, "GET", "/api/login", "")
	again.expect("a wrong code", 401, "wrong-code", "POST", "/api/login/second", `{"code":"000000"}`)
	again.expect("a passkey that is not there", 422, "", "POST", "/api/login/passkey/ask", `{"second":true}`)
	again.expect("a recovery code", 200, `"mustEnrol":false`, "POST", "/api/login/second", `{"code":"`+recovery[0]+`"}`)
	again.expect("opens all", 200, "", "GET", "/api/admin/users", "")
	o.desk().expect("no ticket, no second step", 401, "login-expired", "POST", "/api/login/second", `{"code":"000000"}`)

	d.expect("two logins are listed", 200, `"how":"password recovery"`, "GET", "/api/me/sessions", "")
	d.expect("all others end", 204, "", "DELETE", "/api/me/sessions", "")
	again.expect("and the other is out", 401, "login-required", "GET", "/api/me", "")

	if _, _, err := o.identity.AddUser(t.Context(), identity.NewUser{ID: "id-second", Username: "second", Name: "second", Password: password, Roles: []identity.Role{{Role: "administrator", Org: "Organization/county"}}}); err != nil {
		t.Fatal(err)
	}
	root := o.desk()
	root.expect("another administrator", 200, `"mustEnrol":true`, "POST", "/api/login", `{"username":"second","password":"`+password+`"}`)
	root.enrols()
	root.expect("resets a lost factor", 200, `"username":"countyadmin"`, "PATCH", "/api/admin/users/id-countyadmin", `{"resetFactors":true}`)
	root.expect("but not his own", 422, "not-yourself", "PATCH", "/api/admin/users/id-second", `{"resetFactors":true}`)
	d.expect("whose login is over", 401, "login-required", "GET", "/api/me", "")
	entries := auditWhats(t, o)
	for _, what := range []string{"login", "login-first-step", "factor-add-totp", "recovery-code-used", "session-end", "factor-reset"} {
		if !strings.Contains(entries, " "+what+" ") {
			t.Errorf("the trail lacks %q: %s", what, entries)
		}
	}
}

func factorID(d *desk) string {
	var said struct{ Factors []struct{ ID string } }
	_, body := d.ask("GET", "/api/me/factors", "")
	json.Unmarshal([]byte(body), &said)
	if len(said.Factors) == 0 {
		return "none"
	}
	return said.Factors[0].ID
}

// auditWhats is what stands in the trail, between spaces.
func auditWhats(t *testing.T, o *office) string {
	t.Helper()
	if err := o.book.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader := o.as("auditor")
	if reader.csrf == "" {
		t.Fatal("no auditor")
	}
	reader.enrols()
	_, body := reader.ask("GET", "/api/audit?count=200", "")
	var said struct{ Entries []struct{ What string } }
	json.Unmarshal([]byte(body), &said)
	all := " "
	for _, e := range said.Entries {
		all += e.What + " "
	}
	return all
}

func TestLoginsFromOtherSites(t *testing.T) {
	o := openOffice(t)
	for _, path := range []string{"/api/login", "/api/login/second", "/api/login/passkey", "/api/login/passkey/ask"} {
		for _, head := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			r, _ := http.NewRequest("POST", o.url+path, strings.NewReader(`{"username":"doctor","password":"`+password+`"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set(head[0], head[1])
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 403 || len(resp.Cookies()) > 0 {
				t.Errorf("%s with %v: got %d, cookies %v; want 403 and none", path, head, resp.StatusCode, resp.Cookies())
			}
		}
	}
}

func TestSecondAdministratorsOverHTTP(t *testing.T) {
	o := openOffice(t)
	if _, _, err := o.identity.AddUser(t.Context(), identity.NewUser{ID: "id-second", Username: "second", Name: "second", Password: password, Roles: []identity.Role{{Role: "administrator", Org: "Organization/county"}}}); err != nil {
		t.Fatal(err)
	}
	first, second, centre := o.as("countyadmin"), o.as("second"), o.as("root")
	first.expect("asks for a third", 200, `"username":"doctor"`, "PATCH", "/api/admin/users/id-doctor", `{"roles":[{"role":"referring-doctor","org":"Organization/township"},{"role":"administrator","org":"Organization/county"}]}`)
	list := first.expect("it waits", 200, `"mine":false`, "GET", "/api/admin/users", "")
	id := list[strings.Index(list, `"requests":[{"id":"`)+len(`"requests":[{"id":"`):]
	id = id[:strings.Index(id, `"`)]
	first.expect("who asked does not confirm", 403, "second-administrator", "POST", "/api/admin/requests/"+id, `{"grant":true}`)
	o.as("doctor").expect("nor a doctor", 403, "not-administrator", "POST", "/api/admin/requests/"+id, `{"grant":true}`)
	o.as("auditor").expect("nor an auditor", 403, "not-administrator", "POST", "/api/admin/requests/"+id, `{"grant":true}`)
	second.expect("another does", 200, `"role":"administrator"`, "POST", "/api/admin/requests/"+id, `{"grant":true}`)
	centre.expect("once", 404, "unknown-request", "POST", "/api/admin/requests/"+id, `{"grant":true}`)
	first.expect("his own logins are not another's affair", 200, `"sessions":[`, "GET", "/api/admin/users/id-doctor/sessions", "")
	first.expect("nor the centre's his", 403, "outside-your-organisations", "GET", "/api/admin/users/id-receiver/sessions", "")
	first.expect("nor to end", 403, "outside-your-organisations", "DELETE", "/api/admin/users/id-receiver/sessions", "")
	first.expect("an account for a person who works elsewhere", 422, "bad-practitioner", "POST", "/api/admin/users", `{"username":"x1","name":"x","practitioner":"Patient/1","roles":[]}`)
}
