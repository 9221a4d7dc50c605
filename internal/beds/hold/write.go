package hold

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Notice is the time within which a displaced patient is promised anew; a default of ours.
const Notice = 30 * time.Minute

// Codes of why a case still waits.
const (
	NoBed     = "no-bed"    // nobody has found one yet
	Lapsed    = "lapsed"    // the hold ran out
	Displaced = "displaced" // an emergency took the bed
	Released  = "released"  // the desk took it back
	Promised  = "promised"  // it knows until when
)

// facts of a Task that speak of its bed.
const (
	bedFact      = "bed"           // output, valueReference: the bed that is held
	reservedFact = "bed-reserved"  // output: capacity that is reserved, in words
	untilFact    = "bed-until"     // output: when the hold runs out
	arrivalFact  = "bed-arrival"   // output: the promised arrival
	promisedFact = "bed-promised"  // output: when there shall be a bed
	sinceFact    = "waiting-since" // output: since when it waits for one
)

// Holder is the Task of the call as bookings know it.
func Holder(ch *line.Change) string { return "Task/" + ch.Task.ID() }

// urgencyOf is the order of need: the Task's own word where it has a finer one (a cancer pathway), else its priority.
func urgencyOf(task *fhir.Node) allocate.Urgency {
	if u := allocate.Urgency(line.FactText(task, "urgency")); slices.Contains(allocate.Urgencies, u) {
		return u
	}
	switch line.UrgencyOf(task) {
	case flow.Emergency:
		return allocate.Emergency
	case flow.Urgent:
		return allocate.Urgent
	}
	return allocate.Elective
}

// KeepNeeds writes what the form says about needs into the Task; what it leaves out stays.
func KeepNeeds(c line.Call, ch *line.Change) {
	for _, f := range Needs() {
		if !c.Params.Has(f.Name) {
			continue
		}
		line.Unsay(ch.Task, "input", f.Name)
		for _, v := range c.Params.All(f.Name) {
			line.Say(ch.Task, "input", f.Name, f.Label.Zh, "valueString", v)
		}
	}
}

// Request is what the Task's patient needs of a bed, as its facts, its patient and its department say.
func Request(c line.Call, task *fhir.Node) allocate.Request {
	all := func(code string) (values []string) {
		for _, v := range line.Facts(task, code) {
			values = append(values, v.Text)
		}
		return values
	}
	r := allocate.Request{Urgency: urgencyOf(task), Level: allocate.Level(line.FactText(task, "level")), Isolation: line.FactText(task, "isolation"),
		Equipment: allocate.EquipmentOf(all("equipment")...), Nursing: line.FactText(task, "nursing"), Campuses: all("campus"),
		Companion: line.FactText(task, "companion") == "true", Specialty: specialty(c, task), Age: -1}
	if r.Level == "" {
		r.Level = allocate.General
	}
	// what only a case of the hospital's own knows
	r.Ward, r.Team, r.Kind, r.At = line.Fact(task, "ward").Str("reference"), line.Fact(task, "team").Str("reference"), line.FactText(task, "kind"), line.Fact(task, "at").Str("reference")
	r.Moves, _ = strconv.Atoi(line.FactText(task, "moves"))
	patient := c.Read.Get(task.Str("for.reference"))
	switch patient.Str("gender") {
	case "male":
		r.Sex = allocate.Male
	case "female":
		r.Sex = allocate.Female
	}
	if born, err := time.Parse("2006", strings.SplitN(patient.Str("birthDate"), "-", 2)[0]); err == nil {
		r.Age = c.Now.Year() - born.Year()
	}
	return r
}

// departments codes what a department is.
const departments = spec.Canonical + "/CodeSystem/department"

// specialty is the code of the department to which the Task is addressed, "" where it is the hospital as a whole.
func specialty(c line.Call, task *fhir.Node) string {
	for at, i := line.DepartmentOf(task), 0; at != "" && i < 4; i++ {
		n := c.Read.Get(at)
		for _, t := range n.All("type") {
			for _, code := range t.All("coding") {
				if code.Str("system") == departments {
					return code.Str("code")
				}
			}
		}
		at = n.Str("partOf.reference")
	}
	return ""
}

// WaitOf is how the case waits, or would: its needs, and its old place in the list where it had one.
func WaitOf(c line.Call, task *fhir.Node, reason string) *booking.Wait {
	since, _ := time.Parse(time.RFC3339, line.FactText(task, sinceFact))
	if since.IsZero() {
		since = c.Now
	}
	promised, _ := time.Parse(time.RFC3339, line.FactText(task, promisedFact))
	r := Request(c, task)
	return &booking.Wait{Holder: "Task/" + task.ID(), Patient: task.Str("for.reference"), Pool: task.Str("owner.reference"), Rank: r.Urgency.Rank(), Since: since, Promised: promised, Reason: reason,
		Needs: allocate.MarshalNeeds(r)}
}

