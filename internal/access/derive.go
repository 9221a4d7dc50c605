package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Relations derives who sees whom from what is written, in the same transaction: a new Patient is granted to his
// custodian, an Encounter's to the department and the people named in it, a Task's to the sides of the hand-over.
// Everything else costs nothing. Nobody grants what he may not read himself.
type Relations struct {
	Tree *Tree // nil = every organisation is a legal person of its own

	// Sharing says what the agreements in force let one institution show another beside the packet of a Task:
	// the whole record, or the results. nil = nothing.
	Sharing func(ctx context.Context, tx *store.Tx, from, to string) (whole, results bool, err error)

	// Tables says that those of Migrations stand: members of teams and consents are kept there.
	Tables bool
}

// Derive is what Relations without a tree derive.
func Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	return (&Relations{}).Derive(ctx, tx, w)
}

// Derive is a store.Deriver.
func (r *Relations) Derive(ctx context.Context, tx *store.Tx, w store.Written) (err error) {
	switch w.Type {
	case "Patient":
		err = r.patient(ctx, tx, w)
	case "Encounter", "EpisodeOfCare", "Appointment", "ServiceRequest", "RelatedPerson":
		err = r.relate(ctx, tx, w, relations[w.Type])
	case "CareTeam":
		if err = r.members(ctx, tx, w); err == nil {
			err = r.relate(ctx, tx, w, relations[w.Type])
		}
	case "Task":
		err = r.handOver(ctx, tx, w)
	case "Communication":
		err = r.message(ctx, tx, w)
	case "Consent":
		err = r.consent(ctx, tx, w)
	}
	if err != nil {
		return fmt.Errorf("access: %s/%s: %w", w.Type, w.ID, err)
	}
	return nil
}

func (r *Relations) legal(org string) string {
	if r.Tree == nil {
		return org
	}
	return r.Tree.Legal(org)
}

func (r *Relations) institution(org string) string {
	if r.Tree == nil {
		return org
	}
	return r.Tree.Institution(org)
}

// patient grants a new patient to who keeps his record: for good where that is an institution, for a while where it
// is a department, which treats him and no more.
func (r *Relations) patient(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Before != nil || w.After == nil || w.Custodian == "" {
		return nil
	}
	ref := "Patient/" + w.ID
	g := store.Grant{Patient: ref, Party: w.Custodian + Care, Basis: "custodian", Class: "record", From: w.Updated, Source: ref}
	if r.institution(w.Custodian) != w.Custodian {
		g.Until = w.Updated.Add(grace("custodian"))
	}
	return tx.Grant(ctx, g)
}

// bond is one relation that a resource tells of: a patient, and who sees him, until when.
type bond struct {
	patient, to, basis string
	until              time.Time // zero = as long as the resource says so
}

// relate keeps the grants of one resource in step with what it tells.
func (r *Relations) relate(ctx context.Context, tx *store.Tx, w store.Written, tells func(*fhir.Node, store.Written) []bond) error {
	var was, is []bond
	if w.Before != nil {
		was = tells(w.Before, w)
	}
	if w.After != nil {
		is = tells(w.After, w)
	}
	if slices.EqualFunc(was, is, func(a, b bond) bool {
		return a.patient == b.patient && a.to == b.to && a.basis == b.basis && a.until.Equal(b.until)
	}) {
		return nil
	}
	source := w.Type + "/" + w.ID
	if len(was) > 0 {
		if err := tx.Revoke(ctx, source); err != nil {
			return err
		}
	}
	known := map[string]bool{}
	for _, b := range is {
		if !b.until.IsZero() && !b.until.After(tx.Now()) {
			continue
		}
		knows, asked := known[b.patient]
		if !asked {
			var err error
			if knows, err = mayTell(ctx, tx, b.patient); err != nil {
				return err
			}
			known[b.patient] = knows
		}
		if !knows {
			continue
		}
		party, err := r.partyOf(ctx, tx, b.to, w.Custodian)
		if err != nil {
			return err
		}
		if party == "" {
			continue
		}
		if b.basis == "guardian" {
			if b.until, err = ofAge(ctx, tx, b); err != nil {
				return err
			}
		} else if strings.HasPrefix(party, "RelatedPerson/") {
			continue
		}
		g := store.Grant{Patient: b.patient, Party: party, Basis: b.basis, Class: "record", From: w.Updated, Until: b.until, Source: source}
		if err := tx.Grant(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// partyOf is the party that a reference means; "" for one that gets nothing: an organisation of another legal person
// than the writer's own, or what is no party.
func (r *Relations) partyOf(ctx context.Context, tx *store.Tx, ref, custodian string) (string, error) {
	typ, id, _ := strings.Cut(ref, "/")
	if id == "" || strings.Contains(id, "/") {
		return "", nil
	}
	via := ""
	switch typ {
	case "Organization":
		if custodian != "" && r.legal(ref) != r.legal(custodian) {
			return "", nil
		}
		return ref + Care, nil
	case "Practitioner", "CareTeam", "RelatedPerson":
		return ref, nil
	case "PractitionerRole":
		via = "practitioner"
	case "Location":
		via = "managingOrganization"
	case "HealthcareService":
		via = "providedBy"
	default:
		return "", nil
	}
	v, err := tx.Read(ctx, search.Everything, typ, id)
	if err != nil {
		return "", missing(err)
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return "", err
	}
	to := n.Str(via + ".reference")
	for range 5 { // a bed is its ward's
		if typ != "Location" || to != "" {
			break
		}
		above, ok := strings.CutPrefix(n.Str("partOf.reference"), "Location/")
		if !ok {
			break
		}
		if v, err = tx.Read(ctx, search.Everything, typ, above); err != nil {
			return "", missing(err)
		}
		if n, err = fhir.Parse(v.JSON); err != nil {
			return "", err
		}
		to = n.Str(via + ".reference")
	}
	if t, _, _ := strings.Cut(to, "/"); t != "Organization" && t != "Practitioner" {
		return "", nil
	}
	return r.partyOf(ctx, tx, to, custodian)
}

// missing drops the error that says that nothing is there.
func missing(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return nil
	}
	return err
}

// mayTell says whether the writer may read the patient: nobody grants what he cannot see himself.
// Without a caller it is the program's own work.
func mayTell(ctx context.Context, tx *store.Tx, patient string) (bool, error) {
	if !strings.HasPrefix(patient, "Patient/") {
		return false, nil
	}
	n, err := readAs(ctx, tx, patient)
	return n != nil, err
}

// itself says whether the program itself writes.
func itself(c *Caller) bool { return c == nil || c.Role == "system" }

// unseen stands for a resource that the program may read without looking.
var unseen = &store.Version{}

// readAs reads a resource as the writer may; nil when he may not. Who sees everything is not asked.
func readAs(ctx context.Context, tx *store.Tx, ref string) (*store.Version, error) {
	c := From(ctx)
	if itself(c) || c.Scope.All && c.Scope.Only == nil && c.Scope.Types == nil {
		return unseen, nil
	}
	scope := c.Scope
	scope.Types = nil // the least that a role reads does not narrow what it hands over
	typ, id, _ := strings.Cut(ref, "/")
	v, err := tx.Read(ctx, scope, typ, id)
	if err != nil {
		return nil, missing(err)
	}
	return &v, nil
}
