// Package access answers who may see and do what, about whom, until when.
package access

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Role is what a person is at an organisation.
type Role string

// The roles that code speaks of; what each may do stands in roles.json.
const (
	ReferringDoctor Role = "referring-doctor" // 转诊医生: writes and submits referrals, receives the way back
	ReferralOffice  Role = "referral-office"  // 转诊办: checks completeness, routes
	ReceivingDoctor Role = "receiving-doctor" // 接诊科室医生: accepts
	MedicalAffairs  Role = "medical-affairs"  // 医务处: approves going outward
	InsuranceOffice Role = "insurance-office" // 医保办: 备案
	Quality         Role = "quality"          // 质控办
	RecordsOffice   Role = "records"          // 病案室
	Registrar       Role = "registrar"        // 挂号与住院登记处
	Doctor          Role = "doctor"           // 医生: sends and receives
	VillageDoctor   Role = "village-doctor"   // 乡村医生
	Nurse           Role = "nurse"            // 护士
	Leader          Role = "leader"           // 院领导
	Administrator   Role = "administrator"    // 管理员
	Auditor         Role = "auditor"          // 审计员
	Program         Role = "program"          // a bearer token of another system
	Patient         Role = "patient"          // 患者本人
	Guardian        Role = "guardian"         // 监护人
)

// Caller is who asks, in which role, at which organisation.
type Caller struct {
	User         string // account id; for programs the client id
	Name         string // for the audit entry
	Practitioner string // who the person is: "Practitioner/…", of patients and guardians "Patient/…" and "RelatedPerson/…"; "" for programs
	Role         Role
	Org          string       // "Organization/…" of the role: also custodian of what is written
	Institution  string       // nearest legal institution at or above Org; parties of Tasks are institutions
	Scopes       []string     // SMART scopes of a token, e.g. system/*.rs; nil for people
	Scope        search.Scope // whose records this caller may touch
	Session      string       // for rate limits and the audit entry, never a secret
	Remote       string       // network address
	Request      string       // request id, for the audit entry
	Lang         string       // "zh" or "en"
	Purpose      string       // why: code of v3-PurposeOfUse (TREAT, ETREAT, HOPERAT, HPAYMT, PUBHLTH, PATRQT, …)
	Teams        []string     // "CareTeam/…" of which the practitioner is a member now
	Places       []string     // institutions whose cases this caller works on: worklists
	Client       string       // the SMART app that acts for the user; "" = our own page
	Strong       bool         // the session has shown a second factor
}

type key struct{}

// Facets of an organisation as a party of grants: who within it sees what was granted. A party without a facet sees
// the record whoever keeps it, as the custodian's own programs and duty roles do.
const (
	Care      = "#care"      // those who treat there: what their own legal person keeps of the patient
	Cases     = "#cases"     // the desks that work on its cases: referral office, medical affairs
	Emergency = "#emergency" // every clinician there, while an emergency is on its way without a department
	Results   = "#results"   // results only: recognition by agreement
	Whole     = "#whole"     // the whole record, whoever keeps it: where the agreement says so, and after break-glass

	Agreements = "#agreements" // who handles its agreements with others; no patient data

	// Network are all who work at an institution of the network, and its programs: what institutions say of themselves,
	// such as the beds that they can give. It stands without an organisation before it.
	Network = "#network"
)

// Reasoned is the party for which a further reason was given: it opens one guarded kind of one patient.
func Reasoned(party, kind string) string { return party + "!" + kind }

// With puts the caller into the context.
func With(ctx context.Context, c *Caller) context.Context { return context.WithValue(ctx, key{}, c) }

// From returns the caller, nil when nobody is logged in.
func From(ctx context.Context) *Caller {
	c, _ := ctx.Value(key{}).(*Caller)
	return c
}
