package search

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Coding is a code of a system.
type Coding = index.Coding

// ErrUnknownTerms is what Terms answers when the value set, system or code is not loaded.
var ErrUnknownTerms = errors.New("search: not loaded")

// ErrTooMany is what Terms and Kin answer when there would be more than limit.
var ErrTooMany = errors.New("search: too many")

// Terms knows the loaded terminologies. Of limit+1 or more answers it gives ErrTooMany.
type Terms interface {
	// Codes lists a value set, named by canonical (with or without |version) or as ValueSet/id.
	Codes(ctx context.Context, valueset string, limit int) ([]Coding, error)
	// Below lists a code and what it subsumes; Above the code and what subsumes it.
	Below(ctx context.Context, system, code string, limit int) ([]Coding, error)
	Above(ctx context.Context, system, code string, limit int) ([]Coding, error)
}

// Kin knows the hierarchies of resources, such as Location.partOf, as far as the caller may see them.
type Kin interface {
	// Below lists the ids of a resource and of all that is part of it; Above of it and of what it is part of.
	Below(ctx context.Context, by *spec.Param, id string, limit int) ([]string, error)
	Above(ctx context.Context, by *spec.Param, id string, limit int) ([]string, error)
	// Records lists, by the id of a patient's record, the ids of the others that are linked with it.
	Records(ctx context.Context, ids []string) (map[string][]string, error)
}

// Bounds of what Resolve writes into one query.
const (
	maxCodes    = 50_000
	maxKin      = 5_000
	maxResolved = 200_000
)

// NeedsResolve tells whether a query holds clauses that Resolve must rewrite.
func NeedsResolve(q *Query) bool {
	r := resolver{look: true}
	_ = r.query(q)
	return r.found
}

// Resolve rewrites :in, :not-in, :above and :below into values, as Clause says. Without terms or kin it refuses.
func Resolve(ctx context.Context, q *Query, terms Terms, kin Kin) error {
	r := resolver{ctx: ctx, terms: terms, kin: kin, known: map[string][]Value{}}
	return r.query(q)
}

type resolver struct {
	ctx         context.Context
	terms       Terms
	kin         Kin
	known       map[string][]Value // what was asked already
	total       int
	look, found bool // only look whether there is anything to do
}

