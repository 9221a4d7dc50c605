package store

import (
	"context"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Store is one hub's database.
type Store struct{ opts Options }

// Open opens or makes the database. dsn is "file:DIR" (SQLite in DIR/xinglin.db), ":memory:"
// (a private SQLite for tests) or postgres://…; it runs the migrations that are missing.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) { panic("under construction") }

// Close finishes what was acknowledged and closes the database.
func (s *Store) Close() error { panic("under construction") }

// View runs fn on a snapshot.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error { panic("under construction") }

// Update runs fn as one unit that is durable when Update returns nil. Units of many callers share
// one commit; an error from fn undoes only its own unit. fn may be run more than once,
// so it must not have effects outside tx.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error { panic("under construction") }

// Tx is the inside of View or Update.
type Tx struct{ now time.Time }

// Now is the business time of this unit.
func (tx *Tx) Now() time.Time { return tx.now }

// Exec and Query serve the packages of floor 2 with their own tables. Text is written once, with ? for
// arguments; booleans are 0/1 integers, times are UTC microseconds (int64), bytes are []byte.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (affected int64, err error) {
	panic("under construction")
}

// Query calls row for each row; scan takes *int64, *string, *[]byte, *float64, *bool and *sql.Null-free
// nullable pointers (**int64, **string).
func (tx *Tx) Query(ctx context.Context, query string, args []any, row func(scan func(dest ...any) error) error) error {
	panic("under construction")
}

// AfterCommit calls fn once this unit is durable.
func (tx *Tx) AfterCommit(fn func()) { panic("under construction") }

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
