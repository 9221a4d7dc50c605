package smart_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/smart"
)

func TestStandaloneLaunchOpensOnePatient(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		a := w.growth()
		mine, other := w.patients(doctor)
		hidden := w.hidden(doctor)
		q := w.request(a, "openid fhirUser launch/patient patient/*.cruds user/Practitioner.rs")
		if got, status := w.decide(doctor, q, hidden); got.Get("code") != "" || status != 404 {
			t.Errorf("a patient whom he does not see: got %d %v; want 404", status, got)
		}
		if got, status := w.decide(doctor, q, ""); got.Get("code") != "" || status != 422 {
			t.Errorf("no patient: got %d %v; want 422", status, got)
		}
		tokens := w.letIn(doctor, a, q.Get("scope"), mine)
		if text(tokens["patient"]) != strings.TrimPrefix(mine, "Patient/") || tokens["token_type"] != "Bearer" || tokens["refresh_token"] != nil || tokens["need_patient_banner"] != true {
			t.Errorf("got %v; want the patient, Bearer, no refresh token", tokens)
		}
		if n, _ := tokens["expires_in"].(float64); n < 590 || n > 600 {
			t.Errorf("expires_in: got %v; want 600", tokens["expires_in"])
		}
		token := text(tokens["access_token"])
		about := func(p string) string {
			return `{"resourceType":"Observation","status":"final","code":{"text":"身高"},"subject":{"reference":"` + p + `"}}`
		}
		id := strings.TrimPrefix(other, "Patient/")
		for _, c := range []struct {
			rule, method, path, body string
			status                   int
			no                       string // what must not stand in the answer
		}{
			{"his patient", "GET", "/fhir/" + mine, "", 200, ""},
			{"the practitioner himself", "GET", "/fhir/Practitioner", "", 200, ""},
			{"another patient of the doctor", "GET", "/fhir/" + other, "", 404, ""},
			{"his history", "GET", "/fhir/" + other + "/_history", "", 404, ""},
			{"all patients are one", "GET", "/fhir/Patient?_summary=count", "", 200, ""},
			{"search names nobody else", "GET", "/fhir/Patient?_count=100", "", 200, other},
			{"nor by POST", "POST", "/fhir/Patient/_search", "", 200, other},
			{"his compartment", "GET", "/fhir/" + other + "/Observation", "", 200, `"resourceType":"Observation"`},
			{"everything of him", "GET", "/fhir/" + other + "/$everything", "", 404, ""},
			{"everybody's everything", "GET", "/fhir/Patient/$everything", "", 200, other + `"`},
			{"GraphQL", "GET", "/fhir/$graphql?query=" + url.QueryEscape(`{Patient(id:"`+id+`"){id}}`), "", -1, `"id":"` + id},
			{"a batch", "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"` + other + `"}}]}`, 200, `"resourceType":"Patient"`},
			{"the history of the hub", "GET", "/fhir/_history?_count=1000", "", -1, other + `"`},
			{"writes about him", "POST", "/fhir/Observation", about(mine), 201, ""},
			{"writes about another", "POST", "/fhir/Observation", about(other), 422, ""},
			{"writes about nobody", "POST", "/fhir/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, 403, ""},
			{"a new patient", "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"某人"}]}`, 403, ""},
			{"a transaction about another", "POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + about(other) + `,"request":{"method":"POST","url":"Observation"}}]}`, 422, ""},
			{"a transaction that brings its own patient", "POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:0c1c4a3e-6f0b-4b55-9a30-0a5d1d3a2f11","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
				{"resource":` + about("urn:uuid:0c1c4a3e-6f0b-4b55-9a30-0a5d1d3a2f11") + `,"request":{"method":"POST","url":"Observation"}}]}`, 403, ""},
			{"a conditional reference to another", "POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + about("Patient?_id="+id) + `,"request":{"method":"POST","url":"Observation"}}]}`, 422, ""},
			{"a conditional update of another", "PUT", "/fhir/Patient?_id=" + id, `{"resourceType":"Patient","active":false}`, 403, ""},
			{"a conditional delete of another", "DELETE", "/fhir/Patient?_id=" + id, "", -1, ""},
			{"a Subscription", "POST", "/fhir/Subscription", `{"resourceType":"Subscription","status":"requested","reason":"x","criteria":"Patient?","channel":{"type":"websocket"}}`, 403, ""},
			{"a step of a line", "POST", "/fhir/Task/$start", `{"resourceType":"Parameters"}`, 403, ""},
			{"an export", "GET", "/fhir/$export", "", 403, ""},
			{"the page's own API", "GET", "/api/me", "", 403, ""},
			{"and its search for patients", "GET", "/api/patients?q=a", "", 403, ""},
			{"letting another app in", "POST", "/api/consent", `{}`, 403, ""},
		} {
			status, body := w.fhir(token, c.method, c.path, c.body)
			if c.status > 0 && status != c.status || c.status < 0 && status >= 500 {
				t.Errorf("%s: %s %s got %d; want %d\n%.300s", c.rule, c.method, c.path, status, c.status, body)
			}
			if c.no != "" && strings.Contains(body, c.no) {
				t.Errorf("%s: the answer has %q\n%.600s", c.rule, c.no, body)
			}
		}
		if _, body := w.fhir(token, "GET", "/fhir/Patient?_summary=count", ""); !strings.Contains(body, `"total":1`) {
			t.Errorf("count: got %s; want 1", body)
		}
		if w.Call(doctor, "GET", "/fhir/"+other, "").Status != 200 {
			t.Error("the doctor himself does not see the other patient any more: the conditional delete went through")
		}
	})
}

func TestScopesOfTypesHoldOnEveryHop(t *testing.T) {
	w := open(t, hubMemory)
	a := w.add(smart.App{Name: "检验", Kind: smart.Public, Redirects: []string{"https://lab.example/back"}, Scopes: strings.Fields("user/Observation.rs user/Condition.r openid")})
	mine, _ := w.patients(doctor)
	token := text(w.letIn(doctor, a, "user/Observation.rs user/Condition.r", "")["access_token"])
	for _, c := range []struct {
		rule, path string
		status     int
		no         string
	}{
		{"its type", "/fhir/Observation?_count=5", 200, ""},
		{"another type", "/fhir/" + mine, 403, ""},
		{"another by include", "/fhir/Observation?_include=Observation:subject", 200, `"resourceType":"Patient"`},
		{"another by chain", "/fhir/Observation?subject:Patient.gender=male", 200, `"resourceType":"Observation"`},
		{"another in everything", "/fhir/" + mine + "/$everything", 403, ""},
		{"read only is not search", "/fhir/Condition", 403, ""},
		{"search of all types", "/fhir?_type=Patient,Observation", -1, `"resourceType":"Patient"`},
	} {
		status, body := w.fhir(token, "GET", c.path, "")
		if c.status > 0 && status != c.status || c.no != "" && strings.Contains(body, c.no) {
			t.Errorf("%s: GET %s got %d %.300s; want %d without %q", c.rule, c.path, status, body, c.status, c.no)
		}
	}
	if status, _ := w.fhir(token, "POST", "/fhir/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"`+mine+`"}}`); status != 403 {
		t.Errorf("writing with rs: got %d; want 403", status)
	}
}

