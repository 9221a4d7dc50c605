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

	"github.com/coder/websocket"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// door serves the websocket as whoever a test says.
type door struct {
	*httptest.Server
	over atomic.Bool // the login has ended
}

func (w *world) door(as *access.Caller) *door {
	d := &door{}
	handler := &subscription.Door{Engine: w.engine, Holds: func(*http.Request) bool { return !d.over.Load() }, Beat: 30 * time.Millisecond}
	d.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if as != nil {
			r = r.WithContext(access.With(r.Context(), as))
		}
		handler.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(d.Close)
	return d
}

type wire struct {
	t    testing.TB
	conn *websocket.Conn
}

func (d *door) dial(t testing.TB) wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(d.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	return wire{t, conn}
}

func (c wire) say(text string) {
	c.t.Helper()
	if err := c.conn.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// hears is the next message: a text, or the kind and numbers of a notification.
func (c wire) hears() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, msg, err := c.conn.Read(ctx)
	if err != nil {
		return "closed: " + err.Error()
	}
	n, err := fhir.Parse(msg)
	if err != nil {
		return string(msg)
	}
	rc := &receiver{got: []request{{node: n}}}
	return rc.said()
}

func socket(id, criteria string) string {
	return fmt.Sprintf(`{"resourceType":"Subscription","id":%q,"status":"requested","reason":"test","criteria":%q,"channel":{"type":"websocket"}}`, id, criteria)
}

func TestWebSocketBindsAndPings(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.patient(county, "p")
		w.put(county, socket("s", "Observation?"))
		w.tick()
		w.observation(county, "0", "p", "final")
		w.tick()
		c := w.door(county).dial(t)
		c.say("bind s")
		w.want("bound", c.hears(), "bound s")
		w.want("what waited", c.hears(), "ping s")
		w.observation(county, "1", "p", "final")
		w.tick()
		w.want("what came", c.hears(), "ping s")
		c.say("bind nothing")
		w.want("unknown", c.hears(), "error nothing: no websocket subscription of yours")
		c.say("hello")
		w.want("nonsense", c.hears(), "error: send bind ID or bind-with-token TOKEN")
		stranger := w.door(stranger).dial(t)
		stranger.say("bind s")
		w.want("a stranger", stranger.hears(), "error s: no websocket subscription of yours")
		if got := w.audit.of("subscription-notify"); fmt.Sprint(got) != "[Patient/p Patient/p]" {
			t.Errorf("audit: got %v; want the patient of each ping", got)
		}
	}, subscription.Options{})
}

func TestWebSocketBindsByTokenWithoutLogin(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		resource := topical("s", spec.Canonical+"/SubscriptionTopic/patient-changed", "", "id-only", "", "")
		w.put(county, strings.Replace(strings.Replace(resource, `"type":"rest-hook"`, `"type":"websocket"`, 1), `"endpoint":"",`, "", 1))
		w.tick()
		nobody := w.door(nil).dial(t)
		nobody.say("bind s")
		w.want("without a login", nobody.hears(), "error s: log in, or bind with a token")
		token, _ := w.engine.Token(subscription.OwnerOf(county), []string{"s"})
		nobody.say("bind-with-token " + token + "x")
		w.want("a bad token", nobody.hears(), "error: the token is unknown or too old")
		nobody.say("bind-with-token " + token)
		w.want("handshake", nobody.hears(), "handshake 0:")
		w.patient(county, "p")
		w.tick()
		w.want("event", nobody.hears(), "event-notification 1: 1 PUT Patient/p")
		w.clock.Turn(time.Hour)
		late := w.door(nil).dial(t)
		late.say("bind-with-token " + token)
		w.want("an hour later", late.hears(), "error: the token is unknown or too old")
	}, subscription.Options{})
}

func TestWebSocketClosesWithTheLogin(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{})
	w.put(county, socket("s", "Observation?"))
	w.tick()
	d := w.door(county)
	c := d.dial(t)
	c.say("bind s")
	w.want("bound", c.hears(), "bound s")
	d.over.Store(true)
	if got := c.hears(); !strings.Contains(got, "the login has ended") {
		t.Errorf("after the login: got %q", got)
	}
}

func TestWebSocketOfARevokedAccountIsSilent(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{})
	w.patient(county, "p")
	w.put(county, socket("s", "Observation?"))
	w.tick()
	c := w.door(county).dial(t)
	c.say("bind s")
	w.want("bound", c.hears(), "bound s")
	w.observation(county, "1", "p", "final")
	if _, err := w.engine.Follow(context.Background()); err != nil { // queued, and at once
		t.Fatal(err)
	}
	w.want("while it was in force", c.hears(), "ping s")
	w.retire("token-county")
	w.observation(county, "2", "p", "final")
	w.tick()
	c.say("bind s")
	if got := c.hears(); got == "ping s" {
		t.Errorf("after it was revoked: got %q", got)
	}
}
