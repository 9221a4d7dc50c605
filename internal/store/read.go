package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// sql is a statement in the making.
type sql struct {
	b    strings.Builder
	args []any
}

func (q *sql) add(text string, args ...any) {
	q.b.WriteString(text)
	q.args = append(q.args, args...)
}

func (q *sql) String() string { return q.b.String() }

const versionColumns = `v.seq, v.rid, v.vid, v.op, v.updated, v.codec, v.key, v.body, r.type, r.id, r.custodian, r.home, coalesce(h.id, '')`

const versionFrom = ` FROM version v JOIN resource r ON r.rid = v.rid LEFT JOIN resource h ON h.rid = r.home `

const maxPlains = 16

// version reads one row of versionColumns.
func (tx *Tx) version(ctx context.Context, scan func(...any) error) (v Version, rid int64, err error) {
	var codec int
	var op int
	var updated, key, custodian, home int64
	var body []byte
	var typ int16
	var homeID string
	if err = scan(&v.Seq, &rid, &v.VID, &op, &updated, &codec, &key, &body, &typ, &v.ID, &custodian, &home, &homeID); err != nil {
		return v, rid, err
	}
	v.Type, v.Op, v.Updated = spec.TypeName(typ), Op(op), time.UnixMicro(updated).In(tx.s.zone)
	if home != 0 {
		v.Home = "Patient/" + homeID
	}
	if v.Custodian, err = tx.text(ctx, custodian); err != nil || v.Op == Delete {
		return v, rid, err
	}
	plain, err := tx.openBody(ctx, body, codec, key, rid, v.VID)
	if err != nil {
		return v, rid, fmt.Errorf("store: %s/%s version %d: %w", v.Type, v.ID, v.VID, err)
	}
	if tx.Writing() { // who reads it is likely to replace it
		if len(tx.plains) >= maxPlains {
			clear(tx.plains)
		}
		if tx.plains == nil {
			tx.plains = map[int64][]byte{}
		}
		tx.plains[v.Seq] = plain
	}
	v.JSON = splice(plain, v.Type, v.ID, v.VID, v.Updated)
	return v, rid, nil
}

// first returns the first version that q finds.
func (tx *Tx) first(ctx context.Context, q *sql) (v Version, rid int64, found bool, err error) {
	err = tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
		if found {
			return nil
		}
		found = true
		v, rid, err = tx.version(ctx, scan)
		return err
	})
	return v, rid, found, err
}

// Read returns the current version; ErrNotFound, ErrGone.
func (tx *Tx) Read(ctx context.Context, scope search.Scope, typ, id string) (Version, error) {
	return tx.read(ctx, scope, typ, id, 0)
}

// ReadVersion returns one version; a version that is a delete is ErrGone.
func (tx *Tx) ReadVersion(ctx context.Context, scope search.Scope, typ, id string, vid int64) (Version, error) {
	if vid <= 0 {
		return Version{}, fmt.Errorf("%s/%s version %d: %w", typ, id, vid, ErrNotFound)
	}
	return tx.read(ctx, scope, typ, id, vid)
}

func (tx *Tx) read(ctx context.Context, scope search.Scope, typ, id string, vid int64) (Version, error) {
	v, _, err := tx.readRID(ctx, scope, typ, id, vid)
	return v, err
}

func (tx *Tx) readRID(ctx context.Context, scope search.Scope, typ, id string, vid int64) (Version, int64, error) {
	t := spec.TypeID(typ)
	see, err := tx.sight(ctx, scope)
	if err != nil {
		return Version{}, 0, err
	}
	if t == 0 || !see.reads(t) {
		return Version{}, 0, fmt.Errorf("%s/%s: %w", typ, id, ErrNotFound)
	}
	q := &sql{}
	q.add("SELECT "+versionColumns+" FROM resource_id i CROSS JOIN resource r CROSS JOIN version v LEFT JOIN resource h ON h.rid = r.home WHERE i.type = ? AND i.id = ? AND r.rid = i.rid", t, id)
	if vid == 0 {
		q.add(" AND v.seq = r.seq")
	} else {
		q.add(" AND v.rid = i.rid AND v.vid = ?", vid)
	}
	see.visible(q, "r", t)
	if vid != 0 {
		see.version(q, "v", "r")
	}
	v, rid, found, err := tx.first(ctx, q)
	if err == nil && !found {
		err = ErrNotFound
	}
	if err == nil && v.Op == Delete {
		err = ErrGone
	}
	if err != nil {
		return v, rid, fmt.Errorf("%s/%s: %w", typ, id, err)
	}
	return v, rid, nil
}

