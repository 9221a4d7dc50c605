package bedpool

import (
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
)

// answersFor on an AdverseEvent is the organisation that answers for it.
const answersFor = spec.Canonical + "/StructureDefinition/answers-for"

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }
func hours(n int) time.Duration   { return time.Duration(n) * time.Hour }

var observationBuild = map[string]line.Builder{
	"observe":       observe,
	"note":          say("findings"),
	"ask-admission": askAdmission("observation", observationFact),
	"admitted":      then(say("reason"), ended),
	"leave":         then(say("to"), ended, drops(admissionFact)),
	"redirect":      then(say("referral"), ended, drops(admissionFact)),
	"died":          then(say(), ended, drops(admissionFact)),
	"warn":          warn,
	"taken-in":      ended,
}

// meet writes the Encounter of what is no stay in hospital.
func meet(c line.Call, ch *line.Change, class, zh string, since time.Time) {
	home := line.DepartmentOf(ch.Task)
	if home == "" {
		home = c.By.Institution
	}
	e := fhir.New("Encounter", "status", "in-progress", "class", fhir.Coding(actSystem, class, zh), "subject", ch.Task.Get("for").Copy(), "basedOn", fhir.Arr{ch.Task.Get("focus").Copy()},
		"period", fhir.Obj{"start", line.Stamp(since)}, "serviceProvider", named(c, home), "reasonCode", ch.Request.Get("reasonCode").Copy())
	line.Say(ch.Task, "output", encounterFact, zh, "valueReference", fhir.Ref(ch.Create(e), zh))
}

// observe starts the 72 hours: the first 48 to decide, then the chief on duty is told.
func observe(c line.Call, ch *line.Change) {
	since := c.Params.Time("since")
	if since.IsZero() {
		since = c.Now
	}
	compose(c, ch.Request, ch.Task, "observation", "急诊留观", ch.ID(), fhir.Of(fhir.Ref(c.Params.Str("patient"), "")))
	line.Say(ch.Task, "input", "since", "留观开始", "valueDateTime", line.Stamp(since))
	line.Say(ch.Task, "input", "place", "留观位置", "valueString", c.Params.Str("place"))
	meet(c, ch, "OBSENC", "急诊留观", since)
	ch.Claims = append(ch.Claims, line.Claim{Kind: openObservation, Key: place(c.Params.Str("patient"), c.By.Institution)})
	ch.Due = since.Add(hours(local.WarnHours))
}

func warn(c line.Call, ch *line.Change) {
	ch.Due = timeOf(c.Task, "since").Add(hours(local.LimitHours))
}

func ended(c line.Call, ch *line.Change) {
	endEncounter(c, ch, ch.Task, "finished")
	if ch.Request != nil {
		ch.Request.Set("status", "completed")
	}
}

// askAdmission begins an admission and goes on: the clock of an observation runs until the patient lies in a bed.
func askAdmission(source, fact string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		began := begins(c, ch, source, fact, nil)
		line.Unsay(ch.Task, "output", admissionFact)
		line.Say(ch.Task, "output", admissionFact, "住院申请", "valueReference", fhir.Ref(began, "住院申请"))
		ch.Note = c.Params.Str("reason")
	}
}

var preadmissionBuild = map[string]line.Builder{
	"prepare":       prepare,
	"charge":        charge,
	"ask-admission": askAdmission("clinic", preparationFact),
	"merge":         merge,
	"to-outpatient": fallBack,
	"cancel":        then(say("reason"), ended),
	"fall-back":     fallBack,
}

// prepare begins pre-admission under the rule in force that day.
func prepare(c line.Call, ch *line.Change) {
	compose(c, ch.Request, ch.Task, "preadmission", "预住院", ch.ID(), fhir.Of(fhir.Ref(c.Params.Str("patient"), "")))
	rule := preadmissionRule(c.Now)
	line.Say(ch.Task, "input", "consent", "知情同意", "valueBoolean", true)
	line.Say(ch.Task, "input", "consent-by", "同意人", "valueString", c.Params.Str("consent-by"))
	line.Say(ch.Task, "input", "rule", "适用规定", "valueString", fmt.Sprintf("%s 起，%d 日内入院可并入；%s", rule.From, rule.Days, rule.Source))
	if at := c.Params.Time("planned"); !at.IsZero() {
		line.Say(ch.Task, "input", "planned", "拟入院日期", "valueDateTime", line.Stamp(at))
	}
	meet(c, ch, "PRENC", "预住院", c.Now)
	ch.Claims = append(ch.Claims, line.Claim{Kind: openPreparation, Key: place(c.Params.Str("patient"), c.By.Institution)})
	ch.Due = c.Now.AddDate(0, 0, rule.Days)
	keepNote(c, ch)
}

const sumFact = "sum"

// charge keeps one more item and the sum, to the fen.
func charge(c line.Call, ch *line.Change) {
	amount, _ := fen(c.Params.Str("amount"))
	sum, _ := fen(line.FactText(c.Task, sumFact))
	kind := c.Flow.Form("charge").Option("item", c.Params.Str("item")).Zh
	words := kind + "：" + c.Params.Str("words") + " " + yuan(amount) + " 元"
	line.Say(ch.Task, "output", "charge", "费用", "valueString", words)
	line.Unsay(ch.Task, "output", sumFact)
	line.Say(ch.Task, "output", sumFact, "合计（元）", "valueString", yuan(sum+amount))
	ch.Note = words
}

// merge puts the charges to the stay.
func merge(c line.Call, ch *line.Change) {
	into := c.Params.Str("stay")
	line.Say(ch.Task, "output", stayFact, "并入的住院", "valueReference", fhir.Ref(into, "住院"))
	line.Say(ch.Task, "output", "settles-as", "结算方式", "valueString", "inpatient")
	ended(c, ch)
	ch.Note = sumOf(c.Task) + " 元并入住院"
}

func fallBack(c line.Call, ch *line.Change) {
	line.Say(ch.Task, "output", "settles-as", "结算方式", "valueString", "outpatient")
	ended(c, ch)
	ch.Note = sumOf(c.Task) + " 元转门诊结算"
	if r := c.Params.Str("reason"); r != "" {
		ch.Note += "；" + r
	}
}

func sumOf(task *fhir.Node) string {
	if s := line.FactText(task, sumFact); s != "" {
		return s
	}
	return "0.00"
}
