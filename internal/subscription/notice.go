package subscription

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Kinds of notifications.
const (
	Handshake   = "handshake"
	Heartbeat   = "heartbeat"
	Happened    = "event-notification"
	QueryStatus = "query-status"
	QueryEvent  = "query-event"
)

// Told is one event with what may be shown of it.
type Told struct {
	Event
	JSON    []byte // current content; nil for a delete
	Patient string // "Patient/…" whose data this is, "" = a register's
}

// see reads those of the events that the scope may see now, in their order: what it may not see is left out.
func see(ctx context.Context, tx *store.Tx, scope search.Scope, list []Event) ([]Told, error) {
	ids := map[string][]string{}
	asked := map[string]bool{}
	for _, e := range list {
		if ref := e.Type + "/" + e.ID; e.Op != store.Delete && !asked[ref] {
			asked[ref] = true
			ids[e.Type] = append(ids[e.Type], e.ID)
		}
	}
	now := map[string]store.Version{}
	for typ, some := range ids {
		versions, err := tx.ReadMany(ctx, scope, typ, some)
		if err != nil {
			return nil, err
		}
		for id, v := range versions {
			now[typ+"/"+id] = v
		}
	}
	var out []Told
	for _, e := range list {
		v, ok := now[e.Type+"/"+e.ID]
		if !ok { // deleted by this event or since: who saw the version before may hear of it
			vid := e.VID
			if e.Op == store.Delete {
				vid--
			}
			last, err := tx.ReadVersion(ctx, scope, e.Type, e.ID, vid)
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
				continue
			}
			if err != nil {
				return nil, err
			}
			v = last
			v.JSON = nil
		}
		home := v.Home
		if e.Type == "Patient" {
			home = "Patient/" + e.ID
		}
		out = append(out, Told{Event: e, JSON: v.JSON, Patient: home})
	}
	return out, nil
}

// Patients lists whose data a notification shows.
func Patients(list []Told) (out []string) {
	seen := map[string]bool{}
	for _, t := range list {
		if t.Patient != "" && !seen[t.Patient] {
			seen[t.Patient] = true
			out = append(out, t.Patient)
		}
	}
	return out
}

// Status is the Parameters resource that stands for SubscriptionStatus of R5.
func Status(base string, r Row, kind string, list []Told, focus bool) *fhir.Node {
	params := fhir.Arr{
		fhir.Obj{"name", "subscription", "valueReference", fhir.Obj{"reference", base + "/Subscription/" + r.ID}},
	}
	last := r.Last
	if kind == Happened && len(list) > 0 {
		last = list[len(list)-1].Number // including this notification, so that a gap shows
	}
	if r.Def.Topic != "" {
		params = append(params, fhir.Obj{"name", "topic", "valueCanonical", r.Def.Topic})
	}
	params = append(params,
		fhir.Obj{"name", "status", "valueCode", r.Status},
		fhir.Obj{"name", "type", "valueCode", kind},
		fhir.Obj{"name", "events-since-subscription-start", "valueString", strconv.FormatInt(last, 10)})
	for _, t := range list {
		part := fhir.Arr{
			fhir.Obj{"name", "event-number", "valueString", strconv.FormatInt(t.Number, 10)},
			fhir.Obj{"name", "timestamp", "valueInstant", instant(t.At)},
		}
		if focus {
			part = append(part, fhir.Obj{"name", "focus", "valueReference", fhir.Obj{"reference", base + "/" + t.Type + "/" + t.ID, "type", t.Type}})
		}
		params = append(params, fhir.Obj{"name", "notification-event", "part", part})
	}
	if r.Error != "" {
		params = append(params, fhir.Obj{"name", "error", "valueCodeableConcept", fhir.Obj{"text", r.Error}})
	}
	return fhir.New("Parameters", "id", store.NewID(time.Now()),
		"meta", fhir.Obj{"profile", fhir.Arr{Backport + "backport-subscription-status-r4"}}, "parameter", params)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// Notice is the Bundle of the topic style: the status first, then what content allows.
func Notice(base string, r Row, kind, content string, list []Told, now time.Time) *fhir.Node {
	entries := fhir.Arr{fhir.Obj{
		"fullUrl", "urn:uuid:" + store.NewID(now),
		"resource", Status(base, r, kind, list, content != "empty"),
		"request", fhir.Obj{"method", "GET", "url", "Subscription/" + r.ID + "/$status"},
		"response", fhir.Obj{"status", "200"},
	}}
	shown := map[string]bool{}
	for i := len(list) - 1; i >= 0 && content != "empty"; i-- {
		shown[list[i].Type+"/"+list[i].ID] = false
	}
	for _, t := range list {
		ref := t.Type + "/" + t.ID
		if already, ok := shown[ref]; !ok || already {
			continue
		}
		shown[ref] = true
		method := "PUT"
		if t.JSON == nil {
			method = "DELETE"
		}
		entry := fhir.Obj{"fullUrl", base + "/" + ref}
		if content == "full-resource" && t.JSON != nil {
			if n, err := fhir.Parse(t.JSON); err == nil {
				entry = append(entry, "resource", n)
			}
		}
		entry = append(entry, "request", fhir.Obj{"method", method, "url", ref}, "response", fhir.Obj{"status", "200"})
		entries = append(entries, entry)
	}
	return fhir.New("Bundle", "id", store.NewID(now), "type", "history", "timestamp", instant(now), "entry", entries)
}
