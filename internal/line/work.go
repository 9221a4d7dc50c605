package line

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/store"
)

// work is one step on its way from the call to the database.
type work struct {
	runner            *Runner
	call              Call
	change            *Change
	patientMustBeSeen bool

	puts     []store.Put
	claims   []claimed
	released []string
	expect   map[string]int64
	events   []event.Event
	patient  string
}

type claimed struct {
	Claim
	task string
}

// build runs the form, the rules and the builder and makes everything ready for the writer.
func (w *work) build() error {
	c := w.call
	if err := c.Flow.Form(c.Step.Do).Check(c.Params, c.Urgency); err != nil {
		return err
	}
	if c.Step.Act != "" && c.Urgency != flow.Emergency && c.Side != flow.System {
		if err := c.Read.(*snapshot).mayAct(c.By, c.Step.Act); err != nil {
			return err
		}
	}
	for _, rule := range c.Flow.Rules[c.Step.Do] {
		if err := rule(c); err != nil {
			return err
		}
	}
	if make := c.Flow.Build[c.Step.Do]; make != nil {
		make(c, w.change)
	}
	ch := w.change
	if w.patientMustBeSeen && c.Read.Get(ch.Task.Str("for.reference")) == nil && !(c.Flow.Admits && ch.admits()) {
		return fhir.Refuse(422, "not-found", "unknown-patient", "the patient does not exist or is not visible to you", "找不到该患者，或您无权查看")
	}
	w.patient = ch.Task.Str("for.reference")
	state := c.Step.To
	if state == flow.Same {
		state = StateOf(c.Task)
	}
	if ch.To != "" {
		state = ch.To
	}
	w.finish(c.Flow, ch.Task, c.Step.Do, c.Step.Name, state, c.Step.Renews, ch.Note, c.Urgency)
	ends(c.Flow, ch.Task, state, ch.Due)
	w.settle(c.Flow, ch.Task, ch.Claims)
	w.tell(c.Flow, ch.Task, c.Step.Do)
	for _, n := range ch.Next {
		f := c.Line.Flow(n.Flow)
		if f == nil {
			return fmt.Errorf("line: %s begins the unknown flow %q", c.Step.Do, n.Flow)
		}
		w.finish(f, n.Task, n.Do, c.Step.Name, n.State, false, "", UrgencyOf(n.Task))
		ends(f, n.Task, n.State, n.Due)
		w.settle(f, n.Task, n.Claims)
		w.tell(f, n.Task, n.Do)
	}
	w.events = append(w.events, ch.Events...)
	if err := c.Read.(*snapshot).err; err != nil {
		return err
	}
	return w.prepare()
}

// ends writes a state's own end into a Task.
func ends(f *Flow, task *fhir.Node, state string, due time.Time) {
	if s, _ := f.State(state); !due.IsZero() && s.Kind == flow.Open {
		task.Set("restriction", fhir.Obj{"period", fhir.Obj{"end", Stamp(due)}})
	}
}

// finish writes what every step writes into a Task: status, state, deadline, history.
func (w *work) finish(f *Flow, task *fhir.Node, do string, name flow.Name, state string, renews bool, note string, u flow.Urgency) {
	c := w.call
	s, ok := f.State(state)
	if !ok {
		panic("line: " + c.Line.Slug + "/" + f.Code + " has no state " + state)
	}
	moved := StateOf(task) != state
	task.Set("status", s.Status)
	task.Set("businessStatus", fhir.Obj{"coding", fhir.Arr{fhir.Obj{"system", StateSystem, "code", state, "display", s.Name.Zh}}, "text", s.Name.Zh})
	if task.Get("code") == nil {
		task.Set("code", fhir.Obj{"coding", fhir.Arr{
			fhir.Obj{"system", LineSystem, "code", c.Line.Slug, "display", c.Line.Name.Zh},
			fhir.Obj{"system", FlowSystem, "code", c.Line.Slug + "-" + f.Code, "display", f.Name.Zh}}, "text", f.Name.Zh})
		task.Set("intent", "order")
		task.Set("authoredOn", Stamp(c.Now))
	}
	task.Set("priority", Priority(u))
	task.Set("lastModified", Stamp(c.Now))
	if moved || renews {
		task.Set("restriction", nil)
		if due := s.Due(c.Now, u); !due.IsZero() && s.Kind == flow.Open {
			task.Set("restriction", fhir.Obj{"period", fhir.Obj{"end", Stamp(due)}})
		}
		setLevel(task, 0)
	}
	words := name.Zh
	if note != "" {
		words += "：" + note
	}
	mark := fhir.Obj{"extension", fhir.Arr{
		fhir.Obj{"url", stepURL, "valueCode", do},
		fhir.Obj{"url", stateURL, "valueCode", state},
	}}
	if c.By.Institution != "" {
		display := w.orgName(task, c.By.Institution)
		mark[1] = append(mark[1].(fhir.Arr), fhir.Obj{"url", orgURL, "valueReference", fhir.Obj{"reference", c.By.Institution, "display", display}})
	}
	if c.By.Practitioner != "" {
		mark = append(mark, "authorReference", fhir.Obj{"reference", c.By.Practitioner, "display", c.By.Name})
	} else {
		mark = append(mark, "authorString", c.By.Name)
	}
	task.Add("note", append(mark, "time", Stamp(c.Now), "text", words))
}

