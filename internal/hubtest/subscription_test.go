package hubtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// his is the system of a hospital that wants to hear of referrals.
type his struct {
	*httptest.Server
	mu     sync.Mutex
	broken bool
	bodies []string
}

func newHIS(t *testing.T) *his {
	s := &his{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.broken {
			w.WriteHeader(500)
			return
		}
		s.bodies = append(s.bodies, string(b))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *his) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.bodies
	s.bodies = nil
	return out
}

func (s *his) breaks(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = yes
}

func wish(id, endpoint string) string {
	return fmt.Sprintf(`{"resourceType":"Subscription","id":%q,"status":"requested","reason":"HIS 对接","criteria":"https://xinglin.health/fhir/SubscriptionTopic/task-changed",
		"channel":{"type":"rest-hook","endpoint":"%s/hook?key=geheim","payload":"application/fhir+json","header":["Authorization: Bearer geheim"],"_payload":{"extension":[{"url":"%sbackport-payload-content","valueCode":"id-only"}]}}}`,
		id, endpoint, subscription.Backport)
}

func referral(patient string) string {
	return hubtest.Ask("line", "referral", "flow", "up", "patient", patient, "to", "Organization/county-1", "urgency", "routine", "reason", "胸痛", "coordinator", "村医", "phone", "0990-5500001", "consent", "patient")
}

