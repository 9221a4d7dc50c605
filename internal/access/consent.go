package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

var everything = search.Everything

// registers are the types that everybody may read anyway.
var registers = search.Shared

// RecordSharing is the category of a Consent by which a patient lets an institution see his whole record:
// spec.Canonical + "/CodeSystem/consent-category".
const (
	ConsentCategory = spec.Canonical + "/CodeSystem/consent-category"
	RecordSharing   = "record-sharing"
)

// said is what one Consent says about sharing.
type said struct {
	patient string
	permits bool
	parties []string // institutions; "*" = all others than the keeper
	from    time.Time
	until   time.Time // zero = open
}

// consentOf reads a privacy Consent; nil when it says nothing about sharing.
func (r *Relations) consentOf(n *fhir.Node) *said {
	if n == nil || n.Str("status") != "active" || !strings.HasPrefix(n.Str("patient.reference"), "Patient/") || !codedAs(n, "scope", "patient-privacy") {
		return nil
	}
	s := &said{patient: n.Str("patient.reference"), from: beginOf(n.Str("provision.period.start")), until: instantOf(n.Str("provision.period.end"))}
	switch n.Str("provision.type") {
	case "deny":
	case "permit":
		if !codedAs(n, "category", RecordSharing) {
			return nil // a notice or the consent to one transfer: the Task's packet, no more
		}
		s.permits = true
	default:
		return nil
	}
	for _, a := range n.All("provision.actor") {
		if ref := a.Str("reference.reference"); strings.HasPrefix(ref, "Organization/") && len(s.parties) < most {
			s.parties = add(s.parties, r.institution(ref))
		}
	}
	if s.parties == nil {
		if s.permits {
			return nil // to nobody in particular
		}
		s.parties = []string{"*"}
	}
	return s
}

func codedAs(n *fhir.Node, element, code string) bool {
	return slices.ContainsFunc(n.All(element), func(c *fhir.Node) bool {
		return slices.ContainsFunc(c.All("coding"), func(c *fhir.Node) bool { return c.Str("code") == code })
	})
}

// consent keeps what patients say about sharing. It counts when the keeper of the patient's record, the patient or
// his guardian writes it: nobody else speaks for him, least of all who would gain by it.
func (r *Relations) consent(ctx context.Context, tx *store.Tx, w store.Written) error {
	if !r.Tables {
		return nil
	}
	source := "Consent/" + w.ID
	was, is := r.consentOf(w.Before), r.consentOf(w.After)
	if was != nil {
		if err := tx.Queue(ctx, "DELETE FROM access_consent WHERE source = ?", source); err != nil {
			return err
		}
		if err := tx.Revoke(ctx, source); err != nil {
			return err
		}
	}
	if is == nil {
		return nil
	}
	v, err := tx.Read(ctx, everything, "Patient", strings.TrimPrefix(is.patient, "Patient/"))
	if err != nil {
		return missing(err)
	}
	if knows, err := mayTell(ctx, tx, is.patient); err != nil || !knows {
		return err
	}
	if c := From(ctx); !itself(c) && c.Role != Patient && c.Role != Guardian && !(c.Scope.All && c.Org == "") && r.legal(w.Custodian) != r.legal(v.Custodian) {
		return nil
	}
	since, until := int64(0), open
	if !is.from.IsZero() {
		since = is.from.UnixMicro()
	}
	if !is.until.IsZero() {
		until = is.until.UnixMicro()
	}
	now := tx.Now().UnixMicro()
	says, acted := "deny", int64(1)
	if is.permits {
		says = "permit"
	} else if since > now {
		acted = 0
	}
	for _, party := range is.parties {
		if err := tx.Queue(ctx, "INSERT INTO access_consent (source, patient, says, party, since, until, acted) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (patient, source, party) DO UPDATE SET says = excluded.says, since = excluded.since, until = excluded.until, acted = excluded.acted",
			source, is.patient, says, party, since, until, acted); err != nil {
			return err
		}
		if is.permits {
			g := store.Grant{Patient: is.patient, Party: party + Whole, Basis: "consent", Class: "whole", From: is.from, Until: is.until, Source: source}
			if g.From.Before(w.Updated) {
				g.From = w.Updated
			}
			if err := tx.Grant(ctx, g); err != nil {
				return err
			}
		}
	}
	if is.permits || since > now || until <= now {
		return nil
	}
	return r.close(ctx, tx, is.patient, r.legal(v.Custodian))
}

