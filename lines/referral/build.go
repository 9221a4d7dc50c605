package referral

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
)

const (
	requestSystem = spec.Canonical + "/CodeSystem/referral"
	openReferral  = "referral-open" // one open referral of a patient to a place
	openOffer     = "referral-down" // one open way back
)

// place names what may be taken once.
func place(patient, organization string) string { return patient + " > " + organization }

var upBuild = together(hold.Builders(), map[string]line.Builder{
	"draft":             composed,
	"send":              then(composed, freeze, consented, takePlace, askToFile),
	"submit":            then(complete, freeze, consented, takePlace, askToFile),
	"receive":           route,
	"route":             route,
	"accept":            then(accept, toWait),
	"decline":           then(decline, hold.Let),
	"redirect":          then(redirect, hold.Let),
	"supplement":        then(addDocuments, freeze, keepNote),
	"depart":            leave,
	"arrive":            then(arrive, bedHere),
	"admit":             then(admit, bedOrdered),
	"treat":             then(say("summary"), treat, hold.Let),
	"send-back":         then(sendBack, hold.Let),
	"close":             then(finish("completed"), hold.Let),
	"acknowledge":       finish("completed"),
	"refuse":            then(say("reason"), finish("revoked"), hold.Let),
	"cancel":            then(say("reason"), finish("revoked"), hold.Let),
	"no-show":           then(finish("revoked"), hold.Let),
	"arrived-elsewhere": then(say("place", "reason", "scope"), finish("revoked"), hold.Let),
	"managed-outside":   then(say("place", "reason", "scope"), finish("revoked"), hold.Let),
	"expire":            then(finish("revoked"), hold.Let),
})

var downBuild = map[string]line.Builder{
	"offer":     offer,
	"accept":    accept,
	"decline":   decline,
	"redirect":  redirect,
	"take-over": takeOver,
	"arrive":    then(arrive, planVisits),
	"follow-up": followUp,
	"close":     then(endPlan, finish("completed")),
	"cancel":    then(say("reason"), finish("revoked")),
	"no-show":   finish("revoked"),
	"expire":    finish("revoked"),
}

var outBuild = map[string]line.Builder{
	"propose":           then(composed, say("cause", "technique"), propose),
	"approve":           then(approve, keepNote),
	"disapprove":        then(say("reason"), finish("revoked")),
	"route":             route,
	"accept":            accept,
	"decline":           decline,
	"redirect":          redirect,
	"depart":            then(say("escort", "expected"), sign("signed-from")),
	"arrive":            then(sign("signed-to"), arrive),
	"report":            report,
	"return":            bringPlan,
	"close":             finish("completed"),
	"refuse":            then(say("reason"), finish("revoked")),
	"cancel":            then(say("reason"), finish("revoked")),
	"arrived-elsewhere": then(say("place", "reason", "scope"), finish("revoked")),
	"expire":            finish("revoked"),
}

var filingBuild = map[string]line.Builder{
	"file":       then(say("certificate", "filing-until"), keepNote),
	"not-needed": keepNote,
	"decline":    say("reason"),
}

// then does one thing after the other.
func then(steps ...line.Builder) line.Builder {
	return func(c line.Call, ch *line.Change) {
		for _, s := range steps {
			s(c, ch)
		}
	}
}

// say keeps answers of the form as outputs of the Task, and what was chosen in the history.
func say(fields ...string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		form := c.Flow.Form(c.Step.Do)
		var words []string
		for _, name := range fields {
			f, ok := form.Field(name)
			if !ok || !c.Params.Has(name) {
				continue
			}
			for _, v := range c.Params.All(name) {
				switch f.Type {
				case "choice":
					o := form.Option(name, v)
					line.Say(ch.Task, "output", name, f.Label.Zh, "valueCodeableConcept", fhir.Concept(requestSystem, v, o.Zh))
					words = append(words, o.Zh)
				case "datetime", "date":
					line.Say(ch.Task, "output", name, f.Label.Zh, "valueDateTime", v)
				default:
					line.Say(ch.Task, "output", name, f.Label.Zh, "valueString", v)
					words = append(words, v)
				}
			}
		}
		if n := c.Params.Str("note"); n != "" {
			words = append(words, n)
		}
		ch.Note = strings.Join(words, "；")
	}
}

