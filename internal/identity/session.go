package identity

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Session is one login, as the one who holds its secret sees it.
type Session struct {
	Secret string // goes into the cookie; the table keeps its hash
	User   User
	Role   Role
	Caller *access.Caller

	How     string    // password, passkey, or oidc:… of a hospital's own login
	Proved  time.Time // machine time of the last full proof of who it is
	Strong  bool      // a second factor was shown
	Factors bool      // the account has a second factor
	Aged    bool      // the password is older than the rules allow: it opens nothing but its own change
	Enrol   bool      // a second factor is needed and there is none: it opens nothing but that
}

// CSRF is the token that unsafe requests of this session carry in X-CSRF-Token.
func (s Session) CSRF() string { return csrfOf(s.Secret) }

func csrfOf(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TooMany is the refusal of somebody who has failed too often; After is how long to wait.
type TooMany struct {
	Refusal *fhir.Error
	After   time.Duration
}

func (t *TooMany) Error() string { return t.Refusal.Error() }
func (t *TooMany) Unwrap() error { return t.Refusal }

var (
	loginFailed = fhir.Refuse(401, "login", "login-failed", "wrong user name or password", "用户名或密码错误")
	loginNeeded = fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	noRole      = fhir.Refuse(403, "forbidden", "no-role", "this account has no role in force now", "该账号目前没有有效的角色，请联系管理员")
)

// check compares a password, few at once.
func (s *Service) check(ctx context.Context, hash, password string) (bool, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
		return matches(hash, password), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func passwordOf(ctx context.Context, tx *store.Tx, user string) (hash string, err error) {
	err = tx.Query(ctx, `SELECT password FROM identity_user WHERE id = ?`, []any{user}, func(scan func(...any) error) error { return scan(&hash) })
	return hash, err
}

// inForce returns the wanted role ("" = the first) if it holds at now.
func (u User) inForce(id string, now time.Time) (Role, bool) {
	for _, r := range u.Roles {
		if r.At(now) && (id == "" || r.ID == id) {
			return r, true
		}
	}
	return Role{}, false
}

// begin makes a session. What is too old goes; beyond the most at once the oldest end.
func (s *Service) begin(ctx context.Context, u User, role Role, v Visit, how string, strong bool) (Session, error) {
	se := Session{Secret: secret(), User: u, Role: role, How: how, Strong: strong}
	h := hashOf(se.Secret)
	now := s.opts.Wall.Now()
	se.Proved = now
	device := hashOf(v.Device)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		if err := s.sweep(ctx, tx, now); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO identity_session (hash, user_id, role_id, created, used, remote, proved, strong, how, agent, device) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			h[:], u.ID, role.ID, micros(now), micros(now), v.Remote, micros(now), flag(strong), how, agentOf(v.Agent), device[:])
		if err == nil && !s.opts.Lenient { // visitors share the accounts of a made-up region
			_, err = tx.Exec(ctx, `DELETE FROM identity_session WHERE user_id = ? AND hash <> ? AND hash NOT IN (SELECT hash FROM identity_session WHERE user_id = ? AND hash <> ? ORDER BY created DESC, hash LIMIT `+
				fmt.Sprint(s.rules.Session.Most-1)+`)`, u.ID, h[:], u.ID, h[:])
		}
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE identity_user SET last_login = ? WHERE id = ?`, micros(now), u.ID)
		}
		if err == nil && v.Device != "" {
			err = s.meet(ctx, tx, u.ID, device, v, now)
		}
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("identity: begin session: %w", err)
	}
	s.forget(u.ID)
	k, err := s.look(ctx, h, now)
	if err != nil {
		return Session{}, err
	}
	fresh := s.session(se.Secret, h, k)
	fresh.Caller.Remote = v.Remote
	return fresh, nil
}

// sweep drops what is over.
func (s *Service) sweep(ctx context.Context, tx *store.Tx, now time.Time) error {
	idle, absolute := minutes(s.rules.Session.IdleMinutes), time.Duration(s.rules.Session.Hours)*time.Hour
	for _, x := range []struct {
		text string
		args []any
	}{
		{`DELETE FROM identity_session WHERE created < ? OR used < ?`, []any{micros(now.Add(-absolute)), micros(now.Add(-idle))}},
		{`DELETE FROM identity_ceremony WHERE expires < ?`, []any{micros(now)}},
		{`DELETE FROM identity_attempt WHERE last < ? AND until_at < ?`, []any{micros(now.Add(-24 * time.Hour)), micros(now)}},
		{`DELETE FROM identity_device WHERE last < ?`, []any{micros(now.Add(-deviceLife))}},
	} {
		if _, err := tx.Exec(ctx, x.text, x.args...); err != nil {
			return err
		}
	}
	return nil
}

// resume finds the session of a cookie, and keeps it awake; loginNeeded when there is none any more.
func (s *Service) resume(ctx context.Context, cookie string, awake bool) (Session, error) {
	h, wall := hashOf(cookie), s.opts.Wall.Now()
	k, err := s.look(ctx, h, wall)
	if err != nil {
		return Session{}, err
	}
	if awake && wall.Sub(k.used) > minutes(s.rules.Session.IdleMinutes)/30 {
		if err := s.touch(ctx, h, wall); err != nil {
			return Session{}, err
		}
		fresh := *k
		fresh.used = wall
		s.remember(h, &fresh)
	}
	return s.session(cookie, h, k), nil
}

func (s *Service) session(secret string, h [32]byte, k *known) Session {
	se := Session{Secret: secret, User: k.user, Role: k.role, How: k.how, Proved: k.proved, Strong: k.strong, Factors: k.factors, Aged: k.aged, Enrol: k.enrol, Caller: s.caller(k.user, k.role, k.teams)}
	se.Caller.Session, se.Caller.Strong = hex.EncodeToString(h[:4]), k.strong
	return se
}

// look finds a session that is in force, without counting as its use.
func (s *Service) look(ctx context.Context, h [32]byte, wall time.Time) (*known, error) {
	k := s.recall(h)
	if k == nil {
		k = &known{read: wall}
		found := false
		err := s.store.View(ctx, func(tx *store.Tx) error {
			found = false
			var userID, roleID string
			var created, used, proved, strong int64
			err := tx.Query(ctx, `SELECT user_id, role_id, created, used, proved, strong, how FROM identity_session WHERE hash = ?`, []any{h[:]}, func(scan func(...any) error) error {
				found = true
				return scan(&userID, &roleID, &created, &used, &proved, &strong, &k.how)
			})
			if err != nil || !found {
				return err
			}
			k.created, k.used, k.proved, k.strong = moment(created), moment(used), moment(proved), strong != 0
			if k.user, found, err = s.find(ctx, tx, "id", userID); err != nil || !found {
				return err
			}
			k.user = s.confine(k.user, k.how)
			for _, r := range k.user.Roles {
				if r.ID == roleID {
					k.role = r
				}
			}
			return s.judge(ctx, tx, k, wall)
		})
		if err != nil {
			return nil, fmt.Errorf("identity: session: %w", err)
		}
		if !found {
			return nil, loginNeeded
		}
		s.remember(h, k)
	}
	if k.user.Disabled || k.role.ID == "" || !k.role.At(s.opts.Clock.Now()) ||
		wall.Sub(k.created) >= time.Duration(s.rules.Session.Hours)*time.Hour || wall.Sub(k.used) >= minutes(s.rules.Session.IdleMinutes) {
		return nil, loginNeeded
	}
	return k, nil
}

// judge fills in what the rules say about an account: its factors, the age of its password, its teams.
func (s *Service) judge(ctx context.Context, tx *store.Tx, k *known, wall time.Time) (err error) {
	if k.factors, err = hasFactor(ctx, tx, k.user.ID); err != nil {
		return err
	}
	now := s.opts.Clock.Now()
	if !s.opts.Lenient {
		days := s.rules.Password.Days
		k.aged = days > 0 && strings.HasPrefix(k.how, "password") && wall.Sub(k.user.passwordAt) > time.Duration(days)*24*time.Hour
		k.enrol = !k.factors && !k.strong && s.rules.needsSecond(k.user.Roles, now)
	}
	if s.opts.Teams != nil && k.user.Practitioner != "" {
		k.teams, err = s.opts.Teams(ctx, tx, k.user.Practitioner, now)
	}
	return err
}

func (s *Service) touch(ctx context.Context, h [32]byte, wall time.Time) error {
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE identity_session SET used = ? WHERE hash = ? AND used < ?`, micros(wall), h[:], micros(wall))
		return err
	})
	if err != nil {
		return fmt.Errorf("identity: session: %w", err)
	}
	return nil
}

