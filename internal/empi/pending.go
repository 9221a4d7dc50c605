package empi

import (
	"context"
	"errors"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

var errPending = errors.New("empi: not yet")

type (
	keyed   struct{}
	weights struct{}
)

// New makes an index. Give its Derive to the store, then call Open.
func New(o Options) *Index { return &Index{o: o, wake: make(chan struct{}, 1)} }

// Derive wakes the follower after a Patient was written.
func (x *Index) Derive(ctx context.Context, tx *store.Tx, w store.Written) error { return nil }

// Open gives the index what opens after it.
func (x *Index) Open(ctx context.Context, s *store.Store, a audit.Log, trail Trail) error {
	x.store, x.audit, x.trail = s, a, trail
	return nil
}

// Run follows the log until ctx ends.
func (x *Index) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Settle returns when everything that was committed before is matched. Not inside an Update.
func (x *Index) Settle(ctx context.Context) error { return nil }

// FromPatient reads what the index compares out of a Patient.
func FromPatient(n *fhir.Node, custodian string) match.Record { return match.Record{} }

// Match gives the records that may be of the same person as rec, which need not be stored, best first.
func (x *Index) Match(ctx context.Context, tx *store.Tx, rec match.Record, limit int) ([]Candidate, error) {
	return nil, nil
}

// Person is the person of a record, with all members and the golden record of all of them. A record that is not known is
// ErrNotFound of the store.
func (x *Index) Person(ctx context.Context, tx *store.Tx, patient string) (Person, error) {
	return Person{}, errPending
}

// PersonByID is a person of several records; also ErrNotFound when he has none any more.
func (x *Index) PersonByID(ctx context.Context, tx *store.Tx, id int64) (Person, error) {
	return Person{}, errPending
}

// Golden chooses what survives of these records: for callers who see only some.
func (x *Index) Golden(ctx context.Context, tx *store.Tx, patients []string) ([]Field, error) {
	return nil, errPending
}

// Pairs lists pairs, the newest questions first, with the cursor of the next page.
func (x *Index) Pairs(ctx context.Context, tx *store.Tx, f PairFilter) (list []Pair, next string, err error) {
	return nil, "", nil
}

// Pair is one, with the evidence of the two records as they are now; 404 unknown-pair when there is none.
func (x *Index) Pair(ctx context.Context, tx *store.Tx, id int64) (Pair, error) {
	return Pair{}, errPending
}

// Decide keeps what somebody says of a pair, and links or parts at once. version is that of the Pair he saw;
// 409 already-decided when it has changed since.
func (x *Index) Decide(ctx context.Context, tx *store.Tx, pair, version int64, what, reason string, by By) (Decision, error) {
	return Decision{}, errPending
}

// Link says that two records are of one person, whether they were asked about or not.
func (x *Index) Link(ctx context.Context, tx *store.Tx, left, right, reason string, by By) (Decision, error) {
	return Decision{}, errPending
}

// Unlink takes a record out of a person and keeps it apart from every other record of his. Who opened one of them meanwhile is told.
func (x *Index) Unlink(ctx context.Context, tx *store.Tx, person int64, patient, reason string, by By) ([]Decision, error) {
	return nil, errPending
}

// TakeBack ends a decision; the records are decided anew as if it had not been.
func (x *Index) TakeBack(ctx context.Context, tx *store.Tx, decision int64, reason string, by By) error {
	return errPending
}

// Merge says that source, a record of one hospital, is replaced by target, another of the same: both Patients are written
// (active=false and link), and both are of one person.
func (x *Index) Merge(ctx context.Context, tx *store.Tx, source, target, reason string, by By) (Decision, error) {
	return Decision{}, errPending
}

// Unmerge restores both Patients as far as Merge changed them.
func (x *Index) Unmerge(ctx context.Context, tx *store.Tx, decision int64, reason string, by By) error {
	return errPending
}

// Decisions lists what was said of a record, oldest first, also what was taken back.
func (x *Index) Decisions(ctx context.Context, tx *store.Tx, patient string) ([]Decision, error) {
	return nil, nil
}

// Log lists the events of a person, oldest first.
func (x *Index) Log(ctx context.Context, tx *store.Tx, person int64) ([]Entry, error) {
	return nil, nil
}

// LogOf lists the events of a record, oldest first.
func (x *Index) LogOf(ctx context.Context, tx *store.Tx, patient string) ([]Entry, error) {
	return nil, nil
}

// Told lists what a user is to know since links that he read by were undone; Noted says that he knows.
func (x *Index) Told(ctx context.Context, tx *store.Tx, user string) ([]Told, error) { return nil, nil }

// Noted see Told.
func (x *Index) Noted(ctx context.Context, tx *store.Tx, user string, id int64) error { return nil }
