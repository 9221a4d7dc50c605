package main

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
)

type definition struct {
	ResourceType, ID, URL, Kind, Type, Derivation, FhirVersion string
	Abstract                                                   bool
	Snapshot                                                   struct{ Element []*element }
}

type element struct {
	Path             string
	Min              int
	Max              string
	Type             []elementType
	ContentReference string
	IsSummary        bool
	IsModifier       bool
	Binding          *struct{ Strength, ValueSet string }
}

type elementType struct {
	Code          string
	TargetProfile []string
	Extension     []struct{ URL, ValueURL string }
}

// added are elements of later releases or of other products that the package put into
// the R4 files; seen by comparing with dataelements.json, which it left as HL7 wrote it.
var added = []string{"Meta.project", "Meta.author", "Meta.onBehalfOf", "Meta.account", "Meta.accounts", "Meta.compartment",
	"Binary.url", "DeviceDefinition.classification", "DeviceDefinition.bodySite", "ObservationDefinition.publisher",
	"EvidenceVariable.characteristic.linkId", "EvidenceVariable.characteristic.note", "EvidenceVariable.characteristic.definitionId",
	"EvidenceVariable.characteristic.definitionReference", "EvidenceVariable.characteristic.definitionCanonical",
	"EvidenceVariable.characteristic.definitionCodeableConcept", "EvidenceVariable.characteristic.definitionExpression",
	"EvidenceVariable.characteristic.definitionByTypeAndValue", "EvidenceVariable.characteristic.definitionByCombination",
	"EvidenceVariable.characteristic.instances[x]", "EvidenceVariable.characteristic.duration[x]", "EvidenceVariable.characteristic.timeFromEvent",
	"ResearchStudy.name", "ResearchStudy.label", "ResearchStudy.studyDesign", "ResearchStudy.region", "ResearchStudy.descriptionSummary",
	"ResearchStudy.classifier", "ResearchStudy.associatedParty", "ResearchStudy.progressStatus", "ResearchStudy.whyStopped",
	"ResearchStudy.recruitment", "ResearchStudy.comparisonGroup", "ResearchStudy.objective.description", "ResearchStudy.outcomeMeasure", "ResearchStudy.result"}

func isAdded(path string) bool {
	for _, a := range added {
		if path == a || strings.HasPrefix(path, a+".") {
			return true
		}
	}
	return false
}

func (e *element) signature() string {
	var ts []string
	for _, t := range e.Type {
		p := append([]string(nil), t.TargetProfile...)
		sort.Strings(p)
		ts = append(ts, fmt.Sprint(t.Code, p))
	}
	sort.Strings(ts)
	b := ""
	if e.Binding != nil && e.Binding.Strength == "required" {
		b = e.Binding.ValueSet
	}
	return fmt.Sprint(e.Min, e.Max, ts, b)
}

// writeElements writes one line an element and returns the names of the resource types.
func writeElements(out *bytes.Buffer, raw map[string][]byte) ([]string, error) {
	truth := map[string][]*element{}
	leaves, err := bundleOf[definition](raw["dataelements.json"], "StructureDefinition")
	if err != nil {
		return nil, err
	}
	var order []string
	for _, d := range leaves {
		if len(d.Snapshot.Element) > 0 {
			e := d.Snapshot.Element[0]
			if truth[e.Path] == nil {
				order = append(order, e.Path)
			}
			truth[e.Path] = append(truth[e.Path], e)
		}
	}
	var resources []string
	for _, file := range files[:2] {
		defs, err := bundleOf[definition](raw[file], "StructureDefinition")
		if err != nil {
			return nil, err
		}
		for _, d := range defs {
			if d.ResourceType != "StructureDefinition" || d.Derivation == "constraint" || d.FhirVersion != "4.0.1" || d.ID == "MetadataResource" {
				continue
			}
			switch {
			case d.Kind == "primitive-type":
				fmt.Fprintf(out, "D\t%s\n", d.ID)
				continue
			case d.Kind == "resource" && !d.Abstract:
				resources = append(resources, d.ID)
			}
			have := map[string]bool{}
			var kept []*element
			for _, e := range d.Snapshot.Element {
				if !strings.Contains(e.Path, ".") || isAdded(e.Path) {
					continue
				}
				if t := truth[e.Path]; t != nil {
					same := false
					for _, x := range t {
						same = same || x.signature() == e.signature()
					}
					if !same {
						e = t[0]
					}
				}
				have[e.Path] = true
				kept = append(kept, e)
			}
			for _, p := range order {
				if strings.HasPrefix(p, d.ID+".") && !have[p] && !isAdded(p) {
					kept = append(kept, truth[p][0])
				}
			}
			for _, e := range kept {
				writeElement(out, e, d.Kind == "resource")
			}
		}
	}
	sort.Strings(resources)
	return resources, nil
}

func writeElement(out *bytes.Buffer, e *element, resource bool) {
	dot := strings.LastIndexByte(e.Path, '.')
	parent, name := e.Path[:dot], e.Path[dot+1:]
	flags := ""
	if e.IsSummary {
		flags += "s"
	}
	if e.IsModifier {
		flags += "m"
	}
	binding := ""
	if e.Binding != nil && e.Binding.Strength == "required" {
		binding, _, _ = strings.Cut(e.Binding.ValueSet, "|")
	}
	emax := e.Max
	if emax == "*" {
		emax = "-1"
	}
	stem, choice := strings.CutSuffix(name, "[x]")
	line := func(name, typ, targets, choiceOf, binding string) {
		fmt.Fprintf(out, "E\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", parent, name, e.Min, emax, flags, typ, targets, choiceOf, binding)
	}
	if e.ContentReference != "" {
		line(name, "BackboneElement:"+strings.TrimPrefix(e.ContentReference, "#"), "", "", "")
		return
	}
	if !choice {
		var types, targets []string
		for _, t := range e.Type {
			types = append(types, t.name(e.Path, resource && strings.Count(e.Path, ".") == 1))
			targets = append(targets, t.targets()...)
		}
		line(name, strings.Join(types, ","), strings.Join(targets, ","), "", binding)
		return
	}
	for _, t := range e.Type {
		b := ""
		switch t.Code {
		case "code", "Coding", "CodeableConcept", "Quantity", "string", "uri", "Duration":
			b = binding
		}
		line(stem+strings.ToUpper(t.Code[:1])+t.Code[1:], t.Code, strings.Join(t.targets(), ","), name, b)
	}
}

func (t elementType) name(path string, top bool) string {
	switch {
	case t.Code == "http://hl7.org/fhirpath/System.String" && top && strings.HasSuffix(path, ".id"):
		return "id"
	case strings.HasPrefix(t.Code, "http:"):
		for _, x := range t.Extension {
			if x.ValueURL != "" {
				return x.ValueURL
			}
		}
		return "string"
	case t.Code == "BackboneElement" || t.Code == "Element":
		return t.Code + ":" + path
	}
	return t.Code
}

func (t elementType) targets() []string {
	var r []string
	for _, p := range t.TargetProfile {
		p = strings.TrimPrefix(p, "http://hl7.org/fhir/StructureDefinition/")
		if p == "Resource" {
			return nil
		}
		r = append(r, p)
	}
	sort.Strings(r)
	return r
}
