package validate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// enough issues of one resource: the rest would not be read.
const enough = 100

// Resource lists what is wrong with the structure of a resource; nothing when it is fit to be stored.
// References by condition (Patient?identifier=…) are refused in a resource by itself.
func Resource(n *fhir.Node) []fhir.Issue {
	w := walk{}
	w.resource(n, true)
	return w.issues
}

// Entry is Resource for the entry of a batch or transaction, whose references by condition are resolved later.
func Entry(n *fhir.Node) []fhir.Issue {
	w := walk{bundled: true}
	w.resource(n, true)
	return w.issues
}

// Check is Resource as an error: nil, or a *fhir.Error with status 422.
func Check(n *fhir.Node) error {
	if issues := Resource(n); len(issues) > 0 {
		return &fhir.Error{Status: 422, Issues: issues}
	}
	return nil
}

type walk struct {
	issues    []fhir.Issue
	path      []segment
	container *fhir.Node // the resource that contained ones belong to
	inside    bool       // within contained
	bundled   bool       // within a Bundle
}

type segment struct {
	name  string
	index int // -1 = no index
}

func (w *walk) refuse(code, detail, text, zh string) {
	if len(w.issues) < enough {
		w.issues = append(w.issues, fhir.Issue{Severity: "error", Code: code, Detail: detail, Text: text, Zh: zh, Expression: w.place()})
	}
}

func (w *walk) place() string {
	var b []byte
	for i, s := range w.path {
		if i > 0 {
			b = append(b, '.')
		}
		b = append(b, s.name...)
		if s.index >= 0 {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(s.index), 10)
			b = append(b, ']')
		}
	}
	return string(b)
}

func (w *walk) push(name string, index int) { w.path = append(w.path, segment{name, index}) }
func (w *walk) pop()                        { w.path = w.path[:len(w.path)-1] }

// resource checks n as a whole resource; top says that it stands by itself.
func (w *walk) resource(n *fhir.Node, top bool) {
	t := n.Child("resourceType")
	if n.Kind != fhir.Object || t == nil || t.Kind != fhir.String || t.Text == "" {
		w.refuse("structure", "resource-type-missing", "resourceType is missing", "缺少资源类型 resourceType")
		return
	}
	if !spec.IsResource(t.Text) {
		w.refuse("structure", "unknown-resource-type", "unknown resource type", "未知的资源类型")
		return
	}
	if top {
		w.push(t.Text, -1)
		defer w.pop()
	}
	before := w.container
	if !w.inside {
		w.container = n
	}
	w.object(n, shapeOf(t.Text), true)
	w.container = before
}

// object checks the members of n against s.
func (w *walk) object(n *fhir.Node, s *shape, root bool) {
	if len(n.Members) == 0 {
		w.refuse("structure", "empty-object", "an object must not be empty", "对象不能为空")
		return
	}
	var seen [4]uint64
	for i := range n.Members {
		m := &n.Members[i]
		name := m.Name
		if name != "" && name[0] == '_' {
			f := s.fields[name[1:]]
			if f == nil || f.kind == fhir.Object || f.kind == fhir.Null {
				w.unknown(name)
				continue
			}
			w.count(s, n, f, &seen, name[1:])
			w.companion(n, m.Value, f, name)
			continue
		}
		f := s.fields[name]
		if f == nil {
			if root && name == "resourceType" {
				continue
			}
			w.unknown(name)
			continue
		}
		w.count(s, n, f, &seen, name)
		w.member(n, m.Value, f, name)
	}
	for _, f := range s.needed {
		if seen[f.group>>6]&(1<<(f.group&63)) == 0 {
			w.push(f.label, -1)
			w.refuse("required", "missing-element", "required element is missing", "缺少必填项")
			w.pop()
		}
	}
	if s.extra != nil {
		s.extra(w, n)
	}
}

func (w *walk) unknown(name string) {
	if len(name) > 64 {
		name = name[:64]
	}
	w.push(name, -1)
	w.refuse("structure", "unknown-element", "unknown element", "未知的元素")
	w.pop()
}

// count marks the element as present; another type of the same choice is refused.
func (w *walk) count(s *shape, n *fhir.Node, f *field, seen *[4]uint64, name string) {
	bit := uint64(1) << (f.group & 63)
	if f.choice != "" && seen[f.group>>6]&bit != 0 {
		for i := range n.Members {
			other := strings.TrimPrefix(n.Members[i].Name, "_")
			if g := s.fields[other]; g != nil && g.group == f.group && other != name {
				w.push(f.label, -1)
				w.refuse("structure", "choice-twice", "only one type of "+f.choice+" may be given", "同一选择项只能填写一种类型")
				w.pop()
				break
			}
		}
	}
	seen[f.group>>6] |= bit
}

