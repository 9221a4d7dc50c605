package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

var ctx = context.Background()

const county, centre, stranger = "Organization/county", "Organization/centre", "Organization/stranger"

func open(t *testing.T, with storetest.Open) *store.Store {
	return with(t, store.Options{Migrations: event.Migrations})
}

func raise(t *testing.T, s *store.Store, e event.Event) {
	t.Helper()
	if err := s.Update(ctx, func(tx *store.Tx) error { return event.Raise(ctx, tx, e) }); err != nil {
		t.Fatal(err)
	}
}

func after(t *testing.T, s *store.Store, party string, seq int64) (list []event.Event) {
	t.Helper()
	err := event.Sequence(ctx, s)
	if err == nil {
		err = s.View(ctx, func(tx *store.Tx) (err error) { list, err = event.After(ctx, tx, party, seq, 1000); return err })
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRaise(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s := open(t, with)
		due := storetest.Start.Add(2 * time.Hour)
		raise(t, s, event.Event{Kind: "referral.submit", Focus: "Task/1", Patient: "Patient/1", Parties: []string{county, centre, county, ""}, ActBy: due, Actor: centre, Data: map[string]string{"line": "referral"}})
		raise(t, s, event.Event{Kind: "referral.receive", Focus: "Task/1", Parties: []string{county}})
		s.Update(ctx, func(tx *store.Tx) error {
			event.Raise(ctx, tx, event.Event{Kind: "referral.undone", Parties: []string{county}})
			return errors.New("undone")
		})
		got := after(t, s, county, 0)
		if len(got) != 2 || got[0].Seq != 1 || got[1].Seq != 2 {
			t.Fatalf("county: got %+v; want seq 1 and 2", got)
		}
		e := got[0]
		if !e.At.Equal(storetest.Start) || !e.ActBy.Equal(due) || e.Actor != centre || e.Data["line"] != "referral" || !slices.Equal(e.Parties, []string{centre, county}) || !got[1].ActBy.IsZero() {
			t.Errorf("got %+v", e)
		}
		if n := len(after(t, s, centre, 0)); n != 1 {
			t.Errorf("centre: got %d; want 1", n)
		}
		if n := len(after(t, s, stranger, 0)); n != 0 {
			t.Errorf("stranger: got %d; want none", n)
		}
		if n := len(after(t, s, county, 1)); n != 1 {
			t.Errorf("after 1: got %d; want 1", n)
		}
	})
}

func TestSeqIsTheOrderOfCommits(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s := open(t, with)
		var all sync.WaitGroup
		stop := make(chan struct{})
		seen := map[int64]bool{}
		var reader sync.WaitGroup
		reader.Go(func() { // follows the log while it grows and must miss none
			last := int64(0)
			for done := false; ; {
				select {
				case <-stop:
					done = true
				default:
				}
				for _, e := range after(t, s, "", last) {
					seen[e.Seq], last = true, e.Seq
				}
				if done {
					return
				}
			}
		})
		for i := range 8 {
			all.Go(func() {
				for n := range 10 {
					raise(t, s, event.Event{Kind: "test.event", Focus: fmt.Sprintf("Task/%d-%d", i, n), Parties: []string{county}})
				}
			})
		}
		all.Wait()
		close(stop)
		reader.Wait()
		if len(seen) != 80 || !seen[1] || !seen[80] {
			t.Errorf("a reader that followed saw %d; want 80 without a gap", len(seen))
		}
	})
}

func TestHubTellsOnlyThoseConcerned(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s := open(t, with)
		raise(t, s, event.Event{Kind: "test.before", Parties: []string{county}})
		h := event.NewHub(s)
		running, stop := context.WithCancel(ctx)
		defer stop()
		ear, deaf := h.Listen(county), h.Listen(stranger)
		go h.Run(running)
		h.Started()
		raise(t, s, event.Event{Kind: "test.other", Parties: []string{centre}})
		raise(t, s, event.Event{Kind: "test.ours", Parties: []string{county}})
		select {
		case e := <-ear.C:
			if e.Kind != "test.ours" {
				t.Errorf("got %s; want test.ours", e.Kind)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nothing heard")
		}
		select {
		case e := <-deaf.C:
			t.Errorf("a stranger heard %s", e.Kind)
		default:
		}
		h.Leave(ear)
		stop()
		for range deaf.C { // closed when the hub ends
		}
	})
}

func TestNoticeText(t *testing.T) {
	b := event.NewBook(func(org string) string { return map[string]string{county: "县医院"}[org] })
	b.Add(event.Template{Kind: "referral.submit", Zh: "{urgency}转诊，请{actor}在 {due} 前接收", En: "{urgency} referral: {actor} receives it by {due}"})
	b.Say = func(key, code string) (zh, en string) {
		if key == "urgency" {
			return "急", "Urgent"
		}
		return "", ""
	}
	e := event.Event{Kind: "referral.submit", Patient: "Patient/1", ActBy: storetest.Start, Actor: county, Data: map[string]string{"urgency": "urgent"}}
	n := b.Notice(e, county)
	if n.Zh != "急转诊，请县医院在 03-02 16:00 前接收" || n.En != "Urgent referral: 县医院 receives it by 03-02 16:00" || !n.Mine || n.Line != "referral" {
		t.Errorf("got %+v", n)
	}
	if n := b.Notice(event.Event{Kind: "bedpool.late", Actor: county, ActBy: storetest.Start}, centre); !strings.Contains(n.Zh, "超时") || n.Mine {
		t.Errorf("a kind without its own text: got %+v; want the general text, not mine", n)
	}
	if n := b.Notice(event.Event{Kind: "x.y"}, centre); strings.ContainsAny(n.Zh+n.En, "{}") || strings.Contains(n.En, "Patient/1") {
		t.Errorf("got %+v; want no placeholder left", n)
	}
}

