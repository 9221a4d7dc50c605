package registry

import (
	"context"
	"errors"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Acting refuses a plain FHIR write that is an act by law, such as a prescription, when a person makes it who has no
// right to that act. What a program delivers was signed elsewhere. It is a store.Deriver, since it asks the tables.
func (r *Room) Acting(ctx context.Context, tx *store.Tx, w store.Written) error {
	by := access.From(ctx)
	if by == nil || by.Role == access.Program || by.Role == "system" || w.After == nil {
		return nil
	}
	if w.Type == "PractitionerRole" {
		return r.dispatched(ctx, tx, w)
	}
	act := actOf(w)
	if act == "" {
		return nil
	}
	return r.Allowed(ctx, tx, by, act)
}

// dispatched refuses a role at another legal person than those where its holder is registered, unless an agreement in
// force lets the host ask for it. What began under an agreement goes on to its end.
func (r *Room) dispatched(ctx context.Context, tx *store.Tx, w store.Written) error {
	person, org := w.After.Str("practitioner.reference"), w.After.Str("organization.reference")
	same := w.Before != nil && w.Before.Str("active") != "false" && w.Before.Str("practitioner.reference") == person && w.Before.Str("organization.reference") == org &&
		w.Before.Str("period.end") == w.After.Str("period.end")
	if r.Agreed == nil || same || w.After.Str("active") == "false" {
		return nil
	}
	licences, err := r.Licences(ctx, tx, person)
	if err != nil {
		return err
	}
	service := "dispatch"
	if b := extension(w.After, BasisOf).Str("valueCode"); b == "invitation" || b == "remote-opinion" {
		service = "consultation"
	}
	host := r.Tree.Institution(r.Tree.Standing(ctx, org))
	var no error
	for _, l := range licences {
		for _, place := range l.Places {
			if r.covers(place, host) {
				return nil
			}
			err := r.Agreed(ctx, tx, host, r.Tree.Institution(place), service)
			var refusal *fhir.Error
			if err == nil || !errors.As(err, &refusal) {
				return err
			}
			no = err
		}
	}
	return no
}

// actOf says what a write is by law, "" when it is nothing of the kind. What is stat is emergency care and waits for nobody.
func actOf(w store.Written) string {
	switch w.Type {
	case "MedicationRequest":
		if !orders(w.After) || w.After.Str("priority") == "stat" || orders(w.Before) && sameOrder(w.Before, w.After) {
			return ""
		}
		for _, c := range w.After.All("category") {
			for _, coding := range c.All("coding") {
				if a, ok := Rules.Act("prescribe-" + coding.Str("code")); ok && coding.Str("system") == RightSystem {
					return a.Code
				}
			}
		}
		return "prescribe"
	case "Composition":
		if len(w.After.All("attester")) > len(w.Before.All("attester")) {
			return "sign-record"
		}
	}
	return ""
}

// RightSystem codes the category of a MedicationRequest that needs a right of its own: antimicrobial-1 to -3, narcotic.
const RightSystem = spec.Canonical + "/CodeSystem/granted-right"

func orders(n *fhir.Node) bool {
	switch n.Str("intent") {
	case "order", "original-order", "reflex-order", "filler-order", "instance-order":
		s := n.Str("status")
		return s == "active" || s == "completed"
	}
	return false
}

// sameOrder: who only ends or corrects the status of an order does not prescribe.
func sameOrder(a, b *fhir.Node) bool {
	for _, part := range []string{"medicationCodeableConcept", "medicationReference", "dosageInstruction", "dispenseRequest", "category", "subject"} {
		x, y := a.Get(part), b.Get(part)
		if (x == nil) != (y == nil) || x != nil && string(x.JSON()) != string(y.JSON()) {
			return false
		}
	}
	return true
}
