package referral

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// States of one follow-up.
const (
	ToVisit     = "to-visit"
	VisitedLate = "followed-up-late"
	Flagged     = "red-flag"
	FlaggedUp   = "red-flag-up"
	Lost        = "lost"
	Died        = "died"
	TakenOver   = "taken-over"
)

// follow is one follow-up of a way back: it begins when the patient is home, has its own day, and when nobody comes
// the county does. What the old step follow-up of the way back says ends the one whose days these are.
var follow = &line.Flow{
	Table: flow.Table{
		Code: "follow-up",
		Name: flow.Name{Zh: "随访", En: "Follow-up"},
		States: []flow.State{
			{Code: ToVisit, Name: flow.Name{Zh: "待随访", En: "To follow up"}, Status: "requested", Kind: flow.Open, Main: true, Waits: flow.Owner, Within: flow.Within(5*day, 5*day, 5*day)},
			{Code: FollowedUp, Name: flow.Name{Zh: "已随访", En: "Followed up"}, Status: "completed", Kind: flow.Done, Main: true},
			{Code: VisitedLate, Name: flow.Name{Zh: "已随访（逾期）", En: "Followed up late"}, Status: "completed", Kind: flow.Done},
			{Code: Flagged, Name: flow.Name{Zh: "出现危险信号", En: "Red flag"}, Status: "completed", Kind: flow.Done},
			{Code: FlaggedUp, Name: flow.Name{Zh: "危险信号，已上转", En: "Red flag, referred up"}, Status: "completed", Kind: flow.Done},
			{Code: Lost, Name: flow.Name{Zh: "失访", En: "Lost to follow-up"}, Status: "failed", Kind: flow.Closed},
			{Code: Died, Name: flow.Name{Zh: "死亡", En: "Died"}, Status: "cancelled", Kind: flow.Closed},
			{Code: TakenOver, Name: flow.Name{Zh: "已由县级接管", En: "Taken over by the county"}, Status: "rejected", Kind: flow.Closed},
		},
		Steps: []flow.Step{
			{Do: "plan-visit", Name: flow.Name{Zh: "安排随访", En: "Plan a follow-up"}, From: in(flow.New), To: ToVisit, By: flow.Requester},
			{Do: "done", Name: flow.Name{Zh: "完成随访", En: "Followed up"}, From: in(ToVisit), To: FollowedUp, By: flow.Owner, Roles: either, Primary: true},
			{Do: "done", Name: flow.Name{Zh: "补做随访", En: "Follow up late"}, From: in(ToVisit), To: VisitedLate, By: flow.Owner, Roles: either, When: flow.When{Field: "late", Is: "true"}, Primary: true},
			{Do: "red-flag", Name: flow.Name{Zh: "出现危险信号", En: "Red flag"}, From: in(ToVisit), To: Flagged, By: flow.Owner, Roles: either, Effect: flow.Name{Zh: "通知收治医院和县级医院，可同时发起上转", En: "Tells the hospitals; may refer up at once"}},
			{Do: "red-flag", Name: flow.Name{Zh: "出现危险信号", En: "Red flag"}, From: in(ToVisit), To: FlaggedUp, By: flow.Owner, Roles: either, When: flow.When{Field: "up", Is: "true"}},
			{Do: "lost", Name: flow.Name{Zh: "失访", En: "Lost"}, From: in(ToVisit), To: Lost, By: flow.Owner, Roles: either},
			{Do: "died", Name: flow.Name{Zh: "患者去世", En: "Died"}, From: in(ToVisit), To: Died, By: flow.Owner, Roles: either},
			{Do: "take-over", Name: flow.Name{Zh: "县级医院接管", En: "County takes over"}, From: in(ToVisit), To: TakenOver, By: flow.System},
		},
	},
	Forms: followForms,
	Rules: map[string][]line.Rule{
		"done":      {needsItsDays},
		"red-flag":  {needsHospitalAbove},
		"take-over": {needsCounty, needsFirstOwner},
	},
	Build: map[string]line.Builder{
		"done":      visited,
		"red-flag":  redFlag,
		"lost":      then(say("reason"), ticked("cancelled"), onward),
		"died":      died,
		"take-over": visitTakenOver,
	},
	Escalate: countyTakes,
}

