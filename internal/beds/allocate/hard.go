package allocate

import (
	"math/bits"
	"slices"
)

// codes of the hard rules, in the order in which they are said.
var codes = [...]string{"closed", "taken", "sex", "isolation", "level", "equipment", "protected", "age", "campus", "licence", "lending", "stale", "nursing", "limit"}

type mask uint32

const (
	mClosed mask = 1 << iota
	mTaken
	mSex
	mIsolation
	mLevel
	mEquipment
	mProtected
	mAge
	mCampus
	mLicence
	mLending
	mStale
	mNursing
	mLimit
)

func (m mask) first() int { return bits.TrailingZeros32(uint32(m)) }

// need is a request as the rules ask it.
type need struct {
	*Request
	sex       Sex
	level     int
	urgency   int
	isolation int
	rule      *isolationReady
	steps     [len(levels)]int32 // cost of each level of bed, -1 = not
	equipment Equipment
	points    float64
	kind      string
	atWard    int // where he lies now, -1 = not here
	atRoom    int
	minute    int   // of the day
	path      *path // of the engine
}

func (k *ready) need(r *Request, minute int) need {
	n := need{Request: r, level: levelIndex(r.Level), urgency: urgencyIndex(r.Urgency), isolation: isolationIndex(r.Isolation),
		equipment: r.Equipment, kind: r.Kind, atWard: -1, atRoom: -1, minute: minute}
	if r.Sex == Male || r.Sex == Female {
		n.sex = r.Sex
	}
	n.steps = k.ladder[n.level]
	n.rule = &k.isolation[n.isolation]
	if n.isolation > 0 {
		n.equipment |= n.rule.equipment
		for _, l := range n.rule.Levels {
			if at := &n.steps[levelIndex(l)]; *at != 0 {
				*at = 0
			}
		}
	}
	var said bool
	if n.points, said = k.Nursing[r.Nursing]; !said {
		n.points = k.Nursing[""]
	}
	if n.kind == "" {
		n.kind = k.KindOf[r.Specialty]
	}
	return n
}

// relation of a ward to a patient.
type relation struct {
	home      bool // his own ward, or any of his specialty where no ward is named
	own       bool // at home in his specialty
	neighbour bool
	campus    bool // on another campus than his own ward
}

func relate(w *Ward, specialty, ward string) (r relation) {
	r.own = w.ID == ward || slices.Contains(w.Specialties, specialty)
	r.home = w.ID == ward || ward == "" && r.own
	r.neighbour = slices.Contains(w.Neighbours, specialty)
	return r
}

// welcome says whether a protected ward is there for such patients.
func (k *ready) welcome(w *Ward, n *need) bool {
	for _, kind := range w.Kinds {
		p := k.kinds[kind]
		if kind == n.kind || p != nil && (slices.Contains(p.Takes, levels[n.level]) || n.isolation > 0 && slices.Contains(p.Isolations, n.Isolation)) {
			return true
		}
	}
	return false
}

// wardAgainst is what speaks against every bed of a ward of that many beds, of which some are lent.
func (k *ready) wardAgainst(n *need, w *Ward, rel relation, lent, beds int, sameWard bool) (m mask) {
	strange := !rel.own
	if n.Campuses != nil && !slices.Contains(n.Campuses, w.Campus) {
		m |= mCampus
	}
	if len(w.Kinds) > 0 {
		welcome := k.welcome(w, n)
		for _, kind := range w.Kinds {
			p := k.kinds[kind]
			if p == nil {
				continue
			}
			if strange && !welcome && !p.opens.has(n.minute) {
				m |= mProtected
			}
			if p.AgeUpTo != nil && (n.Age < 0 && strange || n.Age > *p.AgeUpTo) {
				m |= mAge
			}
		}
		if welcome {
			strange = false
		}
	}
	if p := k.kinds[n.kind]; p != nil && p.Stays && !rel.own && !slices.Contains(w.Kinds, n.kind) {
		m |= mProtected
	}
	if n.Age >= 0 && n.Age < k.ChildUnder && !rel.own && !slices.Contains(w.Kinds, "paediatrics") && !slices.Contains(w.Kinds, "neonatal") {
		m |= mAge
	}
	if rel.own {
		return m
	}
	if may, said := k.Licence[n.Specialty]; said && !slices.ContainsFunc(may, func(s string) bool { return slices.Contains(w.Specialties, s) }) {
		m |= mLicence
	}
	if sameWard { // he is there already
		return m
	}
	if strange && (!w.Lends || k.Lends == ToNone || k.Lends == ToNeighbours && !rel.neighbour || k.night.has(n.minute) && !k.lendsAt[n.urgency]) {
		m |= mLending
	}
	if w.Stale {
		m |= mStale
	} else if w.Load+n.points > w.Capacity+1e-9 {
		m |= mNursing
	}
	if strange && (k.teamFull(n, w) || k.lentFull(w, lent, beds)) {
		m |= mLimit
	}
	return m
}

