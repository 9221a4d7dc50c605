package store

import (
	"context"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

var unions sync.Map // parameter number -> []*spec.Param

// parts are the parameters in whose rows a parameter stands: of those named combo- the two that they
// unite, so that nothing is written twice; of the others itself.
func parts(p *spec.Param) []*spec.Param {
	if p.ID >= firstParameter {
		return []*spec.Param{p}
	}
	if u, ok := unions.Load(p.ID); ok {
		return u.([]*spec.Param)
	}
	u := []*spec.Param{p}
	if rest, ok := strings.CutPrefix(p.Code, "combo-"); ok && p.Base == "Observation" {
		if a, b := spec.Lookup(p.Base, rest), spec.Lookup(p.Base, "component-"+rest); a != nil && b != nil && a.Type == p.Type && b.Type == p.Type {
			u = []*spec.Param{a, b}
		}
	}
	unions.Store(p.ID, u)
	return u
}

// stands tells that a parameter has no rows of its own.
func stands(p *spec.Param) bool { return parts(p)[0] != p }

// indexPair makes the row of a composite: its first component is a code or a reference, the others say what of it.
func (tx *Tx) indexPair(ctx context.Context, ix *indexed, e *index.Entry, add func(row)) error {
	if len(e.Parts) < 2 {
		return nil
	}
	first := &e.Parts[0]
	r := row{table: ixPair, param: e.Param.ID}
	r.n[2] = ix.at
	var err error
	switch {
	case first.RefType != "":
		if r.n[0], err = tx.reserve(ctx, first.RefType+"/"+first.RefID); r.n[0] == 0 {
			return err
		}
	case first.URI != "":
		r.n[3] = -1 // no system: what a names is a text
		r.n[0], err = tx.symbol(ctx, clip(first.URI))
	case first.Code == "" && first.System == "":
		return nil
	default:
		r.n[3], r.n[0], err = tx.coded(ctx, first)
	}
	if err != nil {
		return err
	}
	second := &e.Parts[1]
	switch componentType(e.Param, 1) {
	case spec.String:
		t := row{table: ixPairText, param: r.param, n: [5]int64{r.n[0], ix.at, r.n[3]}}
		if t.s, t.s2 = folded(second.Text); t.s != "" {
			add(t)
		}
		return nil
	case spec.Token:
		if second.Code == "" && second.System == "" {
			return nil
		}
		r.n[4], r.n[1], err = tx.coded(ctx, second)
	case spec.Date:
		r.f, r.f2 = float64(bound(second.Low)), float64(bound(second.High))
	case spec.Number, spec.Quantity:
		if unusable(second) {
			return nil
		}
		if r.n[4], r.n[1], err = tx.coded(ctx, second); err != nil {
			return err
		}
		r.f = second.Value
		switch {
		case second.Interval:
			r.param, r.f, r.f2 = -r.param, second.NumLow, second.NumHi
		case len(e.Parts) > 2: // a third one is the end of what the second begins
			if unusable(&e.Parts[2]) {
				return nil
			}
			r.f2 = e.Parts[2].Value
		}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	add(r)
	return nil
}

// componentType is the type of one component of a composite.
func componentType(p *spec.Param, i int) spec.ParamType {
	if i >= len(p.Components) {
		return 0
	}
	return p.Components[i].Type
}
