// Package agreement knows which institutions have agreed on what, and gates what one may ask of another (协议).
package agreement

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Room answers from agreement_term, which follows from the Contracts in the transaction of their write.
type Room struct {
	Tree  *access.Tree
	Zone  *time.Location                   // in which days begin; nil = Asia/Shanghai
	Legal func(organization string) string // the legal person of an organisation
}

// Migrations are the tables of this room: one row an agreement, one a service of it.
var Migrations = []store.Migration{{Name: "agreement/0001_terms", SQLite: ddl("INTEGER"), Postgres: ddl("BIGINT")}}

func ddl(integer string) string {
	return `
CREATE TABLE agreement_term (
  contract TEXT PRIMARY KEY, requester TEXT NOT NULL, owner TEXT NOT NULL, lead TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL,
  since ` + integer + ` NOT NULL, until ` + integer + `, sharing TEXT NOT NULL, services TEXT NOT NULL, specialties TEXT NOT NULL, changed ` + integer + ` NOT NULL);
CREATE INDEX agreement_term_requester ON agreement_term (requester, owner);
CREATE INDEX agreement_term_owner ON agreement_term (owner, requester);`
}

func (r *Room) zone() *time.Location {
	if r.Zone != nil {
		return r.Zone
	}
	return time.FixedZone("CST", 8*3600)
}

// Derive keeps the rows and the readers of a Contract in step with it: its parties' leaders and the offices that
// handle agreements read it, the other side only once it was proposed. It is a store.Deriver.
func (r *Room) Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	switch w.Type {
	case "Contract":
		return r.deriveContract(ctx, tx, w)
	case "Task":
		is, was := w.After.Str("focus.reference"), w.Before.Str("focus.reference")
		if !strings.HasPrefix(is, "Contract/") && !strings.HasPrefix(was, "Contract/") {
			return nil
		}
		if !strings.HasPrefix(is, "Contract/") || w.After.Str("for.reference") != "" {
			return tx.Revoke(ctx, "Task/"+w.ID)
		}
		t := Terms{Requester: w.After.Str("requester.reference"), Owner: w.After.Str("owner.reference"), State: w.After.Str("status")}
		if w.Before.Str("status") == t.State && is == was {
			return nil
		}
		return r.show(ctx, tx, "Task/"+w.ID, "Task/"+w.ID, t)
	}
	return nil
}

func (r *Room) deriveContract(ctx context.Context, tx *store.Tx, w store.Written) error {
	was, is := Terms{}, Terms{}
	before, after := false, false
	if was, before = Of(w.Before, r.zone()); before {
		if err := r.pass(ctx, tx, was.Requester, was.Owner); err != nil {
			return err
		}
	}
	ref := "Contract/" + w.ID
	if is, after = Of(w.After, r.zone()); !after {
		if !before {
			return nil
		}
		if _, err := tx.Exec(ctx, "DELETE FROM agreement_term WHERE contract = ?", ref); err != nil {
			return fmt.Errorf("agreement: %s: %w", ref, err)
		}
		return tx.Revoke(ctx, ref)
	}
	if err := r.pass(ctx, tx, is.Requester, is.Owner); err != nil {
		return err
	}
	var until any
	if !is.Until.IsZero() {
		until = is.Until.UnixMicro()
	}
	_, err := tx.Exec(ctx, `INSERT INTO agreement_term (contract, requester, owner, lead, kind, title, state, since, until, sharing, services, specialties, changed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (contract) DO UPDATE SET requester = excluded.requester, owner = excluded.owner, lead = excluded.lead, kind = excluded.kind, title = excluded.title,
state = excluded.state, since = excluded.since, until = excluded.until, sharing = excluded.sharing, services = excluded.services,
specialties = excluded.specialties, changed = excluded.changed`,
		ref, is.Requester, is.Owner, is.Lead, is.Kind, is.Title, is.State, is.From.UnixMicro(), until, is.Sharing,
		strings.Join(is.Services, " "), strings.Join(is.Specialties, " "), w.Updated.UnixMicro())
	if err != nil {
		return fmt.Errorf("agreement: %s: %w", ref, err)
	}
	for _, l := range w.After.All("legal") { // what was signed is read by who reads the agreement; the step has asked who may add it
		if doc := l.Str("contentReference.reference"); strings.HasPrefix(doc, "DocumentReference/") {
			if err := r.show(ctx, tx, doc, ref, is); err != nil {
				return err
			}
		}
	}
	return r.show(ctx, tx, ref, ref, is)
}

