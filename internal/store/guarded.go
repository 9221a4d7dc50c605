package store

import (
	"context"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
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
		if _, err := tx.one(ctx, "SELECT guarded FROM resource WHERE rid = ?", []any{home}, &of); err != nil {
			return 0, err
		}
		if tx.guards == nil {
			tx.guards = map[int64]int64{}
		}
		tx.guards[home] = of
	}
	return own | of&ownKinds<<patientKinds, nil
}

// guardRecord hands the kinds of a patient down to all that is in his record.
func (tx *Tx) guardRecord(ctx context.Context, patient, guarded int64) error {
	delete(tx.guards, patient)
	_, err := tx.Exec(ctx, "UPDATE resource SET guarded = (guarded & ?) | ? WHERE home = ? AND rid <> ? AND rid IN (SELECT c.rid FROM compartment c WHERE c.patient = ?)",
		int64(ownKinds), guarded&ownKinds<<patientKinds, patient, patient, patient)
	return err
}
