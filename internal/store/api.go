// Package store keeps resources and their history on SQLite or PostgreSQL: one schema, one behaviour.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound = errors.New("not found")           // also: not visible in the given scope
	ErrGone     = errors.New("deleted")             // 410; only where the scope may see the resource
	ErrConflict = errors.New("version conflict")    // If-Match or an expected version failed
	ErrExists   = errors.New("exists already")      // a unique row is taken
	ErrMultiple = errors.New("more than one match") // conditional operations
	ErrTryAgain = errors.New("prepare again")       // what was read has changed meanwhile
)

// Op is what a version did.
type Op uint8

const (
	Create Op = iota + 1
	Update
	Delete
)

// Version is one stored version of a resource.
type Version struct {
	Type, ID  string
	VID       int64 // 1, 2, …
	Seq       int64 // position in the log
	Op        Op
	Updated   time.Time
	Custodian string // "Organization/…": the organisation of the creating credential; "" = the hub itself
	Home      string // "Patient/…": the subject; "" = shared register
	JSON      []byte // complete, with meta.versionId and meta.lastUpdated; nil for a delete
	Inside    string // of a match of _contained: JSON is only the contained resource of this id
	Linked    bool   // of a Patient from Store.Read: a person has this record and perhaps others; what he sees of them says Tx.Linked
}

// Prepared is a resource made ready outside the writer: validated by the caller,
// indexed and encoded here.
type Prepared struct {
	Node    *fhir.Node
	Entries []index.Entry

	zone         *time.Location // of Entries; nil = Prepare has not run
	home         string
	compartments []string
	plain        []byte // without id and the parts of meta that the store gives
	packed       []byte
	codec, dict  int
	foreseen     bool // the numbers of its names are known in this unit
}

// Put is one write.
type Put struct {
	Op        Op       // Update on a missing id creates it
	Type, ID  string   // ID "" on Create: the store gives one
	Resource  Prepared // not for Delete
	IfMatch   int64    // expected current VID; 0 = no condition; -1 = must not exist yet
	Custodian string   // used on creation only
	ByStep    bool     // set by the line runner: lets a Task of a line change
	Keeper    string   // for guards: the custodian of what stands; set by the store
}

// Options of Open.
type Options struct {
	Clock      clock.Clock
	Zone       *time.Location // of zoneless dates; fixed when the database is made; nil = Asia/Shanghai
	Migrations []Migration    // of floor 2, in a fixed order, after the store's own
	Derive     []Deriver      // run in the transaction of every write, in order
	Guard      []Guard        // may refuse a write
	// Guarded names the kinds of guarded data that a resource is of (psychiatry, HIV, …); nil = none. A Patient's kinds
	// hold for everything in his record. At most 31 kinds, numbered by Kinds in a fixed order.
	Guarded  func(n *fhir.Node) []string
	Kinds    []string
	Key      []byte   // hub key of sealed parameters; nil = made and kept beside the database
	Sealing  *Sealing // bodies are sealed under data keys; nil = off, and a database that is sealed is refused
	FullText bool     // _text and _content are answered; Store.IndexWords keeps their index

	Alone  bool  // no other process writes to this database
	Memory int64 // bytes for the program as a whole, of which the database's caches take a part; 0 = DefaultMemory
	Cache  int64 // bytes of bodies that are kept in memory for Read; 0 = an eighth of Memory
	// Watch is told of every unit, "view" or "update", and gives what to call at its end; nil = nobody watches.
	Watch func(ctx context.Context, unit string) (end func(error))
}

// DefaultMemory is what a hub of a region's size does well with.
const DefaultMemory = 256 << 20

// Written is what a Deriver sees. Before is nil on creation, After is nil on delete.
type Written struct {
	Version
	Before, After *fhir.Node
}

// Deriver writes what follows from a write (grants, events) in the same transaction.
type Deriver func(ctx context.Context, tx *Tx, w Written) error

// Guard refuses a write with an error, usually a *fhir.Error. before is nil on creation.
type Guard func(ctx context.Context, p Put, before *fhir.Node) error

// Migration is twin DDL of one owner. Names are unique and never change once released.
type Migration struct {
	Name     string // "access/0001_grants"
	SQLite   string
	Postgres string
}

// Page is one page of a search or history.
type Page struct {
	Matches  []Version
	Includes []Version
	Total    int64  // -1 when it was not asked for
	Next     string // cursor of the next page, "" at the end
}

// HistoryQuery asks for versions, newest first. Type and ID empty = the whole system.
type HistoryQuery struct {
	Type, ID string
	Since    time.Time // versions at or after; zero = all
	At       time.Time // zero = no condition
	Count    int
	Cursor   string
	Scope    search.Scope
}
