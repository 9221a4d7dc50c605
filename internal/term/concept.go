package term

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Concept is one code of a code system.
type Concept struct {
	Code    string
	Display string
	Parents []string
	*Extra  // nil for most
}

// Extra is what few concepts have.
type Extra struct {
	Definition   string
	Designations []Designation
	Properties   []Property
	Abstract     bool // property notSelectable: groups others, is not chosen itself
	Inactive     bool
}

// Designation is another name of a concept.
type Designation struct {
	Language string
	Use      *fhir.Node // Coding
	Value    string
}

// Property is one value of a property of a concept.
type Property struct {
	Code  string
	Kind  string // valueCode, valueString, valueCoding, valueBoolean, …
	Value *fhir.Node
}

// Text is the value as filters compare it: the code of a Coding, the literal of the rest.
func (p *Property) Text() string {
	if p.Kind == "valueCoding" {
		return p.Value.Str("code")
	}
	return p.Value.Text
}

func (c *Concept) abstract() bool { return c.Extra != nil && c.Abstract }
func (c *Concept) inactive() bool { return c.Extra != nil && c.Inactive }

// conceptsOf reads the concepts of a CodeSystem, nested ones after their parent, in the order of the definition.
func conceptsOf(n *fhir.Node) ([]Concept, error) {
	kinds := kindsOf(n)
	var all []Concept
	at := map[string]int{}
	children := map[string][]string{} // by the property child
	var walk func(list []*fhir.Node, parent string, depth int) error
	walk = func(list []*fhir.Node, parent string, depth int) error {
		if depth > 100 {
			return fhir.Refuse(422, "too-long", "concepts-too-deep", "concepts are nested more than 100 deep", "概念层级过深")
		}
		for _, c := range list {
			code := c.Str("code")
			if code == "" {
				continue // validation has its word on that
			}
			if _, twice := at[code]; twice {
				return fhir.Refuse(422, "business-rule", "duplicate-code", fmt.Sprintf("the code %q stands twice in this code system", code), "代码系统中有重复的代码："+code)
			}
			concept := Concept{Code: code, Display: c.Str("display")}
			if parent != "" {
				concept.Parents = []string{parent}
			}
			var x Extra
			x.Definition = c.Str("definition")
			for _, d := range c.All("designation") {
				x.Designations = append(x.Designations, Designation{d.Str("language"), d.Child("use"), d.Str("value")})
			}
			for _, p := range c.All("property") {
				kind, value := valueOf(p)
				if value == nil {
					continue
				}
				property := Property{p.Str("code"), kind, value}
				switch text := property.Text(); kinds[property.Code] {
				case "parent":
					concept.Parents = appendNew(concept.Parents, text)
					continue
				case "child":
					children[code] = append(children[code], text)
					continue
				case "notSelectable":
					x.Abstract = text == "true"
				case "inactive":
					x.Inactive = x.Inactive || text == "true"
				case "status":
					x.Inactive = x.Inactive || text == "retired" || text == "inactive"
				}
				x.Properties = append(x.Properties, property)
			}
			if x.Definition != "" || x.Designations != nil || x.Properties != nil {
				concept.Extra = &x
			}
			at[code] = len(all)
			all = append(all, concept)
			if nested := c.All("concept"); len(nested) > 0 {
				if err := walk(nested, code, depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := walk(n.All("concept"), "", 0); err != nil {
		return nil, err
	}
	for parent, list := range children {
		for _, code := range list {
			if i, ok := at[code]; ok {
				all[i].Parents = appendNew(all[i].Parents, parent)
			}
		}
	}
	return all, nil
}

// kindsOf says what the properties of a code system mean: by the uri of their definition, else by the usual code.
func kindsOf(n *fhir.Node) map[string]string {
	kinds := map[string]string{"parent": "parent", "child": "child", "notSelectable": "notSelectable", "inactive": "inactive", "status": "status"}
	for _, p := range n.All("property") {
		if kind, ok := strings.CutPrefix(p.Str("uri"), "http://hl7.org/fhir/concept-properties#"); ok {
			kinds[p.Str("code")] = kind
		}
	}
	return kinds
}

func valueOf(n *fhir.Node) (kind string, value *fhir.Node) {
	for i := range n.Members {
		if strings.HasPrefix(n.Members[i].Name, "value") {
			return n.Members[i].Name, n.Members[i].Value
		}
	}
	return "", nil
}

func appendNew(list []string, s string) []string {
	for _, x := range list {
		if x == s {
			return list
		}
	}
	return append(list, s)
}

// text is how an Extra stands in its row.
func (x *Extra) text() string {
	if x == nil {
		return ""
	}
	designations, properties := fhir.Arr{}, fhir.Arr{}
	for _, d := range x.Designations {
		o := fhir.Obj{"language", d.Language}
		if d.Use != nil {
			o = append(o, "use", d.Use)
		}
		designations = append(designations, append(o, "value", d.Value))
	}
	for _, p := range x.Properties {
		properties = append(properties, fhir.Obj{"code", p.Code, p.Kind, p.Value})
	}
	flags := 0
	if x.Abstract {
		flags |= 1
	}
	if x.Inactive {
		flags |= 2
	}
	return string(fhir.Of(fhir.Obj{"flags", flags, "definition", x.Definition, "designation", designations, "property", properties}).JSON())
}

func readExtra(text string) (*Extra, error) {
	if text == "" {
		return nil, nil
	}
	n, err := fhir.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	flags, _ := strconv.Atoi(n.Str("flags"))
	x := &Extra{Definition: n.Str("definition"), Abstract: flags&1 != 0, Inactive: flags&2 != 0}
	for _, d := range n.All("designation") {
		x.Designations = append(x.Designations, Designation{d.Str("language"), d.Child("use"), d.Str("value")})
	}
	for _, p := range n.All("property") {
		kind, value := valueOf(p)
		x.Properties = append(x.Properties, Property{p.Str("code"), kind, value})
	}
	return x, nil
}

// In is the name in a language: the display, or a designation of that language.
func (c *Concept) In(language, own string) string {
	if language == "" || c.Extra == nil || sameLanguage(own, language) {
		return c.Display
	}
	best := ""
	for _, d := range c.Designations {
		if sameLanguage(d.Language, language) && (best == "" || d.Use.Str("code") == "display") {
			best = d.Value
		}
	}
	if best == "" {
		return c.Display
	}
	return best
}

// sameLanguage compares by the primary part: zh and zh-CN are one here.
func sameLanguage(a, b string) bool {
	a, _, _ = strings.Cut(a, "-")
	b, _, _ = strings.Cut(b, "-")
	return a != "" && strings.EqualFold(a, b)
}
