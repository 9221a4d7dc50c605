package server

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/rest"
)

// bookings hangs $find, $hold, $book and $release under /fhir/Appointment.
func bookings(r *booking.Room) (all []rest.Operation) {
	for _, op := range r.Operations() {
		all = append(all, rest.Operation{Type: "Appointment", Name: op.Name, Safe: op.Safe, Doc: op.Doc,
			Handle: func(ctx context.Context, c rest.Call) (rest.Answer, error) {
				asked := func(name string) string {
					for _, q := range c.Query {
						if q.Name == name {
							return q.Value
						}
					}
					return ""
				}
				a, err := op.Handle(ctx, booking.Call{Params: c.Body, Key: c.Key, Base: c.Base, Query: asked})
				return rest.Answer{Body: a.Body, Audit: a.Audit}, err
			}})
	}
	return all
}
