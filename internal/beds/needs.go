package beds

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// RequestOf is what a waiting case asks of a bed.
func RequestOf(w booking.Wait) (allocate.Request, error) {
	needs := w.Needs
	if len(needs) == 0 {
		needs = []byte("{}")
	}
	q, err := allocate.ParseNeeds(needs)
	if err != nil {
		return q, fmt.Errorf("beds: %s: %w", w.Holder, err)
	}
	q.ID, q.Since = w.Holder, w.Since
	if q.Promised.IsZero() {
		q.Promised = w.Promised
	}
	if q.Level == "" {
		q.Level = allocate.General
	}
	return q, nil
}

// remember keeps what a case needs for the time when it waits no more.
func (r *Room) remember(ctx context.Context, tx *store.Tx, holder, patient string, q allocate.Request) error {
	said := fmt.Sprint(patient, micros(q.Since), string(allocate.MarshalNeeds(q)))
	if tx.Noted(rememberedOf{holder}) == said {
		return nil
	}
	task, vid, err := taskOf(ctx, tx, holder)
	if err != nil {
		return err
	}
	slug, flow, arrival := "", "", time.Time{}
	if task != nil {
		slug, flow = line.LineOf(task)
		arrival = arrivalOf(task)
	}
	err = tx.Queue(ctx, `INSERT INTO beds_case (holder, patient, needs, since, changed, line, flow, vid, arrival) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (holder) DO UPDATE SET patient = excluded.patient, needs = excluded.needs, since = excluded.since, changed = excluded.changed`,
		holder, patient, string(allocate.MarshalNeeds(q)), micros(q.Since), tx.Now().UnixMicro(), slug, flow, vid, micros(arrival))
	if err != nil {
		return fmt.Errorf("beds: needs of %s: %w", holder, err)
	}
	tx.Note(rememberedOf{holder}, said)
	return nil
}

// rememberedOf is what a unit has just written of a case's needs.
type rememberedOf struct{ holder string }

// known is what a case needs: as it waits now, else as it was remembered, else what its patient's record says.
func (r *Room) known(ctx context.Context, tx *store.Tx, holder, patient string, said *booking.Wait) (allocate.Request, error) {
	w := said
	if w == nil && r.Bookings != nil {
		var err error
		if w, err = r.Bookings.WaitOf(ctx, tx, holder); err != nil {
			return allocate.Request{}, fmt.Errorf("beds: %w", err)
		}
	}
	if w != nil && len(w.Needs) > 0 {
		q, err := RequestOf(*w)
		if err != nil {
			return q, err
		}
		q.ID = holder
		if q.Ward == "" && said == nil {
			if err := r.homeOf(ctx, tx, holder, &q); err != nil {
				return q, err
			}
		}
		return r.sexed(ctx, tx, q, patient)
	}
	q, _, found, err := remembered(ctx, tx, holder)
	if err != nil {
		return q, err
	}
	if !found {
		q = allocate.Request{ID: holder, Level: allocate.General, Age: -1}
		if w != nil {
			q.Since = w.Since
		}
		if err := r.homeOf(ctx, tx, holder, &q); err != nil {
			return q, err
		}
	}
	return r.sexed(ctx, tx, q, patient)
}

// homeOf fills in the responsible department, which the Task of a case names.
func (r *Room) homeOf(ctx context.Context, tx *store.Tx, holder string, q *allocate.Request) error {
	n, _, err := taskOf(ctx, tx, holder)
	if err != nil || n == nil {
		return err
	}
	return r.saysOf(ctx, tx, n, q)
}

func remembered(ctx context.Context, tx *store.Tx, holder string) (q allocate.Request, patient string, found bool, err error) {
	err = tx.Query(ctx, "SELECT needs, since, patient FROM beds_case WHERE holder = ?", []any{holder}, func(scan func(...any) error) error {
		var needs string
		var since int64
		if err := scan(&needs, &since, &patient); err != nil {
			return err
		}
		found = true
		if q, err = allocate.ParseNeeds([]byte(needs)); err != nil {
			return err
		}
		q.ID, q.Since = holder, moment(since)
		return nil
	})
	if err != nil {
		return q, "", false, fmt.Errorf("beds: needs of %s: %w", holder, err)
	}
	return q, patient, found, nil
}

// sexed fills in what the patient's record says where the case did not say it.
func (r *Room) sexed(ctx context.Context, tx *store.Tx, q allocate.Request, patient string) (allocate.Request, error) {
	id, ok := strings.CutPrefix(patient, "Patient/")
	if !ok || q.Sex != "" && q.Age > 0 {
		return q, nil
	}
	n, err := patientOf(ctx, tx, id)
	if n == nil || err != nil {
		return q, err
	}
	if s := n.Str("gender"); q.Sex == "" && (s == "male" || s == "female") {
		q.Sex = allocate.Sex(s)
	}
	if q.Age <= 0 {
		q.Age = ageOf(n, tx.Now())
	}
	return q, nil
}

// readPatient is a Patient as the unit has read him; Derive forgets him when he changes.
type readPatient struct{ id string }

// patientOf is nil when there is none.
func patientOf(ctx context.Context, tx *store.Tx, id string) (*fhir.Node, error) {
	if n, read := tx.Noted(readPatient{id}).(*fhir.Node); read {
		return n, nil
	}
	v, err := tx.Read(ctx, search.Everything, "Patient", id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("beds: Patient/%s: %w", id, err)
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, fmt.Errorf("beds: Patient/%s: %w", id, err)
	}
	tx.Note(readPatient{id}, n)
	return n, nil
}

// ageOf is in whole years, -1 = unknown.
func ageOf(patient *fhir.Node, now time.Time) int {
	born := patient.Str("birthDate")
	if len(born) < 4 {
		return -1
	}
	year, err := strconv.Atoi(born[:4])
	if err != nil {
		return -1
	}
	age := now.Year() - year
	if len(born) == 10 && now.Format("01-02") < born[5:] {
		age--
	}
	return max(age, 0)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
