package bedpool

import (
	"strconv"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
)

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
	home, host := c.Params.Str("home"), wardOf(c, c.Params.Str("host"))
	if home == host || covers(c.Read, home, host) || c.Read.Institution(home) != c.By.Institution || c.Read.Institution(host) != c.By.Institution {
		return refuse("needs-two-sides", "a settlement is between two departments of this hospital", "结算须在本院两个科室之间")
	}
	if _, err := time.Parse("2006-01", c.Params.Str("month")); err != nil {
		return refuse("bad-month", "the month is written 2026-11", "月份格式应为 2026-11")
	}
	if once := c.Read.Holder(drawn, monthOf(home, c.Params.Str("host"), c.Params.Str("month"))); once != "" {
		return line.Duplicate(once)
	}
	return needsNumbers(c)
}

const drawn = "bedpool-settlement"

func monthOf(home, ward, month string) string { return home + " > " + ward + " " + month }

func needsNumbers(c line.Call) error {
	for _, name := range []string{"days", "patients", "points"} {
		if s := c.Params.Str(name); s != "" {
			if n, err := strconv.ParseFloat(s, 64); err != nil || !(n >= 0 && n <= 1e7) {
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
	home, at, month := c.Params.Str("home"), c.Params.Str("host"), c.Params.Str("month")
	host := wardOf(c, at)
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
	t.Set("location", named(c, at)) // its ward sees it, too
	line.SetDepartment(t, home, c.Read.Get(home).Str("name"))
	t.Set("description", month+"："+c.Read.Get(home).Str("name")+" 借用 "+c.Read.Get(host).Str("name"))
	numbers(c, t, report)
	ch.Claims = append(ch.Claims, line.Claim{Kind: drawn, Key: monthOf(home, at, month), Holder: focus}) // for good: a month is drawn up once
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
			groups = append(groups, fhir.Obj{"code", fhir.Concept(requestSystem, "lent-"+x.name, x.zh), "measureScore", fhir.Obj{"value", number(v)}})
		}
	}
	report.Set("group", groups)
}

// number writes what needsNumbers has read.
func number(s string) *fhir.Node {
	n, _ := strconv.ParseFloat(s, 64)
	return &fhir.Node{Kind: fhir.Number, Text: strconv.FormatFloat(n, 'f', -1, 64)}
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
