package line

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/flow"
)

// Find is Table.Find for a role and for those whose steps it takes, too: a doctor sends and receives.
func (f *Flow) Find(do, state string, side flow.Party, role string, known flow.Values) (flow.Step, error) {
	var refused error
	for _, as := range access.ActsAs(access.Role(role)) {
		step, err := f.Table.Find(do, state, side, string(as), known)
		if err == nil {
			return step, nil
		}
		if refused == nil {
			refused = err
		}
	}
	return flow.Step{}, refused
}

// Open is Table.Open for a role and for those whose steps it takes, too.
func (f *Flow) Open(state string, side flow.Party, role string, known flow.Values) []flow.Step {
	var open []flow.Step
	for _, as := range access.ActsAs(access.Role(role)) {
		for _, s := range f.Table.Open(state, side, string(as), known) {
			if !slices.ContainsFunc(open, func(o flow.Step) bool { return o.Do == s.Do }) {
				open = append(open, s)
			}
		}
	}
	slices.SortStableFunc(open, func(a, b flow.Step) int {
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
