package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// States of an event.
const (
	waiting   = iota // to be delivered, in order of number
	delivered        // acknowledged; kept for $events
	dead             // given up: a person sends it again or drops it
	dropped          // never delivered: dropped by a person, or the right to it had ended
)

// Event is one change that a subscription is told of.
type Event struct {
	Sub      string
	Number   int64 // 1, 2, … within the subscription
	Type, ID string
	VID      int64
	Op       store.Op
	At       time.Time
	State    int
	Changed  time.Time // when it came into its state
}

// Row is what the hub knows of one Subscription beside the resource.
type Row struct {
	ID        string
	Status    string
	Owner     Owner
	Custodian string // "Organization/…", "" = the hub
	Def       Definition
	VID       int64 // of the Subscription as last written
	Last      int64 // number of the newest event
	Missed    int64 // events not kept because too many waited
	Attempts  int   // failed in a row
	Due       time.Time
	Sent      time.Time // last delivery, heartbeat or handshake that was accepted
	Error     string
	ErrorAt   time.Time
	Created   time.Time

	activeVID int64
	started   bool
	lease     int64
	beat      int64
}

// Owner is the account that a subscription acts for: it is told what this account may see, as long as it may.
type Owner struct {
	User, Name string
	Role       access.Role
	Org        string
}

const rowColumns = `id, status, def, owner_user, owner_name, owner_role, owner_org, custodian, vid, active_vid, started, last, missed, attempts, due, lease, beat, sent, error, error_at, created`

