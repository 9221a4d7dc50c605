package his

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Job is the kind of the errands.
const Job = "beds-his"

// What an errand does: the bed is booked already, the case follows.
const (
	takenIn    = "taken-in"
	moved      = "moved"
	discharged = "discharged"
)

// errand has a case follow what was reported.
type errand struct {
	Do        string
	Case      string // "Task/…"
	Bed       string
	Encounter string
	Pool      string
	Ward      string
	Patient   string
	User, Org string // of the program that reported
	Source    string
}

// follow sends the cases after the patient: his own, and those that were for this bed only.
func (u *unit) follow(holder string, own *booking.Booking, has []booking.Booking, waits []booking.Wait, bed string) error {
	do := takenIn
	if own != nil && own.State == booking.Occupied {
		do = moved
	}
	if err := u.queue(errand{Do: do, Case: holder, Bed: bed}); err != nil {
		return err
	}
	sent := map[string]bool{holder: true}
	for _, b := range has {
		if !sent[b.Holder] {
			sent[b.Holder] = true
			if err := u.queue(errand{Do: takenIn, Case: b.Holder, Bed: bed}); err != nil {
				return err
			}
		}
	}
	for _, w := range waits {
		if !sent[w.Holder] {
			sent[w.Holder] = true
			if err := u.queue(errand{Do: takenIn, Case: w.Holder, Bed: bed}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unit) queue(e errand) error {
	if !strings.HasPrefix(e.Case, "Task/") {
		return nil
	}
	e.Encounter, e.Patient, e.Source, e.User, e.Org = u.encounter, u.patient, u.source, u.by.User, u.by.Org
	if p, err := u.placeOf(u.ctx, u.tx, e.Bed); err != nil {
		return err
	} else if p != nil {
		e.Pool, e.Ward = p.pool, p.ward
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("beds: errand: %w", err)
	}
	return job.Enqueue(u.ctx, u.tx, Job, e.Do+" "+e.Case+" "+u.source, u.tx.Now(), payload)
}

// Work does the errands; each is done once, also after a crash.
func (r *Room) Work() job.Work {
	return job.Work{Lease: time.Minute, Call: func(ctx context.Context, j job.Job) error {
		var e errand
		if err := json.Unmarshal(j.Payload, &e); err != nil {
			return job.Refused{Err: err}
		}
		err := r.run(ctx, e, j.Key)
		var no *fhir.Error
		why := "refused"
		switch {
		case errors.Is(err, store.ErrNotFound):
			why = "not-visible" // to the credential that reported
		case !errors.As(err, &no) || no.Status >= 500:
			return err
		case len(no.Issues) > 0 && no.Issues[0].Detail != "":
			why = no.Issues[0].Detail
		}
		return r.Store.Update(ctx, func(tx *store.Tx) error {
			return r.differ(ctx, tx, Difference{Pool: e.Pool, Ward: e.Ward, Kind: Behind, Bed: e.Bed, Patient: e.Patient, Holder: e.Case, Had: e.Do, Said: why, Source: e.Source})
		})
	}}
}

// run takes the step by which a case follows: an admission is taken in, a referral that has come becomes a stay, a stay is
// moved or ends.
func (r *Room) run(ctx context.Context, e errand, key string) error {
	var task *fhir.Node
	err := r.Store.View(ctx, func(tx *store.Tx) error {
		v, err := tx.Read(ctx, search.Everything, "Task", strings.TrimPrefix(e.Case, "Task/"))
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			return nil
		}
		if err != nil {
			return err
		}
		task, err = fhir.Parse(v.JSON)
		return err
	})
	if err != nil || task == nil {
		return err
	}
	slug, flow := line.LineOf(task)
	params := fhir.New("Parameters")
	say := func(name, kind string, value any) { params.Add("parameter", fhir.Obj{"name", name, kind, value}) }
	if e.Do == moved || e.Do == discharged {
		if slug != "bedpool" || flow != "stay" {
			return nil
		}
		if e.Do == moved {
			say("bed", "valueReference", fhir.Ref(e.Bed, ""))
		}
		say("reason", "valueString", "HIS")
		_, err := r.Runner.System(ctx, e.Case, e.Do, params)
		return err
	}
	by, err := r.Standing(ctx, e.User, e.Org)
	if err != nil {
		return err
	}
	if by == nil {
		return fhir.Refuse(403, "forbidden", "no-credential", "the credential that reported is not in force any more", "上报凭证已失效")
	}
	ctx = access.With(ctx, by)
	say("encounter", "valueString", e.Encounter)
	switch {
	case slug == "bedpool" && flow == "admission":
		say("bed", "valueReference", fhir.Ref(e.Bed, ""))
		_, err = r.Runner.Do(ctx, line.DoCall{Task: e.Case, Step: "take-in", Params: params, Key: key})
	case slug == "referral" && flow == "up":
		say("from", "valueReference", fhir.Ref(e.Case, ""))
		say("bed", "valueReference", fhir.Ref(e.Bed, ""))
		if home := r.homeOf(ctx, e.Encounter); home != "" && home != by.Institution {
			say("department", "valueReference", fhir.Ref(home, ""))
		}
		_, err = r.Runner.Start(ctx, line.StartCall{Line: "bedpool", Flow: "stay", Params: params, Key: key})
	}
	return err
}

// homeOf is the department that answers for a visit, as its own system says.
func (r *Room) homeOf(ctx context.Context, encounter string) string {
	v, err := r.Store.Read(ctx, search.Everything, "Encounter", strings.TrimPrefix(encounter, "Encounter/"))
	if err != nil {
		return ""
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return ""
	}
	return n.Str("serviceProvider.reference")
}
