// Package secondlook lets the patient's hospital look a second time at every record that was opened in an emergency (破窗复核).
package secondlook

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration. A case begins with break-glass, in the same transaction; nobody starts one by hand.
var Line = &line.Line{
	Slug:       "secondlook",
	Name:       flow.Name{Zh: "破窗复核", En: "Second look"},
	Flows:      []*line.Flow{look},
	Notices:    notices,
	Indicators: indicators,
	For:        []string{"medical-affairs", "quality", "leader", "referring-doctor", "receiving-doctor", "doctor", "duty-chief", "village-doctor", "nurse", "head-nurse", "pharmacist", "technician"},
}

// States.
const (
	Waiting     = "waiting"
	Explaining  = "explaining"
	Justified   = "justified"
	Unjustified = "unjustified"
)

const (
	hour = time.Hour
	// Within is the time in which the patient's hospital looks.
	Within = 72 * hour
)

var (
	judges = []string{"medical-affairs", "quality", "leader"}
	opener = []string{"referring-doctor", "receiving-doctor", "doctor", "duty-chief", "village-doctor", "nurse", "head-nurse", "pharmacist", "technician"}
)

var look = &line.Flow{
	Table: flow.Table{
		Code: "look",
		Name: flow.Name{Zh: "紧急调阅复核", En: "Second look at a break-glass"},
		States: []flow.State{
			{Code: Waiting, Name: flow.Name{Zh: "待复核", En: "To be looked at"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(Within, Within, Within)},
			{Code: Explaining, Name: flow.Name{Zh: "待说明", En: "To be explained"}, Status: "requested", Kind: flow.Open, Waits: flow.Requester, Within: flow.Within(Within, Within, Within)},
			{Code: Justified, Name: flow.Name{Zh: "理由成立", En: "Justified"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Unjustified, Name: flow.Name{Zh: "理由不成立", En: "Not justified"}, Status: "failed", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "opened", Name: flow.Name{Zh: "紧急调阅", En: "Break-glass"}, From: flow.In(flow.New), To: Waiting, By: flow.Requester, Roles: opener},
			{Do: "justify", Name: flow.Name{Zh: "理由成立", En: "Justified"}, From: flow.In(Waiting, Explaining), To: Justified, By: flow.Owner, Roles: judges, Primary: true},
			{Do: "ask", Name: flow.Name{Zh: "要求说明", En: "Ask for an explanation"}, From: flow.In(Waiting), To: Explaining, By: flow.Owner, Roles: judges, Effect: flow.Name{Zh: "请调阅人说明理由", En: "Asks who opened the record to say why"}},
			{Do: "explain", Name: flow.Name{Zh: "说明", En: "Explain"}, From: flow.In(Explaining), To: Waiting, By: flow.Requester, Roles: opener, Primary: true},
			{Do: "reject", Name: flow.Name{Zh: "理由不成立", En: "Not justified"}, From: flow.In(Waiting, Explaining), To: Unjustified, By: flow.Owner, Roles: judges, Effect: flow.Name{Zh: "记为不当调阅，并立即收回权限", En: "Recorded as an improper look; what was opened closes at once"}},
		},
	},
	Forms: map[string]line.Form{
		"opened":  {},
		"justify": {Fields: []line.Field{note(false)}},
		"ask":     {Fields: []line.Field{note(true)}},
		"explain": {Fields: []line.Field{note(true)}},
		"reject":  {Fields: []line.Field{note(true)}},
	},
	Rules: map[string][]line.Rule{"justify": {notOneself}, "reject": {notOneself}, "ask": {notOneself}},
	Build: map[string]line.Builder{"justify": keep, "ask": keep, "explain": keep, "reject": keep},
	Escalate: []line.Level{
		{Code: "leader", Name: flow.Name{Zh: "院领导", En: "Leader"}},
		{Code: "leader-again", Name: flow.Name{Zh: "院领导（再次提醒）", En: "Leader, again"}, After: flow.Within(72*hour, 72*hour, 72*hour)},
	},
}

func note(required bool) line.Field {
	return line.Field{Name: "note", Label: flow.Name{Zh: "说明", En: "Note"}, Type: "textarea", Required: required}
}

var notices = map[string]flow.Name{
	"opened":  {Zh: "有一份病历被紧急调阅，请在 72 小时内复核", En: "A record was opened in an emergency; look at it within 72 hours"},
	"ask":     {Zh: "一次紧急调阅需要您说明", En: "A break-glass needs your explanation"},
	"explain": {Zh: "调阅人已说明，请复核", En: "The explanation has come; please look"},
	"justify": {Zh: "紧急调阅理由成立", En: "The break-glass was justified"},
	"reject":  {Zh: "紧急调阅理由不成立", En: "The break-glass was not justified"},
	"late":    {Zh: "紧急调阅逾期未复核", En: "A second look is overdue"},
}
