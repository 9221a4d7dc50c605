package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// standing is the condition that a row of person_member stands. It is written out: SQLite would plan a statement anew
// whenever a parameter is compared with what the index of such rows is made by.
const standing = "until = 2305843009213693952"

// Member is one record of a person, while it is linked.
type Member struct {
	Patient string // "Patient/…"
	Since   time.Time
	Source  string // what linked it
}

// Join makes a patient's record one of a person's from now on; it leaves whichever person it was of. Joining twice is one.
func (tx *Tx) Join(ctx context.Context, person int64, patient, source string) error {
	rid, err := tx.patient(ctx, patient)
	if err != nil {
		return err
	}
	at := tx.now.UnixMicro()
	if err := tx.Queue(ctx, "UPDATE person_member SET until = ? WHERE patient = ? AND person <> ? AND "+standing, at, rid, person); err != nil {
		return err
	}
	return tx.Queue(ctx, `INSERT INTO person_member (person, patient, since, until, source) SELECT CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT)
		WHERE NOT EXISTS (SELECT 1 FROM person_member m WHERE m.patient = ? AND m.`+standing+`)
		ON CONFLICT (person, patient, since) DO UPDATE SET until = excluded.until, source = excluded.source`, person, rid, at, maxDate, source, rid)
}

// Leave ends it: the row stays, closed, and the record is a person of its own again.
func (tx *Tx) Leave(ctx context.Context, person int64, patient string) error {
	rid, err := tx.patient(ctx, patient)
	if err != nil {
		return err
	}
	return tx.Queue(ctx, "UPDATE person_member SET until = ? WHERE patient = ? AND person = ? AND "+standing, tx.now.UnixMicro(), rid, person)
}

func (tx *Tx) patient(ctx context.Context, patient string) (int64, error) {
	if !strings.HasPrefix(patient, "Patient/") {
		return 0, fmt.Errorf("store: %q is no patient", patient)
	}
	rid, err := tx.reserve(ctx, patient)
	if err == nil && rid == 0 {
		err = fmt.Errorf("store: %q is no patient", patient)
	}
	tx.replacing(ident{patientType, strings.TrimPrefix(patient, "Patient/")}) // what Read remembers says whether he is linked
	return rid, err
}

// PersonOf is the person of whose records this patient is one now; 0 = of none, he is the only record of himself.
func (tx *Tx) PersonOf(ctx context.Context, patient string) (person int64, err error) {
	id, _ := strings.CutPrefix(patient, "Patient/")
	_, err = tx.one(ctx, "SELECT m.person FROM resource_id i JOIN person_member m ON m.patient = i.rid AND m."+standing+" WHERE i.type = ? AND i.id = ?",
		[]any{patientType, id}, &person)
	return person, err
}

// Members lists the records of a person now, oldest link first.
func (tx *Tx) Members(ctx context.Context, person int64) (members []Member, err error) {
	err = tx.Query(ctx, "SELECT r.id, m.since, m.source FROM person_member m JOIN resource r ON r.rid = m.patient WHERE m.person = ? AND m."+standing+" ORDER BY m.since, r.id", []any{person},
		func(scan func(...any) error) error {
			var m Member
			var since int64
			err := scan(&m.Patient, &since, &m.Source)
			m.Patient, m.Since = "Patient/"+m.Patient, time.UnixMicro(since).In(tx.s.zone)
			members = append(members, m)
			return err
		})
	return members, err
}

// Together lists, for each of these patients who has any, the other records that are linked with his now, in order.
// It asks for no scope: what a caller may know of it says Linked.
func (tx *Tx) Together(ctx context.Context, patients ...string) (map[string][]string, error) {
	var together map[string][]string
	for len(patients) > 0 {
		some := patients[:min(len(patients), 200)]
		patients = patients[len(some):]
		args := []any{patientType}
		for _, p := range some {
			id, _ := strings.CutPrefix(p, "Patient/")
			args = append(args, id)
		}
		err := tx.Query(ctx, `SELECT i.id, r.id FROM resource_id i CROSS JOIN person_member m CROSS JOIN person_member o CROSS JOIN resource r
			WHERE m.patient = i.rid AND m.`+standing+` AND o.person = m.person AND o.`+standing+` AND o.patient <> m.patient AND r.rid = o.patient
			AND i.type = ? AND i.id IN (`+marks(len(some))+`)`, args, func(scan func(...any) error) error {
			var one, other string
			if err := scan(&one, &other); err != nil {
				return err
			}
			if together == nil {
				together = map[string][]string{}
			}
			one, other = "Patient/"+one, "Patient/"+other
			together[one] = append(together[one], other)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, others := range together {
		slices.Sort(others)
	}
	return together, nil
}

// Linked is Together as far as the scope sees: links between patients of whom it may see each. Being linked grants nothing.
func (tx *Tx) Linked(ctx context.Context, scope search.Scope, patients ...string) (map[string][]string, error) {
	together, err := tx.Together(ctx, patients...)
	if err != nil || len(together) == 0 {
		return nil, err
	}
	var asked []string
	for one, others := range together {
		for _, p := range append(others, one) {
			asked = append(asked, strings.TrimPrefix(p, "Patient/"))
		}
	}
	slices.Sort(asked)
	seen, err := tx.Sees(ctx, scope, "Patient", slices.Compact(asked))
	if err != nil {
		return nil, err
	}
	hidden := func(p string) bool { return !seen[strings.TrimPrefix(p, "Patient/")] }
	for one, others := range together {
		if others = slices.DeleteFunc(others, hidden); hidden(one) || len(others) == 0 {
			delete(together, one)
		} else {
			together[one] = others
		}
	}
	return together, nil
}
