package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// The letters of a SMART v2 scope.
const (
	mayCreate = 'c'
	mayRead   = 'r'
	mayUpdate = 'u'
	mayDelete = 'd'
	maySearch = 's'
)

// allows says whether one SMART scope, such as system/*.rs or user/Observation.read, covers an interaction.
func allows(scope, typ string, letter byte) bool {
	level, rest, ok := strings.Cut(scope, "/")
	if !ok || (level != "system" && level != "user") || strings.Contains(rest, "?") {
		return false // a scope with a query would be narrower than what is enforced here: it gives nothing
	}
	of, rights, ok := strings.Cut(rest, ".")
	if !ok || (of != "*" && of != typ) {
		return false
	}
	switch rights {
	case "*":
		return true
	case "read":
		return letter == mayRead || letter == maySearch
	case "write":
		return letter == mayCreate || letter == mayUpdate || letter == mayDelete
	}
	return strings.Trim(rights, "cruds") == "" && strings.IndexByte(rights, letter) >= 0
}

// permit refuses an interaction that the token's scopes do not cover. People have no scopes.
func permit(caller *access.Caller, typ string, letter byte) error {
	if caller.Scopes == nil {
		return nil
	}
	for _, scope := range caller.Scopes {
		if allows(scope, typ, letter) {
			return nil
		}
	}
	if typ == "" {
		typ = "*"
	}
	return fhir.Refuse(http.StatusForbidden, "forbidden", "scope-missing", "the token's scopes do not allow system/"+typ+"."+string(letter), "令牌没有这项权限")
}

// readScope is whose records, and of which types, a caller may read.
func readScope(caller *access.Caller) search.Scope {
	scope := caller.Scope
	if caller.Scopes == nil || slices.ContainsFunc(caller.Scopes, func(s string) bool { return allows(s, "*", mayRead) || allows(s, "*", maySearch) }) {
		return scope
	}
	types := []string{}
	for _, t := range spec.Types() {
		readable := slices.ContainsFunc(caller.Scopes, func(s string) bool { return allows(s, t, mayRead) || allows(s, t, maySearch) })
		if readable && (scope.Types == nil || slices.Contains(scope.Types, t)) {
			types = append(types, t)
		}
	}
	scope.Types = types
	return scope
}

// mayChange refuses a change of what belongs to somebody else: the registers are kept by administrators and programs,
// and a record is changed by the organisation that made it.
func mayChange(caller *access.Caller, typ, id, custodian string, exists bool) error {
	if caller.Scope.All {
		return nil
	}
	if slices.Contains(search.Shared, typ) && caller.Role != access.Administrator && caller.Role != access.Program {
		return fhir.Refuse(http.StatusForbidden, "forbidden", "register-admin-only", typ+" is part of the network's registers; administrators change it", "该内容属于公共目录，仅管理员可以修改")
	}
	if !exists || (custodian != "" && slices.Contains(caller.Scope.Parties, custodian)) {
		return nil
	}
	if typ == "Organization" && slices.Contains(caller.Scope.Parties, "Organization/"+id) {
		return nil
	}
	return fhir.Refuse(http.StatusForbidden, "forbidden", "not-custodian", "only the organisation that made this record changes it", "只有建立该记录的机构可以修改")
}

// checkTree keeps organisations from being hung where the caller has no say: beneath whom one sits decides who sees one's patients.
func checkTree(caller *access.Caller, n *fhir.Node) error {
	if caller.Scope.All || n == nil || n.Type() != "Organization" {
		return nil
	}
	if !slices.Contains(caller.Scope.Parties, n.Str("partOf.reference")) {
		return fhir.Refuse(http.StatusForbidden, "forbidden", "organization-place", "an organisation is placed beneath one's own (partOf)", "只能在本机构之下建立机构（partOf）")
	}
	return nil
}
