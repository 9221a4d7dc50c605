package line

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/store"
)

// hub is who acts when a time has passed.
var hub = &access.Caller{User: "hub", Name: "系统", Role: system, Scope: search.Everything}

// Tick does what time demands: it marks late cases, climbs the ladder and takes the system's steps.
// Many tickers may run; each rung is climbed once. It returns how many cases moved.
func (r *Runner) Tick(ctx context.Context) (int, error) {
	ctx = access.With(ctx, nil)
	moved := 0
	for {
		var due []Case
		err := r.Store.View(ctx, func(tx *store.Tx) (err error) {
			due, err = selectCases(ctx, tx, "WHERE next_at <= ? ORDER BY next_at, task LIMIT 200", tx.Now().UnixMicro())
			return err
		})
		if err != nil {
			return moved, err
		}
		before := moved
		var failed error
		for _, c := range due {
			ok, err := r.overdue(ctx, c)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("line: %s is due: %w", c.Task, err))
			}
			if ok {
				moved++
			}
		}
		if failed != nil || len(due) < 200 || moved == before {
			return moved, failed
		}
	}
}

// overdue does one thing about one case; false when another ticker was there first.
func (r *Runner) overdue(ctx context.Context, c Case) (bool, error) {
	l := r.Line(c.Line)
	if l == nil || l.Flow(c.Flow) == nil {
		return false, nil
	}
	f := l.Flow(c.Flow)
	var w *work
	err := r.Store.View(ctx, func(tx *store.Tx) error {
		id := strings.TrimPrefix(c.Task, "Task/")
		v, err := tx.Read(ctx, search.Everything, "Task", id)
		if err != nil {
			return err
		}
		if v.VID != c.Version {
			return nil
		}
		task, err := fhir.Parse(v.JSON)
		if err != nil {
			return err
		}
		if do, ladder := f.doNow(c, tx.Now()); do != "" {
			var no *fhir.Error
			w, err = r.prepareStep(ctx, tx, hub, id, DoCall{Step: do})
			if !ladder || !errors.As(err, &no) {
				return err
			}
		}
		shot := &snapshot{ctx: ctx, tx: tx, scope: search.Everything, institution: r.Institution, legal: r.Legal, agreed: r.Agreed, allowed: r.Allowed, bookings: r.Bookings, beds: r.Beds, rule: r.Rule, vids: map[string]int64{c.Task: v.VID}}
		w = &work{runner: r, call: Call{Line: l, Flow: f, Now: tx.Now(), By: hub, Side: flow.System, Task: task, Urgency: c.Urgency, Read: shot,
			Step: flow.Step{Do: "late"}}, patient: c.Patient}
		w.change = &Change{newID: newID, Task: task.Copy()}
		return w.late(c)
	})
	if err != nil || w == nil {
		return false, err
	}
	_, err = r.apply(ctx, w, hub, "", "")
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrTryAgain) {
		return false, nil
	}
	return err == nil, err
}

// late marks the Task one rung higher and tells both sides.
func (w *work) late(c Case) error {
	task := w.change.Task
	setLevel(task, c.Level+1)
	e := happened(w.call.Line, w.call.Flow, task, "late", w.call.Now)
	if c.Level < len(w.call.Flow.Escalate) {
		rung := w.call.Flow.Escalate[c.Level]
		e.Data["level"], e.Data["levelZh"], e.Data["levelEn"] = rung.Code, rung.Name.Zh, rung.Name.En
	}
	if !w.call.Line.Hushed {
		w.events = append(w.events, e)
	}
	return w.prepare()
}

// System takes a step of the hub itself on a case, as time or another room demands: a hold that has lapsed, a bed that
// an emergency took. Of the params the step's form takes what it knows. It answers false when the step is not open any
// more, or the case has got another thing meanwhile.
func (r *Runner) System(ctx context.Context, task, step string, params *fhir.Node) (bool, error) {
	id := strings.TrimPrefix(task, "Task/")
	_, err := r.perform(access.With(ctx, hub), "system "+task+" "+step, "", params, func(ctx context.Context, tx *store.Tx, by *access.Caller) (*work, error) {
		v, err := tx.Read(ctx, by.Scope, "Task", id)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			return nil, fhir.Refuse(404, "not-found", "unknown-case", "no such case", "没有这项业务")
		} else if err != nil {
			return nil, err
		}
		known := fhir.New("Parameters")
		if n, err := fhir.Parse(v.JSON); err != nil {
			return nil, err
		} else if _, f := find(r.Lines, n); f != nil {
			for _, p := range params.All("parameter") {
				if _, ok := f.Form(step).Field(p.Str("name")); ok {
					known.Add("parameter", p)
				}
			}
		}
		w, err := r.prepareStep(ctx, tx, by, id, DoCall{Step: step, Params: known})
		if err != nil {
			return nil, err
		}
		shot := w.call.Read.(*snapshot)
		if (step == "hold-lapsed" || step == "displaced") && shot.Booking("Task/"+id) != nil {
			return nil, fhir.Refuse(409, "conflict", "holds-again", "the case has another thing meanwhile", "该业务已另有预留")
		}
		return w, shot.err
	})
	var no *fhir.Error
	if errors.As(err, &no) && len(no.Issues) > 0 && slices.Contains([]string{"step-not-open", "not-your-step", "not-a-case", "unknown-case", "holds-again"}, no.Issues[0].Detail) {
		return false, nil
	}
	return err == nil, err
}
