package line

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
)

// Form is what a step asks a person for.
type Form struct {
	Fields []Field `json:"fields"`
}

// Field is one question. Types are those of docs/api.md.
type Field struct {
	Name     string    `json:"name"`
	Label    flow.Name `json:"label"`
	Type     string    `json:"type"`
	Required bool      `json:"required"`
	Waived   bool      `json:"waivedInEmergency,omitempty"` // an emergency may leave it out although it is required
	Help     flow.Name `json:"help,omitzero"`
	Options  []Option  `json:"options,omitempty"`
	Default  any       `json:"default,omitempty"`
	ShowIf   *ShowIf   `json:"showIf,omitempty"`
	System   string    `json:"system,omitempty"`
	Repeats  bool      `json:"repeats,omitempty"`
	Hidden   bool      `json:"-"`                 // for programs and the line's own page, not drawn
	At       string    `json:"at,omitempty"`      // of a department: the field that names its institution; "" = the Task's owner
	Service  string    `json:"service,omitempty"` // of an organization: for what it is asked; those that may not be asked are shown so
}

// Option is one answer of a choice.
type Option struct {
	Code string    `json:"code"`
	Name flow.Name `json:"name"`
}

// ShowIf draws and requires a field only when another one has one of these values.
type ShowIf struct {
	Field string   `json:"field"`
	In    []string `json:"in"`
}

// With returns the form with more fields.
func (f Form) With(fields ...Field) Form {
	return Form{Fields: append(slices.Clone(f.Fields), fields...)}
}

// Shown returns the form without hidden fields.
func (f Form) Shown() Form {
	shown := Form{Fields: []Field{}}
	for _, x := range f.Fields {
		if !x.Hidden {
			shown.Fields = append(shown.Fields, x)
		}
	}
	return shown
}

// InEmergency returns the form as an emergency sees it: what may be left out is not required.
func (f Form) InEmergency() Form {
	eased := Form{Fields: slices.Clone(f.Fields)}
	for i := range eased.Fields {
		eased.Fields[i].Required = eased.Fields[i].Required && !eased.Fields[i].Waived
	}
	return eased
}

// Narrowed returns the form with one question already answered, for a step that is open only with that answer.
func (f Form) Narrowed(field, is string) Form {
	narrow := Form{Fields: slices.Clone(f.Fields)}
	for i, x := range narrow.Fields {
		if x.Name == field && x.Type == "choice" {
			narrow.Fields[i].Options = slices.DeleteFunc(slices.Clone(x.Options), func(o Option) bool { return o.Code != is })
			narrow.Fields[i].Default = is
		}
	}
	return narrow
}

// Field finds one question.
func (f Form) Field(name string) (Field, bool) {
	for _, x := range f.Fields {
		if x.Name == name {
			return x, true
		}
	}
	return Field{}, false
}

// Option names the chosen code.
func (f Form) Option(field, code string) flow.Name {
	for _, x := range f.Fields {
		if x.Name != field {
			continue
		}
		for _, o := range x.Options {
			if o.Code == code {
				return o.Name
			}
		}
	}
	return flow.Name{Zh: code, En: code}
}

const longest = 4000 // characters in a text field

var (
	phone     = regexp.MustCompile(`^\+?[0-9][0-9 \-]{4,19}$`)
	reference = regexp.MustCompile(`^[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}$`)
	refTypes  = map[string][]string{"organization": {"Organization"}, "practitioner": {"Practitioner", "PractitionerRole"}, "patient": {"Patient"}, "task": {"Task"}, "bed": {"Location"}}
)

// Check refuses a call that leaves out what is required or says what the form does not know.
func (f Form) Check(p Params, u flow.Urgency) error {
	var issues []fhir.Issue
	bad := func(detail, field, en, zh string) {
		issues = append(issues, fhir.Issue{Severity: "error", Code: "value", Detail: detail, Text: en, Zh: zh,
			Expression: "Parameters.parameter.where(name='" + field + "')"})
	}
	known := map[string]bool{"line": true, "flow": true}
	for _, x := range f.Fields {
		known[x.Name] = true
		shown := x.ShowIf == nil || slices.Contains(x.ShowIf.In, p.Str(x.ShowIf.Field))
		values := p.All(x.Name)
		if !p.Has(x.Name) {
			if x.Required && shown && !(x.Waived && u == flow.Emergency) {
				bad("missing-field", x.Name, x.Name+" is required", "请填写"+x.Label.Zh)
			}
			continue
		}
		if len(values) > 1 && !x.Repeats && x.Type != "documents" {
			bad("repeated-field", x.Name, x.Name+" may be given once", x.Label.Zh+"只能填写一次")
		}
		for _, v := range values {
			if en, zh := x.wrong(v, p); en != "" {
				bad("bad-field", x.Name, x.Name+" "+en, x.Label.Zh+zh)
			}
		}
	}
	for _, name := range p.Names() {
		if !known[name] {
			bad("unknown-field", name, fmt.Sprintf("unknown parameter %q", name), fmt.Sprintf("没有名为“%s”的栏目", name))
		}
	}
	if issues != nil {
		return &fhir.Error{Status: 422, Issues: issues}
	}
	return nil
}

func (x Field) wrong(v string, p Params) (en, zh string) {
	switch x.Type {
	case "choice":
		if len(x.Options) > 0 && !slices.ContainsFunc(x.Options, func(o Option) bool { return o.Code == v }) {
			return fmt.Sprintf("has no option %q", v), "没有这个选项"
		}
	case "boolean":
		if v != "true" && v != "false" {
			return "is true or false", "应为是或否"
		}
	case "phone":
		if !phone.MatchString(v) {
			return "is no telephone number", "不是有效的电话号码"
		}
	case "date", "datetime":
		if p.Time(x.Name).IsZero() {
			return "is no date", "不是有效的日期"
		}
	case "department": // one of an institution's, or a word where nobody knows its register
		if strings.HasPrefix(v, "Organization/") && !reference.MatchString(v) || utf8.RuneCountInString(v) > 200 {
			return "needs a department", "选择无效"
		}
	case "organization", "practitioner", "patient", "task", "bed", "documents":
		typ, _, _ := strings.Cut(v, "/")
		if !reference.MatchString(v) || (refTypes[x.Type] != nil && !slices.Contains(refTypes[x.Type], typ)) {
			return fmt.Sprintf("needs a reference to %s", x.Type), "选择无效"
		}
	default:
		if utf8.RuneCountInString(v) > longest {
			return "is too long", "过长"
		}
	}
	return "", ""
}
