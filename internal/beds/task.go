package beds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// follow keeps what the room knows of a holder in step with its Task: its version, and whether the patient is away from
// his bed.
func (r *Room) follow(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Type == "Patient" {
		tx.Note(readPatient{w.ID}, nil)
	}
	if w.Type != "Task" || w.After == nil {
		return nil
	}
	slug, flow := line.LineOf(w.After)
	if slug != "bedpool" && slug != "referral" {
		return nil
	}
	holder := "Task/" + w.ID
	q, patient, found, err := remembered(ctx, tx, holder)
	if err != nil || !found {
		return err
	}
	if err := r.saysOf(ctx, tx, w.After, &q); err != nil {
		return err
	}
	tx.Note(rememberedOf{holder}, nil)
	_, err = tx.Exec(ctx, "UPDATE beds_case SET line = ?, flow = ?, vid = ?, arrival = ?, needs = ?, changed = ? WHERE holder = ?", slug, flow, w.VID, micros(arrivalOf(w.After)), string(allocate.MarshalNeeds(q)), tx.Now().UnixMicro(), holder)
	if err != nil {
		return fmt.Errorf("beds: %s: %w", holder, err)
	}
	if flagged(w.After) && !flagged(w.Before) {
		if _, err := tx.Exec(ctx, "UPDATE beds_case SET flagged = ? WHERE holder = ?", tx.Now().UnixMicro(), holder); err != nil {
			return fmt.Errorf("beds: %s: %w", holder, err)
		}
	}
	open, err := uses(ctx, tx, "WHERE holder = ? AND ended = 0", holder)
	if err != nil || len(open) == 0 {
		return err
	}
	q.ID = holder
	if q, err = r.sexed(ctx, tx, q, patient); err != nil {
		return err
	}
	g, err := r.register(ctx, tx)
	if err != nil {
		return err
	}
	r.forget()
	for _, u := range open {
		if err := r.rewrite(ctx, tx, g, u.Bed, u.Booking, q); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO beds_change (bed, at) SELECT bed, ? FROM beds_use WHERE holder = ? AND ended = 0
ON CONFLICT (bed) DO UPDATE SET at = excluded.at`, tx.Now().UnixMicro(), holder)
	if err != nil {
		return fmt.Errorf("beds: %s: %w", holder, err)
	}
	if slug == "bedpool" && flow == "stay" {
		return r.followAway(ctx, tx, holder, away(w.Before), away(w.After))
	}
	return nil
}

// flagged says whether a stay was found to follow soon on another one for the same disease.
func flagged(task *fhir.Node) bool {
	return task != nil && slices.ContainsFunc(line.Facts(task, "flag"), func(v *fhir.Node) bool { return v.Str("coding[0].code") == "readmission" })
}

// away says whether a stay's patient is not in his bed.
func away(task *fhir.Node) bool {
	if task == nil {
		return false
	}
	s := line.StateOf(task)
	return s == "away" || s == "absent"
}

func (r *Room) followAway(ctx context.Context, tx *store.Tx, holder string, was, is bool) (err error) {
	now := tx.Now().UnixMicro()
	switch {
	case is && !was:
		_, err = tx.Exec(ctx, `INSERT INTO beds_away (bed, since, holder, back) SELECT bed, ?, holder, 0 FROM beds_use WHERE holder = ? AND ended = 0 AND state = 'occupied'
ON CONFLICT (holder, since) DO NOTHING`, now, holder)
	case was && !is:
		_, err = tx.Exec(ctx, "UPDATE beds_away SET back = ? WHERE holder = ? AND back = 0", now, holder)
	}
	if err != nil {
		return fmt.Errorf("beds: away of %s: %w", holder, err)
	}
	return nil
}

// saysOf takes what a case's Task says of its patient's needs now; what it does not say stays.
func (r *Room) saysOf(ctx context.Context, tx *store.Tx, task *fhir.Node, q *allocate.Request) error {
	for code, to := range map[string]*string{"nursing": &q.Nursing, "isolation": &q.Isolation, "team": &q.Team} {
		if v := line.FactText(task, code); v != "" {
			*to = v
		} else if v := line.Fact(task, code).Str("reference"); v != "" {
			*to = v
		}
	}
	if l := line.FactText(task, "level"); l != "" {
		q.Level = allocate.Level(l)
	}
	if q.Urgency == "" {
		q.Urgency = map[string]allocate.Urgency{"stat": allocate.Emergency, "asap": allocate.Urgent, "urgent": allocate.Urgent}[task.Str("priority")]
		if q.Urgency == "" {
			q.Urgency = allocate.Elective
		}
	}
	home := line.DepartmentOf(task)
	if home == "" {
		return nil
	}
	q.Ward = home
	if q.Specialty != "" {
		return nil
	}
	var err error
	q.Specialty, err = specialtyOf(ctx, tx, home)
	return err
}

// arrivalOf is when the patient of a hold is to come; zero = nobody has promised.
func arrivalOf(task *fhir.Node) time.Time {
	at, err := time.Parse(time.RFC3339, line.FactText(task, "bed-arrival"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// departments codes what a department is.
const departments = spec.Canonical + "/CodeSystem/department"

// specialtyOf is the code of a department, or of the one above a ward.
func specialtyOf(ctx context.Context, tx *store.Tx, org string) (string, error) {
	for i := 0; i < 4; i++ {
		id, ok := strings.CutPrefix(org, "Organization/")
		if !ok {
			return "", nil
		}
		v, err := tx.Read(ctx, search.Everything, "Organization", id)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("beds: %s: %w", org, err)
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return "", fmt.Errorf("beds: %s: %w", org, err)
		}
		for _, t := range n.All("type") {
			for _, c := range t.All("coding") {
				if c.Str("system") == departments {
					return c.Str("code"), nil
				}
			}
		}
		org = n.Str("partOf.reference")
	}
	return "", nil
}

// taskOf is a holder's Task at this point of the unit; nil where it is not written yet.
func taskOf(ctx context.Context, tx *store.Tx, holder string) (*fhir.Node, int64, error) {
	id, ok := strings.CutPrefix(holder, "Task/")
	if !ok {
		return nil, 0, nil
	}
	v, err := tx.Read(ctx, search.Everything, "Task", id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("beds: %s: %w", holder, err)
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, 0, fmt.Errorf("beds: %s: %w", holder, err)
	}
	return n, v.VID, nil
}
