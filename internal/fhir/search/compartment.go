package search

import (
	"fmt"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// compartment limits the search to what belongs to a patient, encounter, practitioner, related person or device.
// Those of patients the store knows by itself; the others are clauses over the references that R4 names.
func (p *parser) compartment(in Compartment) error {
	if !slices.Contains(spec.Compartments(), in.Type) {
		return fhir.Refuse(404, "not-supported", "no-compartment", fmt.Sprintf("FHIR R4 defines no compartment of %s", in.Type), "FHIR R4 没有 "+in.Type+" 的数据范围（compartment）")
	}
	types := []string{p.r.Type}
	if p.r.Type == "" {
		types = spec.InCompartment(in.Type)
		p.r.Types = types
	} else if !slices.Contains(spec.InCompartment(in.Type), p.r.Type) {
		return fhir.Refuse(404, "not-supported", "not-in-compartment", fmt.Sprintf("%s is not part of the compartment of %s", p.r.Type, in.Type), p.r.Type+" 不属于 "+in.Type+" 的数据范围")
	}
	if in.Type == "Patient" {
		p.r.Compartment = &in
		return nil
	}
	across := Clause{Across: make(map[string]*Clause, len(types))}
	for _, t := range types {
		across.Across[t] = membership(t, in)
	}
	if p.r.Type != "" {
		across = *across.Across[p.r.Type]
	}
	p.r.Where = append(p.r.Where, across)
	return nil
}

// membership holds for resources of a type that any of the compartment's parameters puts into it.
func membership(t string, in Compartment) *Clause {
	var parts []Filter
	for _, code := range spec.CompartmentOf(in.Type, t) {
		if code == "{def}" {
			parts = append(parts, Filter{Clause: &Clause{Special: "_id", Values: []Value{{Raw: in.ID, Text: in.ID}}}})
		} else if param := spec.Lookup(t, code); param != nil {
			parts = append(parts, Filter{Clause: &Clause{Param: param, Values: []Value{{Raw: in.Type + "/" + in.ID, RefType: in.Type, RefID: in.ID}}}})
		}
	}
	if len(parts) == 1 {
		return parts[0].Clause
	}
	return &Clause{Filter: &Filter{Op: "or", Parts: parts}}
}
