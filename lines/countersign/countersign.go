// Package countersign has a township doctor look at what unlicensed village staff recorded or referred, within a day (乡镇审签).
package countersign

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration. It begins by itself with what was submitted, and never stands in the patient's way: the
// referral goes on meanwhile.
var Line = &line.Line{
	Slug:       "countersign",
	Name:       flow.Name{Zh: "乡镇审签", En: "Countersigning"},
	Flows:      []*line.Flow{record},
	Notices:    notices,
	Indicators: indicators,
	For:        people,
}

// States.
const (
	Waiting       = "waiting"
	Returned      = "returned"
	Countersigned = "countersigned"
	Withdrawn     = "withdrawn"
)

// The law's licence is asked by the act; these are who works in a village or township at all.
var (
	people  = []string{"referring-doctor", "receiving-doctor", "doctor", "village-doctor", "nurse", "trainee"}
	doctors = []string{"referring-doctor", "receiving-doctor", "doctor"}
	in      = flow.In
)

const hour = time.Hour

// a day, whatever the urgency: nobody waits for it
var day = flow.Within(24*hour, 24*hour, 24*hour)

var record = &line.Flow{
	Table: flow.Table{
		Code: "record",
		Name: flow.Name{Zh: "审签", En: "Countersigning"},
		States: []flow.State{
			{Code: Waiting, Name: flow.Name{Zh: "待审签", En: "To be countersigned"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: day},
			{Code: Returned, Name: flow.Name{Zh: "退回补充", En: "Returned"}, Status: "on-hold", Kind: flow.Open, Waits: flow.Requester, Within: day},
			{Code: Countersigned, Name: flow.Name{Zh: "已审签", En: "Countersigned"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: Withdrawn, Name: flow.Name{Zh: "已撤回", En: "Withdrawn"}, Status: "cancelled", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "submit", Name: flow.Name{Zh: "提请审签", En: "Ask to countersign"}, From: in(flow.New), To: Waiting, By: flow.Requester, Roles: people, Primary: true},
			{Do: "countersign", Name: flow.Name{Zh: "审签", En: "Countersign"}, From: in(Waiting, Returned), To: Countersigned, By: flow.Owner, Roles: doctors, Primary: true, Act: "countersign",
				Effect: flow.Name{Zh: "以您的执业资格确认该记录或转诊", En: "Confirms the record or referral under your licence"}},
			{Do: "return", Name: flow.Name{Zh: "退回补充", En: "Return"}, From: in(Waiting), To: Returned, By: flow.Owner, Roles: doctors, Act: "countersign",
				Effect: flow.Name{Zh: "请村卫生室补充；已发出的转诊不受影响", En: "Asks for more; a referral that is under way goes on"}},
			{Do: "resubmit", Name: flow.Name{Zh: "补充后再提", En: "Ask again"}, From: in(Returned), To: Waiting, By: flow.Requester, Roles: people, Primary: true},
			{Do: "withdraw", Name: flow.Name{Zh: "撤回", En: "Withdraw"}, From: in(Waiting, Returned), To: Withdrawn, By: flow.Requester, Roles: people},
		},
	},
	Starts: true,
	Begin:  line.Always("submit"),
	Forms:  forms,
	Rules:  rules,
	Build:  build,
	Escalate: []line.Level{
		{Code: "township", Name: flow.Name{Zh: "上报乡镇负责人", En: "Told to the head of the township"}},
		{Code: "county", Name: flow.Name{Zh: "上报县级医院", En: "Told to the county hospital"}, After: flow.Within(24*hour, 24*hour, 24*hour)},
	},
}

func field(kind, name, zh, en string) line.Field {
	return line.Field{Name: name, Type: kind, Label: flow.Name{Zh: zh, En: en}}
}

func required(f line.Field) line.Field { f.Required = true; return f }

var forms = map[string]line.Form{
	"submit": {Fields: []line.Field{
		required(line.Field{Name: "record", Type: "reference", Label: flow.Name{Zh: "记录或转诊", En: "Record or referral"}, Hidden: true}),
		field("textarea", "note", "说明", "Note")}},
	"countersign": {Fields: []line.Field{field("textarea", "opinion", "审签意见", "Opinion")}},
	"return":      {Fields: []line.Field{required(field("textarea", "reason", "需要补充什么", "What is wanted"))}},
	"resubmit":    {Fields: []line.Field{required(field("textarea", "note", "补充了什么", "What was added"))}},
	"withdraw":    {Fields: []line.Field{required(field("text", "reason", "理由", "Reason"))}},
}

var notices = map[string]flow.Name{
	"submit":      {Zh: "有村卫生室记录待审签", En: "A village record waits to be countersigned"},
	"resubmit":    {Zh: "退回的记录已补充，请审签", En: "A returned record was mended; please countersign"},
	"countersign": {Zh: "记录已由乡镇医师审签", En: "A record was countersigned"},
	"return":      {Zh: "记录被退回，请补充", En: "A record was returned; please mend it"},
	"withdraw":    {Zh: "审签已撤回", En: "The request to countersign was withdrawn"},
	"late":        {Zh: "记录超过 24 小时未审签", En: "A record has waited more than a day to be countersigned"},
}
