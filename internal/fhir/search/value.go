package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// splitUnescaped cuts s at every sep that no backslash protects; the parts keep their escapes.
func splitUnescaped(s string, sep byte) []string {
	if strings.IndexByte(s, sep) < 0 {
		return []string{s}
	}
	var parts []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// unescape turns \, \| \$ and \\ into what they stand for; other backslashes stay.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`,|$\`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func badValue(code, want, zh string) *fhir.Error {
	return fhir.Refuse(400, "value", "bad-value", fmt.Sprintf("%s: the value is not %s", code, want), code+"："+zh)
}

// value reads one of the values between commas; some forms stand for several.
func (p *parser) value(param *spec.Param, modifier, raw string) ([]Value, error) {
	switch param.Type {
	case spec.Token:
		switch modifier {
		case "text", "in", "not-in":
			return []Value{{Raw: raw, Text: unescape(raw)}}, nil
		case "of-type":
			return ofType(param, raw)
		}
		v := token(raw)
		v.Code = index.Normal(param, v.Code)
		if (modifier == "above" || modifier == "below") && (v.System == nil || *v.System == "" || v.Code == "") {
			return nil, badValue(param.Code, "system|code, which :above and :below need", ":above 和 :below 的写法是 体系|代码")
		}
		return []Value{v}, nil
	case spec.String:
		if param.Code == "phonetic" {
			return sounds(raw), nil
		}
		return []Value{{Raw: raw, Text: unescape(raw)}}, nil
	case spec.URI:
		if modifier == "above" || modifier == "below" {
			return paths(param, modifier, raw)
		}
		return []Value{{Raw: raw, Text: unescape(raw)}}, nil
	case spec.Date:
		v, err := p.date(param.Code, raw)
		return []Value{v}, err
	case spec.Number, spec.Quantity:
		v, err := quantity(param, raw)
		return []Value{v}, err
	case spec.Reference:
		if modifier == "identifier" {
			v := token(raw)
			return []Value{v}, nil
		}
		v := p.reference(param, modifier, raw)
		if modifier == Person && (v.RefType != "Patient" || v.RefID == "") {
			return nil, badValue(param.Code, "a patient of this hub, Patient/1, which :person needs", ":person 应为本平台的患者，如 Patient/1")
		}
		if modifier == "above" && v.URL != "" {
			return olderVersions(v), nil
		}
		return []Value{v}, nil
	case spec.Composite:
		return p.composite(param, raw)
	}
	return nil, badValue(param.Code, "searchable", "不可检索")
}

// maxForms bounds the combinations that one composite value may stand for.
const maxForms = 16

// composite reads a$b, each part as its component would be.
func (p *parser) composite(param *spec.Param, raw string) ([]Value, error) {
	parts := splitUnescaped(raw, '$')
	if len(parts) != len(param.Components) {
		var names []string
		for _, c := range param.Components {
			names = append(names, c.Code)
		}
		return nil, badValue(param.Code, "written "+strings.Join(names, "$"), "写法是 "+strings.Join(names, "$"))
	}
	all := []Value{{Raw: raw}}
	for i, c := range param.Components {
		if parts[i] == "" {
			return nil, badValue(param.Code+"."+c.Code, "given", "缺少")
		}
		forms, err := p.value(c, "", parts[i])
		if err != nil {
			return nil, err
		}
		var next []Value
		for _, v := range all {
			for _, f := range forms {
				if len(next) < maxForms {
					next = append(next, Value{Raw: raw, Parts: append(slices.Clone(v.Parts), f)})
				}
			}
		}
		all = next
	}
	return all, nil
}

// ofType reads system|code|value: an identifier of that type.
func ofType(param *spec.Param, raw string) ([]Value, error) {
	parts := splitUnescaped(raw, '|')
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return nil, badValue(param.Code, "written system|code|value, where system and code are of the identifier's type", "写法是 类型体系|类型代码|值")
	}
	system := unescape(parts[0])
	v := Value{Raw: raw, Code: unescape(parts[1]), Text: index.Normal(param, unescape(parts[2]))}
	if system != "" {
		v.System = &system
	}
	return []Value{v}, nil
}

func sounds(raw string) []Value {
	var r []Value
	for _, form := range index.Heard(unescape(raw)) {
		r = append(r, Value{Raw: raw, Text: form})
	}
	return r
}

// maxPaths bounds the places above a URL.
const maxPaths = 60

