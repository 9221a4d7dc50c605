package region

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Hub is what the region is made in. Its clock is turned from the first day to the present.
type Hub struct {
	Store    *store.Store
	Tree     *access.Tree
	Accounts *identity.Service
	Runner   *line.Runner
	Clock    *clock.Turned
	Bookings *booking.Room // nil = nobody holds beds
	Beds     *beds.Room
}

// Stages of Make, for a progress display.
const (
	Writing = "records"   // resources written
	Living  = "referrals" // cases lived through
)

// Begins is when the region's history of referrals starts: the clock of the hub must show this when Make is called.
func (r *Region) Begins() time.Time { return r.Present.AddDate(0, 0, -r.Size.Days) }

// Make fills a new hub: registers, records, accounts, and the days up to the present by taking the real steps.
func (r *Region) Make(ctx context.Context, h Hub, progress func(stage string, done, total int)) error {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	h.Clock.Set(r.Begins())
	if err := r.Load(ctx, h.Store, func(n int) { progress(Writing, n, 0) }); err != nil {
		return err
	}
	if err := r.AddAccounts(ctx, h.Accounts); err != nil {
		return fmt.Errorf("region: accounts: %w", err)
	}
	return r.live(ctx, h, progress)
}

// life drives the cases in the order of time.
type life struct {
	ctx     context.Context
	r       *Region
	hub     Hub
	plan    agenda
	callers map[*Person]*access.Caller
	ticked  time.Time
	steps   int
	open    map[string]*fhir.Node // encounters that last, by id
	like    map[*Institution]*written
	lies    map[*bed]*Patient
	busy    map[*bed]bool  // held or used by who came by a referral
	refused map[string]int // detail codes of refusals, which a healthy region does not have
}

type deed struct {
	at time.Time
	n  int
	do func() error
}

type agenda []deed

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].n < a[j].n
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(deed)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// ticks is how often the hub looks at its deadlines while the region is made.
const ticks = 2 * time.Hour

func (r *Region) live(ctx context.Context, h Hub, progress func(string, int, int)) error {
	w := &life{ctx: ctx, r: r, hub: h, callers: map[*Person]*access.Caller{}, ticked: r.Begins(), refused: map[string]int{}, open: map[string]*fhir.Node{},
		like: map[*Institution]*written{}, lies: map[*bed]*Patient{}, busy: map[*bed]bool{}}
	if err := w.agree(); err != nil {
		return err
	}
	begun, away := 0, map[*Patient]bool{}
	cases := r.cases(w)
	for _, p := range r.Patients[:min(12, len(r.Patients))] { // whom the demo's village doctor refers
		away[p] = true
	}
	for _, c := range cases {
		away[c.p] = true
	}
	if err := w.inhabitWards(away); err != nil {
		return err
	}
	for _, c := range cases {
		w.at(c.begins, func() error {
			begun++
			progress(Living, begun, r.Size.Referrals)
			return c.begin()
		})
	}
	for len(w.plan) > 0 {
		d := heap.Pop(&w.plan).(deed)
		if err := w.turn(d.at); err != nil {
			return err
		}
		if err := d.do(); err != nil {
			var no *fhir.Error
			if errors.As(err, &no) && no.Status < 500 { // overtaken by a deadline: the case has ended meanwhile
				w.refused[no.Issues[0].Detail]++
				continue
			}
			if errors.Is(err, errNothingFollows) {
				w.refused["nothing-follows"]++
				continue
			}
			if errors.Is(err, store.ErrNotFound) { // the case is out of his sight by now
				w.refused["not-found"]++
				continue
			}
			return err
		}
	}
	if err := w.turn(r.Present); err != nil {
		return err
	}
	for detail, n := range w.refused {
		if n > max(6, r.Size.Referrals/20) {
			return fmt.Errorf("region: %d steps were refused as %q", n, detail)
		}
	}
	return nil
}

// at plans a deed; what lies beyond the present does not happen, so the case stays open as it is.
func (w *life) at(t time.Time, do func() error) {
	if t.Before(w.r.Present) {
		heap.Push(&w.plan, deed{t, w.steps, do})
		w.steps++
	}
}

func (w *life) turn(to time.Time) error {
	for w.ticked.Add(ticks).Before(to) {
		w.ticked = w.ticked.Add(ticks)
		w.hub.Clock.Set(w.ticked)
		if _, err := w.hub.Runner.Tick(w.ctx); err != nil {
			return fmt.Errorf("region: deadlines: %w", err)
		}
		if err := w.tendBeds(); err != nil {
			return err
		}
	}
	w.hub.Clock.Set(to)
	return nil
}

