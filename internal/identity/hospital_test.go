package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const staffNumbers = "https://county.example/staff"

// hospital is a fake login of a hospital, which a test makes lie.
type hospital struct {
	t        *testing.T
	url      string
	key      *rsa.PrivateKey
	kid      string
	claims   map[string]any // put over the right ones; nil takes one away
	sign     func(claims []byte) string
	endpoint string // token endpoint that discovery names, "" = its own
	asked    url.Values
	verifier string
	wall     *clock.Turned
	tokens   int
}

func newHospital(t *testing.T, wall *clock.Turned) *hospital {
	i := &hospital{t: t, wall: wall, claims: map[string]any{}}
	i.rotate("k1")
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		token := i.url + "/token"
		if i.endpoint != "" {
			token = i.endpoint
		}
		say(w, map[string]any{"issuer": i.url, "authorization_endpoint": i.url + "/authorize", "token_endpoint": token, "jwks_uri": i.url + "/keys",
			"end_session_endpoint": i.url + "/logout", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		say(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &i.key.PublicKey, KeyID: i.kid, Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		i.tokens++
		i.verifier = r.Form.Get("code_verifier")
		say(w, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": i.idToken()})
	})
	return i
}

func say(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (i *hospital) rotate(kid string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		i.t.Fatal(err)
	}
	i.key, i.kid = key, kid
}

func (i *hospital) idToken() string {
	now := i.wall.Now()
	all := map[string]any{"iss": i.url, "aud": "xinglin", "sub": "s-1", "nonce": i.asked.Get("nonce"), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "staff": "G100", "email": "lin@county.example"}
	for k, v := range i.claims {
		if v == nil {
			delete(all, k)
			continue
		}
		all[k] = v
	}
	text, _ := json.Marshal(all)
	if i.sign != nil {
		return i.sign(text)
	}
	return i.signed(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: i.key, KeyID: i.kid}}, text)
}

func (i *hospital) signed(key jose.SigningKey, text []byte) string {
	signer, err := jose.NewSigner(key, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		i.t.Fatal(err)
	}
	s, err := jws.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return s
}

// ward is a house with two hospitals that have logins of their own, and one person at both.
type ward struct {
	house
	county, centre *hospital
}

func openWard(t *testing.T, with storetest.Open) ward {
	t.Helper()
	w := ward{house: house{business: clock.At(storetest.Start), wall: clock.At(storetest.Start)}}
	w.county, w.centre = newHospital(t, w.wall), newHospital(t, w.wall)
	tree := access.NewTree()
	var svc *identity.Service
	w.store = with(t, store.Options{Clock: w.business, Migrations: identity.Migrations, Derive: []store.Deriver{tree.Derive, identity.Derive(func() *identity.Service { return svc })}})
	svc = identity.New(w.store, tree, identity.Options{Clock: w.business, Wall: w.wall, Cost: cheap, Origin: "https://hub.example", Issuers: []identity.Issuer{
		{Slug: "county", Zh: "县医院", Issuer: w.county.url, ClientID: "xinglin", Institution: "Organization/county", Claim: "staff", System: staffNumbers, Strong: []string{"mfa"}},
		{Slug: "centre", Zh: "中心", Issuer: w.centre.url, ClientID: "xinglin", Institution: "Organization/centre", Claim: "staff", System: staffNumbers},
	}})
	w.Service = svc
	for _, o := range []struct{ id, parent string }{{"county", ""}, {"ward", "county"}, {"centre", ""}} {
		n := fhir.New("Organization", "id", o.id, "name", o.id)
		if o.parent != "" {
			n.Set("partOf.reference", "Organization/"+o.parent)
		}
		w.put(t, n)
	}
	for _, p := range []struct{ id, number string }{{"lin", "G100"}, {"wu", "G200"}, {"chen", "G300"}} {
		w.put(t, fhir.New("Practitioner", "id", p.id, "active", true, "identifier", fhir.Arr{fhir.Obj{"system", staffNumbers, "value", p.number}}))
	}
	w.post(t, "lin-ward", "lin", "ward", "referring-doctor", "", "")
	w.post(t, "lin-centre", "lin", "centre", "leader", "", "")
	w.post(t, "wu-centre", "wu", "centre", "referring-doctor", "", "")
	for _, name := range []string{"lin", "wu"} {
		w.add(t, identity.NewUser{Username: name, Practitioner: "Practitioner/" + name, Hash: "!"})
	}
	return w
}

