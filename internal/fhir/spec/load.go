package spec

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed r4.tsv.gz
var packed []byte

type tables struct {
	types        []string
	typeID       map[string]int16
	typeName     map[int16]string
	primitives   map[string]bool
	elements     map[string][]Element
	params       map[string][]*Param
	byCode       map[string]map[string]*Param
	byID         []*Param
	codes        map[string]*codeSet
	compartments map[string]map[string][]string // compartment, type → parameters
	defined      int
}

type codeSet struct {
	all      map[string]bool
	bySystem map[string]map[string]bool
	system   string // the only system, "" when there are several
}

var loaded = sync.OnceValue(load)

func load() *tables {
	gz, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic("spec: " + err.Error())
	}
	data, err := io.ReadAll(gz)
	if err != nil {
		panic("spec: " + err.Error())
	}
	t := &tables{typeID: map[string]int16{}, typeName: map[int16]string{}, primitives: map[string]bool{}, elements: make(map[string][]Element, 1024),
		params: map[string][]*Param{}, byCode: map[string]map[string]*Param{}, codes: map[string]*codeSet{}, compartments: map[string]map[string][]string{}}
	lists := map[string][]string{"": nil}
	list := func(s string) []string {
		l, ok := lists[s]
		if !ok {
			l = slices.Clip(strings.Split(s, ","))
			lists[s] = l
		}
		return l
	}
	var f []string
	text := string(data)
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		f = f[:0]
		for more := true; more; {
			var x string
			x, line, more = strings.Cut(line, "\t")
			f = append(f, x)
		}
		switch f[0] {
		case "D":
			t.primitives[f[1]] = true
		case "E":
			e := Element{Name: f[2], Min: number(f[3]), Max: number(f[4]), Summary: strings.Contains(f[5], "s"), Modifier: strings.Contains(f[5], "m"),
				Types: list(f[6]), Targets: list(f[7]), Choice: f[8], Required: f[9]}
			t.elements[f[1]] = append(t.elements[f[1]], e)
		case "T":
			id := int16(number(f[1]))
			t.types = append(t.types, f[2])
			t.typeID[f[2]] = id
			t.typeName[id] = f[2]
		case "P":
			p := &Param{ID: int32(number(f[1])), Base: f[2], Code: f[3], Type: paramTypes[f[4]], Expression: f[5], Targets: list(f[6]), URL: f[7]}
			p.Sealed = sealed(p)
			t.params[p.Base] = append(t.params[p.Base], p)
			if t.byCode[p.Base] == nil {
				t.byCode[p.Base] = map[string]*Param{}
			}
			t.byCode[p.Base][p.Code] = p
			for int(p.ID) >= len(t.byID) {
				t.byID = append(t.byID, nil)
			}
			t.byID[p.ID] = p
		case "K":
			p := t.byID[number(f[1])]
			p.Components = append(p.Components, &Param{Base: p.Base, Code: f[2], Type: paramTypes[f[3]], Expression: f[4], Targets: list(f[5]), URL: f[6]})
		case "C":
			if t.compartments[f[1]] == nil {
				t.compartments[f[1]] = map[string][]string{}
			}
			t.compartments[f[1]][f[2]] = list(f[3])
		case "V":
			if len(f) < 4 {
				continue
			}
			c := t.codes[f[1]]
			if c == nil {
				c = &codeSet{all: map[string]bool{}, bySystem: map[string]map[string]bool{}, system: f[2]}
				t.codes[f[1]] = c
			} else {
				c.system = ""
			}
			in := make(map[string]bool, len(f)-3)
			for _, code := range f[3:] {
				in[code] = true
				c.all[code] = true
			}
			c.bySystem[f[2]] = in
		case "N":
			t.defined = number(f[1])
		}
	}
	return t
}

var paramTypes = map[string]ParamType{"t": Token, "s": String, "d": Date, "n": Number, "q": Quantity, "r": Reference, "u": URI, "c": Composite, "x": Special}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("spec: bad number " + s)
	}
	return n
}

// sealed says which parameters identify or locate a person.
func sealed(p *Param) bool {
	switch p.Base {
	case "Patient", "Person", "RelatedPerson", "Practitioner", "PractitionerRole":
	case "Coverage": // insurance numbers
		return p.Code == "identifier"
	default:
		return false
	}
	switch p.Code {
	case "identifier", "telecom", "phone", "email", "address", "phone-last4":
		return true
	}
	return strings.HasPrefix(p.Code, "address-")
}
