package validate

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// extras are the rules of single types.
var extras = map[string]func(*walk, *fhir.Node){
	"Extension": extension,
	"Period":    period,
	"Bundle":    bundle,
}

// extension: a value or further extensions, not both (ext-1).
func extension(w *walk, n *fhir.Node) {
	value, nested := false, false
	for i := range n.Members {
		name := n.Members[i].Name
		nested = nested || name == "extension"
		value = value || strings.HasPrefix(name, "value") || strings.HasPrefix(name, "_value")
	}
	if value == nested {
		w.refuse("invariant", "extension-value", "an extension has either a value or extensions", "扩展必须有值或下级扩展，二者只能有其一")
	}
}

// period: the start is not after the end (per-1).
func period(w *walk, n *fhir.Node) {
	start, end := n.Child("start"), n.Child("end")
	if start == nil || end == nil {
		return
	}
	s, err1 := fhir.ParseDate(start.Text, nil)
	e, err2 := fhir.ParseDate(end.Text, nil)
	if err1 == nil && err2 == nil && s.Zoned == e.Zoned && s.Low >= e.High {
		w.refuse("invariant", "period-order", "the start is after the end", "开始时间晚于结束时间")
	}
}

// bundle: what is done with an entry is said by its request (bdl-3).
func bundle(w *walk, n *fhir.Node) {
	switch n.Str("type") {
	case "transaction", "batch":
	default:
		return
	}
	for i, e := range n.All("entry") {
		if e.Child("request") == nil {
			w.push("entry", i)
			w.push("request", -1)
			w.refuse("required", "missing-element", "an entry of a batch or transaction needs its request", "批量或事务中的条目必须有 request")
			w.pop()
			w.pop()
		}
	}
}

func (w *walk) reference(v *fhir.Node, f *field) {
	child := v.Child("reference")
	if child == nil || child.Kind != fhir.String || child.Text == "" {
		return
	}
	text := child.Text
	if w.bundled {
		if typ, _, conditional := strings.Cut(text, "?"); conditional && spec.IsResource(typ) {
			w.target(typ, f)
			return
		}
	}
	r, ok := fhir.ParseReference(text)
	if !ok || r.Base == "" && r.Type != "" && !spec.IsResource(r.Type) {
		w.push("reference", -1)
		w.refuse("value", "bad-reference", "not a valid reference", "引用格式不正确")
		w.pop()
		return
	}
	if r.Contained {
		if r.Fragment != "" && !w.contains(r.Fragment, f) {
			w.push("reference", -1)
			w.refuse("not-found", "contained-missing", "no contained resource has this id", "没有该 id 的内含资源")
			w.pop()
		}
		return
	}
	if r.Type != "" && r.Base == "" {
		w.target(r.Type, f)
	}
}

func (w *walk) target(typ string, f *field) {
	if f.targets != nil && !f.targets[typ] {
		w.refuse("value", "reference-target", "must not refer to "+typ, "此处不能引用 "+typ)
	}
}

func (w *walk) contains(id string, f *field) bool {
	for _, c := range w.container.All("contained") {
		if c.ID() == id {
			if typ := c.Type(); spec.IsResource(typ) {
				w.target(typ, f)
			}
			return true
		}
	}
	return false
}

// unsafe are the elements that FHIR keeps out of a narrative.
var unsafe = map[string]bool{"script": true, "iframe": true, "frame": true, "frameset": true, "object": true, "embed": true, "applet": true, "form": true, "input": true,
	"button": true, "textarea": true, "select": true, "base": true, "link": true, "meta": true, "head": true, "body": true, "html": true, "style": true, "svg": true, "math": true}

