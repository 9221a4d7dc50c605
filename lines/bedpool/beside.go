package bedpool

import (
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// What is no stay in hospital and takes no bed of the pool: 留观 and 预住院.

// observation is a patient of the emergency department whose clock runs 72 hours.
var observation = &line.Flow{
	Table: flow.Table{
		Code: "observation",
		Name: flow.Name{Zh: "急诊留观", En: "Observation"},
		States: []flow.State{
			{Code: Observed, Name: flow.Name{Zh: "留观中", En: "Observed"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: within(48 * hour)},
			{Code: Overlong, Name: flow.Name{Zh: "留观已超 48 小时", En: "Over 48 hours"}, Status: "in-progress", Kind: flow.Open, Waits: flow.Owner, Within: within(24 * hour)},
			{Code: Admitted, Name: flow.Name{Zh: "已住院", En: "Admitted"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Left, Name: flow.Name{Zh: "已离院", En: "Left"}, Status: "completed", Kind: flow.Done},
			{Code: Redirected, Name: flow.Name{Zh: "已转他院", En: "Redirected"}, Status: "completed", Kind: flow.Closed},
			{Code: Died, Name: flow.Name{Zh: "死亡", En: "Died"}, Status: "completed", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "observe", Name: flow.Name{Zh: "开始留观", En: "Observe"}, From: in(flow.New), To: Observed, By: flow.Requester, Roles: bedside, Primary: true},
			{Do: "note", Name: flow.Name{Zh: "记录", En: "Note"}, From: in(Observed, Overlong), To: flow.Same, By: flow.Owner, Roles: bedside},
			{Do: "ask-admission", Name: flow.Name{Zh: "申请住院", En: "Request admission"}, From: in(Observed, Overlong), To: flow.Same, By: flow.Owner, Roles: doctors, Primary: true,
				Effect: flow.Name{Zh: "进入全院候床名单；留观时限继续计算", En: "Joins the waiting list; the 72 hours run on"}},
			{Do: "admitted", Name: flow.Name{Zh: "已住院", En: "Admitted"}, From: in(Observed, Overlong), To: Admitted, By: flow.Owner, Roles: bedside},
			{Do: "leave", Name: flow.Name{Zh: "离院", En: "Leave"}, From: in(Observed, Overlong), To: Left, By: flow.Owner, Roles: bedside},
			{Do: "redirect", Name: flow.Name{Zh: "转往他院", En: "Redirect"}, From: in(Observed, Overlong), To: Redirected, By: flow.Owner, Roles: doctors},
			{Do: "died", Name: flow.Name{Zh: "死亡", En: "Died"}, From: in(Observed, Overlong), To: Died, By: flow.Owner, Roles: doctors},
			{Do: "warn", Name: flow.Name{Zh: "留观满 48 小时", En: "48 hours of observation"}, From: in(Observed), To: Overlong, By: flow.System},
			{Do: "taken-in", Name: flow.Name{Zh: "已入科", En: "Taken in"}, From: in(Observed, Overlong), To: Admitted, By: flow.System},
		},
	},
	Starts: true,
	Begin:  line.Always("observe"),
	Forms:  observationForms,
	Rules:  observationRules,
	Build:  observationBuild,
	Escalate: []line.Level{
		{Code: "duty-chief", Name: flow.Name{Zh: "总值班", En: "Chief on duty"}, Do: "warn"},
		{Code: "duty-director", Name: flow.Name{Zh: "值班院领导", En: "Director on duty"}, After: within(4 * hour)},
	},
}

// preadmission is a patient whose examinations are made before he has a bed.
var preadmission = &line.Flow{
	Table: flow.Table{
		Code: "preadmission",
		Name: flow.Name{Zh: "预住院", En: "Pre-admission"},
		States: []flow.State{
			{Code: Preparing, Name: flow.Name{Zh: "预住院中", En: "Preparing"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: within(7 * day)},
			{Code: Merged, Name: flow.Name{Zh: "费用并入住院", En: "Merged into the stay"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Outpatient, Name: flow.Name{Zh: "转门诊结算", En: "Settled as an outpatient"}, Status: "completed", Kind: flow.Done},
			{Code: Cancelled, Name: flow.Name{Zh: "已取消", En: "Cancelled"}, Status: "cancelled", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "prepare", Name: flow.Name{Zh: "办理预住院", En: "Begin pre-admission"}, From: in(flow.New), To: Preparing, By: flow.Requester, Roles: asking, Primary: true},
			{Do: "charge", Name: flow.Name{Zh: "记录费用", En: "Note a charge"}, From: in(Preparing), To: flow.Same, By: flow.Owner, Roles: bedside},
			{Do: "ask-admission", Name: flow.Name{Zh: "申请住院", En: "Request admission"}, From: in(Preparing), To: flow.Same, By: flow.Owner, Roles: doctors, Primary: true},
			{Do: "merge", Name: flow.Name{Zh: "费用并入住院", En: "Merge into the stay"}, From: in(Preparing), To: Merged, By: flow.Owner, Roles: []string{"nurse", "head-nurse", "bed-desk"}},
			{Do: "to-outpatient", Name: flow.Name{Zh: "转门诊结算", En: "Settle as an outpatient"}, From: in(Preparing), To: Outpatient, By: flow.Owner, Roles: asking},
			{Do: "cancel", Name: flow.Name{Zh: "取消", En: "Cancel"}, From: in(Preparing), To: Cancelled, By: flow.Either, Roles: asking},
			{Do: "fall-back", Name: flow.Name{Zh: "逾期转门诊结算", En: "Falls back to outpatient"}, From: in(Preparing), To: Outpatient, By: flow.System},
		},
	},
	Starts: true,
	Begin:  line.Always("prepare"),
	Forms:  preadmissionForms,
	Rules:  preadmissionRules,
	Build:  preadmissionBuild,
	Escalate: []line.Level{
		{Code: "fall-back", Name: flow.Name{Zh: "逾期转门诊结算", En: "Falls back to outpatient"}, Do: "fall-back"},
	},
}
