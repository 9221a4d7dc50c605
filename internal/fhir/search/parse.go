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
	Compartment  *Compartment   // of the address Patient/1/Observation
	Contained    bool           // the store can search contained resources
	Resolves     bool           // the caller will Resolve: without it, :in, :not-in, :above and :below that need it are refused
	// Given finds a search parameter beyond R4's, nil for none; an error is one that cannot be searched by now. nil = R4's only.
	Given func(typ, code string) (*spec.Param, error)
}

// Request is a search with how its answer is to be shown.
type Request struct {
	Query
	Summary  string   // "", true, text, data, count
	Elements []string // of _elements: "status", or "Observation.status" for one type only
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
	maxFilter = 200  // tests of one _filter
	maxDepth  = 20   // parentheses of one _filter
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
	if o.Compartment != nil {
		if err := p.compartment(*o.Compartment); err != nil {
			return r, err
		}
	}
	if resourceType == "" { // what the others mean depends on the types asked for
		for _, q := range params {
			if q.Name == "_type" && q.Value != "" {
				if err := p.one(q); err != nil {
					return r, p.why(err)
				}
			}
		}
	}
	for _, q := range params {
		if q.Name == "_type" && resourceType == "" {
			continue
		}
		if err := p.one(q); err != nil {
			return r, p.why(err)
		}
	}
	if p.withheld != nil {
		return r, p.withheld
	}
	if r.Contained != "" {
		if err := p.within(); err != nil {
			return r, err
		}
	}
	if r.Summary == "count" || r.Count == 0 {
		r.Count, r.Total = 0, TotalAccurate
	}
	if r.Summary == "text" && len(r.Include)+len(r.RevInclude) > 0 {
		if err := p.dropIncludes(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// dropIncludes leaves them out where _summary=text shows narratives only (FHIR 3.1.1.5.8).
func (p *parser) dropIncludes() error {
	p.r.Include, p.r.RevInclude = nil, nil
	for _, q := range p.r.Applied {
		if strings.HasPrefix(q.Name, "_include") || strings.HasPrefix(q.Name, "_revinclude") {
			if err := p.unknown(q, q.Name+" does not go with _summary=text"); err != nil {
				return err
			}
		}
	}
	p.r.Applied = slices.DeleteFunc(p.r.Applied, func(q Param) bool {
		return strings.HasPrefix(q.Name, "_include") || strings.HasPrefix(q.Name, "_revinclude")
	})
	return nil
}

// within refuses what says nothing about resources that stand within others.
func (p *parser) within() error {
	r := p.r
	r.Container = !p.inside
	switch {
	case r.Type == "":
		return NotWithin("a search across types")
	case p.Compartment != nil:
		return NotWithin("a compartment")
	case len(r.Sort) > 0:
		return NotWithin("_sort")
	case len(r.Include) > 0:
		return NotWithin("_include")
	case len(r.RevInclude) > 0:
		return NotWithin("_revinclude")
	}
	return nil
}

// NotWithin refuses a part of a search that contained resources cannot be searched by.
func NotWithin(what string) *fhir.Error {
	return fhir.Refuse(400, "not-supported", "not-within-contained", printable(what)+" does not go with _contained=true or both", "检索内含资源（_contained=true 或 both）时不支持："+printable(what))
}

type parser struct {
	Options
	r       *Request
	clauses int  // read so far, those inside of chains too
	inside  bool // _containedType=contained

	withheld error // a parameter was named that cannot be searched by now
}

// why tells of a parameter that cannot be searched by now rather than of what follows from it.
func (p *parser) why(err error) error {
	if p.withheld != nil {
		return p.withheld
	}
	return err
}

// lookup finds a parameter of R4, or one that this hub was given.
func (p *parser) lookup(typ, code string) *spec.Param {
	if p.Given == nil {
		return spec.Lookup(typ, code)
	}
	param, err := p.Given(typ, code)
	if err != nil {
		p.withheld = err
		return spec.Lookup(typ, code)
	}
	return param
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
		q.Value = strconv.Itoa(p.r.Count)
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
			if e = strings.TrimSpace(e); e != "" {
				p.r.Elements = append(p.r.Elements, e)
			}
		}
		if len(p.r.Elements) > maxParams {
			return refuse("too-many-parameters", fmt.Sprintf("more than %d elements", maxParams), "_elements 列得过多")
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
		if err := p.types(q.Value); err != nil {
			return err
		}
	case "_contained":
		if !slices.Contains([]string{"false", "true", "both"}, q.Value) {
			return refuse("bad-contained", "_contained is true, false or both", "_contained 只能是 true、false 或 both")
		}
		if q.Value != "false" && !p.Contained {
			return p.unknown(q, "_contained is supported as false only")
		}
		p.r.Contained = strings.TrimPrefix(q.Value, "false")
	case "_containedType":
		if q.Value != "container" && q.Value != "contained" {
			return refuse("bad-contained", "_containedType is container or contained", "_containedType 只能是 container 或 contained")
		}
		if !p.Contained {
			return p.unknown(q, "_contained is supported as false only")
		}
		p.inside = q.Value == "contained"
	default:
		c, err := p.top(q.Name, q.Value)
		if u, ok := err.(unknownParam); ok {
			return p.unknown(q, string(u))
		}
		if err != nil {
			return err
		}
		p.r.Where = append(p.r.Where, c)
		p.apply(q)
		return nil
	}
	if modifier != "" {
		return refuse("bad-modifier", name+" takes no modifier", name+" 不能带修饰符")
	}
	if name != "_sort" && name != "_elements" && name != "_type" { // of the others the last one counts
		p.r.Applied = slices.DeleteFunc(p.r.Applied, func(a Param) bool { return a.Name == name })
	}
	p.apply(q)
	return nil
}

func (p *parser) types(value string) error {
	var types []string
	for t := range strings.SplitSeq(value, ",") {
		if !spec.IsResource(t) {
			return refuse("unknown-type", fmt.Sprintf("_type: %q is not a resource type of FHIR R4", printable(t)), "没有这种资源类型")
		}
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	if p.r.Types != nil { // those of a compartment, or of another _type: both must hold
		types = slices.DeleteFunc(types, func(t string) bool { return !slices.Contains(p.r.Types, t) })
		if len(types) == 0 {
			return refuse("unknown-type", "_type: no such type is asked for here", "此处没有这些资源类型")
		}
	}
	p.r.Types = types
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
				k.Param = p.lookup(p.r.Type, code)
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
	if modifier != "" && modifier != "iterate" && modifier != "recurse" {
		return refuse("bad-modifier", fmt.Sprintf("%s knows :iterate, not :%s", name, printable(modifier)), name+" 只支持 :iterate")
	}
	parts := strings.Split(q.Value, ":")
	inc := Include{Source: parts[0], Iterate: modifier != ""}
	if q.Value == "*" && name == "_include" && p.r.Type == "" && len(p.r.Types) > 0 {
		for _, t := range p.r.Types[1:] {
			p.r.Include = append(p.r.Include, Include{Source: t, Iterate: inc.Iterate})
		}
		inc.Source = p.r.Types[0]
	} else if q.Value == "*" {
		inc.Source = p.r.Type
		if name == "_revinclude" || inc.Source == "" {
			return p.unknown(q, name+"=* needs a type: Type:*")
		}
	} else if len(parts) < 2 || len(parts) > 3 || !spec.IsResource(parts[0]) {
		return refuse("bad-include", name+" is written Type:parameter or Type:parameter:Target", name+" 的写法是 Type:parameter[:Target]")
	} else {
		if parts[1] != "*" {
			inc.Param = p.lookup(parts[0], parts[1])
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
	if len(p.r.Include)+len(p.r.RevInclude) > maxParams {
		return refuse("too-many-parameters", "too many includes", "包含项过多")
	}
	p.apply(q)
	return nil
}
