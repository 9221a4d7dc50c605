package term

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Diagnosis is the value set that diagnoses are chosen from: whoever runs the hub says which codes it has.
const Diagnosis = "https://xinglin.health/fhir/ValueSet/diagnosis"

// SystemOf says what a table becomes as a CodeSystem.
type SystemOf struct {
	URL, Version, Name, Title, Publisher string
	Hierarchy                            string // icd10, icd9, none; "" = by the codes
	Fragment                             bool   // the table does not have all codes
}

// MapOf says what a table becomes as a ConceptMap.
type MapOf struct {
	URL, Version, Name, Title string
	Source, SourceVersion     string // code systems
	Target, TargetVersion     string
	Equivalence               string // where the table says none; "" = relatedto
}

// Made is what a table became.
type Made struct {
	Resource  *fhir.Node
	Codes     int // of the table
	Groupers  int // classes added above them
	Hierarchy string
}

// ID is the id under which an imported resource is kept: the same table comes to the same place again.
func ID(url, version string) string {
	sum := sha256.Sum256([]byte(url + "|" + version))
	tail := url[strings.LastIndexAny(url, "/:")+1:]
	var b strings.Builder
	for _, r := range strings.ToLower(tail + "-" + version) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.':
			b.WriteRune(r)
		case b.Len() > 0 && b.String()[b.Len()-1] != '-':
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String()[:min(b.Len(), 48)], "-.") + "-" + hex.EncodeToString(sum[:4])
}

// CodeSystem makes the CodeSystem; rows that cannot be taken join t.Bad.
func (t *Table) CodeSystem(o SystemOf) (Made, error) {
	type line struct {
		row     *Row
		concept Concept
	}
	var lines []line
	at := map[string]int{}
	for i := range t.Rows {
		r := &t.Rows[i]
		code, display := t.cell(r, "code"), t.cell(r, "display")
		wrong := func(reason, zh string) { t.bad(r.Line, strings.Join(r.Cells, " "), reason, zh) }
		first, twice := at[code]
		switch {
		case code == "":
			wrong("no code", "缺少代码")
		case !fhir.IsPrimitive("code", code):
			wrong("a code has no line ends and no double or outer spaces", "代码格式不正确")
		case display == "":
			wrong("no name", "缺少名称")
		case twice && lines[first].concept.Display == display:
			wrong(fmt.Sprintf("the same line stands at %d already", lines[first].row.Line), fmt.Sprintf("与第 %d 行重复", lines[first].row.Line))
		case twice:
			wrong(fmt.Sprintf("the code stands at line %d already, as %s", lines[first].row.Line, lines[first].concept.Display), fmt.Sprintf("代码与第 %d 行重复而名称不同", lines[first].row.Line))
		default:
			at[code] = len(lines)
			lines = append(lines, line{r, Concept{Code: code, Display: display}})
		}
	}
	made := Made{Codes: len(lines), Hierarchy: o.Hierarchy}
	_, parents := t.Columns["parent"]
	if made.Hierarchy == "" && !parents {
		codes := make([]string, len(lines))
		for i := range lines {
			codes[i] = lines[i].concept.Code
		}
		made.Hierarchy = kindOfCodes(codes)
	}
	by := hierarchies[made.Hierarchy]
	if by == nil && made.Hierarchy != "" && made.Hierarchy != "none" {
		return made, fmt.Errorf("no such hierarchy: %s; there are icd10, icd9, none", made.Hierarchy)
	}
	has := func(code string) bool { _, ok := at[code]; return ok }
	name := func(code string) string {
		if i, ok := at[code]; ok {
			return lines[i].concept.Display
		}
		return ""
	}
	tree := &tree{nodes: map[string]*fhir.Node{}, parent: map[string]string{}}
	for i := range lines {
		r, c := lines[i].row, &lines[i].concept
		if parents {
			switch p := t.cell(r, "parent"); {
			case p == "":
			case p == c.Code:
				t.bad(r.Line, strings.Join(r.Cells, " "), "the code is its own parent", "上级代码是其自身")
				continue
			case !has(p):
				t.bad(r.Line, strings.Join(r.Cells, " "), "the parent is not in the table: "+p, "上级代码不存在："+p)
				continue
			default:
				c.Parents = []string{p}
			}
		} else if by != nil {
			var above []grouper
			c.Parents, above = by(c.Code, has, name)
			for _, g := range above {
				if tree.nodes[g.code] == nil && !has(g.code) {
					made.Groupers++
					tree.add(g.code, g.parent, fhir.Of(fhir.Obj{"code", g.code, "display", g.display,
						"property", fhir.Arr{fhir.Obj{"code", "notSelectable", "valueBoolean", true}}}))
				}
			}
		}
		tree.add(c.Code, append(c.Parents, "")[0], t.concept(r, c))
	}
	roots, ringed := tree.grow()
	for _, code := range ringed {
		if i, ok := at[code]; ok {
			r := lines[i].row
			t.bad(r.Line, strings.Join(r.Cells, " "), "the parents go round in a ring", "上级代码构成循环")
		}
	}
	slices.SortStableFunc(t.Bad, func(a, b BadRow) int { return a.Line - b.Line })
	content := "complete"
	if o.Fragment {
		content = "fragment"
	}
	properties := fhir.Arr{fhir.Obj{"code", "parent", "uri", "http://hl7.org/fhir/concept-properties#parent", "type", "code"},
		fhir.Obj{"code", "notSelectable", "uri", "http://hl7.org/fhir/concept-properties#notSelectable", "type", "boolean"}}
	for _, p := range t.properties() {
		properties = append(properties, fhir.Obj{"code", strings.TrimPrefix(p, "property:"), "type", "string"})
	}
	n := fhir.New("CodeSystem", "id", ID(o.URL, o.Version), "url", o.URL, "version", o.Version, "name", o.Name, "title", o.Title, "status", "active", "experimental", false,
		"publisher", o.Publisher, "caseSensitive", true, "hierarchyMeaning", "is-a", "content", content, "count", len(tree.nodes), "property", properties)
	n.Members = append(n.Members, fhir.Member{Name: "concept", Value: &fhir.Node{Kind: fhir.Array, Items: roots}})
	made.Resource = n
	return made, nil
}

