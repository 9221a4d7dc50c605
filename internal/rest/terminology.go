package rest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/term"
)

// Terminology is what the terminology operations ask; *term.Service is one.
type Terminology interface {
	Expand(ctx context.Context, ask term.Expand) (*fhir.Node, error)
	Lookup(ctx context.Context, code term.Code, language string) (term.Found, error)
	Subsumes(ctx context.Context, w term.Where, a, b term.Code) (string, error)
	ValidateCode(ctx context.Context, w term.Where, codes []term.Code, abstract bool, language string) (term.Verdict, error)
	ValidateIn(ctx context.Context, w term.Where, codes []term.Code, abstract, infer bool, language string) (term.Verdict, error)
	Translate(ctx context.Context, ask term.Translate) (term.Translated, error)
}

var expandParams = []string{"url", "valueSet", "valueSetVersion", "filter", "offset", "count", "includeDesignations", "includeDefinition", "activeOnly", "excludeNested",
	"excludeNotForUI", "excludePostCoordinated", "displayLanguage", "exclude-system", "system-version"}

// terminologyCapabilities is /metadata?mode=terminology. Which systems are loaded is found by GET CodeSystem.
func (s *server) terminologyCapabilities(c *call) *fhir.Node {
	params := fhir.Arr{}
	for _, p := range expandParams {
		params = append(params, fhir.Obj{"name", p})
	}
	return fhir.New("TerminologyCapabilities", "id", "xinglin", "url", spec.Canonical+"/TerminologyCapabilities/xinglin", "version", s.Version, "name", "XinglinTerminology",
		"title", "杏林术语服务 Xinglin terminology", "status", "active", "date", s.Clock.Now().In(s.Zone).Format("2006-01-02"), "kind", "instance",
		"software", fhir.Obj{"name", "Xinglin 杏林", "version", s.Version}, "implementation", fhir.Obj{"description", "Xinglin hub", "url", c.base},
		"expansion", fhir.Obj{"hierarchical", true, "paging", true, "incomplete", false, "parameter", params,
			"textFilter", "Words that must all be found: in the display or a designation, at the beginning or inside of the code, or as pinyin (initials, syllables, a mixture). Best first: whole, beginning, beginning of a word, inside."},
		"codeSearch", "all", "validateCode", fhir.Obj{"translations", true}, "translation", fhir.Obj{"needsMap", false})
}

// terminologyOperations hang $expand and its like under CodeSystem, ValueSet and ConceptMap.
func terminologyOperations(t Terminology) []Operation {
	h := terminology{t}
	var all []Operation
	for _, o := range []struct {
		typ, name, doc string
		instance       bool
		params         []string
		handle         func(context.Context, *asked) (*fhir.Node, error)
	}{
		{"CodeSystem", "lookup", "what a code means", false,
			[]string{"code", "system", "version", "coding", "displayLanguage", "property"}, h.lookup},
		{"CodeSystem", "validate-code", "is the code in the code system, under this name", true,
			[]string{"url", "codeSystem", "code", "version", "display", "coding", "codeableConcept", "abstract", "displayLanguage"}, h.validateCode},
		{"CodeSystem", "subsumes", "how two codes of a hierarchy stand to each other", true,
			[]string{"codeA", "codeB", "system", "version", "codingA", "codingB"}, h.subsumes},
		{"ValueSet", "expand", "the codes of a value set, filtered by Chinese, code or pinyin, paged", true, expandParams, h.expand},
		{"ValueSet", "validate-code", "is the code in the value set, under this name", true,
			[]string{"url", "valueSet", "valueSetVersion", "code", "system", "systemVersion", "display", "coding", "codeableConcept", "abstract", "displayLanguage", "inferSystem"}, h.validateIn},
		{"ConceptMap", "translate", "what a code is in another code system", true,
			[]string{"url", "conceptMap", "conceptMapVersion", "code", "system", "version", "source", "coding", "codeableConcept", "target", "targetsystem", "dependency", "reverse"}, h.translate},
	} {
		handle := func(ctx context.Context, c Call) (Answer, error) {
			if caller := access.From(ctx); caller == nil {
				return Answer{}, fhir.Refuse(http.StatusUnauthorized, "login", "login-required", "log in or send a bearer token", "请先登录")
			} else if err := caller.May(mayRead, o.typ); err != nil {
				return Answer{}, err
			}
			a, err := ask(&c, o.params)
			if err != nil {
				return Answer{}, err
			}
			body, err := o.handle(ctx, a)
			if err != nil {
				return Answer{}, err
			}
			entry := audit.Of(ctx, "E", o.name, strings.TrimSuffix(o.typ+"/"+c.ID, "/"))
			entry.Request = c.Request
			if url := a.text("url"); url != "" && c.ID == "" {
				entry.Target += "?url=" + url
			}
			return Answer{Body: body, Audit: &entry}, nil
		}
		all = append(all, Operation{Type: o.typ, Name: o.name, Safe: true, Doc: o.doc, Handle: handle})
		if o.instance {
			all = append(all, Operation{Type: o.typ, Name: o.name, Instance: true, Safe: true, Doc: o.doc, Handle: handle})
		}
	}
	return all
}

