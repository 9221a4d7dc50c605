package store

import (
	"context"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Withheld says whether a patient's record holds guarded data that the scope would see but for a reason. It looks at no
// more than a hundred guarded resources.
func (tx *Tx) Withheld(ctx context.Context, scope search.Scope, patient string) (bool, error) {
	id, _ := strings.CutPrefix(patient, "Patient/")
	rid, err := tx.rid(ctx, spec.TypeID("Patient"), id)
	if err != nil || rid == 0 {
		return false, err
	}
	found := map[string][]string{}
	err = tx.Query(ctx, "SELECT r.type, r.id FROM resource r WHERE r.home = ? AND r.guarded <> 0 AND r.deleted = 0 AND r.rid IN (SELECT c.rid FROM compartment c WHERE c.patient = ?) ORDER BY r.rid DESC LIMIT 100", []any{rid, rid},
		func(scan func(...any) error) error {
			var typ int64
			var id string
			err := scan(&typ, &id)
			found[spec.TypeName(int16(typ))] = append(found[spec.TypeName(int16(typ))], id)
			return err
		})
	if err != nil {
		return false, err
	}
	open := scope
	open.Opens = tx.s.opts.Kinds
	for typ, ids := range found {
		all, err := tx.Sees(ctx, open, typ, ids)
		if err != nil {
			return false, err
		}
		now, err := tx.Sees(ctx, scope, typ, ids)
		if err != nil {
			return false, err
		}
		for id := range all {
			if all[id] && !now[id] {
				return true, nil
			}
		}
	}
	return false, nil
}
