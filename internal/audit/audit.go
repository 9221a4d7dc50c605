// Package audit keeps a chained record of who touched which patient's data, when and why.
package audit

import (
	"context"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Entry is one touch: one request, with every patient whose data it showed or changed.
type Entry struct {
	Seq      int64     // given when sealed
	At       time.Time // business time
	Wall     time.Time // machine time
	User     string
	Name     string
	Role     string
	Org      string   // "Organization/…"
	Action   string   // C R U D E (FHIR AuditEvent.action)
	What     string   // interaction: read, vread, search-type, history-instance, create, update, delete, transaction, login, step:accept, reveal, …
	Target   string   // "Task/…" or the search without values of sealed parameters
	Patients []string // "Patient/…"
	Outcome  string   // 0 success, 4 minor failure (refused), 8 serious failure
	Remote   string
	Request  string // request id, quoted in error messages
	Count    int    // resources shown
	Person   string // "Practitioner/…" behind the account, "" for programs
	Purpose  string // why: code of v3-PurposeOfUse
	Reason   string // code of the reason that was asked for (break-glass, guarded kinds), then ": " and the words of a further reason
	Client   string // the SMART app that acted for the user; "" = our own page
	Session  string // which of his sessions
}

// Log writes entries.
type Log interface {
	// Write records a change in its transaction.
	Write(ctx context.Context, tx *store.Tx, e Entry) error
	// Read records a read before the answer is sent; it survives kill -9 of the program.
	Read(ctx context.Context, e Entry) error
}
