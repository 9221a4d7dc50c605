package simulate

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

func experiment(t *testing.T, days, warmup, seeds int) *Experiment {
	t.Helper()
	e, err := GeneratedFrom(Shipped(), days, warmup, 0)
	if err != nil {
		t.Fatal(err)
	}
	e.Seeds, e.First = seeds, 1
	return e
}

func report(t *testing.T, e *Experiment) *Report {
	t.Helper()
	r, err := e.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInTheShippedHospitalAPoolWaitsLessThanOwnWards(t *testing.T) {
	r := report(t, experiment(t, 120, 60, 4))
	own := r.Settings[0].Policies[0]
	if n := r.Beds; n != 600 {
		t.Errorf("got %d beds; want 600", n)
	}
	if got := own.Figures["crossward"].Mean; got != 0 {
		t.Errorf("each ward its own: got a share of %v in others' wards; want 0", got)
	}
	for _, p := range r.Settings[0].Policies[1:] {
		if less := p.Against["wait.mean"]; less.High >= 0 {
			t.Errorf("%s: waits differ from own wards by %+v hours; want fewer, for sure", p.Name, less)
		}
		if more := p.Figures["crossward"]; more.Low <= 0 || more.High > 0.6 {
			t.Errorf("%s: got a share of %+v in others' wards", p.Name, more)
		}
	}
	for _, w := range own.Wards {
		if w.Occupancy.Mean <= 0.1 || w.Occupancy.Mean > 1 {
			t.Errorf("%s: got occupancy %v", w.Name, w.Occupancy.Mean)
		}
	}
}

func TestTheSameExperimentGivesTheSameReport(t *testing.T) {
	one, many := experiment(t, 40, 10, 3), experiment(t, 40, 10, 3)
	one.Workers, many.Workers = 1, 3
	a, _ := json.Marshal(report(t, one))
	b, _ := json.Marshal(report(t, many))
	if string(a) != string(b) {
		t.Errorf("one worker and three differ:\n%s\n%s", a, b)
	}
	w1, _ := one.Source.World(5)
	w2, _ := one.Source.World(5)
	w3, _ := one.Source.World(6)
	if !reflect.DeepEqual(w1, w2) || reflect.DeepEqual(w1.Admissions, w3.Admissions) {
		t.Error("a seed is not the whole cause of a world")
	}
}

func TestALargerReserveHelpsEmergenciesAtTheCostOfTheOthers(t *testing.T) {
	e := experiment(t, 120, 60, 3)
	e.Policies = Policies[2:]
	e.Reserves = []int{0, 15}
	r := report(t, e)
	for i, p := range e.Policies {
		none, some := r.Settings[0].Policies[i].Figures, r.Settings[1].Policies[i].Figures
		if a, b := none["emergency.over4h"].Mean, some["emergency.over4h"].Mean; b >= a {
			t.Errorf("%s: %v of the emergencies wait over 4 h with no reserve, %v with 15 beds; want fewer", p.Name, a, b)
		}
		if a, b := none["wait.elective.mean"].Mean, some["wait.elective.mean"].Mean; b <= a {
			t.Errorf("%s: electives wait %v h with no reserve, %v h with 15 beds; want more", p.Name, a, b)
		}
	}
}

// Whatever is switched on, each who comes ends once, no bed has two, and waits and queue agree (Little).
func TestNobodyIsLostWhateverIsSwitchedOn(t *testing.T) {
	g := &Generated{Hospital: Shipped(), Days: 60, Warmup: 20}
	for name, change := range map[string]func(*Options){
		"as shipped":            func(*Options) {},
		"home again":            func(o *Options) { o.Home = true },
		"own ward first":        func(o *Options) { o.OwnFirst = 6 * time.Hour },
		"reserve":               func(o *Options) { o.Reserve = 12 },
		"no patience, no beds":  func(o *Options) { o.Patience = map[allocate.Urgency]time.Duration{allocate.Elective: 0}; o.Most = 5 },
		"everything, and alone": func(o *Options) { o.Home, o.OwnFirst, o.Reserve, o.Most = true, 4*time.Hour, 5, 40 },
	} {
		for seed := range uint64(2) {
			w, err := g.World(seed)
			if err != nil {
				t.Fatal(err)
			}
			o, _ := g.Hospital.Options()
			change(&o)
			for _, p := range Policies {
				r := run(t, w, p, o)
				parts := len(w.Admissions) - w.Arrivals
				if r.Arrived < w.Arrivals || r.Arrived > w.Arrivals+parts || r.Waiting != 0 || r.Lying != 0 {
					t.Errorf("%s, %s: %d of %d and %d parts arrived, %d still wait, %d lie", name, p.Name, r.Arrived, w.Arrivals, parts, r.Waiting, r.Lying)
				}
			}
		}
	}
}

func TestNoBedHasTwo(t *testing.T) {
	w, err := (&Generated{Hospital: Shipped(), Days: 60}).World(3)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := Shipped().Options()
	most := 0
	o.Curve = func(_ time.Duration, n int) { most = max(most, n) }
	r := run(t, w, Policies[3], o)
	if most > len(w.Pool.Beds) || most < 400 || r.Occupancy >= 1 {
		t.Errorf("at most %d of %d beds were occupied", most, len(w.Pool.Beds))
	}
}

// Little: how many wait on average is how many come in that time, times how long they wait.
func TestWhoWaitsIsWhoComesTimesHowLong(t *testing.T) {
	w := plain(8)
	poisson(w, 4, 400_000, 7, expo)
	r := run(t, w, Policies[0], Options{})
	f := r.Figures()
	rate := f["asked"] / r.Measured.Hours()
	if got, want := r.Queue, rate*f["wait.mean"]; math.Abs(got/want-1) > 0.001 {
		t.Errorf("got %v waiting on average; want %v", got, want)
	}
	var stays float64
	for i := range w.Arrivals {
		stays += w.Admissions[i].Stay.Hours()
	}
	if got, want := r.Occupancy, stays/r.Measured.Hours()/8; math.Abs(got/want-1) > 0.001 {
		t.Errorf("got occupancy %v; want %v", got, want)
	}
}

func TestIntervalsAreStudents(t *testing.T) {
	got := Of([]float64{4, 6, 8, 10}) // mean 7, s = 2.582, t(3) = 3.1824
	if math.Abs(got.Mean-7) > 1e-9 || math.Abs(got.Half()-3.1824*2.581989/2) > 1e-4 {
		t.Errorf("got %+v; want 7 with a half width of 4.1084", got)
	}
	for df, want := range map[int]float64{1: 12.7062, 30: 2.0423, 40: 2.0211, 60: 2.0003, 120: 1.9799} {
		if math.Abs(student(df)-want) > 2e-4 {
			t.Errorf("t(%d): got %v; want %v", df, student(df), want)
		}
	}
	if q := quantile([]float32{1, 2, 3, 4}, 0.5); q != 2.5 {
		t.Errorf("median of 1 to 4: got %v; want 2.5", q)
	}
}

func TestAReserveIsSharedByTheSizeOfTheWards(t *testing.T) {
	p, err := Shipped().Pool()
	if err != nil {
		t.Fatal(err)
	}
	protected := make([]bool, len(p.Wards))
	for i := range p.Wards {
		protected[i] = len(p.Wards[i].Kinds) > 0
	}
	for _, k := range []int{0, 1, 7, 20, 100} {
		got := share(&p, protected, k)
		all := 0
		for w, n := range got {
			all += n
			if protected[w] && n > 0 {
				t.Errorf("%s keeps %d", p.Wards[w].Name, n)
			}
		}
		if all != k || k == 20 && slices.Max(got) > 2 {
			t.Errorf("of %d beds: got %v", k, got)
		}
	}
}
