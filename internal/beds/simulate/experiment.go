package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// Experiment plays the same worlds under several policies, so that they differ by the policy and by nothing else.
type Experiment struct {
	Source   Source
	Policies []Policy // nil = all
	Options  Options
	Reserves []int // played one after another instead of Options.Reserve; nil = only that
	Seeds    int
	First    uint64
	Workers  int // 0 = one a processor
	Progress func(done, of int)
}

// Report of an experiment.
type Report struct {
	Beds       int       `json:"beds"`
	Wards      int       `json:"wards"`
	Admissions Interval  `json:"admissions"` // of one seed, warm-up included
	Days       float64   `json:"days"`       // measured
	Warmup     float64   `json:"warmupDays"`
	Seeds      int       `json:"seeds"`
	Settings   []Setting `json:"settings"`
}

// Setting is one size of the reserve.
type Setting struct {
	Reserve  int       `json:"reserve"`
	Policies []Outcome `json:"policies"`
}

// Outcome of one policy. Times are in hours, shares between 0 and 1.
type Outcome struct {
	Policy
	Figures map[string]Interval `json:"figures"`
	// Against the first policy, seed by seed: figure less figure.
	Against map[string]Interval `json:"against,omitempty"`
	Refused map[string]Interval `json:"refusedWhy"`
	Wards   []WardFigure        `json:"wards"`
}

// WardFigure says how full a ward was.
type WardFigure struct {
	Name      string   `json:"name"`
	Beds      int      `json:"beds"`
	Occupancy Interval `json:"occupancy"`
}

// Interval is a mean over the seeds with the 95 % confidence interval of Student's t. With one seed there is none: Low
// and High are the mean.
type Interval struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	N    int     `json:"n"`
}

// Half of the interval's width.
func (i Interval) Half() float64 { return (i.High - i.Low) / 2 }

// Of says the mean of some values with its interval.
func Of(values []float64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{}
	}
	mean := sum(values) / float64(n)
	if n == 1 {
		return Interval{mean, mean, mean, 1}
	}
	var squares float64
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	half := student(n-1) * math.Sqrt(squares/float64(n-1)/float64(n))
	return Interval{mean, mean - half, mean + half, n}
}

// students are the 0.975 quantiles of Student's t for 1 to 30 degrees of freedom.
var students = []float64{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448, 2.1314,
	2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423}

// student beyond the table: the first terms of the expansion around the normal distribution (Cornish and Fisher).
func student(df int) float64 {
	if df <= len(students) {
		return students[df-1]
	}
	const z = 1.959964
	n := float64(df)
	return z + (z*z*z+z)/(4*n) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*n*n)
}

// Cell is one play's figures: one world under one policy with one reserve. It says nothing of a patient.
type Cell struct {
	Figures map[string]float64 `json:"figures"`
	Why     map[string]float64 `json:"why,omitempty"`
	Wards   []float64          `json:"wards"`
	Came    int                `json:"came"` // arrivals of its world
}

func (e *Experiment) policies() []Policy {
	if e.Policies == nil {
		return Policies
	}
	return e.Policies
}

func (e *Experiment) reserves() []int {
	if len(e.Reserves) == 0 {
		return []int{e.Options.Reserve}
	}
	return e.Reserves
}

// each is how many plays one seed is.
func (e *Experiment) each() int { return len(e.policies()) * len(e.reserves()) }

// Of is how many plays it is. They are numbered: by seed, then reserve, then policy.
func (e *Experiment) Of() int { return e.Seeds * e.each() }

// World of one play; plays of one seed share it.
func (e *Experiment) World(play int) (*World, error) {
	seed := e.First + uint64(play/e.each())
	w, err := e.Source.World(seed)
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", seed, err)
	}
	return w, nil
}

// Shared says whether two plays have the same world.
func (e *Experiment) Shared(a, b int) bool { return a/e.each() == b/e.each() }

// Play one of them. The world is only looked at: many may play it at once.
func (e *Experiment) Play(ctx context.Context, w *World, play int) (*Cell, error) {
	policies, reserves := e.policies(), e.reserves()
	in := play % e.each()
	o := e.Options
	o.Reserve = reserves[in/len(policies)]
	r, err := Play(ctx, w, policies[in%len(policies)], o)
	if err != nil {
		return nil, err
	}
	c := &Cell{Figures: r.Figures(), Why: map[string]float64{}, Wards: r.Wards, Came: w.Arrivals}
	for why, n := range r.Why {
		c.Why[why] = float64(n)
	}
	return c, nil
}

// Report puts all plays together; first is the world of play 0.
func (e *Experiment) Report(first *World, cells []*Cell) *Report {
	policies, reserves := e.policies(), e.reserves()
	report := &Report{Seeds: e.Seeds, Warmup: e.Options.Warmup.Hours() / 24}
	bySeed := make([][][]*Cell, e.Seeds) // by seed, reserve, policy
	arrivals := make([]float64, e.Seeds)
	for i := range e.Seeds {
		mine := cells[i*e.each() : (i+1)*e.each()]
		arrivals[i] = float64(mine[0].Came)
		bySeed[i] = slices.Collect(slices.Chunk(mine, len(policies)))
	}
	until := first.Until
	if until == 0 && first.Arrivals > 0 {
		until = first.Admissions[first.Arrivals-1].At
	}
	report.Admissions = Of(arrivals)
	report.Days = max(0, until-e.Options.Warmup).Hours() / 24
	names, beds := first.Pool.Wards, bedsByWard(&first.Pool)
	report.Wards, report.Beds = len(names), len(first.Pool.Beds)
	for k, reserve := range reserves {
		set := Setting{Reserve: reserve}
		for p := range policies {
			set.Policies = append(set.Policies, outcome(bySeed, k, p, policies[p], names, beds))
		}
		report.Settings = append(report.Settings, set)
	}
	return report
}

