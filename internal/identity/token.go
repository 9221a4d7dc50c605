package identity

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Token is a bearer token of a program.
type Token struct {
	ID      string
	Client  string
	Scopes  []string
	Org     string // custodian of what it writes; "" = the hub itself, which sees everything
	Created time.Time
	Expires time.Time // zero = never
	Revoked bool
}

// tokenPrefix lets people and scanners recognise a leaked token.
const tokenPrefix = "xl_"

// NewToken makes a token and returns its secret, which is told only once. life 0 = 90 days, negative = no end.
func (s *Service) NewToken(ctx context.Context, client string, scopes []string, org string, life time.Duration) (Token, string, error) {
	t := Token{ID: newID(), Client: strings.TrimSpace(client), Scopes: scopes, Org: org}
	if t.Client == "" {
		return t, "", fhir.Refuse(422, "required", "client-required", "a token needs the name of its client", "请填写程序名称")
	}
	if len(scopes) == 0 {
		return t, "", fhir.Refuse(422, "required", "scope-required", "a token needs a scope such as system/*.rs", "请填写权限范围，例如 system/*.rs")
	}
	for _, sc := range scopes {
		if _, _, ok := access.ParseScope(sc); !ok || !strings.HasPrefix(sc, "system/") {
			return t, "", fhir.Refuse(422, "value", "bad-scope", "not a scope of a program: "+sc, "权限范围写法不正确："+sc)
		}
	}
	if org != "" && !strings.HasPrefix(org, "Organization/") {
		return t, "", fhir.Refuse(422, "value", "bad-organisation", "the custodian is an Organization/…", "保管机构须为 Organization/…")
	}
	t.Created = s.opts.Wall.Now()
	if life == 0 {
		life = 90 * 24 * time.Hour
	}
	if life > 0 {
		t.Expires = t.Created.Add(life)
	}
	sec := tokenPrefix + secret()
	h := hashOf(sec)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO identity_token (id, hash, client, scopes, org, created, expires, revoked) VALUES (?, ?, ?, ?, ?, ?, ?, 0)`,
			t.ID, h[:], t.Client, strings.Join(scopes, " "), org, micros(t.Created), micros(t.Expires))
		if err == nil && s.opts.Note != nil {
			err = s.opts.Note(ctx, tx, "C", "token-create", "Token/"+t.ID)
		}
		return err
	})
	if err != nil {
		return t, "", fmt.Errorf("identity: new token: %w", err)
	}
	return t, sec, nil
}

// Tokens lists the tokens, newest first.
func (s *Service) Tokens(ctx context.Context) (list []Token, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		list, err = tokens(ctx, tx, `ORDER BY created DESC`)
		return err
	})
	return list, err
}

func tokens(ctx context.Context, tx *store.Tx, rest string, args ...any) (list []Token, err error) {
	err = tx.Query(ctx, `SELECT id, client, scopes, org, created, expires, revoked FROM identity_token `+rest, args, func(scan func(...any) error) error {
		var t Token
		var scopes string
		var created, expires, revoked int64
		if err := scan(&t.ID, &t.Client, &scopes, &t.Org, &created, &expires, &revoked); err != nil {
			return err
		}
		t.Scopes, t.Created, t.Expires, t.Revoked = strings.Fields(scopes), moment(created), moment(expires), revoked != 0
		list = append(list, t)
		return nil
	})
	return list, err
}

// RevokeToken ends a token.
func (s *Service) RevokeToken(ctx context.Context, id string) error {
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE identity_token SET revoked = 1 WHERE id = ?`, id)
		if err == nil && n == 0 {
			return fhir.Refuse(404, "not-found", "unknown-token", "no such token", "没有这个令牌")
		}
		if err == nil && s.opts.Note != nil {
			err = s.opts.Note(ctx, tx, "U", "token-revoke", "Token/"+id)
		}
		return err
	})
	s.forget("")
	if err != nil {
		return fmt.Errorf("identity: revoke token: %w", err)
	}
	return nil
}

// bearer finds the program of a token.
func (s *Service) bearer(ctx context.Context, sec string) (*access.Caller, error) {
	if s.opts.App != nil && strings.HasPrefix(sec, AppPrefix) {
		c, err := s.opts.App(ctx, sec)
		if err == nil && c == nil {
			err = badToken
		}
		return c, err
	}
	h, wall := hashOf(sec), s.opts.Wall.Now()
	k := s.recall(h)
	if k == nil {
		k = &known{read: wall}
		err := s.store.View(ctx, func(tx *store.Tx) error {
			list, err := tokens(ctx, tx, `WHERE hash = ?`, h[:])
			if len(list) == 1 {
				k.token = &list[0]
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("identity: token: %w", err)
		}
		if k.token == nil {
			return nil, badToken
		}
		s.remember(h, k)
	}
	t := k.token
	if t == nil || t.Revoked || !t.Expires.IsZero() && !wall.Before(t.Expires) {
		return nil, badToken
	}
	c := &access.Caller{User: t.ID, Name: t.Client, Role: access.Program, Org: t.Org, Scopes: t.Scopes, Session: hex.EncodeToString(h[:4]), Lang: "zh"}
	s.tree.Settle(c)
	return c, nil
}

var badToken = fhir.Refuse(401, "login", "bad-token", "the token is unknown, expired or revoked", "令牌无效、已过期或已撤销")
