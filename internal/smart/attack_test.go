package smart_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/smart"
)

func TestRequestsThatAreRefusedBeforeAnybodyIsAsked(t *testing.T) {
	w := open(t, hubMemory)
	a := w.growth()
	local := w.add(smart.App{Name: "本机", Kind: smart.Public, Redirects: []string{"http://127.0.0.1:9999/back"}, Scopes: strings.Fields(growthScopes)})
	backend, _ := w.backend("system/*.rs", "")
	const scope = "openid launch/patient patient/*.rs"
	for _, c := range []struct {
		rule string
		q    url.Values
		want string // in the Location
	}{
		{"all is well", w.request(a, scope), "/consent?"},
		{"no PKCE", w.request(a, scope, "code_challenge", "", "code_challenge_method", ""), "error=invalid_request"},
		{"PKCE without a method is plain", w.request(a, scope, "code_challenge_method", ""), "error=invalid_request"},
		{"PKCE plain", w.request(a, scope, "code_challenge_method", "plain", "code_challenge", verifier), "error=invalid_request"},
		{"a short challenge", w.request(a, scope, "code_challenge", "x"), "error=invalid_request"},
		{"no state", w.request(a, scope, "state", ""), "error=invalid_state"},
		{"a state to be guessed", w.request(a, scope, "state", "1"), "error=invalid_state"},
		{"implicit", w.request(a, scope, "response_type", "token"), "error=unsupported_response_type"},
		{"hybrid", w.request(a, scope, "response_type", "code id_token"), "error=unsupported_response_type"},
		{"fragment", w.request(a, scope, "response_mode", "fragment"), "error=unsupported_response_mode"},
		{"form_post", w.request(a, scope, "response_mode", "form_post"), "error=unsupported_response_mode"},
		{"a request object without a signature", w.request(a, scope, "request", "eyJhbGciOiJub25lIn0.e30."), "error=request_not_supported"},
		{"a request object from elsewhere", w.request(a, scope, "request_uri", "http://169.254.169.254/"), "error=request_not_supported"},
		{"another hub's aud", w.request(a, scope, "aud", "https://other.example/fhir"), "error=invalid_request"},
		{"no aud", w.request(a, scope, "aud", ""), "error=invalid_request"},
		{"no question", w.request(a, scope, "prompt", "none"), "error=interaction_required"},
		{"nothing that it is registered for", w.request(a, "user/Task.cruds system/*.rs"), "error=invalid_scope"},
		{"no scope", w.request(a, ""), "error=invalid_scope"},
		{"launch without a launch", w.request(a, "launch patient/*.rs"), "error=invalid_request"},
		{"a launch without its scope", w.request(a, scope, "launch", "xyz"), "error=invalid_request"},
		{"an unknown app", w.request(a, scope, "client_id", "app-nobody"), "/consent?problem=unknown-app"},
		{"a program's app", w.request(smart.App{ID: backend, Redirects: []string{"https://growth.example/back"}}, scope), "/consent?problem=unknown-app"},
		{"another address", w.request(a, scope, "redirect_uri", "https://evil.example/back"), "/consent?problem=redirect-mismatch"},
		{"a longer address", w.request(a, scope, "redirect_uri", "https://growth.example/back/evil"), "/consent?problem=redirect-mismatch"},
		{"with a query", w.request(a, scope, "redirect_uri", "https://growth.example/back?x=1"), "/consent?problem=redirect-mismatch"},
		{"upper case", w.request(a, scope, "redirect_uri", "https://GROWTH.example/back"), "/consent?problem=redirect-mismatch"},
		{"a user in it", w.request(a, scope, "redirect_uri", "https://growth.example@evil.example/back"), "/consent?problem=redirect-mismatch"},
		{"up and down", w.request(a, scope, "redirect_uri", "https://growth.example/x/../back"), "/consent?problem=redirect-mismatch"},
		{"escaped", w.request(a, scope, "redirect_uri", "https://growth.example/%62ack"), "/consent?problem=redirect-mismatch"},
		{"none", w.request(a, scope, "redirect_uri", ""), "/consent?problem=redirect-mismatch"},
		{"another port of this machine", w.request(local, scope, "redirect_uri", "http://127.0.0.1:1234/back"), "/consent?problem=redirect-mismatch"},
	} {
		for _, method := range []string{"GET", "POST"} {
			var res *http.Response
			if method == "GET" {
				res = w.do("GET", "/oauth/authorize?"+c.q.Encode(), "")
			} else {
				res = w.do("POST", "/oauth/authorize", c.q.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			}
			res.Body.Close()
			at := res.Header.Get("Location")
			if res.StatusCode != 303 || !strings.Contains(at, c.want) {
				t.Errorf("%s by %s: got %d %s; want %s", c.rule, method, res.StatusCode, at, c.want)
			}
			if strings.Contains(c.want, "error=") && (!strings.HasPrefix(at, a.Redirects[0]+"?") || !strings.Contains(at, "iss="+url.QueryEscape(w.URL)) || c.q.Get("state") != "" && !strings.Contains(at, "state="+c.q.Get("state"))) {
				t.Errorf("%s: %s does not go back to the app with state and iss", c.rule, at)
			}
		}
		if got := w.ask(doctor, c.q); c.want != "/consent?" && got.Scopes != nil {
			t.Errorf("%s: the page asks nevertheless: %s", c.rule, got.Body)
		}
		if c.want != "/consent?" {
			if got, _ := w.decide(doctor, c.q, "", "openid"); got.Get("code") != "" {
				t.Errorf("%s: a code was given nevertheless", c.rule)
			}
		}
	}
	twice := w.request(a, scope).Encode()
	for _, more := range []string{"&scope=patient/*.cruds", "&state=other-state-0000", "&aud=x"} {
		res := w.do("GET", "/oauth/authorize?"+twice+more, "")
		if at := res.Header.Get("Location"); !strings.Contains(at, "error=invalid_request") {
			t.Errorf("twice%s: got %s", more, at)
		}
	}
	res := w.do("GET", "/oauth/authorize?"+twice+"&redirect_uri=https://evil.example", "")
	if at := res.Header.Get("Location"); at != "/consent?problem=redirect-mismatch" {
		t.Errorf("two addresses: got %s", at)
	}
}

func TestCodesAreForOneAppOnceWithItsVerifier(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		a := w.growth()
		b := w.add(smart.App{Name: "另一应用", Kind: smart.Public, Redirects: a.Redirects, Scopes: strings.Fields(growthScopes)})
		mine, _ := w.patients(doctor)
		code := func() string {
			back, _ := w.decide(doctor, w.request(a, "offline_access launch/patient patient/*.rs"), mine)
			if back.Get("iss") != w.URL || back.Get("state") != "state-0123456789" {
				t.Fatalf("back: got %v; want iss and state", back)
			}
			return back.Get("code")
		}
		for _, c := range []struct {
			rule   string
			change []string
			want   string
		}{
			{"another app", []string{"client_id", b.ID}, "invalid_grant"},
			{"no app", []string{"client_id", ""}, "invalid_client"},
			{"an unknown app", []string{"client_id", "app-nobody"}, "invalid_client"},
			{"a wrong verifier", []string{"code_verifier", strings.Repeat("x", 50)}, "invalid_grant"},
			{"no verifier", []string{"code_verifier", ""}, "invalid_grant"},
			{"the challenge as verifier", []string{"code_verifier", challenge(verifier)}, "invalid_grant"},
			{"another address", []string{"redirect_uri", "https://evil.example/back"}, "invalid_grant"},
			{"no address", []string{"redirect_uri", ""}, "invalid_grant"},
			{"a made-up code", []string{"code", "xc_made-up"}, "invalid_grant"},
			{"a secret of its own", []string{"client_secret", "x"}, "invalid_client"},
			{"the password grant", []string{"grant_type", "password"}, "invalid_request"},
		} {
			good := code()
			form := codeForm(a, good)
			for i := 0; i+1 < len(c.change); i += 2 {
				form.Del(c.change[i])
				if c.change[i+1] != "" {
					form.Set(c.change[i], c.change[i+1])
				}
			}
			if status, out := w.token(form); status < 400 || out["error"] != c.want || out["access_token"] != nil {
				t.Errorf("%s: got %d %v; want %s", c.rule, status, out, c.want)
			}
		}
		good := code()
		status, tokens := w.token(codeForm(a, good))
		if status != 200 {
			t.Fatalf("got %d %v", status, tokens)
		}
		if status, out := w.token(codeForm(a, good)); status != 400 || out["error"] != "invalid_grant" {
			t.Errorf("a second time: got %d %v; want invalid_grant", status, out)
		}
		if w.works(text(tokens["access_token"])) {
			t.Error("after a replay of the code its token still works")
		}
		if status, _ := w.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(tokens["refresh_token"])}, "client_id": {a.ID}}); status != 400 {
			t.Errorf("after a replay of the code its refresh token: got %d; want 400", status)
		}
		good = code()
		var won sync.Map
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if status, out := w.token(codeForm(a, good)); status == 200 {
					won.Store(i, out["access_token"])
				}
			})
		}
		all.Wait()
		n := 0
		won.Range(func(any, any) bool { n++; return true })
		if n > 1 {
			t.Errorf("%d of 8 redeemed one code; want at most one", n)
		}
		if status, _ := w.send("GET", "/oauth/token?"+codeForm(a, code()).Encode(), ""); status == 200 {
			t.Error("the token endpoint answers GET")
		}
		if status, _ := w.send("POST", "/oauth/token?"+codeForm(a, code()).Encode(), "", "Content-Type", "application/x-www-form-urlencoded"); status == 200 {
			t.Error("the token endpoint reads the address")
		}
	})
}

