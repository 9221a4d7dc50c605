package profile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Bounds of a definition.
const (
	maxElements = 10_000
	maxParents  = 16
)

// Compile makes a StructureDefinition ready. Its snapshot is used, or else its differential over the profile that
// it constrains, which parent finds (nil = R4 itself or unknown). A definition of a type or resource of
// R4 itself asks for nothing more than the type.
func Compile(definition *fhir.Node, parent func(canonical string) *Profile) (*Profile, error) {
	if definition.Type() != "StructureDefinition" {
		return nil, fmt.Errorf("profile: a StructureDefinition is wanted, not %s", definition.Type())
	}
	p := &Profile{URL: definition.Str("url"), Version: definition.Str("version"), Name: definition.Str("name"), Type: definition.Str("type")}
	if p.Type == "" {
		return nil, fmt.Errorf("profile: %s: the type is missing", p.URL)
	}
	p.Type = strings.TrimPrefix(p.Type, core)
	for _, c := range definition.All("context") {
		p.contexts = append(p.contexts, context{c.Str("type"), c.Str("expression")})
	}
	p.root = &rule{name: p.Type, id: p.Type, max: -1}
	if definition.Str("derivation") != "constraint" {
		if !spec.IsResource(p.Type) && len(spec.Elements(p.Type)) == 0 && !spec.IsPrimitive(p.Type) && definition.Str("kind") != "logical" {
			p.note("unknown-type", p.Type+" is no type of R4", p.Type+" 不是 R4 的类型")
		}
		return p, nil
	}
	if !spec.IsResource(p.Type) && len(spec.Elements(p.Type)) == 0 && !spec.IsPrimitive(p.Type) {
		p.note("unknown-type", p.Type+" is no type of R4", p.Type+" 不是 R4 的类型")
	}
	elements := definition.All("snapshot.element")
	snapshot := len(elements) > 0
	if !snapshot {
		elements = definition.All("differential.element")
		if base := definition.Str("baseDefinition"); base != "" && !isBase(base) {
			if up := parent(base); up != nil && up.Type == p.Type {
				p.root = up.root.copy()
				p.contexts = append(p.contexts, up.contexts...)
				p.Notes = append(p.Notes, up.Notes...)
			} else {
				p.note("parent-unknown", "the profile that this one constrains is not known here: "+base, "未找到所依据的规范："+base)
			}
		}
	}
	if len(elements) > maxElements {
		return nil, fmt.Errorf("profile: %s: more than %d elements", p.URL, maxElements)
	}
	b := builder{p: p, last: map[string]*rule{}}
	for _, e := range elements {
		b.element(e)
	}
	b.settle(p.root, p.Type)
	if snapshot {
		prune(p.root)
	}
	p.rules = p.root.count()
	return p, nil
}

func (p *Profile) note(detail, text, zh string) {
	if len(p.Notes) < 50 {
		p.Notes = append(p.Notes, fhir.Issue{Severity: "warning", Code: "not-supported", Detail: detail, Text: text, Zh: zh})
	}
}

// isBase reports whether a canonical names a type of R4 itself.
func isBase(canonical string) bool { return baseName(canonical) != "" }

func baseName(canonical string) string {
	url, _, _ := strings.Cut(canonical, "|")
	name, ok := strings.CutPrefix(url, core)
	if !ok || !(spec.IsResource(name) || spec.IsPrimitive(name) || len(spec.Elements(name)) > 0 || name == "Resource" || name == "DomainResource" || name == "BackboneElement" || isQuantity(name)) {
		return ""
	}
	return name
}

// isQuantity names the two profiles that R4's own types use; their one rule each is checked with R4's.
func isQuantity(name string) bool { return name == "SimpleQuantity" || name == "MoneyQuantity" }

func (r *rule) copy() *rule {
	c := *r
	c.types, c.invariants = slices.Clone(r.types), slices.Clone(r.invariants)
	c.children, c.slices = make([]*rule, len(r.children)), make([]*rule, len(r.slices))
	for i, x := range r.children {
		c.children[i] = x.copy()
	}
	for i, x := range r.slices {
		c.slices[i] = x.copy()
	}
	return &c
}