// paths reads the value of a uri with :below or :above; above names every place above it.
func paths(param *spec.Param, modifier, raw string) ([]Value, error) {
	text := unescape(raw)
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil, badValue(param.Code, "a URL with a path, which :above and :below need", ":above 和 :below 只用于 URL")
	}
	if modifier == "below" {
		return []Value{{Raw: raw, Text: strings.TrimRight(text, "/")}}, nil
	}
	root := len(scheme) + len("://") + len(rest) - len(strings.TrimLeft(rest, "/"))
	r := []Value{{Raw: raw, Text: text}}
	for i := len(text); i > root && len(r) < maxPaths; i-- {
		if i == len(text) || text[i] != '/' {
			continue
		}
		r = append(r, Value{Raw: raw, Text: text[:i+1]}, Value{Raw: raw, Text: text[:i]})
	}
	return r, nil
}

// olderVersions are the canonicals above url|1.2.3: itself, url|1.2, url|1, url.
func olderVersions(v Value) []Value {
	r := []Value{v}
	url, version, _ := strings.Cut(v.URL, "|")
	for version != "" && len(r) < 10 {
		version = version[:max(strings.LastIndexByte(version, '.'), 0)]
		next := v
		if next.URL = url; version != "" {
			next.URL += "|" + version
		}
		r = append(r, next)
	}
	return r
}

func token(raw string) Value {
	parts := splitUnescaped(raw, '|')
	v := Value{Raw: raw}
	if len(parts) == 1 {
		v.Code = unescape(raw)
		return v
	}
	system := unescape(parts[0])
	v.System, v.Code = &system, unescape(strings.Join(parts[1:], "|"))
	return v
}

var prefixes = map[string]Prefix{"eq": Eq, "ne": Ne, "gt": Gt, "lt": Lt, "ge": Ge, "le": Le, "sa": Sa, "eb": Eb, "ap": Ap}

// cutPrefix splits off a two-letter comparison, which only stands before a digit or a sign.
func cutPrefix(raw string) (Prefix, string) {
	if len(raw) > 2 {
		if p, ok := prefixes[raw[:2]]; ok {
			return p, raw[2:]
		}
	}
	return Eq, raw
}

func quantity(param *spec.Param, raw string) (Value, error) {
	v := Value{Raw: raw}
	var text string
	parts := splitUnescaped(raw, '|')
	v.Prefix, text = cutPrefix(unescape(parts[0]))
	if param.Type == spec.Number && len(parts) > 1 || len(parts) > 3 {
		return v, badValue(param.Code, "a number (quantities: number|system|code)", "应为数字（数量写作 数值|体系|单位）")
	}
	d, ok := fhir.ParseDecimal(text)
	if !ok {
		return v, badValue(param.Code, "a decimal number", "应为十进制数")
	}
	v.Number, v.NumLow, v.NumHi = d.Value, d.Low, d.High
	if len(parts) > 1 && parts[1] != "" {
		system := unescape(parts[1])
		v.System = &system
	}
	if len(parts) > 2 {
		v.Code = unescape(parts[2])
	}
	return v, nil
}

func (p *parser) date(code, raw string) (Value, error) {
	v := Value{Raw: raw}
	var text string
	v.Prefix, text = cutPrefix(unescape(raw))
	// an unescaped + of the zone arrives as a space
	d, err := fhir.ParseDate(strings.Replace(text, " ", "+", 1), p.Zone)
	if err != nil {
		return v, badValue(code, "a date such as 2026, 2026-11, 2026-11-23 or 2026-11-23T08:30:00+08:00", "应为日期，如 2026、2026-11、2026-11-23 或 2026-11-23T08:30:00+08:00")
	}
	v.Low, v.High = d.Low, d.High
	return v, nil
}

func (p *parser) reference(param *spec.Param, modifier, raw string) Value {
	switch modifier {
	case "above", "below":
		modifier = ""
	case Person:
		modifier = "Patient"
	}
	text := unescape(raw)
	v := Value{Raw: raw}
	if p.Base != "" {
		if rest, ok := strings.CutPrefix(text, strings.TrimSuffix(p.Base, "/")+"/"); ok {
			text = rest
		}
	}
	if i := strings.Index(text, "/_history/"); i > 0 && !strings.Contains(text, "://") {
		text = text[:i]
	}
	typ, id, slash := strings.Cut(text, "/")
	switch {
	case slash && spec.IsResource(typ) && !strings.Contains(id, "/"):
		v.RefType, v.RefID = typ, id
		if modifier != "" && modifier != typ {
			v.RefType, v.RefID, v.URL = "", "", text // Type/id against another :Type matches nothing local
		}
	case strings.Contains(text, ":"):
		v.URL = text
	default:
		v.RefType, v.RefID = modifier, text
		if modifier == "" && len(param.Targets) == 1 {
			v.RefType = param.Targets[0]
		}
	}
	return v
}