func TestGrantedIsWhatThePersonChose(t *testing.T) {
	w := open(t, hubMemory)
	a := w.growth()
	mine, _ := w.patients(doctor)
	q := w.request(a, "openid launch/patient patient/Observation.rs patient/Condition.rs user/Task.cruds patient/Observation.rs?category=laboratory")
	asked := w.ask(doctor, q)
	if !slices.Equal(asked.Beyond, []string{"user/Task.cruds", "patient/Observation.rs?category=laboratory"}) || asked.App.Name != "生长曲线" || !asked.NeedPatient {
		t.Errorf("asked: got %+v", asked)
	}
	if got, status := w.decide(doctor, q, mine, "launch/patient", "patient/*.rs"); status != 422 || got.Get("code") != "" {
		t.Errorf("more than was asked: got %d; want 422", status)
	}
	back, _ := w.decide(doctor, q, mine, "launch/patient", "patient/Observation.rs")
	_, tokens := w.token(codeForm(a, back.Get("code")))
	if tokens["scope"] != "launch/patient patient/Observation.rs" || tokens["id_token"] != nil {
		t.Errorf("got %v; want what was chosen, no id token", tokens)
	}
	if status, _ := w.fhir(text(tokens["access_token"]), "GET", "/fhir/Condition", ""); status != 403 {
		t.Errorf("what was not chosen: got %d; want 403", status)
	}
	body, _ := json.Marshal(map[string]any{"query": q.Encode(), "allow": false})
	if got := w.Call(doctor, "POST", "/api/consent/decide", string(body)); !strings.Contains(string(got.Body), "error=access_denied") || !strings.Contains(string(got.Body), "state=state-0123456789") {
		t.Errorf("no: got %s; want access_denied with the state", got.Body)
	}
}

