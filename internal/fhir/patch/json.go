package patch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// JSON applies a JSON Patch (RFC 6902), all of it or nothing; doc stays as it is. What removals leave empty goes
// too, as FHIR knows no empty arrays and objects. Refusals are a *fhir.Error: 400 what is no patch, 422 what does
// not fit the document.
func JSON(doc, operations *fhir.Node) (*fhir.Node, error) {
	if operations == nil || operations.Kind != fhir.Array {
		return nil, malformed("", "a JSON Patch is an array of operations", "JSON Patch 应为操作数组")
	}
	if len(operations.Items) > MaxOperations {
		return nil, malformed("", fmt.Sprintf("a patch has at most %d operations", MaxOperations), "补丁的操作过多")
	}
	p := &jsonPatch{root: doc.Copy(), emptied: map[*fhir.Node]bool{}}
	for i, op := range operations.Items {
		if err := p.apply(op, fmt.Sprintf("[%d]", i)); err != nil {
			return nil, err
		}
	}
	if prune(p.root, p.emptied) {
		return nil, fails("patch-empties", "", "the patch leaves nothing of the resource", "补丁删除了全部内容")
	}
	return p.root, shallow(p.root)
}

type jsonPatch struct {
	root    *fhir.Node
	emptied map[*fhir.Node]bool
	budget  budget
	place   string // of the operation, "[3]"
}

func (p *jsonPatch) apply(op *fhir.Node, place string) error {
	p.place = place
	if op.Kind != fhir.Object {
		return malformed(place, "an operation is an object", "操作应为对象")
	}
	path, err := p.pointer(op, "path")
	if err != nil {
		return err
	}
	do := op.Child("op")
	if do == nil || do.Kind != fhir.String {
		return malformed(place+".op", "op is missing", "缺少 op")
	}
	switch do.Text {
	case "remove":
		_, err := p.remove(path)
		return err
	case "add", "replace", "test":
		value := op.Child("value")
		if value == nil {
			return malformed(place+".value", do.Text+" needs a value", do.Text+" 操作缺少 value")
		}
		return p.put(do.Text, path, value)
	case "move", "copy":
		from, err := p.pointer(op, "from")
		if err != nil {
			return err
		}
		return p.carry(do.Text, from, path)
	}
	return malformed(place+".op", fmt.Sprintf("op %q is not one of add, remove, replace, move, copy, test", do.Text), "不支持的操作")
}

func (p *jsonPatch) put(op string, path []string, value *fhir.Node) error {
	if op == "test" {
		at, err := p.find(path)
		if err != nil {
			return err
		}
		if !equal(at, value) {
			return fails("patch-test", p.place, "the test failed: another value stands at "+show(path), "补丁的 test 条件不成立")
		}
		return nil
	}
	fresh, err := p.budget.copy(value)
	if err != nil {
		return err
	}
	if op == "add" {
		return p.add(path, fresh)
	}
	at, err := p.find(path)
	if err != nil {
		return err
	}
	*at = *fresh
	return nil
}

func (p *jsonPatch) carry(op string, from, path []string) error {
	if op == "copy" {
		at, err := p.find(from)
		if err != nil {
			return err
		}
		fresh, err := p.budget.copy(at)
		if err != nil {
			return err
		}
		return p.add(path, fresh)
	}
	if inside(from, path) {
		if len(from) == len(path) {
			_, err := p.find(from)
			return err
		}
		return fails("patch-path", p.place, "nothing can be moved into itself", "不能移动到自身内部")
	}
	at, err := p.remove(from)
	if err != nil {
		return err
	}
	return p.add(path, at)
}

func inside(from, path []string) bool {
	if len(path) < len(from) {
		return false
	}
	for i := range from {
		if from[i] != path[i] {
			return false
		}
	}
	return true
}

// pointer reads a JSON Pointer (RFC 6901).
func (p *jsonPatch) pointer(op *fhir.Node, name string) ([]string, error) {
	n := op.Child(name)
	if n == nil || n.Kind != fhir.String {
		return nil, malformed(p.place+"."+name, name+" is missing", "缺少 "+name)
	}
	if n.Text == "" {
		return nil, nil
	}
	if n.Text[0] != '/' {
		return nil, malformed(p.place+"."+name, name+" is a JSON Pointer: it begins with /", name+" 应以 / 开头")
	}
	tokens := strings.Split(n.Text[1:], "/")
	if len(tokens) > 2*fhir.MaxDepth {
		return nil, malformed(p.place+"."+name, name+" is too deep", name+" 过深")
	}
	for i, t := range tokens {
		if !strings.Contains(t, "~") {
			continue
		}
		var b strings.Builder
		for j := 0; j < len(t); j++ {
			switch {
			case t[j] != '~':
				b.WriteByte(t[j])
			case j+1 < len(t) && (t[j+1] == '0' || t[j+1] == '1'):
				b.WriteByte("~/"[t[j+1]-'0'])
				j++
			default:
				return nil, malformed(p.place+"."+name, "in a JSON Pointer ~ is written ~0, and / is ~1", name+" 的转义不正确")
			}
		}
		tokens[i] = b.String()
	}
	return tokens, nil
}