func TestAServerWithASecret(t *testing.T) {
	w := open(t, hubMemory)
	a, secret, err := w.Smart.Add(t.Context(), smart.App{Name: "院内服务", Kind: smart.Secret, Redirects: []string{"https://server.example/back"}, Scopes: strings.Fields(growthScopes)})
	if err != nil {
		t.Fatal(err)
	}
	mine, _ := w.patients(doctor)
	back, _ := w.decide(doctor, w.request(a, "launch/patient patient/*.rs"), mine)
	form := codeForm(a, back.Get("code"))
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	for _, c := range []struct{ rule, secret, auth string }{
		{"no secret", "", ""}, {"a wrong one", "", basic(a.ID, "x")}, {"none in Basic", "", basic(a.ID, "")}, {"another id", "", basic("app-other", secret)}, {"in the body", secret, ""}, {"a bearer", "", "Bearer " + secret},
	} {
		f := url.Values{}
		for k, v := range form {
			f[k] = v
		}
		if c.secret != "" {
			f.Set("client_secret", c.secret)
		}
		var header []string
		if c.auth != "" {
			header = []string{"Authorization", c.auth}
		}
		if status, out := w.token(f, header...); status != 401 || out["error"] != "invalid_client" {
			t.Errorf("%s: got %d %v; want invalid_client", c.rule, status, out)
		}
	}
	status, tokens := w.token(form, "Authorization", basic(a.ID, secret))
	if status != 200 || !w.works(text(tokens["access_token"])) {
		t.Fatalf("its own secret: got %d %v", status, tokens)
	}
	back, _ = w.decide(doctor, w.request(a, "offline_access launch/patient patient/*.rs"), mine)
	_, lasting := w.token(codeForm(a, back.Get("code")), "Authorization", basic(a.ID, secret))
	if status, out := w.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(lasting["refresh_token"])}}); status != 401 || lasting["refresh_token"] == nil {
		t.Errorf("its refresh token without its secret: got %d %v; want 401", status, out)
	}
	// introspection and revocation
	look := func(token string, header ...string) map[string]any {
		_, out := w.post("/oauth/introspect", url.Values{"token": {token}}, header...)
		return out
	}
	token := text(tokens["access_token"])
	if out := look(token, "Authorization", basic(a.ID, secret)); out["active"] != true || "Patient/"+text(out["patient"]) != mine || out["client_id"] != a.ID {
		t.Errorf("its own token: got %v", out)
	}
	b, other, _ := w.Smart.Add(t.Context(), smart.App{Name: "另一服务", Kind: smart.Secret, Redirects: []string{"https://b.example/back"}, Scopes: []string{"openid"}})
	server, third, _ := w.Smart.Add(t.Context(), smart.App{Name: "资源服务", Kind: smart.Secret, Redirects: []string{"https://c.example/back"}, Scopes: []string{"openid"}, Introspects: true})
	public := w.growth()
	for _, c := range []struct {
		rule   string
		header []string
		want   any
	}{
		{"another app", []string{"Authorization", basic(b.ID, other)}, false},
		{"a resource server", []string{"Authorization", basic(server.ID, third)}, true},
		{"a stranger", nil, nil},
		{"a wrong secret", []string{"Authorization", basic(a.ID, other)}, nil},
		{"the token itself", []string{"Authorization", "Bearer " + token}, nil},
	} {
		if out := look(token, c.header...); out["active"] != c.want {
			t.Errorf("introspection by %s: got %v; want active %v", c.rule, out, c.want)
		}
	}
	if _, out := w.post("/oauth/introspect", url.Values{"token": {token}, "client_id": {public.ID}}); out["active"] != nil {
		t.Errorf("introspection by a public app: got %v", out)
	}
	if out := look("xa_nothing", "Authorization", basic(a.ID, secret)); out["active"] != false {
		t.Errorf("a made-up token: got %v", out)
	}
	w.post("/oauth/revoke", url.Values{"token": {token}}, "Authorization", basic(b.ID, other))
	if !w.works(token) {
		t.Error("another app revoked the token")
	}
	if status, _ := w.post("/oauth/revoke", url.Values{"token": {token}}, "Authorization", basic(a.ID, secret)); status != 200 || w.works(token) {
		t.Errorf("revoked: got %d, and the token must not work", status)
	}
	if out := look(token, "Authorization", basic(a.ID, secret)); out["active"] != false {
		t.Errorf("after revocation: got %v", out)
	}
}

