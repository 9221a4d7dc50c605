package line

import (
	"context"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Operation is a FHIR operation on Task that a server mounts: $start on the type, every step on an instance.
type Operation struct {
	Type, Name string
	Instance   bool
	Handle     func(context.Context, OperationCall) (Result, error)
}

// OperationCall is what came over HTTP.
type OperationCall struct {
	ID      string     // of the Task; "" on the type
	Params  *fhir.Node // nil when there is no body
	Key     string     // Idempotency-Key
	IfMatch string
}

// Operations lists $start and the steps of all lines.
func (r *Runner) Operations() []Operation {
	ops := []Operation{{Type: "Task", Name: "start", Handle: func(ctx context.Context, c OperationCall) (Result, error) {
		p := ParamsOf(c.Params)
		return r.Start(ctx, StartCall{Line: p.Str("line"), Flow: p.Str("flow"), Params: c.Params, Key: c.Key})
	}}}
	var names []string
	for _, l := range r.Lines {
		for _, f := range l.Flows {
			for _, s := range f.Steps {
				if !slices.Contains(names, s.Do) && !slices.Equal(s.From, []string{"new"}) && s.By != "system" {
					names = append(names, s.Do)
				}
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		ops = append(ops, Operation{Type: "Task", Name: name, Instance: true, Handle: func(ctx context.Context, c OperationCall) (Result, error) {
			return r.Do(ctx, DoCall{Task: c.ID, Step: name, Params: c.Params, Key: c.Key, IfMatch: c.IfMatch})
		}})
	}
	return ops
}
