package empi

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/store"
)

// assign gives every group a person and writes who joins and leaves. A person goes on as the group that has most of his
// records; a group of one needs none.
func (n *net) assign(ctx context.Context, groups [][]*row) error {
	type claim struct {
		group, size int
		person      int64
	}
	var claims []claim
	former := map[int64][]*row{}
	for g, group := range groups {
		count := map[int64]int{}
		for _, r := range group {
			if r.person > 0 {
				count[r.person]++
				former[r.person] = append(former[r.person], r)
			}
		}
		if len(group) > 1 {
			for p, size := range count {
				claims = append(claims, claim{g, size, p})
			}
		}
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(b.size-a.size, cmp.Compare(a.person, b.person), a.group-b.group)
	})
	given, kept := map[int]int64{}, map[int64]bool{}
	for _, c := range claims {
		if given[c.group] == 0 && !kept[c.person] {
			given[c.group], kept[c.person] = c.person, true
		}
	}
	now := micros(n.tx.Now())
	for g, group := range groups {
		if len(group) < 2 || given[g] != 0 {
			continue
		}
		next, err := number(ctx, n.tx, "person")
		if err != nil {
			return err
		}
		given[g] = next
		if err := n.tx.Queue(ctx, `INSERT INTO empi_person (id, since, until) VALUES (?, ?, 0)`, next, now); err != nil {
			return fmt.Errorf("empi: person: %w", err)
		}
	}
	type move struct {
		r     *row
		group []*row
		to    int64
	}
	var moves []move
	for g, group := range groups {
		for _, r := range group {
			if to := given[g]; r.person != to {
				moves = append(moves, move{r, group, to})
			}
		}
	}
	parted := map[[2]string]bool{}
	for _, m := range moves { // first out, then in: a record is of one person at a time
		if m.r.person == 0 {
			continue
		}
		var others []string
		with := ""
		for _, o := range former[m.r.person] {
			if o == m.r {
				continue
			}
			if !slices.Contains(m.group, o) {
				if pair := both(o.patient, m.r.patient); !parted[pair] {
					parted[pair] = true
					others = append(others, o.patient)
				}
				if d := n.said[both(o.patient, m.r.patient)]; d != nil && d.What == Different {
					with = o.patient
				}
			}
		}
		c := n.cause
		if c.why == byMatch || c.why == "" {
			c.why = byChange
		}
		if err := n.x.leave(ctx, n.tx, m.r, with, c, others); err != nil {
			return err
		}
	}
	for _, m := range moves {
		if m.to == 0 {
			continue
		}
		if err := n.join(ctx, m.r, m.group, m.to); err != nil {
			return err
		}
	}
	for p := range former {
		if !kept[p] {
			if err := n.tx.Queue(ctx, `UPDATE empi_person SET until = ? WHERE id = ?`, now, p); err != nil {
				return fmt.Errorf("empi: person: %w", err)
			}
		}
	}
	return nil
}

// bond is what holds a record in its group: what was said of it, or the best that the weights say.
func (n *net) bond(r *row, group []*row) (source, with string, decision int64) {
	source = Auto
	best := 0.0
	for _, o := range group {
		if o == r {
			continue
		}
		d := n.said[both(r.patient, o.patient)]
		if n.joins(d) {
			if d.What == Merged {
				source = Statement
			} else {
				source = Decided
			}
			return source, o.patient, d.ID
		}
		if p := n.pairs[[2]int64{min(r.rec, o.rec), max(r.rec, o.rec)}]; p != nil && p.outcome == match.Same && (with == "" || p.score > best) {
			with, best = o.patient, p.score
		}
	}
	return source, with, 0
}

func (n *net) join(ctx context.Context, r *row, group []*row, person int64) error {
	source, with, decision := n.bond(r, group)
	if err := n.tx.Queue(ctx, `UPDATE empi_record SET person = ? WHERE rec = ?`, person, r.rec); err != nil {
		return fmt.Errorf("empi: join: %w", err)
	}
	if err := n.tx.Join(ctx, person, r.patient, source); err != nil {
		return err
	}
	r.person = person
	e := Entry{Person: person, Patient: r.patient, What: "linked", Source: source, With: with, Decision: decision, By: n.cause.by, Why: n.cause.why}
	if source == Auto {
		e.Why, e.Model = byMatch, n.model()
		if n.cause.why == byWeights {
			e.Why = byWeights
		}
	}
	if err := n.x.enter(ctx, n.tx, e); err != nil {
		return err
	}
	return raise(ctx, n.tx, "person.linked", person, r.patient, map[string]string{"source": source}, r.org)
}

