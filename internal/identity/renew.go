package identity

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Renew is the caller for work that goes on after his request: the same account in the same role, or the same
// token, with what it may see as of now. Who may no longer act is refused (401).
func (s *Service) Renew(ctx context.Context, c access.Caller) (*access.Caller, error) {
	if c.Role == access.Program {
		var list []Token
		err := s.store.View(ctx, func(tx *store.Tx) (err error) {
			list, err = tokens(ctx, tx, `WHERE id = ?`, c.User)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("identity: token: %w", err)
		}
		if len(list) != 1 || list[0].Revoked || !list[0].Expires.IsZero() && !s.opts.Wall.Now().Before(list[0].Expires) {
			return nil, badToken
		}
		t := list[0]
		fresh := &access.Caller{User: t.ID, Name: t.Client, Role: access.Program, Org: t.Org, Scopes: t.Scopes, Lang: c.Lang, Remote: c.Remote, Request: c.Request}
		s.tree.Settle(fresh)
		return fresh, nil
	}
	var u User
	found := false
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		u, found, err = s.find(ctx, tx, "id", c.User)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("identity: account: %w", err)
	}
	if found && !u.Disabled {
		for _, r := range u.Roles {
			if r.Role == c.Role && r.Org == c.Org && r.At(s.opts.Clock.Now()) {
				teams, err := s.teamsOf(ctx, u)
				if err != nil {
					return nil, fmt.Errorf("identity: teams: %w", err)
				}
				fresh := s.caller(u, r, teams)
				fresh.Strong, fresh.Session, fresh.Client = c.Strong, c.Session, c.Client
				fresh.Remote, fresh.Request = c.Remote, c.Request
				return fresh, nil
			}
		}
	}
	return nil, loginNeeded
}
