// Package personreview has a records clerk decide whether two records are of one person (疑似重复核对).
package personreview

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration. Cases begin with what the index finds, and end by themselves when the index decides; care
// never waits for them. A case shows that there is a pair, and nothing of the patients.
var Line = &line.Line{
	Slug:       "personreview",
	Name:       flow.Name{Zh: "主索引核对", En: "Patient index review"},
	Flows:      []*line.Flow{pair, undo},
	Quiet:      []string{"open", "accept", "reject", "claim", "remark", "obsolete"},
	Notices:    notices,
	Indicators: indicators,
	For:        []string{"records", "medical-affairs"},
}

// States.
const (
	Waiting  = "waiting"
	Asked    = "asked"
	Accepted = "accepted"
	Rejected = "rejected"
	Obsolete = "obsolete"
	Undone   = "undone"
	Noted    = "noted"
)

var (
	desk = []string{"records", "medical-affairs"}
	hub  = []string{"system"}
	in   = flow.In
)

const day = flow.Day

// The limits hold where no calendar of working days is known; else the step sets its own end.
var pair = &line.Flow{
	Table: flow.Table{
		Code: "pair",
		Name: flow.Name{Zh: "疑似同一人", En: "Possibly one person"},
		States: []flow.State{
			{Code: Waiting, Name: flow.Name{Zh: "待核对", En: "To be reviewed"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(5*day, 5*day, 5*day)},
			{Code: Asked, Name: flow.Name{Zh: "待原医院核实", En: "Asked of the hospital"}, Status: "on-hold", Kind: flow.Open, Waits: flow.Requester, Within: flow.Within(7*day, 7*day, 7*day)},
			{Code: Accepted, Name: flow.Name{Zh: "同一人", En: "One person"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Rejected, Name: flow.Name{Zh: "不是同一人", En: "Different persons"}, Status: "completed", Kind: flow.Done},
			{Code: Obsolete, Name: flow.Name{Zh: "已无需核对", En: "No longer needed"}, Status: "cancelled", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "open", Name: flow.Name{Zh: "发现疑似同一人", En: "Found"}, From: in(flow.New), To: Waiting, By: flow.Requester, Roles: hub},
			{Do: "accept", Name: flow.Name{Zh: "是同一人", En: "One person"}, From: in(Waiting, Asked), To: Accepted, By: flow.Owner, Roles: desk, Primary: true,
				Effect: flow.Name{Zh: "两份记录合为一人，原记录不变；随时可以撤销", En: "Joins both records; neither changes, and it can be undone at any time"}},
			{Do: "reject", Name: flow.Name{Zh: "不是同一人", En: "Different persons"}, From: in(Waiting, Asked), To: Rejected, By: flow.Owner, Roles: desk, Primary: true,
				Effect: flow.Name{Zh: "两份记录此后不再自动合并，也不再询问", En: "Keeps both records apart for good, and asks no more"}},
			{Do: "ask", Name: flow.Name{Zh: "问原医院", En: "Ask the hospital"}, From: in(Waiting, Asked), To: Asked, By: flow.Owner, Roles: desk, Renews: true,
				Effect: flow.Name{Zh: "请该医院病案室对照纸质病案核实", En: "Asks that hospital's records desk to compare with the paper"}},
			{Do: "answer", Name: flow.Name{Zh: "核实答复", En: "Answer"}, From: in(Asked), To: Waiting, By: flow.Requester, Roles: desk, Primary: true},
			{Do: "claim", Name: flow.Name{Zh: "我来核对", En: "I take it"}, From: in(Waiting, Asked), To: flow.Same, By: flow.Owner, Roles: desk},
			{Do: "remark", Name: flow.Name{Zh: "备注", En: "Note"}, From: in(Waiting, Asked), To: flow.Same, By: flow.Either, Roles: desk},
			{Do: "obsolete", Name: flow.Name{Zh: "已无需核对", En: "No longer needed"}, From: in(Waiting, Asked), To: Obsolete, By: flow.System},
		},
	},
	Impersonal: true,
	Starts:     true,
	Begin:      line.Always("open"),
	Forms:      pairForms,
	Rules:      pairRules,
	Build:      pairBuild,
	Escalate: []line.Level{
		{Code: "medical-affairs", Name: flow.Name{Zh: "上报医务处", En: "Told to medical affairs"}},
		{Code: "leader", Name: flow.Name{Zh: "上报院领导", En: "Told to the leader"}, After: flow.Within(7*day, 7*day, 7*day)},
	},
}

// undo tells the other hospital that a link or a decision was taken back. It is done when it is told.
var undo = &line.Flow{
	Table: flow.Table{
		Code: "undo",
		Name: flow.Name{Zh: "撤销合并", En: "A link undone"},
		States: []flow.State{
			{Code: Undone, Name: flow.Name{Zh: "已撤销，待知悉", En: "Undone, to be noted"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(5*day, 5*day, 5*day)},
			{Code: Noted, Name: flow.Name{Zh: "已知悉", En: "Noted"}, Status: "completed", Kind: flow.Done, Main: true},
		},
		Steps: []flow.Step{
			{Do: "undo", Name: flow.Name{Zh: "撤销合并", En: "Undo"}, From: in(flow.New), To: Undone, By: flow.Requester, Roles: desk},
			{Do: "noted", Name: flow.Name{Zh: "知悉", En: "Noted"}, From: in(Undone), To: Noted, By: flow.Owner, Roles: desk, Primary: true,
				Effect: flow.Name{Zh: "确认已检查经由错误合并写下的内容", En: "Says that what was written by the wrong link has been looked at"}},
		},
	},
	Impersonal: true,
	Forms:      undoForms,
	Rules:      map[string][]line.Rule{},
	Build:      undoBuild,
	Escalate:   []line.Level{{Code: "medical-affairs", Name: flow.Name{Zh: "上报医务处", En: "Told to medical affairs"}}},
}

var notices = map[string]flow.Name{
	"ask":    {Zh: "请对照纸质病案核实一份记录", En: "Please compare a record with the paper"},
	"answer": {Zh: "医院已核实答复，请继续核对", En: "The hospital has answered; please go on"},
	"undo":   {Zh: "一次记录合并已被撤销，请检查经由它写下的内容", En: "A link between records was undone; please look at what was written by it"},
	"late":   {Zh: "主索引核对已逾期", En: "A review of the patient index is late"},
}

// within says how long one has, in working days.
var within = struct{ decide, answer int }{3, 5}

// Due is the end of a number of working days from now.
func due(now time.Time, days int) time.Time { return calendar.after(now.In(line.Zone()), days) }
