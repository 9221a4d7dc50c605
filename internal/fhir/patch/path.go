package patch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// stepsOfPath bounds the work that the path of one operation may cause.
const stepsOfPath = 50_000

// FHIRPath applies a FHIRPath Patch (Parameters of operations add, insert, delete, replace, move), all of it or nothing;
// doc stays as it is. Refusals are as those of JSON.
func FHIRPath(doc, parameters *fhir.Node) (*fhir.Node, error) {
	if parameters.Type() != "Parameters" {
		return nil, malformed("", "a FHIRPath Patch is a Parameters resource", "FHIRPath Patch 应为 Parameters 资源")
	}
	operations := parameters.All("parameter")
	if len(operations) > MaxOperations {
		return nil, malformed("", fmt.Sprintf("a patch has at most %d operations", MaxOperations), "补丁的操作过多")
	}
	p := &pathPatch{root: doc.Copy(), emptied: map[*fhir.Node]bool{}}
	for i, op := range operations {
		p.place = fmt.Sprintf("Parameters.parameter[%d]", i)
		if op.Str("name") != "operation" {
			return nil, malformed(p.place, "each parameter of a FHIRPath Patch is named operation", "参数名应为 operation")
		}
		if err := p.apply(op); err != nil {
			return nil, err
		}
	}
	if prune(p.root, p.emptied) {
		return nil, fails("patch-empties", "", "the patch leaves nothing of the resource", "补丁删除了全部内容")
	}
	return p.root, shallow(p.root)
}

type pathPatch struct {
	root    *fhir.Node
	emptied map[*fhir.Node]bool
	budget  budget
	place   string // of the operation
	path    string // of the operation, for messages
}

// given is a value of an operation.
type given struct {
	node, beside *fhir.Node // beside: id and extensions of a primitive
	kind         string     // "Quantity" of valueQuantity; "" for parts and resources
}

func (p *pathPatch) apply(op *fhir.Node) error {
	do, path := p.text(op, "type"), p.text(op, "path")
	if p.path = path; path == "" {
		return malformed(p.place, "an operation needs a path", "操作缺少 path")
	}
	switch do {
	case "add":
		return p.add(op, path)
	case "replace":
		return p.replace(op, path)
	case "delete":
		return p.delete(path)
	case "insert":
		return p.insert(op, path)
	case "move":
		return p.move(op, path)
	}
	return malformed(p.place, fmt.Sprintf("type %q is not one of add, insert, delete, replace, move", do), "不支持的操作")
}

// part is the named part of an operation, nil when absent.
func (p *pathPatch) part(op *fhir.Node, name string) *fhir.Node {
	for _, part := range op.All("part") {
		if part.Str("name") == name {
			return part
		}
	}
	return nil
}

func (p *pathPatch) text(op *fhir.Node, name string) string {
	part := p.part(op, name)
	if part == nil {
		return ""
	}
	for _, m := range part.Members {
		if strings.HasPrefix(m.Name, "value") {
			return m.Value.Text
		}
	}
	return ""
}

func (p *pathPatch) number(op *fhir.Node, name string, most int) (int, error) {
	text := p.text(op, name)
	n, err := strconv.Atoi(text)
	switch {
	case text == "" || err != nil:
		return 0, malformed(p.place, "the operation needs "+name+", an integer", "操作缺少 "+name)
	case n < 0 || n > most:
		return 0, fails("patch-path", p.place, fmt.Sprintf("%s %d is outside of the list: 0 to %d", name, n, most), "位置超出列表范围")
	}
	return n, nil
}

// find evaluates a path; what it names must be elements of the resource.
func (p *pathPatch) find(path string) ([]fhirpath.Item, error) {
	e, err := fhirpath.Compile(path)
	if err != nil {
		return nil, malformed(p.place, "the path is no FHIRPath: "+message(err), "path 不是有效的 FHIRPath")
	}
	items, err := e.Eval(&fhirpath.Env{Steps: stepsOfPath}, fhirpath.Of(p.root))
	if err != nil {
		return nil, fails("patch-path", p.place, "the path cannot be evaluated: "+message(err), "无法执行 path")
	}
	for _, item := range items {
		if item.Node() == nil && item.Companion() == nil {
			return nil, fails("patch-path", p.place, "the path computes a value; it must name elements", "path 应指向资源中的元素")
		}
	}
	return items, nil
}

func message(err error) string {
	var e *fhirpath.Error
	if errors.As(err, &e) {
		return e.Text
	}
	return err.Error()
}

