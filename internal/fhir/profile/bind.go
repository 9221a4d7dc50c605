package profile

import (
	"fmt"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// coded reports whether a coded value is in a value set; known is false when the set is not here.
func (c *checker) coded(v value, set string) (in, known bool) {
	if v.n == nil {
		return true, true
	}
	switch v.typ {
	case "CodeableConcept":
		codings := v.n.All("coding")
		for _, x := range codings {
			has, ok := c.has(set, x.Str("system"), x.Str("code"))
			if !ok {
				return false, false
			}
			in = in || has
		}
		return in, true
	case "Coding", "Quantity", "Age", "Count", "Distance", "Duration":
		if v.n.Child("code") == nil {
			return true, true
		}
		return c.has(set, v.n.Str("system"), v.n.Str("code"))
	case "code", "string", "uri", "id", "url", "canonical", "markdown":
		return c.has(set, "", v.n.Text)
	}
	return true, true
}

func (c *checker) has(set, system, code string) (in, known bool) {
	c.steps += 10
	if in, known = spec.HasCode(set, system, code); known {
		return in, true
	}
	if in, known = formed(set, system, code); known {
		return in, true
	}
	return c.d.Has(set, system, code)
}

// bound keeps a binding; p is nil for one of R4 itself.
func (c *checker) bound(p *Profile, b *binding, v value) {
	if v.n == nil {
		return
	}
	uncoded := v.typ == "CodeableConcept" && len(v.n.All("coding")) == 0
	title := "R4"
	if p != nil {
		title = p.title()
	}
	if uncoded {
		if b.strength == "required" && v.n.Child("extension") == nil {
			c.report(v.place, "error", "code-invalid", "profile-code", "a code of "+b.set+" is required ("+title+")", "必须使用值集中的代码："+b.set+"（"+title+"）")
		}
		return
	}
	in, known := c.coded(v, b.set)
	if !known {
		if p != nil && b.strength != "preferred" {
			c.once("set "+b.set, v.place, "warning", "not-found", "valueset-unknown", "the value set is not known here, so the code was not checked: "+clip(b.set), "未找到值集，代码未核对："+clip(b.set))
		}
		return
	}
	if in {
		return
	}
	which := codesOf(v)
	switch b.strength {
	case "required":
		c.report(v.place, "error", "code-invalid", "profile-code", fmt.Sprintf("%s is not in %s (%s)", which, b.set, title), fmt.Sprintf("代码 %s 不在规定的值集内：%s（%s）", which, b.set, title))
	case "extensible":
		if b.top != "" {
			if ok, sure := c.coded(v, b.top); sure && !ok {
				c.report(v.place, "error", "code-invalid", "profile-code", fmt.Sprintf("%s is not in %s (%s)", which, b.top, title), fmt.Sprintf("代码 %s 不在规定的值集内：%s（%s）", which, b.top, title))
				return
			}
		}
		c.report(v.place, "warning", "code-invalid", "code-outside", fmt.Sprintf("%s is not in %s, which should be used where it has a fitting code (%s)", which, b.set, title), fmt.Sprintf("代码 %s 不在值集内：%s；有合适代码时应使用该值集（%s）", which, b.set, title))
	case "preferred":
		c.report(v.place, "information", "code-invalid", "code-unpreferred", fmt.Sprintf("%s is not in %s, which is preferred (%s)", which, b.set, title), fmt.Sprintf("代码 %s 不在推荐的值集内：%s（%s）", which, b.set, title))
	}
}

// codesOf names codes for people; codes are no secret, texts beside them may be.
func codesOf(v value) string {
	switch v.typ {
	case "CodeableConcept":
		var all []string
		for _, x := range v.n.All("coding") {
			all = append(all, x.Str("system")+"|"+x.Str("code"))
		}
		return clip(strings.Join(all, ", "))
	case "Coding", "Quantity", "Age", "Count", "Distance", "Duration":
		return clip(v.n.Str("system") + "|" + v.n.Str("code"))
	}
	return clip(v.n.Text)
}
