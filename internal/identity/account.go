package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// User is one account of a person.
type User struct {
	ID           string
	Username     string
	Name         string
	Practitioner string // "Practitioner/…" or ""
	Lang         string // zh or en
	MustChange   bool   // the password was given by somebody else
	Disabled     bool
	Created      time.Time
	LastLogin    time.Time // machine time; zero = never
	HomeOrg      string    // where an administrator finds an account without any role
	Roles        []Role

	passwordAt time.Time // machine time
}

// Role is what a user is at an organisation, from when until when. Org "" is the hub itself.
type Role struct {
	ID     string
	Role   access.Role
	Org    string
	From   time.Time // zero = always
	Until  time.Time // zero = open
	Source string    // "PractitionerRole/…" that says so; "" = given with the account
}

// At says whether the role holds at t.
func (r Role) At(t time.Time) bool {
	return (r.From.IsZero() || !t.Before(r.From)) && (r.Until.IsZero() || t.Before(r.Until))
}

// NewUser is what AddUser needs. Password "" makes a one-time password.
type NewUser struct {
	ID           string // "" = made here
	Username     string
	Name         string
	Practitioner string
	Lang         string // "" = zh
	Password     string // kept as it is, without having to be changed: for demo accounts only
	Hash         string // instead of Password: from Service.Hash, shared by many demo accounts; "!" = nobody can log in yet
	Roles        []Role
}

var usernameForm = regexp.MustCompile(`^[a-z0-9\p{Han}][a-z0-9._\-\p{Han}]{1,63}$`)

// AddUser makes an account and returns its one-time password, "" when one was given.
func (s *Service) AddUser(ctx context.Context, n NewUser) (User, string, error) {
	u, hash, password, err := s.prepare(ctx, n)
	if err != nil {
		return u, "", err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error { return s.insert(ctx, tx, &u, hash) })
	if err != nil {
		return u, "", fmt.Errorf("identity: add user: %w", err)
	}
	return u, password, nil
}

