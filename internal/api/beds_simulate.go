package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds/whatif"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Simulations answers what another way of giving out beds would change. What was asked and answered is kept, and seen by
// those of the institution who decide on beds. Nothing of a person is in an answer.
type Simulations struct {
	Store *store.Store
	Room  *whatif.Room
	Tree  *access.Tree
	Audit audit.Log
}

// mostListed of past simulations.
const mostListed = 60

// simulation is one as it goes out.
type simulation struct {
	ID     string          `json:"id"`
	State  string          `json:"state"` // waiting, running, done, failed, cancelled
	Done   int             `json:"done"`
	Of     int             `json:"of"`
	Asked  whatif.Wish     `json:"asked"`
	Name   Words           `json:"name"`
	By     string          `json:"by"`
	Role   string          `json:"role"`
	Mine   bool            `json:"mine"`
	Seat   string          `json:"seat"` // whose people see it, by name
	Since  string          `json:"since"`
	Ended  string          `json:"ended,omitempty"`
	Report json.RawMessage `json:"report,omitempty"`
	Error  *Words          `json:"error,omitempty"`
}

// maySimulate: those who decide on beds, and those who answer for the program.
var maySimulate = []access.Role{"leader", "bed-desk", "duty-chief", "administrator", "medical-affairs"}

// Register hangs the calls into the page's API.
func (s *Simulations) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/beds/simulate", s.begin)
	mux.HandleFunc("GET /api/beds/simulate", s.list)
	mux.HandleFunc("GET /api/beds/simulate/{id}", s.show)
	mux.HandleFunc("DELETE /api/beds/simulate/{id}", s.cancel)
}

func (s *Simulations) caller(w http.ResponseWriter, r *http.Request) *access.Caller {
	c := Caller(w, r)
	if c != nil && !slices.Contains(maySimulate, c.Role) {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "not-your-simulation", "leaders, the bed desk and administrators simulate beds", "床位模拟由院领导、床位调配中心或管理员使用"))
		return nil
	}
	return c
}

// sees says whether the simulations of a seat are this caller's to look at: he stands in it, or above it.
func (s *Simulations) sees(c *access.Caller, seat string) bool {
	return seat != "" && (seat == c.Institution || seat == c.Org || c.Org != "" && s.Tree != nil && s.Tree.Within(seat, c.Org))
}

func (s *Simulations) begin(w http.ResponseWriter, r *http.Request) {
	c := s.caller(w, r)
	if c == nil {
		return
	}
	var asked whatif.Wish
	err := Body(w, r, 16<<10, &asked)
	if err == nil {
		err = asked.Check()
	}
	seat := cmp.Or(c.Institution, c.Org)
	if err == nil && asked.Source == "history" {
		if seat = asked.Pool; !s.sees(c, seat) {
			err = missing
		}
	}
	var one *whatif.Simulation
	if err == nil {
		one, err = s.Room.Ask(r.Context(), c, seat, asked)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	w.Header().Set("Location", "/api/beds/simulate/"+one.ID)
	Answer(w, http.StatusAccepted, s.out(c, one))
}

var missing = fhir.Refuse(404, "not-found", "not-found", "not found, or not visible to you", "未找到，或您无权查看")

func (s *Simulations) out(c *access.Caller, x *whatif.Simulation) simulation {
	one := simulation{ID: x.ID, State: x.State, Done: x.Done, Of: x.Of, Asked: x.Asked, Name: Words{x.Zh, x.En}, By: x.Name, Role: x.Role, Mine: x.By == c.User,
		Seat: x.Seat, Since: x.Since.Format(time.RFC3339), Report: x.Report}
	if s.Tree != nil {
		one.Seat = s.Tree.Name(x.Seat)
	}
	one.Asked.Pool = "" // said by its name
	if !x.Ended.IsZero() {
		one.Ended = x.Ended.Format(time.RFC3339)
	}
	if x.WrongZh != "" {
		one.Error = &Words{x.WrongZh, x.WrongEn}
	}
	return one
}

// of finds one that the caller may see.
func (s *Simulations) of(ctx context.Context, c *access.Caller, id string) (one *whatif.Simulation, err error) {
	err = s.Store.View(ctx, func(tx *store.Tx) (err error) {
		one, err = s.Room.Show(ctx, tx, id)
		return err
	})
	if err == nil && (one == nil || !s.sees(c, one.Seat)) {
		return nil, missing
	}
	return one, err
}

func (s *Simulations) show(w http.ResponseWriter, r *http.Request) {
	c := s.caller(w, r)
	if c == nil {
		return
	}
	one, err := s.of(r.Context(), c, r.PathValue("id"))
	if err == nil && one.Report != nil && one.Asked.Source == "history" {
		err = s.Audit.Read(r.Context(), audit.Of(r.Context(), "R", "beds-simulate", one.Asked.Pool))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, s.out(c, one))
}

// list says which there are of those that the caller may see, the latest first, without their reports.
func (s *Simulations) list(w http.ResponseWriter, r *http.Request) {
	c := s.caller(w, r)
	if c == nil {
		return
	}
	var all []*whatif.Simulation
	err := s.Store.View(r.Context(), func(tx *store.Tx) error {
		seats, err := s.Room.Seats(r.Context(), tx)
		if err == nil {
			seats = slices.DeleteFunc(seats, func(seat string) bool { return !s.sees(c, seat) })
			all, err = s.Room.List(r.Context(), tx, seats[:min(len(seats), 200)], mostListed)
		}
		return err
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := make([]simulation, 0, len(all))
	for _, x := range all {
		out = append(out, s.out(c, x))
	}
	Answer(w, http.StatusOK, map[string]any{"simulations": out})
}

// cancel stops one for whoever asked for it.
func (s *Simulations) cancel(w http.ResponseWriter, r *http.Request) {
	c := s.caller(w, r)
	if c == nil {
		return
	}
	one, err := s.of(r.Context(), c, r.PathValue("id"))
	if err == nil && one.By != c.User {
		err = fhir.Refuse(403, "forbidden", "not-your-simulation", "whoever asked for it may stop it", "只有发起人可以停止该模拟")
	}
	if err == nil {
		err = s.Room.Cancel(r.Context(), one.ID, c.User)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusNoContent, nil)
}
