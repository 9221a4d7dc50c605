package referral

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// basis is a ground of law on which a record goes to another legal person.
type basis struct {
	Code, Zh, En, Source string
	Verified             bool
}

//go:embed consent.json
var rawConsent []byte

// law is what the rules of consent go by; every entry names its source.
var law = func() (d struct {
	Bases                []basis
	Consent              basis
	GuardianForData      struct{ Under int }
	GuardianForTreatment struct{ Under int }
	SelfSupporting       struct{ From int }
}) {
	if err := json.Unmarshal(rawConsent, &d); err != nil {
		panic("referral: " + err.Error())
	}
	return d
}()

const basisSystem = spec.Canonical + "/CodeSystem/consent-basis"

var (
	consent = hint(choice("consent", "知情同意", "Consent", option("patient", "患者本人同意", "By the patient"), option("guardian", "监护人同意", "By a guardian"), option("statutory", "依法无需同意", "None needed by law")),
		"转往其他法人单位须告知并取得单独同意；急诊和本法人内部转诊无需填写", "Another legal person needs notice and separate consent; emergencies and your own units do not")
	consentFields = []line.Field{
		consent,
		only(required(choice("consent-basis", "法定依据", "Basis of law", bases()...)), "consent", "statutory"),
		only(required(field("text", "guardian", "监护人姓名及与患者关系", "Guardian and relation")), "consent", "guardian"),
		only(field("boolean", "self-supporting", "已满 16 周岁且以自己的劳动收入为主要生活来源", "From 16, living on own income"), "consent", "patient"),
		hint(field("text", "informed-by", "告知人", "Informed by"), "不填即为办理人", "Left empty: who takes the step"),
		hidden(field("documents", "consent-document", "签字的同意书", "Signed consent")),
	}
	byChoice = hint(field("boolean", "by-choice", "患者自主选择该院（协议外）", "The patient's own choice (outside the network)"), "患者有权自主选择，不受协议限制；将如实记录", "Needs no agreement; it is recorded as such")
)

func bases() (options []line.Option) {
	for _, b := range law.Bases {
		options = append(options, line.Option{Code: b.Code, Name: flow.Name{Zh: b.Zh, En: b.En}})
	}
	return options
}

// otherLegal says whether the record leaves the legal person.
func otherLegal(c line.Call, from, to string) bool {
	return to != "" && c.Read.Legal(from) != c.Read.Legal(to)
}

// needsConsent: a transfer between legal persons needs notice and separate consent, by the guardian for who is too
// young. An emergency waits for neither; its ground of law is recorded.
func needsConsent(c line.Call) error {
	if !waits(c) || !otherLegal(c, sender(c), receiver(c)) {
		return nil
	}
	switch told(c, "consent") {
	case "":
		e := fhir.Refuse(422, "required", "needs-consent", "the record goes to another legal person: say who consented, or on which ground of law none is needed",
			"转往其他法人单位须告知患者并取得单独同意，请填写知情同意")
		e.Issues[0].Expression = "Parameters.parameter.where(name='consent')"
		return e
	case "guardian":
		if told(c, "guardian") == "" {
			return refuse("needs-guardian", "name the guardian", "请填写监护人")
		}
	case "statutory":
		if told(c, "consent-basis") == "" {
			return refuse("needs-basis", "name the ground of law", "请选择法定依据")
		}
	case "patient":
		age, known := ageOf(c.Read.Get(patientOf(c)), c.Now)
		switch {
		case known && age < law.GuardianForData.Under:
			return refuse("needs-guardian", fmt.Sprintf("under %d the guardian consents", law.GuardianForData.Under), fmt.Sprintf("未满 %d 周岁，须由监护人同意", law.GuardianForData.Under))
		case known && age < law.GuardianForTreatment.Under && !(age >= law.SelfSupporting.From && told(c, "self-supporting") == "true"):
			return refuse("needs-guardian", fmt.Sprintf("under %d the guardian consents to treatment, except who is %d and lives on own income", law.GuardianForTreatment.Under, law.SelfSupporting.From),
				fmt.Sprintf("未满 %d 周岁须由监护人同意；已满 %d 周岁并以自己劳动收入为主要生活来源的除外", law.GuardianForTreatment.Under, law.SelfSupporting.From))
		}
	}
	for _, ref := range c.Params.All("consent-document") {
		if n := c.Read.Get(ref); n == nil || subjectOf(n) != "" && subjectOf(n) != patientOf(c) {
			return refuse("unknown-document", "no such document of this patient: "+ref, "找不到该患者的这份文件")
		}
	}
	return nil
}

// told answers what the call says, or what a draft that is being submitted said; what was said on the way to
// another hospital does not count for the next.
func told(c line.Call, field string) string {
	if c.Step.Do == "redirect" || c.Step.Do == "send-back" {
		return c.Params.Str(field)
	}
	return c.Given(field)
}