func (h house) put(t *testing.T, n *fhir.Node) {
	t.Helper()
	if err := h.tryPut(n); err != nil {
		t.Fatal(err)
	}
}

func (h house) tryPut(n *fhir.Node) error {
	p, err := store.Prepare(n)
	if err != nil {
		return err
	}
	return h.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p})
		return err
	})
}

func post(id, who, org, role, from, until string) *fhir.Node {
	n := fhir.New("PractitionerRole", "id", id, "active", true, "practitioner", fhir.Obj{"reference", "Practitioner/" + who}, "organization", fhir.Obj{"reference", "Organization/" + org},
		"code", fhir.Arr{fhir.Obj{"coding", fhir.Arr{fhir.Obj{"system", identity.RoleSystem, "code", role}}}})
	if from != "" {
		n.Set("period.start", from)
	}
	if until != "" {
		n.Set("period.end", until)
	}
	return n
}

func (h house) post(t *testing.T, id, who, org, role, from, until string) {
	t.Helper()
	h.put(t, post(id, who, org, role, from, until))
}

// away is a browser on its way to a hospital's login.
type away struct{ state, browser string }

func (w ward) leave(t *testing.T, slug string, i *hospital) away {
	t.Helper()
	address, browser, err := w.Leave(httptest.NewRequest("GET", "/", nil), slug, "/lines/referral?x=1")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, i.url+"/authorize?") {
		t.Fatalf("got %s; want the login of the hospital", address)
	}
	i.asked = u.Query()
	if i.asked.Get("code_challenge_method") != "S256" || i.asked.Get("nonce") == "" || i.asked.Get("redirect_uri") != "https://hub.example/api/login/with/"+slug+"/back" {
		t.Fatalf("got %v; want PKCE, a nonce, our own way back", i.asked)
	}
	return away{i.asked.Get("state"), browser}
}

func (w ward) back(slug string, a away, more string) (identity.Entry, string, error) {
	r := httptest.NewRequest("GET", "/api/login/with/"+slug+"/back?code=c&state="+url.QueryEscape(a.state)+more, nil)
	r.AddCookie(&http.Cookie{Name: identity.AwayCookie, Value: a.browser})
	return w.Return(r, slug, home)
}