// AddUsers makes many accounts at once, each with Password or Hash given.
func (s *Service) AddUsers(ctx context.Context, list []NewUser) error {
	users, hashes := make([]User, len(list)), make([]string, len(list))
	for i, n := range list {
		var err error
		if users[i], hashes[i], _, err = s.prepare(ctx, n); err != nil {
			return fmt.Errorf("identity: %s: %w", n.Username, err)
		}
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for i := range users {
			if err := s.insert(ctx, tx, &users[i], hashes[i]); err != nil {
				return fmt.Errorf("%s: %w", users[i].Username, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("identity: add users: %w", err)
	}
	return nil
}

// Hash is the argon2id hash of a password, for NewUser.Hash.
func (s *Service) Hash(password string) string { return s.opts.Cost.hash(password) }

func (s *Service) prepare(ctx context.Context, n NewUser) (u User, hash, password string, err error) {
	username := fold(n.Username)
	if !usernameForm.MatchString(username) {
		return u, "", "", fhir.Refuse(422, "value", "bad-username", "a user name has 2 to 64 letters, digits, dots or dashes", "用户名须为 2–64 个字母、数字、汉字、点或短横")
	}
	if strings.TrimSpace(n.Name) == "" {
		return u, "", "", fhir.Refuse(422, "required", "name-required", "a user needs a name", "请填写姓名")
	}
	u = User{ID: n.ID, Username: username, Name: strings.TrimSpace(n.Name), Practitioner: n.Practitioner, Lang: n.Lang, Roles: slices.Clone(n.Roles)}
	if u.ID == "" {
		u.ID = newID()
	}
	if u.Lang != "en" {
		u.Lang = "zh"
	}
	for i := range u.Roles {
		if err := s.checkRole(&u.Roles[i]); err != nil {
			return u, "", "", err
		}
	}
	if c := access.From(ctx); c != nil {
		u.HomeOrg = c.Institution
	}
	switch {
	case n.Hash != "":
		hash = n.Hash
	case n.Password != "":
		hash = s.opts.Cost.hash(n.Password)
	default:
		password, u.MustChange = oneTime(), true
		hash = s.opts.Cost.hash(password)
	}
	return u, hash, password, nil
}

func (s *Service) insert(ctx context.Context, tx *store.Tx, u *User, hash string) error {
	u.Created = tx.Now()
	if _, taken, err := s.find(ctx, tx, "username", u.Username); err != nil || taken {
		return cmp.Or(err, error(usernameTaken))
	}
	if u.Practitioner != "" && access.From(ctx) != nil {
		if others, err := s.list(ctx, tx, `WHERE u.practitioner = ?`, u.Practitioner); err != nil || len(others) > 0 {
			return cmp.Or(err, error(hasAccount))
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO identity_user (id, username, name, practitioner, lang, password, must_change, disabled, created, home_org, last_login, password_at) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, 0, ?)`,
		u.ID, u.Username, u.Name, u.Practitioner, u.Lang, hash, flag(u.MustChange), micros(u.Created), u.HomeOrg, micros(s.opts.Wall.Now()))
	if errors.Is(err, store.ErrExists) {
		return usernameTaken
	}
	if err != nil {
		return err
	}
	if u.Roles, _, err = s.part(ctx, tx, u.ID, nil, u.Roles); err != nil {
		return err
	}
	if err := writeRoles(ctx, tx, *u); err != nil {
		return err
	}
	fresh, _, err := s.find(ctx, tx, "id", u.ID)
	if err != nil {
		return err
	}
	u.Roles = fresh.Roles
	return s.note(ctx, tx, "C", "user-create", u.ID)
}

var usernameTaken = fhir.Refuse(409, "duplicate", "username-taken", "this user name is taken", "该用户名已被使用")
var unknownUser = fhir.Refuse(404, "not-found", "unknown-user", "no such user", "没有这个用户")

func (s *Service) checkRole(r *Role) error {
	if _, ok := access.RoleNames[r.Role]; !ok || r.Role == access.Program {
		return fhir.Refuse(422, "value", "unknown-role", "unknown role "+string(r.Role), "没有这个角色："+string(r.Role))
	}
	if r.Org != "" && !strings.HasPrefix(r.Org, "Organization/") {
		return fhir.Refuse(422, "value", "bad-organisation", "a role is at an Organization/…", "角色须属于某个机构")
	}
	if r.Org == "" && r.Role != access.Administrator && r.Role != access.Auditor {
		return fhir.Refuse(422, "value", "bad-organisation", "this role needs an organisation", "该角色须属于某个机构")
	}
	if !r.Until.IsZero() && !r.From.IsZero() && !r.Until.After(r.From) {
		return fhir.Refuse(422, "value", "bad-period", "a role ends after it begins", "角色的结束时间须晚于开始时间")
	}
	if r.ID == "" {
		r.ID = newID()
	}
	return nil
}

func writeRoles(ctx context.Context, tx *store.Tx, u User) error {
	if _, err := tx.Exec(ctx, `DELETE FROM identity_role WHERE user_id = ?`, u.ID); err != nil {
		return err
	}
	for i, r := range u.Roles {
		if r.Source != "" {
			continue // the register's own
		}
		_, err := tx.Exec(ctx, `INSERT INTO identity_role (id, user_id, ord, role, org, from_at, until_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			r.ID, u.ID, int64(i), string(r.Role), r.Org, micros(r.From), micros(r.Until))
		if err != nil {
			return err
		}
	}
	return nil
}

// Change is what ChangeUser alters; nil leaves as it is.
type Change struct {
	Name     *string
	Lang     *string
	Disabled *bool
	Roles    *[]Role
	Reset    bool // a new one-time password; ends every session
}

func (c Change) what() string {
	switch {
	case c.Reset:
		return "user-reset"
	case c.Disabled != nil && *c.Disabled:
		return "user-disable"
	case c.Disabled != nil:
		return "user-enable"
	case c.Roles != nil:
		return "user-roles"
	}
	return "user-update"
}

// ChangeUser alters an account and returns the one-time password of a reset. Whoever is disabled,
// reset or loses a role is logged out. The last administrator of the hub cannot be taken away.
func (s *Service) ChangeUser(ctx context.Context, id string, c Change) (u User, password string, err error) {
	hash := ""
	if c.Reset {
		password = oneTime()
		hash = s.opts.Cost.hash(password)
	}
	if c.Roles != nil {
		for i := range *c.Roles {
			if err := s.checkRole(&(*c.Roles)[i]); err != nil {
				return u, "", err
			}
		}
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		var ok bool
		u, ok, err = s.find(ctx, tx, "id", id)
		if err != nil {
			return err
		}
		if !ok {
			return unknownUser
		}
		before := u
		if c.Name != nil && strings.TrimSpace(*c.Name) != "" {
			u.Name = strings.TrimSpace(*c.Name)
		}
		if c.Lang != nil && (*c.Lang == "zh" || *c.Lang == "en") {
			u.Lang = *c.Lang
		}
		if c.Disabled != nil {
			u.Disabled = *c.Disabled
		}
		if c.Roles != nil {
			if u.Roles, _, err = s.part(ctx, tx, id, before.Roles, *c.Roles); err != nil {
				return err
			}
			if err := writeRoles(ctx, tx, u); err != nil {
				return err
			}
			fresh, _, err := s.find(ctx, tx, "id", id)
			if err != nil {
				return err
			}
			u.Roles = fresh.Roles
		}
		u.MustChange = u.MustChange || c.Reset
		_, err = tx.Exec(ctx, `UPDATE identity_user SET name = ?, lang = ?, disabled = ?, must_change = ? WHERE id = ?`, u.Name, u.Lang, flag(u.Disabled), flag(u.MustChange), id)
		if err != nil {
			return err
		}
		if hash != "" {
			if _, err := tx.Exec(ctx, `UPDATE identity_user SET password = ?, password_at = ? WHERE id = ?`, hash, micros(s.opts.Wall.Now()), id); err != nil {
				return err
			}
		}
		if administers(before, tx.Now()) && !administers(u, tx.Now()) {
			if err := s.keepAnAdministrator(ctx, tx); err != nil {
				return err
			}
		}
		if u.Disabled || c.Reset || c.Roles != nil {
			if _, err := tx.Exec(ctx, `DELETE FROM identity_session WHERE user_id = ?`, id); err != nil {
				return err
			}
		}
		tx.AfterCommit(func() { s.forget(id) })
		return s.note(ctx, tx, "U", c.what(), id)
	})
	if err != nil {
		return u, "", fmt.Errorf("identity: change user: %w", err)
	}
	return u, password, nil
}

func administers(u User, now time.Time) bool {
	if u.Disabled {
		return false
	}
	for _, r := range u.Roles {
		if r.Role == access.Administrator && r.At(now) {
			return true
		}
	}
	return false
}

func (s *Service) keepAnAdministrator(ctx context.Context, tx *store.Tx) error {
	left, now := false, micros(tx.Now())
	err := tx.Query(ctx, `SELECT u.id FROM identity_role r JOIN identity_user u ON u.id = r.user_id
		WHERE r.role = ? AND u.disabled = 0 AND r.from_at <= ? AND (r.until_at = 0 OR r.until_at > ?) LIMIT 1`,
		[]any{string(access.Administrator), now, now}, func(func(...any) error) error { left = true; return nil })
	if err == nil && !left {
		return fhir.Refuse(409, "business-rule", "last-administrator", "the last administrator cannot be taken away", "不能停用或撤销最后一位管理员")
	}
	return err
}

// User returns one account by id.
func (s *Service) User(ctx context.Context, id string) (u User, err error) {
	return s.one(ctx, "id", id)
}

// UserNamed returns one account by user name.
func (s *Service) UserNamed(ctx context.Context, username string) (User, error) {
	return s.one(ctx, "username", fold(username))
}

func (s *Service) one(ctx context.Context, column, value string) (u User, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) error {
		var ok bool
		u, ok, err = s.find(ctx, tx, column, value)
		if err == nil && !ok {
			return unknownUser
		}
		return err
	})
	return u, err
}

