package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// filter reads _filter (FHIR 3.2): tests joined by and, or, not(…), from left to right without precedence.
func (p *parser) filter(typ, text string) (*Filter, error) {
	if typ == "" {
		return nil, unknownParam("_filter is for searches on one type")
	}
	f := filterParser{parser: p, typ: typ, rest: text}
	tree, err := f.tree(0)
	if err != nil {
		return nil, err
	}
	if f.space(); f.rest != "" {
		return nil, f.bad("something follows the end of the expression", "表达式之后还有多余内容")
	}
	return tree, nil
}

type filterParser struct {
	*parser
	typ, rest string
	tests     int
}

func (f *filterParser) bad(text, zh string) error {
	near := printable(f.rest)
	if near == "" {
		near = "the end"
	}
	return refuse("bad-filter", fmt.Sprintf("_filter: %s, at %q", text, near), "_filter："+zh)
}

func (f *filterParser) space() { f.rest = strings.TrimLeft(f.rest, " \t") }

// word takes a run of anything but spaces, parentheses and brackets.
func (f *filterParser) word() string {
	f.space()
	i := strings.IndexAny(f.rest, " \t()[]")
	if i < 0 {
		i = len(f.rest)
	}
	w := f.rest[:i]
	f.rest = f.rest[i:]
	return w
}

func (f *filterParser) tree(depth int) (*Filter, error) {
	left, err := f.one(depth)
	if err != nil {
		return nil, err
	}
	for {
		f.space()
		before := f.rest
		switch op := strings.ToLower(f.word()); op {
		case "and", "or":
			right, err := f.one(depth)
			if err != nil {
				return nil, err
			}
			if left.Op == op {
				left.Parts = append(left.Parts, *right)
			} else {
				left = &Filter{Op: op, Parts: []Filter{*left, *right}}
			}
		default:
			f.rest = before
			return left, nil
		}
	}
}

// one reads a parenthesis, not(…) or a test.
func (f *filterParser) one(depth int) (*Filter, error) {
	if depth > maxDepth {
		return nil, f.bad("too many parentheses", "括号层数过多")
	}
	f.space()
	before := f.rest
	not := strings.ToLower(f.word()) == "not"
	if not {
		f.space()
	}
	if !strings.HasPrefix(f.rest, "(") {
		if not {
			return nil, f.bad("not is followed by a parenthesis", "not 之后应为括号")
		}
		f.rest = before
		return f.test()
	}
	if !not && f.rest != before {
		return nil, f.bad("a test is written parameter operator value", "条件的写法是 参数 运算符 值")
	}
	f.rest = f.rest[1:]
	inner, err := f.tree(depth + 1)
	if err != nil {
		return nil, err
	}
	if f.space(); !strings.HasPrefix(f.rest, ")") {
		return nil, f.bad("a parenthesis is not closed", "括号没有闭合")
	}
	f.rest = f.rest[1:]
	if not {
		return &Filter{Op: "not", Parts: []Filter{*inner}}, nil
	}
	return inner, nil
}

func (f *filterParser) test() (*Filter, error) {
	if f.tests++; f.tests > maxFilter {
		return nil, refuse("too-many-values", fmt.Sprintf("_filter: more than %d tests", maxFilter), "_filter 的条件过多")
	}
	path := f.word()
	if path == "" {
		return nil, f.bad("a parameter is expected", "应为检索条件名")
	}
	if strings.HasPrefix(f.rest, "[") {
		return nil, fhir.Refuse(400, "not-supported", "filter-unsupported", "_filter: a[b eq c].d is not supported; use a composite parameter", "_filter 暂不支持方括号，请用组合条件")
	}
	op := strings.ToLower(f.word())
	value, err := f.literal()
	if err != nil {
		return nil, err
	}
	c, negated, err := f.compare(path, op, value)
	if u, ok := err.(unknownParam); ok {
		return nil, fhir.Refuse(400, "not-supported", "unknown-parameter", "_filter: "+string(u), "_filter 里有不支持的检索条件："+printable(path))
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &Filter{Op: "not", Parts: []Filter{{Clause: &c}}}, nil
	}
	return &Filter{Clause: &c}, nil
}

// literal takes a JSON string or a run without spaces; it comes back escaped as a value in a URL would be.
func (f *filterParser) literal() (string, error) {
	f.space()
	if !strings.HasPrefix(f.rest, `"`) {
		i := strings.IndexAny(f.rest, " \t)]")
		if i < 0 {
			i = len(f.rest)
		}
		if i == 0 {
			return "", f.bad("a value is expected", "缺少值")
		}
		w := f.rest[:i]
		f.rest = f.rest[i:]
		return strings.NewReplacer(`,`, `\,`).Replace(w), nil
	}
	for i := 1; i < len(f.rest); i++ {
		switch f.rest[i] {
		case '\\':
			i++
		case '"':
			n, err := fhir.ParseValue([]byte(f.rest[:i+1]))
			if err != nil {
				return "", f.bad("a string is not written as JSON does", "字符串的写法有误")
			}
			f.rest = f.rest[i+1:]
			return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `$`, `\$`).Replace(n.Text), nil
		}
	}
	return "", f.bad("a string is not closed", "字符串没有闭合")
}

