package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ruled is what the definitions say beyond structure.
type ruled struct {
	ID, Kind, Derivation, FhirVersion string
	Snapshot                          struct{ Element []ruledElement }
}

type ruledElement struct {
	Path    string
	Binding *struct{ Strength, ValueSet string }
	Type    []struct {
		Code    string
		Profile []string
	}
	Constraint []struct{ Key, Severity, Human, Expression string }
}

// everywhere are the rules that stand on every element or resource: they are written once, at their own type.
var everywhere = []string{"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6"}

// mended are expressions that do not say what their words say, as later releases have found.
var mended = map[string]string{
	"que-7": "operator = 'exists' implies (answer is boolean)", // was System's Boolean, which no FHIR value is
	"con-3": "clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists() or " +
		"category.coding.where(code='problem-list-item').empty()", // compared a concept with a string
}

// writeRules writes R4's invariants, its bindings that are not required, and the profiles that it asks of types.
func writeRules(to string, raw map[string][]byte, note *strings.Builder) error {
	var out bytes.Buffer
	seen := map[string]bool{}
	for _, file := range files[:2] {
		defs, err := bundleOf[ruled](raw[file], "StructureDefinition")
		if err != nil {
			return err
		}
		for _, d := range defs {
			profile := d.ID == "SimpleQuantity" || d.ID == "MoneyQuantity"
			if d.FhirVersion != "4.0.1" || d.ID == "MetadataResource" || d.Kind == "primitive-type" || d.Derivation == "constraint" && !profile {
				continue
			}
			for _, e := range d.Snapshot.Element {
				if isAdded(e.Path) {
					continue
				}
				path := e.Path
				if profile {
					path = d.ID + strings.TrimPrefix(path, "Quantity")
				}
				for _, c := range e.Constraint {
					if slices.Contains(everywhere, c.Key) && path != "Element" && path != "Extension" && path != "DomainResource" || c.Expression == "" ||
						c.Key == "evv-1" || profile && c.Key == "qty-3" || seen[path+" "+c.Key] {
						continue // evv-1 is about elements of a later release
					}
					seen[path+" "+c.Key] = true
					if better := mended[c.Key]; better != "" {
						c.Expression = better
					}
					fmt.Fprintf(&out, "R\t%s\t%s\t%s\t%s\t%s\n", path, c.Key, c.Severity, oneLine(c.Expression), oneLine(c.Human))
				}
				if b := e.Binding; b != nil && !profile && b.ValueSet != "" && (b.Strength == "extensible" || b.Strength == "preferred") {
					set, _, _ := strings.Cut(b.ValueSet, "|")
					fmt.Fprintf(&out, "B\t%s\t%s\t%s\n", path, b.Strength, set)
				}
				for _, t := range e.Type {
					if len(t.Profile) == 1 && !profile {
						fmt.Fprintf(&out, "S\t%s\t%s\t%s\n", path, t.Code, t.Profile[0])
					}
				}
			}
		}
	}
	var z bytes.Buffer
	gz, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
	gz.Write(out.Bytes())
	gz.Close()
	fmt.Fprintf(note, "%x  rules.tsv (inside rules.tsv.gz)\n", sha256.Sum256(out.Bytes()))
	return os.WriteFile(filepath.Join(to, "rules.tsv.gz"), z.Bytes(), 0o644)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