// show writes a pointer for a message, shortened: it holds names of elements and indexes only.
func show(path []string) string {
	text := "/" + strings.Join(path, "/")
	if len(text) > 100 {
		text = strings.ToValidUTF8(text[:100], "") + "…"
	}
	return strconv.Quote(text)
}

func (p *jsonPatch) missing(path []string) error {
	return fails("patch-path", p.place, "nothing is at "+show(path), "补丁指向的位置不存在")
}

// find returns the value that a pointer means.
func (p *jsonPatch) find(path []string) (*fhir.Node, error) {
	n := p.root
	for i, token := range path {
		switch n.Kind {
		case fhir.Object:
			if n = n.Child(token); n == nil {
				return nil, p.missing(path[:i+1])
			}
		case fhir.Array:
			at, err := p.index(path[:i+1], token, len(n.Items)-1)
			if err != nil {
				return nil, err
			}
			n = n.Items[at]
		default:
			return nil, p.missing(path[:i+1])
		}
	}
	return n, nil
}

// index reads the last token of path as an array index up to last.
func (p *jsonPatch) index(path []string, token string, last int) (int, error) {
	n, err := strconv.Atoi(token)
	if err != nil || token != strconv.Itoa(n) || n < 0 {
		if token == "-" {
			return 0, p.missing(path)
		}
		return 0, fails("patch-path", p.place, "an array needs an index without sign and leading zeros, at "+show(path), "数组下标不正确")
	}
	if n > last {
		return 0, fails("patch-path", p.place, fmt.Sprintf("the array at %s has only %d items", show(path[:len(path)-1]), last+1), "数组下标越界")
	}
	return n, nil
}

func (p *jsonPatch) add(path []string, value *fhir.Node) error {
	if len(path) == 0 {
		p.root = value
		return nil
	}
	parent, err := p.find(path[:len(path)-1])
	if err != nil {
		return err
	}
	token := path[len(path)-1]
	switch parent.Kind {
	case fhir.Object:
		for i := range parent.Members {
			if parent.Members[i].Name == token {
				parent.Members[i].Value = value
				return nil
			}
		}
		parent.Members = append(parent.Members, fhir.Member{Name: token, Value: value})
		return nil
	case fhir.Array:
		at := len(parent.Items)
		if token != "-" {
			if at, err = p.index(path, token, len(parent.Items)); err != nil {
				return err
			}
		}
		parent.Items = append(parent.Items, nil)
		copy(parent.Items[at+1:], parent.Items[at:])
		parent.Items[at] = value
		return nil
	}
	return p.missing(path)
}

func (p *jsonPatch) remove(path []string) (*fhir.Node, error) {
	at, err := p.find(path)
	if err != nil {
		return nil, err
	}
	if len(path) == 0 {
		return nil, fails("patch-empties", p.place, "the whole resource cannot be removed; use DELETE", "不能用补丁删除整个资源")
	}
	parent, _ := p.find(path[:len(path)-1])
	p.emptied[parent] = true
	token := path[len(path)-1]
	if parent.Kind == fhir.Array {
		i, _ := strconv.Atoi(token)
		parent.Items = append(parent.Items[:i], parent.Items[i+1:]...)
		return at, nil
	}
	for i := range parent.Members {
		if parent.Members[i].Name == token {
			parent.Members = append(parent.Members[:i], parent.Members[i+1:]...)
			break
		}
	}
	return at, nil
}

// equal compares as RFC 6902 section 4.6 does: objects without order, numbers by value.
func equal(a, b *fhir.Node) bool {
	if a.Kind != b.Kind || len(a.Items) != len(b.Items) || len(a.Members) != len(b.Members) {
		return false
	}
	switch a.Kind {
	case fhir.Number:
		return a.Text == b.Text || scientific(a.Text) == scientific(b.Text)
	case fhir.Array:
		for i := range a.Items {
			if !equal(a.Items[i], b.Items[i]) {
				return false
			}
		}
		return true
	case fhir.Object:
		for i := range a.Members {
			other := b.Child(a.Members[i].Name)
			if other == nil || !equal(a.Members[i].Value, other) {
				return false
			}
		}
		return true
	}
	return a.Text == b.Text
}

// number is a decimal as digits without zeros at either end, times ten to the power of exp.
type number struct {
	minus  bool
	digits string
	exp    int64
}

func scientific(text string) number {
	var n number
	text, n.minus = strings.CutPrefix(text, "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		exp, err := strconv.ParseInt(text[i+1:], 10, 48)
		if err != nil {
			return number{digits: text} // out of any range: equal only as text
		}
		n.exp, text = exp, text[:i]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n.exp -= int64(len(fraction))
	digits := strings.TrimLeft(whole+fraction, "0")
	n.digits = strings.TrimRight(digits, "0")
	n.exp += int64(len(digits) - len(n.digits))
	if n.digits == "" {
		return number{}
	}
	return n
}
