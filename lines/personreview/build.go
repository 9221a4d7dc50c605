package personreview

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

var pairBuild = map[string]line.Builder{
	"open":     open,
	"accept":   decide,
	"reject":   decide,
	"ask":      ask,
	"answer":   answer,
	"claim":    claim,
	"remark":   remark,
	"obsolete": func(c line.Call, ch *line.Change) { ch.Note = c.Params.Str("reason") },
}

var undoBuild = map[string]line.Builder{"noted": remark}

// open lays the pair before the desk. The Task names hospitals and no patient: it shows itself alone to both sides.
func open(c line.Call, ch *line.Change) {
	owner := c.Params.Str("owner")
	named := func(ref string) fhir.Obj { return fhir.Ref(ref, c.Read.Get(ref).Str("name")) }
	t := ch.Task
	t.Set("extension", fhir.Arr{fhir.Obj{"url", access.TaskOnly, "valueBoolean", true}})
	t.Set("groupIdentifier", fhir.Obj{"system", line.RequisitionSystem, "value", ch.ID()})
	t.Set("requester", named(owner)).Set("owner", named(owner))
	line.Say(t, "input", "pair", "记录对", "valueString", c.Params.Str("pair"))
	line.Say(t, "input", "score", "分值", "valueString", c.Params.Str("score"))
	line.Say(t, "input", "bar", "禁止自动合并的原因", "valueString", c.Params.Str("bar"))
	var names []string
	for _, h := range c.Params.All("hospital") {
		at := named(h)
		line.Say(t, "input", "hospital", "记录所属医院", "valueReference", at)
		names = append(names, c.Read.Get(h).Str("name"))
	}
	t.Set("description", "两份记录可能是同一人："+strings.Join(names, " / "))
	ch.Claims = append(ch.Claims, line.Claim{Kind: "person-pair", Key: c.Params.Str("pair")})
	ch.Due = due(c.Now, within.decide)
}

func words(c line.Call) string {
	said := c.Flow.Form(c.Step.Do).Option("reason", c.Params.Str("reason")).Zh
	if n := c.Params.Str("note"); n != "" {
		return strings.TrimPrefix(said+"；"+n, "；")
	}
	return said
}

func decide(c line.Call, ch *line.Change) {
	ch.Note = words(c)
	line.Say(ch.Task, "output", "reason", "理由", "valueString", c.Params.Str("reason"))
	line.Say(ch.Task, "output", "words", "说明", "valueString", ch.Note)
	line.Say(ch.Task, "output", "seen", "所见版本", "valueString", c.Params.Str("seen"))
}

func ask(c line.Call, ch *line.Change) {
	hospital := whom(c)
	ch.Task.Set("requester", fhir.Ref(hospital, c.Read.Get(hospital).Str("name")))
	line.Unsay(ch.Task, "input", "question")
	line.Say(ch.Task, "input", "question", "请核实", "valueString", words(c))
	ch.Note = words(c)
	ch.Due = due(c.Now, within.answer)
}

func answer(c line.Call, ch *line.Change) {
	ch.Note = c.Params.Str("note")
	line.Unsay(ch.Task, "output", "answer")
	line.Say(ch.Task, "output", "answer", "核实结果", "valueString", ch.Note)
	ch.Due = due(c.Now, within.decide)
}

func claim(c line.Call, ch *line.Change) {
	line.Unsay(ch.Task, "output", "claimed-by")
	line.Say(ch.Task, "output", "claimed-by", "核对人", "valueString", c.By.Name)
}

func remark(c line.Call, ch *line.Change) { ch.Note = c.Params.Str("note") }