func TestAnAppForAllOfAPersonsPatients(t *testing.T) {
	w := open(t, hubMemory)
	a := w.add(smart.App{Name: "工作台", Kind: smart.Public, Redirects: []string{"https://desk.example/back"}, Launch: "https://desk.example/launch", Scopes: strings.Fields("launch openid user/Patient.rs patient/Observation.rs")})
	mine, other := w.patients(doctor)
	hidden := w.hidden(doctor)
	for _, c := range []struct {
		scope string
		want  int
	}{{"launch user/Patient.rs", 200}, {"launch user/Patient.rs patient/Observation.rs", 404}} {
		q, _ := w.launch(doctor, a, mine, c.scope)
		back, _ := w.decide(doctor, q, "")
		_, tokens := w.token(codeForm(a, back.Get("code")))
		token := text(tokens["access_token"])
		if status, _ := w.fhir(token, "GET", "/fhir/"+other, ""); status != c.want || tokens["patient"] == nil {
			t.Errorf("%s: another patient of his: got %d %v; want %d", c.scope, status, tokens, c.want)
		}
		if status, _ := w.fhir(token, "GET", "/fhir/"+hidden, ""); status != 404 {
			t.Errorf("%s: a patient whom he does not see: got %d; want 404", c.scope, status)
		}
	}
}

// launch starts an app from the page and returns what the app asks then.
func (w *world) launch(as string, a smart.App, patient, scope string) (url.Values, int) {
	w.t.Helper()
	got := w.Call(as, "POST", "/api/apps/"+a.ID+"/launch", `{"patient":"`+patient+`"}`)
	var out struct{ URL string }
	json.Unmarshal(got.Body, &out)
	u, _ := url.Parse(out.URL)
	if got.Status == 200 && u.Query().Get("iss") != w.URL+"/fhir" {
		w.t.Errorf("iss: got %s", out.URL)
	}
	return w.request(a, scope, "launch", u.Query().Get("launch")), got.Status
}

func TestLaunchFromThePage(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		a := w.growth()
		b := w.add(smart.App{Name: "另一应用", Kind: smart.Public, Redirects: []string{"https://other.example/back"}, Launch: "https://other.example/launch", Scopes: strings.Fields(growthScopes)})
		mine, other := w.patients(doctor)
		if _, status := w.launch(doctor, a, w.hidden(doctor), "launch"); status != 404 {
			t.Errorf("a patient whom he does not see: got %d; want 404", status)
		}
		if got := w.Call("", "POST", "/api/apps/"+a.ID+"/launch", `{"patient":"`+mine+`"}`); got.Status != 401 {
			t.Errorf("nobody launches: got %d; want 401", got.Status)
		}
		q, _ := w.launch(doctor, a, mine, "launch openid patient/*.rs")
		if got := w.ask(doctor, q); got.Patient != mine || got.NeedPatient || got.Remembered {
			t.Errorf("asked: got %+v; want the patient of the launch", got)
		}
		if got := w.ask(hubtest.CentreReceiver, q); got.Status != 400 || !strings.Contains(got.Body, "bad-launch") {
			t.Errorf("another session's launch: got %d %s; want bad-launch", got.Status, got.Body)
		}
		swapped := w.request(b, "launch openid patient/*.rs", "launch", q.Get("launch"))
		if got := w.ask(doctor, swapped); got.Status != 400 || !strings.Contains(got.Body, "bad-launch") {
			t.Errorf("another app's launch: got %d %s; want bad-launch", got.Status, got.Body)
		}
		if _, status := w.decide(doctor, q, other); status != 422 {
			t.Errorf("a swapped patient: got %d; want 422", status)
		}
		back, _ := w.decide(doctor, q, "")
		_, tokens := w.token(codeForm(a, back.Get("code")))
		if "Patient/"+text(tokens["patient"]) != mine || tokens["need_patient_banner"] != false {
			t.Errorf("got %v; want the patient of the launch", tokens)
		}
		if status, _ := w.fhir(text(tokens["access_token"]), "GET", "/fhir/"+other, ""); status != 404 {
			t.Errorf("another patient: got %d; want 404", status)
		}
		if got := w.ask(doctor, q); !strings.Contains(got.Body, "bad-launch") {
			t.Errorf("a second time: got %s; want bad-launch", got.Body)
		}
		if got := w.ask(doctor, w.request(a, "launch patient/*.rs", "launch", "made-up")); !strings.Contains(got.Body, "bad-launch") {
			t.Errorf("a made-up launch: got %s", got.Body)
		}
		again, _ := w.launch(doctor, a, mine, "launch openid patient/Observation.rs")
		if got := w.ask(doctor, again); !got.Remembered {
			t.Errorf("less than before, from the page: got %+v; want nothing to ask", got)
		}
		more, _ := w.launch(doctor, a, mine, "launch openid patient/*.cruds")
		if got := w.ask(doctor, more); got.Remembered {
			t.Error("more than before is asked again")
		}
		wall := clock.At(time.Now())
		w.Smart.Wall = wall
		late, _ := w.launch(doctor, a, mine, "launch openid patient/*.rs")
		wall.Turn(121 * time.Second)
		if got := w.ask(doctor, late); !strings.Contains(got.Body, "bad-launch") {
			t.Errorf("after two minutes: got %s; want bad-launch", got.Body)
		}
	})
}