// ways are the operators that a type of parameter knows, and the modifier or prefix that each one means.
var ways = map[spec.ParamType]map[string]string{
	spec.Token:     {"eq": "", "ne": "!", "in": ":in", "ni": ":not-in", "ss": ":above", "sb": ":below", "co": ":text"},
	spec.String:    {"eq": ":equal", "ne": "!:equal", "co": ":contains", "sw": "", "ew": ":ends"},
	spec.Date:      {"eq": "eq", "ne": "ne", "gt": "gt", "lt": "lt", "ge": "ge", "le": "le", "sa": "sa", "eb": "eb", "ap": "ap", "po": "po"},
	spec.Number:    {"eq": "eq", "ne": "ne", "gt": "gt", "lt": "lt", "ge": "ge", "le": "le", "sa": "sa", "eb": "eb", "ap": "ap"},
	spec.Quantity:  {"eq": "eq", "ne": "ne", "gt": "gt", "lt": "lt", "ge": "ge", "le": "le", "sa": "sa", "eb": "eb", "ap": "ap"},
	spec.Reference: {"eq": "", "re": "", "ne": "!"},
	spec.URI:       {"eq": "", "ne": "!", "sb": ":below", "ss": ":above"},
	spec.Composite: {"eq": ""},
}

// compare makes the clause of one test.
func (f *filterParser) compare(path, op, value string) (c Clause, negated bool, err error) {
	if !slices.Contains([]string{"eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re"}, op) {
		return c, false, f.bad(fmt.Sprintf("%q is no operator", printable(op)), "没有这个运算符："+printable(op))
	}
	if op == "pr" {
		switch value {
		case "true":
			value = "false"
		case "false":
			value = "true"
		default:
			return c, false, f.bad("pr is followed by true or false", "pr 之后应为 true 或 false")
		}
		c, err = f.clause(f.typ, path+":missing", value, 0)
		return c, false, err
	}
	kind, err := f.kindOf(f.typ, path)
	if err != nil {
		return c, false, err
	}
	way, ok := ways[kind][op]
	if !ok {
		return c, false, fhir.Refuse(400, "not-supported", "filter-unsupported", fmt.Sprintf("_filter: %s cannot be compared by %s", printable(path), op), "_filter：此条件不能用 "+op+" 比较")
	}
	way, negated = strings.CutPrefix(way, "!")
	switch kind {
	case spec.Date, spec.Number, spec.Quantity:
		if way == "po" {
			c, err = f.clause(f.typ, path, value, 0)
			each(&c, func(c *Clause) {
				for i := range c.Values {
					c.Values[i].Prefix = Po
				}
			})
			return c, false, err
		}
		c, err = f.clause(f.typ, path, way+value, 0)
		return c, false, err
	}
	modifier := strings.TrimPrefix(way, ":")
	if modifier == "equal" || modifier == "ends" { // known to filters only
		c, err = f.clause(f.typ, path, value, 0)
		each(&c, func(c *Clause) { c.Modifier = modifier })
		return c, negated, err
	}
	c, err = f.clause(f.typ, path+way, value, 0)
	return c, negated, err
}

// kindOf is the type of the parameter at the end of a path with chains and _has.
func (p *parser) kindOf(typ, path string) (spec.ParamType, error) {
	for range maxHops + 1 {
		if rest, ok := strings.CutPrefix(path, "_has:"); ok {
			parts := strings.SplitN(rest, ":", 3)
			if len(parts) < 3 || !spec.IsResource(parts[0]) {
				break
			}
			typ, path = parts[0], parts[2]
			continue
		}
		head, rest, chained := strings.Cut(path, ".")
		code, modifier, typed := strings.Cut(head, ":")
		if typed && !chained {
			return 0, refuse("bad-modifier", fmt.Sprintf("_filter: operators stand for modifiers, not %q", printable(head)), "_filter 中用运算符代替修饰符："+printable(head))
		}
		switch code {
		case "_id":
			return spec.URI, nil
		case "_lastUpdated":
			return spec.Date, nil
		}
		param := p.lookup(typ, code)
		if param == nil {
			break
		}
		if !chained {
			return param.Type, nil
		}
		next, _, _ := strings.Cut(rest, ".")
		next, _, _ = strings.Cut(next, ":")
		to := modifier
		for _, t := range targetsOf(param) {
			if to == "" && (p.lookup(t, next) != nil || next == "_has") {
				to = t
			}
		}
		if to == "" {
			break
		}
		typ, path = to, rest
	}
	return 0, unknownParam(fmt.Sprintf("%s has no search parameter %q here", typ, printable(path)))
}

// each visits the clauses at the end of chains and of _has.
func each(c *Clause, do func(c *Clause)) {
	switch {
	case c.Has != nil:
		each(&c.Has.Where, do)
	case c.Chain != nil:
		for t, sub := range c.Chain.Where {
			each(&sub, do)
			c.Chain.Where[t] = sub
		}
	default:
		do(c)
	}
}
