package bedpool

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

var stayBuild = map[string]line.Builder{
	"begin":          begin,
	"round":          round,
	"move":           move,
	"ask-bed":        askBed,
	"change-nursing": changeNursing,
	"report":         report,
	"call-team":      callTeam,
	"team-arrived":   teamArrived,
	"plan-discharge": planDischarge,
	"stay-on":        stayOn,
	"discharge":      then(leaves("finished", "discharge"), drops("transfer")),
	"away":           away,
	"back":           back,
	"died":           then(leaves("finished", "died"), drops("transfer")),
	"cancel":         then(leaves("entered-in-error", "cancel"), drops("transfer")),
	"overdue-away":   overdueAway,
	"flag":           mark,
	"moved":          move,
	"discharged":     then(leaves("finished", "discharged"), drops("transfer")),
}

// lent is how a stay begins in the bed of another department.
const lent = "take-in-lent"

// lies begins a stay: the Task of it, its Encounter, and the booking that becomes its own. came is the Task by which the
// patient came, and holder who holds the bed until now.
func lies(c line.Call, ch *line.Change, came *fhir.Node, holder, bed string, b *booking.Booking) string {
	task := fhir.New("Task", "id", ch.ID(), "basedOn", fhir.Arr{came.Get("focus").Copy()}, "groupIdentifier", came.Get("groupIdentifier").Copy(), "priority", came.Str("priority"),
		"description", came.Str("description"), "focus", came.Get("focus").Copy(), "for", came.Get("for").Copy(), "requester", named(c, c.By.Institution), "owner", named(c, c.By.Institution))
	for _, in := range came.All("input") {
		if in.Get("valueString") != nil || slices.Contains([]string{"team", "ward", preparationFact}, in.Str("type.coding[0].code")) {
			task.Add("input", in.Copy())
		}
	}
	line.Say(task, "input", admissionFact, "来自", "valueReference", fhir.Ref("Task/"+came.ID(), ""))
	address(c, task, line.DepartmentOf(came))
	part := &line.Change{Task: task}
	occupies(c, ch, part, holder, bed, b)
	claims := []line.Claim{{Kind: openStay, Key: place(task.Str("for.reference"), c.By.Institution)}}
	do := "take-in"
	if ward := wardOf(c, bed); !covers(c.Read, line.DepartmentOf(task), ward) && !covers(c.Read, ward, line.DepartmentOf(task)) {
		do = lent
	}
	return ch.Begin(line.Next{Flow: "stay", Do: do, State: InBed, Task: task, Claims: claims, Due: nextRound(c.Now), Keeper: line.DepartmentOf(task)})
}

// occupies takes the bed for a stay and writes its Encounter.
func occupies(c line.Call, ch, part *line.Change, holder, bed string, b *booking.Booking) {
	task := part.Task
	own := "Task/" + task.ID()
	patient := task.Str("for.reference")
	if b != nil {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.HandOver, Holder: holder, To: own, Patient: patient, Pool: c.By.Institution},
			booking.Command{Do: booking.Occupy, Holder: own, Patient: patient, Pool: c.By.Institution})
	} else {
		r := hold.Request(c, task)
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Occupy, Thing: bed, Holder: own, Patient: patient, Pool: c.By.Institution, Reason: c.Params.Str("note"),
			Wait: &booking.Wait{Holder: own, Patient: patient, Pool: c.By.Institution, Rank: r.Urgency.Rank(), Since: c.Now, Needs: allocate.MarshalNeeds(r)}})
	}
	task.Set("location", fhir.Ref(bed, hold.NameOf(c.Read, bed)))
	home := line.DepartmentOf(task)
	if e := c.Params.Str("encounter"); e != "" && c.By.Role == access.Program && c.Read.Get(e) != nil {
		line.Say(task, "output", encounterFact, "住院记录", "valueReference", fhir.Ref(e, "住院"))
		return
	}
	encounter := fhir.New("Encounter", "status", "in-progress", "class", fhir.Coding(actSystem, "IMP", "住院"), "subject", task.Get("for").Copy(), "basedOn", fhir.Arr{task.Get("focus").Copy()},
		"period", fhir.Obj{"start", line.Stamp(c.Now)}, "serviceProvider", named(c, home), "location", fhir.Arr{lying(c, bed)})
	if t := line.Fact(task, "team"); t != nil {
		encounter.Add("extension", fhir.Obj{"url", responsibleTeam, "valueReference", t.Copy()})
	}
	if r := c.Read.Get(task.Str("focus.reference")).Get("reasonCode"); r != nil {
		encounter.Set("reasonCode", r.Copy())
	} else if ch.Request != nil && ch.Request.Get("reasonCode") != nil {
		encounter.Set("reasonCode", ch.Request.Get("reasonCode").Copy())
	}
	line.Say(task, "output", encounterFact, "住院记录", "valueReference", fhir.Ref(ch.Create(encounter), "住院"))
}

