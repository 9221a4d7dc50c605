package subscription_test

import (
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

func TestNotificationsAreValidFHIR(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	row := subscription.Row{ID: "s", Status: "active", Last: 3, Error: "answered 500", Def: subscription.Definition{Type: "Patient", Topic: subscription.Topics[0].URL}}
	list := []subscription.Told{
		{Event: subscription.Event{Number: 1, Type: "Patient", ID: "p", VID: 1, Op: store.Create, At: now}, JSON: []byte(`{"resourceType":"Patient","id":"p","name":[{"text":"张三"}]}`)},
		{Event: subscription.Event{Number: 2, Type: "Patient", ID: "p", VID: 2, Op: store.Update, At: now}, JSON: []byte(`{"resourceType":"Patient","id":"p","name":[{"text":"张三"}]}`)},
		{Event: subscription.Event{Number: 3, Type: "Patient", ID: "q", VID: 2, Op: store.Delete, At: now}},
	}
	for _, c := range []struct {
		kind, content string
		list          []subscription.Told
		entries       int
	}{
		{subscription.Handshake, "empty", nil, 1}, {subscription.Heartbeat, "empty", nil, 1}, {subscription.Happened, "empty", list, 1},
		{subscription.Happened, "id-only", list, 3}, {subscription.Happened, "full-resource", list, 3}, {subscription.QueryEvent, "full-resource", list, 3},
	} {
		n, err := fhir.Parse(subscription.Notice("https://hub.test/fhir", row, c.kind, c.content, c.list, now).JSON())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(n.All("entry")); got != c.entries {
			t.Errorf("%s %s: got %d entries; want %d", c.kind, c.content, got, c.entries)
		}
		for _, is := range validate.Resource(n) {
			if is.Severity == "error" || is.Severity == "fatal" {
				t.Errorf("%s %s: %s: %s", c.kind, c.content, is.Expression, is.Text)
			}
		}
	}
}
