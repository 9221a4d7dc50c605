package fhirtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Guide reads a folder of FHIR Shorthand, as far as the Chongqing guide writes it: profiles, extensions, invariants,
// code systems, value sets and instances become resources.
func Guide(t testing.TB, folder, canonical string) []*fhir.Node {
	t.Helper()
	g := &guide{t: t, canonical: canonical, aliases: map[string]string{}, ids: map[string]string{}, kinds: map[string]string{}, parents: map[string]string{}, invariants: map[string]fhir.Obj{}}
	dir := filepath.Join(Folder(t), folder)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no %s", dir)
	}
	var blocks [][]string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".fsh" {
			return err
		}
		data, err := os.ReadFile(path)
		blocks = append(blocks, split(string(data))...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		g.declare(b)
	}
	var all []*fhir.Node
	for _, b := range blocks {
		if n := g.build(b); n != nil {
			all = append(all, n)
		}
	}
	return all
}

type guide struct {
	t          testing.TB
	canonical  string
	aliases    map[string]string
	ids        map[string]string // name → id
	kinds      map[string]string // name → Profile, Extension, …
	parents    map[string]string // profile → what it constrains
	invariants map[string]fhir.Obj
}

// split cuts a file into blocks of lines, one an item; a rule that goes on is one line.
func split(text string) (blocks [][]string) {
	header := regexp.MustCompile(`^(Alias|Invariant|Extension|Profile|Instance|CodeSystem|ValueSet):`)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n \t")
		if i := strings.Index(line, " //"); i >= 0 {
			line = line[:i]
		}
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || strings.HasPrefix(trimmed, "//"):
		case header.MatchString(line):
			blocks = append(blocks, []string{line})
		case len(blocks) == 0:
		case strings.HasPrefix(line, " ") && !strings.HasPrefix(trimmed, "*"):
			b := blocks[len(blocks)-1]
			b[len(b)-1] += " " + trimmed
		default:
			blocks[len(blocks)-1] = append(blocks[len(blocks)-1], trimmed)
		}
	}
	return blocks
}

func head(line string) (key, value string) {
	key, value, _ = strings.Cut(line, ":")
	return key, strings.Trim(strings.TrimSpace(value), `"`)
}