// backend registers an app of Backend Services with an RSA and an EC key.
func (w *world) backend(scopes, org string) (id string, keys map[string]jose.JSONWebKey) {
	w.t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	keys = map[string]jose.JSONWebKey{"RS384": {Key: r, KeyID: "rsa", Algorithm: "RS384"}, "ES384": {Key: e, KeyID: "ec", Algorithm: "ES384"}}
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{pub(keys["RS384"]), pub(keys["ES384"])}})
	a := w.add(smart.App{Name: "数据平台", Kind: smart.Key, JWKS: string(set), Scopes: strings.Fields(scopes), Org: org})
	return a.ID, keys
}

func pub(k jose.JSONWebKey) jose.JSONWebKey { return k.Public() }

type claims map[string]any

func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, c claims) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(s).Claims(map[string]any(c)).CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *world) assert(scope, assertion string) (int, map[string]any) {
	return w.token(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}})
}

func TestBackendServices(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		id, keys := w.backend("system/Patient.rs system/Observation.rs", "Organization/county-1")
		otherID, otherKeys := w.backend("system/*.cruds", "")
		n := 0
		good := func() claims {
			n++
			return claims{"iss": id, "sub": id, "aud": w.URL + "/oauth/token", "exp": time.Now().Add(4 * time.Minute).Unix(), "jti": strings.Repeat("j", n)}
		}
		with := func(name string, value any) claims {
			c := good()
			if c[name] = value; value == nil {
				delete(c, name)
			}
			return c
		}
		r, e := keys["RS384"].Key, keys["ES384"].Key
		n384 := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
		body, _ := json.Marshal(good())
		none := n384 + "." + base64.RawURLEncoding.EncodeToString(body) + "."
		der, _ := x509.MarshalPKIXPublicKey(&r.(*rsa.PrivateKey).PublicKey)
		used := signed(t, jose.ES384, e, "ec", good())
		const scope = "system/Patient.rs"
		for _, c := range []struct {
			rule, assertion, scope, want string
		}{
			{"RS384", signed(t, jose.RS384, r, "rsa", good()), scope, ""},
			{"ES384", used, scope, ""},
			{"the same again (jti)", used, scope, "invalid_client"},
			{"less than registered", signed(t, jose.RS384, r, "rsa", good()), "system/Observation.r", ""},
			{"alg none", none, scope, "invalid_client"},
			{"HS384 with the public key", signed(t, jose.HS384, der, "rsa", good()), scope, "invalid_client"},
			{"RS256", signed(t, jose.RS256, r, "rsa", good()), scope, "invalid_client"},
			{"another app's key under this name", signed(t, jose.RS384, otherKeys["RS384"].Key, "rsa", good()), scope, "invalid_client"},
			{"an unknown kid", signed(t, jose.RS384, r, "other", good()), scope, "invalid_client"},
			{"the kid of the other key", signed(t, jose.RS384, r, "ec", good()), scope, "invalid_client"},
			{"no kid", signed(t, jose.RS384, r, "", good()), scope, "invalid_client"},
			{"expired", signed(t, jose.RS384, r, "rsa", with("exp", time.Now().Add(-time.Second).Unix())), scope, "invalid_client"},
			{"valid for an hour", signed(t, jose.RS384, r, "rsa", with("exp", time.Now().Add(time.Hour).Unix())), scope, "invalid_client"},
			{"without an end", signed(t, jose.RS384, r, "rsa", with("exp", nil)), scope, "invalid_client"},
			{"of the future", signed(t, jose.RS384, r, "rsa", with("nbf", time.Now().Add(2*time.Minute).Unix())), scope, "invalid_client"},
			{"for another hub", signed(t, jose.RS384, r, "rsa", with("aud", "https://other.example/oauth/token")), scope, "invalid_client"},
			{"for nobody", signed(t, jose.RS384, r, "rsa", with("aud", nil)), scope, "invalid_client"},
			{"for the FHIR address", signed(t, jose.RS384, r, "rsa", with("aud", w.URL+"/fhir")), scope, "invalid_client"},
			{"by another", signed(t, jose.RS384, r, "rsa", with("iss", otherID)), scope, "invalid_client"},
			{"about another", signed(t, jose.RS384, r, "rsa", with("sub", otherID)), scope, "invalid_client"},
			{"without jti", signed(t, jose.RS384, r, "rsa", with("jti", nil)), scope, "invalid_client"},
			{"a very long jti", signed(t, jose.RS384, r, "rsa", with("jti", strings.Repeat("x", 300))), scope, "invalid_client"},
			{"rubbish", "a.b.c", scope, "invalid_client"},
			{"more than registered", signed(t, jose.RS384, r, "rsa", good()), "system/*.rs", "invalid_scope"},
			{"writing", signed(t, jose.RS384, r, "rsa", good()), "system/Patient.cruds", "invalid_scope"},
			{"a person's scope", signed(t, jose.RS384, r, "rsa", good()), "user/Patient.rs", "invalid_scope"},
			{"a query part", signed(t, jose.RS384, r, "rsa", good()), "system/Patient.rs?gender=male", "invalid_scope"},
			{"no scope", signed(t, jose.RS384, r, "rsa", good()), "", "invalid_scope"},
		} {
			status, out := w.assert(c.scope, c.assertion)
			if got := text(out["error"]); got != c.want || (c.want == "") != (status == 200) {
				t.Errorf("%s: got %d %v; want %q", c.rule, status, out, c.want)
			}
		}
		_, tokens := w.assert("system/Patient.rs", signed(t, jose.RS384, r, "rsa", good()))
		if life, _ := tokens["expires_in"].(float64); life > 300 || life < 290 || tokens["refresh_token"] != nil {
			t.Errorf("got %v; want five minutes, no refresh token", tokens)
		}
		token := text(tokens["access_token"])
		if status, _ := w.fhir(token, "GET", "/fhir/Observation", ""); status != 403 {
			t.Errorf("a type that was not granted: got %d; want 403", status)
		}
		if status, body := w.fhir(token, "GET", "/fhir/Patient?_count=200", ""); status != 200 || strings.Contains(body, `"total":0`) {
			t.Errorf("its patients: got %d %.200s", status, body)
		}
		for _, p := range w.Region.Patients {
			status, _ := w.fhir(token, "GET", "/fhir/Patient/"+p.ID, "")
			if own := w.Tree.Within(p.Home.Ref(), "Organization/county-1"); !own && status != 404 && p.Home.ID == "partner-1" {
				t.Errorf("a patient of %s: got %d; want 404", p.Home.ID, status)
			}
		}
		res := w.do("GET", "/fhir/$export", "", "Authorization", "Bearer "+token, "Prefer", "respond-async", "Accept", "application/fhir+json")
		res.Body.Close()
		at, _ := url.Parse(res.Header.Get("Content-Location"))
		if res.StatusCode != 202 || at == nil {
			t.Fatalf("export: got %d", res.StatusCode)
		}
		for range 50 {
			if _, err := w.Jobs.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			if status, body := w.fhir(token, "GET", at.RequestURI(), ""); status == 200 {
				if !strings.Contains(body, `"type":"Patient"`) || strings.Contains(body, `"type":"Observation"`) {
					t.Errorf("exported: got %.400s; want patients only", body)
				}
				break
			} else if status != 202 {
				t.Fatalf("export: got %d %s", status, body)
			}
		}
		_, theirs := w.assertAs(t, otherID, otherKeys["RS384"], "system/*.rs")
		if status, _ := w.fhir(text(theirs["access_token"]), "GET", at.RequestURI(), ""); status != 404 {
			t.Errorf("another app's export: got %d; want 404", status)
		}
		off := true
		if _, _, err := w.Smart.ChangeApp(t.Context(), id, smart.AppChange{Disabled: &off}); err != nil {
			t.Fatal(err)
		}
		if w.works(token) {
			t.Error("a disabled app's token still works")
		}
		if status, _ := w.assert(scope, signed(t, jose.RS384, r, "rsa", good())); status != 401 {
			t.Errorf("a disabled app: got %d; want 401", status)
		}
	})
}

