package hubtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
)

func observation(id, patient string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"血压"},"subject":{"reference":"Patient/%s"}}`, id, patient)
}

// exporter is a program of an institution that takes whole sets.
type exporter struct {
	t     *testing.T
	h     *hubtest.Hub
	key   string
	token string
}

func newExporter(t *testing.T, h *hubtest.Hub, org string) *exporter {
	t.Helper()
	k, secret, err := h.Identity.NewToken(context.Background(), "his", []string{"system/*.rs"}, org, 100*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &exporter{t, h, k.ID, secret}
}

func (e *exporter) get(url string) (*http.Response, string) {
	e.t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+e.token)
	req.Header.Set("Prefer", "respond-async")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return res, string(body)
}

// here is an address of the hub as the test reaches it.
func (e *exporter) here(url string) string { return e.h.URL + url[strings.Index(url, "/fhir/"):] }

func (e *exporter) begin() (status string) {
	e.t.Helper()
	res, body := e.get(e.h.URL + "/fhir/$export?_type=Patient,Condition,Observation,ServiceRequest,Task")
	if res.StatusCode != 202 {
		e.t.Fatalf("export: %d %s", res.StatusCode, body)
	}
	return e.here(res.Header.Get("Content-Location"))
}

func (e *exporter) run() {
	e.t.Helper()
	for range 20 {
		if _, err := e.h.Jobs.Tick(context.Background()); err != nil {
			e.t.Fatal(err)
		}
	}
}

// told is all that the files of a finished export say now.
func (e *exporter) told(status string) string {
	e.t.Helper()
	res, body := e.get(status)
	if res.StatusCode != 200 {
		e.t.Fatalf("export: %d %s", res.StatusCode, body)
	}
	n, err := fhir.Parse([]byte(body))
	if err != nil {
		e.t.Fatal(err)
	}
	var all strings.Builder
	for _, o := range n.All("output") {
		res, body := e.get(e.here(o.Str("url")))
		if res.StatusCode != 200 {
			e.t.Fatalf("file: %d %s", res.StatusCode, body)
		}
		all.WriteString(body)
	}
	return all.String()
}

// A patient's refusal, and the end of what an agreement gave, stop an export that is under way and one whose files lie
// ready; the token's end stops both.
func TestWhatIsTakenBackLeavesAnExportThatRuns(t *testing.T) {
	const patient = `"id":"p0001"`
	for _, c := range []struct {
		name string
		end  func(t *testing.T, h *hubtest.Hub, task string)
	}{
		{"the patient refuses", func(t *testing.T, h *hubtest.Hub, task string) {
			a := h.Call(hubtest.Village, "POST", "/fhir/Consent", `{"resourceType":"Consent","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},"category":[{"text":"拒绝共享"}],
				"patient":{"reference":"Patient/p0001"},"dateTime":"2026-11-20","policyRule":{"text":"患者本人意愿"},"provision":{"type":"deny","actor":[{"role":{"text":"接收方"},"reference":{"reference":"Organization/centre"}}]}}`)
			if a.Status != 201 {
				t.Fatalf("consent: %d %s", a.Status, a.Body)
			}
		}},
		{"what was given ends", func(t *testing.T, h *hubtest.Hub, task string) {
			if err := h.Store.Update(context.Background(), func(tx *store.Tx) error {
				rights, err := tx.Rights(context.Background(), "Patient/p0001", tx.Now())
				for _, r := range rights {
					if err == nil && strings.HasPrefix(r.Party, "Organization/centre") {
						err = tx.Revoke(context.Background(), r.Source)
					}
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hubtest.New(t)
			centre, stranger := newExporter(t, h, "Organization/centre"), newExporter(t, h, "Organization/partner-1")
			a := h.Call(hubtest.Village, "POST", "/fhir/Task/$start", strings.Replace(referral("Patient/p0001"), "county-1", "centre", 1))
			if a.Status != 201 {
				t.Fatalf("start: %d %s", a.Status, a.Body)
			}
			ready, of := centre.begin(), stranger.begin()
			centre.run()
			if got := centre.told(ready); !strings.Contains(got, patient) {
				t.Fatalf("while it was given the file lacks the patient: %.300s", got)
			}
			if got := stranger.told(of); strings.Contains(got, "p0001") {
				t.Errorf("a stranger's file: %.300s", got)
			}
			running := centre.begin()
			c.end(t, h, "")
			centre.run()
			for name, status := range map[string]string{"ready before": ready, "under way": running} {
				if got := centre.told(status); strings.Contains(got, patient) {
					t.Errorf("%s: the patient is still told", name)
				}
			}
			last := centre.begin()
			if err := h.Identity.RevokeToken(context.Background(), centre.key); err != nil {
				t.Fatal(err)
			}
			centre.run()
			for _, status := range []string{ready, running, last} {
				if res, body := centre.get(status); res.StatusCode != 401 {
					t.Errorf("with a token that was taken back: %d %.200s", res.StatusCode, body)
				}
			}
		})
	}
}

// What somebody opened by breaking glass is told to his subscription while it is open. When the second look closes it,
// or the clock does, what waits to be delivered is told no more, and nothing new.
func TestWhatIsClosedIsToldNoSubscription(t *testing.T) {
	for _, c := range []struct {
		name  string
		close func(t *testing.T, h *hubtest.Hub)
	}{
		{"by the second look", func(t *testing.T, h *hubtest.Hub) {
			list := struct {
				Rows []struct{ Task string }
			}{}
			h.Call(hubtest.Stranger, "GET", "/api/lines/secondlook/worklist?view=out", "").JSON(t, &list)
			if len(list.Rows) != 1 {
				t.Fatalf("second looks: %v", list.Rows)
			}
			ctx := h.AsPerson(h.Region.Institution("group").Who("leader", ""))
			if _, err := h.Runner.Do(ctx, hubtest.Do(strings.TrimPrefix(list.Rows[0].Task, "Task/"), "reject", "note", "无紧急情形")); err != nil {
				t.Fatal(err)
			}
		}},
		{"by the clock", func(t *testing.T, h *hubtest.Hub) { h.Clock.Turn(73 * time.Hour) }},
		{"by whoever shuts it", func(t *testing.T, h *hubtest.Hub) {
			ctx := context.Background()
			err := h.Store.Update(ctx, func(tx *store.Tx) error {
				id := ""
				err := tx.Query(ctx, "SELECT id FROM access_reason WHERE kind = ?", []any{access.BreakGlass}, func(scan func(...any) error) error { return scan(&id) })
				if err != nil {
					return err
				}
				return access.Shut(ctx, tx, access.BreakGlass, id)
			})
			if err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hubtest.Open(t, server.Options{Memory: true, Hooks: []string{"127.0.0.1"}})
			tick := func() {
				t.Helper()
				for range 3 {
					if err := h.Subscriptions.Tick(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			}
			put := func(id string) {
				t.Helper()
				if a := h.Call(hubtest.Village, "PUT", "/fhir/Observation/"+id, observation(id, "p0001")); a.Status != 201 {
					t.Fatalf("%s: %d %s", id, a.Status, a.Body)
				}
			}
			stranger := newHIS(t)
			wanted := fmt.Sprintf(`{"resourceType":"Subscription","id":"looks","status":"requested","reason":"x","criteria":"Observation?status=final","channel":{"type":"rest-hook","endpoint":"%s/hook","payload":"application/fhir+json"}}`, stranger.URL)
			if a := h.Call(hubtest.Stranger, "PUT", "/fhir/Subscription/looks", wanted); a.Status != 201 {
				t.Fatalf("subscribe: %d %s", a.Status, a.Body)
			}
			tick()
			put("before")
			tick()
			if got := stranger.take(); len(got) > 0 {
				t.Fatalf("a stranger was told: %v", got)
			}
			if a := h.Call(hubtest.Stranger, "POST", "/fhir/Patient/$break-glass", hubtest.Ask("reason", "emergency", "text", "昏迷，需了解既往史", "patient", "Patient/p0001")); a.Status != 200 {
				t.Fatalf("break glass: %d %s", a.Status, a.Body)
			}
			put("open")
			tick()
			if got := strings.Join(stranger.take(), "\n"); !strings.Contains(got, `"id":"open"`) {
				t.Fatalf("while it is open: got %q", got)
			}
			stranger.breaks(true)
			put("waits")
			tick()
			c.close(t, h)
			stranger.breaks(false)
			put("after")
			for range 4 {
				h.Clock.Turn(10 * time.Minute)
				tick()
			}
			if got := strings.Join(stranger.take(), "\n"); strings.Contains(got, "waits") || strings.Contains(got, "after") || strings.Contains(got, "p0001") {
				t.Errorf("after it was closed: got %q", got)
			}
		})
	}
}
