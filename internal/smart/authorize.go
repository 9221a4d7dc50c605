package smart

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Asked is what an app asks a person for, as far as it could be granted at all.
type Asked struct {
	App         App
	Scopes      []string // within what the app is registered for
	Refused     []string // what it asked beyond that, or what is not enforced here
	Launched    bool     // from our page, with the patient who is open there
	Patient     string   // of the launch, "Patient/…"
	Encounter   string   // of the launch, "Encounter/…" or ""
	NeedPatient bool     // the person picks one
	Remembered  bool     // it was let in for as much before, and comes from our page now: nothing to ask

	asked *fosite.AuthorizeRequest
	token string // of the launch
}

// Host is where the browser goes back to, for the person to recognise.
func (a *Asked) Host() string {
	if u := a.asked.RedirectURI; u.Host != "" {
		return u.Host
	}
	return a.asked.RedirectURI.Scheme + ":" // an installed app
}

// Decision is what the person says.
type Decision struct {
	Allow     bool
	Scopes    []string // of those offered
	Patient   string
	Encounter string
}

// Back is the refusal of a request whose app is known: the browser goes back there with the error.
type Back struct{ Location string }

func (b *Back) Error() string { return "smart: refused, back to the app" }

const maxQuery = 8 << 10

var (
	strangeApp     = fhir.Refuse(400, "security", "unknown-app", "this app is not registered here", "该应用未在本系统登记")
	strangeAddress = fhir.Refuse(400, "security", "redirect-mismatch", "the app wants you sent to an address that is not registered for it", "应用要求跳转的地址未登记，已拒绝")
	badRequest     = fhir.Refuse(400, "invalid", "bad-request", "the app's request cannot be read", "应用的请求格式不正确")
	badLaunch      = fhir.Refuse(400, "security", "bad-launch", "this launch is over, was used, or is not yours; start the app again from the patient's page", "本次启动已失效或不属于您，请从患者页面重新启动应用")
)

// back makes the address of the app that tells it of an error.
func back(redirect, state, base string, err error) *Back {
	e := fosite.ErrorToRFC6749Error(err)
	return &Back{answer(redirect, base, url.Values{"error": {e.ErrorField}, "error_description": {e.GetDescription()}, "state": {state}})}
}

// answer adds parameters to a redirect address, and who answers (RFC 9207: against mix-up).
func answer(redirect, base string, add url.Values) string {
	u, err := url.Parse(redirect)
	if err != nil {
		return redirect // it was parsed when it was registered
	}
	q := u.Query()
	for name, values := range add {
		if values[0] != "" {
			q[name] = values
		}
	}
	q.Set("iss", issuer(base))
	u.RawQuery = q.Encode()
	return u.String()
}