func patientOf(c line.Call) string {
	if c.Task != nil {
		return c.Task.Str("for.reference")
	}
	if p := c.Params.Str("patient"); p != "" {
		return p
	}
	return upCase(c).Str("for.reference")
}

// sender is from where the record goes: who asks, or who passes the patient on.
func sender(c line.Call) string {
	if c.By.Institution != "" {
		return c.By.Institution
	}
	return c.Task.Str("requester.reference")
}

// receiver is where it goes.
func receiver(c line.Call) string {
	if c.Flow.Code == "down" && c.Task == nil || c.Step.Do == "send-back" {
		return downTarget(c)
	}
	return target(c)
}

func ageOf(patient *fhir.Node, now time.Time) (years int, known bool) {
	text := patient.Str("birthDate")
	switch len(text) { // the youngest that he may be
	case 4:
		text += "-12-31"
	case 7:
		text += "-28"
	}
	born, err := time.ParseInLocation(time.DateOnly, text, line.Zone())
	if err != nil {
		return 0, false
	}
	at := now.In(line.Zone())
	years = at.Year() - born.Year()
	if at.Month() < born.Month() || at.Month() == born.Month() && at.Day() < born.Day() {
		years--
	}
	return years, true
}

// keepConsent keeps the answers of a draft until it is submitted.
func keepConsent(c line.Call, ch *line.Change) {
	for _, g := range []struct{ name, zh string }{{"consent", "知情同意"}, {"consent-basis", "法定依据"}, {"guardian", "监护人"}, {"self-supporting", "以自己的劳动收入为主要生活来源"}, {"informed-by", "告知人"}} {
		if v := c.Params.Str(g.name); v != "" {
			line.Unsay(ch.Task, "input", g.name)
			line.Say(ch.Task, "input", g.name, g.zh, "valueString", v)
		}
	}
}

// recordConsent writes the Consent of a transfer to another legal person into a Task that begins or is submitted.
func recordConsent(c line.Call, ch *line.Change, task *fhir.Node) {
	from, to := sender(c), task.Str("owner.reference")
	if !otherLegal(c, from, to) {
		return
	}
	given := func(name string) string {
		if v := c.Params.Str(name); v != "" || c.Step.Do == "redirect" {
			return v
		}
		return line.FactText(task, name)
	}
	by, ground := given("consent"), law.Consent
	if by == "" && !waits(c) {
		by = "statutory"
		ground = law.Bases[0]
	}
	for _, b := range law.Bases {
		if by == "statutory" && b.Code == given("consent-basis") {
			ground = b
		}
	}
	who := task.Get("for")
	informer := given("informed-by")
	if informer == "" {
		informer = c.By.Name
	}
	n := fhir.New("Consent", "extension", fhir.Arr{
		fhir.Obj{"url", spec.Canonical + "/StructureDefinition/informed-by", "valueString", informer},
		fhir.Obj{"url", spec.Canonical + "/StructureDefinition/consent-by", "valueCode", by}},
		"status", "active", "scope", fhir.Concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "Privacy Consent"),
		"category", fhir.Arr{fhir.Concept(spec.Canonical+"/CodeSystem/consent-category", "transfer", "转诊资料提供")},
		"patient", who.Copy(), "dateTime", line.Stamp(c.Now))
	if g := given("guardian"); by == "guardian" && g != "" {
		n.Add("extension", fhir.Obj{"url", spec.Canonical + "/StructureDefinition/consent-guardian", "valueString", g})
	}
	if by == "patient" {
		n.Set("performer", fhir.Arr{who.Copy()})
	}
	n.Set("organization", fhir.Arr{fhir.Ref(from, c.Read.Get(from).Str("name"))})
	if doc := c.Params.Str("consent-document"); doc != "" {
		n.Set("sourceReference", fhir.Ref(doc, titleOf(c.Read.Get(doc))))
	}
	n.Set("policyRule", fhir.Concept(basisSystem, ground.Code, ground.Zh))
	if by == "patient" || by == "guardian" {
		n.Set("verification", fhir.Arr{fhir.Obj{"verified", true, "verificationDate", line.Stamp(c.Now)}})
	}
	n.Set("provision", fhir.Obj{"type", "permit",
		"actor", fhir.Arr{fhir.Obj{"role", fhir.Concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "information recipient"), "reference", task.Get("owner").Copy()}},
		"purpose", fhir.Arr{fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActReason", "TREAT", "treatment")},
		"data", fhir.Arr{fhir.Obj{"meaning", "related", "reference", task.Get("focus").Copy()}}})
	line.Unsay(task, "input", "consent-record")
	line.Say(task, "input", "consent-record", "知情同意记录", "valueReference", fhir.Ref(ch.Create(n), ground.Zh))
}
