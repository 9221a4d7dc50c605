package empi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Match gives the records that may be of the same person as rec, which need not be stored, best first.
func (x *Index) Match(ctx context.Context, tx *store.Tx, rec match.Record, limit int) ([]Candidate, error) {
	w, err := x.weights(ctx, tx)
	if err != nil {
		return nil, err
	}
	asked := &row{patient: rec.ID, org: rec.Org, record: &rec, ready: x.prepare(&rec)}
	with, err := find(ctx, tx, x.keys.hashes(asked.ready), 0)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf(ctx, tx, "rec", with)
	if err != nil {
		return nil, err
	}
	var list []Candidate
	for _, r := range rows {
		if r.patient == rec.ID {
			continue
		}
		if err := x.unpack(ctx, tx, r); err != nil {
			return nil, err
		}
		if w.judge(asked, r, false).Outcome == match.Different {
			continue
		}
		if v := w.judge(asked, r, true); v.Outcome != match.Different {
			list = append(list, Candidate{Patient: r.patient, Custodian: r.org, Person: r.person, Verdict: v})
		}
	}
	slices.SortFunc(list, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Verdict.Score, a.Verdict.Score), cmp.Compare(a.Patient, b.Patient))
	})
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	return list, nil
}

// Person is the person of a record, with all members and the golden record of all of them. A record that is not known is
// ErrNotFound of the store.
func (x *Index) Person(ctx context.Context, tx *store.Tx, patient string) (Person, error) {
	rows, err := rowsOf(ctx, tx, "patient", []string{patient})
	if err != nil {
		return Person{}, err
	}
	if len(rows) == 0 {
		return Person{}, fmt.Errorf("empi: %s: %w", patient, store.ErrNotFound)
	}
	if rows[0].person > 0 {
		return x.PersonByID(ctx, tx, rows[0].person)
	}
	p := Person{Members: []Member{{Patient: patient, Custodian: rows[0].org}}}
	p.Golden, err = x.Golden(ctx, tx, []string{patient})
	return p, err
}

// PersonByID is a person of several records; also ErrNotFound when he has none any more.
func (x *Index) PersonByID(ctx context.Context, tx *store.Tx, id int64) (Person, error) {
	p := Person{ID: id}
	members, err := tx.Members(ctx, id)
	if err != nil {
		return p, err
	}
	rows, err := rowsOf(ctx, tx, "person", []int64{id})
	if err != nil {
		return p, err
	}
	if id <= 0 || len(members) == 0 || len(rows) == 0 {
		return p, fmt.Errorf("empi: Person/%d: %w", id, store.ErrNotFound)
	}
	var since int64
	if err := tx.Query(ctx, `SELECT since FROM empi_person WHERE id = ?`, []any{id}, func(scan func(...any) error) error { return scan(&since) }); err != nil {
		return p, fmt.Errorf("empi: person: %w", err)
	}
	p.Since = moment(since)
	byPatient := map[string]*row{}
	for _, r := range rows {
		byPatient[r.patient] = r
	}
	log, err := x.Log(ctx, tx, id)
	if err != nil {
		return p, err
	}
	linked := map[string]Entry{}
	for _, e := range log {
		if e.What == "linked" {
			linked[e.Patient] = e
		}
	}
	best := map[int64]*pairRow{}
	recs := make([]int64, 0, len(rows))
	for _, r := range rows {
		recs = append(recs, r.rec)
	}
	of := map[int64]bool{}
	for _, rec := range recs {
		of[rec] = true
	}
	err = pairsOf(ctx, tx, recs, func(q *pairRow) {
		if !of[q.a] || !of[q.b] {
			return
		}
		for _, rec := range []int64{q.a, q.b} {
			if best[rec] == nil || best[rec].score < q.score {
				best[rec] = q
			}
		}
	})
	if err != nil {
		return p, err
	}
	var all []string
	for _, m := range members {
		r := byPatient[m.Patient]
		if r == nil {
			continue
		}
		e := linked[m.Patient]
		one := Member{Patient: m.Patient, Custodian: r.org, Since: m.Since, Source: m.Source, Decision: e.Decision, By: e.By, With: e.With}
		if b := best[r.rec]; b != nil {
			one.Score, one.Probability = b.score, b.probability
		}
		p.Members, all = append(p.Members, one), append(all, m.Patient)
	}
	p.Golden, err = x.Golden(ctx, tx, all)
	return p, err
}

