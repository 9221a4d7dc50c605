package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
)

// unknownPatient is Patient/$unknown: it starts the line unknown and answers with the patient, whose record can be
// written at once.
func unknownPatient(r *line.Runner) rest.Operation {
	return rest.Operation{Type: "Patient", Name: "unknown", Doc: "Registers somebody whose name nobody knows: sex, age, found-at, found-when, brought-by, description, authorised-by; all may be left out.",
		Handle: func(ctx context.Context, c rest.Call) (rest.Answer, error) {
			ask := fhir.New("Parameters")
			if c.Body != nil {
				ask = c.Body.Copy()
			}
			if !line.ParamsOf(ask).Has("urgency") {
				ask.Add("parameter", fhir.Obj{"name", "urgency", "valueCode", "emergency"})
			}
			done, err := r.Start(ctx, line.StartCall{Line: "unknown", Flow: "identify", Params: ask, Key: c.Key})
			if err != nil {
				return rest.Answer{}, err
			}
			task, err := fhir.Parse(done.JSON)
			if err != nil {
				return rest.Answer{}, err
			}
			id := strings.TrimPrefix(task.Str("for.reference"), "Patient/")
			var v store.Version
			err = r.Store.View(ctx, func(tx *store.Tx) (err error) {
				v, err = tx.Read(ctx, access.From(ctx).Scope, "Patient", id)
				return err
			})
			return rest.Answer{Status: http.StatusCreated, Version: &v}, err
		}}
}
