package store

import (
	"context"
	"hash"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// Logged is one version as the log lists it, without its body.
type Logged struct {
	Type, ID string
	VID, Seq int64
	Op       Op
	Updated  time.Time
	Current  bool // no later version has been written
}

// Heads is Since without the bodies, for consumers that want few of them.
func (tx *Tx) Heads(ctx context.Context, seq int64, limit int, fn func(Logged) error) error {
	return tx.HeadsOf(ctx, "", seq, limit, fn)
}

// HeadsOf is Heads of one type; "" = of all.
func (tx *Tx) HeadsOf(ctx context.Context, typ string, seq int64, limit int, fn func(Logged) error) error {
	q := &sql{}
	q.add("SELECT v.seq, v.vid, v.op, v.updated, v.type, r.id, r.seq FROM version v JOIN resource r ON r.rid = v.rid WHERE ")
	if typ != "" && tx.s.db.Dialect() == engine.Postgres {
		q.add("v.type + 0 = ? AND ", spec.TypeID(typ)) // down the log: the index of the type is in another order and would be sorted whole
	} else if typ != "" {
		q.add("v.type = ? AND ", spec.TypeID(typ))
	}
	if tx.s.db.Dialect() == engine.Postgres {
		q.add(`v.xid < pg_snapshot_xmin(pg_current_snapshot())
			AND (v.xid, v.seq) > (coalesce((SELECT o.xid FROM version o WHERE o.seq = ?), '0'::xid8), ?) ORDER BY v.xid, v.seq LIMIT ? + 0`, seq, seq, limit)
	} else {
		q.add("v.seq > ? ORDER BY v.seq LIMIT ? + 0", seq, limit)
	}
	return tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
		var l Logged
		var op int
		var updated, newest int64
		var typ int16
		if err := scan(&l.Seq, &l.VID, &op, &updated, &typ, &l.ID, &newest); err != nil {
			return err
		}
		l.Type, l.Op, l.Updated, l.Current = spec.TypeName(typ), Op(op), time.UnixMicro(updated).In(tx.s.zone), newest == l.Seq
		return fn(l)
	})
}

// Head is the last position that Since would reach now; 0 = the log is empty.
func (tx *Tx) Head(ctx context.Context) (seq int64, err error) {
	query := "SELECT coalesce(max(seq), 0) FROM version"
	if tx.s.db.Dialect() == engine.Postgres {
		query = "SELECT seq FROM version WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid DESC, seq DESC LIMIT 1"
	}
	_, err = tx.one(ctx, query, nil, &seq)
	return seq, err
}

// Behind tells whether a type has versions after seq, also those that the log does not list yet because an older unit is still open.
func (tx *Tx) Behind(ctx context.Context, typ string, seq int64) (bool, error) {
	query, args := "SELECT 1 FROM version v WHERE v.type = ? AND v.seq > ? LIMIT 1", []any{spec.TypeID(typ), seq}
	if tx.s.db.Dialect() == engine.Postgres {
		query, args = `SELECT 1 FROM version v WHERE v.type + 0 = ? AND (v.xid, v.seq) > (coalesce((SELECT o.xid FROM version o WHERE o.seq = ?), '0'::xid8), ?) ORDER BY v.xid, v.seq LIMIT 1`, []any{spec.TypeID(typ), seq, seq}
	}
	var one int64
	return tx.one(ctx, query, args, &one)
}

// Secret derives a key of 32 bytes from the hub's key for one purpose.
func (s *Store) Secret(purpose string) []byte {
	pool := s.seal.pool("\x01secret")
	h := pool.Get().(hash.Hash)
	defer pool.Put(h)
	h.Reset()
	h.Write([]byte("\x01secret\x00" + purpose))
	return h.Sum(nil)
}