// Check says whether it can be played.
func (e *Experiment) Check() error {
	if e.Seeds < 1 {
		return errors.New("simulate: at least one seed is needed")
	}
	if e.Options.Curve != nil || e.Options.Each != nil {
		return errors.New("simulate: a curve and its decisions are of one play, not of many")
	}
	return nil
}

// shared is the world of one seed while some of its plays are still to come.
type shared struct {
	make func() (*World, error)
	left int
}

// Run plays all of it, on as many processors as there are workers, whether it has many seeds or many reserves. The same
// experiment gives the same report, however many workers there are.
func (e *Experiment) Run(ctx context.Context) (*Report, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	workers := e.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var failed error
	done, of := 0, e.Of()
	cells := make([]*Cell, of)
	worlds := map[int]*shared{}
	var first *World
	world := func(play int) (*World, error) {
		seed := play / e.each()
		mu.Lock()
		s := worlds[seed]
		if s == nil {
			s = &shared{make: sync.OnceValues(func() (*World, error) { return e.World(play) }), left: e.each()}
			worlds[seed] = s
		}
		if s.left--; s.left == 0 {
			delete(worlds, seed)
		}
		mu.Unlock()
		return s.make()
	}
	play := func(i int) error {
		w, err := world(i)
		if err != nil {
			return err
		}
		c, err := e.Play(ctx, w, i)
		if err != nil {
			return fmt.Errorf("seed %d: %w", e.First+uint64(i/e.each()), err)
		}
		mu.Lock()
		defer mu.Unlock()
		if cells[i] = c; i == 0 {
			first = w
		}
		if done++; e.Progress != nil {
			e.Progress(done, of)
		}
		return nil
	}
	next := make(chan int)
	var group sync.WaitGroup
	for range min(workers, of) {
		group.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := play(i); err != nil {
					mu.Lock()
					failed = cmp.Or(failed, err)
					mu.Unlock()
					stop()
				}
			}
		})
	}
	for i := range of {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	group.Wait()
	if failed != nil {
		return nil, failed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return e.Report(first, cells), nil
}

func bedsByWard(p *allocate.Pool) []int {
	out := make([]int, len(p.Wards))
	for i := range p.Beds {
		out[p.Beds[i].Ward]++
	}
	return out
}

func outcome(cells [][][]*Cell, k, p int, policy Policy, wards []allocate.Ward, beds []int) Outcome {
	o := Outcome{Policy: policy, Figures: map[string]Interval{}, Refused: map[string]Interval{}}
	values, pairs, why := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	occupancy := make([][]float64, len(wards))
	for _, seed := range cells {
		c, base := seed[k][p], seed[k][0]
		for name, v := range c.Figures {
			values[name] = append(values[name], v)
			if b, ok := base.Figures[name]; ok {
				pairs[name] = append(pairs[name], v-b)
			}
		}
		for w, v := range c.Wards {
			occupancy[w] = append(occupancy[w], v)
		}
	}
	for _, seed := range cells {
		for name := range seed[k][p].Why {
			why[name] = nil
		}
	}
	for name := range why {
		for _, seed := range cells {
			why[name] = append(why[name], seed[k][p].Why[name])
		}
		o.Refused[name] = Of(why[name])
	}
	for name, list := range values {
		o.Figures[name] = Of(list)
	}
	if p > 0 {
		o.Against = map[string]Interval{}
		for name, list := range pairs {
			o.Against[name] = Of(list)
		}
	}
	for w := range wards {
		o.Wards = append(o.Wards, WardFigure{Name: wards[w].Name, Beds: beds[w], Occupancy: Of(occupancy[w])})
	}
	return o
}

// Named are the policies of these names, in the order in which they stand in Policies; the first is the one that the
// others are compared with.
func Named(names []string) (out []Policy, err error) {
	for _, name := range names {
		if !slices.ContainsFunc(Policies, func(p Policy) bool { return p.Name == name }) {
			return nil, fmt.Errorf("simulate: policy %q is not known; want own, neighbours, pool or weighted", name)
		}
	}
	for _, p := range Policies {
		if slices.Contains(names, p.Name) {
			out = append(out, p)
		}
	}
	return out, nil
}

// GeneratedFrom makes an experiment of a hospital's own options.
func GeneratedFrom(h *Hospital, days, warmup int, load float64) (*Experiment, error) {
	o, err := h.Options()
	if err != nil {
		return nil, err
	}
	o.Warmup = time.Duration(warmup) * 24 * time.Hour
	return &Experiment{Source: &Generated{Hospital: h, Days: days, Warmup: warmup, Load: load}, Options: o}, nil
}
