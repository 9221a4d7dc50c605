package smart

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Register opens the door of OAuth: where apps come themselves, without a session. The question to the person is on the
// page, which asks Ask and Decide.
func (s *Service) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /oauth/authorize", s.authorize)
	mux.HandleFunc("POST /oauth/authorize", s.authorize)
	mux.HandleFunc("POST /oauth/token", s.asApp(s.redeem))
	mux.HandleFunc("POST /oauth/revoke", s.asApp(s.revoke))
	mux.HandleFunc("POST /oauth/introspect", s.asApp(s.introspect))
	mux.HandleFunc("GET /oauth/userinfo", s.userinfo)
	mux.HandleFunc("GET /oauth/jwks", s.jwks)
	mux.HandleFunc("GET /.well-known/smart-configuration", s.configuration)
	mux.HandleFunc("GET /fhir/.well-known/smart-configuration", s.configuration)
	mux.HandleFunc("GET /.well-known/openid-configuration", s.openid)
	nothing := func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusNotFound, map[string]string{"error": "not_found", "error_description": "nothing is at this address, or not by this method"})
	}
	mux.HandleFunc("/oauth/", nothing)
	mux.HandleFunc("/.well-known/", nothing)
	mux.HandleFunc("/fhir/.well-known/", nothing)
}

func answerJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body)
}

// authorize looks at the request of an app and sends the browser on to the question, or back with the error.
func (s *Service) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.RawQuery
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxQuery)
		if err := r.ParseForm(); err != nil || query != "" {
			http.Redirect(w, r, "/consent?problem=bad-request", http.StatusSeeOther)
			return
		}
		query = r.PostForm.Encode()
	}
	base, err := s.Base(r)
	if err == nil {
		_, err = s.read(r.Context(), base, query)
	}
	w.Header().Set("Cache-Control", "no-store")
	var b *Back
	var why *fhir.Error
	switch {
	case err == nil:
		http.Redirect(w, r, "/consent?"+query, http.StatusSeeOther)
	case errors.As(err, &b):
		w.Header().Set("Location", b.Location)
		w.WriteHeader(http.StatusSeeOther)
	case errors.As(err, &why):
		http.Redirect(w, r, "/consent?problem="+url.QueryEscape(why.Issues[0].Detail), http.StatusSeeOther)
	case gone(r):
		w.WriteHeader(499)
	default:
		s.Log.Error("smart: authorize", "error", err)
		http.Redirect(w, r, "/consent?problem=internal", http.StatusSeeOther)
	}
}

// asApp reads the form of an app that asks for itself.
func (s *Service) asApp(next func(http.ResponseWriter, *http.Request, context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		base, err := s.Base(r)
		if err != nil {
			answerJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable", "error_description": err.Error()})
			return
		}
		err = s.form(w, r)
		if err == nil {
			err = next(w, r, context.WithValue(r.Context(), baseKey{}, base))
		}
		if err != nil {
			s.refuse(w, r, err)
		}
	}
}

func (s *Service) form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return fosite.ErrInvalidRequest.WithHint("send application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return fosite.ErrInvalidRequest.WithHint("nothing belongs into the address here")
	}
	if err := r.ParseForm(); err != nil {
		return fosite.ErrInvalidRequest.WithHint("the form cannot be read")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return fosite.ErrInvalidRequest.WithHintf("%s stands there more than once", name)
		}
	}
	return nil
}

// gone tells whether the client has left, so that what failed for it is no fault of ours.
func gone(r *http.Request) bool { return errors.Is(r.Context().Err(), context.Canceled) }

// refuse answers in the form of RFC 6749; what the operator must know goes to the log.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errTaken) {
		err = fosite.ErrInvalidGrant.WithHint("redeemed already")
	}
	e := fosite.ErrorToRFC6749Error(err)
	if e.CodeField >= 500 && gone(r) {
		w.WriteHeader(499)
		return
	}
	if e.CodeField >= 500 {
		s.Log.Error("smart: failed", "request", r.Header.Get("X-Request-Id"), "error", err, "cause", errors.Unwrap(e))
	}
	if e.ErrorField == "invalid_client" {
		w.Header().Set("WWW-Authenticate", `Basic realm="xinglin"`)
	}
	answerJSON(w, e.CodeField, map[string]string{"error": e.ErrorField, "error_description": e.GetDescription()})
}

