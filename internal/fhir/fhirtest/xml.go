package fhirtest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

const xhtmlSpace = "http://www.w3.org/1999/xhtml"

// element is one XML element with its children, or a narrative as text.
type element struct {
	name     string
	value    *string // the value attribute
	attrs    []xml.Attr
	children []*element
	xhtml    string
}

// XML reads a resource in FHIR's XML form into the tree that its JSON form has.
func XML(data []byte) (*fhir.Node, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		if s, ok := t.(xml.StartElement); ok {
			e, err := readElement(d, data, s, 0)
			if err != nil {
				return nil, err
			}
			return e.resource()
		}
	}
}

func readElement(d *xml.Decoder, data []byte, start xml.StartElement, depth int) (*element, error) {
	if depth > fhir.MaxDepth {
		return nil, errors.New("nested too deep")
	}
	e := &element{name: start.Name.Local, attrs: start.Attr}
	for i, a := range start.Attr {
		if a.Name.Local == "value" && a.Name.Space == "" {
			e.value = &start.Attr[i].Value
		}
	}
	for {
		before := d.InputOffset()
		t, err := d.Token()
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Space == xhtmlSpace {
				if err := d.Skip(); err != nil {
					return nil, err
				}
				e.children = append(e.children, &element{name: t.Name.Local, xhtml: string(data[before:d.InputOffset()])})
				continue
			}
			c, err := readElement(d, data, t, depth+1)
			if err != nil {
				return nil, err
			}
			e.children = append(e.children, c)
		case xml.EndElement:
			return e, nil
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return nil, fmt.Errorf("text in <%s>", e.name)
			}
		}
	}
}

func (e *element) resource() (*fhir.Node, error) {
	if !spec.IsResource(e.name) {
		return nil, fmt.Errorf("no resource <%s>", e.name)
	}
	n := fhir.New(e.name)
	return n, e.fill(n, e.name)
}

// fill writes the children of e as members of n, which is of the type.
func (e *element) fill(n *fhir.Node, typ string) error {
	for _, a := range e.attrs {
		if a.Name.Space == "" && (a.Name.Local == "id" || a.Name.Local == "url") {
			n.Set(a.Name.Local, a.Value)
		}
	}
	known := spec.Elements(typ)
	for i := 0; i < len(e.children); {
		name := e.children[i].name
		last := i
		for last < len(e.children) && e.children[last].name == name {
			last++
		}
		same := e.children[i:last]
		i = last
		var def *spec.Element
		for k := range known {
			if known[k].Name == name {
				def = &known[k]
			}
		}
		if def == nil {
			return fmt.Errorf("no element %s in %s", name, typ)
		}
		if n.Child(name) != nil || n.Child("_"+name) != nil {
			return fmt.Errorf("%s of %s stands in two places", name, typ)
		}
		if err := member(n, def, same); err != nil {
			return err
		}
	}
	return nil
}

func member(n *fhir.Node, def *spec.Element, same []*element) error {
	typ := def.Types[0]
	if _, path, nested := strings.Cut(typ, ":"); nested {
		typ = path
	}
	if !spec.IsPrimitive(typ) {
		var items []*fhir.Node
		for _, e := range same {
			v := &fhir.Node{Kind: fhir.Object}
			var err error
			if typ == "Resource" {
				if len(e.children) != 1 {
					return fmt.Errorf("%s holds one resource", def.Name)
				}
				v, err = e.children[0].resource()
			} else {
				err = e.fill(v, typ)
			}
			if err != nil {
				return err
			}
			items = append(items, v)
		}
		set(n, def.Name, def.Max != 1, items)
		return nil
	}
	var values, beside []*fhir.Node
	some, extended := false, false
	for _, e := range same {
		v, b := &fhir.Node{Kind: fhir.Null}, &fhir.Node{Kind: fhir.Null}
		switch {
		case e.xhtml != "":
			v = fhir.Of(e.xhtml)
		case e.value != nil:
			v = &fhir.Node{Kind: fhir.PrimitiveKind(typ), Text: *e.value}
		}
		c := &fhir.Node{Kind: fhir.Object}
		if err := e.fill(c, "Element"); err != nil {
			return err
		}
		if len(c.Members) > 0 {
			b, extended = c, true
		}
		some = some || v.Kind != fhir.Null
		values, beside = append(values, v), append(beside, b)
	}
	if some {
		set(n, def.Name, def.Max != 1, values)
	}
	if extended {
		set(n, "_"+def.Name, def.Max != 1, beside)
	}
	return nil
}

func set(n *fhir.Node, name string, many bool, items []*fhir.Node) {
	v := items[0]
	if many {
		v = &fhir.Node{Kind: fhir.Array, Items: items}
	}
	n.Members = append(n.Members, fhir.Member{Name: name, Value: v})
}