func (s *Service) caller(u User, role Role, teams []string) *access.Caller {
	c := &access.Caller{User: u.ID, Name: u.Name, Practitioner: u.Practitioner, Role: role.Role, Org: role.Org, Lang: u.Lang, Teams: teams}
	s.tree.Settle(c)
	return c
}

// CallerOf is a user as caller, without a session: for the program's own acting on behalf of demo
// and test accounts. role "" = the first in force.
func (s *Service) CallerOf(ctx context.Context, username string, role access.Role) (*access.Caller, error) {
	u, err := s.UserNamed(ctx, username)
	if err != nil {
		return nil, err
	}
	for _, r := range u.Roles {
		if r.At(s.opts.Clock.Now()) && (role == "" || r.Role == role) {
			teams, err := s.teamsOf(ctx, u)
			return s.caller(u, r, teams), err
		}
	}
	return nil, noRole
}

// Logout ends a session.
func (s *Service) Logout(ctx context.Context, secret string) error {
	h := hashOf(secret)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM identity_session WHERE hash = ?`, h[:])
		return err
	})
	s.forgetOne(h)
	if err != nil {
		return fmt.Errorf("identity: logout: %w", err)
	}
	return nil
}

// SwitchRole moves a session to another role of the same user.
func (s *Service) SwitchRole(ctx context.Context, se Session, roleID string) (Session, error) {
	u, err := s.User(ctx, se.User.ID)
	if err != nil {
		return se, err
	}
	u = s.confine(u, se.How)
	role, ok := u.inForce(roleID, s.opts.Clock.Now())
	if !ok || roleID == "" {
		return se, fhir.Refuse(422, "value", "unknown-role", "this role is not yours now", "您目前没有这个角色")
	}
	h := hashOf(se.Secret)
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE identity_session SET role_id = ? WHERE hash = ?`, role.ID, h[:]); err != nil {
			return err
		}
		return s.note(ctx, tx, "E", "role-switch", u.ID)
	})
	s.forgetOne(h)
	if err != nil {
		return se, fmt.Errorf("identity: switch role: %w", err)
	}
	k, err := s.look(ctx, h, s.opts.Wall.Now())
	if err != nil {
		return se, err
	}
	moved := s.session(se.Secret, h, k)
	moved.Caller.Remote = se.Caller.Remote
	return moved, nil
}

