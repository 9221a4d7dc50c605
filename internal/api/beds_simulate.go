package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/simulate"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Simulations answers what another way of giving out beds would change. One is played at a time, on one processor; what
// is asked and answered is kept in memory for a while and is only its asker's. Nothing of a person is in an answer.
type Simulations struct {
	Tree  *access.Tree
	Audit audit.Log
	Ends  context.Context // the hub's; nil = never
	// Past is an institution's register of beds and its stays since a time.
	Past func(ctx context.Context, institution string, since time.Time) (*beds.Past, error)
	Now  func() time.Time // nil = time.Now

	mu    sync.Mutex
	plays map[string]*simulation
	lane  chan struct{}
}

// Bounds of one simulation over the API, and of all of them.
const (
	mostPlayed    = 6_000_000 // admissions, over seeds, policies and reserves
	fewestStays   = 200       // of a history: fewer say little, and something of each
	mostStays     = 400_000
	mostWaiting   = 8 // simulations at once
	mostKept      = 32
	keptFor       = 30 * time.Minute
	longestPlayed = 5 * time.Minute
)

// wish is what somebody wants to know.
type wish struct {
	Source   string   `json:"source"` // region: the made-up centre; history: the institution's own beds and stays
	Pool     string   `json:"pool"`   // of a history
	Days     int      `json:"days"`
	Seeds    int      `json:"seeds"`
	Load     float64  `json:"load,omitempty"`
	Policies []string `json:"policies,omitempty"`
	Reserves []int    `json:"reserves,omitempty"`
	Home     bool     `json:"home,omitempty"`
}

// simulation is one that runs or has run.
type simulation struct {
	ID     string           `json:"id"`
	State  string           `json:"state"` // waiting, running, done, failed, cancelled
	Done   int              `json:"done"`
	Of     int              `json:"of"`
	Asked  wish             `json:"asked"`
	Name   Words            `json:"name"`
	Report *simulate.Report `json:"report,omitempty"`
	Error  *Words           `json:"error,omitempty"`

	user  string
	since time.Time
	ended time.Time
	stop  context.CancelFunc
}

// maySimulate: those who decide on beds, and those who answer for the program.
var maySimulate = []access.Role{"leader", "bed-desk", "duty-chief", "administrator", "medical-affairs"}

// Register hangs the calls into the page's API.
func (s *Simulations) Register(mux *http.ServeMux) {
	s.plays, s.lane = map[string]*simulation{}, make(chan struct{}, 1)
	mux.HandleFunc("POST /api/beds/simulate", s.begin)
	mux.HandleFunc("GET /api/beds/simulate", s.list)
	mux.HandleFunc("GET /api/beds/simulate/{id}", s.show)
	mux.HandleFunc("DELETE /api/beds/simulate/{id}", s.cancel)
}

func (s *Simulations) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Simulations) caller(w http.ResponseWriter, r *http.Request) *access.Caller {
	c := Caller(w, r)
	if c != nil && !slices.Contains(maySimulate, c.Role) {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "not-your-simulation", "leaders, the bed desk and administrators simulate beds", "床位模拟由院领导、床位调配中心或管理员使用"))
		return nil
	}
	return c
}

