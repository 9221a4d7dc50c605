package line

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Views of a worklist.
const (
	Mine   = "mine"   // waits for this role at this institution
	In     = "in"     // came to us
	Out    = "out"    // went from us
	Late   = "late"   // its time has passed
	Closed = "closed" // ended, newest first
)

// Filter narrows a worklist.
type Filter struct {
	View, Line, Flow, State string
	Urgency                 flow.Urgency
	Patients                []string // nil = all
	Count                   int
	Cursor                  string

	not []string // lines that are not for the reader
}

// List is one page of a worklist.
type List struct {
	Cases  []Case
	Total  int
	Next   string
	Counts Counts // of the line, whatever the filter
}

// Counts are the open cases of a line as a caller sees them.
type Counts struct{ Mine, In, Out, Late, Open, MineLate int }

// Worklist lists cases by who must act by when: mine first, late ones first and among these emergencies
// before all others, then by deadline; ended ones newest first.
func (r *Runner) Worklist(ctx context.Context, tx *store.Tx, by *access.Caller, f Filter) (List, error) {
	var list List
	var err error
	f.not = r.hidden(by)
	if list.Counts, err = r.Count(ctx, tx, by, f.Line); err != nil {
		return list, err
	}
	arms := r.arms(by, f, tx.Now())
	if list.Total = list.Counts.of(f); list.Total < 0 {
		if list.Total, err = countArms(ctx, tx, arms); err != nil {
			return list, err
		}
	}
	offset, _ := strconv.Atoi(f.Cursor)
	offset = max(offset, 0)
	query, args := "", []any{}
	order, orderArgs := r.order(by, f.View, tx.Now())
	for i, arm := range arms {
		if i > 0 {
			query += " UNION ALL "
		}
		query += "SELECT task, " + order + " FROM line_case WHERE " + arm.text
		args = append(append(args, orderArgs...), arm.args...)
	}
	args = append(args, int64(min(max(f.Count, 1), 200)), int64(offset))
	var tasks []string
	err = tx.Query(ctx, query+" ORDER BY 2, 3, 4, 5, 6, 1 LIMIT ? OFFSET ?", args, func(scan func(...any) error) error {
		var task string
		var keys [5]int64
		err := scan(&task, &keys[0], &keys[1], &keys[2], &keys[3], &keys[4])
		tasks = append(tasks, task)
		return err
	})
	if err != nil {
		return list, fmt.Errorf("line: worklist: %w", err)
	}
	if list.Cases, err = casesOf(ctx, tx, tasks); err != nil {
		return list, err
	}
	if end := offset + len(list.Cases); end < list.Total && len(list.Cases) > 0 {
		list.Next = strconv.Itoa(end)
	}
	return list, nil
}

// arms are the ways by which a view finds its cases; none of them finds what another one does. They ask for
// what line_case_owner and line_case_requester hold, so that only the rows of the page are looked up.
func (r *Runner) arms(by *access.Caller, f Filter, now time.Time) []where {
	late := where{"due <= ?", []any{now.UnixMicro()}}
	open := where{isOpen, nil}
	in, out := whose(by, "owner", now), whose(by, "requester", now)
	ours := where{"NOT (" + in.text + ")", in.args}
	var arms []where
	switch f.View {
	case Mine:
		arms = r.mine(by, f, now)
	case In:
		arms = []where{in.and(open)}
	case Out:
		arms = []where{out.and(open).and(where{"owner <> requester", nil})}
	case Late:
		arms = []where{in.and(open).and(late), out.and(open).and(late).and(ours)}
	case Closed:
		ended := where{"kind IN ('done', 'closed')", nil}
		arms = []where{in.and(ended), out.and(ended).and(ours)}
	default:
		arms = []where{in.and(open), out.and(open).and(ours)}
	}
	for i := range arms {
		if f.View != Mine && (!f.plain() || f.Line != "" || f.not != nil) {
			arms[i] = arms[i].and(r.standsIn(f))
		}
		if f.Patients != nil {
			arms[i] = arms[i].and(among("patient", f.Patients))
		}
	}
	return arms
}

