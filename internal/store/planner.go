package store

import (
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// driver is where a search starts: the rows that it walks over.
type driver struct {
	from   *sql   // "FROM … d", nil = the table of resources itself
	cond   *sql   // conditions on d or r, beginning with AND
	at     bool   // d has the column at, in the order of the index
	rid    bool   // d has the column rid
	dated  bool   // d has the column at, in no order
	once   bool   // no resource stands twice in it
	bare   bool   // all its rows are of living resources of the type
	skip   int    // the clause that it answers fully, -1 = none
	skip2  int    // another one
	covers []int  // clauses whose own ways are no shorter
	seen   bool   // its rows come from what the caller may see
	exact  bool   // they are all that he may see, and nothing else
	inner  []*sql // what it is made of, to be gathered before it can give a first row
	guess  *sql   // counts rows of a sample instead of its own
	n      int64  // rows, as far as was counted
	long   bool   // what it is made of is too much to gather

	otherwise *driver // of a walk: the way to take when it has come far without filling the page
}

// probing bounds what a probe may cost. Tests make it small, so that small tables take every way.
var probing = struct {
	first   int64 // rows of the first look
	rows    int64 // rows that are counted before a way is called long
	inner   int64 // rows that may have to be gathered before a first one comes
	sample  int64 // rows in which a text is looked for
	longest int64 // rows that are counted where all ways are long, and remembered as a hint
	walk    int64 // rows of a walk down an index that needs no further thought
	handful int   // candidates that are looked up at once
}{64, 2000, 5_000, 20_000, 10_000, 1000, 256}

const hintsKeptIn = 2 * time.Minute

func (f *finder) plain() *driver { return &driver{skip: -1, skip2: -1, once: true} }

// plan chooses the driver: of all ways that an index offers, the one with the fewest rows; or, for a page, one in
// the order of the page that will fill it sooner. whole asks for a driver whose rows will all be visited.
func (f *finder) plan(whole bool) (*driver, error) {
	if f.none {
		return f.plain(), nil
	}
	ways, err := f.ways(whole)
	if err != nil || f.none || len(ways) == 0 {
		return f.plain(), err
	}
	if len(ways) == 1 && ways[0].at && (whole || f.streams()) {
		return ways[0], nil
	}
	var best *driver
	look := func(limit int64) error {
		for _, d := range ways {
			if d.n < probing.first && d.n > 0 || d.long {
				continue // known from the first look
			}
			n, err := f.look(d, limit)
			if err != nil {
				return err
			}
			if d.n = n; n == 0 && !d.seen && d.guess == nil {
				f.none = true
				return nil
			}
			if n < limit && (best == nil || n < best.n) {
				best = d
			}
		}
		return nil
	}
	if err := look(probing.first); err != nil || f.none {
		return f.plain(), err
	}
	stream := f.plain() // in the order of the page: about a page times all/matching rows
	if best == nil {
		limit := probing.rows
		if f.streams() && !whole {
			if stream, err = f.shortest(ways); err != nil {
				return nil, err
			}
			if stream.from != nil {
				// With so many rows on every way a page comes soon enough.
				limit = min(limit, max(probing.first, int64(f.q.Count+1)*stream.n/probing.walk))
			}
		}
		if limit > probing.first {
			if err := look(limit); err != nil {
				return nil, err
			}
		}
		if best == nil && stream.from != nil && int64(f.q.Count+1)*stream.n/limit <= probing.walk {
			return stream.or(ways), nil
		}
	}
	if best == nil {
		if best, err = f.leastOf(ways, whole); err != nil {
			return nil, err
		}
	}
	if whole || best != nil && (best.n < probing.first || best.at || !f.streams()) {
		if best == nil {
			best = f.plain()
		}
		return best, nil
	}
	if best == nil || !f.streams() {
		return stream, nil
	}
	for _, d := range ways {
		if d.at && (stream.from == nil || d.n < stream.n) {
			stream = d
		}
	}
	if stream.from == nil {
		if stream.n, err = f.total(f.pl); err != nil {
			return nil, err
		}
	}
	// A row that the index has with its date costs a quarter of one that is looked up; one that is walked over and
	// checked, several times as much.
	gather, walked := best.n*4, int64(20)
	if best.dated {
		gather = best.n
	}
	if !f.see.all {
		walked = 60
	}
	if int64(f.q.Count+1)*stream.n/best.n*walked < gather {
		return stream, nil
	}
	return best, nil
}

// or gives a walk a way that goes from the patients of a chain to the code, for when those whom the walk meets first
// are others. What it gathers is bounded by those patients.
func (d *driver) or(ways []*driver) *driver {
	for _, w := range ways {
		if w != d && w.dated && !w.long && len(w.covers) > 0 && w.skip2 >= 0 {
			d.otherwise = w
		}
	}
	return d
}

// shortest is the way in the order of the page with the fewest rows; without one, the table of resources itself.
func (f *finder) shortest(ways []*driver) (*driver, error) {
	stream := f.plain()
	for _, d := range ways {
		if !d.at {
			continue
		}
		n, err := f.hint(d, false)
		if err != nil {
			return nil, err
		}
		if d.n = n; stream.from == nil || n < stream.n {
			stream = d
		}
	}
	return stream, nil
}

// leastOf looks further at ways that are all long; nil where the end of none is in sight.
func (f *finder) leastOf(ways []*driver, whole bool) (*driver, error) {
	var least *driver
	for _, d := range ways {
		if d.guess != nil || d.long || d.seen && !whole && f.streams() {
			continue
		}
		n, err := f.hint(d, whole)
		if err != nil {
			return nil, err
		}
		if d.n = n; n > 0 && (n < longest(whole) || d.at && !whole || d.skip >= 0 && whole) && (least == nil || n < least.n) {
			least = d
		}
	}
	return least, nil
}

// look is probe, remembered for what the caller may see: that is the same in every search.
func (f *finder) look(d *driver, limit int64) (int64, error) {
	if !d.seen {
		return f.probe(d, limit)
	}
	q := f.timeless(d)
	q.add(" look ", limit)
	return f.remembered(hintKey(q), func() (int64, error) { return f.probe(d, limit) })
}

// timeless names a way, whatever the time is.
func (f *finder) timeless(d *driver) *sql {
	q := &sql{}
	q.add(d.from.String(), d.from.args...)
	if d.cond != nil {
		q.add(d.cond.String(), d.cond.args...)
	}
	for i, arg := range q.args {
		if arg == any(f.see.now) {
			q.args[i] = 0
		}
	}
	return q
}

// probe counts the rows of a way, up to limit.
func (f *finder) probe(d *driver, limit int64) (n int64, err error) {
	for _, inner := range d.inner {
		q := &sql{}
		q.add("SELECT count(*) FROM (SELECT 1 FROM ("+inner.String()+") s LIMIT ? + 0) n", append(inner.args[:len(inner.args):len(inner.args)], probing.inner)...)
		n, err := f.remembered(hintKey(q), func() (n int64, err error) {
			_, err = f.tx.one(f.ctx, q.String(), q.args, &n)
			return n, err
		})
		if d.long = n >= probing.inner; err != nil || d.long {
			return limit, err
		}
	}
	if d.guess != nil {
		_, err = f.tx.one(f.ctx, d.guess.String(), d.guess.args, &n)
		if n++; n > probing.first {
			return limit, err
		}
		return n, err
	}
	q := &sql{}
	q.add("SELECT count(*) FROM (SELECT 1 ")
	q.add(d.from.String(), d.from.args...)
	q.add(" WHERE 1 = 1")
	if d.cond != nil {
		q.add(d.cond.String(), d.cond.args...)
	}
	q.add(" LIMIT ? + 0) n", limit) // of a plain ? SQLite would prepare the statement again for each value
	_, err = f.tx.one(f.ctx, q.String(), q.args, &n)
	return n, err
}

// longest is how far ways that are all long are counted: where all rows will be visited anyway, further.
func longest(whole bool) int64 {
	if whole {
		return 5 * probing.longest
	}
	return probing.longest
}

// hint is about how many rows a way has, up to longest; counted again after a while.
func (f *finder) hint(d *driver, whole bool) (int64, error) {
	q := f.timeless(d)
	q.add(fmt.Sprintf(" whole %t", whole))
	limit := longest(whole)
	switch {
	case len(d.inner) > 0 || d.seen:
		limit /= 5 // each row is joined
	case d.at:
		limit = 20 * probing.longest // how long a walk would be decides whether it is one
	}
	return f.remembered(hintKey(q), func() (int64, error) {
		n, err := f.probe(d, limit)
		if n >= limit {
			n = max(n, longest(whole))
		}
		return n, err
	})
}

// total is about how many resources of the type there are.
func (f *finder) total(pl *plan) (int64, error) {
	q := &sql{}
	q.add("total", pl.id)
	return f.remembered(hintKey(q), func() (n int64, err error) {
		_, err = f.tx.one(f.ctx, "SELECT count(*) FROM (SELECT 1 FROM resource WHERE type = ? AND deleted = 0 LIMIT ? + 0) n", []any{pl.id, 4 * probing.longest}, &n)
		return n, err
	})
}

func (f *finder) remembered(key uint64, count func() (int64, error)) (int64, error) {
	names := &f.tx.s.names
	names.mu.RLock()
	known, ok := names.totals[key]
	names.mu.RUnlock()
	if ok && (time.Since(known.when) < hintsKeptIn || known.n > probing.longest && time.Since(known.when) < 5*hintsKeptIn) {
		return known.n, nil
	}
	n, err := count()
	if err != nil {
		return 0, err
	}
	names.mu.Lock()
	if len(names.totals) > 10_000 {
		clear(names.totals)
	}
	names.totals[key] = total{n, time.Now()}
	names.mu.Unlock()
	return n, nil
}

// streams tells whether an index gives all resources of the type in the order of the page.
func (f *finder) streams() bool {
	if f.pl == nil {
		return false
	}
	switch len(f.q.Sort) {
	case 0:
		return true
	case 1:
		s := &f.q.Sort[0]
		return f.pl.date != nil && s.Param != nil && s.Param.ID == f.pl.date.ID && (s.Descending || f.dated())
	}
	return false
}

// onDate tells a clause on the main date.
func (f *finder) onDate(c *search.Clause) bool {
	return f.pl != nil && f.pl.date != nil && c.Param != nil && c.Chain == nil && c.Filter == nil && c.Has == nil && c.Param.ID == f.pl.date.ID && c.Modifier == ""
}

// dated tells whether the search leaves out what has no main date.
func (f *finder) dated() bool {
	for i := range f.q.Where {
		if f.onDate(&f.q.Where[i]) {
			return true
		}
	}
	return false
}

// bounds narrows a column of main dates by the clauses on it.
func (f *finder) bounds(q *sql, column string) {
	for i := range f.q.Where {
		if c := &f.q.Where[i]; f.onDate(c) {
			dateBounds(q, c, column)
		}
	}
}

// body writes FROM and WHERE of the search.
func (f *finder) body(q *sql, d *driver) error {
	switch {
	case d.from != nil:
		q.add(" ")
		q.add(d.from.String(), d.from.args...)
		q.add(" CROSS JOIN resource r WHERE r.rid = d.rid")
		if d.cond != nil {
			q.add(d.cond.String(), d.cond.args...)
		}
	default:
		q.add(" FROM resource r WHERE 1 = 1")
	}
	if f.pl != nil {
		q.add(" AND r.type = ?", f.pl.id)
	} else if len(f.q.Types) > 0 {
		ids := make([]any, 0, len(f.q.Types))
		for _, t := range f.q.Types {
			ids = append(ids, spec.TypeID(t))
		}
		q.add(" AND r.type IN ("+marks(len(ids))+")", ids...)
	}
	q.add(" AND r.deleted = 0")
	if !d.exact {
		f.see.visible(q, "r", f.typ())
	}
	if d.from == nil {
		f.bounds(q, "r.at")
	}
	return f.clauses(q, d, "r")
}

// typ is the type searched for; 0 = any.
func (f *finder) typ() int16 {
	if f.pl == nil {
		return 0
	}
	return f.pl.id
}

// clauses adds what the driver does not answer by itself.
func (f *finder) clauses(q *sql, d *driver, r string) error {
	for i := range f.q.Where {
		if i == d.skip || i == d.skip2 {
			continue
		}
		if err := f.where(q, f.pl, &f.q.Where[i], r); err != nil {
			return err
		}
	}
	if f.q.Compartment != nil {
		patient, err := f.compartment()
		if err != nil {
			return err
		}
		q.add(" AND EXISTS (SELECT 1 FROM compartment c WHERE c.patient = ? AND c.type = "+r+".type AND c.at = "+r+".at AND c.rid = "+r+".rid)", patient)
	}
	return nil
}
