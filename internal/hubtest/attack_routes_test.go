package hubtest_test

import (
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/hubtest"
)

// open are the routes that answer somebody who is not logged in, each with its reason.
var open = map[string]string{
	"GET /api/login":                  "it says how one may log in",
	"POST /api/login":                 "it is how one logs in",
	"POST /api/login/second":          "and its second step; TestLoginsFromOtherSites",
	"POST /api/login/passkey":         "and by passkey",
	"POST /api/login/passkey/ask":     "and by passkey",
	"GET /api/login/with/{slug}":      "and at a hospital's own login",
	"GET /api/login/with/{slug}/back": "and the way back from there",
	"POST /api/logout":                "who is out is out",
}

// routes reads from the source which addresses the page's API has, so that none is forgotten here.
func routes(t *testing.T) (list []string) {
	t.Helper()
	files, err := filepath.Glob("../api/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	pattern := regexp.MustCompile(`"((?:GET|POST|PUT|PATCH|DELETE) /api/[^"]*)"`)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllStringSubmatch(string(source), -1) {
			list = append(list, m[1])
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

var hole = regexp.MustCompile(`\{([a-z]+)(?:\.\.\.)?\}`)

// fill puts an id into every hole of a route.
func fill(route, id string) (method, url string) {
	method, url, _ = strings.Cut(route, " ")
	return method, hole.ReplaceAllStringFunc(url, func(h string) string {
		if name := hole.FindStringSubmatch(h)[1]; name == "slug" {
			return "referral"
		}
		return id
	})
}

// Whoever is not logged in learns nothing at any address, not even whether it exists.
func TestEveryAddressAsksWhoIsThere(t *testing.T) {
	h := hubtest.New(t)
	all := routes(t)
	if len(all) < 30 {
		t.Fatalf("found only %d routes: %v", len(all), all)
	}
	for _, route := range all {
		method, url := fill(route, "p0001")
		if open[route] != "" {
			continue
		}
		body := ""
		if method != "GET" {
			body = "{}"
		}
		a := h.Call("", method, url, body)
		if a.Status != 401 && a.Status != 403 {
			t.Errorf("%s as nobody: got %d %.200s; want 401", route, a.Status, a.Body)
		}
	}
	for _, url := range []string{"/fhir/Patient", "/fhir/Patient/p0001", "/fhir/Patient/p0001/_history", "/fhir/Patient/p0001/$everything", "/fhir/Task", "/fhir?_type=Patient", "/fhir/AuditEvent", "/fhir/Binary/x", "/fhir/ws", "/metrics/../fhir/Patient"} {
		if a := h.Call("", "GET", url, ""); a.Status == 200 && !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s as nobody: got %d %.200s", url, a.Status, a.Body)
		}
	}
}

// Every change that a browser's session makes carries the token that only our own page knows.
func TestNoAddressChangesAnythingWithoutTheTokenOfItsPage(t *testing.T) {
	h := hubtest.New(t)
	browser := session(t, h, hubtest.CountyDoctor)
	for _, route := range append(routes(t), "POST /fhir", "POST /fhir/Patient", "PUT /fhir/Patient/p0001", "PATCH /fhir/Patient/p0001", "DELETE /fhir/Patient/p0001", "POST /fhir/Task/$start", "POST /fhir/Patient/_search") {
		method, url := fill(route, "p0001")
		if method == "GET" || open[route] != "" {
			continue
		}
		for _, trick := range []struct {
			name, kind, token, origin string
		}{{"a form", "application/x-www-form-urlencoded", "", ""}, {"plain text", "text/plain", "", ""}, {"JSON", "application/json", "", "https://evil.example"}, {"another's token", "application/json", strings.Repeat("0", 64), ""}} {
			req, _ := http.NewRequest(method, h.URL+url, strings.NewReader(`{"a":1}`))
			req.Header.Set("Content-Type", trick.kind)
			if trick.origin != "" {
				req.Header.Set("Origin", trick.origin)
			}
			if trick.token != "" {
				req.Header.Set("X-CSRF-Token", trick.token)
			}
			res, err := browser.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != 403 && (res.StatusCode != 401 || trick.origin == "") { // from elsewhere the session does not even count
				t.Errorf("%s by %s: got %d; want 403", route, trick.name, res.StatusCode)
			}
			if res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s answers another origin: %q", route, res.Header.Get("Access-Control-Allow-Origin"))
			}
		}
	}
}

// session is a browser that is logged in and does not know its token.
func session(t *testing.T, h *hubtest.Hub, username string) *http.Client {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar}
	res, err := c.Post(h.URL+"/api/login", "application/json", strings.NewReader(`{"username":"`+username+`","password":"Xinglin-demo-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("login %s: %d", username, res.StatusCode)
	}
	return c
}

// A stranger who knows the ids of another institution's records gets nothing by them, wherever he puts them.
func TestForeignIDsOpenNothing(t *testing.T) {
	h := hubtest.New(t)
	begun := h.Call(hubtest.Village, "POST", "/fhir/Task/$start", referral("Patient/p0001"))
	if begun.Status != 201 {
		t.Fatalf("start: %d %s", begun.Status, begun.Body)
	}
	var task struct {
		ID    string
		Focus struct{ Reference string }
	}
	begun.JSON(t, &task)
	request := strings.TrimPrefix(task.Focus.Reference, "ServiceRequest/")
	secrets := []string{`"p0001"`, "Patient/p0001"}
	var patient struct {
		Name      []struct{ Text string }
		BirthDate string
	}
	h.Call(hubtest.Village, "GET", "/fhir/Patient/p0001", "").JSON(t, &patient)
	secrets = append(secrets, patient.Name[0].Text)
	for _, as := range []string{hubtest.Stranger, hubtest.Administrator} {
		for _, id := range []string{"p0001", task.ID, request, "Patient%2Fp0001"} {
			for _, route := range routes(t) {
				method, url := fill(route, id)
				if url == "/api/logout" || url == "/api/stream" || route == "POST /api/login" {
					continue
				}
				if url == strings.Split(route, " ")[1] && method == "GET" {
					url += "?patient=" + id + "&id=" + id + "&q=" + id
				}
				body := ""
				if method != "GET" {
					body = `{"patient":"Patient/` + id + `","reason":"x","text":"x","id":"` + id + `"}`
				}
				a := h.Call(as, method, url, body)
				if a.Status >= 500 {
					t.Errorf("%s %s as %s: got %d %.300s", method, url, as, a.Status, a.Body)
				}
				leaks(t, as, route, a, id, secrets)
			}
			for _, typ := range []string{"Patient", "Task", "ServiceRequest"} {
				for _, tail := range []string{"", "/_history", "/_history/1", "/$everything", "/Observation", "/$meta", "/$lastn", "/$export"} {
					a := h.Call(as, "GET", "/fhir/"+typ+"/"+id+tail, "")
					if a.Status == 200 && !strings.Contains(string(a.Body), `"total":0`) && !strings.Contains(string(a.Body), `"type":"searchset"`) {
						t.Errorf("GET %s/%s%s as %s: got %d %.300s", typ, id, tail, as, a.Status, a.Body)
					}
					leaks(t, as, "GET "+typ+tail, a, id, secrets)
				}
				// A delete of what one cannot see is answered as one of what is not there.
				if a, none := h.Call(as, "DELETE", "/fhir/"+typ+"/"+id, ""), h.Call(as, "DELETE", "/fhir/"+typ+"/nobody-has-this", ""); a.Status != none.Status && a.Status != 404 {
					t.Errorf("DELETE %s/%s as %s: got %d; of an unknown id %d", typ, id, as, a.Status, none.Status)
				}
				patch := `[{"op":"replace","path":"/status","value":"completed"}]`
				if a := h.Call(as, "PATCH", "/fhir/"+typ+"/"+id, patch, "Content-Type", "application/json-patch+json"); a.Status < 400 {
					t.Errorf("PATCH %s/%s as %s: got %d %.200s", typ, id, as, a.Status, a.Body)
				}
			}
		}
	}
	for _, ref := range []string{"Patient/p0001", "Task/" + task.ID, "ServiceRequest/" + request} {
		typ, id, _ := strings.Cut(ref, "/")
		if a := h.Call(hubtest.Stranger, "PUT", "/fhir/"+ref, `{"resourceType":"`+typ+`","id":"`+id+`"}`); a.Status < 400 {
			t.Errorf("PUT %s: got %d %.200s", ref, a.Status, a.Body)
		}
	}
	// and it is all still there
	if a := h.Call(hubtest.Village, "GET", "/fhir/Patient/p0001", ""); a.Status != 200 || !strings.Contains(string(a.Body), patient.Name[0].Text) {
		t.Errorf("after the attack: %d %.200s", a.Status, a.Body)
	}
}

// leaks reports what an answer tells beyond the id that was asked for.
func leaks(t *testing.T, as, where string, a hubtest.Answer, asked string, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(s, "p0001") && strings.Contains(asked, "p0001") {
			continue // the asker's own words may come back
		}
		if strings.Contains(string(a.Body), s) {
			t.Errorf("%s as %s tells %q: %d %.400s", where, as, s, a.Status, a.Body)
		}
	}
}