func rows(ctx context.Context, tx *store.Tx, rest string, args ...any) (list []Row, err error) {
	err = tx.Query(ctx, `SELECT `+rowColumns+` FROM subscription_state `+rest, args, func(scan func(...any) error) error {
		var r Row
		var def, role string
		var due, sent, failed, created int64
		err := scan(&r.ID, &r.Status, &def, &r.Owner.User, &r.Owner.Name, &role, &r.Owner.Org, &r.Custodian, &r.VID, &r.activeVID, &r.started, &r.Last, &r.Missed, &r.Attempts,
			&due, &r.lease, &r.beat, &sent, &r.Error, &failed, &created)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(def), &r.Def); err != nil {
			return fmt.Errorf("subscription %s: %w", r.ID, err)
		}
		r.Owner.Role, r.Due, r.Sent, r.ErrorAt, r.Created = access.Role(role), moment(due), moment(sent), moment(failed), moment(created)
		list = append(list, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("subscription: %w", err)
	}
	return list, nil
}

var unknown = fhir.Refuse(http.StatusNotFound, "not-found", "unknown-subscription", "no such subscription", "没有这个订阅")

func rowOf(ctx context.Context, tx *store.Tx, id string) (Row, error) {
	list, err := rows(ctx, tx, `WHERE id = ?`, id)
	if err == nil && len(list) == 0 {
		err = unknown
	}
	if err != nil {
		return Row{}, err
	}
	return list[0], nil
}

func events(ctx context.Context, tx *store.Tx, rest string, args ...any) (list []Event, err error) {
	err = tx.Query(ctx, `SELECT sub, number, type, rid, vid, op, at, state, changed FROM subscription_event `+rest, args, func(scan func(...any) error) error {
		var e Event
		var op int
		var at, changed int64
		if err := scan(&e.Sub, &e.Number, &e.Type, &e.ID, &e.VID, &op, &at, &e.State, &changed); err != nil {
			return err
		}
		e.Op, e.At, e.Changed = store.Op(op), moment(at), moment(changed)
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("subscription: events: %w", err)
	}
	return list, nil
}

// Guard refuses a Subscription that could not be served, and a status that only the server gives; it is a store.Guard.
func (e *Engine) Guard(ctx context.Context, p store.Put, before *fhir.Node) error {
	if p.Type != "Subscription" || p.Op == store.Delete || access.From(ctx) == nil {
		return nil
	}
	d, err := e.read(p.Resource.Node)
	if err != nil {
		return err
	}
	status, was := p.Resource.Node.Str("status"), before.Str("status")
	if status != Requested && status != Off {
		old, err := Definition{}, error(nil)
		if before != nil {
			old, err = e.read(before)
		}
		if before == nil || err != nil || status != was || !d.same(old) {
			return refuse("status-is-the-servers", "Subscription.status", "a client sets requested or off; active and error are the server's to set", "客户端只能将状态设为 requested 或 off；active、error 由系统设置")
		}
	}
	if status != Off && d.Channel == RestHook {
		return e.hooks.allowed(d.Endpoint)
	}
	return nil
}

// Derive keeps the queue's row of a Subscription in step with the resource, and wakes the engine for what somebody
// may have subscribed to; it is a store.Deriver.
func (e *Engine) Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Type != "Subscription" {
		if types := e.types.Load(); types != nil && (*types)[w.Type] {
			tx.AfterCommit(e.wakeFollow)
		}
		return nil
	}
	tx.AfterCommit(func() { e.wakeFollow(); e.wakeDeliver() })
	if _, err := tx.Exec(ctx, `UPDATE subscription_head SET generation = generation + 1 WHERE id = 1`); err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	if w.After == nil {
		for _, query := range []string{`DELETE FROM subscription_event WHERE sub = ?`, `DELETE FROM subscription_trouble WHERE sub = ?`, `DELETE FROM subscription_state WHERE id = ?`} {
			if _, err := tx.Exec(ctx, query, w.ID); err != nil {
				return fmt.Errorf("subscription: %w", err)
			}
		}
		return nil
	}
	d, err := e.read(w.After)
	if err != nil {
		return err
	}
	r, err := rowOf(ctx, tx, w.ID)
	fresh := errors.Is(err, unknown)
	if err != nil && !fresh {
		return err
	}
	now := tx.Now()
	if fresh {
		r = Row{ID: w.ID, Custodian: w.Custodian, Created: now}
		if err := e.room(ctx, tx, w.Custodian); err != nil {
			return err
		}
	}
	if c := access.From(ctx); c != nil && (fresh || c.Org == w.Custodian) {
		r.Owner = Owner{c.User, c.Name, c.Role, c.Org}
	}
	status := w.After.Str("status")
	switch {
	case status == Off, !fresh && !r.Def.same(d):
		r.started, r.activeVID = false, 0 // it begins anew where it becomes active
	}
	if status == Active && !r.started {
		r.activeVID = w.VID
	}
	if status != r.Status || !r.Def.same(d) {
		r.Attempts, r.Due = 0, now
	}
	if r.beat = 0; d.Beat > 0 && d.Channel == RestHook && status == Active {
		r.beat = now.Add(time.Duration(d.Beat) * time.Second).UnixMicro()
	}
	if status == Requested || status == Off {
		r.Error, r.ErrorAt = "", time.Time{}
	}
	r.Status, r.Def, r.VID = status, d, w.VID
	return r.save(ctx, tx)
}

// room bounds how many subscriptions one organisation has.
func (e *Engine) room(ctx context.Context, tx *store.Tx, custodian string) error {
	n := 0
	err := tx.Query(ctx, `SELECT count(*) FROM subscription_state WHERE custodian = ?`, []any{custodian}, func(scan func(...any) error) error { return scan(&n) })
	if err == nil && n >= e.o.PerOrg {
		err = refuse("too-many-subscriptions", "Subscription", fmt.Sprintf("an organisation has at most %d subscriptions", e.o.PerOrg), "本机构的订阅数已达上限，请先删除不用的订阅")
	}
	return err
}

func (r *Row) save(ctx context.Context, tx *store.Tx) error {
	def, err := json.Marshal(r.Def)
	if err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO subscription_state (`+rowColumns+`, channel, ends) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, def = excluded.def, channel = excluded.channel, owner_user = excluded.owner_user, owner_name = excluded.owner_name,
		owner_role = excluded.owner_role, owner_org = excluded.owner_org, vid = excluded.vid, active_vid = excluded.active_vid, started = excluded.started,
		attempts = excluded.attempts, due = excluded.due, beat = excluded.beat, ends = excluded.ends, error = excluded.error, error_at = excluded.error_at`,
		r.ID, r.Status, string(def), r.Owner.User, r.Owner.Name, string(r.Owner.Role), r.Owner.Org, r.Custodian, r.VID, r.activeVID, r.started, r.Last, r.Missed, r.Attempts,
		micros(r.Due), r.lease, r.beat, micros(r.Sent), r.Error, micros(r.ErrorAt), micros(r.Created), r.Def.Channel, r.Def.End)
	if err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	return nil
}