func lying(c line.Call, bed string) fhir.Obj {
	return fhir.Obj{"location", fhir.Ref(bed, hold.NameOf(c.Read, bed)), "status", "active", "period", fhir.Obj{"start", line.Stamp(c.Now)}}
}

// begin is a stay of its own: of a referral, whose bed becomes the patient's, or of an emergency.
func begin(c line.Call, ch *line.Change) {
	from := c.Read.Get(c.Params.Str("from"))
	holder, group := c.Params.Str("from"), ch.ID()
	who := fhir.Of(fhir.Ref(patientOf(c), ""))
	var b *booking.Booking
	bed := c.Params.Str("bed")
	if from != nil {
		if b = c.Read.Booking(holder); b != nil {
			bed = b.Thing
		}
		group = from.Str("groupIdentifier.value")
	}
	compose(c, ch.Request, ch.Task, "stay", "住院", group, who)
	if from != nil {
		ch.Request.Set("basedOn", fhir.Arr{from.Get("focus").Copy()})
		if ch.Request.Get("reasonCode") == nil {
			ch.Request.Set("reasonCode[0].text", from.Str("description"))
			ch.Task.Set("description", from.Str("description"))
		}
		for _, in := range from.All("input") { // what it needs of a bed
			if _, need := stayForms["begin"].Field(in.Str("type.coding[0].code")); need && in.Get("valueString") != nil {
				ch.Task.Add("input", in.Copy())
			}
		}
		line.Say(ch.Task, "input", admissionFact, "来自", "valueReference", fhir.Ref(holder, "转诊"))
		address(c, ch.Task, responsible(c))
	}
	if from != nil && from.Get("location") != nil { // who sees him from now on, the stay says
		ch.Update(from.Copy().Set("location", nil))
	}
	keepWants(c, ch)
	occupies(c, ch, ch, holder, bed, b)
	if from != nil && c.Read.Waiting(holder) != nil {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Leave, Holder: holder})
	}
	ch.Claims = append(ch.Claims, line.Claim{Kind: openStay, Key: place(ch.Task.Str("for.reference"), c.By.Institution)})
	ch.Due = nextRound(c.Now)
	ch.Note = hold.NameOf(c.Read, bed)
}

// encounterOf is a copy of the Task's Encounter, nil when the caller may not see it.
func encounterOf(c line.Call, task *fhir.Node) *fhir.Node {
	return c.Read.Get(line.Fact(task, encounterFact).Str("reference")).Copy()
}

// endEncounter ends it with the place where the patient lay.
func endEncounter(c line.Call, ch *line.Change, task *fhir.Node, status string) {
	e := encounterOf(c, task)
	if e == nil || e.Str("status") == "finished" || e.Str("status") == "cancelled" { // its own system has ended it
		return
	}
	e.Set("status", status).Set("period.end", line.Stamp(c.Now))
	endLying(c, e)
	if to := c.Params.Str("to"); to != "" && c.Step.Do == "discharge" {
		e.Set("hospitalization.dischargeDisposition", fhir.Concept(requestSystem, to, c.Flow.Form("discharge").Option("to", to).Zh))
	}
	ch.Update(e)
}

// liesIn says whether an Encounter has its patient in a bed now.
func liesIn(e *fhir.Node, bed string) bool {
	return slices.ContainsFunc(e.All("location"), func(l *fhir.Node) bool { return l.Str("status") == "active" && l.Str("location.reference") == bed })
}

