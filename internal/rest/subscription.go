package rest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// hide seals what may not be read back out of what is about to be written: the headers of a Subscription.
func (p *planner) hide(ch *change) error {
	if ch.typ != "Subscription" || p.b.Subscriptions == nil {
		return nil
	}
	custodian := ch.put.Custodian
	if ch.found {
		custodian = ch.previous.Custodian
	}
	return p.b.Subscriptions.Seal(custodian, ch.work)
}

// subscriptionOperations are $status, $events and $get-ws-binding-token of "Subscriptions R5 Backport".
func subscriptionOperations(o Options) []Operation {
	if o.Subscriptions == nil {
		return nil
	}
	s := subscriptions{o}
	return []Operation{
		{Type: "Subscription", Name: "status", Instance: true, Safe: true, Handle: s.status, Doc: "State of this subscription and how many events it had."},
		{Type: "Subscription", Name: "status", Safe: true, Handle: s.status, Doc: "State of several subscriptions: id (repeats), status (repeats)."},
		{Type: "Subscription", Name: "events", Instance: true, Safe: true, Handle: s.events, Doc: "Past events by number: eventsSinceNumber, eventsUntilNumber, content (empty, id-only, full-resource)."},
		{Type: "Subscription", Name: "get-ws-binding-token", Instance: true, Safe: true, Handle: s.token, Doc: "Token for bind-with-token on the websocket."},
		{Type: "Subscription", Name: "get-ws-binding-token", Safe: true, Handle: s.token, Doc: "Token for bind-with-token on the websocket: id (repeats)."},
	}
}

type subscriptions struct{ Options }

// named are the subscriptions that a call means, as far as the caller may read them; one that is not there is refused.
func (s subscriptions) named(ctx context.Context, c Call) (list []subscription.Row, err error) {
	ids := c.values("id")
	if c.ID != "" {
		ids = []string{c.ID}
	}
	if len(ids) > 100 {
		return nil, fhir.Refuse(http.StatusBadRequest, "too-costly", "too-many-values", "at most 100 subscriptions at once", "一次最多 100 个订阅")
	}
	err = s.Store.View(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			if _, err := tx.Read(ctx, c.Scope, "Subscription", strings.TrimPrefix(id, "Subscription/")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, err := s.Subscriptions.Row(ctx, strings.TrimPrefix(id, "Subscription/"))
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// values are all values of a parameter that repeats.
func (c Call) values(name string) (out []string) {
	for _, p := range c.Body.All("parameter") {
		if p.Str("name") == name {
			for _, m := range p.Members {
				if strings.HasPrefix(m.Name, "value") {
					out = append(out, m.Value.Text)
				}
			}
		}
	}
	for _, q := range c.Query {
		if q.Name == name {
			for v := range strings.SplitSeq(q.Value, ",") {
				out = append(out, v)
			}
		}
	}
	return out
}

func (s subscriptions) status(ctx context.Context, c Call) (Answer, error) {
	if err := access.From(ctx).May(mayRead, "Subscription"); err != nil {
		return Answer{}, err
	}
	wanted := map[string]bool{}
	for _, v := range c.values("status") {
		wanted[v] = true
	}
	var list []subscription.Row
	var err error
	if c.ID == "" && len(c.values("id")) == 0 {
		list, err = s.Subscriptions.Mine(ctx, c.Scope)
	} else {
		list, err = s.named(ctx, c)
	}
	if err != nil {
		return Answer{}, err
	}
	entries := fhir.Arr{}
	for _, r := range list {
		if len(wanted) > 0 && !wanted[r.Status] {
			continue
		}
		entries = append(entries, fhir.Obj{"fullUrl", "urn:uuid:" + newID(s.Clock.Now()), "resource", subscription.Status(c.Base, r, subscription.QueryStatus, nil, false), "search", fhir.Obj{"mode", "match"}})
	}
	body := fhir.New("Bundle", "id", newID(s.Clock.Now()), "type", "searchset", "total", len(entries), "entry", entries)
	entry := audit.Of(ctx, "R", "subscription-status", target("Subscription", c.ID))
	return Answer{Body: body, Audit: &entry}, nil
}

func (s subscriptions) events(ctx context.Context, c Call) (Answer, error) {
	if err := access.From(ctx).May(mayRead, "Subscription"); err != nil {
		return Answer{}, err
	}
	list, err := s.named(ctx, c)
	if err != nil {
		return Answer{}, err
	}
	r := list[0]
	var bounds [2]int64
	for i, name := range [2]string{"eventsSinceNumber", "eventsUntilNumber"} {
		text := c.Param(name)
		if text == "" {
			continue
		}
		if bounds[i], err = strconv.ParseInt(text, 10, 64); err != nil || bounds[i] < 0 {
			return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-number", name+" is the number of an event", name+" 须为事件编号")
		}
	}
	content := c.Param("content")
	switch content {
	case "":
		if content = r.Def.Content; content == "" {
			content = "id-only"
		}
	case "empty", "id-only", "full-resource":
	default:
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-content", "content is empty, id-only or full-resource", "content 只能是 empty、id-only 或 full-resource")
	}
	told, err := s.Subscriptions.Events(ctx, c.Scope, r.ID, bounds[0], bounds[1])
	if err != nil {
		return Answer{}, err
	}
	entry := audit.Of(ctx, "R", "subscription-events", "Subscription/"+r.ID)
	entry.Patients, entry.Count = subscription.Patients(told), len(told)
	return Answer{Body: subscription.Notice(c.Base, r, subscription.QueryEvent, content, told, s.Clock.Now()), Audit: &entry}, nil
}

func (s subscriptions) token(ctx context.Context, c Call) (Answer, error) {
	list, err := s.named(ctx, c)
	if err != nil {
		return Answer{}, err
	}
	if len(list) == 0 {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "required", "no-subscription", "name the subscriptions by id", "请以 id 写明订阅")
	}
	caller := access.From(ctx)
	ids := []string{}
	for _, r := range list {
		if !r.Owner.Is(caller) || r.Def.Channel != subscription.WebSocket {
			return Answer{}, fhir.Refuse(http.StatusUnprocessableEntity, "business-rule", "not-bindable", fmt.Sprintf("Subscription/%s is not a websocket subscription of this account", r.ID), "该订阅不是本账号的 websocket 订阅")
		}
		ids = append(ids, r.ID)
	}
	token, until := s.Subscriptions.Token(subscription.OwnerOf(caller), ids)
	params := fhir.Arr{fhir.Obj{"name", "token", "valueString", token}, fhir.Obj{"name", "expiration", "valueDateTime", until.UTC().Format(time.RFC3339)}}
	for _, id := range ids {
		params = append(params, fhir.Obj{"name", "subscription", "valueString", id})
	}
	params = append(params, fhir.Obj{"name", "websocket-url", "valueUrl", "ws" + strings.TrimPrefix(c.Base, "http") + "/ws"})
	entry := audit.Of(ctx, "E", "subscription-token", target("Subscription", c.ID))
	return Answer{Body: fhir.New("Parameters", "parameter", params), Audit: &entry}, nil
}

// topics says in the capability statement which canonicals a Subscription can name.
func topics() fhir.Arr {
	out := fhir.Arr{}
	for _, t := range subscription.Topics {
		out = append(out, fhir.Obj{"url", subscription.Backport + "capabilitystatement-subscriptiontopic-canonical", "valueCanonical", t.URL})
	}
	return out
}
