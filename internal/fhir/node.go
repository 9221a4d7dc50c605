package fhir

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is the JSON kind of a Node.
type Kind uint8

const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// Node is one JSON value. Key order and number text are kept, so that what was
// written comes back: 1.00 stays 1.00.
type Node struct {
	Kind    Kind
	Text    string   // String: the value; Number, Bool: the literal
	Members []Member // Object
	Items   []*Node  // Array
}

// Member is one property of an object.
type Member struct {
	Name  string
	Value *Node
}

// Append writes n as compact JSON.
func (n *Node) Append(b []byte) []byte {
	switch n.Kind {
	case Null:
		return append(b, "null"...)
	case Bool, Number:
		return append(b, n.Text...)
	case String:
		return appendQuoted(b, n.Text)
	case Array:
		b = append(b, '[')
		for i, v := range n.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.Append(b)
		}
		return append(b, ']')
	}
	b = append(b, '{')
	for i := range n.Members {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, n.Members[i].Name)
		b = append(b, ':')
		b = n.Members[i].Value.Append(b)
	}
	return append(b, '}')
}

func appendQuoted(b []byte, s string) []byte {
	high := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c == '"' || c == '\\' {
			b, _ = jsontext.AppendQuote(b, s)
			return b
		}
		high = high || c >= utf8.RuneSelf
	}
	if high && !utf8.ValidString(s) {
		b, _ = jsontext.AppendQuote(b, s)
		return b
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// JSON returns n as compact JSON.
func (n *Node) JSON() []byte { return n.Append(make([]byte, 0, n.room())) }

// room is about as long as the JSON of n, escapes aside.
func (n *Node) room() int {
	r := len(n.Text) + 2
	for i := range n.Members {
		r += len(n.Members[i].Name) + 4 + n.Members[i].Value.room()
	}
	for _, v := range n.Items {
		r += 1 + v.room()
	}
	return r
}

// Child returns the named property, or nil. A nil Node has no children.
func (n *Node) Child(name string) *Node {
	if n == nil || n.Kind != Object {
		return nil
	}
	for i := range n.Members {
		if n.Members[i].Name == name {
			return n.Members[i].Value
		}
	}
	return nil
}

// Get follows a path such as "code.coding[0].code"; nil when absent.
func (n *Node) Get(path string) *Node {
	if c := n.Child(path); c != nil || strings.IndexByte(path, '.') < 0 && strings.IndexByte(path, '[') < 0 {
		return c
	}
	for path != "" && n != nil {
		var seg string
		seg, path, _ = strings.Cut(path, ".")
		name, idx, has := strings.Cut(seg, "[")
		if name != "" {
			n = n.Child(name)
		}
		for has && n != nil {
			var num string
			num, idx, _ = strings.Cut(idx, "]")
			i, err := strconv.Atoi(num)
			if err != nil || n.Kind != Array || i < 0 || i >= len(n.Items) {
				return nil
			}
			n = n.Items[i]
			idx, has = strings.CutPrefix(idx, "[")
		}
	}
	return n
}

// Str returns the text at path, "" when absent.
func (n *Node) Str(path string) string {
	v := n.Get(path)
	if v == nil {
		return ""
	}
	return v.Text
}

// All returns the items of the array at path; a single value counts as one item.
func (n *Node) All(path string) []*Node {
	v := n.Get(path)
	switch {
	case v == nil || v.Kind == Null:
		return nil
	case v.Kind == Array:
		return v.Items
	}
	return []*Node{v}
}

// Set puts value at path and makes the objects and arrays on the way; an index equal to
// the length appends. value: *Node, string, bool, int, int64, Obj, Arr, []string; nil removes.
func (n *Node) Set(path string, value any) *Node {
	seg, rest, more := strings.Cut(path, ".")
	name, idx, indexed := strings.Cut(seg, "[")
	if !more && !indexed {
		n.setMember(name, value)
		return n
	}
	child := n.Child(name)
	if child == nil || child.Kind == Null {
		child = &Node{Kind: Object}
		if indexed {
			child.Kind = Array
		}
		n.setMember(name, child)
	}
	if indexed {
		i, err := strconv.Atoi(strings.TrimSuffix(idx, "]"))
		if err != nil || i > len(child.Items) || child.Kind != Array {
			panic("fhir: bad index in path " + path)
		}
		if i == len(child.Items) {
			child.Items = append(child.Items, &Node{Kind: Object})
		}
		if !more {
			child.Items[i] = Of(value)
			return n
		}
		child = child.Items[i]
	}
	child.Set(rest, value)
	return n
}

func (n *Node) setMember(name string, value any) {
	for i := range n.Members {
		if n.Members[i].Name == name {
			if value == nil {
				n.Members = append(n.Members[:i], n.Members[i+1:]...)
			} else {
				n.Members[i].Value = Of(value)
			}
			return
		}
	}
	if value != nil {
		n.Members = append(n.Members, Member{name, Of(value)})
	}
}

// Add appends value to the array at path, making it when absent.
func (n *Node) Add(path string, value any) *Node {
	return n.Set(fmt.Sprintf("%s[%d]", path, len(n.All(path))), value)
}

// Obj lists the properties of an object in order: Obj{"system", s, "code", c}.
// Properties whose value is nil or "" are left out.
type Obj []any

// Arr is an array of anything that Of accepts.
type Arr []any

// Of turns a Go value into a Node.
func Of(value any) *Node {
	switch v := value.(type) {
	case *Node:
		return v
	case nil:
		return &Node{Kind: Null}
	case string:
		return &Node{Kind: String, Text: v}
	case bool:
		return &Node{Kind: Bool, Text: strconv.FormatBool(v)}
	case int:
		return &Node{Kind: Number, Text: strconv.Itoa(v)}
	case int64:
		return &Node{Kind: Number, Text: strconv.FormatInt(v, 10)}
	case []string:
		n := &Node{Kind: Array}
		for _, s := range v {
			n.Items = append(n.Items, Of(s))
		}
		return n
	case Arr:
		n := &Node{Kind: Array}
		for _, x := range v {
			if x != nil {
				n.Items = append(n.Items, Of(x))
			}
		}
		return n
	case Obj:
		n := &Node{Kind: Object}
		for i := 0; i+1 < len(v); i += 2 {
			if v[i+1] == nil || v[i+1] == "" {
				continue
			}
			c := Of(v[i+1])
			if (c.Kind == Array && len(c.Items) == 0) || (c.Kind == Object && len(c.Members) == 0) {
				continue
			}
			n.Members = append(n.Members, Member{v[i].(string), c})
		}
		return n
	}
	panic(fmt.Sprintf("fhir: no JSON for %T", value))
}

// New starts a resource: New("Task", "status", "requested", …).
func New(resourceType string, pairs ...any) *Node {
	return Of(append(Obj{"resourceType", resourceType}, pairs...))
}

// Type returns resourceType.
func (n *Node) Type() string { return n.Str("resourceType") }

// ID returns the resource's id.
func (n *Node) ID() string { return n.Str("id") }

// Copy returns a deep copy.
func (n *Node) Copy() *Node {
	if n == nil {
		return nil
	}
	c := &Node{Kind: n.Kind, Text: n.Text}
	if n.Members != nil {
		c.Members = make([]Member, len(n.Members))
		for i, m := range n.Members {
			c.Members[i] = Member{m.Name, m.Value.Copy()}
		}
	}
	if n.Items != nil {
		c.Items = make([]*Node, len(n.Items))
		for i, v := range n.Items {
			c.Items[i] = v.Copy()
		}
	}
	return c
}