func endLying(c line.Call, e *fhir.Node) {
	for i, l := range e.All("location") {
		if l.Str("status") == "active" {
			at := "location[" + strconv.Itoa(i) + "]"
			e.Set(at+".status", "completed").Set(at+".period.end", line.Stamp(c.Now))
		}
	}
}

// moves a patient who waited for another bed into the one that was held for him. The department stays.
func moves(c line.Call, ch *line.Change, stay, bed string, held bool) {
	task := c.Read.Get(stay).Copy()
	if task == nil {
		return
	}
	if held {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Release, Holder: "Task/" + c.Task.ID(), Reason: "move"})
	}
	if b := c.Read.Booking(stay); b == nil || b.Thing != bed { // unless the hospital's system has had him there already
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Move, Holder: stay, Thing: bed, Pool: task.Str("owner.reference"), Patient: task.Str("for.reference")})
	}
	lieElsewhere(c, ch, task, bed)
	ch.Begin(line.Next{Flow: "stay", Do: "moved", State: line.StateOf(task), Task: task})
	line.Say(ch.Task, "output", stayFact, "住院", "valueReference", fhir.Ref(stay, "住院"))
}

// lieElsewhere writes where the patient lies from now on, and nothing else: no 转科.
func lieElsewhere(c line.Call, ch *line.Change, task *fhir.Node, bed string) {
	task.Set("location", fhir.Ref(bed, hold.NameOf(c.Read, bed)))
	n, _ := strconv.Atoi(line.FactText(task, "moves"))
	line.Unsay(task, "output", "moves")
	line.Say(task, "output", "moves", "换床次数", "valueString", strconv.Itoa(n+1))
	if e := encounterOf(c, task); e != nil && !liesIn(e, bed) {
		endLying(c, e)
		e.Add("location", lying(c, bed))
		ch.Update(e)
	}
}

func move(c line.Call, ch *line.Change) {
	bed := c.Params.Str("bed")
	holder := "Task/" + c.Task.ID()
	if b := bookingOf(c); c.Step.Do != "moved" || b == nil || b.Thing != bed { // what was reported is booked already
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Move, Holder: holder, Thing: bed, Pool: c.Task.Str("owner.reference"), Patient: c.Task.Str("for.reference"),
			Reason: c.Params.Str("reason"), Override: c.Params.All("override")})
	}
	from := c.Task.Str("location.display")
	lieElsewhere(c, ch, ch.Task, bed)
	ch.Note = from + " → " + hold.NameOf(c.Read, bed)
	if r := c.Params.Str("reason"); r != "" {
		ch.Note += "；" + r
	}
}

// askBed has the patient wait for another bed while he lies in his.
func askBed(c line.Call, ch *line.Change) {
	began := begins(c, ch, "transfer", transferFact, func(part *line.Change) {
		for _, in := range c.Task.All("input") { // what he needed until now; the form wins
			if code := in.Str("type.coding[0].code"); code != "source" && code != "department" && in.Get("valueString") != nil || code == "team" {
				part.Task.Add("input", in.Copy())
			}
		}
		line.Say(part.Task, "input", "at", "现在的床位", "valueReference", c.Task.Get("location").Copy())
		line.Say(part.Task, "input", "moves", "换床次数", "valueString", line.FactText(c.Task, "moves"))
	})
	line.Unsay(ch.Task, "output", "transfer")
	line.Say(ch.Task, "output", "transfer", "申请换床", "valueReference", fhir.Ref(began, "申请换床"))
	ch.Note = c.Params.Str("reason")
}

func changeNursing(c line.Call, ch *line.Change) {
	line.Unsay(ch.Task, "input", "nursing")
	line.Say(ch.Task, "input", "nursing", "护理级别", "valueString", c.Params.Str("nursing"))
	ch.Note = c.Flow.Form("change-nursing").Option("nursing", c.Params.Str("nursing")).Zh
	if n := c.Params.Str("note"); n != "" {
		ch.Note += "；" + n
	}
}

