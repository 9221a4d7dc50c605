package store

import (
	"context"
	"time"
)

// Grant lets one party see the record of one patient.
type Grant struct {
	Patient string    // "Patient/…"
	Party   string    // "Organization/…"
	Basis   string    // why: custodian, task, …
	Class   string    // how much: record, packet
	From    time.Time // zero = always
	Until   time.Time // zero = open
	Source  string    // the resource whose write caused it, "Task/…"; Revoke takes all of a source
}

// Grant adds one row; the same patient, party and source twice is one.
func (tx *Tx) Grant(ctx context.Context, g Grant) error { panic("under construction") }

// Revoke removes every grant that came from source.
func (tx *Tx) Revoke(ctx context.Context, source string) error { panic("under construction") }
