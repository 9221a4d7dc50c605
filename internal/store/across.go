package store

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// across is a clause of a search over several types on r: each type is asked in its own way.
func (f *finder) across(q *sql, c *search.Clause, r string) error {
	q.add(nothing)
	for _, t := range spec.Types() {
		one, pl := c.Across[t], planOf(t)
		if one == nil || !f.see.reads(pl.id) {
			continue
		}
		if set, loose, err := f.set(pl, one); err != nil {
			return err
		} else if set != nil && !loose && set.String() == noRow {
			continue
		}
		q.add(" OR "+r+".type = ? AND (", pl.id)
		if err := f.clause(q, pl, one, r); err != nil {
			return err
		}
		q.add(")")
	}
	return nil
}

// noRow is a set of which the index knows that it is empty.
const noRow = "SELECT rid FROM resource WHERE " + nothing

// maxUnion bounds the parts of one union; SQLite knows at most 500.
const maxUnion = 300

// acrossSet leads by an index where one answers for every type.
func (f *finder) acrossSet(c *search.Clause) (*sql, bool, error) {
	all, anyLoose, parts := &sql{}, false, 0
	for _, t := range spec.Types() {
		one, pl := c.Across[t], planOf(t)
		if one == nil || !f.see.reads(pl.id) {
			continue
		}
		q, loose, err := f.set(pl, one)
		if q == nil || err != nil {
			return nil, false, err
		}
		if !loose && q.String() == noRow {
			continue
		}
		if all.b.Len() > 0 {
			all.add(" UNION ALL ")
		}
		all.add("SELECT x.rid FROM ("+q.String()+") x CROSS JOIN resource y WHERE y.rid = x.rid AND y.type = ?", append(q.args[:len(q.args):len(q.args)], pl.id)...)
		anyLoose = anyLoose || loose
		if parts += 1 + strings.Count(q.String(), "UNION ALL"); parts > maxUnion {
			return nil, false, nil
		}
	}
	if all.b.Len() == 0 {
		all.add(noRow)
	}
	return all, anyLoose, nil
}
