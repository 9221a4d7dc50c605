package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Review is the line whose cases are pairs of records.
const Review = "personreview"

// Persons shows which records are of one person, and lays possible pairs before the records desk.
type Persons struct {
	Store  *store.Store
	Index  *empi.Index
	Runner *line.Runner
	Audit  audit.Log
	Tree   *access.Tree
	Clock  clock.Clock
	Zone   *time.Location
}

// Register mounts the handlers.
func (p Persons) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/pairs", p.list)
	mux.HandleFunc("GET /api/pairs/{task}", p.pair)
	mux.HandleFunc("POST /api/pairs/{task}/reveal", p.reveal)
	mux.HandleFunc("POST /api/pairs/{task}/take-back", p.takeBack)
	mux.HandleFunc("GET /api/patients/{id}/person", p.person)
	mux.HandleFunc("POST /api/patients/{id}/person/undo", p.undo)
}

// pairRow is one case of the line in the list.
type pairRow struct {
	Task        string    `json:"task"`
	Flow        string    `json:"flow"`
	State       string    `json:"state"`
	StateName   flow.Name `json:"stateName"`
	StateKind   flow.Kind `json:"stateKind"`
	Due         *string   `json:"due"`
	Late        bool      `json:"late"`
	Mine        bool      `json:"mine"`
	Version     string    `json:"version"`
	Opened      string    `json:"opened"`
	What        string    `json:"what"`
	Owner       Ref       `json:"owner"`
	Asked       *Ref      `json:"asked,omitempty"`
	Question    string    `json:"question,omitempty"`
	Answer      string    `json:"answer,omitempty"`
	ClaimedBy   string    `json:"claimedBy,omitempty"`
	Hospitals   []Ref     `json:"hospitals"`
	Pair        string    `json:"pair,omitempty"`
	PairState   string    `json:"pairState,omitempty"`
	PairVersion string    `json:"pairVersion,omitempty"`
	Why         string    `json:"why,omitempty"`
	Bar         string    `json:"bar,omitempty"`
	Score       float64   `json:"score"`
	Probability float64   `json:"probability"`
	Left        *pairSide `json:"left"`
	Right       *pairSide `json:"right"`
}

// pairSide is one record; Hidden is another hospital's that is not for the reader.
type pairSide struct {
	Reference string `json:"reference,omitempty"`
	Name      string `json:"name,omitempty"`
	Sex       string `json:"sex,omitempty"`
	Age       int    `json:"age,omitempty"`
	BirthDate string `json:"birthDate,omitempty"`
	Org       Ref    `json:"org"`
	Updated   string `json:"updated,omitempty"`
	Opens     bool   `json:"opens"` // the reader may open the record itself
	Hidden    bool   `json:"hidden,omitempty"`
}

// laid is a case with its pair and as much of both records as the reader may see.
type laid struct {
	row     pairRow
	task    *fhir.Node
	flow    *line.Flow
	pair    *empi.Pair
	nodes   [2]*fhir.Node
	shown   []string // "Patient/…"
	version [2]store.Version
}

