package bedpool

import (
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// settlement is what a ward has done in a month for the patients of another department: days in its beds, nursing. The
// director of each confirms it, in either order. It is about no patient.
var settlement = &line.Flow{
	Table: flow.Table{
		Code: "settlement",
		Name: flow.Name{Zh: "借床月度结算", En: "Monthly settlement"},
		States: []flow.State{
			{Code: Drawn, Name: flow.Name{Zh: "待双方确认", En: "To be confirmed by both"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: within(7 * day)},
			{Code: Signed, Name: flow.Name{Zh: "一方已确认", En: "One side has confirmed"}, Status: "accepted", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: within(5 * day)},
			{Code: Disputed, Name: flow.Name{Zh: "有异议", En: "Disputed"}, Status: "on-hold", Kind: flow.Open, Waits: flow.Owner, Within: within(5 * day)},
			{Code: Settled, Name: flow.Name{Zh: "双方已确认", En: "Settled"}, Status: "completed", Kind: flow.Done, Main: true},
		},
		Steps: []flow.Step{
			{Do: "draw", Name: flow.Name{Zh: "生成结算单", En: "Draw up"}, From: in(flow.New), To: Drawn, By: flow.Requester, Roles: hub},
			{Do: "sign", Name: flow.Name{Zh: "确认", En: "Confirm"}, From: in(Drawn), To: Signed, By: flow.Owner, Roles: directors, Primary: true},
			{Do: "sign", Name: flow.Name{Zh: "确认", En: "Confirm"}, From: in(Signed), To: Settled, By: flow.Owner, Roles: directors, Primary: true},
			{Do: "dispute", Name: flow.Name{Zh: "提出异议", En: "Dispute"}, From: in(Drawn, Signed), To: Disputed, By: flow.Owner, Roles: directors},
			{Do: "answer", Name: flow.Name{Zh: "答复异议", En: "Answer"}, From: in(Disputed), To: Drawn, By: flow.Owner, Roles: affairs, Primary: true,
				Effect: flow.Name{Zh: "核对或更正数据后，双方重新确认", En: "Both confirm anew what was checked or put right"}},
		},
	},
	Impersonal: true,
	Starts:     true,
	Begin:      line.Always("draw"),
	Forms:      settlementForms,
	Rules:      settlementRules,
	Build:      settlementBuild,
	Escalate:   []line.Level{{Code: "medical-affairs", Name: flow.Name{Zh: "医务处", En: "Medical affairs"}}, {Code: "leader", Name: flow.Name{Zh: "院领导", En: "Leader"}, After: within(7 * day)}},
}
