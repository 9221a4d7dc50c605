package ucum

import (
	"errors"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// parser reads the grammar of UCUM 2.3: terms of components joined by . and /, from left to right.
type parser struct {
	text  string
	at    int
	depth int
}

var (
	errEnd      = errors.New("a unit is expected")
	errUnknown  = errors.New("no such unit")
	errMetric   = errors.New("this unit takes no prefix")
	errZero     = errors.New("a scale with its own zero stands alone")
	errExponent = errors.New("the exponent is too large")
	errDeep     = errors.New("too many parentheses")
)

func one() Unit { return Unit{scale: big.NewRat(1, 1)} }

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) main() (Unit, error) {
	u, err := p.term()
	if err == nil && p.at < len(p.text) {
		err = errors.New("something follows the unit")
	}
	return u, err
}

func (p *parser) term() (Unit, error) {
	if p.depth++; p.depth > maxDepth {
		return Unit{}, errDeep
	}
	defer func() { p.depth-- }()
	u := one()
	sign, first := 1, true
	if p.peek() == '/' {
		p.at++
		sign, first = -1, false
	}
	for {
		c, err := p.component()
		if err != nil {
			return u, err
		}
		more := p.peek() == '.' || p.peek() == '/'
		if first && !more {
			return c, nil
		}
		if u, err = u.times(c, sign); err != nil {
			return u, err
		}
		if !more {
			return u, nil
		}
		first, sign = false, 1
		if p.peek() == '/' {
			sign = -1
		}
		p.at++
	}
}

func (p *parser) component() (Unit, error) {
	switch c := p.peek(); {
	case c == 0:
		return Unit{}, errEnd
	case c == '(':
		p.at++
		u, err := p.term()
		if err != nil {
			return u, err
		}
		if p.peek() != ')' {
			return u, errors.New("a parenthesis is not closed")
		}
		p.at++
		return u, nil
	case c == '{':
		return one(), p.annotation()
	case c >= '0' && c <= '9' && !strings.HasPrefix(p.text[p.at:], "10*") && !strings.HasPrefix(p.text[p.at:], "10^"):
		start := p.at
		for p.peek() >= '0' && p.peek() <= '9' {
			p.at++
		}
		n, ok := new(big.Rat).SetString(p.text[start:p.at])
		if !ok || n.Sign() == 0 {
			return Unit{}, errors.New("zero is no factor")
		}
		if p.peek() == '{' {
			if err := p.annotation(); err != nil {
				return Unit{}, err
			}
		}
		return Unit{scale: n}, nil
	}
	symbol := p.symbol()
	u, err := lookup(symbol)
	if err != nil {
		return u, err
	}
	exp, given, err := p.exponent()
	if err != nil {
		return u, err
	}
	if given {
		limit := maxExponent
		if symbol == "10*" || symbol == "10^" {
			limit = maxTens
		}
		if exp > limit || exp < -limit {
			return u, errExponent
		}
		if u, err = u.power(exp); err != nil {
			return u, err
		}
	}
	if p.peek() == '{' {
		return u, p.annotation()
	}
	return u, nil
}

// annotation is text for people: {RBC} counts as 1.
func (p *parser) annotation() error {
	end := strings.IndexByte(p.text[p.at:], '}')
	if end < 0 {
		return errors.New("an annotation is not closed")
	}
	for _, c := range []byte(p.text[p.at+1 : p.at+end]) {
		if c < ' ' || c > '~' || c == '{' {
			return errors.New("a character that annotations do not take")
		}
	}
	p.at += end + 1
	return nil
}

// symbol takes a unit with its prefix, up to an exponent or an operator; brackets hold anything.
func (p *parser) symbol() string {
	start := p.at
	if rest := p.text[p.at:]; strings.HasPrefix(rest, "10*") || strings.HasPrefix(rest, "10^") {
		p.at += 3
		return p.text[start:p.at]
	}
	depth := 0
	for ; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		if c == '[' {
			depth++
		} else if c == ']' && depth > 0 {
			depth--
		} else if depth == 0 && (c >= '0' && c <= '9' || strings.IndexByte("+-./(){}", c) >= 0) {
			break
		}
	}
	return p.text[start:p.at]
}

func (p *parser) exponent() (exp int, given bool, err error) {
	start := p.at
	if c := p.peek(); c == '+' || c == '-' {
		p.at++
	}
	digits := p.at
	for p.peek() >= '0' && p.peek() <= '9' {
		p.at++
	}
	if p.at == digits {
		if p.at > start {
			return 0, false, errors.New("digits are expected after the sign")
		}
		return 0, false, nil
	}
	if exp, err = strconv.Atoi(p.text[start:p.at]); err != nil || p.at-digits > 4 {
		return 0, false, errExponent
	}
	return exp, true, nil
}

func (u Unit) times(v Unit, sign int) (Unit, error) {
	if u.zero != nil || v.zero != nil {
		return u, errZero
	}
	r := Unit{scale: new(big.Rat), dims: slices.Clone(u.dims)}
	if sign > 0 {
		r.scale.Mul(u.scale, v.scale)
	} else {
		r.scale.Quo(u.scale, v.scale)
	}
	for _, p := range v.dims {
		i, found := slices.BinarySearchFunc(r.dims, p.unit, func(x power, name string) int { return strings.Compare(x.unit, name) })
		if !found {
			r.dims = slices.Insert(r.dims, i, power{unit: p.unit})
		}
		if r.dims[i].exp += sign * p.exp; r.dims[i].exp == 0 {
			r.dims = slices.Delete(r.dims, i, i+1)
		}
	}
	return r, nil
}

func (u Unit) power(exp int) (Unit, error) {
	if u.zero != nil && exp != 1 {
		return u, errZero
	}
	if exp == 1 {
		return u, nil
	}
	r, sign := one(), 1
	if exp < 0 {
		sign, exp = -1, -exp
	}
	for range exp {
		var err error
		if r, err = r.times(u, sign); err != nil {
			return r, err
		}
	}
	return r, nil
}