func (g *guide) declare(b []string) {
	kind, name := head(b[0])
	if kind == "Alias" {
		alias, to, _ := strings.Cut(name, "=")
		g.aliases[strings.TrimSpace(alias)] = strings.TrimSpace(to)
		return
	}
	g.kinds[name], g.ids[name] = kind, name
	fields := fhir.Obj{"key", name}
	for _, line := range b[1:] {
		if strings.HasPrefix(line, "*") {
			continue
		}
		switch key, value := head(line); key {
		case "Id":
			g.ids[name] = value
		case "Parent", "InstanceOf":
			g.parents[name] = value
		case "Severity":
			fields = append(fields, "severity", strings.TrimPrefix(value, "#"))
		case "Expression":
			fields = append(fields, "expression", strings.ReplaceAll(value, `\\`, `\`))
		case "Description":
			fields = append(fields, "human", value)
		}
	}
	if kind == "Invariant" {
		g.invariants[name] = fields
	}
}

func (g *guide) url(name string) string {
	folder := map[string]string{"Profile": "StructureDefinition", "Extension": "StructureDefinition", "CodeSystem": "CodeSystem", "ValueSet": "ValueSet"}[g.kinds[name]]
	if folder == "" {
		return name
	}
	return g.canonical + "/" + folder + "/" + g.ids[name]
}

func (g *guide) build(b []string) *fhir.Node {
	kind, name := head(b[0])
	var rules []string
	for _, line := range b[1:] {
		if rest, ok := strings.CutPrefix(line, "*"); ok {
			rules = append(rules, strings.TrimSpace(rest))
		}
	}
	switch kind {
	case "CodeSystem":
		n := fhir.New("CodeSystem", "id", g.ids[name], "url", g.url(name), "name", name, "status", "active", "content", "complete")
		for _, r := range rules {
			if code, ok := strings.CutPrefix(r, "#"); ok {
				code, display, _ := strings.Cut(code, " ")
				n.Add("concept", fhir.Obj{"code", code, "display", strings.Trim(strings.TrimSpace(display), `"`)})
			}
		}
		return n
	case "ValueSet":
		n := fhir.New("ValueSet", "id", g.ids[name], "url", g.url(name), "name", name, "status", "active")
		for _, r := range rules {
			if system, ok := strings.CutPrefix(r, "include codes from system "); ok {
				n.Add("compose.include", fhir.Obj{"system", g.url(strings.TrimSpace(system))})
			} else if set, ok := strings.CutPrefix(r, "include codes from valueset "); ok {
				n.Add("compose.include", fhir.Obj{"valueSet", fhir.Arr{g.url(strings.TrimSpace(set))}})
			}
		}
		return n
	case "Extension", "Profile":
		return g.definition(kind, name, rules)
	case "Instance":
		return g.instance(name, rules)
	}
	return nil
}

// definition writes the differential; an element may come several times, as the rules do.
func (g *guide) definition(kind, name string, rules []string) *fhir.Node {
	typ, base := "Extension", "http://hl7.org/fhir/StructureDefinition/Extension"
	if kind == "Profile" {
		base = g.url(g.parents[name])
		for typ = name; g.parents[typ] != ""; {
			typ = g.parents[typ]
		}
		if base == typ {
			base = "http://hl7.org/fhir/StructureDefinition/" + typ
		}
	}
	var order []string
	elements := map[string]*fhir.Node{}
	element := func(path string) *fhir.Node {
		id, plain := typ, typ
		slice := ""
		for seg := range strings.SplitSeq(path, ".") {
			stem := strings.ReplaceAll(seg, "[x]", "(x)")
			n, s, _ := strings.Cut(strings.TrimSuffix(stem, "]"), "[")
			n = strings.ReplaceAll(n, "(x)", "[x]")
			id, plain, slice = id+"."+n, plain+"."+n, s
			if s != "" {
				id += ":" + s
			}
		}
		if elements[id] == nil {
			elements[id] = fhir.Of(fhir.Obj{"id", id, "path", plain, "sliceName", slice})
			order = append(order, id)
		}
		return elements[id]
	}
	if kind == "Extension" {
		element("url").Set("fixedUri", g.url(name))
	}
	bounds := regexp.MustCompile(`(\d+)\.\.(\d+|\*)`)
	for _, r := range rules {
		f := strings.Fields(r)
		switch {
		case len(f) > 1 && f[1] == "contains":
			_, list, _ := strings.Cut(r, " contains ")
			for item := range strings.SplitSeq(list, " and ") {
				words := strings.Fields(item)
				slice := words[0]
				if len(words) > 2 && words[1] == "named" {
					slice = words[2]
				}
				e := element(f[0] + "[" + slice + "]")
				if m := bounds.FindStringSubmatch(item); m != nil {
					least, _ := strconv.Atoi(m[1])
					e.Set("min", least).Set("max", m[2])
				}
				switch {
				case g.kinds[words[0]] == "Extension":
					e.Set("type", fhir.Arr{fhir.Obj{"code", "Extension", "profile", fhir.Arr{g.url(words[0])}}})
				case strings.HasSuffix(f[0], "extension"):
					element(f[0]+"["+slice+"].url").Set("fixedUri", slice)
				}
			}
		case len(f) > 1 && f[1] == "only":
			element(f[0]).Set("type", fhir.Arr{fhir.Obj{"code", f[2]}})
		case len(f) > 1 && f[1] == "from":
			strength := "required"
			if len(f) > 3 && strings.HasPrefix(f[3], "(") {
				strength = strings.Trim(f[3], "()")
			}
			element(f[0]).Set("binding", fhir.Obj{"strength", strength, "valueSet", g.url(f[2])})
		case len(f) > 1 && f[1] == "obeys":
			element(f[0]).Add("constraint", g.invariants[f[2]])
		case len(f) > 3 && strings.HasPrefix(f[1], "^slicing."):
			s := element(f[0])
			switch value := strings.Trim(strings.TrimPrefix(f[3], "#"), `"`); f[1] {
			case "^slicing.discriminator.type":
				s.Set("slicing.discriminator[0].type", value)
			case "^slicing.discriminator.path":
				s.Set("slicing.discriminator[0].path", value)
			case "^slicing.rules":
				s.Set("slicing.rules", value)
			case "^slicing.ordered":
				s.Set("slicing.ordered", value == "true")
			}
		case len(f) > 1 && strings.HasPrefix(f[1], "^"):
		case len(f) > 2 && f[1] == "=":
			last := f[0][strings.LastIndexByte(f[0], '.')+1:]
			typ := map[string]string{"use": "code", "system": "code"}[last]
			if typ == "" {
				typ = "CodeableConcept"
			}
			element(f[0]).Set("pattern"+strings.ToUpper(typ[:1])+typ[1:], g.value(r[strings.Index(r, "=")+1:], typ))
		case len(f) > 1 && bounds.MatchString(f[1]):
			m := bounds.FindStringSubmatch(f[1])
			least, _ := strconv.Atoi(m[1])
			element(f[0]).Set("min", least).Set("max", m[2])
		default:
			g.t.Fatalf("%s: a rule that is not understood: %s", name, r)
		}
	}
	n := fhir.New("StructureDefinition", "id", g.ids[name], "url", g.url(name), "version", "0.1.0", "name", name, "status", "active", "kind", "resource", "abstract", false, "type", typ, "baseDefinition", base, "derivation", "constraint")
	if kind == "Extension" {
		n.Set("kind", "complex-type").Set("context", fhir.Arr{fhir.Obj{"type", "element", "expression", "Element"}})
	}
	for _, id := range order {
		n.Add("differential.element", elements[id])
	}
	return n
}

// value turns what stands after = into JSON of a type.
func (g *guide) value(s, typ string) any {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, `"`) {
		return strings.Trim(s, `"`)
	}
	if s == "true" || s == "false" {
		return s == "true"
	}
	code, display, _ := strings.Cut(s, " ")
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		system := code[:i]
		if to := g.aliases[system]; to != "" {
			system = to
		}
		coding := fhir.Coding(g.url(system), code[i+1:], strings.Trim(strings.TrimSpace(display), `"`))
		switch typ {
		case "CodeableConcept":
			return fhir.Obj{"coding", fhir.Arr{coding}}
		case "Coding":
			return coding
		}
		return code[i+1:]
	}
	return &fhir.Node{Kind: fhir.Number, Text: s}
}