func (w *world) assertAs(t *testing.T, id string, key jose.JSONWebKey, scope string) (int, map[string]any) {
	t.Helper()
	return w.assert(scope, signed(t, jose.RS384, key.Key, key.KeyID, claims{"iss": id, "sub": id, "aud": w.URL + "/oauth/token", "exp": time.Now().Add(4 * time.Minute).Unix(), "jti": rand.Text()}))
}

func TestAnAssertionForAnotherNameOfThisMachineIsNotTaken(t *testing.T) {
	w := open(t, hubMemory)
	id, keys := w.backend("system/*.rs", "")
	evil := signed(t, jose.RS384, keys["RS384"].Key, "rsa", claims{"iss": id, "sub": id, "aud": "http://evil.example/oauth/token", "exp": time.Now().Add(4 * time.Minute).Unix(), "jti": "1"})
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {evil}}
	r, _ := http.NewRequest("POST", w.URL+"/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Host = "evil.example"
	res, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 503 {
		t.Errorf("a made-up Host: got %d; want 503", res.StatusCode)
	}
}

func TestKeysByAddress(t *testing.T) {
	e, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	key := jose.JSONWebKey{Key: e, KeyID: "one", Algorithm: "ES384"}
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	asked := 0
	answer := func(w http.ResponseWriter, r *http.Request) { asked++; w.Write(set) }
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer site.Close()
	host := strings.TrimPrefix(site.URL, "https://")
	w := open(t, server.Options{Memory: true})
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())
	wall := clock.At(time.Now())
	o := w.Smart.Options
	o.Hosts, o.Roots, o.Wall = []string{host, "localhost"}, roots, wall
	w.Smart = smart.New(o)
	mux := http.NewServeMux()
	w.Smart.Register(mux)
	door := httptest.NewServer(mux)
	defer door.Close()
	w.URL = door.URL
	for _, bad := range []string{"http://" + host + "/keys", "https://elsewhere.example/keys", "https://169.254.169.254/keys", "https://u:p@" + host + "/keys", "file:///etc/passwd"} {
		if _, _, err := w.Smart.Add(t.Context(), smart.App{Name: "x", Kind: smart.Key, JWKSURL: bad, Scopes: []string{"system/*.rs"}}); err == nil {
			t.Errorf("%s was registered", bad)
		}
	}
	app := func(address string) string {
		return w.add(smart.App{Name: "数据平台", Kind: smart.Key, JWKSURL: address, Scopes: []string{"system/*.rs"}}).ID
	}
	try := func(id, kid string) int {
		status, _ := w.assert("system/*.rs", signed(t, jose.ES384, e, kid, claims{"iss": id, "sub": id, "aud": w.URL + "/oauth/token", "exp": wall.Now().Add(4 * time.Minute).Unix(), "jti": rand.Text()}))
		return status
	}
	id := app(site.URL + "/keys")
	if status := try(id, "one"); status != 200 {
		t.Errorf("keys by address: got %d; want 200", status)
	}
	before := asked
	for range 5 {
		try(id, "unknown")
	}
	if asked != before {
		t.Errorf("an unknown key asked the site %d times within half a minute; want none", asked-before)
	}
	wall.Turn(31 * time.Second)
	try(id, "unknown")
	if asked != before+1 {
		t.Errorf("after half a minute: asked %d times; want once", asked-before)
	}
	secretSite := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer secretSite.Close()
	answer = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, secretSite.URL, http.StatusFound) }
	if status := try(app(site.URL+"/redirects"), "one"); status != 401 {
		t.Errorf("a redirect: got %d; want 401", status)
	}
	answer = func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(strings.Repeat(" ", 1<<20))) }
	if status := try(app(site.URL+"/long"), "one"); status != 401 {
		t.Errorf("an endless answer: got %d; want 401", status)
	}
	_, port, _ := strings.Cut(host, ":")
	answer = func(http.ResponseWriter, *http.Request) {
		t.Error("a listed name that leads to this machine was asked")
	}
	if status := try(app("https://localhost:"+port+"/keys"), "one"); status != 401 {
		t.Errorf("a name that leads to this machine: got %d; want 401", status)
	}
}

