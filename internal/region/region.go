// Package region makes up a plausible region for demo, tests and simulation: hospitals, people, records and lived-in referrals.
package region

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Size says how large the region is made.
type Size struct {
	Patients  int
	Referrals int // cases over the last Days
	Days      int
	Doubles   int // patients with a second record at another hospital, as that one typed it
	Beds      int // of the centre, whose register is whole with 600; others have theirs in proportion, and none in a small region
}

// Demo is the size that the demo shows; Small serves tests and stories.
var (
	Demo  = Size{Patients: 3000, Referrals: 640, Days: 90, Doubles: 90, Beds: 600}
	Small = Size{Patients: 60, Referrals: 24, Days: 14, Beds: 24}
)

// Systems of identifiers and codes that are our own.
const (
	ResidentID       = spec.Canonical + "/sid/resident-id"      // GB 11643; here always on the unassigned prefix 99
	InsuranceID      = spec.Canonical + "/sid/insurance-id"     // 医保个人编号
	InstitutionID    = spec.Canonical + "/sid/institution-code" // 医疗机构登记号
	StaffID          = spec.Canonical + "/sid/staff-number"
	RecordID         = spec.Canonical + "/sid/record-number" // 病案号, per institution
	Level            = spec.Canonical + "/CodeSystem/institution-level"
	Department       = spec.Canonical + "/CodeSystem/department"
	ClinicalICD      = spec.Canonical + "/CodeSystem/icd-10-clinical" // ICD-10 国家临床版 2.0
	roleSystem       = spec.Canonical + "/CodeSystem/role"
	InsuranceKind    = spec.Canonical + "/CodeSystem/insurance-type"
	InstitutionLevel = spec.Canonical + "/StructureDefinition/institution-level"
	BedsNow          = spec.Canonical + "/StructureDefinition/beds-now"
	BedsPlanned      = spec.Canonical + "/StructureDefinition/beds-planned"
	InsuredPlace     = spec.Canonical + "/StructureDefinition/insured-place"
	InsuredKind      = spec.Canonical + "/StructureDefinition/insured-type"
	icd10            = "http://hl7.org/fhir/sid/icd-10"
	loinc            = "http://loinc.org"
	ucum             = "http://unitsofmeasure.org"
	organizationHL   = "http://terminology.hl7.org/CodeSystem/organization-type"
)

// Record is one resource and the organisation that keeps it.
type Record struct {
	Node      *fhir.Node
	Custodian string // "Organization/…"
}

// Region is the whole made-up region as values; the same seed, size and present give the same bytes.
type Region struct {
	Seed    uint64
	Size    Size
	Present time.Time // the moment at which the region's history ends

	Institutions []*Institution
	Staff        []*Person
	Patients     []*Patient
	Accounts     []Account

	byID map[string]*Institution
}

// Zone is the region's local time.
var Zone = time.FixedZone("CST", 8*3600)

// New makes the region whose history ends at present.
func New(seed uint64, size Size, present time.Time) *Region {
	r := &Region{Seed: seed, Size: size, Present: present.In(Zone).Truncate(time.Minute), byID: map[string]*Institution{}}
	r.makeNetwork()
	r.makeBeds()
	r.makeStaff()
	r.makePatients()
	return r
}

// dice gives each part of the region its own repeatable chance, so that a change in one part leaves the others as they are.
func (r *Region) dice(part string, n int) *rand.Rand {
	h := uint64(14695981039346656037)
	for i := 0; i < len(part); i++ {
		h = (h ^ uint64(part[i])) * 1099511628211
	}
	return rand.New(rand.NewPCG(r.Seed, h+uint64(n)*0x9E3779B97F4A7C15))
}

// Institution returns one by its id, nil when there is none.
func (r *Region) Institution(id string) *Institution { return r.byID[id] }

// Registers calls visit with the shared registers in an order in which every reference points back.
func (r *Region) Registers(visit func(Record) error) error {
	for _, in := range r.Institutions {
		for _, n := range in.resources() {
			if err := visit(Record{n, in.Ref()}); err != nil {
				return err
			}
		}
	}
	for _, p := range r.Staff {
		for _, n := range p.resources(r.Present) {
			if err := visit(Record{n, p.At.Ref()}); err != nil {
				return err
			}
		}
	}
	for _, rec := range r.posts() {
		if err := visit(rec); err != nil {
			return err
		}
	}
	return nil
}

// Records calls visit with every patient and then that patient's record, patient by patient.
func (r *Region) Records(visit func(patient *Patient, records []Record) error) error {
	for _, p := range r.Patients {
		if err := visit(p, r.recordsOf(p)); err != nil {
			return err
		}
	}
	for _, p := range r.doubles() {
		if err := visit(p, r.recordsOf(p)); err != nil {
			return err
		}
	}
	return nil
}

func pick[T any](d *rand.Rand, from []T) T { return from[d.IntN(len(from))] }

func chance(d *rand.Rand, share float64) bool { return d.Float64() < share }

func ref(to, display string) fhir.Obj { return fhir.Obj{"reference", to, "display", display} }

func coding(system, code, display string) fhir.Obj {
	return fhir.Obj{"system", system, "code", code, "display", display}
}

func concept(system, code, display string) fhir.Obj {
	return fhir.Obj{"coding", fhir.Arr{coding(system, code, display)}, "text", display}
}

func instant(t time.Time) string { return t.In(Zone).Format("2006-01-02T15:04:05+08:00") }

func day(t time.Time) string { return t.In(Zone).Format(time.DateOnly) }

func decimal(text string) *fhir.Node { return &fhir.Node{Kind: fhir.Number, Text: text} }

func number(format string, v any) *fhir.Node { return decimal(fmt.Sprintf(format, v)) }

// Keep leaves only the institutions named, with their people and patients; tests take a corner of the region.
func (r *Region) Keep(ids ...string) *Region {
	keep := map[*Institution]bool{}
	for _, id := range ids {
		keep[r.byID[id]] = true
	}
	r.Institutions = slices.DeleteFunc(r.Institutions, func(in *Institution) bool { return !keep[in] })
	r.Staff = slices.DeleteFunc(r.Staff, func(p *Person) bool { return !keep[p.At] })
	r.Patients = slices.DeleteFunc(r.Patients, func(p *Patient) bool { return !keep[p.Home] })
	r.Accounts = slices.DeleteFunc(r.Accounts, func(a Account) bool { return !keep[a.Person.At] })
	return r
}
