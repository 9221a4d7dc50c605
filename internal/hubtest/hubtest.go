// Package hubtest gives tests a whole hub in memory.
package hubtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/region"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Start is the moment at which every hub of a test stands.
var Start = time.Date(2026, 11, 20, 9, 30, 0, 0, region.Zone)

// The accounts that scenarios speak of, by institution: two hospitals of one referral chain, a county,
// a township, a village, and a hospital that is party to nothing.
const (
	Village        = "xiangcun"
	Township       = "xiangzhen"
	CountyDoctor   = "xianyisheng"
	CountyOffice   = "xianzhuanzhen"
	CountyReceiver = "xianjiezhen"
	CentreOffice   = "zhuanzhenban"
	CentreReceiver = "xinnei"
	Affairs        = "yiwuchu"
	OutputReceiver = "shuchuyisheng"
	Stranger       = "xiezuo"
	Administrator  = "guanli"
	Auditor        = "shenji"
)

// Hub is a whole hub in memory whose clock the test turns.
type Hub struct {
	*server.Hub
	T      testing.TB
	Clock  *clock.Turned
	Region *region.Region
	URL    string

	mu      sync.Mutex
	clients map[string]*client
}

type client struct {
	http *http.Client
	csrf string
}

// New opens a hub with a few institutions, their people and some patients.
func New(t testing.TB) *Hub { return Open(t, server.Options{Memory: true}) }

// Open opens a hub with the options given; the clock, the data folder and the cost of passwords are the test's.
func Open(t testing.TB, o server.Options) *Hub {
	t.Helper()
	ctx := context.Background()
	turned := clock.At(Start)
	o.Clock, o.Data, o.Lenient = turned, t.TempDir(), true
	o.PasswordCost = identity.Cost{Memory: 64, Passes: 1, Threads: 1}
	s, err := server.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	h := &Hub{Hub: s, T: t, Clock: turned, clients: map[string]*client{}}
	h.Region = region.New(1, region.Size{Patients: 60}, Start).
		Keep("output", "centre", "partner-1", "group", "county-1", "township-01", "village-001", "village-002", "village-022")
	if err := s.Inhabit(ctx, h.Region, turned, nil); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	h.URL = web.URL
	t.Cleanup(func() {
		web.Close()
		s.Close()
	})
	return h
}

// As is the context of an account, for calls below HTTP.
func (h *Hub) As(username string) context.Context {
	return h.AsPerson(h.Region.Account(username).Person)
}

// AsPerson is the context of somebody of the staff.
func (h *Hub) AsPerson(p *region.Person) context.Context {
	c := p.Caller()
	h.Tree.Settle(c)
	return access.With(context.Background(), c)
}

// Do is a step of a Task with answers, as in Ask.
func Do(task, step string, pairs ...any) line.DoCall {
	params, err := fhir.Parse([]byte(Ask(pairs...)))
	if err != nil {
		panic(err)
	}
	return line.DoCall{Task: task, Step: step, Params: params}
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON reads the body into value.
func (a Answer) JSON(t testing.TB, value any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, value); err != nil {
		t.Fatalf("%v in %s", err, a.Body)
	}
}

// Call sends a request as an account; "" is nobody. A body is JSON; name-value pairs in header are optional.
func (h *Hub) Call(as, method, url, body string, header ...string) Answer {
	h.T.Helper()
	c := h.client(as)
	req, err := http.NewRequest(method, h.URL+url, strings.NewReader(body))
	if err != nil {
		h.T.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		if strings.HasPrefix(url, "/fhir") {
			req.Header.Set("Content-Type", "application/fhir+json")
		}
	}
	if c.csrf != "" {
		req.Header.Set("X-CSRF-Token", c.csrf)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		h.T.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		h.T.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, got}
}

func (h *Hub) client(as string) *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.clients[as]; c != nil {
		return c
	}
	jar, _ := cookiejar.New(nil)
	c := &client{http: &http.Client{Jar: jar}}
	if as != "" {
		body, _ := json.Marshal(map[string]string{"username": as, "password": region.DemoPassword})
		res, err := c.http.Post(h.URL+"/api/login", "application/json", bytes.NewReader(body))
		if err != nil {
			h.T.Fatal(err)
		}
		defer res.Body.Close()
		got, _ := io.ReadAll(res.Body)
		var me struct{ CSRF string }
		if res.StatusCode != http.StatusOK || json.Unmarshal(got, &me) != nil {
			h.T.Fatalf("login %s: %d %s", as, res.StatusCode, got)
		}
		c.csrf = me.CSRF
	}
	h.clients[as] = c
	return c
}