func TestConsentNeedsThePersonAtThePage(t *testing.T) {
	w := open(t, hubMemory)
	a := w.growth()
	mine, _ := w.patients(doctor)
	q := w.request(a, "launch/patient patient/*.rs")
	body, _ := json.Marshal(map[string]any{"query": q.Encode(), "allow": true, "scopes": []string{"launch/patient", "patient/*.rs"}, "patient": mine})
	for _, c := range []struct {
		rule, as string
		header   []string
		status   int
	}{
		{"nobody", "", nil, 401},
		{"a page of somebody else (no CSRF token)", doctor, []string{"X-CSRF-Token", ""}, 403},
		{"a wrong CSRF token", doctor, []string{"X-CSRF-Token", "x"}, 403},
		{"a form", doctor, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"the person", doctor, nil, 200},
	} {
		if got := w.Call(c.as, "POST", "/api/consent/decide", string(body), c.header...); got.Status != c.status || (c.status != 200) == strings.Contains(string(got.Body), "code=") {
			t.Errorf("%s: got %d %s; want %d", c.rule, got.Status, got.Body, c.status)
		}
	}
	_, program, err := w.Identity.NewToken(t.Context(), "p", []string{"system/*.cruds"}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if status, out := w.send("POST", "/api/consent/decide", string(body), "Authorization", "Bearer "+program, "Content-Type", "application/json"); status != 401 || strings.Contains(out, "code=") {
		t.Errorf("a program lets an app in: got %d %s; want 401", status, out)
	}
}

func TestAppsOfAnInstitutionAreItsPeoples(t *testing.T) {
	w := open(t, hubMemory)
	a := w.add(smart.App{Name: "中心应用", Kind: smart.Public, Redirects: []string{"https://centre.example/back"}, Launch: "https://centre.example/launch", Scopes: strings.Fields(growthScopes), Org: "Organization/centre"})
	if got := w.ask(doctor, w.request(a, "openid")); !strings.Contains(got.Location, "error=access_denied") {
		t.Errorf("a doctor of the county: got %+v; want access_denied", got)
	}
	if got := w.ask(hubtest.CentreReceiver, w.request(a, "openid")); got.Status != 200 || got.Location != "" {
		t.Errorf("a doctor of the centre: got %+v", got)
	}
	mine, _ := w.patients(doctor)
	if _, status := w.launch(doctor, a, mine, "launch"); status != 404 {
		t.Errorf("launched by the county: got %d; want 404", status)
	}
	if got := w.Call(doctor, "GET", "/api/apps", ""); strings.Contains(string(got.Body), a.ID) {
		t.Errorf("the county's list: got %s", got.Body)
	}
	if got := w.Call(doctor, "GET", "/api/admin/apps", ""); got.Status != 403 {
		t.Errorf("a doctor administers apps: got %d", got.Status)
	}
}

func TestRegisteringIsStrict(t *testing.T) {
	w := open(t, hubMemory)
	var me struct {
		Role struct {
			Org struct{ Reference string } `json:"org"`
		} `json:"role"`
	}
	w.Call(hubtest.Administrator, "GET", "/api/me", "").JSON(t, &me)
	add := func(body string) hubtest.Answer {
		return w.Call(hubtest.Administrator, "POST", "/api/admin/apps", strings.ReplaceAll(body, `"@"`, `"`+me.Role.Org.Reference+`"`))
	}
	r, _ := rsa.GenerateKey(rand.Reader, 2048)
	private, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: r, KeyID: "a"}}})
	small, _ := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}}})
	for _, c := range []struct{ rule, body, want string }{
		{"script", `{"name":"x","org":"@","kind":"public","redirects":["javascript:alert(1)"],"scopes":["openid"]}`, "https-needed"},
		{"data", `{"name":"x","org":"@","kind":"public","redirects":["data:text/html,x"],"scopes":["openid"]}`, "https-needed"},
		{"plain http", `{"name":"x","org":"@","kind":"public","redirects":["http://app.example/back"],"scopes":["openid"]}`, "https-needed"},
		{"a fragment", `{"name":"x","org":"@","kind":"public","redirects":["https://app.example/back#x"],"scopes":["openid"]}`, "bad-address"},
		{"a pattern", `{"name":"x","org":"@","kind":"public","redirects":["https://*.example/back"],"scopes":["openid"]}`, "bad-address"},
		{"a password", `{"name":"x","org":"@","kind":"public","redirects":["https://u:p@app.example/back"],"scopes":["openid"]}`, "bad-address"},
		{"no address", `{"name":"x","org":"@","kind":"public","scopes":["openid"]}`, "redirect-needed"},
		{"a query scope", `{"name":"x","org":"@","kind":"public","redirects":["https://a.example/b"],"scopes":["patient/Observation.rs?category=laboratory"]}`, "bad-scope"},
		{"system for a public one", `{"name":"x","org":"@","kind":"public","redirects":["https://a.example/b"],"scopes":["system/*.rs"]}`, "key-needed"},
		{"a private key", `{"name":"x","org":"@","kind":"key","jwks":` + quote(private) + `,"scopes":["system/*.rs"]}`, "bad-keys"},
		{"a small key", `{"name":"x","org":"@","kind":"key","jwks":` + quote(small) + `,"scopes":["system/*.rs"]}`, "bad-keys"},
		{"a secret as key", `{"name":"x","org":"@","kind":"key","jwks":"{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}","scopes":["system/*.rs"]}`, "bad-keys"},
		{"a name that turns around", `{"name":"x` + "\u202e" + `y","org":"@","kind":"public","redirects":["https://a.example/b"],"scopes":["openid"]}`, "bad-name"},
		{"of another institution", `{"name":"x","org":"Organization/partner-1","kind":"public","redirects":["https://a.example/b"],"scopes":["openid"]}`, "outside-your-organisations"},
		{"no such organisation", `{"name":"x","kind":"public","org":"Organization/nowhere","redirects":["https://a.example/b"],"scopes":["openid"]}`, "outside-your-organisations"},
		{"what the server gives", `{"name":"x","org":"@","kind":"public","id":"app-1","redirects":["https://a.example/b"],"scopes":["openid"]}`, "bad-json"},
	} {
		got := add(c.body)
		if got.Status < 400 || !strings.Contains(string(got.Body), c.want) {
			t.Errorf("%s: got %d %s; want %s", c.rule, got.Status, got.Body, c.want)
		}
	}
	got := add(`{"name":"服务","org":"@","kind":"secret","redirects":["https://a.example/b"],"scopes":["openid"]}`)
	var app struct{ ID, Secret string }
	got.JSON(t, &app)
	if got.Status != 201 || app.Secret == "" {
		t.Fatalf("got %d %s; want a secret", got.Status, got.Body)
	}
	if list := w.Call(hubtest.Administrator, "GET", "/api/admin/apps", ""); strings.Contains(string(list.Body), app.Secret) || !strings.Contains(string(list.Body), app.ID) {
		t.Error("the list tells the secret, or lacks the app")
	}
}

