package profile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// apply checks one value against a rule and what is below it.
func (c *checker) apply(p *Profile, r *rule, v value) {
	if c.spent() {
		return
	}
	if r == p.root { // the rules below are left by going down the resource; a profile may name itself
		key := visit{v.n, r}
		if v.n == nil {
			key.n = v.beside
		}
		if c.visited[key] {
			return
		}
		c.visited[key] = true
	}
	title, titleZh := " ("+p.title()+")", "（"+p.title()+"）"
	if len(r.types) > 0 && !c.typed(r, v) {
		c.report(v.place, "error", "structure", "profile-type", "must be "+typeNames(r.types)+", is "+v.typ+title, "类型应为 "+typeNames(r.types)+"，实际为 "+v.typ+titleZh)
		return
	}
	if r.fixed != nil && !equal(v.n, r.fixed) {
		c.report(v.place, "error", "value", "profile-fixed", "must be exactly "+show(r.fixed)+title, "必须等于 "+show(r.fixed)+titleZh)
	}
	if r.pattern != nil && !fits(v.n, r.pattern) {
		c.report(v.place, "error", "value", "profile-pattern", "must have at least "+show(r.pattern)+title, "必须包含 "+show(r.pattern)+titleZh)
	}
	if v.n != nil {
		c.within(p, r, v)
		if r.binding != nil {
			c.bound(p, r.binding, v)
		}
	}
	c.evaluate(r.invariants, v, p)
	c.typeProfiles(p, r, v)
	if v.typ == "Reference" && v.n != nil {
		c.targets(p, r, v)
	}
	c.below(p, r, v)
}

// within keeps minValue, maxValue and maxLength.
func (c *checker) within(p *Profile, r *rule, v value) {
	if r.least != nil {
		if cmp, ok := compare(v.typ, v.n, r.least); ok && cmp < 0 {
			c.report(v.place, "error", "value", "profile-range", "must not be less than "+show(r.least)+" ("+p.title()+")", "不能小于 "+show(r.least)+"（"+p.title()+"）")
		}
	}
	if r.most != nil {
		if cmp, ok := compare(v.typ, v.n, r.most); ok && cmp > 0 {
			c.report(v.place, "error", "value", "profile-range", "must not be more than "+show(r.most)+" ("+p.title()+")", "不能大于 "+show(r.most)+"（"+p.title()+"）")
		}
	}
	if r.length > 0 && v.n.Kind == fhir.String && utf8.RuneCountInString(v.n.Text) > r.length {
		c.report(v.place, "error", "too-long", "profile-length", fmt.Sprintf("must not be longer than %d characters (%s)", r.length, p.title()), fmt.Sprintf("长度不能超过 %d 个字符（%s）", r.length, p.title()))
	}
}

func (c *checker) typed(r *rule, v value) bool {
	for _, t := range r.types {
		if t.code == "" || strings.Contains(t.code, "/") || isA(v.typ, t.code) {
			return true
		}
		if (t.code == "BackboneElement" || t.code == "Element") && strings.Contains(v.typ, ".") {
			return true
		}
	}
	return false
}

func typeNames(types []typeRule) string {
	var names []string
	for _, t := range types {
		names = append(names, t.code)
	}
	return clip(strings.Join(names, ", "))
}

// typeProfiles asks for one of the profiles that a rule names for the value's type.
func (c *checker) typeProfiles(p *Profile, r *rule, v value) {
	for _, t := range r.types {
		if len(t.profiles) == 0 || !isA(v.typ, t.code) {
			continue
		}
		if len(t.profiles) == 1 {
			canonical := t.profiles[0]
			if base := baseName(canonical); base != "" {
				if isQuantity(base) {
					c.evaluate(rulesOf(base), v, p)
				}
				return
			}
			if q := c.profile(canonical); q == nil {
				c.once("profile "+canonical, v.place, "warning", "not-found", "unknown-profile", "a profile that "+p.title()+" asks for is not known here: "+clip(canonical), "规范所引用的规范未找到："+clip(canonical))
			} else if !isA(v.typ, q.Type) {
				c.report(v.place, "error", "structure", "profile-type", "must be "+q.Type+" ("+q.title()+")", "类型应为 "+q.Type+"（"+q.title()+"）")
			} else {
				c.notes(v.place, q)
				before := c.here
				if spec.IsResource(v.typ) {
					c.here = c.inside(v.n)
				}
				c.apply(q, q.root, v)
				c.here = before
			}
			return
		}
		unsure := false
		for _, canonical := range t.profiles {
			ok, sure := c.conforms(canonical, v)
			if ok && sure {
				return
			}
			unsure = unsure || !sure
		}
		if !unsure {
			c.report(v.place, "error", "structure", "profile-none", "conforms to none of "+clip(strings.Join(t.profiles, ", "))+" ("+p.title()+")", "不符合任何一个允许的规范（"+p.title()+"）")
		}
		return
	}
}