// read checks what an app asks for, apart from who is asked.
func (s *Service) read(ctx context.Context, base, query string) (*Asked, error) {
	form, err := url.ParseQuery(query)
	if err != nil || len(query) > maxQuery {
		return nil, badRequest
	}
	app, err := s.App(ctx, form.Get("client_id"))
	if Unknown(err) || err == nil && !app.Interactive() {
		return nil, strangeApp
	}
	if err != nil {
		return nil, err
	}
	redirect, state := form.Get("redirect_uri"), form.Get("state")
	if !slices.Contains(app.Redirects, redirect) || len(form["redirect_uri"]) != 1 || len(form["client_id"]) != 1 {
		return nil, strangeAddress
	}
	refuse := func(err error) (*Asked, error) { return nil, back(redirect, state, base, err) }
	for name, values := range form {
		if len(values) > 1 {
			return refuse(fosite.ErrInvalidRequest.WithHintf("%s stands there more than once", name))
		}
	}
	switch {
	case form.Get("request") != "" || form.Get("request_uri") != "":
		return refuse(fosite.ErrRequestNotSupported)
	case form.Get("response_type") != "code":
		return refuse(fosite.ErrUnsupportedResponseType)
	case form.Get("response_mode") != "" && form.Get("response_mode") != "query":
		return refuse(fosite.ErrUnsupportedResponseMode)
	case form.Get("prompt") == "none":
		return refuse(fosite.ErrInteractionRequired)
	case strings.TrimSuffix(form.Get("aud"), "/") != base:
		return refuse(fosite.ErrInvalidRequest.WithHintf("aud is %q; this is %s", form.Get("aud"), base))
	case form.Get("code_challenge_method") != "S256" || len(form.Get("code_challenge")) != 43:
		return refuse(fosite.ErrInvalidRequest.WithHint("PKCE with code_challenge_method=S256 is needed"))
	}
	a := &Asked{App: app, token: form.Get("launch")}
	a.Scopes, a.Refused = offer(app.Scopes, strings.Fields(form.Get("scope")))
	if slices.Contains(a.Scopes, "launch") != (a.token != "") {
		return refuse(fosite.ErrInvalidRequest.WithHint("the scope launch and the parameter launch belong together"))
	}
	if !slices.ContainsFunc(a.Scopes, func(sc string) bool {
		return sc == "openid" || strings.Contains(sc, "/") && !strings.HasPrefix(sc, "launch")
	}) {
		return refuse(fosite.ErrInvalidScope.WithHint("nothing of what is asked for can be granted"))
	}
	a.Launched = a.token != ""
	a.NeedPatient = !a.Launched && (slices.Contains(a.Scopes, "launch/patient") || has(a.Scopes, "patient"))
	form.Set("scope", strings.Join(a.Scopes, " "))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/oauth/authorize", nil)
	if err != nil {
		return nil, err
	}
	r.Form = form
	asked, err := s.provider.NewAuthorizeRequest(ctx, r)
	if err != nil {
		return refuse(err)
	}
	a.asked = asked.(*fosite.AuthorizeRequest)
	return a, nil
}

// Ask prepares the question to the person who is logged in.
func (s *Service) Ask(ctx context.Context, base, query string, se *identity.Session) (*Asked, error) {
	a, err := s.read(ctx, base, query)
	if err != nil {
		return nil, err
	}
	if a.App.Org != "" && !s.Tree.Within(se.Caller.Org, a.App.Org) {
		return nil, back(a.asked.RedirectURI.String(), a.asked.State, base, fosite.ErrAccessDenied.WithHint("this app is not for your institution"))
	}
	err = s.Store.View(ctx, func(tx *store.Tx) error {
		if a.Launched {
			if err := s.launchOf(ctx, tx, a, se); err != nil {
				return err
			}
		}
		given, err := consentOf(ctx, tx, se.User.ID, a.App.ID)
		a.Remembered = a.Launched && len(given) > 0 && !slices.ContainsFunc(a.Scopes, func(sc string) bool { return !covers(given, sc) })
		return err
	})
	return a, err
}

func (s *Service) launchOf(ctx context.Context, tx *store.Tx, a *Asked, se *identity.Session) error {
	h, mark := hashOf(a.token), se.Mark()
	found := false
	err := tx.Query(ctx, `SELECT patient, encounter FROM smart_launch WHERE hash = ? AND session = ? AND app = ? AND expires > ?`,
		[]any{h[:], mark[:], a.App.ID, micros(s.Wall.Now())}, func(scan func(...any) error) error { found = true; return scan(&a.Patient, &a.Encounter) })
	if err == nil && !found {
		err = badLaunch
	}
	return err
}

func consentOf(ctx context.Context, tx *store.Tx, user, app string) (scopes []string, err error) {
	err = tx.Query(ctx, `SELECT scopes FROM smart_consent WHERE user_id = ? AND app = ?`, []any{user, app}, func(scan func(...any) error) error {
		var text string
		err := scan(&text)
		scopes = strings.Fields(text)
		return err
	})
	return scopes, err
}

