package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// A resource's own kinds stand in the low bits of resource.guarded, those of its patient from this bit on.
const patientKinds = 31

const ownKinds = 1<<patientKinds - 1

// movedAway marks in version.guarded what is about another patient than the newest version.
const movedAway = 1 << 62

// kinds are the bits of what a resource tells by itself.
func (s *Store) kinds(n *fhir.Node) (bits int64) {
	if s.opts.Guarded == nil || n == nil {
		return 0
	}
	for _, kind := range s.opts.Guarded(n) {
		if i := slices.Index(s.opts.Kinds, kind); i >= 0 {
			bits |= 1 << i
		}
	}
	return bits
}

// guarded is what resource.guarded becomes by a write of n under home.
func (tx *Tx) guarded(ctx context.Context, n *fhir.Node, rid, home int64) (int64, error) {
	own := tx.s.kinds(n)
	if home == 0 || len(tx.s.opts.Kinds) == 0 {
		return own, nil
	}
	if home == rid {
		return own | own<<patientKinds, nil
	}
	of, known := tx.guards[home]
	if !known {
		// Whoever changes the patient's kinds waits for this unit, or this one runs again with the new ones.
		query := "SELECT guarded FROM resource WHERE rid = ?"
		if tx.s.db.Dialect() == engine.Postgres {
			query += " FOR SHARE"
		}
		if err := tx.c.Share(ctx, guardKey(home)); err != nil {
			return 0, err
		}
		if _, err := tx.one(ctx, query, []any{home}, &of); err != nil {
			return 0, err
		}
		tx.noteGuarded(home, of)
	}
	return own | of&ownKinds<<patientKinds, nil
}

func guardKey(patient int64) string { return fmt.Sprint("guarded/", patient) }

func (tx *Tx) noteGuarded(patient, guarded int64) {
	if tx.guards == nil {
		tx.guards = map[int64]int64{}
	}
	tx.guards[patient] = guarded
}

// guardRecord hands the kinds of a patient down to all that is in his record. Others may be writing there: they have
// ended before this unit's snapshot, or see what it has written.
func (tx *Tx) guardRecord(ctx context.Context, patient, guarded int64) error {
	_, err := tx.Exec(ctx, "UPDATE resource SET guarded = (guarded & ?) | ? WHERE home = ? AND rid <> ? AND rid IN (SELECT c.rid FROM compartment c WHERE c.patient = ?)",
		int64(ownKinds), guarded&ownKinds<<patientKinds, patient, patient, patient)
	return err
}
