package line

import (
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/flow"
)

// Code systems and extensions that every line shares.
const (
	LineSystem     = spec.Canonical + "/CodeSystem/line"      // Task.code: which line
	FlowSystem     = spec.Canonical + "/CodeSystem/flow"      // Task.code: which flow, "referral-up"
	StateSystem    = spec.Canonical + "/CodeSystem/state"     // Task.businessStatus: "received"
	InputSystem    = spec.Canonical + "/CodeSystem/case-fact" // Task.input and Task.output
	LatenessSystem = spec.Canonical + "/CodeSystem/lateness"  // Task.meta.tag: "late"
	// RequisitionSystem is the identifier that the requests and Tasks of one case share.
	RequisitionSystem = spec.Canonical + "/sid/requisition"
	stepURL           = spec.Canonical + "/StructureDefinition/step"
	stateURL          = spec.Canonical + "/StructureDefinition/state"
	orgURL            = spec.Canonical + "/StructureDefinition/organization"
	levelURL          = spec.Canonical + "/StructureDefinition/escalation-level"
)

// zone writes times as people on the spot read them.
var zone = func() *time.Location {
	if z, err := time.LoadLocation("Asia/Shanghai"); err == nil {
		return z
	}
	return time.FixedZone("CST", 8*3600)
}()

// Zone is where people on the spot read the clock.
func Zone() *time.Location { return zone }

// Stamp writes a time as FHIR dateTime.
func Stamp(t time.Time) string { return t.In(zone).Format(time.RFC3339) }

// priorities are FHIR's words for our urgencies.
var priorities = map[flow.Urgency]string{flow.Emergency: "stat", flow.Urgent: "urgent", flow.Routine: "routine"}

// Priority is FHIR's word for an urgency.
func Priority(u flow.Urgency) string { return priorities[u] }

// UrgencyOf reads Task.priority or ServiceRequest.priority.
func UrgencyOf(n *fhir.Node) flow.Urgency {
	switch n.Str("priority") {
	case "stat":
		return flow.Emergency
	case "urgent", "asap":
		return flow.Urgent
	}
	return flow.Routine
}

func coding(n *fhir.Node, path, system string) string {
	for _, c := range n.All(path + ".coding") {
		if c.Str("system") == system {
			return c.Str("code")
		}
	}
	return ""
}

// LineOf returns the line and flow of a Task, "" when it belongs to none.
func LineOf(task *fhir.Node) (slug, code string) {
	slug = coding(task, "code", LineSystem)
	code = strings.TrimPrefix(coding(task, "code", FlowSystem), slug+"-")
	return slug, code
}

// StateOf returns the state of a Task.
func StateOf(task *fhir.Node) string { return coding(task, "businessStatus", StateSystem) }

// Fact returns the value of an input or output by its code; nil when absent.
func Fact(task *fhir.Node, code string) *fhir.Node {
	for _, v := range Facts(task, code) {
		return v
	}
	return nil
}

// Facts returns all values of an input or output.
func Facts(task *fhir.Node, code string) []*fhir.Node {
	var values []*fhir.Node
	for _, part := range []string{"input", "output"} {
		for _, x := range task.All(part) {
			if coding(x, "type", InputSystem) != code {
				continue
			}
			for _, m := range x.Members {
				if strings.HasPrefix(m.Name, "value") {
					values = append(values, m.Value)
				}
			}
		}
	}
	return values
}

// FactText returns a fact as text, "" when absent.
func FactText(task *fhir.Node, code string) string {
	if v := Fact(task, code); v != nil {
		return text(v)
	}
	return ""
}

// Say adds a fact to Task.input (what was given) or Task.output (what came of it); kind is the
// value's property, "valueString". An empty value adds nothing.
func Say(task *fhir.Node, part, code, zh, kind string, value any) {
	if value == nil || value == "" {
		return
	}
	task.Add(part, fhir.Obj{"type", fhir.Obj{"coding", fhir.Arr{fhir.Obj{"system", InputSystem, "code", code}}, "text", zh}, kind, value})
}

// Unsay removes a fact.
func Unsay(task *fhir.Node, part, code string) {
	var kept fhir.Arr
	for _, x := range task.All(part) {
		if coding(x, "type", InputSystem) != code {
			kept = append(kept, x)
		}
	}
	if len(kept) == 0 {
		task.Set(part, nil)
		return
	}
	task.Set(part, kept)
}

// DepartmentURL is the extension of a Task that says which department it is addressed to.
const DepartmentURL = spec.Canonical + "/StructureDefinition/task-department"

// DepartmentOf returns the department to which a Task is addressed, "" when it is the institution as a whole.
func DepartmentOf(task *fhir.Node) string {
	for _, x := range task.All("extension") {
		if x.Str("url") == DepartmentURL {
			return x.Str("valueReference.reference")
		}
	}
	return ""
}