// History answers one page of versions, newest first; Total is known for one resource only.
func (tx *Tx) History(ctx context.Context, hq HistoryQuery) (Page, error) {
	see, err := tx.sight(ctx, hq.Scope)
	if err != nil {
		return Page{}, err
	}
	t := spec.TypeID(hq.Type)
	if hq.Type != "" && t == 0 {
		return Page{}, unknownType(hq.Type)
	}
	page := Page{Total: -1}
	if t != 0 && hq.ID == "" && !see.reads(t) {
		return page, nil
	}
	var rid int64
	if hq.ID != "" {
		if rid, err = tx.rid(ctx, t, hq.ID); err != nil {
			return page, err
		}
		q := &sql{}
		q.add("SELECT (SELECT count(*) FROM version v WHERE v.rid = r.rid")
		see.version(q, "v", "r")
		q.add(") FROM resource r WHERE r.rid = ? AND r.vid > 0", rid)
		see.visible(q, "r", t)
		found, err := tx.one(ctx, q.String(), q.args, &page.Total)
		if err != nil {
			return page, err
		}
		if !found || !see.reads(t) {
			return page, fmt.Errorf("%s/%s: %w", hq.Type, hq.ID, ErrNotFound)
		}
	}
	count := hq.Count
	if count <= 0 {
		count = 50
	}
	q := &sql{}
	q.add("SELECT " + versionColumns + versionFrom + "WHERE 1 = 1")
	if rid != 0 {
		q.add(" AND v.rid = ?", rid)
	} else if t != 0 {
		q.add(" AND v.type = ?", t)
	}
	if hq.Cursor != "" {
		before, err := readSeq(hq.Cursor)
		if err != nil {
			return page, err
		}
		q.add(" AND v.seq < ?", before)
	}
	if !hq.Since.IsZero() {
		q.add(" AND v.updated >= ?", hq.Since.UnixMicro())
	}
	if !hq.At.IsZero() {
		at := hq.At.UnixMicro()
		q.add(" AND v.updated <= ? AND NOT EXISTS (SELECT 1 FROM version w WHERE w.rid = v.rid AND w.vid > v.vid AND w.updated <= ?)", at, at)
	}
	see.visible(q, "r", t)
	see.version(q, "v", "r")
	q.add(" ORDER BY v.seq DESC LIMIT ? + 0", count+1)
	err = tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
		v, _, err := tx.version(ctx, scan)
		page.Matches = append(page.Matches, v)
		return err
	})
	if len(page.Matches) > count {
		page.Matches = page.Matches[:count]
		page.Next = writeSeq(page.Matches[count-1].Seq)
	}
	return page, err
}

func writeSeq(seq int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("h" + strconv.FormatInt(seq, 36)))
}

func readSeq(cursor string) (int64, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil && (len(b) < 2 || b[0] != 'h') {
		err = fmt.Errorf("not a cursor")
	}
	var seq int64
	if err == nil {
		seq, err = strconv.ParseInt(string(b[1:]), 36, 64)
	}
	if err != nil {
		return 0, badCursor()
	}
	return seq, nil
}

func badCursor() error {
	return fhir.Refuse(400, "value", "bad-cursor", "this page link is not one of ours, or too old", "翻页链接无效，请重新查询")
}

// Since calls fn for each version after seq, in order, until fn returns an error or limit is reached;
// it stops below what may still commit late. Consumers keep the last seq as their horizon.
// On PostgreSQL the order is that of (transaction, seq), so a later version may have a smaller seq;
// versions of one resource always come in their order.
func (tx *Tx) Since(ctx context.Context, seq int64, limit int, fn func(Version) error) error {
	q := &sql{}
	q.add("SELECT " + versionColumns + versionFrom)
	if tx.s.db.Dialect() == engine.Postgres {
		q.add(`WHERE v.xid < pg_snapshot_xmin(pg_current_snapshot())
			AND (v.xid, v.seq) > (coalesce((SELECT o.xid FROM version o WHERE o.seq = ?), '0'::xid8), ?) ORDER BY v.xid, v.seq LIMIT ? + 0`, seq, seq, limit)
	} else {
		q.add("WHERE v.seq > ? ORDER BY v.seq LIMIT ? + 0", seq, limit)
	}
	return tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
		v, _, err := tx.version(ctx, scan)
		if err != nil {
			return err
		}
		return fn(v)
	})
}
