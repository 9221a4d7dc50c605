package agreement

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

var rules = map[string][]line.Rule{
	"draft":   {needsAnotherParty, needsSoundTerm},
	"propose": {needsAnotherParty, needsWholeTerms, needsSoundTerm},
	"submit":  {needsAnotherParty, needsWholeTerms, needsSoundTerm},
	"edit":    {needsSoundTerm},
	"attach":  {needsDocument},
	"sign":    {needsTimeLeft},
	"resume":  {needsOwnSuspension, needsTimeLeft},
}

func refuse(detail, en, zh string) error {
	return fhir.Refuse(422, "business-rule", detail, en, zh)
}

func needsAnotherParty(c line.Call) error {
	t := terms(c)
	other := c.Read.Get(t.Owner)
	switch {
	case other == nil:
		return refuse("unknown-organization", "the other side does not exist: "+t.Owner, "找不到该机构")
	case other.Str("active") == "false":
		return refuse("inactive-organization", "the other side is no longer active", "该机构已停用")
	case t.Owner == t.Requester:
		return refuse("same-institution", "an agreement is with another institution", "协议须与其他机构签订")
	}
	return nil
}

// What is shown to the other side is complete, whether it comes from the form or from the draft.
func needsWholeTerms(c line.Call) error {
	t := terms(c)
	for _, x := range []struct {
		missing  bool
		name, zh string
	}{{t.Kind == "", "kind", "协议类型"}, {len(t.Services) == 0, "services", "业务范围"}, {t.From.IsZero(), "from", "生效日"}} {
		if x.missing {
			e := fhir.Refuse(422, "required", "missing-field", x.name+" is required", "请填写"+x.zh)
			e.Issues[0].Expression = "Parameters.parameter.where(name='" + x.name + "')"
			return e
		}
	}
	return nil
}

func needsSoundTerm(c line.Call) error {
	t := terms(c)
	if !t.Until.IsZero() && !t.Until.After(t.From) {
		return refuse("ends-before-it-begins", "the last day is before the first", "截止日早于生效日")
	}
	for _, list := range [][]string{t.Services, t.Specialties} {
		if len(list) > 50 {
			return refuse("too-many", "too many entries", "条目过多")
		}
	}
	return nil
}

func needsTimeLeft(c line.Call) error {
	t := terms(c)
	if !t.Until.IsZero() && !c.Now.Before(t.Until) {
		return refuse("expired", "its last day has passed", "协议已过截止日")
	}
	return nil
}

// Only who suspended resumes: the other side cannot lift the brake.
func needsOwnSuspension(c line.Call) error {
	marks := line.History(c.Task)
	for _, m := range slices.Backward(marks) {
		if m.Step == "suspend" {
			if m.Org != c.By.Institution {
				return refuse("not-your-suspension", "only the side that suspended resumes", "由暂停协议的一方恢复")
			}
			return nil
		}
	}
	return nil
}

func needsDocument(c line.Call) error {
	for _, ref := range c.Params.All("documents") {
		if n := c.Read.Get(ref); n == nil || n.Type() != "DocumentReference" || n.Str("subject.reference") != "" {
			return refuse("unknown-document", "no such document about nobody, or not visible to you: "+ref, "找不到该文件")
		}
	}
	return nil
}

// terms are what the agreement says after this call.
func terms(c line.Call) agreement.Terms {
	t := agreement.Terms{Requester: c.By.Institution, Sharing: agreement.Packet, State: agreement.Draft}
	if c.Request != nil {
		t, _ = agreement.Of(c.Request, line.Zone())
	}
	p := c.Params
	if to := p.Str("to"); to != "" && c.Task == nil {
		t.Owner = c.Read.Institution(to)
	}
	for _, x := range []struct {
		name string
		into *string
	}{{"kind", &t.Kind}, {"title", &t.Title}, {"sharing", &t.Sharing}, {"text", &t.Text}} {
		if p.Has(x.name) {
			*x.into = p.Str(x.name)
		}
	}
	switch p.Str("lead") {
	case "us":
		t.Lead = t.Requester
	case "them":
		t.Lead = t.Owner
	case "equal":
		t.Lead = ""
	}
	if p.Has("services") {
		t.Services = once(p.All("services"))
	}
	if p.Has("specialties") {
		t.Specialties = once(p.All("specialties"))
	}
	if p.Has("from") {
		t.From = p.Time("from")
	}
	if p.Has("until") {
		t.Until = p.Time("until").AddDate(0, 0, 1)
	}
	return t
}

func once(list []string) []string {
	var kept []string
	for _, x := range list {
		if !slices.Contains(kept, x) {
			kept = append(kept, x)
		}
	}
	return kept
}