// redeem is the token endpoint.
func (s *Service) redeem(w http.ResponseWriter, r *http.Request, ctx context.Context) error {
	asked := strings.Fields(r.PostForm.Get("scope"))
	ar, err := s.provider.NewAccessRequest(ctx, r, newSession())
	app := ""
	if ar != nil && ar.GetClient() != nil {
		app = ar.GetClient().GetID()
	}
	if err != nil {
		if app != "" { // else anybody could fill the trail
			err = errors.Join(s.tell(r, app, nil, "token-refused"), err)
		}
		return err
	}
	c := ar.GetClient().(*client)
	se, _ := ar.GetSession().(*session)
	if se == nil {
		return fosite.ErrServerError
	}
	if ar.GetGrantTypes().ExactOne("client_credentials") {
		if len(asked) == 0 {
			return fosite.ErrInvalidScope.WithHint("ask for system/ scopes")
		}
		for _, sc := range asked {
			if !strings.HasPrefix(sc, "system/") {
				return fosite.ErrInvalidScope.WithHintf("not a scope of a program: %s", sc)
			}
			ar.GrantScope(sc)
		}
		se.Role, se.Org, se.Subject, se.Base = access.Program, c.Org, c.ID, baseFrom(ctx)
	}
	if ar.GetGrantTypes().ExactOne("refresh_token") {
		for _, sc := range asked {
			if !slices.Contains(ar.GetGrantedScopes(), sc) {
				return fosite.ErrInvalidScope.WithHintf("more than was granted: %s", sc)
			}
		}
	}
	granted := ar.GetGrantedScopes()
	if ar.GetGrantTypes().ExactOne("authorization_code") { // fosite copies them only when it answers
		code, err := (shelf{s}).GetAuthorizeCodeSession(ctx, sign(r.PostForm.Get("code")), nil)
		if err != nil {
			return fosite.ErrInvalidGrant.WithWrap(err)
		}
		granted = code.GetGrantedScopes()
	}
	who, err := s.callerOf(ctx, c.App, record{Granted: granted, Session: se})
	if err != nil {
		return fosite.ErrServerError.WithWrap(err)
	}
	if who == nil {
		return errors.Join(s.end(ctx, ar.GetID()), fosite.ErrInvalidGrant.WithHint("the login, the account or the role behind it is over"))
	}
	res, err := s.provider.NewAccessResponse(ctx, ar)
	if err != nil {
		return err
	}
	if err := s.tell(r, c.ID, who, "token"); err != nil {
		return errors.Join(s.end(ctx, ar.GetID()), fosite.ErrServerError.WithWrap(err))
	}
	if who.Delegated() {
		err := s.Store.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE smart_consent SET used = ? WHERE user_id = ? AND app = ?`, micros(s.Wall.Now()), who.User, c.ID)
			return err
		})
		if err != nil {
			return errors.Join(s.end(ctx, ar.GetID()), fosite.ErrServerError.WithWrap(err))
		}
	}
	res.SetTokenType("Bearer")
	if se.Patient != "" {
		res.SetExtra("patient", strings.TrimPrefix(se.Patient, "Patient/"))
		res.SetExtra("need_patient_banner", !se.Launched)
	}
	if se.Encounter != "" {
		res.SetExtra("encounter", strings.TrimPrefix(se.Encounter, "Encounter/"))
	}
	answerJSON(w, http.StatusOK, res.ToMap())
	return nil
}

// tell leaves an entry of what happened at this door; nothing is given out that cannot be recorded.
func (s *Service) tell(r *http.Request, app string, who *access.Caller, what string) error {
	if s.Audit == nil {
		return nil
	}
	ctx := r.Context()
	if who != nil {
		who.Remote, who.Request = s.Identity.Remote(r), r.Header.Get("X-Request-Id")
		ctx = access.With(ctx, who)
	}
	e := audit.Of(ctx, "E", what, "App/"+app)
	e.Remote, e.Request = s.Identity.Remote(r), r.Header.Get("X-Request-Id")
	if who == nil {
		e.Outcome = "4"
	} else if len(who.Scope.Only) > 0 {
		e.Patients = who.Scope.Only
	}
	return s.Audit.Read(ctx, e)
}

// revoke ends a token of the app that asks, with all that came of the same consent (RFC 7009).
func (s *Service) revoke(w http.ResponseWriter, r *http.Request, ctx context.Context) error {
	err := s.provider.NewRevocationRequest(ctx, r)
	s.forget()
	if errors.Is(err, fosite.ErrUnauthorizedClient) {
		err = nil // another app's token: nothing is told, nothing is done
	}
	if err == nil {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
	}
	return err
}

// introspect tells an app that proves itself about its own tokens, and a resource server about all (RFC 7662).
func (s *Service) introspect(w http.ResponseWriter, r *http.Request, ctx context.Context) error {
	fc, err := s.authenticate(ctx, r, r.PostForm)
	if err != nil {
		return err
	}
	asks := fc.(*client)
	if asks.Kind == Public {
		return wrongClient
	}
	token := r.PostForm.Get("token")
	inactive := map[string]any{"active": false}
	if strings.HasPrefix(token, refreshPrefix) {
		req, active, err := (shelf{s}).get(ctx, kindRefresh, sign(token))
		if errors.Is(err, fosite.ErrNotFound) || err == nil && (!active || req.Client.GetID() != asks.ID) {
			answerJSON(w, http.StatusOK, inactive)
			return nil
		}
		if err != nil {
			return fosite.ErrServerError.WithWrap(err)
		}
		answerJSON(w, http.StatusOK, map[string]any{"active": true, "client_id": asks.ID, "token_type": "refresh_token", "scope": strings.Join(req.GrantedScope, " ")})
		return nil
	}
	k, err := s.token(ctx, token)
	if err != nil {
		return fosite.ErrServerError.WithWrap(err)
	}
	if k == nil || k.app.ID != asks.ID && (!asks.Introspects || asks.Org != "" && !s.Tree.Within(k.Session.Org, asks.Org)) {
		answerJSON(w, http.StatusOK, inactive)
		return nil
	}
	who, err := s.callerOf(ctx, k.app, k.record)
	if err != nil {
		return fosite.ErrServerError.WithWrap(err)
	}
	if who == nil {
		answerJSON(w, http.StatusOK, inactive)
		return nil
	}
	out := map[string]any{"active": true, "scope": strings.Join(k.Granted, " "), "client_id": k.app.ID, "token_type": "Bearer", "exp": k.expires.Unix(), "iat": k.created.Unix(),
		"sub": k.Session.Subject, "iss": issuer(k.Session.Base), "aud": k.Session.Base}
	if p := k.Session.Patient; p != "" {
		out["patient"] = strings.TrimPrefix(p, "Patient/")
	}
	if e := k.Session.Encounter; e != "" {
		out["encounter"] = strings.TrimPrefix(e, "Encounter/")
	}
	for name, value := range s.about(k.Granted, k.Session, who.Name) {
		out[name] = value
	}
	answerJSON(w, http.StatusOK, out)
	return nil
}

func (s *Service) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	k, err := s.token(r.Context(), strings.TrimSpace(token))
	var who *access.Caller
	if err == nil && k != nil && strings.EqualFold(scheme, "Bearer") && slices.Contains(k.Granted, "openid") {
		who, err = s.callerOf(r.Context(), k.app, k.record)
	}
	if err != nil {
		s.refuse(w, r, fosite.ErrServerError.WithWrap(err))
		return
	}
	if who == nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="xinglin", error="invalid_token"`)
		answerJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	out := s.about(k.Granted, k.Session, who.Name)
	out["sub"] = k.Session.Subject
	answerJSON(w, http.StatusOK, out)
}