var (
	findings    = required(field("textarea", "findings", "随访情况", "Findings"))
	result      = preset(choice("result", "随访结果", "Result", option("stable", "稳定", "Stable"), option("improved", "好转", "Improved"), option("worse", "加重", "Worse")), "stable")
	followForms = map[string]line.Form{
		"done": form(findings, result, note),
		"red-flag": form(findings, required(hint(field("text", "flag", "危险信号", "Red flag"), "计划中列出的，或其他", "One of the plan's, or another")),
			hint(field("boolean", "up", "请求上转", "Refer up"), "急诊立即发出；其他存为草稿，由您补全后提交", "An emergency goes at once; else a draft for you to complete"),
			only(preset(urgency, "urgent"), "up", "true"), only(hint(field("organization", "to", "上转至", "Refer to"), "不填为原上转医院", "Left empty: where he was referred before"), "up", "true"),
			only(field("text", "coordinator", "联系人（专人负责）", "Coordinator"), "up", "true"), only(field("phone", "phone", "联系电话", "Telephone"), "up", "true"),
			only(field("textarea", "action", "已采取的措施", "What was done"), "up", "false"), documents),
		"lost": form(required(choice("reason", "失访原因", "Why", option("no-answer", "多次联系不上", "No answer, tried often"), option("moved", "已迁出", "Moved away"), option("declined", "拒绝随访", "Declines follow-up"), option("other", "其他", "Other"))), note),
		"died": form(required(field("date", "date", "去世日期", "Date")), field("text", "cause", "原因", "Cause"), note),
	}
)

// early is how long before its day a follow-up may be made; the day is as long before the deadline.
const early = 2 * day

// visits of a way back that are still to be made, the earliest first.
func openVisits(c line.Call, request string) []line.Case {
	var open []line.Case
	for _, k := range c.Read.Chain(c.Task.Str("groupIdentifier.value")) {
		if k.Flow == "follow-up" && k.Request == request && k.Kind == flow.Open {
			open = append(open, k)
		}
	}
	slices.SortStableFunc(open, func(a, b line.Case) int { return a.Due.Compare(b.Due) })
	return open
}

// planVisits begins a Task for each follow-up of the plan; the way back is due when the last of them is over.
func planVisits(c line.Call, ch *line.Change) {
	plan := c.Read.Get(line.Fact(c.Task, "plan").Str("reference"))
	var last time.Time
	for _, a := range plan.All("activity") {
		detail := a.Get("detail")
		end, err := time.Parse(time.RFC3339, detail.Str("scheduledPeriod.end"))
		if detail.Str("code.coding[0].code") != "follow-up" || detail.Str("status") != "not-started" || err != nil {
			continue
		}
		if end.Before(c.Now) { // he came home after its days: at once
			end = c.Now.Add(early)
		}
		if end.After(last) {
			last = end
		}
		visit := visitOf(c, c.Task, detail.Str("description"))
		line.Say(visit, "input", "plan", "康复计划", "valueReference", fhir.Ref("CarePlan/"+plan.ID(), "康复计划"))
		line.Say(visit, "input", "case", "对应下转", "valueReference", fhir.Ref("Task/"+c.Task.ID(), ""))
		ch.Begin(line.Next{Flow: "follow-up", Do: "plan-visit", State: ToVisit, Task: visit, Due: end})
	}
	if !last.IsZero() {
		ch.Due = last.Add(3 * day)
	}
}

func visitOf(c line.Call, from *fhir.Node, words string) *fhir.Node {
	return fhir.New("Task", "basedOn", fhir.Arr{from.Get("focus").Copy()}, "groupIdentifier", from.Get("groupIdentifier").Copy(), "priority", line.Priority("routine"), "description", words,
		"focus", from.Get("focus").Copy(), "for", from.Get("for").Copy(), "requester", from.Get("requester").Copy(), "owner", from.Get("owner").Copy())
}

// A follow-up is made on its day, two days more or less; a red flag is told at any time.
func needsItsDays(c line.Call) error {
	due, err := time.Parse(time.RFC3339, c.Task.Str("restriction.period.end"))
	if first := due.Add(-2 * early); err == nil && c.Now.Before(first) {
		return refuse("too-early", "this follow-up may be made from "+line.Stamp(first), "未到随访日（前后 2 天），"+first.In(line.Zone()).Format("01-02")+" 起可随访；如有危险信号可随时上报")
	}
	return nil
}

