package smart

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/identity"
)

// session is what a token stands for: which person in which role, for how long, for which patient.
type session struct {
	*openid.DefaultSession
	Role         access.Role `json:"role"`
	Org          string      `json:"org"`
	Practitioner string      `json:"practitioner,omitempty"`
	Mark         string      `json:"mark,omitempty"` // of the login that it lasts as long as; "" = offline_access
	Patient      string      `json:"patient,omitempty"`
	Encounter    string      `json:"encounter,omitempty"`
	Launched     bool        `json:"launched,omitempty"` // from our page: the person has the patient's banner there
	Base         string      `json:"base"`
}

func newSession() *session {
	return &session{DefaultSession: &openid.DefaultSession{Claims: &jwt.IDTokenClaims{RequestedAt: time.Now().UTC()}, Headers: &jwt.Headers{}}}
}

// Clone is a deep copy.
func (s *session) Clone() fosite.Session {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // our own types
	}
	c := newSession()
	if err := json.Unmarshal(text, c); err != nil {
		panic(err)
	}
	return c
}

// standing is the person as he may act now, not yet narrowed; nil when the login, the account or the role is over.
func (s *Service) standing(ctx context.Context, a App, se *session) (*access.Caller, error) {
	var c *access.Caller
	if se.Mark != "" {
		mark, err := hex.DecodeString(se.Mark)
		if err != nil || len(mark) != 32 {
			return nil, nil
		}
		if c, err = s.Identity.Lasting(ctx, [32]byte(mark)); err != nil || c == nil {
			return nil, err
		}
		if c.User != se.Subject || c.Role != se.Role || c.Org != se.Org {
			return nil, nil
		}
	} else {
		var err error
		c, err = s.Identity.Renew(ctx, access.Caller{User: se.Subject, Role: se.Role, Org: se.Org})
		if identity.LoginNeeded(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if a.Org != "" && !s.Tree.Within(c.Org, a.Org) {
		return nil, nil
	}
	return c, nil
}

// record is a request of fosite as it is kept.
type record struct {
	Requested time.Time  `json:"requested"`
	Scopes    []string   `json:"scopes"`
	Granted   []string   `json:"granted"`
	Form      url.Values `json:"form"`
	Session   *session   `json:"session"`
}

func recordOf(r fosite.Requester) record {
	rec := record{Requested: r.GetRequestedAt(), Scopes: r.GetRequestedScopes(), Granted: r.GetGrantedScopes(), Form: r.GetRequestForm()}
	rec.Session, _ = r.GetSession().(*session)
	return rec
}

func (rec record) request(family string, c fosite.Client) *fosite.Request {
	se := rec.Session
	if se == nil {
		se = newSession()
	}
	if se.DefaultSession == nil {
		se.DefaultSession = newSession().DefaultSession
	}
	r := fosite.NewRequest()
	r.ID, r.RequestedAt, r.Client, r.Form, r.Session = family, rec.Requested, c, rec.Form, se
	r.RequestedScope, r.GrantedScope = rec.Scopes, rec.Granted
	return r
}