func (w *work) orgName(task *fhir.Node, ref string) string {
	for _, p := range []string{"owner", "requester"} {
		if task.Str(p+".reference") == ref && task.Str(p+".display") != "" {
			return task.Str(p + ".display")
		}
	}
	return w.call.Read.Get(ref).Str("name")
}

// settle takes the claims of a new case and gives back those of an ended one.
func (w *work) settle(f *Flow, task *fhir.Node, claims []Claim) {
	for _, c := range claims {
		holder := c.Holder
		if holder == "" {
			holder = "Task/" + task.ID()
		}
		w.claims = append(w.claims, claimed{c, holder})
	}
	if s, _ := f.State(StateOf(task)); s.Kind != flow.Open {
		w.released = append(w.released, "Task/"+task.ID())
	}
}

// tell raises the step's own event.
func (w *work) tell(f *Flow, task *fhir.Node, do string) {
	if w.call.Line.Hushed || slices.Contains(w.call.Line.Quiet, do) {
		return
	}
	w.events = append(w.events, happened(w.call.Line, f, task, do, w.call.Now))
}

func happened(l *Line, f *Flow, task *fhir.Node, what string, now time.Time) event.Event {
	k := caseOf(l, f, task)
	e := event.Event{At: now, Kind: l.Slug + "." + what, Focus: k.Task, Patient: k.Patient, Parties: []string{k.Owner, k.Requester}, ActBy: k.Due, Actor: actor(f, task),
		Data: map[string]string{"line": l.Slug, "flow": f.Code, "step": what, "state": k.State, "urgency": string(k.Urgency)}}
	return e
}

// actor is the institution that must act next, "" when nobody must.
func actor(f *Flow, task *fhir.Node) string {
	switch s, _ := f.State(StateOf(task)); s.Waits {
	case flow.Owner:
		return task.Str("owner.reference")
	case flow.Requester:
		return task.Str("requester.reference")
	}
	return ""
}

// prepare validates, indexes and lists the writes.
func (w *work) prepare() error {
	ch, shot := w.change, w.call.Read.(*snapshot)
	nodes := []*fhir.Node{}
	if ch.Request != nil && (w.call.Request == nil || string(ch.Request.JSON()) != string(w.call.Request.JSON())) {
		nodes = append(nodes, ch.Request)
	}
	// what takes over is written before what it takes over from: whoever lets go of a patient still shows him
	var others, next []*fhir.Node
	for _, n := range ch.puts {
		if n.Type() == "Task" {
			others = append(others, n)
		} else {
			nodes = append(nodes, n)
		}
	}
	for _, n := range ch.Next {
		next = append(next, n.Task)
	}
	if w.call.Task == nil {
		nodes = append(append(nodes, ch.Task), next...)
	} else {
		nodes = append(append(nodes, next...), ch.Task)
	}
	nodes = append(nodes, others...)
	keepers := map[*fhir.Node]string{}
	for _, n := range ch.Next {
		keepers[n.Task] = n.Keeper
	}
	w.expect = map[string]int64{}
	for ref, vid := range shot.vids {
		if typ, _, _ := strings.Cut(ref, "/"); slices.Contains([]string{"Task", "ServiceRequest", "DocumentReference", "CarePlan", "Contract"}, typ) {
			w.expect[ref] = vid
		}
	}
	for _, n := range nodes {
		if v := w.runner.Validate; v != nil {
			if issues := slices.DeleteFunc(v(n), func(i fhir.Issue) bool { return i.Severity != "error" && i.Severity != "fatal" }); len(issues) > 0 {
				return &fhir.Error{Status: 422, Issues: issues}
			}
		}
		ready, err := store.Prepare(n)
		if err != nil {
			return err
		}
		ref := n.Type() + "/" + n.ID()
		put := store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, IfMatch: -1, Custodian: w.call.By.Org, ByStep: true}
		if k := keepers[n]; k != "" {
			put.Custodian = k
		}
		if vid, read := shot.vids[ref]; read && vid > 0 {
			put.IfMatch = vid
		}
		delete(w.expect, ref)
		w.puts = append(w.puts, put)
	}
	return nil
}

