package bedpool

import (
	"fmt"
	"strconv"
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
	"leave":         then(say("to"), ended),
	"redirect":      then(say("referral"), ended),
	"died":          then(say(), ended),
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

var settlementRules = map[string][]line.Rule{
	"draw":    {needsTwoSides},
	"sign":    {needsDirectorOfASide, needsOtherSide},
	"dispute": {needsDirectorOfASide},
	"answer":  {needsNumbers},
}

var settlementBuild = map[string]line.Builder{
	"draw":    draw,
	"sign":    sign,
	"dispute": dispute,
	"answer":  answer,
}

func needsTwoSides(c line.Call) error {
	home, host := c.Params.Str("home"), c.Params.Str("host")
	if home == host || c.Read.Institution(home) != c.By.Institution || c.Read.Institution(host) != c.By.Institution {
		return refuse("needs-two-sides", "a settlement is between two departments of this hospital", "结算须在本院两个科室之间")
	}
	if _, err := time.Parse("2006-01", c.Params.Str("month")); err != nil {
		return refuse("bad-month", "the month is written 2026-11", "月份格式应为 2026-11")
	}
	return needsNumbers(c)
}

func needsNumbers(c line.Call) error {
	for _, name := range []string{"days", "patients", "points"} {
		if s := c.Params.Str(name); s != "" {
			if n, err := strconv.ParseFloat(s, 64); err != nil || n < 0 || n > 1e7 {
				return refuse("bad-number", name+" is no number", "数据有误")
			}
		}
	}
	return nil
}

// sideOf says for which side of a settlement the caller is the director.
func sideOf(c line.Call) string {
	for _, side := range []string{"home", "host"} {
		if covers(c.Read, c.By.Org, line.Fact(c.Task, side).Str("reference")) {
			return side
		}
	}
	return ""
}

func needsDirectorOfASide(c line.Call) error {
	if sideOf(c) == "" {
		return fhir.Refuse(403, "forbidden", "not-your-settlement", "the directors of both departments confirm it", "只有双方科室主任可以确认")
	}
	return nil
}

func needsOtherSide(c line.Call) error {
	if line.Fact(c.Task, "signed-"+sideOf(c)) != nil {
		return refuse("signed-already", "your side has confirmed; the other one is to", "您一方已确认，等待对方确认")
	}
	for _, side := range []string{"home", "host"} {
		if c.By.Practitioner != "" && line.Fact(c.Task, "signed-"+side).Str("reference") == c.By.Practitioner {
			return refuse("same-person", "two people confirm it", "双方确认须由两人完成")
		}
	}
	return nil
}

const measure = spec.Canonical + "/Measure/lent-beds"

// draw lays the month before both directors: a MeasureReport without a patient.
func draw(c line.Call, ch *line.Change) {
	home, host, month := c.Params.Str("home"), c.Params.Str("host"), c.Params.Str("month")
	first, _ := time.ParseInLocation("2006-01", month, line.Zone())
	report := fhir.New("MeasureReport", "status", "complete", "type", "summary", "measure", measure, "date", line.Stamp(c.Now), "reporter", named(c, host),
		"period", fhir.Obj{"start", first.Format(time.DateOnly), "end", first.AddDate(0, 1, -1).Format(time.DateOnly)})
	focus := ch.Create(report)
	t := ch.Task
	us := named(c, c.By.Institution)
	t.Set("groupIdentifier", fhir.Obj{"system", line.RequisitionSystem, "value", ch.ID()}).Set("focus", fhir.Ref(focus, month+" 借床结算")).Set("requester", us).Set("owner", us)
	line.Say(t, "input", "home", "主管科室", "valueReference", named(c, home))
	line.Say(t, "input", "host", "收治病区", "valueReference", named(c, host))
	line.Say(t, "input", "month", "月份", "valueString", month)
	line.SetDepartment(t, home, c.Read.Get(home).Str("name"))
	t.Set("description", month+"："+c.Read.Get(home).Str("name")+" 借用 "+c.Read.Get(host).Str("name"))
	numbers(c, t, report)
	ch.Claims = append(ch.Claims, line.Claim{Kind: "bedpool-settlement", Key: home + " > " + host + " " + month})
}

// numbers are what both confirm.
func numbers(c line.Call, t, report *fhir.Node) {
	for _, x := range []struct{ name, zh string }{{"days", "借床床日"}, {"patients", "人次"}, {"points", "护理点"}} {
		if v := c.Params.Str(x.name); v != "" {
			line.Unsay(t, "input", x.name)
			line.Say(t, "input", x.name, x.zh, "valueString", v)
		}
	}
	var groups fhir.Arr
	for _, x := range []struct{ name, zh string }{{"days", "借床床日"}, {"patients", "人次"}, {"points", "护理点"}} {
		if v := line.FactText(t, x.name); v != "" {
			groups = append(groups, fhir.Obj{"code", fhir.Concept(requestSystem, "lent-"+x.name, x.zh), "measureScore", fhir.Obj{"value", &fhir.Node{Kind: fhir.Number, Text: v}}})
		}
	}
	report.Set("group", groups)
}

func sign(c line.Call, ch *line.Change) {
	side := sideOf(c)
	who := map[string]string{"home": "主管科室", "host": "收治病区"}[side]
	if c.By.Practitioner != "" {
		line.Say(ch.Task, "output", "signed-"+side, who+"确认", "valueReference", fhir.Ref(c.By.Practitioner, c.By.Name))
	} else {
		line.Say(ch.Task, "output", "signed-"+side, who+"确认", "valueReference", fhir.Obj{"display", c.By.Name})
	}
	keepNote(c, ch)
	if ch.Note == "" {
		ch.Note = who
	}
}

func dispute(c line.Call, ch *line.Change) {
	for _, side := range []string{"home", "host"} {
		line.Unsay(ch.Task, "output", "signed-"+side)
	}
	line.Unsay(ch.Task, "output", "dispute")
	line.Say(ch.Task, "output", "dispute", "异议", "valueString", c.Params.Str("reason"))
	ch.Note = c.Params.Str("reason")
}

// answer puts the numbers right where they were wrong; both confirm anew.
func answer(c line.Call, ch *line.Change) {
	numbers(c, ch.Task, ch.Request)
	ch.Note = c.Params.Str("note")
}
