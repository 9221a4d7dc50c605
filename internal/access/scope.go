package access

import (
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// RoleNames says what the roles are called.
var RoleNames = map[Role]struct{ Zh, En string }{
	ReferringDoctor: {"转诊医生", "Referring doctor"},
	ReferralOffice:  {"转诊办", "Referral office"},
	ReceivingDoctor: {"接诊医生", "Receiving doctor"},
	MedicalAffairs:  {"医务处", "Medical affairs"},
	InsuranceOffice: {"医保办", "Insurance office"},
	Leader:          {"院领导", "Leader"},
	Administrator:   {"管理员", "Administrator"},
	Auditor:         {"审计员", "Auditor"},
	Program:         {"程序", "Program"},
}

// SeesPatients says whether a role reads patient records at all: who runs the system or audits it does not.
func SeesPatients(r Role) bool {
	_, known := RoleNames[r]
	return known && r != Administrator && r != Auditor
}

// Settle fills Institution and Scope from Role, Org and Scopes by the tree as it is now.
func (t *Tree) Settle(c *Caller) {
	c.Scope = search.Scope{}
	if c.Org != "" {
		c.Institution = t.Institution(c.Org)
	}
	switch {
	case c.Role == Program && c.Org == "":
		c.Scope.All = true
	case c.Role == Program || SeesPatients(c.Role):
		c.Scope.Parties = t.Below(c.Institution)
	}
	if c.Role == Program {
		c.Scope.Types = ReadableTypes(c.Scopes)
	}
	t.letHandle(c)
}

// ReadableTypes lists the types that SMART scopes let a program read; nil = all of them.
func ReadableTypes(scopes []string) []string {
	types := []string{}
	for _, s := range scopes {
		typ, letters, ok := ParseScope(s)
		if !ok || !strings.ContainsAny(letters, "rs") {
			continue
		}
		if typ == "*" {
			return nil
		}
		if !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	return types
}

// ParseScope reads a SMART v2 scope such as system/Observation.rs, or a v1 one (.read, .write, .*),
// into the type and the letters of c r u d s. Scopes with a query part are not understood, so give nothing.
func ParseScope(s string) (typ, letters string, ok bool) {
	_, rest, ok := strings.Cut(s, "/")
	if !ok {
		return "", "", false
	}
	typ, letters, ok = strings.Cut(rest, ".")
	switch letters {
	case "read":
		letters = "rs"
	case "write":
		letters = "cud"
	case "*":
		letters = "cruds"
	}
	if !ok || typ == "" || letters == "" || strings.Trim(letters, "cruds") != "" {
		return "", "", false
	}
	return typ, letters, true
}

// May says whether the caller may do one of c r u d s to resources of a type, before any look at
// whose they are. People: registers are written by administrators, patient data by those who see it.
func (c *Caller) May(letter byte, typ string) error {
	allowed := false
	switch {
	case c.Role == Program:
		allowed = c.granted(letter, typ)
	case c.Delegated() && (!c.granted(letter, typ) || slices.Contains(never, typ)):
	case letter == 'r' || letter == 's':
		allowed = true // the scope decides whose
	case slices.Contains(search.Shared, typ):
		allowed = c.Role == Administrator
	default:
		allowed = SeesPatients(c.Role)
	}
	if allowed {
		return nil
	}
	return fhir.Refuse(403, "forbidden", "not-allowed", "your role may not do this to a "+typ, "您的角色无权对该类资料（"+typ+"）进行此操作")
}
