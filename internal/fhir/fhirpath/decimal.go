package fhirpath

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// decimal is an exact decimal number: unscaled × 10^-scale. The scale is as written, so 1.00 has two places.
type decimal struct {
	small int64
	big   *big.Int // instead of small where that is too short
	scale int32    // ≥ 0
}

const (
	maxDigits = 64 // of a decimal; results beyond it are empty
	maxScale  = 40 // places of a result; beyond it they are rounded
	divScale  = 28 // significant digits of a quotient that does not end
)

var ten = big.NewInt(10)

func pow10(n int32) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(n)), nil) }

func (d decimal) int() *big.Int {
	if d.big != nil {
		return d.big
	}
	return big.NewInt(d.small)
}

func fromInt(i int64) decimal { return decimal{small: i} }

func fromBig(i *big.Int, scale int32) decimal {
	if i.IsInt64() {
		return decimal{small: i.Int64(), scale: scale}
	}
	return decimal{big: i, scale: scale}
}

// fits refuses what has grown too long and rounds what has too many places.
func (d decimal) fits() (decimal, bool) {
	if d.scale > maxScale {
		d = d.round(maxScale)
	}
	return d, d.big == nil || d.big.BitLen() < maxDigits*10/3
}

// parseDecimal reads -12.50, also with an exponent.
func parseDecimal(s string) (decimal, bool) {
	mantissa, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(strings.TrimPrefix(s[i+1:], "+"))
		if err != nil || e > maxDigits || e < -maxDigits {
			return decimal{}, false
		}
		mantissa, exp = s[:i], e
	}
	whole, frac, dot := strings.Cut(mantissa, ".")
	digits := whole + frac
	if dot && frac == "" || strings.TrimLeft(whole, "+-") == "" || len(digits) > maxDigits || len(whole)-len(strings.TrimLeft(whole, "+-")) > 1 {
		return decimal{}, false
	}
	scale := int32(len(frac) - exp)
	d := decimal{scale: scale}
	if len(digits) <= 18 {
		v, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return decimal{}, false
		}
		d.small = v
	} else {
		b, ok := new(big.Int).SetString(digits, 10)
		if !ok {
			return decimal{}, false
		}
		d = fromBig(b, scale)
	}
	if scale < 0 {
		d = fromBig(new(big.Int).Mul(d.int(), pow10(-scale)), 0)
	}
	return d.fits()
}

// parseInteger reads an Integer: 32 bits.
func parseInteger(s string) (int64, bool) {
	v, err := strconv.ParseInt(s, 10, 64)
	return v, err == nil && inRange(v)
}

func inRange(v int64) bool { return v >= math.MinInt32 && v <= math.MaxInt32 }

func (d decimal) item() Item { return Item{typ: systemDecimal, value: d, index: -1} }

func (d decimal) String() string {
	s := ""
	if d.big != nil {
		s = d.big.String()
	} else {
		s = strconv.FormatInt(d.small, 10)
	}
	if d.scale == 0 {
		return s
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if n := int(d.scale) + 1 - len(s); n > 0 {
		s = strings.Repeat("0", n) + s
	}
	return sign + s[:len(s)-int(d.scale)] + "." + s[len(s)-int(d.scale):]
}

func (d decimal) sign() int {
	if d.big != nil {
		return d.big.Sign()
	}
	switch {
	case d.small < 0:
		return -1
	case d.small > 0:
		return 1
	}
	return 0
}

var powers = [...]int64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000,
	100_000_000_000, 1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000, 10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000}

// times multiplies two int64; false when it overflows.
func times(a, b int64) (int64, bool) {
	ua, ub := uint64(a), uint64(b)
	if a < 0 {
		ua = -ua
	}
	if b < 0 {
		ub = -ub
	}
	hi, lo := bits.Mul64(ua, ub)
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	if (a < 0) != (b < 0) {
		return -int64(lo), true
	}
	return int64(lo), true
}

// rescale gives d that many places; fewer only where nothing is lost, see round.
func (d decimal) rescale(scale int32) decimal {
	up := scale - d.scale
	switch {
	case up == 0:
		return d
	case up < 0:
		return fromBig(new(big.Int).Quo(d.int(), pow10(-up)), scale)
	}
	if d.big == nil && int(up) < len(powers) {
		if v, ok := times(d.small, powers[up]); ok {
			return decimal{small: v, scale: scale}
		}
	}
	return fromBig(new(big.Int).Mul(d.int(), pow10(up)), scale)
}

func level(a, b decimal) (decimal, decimal) {
	s := max(a.scale, b.scale)
	return a.rescale(s), b.rescale(s)
}

func (d decimal) cmp(o decimal) int {
	a, b := level(d, o)
	if a.big == nil && b.big == nil {
		switch {
		case a.small < b.small:
			return -1
		case a.small > b.small:
			return 1
		}
		return 0
	}
	return a.int().Cmp(b.int())
}

