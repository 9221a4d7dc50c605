package flow

import (
	"fmt"
	"slices"
)

// statuses are the values of FHIR Task.status.
var statuses = []string{"draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold", "failed", "completed", "entered-in-error"}

// Check says what is wrong with a table: an open state without somebody who must act and a way
// out for that side, a state that cannot be reached or from which no end can be reached, a step to nowhere.
func (t *Table) Check() []error {
	var wrong []error
	bad := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("flow %s: "+format, append([]any{t.Code}, args...)...))
	}
	for i, s := range t.States {
		if slices.IndexFunc(t.States, func(o State) bool { return o.Code == s.Code }) != i {
			bad("state %q stands twice", s.Code)
		}
		if s.Name.Zh == "" || s.Name.En == "" {
			bad("state %q needs a name in both languages", s.Code)
		}
		if !slices.Contains(statuses, s.Status) {
			bad("state %q: %q is no Task.status", s.Code, s.Status)
		}
		switch s.Kind {
		case Open:
			if s.Waits != Owner && s.Waits != Requester {
				bad("state %q waits for nobody", s.Code)
			}
			if !slices.ContainsFunc(t.From(s.Code, nil), func(st Step) bool { return st.To != Same && st.To != s.Code && (st.By == s.Waits || st.By == Either) }) {
				bad("state %q: the %s has no way out", s.Code, s.Waits)
			}
			if _, ok := t.Lapse(s.Code); s.Lapses > 0 && !ok {
				bad("state %q lapses, but the system has no step", s.Code)
			}
		case Done, Closed:
			if len(t.From(s.Code, nil)) > 0 || s.Waits != "" || s.Within != nil {
				bad("state %q is an end, but something goes on", s.Code)
			}
		default:
			bad("state %q has no kind", s.Code)
		}
	}
	for _, s := range t.Steps {
		if s.Name.Zh == "" || s.Name.En == "" {
			bad("step %q needs a name in both languages", s.Do)
		}
		if _, ok := t.State(s.To); !ok && s.To != Same {
			bad("step %q leads to the unknown state %q", s.Do, s.To)
		}
		if len(s.From) == 0 {
			bad("step %q comes from nowhere", s.Do)
		}
		for _, f := range s.From {
			if _, ok := t.State(f); !ok && f != New {
				bad("step %q comes from the unknown state %q", s.Do, f)
			}
		}
	}
	reached := t.reach(New)
	for _, s := range t.States {
		if !reached[s.Code] {
			bad("state %q cannot be reached", s.Code)
		}
		if s.Kind == Open && !slices.ContainsFunc(t.States, func(o State) bool { return o.Kind == Done && t.reach(s.Code)[o.Code] }) {
			bad("state %q is a dead end", s.Code)
		}
	}
	return wrong
}

func (t *Table) reach(from string) map[string]bool {
	seen := map[string]bool{from: true}
	for again := true; again; {
		again = false
		for _, s := range t.Steps {
			if s.To == Same || seen[s.To] {
				continue
			}
			if slices.ContainsFunc(s.From, func(f string) bool { return seen[f] }) {
				seen[s.To], again = true, true
			}
		}
	}
	return seen
}
