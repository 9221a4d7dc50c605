package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/his"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// OwnSystems shows where the hospital's own system and the hub did not agree about beds, who owns which ward, and what
// the shadow has recorded.
type OwnSystems struct {
	Beds *Beds
	Room *his.Room
	// Senders lists the systems that send for an institution; nil = none can.
	Senders func(ctx context.Context, tx *store.Tx, pool string) ([]SenderView, error)
}

// SenderView is a system that sends, and what has become of its messages in the last 24 hours.
type SenderView struct {
	Name    string         `json:"name"`
	Last    string         `json:"last,omitempty"`
	Today   map[string]int `json:"today"`             // by answer: AA, AE, AR
	Refused map[string]int `json:"refused,omitempty"` // by why
}

// Register mounts the handlers.
func (a *OwnSystems) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/beds/differences", a.differences)
	mux.HandleFunc("POST /api/beds/differences", a.resolve)
	mux.HandleFunc("GET /api/beds/sources", a.sources)
	mux.HandleFunc("POST /api/beds/sources", a.setSource)
	mux.HandleFunc("GET /api/beds/shadow", a.shadow)
}

// desk returns the caller and the institution, for who works with differences; others are refused alike.
func (a *OwnSystems) desk(w http.ResponseWriter, r *http.Request) (*access.Caller, string) {
	c, pool := a.Beds.pool(w, r)
	if c == nil {
		return nil, ""
	}
	if !his.MayResolve(c, pool) && !his.MaySwitch(c, pool) {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "not-your-differences", "the bed desk, head nurses, leaders and administrators of the hospital look at this", "仅限本院床位调配中心、护士长、院领导和管理员"))
		return nil, ""
	}
	return c, pool
}

type differenceView struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	KindName flow.Name `json:"kindName"`
	Ward     string    `json:"ward,omitempty"`
	WardName string    `json:"wardName,omitempty"`
	Bed      string    `json:"bed,omitempty"`
	BedName  string    `json:"bedName,omitempty"`
	Named    string    `json:"named,omitempty"`
	Had      string    `json:"had"`
	Said     string    `json:"said"`
	Patient  string    `json:"patient,omitempty"`
	Name     string    `json:"name,omitempty"`
	Task     string    `json:"task,omitempty"`
	Line     string    `json:"line,omitempty"`
	Since    string    `json:"since"`
	Times    int       `json:"times"`
	Resolved string    `json:"resolved,omitempty"`
	How      string    `json:"how,omitempty"`
	By       string    `json:"by,omitempty"`
	Note     string    `json:"note,omitempty"`
}

// mostDifferences bounds one answer.
const mostDifferences = 500