// pairOf reads a pair and its two records.
func pairOf(ctx context.Context, tx *store.Tx, id int64) (p *pairRow, a, b *row, err error) {
	err = tx.Query(ctx, pairColumns+`WHERE id = ?`, []any{id}, func(scan func(...any) error) (err error) { p, err = scanPair(scan); return err })
	if err != nil {
		return nil, nil, nil, fmt.Errorf("empi: pair: %w", err)
	}
	if p != nil {
		rows, err := rowsOf(ctx, tx, "rec", []int64{p.a, p.b})
		if err != nil {
			return nil, nil, nil, err
		}
		for _, r := range rows {
			if r.rec == p.a {
				a = r
			} else {
				b = r
			}
		}
	}
	if p == nil || a == nil || b == nil {
		return nil, nil, nil, refuse(http.StatusNotFound, "not-found", "unknown-pair", "there is no such pair", "没有这一对疑似重复记录")
	}
	if a.patient > b.patient {
		a, b = b, a
	}
	return p, a, b, nil
}

func (p *pairRow) shown(a, b *row) Pair {
	return Pair{ID: p.id, Left: Side{a.patient, a.org, a.person}, Right: Side{b.patient, b.org, b.person}, State: p.state, Why: p.why, Score: p.score, Probability: p.probability,
		Bar: p.bar, Since: moment(p.since), Changed: moment(p.changed), Version: p.version}
}

// Pair is one, with the evidence of the two records as they are now; 404 unknown-pair when there is none.
func (x *Index) Pair(ctx context.Context, tx *store.Tx, id int64) (Pair, error) {
	p, a, b, err := pairOf(ctx, tx, id)
	if err != nil {
		return Pair{}, err
	}
	shown := p.shown(a, b)
	if shown.Decision, err = standing(ctx, tx, a.patient, b.patient); err != nil {
		return Pair{}, err
	}
	w, err := x.weights(ctx, tx)
	if err != nil {
		return Pair{}, err
	}
	for _, r := range []*row{a, b} {
		if err := x.unpack(ctx, tx, r); err != nil {
			return Pair{}, err
		}
	}
	shown.Verdict = w.judge(a, b, true)
	return shown, nil
}

// mostPairs is how many pairs one page has.
const mostPairs = 500

