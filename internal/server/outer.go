package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// outer is what every request passes first: request id, security headers, one log line, no crash.
func outer(log *slog.Logger, secure bool, m *meter, tracer trace.Tracer, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := r.Header.Get("X-Request-Id")
		if !requestID.MatchString(id) {
			id = newRequestID()
			r.Header.Set("X-Request-Id", id) // rooms below quote the same one
		}
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "geolocation=(), payment=(), usb=()")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !strings.HasPrefix(r.URL.Path, "/assets/") {
			h.Set("Cache-Control", "no-store") // patient data stays out of every cache; the page sets its own
		}
		seen := &watched{ResponseWriter: w}
		about := &request{id: id}
		ctx := context.WithValue(r.Context(), requestKey{}, about)
		ctx, span := begin(tracer, ctx, r)
		r = r.WithContext(ctx)
		m.active.Inc()
		defer func() {
			if fault := recover(); fault != nil {
				if fault == http.ErrAbortHandler {
					panic(fault)
				}
				log.Error("crash", "request", id, "fault", fault, "stack", string(debug.Stack()))
				if seen.status == 0 {
					h.Set("Content-Type", "application/fhir+json; charset=utf-8")
					seen.WriteHeader(http.StatusInternalServerError)
					seen.Write([]byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"exception","details":{"coding":[{"system":"` + spec.Canonical + `/CodeSystem/issue","code":"internal"}],"text":"系统内部错误，请报请求编号 ` + id + `"},"diagnostics":"internal error; request ` + id + `"}]}`))
				}
			}
			m.active.Dec()
			door, what := about.what(r.URL.Path)
			m.served(door, what, seen.status, time.Since(began))
			path := template(r.URL.Path, about.pattern)
			finish(span, r.Method+" "+path, id, what, seen.status)
			if r.URL.Path == "/healthz" || r.URL.Path == "/metrics" || strings.HasPrefix(r.URL.Path, "/assets/") {
				return
			}
			level := slog.LevelInfo
			if seen.status >= 500 {
				level = slog.LevelError
			}
			log.Log(r.Context(), level, "request", "id", id, "method", r.Method, "path", path,
				"status", seen.status, "bytes", seen.bytes, "ms", float64(time.Since(began).Microseconds())/1000, traced(span))
		}()
		next.ServeHTTP(seen, r)
	})
}

const contentPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; " +
	"media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

func newRequestID() string {
	var b [10]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

var typeName = regexp.MustCompile(`^[A-Z][A-Za-z]{2,40}$`)

type requestKey struct{}

// request is what the rooms below tell about one request, for log, metric and span.
type request struct {
	id          string
	pattern     string // of the mux that matched
	interaction string // of FHIR
}

// requestOf is the request id of a context, "" outside a request.
func requestOf(ctx context.Context) string {
	if about, ok := ctx.Value(requestKey{}).(*request); ok {
		return about.id
	}
	return ""
}

// interaction notes what the FHIR API was asked for.
func interaction(ctx context.Context, name string) {
	if about, ok := ctx.Value(requestKey{}).(*request); ok {
		about.interaction = name
	}
}

// patterned notes which pattern of the mux matched, for the log.
func patterned(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		if about, ok := r.Context().Value(requestKey{}).(*request); ok {
			about.pattern = r.Pattern
		}
	})
}

// template turns a path into one that names no record: logs hold no patient data.
func template(path, pattern string) string {
	switch {
	case strings.HasPrefix(path, "/fhir/"):
		parts := strings.Split(strings.Trim(path[len("/fhir/"):], "/"), "/")
		for i, p := range parts {
			switch {
			case i == 0 && (p == "metadata" || typeName.MatchString(p)), strings.HasPrefix(p, "$"), strings.HasPrefix(p, "_"):
			default:
				parts[i] = "{id}"
			}
		}
		return "/fhir/" + strings.Join(parts, "/")
	case strings.HasPrefix(path, "/api/"):
		if _, p, ok := strings.Cut(pattern, " "); ok {
			return p
		}
		if pattern != "" {
			return pattern
		}
		return "/api/…"
	case path == "/" || path == "/fhir" || path == "/healthz" || path == "/readyz" || path == "/metrics":
		return path
	}
	return "/…"
}

// watched remembers what was answered.
type watched struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush and Unwrap keep server-sent events and http.ResponseController working.
func (w *watched) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
