package subscription

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// deliverForever starts deliveries that are due until ctx ends.
func (e *Engine) deliverForever(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var next time.Time
	for {
		for {
			started, err := e.dispatch(ctx)
			if err != nil {
				return err
			}
			if started == 0 {
				break
			}
		}
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Minute)
			if err := errors.Join(e.clear(ctx), e.lapse(ctx)); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.deliver:
			breathe(ctx)
		case <-tick.C:
		}
	}
}

// dispatch starts a worker for each subscription that has something to do now, as far as there is room.
func (e *Engine) dispatch(ctx context.Context) (started int, err error) {
	var due []Row
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		now := micros(tx.Now())
		due, err = rows(ctx, tx, `s WHERE s.status <> 'off' AND s.lease <= ? AND (s.ends > 0 AND s.ends <= ? OR s.due <= ? AND (s.status = 'requested'
			OR s.status = 'active' AND s.channel = 'rest-hook' AND (s.beat > 0 AND s.beat <= ? OR EXISTS (SELECT 1 FROM subscription_event e WHERE e.sub = s.id AND e.state = 0))))
			ORDER BY s.due LIMIT 2000`, now, now, now, now)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, r := range due {
		host := hostOf(r.Def.Endpoint)
		if !e.enter(r.ID, host) {
			continue
		}
		taken, err := e.lease(ctx, r.ID)
		if err != nil || !taken {
			e.leave(r.ID, host)
			if err != nil {
				return started, err
			}
			continue
		}
		started++
		go func() {
			if err := e.serve(ctx, r.ID); err != nil && ctx.Err() == nil {
				e.o.Log.Error("subscription", "subscription", r.ID, "error", err)
			}
			e.leave(r.ID, host)
			wake(e.deliver) // for what came in while it was ending, and for who waited for its place
		}()
	}
	return started, nil
}

// enter takes a place among the deliveries under way: one for each subscription, few for each host.
func (e *Engine) enter(id, host string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at[id] || e.busy[""] >= e.o.AtOnce || host != "" && e.busy[host] >= e.o.PerHost {
		return false
	}
	e.at[id] = true
	e.busy[""]++
	if host != "" {
		e.busy[host]++
	}
	e.work.Add(1)
	return true
}

func (e *Engine) leave(id, host string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.at, id)
	e.busy[""]--
	if host != "" {
		if e.busy[host]--; e.busy[host] == 0 {
			delete(e.busy, host)
		}
	}
	e.work.Done()
}

// lent is how long a worker holds a subscription against those of other processes.
const lent = 100 * time.Second

func (e *Engine) lease(ctx context.Context, id string) (taken bool, err error) {
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		n, err := tx.Exec(ctx, `UPDATE subscription_state SET lease = ? WHERE id = ? AND lease <= ?`, micros(now.Add(lent)), id, micros(now))
		taken = n > 0
		return err
	})
	return taken, err
}

