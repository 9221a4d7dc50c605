package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Lines shows the service lines: what they are, what waits, each case, their numbers.
type Lines struct {
	Store  *store.Store
	Runner *line.Runner
	Audit  audit.Log
	Clock  clock.Clock
	Below  func(organization string) []string // it and everything beneath it; nil = itself
}

// Register mounts the handlers.
func (l Lines) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/lines", l.list)
	mux.HandleFunc("GET /api/counts", l.counts)
	mux.HandleFunc("GET /api/work", l.work)
	mux.HandleFunc("GET /api/lines/{slug}/worklist", l.worklist)
	mux.HandleFunc("GET /api/lines/{slug}/open", l.open)
	mux.HandleFunc("GET /api/lines/{slug}/cases/{task}", l.show)
	mux.HandleFunc("POST /api/lines/{slug}/cases/{task}/messages", l.message)
	mux.HandleFunc("GET /api/lines/{slug}/indicators", l.indicators)
	mux.HandleFunc("GET /api/lines/{slug}/indicators/{code}/cases", l.drill)
}

type lineView struct {
	Slug   string      `json:"slug"`
	Name   flow.Name   `json:"name"`
	Counts *lineCounts `json:"counts,omitempty"`
	Flows  []flowView  `json:"flows"`
	Start  []startView `json:"start"`
	Views  []viewName  `json:"views"`
}

type lineCounts struct {
	Waiting int `json:"waiting"`
	Late    int `json:"late"`
	Open    int `json:"open"`
	// MineLate of those waiting for the caller are late.
	MineLate int `json:"mineLate"`
}

type flowView struct {
	Code   string      `json:"code"`
	Name   flow.Name   `json:"name"`
	States []stateView `json:"states"`
	Steps  []stepView  `json:"steps"`
}

type stateView struct {
	Code   string    `json:"code"`
	Name   flow.Name `json:"name"`
	Status string    `json:"status"`
	Kind   flow.Kind `json:"kind"`
	Main   bool      `json:"main"`
}

type stepView struct {
	Do      string     `json:"do"`
	Name    flow.Name  `json:"name"`
	From    []string   `json:"from"`
	To      string     `json:"to"`
	By      flow.Party `json:"by"`
	Roles   []string   `json:"roles"`
	Primary bool       `json:"primary"`
	Form    line.Form  `json:"form"`
}

type startView struct {
	Flow  string    `json:"flow"`
	Name  flow.Name `json:"name"`
	Form  line.Form `json:"form"`
	Do    flow.Name `json:"do"`    // what the button says
	About string    `json:"about"` // patient, nobody, or newcomer: somebody whom the hub does not know yet
}

type viewName struct {
	Code string    `json:"code"`
	Name flow.Name `json:"name"`
}

var views = []viewName{
	{line.Mine, flow.Name{Zh: "待我处理", En: "Mine"}}, {line.In, flow.Name{Zh: "收到", En: "Received"}}, {line.Out, flow.Name{Zh: "发出", En: "Sent"}},
	{line.Late, flow.Name{Zh: "逾期", En: "Late"}}, {line.Closed, flow.Name{Zh: "已结束", En: "Ended"}},
}

func (l Lines) list(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	answer := []lineView{}
	for _, x := range l.Runner.Lines {
		if v := describe(x, caller); len(v.Start) > 0 || l.Runner.Shows(caller, x.Slug) {
			answer = append(answer, v)
		}
	}
	if r.URL.Query().Get("counts") == "false" {
		AnswerTagged(w, r, answer)
		return
	}
	counts, err := l.waiting(r.Context(), caller)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	for i := range answer {
		n := counts[answer[i].Slug]
		answer[i].Counts = &n
	}
	Answer(w, http.StatusOK, answer)
}

// counts answers what the stream sends, for pages that have none.
func (l Lines) counts(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	counts, err := l.waiting(r.Context(), caller)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, counts)
}

// Waiting counts the cases of every line for one caller, by slug.
func (l Lines) Waiting(ctx context.Context, caller *access.Caller) (any, error) {
	return l.waiting(ctx, caller)
}

func (l Lines) waiting(ctx context.Context, caller *access.Caller) (map[string]lineCounts, error) {
	var counts map[string]lineCounts
	err := l.Store.View(ctx, func(tx *store.Tx) error {
		all, err := l.Runner.CountLines(ctx, tx, caller)
		counts = make(map[string]lineCounts, len(all))
		for slug, n := range all {
			counts[slug] = lineCounts{n.Mine, n.Late, n.Open, n.MineLate}
		}
		return err
	})
	return counts, err
}

