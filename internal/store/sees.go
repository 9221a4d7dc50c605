package store

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Sees tells which of these ids are current resources of a type that the scope may see, without reading them.
func (tx *Tx) Sees(ctx context.Context, scope search.Scope, typ string, ids []string) (map[string]bool, error) {
	seen := make(map[string]bool, len(ids))
	see, err := tx.sight(ctx, scope)
	if err != nil {
		return nil, err
	}
	t := spec.TypeID(typ)
	if t == 0 || !see.reads(t) {
		return seen, nil
	}
	const most = 400
	for from := 0; from < len(ids); from += most {
		some := ids[from:min(from+most, len(ids))]
		args := []any{t}
		for _, id := range some {
			args = append(args, id)
		}
		q := &sql{}
		q.add("SELECT i.id FROM resource_id i JOIN resource r ON r.rid = i.rid WHERE i.type = ? AND i.id IN ("+marks(len(some))+") AND r.vid > 0 AND r.deleted = 0", args...)
		see.visible(q, "r")
		err := tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
			var id string
			if err := scan(&id); err != nil {
				return err
			}
			seen[id] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return seen, nil
}