func TestTheEncounterIsThePatients(t *testing.T) {
	w := open(t, hubMemory)
	a := w.growth()
	mine, other := w.patients(doctor)
	for id, p := range map[string]string{"smart-one": mine, "smart-two": other} {
		body := `{"resourceType":"Encounter","id":"` + id + `","status":"in-progress","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":"` + p + `"}}`
		if got := w.Call(doctor, "PUT", "/fhir/Encounter/"+id, body); got.Status != 201 {
			t.Fatalf("encounter: %d %s", got.Status, got.Body)
		}
	}
	start := func(encounter string) (string, int) {
		got := w.Call(doctor, "POST", "/api/apps/"+a.ID+"/launch", `{"patient":"`+mine+`","encounter":"`+encounter+`"}`)
		var out struct{ URL string }
		json.Unmarshal(got.Body, &out)
		u, _ := url.Parse(out.URL)
		return u.Query().Get("launch"), got.Status
	}
	if _, status := start("Encounter/smart-two"); status != 404 {
		t.Errorf("another patient's encounter: got %d; want 404", status)
	}
	if _, status := start("Encounter/nothing"); status != 404 {
		t.Errorf("no encounter: got %d; want 404", status)
	}
	launch, _ := start("Encounter/smart-one")
	q := w.request(a, "launch patient/*.rs", "launch", launch)
	back, _ := w.decide(doctor, q, "")
	if _, tokens := w.token(codeForm(a, back.Get("code"))); tokens["encounter"] != "smart-one" || "Patient/"+text(tokens["patient"]) != mine {
		t.Errorf("got %v; want the patient and the encounter", tokens)
	}
}

func TestIdentityToken(t *testing.T) {
	w := open(t, hubMemory)
	a := w.growth()
	mine, _ := w.patients(doctor)
	tokens := w.letIn(doctor, a, "openid fhirUser profile launch/patient patient/*.rs", mine)
	_, keys := w.send("GET", "/oauth/jwks", "")
	if strings.Contains(keys, `"d":`) {
		t.Fatal("the private key is published")
	}
	var set jose.JSONWebKeySet
	json.Unmarshal([]byte(keys), &set)
	parsed, err := jwt.ParseSigned(text(tokens["id_token"]))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		jwt.Claims
		Nonce    string `json:"nonce"`
		FHIRUser string `json:"fhirUser"`
		Profile  string `json:"profile"`
		Name     string `json:"name"`
	}
	if err := parsed.Claims(set.Key(parsed.Headers[0].KeyID)[0].Key, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Issuer != w.URL || !claims.Audience.Contains(a.ID) || claims.Nonce != "nonce-0123456789" || !strings.HasPrefix(claims.FHIRUser, w.URL+"/fhir/Practitioner/") || claims.Name == "" || claims.Profile != claims.FHIRUser || parsed.Headers[0].Algorithm != "RS256" {
		t.Errorf("got %+v", claims)
	}
	var config map[string]any
	_, body := w.send("GET", "/.well-known/openid-configuration", "")
	json.Unmarshal([]byte(body), &config)
	if config["issuer"] != claims.Issuer || config["jwks_uri"] != w.URL+"/oauth/jwks" {
		t.Errorf("openid-configuration: got %s", body)
	}
	status, body := w.fhir(text(tokens["access_token"]), "GET", "/oauth/userinfo", "")
	if status != 200 || !strings.Contains(body, claims.FHIRUser) || !strings.Contains(body, claims.Subject) {
		t.Errorf("userinfo: got %d %s", status, body)
	}
	if status, _ := w.fhir("xa_nothing", "GET", "/oauth/userinfo", ""); status != 401 {
		t.Errorf("userinfo of nobody: got %d; want 401", status)
	}
	wall := clock.At(time.Now())
	w.Smart.Wall = wall
	wall.Turn(91 * 24 * time.Hour)
	_, later := w.send("GET", "/oauth/jwks", "")
	var both jose.JSONWebKeySet
	json.Unmarshal([]byte(later), &both)
	if len(both.Keys) != 2 || len(both.Key(set.Keys[0].KeyID)) != 1 {
		t.Errorf("after 91 days: got %s; want a new key and the old one", later)
	}
}

