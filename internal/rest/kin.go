package rest

import (
	"context"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// resolve turns what a search says of value sets and hierarchies into values.
func (o *Options) resolve(ctx context.Context, q *search.Query) error {
	if !search.NeedsResolve(q) {
		return nil
	}
	return search.Resolve(ctx, q, o.Terms, kin{o.Store, q.Scope})
}

// kin follows partOf among what the caller may see.
type kin struct {
	store *store.Store
	scope search.Scope
}

// Bounds of a walk: resources asked for at once, and steps upwards.
const (
	kinAtOnce = 200
	kinSteps  = 50
)

func (k kin) Below(ctx context.Context, by *spec.Param, id string, limit int) ([]string, error) {
	ids, seen := []string{id}, map[string]bool{id: true}
	err := k.store.View(ctx, func(tx *store.Tx) error {
		ids, seen = ids[:1], map[string]bool{id: true}
		for from := 0; from < len(ids); {
			batch := ids[from:min(from+kinAtOnce, len(ids))]
			from += len(batch)
			c := search.Clause{Param: by}
			for _, id := range batch {
				c.Values = append(c.Values, search.Value{RefType: by.Base, RefID: id})
			}
			found, err := k.all(ctx, tx, search.Query{Type: by.Base, Where: []search.Clause{c}, Count: store.MaxCount, Scope: k.scope}, limit)
			if err != nil {
				return err
			}
			for _, v := range found {
				if !seen[v.ID] {
					seen[v.ID] = true
					ids = append(ids, v.ID)
				}
			}
			if len(ids) > limit {
				return search.ErrTooMany
			}
		}
		return nil
	})
	return ids, err
}

func (k kin) all(ctx context.Context, tx *store.Tx, q search.Query, limit int) ([]store.Version, error) {
	var out []store.Version
	for {
		page, err := tx.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		if out = append(out, page.Matches...); page.Next == "" {
			return out, nil
		}
		if len(out) > limit {
			return nil, search.ErrTooMany
		}
		q.Cursor = page.Next
	}
}

func (k kin) Above(ctx context.Context, by *spec.Param, id string, limit int) ([]string, error) {
	var ids []string
	err := k.store.View(ctx, func(tx *store.Tx) error {
		ids = []string{id}
		for next := ids; len(next) > 0; {
			if len(ids) > limit || len(next) > kinSteps {
				return search.ErrTooMany
			}
			c := search.Clause{Special: "_id"}
			for _, id := range next {
				c.Values = append(c.Values, search.Value{Raw: id, Text: id})
			}
			next = nil
			found, err := k.all(ctx, tx, search.Query{Type: by.Base, Where: []search.Clause{c}, Count: store.MaxCount, Scope: k.scope}, limit)
			if err != nil {
				return err
			}
			for _, v := range found {
				n, err := fhir.Parse(v.JSON)
				if err != nil {
					return err
				}
				for _, whole := range n.All("partOf") {
					if r, ok := fhir.ParseReference(whole.Str("reference")); ok && r.Base == "" && r.Type == by.Base && !slices.Contains(ids, r.ID) {
						ids, next = append(ids, r.ID), append(next, r.ID)
					}
				}
			}
		}
		return nil
	})
	return ids, err
}

// Records follows links between records of one person as far as the caller sees both ends.
func (k kin) Records(ctx context.Context, ids []string) (map[string][]string, error) {
	refs := make([]string, len(ids))
	for i, id := range ids {
		refs[i] = "Patient/" + id
	}
	out := map[string][]string{}
	err := k.store.View(ctx, func(tx *store.Tx) error {
		linked, err := tx.Linked(ctx, k.scope, refs...)
		for one, others := range linked {
			ids := make([]string, len(others))
			for i, o := range others {
				ids[i] = strings.TrimPrefix(o, "Patient/")
			}
			out[strings.TrimPrefix(one, "Patient/")] = ids
		}
		return err
	})
	return out, err
}
