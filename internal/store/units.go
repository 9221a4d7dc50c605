package store

import (
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// inUnit is a value asked for in one of the units that the rows are written in.
type inUnit struct {
	unit, system int64 // anyUnit, anySystem = not asked
	v            search.Value
}

const anyUnit = -1

// manyUnits is the number of units beyond which a value without a unit is looked for in one walk over all.
const manyUnits = 60

// unitsIn lists the different units of a range, one seek each. cond is on the alias w.
func (f *finder) unitsIn(table, column string, cond *sql) ([]int64, error) {
	q := &sql{}
	q.add("WITH RECURSIVE u(x) AS (SELECT (SELECT min(w." + column + ") FROM " + table + " w WHERE ")
	q.add(cond.String(), cond.args...)
	q.add(") UNION ALL SELECT (SELECT min(w." + column + ") FROM " + table + " w WHERE ")
	q.add(cond.String(), cond.args...)
	q.add(" AND w." + column + " > u.x) FROM u WHERE u.x IS NOT NULL) SELECT x FROM u WHERE x IS NOT NULL LIMIT 2000")
	var units []int64
	err := f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
		var x int64
		err := scan(&x)
		units = append(units, x)
		return err
	})
	return units, err
}

// inUnits turns a value into what it is in each unit in use.
func (f *finder) inUnits(p *spec.Param, v *search.Value, units func() ([]int64, error)) ([]inUnit, error) {
	if p.Type == spec.Number {
		return []inUnit{{unit: 0, system: anySystem, v: *v}}, nil
	}
	system := int64(anySystem)
	if v.System != nil && *v.System != "" {
		id, ok, err := f.tx.findSymbol(f.ctx, clip(*v.System))
		if err != nil {
			return nil, err
		}
		if !ok {
			id = -2 // no row has it
		}
		system = id
	}
	seen, err := units()
	if err != nil {
		return nil, err
	}
	var out []inUnit
	if v.Code == "" {
		if len(seen) > manyUnits {
			return []inUnit{{anyUnit, system, *v}}, nil
		}
		for _, u := range seen {
			out = append(out, inUnit{u, system, *v})
		}
		return out, nil
	}
	code := clip(v.Code)
	for _, u := range seen {
		text, err := f.tx.text(f.ctx, u)
		if err != nil {
			return nil, err
		}
		if text == code {
			out = append(out, inUnit{u, system, *v})
		} else if other, ok := v.In(text); ok {
			out = append(out, inUnit{u, system, other})
		}
	}
	return out, nil
}

// numberAt is the condition that r has a number or quantity like v.
func (f *finder) numberAt(q *sql, params []*spec.Param, v *search.Value, r string) error {
	q.add(nothing)
	return f.numbers(params, v, func(table string, p *spec.Param, u *inUnit) {
		q.add(" OR EXISTS (SELECT 1 FROM "+table+" s WHERE s.rid = "+r+".rid AND s.param = ? AND ", p.ID)
		numberCondition(q, table, u, "s", "+")
		q.add(")")
	})
}

// numberCondition is on a row of ix_quantity or ix_range; hide "+" keeps an index by value from being taken.
func numberCondition(q *sql, table string, u *inUnit, s, hide string) {
	if u.unit != anyUnit {
		q.add(hide+s+".unit = ? AND ", u.unit)
	}
	if u.system != anySystem {
		q.add(hide+s+".system = ? AND ", u.system)
	}
	q.add("(")
	if table == "ix_range" {
		intervalCondition(q, &u.v, hide+s+".low", s+".high")
	} else {
		pointCondition(q, &u.v, hide+s+".value")
	}
	q.add(")")
}

// numbers calls row for each range of rows in which v can be found.
func (f *finder) numbers(params []*spec.Param, v *search.Value, row func(table string, p *spec.Param, u *inUnit)) error {
	for _, p := range params {
		for _, table := range []string{"ix_quantity", "ix_range"} {
			cond := &sql{}
			cond.add("w.param = ?", p.ID)
			list, err := f.inUnits(p, v, func() ([]int64, error) { return f.unitsIn(table, "unit", cond) })
			if err != nil {
				return err
			}
			for i := range list {
				row(table, p, &list[i])
			}
		}
	}
	return nil
}

// pairAt is the condition that r has a composite like v.
func (f *finder) pairAt(q *sql, params []*spec.Param, v *search.Value, r string) error {
	q.add(nothing)
	return f.pairs(params, v, "+", func(table string, cond *sql) {
		q.add(" OR EXISTS (SELECT 1 FROM "+table+" x WHERE x.rid = "+r+".rid AND "+cond.String()+")", cond.args...)
	})
}