// Refusals acts on those that have begun since they were written: what others see by a hand-over or an agreement ends. Each
// is done in a unit of its own; many may run. It returns how many refusals it acted on.
func (r *Relations) Refusals(ctx context.Context, s *store.Store) (done int, err error) {
	ctx = With(ctx, nil)
	for {
		var sources []string
		err := s.View(ctx, func(tx *store.Tx) error {
			sources = nil
			return tx.Query(ctx, "SELECT DISTINCT source FROM access_consent WHERE acted = 0 AND since <= ? ORDER BY source LIMIT ?", []any{tx.Now().UnixMicro(), int64(some)}, func(scan func(...any) error) error {
				var source string
				err := scan(&source)
				sources = append(sources, source)
				return err
			})
		})
		if err != nil {
			return done, fmt.Errorf("access: refusals: %w", err)
		}
		for _, source := range sources {
			if err := s.Update(ctx, func(tx *store.Tx) error { return r.refusal(ctx, tx, source) }); err != nil {
				return done, fmt.Errorf("access: refusal %s: %w", source, err)
			}
			done++
		}
		if len(sources) < some {
			return done, nil
		}
	}
}

const some = 200 // that one look takes in

func (r *Relations) refusal(ctx context.Context, tx *store.Tx, source string) error {
	var patient string
	now := tx.Now().UnixMicro()
	err := tx.Query(ctx, "SELECT patient FROM access_consent WHERE source = ? AND acted = 0 AND since <= ? AND until > ?", []any{source, now, now}, func(scan func(...any) error) error { return scan(&patient) })
	if err != nil {
		return err
	}
	if patient != "" {
		v, err := tx.Read(ctx, everything, "Patient", strings.TrimPrefix(patient, "Patient/"))
		if err == nil {
			err = r.close(ctx, tx, patient, r.legal(v.Custodian))
		}
		if err := missing(err); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "UPDATE access_consent SET acted = 1 WHERE source = ? AND acted = 0 AND since <= ?", source, now)
	return err
}

// refusable are the bases that a refusal ends: not treatment within the own legal person, never an emergency.
var refusable = []string{"task", "agreement", "results", "consent"}

// close ends what others than the keeper see by a hand-over or an agreement, where a refusal is in force against them.
func (r *Relations) close(ctx context.Context, tx *store.Tx, patient, keeper string) error {
	rights, err := tx.Rights(ctx, patient, tx.Now())
	if err != nil {
		return err
	}
	stat, refused := map[string]bool{}, map[string]bool{}
	for _, right := range rights {
		org, _, _ := strings.Cut(right.Party, "#")
		if !strings.HasPrefix(org, "Organization/") || !slices.Contains(refusable, right.Basis) || r.legal(org) == keeper {
			continue
		}
		no, asked := refused[org]
		if !asked {
			if no, err = r.Refuses(ctx, tx, patient, org); err != nil {
				return err
			}
			refused[org] = no
		}
		if !no {
			continue
		}
		if task, _, _ := strings.Cut(right.Source, "#"); strings.HasPrefix(task, "Task/") {
			emergency, known := stat[task]
			if !known {
				if emergency, err = isEmergency(ctx, tx, task); err != nil {
					return err
				}
				stat[task] = emergency
			}
			if emergency {
				continue
			}
		}
		if err := tx.Withdraw(ctx, patient, right); err != nil {
			return err
		}
	}
	return nil
}

func isEmergency(ctx context.Context, tx *store.Tx, task string) (bool, error) {
	v, err := tx.Read(ctx, everything, "Task", strings.TrimPrefix(task, "Task/"))
	if err != nil {
		return false, missing(err)
	}
	n, err := fhir.Parse(v.JSON)
	return n.Str("priority") == "stat", err
}

// Refuses says whether a patient refuses to be shown to an institution, for hand-overs that are no emergency:
// what he says of that institution by name goes before what he says of all.
func (r *Relations) Refuses(ctx context.Context, tx *store.Tx, patient, institution string) (bool, error) {
	if !r.Tables {
		return false, nil
	}
	now := tx.Now().UnixMicro()
	all, named := false, ""
	err := tx.Query(ctx, "SELECT says, party FROM access_consent WHERE patient = ? AND since <= ? AND until > ?", []any{patient, now, now}, func(scan func(...any) error) error {
		var says, party string
		if err := scan(&says, &party); err != nil {
			return err
		}
		switch {
		case party == "*":
			all = all || says == "deny"
		case r.legal(party) == r.legal(institution) && named != "deny":
			named = says
		}
		return nil
	})
	return named == "deny" || all && named != "permit", err
}

// ConsentNeeded says who must consent for somebody of this age: the guardian for the data of children, the guardian
// for the treatment of minors, except those who support themselves from 16 on. The ages stand in roles.json.
func ConsentNeeded(born, now time.Time, treatment, selfSupporting bool) (guardian bool) {
	if born.IsZero() {
		return false
	}
	age := ages(born, now)
	if !treatment {
		return age < data.Ages.Data
	}
	return age < data.Ages.Treatment && !(selfSupporting && age >= data.Ages.Independent)
}

// ages counts full years; somebody born on 29 February has his birthday on 1 March in other years.
func ages(born, now time.Time) int {
	age := now.Year() - born.Year()
	if now.Month() < born.Month() || now.Month() == born.Month() && now.Day() < born.Day() {
		age--
	}
	return age
}
