package smart

import (
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"
	"github.com/ory/fosite/token/jwt"
)

// newProvider puts together the flows that there are: a code with PKCE, its refresh, and Backend Services.
func (s *Service) newProvider() *fosite.Fosite {
	c := &fosite.Config{
		AccessTokenLifespan:          seconds(s.Rules.AccessSeconds),
		RefreshTokenLifespan:         time.Duration(s.Rules.RefreshDays) * 24 * time.Hour,
		AuthorizeCodeLifespan:        seconds(s.Rules.CodeSeconds),
		IDTokenLifespan:              seconds(s.Rules.AccessSeconds),
		EnforcePKCE:                  true,
		ScopeStrategy:                covers,
		AudienceMatchingStrategy:     func([]string, []string) error { return nil }, // aud is checked before
		RefreshTokenScopes:           []string{"offline_access", "online_access"},
		AllowedPromptValues:          []string{"consent"},
		ClientAuthenticationStrategy: s.authenticate,
		OmitRedirectScopeParam:       true,
		MinParameterEntropy:          8,
	}
	shelf, tokens := shelf{s}, strategy{}
	signer := &jwt.DefaultSigner{GetPrivateKey: s.keys.current}
	id := &openid.IDTokenHandleHelper{IDTokenStrategy: &openid.DefaultStrategy{Signer: signer, Config: c}}
	code := &oauth2.AuthorizeExplicitGrantHandler{AccessTokenStrategy: tokens, RefreshTokenStrategy: tokens, AuthorizeCodeStrategy: tokens, CoreStorage: shelf, TokenRevocationStorage: shelf, Config: c}
	refresh := &oauth2.RefreshTokenGrantHandler{AccessTokenStrategy: tokens, RefreshTokenStrategy: tokens, TokenRevocationStorage: shelf, Config: c}
	backend := &oauth2.ClientCredentialsGrantHandler{HandleHelper: &oauth2.HandleHelper{AccessTokenStrategy: tokens, AccessTokenStorage: shelf, Config: c}, Config: c}
	login := &openid.OpenIDConnectExplicitHandler{OpenIDConnectRequestStorage: shelf, IDTokenHandleHelper: id, OpenIDConnectRequestValidator: openid.NewOpenIDConnectRequestValidator(signer, c), Config: c}
	again := &openid.OpenIDConnectRefreshHandler{IDTokenHandleHelper: id, Config: c}
	proof := &pkce.Handler{AuthorizeCodeStrategy: tokens, Storage: shelf, Config: c}
	c.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{code, login, proof}
	c.TokenEndpointHandlers = fosite.TokenEndpointHandlers{code, refresh, backend, login, again, proof}
	c.RevocationHandlers = fosite.RevocationHandlers{&oauth2.TokenRevocationHandler{TokenRevocationStorage: shelf, RefreshTokenStrategy: tokens, AccessTokenStrategy: tokens}}
	return fosite.NewOAuth2Provider(shelf, c)
}