func keepNote(c line.Call, ch *line.Change) { say()(c, ch) }

// composed makes request and Task from the form.
func composed(c line.Call, ch *line.Change) {
	patient, to := c.Params.Str("patient"), target(c)
	who := fhir.Ref(patient, "")
	from := fhir.Ref(c.By.Institution, c.Read.Get(c.By.Institution).Str("name"))
	owner := fhir.Ref(to, c.Read.Get(to).Str("name"))
	group := fhir.Obj{"system", line.RequisitionSystem, "value", ch.ID()}
	if earlier := c.Read.Get(c.Params.Str("basedOn")); earlier != nil {
		group = fhir.Obj{"system", line.RequisitionSystem, "value", earlier.Str("groupIdentifier.value")}
		ch.Request.Set("basedOn", fhir.Arr{earlier.Get("focus")})
	}
	ch.Request.Set("requisition", group)
	ch.Request.Set("status", "draft")
	ch.Request.Set("intent", "order")
	ch.Request.Set("priority", line.Priority(c.Urgency))
	ch.Request.Set("code", fhir.Concept(requestSystem, c.Flow.Code, c.Flow.Name.Zh))
	ch.Request.Set("subject", who)
	ch.Request.Set("authoredOn", line.Stamp(c.Now))
	ch.Request.Set("requester", requester(c, from))
	ch.Request.Set("performer", fhir.Arr{owner})
	ch.Task.Set("basedOn", fhir.Arr{fhir.Ref("ServiceRequest/"+ch.Request.ID(), "")})
	ch.Task.Set("groupIdentifier", group)
	ch.Task.Set("focus", fhir.Ref("ServiceRequest/"+ch.Request.ID(), ""))
	ch.Task.Set("for", who)
	ch.Task.Set("requester", from)
	ch.Task.Set("owner", owner)
	complete(c, ch)
}

// requester is the doctor when known, else the institution.
func requester(c line.Call, institution fhir.Obj) fhir.Obj {
	if c.By.Practitioner != "" {
		return fhir.Ref(c.By.Practitioner, c.By.Name)
	}
	return institution
}

// given are the plain facts of the form that stay with the Task as inputs.
var given = []struct{ name, zh string }{{"coordinator", "转出方联系人"}, {"phone", "转出方电话"},
	{"insurance-place", "参保地"}, {"insurance-type", "险种"}, {"certificate", "转诊证明"}, {"filing", "异地就医备案"}, {"filing-until", "备案有效期"}}

// complete writes what the form says into request and Task; what it leaves out stays.
func complete(c line.Call, ch *line.Change) {
	if s := c.Params.Str("reason"); s != "" && !isChoice(c, "reason") {
		ch.Request.Set("reasonCode[0].text", s)
		ch.Task.Set("description", s)
	}
	if v := c.Params.Values("diagnosis"); len(v) > 0 {
		if v[0].Kind == fhir.String {
			ch.Request.Set("reasonCode[0].coding", fhir.Arr{fhir.Coding(icd10, v[0].Text, "")})
		} else if v[0].Get("coding") != nil {
			ch.Request.Set("reasonCode[0].coding", v[0].Get("coding").Copy())
		} else {
			ch.Request.Set("reasonCode[0].coding", fhir.Arr{v[0].Copy()})
		}
	}
	for _, g := range given {
		if v := c.Params.Str(g.name); v != "" {
			line.Unsay(ch.Task, "input", g.name)
			line.Say(ch.Task, "input", g.name, g.zh, "valueString", v)
		}
	}
	address(c, ch.Task)
	keepConsent(c, ch)
	if c.Params.Has("by-choice") {
		line.Unsay(ch.Task, "input", "by-choice")
		line.Say(ch.Task, "input", "by-choice", "患者自主选择（协议外）", "valueBoolean", c.Params.Is("by-choice"))
	}
	addDocuments(c, ch)
	if f := line.FactText(ch.Task, "filing"); !waits(c) && (f == "" || f == "to-file") {
		line.Unsay(ch.Task, "input", "filing")
		line.Say(ch.Task, "input", "filing", "异地就医备案", "valueString", "emergency")
	}
	if line.StateOf(ch.Task) == "" && c.Step.To == Submitted || c.Step.Do == "submit" {
		ch.Request.Set("status", "active")
	}
}