// serve does what one subscription has to do, for a while.
func (e *Engine) serve(ctx context.Context, id string) (err error) {
	defer func() {
		free := e.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE subscription_state SET lease = 0 WHERE id = ?`, id)
			return err
		})
		err = errors.Join(err, free)
	}()
	for range 20 { // then another subscription's turn
		more, err := e.turn(ctx, id)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// turn does the next thing: end, handshake, notification or heartbeat.
func (e *Engine) turn(ctx context.Context, id string) (more bool, err error) {
	var r Row
	var list []Event
	var now time.Time
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		now = tx.Now()
		if r, err = rowOf(ctx, tx, id); err == nil {
			list, err = events(ctx, tx, `WHERE sub = ? AND state = 0 ORDER BY number LIMIT ?`, id, e.batch(r.Def))
		}
		return err
	})
	if errors.Is(err, unknown) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch {
	case r.Status == Off:
		return false, nil
	case r.Def.End > 0 && r.Def.End <= micros(now):
		return false, e.settle(ctx, r, Off, "the time that the client named has ended", nil)
	case r.Due.After(now):
		return false, nil
	}
	caller, err := e.standing(ctx, r.Owner)
	if err != nil {
		return false, err
	}
	switch {
	case caller == nil && r.Status != Failed:
		return false, e.giveUp(ctx, r, notInForce)
	case r.Status == Requested:
		return e.begin(ctx, r)
	case r.Status != Active || r.Def.Channel != RestHook:
		return false, nil
	case len(list) > 0:
		return e.hand(ctx, r, caller, list)
	case r.beat > 0 && r.beat <= micros(now):
		err := e.post(ctx, r, Notice(e.o.Base, r, Heartbeat, "empty", nil, now).JSON())
		return false, e.note(ctx, r, nil, nil, err)
	}
	return false, nil
}

func (e *Engine) batch(d Definition) int {
	if d.Batch > 0 {
		return d.Batch
	}
	return e.o.Batch
}

// begin makes a requested subscription active; the topic style shakes hands first.
func (e *Engine) begin(ctx context.Context, r Row) (more bool, err error) {
	if r.Def.Channel == RestHook {
		if err := e.hooks.allowed(r.Def.Endpoint); err != nil {
			return false, e.giveUp(ctx, r, err.Error())
		}
	}
	shaken := r.Def.Channel == RestHook && r.Def.Topic != ""
	if shaken {
		if err := e.post(ctx, r, Notice(e.o.Base, r, Handshake, "empty", nil, e.o.Clock.Now()).JSON()); err != nil {
			return false, e.note(ctx, r, nil, nil, err)
		}
	}
	return true, e.settle(ctx, r, Active, "", func(ctx context.Context, tx *store.Tx) error {
		sent := micros(r.Sent)
		if shaken {
			sent = micros(tx.Now())
		}
		_, err := tx.Exec(ctx, `UPDATE subscription_state SET sent = ?, attempts = 0, error = '', error_at = 0 WHERE id = ?`, sent, r.ID)
		return err
	})
}

// hand delivers the next events in order, as far as the subscriber may see them now.
func (e *Engine) hand(ctx context.Context, r Row, caller *access.Caller, list []Event) (more bool, err error) {
	var told []Told
	err = e.store.View(ctx, func(tx *store.Tx) (err error) { told, err = see(ctx, tx, caller.Scope, list); return err })
	if err != nil {
		return false, err
	}
	told, list = e.fit(r.Def, told, list)
	if len(told) == 0 {
		return true, e.note(ctx, r, nil, list, nil)
	}
	if err := e.audit.Read(ctx, e.entry(r, told)); err != nil {
		return false, fmt.Errorf("subscription: audit: %w", err) // what cannot be recorded is not shown
	}
	if r.Def.Topic != "" {
		err := e.post(ctx, r, Notice(e.o.Base, r, Happened, r.Def.Content, told, e.o.Clock.Now()).JSON())
		if err == nil {
			return true, e.note(ctx, r, told, list, nil)
		}
		return false, e.note(ctx, r, nil, nil, err)
	}
	begun := time.Now()
	for i, t := range told {
		late := i > 0 && time.Since(begun) > lent/3 // the rest in another turn, before the lease ends
		var err error
		if !late {
			err = e.one(ctx, r, t)
		}
		if late || err != nil {
			var gone []Event // those before are done
			for _, ev := range list {
				if ev.Number < t.Number {
					gone = append(gone, ev)
				}
			}
			return late, e.note(ctx, r, told[:i], gone, err)
		}
	}
	return true, e.note(ctx, r, told, list, nil)
}

// fit bounds the bytes of one notification; at least one event stays.
func (e *Engine) fit(d Definition, told []Told, list []Event) ([]Told, []Event) {
	if d.Content != "full-resource" && !d.Payload {
		return told, list
	}
	size := 0
	for i, t := range told {
		if size += len(t.JSON); size > e.o.MaxBytes && i > 0 {
			for j, ev := range list {
				if ev.Number == t.Number {
					return told[:i], list[:j]
				}
			}
		}
	}
	return told, list
}

// one is a notification of plain R4: an empty POST, or the resource by PUT.
func (e *Engine) one(ctx context.Context, r Row, t Told) error {
	if !r.Def.Payload || t.JSON == nil {
		return e.to(ctx, r, http.MethodPost, r.Def.Endpoint, nil)
	}
	return e.to(ctx, r, http.MethodPut, strings.TrimSuffix(r.Def.Endpoint, "/")+"/"+t.Type+"/"+t.ID, t.JSON)
}

func (e *Engine) post(ctx context.Context, r Row, body []byte) error {
	return e.to(ctx, r, http.MethodPost, r.Def.Endpoint, body)
}

func (e *Engine) to(ctx context.Context, r Row, method, address string, body []byte) error {
	if err := e.hooks.allowed(r.Def.Endpoint); err != nil {
		return err
	}
	header := http.Header{}
	for _, h := range r.Def.Header {
		value, err := e.unseal(r.Custodian, r.Def.Endpoint, h)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(h, ":")
		header.Add(name, value)
	}
	limit := e.o.Timeout
	if r.Def.Timeout > 0 {
		limit = time.Duration(r.Def.Timeout) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	e.Counts.Notices.Add(1)
	return e.hooks.send(ctx, method, address, header, body)
}

// entry is the audit entry of a notification: the account that the subscription acts for reads.
func (e *Engine) entry(r Row, told []Told) audit.Entry {
	return audit.Entry{User: r.Owner.User, Name: r.Owner.Name, Role: string(r.Owner.Role), Org: r.Owner.Org, Action: "R", What: "subscription-notify",
		Target: "Subscription/" + r.ID, Outcome: "0", Patients: Patients(told), Count: len(told)}
}

// note writes down what came of a turn: told were accepted, of done what was not told was not the subscriber's to see;
// failed is what went wrong afterwards.
func (e *Engine) note(ctx context.Context, r Row, told []Told, done []Event, failed error) error {
	if ctx.Err() != nil {
		failed = nil // we are stopping: not the endpoint's fault
	}
	lost := failed != nil && (r.Attempts+1 >= e.o.Tries || r.Status == Requested && r.Attempts+1 >= e.o.Shakes) && len(told) == 0
	if lost {
		e.Counts.Failed.Add(1)
		return e.giveUp(ctx, r, failed.Error())
	}
	err := e.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		now := tx.Now()
		if len(done) > 0 {
			first, last := done[0].Number, done[len(done)-1].Number
			if _, err := tx.Exec(ctx, `UPDATE subscription_event SET state = ?, changed = ? WHERE sub = ? AND state = 0 AND number BETWEEN ? AND ?`, dropped, micros(now), r.ID, first, last); err != nil {
				return err
			}
		}
		for _, t := range told {
			if err := tx.Queue(ctx, `UPDATE subscription_event SET state = ? WHERE sub = ? AND number = ?`, delivered, r.ID, t.Number); err != nil {
				return err
			}
		}
		if failed != nil {
			attempts := r.Attempts + 1
			if len(told) > 0 {
				attempts = 1
			}
			if err := trouble(ctx, tx, r.ID, attempts, failed); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE subscription_state SET attempts = ?, due = ?, error = ?, error_at = ?, lease = ? WHERE id = ?`,
				attempts, micros(now.Add(e.pause(attempts))), clip(failed.Error()), micros(now), micros(now.Add(lent)), r.ID)
			return err
		}
		if len(told) == 0 && len(done) > 0 || ctx.Err() != nil {
			return nil
		}
		beat := int64(0)
		if r.Def.Beat > 0 {
			beat = micros(now.Add(time.Duration(r.Def.Beat) * time.Second))
		}
		_, err := tx.Exec(ctx, `UPDATE subscription_state SET attempts = 0, due = ?, sent = ?, error = '', beat = ?, lease = ? WHERE id = ?`,
			micros(now), micros(now), beat, micros(now.Add(lent)), r.ID)
		return err
	})
	if err == nil {
		e.Counts.Delivered.Add(int64(len(told)))
		if failed != nil {
			e.Counts.Failed.Add(1)
		}
	}
	return err
}

