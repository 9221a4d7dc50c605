package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
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

// Login checks the password and starts a session in the first role that is in force. An unknown
// user takes as long as a wrong password. On a refusal the session holds the User that was meant, if
// there is one, for the audit entry only.
func (s *Service) Login(ctx context.Context, username, password, remote string) (Session, error) {
	name := fold(username)
	if wait := max(s.users.wait(name), s.remotes.wait(remote)); wait > 0 {
		return Session{}, &TooMany{After: wait, Refusal: fhir.Refuse(429, "throttled", "too-many-attempts",
			fmt.Sprintf("too many attempts; try again in %d seconds", seconds(wait)), fmt.Sprintf("尝试次数过多，请在 %d 秒后再试", seconds(wait)))}
	}
	var u User
	var found bool
	hash := s.dummy
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		if u, found, err = s.find(ctx, tx, "username", name); err != nil || !found {
			return err
		}
		hash, err = passwordOf(ctx, tx, u.ID)
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("identity: login: %w", err)
	}
	right, err := s.check(ctx, hash, password)
	if err != nil {
		return Session{}, err
	}
	if !right || !found || u.Disabled {
		s.users.failed(name)
		s.remotes.failed(remote)
		return Session{User: u}, loginFailed
	}
	s.users.succeeded(name)
	role, ok := u.inForce("", s.opts.Clock.Now())
	if !ok {
		return Session{User: u}, noRole
	}
	return s.begin(ctx, u, role, remote)
}

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

func (s *Service) begin(ctx context.Context, u User, role Role, remote string) (Session, error) {
	se := Session{Secret: secret(), User: u, Role: role}
	h := hashOf(se.Secret)
	now := s.opts.Wall.Now()
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM identity_session WHERE created < ? OR used < ?`, micros(now.Add(-s.opts.Absolute)), micros(now.Add(-s.opts.Idle))); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO identity_session (hash, user_id, role_id, created, used, remote) VALUES (?, ?, ?, ?, ?, ?)`,
			h[:], u.ID, role.ID, micros(now), micros(now), remote)
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE identity_user SET last_login = ? WHERE id = ?`, micros(now), u.ID)
		}
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("identity: begin session: %w", err)
	}
	se.Caller = s.caller(u, role)
	se.Caller.Session, se.Caller.Remote = hex.EncodeToString(h[:4]), remote
	return se, nil
}

// resume finds the session of a cookie, and keeps it awake; loginNeeded when there is none any more.
func (s *Service) resume(ctx context.Context, cookie string, awake bool) (Session, error) {
	h, wall := hashOf(cookie), s.opts.Wall.Now()
	k, err := s.look(ctx, h, wall)
	if err != nil {
		return Session{}, err
	}
	if awake && wall.Sub(k.used) > s.opts.Idle/30 {
		if err := s.touch(ctx, h, wall); err != nil {
			return Session{}, err
		}
		fresh := *k
		fresh.used = wall
		s.remember(h, &fresh)
	}
	se := Session{Secret: cookie, User: k.user, Role: k.role, Caller: s.caller(k.user, k.role)}
	se.Caller.Session = hex.EncodeToString(h[:4])
	return se, nil
}

// look finds a session that is in force, without counting as its use.
func (s *Service) look(ctx context.Context, h [32]byte, wall time.Time) (*known, error) {
	k := s.recall(h)
	if k == nil {
		k = &known{read: wall}
		found := false
		var userID, roleID string
		err := s.store.View(ctx, func(tx *store.Tx) error {
			found = false
			var created, used int64
			err := tx.Query(ctx, `SELECT user_id, role_id, created, used FROM identity_session WHERE hash = ?`, []any{h[:]}, func(scan func(...any) error) error {
				found = true
				return scan(&userID, &roleID, &created, &used)
			})
			if err != nil || !found {
				return err
			}
			k.created, k.used = moment(created), moment(used)
			k.user, found, err = s.find(ctx, tx, "id", userID)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("identity: session: %w", err)
		}
		if !found {
			return nil, loginNeeded
		}
		for _, r := range k.user.Roles {
			if r.ID == roleID {
				k.role = r
			}
		}
		s.remember(h, k)
	}
	if k.user.Disabled || k.role.ID == "" || !k.role.At(s.opts.Clock.Now()) ||
		wall.Sub(k.created) >= s.opts.Absolute || wall.Sub(k.used) >= s.opts.Idle {
		return nil, loginNeeded
	}
	return k, nil
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

func (s *Service) caller(u User, role Role) *access.Caller {
	c := &access.Caller{User: u.ID, Name: u.Name, Practitioner: u.Practitioner, Role: role.Role, Org: role.Org, Lang: u.Lang}
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
			return s.caller(u, r), nil
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
	session, remote := se.Caller.Session, se.Caller.Remote
	se.User, se.Role, se.Caller = u, role, s.caller(u, role)
	se.Caller.Session, se.Caller.Remote = session, remote
	return se, nil
}

// ChangePassword replaces the user's own password, ends every session and begins a new one.
func (s *Service) ChangePassword(ctx context.Context, se Session, old, new string) (Session, error) {
	var hash string
	err := s.store.View(ctx, func(tx *store.Tx) (err error) { hash, err = passwordOf(ctx, tx, se.User.ID); return err })
	if err != nil {
		return se, fmt.Errorf("identity: change password: %w", err)
	}
	key := "password:" + se.User.ID
	if wait := s.users.wait(key); wait > 0 {
		return se, &TooMany{After: wait, Refusal: fhir.Refuse(429, "throttled", "too-many-attempts", "too many attempts; try again later", "尝试次数过多，请稍后再试")}
	}
	right, err := s.check(ctx, hash, old)
	if err != nil {
		return se, err
	}
	if !right {
		s.users.failed(key)
		return se, fhir.Refuse(422, "value", "wrong-password", "the old password is wrong", "原密码不正确")
	}
	if old == new {
		return se, fhir.Refuse(422, "value", "same-password", "the new password is the old one", "新密码不能与原密码相同")
	}
	if err := worthy(new, se.User.Username); err != nil {
		return se, err
	}
	newHash := s.opts.Cost.hash(new)
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE identity_user SET password = ?, must_change = 0 WHERE id = ? AND password = ?`, newHash, se.User.ID, hash)
		if err == nil && n == 0 {
			return store.ErrConflict
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
	return s.begin(ctx, u, se.Role, se.Caller.Remote)
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
