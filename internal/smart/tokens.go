package smart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
)

// The kinds of rows of smart_token.
const (
	kindCode = iota + 1
	kindAccess
	kindRefresh
	kindPKCE
	kindOpenID
)

const (
	codePrefix    = "xc_"
	refreshPrefix = "xr_"
)

// strategy makes tokens of 256 random bits; what stands in the database is their SHA-256, and until when they are valid:
// nothing is left to validate in the token itself.
type strategy struct{}

func make32(prefix string) (token, signature string, err error) {
	token = secret(prefix)
	return token, sign(token), nil
}

func sign(token string) string { h := hashOf(token); return string(h[:]) }

func (t strategy) AccessTokenSignature(_ context.Context, token string) string { return sign(token) }
func (t strategy) GenerateAccessToken(context.Context, fosite.Requester) (string, string, error) {
	return make32(identity.AppPrefix)
}
func (t strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return nil
}

func (t strategy) RefreshTokenSignature(_ context.Context, token string) string { return sign(token) }
func (t strategy) GenerateRefreshToken(context.Context, fosite.Requester) (string, string, error) {
	return make32(refreshPrefix)
}
func (t strategy) ValidateRefreshToken(context.Context, fosite.Requester, string) error {
	return nil
}

func (t strategy) AuthorizeCodeSignature(_ context.Context, token string) string { return sign(token) }
func (t strategy) GenerateAuthorizeCode(context.Context, fosite.Requester) (string, string, error) {
	return make32(codePrefix)
}
func (t strategy) ValidateAuthorizeCode(context.Context, fosite.Requester, string) error {
	return nil
}

// shelf is the storage that fosite asks for.
type shelf struct{ s *Service }

// errTaken: a code or refresh token was redeemed by another request at the same time.
var errTaken = errors.New("smart: redeemed already")

type pendingKey struct{}

// pending gathers the writes of one redemption, which are made in one transaction or not at all.
type pending struct {
	writes []func(context.Context, *store.Tx) error
}

func (b shelf) BeginTX(ctx context.Context) (context.Context, error) {
	return context.WithValue(ctx, pendingKey{}, &pending{}), nil
}

func (b shelf) Commit(ctx context.Context) error {
	p := ctx.Value(pendingKey{}).(*pending)
	return b.s.Store.Update(ctx, func(tx *store.Tx) error {
		for _, w := range p.writes {
			if err := w(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b shelf) Rollback(context.Context) error { return nil }

func (b shelf) write(ctx context.Context, w func(context.Context, *store.Tx) error) error {
	if p, ok := ctx.Value(pendingKey{}).(*pending); ok {
		p.writes = append(p.writes, w)
		return nil
	}
	return b.s.Store.Update(ctx, func(tx *store.Tx) error { return w(ctx, tx) })
}

func (b shelf) put(ctx context.Context, kind int64, signature string, r fosite.Requester, life time.Duration) error {
	rec := recordOf(r)
	data, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("smart: token: %w", err)
	}
	user := ""
	if rec.Session != nil {
		user = rec.Session.Subject
	}
	now := b.s.Wall.Now()
	family, app := r.GetID(), r.GetClient().GetID()
	return b.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO smart_token (hash, kind, family, app, user_id, active, created, expires, data) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)`,
			[]byte(signature), kind, family, app, user, micros(now), micros(now.Add(life)), string(data))
		return err
	})
}

// row is a token as it stands in the table.
type row struct {
	record
	family, app, user string
	active            bool
	created, expires  time.Time
}

func (b shelf) look(ctx context.Context, tx *store.Tx, kind int64, signature string) (t row, found bool, err error) {
	err = tx.Query(ctx, `SELECT family, app, user_id, active, created, expires, data FROM smart_token WHERE hash = ? AND kind = ?`, []any{[]byte(signature), kind}, func(scan func(...any) error) error {
		var active, created, expires int64
		var data string
		if err := scan(&t.family, &t.app, &t.user, &active, &created, &expires, &data); err != nil {
			return err
		}
		found, t.active, t.created, t.expires = true, active != 0, moment(created), moment(expires)
		return json.Unmarshal([]byte(data), &t.record)
	})
	return t, found && b.s.Wall.Now().Before(t.expires), err
}

func (b shelf) get(ctx context.Context, kind int64, signature string) (*fosite.Request, bool, error) {
	var t row
	var a App
	found := false
	err := b.s.Store.View(ctx, func(tx *store.Tx) (err error) {
		if t, found, err = b.look(ctx, tx, kind, signature); err != nil || !found {
			return err
		}
		list, err := apps(ctx, tx, `WHERE id = ? AND disabled = 0`, t.app)
		if len(list) == 1 {
			a = list[0]
		}
		found = len(list) == 1
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("smart: token: %w", err)
	}
	if !found {
		return nil, false, fosite.ErrNotFound
	}
	return t.request(t.family, &client{a, b.s}), t.active, nil
}

// take makes an active row inactive, once.
func (b shelf) take(ctx context.Context, kind int64, signature string) error {
	return b.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE smart_token SET active = 0 WHERE hash = ? AND kind = ? AND active = 1`, []byte(signature), kind)
		if err == nil && n == 0 {
			err = errTaken
		}
		return err
	})
}