// pause before the next attempt: doubling, up to Longest, give or take a fifth so that many do not come at once.
func (e *Engine) pause(attempts int) time.Duration {
	d := e.o.First << min(attempts-1, 30)
	if d <= 0 || d > e.o.Longest {
		d = e.o.Longest
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

func clip(s string) string {
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "")
	}
	return s
}

// trouble keeps the last failures for the operator.
func trouble(ctx context.Context, tx *store.Tx, id string, attempt int, err error) error {
	now := micros(tx.Now())
	if _, err := tx.Exec(ctx, `INSERT INTO subscription_trouble (sub, at, attempt, text) VALUES (?, ?, ?, ?) ON CONFLICT (sub, at) DO NOTHING`, id, now, attempt, clip(err.Error())); err != nil {
		return err
	}
	_, failed := tx.Exec(ctx, `DELETE FROM subscription_trouble WHERE sub = ? AND at NOT IN (SELECT t.at FROM subscription_trouble t WHERE t.sub = ? ORDER BY t.at DESC LIMIT 20)`, id, id)
	return failed
}

// giveUp sets a subscription to error; what waits becomes dead letters, which a person may send again or drop.
func (e *Engine) giveUp(ctx context.Context, r Row, why string) error {
	e.o.Log.Warn("subscription given up", "subscription", r.ID, "attempts", r.Attempts+1, "why", why)
	return e.settle(ctx, r, Failed, why, func(ctx context.Context, tx *store.Tx) error {
		if err := trouble(ctx, tx, r.ID, r.Attempts+1, errors.New(why)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE subscription_event SET state = ?, changed = ? WHERE sub = ? AND state = 0`, dead, micros(tx.Now()), r.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE subscription_state SET error = ?, error_at = ? WHERE id = ?`, clip(why), micros(tx.Now()), r.ID)
		return err
	})
}

