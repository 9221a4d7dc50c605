package access

import (
	"context"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// belongs names the element by which a register says where in the tree it stands.
var belongs = map[string]string{
	"PractitionerRole": "organization", "Location": "managingOrganization", "HealthcareService": "providedBy",
	"OrganizationAffiliation": "organization", "Endpoint": "managingOrganization", "CareTeam": "managingOrganization[0]",
}

// Guard refuses what nobody may write by his own word: a change of what another legal person keeps, a register or an
// encounter outside one's own part of the tree. It is a store.Guard. Steps of lines have their own rules; without a
// caller it is the program's own work.
func (r *Relations) Guard(ctx context.Context, p store.Put, before *fhir.Node) error {
	c := From(ctx)
	if itself(c) || p.ByStep || c.Org == "" || c.Scope.All && c.Scope.Only == nil {
		return nil
	}
	if before != nil && p.Type != "Organization" && p.Keeper != "" && r.legal(p.Keeper) != r.legal(c.Org) {
		return fhir.Refuse(403, "forbidden", "not-custodian", "only the organisation that made this record changes it", "只有建立该记录的机构可以修改")
	}
	n := p.Resource.Node
	if p.Op == store.Delete || n == nil {
		return nil
	}
	if p.Type == "Encounter" {
		if to := n.Str("serviceProvider.reference"); strings.HasPrefix(to, "Organization/") && r.legal(to) != r.legal(c.Org) {
			return fhir.Refuse(422, "business-rule", "foreign-provider", "an encounter is at the writer's own hospital", "就诊记录的服务机构须为本院")
		}
	}
	element, register := belongs[p.Type]
	if !register || p.Type == "CareTeam" && n.Str("subject.reference") != "" {
		return nil
	}
	at := n.Str(element + ".reference")
	if p.Type == "CareTeam" && c.Role == Administrator && n.Get("subject") != nil {
		return notAllowed(p.Type)
	}
	if strings.HasPrefix(at, "Organization/") && !r.ours(ctx, at, c) {
		return fhir.Refuse(403, "forbidden", "outside-your-organisations", "this organisation is not beneath yours", "该机构不在您的管理范围内")
	}
	return nil
}

// ours says whether an organisation is in the caller's part of the tree: his institution's for people, his legal
// person's for programs.
func (r *Relations) ours(ctx context.Context, org string, c *Caller) bool {
	if r.Tree == nil {
		return org == c.Org
	}
	if c.Role == Program {
		return r.legal(org) == r.legal(c.Org)
	}
	return r.Tree.WithinSoon(ctx, org, c.Institution)
}
