package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// StepCookie holds the ticket between the first and the second step of a login.
const StepCookie = "xinglin_step"

const stepLife = 5 * time.Minute

// Entry is how far a login has come: a Session, or the ways of its second step behind a ticket.
type Entry struct {
	Session Session  // Secret is "" while the second step is open
	Ticket  string   // for StepCookie, "" when none is needed
	Ways    []string // totp, passkey, recovery: what may be shown as second factor
	Device  string   // for DeviceCookie
	User    User     // who was meant, for the audit entry; also of a refusal
}

// ticket is what is known between the steps.
type ticket struct {
	How    string `json:"how"`
	Device string `json:"device"`
}

var stepOver = fhir.Refuse(401, "login", "login-expired", "the login took too long; begin again", "登录已超时，请重新登录")

// Login checks the password and starts a session of an account that has no second factor, from no device in particular.
func (s *Service) Login(ctx context.Context, username, password, remote string) (Session, error) {
	e, err := s.Enter(ctx, username, password, Visit{Remote: remote})
	if err == nil && e.Ticket != "" {
		err = fhir.Refuse(401, "login", "second-factor-required", "a second factor is needed", "还需要第二重验证")
	}
	e.Session.User = e.User
	return e.Session, err
}

// Enter checks the password. An unknown user takes as long as a wrong password and gets the same answer. It starts a session in
// the first role that is in force, unless the account has a second factor: then a ticket for it.
func (s *Service) Enter(ctx context.Context, username, password string, v Visit) (Entry, error) {
	name := fold(username)
	var u User
	found, known := false, false
	hash := s.dummy
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		hash = s.dummy
		if u, found, err = s.find(ctx, tx, "username", name); err != nil || !found {
			return err
		}
		if known, err = s.knows(ctx, tx, u.ID, v); err != nil {
			return err
		}
		hash, err = passwordOf(ctx, tx, u.ID)
		return err
	})
	if err != nil {
		return Entry{}, fmt.Errorf("identity: login: %w", err)
	}
	limits := s.limitsOf(name, known, v)
	if err := s.reserve(ctx, limits); err != nil {
		return Entry{User: u}, err
	}
	right, err := s.check(ctx, hash, password)
	if err != nil {
		return Entry{User: u}, err
	}
	if !right || !found || u.Disabled {
		return Entry{User: u}, loginFailed
	}
	if err := s.succeeded(ctx, limits); err != nil {
		return Entry{User: u}, err
	}
	return s.proceed(ctx, u, v, "password", false)
}

// proceed goes on after the first step: to the second one, or to a session.
func (s *Service) proceed(ctx context.Context, u User, v Visit, how string, strong bool) (Entry, error) {
	if v.Device == "" {
		v.Device = secret()
	}
	u = s.confine(u, how)
	e := Entry{User: u, Device: v.Device}
	role, ok := u.inForce("", s.opts.Clock.Now())
	if !ok {
		return e, noRole
	}
	if !strong {
		ways, err := s.ways(ctx, u.ID)
		if err != nil {
			return e, err
		}
		if len(ways) > 0 {
			data, _ := json.Marshal(ticket{how, v.Device})
			e.Ways = ways
			e.Ticket, err = s.hold(ctx, "step", u.ID, data, stepLife)
			return e, err
		}
	}
	var err error
	e.Session, err = s.begin(ctx, u, role, v, how, strong)
	return e, err
}

// Pending says what the second step of a ticket may be shown, and by whom; ok is false when it is over.
func (s *Service) Pending(ctx context.Context, secret string) (u User, ways []string, ok bool, err error) {
	user, _, ok, err := s.peek(ctx, "step", secret)
	if err != nil || !ok {
		return u, nil, false, err
	}
	if u, err = s.User(ctx, user); err != nil {
		return u, nil, false, err
	}
	ways, err = s.ways(ctx, user)
	return u, ways, err == nil, err
}

// Second ends a login with a code of an authenticator or a recovery code.
func (s *Service) Second(ctx context.Context, secret, code string, v Visit) (Entry, error) {
	user, data, ok, err := s.peek(ctx, "step", secret)
	if err != nil {
		return Entry{}, err
	}
	if !ok {
		return Entry{}, stepOver
	}
	u, err := s.User(ctx, user)
	if err != nil {
		return Entry{}, err
	}
	way, err := s.accept(ctx, user, code)
	if err != nil {
		return Entry{User: u}, err
	}
	return s.finish(ctx, secret, u, data, way, v)
}

// finish turns a ticket whose second factor was shown into a session, once.
func (s *Service) finish(ctx context.Context, secret string, u User, data []byte, way string, v Visit) (Entry, error) {
	if _, _, ok, err := s.take(ctx, "step", secret); err != nil || !ok {
		if err == nil {
			err = stepOver
		}
		return Entry{User: u}, err
	}
	var t ticket
	if err := json.Unmarshal(data, &t); err != nil {
		return Entry{User: u}, fmt.Errorf("identity: ticket: %w", err)
	}
	if u.Disabled {
		return Entry{User: u}, loginFailed
	}
	v.Device = t.Device
	return s.proceed(ctx, u, v, t.How+" "+way, true)
}

