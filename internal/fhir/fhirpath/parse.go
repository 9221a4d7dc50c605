package fhirpath

import (
	"regexp"
	"strings"
)

// node is a part of a parsed expression. in is what it is applied to: the result of what stands
// before the dot, or the context where nothing does.
type node interface {
	eval(r *run, in Collection) (Collection, error)
}

type (
	literal struct{ c Collection }
	member  struct {
		name  string
		first bool // nothing stands before it: it may name the type of the context
		at    int
	}
	chain    struct{ left, right node }
	indexer  struct{ of, index node }
	polarity struct {
		of node
		at int
	}
	binary struct {
		op          string
		apply       func(r *run, at int, a, b Collection) (Collection, error)
		left, right node
		at          int
	}
	logic struct {
		op          string
		left, right node
		at          int
	}
	typeTest struct {
		of   node
		as   bool
		want *kind
		at   int
	}
	special_ struct{ name string }
	external struct {
		name string
		at   int
	}
	call struct {
		fn   *function
		name string
		args []node
		want *kind          // of is, as, ofType
		re   *regexp.Regexp // of matches and the like with a literal pattern
		at   int
	}
)

type parser struct {
	lexer
	depth int
	nodes int
}

func parse(src string) (node, *Error) {
	p := &parser{lexer: lexer{src: src}}
	p.next()
	n := p.expression(0)
	if p.err == nil && p.tok != end {
		p.unexpected()
	}
	if p.err != nil {
		return nil, p.err
	}
	return n, nil
}

func (p *parser) unexpected() {
	if p.tok == end {
		p.fail(p.start, "the expression ends too early")
		return
	}
	p.fail(p.start, "unexpected %q", p.src[p.start:min(p.at, p.start+40)])
}

// levels of binary operators, loosest first.
var levels = map[string]int{"implies": 1, "xor": 2, "or": 2, "and": 3, "in": 4, "contains": 4, "=": 5, "~": 5, "!=": 5, "!~": 5,
	"<": 6, ">": 6, "<=": 6, ">=": 6, "|": 7, "is": 8, "as": 8, "+": 9, "-": 9, "&": 9, "*": 10, "/": 10, "div": 10, "mod": 10}

// expression reads operators that bind tighter than above.
func (p *parser) expression(above int) node {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > MaxNesting {
		p.fail(p.start, "nested deeper than %d levels", MaxNesting)
	}
	if p.err != nil {
		return nil
	}
	left := p.unary()
	for p.err == nil && (p.tok == symbol || p.tok == name) {
		op, at := p.val, p.start
		level := levels[op]
		if level == 0 || level <= above {
			break
		}
		if p.nodes++; p.nodes > 4*MaxNesting {
			p.fail(at, "more than %d operators", 4*MaxNesting)
			break
		}
		p.next()
		switch op {
		case "is", "as":
			want := p.typeName()
			left = &typeTest{left, op == "as", want, at}
		case "and", "or", "xor", "implies":
			left = &logic{op, left, p.expression(level), at}
		default:
			left = &binary{op, operators[op], left, p.expression(level), at}
		}
	}
	return left
}

func (p *parser) unary() node {
	if p.tok == symbol && (p.val == "-" || p.val == "+") {
		minus, at := p.val == "-", p.start
		p.depth++
		defer func() { p.depth-- }()
		if p.depth > MaxNesting {
			p.fail(p.start, "nested deeper than %d levels", MaxNesting)
			return nil
		}
		p.next()
		of := p.unary()
		if !minus {
			return of
		}
		return &polarity{of, at}
	}
	n := p.term()
	steps := 0
	for p.err == nil && p.tok == symbol {
		if steps++; steps > 4*MaxNesting {
			p.fail(p.start, "more than %d steps", 4*MaxNesting)
		}
		switch p.val {
		case ".":
			p.next()
			n = &chain{n, p.invocation(false)}
		case "[":
			p.next()
			i := p.expression(0)
			p.expect("]")
			n = &indexer{n, i}
		default:
			return n
		}
	}
	return n
}

func (p *parser) expect(s string) {
	if p.err == nil && (p.tok != symbol || p.val != s) {
		p.unexpected()
		return
	}
	p.next()
}

