package search

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Param is one name and value of a search URL, in the order written.
type Param struct{ Name, Value string }

// Options of Parse.
type Options struct {
	Zone         *time.Location // of zoneless dates; nil = UTC
	Lenient      bool           // unknown parameters are left out with a warning instead of refused
	MaxCount     int            // 0 = 1000
	DefaultCount int            // 0 = 50
	Base         string         // our own base URL: absolute references below it are local
}

// Request is a search with how its answer is to be shown.
type Request struct {
	Query
	Summary  string   // "", true, text, data, count
	Elements []string // of _elements
	Applied  []Param  // what counted, for the self link; without the cursor
	Warnings []fhir.Issue
}

// Bounds of one search; beyond them a URL is refused.
const (
	maxParams = 100
	maxValues = 2000
	maxHops   = 6
	maxSort   = 6
	maxChain  = 2000 // clauses that untyped chains may branch into
)

// ParseQuery splits a raw query string and keeps its order.
func ParseQuery(raw string) ([]Param, error) {
	var out []Param
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		n, err := url.QueryUnescape(name)
		if err != nil {
			return nil, refuse("bad-query", "the query string is not properly escaped", "查询串的转义有误")
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return nil, refuse("bad-query", "the query string is not properly escaped", "查询串的转义有误")
		}
		out = append(out, Param{n, v})
	}
	return out, nil
}

// Encode is the inverse of ParseQuery.
func Encode(params []Param) string {
	var b strings.Builder
	for i, p := range params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.Name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.Value))
	}
	return b.String()
}

func refuse(detail, text, zh string) *fhir.Error {
	return fhir.Refuse(400, "invalid", detail, text, zh)
}

// Parse reads the parameters of a search on resourceType, "" across all types. Scope is left to the caller.
func Parse(resourceType string, params []Param, o Options) (Request, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.MaxCount == 0 {
		o.MaxCount = 1000
	}
	if o.DefaultCount == 0 {
		o.DefaultCount = 50
	}
	r := Request{Query: Query{Type: resourceType, Count: min(o.DefaultCount, o.MaxCount)}}
	if resourceType != "" && !spec.IsResource(resourceType) {
		return r, fhir.Refuse(404, "not-supported", "unknown-type", fmt.Sprintf("%q is not a resource type of FHIR R4", resourceType), "没有这种资源类型")
	}
	if len(params) > maxParams {
		return r, refuse("too-many-parameters", fmt.Sprintf("more than %d search parameters", maxParams), "检索条件过多")
	}
	p := parser{Options: o, r: &r}
	for _, q := range params {
		if err := p.one(q); err != nil {
			return r, err
		}
	}
	if r.Summary == "count" || r.Count == 0 {
		r.Count, r.Total = 0, TotalAccurate
	}
	if r.Summary == "text" {
		r.Include, r.RevInclude = nil, nil
	}
	return r, nil
}

type parser struct {
	Options
	r       *Request
	clauses int // read so far, those inside of chains too
}