func (s *Simulations) begin(w http.ResponseWriter, r *http.Request) {
	c := s.caller(w, r)
	if c == nil {
		return
	}
	var asked wish
	err := Body(w, r, 16<<10, &asked)
	if err == nil {
		err = asked.check()
	}
	var e *simulate.Experiment
	var name Words
	if err == nil {
		e, name, err = s.experiment(r.Context(), c, &asked)
	}
	if err == nil {
		err = s.Audit.Read(r.Context(), audit.Of(r.Context(), "E", "beds-simulate", cmp.Or(asked.Pool, "region")))
	}
	var one *simulation
	if err == nil {
		one, err = s.add(c, asked, name, e)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	w.Header().Set("Location", "/api/beds/simulate/"+one.ID)
	Answer(w, http.StatusAccepted, s.copy(one))
}

// check bounds what is asked; what is not said is filled in.
func (a *wish) check() error {
	wrong := func(field, en, zh string) error {
		return fhir.Refuse(422, "value", "bad-"+field, en, zh)
	}
	a.Source, a.Days, a.Seeds = cmp.Or(a.Source, "region"), cmp.Or(a.Days, 365), cmp.Or(a.Seeds, 10)
	if len(a.Policies) == 0 {
		a.Policies = []string{"own", "neighbours", "pool", "weighted"}
	}
	if len(a.Reserves) == 0 {
		a.Reserves = []int{0}
	}
	switch {
	case a.Source != "region" && a.Source != "history":
		return wrong("source", "source is region or history", "数据来源只能是示例或本院历史")
	case a.Source == "history" && a.Pool == "":
		return wrong("pool", "say whose history", "请选择机构")
	case a.Days < 14 || a.Days > 1100:
		return wrong("days", "14 to 1100 days", "天数须在 14 至 1100 之间")
	case a.Seeds < 1 || a.Seeds > 60:
		return wrong("seeds", "1 to 60 seeds", "重复次数须在 1 至 60 之间")
	case a.Load != 0 && (a.Load < 0.3 || a.Load > 1.3):
		return wrong("load", "a load of 0.3 to 1.3", "负荷须在 30% 至 130% 之间")
	case len(a.Reserves) > 25 || slices.ContainsFunc(a.Reserves, func(k int) bool { return k < 0 || k > 200 }):
		return wrong("reserves", "up to 25 reserves of 0 to 200 beds", "预留方案不超过 25 个，每个 0 至 200 张")
	}
	if _, err := simulate.Named(a.Policies); err != nil || len(a.Policies) > len(simulate.Policies) {
		return wrong("policies", "policies are own, neighbours, pool, weighted", "分配办法无法识别")
	}
	return nil
}

func (s *Simulations) experiment(ctx context.Context, c *access.Caller, a *wish) (e *simulate.Experiment, name Words, err error) {
	admissions := 0.0
	if a.Source == "region" {
		h := simulate.Shipped()
		warmup := min(90, a.Days)
		if e, err = simulate.GeneratedFrom(h, a.Days, warmup, a.Load); err != nil {
			return nil, name, err
		}
		e.First, name = 1, Words{h.Name, h.En}
		admissions = 90 * float64(a.Days+warmup) * max(1, a.Load)
	} else {
		if a.Pool != c.Institution && (s.Tree == nil || c.Org == "" || !s.Tree.Within(a.Pool, c.Org)) || s.Past == nil {
			return nil, name, fhir.Refuse(404, "not-found", "not-found", "not found, or not visible to you", "未找到，或您无权查看")
		}
		past, err := s.Past(ctx, a.Pool, s.now().AddDate(0, 0, -a.Days))
		if err != nil {
			return nil, name, err
		}
		stays := past.Stays
		if len(stays) > mostStays {
			return nil, name, tooMuch
		}
		var recorded *simulate.Recorded
		if len(stays) >= fewestStays {
			recorded, err = simulate.NewRecorded(stays, &past.Pool)
		}
		if recorded == nil || err != nil {
			return nil, name, fhir.Refuse(422, "business-rule", "too-little-history", fmt.Sprintf("%d stays in that time; at least %d are needed", len(stays), fewestStays),
				fmt.Sprintf("该时段只有 %d 次住院记录，至少需要 %d 次", len(stays), fewestStays))
		}
		e = &simulate.Experiment{Source: recorded, Options: simulate.Options{Cleaning: 45 * time.Minute, Rules: past.Rules}}
		admissions, name = float64(len(stays)), Words{"本院历史", "own history"}
	}
	if admissions*float64(a.Seeds*len(a.Policies)*len(a.Reserves)) > mostPlayed {
		return nil, name, tooMuch
	}
	e.Seeds, e.Workers, e.Reserves, e.Options.Home = a.Seeds, 1, a.Reserves, a.Home
	e.Policies, err = simulate.Named(a.Policies)
	return e, name, err
}

var tooMuch = fhir.Refuse(422, "too-costly", "too-much-to-simulate", "fewer days, seeds, policies or reserves, please; the command xinglin simulate beds has no such bound",
	"计算量过大：请减少天数、重复次数、分配办法或预留方案（命令行 xinglin simulate beds 不受此限）")

// add lets it begin as soon as no other runs.
func (s *Simulations) add(c *access.Caller, a wish, name Words, e *simulate.Experiment) (*simulation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, open := s.now(), 0
	s.forget(now)
	for _, x := range s.plays {
		if !x.ended.IsZero() {
			continue
		}
		if open++; x.user == c.User {
			return nil, fhir.Refuse(409, "conflict", "simulation-running", "one of yours is still running; wait for it or stop it", "您有一个模拟仍在进行，请等待或停止后再试")
		}
	}
	if open >= mostWaiting {
		return nil, fhir.Refuse(429, "throttled", "too-many-simulations", "many simulations are waiting; try later", "排队的模拟较多，请稍后再试")
	}
	around := s.Ends
	if around == nil {
		around = context.Background()
	}
	ctx, stop := context.WithTimeout(around, longestPlayed)
	one := &simulation{ID: rand.Text(), State: "waiting", Asked: a, Name: name, Of: a.Seeds * len(a.Policies) * len(a.Reserves), user: c.User, since: now, stop: stop}
	s.plays[one.ID] = one
	e.Progress = func(done, _ int) {
		s.mu.Lock()
		one.Done = done
		s.mu.Unlock()
	}
	go s.play(ctx, one, e)
	return one, nil
}

// forget what has been kept long enough.
func (s *Simulations) forget(now time.Time) {
	var ended []*simulation
	for id, x := range s.plays {
		if !x.ended.IsZero() {
			if now.Sub(x.ended) > keptFor {
				delete(s.plays, id)
				continue
			}
			ended = append(ended, x)
		}
	}
	slices.SortFunc(ended, func(a, b *simulation) int { return a.ended.Compare(b.ended) })
	for len(ended) > mostKept {
		delete(s.plays, ended[0].ID)
		ended = ended[1:]
	}
}

func (s *Simulations) play(ctx context.Context, one *simulation, e *simulate.Experiment) {
	defer one.stop()
	var report *simulate.Report
	var err error
	select {
	case s.lane <- struct{}{}:
		s.mu.Lock()
		one.State = "running"
		s.mu.Unlock()
		report, err = e.Run(ctx)
		<-s.lane
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one.ended = s.now()
	switch {
	case err == nil:
		one.State, one.Report, one.Done = "done", report, one.Of
	case errors.Is(err, context.DeadlineExceeded):
		one.State, one.Error = "failed", &Words{"计算时间过长，已停止", "it took too long and was stopped"}
	case errors.Is(err, context.Canceled):
		one.State = "cancelled"
	default:
		one.State, one.Error = "failed", &Words{"计算失败", "it failed"}
		slog.Error("api: simulation failed", "error", err)
	}
}

// copy is one as it stands now.
func (s *Simulations) copy(one *simulation) simulation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *one
}

// of finds one of the caller's own.
func (s *Simulations) of(c *access.Caller, id string) *simulation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.plays[id]; one != nil && one.user == c.User {
		return one
	}
	return nil
}

