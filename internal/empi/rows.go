package empi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/store"
)

// row is a record as the index keeps it.
type row struct {
	rec, vid, rev, person, updated int64
	patient, org                   string
	keys                           []int64
	box                            []byte
	ready                          *match.Ready // after unpack
	record                         *match.Record
	broken                         bool // could not be read
}

const rowColumns = `SELECT rec, patient, org, vid, rev, person, updated, keys, body FROM empi_record `

// inAtOnce is how many values one IN takes.
const inAtOnce = 200

// rowsOf reads the records where a column has one of the values.
func rowsOf[T int64 | string](ctx context.Context, tx *store.Tx, column string, values []T) (list []*row, err error) {
	also := ""
	if column == "person" {
		also = ` AND person > 0` // as its index says; SQLite reads every record otherwise
	}
	for some := range slices.Chunk(values, inAtOnce) {
		err := tx.Query(ctx, rowColumns+`WHERE `+column+` IN (`+marks(len(some))+`)`+also, anys(some), func(scan func(...any) error) error {
			r := &row{}
			var packed []byte
			if err := scan(&r.rec, &r.patient, &r.org, &r.vid, &r.rev, &r.person, &r.updated, &packed, &r.box); err != nil {
				return err
			}
			r.keys, r.box = unpackKeys(packed), slices.Clone(r.box)
			list = append(list, r)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("empi: records: %w", err)
		}
	}
	return list, nil
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func anys[T any](list []T) []any {
	all := make([]any, len(list))
	for i, v := range list {
		all[i] = v
	}
	return all
}

// unpack opens what a row says and prepares it for comparison. A row that cannot be read says nothing; the log tells, and
// `persons reindex` makes it anew.
func (x *Index) unpack(ctx context.Context, tx *store.Tx, r *row) error {
	if r.ready != nil {
		return nil
	}
	record, err := x.keys.open(ctx, tx, r.box, r.patient, r.org)
	if err != nil && (ctx.Err() != nil || errors.Is(err, keys.ErrUnknown)) {
		return err // the key may come back
	}
	if err != nil {
		x.warn(r.patient + " cannot be read from the index")
		r.broken, record = true, &match.Record{ID: r.patient, Org: r.org}
	}
	r.record, r.ready, r.box = record, x.prepare(record), nil
	return nil
}

// prepare keeps what the comparison does not survive from stopping the hub.
func (x *Index) prepare(r *match.Record) (ready *match.Ready) {
	defer func() {
		if p := recover(); p != nil {
			x.warn(fmt.Sprintf("%s cannot be compared: %v", r.ID, p))
			ready = match.Prepare(&match.Record{ID: r.ID, Org: r.Org})
		}
	}()
	return match.Prepare(r)
}

// pairRow is two records that share something.
type pairRow struct {
	id, a, b           int64
	outcome            match.Outcome
	score, probability float64
	bar                string
	firm               bool
	model              int64
	state, why         string
	since, changed     int64
	version            int64

	fresh   bool // not in the table yet
	touched bool // differs from the table
}

const pairColumns = `SELECT id, a, b, outcome, score, probability, bar, firm, model, state, why, since, changed, version FROM empi_pair `

func scanPair(scan func(...any) error) (*pairRow, error) {
	p := &pairRow{}
	var outcome, firm int64
	err := scan(&p.id, &p.a, &p.b, &outcome, &p.score, &p.probability, &p.bar, &firm, &p.model, &p.state, &p.why, &p.since, &p.changed, &p.version)
	p.outcome, p.firm = match.Outcome(outcome), firm != 0
	return p, err
}

// pairsOf reads every pair that one of the records is in.
func pairsOf(ctx context.Context, tx *store.Tx, recs []int64, each func(*pairRow)) error {
	for some := range slices.Chunk(recs, inAtOnce) {
		for _, column := range []string{"a", "b"} {
			err := tx.Query(ctx, pairColumns+`WHERE `+column+` IN (`+marks(len(some))+`)`, anys(some), func(scan func(...any) error) error {
				p, err := scanPair(scan)
				if err == nil {
					each(p)
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("empi: pairs: %w", err)
			}
		}
	}
	return nil
}

func savePair(ctx context.Context, tx *store.Tx, p *pairRow) error {
	firm := int64(0)
	if p.firm {
		firm = 1
	}
	err := tx.Queue(ctx, `INSERT INTO empi_pair (id, a, b, outcome, score, probability, bar, firm, model, state, why, since, changed, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, score = excluded.score, probability = excluded.probability, bar = excluded.bar, firm = excluded.firm,
		model = excluded.model, state = excluded.state, why = excluded.why, since = excluded.since, changed = excluded.changed, version = excluded.version`,
		p.id, p.a, p.b, int64(p.outcome), p.score, p.probability, p.bar, firm, p.model, p.state, p.why, p.since, p.changed, p.version)
	if err != nil {
		return fmt.Errorf("empi: pair: %w", err)
	}
	return nil
}

// numbers are the last ids that a unit has given, written once at its end.
type numbers map[string]int64

type numbersKey struct{}

// unit changes persons: it holds the lock of the index, and counts ids in memory. Each run of it counts anew.
func (x *Index) unit(ctx context.Context, do func(ctx context.Context, tx *store.Tx) error) error {
	return x.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, lock); err != nil {
			return err
		}
		given := numbers{}
		if err := do(context.WithValue(ctx, numbersKey{}, given), tx); err != nil {
			return err
		}
		for _, table := range slices.Sorted(maps.Keys(given)) {
			if err := numbered(ctx, tx, table, given[table]); err != nil {
				return err
			}
		}
		return nil
	})
}

// number gives the next id of a table of ours, never one twice; the unit holds the lock of the index.
func number(ctx context.Context, tx *store.Tx, table string) (n int64, err error) {
	given, _ := ctx.Value(numbersKey{}).(numbers)
	if last, ok := given[table]; ok {
		given[table] = last + 1
		return last + 1, nil
	}
	err = tx.Query(ctx, `SELECT last FROM empi_head WHERE name = ?`, []any{table}, func(scan func(...any) error) error { return scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("empi: number of %s: %w", table, err)
	}
	n++
	if given != nil {
		given[table] = n
		return n, nil
	}
	return n, numbered(ctx, tx, table, n)
}

func numbered(ctx context.Context, tx *store.Tx, table string, last int64) error {
	err := tx.Queue(ctx, `INSERT INTO empi_head (name, last) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET last = excluded.last`, table, last)
	if err != nil {
		return fmt.Errorf("empi: number of %s: %w", table, err)
	}
	return nil
}

// decisionsOf reads what was said of these patients, oldest first.
func decisionsOf(ctx context.Context, tx *store.Tx, patients []string, inForce bool) (list []Decision, err error) {
	seen := map[int64]bool{}
	for some := range slices.Chunk(patients, inAtOnce) {
		for _, column := range []string{"a", "b"} {
			where := `WHERE ` + column + ` IN (` + marks(len(some)) + `)`
			if inForce {
				where += ` AND back_at = 0`
			}
			found, err := decisions(ctx, tx, where, anys(some)...)
			if err != nil {
				return nil, err
			}
			for _, d := range found {
				if !seen[d.ID] {
					seen[d.ID] = true
					list = append(list, d)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Decision) int { return int(a.ID - b.ID) })
	return list, nil
}

func decisions(ctx context.Context, tx *store.Tx, where string, args ...any) (list []Decision, err error) {
	err = tx.Query(ctx, `SELECT id, a, b, what, reason, at, by_user, by_name, by_org, back_at, back_user, back_name, back_org, back_why, undo FROM empi_decision `+where, args, func(scan func(...any) error) error {
		var d Decision
		var at, back int64
		if err := scan(&d.ID, &d.Left, &d.Right, &d.What, &d.Reason, &at, &d.By.User, &d.By.Name, &d.By.Org, &back, &d.TakenBackBy.User, &d.TakenBackBy.Name, &d.TakenBackBy.Org, &d.WhyBack, &d.undo); err != nil {
			return err
		}
		d.At, d.TakenBack = moment(at), moment(back)
		about := fmt.Sprint("empi/decision/", d.ID)
		if d.Reason, err = tx.OpenText(ctx, d.Reason, about); err == nil {
			d.WhyBack, err = tx.OpenText(ctx, d.WhyBack, about)
		}
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("empi: decisions: %w", err)
	}
	return list, nil
}
