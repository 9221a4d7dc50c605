package line

import (
	"context"
	"errors"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Say writes a message of one side to the other about a case; it returns the Communication.
func (r *Runner) Say(ctx context.Context, ref, words string, wall time.Time) ([]byte, error) {
	by := access.From(ctx)
	if by == nil {
		return nil, fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	}
	var ready store.Prepared
	var k Case
	id := newID()
	err := r.Store.View(ctx, func(tx *store.Tx) error {
		shot := &snapshot{ctx: ctx, tx: tx, scope: by.Scope}
		task := shot.Get(ref)
		if shot.err != nil || task == nil {
			return errors.Join(store.ErrNotFound, shot.err)
		}
		l, f := find(r.Lines, task)
		if f == nil {
			return store.ErrNotFound
		}
		if len(Sides(by, task)) == 0 {
			return fhir.Refuse(403, "forbidden", "not-a-party", "your institution is no party to this hand-over", "贵单位不是本次交接的任何一方")
		}
		k = caseOf(l, f, task)
		from, to := "requester", "owner"
		if task.Str("owner.reference") == by.Institution {
			from, to = to, from
		}
		sender := task.Get(from).Copy()
		if by.Practitioner != "" {
			sender = fhir.Of(fhir.Obj{"extension", fhir.Arr{fhir.Obj{"url", orgURL, "valueReference", task.Get(from).Copy()}}, "reference", by.Practitioner, "display", by.Name})
		}
		n := fhir.New("Communication", "id", id, "basedOn", fhir.Arr{task.Get("focus").Copy()}, "partOf", fhir.Arr{fhir.Ref(ref, "")}, "status", "completed",
			"subject", task.Get("for").Copy(), "sent", Stamp(tx.Now()), "recipient", fhir.Arr{task.Get(to).Copy()}, "sender", sender, "payload", fhir.Arr{fhir.Obj{"contentString", words}})
		if labels := task.Get("meta.security"); labels != nil { // what is said about a guarded case is guarded
			n.Set("meta.security", labels.Copy())
		}
		var err error
		ready, err = store.Prepare(n)
		return err
	})
	if err != nil {
		return nil, err
	}
	var said []byte
	err = r.Store.Update(ctx, func(tx *store.Tx) error {
		v, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Communication", ID: id, Resource: ready, IfMatch: -1, Custodian: by.Org})
		if err != nil {
			return err
		}
		said = v.JSON
		if l := r.Line(k.Line); r.Raise != nil && !l.Hushed {
			e := happened(l, l.Flow(k.Flow), nil, "message", tx.Now())
			e.Focus, e.Patient, e.Parties = ref, k.Patient, []string{k.Owner, k.Requester}
			e.Data["state"], e.Data["urgency"] = k.State, string(k.Urgency)
			if err := r.Raise(ctx, tx, e); err != nil {
				return err
			}
		}
		if r.Audit == nil {
			return nil
		}
		e := audit.By(by)
		e.At, e.Wall, e.Action, e.What, e.Target, e.Request = tx.Now(), wall, "C", "message", ref, ""
		e.Patients, e.Count = []string{k.Patient}, 1
		if r.Request != nil {
			e.Request = r.Request(ctx)
		}
		return r.Audit.Write(ctx, tx, e)
	})
	return said, err
}
