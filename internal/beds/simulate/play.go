package simulate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// status of an admission.
type status uint8

const (
	toCome status = iota
	waiting
	lying
	left
	refused
)

// gridlock: who has waited so long for another bed stays in his own. Two who lie in each other's ward would else wait for
// ever.
const gridlock = 7 * 24 * time.Hour

// play is one world under one policy.
type play struct {
	*World
	o        Options
	policy   Policy
	engine   *allocate.Engine
	now      time.Duration
	midnight time.Duration // from the midnight before the start
	calendar
	rules

	status []status
	since  []time.Duration // who waits or waited: from when
	bedOf  []int32         // 1 + bed, of who lies; of who waits: where he lies meanwhile
	lies   []int32         // by bed: 1 + admission
	strays []int32         // beds whose patient is at home elsewhere

	free    [][]int32 // by ward, in order
	queues  []queue   // by class
	active  []int32   // classes in which somebody waits
	nWaits  int
	soon    []int // by ward: discharges planned within Options.OwnFirst
	planned []bool
	tally
}

// queue of one class: first come, first served.
type queue struct {
	who    []int32
	head   int
	n      int // that still wait
	listed bool
}

// Play plays a world under a policy.
func Play(ctx context.Context, w *World, p Policy, o Options) (*Result, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	n, beds, wards := len(w.Admissions), len(w.Pool.Beds), len(w.Pool.Wards)
	s := &play{World: w, o: o, policy: p,
		status: make([]status, n), since: make([]time.Duration, n), bedOf: make([]int32, n), lies: make([]int32, beds),
		free: make([][]int32, wards), queues: make([]queue, len(w.Classes)), soon: make([]int, wards), planned: make([]bool, beds)}
	until := w.Until
	if until == 0 && w.Arrivals > 0 {
		until = w.Admissions[w.Arrivals-1].At
	}
	h, m, sec := w.Start.Clock()
	s.midnight = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second
	s.tally.open(o.Warmup, until, w)
	s.rules.open(s)
	for i := range w.Pool.Beds {
		if w.Pool.Beds[i].State == allocate.Free {
			s.opened(int32(i))
		}
	}
	s.shift()
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return s.result()
}

func (w *World) check() error {
	if w.Arrivals > len(w.Admissions) {
		return fmt.Errorf("simulate: %d arrivals among %d admissions", w.Arrivals, len(w.Admissions))
	}
	for i := range w.Admissions {
		a := &w.Admissions[i]
		switch {
		case a.Stay < 0 || int(a.Class) >= len(w.Classes) || int(a.Bed) > len(w.Pool.Beds):
			return fmt.Errorf("simulate: admission %d: %+v is not possible", i, *a)
		case i > 0 && i < w.Arrivals && a.At < w.Admissions[i-1].At:
			return fmt.Errorf("simulate: admission %d comes before the one ahead of it", i)
		case a.Next != 0 && (int(a.Next) < w.Arrivals || int(a.Next) >= len(w.Admissions) || int(a.Next) <= i):
			return fmt.Errorf("simulate: admission %d is followed by %d", i, a.Next)
		}
	}
	return nil
}

func (s *play) run(ctx context.Context) error {
	coming := 0
	for steps := 0; ; steps++ {
		if steps&0xffff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if coming < s.Arrivals && (len(s.events) == 0 || s.Admissions[coming].At < s.events[0].at) {
			s.turn(s.Admissions[coming].At)
			s.came(int32(coming))
			coming++
			continue
		}
		e, more := s.next()
		if !more {
			break
		}
		if e.kind == shifts && coming == s.Arrivals && s.nWaits == 0 {
			continue // nobody is left for whom the nurses matter
		}
		s.turn(e.at)
		s.happens(e)
		if e.kind == shifts && coming == s.Arrivals && s.lyingNow == 0 && len(s.events) <= 1 {
			break // whoever waits still fits nowhere
		}
	}
	s.close()
	return nil
}

func (s *play) turn(to time.Duration) {
	if to != s.now {
		s.now = to
		s.engine.Now(s.Start.Add(to))
	}
	s.pass(to)
}

