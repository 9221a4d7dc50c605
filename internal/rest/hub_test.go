package rest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// notes keeps audit entries where a test can count them.
type notes struct {
	mu      sync.Mutex
	entries []audit.Entry
	fail    error
}

func (n *notes) Write(_ context.Context, tx *store.Tx, e audit.Entry) error {
	tx.AfterCommit(func() { n.add(e) })
	return nil
}

func (n *notes) Read(_ context.Context, e audit.Entry) error {
	if n.fail != nil {
		return n.fail
	}
	n.add(e)
	return nil
}

func (n *notes) add(e audit.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.entries = append(n.entries, e)
}

func (n *notes) take() []audit.Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.entries
	n.entries = nil
	return out
}

// hub is the handler over a real store, with callers of several organisations.
type hub struct {
	t       testing.TB
	store   *store.Store
	handler http.Handler
	clock   *clock.Turned
	audit   *notes
	options rest.Options
}

var (
	system   = &access.Caller{User: "system", Role: access.Program, Scopes: []string{"system/*.cruds"}, Scope: search.Everything, Lang: "en"}
	county   = doctor("county")
	stranger = doctor("elsewhere")
	registry = &access.Caller{User: "registry", Role: access.Administrator, Org: "Organization/county", Institution: "Organization/county", Lang: "en"}
)

func doctor(org string) *access.Caller {
	ref := "Organization/" + org
	return &access.Caller{User: "doctor-" + org, Role: access.ReferringDoctor, Org: ref, Institution: ref, Scope: whole(ref), Lang: "en"}
}

// whole is the scope of somebody who sees all that is granted to an organisation or its desks.
func whole(org string) search.Scope {
	return search.Scope{Parties: []string{org}, Sights: []search.Sight{{Parties: []string{org + access.Care, org + access.Cases}}}}
}

// program is a token of the county hospital.
func program(scopes ...string) *access.Caller {
	c := *doctor("county")
	c.User, c.Role, c.Scopes = "program", access.Program, scopes
	c.Scope.Types = access.ReadableTypes(scopes)
	return &c
}

func newHub(t testing.TB) *hub { return newHubOn(t, storetest.Memory) }

func newHubOn(t testing.TB, open storetest.Open) *hub {
	t.Helper()
	h := &hub{t: t, clock: clock.At(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)), audit: &notes{}}
	h.store = open(t, store.Options{Clock: h.clock, Derive: []store.Deriver{access.Derive}})
	h.options = rest.Options{Store: h.store, Audit: h.audit, Clock: h.clock, Version: "test", BaseURL: "http://hub.test/fhir", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), MaxBody: 1 << 20, MaxBundle: 64 << 20}
	if os.Getenv("XINGLIN_TEST_LOG") != "" {
		h.options.Log = slog.Default()
	}
	h.handler = rest.New(h.options)
	h.put(system, `{"resourceType":"Organization","id":"county","name":"县医院"}`)
	h.put(system, `{"resourceType":"Organization","id":"elsewhere","name":"别处医院"}`)
	h.audit.take()
	return h
}

// reply is an answer with its body read.
type reply struct {
	*http.Response
	body string
	node *fhir.Node
}

func (r reply) detail() string { return r.node.Str("issue[0].details.coding[0].code") }

// ids lists the matches of a searchset as Type/id, includes with a + before.
func (r reply) ids() string {
	var out []string
	for _, e := range r.node.All("entry") {
		mark := ""
		if e.Str("search.mode") == "include" {
			mark = "+"
		}
		out = append(out, mark+e.Str("resource.resourceType")+"/"+e.Str("resource.id"))
	}
	return strings.Join(out, " ")
}

func (h *hub) do(as *access.Caller, method, url, body string, headers ...string) reply {
	h.t.Helper()
	r := httptest.NewRequest(method, "http://hub.test/fhir"+url, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	if as != nil {
		r = r.WithContext(access.With(r.Context(), as))
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	out := reply{Response: w.Result(), body: w.Body.String()}
	if strings.HasPrefix(out.body, "{") && strings.Contains(out.Header.Get("Content-Type"), "json") && !strings.Contains(out.Header.Get("Content-Type"), "ndjson") {
		n, err := fhir.Parse([]byte(out.body))
		if err != nil {
			h.t.Fatalf("%s %s: the answer is not JSON: %v\n%s", method, url, err, out.body)
		}
		out.node = n
	}
	return out
}

// want fails unless the status is as expected.
func (h *hub) want(status int, as *access.Caller, method, url, body string, headers ...string) reply {
	h.t.Helper()
	r := h.do(as, method, url, body, headers...)
	if r.StatusCode != status {
		h.t.Fatalf("%s %s as %s: got %d %s; want %d", method, url, name(as), r.StatusCode, r.body, status)
	}
	return r
}

func name(c *access.Caller) string {
	if c == nil {
		return "nobody"
	}
	return c.User
}

func (h *hub) put(as *access.Caller, resource string) reply {
	h.t.Helper()
	n, err := fhir.Parse([]byte(resource))
	if err != nil {
		h.t.Fatal(err)
	}
	r := h.do(as, "PUT", "/"+n.Type()+"/"+n.ID(), resource)
	if r.StatusCode != 200 && r.StatusCode != 201 {
		h.t.Fatalf("PUT %s/%s: got %d %s", n.Type(), n.ID(), r.StatusCode, r.body)
	}
	return r
}

func (h *hub) patient(as *access.Caller, id, family string) {
	h.t.Helper()
	h.put(as, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"identifier":[{"system":"urn:id","value":"99-%s"}],"name":[{"family":%q}],"gender":"male","birthDate":"1960-05-01"}`, id, id, family))
}

func (h *hub) observation(as *access.Caller, id, patient, date string) {
	h.t.Helper()
	h.put(as, fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/%s"},"effectiveDateTime":%q,"valueQuantity":{"value":72.0,"unit":"/min"}}`, id, patient, date))
}

func (h *hub) audited(what string, patients ...string) {
	h.t.Helper()
	entries := h.audit.take()
	if len(entries) != 1 {
		h.t.Errorf("audit: got %d entries %+v; want 1 of %s", len(entries), entries, what)
		return
	}
	got := entries[0]
	slices.Sort(got.Patients)
	if got.What != what || strings.Join(got.Patients, " ") != strings.Join(patients, " ") {
		h.t.Errorf("audit: got %s of %v; want %s of %v", got.What, got.Patients, what, patients)
	}
}
