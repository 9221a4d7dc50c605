package spec

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"sync"
)

//go:embed rules.tsv.gz
var packedRules []byte

//go:embed rules.zh.tsv
var chineseRules string

// Invariant is a rule that a type or element must keep.
type Invariant struct {
	Key        string // "pat-1"
	Severity   string // "error" or "warning"
	Expression string // FHIRPath, relative to the type or element
	Human      string
	Zh         string // "" where nobody has put it into Chinese yet
}

// Binding is a value set that an element should use.
type Binding struct{ Strength, ValueSet string }

type ruleTables struct {
	invariants map[string][]Invariant
	bindings   map[string]Binding
	profiles   map[string]string
}

var rules = sync.OnceValue(loadRules)

// Invariants lists the rules of a resource type, a datatype or a path such as "Patient.contact". Those of every
// resource stand at "DomainResource", those of every element at "Element".
func Invariants(typeOrPath string) []Invariant { return rules().invariants[typeOrPath] }

// Looser is the extensible or preferred binding of an element; choices by "Observation.value[x]".
func Looser(path string) (Binding, bool) {
	b, ok := rules().bindings[path]
	return b, ok
}

// ProfileOf is the profile that the definition asks of an element's datatype: SimpleQuantity; "" when none.
func ProfileOf(path, datatype string) string { return rules().profiles[path+" "+datatype] }

func loadRules() *ruleTables {
	gz, err := gzip.NewReader(bytes.NewReader(packedRules))
	if err != nil {
		panic("spec: " + err.Error())
	}
	data, err := io.ReadAll(gz)
	if err != nil {
		panic("spec: " + err.Error())
	}
	zh := map[string]string{}
	for line := range strings.Lines(chineseRules) {
		if key, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			zh[key] = text
		}
	}
	t := &ruleTables{invariants: map[string][]Invariant{}, bindings: map[string]Binding{}, profiles: map[string]string{}}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch f[0] {
		case "R":
			text := zh[f[2]]
			if own, ok := zh[f[1]+" "+f[2]]; ok { // a key that stands for several rules
				text = own
			}
			if text == "" && strings.HasSuffix(f[2], "-0") {
				text = zh["-0"] // the same rule of every definition
			}
			t.invariants[f[1]] = append(t.invariants[f[1]], Invariant{f[2], f[3], f[4], f[5], text})
		case "B":
			t.bindings[f[1]] = Binding{f[2], f[3]}
		case "S":
			t.profiles[f[1]+" "+f[2]] = f[3][strings.LastIndexByte(f[3], '/')+1:]
		}
	}
	return t
}
