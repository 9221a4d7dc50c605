package fhir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is the deepest nesting that Parse accepts.
const MaxDepth = 64

// Parse reads one JSON object strictly: duplicate names, invalid UTF-8, lone surrogates, U+0000,
// trailing text and nesting beyond MaxDepth are refused with an *Error (status 400) that
// names the place. The strings of the tree are pieces of one copy of data: clone what outlives it.
func Parse(data []byte) (*Node, error) {
	n, err := ParseValue(data)
	if err == nil && n.Kind != Object {
		return nil, badJSON(errors.New("a resource is a JSON object"))
	}
	return n, err
}

// ParseValue is Parse for any JSON value, such as the array of a JSON Patch.
func ParseValue(data []byte) (*Node, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	if _, err := dec.ReadValue(); err != nil {
		return nil, badJSON(err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, badJSON(errors.New("text after the end of the resource"))
	}
	p := parser{src: string(data)}
	p.space()
	n := p.value(0)
	if p.err != nil {
		return nil, badJSON(p.err)
	}
	return n, nil
}

func badJSON(err error) *Error {
	text, place := strings.TrimPrefix(err.Error(), "jsontext: "), ""
	if s := (*jsontext.SyntacticError)(nil); errors.As(err, &s) {
		// the message of the library quotes names and values; ours must not
		text, place = s.Err.Error(), pathOf(s.JSONPointer)
		if errors.Is(err, jsontext.ErrDuplicateName) {
			text = "duplicate property name"
		}
		text += " at byte " + strconv.FormatInt(s.ByteOffset, 10)
	} else if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		text = "unexpected end"
	}
	e := Refuse(400, "structure", "bad-json", "invalid JSON: "+text, "内容不是有效的 JSON")
	e.Issues[0].Expression = place
	return e
}

// pathOf turns /name/0/given into name[0].given.
func pathOf(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	if b.Len() > 200 {
		return ""
	}
	return b.String()
}

// parser builds a tree from text that is known to be strict JSON. Nodes and members come
// from slabs: a tree is used and dropped as one.
type parser struct {
	src     string
	at      int
	err     error
	nodes   []Node
	members []Member
	items   []*Node
	open    []Member // members of the objects being read, innermost last
	waiting []*Node  // items of the arrays being read
}

func (p *parser) node() *Node {
	if len(p.nodes) == 0 {
		p.nodes = make([]Node, min(max(8, (len(p.src)-p.at)/24), 256))
	}
	n := &p.nodes[0]
	p.nodes = p.nodes[1:]
	return n
}

func (p *parser) space() {
	for p.at < len(p.src) && p.src[p.at] <= ' ' {
		p.at++
	}
}

func (p *parser) value(depth int) *Node {
	n := p.node()
	if depth > MaxDepth {
		p.err = fmt.Errorf("nested deeper than %d levels", MaxDepth)
	}
	if p.err != nil {
		return n
	}
	switch p.src[p.at] {
	case '"':
		n.Kind, n.Text = String, p.text()
	case '{':
		p.object(n, depth)
	case '[':
		p.array(n, depth)
	case 'n':
		p.at += len("null")
	case 't':
		n.Kind, n.Text = Bool, p.src[p.at:p.at+4]
		p.at += 4
	case 'f':
		n.Kind, n.Text = Bool, p.src[p.at:p.at+5]
		p.at += 5
	default:
		start := p.at
		for p.at < len(p.src) && isNumeric(p.src[p.at]) {
			p.at++
		}
		n.Kind, n.Text = Number, p.src[start:p.at]
	}
	return n
}

func isNumeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

func (p *parser) object(n *Node, depth int) {
	n.Kind = Object
	base := len(p.open)
	p.at++
	for p.space(); p.src[p.at] != '}'; p.space() {
		if p.src[p.at] == ',' {
			p.at++
			p.space()
		}
		name := p.text()
		p.space()
		p.at++ // :
		p.space()
		v := p.value(depth + 1)
		if p.err != nil {
			return
		}
		p.open = append(p.open, Member{name, v})
	}
	p.at++
	count := len(p.open) - base
	if count > len(p.members) {
		p.members = make([]Member, max(count, min((len(p.src)-p.at)/32, 256)))
	}
	n.Members = p.members[:count:count]
	p.members = p.members[count:]
	copy(n.Members, p.open[base:])
	p.open = p.open[:base]
}

func (p *parser) array(n *Node, depth int) {
	n.Kind = Array
	base := len(p.waiting)
	p.at++
	for p.space(); p.src[p.at] != ']'; p.space() {
		if p.src[p.at] == ',' {
			p.at++
			p.space()
		}
		v := p.value(depth + 1)
		if p.err != nil {
			return
		}
		p.waiting = append(p.waiting, v)
	}
	p.at++
	count := len(p.waiting) - base
	if count > len(p.items) {
		p.items = make([]*Node, max(count, min((len(p.src)-p.at)/64, 256)))
	}
	n.Items = p.items[:count:count]
	p.items = p.items[count:]
	copy(n.Items, p.waiting[base:])
	p.waiting = p.waiting[:base]
}

// text reads the string literal at p.at.
func (p *parser) text() string {
	start := p.at + 1
	end := start
	for {
		i := strings.IndexByte(p.src[end:], '"')
		end += i
		escaped := false
		for j := end - 1; j >= start && p.src[j] == '\\'; j-- {
			escaped = !escaped
		}
		if !escaped {
			break
		}
		end++
	}
	p.at = end + 1
	s := p.src[start:end]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b, err := jsontext.AppendUnquote(make([]byte, 0, len(s)), p.src[start-1:end+1])
	if err == nil && bytes.IndexByte(b, 0) >= 0 {
		err = errors.New("U+0000 is not allowed in a string")
	}
	if err != nil && p.err == nil {
		p.err = err
	}
	return string(b)
}