// instance builds a resource; slices become items in the order in which they are named.
func (g *guide) instance(name string, rules []string) *fhir.Node {
	profile := g.parents[name]
	typ := profile
	for g.parents[typ] != "" {
		typ = g.parents[typ]
	}
	n := fhir.New(typ, "id", strings.ToLower(name), "meta", fhir.Obj{"profile", fhir.Arr{g.url(profile)}})
	places := map[string]int{}
	seg := regexp.MustCompile(`^(\w+)((?:\[[^\]]+\])*)$`)
	for _, r := range rules {
		path, value, ok := strings.Cut(r, " = ")
		if !ok {
			g.t.Fatalf("%s: a rule that is not understood: %s", name, r)
		}
		at, within, above := n, typ, ""
		segs := strings.Split(path, ".")
		for i, s := range segs {
			m := seg.FindStringSubmatch(s)
			if m == nil {
				g.t.Fatalf("%s: a path that is not understood: %s", name, path)
			}
			e, found := elementOf(within, m[1])
			if !found {
				g.t.Fatalf("%s: %s has no element %s", name, within, m[1])
			}
			_, nested, isNested := strings.Cut(e.Types[0], ":")
			within = e.Types[0]
			if isNested {
				within = nested
			}
			many := e.Max != 1
			key := m[1]
			if many {
				place := above + "." + m[1]
				item := place + m[2]
				index, known := places[item]
				if !known {
					index = places[place]
					places[place]++
					places[item] = index
				}
				key = fmt.Sprintf("%s[%d]", m[1], index)
			}
			above += "." + s
			if i == len(segs)-1 {
				at.Set(key, g.value(value, within))
				break
			}
			if at.Get(key) == nil {
				if many {
					at.Add(m[1], fhir.Obj{"id", "x"})
					at.Get(key).Set("id", nil)
				} else {
					at.Set(key, &fhir.Node{Kind: fhir.Object})
				}
				if slice, _, _ := strings.Cut(strings.Trim(m[2], "[]"), "]"); m[1] == "extension" && slice != "" {
					url := slice
					if g.kinds[slice] == "Extension" {
						url = g.url(slice)
					}
					at.Get(key).Set("url", url)
				}
			}
			at = at.Get(key)
		}
	}
	return n
}

func elementOf(typ, name string) (spec.Element, bool) {
	for _, e := range spec.Elements(typ) {
		if e.Name == name {
			return e, true
		}
	}
	return spec.Element{}, false
}
