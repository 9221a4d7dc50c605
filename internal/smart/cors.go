package smart

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Cross lets pages of registered apps read FHIR and the endpoints of OAuth with their tokens (CORS). What comes from
// another origin never counts as the login of the person at the browser: its cookies are not looked at.
func (s *Service) Cross(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" || !shared(r.URL.Path) || s.own(r, origin) {
			next.ServeHTTP(w, r)
			return
		}
		r.Header.Del("Cookie")
		h := w.Header()
		h.Add("Vary", "Origin")
		if s.registered(r.Context(), origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Progress, X-Request-Id")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
				h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
				h.Set("Access-Control-Allow-Headers", "Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer, X-Provenance, X-Request-Id")
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func shared(path string) bool {
	return path == "/fhir" || strings.HasPrefix(path, "/fhir/") || strings.HasPrefix(path, "/.well-known/") || strings.HasPrefix(path, "/oauth/") && path != "/oauth/authorize"
}

// own says whether a request comes from our own page.
func (s *Service) own(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && (strings.EqualFold(u.Host, r.Host) || s.BaseURL != "" && originOf(s.BaseURL) == originOf(origin))
}

func (s *Service) registered(ctx context.Context, origin string) bool {
	now := s.Wall.Now()
	s.mu.Lock()
	known := s.origins
	if now.Sub(s.asOf) >= recheck || now.Before(s.asOf) {
		known = nil
	}
	s.mu.Unlock()
	if known == nil {
		known = map[string]bool{}
		err := s.Store.View(ctx, func(tx *store.Tx) error {
			list, err := apps(ctx, tx, `WHERE disabled = 0`)
			for _, a := range list {
				for _, address := range append([]string{a.Launch}, a.Redirects...) {
					if o := originOf(address); o != "" {
						known[o] = true
					}
				}
			}
			return err
		})
		if err != nil {
			s.Log.Error("smart: origins", "error", err)
			return false
		}
		s.mu.Lock()
		s.origins, s.asOf = known, now
		s.mu.Unlock()
	}
	return known[originOf(origin)] && originOf(origin) == origin
}
