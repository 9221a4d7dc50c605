package server

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/registry/intake"
	"github.com/xinglin-health/xinglin/internal/store"
)

// registry asks the tree of organisations.
func (h *Hub) registry() *registry.Room {
	place := func(org string) access.Place { p, _ := h.Tree.Place(org); return p }
	return &registry.Room{Tree: h.Tree, Zone: h.Zone, Legal: h.Tree.Legal,
		Level: func(institution string) string { return place(institution).Level },
		Above: func(org string) string { return place(org).Parent },
		Agreed: func(ctx context.Context, tx *store.Tx, from, to, service string) error { // the agreements' room opens later
			if h.Agreements == nil {
				return nil
			}
			return h.Agreements.Between(ctx, tx, from, to, service)
		}}
}

var registryNotices = []event.Template{
	{Kind: "registry.expiring-licence", Zh: "有执业证书将于 {day} 到期：当日起不能签署，请及时办理", En: "A licence ends on {day}: nothing can be signed from then on"},
	{Kind: "registry.expiring-role", Zh: "有任职将于 {day} 结束：当日起不能办理业务，如需延长请及时办理", En: "A role ends on {day}: nothing can be done in it from then on"},
}

// warn tells once of licences and roles that end within the week: the person, and the administrators of where he works.
func (h *Hub) warn(ctx context.Context) error {
	_, err := h.Registry.Warn(ctx, h.Store, func(ctx context.Context, tx *store.Tx, w registry.Warning) error {
		e := event.Event{Kind: "registry.expiring-" + w.What, Focus: w.Person, Parties: []string{w.Person}, ActBy: w.Until,
			Data: map[string]string{"line": "registry", "day": h.Registry.Day(w.Until.Add(-1))}}
		for _, in := range w.Institutions {
			e.Parties = append(e.Parties, api.RegistryDesk(in))
		}
		return event.Raise(ctx, tx, e)
	})
	return err
}

// Intake reads a spreadsheet of the registry for a command and says what it would do; with apply it does it.
func (h *Hub) Intake(ctx context.Context, name string, data []byte, org string, apply bool) (*intake.Plan, error) {
	if org != "" {
		if _, ok := h.Tree.Place(org); !ok {
			return nil, fmt.Errorf("server: no organisation %s", org)
		}
	}
	tables, err := intake.Read(name, data)
	if err != nil {
		return nil, err
	}
	ctx = access.With(ctx, h.program("registry", org))
	p := intake.Planner{Room: h.Registry, Validate: validate.Resource,
		Role:  func(code string) bool { _, ok := access.RoleNames[access.Role(code)]; return ok },
		Reach: func(to string) bool { return org == "" || to != "" && h.Tree.Within(to, org) }}
	var plan *intake.Plan
	err = h.Store.View(ctx, func(tx *store.Tx) (err error) {
		plan, err = p.Plan(ctx, tx, tables)
		return err
	})
	if err != nil || !apply || len(plan.Problems) > 0 || len(plan.Resources) == 0 {
		return plan, err
	}
	return plan, h.register(ctx, plan.Resources, plan.Known, "registry-import")
}

// register writes entries of the registers together; institutions that are new among them are known to the guards.
func (h *Hub) register(ctx context.Context, resources []*fhir.Node, known map[string]int64, what string) error {
	parents := map[string]string{}
	for _, n := range resources {
		if ref := n.Type() + "/" + n.ID(); n.Type() == "Organization" && known[ref] == 0 {
			parents[ref] = n.Str("partOf.reference")
		}
	}
	return h.Bundles.PutKnown(access.Upcoming(ctx, parents), resources, known, what)
}
