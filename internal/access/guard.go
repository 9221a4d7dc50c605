package access

import (
	"context"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Guard refuses an Organization that would close a ring, and one written from outside its own part of
// the tree; it is a store.Guard. Without a caller it is the program's own work.
func (t *Tree) Guard(ctx context.Context, p store.Put, before *fhir.Node) error {
	if p.Type != "Organization" {
		return nil
	}
	ref := "Organization/" + p.ID
	parent := ""
	if p.Resource.Node != nil {
		parent = p.Resource.Node.Str("partOf.reference")
	}
	if p.ID != "" && strings.HasPrefix(parent, "Organization/") && t.Within(parent, ref) {
		return fhir.Refuse(422, "business-rule", "organisation-ring", "an organisation cannot be part of itself", "机构不能隶属于自身或其下级")
	}
	c := From(ctx)
	if c == nil || c.Org == "" {
		return nil
	}
	outside := before != nil && !t.Within(ref, c.Institution)
	if before == nil || before.Str("partOf.reference") != parent {
		outside = outside || (p.Op != store.Delete && c.Role != Program && !t.WithinSoon(ctx, parent, c.Institution))
	}
	if outside {
		return fhir.Refuse(403, "forbidden", "outside-your-organisations", "this organisation is not beneath yours", "该机构不在您的管理范围内")
	}
	return nil
}

type upcoming struct{}

// Upcoming tells the guards of organisations that are new in the same unit: each with what it is part of. Each of them
// is guarded itself.
func Upcoming(ctx context.Context, parents map[string]string) context.Context {
	return context.WithValue(ctx, upcoming{}, parents)
}

// WithinSoon is Within, for organisations of Upcoming too.
func (t *Tree) WithinSoon(ctx context.Context, org, top string) bool {
	return t.Within(t.Standing(ctx, org), top)
}

// Standing is an organisation itself when it stands in the tree, else what stands above it by Upcoming.
func (t *Tree) Standing(ctx context.Context, org string) string {
	parents, _ := ctx.Value(upcoming{}).(map[string]string)
	for range 32 {
		if _, stands := t.Place(org); stands || parents[org] == "" {
			break
		}
		org = parents[org]
	}
	return org
}