func (r *rule) count() int {
	n := 1
	for _, c := range r.children {
		n += c.count()
	}
	for _, c := range r.slices {
		n += c.count()
	}
	return n
}

// builder puts the elements of a definition into a tree.
type builder struct {
	p    *Profile
	last map[string]*rule // path → the rule that was last given for it
}

func (b *builder) element(e *fhir.Node) {
	path, slice := e.Str("path"), e.Str("sliceName")
	if path == "" || strings.Count(path, ".") > 40 {
		return
	}
	r := b.find(e.Str("id"), path, slice)
	b.last[path] = r
	b.fill(r, e, path)
}

// find makes or finds the rule of an element: by its id, or else by its path below the last rule of the parent's path.
func (b *builder) find(id, path, slice string) *rule {
	if id != "" && plainOf(id) == path {
		r := b.p.root
		segs := strings.Split(id, ".")
		if _, s, ok := strings.Cut(segs[0], ":"); ok && s != "" {
			return r // a sliced root means nothing
		}
		for _, seg := range segs[1:] {
			name, s, _ := strings.Cut(seg, ":")
			r = r.at(name, s)
		}
		if _, s, _ := strings.Cut(segs[len(segs)-1], ":"); s == "" && slice != "" && len(segs) > 1 {
			r = r.at("", slice)
		}
		return r
	}
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 {
		return b.p.root
	}
	up := b.last[path[:dot]]
	if up == nil {
		up = b.p.root
		for _, name := range strings.Split(path[:dot], ".")[1:] {
			up = up.at(name, "")
		}
	}
	return up.at(path[dot+1:], slice)
}

// plainOf is the path in an element's id.
func plainOf(id string) string {
	if strings.IndexByte(id, ':') < 0 {
		return id
	}
	segs := strings.Split(id, ".")
	for i, s := range segs {
		segs[i], _, _ = strings.Cut(s, ":")
	}
	return strings.Join(segs, ".")
}

// at makes or finds the child of that name, and its slice; a/b is the slice b of the slice a.
func (r *rule) at(name, slice string) *rule {
	c := r
	if name != "" {
		if c = r.child(name); c == nil {
			c = &rule{name: name, id: r.id + "." + name, max: -1}
			r.children = append(r.children, c)
		}
	}
	for slice != "" {
		// slices of slices are named a/b below the slice a
		full := slice
		head, _, nested := strings.Cut(slice, "/")
		next := (*rule)(nil)
		if nested {
			next = c.sliceOf(head)
		}
		if next == nil {
			if next = c.sliceOf(full); next == nil {
				next = &rule{name: c.name, slice: full, id: c.id + ":" + full, max: -1}
				c.slices = append(c.slices, next)
			}
			return next
		}
		c, slice = next, slice[len(head)+1:]
	}
	return c
}

func (r *rule) sliceOf(name string) *rule {
	for _, s := range r.slices {
		if s.slice == name {
			return s
		}
	}
	return nil
}

// fill takes what one ElementDefinition says.
func (b *builder) fill(r *rule, e *fhir.Node, path string) {
	if n, err := strconv.Atoi(e.Str("min")); err == nil && n >= 0 {
		r.min = n
	}
	if m := e.Str("max"); m == "*" {
		r.max = -1
	} else if n, err := strconv.Atoi(m); err == nil && n >= 0 {
		r.max = n
	}
	if types := e.All("type"); len(types) > 0 {
		r.types = nil
		for _, t := range types {
			one := typeRule{code: strings.TrimPrefix(t.Str("code"), core)}
			for _, x := range t.All("profile") {
				one.profiles = append(one.profiles, x.Text)
			}
			for _, x := range t.All("targetProfile") {
				one.targets = append(one.targets, x.Text)
			}
			r.types = append(r.types, one)
		}
	}
	for i := range e.Members {
		m := &e.Members[i]
		switch {
		case m.Name == "maxLength":
			r.length, _ = strconv.Atoi(m.Value.Text)
		case isChoice(m.Name, "fixed"):
			r.fixed = m.Value.Copy()
		case isChoice(m.Name, "pattern"):
			r.pattern = m.Value.Copy()
		case isChoice(m.Name, "minValue"):
			r.least = m.Value.Copy()
		case isChoice(m.Name, "maxValue"):
			r.most = m.Value.Copy()
		}
	}
	if x := e.Child("binding"); x != nil {
		if set := x.Str("valueSet"); set != "" && x.Str("strength") != "example" {
			r.binding = &binding{strength: x.Str("strength"), set: set}
			for _, ext := range x.All("extension") {
				if ext.Str("url") == core+"elementdefinition-maxValueSet" {
					r.binding.top = ext.Str("valueCanonical")
				}
			}
		}
	}
	if ref := e.Str("contentReference"); ref != "" {
		_, r.same, _ = strings.Cut(ref, "#")
	}
	if s := e.Child("slicing"); s != nil {
		r.slicing = &slicing{rules: s.Str("rules"), ordered: s.Str("ordered") == "true"}
		for _, d := range s.All("discriminator") {
			one := discriminator{kind: d.Str("type"), path: d.Str("path")}
			var err error
			if one.steps, err = parsePath(one.path); err != nil {
				b.p.note("discriminator", fmt.Sprintf("%s: the discriminator %q cannot be followed", path, clip(one.path)), "切片的区分项无法识别："+clip(one.path))
				continue
			}
			r.slicing.discriminators = append(r.slicing.discriminators, one)
		}
	}
	for _, c := range e.All("constraint") {
		b.invariant(r, c, path)
	}
}

