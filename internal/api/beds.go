package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Beds shows an institution's pool of beds, who waits for one, and what leaders ask of it.
type Beds struct {
	Store    *store.Store
	Room     *beds.Room
	Bookings *booking.Room
	Runner   *line.Runner
	Tree     *access.Tree
	Audit    audit.Log
	Zone     *time.Location
	// Agreed returns nil when an institution may send patients to another one; nil = always.
	Agreed func(ctx context.Context, tx *store.Tx, from, to, service string) error

	mu    sync.Mutex
	faces map[string]face
}

// Register mounts the handlers.
func (a *Beds) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/beds/pools", a.pools)
	mux.HandleFunc("GET /api/beds/board", a.board)
	mux.HandleFunc("GET /api/beds/names", a.names)
	mux.HandleFunc("POST /api/beds/state", a.setState)
	mux.HandleFunc("GET /api/beds/waiting", a.waiting)
	mux.HandleFunc("GET /api/beds/proposals", a.proposals)
	mux.HandleFunc("GET /api/beds/why", a.why)
	mux.HandleFunc("GET /api/beds/shifts", a.shifts)
	mux.HandleFunc("PUT /api/beds/shifts", a.setShift)
	mux.HandleFunc("GET /api/beds/leader", a.leader)
	mux.HandleFunc("GET /api/beds/flags", a.flags)
	mux.HandleFunc("GET /api/beds/directory", a.directory)
	mux.HandleFunc("GET /api/beds/rules", a.rules)
	mux.HandleFunc("PUT /api/beds/rules", a.setRule)
}

// staff are callers who work at an institution; patients and guardians are none, nor is who only audits.
func staff(c *access.Caller) bool {
	rule := access.RuleOf(c.Role)
	return c.Institution != "" && rule != nil && rule.Reach != access.Self && rule.Reach != access.Nothing
}

// pool returns the caller and the institution whose beds he asks about, his own unless he names another one at which he
// works; else it answers, in the same way whether that one exists or not.
func (a *Beds) pool(w http.ResponseWriter, r *http.Request) (*access.Caller, string) {
	c := Caller(w, r)
	if c == nil {
		return nil, ""
	}
	if !staff(c) {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "not-your-beds", "the beds of a hospital are shown to its staff", "床位信息仅供本院工作人员查看"))
		return nil, ""
	}
	pool := r.URL.Query().Get("pool")
	if pool == "" {
		pool = c.Institution
	}
	if !a.at(c, pool) {
		Refuse(w, r, store.ErrNotFound)
		return nil, ""
	}
	return c, pool
}

func (a *Beds) at(c *access.Caller, pool string) bool {
	return pool == c.Institution || slices.Contains(c.Places, pool)
}

func (a *Beds) pools(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	answer := struct {
		Pools []poolView `json:"pools"`
	}{[]poolView{}}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		answer.Pools = answer.Pools[:0]
		if !staff(c) {
			return nil
		}
		all, err := a.Room.Pools(r.Context(), tx)
		for _, p := range slices.Compact(append([]string{c.Institution}, c.Places...)) {
			if n := all[p]; n > 0 && !slices.ContainsFunc(answer.Pools, func(x poolView) bool { return x.ID == p }) {
				answer.Pools = append(answer.Pools, poolView{p, a.Tree.Name(p), n})
			}
		}
		return err
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

type poolView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Beds int    `json:"beds"`
}

type boardView struct {
	Holds    allocate.Holds `json:"holds"` // how long a bed is held now
	At       string         `json:"at"`
	Since    string         `json:"since"`
	Whole    bool           `json:"whole"`
	Campuses []campusView   `json:"campuses,omitempty"`
	Wards    []wardView     `json:"wards,omitempty"`
	Rooms    []roomView     `json:"rooms,omitempty"`
	Beds     []bedView      `json:"beds"`
}

type campusView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role,omitempty"`
}

