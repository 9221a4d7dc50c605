// Package unknown cares for a patient whose name nobody knows, until somebody does (无名氏).
package unknown

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration: who he is, and who pays. Neither holds up his care.
var Line = &line.Line{
	Slug:       "unknown",
	Name:       flow.Name{Zh: "无名氏", En: "Unknown patients"},
	Flows:      []*line.Flow{identify, fund},
	Notices:    notices,
	Indicators: indicators,
	For:        handlers,
}

// States.
const (
	Unidentified = "unidentified"
	Reported     = "reported"
	Identified   = "identified"
	NeverKnown   = "never-identified"
	ToApply      = "to-apply"
	Applied      = "applied"
	Paid         = "paid"
	Refused      = "refused"
	NotNeeded    = "not-needed"
)

var (
	clinicians = []string{"referring-doctor", "receiving-doctor", "doctor", "nurse", "head-nurse", "village-doctor", "duty-chief", "referral-office", "medical-affairs"}
	handlers   = append([]string{"insurance-office", "leader"}, clinicians...)
	desk       = []string{"medical-affairs", "referral-office", "duty-chief", "receiving-doctor", "referring-doctor", "doctor", "village-doctor"}
	heads      = []string{"medical-affairs", "leader", "duty-chief", "referral-office"}
	payers     = []string{"insurance-office", "medical-affairs"}
	in         = flow.In
)

const (
	hour = time.Hour
	day  = flow.Day
)

var identify = &line.Flow{
	Table: flow.Table{
		Code: "identify",
		Name: flow.Name{Zh: "身份待查", En: "Who is it"},
		States: []flow.State{
			{Code: Unidentified, Name: flow.Name{Zh: "待报公安", En: "To be reported"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(2*hour, 2*hour, 2*hour)},
			{Code: Reported, Name: flow.Name{Zh: "公安核查中", En: "With the police"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(3*day, 3*day, 3*day)},
			{Code: Identified, Name: flow.Name{Zh: "身份已明", En: "Identified"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: NeverKnown, Name: flow.Name{Zh: "无法查明", En: "Never identified"}, Status: "failed", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "admit", Name: flow.Name{Zh: "登记无名氏", En: "Register"}, From: in(flow.New), To: Unidentified, By: flow.Requester, Roles: clinicians, Primary: true},
			{Do: "report-police", Name: flow.Name{Zh: "已报公安", En: "Reported to the police"}, From: in(Unidentified), To: Reported, By: flow.Owner, Roles: desk, Primary: true},
			{Do: "authorise", Name: flow.Name{Zh: "负责人批准", En: "Authorised"}, From: in(Unidentified, Reported), To: flow.Same, By: flow.Owner, Roles: heads,
				Effect: flow.Name{Zh: "补记医疗机构负责人或授权负责人的批准；抢救不等待", En: "Records the authorised head's consent; care has not waited for it"}},
			{Do: "remark", Name: flow.Name{Zh: "补充线索", En: "Add a clue"}, From: in(Unidentified, Reported), To: flow.Same, By: flow.Owner, Roles: desk, Renews: true},
			{Do: "identify", Name: flow.Name{Zh: "身份查明", En: "Identified"}, From: in(Unidentified, Reported), To: Identified, By: flow.Owner, Roles: desk, Primary: true,
				Effect: flow.Name{Zh: "与本人档案关联，或补全姓名等；原记录全部保留", En: "Joins the person's own record, or completes the name; nothing written is lost"}},
			{Do: "give-up", Name: flow.Name{Zh: "无法查明", En: "Cannot be found out"}, From: in(Reported), To: NeverKnown, By: flow.Owner, Roles: heads},
		},
	},
	Starts: true,
	Admits: true,
	Begin:  line.Always("admit"),
	Forms:  identifyForms,
	Rules:  rules,
	Build:  identifyBuild,
}

// fund is the errand of the emergency fund (疾病应急救助基金): the hospital treats first and applies later.
var fund = &line.Flow{
	Table: flow.Table{
		Code: "emergency-fund",
		Name: flow.Name{Zh: "疾病应急救助基金", En: "Emergency fund"},
		States: []flow.State{
			{Code: ToApply, Name: flow.Name{Zh: "待申请", En: "To apply"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(30*day, 30*day, 30*day)},
			{Code: Applied, Name: flow.Name{Zh: "已申请", En: "Applied"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(90*day, 90*day, 90*day)},
			{Code: Paid, Name: flow.Name{Zh: "已拨付", En: "Paid"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Refused, Name: flow.Name{Zh: "未获批准", En: "Refused"}, Status: "rejected", Kind: flow.Closed},
			{Code: NotNeeded, Name: flow.Name{Zh: "无需申请", En: "Not needed"}, Status: "cancelled", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "open-fund", Name: flow.Name{Zh: "提醒申请", En: "Ask to apply"}, From: in(flow.New), To: ToApply, By: flow.Requester},
			{Do: "apply", Name: flow.Name{Zh: "已申请", En: "Applied"}, From: in(ToApply), To: Applied, By: flow.Owner, Roles: payers, Primary: true},
			{Do: "paid", Name: flow.Name{Zh: "已拨付", En: "Paid"}, From: in(Applied), To: Paid, By: flow.Owner, Roles: payers, Primary: true},
			{Do: "fund-refused", Name: flow.Name{Zh: "未获批准", En: "Refused"}, From: in(Applied), To: Refused, By: flow.Owner, Roles: payers},
			{Do: "not-needed", Name: flow.Name{Zh: "无需申请", En: "Not needed"}, From: in(ToApply), To: NotNeeded, By: flow.Owner, Roles: payers},
		},
	},
	Forms: fundForms,
	Build: fundBuild,
}

var notices = map[string]flow.Name{
	"admit":         {Zh: "登记了一名身份不明的患者，请报公安核查", En: "An unknown patient was registered; report to the police"},
	"report-police": {Zh: "已报公安核查身份", En: "The police were asked who it is"},
	"identify":      {Zh: "身份不明患者已查明", En: "An unknown patient was identified"},
	"open-fund":     {Zh: "请为身份不明患者申请疾病应急救助基金", En: "Apply to the emergency fund for an unknown patient"},
	"late":          {Zh: "身份不明患者的事项已超时", En: "An errand of an unknown patient is late"},
}
