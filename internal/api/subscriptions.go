package api

import (
	"net/http"
	"net/url"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// Subscriptions shows the operator which systems are told of what, and where that fails. No patient stands here.
type Subscriptions struct {
	Engine *subscription.Engine
	Tree   *access.Tree
}

func (a *Subscriptions) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/admin/subscriptions", a.list)
	mux.HandleFunc("GET /api/admin/subscriptions/{id}", a.one)
	mux.HandleFunc("POST /api/admin/subscriptions/{id}/{do}", a.act)
}

type subscriptionOut struct {
	ID        string     `json:"id"`
	Status    string     `json:"status"`
	Org       Ref        `json:"org"`
	Account   string     `json:"account"`
	Reason    string     `json:"reason,omitempty"`
	Criteria  string     `json:"criteria"`        // values that name a person are left out
	Topic     *Words     `json:"topic,omitempty"` // of the topic style
	Channel   string     `json:"channel"`
	To        string     `json:"to,omitempty"`    // scheme, host and path of the endpoint
	Content   string     `json:"content"`         // empty, id-only, full-resource
	Delivered *time.Time `json:"delivered"`       // last notice that was accepted
	Last      int64      `json:"last"`            // number of the newest event
	Waiting   int        `json:"waiting"`         // to be delivered
	Dead      int        `json:"dead"`            // given up, for a person to decide
	Missed    int64      `json:"missed"`          // not kept, because too many waited
	Attempts  int        `json:"attempts"`        // failed in a row
	Next      *time.Time `json:"next,omitempty"`  // when it is tried again
	Error     string     `json:"error,omitempty"` // of the last failure
	ErrorAt   *time.Time `json:"errorAt,omitempty"`
	Created   time.Time  `json:"created"`
}

func (a *Subscriptions) out(o subscription.Overview) subscriptionOut {
	out := subscriptionOut{ID: o.ID, Status: o.Status, Org: Ref{o.Custodian, a.Tree.Name(o.Custodian)}, Account: o.Owner.Name, Reason: o.Def.Reason, Criteria: o.Def.Shown(),
		Channel: o.Def.Channel, Content: o.Def.Content, Delivered: when(o.Sent), Last: o.Last, Waiting: o.Waiting, Dead: o.Dead, Missed: o.Missed, Attempts: o.Attempts,
		Error: o.Error, ErrorAt: when(o.ErrorAt), Created: o.Created}
	if u, err := url.Parse(o.Def.Endpoint); err == nil && o.Def.Endpoint != "" {
		out.To = u.Scheme + "://" + u.Host + u.EscapedPath() // a query may hold a secret
	}
	for _, t := range subscription.Topics {
		if t.URL == o.Def.Topic {
			out.Topic = &Words{t.Zh, t.En}
		}
	}
	if out.Content == "" {
		out.Content = "empty"
		if o.Def.Payload {
			out.Content = "full-resource"
		}
	}
	if o.Attempts > 0 && o.Status != subscription.Failed && o.Status != subscription.Off {
		out.Next = when(o.Due)
	}
	return out
}

func (a *Subscriptions) reach(c *access.Caller, custodian string) bool {
	return c.Org == "" || custodian != "" && a.Tree.Within(custodian, c.Institution)
}

func (a *Subscriptions) list(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	all, err := a.Engine.List(r.Context(), func(custodian string) bool { return a.reach(c, custodian) }, 1000)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := make([]subscriptionOut, len(all))
	for i, o := range all {
		out[i] = a.out(o)
	}
	Answer(w, 200, map[string]any{"subscriptions": out})
}

type troubleOut struct {
	At      time.Time `json:"at"`
	Attempt int       `json:"attempt"` // 0 = what a person did
	Text    string    `json:"text"`
}

// eventOut names an event by its number and the type of what changed, not by whom it is about.
type eventOut struct {
	Number int64     `json:"number"`
	Type   string    `json:"type"`
	At     time.Time `json:"at"`
	State  string    `json:"state"` // waiting, delivered, dead, dropped
}

var eventStates = [...]string{"waiting", "delivered", "dead", "dropped"}

func (a *Subscriptions) one(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	o, troubles, events, err := a.Engine.Detail(r.Context(), r.PathValue("id"))
	if err == nil && !a.reach(c, o.Custodian) {
		err = outsideYours
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := struct {
		subscriptionOut
		Troubles []troubleOut `json:"troubles"`
		Events   []eventOut   `json:"events"`
	}{a.out(o), []troubleOut{}, []eventOut{}}
	for _, t := range troubles {
		out.Troubles = append(out.Troubles, troubleOut(t))
	}
	for _, e := range events {
		out.Events = append(out.Events, eventOut{e.Number, e.Type, e.At, eventStates[e.State]})
	}
	Answer(w, 200, out)
}

// act stops, starts, resends or drops.
func (a *Subscriptions) act(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	var in struct{ Reason string }
	if r.ContentLength != 0 {
		if err := Body(w, r, 4<<10, &in); err != nil {
			Refuse(w, r, err)
			return
		}
	}
	id := r.PathValue("id")
	row, err := a.Engine.Row(r.Context(), id)
	if err == nil && !a.reach(c, row.Custodian) {
		err = outsideYours
	}
	var n int64
	if err == nil {
		switch r.PathValue("do") {
		case "stop":
			err = a.Engine.Stop(r.Context(), id, in.Reason)
		case "start":
			err = a.Engine.Start(r.Context(), id)
		case "resend":
			n, err = a.Engine.Resend(r.Context(), id)
		case "drop":
			n, err = a.Engine.Drop(r.Context(), id, in.Reason)
		default:
			err = fhir.Refuse(http.StatusNotFound, "not-found", "unknown-address", "stop, start, resend or drop", "没有这个操作")
		}
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, map[string]any{"count": n})
}
