package term

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Derive keeps the tables of this room in step with CodeSystem, ValueSet and ConceptMap, in the transaction of the write.
func Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	switch w.Type {
	case "CodeSystem", "ValueSet", "ConceptMap":
	default:
		return nil
	}
	if err := derive(ctx, tx, w); err != nil {
		return fmt.Errorf("term: %s/%s: %w", w.Type, w.ID, err)
	}
	return nil
}

func derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	var was []Concept
	var is []Concept
	var err error
	if w.Type == "CodeSystem" && w.After != nil {
		if is, err = conceptsOf(w.After); err != nil {
			return err
		}
	}
	h := fnv.New32a()
	h.Write([]byte(w.ID))
	if _, err := tx.Exec(ctx, "UPDATE term_stamp SET n = n + 1 WHERE shard = ?", int64(h.Sum32()%shards)); err != nil {
		return err
	}
	var num int64
	err = tx.Query(ctx, "SELECT num FROM term_book WHERE kind = ? AND id = ?", []any{w.Type, w.ID}, func(scan func(...any) error) error { return scan(&num) })
	if err != nil {
		return err
	}
	isNew := num == 0
	if w.After == nil {
		return forget(ctx, tx, w.Type, num, true)
	}
	if isNew {
		num = w.Seq
	}
	if err := putBook(ctx, tx, num, w, len(is)); err != nil {
		return err
	}
	switch w.Type {
	case "ConceptMap":
		if !isNew {
			if err := forget(ctx, tx, w.Type, num, false); err != nil {
				return err
			}
		}
		return writeMap(ctx, tx, num, w.After)
	case "CodeSystem":
		if !isNew && w.Before != nil {
			if was, err = conceptsOf(w.Before); err != nil {
				return err
			}
		}
		return writeConcepts(ctx, tx, num, was, is)
	}
	return nil
}

func forget(ctx context.Context, tx *store.Tx, kind string, num int64, whole bool) error {
	tables := map[string][]string{"CodeSystem": {"term_concept"}, "ConceptMap": {"term_map", "term_group"}}[kind]
	for _, t := range tables {
		if _, err := tx.Exec(ctx, "DELETE FROM "+t+" WHERE book = ?", num); err != nil {
			return err
		}
	}
	if !whole {
		return nil
	}
	_, err := tx.Exec(ctx, "DELETE FROM term_book WHERE num = ?", num)
	return err
}

func putBook(ctx context.Context, tx *store.Tx, num int64, w store.Written, concepts int) error {
	n := w.After
	folds := int64(0)
	if n.Str("caseSensitive") == "false" {
		folds = 1
	}
	content := n.Str("content")
	if n.Type() != "CodeSystem" {
		content = ""
	}
	_, err := tx.Exec(ctx, `INSERT INTO term_book (num, kind, id, vid, updated, url, version, status, date, name, title, content, language, whole, folds, concepts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (num) DO UPDATE SET vid = excluded.vid, updated = excluded.updated, url = excluded.url, version = excluded.version, status = excluded.status,
  date = excluded.date, name = excluded.name, title = excluded.title, content = excluded.content, language = excluded.language, whole = excluded.whole,
  folds = excluded.folds, concepts = excluded.concepts`,
		num, w.Type, w.ID, w.VID, w.Updated.UnixMicro(), n.Str("url"), n.Str("version"), n.Str("status"), n.Str("date"), n.Str("name"), n.Str("title"),
		content, n.Str("language"), n.Str("valueSet"), folds, int64(concepts))
	return err
}

// conceptRow is a concept as its row holds it.
type conceptRow struct {
	ord                           int64
	code, display, parents, extra string
}

func rowOf(i int, c *Concept) conceptRow {
	return conceptRow{int64(i), c.Code, c.Display, strings.Join(c.Parents, "\n"), c.Extra.text()}
}

