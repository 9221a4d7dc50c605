package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type param struct {
	URL, Version, Code, Type, Expression string
	Base, Target                         []string
	Component                            []component
}

type component struct{ Definition, Expression string }

// own are the search parameters that we add.
var own = []param{
	{"https://xinglin.health/fhir/SearchParameter/Patient-phone-last4", version, "phone-last4", "token", "Patient.telecom.where(system='phone')", []string{"Patient"}, nil, nil},
	{"https://xinglin.health/fhir/SearchParameter/Patient-address-area", version, "address-area", "token", "Patient", []string{"Patient"}, nil, nil},
	{"https://xinglin.health/fhir/SearchParameter/DomainResource-contained-type", version, "contained-type", "token", "DomainResource.contained", []string{"DomainResource"}, nil, nil},
}

// notDomain are the resource types that come straight from Resource.
var notDomain = []string{"Binary", "Bundle", "Parameters"}

var letters = map[string]string{"token": "t", "string": "s", "date": "d", "number": "n", "quantity": "q", "reference": "r", "uri": "u", "composite": "c", "special": "x"}

func writeParams(out *bytes.Buffer, data []byte, types []string, ids *ids) error {
	params, err := bundleOf[param](data, "SearchParameter")
	if err != nil {
		return err
	}
	// one of a later release has been slipped in
	params = slices.DeleteFunc(params, func(p param) bool { return p.Version != version })
	byURL := map[string]param{}
	for _, p := range params {
		byURL[p.URL] = p
	}
	lines, components := map[string]string{}, map[string]string{}
	for _, p := range append(params, own...) {
		for _, base := range p.Base {
			on := []string{base}
			switch base {
			case "Resource":
				on = types
			case "DomainResource":
				on = nil
				for _, t := range types {
					if !slices.Contains(notDomain, t) {
						on = append(on, t)
					}
				}
			}
			for _, t := range on {
				name := t + "." + p.Code
				if lines[name] != "" {
					return fmt.Errorf("search parameter %s is defined twice", name)
				}
				kind := p.Type
				if p.Expression == "" {
					kind = "special"
				}
				target := p.Target
				if len(target) == len(types) {
					target = nil
				}
				lines[name] = fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", t, p.Code, letters[kind], part(p.Expression, t, base), strings.Join(target, ","), p.URL)
				for _, c := range p.Component {
					of, ok := byURL[c.Definition]
					if !ok {
						return fmt.Errorf("%s: component %s is not defined", name, c.Definition)
					}
					expression := strings.ReplaceAll(c.Expression, "as(DateTime)", "as(dateTime)")
					if name == "DocumentReference.relationship" { // R4 has the two mixed up: relatesto is the target
						expression = map[string]string{"code": "target", "target": "code"}[expression]
					}
					components[name] += fmt.Sprintf("K\t%%d\t%s\t%s\t%s\t%s\t%s\n", of.Code, letters[of.Type], expression, strings.Join(of.Target, ","), of.URL)
				}
			}
		}
	}
	for _, name := range sortedKeys(lines) {
		id := ids.params.of(name)
		fmt.Fprintf(out, "P\t%d\t%s\n", id, lines[name])
		out.WriteString(strings.ReplaceAll(components[name], "%d", strconv.Itoa(id)))
	}
	fmt.Fprintf(out, "N\t%d\n", len(params))
	return nil
}

// part keeps the branches of a union that speak of type t.
func part(expression, t, base string) string {
	if base == "Resource" || base == "DomainResource" {
		return expression
	}
	var keep []string
	for _, branch := range strings.Split(expression, "|") {
		branch = strings.TrimSpace(branch)
		path := strings.TrimLeft(branch, "(")
		if path == t || strings.HasPrefix(path, t+".") {
			keep = append(keep, branch)
		} else if path[0] >= 'a' && path[0] <= 'z' { // InsurancePlan.name is written as "name"
			keep = append(keep, t+"."+branch)
		}
	}
	return strings.Join(keep, " | ")
}

// writeCompartments takes that of patients from the definitions and the others from our own table, since the
// package does not carry them.
func writeCompartments(out *bytes.Buffer, data, others []byte) error {
	var c struct {
		Resource []struct {
			Code  string
			Param []string
		}
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	for _, r := range c.Resource {
		if len(r.Param) > 0 {
			fmt.Fprintf(out, "C\tPatient\t%s\t%s\n", r.Code, strings.Join(r.Param, ","))
		}
	}
	for line := range strings.Lines(string(others)) {
		if !strings.HasPrefix(line, "#") {
			fmt.Fprintf(out, "C\t%s", line)
		}
	}
	return nil
}
