package hubtest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/hubtest"
)

func TestASimulationIsItsAskersAndNamesNobody(t *testing.T) {
	h := hubtest.New(t)
	const small = `{"source":"region","days":14,"seeds":2,"policies":["own","pool"],"reserves":[0,5]}`
	if a := h.Call("", "POST", "/api/beds/simulate", small); a.Status != 401 {
		t.Errorf("nobody: got %d; want 401", a.Status)
	}
	if a := h.Call(hubtest.CentreReceiver, "POST", "/api/beds/simulate", small); a.Status != 403 || !strings.Contains(string(a.Body), "not-your-simulation") {
		t.Errorf("a doctor: got %d %s; want 403 not-your-simulation", a.Status, a.Body)
	}
	for body, code := range map[string]string{
		`{"source":"elsewhere"}`:   "bad-source",
		`{"days":100000}`:          "bad-days",
		`{"seeds":1000}`:           "bad-seeds",
		`{"load":7}`:               "bad-load",
		`{"policies":["none"]}`:    "bad-policies",
		`{"reserves":[-1]}`:        "bad-reserves",
		`{"days":1100,"seeds":60}`: "too-much-to-simulate",
		`{"source":"history"}`:     "bad-pool",
		`{"source":"history","pool":"Organization/nowhere"}`: "not-found",
	} {
		if a := h.Call(hubtest.Administrator, "POST", "/api/beds/simulate", body); a.Status < 400 || !strings.Contains(string(a.Body), code) {
			t.Errorf("%s: got %d %s; want %s", body, a.Status, a.Body, code)
		}
	}

	var one struct {
		ID, State string
		Done, Of  int
		Report    *struct {
			Settings []struct{ Policies []struct{ Policy string } }
		}
	}
	a := h.Call(hubtest.Administrator, "POST", "/api/beds/simulate", small)
	if a.Status != 202 {
		t.Fatalf("begin: got %d %s; want 202", a.Status, a.Body)
	}
	a.JSON(t, &one)
	place := a.Header.Get("Location")
	for end := time.Now().Add(time.Minute); one.State == "waiting" || one.State == "running"; {
		if a = h.Call(hubtest.Administrator, "GET", place, ""); a.Status != 200 || time.Now().After(end) {
			t.Fatalf("show: got %d %s", a.Status, a.Body)
		}
		a.JSON(t, &one)
	}
	if one.State != "done" || one.Done != 8 || one.Of != 8 || one.Report == nil || len(one.Report.Settings) != 2 || len(one.Report.Settings[0].Policies) != 2 {
		t.Errorf("got %s", a.Body)
	}
	for _, part := range []string{"Patient/", "Location/", "Organization/"} {
		if strings.Contains(string(a.Body), part) {
			t.Errorf("the answer holds %s", part)
		}
	}
	if other := h.Call(hubtest.Affairs, "GET", place, ""); other.Status != 404 {
		t.Errorf("somebody else: got %d; want 404", other.Status)
	}
	if list := h.Call(hubtest.Affairs, "GET", "/api/beds/simulate", ""); list.Status != 200 || strings.Contains(string(list.Body), one.ID) {
		t.Errorf("somebody else's list: got %d %s", list.Status, list.Body)
	}

	const large = `{"days":1000,"seeds":10,"policies":["weighted"],"reserves":[0]}`
	if a = h.Call(hubtest.Administrator, "POST", "/api/beds/simulate", large); a.Status != 202 {
		t.Fatalf("begin a long one: got %d %s", a.Status, a.Body)
	}
	place = a.Header.Get("Location")
	if again := h.Call(hubtest.Administrator, "POST", "/api/beds/simulate", small); again.Status != 409 {
		t.Errorf("a second at once: got %d %s; want 409", again.Status, again.Body)
	}
	if stop := h.Call(hubtest.Administrator, "DELETE", place, ""); stop.Status != 204 {
		t.Errorf("stop: got %d %s; want 204", stop.Status, stop.Body)
	}
	for end := time.Now().Add(time.Minute); ; {
		a = h.Call(hubtest.Administrator, "GET", place, "")
		a.JSON(t, &one)
		if one.State == "cancelled" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after stopping: got %s", a.Body)
		}
	}
}