// writeConcepts touches only the rows that changed.
func writeConcepts(ctx context.Context, tx *store.Tx, num int64, was, is []Concept) error {
	old := make(map[string]conceptRow, len(was))
	for i := range was {
		old[was[i].Code] = rowOf(i, &was[i])
	}
	fresh := batch{tx: tx, head: "INSERT INTO term_concept (book, code, ord, display, parents, extra) VALUES ", columns: 6}
	changed := fresh
	changed.tail = " ON CONFLICT (book, code) DO UPDATE SET ord = excluded.ord, display = excluded.display, parents = excluded.parents, extra = excluded.extra"
	for i := range is {
		r := rowOf(i, &is[i])
		before, known := old[r.code]
		delete(old, r.code)
		into := &fresh
		if known {
			if before == r {
				continue
			}
			into = &changed
		}
		if err := into.add(ctx, num, r.code, r.ord, r.display, r.parents, r.extra); err != nil {
			return err
		}
	}
	for code := range old {
		if err := tx.Queue(ctx, "DELETE FROM term_concept WHERE book = ? AND code = ?", num, code); err != nil {
			return err
		}
	}
	if err := fresh.flush(ctx); err != nil {
		return err
	}
	return changed.flush(ctx)
}

// writeMap writes the groups and rows of a ConceptMap.
func writeMap(ctx context.Context, tx *store.Tx, num int64, n *fhir.Node) error {
	groups, rows := mapOf(n)
	for i, g := range groups {
		err := tx.Queue(ctx, "INSERT INTO term_group (book, grp, source, source_version, target, target_version, unmapped) VALUES (?, ?, ?, ?, ?, ?, ?)",
			num, int64(i), g.source, g.sourceVersion, g.target, g.targetVersion, g.unmapped)
		if err != nil {
			return err
		}
	}
	b := batch{tx: tx, head: "INSERT INTO term_map (book, ord, grp, code, display, target, target_display, equivalence, extra) VALUES ", columns: 9}
	for i, r := range rows {
		if err := b.add(ctx, num, int64(i), int64(r.group), r.code, r.display, r.target, r.targetDisplay, r.equivalence, r.extra); err != nil {
			return err
		}
	}
	return b.flush(ctx)
}

// batch writes rows many at a time.
type batch struct {
	tx         *store.Tx
	head, tail string
	columns    int
	args       []any
	rows       int
}

const batchRows = 64

func (b *batch) add(ctx context.Context, args ...any) error {
	b.args = append(b.args, args...)
	if b.rows++; b.rows < batchRows {
		return nil
	}
	return b.flush(ctx)
}

func (b *batch) flush(ctx context.Context) error {
	if b.rows == 0 {
		return nil
	}
	one := "(?" + strings.Repeat(", ?", b.columns-1) + ")"
	if b.rows == batchRows {
		err := b.tx.Queue(ctx, b.head+one+strings.Repeat(", "+one, b.rows-1)+b.tail, b.args...)
		b.rows, b.args = 0, nil
		return err
	}
	for i := range b.rows { // a few statement texts only, so that they are prepared once
		if err := b.tx.Queue(ctx, b.head+one+b.tail, b.args[i*b.columns:(i+1)*b.columns]...); err != nil {
			return err
		}
	}
	b.rows, b.args = 0, nil
	return nil
}

// built marks a database whose tables were filled from what it held before this room came.
const built = "term/built"

// Build fills the tables once, from terminology that was stored before this room came.
func Build(ctx context.Context, s *store.Store) error {
	err := s.Update(ctx, func(tx *store.Tx) error {
		if _, done, err := tx.Setting(ctx, built); err != nil || done {
			return err
		}
		for _, kind := range []string{"CodeSystem", "ValueSet", "ConceptMap"} {
			if err := buildKind(ctx, tx, kind); err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
		}
		return tx.SetSetting(ctx, built, "1")
	})
	if err != nil {
		return fmt.Errorf("term: build: %w", err)
	}
	return nil
}