// properties are the columns that become properties: property:NAME.
func (t *Table) properties() (names []string) {
	for what := range t.Columns {
		if strings.HasPrefix(what, "property:") {
			names = append(names, what)
		}
	}
	slices.Sort(names)
	return names
}

func (t *Table) concept(r *Row, c *Concept) *fhir.Node {
	designations, properties := fhir.Arr{}, fhir.Arr{}
	for what := range t.Columns {
		if language, ok := strings.CutPrefix(what, "designation:"); ok && t.cell(r, what) != "" {
			designations = append(designations, fhir.Obj{"language", language, "value", t.cell(r, what)})
		}
	}
	for _, p := range c.Parents[min(1, len(c.Parents)):] {
		properties = append(properties, fhir.Obj{"code", "parent", "valueCode", p})
	}
	for _, p := range t.properties() {
		if v := t.cell(r, p); v != "" {
			properties = append(properties, fhir.Obj{"code", strings.TrimPrefix(p, "property:"), "valueString", v})
		}
	}
	return fhir.Of(fhir.Obj{"code", c.Code, "display", c.Display, "definition", t.cell(r, "definition"), "designation", designations, "property", properties})
}

// tree nests concepts under their first parent.
type tree struct {
	nodes  map[string]*fhir.Node
	parent map[string]string
	order  []string
}

func (t *tree) add(code, parent string, n *fhir.Node) {
	t.nodes[code], t.parent[code] = n, parent
	t.order = append(t.order, code)
}

// grow gives the concepts without a parent, the others beneath them, and those that no root leads to.
func (t *tree) grow() (roots []*fhir.Node, ringed []string) {
	children := map[string][]string{}
	var top []string
	for _, code := range t.order {
		if p := t.parent[code]; p != "" && t.nodes[p] != nil {
			children[p] = append(children[p], code)
		} else {
			top = append(top, code)
		}
	}
	reached := map[string]bool{}
	level := top
	for len(level) > 0 {
		var next []string
		for _, code := range level {
			reached[code] = true
			if kids := children[code]; len(kids) > 0 {
				list := &fhir.Node{Kind: fhir.Array}
				for _, k := range kids {
					list.Items = append(list.Items, t.nodes[k])
				}
				t.nodes[code].Members = append(t.nodes[code].Members, fhir.Member{Name: "concept", Value: list})
				next = append(next, kids...)
			}
		}
		level = next
	}
	for _, code := range top {
		roots = append(roots, t.nodes[code])
	}
	for _, code := range t.order {
		if !reached[code] {
			ringed = append(ringed, code)
			delete(t.nodes, code)
		}
	}
	return roots, ringed
}

