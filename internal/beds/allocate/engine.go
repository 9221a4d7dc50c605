package allocate

import (
	"cmp"
	"slices"
	"time"
)

// Engine is a pool that changes: it keeps what a decision needs, so that one takes microseconds. Not for use by many at
// once.
type Engine struct {
	k      *ready
	now    time.Time
	minute int // of the day, in the rules' zone

	beds  []Bed
	rooms []Room
	wards []Ward

	order    []int32 // places of beds, by ID: the only order that decides ties
	rank     []int32 // of each bed in it
	level    []int8
	lying    []lying
	byID     map[string]int32
	ward     []wardState
	room     []roomState
	campus   []campusState
	paths    map[pathKey]*path
	campuses map[string]int
	deciding bool // for many: a ward's own in less need do not drive out guests who have just been given a bed
}

// lying is what Place has counted and Free takes back.
type lying struct {
	sex    Sex
	team   string
	points float64
	placed bool
	guest  bool // counted against what the nurses can bear, as the ward's own are not
}

type wardState struct {
	beds, lent, free int
	guests           int // placed here while deciding
	campus           int
	open             []int32 // beds that are free or being cleaned, by rank
}

type roomState struct{ beds, open int }

type campusState struct{ free, reserve int }

type pathKey struct{ specialty, ward string }

// path is the order in which wards are asked for one kind of patient, cheapest first.
type path struct {
	steps []step
	rel   []relation // by ward
	base  []int64    // by ward, lower bound
}

type step struct {
	ward int32
	base int64
}

// NewEngine copies the pool.
func NewEngine(p *Pool, rules *Rules) *Engine {
	e := &Engine{k: rules.ready(), beds: slices.Clone(p.Beds), rooms: slices.Clone(p.Rooms), wards: slices.Clone(p.Wards),
		paths: map[pathKey]*path{}, campuses: map[string]int{}, byID: make(map[string]int32, len(p.Beds))}
	e.Now(p.Now)
	e.ward, e.room = make([]wardState, len(e.wards)), make([]roomState, len(e.rooms))
	e.level, e.lying = make([]int8, len(e.beds)), make([]lying, len(e.beds))
	e.order, e.rank = make([]int32, len(e.beds)), make([]int32, len(e.beds))
	for i := range e.rooms {
		if e.rooms[i].Rule == "" {
			e.rooms[i].Rule = Mixed
		}
	}
	for i := range e.wards {
		w := &e.wards[i]
		at, known := e.campuses[w.Campus]
		if !known {
			at = len(e.campus)
			e.campuses[w.Campus] = at
			e.campus = append(e.campus, campusState{})
		}
		e.ward[i].campus = at
		e.campus[at].reserve += w.Reserve
		teams := make(map[string]int, len(w.Teams))
		for t, n := range w.Teams {
			teams[t] = n
		}
		w.Teams = teams
	}
	for i := range e.beds {
		e.order[i] = int32(i)
		e.byID[e.beds[i].ID] = int32(i)
		e.level[i] = int8(levelIndex(e.beds[i].Level))
		e.ward[e.beds[i].Ward].beds++
		e.room[e.beds[i].Room].beds++
	}
	slices.SortFunc(e.order, func(a, b int32) int { return cmp.Or(cmp.Compare(e.beds[a].ID, e.beds[b].ID), cmp.Compare(a, b)) })
	for r, i := range e.order {
		e.rank[i] = int32(r)
	}
	for _, i := range e.order {
		e.count(int(i), e.beds[i].State, 1)
	}
	return e
}

func (k *ready) minute(t time.Time) int {
	h, m, _ := t.In(k.zone).Clock()
	return h*60 + m
}

// Now turns the engine's clock.
func (e *Engine) Now(t time.Time) {
	if !t.Equal(e.now) || e.now.IsZero() {
		e.now, e.minute = t, e.k.minute(t)
	}
}

// Bed and Ward are to look at, not to change.
func (e *Engine) Bed(i int) *Bed   { return &e.beds[i] }
func (e *Engine) Ward(i int) *Ward { return &e.wards[i] }

// Find is the place of a bed by its ID, -1 = not here.
func (e *Engine) Find(id string) int {
	if i, ok := e.byID[id]; ok {
		return int(i)
	}
	return -1
}

