package server

import (
	"fmt"

	"github.com/xinglin-health/xinglin/internal/transfer"
)

// Import gives import the way in: bundles are applied as the FHIR API does, with org as the custodian.
func (h *Hub) Import(org string) (transfer.Apply, error) {
	return nil, fmt.Errorf("server: import is not wired yet")
}
