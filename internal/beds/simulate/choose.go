package simulate

import (
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// recorded is the reach of a replay: each lies where he lay.
const recorded Reach = 255

// rules are what a policy adds to the hub's hard rules: how far a patient may lie from home, and the reserve.
type rules struct {
	reach     [][]int32 // by class: wards in the order in which they are looked at
	near      []int     // by class: how many of them are his own
	allowed   [][]bool  // by class and ward
	possible  []bool    // by class: some bed would fit in an empty hospital
	rank      []int     // by class
	protected []bool    // by ward
	reserve   []int     // by ward: its part of Options.Reserve
	alike     []int32   // by bed: the first bed of the same room, level and equipment
	asking    []allocate.Request
	ready     []*allocate.Ask // of the same place in asking
	given     *allocate.Rules
}

func (r *rules) open(s *play) {
	pool := &s.Pool
	wards := len(pool.Wards)
	r.protected = make([]bool, wards)
	for i := range pool.Wards {
		r.protected[i] = len(pool.Wards[i].Kinds) > 0
	}
	r.given = s.o.Rules
	if r.given == nil {
		r.given = allocate.Default()
	}
	r.reserve = share(pool, r.protected, s.o.Reserve)
	stand := *pool
	stand.Now = s.Start
	if s.policy.Weighted { // the weights keep the reserve
		stand.Wards = slices.Clone(pool.Wards)
		for w, n := range r.reserve {
			if s.o.Reserve > 0 {
				stand.Wards[w].Reserve = n
			}
		}
	}
	s.engine = allocate.NewEngine(&stand, r.given)
	s.engine.Now(time.Date(s.Start.Year(), s.Start.Month(), s.Start.Day(), 12, 0, 0, 0, s.Start.Location())) // what is possible by day comes in time
	defer s.engine.Now(s.Start)
	r.alike = alike(pool)
	r.asking, r.ready = make([]allocate.Request, len(s.Classes)), make([]*allocate.Ask, len(s.Classes))
	for c := range s.Classes {
		class := &s.Classes[c]
		r.asking[c] = class.Request
		r.ready[c] = s.engine.Ask(&r.asking[c])
		r.rank = append(r.rank, rankOf(class.Request.Urgency))
		list, near := reach(pool, class, s.policy.Reach)
		may := make([]bool, wards)
		for _, w := range list {
			may[w] = true
		}
		r.reach, r.near, r.allowed = append(r.reach, list), append(r.near, near), append(r.allowed, may)
		r.possible = append(r.possible, slices.ContainsFunc(list, func(w int32) bool {
			return slices.ContainsFunc(pool.Beds, func(b allocate.Bed) bool { return b.Ward == int(w) }) && s.wouldFit(c, int(w))
		}))
	}
}

func (s *play) wouldFit(c, ward int) bool {
	for b := range s.Pool.Beds {
		if s.Pool.Beds[b].Ward == ward && s.alike[b] == int32(b) && s.engine.Fits(b, &s.asking[c]) {
			return true
		}
	}
	return false
}

// reach lists the wards of a class, its own first.
func reach(p *allocate.Pool, class *Class, far Reach) (list []int32, near int) {
	for _, w := range class.Home {
		list = append(list, int32(w))
	}
	near = len(list)
	if far == Own || far == recorded {
		return list, near
	}
	specialty := class.Request.Specialty
	add := func(ok func(*allocate.Ward) bool) {
		for w := range p.Wards {
			if !slices.Contains(list, int32(w)) && ok(&p.Wards[w]) {
				list = append(list, int32(w))
			}
		}
	}
	add(func(w *allocate.Ward) bool { return slices.Contains(w.Specialties, specialty) })
	add(func(w *allocate.Ward) bool { return slices.Contains(w.Neighbours, specialty) })
	if far == Everywhere {
		add(func(w *allocate.Ward) bool {
			return slices.ContainsFunc(class.Home, func(h int) bool { return p.Wards[h].Campus == w.Campus })
		})
		add(func(*allocate.Ward) bool { return true })
	}
	return list, near
}

// share gives each open ward its part of a reserve, by its beds; largest remainder.
func share(p *allocate.Pool, protected []bool, reserve int) []int {
	beds, all := make([]int, len(p.Wards)), 0
	for i := range p.Beds {
		if w := p.Beds[i].Ward; !protected[w] {
			beds[w]++
			all++
		}
	}
	out := make([]int, len(p.Wards))
	if all == 0 {
		return out
	}
	order, given := make([]int, len(p.Wards)), 0
	for w := range order {
		order[w] = w
		out[w] = reserve * beds[w] / all
		given += out[w]
	}
	slices.SortStableFunc(order, func(a, b int) int { return reserve*beds[b]%all - reserve*beds[a]%all })
	for _, w := range order {
		if given == reserve {
			break
		}
		if beds[w] > 0 {
			out[w]++
			given++
		}
	}
	return out
}

// alike: of beds in one room with the same level and equipment it is enough to look at the first that is free.
func alike(p *allocate.Pool) []int32 {
	type sort struct {
		ward, room int
		level      allocate.Level
		equipment  allocate.Equipment
	}
	firsts, out := map[sort]int32{}, make([]int32, len(p.Beds))
	for i := range p.Beds {
		b := &p.Beds[i]
		k := sort{b.Ward, b.Room, b.Level, b.Equipment}
		if _, ok := firsts[k]; !ok {
			firsts[k] = int32(i)
		}
		out[i] = firsts[k]
	}
	return out
}

// ask is the request of a patient, as it is now.
func (s *play) ask(c, who int32) *allocate.Ask {
	r := &s.asking[c]
	r.Since = s.Start.Add(s.since[who])
	r.Promised, r.At = time.Time{}, ""
	if p := s.Admissions[who].Promised; p > 0 {
		r.Promised = s.Start.Add(p)
	}
	from := s.bedOf[who] - 1
	if from >= 0 {
		r.At = s.Pool.Beds[from].ID
	}
	s.engine.At(s.ready[c], int(from))
	return s.ready[c]
}

// kept: the bed belongs to the reserve, he is no emergency, and he would not leave another bed for it.
func (s *play) kept(c, who, ward int32) bool {
	if s.o.Reserve == 0 || s.policy.Weighted || s.rank[c] == 0 || s.protected[ward] || s.bedOf[who] != 0 {
		return false
	}
	return len(s.free[ward]) <= s.reserve[ward]
}

// rests: he waits a little for a bed at home that is to be free soon.
func (s *play) rests(c, who int32) bool {
	if s.o.OwnFirst == 0 || !s.policy.Weighted || s.rank[c] == 0 || s.now-s.since[who] >= s.o.OwnFirst {
		return false
	}
	for _, w := range s.reach[c][:s.near[c]] {
		if s.soon[w] > 0 {
			return true
		}
	}
	return false
}

// best bed of all that he may have.
func (s *play) best(c, who int32) (bed int32, ok bool) {
	a := s.ask(c, who)
	wards := s.reach[c]
	if s.rests(c, who) {
		wards = wards[:s.near[c]]
	}
	if s.policy.Weighted && len(wards) == len(s.Pool.Wards) {
		b, ok := s.engine.Of(a)
		return int32(b), ok
	}
	least := s.engine.Leave(&s.asking[c])
	for _, w := range wards {
		if len(s.free[w]) == 0 || s.kept(c, who, w) {
			continue
		}
		b, cost, found := s.bestIn(w, a)
		if !found {
			continue
		}
		if !s.policy.Weighted {
			return b, true
		}
		if cost <= least {
			bed, least, ok = b, cost, true
		}
	}
	return bed, ok
}

// bestIn a ward: the first that fits, or the cheapest.
func (s *play) bestIn(ward int32, a *allocate.Ask) (bed int32, least float64, ok bool) {
	if !s.engine.WardFits(a, int(ward)) {
		return 0, 0, false
	}
	last, share := int32(-1), int64(-1)
	for _, b := range s.free[ward] {
		if s.alike[b] == last {
			continue
		}
		last = s.alike[b]
		if !s.engine.BedFits(a, int(b)) {
			continue
		}
		if !s.policy.Weighted {
			return b, 0, true
		}
		if share < 0 {
			share = s.engine.WardShare(a, int(ward))
		}
		if cost := s.engine.CostIn(a, share, int(b)); !ok || cost < least {
			bed, least, ok = b, cost, true
		}
	}
	return bed, least, ok
}

// fill gives a bed that got free, and what else that opened in its ward, to those who wait.
func (s *play) fill(bed int32) {
	ward := int32(s.Pool.Beds[bed].Ward)
	s.fillWard(ward)
	if s.o.Home && s.lies[bed] == 0 {
		s.bringHome(bed)
	}
}

func (s *play) fillWard(ward int32) {
	for s.nWaits > 0 && len(s.free[ward]) > 0 {
		c, bed, ok := s.nextFor(ward)
		if !ok {
			return
		}
		who := s.first(c)
		s.dropped(who)
		s.moveOrPut(who, bed)
	}
}

// rounding is more than what is lost by counting points as floats, and less than the least difference of two costs.
const rounding = 1e-6

// nextFor a ward: by need and time, or where it does the most good.
func (s *play) nextFor(ward int32) (class, bed int32, ok bool) {
	var most float64
	var rank int
	var since time.Duration
	for i := 0; i < len(s.active); i++ {
		c := s.active[i]
		who := s.first(c)
		if who < 0 {
			s.queues[c].listed = false
			s.active = slices.Delete(s.active, i, i+1)
			i--
			continue
		}
		if !s.allowed[c][ward] || s.kept(c, who, ward) {
			continue
		}
		if !s.policy.Weighted && ok && (s.rank[c] > rank || s.rank[c] == rank && s.since[who] >= since) {
			continue
		}
		if !slices.Contains(s.reach[c][:s.near[c]], ward) && s.rests(c, who) {
			continue
		}
		a := s.ask(c, who)
		leave := 0.0
		if s.policy.Weighted {
			leave = s.engine.Leave(&s.asking[c])
			if ok && leave-s.engine.LeastIn(a, int(ward)) < most-rounding {
				continue // the best bed would do less good
			}
		}
		b, cost, found := s.bestIn(ward, a)
		if !found {
			continue
		}
		if !s.policy.Weighted {
			class, bed, ok, rank, since = c, b, true, s.rank[c], s.since[who]
			continue
		}
		if good := leave - cost; good >= 0 && (!ok || good > most) {
			class, bed, ok, most = c, b, true, good
		}
	}
	return class, bed, ok
}

// astray: he lies in a ward that is not his own.
func (s *play) astray(c, bed int32) bool {
	ward := int32(s.Pool.Beds[bed].Ward)
	return !slices.Contains(s.reach[c][:s.near[c]], ward)
}

// bringHome moves a lent patient into a bed of his own ward for which nobody waits.
func (s *play) bringHome(bed int32) {
	ward := int32(s.Pool.Beds[bed].Ward)
	for _, from := range s.strays {
		who := s.lies[from] - 1
		if who < 0 || s.status[who] != lying {
			continue
		}
		c := s.Admissions[who].Class
		if !slices.Contains(s.reach[c][:s.near[c]], ward) {
			continue
		}
		a := s.ask(c, who)
		fits := s.engine.WardFits(a, int(ward)) && s.engine.BedFits(a, int(bed)) // a hard rule asks nothing of how often he was moved
		if !fits {
			continue
		}
		s.moved(who)
		s.decided("moved", who, bed)
		s.occupy(who, bed)
		s.vacates(from)
		return
	}
}

// bells are the times of the day at which something changes for all wards: shifts, and the end of the night.
func (s *play) bells() (out []time.Duration) {
	for _, x := range s.o.Shifts {
		out = append(out, x.From)
	}
	if day, err := clock(s.given.Night.To); err == nil && s.policy.Reach != Own && s.policy.Reach != recorded {
		out = append(out, day)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// shift sets what each ward can bear until the next bell, and looks again at all that is free.
func (s *play) shift() {
	bells := s.bells()
	if len(bells) == 0 {
		return
	}
	day := (s.midnight + s.now) % (24 * time.Hour)
	next := bells[0] + 24*time.Hour
	for _, b := range bells {
		if b > day {
			next = b
			break
		}
	}
	if n := len(s.o.Shifts); n > 0 {
		now := s.o.Shifts[n-1]
		for _, x := range s.o.Shifts {
			if x.From <= day {
				now = x
			}
		}
		for w := range s.Pool.Wards {
			s.engine.Capacity(w, s.Pool.Wards[w].Capacity*now.Share, false)
		}
	}
	s.add(event{at: s.now + next - day, kind: shifts})
	for w := range s.free {
		s.fillWard(int32(w))
	}
}
