package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// office is the administration's part of a hub, over HTTP.
type office struct {
	t        *testing.T
	store    *store.Store
	identity *identity.Service
	tree     *access.Tree
	book     *audit.Book
	business *clock.Turned
	jobs     *job.Runner
	url      string
}

const password = "Xinglin-demo-1"

func openOffice(t *testing.T) *office { t.Helper(); return openOfficeAs(t, true) }

// openOfficeAs opens it with or without second factors being asked for.
func openOfficeAs(t *testing.T, lenient bool) *office {
	t.Helper()
	ctx := t.Context()
	o := &office{t: t, tree: access.NewTree(), business: clock.At(storetest.Start)}
	migrations := append(append(append(append([]store.Migration{}, identity.Migrations...), audit.Migrations...), event.Migrations...), job.Migrations...)
	o.store = storetest.Memory(t, store.Options{Clock: o.business, Migrations: migrations, Derive: []store.Deriver{o.tree.Derive, access.Derive}})
	var err error
	if o.book, err = audit.Open(o.store, t.TempDir(), o.business); err != nil {
		t.Fatal(err)
	}
	o.identity = identity.New(o.store, o.tree, identity.Options{Clock: o.business, Lenient: lenient, Cost: identity.Cost{Memory: 64, Passes: 1, Threads: 1}, Refuse: api.Refuse,
		Note: func(ctx context.Context, tx *store.Tx, action, what, target string) error {
			return o.book.Write(ctx, tx, audit.Of(ctx, action, what, target))
		}})
	notices := event.NewBook(o.tree.Name)
	hub := event.NewHub(o.store)
	go hub.Run(ctx)
	o.jobs = job.NewRunner(o.store, o.business)
	channels := &api.Channels{Store: o.store, Tree: o.tree, Audit: o.book,
		Dispatcher: &event.Dispatcher{Store: o.store, Book: notices, Sender: event.NewSender("http://hub", nil), Enqueue: job.Enqueue}}
	o.jobs.Handle(event.DeliveryKind, channels.Work())
	mux := http.NewServeMux()
	for _, room := range []interface{ Register(*http.ServeMux) }{
		&api.Auth{Store: o.store, Identity: o.identity, Tree: o.tree, Audit: o.book, Clock: o.business, Hub: api.Words{Zh: "杏林", En: "Xinglin"}},
		&api.Users{Identity: o.identity, Tree: o.tree, Audit: o.book},
		&api.Trail{Store: o.store, Tree: o.tree, Book: o.book},
		&api.Notices{Store: o.store, Book: notices},
		&api.Stream{Store: o.store, Hub: hub, Book: notices, Ends: ctx, Recheck: o.identity.Holds, Beat: 50 * time.Millisecond},
		channels,
	} {
		room.Register(mux)
	}
	server := httptest.NewServer(o.identity.Authenticate(mux))
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	o.url = server.URL
	for _, x := range []struct{ id, parent string }{{"county", ""}, {"township", "county"}, {"centre", ""}} {
		n := fhir.New("Organization", "id", x.id, "name", x.id)
		if x.parent != "" {
			n.Set("partOf.reference", "Organization/"+x.parent)
		}
		o.put(n, "")
	}
	for name, role := range map[string]identity.Role{
		"root": {Role: access.Administrator}, "countyadmin": {Role: access.Administrator, Org: "Organization/county"},
		"doctor": {Role: access.ReferringDoctor, Org: "Organization/township"}, "receiver": {Role: access.ReceivingDoctor, Org: "Organization/centre"},
		"auditor": {Role: access.Auditor, Org: "Organization/county"}, "centreauditor": {Role: access.Auditor, Org: "Organization/centre"},
	} {
		if _, _, err := o.identity.AddUser(ctx, identity.NewUser{ID: "id-" + name, Username: name, Name: name, Password: password, Roles: []identity.Role{role}}); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *office) put(n *fhir.Node, custodian string) {
	o.t.Helper()
	p, err := store.Prepare(n)
	if err != nil {
		o.t.Fatal(err)
	}
	err = o.store.Update(o.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Put(o.t.Context(), store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p, Custodian: custodian})
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// desk is one browser.
type desk struct {
	*office
	client *http.Client
	csrf   string
}

func (o *office) desk() *desk {
	jar, _ := cookiejar.New(nil)
	return &desk{office: o, client: &http.Client{Jar: jar}}
}

func (o *office) as(username string) *desk {
	o.t.Helper()
	d := o.desk()
	if status, body := d.ask("POST", "/api/login", `{"username":"`+username+`","password":"`+password+`"}`); status != 200 {
		o.t.Fatalf("login as %s: got %d %s", username, status, body)
	}
	return d
}

func (d *desk) ask(method, path, body string) (int, string) {
	d.t.Helper()
	r, _ := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if d.csrf != "" {
		r.Header.Set("X-CSRF-Token", d.csrf)
	}
	resp, err := d.client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if strings.HasPrefix(path, "/api/login") && resp.StatusCode == 200 {
		var me struct{ CSRF string }
		json.Unmarshal(b, &me)
		d.csrf = me.CSRF
	}
	if csrf := resp.Header.Get("X-CSRF-Token"); csrf != "" {
		d.csrf = csrf
	}
	return resp.StatusCode, string(b)
}

func (d *desk) expect(rule string, status int, detail, method, path, body string) string {
	d.t.Helper()
	got, answer := d.ask(method, path, body)
	if got != status || detail != "" && !strings.Contains(answer, detail) {
		d.t.Errorf("%s: %s %s got %d %s; want %d %s", rule, method, path, got, answer, status, detail)
	}
	return answer
}

func TestWhoAmI(t *testing.T) {
	o := openOffice(t)
	d := o.desk()
	d.expect("nobody is logged in", 401, "login-required", "GET", "/api/me", "")
	d.expect("a wrong password", 401, "login-failed", "POST", "/api/login", `{"username":"doctor","password":"wrong"}`)
	d.expect("a form is not JSON", 400, "", "POST", "/api/login", `username=doctor`)
	d.expect("the right one", 200, `"institution":{"reference":"Organization/township","display":"township"}`, "POST", "/api/login", `{"username":"doctor","password":"`+password+`"}`)
	d.expect("me", 200, `"roleName":{"zh":"转诊医生","en":"Referring doctor"}`, "GET", "/api/me", "")
	d.expect("lang", 204, "", "POST", "/api/lang", `{"lang":"en"}`)
	d.expect("an unknown language", 422, "unknown-language", "POST", "/api/lang", `{"lang":"fr"}`)
	d.expect("me now", 200, `"lang":"en"`, "GET", "/api/me", "")
	csrf := d.csrf
	d.csrf = ""
	d.expect("no CSRF token", 403, "csrf", "POST", "/api/lang", `{"lang":"zh"}`)
	d.csrf = csrf
	d.expect("a plain password", 422, "password-own-name", "POST", "/api/password", `{"old":"`+password+`","new":"doctor-doctor"}`)
	d.expect("a new password", 204, "", "POST", "/api/password", `{"old":"`+password+`","new":"Another-good-1"}`)
	d.expect("still logged in, with the new CSRF token", 204, "", "POST", "/api/lang", `{"lang":"zh"}`)
	d.expect("logout", 204, "", "POST", "/api/logout", "")
	d.expect("after logout", 401, "login-required", "GET", "/api/me", "")
}

func TestLoginTakesNoSessionFromOutside(t *testing.T) {
	o := openOffice(t)
	r, _ := http.NewRequest("POST", o.url+"/api/login", strings.NewReader(`{"username":"doctor","password":"`+password+`"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Cookie", identity.Cookie+"=planted")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	c := resp.Cookies()
	if len(c) != 2 || c[0].Name != identity.Cookie || c[1].Name != identity.DeviceCookie {
		t.Fatalf("got %v; want the session's cookie and the device's", c)
	}
	for _, c := range c {
		if c.Value == "planted" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("got %v; want a fresh cookie, httpOnly, SameSite=Lax", c)
		}
	}
}

func TestBruteForceIsSlowedDown(t *testing.T) {
	o := openOffice(t)
	for range 5 {
		o.desk().expect("a wrong password", 401, "login-failed", "POST", "/api/login", `{"username":"doctor","password":"wrong"}`)
	}
	r, _ := http.NewRequest("POST", o.url+"/api/login", strings.NewReader(`{"username":"doctor","password":"`+password+`"}`))
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q; want 429 with a wait", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

func TestAdministratorsManageTheirOwnPart(t *testing.T) {
	o := openOffice(t)
	root, county, doctor := o.as("root"), o.as("countyadmin"), o.as("doctor")
	doctor.expect("a doctor does not", 403, "not-administrator", "GET", "/api/admin/users", "")
	o.desk().expect("a stranger does not", 401, "login-required", "GET", "/api/admin/users", "")
	if list := county.expect("the county's list", 200, "doctor", "GET", "/api/admin/users", ""); strings.Contains(list, "receiver") || strings.Contains(list, `"username":"root"`) {
		t.Errorf("the county's list shows others: %s", list)
	}
	created := county.expect("makes a user beneath", 201, `"password":"`, "POST", "/api/admin/users", `{"username":"nurse","name":"护士","roles":[{"role":"referral-office","org":"Organization/township"}]}`)
	county.expect("not at the centre", 403, "outside-your-organisations", "POST", "/api/admin/users", `{"username":"n2","name":"x","roles":[{"role":"referral-office","org":"Organization/centre"}]}`)
	county.expect("not at the hub", 403, "outside-your-organisations", "POST", "/api/admin/users", `{"username":"n3","name":"x","roles":[{"role":"administrator","org":""}]}`)
	county.expect("an unknown role", 422, "unknown-role", "POST", "/api/admin/users", `{"username":"n4","name":"x","roles":[{"role":"boss","org":"Organization/county"}]}`)
	county.expect("an unknown organisation", 403, "outside-your-organisations", "POST", "/api/admin/users", `{"username":"n5","name":"x","roles":[{"role":"leader","org":"Organization/nowhere"}]}`)
	county.expect("does not reset the centre's", 403, "outside-your-organisations", "PATCH", "/api/admin/users/id-receiver", `{"reset":true}`)
	county.expect("nor lift one to the centre", 403, "outside-your-organisations", "PATCH", "/api/admin/users/id-doctor", `{"roles":[{"role":"leader","org":"Organization/centre"}]}`)
	county.expect("nor itself", 422, "not-yourself", "PATCH", "/api/admin/users/id-countyadmin", `{"roles":[{"role":"leader","org":"Organization/county"}]}`)
	doctor.expect("the doctor still works", 200, "", "GET", "/api/me", "")
	county.expect("disables the doctor", 200, `"disabled":true`, "PATCH", "/api/admin/users/id-doctor", `{"disabled":true}`)
	doctor.expect("and the doctor is out", 401, "login-required", "GET", "/api/me", "")
	root.expect("the hub's administrator manages all", 200, `"password":"`, "PATCH", "/api/admin/users/id-receiver", `{"reset":true}`)
	root.expect("an unknown user", 404, "unknown-user", "PATCH", "/api/admin/users/nobody", `{"reset":true}`)

	var made struct{ Password string }
	json.Unmarshal([]byte(created), &made)
	nurse := o.desk()
	nurse.expect("the one-time password", 200, `"mustChangePassword":true`, "POST", "/api/login", `{"username":"nurse","password":"`+made.Password+`"}`)
	nurse.expect("opens nothing else", 403, "password-change-required", "GET", "/api/notices", "")
	nurse.expect("but its change", 204, "", "POST", "/api/password", `{"old":"`+made.Password+`","new":"Another-good-1"}`)
	nurse.expect("and then the rest", 200, "", "GET", "/api/notices", "")
}

func TestTrail(t *testing.T) {
	o := openOffice(t)
	o.put(fhir.New("Patient", "id", "p", "name", fhir.Arr{fhir.Obj{"text", "张三"}}), "Organization/township")
	touch := func(org, target, patient string) {
		t.Helper()
		err := o.book.Read(t.Context(), audit.Entry{Action: "R", What: "read", User: "u", Org: org, Target: target, Patients: []string{patient}})
		if err != nil {
			t.Fatal(err)
		}
	}
	touch("Organization/township", "Observation/ours", "Patient/p")
	touch("Organization/centre", "Observation/theirs", "Patient/p")
	touch("Organization/centre", "Observation/other", "Patient/q")
	county, centre := o.as("auditor"), o.as("centreauditor")
	o.as("doctor").expect("a doctor does not read it", 403, "not-auditor", "GET", "/api/audit", "")
	o.as("countyadmin").expect("nor an administrator", 403, "not-auditor", "GET", "/api/audit", "")
	all := county.expect("the county's own", 200, "Observation/ours", "GET", "/api/audit", "")
	if strings.Contains(all, "Observation/theirs") || strings.Contains(all, "Observation/other") {
		t.Errorf("the county sees the centre's: %s", all)
	}
	county.expect("who looked at our patient, also from outside", 200, "Observation/theirs", "GET", "/api/audit?patient=p", "")
	county.expect("with the name", 200, "张三", "GET", "/api/audit?patient=p", "")
	if got := centre.expect("the centre of a patient of others: only its own", 200, "Observation/theirs", "GET", "/api/audit?patient=Patient/p", ""); strings.Contains(got, "Observation/ours") || strings.Contains(got, "张三") {
		t.Errorf("the centre sees too much: %s", got)
	}
	county.expect("looking stands in the trail", 200, `"what":"audit"`, "GET", "/api/audit", "")
	county.expect("so does a login", 200, `"what":"login"`, "GET", "/api/audit?action=login", "")
	county.expect("a bad date", 400, "bad-date", "GET", "/api/audit?from=yesterday", "")
}

func (o *office) raise(e event.Event) {
	o.t.Helper()
	if err := o.store.Update(o.t.Context(), func(tx *store.Tx) error { return event.Raise(o.t.Context(), tx, e) }); err != nil {
		o.t.Fatal(err)
	}
}

func TestNotices(t *testing.T) {
	o := openOffice(t)
	both := []string{"Organization/township", "Organization/centre"}
	o.raise(event.Event{Kind: "referral.submit", Focus: "Task/1", Patient: "Patient/p", Parties: both, Actor: "Organization/centre", ActBy: storetest.Start.Add(time.Hour), Data: map[string]string{"line": "referral"}})
	o.raise(event.Event{Kind: "referral.accept", Focus: "Task/1", Patient: "Patient/p", Parties: both})
	centre := o.as("receiver")
	got := centre.expect("two, newest first", 200, `"unread":2`, "GET", "/api/notices", "")
	if strings.Contains(got, "Patient") || strings.Index(got, `"seq":2`) > strings.Index(got, `"seq":1`) || !strings.Contains(got, `"mine":true`) {
		t.Errorf("got %s", got)
	}
	centre.expect("older ones", 200, `"notices":[{"seq":1`, "GET", "/api/notices?after=2", "")
	centre.expect("read one", 204, "", "POST", "/api/notices/read", `{"seq":1}`)
	centre.expect("one left", 200, `"unread":1`, "GET", "/api/notices", "")
	for _, who := range []string{"countyadmin", "auditor", "centreauditor"} {
		o.as(who).expect(who+" hears nothing of cases", 200, `{"notices":[],"unread":0}`, "GET", "/api/notices", "")
	}
}

// listens opens a stream; next is the data of what it sends next, "" when it has ended.
func (d *desk) listens(path, last string) (next func() string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	d.t.Cleanup(cancel)
	r, _ := http.NewRequestWithContext(ctx, "GET", d.url+path, nil)
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := d.client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	return func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		return ""
	}
}

func TestStream(t *testing.T) {
	o := openOffice(t)
	ours := []string{"Organization/township"}
	o.raise(event.Event{Kind: "test.first", Parties: ours})
	o.raise(event.Event{Kind: "test.missed", Parties: ours})
	next := o.as("doctor").listens("/api/stream", "1")
	if got := next(); !strings.Contains(got, "test.missed") {
		t.Errorf("resumed: got %s; want what was missed", got)
	}
	o.raise(event.Event{Kind: "test.other", Parties: []string{"Organization/centre"}})
	o.raise(event.Event{Kind: "test.live", Parties: ours})
	if got := next(); !strings.Contains(got, "test.live") {
		t.Errorf("live: got %s; want test.live and nothing of others", got)
	}
	off := true
	if _, _, err := o.identity.ChangeUser(t.Context(), "id-doctor", identity.Change{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "" {
		t.Errorf("after the account was disabled: got %s; want the end of the stream", got)
	}
}

func TestTheStreamGoesOnWhereThePageBegan(t *testing.T) {
	o := openOffice(t)
	ours := []string{"Organization/township"}
	d := o.as("doctor")
	o.raise(event.Event{Kind: "test.before", Parties: ours})
	var me struct{ Events int64 }
	json.Unmarshal([]byte(d.expect("who I am", 200, `"events":1`, "GET", "/api/me", "")), &me)
	o.raise(event.Event{Kind: "test.between", Parties: ours})
	next := d.listens(fmt.Sprintf("/api/stream?after=%d", me.Events), "")
	if got := next(); !strings.Contains(got, "test.between") {
		t.Errorf("between the page and its stream: got %s; want test.between", got)
	}
	resumed := d.listens("/api/stream?after=1", "2")
	o.raise(event.Event{Kind: "test.after", Parties: ours})
	if got := resumed(); !strings.Contains(got, "test.after") {
		t.Errorf("a resumed stream: got %s; want Last-Event-ID to count, not ?after=", got)
	}
	d.expect("not a number", 400, "bad-seq", "GET", "/api/stream?after=x", "")
}

func TestWhoWasAwayForLongIsToldToAskAnew(t *testing.T) {
	o := openOffice(t)
	ours := []string{"Organization/township"}
	d := o.as("doctor")
	for range 101 {
		o.raise(event.Event{Kind: "test.away", Parties: ours})
	}
	for _, c := range []struct{ after, want string }{{"1", "test.away"}, {"0", "{}"}} {
		next := d.listens("/api/stream?after="+c.after, "")
		if got := next(); !strings.Contains(got, c.want) {
			t.Errorf("after %s of 101: got %s; want %s", c.after, got, c.want)
		}
		if c.after == "0" {
			o.raise(event.Event{Kind: "test.back", Parties: []string{"Organization/township", "Practitioner/nobody"}})
			if got := next(); !strings.Contains(got, "test.back") {
				t.Errorf("after the reset: got %s; want test.back and nothing of before", got)
			}
		}
	}
}

func TestAStreamEndsWithTheRoleThatItServes(t *testing.T) {
	o := openOffice(t)
	if _, _, err := o.identity.AddUser(t.Context(), identity.NewUser{ID: "id-both", Username: "both", Name: "both", Password: password, Roles: []identity.Role{
		{Role: access.ReferringDoctor, Org: "Organization/township"}, {Role: access.ReceivingDoctor, Org: "Organization/centre"}}}); err != nil {
		t.Fatal(err)
	}
	d := o.as("both")
	var me struct {
		Role  struct{ ID string }
		Roles []struct{ ID string }
	}
	json.Unmarshal([]byte(d.expect("two roles", 200, "", "GET", "/api/me", "")), &me)
	next := d.listens("/api/stream", "")
	other := me.Roles[0].ID
	if other == me.Role.ID {
		other = me.Roles[1].ID
	}
	d.expect("the other role", 200, "", "POST", "/api/role", `{"id":"`+other+`"}`)
	if got := next(); got != "" {
		t.Errorf("after the role was changed: got %s; want the end of the stream", got)
	}
}

func TestChannels(t *testing.T) {
	var posted []string
	status := 500
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posted = append(posted, string(b))
		w.WriteHeader(status)
	}))
	defer gateway.Close()
	o := openOffice(t)
	county := o.as("countyadmin")
	county.expect("not to anywhere", 422, "host-not-allowed", "POST", "/api/admin/channels", `{"org":"Organization/county","kind":"webhook","url":"http://10.1.2.3/x"}`)
	county.expect("not for others", 403, "outside-your-organisations", "POST", "/api/admin/channels", `{"org":"Organization/centre","kind":"webhook","url":"`+gateway.URL+`"}`)
	o.as("doctor").expect("not by a doctor", 403, "not-administrator", "GET", "/api/admin/channels", "")
	made := county.expect("makes one and is told the secret once", 201, `"secret":"`, "POST", "/api/admin/channels", `{"org":"Organization/county","kind":"wecom","url":"`+gateway.URL+`"}`)
	var channel struct{ ID, Secret string }
	json.Unmarshal([]byte(made), &channel)
	if list := county.expect("the list", 200, channel.ID, "GET", "/api/admin/channels", ""); strings.Contains(list, channel.Secret) {
		t.Error("the secret is shown again")
	}
	o.raise(event.Event{Kind: "referral.late", Focus: "Task/1", Patient: "Patient/p", Parties: []string{"Organization/county"}, Actor: "Organization/county", ActBy: storetest.Start, Data: map[string]string{"line": "referral"}})
	d := (&event.Dispatcher{Store: o.store, Sender: event.NewSender("", nil), Enqueue: job.Enqueue})
	if err := d.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		if _, err := o.jobs.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.business.Turn(3 * time.Hour)
	}
	if len(posted) != 10 || !strings.Contains(posted[0], `"msgtype":"text"`) || strings.Contains(posted[0], "Patient") {
		t.Errorf("got %d posts, first %v; want 10 tries in the form of 企业微信", len(posted), posted[:min(1, len(posted))])
	}
	county.expect("the dead letter is visible", 200, `"dead":1`, "GET", "/api/admin/channels", "")
	county.expect("a test that fails says why", 502, "channel-failed", "POST", "/api/admin/channels/"+channel.ID+"/test", "")
	status = 200
	county.expect("a test that works", 204, "", "POST", "/api/admin/channels/"+channel.ID+"/test", "")
}
