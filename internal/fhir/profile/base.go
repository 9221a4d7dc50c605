package profile

import (
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// elsewhere are the rules that package validate keeps on every write, and those that are checked here without FHIRPath.
var elsewhere = map[string]bool{"ext-1": true, "dom-2": true, "per-1": true, "ref-1": true, "ele-1": true, "dom-3": true, "dom-6": true, "csd-1": true,
	"txt-1": true, "txt-2": true}

var ruleCache sync.Map // type or path → []*invariant

// rulesOf are R4's invariants of a type or path, compiled.
func rulesOf(path string) []*invariant {
	if list, ok := ruleCache.Load(path); ok {
		return list.([]*invariant)
	}
	var list []*invariant
	for _, i := range spec.Invariants(path) {
		if elsewhere[i.Key] {
			continue
		}
		e, err := compile(i.Expression)
		if err != nil {
			panic("profile: " + i.Key + ": " + err.Error()) // a test compiles them all
		}
		list = append(list, &invariant{key: i.Key, severity: i.Severity, human: i.Human, zh: i.Zh, text: i.Expression, expression: e})
	}
	ruleCache.Store(path, list)
	return list
}

// whole keeps the rules of a resource.
func (c *checker) whole(v value, contained bool) {
	if v.typ != "Bundle" && v.typ != "Binary" && v.typ != "Parameters" {
		c.evaluate(rulesOf("DomainResource"), v, nil)
		if len(v.n.All("contained")) > 0 {
			c.contained(v)
		}
		if !contained && v.n.Child("text").Child("div") == nil {
			c.refuse(v, "dom-6", "DomainResource")
		}
	}
	if v.typ == "CodeSystem" {
		c.distinct(v)
	}
	c.evaluate(rulesOf(v.typ), v, nil)
}

// rules keeps those of one element: of its place and of its type.
func (c *checker) rules(v value) {
	if o := v.n; o != nil && o.Kind == fhir.Object && len(o.Members) == 1 && o.Members[0].Name == "id" {
		c.refuse(v, "ele-1", "Element")
	}
	if v.m.path != v.typ {
		c.evaluate(rulesOf(v.m.path), v, nil)
	}
	if v.m.typ == "xhtml" && v.n != nil {
		c.narrative(v)
	}
	if !v.m.primitive {
		c.evaluate(rulesOf(v.typ), v, nil)
	}
	if v.m.simple {
		c.evaluate(rulesOf("SimpleQuantity"), v, nil)
	}
	if isA(v.typ, "Quantity") {
		c.unit(v)
	}
	if v.m.binding != nil {
		c.bound(nil, v.m.binding, v)
	}
}

// refuse reports an invariant that is checked without FHIRPath.
func (c *checker) refuse(v value, key, at string) {
	for _, i := range spec.Invariants(at) {
		if i.Key == key {
			c.broken(&invariant{key: i.Key, severity: i.Severity, human: i.Human, zh: i.Zh}, v, nil)
		}
	}
}

// contained keeps dom-3: what is contained is referred to, or refers to its container.
func (c *checker) contained(v value) {
	named := map[string]bool{}
	collect(v.n, named)
	for i, x := range v.n.All("contained") {
		if id := x.ID(); id != "" && !named["#"+id] {
			own := map[string]bool{}
			collect(x, own)
			if !own["#"] {
				at := value{n: x, typ: x.Type(), place: &place{v.place, "contained", i}}
				c.refuse(at, "dom-3", "DomainResource")
			}
		}
	}
}

// collect lists the texts that begin with #.
func collect(n *fhir.Node, into map[string]bool) {
	switch n.Kind {
	case fhir.String:
		if strings.HasPrefix(n.Text, "#") {
			into[n.Text] = true
		}
	case fhir.Array:
		for _, x := range n.Items {
			collect(x, into)
		}
	case fhir.Object:
		for i := range n.Members {
			collect(n.Members[i].Value, into)
		}
	}
}

var narrative = fhirpath.MustCompile("htmlChecks()")

// narrative keeps txt-1 and txt-2, whose expressions are the same: what is empty breaks the second only.
func (c *checker) narrative(v value) {
	ok, known, err := narrative.Test(c.env(), v.item())
	if err != nil || !known || ok {
		return
	}
	if blank(v.n.Text) {
		c.refuse(v, "txt-2", "Narrative.div")
	} else {
		c.refuse(v, "txt-1", "Narrative.div")
	}
}

// blank reports that between the tags there is nothing to read or see.
func blank(div string) bool {
	if strings.Contains(div, "<img") {
		return false
	}
	inside := false
	for _, r := range div {
		switch {
		case r == '<':
			inside = true
		case r == '>':
			inside = false
		case !inside && r > ' ' && r != '\u00a0':
			return false
		}
	}
	return true
}

// distinct keeps csd-1 in one pass, for systems of tens of thousands of codes.
func (c *checker) distinct(v value) {
	seen, twice := map[string]bool{}, false
	var walk func(list []*fhir.Node)
	walk = func(list []*fhir.Node) {
		for _, x := range list {
			code := x.Str("code")
			twice = twice || code != "" && seen[code]
			seen[code] = true
			walk(x.All("concept"))
		}
	}
	walk(v.n.All("concept"))
	if twice {
		c.refuse(v, "csd-1", "CodeSystem")
	}
}

// evaluate tests invariants on a value; what comes out empty is let pass.
func (c *checker) evaluate(list []*invariant, v value, p *Profile) {
	for _, i := range list {
		if c.over {
			return
		}
		ok, known, err := i.expression.Test(c.env(), v.item())
		switch {
		case err != nil:
			c.once("invariant "+i.key, v.place, "information", "not-supported", "invariant-unevaluated", "rule "+i.key+" could not be evaluated: "+clip(err.Error()), "规则 "+i.key+" 无法执行")
		case known && !ok:
			c.broken(i, v, p)
		}
	}
}

func (c *checker) broken(i *invariant, v value, p *Profile) {
	zh := i.zh
	if zh == "" {
		zh = i.human
	}
	title, titleZh := "", ""
	if p != nil {
		title, titleZh = " ("+p.title()+")", "（"+p.title()+"）"
	}
	c.report(v.place, i.severity, "invariant", "invariant-"+i.key, i.key+": "+i.human+title, i.key+"："+zh+titleZh)
}
