package agreement

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

var build = map[string]line.Builder{
	"draft":     compose,
	"propose":   compose,
	"submit":    compose,
	"edit":      compose,
	"sign":      sign,
	"decline":   because,
	"withdraw":  because,
	"attach":    attach,
	"suspend":   because,
	"resume":    because,
	"terminate": because,
	"by-date":   because,
}

func namer(c line.Call) func(string) string {
	return func(ref string) string { return c.Read.Get(ref).Str("name") }
}

// compose writes Contract and Task from the form; what the form leaves out stays as it was.
func compose(c line.Call, ch *line.Change) {
	t := terms(c)
	kind, _ := agreement.Kind(t.Kind)
	if t.Title == "" {
		t.Title = c.Read.Get(t.Requester).Str("name") + "与" + c.Read.Get(t.Owner).Str("name") + kind.Zh
	}
	t.State = after(c)
	if c.Task == nil {
		ch.Request = fhir.New("Contract", "id", ch.Task.ID(), "issued", line.Stamp(c.Now))
		ch.Task.Set("focus", fhir.Ref("Contract/"+ch.Task.ID(), t.Title))
		ch.Task.Set("groupIdentifier", fhir.Obj{"system", line.RequisitionSystem, "value", ch.Task.ID()})
		ch.Task.Set("requester", fhir.Ref(t.Requester, c.Read.Get(t.Requester).Str("name")))
		ch.Task.Set("owner", fhir.Ref(t.Owner, c.Read.Get(t.Owner).Str("name")))
	}
	ch.Task.Set("description", t.Title)
	t.Write(ch.Request, line.Zone(), namer(c))
	attach(c, ch)
}

// after is the state that the step leads to.
func after(c line.Call) string {
	if c.Step.To == flow.Same {
		return line.StateOf(c.Task)
	}
	return c.Step.To
}

// sign adds the leader's signature; with the second one the directory shows the agreement and its first day is the deadline.
func sign(c line.Call, ch *line.Change) {
	who := fhir.Ref(c.By.Institution, c.Read.Get(c.By.Institution).Str("name"))
	signer := who
	if c.By.Practitioner != "" {
		signer = fhir.Ref(c.By.Practitioner, c.By.Name)
	}
	ch.Request.Add("signer", fhir.Obj{"type", fhir.Coding("http://terminology.hl7.org/CodeSystem/contractsignertypecodes", "CONSENTER", "签署方"), "party", who,
		"signature", fhir.Arr{fhir.Obj{"type", fhir.Arr{fhir.Coding("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.7", "Consent Signature")}, "when", line.Stamp(c.Now), "who", signer, "onBehalfOf", who}}})
	move(c, ch)
	ch.Note = c.Params.Str("note")
}

// because changes the state and keeps the words.
func because(c line.Call, ch *line.Change) {
	move(c, ch)
	ch.Note = c.Params.Str("reason")
	if ch.Note == "" {
		ch.Note = c.Params.Str("note")
	}
	if ch.Note != "" && c.Params.Has("reason") {
		line.Unsay(ch.Task, "output", "reason")
		line.Say(ch.Task, "output", "reason", "理由", "valueString", ch.Note)
	}
}

// move writes the new state into the Contract and the directory, and until when it lasts.
func move(c line.Call, ch *line.Change) {
	t := terms(c)
	t.State = after(c)
	t.SetState(ch.Request)
	switch t.State {
	case agreement.Signed:
		ch.Due = t.From
	case agreement.Active, agreement.Suspended:
		ch.Due = t.Until
	case agreement.Ended, agreement.Terminated:
	default:
		return // nobody else has heard of it
	}
	// The Contract's period stands as signed; a directory says by its own period when it ended.
	entry := c.Read.Get("OrganizationAffiliation/" + ch.Task.ID())
	if entry == nil {
		entry = fhir.New("OrganizationAffiliation", "id", ch.Task.ID())
	} else {
		entry = entry.Copy()
	}
	t.Affiliation(entry, line.Zone(), namer(c))
	if t.State == agreement.Terminated {
		entry.Set("period.end", c.Now.In(line.Zone()).Format(time.DateOnly))
	}
	ch.Update(entry)
}

// attach adds documents to what both sides signed or will sign.
func attach(c line.Call, ch *line.Change) {
	for _, ref := range c.Params.All("documents") {
		title := c.Read.Get(ref).Str("content[0].attachment.title")
		if title == "" {
			title = c.Read.Get(ref).Str("description")
		}
		ch.Request.Add("legal", fhir.Obj{"contentReference", fhir.Ref(ref, title)})
		ch.Note = title
	}
	if n := c.Params.Str("note"); n != "" {
		ch.Note = n
	}
}