type wardView struct {
	ID          string   `json:"id"`
	Org         string   `json:"org"`
	Name        string   `json:"name"`
	Campus      string   `json:"campus"`
	Group       string   `json:"group,omitempty"`
	Specialties []string `json:"specialties,omitempty"`
	Kinds       []string `json:"kinds,omitempty"`
	Lends       bool     `json:"lends,omitempty"`
	Reserve     int      `json:"reserve,omitempty"`
	Capacity    float64  `json:"capacity"`
	Load        float64  `json:"load"`
	Stale       bool     `json:"stale,omitempty"`
}

type roomView struct {
	ID   string       `json:"id"`
	Name string       `json:"name"`
	Rule allocate.Sex `json:"rule"`
}

type bedView struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Ward      string         `json:"ward"`
	Room      string         `json:"room"`
	Level     allocate.Level `json:"level"`
	Equipment []string       `json:"equipment,omitempty"`
	State     allocate.State `json:"state"`
	Until     string         `json:"until,omitempty"`
	Likely    float64        `json:"likely,omitempty"`
	Frozen    bool           `json:"frozen,omitempty"`
	Expected  string         `json:"expected,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	Occupant  *occupantView  `json:"occupant,omitempty"`
}

type occupantView struct {
	Task     string       `json:"task,omitempty"`
	Line     string       `json:"line,omitempty"`
	Flow     string       `json:"flow,omitempty"`
	Version  string       `json:"version,omitempty"`
	Patient  string       `json:"patient,omitempty"`
	Name     string       `json:"name,omitempty"`
	Sex      allocate.Sex `json:"sex,omitempty"`
	Age      int          `json:"age,omitempty"`
	Home     string       `json:"home,omitempty"`
	HomeName string       `json:"homeName,omitempty"`
	Team     string       `json:"team,omitempty"`
	Since    string       `json:"since,omitempty"`
	Nursing  string       `json:"nursing,omitempty"`
}

func (a *Beds) board(w http.ResponseWriter, r *http.Request) {
	c, pool := a.pool(w, r)
	if c == nil {
		return
	}
	q := r.URL.Query()
	var answer boardView
	var shown []string
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		answer, shown, err = a.boardOf(r.Context(), tx, c, pool, q.Get("ward"), q.Get("since"))
		return err
	})
	if err == nil && len(shown) > 0 {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "bed-board", pool, shown...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	packed(w, r, answer)
}

// boardOf draws a board as the caller may see it: of patients whom he does not read there is the bed's state alone.
func (a *Beds) boardOf(ctx context.Context, tx *store.Tx, c *access.Caller, pool, ward, since string) (boardView, []string, error) {
	v := boardView{Beds: []bedView{}}
	l, err := a.Room.Look(ctx, tx, pool)
	if err != nil {
		return v, nil, err
	}
	if len(l.Of) == 0 || ward != "" && !slices.ContainsFunc(l.Of, func(w *beds.Ward) bool { return w.ID == ward }) {
		return v, nil, store.ErrNotFound
	}
	news, err := a.Room.Since(ctx, tx, pool, &l, since)
	if err != nil {
		return v, nil, err
	}
	v.Holds = l.Rules.Holds
	v.At, v.Since, v.Whole = line.Stamp(tx.Now()), news.Stamp, news.Whole
	shows := func(id string) bool { return ward == "" || id == ward }
	if v.Whole {
		if err := a.house(ctx, tx, &v, &l, shows); err != nil {
			return v, nil, err
		}
	}
	var holders, patients []string
	for i := range l.Beds {
		b := &l.Beds[i]
		if u, taken := l.Uses[b.ID]; taken && shows(l.Of[b.Ward].ID) && (v.Whole || news.Beds[b.ID]) {
			holders, patients = append(holders, strings.TrimPrefix(u.Holder, "Task/")), append(patients, strings.TrimPrefix(u.Patient, "Patient/"))
		}
	}
	visible, err := tx.Sees(ctx, c.Scope, "Patient", patients)
	if err != nil {
		return v, nil, err
	}
	tasks, err := tx.Sees(ctx, c.Scope, "Task", holders)
	if err != nil {
		return v, nil, err
	}
	faces, err := a.facesOf(ctx, tx, visible)
	if err != nil {
		return v, nil, err
	}
	cases, err := a.Room.Cases(ctx, tx, pool)
	if err != nil {
		return v, nil, err
	}
	teams := newTeams(tx, c)
	var shown []string
	for i := range l.Wards {
		if w := l.Of[i]; shows(w.ID) && (v.Whole || news.Wards[w.ID]) {
			v.Wards = append(v.Wards, wardView{w.ID, w.Org, w.Name, w.Campus, w.Group, w.Specialties, w.Protected, w.Lends, w.Reserve, l.Wards[i].Capacity, round1(l.Wards[i].Load), l.Wards[i].Stale})
		}
	}
	for i := range l.Beds {
		b := &l.Beds[i]
		w := l.Of[b.Ward]
		if !shows(w.ID) || !v.Whole && !news.Beds[b.ID] {
			continue
		}
		x := bedView{ID: b.ID, Name: b.Name, Ward: w.ID, Room: l.Rooms[b.Room].ID, Level: b.Level, Equipment: b.Equipment.Codes(), State: b.State}
		u, taken := l.Uses[b.ID]
		switch {
		case !taken:
			if said, is := l.Said[b.ID]; is && b.State != allocate.Free {
				x.Until, x.Reason = stampOf(said.Until), said.Reason
			}
		case visible[strings.TrimPrefix(u.Patient, "Patient/")]:
			shown = append(shown, u.Patient)
			k := cases[u.Holder]
			if x.Until = stampOf(b.Frees); u.State == booking.Held {
				x.Until, x.Frozen = stampOf(u.Expires), u.Expires.IsZero()
			}
			if u.State != booking.Occupied {
				x.Expected = stampOf(k.Arrival)
			}
			x.Likely = b.Likely
			f := faces[u.Patient]
			x.Occupant = &occupantView{Patient: u.Patient, Name: f.name, Sex: u.Sex, Age: f.age(tx.Now()), Home: u.Home, HomeName: a.Tree.Name(u.Home), Team: teams.name(ctx, u.Team), Since: stampOf(u.Since), Nursing: u.Nursing}
			if tasks[strings.TrimPrefix(u.Holder, "Task/")] {
				x.Occupant.Task, x.Occupant.Line, x.Occupant.Flow = u.Holder, k.Line, k.Flow
				if k.Version > 0 {
					x.Occupant.Version = strconv.FormatInt(k.Version, 10)
				}
			}
		}
		v.Beds = append(v.Beds, x)
	}
	return v, shown, nil
}

// house adds what seldom changes: campuses and rooms.
func (a *Beds) house(ctx context.Context, tx *store.Tx, v *boardView, l *beds.Look, shows func(string) bool) error {
	campuses, err := a.Room.Campuses(ctx, tx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, w := range l.Of {
		if !shows(w.ID) {
			continue
		}
		if c, known := campuses[w.Campus]; known && !seen[w.Campus] {
			seen[w.Campus] = true
			v.Campuses = append(v.Campuses, campusView{c.ID, c.Name, c.Role})
		}
		for _, room := range w.Rooms {
			v.Rooms = append(v.Rooms, roomView{room.ID, room.Name, room.Rule})
		}
	}
	slices.SortFunc(v.Campuses, func(a, b campusView) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return line.Stamp(t)
}

func round1(v float64) float64 { return float64(int(v*10+0.5)) / 10 }

// face is what a board shows of a patient; kept for a while, since a board asks for thousands.
type face struct {
	name, born string
	sex        allocate.Sex
	read       time.Time
}

const (
	facesKept = 5 * time.Minute
	mostFaces = 20_000
)

func (f face) age(now time.Time) int {
	if f.born == "" {
		return 0
	}
	return ageAt(fhir.New("Patient", "birthDate", f.born), now)
}

// facesOf reads those whom the caller sees.
func (a *Beds) facesOf(ctx context.Context, tx *store.Tx, visible map[string]bool) (map[string]face, error) {
	all := map[string]face{}
	now := time.Now()
	a.mu.Lock()
	if len(a.faces) > mostFaces || a.faces == nil {
		a.faces = map[string]face{}
	}
	var missing []string
	for id, sees := range visible {
		if !sees {
			continue
		}
		if f, kept := a.faces[id]; kept && now.Sub(f.read) < facesKept {
			all["Patient/"+id] = f
		} else {
			missing = append(missing, id)
		}
	}
	a.mu.Unlock()
	for some := range slices.Chunk(missing, 500) {
		read, err := tx.ReadMany(ctx, search.Everything, "Patient", some)
		if err != nil {
			return nil, err
		}
		for id, v := range read {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return nil, err
			}
			f := face{masked(nameOf(n)), strings.Clone(n.Str("birthDate")), allocate.Sex(strings.Clone(n.Str("gender"))), now}
			all["Patient/"+id] = f
			a.mu.Lock()
			a.faces[id] = f
			a.mu.Unlock()
		}
	}
	return all, nil
}

// masked keeps the family name of a name: 张**, Zh***.
func masked(name string) string {
	runes := []rune(name)
	switch {
	case len(runes) == 0:
		return ""
	case runes[0] < 128:
		return string(runes[:1]) + "***"
	}
	return string(runes[:1]) + strings.Repeat("*", min(max(len(runes)-1, 1), 2))
}

// teams names medical teams, each once.
type teams struct {
	tx    *store.Tx
	c     *access.Caller
	known map[string]string
}

func newTeams(tx *store.Tx, c *access.Caller) *teams { return &teams{tx, c, map[string]string{}} }

func (t *teams) name(ctx context.Context, ref string) string {
	if name, known := t.known[ref]; known || ref == "" {
		return name
	}
	name := ref
	if id, ok := strings.CutPrefix(ref, "CareTeam/"); ok {
		name = ""
		if v, err := t.tx.Read(ctx, t.c.Scope, "CareTeam", id); err == nil {
			if n, err := fhir.Parse(v.JSON); err == nil {
				name = n.Str("name")
			}
		}
	}
	t.known[ref] = name
	return name
}

func (a *Beds) setState(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var ask struct {
		Bed    string `json:"bed"`
		State  string `json:"state"`
		Reason string `json:"reason"`
	}
	if err := Body(w, r, 4<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	var state allocate.State
	err := a.Store.Update(r.Context(), func(tx *store.Tx) (err error) {
		state, err = a.Room.SetState(r.Context(), tx, c, ask.Bed, allocate.State(ask.State), ask.Reason)
		return err
	})
	if err != nil {
		a.refused(w, r, "bed-state", ask.Bed, err)
		return
	}
	Answer(w, http.StatusOK, map[string]string{"bed": ask.Bed, "state": string(state)})
}

// refused leaves an audit entry of what was asked for and not done.
func (a *Beds) refused(w http.ResponseWriter, r *http.Request, what, target string, err error) {
	var no *fhir.Error
	if errors.As(err, &no) {
		e := touch(w, r, "U", what, target)
		e.Outcome = "4"
		if later := a.Audit.Read(r.Context(), e); later != nil {
			err = later
		}
	}
	Refuse(w, r, err)
}

// packed writes JSON, compressed where the client takes it: a board of thousands of beds repeats itself.
func packed(w http.ResponseWriter, r *http.Request, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	if len(body) > 4<<10 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		z.Write(body)
		z.Close()
		body = b.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Add("Vary", "Accept-Encoding")
	Answer(w, http.StatusOK, body)
}
