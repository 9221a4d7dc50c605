package allocate

import (
	"math/bits"
	"time"
)

const day = int64(24 * 60) // minutes

func (k *ready) relationCost(r relation) int64 {
	switch {
	case r.home:
		return 0
	case r.own:
		return k.w.same
	case r.neighbour:
		return k.w.neighbour
	}
	return k.w.other
}

// placing is how a ward counts for a patient: own-ward, same-specialty, protected-ward, neighbour, other-ward.
func (e *Engine) placing(n *need, rel relation, w *Ward) (code string, cost int64) {
	cost = e.k.relationCost(rel)
	switch {
	case rel.home:
		return "own-ward", cost
	case rel.own:
		return "same-specialty", cost
	case len(w.Kinds) > 0 && e.k.welcome(w, n) && e.k.w.same <= cost:
		return "protected-ward", e.k.w.same
	case rel.neighbour:
		return "neighbour", cost
	}
	return "other-ward", cost
}

// wardCost is the part of the cost that all beds of a ward share. Every part is 0 or more.
func (e *Engine) wardCost(n *need, p *path, ward int) int64 {
	w := &e.wards[ward]
	_, c := e.placing(n, p.rel[ward], w)
	if p.rel[ward].campus {
		c += e.k.w.campus
	}
	c += e.teamCost(n, p.rel[ward], w) + e.movesCost(n, p.rel[ward]) + e.nursingCost(n, ward)
	taken, near := e.reserveCost(n, ward)
	return c + taken + near
}

func (e *Engine) teamCost(n *need, rel relation, w *Ward) int64 {
	if n.Team == "" || rel.own || w.Teams[n.Team] > 0 {
		return 0
	}
	return e.k.w.team
}

func (e *Engine) movesCost(n *need, rel relation) int64 {
	if rel.own {
		return 0
	}
	moves := min(max(n.Moves, 0), 3)
	if n.At != "" {
		moves++
	}
	return e.k.w.moves * int64(moves)
}

// nursingCost rises from 80 % of what the nurses can bear to twice the weight at 120 %.
func (e *Engine) nursingCost(n *need, ward int) int64 {
	w := &e.wards[ward]
	if w.Capacity <= 0 || w.Stale || n.atWard == ward {
		return 0
	}
	share := int64((w.Load + n.points) * 1000 / w.Capacity)
	return e.k.w.nursing * min(max(share-800, 0), 400) / 200
}

// reserveCost is what it costs to take a free bed out of the reserve of the ward or of its campus, whichever is deeper,
// and to come near it. Emergencies are what it is for.
func (e *Engine) reserveCost(n *need, ward int) (taken, near int64) {
	if n.urgency == 0 {
		return 0, 0
	}
	left := e.ward[ward].free - 1 - e.wards[ward].Reserve
	if c := e.campus[e.ward[ward].campus]; c.reserve > 0 {
		left = min(left, c.free-1-c.reserve)
	}
	if e.wards[ward].Reserve == 0 && e.campus[e.ward[ward].campus].reserve == 0 {
		return 0, 0
	}
	if left < 0 {
		return e.k.reserve[n.urgency] * int64(-left), 0
	}
	return 0, e.k.w.near * int64(max(e.k.Near-left, 0))
}

// bedCost is the part of the cost that is the bed's and its room's.
func (e *Engine) bedCost(n *need, bed int) int64 {
	return int64(n.steps[e.level[bed]]) + e.equipmentCost(n, bed) + e.blocksCost(n, bed) + e.opensCost(n, bed) + e.singleCost(n, bed) + e.cleaningCost(n, bed)
}

func (e *Engine) equipmentCost(n *need, bed int) int64 {
	return e.k.w.equipment * int64(bits.OnesCount16(uint16(e.beds[bed].Equipment&^n.equipment)))
}

func (e *Engine) empty(n *need, room int) bool {
	men, women, unknown := n.others(&e.rooms[room], n.atRoom == room)
	return men+women+unknown == 0
}

func (e *Engine) blocksCost(n *need, bed int) int64 {
	room := e.beds[bed].Room
	rule := e.rooms[room].Rule
	alone := n.isolation > 0 && n.rule.Alone && !n.rule.Cohort || n.sex == "" && rule == Mixed
	if !alone || rule == Single {
		return 0
	}
	return e.k.w.blocks * int64(max(e.room[room].open-1, 0))
}

func (e *Engine) opensCost(n *need, bed int) int64 {
	room := e.beds[bed].Room
	if e.rooms[room].Rule != Mixed || e.room[room].beds < 2 || !e.empty(n, room) {
		return 0
	}
	return e.k.w.opens
}

func (e *Engine) singleCost(n *need, bed int) int64 {
	if e.rooms[e.beds[bed].Room].Rule != Single || n.isolation > 0 || n.sex == "" || n.Companion || n.level == levelIndex(VIP) {
		return 0
	}
	return e.k.w.single
}

