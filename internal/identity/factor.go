package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"image/color"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Factor is a second proof of who somebody is, beside the password.
type Factor struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"` // totp, passkey
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero"`
}

// Bounds of what one account may have.
const (
	mostFactors   = 10
	recoveryCodes = 10
)

// totpPeriod is the step of RFC 6238, in seconds; one step early or late is let pass, for clocks that differ.
const totpPeriod = 30

var (
	wrongCode    = fhir.Refuse(401, "login", "wrong-code", "the code is wrong, too old or used before", "验证码不正确、已过期或已用过")
	noFactor     = fhir.Refuse(404, "not-found", "unknown-factor", "no such factor", "没有这个验证方式")
	lastFactor   = fhir.Refuse(409, "business-rule", "last-factor", "your role needs a second factor: add another before you remove this one", "您的角色必须有第二重验证，请先添加另一种再移除")
	manyFactors  = fhir.Refuse(422, "business-rule", "too-many-factors", "an account has at most ten factors", "验证方式最多 10 个")
	proofMissing = fhir.Refuse(422, "value", "wrong-code", "the code is wrong; check the clock of your phone", "验证码不正确，请核对手机时间后重试")
)

// Factors lists what an account has, oldest first, and how many recovery codes are left.
func (s *Service) Factors(ctx context.Context, user string) (list []Factor, recovery int, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		if list, err = factors(ctx, tx, user); err != nil {
			return err
		}
		var n int64
		err = tx.Query(ctx, `SELECT COUNT(*) FROM identity_recovery WHERE user_id = ?`, []any{user}, func(scan func(...any) error) error { return scan(&n) })
		recovery = int(n)
		return err
	})
	return list, recovery, err
}

func factors(ctx context.Context, tx *store.Tx, user string) (list []Factor, err error) {
	err = tx.Query(ctx, `SELECT id, kind, name, created, used FROM identity_factor WHERE user_id = ? AND confirmed = 1 ORDER BY created, id`, []any{user}, func(scan func(...any) error) error {
		var f Factor
		var created, used int64
		err := scan(&f.ID, &f.Kind, &f.Name, &created, &used)
		f.Created, f.Used = moment(created), moment(used)
		list = append(list, f)
		return err
	})
	return list, err
}

func hasFactor(ctx context.Context, tx *store.Tx, user string) (has bool, err error) {
	err = tx.Query(ctx, `SELECT 1 FROM identity_factor WHERE user_id = ? AND confirmed = 1 LIMIT 1`, []any{user}, func(scan func(...any) error) error {
		has = true
		var one int64
		return scan(&one)
	})
	return has, err
}

// ways are the kinds of second step that an account may take; none when it has no factor.
func (s *Service) ways(ctx context.Context, user string) (ways []string, err error) {
	list, recovery, err := s.Factors(ctx, user)
	for _, f := range list {
		if !slices.Contains(ways, f.Kind) {
			ways = append(ways, f.Kind)
		}
	}
	if len(ways) > 0 && recovery > 0 {
		ways = append(ways, "recovery")
	}
	return ways, err
}

// Enrolment is an authenticator that is not yet confirmed: what the page draws for it.
type Enrolment struct {
	ID     string `json:"id"`
	Secret string `json:"secret"` // to be typed where no camera is
	URI    string `json:"uri"`
	Size   int    `json:"size"` // modules of the code's side, without its quiet zone
	Path   string `json:"path"` // dark modules, as the path of an SVG of that size
}