func TestHospitalLogin(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		w := openWard(t, with)
		a := w.leave(t, "county", w.county)
		e, to, err := w.back("county", a, "")
		if err != nil || e.Session.User.Username != "lin" || to != "/lines/referral?x=1" {
			t.Fatalf("got %q, %q, %v; want lin back where he was", e.Session.User.Username, to, err)
		}
		if sum := sha256.Sum256([]byte(w.county.verifier)); b64.EncodeToString(sum[:]) != w.county.asked.Get("code_challenge") {
			t.Error("the verifier is not that of the challenge")
		}
		if e.Session.Role.Org != "Organization/ward" || len(e.Session.User.Roles) != 1 {
			t.Errorf("got roles %v; want only those at the hospital that vouches", e.Session.User.Roles)
		}
		if _, err := w.SwitchRole(ctx, e.Session, "PractitionerRole/lin-centre#leader"); detail(err) != "unknown-role" {
			t.Errorf("switch to a role elsewhere: got %v; want unknown-role", err)
		}
		se := resumed(t, w.house, e.Session.Secret)
		if se.Role.Org != "Organization/ward" || se.Strong {
			t.Errorf("resumed: got %v, strong %v", se.Role, se.Strong)
		}
		if got := w.Farewell(httptest.NewRequest("GET", "/", nil), *se); !strings.HasPrefix(got, w.county.url+"/logout?") || !strings.Contains(got, "post_logout_redirect_uri=https%3A%2F%2Fhub.example%2F") {
			t.Errorf("logout: got %q; want the hospital's own", got)
		}
		w.county.rotate("k2")
		if _, _, err := w.back("county", w.leave(t, "county", w.county), ""); err != nil {
			t.Errorf("after their keys rotated: got %v; want success", err)
		}
		w.county.claims = map[string]any{"amr": []string{"pwd", "mfa"}}
		if e, _, err := w.back("county", w.leave(t, "county", w.county), ""); err != nil || !e.Session.Strong {
			t.Errorf("with their second factor: got %v, strong %v; want it to count", err, e.Session.Strong)
		}
		w.county.claims = map[string]any{"iat": w.wall.Now().Add(30 * time.Second).Unix(), "exp": w.wall.Now().Add(-30 * time.Second).Unix()}
		if _, _, err := w.back("county", w.leave(t, "county", w.county), ""); err != nil {
			t.Errorf("clocks half a minute apart: got %v; want success", err)
		}
	})
}

func TestHospitalLoginAsksForOurSecondFactor(t *testing.T) {
	w := openWard(t, storetest.Memory)
	e, _, err := w.back("county", w.leave(t, "county", w.county), "")
	if err != nil {
		t.Fatal(err)
	}
	enrol, err := w.NewTOTP(ctx, e.Session.User)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ConfirmTOTP(ctx, e.Session, enrol.ID, "", w.code(enrol.Secret)); err != nil {
		t.Fatal(err)
	}
	w.wall.Turn(30 * time.Second)
	if e, _, err = w.back("county", w.leave(t, "county", w.county), ""); err != nil || e.Ticket == "" || e.Session.Secret != "" {
		t.Fatalf("got %v, ticket %q; want our second step", err, e.Ticket)
	}
	if e, err = w.Second(ctx, e.Ticket, w.code(enrol.Secret), home); err != nil || e.Session.How != "oidc:county totp" || len(e.Session.User.Roles) != 1 {
		t.Errorf("got %+v, %v; want a strong session of that hospital", e.Session, err)
	}
}

