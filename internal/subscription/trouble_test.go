package subscription_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

func TestADeadEndpointIsTriedLessAndLessThenGivenUp(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc := receive(t)
		w.patient(county, "p")
		w.put(county, r4("s", "Observation?", rc.URL))
		w.tick()
		rc.answers(fail(500))
		w.observation(county, "1", "p", "final")
		w.observation(county, "2", "p", "final")
		var pauses []time.Duration
		for w.status("s") == "active" {
			w.tick()
			r := w.row("s")
			pauses = append(pauses, r.Due.Sub(w.clock.Now()))
			w.clock.Turn(max(r.Due.Sub(w.clock.Now()), 0))
			if len(pauses) > 10 {
				t.Fatal("never given up")
			}
		}
		if len(pauses) != 4 || pauses[0] < 800*time.Millisecond || pauses[0] > 1200*time.Millisecond || pauses[2] < 2*time.Second || pauses[2] > 5*time.Second {
			t.Errorf("pauses %v; want 1, 2, 4 s give or take a fifth, then the end", pauses)
		}
		if got := len(rc.take()); got != 4 {
			t.Errorf("attempts: got %d; want 4", got)
		}
		w.want("given up", w.status("s"), "error")
		w.want("and it says why", w.resource("Subscription", "s").Str("error"), "answered 500")

		w.observation(county, "3", "p", "final")
		w.tick()
		o, troubles, last, err := w.engine.Detail(context.Background(), "s")
		if err != nil || o.Dead != 3 || o.Waiting != 0 || len(troubles) != 4 || len(last) != 3 {
			t.Errorf("detail: got %d dead, %d waiting, %d troubles, %d events, %v; want 3, 0, 4, 3: what happens meanwhile is kept too", o.Dead, o.Waiting, len(troubles), len(last), err)
		}
		rc.answers(nil)
		n, err := w.engine.Resend(access.With(context.Background(), operator), "s")
		if err != nil {
			t.Fatal(err)
		}
		w.tick()
		w.want(fmt.Sprint(n, " sent again, in order"), rc.said(), "PUT Observation/1 final; PUT Observation/2 final; PUT Observation/3 final")
		w.want("and active again", w.status("s"), "active")
		w.observation(county, "4", "p", "final")
		w.tick()
		w.want("and on it goes", rc.said(), "PUT Observation/4 final")
	}, subscription.Options{Tries: 4})
}

var operator = &access.Caller{User: "guanli", Role: access.Administrator, Org: "Organization/county", Institution: "Organization/county"}