// referTo is the hospital to which a red flag goes: the one named, where this place sent him before, or the one above.
func referTo(c line.Call) string {
	if to := c.Params.Str("to"); to != "" {
		return c.Read.Institution(to)
	}
	for _, k := range c.Read.Chain(c.Task.Str("groupIdentifier.value")) {
		if k.Flow == "up" && k.Requester == c.By.Institution {
			return k.Owner
		}
	}
	if above := county(c); above != "" {
		return above
	}
	return c.Task.Str("requester.reference")
}

func needsHospitalAbove(c line.Call) error {
	if !c.Params.Is("up") {
		return nil
	}
	switch to := referTo(c); {
	case c.Read.Get(to) == nil:
		return refuse("unknown-organization", "the target does not exist: "+to, "找不到该机构")
	case to == c.By.Institution:
		return refuse("same-institution", "a referral goes to another institution", "不能转给本院")
	}
	return needsCompletePacket(c)
}

// The county takes over from the village once; what it leaves undone stays late on its own desk.
func needsFirstOwner(c line.Call) error {
	if line.Fact(c.Task, "taken-over-from") != nil {
		return refuse("taken-over", "this follow-up was taken over already", "该随访已接管过")
	}
	return nil
}

// ticked marks the plan's follow-up of this Task.
func ticked(status string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		ref := line.Fact(c.Task, "plan").Str("reference")
		plan := c.Read.Get(ref)
		if plan == nil {
			return
		}
		plan = plan.Copy()
		words := ch.Note
		if words == "" {
			words = c.Step.Name.Zh
		}
		for _, a := range plan.All("activity") {
			if a.Str("detail.description") == c.Task.Str("description") && a.Str("detail.status") == "not-started" {
				a.Set("detail.status", status)
				a.Add("progress", fhir.Obj{"time", line.Stamp(c.Now), "text", words})
				ch.Update(plan)
				return
			}
		}
	}
}

// onward moves the way back along with its follow-up.
func onward(c line.Call, ch *line.Change) {
	back := c.Read.Get(line.Fact(c.Task, "case").Str("reference"))
	if back == nil || line.StateOf(back) != Arrived && line.StateOf(back) != FollowedUp || back.Str("owner.reference") != c.By.Institution {
		return // the county took this one over, or the way back has ended
	}
	due := c.Now.Add(3 * day)
	for _, k := range openVisits(c, c.Task.Str("focus.reference")) {
		if k.Task != "Task/"+c.Task.ID() && k.Due.Add(3*day).After(due) {
			due = k.Due.Add(3 * day)
		}
	}
	ch.Begin(line.Next{Flow: "down", Do: "follow-up", State: FollowedUp, Task: back.Copy(), Due: due})
}

func visited(c line.Call, ch *line.Change) {
	say("findings", "result")(c, ch)
	ticked("completed")(c, ch)
	onward(c, ch)
}

// redFlag ends the follow-up, tells the hospitals, and opens the way up with the link kept.
func redFlag(c line.Call, ch *line.Change) {
	say("flag", "findings", "action")(c, ch)
	ticked("completed")(c, ch)
	onward(c, ch)
	to := referTo(c)
	if !slices.Contains([]string{c.Task.Str("owner.reference"), c.Task.Str("requester.reference")}, to) {
		ch.Events = append(ch.Events, event.Event{At: c.Now, Kind: c.Line.Slug + ".red-flag", Focus: "Task/" + c.Task.ID(), Patient: c.Task.Str("for.reference"),
			Parties: []string{to}, Actor: c.Task.Str("owner.reference"), Data: map[string]string{"line": c.Line.Slug, "flow": c.Flow.Code}})
	}
	if !c.Params.Is("up") {
		return
	}
	there := c.Read.Holder(openReferral, place(c.Task.Str("for.reference"), to))
	if before := line.StateOf(c.Read.Get(there)); there != "" && before != Arrived && before != Treated { // he is on his way there already
		line.Say(ch.Task, "output", "up-referral", "上转", "valueReference", fhir.Ref(there, c.Read.Get(to).Str("name")))
		return
	}
	line.Say(ch.Task, "output", "up-referral", "上转", "valueReference", fhir.Ref(upAgain(c, ch, to, there == ""), c.Read.Get(to).Str("name")))
}