func (d decimal) add(o decimal) (decimal, bool) {
	a, b := level(d, o)
	if a.big == nil && b.big == nil {
		if v := a.small + b.small; (v > a.small) == (b.small > 0) {
			return decimal{small: v, scale: a.scale}, true
		}
	}
	return fromBig(new(big.Int).Add(a.int(), b.int()), a.scale).fits()
}

func (d decimal) neg() decimal {
	if d.big == nil && d.small != math.MinInt64 {
		return decimal{small: -d.small, scale: d.scale}
	}
	return fromBig(new(big.Int).Neg(d.int()), d.scale)
}

func (d decimal) abs() decimal {
	if d.sign() < 0 {
		return d.neg()
	}
	return d
}

func (d decimal) mul(o decimal) (decimal, bool) {
	if d.big == nil && o.big == nil {
		if v, ok := times(d.small, o.small); ok {
			return decimal{small: v, scale: d.scale + o.scale}.fits()
		}
	}
	return fromBig(new(big.Int).Mul(d.int(), o.int()), d.scale+o.scale).fits()
}

// div is exact where the quotient ends, else rounded to divScale digits; false for division by zero.
func (d decimal) div(o decimal) (decimal, bool) {
	if o.sign() == 0 {
		return decimal{}, false
	}
	if d.sign() == 0 {
		return decimal{}, true
	}
	// places so that the quotient has divScale digits
	scale := divScale - (d.length() - int(d.scale)) + (o.length() - int(o.scale))
	scale = min(max(scale, 0), maxScale)
	num := new(big.Int).Mul(d.int(), pow10(int32(scale)+o.scale))
	den := new(big.Int).Mul(o.int(), pow10(d.scale))
	q, rest := new(big.Int).QuoRem(num, den, new(big.Int))
	if rest.Sign() != 0 && rest.Lsh(rest.Abs(rest), 1).Cmp(new(big.Int).Abs(den)) >= 0 {
		if (num.Sign() < 0) != (den.Sign() < 0) {
			q.Sub(q, big.NewInt(1))
		} else {
			q.Add(q, big.NewInt(1))
		}
	}
	return fromBig(q, int32(scale)).trim().fits()
}

// trim drops zeros at the end of the fraction.
func (d decimal) trim() decimal {
	if d.big == nil {
		for d.scale > 0 && d.small%10 == 0 {
			d.small /= 10
			d.scale--
		}
		return d
	}
	b, rest := new(big.Int).Set(d.big), new(big.Int)
	for d.scale > 0 {
		q, r := new(big.Int).QuoRem(b, ten, rest)
		if r.Sign() != 0 {
			break
		}
		b = q
		d.scale--
	}
	return fromBig(b, d.scale)
}

// truncate drops the fraction beyond places.
func (d decimal) truncate(places int32) decimal {
	if d.scale <= places {
		return d
	}
	return d.rescale(places)
}

// round rounds half away from zero.
func (d decimal) round(places int32) decimal {
	if d.scale <= places {
		return d
	}
	unit := pow10(d.scale - places)
	q, rest := new(big.Int).QuoRem(d.int(), unit, new(big.Int))
	if rest.Lsh(rest.Abs(rest), 1).Cmp(unit) >= 0 {
		q.Add(q, big.NewInt(int64(d.sign())))
	}
	return fromBig(q, places)
}

func (d decimal) floor() decimal {
	t := d.truncate(0)
	if d.sign() < 0 && t.cmp(d) != 0 {
		t, _ = t.add(fromInt(-1))
	}
	return t
}

func (d decimal) ceiling() decimal { return d.neg().floor().neg() }

// length counts the digits of the unscaled number, leading zeros of 0.05 not among them.
func (d decimal) length() int {
	if d.big == nil {
		n := 1
		for v := d.small; v > 9 || v < -9; v /= 10 {
			n++
		}
		return n
	}
	return len(d.big.Text(10)) - btoi(d.big.Sign() < 0)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d decimal) float() float64 {
	f, _ := strconv.ParseFloat(d.String(), 64)
	return f
}

// fromFloat is for the functions that no decimal arithmetic has: sqrt, exp, ln, log, power.
func fromFloat(f float64) (decimal, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) >= 1e40 {
		return decimal{}, false
	}
	d, ok := parseDecimal(strconv.FormatFloat(f, 'g', 15, 64))
	return d.trim(), ok
}

// integer returns d as an Integer when it is one and in range.
func (d decimal) integer() (int64, bool) {
	t := d.trim()
	return t.small, t.scale == 0 && t.big == nil && inRange(t.small)
}

// places counts the digits after the point.
func (d decimal) places() int32 { return d.scale }

// quo is the whole part of a quotient, toward zero; false for division by zero.
func (d decimal) quo(o decimal) (decimal, bool) {
	if o.sign() == 0 {
		return decimal{}, false
	}
	a, b := level(d, o)
	return fromBig(new(big.Int).Quo(a.int(), b.int()), 0), true
}
