package ucum

import (
	_ "embed"
	"math/big"
	"strings"
	"sync"
)

//go:embed units.tsv
var table string

// prefixes with the longer ones first.
var prefixes = []struct{ text, factor string }{{"da", "10"}, {"Ki", "1024"}, {"Mi", "1048576"}, {"Gi", "1073741824"}, {"Ti", "1099511627776"},
	{"Y", "1e24"}, {"Z", "1e21"}, {"E", "1e18"}, {"P", "1e15"}, {"T", "1e12"}, {"G", "1e9"}, {"M", "1e6"}, {"k", "1e3"}, {"h", "1e2"},
	{"d", "1e-1"}, {"c", "1e-2"}, {"m", "1e-3"}, {"u", "1e-6"}, {"n", "1e-9"}, {"p", "1e-12"}, {"f", "1e-15"}, {"a", "1e-18"}, {"z", "1e-21"}, {"y", "1e-24"}}

// raw is a line of the table, worked out when it is first asked for.
type raw struct {
	metric     bool
	definition string
	once       sync.Once
	known      Unit
	err        error
}

var atoms = sync.OnceValue(func() map[string]*raw {
	m := map[string]*raw{}
	for _, base := range []string{"m", "s", "g", "rad", "K", "C", "cd"} {
		m[base] = &raw{metric: true, definition: "!"}
	}
	for line := range strings.Lines(table) {
		if line[0] == '#' {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		m[f[0]] = &raw{metric: f[1] == "m", definition: f[2]}
	}
	return m
})

// lookup finds a symbol as it stands, or behind a prefix.
func lookup(symbol string) (Unit, error) {
	if a, ok := atoms()[symbol]; ok {
		return a.unit(symbol)
	}
	for _, p := range prefixes {
		rest, ok := strings.CutPrefix(symbol, p.text)
		if !ok {
			continue
		}
		a, ok := atoms()[rest]
		if !ok {
			continue
		}
		if !a.metric {
			return Unit{}, errMetric
		}
		u, err := a.unit(rest)
		if err != nil {
			return u, err
		}
		factor, _ := new(big.Rat).SetString(p.factor)
		u.scale = factor.Mul(factor, u.scale)
		return u, nil
	}
	return Unit{}, errUnknown
}

func (r *raw) unit(code string) (Unit, error) {
	r.once.Do(func() { r.known, r.err = define(code, r.definition) })
	return r.known, r.err
}

func define(code, definition string) (Unit, error) {
	if definition == "!" {
		return Unit{scale: big.NewRat(1, 1), dims: dims{{code, 1}}}, nil
	}
	if scale, ok := strings.CutPrefix(definition, "@"); ok {
		a, b, _ := strings.Cut(scale, " ")
		return Unit{scale: ratio(a), zero: ratio(b), dims: dims{{"K", 1}}}, nil
	}
	factor, unit, two := strings.Cut(definition, " ")
	if !two {
		if n := ratio(definition); n != nil {
			return Unit{scale: n}, nil
		}
		factor, unit = "1", definition
	}
	p := parser{text: unit}
	u, err := p.main()
	if err != nil {
		return u, err
	}
	u.scale = new(big.Rat).Mul(u.scale, ratio(factor))
	return u, nil
}

// ratio reads 5/9, 1e-3 or 22983.5/90; nil for anything else.
func ratio(s string) *big.Rat {
	top, bottom, divided := strings.Cut(s, "/")
	n, ok := Decimal(top)
	if !ok {
		return nil
	}
	if divided {
		d, ok := Decimal(bottom)
		if !ok {
			return nil
		}
		n.Quo(n, d)
	}
	return n
}