// Await puts the case into the waiting list of its owner's pool, at its old place where it had one.
func Await(c line.Call, ch *line.Change, reason string) {
	w := WaitOf(c, ch.Task, reason)
	if line.FactText(ch.Task, sinceFact) == "" {
		line.Say(ch.Task, "output", sinceFact, "候床起始", "valueDateTime", line.Stamp(w.Since))
	}
	ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Await, Holder: w.Holder, Pool: w.Pool, Patient: w.Patient, Wait: w})
}

// Let gives back what the case holds and takes it off the waiting list: it has ended, or needs no bed any more.
func Let(c line.Call, ch *line.Change) {
	forget(ch.Task)
	if c.Task == nil {
		return
	}
	if c.Read.Booking(Holder(ch)) != nil {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Release, Holder: Holder(ch), Reason: c.Step.Do})
	}
	leave(c, ch)
}

func leave(c line.Call, ch *line.Change) {
	if c.Task != nil && c.Read.Waiting(Holder(ch)) != nil {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Leave, Holder: Holder(ch)})
	}
}

func forget(task *fhir.Node) {
	for _, code := range []string{bedFact, reservedFact, untilFact, arrivalFact} {
		line.Unsay(task, "output", code)
	}
	task.Set("location", nil)
}

// Freeze stops the clock of a hold: the patient is on the way.
func Freeze(c line.Call, ch *line.Change) {
	if b := c.Read.Booking(Holder(ch)); b != nil && b.State == booking.Held {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Freeze, Holder: Holder(ch)})
		line.Unsay(ch.Task, "output", untilFact)
	}
}

// Confirm makes a hold the patient's own until he lies in it: he is here.
func Confirm(c line.Call, ch *line.Change) {
	if b := c.Read.Booking(Holder(ch)); b != nil && b.State == booking.Held {
		ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Confirm, Holder: Holder(ch)})
		line.Unsay(ch.Task, "output", untilFact)
	}
}

// arrivalOf is what the call promises: a time, or the day for which capacity is reserved.
func arrivalOf(c line.Call) time.Time {
	if at := c.Params.Time("expected"); !at.IsZero() {
		return at
	}
	return c.Params.Time("date")
}

// holdsOf is how long a hospital holds a bed.
func holdsOf(c line.Call, hospital string) allocate.Holds {
	var h allocate.Holds
	if said := c.Read.Rule(hospital, "holds"); said == nil || json.Unmarshal(said, &h) != nil || h.Check() != nil {
		return allocate.DefaultHolds
	}
	return h
}

// Hold takes the bed, or the unit of capacity, that the call names, and the case leaves the waiting list.
// Its state is due when the hold runs out.
func Hold(c line.Call, ch *line.Change) {
	arrival := arrivalOf(c)
	until := holdsOf(c, ch.Task.Str("owner.reference")).Until(urgencyOf(ch.Task), arrival, c.Now, line.Zone())
	command := booking.Command{Do: booking.Hold, Thing: c.Params.Str("bed"), Pool: ch.Task.Str("owner.reference"), Holder: Holder(ch), Patient: ch.Task.Str("for.reference"),
		Expires: until, Reason: c.Params.Str("reason"), Override: c.Params.All("override"), Wait: &booking.Wait{Needs: allocate.MarshalNeeds(Request(c, ch.Task))}}
	if c.Step.Do == "take-bed" {
		command.Do = booking.Displace
	}
	forget(ch.Task)
	if c.Params.Is("reserve") {
		day := c.Params.Time("date").In(line.Zone())
		command.From = time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, line.Zone())
		command.Until = command.From.AddDate(0, 0, 1)
		var words string
		command.Thing, words = capacity(c, ch.Task)
		ch.Note = "预留 " + day.Format(time.DateOnly) + " " + words
		line.Say(ch.Task, "output", reservedFact, "预留名额", "valueString", day.Format(time.DateOnly)+" "+words)
	} else {
		name := NameOf(c.Read, command.Thing)
		ch.Note = name
		line.Say(ch.Task, "output", bedFact, "已留床位", "valueReference", fhir.Ref(command.Thing, name))
		ch.Task.Set("location", fhir.Ref(command.Thing, name)) // its ward sees who is to come
	}
	if frozen(c) {
		command.Expires = time.Time{}
	} else {
		line.Say(ch.Task, "output", untilFact, "留床至", "valueDateTime", line.Stamp(until))
		if c.Step.To != flow.Same {
			ch.Due = until
		}
	}
	if !arrival.IsZero() {
		line.Say(ch.Task, "output", arrivalFact, "约定到院", "valueDateTime", line.Stamp(arrival))
	}
	line.Unsay(ch.Task, "output", promisedFact)
	if why := c.Params.Str("reason"); why != "" {
		ch.Note += "；" + why
	}
	command.Wait = WaitOf(c, ch.Task, NoBed)
	ch.Bookings = append(ch.Bookings, command)
	leave(c, ch)
}