// teamsOf names the care teams of an account's practitioner now.
func (s *Service) teamsOf(ctx context.Context, u User) (teams []string, err error) {
	if s.opts.Teams == nil || u.Practitioner == "" {
		return nil, nil
	}
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		teams, err = s.opts.Teams(ctx, tx, u.Practitioner, s.opts.Clock.Now())
		return err
	})
	return teams, err
}

// ChangePassword replaces the user's own password, ends every session and begins a new one, which is as strong as this one.
func (s *Service) ChangePassword(ctx context.Context, se Session, old, new string, v Visit) (Session, error) {
	var hash string
	var last []string
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		if hash, err = passwordOf(ctx, tx, se.User.ID); err != nil {
			return err
		}
		last = nil
		return tx.Query(ctx, `SELECT hash FROM identity_password WHERE user_id = ? ORDER BY since DESC LIMIT `+fmt.Sprint(max(0, s.rules.Password.History-1)), []any{se.User.ID}, func(scan func(...any) error) error {
			var h string
			err := scan(&h)
			last = append(last, h)
			return err
		})
	})
	if err != nil {
		return se, fmt.Errorf("identity: change password: %w", err)
	}
	if err := s.proves(ctx, se.User.ID, hash, old); err != nil {
		return se, err
	}
	if old == new {
		return se, fhir.Refuse(422, "value", "same-password", "the new password is the old one", "新密码不能与原密码相同")
	}
	if err := s.rules.worthy(new, se.User); err != nil {
		return se, err
	}
	for _, h := range last {
		if used, err := s.check(ctx, h, new); err != nil || used {
			return se, cmp.Or(err, error(usedLast))
		}
	}
	newHash := s.opts.Cost.hash(new)
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		now := s.opts.Wall.Now()
		n, err := tx.Exec(ctx, `UPDATE identity_user SET password = ?, must_change = 0, password_at = ? WHERE id = ? AND password = ?`, newHash, micros(now), se.User.ID, hash)
		if err == nil && n == 0 {
			return store.ErrConflict
		}
		if err == nil && s.rules.Password.History > 0 {
			_, err = tx.Exec(ctx, `INSERT INTO identity_password (user_id, since, hash) VALUES (?, ?, ?) ON CONFLICT (user_id, since) DO UPDATE SET hash = excluded.hash`, se.User.ID, micros(now), hash)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM identity_password WHERE user_id = ? AND since NOT IN (SELECT since FROM identity_password WHERE user_id = ? ORDER BY since DESC LIMIT `+
				fmt.Sprint(s.rules.Password.History)+`)`, se.User.ID, se.User.ID)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM identity_session WHERE user_id = ?`, se.User.ID)
		}
		if err == nil {
			err = s.note(ctx, tx, "U", "password-change", se.User.ID)
		}
		return err
	})
	s.forget(se.User.ID)
	if err != nil {
		return se, fmt.Errorf("identity: change password: %w", err)
	}
	u, err := s.User(ctx, se.User.ID)
	if err != nil {
		return se, err
	}
	return s.begin(ctx, s.confine(u, se.How), se.Role, v, se.How, se.Strong)
}

var wrongPassword = fhir.Refuse(422, "value", "wrong-password", "the old password is wrong", "原密码不正确")

// proves checks the password of somebody who is logged in.
func (s *Service) proves(ctx context.Context, user, hash, password string) error {
	limits := s.own("password", user)
	if err := s.reserve(ctx, limits); err != nil {
		return err
	}
	right, err := s.check(ctx, hash, password)
	if err == nil && !right {
		err = wrongPassword
	}
	if err == nil {
		err = s.succeeded(ctx, limits)
	}
	return err
}

// SetLang keeps the user's language.
func (s *Service) SetLang(ctx context.Context, user, lang string) error {
	if lang != "zh" && lang != "en" {
		return fhir.Refuse(422, "value", "unknown-language", "languages are zh and en", "语言须为 zh 或 en")
	}
	_, _, err := s.ChangeUser(ctx, user, Change{Lang: &lang})
	return err
}

// LoginNeeded says whether err means that a login would help.
func LoginNeeded(err error) bool { return errors.Is(err, loginNeeded) }