// pairs calls row with the condition of each range of rows, on the alias x, in which a composite can be found.
func (f *finder) pairs(params []*spec.Param, v *search.Value, hide string, row func(table string, cond *sql)) error {
	if len(v.Parts) < 2 {
		return nil
	}
	for _, p := range params {
		first := &sql{}
		ok, err := f.pairFirst(first, p, &v.Parts[0], hide+"x")
		if err != nil || !ok {
			return err
		}
		second := &v.Parts[1]
		start := func(param int32) *sql {
			q := &sql{}
			q.add("x.param = ?", param)
			q.add(first.String(), first.args...)
			return q
		}
		switch componentType(p, 1) {
		case spec.String:
			q := start(p.ID)
			q.add(" AND ")
			f.text(q, "", second, "x")
			row("ix_pair_text", q)
		case spec.Token:
			q := start(p.ID)
			ok, err := f.pairCode(q, second, hide+"x.b", hide+"x.b_system")
			if err != nil {
				return err
			}
			if ok {
				row("ix_pair", q)
			}
		case spec.Date:
			q := start(p.ID)
			q.add(" AND " + hide + "x.b = 0 AND (")
			dateCondition(q, second, hide+"x.x", "x.y", f.tx.now)
			q.add(")")
			row("ix_pair", q)
		case spec.Number, spec.Quantity:
			for _, param := range []int32{p.ID, -p.ID} {
				seen := &sql{}
				seen.add("w.param = ?", param)
				ok, err := f.pairFirst(seen, p, &v.Parts[0], "w")
				if err != nil || !ok {
					return err
				}
				list, err := f.inUnits(p.Components[1], second, func() ([]int64, error) { return f.unitsIn("ix_pair", "b", seen) })
				if err != nil {
					return err
				}
				for i := range list {
					u := &list[i]
					q := start(param)
					if u.unit != anyUnit {
						q.add(" AND "+hide+"x.b = ?", u.unit)
					}
					if u.system != anySystem {
						q.add(" AND "+hide+"x.b_system = ?", u.system)
					}
					q.add(" AND (")
					if param < 0 {
						intervalCondition(q, &u.v, hide+"x.x", "x.y")
					} else {
						pointCondition(q, &u.v, hide+"x.x")
					}
					q.add(")")
					if len(v.Parts) > 2 {
						q.add(" AND (")
						pointCondition(q, &v.Parts[2], "x.y")
						q.add(")")
					}
					row("ix_pair", q)
				}
			}
		default:
			return unsupported(p)
		}
	}
	return nil
}

// pairFirst narrows rows t of a composite to its first component; false = nothing can match.
func (f *finder) pairFirst(q *sql, p *spec.Param, v *search.Value, t string) (bool, error) {
	switch componentType(p, 0) {
	case spec.Reference:
		if v.URL == "" {
			rids, err := f.targets(p.Components[0], v)
			if err != nil || len(rids) == 0 {
				return false, err
			}
			q.add(" AND " + t + ".a_system >= 0 AND ")
			f.in(q, t+".a", rids)
			return true, nil
		}
		v = &search.Value{Text: v.URL}
		fallthrough
	case spec.URI:
		id, ok, err := f.tx.findSymbol(f.ctx, clip(v.Text))
		if err != nil || !ok {
			return false, err
		}
		q.add(" AND "+t+".a = ? AND "+t+".a_system = -1", id)
		return true, nil
	case spec.Token:
		return f.pairCode(q, v, t+".a", t+".a_system")
	}
	return false, unsupported(p)
}

// pairCode narrows rows to a code and its system; false = nothing can match.
func (f *finder) pairCode(q *sql, v *search.Value, code, system string) (bool, error) {
	if v.Code == "" && (v.System == nil || *v.System == "") {
		return false, nil
	}
	if v.Code != "" {
		id, ok, err := f.tx.findSymbol(f.ctx, clip(v.Code))
		if err != nil || !ok {
			return false, err
		}
		q.add(" AND "+code+" = ?", id)
	}
	if v.System != nil {
		id, ok, err := f.tx.findSymbol(f.ctx, clip(*v.System))
		if err != nil || !ok {
			return false, err
		}
		q.add(" AND "+system+" = ?", id)
	}
	return true, nil
}
