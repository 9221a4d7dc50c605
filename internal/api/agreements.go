package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Agreements shows an institution's agreements with others, and whom it may ask for what.
type Agreements struct {
	Store  *store.Store
	Tree   *access.Tree
	Room   *agreement.Room
	Runner *line.Runner
	Audit  audit.Log
	Zone   *time.Location
}

// Register mounts the handlers.
func (a Agreements) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/agreements", a.list)
	mux.HandleFunc("GET /api/agreements/askable", a.askable)
	mux.HandleFunc("GET /api/agreements/{id}", a.show)
}

type agreementView struct {
	ID          string      `json:"id"`
	Task        string      `json:"task"`
	Title       string      `json:"title"`
	Kind        codeView    `json:"kind"`
	State       string      `json:"state"`
	StateName   flow.Name   `json:"stateName"`
	StateKind   flow.Kind   `json:"stateKind"`
	Requester   Ref         `json:"requester"`
	Owner       Ref         `json:"owner"`
	Other       Ref         `json:"other"` // the side that is not the reader's
	Lead        *Ref        `json:"lead"`
	Services    []codeView  `json:"services"`
	Specialties []codeView  `json:"specialties"`
	Sharing     string      `json:"sharing"`
	From        string      `json:"from,omitempty"`
	Until       string      `json:"until,omitempty"` // the last day
	DaysLeft    *int        `json:"daysLeft,omitempty"`
	InForce     bool        `json:"inForce"`
	Mine        bool        `json:"mine"`
	Changed     string      `json:"changed"`
	Detail      *termDetail `json:"detail,omitempty"`
}

type termDetail struct {
	Text      string          `json:"text"`
	WeAsk     []codeView      `json:"weAsk"`   // what we may ask the other side for
	TheyAsk   []codeView      `json:"theyAsk"` // what they may ask of us
	Signers   []signerView    `json:"signers"`
	Documents []Ref           `json:"documents"`
	Suspended *suspensionView `json:"suspended,omitempty"`
}

type signerView struct {
	Org  Ref    `json:"org"`
	Name string `json:"name"`
	At   string `json:"at"`
}

type suspensionView struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
	At     string `json:"at"`
}

type codeView struct {
	Code string    `json:"code"`
	Name flow.Name `json:"name"`
}

type agreementList struct {
	Rows    []agreementView `json:"rows"`
	Summary struct {
		InForce   int      `json:"inForce"`
		Partners  int      `json:"partners"`
		Expiring  int      `json:"expiring"` // within 60 days
		Waiting   int      `json:"waiting"`
		Townships coverage `json:"townships"`
		Villages  coverage `json:"villages"`
	} `json:"summary"`
}

// coverage counts the institutions of a level whose legal person is ours or has an agreement in force with us.
type coverage struct {
	Covered int `json:"covered"`
	Total   int `json:"total"`
}

// soon is when an agreement's end is worth a thought.
const soon = 60 * flow.Day

// handler returns the caller who handles agreements, else answers.
func (a Agreements) handler(w http.ResponseWriter, r *http.Request) *access.Caller {
	c := Caller(w, r)
	if c == nil {
		return nil
	}
	if c.Institution == "" || !a.Runner.Shows(c, "agreement") {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "not-your-business", "agreements are handled by leaders, medical affairs and the referral office", "协议由院领导、医务处和转诊办办理"))
		return nil
	}
	return c
}

// sides lists as whom the caller's institution is party: itself and what stands above it within its legal person.
func (a Agreements) sides(c *access.Caller) []string {
	own := []string{c.Institution}
	for _, above := range a.Tree.Above(c.Institution) {
		if a.Room.Legal(above) == a.Room.Legal(c.Institution) {
			own = append(own, above)
		}
	}
	return own
}