func (p *parser) term() node {
	at, val := p.start, p.val
	switch p.tok {
	case symbol:
		switch val {
		case "(":
			p.next()
			n := p.expression(0)
			p.expect(")")
			return n
		case "{":
			p.next()
			p.expect("}")
			return &literal{}
		}
	case text:
		p.next()
		return &literal{one(Text(val))}
	case number:
		p.next()
		return p.numeric(val, at)
	case date, clock:
		m, ok := parseMoment(val, p.tok == clock)
		if !ok {
			p.fail(at, "no such date or time")
			return nil
		}
		p.next()
		return &literal{one(m.item())}
	case variable:
		p.next()
		return &external{val, at}
	case name:
		if val == "true" || val == "false" {
			p.next()
			return &literal{truth(val == "true")}
		}
		return p.invocation(true)
	case quoted, special:
		return p.invocation(true)
	}
	p.unexpected()
	return nil
}

// numeric is a number, or a quantity when a unit follows.
func (p *parser) numeric(val string, at int) node {
	unit, calendar := "", false
	switch {
	case p.tok == text:
		unit = p.val
		p.next()
	case p.tok == name && calendarUnits[p.val] != "":
		unit, calendar = calendarUnits[p.val], true
		p.next()
	default:
		if !strings.Contains(val, ".") {
			i, ok := parseInteger(val)
			if !ok {
				p.fail(at, "an integer has at most 31 bits")
				return nil
			}
			return &literal{one(Integer(i))}
		}
	}
	d, ok := parseDecimal(val)
	if !ok {
		p.fail(at, "a decimal has at most %d digits", maxDigits)
		return nil
	}
	if unit == "" {
		return &literal{one(d.item())}
	}
	return &literal{one((&quantity{d, unit, calendar}).item())}
}

func (p *parser) invocation(first bool) node {
	at, val := p.start, p.val
	switch p.tok {
	case special:
		p.next()
		return &special_{val}
	case name, quoted:
		p.next()
		if p.tok == symbol && p.val == "(" {
			return p.call(val, at)
		}
		return &member{val, first, at}
	}
	p.unexpected()
	return nil
}

func (p *parser) call(fname string, at int) node {
	fn := functions[fname]
	if fn == nil {
		p.fail(at, "unknown function %s()", clip(fname))
		return nil
	}
	p.next()
	c := &call{fn: fn, name: fname, at: at}
	for p.err == nil && !(p.tok == symbol && p.val == ")") {
		if len(c.args) > 0 || c.want != nil {
			p.expect(",")
		}
		if fn.typed {
			c.want = p.typeName()
			c.args = append(c.args, nil)
			continue
		}
		c.args = append(c.args, p.expression(0))
		if len(c.args) > fn.most {
			break
		}
	}
	if p.err == nil && (len(c.args) < fn.least || len(c.args) > fn.most) {
		p.fail(at, "%s() takes %s", fname, fn.takes())
	}
	p.expect(")")
	if fn.pattern && len(c.args) > 0 && p.err == nil {
		if l, ok := c.args[0].(*literal); ok && len(l.c) == 1 {
			if s, ok := l.c[0].value.(string); ok {
				re, err := compilePattern(s, fname == "matchesFull")
				if err != nil {
					p.fail(at, "the pattern of %s() is not one: %s", fname, err)
				}
				c.re = re
			}
		}
	}
	return c
}

// typeName reads a type specifier: code, FHIR.code, System.String, `Patient`.
func (p *parser) typeName() *kind {
	at := p.start
	part := func() string {
		if p.tok != name && p.tok != quoted {
			p.unexpected()
			return ""
		}
		s := p.val
		p.next()
		return s
	}
	first, second := part(), ""
	for p.err == nil && p.tok == symbol && p.val == "." && (first == "System" || first == "FHIR" || known(first+peek(p.src[p.at:]))) {
		p.next()
		if second != "" {
			second += "."
		}
		second += part()
	}
	if p.err != nil {
		return nil
	}
	k := typeNamed(first, second)
	if k == nil {
		p.fail(at, "unknown type %s", clip(p.src[at:p.start]))
	}
	return k
}

// peek returns "." and the name that src starts with.
func peek(src string) string {
	l := lexer{src: src}
	l.next()
	return "." + l.val
}

func typeNamed(first, second string) *kind {
	switch {
	case first == "System" && second != "":
		if k := systemKinds[second]; k != nil {
			return k
		}
		// System.Patient is no type, and nothing is one: is() answers false
		return &kind{name: second, system: true, open: true}
	case first == "FHIR" && second != "":
		first = second
	case second != "":
		first += "." + second
	}
	if known(first) {
		return kindOf(first)
	}
	return systemKinds[first]
}

func clip(s string) string {
	if s = strings.TrimSpace(s); len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