// describe tells the page what a line is and what this role may start.
func describe(x *line.Line, caller *access.Caller) lineView {
	v := lineView{Slug: x.Slug, Name: x.Name, Start: []startView{}, Views: slices.Clone(views)}
	for i, own := range map[int]flow.Name{1: x.In, 2: x.Out} {
		if own.Zh != "" {
			v.Views[i].Name = own
		}
	}
	for _, f := range x.Flows {
		fv := flowView{Code: f.Code, Name: f.Name}
		for _, s := range f.States {
			fv.States = append(fv.States, stateView{s.Code, s.Name, s.Status, s.Kind, s.Main})
		}
		for _, s := range f.Steps {
			if s.By == flow.System || slices.Contains(s.From, flow.New) {
				continue
			}
			fv.Steps = append(fv.Steps, stepView{s.Do, s.Name, s.From, s.To, s.By, s.Roles, s.Primary, f.Form(s.Do).Shown()})
		}
		v.Flows = append(v.Flows, fv)
		if !f.Starts {
			continue
		}
		do := f.Begin(line.Params{})
		if step, err := f.Find(do, flow.New, flow.Requester, string(caller.Role), nil); err == nil && caller.Institution != "" {
			about := "patient"
			switch {
			case f.Impersonal:
				about = "nobody"
			case f.Admits:
				about = "newcomer"
			}
			v.Start = append(v.Start, startView{f.Code, f.Name, f.Form(do).Shown(), step.Name, about})
		}
	}
	return v
}

// open answers which cases of a patient are open, before a form is filled.
func (l Lines) open(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	slug, patient, to := r.PathValue("slug"), r.URL.Query().Get("patient"), r.URL.Query().Get("to")
	if patient == "" {
		Refuse(w, r, fhir.Refuse(400, "required", "missing-field", "patient is required", "请选择患者"))
		return
	}
	if to != "" && l.Runner.Institution != nil {
		to = l.Runner.Institution(to)
	}
	rows := []row{}
	err := l.Store.View(r.Context(), func(tx *store.Tx) error {
		cases, err := l.Runner.OfPatient(r.Context(), tx, caller, slug, patient)
		if err != nil {
			return err
		}
		slices.SortStableFunc(cases, func(a, b line.Case) int { return rankOf(a.Owner != to) - rankOf(b.Owner != to) })
		rows, err = l.rows(r.Context(), tx, caller, cases)
		if err != nil || to == "" {
			return err
		}
		held, err := l.Runner.Taken(r.Context(), tx, slug, patient, to)
		if err != nil || held == "" {
			return err
		}
		for i := range rows {
			rows[i].Duplicate = rows[i].Task == held
		}
		if !slices.ContainsFunc(rows, func(x row) bool { return x.Duplicate }) && read(r.Context(), tx, caller, patient) != nil {
			rows = append([]row{elsewhere(held, patient, to)}, rows...)
		}
		return nil
	})
	l.answerRows(w, r, err, "open-cases", slug, rows, rows)
}

// elsewhere stands for an open case of another institution: that it exists is all that the caller learns.
func elsewhere(task, patient, to string) row {
	return row{Task: task, Patient: rowPatient{Reference: patient}, To: Ref{Reference: to}, StateKind: flow.Open, Duplicate: true,
		StateName: flow.Name{Zh: "其他单位已转诊至此", En: "Referred there by another institution"}}
}

func rankOf(later bool) int {
	if later {
		return 1
	}
	return 0
}

// answerRows leaves the audit entry of the patients shown, then answers.
func (l Lines) answerRows(w http.ResponseWriter, r *http.Request, err error, what, target string, rows []row, answer any) {
	if err == nil {
		err = l.Audit.Read(r.Context(), touch(w, r, "R", what, target, patientsOf(rows)...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

func patientsOf(rows []row) []string {
	var refs []string
	for _, x := range rows {
		if x.Patient.Reference != "" && !slices.Contains(refs, x.Patient.Reference) {
			refs = append(refs, x.Patient.Reference)
		}
	}
	return refs
}

// find returns the line of the path, or answers 404.
func (l Lines) find(w http.ResponseWriter, r *http.Request) *line.Line {
	x := l.Runner.Line(r.PathValue("slug"))
	if x == nil {
		Refuse(w, r, fhir.Refuse(404, "not-found", "unknown-line", "no such line", "没有这项业务"))
	}
	return x
}

// read returns a resource that the caller may see; nil when there is none.
func read(ctx context.Context, tx *store.Tx, caller *access.Caller, ref string) *fhir.Node {
	typ, id, ok := cutRef(ref)
	if !ok {
		return nil
	}
	v, err := tx.Read(ctx, caller.Scope, typ, id)
	if err != nil {
		return nil
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil
	}
	return n
}

// readAll reads resources that the caller may see, one question a type; what he may not see is absent.
func readAll(ctx context.Context, tx *store.Tx, caller *access.Caller, refs ...[]string) (map[string]*fhir.Node, error) {
	byType, found := map[string][]string{}, map[string]*fhir.Node{}
	asked := map[string]bool{}
	for _, ref := range slices.Concat(refs...) {
		typ, id, ok := cutRef(ref)
		if ok && !asked[typ+"/"+id] {
			asked[typ+"/"+id] = true
			byType[typ] = append(byType[typ], id)
		}
	}
	for typ, ids := range byType {
		versions, err := tx.ReadMany(ctx, caller.Scope, typ, ids)
		if err != nil {
			return nil, err
		}
		for id, v := range versions {
			if found[typ+"/"+id], err = fhir.Parse(v.JSON); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}