func TestRefresh(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		a := w.growth()
		mine, _ := w.patients(doctor)
		again := func(refresh string, change ...string) (int, map[string]any) {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {a.ID}}
			for i := 0; i+1 < len(change); i += 2 {
				if form.Set(change[i], change[i+1]); change[i+1] == "" {
					form.Del(change[i])
				}
			}
			return w.token(form)
		}
		first := w.letIn(doctor, a, "openid offline_access launch/patient patient/*.rs", mine)
		if status, out := again(text(first["refresh_token"]), "scope", "patient/*.cruds"); status != 400 || out["error"] != "invalid_scope" {
			t.Errorf("more scopes: got %d %v; want invalid_scope", status, out)
		}
		status, second := again(text(first["refresh_token"]))
		if status != 200 || second["scope"] != first["scope"] || second["patient"] != first["patient"] || second["refresh_token"] == first["refresh_token"] || second["id_token"] == nil {
			t.Errorf("refresh: got %d %v", status, second)
		}
		if w.works(text(first["access_token"])) || !w.works(text(second["access_token"])) {
			t.Error("the old access token still works, or the new one does not")
		}
		b := w.add(smart.App{Name: "另一应用", Kind: smart.Public, Redirects: []string{"https://other.example/back"}, Scopes: strings.Fields(growthScopes)})
		if status, _ := again(text(second["refresh_token"]), "client_id", b.ID); status != 400 {
			t.Errorf("another app's refresh token: got %d; want 400", status)
		}
		status, third := again(text(second["refresh_token"]), "client_id", "")
		if status != 200 {
			t.Errorf("a public app that says only its refresh token: got %d %v", status, third)
		}
		second = third
		if status, out := again(text(first["refresh_token"])); status != 400 || out["error"] != "invalid_grant" {
			t.Errorf("a used refresh token: got %d %v; want invalid_grant", status, out)
		}
		if w.works(text(second["access_token"])) {
			t.Error("after reuse the family's access token still works")
		}
		if status, _ := again(text(second["refresh_token"])); status != 400 {
			t.Errorf("after reuse the newest refresh token: got %d; want 400", status)
		}

		online := w.letIn(doctor, a, "openid online_access launch/patient patient/*.rs", mine)
		offline := w.letIn(doctor, a, "openid offline_access launch/patient patient/*.rs", mine)
		if online["refresh_token"] == nil {
			t.Fatalf("online_access gives a refresh token, too: got %v", online)
		}
		w.Call(doctor, "POST", "/api/logout", "")
		if w.works(text(online["access_token"])) || !w.works(text(offline["access_token"])) {
			t.Error("after logout what was online still works, or what is offline does not")
		}
		if status, out := again(text(online["refresh_token"])); status != 400 || out["error"] != "invalid_grant" {
			t.Errorf("after logout: got %d %v; want invalid_grant", status, out)
		}
		status, offline = again(text(offline["refresh_token"]))
		if status != 200 {
			t.Fatalf("offline refresh after logout: got %d %v", status, offline)
		}
		off := true
		u, err := w.Identity.UserNamed(t.Context(), doctor)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Identity.ChangeUser(t.Context(), u.ID, identity.Change{Disabled: &off}); err != nil {
			t.Fatal(err)
		}
		if w.works(text(offline["access_token"])) {
			t.Error("the account is disabled and its app still works")
		}
		if status, _ := again(text(offline["refresh_token"])); status != 400 {
			t.Errorf("of a disabled account: got %d; want 400", status)
		}
	})
}