func TestDeadLettersCanBeDroppedWithAReason(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{Tries: 1})
	rc := receive(t)
	w.patient(county, "p")
	w.put(county, r4("s", "Observation?", rc.URL))
	w.tick()
	rc.answers(fail(404))
	w.observation(county, "1", "p", "final")
	w.tick()
	w.want("given up", w.status("s"), "error")
	ctx := access.With(context.Background(), operator)
	if _, err := w.engine.Drop(ctx, "s", " "); refused(err) != "reason-required" {
		t.Errorf("without a reason: got %v", err)
	}
	if n, err := w.engine.Drop(ctx, "s", "the system was replaced"); n != 1 || err != nil {
		t.Errorf("dropped: got %d, %v; want 1", n, err)
	}
	last := w.audit.entries[len(w.audit.entries)-1]
	if last.User != "guanli" || last.What != "subscription-drop" || !strings.HasSuffix(last.Target, "replaced") || last.Count != 1 {
		t.Errorf("audit: got %+v", last)
	}
	rc.answers(nil)
	rc.take()
	if err := w.engine.Start(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	w.observation(county, "2", "p", "final")
	w.tick()
	w.want("what was dropped does not come back", rc.said(), "PUT Observation/2 final")
	if err := w.engine.Stop(ctx, "s", "maintenance"); err != nil {
		t.Fatal(err)
	}
	w.observation(county, "3", "p", "final")
	w.tick()
	w.want("stopped", w.status("s")+rc.said(), "off")
	if _, err := w.engine.Resend(ctx, "s"); refused(err) != "subscription-stopped" {
		t.Errorf("resend of a stopped one: got %v", err)
	}
	if err := w.engine.Start(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	w.tick()
	w.observation(county, "4", "p", "final")
	w.tick()
	w.want("started: from then on", rc.said(), "PUT Observation/4 final")
}

func TestASlowEndpointHoldsUpNoOther(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{PerHost: 2})
	slow, quick := receive(t), receive(t)
	slow.answers(hang(20 * time.Second))
	w.patient(county, "p")
	for i := range 6 {
		w.put(county, r4(fmt.Sprint("slow", i), "Observation?", slow.URL))
	}
	w.put(county, r4("quick", "Observation?", quick.URL))
	w.tick()
	w.observation(county, "1", "p", "final")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.engine.Run(ctx) }()
	begun := time.Now()
	for len(quick.take()) == 0 {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the quick endpoint waits for the slow one")
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestEightSubscribersHearEveryWriteInOrder(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.patient(county, "p")
		var rcs []*receiver
		for i := range 8 {
			rc := receive(t)
			var n atomic.Int64
			rc.answers(func(wr http.ResponseWriter, _ *http.Request) {
				if k := n.Add(1); k%7 == int64(i)%7 { // each fails now and then
					wr.WriteHeader(503)
				}
			})
			rcs = append(rcs, rc)
			if i%2 == 0 {
				w.put(county, r4(fmt.Sprint("s", i), "Observation?status=final", rc.URL))
			} else {
				w.put(county, topical(fmt.Sprint("s", i), spec.Canonical+"/SubscriptionTopic/admission", "", "id-only", rc.URL, ""))
			}
		}
		for w.status("s1") != "active" || w.status("s3") != "active" || w.status("s5") != "active" || w.status("s7") != "active" {
			w.tick()
			w.clock.Turn(2 * time.Second)
		}
		w.tick()
		for _, rc := range rcs {
			rc.take()
		}
		for i := range 60 {
			w.observation(county, fmt.Sprintf("o%02d", i), "p", "final")
			w.put(county, encounter(fmt.Sprintf("e%02d", i), "p", "in-progress"))
			if i%10 == 9 {
				w.tick()
			}
		}
		for range 40 {
			w.tick()
			w.clock.Turn(5 * time.Second)
		}
		for i, rc := range rcs {
			var ids []string
			for _, q := range rc.take() {
				if i%2 == 0 {
					ids = append(ids, strings.TrimPrefix(q.path, "/Observation/"))
				} else if param(q.node, "type") == "event-notification" {
					for _, e := range q.node.All("entry")[1:] {
						ids = append(ids, strings.TrimPrefix(e.Str("request.url"), "Encounter/"))
					}
				}
			}
			// at least once, and no later one before an earlier one has come
			seen := map[string]bool{}
			next := 0
			for _, id := range ids {
				want := fmt.Sprintf("%c%02d", "oe"[i%2], next)
				switch {
				case id == want:
					seen[id], next = true, next+1
				case !seen[id]:
					t.Fatalf("subscriber %d: got %s before %s", i, id, want)
				}
			}
			if next != 60 {
				t.Errorf("subscriber %d: got %d of 60", i, next)
			}
		}
	}, subscription.Options{})
}

