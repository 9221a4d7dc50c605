package search

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
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
		return token(raw), nil
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
	low, high, err := decimalRange(text)
	if err != nil {
		return v, badValue(param.Code, "a decimal number", "应为十进制数")
	}
	v.Number, _ = strconv.ParseFloat(text, 64)
	v.NumLow, v.NumHi = low, high
	if len(parts) > 1 && parts[1] != "" {
		system := unescape(parts[1])
		v.System = &system
	}
	if len(parts) > 2 {
		v.Code = unescape(parts[2])
	}
	return v, nil
}

// decimalRange returns what a decimal may stand for by its digits: 100 is [99.5, 100.5), 1.00 is [0.995, 1.005), 1e2 is [95, 105) by its last digit given.
func decimalRange(text string) (low, high float64, err error) {
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		if exponent, err = strconv.Atoi(strings.TrimPrefix(text[i+1:], "+")); err != nil || exponent < -300 || exponent > 300 {
			return 0, 0, fmt.Errorf("exponent of %q", text)
		}
	}
	digits := strings.TrimLeft(mantissa, "+-")
	if len(mantissa)-len(digits) > 1 || digits == "" || strings.Trim(digits, "0123456789.") != "" || strings.Count(digits, ".") > 1 ||
		digits[0] == '.' || digits[len(digits)-1] == '.' || len(digits) > 60 {
		return 0, 0, fmt.Errorf("not a decimal: %q", text)
	}
	places := 0
	if dot := strings.IndexByte(digits, '.'); dot >= 0 {
		places = len(digits) - dot - 1
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(value, 0) {
		return 0, 0, fmt.Errorf("not a decimal: %q", text)
	}
	half, err := strconv.ParseFloat("5e"+strconv.Itoa(exponent-places-1), 64)
	if err != nil {
		return 0, 0, err
	}
	return value - half, value + half, nil
}

func (p *parser) date(code, raw string) (Value, error) {
	v := Value{Raw: raw}
	var text string
	v.Prefix, text = cutPrefix(unescape(raw))
	low, high, ok := dateRange(text, p.Zone)
	if !ok {
		return v, badValue(code, "a date such as 2026, 2026-11, 2026-11-23 or 2026-11-23T08:30:00+08:00", "应为日期，如 2026、2026-11、2026-11-23 或 2026-11-23T08:30:00+08:00")
	}
	v.Low, v.High = low, high
	return v, nil
}

// dateLayouts pairs each precision with the step to its end; a time may stop at the minute.
var dateLayouts = []struct {
	layout string
	end    func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", func(t time.Time) time.Time { return t.Add(time.Second) }},
}

// dateRange returns [low, high) in UTC microseconds; zoneless text is in zone.
func dateRange(text string, zone *time.Location) (low, high int64, ok bool) {
	if len(text) < 4 || len(text) > 40 || strings.HasPrefix(text, "0000") {
		return 0, 0, false
	}
	text = strings.Replace(text, " ", "+", 1) // an unescaped + of the zone arrives as a space
	zoned := ""
	if t := strings.IndexByte(text, 'T'); t >= 0 {
		if z := strings.IndexAny(text[t:], "Z+-"); z >= 0 {
			zoned = text[t+z:]
			text = text[:t+z]
		}
	}
	fraction := ""
	if dot := strings.IndexByte(text, '.'); dot >= 0 {
		text, fraction = text[:dot], text[dot+1:]
		if fraction == "" || strings.Trim(fraction, "0123456789") != "" || len(text) != len("2006-01-02T15:04:05") {
			return 0, 0, false
		}
	}
	switch {
	case zoned == "Z":
		zone = time.UTC
	case zoned != "":
		t, err := time.Parse("-07:00", zoned)
		if err != nil {
			return 0, 0, false
		}
		_, offset := t.Zone()
		if offset > 14*3600 || offset < -14*3600 {
			return 0, 0, false
		}
		zone = time.FixedZone("", offset)
	}
	leap := len(text) == len("2006-01-02T15:04:05") && strings.HasSuffix(text, ":60")
	if leap {
		text = text[:len(text)-2] + "59"
	}
	for _, l := range dateLayouts {
		if len(l.layout) != len(text) {
			continue
		}
		t, err := time.ParseInLocation(l.layout, text, zone)
		if err != nil {
			return 0, 0, false
		}
		if fraction == "" {
			if leap {
				t = t.Add(time.Second)
			}
			return t.UnixMicro(), l.end(t).UnixMicro(), true
		}
		if len(fraction) > 6 {
			fraction = fraction[:6]
		}
		n, _ := strconv.ParseInt(fraction, 10, 64)
		unit := int64(1)
		for range 6 - len(fraction) {
			unit *= 10
		}
		low = t.UnixMicro() + n*unit
		return low, low + unit, true
	}
	return 0, 0, false
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
