package hubtest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/store"
)

func TestBedsOverHTTP(t *testing.T) {
	h := withBeds(t)
	var p struct{ ID string }
	h.Call(CentreReceiver, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"杜候床"}],"gender":"male","birthDate":"1961-04-05"}`, "Prefer", "return=representation").JSON(t, &p)
	task := h.asks("Patient/" + p.ID)
	desk := h.as("bed-desk", "centre")
	h.must(desk, task, "hold-bed", "bed", "Location/p-cardiology-1-1", "expected", "2026-11-20T11:00:00+08:00")
	if n, err := h.Beds.Report(context.Background(), h.Store); err != nil || n != 1 {
		t.Fatalf("got %d reports, %v; want 1", n, err)
	}
	h.Run([]Scenario{
		{Name: "the heart doctor sees her patient on the board", As: CentreReceiver, URL: "/api/beds/board", Status: 200, Content: []string{"p-cardiology-1-1", `"state":"held"`, `"occupant"`, task}, Audit: 1},
		{Name: "and on the list", As: CentreReceiver, URL: "/api/beds/waiting", Status: 200, Content: []string{task, `"booking"`}, Audit: 1},
		{Name: "a stranger sees no board of the centre", As: Stranger, URL: "/api/beds/board?pool=Organization/centre", Status: 404, NotContent: []string{"p-cardiology", "beds\":"}, Audit: -1},
		{Name: "no waiting list", As: Stranger, URL: "/api/beds/waiting?pool=Organization/centre", Status: 404, NotContent: []string{"total", "Task/"}, Audit: -1},
		{Name: "no proposals", As: Stranger, URL: "/api/beds/proposals?pool=Organization/centre", Status: 404, NotContent: []string{"Task/"}, Audit: -1},
		{Name: "no names", As: Stranger, URL: "/api/beds/names?pool=Organization/centre&ward=Location/w-cardiology", Status: 404, NotContent: []string{"names", "Patient/"}, Audit: -1},
		{Name: "no rules", As: Stranger, URL: "/api/beds/rules?pool=Organization/centre", Status: 404, NotContent: []string{"rules", "history"}, Audit: -1},
		{Name: "no figures", As: Stranger, URL: "/api/beds/leader?pool=Organization/centre", Status: 404, NotContent: []string{"wards"}, Audit: -1},
		{Name: "and no reasons", As: Stranger, URL: "/api/beds/why?pool=Organization/centre&task=" + task, Status: 404, NotContent: []string{"fits"}, Audit: -1},
		{Name: "a stranger's own pool is empty", As: Stranger, URL: "/api/beds/pools", Status: 200, NotContent: []string{"centre"}, Audit: -1},
		{Name: "he finds in the directory what the centre can take", As: Stranger, URL: "/api/beds/directory?specialty=cardiology", Status: 200, Content: []string{"Organization/centre", `"free":1`, `"beds":2`}, NotContent: []string{"Task/", "Patient/"}, Audit: -1},
		{Name: "and by FHIR", As: Stranger, URL: "/fhir/MeasureReport?measure=https://xinglin.health/fhir/Measure/bed-capacity", Status: 200, Content: []string{"bed-capacity-centre"}, NotContent: []string{"Patient/"}, Audit: -1},
		{Name: "an auditor sees no board", As: Auditor, URL: "/api/beds/board", Status: 403, NotContent: []string{"p-cardiology"}, Audit: -1},
		{Name: "nobody writes the state of a bed by hand", As: Administrator, Method: http.MethodPut, URL: "/fhir/Location/p-cardiology-1-1", Status: 422, Content: []string{"only-by-booking"}, Audit: -1,
			Body: strings.ReplaceAll(string(h.node("Location/p-cardiology-1-1").JSON()), `"held"`, `"free"`)},
		{Name: "an administrator sets a rule", As: Administrator, Method: http.MethodPut, URL: "/api/beds/rules", Body: `{"code":"cleaningMinutes","value":{"general":15},"reason":"新流程"}`, Status: 200, Audit: 1},
	})
	h.view(func(ctx context.Context, tx *store.Tx) error {
		for party, want := range map[string]bool{"Organization/centre": false, "Organization/centre#beds": true} {
			events, err := event.After(ctx, tx, party, 0, 1000)
			if err != nil {
				return err
			}
			got := false
			for _, e := range events {
				got = got || e.Kind == "booking.held" || e.Kind == "beds.state"
			}
			if got != want {
				t.Errorf("%s hears of holds: got %v; want %v", party, got, want)
			}
		}
		return nil
	})
}
