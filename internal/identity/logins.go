package identity

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Login is one session as its user sees it in a list.
type Login struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used"`
	Remote  string    `json:"remote"`
	Agent   string    `json:"agent"`
	How     string    `json:"how"`
	Strong  bool      `json:"strong"`
	Mine    bool      `json:"mine"` // the one that asks
}

// Stranger is a login from a device that was new, of which nobody has said yet that it was he.
type Stranger struct {
	At     time.Time `json:"at"`
	Remote string    `json:"remote"`
	Agent  string    `json:"agent"`
}

// Logins lists the sessions of a user that are in force, the last used first; se marks the one that asks.
func (s *Service) Logins(ctx context.Context, user string, se *Session) (list []Login, err error) {
	now := s.opts.Wall.Now()
	oldest, idlest := micros(now.Add(-time.Duration(s.rules.Session.Hours)*time.Hour)), micros(now.Add(-minutes(s.rules.Session.IdleMinutes)))
	mine := [32]byte{}
	if se != nil {
		mine = hashOf(se.Secret)
	}
	err = s.store.View(ctx, func(tx *store.Tx) error {
		list = []Login{}
		return tx.Query(ctx, `SELECT hash, created, used, remote, agent, how, strong FROM identity_session WHERE user_id = ? AND created > ? AND used > ? ORDER BY used DESC LIMIT 100`, []any{user, oldest, idlest}, func(scan func(...any) error) error {
			var l Login
			var hash []byte
			var created, used, strong int64
			if err := scan(&hash, &created, &used, &l.Remote, &l.Agent, &l.How, &strong); err != nil {
				return err
			}
			l.ID, l.Created, l.Used, l.Strong, l.Mine = hex.EncodeToString(hash[:8]), moment(created), moment(used), strong != 0, string(hash) == string(mine[:])
			list = append(list, l)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("identity: logins: %w", err)
	}
	return list, nil
}

// EndLogin ends one session of a user; id "" ends all but that of keep, which may be nil.
func (s *Service) EndLogin(ctx context.Context, user, id string, keep *Session) error {
	kept := []byte{}
	if keep != nil {
		h := hashOf(keep.Secret)
		kept = h[:]
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		var ended [][]byte
		err := tx.Query(ctx, `SELECT hash FROM identity_session WHERE user_id = ?`, []any{user}, func(scan func(...any) error) error {
			var hash []byte
			if err := scan(&hash); err != nil {
				return err
			}
			if id == "" && string(hash) != string(kept) || id != "" && hex.EncodeToString(hash[:8]) == id {
				ended = append(ended, hash)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if id != "" && len(ended) == 0 {
			return fhir.Refuse(404, "not-found", "unknown-session", "this session is over already", "该登录已结束")
		}
		for _, hash := range ended {
			if _, err := tx.Exec(ctx, `DELETE FROM identity_session WHERE hash = ?`, hash); err != nil {
				return err
			}
		}
		return s.note(ctx, tx, "D", "session-end", user)
	})
	s.forget(user)
	if err != nil {
		return fmt.Errorf("identity: end login: %w", err)
	}
	return nil
}

// Strangers are the logins from new devices that the user has not seen yet, for his other sessions to tell him.
func (s *Service) Strangers(ctx context.Context, se Session) (list []Stranger, err error) {
	h := hashOf(se.Secret)
	err = s.store.View(ctx, func(tx *store.Tx) error {
		list = []Stranger{}
		return tx.Query(ctx, `SELECT d.first, d.remote, d.agent FROM identity_device d WHERE d.user_id = ? AND d.told = 0
			AND NOT EXISTS (SELECT 1 FROM identity_session s WHERE s.hash = ? AND s.device = d.hash) ORDER BY d.first DESC LIMIT 5`, []any{se.User.ID, h[:]}, func(scan func(...any) error) error {
			var x Stranger
			var at int64
			err := scan(&at, &x.Remote, &x.Agent)
			x.At = moment(at)
			list = append(list, x)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("identity: new devices: %w", err)
	}
	return list, nil
}

// Seen says that the user has been told of the logins from new devices, but for the one that says so.
func (s *Service) Seen(ctx context.Context, se Session) error {
	h := hashOf(se.Secret)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE identity_device SET told = 1 WHERE user_id = ? AND hash NOT IN (SELECT device FROM identity_session WHERE hash = ? AND device IS NOT NULL)`, se.User.ID, h[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("identity: new devices: %w", err)
	}
	return nil
}