// NewTOTP begins an authenticator by RFC 6238 (SHA-1, 6 digits, 30 s: what every app understands).
func (s *Service) NewTOTP(ctx context.Context, u User) (Enrolment, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Xinglin", AccountName: u.Username, SecretSize: 20, Period: totpPeriod})
	if err != nil {
		return Enrolment{}, fmt.Errorf("identity: totp: %w", err)
	}
	e := Enrolment{ID: newID(), Secret: key.Secret(), URI: key.URL()}
	code, err := qr.Encode(e.URI, qr.M, qr.Auto)
	if err != nil {
		return Enrolment{}, fmt.Errorf("identity: totp: %w", err)
	}
	e.Size = code.Bounds().Dx()
	var path strings.Builder
	for y := range e.Size {
		for x := range e.Size {
			if g, _, _, _ := color.GrayModel.Convert(code.At(x, y)).RGBA(); g == 0 {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	e.Path = path.String()
	now := s.opts.Wall.Now()
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM identity_factor WHERE user_id = ? AND confirmed = 0`, u.ID); err != nil {
			return err
		}
		return s.addFactor(ctx, tx, Factor{ID: e.ID, Kind: "totp", Created: now}, u.ID, []byte(e.Secret), false)
	})
	if err != nil {
		return Enrolment{}, fmt.Errorf("identity: totp: %w", err)
	}
	return e, nil
}

func (s *Service) addFactor(ctx context.Context, tx *store.Tx, f Factor, user string, data []byte, confirmed bool) error {
	list, err := factors(ctx, tx, user)
	if err != nil {
		return err
	}
	if len(list) >= mostFactors {
		return manyFactors
	}
	_, err = tx.Exec(ctx, `INSERT INTO identity_factor (id, user_id, kind, name, data, step, confirmed, created, used) VALUES (?, ?, ?, ?, ?, 0, ?, ?, 0)`,
		f.ID, user, f.Kind, factorName(f.Name), s.seal(data, "factor "+f.ID), flag(confirmed), micros(f.Created))
	return err
}

func factorName(name string) string {
	name = strings.TrimSpace(name)
	for utf8.RuneCountInString(name) > 40 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

// ConfirmTOTP takes the first code of a new authenticator. With the account's first factor come recovery codes, told once.
func (s *Service) ConfirmTOTP(ctx context.Context, se Session, id, name, code string) (recovery []string, err error) {
	limits := s.own("enrol", se.User.ID)
	if err := s.reserve(ctx, limits); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		var box []byte
		found := false
		err := tx.Query(ctx, `SELECT data FROM identity_factor WHERE id = ? AND user_id = ? AND kind = 'totp' AND confirmed = 0`, []any{id, se.User.ID}, func(scan func(...any) error) error {
			found = true
			return scan(&box)
		})
		if err != nil {
			return err
		}
		if !found {
			return noFactor
		}
		sec, err := s.open(box, "factor "+id)
		if err != nil {
			return err
		}
		step, ok := totpStep(string(sec), code, s.opts.Wall.Now())
		if !ok {
			return proofMissing
		}
		if _, err := tx.Exec(ctx, `UPDATE identity_factor SET confirmed = 1, name = ?, step = ?, used = ? WHERE id = ?`, factorName(name), step, micros(s.opts.Wall.Now()), id); err != nil {
			return err
		}
		recovery, err = s.enrolled(ctx, tx, se, "factor-add-totp")
		return err
	})
	s.forget(se.User.ID)
	if err != nil {
		return nil, fmt.Errorf("identity: totp: %w", err)
	}
	return recovery, s.succeeded(ctx, limits)
}

// enrolled ends the adding of a factor: this session has shown it, all others are older than it and end.
func (s *Service) enrolled(ctx context.Context, tx *store.Tx, se Session, what string) (recovery []string, err error) {
	list, err := factors(ctx, tx, se.User.ID)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		if recovery, err = s.writeRecovery(ctx, tx, se.User.ID); err != nil {
			return nil, err
		}
	}
	h := hashOf(se.Secret)
	if _, err := tx.Exec(ctx, `DELETE FROM identity_session WHERE user_id = ? AND hash <> ?`, se.User.ID, h[:]); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `UPDATE identity_session SET strong = 1, proved = ? WHERE hash = ?`, micros(s.opts.Wall.Now()), h[:]); err != nil {
		return nil, err
	}
	return recovery, s.note(ctx, tx, "C", what, se.User.ID)
}

// totpStep finds the step at now, or one beside it, whose code this is.
func totpStep(secret, code string, now time.Time) (int64, bool) {
	at, found := now.Unix()/totpPeriod, int64(0)
	for _, step := range []int64{at - 1, at, at + 1} {
		want, err := totp.GenerateCodeCustom(secret, time.Unix(step*totpPeriod, 0), totp.ValidateOpts{Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = step
		}
	}
	return found, found != 0
}

// accept takes a code of an authenticator, or a recovery code, as second factor; each counts once.
func (s *Service) accept(ctx context.Context, user, code string) (way string, err error) {
	limits := s.own("code", user)
	if err := s.reserve(ctx, limits); err != nil {
		return "", err
	}
	code = strings.ToLower(strings.Join(strings.Fields(code), ""))
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		way = ""
		if len(code) != 6 {
			h := recoveryHash(user, code)
			n, err := tx.Exec(ctx, `DELETE FROM identity_recovery WHERE user_id = ? AND hash = ?`, user, h)
			if err == nil && n == 1 {
				way = "recovery"
				err = s.noteSelf(ctx, tx, "E", "recovery-code-used", user, "")
			}
			return err
		}
		type held struct {
			id   string
			box  []byte
			step int64
		}
		var list []held
		err := tx.Query(ctx, `SELECT id, data, step FROM identity_factor WHERE user_id = ? AND kind = 'totp' AND confirmed = 1`, []any{user}, func(scan func(...any) error) error {
			var f held
			err := scan(&f.id, &f.box, &f.step)
			list = append(list, f)
			return err
		})
		if err != nil {
			return err
		}
		for _, f := range list {
			sec, err := s.open(f.box, "factor "+f.id)
			if err != nil {
				return err
			}
			step, ok := totpStep(string(sec), code, s.opts.Wall.Now())
			if !ok || step <= f.step {
				continue
			}
			n, err := tx.Exec(ctx, `UPDATE identity_factor SET step = ?, used = ? WHERE id = ? AND step < ?`, step, micros(s.opts.Wall.Now()), f.id, step)
			if err != nil {
				return err
			}
			if n == 1 {
				way = "totp"
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("identity: second factor: %w", err)
	}
	if way == "" {
		return "", wrongCode
	}
	return way, s.succeeded(ctx, limits)
}

// recoveryHash: the codes hold 79 random bits, so a quick hash keeps them.
func recoveryHash(user, code string) []byte {
	h := sha256.Sum256([]byte("recovery\x00" + user + "\x00" + strings.ReplaceAll(code, "-", "")))
	return h[:]
}

func (s *Service) writeRecovery(ctx context.Context, tx *store.Tx, user string) (codes []string, err error) {
	if _, err := tx.Exec(ctx, `DELETE FROM identity_recovery WHERE user_id = ?`, user); err != nil {
		return nil, err
	}
	for range recoveryCodes {
		code := oneTime()
		if _, err := tx.Exec(ctx, `INSERT INTO identity_recovery (user_id, hash) VALUES (?, ?)`, user, recoveryHash(user, code)); err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// NewRecovery replaces the recovery codes.
func (s *Service) NewRecovery(ctx context.Context, user string) (codes []string, err error) {
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		has, err := hasFactor(ctx, tx, user)
		if err != nil {
			return err
		}
		if !has {
			return noFactor
		}
		if codes, err = s.writeRecovery(ctx, tx, user); err != nil {
			return err
		}
		return s.note(ctx, tx, "U", "recovery-codes", user)
	})
	if err != nil {
		return nil, fmt.Errorf("identity: recovery codes: %w", err)
	}
	return codes, nil
}

// RemoveFactor takes a factor away; the last one stays where the role needs one.
func (s *Service) RemoveFactor(ctx context.Context, u User, id string) error {
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		list, err := factors(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(f Factor) bool { return f.ID == id }) {
			return noFactor
		}
		if len(list) == 1 && s.Needs(u) {
			return lastFactor
		}
		if _, err := tx.Exec(ctx, `DELETE FROM identity_factor WHERE id = ? AND user_id = ?`, id, u.ID); err != nil {
			return err
		}
		if len(list) == 1 {
			if _, err := tx.Exec(ctx, `DELETE FROM identity_recovery WHERE user_id = ?`, u.ID); err != nil {
				return err
			}
		}
		return s.note(ctx, tx, "D", "factor-remove", u.ID)
	})
	s.forget(u.ID)
	if err != nil {
		return fmt.Errorf("identity: remove factor: %w", err)
	}
	return nil
}

// ResetFactors takes every factor, recovery code, known device and hospital login of an account and ends its sessions: its
// phone is lost.
func (s *Service) ResetFactors(ctx context.Context, user string) error {
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for _, table := range []string{"identity_factor", "identity_recovery", "identity_device", "identity_link", "identity_session", "identity_ceremony"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE user_id = ?`, user); err != nil {
				return err
			}
		}
		return s.note(ctx, tx, "D", "factor-reset", user)
	})
	s.forget(user)
	if err != nil {
		return fmt.Errorf("identity: reset factors: %w", err)
	}
	return nil
}

// FactorKinds are the kinds of factor of every account, by its id.
func (s *Service) FactorKinds(ctx context.Context) (kinds map[string][]string, err error) {
	kinds = map[string][]string{}
	err = s.store.View(ctx, func(tx *store.Tx) error {
		clear(kinds)
		return tx.Query(ctx, `SELECT DISTINCT user_id, kind FROM identity_factor WHERE confirmed = 1 ORDER BY user_id, kind`, nil, func(scan func(...any) error) error {
			var user, kind string
			err := scan(&user, &kind)
			kinds[user] = append(kinds[user], kind)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("identity: factors: %w", err)
	}
	return kinds, nil
}