func (s *play) happens(e event) {
	switch e.kind {
	case leaves:
		s.ends(e.who)
	case cleaned:
		s.engine.Set(int(e.bed), allocate.Free)
		s.opened(e.bed)
		s.fill(e.bed)
	case gives:
		if s.status[e.who] != waiting {
			return
		}
		s.dropped(e.who)
		if s.bedOf[e.who] != 0 {
			s.stays(e.who)
			return
		}
		s.refuse(e.who, "patience")
	case looks:
		if c := s.Admissions[e.who].Class; s.status[e.who] == waiting {
			s.serve(c)
		}
	case plans:
		if s.lies[e.bed] == e.who+1 && !s.planned[e.bed] {
			s.planned[e.bed] = true
			s.soon[s.Pool.Beds[e.bed].Ward]++
			s.engine.Plan(int(e.bed), s.Start.Add(s.now+s.o.OwnFirst), 0.8)
		}
	case shifts:
		s.shift()
	}
}

// came: a patient is to be admitted.
func (s *play) came(who int32) {
	s.arrived++
	s.asks(who)
}

// asks for a bed: of a new patient, or of one who lies where he should not stay.
func (s *play) asks(who int32) {
	a := &s.Admissions[who]
	s.since[who] = s.now
	inside := s.bedOf[who] != 0
	if s.policy.Reach == recorded {
		switch b := a.Bed - 1; {
		case inside && s.bedOf[who] == a.Bed:
			s.stays(who)
		case b >= 0 && s.lies[b] == 0:
			s.moveOrPut(who, b)
		case inside:
			s.stays(who)
		default:
			s.refuse(who, "conflict")
		}
		return
	}
	if !s.possible[a.Class] {
		if inside { // he stays where he is
			s.stays(who)
			return
		}
		s.refuse(who, "nothing-fits")
		return
	}
	urgency := s.Classes[a.Class].Request.Urgency
	patience, ends := s.o.Patience[urgency]
	if q := &s.queues[a.Class]; q.n == 0 {
		if bed, ok := s.best(a.Class, who); ok {
			s.moveOrPut(who, bed)
			return
		}
	}
	switch {
	case inside:
	case ends && patience <= 0:
		s.refuse(who, "full")
		return
	case s.o.Most > 0 && s.nWaits >= s.o.Most && urgency != allocate.Emergency:
		s.refuse(who, "full")
		return
	}
	s.enqueue(who)
	if inside {
		s.add(event{at: s.now + gridlock, kind: gives, who: who})
	} else if ends {
		s.add(event{at: s.now + patience, kind: gives, who: who})
	}
	if s.o.OwnFirst > 0 && urgency != allocate.Emergency {
		s.add(event{at: s.now + s.o.OwnFirst, kind: looks, who: who})
	}
}

func (s *play) enqueue(who int32) {
	c := s.Admissions[who].Class
	q := &s.queues[c]
	s.status[who] = waiting
	q.who = append(q.who, who)
	q.n++
	if !q.listed {
		q.listed = true
		s.active = append(s.active, c)
	}
	s.nWaits++
	s.waitingNow++
}

// dropped: he waits no more; his place in the queue is passed over when it comes to the head.
func (s *play) dropped(who int32) {
	s.queues[s.Admissions[who].Class].n--
	s.nWaits--
	s.waitingNow--
}

// first who waits in a class; -1 = nobody.
func (s *play) first(c int32) int32 {
	q := &s.queues[c]
	for q.head < len(q.who) {
		who := q.who[q.head]
		if s.status[who] == waiting {
			if q.head > 1024 && q.head*2 > len(q.who) {
				q.who = slices.Delete(q.who, 0, q.head)
				q.head = 0
			}
			return who
		}
		q.head++
	}
	q.who, q.head = q.who[:0], 0
	return -1
}

// serve gives beds to those of one class as far as they go.
func (s *play) serve(c int32) {
	for who := s.first(c); who >= 0; who = s.first(c) {
		bed, ok := s.best(c, who)
		if !ok {
			return
		}
		s.dropped(who)
		s.moveOrPut(who, bed)
	}
}

func (s *play) moveOrPut(who, bed int32) {
	from := s.bedOf[who]
	s.put(who, bed)
	if from != 0 {
		s.vacates(from - 1)
	}
}