// single finds the one element that a path names.
func (p *pathPatch) single(path string) (item fhirpath.Item, err error) {
	items, err := p.find(path)
	if err != nil {
		return item, err
	}
	if len(items) != 1 {
		return item, fails("patch-path", p.place, fmt.Sprintf("the path names %d elements; one is expected", len(items)), "path 应恰好指向一个元素")
	}
	return items[0], nil
}

// slot is a field of an element: where a value goes.
type slot struct {
	json string // property, "valueQuantity"
	typ  string // of the value: "HumanName", or "Patient.contact" of a backbone
	many bool
}

// field finds the field of a type that name means, for a value of some kind; choices are named without their type.
func (p *pathPatch) field(typ, name, kind string) (slot, error) {
	if name == "extension" || name == "modifierExtension" {
		return slot{name, "Extension", true}, nil
	}
	for _, e := range spec.Elements(typ) {
		if e.Name != name && (e.Choice == "" || strings.TrimSuffix(e.Choice, "[x]") != strings.TrimSuffix(name, "[x]") || e.Name != strings.TrimSuffix(e.Choice, "[x]")+kind) {
			continue
		}
		s := slot{json: e.Name, many: e.Max != 1}
		if len(e.Types) == 1 {
			s.typ = e.Types[0]
			if _, backbone, ok := strings.Cut(s.typ, ":"); ok {
				s.typ = backbone
			}
		}
		return s, nil
	}
	return slot{}, fails("patch-path", p.place, fmt.Sprintf("%s has no element %q for a value of this type", typ, name), "该类型没有这个元素，或值的类型不符")
}

// value reads the value of an operation; typ is that of its field, for values given in parts.
func (p *pathPatch) value(op *fhir.Node) (*fhir.Node, string, error) {
	part := p.part(op, "value")
	if part == nil {
		return nil, "", malformed(p.place, "the operation needs a value", "操作缺少 value")
	}
	for _, m := range part.Members {
		if kind, ok := strings.CutPrefix(strings.TrimPrefix(m.Name, "_"), "value"); ok && kind != "" {
			return part, kind, nil
		}
	}
	return part, "", nil
}

// make builds the value that a part gives for a field of type typ.
func (p *pathPatch) make(part *fhir.Node, typ string) (g given, err error) {
	for _, m := range part.Members {
		switch {
		case m.Name == "resource" || strings.HasPrefix(m.Name, "value"):
			if m.Value.Kind == fhir.Array || m.Value.Kind == fhir.Null {
				return g, malformed(p.place, "a value is not a list", "value 不能是数组")
			}
			if g.node, err = p.budget.copy(m.Value); err != nil {
				return g, err
			}
			g.kind = strings.TrimPrefix(m.Name, "value")
		case strings.HasPrefix(m.Name, "_value"):
			if g.beside, err = p.budget.copy(m.Value); err != nil {
				return g, err
			}
		}
	}
	if g.node != nil || g.beside != nil {
		return g, nil
	}
	parts := part.All("part")
	if len(parts) == 0 {
		return g, malformed(p.place, "the operation needs a value", "操作缺少 value")
	}
	g.node = &fhir.Node{Kind: fhir.Object}
	for _, inner := range parts {
		_, kind, err := p.value(fhir.Of(fhir.Obj{"part", fhir.Arr{renamed(inner)}}))
		if err != nil {
			return g, err
		}
		s, err := p.field(typ, inner.Str("name"), kind)
		if err != nil {
			return g, err
		}
		v, err := p.make(inner, s.typ)
		if err != nil {
			return g, err
		}
		if err := p.put(g.node, s, v); err != nil {
			return g, err
		}
	}
	return g, nil
}

// renamed is a part as if it were named value.
func renamed(part *fhir.Node) *fhir.Node {
	n := &fhir.Node{Kind: fhir.Object, Members: slices.Clone(part.Members)}
	n.Set("name", "value")
	return n
}

// put adds a value to a field of an object: at the end of a list, or where nothing stands yet.
func (p *pathPatch) put(o *fhir.Node, s slot, v given) error {
	if s.many {
		insertAt(o, s.json, len(o.All(s.json)), v)
		return nil
	}
	base := s.json
	if o.Child(base) != nil || o.Child("_"+base) != nil {
		return fails("patch-exists", p.place, fmt.Sprintf("%s is there already and does not repeat; use replace", base), "该元素已存在且不可重复，请使用 replace")
	}
	setBoth(o, base, v)
	return nil
}

