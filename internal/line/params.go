package line

import (
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Params reads a FHIR Parameters resource by name. The zero value has none.
type Params struct{ node *fhir.Node }

// ParamsOf wraps a Parameters resource; nil is allowed.
func ParamsOf(n *fhir.Node) Params { return Params{n} }

// Names returns the parameter names in order, repeated ones included.
func (p Params) Names() []string {
	var names []string
	for _, x := range p.node.All("parameter") {
		names = append(names, x.Str("name"))
	}
	return names
}

// Values returns the value[x] nodes of a parameter.
func (p Params) Values(name string) []*fhir.Node {
	var values []*fhir.Node
	for _, x := range p.node.All("parameter") {
		if x.Str("name") != name {
			continue
		}
		for _, m := range x.Members {
			if strings.HasPrefix(m.Name, "value") {
				values = append(values, m.Value)
			}
		}
	}
	return values
}

// Str returns the first value as text: a reference's target, a coding's code, else the literal.
func (p Params) Str(name string) string {
	for _, v := range p.Values(name) {
		return text(v)
	}
	return ""
}

// All returns every value as text.
func (p Params) All(name string) []string {
	var all []string
	for _, v := range p.Values(name) {
		all = append(all, text(v))
	}
	return all
}

// Has says whether a parameter is there and not empty.
func (p Params) Has(name string) bool { return p.Str(name) != "" }

// Is says whether a boolean parameter is true.
func (p Params) Is(name string) bool { return p.Str(name) == "true" }

// Time returns a date or dateTime parameter; zero when absent or malformed.
func (p Params) Time(name string) time.Time {
	s := p.Str(name)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t
		}
	}
	return time.Time{}
}

func text(v *fhir.Node) string {
	if v.Kind == fhir.Object {
		for _, k := range []string{"reference", "code", "coding[0].code", "value"} {
			if s := v.Str(k); s != "" {
				return strings.TrimSpace(s)
			}
		}
		return ""
	}
	return strings.TrimSpace(v.Text)
}

// Ask builds a Parameters resource for a call: Ask("outcome", "clinic", "to", fhir.Obj{"reference", …}).
// Text becomes valueString, bool valueBoolean, an object with a reference valueReference.
func Ask(pairs ...any) *fhir.Node {
	n := fhir.New("Parameters")
	for i := 0; i+1 < len(pairs); i += 2 {
		v := fhir.Of(pairs[i+1])
		kind := "valueString"
		switch {
		case v.Kind == fhir.Bool:
			kind = "valueBoolean"
		case v.Kind == fhir.Object:
			kind = "valueReference"
		}
		n.Add("parameter", fhir.Obj{"name", pairs[i], kind, v})
	}
	return n
}
