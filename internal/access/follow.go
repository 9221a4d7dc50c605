package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Follow writes what follows when an unknown patient is identified (whoever treats the one sees the other) and when
// somebody reports a suspicion of abuse (he sees his own report, nobody else of his unit does). It is a store.Deriver.
func Follow(ctx context.Context, tx *store.Tx, w store.Written) error {
	switch w.Type {
	case "Patient":
		return followIdentity(ctx, tx, w)
	case "Task":
		return followReport(ctx, tx, w)
	}
	return nil
}

// replacedBy is the record that a Patient was replaced by, "" when it stands.
func replacedBy(p *fhir.Node) string {
	for _, l := range p.All("link") {
		if l.Str("type") == "replaced-by" && strings.HasPrefix(l.Str("other.reference"), "Patient/") {
			return l.Str("other.reference")
		}
	}
	return ""
}

// Only a temporary record that was made here hands its parties on, and only by who may read both.
func followIdentity(ctx context.Context, tx *store.Tx, w store.Written) error {
	real := replacedBy(w.After)
	if real == "" || replacedBy(w.Before) == real || !temporary(w.Before) {
		return nil
	}
	temp := "Patient/" + w.ID
	if knows, err := mayTell(ctx, tx, real); err != nil || !knows {
		return err
	}
	if err := tx.Follow(ctx, temp, real, temp+"#identified"); err != nil {
		return fmt.Errorf("access: %s is %s: %w", temp, real, err)
	}
	if err := tx.Follow(ctx, real, temp, temp+"#identified"); err != nil {
		return fmt.Errorf("access: %s is %s: %w", temp, real, err)
	}
	return nil
}

func temporary(p *fhir.Node) bool {
	return slices.ContainsFunc(p.All("identifier"), func(i *fhir.Node) bool { return i.Str("system") == spec.Canonical+"/sid/unknown-person" })
}

func followReport(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Before != nil || w.After == nil {
		return nil
	}
	ours := slices.ContainsFunc(w.After.All("code.coding"), func(c *fhir.Node) bool {
		return c.Str("system") == spec.Canonical+"/CodeSystem/line" && c.Str("code") == "safeguard"
	})
	c := From(ctx)
	if !ours || c == nil || c.Practitioner == "" {
		return nil
	}
	source := "Task/" + w.ID
	for _, what := range []string{source, w.After.Str("focus.reference")} {
		if err := tx.Item(ctx, store.Item{Resource: what, Party: c.Practitioner, Basis: "reporter", From: w.Updated, Source: source + "#reporter"}); err != nil {
			return fmt.Errorf("access: %s: %w", source, err)
		}
	}
	return tx.Grant(ctx, store.Grant{Patient: w.After.Str("for.reference"), Party: Reasoned(c.Practitioner, Abuse), Basis: "reporter", Class: "reason", From: w.Updated, Source: source + "#reporter"})
}