func (s *Simulations) show(w http.ResponseWriter, r *http.Request) {
	c := s.caller(w, r)
	if c == nil {
		return
	}
	one := s.of(c, r.PathValue("id"))
	if one == nil {
		Refuse(w, r, fhir.Refuse(404, "not-found", "not-found", "not found, or not visible to you", "未找到，或您无权查看"))
		return
	}
	Answer(w, http.StatusOK, s.copy(one))
}

// list says which of the caller's own there are, newest first, without their reports.
func (s *Simulations) list(w http.ResponseWriter, r *http.Request) {
	c := s.caller(w, r)
	if c == nil {
		return
	}
	s.mu.Lock()
	s.forget(s.now())
	var mine []simulation
	for _, x := range s.plays {
		if x.user == c.User {
			one := *x
			one.Report = nil
			mine = append(mine, one)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(mine, func(a, b simulation) int { return b.since.Compare(a.since) })
	Answer(w, http.StatusOK, map[string]any{"simulations": mine})
}

func (s *Simulations) cancel(w http.ResponseWriter, r *http.Request) {
	c := s.caller(w, r)
	if c == nil {
		return
	}
	one := s.of(c, r.PathValue("id"))
	if one == nil {
		Refuse(w, r, fhir.Refuse(404, "not-found", "not-found", "not found, or not visible to you", "未找到，或您无权查看"))
		return
	}
	one.stop()
	Answer(w, http.StatusNoContent, nil)
}