// Pairs lists pairs, the newest questions first, with the cursor of the next page.
func (x *Index) Pairs(ctx context.Context, tx *store.Tx, f PairFilter) (list []Pair, next string, err error) {
	if f.Custodians != nil && len(f.Custodians) == 0 {
		return nil, "", nil
	}
	if f.Count <= 0 {
		f.Count = 50
	}
	f.Count = min(f.Count, mostPairs)
	var where []string
	var args []any
	if f.State != "" {
		where, args = append(where, `p.state = ?`), append(args, f.State)
	}
	if f.Cursor != "" {
		before, err := strconv.ParseInt(f.Cursor, 10, 64)
		if err != nil {
			return nil, "", refuse(http.StatusBadRequest, "value", "bad-cursor", "the cursor is not one of ours", "翻页标记无效")
		}
		where, args = append(where, `p.id < ?`), append(args, before)
	}
	if f.Custodians != nil {
		m := marks(len(f.Custodians))
		where = append(where, `(l.org IN (`+m+`) OR r.org IN (`+m+`))`)
		args = append(append(args, anys(f.Custodians)...), anys(f.Custodians)...)
	}
	if f.Patient != "" {
		where, args = append(where, `(p.a = (SELECT rec FROM empi_record WHERE patient = ?) OR p.b = (SELECT rec FROM empi_record WHERE patient = ?))`), append(args, f.Patient, f.Patient)
	}
	query := `SELECT p.id, p.a, p.b, p.outcome, p.score, p.probability, p.bar, p.firm, p.model, p.state, p.why, p.since, p.changed, p.version, l.patient, l.org, l.person, r.patient, r.org, r.person
		FROM empi_pair p JOIN empi_record l ON l.rec = p.a JOIN empi_record r ON r.rec = p.b `
	if len(where) > 0 {
		query += `WHERE ` + strings.Join(where, ` AND `)
	}
	args = append(args, f.Count+1)
	err = tx.Query(ctx, query+` ORDER BY p.id DESC LIMIT ?`, args, func(scan func(...any) error) error {
		a, b := &row{}, &row{}
		p, err := scanPair(func(dest ...any) error {
			return scan(append(dest, &a.patient, &a.org, &a.person, &b.patient, &b.org, &b.person)...)
		})
		if err != nil {
			return err
		}
		if a.patient > b.patient {
			a, b = b, a
		}
		list = append(list, p.shown(a, b))
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("empi: pairs: %w", err)
	}
	if len(list) > f.Count {
		list = list[:f.Count]
		next = strconv.FormatInt(list[f.Count-1].ID, 10)
	}
	var asked []string
	for _, p := range list {
		if p.State == Settled {
			asked = append(asked, p.Left.Patient)
		}
	}
	said, err := decisionsOf(ctx, tx, slices.Compact(slices.Sorted(slices.Values(asked))), true)
	if err != nil {
		return nil, "", err
	}
	for i := range list {
		for j := range said {
			if both(said[j].Left, said[j].Right) == [2]string{list[i].Left.Patient, list[i].Right.Patient} {
				list[i].Decision = &said[j]
			}
		}
	}
	return list, next, nil
}

// Decisions lists what was said of a record, oldest first, also what was taken back.
func (x *Index) Decisions(ctx context.Context, tx *store.Tx, patient string) ([]Decision, error) {
	return decisionsOf(ctx, tx, []string{patient}, false)
}

// Decision is one; 404 unknown-decision when there is none.
func (x *Index) Decision(ctx context.Context, tx *store.Tx, id int64) (Decision, error) {
	list, err := decisions(ctx, tx, `WHERE id = ?`, id)
	if err == nil && len(list) == 0 {
		err = refuse(http.StatusNotFound, "not-found", "unknown-decision", "there is no such decision", "没有这项决定")
	}
	if err != nil {
		return Decision{}, err
	}
	return list[0], nil
}

// longestLog is how many entries one answer has.
const longestLog = 2000

// Log lists the events of a person, oldest first.
func (x *Index) Log(ctx context.Context, tx *store.Tx, person int64) ([]Entry, error) {
	return entries(ctx, tx, `WHERE person = ? ORDER BY id LIMIT ?`, person, longestLog)
}

// LogOf lists the events of a record, oldest first.
func (x *Index) LogOf(ctx context.Context, tx *store.Tx, patient string) ([]Entry, error) {
	return entries(ctx, tx, `WHERE patient = ? ORDER BY id LIMIT ?`, patient, longestLog)
}

func entries(ctx context.Context, tx *store.Tx, where string, args ...any) (list []Entry, err error) {
	err = tx.Query(ctx, `SELECT id, at, person, patient, what, source, other, decision, by_user, by_name, by_org, why, model FROM empi_log `+where, args, func(scan func(...any) error) error {
		var e Entry
		var at int64
		if err := scan(&e.ID, &at, &e.Person, &e.Patient, &e.What, &e.Source, &e.With, &e.Decision, &e.By.User, &e.By.Name, &e.By.Org, &e.Why, &e.Model); err != nil {
			return err
		}
		e.At = moment(at)
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("empi: log: %w", err)
	}
	return list, nil
}