// standsIn keeps the places of a filter: a few are sought one by one, many are compared on the way.
func (r *Runner) standsIn(f Filter) where {
	places := r.standing(f)
	if len(places) == len(r.standing(Filter{View: f.View})) {
		return where{"1 = 1", nil}
	}
	if len(places) > 12 {
		return among("place || ''", places)
	}
	return among("place", places)
}

// mine is what waits for this role at this institution, as the owner and as the requester.
func (r *Runner) mine(by *access.Caller, f Filter, now time.Time) []where {
	var arms []where
	for _, side := range []struct {
		party  flow.Party
		column string
	}{{flow.Owner, "owner"}, {flow.Requester, "requester"}} {
		places := []string{}
		for _, p := range r.waiting(side.party, string(by.Role)) {
			if f.has(p) && by.Institution != "" {
				places = append(places, p)
			}
		}
		arm := where{side.column + " = ?", []any{by.Institution}}.and(where{isOpen, nil}).and(among("place", places))
		if seen, all := given(by, now); !all {
			arm = arm.and(seen)
		}
		arms = append(arms, arm)
	}
	return arms
}

// order is five numbers by which a view is sorted.
func (r *Runner) order(by *access.Caller, view string, now time.Time) (string, []any) {
	if view == Closed {
		return "-updated, 0, 0, 0, 0", nil
	}
	us := now.UnixMicro()
	first, args := "0", []any{}
	if view != Mine {
		mine := r.mine(by, Filter{}, now)
		whose := either(mine[0], mine[1])
		first, args = "CASE WHEN "+whose.text+" THEN 0 ELSE 1 END", slices.Clone(whose.args)
	}
	return first + ", CASE WHEN due <= ? THEN 0 ELSE 1 END, CASE WHEN due <= ? THEN urgency ELSE 0 END, CASE WHEN due IS NULL THEN " + never + " ELSE due END, urgency",
		append(args, us, us)
}

// never is later than every deadline.
const never = "4611686018427387904"

// plain says that a filter takes the whole view of its line.
func (f Filter) plain() bool {
	return f.Flow == "" && f.State == "" && f.Urgency == "" && f.Patients == nil
}

// has says whether a filter lets a place through.
func (f Filter) has(place string) bool {
	at := strings.Split(place, "/")
	return len(at) == 4 && !slices.Contains(f.not, at[0]) && (f.Line == "" || f.Line == at[0]) && (f.Flow == "" || f.Flow == at[1]) && (f.State == "" || f.State == at[2]) &&
		(f.Urgency == "" || strconv.FormatInt(rank(f.Urgency), 10) == at[3])
}

// hidden lists the lines whose cases are not shown to the caller, nor counted.
func (r *Runner) hidden(by *access.Caller) (slugs []string) {
	for _, l := range r.Lines {
		if l.For != nil && !by.Scope.All && !slices.Contains(l.For, string(by.Role)) {
			slugs = append(slugs, l.Slug)
		}
	}
	return slugs
}

// Shows says whether a line's cases are listed and counted for the caller.
func (r *Runner) Shows(by *access.Caller, slug string) bool {
	return !slices.Contains(r.hidden(by), slug)
}

// standing lists where a case may stand that a filter lets through.
func (r *Runner) standing(f Filter) []string {
	var places []string
	for _, l := range r.Lines {
		for _, x := range l.Flows {
			for _, s := range x.States {
				for u := range ranks {
					if p := fmt.Sprintf("%s/%s/%s/%d", l.Slug, x.Code, s.Code, u); f.has(p) && (s.Kind == flow.Open) != (f.View == Closed) {
						places = append(places, p)
					}
				}
			}
		}
	}
	return places
}