type terminology struct{ Terminology }

// asked is what a terminology operation was called with, by GET or POST.
type asked struct {
	*Call
	parts map[string][]*fhir.Node // parameters by name; the value, or the whole parameter where it has parts
}

func ask(c *Call, known []string) (*asked, error) {
	a := &asked{Call: c, parts: map[string][]*fhir.Node{}}
	if c.Body != nil && c.Body.Type() != "Parameters" {
		own := map[string]string{"ValueSet": "valueSet", "CodeSystem": "codeSystem", "ConceptMap": "conceptMap"}[c.Body.Type()]
		if own == "" || c.Body.Type() != c.Type || !slices.Contains(known, own) {
			return nil, fhir.Refuse(http.StatusBadRequest, "invalid", "parameters-wanted", "send Parameters", "请提交 Parameters")
		}
		a.parts[own] = []*fhir.Node{c.Body}
	} else {
		for _, p := range c.Body.All("parameter") {
			value := p
			for i := range p.Members {
				if m := &p.Members[i]; m.Name == "resource" || strings.HasPrefix(m.Name, "value") {
					value = m.Value
				}
			}
			a.parts[p.Str("name")] = append(a.parts[p.Str("name")], value)
		}
	}
	for _, p := range c.Query {
		if !strings.HasPrefix(p.Name, "_") {
			a.parts[p.Name] = append(a.parts[p.Name], fhir.Of(p.Value))
		}
	}
	for name := range a.parts {
		if !slices.Contains(known, name) {
			return nil, fhir.Refuse(http.StatusBadRequest, "not-supported", "unknown-parameter", fmt.Sprintf("$%s has no parameter %q here; it has %s", c.Name, name, strings.Join(known, ", ")), "不支持的参数："+name)
		}
	}
	return a, nil
}

func (a *asked) node(name string) *fhir.Node {
	if list := a.parts[name]; len(list) > 0 {
		return list[0]
	}
	return nil
}

func (a *asked) text(name string) string {
	if n := a.node(name); n != nil {
		return n.Text
	}
	return ""
}

