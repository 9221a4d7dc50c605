package lines_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/lines"
)

// world is a small network: village, county, centre, another centre, the output hospital and a stranger.
type world struct {
	testing.TB
	s      *store.Store
	r      *line.Runner
	clock  *clock.Turned
	tree   *access.Tree
	mu     sync.Mutex
	events []event.Event
}

var institutions = []string{"village", "township", "county", "centre", "centre2", "output", "stranger"}

func newWorld(t testing.TB, open storetest.Open) *world {
	return worldWith(t, open, func(*store.Options) {})
}

func worldWith(t testing.TB, open storetest.Open, more func(*store.Options)) *world {
	w := &world{TB: t, clock: clock.At(storetest.Start), tree: access.NewTree()}
	now.Store(w)
	o := store.Options{Clock: w.clock, Migrations: line.Migrations(),
		Derive: []store.Deriver{w.tree.Derive, (&access.Relations{Tree: w.tree}).Derive, line.Derive(lines.All)}, Guard: []store.Guard{line.Guard(lines.All)}}
	more(&o)
	w.s = open(t, o)
	w.r = &line.Runner{Store: w.s, Lines: lines.All, Clock: w.clock, Validate: validate.Resource,
		Raise: func(_ context.Context, tx *store.Tx, e event.Event) error {
			tx.AfterCommit(func() { w.mu.Lock(); w.events = append(w.events, e); w.mu.Unlock() })
			return nil
		}}
	for _, id := range institutions {
		org := fhir.New("Organization", "id", id, "active", true, "name", id)
		if id == "township" {
			org.Set("partOf", fhir.Ref("Organization/county", ""))
		}
		w.put(org, "")
	}
	w.put(fhir.New("Patient", "id", "zhang", "name", fhir.Arr{fhir.Obj{"text", "张三"}}, "gender", "male", "birthDate", "1970-01-01"), "Organization/village")
	w.put(fhir.New("DocumentReference", "id", "summary", "status", "current", "docStatus", "final", "description", "病历摘要", "subject", fhir.Ref("Patient/zhang", ""),
		"content", fhir.Arr{fhir.Obj{"attachment", fhir.Obj{"title", "病历摘要"}}}), "Organization/village")
	w.put(fhir.New("DocumentReference", "id", "half", "status", "current", "docStatus", "preliminary", "description", "CT", "subject", fhir.Ref("Patient/zhang", ""),
		"content", fhir.Arr{fhir.Obj{"attachment", fhir.Obj{"title", "CT"}}}), "Organization/village")
	return w
}

func (w *world) put(n *fhir.Node, custodian string) {
	w.Helper()
	ready, err := store.Prepare(n)
	if err == nil {
		err = w.s.Update(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Put(context.Background(), store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, Custodian: custodian})
			return err
		})
	}
	if err != nil {
		w.Fatal(err)
	}
}

// as is somebody: "county-office", "centre-doctor", …
func as(who string) context.Context {
	org, role, _ := strings.Cut(who, "-")
	roles := map[string]access.Role{"sender": access.ReferringDoctor, "office": access.ReferralOffice, "doctor": access.ReceivingDoctor,
		"leader": access.Leader, "desk": "bed-desk", "chief": "duty-chief", "nursing": "nursing-duty", "affairs": access.MedicalAffairs, "insurance": access.InsuranceOffice}
	c := &access.Caller{User: who, Name: who, Practitioner: "Practitioner/" + who, Role: roles[role], Org: "Organization/" + org}
	now.Load().(*world).tree.Settle(c)
	return access.With(context.Background(), c)
}

// now is the world of the test that runs: its tree says who sees what.
var now atomic.Value

func ref(r string) fhir.Obj { return fhir.Obj{"reference", r} }

// form is a referral of 张三 with what every one needs; more wins over it.
func form(to, urgency string, more ...any) *fhir.Node {
	n := line.Ask("patient", ref("Patient/zhang"), "to", ref("Organization/"+to), "urgency", urgency, "reason", "胸痛待查", "documents", ref("DocumentReference/summary"),
		"coordinator", "李医生", "phone", "0990-1234567", "consent", "patient")
	for i := 0; i < len(more); i += 2 {
		n = without(n, more[i].(string))
	}
	for _, p := range line.Ask(more...).All("parameter") {
		if p.Str("valueString") != "-" {
			n.Add("parameter", p)
		}
	}
	return n
}

func without(n *fhir.Node, name string) *fhir.Node {
	m := fhir.New("Parameters")
	for _, p := range n.All("parameter") {
		if p.Str("name") != name {
			m.Add("parameter", p)
		}
	}
	return m
}

func (w *world) start(who, flow string, params *fhir.Node) (string, error) {
	res, err := w.r.Start(as(who), line.StartCall{Line: "referral", Flow: flow, Params: params})
	return res.Task, err
}

func (w *world) mustStart(who, flow string, params *fhir.Node) string {
	w.Helper()
	task, err := w.start(who, flow, params)
	if err != nil {
		w.Fatalf("start %s as %s: %v", flow, who, err)
	}
	return task
}

func (w *world) do(who, task, step string, answers ...any) error {
	_, err := w.r.Do(as(who), line.DoCall{Task: task, Step: step, Params: line.Ask(answers...)})
	return err
}

func (w *world) must(who, task, step string, answers ...any) {
	w.Helper()
	if err := w.do(who, task, step, answers...); err != nil {
		w.Fatalf("%s as %s: %v", step, who, err)
	}
}

func (w *world) wantState(task, want string) {
	w.Helper()
	if got := line.StateOf(w.get(task)); got != want {
		w.Fatalf("%s is %s; want %s", task, got, want)
	}
}

// wantRefused wants our stable code.
func (w *world) wantRefused(err error, detail string) {
	w.Helper()
	var no *fhir.Error
	if !errors.As(err, &no) {
		w.Fatalf("got %v; want a refusal %q", err, detail)
	}
	if no.Issues[0].Detail != detail || no.Issues[0].Zh == "" {
		w.Fatalf("got %q (%v); want %q in both languages", no.Issues[0].Detail, err, detail)
	}
}

func (w *world) get(r string) *fhir.Node {
	w.Helper()
	n, err := w.read(context.Background(), search.Everything, r)
	if err != nil {
		w.Fatalf("read %s: %v", r, err)
	}
	return n
}

func (w *world) read(ctx context.Context, scope search.Scope, r string) (n *fhir.Node, err error) {
	typ, id, _ := strings.Cut(r, "/")
	err = w.s.View(ctx, func(tx *store.Tx) error {
		v, err := tx.Read(ctx, scope, typ, id)
		if err != nil {
			return err
		}
		n, err = fhir.Parse(v.JSON)
		return err
	})
	return n, err
}

func (w *world) raised(kind string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (w *world) tick() int {
	w.Helper()
	n, err := w.r.Tick(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	return n
}

func (w *world) list(who string, f line.Filter) (l line.List) {
	w.Helper()
	if f.Count == 0 {
		f.Count = 50
	}
	ctx := as(who)
	err := w.s.View(ctx, func(tx *store.Tx) (err error) {
		l, err = w.r.Worklist(ctx, tx, access.From(ctx), f)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return l
}

func (w *world) turn(d time.Duration) { w.clock.Turn(d) }

func (w *world) sprint(task string) string {
	var b strings.Builder
	for _, m := range line.History(w.get(task)) {
		fmt.Fprintf(&b, "%s→%s ", m.Step, m.State)
	}
	return strings.TrimSpace(b.String())
}
