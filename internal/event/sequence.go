package event

import (
	"context"
	"fmt"
	"sync"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Sequence gives the next seqs to all that was raised and committed. Who follows the log calls it before he reads, where he
// must see what he has just caused; a Hub calls it after each commit.
func Sequence(ctx context.Context, s *store.Store) error {
	return (&sequencer{store: s, below: "0"}).run(ctx, false)
}

// sequencer moves event_raised into the log: one at a time, in any process. A seq is given only to what is committed, so
// none appears below one that a reader has passed; what one unit did after it had seen another's work follows that.
type sequencer struct {
	store *store.Store
	mu    sync.Mutex
	below string // every transaction before it has ended, and what it raised has its seq: here the next look begins
}

const atOnce = 1000 // events that one unit moves

// run moves what is there; sure says that there probably is something.
func (q *sequencer) run(ctx context.Context, sure bool) error {
	if q.store.Database() != "postgres" {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !sure {
		pending := false
		err := q.store.View(ctx, func(tx *store.Tx) error {
			return tx.Query(ctx, `SELECT EXISTS (SELECT 1 FROM event_raised WHERE xid >= cast(cast(? AS text) AS xid8))`, []any{q.below}, func(scan func(...any) error) error { return scan(&pending) })
		})
		if err != nil {
			return fmt.Errorf("event: sequence: %w", err)
		}
		if !pending {
			return nil
		}
	}
	for {
		var moved int64
		var below string
		err := q.store.Update(store.Locking(ctx, "event/sequence"), func(tx *store.Tx) error {
			if err := tx.Lock(ctx, "event/sequence"); err != nil {
				return err
			}
			return tx.Query(ctx, move, []any{q.below, int64(atOnce)}, func(scan func(...any) error) error { return scan(&moved, &below) })
		})
		if err != nil {
			return fmt.Errorf("event: sequence: %w", err)
		}
		if moved < atOnce {
			q.below = below
			return nil
		}
	}
}

const move = `WITH gone AS (
  DELETE FROM event_raised WHERE ctid = ANY (ARRAY(SELECT ctid FROM event_raised WHERE xid >= cast(cast(? AS text) AS xid8) ORDER BY xid, id LIMIT ?)) RETURNING *),
next AS MATERIALIZED (
  SELECT h.seq + row_number() OVER (ORDER BY g.xid, g.id) AS seq, g.at, g.kind, g.focus, g.patient, g.parties, g.act_by, g.actor, g.data FROM gone g, event_head h WHERE h.id = 1),
logged AS (
  INSERT INTO event_log (seq, at, kind, focus, patient, parties, act_by, actor, data) SELECT seq, at, kind, focus, patient, parties, act_by, actor, data FROM next),
told AS (
  INSERT INTO event_party (party, seq) SELECT p.party, n.seq FROM next n, unnest(string_to_array(n.parties, ' ')) AS p(party)),
head AS (
  UPDATE event_head SET seq = (SELECT max(seq) FROM next) WHERE id = 1 AND EXISTS (SELECT 1 FROM next))
SELECT count(*), pg_snapshot_xmin(pg_current_snapshot())::text FROM next`
