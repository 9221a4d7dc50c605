package simulate

import (
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// Result of one world under one policy.
type Result struct {
	// All that happened, warm-up and end included: each who arrived was admitted, refused or still waits.
	Arrived, Admitted, Refused, Waiting int
	Gone, Lying                         int // of those admitted
	Unmoved                             int // parts of a stay that passed in the bed of the last, since no other would fit or came free

	// What was measured between warm-up and end.
	Measured   time.Duration
	Asked      int                            // who asked for a bed then
	Waits      map[allocate.Urgency][]float32 // hours, sorted
	Why        map[string]int                 // refusals: full, patience, nothing-fits, conflict
	Occupancy  float64                        // share of bed hours
	Wards      []float64                      // the same by ward
	Queue      float64                        // how many waited on average
	Astray     int                            // admitted to a ward that is not their own
	Moves      int                            // of lent patients, home
	Promises   int                            // of those admitted, who had one
	Kept       int                            // of these, in time
	mostOfBeds int
}

// transfer is where waits for a later part of a stay are kept: he has a bed meanwhile, and blocks it.
const transfer allocate.Urgency = "transfer"

// tally counts while a world is played.
type tally struct {
	Result
	from, until             time.Duration
	last                    time.Duration
	arrived, admitted, gone int
	refusedAll, unmoved     int
	lyingNow, waitingNow    int
	wardNow                 []int
	bedTime                 []time.Duration // by ward
	waitTime                time.Duration
}

func (t *tally) open(from, until time.Duration, w *World) {
	t.from, t.until, t.last = from, max(from, until), from
	t.wardNow, t.bedTime = make([]int, len(w.Pool.Wards)), make([]time.Duration, len(w.Pool.Wards))
	t.Waits, t.Why = map[allocate.Urgency][]float32{}, map[string]int{}
}

// pass adds up what stood until now.
func (t *tally) pass(now time.Duration) {
	now = min(now, t.until)
	d := now - t.last
	if d <= 0 {
		return
	}
	t.last = now
	for w, n := range t.wardNow {
		t.bedTime[w] += d * time.Duration(n)
	}
	t.waitTime += d * time.Duration(t.waitingNow)
}

func (s *play) enters(ward int) { s.changes(ward, 1) }
func (s *play) exits(ward int)  { s.changes(ward, -1) }

func (s *play) changes(ward, by int) {
	s.lyingNow += by
	s.wardNow[ward] += by
	s.mostOfBeds = max(s.mostOfBeds, s.lyingNow)
	if s.o.Curve != nil {
		s.o.Curve(s.now, s.lyingNow)
	}
}

func (t *tally) within(at time.Duration) bool { return at >= t.from && at <= t.until }

func (s *play) waited(who int32, wait time.Duration, astray bool) {
	if !s.within(s.since[who]) {
		return
	}
	a := &s.Admissions[who]
	u := s.Classes[a.Class].Request.Urgency
	if int(who) >= s.Arrivals {
		s.Waits[transfer] = append(s.Waits[transfer], float32(wait.Hours()))
		return
	}
	s.Asked++
	s.Waits[u] = append(s.Waits[u], float32(wait.Hours()))
	if astray {
		s.Astray++
	}
	if a.Promised > 0 {
		s.Promises++
		if s.now <= a.Promised {
			s.Kept++
		}
	}
}

func (s *play) refusals(who int32, why string) {
	s.refusedAll++
	if s.within(s.since[who]) {
		s.Asked++
		s.Why[why]++
	}
}

func (s *play) moved(int32) {
	if s.within(s.now) {
		s.Moves++
	}
}

func (s *play) close() {
	s.pass(s.until)
}

func (s *play) result() (*Result, error) {
	r := s.Result
	r.Arrived, r.Admitted, r.Refused, r.Waiting = s.arrived, s.admitted, s.refusedAll, s.nWaits
	r.Gone, r.Lying, r.Unmoved = s.gone, s.lyingNow, s.unmoved
	r.Measured = s.until - s.from
	beds := make([]int, len(s.Pool.Wards))
	for i := range s.Pool.Beds {
		if s.Pool.Beds[i].State != allocate.Closed {
			beds[s.Pool.Beds[i].Ward]++
		}
	}
	var time, all float64
	r.Wards = make([]float64, len(beds))
	if span := r.Measured.Hours(); span > 0 {
		for w, n := range beds {
			if n > 0 {
				r.Wards[w] = s.bedTime[w].Hours() / span / float64(n)
			}
			time, all = time+s.bedTime[w].Hours(), all+float64(n)*span
		}
		r.Queue = s.waitTime.Hours() / span
	}
	if all > 0 {
		r.Occupancy = time / all
	}
	for _, list := range r.Waits {
		slices.Sort(list)
	}
	return &r, nil
}

// Figures of a result by name: waits in hours, shares between 0 and 1.
func (r *Result) Figures() map[string]float64 {
	out := map[string]float64{"occupancy": r.Occupancy, "waiting": r.Queue, "asked": float64(r.Asked)}
	var every []float32
	for _, u := range urgencies {
		if list := r.Waits[u]; len(list) > 0 {
			spread(out, "wait."+string(u), list)
			every = append(every, list...)
		}
	}
	if e := r.Waits[allocate.Emergency]; len(e) > 0 {
		late, _ := slices.BinarySearchFunc(e, 4, func(x float32, h int) int {
			if x <= float32(h) {
				return -1
			}
			return 1
		})
		out["emergency.over4h"] = float64(len(e)-late) / float64(len(e))
	}
	if list := r.Waits[transfer]; len(list) > 0 {
		spread(out, "wait."+string(transfer), list)
	}
	slices.Sort(every)
	refused := 0
	for _, n := range r.Why {
		refused += n
	}
	if r.Asked > 0 {
		out["refused"] = float64(refused) / float64(r.Asked)
	}
	if n := float64(len(every)); n > 0 {
		spread(out, "wait", every)
		out["crossward"] = float64(r.Astray) / n
		out["moves"] = 100 * float64(r.Moves) / n
	}
	if r.Promises > 0 {
		out["promise"] = float64(r.Kept) / float64(r.Promises)
	}
	return out
}

func spread(out map[string]float64, name string, sorted []float32) {
	sum := 0.0
	for _, x := range sorted {
		sum += float64(x)
	}
	out[name+".mean"] = sum / float64(len(sorted))
	out[name+".p50"] = quantile(sorted, 0.5)
	out[name+".p90"] = quantile(sorted, 0.9)
}

// quantile of a sorted list, between neighbours in proportion (type 7 of Hyndman and Fan).
func quantile(sorted []float32, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return float64(sorted[len(sorted)-1])
	}
	part := at - float64(low)
	return float64(sorted[low])*(1-part) + float64(sorted[low+1])*part
}
