package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// DeliveryKind is the kind of the jobs that Dispatcher enqueues.
const DeliveryKind = "notice"

// Delivery is their payload.
type Delivery struct {
	Outlet string `json:"outlet"`
	Seq    int64  `json:"seq"` // 0 = a test
}

// Dispatcher queues one delivery per event and outlet, exactly once, in order of seq.
type Dispatcher struct {
	Store   *store.Store
	Book    *Book
	Sender  *Sender
	Enqueue func(ctx context.Context, tx *store.Tx, kind, key string, at time.Time, payload []byte) error
}

// Concerns says whether an event goes out to the outlets of org: when it must act, or is told that something is late.
func Concerns(e Event, org string) bool {
	return e.Actor == org && !e.ActBy.IsZero() || e.Actor == org && strings.HasSuffix(e.Kind, ".late")
}

// Run dispatches every second until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := d.Tick(ctx); err != nil && ctx.Err() == nil {
			slog.Error("event: dispatch", "error", err)
		}
	}
}

// Tick queues what has happened since the last time.
func (d *Dispatcher) Tick(ctx context.Context) error {
	if err := Sequence(ctx, d.Store); err != nil {
		return err
	}
	for {
		sent, last := int64(0), int64(0)
		err := d.Store.View(ctx, func(tx *store.Tx) error {
			return tx.Query(ctx, `SELECT d.sent, h.seq FROM event_head h, event_head d WHERE h.id = 1 AND d.id = 2`, nil, func(scan func(...any) error) error { return scan(&sent, &last) })
		})
		if err != nil || sent >= last {
			return err
		}
		err = d.Store.Update(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(ctx, `UPDATE event_head SET sent = sent WHERE id = 2`); err != nil {
				return err
			}
			var from int64
			if err := tx.Query(ctx, `SELECT sent FROM event_head WHERE id = 2`, nil, func(scan func(...any) error) error { return scan(&from) }); err != nil {
				return err
			}
			events, err := After(ctx, tx, "", from, 500)
			if err != nil || len(events) == 0 {
				return err
			}
			outlets, err := Outlets(ctx, tx)
			if err != nil {
				return err
			}
			for _, e := range events {
				for _, o := range outlets {
					if !o.Enabled || !Concerns(e, o.Org) || e.At.Before(o.Created) {
						continue
					}
					payload, _ := json.Marshal(Delivery{Outlet: o.ID, Seq: e.Seq})
					if err := d.Enqueue(ctx, tx, DeliveryKind, fmt.Sprintf("%s/%d", o.ID, e.Seq), time.Time{}, payload); err != nil {
						return err
					}
				}
			}
			_, err = tx.Exec(ctx, `UPDATE event_head SET sent = ? WHERE id = 2`, events[len(events)-1].Seq)
			return err
		})
		if err != nil {
			return fmt.Errorf("event: dispatch: %w", err)
		}
	}
}

// Gone: the outlet or the event is not there any more, or the outlet is switched off.
var Gone = errors.New("event: nothing to deliver any more")

// Deliver sends one; it is the work of a DeliveryKind job.
func (d *Dispatcher) Deliver(ctx context.Context, payload []byte) error {
	var del Delivery
	if err := json.Unmarshal(payload, &del); err != nil {
		return fmt.Errorf("event: delivery: %w", err)
	}
	var outlet Outlet
	var events []Event
	err := d.Store.View(ctx, func(tx *store.Tx) (err error) {
		if outlet, err = OutletOf(ctx, tx, del.Outlet); err != nil {
			return err
		}
		events, err = After(ctx, tx, "", del.Seq-1, 1)
		return err
	})
	var refused *fhir.Error
	if errors.As(err, &refused) || err == nil && (!outlet.Enabled || len(events) == 0 || events[0].Seq != del.Seq) {
		return Gone
	}
	if err != nil {
		return err
	}
	return d.Sender.Channel(outlet).Send(ctx, d.Book.Notice(events[0], outlet.Org))
}

// Try sends a test notice now.
func (d *Dispatcher) Try(ctx context.Context, o Outlet, now time.Time) error {
	return d.Sender.Channel(o).Send(ctx, Notice{At: now, Kind: "test", Line: "test", Zh: "杏林测试通知：收到即表示渠道可用", En: "A test notice from Xinglin: the channel works", Due: now.Add(time.Hour)})
}

// Outlets lists every outlet.
func Outlets(ctx context.Context, tx *store.Tx) ([]Outlet, error) { return outlets(ctx, tx, ``) }

// OutletOf returns one; a *fhir.Error (404) when there is none.
func OutletOf(ctx context.Context, tx *store.Tx, id string) (Outlet, error) {
	list, err := outlets(ctx, tx, `WHERE id = ?`, id)
	if err == nil && len(list) == 0 {
		err = fhir.Refuse(404, "not-found", "unknown-channel", "no such channel", "没有这个通知渠道")
	}
	if err != nil {
		return Outlet{}, err
	}
	return list[0], nil
}

func outlets(ctx context.Context, tx *store.Tx, where string, args ...any) (list []Outlet, err error) {
	err = tx.Query(ctx, `SELECT id, org, kind, url, secret, enabled, created FROM event_channel `+where+` ORDER BY created, id`, args, func(scan func(...any) error) error {
		var o Outlet
		var enabled, created int64
		if err := scan(&o.ID, &o.Org, &o.Kind, &o.URL, &o.Secret, &enabled, &created); err != nil {
			return err
		}
		o.Enabled, o.Created = enabled != 0, moment(created)
		about := "event/channel/" + o.ID
		var err error
		if o.Secret, err = tx.OpenText(ctx, o.Secret, about+"/secret"); err == nil {
			o.URL, err = tx.OpenText(ctx, o.URL, about+"/url")
		}
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("event: channels: %w", err)
	}
	return list, nil
}

// SaveOutlet makes or replaces one.
func SaveOutlet(ctx context.Context, tx *store.Tx, o Outlet) error {
	enabled := int64(0)
	if o.Enabled {
		enabled = 1
	}
	about := "event/channel/" + o.ID // the addresses of group robots are secrets, too
	_, err := tx.Exec(ctx, `INSERT INTO event_channel (id, org, kind, url, secret, enabled, created) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET org = excluded.org, kind = excluded.kind, url = excluded.url, secret = excluded.secret, enabled = excluded.enabled`,
		o.ID, o.Org, o.Kind, tx.SealText(o.URL, about+"/url"), tx.SealText(o.Secret, about+"/secret"), enabled, micros(o.Created))
	if err != nil {
		return fmt.Errorf("event: save channel: %w", err)
	}
	return nil
}
