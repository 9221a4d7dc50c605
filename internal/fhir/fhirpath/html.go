package fhirpath

import (
	"encoding/xml"
	"strings"
)

// narrative is what XHTML in a narrative may hold (R4, "Limited xhtml content").
var narrative = map[string]bool{}

func init() {
	for _, t := range strings.Fields("p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote hr ul ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td code samp img map area sup sub address bdo kbd ins del u s center font label") {
		narrative[t] = true
	}
}

// htmlChecks tells whether a narrative is well formed, is one div with content, and holds only what R4 allows (txt-1, txt-2).
func htmlChecks(r *run, c *call, in Collection) (Collection, error) {
	if len(in) == 0 {
		return nil, nil
	}
	for i := range in {
		s, ok := in[i].str()
		if !ok {
			return no, nil
		}
		if err := r.spend(len(s) / 16); err != nil {
			return nil, err
		}
		if !wellFormed(s) {
			return no, nil
		}
	}
	return yes, nil
}

func wellFormed(s string) bool {
	d := xml.NewDecoder(strings.NewReader(s))
	d.Entity = xml.HTMLEntity
	depth, filled, roots := 0, false, 0
	for {
		t, err := d.Token()
		if err != nil {
			return err.Error() == "EOF" && filled && roots == 1
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth == 0 {
				if roots++; t.Name.Local != "div" || roots > 1 {
					return false
				}
			}
			depth++
			if !narrative[t.Name.Local] {
				return false
			}
			filled = filled || t.Name.Local == "img"
			for _, a := range t.Attr {
				if name := strings.ToLower(a.Name.Local); strings.HasPrefix(name, "on") {
					return false
				}
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			text := strings.TrimSpace(string(t)) != ""
			if depth == 0 && text {
				return false
			}
			filled = filled || text
		case xml.Directive, xml.ProcInst:
			return false
		}
	}
}
