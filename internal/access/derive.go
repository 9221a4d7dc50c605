package access

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Derive keeps access_grant in step with what is written, in the same transaction: a new Patient is
// granted to its custodian, a Task's patient to the institutions that ask and answer.
// Everything else costs nothing.
func Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	switch w.Type {
	case "Patient":
		if w.Before != nil || w.After == nil || w.Custodian == "" {
			return nil
		}
		ref := "Patient/" + w.ID
		return tx.Grant(ctx, store.Grant{Patient: ref, Party: w.Custodian, Basis: "custodian", Class: "record", From: w.Updated, Source: ref})
	case "Task":
		return deriveTask(ctx, tx, w)
	}
	return nil
}

// hold is what a Task gives, and to whom.
type hold struct{ patient, requester, owner, class string }

func deriveTask(ctx context.Context, tx *store.Tx, w store.Written) error {
	was, is := holdOf(w.Before), holdOf(w.After)
	source := "Task/" + w.ID
	if is.owner != "" && w.Before.Str("status") == "draft" && w.After.Str("status") == "cancelled" {
		is.owner = "" // withdrawn before it was submitted: the owner never saw it
	}
	if was == is {
		return nil
	}
	knows, err := mayTell(ctx, tx, is.patient)
	if err != nil {
		return fmt.Errorf("access: %s: %w", source, err)
	}
	if err := tx.Revoke(ctx, source); err != nil {
		return fmt.Errorf("access: %s: %w", source, err)
	}
	if !knows {
		return nil
	}
	parties := []string{is.requester}
	if is.owner != is.requester {
		parties = append(parties, is.owner)
	}
	for _, party := range parties {
		if party == "" {
			continue
		}
		g := store.Grant{Patient: is.patient, Party: party, Basis: "task", Class: is.class, From: w.Updated, Source: source}
		if err := tx.Grant(ctx, g); err != nil {
			return fmt.Errorf("access: %s: %w", source, err)
		}
	}
	return nil
}

// holdOf reads what a Task gives. A draft is the requester's alone; what was entered in error gives
// nothing; a closed Task leaves the packet readable to both sides.
func holdOf(task *fhir.Node) hold {
	patient := task.Str("for.reference")
	if !strings.HasPrefix(patient, "Patient/") {
		return hold{}
	}
	h := hold{patient: patient, requester: organisation(task, "requester"), owner: organisation(task, "owner"), class: "record"}
	switch task.Str("status") {
	case "draft":
		h.owner = ""
	case "entered-in-error":
		return hold{}
	case "rejected", "cancelled", "failed", "completed":
		h.class = "packet"
	}
	if h.requester == "" && h.owner == "" {
		return hold{}
	}
	return h
}

func organisation(task *fhir.Node, role string) string {
	ref := task.Str(role + ".reference")
	if !strings.HasPrefix(ref, "Organization/") {
		return ""
	}
	return ref
}

// mayTell says whether the writer may read the patient: nobody grants what he cannot see himself.
// Without a caller it is the program's own work.
func mayTell(ctx context.Context, tx *store.Tx, patient string) (bool, error) {
	c := From(ctx)
	if patient == "" || c == nil || c.Scope.All {
		return patient != "", nil
	}
	_, err := tx.Read(ctx, search.Scope{Parties: c.Scope.Parties}, "Patient", strings.TrimPrefix(patient, "Patient/"))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return false, nil
	}
	return err == nil, err
}