func (p Persons) list(w http.ResponseWriter, r *http.Request) {
	caller := p.clerk(w, r)
	if caller == nil {
		return
	}
	q := r.URL.Query()
	f := line.Filter{View: q.Get("view"), Line: Review, Flow: q.Get("flow"), Count: 50, Cursor: q.Get("cursor")}
	if f.View == "" {
		f.View = line.Mine
	}
	if !slices.ContainsFunc(views, func(v viewName) bool { return v.Code == f.View }) {
		Refuse(w, r, fhir.Refuse(400, "value", "unknown-view", "no such view: "+f.View, "没有这个视图"))
		return
	}
	if n, err := strconv.Atoi(q.Get("count")); err == nil && n > 0 {
		f.Count = min(n, 100)
	}
	answer := struct {
		Rows   []pairRow  `json:"rows"`
		Total  int        `json:"total"`
		Next   string     `json:"next"`
		Counts viewCounts `json:"counts"`
	}{Rows: []pairRow{}}
	var shown []string
	err := p.Store.View(r.Context(), func(tx *store.Tx) error {
		answer.Rows, shown = answer.Rows[:0], nil
		found, err := p.Runner.Worklist(r.Context(), tx, caller, f)
		if err != nil {
			return err
		}
		n := found.Counts
		answer.Total, answer.Next, answer.Counts = found.Total, found.Next, viewCounts{n.Mine, n.In, n.Out, n.Late}
		var refs []string
		for _, c := range found.Cases {
			refs = append(refs, c.Task)
		}
		tasks, err := readAll(r.Context(), tx, caller, refs)
		if err != nil {
			return err
		}
		names := newNamer(tx, caller.Scope)
		for _, c := range found.Cases {
			if tasks[c.Task] == nil {
				continue
			}
			x, err := p.lay(r.Context(), tx, caller, c, tasks[c.Task], names)
			if err != nil {
				return err
			}
			answer.Rows, shown = append(answer.Rows, x.row), append(shown, x.shown...)
		}
		return nil
	})
	if err == nil {
		err = p.Audit.Read(r.Context(), touch(w, r, "R", "pair-list", "Task", shown...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

// clerk is the caller where pairs are his work; else he is refused, and learns nothing.
func (p Persons) clerk(w http.ResponseWriter, r *http.Request) *access.Caller {
	caller := Caller(w, r)
	if caller == nil {
		return nil
	}
	if !p.handles(caller) {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "records-desk-only", "the records desk reviews pairs", "仅病案室可以核对"))
		return nil
	}
	return caller
}

func (p Persons) handles(by *access.Caller) bool {
	return by.Institution != "" && by.Client == "" && access.SeesPatients(by.Role) && p.Runner.Shows(by, Review)
}

// find reads one case of the line in the caller's scope.
func (p Persons) find(ctx context.Context, tx *store.Tx, caller *access.Caller, id string) (*laid, error) {
	task := read(ctx, tx, caller, "Task/"+id)
	c, err := p.Runner.CaseOf(ctx, tx, "Task/"+id)
	if err != nil {
		return nil, err
	}
	if task == nil || c == nil || c.Line != Review {
		return nil, store.ErrNotFound
	}
	return p.lay(ctx, tx, caller, *c, task, newNamer(tx, caller.Scope))
}

// lay puts a case together. While it is open, its owner's desk sees of both records what is compared; a hospital that is
// asked sees its own; afterwards everybody sees what he may read anyway.
func (p Persons) lay(ctx context.Context, tx *store.Tx, caller *access.Caller, c line.Case, task *fhir.Node, names *namer) (*laid, error) {
	x := &laid{task: task, flow: p.Runner.Line(Review).Flow(c.Flow)}
	x.row = pairRow{Task: c.Task, Flow: c.Flow, State: c.State, StateKind: c.Kind, Version: strconv.FormatInt(c.Version, 10), Opened: line.Stamp(c.Opened),
		What: task.Str("description"), Owner: refAt(task, "owner"), Mine: p.Runner.Waits(caller, c), Hospitals: []Ref{},
		Question: line.FactText(task, "question"), Answer: line.FactText(task, "answer"), ClaimedBy: line.FactText(task, "claimed-by")}
	if s, ok := x.flow.State(c.State); ok {
		x.row.StateName = s.Name
	}
	if asked := refAt(task, "requester"); asked.Reference != x.row.Owner.Reference {
		x.row.Asked = &asked
	}
	if c.Kind == flow.Open && !c.Due.IsZero() {
		due := line.Stamp(c.Due)
		x.row.Due, x.row.Late = &due, !tx.Now().Before(c.Due)
	}
	for _, h := range line.Facts(task, "hospital") {
		x.row.Hospitals = append(x.row.Hospitals, Ref{h.Str("reference"), h.Str("display")})
	}
	id, err := strconv.ParseInt(line.FactText(task, "pair"), 10, 64)
	if err != nil {
		return x, nil
	}
	pair, err := p.Index.Pair(ctx, tx, id)
	if gone(err) {
		return x, nil
	}
	if err != nil {
		return nil, err
	}
	x.pair = &pair
	x.row.Pair, x.row.PairState, x.row.PairVersion = strconv.FormatInt(id, 10), pair.State, strconv.FormatInt(pair.Version, 10)
	x.row.Why, x.row.Bar, x.row.Score, x.row.Probability = pair.Why, pair.Bar, pair.Score, pair.Probability
	sides := []empi.Side{pair.Left, pair.Right}
	ids := []string{strings.TrimPrefix(pair.Left.Patient, "Patient/"), strings.TrimPrefix(pair.Right.Patient, "Patient/")}
	own, err := tx.ReadMany(ctx, caller.Scope, "Patient", ids)
	if err != nil {
		return nil, err
	}
	all := map[string]store.Version{}
	if c.Kind == flow.Open && p.handles(caller) {
		if all, err = tx.ReadMany(ctx, search.Everything, "Patient", ids); err != nil {
			return nil, err
		}
	}
	for i, side := range sides {
		v, opens := own[ids[i]]
		if !opens {
			asked := c.Requester == caller.Institution && p.Tree.Within(side.Custodian, caller.Institution)
			if other, there := all[ids[i]]; there && (c.Owner == caller.Institution || asked) {
				v = other
			}
		}
		s := &pairSide{Org: names.ref(ctx, side.Custodian), Opens: opens, Hidden: v.ID == ""}
		if !s.Hidden {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return nil, err
			}
			x.nodes[i], x.version[i], x.shown = n, v, append(x.shown, side.Patient)
			s.Reference, s.Name, s.Sex, s.Age, s.BirthDate, s.Updated = side.Patient, nameOf(n), n.Str("gender"), ageAt(n, tx.Now()), n.Str("birthDate"), line.Stamp(v.Updated)
		}
		if i == 0 {
			x.row.Left = s
		} else {
			x.row.Right = s
		}
	}
	return x, nil
}

func (p Persons) pair(w http.ResponseWriter, r *http.Request) {
	caller := p.clerk(w, r)
	if caller == nil {
		return
	}
	var x *laid
	answer := struct {
		Row    pairRow    `json:"row"`
		Fields []compared `json:"fields"`
		Path   []pathMark `json:"path"`
		Open   []openStep `json:"open"`
		Back   bool       `json:"back"` // the decision may be taken back
		Why    line.Form  `json:"why"`
	}{Fields: []compared{}}
	err := p.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		if x, err = p.find(r.Context(), tx, caller, r.PathValue("task")); err != nil {
			return err
		}
		answer.Row, answer.Path = x.row, pathOf(x.flow, x.task)
		answer.Open = Lines{Runner: p.Runner}.openSteps(caller, x.flow, x.task, x.row.State)
		answer.Back, answer.Why = p.mayTakeBack(caller, x), p.undoForm()
		if x.pair != nil && (x.nodes[0] != nil || x.nodes[1] != nil) {
			fields := x.pair.Verdict.Fields
			if x.nodes[0] == nil || x.nodes[1] == nil { // evidence tells of the other record
				fields = nil
			}
			answer.Fields = compare(x.nodes[0], x.nodes[1], fields)
		}
		return nil
	})
	if err == nil {
		err = p.Audit.Read(r.Context(), touch(w, r, "R", "pair", x.row.Task, x.shown...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

func (p Persons) undoForm() line.Form { return p.Runner.Line(Review).Flow("undo").Form("undo").Shown() }

// reveal shows a number or telephone in full: one at a time, and audited.
func (p Persons) reveal(w http.ResponseWriter, r *http.Request) {
	caller := p.clerk(w, r)
	if caller == nil {
		return
	}
	var ask struct{ Side, Field, System string }
	if err := Body(w, r, 1<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	var values []string
	patient, task := "", "Task/"+r.PathValue("task")
	err := p.Store.View(r.Context(), func(tx *store.Tx) error {
		x, err := p.find(r.Context(), tx, caller, r.PathValue("task"))
		if err != nil {
			return err
		}
		at := slices.Index([]string{"left", "right"}, ask.Side)
		if at < 0 || x.nodes[at] == nil || x.row.StateKind != flow.Open {
			return store.ErrNotFound
		}
		patient = []string{x.pair.Left.Patient, x.pair.Right.Patient}[at]
		switch ask.Field {
		case "number":
			values = numbersOf(x.nodes[at], ask.System)
		case "phone":
			values = phones(x.nodes[at])
		default:
			return fhir.Refuse(422, "value", "unknown-field", `field is "number" or "phone"`, "只能显示证件号或电话")
		}
		return nil
	})
	if err == nil {
		err = p.Audit.Read(r.Context(), touch(w, r, "R", "reveal:"+ask.Field, task, patient))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, map[string]any{"values": values})
}
