package referral

import (
	"maps"
	"slices"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// together puts the steps of a bed beside a flow's own.
func together[V any](all ...map[string]V) map[string]V {
	one := map[string]V{}
	for _, m := range all {
		maps.Copy(one, m)
	}
	return one
}

// admissionNeeds are asked where the doctor accepts for admission.
func admissionNeeds() (fields []line.Field) {
	for _, f := range hold.Needs() {
		fields = append(fields, only(f, "outcome", "admission"))
	}
	return append(fields, hidden(hold.Bed), hidden(field("datetime", "expected", "约定到院时间", "Promised arrival")))
}

// A bed named with the acceptance is held at once, by who may hold beds.
func needsBedDesk(c line.Call) error {
	if !c.Params.Has("bed") {
		return nil
	}
	if !slices.Contains(hold.Desk, string(c.By.Role)) {
		return fhir.Refuse(403, "forbidden", "needs-bed-desk", "the bed desk holds beds; accept without one", "留床由床位调配中心办理，请先接诊")
	}
	if c.Params.Str("outcome") != "admission" {
		return refuse("no-admission", "a bed goes with an admission", "收住院才需留床")
	}
	return hold.NeedsOwnBed(c)
}

// Who has a bed sets out only while it is his.
func needsBedStillHeld(c line.Call) error {
	if line.StateOf(c.Task) != BedHeld || !waits(c) {
		return nil
	}
	return hold.NeedsHeld(c)
}

// toWait sends an accepted patient to the waiting list of the pool, or to the bed that the call names. Where no beds are
// registered, and in an emergency, nobody waits for one before he departs.
func toWait(c line.Call, ch *line.Change) {
	beds := c.Read.Beds(ch.Task.Str("owner.reference"))
	if c.Params.Str("outcome") != "admission" || !beds {
		if c.Step.To == NoBed {
			ch.To = Accepted
		}
		offList(c, ch)
		return
	}
	hold.KeepNeeds(c, ch)
	if c.Params.Has("bed") {
		words := ch.Note
		hold.Hold(c, ch)
		ch.Note = words + "；" + ch.Note
		if c.Step.To == NoBed || c.Step.To == Accepted {
			ch.To = BedHeld
		}
		return
	}
	if c.Step.To == NoBed && !waits(c) {
		ch.To = Accepted
	}
	await(c, ch)
}

// offList: who waited because he was on the way needs no bed after all.
func offList(c line.Call, ch *line.Change) {
	if c.Read.Booking(hold.Holder(ch)) == nil {
		hold.Let(c, ch)
	}
}

// await puts a case on the waiting list unless it stands there, has a bed, or the patient lies in one already.
func await(c line.Call, ch *line.Change) {
	if !c.Read.Beds(ch.Task.Str("owner.reference")) || c.Read.Booking(hold.Holder(ch)) != nil || c.Read.Waiting(hold.Holder(ch)) != nil || liesIn(c) {
		return
	}
	hold.Await(c, ch, hold.NoBed)
}

// liesIn says whether the chain has a stay that goes on.
func liesIn(c line.Call) bool {
	return slices.ContainsFunc(c.Read.Chain(c.Task.Str("groupIdentifier.value")), func(k line.Case) bool {
		return k.Flow == "stay" && k.Kind == flow.Open && k.Owner == c.Task.Str("owner.reference")
	})
}

// leave: the clock of a held bed stands still while the patient is on the way; an emergency for which nobody has answered is announced to the bed desk.
func leave(c line.Call, ch *line.Change) {
	say("transport", "expected")(c, ch)
	hold.Freeze(c, ch)
	if !waits(c) {
		await(c, ch)
	}
}

// bedHere: the bed is his until he lies in it.
func bedHere(c line.Call, ch *line.Change) {
	hold.Confirm(c, ch)
	if line.FactText(c.Task, "outcome") == "admission" {
		await(c, ch)
	}
}

// bedOrdered: with the admission order he waits for a bed, if he has none.
func bedOrdered(c line.Call, ch *line.Change) {
	hold.KeepNeeds(c, ch)
	await(c, ch)
	if line.StateOf(c.Task) == Accepted && waits(c) && c.Read.Booking(hold.Holder(ch)) == nil && c.Read.Beds(c.Task.Str("owner.reference")) {
		ch.To = NoBed
	}
}
