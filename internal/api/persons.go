package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// lately is how long a record says that it was taken apart from another.
const lately = 30 * 24 * time.Hour

// personView is a person as far as the reader sees his records.
type personView struct {
	Person  string       `json:"person"` // "" = a record by itself
	Members []memberView `json:"members"`
	Golden  []goldenView `json:"golden"`
	Log     []logView    `json:"log"`
	Undone  []logView    `json:"undone"` // lately, of this record
	MayUndo bool         `json:"mayUndo"`
	Why     *line.Form   `json:"why,omitempty"`
}

type memberView struct {
	Reference   string  `json:"reference"`
	Name        string  `json:"name"`
	Sex         string  `json:"sex"`
	BirthDate   string  `json:"birthDate"`
	Org         Ref     `json:"org"`
	Since       string  `json:"since,omitempty"`
	Source      string  `json:"source,omitempty"`
	By          string  `json:"by,omitempty"`
	Probability float64 `json:"probability,omitempty"`
	This        bool    `json:"this"`
}

type goldenView struct {
	Field string `json:"field"`
	Kind  string `json:"kind,omitempty"`
	Value string `json:"value"`
	From  string `json:"from"`
	Org   Ref    `json:"org"`
	At    string `json:"at"`
	Rule  string `json:"rule"`
	Other int    `json:"other"`
}

type logView struct {
	At      string `json:"at"`
	What    string `json:"what"`
	Source  string `json:"source"`
	Patient string `json:"patient"`
	With    string `json:"with,omitempty"`
	By      string `json:"by,omitempty"`
	Why     string `json:"why,omitempty"`
}

// gone says that something is not there, or no more.
func gone(err error) bool {
	var no *fhir.Error
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) || errors.As(err, &no) && no.Status == http.StatusNotFound
}

