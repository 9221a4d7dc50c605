package store

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// ReadMany returns the current versions of those of the ids that exist and that the scope may see, by id.
func (tx *Tx) ReadMany(ctx context.Context, scope search.Scope, typ string, ids []string) (map[string]Version, error) {
	found := make(map[string]Version, len(ids))
	see, err := tx.sight(ctx, scope)
	if err != nil {
		return nil, err
	}
	t := spec.TypeID(typ)
	if t == 0 || !see.reads(t) {
		return found, nil
	}
	const most = 200
	for from := 0; from < len(ids); from += most {
		some := ids[from:min(from+most, len(ids))]
		args := []any{t}
		for _, id := range some {
			args = append(args, id)
		}
		q := &sql{}
		q.add("SELECT "+versionColumns+" FROM resource_id i CROSS JOIN resource r CROSS JOIN version v LEFT JOIN resource h ON h.rid = r.home WHERE i.type = ? AND i.id IN ("+marks(len(some))+
			") AND r.rid = i.rid AND v.seq = r.seq AND r.deleted = 0", args...)
		see.visible(q, "r")
		err := tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
			v, _, err := tx.version(ctx, scan)
			found[v.ID] = v
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