// narrative checks that the div is one, has content, and cannot act in a browser.
func (w *walk) narrative(s string) {
	refuse := func() {
		w.refuse("invariant", "narrative-unsafe", "the narrative must be a div without scripts, forms or event handlers", "叙述文本必须是 div，且不能含脚本、表单或事件")
	}
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "<div") || len(s) < 5 || strings.IndexByte(" \t\r\n>/", s[4]) < 0 || !strings.HasSuffix(s, ">") {
		refuse()
		return
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' }) { // a browser parts words at some of them
		refuse()
		return
	}
	depth := 0
	for i := 0; i < len(s); {
		lt := strings.IndexByte(s[i:], '<')
		if lt < 0 {
			break
		}
		i += lt
		if strings.HasPrefix(s[i:], "<!--") {
			end := strings.Index(s[i+4:], "-->")
			if end < 0 {
				refuse()
				return
			}
			if text := s[i+4 : i+4+end]; strings.HasPrefix(text, ">") || strings.HasPrefix(text, "->") || strings.Contains(text, "--") { // where a browser sees its end
				refuse()
				return
			}
			i += end + 7
			continue
		}
		end := tagEnd(s, i)
		if end < 0 {
			refuse()
			return
		}
		tag := s[i+1 : end]
		i = end + 1
		closing := strings.HasPrefix(tag, "/")
		name := strings.TrimPrefix(tag, "/")
		if cut := strings.IndexAny(name, " \t\r\n/"); cut >= 0 {
			name = name[:cut]
		}
		_, name = splitPrefix(name)
		if name == "" || tag[0] == '!' || tag[0] == '?' || unsafe[strings.ToLower(name)] || !closing && acts(tag) {
			refuse()
			return
		}
		switch {
		case closing:
			depth--
		case !strings.HasSuffix(tag, "/"):
			depth++
		}
		if depth < 0 || depth == 0 && i < len(s) {
			refuse()
			return
		}
	}
	if depth != 0 {
		refuse()
	}
}

func splitPrefix(name string) (prefix, local string) {
	if p, l, ok := strings.Cut(name, ":"); ok {
		return p, l
	}
	return "", name
}

// tagEnd finds the > that closes the tag at s[i], outside of quotes; -1 when none does, or another tag begins first.
func tagEnd(s string, i int) int {
	quote := byte(0)
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			return -1
		case c == '>':
			return i
		}
	}
	return -1
}

// acts reports whether an opening tag has an event handler or an address that runs code.
func acts(tag string) bool {
	i := strings.IndexAny(tag, " \t\r\n/\"'")
	for i >= 0 && i < len(tag) {
		for i < len(tag) && strings.IndexByte(" \t\r\n/\"'", tag[i]) >= 0 {
			i++
		}
		eq := strings.IndexByte(tag[i:], '=')
		if eq < 0 {
			return i < len(tag) // XHTML wants a value
		}
		name := strings.ToLower(strings.TrimSpace(tag[i : i+eq]))
		if strings.HasPrefix(name, "on") || strings.ContainsAny(name, " \t\r\n/\"'") {
			return true
		}
		i += eq + 1
		for i < len(tag) && strings.IndexByte(" \t\r\n", tag[i]) >= 0 {
			i++
		}
		if i >= len(tag) || tag[i] != '"' && tag[i] != '\'' {
			return true // XHTML wants quotes
		}
		end := strings.IndexByte(tag[i+1:], tag[i])
		if end < 0 {
			return true
		}
		value := squeeze(tag[i+1 : i+1+end])
		if strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "vbscript:") || strings.HasPrefix(value, "data:") && !strings.HasPrefix(value, "data:image/") {
			return true
		}
		if strings.Contains(value, "&") && (name == "href" || name == "src") && hidesScheme(value) {
			return true
		}
		i += end + 2
	}
	return false
}

// squeeze lower-cases and drops white space and controls, as a browser does before it looks at the scheme.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		if r >= 'A' && r <= 'Z' {
			return r + 32
		}
		return r
	}, s)
}

// hidesScheme reports a character reference before the first slash, where it could spell a scheme.
func hidesScheme(value string) bool {
	amp := strings.IndexByte(value, '&')
	slash := strings.IndexAny(value, "/?#")
	return slash < 0 || amp < slash
}
