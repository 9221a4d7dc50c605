package store

import (
	"context"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
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

// Grant adds one row; the same patient, party, source, class and beginning twice is one.
func (tx *Tx) Grant(ctx context.Context, g Grant) error {
	patient, err := tx.reserve(ctx, g.Patient)
	if err == nil && patient == 0 {
		err = fmt.Errorf("store: grant on %q", g.Patient)
	}
	if err != nil {
		return err
	}
	party, err := tx.symbol(ctx, g.Party)
	if err != nil {
		return err
	}
	since, until := int64(minDate), int64(maxDate)
	if !g.From.IsZero() {
		since = g.From.UnixMicro()
	}
	if !g.Until.IsZero() {
		until = g.Until.UnixMicro()
	}
	return tx.Queue(ctx, `INSERT INTO access_grant (patient, party, source, class, since, until, basis) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (patient, party, source, class, since) DO UPDATE SET until = excluded.until, basis = excluded.basis`,
		patient, party, g.Source, g.Class, since, until, g.Basis)
}

// Revoke ends every grant that came from source. The rows stay, closed: who could see what, and when.
func (tx *Tx) Revoke(ctx context.Context, source string) error {
	now := tx.now.UnixMicro()
	return tx.Queue(ctx, "UPDATE access_grant SET until = ? WHERE source = ? AND until > ?", now, source, now)
}

// keep notes that an institution is custodian of something in a patient's record, or of something of a type that
// is about nobody. It may note too much: custody says where to look, the resource says whose it is.
func (tx *Tx) keep(ctx context.Context, custodian int64, typ int16, patient int64) error {
	if patient == 0 {
		patient = -int64(typ)
	}
	pair := [2]int64{custodian, patient}
	n := &tx.s.names
	n.mu.RLock()
	known := n.custody[pair]
	n.mu.RUnlock()
	if known || tx.names.custody[pair] {
		return nil
	}
	if tx.names.custody == nil {
		tx.names.custody = map[[2]int64]bool{}
	}
	tx.names.custody[pair] = true
	return tx.Queue(ctx, "INSERT INTO custody (custodian, patient) VALUES (?, ?) ON CONFLICT (custodian, patient) DO NOTHING", custodian, patient)
}

// sharedTypes lists the numbers of search.Shared.
var sharedTypes = func() []any {
	var ids []any
	for _, t := range search.Shared {
		if id := spec.TypeID(t); id != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}()

// sight is a scope made ready for SQL.
type sight struct {
	all     bool
	parties []any
	types   map[int16]bool // nil = any
	now     int64
}

func (tx *Tx) sight(ctx context.Context, scope search.Scope) (sight, error) {
	v := sight{all: scope.All, now: tx.now.UnixMicro()}
	if scope.Types != nil {
		v.types = map[int16]bool{}
		for _, t := range scope.Types {
			if id := spec.TypeID(t); id != 0 {
				v.types[id] = true
			}
		}
	}
	if v.all {
		return v, nil
	}
	for _, party := range scope.Parties {
		id, ok, err := tx.findSymbol(ctx, party)
		if err != nil {
			return v, err
		}
		if ok && id != 0 {
			v.parties = append(v.parties, id)
		}
	}
	return v, nil
}

// reads tells whether a type may be read at all.
func (v *sight) reads(typ int16) bool { return v.types == nil || v.types[typ] }

// visible is the condition that every hop carries; r names the row of resource.
func (v *sight) visible(q *sql, r string) {
	if v.types != nil {
		ids := make([]any, 0, len(v.types))
		for id := range v.types {
			ids = append(ids, id)
		}
		q.add(" AND "+r+".type IN ("+marks(len(ids))+")", ids...)
	}
	if v.all {
		return
	}
	q.add(" AND (("+r+".home = 0 AND "+r+".type IN ("+marks(len(sharedTypes))+"))", sharedTypes...)
	if len(v.parties) > 0 {
		in := marks(len(v.parties))
		q.add(" OR "+r+".custodian IN ("+in+")", v.parties...)
		q.add(" OR EXISTS (SELECT 1 FROM access_grant g WHERE g.patient = "+r+".home AND g.party IN ("+in+")", v.parties...)
		q.add(" AND g.since <= ? AND g.until > ?)", v.now, v.now)
		q.add(" OR ("+r+".multi = 1 AND EXISTS (SELECT 1 FROM compartment c JOIN access_grant g ON g.patient = c.patient WHERE c.rid = "+r+".rid AND c.extra = 1 AND g.party IN ("+in+")", v.parties...)
		q.add(" AND g.since <= ? AND g.until > ?))", v.now, v.now)
	}
	q.add(")")
}
