package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

type waiterView struct {
	Task       string       `json:"task"`
	Line       string       `json:"line"`
	Flow       string       `json:"flow"`
	Version    string       `json:"version"`
	Patient    waiterFace   `json:"patient"`
	Needs      needsView    `json:"needs"`
	Since      string       `json:"since"`
	Promised   string       `json:"promised,omitempty"`
	Reason     string       `json:"reason,omitempty"`
	ReasonName *flow.Name   `json:"reasonName,omitempty"`
	Source     string       `json:"source,omitempty"`
	From       string       `json:"from,omitempty"`
	Late       bool         `json:"late,omitempty"`
	Booking    *heldView    `json:"booking,omitempty"`
	sex        allocate.Sex // of the case, where the record says none
}

type waiterFace struct {
	Reference string       `json:"reference,omitempty"`
	Name      string       `json:"name,omitempty"`
	Sex       allocate.Sex `json:"sex,omitempty"`
	Age       int          `json:"age,omitempty"`
}

type needsView struct {
	Specialty     string           `json:"specialty,omitempty"`
	SpecialtyName string           `json:"specialtyName,omitempty"`
	Ward          string           `json:"ward,omitempty"`
	WardName      string           `json:"wardName,omitempty"`
	Team          string           `json:"team,omitempty"`
	Urgency       allocate.Urgency `json:"urgency"`
	Sex           allocate.Sex     `json:"sex,omitempty"`
	Level         allocate.Level   `json:"level,omitempty"`
	Isolation     string           `json:"isolation,omitempty"`
	Equipment     []string         `json:"equipment,omitempty"`
	Nursing       string           `json:"nursing,omitempty"`
	Kind          string           `json:"kind,omitempty"`
	Campuses      []string         `json:"campuses,omitempty"`
	Companion     bool             `json:"companion,omitempty"`
	Age           int              `json:"age,omitempty"`
	At            string           `json:"at,omitempty"`
}

type heldView struct {
	ID      string `json:"id"`
	Thing   string `json:"thing"`
	State   string `json:"state"`
	Expires string `json:"expires,omitempty"`
	From    string `json:"from,omitempty"`
	Due     bool   `json:"due,omitempty"` // a place reserved for today that is to become a bed now
}

// whyWaits names the codes of booking.Wait.Reason that the steps of a bed write.
var whyWaits = map[string]flow.Name{
	"no-bed":    {Zh: "尚无合适床位", En: "No suitable bed yet"},
	"lapsed":    {Zh: "留床已到期", En: "The hold ran out"},
	"displaced": {Zh: "床位被急诊占用", En: "An emergency took the bed"},
	"released":  {Zh: "留床已取消", En: "The hold was given back"},
	"promised":  {Zh: "已承诺时间", En: "Promised a time"},
}

func (a *Beds) needs(q allocate.Request) needsView {
	v := needsView{Specialty: q.Specialty, Ward: q.Ward, Team: q.Team, Urgency: q.Urgency, Sex: q.Sex, Level: q.Level, Isolation: q.Isolation, Equipment: q.Equipment.Codes(),
		Nursing: q.Nursing, Kind: q.Kind, Campuses: q.Campuses, Companion: q.Companion, Age: max(q.Age, 0), At: q.At, WardName: a.Tree.Name(q.Ward)}
	if q.Specialty != "" {
		v.SpecialtyName = agreement.Specialty(q.Specialty).Zh
	}
	if v.Urgency == "" {
		v.Urgency = allocate.Elective
	}
	return v
}

func (a *Beds) waiting(w http.ResponseWriter, r *http.Request) {
	c, pool := a.pool(w, r)
	if c == nil {
		return
	}
	var rows []waiterView
	var shown []string
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		rows, shown, err = a.waiters(r.Context(), tx, c, pool)
		return err
	})
	if err == nil && len(shown) > 0 {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "bed-waiting", pool, shown...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	packed(w, r, struct {
		Rows  []waiterView `json:"rows"`
		Total int          `json:"total"`
	}{rows, len(rows)})
}