func TestHospitalLoginAttacked(t *testing.T) {
	w := openWard(t, storetest.Memory)
	now := w.wall.Now()
	public, err := x509.MarshalPKIXPublicKey(&w.county.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	stranger, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	hs := func(key []byte) func([]byte) string {
		return func(text []byte) string {
			head := b64.EncodeToString([]byte(`{"alg":"HS256","kid":"k1"}`)) + "." + b64.EncodeToString(text)
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(head))
			return head + "." + b64.EncodeToString(mac.Sum(nil))
		}
	}
	for _, c := range []struct {
		rule   string
		claims map[string]any
		sign   func([]byte) string
		more   string
		want   string
	}{
		{rule: "another nonce", claims: map[string]any{"nonce": "x"}, want: "hospital-login-failed"},
		{rule: "no nonce", claims: map[string]any{"nonce": nil}, want: "hospital-login-failed"},
		{rule: "for another client", claims: map[string]any{"aud": "other"}, want: "hospital-login-failed"},
		{rule: "for two clients without saying to whom", claims: map[string]any{"aud": []string{"xinglin", "other"}}, want: "hospital-login-failed"},
		{rule: "given to another client", claims: map[string]any{"aud": []string{"xinglin", "other"}, "azp": "other"}, want: "hospital-login-failed"},
		{rule: "of another issuer", claims: map[string]any{"iss": w.centre.url}, want: "hospital-login-failed"},
		{rule: "expired", claims: map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}, want: "hospital-login-failed"},
		{rule: "of the future", claims: map[string]any{"iat": now.Add(time.Hour).Unix(), "exp": now.Add(2 * time.Hour).Unix()}, want: "hospital-login-failed"},
		{rule: "alg none", sign: func(text []byte) string {
			return b64.EncodeToString([]byte(`{"alg":"none"}`)) + "." + b64.EncodeToString(text) + "."
		}, want: "hospital-login-failed"},
		{rule: "HS256 with the public key", sign: hs(publicPEM), want: "hospital-login-failed"},
		{rule: "HS256 with the key's bytes", sign: hs(public), want: "hospital-login-failed"},
		{rule: "signed by a stranger", sign: func(text []byte) string {
			return w.county.signed(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: stranger, KeyID: "k1"}}, text)
		}, want: "hospital-login-failed"},
		{rule: "signed with a key that the token itself brings", sign: func(text []byte) string {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: stranger}, &jose.SignerOptions{EmbedJWK: true})
			if err != nil {
				t.Fatal(err)
			}
			jws, _ := signer.Sign(text)
			s, _ := jws.CompactSerialize()
			return s
		}, want: "hospital-login-failed"},
		{rule: "mix-up: the way back names another issuer", more: "&iss=" + url.QueryEscape("https://evil.example"), want: "hospital-login-failed"},
		{rule: "refused there", more: "&error=access_denied", want: "hospital-login-failed"},
		{rule: "no staff number, only an e-mail", claims: map[string]any{"staff": nil}, want: "hospital-login-failed"},
		{rule: "a staff number that is no text", claims: map[string]any{"staff": []string{"G100"}}, want: "hospital-login-failed"},
		{rule: "an unknown staff number", claims: map[string]any{"staff": "G999"}, want: "not-known-here"},
		{rule: "a staff number that matches all", claims: map[string]any{"staff": "G100,G200"}, want: "not-known-here"},
		{rule: "a person without an account", claims: map[string]any{"staff": "G300"}, want: "not-known-here"},
		{rule: "a person who works elsewhere only", claims: map[string]any{"staff": "G200"}, want: "not-known-here"},
	} {
		w.county.claims, w.county.sign = c.claims, c.sign
		if e, _, err := w.back("county", w.leave(t, "county", w.county), c.more); !strings.HasPrefix(detail(err), c.want) || e.Session.Secret != "" {
			t.Errorf("%s: got %v; want %s", c.rule, err, c.want)
		}
	}
	w.county.claims, w.county.sign = nil, nil

	a := w.leave(t, "county", w.county)
	if _, _, err := w.back("county", away{a.state, "another browser"}, ""); detail(err) != "login-expired" {
		t.Errorf("another browser's way back: got %v; want login-expired", err)
	}
	if _, _, err := w.back("county", a, ""); detail(err) != "login-expired" {
		t.Errorf("a state twice: got %v; want login-expired", err)
	}
	tokens := w.centre.tokens
	if _, _, err := w.back("centre", w.leave(t, "county", w.county), ""); detail(err) != "login-expired" || w.centre.tokens != tokens {
		t.Errorf("mix-up: the county's state at the centre's door: got %v, %d tokens asked; want login-expired and none", err, w.centre.tokens-tokens)
	}
	a = w.leave(t, "county", w.county)
	w.wall.Turn(11 * time.Minute)
	if _, _, err := w.back("county", a, ""); detail(err) != "login-expired" {
		t.Errorf("after eleven minutes: got %v; want login-expired", err)
	}

	if _, _, err := w.back("county", w.leave(t, "county", w.county), ""); err != nil {
		t.Fatal(err)
	}
	w.county.claims = map[string]any{"sub": "s-2"}
	if _, _, err := w.back("county", w.leave(t, "county", w.county), ""); detail(err) != "not-known-here" {
		t.Errorf("the staff number given to another subject: got %v; want not-known-here", err)
	}
	w.post(t, "wu-ward", "wu", "ward", "referring-doctor", "", "")
	w.county.claims = map[string]any{"staff": "G200"}
	if _, _, err := w.back("county", w.leave(t, "county", w.county), ""); detail(err) != "not-known-here" {
		t.Errorf("the subject with another's staff number: got %v; want not-known-here", err)
	}
	w.put(t, fhir.New("Practitioner", "id", "fake", "active", true, "identifier", fhir.Arr{fhir.Obj{"system", staffNumbers, "value", "G100"}}))
	w.county.claims = nil
	if _, _, err := w.back("county", w.leave(t, "county", w.county), ""); detail(err) != "not-known-here" {
		t.Errorf("a staff number that two people claim: got %v; want not-known-here", err)
	}
}