// show lets both sides' desks of agreements read a resource; a draft is the requester's alone.
func (r *Room) show(ctx context.Context, tx *store.Tx, ref, source string, t Terms) error {
	sides := []string{t.Requester}
	if t.State != Draft {
		sides = append(sides, t.Owner)
	}
	for _, side := range sides {
		for _, org := range slices.Compact([]string{side, r.Legal(side)}) {
			if org == "" {
				continue
			}
			if err := tx.Item(ctx, store.Item{Resource: ref, Party: org + access.Agreements, Basis: "agreement", Source: source}); err != nil {
				return fmt.Errorf("agreement: %s: %w", ref, err)
			}
		}
	}
	return nil
}

// Guard refuses every write of an agreement, and of the directory's entry of it, that is not a step. It is a
// store.Guard; without a caller it is the program's own work.
func (r *Room) Guard(ctx context.Context, p store.Put, before *fhir.Node) error {
	if p.ByStep || access.From(ctx) == nil {
		return nil
	}
	for _, n := range []*fhir.Node{before, p.Resource.Node} {
		_, ours := Of(n, r.zone())
		if p.Type == "Contract" && ours || p.Type == "OrganizationAffiliation" && n != nil && codeAt(n, "code[0]", KindSystem) != "" {
			return fhir.Refuse(422, "business-rule", "only-by-steps", "an agreement changes only by the steps of its Task: both sides sign it", "协议只能按流程办理，须经双方签署")
		}
	}
	return nil
}

// pass lets one unit at a time decide about or change what two parties have agreed.
func (r *Room) pass(ctx context.Context, tx *store.Tx, one, other string) error {
	if !tx.Writing() {
		return nil
	}
	pair := []string{r.Legal(one), r.Legal(other)}
	slices.Sort(pair)
	return tx.Lock(ctx, "agreement "+strings.Join(pair, " "))
}

// Row is an agreement with the moment at which its state last changed.
type Row struct {
	Terms
	Changed time.Time
}

const columns = `SELECT contract, requester, owner, lead, kind, title, state, since, until, sharing, services, specialties, changed FROM agreement_term `

func rows(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Row, error) {
	var found []Row
	err := tx.Query(ctx, columns+where, args, func(scan func(...any) error) error {
		var x Row
		var since, changed int64
		var until *int64
		var services, specialties string
		if err := scan(&x.ID, &x.Requester, &x.Owner, &x.Lead, &x.Kind, &x.Title, &x.State, &since, &until, &x.Sharing, &services, &specialties, &changed); err != nil {
			return err
		}
		x.ID = strings.TrimPrefix(x.ID, "Contract/")
		x.Services, x.Specialties = strings.Fields(services), strings.Fields(specialties)
		x.From, x.Changed = time.UnixMicro(since), time.UnixMicro(changed)
		if until != nil {
			x.Until = time.UnixMicro(*until)
		}
		found = append(found, x)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("agreement: list: %w", err)
	}
	return found, nil
}

// List returns the agreements to which one of these organisations is party; drafts of the other side are not there.
func (r *Room) List(ctx context.Context, tx *store.Tx, parties []string) ([]Row, error) {
	if len(parties) == 0 {
		return nil, nil
	}
	in := "(?" + strings.Repeat(", ?", len(parties)-1) + ")"
	args := []any{}
	for range 2 {
		for _, p := range parties {
			args = append(args, p)
		}
	}
	return rows(ctx, tx, "WHERE requester IN "+in+" OR (owner IN "+in+" AND state <> 'draft') ORDER BY since DESC, contract LIMIT 2000", args...)
}

// above lists an organisation and what stands above it within its legal person.
func (r *Room) above(org string) []string {
	list, legal := []string{org}, r.Legal(org)
	for at := org; at != legal && len(list) < 32; {
		p, ok := r.Tree.Place(at)
		if !ok || p.Parent == "" {
			break
		}
		at = p.Parent
		list = append(list, at)
	}
	return list
}