// round is the home team's daily visit; the next is due at its hour tomorrow.
func round(c line.Call, ch *line.Change) {
	line.Unsay(ch.Task, "output", "last-round")
	line.Say(ch.Task, "output", "last-round", "最近查房", "valueDateTime", line.Stamp(c.Now))
	ch.Note = c.Params.Str("findings")
	ch.Due = nextRound(c.Now)
}

// wardOf is the organisation that nurses at a bed.
func wardOf(c line.Call, bed string) string {
	for i := 0; i < 4 && bed != ""; i++ {
		n := c.Read.Get(bed)
		if w := n.Str("managingOrganization.reference"); w != "" {
			return w
		}
		bed = n.Str("partOf.reference")
	}
	return ""
}

// report writes what happened and which side answers for it, by data: the host ward for falls, the home team for complications.
func report(c line.Call, ch *line.Change) {
	at := c.Params.Time("at")
	if at.IsZero() {
		at = c.Now
	}
	code := c.Params.Str("event")
	zh := c.Flow.Form("report").Option("event", code).Zh
	answers, who := "home", line.DepartmentOf(c.Task)
	for _, h := range local.Events {
		if h.Code == code && h.Answers == "host" {
			answers, who = "host", wardOf(c, c.Task.Str("location.reference"))
		}
	}
	bad := fhir.New("AdverseEvent", "extension", fhir.Arr{fhir.Obj{"url", answersFor, "valueReference", named(c, who)}}, "actuality", "actual", "event", fhir.Concept(requestSystem, code, zh),
		"subject", c.Task.Get("for").Copy(), "date", line.Stamp(at), "recordedDate", line.Stamp(c.Now))
	if c.By.Practitioner != "" {
		bad.Set("recorder", speaker(c))
	}
	if e := line.Fact(c.Task, encounterFact); e != nil {
		bad.Set("encounter", e.Copy())
	}
	if l := c.Task.Get("location"); l != nil {
		bad.Set("location", l.Copy())
	}
	line.Say(ch.Task, "output", "event-"+answers, zh, "valueReference", fhir.Ref(ch.Create(bad), zh))
	ch.Note = zh + "；" + c.Params.Str("findings")
}

// callTeam starts the clock of the home team. The round that was due is due again afterwards.
func callTeam(c line.Call, ch *line.Change) {
	say("findings")(c, ch)
	unplan(c, ch) // nobody leaves soon who is resuscitated
	line.Unsay(ch.Task, "output", "called")
	line.Unsay(ch.Task, "output", "arrived")
	line.Say(ch.Task, "output", "called", "呼叫主管团队", "valueDateTime", line.Stamp(c.Now))
	keepDue(c, ch)
	ch.Due = c.Now.Add(minutes(local.TeamWithin))
}

func teamArrived(c line.Call, ch *line.Change) {
	line.Say(ch.Task, "output", "arrived", "主管团队到场", "valueDateTime", line.Stamp(c.Now))
	say("who")(c, ch)
	dueAgain(c, ch)
}

const roundFact = "round-due" // output: when the round is due, while another clock runs

// keepDue remembers when the round is due while the state has another clock.
func keepDue(c line.Call, ch *line.Change) {
	if line.StateOf(c.Task) == InBed || line.StateOf(c.Task) == Leaving {
		line.Unsay(ch.Task, "output", roundFact)
		line.Say(ch.Task, "output", roundFact, "应查房", "valueDateTime", line.Stamp(dueOf(c.Task)))
	}
}

// dueAgain has the round due when it was.
func dueAgain(c line.Call, ch *line.Change) {
	if ch.Due = timeOf(ch.Task, roundFact); ch.Due.IsZero() {
		ch.Due = nextRound(c.Now)
	}
	line.Unsay(ch.Task, "output", roundFact)
}

