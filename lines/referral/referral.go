// Package referral sends a patient to the hospital that can help, and back home with a plan (双向转诊).
package referral

import (
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration. Each hand-over is a Task of its own: up, down, out, each follow-up, and the insurance filing beside them.
var Line = &line.Line{
	Slug:       "referral",
	Name:       flow.Name{Zh: "双向转诊", En: "Two-way referral"},
	In:         flow.Name{Zh: "转入", En: "In"},
	Out:        flow.Name{Zh: "转出", En: "Out"},
	Flows:      []*line.Flow{up, down, follow, out, filing},
	Quiet:      []string{"plan-visit"},
	Taken:      func(patient, to string) line.Claim { return line.Claim{Kind: openReferral, Key: place(patient, to)} },
	Notices:    notices,
	Indicators: indicators,
}

// States. The words are the hospital's own and the same for both sides.
const (
	Draft            = "draft"
	Offered          = "offered"
	Proposed         = "proposed"
	Submitted        = "submitted"
	Departed         = "departed"
	Received         = "received"
	Accepted         = "accepted"
	NoBed            = "accepted-no-bed"
	BedHeld          = "bed-held"
	Advised          = "advised"
	InTransit        = "in-transit"
	Arrived          = "arrived"
	Treated          = "treated"
	FollowedUp       = "followed-up"
	Returned         = "returned"
	Ended            = "closed"
	Declined         = "declined"
	Disapproved      = "disapproved"
	Redirected       = "redirected"
	Refused          = "refused"
	Cancelled        = "cancelled"
	NoShow           = "no-show"
	ArrivedElsewhere = "arrived-elsewhere"
	ManagedOutside   = "managed-outside"
	Expired          = "expired"
	ToFile           = "to-file"
	Filed            = "filed"
	NotNeeded        = "not-needed"
)

// Who acts, by role at the institution. Three decisions have three owners: the office receives and routes,
// a doctor of the receiving specialty accepts, the bed desk allocates.
var (
	senders = []string{"referring-doctor", "referral-office"}
	office  = []string{"referral-office"}
	desk    = []string{"referral-office", "receiving-doctor"}
	doctor  = []string{"receiving-doctor"}
	either  = []string{"referring-doctor", "referral-office", "receiving-doctor"}
	affairs = []string{"medical-affairs"}
	insurer = []string{"insurance-office"}
)

var (
	in          = flow.In
	inEmergency = flow.When{Field: "urgency", Is: "emergency"}
	withAdvice  = flow.When{Field: "outcome", Is: "advice"}
	toAdmit     = flow.When{Field: "outcome", Is: "admission"}
)

// The limits are defaults of ours, editable by the region; those of Submitted are the network's promise.
const (
	minute = time.Minute
	hour   = time.Hour
	day    = flow.Day
)

// ladder is whom a late case reaches, along the agreement.
var ladder = []line.Level{
	{Code: "office-head", Name: flow.Name{Zh: "转诊办负责人", En: "Head of the referral office"}},
	{Code: "duty-director", Name: flow.Name{Zh: "值班院领导", En: "Director on duty"}, After: flow.Within(15*minute, 2*hour, 24*hour)},
	{Code: "next-hospital", Name: flow.Name{Zh: "协议内下一家医院", En: "Next hospital of the agreement"}, After: flow.Within(30*minute, 4*hour, 48*hour)},
}

// An unanswered offer goes from the township to its county.
var countyTakes = []line.Level{
	ladder[0],
	{Code: "county", Name: flow.Name{Zh: "县级医院接管", En: "County hospital takes it"}, After: flow.Within(2*hour, 8*hour, 24*hour), Do: "take-over"},
}

var up = &line.Flow{
	Table: flow.Table{
		Code: "up",
		Name: flow.Name{Zh: "上转", En: "Up-referral"},
		States: []flow.State{
			{Code: Draft, Name: flow.Name{Zh: "草稿", En: "Draft"}, Status: "draft", Kind: flow.Open, Waits: flow.Requester, Lapses: 7 * day},
			{Code: Submitted, Name: flow.Name{Zh: "待接收", En: "Submitted"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(15*minute, 2*hour, 24*hour), Lapses: 14 * day},
			{Code: Received, Name: flow.Name{Zh: "已接收", En: "Received"}, Status: "received", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(15*minute, 4*hour, 48*hour), Lapses: 14 * day},
			{Code: Accepted, Name: flow.Name{Zh: "已接诊", En: "Accepted"}, Status: "accepted", Kind: flow.Open, Main: true, Waits: flow.Requester, Within: flow.Within(hour, day, 7*day), Lapses: 30 * day},
			{Code: NoBed, Name: flow.Name{Zh: "已接诊，待床位", En: "Accepted, no bed"}, Status: "accepted", Kind: flow.Open, Waits: flow.Owner, Within: flow.Within(15*minute, 2*hour, 48*hour), Lapses: 30 * day},
			{Code: BedHeld, Name: flow.Name{Zh: "已留床", En: "Bed held"}, Status: "accepted", Kind: flow.Open, Waits: flow.Requester, Within: flow.Within(hour, day, 7*day), Lapses: 30 * day},
			{Code: InTransit, Name: flow.Name{Zh: "转运中", En: "In transit"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(4*hour, 12*hour, day), Lapses: 14 * day},
			{Code: Arrived, Name: flow.Name{Zh: "已到达", En: "Arrived"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(3*day, 14*day, 14*day)},
			{Code: Treated, Name: flow.Name{Zh: "已诊治", En: "Treated"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(3*day, 3*day, 3*day)},
			{Code: Ended, Name: flow.Name{Zh: "已结案", En: "Closed"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Departed, Name: flow.Name{Zh: "急诊在途，待接收", En: "On the way, to be received"}, Status: "requested", Kind: flow.Open, Waits: flow.Owner, Within: flow.Within(15*minute, 2*hour, 24*hour), Lapses: 14 * day},
			{Code: Advised, Name: flow.Name{Zh: "已回复建议", En: "Advised"}, Status: "accepted", Kind: flow.Open, Waits: flow.Requester, Within: flow.Within(2*hour, day, 3*day), Lapses: 30 * day},
			{Code: Declined, Name: flow.Name{Zh: "未接收", En: "Declined"}, Status: "rejected", Kind: flow.Closed},
			{Code: Redirected, Name: flow.Name{Zh: "已转他院", En: "Redirected"}, Status: "rejected", Kind: flow.Closed},
			{Code: Refused, Name: flow.Name{Zh: "患者未同意", En: "Refused by the patient"}, Status: "cancelled", Kind: flow.Closed},
			{Code: Cancelled, Name: flow.Name{Zh: "已撤回", En: "Cancelled"}, Status: "cancelled", Kind: flow.Closed},
			{Code: NoShow, Name: flow.Name{Zh: "未到院", En: "No-show"}, Status: "failed", Kind: flow.Closed},
			{Code: ArrivedElsewhere, Name: flow.Name{Zh: "到了他院", En: "Arrived elsewhere"}, Status: "failed", Kind: flow.Closed},
			{Code: ManagedOutside, Name: flow.Name{Zh: "网络外就医", En: "Managed outside the network"}, Status: "failed", Kind: flow.Closed},
			{Code: Expired, Name: flow.Name{Zh: "已过期", En: "Expired"}, Status: "failed", Kind: flow.Closed},
		},
		Steps: slices.Concat([]flow.Step{
			{Do: "draft", Name: flow.Name{Zh: "存为草稿", En: "Save draft"}, From: in(flow.New), To: Draft, By: flow.Requester, Roles: senders},
			{Do: "send", Name: flow.Name{Zh: "发起转诊", En: "Refer"}, From: in(flow.New), To: Submitted, By: flow.Requester, Roles: senders, Primary: true, Act: "refer"},
			{Do: "submit", Name: flow.Name{Zh: "提交", En: "Submit"}, From: in(Draft), To: Submitted, By: flow.Requester, Roles: senders, Primary: true, Effect: flow.Name{Zh: "封存资料并通知对方转诊办", En: "Freezes the packet and notifies the other referral office"}, Act: "refer"},
			{Do: "receive", Name: flow.Name{Zh: "接收", En: "Receive"}, From: in(Submitted), To: Received, By: flow.Owner, Roles: office, Primary: true, Effect: flow.Name{Zh: "确认资料齐全，分派到科室，等待医生接诊", En: "Confirms that the packet is complete, routes to the department and waits for its doctor"}},
			{Do: "receive", Name: flow.Name{Zh: "接收", En: "Receive"}, From: in(Submitted), To: Received, By: flow.Owner, Roles: doctor, When: inEmergency, Primary: true},
			{Do: "receive", Name: flow.Name{Zh: "接收", En: "Receive"}, From: in(Departed), To: InTransit, By: flow.Owner, Roles: desk, Primary: true, Effect: flow.Name{Zh: "知悉患者已在途中，准备接应", En: "Knows that the patient is on the way and makes ready"}},
			{Do: "route", Name: flow.Name{Zh: "改派科室", En: "Route"}, From: in(Received), To: flow.Same, By: flow.Owner, Roles: desk},
			{Do: "accept", Name: flow.Name{Zh: "接诊", En: "Accept"}, From: in(Received), To: Accepted, By: flow.Owner, Roles: doctor, Primary: true, Effect: flow.Name{Zh: "通知申请方安排患者前来", En: "Tells the sender to set the patient on the way"}, Act: "accept-patient"},
			{Do: "accept", Name: flow.Name{Zh: "接诊", En: "Accept"}, From: in(Received), To: NoBed, By: flow.Owner, Roles: doctor, When: toAdmit, Primary: true, Effect: flow.Name{Zh: "进入候床，由床位调配中心留床", En: "Waits for a bed; the bed desk holds one"}, Act: "accept-patient"},
			{Do: "accept", Name: flow.Name{Zh: "接诊", En: "Accept"}, From: in(Submitted), To: Accepted, By: flow.Owner, Roles: doctor, When: inEmergency, Primary: true, Act: "accept-patient"},
			{Do: "accept", Name: flow.Name{Zh: "接诊", En: "Accept"}, From: in(Departed), To: InTransit, By: flow.Owner, Roles: doctor, Act: "accept-patient"},
			{Do: "accept", Name: flow.Name{Zh: "接诊", En: "Accept"}, From: in(InTransit), To: flow.Same, By: flow.Owner, Roles: doctor, When: inEmergency, Act: "accept-patient"},
			{Do: "accept", Name: flow.Name{Zh: "回复建议", En: "Advise"}, From: in(Submitted, Received), To: Advised, By: flow.Owner, Roles: doctor, When: withAdvice, Act: "remote-opinion"},
			{Do: "decline", Name: flow.Name{Zh: "不接收", En: "Decline"}, From: in(Submitted, Received), To: Declined, By: flow.Owner, Roles: desk, Effect: flow.Name{Zh: "以编码原因退回，并给出建议", En: "Goes back with a coded reason and advice"}},
			{Do: "redirect", Name: flow.Name{Zh: "转往他院", En: "Redirect"}, From: in(Submitted, Departed, Received, Accepted, NoBed, BedHeld), To: Redirected, By: flow.Owner, Roles: desk, Effect: flow.Name{Zh: "资料随转，由下一家医院接续", En: "The packet goes along; the next hospital takes over"}},
			{Do: "redirect", Name: flow.Name{Zh: "改送他院", En: "Send elsewhere"}, From: in(Submitted, Departed, Received, Accepted, NoBed, BedHeld), To: Redirected, By: flow.Requester, Roles: senders},
			{Do: "supplement", Name: flow.Name{Zh: "补充资料", En: "Add to the packet"}, From: in(Submitted, Departed, Received, Accepted, NoBed, BedHeld, InTransit), To: flow.Same, By: flow.Requester, Roles: senders},
			{Do: "depart", Name: flow.Name{Zh: "出发", En: "Depart"}, From: in(Accepted, BedHeld), To: InTransit, By: flow.Requester, Roles: senders, Primary: true},
			{Do: "depart", Name: flow.Name{Zh: "出发", En: "Depart"}, From: in(Submitted), To: Departed, By: flow.Requester, Roles: senders, When: inEmergency, Primary: true},
			{Do: "depart", Name: flow.Name{Zh: "出发", En: "Depart"}, From: in(Received, NoBed), To: InTransit, By: flow.Requester, Roles: senders, When: inEmergency, Primary: true},
			{Do: "arrive", Name: flow.Name{Zh: "到达", En: "Arrive"}, From: in(Accepted, NoBed, BedHeld, InTransit), To: Arrived, By: flow.Owner, Roles: desk, Primary: true},
			{Do: "arrive", Name: flow.Name{Zh: "到达", En: "Arrive"}, From: in(Submitted, Departed, Received), To: Arrived, By: flow.Owner, Roles: desk, When: inEmergency},
			{Do: "admit", Name: flow.Name{Zh: "开住院证", En: "Order admission"}, From: in(Accepted, NoBed, BedHeld, InTransit, Arrived), To: flow.Same, By: flow.Owner, Roles: doctor, Act: "admit"},
			{Do: "treat", Name: flow.Name{Zh: "诊治完成", En: "Treated"}, From: in(Arrived), To: Treated, By: flow.Owner, Roles: doctor, Primary: true, Act: "treat"},
			{Do: "treat", Name: flow.Name{Zh: "诊治完成", En: "Treated"}, From: in(Submitted, Departed, Received, Accepted, NoBed, BedHeld, InTransit), To: Treated, By: flow.Owner, Roles: doctor, When: inEmergency, Act: "treat"},
			{Do: "send-back", Name: flow.Name{Zh: "下转", En: "Send back with a plan"}, From: in(Arrived, Treated), To: Treated, By: flow.Owner, Roles: doctor, Effect: flow.Name{Zh: "带康复计划转回原转出单位，等待对方接收", En: "Offers the patient with a plan to where he came from"}, Act: "treat"},
			{Do: "close", Name: flow.Name{Zh: "结案", En: "Close"}, From: in(Treated), To: Ended, By: flow.Owner, Roles: desk, Primary: true},
			{Do: "acknowledge", Name: flow.Name{Zh: "按建议处理并结案", En: "Act on the advice"}, From: in(Advised), To: Ended, By: flow.Requester, Roles: senders, Primary: true},
			{Do: "refuse", Name: flow.Name{Zh: "患者不同意", En: "Patient refuses"}, From: in(Draft, Submitted, Received, Accepted, NoBed, BedHeld, Advised), To: Refused, By: flow.Requester, Roles: senders},
			{Do: "cancel", Name: flow.Name{Zh: "撤回", En: "Cancel"}, From: in(Draft, Submitted, Departed, Received, Accepted, NoBed, BedHeld, InTransit), To: Cancelled, By: flow.Requester, Roles: senders},
			{Do: "no-show", Name: flow.Name{Zh: "未到院", En: "No-show"}, From: in(Accepted, NoBed, BedHeld, InTransit), To: NoShow, By: flow.Owner, Roles: desk},
			{Do: "arrived-elsewhere", Name: flow.Name{Zh: "到了他院", En: "Arrived elsewhere"}, From: in(Submitted, Departed, Received, Accepted, NoBed, BedHeld, InTransit), To: ArrivedElsewhere, By: flow.Either, Roles: either},
			{Do: "managed-outside", Name: flow.Name{Zh: "网络外就医", En: "Managed outside"}, From: in(Submitted, Departed, Received, Accepted, NoBed, BedHeld, InTransit, Arrived, Advised), To: ManagedOutside, By: flow.Either, Roles: either},
			{Do: "expire", Name: flow.Name{Zh: "过期", En: "Expire"}, From: in(Draft, Submitted, Departed, Received, Accepted, NoBed, BedHeld, InTransit, Advised), To: Expired, By: flow.System},
		}, hold.Steps(hold.States{Waiting: NoBed, Held: BedHeld, Also: in(Accepted), Stay: in(InTransit, Arrived), Emergency: in(Submitted, Departed, Received)})),
	},
	Starts:   true,
	Begin:    line.Drafts("draft", "send"),
	Forms:    upForms,
	Rules:    upRules,
	Build:    upBuild,
	Escalate: ladder,
}

var down = &line.Flow{
	Table: flow.Table{
		Code: "down",
		Name: flow.Name{Zh: "下转", En: "Down-referral"},
		States: []flow.State{
			{Code: Offered, Name: flow.Name{Zh: "待承接", En: "Offered"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(4*hour, 8*hour, day)},
			{Code: Accepted, Name: flow.Name{Zh: "已承接", En: "Accepted"}, Status: "accepted", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(day, 3*day, 7*day), Lapses: 30 * day},
			{Code: Arrived, Name: flow.Name{Zh: "已回到当地", En: "Arrived"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(5*day, 5*day, 5*day)},
			{Code: FollowedUp, Name: flow.Name{Zh: "已随访", En: "Followed up"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(25*day, 25*day, 25*day)},
			{Code: Ended, Name: flow.Name{Zh: "已结案", En: "Closed"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Declined, Name: flow.Name{Zh: "未承接", En: "Declined"}, Status: "rejected", Kind: flow.Closed},
			{Code: Redirected, Name: flow.Name{Zh: "已改由他院承接", En: "Redirected"}, Status: "rejected", Kind: flow.Closed},
			{Code: Cancelled, Name: flow.Name{Zh: "已撤回", En: "Cancelled"}, Status: "cancelled", Kind: flow.Closed},
			{Code: NoShow, Name: flow.Name{Zh: "未回到当地", En: "No-show"}, Status: "failed", Kind: flow.Closed},
			{Code: Expired, Name: flow.Name{Zh: "已过期", En: "Expired"}, Status: "failed", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "offer", Name: flow.Name{Zh: "发起下转", En: "Offer"}, From: in(flow.New), To: Offered, By: flow.Requester, Roles: desk, Primary: true},
			{Do: "accept", Name: flow.Name{Zh: "承接", En: "Accept"}, From: in(Offered), To: Accepted, By: flow.Owner, Roles: either, Primary: true},
			{Do: "decline", Name: flow.Name{Zh: "不承接", En: "Decline"}, From: in(Offered), To: Declined, By: flow.Owner, Roles: either},
			{Do: "redirect", Name: flow.Name{Zh: "改由他院承接", En: "Redirect"}, From: in(Offered, Accepted), To: Redirected, By: flow.Either, Roles: either},
			{Do: "arrive", Name: flow.Name{Zh: "患者已回", En: "Arrive"}, From: in(Accepted), To: Arrived, By: flow.Owner, Roles: either, Primary: true},
			{Do: "follow-up", Name: flow.Name{Zh: "随访", En: "Follow up"}, From: in(Arrived), To: FollowedUp, By: flow.Owner, Roles: either, Primary: true},
			{Do: "follow-up", Name: flow.Name{Zh: "再次随访", En: "Follow up again"}, From: in(FollowedUp), To: flow.Same, By: flow.Owner, Roles: either, Renews: true},
			{Do: "close", Name: flow.Name{Zh: "结案", En: "Close"}, From: in(Arrived, FollowedUp), To: Ended, By: flow.Owner, Roles: either, Primary: true},
			{Do: "cancel", Name: flow.Name{Zh: "撤回", En: "Cancel"}, From: in(Offered, Accepted), To: Cancelled, By: flow.Requester, Roles: desk},
			{Do: "no-show", Name: flow.Name{Zh: "未回到当地", En: "No-show"}, From: in(Accepted), To: NoShow, By: flow.Owner, Roles: either},
			{Do: "expire", Name: flow.Name{Zh: "过期", En: "Expire"}, From: in(Accepted), To: Expired, By: flow.System},
			{Do: "take-over", Name: flow.Name{Zh: "县级医院接管", En: "County takes over"}, From: in(Offered), To: Redirected, By: flow.System},
		},
	},
	Starts:   true,
	Begin:    line.Always("offer"),
	Forms:    downForms,
	Rules:    downRules,
	Build:    downBuild,
	Escalate: countyTakes,
}
