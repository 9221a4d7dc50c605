package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"go.opentelemetry.io/otel/trace/noop"
)

func answer(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestPage(t *testing.T) {
	p, err := newPage(fstest.MapFS{
		"index.html":        {Data: []byte("<!doctype html>" + strings.Repeat(" ", 2000))},
		"assets/main-1a.js": {Data: []byte(strings.Repeat("let a=1;", 500))},
		".gitkeep":          {},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, path, packed string
		status                     int
		mime, cache, encoding      string
	}{
		{"the front door", "GET", "/", "gzip", 200, "text/html; charset=utf-8", "no-cache", "gzip"},
		{"a place inside the page is index.html", "GET", "/lines/referral/cases/01a2", "", 200, "text/html; charset=utf-8", "no-cache", ""},
		{"a hashed file never changes", "GET", "/assets/main-1a.js", "gzip", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "gzip"},
		{"without gzip it comes plain", "GET", "/assets/main-1a.js", "", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", ""},
		{"an old hashed file is gone, not index.html", "GET", "/assets/main-0.js", "", 404, "", "", ""},
		{"a missing picture is missing", "GET", "/logo.png", "", 404, "", "", ""},
		{"hidden files stay", "GET", "/.gitkeep", "", 404, "", "", ""},
		{"nothing is written here", "POST", "/", "", 405, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := answer(t, p, c.method, c.path, "Accept-Encoding", c.packed)
			if res.StatusCode != c.status {
				t.Fatalf("got %d; want %d", res.StatusCode, c.status)
			}
			if c.status != 200 {
				return
			}
			h := res.Header
			if h.Get("Content-Type") != c.mime || h.Get("Cache-Control") != c.cache || h.Get("Content-Encoding") != c.encoding {
				t.Errorf("got %v; want %q %q %q", h, c.mime, c.cache, c.encoding)
			}
			again := answer(t, p, c.method, c.path, "If-None-Match", h.Get("ETag"))
			if again.StatusCode != http.StatusNotModified {
				t.Errorf("got %d for a known tag; want 304", again.StatusCode)
			}
		})
	}
}

func TestAPageThatWasNotBuiltSaysSo(t *testing.T) {
	p, err := newPage(fstest.MapFS{".gitkeep": {}})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer(t, p, "GET", "/work").Body)
	if !strings.Contains(string(body), "make build") {
		t.Errorf("got %s; want the way to build it", body)
	}
}

func TestOuter(t *testing.T) {
	var log strings.Builder
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/patients/{id}", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Header.Get("X-Request-Id"))) })
	mux.HandleFunc("/fhir/", func(http.ResponseWriter, *http.Request) { panic("loose wire") })
	h := outer(slog.New(slog.NewTextHandler(&log, nil)), true, newMeter(&Hub{}), noop.NewTracerProvider().Tracer(""), patterned(mux))

	res := answer(t, h, "GET", "/api/patients/zhangsan?q=张三")
	body, _ := io.ReadAll(res.Body)
	if id := res.Header.Get("X-Request-Id"); id == "" || id != string(body) {
		t.Errorf("got request id %q outside and %q inside; want one", id, body)
	}
	for name, want := range map[string]string{"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age", "Cache-Control": "no-store"} {
		if got := res.Header.Get(name); !strings.Contains(got, want) {
			t.Errorf("got %s: %q; want %q", name, got, want)
		}
	}
	if got := answer(t, h, "GET", "/api/patients/1", "X-Request-Id", "from-outside-1").Header.Get("X-Request-Id"); got != "from-outside-1" {
		t.Errorf("got request id %q; want the caller's", got)
	}

	res = answer(t, h, "GET", "/fhir/Patient/zhangsan/_history/3?name=张三")
	body, _ = io.ReadAll(res.Body)
	if res.StatusCode != 500 || !strings.Contains(string(body), "OperationOutcome") || !strings.Contains(string(body), res.Header.Get("X-Request-Id")) {
		t.Errorf("got %d %s after a crash; want an OperationOutcome that quotes the request", res.StatusCode, body)
	}
	for _, secret := range []string{"zhangsan", "张三"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log names %s:\n%s", secret, log.String())
		}
	}
	for _, want := range []string{"path=/api/patients/{id}", "path=/fhir/Patient/{id}/_history/{id}", "loose wire"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

func TestADataFolderHasOneHolder(t *testing.T) {
	dir := t.TempDir()
	l, err := hold(dir, "first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold(dir, "second"); err == nil || !strings.Contains(err.Error(), "first") {
		t.Errorf("got %v; want a refusal that names the holder", err)
	}
	l.release()
	if who := Holder(dir); who != "" {
		t.Errorf("got holder %q; want none", who)
	}
}
