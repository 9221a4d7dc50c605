package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

const countersignJob = "countersign"

// submitted is what an unlicensed person has recorded or referred, on its way to the doctor above.
type submitted struct {
	User   string
	Role   access.Role
	Org    string
	Record string
}

// countersigning is a store.Deriver: a referral that leaves, or a document that is written, by somebody without a
// licence in a village becomes a case of lines/countersign. The patient waits for nothing: the case begins beside.
func (h *Hub) countersigning(ctx context.Context, tx *store.Tx, w store.Written) error {
	by := access.From(ctx)
	if by == nil || by.Practitioner == "" || w.After == nil || !submits(w) {
		return nil
	}
	needed, err := h.Registry.NeedsCountersign(ctx, tx, by)
	if !needed || err != nil {
		return err
	}
	record := w.Type + "/" + w.ID
	payload, err := json.Marshal(submitted{by.User, by.Role, by.Org, record})
	if err != nil {
		return fmt.Errorf("server: countersign: %w", err)
	}
	return job.Enqueue(ctx, tx, countersignJob, record, tx.Now(), payload)
}

// submits tells a referral that leaves its sender, and a document that begins.
func submits(w store.Written) bool {
	switch w.Type {
	case "Task":
		slug, _ := line.LineOf(w.After)
		return slug == "referral" && sent(w.After) && !sent(w.Before) && line.StateOf(w.After) == "submitted"
	case "Composition":
		return w.Before == nil
	}
	return false
}

func sent(task *fhir.Node) bool { return task != nil && task.Str("status") != "draft" }

// countersign begins the case as the person who submitted, once.
func (h *Hub) countersign() job.Work {
	return job.Work{Lease: time.Minute, Call: func(ctx context.Context, j job.Job) error {
		var s submitted
		if err := json.Unmarshal(j.Payload, &s); err != nil {
			return job.Refused{Err: err}
		}
		by, err := h.Identity.Standing(ctx, s.User, s.Role, s.Org)
		if err != nil {
			return err
		}
		if by == nil {
			return job.Refused{Err: fmt.Errorf("server: countersign: %s holds no role at %s any more", s.User, s.Org)}
		}
		params := fhir.New("Parameters", "parameter", fhir.Arr{fhir.Obj{"name", "record", "valueReference", fhir.Ref(s.Record, "")}})
		_, err = h.Runner.Start(access.With(ctx, by), line.StartCall{Line: "countersign", Flow: "record", Params: params, Key: "countersign " + s.Record})
		return err
	}}
}