func (p *parser) one(q Param) error {
	if q.Value == "" {
		return nil // an empty value says nothing (FHIR 3.1.1.1)
	}
	name, modifier, _ := strings.Cut(q.Name, ":")
	switch name {
	case "_format", "_pretty":
		p.apply(q)
		return nil
	case "_cursor":
		p.r.Cursor = q.Value
		return nil
	case "_count":
		n, err := strconv.Atoi(q.Value)
		if err != nil || n < 0 {
			return refuse("bad-count", "_count is a whole number from 0", "_count 应为不小于 0 的整数")
		}
		p.r.Count = min(n, p.MaxCount)
	case "_total":
		mode, ok := map[string]TotalMode{"none": TotalNone, "estimate": TotalEstimate, "accurate": TotalAccurate}[q.Value]
		if !ok {
			return refuse("bad-total", "_total is none, estimate or accurate", "_total 只能是 none、estimate 或 accurate")
		}
		p.r.Total = mode
	case "_summary":
		if !slices.Contains([]string{"true", "text", "data", "count", "false"}, q.Value) {
			return refuse("bad-summary", "_summary is true, text, data, count or false", "_summary 只能是 true、text、data、count 或 false")
		}
		if q.Value != "false" {
			p.r.Summary = q.Value
		}
	case "_elements":
		for e := range strings.SplitSeq(q.Value, ",") {
			// Type.element is allowed in FHIR for included resources
			if e = strings.TrimPrefix(strings.TrimSpace(e), p.r.Type+"."); e != "" {
				p.r.Elements = append(p.r.Elements, e)
			}
		}
	case "_sort":
		if err := p.sort(q.Value); err != nil {
			return err
		}
	case "_include", "_revinclude":
		return p.include(q, name, modifier)
	case "_type":
		if p.r.Type != "" {
			return p.unknown(q, fmt.Sprintf("_type is for searches across types, not for %s", p.r.Type))
		}
		for t := range strings.SplitSeq(q.Value, ",") {
			if !spec.IsResource(t) {
				return refuse("unknown-type", fmt.Sprintf("_type: %q is not a resource type of FHIR R4", t), "没有这种资源类型")
			}
			p.r.Types = append(p.r.Types, t)
		}
	case "_contained":
		if q.Value != "false" {
			return p.unknown(q, "_contained is supported as false only")
		}
	default:
		c, err := p.clause(p.r.Type, q.Name, q.Value, 0)
		if u, ok := err.(unknownParam); ok {
			return p.unknown(q, string(u))
		}
		if err != nil {
			return err
		}
		p.r.Where = append(p.r.Where, c)
	}
	p.apply(q)
	return nil
}

func (p *parser) apply(q Param) { p.r.Applied = append(p.r.Applied, q) }

// unknownParam is a parameter that strict handling refuses and lenient handling leaves out.
type unknownParam string

func (u unknownParam) Error() string { return string(u) }

func (p *parser) unknown(q Param, text string) error {
	if !p.Lenient {
		return fhir.Refuse(400, "not-supported", "unknown-parameter", text, "不支持的检索条件："+printable(q.Name))
	}
	p.r.Warnings = append(p.r.Warnings, fhir.Issue{Severity: "warning", Code: "not-supported", Detail: "unknown-parameter",
		Text: text + "; it was left out", Zh: "不支持的检索条件，已忽略：" + printable(q.Name)})
	return nil
}

// printable keeps a name that came from outside fit for messages.
func printable(name string) string {
	if len(name) > 80 {
		name = name[:80]
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name), "")
}

func (p *parser) sort(value string) error {
	for key := range strings.SplitSeq(value, ",") {
		code, down := strings.CutPrefix(strings.TrimSpace(key), "-")
		k := SortKey{Descending: down}
		switch code {
		case "_id", "_lastUpdated":
			k.Special = code
		default:
			if p.r.Type != "" {
				k.Param = spec.Lookup(p.r.Type, code)
			}
			if k.Param == nil || k.Param.Type == spec.Composite || k.Param.Type == spec.Special {
				return refuse("unknown-sort", fmt.Sprintf("_sort: no sortable parameter %q on %s", printable(code), p.r.Type), "不能按此排序："+printable(code))
			}
			if k.Param.Sealed {
				return refuse("sealed-sort", fmt.Sprintf("_sort: %q is sealed and cannot be sorted by", code), "该项已加密保存，不能排序")
			}
		}
		p.r.Sort = append(p.r.Sort, k)
	}
	if len(p.r.Sort) > maxSort {
		return refuse("too-many-parameters", fmt.Sprintf("more than %d sort keys", maxSort), "排序项过多")
	}
	return nil
}

func (p *parser) include(q Param, name, modifier string) error {
	if modifier != "" {
		return p.unknown(q, fmt.Sprintf("%s:%s is not supported yet", name, printable(modifier)))
	}
	parts := strings.Split(q.Value, ":")
	inc := Include{Source: parts[0]}
	if q.Value == "*" {
		inc.Source = p.r.Type
		if name == "_revinclude" || inc.Source == "" {
			return p.unknown(q, name+"=* needs a type: Type:*")
		}
	} else if len(parts) < 2 || len(parts) > 3 || !spec.IsResource(parts[0]) {
		return refuse("bad-include", name+" is written Type:parameter or Type:parameter:Target", name+" 的写法是 Type:parameter[:Target]")
	} else {
		if parts[1] != "*" {
			inc.Param = spec.Lookup(parts[0], parts[1])
			if inc.Param == nil || inc.Param.Type != spec.Reference {
				return refuse("bad-include", fmt.Sprintf("%s: %s has no reference parameter %q", name, parts[0], printable(parts[1])), "没有这个引用类检索条件："+printable(parts[1]))
			}
		}
		if len(parts) == 3 {
			if !spec.IsResource(parts[2]) {
				return refuse("unknown-type", fmt.Sprintf("%s: %q is not a resource type of FHIR R4", name, printable(parts[2])), "没有这种资源类型")
			}
			inc.Target = parts[2]
		}
	}
	if name == "_include" {
		p.r.Include = append(p.r.Include, inc)
	} else {
		p.r.RevInclude = append(p.r.RevInclude, inc)
	}
	if len(p.r.Include)+len(p.r.RevInclude) > maxParams/2 {
		return refuse("too-many-parameters", "too many includes", "包含项过多")
	}
	p.apply(q)
	return nil
}

