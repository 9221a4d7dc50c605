package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// row is one case in a worklist.
type row struct {
	Task      string       `json:"task"`
	Line      string       `json:"line"`
	Flow      string       `json:"flow"`
	Urgency   flow.Urgency `json:"urgency"`
	Patient   rowPatient   `json:"patient"`
	What      string       `json:"what"`
	From      Ref          `json:"from"`
	To        Ref          `json:"to"`
	State     string       `json:"state"`
	StateName flow.Name    `json:"stateName"`
	StateKind flow.Kind    `json:"stateKind"`
	Due       *string      `json:"due"`
	EnteredAt string       `json:"enteredAt"`
	Late      bool         `json:"late"`
	Actor     *Ref         `json:"actor"`
	Mine      bool         `json:"mine"`
	Updated   string       `json:"updated"`
	Version   string       `json:"version"`
	Duplicate bool         `json:"duplicate,omitempty"`
}

type rowPatient struct {
	Reference string `json:"reference"`
	Name      string `json:"name"`
	Sex       string `json:"sex"`
	Age       int    `json:"age"`
	BirthDate string `json:"birthDate"`
}

type workView struct {
	Rows   []row      `json:"rows"`
	Total  int        `json:"total"`
	Next   string     `json:"next"`
	Counts viewCounts `json:"counts"`
}

type viewCounts struct {
	Mine int `json:"mine"`
	In   int `json:"in"`
	Out  int `json:"out"`
	Late int `json:"late"`
}

func (l Lines) work(w http.ResponseWriter, r *http.Request) {
	l.answerList(w, r, line.Filter{View: line.Mine}, "work")
}

func (l Lines) worklist(w http.ResponseWriter, r *http.Request) {
	if l.find(w, r) == nil {
		return
	}
	q := r.URL.Query()
	f := line.Filter{View: q.Get("view"), Line: r.PathValue("slug"), Flow: q.Get("flow"), State: q.Get("state"), Urgency: flow.Urgency(q.Get("urgency"))}
	if f.View == "" {
		f.View = line.Mine
	}
	if !slices.ContainsFunc(views, func(v viewName) bool { return v.Code == f.View }) {
		Refuse(w, r, fhir.Refuse(400, "value", "unknown-view", "no such view: "+f.View, "没有这个视图"))
		return
	}
	l.answerList(w, r, f, "worklist")
}

func (l Lines) answerList(w http.ResponseWriter, r *http.Request, f line.Filter, what string) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	q := r.URL.Query()
	f.Count, f.Cursor = 50, q.Get("cursor")
	if n, err := strconv.Atoi(q.Get("count")); err == nil && n > 0 {
		f.Count = min(n, 200)
	}
	answer := workView{Rows: []row{}}
	err := l.Store.View(r.Context(), func(tx *store.Tx) error {
		if words := strings.TrimSpace(q.Get("q")); words != "" {
			var err error
			if f.Patients, err = l.patientsLike(r.Context(), tx, caller, words); err != nil {
				return err
			}
		}
		list, err := l.Runner.Worklist(r.Context(), tx, caller, f)
		if err != nil {
			return err
		}
		rows, err := l.rows(r.Context(), tx, caller, list.Cases)
		n := list.Counts
		answer = workView{rows, list.Total, list.Next, viewCounts{n.Mine, n.In, n.Out, n.Late}}
		return err
	})
	target := f.Line
	if target == "" {
		target = "*"
	}
	l.answerRows(w, r, err, what, target, answer.Rows, answer)
}

// patientsLike finds up to 200 patients by what somebody typed; never nil.
func (l Lines) patientsLike(ctx context.Context, tx *store.Tx, caller *access.Caller, words string) ([]string, error) {
	p := Patients{Store: l.Store, Clock: l.Clock}
	refs := []string{}
	for _, way := range waysToFind(words) {
		page, err := p.search(ctx, tx, caller.Scope, "Patient", 200, way)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Matches {
			refs = append(refs, "Patient/"+v.ID)
		}
		if len(refs) > 0 {
			break
		}
	}
	return refs, nil
}

// rows reads what the page shows of cases, all at once; a Task that the caller may not see is left out.
func (l Lines) rows(ctx context.Context, tx *store.Tx, caller *access.Caller, cases []line.Case) ([]row, error) {
	rows := make([]row, 0, len(cases))
	var tasks, patients []string
	for _, c := range cases {
		tasks, patients = append(tasks, c.Task), append(patients, c.Patient)
	}
	seen, err := readAll(ctx, tx, caller, tasks, patients)
	if err != nil {
		return nil, err
	}
	for _, c := range cases {
		if task := seen[c.Task]; task != nil {
			rows = append(rows, l.row(tx, caller, c, task, personOf(c.Patient, seen[c.Patient], tx.Now())))
		}
	}
	return rows, nil
}

func personOf(ref string, n *fhir.Node, now time.Time) rowPatient {
	if n == nil {
		return rowPatient{}
	}
	return rowPatient{ref, nameOf(n), n.Str("gender"), ageAt(n, now), n.Str("birthDate")}
}

func (l Lines) row(tx *store.Tx, caller *access.Caller, c line.Case, task *fhir.Node, who rowPatient) row {
	x := row{Task: c.Task, Line: c.Line, Flow: c.Flow, Urgency: c.Urgency, Patient: who, What: task.Str("description"),
		From: refAt(task, "requester"), To: refAt(task, "owner"), State: c.State, StateKind: c.Kind,
		EnteredAt: line.Stamp(c.Entered), Updated: line.Stamp(c.Updated), Version: strconv.FormatInt(c.Version, 10)}
	if c.Kind == flow.Open && !c.Due.IsZero() {
		due := line.Stamp(c.Due)
		x.Due, x.Late = &due, !tx.Now().Before(c.Due)
	}
	if f := l.flowOf(c); f != nil {
		s, _ := f.State(c.State)
		x.StateName = s.Name
		switch s.Waits {
		case flow.Owner:
			x.Actor = &x.To
		case flow.Requester:
			x.Actor = &x.From
		}
	}
	x.Mine = l.Runner.Waits(caller, c)
	return x
}

func (l Lines) flowOf(c line.Case) *line.Flow {
	x := l.Runner.Line(c.Line)
	if x == nil {
		return nil
	}
	return x.Flow(c.Flow)
}

func refAt(n *fhir.Node, path string) Ref {
	return Ref{n.Str(path + ".reference"), n.Str(path + ".display")}
}

func cutRef(ref string) (typ, id string, ok bool) {
	ref, _, _ = strings.Cut(ref, "/_history/")
	typ, id, ok = strings.Cut(ref, "/")
	return typ, id, ok && !strings.Contains(id, "/")
}
