package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

type caseView struct {
	Row          row            `json:"row"`
	Request      *node          `json:"request"`
	Task         *node          `json:"task"`
	Coordinators []coordinator  `json:"coordinators"`
	Path         []pathMark     `json:"path"`
	Open         []openStep     `json:"open"`
	Waiting      *waitingView   `json:"waiting"`
	Packet       packetView     `json:"packet"`
	Insurance    *insuranceView `json:"insurance"`
	Chain        []chainView    `json:"chain"`
	Messages     []messageView  `json:"messages"`
	Plan         *node          `json:"plan"`
	Outcome      map[string]any `json:"outcome"`
}

// node goes out as the JSON that it is.
type node struct{ *fhir.Node }

func (n node) MarshalJSON() ([]byte, error) { return n.JSON(), nil }

func nodeOrNil(n *fhir.Node) *node {
	if n == nil {
		return nil
	}
	return &node{n}
}

type coordinator struct {
	Side  string `json:"side"`
	Name  string `json:"name"`
	Phone string `json:"phone"`
}

type pathMark struct {
	State     string    `json:"state"`
	StateName flow.Name `json:"stateName"`
	At        string    `json:"at"`
	By        author    `json:"by"`
	Stayed    string    `json:"stayed,omitempty"`
	Step      string    `json:"step"`
	Note      string    `json:"note"`
}

type author struct {
	Name string `json:"name"`
	Org  string `json:"org"`
}

type openStep struct {
	Do      string    `json:"do"`
	Name    flow.Name `json:"name"`
	Primary bool      `json:"primary"`
	Form    line.Form `json:"form"`
	Effect  flow.Name `json:"effect"`
}

type waitingView struct {
	Actor Ref       `json:"actor"`
	Due   string    `json:"due,omitempty"`
	Text  flow.Name `json:"text"`
}

type packetView struct {
	FrozenAt string       `json:"frozenAt"`
	Hash     string       `json:"hash"`
	Complete bool         `json:"complete"`
	Missing  []flow.Name  `json:"missing"`
	Items    []packetItem `json:"items"`
}

type packetItem struct {
	Reference string `json:"reference"`
	Kind      string `json:"kind"`
	Title     string `json:"title"`
	At        string `json:"at"`
}

type insuranceView struct {
	Place       string     `json:"place"`
	Type        string     `json:"type"`
	Certificate string     `json:"certificate"`
	Filing      string     `json:"filing"`
	ValidUntil  string     `json:"validUntil"`
	Warning     *flow.Name `json:"warning,omitempty"`
}

type chainView struct {
	Task      string    `json:"task"`
	Flow      string    `json:"flow"`
	FlowName  flow.Name `json:"flowName"`
	State     string    `json:"state"`
	StateName flow.Name `json:"stateName"`
	From      Ref       `json:"from"`
	To        Ref       `json:"to"`
	At        string    `json:"at"`
	Closed    bool      `json:"closed"`
	Current   bool      `json:"current"`
}

func (l Lines) show(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil || l.find(w, r) == nil {
		return
	}
	var answer caseView
	err := l.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		answer, err = l.caseOf(r.Context(), tx, caller, r.PathValue("slug"), "Task/"+r.PathValue("task"))
		return err
	})
	l.answerRows(w, r, err, "case", "Task/"+r.PathValue("task"), []row{answer.Row}, answer)
}

