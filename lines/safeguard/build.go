package safeguard

import (
	_ "embed"
	"encoding/json"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
)

//go:embed law.json
var raw []byte

var law = func() (d struct{ Duty struct{ Zh, En string } }) {
	if err := json.Unmarshal(raw, &d); err != nil {
		panic("safeguard: " + err.Error())
	}
	return d
}()

const requestSystem = spec.Canonical + "/CodeSystem/safeguard"

var build = map[string]line.Builder{
	"suspect":      suspect,
	"report-abuse": say("authority", "station", "number", "phone"),
	"answer-abuse": say("answer", "measure"),
	"close":        finish("completed", "outcome"),
	"unfounded":    finish("revoked", "reason"),
	"observe":      say("signs"),
}

// guard labels what tells of a suspicion: sensitive as abuse (v3-ActCode SDV), opened for the safeguarding duty alone.
func guard(n *fhir.Node) {
	n.Set("meta.security", fhir.Arr{
		fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "SDV", "sexual assault, abuse, or domestic violence information sensitivity"),
		fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "V", "very restricted")})
}

// suspect writes a report whose words stand in the Task and its request alone.
func suspect(c line.Call, ch *line.Change) {
	who := fhir.Ref(c.Params.Str("patient"), "")
	home := fhir.Ref(c.By.Institution, c.Read.Get(c.By.Institution).Str("name"))
	by := home
	if c.By.Practitioner != "" {
		by = fhir.Ref(c.By.Practitioner, c.By.Name)
	}
	form := c.Flow.Form("suspect")
	kind := form.Option("kind", c.Params.Str("kind")).Zh
	group := fhir.Obj{"system", line.RequisitionSystem, "value", ch.ID()}
	focus := fhir.Ref("ServiceRequest/"+ch.Request.ID(), "")
	for _, x := range []struct {
		path  string
		value any
	}{{"requisition", group}, {"status", "active"}, {"intent", "order"}, {"priority", line.Priority(c.Urgency)}, {"code", fhir.Concept(requestSystem, c.Params.Str("kind"), kind)}, {"subject", who},
		{"authoredOn", line.Stamp(c.Now)}, {"requester", by}, {"performer", fhir.Arr{home}}, {"reasonCode", fhir.Arr{fhir.TextConcept(law.Duty.Zh)}}} {
		ch.Request.Set(x.path, x.value)
	}
	guard(ch.Request)
	t := ch.Task
	t.Set("basedOn", fhir.Arr{focus}).Set("groupIdentifier", group).Set("description", "强制报告："+kind).Set("focus", focus).Set("for", who).Set("requester", home).Set("owner", home)
	for _, name := range []string{"signs", "suspected"} {
		f, _ := form.Field(name)
		line.Say(t, "input", name, f.Label.Zh, "valueString", c.Params.Str(name))
	}
	if c.Params.Is("danger") {
		line.Say(t, "input", "danger", "患者仍处于危险之中", "valueBoolean", true)
	}
	if c.By.Practitioner != "" {
		line.Say(t, "input", "reporter", "报告人", "valueReference", by)
	}
	guard(t)
}

func say(fields ...string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		form := c.Flow.Form(c.Step.Do)
		var words []string
		for _, name := range fields {
			f, _ := form.Field(name)
			v := c.Params.Str(name)
			if v == "" {
				continue
			}
			if f.Type == "choice" {
				v = form.Option(name, v).Zh
			}
			line.Say(ch.Task, "output", name, f.Label.Zh, "valueString", v)
			words = append(words, v)
		}
		if n := c.Params.Str("note"); n != "" {
			words = append(words, n)
		}
		ch.Note = strings.Join(words, "；")
	}
}

func finish(status, field string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		say(field)(c, ch)
		ch.Request.Set("status", status)
	}
}
