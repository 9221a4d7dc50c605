package fhirpath

import (
	"errors"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// ErrSteps says that an evaluation was stopped because it was too much work.
var ErrSteps = errors.New("fhirpath: the evaluation takes too many steps")

// run is one evaluation.
type run struct {
	env     *Env
	steps   int
	depth   int
	context Collection // %context
	this    Collection // $this
	index   int        // $index
	total   Collection // $total
	vars    *defined
	now     *moment
}

// defined is a variable of defineVariable().
type defined struct {
	name  string
	value Collection
	next  *defined
}

func (r *run) spend(n int) error {
	if r.steps -= n; r.steps < 0 {
		return ErrSteps
	}
	return nil
}

// arg evaluates an argument in the context that the call stands in.
func (r *run) arg(c *call, n int) (Collection, error) {
	vars := r.vars
	out, err := c.args[n].eval(r, r.this)
	r.vars = vars
	return out, err
}

// each evaluates an argument with every item as $this; f says whether to go on.
func (r *run) each(c *call, n int, in Collection, f func(i int, out Collection) (bool, error)) error {
	this, index, vars := r.this, r.index, r.vars
	defer func() { r.this, r.index, r.vars = this, index, vars }()
	for i := range in {
		if err := r.spend(1); err != nil {
			return err
		}
		r.this, r.index, r.vars = in[i:i+1:i+1], i, vars
		out, err := c.args[n].eval(r, r.this)
		if err != nil {
			return err
		}
		if more, err := f(i, out); err != nil || !more {
			return err
		}
	}
	return nil
}

func (l *literal) eval(r *run, in Collection) (Collection, error) { return l.c, r.spend(1) }

func (m *member) eval(r *run, in Collection) (Collection, error) {
	if err := r.spend(1 + len(in)); err != nil {
		return nil, err
	}
	if m.first && len(in) > 0 && m.name[0] >= 'A' && m.name[0] <= 'Z' {
		if all := in.ofName(m.name); all != nil {
			return all, nil
		}
	}
	var out Collection
	for i := range in {
		out = step(&in[i], m.name, out)
	}
	return out, r.spend(len(out))
}

// ofName returns c when every item is of the named type, as Patient in Patient.name.
func (c Collection) ofName(name string) Collection {
	for _, i := range c {
		if !i.IsA(name) {
			return nil
		}
	}
	return c
}

func (c *chain) eval(r *run, in Collection) (Collection, error) {
	left, err := c.left.eval(r, in)
	if err != nil {
		return nil, err
	}
	return c.right.eval(r, left)
}

func (x *indexer) eval(r *run, in Collection) (Collection, error) {
	of, err := x.of.eval(r, in)
	if err != nil {
		return nil, err
	}
	vars := r.vars
	n, err := x.index.eval(r, r.this)
	r.vars = vars
	if err != nil || len(n) == 0 {
		return nil, err
	}
	i, ok := n[0].Int()
	if !ok || len(n) > 1 {
		return nil, fail(-1, "an index is one integer")
	}
	if i < 0 || i >= int64(len(of)) {
		return nil, nil
	}
	return of[i : i+1 : i+1], nil
}

func (p *polarity) eval(r *run, in Collection) (Collection, error) {
	c, err := p.of.eval(r, in)
	if err != nil || len(c) == 0 {
		return nil, err
	}
	if len(c) > 1 {
		return nil, fail(p.at, "- is applied to one item, not %d", len(c))
	}
	switch v := c[0].system().(type) {
	case int64:
		return one(Integer(-v)), nil
	case decimal:
		return one(v.neg().item()), nil
	case *quantity:
		return one((&quantity{v.value.neg(), v.unit, v.calendar}).item()), nil
	}
	return nil, fail(p.at, "- is applied to a number or quantity, not to %s", c[0].Type())
}

func (b *binary) eval(r *run, in Collection) (Collection, error) {
	if err := r.spend(1); err != nil {
		return nil, err
	}
	vars := r.vars
	left, err := b.left.eval(r, in)
	r.vars = vars
	if err != nil {
		return nil, err
	}
	right, err := b.right.eval(r, in)
	r.vars = vars
	if err != nil {
		return nil, err
	}
	return b.apply(r, b.at, left, right)
}

func (l *logic) eval(r *run, in Collection) (Collection, error) {
	if err := r.spend(1); err != nil {
		return nil, err
	}
	a, knownA, err := l.operand(r, in, l.left)
	if err != nil {
		return nil, err
	}
	switch {
	case !knownA:
	case l.op == "and" && !a:
		return no, nil
	case l.op == "or" && a, l.op == "implies" && !a:
		return yes, nil
	}
	b, knownB, err := l.operand(r, in, l.right)
	if err != nil {
		return nil, err
	}
	switch l.op {
	case "and":
		if knownB && !b {
			return no, nil
		}
		if knownA && knownB {
			return yes, nil
		}
	case "or":
		if knownB && b {
			return yes, nil
		}
		if knownA && knownB {
			return no, nil
		}
	case "xor":
		if knownA && knownB {
			return truth(a != b), nil
		}
	case "implies":
		if knownB && b {
			return yes, nil
		}
		if knownA && knownB {
			return no, nil
		}
	}
	return nil, nil
}

func (l *logic) operand(r *run, in Collection, n node) (value, known bool, err error) {
	vars := r.vars
	c, err := n.eval(r, in)
	r.vars = vars
	if err != nil {
		return false, false, err
	}
	if len(c) > 1 {
		return false, false, fail(l.at, "%s wants one boolean on each side, not %d items", l.op, len(c))
	}
	value, known = c.Bool()
	return value, known, nil
}

func (t *typeTest) eval(r *run, in Collection) (Collection, error) {
	c, err := t.of.eval(r, in)
	if err != nil {
		return nil, err
	}
	if t.as {
		return r.as(t.at, c, t.want)
	}
	return is(t.at, c, t.want)
}

func is(at int, c Collection, want *kind) (Collection, error) {
	if len(c) > 1 {
		return nil, fail(at, "is wants one item, not %d", len(c))
	}
	if len(c) == 0 {
		return nil, nil
	}
	return truth(c[0].is(want)), nil
}

func (i Item) is(want *kind) bool {
	return i.typ.isA(want) || i.typ == systemQuantity && want.name == "Quantity"
}

// exactly is the test of as and ofType: a primitive only as itself, a code is no string there.
func (i Item) exactly(want *kind) bool {
	if i.typ.primitive {
		return i.typ.name == want.name && !want.system || want.name == "Element" && !want.system
	}
	return i.is(want)
}

func (r *run) as(at int, c Collection, want *kind) (Collection, error) {
	if len(c) > 1 && !r.env.Lenient {
		return nil, fail(at, "as wants one item, not %d", len(c))
	}
	return ofType(c, want), nil
}

func ofType(c Collection, want *kind) Collection {
	if len(c) == 1 {
		if c[0].exactly(want) {
			return c
		}
		return nil
	}
	var out Collection
	for _, i := range c {
		if i.exactly(want) {
			out = append(out, i)
		}
	}
	return out
}

func (s *special_) eval(r *run, in Collection) (Collection, error) {
	switch s.name {
	case "this":
		return r.this, nil
	case "index":
		return one(Integer(int64(r.index))), nil
	}
	return r.total, nil
}

var constants = map[string]string{"sct": "http://snomed.info/sct", "loinc": "http://loinc.org", "ucum": "http://unitsofmeasure.org"}

func (e *external) eval(r *run, in Collection) (Collection, error) {
	for v := r.vars; v != nil; v = v.next {
		if v.name == e.name {
			return v.value, nil
		}
	}
	if c, ok := r.env.Vars[e.name]; ok {
		return c, nil
	}
	switch e.name {
	case "context":
		return r.context, nil
	case "resource":
		return item(r.resource()), nil
	case "rootResource":
		return item(r.root()), nil
	}
	if s := constants[e.name]; s != "" {
		return one(Text(s)), nil
	}
	if s, ok := strings.CutPrefix(e.name, "vs-"); ok {
		return one(Text("http://hl7.org/fhir/ValueSet/" + s)), nil
	}
	if s, ok := strings.CutPrefix(e.name, "ext-"); ok {
		return one(Text("http://hl7.org/fhir/StructureDefinition/" + s)), nil
	}
	return nil, fail(e.at, "unknown variable %%%s", clip(e.name))
}

func item(i Item) Collection {
	if i.IsZero() {
		return nil
	}
	return one(i)
}

func (r *run) resource() Item {
	if !r.env.Resource.IsZero() {
		return r.env.Resource
	}
	if len(r.context) == 0 {
		return Item{}
	}
	return r.context[0].resource()
}

func (r *run) root() Item {
	if !r.env.Root.IsZero() {
		return r.env.Root
	}
	i := r.resource()
	if i.field != nil && i.field.name == "contained" {
		if above, ok := i.Parent(); ok {
			return above.resource()
		}
	}
	return i
}

func (r *run) clock() *moment {
	if r.now == nil {
		t := r.env.Now
		if t.IsZero() {
			t = time.Now()
		}
		if r.env.Zone != nil {
			t = t.In(r.env.Zone)
		}
		r.now = fromTime(t)
	}
	return r.now
}

func (c *call) eval(r *run, in Collection) (Collection, error) {
	if err := r.spend(1 + len(in)/8); err != nil {
		return nil, err
	}
	if r.depth++; r.depth > 8*MaxNesting {
		return nil, ErrSteps
	}
	out, err := c.fn.eval(r, c, in)
	r.depth--
	if f, ok := err.(*Error); ok && f.At < 0 {
		f.At = c.at
	}
	return out, err
}

// step appends the members of i by that name.
func step(i *Item, name string, out Collection) Collection {
	if i.typ == nil {
		return out
	}
	if c, ok := i.value.(*class); ok {
		return c.member(name, out)
	}
	n := i.node
	if i.typ.primitive {
		n = i.beside
	}
	if n == nil || n.Kind != fhir.Object {
		return out
	}
	f := i.typ.fields[name]
	switch {
	case f == nil && !i.typ.open:
		return out
	case f == nil:
		f = &field{name: name, json: name, companion: "_" + name}
	case f.types != nil:
		for m := range n.Members {
			mine := n.Members[m].Name
			beside := mine != "" && mine[0] == '_'
			if beside {
				mine = mine[1:]
			}
			if g := i.typ.json[mine]; g != nil && g.name == name {
				if !beside {
					return emit(i, g, n.Members[m].Value, child(n, g.companion), out)
				}
				return emit(i, g, n.Child(mine), n.Members[m].Value, out)
			}
		}
		return out
	}
	return emit(i, f, n.Child(f.json), child(n, f.companion), out)
}

func child(n *fhir.Node, name string) *fhir.Node {
	if name == "" {
		return nil
	}
	return n.Child(name)
}

// emit appends the values of one field with their companions.
func emit(parent *Item, f *field, v, beside *fhir.Node, out Collection) Collection {
	if v == nil && beside == nil {
		return out
	}
	p := &place{*parent}
	if v != nil && v.Kind == fhir.Array || beside != nil && beside.Kind == fhir.Array {
		count := 0
		if v != nil {
			count = len(v.Items)
		}
		if beside != nil {
			count = max(count, len(beside.Items))
		}
		if cap(out)-len(out) < count {
			grown := make(Collection, len(out), len(out)+count)
			copy(grown, out)
			out = grown
		}
		for n := range count {
			out = emitOne(p, f, at(v, n), at(beside, n), int32(n), out)
		}
		return out
	}
	return emitOne(p, f, v, beside, -1, out)
}

func at(n *fhir.Node, i int) *fhir.Node {
	if n == nil || i >= len(n.Items) || n.Items[i].Kind == fhir.Null {
		return nil
	}
	return n.Items[i]
}

func emitOne(p *place, f *field, v, beside *fhir.Node, index int32, out Collection) Collection {
	if v != nil && v.Kind == fhir.Null {
		v = nil
	}
	if v == nil && beside == nil {
		return out
	}
	k := f.kind
	switch {
	case k == nil:
		k = guess(v)
	case k.name == "Resource" && v != nil:
		k = resourceKind(v)
	}
	return append(out, Item{typ: k, node: v, beside: beside, within: p, field: f, index: index})
}

// guess is the kind of a value whose place no definition knows.
func guess(v *fhir.Node) *kind {
	if v != nil {
		switch v.Kind {
		case fhir.Bool:
			return kindOf("boolean")
		case fhir.Number:
			return kindOf("decimal")
		case fhir.Object:
			if v.Child("resourceType") != nil {
				return resourceKind(v)
			}
			return &kind{open: true}
		}
	}
	return kindOf("string")
}

// children appends all members of i.
func children(i *Item, out Collection) Collection {
	if i.typ == nil || i.value != nil {
		return out
	}
	n := i.node
	if i.typ.primitive {
		n = i.beside
	}
	if n == nil || n.Kind != fhir.Object {
		return out
	}
	for m := range n.Members {
		name := n.Members[m].Name
		if name == "resourceType" && i.typ.resource || name == "" {
			continue
		}
		beside := name[0] == '_'
		if beside {
			name = name[1:]
			if n.Child(name) != nil {
				continue
			}
		}
		f := i.typ.json[name]
		if f == nil {
			if !i.typ.open {
				continue
			}
			f = &field{name: name, json: name, companion: "_" + name}
		}
		if beside {
			out = emit(i, f, nil, n.Members[m].Value, out)
		} else {
			out = emit(i, f, n.Members[m].Value, child(n, f.companion), out)
		}
	}
	return out
}
