package unknown

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
)

//go:embed law.json
var raw []byte

var law = func() (d struct{ Consent, Fund struct{ Code, Zh, En string } }) {
	if err := json.Unmarshal(raw, &d); err != nil {
		panic("unknown: " + err.Error())
	}
	return d
}()

const (
	requestSystem = spec.Canonical + "/CodeSystem/unknown-person"
	// TemporaryID is the identifier of who has no name yet: 无名氏-20261120-1.
	TemporaryID = spec.Canonical + "/sid/unknown-person"
	residentID  = spec.Canonical + "/sid/resident-id"
	number      = "unknown-number"
)

var identifyBuild = map[string]line.Builder{
	"admit":         admit,
	"report-police": say("police", "number", "phone"),
	"authorise":     authorise,
	"remark":        say("note"),
	"identify":      identified,
	"give-up":       then(say("reason"), finish("revoked")),
}

var fundBuild = map[string]line.Builder{
	"apply":        say("number", "amount"),
	"paid":         say("amount"),
	"fund-refused": say("reason"),
	"not-needed":   say("reason"),
}

func then(steps ...line.Builder) line.Builder {
	return func(c line.Call, ch *line.Change) {
		for _, s := range steps {
			s(c, ch)
		}
	}
}

func finish(status string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		if ch.Request != nil {
			ch.Request.Set("status", status)
		}
	}
}

// say keeps answers as outputs of the Task and in the history.
func say(fields ...string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		form := c.Flow.Form(c.Step.Do)
		var words []string
		for _, name := range fields {
			f, _ := form.Field(name)
			if v := c.Params.Str(name); v != "" {
				if name != "note" {
					line.Unsay(ch.Task, "output", name)
					line.Say(ch.Task, "output", name, f.Label.Zh, "valueString", v)
				}
				words = append(words, v)
			}
		}
		if n := c.Params.Str("note"); n != "" && len(fields) > 0 && fields[0] != "note" {
			words = append(words, n)
		}
		ch.Note = strings.Join(words, "；")
	}
}

// next is the first number of the day that nobody has.
func next(c line.Call) (key string) {
	date := c.Now.In(line.Zone()).Format("20060102")
	for n := 1; n < 10000; n++ {
		if key = fmt.Sprintf("%s-%d", date, n); c.Read.Holder(number, key) == "" {
			break
		}
	}
	return key
}

// admit makes the patient, the Consent of the authorised head, and the two errands.
func admit(c line.Call, ch *line.Change) {
	key := next(c)
	called := "无名氏-" + key
	home := fhir.Ref(c.By.Institution, c.Read.Get(c.By.Institution).Str("name"))
	p := fhir.New("Patient", "identifier", fhir.Arr{fhir.Obj{"use", "temp", "system", TemporaryID, "value", called}}, "active", true,
		"name", fhir.Arr{fhir.Obj{"use", "temp", "text", called}}, "gender", "unknown", "managingOrganization", home)
	if sex := c.Params.Str("sex"); sex != "" {
		p.Set("gender", sex)
	}
	if age, err := strconv.Atoi(c.Params.Str("age")); err == nil {
		p.Set("birthDate", strconv.Itoa(c.Now.In(line.Zone()).Year()-age))
	}
	patient := ch.Create(p)
	who := fhir.Ref(patient, called)
	ch.Claims = append(ch.Claims, line.Claim{Kind: number, Key: key, Holder: patient})

	group := fhir.Obj{"system", line.RequisitionSystem, "value", ch.ID()}
	focus := fhir.Ref("ServiceRequest/"+ch.Request.ID(), "")
	by := home
	if c.By.Practitioner != "" {
		by = fhir.Ref(c.By.Practitioner, c.By.Name)
	}
	for _, x := range []struct {
		path  string
		value any
	}{{"requisition", group}, {"status", "active"}, {"intent", "order"}, {"priority", line.Priority(c.Urgency)}, {"code", fhir.Concept(requestSystem, "identify", "身份查明")}, {"subject", who},
		{"authoredOn", line.Stamp(c.Now)}, {"requester", by}, {"performer", fhir.Arr{home}}} {
		ch.Request.Set(x.path, x.value)
	}
	task := func(t *fhir.Node, words string) *fhir.Node {
		return t.Set("basedOn", fhir.Arr{focus}).Set("groupIdentifier", group).Set("description", words).Set("focus", focus).Set("for", who).Set("requester", home).Set("owner", home)
	}
	task(ch.Task, called+"：查明身份")
	for _, f := range identifyForms["admit"].Fields {
		switch v := c.Params.Str(f.Name); {
		case f.Name == "urgency" || f.Name == "sex":
		case f.Type == "datetime":
			line.Say(ch.Task, "input", f.Name, f.Label.Zh, "valueDateTime", v)
		default:
			line.Say(ch.Task, "input", f.Name, f.Label.Zh, "valueString", v)
		}
	}
	line.Say(ch.Task, "input", "consent-record", "负责人批准", "valueReference", fhir.Ref(ch.Create(consentOf(c, who, home)), law.Consent.Zh))
	errand := task(fhir.New("Task"), called+"：申请"+law.Fund.Zh)
	errand.Set("priority", "routine")
	line.Say(errand, "input", "case", "无名氏", "valueReference", fhir.Ref("Task/"+ch.Task.ID(), ""))
	ch.Begin(line.Next{Flow: "emergency-fund", Do: "open-fund", State: ToApply, Task: errand})
	ch.Note = called
}

