package identity

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// DeviceCookie is the name of the cookie by which an account knows a machine again. It opens nothing: it only says in
// which place failures count, and whether a login comes from somewhere new.
const DeviceCookie = "xinglin_device"

const deviceLife = 365 * 24 * time.Hour

// Visit is where a login comes from.
type Visit struct {
	Remote string
	Agent  string // User-Agent
	Device string // secret of the device cookie, "" = none
}

// VisitOf reads where a request comes from.
func (s *Service) VisitOf(r *http.Request) Visit {
	v := Visit{Remote: s.Remote(r), Agent: r.UserAgent()}
	if c, err := r.Cookie(DeviceCookie); err == nil && len(c.Value) == len(secret()) {
		v.Device = c.Value
	}
	return v
}

// known says whether the account has logged in from this device before.
func (s *Service) knows(ctx context.Context, tx *store.Tx, user string, v Visit) (known bool, err error) {
	if v.Device == "" || user == "" {
		return false, nil
	}
	h := hashOf(v.Device)
	err = tx.Query(ctx, `SELECT 1 FROM identity_device WHERE user_id = ? AND hash = ?`, []any{user, h[:]}, func(scan func(...any) error) error {
		known = true
		var one int64
		return scan(&one)
	})
	return known, err
}

// meet notes a login from a device. A device that is new to an account which has others is told of until somebody has seen it.
func (s *Service) meet(ctx context.Context, tx *store.Tx, user string, device [32]byte, v Visit, now time.Time) error {
	others, known := int64(0), int64(0)
	err := tx.Query(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN hash = ? THEN 1 ELSE 0 END), 0) FROM identity_device WHERE user_id = ?`, []any{device[:], user}, func(scan func(...any) error) error {
		return scan(&others, &known)
	})
	if err != nil {
		return err
	}
	if known > 0 {
		_, err = tx.Exec(ctx, `UPDATE identity_device SET last = ?, remote = ?, agent = ? WHERE user_id = ? AND hash = ?`, micros(now), v.Remote, agentOf(v.Agent), user, device[:])
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO identity_device (user_id, hash, first, last, agent, remote, told) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		user, device[:], micros(now), micros(now), agentOf(v.Agent), v.Remote, flag(others == 0))
	if err == nil && others > 0 {
		err = s.noteSelf(ctx, tx, "E", "login-new-device", user, v.Remote)
	}
	return err
}

// SetDevice gives the device cookie to the browser.
func (s *Service) SetDevice(w http.ResponseWriter, r *http.Request, device string) {
	http.SetCookie(w, &http.Cookie{Name: DeviceCookie, Value: device, Path: "/api", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: s.secure(r), MaxAge: int(deviceLife.Seconds())})
}

func (s *Service) secure(r *http.Request) bool { return s.opts.Secure || r.TLS != nil }

// agentOf is a browser and its system in a few words: nothing else of the header is kept.
func agentOf(header string) string {
	browser, system := "", ""
	for _, x := range []struct{ mark, name string }{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"MicroMessenger/", "微信"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Version/", "Safari"}} {
		if _, rest, ok := strings.Cut(header, x.mark); ok {
			number, _, _ := strings.Cut(rest, ".")
			if len(number) > 4 || strings.Trim(number, "0123456789") != "" {
				number = ""
			}
			browser = strings.TrimSpace(x.name + " " + number)
			break
		}
	}
	for _, x := range []struct{ mark, name string }{{"Windows NT 10", "Windows 10/11"}, {"Windows NT 6.1", "Windows 7"}, {"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(header, x.mark) {
			system = x.name
			break
		}
	}
	return strings.Trim(browser+" · "+system, " ·")
}