func setBoth(o *fhir.Node, name string, v given) {
	for _, m := range []struct {
		name string
		node *fhir.Node
	}{{name, v.node}, {"_" + name, v.beside}} {
		if m.node == nil {
			o.Set(m.name, nil)
		} else {
			o.Set(m.name, m.node)
		}
	}
}

func (p *pathPatch) add(op *fhir.Node, path string) error {
	item, err := p.single(path)
	if err != nil {
		return err
	}
	part, kind, err := p.value(op)
	if err != nil {
		return err
	}
	name := p.text(op, "name")
	if name == "" {
		return malformed(p.place, "add needs a name", "add 操作缺少 name")
	}
	s, err := p.field(item.Type(), name, kind)
	if err != nil {
		return err
	}
	o := item.Node()
	if o == nil || o.Kind != fhir.Object {
		if name != "extension" {
			return fails("patch-path", p.place, "a primitive has no elements but extension", "基本类型只能添加 extension")
		}
		if o, err = p.companion(item); err != nil {
			return err
		}
	}
	v, err := p.make(part, s.typ)
	if err != nil {
		return err
	}
	if e := spec.Elements(item.Type()); !s.many {
		for _, other := range e { // of a choice only one stands
			if other.Name != s.json && other.Choice != "" && other.Choice == choiceOf(e, s.json) && (o.Child(other.Name) != nil || o.Child("_"+other.Name) != nil) {
				return fails("patch-exists", p.place, other.Name+" is there already; use replace", "该元素已存在，请使用 replace")
			}
		}
	}
	return p.put(o, s, v)
}

func choiceOf(elements []spec.Element, json string) string {
	for _, e := range elements {
		if e.Name == json {
			return e.Choice
		}
	}
	return ""
}

// companion finds or makes the object beside a primitive.
func (p *pathPatch) companion(item fhirpath.Item) (*fhir.Node, error) {
	if c := item.Companion(); c != nil && c.Kind == fhir.Object {
		return c, nil
	}
	o, err := p.parent(item)
	if err != nil {
		return nil, err
	}
	name, index := item.Member()
	fresh := &fhir.Node{Kind: fhir.Object}
	if index < 0 {
		o.Set("_"+name, fresh)
		return fresh, nil
	}
	list := pad(o, "_"+name, len(o.All(name)))
	list.Items[index] = fresh
	return fresh, nil
}

func (p *pathPatch) parent(item fhirpath.Item) (*fhir.Node, error) {
	above, ok := item.Parent()
	if !ok {
		return nil, fails("patch-path", p.place, "the whole resource cannot be replaced or deleted by a patch", "不能用补丁替换或删除整个资源")
	}
	o := above.Node()
	if o == nil || o.Kind != fhir.Object {
		o = above.Companion() // an extension of a primitive
	}
	if o == nil || o.Kind != fhir.Object {
		return nil, fails("patch-path", p.place, "the place cannot be changed", "无法修改该位置")
	}
	return o, nil
}

func (p *pathPatch) replace(op *fhir.Node, path string) error {
	item, err := p.single(path)
	if err != nil {
		return err
	}
	o, err := p.parent(item)
	if err != nil {
		return err
	}
	part, kind, err := p.value(op)
	if err != nil {
		return err
	}
	v, err := p.make(part, item.Type())
	if err != nil {
		return err
	}
	name, index := item.Member()
	if index >= 0 {
		replaceAt(o, name, index, v)
		return nil
	}
	above, _ := item.Parent()
	if choice := choiceOf(spec.Elements(above.Type()), name); choice != "" && kind != "" {
		s, err := p.field(above.Type(), choice, kind)
		if err != nil {
			return err
		}
		if s.json != name {
			setBoth(o, name, given{})
			name = s.json
		}
	}
	setBoth(o, name, v)
	return nil
}

func (p *pathPatch) delete(path string) error {
	items, err := p.find(path)
	if err != nil || len(items) == 0 {
		return err // what is not there need not be deleted
	}
	if len(items) > 1 {
		return fails("patch-path", p.place, fmt.Sprintf("the path names %d elements; one is expected", len(items)), "path 应恰好指向一个元素")
	}
	o, err := p.parent(items[0])
	if err != nil {
		return err
	}
	p.emptied[o] = true
	name, index := items[0].Member()
	if index < 0 {
		setBoth(o, name, given{})
		return nil
	}
	removeAt(o, name, index)
	return nil
}