func (s *Service) find(ctx context.Context, tx *store.Tx, column, value string) (u User, ok bool, err error) {
	users, err := s.list(ctx, tx, `WHERE u.`+column+` = ?`, value)
	if err != nil || len(users) == 0 {
		return u, false, err
	}
	return users[0], true, nil
}

// Users lists every account by user name.
func (s *Service) Users(ctx context.Context) (users []User, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		users, err = s.list(ctx, tx, ``)
		return err
	})
	return users, err
}

func (s *Service) list(ctx context.Context, tx *store.Tx, where string, args ...any) (users []User, err error) {
	at := map[string]int{}
	err = tx.Query(ctx, `SELECT u.id, u.username, u.name, u.practitioner, u.lang, u.must_change, u.disabled, u.created, u.home_org, u.last_login, u.password_at FROM identity_user u `+where+` ORDER BY u.username`, args,
		func(scan func(...any) error) error {
			var u User
			var must, disabled, created, login, password int64
			if err := scan(&u.ID, &u.Username, &u.Name, &u.Practitioner, &u.Lang, &must, &disabled, &created, &u.HomeOrg, &login, &password); err != nil {
				return err
			}
			u.MustChange, u.Disabled, u.Created, u.LastLogin, u.passwordAt = must != 0, disabled != 0, moment(created), moment(login), moment(password)
			at[u.ID] = len(users)
			users = append(users, u)
			return nil
		})
	if err != nil || len(users) == 0 {
		return users, err
	}
	err = tx.Query(ctx, `SELECT r.user_id, r.id, r.role, r.org, r.from_at, r.until_at FROM identity_user u JOIN identity_role r ON r.user_id = u.id `+where+` ORDER BY r.user_id, r.ord`, args,
		func(scan func(...any) error) error {
			var r Role
			var user, role string
			var from, until int64
			if err := scan(&user, &r.ID, &role, &r.Org, &from, &until); err != nil {
				return err
			}
			r.Role, r.From, r.Until = access.Role(role), moment(from), moment(until)
			if i, ok := at[user]; ok {
				users[i].Roles = append(users[i].Roles, r)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	return users, posts(ctx, tx, users, at, where, args)
}

func fold(username string) string { return strings.ToLower(strings.TrimSpace(username)) }

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