func (a Agreements) list(w http.ResponseWriter, r *http.Request) {
	c := a.handler(w, r)
	if c == nil {
		return
	}
	answer := agreementList{Rows: []agreementView{}}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		rows, err := a.Room.List(r.Context(), tx, a.sides(c))
		if err != nil {
			return err
		}
		answer = agreementList{Rows: []agreementView{}}
		with := map[string]bool{a.Room.Legal(c.Institution): true}
		for _, x := range rows {
			v := a.view(tx, c, x)
			answer.Rows = append(answer.Rows, v)
			if v.InForce {
				answer.Summary.InForce++
				with[a.Room.Legal(v.Other.Reference)] = true
				if v.DaysLeft != nil && !x.Until.After(tx.Now().Add(soon)) {
					answer.Summary.Expiring++
				}
			}
			if v.Mine {
				answer.Summary.Waiting++
			}
		}
		answer.Summary.Partners = len(with) - 1
		for _, p := range a.Tree.All("") {
			into := map[string]*coverage{"township": &answer.Summary.Townships, "village": &answer.Summary.Villages}[p.Level]
			if into == nil {
				continue
			}
			into.Total++
			if with[a.Room.Legal(p.Ref)] {
				into.Covered++
			}
		}
		return nil
	})
	if err == nil {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "agreements", c.Institution))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

func (a Agreements) show(w http.ResponseWriter, r *http.Request) {
	c := a.handler(w, r)
	if c == nil {
		return
	}
	var answer agreementView
	ref := "Contract/" + r.PathValue("id")
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		n := read(r.Context(), tx, c, ref)
		row, found, err := a.row(r.Context(), tx, c, r.PathValue("id"))
		if err != nil {
			return err
		}
		if n == nil || !found {
			return store.ErrNotFound
		}
		answer = a.view(tx, c, row)
		answer.Detail, err = a.detail(r.Context(), tx, c, n, row)
		return err
	})
	if err == nil {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "agreement", ref))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

func (a Agreements) row(ctx context.Context, tx *store.Tx, c *access.Caller, id string) (agreement.Row, bool, error) {
	rows, err := a.Room.List(ctx, tx, a.sides(c))
	i := slices.IndexFunc(rows, func(x agreement.Row) bool { return x.ID == id })
	if err != nil || i < 0 {
		return agreement.Row{}, false, err
	}
	return rows[i], true, nil
}

// askable tells a picker which institutions may be asked for a service; it names parties, no terms.
func (a Agreements) askable(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	service := r.URL.Query().Get("service")
	if service == "redirect" {
		a.onTheWay(w, r, c)
		return
	}
	if _, known := agreement.ServiceOf(service); !known {
		Refuse(w, r, fhir.Refuse(400, "value", "unknown-service", "no such service: "+service, "没有这项业务"))
		return
	}
	parties := []string{}
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		if c.Institution != "" {
			parties, err = a.Room.Askable(r.Context(), tx, c.Institution, service)
		}
		return err
	})
	if err == nil {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "askable", c.Institution))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, map[string]any{"parties": parties})
}

// onTheWay tells where a case may be sent on to: where its sender or the hospital that passes it on may send it.
func (a Agreements) onTheWay(w http.ResponseWriter, r *http.Request, c *access.Caller) {
	task := r.URL.Query().Get("task")
	parties, anywhere := []string{}, false
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		n := read(r.Context(), tx, c, task)
		if n == nil || n.Type() != "Task" || len(line.Sides(c, n)) == 0 {
			return store.ErrNotFound
		}
		parties, anywhere = parties[:0], line.UrgencyOf(n) == flow.Emergency
		for _, ask := range [][2]string{{n.Str("requester.reference"), "up-referral"}, {c.Institution, "up-referral"}, {c.Institution, "down-referral"}} {
			some, err := a.Room.Askable(r.Context(), tx, ask[0], ask[1])
			if err != nil {
				return err
			}
			for _, p := range some {
				if !slices.Contains(parties, p) {
					parties = append(parties, p)
				}
			}
		}
		return nil
	})
	if err == nil {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "askable", task))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, map[string]any{"parties": parties, "anywhere": anywhere})
}

