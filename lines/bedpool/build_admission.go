package bedpool

import (
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

var admissionBuild = func() map[string]line.Builder {
	build := map[string]line.Builder{
		"request":      request,
		"admit":        admit,
		"confirm":      confirm,
		"take-in":      takeIn,
		"change-needs": changeNeeds,
		"redirect":     then(say("referral", "reason"), hold.Let, finish("revoked")),
		"cancel":       then(say("reason"), hold.Let, finish("revoked")),
		"no-show":      then(say(), hold.Let, finish("revoked")),
		"died":         then(say(), hold.Let, finish("revoked")),
	}
	for do, b := range hold.Builders() {
		build[do] = b
	}
	build["promise"] = then(build["promise"], waitsFor)
	return build
}()

// request puts a patient into the waiting list of the hospital.
func request(c line.Call, ch *line.Change) {
	compose(c, ch.Request, ch.Task, "admission", "住院申请", ch.ID(), fhir.Of(fhir.Ref(c.Params.Str("patient"), "")))
	joins(c, ch)
	keepNote(c, ch)
}

// joins keeps what an admission needs and has it wait, until the time that it is promised.
func joins(c line.Call, ch *line.Change) {
	keepWants(c, ch)
	if at := promisedTo(c, ch.Task); !at.IsZero() {
		line.Say(ch.Task, "output", "bed-promised", "承诺床位时间", "valueDateTime", line.Stamp(at))
		ch.Due = at
	}
	hold.Await(c, ch, hold.NoBed)
	ch.Claims = append(ch.Claims, line.Claim{Kind: openAdmission, Key: place(ch.Task.Str("for.reference"), ch.Task.Str("owner.reference"))})
}

// promisedTo is the time that was agreed with the patient, or the pathway's own limit.
func promisedTo(c line.Call, task *fhir.Node) time.Time {
	if at := c.Params.Time("promised"); !at.IsZero() {
		if at.Before(c.Now) { // the day as such
			at = c.Now.Add(hour)
		}
		return at
	}
	if line.FactText(task, "urgency") == "cancer" {
		return c.Now.AddDate(0, 0, local.CancerWithin)
	}
	return time.Time{}
}

// begins is an admission that another hand-over of the line leads to; it returns "Task/…".
func begins(c line.Call, ch *line.Change, source, fact string, more func(*line.Change)) string {
	req, task := fhir.New("ServiceRequest", "id", ch.ID()), fhir.New("Task", "id", ch.ID())
	compose(c, req, task, "admission", "住院申请", c.Task.Str("groupIdentifier.value"), c.Task.Get("for"))
	req.Set("basedOn", fhir.Arr{c.Task.Get("focus").Copy()})
	if req.Get("reasonCode") == nil && c.Request.Get("reasonCode") != nil {
		req.Set("reasonCode", c.Request.Get("reasonCode").Copy())
		task.Set("description", c.Task.Str("description"))
	}
	line.Say(task, "input", "source", "来源", "valueString", source)
	line.Say(task, "input", fact, "来自", "valueReference", fhir.Ref("Task/"+c.Task.ID(), c.Flow.Name.Zh))
	part := &line.Change{Task: task, Request: req}
	if more != nil {
		more(part)
	}
	joins(c, part)
	if source == "transfer" {
		part.Claims = []line.Claim{{Kind: openTransfer, Key: "Task/" + c.Task.ID()}}
	}
	ch.Update(req)
	ch.Bookings = append(ch.Bookings, part.Bookings...)
	return ch.Begin(line.Next{Flow: "admission", Do: "request", State: Waiting, Task: task, Claims: part.Claims, Due: part.Due})
}

// admit writes the admission order (住院证), an act of its own.
func admit(c line.Call, ch *line.Change) {
	home := named(c, c.Task.Str("owner.reference"))
	order := fhir.New("ServiceRequest", "basedOn", fhir.Arr{c.Task.Get("focus").Copy()}, "requisition", c.Task.Get("groupIdentifier").Copy(), "status", "active", "intent", "order",
		"code", fhir.Concept(requestSystem, "admission-order", "住院证"), "subject", c.Task.Get("for").Copy(), "authoredOn", line.Stamp(c.Now), "requester", speaker(c),
		"performer", fhir.Arr{home}, "reasonCode", fhir.Arr{fhir.TextConcept(c.Params.Str("reason"))})
	line.Say(ch.Task, "output", orderFact, "住院证", "valueReference", fhir.Ref(ch.Create(order), "住院证"))
	ch.Note = c.Params.Str("reason")
}

// waitsFor keeps by its code what the case waits for.
func waitsFor(c line.Call, ch *line.Change) {
	code := c.Params.Str("waits-for")
	if code == "" {
		return
	}
	line.Unsay(ch.Task, "output", "waits-for")
	line.Say(ch.Task, "output", "waits-for", "在等什么", "valueCodeableConcept", fhir.Concept(requestSystem, code, c.Flow.Form("promise").Option("waits-for", code).Zh))
	for i := range ch.Bookings {
		if w := ch.Bookings[i].Wait; w != nil {
			w.Reason = code
		}
	}
}

// confirm calls the patient in: he comes, and the bed lapses no more.
func confirm(c line.Call, ch *line.Change) {
	at := c.Params.Time("expected")
	if at.IsZero() {
		at = timeOf(c.Task, "bed-arrival")
	}
	hold.Confirm(c, ch)
	if !at.IsZero() {
		line.Unsay(ch.Task, "output", "bed-arrival")
		line.Say(ch.Task, "output", "bed-arrival", "约定到院", "valueDateTime", line.Stamp(at))
		if at.After(c.Now) {
			ch.Due = at.Add(grace(c))
		}
	}
	keepNote(c, ch)
}

// grace is how long after his time a patient who was called in counts as coming.
func grace(c line.Call) time.Duration {
	s, _ := c.Flow.State(Confirmed)
	return s.Within[c.Urgency]
}

// changeNeeds has the case wait at its old place for another kind of bed.
func changeNeeds(c line.Call, ch *line.Change) {
	keepWants(c, ch)
	reason := hold.NoBed
	if w := c.Read.Waiting("Task/" + c.Task.ID()); w != nil {
		reason = w.Reason
	}
	hold.Await(c, ch, reason)
	keepNote(c, ch)
}

// drops ends a request for a bed that somebody who has left, or died, needs no more.
func drops(fact string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		ref := line.Fact(c.Task, fact).Str("reference")
		task := c.Read.Get(ref).Copy()
		if task == nil || !slices.Contains([]string{Waiting, Held, Confirmed}, line.StateOf(task)) {
			return
		}
		if c.Read.Booking(ref) != nil {
			ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Release, Holder: ref, Reason: c.Step.Do})
		}
		if c.Read.Waiting(ref) != nil {
			ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Leave, Holder: ref})
		}
		task.Set("location", nil)
		ch.Begin(line.Next{Flow: "admission", Do: "cancel", State: Cancelled, Task: task})
	}
}

