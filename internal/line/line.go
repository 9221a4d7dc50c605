// Package line is the shape of a service line and the one place that performs a step.
package line

import (
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
)

// Line is what a folder under lines/ says about itself.
type Line struct {
	Slug       string
	Name       flow.Name
	In, Out    flow.Name // what the worklist calls what comes in and what goes out; empty = 收到, 发出
	Flows      []*Flow
	Taken      func(patient, to string) Claim // what an open case of a patient to a place holds; nil = nothing is taken once
	For        []string                       // roles to which its cases are shown and counted; nil = everybody's
	Quiet      []string                       // steps that the worklist shows and no event tells: what comes by the thousand
	Hushed     bool                           // its steps raise no events: nobody hears of a case but who works on it
	Notices    map[string]flow.Name           // event kind without the slug -> what a notice says; no patient name
	Indicators []indicator.Definition
}

// Flow is one table with what its steps ask for, need and write. The maps are keyed by the step's name.
type Flow struct {
	flow.Table
	Starts bool // offered to people as a start; others begin from a step of another flow
	// Impersonal flows are about no patient; what they are about stands in Task.focus, which the builder sets and
	// which is Call.Request from then on.
	Impersonal bool
	// Admits lets the start write the patient himself: somebody whom the hub does not know yet.
	Admits   bool
	Begin    func(Params) string // the step from flow.New that a start means
	Forms    map[string]Form
	Rules    map[string][]Rule
	Build    map[string]Builder
	Escalate []Level // in order, from the moment a state's time has passed
}

// Level is one rung of the ladder that a late case climbs.
type Level struct {
	Code  string
	Name  flow.Name
	After flow.Limits // time after the deadline; absent = at once
	Do    string      // the system's step at this level; "" = only tell
}

// Rule says what a step needs: nil, or a refusal that says what is missing.
type Rule func(Call) error

// Builder writes into the Change what the step makes of the world. It is pure: what it knows is in the Call.
type Builder func(Call, *Change)

// Call is one step that somebody asks for.
type Call struct {
	Line    *Line
	Flow    *Flow
	Step    flow.Step
	Now     time.Time
	By      *access.Caller // the hub itself is access.Caller{Role: "system"}
	Side    flow.Party
	Urgency flow.Urgency
	Params  Params
	Task    *fhir.Node // nil at a start
	Request *fhir.Node // the ServiceRequest in Task.focus; nil at a start
	Read    Snapshot
}

// known answers a step's When: what the call says, else the urgency; and "late", whether the state's time has passed.
func (c Call) known(field string) string {
	v := c.Params.Str(field)
	switch {
	case field == "late":
		v = ""
		if c.Task != nil && IsLate(c.Task, c.Now) {
			v = "true"
		}
	case v == "" && field == "urgency":
		v = string(c.Urgency)
	}
	return v
}

// Given returns what the call says under a field's name, else what the Task knows already.
func (c Call) Given(field string) string {
	if v := c.Params.Str(field); v != "" || c.Task == nil {
		return v
	}
	return FactText(c.Task, field)
}

// Known answers a step's When for somebody who only looks at the Task.
func Known(task *fhir.Node) flow.Values {
	return func(field string) string {
		if field == "urgency" {
			return string(UrgencyOf(task))
		}
		return ""
	}
}

// Snapshot is what rules and builders may look at: the records as they stand, in the caller's scope.
type Snapshot interface {
	// Get returns the current resource "Type/id", nil when it does not exist or may not be seen.
	// A Task, ServiceRequest or document that changes before the step is applied makes the runner prepare again.
	Get(ref string) *fhir.Node
	// Version returns the version of what Get returns, 0 when there is nothing.
	Version(ref string) int64
	// Institution returns the nearest legal institution at or above an organisation.
	Institution(organization string) string
	// Legal returns the legal person of an organisation.
	Legal(organization string) string
	// Holder returns the Task that holds a claim, "" when it is free.
	Holder(kind, key string) string
	// Agreed returns nil when the agreements in force let one institution ask another for a kind of service, else the
	// refusal, which says whom to ask. Units of one legal person need none.
	Agreed(from, to, service string) error
	// Chain returns the cases that share a requisition, oldest first.
	Chain(requisition string) []Case
	// Booking returns the live booking of a case ("Task/…"), nil when it has none; a hold that has run out counts as none.
	// Where it changes before the step is applied, the runner prepares again.
	Booking(holder string) *booking.Booking
	// Waiting returns what a case waits for, nil when it does not.
	Waiting(holder string) *booking.Wait
	// Beds says whether an institution keeps its beds in the register, so that its patients wait for one.
	Beds(institution string) bool
	// Rule returns what an institution has in force under the code of a rule, as JSON; nil when nobody keeps rules.
	Rule(institution, code string) []byte
}

