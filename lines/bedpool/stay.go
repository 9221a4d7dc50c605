package bedpool

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// stay is one patient in a bed. The department and team that are responsible stay the same wherever he lies.
// The limit of a state is the next daily round, until which the home team has seen him.
var stay = &line.Flow{
	Table: flow.Table{
		Code: "stay",
		Name: flow.Name{Zh: "住院", En: "Stay"},
		States: []flow.State{
			{Code: InBed, Name: flow.Name{Zh: "在床", En: "In bed"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: within(day)},
			{Code: Leaving, Name: flow.Name{Zh: "待出院", En: "Leaving"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: within(day)},
			{Code: Away, Name: flow.Name{Zh: "离床", En: "Away"}, Status: "on-hold", Kind: flow.Open, Waits: flow.Owner, Within: within(day)},
			{Code: Absent, Name: flow.Name{Zh: "离床超时", En: "Away for too long"}, Status: "on-hold", Kind: flow.Open, Waits: flow.Owner, Within: within(4 * hour)},
			{Code: Called, Name: flow.Name{Zh: "抢救，待主管团队到场", En: "Resuscitation, home team called"}, Status: "in-progress", Kind: flow.Open, Waits: flow.Owner, Within: within(10 * minute)},
			{Code: Left, Name: flow.Name{Zh: "已出院", En: "Left"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Died, Name: flow.Name{Zh: "死亡", En: "Died"}, Status: "completed", Kind: flow.Closed},
			{Code: Cancelled, Name: flow.Name{Zh: "登记有误", En: "Entered by mistake"}, Status: "cancelled", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "begin", Name: flow.Name{Zh: "入科", En: "Take in"}, From: in(flow.New), To: InBed, By: flow.Requester, Roles: slices.Concat(anyone, program), Primary: true},
			{Do: "round", Name: flow.Name{Zh: "查房", En: "Round"}, From: in(InBed, Leaving), To: flow.Same, By: flow.Owner, Roles: doctors, Renews: true, Primary: true, Act: "treat"},
			{Do: "move", Name: flow.Name{Zh: "换床", En: "Move to another bed"}, From: in(InBed, Leaving, Away), To: flow.Same, By: flow.Owner, Roles: []string{"bed-desk", "duty-chief", "head-nurse"},
				Effect: flow.Name{Zh: "只换床位，主管科室与医疗组不变（不是转科）", En: "Changes the bed only; department and team stay responsible"}},
			{Do: "move", Name: flow.Name{Zh: "换床（放宽护理上限）", En: "Move beyond the nursing limit"}, From: in(InBed, Leaving, Away), To: flow.Same, By: flow.Owner, Roles: nursing, When: forNursing},
			{Do: "ask-bed", Name: flow.Name{Zh: "申请换床", En: "Ask for another bed"}, From: in(InBed, Leaving), To: flow.Same, By: flow.Owner, Roles: bedside,
				Effect: flow.Name{Zh: "进入全院候床名单；有床前仍在原床", En: "Waits in the one list, in the bed where he is"}},
			{Do: "change-nursing", Name: flow.Name{Zh: "调整护理级别", En: "Change the nursing level"}, From: in(InBed, Leaving), To: flow.Same, By: flow.Owner, Roles: bedside},
			{Do: "report", Name: flow.Name{Zh: "登记事件", En: "Report an event"}, From: in(InBed, Leaving, Away, Absent, Called), To: flow.Same, By: flow.Owner, Roles: bedside,
				Effect: flow.Name{Zh: "按数据归责：跌倒、压伤归收治病区，并发症归主管团队", En: "Counts for the side that answers for it"}},
			{Do: "call-team", Name: flow.Name{Zh: "启动抢救并呼叫主管团队", En: "Start resuscitation, call the home team"}, From: in(InBed, Leaving, Away), To: Called, By: flow.Owner, Roles: bedside,
				Effect: flow.Name{Zh: "收治病区值班医生先抢救，主管团队 10 分钟内到场", En: "The host ward's duty doctor starts; the home team is there within 10 minutes"}},
			{Do: "team-arrived", Name: flow.Name{Zh: "主管团队到场", En: "The home team is there"}, From: in(Called), To: InBed, By: flow.Owner, Roles: bedside, Primary: true},
			{Do: "plan-discharge", Name: flow.Name{Zh: "计划出院", En: "Plan the discharge"}, From: in(InBed, Leaving), To: Leaving, By: flow.Owner, Roles: bedside,
				Effect: flow.Name{Zh: "床位调配中心据此预排下一位", En: "The bed desk plans the next patient by it"}},
			{Do: "stay-on", Name: flow.Name{Zh: "暂不出院", En: "Stays on"}, From: in(Leaving), To: InBed, By: flow.Owner, Roles: bedside},
			{Do: "discharge", Name: flow.Name{Zh: "出院", En: "Discharge"}, From: in(InBed, Leaving, Away, Absent), To: Left, By: flow.Owner, Roles: bedside,
				Effect: flow.Name{Zh: "床位转为清洁，备好后通知下一位", En: "The bed is cleaned, then the next is told"}},
			{Do: "away", Name: flow.Name{Zh: "离床", En: "Away"}, From: in(InBed, Leaving), To: Away, By: flow.Owner, Roles: bedside},
			{Do: "back", Name: flow.Name{Zh: "返回", En: "Back"}, From: in(Away, Absent), To: InBed, By: flow.Owner, Roles: bedside, Primary: true},
			{Do: "died", Name: flow.Name{Zh: "死亡", En: "Died"}, From: in(InBed, Leaving, Away, Absent, Called), To: Died, By: flow.Owner, Roles: doctors},
			{Do: "cancel", Name: flow.Name{Zh: "登记有误，撤销", En: "Undo"}, From: in(InBed), To: Cancelled, By: flow.Owner, Roles: []string{"head-nurse", "bed-desk", "duty-chief"}},
			{Do: "overdue-away", Name: flow.Name{Zh: "离床超时，结算前核查", En: "Away for too long, to be checked before settlement"}, From: in(Away), To: Absent, By: flow.System},
			{Do: "flag", Name: flow.Name{Zh: "结算前核查提示", En: "Flagged before settlement"}, From: in(InBed, Leaving, Away, Absent, Called), To: flow.Same, By: flow.System},
			{Do: "moved", Name: flow.Name{Zh: "医院系统换床", En: "Moved by the hospital's system"}, From: in(InBed, Leaving, Away, Absent), To: flow.Same, By: flow.System},
			{Do: "discharged", Name: flow.Name{Zh: "医院系统出院", En: "Discharged by the hospital's system"}, From: in(InBed, Leaving, Away, Absent, Called), To: Left, By: flow.System},
		},
	},
	Starts: true,
	Begin:  line.Always("begin"),
	Forms:  stayForms,
	Rules:  stayRules,
	Build:  stayBuild,
	Escalate: []line.Level{
		{Code: "home-director", Name: flow.Name{Zh: "主管科室主任", En: "Director of the responsible department"}, Do: "overdue-away"},
		{Code: "medical-affairs", Name: flow.Name{Zh: "医务处", En: "Medical affairs"}, After: within(4 * hour)},
	},
}
