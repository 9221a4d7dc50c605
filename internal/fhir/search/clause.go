package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// top reads a parameter of the search itself.
func (p *parser) top(name, value string) (Clause, error) {
	code, modifier, _ := strings.Cut(name, ":")
	switch code {
	case "_filter":
		if modifier != "" {
			return Clause{}, refuse("bad-modifier", "_filter takes no modifier", "_filter 不能带修饰符")
		}
		f, err := p.filter(p.r.Type, value)
		return Clause{Filter: f}, err
	case "_list":
		return p.list(modifier, value)
	case "_query": // left out, it would show far more than was asked for
		return Clause{}, fhir.Refuse(400, "not-supported", "unknown-parameter", "named queries (_query) are not known here", "不支持命名查询 _query")
	case "_text", "_content":
		if modifier != "" {
			return Clause{}, refuse("bad-modifier", code+" takes no modifier", code+" 不能带修饰符")
		}
		return Clause{Special: code, Values: []Value{{Raw: value, Text: unescape(value)}}}, nil
	}
	if p.r.Type == "" && code != "_id" && code != "_lastUpdated" {
		return p.across(name, value)
	}
	return p.clause(p.r.Type, name, value, 0)
}

// list is _list=id: what a List names.
func (p *parser) list(modifier, value string) (Clause, error) {
	c := Clause{Special: "_list"}
	if modifier != "" {
		return c, refuse("bad-modifier", "_list takes no modifier", "_list 不能带修饰符")
	}
	for raw := range strings.SplitSeq(value, ",") {
		id := strings.TrimPrefix(raw, "List/")
		if strings.HasPrefix(id, "$") {
			return c, fhir.Refuse(400, "not-supported", "functional-list", fmt.Sprintf("_list=%s: functional lists are not kept here; name a List by its id", printable(id)), "不支持 _list="+printable(id)+"，请给出 List 的 id")
		}
		if !fhir.IsID(id) {
			return c, badValue("_list", "the id of a List", "应为 List 的 id")
		}
		c.Values = append(c.Values, Value{Raw: raw, Text: id})
	}
	if len(c.Values) > maxParams {
		return c, refuse("too-many-values", fmt.Sprintf("more than %d lists", maxParams), "一个条件里的值过多")
	}
	return c, nil
}

// across reads a parameter of a search over several types: all types named must have it; without _type it must
// be one that every resource has.
func (p *parser) across(name, value string) (Clause, error) {
	types := p.r.Types
	if len(types) == 0 {
		code, _, _ := strings.Cut(name, ":")
		if !strings.HasPrefix(code, "_") || strings.HasPrefix(name, "_has") || spec.Lookup("Basic", code) == nil {
			return Clause{}, unknownParam(fmt.Sprintf("a search across all types knows the parameters that all have, such as _tag; %q needs _type", printable(name)))
		}
		types = spec.Types()
	}
	c := Clause{Across: make(map[string]*Clause, len(types))}
	for _, t := range types {
		one, err := p.clause(t, name, value, 0)
		if err != nil {
			return c, err
		}
		c.Across[t] = &one
	}
	return c, nil
}