// model is the version of the weights that the neighbourhood is decided by.
func (n *net) model() (id int64) {
	for _, p := range n.pairs {
		id = max(id, p.model)
	}
	return id
}

// leave takes a record out of its person. others are those with whom it is linked no more.
func (x *Index) leave(ctx context.Context, tx *store.Tx, r *row, with string, c cause, others []string) error {
	since := int64(0)
	members, err := tx.Members(ctx, r.person)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Patient == r.patient {
			since = micros(m.Since)
		}
	}
	if err := tx.Queue(ctx, `UPDATE empi_record SET person = 0 WHERE rec = ?`, r.rec); err != nil {
		return fmt.Errorf("empi: leave: %w", err)
	}
	if err := tx.Leave(ctx, r.person, r.patient); err != nil {
		return err
	}
	person := r.person
	r.person = 0
	source := Auto
	if c.decision != 0 {
		source = Decided
	}
	if err := x.enter(ctx, tx, Entry{Person: person, Patient: r.patient, What: "unlinked", Source: source, With: with, Decision: c.decision, By: c.by, Why: c.why}); err != nil {
		return err
	}
	if err := raise(ctx, tx, "person.unlinked", person, r.patient, map[string]string{"source": source, "why": c.why}, r.org); err != nil {
		return err
	}
	if len(others) == 0 {
		return nil
	}
	id, err := number(ctx, tx, "undone")
	if err != nil {
		return err
	}
	if err := tx.Queue(ctx, `INSERT INTO empi_undone (id, at, since, person, patient, others) VALUES (?, ?, ?, ?, ?, ?)`, id, micros(tx.Now()), since, person, r.patient, strings.Join(others, " ")); err != nil {
		return fmt.Errorf("empi: undone: %w", err)
	}
	return nil
}

