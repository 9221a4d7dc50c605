// Package agreement makes, signs, suspends and ends the agreements by which hospitals may ask each other for help (协议管理).
package agreement

import (
	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration. It is about no patient: the Contract stands in Task.focus under the Task's own id.
var Line = &line.Line{
	Slug:       "agreement",
	Name:       flow.Name{Zh: "协议管理", En: "Agreements"},
	Flows:      []*line.Flow{contract},
	Notices:    notices,
	Indicators: indicators,
	For:        handlers,
}

// Who handles agreements, who signs for the institution, and who may stop what harms patients.
var (
	handlers = []string{"leader", "medical-affairs", "referral-office"}
	leader   = []string{"leader"}
	brake    = []string{"leader", "medical-affairs"}
)

const day = flow.Day

var in = flow.In

var contract = &line.Flow{
	Table: flow.Table{
		Code: "contract",
		Name: flow.Name{Zh: "机构间协议", En: "Agreement between institutions"},
		States: []flow.State{
			{Code: agreement.Draft, Name: flow.Name{Zh: "草稿", En: "Draft"}, Status: "draft", Kind: flow.Open, Main: true, Waits: flow.Requester},
			{Code: agreement.Proposed, Name: flow.Name{Zh: "待签署", En: "To be signed"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(14*day, 14*day, 14*day)},
			{Code: agreement.HalfAsker, Name: flow.Name{Zh: "发起方已签", En: "Signed by the proposer"}, Status: "requested", Kind: flow.Open, Waits: flow.Owner, Within: flow.Within(14*day, 14*day, 14*day)},
			{Code: agreement.HalfOther, Name: flow.Name{Zh: "受邀方已签", En: "Signed by the other side"}, Status: "requested", Kind: flow.Open, Waits: flow.Requester, Within: flow.Within(14*day, 14*day, 14*day)},
			{Code: agreement.Signed, Name: flow.Name{Zh: "已签署", En: "Signed"}, Status: "accepted", Kind: flow.Open, Main: true, Waits: flow.Requester},
			{Code: agreement.Active, Name: flow.Name{Zh: "生效中", En: "In force"}, Status: "in-progress", Kind: flow.Open, Main: true, Waits: flow.Requester},
			{Code: agreement.Suspended, Name: flow.Name{Zh: "已暂停", En: "Suspended"}, Status: "on-hold", Kind: flow.Open, Waits: flow.Requester},
			{Code: agreement.Ended, Name: flow.Name{Zh: "已到期", En: "Ended"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: agreement.Terminated, Name: flow.Name{Zh: "已终止", En: "Terminated"}, Status: "failed", Kind: flow.Closed},
			{Code: agreement.Declined, Name: flow.Name{Zh: "未同意", En: "Declined"}, Status: "rejected", Kind: flow.Closed},
			{Code: agreement.Withdrawn, Name: flow.Name{Zh: "已撤回", En: "Withdrawn"}, Status: "cancelled", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "draft", Name: flow.Name{Zh: "存为草稿", En: "Save draft"}, From: in(flow.New), To: agreement.Draft, By: flow.Requester, Roles: handlers},
			{Do: "propose", Name: flow.Name{Zh: "发起协议", En: "Propose"}, From: in(flow.New), To: agreement.Proposed, By: flow.Requester, Roles: handlers, Primary: true},
			{Do: "submit", Name: flow.Name{Zh: "送对方签署", En: "Propose"}, From: in(agreement.Draft), To: agreement.Proposed, By: flow.Requester, Roles: handlers, Primary: true,
				Effect: flow.Name{Zh: "送对方查看；双方负责人签署后，自生效日起可相互办理所列业务", En: "Shows it to the other side; once both leaders have signed, what is listed may be asked for from its first day"}},
			{Do: "edit", Name: flow.Name{Zh: "修改草稿", En: "Edit draft"}, From: in(agreement.Draft), To: flow.Same, By: flow.Requester, Roles: handlers},
			{Do: "sign", Name: flow.Name{Zh: "签署", En: "Sign"}, From: in(agreement.Proposed), To: agreement.HalfOther, By: flow.Owner, Roles: leader, Primary: true, Effect: flow.Name{Zh: "以本院负责人身份签署，等待对方签署", En: "Signs for your institution; the other side signs then"}},
			{Do: "sign", Name: flow.Name{Zh: "签署", En: "Sign"}, From: in(agreement.Proposed), To: agreement.HalfAsker, By: flow.Requester, Roles: leader, Primary: true, Effect: flow.Name{Zh: "以本院负责人身份签署，等待对方签署", En: "Signs for your institution; the other side signs then"}},
			{Do: "sign", Name: flow.Name{Zh: "签署", En: "Sign"}, From: in(agreement.HalfAsker), To: agreement.Signed, By: flow.Owner, Roles: leader, Primary: true, Effect: flow.Name{Zh: "双方签署完成，自生效日起可办理所列业务", En: "Both have signed; what is listed may be asked for from its first day"}},
			{Do: "sign", Name: flow.Name{Zh: "签署", En: "Sign"}, From: in(agreement.HalfOther), To: agreement.Signed, By: flow.Requester, Roles: leader, Primary: true, Effect: flow.Name{Zh: "双方签署完成，自生效日起可办理所列业务", En: "Both have signed; what is listed may be asked for from its first day"}},
			{Do: "decline", Name: flow.Name{Zh: "不同意", En: "Decline"}, From: in(agreement.Proposed, agreement.HalfAsker, agreement.HalfOther), To: agreement.Declined, By: flow.Owner, Roles: brake},
			{Do: "withdraw", Name: flow.Name{Zh: "撤回", En: "Withdraw"}, From: in(agreement.Draft, agreement.Proposed, agreement.HalfAsker, agreement.HalfOther), To: agreement.Withdrawn, By: flow.Requester, Roles: handlers},
			{Do: "attach", Name: flow.Name{Zh: "附签署文本", En: "Attach the signed document"}, From: in(agreement.Draft, agreement.Proposed, agreement.HalfAsker, agreement.HalfOther, agreement.Signed, agreement.Active, agreement.Suspended), To: flow.Same, By: flow.Either, Roles: handlers},
			{Do: "suspend", Name: flow.Name{Zh: "暂停", En: "Suspend"}, From: in(agreement.Signed, agreement.Active), To: agreement.Suspended, By: flow.Either, Roles: brake,
				Effect: flow.Name{Zh: "立即停止新的申请；已在办理的业务和急诊照常进行", En: "Stops new requests at once; what is under way and emergencies go on"}},
			{Do: "resume", Name: flow.Name{Zh: "恢复", En: "Resume"}, From: in(agreement.Suspended), To: agreement.Active, By: flow.Either, Roles: brake, Primary: true},
			{Do: "terminate", Name: flow.Name{Zh: "终止", En: "Terminate"}, From: in(agreement.Signed, agreement.Active, agreement.Suspended), To: agreement.Terminated, By: flow.Either, Roles: leader,
				Effect: flow.Name{Zh: "立即终止，不可恢复；如需继续请另签协议", En: "Ends it at once and for good; a new one must be signed to go on"}},
			{Do: "by-date", Name: flow.Name{Zh: "到日生效", En: "Comes into force"}, From: in(agreement.Signed), To: agreement.Active, By: flow.System},
			{Do: "by-date", Name: flow.Name{Zh: "到日结束", En: "Ends by its date"}, From: in(agreement.Active, agreement.Suspended), To: agreement.Ended, By: flow.System},
		},
	},
	Starts:     true,
	Impersonal: true,
	Begin:      line.Drafts("draft", "propose"),
	Forms:      forms,
	Rules:      rules,
	Build:      build,
	// The deadline of a signed agreement is its first day, of one in force its last: then the hub takes the step.
	Escalate: []line.Level{{Code: "due", Name: flow.Name{Zh: "到期", En: "Due"}, Do: "by-date"}},
}

var notices = map[string]flow.Name{
	"submit":    {Zh: "收到一份协议，请查看并签署", En: "An agreement was proposed; please look and sign"},
	"propose":   {Zh: "收到一份协议，请查看并签署", En: "An agreement was proposed; please look and sign"},
	"sign":      {Zh: "协议已签署", En: "An agreement was signed"},
	"decline":   {Zh: "协议未获同意", En: "An agreement was declined"},
	"withdraw":  {Zh: "协议已撤回", En: "An agreement was withdrawn"},
	"suspend":   {Zh: "协议已暂停，新的申请将被退回", En: "An agreement was suspended; new requests are refused"},
	"resume":    {Zh: "协议已恢复", En: "An agreement was resumed"},
	"terminate": {Zh: "协议已终止", En: "An agreement was terminated"},
	"by-date":   {Zh: "协议按日期生效或到期", En: "An agreement has come into force or ended by its date"},
	"late":      {Zh: "协议待签署已逾期", En: "An agreement waits too long to be signed"},
}