// clause reads one parameter at typ, which may be a chain or _has.
func (p *parser) clause(typ, name, value string, hop int) (Clause, error) {
	if p.clauses++; p.clauses > maxChain {
		return Clause{}, refuse("bad-chain", "this chain branches too far; name the types as in subject:Patient.name", "点号链分支过多，须写明类型，如 subject:Patient.name")
	}
	if rest, ok := strings.CutPrefix(name, "_has:"); ok {
		return p.has(typ, rest, value, hop)
	}
	head, rest, chained := strings.Cut(name, ".")
	code, modifier, _ := strings.Cut(head, ":")
	if code == "_id" || code == "_lastUpdated" {
		return p.special(typ, code, modifier, value, chained)
	}
	param := p.lookup(typ, code)
	if param != nil && modifier == "phonetic" && code == "name" { // name:phonetic=zs is phonetic=zs
		if sound := spec.Lookup(typ, "phonetic"); sound != nil {
			param, modifier = sound, ""
		}
	}
	if param == nil || param.Type == spec.Special {
		return Clause{}, unknownParam(fmt.Sprintf("%s has no search parameter %q here", typ, printable(code)))
	}
	c := Clause{Param: param}
	if chained {
		return p.chain(c, typ, modifier, rest, value, hop)
	}
	if modifier == personAlias {
		modifier = Person
	}
	if err := checkModifier(param, modifier); err != nil {
		return c, err
	}
	c.Modifier = modifier
	if modifier == "missing" {
		switch value {
		case "true", "false":
			c.Missing = value == "true"
		default:
			return c, refuse("bad-missing", fmt.Sprintf("%s:missing is true or false", code), ":missing 只能是 true 或 false")
		}
		return c, nil
	}
	return c, p.values(&c, value)
}

// values reads what follows the equals sign.
func (p *parser) values(c *Clause, value string) error {
	code := c.Param.Code
	raws := splitUnescaped(value, ',')
	if len(raws) > maxValues {
		return tooManyValues()
	}
	for _, raw := range raws {
		if raw == "" {
			continue
		}
		vs, err := p.value(c.Param, c.Modifier, raw)
		if err != nil {
			return err
		}
		if c.Values = append(c.Values, vs...); len(c.Values) > 4*maxValues { // some values stand for several
			return tooManyValues()
		}
	}
	if len(c.Values) == 0 {
		return refuse("bad-value", fmt.Sprintf("%s has no value", code), "条件没有值："+code)
	}
	if c.Modifier == "above" && (c.Param.Type == spec.URI || c.Values[0].URL != "") {
		c.Modifier = "" // the values name all that is above already
	}
	if !p.Resolves && unresolved(c) {
		return notHere(code, c.Modifier)
	}
	return nil
}

func notHere(code, modifier string) error {
	return fhir.Refuse(400, "not-supported", "bad-modifier", fmt.Sprintf("%s:%s is not answered here; a search by GET or POST answers it", code, modifier), "此处不支持 :"+modifier+"，请用检索接口")
}

func tooManyValues() error {
	return refuse("too-many-values", fmt.Sprintf("more than %d values in one parameter", maxValues), "一个条件里的值过多")
}

func (p *parser) special(typ, code, modifier, value string, chained bool) (Clause, error) {
	c := Clause{Special: code}
	if code == "_id" && typ == "Patient" && (modifier == Person || modifier == personAlias) && !chained {
		if !p.Resolves {
			return c, notHere(code, modifier)
		}
		c.Modifier, modifier = Person, ""
	}
	if modifier != "" || chained {
		return c, refuse("bad-modifier", code+" takes no modifier", code+" 不能带修饰符")
	}
	values := splitUnescaped(value, ',')
	if len(values) > maxValues {
		return c, tooManyValues()
	}
	for _, raw := range values {
		if raw == "" {
			continue
		}
		v := Value{Raw: raw, Text: unescape(raw)}
		if code == "_lastUpdated" {
			var err error
			if v, err = p.date(code, raw); err != nil {
				return c, err
			}
		}
		c.Values = append(c.Values, v)
	}
	if len(c.Values) == 0 {
		return c, refuse("bad-value", code+" has no value", "条件没有值："+code)
	}
	return c, nil
}

