// Package ucum reads units of measure by their UCUM codes and converts between them exactly.
package ucum

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// System is the code system of UCUM.
const System = "http://unitsofmeasure.org"

// ErrUnit is wrapped by every error of Parse.
var ErrUnit = errors.New("not a UCUM unit")

// Unit is a code taken apart: a multiple of a product of base units, or a scale with its own zero.
type Unit struct {
	scale *big.Rat
	zero  *big.Rat // of Cel and the like: base = scale × value + zero; nil for the others
	dims  dims
}

// dims is a product of base units, of m, s, g, rad, K, C, cd and of arbitrary units, sorted by name.
type dims []power

type power struct {
	unit string
	exp  int
}

func (d dims) String() string {
	var b strings.Builder
	for i, p := range d {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(p.unit)
		if p.exp != 1 {
			b.WriteString(strconv.Itoa(p.exp))
		}
	}
	if len(d) == 0 {
		return "1"
	}
	return b.String()
}

// Bounds of a code.
const (
	maxLength   = 120
	maxDepth    = 8
	maxExponent = 12 // of a unit; 10*99 may go further
	maxTens     = 60
	maxKept     = 10_000
)

var (
	kept   = map[string]Unit{}
	keptMu sync.RWMutex
)

// Parse reads a case-sensitive UCUM code such as mg/dL, 10*9/L, mm[Hg], {beats}/min, Cel or kg/m2.
func Parse(code string) (Unit, error) {
	keptMu.RLock()
	u, ok := kept[code]
	keptMu.RUnlock()
	if ok {
		return u, nil
	}
	if code == "" || len(code) > maxLength {
		return Unit{}, fmt.Errorf("%w: empty or too long", ErrUnit)
	}
	p := parser{text: code}
	u, err := p.main()
	if err != nil {
		return Unit{}, fmt.Errorf("%w: %q: %v at %d", ErrUnit, code, err, p.at)
	}
	keptMu.Lock()
	if len(kept) >= maxKept {
		clear(kept)
	}
	kept[strings.Clone(code)] = u
	keptMu.Unlock()
	return u, nil
}

// Comparable reports whether u and v measure the same.
func (u Unit) Comparable(v Unit) bool { return slices.Equal(u.dims, v.dims) }

// Dimension names the product of base units that u measures in, "g.m-3"; "1" when it is a mere number.
func (u Unit) Dimension() string { return u.dims.String() }

// Base is what a value in u is in its base units.
func (u Unit) Base(value *big.Rat) *big.Rat {
	r := new(big.Rat).Mul(value, u.scale)
	if u.zero != nil {
		r.Add(r, u.zero)
	}
	return r
}

// To is what a value in u is in v; false when they do not measure the same.
func (u Unit) To(v Unit, value *big.Rat) (*big.Rat, bool) {
	if !u.Comparable(v) {
		return nil, false
	}
	r := u.Base(value)
	if v.zero != nil {
		r.Sub(r, v.zero)
	}
	return r.Quo(r, v.scale), true
}

// Convert gives what a decimal in one unit is in another.
func Convert(value, from, to string) (*big.Rat, error) {
	n, ok := Decimal(value)
	if !ok {
		return nil, fmt.Errorf("ucum: %q is not a decimal number", value)
	}
	u, err := Parse(from)
	if err != nil {
		return nil, err
	}
	v, err := Parse(to)
	if err != nil {
		return nil, err
	}
	r, ok := u.To(v, n)
	if !ok {
		return nil, fmt.Errorf("ucum: %s measures %s, %s measures %s", from, u.dims, to, v.dims)
	}
	return r, nil
}

// Decimal reads a decimal number exactly; false where its text is none or its exponent goes far beyond a float64.
func Decimal(s string) (*big.Rat, bool) {
	if len(s) > 400 || strings.ContainsAny(s, "/xXbBoOpP_") {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e > 400 || e < -400 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}

// Float converts a number as a float64 is written, to the nearest float64 of the result.
func Float(value float64, from, to Unit) (float64, bool) {
	if math.IsInf(value, 0) || math.IsNaN(value) {
		return value, from.Comparable(to)
	}
	n, ok := Decimal(strconv.FormatFloat(value, 'g', -1, 64))
	if !ok {
		return 0, false
	}
	r, ok := from.To(to, n)
	if !ok {
		return 0, false
	}
	f, _ := r.Float64()
	return f, true
}