// hold keeps what a ceremony under way must remember, under a secret that it returns.
func (s *Service) hold(ctx context.Context, kind, user string, data []byte, life time.Duration) (string, error) {
	sec := secret()
	h := hashOf(sec)
	now := s.opts.Wall.Now()
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		if err := s.sweep(ctx, tx, now); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO identity_ceremony (hash, kind, user_id, data, expires) VALUES (?, ?, ?, ?, ?)`, h[:], kind, user, s.seal(data, kind), micros(now.Add(life)))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("identity: %s: %w", kind, err)
	}
	return sec, nil
}

// peek reads what hold has kept; take reads it and ends it, so that it counts once.
func (s *Service) peek(ctx context.Context, kind, secret string) (user string, data []byte, ok bool, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) error { user, data, ok, err = s.held(ctx, tx, kind, secret); return err })
	return user, data, ok, err
}

func (s *Service) take(ctx context.Context, kind, secret string) (user string, data []byte, ok bool, err error) {
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if user, data, ok, err = s.held(ctx, tx, kind, secret); err != nil || !ok {
			return err
		}
		h := hashOf(secret)
		n, err := tx.Exec(ctx, `DELETE FROM identity_ceremony WHERE hash = ?`, h[:])
		ok = n == 1
		return err
	})
	return user, data, ok && err == nil, err
}

func (s *Service) held(ctx context.Context, tx *store.Tx, kind, secret string) (user string, data []byte, ok bool, err error) {
	h := hashOf(secret)
	var expires int64
	err = tx.Query(ctx, `SELECT user_id, data, expires FROM identity_ceremony WHERE hash = ? AND kind = ?`, []any{h[:], kind}, func(scan func(...any) error) error {
		ok = true
		return scan(&user, &data, &expires)
	})
	if err != nil || !ok || !s.opts.Wall.Now().Before(moment(expires)) {
		return "", nil, false, err
	}
	data, err = s.open(data, kind)
	return user, data, err == nil, err
}

// confine leaves the roles that a login of this kind may use: a hospital's own login speaks for that hospital only.
func (s *Service) confine(u User, how string) User {
	first, _, _ := strings.Cut(how, " ")
	slug, ok := strings.CutPrefix(first, "oidc:")
	if !ok {
		return u
	}
	i := s.issuer(slug)
	u.Roles = slices.DeleteFunc(slices.Clone(u.Roles), func(r Role) bool { return i == nil || r.Org == "" || !s.tree.Within(r.Org, i.Institution) })
	return u
}

var stepUpNeeded = fhir.Refuse(403, "security", "step-up-required", "show again who you are to do this", "此操作需要再次验证身份")

// Proved refuses a person whose last full proof of who it is was too long ago for a sensitive act; programs pass.
func (s *Service) Proved(ctx context.Context) error {
	se := SessionFrom(ctx)
	if se == nil || s.opts.Wall.Now().Sub(se.Proved) < minutes(s.rules.Second.ProofMinutes) {
		return nil
	}
	return stepUpNeeded
}

// Prove is a proof in the middle of a session: a code where the account has a second factor, else the password.
func (s *Service) Prove(ctx context.Context, se Session, password, code string) error {
	way := ""
	var err error
	if se.Factors {
		if way, err = s.accept(ctx, se.User.ID, code); err != nil {
			return err
		}
	} else {
		var hash string
		err := s.store.View(ctx, func(tx *store.Tx) (err error) { hash, err = passwordOf(ctx, tx, se.User.ID); return err })
		if err != nil {
			return fmt.Errorf("identity: step up: %w", err)
		}
		if err := s.proves(ctx, se.User.ID, hash, password); err != nil {
			return err
		}
	}
	return s.proved(ctx, se, way != "")
}

func (s *Service) proved(ctx context.Context, se Session, strong bool) error {
	h := hashOf(se.Secret)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		text := `UPDATE identity_session SET proved = ? WHERE hash = ?`
		if strong {
			text = `UPDATE identity_session SET proved = ?, strong = 1 WHERE hash = ?`
		}
		if _, err := tx.Exec(ctx, text, micros(s.opts.Wall.Now()), h[:]); err != nil {
			return err
		}
		return s.note(ctx, tx, "E", "step-up", se.User.ID)
	})
	s.forgetOne(h)
	if err != nil {
		return fmt.Errorf("identity: step up: %w", err)
	}
	return nil
}

// Needs says whether an account must have a second factor now.
func (s *Service) Needs(u User) bool {
	return !s.opts.Lenient && s.rules.needsSecond(u.Roles, s.opts.Clock.Now())
}
