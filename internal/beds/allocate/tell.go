package allocate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// teller says to those who are left why, and what may be promised.
type teller struct {
	before, after *Engine
	given         []int   // beds proposed to others
	leaving       []int32 // beds whose patients are expected to leave in time, first to last
	offered       []bool  // of leaving
	taken, closed int
	was, is       []mask // by ward, for the one who is told
}

func (e *Engine) teller(before *Engine, given []int) *teller {
	t := &teller{before: before, after: e, given: given, was: make([]mask, len(e.wards)), is: make([]mask, len(e.wards))}
	until := e.now.Add(time.Duration(e.k.AheadHours * float64(time.Hour)))
	for _, i := range e.order {
		switch b := &before.beds[i]; b.State {
		case Free, Cleaning:
		case Closed:
			t.closed++
		default:
			t.taken++
			if (b.State == Occupied || b.State == Lent) && !b.Frees.IsZero() && !b.Frees.Before(e.now) && !b.Frees.After(until) {
				t.leaving = append(t.leaving, i)
			}
		}
	}
	slices.SortStableFunc(t.leaving, func(a, b int32) int { return e.beds[a].Frees.Compare(e.beds[b].Frees) })
	t.offered = make([]bool, len(t.leaving))
	return t
}

const given, reserved = len(codes), len(codes) + 1 // beside the hard rules

func (t *teller) none(r *Request) Proposal {
	e := t.after
	n := e.need(r)
	path := n.path
	for w := range e.wards {
		t.is[w], t.was[w] = e.wardAgainst(&n, path, w), t.before.wardAgainst(&n, path, w)
	}
	var count [len(codes) + 2]int
	free := len(t.given)
	for w := range e.ward {
		free += len(e.ward[w].open)
		for _, i := range e.ward[w].open {
			if m := t.is[w] | e.bedAgainst(&n, int(i)); m != 0 {
				count[m.first()]++
			} else {
				count[reserved]++
			}
		}
	}
	for _, b := range t.given {
		if m := t.was[e.beds[b].Ward] | t.before.bedAgainst(&n, b); m != 0 {
			count[m.first()]++
		} else {
			count[given]++
		}
	}
	p := Proposal{Request: r.ID, Against: map[string]int{}, Cost: float64(e.k.leave[n.urgency]) / 100}
	var zh, en []string
	for i, c := range count {
		if c == 0 {
			continue
		}
		code := "given"
		switch {
		case i < given:
			code = codes[i]
		case i == reserved:
			code = "reserve"
		}
		p.Against[code] = c
		z, w := Word(code)
		zh, en = append(zh, fmt.Sprintf("%s %d 张", z, c)), append(en, fmt.Sprintf("%d %s", c, w))
	}
	if t.taken > 0 {
		p.Against["taken"] += t.taken
	}
	if t.closed > 0 {
		p.Against["closed"] += t.closed
	}
	p.Zh, p.En = "暂无合适床位：没有空床", "no bed: none is free"
	if free > 0 {
		p.Zh = fmt.Sprintf("暂无合适床位：空床 %d 张，其中%s", free, strings.Join(zh, "、"))
		p.En = fmt.Sprintf("no bed fits: of %s, %s", plural(free, "free bed"), strings.Join(en, ", "))
	}
	t.promise(&n, &p)
	return p
}

// promise names the bed that would fit and frees first, and that nobody before him was offered.
func (t *teller) promise(n *need, p *Proposal) {
	e := t.after
	for k, i := range t.leaving {
		b := &e.beds[i]
		if t.offered[k] || t.is[b.Ward] != 0 || n.bedAgainst(Free, int(e.level[i]), b.Equipment) != 0 {
			continue
		}
		room := e.rooms[b.Room]
		if room.Men+room.Women+room.Others <= 1 { // it will be empty
			room.Men, room.Women, room.Others, room.Isolation = 0, 0, 0, ""
		}
		if n.roomAgainst(&room, e.room[b.Room].beds, n.atRoom == b.Room) != 0 {
			continue
		}
		t.offered[k] = true
		p.Soon, p.SoonAt, p.SoonLikely = b.ID, b.Frees, b.Likely
		at, ward := b.Frees.In(e.k.zone), e.wards[b.Ward].Name
		p.Zh += fmt.Sprintf("。%s %s 预计 %s 空出（可能性 %.0f%%）", ward, b.Name, at.Format("1月2日 15:04"), b.Likely*100)
		p.En += fmt.Sprintf("; %s %s is expected to be free on %s (%.0f %%)", ward, b.Name, at.Format("2 Jan 15:04"), b.Likely*100)
		return
	}
}