// settle is turnTo as the engine's own decision: whoever has changed the Subscription meanwhile wins.
func (e *Engine) settle(ctx context.Context, r Row, status, why string, also func(context.Context, *store.Tx) error) error {
	err := e.turnTo(ctx, r, status, why, also)
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// turnTo writes a status into the Subscription; also is committed with it. Guards see no caller: a status is the hub's
// to set; the audit entry names who asked for it.
func (e *Engine) turnTo(ctx context.Context, r Row, status, why string, also func(context.Context, *store.Tx) error) error {
	entry := audit.Of(ctx, "U", "subscription-"+status, "Subscription/"+r.ID)
	if entry.User == "" {
		entry.User, entry.Name = "hub", "xinglin"
	}
	ctx = access.With(context.WithoutCancel(ctx), nil)
	var v store.Version
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		v, err = tx.Read(ctx, search.Everything, "Subscription", r.ID)
		return err
	})
	if err == nil && v.VID != r.VID {
		err = store.ErrConflict
	}
	if err != nil {
		return err
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return err
	}
	n.Set("status", status)
	n.Set("error", nil)
	if why != "" {
		n.Set("error", clip(why))
	}
	prepared, err := e.store.Prepare(n)
	if err != nil {
		return err
	}
	return e.store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Subscription", ID: r.ID, Resource: prepared, IfMatch: v.VID}); err != nil {
			return err
		}
		if also != nil {
			if err := also(ctx, tx); err != nil {
				return err
			}
		}
		return e.audit.Write(ctx, tx, entry)
	})
}

// lapse ends the subscriptions of accounts that are not in force any more, also when nothing happens for them to hear.
func (e *Engine) lapse(ctx context.Context) error {
	var list []Row
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		list, err = rows(ctx, tx, `WHERE status IN ('requested', 'active')`)
		return err
	})
	if err != nil {
		return err
	}
	over := map[Owner]bool{}
	for _, r := range list {
		gone, asked := over[r.Owner]
		if !asked {
			c, err := e.standing(ctx, r.Owner)
			if err != nil {
				return err
			}
			gone = c == nil
			over[r.Owner] = gone
		}
		if gone {
			if err := e.giveUp(ctx, r, notInForce); err != nil {
				return err
			}
		}
	}
	return nil
}

const notInForce = "the account of this subscription is not in force any more"

// clear drops delivered events that are old, and what was dropped.
func (e *Engine) clear(ctx context.Context) error {
	return e.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM subscription_event WHERE state IN (1, 3) AND changed < ?`, micros(tx.Now().Add(-e.o.Kept)))
		return err
	})
}
