package simulate

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// plain is a hospital of c single rooms in one ward, to which patients of one kind come.
func plain(c int) *World {
	w := &World{Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)}
	w.Pool.Wards = []allocate.Ward{{ID: "Organization/w", Campus: "Location/c", Specialties: []string{"03"}, Capacity: 1e9}}
	for i := range c {
		w.Pool.Rooms = append(w.Pool.Rooms, allocate.Room{ID: "Location/r" + strconv.Itoa(i), Rule: allocate.Single})
		w.Pool.Beds = append(w.Pool.Beds, allocate.Bed{ID: "Location/b" + strconv.Itoa(i), Room: i, Level: allocate.General, State: allocate.Free})
	}
	w.Classes = []Class{{Request: allocate.Request{Specialty: "03", Urgency: allocate.Urgent, Sex: allocate.Female, Level: allocate.General, Age: 50}, Home: []int{0}}}
	return w
}

// poisson arrivals at a rate a unit of time; stays as drawn.
func poisson(w *World, seed uint64, n int, rate float64, stay func(*rand.Rand) float64) {
	r := rand.New(rand.NewPCG(seed, 7))
	at := 0.0
	for range n {
		at += r.ExpFloat64() / rate
		w.Admissions = append(w.Admissions, Admission{At: units(at), Stay: units(stay(r))})
	}
	w.Arrivals = n
}

// erlangB is the share of those who find c servers busy where nobody waits; load in servers.
func erlangB(c int, load float64) float64 {
	b := 1.0
	for k := 1; k <= c; k++ {
		b = load * b / (float64(k) + load*b)
	}
	return b
}

// erlangC is the mean wait of M/M/c in units of the mean stay.
func erlangC(c int, load float64) float64 {
	b := erlangB(c, load)
	rho := load / float64(c)
	return b / (1 - rho + rho*b) / (float64(c) - load)
}

// drawn is the load that a world's sample has, and its mean stay: what it would be measured against in theory differs from
// the intended one by chance, and this part of the chance is known.
func drawn(w *World) (load, stay float64) {
	var all time.Duration
	for i := range w.Arrivals {
		all += w.Admissions[i].Stay
	}
	return float64(all) / float64(w.Admissions[w.Arrivals-1].At), float64(all) / float64(w.Arrivals) / float64(unit)
}

func TestWaitsAreErlangs(t *testing.T) {
	const n = 500_000
	for _, x := range []struct {
		c     int
		rho   float64
		seeds uint64
	}{{1, 0.5, 1}, {1, 0.8, 2}, {2, 0.7, 1}, {5, 0.8, 1}, {10, 0.85, 2}, {20, 0.85, 2}, {30, 0.9, 40}, {50, 0.9, 60}} {
		if x.seeds > 2 && os.Getenv("XINGLIN_ALL") == "" {
			t.Logf("c=%d rho=%.2f skipped; XINGLIN_ALL=1 runs it", x.c, x.rho)
			continue
		}
		var got, want float64
		for seed := range x.seeds {
			w := plain(x.c)
			poisson(w, seed, n, x.rho*float64(x.c), expo)
			got += run(t, w, Policies[0], Options{}).Figures()["wait.mean"] * 60 / float64(x.seeds)
			load, stay := drawn(w)
			want += erlangC(x.c, load) * stay / float64(x.seeds)
		}
		t.Logf("c=%d rho=%.2f: %.5f; Erlang C %.5f (%+.2f %%)", x.c, x.rho, got, want, 100*(got/want-1))
		if math.Abs(got/want-1) > 0.02 {
			t.Errorf("c=%d rho=%.2f: got a mean wait of %.5f; want %.5f within 2 %%", x.c, x.rho, got, want)
		}
	}
}