// targets checks what a reference leads to.
func (c *checker) targets(p *Profile, r *rule, v value) {
	var wanted []string
	for _, t := range r.types {
		if t.code == "Reference" {
			wanted = append(wanted, t.targets...)
		}
	}
	if len(wanted) == 0 {
		return
	}
	t, ok := c.target(v)
	if !ok {
		return
	}
	unsure, fault := false, ""
	for _, canonical := range wanted {
		yes, sure := c.conforms(canonical, t)
		if yes && sure {
			return
		}
		if yes || !sure && (c.profile(canonical) == nil || isA(t.typ, c.profile(canonical).Type)) {
			unsure = true
		} else if q := c.profile(canonical); q != nil && fault == "" {
			fault = c.faults[judgement{t.n, q}]
		}
	}
	if unsure {
		return
	}
	if fault != "" {
		fault = "; " + clip(fault)
	}
	c.report(v.place, "error", "value", "profile-target", "must refer to "+clip(strings.Join(wanted, " or "))+fault+" ("+p.title()+")", "引用的记录不符合要求："+clip(strings.Join(wanted, " 或 "))+"（"+p.title()+"）")
}

// below checks the children of a value.
func (c *checker) below(p *Profile, r *rule, v value) {
	children := r.children
	if len(children) == 0 {
		if t := c.repeated(p, r, v); t != nil {
			children = t.children
		}
	}
	for _, k := range children {
		values := v.children(k.name)
		if c.spent() {
			return
		}
		label := strings.TrimSuffix(k.name, "[x]")
		at := &place{v.place, label, -1}
		c.count(p, k, at, len(values))
		for _, w := range values {
			c.apply(p, k, w)
		}
		if len(k.slices) > 0 || k.slicing != nil && k.slicing.rules == "closed" && len(k.slicing.discriminators) > 0 {
			c.slices(p, k, at, values)
		}
	}
	// a profile says of Questionnaire.item what holds for the items within items, too
	for name, target := range p.loops(r, v.typ) {
		for _, w := range v.children(name) {
			c.apply(p, target, w)
		}
	}
}

// repeated is the rule whose children these are by contentReference.
func (c *checker) repeated(p *Profile, r *rule, v value) *rule {
	if r.same == "" {
		return nil
	}
	return p.byID(r.same)
}

func (p *Profile) byID(id string) *rule {
	r := p.root
	for i, seg := range strings.Split(id, ".") {
		if i == 0 {
			continue
		}
		name, slice, _ := strings.Cut(seg, ":")
		if r = r.child(name); r == nil {
			return nil
		}
		if slice != "" {
			if r = r.sliceOf(slice); r == nil {
				return nil
			}
		}
	}
	return r
}

// loops are the elements of a type that repeat an element above by contentReference and of which the profile says nothing itself.
func (p *Profile) loops(r *rule, typ string) map[string]*rule {
	if !strings.Contains(typ, ".") || r.slice != "" {
		return nil
	}
	var out map[string]*rule
	for name, ms := range membersOf(typ).byKey {
		if len(ms) != 1 || !strings.Contains(ms[0].typ, ".") || ms[0].typ == ms[0].path || r.child(name) != nil {
			continue
		}
		if t := p.byID(ms[0].typ); t != nil && t != p.root {
			if out == nil {
				out = map[string]*rule{}
			}
			out[name] = t
		}
	}
	return out
}

// count keeps min and max.
func (c *checker) count(p *Profile, k *rule, at *place, n int) {
	what, whatZh := "", ""
	if k.slice != "" {
		what, whatZh = "slice "+k.slice+": ", "切片 "+k.slice+"："
	}
	if n < k.min {
		c.report(at, "error", "required", "profile-min", fmt.Sprintf("%sat least %d, has %d (%s)", what, k.min, n, p.title()), fmt.Sprintf("%s至少 %d 个，实际 %d 个（%s）", whatZh, k.min, n, p.title()))
	}
	if k.max >= 0 && n > k.max {
		c.report(at, "error", "structure", "profile-max", fmt.Sprintf("%sat most %d, has %d (%s)", what, k.max, n, p.title()), fmt.Sprintf("%s最多 %d 个，实际 %d 个（%s）", whatZh, k.max, n, p.title()))
	}
}

func show(n *fhir.Node) string {
	if n.Kind != fhir.Object && n.Kind != fhir.Array {
		return clip(n.Text)
	}
	return clip(string(n.JSON()))
}