func (p Persons) person(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	var answer personView
	var shown []string
	err := p.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		answer, shown, err = p.personOf(r.Context(), tx, caller, r.PathValue("id"))
		return err
	})
	if err == nil {
		err = p.Audit.Read(r.Context(), touch(w, r, "R", "person", "Patient/"+r.PathValue("id"), shown...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

// personOf shows the records of a person that the caller may read, one by one: being linked grants nothing, and a
// record that he may not see is not even counted.
func (p Persons) personOf(ctx context.Context, tx *store.Tx, caller *access.Caller, id string) (personView, []string, error) {
	v := personView{Members: []memberView{}, Golden: []goldenView{}, Log: []logView{}, Undone: []logView{}}
	self := "Patient/" + id
	if _, _, err := readPatient(ctx, tx, caller.Scope, id); err != nil {
		return v, nil, err
	}
	who, err := p.Index.Person(ctx, tx, self)
	if gone(err) {
		return v, []string{self}, nil
	}
	if err != nil {
		return v, nil, err
	}
	var refs []string
	for _, m := range who.Members {
		refs = append(refs, m.Patient)
	}
	events, err := p.Index.LogOf(ctx, tx, self)
	if err != nil {
		return v, nil, err
	}
	for _, e := range events {
		refs = append(refs, e.With)
	}
	seen, err := readAll(ctx, tx, caller, refs)
	if err != nil {
		return v, nil, err
	}
	names := newNamer(tx, caller.Scope)
	var members []string
	at := map[string]Ref{}
	for _, m := range who.Members {
		n := seen[m.Patient]
		if n == nil {
			continue
		}
		at[m.Patient] = names.ref(ctx, m.Custodian)
		x := memberView{Reference: m.Patient, Name: nameOf(n), Sex: n.Str("gender"), BirthDate: n.Str("birthDate"), Org: at[m.Patient],
			Source: m.Source, By: m.By.Name, Probability: m.Probability, This: m.Patient == self}
		if !m.Since.IsZero() {
			x.Since = line.Stamp(m.Since)
		}
		v.Members, members = append(v.Members, x), append(members, m.Patient)
	}
	if len(members) > 1 {
		v.Person = fmt.Sprint(who.ID)
		if err := p.golden(ctx, tx, &v, members, at); err != nil {
			return v, nil, err
		}
		log, err := p.Index.Log(ctx, tx, who.ID)
		if err != nil {
			return v, nil, err
		}
		for _, e := range log {
			x := logOf(e)
			told := slices.ContainsFunc(v.Log, func(o logView) bool { // a link is entered with both of its records
				return o.What == x.What && o.At == x.At && o.Patient == x.With && o.With == x.Patient
			})
			if !told && slices.Contains(members, e.Patient) && (e.With == "" || slices.Contains(members, e.With)) {
				v.Log = append(v.Log, x)
			}
		}
		if p.handles(caller) {
			form := p.undoForm()
			v.MayUndo, v.Why = true, &form
		}
	}
	since := tx.Now().Add(-lately)
	for _, e := range events {
		if e.What != "unlinked" || !e.At.After(since) || seen[e.With] == nil || slices.Contains(members, e.With) {
			continue
		}
		v.Undone = append(v.Undone, logOf(e))
		if e.Decision == 0 {
			continue
		}
		said, err := p.Index.Decisions(ctx, tx, self)
		if err != nil {
			return v, nil, err
		}
		for _, d := range said {
			if d.ID == e.Decision {
				v.Undone[len(v.Undone)-1].Why = d.Reason
			}
		}
	}
	return v, append(members, self), nil
}

// golden is chosen among the records that the caller sees.
func (p Persons) golden(ctx context.Context, tx *store.Tx, v *personView, members []string, at map[string]Ref) error {
	fields, err := p.Index.Golden(ctx, tx, members)
	if err != nil {
		return err
	}
	for _, f := range fields {
		x := goldenView{Field: f.Field, Kind: f.Kind, Value: f.Value, From: f.From, Org: at[f.From], Rule: f.Rule, Other: f.Other}
		if !f.At.IsZero() {
			x.At = line.Stamp(f.At)
		}
		switch {
		case f.Field == "number" && !ofHospital(f.Kind):
			x.Value = maskID(f.Value)
		case f.Field == "phone":
			x.Value = maskPhone(f.Value)
		}
		v.Golden = append(v.Golden, x)
	}
	return nil
}

func logOf(e empi.Entry) logView {
	return logView{line.Stamp(e.At), e.What, e.Source, e.Patient, e.With, e.By.Name, e.Why}
}

// undo takes a record out of a person for good, and tells the other hospitals; who opened one of the records through the
// other meanwhile is told by the index.
func (p Persons) undo(w http.ResponseWriter, r *http.Request) {
	caller := p.clerk(w, r)
	if caller == nil {
		return
	}
	var ask struct{ Patient, Reason, Note string }
	if err := Body(w, r, 16<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	words, err := p.why(ask.Reason, ask.Note)
	told := []Ref{}
	if err == nil {
		err = p.Store.Update(r.Context(), func(tx *store.Tx) error {
			told = told[:0]
			if _, _, err := readPatient(r.Context(), tx, caller.Scope, r.PathValue("id")); err != nil {
				return err
			}
			who, err := p.Index.Person(r.Context(), tx, "Patient/"+r.PathValue("id"))
			if err != nil {
				return err
			}
			at := slices.IndexFunc(who.Members, func(m empi.Member) bool { return m.Patient == ask.Patient })
			if at < 0 || len(who.Members) < 2 || read(r.Context(), tx, caller, ask.Patient) == nil {
				return fhir.Refuse(404, "not-found", "not-linked", "these records are not linked, or not visible to you", "这两份记录没有合并，或您无权查看")
			}
			told, err = p.part(r.Context(), tx, caller, who, ask.Patient, words)
			return err
		})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, map[string]any{"told": told})
}

// why is the reason in words.
func (p Persons) why(reason, note string) (string, error) {
	form := p.undoForm()
	params := fhir.New("Parameters", "parameter", fhir.Arr{fhir.Obj{"name", "reason", "valueCode", reason}})
	if note = strings.TrimSpace(note); note != "" {
		params.Add("parameter", fhir.Obj{"name", "note", "valueString", note})
	}
	if err := form.Check(line.ParamsOf(params), "routine"); err != nil {
		return "", err
	}
	if reason == "other" && note == "" {
		return "", fhir.Refuse(422, "business-rule", "needs-words", "say in words why", "选择“其他”时请用文字说明")
	}
	return joined(form.Option("reason", reason).Zh, note), nil
}

// part takes one record out and opens a case for every other hospital's desk, in one unit with the audit entry.
func (p Persons) part(ctx context.Context, tx *store.Tx, by *access.Caller, who empi.Person, patient, words string) ([]Ref, error) {
	if _, err := p.Index.Unlink(ctx, tx, who.ID, patient, words, empi.Caller(ctx)); err != nil {
		return nil, err
	}
	desks, patients := []Ref{}, []string{}
	for _, m := range who.Members {
		patients = append(patients, m.Patient)
		desk := p.Tree.Desk(m.Custodian)
		if desk == "" || desk == by.Institution || slices.ContainsFunc(desks, func(d Ref) bool { return d.Reference == desk }) {
			continue
		}
		desks = append(desks, Ref{desk, p.Tree.Name(desk)})
	}
	for _, d := range desks {
		task := fhir.New("Task", "extension", fhir.Arr{fhir.Obj{"url", access.TaskOnly, "valueBoolean", true}}, "priority", "urgent",
			"description", "一次记录合并已被撤销", "requester", fhir.Ref(by.Institution, p.Tree.Name(by.Institution)), "owner", fhir.Ref(d.Reference, d.Display))
		line.Say(task, "input", "person", "主索引号", "valueString", fmt.Sprint(who.ID))
		line.Say(task, "input", "words", "说明", "valueString", words)
		if _, err := p.Runner.Open(ctx, tx, by, Review, "undo", "undo", words, task); err != nil {
			return nil, err
		}
	}
	return desks, p.note(ctx, tx, "unlink", patient, words, patients...)
}

func (p Persons) note(ctx context.Context, tx *store.Tx, what, target, words string, patients ...string) error {
	e := audit.Of(ctx, "U", what, target)
	e.At, e.Wall, e.Reason, e.Patients, e.Count = tx.Now(), time.Now(), words, patients, len(patients)
	return p.Audit.Write(ctx, tx, e)
}

func (p Persons) mayTakeBack(caller *access.Caller, x *laid) bool {
	return x.pair != nil && x.pair.Decision != nil && caller.Institution == x.row.Owner.Reference && (x.row.State == "accepted" || x.row.State == "rejected")
}

// takeBack undoes what was decided of a pair: what was joined is taken apart for good, what was kept apart is asked again.
func (p Persons) takeBack(w http.ResponseWriter, r *http.Request) {
	caller := p.clerk(w, r)
	if caller == nil {
		return
	}
	var ask struct{ Reason, Note string }
	if err := Body(w, r, 16<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	words, err := p.why(ask.Reason, ask.Note)
	told := []Ref{}
	if err == nil {
		err = p.Store.Update(r.Context(), func(tx *store.Tx) error {
			told = told[:0]
			x, err := p.find(r.Context(), tx, caller, r.PathValue("task"))
			if err != nil {
				return err
			}
			if !p.mayTakeBack(caller, x) {
				return fhir.Refuse(409, "conflict", "nothing-to-take-back", "no decision of yours is in force", "没有可以撤回的决定")
			}
			if x.row.State == "accepted" {
				who, err := p.Index.Person(r.Context(), tx, x.pair.Left.Patient)
				if err != nil {
					return err
				}
				told, err = p.part(r.Context(), tx, caller, who, x.pair.Right.Patient, words)
				return err
			}
			if err := p.Index.TakeBack(r.Context(), tx, x.pair.Decision.ID, words, empi.Caller(r.Context())); err != nil {
				return err
			}
			return p.note(r.Context(), tx, "take-back", x.row.Task, words, x.pair.Left.Patient, x.pair.Right.Patient)
		})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, map[string]any{"told": told})
}
