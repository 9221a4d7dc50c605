package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Raise records e in the transaction of what caused it; a zero At is the transaction's time. Seq is given here on SQLite,
// which has one writer, and by Sequence on PostgreSQL, whose units would wait for each other's number. Hubs hear of it after
// the commit.
func Raise(ctx context.Context, tx *store.Tx, e Event) error {
	if e.Kind == "" {
		return errors.New("event: an event needs a kind")
	}
	if e.At.IsZero() {
		e.At = tx.Now()
	}
	parties := slices.Compact(slices.Sorted(slices.Values(e.Parties)))
	parties = slices.DeleteFunc(parties, func(p string) bool { return p == "" })
	data, err := json.Marshal(e.Data)
	if err != nil {
		return fmt.Errorf("event: data of %s: %w", e.Kind, err)
	}
	said := []any{micros(e.At), e.Kind, e.Focus, e.Patient, strings.Join(parties, " "), micros(e.ActBy), e.Actor, string(data)}
	tx.AfterCommit(wakeHubs)
	if tx.Database() == "postgres" {
		if err := tx.Queue(ctx, `INSERT INTO event_raised (at, kind, focus, patient, parties, act_by, actor, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, said...); err != nil {
			return fmt.Errorf("event: raise %s: %w", e.Kind, err)
		}
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE event_head SET seq = seq + 1 WHERE id = 1`); err != nil {
		return fmt.Errorf("event: next seq: %w", err)
	}
	if e.Seq, err = Last(ctx, tx); err != nil {
		return fmt.Errorf("event: next seq: %w", err)
	}
	err = tx.Queue(ctx, `INSERT INTO event_log (seq, at, kind, focus, patient, parties, act_by, actor, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, append([]any{e.Seq}, said...)...)
	if err != nil {
		return fmt.Errorf("event: raise %s: %w", e.Kind, err)
	}
	for _, p := range parties {
		if err := tx.Queue(ctx, `INSERT INTO event_party (party, seq) VALUES (?, ?)`, p, e.Seq); err != nil {
			return fmt.Errorf("event: raise %s: %w", e.Kind, err)
		}
	}
	return nil
}

// After returns up to limit events with a seq above after, oldest first; party "" = of all.
func After(ctx context.Context, tx *store.Tx, party string, after int64, limit int) ([]Event, error) {
	if party == "" {
		return list(ctx, tx, selectEvent+` FROM event_log l WHERE l.seq > ? ORDER BY l.seq LIMIT ?`, after, int64(limit))
	}
	return list(ctx, tx, selectEvent+` FROM event_party p JOIN event_log l ON l.seq = p.seq WHERE p.party = ? AND p.seq > ? ORDER BY p.seq LIMIT ?`,
		party, after, int64(limit))
}

// Before returns up to limit events of party below seq, newest first; before 0 = from the newest.
func Before(ctx context.Context, tx *store.Tx, party string, before int64, limit int) ([]Event, error) {
	if before <= 0 {
		before = 1 << 62
	}
	return list(ctx, tx, selectEvent+` FROM event_party p JOIN event_log l ON l.seq = p.seq WHERE p.party = ? AND p.seq < ? ORDER BY p.seq DESC LIMIT ?`,
		party, before, int64(limit))
}

// About returns the events of one focus, oldest first.
func About(ctx context.Context, tx *store.Tx, focus string, limit int) ([]Event, error) {
	return list(ctx, tx, selectEvent+` FROM event_log l WHERE l.focus = ? ORDER BY l.seq LIMIT ?`, focus, int64(limit))
}

// Last is the newest seq.
func Last(ctx context.Context, tx *store.Tx) (seq int64, err error) {
	err = tx.Query(ctx, `SELECT seq FROM event_head WHERE id = 1`, nil, func(scan func(...any) error) error { return scan(&seq) })
	return seq, err
}

const selectEvent = `SELECT l.seq, l.at, l.kind, l.focus, l.patient, l.parties, l.act_by, l.actor, l.data`

func list(ctx context.Context, tx *store.Tx, query string, args ...any) ([]Event, error) {
	var events []Event
	err := tx.Query(ctx, query, args, func(scan func(...any) error) error {
		var e Event
		var at, actBy int64
		var parties, data string
		if err := scan(&e.Seq, &at, &e.Kind, &e.Focus, &e.Patient, &parties, &actBy, &e.Actor, &data); err != nil {
			return err
		}
		e.At, e.ActBy, e.Parties = moment(at), moment(actBy), strings.Fields(parties)
		events = append(events, e)
		return json.Unmarshal([]byte(data), &events[len(events)-1].Data)
	})
	if err != nil {
		return nil, fmt.Errorf("event: list: %w", err)
	}
	return events, nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

// hubs are woken by every commit that raised an event; each then looks into its own store.
var hubs struct {
	sync.Mutex
	live []*Hub
}

func wakeHubs() {
	hubs.Lock()
	defer hubs.Unlock()
	for _, h := range hubs.live {
		h.wake()
	}
}
