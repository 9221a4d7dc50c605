package store

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// Phases of the indexing of one parameter.
const (
	clearing  = iota + 1 // what stands under it is deleted, in pieces
	walking              // the resources of its type are taken by id
	following            // PostgreSQL: what others wrote meanwhile is taken by the log
)

// Pieces of one unit: small, so that writers wait little.
const (
	clearPiece = 2000
	walkPiece  = 100
)

// settled is how long after its begin an indexing on PostgreSQL still looks for units that did not know of it.
const settled = 3 * time.Second

// Indexing is the state of one parameter that is being indexed.
type Indexing struct {
	Type, Code, URL string
	Phase           string // clearing, walking
	Done, Total     int64  // resources
	Withheld        bool   // not to be searched by until it is complete
	Asked           time.Time
}

// parametersChanged makes a commit known: to searches, to writers, to who indexes.
func (s *Store) parametersChanged() {
	if err := s.loadParameters(context.Background()); err != nil {
		slog.Error("store: search parameters", "error", err)
	}
	select {
	case s.parameters.ask <- struct{}{}:
	default:
	}
}

// enqueueIndexing begins a parameter anew. typ "" only clears.
func (tx *Tx) enqueueIndexing(ctx context.Context, param int32, typ string, clear, withhold bool) error {
	var total int64
	if typ != "" {
		if _, err := tx.one(ctx, "SELECT count(*) FROM resource_id WHERE type = ?", []any{spec.TypeID(typ)}, &total); err != nil {
			return err
		}
	}
	phase, seq := walking, int64(0)
	if clear {
		phase = clearing
	}
	if tx.s.db.Dialect() == engine.Postgres {
		const last = "SELECT seq FROM version WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid DESC, seq DESC LIMIT 1"
		if _, err := tx.one(ctx, last, nil, &seq); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO reindex (param, type, clear, withhold, phase, after, seq, done, total, asked) VALUES (?, ?, ?, ?, ?, '', ?, 0, ?, ?)
		ON CONFLICT (param) DO UPDATE SET type = excluded.type, clear = excluded.clear, withhold = CASE WHEN excluded.type = '' OR excluded.withhold > reindex.withhold THEN excluded.withhold ELSE reindex.withhold END,
		phase = CASE WHEN reindex.phase = 1 THEN 1 ELSE excluded.phase END, after = '', seq = excluded.seq, done = 0, total = excluded.total, asked = excluded.asked`,
		param, typ, btoi(clear), btoi(withhold), phase, seq, total, time.Now().UnixMicro())
	return err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Reindex asks for parameters to be indexed anew: those of a type, or of all; one of them by code or canonical, or all.
// With clean, what stands under them is deleted first, so that nothing stale stays, and searches by them are
// refused until they are complete; without, what is missing is added while they can be searched by.
func (tx *Tx) Reindex(ctx context.Context, typ, parameter string, clean bool) (asked int, err error) {
	types := []string{typ}
	if typ == "" {
		types = spec.Types()
	}
	g := tx.s.parameters.now.Load()
	for _, t := range types {
		list := slices.Clone(spec.Params(t))
		for _, c := range g.byType[t] {
			list = append(list, c.Param)
		}
		for _, p := range list {
			if !kept(p) || parameter != "" && p.Code != parameter && p.URL != parameter {
				continue
			}
			if err := tx.enqueueIndexing(ctx, p.ID, t, clean, clean); err != nil {
				return 0, err
			}
			asked++
		}
	}
	if asked > 0 {
		tx.AfterCommit(tx.s.parametersChanged)
	}
	return asked, nil
}

// kept tells the parameters that have rows of their own.
func kept(p *spec.Param) bool {
	return p.Type != spec.Special && p.Code != "_id" && p.Code != "_lastUpdated"
}

// Indexing lists what is being indexed.
func (s *Store) Indexing(ctx context.Context) (list []Indexing, err error) {
	g := s.parameters.now.Load()
	err = s.View(ctx, func(tx *Tx) error {
		list = nil
		return tx.Query(ctx, "SELECT param, type, withhold, phase, done, total, asked FROM reindex ORDER BY type, param", nil, func(scan func(...any) error) error {
			var i Indexing
			var param, withhold, phase, asked int64
			if err := scan(&param, &i.Type, &withhold, &phase, &i.Done, &i.Total, &asked); err != nil {
				return err
			}
			p := spec.ParamByID(int32(param))
			if c := g.byID[int32(param)]; c != nil {
				p = c.Param
			}
			if p != nil {
				i.Type, i.Code, i.URL = p.Base, p.Code, p.URL
			}
			i.Phase, i.Withheld, i.Asked = "walking", withhold == 1, time.UnixMicro(asked)
			if phase == clearing {
				i.Phase = "clearing"
			}
			list = append(list, i)
			return nil
		})
	})
	return list, err
}

// RunIndexing does what has been asked for until ctx ends; it goes on where an earlier program stopped.
func (s *Store) RunIndexing(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		more, err := s.IndexSome(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			slog.Error("store: indexing", "error", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.parameters.ask:
		case <-tick.C:
			// another program on the same database may have been given a parameter
			if !s.opts.Alone {
				if err := s.loadParameters(ctx); err != nil && ctx.Err() == nil {
					slog.Error("store: search parameters", "error", err)
				}
			}
		}
	}
}

// task is one row of reindex.
type task struct {
	param     int32
	typ       string
	phase     int64
	after     string
	seq, done int64
	withheld  bool
	asked     int64
	clean     bool
}

// IndexSome does one piece of what is to be indexed; more says that there is another at once.
func (s *Store) IndexSome(ctx context.Context) (more bool, err error) {
	finished := false
	// What is begun must be known here: a row of the queue may be seen before the commit has told of it.
	begun, err := s.begun(ctx)
	if err != nil || !begun {
		return false, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		more, finished = false, false
		var tasks []task
		err := tx.Query(ctx, "SELECT param, type, phase, after, seq, done, withhold, asked, clear FROM reindex ORDER BY phase, type, param", nil, func(scan func(...any) error) error {
			var t task
			var param, withhold, clean int64
			err := scan(&param, &t.typ, &t.phase, &t.after, &t.seq, &t.done, &withhold, &t.asked, &clean)
			t.param, t.withheld, t.clean = int32(param), withhold == 1, clean == 1
			tasks = append(tasks, t)
			return err
		})
		if err != nil || len(tasks) == 0 {
			return err
		}
		if err := tx.Lock(ctx, "store/reindex"); err != nil {
			return err
		}
		more = true
		first := tasks[0]
		if first.phase == clearing {
			finished, err = tx.clearSome(ctx, first)
			return err
		}
		// those of one type that stand at the same place go on together
		group := slices.DeleteFunc(tasks, func(t task) bool {
			return t.typ != first.typ || t.phase != first.phase || t.after != first.after || t.seq != first.seq
		})
		if first.phase == walking {
			finished, err = tx.walkSome(ctx, group)
			return err
		}
		more, err = tx.followSome(ctx, group)
		finished = !more
		return err
	})
	if err == nil && finished {
		err = s.loadParameters(ctx)
	}
	return more, err
}

// begun tells whether there is anything to index, and loads the parameters when something new is.
func (s *Store) begun(ctx context.Context) (bool, error) {
	var any, fresh int64
	err := s.View(ctx, func(tx *Tx) error {
		_, err := tx.one(ctx, "SELECT count(*), coalesce(sum(CASE WHEN done = 0 THEN 1 ELSE 0 END), 0) FROM reindex", nil, &any, &fresh)
		return err
	})
	if err == nil && fresh > 0 {
		err = s.loadParameters(ctx)
	}
	return any > 0, err
}

// ranges are the index tables with the columns of their keys after param.
var ranges = []struct{ table, key string }{
	{"ix_token", "code, at, rid, system"}, {"ix_hot", "patient, code, at, rid, system"}, {"ix_ident", "code, rid, system"}, {"ix_sealed", "mac, rid"},
	{"ix_string", "folded, rid, exact"}, {"ix_date", "low, high, rid"}, {"ix_quantity", "unit, value, rid, system"}, {"ix_ref", "target, at, rid"},
	{"ix_uri", "uri, rid"}, {"ix_range", "unit, low, high, rid, system"}, {"ix_pair", "a, b, x, at, rid, y, a_system, b_system"},
	{"ix_pair_text", "a, folded, at, rid, a_system, exact"}, {"ix_text", "folded, rid, code, system"},
}

// clearSome deletes a piece of what stands under a parameter.
func (tx *Tx) clearSome(ctx context.Context, t task) (done bool, err error) {
	for _, r := range ranges {
		for _, param := range []int32{t.param, -t.param} {
			n, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE param = ? AND (%s) <= (SELECT %s FROM %s WHERE param = ? ORDER BY %s LIMIT 1 OFFSET %d)",
				r.table, r.key, r.key, r.table, r.key, clearPiece), param, param)
			if err != nil || n > 0 {
				return false, err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM "+r.table+" WHERE param = ?", param); err != nil {
				return false, err
			}
			if r.table != "ix_pair" {
				break
			}
		}
	}
	if t.typ == "" {
		_, err = tx.Exec(ctx, "DELETE FROM reindex WHERE param = ?", t.param)
		return true, err
	}
	_, err = tx.Exec(ctx, "UPDATE reindex SET phase = ? WHERE param = ?", walking, t.param)
	return false, err
}

// walkSome indexes the next resources of a type under the parameters of a group.
func (tx *Tx) walkSome(ctx context.Context, group []task) (finished bool, err error) {
	first := group[0]
	pl := planOf(first.typ)
	if pl == nil {
		return true, tx.endIndexing(ctx, group)
	}
	var found []resourceHead
	query := `SELECT i.id, r.rid, r.home, r.custodian, r.vid, r.seq, r.deleted, r.multi, r.at, r.shape FROM resource_id i JOIN resource r ON r.rid = i.rid
		WHERE i.type = ? AND i.id > ? ORDER BY i.id LIMIT ?`
	if tx.s.db.Dialect() == engine.Postgres {
		query += " FOR SHARE OF r" // a write of the same resource waits, or this unit runs again
	}
	err = tx.Query(ctx, query, []any{pl.id, first.after, walkPiece}, func(scan func(...any) error) error {
		var f resourceHead
		h := &f.head
		err := scan(&f.id, &h.rid, &h.home, &h.custodian, &h.vid, &h.seq, &h.deleted, &h.multi, &h.at, &h.shape)
		found = append(found, f)
		return err
	})
	if err != nil {
		return false, err
	}
	for i := range found {
		if err := tx.indexAnew(ctx, pl, &found[i], group); err != nil {
			return false, err
		}
	}
	if len(found) == walkPiece {
		return false, tx.moveOn(ctx, group, walking, found[len(found)-1].id, first.seq, len(found))
	}
	if tx.s.db.Dialect() == engine.Postgres {
		return false, tx.moveOn(ctx, group, following, first.after, first.seq, len(found))
	}
	return true, tx.endIndexing(ctx, group)
}

type resourceHead struct {
	id   string
	head head
}

// followSome indexes again what was written since the begin by units that may not have known of the parameters.
func (tx *Tx) followSome(ctx context.Context, group []task) (more bool, err error) {
	first, last := group[0], group[0].seq
	pl := planOf(first.typ)
	ids := map[string]bool{}
	n := 0
	err = tx.Since(ctx, first.seq, walkPiece, func(v Version) error {
		n++
		last = v.Seq
		if v.Type == first.typ {
			ids[v.ID] = true
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for id := range ids {
		h, err := tx.head(ctx, pl.id, id)
		if err != nil {
			return false, err
		}
		if err := tx.indexAnew(ctx, pl, &resourceHead{id, h}, group); err != nil {
			return false, err
		}
	}
	if n > 0 {
		return true, tx.moveOn(ctx, group, following, first.after, last, 0)
	}
	if time.Since(time.UnixMicro(first.asked)) < settled {
		return false, nil // comes again with the next tick
	}
	return false, tx.endIndexing(ctx, group)
}

func (tx *Tx) moveOn(ctx context.Context, group []task, phase int, after string, seq int64, done int) error {
	for _, t := range group {
		if err := tx.Queue(ctx, "UPDATE reindex SET phase = ?, after = ?, seq = ?, done = done + ? WHERE param = ?", phase, after, seq, done, t.param); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) endIndexing(ctx context.Context, group []task) error {
	for _, t := range group {
		if err := tx.Queue(ctx, "DELETE FROM reindex WHERE param = ?", t.param); err != nil {
			return err
		}
	}
	return nil
}

// indexAnew adds what a resource's current version gives under the parameters of a group.
func (tx *Tx) indexAnew(ctx context.Context, pl *plan, f *resourceHead, group []task) error {
	if !f.head.alive() {
		return nil
	}
	plain, err := tx.plain(ctx, f.head.seq)
	if err != nil {
		return err
	}
	n, err := fhir.Parse(splice(plain, pl.name, f.id, f.head.vid, tx.now))
	if err != nil {
		return fmt.Errorf("store: %s/%s as stored: %w", pl.name, f.id, err)
	}
	p := Prepared{Node: n, Entries: index.Extract(n, tx.s.zone), home: index.Home(n), compartments: index.Compartments(n)}
	p.own(pl.name + "/" + f.id)
	ix, err := tx.index(ctx, pl, &p)
	if err != nil {
		return err
	}
	wanted := make(map[int32]bool, len(group))
	for _, t := range group {
		wanted[t.param] = true
	}
	for i := range ix.rows {
		r := &ix.rows[i]
		if !wanted[r.param] && !wanted[-r.param] {
			continue
		}
		if err := tx.Queue(ctx, inserts[r.table]+" ON CONFLICT DO NOTHING", r.args(f.head.rid)...); err != nil {
			return err
		}
	}
	shape, err := tx.symbol(ctx, ix.shape)
	if err != nil {
		return err
	}
	if shape == f.head.shape && ix.at == f.head.at {
		return nil
	}
	if err := tx.writeCompartments(ctx, pl, f.head, ix); err != nil {
		return err
	}
	return tx.Queue(ctx, "UPDATE resource SET shape = ?, at = ?, till = ? WHERE rid = ?", shape, ix.at, ix.till, f.head.rid)
}

// extraction names how this program finds what resources can be searched by: one mark for each parameter.
var extraction = sync.OnceValue(func() string {
	var b strings.Builder
	for _, typ := range spec.Types() {
		for _, p := range spec.Params(typ) {
			if kept(p) {
				fmt.Fprintf(&b, "%d:%s ", p.ID, index.Mark(p))
			}
		}
	}
	return b.String()
})

const extractionSetting = "extraction"

// followExtraction has the parameters indexed again that this program finds in another way than the one that wrote them.
func (s *Store) followExtraction(ctx context.Context) error {
	return s.Update(ctx, func(tx *Tx) error {
		now := extraction()
		then, known, err := tx.Setting(ctx, extractionSetting)
		if err != nil || then == now {
			return err
		}
		var some int64
		if !known {
			if _, err := tx.one(ctx, "SELECT count(*) FROM (SELECT 1 FROM resource LIMIT 1) r", nil, &some); err != nil {
				return err
			}
		}
		if known || some > 0 {
			old := map[string]bool{}
			for _, mark := range strings.Fields(then) {
				old[mark] = true
			}
			if err := tx.indexChanged(ctx, old, known); err != nil {
				return err
			}
		}
		return tx.SetSetting(ctx, extractionSetting, now)
	})
}

// indexChanged asks for what stands under another mark than before. What was indexed before there were marks is
// gone through once, adding what is missing, while it can be searched by.
func (tx *Tx) indexChanged(ctx context.Context, old map[string]bool, known bool) error {
	changed, held := 0, map[string]bool{}
	for _, typ := range spec.Types() {
		var some int64
		if _, err := tx.one(ctx, "SELECT count(*) FROM (SELECT 1 FROM resource_id WHERE type = ? LIMIT 1) r", []any{spec.TypeID(typ)}, &some); err != nil {
			return err
		}
		if some == 0 {
			continue
		}
		pl := planOf(typ)
		all := pl.date != nil && !old[fmt.Sprintf("%d:%s", pl.date.ID, index.Mark(pl.date))] // the main date stands in every row
		for _, p := range spec.Params(typ) {
			if !kept(p) || !all && old[fmt.Sprintf("%d:%s", p.ID, index.Mark(p))] {
				continue
			}
			if err := tx.enqueueIndexing(ctx, p.ID, typ, known, known); err != nil {
				return err
			}
			changed++
			held[typ] = true
		}
	}
	if changed > 0 {
		slog.Warn("store: this program finds search parameters in another way than the one before; they are indexed again in the background", "parameters", changed, "types", len(held), "refused until then", known)
	}
	return nil
}
