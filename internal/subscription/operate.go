package subscription

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Row is what the hub knows of one subscription.
func (e *Engine) Row(ctx context.Context, id string) (r Row, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) (err error) { r, err = rowOf(ctx, tx, id); return err })
	return r, err
}

// Mine lists the subscriptions of the organisations of a scope, at most 1,000.
func (e *Engine) Mine(ctx context.Context, scope search.Scope) (list []Row, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		if scope.Types != nil && !slices.Contains(scope.Types, "Subscription") {
			return nil
		}
		if scope.All {
			list, err = rows(ctx, tx, `ORDER BY id LIMIT 1000`)
			return err
		}
		if len(scope.Parties) == 0 {
			return nil
		}
		args := make([]any, len(scope.Parties))
		for i, p := range scope.Parties {
			args[i] = p
		}
		list, err = rows(ctx, tx, `WHERE custodian IN (?`+strings.Repeat(", ?", len(args)-1)+`) ORDER BY id LIMIT 1000`, args...)
		return err
	})
	return list, err
}

// MostEvents is how many events one $events answers.
const MostEvents = 1000

// Events are the events of a subscription with numbers from since to until (0 = the newest), as far as the scope may see them now.
func (e *Engine) Events(ctx context.Context, scope search.Scope, id string, since, until int64) (told []Told, err error) {
	if until == 0 {
		until = math.MaxInt64
	}
	err = e.store.View(ctx, func(tx *store.Tx) error {
		list, err := events(ctx, tx, `WHERE sub = ? AND number BETWEEN ? AND ? AND state IN (0, 1, 2) ORDER BY number LIMIT ?`, id, since, until, MostEvents)
		if err == nil {
			told, err = see(ctx, tx, scope, list)
		}
		return err
	})
	return told, err
}

// OwnerOf is the account of a caller.
func OwnerOf(c *access.Caller) Owner { return Owner{c.User, c.Name, c.Role, c.Org} }

// Is says whether a caller is this account, in this role.
func (o Owner) Is(c *access.Caller) bool {
	return c != nil && c.User == o.User && c.Role == o.Role && c.Org == o.Org
}
