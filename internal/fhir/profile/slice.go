package profile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// step is one part of a discriminator's path: FHIRPath cut down to what slicing allows.
type step struct {
	do  string // "child", "extension", "resolve", "ofType"
	arg string
}

var errPath = errors.New("not a path of a discriminator")

// parsePath reads $this, code.coding, extension('url').value, value.ofType(Quantity), resolve().code.
func parsePath(s string) ([]step, error) {
	var steps []step
	if s == "" || len(s) > 500 {
		return nil, errPath
	}
	for s != "" {
		end := strings.IndexAny(s, ".(")
		if end < 0 {
			end = len(s)
		}
		name := s[:end]
		if end < len(s) && s[end] == '(' {
			closing := strings.IndexByte(s[end:], ')')
			if q := s[end+1:]; q != "" && (q[0] == '\'' || q[0] == '"') { // a URL may hold brackets
				if i := strings.IndexByte(q[1:], q[0]); i >= 0 {
					if j := strings.IndexByte(q[1+i:], ')'); j >= 0 {
						closing = 1 + 1 + i + j
					}
				}
			}
			if closing < 0 {
				return nil, errPath
			}
			arg := strings.Trim(s[end+1:end+closing], " '\"")
			switch name {
			case "extension":
				steps = append(steps, step{"extension", arg})
			case "resolve":
				steps = append(steps, step{"resolve", ""})
			case "ofType", "as":
				steps = append(steps, step{"ofType", strings.TrimPrefix(arg, "FHIR.")})
			default:
				return nil, errPath
			}
			end += closing + 1
		} else if name != "$this" {
			if name == "" || strings.ContainsAny(name, " '\"|=+<>") {
				return nil, errPath
			}
			steps = append(steps, step{"child", name})
		}
		if end == len(s) {
			return steps, nil
		}
		if s[end] != '.' || end+1 == len(s) {
			return nil, errPath
		}
		s = s[end+1:]
	}
	return steps, nil
}

// follow finds the values at a path.
func (c *checker) follow(from []value, steps []step) []value {
	for _, s := range steps {
		var next []value
		for _, v := range from {
			c.steps++
			switch s.do {
			case "child":
				if k := v.children(s.arg); k != nil {
					next = append(next, k...)
				} else {
					next = append(next, v.children(s.arg+"[x]")...)
				}
			case "extension":
				for _, x := range v.children("extension") {
					if x.n.Str("url") == s.arg {
						next = append(next, x)
					}
				}
			case "ofType":
				if isA(v.typ, s.arg) {
					next = append(next, v)
				}
			case "resolve":
				if t, ok := c.target(v); ok {
					next = append(next, t)
				}
			}
		}
		from = next
	}
	return from
}

// target is the resource that a reference names; one that cannot be read has its type at best.
func (c *checker) target(v value) (value, bool) {
	ref := v.text()
	if v.typ == "Reference" {
		ref = v.n.Str("reference")
	}
	if n := c.resolve(ref); n != nil {
		t := whole(n, nil)
		t.place = v.place
		return t, true
	}
	typ := ""
	if r, ok := fhir.ParseReference(ref); ok && !r.Contained {
		typ = r.Type
	}
	if typ == "" && v.typ == "Reference" {
		typ = v.n.Str("type")
	}
	if !spec.IsResource(typ) {
		return value{}, false
	}
	return value{typ: typ, place: v.place}, true
}

// ruled finds the rules at a path within a slice: its own and those of the profiles of its types.
func (c *checker) ruled(from []*rule, steps []step) []*rule {
	from = c.withProfiles(from)
	for _, s := range steps {
		var next []*rule
		for _, r := range from {
			switch s.do {
			case "child":
				next = append(next, must(r.child(s.arg))...)
				next = append(next, must(r.child(s.arg+"[x]"))...)
			case "extension":
				extensions := r.child("extension")
				if extensions == nil {
					continue
				}
				for _, x := range extensions.slices {
					if url := x.child("url"); url != nil && url.fixed != nil && url.fixed.Text == s.arg || x.names(s.arg) {
						next = append(next, x)
					}
				}
			case "ofType":
				if len(r.types) == 0 || r.allows(s.arg) {
					next = append(next, r)
				}
			case "resolve":
				for _, t := range r.types {
					for _, canonical := range t.targets {
						if p := c.profile(canonical); p != nil {
							next = append(next, p.root)
						} else if base := baseName(canonical); base != "" {
							next = append(next, &rule{name: base, id: base, max: -1})
						}
					}
				}
			}
		}
		from = c.withProfiles(next)
	}
	return from
}

