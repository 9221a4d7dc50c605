package referral

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

// upCase is the Task that a way back answers: the one the step is on, or the one the start names.
func upCase(c line.Call) *fhir.Node {
	if c.Task != nil {
		return c.Task
	}
	return c.Read.Get(c.Params.Str("basedOn"))
}

// downTarget is who takes the patient: the one named, else where the chain began.
func downTarget(c line.Call) string {
	if to := c.Params.Str("to"); to != "" {
		return c.Read.Institution(to)
	}
	for _, k := range c.Read.Chain(upCase(c).Str("groupIdentifier.value")) {
		if k.Flow == "up" {
			return k.Requester
		}
	}
	return upCase(c).Str("requester.reference")
}

// county is who takes over when the receiver does not answer: the hospital between him and the centre
// in the chain, else the organisation above him.
func county(c line.Call) string {
	owner, centre := c.Task.Str("owner.reference"), c.Task.Str("requester.reference")
	chain := c.Read.Chain(c.Task.Str("groupIdentifier.value"))
	for _, k := range chain {
		between := slices.ContainsFunc(chain, func(o line.Case) bool { return o.Flow == "up" && o.Owner == k.Requester })
		if k.Flow == "up" && k.Owner == centre && k.Requester != owner && between {
			return k.Requester
		}
	}
	above := c.Read.Institution(c.Read.Get(owner).Str("partOf.reference"))
	if above == owner || above == centre {
		return ""
	}
	return above
}

// sendBack offers the patient to where he came from; his up-referral counts as treated.
func sendBack(c line.Call, ch *line.Change) {
	request := fhir.New("ServiceRequest", "id", ch.ID())
	task := fhir.New("Task", "id", ch.ID())
	plan := way(c, ch, request, task)
	ch.Update(request)
	ch.Begin(line.Next{Flow: "down", Do: "offer", State: Offered, Task: task,
		Claims: []line.Claim{{Kind: openOffer, Key: place(task.Str("for.reference"), task.Str("owner.reference"))}}})
	line.Say(ch.Task, "output", "sent-back", "下转", "valueReference", fhir.Ref("Task/"+task.ID(), task.Str("owner.display")))
	line.Say(ch.Task, "output", "plan", "康复计划", "valueReference", fhir.Ref(plan, "康复计划"))
	ch.Note = task.Str("owner.display")
}

// offer is the same as a start of its own, after the up-referral was treated or closed.
func offer(c line.Call, ch *line.Change) {
	way(c, ch, ch.Request, ch.Task)
	ch.Claims = append(ch.Claims, line.Claim{Kind: openOffer, Key: place(ch.Task.Str("for.reference"), ch.Task.Str("owner.reference"))})
}

// way fills request, Task and plan of a way back along the chain.
func way(c line.Call, ch *line.Change, request, task *fhir.Node) (plan string) {
	earlier := upCase(c)
	to := downTarget(c)
	owner := fhir.Ref(to, c.Read.Get(to).Str("name"))
	from := fhir.Ref(c.By.Institution, c.Read.Get(c.By.Institution).Str("name"))
	who, group := earlier.Get("for"), earlier.Get("groupIdentifier")
	focus := fhir.Ref("ServiceRequest/"+request.ID(), "")
	priority := line.Priority("routine")

	plan = ch.Create(carePlan(c, who, to))
	for _, p := range []struct {
		path  string
		value any
	}{{"basedOn", fhir.Arr{earlier.Get("focus").Copy()}}, {"requisition", group.Copy()}, {"status", "active"}, {"intent", "order"}, {"priority", priority},
		{"code", fhir.Concept(requestSystem, "down", "下转")}, {"subject", who.Copy()}, {"authoredOn", line.Stamp(c.Now)}, {"requester", requester(c, from)},
		{"performer", fhir.Arr{owner}}, {"reasonCode", fhir.Arr{fhir.TextConcept(c.Params.Str("plan"))}}, {"supportingInfo", fhir.Arr{fhir.Ref(plan, "康复计划")}}} {
		request.Set(p.path, p.value)
	}
	task.Set("basedOn", fhir.Arr{focus}).Set("groupIdentifier", group.Copy()).Set("priority", priority)
	task.Set("description", "下转："+earlier.Str("description")).Set("focus", focus).Set("for", who.Copy()).Set("requester", from).Set("owner", owner)
	line.Say(task, "input", "plan", "康复计划", "valueReference", fhir.Ref(plan, "康复计划"))
	line.Say(task, "input", "case", "对应上转", "valueReference", fhir.Ref("Task/"+earlier.ID(), ""))
	line.Say(task, "input", "coordinator", "转出方联系人", "valueString", c.Params.Str("coordinator"))
	line.Say(task, "input", "phone", "转出方电话", "valueString", c.Params.Str("phone"))
	packed := &line.Change{Task: task}
	addDocuments(c, packed)
	freeze(c, packed)
	recordConsent(c, ch, task)
	if c.Params.Is("by-choice") {
		line.Say(task, "input", "by-choice", "患者自主选择（协议外）", "valueBoolean", true)
	}
	return plan
}

// carePlan is what the receiver does: follow-ups on their days, medicines, and when to send the patient up again.
func carePlan(c line.Call, who *fhir.Node, to string) *fhir.Node {
	plan := fhir.New("CarePlan", "status", "active", "intent", "plan", "title", "下转康复计划", "description", c.Params.Str("plan"), "subject", who.Copy(),
		"created", line.Stamp(c.Now), "author", requester(c, fhir.Ref(c.By.Institution, "")))
	days := c.Params.All("follow-up-days")
	if len(days) == 0 {
		days = []string{"3", "7", "30"}
	}
	for _, d := range days {
		n, _ := strconv.Atoi(d)
		on := c.Now.Add(time.Duration(n) * day)
		plan.Add("activity", fhir.Obj{"detail", fhir.Obj{"kind", "Appointment", "code", fhir.Concept(requestSystem, "follow-up", "随访"), "status", "not-started",
			"scheduledPeriod", fhir.Obj{"start", line.Stamp(on.Add(-2 * day)), "end", line.Stamp(on.Add(2 * day))}, "description", fmt.Sprintf("第 %d 天随访（±2 天）", n)}})
	}
	addMedicines(c, plan, to)
	for _, flag := range c.Params.All("red-flags") {
		plan.Add("note", fhir.Obj{"text", "危险信号：" + flag})
	}
	return plan
}

// bringPlan is the output hospital's way back.
func bringPlan(c line.Call, ch *line.Change) {
	plan := ch.Create(carePlan(c, c.Task.Get("for"), c.Task.Str("requester.reference")))
	line.Say(ch.Task, "output", "plan", "治疗计划", "valueReference", fhir.Ref(plan, "治疗计划"))
	treat(c, ch)
	ch.Note = c.Params.Str("plan")
}

// endPlan completes the plan with the case.
func endPlan(c line.Call, ch *line.Change) {
	if plan := c.Read.Get(line.Fact(c.Task, "plan").Str("reference")); plan != nil {
		ch.Update(plan.Copy().Set("status", "completed"))
	}
}
