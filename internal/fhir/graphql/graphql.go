// Package graphql reads the part of GraphQL that FHIR's $graphql needs for reading: fields, arguments, aliases, inline fragments.
package graphql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Bounds of a query.
const (
	MaxLength = 32 << 10
	MaxDepth  = 20
	MaxFields = 1000
)

// Field is one selection: a field with what is wanted of it, or an inline fragment.
type Field struct {
	Name   string // "" for an inline fragment
	Alias  string // the name in the answer
	On     string // type of an inline fragment
	Args   []Arg
	Fields []Field // nil = a leaf
}

// Arg is one argument; strings, numbers, booleans and enumerations come as text.
type Arg struct{ Name, Value string }

// Arg is the value of an argument, "" when absent.
func (f *Field) Arg(name string) string {
	for _, a := range f.Args {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Parse reads one query. What is not understood (variables, named fragments, directives, mutations) is refused by a *fhir.Error.
func Parse(query string) ([]Field, error) {
	if len(query) > MaxLength {
		return nil, bad(fmt.Sprintf("longer than %d bytes", MaxLength))
	}
	p := &parser{text: query}
	p.next()
	if p.token == "query" {
		p.next()
		if p.kind == aName {
			p.next()
		}
	}
	if p.token == "(" {
		return nil, bad("variables are not supported; write the values into the query")
	}
	fields, err := p.set(0)
	if err == nil && p.token == "fragment" {
		err = bad("named fragments are not supported; use ... on Type")
	}
	if err == nil && p.kind != atEnd {
		err = p.unexpected()
	}
	if err == nil {
		err = p.err
	}
	return fields, err
}

func bad(text string) error {
	return fhir.Refuse(400, "invalid", "bad-graphql", "GraphQL: "+text, "GraphQL 查询语句不正确")
}

type kind uint8

const (
	atEnd kind = iota
	aName
	aString
	aNumber
	aSign
)

type parser struct {
	text   string
	at     int
	kind   kind
	token  string
	start  int
	fields int
	err    error
}

func (p *parser) unexpected() error {
	if p.err != nil {
		return p.err
	}
	if p.kind == atEnd {
		return bad("ends too early")
	}
	return bad("not understood at byte " + strconv.Itoa(p.start))
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func (p *parser) next() {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',':
			p.at++
			continue
		case c == '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
			continue
		}
		break
	}
	p.start = p.at
	if p.at >= len(p.text) {
		p.kind, p.token = atEnd, ""
		return
	}
	c := p.text[p.at]
	switch {
	case letter(c):
		for p.at < len(p.text) && (letter(p.text[p.at]) || p.text[p.at] >= '0' && p.text[p.at] <= '9') {
			p.at++
		}
		p.kind, p.token = aName, p.text[p.start:p.at]
	case c == '"':
		p.string()
	case c == '-' || c >= '0' && c <= '9':
		for p.at < len(p.text) && strings.IndexByte("+-.eE0123456789", p.text[p.at]) >= 0 {
			p.at++
		}
		p.kind, p.token = aNumber, p.text[p.start:p.at]
		if !fhir.IsDecimal(p.token) {
			p.fail("not a number")
		}
	case strings.HasPrefix(p.text[p.at:], "..."):
		p.at += 3
		p.kind, p.token = aSign, "..."
	default:
		p.at++
		p.kind, p.token = aSign, p.text[p.start:p.at]
	}
}

func (p *parser) fail(text string) {
	if p.err == nil {
		p.err = bad(text + " at byte " + strconv.Itoa(p.start))
	}
	p.kind, p.token, p.at = atEnd, "", len(p.text)
}

func (p *parser) string() {
	if strings.HasPrefix(p.text[p.at:], `"""`) {
		p.fail("block strings are not supported")
		return
	}
	end := p.at + 1
	for end < len(p.text) && p.text[end] != '"' && p.text[end] != '\n' {
		if p.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.text) || p.text[end] != '"' {
		p.fail("a string that does not end")
		return
	}
	n, err := fhir.ParseValue([]byte(p.text[p.at : end+1])) // the same escapes as in JSON
	if err != nil {
		p.fail("not a string")
		return
	}
	p.at = end + 1
	p.kind, p.token = aString, n.Text
}

// set reads { … }.
func (p *parser) set(depth int) ([]Field, error) {
	if p.kind != aSign || p.token != "{" {
		return nil, p.unexpected()
	}
	if depth >= MaxDepth {
		return nil, bad(fmt.Sprintf("deeper than %d levels", MaxDepth))
	}
	fields := []Field{}
	for p.next(); p.kind != aSign || p.token != "}"; {
		f, err := p.field(depth)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		if p.fields++; p.fields > MaxFields {
			return nil, bad(fmt.Sprintf("more than %d fields", MaxFields))
		}
	}
	p.next()
	if len(fields) == 0 {
		return nil, bad("an empty selection")
	}
	return fields, nil
}

func (p *parser) field(depth int) (f Field, err error) {
	if p.kind == aSign && p.token == "..." {
		p.next()
		if p.kind != aName || p.token != "on" {
			return f, bad("named fragments are not supported; use ... on Type")
		}
		if p.next(); p.kind != aName {
			return f, p.unexpected()
		}
		f.On = p.token
		p.next()
		f.Fields, err = p.set(depth + 1)
		return f, err
	}
	if p.kind != aName {
		return f, p.unexpected()
	}
	f.Name, f.Alias = p.token, p.token
	p.next()
	if p.kind == aSign && p.token == ":" {
		if p.next(); p.kind != aName {
			return f, p.unexpected()
		}
		f.Name = p.token
		p.next()
	}
	if p.kind == aSign && p.token == "(" {
		for p.next(); p.kind != aSign || p.token != ")"; p.next() {
			a := Arg{Name: p.token}
			if p.kind != aName {
				return f, p.unexpected()
			}
			if p.next(); p.kind != aSign || p.token != ":" {
				return f, p.unexpected()
			}
			if p.next(); p.kind == aSign || p.kind == atEnd {
				if p.token == "$" {
					return f, bad("variables are not supported; write the values into the query")
				}
				return f, p.unexpected()
			}
			a.Value = p.token
			f.Args = append(f.Args, a)
		}
		p.next()
	}
	if p.kind == aSign && p.token == "@" {
		return f, bad("directives are not supported")
	}
	if p.kind == aSign && p.token == "{" {
		f.Fields, err = p.set(depth + 1)
	}
	return f, err
}