func (k *ready) teamFull(n *need, w *Ward) bool {
	if n.Team == "" {
		return false
	}
	limit, said := k.Limits.Teams[n.Team]
	if !said {
		limit = k.Limits.TeamInWard
	}
	return (said || limit > 0) && w.Teams[n.Team] >= limit
}

func (k *ready) lentLimit(w *Ward, beds int) (limit int, said bool) {
	if limit, said = k.Limits.Wards[w.ID]; said {
		return limit, true
	}
	if k.Limits.WardLent <= 0 {
		return 0, false
	}
	return int(k.Limits.WardLent*float64(beds) + 1e-9), true
}

func (k *ready) lentFull(w *Ward, lent, beds int) bool {
	limit, said := k.lentLimit(w, beds)
	return said && lent >= limit
}

// others in the room, without himself.
func (n *need) others(room *Room, sameRoom bool) (men, women, unknown int) {
	men, women, unknown = room.Men, room.Women, room.Others
	if sameRoom {
		switch n.sex {
		case Male:
			men = max(0, men-1)
		case Female:
			women = max(0, women-1)
		default:
			unknown = max(0, unknown-1)
		}
	}
	return men, women, unknown
}

// roomAgainst is what speaks against every bed of a room of that many beds.
func (n *need) roomAgainst(room *Room, beds int, sameRoom bool) (m mask) {
	men, women, unknown := n.others(room, sameRoom)
	all := men + women + unknown
	switch room.Rule {
	case Single:
		if all > 0 {
			m |= mTaken
		}
	case Male, Female:
		if n.sex != room.Rule {
			m |= mSex
		}
	default:
		switch n.sex {
		case Male:
			if women+unknown > 0 {
				m |= mSex
			}
		case Female:
			if men+unknown > 0 {
				m |= mSex
			}
		default:
			if all > 0 {
				m |= mSex
			}
		}
	}
	if all > 0 {
		together := n.rule.Cohort && n.Isolation == room.Isolation
		if room.Isolation != "" && !together || n.isolation > 0 && n.rule.Alone && !together {
			m |= mIsolation
		}
	}
	if n.isolation > 0 && n.rule.Single && room.Rule != Single && beds > 1 {
		m |= mIsolation
	}
	return m
}

// bedAgainst is what speaks against the bed itself.
func (n *need) bedAgainst(state State, level int, equipment Equipment) (m mask) {
	switch state {
	case Free, Cleaning:
	case Closed:
		m |= mClosed
	default:
		m |= mTaken
	}
	if n.steps[level] < 0 {
		m |= mLevel
	}
	if lacks := n.equipment &^ equipment; lacks != 0 {
		if lacks&n.rule.equipment != 0 {
			m |= mIsolation
		}
		if lacks&n.Equipment != 0 {
			m |= mEquipment
		}
	}
	return m
}

// Objections says, in a stable order, every hard rule that speaks against the bed; none = it may be given. A bed that is
// being cleaned may be given.
func Objections(p *Pool, bed int, r *Request, rules *Rules) []Objection {
	k := rules.ready()
	b := &p.Beds[bed]
	n := k.need(r, k.minute(p.Now))
	w, room := &p.Wards[b.Ward], &p.Rooms[b.Room]
	lent, beds, inRoom := 0, 0, 0
	for i := range p.Beds {
		one := &p.Beds[i]
		if one.Ward == b.Ward {
			beds++
			if one.State == Lent {
				lent++
			}
		}
		if one.Room == b.Room {
			inRoom++
		}
		if r.At != "" && one.ID == r.At {
			n.atWard, n.atRoom = one.Ward, one.Room
		}
	}
	s := scene{k: k, n: &n, bed: b, room: room, ward: w, rel: relate(w, r.Specialty, r.Ward), lent: lent, beds: beds, inRoom: inRoom}
	return s.objections()
}

// scene is one bed and one patient, with what is around.
type scene struct {
	k                  *ready
	n                  *need
	bed                *Bed
	room               *Room
	ward               *Ward
	rel                relation
	lent, beds, inRoom int
}

func (s *scene) against() mask {
	return s.n.bedAgainst(s.bed.State, levelIndex(s.bed.Level), s.bed.Equipment) |
		s.n.roomAgainst(s.room, s.inRoom, s.n.atRoom >= 0 && s.n.atRoom == s.bed.Room) |
		s.k.wardAgainst(s.n, s.ward, s.rel, s.lent, s.beds, s.n.atWard >= 0 && s.n.atWard == s.bed.Ward)
}

func (s *scene) objections() (out []Objection) {
	for m := s.against(); m != 0; m &= m - 1 {
		code := codes[m.first()]
		zh, en := s.say(code)
		out = append(out, Objection{Code: code, Zh: zh, En: en})
	}
	return out
}
