package hubtest_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
)

// leaving is the context of a client that goes away when it was looked at so often.
type leaving struct {
	context.Context
	mu    sync.Mutex
	left  int
	leave context.CancelFunc
}

func (l *leaving) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left--; l.left < 0 {
		l.leave()
	}
}

func (l *leaving) Done() <-chan struct{} { l.look(); return l.Context.Done() }
func (l *leaving) Err() error            { l.look(); return l.Context.Err() }

// errorsOnly keeps what was logged as an error.
type errorsOnly struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (e *errorsOnly) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(b)
}

func (e *errorsOnly) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.text.Reset()
	return e.text.String()
}

// A client that goes away, whenever it goes, is no error of the hub: nobody is woken for it at night.
func TestClientsThatGoAwayAreNoErrorsAtAnyAddress(t *testing.T) {
	said := &errorsOnly{}
	log := slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelError}))
	before := slog.Default()
	slog.SetDefault(log)
	t.Cleanup(func() { slog.SetDefault(before) })
	h := hubtest.Open(t, server.Options{Memory: true, Log: log})
	site, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	asks := []string{"/fhir/Patient/p0001", "/fhir/Patient?name=a&_count=5", "/fhir/Task?_include=*&_total=accurate", "/fhir/Patient/p0001/$everything", "/fhir/AuditEvent", "/fhir/metadata", "/oauth/authorize?client_id=nobody"}
	for _, route := range routes(t) {
		if method, url := fill(route, "p0001"); method == "GET" {
			asks = append(asks, url)
		}
	}
	for _, as := range []string{hubtest.CountyDoctor, hubtest.Administrator} {
		cookies := session(t, h, as).Jar.Cookies(site)
		said.take()
		for _, ask := range asks {
			for _, looks := range []int{0, 1, 2, 3, 5, 8, 13, 21} {
				inner, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second/2, cancel) // a stream is looked at no more once it stands
				ctx := &leaving{Context: inner, left: looks, leave: cancel}
				r := httptest.NewRequest("GET", site.Scheme+"://"+site.Host+ask, http.NoBody).WithContext(ctx)
				for _, c := range cookies {
					r.AddCookie(c)
				}
				w := httptest.NewRecorder()
				h.Handler().ServeHTTP(w, r)
				cancel()
				told := said.take()
				if w.Code >= 500 && w.Code != http.StatusNotImplemented || told != "" {
					t.Errorf("%s as %s, gone after %d looks: got %d %.200s; want no error\n%.300s", ask, as, looks, w.Code, w.Body, told)
					break
				}
			}
		}
	}
}