func TestWhatCannotBeServedIsRefused(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{Hosts: []string{"his.example.cn", "127.0.0.1:9"}})
	off := newWorld(t, storetest.Memory, subscription.Options{Hosts: []string{" "}})
	w.put(county, r4("old", "Observation?", "https://his.example.cn/in"))
	w.tick()
	topic := spec.Canonical + "/SubscriptionTopic/admission"
	ok := "https://his.example.cn/in"
	for _, c := range []struct {
		rule, resource, want string
		at                   *world
	}{
		{"nothing is open without a list", r4("s", "Observation?", ok), "hooks-off", off},
		{"a host on the list", r4("s", "Observation?", ok), "", w},
		{"a host that is not", r4("s", "Observation?", "https://other.example.cn/in"), "host-not-allowed", w},
		{"a port that is not", r4("s", "Observation?", "https://127.0.0.1:10/"), "host-not-allowed", w},
		{"plain http", r4("s", "Observation?", "http://his.example.cn/in"), "https-only", w},
		{"a password in the address", r4("s", "Observation?", "https://u:p@his.example.cn/in"), "bad-endpoint", w},
		{"no address", r4("s", "Observation?", ""), "bad-endpoint", w},
		{"another scheme", r4("s", "Observation?", "file:///etc/passwd"), "bad-endpoint", w},
		{"an unknown topic", r4("s", "http://example.org/topic", ok), "unknown-topic", w},
		{"an unknown parameter", r4("s", "Observation?colour=red", ok), "unknown-parameter", w},
		{"an unknown type", r4("s", "Colour?", ok), "type-unsupported", w},
		{"itself", r4("s", "Subscription?", ok), "type-unsupported", w},
		{"sorting", r4("s", "Observation?_sort=date", ok), "criteria-only", w},
		{"another channel", strings.Replace(r4("s", "Observation?", ok), "rest-hook", "sms", 1), "channel-unsupported", w},
		{"another payload", strings.Replace(r4("s", "Observation?", ok), "fhir+json", "fhir+xml", 1), "payload-unsupported", w},
		{"active is not the client's to set", strings.Replace(r4("s", "Observation?", ok), "requested", "active", 1), "status-is-the-servers", w},
		{"nor error", strings.Replace(r4("s", "Observation?", ok), "requested", "error", 1), "status-is-the-servers", w},
		{"an active one comes back as it is", strings.Replace(strings.Replace(r4("old", "Observation?", ok), "requested", "active", 1), `"test"`, `"another reason"`, 1), "", w},
		{"but not with other criteria", strings.Replace(r4("old", "Patient?", ok), "requested", "active", 1), "status-is-the-servers", w},
		{"a filter of another type", topical("s", topic, "Patient?name=x", "empty", ok, ""), "bad-filter", w},
		{"a filter that the topic does not have", topical("s", topic, "Encounter?length=3", "empty", ok, ""), "bad-filter", w},
		{"a heartbeat every second", topical("s", topic, "", "empty", ok, `{"url":"`+subscription.Backport+`backport-heartbeat-period","valueUnsignedInt":1}`), "bad-bound", w},
		{"unknown content", topical("s", topic, "", "all", ok, ""), "bad-content", w},
		{"a header that is HTTP's own", withHeader(r4("s", "Observation?", ok), "Host: other"), "bad-header", w},
		{"a header that splits", withHeader(r4("s", "Observation?", ok), `X: a\r\nY: b`), "bad-header", w},
	} {
		if got := refused(c.at.try(county, c.resource)); got != c.want {
			t.Errorf("%s: got %q; want %q", c.rule, got, c.want)
		}
	}
}

func withHeader(resource, header string) string {
	return strings.Replace(resource, `"channel":{`, `"channel":{"header":["`+header+`"],`, 1)
}

