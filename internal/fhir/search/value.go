package search

import (
	"fmt"
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

func (p *parser) value(param *spec.Param, modifier, raw string) (Value, error) {
	switch param.Type {
	case spec.Token:
		v := token(raw)
		v.Code = index.Normal(param, v.Code)
		return v, nil
	case spec.String, spec.URI:
		return Value{Raw: raw, Text: unescape(raw)}, nil
	case spec.Date:
		return p.date(param.Code, raw)
	case spec.Number, spec.Quantity:
		return quantity(param, raw)
	case spec.Reference:
		return p.reference(modifier, raw), nil
	}
	return Value{}, badValue(param.Code, "searchable", "不可检索")
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

func (p *parser) reference(modifier, raw string) Value {
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
	}
	return v
}
