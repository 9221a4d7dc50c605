package line

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
	"github.com/xinglin-health/xinglin/internal/store"
)

// where is a condition with its arguments.
type where struct {
	text string
	args []any
}

func (w where) and(o where) where {
	return where{w.text + " AND " + o.text, append(slices.Clone(w.args), o.args...)}
}

func either(a, b where) where {
	return where{"(" + a.text + " OR " + b.text + ")", append(slices.Clone(a.args), b.args...)}
}

func among(column string, values []string) where {
	if len(values) == 0 {
		return where{"1 = 0", nil}
	}
	w := where{text: column + " IN (?" + strings.Repeat(", ?", len(values)-1) + ")"}
	for _, v := range values {
		w.args = append(w.args, v)
	}
	return w
}

// whose keeps what the institutions on whose cases the caller works have on this side, as far as he sees it.
func whose(by *access.Caller, column string, now time.Time) where {
	if by.Scope.All {
		return where{column + " <> ''", nil}
	}
	w := among(column, by.Places)
	if seen, all := given(by, now); !all {
		w = w.and(seen)
	}
	return w
}

// given keeps the cases whose Task was given to one of the caller's parties; all = he sees whatever his institution keeps.
func given(by *access.Caller, now time.Time) (w where, all bool) {
	readers := by.Readers()
	if readers == nil {
		return where{"1 = 1", nil}, true
	}
	if len(readers) == 0 {
		return where{"1 = 0", nil}, false
	}
	text, args := store.GivenTo("Task", "SUBSTR(line_case.task, 6)", readers, now)
	return where{text, args}, false
}

// waiting are the places "line/flow/state/urgency" in which a primary step of this side is open to the role.
// Tables do not change while the program runs.
func (r *Runner) waiting(side flow.Party, role string) []string {
	if known, ok := r.places.Load(string(side) + " " + role); ok {
		return known.([]string)
	}
	var places []string
	defer func() { r.places.Store(string(side)+" "+role, places) }()
	for _, l := range r.Lines {
		for _, f := range l.Flows {
			for _, s := range f.States {
				if s.Kind != flow.Open || s.Waits != side {
					continue
				}
				for i, u := range ranks {
					known := func(field string) string {
						if field == "urgency" {
							return string(u)
						}
						return ""
					}
					if slices.ContainsFunc(f.Open(s.Code, side, role, known), func(st flow.Step) bool { return st.Primary }) {
						places = append(places, fmt.Sprintf("%s/%s/%s/%d", l.Slug, f.Code, s.Code, i))
					}
				}
			}
		}
	}
	return places
}

// Waits says whether a case waits for the caller.
func (r *Runner) Waits(by *access.Caller, c Case) bool {
	l := r.Line(c.Line)
	if l == nil || l.Flow(c.Flow) == nil || c.Kind != flow.Open {
		return false
	}
	s, _ := l.Flow(c.Flow).State(c.State)
	if (s.Waits == flow.Owner && c.Owner != by.Institution) || (s.Waits == flow.Requester && c.Requester != by.Institution) {
		return false
	}
	return slices.Contains(r.waiting(s.Waits, string(by.Role)), placeOf(c))
}

const isOpen = "kind = 'open'"

// OfPatient lists the open cases of a patient in a line that the caller's parties see, or may collide with.
func (r *Runner) OfPatient(ctx context.Context, tx *store.Tx, by *access.Caller, slug, patient string) ([]Case, error) {
	if !r.Shows(by, slug) {
		return nil, nil
	}
	w := where{isOpen + " AND line = ? AND patient = ?", []any{slug, patient}}.and(either(whose(by, "owner", tx.Now()), whose(by, "requester", tx.Now())))
	return selectCases(ctx, tx, "WHERE "+w.text+" ORDER BY opened DESC, task LIMIT 50", w.args...)
}

// Taken returns the Task that holds a patient's place at an institution, "" when it is free.
func (r *Runner) Taken(ctx context.Context, tx *store.Tx, slug, patient, to string) (string, error) {
	l := r.Line(slug)
	if l == nil || l.Taken == nil {
		return "", nil
	}
	c := l.Taken(patient, to)
	task, _, err := tx.Claimed(ctx, c.Kind, c.Key)
	return task, err
}

