package index

import (
	"math"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

type taking = func(x *walk, t *take, n *fhir.Node)

// taker chooses how an element of a datatype becomes entries of a parameter; nil when it cannot.
func taker(p *spec.Param, datatype string) taking {
	switch p.Type {
	case spec.Token:
		if p.Sealed {
			return map[string]taking{"Identifier": identifier, "ContactPoint": sealedContact, "code": code, "string": sealedText}[datatype]
		}
		return tokens[datatype]
	case spec.String:
		if p.Code == "phonetic" {
			return phonetics[datatype]
		}
		return texts[datatype]
	case spec.Date:
		return dates[datatype]
	case spec.Number:
		return numbers[datatype]
	case spec.Quantity:
		return quantities[datatype]
	case spec.Reference:
		return references[datatype]
	case spec.URI:
		return uris[datatype]
	}
	return nil
}

var tokens = map[string]taking{
	"code": code, "boolean": code, "string": code, "id": code, "uri": code, "canonical": code, "url": code, "oid": code, "uuid": code, "markdown": code,
	"integer": code, "positiveInt": code, "unsignedInt": code,
	"Coding": coding, "CodeableConcept": concept, "Identifier": identifier, "ContactPoint": contact,
	"Resource": resourceType,
}

// resourceType takes the type of a resource within another, each once.
func resourceType(x *walk, t *take, n *fhir.Node) {
	e := Entry{Param: t.param, Code: n.Type()}
	for i := len(x.entries) - 1; i >= 0 && x.entries[i].Param == t.param; i-- {
		if x.entries[i].Code == e.Code {
			return
		}
	}
	if e.Code != "" {
		x.add(e)
	}
}

func code(x *walk, t *take, n *fhir.Node) {
	if n.Text != "" {
		x.add(Entry{Param: t.param, System: t.system, Code: n.Text})
	}
}

func coding(x *walk, t *take, n *fhir.Node) {
	system, c, display := n.Str("system"), n.Str("code"), n.Str("display")
	if system != "" || c != "" || display != "" {
		x.add(Entry{Param: t.param, System: system, Code: c, Text: display})
	}
}

func concept(x *walk, t *take, n *fhir.Node) {
	before := len(x.entries)
	for _, c := range n.All("coding") {
		coding(x, t, c)
	}
	text := n.Str("text")
	if text == "" {
		return
	}
	said := false // by one of the codes
	for i := before; i < len(x.entries); i++ {
		if x.entries[i].Text == "" {
			x.entries[i].Text = text
		}
		said = said || x.entries[i].Text == text
	}
	if !said {
		x.add(Entry{Param: t.param, Text: text})
	}
}

// maxTypes bounds the types of one identifier.
const maxTypes = 8

func identifier(x *walk, t *take, n *fhir.Node) {
	value := n.Str("value")
	if value == "" {
		return
	}
	e := Entry{Param: t.param, System: n.Str("system"), Code: Normal(t.param, value)}
	if typ := n.Child("type"); typ != nil {
		e.Text = typ.Str("text")
		for _, c := range typ.All("coding") {
			if code := c.Str("code"); code != "" && len(e.Types) < maxTypes {
				e.Types = append(e.Types, Coding{c.Str("system"), code})
			}
		}
	}
	x.add(e)
}

func contact(x *walk, t *take, n *fhir.Node) {
	if value := n.Str("value"); value != "" {
		x.add(Entry{Param: t.param, System: n.Str("system"), Code: value})
	}
}

func sealedContact(x *walk, t *take, n *fhir.Node) {
	if value := Normal(t.param, n.Str("value")); value != "" {
		x.add(Entry{Param: t.param, System: n.Str("system"), Code: value})
	}
}

func sealedText(x *walk, t *take, n *fhir.Node) {
	if value := Normal(t.param, n.Text); value != "" {
		x.add(Entry{Param: t.param, Code: value})
	}
}

// Normal is the form in which a sealed token is compared; extraction and search both use it.
func Normal(p *spec.Param, value string) string {
	if !p.Sealed {
		return value
	}
	value = strings.TrimSpace(value)
	switch p.Code {
	case "identifier":
		if r, ok := fhir.ParseResident(value); ok {
			return r.Number
		}
	case "telecom", "phone", "phone-last4":
		if strings.Contains(value, "@") {
			return strings.ToLower(value)
		}
		if d := fhir.PhoneDigits(value); len(d) >= 3 {
			value = d
		}
		if p.Code == "phone-last4" && len(value) > 4 {
			value = value[len(value)-4:]
		}
	case "email":
		return strings.ToLower(value)
	}
	return value
}

var texts = map[string]taking{"string": text, "markdown": text, "code": text, "uri": text, "HumanName": humanName, "Address": address, "CodeableConcept": conceptText, "Annotation": annotation}

func text(x *walk, t *take, n *fhir.Node) {
	if n.Text != "" {
		x.add(Entry{Param: t.param, Text: n.Text})
	}
}

func conceptText(x *walk, t *take, n *fhir.Node) {
	textsOf(x, t, n, "text")
	for _, c := range n.All("coding") {
		textsOf(x, t, c, "display")
	}
}

func annotation(x *walk, t *take, n *fhir.Node) { textsOf(x, t, n, "text") }

func humanName(x *walk, t *take, n *fhir.Node) {
	textsOf(x, t, n, "text", "family", "given", "prefix", "suffix")
	if whole := wholeName(n); whole != "" && whole != n.Str("text") {
		x.add(Entry{Param: t.param, Text: whole})
	}
}

func address(x *walk, t *take, n *fhir.Node) {
	textsOf(x, t, n, "text", "line", "city", "district", "state", "postalCode", "country")
}

func textsOf(x *walk, t *take, n *fhir.Node, names ...string) {
	for i := range n.Members {
		for _, name := range names {
			if n.Members[i].Name != name {
				continue
			}
			if v := n.Members[i].Value; v.Kind == fhir.Array {
				for _, item := range v.Items {
					text(x, t, item)
				}
			} else {
				text(x, t, v)
			}
		}
	}
}

var dates = map[string]taking{"date": date, "dateTime": date, "instant": date, "Period": period, "Timing": timing}

func date(x *walk, t *take, n *fhir.Node) {
	if d, err := fhir.ParseDate(n.Text, x.zone); err == nil {
		x.add(Entry{Param: t.param, Low: d.Low, High: d.High})
	}
}

func period(x *walk, t *take, n *fhir.Node) {
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	found := false
	if d, err := fhir.ParseDate(n.Str("start"), x.zone); err == nil {
		low, found = d.Low, true
	}
	if d, err := fhir.ParseDate(n.Str("end"), x.zone); err == nil {
		high, found = d.High, true
	}
	if found {
		x.add(Entry{Param: t.param, Low: low, High: max(low, high)})
	}
}

func timing(x *walk, t *take, n *fhir.Node) {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for _, e := range n.All("event") {
		if d, err := fhir.ParseDate(e.Text, x.zone); err == nil {
			low, high = min(low, d.Low), max(high, d.High)
		}
	}
	if low < high {
		x.add(Entry{Param: t.param, Low: low, High: high})
	} else if b := n.Get("repeat.boundsPeriod"); b != nil {
		period(x, t, b)
	}
}

var numbers = map[string]taking{"integer": decimal, "decimal": decimal, "positiveInt": decimal, "unsignedInt": decimal}

func decimal(x *walk, t *take, n *fhir.Node) {
	if d, ok := fhir.ParseDecimal(n.Text); ok {
		x.add(Entry{Param: t.param, Value: d.Value, NumLow: d.Low, NumHi: d.High})
	}
}

var quantities = map[string]taking{"Quantity": quantity, "Age": quantity, "Count": quantity, "Distance": quantity, "Duration": quantity,
	"Money": money, "Range": ranged, "SampledData": sampled}

func quantity(x *walk, t *take, n *fhir.Node) {
	d, ok := fhir.ParseDecimal(n.Str("value"))
	if !ok {
		return
	}
	e := Entry{Param: t.param, Value: d.Value, NumLow: d.Low, NumHi: d.High, System: n.Str("system"), Code: unitOf(n)}
	switch n.Str("comparator") {
	case "<", "<=":
		e.NumLow, e.NumHi, e.Interval = -math.MaxFloat64, d.Value, true
	case ">", ">=":
		e.NumLow, e.NumHi, e.Interval = d.Value, math.MaxFloat64, true
	}
	x.add(e)
}

func unitOf(n *fhir.Node) string {
	if c := n.Str("code"); c != "" {
		return c
	}
	return n.Str("unit")
}

func money(x *walk, t *take, n *fhir.Node) {
	if d, ok := fhir.ParseDecimal(n.Str("value")); ok {
		x.add(Entry{Param: t.param, Value: d.Value, NumLow: d.Low, NumHi: d.High, System: "urn:iso:std:iso:4217", Code: n.Str("currency")})
	}
}

func ranged(x *walk, t *take, n *fhir.Node) {
	low, high := n.Child("low"), n.Child("high")
	e := Entry{Param: t.param, NumLow: -math.MaxFloat64, NumHi: math.MaxFloat64, Interval: true}
	l, okLow := fhir.ParseDecimal(low.Str("value"))
	h, okHigh := fhir.ParseDecimal(high.Str("value"))
	switch {
	case okLow && okHigh:
		e.Value, e.NumLow, e.NumHi = (l.Value+h.Value)/2, l.Value, h.Value
	case okLow:
		e.Value, e.NumLow = l.Value, l.Value
	case okHigh:
		e.Value, e.NumHi = h.Value, h.Value
	default:
		return
	}
	unit := low
	if !okLow {
		unit = high
	}
	e.System, e.Code = unit.Str("system"), unitOf(unit)
	x.add(e)
}

// sampled covers the series from its lowest to its highest reading.
func sampled(x *walk, t *take, n *fhir.Node) {
	origin := n.Child("origin")
	zero, ok := fhir.ParseDecimal(origin.Str("value"))
	if !ok {
		return
	}
	factor := 1.0
	if f, ok := fhir.ParseDecimal(n.Str("factor")); ok {
		factor = f.Value
	}
	low, high := math.Inf(1), math.Inf(-1)
	for word := range strings.FieldsSeq(n.Str("data")) {
		if d, ok := fhir.ParseDecimal(word); ok {
			v := zero.Value + d.Value*factor
			low, high = min(low, v), max(high, v)
		}
	}
	if low <= high {
		x.add(Entry{Param: t.param, Value: (low + high) / 2, NumLow: low, NumHi: high, Interval: true, System: origin.Str("system"), Code: unitOf(origin)})
	}
}

var references = map[string]taking{"Reference": reference, "canonical": link, "uri": link, "url": link, "Identifier": identified, "Resource": nil}

func reference(x *walk, t *take, n *fhir.Node) {
	if s := n.Str("reference"); s != "" {
		if r, ok := fhir.ParseReference(s); ok && !r.Contained {
			switch {
			case t.target != "" && r.Type != t.target && (r.Type != "" || n.Str("type") != t.target):
			case r.Type != "" && r.Base == "":
				x.add(Entry{Param: t.param, RefType: r.Type, RefID: r.ID})
			case r.Base != "":
				x.add(Entry{Param: t.param, URI: r.Base + "/" + r.Type + "/" + r.ID})
			default:
				x.add(Entry{Param: t.param, URI: s})
			}
		}
	}
	if id := n.Child("identifier"); id != nil && (t.target == "" || n.Str("type") == t.target) {
		identified(x, t, id)
	}
}

func identified(x *walk, t *take, n *fhir.Node) {
	if value := n.Str("value"); value != "" {
		x.add(Entry{Param: t.param, System: n.Str("system"), Code: value})
	}
}

// link is a canonical or uri under a reference parameter: found with and without its version.
func link(x *walk, t *take, n *fhir.Node) {
	if n.Text == "" {
		return
	}
	x.add(Entry{Param: t.param, URI: n.Text})
	if url, version, _ := fhir.SplitCanonical(n.Text); version != "" && url != "" {
		x.add(Entry{Param: t.param, URI: url})
	}
}

var uris = map[string]taking{"uri": link, "url": link, "canonical": link, "oid": link, "uuid": link, "id": link, "string": link}
