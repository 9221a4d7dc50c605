package referral

import (
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// out is the centre's relay with the output hospital, usually across provinces. An emergency goes at once;
// medical affairs approve it afterwards, and nothing closes without that.
var out = &line.Flow{
	Table: flow.Table{
		Code: "out",
		Name: flow.Name{Zh: "转输出医院（接力救治）", En: "Relay with the output hospital"},
		States: []flow.State{
			{Code: Proposed, Name: flow.Name{Zh: "待医务处审批", En: "Proposed"}, Status: "draft", Kind: flow.Open, Main: true, Waits: flow.Requester, Within: flow.Within(hour, 4*hour, day), Lapses: 7 * day},
			{Code: Submitted, Name: flow.Name{Zh: "待对方接收", En: "Submitted"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(15*minute, 2*hour, day), Lapses: 14 * day},
			{Code: Accepted, Name: flow.Name{Zh: "已接收", En: "Accepted"}, Status: "accepted", Kind: flow.Open, Main: true, Waits: flow.Requester, Within: flow.Within(2*hour, day, 7*day), Lapses: 30 * day},
			{Code: InTransit, Name: flow.Name{Zh: "转运中", En: "In transit"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(12*hour, day, 2*day), Lapses: 14 * day},
			{Code: Arrived, Name: flow.Name{Zh: "救治中（每日通报）", En: "In care, daily word"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(day, day, day)},
			{Code: Returned, Name: flow.Name{Zh: "带计划转回", En: "Returned with a plan"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Requester, Within: flow.Within(3*day, 3*day, 3*day)},
			{Code: Ended, Name: flow.Name{Zh: "已结案", En: "Closed"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Disapproved, Name: flow.Name{Zh: "医务处未同意", En: "Disapproved"}, Status: "cancelled", Kind: flow.Closed},
			{Code: Declined, Name: flow.Name{Zh: "未接收", En: "Declined"}, Status: "rejected", Kind: flow.Closed},
			{Code: Redirected, Name: flow.Name{Zh: "已转他院", En: "Redirected"}, Status: "rejected", Kind: flow.Closed},
			{Code: Refused, Name: flow.Name{Zh: "患者未同意", En: "Refused by the patient"}, Status: "cancelled", Kind: flow.Closed},
			{Code: Cancelled, Name: flow.Name{Zh: "已撤回", En: "Cancelled"}, Status: "cancelled", Kind: flow.Closed},
			{Code: ArrivedElsewhere, Name: flow.Name{Zh: "到了他院", En: "Arrived elsewhere"}, Status: "failed", Kind: flow.Closed},
			{Code: Expired, Name: flow.Name{Zh: "已过期", En: "Expired"}, Status: "failed", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "propose", Name: flow.Name{Zh: "提出外转", En: "Propose"}, From: in(flow.New), To: Proposed, By: flow.Requester, Roles: desk, Primary: true},
			{Do: "propose", Name: flow.Name{Zh: "急诊外转", En: "Send at once"}, From: in(flow.New), To: Submitted, By: flow.Requester, Roles: desk, When: inEmergency},
			{Do: "approve", Name: flow.Name{Zh: "同意外转", En: "Approve"}, From: in(Proposed), To: Submitted, By: flow.Requester, Roles: affairs, Primary: true, Effect: flow.Name{Zh: "封存资料并通知输出医院", En: "Freezes the packet and notifies the output hospital"}, Act: "approve-transfer"},
			{Do: "approve", Name: flow.Name{Zh: "补办审批", En: "Approve afterwards"}, From: in(Submitted, Accepted, InTransit, Arrived, Returned), To: flow.Same, By: flow.Requester, Roles: affairs, When: inEmergency, Act: "approve-transfer"},
			{Do: "disapprove", Name: flow.Name{Zh: "不同意", En: "Disapprove"}, From: in(Proposed), To: Disapproved, By: flow.Requester, Roles: affairs},
			{Do: "route", Name: flow.Name{Zh: "分派科室", En: "Route"}, From: in(Submitted), To: flow.Same, By: flow.Owner, Roles: desk},
			{Do: "accept", Name: flow.Name{Zh: "接收", En: "Accept"}, From: in(Submitted), To: Accepted, By: flow.Owner, Roles: doctor, Primary: true, Act: "accept-patient"},
			{Do: "decline", Name: flow.Name{Zh: "不接收", En: "Decline"}, From: in(Submitted), To: Declined, By: flow.Owner, Roles: desk},
			{Do: "redirect", Name: flow.Name{Zh: "转往他院", En: "Redirect"}, From: in(Submitted, Accepted), To: Redirected, By: flow.Either, Roles: desk},
			{Do: "depart", Name: flow.Name{Zh: "护送出发", En: "Depart with escort"}, From: in(Accepted), To: InTransit, By: flow.Requester, Roles: desk, Primary: true},
			{Do: "depart", Name: flow.Name{Zh: "护送出发", En: "Depart with escort"}, From: in(Submitted), To: InTransit, By: flow.Requester, Roles: desk, When: inEmergency},
			{Do: "arrive", Name: flow.Name{Zh: "签收到达", En: "Arrive, hand over"}, From: in(InTransit), To: Arrived, By: flow.Owner, Roles: desk, Primary: true},
			{Do: "arrive", Name: flow.Name{Zh: "签收到达", En: "Arrive, hand over"}, From: in(Submitted, Accepted), To: Arrived, By: flow.Owner, Roles: desk, When: inEmergency},
			{Do: "report", Name: flow.Name{Zh: "每日通报", En: "Daily word"}, From: in(Arrived), To: flow.Same, By: flow.Owner, Roles: desk, Renews: true},
			{Do: "return", Name: flow.Name{Zh: "带计划转回", En: "Return with a plan"}, From: in(Arrived), To: Returned, By: flow.Owner, Roles: doctor, Primary: true},
			{Do: "close", Name: flow.Name{Zh: "接回并结案", En: "Take back and close"}, From: in(Returned), To: Ended, By: flow.Requester, Roles: desk, Primary: true},
			{Do: "refuse", Name: flow.Name{Zh: "患者不同意", En: "Patient refuses"}, From: in(Proposed, Submitted, Accepted), To: Refused, By: flow.Requester, Roles: desk},
			{Do: "cancel", Name: flow.Name{Zh: "撤回", En: "Cancel"}, From: in(Proposed, Submitted, Accepted, InTransit), To: Cancelled, By: flow.Requester, Roles: desk},
			{Do: "arrived-elsewhere", Name: flow.Name{Zh: "到了他院", En: "Arrived elsewhere"}, From: in(Submitted, Accepted, InTransit, Arrived), To: ArrivedElsewhere, By: flow.Either, Roles: desk},
			{Do: "expire", Name: flow.Name{Zh: "过期", En: "Expire"}, From: in(Proposed, Submitted, Accepted, InTransit), To: Expired, By: flow.System},
		},
	},
	Starts:   true,
	Begin:    line.Always("propose"),
	Forms:    outForms,
	Rules:    outRules,
	Build:    outBuild,
	Escalate: ladder,
}

// filing is the errand of the sender's insurance office: the insurance must know before the bill is settled.
// It never holds up a patient.
var filing = &line.Flow{
	Table: flow.Table{
		Code: "insurance-filing",
		Name: flow.Name{Zh: "异地就医备案", En: "Insurance filing"},
		States: []flow.State{
			{Code: ToFile, Name: flow.Name{Zh: "待备案", En: "To file"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(3*day, 3*day, 3*day)},
			{Code: Filed, Name: flow.Name{Zh: "已备案", En: "Filed"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: NotNeeded, Name: flow.Name{Zh: "无需备案", En: "Not needed"}, Status: "cancelled", Kind: flow.Closed},
			{Code: Declined, Name: flow.Name{Zh: "备案未通过", En: "Declined"}, Status: "rejected", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "open-filing", Name: flow.Name{Zh: "提醒备案", En: "Ask to file"}, From: in(flow.New), To: ToFile, By: flow.Requester},
			{Do: "file", Name: flow.Name{Zh: "已办备案", En: "File"}, From: in(ToFile), To: Filed, By: flow.Owner, Roles: insurer, Primary: true},
			{Do: "not-needed", Name: flow.Name{Zh: "无需备案", En: "Not needed"}, From: in(ToFile), To: NotNeeded, By: flow.Owner, Roles: insurer},
			{Do: "decline", Name: flow.Name{Zh: "未通过", En: "Declined"}, From: in(ToFile), To: Declined, By: flow.Owner, Roles: insurer},
		},
	},
	Forms: filingForms,
	Build: filingBuild,
}

// insuranceOffice is the nearest institution at or above the sender that has one: village clinics and
// township branches have none. Where nobody above is known the errand stays with the sender.
func insuranceOffice(c line.Call, sender string) string {
	at := sender
	for range 8 {
		organization := c.Read.Get(at)
		if organization == nil {
			break
		}
		if !withoutOffices[levelOf(organization)] {
			return at
		}
		at = c.Read.Institution(organization.Str("partOf.reference"))
	}
	return sender
}

// institutionLevel on an Organization: what it is in the network.
const institutionLevel = spec.Canonical + "/StructureDefinition/institution-level"

var withoutOffices = map[string]bool{"village": true, "township": true}

func levelOf(organization *fhir.Node) string {
	for _, x := range organization.All("extension") {
		if x.Str("url") == institutionLevel {
			return x.Str("valueCode")
		}
	}
	return ""
}