func (s *play) put(who, bed int32) {
	a := &s.Admissions[who]
	s.occupy(who, bed)
	s.decided("placed", who, bed)
	s.admitted++
	s.waited(who, s.now-s.since[who], s.astray(a.Class, bed))
	ends := s.endOf(who)
	s.add(event{at: ends, kind: leaves, who: who, bed: bed})
	if s.o.OwnFirst > 0 {
		// the ward is right to within half of the time by which it plans ahead
		off := time.Duration(noise(uint64(who))*float64(s.o.OwnFirst)) - s.o.OwnFirst/2
		s.add(event{at: max(s.now, ends-s.o.OwnFirst+off), kind: plans, who: who, bed: bed})
	}
}

// stays: the next part of his stay passes in the bed of the last.
func (s *play) stays(who int32) {
	s.status[who] = lying
	s.decided("stays", who, s.bedOf[who]-1)
	s.lies[s.bedOf[who]-1] = who + 1
	s.admitted++
	s.unmoved++
	s.add(event{at: s.endOf(who), kind: leaves, who: who, bed: s.bedOf[who] - 1})
}

// endOf a stay that begins now: patients go home by day.
func (s *play) endOf(who int32) time.Duration {
	a := &s.Admissions[who]
	at := s.now + a.Stay
	if s.o.DischargeTo <= s.o.DischargeFrom || a.Next != 0 {
		return at
	}
	day := (s.midnight + at) % (24 * time.Hour)
	goes := s.o.DischargeFrom + time.Duration(noise(uint64(who)+1<<40)*float64(s.o.DischargeTo-s.o.DischargeFrom))
	switch {
	case day < s.o.DischargeFrom:
		return at - day + goes
	case day > s.o.DischargeTo:
		return at - day + 24*time.Hour + goes
	}
	return at
}

func (s *play) occupy(who, bed int32) {
	a := &s.Admissions[who]
	ward := s.Pool.Beds[bed].Ward
	ask := s.ask(a.Class, who)
	s.taken(bed)
	s.status[who], s.bedOf[who], s.lies[bed] = lying, bed+1, who+1
	s.engine.PlaceOf(int(bed), ask)
	s.enters(ward)
	if s.o.Home && s.astray(a.Class, bed) {
		s.strays = append(s.strays, bed)
	}
}

// ends: a stay, or a part of it, is over.
func (s *play) ends(who int32) {
	bed := s.bedOf[who] - 1
	s.status[who] = left
	s.gone++
	if next := s.Admissions[who].Next; next != 0 {
		s.arrived++
		s.bedOf[next] = bed + 1
		s.lies[bed] = next + 1
		s.asks(next)
		return
	}
	s.vacates(bed)
}

func (s *play) vacates(bed int32) {
	ward := s.Pool.Beds[bed].Ward
	s.lies[bed] = 0
	s.exits(ward)
	if s.planned[bed] {
		s.planned[bed] = false
		s.soon[ward]--
	}
	if i := slices.Index(s.strays, bed); i >= 0 {
		s.strays = slices.Delete(s.strays, i, i+1)
	}
	if s.o.Cleaning > 0 {
		s.engine.Free(int(bed), allocate.Closed) // the simulated desk promises no bed that is being cleaned
		s.add(event{at: s.now + s.o.Cleaning, kind: cleaned, bed: bed})
		return
	}
	s.engine.Free(int(bed), allocate.Free)
	s.opened(bed)
	s.fill(bed)
}

func (s *play) opened(bed int32) {
	w := s.Pool.Beds[bed].Ward
	at, _ := slices.BinarySearch(s.free[w], bed)
	s.free[w] = slices.Insert(s.free[w], at, bed)
}

func (s *play) taken(bed int32) {
	w := s.Pool.Beds[bed].Ward
	if at, ok := slices.BinarySearch(s.free[w], bed); ok {
		s.free[w] = slices.Delete(s.free[w], at, at+1)
	}
}

// refuse: he goes elsewhere.
func (s *play) refuse(who int32, why string) {
	s.status[who] = refused
	s.decided("refused", who, -1)
	s.refusals(who, why)
	for next := s.Admissions[who].Next; next != 0; next = s.Admissions[next].Next {
		s.status[next] = refused
	}
}

func (s *play) decided(what string, who, bed int32) {
	if s.o.Each != nil {
		s.o.Each(s.now, what, int(who), int(bed))
	}
}

// noise is one number in [0, 1) for each n, the same for every policy.
func noise(n uint64) float64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return float64((n^n>>31)>>11) / (1 << 53)
}