// waiters lists who waits in a pool, then who has a bed held and is to come: of the caller's cases alone.
func (a *Beds) waiters(ctx context.Context, tx *store.Tx, c *access.Caller, pool string) ([]waiterView, []string, error) {
	waits, requests, err := a.Room.Requests(ctx, tx, pool)
	if err != nil {
		return nil, nil, err
	}
	held, err := a.Bookings.Holds(ctx, tx, pool)
	if err != nil {
		return nil, nil, err
	}
	all := make([]waiterView, 0, len(waits))
	ids, patients := []string{}, []string{}
	add := func(v waiterView, patient string) {
		v.Patient.Reference = patient
		all = append(all, v)
		ids, patients = append(ids, strings.TrimPrefix(v.Task, "Task/")), append(patients, strings.TrimPrefix(patient, "Patient/"))
	}
	for i, w := range waits {
		v := waiterView{Task: w.Holder, Needs: a.needs(requests[i]), Since: line.Stamp(w.Since), Promised: stampOf(w.Promised), Reason: w.Reason,
			Late: !w.Promised.IsZero() && w.Promised.Before(tx.Now()), sex: requests[i].Sex}
		if name, known := whyWaits[w.Reason]; known {
			v.ReasonName = &name
		}
		add(v, w.Patient)
	}
	rules, err := a.Room.RulesOf(ctx, tx, pool)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range held {
		if b.State == booking.Occupied {
			continue
		}
		add(waiterView{Task: b.Holder, Booking: &heldView{b.ID, b.Thing, string(b.State), stampOf(b.Expires), stampOf(b.From), a.Room.IsDue(rules, b, tx.Now())}}, b.Patient)
	}
	tasks, err := tx.ReadMany(ctx, c.Scope, "Task", ids)
	if err != nil {
		return nil, nil, err
	}
	sees, err := tx.Sees(ctx, c.Scope, "Patient", patients)
	if err != nil {
		return nil, nil, err
	}
	faces, err := a.facesOf(ctx, tx, sees)
	if err != nil {
		return nil, nil, err
	}
	rows, shown := []waiterView{}, []string{}
	seen := map[string]bool{}
	for _, v := range all {
		task, visible := tasks[strings.TrimPrefix(v.Task, "Task/")]
		if !visible || seen[v.Task] {
			continue
		}
		seen[v.Task] = true
		n, err := fhir.Parse(task.JSON)
		if err != nil {
			return nil, nil, err
		}
		v.Line, v.Flow = line.LineOf(n)
		v.Version = strconv.FormatInt(task.VID, 10)
		v.Source = line.FactText(n, "source")
		if v.From = a.Tree.Name(n.Str("requester.reference")); n.Str("requester.reference") == pool {
			v.From = ""
		}
		if v.Booking != nil {
			q, err := a.Room.NeedsOf(ctx, tx, v.Task, v.Patient.Reference)
			if err != nil {
				return nil, nil, err
			}
			if q.Urgency == "" {
				q.Urgency = urgencyOf(line.UrgencyOf(n))
			}
			v.Needs, v.Since, v.sex = a.needs(q), stampOf(q.Since), q.Sex
			if v.Since == "" {
				v.Since = n.Str("authoredOn")
			}
		}
		patient := v.Patient.Reference
		v.Patient = waiterFace{Sex: v.sex, Age: v.Needs.Age}
		if f, known := faces[patient]; known {
			v.Patient = waiterFace{patient, f.name, f.sex, f.age(tx.Now())}
			shown = append(shown, patient)
		}
		rows = append(rows, v)
	}
	return rows, shown, nil
}

func urgencyOf(u flow.Urgency) allocate.Urgency {
	switch u {
	case flow.Emergency:
		return allocate.Emergency
	case flow.Urgent:
		return allocate.Urgent
	}
	return allocate.Elective
}

type proposalView struct {
	Request    string         `json:"request"`
	Bed        string         `json:"bed,omitempty"`
	Cost       float64        `json:"cost"`
	Terms      []termView     `json:"terms,omitempty"`
	Zh         string         `json:"zh"`
	En         string         `json:"en"`
	Against    map[string]int `json:"against,omitempty"`
	Soon       string         `json:"soon,omitempty"`
	SoonAt     string         `json:"soonAt,omitempty"`
	SoonLikely float64        `json:"soonLikely,omitempty"`
	Due        bool           `json:"due,omitempty"` // for a place reserved for today
}

type termView struct {
	Code   string  `json:"code"`
	Points float64 `json:"points"`
	Zh     string  `json:"zh"`
	En     string  `json:"en"`
}

func terms(list []allocate.Term) []termView {
	out := make([]termView, len(list))
	for i, t := range list {
		out[i] = termView(t)
	}
	return out
}

