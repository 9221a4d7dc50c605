package referral

import (
	"fmt"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
)

const (
	// AvailableMedicine on an Organization, repeated: a generic name that it keeps in stock. Where a place says nothing, the one above it speaks for it.
	availableMedicine = spec.Canonical + "/StructureDefinition/available-medicine"
	// availableThere on a plan's medicine: whether the receiver keeps it.
	availableThere = spec.Canonical + "/StructureDefinition/available-there"
)

// shelf are the medicines that a place keeps, by their generic names; nil where nobody has said.
func shelf(c line.Call, organization string) (names []string) {
	for i := 0; i < 4 && organization != ""; i++ {
		n := c.Read.Get(organization)
		for _, x := range n.All("extension") {
			if x.Str("url") == availableMedicine {
				names = append(names, x.Str("valueString"))
			}
		}
		if names != nil {
			return names
		}
		organization = n.Str("partOf.reference")
	}
	return nil
}

// kept says whether a medicine as the doctor wrote it, "阿司匹林 100mg 每日一次", is on the shelf.
func kept(medicine string, shelf []string) bool {
	for _, name := range shelf {
		if name != "" && strings.Contains(strings.ToLower(medicine), strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// missing are the plan's medicines that the receiver does not keep, in the plan's order; none where nobody knows his shelf.
func missing(c line.Call, to string) (names []string) {
	on := shelf(c, to)
	if on == nil {
		return nil
	}
	for _, m := range c.Params.All("medicines") {
		if !kept(m, on) {
			names = append(names, m)
		}
	}
	return names
}

// A medicine that the patient cannot get at home is no plan: the sender says what instead, in the same order.
func needsMedicinesThere(c line.Call) error {
	gone := missing(c, downTarget(c))
	if said := len(c.Params.All("instead")); said < len(gone) {
		e := fhir.Refuse(422, "business-rule", "needs-instead", fmt.Sprintf("not kept there: %s; say for each what instead, in this order", strings.Join(gone, "; ")),
			fmt.Sprintf("承接机构没有：%s。请逐一填写如何解决（替代药、带足药量、双通道药店等）", strings.Join(gone, "；")))
		e.Issues[0].Expression = "Parameters.parameter.where(name='instead')"
		return e
	}
	return nil
}

// addMedicines writes the plan's medicines, and of each that the receiver does not keep what instead.
func addMedicines(c line.Call, plan *fhir.Node, to string) {
	on, instead := shelf(c, to), c.Params.All("instead")
	for _, m := range c.Params.All("medicines") {
		detail := fhir.Obj{"kind", "MedicationRequest", "code", fhir.Concept(requestSystem, "medicine", "用药"), "status", "in-progress", "description", m}
		if on != nil {
			there := kept(m, on)
			detail = append(fhir.Obj{"extension", fhir.Arr{fhir.Obj{"url", availableThere, "valueBoolean", there}}}, detail...)
			if !there && len(instead) > 0 {
				detail[len(detail)-1] = m + "（当地无此药：" + instead[0] + "）"
				instead = instead[1:]
			}
		}
		plan.Add("activity", fhir.Obj{"detail", detail})
	}
}