// SetDepartment addresses a Task to a department; "" takes the address away.
func SetDepartment(task *fhir.Node, ref, name string) {
	var kept fhir.Arr
	for _, x := range task.All("extension") {
		if x.Str("url") != DepartmentURL {
			kept = append(kept, x)
		}
	}
	if ref != "" {
		kept = append(kept, fhir.Obj{"url", DepartmentURL, "valueReference", fhir.Ref(ref, name)})
	}
	if len(kept) == 0 {
		task.Set("extension", nil)
		return
	}
	task.Set("extension", kept)
}

// Mark is one entry of a case's history.
type Mark struct {
	Step, State string
	At          time.Time
	Name        string
	Author      string // "Practitioner/…"
	Org         string
	OrgName     string
	Text        string
}

// History reads what happened to a Task, oldest first.
func History(task *fhir.Node) []Mark {
	var marks []Mark
	for _, n := range task.All("note") {
		m := Mark{Name: n.Str("authorString"), Text: n.Str("text")}
		if a := n.Get("authorReference"); a != nil {
			m.Author, m.Name = a.Str("reference"), a.Str("display")
		}
		m.At, _ = time.Parse(time.RFC3339, n.Str("time"))
		for _, x := range n.All("extension") {
			switch x.Str("url") {
			case stepURL:
				m.Step = x.Str("valueCode")
			case stateURL:
				m.State = x.Str("valueCode")
			case orgURL:
				m.Org, m.OrgName = x.Str("valueReference.reference"), x.Str("valueReference.display")
			}
		}
		if m.Step != "" {
			marks = append(marks, m)
		}
	}
	return marks
}

// entered is when the Task came into its state.
func entered(task *fhir.Node) time.Time {
	var at time.Time
	state := ""
	for _, m := range History(task) {
		if m.State != state {
			at, state = m.At, m.State
		}
	}
	return at
}

func level(task *fhir.Node) int {
	n := 0
	for _, x := range task.All("extension") {
		if x.Str("url") == levelURL {
			for _, c := range x.Str("valueInteger") {
				n = n*10 + int(c-'0')
			}
		}
	}
	return n
}

// setLevel marks the Task late, or takes the mark away with 0.
func setLevel(task *fhir.Node, n int) {
	keep := func(path string, ours func(*fhir.Node) bool) fhir.Arr {
		var kept fhir.Arr
		for _, x := range task.All(path) {
			if !ours(x) {
				kept = append(kept, x)
			}
		}
		return kept
	}
	tags := keep("meta.tag", func(x *fhir.Node) bool { return x.Str("system") == LatenessSystem })
	exts := keep("extension", func(x *fhir.Node) bool { return x.Str("url") == levelURL })
	if n > 0 {
		tags = append(tags, fhir.Obj{"system", LatenessSystem, "code", "late", "display", "逾期"})
		exts = append(exts, fhir.Obj{"url", levelURL, "valueInteger", n})
	}
	if len(tags) > 0 {
		task.Set("meta.tag", tags)
	} else if task.Get("meta") != nil {
		task.Set("meta.tag", nil)
		if len(task.Get("meta").Members) == 0 {
			task.Set("meta", nil)
		}
	}
	if len(exts) > 0 {
		task.Set("extension", exts)
	} else {
		task.Set("extension", nil)
	}
}

// caseOf reads a Task into the row that worklists know.
func caseOf(l *Line, f *Flow, task *fhir.Node) Case {
	c := Case{Task: "Task/" + task.ID(), Line: l.Slug, Flow: f.Code, State: StateOf(task), Urgency: UrgencyOf(task),
		Owner: task.Str("owner.reference"), Requester: task.Str("requester.reference"), Patient: task.Str("for.reference"),
		Request: task.Str("focus.reference"), Requisition: task.Str("groupIdentifier.value"), Level: level(task), Entered: entered(task)}
	if s, ok := f.State(c.State); ok {
		c.Kind = s.Kind
	}
	if !f.shown(task) {
		c.Owner = ""
	}
	c.Due, _ = time.Parse(time.RFC3339, task.Str("restriction.period.end"))
	c.Opened, _ = time.Parse(time.RFC3339, task.Str("authoredOn"))
	c.Updated, _ = time.Parse(time.RFC3339, task.Str("lastModified"))
	return c
}

// IsLate says whether the time allowed in the Task's state has passed.
func IsLate(task *fhir.Node, now time.Time) bool {
	due, err := time.Parse(time.RFC3339, task.Str("restriction.period.end"))
	return err == nil && !now.Before(due)
}

// shown says whether the owner knows of the case: not while it is a draft, nor when it ended as one.
func (f *Flow) shown(task *fhir.Node) bool {
	for _, m := range History(task) {
		if s, ok := f.State(m.State); ok && s.Status != "draft" && (s.Kind == flow.Open || s.Kind == flow.Done) {
			return true
		}
	}
	return false
}
