package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Channels is the administration of how notices leave the page: webhook, SMS, voice, 企业微信.
type Channels struct {
	Store      *store.Store
	Tree       *access.Tree
	Audit      audit.Log
	Dispatcher *event.Dispatcher
}

func (a *Channels) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/admin/channels", a.list)
	mux.HandleFunc("POST /api/admin/channels", a.save)
	mux.HandleFunc("POST /api/admin/channels/{id}/test", a.test)
}

// Work is how the jobs of deliveries are done.
func (a *Channels) Work() job.Work {
	return job.Work{Tries: 10, Wait: 15 * time.Second, Call: func(ctx context.Context, j job.Job) error {
		err := a.Dispatcher.Deliver(ctx, j.Payload)
		switch err := err.(type) {
		case event.Rejected, *fhir.Error:
			return job.Refused{Err: err}
		}
		if err == event.Gone {
			return nil
		}
		return err
	}}
}

type channelOut struct {
	ID        string     `json:"id"`
	Org       Ref        `json:"org"`
	Kind      string     `json:"kind"`
	URL       string     `json:"url"`
	Enabled   bool       `json:"enabled"`
	Secret    string     `json:"secret,omitempty"` // told once, when it was made here
	LastAt    *time.Time `json:"lastAt,omitempty"`
	LastError string     `json:"lastError,omitempty"`
	Dead      int        `json:"dead"` // deliveries that were given up
}

func (a *Channels) out(o event.Outlet) channelOut {
	return channelOut{ID: o.ID, Org: Ref{o.Org, a.Tree.Name(o.Org)}, Kind: o.Kind, URL: o.URL, Enabled: o.Enabled}
}

func (a *Channels) reach(c *access.Caller, org string) bool {
	return c.Org == "" || org != "" && a.Tree.Within(org, c.Institution)
}

func (a *Channels) list(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	out := []channelOut{}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		outlets, err := event.Outlets(r.Context(), tx)
		if err != nil {
			return err
		}
		out = out[:0]
		at := map[string]int{}
		for _, o := range outlets {
			if a.reach(c, o.Org) {
				at[o.ID] = len(out)
				out = append(out, a.out(o))
			}
		}
		return deliveries(r.Context(), tx, at, out)
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, map[string]any{"channels": out})
}

// deliveries adds what became of the last ones.
func deliveries(ctx context.Context, tx *store.Tx, at map[string]int, out []channelOut) error {
	for _, state := range []job.State{job.Dead, job.Waiting, job.Done} {
		jobs, err := job.List(ctx, tx, event.DeliveryKind, state, 500)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			var d event.Delivery
			if json.Unmarshal(j.Payload, &d) != nil {
				continue
			}
			i, ok := at[d.Outlet]
			if !ok {
				continue
			}
			o := &out[i]
			if state == job.Dead {
				o.Dead++
			}
			if j.Attempts > 0 && (o.LastAt == nil || j.Changed.After(*o.LastAt)) {
				changed := j.Changed
				o.LastAt, o.LastError = &changed, j.Error
			}
		}
	}
	return nil
}

func (a *Channels) save(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	var in struct {
		ID      string
		Org     orgIn
		Kind    string
		URL     string
		Secret  string
		Enabled *bool
	}
	if err := Body(w, r, 16<<10, &in); err != nil {
		Refuse(w, r, err)
		return
	}
	o := event.Outlet{ID: in.ID, Org: string(in.Org), Kind: in.Kind, URL: in.URL, Secret: in.Secret, Enabled: in.Enabled == nil || *in.Enabled}
	if o.Org == "" {
		o.Org = c.Institution
	}
	err := a.Dispatcher.Sender.Check(o)
	if err == nil && (o.Org == "" || !a.reach(c, o.Org)) {
		err = outsideYours
	}
	status, told := 200, ""
	if err == nil {
		fresh := o
		err = a.Store.Update(r.Context(), func(tx *store.Tx) error {
			o, status, told = fresh, 200, ""
			if o.ID == "" {
				o.ID, o.Created, status = random(8), tx.Now(), 201
			} else {
				old, err := event.OutletOf(r.Context(), tx, o.ID)
				if err != nil {
					return err
				}
				if !a.reach(c, old.Org) {
					return outsideYours
				}
				o.Created = old.Created
				if o.Secret == "" {
					o.Secret = old.Secret
				}
			}
			if o.Secret == "" {
				o.Secret = random(32)
				told = o.Secret
			}
			if err := event.SaveOutlet(r.Context(), tx, o); err != nil {
				return err
			}
			return a.Audit.Write(r.Context(), tx, audit.Of(r.Context(), "U", "channel-save", "Channel/"+o.ID))
		})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	answer := a.out(o)
	answer.Secret = told
	Answer(w, status, answer)
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func (a *Channels) test(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	var o event.Outlet
	var now time.Time
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		now = tx.Now()
		o, err = event.OutletOf(r.Context(), tx, r.PathValue("id"))
		return err
	})
	if err == nil && !a.reach(c, o.Org) {
		err = outsideYours
	}
	if err == nil {
		err = a.Audit.Read(r.Context(), audit.Of(r.Context(), "E", "channel-test", "Channel/"+o.ID))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	if err := a.Dispatcher.Try(r.Context(), o, now); err != nil {
		Refuse(w, r, fhir.Refuse(502, "transient", "channel-failed", "the channel did not take the notice: "+err.Error(), "该渠道未能接收通知："+err.Error()))
		return
	}
	Answer(w, 204, nil)
}