// upAgain begins the way up in the same chain: an emergency is sent, anything else is a draft that its writer completes.
func upAgain(c line.Call, ch *line.Change, to string, first bool) string {
	c.Urgency = flow.Urgency(c.Params.Str("urgency"))
	if c.Urgency == "" {
		c.Urgency = flow.Urgent
	}
	owner := fhir.Ref(to, c.Read.Get(to).Str("name"))
	request := fhir.New("ServiceRequest", "id", ch.ID(), "basedOn", fhir.Arr{c.Task.Get("focus").Copy()}, "requisition", c.Task.Get("groupIdentifier").Copy(), "status", "draft", "intent", "order",
		"priority", line.Priority(c.Urgency), "code", fhir.Concept(requestSystem, "up", up.Name.Zh), "subject", c.Task.Get("for").Copy(), "authoredOn", line.Stamp(c.Now),
		"requester", requester(c, fhir.Ref(c.By.Institution, "")), "performer", fhir.Arr{owner})
	reason := "随访出现危险信号：" + c.Params.Str("flag") + "。" + c.Params.Str("findings")
	request.Set("reasonCode", fhir.Arr{fhir.TextConcept(reason)})
	focus := fhir.Ref("ServiceRequest/"+request.ID(), "")
	task := fhir.New("Task", "id", ch.ID(), "basedOn", fhir.Arr{focus}, "groupIdentifier", c.Task.Get("groupIdentifier").Copy(), "priority", line.Priority(c.Urgency), "description", reason,
		"focus", focus, "for", c.Task.Get("for").Copy(), "requester", c.Task.Get("owner").Copy(), "owner", owner)
	line.Say(task, "input", "follow-up", "危险信号来自随访", "valueReference", fhir.Ref("Task/"+c.Task.ID(), c.Task.Str("description")))
	coordinator := c.Params.Str("coordinator")
	if coordinator == "" {
		coordinator = c.By.Name
	}
	line.Say(task, "input", "coordinator", "转出方联系人", "valueString", coordinator)
	line.Say(task, "input", "phone", "转出方电话", "valueString", c.Params.Str("phone"))
	packed := &line.Change{Task: task}
	addDocuments(c, packed)
	next := line.Next{Flow: "up", Do: "draft", State: Draft, Task: task}
	if !waits(c) {
		request.Set("status", "active")
		line.Say(task, "input", "filing", "异地就医备案", "valueString", "emergency")
		freeze(c, packed)
		recordConsent(c, ch, task)
		next.Do, next.State = "send", Submitted
		if first { // else the case of which he was sent home has it until it is closed
			next.Claims = []line.Claim{{Kind: openReferral, Key: place(task.Str("for.reference"), to)}}
		}
	}
	ch.Update(request)
	return ch.Begin(next)
}

// died ends every follow-up of this way back.
func died(c line.Call, ch *line.Change) {
	say("date", "cause")(c, ch)
	ticked("cancelled")(c, ch)
	onward(c, ch)
	for _, k := range openVisits(c, c.Task.Str("focus.reference")) {
		if t := c.Read.Get(k.Task); k.Task != "Task/"+c.Task.ID() && t != nil && k.Owner == c.By.Institution {
			ch.Begin(line.Next{Flow: "follow-up", Do: "died", State: Died, Task: t.Copy()})
		}
	}
}

// visitTakenOver gives a follow-up that nobody made to the county, for two days.
func visitTakenOver(c line.Call, ch *line.Change) {
	to := county(c)
	visit := visitOf(c, c.Task, c.Task.Str("description"))
	visit.Set("owner", fhir.Ref(to, c.Read.Get(to).Str("name")))
	if inputs := c.Task.Get("input"); inputs != nil {
		visit.Set("input", inputs.Copy())
	}
	line.Say(visit, "input", "taken-over-from", "接管自", "valueReference", fhir.Ref("Task/"+c.Task.ID(), c.Task.Str("owner.display")))
	began := ch.Begin(line.Next{Flow: "follow-up", Do: "take-over", State: ToVisit, Task: visit, Due: c.Now.Add(early)})
	line.Say(ch.Task, "output", "taken-over-by", "接管", "valueReference", fhir.Ref(began, visit.Str("owner.display")))
}

