package line

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Open begins a case that follows from something else, in the transaction of that: by is who caused it, and the hub
// itself writes. The audit entry is the caller's. It returns "Task/…".
func (r *Runner) Open(ctx context.Context, tx *store.Tx, by *access.Caller, slug, code, do, note string, task *fhir.Node) (string, error) {
	l := r.Line(slug)
	if l == nil || l.Flow(code) == nil {
		return "", fmt.Errorf("line: no line %q with a flow %q to open", slug, code)
	}
	f := l.Flow(code)
	u := UrgencyOf(task)
	step, err := f.Find(do, flow.New, flow.Requester, string(by.Role), func(string) string { return string(u) })
	if err != nil {
		return "", refusal(f, err)
	}
	task.Set("id", newID())
	shot := &snapshot{ctx: ctx, tx: tx, scope: search.Everything, institution: r.Institution}
	w := &work{runner: r, call: Call{Line: l, Flow: f, Step: step, Now: tx.Now(), By: by, Side: flow.Requester, Urgency: u, Read: shot}}
	w.change = &Change{newID: newID, Task: task, Note: note}
	w.finish(f, task, do, step.Name, step.To, false, note, u)
	w.settle(f, task, nil)
	w.tell(f, task, do)
	if shot.err != nil {
		return "", shot.err
	}
	if err := w.prepare(); err != nil {
		return "", err
	}
	hub := access.With(ctx, nil)
	for _, p := range w.puts {
		if _, err := tx.Put(hub, p); err != nil {
			return "", err
		}
	}
	if r.Raise != nil {
		for _, e := range w.events {
			if err := r.Raise(ctx, tx, e); err != nil {
				return "", err
			}
		}
	}
	return "Task/" + task.ID(), nil
}
