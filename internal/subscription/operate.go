package subscription

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
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
		keepers := slices.Concat(scope.Parties, scope.Own)
		if len(keepers) == 0 {
			return nil
		}
		args := make([]any, len(keepers))
		for i, p := range keepers {
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

// Overview is one subscription as its operator sees it: no patient stands in it.
type Overview struct {
	Row
	Waiting, Dead int
}

// List gives an overview of all subscriptions whose custodian is within reach, those in trouble first, at most limit.
func (e *Engine) List(ctx context.Context, reach func(custodian string) bool, limit int) (list []Overview, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		list = nil
		all, err := rows(ctx, tx, `ORDER BY CASE status WHEN 'error' THEN 0 WHEN 'requested' THEN 1 WHEN 'active' THEN 2 ELSE 3 END, error_at DESC, created DESC, id`)
		if err != nil {
			return err
		}
		at := map[string]int{}
		for _, r := range all {
			if len(list) < limit && reach(r.Custodian) {
				at[r.ID] = len(list)
				list = append(list, Overview{Row: r})
			}
		}
		return tx.Query(ctx, `SELECT sub, state, count(*) FROM subscription_event WHERE state IN (0, 2) GROUP BY sub, state`, nil, func(scan func(...any) error) error {
			var sub string
			var state, n int
			if err := scan(&sub, &state, &n); err != nil {
				return err
			}
			if i, ok := at[sub]; ok && state == waiting {
				list[i].Waiting = n
			} else if ok {
				list[i].Dead = n
			}
			return nil
		})
	})
	return list, err
}

// Trouble is one failure, or what a person did about it.
type Trouble struct {
	At      time.Time
	Attempt int
	Text    string
}

// Detail adds the last troubles and the last events, newest first.
func (e *Engine) Detail(ctx context.Context, id string) (o Overview, troubles []Trouble, last []Event, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		o, troubles = Overview{}, nil
		if o.Row, err = rowOf(ctx, tx, id); err != nil {
			return err
		}
		err = tx.Query(ctx, `SELECT coalesce(sum(CASE WHEN state = 0 THEN 1 ELSE 0 END), 0), coalesce(sum(CASE WHEN state = 2 THEN 1 ELSE 0 END), 0) FROM subscription_event WHERE sub = ? AND state IN (0, 2)`,
			[]any{id}, func(scan func(...any) error) error { return scan(&o.Waiting, &o.Dead) })
		if err != nil {
			return err
		}
		err = tx.Query(ctx, `SELECT at, attempt, text FROM subscription_trouble WHERE sub = ? ORDER BY at DESC`, []any{id}, func(scan func(...any) error) error {
			var t Trouble
			var at int64
			err := scan(&at, &t.Attempt, &t.Text)
			t.At = moment(at)
			troubles = append(troubles, t)
			return err
		})
		if err == nil {
			last, err = events(ctx, tx, `WHERE sub = ? ORDER BY number DESC LIMIT 50`, id)
		}
		return err
	})
	return o, troubles, last, err
}

var stopped = fhir.Refuse(http.StatusConflict, "conflict", "subscription-stopped", "the subscription is stopped: start it first", "订阅已停止，请先重新启用")

// Stop switches a subscription off; what waits becomes dead letters.
func (e *Engine) Stop(ctx context.Context, id, why string) error {
	r, err := e.Row(ctx, id)
	if err != nil || r.Status == Off {
		return err
	}
	if why = clip(why); why == "" {
		why = "stopped by the operator"
	}
	return e.turnTo(ctx, r, Off, why, func(ctx context.Context, tx *store.Tx) error {
		if err := trouble(ctx, tx, id, 0, errors.New(why)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE subscription_event SET state = ?, changed = ? WHERE sub = ? AND state = 0`, dead, micros(tx.Now()), id)
		return err
	})
}

// Start asks a stopped or failed subscription to begin again.
func (e *Engine) Start(ctx context.Context, id string) error {
	r, err := e.Row(ctx, id)
	if err != nil || r.Status == Active || r.Status == Requested {
		return err
	}
	if r.Def.Channel == RestHook {
		if err := e.hooks.allowed(r.Def.Endpoint); err != nil {
			return err
		}
	}
	return e.turnTo(ctx, r, Requested, "", nil)
}

// Resend puts the dead letters back into the queue, in their order; a failed subscription begins again with it.
func (e *Engine) Resend(ctx context.Context, id string) (n int64, err error) {
	r, err := e.Row(ctx, id)
	if err != nil {
		return 0, err
	}
	if r.Status == Off {
		return 0, stopped
	}
	again := func(ctx context.Context, tx *store.Tx) (err error) {
		n, err = tx.Exec(ctx, `UPDATE subscription_event SET state = ?, changed = ? WHERE sub = ? AND state = 2`, waiting, micros(tx.Now()), id)
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE subscription_state SET attempts = 0, due = ? WHERE id = ?`, micros(tx.Now()), id)
		}
		return err
	}
	if r.Status == Failed {
		return n, e.turnTo(ctx, r, Requested, "", again)
	}
	entry := audit.Of(ctx, "E", "subscription-resend", "Subscription/"+id)
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		if err := again(ctx, tx); err != nil {
			return err
		}
		entry.Count = int(n)
		tx.AfterCommit(e.wakeDeliver)
		return e.audit.Write(ctx, tx, entry)
	})
	return n, err
}

// Drop gives the dead letters up for good; why is kept.
func (e *Engine) Drop(ctx context.Context, id, why string) (n int64, err error) {
	if why = clip(strings.TrimSpace(why)); why == "" {
		return 0, fhir.Refuse(http.StatusUnprocessableEntity, "required", "reason-required", "say why they are dropped", "请写明放弃的原因")
	}
	entry := audit.Of(ctx, "D", "subscription-drop", "Subscription/"+id+"?reason="+why)
	err = e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if _, err := rowOf(ctx, tx, id); err != nil {
			return err
		}
		if n, err = tx.Exec(ctx, `UPDATE subscription_event SET state = ?, changed = ? WHERE sub = ? AND state = 2`, dropped, micros(tx.Now()), id); err != nil {
			return err
		}
		if err := trouble(ctx, tx, id, 0, fmt.Errorf("%d dropped: %s", n, why)); err != nil {
			return err
		}
		entry.Count = int(n)
		return e.audit.Write(ctx, tx, entry)
	})
	return n, err
}

// Backlog counts what waits and lies dead in all queues, and the subscriptions that have been given up.
func Backlog(ctx context.Context, tx *store.Tx) (waits, lies, failed int64, err error) {
	err = tx.Query(ctx, `SELECT state, count(*) FROM subscription_event WHERE state IN (0, 2) GROUP BY state`, nil, func(scan func(...any) error) error {
		var state int
		var n int64
		err := scan(&state, &n)
		if state == waiting {
			waits = n
		} else {
			lies = n
		}
		return err
	})
	if err == nil {
		err = tx.Query(ctx, `SELECT count(*) FROM subscription_state WHERE status = 'error'`, nil, func(scan func(...any) error) error { return scan(&failed) })
	}
	return waits, lies, failed, err
}