const icd10 = "http://hl7.org/fhir/sid/icd-10"

func isChoice(c line.Call, name string) bool {
	f, _ := c.Flow.Form(c.Step.Do).Field(name)
	return f.Type == "choice"
}

// packet lists what goes along, as far as it is not frozen yet: what the Task has and what the call adds.
func packet(c line.Call) []string {
	var refs []string
	if c.Task != nil {
		for _, v := range line.Facts(c.Task, "packet") {
			if ref := v.Str("reference"); !strings.Contains(ref, "/_history/") {
				refs = append(refs, ref)
			}
		}
	}
	for _, ref := range c.Params.All("documents") {
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

func addDocuments(c line.Call, ch *line.Change) {
	have := map[string]bool{}
	for _, v := range line.Facts(ch.Task, "packet") {
		ref, _, _ := strings.Cut(v.Str("reference"), "/_history/")
		have[ref] = true
	}
	for _, ref := range c.Params.All("documents") {
		if !have[ref] {
			have[ref] = true
			line.Say(ch.Task, "input", "packet", kindOf(ref), "valueReference", fhir.Ref(ref, titleOf(c.Read.Get(ref))))
		}
	}
}

// freeze names the version of everything in the packet and seals the list: SHA-256 over sorted "reference/_history/version" lines.
func freeze(c line.Call, ch *line.Change) {
	var lines []string
	for _, v := range line.Facts(ch.Task, "packet") {
		ref := v.Str("reference")
		if !strings.Contains(ref, "/_history/") {
			ref += "/_history/" + strconv.FormatInt(c.Read.Version(ref), 10)
			v.Set("reference", ref)
		}
		lines = append(lines, ref+"\n")
	}
	line.Unsay(ch.Task, "input", "packet-hash")
	line.Unsay(ch.Task, "input", "packet-frozen")
	if lines == nil {
		return
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	line.Say(ch.Task, "input", "packet-hash", "资料封存校验值", "valueString", hex.EncodeToString(sum[:]))
	line.Say(ch.Task, "input", "packet-frozen", "资料封存时间", "valueDateTime", line.Stamp(c.Now))
}

func consented(c line.Call, ch *line.Change) { recordConsent(c, ch, ch.Task) }

func takePlace(c line.Call, ch *line.Change) {
	ch.Claims = append(ch.Claims, line.Claim{Kind: openReferral, Key: place(ch.Task.Str("for.reference"), ch.Task.Str("owner.reference"))})
}

// askToFile gives the insurance office that serves the sender its errand; the patient goes on meanwhile.
func askToFile(c line.Call, ch *line.Change) {
	if line.FactText(ch.Task, "filing") != "to-file" {
		return
	}
	office := insuranceOffice(c, ch.Task.Str("requester.reference"))
	t := fhir.New("Task", "basedOn", fhir.Arr{ch.Task.Get("focus").Copy()}, "groupIdentifier", ch.Task.Get("groupIdentifier").Copy(),
		"description", "异地就医备案（结算前办理）", "focus", ch.Task.Get("focus").Copy(), "for", ch.Task.Get("for").Copy(), "requester", ch.Task.Get("requester").Copy(), "owner", fhir.Ref(office, c.Read.Get(office).Str("name")))
	t.Set("priority", line.Priority(c.Urgency))
	line.Say(t, "input", "case", "转诊", "valueReference", fhir.Ref("Task/"+ch.Task.ID(), ""))
	for _, name := range []string{"insurance-place", "insurance-type"} {
		line.Say(t, "input", name, name, "valueString", line.FactText(ch.Task, name))
	}
	ch.Begin(line.Next{Flow: "insurance-filing", Do: "open-filing", State: ToFile, Task: t})
}

func route(c line.Call, ch *line.Change) {
	ch.Note = address(c, ch.Task)
	if n := c.Params.Str("note"); n != "" {
		ch.Note = strings.Trim(ch.Note+"；"+n, "；")
	}
}

func accept(c line.Call, ch *line.Change) {
	address(c, ch.Task)
	for _, x := range []struct{ field, code, zh string }{{"coordinator", "coordinator-to", "接收方联系人"}, {"phone", "phone-to", "接收方电话"}} {
		if v := c.Params.Str(x.field); v != "" {
			line.Unsay(ch.Task, "output", x.code)
			line.Say(ch.Task, "output", x.code, x.zh, "valueString", v)
		}
	}
	say("outcome", "appointment", "place", "advice", "expected")(c, ch)
}

func decline(c line.Call, ch *line.Change) {
	say("reason", "advice")(c, ch)
	ch.Task.Set("statusReason", fhir.Concept(requestSystem, c.Params.Str("reason"), c.Flow.Form("decline").Option("reason", c.Params.Str("reason")).Zh))
	finish("revoked")(c, ch)
}

// finish closes the request with the Task.
func finish(status string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		if ch.Note == "" {
			keepNote(c, ch)
		}
		if ch.Request != nil {
			ch.Request.Set("status", status)
		}
	}
}

// redirect ends this hand-over and begins the next with the same packet; who asked stays who asked.
func redirect(c line.Call, ch *line.Change) {
	say("reason")(c, ch)
	next(c, ch, target(c), firstState(c.Flow.Code), "redirect")
}

// takeOver gives an unanswered way back to the county, which takes it at once.
func takeOver(c line.Call, ch *line.Change) {
	next(c, ch, county(c), Accepted, "take-over")
}

func firstState(code string) string {
	if code == "down" {
		return Offered
	}
	return Submitted
}

func next(c line.Call, ch *line.Change, to, state, do string) {
	owner := fhir.Ref(to, c.Read.Get(to).Str("name"))
	ch.Request.Set("status", "revoked")
	ch.Task.Set("statusReason", fhir.TextConcept("已转 "+owner[3].(string)))
	old := fhir.Ref("ServiceRequest/"+c.Request.ID(), "")

	request := c.Request.Copy()
	request.Set("id", nil).Set("meta", nil)
	request.Set("basedOn", fhir.Arr{old}).Set("replaces", fhir.Arr{old})
	request.Set("status", "active").Set("authoredOn", line.Stamp(c.Now)).Set("performer", fhir.Arr{owner})
	focus := fhir.Ref(ch.Create(request), "")

	task := fhir.New("Task", "basedOn", fhir.Arr{focus}, "groupIdentifier", c.Task.Get("groupIdentifier").Copy(), "priority", c.Task.Str("priority"),
		"description", c.Task.Str("description"), "focus", focus, "for", c.Task.Get("for").Copy(), "requester", c.Task.Get("requester").Copy(), "owner", owner)
	if inputs := c.Task.Get("input"); inputs != nil {
		task.Set("input", inputs.Copy())
	}
	for _, last := range []string{"department", "redirected-from", "consent", "consent-basis", "guardian", "self-supporting", "informed-by", "consent-record", "by-choice"} {
		line.Unsay(task, "input", last)
	}
	if do == "redirect" {
		recordConsent(c, ch, task)
		if c.Params.Is("by-choice") || c.Params.Str("reason") == "patient-wish" {
			line.Say(task, "input", "by-choice", "患者自主选择（协议外）", "valueBoolean", true)
		}
	}
	line.Say(task, "input", "redirected-from", "转自", "valueReference", fhir.Ref("Task/"+c.Task.ID(), c.Task.Str("owner.display")))
	kind := openReferral
	if c.Flow.Code == "down" {
		kind = openOffer
	}
	began := ch.Begin(line.Next{Flow: c.Flow.Code, Do: do, State: state, Task: task, Claims: []line.Claim{{Kind: kind, Key: place(c.Task.Str("for.reference"), to)}}})
	line.Say(ch.Task, "output", "redirected-to", "转往", "valueReference", fhir.Ref(began, owner[3].(string)))
}

func arrive(c line.Call, ch *line.Change) {
	line.Say(ch.Task, "output", "arrived", "到达时间", "valueDateTime", line.Stamp(c.Now))
	keepNote(c, ch)
}

// admit writes the admission order (住院证): a request of its own, signed by the doctor.
func admit(c line.Call, ch *line.Change) {
	institution := fhir.Ref(c.By.Institution, c.Task.Str("owner.display"))
	address(c, ch.Task)
	order := fhir.New("ServiceRequest", "basedOn", fhir.Arr{c.Task.Get("focus").Copy()}, "requisition", c.Task.Get("groupIdentifier").Copy(), "status", "active", "intent", "order",
		"code", fhir.Concept(requestSystem, "admission-order", "住院证"), "subject", c.Task.Get("for").Copy(), "authoredOn", line.Stamp(c.Now),
		"requester", requester(c, institution), "performer", fhir.Arr{institution}, "reasonCode", fhir.Arr{fhir.TextConcept(c.Params.Str("reason"))})
	line.Say(ch.Task, "output", "admission-order", "住院证", "valueReference", fhir.Ref(ch.Create(order), "住院证"))
	ch.Note = c.Params.Str("reason")
}

func treat(c line.Call, ch *line.Change) {
	for _, ref := range c.Params.All("documents") {
		line.Say(ch.Task, "output", "document", "诊治资料", "valueReference", fhir.Ref(ref, titleOf(c.Read.Get(ref))))
	}
}

func propose(c line.Call, ch *line.Change) {
	if c.Step.To == Submitted {
		goOut(c, ch)
	}
}

// approve lets the case go, or mends an emergency's missing approval.
func approve(c line.Call, ch *line.Change) {
	line.Say(ch.Task, "output", "approved", "医务处审批", "valueString", c.By.Name)
	if c.Step.To == Submitted {
		ch.Request.Set("status", "active")
		goOut(c, ch)
	}
}

// goOut is the moment at which the output hospital hears of the case.
func goOut(c line.Call, ch *line.Change) {
	freeze(c, ch)
	consented(c, ch)
	takePlace(c, ch)
	askToFile(c, ch)
	if line.FactText(ch.Task, "cause") == "technique-absent" {
		ch.Events = append(ch.Events, event.Event{At: c.Now, Kind: "technique.wanted", Focus: "Task/" + ch.Task.ID(), Patient: ch.Task.Str("for.reference"),
			Parties: []string{ch.Task.Str("requester.reference"), ch.Task.Str("owner.reference")},
			Data:    map[string]string{"line": c.Line.Slug, "flow": c.Flow.Code, "technique": line.FactText(ch.Task, "technique")}})
	}
}

func sign(code string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		if c.Params.Is("signed") {
			line.Say(ch.Task, "output", code, "交接单签字", "valueString", c.By.Name)
		}
	}
}

func report(c line.Call, ch *line.Change) {
	word := c.Params.Str("word")
	ch.Create(fhir.New("Communication", "basedOn", fhir.Arr{c.Task.Get("focus").Copy()}, "partOf", fhir.Arr{fhir.Ref("Task/"+c.Task.ID(), "")}, "status", "completed",
		"subject", c.Task.Get("for").Copy(), "about", fhir.Arr{fhir.Ref("Task/"+c.Task.ID(), "")}, "sent", line.Stamp(c.Now),
		"sender", fhir.Ref(c.By.Institution, c.Task.Str("owner.display")), "recipient", fhir.Arr{c.Task.Get("requester").Copy()}, "payload", fhir.Arr{fhir.Obj{"contentString", word}}))
	ch.Note = word
}

func titleOf(n *fhir.Node) string {
	for _, path := range []string{"description", "title", "code.text", "code.coding[0].display", "type.text", "type.coding[0].display", "medicationCodeableConcept.text"} {
		if s := n.Str(path); s != "" {
			return s
		}
	}
	return ""
}

func subjectOf(n *fhir.Node) string {
	for _, path := range []string{"subject.reference", "patient.reference"} {
		if s := n.Str(path); s != "" {
			return s
		}
	}
	return ""
}

var kinds = map[string]string{"Composition": "summary", "Condition": "condition", "Observation": "result", "DiagnosticReport": "result", "ImagingStudy": "image", "Media": "image",
	"DocumentReference": "document", "MedicationRequest": "medication", "MedicationStatement": "medication"}

func kindOf(ref string) string {
	typ, _, _ := strings.Cut(ref, "/")
	if k := kinds[typ]; k != "" {
		return k
	}
	return "other"
}