// Launch begins an app from our page for a patient whom the person sees, and returns the address to open. What stands
// in it is good for this login, this app, once, and for a short time.
func (s *Service) Launch(ctx context.Context, base string, se *identity.Session, app, patient, encounter string) (string, error) {
	a, err := s.App(ctx, app)
	if err != nil {
		return "", err
	}
	if a.Launch == "" || a.Org != "" && !s.Tree.Within(se.Caller.Org, a.Org) {
		return "", unknownApp
	}
	token := secret("xl")
	h, mark := hashOf(token), se.Mark()
	err = s.Store.Update(ctx, func(tx *store.Tx) error {
		if err := sees(ctx, tx, se, patient, encounter); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM smart_launch WHERE expires < ?`, micros(s.Wall.Now())); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO smart_launch (hash, session, user_id, app, patient, encounter, expires) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			h[:], mark[:], se.User.ID, a.ID, patient, encounter, micros(s.Wall.Now().Add(seconds(s.Rules.LaunchSeconds))))
		if err == nil {
			err = s.note(ctx, tx, "E", "app-launch", "App/"+a.ID)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("smart: launch: %w", err)
	}
	u, err := url.Parse(a.Launch)
	if err != nil {
		return "", fmt.Errorf("smart: launch: %w", err)
	}
	q := u.Query()
	q.Set("iss", base)
	q.Set("launch", token)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// sees checks that the person reads the patient, and that the encounter is that patient's.
func sees(ctx context.Context, tx *store.Tx, se *identity.Session, patient, encounter string) error {
	id, ok := strings.CutPrefix(patient, "Patient/")
	if !ok {
		return store.ErrNotFound
	}
	if _, err := tx.Read(ctx, se.Caller.Scope, "Patient", id); err != nil {
		return err
	}
	if encounter == "" {
		return nil
	}
	id, ok = strings.CutPrefix(encounter, "Encounter/")
	if !ok {
		return store.ErrNotFound
	}
	v, err := tx.Read(ctx, se.Caller.Scope, "Encounter", id)
	if err != nil {
		return err
	}
	n, err := fhir.Parse(v.JSON)
	if err == nil && n.Str("subject.reference") != patient {
		err = store.ErrNotFound
	}
	return err
}

// Decide carries out what the person said, and returns the address to which the browser goes back.
func (s *Service) Decide(ctx context.Context, base, query string, se *identity.Session, d Decision) (string, error) {
	a, err := s.Ask(ctx, base, query, se)
	var b *Back
	if errors.As(err, &b) {
		return b.Location, nil
	}
	if err != nil {
		return "", err
	}
	redirect, state := a.asked.RedirectURI.String(), a.asked.State
	if !d.Allow {
		return back(redirect, state, base, fosite.ErrAccessDenied).Location, nil
	}
	for _, sc := range d.Scopes {
		if !slices.Contains(a.Scopes, sc) {
			return "", bad("scope-not-asked", "not among what the app asked for: "+sc, "应用未申请该权限："+sc)
		}
	}
	if a.Launched && !slices.Contains(d.Scopes, "launch") {
		d.Scopes = append(slices.Clone(d.Scopes), "launch")
	}
	patient, encounter := a.Patient, a.Encounter
	switch {
	case a.Launched && (d.Patient != "" && d.Patient != a.Patient || d.Encounter != "" && d.Encounter != a.Encounter):
		return "", bad("other-patient", "the app was launched for another patient", "应用是为另一位患者启动的")
	case !a.Launched && (slices.Contains(d.Scopes, "launch/patient") || has(d.Scopes, "patient")):
		if patient = d.Patient; patient == "" {
			return "", bad("patient-needed", "pick the patient for whom the app may act", "请选择应用可访问的患者")
		}
		encounter = d.Encounter
	}
	c := se.Caller
	token := newSession()
	token.Role, token.Org, token.Practitioner, token.Patient, token.Encounter, token.Launched, token.Base = c.Role, c.Org, c.Practitioner, patient, encounter, a.Launched, base
	if !slices.Contains(d.Scopes, "offline_access") {
		mark := se.Mark()
		token.Mark = hex.EncodeToString(mark[:])
	}
	token.Subject = se.User.ID
	claims := token.IDTokenClaims()
	claims.Subject, claims.Issuer, claims.Extra = se.User.ID, issuer(base), map[string]any{}
	for name, value := range s.about(d.Scopes, token, se.User.Name) {
		claims.Extra[name] = value
	}
	a.asked.GrantedScope = d.Scopes
	err = s.Store.Update(ctx, func(tx *store.Tx) error {
		if a.Launched {
			h := hashOf(a.token)
			n, err := tx.Exec(ctx, `DELETE FROM smart_launch WHERE hash = ?`, h[:])
			if err != nil {
				return err
			}
			if n == 0 {
				return badLaunch
			}
		}
		if patient != "" {
			if err := sees(ctx, tx, se, patient, encounter); err != nil {
				return err
			}
		}
		now := micros(s.Wall.Now())
		_, err := tx.Exec(ctx, `INSERT INTO smart_consent (user_id, app, scopes, since, used) VALUES (?, ?, ?, ?, ?) ON CONFLICT (user_id, app) DO UPDATE SET scopes = excluded.scopes, used = excluded.used`,
			se.User.ID, a.App.ID, strings.Join(d.Scopes, " "), now, now)
		if err == nil {
			err = s.note(ctx, tx, "C", "app-let-in", "App/"+a.App.ID)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	res, err := s.provider.NewAuthorizeResponse(ctx, a.asked, token)
	if err != nil {
		return back(redirect, state, base, err).Location, nil
	}
	return answer(redirect, base, res.GetParameters()), nil
}

// about is what an app may know of the person himself.
func (s *Service) about(scopes []string, se *session, name string) map[string]any {
	out := map[string]any{}
	if slices.Contains(scopes, "fhirUser") && se.Practitioner != "" {
		out["fhirUser"] = se.Base + "/" + se.Practitioner
	}
	if slices.Contains(scopes, "profile") {
		out["name"] = name
		if se.Practitioner != "" {
			out["profile"] = se.Base + "/" + se.Practitioner
		}
	}
	return out
}

// LetIn is an app that a person has let in.
type LetIn struct {
	App    App
	Scopes []string
	Since  time.Time
	Used   time.Time
}

// LetInBy lists the apps that a person has let in, the latest first.
func (s *Service) LetInBy(ctx context.Context, user string) (list []LetIn, err error) {
	err = s.Store.View(ctx, func(tx *store.Tx) error {
		list = nil
		err := tx.Query(ctx, `SELECT app, scopes, since, used FROM smart_consent WHERE user_id = ? ORDER BY used DESC, app`, []any{user}, func(scan func(...any) error) error {
			var l LetIn
			var scopes string
			var since, used int64
			err := scan(&l.App.ID, &scopes, &since, &used)
			l.Scopes, l.Since, l.Used = strings.Fields(scopes), moment(since), moment(used)
			list = append(list, l)
			return err
		})
		if err != nil {
			return err
		}
		for i := range list {
			found, err := apps(ctx, tx, `WHERE id = ?`, list[i].App.ID)
			if err != nil {
				return err
			}
			if len(found) == 1 {
				list[i].App = found[0]
			}
		}
		return nil
	})
	return list, err
}

// Withdraw takes back what a person let an app do: its tokens end at once.
func (s *Service) Withdraw(ctx context.Context, user, app string) error {
	err := s.Store.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM smart_consent WHERE user_id = ? AND app = ?`, user, app)
		if err != nil {
			return err
		}
		if n == 0 {
			return unknownApp
		}
		if _, err = tx.Exec(ctx, `DELETE FROM smart_token WHERE user_id = ? AND app = ?`, user, app); err != nil {
			return err
		}
		return s.note(ctx, tx, "D", "app-withdrawn", "App/"+app)
	})
	s.forget()
	if err != nil {
		return fmt.Errorf("smart: withdraw: %w", err)
	}
	return nil
}