// Chain lists the cases that share a requisition, oldest first: every hand-over, and drafts of the caller's own.
// Whether the caller may see them is still to be asked: who sees the patient sees his whole chain.
func (r *Runner) Chain(ctx context.Context, tx *store.Tx, by *access.Caller, requisition string) ([]Case, error) {
	if requisition == "" {
		return nil, nil
	}
	w := where{"requisition = ?", []any{requisition}}
	if !by.Scope.All {
		w = w.and(either(where{"owner <> ''", nil}, whose(by, "requester", tx.Now())))
	}
	cases, err := selectCases(ctx, tx, "WHERE "+w.text+" ORDER BY opened, task", w.args...)
	slices.SortStableFunc(cases, func(a, b Case) int { // what begins together stands in the order of the line's flows
		return cmp.Or(a.Opened.Compare(b.Opened), r.flowAt(a)-r.flowAt(b))
	})
	return cases, err
}

func (r *Runner) flowAt(c Case) int {
	l := r.Line(c.Line)
	if l == nil {
		return 0
	}
	return slices.IndexFunc(l.Flows, func(f *Flow) bool { return f.Code == c.Flow })
}

// CaseOf reads one row; nil when the Task belongs to no line.
func (r *Runner) CaseOf(ctx context.Context, tx *store.Tx, task string) (*Case, error) {
	cases, err := selectCases(ctx, tx, "WHERE task = ?", task)
	if err != nil || len(cases) == 0 {
		return nil, err
	}
	return &cases[0], nil
}

// Cases reads rows by Task, as far as the caller's parties see them, in the order given.
func (r *Runner) Cases(ctx context.Context, tx *store.Tx, by *access.Caller, tasks []string) ([]Case, error) {
	w := among("task", tasks).and(either(whose(by, "owner", tx.Now()), whose(by, "requester", tx.Now())))
	cases, err := selectCases(ctx, tx, "WHERE "+w.text, w.args...)
	slices.SortFunc(cases, func(a, b Case) int { return slices.Index(tasks, a.Task) - slices.Index(tasks, b.Task) })
	return cases, err
}

// Facts reads what happened to a line's cases for its numbers, of the organisations given or all that the caller sees.
func (r *Runner) Facts(ctx context.Context, tx *store.Tx, by *access.Caller, slug string, organisations []string) ([]indicator.Fact, error) {
	if !r.Shows(by, slug) {
		return nil, nil
	}
	w := where{"line = ?", []any{slug}}.and(either(whose(by, "owner", tx.Now()), whose(by, "requester", tx.Now())))
	if organisations != nil {
		w = w.and(either(among("owner", organisations), among("requester", organisations)))
	}
	cases, err := selectCases(ctx, tx, "WHERE "+w.text+" ORDER BY opened, task", w.args...)
	if err != nil {
		return nil, err
	}
	facts := make([]indicator.Fact, len(cases))
	at := map[string]int{}
	for i, c := range cases {
		facts[i] = indicator.Fact{Task: c.Task, Flow: c.Flow, State: c.State, Kind: c.Kind, Urgency: c.Urgency, Owner: c.Owner, Requester: c.Requester, Patient: c.Patient, Requisition: c.Requisition}
		at[c.Task] = i
	}
	err = tx.Query(ctx, "SELECT task, do_, from_, to_, at, org FROM line_step WHERE task IN (SELECT task FROM line_case WHERE "+w.text+") ORDER BY task, n", w.args, func(scan func(...any) error) error {
		var task string
		var us int64
		var s indicator.Step
		if err := scan(&task, &s.Do, &s.From, &s.To, &us, &s.Org); err != nil {
			return err
		}
		s.At = time.UnixMicro(us)
		if i, ok := at[task]; ok {
			facts[i].Steps = append(facts[i].Steps, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("line: read steps: %w", err)
	}
	return facts, nil
}