func (w *walk) member(n, v *fhir.Node, f *field, name string) {
	if f.none {
		w.unknown(name)
		return
	}
	if !f.many {
		w.push(f.label, -1)
		switch v.Kind {
		case fhir.Array:
			w.refuse("structure", "array-unexpected", "must be a single value, not an array", "此处只能是单个值，不能是数组")
		case fhir.Null:
			w.refuse("structure", "null-value", "null is not allowed here", "此处不能为 null")
		default:
			w.value(v, f)
		}
		w.pop()
		return
	}
	if v.Kind != fhir.Array {
		w.push(f.label, -1)
		w.refuse("structure", "array-expected", "must be an array", "此处必须是数组")
		w.pop()
		return
	}
	if len(v.Items) == 0 {
		w.push(f.label, -1)
		w.refuse("structure", "empty-array", "an array must not be empty", "数组不能为空")
		w.pop()
		return
	}
	var companions *fhir.Node
	for i, item := range v.Items {
		w.push(f.label, i)
		if item.Kind == fhir.Null {
			if f.shape == nil && f.kind != fhir.Null && companions == nil {
				companions = n.Child("_" + name)
			}
			if companions == nil || companions.Kind != fhir.Array || i >= len(companions.Items) || companions.Items[i].Kind != fhir.Object {
				w.refuse("structure", "null-value", "null needs an extension in its place", "数组中的 null 必须在对应位置有扩展")
			}
		} else {
			w.value(item, f)
		}
		w.pop()
	}
}

// companion checks "_name": id and extensions of a primitive.
func (w *walk) companion(n, v *fhir.Node, f *field, name string) {
	element := shapeOf("Element")
	w.push(f.label, -1)
	defer w.pop()
	one := func(item *fhir.Node) {
		if item.Kind != fhir.Object {
			w.refuse("structure", "primitive-extension", "the extension of a primitive is an object", "基本类型的扩展必须是对象")
			return
		}
		w.object(item, element, false)
	}
	if !f.many {
		one(v)
		return
	}
	values := n.Child(name[1:])
	if v.Kind != fhir.Array || len(v.Items) == 0 || values != nil && values.Kind == fhir.Array && len(values.Items) != len(v.Items) {
		w.refuse("structure", "primitive-extension", "the extensions of an array of primitives are an array of the same length", "基本类型数组的扩展必须是等长数组")
		return
	}
	for i, item := range v.Items {
		if item.Kind != fhir.Null {
			w.path[len(w.path)-1].index = i
			one(item)
		} else if values == nil {
			w.refuse("structure", "null-value", "null needs a value in its place", "数组中的 null 必须在对应位置有值")
		}
	}
	w.path[len(w.path)-1].index = -1
}

var kindNames = [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}
var kindNamesZh = [...]string{"null", "布尔值", "数字", "字符串", "数组", "对象"}

// value checks one value that is neither null nor a wanted array.
func (w *walk) value(v *fhir.Node, f *field) {
	want := f.kind
	if want == fhir.Null {
		want = fhir.Object
	}
	if v.Kind != want {
		w.refuse("structure", "wrong-type", fmt.Sprintf("must be %s (%s), is %s", kindNames[want], f.datatype, kindNames[v.Kind]),
			fmt.Sprintf("应为%s（%s），实际为%s", kindNamesZh[want], f.datatype, kindNamesZh[v.Kind]))
		return
	}
	switch {
	case f.kind == fhir.Null:
		w.inner(v, f)
	case f.shape != nil:
		w.object(v, f.shape, false)
		if f.datatype == "Reference" {
			w.reference(v, f)
		}
		if f.codes != nil {
			w.bound(v, f)
		}
	default:
		w.primitive(v, f)
	}
}

// inner checks a resource within another: contained, or of a Bundle, or of Parameters.
func (w *walk) inner(v *fhir.Node, f *field) {
	if f.label != "contained" {
		inside, bundled := w.inside, w.bundled
		w.inside, w.bundled = false, true
		w.resource(v, false)
		w.inside, w.bundled = inside, bundled
		return
	}
	if w.inside {
		w.refuse("invariant", "contained-nested", "a contained resource must not contain others", "内含资源不能再内含资源")
		return
	}
	if v.ID() == "" {
		w.refuse("invariant", "contained-id", "a contained resource needs an id", "内含资源必须有 id")
	}
	w.inside = true
	w.resource(v, false)
	w.inside = false
}

func (w *walk) primitive(v *fhir.Node, f *field) {
	if !fhir.IsPrimitive(f.datatype, v.Text) {
		if v.Text == "" {
			w.refuse("value", "empty-value", "must not be empty", "不能为空")
			return
		}
		w.refuse("value", "bad-format", "not a valid "+f.datatype, "不是有效的 "+f.datatype)
		return
	}
	if f.codes != nil && !f.codes[v.Text] {
		w.refuse("code-invalid", "unknown-code", "code is not in "+f.binding, "代码不在规定的值集内："+f.binding)
		return
	}
	if f.datatype == "xhtml" {
		w.narrative(v.Text)
	}
}

// bound checks a Coding, CodeableConcept or Quantity against a required value set.
func (w *walk) bound(v *fhir.Node, f *field) {
	ok := true
	switch f.datatype {
	case "Coding":
		ok = v.Child("code") == nil || has(v, f)
	case "CodeableConcept":
		ok = v.Child("coding") == nil && v.Child("extension") != nil
		for _, c := range v.All("coding") {
			ok = ok || has(c, f)
		}
	case "Quantity", "Duration":
		ok = v.Child("code") == nil || has(v, f)
	}
	if !ok {
		w.refuse("code-invalid", "unknown-code", "no code of "+f.binding, "没有使用规定值集内的代码："+f.binding)
	}
}

func has(coding *fhir.Node, f *field) bool {
	code := coding.Str("code")
	if !f.codes[code] {
		return false
	}
	in, _ := spec.HasCode(f.binding, coding.Str("system"), code)
	return in
}
