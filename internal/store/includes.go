package store

import (
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// MaxHops bounds how often :iterate goes on from what it has found.
const MaxHops = 10

// included finds what the matches refer to and what refers to them, each once, under the same scope. What is
// asked for with :iterate goes on from what was included, until nothing new comes or a bound is met.
func (f *finder) included(matches []int64) ([]Version, error) {
	seen := make(map[int64]bool, len(matches))
	for _, rid := range matches {
		seen[rid] = true
	}
	var extra []int64
	from := matches
	for hop := 0; len(from) > 0 && hop < MaxHops && len(extra) < MaxIncluded; hop++ {
		var next []int64
		args := make([]any, len(from))
		for i, rid := range from {
			args[i] = rid
		}
		take := func(q *sql) error {
			return f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
				var rid int64
				if err := scan(&rid); err != nil {
					return err
				}
				if !seen[rid] && len(extra)+len(next) < MaxIncluded {
					seen[rid] = true
					next = append(next, rid)
				}
				return nil
			})
		}
		for i, inc := range append(f.q.Include[:len(f.q.Include):len(f.q.Include)], f.q.RevInclude...) {
			if hop > 0 && !inc.Iterate {
				continue
			}
			if err := f.include(args, inc, i >= len(f.q.Include), take); err != nil {
				return nil, err
			}
		}
		extra = append(extra, next...)
		from = next
	}
	return f.tx.fetch(f.ctx, extra)
}

// include goes one hop along the references of one _include or, in reverse, _revinclude.
func (f *finder) include(from []any, inc search.Include, reverse bool, take func(*sql) error) error {
	if inc.Param != nil && base(inc.Param) != inc.Param && inc.Target == "" {
		inc.Target = "Patient"
	}
	here, there := "f.rid", "f.target"
	if reverse {
		here, there = there, here
	}
	q := &sql{}
	q.add("SELECT DISTINCT r.rid FROM ix_ref f CROSS JOIN resource r")
	if inc.Target != "" && reverse {
		q.add(" CROSS JOIN resource o")
	}
	q.add(" WHERE ")
	f.in(q, here, from)
	switch params := includeParams(inc); {
	case params != nil && len(params) == 0:
		return nil
	case params != nil:
		q.add(" AND ")
		f.in(q, "f.param", params)
	case reverse: // whoever refers: an index needs the parameters
		var all []any
		for _, t := range spec.Types() {
			all = append(all, includeParams(search.Include{Source: t})...)
		}
		q.add(" AND ")
		f.in(q, "f.param", all)
	}
	q.add(" AND r.rid = " + there + " AND r.deleted = 0")
	if inc.Target != "" {
		if reverse {
			q.add(" AND o.rid = f.target AND o.type = ?", spec.TypeID(inc.Target))
		} else {
			q.add(" AND r.type = ?", spec.TypeID(inc.Target))
		}
	}
	f.see.visible(q, "r", 0)
	q.add(" ORDER BY 1 LIMIT ? + 0", MaxIncluded+len(from))
	return take(q)
}

// includeParams are the parameters that an include follows; nil = any.
func includeParams(inc search.Include) []any {
	if inc.Param != nil {
		return []any{base(inc.Param).ID}
	}
	if inc.Source == "" || inc.Source == "*" {
		return nil
	}
	params := []any{}
	for _, p := range spec.Params(inc.Source) {
		if p.Type == spec.Reference && base(p) == p {
			params = append(params, p.ID)
		}
	}
	return params
}
