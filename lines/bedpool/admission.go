package bedpool

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// admission is one patient who waits for a bed of the pool until he lies in it. The limits of Waiting hold where nobody
// has promised a time.
var admission = &line.Flow{
	Table: flow.Table{
		Code: "admission",
		Name: flow.Name{Zh: "住院申请", En: "Admission"},
		States: []flow.State{
			{Code: Waiting, Name: flow.Name{Zh: "候床", En: "Waiting for a bed"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(hour, day, 14*day)},
			{Code: Held, Name: flow.Name{Zh: "已留床", En: "Bed held"}, Status: "accepted", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: within(day)},
			{Code: Confirmed, Name: flow.Name{Zh: "已通知入院", En: "Called in"}, Status: "ready", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(4*hour, day, 2*day)},
			{Code: TakenIn, Name: flow.Name{Zh: "已入科", En: "Taken in"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Cancelled, Name: flow.Name{Zh: "已取消", En: "Cancelled"}, Status: "cancelled", Kind: flow.Closed},
			{Code: NoShow, Name: flow.Name{Zh: "未到院", En: "No-show"}, Status: "failed", Kind: flow.Closed},
			{Code: Redirected, Name: flow.Name{Zh: "已转他院", En: "Redirected"}, Status: "rejected", Kind: flow.Closed},
			{Code: Died, Name: flow.Name{Zh: "患者死亡", En: "Died"}, Status: "failed", Kind: flow.Closed},
		},
		Steps: slices.Concat([]flow.Step{
			{Do: "request", Name: flow.Name{Zh: "申请住院", En: "Request admission"}, From: in(flow.New), To: Waiting, By: flow.Requester, Roles: asking, Primary: true,
				Effect: flow.Name{Zh: "进入全院候床名单，由床位调配中心安排", En: "Joins the waiting list of the whole hospital"}},
			{Do: "admit", Name: flow.Name{Zh: "开住院证", En: "Order admission"}, From: in(Waiting, Held, Confirmed), To: flow.Same, By: flow.Owner, Roles: doctors, Act: "admit"},
			{Do: "confirm", Name: flow.Name{Zh: "通知入院", En: "Call in"}, From: in(Held), To: Confirmed, By: flow.Owner, Roles: desk, Primary: true,
				Effect: flow.Name{Zh: "患者已确认前来，床位不再逾期释放", En: "The patient comes; the bed lapses no more"}},
			{Do: "take-in", Name: flow.Name{Zh: "入科", En: "Take in"}, From: in(Confirmed), To: TakenIn, By: flow.Owner, Roles: anyone, Primary: true,
				Effect: flow.Name{Zh: "患者已到床旁，开始住院", En: "The patient is at the bed; the stay begins"}},
			{Do: "take-in", Name: flow.Name{Zh: "入科", En: "Take in"}, From: in(Held), To: TakenIn, By: flow.Owner, Roles: anyone},
			{Do: "take-in", Name: flow.Name{Zh: "急诊直接入科", En: "Take in at once"}, From: in(Waiting), To: TakenIn, By: flow.Owner, Roles: anyone, When: inEmergency},
			{Do: "take-in", Name: flow.Name{Zh: "医院系统入科", En: "Taken in by the hospital's system"}, From: in(Waiting, Held, Confirmed), To: TakenIn, By: flow.Owner, Roles: program},
			{Do: "bind-bed", Name: flow.Name{Zh: "落实床位", En: "Bind a bed"}, From: in(Confirmed), To: flow.Same, By: flow.Owner, Roles: hold.Givers},
			{Do: "release-bed", Name: flow.Name{Zh: "退床", En: "Give the bed back"}, From: in(Confirmed), To: Waiting, By: flow.Owner, Roles: hold.Desk},
			{Do: "change-needs", Name: flow.Name{Zh: "修改床位需求", En: "Change the needs"}, From: in(Waiting), To: flow.Same, By: flow.Either, Roles: asking},
			{Do: "redirect", Name: flow.Name{Zh: "转往他院", En: "Redirect"}, From: in(Waiting), To: Redirected, By: flow.Owner, Roles: []string{"bed-desk", "duty-chief", "referring-doctor", "receiving-doctor"},
				Effect: flow.Name{Zh: "由已发起的转诊接续，本申请结束", En: "The referral that was begun takes over"}},
			{Do: "cancel", Name: flow.Name{Zh: "取消申请", En: "Cancel"}, From: in(Waiting, Held, Confirmed), To: Cancelled, By: flow.Either, Roles: asking},
			{Do: "no-show", Name: flow.Name{Zh: "未到院", En: "No-show"}, From: in(Held, Confirmed), To: NoShow, By: flow.Owner, Roles: desk},
			{Do: "died", Name: flow.Name{Zh: "患者死亡", En: "Died"}, From: in(Waiting, Held, Confirmed), To: Died, By: flow.Owner, Roles: anyone},
			{Do: "displaced", Name: flow.Name{Zh: "床位被急诊占用", En: "An emergency took the bed"}, From: in(Confirmed), To: Waiting, By: flow.System},
		}, hold.Steps(hold.States{Waiting: Waiting, Held: Held})),
	},
	Starts:   true,
	Begin:    line.Always("request"),
	Forms:    admissionForms,
	Rules:    admissionRules,
	Build:    admissionBuild,
	Escalate: dutyChief,
}