func TestHeadersAreSealedAndSent(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc, thief := receive(t), receive(t)
		w.patient(county, "p")
		w.put(county, withHeader(r4("s", "Observation?", rc.URL), "Authorization: Bearer geheim"))
		w.tick()
		stored := string(w.resource("Subscription", "s").JSON())
		if strings.Contains(stored, "geheim") || !strings.Contains(stored, "Authorization: sealed:1:") {
			t.Errorf("stored: %s", stored)
		}
		header := w.resource("Subscription", "s").Str("channel.header[0]")
		w.observation(county, "1", "p", "final")
		w.tick()
		if got := rc.take(); len(got) != 1 || got[0].header.Get("Authorization") != "Bearer geheim" {
			t.Errorf("sent: got %+v", got)
		}
		w.put(county, strings.Replace(withHeader(r4("s", "Observation?", rc.URL), header), `"test"`, `"sent back as read"`, 1))
		w.tick()
		w.observation(county, "2", "p", "final")
		w.tick()
		if got := rc.take(); len(got) != 1 || got[0].header.Get("Authorization") != "Bearer geheim" {
			t.Errorf("after it was sent back: got %+v", got)
		}
		w.want("to another address", refused(w.try(county, withHeader(r4("s", "Observation?", thief.URL), header))), "header-again")
		w.want("by another hospital", refused(w.try(centre, withHeader(r4("x", "Observation?", rc.URL), header))), "header-again")
	}, subscription.Options{})
}

func TestNoRedirectAndNoWayInside(t *testing.T) {
	inside := receive(t)
	w := newWorld(t, storetest.Memory, subscription.Options{Tries: 1, Hosts: []string{"127.0.0.1", "localtest.invalid"}})
	rc := receive(t)
	rc.answers(func(wr http.ResponseWriter, r *http.Request) {
		http.Redirect(wr, r, inside.URL, http.StatusTemporaryRedirect)
	})
	w.patient(county, "p")
	w.put(county, r4("s", "Observation?", rc.URL))
	w.tick()
	w.observation(county, "1", "p", "final")
	w.tick()
	w.want("after a redirect", w.status("s")+inside.said(), "error")
	if err := w.resource("Subscription", "s").Str("error"); !strings.HasPrefix(err, "answered 307") {
		t.Errorf("error: %q", err)
	}
}

func TestAnEndlessAnswerIsNotRead(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{Timeout: 5 * time.Second})
	endless := httptest.NewServer(http.HandlerFunc(func(wr http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 32<<10)
		for r.Context().Err() == nil {
			if _, err := wr.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	w.patient(county, "p")
	w.put(county, r4("s", "Observation?", endless.URL))
	w.tick()
	w.observation(county, "1", "p", "final")
	begun := time.Now()
	w.tick()
	if r := w.row("s"); r.Sent.IsZero() || r.Attempts != 0 || time.Since(begun) > 3*time.Second {
		t.Errorf("got %d attempts after %v; want it taken at its status", r.Attempts, time.Since(begun))
	}
}

func TestTooMuchWaitingIsCountedAsMissed(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{Keep: 3})
	rc := receive(t)
	w.patient(county, "p")
	w.put(county, topical("s", spec.Canonical+"/SubscriptionTopic/patient-changed", "", "id-only", rc.URL, ""))
	w.tick()
	rc.take()
	rc.answers(fail(500))
	for range 5 {
		w.patient(county, "p")
		w.put(county, `{"resourceType":"Patient","id":"p","active":true}`)
		w.tick()
	}
	if r := w.row("s"); r.Last != 10 || r.Missed != 7 {
		t.Errorf("got %d events, %d missed; want 10, 7", r.Last, r.Missed)
	}
	rc.answers(nil)
	rc.take()
	w.clock.Turn(time.Hour)
	w.tick()
	w.patient(county, "p")
	w.tick()
	w.want("the numbers show the gap", rc.said(), "event-notification 3: 1 2 3 PUT Patient/p; event-notification 11: 11 PUT Patient/p")
}

func TestItEndsWhenTheClientSaid(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{})
	rc := receive(t)
	w.patient(county, "p")
	w.put(county, strings.Replace(r4("s", "Observation?", rc.URL), `"reason"`, `"end":"`+storetest.Start.Add(time.Hour).Format(time.RFC3339)+`","reason"`, 1))
	w.tick()
	w.clock.Turn(time.Hour)
	w.tick()
	w.want("after its end", w.status("s"), "off")
	w.observation(county, "1", "p", "final")
	w.tick()
	w.want("and silent", rc.said(), "")
}