// enter keeps what happened.
func (x *Index) enter(ctx context.Context, tx *store.Tx, e Entry) error {
	id, err := number(ctx, tx, "log")
	if err != nil {
		return err
	}
	err = tx.Queue(ctx, `INSERT INTO empi_log (id, at, person, patient, what, source, other, decision, by_user, by_name, by_org, why, model) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, micros(tx.Now()), e.Person, e.Patient, e.What, e.Source, e.With, e.Decision, e.By.User, e.By.Name, e.By.Org, e.Why, e.Model)
	if err != nil {
		return fmt.Errorf("empi: log: %w", err)
	}
	return nil
}

// Desk is the party of an institution's records desk: what happens to persons by the thousand is nobody else's notice.
const Desk = "#records"

func desks(orgs []string) []string {
	var parties []string
	for _, o := range orgs {
		parties = append(parties, o+Desk)
	}
	return parties
}

// raise tells the desks of the institutions that keep the records. Nobody hears of a record that another institution keeps.
func raise(ctx context.Context, tx *store.Tx, kind string, person int64, patient string, data map[string]string, parties ...string) error {
	data["line"] = "person"
	return event.Raise(ctx, tx, event.Event{Kind: kind, Focus: "Person/" + strconv.FormatInt(person, 10), Patient: patient, Parties: desks(parties), Data: data})
}

// ask decides what is to be asked about the pairs of the neighbourhood, and saves them.
func (n *net) ask(ctx context.Context) error {
	cluster := func(r *row) int64 {
		if r.person > 0 {
			return r.person
		}
		return -r.rec
	}
	var all []*pairRow
	var far []int64
	for _, p := range n.pairs {
		all = append(all, p)
		far = append(far, p.a, p.b)
	}
	slices.Sort(far)
	if err := n.load(ctx, slices.Compact(far)); err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(p *pairRow) bool {
		return n.rows[p.a] == nil || n.rows[p.b] == nil || !n.inside[p.a] && !n.inside[p.b]
	})
	slices.SortFunc(all, func(a, b *pairRow) int {
		x, y := both(n.rows[a.a].patient, n.rows[a.b].patient), both(n.rows[b.a].patient, n.rows[b.b].patient)
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
	})
	// between two persons one question is enough, and one answer
	answered := map[[2]int64]bool{}
	for _, d := range n.said {
		a, b := n.byPatient[d.Left], n.byPatient[d.Right]
		if a != nil && b != nil && d.What == Different {
			answered[between(cluster(a), cluster(b))] = true
		}
	}
	asked := map[[2]int64]bool{}
	for _, p := range all {
		a, b := n.rows[p.a], n.rows[p.b]
		d := n.said[both(a.patient, b.patient)]
		state, why := "", ""
		linked := a.person > 0 && a.person == b.person
		cut := between(cluster(a), cluster(b))
		switch {
		case d != nil && d.What == Different:
			state = Settled
		case d != nil && n.joins(d):
			state = Settled
			if changed := max(a.updated, b.updated) > micros(d.At); changed && !d.statement() && (p.outcome == match.Different || p.firm) {
				state, why = Open, WhyConflict
			}
		case d != nil && !linked: // a hospital's word about a record that it does not keep
			state, why = Open, WhyStated
		case linked && p.outcome != match.Different:
			state = Linked
		case p.outcome == match.Different && (p.state == Open || p.state == Settled || p.state == Obsolete):
			state = Obsolete
		case p.outcome == match.Different:
		case answered[cut] || asked[cut]:
			state = Covered
		default:
			asked[cut] = true
			switch {
			case p.bar != "":
				state, why = Open, WhyBarred
			case p.outcome == match.Same:
				state, why = Open, WhyApart
			default:
				state, why = Open, WhyPossible
			}
		}
		if err := n.put(ctx, p, a, b, state, why); err != nil {
			return err
		}
	}
	return nil
}

func between(a, b int64) [2]int64 { return [2]int64{min(a, b), max(a, b)} }

// put saves a pair where it has changed, and tells when a question comes or goes.
func (n *net) put(ctx context.Context, p *pairRow, a, b *row, state, why string) error {
	if state == "" {
		if p.fresh {
			return nil
		}
		return n.tx.Queue(ctx, `DELETE FROM empi_pair WHERE id = ?`, p.id)
	}
	if p.state == state && p.why == why && !p.touched {
		return nil
	}
	if p.fresh {
		id, err := number(ctx, n.tx, "pair")
		if err != nil {
			return err
		}
		p.id, p.fresh = id, false
	}
	was := p.state
	p.state, p.why, p.changed, p.version, p.touched = state, why, micros(n.tx.Now()), p.version+1, false
	if state == Open && was != Open {
		p.since = p.changed
	}
	if err := savePair(ctx, n.tx, p); err != nil {
		return err
	}
	switch {
	case state == Open && was != Open:
		return raisePair(ctx, n.tx, "person.possible", p.id, state, why, a.org, b.org)
	case was == Open && state != Open:
		return raisePair(ctx, n.tx, "person.decided", p.id, state, why, a.org, b.org)
	}
	return nil
}

func raisePair(ctx context.Context, tx *store.Tx, kind string, pair int64, state, why string, parties ...string) error {
	return event.Raise(ctx, tx, event.Event{Kind: kind, Focus: "Pair/" + strconv.FormatInt(pair, 10), Parties: desks(parties),
		Data: map[string]string{"line": "person", "pair": strconv.FormatInt(pair, 10), "state": state, "why": why}})
}

// pairGone tells that a question has gone with its record.
func (x *Index) pairGone(ctx context.Context, tx *store.Tx, id int64, org string) error {
	var p *pairRow
	err := tx.Query(ctx, pairColumns+`WHERE id = ?`, []any{id}, func(scan func(...any) error) (err error) { p, err = scanPair(scan); return err })
	if err != nil || p == nil || p.state != Open {
		return err
	}
	return raisePair(ctx, tx, "person.decided", id, Obsolete, byDelete, org)
}
