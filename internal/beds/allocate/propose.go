package allocate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	rounds   = 12   // of assignment; what is still open then is decided one by one
	together = 4000 // requests that are weighed against each other at once; more are decided one by one, in order
	mends    = 20_000
	slack    = 1500 // hundredths by which a cost may have risen through others of the same round before it is weighed anew
)

// Propose decides for many at once, at the least total cost, and says why. The answer is in the order of need and does
// not depend on the order of the requests. Applied in any order, no proposal breaks a hard rule.
func Propose(p *Pool, requests []Request, rules *Rules) []Proposal {
	return NewEngine(p, rules).Propose(requests)
}

// Propose decides for many at once. The engine itself stays as it was.
func (e *Engine) Propose(requests []Request) []Proposal {
	after := e.clone()
	waiting := slices.Clone(requests)
	slices.SortFunc(waiting, e.before)
	bed := after.decide(waiting)
	out := make([]Proposal, len(waiting))
	taken := make([]int, 0, len(waiting))
	for _, b := range bed {
		if b >= 0 {
			taken = append(taken, b)
		}
	}
	offered := map[int]bool{}
	look := e.clone() // to say each one's terms beside those before him
	for i, b := range bed {
		if b >= 0 {
			out[i] = look.proposal(&waiting[i], b)
			look.Place(b, &waiting[i])
		}
	}
	for i, b := range bed {
		if b < 0 {
			out[i] = after.none(&waiting[i], e, taken, offered)
		}
	}
	return out
}

