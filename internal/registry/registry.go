// Package registry knows the institutions and people of the network: who is licensed for what, who heads what, who may do which act where and until when.
package registry

import (
	"context"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Systems of identifiers and codes, and addresses of extensions, that are our own.
const (
	CreditCode      = spec.Canonical + "/sid/social-credit-code"         // 统一社会信用代码, GB 32100
	InstitutionCode = spec.Canonical + "/sid/institution-code"           // 医疗机构执业许可证登记号, 22 characters
	InsuranceCode   = spec.Canonical + "/sid/insurance-institution-code" // 医保定点机构代码, H and 11 digits
	DepartmentCode  = spec.Canonical + "/sid/department-code"
	StaffNumber     = spec.Canonical + "/sid/staff-number"
	LicenceNumber   = spec.Canonical + "/sid/licence-number"

	LicenceKind = spec.Canonical + "/CodeSystem/licence-kind"
	PostSystem  = spec.Canonical + "/CodeSystem/post"
	RoleSystem  = spec.Canonical + "/CodeSystem/role" // of logins: what a person does in the program
	Capability  = spec.Canonical + "/CodeSystem/capability"
	Department  = spec.Canonical + "/CodeSystem/department"

	LevelOf       = spec.Canonical + "/StructureDefinition/institution-level" // Organization: part in the network
	GradeOf       = spec.Canonical + "/StructureDefinition/hospital-grade"    // Organization: 三甲 …
	AreaOf        = spec.Canonical + "/StructureDefinition/area-code"         // Organization: GB/T 2260 or the longer codes of the bureau of statistics
	PlaceOf       = spec.Canonical + "/StructureDefinition/licence-place"     // Practitioner.qualification: where it is registered
	ScopeOf       = spec.Canonical + "/StructureDefinition/licence-scope"     // Practitioner.qualification: 执业范围
	SuspendedOf   = spec.Canonical + "/StructureDefinition/licence-suspended" // Practitioner.qualification: true while it is suspended
	BasisOf       = spec.Canonical + "/StructureDefinition/practice-basis"    // PractitionerRole: on which basis somebody registered elsewhere works here
	RightOf       = spec.Canonical + "/StructureDefinition/granted-right"     // PractitionerRole: a right granted by this institution, with its period
	StandsForOf   = spec.Canonical + "/StructureDefinition/stands-for"        // PractitionerRole: whose duties a substitute takes
	ServicePeriod = spec.Canonical + "/StructureDefinition/service-period"    // HealthcareService: from when until when
)

// Tree is what this room asks of the tree of organisations.
type Tree interface {
	Institution(org string) string
	Within(org, top string) bool
	Name(org string) string
	Standing(ctx context.Context, org string) string // itself, or what stands above an organisation that is new in this unit
}

// Room answers the questions of the registry.
type Room struct {
	Tree  Tree
	Zone  *time.Location                  // of dates without one; nil = Asia/Shanghai
	Legal func(org string) string         // the legal person to which an organisation belongs; nil = its institution
	Level func(institution string) string // its part in the network: township, village, …; nil = unknown
	Above func(org string) string         // the organisation above; nil = none

	// Agreed refuses what one institution may not ask of another for want of an agreement; nil = all is agreed.
	Agreed func(ctx context.Context, tx *store.Tx, from, to, service string) error
}

var shanghai = time.FixedZone("CST", 8*3600)

func (r *Room) zone() *time.Location {
	if r.Zone != nil {
		return r.Zone
	}
	return shanghai
}

func (r *Room) legal(org string) string {
	if r.Legal != nil {
		return r.Legal(org)
	}
	return r.Tree.Institution(org)
}

func (r *Room) level(institution string) string {
	if r.Level == nil {
		return ""
	}
	return r.Level(institution)
}

// covers says whether a registration at place holds at org: within it, or at a unit of the same legal person.
func (r *Room) covers(place, org string) bool {
	return place != "" && org != "" && (r.Tree.Within(org, place) || r.legal(place) == r.legal(org))
}