func (a *asked) flag(name string, usual bool) (bool, error) {
	switch a.text(name) {
	case "":
		return usual, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", name+" is true or false", name+" 只能是 true 或 false")
}

func (a *asked) number(name string, usual int) (int, error) {
	text := a.text(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return 0, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", name+" is a number from 0", name+" 须为非负整数")
	}
	return n, nil
}

// where reads which resource is meant: the instance, the one sent along, or a canonical.
func (a *asked) where(sent, version string) term.Where {
	return term.Where{ID: a.ID, URL: a.text("url"), Version: a.text(version), Sent: a.node(sent)}
}

// codes reads code with system, coding and codeableConcept.
func (a *asked) codes(system, version string) []term.Code {
	var list []term.Code
	if code := a.text("code"); code != "" {
		list = append(list, term.Code{System: system, Version: version, Code: code, Display: a.text("display")})
	}
	if c := a.node("coding"); c != nil && c.Str("code") != "" {
		list = append(list, term.CodeOf(c))
	}
	for i, c := range a.node("codeableConcept").All("coding") {
		if i < 100 && c.Str("code") != "" {
			list = append(list, term.CodeOf(c))
		}
	}
	return list
}

func (h terminology) lookup(ctx context.Context, a *asked) (*fhir.Node, error) {
	code := term.Code{System: a.text("system"), Version: a.text("version"), Code: a.text("code")}
	if c := a.node("coding"); c != nil {
		code = term.CodeOf(c)
	}
	language := a.text("displayLanguage")
	f, err := h.Lookup(ctx, code, language)
	if err != nil {
		return nil, err
	}
	var wanted []string
	for _, p := range a.parts["property"] {
		wanted = append(wanted, p.Text)
	}
	shows := func(name string) bool {
		return len(wanted) == 0 || slices.Contains(wanted, name) || slices.Contains(wanted, "*")
	}
	out := fhir.Arr{fhir.Obj{"name", "name", "valueString", f.Name}}
	if f.Version != "" {
		out = append(out, fhir.Obj{"name", "version", "valueString", f.Version})
	}
	display := f.Display
	if display == "" {
		display = f.Concept.Code // required by the operation
	}
	out = append(out, fhir.Obj{"name", "display", "valueString", display})
	property := func(name, kind string, value any) {
		out = append(out, fhir.Obj{"name", "property", "part", fhir.Arr{fhir.Obj{"name", "code", "valueCode", name}, fhir.Obj{"name", "value", kind, value}}})
	}
	if x := f.Concept.Extra; x != nil {
		if shows("designation") {
			for _, d := range x.Designations {
				parts := fhir.Arr{}
				if d.Language != "" {
					parts = append(parts, fhir.Obj{"name", "language", "valueCode", d.Language})
				}
				if d.Use != nil {
					parts = append(parts, fhir.Obj{"name", "use", "valueCoding", d.Use})
				}
				out = append(out, fhir.Obj{"name", "designation", "part", append(parts, fhir.Obj{"name", "value", "valueString", d.Value})})
			}
		}
		if x.Definition != "" && shows("definition") {
			property("definition", "valueString", x.Definition)
		}
		for _, p := range x.Properties {
			if shows(p.Code) {
				property(p.Code, p.Kind, p.Value)
			}
		}
	}
	if shows("parent") {
		for _, p := range f.Concept.Parents {
			property("parent", "valueCode", p)
		}
	}
	if shows("child") {
		for _, c := range f.Children {
			property("child", "valueCode", c)
		}
	}
	return fhir.New("Parameters", "parameter", out), nil
}

func verdict(v term.Verdict, lang string) *fhir.Node {
	out := fhir.Arr{fhir.Obj{"name", "result", "valueBoolean", v.Valid}}
	message := v.Message
	if lang == "zh" {
		message = v.Zh
	}
	if message != "" {
		out = append(out, fhir.Obj{"name", "message", "valueString", message})
	}
	if v.Display != "" {
		out = append(out, fhir.Obj{"name", "display", "valueString", v.Display})
	}
	return fhir.New("Parameters", "parameter", out)
}

func (h terminology) validateCode(ctx context.Context, a *asked) (*fhir.Node, error) {
	abstract, err := a.flag("abstract", false)
	if err != nil {
		return nil, err
	}
	w := a.where("codeSystem", "version")
	v, err := h.ValidateCode(ctx, w, a.codes(w.URL, a.text("version")), abstract, a.text("displayLanguage"))
	if err != nil {
		return nil, err
	}
	return verdict(v, a.Lang), nil
}

func (h terminology) validateIn(ctx context.Context, a *asked) (*fhir.Node, error) {
	abstract, err := a.flag("abstract", false)
	if err != nil {
		return nil, err
	}
	infer, err := a.flag("inferSystem", false)
	if err != nil {
		return nil, err
	}
	v, err := h.ValidateIn(ctx, a.where("valueSet", "valueSetVersion"), a.codes(a.text("system"), a.text("systemVersion")), abstract, infer, a.text("displayLanguage"))
	if err != nil {
		return nil, err
	}
	return verdict(v, a.Lang), nil
}

func (h terminology) subsumes(ctx context.Context, a *asked) (*fhir.Node, error) {
	system, version := a.text("system"), a.text("version")
	one := func(code, coding string) (term.Code, error) {
		if c := a.node(coding); c != nil {
			return term.CodeOf(c), nil
		}
		if a.text(code) == "" {
			return term.Code{}, fhir.Refuse(http.StatusBadRequest, "required", "code-required", "give "+code+" or "+coding, "请指定代码")
		}
		return term.Code{System: system, Version: version, Code: a.text(code)}, nil
	}
	x, err := one("codeA", "codingA")
	if err != nil {
		return nil, err
	}
	y, err := one("codeB", "codingB")
	if err != nil {
		return nil, err
	}
	outcome, err := h.Subsumes(ctx, term.Where{ID: a.ID, URL: system, Version: version}, x, y)
	if err != nil {
		return nil, err
	}
	return fhir.New("Parameters", "parameter", fhir.Arr{fhir.Obj{"name", "outcome", "valueCode", outcome}}), nil
}

func (h terminology) expand(ctx context.Context, a *asked) (*fhir.Node, error) {
	e := term.Expand{Where: a.where("valueSet", "valueSetVersion"), Filter: a.text("filter"), Language: a.text("displayLanguage")}
	var err error
	if e.Offset, err = a.number("offset", 0); err != nil {
		return nil, err
	}
	if e.Count, err = a.number("count", -1); err != nil {
		return nil, err
	}
	if e.Count < 0 && a.text("offset") != "" || e.Count > term.MaxCount {
		e.Count = term.MaxCount
	}
	for _, f := range []struct {
		name  string
		usual bool
		to    *bool
	}{{"includeDesignations", false, &e.Designations}, {"includeDefinition", false, &e.Definition}, {"activeOnly", false, &e.ActiveOnly}, {"excludeNested", true, &e.Nested}} {
		if *f.to, err = a.flag(f.name, f.usual); err != nil {
			return nil, err
		}
	}
	e.Nested = !e.Nested
	for _, x := range a.parts["exclude-system"] {
		e.ExcludeSystems = append(e.ExcludeSystems, x.Text)
	}
	for _, x := range a.parts["system-version"] {
		url, version, ok := strings.Cut(x.Text, "|")
		if !ok {
			return nil, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", "system-version is url|version", "system-version 应写作 url|version")
		}
		if e.SystemVersions == nil {
			e.SystemVersions = map[string]string{}
		}
		e.SystemVersions[url] = version
	}
	return h.Expand(ctx, e)
}

func (h terminology) translate(ctx context.Context, a *asked) (*fhir.Node, error) {
	t := term.Translate{Where: a.where("conceptMap", "conceptMapVersion"), Codes: a.codes(a.text("system"), a.text("version")),
		TargetSystem: a.text("targetsystem"), Source: a.text("source"), Target: a.text("target")}
	var err error
	if t.Reverse, err = a.flag("reverse", false); err != nil {
		return nil, err
	}
	for _, d := range a.parts["dependency"] {
		if t.Dependencies == nil {
			t.Dependencies = map[string]string{}
		}
		element, value := "", ""
		for _, p := range d.All("part") {
			switch p.Str("name") {
			case "element":
				element = p.Str("valueUri")
			case "concept":
				value = p.Str("valueCodeableConcept.coding[0].code")
			}
		}
		t.Dependencies[element] = value
	}
	found, err := h.Translate(ctx, t)
	if err != nil {
		return nil, err
	}
	out := fhir.Arr{fhir.Obj{"name", "result", "valueBoolean", found.Valid}}
	message := found.Message
	if a.Lang == "zh" {
		message = found.Zh
	}
	if message != "" {
		out = append(out, fhir.Obj{"name", "message", "valueString", message})
	}
	for _, m := range found.Matches {
		parts := fhir.Arr{fhir.Obj{"name", "equivalence", "valueCode", m.Equivalence}}
		if c := m.Concept; c.Code != "" {
			parts = append(parts, fhir.Obj{"name", "concept", "valueCoding", fhir.Obj{"system", c.System, "version", c.Version, "code", c.Code, "display", c.Display}})
		}
		for _, p := range m.Product {
			parts = append(parts, fhir.Obj{"name", "product", "part", fhir.Arr{fhir.Obj{"name", "element", "valueUri", p.Str("property")},
				fhir.Obj{"name", "concept", "valueCoding", fhir.Obj{"system", p.Str("system"), "code", p.Str("value"), "display", p.Str("display")}}}})
		}
		if m.Comment != "" {
			parts = append(parts, fhir.Obj{"name", "comment", "valueString", m.Comment})
		}
		if m.Map != "" {
			parts = append(parts, fhir.Obj{"name", "source", "valueUri", m.Map})
		}
		out = append(out, fhir.Obj{"name", "match", "part", parts})
	}
	return fhir.New("Parameters", "parameter", out), nil
}