// before is the order of need: urgency, then what waiting and promises have earned, then who came first.
func (e *Engine) before(a, b Request) int {
	x, y := e.k.need(&a, e.minute), e.k.need(&b, e.minute)
	return cmp.Or(cmp.Compare(x.urgency, y.urgency), cmp.Compare(e.earned(&y), e.earned(&x)), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
}

func (e *Engine) clone() *Engine {
	return NewEngine(&Pool{Now: e.now, Beds: e.beds, Rooms: e.rooms, Wards: e.wards}, e.k.Rules)
}

// decide places whom it can, and says which bed each one got, -1 = none.
func (e *Engine) decide(waiting []Request) []int {
	bed := make([]int, len(waiting))
	needs := make([]need, len(waiting))
	open := make([]int, 0, len(waiting))
	for i := range waiting {
		bed[i] = -1
		needs[i] = e.need(&waiting[i])
		if len(open) < together {
			open = append(open, i)
		}
	}
	was := slices.Clone(e.beds)
	place := func(i, b int) {
		bed[i] = b
		e.Place(b, &waiting[i])
	}
	for range rounds {
		if len(open) == 0 {
			break
		}
		classes := e.classes()
		a := e.weigh(needs, open, classes)
		a.solve()
		used := make([]int, len(classes))
		next := open[:0:0]
		placed, crossed := false, false
		for row, i := range open {
			j := a.column[row]
			if j < 0 {
				next = append(next, i)
				continue
			}
			b := int(classes[j].beds[used[j]])
			n := &needs[i]
			ok := e.bedAgainst(n, b) == 0 && e.wardAgainst(n, e.path(n.Request), e.beds[b].Ward) == 0
			if ok {
				cost := e.cost(n, b)
				ok = cost <= int64(a.cost[row*len(classes)+int(j)])+slack && cost < e.k.leave[n.urgency]+e.earned(n)
			}
			if !ok {
				next, crossed = append(next, i), true
				continue
			}
			used[j]++
			place(i, b)
			placed = true
		}
		open = next
		if !placed || !crossed {
			break
		}
	}
	for i := range waiting {
		if bed[i] < 0 {
			if b, _ := e.one(&needs[i]); b >= 0 {
				place(i, b)
			}
		}
	}
	e.mend(waiting, needs, bed, was)
	e.settle(waiting, needs, bed, was)
	return bed
}

// settle takes back whom the rules would refuse beside all the others, so that the desk may take the proposals in any
// order: a stranger's bed goes where a ward's own patients fill what its nurses can bear.
func (e *Engine) settle(waiting []Request, needs []need, bed []int, was []Bed) {
	for round := 0; ; round++ {
		var out []int
		for i := len(waiting) - 1; i >= 0; i-- {
			if b := bed[i]; b >= 0 {
				e.undo(b, was)
				if e.bedAgainst(&needs[i], b) == 0 && e.wardAgainst(&needs[i], e.path(&waiting[i]), e.beds[b].Ward) == 0 {
					e.Place(b, &waiting[i])
				} else {
					bed[i] = -1
					out = append(out, i)
				}
			}
		}
		if len(out) == 0 {
			return
		}
		if round < 3 {
			for _, i := range slices.Backward(out) {
				if b, _ := e.one(&needs[i]); b >= 0 {
					bed[i] = b
					e.Place(b, &waiting[i])
				}
			}
		}
	}
}

// class is open beds between which there is no difference.
type class struct {
	ward int
	beds []int32
}

func (e *Engine) classes() (out []class) {
	for w := range e.ward {
		open := e.ward[w].open
		first := len(out)
		for _, i := range open {
			at := slices.IndexFunc(out[first:], func(c class) bool { return e.alike(int(c.beds[0]), int(i)) })
			if at < 0 {
				out = append(out, class{ward: w, beds: []int32{i}})
			} else {
				out[first+at].beds = append(out[first+at].beds, i)
			}
		}
	}
	slices.SortFunc(out, func(a, b class) int { return cmp.Compare(e.rank[a.beds[0]], e.rank[b.beds[0]]) })
	return out
}

// weigh writes down what each pair costs now.
func (e *Engine) weigh(needs []need, open []int, classes []class) *assignment {
	m := len(classes)
	a := &assignment{rows: len(open), columns: m, cost: make([]int32, len(open)*m), leave: make([]int32, len(open)), places: make([]int, m)}
	lean := make([]Sex, m) // of empty mixed rooms: to whom they go among equals, so that fewer meet whom they must not
	empty := 0
	for j, c := range classes {
		a.places[j] = len(c.beds)
		room := &e.rooms[e.beds[c.beds[0]].Room]
		if room.Rule == Mixed && room.Men+room.Women+room.Others == 0 {
			if lean[j] = Male; empty%2 == 1 {
				lean[j] = Female
			}
			empty++
		}
	}
	const unknown = int64(-2)
	base := make([]int64, len(e.wards))
	for row, i := range open {
		n := &needs[i]
		p := e.path(n.Request)
		leave := e.k.leave[n.urgency] + e.earned(n)
		a.leave[row] = int32(min(leave, int64(never-1)))
		for w := range base {
			base[w] = unknown
		}
		costs := a.cost[row*m : row*m+m]
		for j, c := range classes {
			costs[j] = never
			if base[c.ward] == unknown {
				if base[c.ward] = -1; e.wardAgainst(n, p, c.ward) == 0 {
					base[c.ward] = e.wardCost(n, p, c.ward)
				}
			}
			if base[c.ward] < 0 || base[c.ward] >= leave || e.bedAgainst(n, int(c.beds[0])) != 0 {
				continue
			}
			cost := base[c.ward] + e.bedCost(n, int(c.beds[0]))
			if lean[j] != "" && lean[j] != n.sex {
				cost++
			}
			if cost < leave {
				costs[j] = int32(cost)
			}
		}
	}
	return a
}

// mend looks at what the rounds could not see: somebody who is left may take a bed from one in less need, or from one
// who does as well elsewhere. Bounded; each step makes the whole cheaper.
func (e *Engine) mend(waiting []Request, needs []need, bed []int, was []Bed) {
	looked := 0
	for range 3 {
		better := false
		for i := range waiting {
			if bed[i] >= 0 {
				continue
			}
			gain, from, to := int64(0), -1, -1
			for j := range waiting {
				if bed[j] < 0 || !e.couldUse(&needs[i], &was[bed[j]]) {
					continue
				}
				if looked++; looked > mends {
					return
				}
				if g, elsewhere := e.swap(&needs[i], &needs[j], bed[j], was); g > gain {
					gain, from, to = g, j, elsewhere
				}
			}
			if gain == 0 {
				continue
			}
			better = true
			b := bed[from]
			e.undo(b, was)
			e.Place(b, &waiting[i])
			bed[i], bed[from] = b, to
			if to >= 0 {
				e.Place(to, &waiting[from])
			}
		}
		if !better {
			return
		}
	}
}

// couldUse says whether the bed itself would do.
func (e *Engine) couldUse(n *need, b *Bed) bool {
	return n.bedAgainst(b.State, levelIndex(b.Level), b.Equipment) == 0 && e.path(n.Request).base[b.Ward] < e.k.leave[n.urgency]+e.earned(n)
}

// swap is what is won when one takes the bed of another, who then takes the best that is left, -1 = none.
func (e *Engine) swap(one, other *need, bed int, was []Bed) (gain int64, elsewhere int) {
	e.undo(bed, was)
	defer e.Place(bed, other.Request)
	before := e.cost(other, bed)
	if e.bedAgainst(one, bed) != 0 || e.wardAgainst(one, e.path(one.Request), e.beds[bed].Ward) != 0 {
		return 0, -1
	}
	gain = e.k.leave[one.urgency] + e.earned(one) - e.cost(one, bed) + before
	e.Place(bed, one.Request)
	elsewhere, cost := e.one(other)
	e.undo(bed, was)
	return gain - cost, elsewhere
}

// undo takes back a Place of this decision.
func (e *Engine) undo(bed int, was []Bed) {
	e.Free(bed, was[bed].State)
	e.beds[bed] = was[bed]
}

// proposal says why this bed.
func (e *Engine) proposal(r *Request, bed int) Proposal {
	n := e.need(r)
	b := &e.beds[bed]
	p := Proposal{Request: r.ID, Bed: b.ID, Cost: float64(e.cost(&n, bed)-e.earned(&n)) / 100, Terms: e.terms(&n, bed)}
	var zh, en []string
	for _, t := range p.Terms {
		zh, en = append(zh, t.Zh), append(en, t.En)
	}
	ward := e.wards[b.Ward].Name
	p.Zh = "建议 " + ward + " " + b.Name + "：" + strings.Join(zh, "；")
	p.En = "proposed: " + ward + " " + b.Name + " (" + strings.Join(en, "; ") + ")"
	return p
}

// none says why there is no bed, in view of what was given to others, and what may be promised.
func (e *Engine) none(r *Request, before *Engine, given []int, offered map[int]bool) Proposal {
	n := e.need(r)
	p := Proposal{Request: r.ID, Against: map[string]int{}, Cost: float64(e.k.leave[n.urgency]) / 100}
	path := e.path(r)
	free := 0
	for w := range e.wards {
		state := &e.ward[w]
		free += len(state.open)
		if len(state.open) == 0 {
			continue
		}
		whole := e.wardAgainst(&n, path, w)
		for _, i := range state.open {
			if m := whole | e.bedAgainst(&n, int(i)); m != 0 {
				p.Against[codes[m.first()]]++
			} else {
				p.Against["reserve"]++
			}
		}
	}
	for _, b := range given {
		free++
		w := before.beds[b].Ward
		if m := before.wardAgainst(&n, path, w) | before.bedAgainst(&n, b); m != 0 {
			p.Against[codes[m.first()]]++
		} else {
			p.Against["given"]++
		}
	}
	for i := range e.beds {
		switch before.beds[i].State {
		case Free, Cleaning:
		case Closed:
			p.Against["closed"]++
		default:
			p.Against["taken"]++
		}
	}
	var zh, en []string
	for _, code := range append(codes[2:], "given", "reserve") {
		if c := p.Against[code]; c > 0 {
			z, w := Word(code)
			zh, en = append(zh, fmt.Sprintf("%s %d 张", z, c)), append(en, fmt.Sprintf("%d %s", c, w))
		}
	}
	p.Zh, p.En = "暂无合适床位：没有空床", "no bed: none is free"
	if free > 0 {
		p.Zh = fmt.Sprintf("暂无合适床位：空床 %d 张，其中%s", free, strings.Join(zh, "、"))
		p.En = fmt.Sprintf("no bed fits: of %s, %s", plural(free, "free bed"), strings.Join(en, ", "))
	}
	if bed := e.soon(&n, offered); bed >= 0 {
		offered[bed] = true
		b := &e.beds[bed]
		p.Soon, p.SoonAt, p.SoonLikely = b.ID, b.Frees, b.Likely
		at := b.Frees.In(e.k.zone).Format("1月2日 15:04")
		p.Zh += fmt.Sprintf("。%s %s 预计 %s 空出（可能性 %.0f%%）", e.wards[b.Ward].Name, b.Name, at, b.Likely*100)
		p.En += fmt.Sprintf("; %s %s is expected to be free on %s (%.0f %%)", e.wards[b.Ward].Name, b.Name, b.Frees.In(e.k.zone).Format("2 Jan 15:04"), b.Likely*100)
	}
	return p
}

// soon is the bed that would fit and frees first, -1 = none.
func (e *Engine) soon(n *need, offered map[int]bool) int {
	best := -1
	until := e.now.Add(time.Duration(e.k.AheadHours * float64(time.Hour)))
	path := e.path(n.Request)
	for _, i := range e.leaving() {
		b := &e.beds[i]
		if b.Frees.After(until) || offered[int(i)] || best >= 0 && !b.Frees.Before(e.beds[best].Frees) {
			continue
		}
		room := e.rooms[b.Room]
		if room.Men+room.Women+room.Others <= 1 { // it will be empty
			room.Men, room.Women, room.Others, room.Isolation = 0, 0, 0, ""
		}
		m := n.bedAgainst(Free, int(e.level[i]), b.Equipment) | n.roomAgainst(&room, e.room[b.Room].beds, n.atRoom == b.Room) | e.wardAgainst(n, path, b.Ward)
		if m == 0 {
			best = int(i)
		}
	}
	return best
}

// leaving are the beds whose patients are expected to leave.
func (e *Engine) leaving() (out []int32) {
	for _, i := range e.order {
		if b := &e.beds[i]; (b.State == Occupied || b.State == Lent) && !b.Frees.IsZero() && !b.Frees.Before(e.now) {
			out = append(out, i)
		}
	}
	return out
}