func (c *checker) withProfiles(from []*rule) []*rule {
	out := from
	for _, r := range from {
		for _, t := range r.types {
			for _, canonical := range t.profiles {
				if p := c.profile(canonical); p != nil && p.root != r {
					out = append(out[:len(out):len(out)], p.root)
				}
			}
		}
	}
	return out
}

// must is a rule with those of its slices that have to be there.
func must(r *rule) []*rule {
	if r == nil {
		return nil
	}
	out := []*rule{r}
	for _, s := range r.slices {
		if s.min > 0 || strings.HasSuffix(s.name, "[x]") && len(r.slices) == 1 {
			out = append(out, s)
		}
	}
	return out
}

func (r *rule) names(url string) bool {
	for _, t := range r.types {
		for _, p := range t.profiles {
			if bare, _, _ := strings.Cut(p, "|"); bare == url {
				return true
			}
		}
	}
	return false
}

func (r *rule) allows(typ string) bool {
	for _, t := range r.types {
		if isA(typ, t.code) {
			return true
		}
	}
	return false
}

// belongs reports whether a value is of the slice s of r; clear is false when nothing tells the slice apart.
func (c *checker) belongs(r, s *rule, v value) (in, clear bool) {
	for _, d := range r.slicing.discriminators {
		yes, known := c.discriminate(d, s, v)
		if known {
			clear = true
			if !yes {
				return false, true
			}
		}
	}
	return clear, clear
}

func (c *checker) discriminate(d discriminator, s *rule, v value) (yes, known bool) {
	c.steps++
	switch d.kind {
	case "value", "pattern":
		rules := c.ruled([]*rule{s}, d.steps)
		values := c.follow([]value{v}, d.steps)
		for _, q := range rules {
			if !c.tells(q, 0) {
				continue
			}
			known = true
			found := false
			for _, w := range values {
				if c.meets(q, w, 0) {
					found = true
					break
				}
			}
			if !found {
				return false, true
			}
		}
		if !known && len(d.steps) == 1 && d.steps[0].arg == "url" { // an extension is told by its definition's address
			for _, t := range s.types {
				for _, p := range t.profiles {
					bare, _, _ := strings.Cut(p, "|")
					return v.n.Str("url") == bare, true
				}
			}
		}
		return known, known
	case "exists":
		values := c.follow([]value{v}, d.steps)
		for _, q := range c.ruled([]*rule{s}, d.steps) {
			if q.max == 0 {
				return len(values) == 0, true
			}
			if q.min > 0 {
				return len(values) > 0, true
			}
		}
		return false, false
	case "type":
		values := c.follow([]value{v}, d.steps)
		for _, q := range c.ruled([]*rule{s}, d.steps) {
			if spec.IsResource(q.name) && !strings.Contains(q.id, ".") { // a profile's root, or a resource that is referred to
				known = true
				for _, w := range values {
					yes = yes || w.typ == q.name
				}
				continue
			}
			if len(q.types) == 0 {
				continue
			}
			known = true
			for _, w := range values {
				yes = yes || q.allows(w.typ)
			}
		}
		return yes, known
	case "profile":
		values := c.follow([]value{v}, d.steps)
		last := len(d.steps) - 1
		resolves := last >= 0 && d.steps[last].do == "resolve"
		before := d.steps
		if resolves {
			before = d.steps[:last]
		}
		for _, q := range c.ruled([]*rule{s}, before) {
			for _, t := range q.types {
				list := t.profiles
				if resolves {
					list = t.targets
				}
				for _, canonical := range list {
					known = true
					for _, w := range values {
						if ok, sure := c.conforms(canonical, w); ok && sure {
							return true, true
						}
					}
				}
			}
		}
		return false, known
	}
	return false, false
}

// tells reports whether a rule fixes something that values can be told by.
func (c *checker) tells(q *rule, depth int) bool {
	if q.fixed != nil || q.pattern != nil || q.binding != nil && q.binding.strength == "required" {
		return true
	}
	if depth > 4 {
		return false
	}
	for _, k := range q.children {
		for _, x := range must(k) {
			if c.tells(x, depth+1) {
				return true
			}
		}
	}
	return false
}

