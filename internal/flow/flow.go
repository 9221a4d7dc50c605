// Package flow describes how a piece of work moves from state to state: who may do what, by when.
package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Name is what a person reads.
type Name struct {
	Zh string `json:"zh"`
	En string `json:"en"`
}

// In picks the language; Chinese unless English is asked for.
func (n Name) In(lang string) string {
	if lang == "en" && n.En != "" {
		return n.En
	}
	return n.Zh
}

// Urgency sets the clock.
type Urgency string

const (
	Emergency Urgency = "emergency" // 急诊
	Urgent    Urgency = "urgent"    // 紧急
	Routine   Urgency = "routine"   // 普通
)

// Limits is the time allowed in a state; an absent urgency has no limit.
type Limits map[Urgency]time.Duration

// Within lists limits in the order in which a desk says them; 0 = no limit.
func Within(emergency, urgent, routine time.Duration) Limits {
	return Limits{Emergency: emergency, Urgent: urgent, Routine: routine}
}

// Days are counted as 24 hours.
const Day = 24 * time.Hour

// Party is a side of a hand-over.
type Party string

const (
	Owner     Party = "owner"     // who received it: Task.owner
	Requester Party = "requester" // who asked: Task.requester
	Either    Party = "either"
	System    Party = "system" // the hub itself, when a time has passed
)

// Kind says whether work remains.
type Kind string

const (
	Open   Kind = "open"
	Done   Kind = "done"   // ended as intended
	Closed Kind = "closed" // ended otherwise
)

// New is where a case comes from before it exists; Same as a step's To leaves the state as it is.
const (
	New  = "new"
	Same = "same"
)

// State is where a case stands.
type State struct {
	Code   string
	Name   Name
	Status string // FHIR Task.status
	Kind   Kind
	Main   bool          // on the straight path that the step bar draws
	Waits  Party         // who acts next; only open states
	Within Limits        // time allowed here before it is late
	Lapses time.Duration // after this long in the state the system's step is taken; 0 = never
}

// When narrows a step to calls whose field has this value; the narrower step wins.
type When struct{ Field, Is string }

// Step leads from states to a state.
type Step struct {
	Do      string
	Name    Name
	Effect  Name // what it will do, said before
	From    []string
	To      string
	By      Party
	Roles   []string // empty = whoever acts for that side
	When    When
	Primary bool
	Renews  bool   // starts the time limit anew although the state stays
	Act     string // what the step is by law (sign, prescribe, diagnose, …): who takes it needs the right to it; "" = nothing of the kind
}

// In lists the states from which a step leads.
func In(states ...string) []string { return states }

// Table is one flow.
type Table struct {
	Code   string
	Name   Name
	States []State
	Steps  []Step
}

// Refused tells which steps are open instead.
type Refused struct {
	Do, State string
	By        Party
	Role      string
	Open      []Step
}

func (r *Refused) Error() string {
	var open []string
	for _, s := range r.Open {
		open = append(open, fmt.Sprintf("%s by %s", s.Do, s.By))
	}
	if open == nil {
		open = []string{"nothing"}
	}
	by := string(r.By)
	if r.Role != "" {
		by += " as " + r.Role
	}
	return fmt.Sprintf("flow: %s by %s not allowed in state %q; open: %s", r.Do, by, r.State, strings.Join(open, ", "))
}

// State finds a state by its code.
func (t *Table) State(code string) (State, bool) {
	for _, s := range t.States {
		if s.Code == code {
			return s, true
		}
	}
	return State{}, false
}

// May says whether this side in this role may take the step.
func (s Step) May(side Party, role string) bool {
	if s.By != side && (s.By != Either || side == System) {
		return false
	}
	return len(s.Roles) == 0 || side == System || slices.Contains(s.Roles, role)
}

// Values answers what is known about a call by the field's name, "" when it is not known. nil knows nothing.
type Values func(field string) string

func (v Values) of(field string) string {
	if v == nil {
		return ""
	}
	return v(field)
}

// Find returns the step that do means in this state for this side and role, or *Refused.
func (t *Table) Find(do, state string, side Party, role string, known Values) (Step, error) {
	var found *Step
	for i, s := range t.Steps {
		if s.Do != do || !slices.Contains(s.From, state) || !s.May(side, role) {
			continue
		}
		if s.When.Field == "" {
			if found == nil {
				found = &t.Steps[i]
			}
		} else if known.of(s.When.Field) == s.When.Is {
			found = &t.Steps[i]
		}
	}
	if found == nil {
		return Step{}, &Refused{Do: do, State: state, By: side, Role: role, Open: t.From(state, known)}
	}
	return *found, nil
}

// From returns the steps that people may take from a state, each name once for a side; those whose When
// contradicts what is known are left out.
func (t *Table) From(state string, known Values) []Step {
	var open []Step
	for _, s := range t.Steps {
		if s.By == System || !slices.Contains(s.From, state) {
			continue
		}
		if is := known.of(s.When.Field); s.When.Field != "" && is != "" && is != s.When.Is {
			continue
		}
		if !slices.ContainsFunc(open, func(o Step) bool { return o.Do == s.Do && o.By == s.By }) {
			open = append(open, s)
		}
	}
	return open
}

// Open returns the steps that this side in this role may take from a state, the primary one first.
func (t *Table) Open(state string, side Party, role string, known Values) []Step {
	var open []Step
	for _, s := range t.From(state, known) {
		if s.May(side, role) && !slices.ContainsFunc(open, func(o Step) bool { return o.Do == s.Do }) {
			open = append(open, s)
		}
	}
	slices.SortStableFunc(open, func(a, b Step) int {
		switch {
		case a.Primary == b.Primary:
			return 0
		case a.Primary:
			return -1
		}
		return 1
	})
	return open
}

// Lapse returns the step that the hub takes when a state's time has run out: the first one listed.
func (t *Table) Lapse(state string) (Step, bool) {
	for _, s := range t.Steps {
		if s.By == System && slices.Contains(s.From, state) {
			return s, true
		}
	}
	return Step{}, false
}

// Due is the end of the time allowed in this state; zero when there is no limit.
func (s State) Due(entered time.Time, u Urgency) time.Time {
	if d := s.Within[u]; d > 0 {
		return entered.Add(d)
	}
	return time.Time{}
}
