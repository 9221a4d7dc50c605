package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// apart runs one statement that stays true whatever becomes of the unit.
func (tx *Tx) apart(ctx context.Context, query string, args ...any) error {
	return tx.s.db.Apart(ctx, tx.c, func(c engine.Conn) error {
		_, err := c.Exec(ctx, query, args...)
		return err
	})
}

// learn finds the numbers of all names that prepared resources will need, in few round trips.
func (tx *Tx) learn(ctx context.Context, prepared ...*Prepared) error {
	var texts []string
	var refs []ident
	wanted := map[string]bool{}
	want := func(text string) {
		if text = clip(text); text != "" && !wanted[text] {
			wanted[text] = true
			texts = append(texts, text)
		}
	}
	wantedRef := map[ident]bool{}
	wantRef := func(typ, id string) {
		key := ident{spec.TypeID(typ), id}
		if key.typ != 0 && id != "" && !wantedRef[key] {
			wantedRef[key] = true
			refs = append(refs, key)
		}
	}
	for _, p := range prepared {
		for i := range p.Entries {
			e := &p.Entries[i]
			if e.Param.Sealed {
				continue
			}
			switch e.Param.Type {
			case spec.Token:
				want(e.System)
				if !byText(e.Param) {
					want(e.Code)
				}
			case spec.Quantity:
				want(e.System)
				want(e.Code)
			case spec.Composite:
				for j := range e.Parts {
					want(e.Parts[j].System)
					want(e.Parts[j].Code)
				}
			case spec.Reference, spec.URI:
				want(e.URI)
				if e.RefType != "" {
					wantRef(e.RefType, e.RefID)
				} else {
					want(e.System)
				}
			}
		}
		for _, patient := range p.compartments {
			if id, ok := strings.CutPrefix(patient, "Patient/"); ok {
				wantRef("Patient", id)
			}
		}
	}
	if err := tx.learnSymbols(ctx, texts); err != nil {
		return err
	}
	return tx.learnRIDs(ctx, refs)
}

func (tx *Tx) learnSymbols(ctx context.Context, texts []string) error {
	unknown := texts[:0]
	n := &tx.s.names
	n.mu.RLock()
	for _, text := range texts {
		if _, ok := n.symbols[text]; ok {
			continue
		}
		if _, ok := tx.names.symbols[text]; !ok {
			unknown = append(unknown, text)
		}
	}
	n.mu.RUnlock()
	find := func(query func(string, []any, func(string, int64)) error) error {
		for len(unknown) > 0 {
			part := unknown[:min(len(unknown), 200)]
			args := make([]any, len(part))
			for i, text := range part {
				args[i] = text
			}
			found := map[string]bool{}
			err := query("SELECT text, id FROM symbol WHERE text IN ("+marks(len(part))+")", args, func(text string, id int64) {
				found[text] = true
				tx.noteSymbol(text, id)
			})
			if err != nil {
				return err
			}
			if len(found) < len(part) {
				err := tx.s.db.Apart(ctx, tx.c, func(c engine.Conn) error {
					for _, text := range part {
						if !found[text] {
							if err := c.Queue(ctx, "INSERT INTO symbol (text) VALUES (?) ON CONFLICT (text) DO NOTHING", text); err != nil {
								return err
							}
						}
					}
					return c.Query(ctx, "SELECT text, id FROM symbol WHERE text IN ("+marks(len(part))+")", args, func(scan engine.Row) error {
						var text string
						var id int64
						err := scan(&text, &id)
						tx.noteSymbol(text, id)
						return err
					})
				})
				if err != nil {
					return err
				}
			}
			unknown = unknown[len(part):]
		}
		return nil
	}
	return find(func(q string, args []any, note func(string, int64)) error {
		return tx.Query(ctx, q, args, func(scan func(...any) error) error {
			var text string
			var id int64
			err := scan(&text, &id)
			note(text, id)
			return err
		})
	})
}