// Scenario is one request and what must and must not come of it.
type Scenario struct {
	Name       string
	As         string // account; "" = nobody is logged in
	Method     string // GET when empty
	URL        string
	Body       string
	Header     []string // name, value, …
	Status     int
	Content    []string
	NotContent []string
	Events     map[string]int // how many events of each kind it raises; "*" = of all kinds
	Audit      int            // entries left in the audit, -1 = does not matter
}

// Run plays the scenarios in order on one hub.
func (h *Hub) Run(scenarios []Scenario) {
	t, ok := h.T.(*testing.T)
	if !ok {
		h.T.Fatal("scenarios need a *testing.T")
	}
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			h.client(s.As) // logging in leaves its own audit entry
			before := h.lastEvent()
			entries := len(h.entries())
			method := s.Method
			if method == "" {
				method = http.MethodGet
			}
			a := h.Call(s.As, method, s.URL, s.Body, s.Header...)
			if a.Status != s.Status {
				t.Errorf("%s %s as %q: got %d; want %d\n%s", method, s.URL, s.As, a.Status, s.Status, a.Body)
			}
			for _, want := range s.Content {
				if !bytes.Contains(a.Body, []byte(want)) {
					t.Errorf("the answer lacks %q: %s", want, a.Body)
				}
			}
			for _, no := range s.NotContent {
				if bytes.Contains(a.Body, []byte(no)) {
					t.Errorf("the answer has %q: %s", no, a.Body)
				}
			}
			got := h.eventsSince(before)
			for kind, n := range s.Events {
				if got[kind] != n {
					t.Errorf("events %s: got %d; want %d (all: %v)", kind, got[kind], n, got)
				}
			}
			if n := len(h.entries()) - entries; s.Audit >= 0 && n != s.Audit {
				t.Errorf("audit entries: got %d; want %d", n, s.Audit)
			}
		})
	}
}

func (h *Hub) lastEvent() (seq int64) {
	h.view(func(ctx context.Context, tx *store.Tx) (err error) { seq, err = event.Last(ctx, tx); return err })
	return seq
}

func (h *Hub) eventsSince(seq int64) map[string]int {
	kinds := map[string]int{}
	h.view(func(ctx context.Context, tx *store.Tx) error {
		events, err := event.After(ctx, tx, "", seq, 1000)
		for _, e := range events {
			kinds[e.Kind]++
			kinds["*"]++
		}
		return err
	})
	return kinds
}

// entries are the sealed audit entries of the last minute of business time, at most 500.
func (h *Hub) entries() []audit.Entry {
	ctx := context.Background()
	if err := h.Audit.Seal(ctx); err != nil {
		h.T.Fatal(err)
	}
	list, _, err := h.Audit.Query(ctx, audit.Filter{NoOrgs: true, Count: 500})
	if err != nil {
		h.T.Fatal(err)
	}
	return list
}

// Entries are the newest sealed audit entries, newest first.
func (h *Hub) Entries() []audit.Entry { return h.entries() }

func (h *Hub) view(fn func(context.Context, *store.Tx) error) {
	h.T.Helper()
	ctx := context.Background()
	if err := event.Sequence(ctx, h.Store); err != nil {
		h.T.Fatal(err)
	}
	if err := h.Store.View(ctx, func(tx *store.Tx) error { return fn(ctx, tx) }); err != nil {
		h.T.Fatal(err)
	}
}

// Ask is a Parameters body: Ask("outcome", "clinic", "to", "Organization/centre").
func Ask(pairs ...any) string {
	var list []map[string]any
	for i := 0; i+1 < len(pairs); i += 2 {
		p := map[string]any{"name": pairs[i]}
		switch v := pairs[i+1].(type) {
		case bool:
			p["valueBoolean"] = v
		case string:
			if typ, _, ok := strings.Cut(v, "/"); ok && (typ == "Patient" || typ == "Organization" || typ == "Task" || typ == "DocumentReference" || typ == "Practitioner") {
				p["valueReference"] = map[string]any{"reference": v}
			} else {
				p["valueString"] = v
			}
		default:
			p["valueString"] = fmt.Sprint(v)
		}
		list = append(list, p)
	}
	b, _ := json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": list})
	return string(b)
}