// errTaken: a number that the step was to give has been given meanwhile.
var errTaken = errors.New("taken meanwhile")

// admits says whether the change writes the patient of its Task.
func (ch *Change) admits() bool {
	return slices.ContainsFunc(ch.puts, func(n *fhir.Node) bool { return n.Type()+"/"+n.ID() == ch.Task.Str("for.reference") })
}

// apply writes everything in one unit.
func (r *Runner) apply(ctx context.Context, w *work, by *access.Caller, key, hash string) (Result, error) {
	var res Result
	err := r.Store.Update(ctx, func(tx *store.Tx) error {
		before, err := recall(ctx, tx, by, key, hash)
		if err != nil {
			return err
		}
		if before != nil {
			res = *before
			return nil
		}
		for ref, vid := range w.expect {
			typ, id, _ := strings.Cut(ref, "/")
			scope := search.Everything
			if vid == 0 { // nothing was seen: what may not be seen is no change
				scope = by.Scope
			}
			v, err := tx.Read(ctx, scope, typ, id)
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrGone) {
				return err
			}
			if v.VID != vid {
				return store.ErrTryAgain
			}
		}
		for _, q := range w.call.Read.(*snapshot).agreements { // what was agreed when the step was prepared still is
			var no *fhir.Error
			if err := r.Agreed(ctx, tx, q[0], q[1], q[2]); errors.As(err, &no) {
				return store.ErrTryAgain
			} else if err != nil {
				return err
			}
		}
		for holder, version := range w.call.Read.(*snapshot).booked {
			b, err := r.Bookings.Of(ctx, tx, holder)
			if err != nil {
				return err
			}
			if b == nil && version != 0 || b != nil && b.Version != version {
				return store.ErrTryAgain
			}
		}
		for _, t := range w.released {
			if err := tx.ReleaseHolder(ctx, t); err != nil {
				return err
			}
		}
		for _, c := range w.claims {
			var held *store.Claimed
			if err := tx.Claim(ctx, c.Kind, c.Key, c.task); errors.As(err, &held) {
				if c.Holder != "" {
					return errTaken
				}
				return Duplicate(held.Holder)
			} else if err != nil {
				return err
			}
		}
		if len(w.change.Bookings) > 0 {
			if err := r.Bookings.Do(ctx, tx, by, w.change.Bookings...); err != nil {
				return err
			}
		}
		res = Result{Task: "Task/" + w.change.Task.ID(), Created: w.call.Task == nil}
		for _, p := range w.puts {
			v, err := tx.Put(ctx, p)
			if err != nil {
				return err
			}
			if p.Type == "Task" && "Task/"+p.ID == res.Task {
				res.Version, res.JSON = v.VID, v.JSON
			}
		}
		if r.Raise != nil {
			for _, e := range w.events {
				if err := r.Raise(ctx, tx, e); err != nil {
					return err
				}
			}
		}
		if r.Audit != nil {
			if err := r.Audit.Write(ctx, tx, r.entry(ctx, w)); err != nil {
				return err
			}
		}
		if key != "" {
			answer := fmt.Sprintf("%s %d", w.change.Task.ID(), res.Version)
			return tx.Remember(ctx, client(by), key, hash, []byte(answer))
		}
		return nil
	})
	return res, err
}

func (r *Runner) entry(ctx context.Context, w *work) audit.Entry {
	by, action := w.call.By, "U"
	if w.call.Task == nil {
		action = "C"
	}
	e := audit.By(by)
	e.At, e.Wall, e.Action, e.Request = w.call.Now, time.Now(), action, ""
	e.What, e.Target, e.Count = "step:"+w.call.Line.Slug+"/"+w.call.Flow.Code+"/"+w.call.Step.Do, "Task/"+w.change.Task.ID(), len(w.puts)
	if w.patient != "" {
		e.Patients = []string{w.patient}
	}
	if r.Request != nil {
		e.Request = r.Request(ctx)
	}
	return e
}