// followUp is a follow-up told on the way back itself: it ends the Task whose days these are, and of an old case, which has no such Tasks, the plan's next one.
func followUp(c line.Call, ch *line.Change) {
	say("findings", "result")(c, ch)
	for _, k := range openVisits(c, c.Task.Str("focus.reference")) {
		visit := c.Read.Get(k.Task)
		if visit == nil || k.Owner != c.By.Institution || c.Now.Before(k.Due.Add(-2*early)) {
			continue
		}
		state, status := FollowedUp, "completed"
		switch {
		case c.Params.Str("result") == "lost":
			state, status = Lost, "cancelled"
		case c.Params.Str("result") == "died":
			state, status = Died, "cancelled"
		case c.Params.Is("red-flag"):
			state = Flagged
		case !k.Due.IsZero() && !c.Now.Before(k.Due):
			state = VisitedLate
		}
		visit = visit.Copy()
		line.Say(visit, "output", "findings", "随访情况", "valueString", c.Params.Str("findings"))
		as := c
		as.Task = visit
		ticked(status)(as, ch)
		ch.Begin(line.Next{Flow: "follow-up", Do: doOf[state], State: state, Task: visit})
		break
	}
	if len(visitsOf(c)) == 0 {
		oldFollowUp(c, ch)
	}
	if left := openVisits(c, c.Task.Str("focus.reference")); len(left) > 0 {
		ch.Due = left[len(left)-1].Due.Add(3 * day)
	}
	if c.Params.Is("red-flag") {
		ch.Events = append(ch.Events, event.Event{At: c.Now, Kind: c.Line.Slug + ".red-flag", Focus: "Task/" + c.Task.ID(), Patient: c.Task.Str("for.reference"),
			Parties: []string{c.Task.Str("requester.reference"), c.Task.Str("owner.reference")}, Actor: c.Task.Str("owner.reference"),
			Data: map[string]string{"line": c.Line.Slug, "flow": c.Flow.Code}})
	}
}

var doOf = map[string]string{FollowedUp: "done", VisitedLate: "done", Flagged: "red-flag", Lost: "lost", Died: "died"}

// visitsOf are all follow-ups of a way back, made or not.
func visitsOf(c line.Call) []line.Case {
	return slices.DeleteFunc(slices.Clone(c.Read.Chain(c.Task.Str("groupIdentifier.value"))), func(k line.Case) bool {
		return k.Flow != "follow-up" || k.Request != c.Task.Str("focus.reference")
	})
}

func oldFollowUp(c line.Call, ch *line.Change) {
	plan := c.Read.Get(line.Fact(c.Task, "plan").Str("reference"))
	if plan == nil {
		return
	}
	plan = plan.Copy()
	for _, a := range plan.All("activity") {
		if a.Str("detail.code.coding[0].code") == "follow-up" && a.Str("detail.status") == "not-started" {
			a.Set("detail.status", "completed")
			a.Add("progress", fhir.Obj{"time", line.Stamp(c.Now), "text", c.Params.Str("findings")})
			break
		}
	}
	ch.Update(plan)
}

// needsFollowUps: a way back is closed when every follow-up has ended, by whom ever.
func needsFollowUps(c line.Call) error {
	open := openVisits(c, c.Task.Str("focus.reference"))
	if len(open) == 0 {
		if len(visitsOf(c)) == 0 && line.StateOf(c.Task) == Arrived && planned(c) {
			return refuse("needs-follow-up", "follow the patient up first", "请先随访")
		}
		return nil
	}
	days := make([]string, 0, len(open))
	for _, k := range open {
		days = append(days, k.Due.In(line.Zone()).Format("01-02"))
	}
	return refuse("needs-follow-ups", strconv.Itoa(len(open))+" follow-ups are still to be made, by "+strings.Join(days, ", "), fmt.Sprintf("还有 %d 次随访未完成（截止 %s）", len(open), strings.Join(days, "、")))
}

// planned says whether the plan has follow-ups at all.
func planned(c line.Call) bool {
	for _, a := range c.Read.Get(line.Fact(c.Task, "plan").Str("reference")).All("activity") {
		if a.Str("detail.code.coding[0].code") == "follow-up" {
			return true
		}
	}
	return false
}
