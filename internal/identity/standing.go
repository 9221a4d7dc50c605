package identity

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Standing is an account as caller, with what it may see now: a token by its id, or a person in a role at an
// organisation. nil when it is not in force any more. What acts for somebody while he is away asks here.
func (s *Service) Standing(ctx context.Context, id string, role access.Role, org string) (*access.Caller, error) {
	var c *access.Caller
	err := s.store.View(ctx, func(tx *store.Tx) error {
		c = nil
		if role == access.Program {
			list, err := tokens(ctx, tx, `WHERE id = ?`, id)
			if err != nil || len(list) == 0 {
				return err
			}
			t := list[0]
			if !t.Revoked && (t.Expires.IsZero() || s.opts.Wall.Now().Before(t.Expires)) && t.Org == org {
				c = &access.Caller{User: t.ID, Name: t.Client, Role: access.Program, Org: t.Org, Scopes: t.Scopes, Lang: "zh"}
			}
			return nil
		}
		u, found, err := s.find(ctx, tx, "id", id)
		if err != nil || !found || u.Disabled {
			return err
		}
		for _, r := range u.Roles {
			if r.Role == role && r.Org == org && r.At(s.opts.Clock.Now()) {
				c = &access.Caller{User: u.ID, Name: u.Name, Practitioner: u.Practitioner, Role: r.Role, Org: r.Org, Lang: u.Lang}
				if s.opts.Teams != nil && u.Practitioner != "" {
					c.Teams, err = s.opts.Teams(ctx, tx, u.Practitioner, s.opts.Clock.Now())
				}
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("identity: standing: %w", err)
	}
	if c != nil {
		s.tree.Settle(c)
	}
	return c, nil
}