func (s *Service) jwks(w http.ResponseWriter, r *http.Request) {
	set, err := s.keys.public(r.Context())
	if err != nil {
		s.refuse(w, r, fosite.ErrServerError.WithWrap(err))
		return
	}
	answerJSON(w, http.StatusOK, set)
}

// scopesSupported are examples of each kind, as SMART wants them.
var scopesSupported = append(slices.Clone(plain), "patient/*.cruds", "user/*.cruds", "system/*.cruds", "patient/*.read", "patient/*.write", "patient/*.*", "user/*.read", "user/*.write", "user/*.*", "system/*.read", "system/*.write", "system/*.*")

// capabilities of SMART App Launch that hold here. permission-patient and permission-user with version 1 and 2; scopes
// with a query part are never granted.
var capabilities = []string{"launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric", "client-confidential-asymmetric",
	"sso-openid-connect", "context-banner", "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient", "context-standalone-encounter",
	"permission-offline", "permission-online", "permission-patient", "permission-user", "permission-v1", "permission-v2"}

func (s *Service) common(w http.ResponseWriter, r *http.Request) (map[string]any, string) {
	base, err := s.Base(r)
	if err != nil {
		answerJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable", "error_description": err.Error()})
		return nil, ""
	}
	root := issuer(base)
	return map[string]any{
		"issuer": root, "jwks_uri": root + "/oauth/jwks",
		"authorization_endpoint": root + "/oauth/authorize", "token_endpoint": root + "/oauth/token",
		"introspection_endpoint": root + "/oauth/introspect", "revocation_endpoint": root + "/oauth/revoke", "userinfo_endpoint": root + "/oauth/userinfo",
		"grant_types_supported":                            []string{"authorization_code", "refresh_token", "client_credentials"},
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query"},
		"token_endpoint_auth_methods_supported":            []string{"client_secret_basic", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"scopes_supported":                                 scopesSupported,
		"authorization_response_iss_parameter_supported":   true,
	}, base
}

func (s *Service) configuration(w http.ResponseWriter, r *http.Request) {
	out, base := s.common(w, r)
	if out == nil {
		return
	}
	out["capabilities"] = capabilities
	out["management_endpoint"] = issuer(base) + "/me/apps"
	answerJSON(w, http.StatusOK, out)
}

func (s *Service) openid(w http.ResponseWriter, r *http.Request) {
	out, _ := s.common(w, r)
	if out == nil {
		return
	}
	out["subject_types_supported"] = []string{"public"}
	out["id_token_signing_alg_values_supported"] = []string{"RS256"}
	out["claims_supported"] = []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser", "name", "profile"}
	out["request_parameter_supported"], out["request_uri_parameter_supported"] = false, false
	answerJSON(w, http.StatusOK, out)
}

// Run sweeps and keeps the signing keys fresh until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}
