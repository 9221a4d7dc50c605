package hubtest_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/hubtest"
)

// inRole asks as somebody in a role at an institution who has no account.
func inRole(h *hubtest.Hub, role, org, method, url string) (int, string) {
	c := &access.Caller{User: role + "@" + org, Name: role, Role: access.Role(role), Org: "Organization/" + org}
	h.Tree.Settle(c)
	rec := httptest.NewRecorder()
	h.Inside().ServeHTTP(rec, httptest.NewRequest(method, url, nil).WithContext(access.With(context.Background(), c)))
	return rec.Code, rec.Body.String()
}

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
	if _, err := h.Slow.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	a = h.Call(hubtest.Administrator, "GET", place, "")
	a.JSON(t, &one)
	if one.State != "done" || one.Done != 8 || one.Of != 8 || one.Report == nil || len(one.Report.Settings) != 2 || len(one.Report.Settings[0].Policies) != 2 {
		t.Errorf("got %s", a.Body)
	}
	for _, part := range []string{"Patient/", "Location/", "Organization/"} {
		if strings.Contains(string(a.Body), part) {
			t.Errorf("the answer holds %s", part)
		}
	}
	if code, body := inRole(h, "leader", "county-1", "GET", place); code != 404 {
		t.Errorf("of another institution: got %d %s; want 404", code, body)
	}
	if _, list := inRole(h, "leader", "county-1", "GET", "/api/beds/simulate"); strings.Contains(list, one.ID) {
		t.Errorf("of another institution, the list: got %s", list)
	}
	if list := h.Call(hubtest.Affairs, "GET", "/api/beds/simulate", ""); !strings.Contains(string(list.Body), one.ID) || !strings.Contains(string(list.Body), `"mine":false`) {
		t.Errorf("a colleague's list: got %d %s", list.Status, list.Body)
	}
	if list := h.Call(hubtest.Administrator, "GET", "/api/beds/simulate", ""); !strings.Contains(string(list.Body), one.ID) || strings.Contains(string(list.Body), "figures") || !strings.Contains(string(list.Body), `"mine":true`) {
		t.Errorf("one's own list: got %s", list.Body)
	}

	// of an institution: its own people and those above it see who asked what; only who asked may stop it
	const large = `{"days":1000,"seeds":10,"policies":["weighted"],"reserves":[0]}`
	if a = h.Call(hubtest.Affairs, "POST", "/api/beds/simulate", large); a.Status != 202 {
		t.Fatalf("begin a long one: got %d %s", a.Status, a.Body)
	}
	place = a.Header.Get("Location")
	if again := h.Call(hubtest.Affairs, "POST", "/api/beds/simulate", small); again.Status != 409 {
		t.Errorf("a second at once: got %d %s; want 409", again.Status, again.Body)
	}
	for who, want := range map[string]int{"": 401, hubtest.CentreReceiver: 403, hubtest.Stranger: 403, hubtest.Administrator: 200, hubtest.Affairs: 200} {
		if a := h.Call(who, "GET", place, ""); a.Status != want {
			t.Errorf("%q looks: got %d %s; want %d", who, a.Status, a.Body, want)
		}
	}
	for role, want := range map[[2]string]int{{"bed-desk", "centre"}: 200, {"leader", "centre"}: 200, {"leader", "county-1"}: 404, {"bed-desk", "partner-1"}: 404} {
		code, body := inRole(h, role[0], role[1], "GET", place)
		if code != want {
			t.Errorf("%v looks: got %d %s; want %d", role, code, body, want)
		}
		if _, list := inRole(h, role[0], role[1], "GET", "/api/beds/simulate"); strings.Contains(list, strings.TrimPrefix(place, "/api/beds/simulate/")) != (want == 200) {
			t.Errorf("%v lists: got %s", role, list)
		}
	}
	if stop := h.Call(hubtest.Administrator, "DELETE", place, ""); stop.Status != 403 {
		t.Errorf("somebody else stops it: got %d %s; want 403", stop.Status, stop.Body)
	}
	if stop := h.Call(hubtest.Affairs, "DELETE", place, ""); stop.Status != 204 {
		t.Errorf("stop: got %d %s; want 204", stop.Status, stop.Body)
	}
	if _, err := h.Slow.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	a = h.Call(hubtest.Affairs, "GET", place, "")
	if a.JSON(t, &one); one.State != "cancelled" || one.Done != 0 {
		t.Errorf("after stopping: got %s", a.Body)
	}
}