// proposals decides for all who wait and all who have a place reserved for today, together, and shows what it says of the
// caller's cases. It binds nobody.
func (a *Beds) proposals(w http.ResponseWriter, r *http.Request) {
	c, pool := a.pool(w, r)
	if c == nil {
		return
	}
	ctx := r.Context()
	var l beds.Look
	var requests []allocate.Request
	var visible, due map[string]bool
	err := a.Store.View(ctx, func(tx *store.Tx) (err error) {
		var waits []booking.Wait
		if l, err = a.Room.Look(ctx, tx, pool); err != nil {
			return err
		}
		if waits, requests, err = a.Room.Requests(ctx, tx, pool); err != nil {
			return err
		}
		reserved, needs, err := a.Room.Due(ctx, tx, pool)
		if err != nil {
			return err
		}
		due = map[string]bool{}
		ids := make([]string, 0, len(waits)+len(reserved))
		for _, x := range waits {
			ids = append(ids, strings.TrimPrefix(x.Holder, "Task/"))
		}
		for i, x := range reserved {
			due[x.Holder], requests, ids = true, append(requests, needs[i]), append(ids, strings.TrimPrefix(x.Holder, "Task/"))
		}
		visible, err = tx.Sees(ctx, c.Scope, "Task", ids)
		return err
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := struct {
		At        string         `json:"at"`
		Proposals []proposalView `json:"proposals"`
	}{line.Stamp(l.Now), []proposalView{}}
	if len(visible) > 0 {
		for _, p := range allocate.Propose(&l.Pool, requests, l.Rules.Who) {
			if visible[strings.TrimPrefix(p.Request, "Task/")] {
				out.Proposals = append(out.Proposals, proposalView{p.Request, p.Bed, p.Cost, terms(p.Terms), p.Zh, p.En, p.Against, p.Soon, stampOf(p.SoonAt), p.SoonLikely, due[p.Request]})
			}
		}
	}
	packed(w, r, out)
}

type objectionView struct {
	Code     string `json:"code"`
	Zh       string `json:"zh"`
	En       string `json:"en"`
	Override bool   `json:"override,omitempty"` // the caller may set it aside, with a reason
}

// why says of one case and one bed, or of all beds at once, what speaks for and against it.
func (a *Beds) why(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	task, bed := r.URL.Query().Get("task"), r.URL.Query().Get("bed")
	var answer any
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		answer, err = a.whyOf(r.Context(), tx, c, task, bed, r.URL.Query().Get("pool"))
		return err
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	packed(w, r, answer)
}

func (a *Beds) whyOf(ctx context.Context, tx *store.Tx, c *access.Caller, task, bed, pool string) (any, error) {
	n := read(ctx, tx, c, task)
	if !strings.HasPrefix(task, "Task/") || n == nil {
		return nil, store.ErrNotFound
	}
	if bed != "" {
		of, err := a.Room.PoolOf(ctx, tx, bed)
		if err != nil {
			return nil, err
		}
		pool = of
	} else if pool == "" {
		pool = c.Institution
	}
	if pool == "" || !staff(c) || !a.at(c, pool) {
		return nil, store.ErrNotFound
	}
	l, q, err := a.Room.LookFor(ctx, tx, pool, task)
	if err != nil {
		return nil, err
	}
	if q.Urgency == "" {
		q.Urgency = urgencyOf(line.UrgencyOf(n))
	}
	e := allocate.NewEngine(&l.Pool, l.Rules.Who)
	if bed != "" {
		at := e.Find(bed)
		if at < 0 {
			return nil, store.ErrNotFound
		}
		v := struct {
			Objections []objectionView `json:"objections"`
			Terms      []termView      `json:"terms"`
			Cost       float64         `json:"cost"`
		}{[]objectionView{}, terms(e.Terms(at, &q)), e.Cost(at, &q)}
		for _, o := range e.Objections(at, &q) {
			v.Objections = append(v.Objections, objectionView{o.Code, o.Zh, o.En, mayOverride(l.Rules.Who, c, o.Code)})
		}
		return v, nil
	}
	v := struct {
		Fits    []string             `json:"fits"`
		Against map[string][]string  `json:"against"`
		Words   map[string]flow.Name `json:"words"`
	}{[]string{}, map[string][]string{}, map[string]flow.Name{}}
	for i := range l.Beds {
		if e.Fits(i, &q) {
			v.Fits = append(v.Fits, l.Beds[i].ID)
			continue
		}
		code := e.Objections(i, &q)[0].Code
		v.Against[code] = append(v.Against[code], l.Beds[i].ID)
		if _, known := v.Words[code]; !known {
			zh, en := allocate.Word(code)
			v.Words[code] = flow.Name{Zh: zh, En: en}
		}
	}
	return v, nil
}

func mayOverride(rules *allocate.Rules, c *access.Caller, code string) bool {
	for _, role := range rules.Override[code] {
		if role == string(c.Role) {
			return true
		}
	}
	return false
}

// dayOf reads a day of a query in the hub's zone; def where it is absent.
func (a *Beds) dayOf(r *http.Request, name string, def time.Time) (time.Time, error) {
	zone := a.zone()
	s := r.URL.Query().Get(name)
	if s == "" {
		d := def.In(zone)
		return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, zone), nil
	}
	d, err := time.ParseInLocation(time.DateOnly, s, zone)
	if err != nil {
		return d, fhir.Refuse(400, "value", "bad-day", name+" is a day such as 2026-11-23", "日期格式须为 2026-11-23")
	}
	return d, nil
}
