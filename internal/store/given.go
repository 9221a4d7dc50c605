package store

import (
	"context"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Right is one way by which a party sees a patient's record (Resource "") or one resource of it.
type Right struct {
	Party, Basis, Class, Source string
	Resource                    string // "Type/id" of a single one
	From, Until                 time.Time
}

// Given lists the resources that source gives singly now, each once.
func (tx *Tx) Given(ctx context.Context, source string) (refs []string, err error) {
	err = tx.Query(ctx, "SELECT DISTINCT r.type, r.id FROM access_item i JOIN resource r ON r.rid = i.rid WHERE i.source = ? AND i.until > ? ORDER BY r.type, r.id", []any{source, tx.now.UnixMicro()},
		func(scan func(...any) error) error {
			var typ int64
			var id string
			err := scan(&typ, &id)
			refs = append(refs, spec.TypeName(int16(typ))+"/"+id)
			return err
		})
	return refs, err
}

// GivenTo is the condition, for queries of other rooms, that the resource of a type whose id an expression gives was
// given singly to one of these parties and still is.
func GivenTo(typ, id string, parties []string, now time.Time) (text string, args []any) {
	args = []any{spec.TypeID(typ), now.UnixMicro(), now.UnixMicro()}
	for _, p := range parties {
		args = append(args, p)
	}
	return "EXISTS (SELECT 1 FROM resource_id n JOIN access_item i ON i.rid = n.rid JOIN symbol s ON s.id = i.party WHERE n.type = ? AND n.id = " + id +
		" AND i.since <= ? AND i.until > ? AND s.text IN (" + marks(len(parties)) + "))", args
}

// Rights lists who sees a patient's record, or a piece of it, at a time.
func (tx *Tx) Rights(ctx context.Context, patient string, at time.Time) (rights []Right, err error) {
	id, _ := strings.CutPrefix(patient, "Patient/")
	rid, err := tx.rid(ctx, spec.TypeID("Patient"), id)
	if err != nil || rid == 0 {
		return nil, err
	}
	us := at.UnixMicro()
	err = tx.Query(ctx, "SELECT s.text, g.basis, g.class, g.source, g.since, g.until FROM access_grant g JOIN symbol s ON s.id = g.party WHERE g.patient = ? AND g.since <= ? AND g.until > ? ORDER BY s.text, g.source, g.class", []any{rid, us, us},
		func(scan func(...any) error) error {
			var r Right
			var from, until int64
			err := scan(&r.Party, &r.Basis, &r.Class, &r.Source, &from, &until)
			r.From, r.Until = time.UnixMicro(from), time.UnixMicro(until)
			rights = append(rights, r)
			return err
		})
	if err != nil {
		return nil, err
	}
	err = tx.Query(ctx, "SELECT s.text, i.basis, i.source, r.type, r.id, i.since, i.until FROM compartment c CROSS JOIN resource r CROSS JOIN access_item i CROSS JOIN symbol s WHERE c.patient = ? AND r.rid = c.rid AND r.home = ? AND i.rid = r.rid AND i.since <= ? AND i.until > ? AND s.id = i.party ORDER BY s.text, i.source, r.type, r.id", []any{rid, rid, us, us},
		func(scan func(...any) error) error {
			var r Right
			var typ, from, until int64
			var id string
			err := scan(&r.Party, &r.Basis, &r.Source, &typ, &id, &from, &until)
			r.Resource, r.From, r.Until = spec.TypeName(int16(typ))+"/"+id, time.UnixMicro(from), time.UnixMicro(until)
			rights = append(rights, r)
			return err
		})
	return rights, err
}

// Withdraw ends one right now; the row stays, closed.
func (tx *Tx) Withdraw(ctx context.Context, patient string, r Right) error {
	party, ok, err := tx.findSymbol(ctx, r.Party)
	if err != nil || !ok {
		return err
	}
	now, of, table, column := tx.now.UnixMicro(), patient, "access_grant", "patient"
	if r.Resource != "" {
		of, table, column = r.Resource, "access_item", "rid"
	}
	typ, id, _ := strings.Cut(of, "/")
	rid, err := tx.rid(ctx, spec.TypeID(typ), id)
	if err != nil || rid == 0 {
		return err
	}
	return tx.Queue(ctx, "UPDATE "+table+" SET until = ? WHERE "+column+" = ? AND party = ? AND source = ? AND until > ?", now, rid, party, r.Source, now)
}
