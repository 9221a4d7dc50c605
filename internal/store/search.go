package store

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Search answers one page.
func (tx *Tx) Search(ctx context.Context, q search.Query) (Page, error) { panic("under construction") }