// Duplicate is the refusal of a second open case; existing is the Task that holds the place.
func Duplicate(existing string) error {
	e := fhir.Refuse(409, "duplicate", "open-case-exists", "an open case of this patient to this place exists: "+existing, "该患者在此机构已有进行中的业务："+existing)
	e.Issues[0].Expression = existing
	return e
}

// snapshot reads on a View and remembers what it saw.
type snapshot struct {
	ctx   context.Context
	tx    *store.Tx
	scope search.Scope
	vids  map[string]int64
	nodes map[string]*fhir.Node
	err   error

	bookings    Bookings
	beds        func(ctx context.Context, tx *store.Tx, institution string) (bool, error)
	rule        func(ctx context.Context, tx *store.Tx, institution, code string) ([]byte, error)
	booked      map[string]int64 // by holder: the version of his booking that was seen, 0 = none
	agreements  [][3]string      // from, to, service: what was found to be agreed
	institution func(string) string
	legal       func(string) string
	agreed      func(ctx context.Context, tx *store.Tx, from, to, service string) error
	allowed     func(ctx context.Context, tx *store.Tx, by *access.Caller, act string) error
}

// mayAct refuses an act to which the caller has no right now. Emergencies wait for no licence.
func (s *snapshot) mayAct(by *access.Caller, act string) error {
	if s.allowed == nil {
		return nil
	}
	return s.allowed(s.ctx, s.tx, by, act)
}

func (s *snapshot) Get(ref string) *fhir.Node {
	typ, id, ok := strings.Cut(ref, "/")
	if !ok || strings.Contains(id, "/") {
		return nil
	}
	if n, seen := s.nodes[ref]; seen {
		return n
	}
	if s.nodes == nil {
		s.nodes = map[string]*fhir.Node{}
	}
	if s.vids == nil {
		s.vids = map[string]int64{}
	}
	v, err := s.tx.Read(s.ctx, s.scope, typ, id)
	if err != nil {
		s.fail(err)
		s.vids[ref], s.nodes[ref] = 0, nil
		return nil
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		s.fail(err)
		return nil
	}
	s.vids[ref], s.nodes[ref] = v.VID, n
	return n
}

func (s *snapshot) Version(ref string) int64 { s.Get(ref); return s.vids[ref] }

func (s *snapshot) Institution(organization string) string {
	if s.institution == nil {
		return organization
	}
	return s.institution(organization)
}

func (s *snapshot) Legal(organization string) string {
	if s.legal == nil {
		return s.Institution(organization)
	}
	return s.legal(organization)
}

func (s *snapshot) Holder(kind, key string) string {
	task, _, err := s.tx.Claimed(s.ctx, kind, key)
	s.fail(err)
	return task
}

func (s *snapshot) Agreed(from, to, service string) error {
	if s.agreed == nil {
		return nil
	}
	err := s.agreed(s.ctx, s.tx, from, to, service)
	var refused *fhir.Error
	if !errors.As(err, &refused) {
		s.fail(err)
	}
	if q := [3]string{from, to, service}; err == nil && !slices.Contains(s.agreements, q) {
		s.agreements = append(s.agreements, q)
	}
	return err
}

func (s *snapshot) Chain(requisition string) []Case {
	if requisition == "" {
		return nil
	}
	cases, err := selectCases(s.ctx, s.tx, "WHERE requisition = ? ORDER BY opened, task", requisition)
	s.fail(err)
	return cases
}

func (s *snapshot) Booking(holder string) *booking.Booking {
	if s.bookings == nil {
		return nil
	}
	b, err := s.bookings.Of(s.ctx, s.tx, holder)
	s.fail(err)
	if s.booked == nil {
		s.booked = map[string]int64{}
	}
	s.booked[holder] = 0
	if b != nil {
		s.booked[holder] = b.Version
	}
	return b
}

func (s *snapshot) Waiting(holder string) *booking.Wait {
	if s.bookings == nil {
		return nil
	}
	w, err := s.bookings.WaitOf(s.ctx, s.tx, holder)
	s.fail(err)
	return w
}

func (s *snapshot) Beds(institution string) bool {
	if s.beds == nil || s.bookings == nil {
		return false
	}
	has, err := s.beds(s.ctx, s.tx, institution)
	s.fail(err)
	return has
}

func (s *snapshot) Rule(institution, code string) []byte {
	if s.rule == nil {
		return nil
	}
	said, err := s.rule(s.ctx, s.tx, institution, code)
	s.fail(err)
	return said
}

// fail keeps the first error that is not simply "nothing there".
func (s *snapshot) fail(err error) {
	if s.err == nil && err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrGone) {
		s.err = err
	}
}