func TestTokensEndByTheClock(t *testing.T) {
	w := open(t, hubMemory)
	wall := clock.At(time.Now())
	w.Smart.Wall = wall
	a := w.growth()
	mine, _ := w.patients(doctor)
	late, _ := w.decide(doctor, w.request(a, "openid launch/patient patient/*.rs"), mine)
	wall.Turn(61 * time.Second)
	if status, out := w.token(codeForm(a, late.Get("code"))); status != 400 || out["error"] != "invalid_grant" {
		t.Errorf("a code after a minute: got %d %v; want invalid_grant", status, out)
	}
	token := text(w.letIn(doctor, a, "openid launch/patient patient/*.rs", mine)["access_token"])
	if !w.works(token) {
		t.Error("a fresh token does not work")
	}
	wall.Turn(601 * time.Second)
	if w.works(token) {
		t.Error("after ten minutes the token still works")
	}
	if err := w.Smart.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTakenBack(t *testing.T) {
	w := open(t, hubMemory)
	a := w.growth()
	mine, _ := w.patients(doctor)
	tokens := w.letIn(doctor, a, "offline_access launch/patient patient/*.rs", mine)
	if got := w.Call(doctor, "GET", "/api/me/apps", ""); !strings.Contains(string(got.Body), "生长曲线") {
		t.Errorf("my apps: got %s", got.Body)
	}
	if got := w.Call(hubtest.CentreReceiver, "GET", "/api/me/apps", ""); strings.Contains(string(got.Body), "生长曲线") {
		t.Errorf("another's apps: got %s", got.Body)
	}
	if got := w.Call(hubtest.CentreReceiver, "DELETE", "/api/me/apps/"+a.ID, ""); got.Status != 404 || !w.works(text(tokens["access_token"])) {
		t.Errorf("taken back by another: got %d", got.Status)
	}
	if got := w.Call(doctor, "DELETE", "/api/me/apps/"+a.ID, ""); got.Status != 204 || w.works(text(tokens["access_token"])) {
		t.Errorf("taken back: got %d, and the token must not work", got.Status)
	}
	tokens = w.letIn(doctor, a, "offline_access launch/patient patient/*.rs", mine)
	off := true
	if _, _, err := w.Smart.ChangeApp(t.Context(), a.ID, smart.AppChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	if w.works(text(tokens["access_token"])) {
		t.Error("the app is disabled and its token still works")
	}
	if got := w.ask(doctor, w.request(a, "openid")); got.Status != 400 {
		t.Errorf("a disabled app asks: got %d; want 400", got.Status)
	}
}

func TestTheTrailNamesTheApp(t *testing.T) {
	w := open(t, hubMemory)
	a := w.growth()
	mine, _ := w.patients(doctor)
	token := text(w.letIn(doctor, a, "launch/patient patient/*.rs", mine)["access_token"])
	w.fhir(token, "GET", "/fhir/"+mine, "")
	seen := map[string]bool{}
	for _, e := range w.Entries() {
		if e.Client == a.ID || strings.Contains(e.Target, a.ID) {
			seen[e.What] = true
		}
	}
	for _, what := range []string{"app-create", "app-let-in", "token", "read"} {
		if !seen[what] {
			t.Errorf("the trail has no %s with the app; got %v", what, seen)
		}
	}
}

func TestAnAppFindsItsWay(t *testing.T) {
	w := open(t, hubMemory)
	_, statement := w.send("GET", "/fhir/metadata", "")
	for _, want := range []string{`"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"`, w.URL + "/oauth/authorize", w.URL + "/oauth/token", `"SMART-on-FHIR"`, `"cors":true`} {
		if !strings.Contains(statement, want) {
			t.Errorf("the capability statement lacks %s", want)
		}
	}
	for _, path := range []string{"/fhir/.well-known/smart-configuration", "/.well-known/smart-configuration"} {
		_, body := w.send("GET", path, "")
		var c map[string]any
		json.Unmarshal([]byte(body), &c)
		if c["authorization_endpoint"] != w.URL+"/oauth/authorize" || !strings.Contains(body, `"code_challenge_methods_supported":["S256"]`) || !strings.Contains(body, "launch-ehr") {
			t.Errorf("%s: got %s", path, body)
		}
	}
}
