package countersign

import (
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
)

var build = map[string]line.Builder{
	"submit":      submit,
	"countersign": sign,
	"return":      note("reason"),
	"resubmit":    note("note"),
	"withdraw":    withdraw,
}

const requestSystem = spec.Canonical + "/CodeSystem/countersign"

func submit(c line.Call, ch *line.Change) {
	ref := c.Params.Str("record")
	of := c.Read.Get(ref)
	who := fhir.Ref(patientOf(of), of.Str("for.display")+of.Str("subject.display"))
	home := fhir.Ref(c.By.Institution, c.Read.Get(c.By.Institution).Str("name"))
	up := above(c, c.By.Institution)
	owner := fhir.Ref(up, c.Read.Get(up).Str("name"))
	by := home
	if c.By.Practitioner != "" {
		by = fhir.Ref(c.By.Practitioner, c.By.Name)
	}
	group := fhir.Obj{"system", line.RequisitionSystem, "value", ch.ID()}
	focus := fhir.Ref("ServiceRequest/"+ch.Request.ID(), "")
	what := words(of)
	for _, x := range []struct {
		path  string
		value any
	}{{"requisition", group}, {"status", "active"}, {"intent", "order"}, {"priority", line.Priority(c.Urgency)}, {"code", fhir.Concept(requestSystem, "countersign", "审签")}, {"subject", who},
		{"authoredOn", line.Stamp(c.Now)}, {"requester", by}, {"performer", fhir.Arr{owner}}, {"reasonCode", fhir.Arr{fhir.TextConcept(what)}}, {"supportingInfo", fhir.Arr{fhir.Ref(ref, what)}}} {
		ch.Request.Set(x.path, x.value)
	}
	t := ch.Task
	t.Set("basedOn", fhir.Arr{focus}).Set("groupIdentifier", group).Set("description", what).Set("focus", focus).Set("for", who).Set("requester", home).Set("owner", owner)
	line.Say(t, "input", "packet", what, "valueReference", fhir.Ref(ref, what))
	if c.By.Practitioner != "" {
		line.Say(t, "input", "submitted-by", "提交人", "valueString", c.By.Practitioner)
	}
	ch.Note = c.Params.Str("note")
	ch.Claims = append(ch.Claims, line.Claim{Kind: "countersign", Key: ref})
}

// words says what lies there to be countersigned.
func words(of *fhir.Node) string {
	switch of.Type() {
	case "Task":
		if d := of.Str("description"); d != "" {
			return "转诊：" + d
		}
		return "转诊"
	case "Composition":
		return "病历：" + of.Str("title")
	case "DocumentReference":
		return "文书：" + of.Str("description")
	case "Condition":
		return "诊断：" + of.Str("code.text")
	}
	return "就诊记录"
}

// sign keeps who confirmed it under which opinion; a document carries it, too.
func sign(c line.Call, ch *line.Change) {
	ch.Note = c.Params.Str("opinion")
	line.Say(ch.Task, "output", "countersigned-by", "审签医师", "valueReference", fhir.Ref(c.By.Practitioner, c.By.Name))
	line.Say(ch.Task, "output", "opinion", "审签意见", "valueString", ch.Note)
	ch.Request.Set("status", "completed")
	for _, v := range line.Facts(c.Task, "packet") {
		if n := c.Read.Get(v.Str("reference")); n.Type() == "Composition" && c.By.Practitioner != "" {
			n = n.Copy()
			n.Add("attester", fhir.Obj{"mode", "professional", "time", line.Stamp(c.Now), "party", fhir.Ref(c.By.Practitioner, c.By.Name)})
			ch.Update(n)
		}
	}
}

func note(field string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		ch.Note = c.Params.Str(field)
		line.Say(ch.Task, "output", field, c.Step.Name.Zh, "valueString", ch.Note)
	}
}

func withdraw(c line.Call, ch *line.Change) {
	note("reason")(c, ch)
	ch.Request.Set("status", "revoked")
}
