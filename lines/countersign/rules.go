package countersign

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

var rules = map[string][]line.Rule{
	"submit":      {needsRecord, needsSomebodyAbove},
	"countersign": {needsAnother},
}

// countersignable are the kinds of record that a person writes by hand.
var countersignable = []string{"Task/", "Composition/", "Encounter/", "DocumentReference/", "Condition/"}

// What is countersigned is there, seen by who asks, and about a patient.
func needsRecord(c line.Call) error {
	ref := c.Params.Str("record")
	for _, kind := range countersignable {
		if strings.HasPrefix(ref, kind) && patientOf(c.Read.Get(ref)) != "" {
			return nil
		}
	}
	return fhir.Refuse(422, "not-found", "unknown-record", "no such record or referral, or not visible to you", "找不到该记录或转诊，或您无权查看")
}

// Without an institution above there is nobody to countersign.
func needsSomebodyAbove(c line.Call) error {
	if above(c, c.By.Institution) != c.By.Institution {
		return nil
	}
	return fhir.Refuse(422, "business-rule", "nobody-above", "no township or hospital above this place is registered", "本单位没有登记上级卫生院，无法审签，请联系管理员维护机构隶属")
}

// Nobody countersigns his own.
func needsAnother(c line.Call) error {
	if by := line.FactText(c.Task, "submitted-by"); by == "" || by != c.By.Practitioner {
		return nil
	}
	return fhir.Refuse(422, "business-rule", "own-record", "nobody countersigns what he submitted himself", "不能审签自己提交的记录")
}

func patientOf(n *fhir.Node) string {
	for _, path := range []string{"for.reference", "subject.reference", "patient.reference"} {
		if s := n.Str(path); strings.HasPrefix(s, "Patient/") {
			return s
		}
	}
	return ""
}

// above is the nearest institution over org that is no village clinic; org itself when there is none.
func above(c line.Call, org string) string {
	at := org
	for range 8 {
		at = c.Read.Get(at).Str("partOf.reference")
		if at == "" {
			return org
		}
		if in := c.Read.Institution(at); in != org && level(c.Read.Get(in)) != "village" {
			return in
		}
	}
	return org
}

func level(n *fhir.Node) string {
	for _, e := range n.All("extension") {
		if strings.HasSuffix(e.Str("url"), "/institution-level") {
			return e.Str("valueCode")
		}
	}
	return ""
}
