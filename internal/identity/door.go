package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Cookie is the name of the session cookie.
const Cookie = "xinglin_session"

// Background is the header of requests that the page makes by itself while nobody is at the desk:
// they do not keep a session awake.
const Background = "X-Background"

type sessionKey struct{}

// SessionFrom returns the session that a request came with, nil for programs and strangers.
func SessionFrom(ctx context.Context) *Session {
	s, _ := ctx.Value(sessionKey{}).(*Session)
	return s
}

// WithSession puts a session into the context, as Authenticate does.
func WithSession(ctx context.Context, se *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, se)
}

var (
	csrfMissing = fhir.Refuse(403, "security", "csrf", "the request lacks the X-CSRF-Token of its session", "页面已过期，请刷新后再试")
	crossSite   = fhir.Refuse(403, "security", "cross-site", "a login comes from our own page", "登录请求须来自本系统页面")
	mustChange  = fhir.Refuse(403, "security", "password-change-required", "change the one-time or outdated password first", "请先修改一次性密码或已到期的密码")
	mustEnrol   = fhir.Refuse(403, "security", "second-factor-required", "your role needs a second factor: add one first", "您的角色必须有第二重验证，请先添加")
)

// held says why a session opens nothing but the doors where that is mended: a one-time or outdated password first, then a
// second factor that is needed and missing.
func held(se *Session, path string) error {
	if !se.User.MustChange && !se.Aged && !se.Enrol {
		return nil
	}
	switch path {
	case "/api/me", "/api/password", "/api/logout", "/api/lang", "/api/login", "/api/rules":
		return nil
	}
	if se.User.MustChange || se.Aged {
		return mustChange
	}
	if strings.HasPrefix(path, "/api/me/") || path == "/api/step-up" || strings.HasPrefix(path, "/api/step-up/") {
		return nil
	}
	return mustEnrol
}

// byItself says whether the page sent the request, with nobody at the desk. A browser sets no header on a stream.
func byItself(r *http.Request) bool {
	return r.Header.Get(Background) != "" || r.Header.Get("Accept") == "text/event-stream"
}

// foreign says whether the page of another site sent the request; browsers say so, programs say nothing.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin" && site != "none"
	}
	origin := r.Header.Get("Origin")
	u, err := url.Parse(origin)
	return origin != "" && (err != nil || u.Host != r.Host)
}

// entering says whether an address is part of logging in: nobody has a session there yet.
func entering(path string) bool {
	return path == "/api/login" || strings.HasPrefix(path, "/api/login/")
}

// Authenticate puts who asks into the context, from the session cookie or a bearer token. Without
// either the request goes on with no caller. A bad token is refused; a session that is over counts
// as none. Unsafe requests of a session need its X-CSRF-Token. Secrets in the URL are not looked at.
func (s *Service) Authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remote := s.Remote(r)
		if auth := r.Header.Get("Authorization"); auth != "" {
			scheme, sec, _ := strings.Cut(auth, " ")
			if !strings.EqualFold(scheme, "Bearer") {
				w.Header().Set("WWW-Authenticate", `Bearer realm="xinglin"`)
				s.refuse(w, r, badToken)
				return
			}
			c, err := s.bearer(r.Context(), strings.TrimSpace(sec))
			if err != nil {
				if errors.Is(err, badToken) {
					w.Header().Set("WWW-Authenticate", `Bearer realm="xinglin", error="invalid_token"`)
				}
				s.refuse(w, r, err)
				return
			}
			c.Remote, c.Request = remote, r.Header.Get("X-Request-Id")
			next.ServeHTTP(w, r.WithContext(access.With(r.Context(), c)))
			return
		}
		if entering(r.URL.Path) && unsafe(r.Method) {
			if foreign(r) {
				s.refuse(w, r, crossSite)
				return
			}
		}
		cookie, err := r.Cookie(Cookie)
		if err != nil || cookie.Value == "" {
			next.ServeHTTP(w, r)
			return
		}
		se, err := s.resume(r.Context(), cookie.Value, !byItself(r))
		if LoginNeeded(err) {
			next.ServeHTTP(w, r)
			return
		}
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		if unsafe(r.Method) && !entering(r.URL.Path) {
			got := r.Header.Get("X-CSRF-Token")
			if subtle.ConstantTimeCompare([]byte(got), []byte(se.CSRF())) != 1 {
				s.refuse(w, r, csrfMissing)
				return
			}
		}
		if err := held(&se, r.URL.Path); err != nil {
			s.refuse(w, r, err)
			return
		}
		se.Caller.Remote, se.Caller.Request = remote, r.Header.Get("X-Request-Id")
		ctx := access.With(r.Context(), se.Caller)
		next.ServeHTTP(w, r.WithContext(WithSession(ctx, &se)))
	})
}

// Holds says whether the login of a request that is still open is in force, in the role that it began with; asking does not
// keep it alive.
func (s *Service) Holds(r *http.Request) bool {
	if _, sec, found := strings.Cut(r.Header.Get("Authorization"), " "); found {
		_, err := s.bearer(r.Context(), strings.TrimSpace(sec))
		return err == nil
	}
	cookie, err := r.Cookie(Cookie)
	if err != nil {
		return false
	}
	k, err := s.look(r.Context(), hashOf(cookie.Value), s.opts.Wall.Now())
	if err != nil {
		return false
	}
	began := SessionFrom(r.Context())
	return began == nil || began.Role.ID == k.role.ID
}

func unsafe(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if s.opts.Refuse != nil {
		s.opts.Refuse(w, r, err)
		return
	}
	lang := "zh"
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "en") {
		lang = "en"
	}
	n, status := fhir.Outcome(err, lang, r.Header.Get("X-Request-Id"))
	body := n.JSON()
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// Remote is the address that a request comes from; a trusted proxy may say for whom it asks.
func (s *Service) Remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if len(s.opts.Proxies) == 0 {
		return host
	}
	hops := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(host); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		host = hop.String()
	}
	return host
}

func (s *Service) trusted(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range s.opts.Proxies {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// SetCookie gives the session to the browser.
func (s *Service) SetCookie(w http.ResponseWriter, r *http.Request, se Session) {
	http.SetCookie(w, &http.Cookie{Name: Cookie, Value: se.Secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: s.secure(r), MaxAge: s.rules.Session.Hours * 3600})
}

// DropCookie takes it back.
func (s *Service) DropCookie(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: Cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(r), MaxAge: -1})
}

// SetShort gives the browser one of the cookies that live for a login only, StepCookie or AwayCookie; value "" takes it back.
func (s *Service) SetShort(w http.ResponseWriter, r *http.Request, name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: "/api/login", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(r), MaxAge: int(2 * stepLife.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