// count adds a bed in a state to what is known of its ward and room, or takes it away.
func (e *Engine) count(bed int, s State, by int) {
	b := &e.beds[bed]
	w, room := &e.ward[b.Ward], &e.room[b.Room]
	switch s {
	case Free:
		w.free += by
		e.campus[w.campus].free += by
	case Lent:
		w.lent += by
	}
	if s == Free || s == Cleaning {
		room.open += by
		at, found := slices.BinarySearchFunc(w.open, e.rank[bed], func(i, rank int32) int { return cmp.Compare(e.rank[i], rank) })
		switch {
		case by > 0 && !found:
			w.open = slices.Insert(w.open, at, int32(bed))
		case by < 0 && found:
			w.open = slices.Delete(w.open, at, at+1)
		}
	}
}

// Set changes a bed's state and nothing else: cleaned, closed, open again.
func (e *Engine) Set(bed int, s State) {
	e.count(bed, e.beds[bed].State, -1)
	e.beds[bed].State = s
	e.count(bed, s, 1)
	if s == Free {
		e.beds[bed].Frees, e.beds[bed].Likely = time.Time{}, 0
	}
}

// Place gives the bed to the patient, whatever speaks against it: the sex of the room, nursing, free and lent beds and
// his team follow. Where he lay before stays taken until Free.
func (e *Engine) Place(bed int, r *Request) {
	n := e.need(r)
	e.place(bed, &n)
}

func (e *Engine) place(bed int, n *need) {
	b := &e.beds[bed]
	w, room := &e.wards[b.Ward], &e.rooms[b.Room]
	rel := n.path.rel[b.Ward]
	l := lying{sex: n.sex, team: n.Team, points: n.points, placed: true, guest: !rel.own}
	if n.atWard == b.Ward {
		l.points = 0
	}
	if l.guest {
		e.ward[b.Ward].guests++
	}
	if !rel.own && !e.k.welcome(w, n) {
		e.Set(bed, Lent)
	} else {
		e.Set(bed, Occupied)
	}
	b.Frees, b.Likely = time.Time{}, 0
	switch l.sex {
	case Male:
		room.Men++
	case Female:
		room.Women++
	default:
		room.Others++
	}
	if n.Isolation != "" {
		room.Isolation = n.Isolation
	}
	w.Load += l.points
	if l.team != "" {
		w.Teams[l.team]++
	}
	e.lying[bed] = l
}

// Free undoes Place: he leaves, and the bed is Free or Cleaning.
func (e *Engine) Free(bed int, s State) {
	b, l := &e.beds[bed], e.lying[bed]
	e.Set(bed, s)
	if !l.placed {
		return
	}
	w, room := &e.wards[b.Ward], &e.rooms[b.Room]
	switch l.sex {
	case Male:
		room.Men--
	case Female:
		room.Women--
	default:
		room.Others--
	}
	if room.Men+room.Women+room.Others == 0 {
		room.Isolation = ""
	}
	w.Load -= l.points
	if l.guest {
		e.ward[b.Ward].guests--
	}
	if l.team != "" {
		if w.Teams[l.team]--; w.Teams[l.team] == 0 {
			delete(w.Teams, l.team)
		}
	}
	e.lying[bed] = lying{}
}

// Capacity is what a ward's nurses can bear in this shift; stale = nobody has said.
func (e *Engine) Capacity(ward int, points float64, stale bool) {
	e.wards[ward].Capacity, e.wards[ward].Stale = points, stale
}

// Plan says when a bed is expected to be free, by discharge or after cleaning.
func (e *Engine) Plan(bed int, at time.Time, likely float64) {
	e.beds[bed].Frees, e.beds[bed].Likely = at, likely
}

func (e *Engine) need(r *Request) need {
	n := e.k.need(r, e.minute)
	n.path = e.path(r)
	if r.At != "" {
		if i, ok := e.byID[r.At]; ok {
			n.atWard, n.atRoom = e.beds[i].Ward, e.beds[i].Room
		}
	}
	return n
}

func (e *Engine) path(r *Request) *path {
	key := pathKey{r.Specialty, r.Ward}
	if p := e.paths[key]; p != nil {
		return p
	}
	p := &path{rel: make([]relation, len(e.wards)), base: make([]int64, len(e.wards))}
	home := map[int]bool{}
	for i := range e.wards {
		p.rel[i] = relate(&e.wards[i], r.Specialty, r.Ward)
		if p.rel[i].home {
			home[e.ward[i].campus] = true
		}
	}
	for i := range e.wards {
		p.rel[i].campus = len(home) > 0 && !home[e.ward[i].campus]
		p.base[i] = e.k.relationCost(p.rel[i])
		if len(e.wards[i].Kinds) > 0 {
			p.base[i] = min(p.base[i], e.k.w.same)
		}
		if p.rel[i].campus {
			p.base[i] += e.k.w.campus
		}
		p.steps = append(p.steps, step{int32(i), p.base[i]})
	}
	slices.SortFunc(p.steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(e.wards[a.ward].ID, e.wards[b.ward].ID), cmp.Compare(a.ward, b.ward))
	})
	e.paths[key] = p
	return p
}