func countArms(ctx context.Context, tx *store.Tx, arms []where) (total int, err error) {
	for _, arm := range arms {
		err := tx.Query(ctx, "SELECT COUNT(*) FROM line_case WHERE "+arm.text, arm.args, func(scan func(...any) error) error {
			var n int
			err := scan(&n)
			total += n
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("line: count worklist: %w", err)
		}
	}
	return total, nil
}

// of is the size of a view when it is counted already, else -1.
func (n Counts) of(f Filter) int {
	if !f.plain() {
		return -1
	}
	switch f.View {
	case Mine:
		return n.Mine
	case In:
		return n.In
	case Out:
		return n.Out
	case Late:
		return n.Late
	}
	return -1
}

// Count counts a line's open cases; "" = all lines. It reads no case, only where they stand.
func (r *Runner) Count(ctx context.Context, tx *store.Tx, by *access.Caller, slug string) (Counts, error) {
	var n Counts
	f := Filter{Line: slug, not: r.hidden(by)}
	return n, r.tally(ctx, tx, by, func(place string) *Counts {
		if !f.has(place) {
			return nil
		}
		return &n
	})
}

// CountLines counts the open cases of every line, by slug, in the one pass that Count makes for one.
func (r *Runner) CountLines(ctx context.Context, tx *store.Tx, by *access.Caller) (map[string]Counts, error) {
	each, f := make(map[string]*Counts, len(r.Lines)), Filter{not: r.hidden(by)}
	for _, l := range r.Lines {
		each[l.Slug] = &Counts{}
	}
	err := r.tally(ctx, tx, by, func(place string) *Counts {
		if !f.has(place) {
			return nil
		}
		slug, _, _ := strings.Cut(place, "/")
		return each[slug]
	})
	counts := make(map[string]Counts, len(each))
	for slug, n := range each {
		counts[slug] = *n
	}
	return counts, err
}

// tally adds up the caller's open cases where they stand; of says what a place counts to, nil = to nothing.
func (r *Runner) tally(ctx context.Context, tx *store.Tx, by *access.Caller, of func(place string) *Counts) error {
	late := tx.Now().UnixMicro()
	for _, side := range []struct {
		party         flow.Party
		column, other string
	}{{flow.Owner, "owner", "requester"}, {flow.Requester, "requester", "owner"}} {
		ours, theirs := whose(by, side.column, tx.Now()), whose(by, side.other, tx.Now())
		waiting := r.waiting(side.party, string(by.Role))
		// only one side need look for what is ours on both
		both, args := "0, 0, 0", []any{late}
		if side.party == flow.Requester {
			both = "SUM(CASE WHEN " + theirs.text + " THEN 1 ELSE 0 END), SUM(CASE WHEN due <= ? AND " + theirs.text + " THEN 1 ELSE 0 END), SUM(CASE WHEN owner = requester THEN 1 ELSE 0 END)"
			args = slices.Concat(args, theirs.args, []any{late}, theirs.args)
		}
		query := "SELECT " + side.column + ", place, COUNT(*), SUM(CASE WHEN due <= ? THEN 1 ELSE 0 END), " + both + " FROM line_case WHERE " + isOpen + " AND " + ours.text + " GROUP BY " + side.column + ", place"
		args = append(args, ours.args...)
		err := tx.Query(ctx, query, args, func(scan func(...any) error) error {
			var org, place string
			var all, late, both, bothLate, own int
			if err := scan(&org, &place, &all, &late, &both, &bothLate, &own); err != nil {
				return err
			}
			n := of(place)
			if n == nil {
				return nil
			}
			n.Open, n.Late = n.Open+all, n.Late+late
			if side.party == flow.Owner {
				n.In += all
			} else { // what is ours on both sides was counted with the other side
				n.Out, n.Open, n.Late = n.Out+all-own, n.Open-both, n.Late-bothLate
			}
			if org == by.Institution && slices.Contains(waiting, place) {
				n.Mine, n.MineLate = n.Mine+all, n.MineLate+late
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("line: count cases: %w", err)
		}
	}
	return nil
}

// casesOf reads rows by Task, in the order given.
func casesOf(ctx context.Context, tx *store.Tx, tasks []string) ([]Case, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	w := among("task", tasks)
	cases, err := selectCases(ctx, tx, "WHERE "+w.text, w.args...)
	at := make(map[string]int, len(tasks))
	for i, t := range tasks {
		at[t] = i
	}
	slices.SortFunc(cases, func(a, b Case) int { return at[a.Task] - at[b.Task] })
	return cases, err
}