func TestNobodyGivesHimselfAProgram(t *testing.T) {
	w := open(t, hubMemory)
	r, _ := rsa.GenerateKey(rand.Reader, 2048)
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{(&jose.JSONWebKey{Key: r, KeyID: "rsa"}).Public()}})
	ctx := w.As(hubtest.Administrator)
	a, _, err := w.Smart.Add(ctx, smart.App{Name: "数据平台", Kind: smart.Key, JWKS: string(set), Scopes: []string{"system/*.rs"}, Org: "Organization/centre"})
	if err != nil || !a.Disabled {
		t.Fatalf("registered by an administrator: got %v, disabled %v; want it to wait", err, a.Disabled)
	}
	key := jose.JSONWebKey{Key: r, KeyID: "rsa"}
	if status, _ := w.assertAs(t, a.ID, key, "system/*.rs"); status != 401 {
		t.Errorf("while it waits: got %d; want 401", status)
	}
	on := false
	if _, _, err := w.Smart.ChangeApp(ctx, a.ID, smart.AppChange{Disabled: &on}); err == nil || !strings.Contains(err.Error(), "another administrator") {
		t.Errorf("let in by who made it: got %v; want a refusal", err)
	}
	second := access.With(t.Context(), &access.Caller{User: "second", Role: access.Administrator, Org: "Organization/centre"})
	if _, _, err := w.Smart.ChangeApp(second, a.ID, smart.AppChange{Disabled: &on}); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.assertAs(t, a.ID, key, "system/*.rs"); status != 200 {
		t.Errorf("let in by a second: got %d; want 200", status)
	}
	more := []string{"system/*.cruds"}
	if changed, _, err := w.Smart.ChangeApp(second, a.ID, smart.AppChange{Scopes: &more}); err != nil || !changed.Disabled {
		t.Errorf("more scopes: got %v, disabled %v; want it to wait again", err, changed.Disabled)
	}
	if _, _, err := w.Smart.ChangeApp(second, a.ID, smart.AppChange{Scopes: &more, Disabled: &on}); err == nil {
		t.Error("who gave it more lets it in at once")
	}
}

