package server

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/transfer"
)

// Import gives import the way in: bundles are applied as the FHIR API does, with org as the custodian
// of what is created, "" = the hub itself.
func (h *Hub) Import(org string) (transfer.Apply, error) {
	if org != "" {
		if _, ok := h.Tree.Place(org); !ok {
			return nil, fmt.Errorf("server: no organisation %s", org)
		}
	}
	caller := h.program("import", org)
	return func(ctx context.Context, bundle *fhir.Node, key string) (bool, error) {
		return h.Bundles.Import(access.With(ctx, caller), bundle, key)
	}, nil
}

// program is the caller of a command: whoever may start it on this machine holds the data anyway.
func (h *Hub) program(name, org string) *access.Caller {
	return &access.Caller{
		User: "command:" + name, Name: "xinglin " + name, Role: access.Program, Org: org, Institution: h.Tree.Institution(org),
		Scopes: []string{"system/*.cruds"}, Scope: search.Everything, Lang: "en",
	}
}
