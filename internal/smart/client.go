package smart

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"
	"github.com/ory/fosite"

	"github.com/xinglin-health/xinglin/internal/store"
)

// client is an App as fosite sees it.
type client struct {
	App
	s *Service
}

func (c *client) GetID() string                      { return c.ID }
func (c *client) GetHashedSecret() []byte            { return nil } // authenticate is ours
func (c *client) GetRedirectURIs() []string          { return c.Redirects }
func (c *client) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }
func (c *client) GetScopes() fosite.Arguments        { return c.Scopes }
func (c *client) IsPublic() bool                     { return c.Kind == Public }
func (c *client) GetAudience() fosite.Arguments      { return nil }

func (c *client) GetGrantTypes() fosite.Arguments {
	var types fosite.Arguments
	if c.Interactive() {
		types = append(types, "authorization_code", "refresh_token")
	}
	if c.System() {
		types = append(types, "client_credentials")
	}
	if types == nil {
		types = fosite.Arguments{"none"} // fosite takes an empty list for authorization_code
	}
	return types
}

// GetEffectiveLifespan makes tokens of Backend Services shorter.
func (c *client) GetEffectiveLifespan(grant fosite.GrantType, token fosite.TokenType, usual time.Duration) time.Duration {
	if grant == fosite.GrantTypeClientCredentials && token == fosite.AccessToken {
		return seconds(c.s.Rules.SystemSeconds)
	}
	return usual
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

type baseKey struct{}

// baseFrom is the FHIR address under which the request came.
func baseFrom(ctx context.Context) string {
	base, _ := ctx.Value(baseKey{}).(string)
	return base
}

const bearerAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

var wrongClient = fosite.ErrInvalidClient.WithHint("unknown app, or it did not prove that it is itself")

// authenticate says which app asks at the token endpoint and its like: each kind of app in its own way and in no other.
func (s *Service) authenticate(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	id, password, basic := r.BasicAuth()
	if len(r.Header.Values("Authorization")) > 0 && !basic {
		return nil, wrongClient
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		if basic || form.Has("client_secret") {
			return nil, fosite.ErrInvalidRequest.WithHint("one way of proving itself is enough")
		}
		if form.Get("client_assertion_type") != bearerAssertion {
			return nil, fosite.ErrInvalidRequest.WithHint("unknown client_assertion_type")
		}
		return s.asserted(ctx, form.Get("client_assertion"), form.Get("client_id"))
	}
	if form.Has("client_secret") {
		return nil, fosite.ErrInvalidClient.WithHint("a secret is sent by HTTP Basic (client_secret_basic)")
	}
	if basic {
		var err, err2 error
		id, err = url.QueryUnescape(id)
		password, err2 = url.QueryUnescape(password)
		if errors.Join(err, err2) != nil || form.Has("client_id") && form.Get("client_id") != id {
			return nil, wrongClient
		}
	} else {
		id = form.Get("client_id")
	}
	if !basic && id == "" && form.Get("grant_type") == "refresh_token" { // SMART: a public app says only its refresh token
		r, _, err := (shelf{s}).get(ctx, kindRefresh, sign(form.Get("refresh_token")))
		if err != nil && !errors.Is(err, fosite.ErrNotFound) {
			return nil, fosite.ErrServerError.WithWrap(err)
		}
		if err == nil {
			id = r.Client.GetID()
		}
	}
	a, err := s.App(ctx, id)
	if Unknown(err) {
		return nil, wrongClient
	}
	if err != nil {
		return nil, fosite.ErrServerError.WithWrap(err)
	}
	switch {
	case a.Kind == Secret && basic:
		if h := hashOf(password); subtle.ConstantTimeCompare(h[:], a.secret) == 1 {
			return &client{a, s}, nil
		}
	case a.Kind == Public && !basic:
		return &client{a, s}, nil
	}
	return nil, wrongClient
}

// asserted checks a JWT that the app signed with its own key (private_key_jwt, RFC 7523): alg, signature, who, for whom,
// how long, and that it was not used before.
func (s *Service) asserted(ctx context.Context, assertion, id string) (fosite.Client, error) {
	if len(assertion) > 16<<10 {
		return nil, wrongClient
	}
	token, err := jwt.ParseSigned(assertion)
	if err != nil || len(token.Headers) != 1 {
		return nil, wrongClient
	}
	head := token.Headers[0]
	if head.Algorithm != "RS384" && head.Algorithm != "ES384" || head.KeyID == "" {
		return nil, fosite.ErrInvalidClient.WithHint("an assertion is signed by RS384 or ES384 and names its key (kid)")
	}
	var said jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&said); err != nil || said.Subject == "" || id != "" && said.Subject != id {
		return nil, wrongClient
	}
	a, err := s.App(ctx, said.Subject)
	if Unknown(err) || err == nil && a.Kind != Key {
		return nil, wrongClient
	}
	if err != nil {
		return nil, fosite.ErrServerError.WithWrap(err)
	}
	if jku, ok := head.ExtraHeaders["jku"]; ok && jku != a.JWKSURL {
		return nil, fosite.ErrInvalidClient.WithHint("jku is not the address that is registered")
	}
	key, err := s.keyOf(ctx, a, head)
	if err != nil {
		s.Log.Warn("smart: keys of app", "app", a.ID, "error", err)
		return nil, fosite.ErrInvalidClient.WithHint("the app's keys cannot be read now, or none has this kid")
	}
	var claims jwt.Claims
	if err := token.Claims(key, &claims); err != nil {
		return nil, wrongClient
	}
	base, now := baseFrom(ctx), s.Wall.Now()
	const skew = 30 * time.Second
	switch {
	case claims.Issuer != a.ID || claims.Subject != a.ID:
		return nil, wrongClient
	case !slices.Contains(claims.Audience, issuer(base)+"/oauth/token"):
		return nil, fosite.ErrInvalidClient.WithHint("aud is not the token endpoint of this hub")
	case claims.Expiry == nil || !now.Before(claims.Expiry.Time()):
		return nil, fosite.ErrInvalidClient.WithHint("the assertion has expired, or has no exp")
	case claims.Expiry.Time().After(now.Add(seconds(s.Rules.AssertionSeconds) + skew)):
		return nil, fosite.ErrInvalidClient.WithHint("exp is too far away: at most five minutes")
	case claims.IssuedAt != nil && claims.IssuedAt.Time().After(now.Add(skew)), claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(skew)):
		return nil, fosite.ErrInvalidClient.WithHint("the assertion is of the future")
	case claims.ID == "" || len(claims.ID) > 255:
		return nil, fosite.ErrInvalidClient.WithHint("jti is missing or too long")
	}
	err = s.Store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM smart_assertion WHERE expires < ?`, micros(now.Add(-time.Minute))); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO smart_assertion (app, jti, expires) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, a.ID, claims.ID, micros(claims.Expiry.Time()))
		if err == nil && n == 0 {
			err = fosite.ErrJTIKnown
		}
		return err
	})
	if errors.Is(err, fosite.ErrJTIKnown) {
		return nil, fosite.ErrInvalidClient.WithHint("this assertion was used before (jti)")
	}
	if err != nil {
		return nil, fosite.ErrServerError.WithWrap(err)
	}
	return &client{a, s}, nil
}

// keyOf is the one key of an app that a header names, fit for its alg.
func (s *Service) keyOf(ctx context.Context, a App, head jose.Header) (any, error) {
	find := func(set *jose.JSONWebKeySet) any {
		for _, k := range set.Key(head.KeyID) {
			if alg, ok := algorithm(k); ok && alg == head.Algorithm {
				return k.Key
			}
		}
		return nil
	}
	if a.JWKS != "" {
		set, err := readKeys([]byte(a.JWKS))
		if err != nil {
			return nil, err
		}
		if key := find(set); key != nil {
			return key, nil
		}
		return nil, errors.New("no such kid")
	}
	for _, fresh := range []bool{false, true} {
		set, err := s.fetch.keys(ctx, a.JWKSURL, fresh)
		if err != nil {
			return nil, err
		}
		if key := find(set); key != nil {
			return key, nil
		}
	}
	return nil, errors.New("no such kid")
}

// algorithm is the one with which a key may sign here: its form decides, not what the token says.
func algorithm(k jose.JSONWebKey) (string, bool) {
	switch k.Key.(type) {
	case *rsa.PublicKey:
		return "RS384", true
	case *ecdsa.PublicKey:
		return "ES384", true
	}
	return "", false
}
