package index

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Custom is a search parameter that a hub has been given, taken by FHIRPath.
type Custom struct {
	Param *spec.Param
	expr  *fhirpath.Expression
}

// maxCustom bounds the rows of one custom parameter of one resource, and steps what finding them may cost.
const (
	maxCustom   = 200
	customSteps = 200_000
)

// NewCustom compiles the expression of p; the error says what of it cannot be used.
func NewCustom(p *spec.Param) (*Custom, error) {
	e, err := fhirpath.Compile(p.Expression)
	if err != nil {
		return nil, err
	}
	if p.Type == spec.Composite || p.Type == spec.Special {
		return nil, fmt.Errorf("parameters of this type cannot be added")
	}
	if strings.Contains(p.Expression, "|") {
		return &Custom{p, e}, nil // parts for other types need not fit this one
	}
	types, err := e.Check(p.Base)
	if err != nil {
		return nil, err
	}
	fits := func(t string) bool { return taker(p, datatypeOf(t)) != nil }
	if types != nil && !slices.ContainsFunc(types, fits) {
		return nil, fmt.Errorf("the expression gives %s, which a parameter of this type cannot be searched by", strings.Join(types, ", "))
	}
	return &Custom{p, e}, nil
}

// datatypeOf names the FHIR datatype that a System type is taken as.
func datatypeOf(typ string) string {
	name, system := strings.CutPrefix(typ, "System.")
	if !system {
		return typ
	}
	switch name {
	case "DateTime":
		return "dateTime"
	case "Quantity":
		return ""
	}
	return strings.ToLower(name)
}

// Extract lists the entries of one resource. An expression that fails on it gives none.
func (c *Custom) Extract(n *fhir.Node, zone *time.Location) []Entry {
	env := fhirpath.Env{Lenient: true, Steps: customSteps, Zone: zone, Resolve: typeOnly}
	items, err := c.expr.Eval(&env, fhirpath.Of(n))
	if err != nil || len(items) == 0 {
		return nil
	}
	x := &walk{zone: zone, whole: n}
	for _, i := range items[:min(len(items), maxCustom)] {
		typ, node := datatypeOf(i.Type()), i.Node()
		if node == nil {
			text, ok := i.Text()
			if !ok {
				continue
			}
			node = &fhir.Node{Kind: fhir.PrimitiveKind(typ), Text: text}
		}
		if do := taker(c.Param, typ); do != nil {
			do(x, &take{param: c.Param, only: typ}, node)
		}
	}
	return x.entries
}

// typeOnly stands for the target of a reference, of which only the type is known: enough for resolve() is Patient.
func typeOnly(ref string) *fhir.Node {
	r, ok := fhir.ParseReference(ref)
	if !ok || !spec.IsResource(r.Type) {
		return nil
	}
	return fhir.New(r.Type, "id", r.ID)
}

// Version counts the changes of how values become entries that no definition tells of.
const Version = 1

// Mark changes when what a parameter finds may have changed: its definition, or this package.
func Mark(p *spec.Param) string {
	h := fnv.New64a()
	write := func(p *spec.Param) {
		fmt.Fprintf(h, "%d|%d|%s|%t|", Version, p.Type, p.Expression, p.Sealed)
		if ByWords(p) {
			fmt.Fprint(h, "words|")
		}
		if p.Sealed && p.Code == "identifier" {
			fmt.Fprint(h, "15 digits|")
		}
	}
	write(p)
	for _, part := range p.Components {
		write(part)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:5])
}