// list finds the list that a path ends in, which may be empty: its object and field.
func (p *pathPatch) list(path, kind string) (*fhir.Node, slot, error) {
	cut, depth, quote := -1, 0, byte(0)
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '`' || c == '"':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == '.' && depth == 0:
			cut = i
		}
	}
	name, above := strings.TrimSpace(path[cut+1:]), "$this"
	if cut >= 0 {
		above = path[:cut]
	}
	name = strings.Trim(name, "`")
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return nil, slot{}, fails("patch-path", p.place, "the path of insert and move ends in the name of a list", "insert 与 move 的 path 应以列表元素名结尾")
	}
	item, err := p.single(above)
	if err != nil {
		return nil, slot{}, err
	}
	o := item.Node()
	if o == nil || o.Kind != fhir.Object {
		if o = item.Companion(); o == nil || o.Kind != fhir.Object {
			return nil, slot{}, fails("patch-path", p.place, "nothing can stand there", "该位置不能有元素")
		}
	}
	s, err := p.field(item.Type(), name, kind)
	if err != nil {
		return nil, s, err
	}
	if !s.many {
		return nil, s, fails("patch-path", p.place, name+" is no list", "该元素不是列表")
	}
	return o, s, nil
}

func (p *pathPatch) insert(op *fhir.Node, path string) error {
	part, kind, err := p.value(op)
	if err != nil {
		return err
	}
	o, s, err := p.list(path, kind)
	if err != nil {
		return err
	}
	at, err := p.number(op, "index", len(o.All(s.json)))
	if err != nil {
		return err
	}
	v, err := p.make(part, s.typ)
	if err != nil {
		return err
	}
	insertAt(o, s.json, at, v)
	return nil
}

func (p *pathPatch) move(op *fhir.Node, path string) error {
	o, s, err := p.list(path, "")
	if err != nil {
		return err
	}
	last := len(o.All(s.json)) - 1
	from, err := p.number(op, "source", last)
	if err != nil {
		return err
	}
	to, err := p.number(op, "destination", last)
	if err != nil {
		return err
	}
	v := removeAt(o, s.json, from)
	insertAt(o, s.json, to, v)
	return nil
}

// pad makes the array at name at least n long, by nulls.
func pad(o *fhir.Node, name string, n int) *fhir.Node {
	list := o.Child(name)
	if list == nil || list.Kind != fhir.Array {
		list = &fhir.Node{Kind: fhir.Array}
		o.Set(name, list)
	}
	for len(list.Items) < n {
		list.Items = append(list.Items, &fhir.Node{})
	}
	return list
}

// insertAt puts a value into a list of values and of what stands beside them, which keep step.
func insertAt(o *fhir.Node, name string, at int, v given) {
	values := o.Child(name)
	beside := o.Child("_" + name)
	n := max(count(values), count(beside))
	at = min(at, n)
	if v.node == nil {
		v.node = &fhir.Node{}
	}
	list := pad(o, name, n)
	list.Items = slices.Insert(list.Items, at, v.node)
	if beside == nil && v.beside == nil {
		return
	}
	if v.beside == nil {
		v.beside = &fhir.Node{}
	}
	other := pad(o, "_"+name, n)
	other.Items = slices.Insert(other.Items, at, v.beside)
}

// replaceAt puts a value in the place of another.
func replaceAt(o *fhir.Node, name string, at int, v given) {
	if v.node == nil {
		v.node = &fhir.Node{}
	}
	pad(o, name, at+1).Items[at] = v.node
	if v.beside != nil {
		pad(o, "_"+name, at+1).Items[at] = v.beside
	} else if list := o.Child("_" + name); list != nil && at < len(list.Items) {
		list.Items[at] = &fhir.Node{}
		if nothing(list) {
			o.Set("_"+name, nil)
		}
	}
}

func nothing(list *fhir.Node) bool {
	return !slices.ContainsFunc(list.Items, func(n *fhir.Node) bool { return n.Kind != fhir.Null })
}

func count(n *fhir.Node) int {
	if n == nil {
		return 0
	}
	return len(n.Items)
}

// removeAt takes a value out of both lists; a list of nothing goes.
func removeAt(o *fhir.Node, name string, at int) (v given) {
	take := func(name string) (taken *fhir.Node) {
		list := o.Child(name)
		if list == nil || list.Kind != fhir.Array {
			return nil
		}
		if at < len(list.Items) {
			taken = list.Items[at]
			list.Items = slices.Delete(list.Items, at, at+1)
		}
		if nothing(list) {
			o.Set(name, nil)
		}
		if taken != nil && taken.Kind == fhir.Null {
			return nil
		}
		return taken
	}
	v.node, v.beside = take(name), take("_"+name)
	return v
}
