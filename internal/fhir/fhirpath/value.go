package fhirpath

import (
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// class is what type() returns.
type class struct{ namespace, name string }

func (c *class) member(name string, out Collection) Collection {
	switch name {
	case "namespace":
		return append(out, Text(c.namespace))
	case "name":
		return append(out, Text(c.name))
	}
	return out
}

// system is the System value of an item: bool, int64, decimal, string, *moment or *quantity; nil for none.
func (i *Item) system() any {
	if i.value != nil {
		return i.value
	}
	if i.typ == nil || i.node == nil {
		return nil
	}
	t := i.node.Text
	switch i.typ.as {
	case nil:
		return nil
	case systemQuantity:
		if q := quantityOf(i.node); q != nil {
			return q
		}
		return nil
	case systemBoolean:
		return t == "true"
	case systemString:
		return t
	case systemInteger:
		if v, err := strconv.ParseInt(t, 10, 64); err == nil {
			return v
		}
	case systemDecimal:
		if d, ok := parseDecimal(t); ok {
			return d
		}
	case systemDate, systemDateTime:
		if m, ok := parseMoment(t, false); ok {
			if i.typ.as == systemDateTime {
				m.kind = aDateTime
			}
			return m
		}
	case systemTime:
		if m, ok := parseMoment(t, true); ok {
			return m
		}
	}
	return nil
}

// str returns the text of a System.String or of a FHIR primitive that is one.
func (i *Item) str() (string, bool) {
	if i.value != nil {
		s, ok := i.value.(string)
		return s, ok
	}
	if i.node != nil && i.typ.as == systemString && i.node.Kind == fhir.String {
		return i.node.Text, true
	}
	return "", false
}

// written is the text that toString() gives.
func (i Item) written() (string, bool) {
	switch v := i.system().(type) {
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case string:
		return v, true
	case decimal:
		return v.String(), true
	case *moment:
		return v.String(), true
	case *quantity:
		return v.String(), true
	}
	return "", false
}

// quantity is a number with a UCUM code, or with a calendar unit in the singular.
type quantity struct {
	value    decimal
	unit     string
	calendar bool
}

const ucum = "http://unitsofmeasure.org"

func (q *quantity) item() Item { return Item{typ: systemQuantity, value: q, index: -1} }

func (q *quantity) String() string {
	if q.calendar {
		if q.value.cmp(fromInt(1)) == 0 {
			return q.value.String() + " " + q.unit
		}
		return q.value.String() + " " + q.unit + "s"
	}
	return q.value.String() + " '" + q.unit + "'"
}

// calendarUnits are the words of calendar durations.
var calendarUnits = map[string]string{"year": "year", "years": "year", "month": "month", "months": "month", "week": "week", "weeks": "week",
	"day": "day", "days": "day", "hour": "hour", "hours": "hour", "minute": "minute", "minutes": "minute",
	"second": "second", "seconds": "second", "millisecond": "millisecond", "milliseconds": "millisecond"}

// fixed are the calendar durations that are as long as a UCUM unit.
var fixed = map[string]string{"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}

// words are the calendar units that FHIR reads a UCUM code of time as.
var words = map[string]string{"a": "year", "mo": "month", "wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}

// quantityOf converts a FHIR Quantity; nil when it has no value or only a bound (a comparator).
func quantityOf(n *fhir.Node) *quantity {
	v := n.Child("value")
	if v == nil || v.Kind != fhir.Number || n.Child("comparator") != nil {
		return nil
	}
	d, ok := parseDecimal(v.Text)
	if !ok {
		return nil
	}
	system, code := n.Str("system"), n.Str("code")
	switch {
	case system == ucum && words[code] != "":
		return &quantity{d, words[code], true}
	case system == ucum && code != "":
		return &quantity{d, code, false}
	case code != "":
		return &quantity{d, system + "|" + code, false}
	case n.Str("unit") != "":
		return &quantity{d, n.Str("unit"), false}
	}
	return &quantity{d, "1", false}
}

// parseQuantity reads "1", "1.5 'mg'", "4 days".
func parseQuantity(s string) *quantity {
	number, unit, has := strings.Cut(strings.TrimSpace(s), " ")
	if !has {
		if at := strings.IndexByte(s, '\''); at > 0 {
			number, unit = s[:at], s[at:]
		}
	}
	d, ok := parseDecimal(number)
	if !ok || strings.ContainsAny(number, "eE") {
		return nil
	}
	unit = strings.TrimSpace(unit)
	switch {
	case unit == "":
		return &quantity{d, "1", false}
	case len(unit) > 2 && unit[0] == '\'' && unit[len(unit)-1] == '\'':
		return &quantity{d, unit[1 : len(unit)-1], false}
	case calendarUnits[unit] != "":
		return &quantity{d, calendarUnits[unit], true}
	}
	return nil
}

// duration is the unit of a quantity that a date can be moved by; "" for none.
// UCUM's a and mo are mean lengths, which no calendar has.
func (q *quantity) duration() string {
	if q.calendar {
		return q.unit
	}
	if w := calendarUnits[q.unit]; w != "" {
		return w
	}
	if q.unit == "a" || q.unit == "mo" {
		return ""
	}
	return words[q.unit]
}
