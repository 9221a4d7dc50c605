package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// mayChange refuses a change of what another organisation made: a record is changed by its custodian.
// Organisations themselves are guarded by their place in the tree.
func (b *Bundles) mayChange(caller *access.Caller, typ, custodian string) error {
	switch {
	case caller.Scope.All, typ == "Organization":
		return nil
	case custodian == "":
	case custodian == caller.Org, custodian == caller.Institution, slices.Contains(caller.Scope.Parties, custodian):
		return nil
	case b.Within != nil && b.Within(custodian, caller.Institution):
		return nil
	}
	return fhir.Refuse(http.StatusForbidden, "forbidden", "not-custodian", "only the organisation that made this record changes it", "只有建立该记录的机构可以修改")
}

// custodian is the organisation of the creating credential; the resource's own field counts only when it
// names that organisation's own part of the tree. It never changes afterwards.
func (b *Bundles) custodian(caller *access.Caller, n *fhir.Node) string {
	for _, field := range [...]string{"managingOrganization", "serviceProvider"} {
		own := n.Str(field + ".reference")
		if strings.HasPrefix(own, "Organization/") && b.Within != nil && b.Within(own, caller.Org) {
			return own
		}
	}
	return caller.Org
}

// The letters of what one may do to a type.
const (
	mayCreate = 'c'
	mayRead   = 'r'
	mayUpdate = 'u'
	mayDelete = 'd'
	maySearch = 's'
)

func (c *call) may(letter byte, typ string) error { return c.caller.May(letter, typ) }