// tendBeds lets holds run out and beds become clean.
func (w *life) tendBeds() error {
	if w.hub.Bookings == nil || w.r.Size.Beds == 0 {
		return nil
	}
	if _, err := w.hub.Bookings.Tick(w.ctx); err != nil {
		return fmt.Errorf("region: bookings: %w", err)
	}
	if _, err := w.hub.Beds.Tick(w.ctx, w.hub.Store); err != nil {
		return fmt.Errorf("region: beds: %w", err)
	}
	return nil
}

func (w *life) as(p *Person) context.Context {
	c := w.callers[p]
	if c == nil {
		c = p.Caller()
		w.hub.Tree.Settle(c)
		w.callers[p] = c
	}
	return access.With(w.ctx, c)
}

// start begins a case and returns its Task.
func (w *life) start(p *Person, flow string, ask ...any) (string, error) {
	res, err := w.hub.Runner.Start(w.as(p), line.StartCall{Line: "referral", Flow: flow, Params: parameters(ask...)})
	if err != nil {
		return "", fmt.Errorf("region: %s of %s starts %s: %w", p.Title, p.At.Short, flow, err)
	}
	return res.Task, nil
}

func (w *life) do(p *Person, task, step string, ask ...any) error {
	if _, err := w.hub.Runner.Do(w.as(p), line.DoCall{Task: task, Step: step, Params: parameters(ask...)}); err != nil {
		return fmt.Errorf("region: %s of %s does %s: %w", p.Title, p.At.Short, step, err)
	}
	return nil
}

// errNothingFollows: the chain has no such hand-over, or not any more.
var errNothingFollows = errors.New("no case follows")

// next finds the Task of the flow that a step began in the same chain.
func (w *life) next(task, flow string) (next string, owner *Institution, err error) {
	id := strings.TrimPrefix(task, "Task/")
	err = w.hub.Store.View(w.ctx, func(tx *store.Tx) error {
		v, err := tx.Read(w.ctx, search.Everything, "Task", id)
		if err != nil {
			return err
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return err
		}
		q, err := search.Parse("Task", []search.Param{{Name: "group-identifier", Value: n.Str("groupIdentifier.value")}}, search.Options{})
		if err != nil {
			return err
		}
		q.Scope = search.Everything
		page, err := tx.Search(w.ctx, q.Query)
		if err != nil {
			return err
		}
		newest := v.Seq
		first := true
		for _, m := range page.Matches {
			t, err := fhir.Parse(m.JSON)
			if err != nil {
				return err
			}
			if _, code := line.LineOf(t); m.ID == id || code != flow || t.Str("status") == "rejected" {
				continue
			}
			if first || m.Seq > newest {
				first, newest, next = false, m.Seq, "Task/"+m.ID
				owner = w.r.byID[strings.TrimPrefix(t.Str("owner.reference"), "Organization/")]
			}
		}
		return nil
	})
	if err == nil && (next == "" || owner == nil) {
		err = fmt.Errorf("region: %s after %s: %w", flow, task, errNothingFollows)
	}
	return next, owner, err
}

// office moves a time into the hours in which desks work; emergencies know none.
func office(d *rand.Rand, t time.Time) time.Time {
	t = t.In(Zone)
	switch h := t.Hour(); {
	case h < 8:
		return time.Date(t.Year(), t.Month(), t.Day(), 8, 5+d.IntN(50), 0, 0, Zone)
	case h >= 18:
		return time.Date(t.Year(), t.Month(), t.Day()+1, 8, 5+d.IntN(50), 0, 0, Zone)
	}
	return t
}

func minutes(d *rand.Rand, from, to int) time.Duration {
	return time.Duration(from+d.IntN(to-from+1)) * time.Minute
}

// parameters makes the body of a step: text, booleans, references and coded concepts by name.
func parameters(pairs ...any) *fhir.Node {
	n := fhir.New("Parameters")
	for i := 0; i+1 < len(pairs); i += 2 {
		v, kind := fhir.Of(pairs[i+1]), "valueString"
		switch {
		case v.Kind == fhir.Bool:
			kind = "valueBoolean"
		case v.Get("reference") != nil:
			kind = "valueReference"
		case v.Get("coding") != nil:
			kind = "valueCodeableConcept"
		}
		n.Add("parameter", fhir.Obj{"name", pairs[i], kind, v})
	}
	return n
}