// learnRIDs looks up which of the resources named exist, so that the writes after it need not ask one by one.
func (tx *Tx) learnRIDs(ctx context.Context, refs []ident) error {
	byType := map[int16][]any{}
	n := &tx.s.names
	n.mu.RLock()
	for _, ref := range refs {
		if _, ok := n.rids[ref]; ok {
			continue
		}
		if _, ok := tx.names.rids[ref]; !ok {
			byType[ref.typ] = append(byType[ref.typ], ref.id)
		}
	}
	n.mu.RUnlock()
	for typ, ids := range byType {
		for len(ids) > 0 {
			part := ids[:min(len(ids), 200)]
			ids = ids[len(part):]
			err := tx.Query(ctx, "SELECT id, rid FROM resource_id WHERE type = ? AND id IN ("+marks(len(part))+")", append([]any{typ}, part...), func(scan func(...any) error) error {
				var id string
				var rid int64
				err := scan(&id, &rid)
				tx.noteRID(ident{typ, id}, rid)
				return err
			})
			if err != nil {
				return err
			}
			for _, id := range part {
				key := ident{typ, id.(string)}
				if _, ok := tx.names.rids[key]; !ok {
					if tx.absent == nil {
						tx.absent = map[ident]bool{}
					}
					tx.absent[key] = true
				}
			}
		}
	}
	return nil
}

// marks is n placeholders.
func marks(n int) string {
	if n == 0 {
		return "NULL"
	}
	return strings.Repeat("?, ", n-1) + "?"
}

func (tx *Tx) noteRID(key ident, rid int64) {
	if tx.names.rids == nil {
		tx.names.rids = map[ident]int64{}
	}
	tx.names.rids[key] = rid
	delete(tx.absent, key)
}

// rid finds the number of a resource, also one that is only referred to; 0 = none.
func (tx *Tx) rid(ctx context.Context, typ int16, id string) (int64, error) {
	key := ident{typ, id}
	n := &tx.s.names
	n.mu.RLock()
	rid, ok := n.rids[key]
	n.mu.RUnlock()
	if ok {
		return rid, nil
	}
	if rid, ok := tx.names.rids[key]; ok {
		return rid, nil
	}
	if tx.absent[key] {
		return 0, nil
	}
	found, err := tx.one(ctx, "SELECT rid FROM resource_id WHERE type = ? AND id = ?", []any{typ, id}, &rid)
	if found {
		tx.noteRID(key, rid)
	}
	return rid, err
}

// reserve finds the number of "Type/id" and gives it one when it is new, so that references stay
// right when their target comes later; 0 for what is no resource type.
func (tx *Tx) reserve(ctx context.Context, ref string) (int64, error) {
	typ, id, _ := strings.Cut(ref, "/")
	t := spec.TypeID(typ)
	if t == 0 || id == "" {
		return 0, nil
	}
	rid, err := tx.rid(ctx, t, id)
	if err != nil || rid != 0 {
		return rid, err
	}
	if rid, err = tx.newRID(ctx); err != nil {
		return 0, err
	}
	key := ident{t, id}
	if err := tx.stub(ctx, key, rid); err != nil {
		return 0, err
	}
	tx.noteRID(key, rid)
	return rid, nil
}

// newRID numbers a resource of which only this unit knows, until it commits. Each run of a unit gets other numbers.
func (tx *Tx) newRID(ctx context.Context) (int64, error) {
	rid, err := tx.c.Next(ctx, engine.CounterRID)
	if err == nil {
		if tx.born == nil {
			tx.born = map[int64]bool{}
		}
		tx.born[rid] = true
	}
	return rid, err
}

const insertResource = `INSERT INTO resource (rid, type, id, home, multi, custodian, vid, seq, updated, deleted, shape, at, till, guarded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// stub is the row of a resource that is only referred to.
func (tx *Tx) stub(ctx context.Context, key ident, rid int64) error {
	if err := tx.insertID(ctx, key.typ, key.id, rid, 0); err != nil {
		return err
	}
	return tx.Queue(ctx, insertResource, rid, key.typ, key.id, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0)
}

// insertID takes an id; where another unit takes it meanwhile, this unit collides and runs again.
func (tx *Tx) insertID(ctx context.Context, typ int16, id string, rid, home int64) error {
	err := tx.Queue(ctx, "INSERT INTO resource_id (type, id, rid, home) VALUES (?, ?, ?, ?) ON CONFLICT (type, id) DO NOTHING", typ, id, rid, home)
	if err != nil {
		return fmt.Errorf("store: id %d/%s: %w", typ, id, err)
	}
	return nil
}