func TestHospitalsHearOfTheirReferrals(t *testing.T) {
	h := hubtest.Open(t, server.Options{Memory: true, Hooks: []string{"127.0.0.1"}})
	tick := func() {
		t.Helper()
		if err := h.Subscriptions.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	county, stranger := newHIS(t), newHIS(t)
	for who, to := range map[string]*his{hubtest.CountyOffice: county, hubtest.Stranger: stranger} {
		if a := h.Call(who, "PUT", "/fhir/Subscription/of-"+who, wish("of-"+who, to.URL)); a.Status != 201 {
			t.Fatalf("%s: %d %s", who, a.Status, a.Body)
		}
	}
	tick()
	for _, s := range []*his{county, stranger} {
		if got := s.take(); len(got) != 1 || !strings.Contains(got[0], "handshake") {
			t.Fatalf("handshake: got %v", got)
		}
	}
	if a := h.Call(hubtest.Village, "POST", "/fhir/Task/$start", referral("Patient/p0001")); a.Status != 201 {
		t.Fatalf("start: %d %s", a.Status, a.Body)
	}
	tick()
	got := county.take()
	if len(got) != 1 || !strings.Contains(got[0], "event-notification") || !strings.Contains(got[0], "/Task/") {
		t.Fatalf("the county: got %v; want one notification of the Task", got)
	}
	if got := stranger.take(); len(got) > 0 {
		t.Errorf("the stranger: got %v", got)
	}
	audited := false
	for _, e := range h.Entries() {
		audited = audited || e.What == "subscription-notify" && e.Target == "Subscription/of-"+hubtest.CountyOffice && len(e.Patients) == 1
	}
	if !audited {
		t.Error("the notification left no audit entry with its patient")
	}
	mine := "/fhir/Subscription/of-" + hubtest.CountyOffice
	h.Run([]hubtest.Scenario{
		{Name: "the capability statement lists the topics", URL: "/fhir/metadata", Status: 200, Content: []string{"SubscriptionTopic/task-changed", `"get-ws-binding-token"`}, Audit: 0},
		{Name: "headers are read back sealed", As: hubtest.CountyOffice, URL: mine, Status: 200, Content: []string{"sealed:1:", `"status":"active"`}, NotContent: []string{"Bearer geheim"}, Audit: 1},
		{Name: "also in the history", As: hubtest.CountyOffice, URL: mine + "/_history", Status: 200, NotContent: []string{"Bearer geheim"}, Audit: 1},
		{Name: "nobody else reads it", As: hubtest.Stranger, URL: mine, Status: 404, NotContent: []string{"HIS"}, Audit: 1},
		{Name: "status", As: hubtest.CountyOffice, URL: mine + "/$status", Status: 200, Content: []string{"query-status", `"searchset"`, `{"name":"events-since-subscription-start","valueString":"1"}`}, Audit: 1},
		{Name: "status of all mine", As: hubtest.CountyOffice, URL: "/fhir/Subscription/$status", Status: 200, Content: []string{"Subscription/of-" + hubtest.CountyOffice}, NotContent: []string{"of-" + hubtest.Stranger}, Audit: 1},
		{Name: "events", As: hubtest.CountyOffice, URL: mine + "/$events?eventsSinceNumber=1&content=full-resource", Status: 200, Content: []string{"query-event", `"resourceType":"Task"`}, Audit: 1},
		{Name: "events that are not there", As: hubtest.CountyOffice, URL: mine + "/$events?eventsSinceNumber=2", Status: 200, NotContent: []string{"notification-event"}, Audit: 1},
		{Name: "a stranger gets no events", As: hubtest.Stranger, URL: mine + "/$events", Status: 404, NotContent: []string{"Task/"}, Audit: 1},
		{Name: "nor the state", As: hubtest.Stranger, URL: mine + "/$status", Status: 404, Audit: 1},
		{Name: "nor by naming it", As: hubtest.Stranger, URL: "/fhir/Subscription/$status?id=of-" + hubtest.CountyOffice, Status: 404, Audit: 1},
		{Name: "no token for a rest-hook", As: hubtest.CountyOffice, URL: mine + "/$get-ws-binding-token", Status: 422, Content: []string{"not-bindable"}, Audit: 1},
		{Name: "a doctor is no operator", As: hubtest.CountyOffice, URL: "/api/admin/subscriptions", Status: 403, Audit: -1},
		{Name: "another centre's operator has no reach", As: hubtest.Administrator, URL: "/api/admin/subscriptions/of-" + hubtest.CountyOffice, Status: 403, NotContent: []string{"HIS"}, Audit: -1},
		{Name: "and an empty list", As: hubtest.Administrator, URL: "/api/admin/subscriptions", Status: 200, Content: []string{`"subscriptions":[]`}, Audit: -1},
	})
}

func TestTheOperatorSeesAndStops(t *testing.T) {
	h := hubtest.Open(t, server.Options{Memory: true, Hooks: []string{"127.0.0.1"}})
	tick := func() {
		t.Helper()
		if err := h.Subscriptions.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	centre := newHIS(t)
	if a := h.Call(hubtest.CentreOffice, "PUT", "/fhir/Subscription/his", wish("his", centre.URL)); a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	tick()
	centre.breaks(true)
	body := strings.Replace(referral("Patient/p0001"), "county-1", "centre", 1)
	if a := h.Call(hubtest.Village, "POST", "/fhir/Task/$start", body); a.Status != 201 {
		t.Fatalf("start: %d %s", a.Status, a.Body)
	}
	for range 25 {
		tick()
		h.Clock.Turn(2 * time.Hour)
	}
	at := "/api/admin/subscriptions/his"
	h.Run([]hubtest.Scenario{
		{Name: "the list says who, where to and what is wrong, and names no patient", As: hubtest.Administrator, URL: "/api/admin/subscriptions", Status: 200,
			Content: []string{`"status":"error"`, `"dead":1`, "answered 500", "/hook", "转诊等协作任务"}, NotContent: []string{"geheim", "Patient/", "p0001"}, Audit: -1},
		{Name: "so does one of them", As: hubtest.Administrator, URL: at, Status: 200, Content: []string{`"troubles":[{`, `"state":"dead"`}, NotContent: []string{"geheim", "p0001"}, Audit: -1},
		{Name: "dropping needs a reason", As: hubtest.Administrator, Method: "POST", URL: at + "/drop", Body: `{}`, Status: 422, Content: []string{"reason-required"}, Audit: -1},
		{Name: "nothing else can be done", As: hubtest.Administrator, Method: "POST", URL: at + "/explode", Status: 404, Audit: -1},
	})
	centre.breaks(false)
	h.Run([]hubtest.Scenario{{Name: "send again", As: hubtest.Administrator, Method: "POST", URL: at + "/resend", Body: `{}`, Status: 200, Content: []string{`"count":1`}, Audit: 1}})
	tick()
	if got := centre.take(); len(got) != 3 || !strings.Contains(got[1], "handshake") || !strings.Contains(got[2], "event-notification") {
		t.Errorf("after it came back: got %d %v; want its handshake and the event", len(got), got)
	}
	h.Run([]hubtest.Scenario{
		{Name: "stop", As: hubtest.Administrator, Method: "POST", URL: at + "/stop", Body: `{"reason":"对方系统维护"}`, Status: 200, Audit: 1},
		{Name: "it says so to its owner", As: hubtest.CentreOffice, URL: "/fhir/Subscription/his", Status: 200, Content: []string{`"status":"off"`, "对方系统维护"}, Audit: 1},
		{Name: "start again", As: hubtest.Administrator, Method: "POST", URL: at + "/start", Body: `{}`, Status: 200, Audit: 1},
	})
	tick()
	h.Run([]hubtest.Scenario{{Name: "active again", As: hubtest.CentreOffice, URL: "/fhir/Subscription/his", Status: 200, Content: []string{`"status":"active"`}, Audit: 1}})
}

func TestWebSocketThroughTheWholeHub(t *testing.T) {
	h := hubtest.New(t)
	a := h.Call(hubtest.CountyOffice, "PUT", "/fhir/Subscription/ws", `{"resourceType":"Subscription","id":"ws","status":"requested","reason":"page","criteria":"Task?","channel":{"type":"websocket"}}`)
	if a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if err := h.Subscriptions.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}
	a = h.Call(hubtest.CountyOffice, "GET", "/fhir/Subscription/ws/$get-ws-binding-token", "")
	n, err := fhir.Parse(a.Body)
	if err != nil || a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	token := n.Str("parameter[0].valueString")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(h.URL, "http")+"/fhir/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	hears := func() string {
		_, b, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte("bind-with-token "+token)); err != nil {
		t.Fatal(err)
	}
	if got := hears(); got != "bound ws" {
		t.Fatalf("got %q; want bound ws", got)
	}
	if a := h.Call(hubtest.Village, "POST", "/fhir/Task/$start", referral("Patient/p0001")); a.Status != 201 {
		t.Fatalf("start: %d %s", a.Status, a.Body)
	}
	if err := h.Subscriptions.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := hears(); got != "ping ws" {
		t.Errorf("got %q; want ping ws", got)
	}
	other, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(h.URL, "http")+"/fhir/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://evil.example"}}})
	if err == nil {
		other.CloseNow()
		t.Error("a page of another origin was let in")
	} else if res.StatusCode != 403 {
		t.Errorf("another origin: got %d; want 403", res.StatusCode)
	}
}
