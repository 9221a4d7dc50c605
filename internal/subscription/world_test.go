package subscription_test

import (
	"context"
	"errors"
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
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// world is a store with an engine, and callers of three hospitals.
type world struct {
	t      testing.TB
	store  *store.Store
	engine *subscription.Engine
	clock  *clock.Turned
	audit  *book

	mu      sync.Mutex
	retired map[string]bool // accounts that are not in force any more
}

type book struct {
	mu      sync.Mutex
	entries []audit.Entry
}

func (b *book) Write(_ context.Context, tx *store.Tx, e audit.Entry) error {
	tx.AfterCommit(func() { b.Read(context.Background(), e) })
	return nil
}

func (b *book) Read(_ context.Context, e audit.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, e)
	return nil
}

// of lists the patients whose data an interaction showed, in order.
func (b *book) of(what string) (patients []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.What == what {
			patients = append(patients, e.Patients...)
		}
	}
	return patients
}

func account(org string) *access.Caller {
	ref := "Organization/" + org
	return &access.Caller{User: "token-" + org, Name: org, Role: access.Program, Org: ref, Institution: ref, Scopes: []string{"system/*.cruds"}, Scope: search.Scope{Parties: []string{ref}, Sights: []search.Sight{{Parties: []string{ref + access.Care, ref + access.Cases}}}}}
}

var (
	county   = account("county")
	centre   = account("centre")
	stranger = account("stranger")
	hubwide  = &access.Caller{User: "token-hub", Role: access.Program, Scopes: []string{"system/*.cruds"}, Scope: search.Everything}
)

func newWorld(t testing.TB, open storetest.Open, o subscription.Options) *world {
	t.Helper()
	w := &world{t: t, clock: clock.At(storetest.Start), audit: &book{}, retired: map[string]bool{}}
	o.Clock, o.Base = w.clock, "https://hub.test/fhir"
	if o.Hosts == nil {
		o.Hosts = []string{"127.0.0.1"}
	}
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("XINGLIN_TEST_LOG") != "" {
		o.Log = slog.Default()
	}
	w.engine = subscription.New(o)
	w.store = open(t, store.Options{Clock: w.clock, Migrations: slices.Concat(event.Migrations, subscription.Migrations), Derive: []store.Deriver{access.Derive, w.engine.Derive}, Guard: []store.Guard{w.engine.Guard}})
	w.engine.Open(w.store, w.audit, w.standing)
	for _, org := range []string{"county", "centre", "stranger"} {
		w.put(nil, `{"resourceType":"Organization","id":"`+org+`","name":"某院"}`)
	}
	return w
}

func (w *world) standing(_ context.Context, o subscription.Owner) (*access.Caller, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range []*access.Caller{county, centre, stranger, hubwide} {
		if c.User == o.User && !w.retired[o.User] {
			return c, nil
		}
	}
	return nil, nil
}

func (w *world) retire(user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retired[user] = true
}

func (w *world) try(by *access.Caller, resource string) error {
	ctx := context.Background()
	if by != nil {
		ctx = access.With(ctx, by)
	}
	n, err := fhir.Parse([]byte(resource))
	if err != nil {
		w.t.Fatal(err, resource)
	}
	custodian := ""
	if by != nil {
		custodian = by.Org
	}
	if err := w.engine.Seal(custodian, n); err != nil {
		return err
	}
	p, err := store.Prepare(n)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p, Custodian: custodian})
		return err
	})
}

func (w *world) put(by *access.Caller, resource string) {
	w.t.Helper()
	if err := w.try(by, resource); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delete(ref string) {
	w.t.Helper()
	ctx := context.Background()
	typ, id, _ := strings.Cut(ref, "/")
	err := w.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Delete, Type: typ, ID: id})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) patient(by *access.Caller, id string) {
	w.t.Helper()
	w.put(by, `{"resourceType":"Patient","id":"`+id+`","name":[{"text":"张三"}]}`)
}

func (w *world) observation(by *access.Caller, id, patient, status string) {
	w.t.Helper()
	w.put(by, observation(id, patient, status))
}

func observation(id, patient, status string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":%q,"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/%s"},"effectiveDateTime":"2026-03-01","valueQuantity":{"value":72,"unit":"/min"}}`, id, status, patient)
}