func (a Agreements) zone() *time.Location {
	if a.Zone != nil {
		return a.Zone
	}
	return line.Zone()
}

func (a Agreements) ref(org string) Ref { return Ref{org, a.Tree.Name(org)} }

func (a Agreements) view(tx *store.Tx, c *access.Caller, x agreement.Row) agreementView {
	f := a.Runner.Line("agreement").Flow("contract")
	s, _ := f.State(x.State)
	kind, _ := agreement.Kind(x.Kind)
	v := agreementView{ID: x.ID, Task: "Task/" + x.ID, Title: x.Title, Kind: word(kind), State: x.State, StateName: s.Name, StateKind: s.Kind,
		Requester: a.ref(x.Requester), Owner: a.ref(x.Owner), Other: a.ref(x.Owner), Services: []codeView{}, Specialties: []codeView{}, Sharing: x.Sharing,
		InForce: x.InForce(tx.Now()), Changed: line.Stamp(x.Changed)}
	if slices.Contains(a.sides(c), x.Owner) {
		v.Other = v.Requester
	}
	if x.Lead != "" {
		lead := a.ref(x.Lead)
		v.Lead = &lead
	}
	if !x.From.IsZero() {
		v.From = x.From.In(a.zone()).Format(time.DateOnly)
	}
	if !x.Until.IsZero() {
		v.Until = x.Until.In(a.zone()).AddDate(0, 0, -1).Format(time.DateOnly)
		if v.InForce {
			left := int(x.Until.Sub(tx.Now()) / flow.Day)
			v.DaysLeft = &left
		}
	}
	for _, code := range x.Services {
		w, _ := agreement.ServiceOf(code)
		v.Services = append(v.Services, word(w))
	}
	for _, code := range x.Specialties {
		v.Specialties = append(v.Specialties, word(agreement.Specialty(code)))
	}
	v.Mine = a.Runner.Waits(c, line.Case{Line: "agreement", Flow: "contract", State: x.State, Kind: s.Kind, Urgency: flow.Routine, Owner: x.Owner, Requester: x.Requester})
	return v
}

func word(w agreement.Word) codeView { return codeView{w.Code, flow.Name{Zh: w.Zh, En: w.En}} }

func (a Agreements) detail(ctx context.Context, tx *store.Tx, c *access.Caller, n *fhir.Node, x agreement.Row) (*termDetail, error) {
	t, _ := agreement.Of(n, a.zone())
	d := &termDetail{Text: t.Text, WeAsk: []codeView{}, TheyAsk: []codeView{}, Signers: []signerView{}, Documents: []Ref{}}
	us, them := x.Requester, x.Owner
	if slices.Contains(a.sides(c), x.Owner) {
		us, them = them, us
	}
	for _, code := range x.Services {
		w, _ := agreement.ServiceOf(code)
		if a.Room.Lets(t, us, code) {
			d.WeAsk = append(d.WeAsk, word(w))
		}
		if a.Room.Lets(t, them, code) {
			d.TheyAsk = append(d.TheyAsk, word(w))
		}
	}
	for _, s := range n.All("signer") {
		d.Signers = append(d.Signers, signerView{refAt(s, "party"), s.Str("signature[0].who.display"), s.Str("signature[0].when")})
	}
	for _, l := range n.All("legal") {
		doc := refAt(l, "contentReference")
		if file := read(ctx, tx, c, doc.Reference); file != nil {
			doc.Reference = file.Str("content[0].attachment.url")
		}
		d.Documents = append(d.Documents, doc)
	}
	if x.State != agreement.Suspended {
		return d, nil
	}
	if task := read(ctx, tx, c, "Task/"+x.ID); task != nil {
		for _, m := range slices.Backward(line.History(task)) {
			if m.Step == "suspend" {
				d.Suspended = &suspensionView{m.OrgName, line.FactText(task, "reason"), line.Stamp(m.At)}
				break
			}
		}
	}
	return d, nil
}