// consentOf is proposed until the authorised head is named; care does not wait for it.
func consentOf(c line.Call, who, home fhir.Obj) *fhir.Node {
	n := fhir.New("Consent", "status", "proposed", "scope", fhir.Concept("http://terminology.hl7.org/CodeSystem/consentscope", "treatment", "Treatment"),
		"category", fhir.Arr{fhir.Concept(spec.Canonical+"/CodeSystem/consent-category", "authorised-head", "负责人批准")}, "patient", who, "dateTime", line.Stamp(c.Now),
		"performer", fhir.Arr{home}, "organization", fhir.Arr{home}, "policyRule", fhir.Concept(spec.Canonical+"/CodeSystem/consent-basis", law.Consent.Code, law.Consent.Zh))
	authorised(n, c)
	return n
}

func authorised(n *fhir.Node, c line.Call) {
	head := c.Params.Str("authorised-by")
	if head == "" {
		return
	}
	n.Set("status", "active").Set("extension", fhir.Arr{fhir.Obj{"url", spec.Canonical + "/StructureDefinition/authorised-by", "valueString", head},
		fhir.Obj{"url", spec.Canonical + "/StructureDefinition/recorded-by", "valueString", c.By.Name}})
	n.Set("verification", fhir.Arr{fhir.Obj{"verified", true, "verificationDate", line.Stamp(c.Now)}})
}

func authorise(c line.Call, ch *line.Change) {
	if n := c.Read.Get(line.FactText(c.Task, "consent-record")); n != nil {
		n = n.Copy()
		authorised(n, c)
		ch.Update(n)
	}
	say("authorised-by", "scope")(c, ch)
}

// identified joins the temporary record to the person's own, or completes it; whatever was written stays where it is.
func identified(c line.Call, ch *line.Change) {
	temp := c.Read.Get(c.Task.Str("for.reference")).Copy()
	if person := c.Params.Str("person"); person != "" {
		temp.Set("active", false).Set("link", fhir.Arr{fhir.Obj{"other", fhir.Ref(person, ""), "type", "replaced-by"}})
		line.Say(ch.Task, "output", "person", "本人档案", "valueReference", fhir.Ref(person, ""))
	} else {
		name := c.Params.Str("name")
		names := fhir.Arr{fhir.Obj{"use", "official", "text", name}}
		for _, old := range temp.All("name") {
			names = append(names, old.Copy().Set("use", "old"))
		}
		temp.Set("name", names)
		if born := c.Params.Str("birth-date"); born != "" {
			temp.Set("birthDate", born)
		}
		if id := c.Params.Str("id-number"); id != "" {
			temp.Add("identifier", fhir.Obj{"use", "official", "system", residentID, "value", id})
		}
	}
	ch.Update(temp)
	ch.Note = c.Params.Str("note")
	finish("completed")(c, ch)
}
