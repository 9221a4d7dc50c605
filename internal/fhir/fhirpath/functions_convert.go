package fhirpath

import (
	"strings"
)

func init() {
	for name, convert := range map[string]func(v any) (Item, bool){
		"Boolean": toBoolean, "Integer": toInteger, "Decimal": toDecimal, "String": toString,
		"Date": toDate, "DateTime": toDateTime, "Time": toTime,
	} {
		define(0, 0, converting(convert), "to"+name)
		define(0, 0, converts(convert), "convertsTo"+name)
	}
	define(0, 1, func(r *run, c *call, in Collection) (Collection, error) {
		q, err := r.toQuantity(c, in)
		if err != nil || q == nil {
			return nil, err
		}
		return one(q.item()), nil
	}, "toQuantity")
	define(0, 1, func(r *run, c *call, in Collection) (Collection, error) {
		if len(in) == 0 {
			return nil, nil
		}
		q, err := r.toQuantity(c, in)
		return truth(q != nil), err
	}, "convertsToQuantity")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return one(r.clock().item()), nil }, "now")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) { return one(r.clock().date().item()), nil }, "today")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) {
		m := *r.clock()
		m.kind, m.zoned, m.offset, m.year, m.month, m.day = aTime, false, 0, 0, 0, 0
		return one(m.item()), nil
	}, "timeOfDay")
}

// sole is the value of the one item of in, nil for none; an element without a System value is none.
func (c *call) sole(in Collection) (any, error) {
	if len(in) > 1 {
		return nil, fail(c.at, "%s() is applied to one item, not to %d", c.name, len(in))
	}
	if len(in) == 0 {
		return nil, nil
	}
	return in[0].system(), nil
}

func converting(convert func(any) (Item, bool)) func(*run, *call, Collection) (Collection, error) {
	return func(r *run, c *call, in Collection) (Collection, error) {
		v, err := c.sole(in)
		if err != nil || v == nil {
			return nil, err
		}
		if i, ok := convert(v); ok {
			return one(i), nil
		}
		return nil, nil
	}
}

func converts(convert func(any) (Item, bool)) func(*run, *call, Collection) (Collection, error) {
	return func(r *run, c *call, in Collection) (Collection, error) {
		v, err := c.sole(in)
		if err != nil || len(in) == 0 {
			return nil, err
		}
		if v == nil {
			return no, nil
		}
		_, ok := convert(v)
		return truth(ok), nil
	}
}

func toBoolean(v any) (Item, bool) {
	switch v := v.(type) {
	case bool:
		return Boolean(v), true
	case int64:
		return Boolean(v == 1), v == 0 || v == 1
	case decimal:
		return Boolean(v.cmp(fromInt(1)) == 0), v.cmp(fromInt(1)) == 0 || v.sign() == 0
	case string:
		switch strings.ToLower(v) {
		case "true", "t", "yes", "y", "1", "1.0":
			return Boolean(true), true
		case "false", "f", "no", "n", "0", "0.0":
			return Boolean(false), true
		}
	}
	return Item{}, false
}

func toInteger(v any) (Item, bool) {
	switch v := v.(type) {
	case int64:
		return Integer(v), true
	case bool:
		return Integer(int64(btoi(v))), true
	case string:
		i, ok := parseInteger(v)
		return Integer(i), ok
	}
	return Item{}, false
}

func toDecimal(v any) (Item, bool) {
	switch v := v.(type) {
	case int64:
		return fromInt(v).item(), true
	case decimal:
		return v.item(), true
	case bool:
		return decimal{small: int64(btoi(v) * 10), scale: 1}.item(), true
	case string:
		if strings.ContainsAny(v, "eE") {
			return Item{}, false
		}
		d, ok := parseDecimal(v)
		return d.item(), ok
	}
	return Item{}, false
}

func toString(v any) (Item, bool) {
	s, ok := Item{typ: systemString, value: v}.written()
	return Text(s), ok
}

func toDate(v any) (Item, bool) {
	switch v := v.(type) {
	case *moment:
		return v.date().item(), v.kind != aTime
	case string:
		m, ok := parseMoment(v, false)
		if !ok || strings.HasSuffix(v, "T") {
			return Item{}, false
		}
		return m.date().item(), true
	}
	return Item{}, false
}

func toDateTime(v any) (Item, bool) {
	var m moment
	switch v := v.(type) {
	case *moment:
		if v.kind == aTime {
			return Item{}, false
		}
		m = *v
	case string:
		p, ok := parseMoment(v, false)
		if !ok || strings.HasSuffix(v, "T") {
			return Item{}, false
		}
		m = *p
	default:
		return Item{}, false
	}
	m.kind = aDateTime
	return m.item(), true
}

func toTime(v any) (Item, bool) {
	switch v := v.(type) {
	case *moment:
		return v.item(), v.kind == aTime
	case string:
		m, ok := parseMoment(strings.TrimPrefix(v, "T"), true)
		if !ok {
			return Item{}, false
		}
		return m.item(), true
	}
	return Item{}, false
}

// toQuantity converts the one item of in, to the unit of the argument where there is one; nil when it cannot.
func (r *run) toQuantity(c *call, in Collection) (*quantity, error) {
	v, err := c.sole(in)
	if err != nil || v == nil {
		return nil, err
	}
	var q *quantity
	switch v := v.(type) {
	case *quantity:
		q = v
	case int64:
		q = &quantity{fromInt(v), "1", false}
	case decimal:
		q = &quantity{v, "1", false}
	case bool:
		q = &quantity{decimal{small: int64(btoi(v) * 10), scale: 1}, "1", false}
	case string:
		q = parseQuantity(v)
	}
	if q == nil || len(c.args) == 0 {
		return q, nil
	}
	unit, ok, err := r.string(c, 0)
	if err != nil || !ok {
		return nil, err
	}
	if word := calendarUnits[unit]; word != "" {
		if q.calendar && q.unit == word {
			return q, nil
		}
		if fixed[word] == "" {
			return nil, nil
		}
		if d, ok := q.definite().inUnit(fixed[word]); ok {
			return &quantity{d, word, true}, nil
		}
		return nil, nil
	}
	if d, ok := q.definite().inUnit(unit); ok {
		return &quantity{d, unit, false}, nil
	}
	return nil, nil
}