func (a *OwnSystems) differences(w http.ResponseWriter, r *http.Request) {
	c, pool := a.desk(w, r)
	if c == nil {
		return
	}
	ctx := r.Context()
	out := struct {
		At          string               `json:"at"`
		Differences []differenceView     `json:"differences"`
		Ways        map[string]flow.Name `json:"ways"`
		May         bool                 `json:"may"`
	}{Ways: his.Ways, May: his.MayResolve(c, pool)}
	var shown []string
	err := a.Beds.Store.View(ctx, func(tx *store.Tx) error {
		out.At, out.Differences, shown = line.Stamp(tx.Now()), []differenceView{}, nil
		all, err := a.Room.Differences(ctx, tx, pool, r.URL.Query().Get("state") == "resolved", mostDifferences)
		if err != nil {
			return err
		}
		names, err := a.names(ctx, tx, pool)
		if err != nil {
			return err
		}
		patients, tasks := make([]string, len(all)), make([]string, len(all))
		for i := range all {
			patients[i], tasks[i] = all[i].Patient, all[i].Holder
		}
		sees, err := a.sees(ctx, tx, c, patients, tasks)
		if err != nil {
			return err
		}
		for i := range all {
			d := &all[i]
			x := differenceView{ID: d.ID, Kind: d.Kind, KindName: his.Kinds[d.Kind], Ward: d.Ward, WardName: names[d.Ward], Bed: d.Bed, BedName: names[d.Bed], Named: d.Named, Had: d.Had, Said: d.Said,
				Since: line.Stamp(d.Since), Times: d.Times, Resolved: stampOf(d.Resolved), How: d.How, By: d.Account}
			if n := names[d.Had]; n != "" { // another bed
				x.Had = n
			}
			if n := names[d.Said]; n != "" {
				x.Said = n
			}
			if f, visible := sees.faces[d.Patient]; visible {
				x.Patient, x.Name = d.Patient, f.name
				shown = append(shown, d.Patient)
				if x.Note, err = a.Room.NoteOf(ctx, tx, d); err != nil {
					return err
				}
			} else if d.Patient == "" {
				if x.Note, err = a.Room.NoteOf(ctx, tx, d); err != nil {
					return err
				}
			}
			if k, visible := sees.cases[d.Holder]; visible {
				x.Task, x.Line = d.Holder, k
			}
			out.Differences = append(out.Differences, x)
		}
		return nil
	})
	if err == nil && len(shown) > 0 {
		err = a.Beds.Audit.Read(ctx, touch(w, r, "R", "bed-differences", pool, slices.Compact(slices.Sorted(slices.Values(shown)))...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	packed(w, r, out)
}

// seen is whom and what the caller may read.
type seen struct {
	faces map[string]face
	cases map[string]string // Task -> line
}

func (a *OwnSystems) sees(ctx context.Context, tx *store.Tx, c *access.Caller, patients, tasks []string) (s seen, err error) {
	ids := func(refs []string, prefix string) (all []string) {
		for _, ref := range refs {
			if id, ok := strings.CutPrefix(ref, prefix); ok && id != "" {
				all = append(all, id)
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	visible, err := tx.Sees(ctx, c.Scope, "Patient", ids(patients, "Patient/"))
	if err != nil {
		return s, err
	}
	if s.faces, err = a.Beds.facesOf(ctx, tx, visible); err != nil {
		return s, err
	}
	s.cases = map[string]string{}
	mine, err := tx.Sees(ctx, c.Scope, "Task", ids(tasks, "Task/"))
	for id, ok := range mine {
		if !ok || err != nil {
			continue
		}
		v, err := tx.Read(ctx, c.Scope, "Task", id)
		if err != nil {
			return s, err
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return s, err
		}
		slug, _ := line.LineOf(n)
		s.cases["Task/"+id] = slug
	}
	return s, err
}

// names of the wards and beds of an institution: 心内一病区, 12 床.
func (a *OwnSystems) names(ctx context.Context, tx *store.Tx, pool string) (map[string]string, error) {
	wards, err := a.Beds.Room.Wards(ctx, tx, pool)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, ward := range wards {
		names[ward.ID] = ward.Name
		for i := range ward.Beds {
			names[ward.Beds[i].ID] = ward.Beds[i].Name
		}
	}
	return names, nil
}

func (a *OwnSystems) resolve(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var ask struct{ ID, How, Note string }
	if err := Body(w, r, 8<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	err := a.Beds.Store.Update(r.Context(), func(tx *store.Tx) error {
		return a.Room.Resolve(r.Context(), tx, c, ask.ID, ask.How, ask.Note)
	})
	if err != nil {
		a.Beds.refused(w, r, "bed-difference", ask.ID, err)
		return
	}
	Answer(w, http.StatusOK, map[string]string{"id": ask.ID, "how": ask.How})
}

type sourceView struct {
	Ward   string `json:"ward"`
	Name   string `json:"name"`
	Owner  string `json:"owner"`
	Shadow bool   `json:"shadow"`
	Since  string `json:"since,omitempty"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (a *OwnSystems) sources(w http.ResponseWriter, r *http.Request) {
	c, pool := a.desk(w, r)
	if c == nil {
		return
	}
	ctx := r.Context()
	out := struct {
		Wards   []sourceView `json:"wards"`
		Senders []SenderView `json:"senders"`
		May     bool         `json:"may"`
	}{May: his.MaySwitch(c, pool)}
	err := a.Beds.Store.View(ctx, func(tx *store.Tx) error {
		out.Wards, out.Senders = []sourceView{}, []SenderView{}
		all, err := a.Room.Sources(ctx, tx, pool)
		if err != nil {
			return err
		}
		for _, s := range all {
			out.Wards = append(out.Wards, sourceView{s.Ward, s.Name, s.Owner, s.Shadow, stampOf(s.Since), s.Account, s.Reason})
		}
		if a.Senders != nil {
			senders, err := a.Senders(ctx, tx, pool)
			if err != nil {
				return err
			}
			out.Senders = append(out.Senders, senders...)
		}
		return nil
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, out)
}

func (a *OwnSystems) setSource(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var ask struct {
		Ward, Owner, Reason string
		Shadow              bool
	}
	if err := Body(w, r, 8<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	err := a.Beds.Store.Update(r.Context(), func(tx *store.Tx) error {
		return a.Room.Switch(r.Context(), tx, c, ask.Ward, ask.Owner, ask.Shadow, ask.Reason)
	})
	if err != nil {
		a.Beds.refused(w, r, "bed-source", ask.Ward, err)
		return
	}
	Answer(w, http.StatusOK, sourceView{Ward: ask.Ward, Owner: ask.Owner, Shadow: ask.Shadow, Reason: ask.Reason})
}

type shadowView struct {
	ID         string `json:"id"`
	Patient    string `json:"patient,omitempty"`
	Name       string `json:"name,omitempty"`
	Task       string `json:"task,omitempty"`
	Line       string `json:"line,omitempty"`
	Ward       string `json:"ward"`
	Bed        string `json:"bed"`
	Zh         string `json:"zh,omitempty"`
	En         string `json:"en,omitempty"`
	At         string `json:"at"`
	First      string `json:"first"`
	Actual     string `json:"actual,omitempty"`
	ActualWard string `json:"actualWard,omitempty"`
	ActualBed  string `json:"actualBed,omitempty"`
}

// shadow compares what was proposed in the shadow with what happened.
func (a *OwnSystems) shadow(w http.ResponseWriter, r *http.Request) {
	c, pool := a.desk(w, r)
	if c == nil {
		return
	}
	days := 30
	if text := r.URL.Query().Get("days"); text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil || days < 1 || days > 366 {
			Refuse(w, r, fhir.Refuse(422, "value", "bad-days", "days is a number from 1 to 366", "天数须为 1 到 366"))
			return
		}
	}
	ctx := r.Context()
	var out struct {
		From      string       `json:"from"`
		Until     string       `json:"until"`
		Cases     int          `json:"cases"`
		Open      int          `json:"open"`
		SameBed   int          `json:"sameBed"`
		SameWard  int          `json:"sameWard"`
		SoonerP50 float64      `json:"soonerHoursP50"`
		SoonerP90 float64      `json:"soonerHoursP90"`
		SoonerAll float64      `json:"soonerHours"`
		Rows      []shadowView `json:"rows"`
	}
	var shown []string
	err := a.Beds.Store.View(ctx, func(tx *store.Tx) error {
		shown, out.Rows = nil, []shadowView{}
		until := tx.Now().Add(time.Second)
		from := until.AddDate(0, 0, -days)
		x, err := a.Room.Compare(ctx, tx, pool, from, until, 200)
		if err != nil {
			return err
		}
		out.From, out.Until, out.Cases, out.Open, out.SameBed, out.SameWard = line.Stamp(from), line.Stamp(until), x.Cases, x.Open, x.SameBed, x.SameWard
		out.SoonerP50, out.SoonerP90 = hoursAt(x.Sooner, 0.5), hoursAt(x.Sooner, 0.9)
		out.SoonerAll = 0
		for _, d := range x.Sooner {
			out.SoonerAll += d.Hours()
		}
		names, err := a.names(ctx, tx, pool)
		if err != nil {
			return err
		}
		patients, tasks := make([]string, len(x.Rows)), make([]string, len(x.Rows))
		for i := range x.Rows {
			patients[i], tasks[i] = x.Rows[i].Patient, x.Rows[i].Holder
		}
		sees, err := a.sees(ctx, tx, c, patients, tasks)
		if err != nil {
			return err
		}
		for i := range x.Rows {
			s := &x.Rows[i]
			v := shadowView{ID: s.ID, Ward: names[s.Ward], Bed: names[s.Bed], At: line.Stamp(s.At), First: line.Stamp(s.First), Actual: stampOf(s.Actual), ActualWard: names[s.ActualWard], ActualBed: names[s.ActualBed]}
			if f, visible := sees.faces[s.Patient]; visible { // the words tell what the patient needs
				v.Patient, v.Name, v.Zh, v.En = s.Patient, f.name, s.Zh, s.En
				shown = append(shown, s.Patient)
			}
			if k, visible := sees.cases[s.Holder]; visible {
				v.Task, v.Line = s.Holder, k
			}
			out.Rows = append(out.Rows, v)
		}
		return nil
	})
	if err == nil && len(shown) > 0 {
		err = a.Beds.Audit.Read(ctx, touch(w, r, "R", "bed-shadow", pool, slices.Compact(slices.Sorted(slices.Values(shown)))...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	packed(w, r, out)
}

// hoursAt is a quantile of ascending times, in hours.
func hoursAt(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	return round1(all[min(int(q*float64(len(all))), len(all)-1)].Hours())
}