// r4 is a plain subscription, with the resource as payload.
func r4(id, criteria, endpoint string) string {
	return fmt.Sprintf(`{"resourceType":"Subscription","id":%q,"status":"requested","reason":"test","criteria":%q,"channel":{"type":"rest-hook","endpoint":%q,"payload":"application/fhir+json"}}`, id, criteria, endpoint)
}

// topical is one of the topic style; more goes into the channel's extensions.
func topical(id, topic, filter, content, endpoint, more string) string {
	extend := ""
	if filter != "" {
		extend = `,"_criteria":{"extension":[{"url":"` + subscription.Backport + `backport-filter-criteria","valueString":"` + filter + `"}]}`
	}
	return fmt.Sprintf(`{"resourceType":"Subscription","id":%q,"meta":{"profile":["%sbackport-subscription"]},"status":"requested","reason":"test","criteria":%q%s,"channel":{"extension":[%s],"type":"rest-hook","endpoint":%q,"payload":"application/fhir+json","_payload":{"extension":[{"url":"%sbackport-payload-content","valueCode":%q}]}}}`,
		id, subscription.Backport, topic, extend, more, endpoint, subscription.Backport, content)
}

func (w *world) tick() {
	w.t.Helper()
	storetest.Settle(w.t, w.store)
	if err := w.engine.Tick(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// status reads a Subscription as the server has it.
func (w *world) status(id string) string {
	w.t.Helper()
	return w.resource("Subscription", id).Str("status")
}

func (w *world) resource(typ, id string) *fhir.Node {
	w.t.Helper()
	ctx := context.Background()
	var v store.Version
	err := w.store.View(ctx, func(tx *store.Tx) (err error) { v, err = tx.Read(ctx, search.Everything, typ, id); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) want(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: got %q; want %q", what, got, want)
	}
}

// refused is the stable code of a refusal, "" for none.
func refused(err error) string {
	var fe *fhir.Error
	if errors.As(err, &fe) {
		return fe.Issues[0].Detail
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// receiver is a real HTTP endpoint that can fail, hang and come back.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []request
	answer func(w http.ResponseWriter, r *http.Request) // nil = 200
}

type request struct {
	method, path, body string
	header             http.Header
	node               *fhir.Node
}

func receive(t testing.TB) *receiver {
	rc := &receiver{}
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		rc.mu.Lock()
		q := request{method: r.Method, path: r.URL.Path, body: string(b), header: r.Header}
		q.node, _ = fhir.Parse(b)
		rc.got = append(rc.got, q)
		answer := rc.answer
		rc.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(rc.Close)
	return rc
}

func (rc *receiver) answers(f func(w http.ResponseWriter, r *http.Request)) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.answer = f
}

func (rc *receiver) take() []request {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	out := rc.got
	rc.got = nil
	return out
}

// said writes what came: resources of plain notifications, kinds and event numbers of topical ones.
func (rc *receiver) said() string {
	var out []string
	for _, q := range rc.take() {
		switch {
		case q.node == nil:
			out = append(out, q.method)
		case q.node.Type() == "Bundle":
			word := param(q.node, "type") + " " + param(q.node, "events-since-subscription-start") + ":"
			for _, p := range q.node.All("entry[0].resource.parameter") {
				if p.Str("name") == "notification-event" {
					word += " " + p.Str("part[0].valueString")
				}
			}
			for _, en := range q.node.All("entry")[1:] {
				word += " " + en.Str("request.method") + " " + en.Str("request.url")
				if en.Child("resource") != nil {
					word += "+"
				}
			}
			out = append(out, word)
		default:
			out = append(out, q.method+" "+strings.TrimPrefix(q.path, "/")+" "+q.node.Str("status"))
		}
	}
	return strings.Join(out, "; ")
}

func param(bundle *fhir.Node, name string) string {
	for _, p := range bundle.All("entry[0].resource.parameter") {
		if p.Str("name") == name {
			for _, m := range p.Members {
				if strings.HasPrefix(m.Name, "value") {
					return m.Value.Text
				}
			}
		}
	}
	return ""
}

func fail(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func hang(d time.Duration) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(d):
		}
	}
}

func (w *world) row(id string) subscription.Row {
	w.t.Helper()
	r, err := w.engine.Row(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}
