// Package safeguard reports a suspicion that a minor or another who cannot protect himself is abused (强制报告).
package safeguard

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration. The safeguarding duty (medical affairs) and who reported see it; guardian and other staff
// do not, and no notice tells of it.
var Line = &line.Line{
	Slug:       "safeguard",
	Name:       flow.Name{Zh: "强制报告", En: "Safeguarding"},
	Flows:      []*line.Flow{report},
	Indicators: indicators,
	For:        duty,
	Hushed:     true,
}

// States.
const (
	Suspected = "suspected"
	Reported  = "reported"
	Answered  = "answered"
	Ended     = "closed"
	Unfounded = "unfounded"
)

var (
	clinicians = []string{"referring-doctor", "receiving-doctor", "doctor", "nurse", "head-nurse", "village-doctor", "duty-chief", "trainee", "technician", "medical-affairs"}
	duty       = []string{"medical-affairs"}
	in         = flow.In
)

const (
	hour = time.Hour
	day  = flow.Day
)

var report = &line.Flow{
	Table: flow.Table{
		Code: "report",
		Name: flow.Name{Zh: "强制报告", En: "Mandatory report"},
		States: []flow.State{
			{Code: Suspected, Name: flow.Name{Zh: "疑似，待报告", En: "Suspected"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(24*hour, 24*hour, 24*hour)},
			{Code: Reported, Name: flow.Name{Zh: "已报告", En: "Reported"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(7*day, 7*day, 7*day)},
			{Code: Answered, Name: flow.Name{Zh: "已有回复", En: "Answered"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(30*day, 30*day, 30*day)},
			{Code: Ended, Name: flow.Name{Zh: "已结案", En: "Closed"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Unfounded, Name: flow.Name{Zh: "经核查不成立", En: "Unfounded"}, Status: "cancelled", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "suspect", Name: flow.Name{Zh: "报告疑似侵害", En: "Raise a suspicion"}, From: in(flow.New), To: Suspected, By: flow.Requester, Roles: clinicians, Primary: true},
			{Do: "report-abuse", Name: flow.Name{Zh: "已向主管机关报告", En: "Reported to the authority"}, From: in(Suspected), To: Reported, By: flow.Owner, Roles: duty, Primary: true},
			{Do: "answer-abuse", Name: flow.Name{Zh: "登记回复", En: "Record the answer"}, From: in(Reported), To: Answered, By: flow.Owner, Roles: duty, Primary: true},
			{Do: "close", Name: flow.Name{Zh: "结案", En: "Close"}, From: in(Answered), To: Ended, By: flow.Owner, Roles: duty, Primary: true},
			{Do: "unfounded", Name: flow.Name{Zh: "经核查不成立", En: "Unfounded"}, From: in(Reported, Answered), To: Unfounded, By: flow.Owner, Roles: duty},
			{Do: "observe", Name: flow.Name{Zh: "补充情况", En: "Add what was seen"}, From: in(Suspected, Reported, Answered), To: flow.Same, By: flow.Either, Roles: clinicians},
		},
	},
	Starts: true,
	Begin:  line.Always("suspect"),
	Forms:  forms,
	Rules:  rules,
	Build:  build,
}