func (p *parser) chain(c Clause, typ, modifier, rest, value string, hop int) (Clause, error) {
	if c.Param.Type != spec.Reference {
		return c, refuse("bad-chain", fmt.Sprintf("%s.%s is not a reference and cannot be chained", typ, c.Param.Code), "只有引用类条件可以用点号继续："+c.Param.Code)
	}
	if hop >= maxHops {
		return c, tooManyHops()
	}
	targets := targetsOf(c.Param)
	if modifier != "" {
		if !spec.IsResource(modifier) { // of any type: data holds more than R4 foresees
			return c, badModifier(c.Param, modifier)
		}
		targets = []string{modifier}
	}
	ch := &Chain{Where: map[string]Clause{}}
	var firstErr error
	for _, t := range targets {
		sub, err := p.clause(t, rest, value, hop+1)
		if err != nil {
			if _, unknown := err.(unknownParam); !unknown {
				return c, err
			}
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		ch.Types = append(ch.Types, t)
		ch.Where[t] = sub
	}
	if len(ch.Types) == 0 {
		if firstErr == nil {
			firstErr = unknownParam(fmt.Sprintf("%s.%s leads to no type that can be searched", typ, c.Param.Code))
		}
		return c, firstErr
	}
	c.Chain = ch
	return c, nil
}

func tooManyHops() error {
	return refuse("bad-chain", fmt.Sprintf("a chain has at most %d steps", maxHops), "点号层数过多")
}

// targetsOf are the types that a reference parameter may lead to.
func targetsOf(p *spec.Param) []string {
	if len(p.Targets) == 0 || slices.Contains(p.Targets, "Resource") {
		return spec.Types()
	}
	return p.Targets
}

// has reads Observation:patient:code after _has: ; the rest may be a chain or another _has.
func (p *parser) has(typ, name, value string, hop int) (Clause, error) {
	parts := strings.SplitN(name, ":", 3)
	if len(parts) < 3 || parts[2] == "" {
		return Clause{}, refuse("bad-has", "_has is written _has:Type:reference:parameter", "_has 的写法是 _has:Type:引用条件:条件")
	}
	if !spec.IsResource(parts[0]) {
		return Clause{}, refuse("unknown-type", fmt.Sprintf("_has: %q is not a resource type of FHIR R4", printable(parts[0])), "没有这种资源类型")
	}
	if hop >= maxHops {
		return Clause{}, tooManyHops()
	}
	by := p.lookup(parts[0], parts[1])
	if by == nil || by.Type != spec.Reference {
		return Clause{}, refuse("bad-has", fmt.Sprintf("_has: %s has no reference parameter %q", parts[0], printable(parts[1])), "没有这个引用类检索条件："+printable(parts[1]))
	}
	if !slices.Contains(targetsOf(by), typ) {
		return Clause{}, refuse("bad-has", fmt.Sprintf("_has: %s.%s does not refer to %s", parts[0], by.Code, typ), "该引用条件不指向 "+typ)
	}
	where, err := p.clause(parts[0], parts[2], value, hop+1)
	if err != nil {
		return Clause{}, err
	}
	return Clause{Has: &Has{Type: parts[0], Param: by, Where: where}}, nil
}

func badModifier(param *spec.Param, modifier string) error {
	return fhir.Refuse(400, "not-supported", "bad-modifier", fmt.Sprintf("modifier :%s is not supported on %s", printable(modifier), param.Code),
		"不支持的修饰符 :"+printable(modifier))
}

// checkModifier holds R4's table of modifiers by type of parameter.
func checkModifier(param *spec.Param, modifier string) error {
	ok := false
	switch modifier {
	case "", "missing":
		ok = true
	case "not":
		ok = param.Type == spec.Token
	case "text", "in", "not-in":
		ok = param.Type == spec.Token && !param.Sealed
	case "above", "below":
		ok = (param.Type == spec.Token || param.Type == spec.URI || param.Type == spec.Reference) && !param.Sealed
	case "of-type":
		ok = param.Type == spec.Token && strings.HasSuffix(param.Code, "identifier")
	case "exact", "contains":
		ok = param.Type == spec.String && (!param.Sealed || modifier == "exact" || index.ByWords(param))
	case "identifier":
		ok = param.Type == spec.Reference
	case Person:
		ok = param.Type == spec.Reference && slices.Contains(targetsOf(param), "Patient")
	default:
		ok = param.Type == spec.Reference && spec.IsResource(modifier)
	}
	if !ok {
		return badModifier(param, modifier)
	}
	return nil
}