// clause reads one parameter at typ, which may be a chain.
func (p *parser) clause(typ, name, value string, hop int) (Clause, error) {
	head, rest, chained := strings.Cut(name, ".")
	code, modifier, _ := strings.Cut(head, ":")
	if code == "_id" || code == "_lastUpdated" {
		return p.special(code, modifier, value, chained)
	}
	if typ == "" {
		return Clause{}, unknownParam(fmt.Sprintf("a search across types knows _id, _lastUpdated and _type, not %q", printable(name)))
	}
	param := spec.Lookup(typ, code)
	if param == nil || param.Type == spec.Composite || param.Type == spec.Special {
		return Clause{}, unknownParam(fmt.Sprintf("%s has no search parameter %q here", typ, printable(code)))
	}
	c := Clause{Param: param}
	if chained {
		return p.chain(c, typ, modifier, rest, value, hop)
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
	values := splitUnescaped(value, ',')
	if len(values) > maxValues {
		return c, refuse("too-many-values", fmt.Sprintf("more than %d values in one parameter", maxValues), "一个条件里的值过多")
	}
	for _, raw := range values {
		if raw == "" {
			continue
		}
		v, err := p.value(param, modifier, raw)
		if err != nil {
			return c, err
		}
		c.Values = append(c.Values, v)
	}
	if len(c.Values) == 0 {
		return c, refuse("bad-value", fmt.Sprintf("%s has no value", code), "条件没有值："+code)
	}
	return c, nil
}

func (p *parser) special(code, modifier, value string, chained bool) (Clause, error) {
	c := Clause{Special: code}
	if modifier != "" || chained {
		return c, refuse("bad-modifier", code+" takes no modifier", code+" 不能带修饰符")
	}
	values := splitUnescaped(value, ',')
	if len(values) > maxValues {
		return c, refuse("too-many-values", fmt.Sprintf("more than %d values in one parameter", maxValues), "一个条件里的值过多")
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
		return c, refuse("bad-chain", fmt.Sprintf("a chain has at most %d steps", maxHops), "点号层数过多")
	}
	targets := c.Param.Targets
	if modifier != "" {
		if !spec.IsResource(modifier) {
			return c, badModifier(c.Param, modifier)
		}
		targets = []string{modifier}
	} else if len(targets) == 0 || slices.Contains(targets, "Resource") {
		targets = spec.Types()
	}
	ch := &Chain{Where: map[string]Clause{}}
	var firstErr error
	for _, t := range targets {
		if p.clauses++; p.clauses > maxChain {
			return c, refuse("bad-chain", "this chain branches too far; name the types as in subject:Patient.name", "点号链分支过多，须写明类型，如 subject:Patient.name")
		}
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

func badModifier(param *spec.Param, modifier string) error {
	return fhir.Refuse(400, "not-supported", "bad-modifier", fmt.Sprintf("modifier :%s is not supported on %s", printable(modifier), param.Code),
		"不支持的修饰符 :"+printable(modifier))
}

func checkModifier(param *spec.Param, modifier string) error {
	ok := false
	switch modifier {
	case "", "missing":
		ok = true
	case "not":
		ok = param.Type == spec.Token
	case "exact", "contains":
		ok = param.Type == spec.String && (!param.Sealed || modifier == "exact")
	default:
		ok = param.Type == spec.Reference && spec.IsResource(modifier)
	}
	if !ok {
		return badModifier(param, modifier)
	}
	return nil
}
