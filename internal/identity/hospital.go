package identity

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// AwayCookie binds a login at a hospital to the browser that began it.
const AwayCookie = "xinglin_away"

// away is what is remembered while somebody is at his hospital's login.
type away struct {
	Slug     string `json:"slug"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Browser  string `json:"browser"`
	Callback string `json:"callback"`
	To       string `json:"to"`
}

var (
	unknownLogin = fhir.Refuse(404, "not-found", "unknown-login", "no such hospital login", "没有这个医院登录")
	loginAway    = fhir.Refuse(502, "transient", "hospital-login-down", "the hospital's login does not answer rightly; use your password, or try again later", "医院统一登录暂不可用，请用账号密码登录或稍后再试")
	loginRefused = fhir.Refuse(401, "login", "hospital-login-failed", "the hospital's login did not confirm who you are", "医院统一登录未能确认您的身份")
	notKnownHere = fhir.Refuse(403, "forbidden", "not-known-here", "your hospital knows you, but there is no account for your staff number here: ask your administrator", "您在本院已通过验证，但本系统没有与您工号对应的账号，请联系本单位管理员")
)

func (s *Service) issuer(slug string) *issuer {
	for _, i := range s.issuers {
		if i.Slug == slug {
			return i
		}
	}
	return nil
}

// Hospitals lists the configured logins.
func (s *Service) Hospitals() (list []Issuer) {
	for _, i := range s.issuers {
		list = append(list, i.Issuer)
	}
	return list
}

func (s *Service) callback(r *http.Request, slug string) string {
	origin := s.opts.Origin
	if origin == "" {
		origin = "http://" + r.Host
		if s.secure(r) {
			origin = "https://" + r.Host
		}
	}
	return strings.TrimSuffix(origin, "/") + "/api/login/with/" + slug + "/back"
}

// Leave begins a login at a hospital: where to send the browser, and the value of AwayCookie. to is a path of our page.
func (s *Service) Leave(r *http.Request, slug, to string) (address, browser string, err error) {
	i := s.issuer(slug)
	if i == nil {
		return "", "", unknownLogin
	}
	p, _, err := i.ready(r.Context())
	if err != nil {
		return "", "", errors.Join(loginAway, err)
	}
	a := away{Slug: slug, Nonce: secret(), Verifier: oauth2.GenerateVerifier(), Browser: secret(), Callback: s.callback(r, slug), To: ownPath(to)}
	data, _ := json.Marshal(a)
	state, err := s.hold(r.Context(), "away", "", data, 2*stepLife)
	if err != nil {
		return "", "", err
	}
	c := i.config(p, a.Callback)
	return c.AuthCodeURL(state, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), a.Browser, nil
}

// ownPath lets a login return to a path of this page and nowhere else.
func ownPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || len(to) > 2000 || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(u.Path, "/api/") {
		return "/"
	}
	return to
}

// Return ends a login at a hospital: r is the browser's way back. It answers where to go on our page.
func (s *Service) Return(r *http.Request, slug string, v Visit) (e Entry, to string, err error) {
	ctx, q := r.Context(), r.URL.Query()
	i := s.issuer(slug)
	if i == nil {
		return e, "/", unknownLogin
	}
	_, data, ok, err := s.take(ctx, "away", q.Get("state"))
	if err != nil {
		return e, "/", err
	}
	var a away
	if !ok || json.Unmarshal(data, &a) != nil {
		return e, "/", stepOver
	}
	cookie, err := r.Cookie(AwayCookie)
	if err != nil || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(a.Browser)) != 1 || a.Slug != slug {
		return e, "/", stepOver
	}
	if iss := q.Get("iss"); iss != "" && iss != i.Issuer.Issuer { // RFC 9207
		return e, a.To, loginRefused
	}
	if q.Get("error") != "" || q.Get("code") == "" {
		return e, a.To, loginRefused
	}
	p, _, err := i.ready(ctx)
	if err != nil {
		return e, a.To, errors.Join(loginAway, err)
	}
	config := i.config(p, a.Callback)
	token, err := config.Exchange(oidc.ClientContext(ctx, i.client), q.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return e, a.To, errors.Join(loginRefused, fmt.Errorf("identity: login %s: %w", slug, err))
	}
	c, err := i.claims(ctx, p, token, a.Nonce)
	if err != nil {
		return e, a.To, errors.Join(loginRefused, fmt.Errorf("identity: login %s: %w", slug, err))
	}
	u, err := s.mapped(ctx, i, c)
	if err != nil {
		return Entry{User: u}, a.To, err
	}
	e, err = s.proceed(ctx, u, v, "oidc:"+slug, c.strong)
	if err != nil && errors.Is(err, noRole) {
		err = notKnownHere
	}
	return e, a.To, err
}

// claims are what an id_token says, after it was found to be for us, from them, for this login, and fresh.
type claims struct {
	subject, number string
	strong          bool
}

func (i *issuer) claims(ctx context.Context, p *oidc.Provider, token *oauth2.Token, nonce string) (c claims, err error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return c, errors.New("no id_token")
	}
	now := i.wall.Now()
	id, err := p.Verifier(&oidc.Config{ClientID: i.ClientID,
		SupportedSigningAlgs: []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA},
		Now:                  func() time.Time { return now.Add(-skew) }}).Verify(ctx, raw)
	if err != nil {
		return c, err
	}
	var all map[string]any
	if err := id.Claims(&all); err != nil {
		return c, err
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1:
		return c, errors.New("the nonce is not that of this login")
	case id.IssuedAt.After(now.Add(skew)):
		return c, errors.New("the id_token is of the future")
	case id.Subject == "" || len(id.Subject) > 255:
		return c, errors.New("the subject is missing")
	case len(id.Audience) > 1 && all["azp"] != i.ClientID, all["azp"] != nil && all["azp"] != i.ClientID:
		return c, errors.New("the id_token was given to another client")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return c, err
		}
	}
	number, _ := all[i.Claim].(string)
	if number = strings.TrimSpace(number); number == "" || len(number) > 64 {
		return c, fmt.Errorf("the claim %s holds no staff number", i.Claim)
	}
	c = claims{subject: id.Subject, number: number}
	said := []string{}
	if acr, ok := all["acr"].(string); ok {
		said = append(said, acr)
	}
	if amr, ok := all["amr"].([]any); ok {
		for _, x := range amr {
			if text, ok := x.(string); ok {
				said = append(said, text)
			}
		}
	}
	c.strong = slices.ContainsFunc(said, func(x string) bool { return slices.Contains(i.Strong, x) })
	return c, nil
}

// mapped is the account of a staff number at the issuer's institution. The number leads to one Practitioner, that to an
// account with a role there; from then on the issuer's subject must stay the same. An e-mail address leads nowhere.
func (s *Service) mapped(ctx context.Context, i *issuer, c claims) (u User, err error) {
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`)
	request, err := search.Parse("Practitioner", []search.Param{{Name: "identifier", Value: escape.Replace(i.System) + "|" + escape.Replace(c.number)}}, search.Options{})
	if err != nil {
		return u, fmt.Errorf("identity: staff number: %w", err)
	}
	request.Query.Scope, request.Query.Count = search.Everything, 2
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		u = User{}
		page, err := tx.Search(ctx, request.Query)
		if err != nil {
			return err
		}
		if len(page.Matches) != 1 {
			return notKnownHere
		}
		if n, err := fhir.Parse(page.Matches[0].JSON); err != nil || n.Str("active") == "false" {
			return notKnownHere
		}
		found, err := s.list(ctx, tx, `WHERE u.practitioner = ?`, "Practitioner/"+page.Matches[0].ID)
		if err != nil {
			return err
		}
		if len(found) != 1 || found[0].Disabled {
			return notKnownHere
		}
		u = found[0]
		if _, ok := s.confine(u, "oidc:"+i.Slug).inForce("", s.opts.Clock.Now()); !ok {
			return notKnownHere
		}
		linked, other := "", ""
		if err := tx.Query(ctx, `SELECT user_id FROM identity_link WHERE issuer = ? AND subject = ?`, []any{i.Issuer.Issuer, c.subject}, func(scan func(...any) error) error { return scan(&linked) }); err != nil {
			return err
		}
		if err := tx.Query(ctx, `SELECT subject FROM identity_link WHERE issuer = ? AND user_id = ?`, []any{i.Issuer.Issuer, u.ID}, func(scan func(...any) error) error { return scan(&other) }); err != nil {
			return err
		}
		switch {
		case linked == u.ID:
			return nil
		case linked != "" || other != "": // the number has moved to another person there, or the person to another number
			return notKnownHere
		}
		if _, err := tx.Exec(ctx, `INSERT INTO identity_link (issuer, subject, user_id, created) VALUES (?, ?, ?, ?)`, i.Issuer.Issuer, c.subject, u.ID, micros(s.opts.Wall.Now())); err != nil {
			return err
		}
		return s.noteSelf(ctx, tx, "C", "login-link", u.ID, "")
	})
	if err != nil && !errors.Is(err, notKnownHere) {
		return u, fmt.Errorf("identity: staff number: %w", err)
	}
	return u, err
}

// Farewell is where a browser ends its session at the hospital's login too, "" when there is nothing to end.
func (s *Service) Farewell(r *http.Request, se Session) string {
	first, _, _ := strings.Cut(se.How, " ")
	slug, ok := strings.CutPrefix(first, "oidc:")
	i := s.issuer(slug)
	if !ok || i == nil {
		return ""
	}
	_, end, err := i.ready(r.Context())
	if err != nil || end == "" {
		return ""
	}
	u, err := url.Parse(end)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", i.ClientID)
	q.Set("post_logout_redirect_uri", strings.TrimSuffix(s.callback(r, slug), "api/login/with/"+slug+"/back"))
	u.RawQuery = q.Encode()
	return u.String()
}
