package store

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Sees tells which of these ids are current resources of a type that the scope may see, without reading them.
func (tx *Tx) Sees(ctx context.Context, scope search.Scope, typ string, ids []string) (map[string]bool, error) {
	seen := make(map[string]bool, len(ids))
	err := tx.among(ctx, scope, typ, ids, "SELECT i.id FROM resource_id i JOIN resource r ON r.rid = i.rid WHERE r.vid > 0", func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		seen[id] = true
		return err
	})
	return seen, err
}

// ReadMany returns the current versions of those of the ids that exist and that the scope may see, by id.
func (tx *Tx) ReadMany(ctx context.Context, scope search.Scope, typ string, ids []string) (map[string]Version, error) {
	found := make(map[string]Version, len(ids))
	err := tx.among(ctx, scope, typ, ids, "SELECT "+versionColumns+` FROM resource_id i CROSS JOIN resource r CROSS JOIN version v
		LEFT JOIN resource h ON h.rid = r.home WHERE r.rid = i.rid AND v.seq = r.seq`, func(scan func(...any) error) error {
		v, _, err := tx.version(ctx, scan)
		found[v.ID] = v
		return err
	})
	return found, err
}

// among narrows a query over resource_id i and resource r to living ones of these ids that the scope may see.
func (tx *Tx) among(ctx context.Context, scope search.Scope, typ string, ids []string, query string, row func(scan func(...any) error) error) error {
	see, err := tx.sight(ctx, scope)
	if err != nil {
		return err
	}
	t := spec.TypeID(typ)
	if t == 0 || !see.reads(t) {
		return nil
	}
	for len(ids) > 0 {
		some := ids[:min(len(ids), 200)]
		ids = ids[len(some):]
		args := []any{t}
		for _, id := range some {
			args = append(args, id)
		}
		q := &sql{}
		q.add(query+" AND i.type = ? AND i.id IN ("+marks(len(some))+") AND r.deleted = 0", args...)
		see.visible(q, "r", t)
		if err := tx.Query(ctx, q.String(), q.args, row); err != nil {
			return err
		}
	}
	return nil
}
