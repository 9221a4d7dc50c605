package profile

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// extension checks an extension against its definition, and where it stands.
func (c *checker) extension(on, v value) {
	if v.n == nil {
		return
	}
	url := v.n.Str("url")
	modifier := v.m.key == "modifierExtension"
	if !strings.Contains(url, ":") {
		if on.typ != "Extension" && url != "" {
			c.report(v.place, "error", "value", "extension-url", "the url of an extension is absolute", "扩展的 url 必须是绝对地址")
		}
		return // a part of the extension around it, whose definition speaks of it
	}
	p := c.profile(url)
	if p == nil {
		if !c.o.Rules {
			return
		}
		if modifier {
			c.report(v.place, "error", "extension", "unknown-modifier-extension", "an extension that changes the meaning is not known here: "+clip(url), "存在未知的、会改变含义的扩展："+clip(url))
		} else {
			c.once("extension "+url, v.place, "information", "extension", "unknown-extension", "this extension is not known here: "+clip(url), "未知的扩展："+clip(url))
		}
		return
	}
	if p.Type != "Extension" {
		c.report(v.place, "error", "extension", "profile-type", "the url is that of a definition for "+p.Type, "该 url 不是扩展的定义")
		return
	}
	c.notes(v.place, p)
	c.apply(p, p.root, v)
	if c.o.Rules && !p.stands(on, v, c.here.resource.Type()) {
		// a warning: HL7's own resources use some of its extensions outside of their contexts
		c.once("context "+p.URL+" "+on.typ, v.place, "warning", "extension", "extension-context", "this extension is not defined for use here ("+p.title()+")", "此扩展未定义可用于此处（"+p.title()+"）")
	}
}

// stands reports whether an extension may stand on a value; what cannot be decided is let pass.
func (p *Profile) stands(on, v value, resource string) bool {
	if len(p.contexts) == 0 {
		return true
	}
	for _, x := range p.contexts {
		want := x.expression
		if x.kind != "element" {
			if x.kind == "extension" && on.typ == "Extension" && on.n != nil && !strings.HasPrefix(want, on.n.Str("url")) {
				continue
			}
			if x.kind == "extension" && on.typ != "Extension" {
				continue
			}
			return true // fhirpath
		}
		if strings.Contains(want, ":") {
			return true // an element of another profile
		}
		path := on.typ
		if on.m != nil {
			path = on.m.path
		}
		switch {
		case want == "Element" || want == path || want == on.typ || isA(on.typ, want) && (spec.IsResource(on.typ) || want != "BackboneElement" || strings.Contains(on.typ, ".")):
			return true
		case strings.Contains(want, "."):
			// deeper than one type: Patient.contact.name.family, or a choice by one of its types
			typ, _, _ := strings.Cut(want, ".")
			last := want[strings.LastIndexByte(want, '.')+1:]
			if typ == resource && on.m != nil && (last == on.m.key || last == on.m.label || last == on.m.json) {
				return true
			}
			if typ == resource && on.m != nil && strings.TrimSuffix(last, "[x]") == on.m.label {
				return true
			}
		}
	}
	return false
}
