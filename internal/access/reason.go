package access

import (
	"context"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// TaskOnly is the extension of a Task that shows itself to both sides and nothing of the patient.
const TaskOnly = spec.Canonical + "/StructureDefinition/task-only"

// Opened is a record, or a guarded kind of it, that somebody opened for a reason.
type Opened struct {
	ID      string
	Kind    string // BreakGlass, FurtherReason, or Missed for somebody who was not found
	Person  string // "Practitioner/…"
	Patient string
	Org     string // institution at which the person acts
	Keeper  string // institution that keeps the patient's record
	Code    string // why
	Opens   []string
	At      time.Time
	Until   time.Time
}

// Kinds of Opened.
const (
	BreakGlass    = "break-glass"
	FurtherReason = "further-reason"
	Missed        = "missed"
)

// Open lets one person see a patient's record whoever keeps it (BreakGlass), and guarded kinds of it.
func Open(ctx context.Context, tx *store.Tx, o Opened) error {
	err := tx.Queue(ctx, "INSERT INTO access_reason (id, kind, person, patient, org, keeper, code, opens, at, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		o.ID, o.Kind, o.Person, o.Patient, o.Org, o.Keeper, o.Code, strings.Join(o.Opens, " "), o.At.UnixMicro(), o.Until.UnixMicro())
	if err != nil || o.Kind == Missed {
		return err
	}
	g := store.Grant{Patient: o.Patient, Basis: o.Kind, From: o.At, Until: o.Until, Source: o.Kind + "/" + o.ID}
	if o.Kind == BreakGlass {
		g.Party, g.Class = o.Person+Whole, "whole"
		if err := tx.Grant(ctx, g); err != nil {
			return err
		}
	}
	for _, kind := range o.Opens {
		for _, party := range []string{o.Person, o.Person + Whole} {
			g.Party, g.Class = Reasoned(party, kind), "reason"
			if err := tx.Grant(ctx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// Shut ends what was opened, by its id.
func Shut(ctx context.Context, tx *store.Tx, kind, id string) error {
	return tx.Revoke(ctx, kind+"/"+id)
}

// HowOften counts what a person opened, or did not find, since a time.
func HowOften(ctx context.Context, tx *store.Tx, person, kind string, since time.Time) (n int, err error) {
	err = tx.Query(ctx, "SELECT COUNT(*) FROM access_reason WHERE person = ? AND kind = ? AND at > ?", []any{person, kind, since.UnixMicro()}, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}

// ReasonOf finds a reason by its code.
func ReasonOf(list []Reason, code string) (Reason, bool) {
	for _, r := range list {
		if r.Code == code {
			return r, true
		}
	}
	return Reason{}, false
}
