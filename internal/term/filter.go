package term

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// filter keeps those of idx that one filter of a compose lets through.
func (q *session) filter(ctx context.Context, b *book, idx []int32, f *fhir.Node) ([]int32, error) {
	property, op, value := f.Str("property"), f.Str("op"), f.Str("value")
	if value == "" {
		return nil, invalid("filter-value", "a filter needs a value", "过滤条件缺少取值")
	}
	switch op {
	case "is-a", "descendent-of", "is-not-a", "generalizes":
		return relatives(b, idx, op, value)
	case "in", "not-in":
		if property == "concept" && strings.Contains(value, "/") { // the members of a value set
			return q.members(ctx, b, idx, op, value)
		}
		wanted := strings.Split(value, ",")
		for i := range wanted {
			wanted[i] = strings.TrimSpace(wanted[i])
		}
		return picked(b, idx, func(i int32) bool {
			return has(b, i, property, func(v string) bool { return slices.Contains(wanted, v) }) == (op == "in")
		}), nil
	case "=":
		if property == "concept" || property == "code" {
			value = b.fold(value)
			return picked(b, idx, func(i int32) bool { return b.fold(b.concepts[i].Code) == value }), nil
		}
		if flag := flagOf(property); flag != nil {
			return picked(b, idx, func(i int32) bool {
				return (flag(&b.concepts[i]) && value == "true") || (!flag(&b.concepts[i]) && value == "false")
			}), nil
		}
		return picked(b, idx, func(i int32) bool { return has(b, i, property, func(v string) bool { return v == value }) }), nil
	case "exists":
		if value != "true" && value != "false" {
			return nil, invalid("filter-value", "exists is true or false", "exists 只能是 true 或 false")
		}
		return picked(b, idx, func(i int32) bool { return has(b, i, property, func(string) bool { return true }) == (value == "true") }), nil
	case "regex":
		if len(value) > maxRegex {
			return nil, invalid("filter-regex", "the regular expression is too long", "正则表达式过长")
		}
		re, err := regexp.Compile(`^(?s:` + value + `)$`)
		if err != nil {
			return nil, invalid("filter-regex", "the regular expression is not understood: "+err.Error(), "正则表达式无效")
		}
		return picked(b, idx, func(i int32) bool { return has(b, i, property, re.MatchString) }), nil
	}
	return nil, fhir.Refuse(422, "not-supported", "filter-op", "no such filter operator: "+op, "不支持的过滤运算："+op)
}

func picked(b *book, idx []int32, ok func(int32) bool) []int32 {
	out := make([]int32, 0, min(len(idx), 256))
	for _, i := range idx {
		if ok(i) {
			out = append(out, i)
		}
	}
	return out
}

func flagOf(property string) func(*Concept) bool {
	switch property {
	case "notSelectable", "abstract":
		return (*Concept).abstract
	case "inactive":
		return (*Concept).inactive
	}
	return nil
}

// has says whether some value of a property of a concept is as wanted.
func has(b *book, i int32, property string, wanted func(string) bool) bool {
	c := &b.concepts[i]
	switch property {
	case "concept", "code":
		return wanted(c.Code)
	case "display":
		return c.Display != "" && wanted(c.Display)
	case "definition":
		return c.Extra != nil && c.Definition != "" && wanted(c.Definition)
	case "parent":
		return slices.ContainsFunc(b.parents[i], func(p int32) bool { return wanted(b.concepts[p].Code) })
	case "child":
		return slices.ContainsFunc(b.children[i], func(p int32) bool { return wanted(b.concepts[p].Code) })
	case "designation":
		return c.Extra != nil && slices.ContainsFunc(c.Designations, func(d Designation) bool { return wanted(d.Value) })
	}
	if c.Extra == nil {
		return false
	}
	return slices.ContainsFunc(c.Properties, func(p Property) bool { return p.Code == property && wanted(p.Text()) })
}

func relatives(b *book, idx []int32, op, value string) ([]int32, error) {
	i, ok := b.find(value)
	if !ok {
		return nil, fhir.Refuse(422, "code-invalid", "unknown-code", "the filter names a code that "+b.canonical()+" does not have: "+value, "过滤条件中的代码不存在："+value)
	}
	list := b.below(i)
	if op == "generalizes" {
		list = b.above(i)
	}
	in := bitsOf(len(b.concepts), list)
	return picked(b, idx, func(x int32) bool {
		switch op {
		case "descendent-of":
			return in.has(x) && x != i
		case "is-not-a":
			return !in.has(x)
		}
		return in.has(x)
	}), nil
}

func (q *session) members(ctx context.Context, b *book, idx []int32, op, canonical string) ([]int32, error) {
	v, err := q.valueSetOf(ctx, canonical)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, unknown("value set", canonical)
	}
	s, err := q.evaluate(ctx, v)
	if err != nil {
		return nil, err
	}
	return picked(b, idx, func(i int32) bool {
		_, _, _, ok := s.find(b.url, "", b.concepts[i].Code)
		return ok == (op == "in")
	}), nil
}