func (r *resolver) query(q *Query) error {
	for i := range q.Where {
		if err := r.clause(&q.Where[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) clause(c *Clause) error {
	switch {
	case c.Has != nil:
		return r.clause(&c.Has.Where)
	case c.Filter != nil:
		return r.filter(c.Filter)
	case c.Across != nil:
		for _, one := range c.Across {
			if err := r.clause(one); err != nil {
				return err
			}
		}
		return nil
	case c.Chain != nil:
		for t, sub := range c.Chain.Where {
			if err := r.clause(&sub); err != nil {
				return err
			}
			if !r.look {
				c.Chain.Where[t] = sub
			}
		}
		return nil
	}
	if !unresolved(c) {
		return nil
	}
	if c.Modifier == Person {
		return r.person(c)
	}
	do := r.codes
	if c.Param.Type == spec.Reference {
		do = func(m string, v *Value) ([]Value, error) { return r.related(c.Param, m, v) }
	}
	if r.look {
		r.found = true
		return nil
	}
	var values []Value
	for i := range c.Values {
		vs, err := do(c.Modifier, &c.Values[i])
		if err != nil {
			return err
		}
		if r.total += len(vs); r.total > maxResolved {
			return tooMany(c.Values[i].Raw)
		}
		if values == nil {
			values = vs[:len(vs):len(vs)]
		} else {
			values = append(values, vs...)
		}
	}
	if c.Values = values; c.Modifier == "not-in" {
		c.Modifier = "not"
	} else {
		c.Modifier = ""
	}
	return nil
}

// unresolved tells a clause that Resolve must rewrite.
func unresolved(c *Clause) bool {
	if c.Modifier == Person {
		return true
	}
	if c.Param == nil {
		return false
	}
	switch c.Modifier {
	case "in", "not-in":
		return true
	case "above", "below":
		return c.Param.Type == spec.Token || c.Param.Type == spec.Reference && len(c.Values) > 0 && c.Values[0].URL == ""
	}
	return false
}

func (r *resolver) filter(f *Filter) error {
	if f.Clause != nil {
		return r.clause(f.Clause)
	}
	for i := range f.Parts {
		if err := r.filter(&f.Parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// person adds to the records named the others of the same persons.
func (r *resolver) person(c *Clause) error {
	if r.look {
		r.found = true
		return nil
	}
	if r.kin == nil {
		return notHere("Patient", c.Modifier)
	}
	named := func(v *Value) string {
		if c.Param == nil {
			return v.Text
		}
		return v.RefID
	}
	ids, has := make([]string, 0, len(c.Values)), map[string]bool{}
	for i := range c.Values {
		if id := named(&c.Values[i]); !has[id] {
			ids, has[id] = append(ids, id), true
		}
	}
	linked, err := r.kin.Records(r.ctx, ids)
	if err != nil {
		return err
	}
	values := slices.Clone(c.Values)
	for _, id := range ids {
		for _, other := range linked[id] {
			if has[other] {
				continue
			}
			has[other] = true
			if r.total++; r.total > maxKin {
				return tooMany("Patient/" + id)
			}
			v := Value{Raw: other, Text: other}
			if c.Param != nil {
				v = Value{Raw: "Patient/" + other, RefType: "Patient", RefID: other}
			}
			values = append(values, v)
		}
	}
	c.Values, c.Modifier = values, ""
	return nil
}

func tooMany(what string) error {
	return fhir.Refuse(400, "too-costly", "too-many-codes", fmt.Sprintf("%s stands for too many values to search by", printable(what)), "涉及的代码过多，无法检索："+printable(what))
}

// codes lists what a token with :in, :not-in, :above or :below means.
func (r *resolver) codes(modifier string, v *Value) ([]Value, error) {
	if modifier == "not-in" {
		modifier = "in"
	}
	key := modifier + " " + v.Raw
	if known, ok := r.known[key]; ok {
		return known, nil
	}
	var codes []Coding
	err := ErrUnknownTerms
	if r.terms != nil {
		switch modifier {
		case "in":
			codes, err = r.terms.Codes(r.ctx, v.Text, maxCodes)
		case "below":
			codes, err = r.terms.Below(r.ctx, *v.System, v.Code, maxCodes)
		case "above":
			codes, err = r.terms.Above(r.ctx, *v.System, v.Code, maxCodes)
		}
	}
	if errors.Is(err, ErrUnknownTerms) && modifier == "in" {
		if own := defined(v.Text); own != nil {
			codes, err = own, nil
		}
	}
	switch {
	case errors.Is(err, ErrUnknownTerms):
		return nil, fhir.Refuse(400, "not-found", "unknown-terms", fmt.Sprintf("%s is not loaded here, so :%s cannot be answered", printable(v.Raw), modifier), "术语尚未导入，无法按此检索："+printable(v.Raw))
	case errors.Is(err, ErrTooMany) || len(codes) > maxCodes:
		return nil, tooMany(v.Raw)
	case err != nil:
		return nil, err
	}
	systems := map[string]*string{}
	values := make([]Value, len(codes))
	for i, c := range codes {
		s := systems[c.System]
		if s == nil {
			s = &c.System
			systems[c.System] = s
		}
		values[i] = Value{System: s, Code: c.Code}
	}
	r.known[key] = values
	return values, nil
}

// defined lists a value set that R4 itself defines.
func defined(valueset string) []Coding {
	var r []Coding
	for system, codes := range spec.CodesBySystem(valueset) {
		for _, code := range codes {
			r = append(r, Coding{System: system, Code: code})
		}
	}
	return r
}

// related lists what a reference with :above or :below means.
func (r *resolver) related(param *spec.Param, modifier string, v *Value) ([]Value, error) {
	by := partOf(param, v.RefType)
	if by == nil {
		return nil, fhir.Refuse(400, "not-supported", "no-hierarchy", fmt.Sprintf("%s:%s needs one type with a hierarchy, such as Location/1 or Organization/1", param.Code, modifier), ":"+modifier+" 需写明有上下级关系的类型，如 Location/1")
	}
	key := modifier + " " + by.Base + "/" + v.RefID
	if known, ok := r.known[key]; ok {
		return known, nil
	}
	if r.kin == nil {
		return nil, badModifier(param, modifier)
	}
	ask := r.kin.Below
	if modifier == "above" {
		ask = r.kin.Above
	}
	ids, err := ask(r.ctx, by, v.RefID, maxKin)
	if errors.Is(err, ErrTooMany) || len(ids) > maxKin {
		return nil, tooMany(v.Raw)
	}
	if err != nil {
		return nil, err
	}
	values := make([]Value, len(ids))
	for i, id := range ids {
		values[i] = Value{Raw: by.Base + "/" + id, RefType: by.Base, RefID: id}
	}
	r.known[key] = values
	return values, nil
}

// partOf is the parameter by which resources of a type are part of others of that type.
func partOf(param *spec.Param, typ string) *spec.Param {
	if typ == "" {
		for _, t := range param.Targets {
			if partOf(param, t) != nil {
				if typ != "" {
					return nil // several
				}
				typ = t
			}
		}
	}
	for _, code := range []string{"partof", "part-of"} {
		if p := spec.Lookup(typ, code); p != nil && p.Type == spec.Reference {
			return p
		}
	}
	return nil
}