// cleaningCost is for the time until the bed is clean: as planned, else half an hour; at most a day.
func (e *Engine) cleaningCost(n *need, bed int) int64 {
	b := &e.beds[bed]
	if b.State != Cleaning {
		return 0
	}
	return e.k.cleaning[n.urgency] * e.cleanIn(b) / 60
}

func (e *Engine) cleanIn(b *Bed) int64 {
	if b.Frees.IsZero() {
		return 30
	}
	return min(max(minutes(b.Frees.Sub(e.now)), 1), day)
}

func minutes(d time.Duration) int64 { return int64(d / time.Minute) }

// fairness is what waiting has earned.
func (e *Engine) fairness(n *need) int64 {
	if n.Since.IsZero() || !e.now.After(n.Since) {
		return 0
	}
	return min(e.k.fairness[n.urgency]*minutes(e.now.Sub(n.Since))/day, e.k.w.fairCap)
}

// promise is what a promised time has earned, from the day before it.
func (e *Engine) promise(n *need) int64 {
	if n.Promised.IsZero() {
		return 0
	}
	return min(e.k.w.promise*max(minutes(e.now.Sub(n.Promised))+day, 0)/day, e.k.w.promiseCap)
}

func (e *Engine) earned(n *need) int64 { return e.fairness(n) + e.promise(n) }

// Terms are the soft preferences of the bed for the patient, in a stable order; the first says whose ward it is, even
// where that costs nothing.
func (e *Engine) Terms(bed int, r *Request) []Term {
	n := e.need(r)
	return e.terms(&n, bed)
}

// Terms of a bed for a patient in a pool as it stands.
func Terms(p *Pool, bed int, r *Request, rules *Rules) []Term {
	return NewEngine(p, rules).Terms(bed, r)
}

func (e *Engine) terms(n *need, bed int) (out []Term) {
	b := &e.beds[bed]
	w := &e.wards[b.Ward]
	rel := n.path.rel[b.Ward]
	add := func(code string, cost int64, zh, en string) {
		if cost != 0 {
			out = append(out, Term{Code: code, Points: float64(cost) / 100, Zh: zh, En: en})
		}
	}
	code, cost := e.placing(n, rel, w)
	zh, en := say(placingWords, code)
	out = append(out, Term{Code: code, Points: float64(cost) / 100, Zh: zh, En: en})
	if rel.campus {
		add("campus", e.k.w.campus, "与本科不在同一院区", "on another campus")
	}
	add("team", e.teamCost(n, rel, w), "医疗组查房多跑一个病区", "one more ward on the team's round")
	add("moves", e.movesCost(n, rel), "日后可能再次转床", "he may have to move again")
	share := 0
	if w.Capacity > 0 {
		share = int((w.Load + n.points) * 100 / w.Capacity)
	}
	add("nursing", e.nursingCost(n, b.Ward), "该病区护理负荷将达 "+number(float64(share))+"%", "nursing load of the ward will be "+number(float64(share))+" %")
	taken, near := e.reserveCost(n, b.Ward)
	add("reserve", taken, "动用为急诊保留的床位", "takes a bed kept for emergencies")
	add("near-reserve", near, "该病区或院区空床已接近保留数", "few free beds are left above the reserve")
	bzh, ben := b.Level.words()
	add("level-above", int64(n.steps[e.level[bed]]), bzh+"床位高于所需", article(ben)+" bed is more than he needs")
	ezh, een := (b.Equipment &^ n.equipment).words()
	add("equipment-above", e.equipmentCost(n, bed), "该床另有"+ezh+"，患者不需要", "the bed has "+een+" without need")
	others := e.room[b.Room].open - 1
	add("blocks", e.blocksCost(n, bed), "同室另有 "+number(float64(others))+" 张床不能再用", "blocks "+plural(others, "other bed")+" of the room")
	add("opens-room", e.opensCost(n, bed), "启用一间空病室", "opens an empty room")
	add("single", e.singleCost(n, bed), "占用单人间", "uses a single room")
	azh, aen := ago(time.Duration(e.cleanIn(b)) * time.Minute)
	add("cleaning", e.cleaningCost(n, bed), "清洁消毒约需 "+azh, "being cleaned for about "+aen)
	if got := e.fairness(n); got > 0 {
		azh, aen = ago(e.now.Sub(n.Since))
		add("fairness", -got, "已等候 "+azh, "has waited "+aen)
	}
	if got := e.promise(n); got > 0 {
		zh, en := "承诺日期临近", "the promised time is near"
		if e.now.After(n.Promised) {
			zh, en = "已过承诺日期", "the promised time has passed"
		}
		add("promise", -got, zh, en)
	}
	return out
}

var placingWords = map[string][2]string{"own-ward": {"本病区", "own ward"}, "same-specialty": {"同专科病区", "a ward of the same specialty"},
	"protected-ward": {"专门病区", "the ward for such patients"}, "neighbour": {"邻近专科病区", "a neighbouring specialty"}, "other-ward": {"跨科借床", "lent by another specialty"}}