func (e *Engine) wardAgainst(n *need, p *path, ward int) mask {
	w, state := &e.wards[ward], &e.ward[ward]
	m := e.k.wardAgainst(n, w, p.rel[ward], state.lent, state.beds, n.atWard == ward)
	if e.deciding && state.guests > 0 && p.rel[ward].own && n.atWard != ward && w.Load+n.points > w.Capacity+1e-9 {
		m |= mNursing
	}
	return m
}

func (e *Engine) bedAgainst(n *need, bed int) mask {
	b := &e.beds[bed]
	return n.bedAgainst(b.State, int(e.level[bed]), b.Equipment) | n.roomAgainst(&e.rooms[b.Room], e.room[b.Room].beds, n.atRoom == b.Room)
}

// Fits says whether no hard rule speaks against the bed now.
func (e *Engine) Fits(bed int, r *Request) bool {
	n := e.need(r)
	return e.fits(&n, bed)
}

func (e *Engine) fits(n *need, bed int) bool {
	return e.bedAgainst(n, bed) == 0 && e.wardAgainst(n, n.path, e.beds[bed].Ward) == 0
}

// Objections are those of the package, with what lies where now.
func (e *Engine) Objections(bed int, r *Request) []Objection {
	n := e.need(r)
	s := e.scene(&n, bed)
	return s.objections()
}

func (e *Engine) scene(n *need, bed int) scene {
	b := &e.beds[bed]
	return scene{k: e.k, n: n, bed: b, room: &e.rooms[b.Room], ward: &e.wards[b.Ward], rel: n.path.rel[b.Ward],
		lent: e.ward[b.Ward].lent, beds: e.ward[b.Ward].beds, inRoom: e.room[b.Room].beds}
}

// Leave is what it costs to let him wait on, in points.
func (e *Engine) Leave(r *Request) float64 { return float64(e.k.leave[urgencyIndex(r.Urgency)]) / 100 }

// Cost is the sum of the Terms of a bed that fits, in points.
func (e *Engine) Cost(bed int, r *Request) float64 {
	n := e.need(r)
	return float64(e.cost(&n, bed)-e.earned(&n)) / 100
}

func (e *Engine) cost(n *need, bed int) int64 {
	w := e.beds[bed].Ward
	p := n.path
	return e.wardCost(n, p, w) + e.bedCost(n, bed)
}

// One is the best bed for one patient now, or -1 where none fits or to wait is better. Ties are decided by the bed's ID.
func (e *Engine) One(r *Request) (bed int, ok bool) {
	n := e.need(r)
	bed, _ = e.one(&n)
	return bed, bed >= 0
}

func (e *Engine) one(n *need) (bed int, cost int64) {
	p := n.path
	bed, cost = -1, e.k.leave[n.urgency]+e.earned(n)
	for _, s := range p.steps {
		if s.base > cost {
			break
		}
		w := int(s.ward)
		open := e.ward[w].open
		if len(open) == 0 || e.wardAgainst(n, p, w) != 0 {
			continue
		}
		base := e.wardCost(n, p, w)
		if base > cost {
			continue
		}
		last := int32(-1)
		for _, i := range open {
			if last >= 0 && e.alike(int(i), int(last)) {
				continue
			}
			last = i
			if e.bedAgainst(n, int(i)) != 0 {
				continue
			}
			c := base + e.bedCost(n, int(i))
			if c < cost || c == cost && bed >= 0 && e.rank[i] < e.rank[bed] {
				bed, cost = int(i), c
			}
		}
	}
	return bed, cost
}

// alike says whether it makes no difference which of two open beds one gets.
func (e *Engine) alike(a, b int) bool {
	x, y := &e.beds[a], &e.beds[b]
	return x.Room == y.Room && x.State == y.State && x.Equipment == y.Equipment && e.level[a] == e.level[b] && x.Frees.Equal(y.Frees)
}
