package referral

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

// services of an agreement under which a patient goes this way.
const (
	upwards   = "up-referral"
	downwards = "down-referral"
)

// free says that nobody's agreement matters: an emergency, or the patient's own choice.
func free(c line.Call) bool {
	return !waits(c) || told(c, "by-choice") == "true" || c.Step.Do == "redirect" && c.Params.Str("reason") == "patient-wish"
}

// needsAgreement: a hospital asks another one only for what both have agreed on.
func needsAgreement(c line.Call) error {
	if free(c) {
		return nil
	}
	service := upwards
	if c.Flow.Code == "down" || c.Step.Do == "send-back" {
		service = downwards
	}
	to := receiver(c)
	if d := departmentOf(c); service == upwards && d != "" {
		to = d
	}
	return c.Read.Agreed(sender(c), to, service)
}

// A patient is passed on where either the sender or the hospital that passes him on may send him.
func needsAgreementOnTheWay(c line.Call) error {
	if free(c) {
		return nil
	}
	to := target(c)
	service := upwards
	if c.Flow.Code == "down" {
		service = downwards
	}
	first := c.Read.Agreed(c.Task.Str("requester.reference"), to, service)
	if first == nil {
		return nil
	}
	for _, s := range []string{service, upwards, downwards} {
		if c.Read.Agreed(c.By.Institution, to, s) == nil {
			return nil
		}
	}
	return first
}

// departmentOf is the department that the call or the draft names, "" when none is or it is only a word.
func departmentOf(c line.Call) string {
	if d := c.Params.Str("department"); d != "" {
		if strings.HasPrefix(d, "Organization/") {
			return d
		}
		return ""
	}
	if c.Task == nil {
		return ""
	}
	return line.DepartmentOf(c.Task)
}

// A department named is one of the hospital to which the patient goes.
func needsDepartmentThere(c line.Call) error { return departmentIn(c, target(c)) }

// … or of one's own.
func needsDepartmentHere(c line.Call) error { return departmentIn(c, c.Task.Str("owner.reference")) }

func departmentIn(c line.Call, institution string) error {
	d := c.Params.Str("department")
	if !strings.HasPrefix(d, "Organization/") {
		return nil
	}
	if n := c.Read.Get(d); n == nil || n.Str("active") == "false" || c.Read.Institution(d) != institution || d == institution {
		return refuse("unknown-department", "no such department of that institution: "+d, "该院没有这个科室，请重新选择")
	}
	return nil
}

// address writes the department that the call names into a Task: the reference, and its name for people.
func address(c line.Call, task *fhir.Node) (name string) {
	d := c.Params.Str("department")
	if d == "" {
		return ""
	}
	name = d
	line.SetDepartment(task, "", "")
	if strings.HasPrefix(d, "Organization/") {
		n := c.Read.Get(d)
		if name = n.Str("alias[0]"); name == "" {
			name = n.Str("name")
		}
		line.SetDepartment(task, d, name)
	}
	line.Unsay(task, "input", "department")
	line.Say(task, "input", "department", "科室", "valueString", name)
	return name
}