// takeIn begins the stay of who waited, or moves who is in hospital already.
func takeIn(c line.Call, ch *line.Change) {
	holder := "Task/" + c.Task.ID()
	b := c.Read.Booking(holder)
	bed := c.Params.Str("bed")
	if b != nil {
		bed = b.Thing
	}
	if of := line.Fact(c.Task, transferFact).Str("reference"); of != "" {
		moves(c, ch, of, bed, b != nil)
	} else {
		next := lies(c, ch, c.Task, holder, bed, b)
		line.Say(ch.Task, "output", stayFact, "住院", "valueReference", fhir.Ref(next, "住院"))
		if obs := c.Read.Get(line.Fact(c.Task, observationFact).Str("reference")); obs != nil && slices.Contains([]string{Observed, Overlong}, line.StateOf(obs)) {
			obs = obs.Copy()
			endEncounter(c, ch, obs, "finished")
			ch.Begin(line.Next{Flow: "observation", Do: "taken-in", State: Admitted, Task: obs})
		}
	}
	if c.Read.Waiting(holder) != nil {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Leave, Holder: holder})
	}
	ch.Task.Set("location", nil) // who sees him from now on, the stay says
	ch.Note = hold.NameOf(c.Read, bed)
	if n := c.Params.Str("note"); n != "" {
		ch.Note += "；" + n
	}
}
