package smart

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/store"
)

// kept is what a process remembers of an access token for a moment; who stands behind it is looked at each time.
type kept struct {
	row
	app  App
	read time.Time
}

// Bearer is whom an access token acts for, as he stands now and narrowed to what the token allows; nil when it is not in force.
func (s *Service) Bearer(ctx context.Context, token string) (*access.Caller, error) {
	k, err := s.token(ctx, token)
	if err != nil || k == nil {
		return nil, err
	}
	h := hashOf(token)
	c, err := s.callerOf(ctx, k.app, k.record)
	if c != nil {
		c.Session = hex.EncodeToString(h[:4])
	}
	return c, err
}

// callerOf is who stands behind a token now.
func (s *Service) callerOf(ctx context.Context, a App, rec record) (*access.Caller, error) {
	if rec.Session == nil {
		return nil, nil
	}
	if rec.Session.Role == access.Program {
		return s.program(a, rec.Granted), nil
	}
	c, err := s.standing(ctx, a, rec.Session)
	if err != nil || c == nil {
		return nil, err
	}
	patient := ""
	if has(rec.Granted, "patient") {
		patient = rec.Session.Patient
	}
	c.Narrow(a.ID, rec.Granted, patient)
	return c, nil
}

func (s *Service) program(a App, scopes []string) *access.Caller {
	c := &access.Caller{User: a.ID, Name: a.Name, Role: access.Program, Org: a.Org, Scopes: scopes, Client: a.ID, Lang: "zh"}
	s.Tree.Settle(c)
	return c
}

func (s *Service) token(ctx context.Context, token string) (*kept, error) {
	h, now := hashOf(token), s.Wall.Now()
	s.mu.Lock()
	k := s.known[h]
	s.mu.Unlock()
	if k == nil || now.Sub(k.read) >= recheck || now.Before(k.read) {
		k = &kept{read: now}
		found := false
		err := s.Store.View(ctx, func(tx *store.Tx) (err error) {
			if k.row, found, err = (shelf{s}).look(ctx, tx, kindAccess, string(h[:])); err != nil || !found {
				return err
			}
			list, err := apps(ctx, tx, `WHERE id = ? AND disabled = 0`, k.row.app)
			if len(list) == 1 {
				k.app = list[0]
			}
			found = len(list) == 1
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("smart: token: %w", err)
		}
		if !found {
			return nil, nil
		}
		s.mu.Lock()
		if len(s.known) > 10_000 {
			clear(s.known)
		}
		s.known[h] = k
		s.mu.Unlock()
	}
	if !k.active || !now.Before(k.expires) {
		return nil, nil
	}
	return k, nil
}

// Standing is an app of Backend Services as caller, for what goes on after its request (bulk tasks, subscriptions): with
// all that it is registered for, as it stands now. nil when it is not in force any more, or never was such an app.
func (s *Service) Standing(ctx context.Context, app, org string) (*access.Caller, error) {
	a, err := s.App(ctx, app)
	if Unknown(err) {
		return nil, nil
	}
	if err != nil || !a.System() || a.Org != org {
		return nil, err
	}
	return s.program(a, a.Scopes), nil
}