// planDischarge tells the desk when the bed is expected to be free, and how likely it is.
func planDischarge(c line.Call, ch *line.Change) {
	at, likely := c.Params.Time("at"), c.Params.Str("likelihood")
	for _, code := range []string{"discharge-at", "likelihood"} {
		line.Unsay(ch.Task, "output", code)
	}
	zh := c.Flow.Form("plan-discharge").Option("likelihood", likely).Zh
	line.Say(ch.Task, "output", "discharge-at", "计划出院", "valueDateTime", line.Stamp(at))
	line.Say(ch.Task, "output", "likelihood", "把握", "valueCodeableConcept", fhir.Concept(requestSystem, likely, zh))
	if bookingOf(c) != nil {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Plan, Holder: "Task/" + c.Task.ID(), Until: at, Reason: likely})
	}
	ch.Due = dueOf(c.Task) // of the round
	ch.Note = at.In(line.Zone()).Format("01-02 15:04") + "；" + zh
	if n := c.Params.Str("note"); n != "" {
		ch.Note += "；" + n
	}
}

func stayOn(c line.Call, ch *line.Change) {
	unplan(c, ch)
	ch.Due = dueOf(c.Task)
	ch.Note = c.Params.Str("reason")
}

// unplan takes a planned discharge back.
func unplan(c line.Call, ch *line.Change) {
	if line.Fact(c.Task, "discharge-at") == nil {
		return
	}
	for _, code := range []string{"discharge-at", "likelihood"} {
		line.Unsay(ch.Task, "output", code)
	}
	if bookingOf(c) != nil {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Plan, Holder: "Task/" + c.Task.ID()})
	}
}

// leaves ends the stay: the bed is given back, cleaned, and the next who waits is told.
func leaves(status, why string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		say("to", "reason")(c, ch)
		endEncounter(c, ch, ch.Task, status)
		if c.Read.Booking("Task/"+c.Task.ID()) != nil {
			ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Release, Holder: "Task/" + c.Task.ID(), Reason: why})
		}
		if at := c.Task.Get("location"); at != nil { // his Encounter shows him to the ward for a while
			line.Say(ch.Task, "output", "last-bed", "离院时床位", "valueReference", at.Copy())
			ch.Task.Set("location", nil)
		}
		line.Unsay(ch.Task, "output", roundFact)
		line.Say(ch.Task, "output", "left", "离院时间", "valueDateTime", line.Stamp(c.Now))
		if ch.Request != nil {
			ch.Request.Set("status", map[bool]string{true: "entered-in-error", false: "completed"}[why == "cancel"])
		}
	}
}

// away starts the clock after which an empty bed is looked at before settlement (挂床).
func away(c line.Call, ch *line.Change) {
	say("reason", "expected")(c, ch)
	line.Unsay(ch.Task, "output", "away-since")
	line.Say(ch.Task, "output", "away-since", "离床时间", "valueDateTime", line.Stamp(c.Now))
	keepDue(c, ch)
	if ch.Due = c.Now.AddDate(1, 0, 0); absence(c, ch) > 0 {
		ch.Due = c.Now.Add(hours(absence(c, ch)))
	}
}

// absence is after how many hours the hospital looks at an empty bed; 0 = it does not.
func absence(c line.Call, ch *line.Change) int {
	var flags struct{ Absence *int }
	if said := c.Read.Rule(ch.Task.Str("owner.reference"), "flags"); said == nil || json.Unmarshal(said, &flags) != nil || flags.Absence == nil {
		return local.AwayHours
	}
	return *flags.Absence
}

func overdueAway(c line.Call, ch *line.Change) {
	line.Say(ch.Task, "output", "flag", "结算前核查", "valueCodeableConcept", fhir.Concept(requestSystem, "absent", "离床超时（挂床）"))
}

// back ends the absence. A discharge that was planned stays so.
func back(c line.Call, ch *line.Change) {
	line.Unsay(ch.Task, "output", "away-since")
	line.Unsay(ch.Task, "output", "expected")
	keepNote(c, ch)
	if line.Fact(ch.Task, "discharge-at") != nil {
		ch.To = Leaving
	}
	dueAgain(c, ch)
}

// mark says what somebody looks at before settlement.
func mark(c line.Call, ch *line.Change) {
	code := c.Params.Str("flag")
	zh := c.Flow.Form("flag").Option("flag", code).Zh
	line.Say(ch.Task, "output", "flag", "结算前核查", "valueCodeableConcept", fhir.Concept(requestSystem, code, zh))
	ch.Note = zh
	if of := c.Params.Str("of"); of != "" {
		ch.Note += "：" + of
	}
}