func isChoice(name, stem string) bool {
	return len(name) > len(stem) && strings.HasPrefix(name, stem) && name[len(stem)] >= 'A' && name[len(stem)] <= 'Z'
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// builtIn are the rules of R4 itself, which snapshots repeat; they are checked with R4.
var builtIn = sync.OnceValue(func() map[string]bool {
	in := map[string]bool{}
	add := func(path string) {
		for _, i := range spec.Invariants(path) {
			in[i.Key] = true
		}
	}
	for _, t := range []string{"DomainResource", "Element", "Extension", "SimpleQuantity", "MoneyQuantity", "Duration", "Age", "Count", "Distance", "Quantity", "Narrative.div"} {
		add(t)
	}
	return in
})

func (b *builder) invariant(r *rule, c *fhir.Node, path string) {
	key, text := c.Str("key"), c.Str("expression")
	if key == "" || builtIn()[key] {
		return
	}
	for _, i := range spec.Invariants(path) {
		if i.Key == key {
			return
		}
	}
	for _, i := range r.invariants {
		if i.key == key {
			return
		}
	}
	if text == "" {
		b.p.note("invariant-unusable", fmt.Sprintf("rule %s has no FHIRPath expression", clip(key)), "规则没有 FHIRPath 表达式："+clip(key))
		return
	}
	compiled, err := compile(text)
	if err != nil {
		b.p.note("invariant-unusable", fmt.Sprintf("rule %s cannot be evaluated: %v", clip(key), err), "规则的表达式无法执行："+clip(key))
		return
	}
	severity := "error"
	if c.Str("severity") == "warning" {
		severity = "warning"
	}
	r.invariants = append(r.invariants, &invariant{key: key, severity: severity, human: strings.Clone(clip1000(c.Str("human"))), text: text, expression: compiled})
}

func clip1000(s string) string {
	if len(s) > 1000 {
		return strings.ToValidUTF8(s[:1000], "") + "…"
	}
	return s
}

func compile(text string) (*fhirpath.Expression, error) { return fhirpath.Compile(strings.Clone(text)) }

// settle turns names such as valueQuantity into slices of value[x], and gives the slicing that R4 implies.
func (b *builder) settle(r *rule, typ string) {
	known := membersOf(typ)
	kept := r.children[:0]
	for _, c := range r.children {
		m := known.byJSON[c.name]
		if len(known.byJSON) == 0 || known.byKey[c.name] != nil || m == nil {
			if len(known.byJSON) > 0 && m == nil && known.byKey[c.name] == nil && c.name != "value" && c.name != "resourceType" {
				b.p.note("unknown-path", c.id+" is no element of R4", c.id+" 不是 R4 的元素")
			}
			kept = append(kept, c)
			continue
		}
		whole := (*rule)(nil)
		for _, k := range r.children {
			if k.name == m.key && k != c {
				whole = k
			}
		}
		if whole == nil {
			whole = &rule{name: m.key, id: r.id + "." + m.key, max: -1}
			kept = append(kept, whole)
		}
		if c.slice == "" { // naming one type is leaving no other
			if whole.short == nil {
				whole.types = nil
			}
			whole.short = append(whole.short, m.json)
			whole.types = append(whole.types, typeRule{code: m.typ})
			if whole.slicing == nil {
				whole.slicing = &slicing{}
			}
			whole.slicing.rules = "closed"
		}
		c.name, c.slice = m.key, m.json
		if len(c.types) == 0 {
			c.types = []typeRule{{code: m.typ}}
		}
		if old := whole.sliceOf(m.json); old != nil {
			old.join(c)
		} else {
			whole.slices = append(whole.slices, c)
		}
	}
	r.children = kept
	for _, c := range r.children {
		if len(c.slices) > 0 && (c.slicing == nil || len(c.slicing.discriminators) == 0 && (strings.HasSuffix(c.name, "[x]") || strings.HasSuffix(c.name, "xtension"))) {
			switch rules := cmpRules(c.slicing); {
			case strings.HasSuffix(c.name, "[x]"):
				c.slicing = &slicing{discriminators: []discriminator{{kind: "type", path: "$this"}}, rules: rules}
			case c.name == "extension" || c.name == "modifierExtension":
				steps, _ := parsePath("url")
				c.slicing = &slicing{discriminators: []discriminator{{kind: "value", path: "url", steps: steps}}, rules: rules}
			case c.slicing == nil:
				b.p.note("slicing", c.id+" has slices, but nothing says how they are told apart", c.id+" 有切片但没有区分方法")
			}
		}
		next := ""
		if ms := known.byKey[c.name]; len(ms) == 1 {
			next = ms[0].typ
		}
		b.descend(c, next)
	}
}

func cmpRules(s *slicing) string {
	if s != nil && s.rules != "" {
		return s.rules
	}
	return "open"
}

func (b *builder) descend(c *rule, typ string) {
	if len(c.types) == 1 && c.types[0].code != "BackboneElement" && c.types[0].code != "Element" && !strings.Contains(c.types[0].code, "/") {
		typ = c.types[0].code
	}
	if strings.HasSuffix(c.name, "[x]") && c.slice != "" && len(c.types) == 0 {
		for _, m := range membersOfChoice(c) {
			c.types = []typeRule{{code: m}}
			typ = m
		}
	}
	b.settle(c, typ)
	for _, s := range c.slices {
		if s.min == 0 && s.max < 0 && c.max == 1 {
			s.max = 1
		}
		b.descend(s, typ)
	}
}

// membersOfChoice guesses the type of a slice named valueQuantity that does not say it.
func membersOfChoice(c *rule) []string {
	suffix, ok := strings.CutPrefix(c.slice, strings.TrimSuffix(c.name, "[x]"))
	if !ok || suffix == "" {
		return nil
	}
	for _, t := range []string{suffix, strings.ToLower(suffix[:1]) + suffix[1:]} {
		if spec.IsPrimitive(t) || len(spec.Elements(t)) > 0 {
			return []string{t}
		}
	}
	return nil
}

// join adds what another rule for the same element says.
func (r *rule) join(o *rule) {
	r.min = max(r.min, o.min)
	if o.max >= 0 && (r.max < 0 || o.max < r.max) {
		r.max = o.max
	}
	if len(o.types) > 0 {
		r.types = o.types
	}
	for _, pair := range []struct{ to, from **fhir.Node }{{&r.fixed, &o.fixed}, {&r.pattern, &o.pattern}, {&r.least, &o.least}, {&r.most, &o.most}} {
		if *pair.from != nil {
			*pair.to = *pair.from
		}
	}
	if o.binding != nil {
		r.binding = o.binding
	}
	if o.length > 0 {
		r.length = o.length
	}
	if r.slicing == nil {
		r.slicing = o.slicing
	}
	r.invariants = append(r.invariants, o.invariants...)
	for _, c := range o.children {
		if mine := r.child(c.name); mine != nil {
			mine.join(c)
		} else {
			r.children = append(r.children, c)
		}
	}
	for _, s := range o.slices {
		if mine := r.sliceOf(s.slice); mine != nil {
			mine.join(s)
		} else {
			r.slices = append(r.slices, s)
		}
	}
}