func (l Lines) caseOf(ctx context.Context, tx *store.Tx, caller *access.Caller, slug, ref string) (caseView, error) {
	v := caseView{Coordinators: []coordinator{}, Path: []pathMark{}, Open: []openStep{}, Chain: []chainView{}, Messages: []messageView{}}
	task := read(ctx, tx, caller, ref)
	if task == nil {
		return v, store.ErrNotFound
	}
	c, err := l.Runner.CaseOf(ctx, tx, ref)
	if err != nil {
		return v, err
	}
	if c == nil || c.Line != slug || l.flowOf(*c) == nil {
		return v, store.ErrNotFound
	}
	f := l.flowOf(*c)
	chain, err := l.Runner.Chain(ctx, tx, caller, c.Requisition)
	if err != nil {
		return v, err
	}
	focus, plan := task.Str("focus.reference"), line.FactText(task, "plan")
	refs := []string{c.Patient, focus, plan}
	for _, k := range chain {
		refs = append(refs, k.Task)
	}
	for _, p := range line.Facts(task, "packet") {
		refs = append(refs, p.Str("reference"))
	}
	seen, err := readAll(ctx, tx, caller, refs)
	if err != nil {
		return v, err
	}
	v.Row = l.row(tx, caller, *c, task, personOf(c.Patient, seen[c.Patient], tx.Now()))
	v.Task, v.Request, v.Plan = nodeOrNil(task), nodeOrNil(seen[focus]), nodeOrNil(seen[plan])
	v.Coordinators = coordinatorsOf(task)
	v.Path = pathOf(f, task)
	v.Open = l.openSteps(caller, f, task, c.State)
	v.Waiting = waitingOf(v.Row)
	v.Packet = packetOf(f, task, seen)
	v.Insurance = insuranceOf(task, chain)
	for _, k := range chain {
		if t := seen[k.Task]; t != nil && l.flowOf(k) != nil {
			v.Chain = append(v.Chain, l.hop(k, t, k.Task == ref))
		}
	}
	if v.Messages, err = messagesOf(ctx, tx, caller, ref); err != nil {
		return v, err
	}
	v.Outcome = outcomeOf(f, task)
	return v, nil
}

// hop is one hand-over of the chain, in the same words for everybody who sees the patient.
func (l Lines) hop(k line.Case, task *fhir.Node, current bool) chainView {
	f := l.flowOf(k)
	s, _ := f.State(k.State)
	return chainView{k.Task, k.Flow, f.Name, k.State, s.Name, refAt(task, "requester"), refAt(task, "owner"), line.Stamp(k.Opened), k.Kind != flow.Open, current}
}

func coordinatorsOf(task *fhir.Node) []coordinator {
	list := []coordinator{}
	for _, x := range []struct{ side, name, phone string }{{"from", "coordinator", "phone"}, {"to", "coordinator-to", "phone-to"}} {
		c := coordinator{x.side, line.FactText(task, x.name), line.FactText(task, x.phone)}
		if c.Name != "" || c.Phone != "" {
			list = append(list, c)
		}
	}
	return list
}

func pathOf(f *line.Flow, task *fhir.Node) []pathMark {
	marks := line.History(task)
	path := []pathMark{}
	for i, m := range marks {
		s, _ := f.State(m.State)
		p := pathMark{State: m.State, StateName: s.Name, At: line.Stamp(m.At), By: author{m.Name, m.OrgName}, Step: m.Step, Note: m.Text}
		if i+1 < len(marks) {
			p.Stayed = isoSpan(marks[i+1].At.Sub(m.At))
		}
		path = append(path, p)
	}
	return path
}

// isoSpan writes a duration as ISO 8601, PT1H5M.
func isoSpan(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("PT%dS", int(d.Seconds()))
	}
	s := "PT"
	if h := int(d.Hours()); h > 0 {
		s += fmt.Sprintf("%dH", h)
	}
	if m := int(d.Minutes()) % 60; m > 0 {
		s += fmt.Sprintf("%dM", m)
	}
	return s
}

func (l Lines) openSteps(caller *access.Caller, f *line.Flow, task *fhir.Node, state string) []openStep {
	steps := []openStep{}
	seen := map[string]bool{}
	for _, side := range line.Sides(caller, task) {
		for _, s := range f.Open(state, side, string(caller.Role), line.Known(task)) {
			if !seen[s.Do] {
				seen[s.Do] = true
				form := f.Form(s.Do).Shown().Narrowed(s.When.Field, s.When.Is)
				if line.UrgencyOf(task) == flow.Emergency {
					form = form.InEmergency()
				}
				steps = append(steps, openStep{s.Do, s.Name, s.Primary, form, s.Effect})
			}
		}
	}
	return steps
}

func waitingOf(x row) *waitingView {
	if x.Actor == nil {
		return nil
	}
	w := &waitingView{Actor: *x.Actor}
	w.Text = flow.Name{Zh: "等待 " + x.Actor.Display + " 处理", En: "Waiting for " + x.Actor.Display}
	if x.Due != nil {
		w.Due = *x.Due
		if x.Late {
			w.Text = flow.Name{Zh: x.Actor.Display + " 已逾期未处理", En: x.Actor.Display + " is late"}
		}
	}
	return w
}

