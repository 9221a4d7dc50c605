package bedpool

import (
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
)

const (
	requestSystem = spec.Canonical + "/CodeSystem/bedpool"
	actSystem     = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	icd10         = "http://hl7.org/fhir/sid/icd-10"
	// responsibleTeam on an Encounter is the medical team, which a lent bed never changes.
	responsibleTeam = spec.Canonical + "/StructureDefinition/responsible-team"
)

// Facts of a Task that speak of what it comes from and leads to.
const (
	orderFact       = "admission-order" // output: the admission order (住院证)
	stayFact        = "stay"            // output of an admission: the stay that it led to
	admissionFact   = "admission"       // input of a stay: the admission or referral by which the patient came
	transferFact    = "transfer-of"     // input of an admission: the stay of a patient who waits for another bed
	encounterFact   = "encounter"
	observationFact = "observation" // input: from where he comes
	preparationFact = "preadmission"
)

func then(steps ...line.Builder) line.Builder {
	return func(c line.Call, ch *line.Change) {
		for _, s := range steps {
			s(c, ch)
		}
	}
}

// say keeps answers of the form as outputs of the Task, the last of each, and what was chosen in the history.
func say(fields ...string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		form := c.Flow.Form(c.Step.Do)
		var words []string
		for _, name := range fields {
			f, ok := form.Field(name)
			if !ok || !c.Params.Has(name) {
				continue
			}
			line.Unsay(ch.Task, "output", name)
			v := c.Params.Str(name)
			switch f.Type {
			case "choice":
				o := form.Option(name, v)
				line.Say(ch.Task, "output", name, f.Label.Zh, "valueCodeableConcept", fhir.Concept(requestSystem, v, o.Zh))
				words = append(words, o.Zh)
			case "datetime":
				line.Say(ch.Task, "output", name, f.Label.Zh, "valueDateTime", line.Stamp(c.Params.Time(name)))
				words = append(words, c.Params.Time(name).In(line.Zone()).Format("01-02 15:04"))
			case "task":
				line.Say(ch.Task, "output", name, f.Label.Zh, "valueReference", fhir.Ref(v, ""))
			default:
				line.Say(ch.Task, "output", name, f.Label.Zh, "valueString", v)
				words = append(words, v)
			}
		}
		if n := c.Params.Str("note"); n != "" {
			words = append(words, n)
		}
		if words != nil {
			ch.Note = strings.Join(words, "；")
		}
	}
}

func keepNote(c line.Call, ch *line.Change) { say()(c, ch) }

// finish closes the request with the Task.
func finish(status string) line.Builder {
	return func(_ line.Call, ch *line.Change) {
		if ch.Request != nil {
			ch.Request.Set("status", status)
		}
	}
}

func named(c line.Call, ref string) fhir.Obj { return fhir.Ref(ref, c.Read.Get(ref).Str("name")) }

// speaker is the person who asks, else his hospital.
func speaker(c line.Call) fhir.Obj {
	if c.By.Practitioner != "" {
		return fhir.Ref(c.By.Practitioner, c.By.Name)
	}
	return named(c, c.By.Institution)
}

// compose makes request and Task of one hospital about a patient.
func compose(c line.Call, request, task *fhir.Node, code, zh, group string, who *fhir.Node) {
	home := named(c, c.By.Institution)
	requisition := fhir.Obj{"system", line.RequisitionSystem, "value", group}
	focus := fhir.Ref("ServiceRequest/"+request.ID(), "")
	for _, x := range []struct {
		path  string
		value any
	}{{"requisition", requisition}, {"status", "active"}, {"intent", "order"}, {"priority", line.Priority(c.Urgency)}, {"code", fhir.Concept(requestSystem, code, zh)}, {"subject", who},
		{"authoredOn", line.Stamp(c.Now)}, {"requester", speaker(c)}, {"performer", fhir.Arr{home}}} {
		request.Set(x.path, x.value)
	}
	task.Set("basedOn", fhir.Arr{focus}).Set("groupIdentifier", requisition).Set("priority", line.Priority(c.Urgency)).Set("focus", focus).Set("for", who.Copy()).Set("requester", home).Set("owner", home)
	if r := c.Params.Str("reason"); r != "" {
		request.Set("reasonCode[0].text", r)
		task.Set("description", r)
	}
	if v := c.Params.Values("diagnosis"); len(v) > 0 {
		switch {
		case v[0].Kind == fhir.String:
			request.Set("reasonCode[0].coding", fhir.Arr{fhir.Coding(icd10, v[0].Text, "")})
		case v[0].Get("coding") != nil:
			request.Set("reasonCode[0].coding", v[0].Get("coding").Copy())
		default:
			request.Set("reasonCode[0].coding", fhir.Arr{v[0].Copy()})
		}
	}
	address(c, task, responsible(c))
}

// address says which department is responsible.
func address(c line.Call, task *fhir.Node, department string) {
	if department == "" {
		return
	}
	n := c.Read.Get(department)
	name := n.Str("alias[0]")
	if name == "" {
		name = n.Str("name")
	}
	line.SetDepartment(task, department, name)
	line.Unsay(task, "input", "department")
	line.Say(task, "input", "department", "主管科室", "valueString", name)
}

// keepWants writes team, ward, kind and what is needed of a bed into a Task; what the form leaves out stays.
func keepWants(c line.Call, ch *line.Change) {
	for _, x := range []struct{ name, zh, value string }{{"team", "医疗组", "valueReference"}, {"ward", "本病区", "valueReference"}, {"kind", "专科保护", "valueString"}, {"source", "来源", "valueString"}} {
		v := c.Params.Str(x.name)
		if v == "" {
			continue
		}
		line.Unsay(ch.Task, "input", x.name)
		if x.value == "valueReference" {
			line.Say(ch.Task, "input", x.name, x.zh, x.value, fhir.Ref(v, c.Read.Get(v).Str("name")))
		} else {
			line.Say(ch.Task, "input", x.name, x.zh, x.value, v)
		}
	}
	if p := c.Params.Str("pathway"); p != "" {
		line.Unsay(ch.Task, "input", "urgency")
		line.Say(ch.Task, "input", "urgency", "诊疗路径", "valueString", p)
	}
	hold.KeepNeeds(c, ch)
}

// opened is when a case began.
func opened(task *fhir.Node) time.Time {
	t, _ := time.Parse(time.RFC3339, task.Str("authoredOn"))
	return t
}

func timeOf(task *fhir.Node, fact string) time.Time {
	t, _ := time.Parse(time.RFC3339, line.FactText(task, fact))
	return t
}

// dueOf is the end of a Task's state as it stands.
func dueOf(task *fhir.Node) time.Time {
	t, _ := time.Parse(time.RFC3339, task.Str("restriction.period.end"))
	return t
}

// fen reads an amount of yuan with at most two decimals.
func fen(amount string) (int64, bool) {
	yuan, cents, dotted := strings.Cut(amount, ".")
	if len(cents) > 2 || dotted && cents == "" || len(yuan) == 0 || len(yuan) > 9 || strings.Trim(yuan+cents, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(yuan+(cents + "00")[:2], 10, 64)
	return n, err == nil
}

func yuan(fen int64) string {
	return strconv.FormatInt(fen/100, 10) + "." + string([]byte{byte('0' + fen/10%10), byte('0' + fen%10)})
}