func TestHospitalLoginGoesNowhereElse(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("an inner host was asked") }))
	defer secret.Close()
	wall := clock.At(storetest.Start)
	i := newHospital(t, wall)
	i.endpoint = secret.URL + "/admin"
	s := storetest.Memory(t, store.Options{Clock: wall, Migrations: identity.Migrations})
	svc := identity.New(s, access.NewTree(), identity.Options{Clock: wall, Wall: wall, Cost: cheap, Issuers: []identity.Issuer{{Slug: "county", Issuer: i.url, ClientID: "x", Institution: "Organization/county", Claim: "staff", System: staffNumbers}}})
	if _, _, err := svc.Leave(httptest.NewRequest("GET", "/", nil), "county", "/"); !strings.HasPrefix(detail(err), "hospital-login-down") {
		t.Errorf("discovery names an inner host: got %v; want hospital-login-down", err)
	}
	if _, _, err := svc.Leave(httptest.NewRequest("GET", "/", nil), "evil", "/"); detail(err) != "unknown-login" {
		t.Errorf("an unknown login: got %v; want unknown-login", err)
	}
}

func TestLoginsComeBackToOurPageOnly(t *testing.T) {
	w := openWard(t, storetest.Memory)
	for to, want := range map[string]string{"/lines/referral?x=1": "/lines/referral?x=1", "https://evil.example": "/", "//evil.example": "/", `/\evil.example`: "/", "/api/logout": "/", "javascript:alert(1)": "/", "": "/", "/a\nb": "/"} {
		address, browser, err := w.Leave(httptest.NewRequest("GET", "/", nil), "county", to)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(address)
		w.county.asked = u.Query()
		if _, got, err := w.back("county", away{u.Query().Get("state"), browser}, ""); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", to, got, err, want)
		}
	}
}

func TestHospitalLoginsAreConfigured(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/secret", "s3\n")
	good := `[[login]]
slug = "county"
zh = "县医院"
en = "County"
issuer = "https://login.county.example"
client_id = "xinglin"
secret_file = "secret"
institution = "Organization/county"
claim = "staff"
system = "https://county.example/staff"
`
	for _, c := range []struct {
		rule, from, to string
		ok             bool
	}{
		{"a whole one", "", "", true},
		{"plain http", "https://login", "http://login", false},
		{"an address with a query", "county.example\"\nclient", "county.example?x\"\nclient", false},
		{"an e-mail as staff number", `"staff"`, `"email"`, false},
		{"no institution", "Organization/county", "county", false},
		{"a slug with a slash", `slug = "county"`, `slug = "a/b"`, false},
		{"a missing secret", `"secret"`, `"nothing"`, false},
		{"an unknown key", "zh =", "zhongwen =", false},
	} {
		write(t, dir+"/logins.toml", strings.Replace(good, c.from, c.to, 1))
		if list, err := identity.ReadIssuers(dir + "/logins.toml"); (err == nil) != c.ok {
			t.Errorf("%s: got %v, %v; want accepted: %v", c.rule, list, err, c.ok)
		}
	}
	write(t, dir+"/logins.toml", good+good)
	if _, err := identity.ReadIssuers(dir + "/logins.toml"); err == nil {
		t.Error("the same slug twice: want it refused")
	}
}