// frozen says that the patient is on the way or here: his hold does not run out.
func frozen(c line.Call) bool {
	if c.Task == nil {
		return false
	}
	return c.Task.Str("status") == "in-progress" || line.StateOf(c.Task) == "departed"
}

// capacity names what is reserved, "#*" at its end: the lowest unit that is free.
func capacity(c line.Call, task *fhir.Node) (thing, words string) {
	r := Request(c, task)
	group, level, sex := c.Params.Str("group"), c.Params.Str("level"), c.Params.Str("sex")
	if group == "" {
		group = groupOf(c, task)
	}
	if level == "" {
		level = string(r.Level)
	}
	if sex == "" {
		if sex = string(r.Sex); sex == "" {
			sex = string(allocate.Mixed)
		}
	}
	form := c.Flow.Form("hold-bed")
	words = group + " · " + form.Option("level", level).Zh + " · " + form.Option("sex", sex).Zh
	thing = booking.Capacity(task.Str("owner.reference"), group, level, sex, 0)
	return strings.TrimSuffix(thing, "0") + "*", words
}

// WardGroup on a ward or a department: wards that stand in for each other when capacity is reserved.
const WardGroup = spec.Canonical + "/StructureDefinition/ward-group"

func groupOf(c line.Call, task *fhir.Node) string {
	for _, x := range c.Read.Get(line.DepartmentOf(task)).All("extension") {
		if x.Str("url") == WardGroup {
			return x.Str("valueCode")
		}
	}
	return specialty(c, task)
}

// bind makes the reserved capacity a bed.
func bind(c line.Call, ch *line.Change) {
	bed := c.Params.Str("bed")
	name := NameOf(c.Read, bed)
	line.Unsay(ch.Task, "output", reservedFact)
	line.Unsay(ch.Task, "output", bedFact)
	line.Say(ch.Task, "output", bedFact, "已留床位", "valueReference", fhir.Ref(bed, name))
	ch.Task.Set("location", fhir.Ref(bed, name))
	ch.Note = name
	ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Move, Thing: bed, Pool: ch.Task.Str("owner.reference"), Holder: Holder(ch), Patient: ch.Task.Str("for.reference"),
		Reason: c.Params.Str("reason"), Override: c.Params.All("override")})
}

// release gives the bed back; the case waits again at its old place.
func release(c line.Call, ch *line.Change) {
	forget(ch.Task)
	ch.Bookings = append(ch.Bookings, booking.Command{Do: booking.Release, Holder: Holder(ch), Reason: c.Params.Str("reason")})
	Await(c, ch, Released)
	ch.Note = c.Params.Str("reason")
}

func promise(c line.Call, ch *line.Change) {
	at := c.Params.Time("promised")
	line.Unsay(ch.Task, "output", promisedFact)
	line.Say(ch.Task, "output", promisedFact, "承诺床位时间", "valueDateTime", line.Stamp(at))
	ch.Due = at
	ch.Note = at.In(line.Zone()).Format("01-02 15:04") + "；" + c.Params.Str("reason")
	Await(c, ch, Promised)
}

// NeedsHeld refuses to set out for a bed whose hold has run out meanwhile.
func NeedsHeld(c line.Call) error {
	if bookingOf(c) == nil {
		return fhir.Refuse(409, "conflict", "hold-lapsed", "the hold has run out; wait for another bed", "留床已到期，请等待重新留床")
	}
	return nil
}

// lost puts the case back where it waited before; the bookings room has ended the hold already.
func lost(reason string) line.Builder {
	return func(c line.Call, ch *line.Change) {
		ch.Note = strings.Trim(line.Fact(ch.Task, bedFact).Str("display")+line.FactText(ch.Task, reservedFact), " ")
		forget(ch.Task)
		if reason == Displaced {
			line.Unsay(ch.Task, "output", promisedFact)
			if c.Step.To != flow.Same {
				ch.Due = c.Now.Add(Notice)
			}
		}
		if c.Read.Booking(Holder(ch)) == nil {
			Await(c, ch, reason)
		}
	}
}

// Builders are what the steps of a bed write.
func Builders() map[string]line.Builder {
	return map[string]line.Builder{"hold-bed": Hold, "take-bed": Hold, "bind-bed": bind, "release-bed": release, "promise": promise, "hold-lapsed": lost(Lapsed), "displaced": lost(Displaced)}
}

// NameOf is what people call a bed: the ward's name and the bed's.
func NameOf(read line.Snapshot, bed string) string {
	n := read.Get(bed)
	if n == nil {
		return bed
	}
	ward := read.Get(read.Get(n.Str("partOf.reference")).Str("partOf.reference"))
	return strings.TrimSpace(ward.Str("name") + " " + n.Str("name"))
}