func (b shelf) drop(ctx context.Context, kind int64, signature string) error {
	return b.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM smart_token WHERE hash = ? AND kind = ?`, []byte(signature), kind)
		return err
	})
}

// fosite.ClientManager

func (b shelf) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	a, err := b.s.App(ctx, id)
	if Unknown(err) {
		return nil, fosite.ErrNotFound
	}
	return &client{a, b.s}, err
}

func (b shelf) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown } // authenticate is ours
func (b shelf) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

// Codes. A used one stays, so that its second use is noticed and ends what came of the first.

func (b shelf) CreateAuthorizeCodeSession(ctx context.Context, signature string, r fosite.Requester) error {
	return b.put(ctx, kindCode, signature, r, seconds(b.s.Rules.CodeSeconds))
}

func (b shelf) GetAuthorizeCodeSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	r, active, err := b.get(ctx, kindCode, signature)
	if err != nil {
		return nil, err
	}
	if !active {
		err = fosite.ErrInvalidatedAuthorizeCode
	}
	return r, err
}

func (b shelf) InvalidateAuthorizeCodeSession(ctx context.Context, signature string) error {
	if err := b.take(ctx, kindCode, signature); err != nil {
		return err
	}
	until := micros(b.s.Wall.Now().Add(time.Duration(b.s.Rules.RefreshDays) * 24 * time.Hour))
	return b.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE smart_token SET expires = ? WHERE hash = ? AND kind = ?`, until, []byte(signature), int64(kindCode))
		return err
	})
}

func (b shelf) CreatePKCERequestSession(ctx context.Context, signature string, r fosite.Requester) error {
	return b.put(ctx, kindPKCE, signature, r, seconds(b.s.Rules.CodeSeconds))
}

func (b shelf) GetPKCERequestSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	r, _, err := b.get(ctx, kindPKCE, signature)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (b shelf) DeletePKCERequestSession(ctx context.Context, signature string) error {
	return b.drop(ctx, kindPKCE, signature)
}

func (b shelf) CreateOpenIDConnectSession(ctx context.Context, code string, r fosite.Requester) error {
	return b.put(ctx, kindOpenID, sign(code), r, seconds(b.s.Rules.CodeSeconds))
}

func (b shelf) GetOpenIDConnectSession(ctx context.Context, code string, _ fosite.Requester) (fosite.Requester, error) {
	r, _, err := b.get(ctx, kindOpenID, sign(code))
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (b shelf) DeleteOpenIDConnectSession(ctx context.Context, code string) error {
	return b.drop(ctx, kindOpenID, sign(code))
}

// Access tokens.

func (b shelf) CreateAccessTokenSession(ctx context.Context, signature string, r fosite.Requester) error {
	life := seconds(b.s.Rules.AccessSeconds)
	if until := r.GetSession().GetExpiresAt(fosite.AccessToken); !until.IsZero() {
		life = min(life, time.Until(until).Round(time.Second))
	}
	return b.put(ctx, kindAccess, signature, r, life)
}

func (b shelf) GetAccessTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	r, active, err := b.get(ctx, kindAccess, signature)
	if err == nil && !active {
		err = fosite.ErrInactiveToken
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (b shelf) DeleteAccessTokenSession(ctx context.Context, signature string) error {
	return b.drop(ctx, kindAccess, signature)
}

func (b shelf) RevokeAccessToken(ctx context.Context, family string) error {
	defer b.s.forget()
	return b.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM smart_token WHERE family = ? AND kind = ?`, family, int64(kindAccess))
		return err
	})
}

// Refresh tokens. Each is used once; a used one stays, so that whoever stole it ends the family when he tries.

func (b shelf) CreateRefreshTokenSession(ctx context.Context, signature, _ string, r fosite.Requester) error {
	return b.put(ctx, kindRefresh, signature, r, time.Duration(b.s.Rules.RefreshDays)*24*time.Hour)
}

func (b shelf) GetRefreshTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	r, active, err := b.get(ctx, kindRefresh, signature)
	if err != nil {
		return nil, err
	}
	if !active {
		err = fosite.ErrInactiveToken
	}
	return r, err
}

func (b shelf) DeleteRefreshTokenSession(context.Context, string) error { return nil } // kept: see above

func (b shelf) RevokeRefreshToken(ctx context.Context, family string) error {
	return b.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE smart_token SET active = 0 WHERE family = ? AND kind = ?`, family, int64(kindRefresh))
		return err
	})
}

func (b shelf) RotateRefreshToken(ctx context.Context, family, signature string) error {
	if err := b.take(ctx, kindRefresh, signature); err != nil {
		return err
	}
	return b.RevokeAccessToken(ctx, family)
}

// Sweep removes what is over.
func (s *Service) Sweep(ctx context.Context) error {
	now := micros(s.Wall.Now())
	return s.Store.Update(ctx, func(tx *store.Tx) error {
		for _, table := range strings.Fields("smart_token smart_launch smart_assertion") {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE expires < ?`, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// end revokes all tokens of a family.
func (s *Service) end(ctx context.Context, family string) error {
	b := shelf{s}
	return errors.Join(b.RevokeRefreshToken(ctx, family), b.RevokeAccessToken(ctx, family))
}
