package store

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Prepare makes a resource ready for Put, outside the writer.
func Prepare(n *fhir.Node) (Prepared, error) { panic("under construction") }

// Put writes one version and everything that follows from it.
func (tx *Tx) Put(ctx context.Context, p Put) (Version, error) { panic("under construction") }

// Read returns the current version; ErrNotFound, ErrGone.
func (tx *Tx) Read(ctx context.Context, scope search.Scope, typ, id string) (Version, error) {
	panic("under construction")
}

// ReadVersion returns one version; a version that is a delete is ErrGone.
func (tx *Tx) ReadVersion(ctx context.Context, scope search.Scope, typ, id string, vid int64) (Version, error) {
	panic("under construction")
}

// Search answers one page.
func (tx *Tx) Search(ctx context.Context, q search.Query) (Page, error) { panic("under construction") }

// History answers one page of versions, newest first.
func (tx *Tx) History(ctx context.Context, q HistoryQuery) (Page, error) { panic("under construction") }

// Since calls fn for each version after seq, in order, until fn returns an error or limit is reached;
// it stops below what may still commit late. Consumers keep the last seq as their horizon.
func (tx *Tx) Since(ctx context.Context, seq int64, limit int, fn func(Version) error) error {
	panic("under construction")
}