var equivalences = []string{"relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact", "unmatched", "disjoint"}

// ConceptMap makes the ConceptMap; rows that cannot be taken join t.Bad.
func (t *Table) ConceptMap(o MapOf) (Made, error) {
	if o.Equivalence == "" {
		o.Equivalence = "relatedto"
	}
	if !slices.Contains(equivalences, o.Equivalence) {
		return Made{}, fmt.Errorf("no such equivalence: %s; there are %s", o.Equivalence, strings.Join(equivalences, ", "))
	}
	elements := &fhir.Node{Kind: fhir.Array}
	bySource := map[string]*fhir.Node{}
	lines := map[string]int{}
	made := Made{}
	for i := range t.Rows {
		r := &t.Rows[i]
		source, target, how := t.cell(r, "source"), t.cell(r, "target"), firstOf(t.cell(r, "equivalence"), o.Equivalence)
		wrong := func(reason, zh string) { t.bad(r.Line, strings.Join(r.Cells, " "), reason, zh) }
		first, twice := lines[source+"\n"+target]
		switch {
		case source == "" || target == "" && how != "unmatched":
			wrong("a code is missing", "缺少代码")
		case !fhir.IsPrimitive("code", source) || target != "" && !fhir.IsPrimitive("code", target):
			wrong("a code has no line ends and no double or outer spaces", "代码格式不正确")
		case !slices.Contains(equivalences, how):
			wrong("no such equivalence: "+how, "对应关系无效："+how)
		case twice:
			wrong(fmt.Sprintf("the same pair stands at line %d already", first), fmt.Sprintf("与第 %d 行重复", first))
		default:
			lines[source+"\n"+target] = r.Line
			e := bySource[source]
			if e == nil {
				e = fhir.Of(fhir.Obj{"code", source, "display", t.cell(r, "source-display")})
				e.Members = append(e.Members, fhir.Member{Name: "target", Value: &fhir.Node{Kind: fhir.Array}})
				bySource[source] = e
				elements.Items = append(elements.Items, e)
			}
			targets := e.Child("target")
			targets.Items = append(targets.Items, fhir.Of(fhir.Obj{"code", target, "display", t.cell(r, "target-display"), "equivalence", how}))
			made.Codes++
		}
	}
	slices.SortStableFunc(t.Bad, func(a, b BadRow) int { return a.Line - b.Line })
	group := fhir.Of(fhir.Obj{"source", o.Source, "sourceVersion", o.SourceVersion, "target", o.Target, "targetVersion", o.TargetVersion})
	group.Members = append(group.Members, fhir.Member{Name: "element", Value: elements})
	made.Resource = fhir.New("ConceptMap", "id", ID(o.URL, o.Version), "url", o.URL, "version", o.Version, "name", o.Name, "title", o.Title, "status", "active", "experimental", false,
		"group", fhir.Arr{group})
	return made, nil
}

// Selectable makes the value set of all codes of a system that may be chosen.
func Selectable(url, version, name, title, system, systemVersion string) *fhir.Node {
	return fhir.New("ValueSet", "id", ID(url, ""), "url", url, "version", version, "name", name, "title", title, "status", "active", "experimental", false,
		"compose", fhir.Obj{"include", fhir.Arr{fhir.Obj{"system", system, "version", systemVersion,
			"filter", fhir.Arr{fhir.Obj{"property", "notSelectable", "op", "=", "value", "false"}}}}})
}

// NameOf makes a name as FHIR wants it, letters and digits, from any text.
func NameOf(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf && (r >= '0' && r <= '9' && b.Len() > 0 || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			if b.Len() == 0 {
				r = []rune(strings.ToUpper(string(r)))[0]
			}
			b.WriteRune(r)
		}
	}
	return firstOf(b.String(), "Codes")
}
