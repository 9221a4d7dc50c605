package smart_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/smart"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// both runs a test on a whole hub with SQLite, and with PostgreSQL where a server is named.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, open(t, server.Options{Memory: true})) })
	t.Run("postgres", func(t *testing.T) {
		if os.Getenv("XINGLIN_TEST_POSTGRES") == "" {
			t.Skip("XINGLIN_TEST_POSTGRES names no server")
		}
		test(t, open(t, server.Options{DB: storetest.PostgresURL(t)}))
	})
}

var hubMemory = server.Options{Memory: true}

type world struct {
	*hubtest.Hub
	t    *testing.T
	http *http.Client // follows nothing, has no cookies
}

func open(t *testing.T, o server.Options) *world {
	t.Helper()
	return &world{hubtest.Open(t, o), t, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

const doctor = hubtest.CountyDoctor

const growthScopes = "launch launch/patient launch/encounter openid fhirUser profile offline_access online_access patient/*.cruds user/Practitioner.rs"

// growth is a public app with all that a person may let it do for one patient.
func (w *world) growth() smart.App {
	return w.add(smart.App{Name: "生长曲线", Kind: smart.Public, Redirects: []string{"https://growth.example/back"}, Launch: "https://growth.example/launch", Scopes: strings.Fields(growthScopes)})
}

func (w *world) add(a smart.App) smart.App {
	w.t.Helper()
	a, _, err := w.Smart.Add(w.t.Context(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

const verifier = "the-verifier-of-this-test-is-long-enough-0123456789"

func challenge(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (w *world) request(a smart.App, scope string, change ...string) url.Values {
	q := url.Values{"response_type": {"code"}, "client_id": {a.ID}, "redirect_uri": {a.Redirects[0]}, "scope": {scope}, "state": {"state-0123456789"}, "nonce": {"nonce-0123456789"},
		"aud": {w.URL + "/fhir"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(change); i += 2 {
		q.Del(change[i])
		if change[i+1] != "" {
			q.Set(change[i], change[i+1])
		}
	}
	return q
}

type question struct {
	Location           string
	Scopes, Beyond     []string
	NeedPatient        bool
	Remembered         bool
	Patient, Encounter string
	Status             int
	App                struct{ ID, Name string }
	Body               string
}

func (w *world) ask(as string, q url.Values) (out question) {
	w.t.Helper()
	body, _ := json.Marshal(map[string]string{"query": q.Encode()})
	a := w.Call(as, "POST", "/api/consent", string(body))
	json.Unmarshal(a.Body, &out)
	out.Status, out.Body = a.Status, string(a.Body)
	return out
}

// decide says yes and returns the parameters with which the browser goes back, and the status where it does not.
func (w *world) decide(as string, q url.Values, patient string, scopes ...string) (url.Values, int) {
	w.t.Helper()
	asked := w.ask(as, q)
	if scopes == nil {
		scopes = asked.Scopes
	}
	body, _ := json.Marshal(map[string]any{"query": q.Encode(), "allow": true, "scopes": scopes, "patient": patient})
	a := w.Call(as, "POST", "/api/consent/decide", string(body))
	var out struct{ Location string }
	json.Unmarshal(a.Body, &out)
	u, err := url.Parse(out.Location)
	if err != nil {
		w.t.Fatal(err)
	}
	if a.Status != 200 {
		w.t.Logf("decide: %d %s", a.Status, a.Body)
	}
	return u.Query(), a.Status
}

// token asks the token endpoint.
func (w *world) token(form url.Values, header ...string) (int, map[string]any) {
	w.t.Helper()
	return w.post("/oauth/token", form, header...)
}

func (w *world) post(path string, form url.Values, header ...string) (int, map[string]any) {
	w.t.Helper()
	status, body := w.send("POST", path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
	out := map[string]any{}
	json.Unmarshal([]byte(body), &out)
	return status, out
}

func (w *world) send(method, path, body string, header ...string) (int, string) {
	w.t.Helper()
	res := w.do(method, path, body, header...)
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (w *world) do(method, path, body string, header ...string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequest(method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func codeForm(a smart.App, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.Redirects[0]}, "client_id": {a.ID}, "code_verifier": {verifier}}
}

// letIn is the whole way of a standalone launch.
func (w *world) letIn(as string, a smart.App, scope, patient string) map[string]any {
	w.t.Helper()
	back, status := w.decide(as, w.request(a, scope), patient)
	if back.Get("code") == "" {
		w.t.Fatalf("no code: %d %v", status, back)
	}
	status, tokens := w.token(codeForm(a, back.Get("code")))
	if status != 200 {
		w.t.Fatalf("no token: %d %v", status, tokens)
	}
	return tokens
}

func text(v any) string { s, _ := v.(string); return s }

// fhir asks as the bearer of a token.
func (w *world) fhir(token, method, path, body string) (int, string) {
	w.t.Helper()
	header := []string{"Authorization", "Bearer " + token}
	if body != "" {
		header = append(header, "Content-Type", "application/fhir+json")
	}
	return w.send(method, path, body, header...)
}

// works says whether a token still opens something.
func (w *world) works(token string) bool {
	w.t.Helper()
	status, _ := w.fhir(token, "GET", "/fhir/Patient", "")
	return status == 200
}

// patients are two whom the account sees, with a result each, in the order of their ids; made once.
func (w *world) patients(as string) (one, two string) {
	w.t.Helper()
	var ids []string
	for i := range 2 {
		id := "smart-" + as + "-" + string(rune('a'+i))
		if w.Call(as, "GET", "/fhir/Patient/"+id, "").Status != 200 {
			for _, r := range []string{`Patient/` + id + `|{"resourceType":"Patient","id":"` + id + `","gender":"male","birthDate":"1956-03-01","name":[{"text":"张三"}]}`,
				`Observation/` + id + `|{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"text":"血压"},"subject":{"reference":"Patient/` + id + `"}}`} {
				at, body, _ := strings.Cut(r, "|")
				if got := w.Call(as, "PUT", "/fhir/"+at, body); got.Status != 201 {
					w.t.Fatalf("%s: %d %s", at, got.Status, got.Body)
				}
			}
		}
		ids = append(ids, "Patient/"+id)
	}
	return ids[0], ids[1]
}

// hidden is a patient whom the account does not see.
func (w *world) hidden(as string) string {
	w.t.Helper()
	for _, p := range w.Region.Patients {
		if ref := "Patient/" + p.ID; w.Call(as, "GET", "/fhir/"+ref, "").Status == 404 {
			return ref
		}
	}
	w.t.Fatalf("%s sees everybody", as)
	return ""
}