// meets reports whether a value is as a rule fixes it.
func (c *checker) meets(q *rule, v value, depth int) bool {
	c.steps++
	if q.fixed != nil && !equal(v.n, q.fixed) || q.pattern != nil && !fits(v.n, q.pattern) {
		return false
	}
	if q.fixed == nil && q.pattern == nil && q.binding != nil && q.binding.strength == "required" {
		if in, known := c.coded(v, q.binding.set); known && !in {
			return false
		}
	}
	if depth > 4 || v.n == nil {
		return true
	}
	for _, k := range q.children {
		for _, x := range must(k) {
			if !c.tells(x, depth+1) {
				continue
			}
			found := false
			for _, w := range v.children(k.name) {
				if c.meets(x, w, depth+1) {
					found = true
					break
				}
			}
			if !found {
				return false
			}
		}
	}
	return true
}

// slices sorts the values of an element into the slices of a rule and checks each.
func (c *checker) slices(p *Profile, r *rule, at *place, values []value) {
	counts := make([]int, len(r.slices))
	lastSlice, outside := -1, false
	rest := -1
	for i, s := range r.slices {
		if s.slice == "@default" {
			rest = i
		}
	}
	if r.slicing == nil || len(r.slicing.discriminators) == 0 {
		return // Notes of the profile say so
	}
	for _, v := range values {
		in := -1
		for i, s := range r.slices {
			if i == rest {
				continue
			}
			yes, clear := c.belongs(r, s, v)
			if yes {
				in = i
				break
			}
			if !clear {
				c.once("untold "+p.URL+" "+s.id, at, "warning", "not-supported", "slice-untold", "nothing tells the slice "+s.slice+" apart ("+p.title()+")", "切片 "+s.slice+" 没有可供区分的内容（"+p.title()+"）")
			}
		}
		if in < 0 {
			in = rest
		}
		if c.spent() {
			return
		}
		if in < 0 {
			outside = true
			if r.slicing.rules == "closed" {
				c.report(v.place, "error", "structure", "slice-closed", fmt.Sprintf("matches none of the slices that are allowed here (%s)", p.title()), "不属于此处允许的任何切片（"+p.title()+"）")
			}
			continue
		}
		if outside && r.slicing.rules == "openAtEnd" {
			c.report(v.place, "error", "structure", "slice-order", fmt.Sprintf("items outside of the slices stand at the end only (%s)", p.title()), "切片以外的内容只能放在最后（"+p.title()+"）")
		}
		if r.slicing.ordered && in < lastSlice {
			c.report(v.place, "error", "structure", "slice-order", fmt.Sprintf("slice %s is out of order (%s)", r.slices[in].slice, p.title()), "切片顺序不正确："+r.slices[in].slice+"（"+p.title()+"）")
		}
		lastSlice = max(lastSlice, in)
		counts[in]++
		c.apply(p, r.slices[in], v)
		if s := r.slices[in]; len(s.slices) > 0 {
			continue // counted below with its own
		}
	}
	for i, s := range r.slices {
		c.count(p, s, at, counts[i])
		if len(s.slices) > 0 {
			var mine []value
			for _, v := range values {
				if yes, _ := c.belongs(r, s, v); yes {
					mine = append(mine, v)
				}
			}
			inner := *s
			if inner.slicing == nil {
				inner.slicing = r.slicing
			}
			c.slices(p, &inner, at, mine)
		}
	}
}

// conforms checks a value against a profile without saying anything; sure is false when the profile is not known.
func (c *checker) conforms(canonical string, v value) (ok, sure bool) {
	if base := baseName(canonical); base != "" {
		if base == "SimpleQuantity" && v.n.Child("comparator") != nil {
			return false, true
		}
		return isA(v.typ, base), true
	}
	p := c.profile(canonical)
	if p == nil {
		return false, false
	}
	if !isA(v.typ, p.Type) {
		return false, true
	}
	if v.n == nil && v.beside == nil {
		return true, false
	}
	if c.depth >= maxConforms {
		return true, false
	}
	key := judgement{v.n, p}
	if known, done := c.judged[key]; done {
		return known, true
	}
	c.judged[key] = true // what leads back here does not decide
	keep := *c
	c.issues, c.visited, c.failed, c.fault = nil, map[visit]bool{}, false, ""
	c.depth++
	c.quiet = true
	if spec.IsResource(v.typ) {
		c.here = c.inside(v.n)
	}
	c.apply(p, p.root, v)
	ok, fault := !c.failed, c.fault
	c.issues, c.visited, c.failed, c.fault, c.depth, c.quiet, c.here = keep.issues, keep.visited, keep.failed, keep.fault, keep.depth, keep.quiet, keep.here
	c.judged[key] = ok
	if !ok {
		c.faults[key] = fault
	}
	return ok, true
}
