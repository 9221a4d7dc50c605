package identity

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
)

// AppPrefix begins the access tokens of SMART apps.
const AppPrefix = "xa_"

// Mark names a session to rooms that keep something for as long as it lasts; it opens nothing by itself.
func (s Session) Mark() [32]byte { return hashOf(s.Secret) }

// Lasting is the caller of a session that is still in force, by its mark; nil when it is over. Asking does not keep it awake.
func (s *Service) Lasting(ctx context.Context, mark [32]byte) (*access.Caller, error) {
	k, err := s.look(ctx, mark, s.opts.Wall.Now())
	if LoginNeeded(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("identity: session: %w", err)
	}
	if k.user.MustChange || k.aged || k.enrol {
		return nil, nil // what such a session may not do, no app does for it
	}
	c := s.caller(k.user, k.role, k.teams)
	c.Strong = k.strong
	return c, nil
}
