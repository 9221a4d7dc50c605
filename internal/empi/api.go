// Package empi knows which records of patients are of one person, who said so, and how to take it back; it answers rooms, never a user.
package empi

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Options of New.
type Options struct {
	Clock clock.Clock
	Log   *slog.Logger
}

// Index follows the log of Patients and keeps persons. Safe for many goroutines. Nothing here asks who may see a record:
// whoever shows what comes from here leaves out the records that his caller may not see, and writes the audit entry of reading.
type Index struct {
	o     Options
	store *store.Store
	audit audit.Log
	trail Trail
	wake  chan struct{}
	keys  *keyed

	following sync.Mutex // one step of the follower at a time
	begun     bool       // by it: the form of what is kept has been looked at
	ahead     []judged   // by it: compared while others were concluded
	adopted   atomic.Bool

	mu     sync.RWMutex
	model  *weights // in force, as last read
	warned time.Time
}

// Trail is asked who has opened what.
type Trail interface {
	CatchUp(ctx context.Context, d time.Duration) error
	Query(ctx context.Context, f audit.Filter) (entries []audit.Entry, next string, err error)
}

// By is who says something about records; the zero value is the index itself.
type By struct{ User, Name, Org string }

// Caller is who asks, from the context.
func Caller(ctx context.Context) By {
	c := access.From(ctx)
	if c == nil {
		return By{}
	}
	return By{User: c.User, Name: c.Name, Org: c.Org}
}

// Candidate is a record that may be of the same person as the one that was asked about.
type Candidate struct {
	Patient   string // "Patient/…"
	Custodian string // "Organization/…"
	Person    int64  // 0 = linked with none
	Verdict   match.Verdict
}

// Person is who stands behind some records; one of a single record has ID 0.
type Person struct {
	ID      int64
	Since   time.Time
	Members []Member // by time of joining
	Golden  []Field
}

// What joined a record to a person.
const (
	Auto      = "auto"      // the weights
	Decided   = "decided"   // somebody said that it is the same person
	Statement = "statement" // the hospital said so of two records of its own: merged, or a record replaced by another
)

// Member is one record of a person.
type Member struct {
	Patient     string
	Custodian   string
	Since       time.Time
	Source      string  // Auto, Decided, Statement
	Decision    int64   // that joined it; 0 = none
	By          By      // who decided
	With        string  // the record that it was joined by, "Patient/…"
	Score       float64 // of the two, as of now
	Probability float64
}

// Field is one value of the golden record: what survives, and where it came from.
type Field struct {
	Field string // name, sex, birth, number, phone, address, deceased
	Kind  string // of a number: its system
	Value string
	From  string    // "Patient/…"
	At    time.Time // when that record was last changed
	Rule  string    // why this value: verified, valid, newest, longest, most, only; none = equals
	Other int       // other values that the records have
}

// States of a pair.
const (
	Open     = "open"     // somebody has to look
	Linked   = "linked"   // both are of one person
	Settled  = "settled"  // somebody has decided
	Obsolete = "obsolete" // the records have changed, the question has gone
	Covered  = "covered"  // another pair of the same two persons asks, or has answered
)

// Reasons why a pair is asked about.
const (
	WhyPossible = "possible" // by the weights
	WhyBarred   = "barred"   // they would be the same, but a rule forbids to join without asking: Verdict.Bar
	WhyApart    = "apart"    // they would be the same, but joining would bring records together that must stay apart
	WhyStated   = "stated"   // a hospital says that its record is replaced by one that another hospital keeps
	WhyConflict = "conflict" // somebody said same, and the records have become different since
)

// Side is one record of a pair.
type Side struct {
	Patient   string
	Custodian string
	Person    int64
}

// Pair is two records about which somebody has to say whether they are of one person.
type Pair struct {
	ID          int64
	Left, Right Side // by the text of their ids
	State       string
	Why         string
	Score       float64
	Probability float64
	Bar         string
	Since       time.Time // asked first
	Changed     time.Time
	Version     int64         // goes up with every change; give it to Decide
	Decision    *Decision     // in force
	Verdict     match.Verdict // by Index.Pair only: of the two records as they are now
}

// Custodians are the institutions whose records desks a pair concerns.
func (p Pair) Custodians() []string {
	if p.Left.Custodian == p.Right.Custodian {
		return []string{p.Left.Custodian}
	}
	return []string{p.Left.Custodian, p.Right.Custodian}
}

// PairFilter chooses pairs; empty fields do not limit.
type PairFilter struct {
	State      string
	Custodians []string // one of them keeps one of the records; not nil and empty finds nothing
	Patient    string
	Cursor     string
	Count      int // 50, at most 500
}

// What can be said of two records.
const (
	Same      = "same"
	Different = "different"
	Merged    = "merged" // one record of a hospital replaces another of the same hospital
)

// Decision is what somebody said of two records; it holds until it is taken back.
type Decision struct {
	ID          int64
	Left, Right string // "Patient/…"; of Merged: Left is replaced by Right
	What        string // Same, Different, Merged
	Reason      string
	By          By
	At          time.Time
	TakenBack   time.Time // zero = in force
	TakenBackBy By
	WhyBack     string

	undo string // of Merged: what was changed in the two Patients
}

// statement: not said by somebody here, but read from a Patient.link.
func (d *Decision) statement() bool { return d.By.User == "" && d.What == Merged }

// Entry is one event of a person, oldest first in Log.
type Entry struct {
	ID       int64
	At       time.Time
	Person   int64
	Patient  string
	What     string // linked, unlinked, decided, taken-back, merged, unmerged
	Source   string // Auto, Decided, Statement
	With     string // the other record
	Decision int64
	By       By
	Why      string // of a decision its reason; of the index its code: match, changed, deleted, apart, weights
	Model    int64  // version of the weights
}

// Told is what somebody is to know: records that he read as one person's were none.
type Told struct {
	ID      int64
	At      time.Time
	User    string
	Org     string
	Person  int64
	Left    string // the record that left
	Read    string // the record that he opened
	ReadAt  time.Time
	Noticed time.Time // zero = not yet
}