func TestUnread(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s := open(t, with)
		raise(t, s, event.Event{Kind: "test.old", Parties: []string{county}, At: storetest.Start.Add(-time.Hour)})
		see := func(seq int64) (unread int64) {
			t.Helper()
			after(t, s, county, 0)
			err := s.Update(ctx, func(tx *store.Tx) error {
				if err := event.See(ctx, tx, "lin", seq); err != nil {
					return err
				}
				seen, err := event.Seen(ctx, tx, "lin")
				if err != nil {
					return err
				}
				unread, err = event.Unread(ctx, tx, county, seen, storetest.Start, 100)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return unread
		}
		if got := see(0); got != 0 {
			t.Errorf("only an old one: got %d; want none", got)
		}
		for range 2 {
			raise(t, s, event.Event{Kind: "test.event", Parties: []string{county}})
		}
		if got := see(0); got != 2 {
			t.Errorf("nothing marked: got %d; want 2, not the old one", got)
		}
		if got := see(2); got != 1 {
			t.Errorf("after 2 of 3: got %d; want 1", got)
		}
		if got := see(1); got != 1 {
			t.Errorf("marking an older one again: got %d; want 1", got)
		}
	})
}

type queued struct {
	key     string
	payload []byte
}

func TestDeliveries(t *testing.T) {
	var body, signature string
	status := 200
	post := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body, signature = string(b), r.Header.Get("X-Xinglin-Signature")
		w.WriteHeader(status)
	}))
	defer post.Close()
	business := clock.At(storetest.Start)
	s := storetest.Memory(t, store.Options{Clock: business, Migrations: event.Migrations})
	var queue []queued
	d := &event.Dispatcher{Store: s, Book: event.NewBook(func(string) string { return "中心医院" }), Sender: event.NewSender("https://hub.example", nil),
		Enqueue: func(_ context.Context, _ *store.Tx, _, key string, _ time.Time, payload []byte) error {
			queue = append(queue, queued{key, payload})
			return nil
		}}
	err := s.Update(ctx, func(tx *store.Tx) error {
		for _, o := range []event.Outlet{
			{ID: "a", Org: centre, Kind: "webhook", URL: post.URL, Secret: "geheim", Enabled: true, Created: business.Now()},
			{ID: "b", Org: centre, Kind: "wecom", URL: post.URL, Secret: "geheim", Enabled: false, Created: business.Now()},
			{ID: "c", Org: stranger, Kind: "webhook", URL: post.URL, Secret: "geheim", Enabled: true, Created: business.Now()},
		} {
			if err := event.SaveOutlet(ctx, tx, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	due := business.Now().Add(time.Hour)
	raise(t, s, event.Event{Kind: "referral.submit", Focus: "Task/7", Patient: "Patient/1", Parties: []string{county, centre}, Actor: centre, ActBy: due, Data: map[string]string{"line": "referral"}})
	raise(t, s, event.Event{Kind: "referral.close", Focus: "Task/7", Patient: "Patient/1", Parties: []string{county, centre}})
	for range 3 {
		if err := d.Tick(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if len(queue) != 1 || queue[0].key != "a/1" {
		t.Fatalf("got %v; want one delivery: of what the centre must act on, to its enabled channel, once", queue)
	}
	if err := d.Deliver(ctx, queue[0].payload); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(body, "Patient") || !strings.Contains(body, "中心医院") || !strings.Contains(body, "https://hub.example/referral/Task/7") {
		t.Errorf("got %s", body)
	}
	stamp, _, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
	if signature != "t="+stamp+",v1="+event.Sign("geheim", stamp, []byte(body)) {
		t.Errorf("got signature %s", signature)
	}
	var posted event.Posted
	if err := json.Unmarshal([]byte(body), &posted); err != nil || posted.Due == nil || !posted.Due.Equal(due) {
		t.Errorf("got %+v, %v; want due %v", posted, err, due)
	}
	status = 503
	if err := d.Deliver(ctx, queue[0].payload); err == nil || errors.As(err, new(event.Rejected)) {
		t.Errorf("503: got %v; want an error that is worth repeating", err)
	}
	status = 404
	if err := d.Deliver(ctx, queue[0].payload); !errors.As(err, new(event.Rejected)) {
		t.Errorf("404: got %v; want Rejected", err)
	}
	status = 302
	if err := d.Deliver(ctx, queue[0].payload); !errors.As(err, new(event.Rejected)) {
		t.Errorf("a redirect: got %v; want Rejected, not followed", err)
	}
}

func TestOnlyAllowedHosts(t *testing.T) {
	s := event.NewSender("", []string{"sms.example"})
	for url, want := range map[string]string{
		"http://127.0.0.1:9/x": "", "http://[::1]:9/x": "", "http://localhost:9/": "", "https://sms.example/send": "",
		"https://other.example/":      "host-not-allowed",
		"http://10.0.0.5/":            "host-not-allowed",
		"http://169.254.169.254/":     "host-not-allowed",
		"file:///etc/passwd":          "bad-url",
		"http://user:pw@sms.example/": "bad-url",
		"":                            "bad-url",
	} {
		err := s.Check(event.Outlet{Kind: "webhook", URL: url})
		var fe *fhir.Error
		got := ""
		if errors.As(err, &fe) {
			got = fe.Issues[0].Detail
		}
		if got != want {
			t.Errorf("%s: got %q; want %q", url, got, want)
		}
	}
}
