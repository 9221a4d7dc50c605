package allocate

import (
	"cmp"
	"slices"
	"strings"
)

const (
	rounds   = 12   // of assignment; what is still open then is decided one by one
	together = 1500 // requests that are weighed against each other at once; more are decided one by one, in order
	mends    = 20_000
	said     = 5    // points from which a preference is worth a word in the sentence; all of them are in Terms
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
	look := e.clone() // to say each one's terms beside those before him
	for i, b := range bed {
		if b >= 0 {
			out[i] = look.proposal(&waiting[i], b)
			look.Place(b, &waiting[i])
		}
	}
	tell := after.teller(e, taken)
	for i, b := range bed {
		if b < 0 {
			out[i] = tell.none(&waiting[i])
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
	e.deciding = true
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
			ok := e.fits(n, b)
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

// settle takes back, from the least need upwards, whom the rules would refuse beside all the others, or for whom it is
// better to wait then: the desk may take the proposals in any order.
func (e *Engine) settle(waiting []Request, needs []need, bed []int, was []Bed) {
	for round := 0; ; round++ {
		var out []int
		for i := len(waiting) - 1; i >= 0; i-- {
			if b := bed[i]; b >= 0 {
				e.undo(b, was)
				if n := &needs[i]; e.fits(n, b) && e.cost(n, b) < e.k.leave[n.urgency]+e.earned(n) {
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
		p := n.path
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
	return n.bedAgainst(b.State, levelIndex(b.Level), b.Equipment) == 0 && n.path.base[b.Ward] < e.k.leave[n.urgency]+e.earned(n)
}

// swap is what is won when one takes the bed of another, who then takes the best that is left, -1 = none.
func (e *Engine) swap(one, other *need, bed int, was []Bed) (gain int64, elsewhere int) {
	e.undo(bed, was)
	defer e.Place(bed, other.Request)
	before := e.cost(other, bed)
	if !e.fits(one, bed) {
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
	for i, t := range p.Terms {
		if i == 0 || t.Points >= said || t.Points <= -said {
			zh, en = append(zh, t.Zh), append(en, t.En)
		}
	}
	ward := e.wards[b.Ward].Name
	p.Zh = "建议 " + ward + " " + b.Name + "：" + strings.Join(zh, "；")
	p.En = "proposed: " + ward + " " + b.Name + " (" + strings.Join(en, "; ") + ")"
	return p
}
