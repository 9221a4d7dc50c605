package index

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// program is the search parameters of one resource type, merged into one tree of element
// names, so that one walk over a resource finds them all.
type program struct {
	root    *branch
	skipped []string // codes of parameters that are not compiled, with the reason
}

// branch is one element; an array passes through it item by item.
type branch struct {
	next  map[string]*branch
	few   []named   // the same, where there are few of them
	when  []guarded // the same element, where a child of it has a certain value
	takes []take
}

type named struct {
	name string
	*branch
}

type guarded struct {
	child, value string
	*branch
}

// take turns the element at hand into entries of one parameter.
type take struct {
	param  *spec.Param
	do     func(x *walk, t *take, n *fhir.Node)
	target string // where(resolve() is X)
	system string // of a code: what its binding implies
	only   string // datatype of the element
	parts  []part // of a composite
}

var programs sync.Map // resource type → *program

func programOf(resourceType string) *program {
	if p, ok := programs.Load(resourceType); ok {
		return p.(*program)
	}
	p := &program{root: &branch{}}
	for _, param := range spec.Params(resourceType) {
		if err := p.add(param); err != nil {
			p.skipped = append(p.skipped, param.Code+": "+err.Error())
		}
	}
	p.root.prune()
	got, _ := programs.LoadOrStore(resourceType, p)
	return got.(*program)
}

// place is a branch together with the FHIR type of what stands there.
type place struct {
	*branch
	typ    string // "Patient", "Patient.contact", "CodeableConcept", "code", …
	system string
}

func (p *program) add(param *spec.Param) error {
	switch {
	case param.Code == "_id" || param.Code == "_lastUpdated":
		return fmt.Errorf("kept by the store itself")
	case param.Type == spec.Special:
		return fmt.Errorf("special parameters have no rows here")
	}
	if do := ownWay[param.Base+"."+param.Code]; do != nil {
		p.root.takes = append(p.root.takes, take{param: param, do: do})
		return nil
	}
	for path := range strings.SplitSeq(param.Expression, " | ") {
		steps, err := stepsOf(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if steps[0] != param.Base && steps[0] != "Resource" && steps[0] != "DomainResource" {
			return fmt.Errorf("%s: starts with %s", path, steps[0])
		}
		at, target, err := follow(place{branch: p.root, typ: param.Base}, steps[1:])
		if err == nil && param.Type == spec.Composite {
			err = joinAt(at, param)
		} else if err == nil {
			err = hang(at, param, target)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// stepsOf cuts A.b.c, (A.b as T), A.b.as(T), A.b.where(x='y').c, A.b.where(resolve() is T), (A.b as T).c.
func stepsOf(path string) ([]string, error) {
	path = strings.TrimSpace(path)
	if rest, ok := strings.CutPrefix(path, "("); ok { // (A.b as T).c → A.b.as(T).c
		inner, tail, closed := strings.Cut(rest, ")")
		base, typ, isAs := strings.Cut(inner, " as ")
		if !closed || !isAs {
			return nil, fmt.Errorf("not understood")
		}
		path = base + ".as(" + typ + ")" + tail
	}
	return splitPath(path), nil
}

// follow makes the branches of a path; target is that of where(resolve() is X).
func follow(from place, steps []string) (at []place, target string, err error) {
	at = []place{from}
	for _, step := range steps {
		name, arg, call := strings.Cut(strings.TrimSuffix(step, ")"), "(")
		switch {
		case !call:
			at = children(at, name)
		case name == "as":
			at = slices.DeleteFunc(at, func(x place) bool { return x.typ != arg })
		case name == "where" && strings.HasPrefix(arg, "resolve() is "):
			target = arg[len("resolve() is "):]
		case name == "where":
			field, value, ok := strings.Cut(arg, "='")
			if !ok {
				return nil, "", fmt.Errorf("where(%s) is not understood", arg)
			}
			for i := range at {
				at[i].branch = at[i].guard(field, strings.TrimSuffix(value, "'"))
			}
		default:
			return nil, "", fmt.Errorf("%s is not understood", step)
		}
		if len(at) == 0 {
			return nil, "", fmt.Errorf("no element for %s", step)
		}
	}
	return at, target, nil
}

// hang lets the elements at these places become entries of a parameter.
func hang(at []place, param *spec.Param, target string) error {
	for _, x := range at {
		do := taker(param, x.typ)
		if do == nil {
			if len(at) > 1 { // one type of a choice that this parameter cannot use
				continue
			}
			return fmt.Errorf("no way from %s to parameter type %d", x.typ, param.Type)
		}
		x.takes = append(x.takes, take{param: param, do: do, target: target, system: x.system, only: x.typ})
	}
	return nil
}

// splitPath splits at dots outside of parentheses.
func splitPath(path string) []string {
	var r []string
	depth, start := 0, 0
	for i := range len(path) {
		switch path[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '.':
			if depth == 0 {
				r = append(r, path[start:i])
				start = i + 1
			}
		}
	}
	return append(r, path[start:])
}

func children(at []place, name string) []place {
	var r []place
	for _, x := range at {
		for _, e := range spec.Elements(x.typ) {
			if e.Name != name && e.Choice != name+"[x]" {
				continue
			}
			typ := e.Types[0]
			if _, path, nested := strings.Cut(typ, ":"); nested {
				typ = path
			}
			r = append(r, place{branch: x.child(e.Name), typ: typ, system: spec.SystemOf(e.Required)})
		}
	}
	return r
}

func (b *branch) child(name string) *branch {
	if b.next[name] == nil {
		if b.next == nil {
			b.next = map[string]*branch{}
		}
		b.next[name] = &branch{}
	}
	return b.next[name]
}

func (b *branch) guard(child, value string) *branch {
	for _, g := range b.when {
		if g.child == child && g.value == value {
			return g.branch
		}
	}
	g := &branch{}
	b.when = append(b.when, guarded{child, value, g})
	return g
}

// prune drops what leads to no take.
func (b *branch) prune() (empty bool) {
	for name, c := range b.next {
		if c.prune() {
			delete(b.next, name)
		}
	}
	b.when = slices.DeleteFunc(b.when, func(g guarded) bool { return g.prune() })
	if b.few = nil; len(b.next) <= 3 {
		for name, c := range b.next {
			b.few = append(b.few, named{name, c})
		}
		slices.SortFunc(b.few, func(x, y named) int { return strings.Compare(x.name, y.name) })
	}
	return len(b.next)+len(b.when)+len(b.takes) == 0
}