// Two wards with their own patients are two queues; as one pool they are one queue with all the beds.
func TestAPoolOfTwoWardsIsOneQueue(t *testing.T) {
	w := plain(10)
	w.Pool.Wards = append(w.Pool.Wards, w.Pool.Wards[0])
	w.Pool.Wards[0].ID, w.Pool.Wards[0].Lends, w.Pool.Wards[1].Lends = "Organization/v", true, true
	w.Pool.Wards[1].Specialties = []string{"04"}
	for i := 5; i < 10; i++ {
		w.Pool.Beds[i].Ward = 1
	}
	w.Classes = append(w.Classes, w.Classes[0])
	w.Classes[1].Request.Specialty, w.Classes[1].Home = "04", []int{1}
	poisson(w, 3, 700_000, 8, expo)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range w.Admissions {
		w.Admissions[i].Class = int32(r.IntN(2))
	}
	load, stay := drawn(w)
	rules := allocate.Default()
	rules.Limits.WardLent = 0 // nothing but beds
	for _, x := range []struct {
		policy Policy
		want   float64
	}{{Policies[0], erlangC(5, load/2) * stay}, {Policies[2], erlangC(10, load) * stay}, {Policies[3], erlangC(10, load) * stay}} {
		got := run(t, w, x.policy, Options{Rules: rules}).Figures()["wait.mean"] * 60
		t.Logf("%s: %.5f; Erlang C %.5f (%+.2f %%)", x.policy.Name, got, x.want, 100*(got/x.want-1))
		if math.Abs(got/x.want-1) > 0.02 {
			t.Errorf("%s: got a mean wait of %.5f; want %.5f within 2 %%", x.policy.Name, got, x.want)
		}
	}
}

func expo(r *rand.Rand) float64 { return r.ExpFloat64() }

func TestRefusalsAreErlangs(t *testing.T) {
	for _, x := range []struct {
		c    int
		load float64
	}{{1, 0.5}, {5, 4}, {20, 18}, {50, 55}} {
		w := plain(x.c)
		poisson(w, uint64(x.c), 250_000, x.load, expo)
		got := run(t, w, Policies[0], Options{Patience: map[allocate.Urgency]time.Duration{allocate.Urgent: 0}}).Figures()["refused"]
		load, _ := drawn(w)
		want := erlangB(x.c, load)
		t.Logf("c=%d load=%v: %.5f; Erlang B %.5f (%+.2f %%)", x.c, x.load, got, want, 100*(got/want-1))
		if math.Abs(got/want-1) > 0.02 {
			t.Errorf("c=%d load=%v: got %.5f refused; want %.5f within 2 %%", x.c, x.load, got, want)
		}
	}
}

// The mean wait for one bed follows Pollaczek and Khinchine, whatever the stays are like.
func TestWaitsForOneBedArePollaczekKhinchines(t *testing.T) {
	for name, stay := range map[string]func(*rand.Rand) float64{
		"all alike":  func(*rand.Rand) float64 { return 1 },
		"lognormal":  func(r *rand.Rand) float64 { return math.Exp(0.7*r.NormFloat64() - 0.245) },
		"two stages": func(r *rand.Rand) float64 { return (r.ExpFloat64() + r.ExpFloat64()) / 2 },
	} {
		w := plain(1)
		poisson(w, 11, 400_000, 0.7, stay)
		var squares float64
		for i := range w.Arrivals {
			x := float64(w.Admissions[i].Stay) / float64(unit)
			squares += x * x
		}
		load, mean := drawn(w)
		want := load / mean * squares / float64(w.Arrivals) / 2 / (1 - load)
		got := run(t, w, Policies[0], Options{}).Figures()["wait.mean"] * 60
		t.Logf("%s: %.5f; %.5f (%+.2f %%)", name, got, want, 100*(got/want-1))
		if math.Abs(got/want-1) > 0.02 {
			t.Errorf("%s: got a mean wait of %.5f; want %.5f within 2 %%", name, got, want)
		}
	}
}

// unit of the queueing tests: the mean stay. Two million of them must fit into a time.Duration.
const unit = time.Minute

func units(x float64) time.Duration { return time.Duration(x * float64(unit)) }

func run(t *testing.T, w *World, p Policy, o Options) *Result {
	t.Helper()
	r, err := Play(context.Background(), w, p, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Arrived != r.Admitted+r.Refused+r.Waiting || r.Admitted != r.Gone+r.Lying {
		t.Fatalf("somebody is lost: %d arrived, %d admitted, %d refused, %d wait, %d left, %d lie", r.Arrived, r.Admitted, r.Refused, r.Waiting, r.Gone, r.Lying)
	}
	return r
}
