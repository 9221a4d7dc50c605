package fhirpath

import "math"

func init() {
	define(0, 0, numeric(func(v any) (Collection, error) {
		switch v := v.(type) {
		case int64:
			return numeral(fromInt(v).abs(), true, true)
		case *quantity:
			return one((&quantity{v.value.abs(), v.unit, v.calendar}).item()), nil
		}
		return numeral(v.(decimal).abs(), true, false)
	}), "abs")
	define(0, 0, whole(decimal.ceiling), "ceiling")
	define(0, 0, whole(decimal.floor), "floor")
	define(0, 0, whole(func(d decimal) decimal { return d.truncate(0) }), "truncate")
	define(0, 0, real(math.Exp), "exp")
	define(0, 0, real(math.Log), "ln")
	define(0, 0, real(math.Sqrt), "sqrt")
	define(1, 1, binaryReal(func(x, base float64) float64 { return math.Log(x) / math.Log(base) }), "log")
	define(1, 1, power, "power")
	define(0, 1, round, "round")
}

// numeric applies f to the one number or quantity; what is empty stays so.
func numeric(f func(v any) (Collection, error)) func(*run, *call, Collection) (Collection, error) {
	return func(r *run, c *call, in Collection) (Collection, error) {
		v, err := c.number(in)
		if err != nil || v == nil {
			return nil, err
		}
		return f(v)
	}
}

// number is the one number or quantity that a function is applied to, nil for none.
func (c *call) number(in Collection) (any, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > 1 {
		return nil, fail(c.at, "%s() is applied to one number, not to %d items", c.name, len(in))
	}
	switch v := in[0].system().(type) {
	case int64, decimal, *quantity:
		return v, nil
	case nil:
		if in[0].typ.valued() {
			return nil, nil
		}
	}
	return nil, fail(c.at, "%s() is applied to a number, not to %s", c.name, in[0].Type())
}

func whole(f func(decimal) decimal) func(*run, *call, Collection) (Collection, error) {
	return numeric(func(v any) (Collection, error) {
		if q, ok := v.(*quantity); ok {
			return one((&quantity{f(q.value), q.unit, q.calendar}).item()), nil
		}
		d, _ := number_(v)
		return numeral(f(d), true, true)
	})
}

func real(f func(float64) float64) func(*run, *call, Collection) (Collection, error) {
	return func(r *run, c *call, in Collection) (Collection, error) {
		v, err := c.number(in)
		if err != nil || v == nil {
			return nil, err
		}
		d, ok := number_(v)
		if !ok {
			return nil, fail(c.at, "%s() is not defined for a quantity", c.name)
		}
		res, ok := fromFloat(f(d.float()))
		return numeral(res, ok, false)
	}
}

func binaryReal(f func(x, y float64) float64) func(*run, *call, Collection) (Collection, error) {
	return func(r *run, c *call, in Collection) (Collection, error) {
		x, y, ok, err := r.twoNumbers(c, in)
		if err != nil || !ok {
			return nil, err
		}
		res, ok := fromFloat(f(x.float(), y.float()))
		return numeral(res, ok, false)
	}
}

func (r *run) twoNumbers(c *call, in Collection) (x, y decimal, ok bool, err error) {
	v, err := c.number(in)
	if err != nil || v == nil {
		return x, y, false, err
	}
	a, err := r.arg(c, 0)
	if err != nil {
		return x, y, false, err
	}
	w, err := c.number(a)
	if err != nil || w == nil {
		return x, y, false, err
	}
	x, y, ok = decimals(v, w)
	if !ok {
		return x, y, false, fail(c.at, "%s() is not defined for quantities", c.name)
	}
	return x, y, true, nil
}

// power is exact for whole exponents.
func power(r *run, c *call, in Collection) (Collection, error) {
	x, y, ok, err := r.twoNumbers(c, in)
	if err != nil || !ok {
		return nil, err
	}
	if n, whole := y.integer(); whole && n >= 0 && n <= 1000 {
		result, left := fromInt(1), x
		for ; n > 0; n >>= 1 {
			if n&1 == 1 {
				if result, ok = result.mul(left); !ok {
					return nil, nil
				}
			}
			if n > 1 {
				if left, ok = left.mul(left); !ok {
					return nil, nil
				}
			}
		}
		_, isInt := x.integer()
		return numeral(result, true, isInt && x.scale == 0 && y.scale == 0)
	}
	res, ok := fromFloat(math.Pow(x.float(), y.float()))
	return numeral(res, ok, false)
}

func round(r *run, c *call, in Collection) (Collection, error) {
	places := int64(0)
	if len(c.args) == 1 {
		n, ok, err := r.integer(c, 0)
		if err != nil || !ok {
			return nil, err
		}
		if places = n; n < 0 {
			return nil, fail(c.at, "round() wants a precision of 0 or more")
		}
	}
	v, err := c.number(in)
	if err != nil || v == nil {
		return nil, err
	}
	places = min(places, maxScale)
	if q, ok := v.(*quantity); ok {
		return one((&quantity{q.value.round(int32(places)), q.unit, q.calendar}).item()), nil
	}
	d, _ := number_(v)
	return numeral(d.round(int32(places)), true, false)
}
