package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Grant lets one party see the record of one patient.
type Grant struct {
	Patient string    // "Patient/…"
	Party   string    // "Organization/…"
	Basis   string    // why: custodian, task, …
	Class   string    // how much: record, packet
	From    time.Time // zero = always
	Until   time.Time // zero = open
	Source  string    // the resource whose write caused it, "Task/…"; Revoke takes all of a source
}

// Grant adds one row; the same patient, party, source, class and beginning twice is one.
func (tx *Tx) Grant(ctx context.Context, g Grant) error {
	patient, err := tx.reserve(ctx, g.Patient)
	if err == nil && patient == 0 {
		err = fmt.Errorf("store: grant on %q", g.Patient)
	}
	if err != nil {
		return err
	}
	party, err := tx.symbol(ctx, g.Party)
	if err != nil {
		return err
	}
	since, until := int64(minDate), int64(maxDate)
	if !g.From.IsZero() {
		since = g.From.UnixMicro()
	}
	if !g.Until.IsZero() {
		until = g.Until.UnixMicro()
	}
	tx.gave = true
	return tx.Queue(ctx, `INSERT INTO access_grant (patient, party, source, class, since, until, basis) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (patient, party, source, class, since) DO UPDATE SET until = excluded.until, basis = excluded.basis`,
		patient, party, g.Source, g.Class, since, until, g.Basis)
}

// Item lets one party see one resource: a piece of a packet.
type Item struct {
	Resource string    // "Type/id"
	Party    string    // as in Grant
	Basis    string    // why
	From     time.Time // zero = always
	Until    time.Time // zero = open
	Source   string    // as in Grant
}

// Item adds one row; the same resource, party, source and beginning twice is one. A resource that is not there yet is waited for.
func (tx *Tx) Item(ctx context.Context, i Item) error {
	rid, err := tx.reserve(ctx, i.Resource)
	if err == nil && rid == 0 {
		err = fmt.Errorf("store: item %q", i.Resource)
	}
	if err != nil {
		return err
	}
	party, err := tx.symbol(ctx, i.Party)
	if err != nil {
		return err
	}
	since, until := int64(minDate), int64(maxDate)
	if !i.From.IsZero() {
		since = i.From.UnixMicro()
	}
	if !i.Until.IsZero() {
		until = i.Until.UnixMicro()
	}
	tx.gave = true
	return tx.Queue(ctx, `INSERT INTO access_item (rid, party, source, since, until, basis) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (rid, party, source, since) DO UPDATE SET until = excluded.until, basis = excluded.basis`,
		rid, party, i.Source, since, until, i.Basis)
}

// Revoke ends every grant and item that came from source. The rows stay, closed: who could see what, and when.
func (tx *Tx) Revoke(ctx context.Context, source string) error {
	return tx.RevokeAt(ctx, source, tx.now)
}

// RevokeAt lets what came from source end at a time, now or later.
func (tx *Tx) RevokeAt(ctx context.Context, source string, at time.Time) error {
	end := at.UnixMicro()
	if err := tx.Queue(ctx, "UPDATE access_grant SET until = ? WHERE source = ? AND until > ?", end, source, end); err != nil {
		return err
	}
	return tx.Queue(ctx, "UPDATE access_item SET until = ? WHERE source = ? AND until > ?", end, source, end)
}

// keep notes that an institution is custodian of something in a patient's record, or of something of a type that
// is about nobody. It may note too much: custody says where to look, the resource says whose it is.
func (tx *Tx) keep(ctx context.Context, custodian int64, typ int16, patient int64) error {
	if patient == 0 {
		patient = -int64(typ)
	}
	pair := [2]int64{custodian, patient}
	n := &tx.s.names
	n.mu.RLock()
	known := n.custody[pair]
	n.mu.RUnlock()
	if known || tx.names.custody[pair] {
		return nil
	}
	if tx.names.custody == nil {
		tx.names.custody = map[[2]int64]bool{}
	}
	tx.names.custody[pair] = true
	return tx.Queue(ctx, "INSERT INTO custody (custodian, patient) VALUES (?, ?) ON CONFLICT (custodian, patient) DO NOTHING", custodian, patient)
}

// Follow lets every party that sees one patient now see another one from now on: both are the same person. Further
// reasons for guarded kinds do not go along.
func (tx *Tx) Follow(ctx context.Context, patient, other, source string) error {
	from, err := tx.reserve(ctx, patient)
	if err != nil {
		return err
	}
	to, err := tx.reserve(ctx, other)
	if err != nil {
		return err
	}
	if from == 0 || to == 0 {
		return fmt.Errorf("store: %q follows %q", other, patient)
	}
	now := tx.now.UnixMicro()
	reasons := []any{int64(0)} // those that this unit made itself, apart from its snapshot
	for text, id := range tx.names.symbols {
		if strings.Contains(text, reasonMark) {
			reasons = append(reasons, id)
		}
	}
	unseen := marks(len(reasons))
	tx.gave = true
	err = tx.Queue(ctx, `INSERT INTO access_grant (patient, party, source, class, since, until, basis)
		SELECT CAST(? AS BIGINT), g.party, CAST(? AS TEXT), g.class, CAST(? AS BIGINT), MAX(g.until), 'identified' FROM access_grant g LEFT JOIN symbol y ON y.id = g.party
		WHERE g.patient = ? AND g.since <= ? AND g.until > ? AND coalesce(y.text, '') NOT LIKE '%!%' AND g.party NOT IN (`+unseen+`) GROUP BY g.party, g.class
		ON CONFLICT (patient, party, source, class, since) DO NOTHING`, append([]any{to, source, now, from, now, now}, reasons...)...)
	if err != nil {
		return err
	}
	// The patient himself is seen by all of them, whoever keeps his record.
	tx.gave = true
	return tx.Queue(ctx, `INSERT INTO access_item (rid, party, source, since, until, basis)
		SELECT CAST(? AS BIGINT), x.party, CAST(? AS TEXT), CAST(? AS BIGINT), MAX(x.until), 'identified' FROM (
			SELECT party, until FROM access_grant WHERE patient = ? AND since <= ? AND until > ?
			UNION ALL SELECT party, until FROM access_item WHERE rid = ? AND since <= ? AND until > ?) x LEFT JOIN symbol y ON y.id = x.party
		WHERE coalesce(y.text, '') NOT LIKE '%!%' AND x.party NOT IN (`+unseen+`) GROUP BY x.party
		ON CONFLICT (rid, party, source, since) DO NOTHING`, append([]any{to, source, now, from, now, now, from, now, now}, reasons...)...)
}