func quote(text []byte) string { b, _ := json.Marshal(string(text)); return string(b) }

func TestOtherOriginsMayOnlyComeWithTokens(t *testing.T) {
	w := open(t, hubMemory)
	a := w.growth()
	mine, _ := w.patients(doctor)
	token := text(w.letIn(doctor, a, "launch/patient patient/*.rs", mine)["access_token"])
	const origin, evil = "https://growth.example", "https://evil.example"
	preflight := []string{"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization"}
	for _, c := range []struct {
		rule, method, path, origin string
		header                     []string
		status                     int
		allow                      string
	}{
		{"preflight of an app", "OPTIONS", "/fhir/Patient", origin, preflight, 204, origin},
		{"preflight of its token request", "OPTIONS", "/oauth/token", origin, preflight, 204, origin},
		{"preflight of a stranger", "OPTIONS", "/fhir/Patient", evil, preflight, -1, ""},
		{"of a look-alike", "OPTIONS", "/fhir/Patient", origin + ".evil.example", preflight, -1, ""},
		{"of null", "OPTIONS", "/fhir/Patient", "null", preflight, -1, ""},
		{"an app reads", "GET", "/fhir/" + mine, origin, []string{"Authorization", "Bearer " + token}, 200, origin},
		{"a stranger's page with a token", "GET", "/fhir/" + mine, evil, []string{"Authorization", "Bearer " + token}, 200, ""},
		{"the configuration", "GET", "/fhir/.well-known/smart-configuration", origin, nil, 200, origin},
		{"the page's API", "GET", "/api/me", origin, []string{"Authorization", "Bearer " + token}, 403, ""},
	} {
		res := w.do(c.method, c.path, "", append([]string{"Origin", c.origin}, c.header...)...)
		res.Body.Close()
		if c.status > 0 && res.StatusCode != c.status || res.Header.Get("Access-Control-Allow-Origin") != c.allow || res.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: got %d, allowed %q; want %d, %q and no credentials", c.rule, res.StatusCode, res.Header.Get("Access-Control-Allow-Origin"), c.status, c.allow)
		}
	}
	for _, o := range []string{origin, evil, "null"} {
		if got := w.Call(doctor, "GET", "/fhir/"+mine, "", "Origin", o); got.Status != 401 {
			t.Errorf("the person's own cookie from %s: got %d; want 401", o, got.Status)
		}
	}
	if got := w.Call(doctor, "GET", "/fhir/"+mine, "", "Origin", w.URL); got.Status != 200 {
		t.Errorf("our own page: got %d; want 200", got.Status)
	}
}