// Change is what a step writes, all or nothing. Task and Request start as copies of the current ones;
// the runner adds status, state, deadline and history to every Task.
type Change struct {
	Task    *fhir.Node
	Request *fhir.Node
	Next    []Next        // Tasks that begin with this step
	Claims  []Claim       // held until the case ends
	Events  []event.Event // beside the step's own event
	// Bookings are done in the unit of the step, in order, by Runner.Book: what is taken meanwhile refuses the step.
	Bookings []booking.Command
	Due      time.Time // the state's own end, where it has one of its own; zero = the table's limit
	To       string    // another state than the step's, where what the call finds decides; "" = the step's
	Note     string    // free words of the step, kept in the history

	puts  []*fhir.Node
	newID func() string
}

// Next is a Task that begins with a step of another one, or a copy of one that is there and moves with it.
type Next struct {
	Flow, Do, State string
	Task            *fhir.Node
	Claims          []Claim
	Due             time.Time // as Change.Due
	Keeper          string    // who keeps it, "" = the caller's organisation: a ward that takes in for another department
}

// Claim is something that may exist once while the case is open, such as a referral of one patient to one place.
// With a Holder ("Patient/…") it is that resource's for good, such as a number; where somebody else was faster,
// the step is prepared again.
type Claim struct{ Kind, Key, Holder string }

// Create gives n an id and writes it with the step; it returns "Type/id".
func (ch *Change) Create(n *fhir.Node) string {
	n.Set("id", ch.newID())
	ch.puts = append(ch.puts, n)
	return n.Type() + "/" + n.ID()
}

// Update writes a resource that was read.
func (ch *Change) Update(n *fhir.Node) { ch.puts = append(ch.puts, n) }

// Begin starts the Task of another hand-over and returns "Task/id".
func (ch *Change) Begin(next Next) string {
	if next.Task.ID() == "" {
		next.Task.Set("id", ch.newID())
	}
	ch.Next = append(ch.Next, next)
	return "Task/" + next.Task.ID()
}

// ID returns a fresh id for a resource that others written with it refer to.
func (ch *Change) ID() string { return ch.newID() }

// Flow finds one of the line's flows.
func (l *Line) Flow(code string) *Flow {
	i := slices.IndexFunc(l.Flows, func(f *Flow) bool { return f.Code == code })
	if i < 0 {
		return nil
	}
	return l.Flows[i]
}

// Form returns what a step asks for.
func (f *Flow) Form(do string) Form { return f.Forms[do] }

// Case is one hand-over as worklists and numbers know it.
type Case struct {
	Task        string // "Task/…"
	Line, Flow  string
	State       string
	Kind        flow.Kind
	Urgency     flow.Urgency
	Owner       string // "Organization/…", "" while it is a draft that the owner does not know of
	Requester   string
	Patient     string
	Request     string // "ServiceRequest/…"
	Requisition string
	Due         time.Time // zero = no limit
	Level       int       // rungs of the ladder climbed; 0 = not late
	Opened      time.Time
	Entered     time.Time // into this state
	Updated     time.Time
	Version     int64
}

// Always starts a flow with one step.
func Always(do string) func(Params) string { return func(Params) string { return do } }

// Drafts starts with save when the call says draft=true, else with send.
func Drafts(save, send string) func(Params) string {
	return func(p Params) string {
		if p.Is("draft") {
			return save
		}
		return send
	}
}
