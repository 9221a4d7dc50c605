package server

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/rest"
)

// reasons opens what is closed, for a reason: break-glass and guarded kinds.
func (h *Hub) reasons() []rest.Operation {
	glass := api.Glass{Store: h.Store, Runner: h.Runner, Audit: h.Audit, Tree: h.Tree}
	answer := func(body *fhir.Node, err error) (rest.Answer, error) {
		if err != nil {
			return rest.Answer{}, err
		}
		return rest.Answer{Body: body}, nil
	}
	return []rest.Operation{
		{Type: "Patient", Name: "break-glass", Doc: "opens a record that is closed to a clinician in an emergency; the patient's hospital looks again within 72 hours",
			Handle: func(ctx context.Context, c rest.Call) (rest.Answer, error) { return answer(glass.Break(ctx, c.Body)) }},
		{Type: "Patient", Name: "further-reason", Instance: true, Doc: "opens guarded kinds of a patient whom the caller sees, for a further reason",
			Handle: func(ctx context.Context, c rest.Call) (rest.Answer, error) {
				return answer(glass.Further(ctx, c.ID, c.Body))
			}},
	}
}