func packetOf(f *line.Flow, task *fhir.Node, seen map[string]*fhir.Node) packetView {
	p := packetView{FrozenAt: line.FactText(task, "packet-frozen"), Hash: line.FactText(task, "packet-hash"), Complete: true, Missing: []flow.Name{}, Items: []packetItem{}}
	kinds := map[string]bool{}
	for _, x := range task.All("input") {
		if x.Str("type.coding[0].code") != "packet" {
			continue
		}
		ref := x.Str("valueReference.reference")
		it := packetItem{Reference: ref, Kind: x.Str("type.text"), Title: x.Str("valueReference.display")}
		typ, id, _ := cutRef(ref)
		if n := seen[typ+"/"+id]; n != nil {
			it.At = first(n, "effectiveDateTime", "date", "recordedDate", "issued", "started", "authoredOn", "meta.lastUpdated")
			if n.Str("docStatus") == "preliminary" {
				p.Complete = false
				p.Missing = append(p.Missing, flow.Name{Zh: it.Title + " 尚未上传完成", En: it.Title + " is still uploading"})
			}
		}
		kinds[it.Kind] = true
		p.Items = append(p.Items, it)
	}
	if len(p.Items) == 0 && !asksForDocuments(f) {
		return p
	}
	if !kinds["summary"] && !kinds["document"] {
		p.Missing = append(p.Missing, flow.Name{Zh: "没有病历摘要或文书", En: "No summary or document"})
	}
	if !kinds["result"] && !kinds["image"] {
		p.Missing = append(p.Missing, flow.Name{Zh: "没有检验检查结果", En: "No results"})
	}
	return p
}

// asksForDocuments: only then can some be missing.
func asksForDocuments(f *line.Flow) bool {
	for _, form := range f.Forms {
		if slices.ContainsFunc(form.Fields, func(x line.Field) bool { return x.Type == "documents" && !x.Hidden }) {
			return true
		}
	}
	return false
}

func insuranceOf(task *fhir.Node, chain []line.Case) *insuranceView {
	v := &insuranceView{line.FactText(task, "insurance-place"), line.FactText(task, "insurance-type"), line.FactText(task, "certificate"),
		line.FactText(task, "filing"), line.FactText(task, "filing-until"), nil}
	if *v == (insuranceView{}) {
		return nil
	}
	if v.Filing == "" {
		v.Filing = "not-needed"
	}
	for _, k := range chain {
		if k.Flow == "insurance-filing" && k.Requester == task.Str("requester.reference") && v.Filing == "to-file" && k.Kind != flow.Open {
			v.Filing = k.State // filed, not-needed, declined
		}
	}
	switch v.Filing {
	case "to-file":
		v.Warning = &flow.Name{Zh: "尚未备案，请医保办在结算前补办；不影响就诊", En: "Not filed yet; to be filed before settlement. Care goes on."}
	case "declined":
		v.Warning = &flow.Name{Zh: "备案未通过，结算比例可能降低", En: "The filing was declined; reimbursement may be lower."}
	}
	return v
}

// outcomeOf gathers what came of the case, by the form's names.
func outcomeOf(f *line.Flow, task *fhir.Node) map[string]any {
	out := map[string]any{}
	for _, x := range task.All("output") {
		code := x.Str("type.coding[0].code")
		for _, m := range x.Members {
			if !strings.HasPrefix(m.Name, "value") || strings.HasPrefix(code, "coordinator") || strings.HasPrefix(code, "phone") {
				continue
			}
			switch v := m.Value; {
			case m.Name == "valueCodeableConcept":
				out[code] = flow.Name{Zh: v.Str("coding[0].display"), En: optionName(f, code, v.Str("coding[0].code"))}
			case m.Name == "valueReference":
				out[code] = Ref{v.Str("reference"), v.Str("display")}
			default:
				out[code] = v.Text
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func optionName(f *line.Flow, field, code string) string {
	for _, form := range f.Forms {
		if n := form.Option(field, code); n.En != code {
			return n.En
		}
	}
	return code
}
