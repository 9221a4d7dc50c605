package hubtest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
)

// bearer sends a request with a token and nothing else.
func bearer(t *testing.T, h *hubtest.Hub, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, h.URL+url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(got)
}

func TestATokenWorksOnlyAsItWasGiven(t *testing.T) {
	h := hubtest.New(t)
	ctx := context.Background()
	token := func(org string, life time.Duration, scopes ...string) (string, string) {
		t.Helper()
		k, secret, err := h.Identity.NewToken(ctx, "lab", scopes, org, life)
		if err != nil {
			t.Fatal(err)
		}
		return k.ID, secret
	}
	_, reader := token("Organization/county-1", time.Hour, "system/Observation.rs")
	_, foreign := token("Organization/partner-1", time.Hour, "system/*.cruds")
	gone, revoked := token("Organization/county-1", time.Hour, "system/*.rs")
	if err := h.Identity.RevokeToken(ctx, gone); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, url, token, body string
		want                           []int
	}{
		{"a token does what its scope says", "GET", "/fhir/Observation?_count=1", reader, "", []int{200}},
		{"no more types", "GET", "/fhir/Patient?_count=1", reader, "", []int{200, 403}},
		{"no writing", "POST", "/fhir/Observation", reader, `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, []int{403}},
		{"no list of people", "GET", "/api/patients?q=p", reader, "", []int{200, 401, 403}},
		{"no administration", "GET", "/api/admin/users", foreign, "", []int{401, 403}},
		{"not in the address", "GET", "/fhir/Observation?access_token=" + reader, "", "", []int{401}},
		{"not when it was revoked", "GET", "/fhir/Observation", revoked, "", []int{401}},
		{"not with another letter", "GET", "/fhir/Observation", reader[:len(reader)-1] + "!", "", []int{401}},
		{"not without its beginning", "GET", "/fhir/Observation", strings.TrimPrefix(reader, "xl_"), "", []int{401}},
		{"not twice in one header", "GET", "/fhir/Observation", reader + ", Bearer " + reader, "", []int{401}},
		{"another's patient is not there", "GET", "/fhir/Patient/p0001", foreign, "", []int{404}},
		{"an unsigned JSON web token opens nothing", "GET", "/fhir/Observation", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJndWFubGkiLCJzY29wZSI6InN5c3RlbS8qLioifQ.", "", []int{401}},
	} {
		status, body := bearer(t, h, c.method, c.url, c.token, c.body)
		ok := false
		for _, want := range c.want {
			ok = ok || status == want
		}
		if !ok || c.token == reader && (strings.Contains(body, `"resourceType":"Patient"`) || strings.Contains(body, `"birthDate"`)) {
			t.Errorf("%s: got %d %.200s; want %v", c.name, status, body, c.want)
		}
	}
	// The cookie of a session is no token, and a token is no cookie.
	req, _ := http.NewRequest("GET", h.URL+"/fhir/Observation", nil)
	req.Header.Set("Cookie", "xinglin_session="+reader)
	if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != 401 {
		t.Errorf("token as a cookie: got %v %v", res, err)
	}
	// Sent with a session, a bad token is not forgiven for the session's sake.
	doctor := session(t, h, hubtest.CountyDoctor)
	req, _ = http.NewRequest("GET", h.URL+"/fhir/Patient", nil)
	req.Header.Set("Authorization", "Bearer xl_wrong")
	if res, err := doctor.Do(req); err != nil || res.StatusCode != 401 {
		t.Errorf("a bad token beside a session: got %v %v", res.Status, err)
	}
}

// What the store gives itself cannot be given by a writer.
func TestAWriterCannotSayWhoseOrWhichVersionItIs(t *testing.T) {
	h := hubtest.New(t)
	_, secret, err := h.Identity.NewToken(context.Background(), "his", []string{"system/*.cruds"}, "Organization/partner-1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	status, body := bearer(t, h, "POST", "/fhir/Patient", secret, `{"resourceType":"Patient","id":"p0002","meta":{"versionId":"77","lastUpdated":"1999-01-01T00:00:00Z","source":"urn:x"},
		"managingOrganization":{"reference":"Organization/county-1"},"name":[{"text":"改写"}]}`)
	if status != 201 || strings.Contains(body, `"id":"p0002"`) || !strings.Contains(body, `"versionId":"1"`) || strings.Contains(body, "1999-01-01") {
		t.Errorf("a create chose its own id, version or date: %d %s", status, body)
	}
	var made struct{ ID string }
	hubtest.Answer{Body: []byte(body)}.JSON(t, &made)
	// It is the writer's own, whatever it says of another hospital.
	if a := h.Call(hubtest.CountyDoctor, "GET", "/fhir/Patient/"+made.ID, ""); a.Status != 404 {
		t.Errorf("managingOrganization made a grant: %d %s", a.Status, a.Body)
	}
	// What names another hospital's patient is refused and gives nothing.
	for _, resource := range []string{
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p0001"}}`,
		`{"resourceType":"Encounter","status":"in-progress","class":{"code":"IMP"},"subject":{"reference":"Patient/p0001"},"serviceProvider":{"reference":"Organization/partner-1"}}`,
		`{"resourceType":"CareTeam","status":"active","subject":{"reference":"Patient/p0001"},"participant":[{"member":{"reference":"Organization/partner-1"}}]}`,
		`{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"text":"x"}],"patient":{"reference":"Patient/p0001"},"policy":[{"uri":"urn:x"}],"provision":{"type":"permit","actor":[{"role":{"text":"x"},"reference":{"reference":"Organization/partner-1"}}]}}`,
		`{"resourceType":"Task","status":"requested","intent":"order","for":{"reference":"Patient/p0001"},"requester":{"reference":"Organization/county-1"},"owner":{"reference":"Organization/partner-1"}}`,
		`{"resourceType":"Appointment","status":"booked","participant":[{"actor":{"reference":"Patient/p0001"},"status":"accepted"},{"actor":{"reference":"Organization/partner-1"},"status":"accepted"}]}`,
		`{"resourceType":"RelatedPerson","patient":{"reference":"Patient/p0001"}}`,
		`{"resourceType":"EpisodeOfCare","status":"active","patient":{"reference":"Patient/p0001"},"managingOrganization":{"reference":"Organization/partner-1"}}`,
		`{"resourceType":"List","status":"current","mode":"working","subject":{"reference":"Patient/p0001"},"entry":[{"item":{"reference":"Patient/p0001"}}]}`,
		`{"resourceType":"Group","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p0001"}}]}`,
		`{"resourceType":"Patient","link":[{"other":{"reference":"Patient/p0001"},"type":"seealso"}]}`,
	} {
		status, body := bearer(t, h, "POST", "/fhir/"+strings.Split(resource, `"`)[3], secret, resource)
		if status < 400 {
			t.Errorf("%.60s: got %d %.200s", resource, status, body)
		}
		if status, body := bearer(t, h, "GET", "/fhir/Patient/p0001", secret, ""); status != 404 {
			t.Fatalf("%.60s opened the patient: %d %.200s", resource, status, body)
		}
	}
}

func TestTricksInPathsLeadNowhere(t *testing.T) {
	h := hubtest.New(t)
	for _, path := range []string{"/fhir/../api/me", "/fhir/%2e%2e/api/me", "/fhir/Patient/%2e%2e%2fObservation", "/fhir/Patient/..", "/fhir/Patient/p0001%00", "/fhir/Patient/p0001%0d%0aX-Evil:%201",
		"/api/files/..%2f..%2fxinglin.db", "/api/files/%2e%2e%2fhub.key", "/api/uploads/..%2f..%2fhub.key", "/assets/../../etc/passwd", "/assets/..%2f..%2fetc%2fpasswd", "//etc/passwd", "/fhir//Patient", "/api//me",
		"/fhir/Patient/" + strings.Repeat("a", 65), "/fhir/" + strings.Repeat("A", 5000), "/fhir/Patient?" + strings.Repeat("name=x&", 3000), "/fhir/Binary/..%2f..%2fhub.key", "/fhir/$export-file/..%2f..%2fhub.key"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path) // as it is: a client would clean it
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		body, _ := io.ReadAll(res.Body)
		conn.Close()
		if res.Header.Get("X-Evil") != "" || bytes.Contains(body, []byte("root:")) || bytes.Contains(body, []byte("SQLite format")) || res.StatusCode >= 500 {
			t.Errorf("%.80s: got %d %.200s", path, res.StatusCode, body)
		}
		if res.StatusCode == 200 && !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%.80s: got 200 %s %.200s", path, res.Header.Get("Content-Type"), body)
		}
	}
}

func TestBombsAreRefusedAndCostLittle(t *testing.T) {
	h := hubtest.New(t)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write([]byte(`{"resourceType":"Basic","code":{"text":"`))
	for range 300 {
		z.Write(bytes.Repeat([]byte("a"), 1<<20))
	}
	z.Write([]byte(`"}}`))
	z.Close()
	deep := `{"resourceType":"Basic","code":{"text":"x"},"extension":` + strings.Repeat(`[{"url":"u","extension":`, 20000) + `[]` + strings.Repeat(`}]`, 20000) + `}`
	laughs := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]><Patient xmlns="http://hl7.org/fhir"><id value="&lol2;"/></Patient>`
	outside := `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><id value="&e;"/></Patient>`
	for _, c := range []struct {
		name, url, body string
		header          []string
	}{
		{"a packed body of 300 MB", "/fhir/Basic", bomb.String(), []string{"Content-Encoding", "gzip"}},
		{"twenty thousand levels", "/fhir/Basic", deep, nil},
		{"a number of a million digits", "/fhir/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1` + strings.Repeat("0", 1_000_000) + `}}`, nil},
		{"one name twice", "/fhir/Basic", `{"resourceType":"Basic","resourceType":"Patient","code":{"text":"x"}}`, nil},
		{"half a surrogate", "/fhir/Basic", `{"resourceType":"Basic","code":{"text":"\ud800"}}`, nil},
		{"no UTF-8", "/fhir/Basic", "{\"resourceType\":\"Basic\",\"code\":{\"text\":\"\xff\xfe\"}}", nil},
		{"a zero byte", "/fhir/Basic", `{"resourceType":"Basic","code":{"text":"\u0000"}}`, nil},
		{"a billion laughs", "/fhir/Patient", laughs, []string{"Content-Type", "application/fhir+xml"}},
		{"an entity from outside", "/fhir/Patient", outside, []string{"Content-Type", "application/xml"}},
		{"XML as JSON", "/fhir/Patient", outside, nil},
		{"a bundle within bundles", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Repeat(`{"resource":{"resourceType":"Bundle","type":"transaction","entry":[`, 500) + strings.Repeat(`]}}`, 500) + `]}`, nil},
		{"a patch that copies itself", "/fhir/Patient/p0001", `[` + strings.TrimSuffix(strings.Repeat(`{"op":"copy","from":"/name","path":"/name/-"},`, 40), ",") + `]`, []string{"Content-Type", "application/json-patch+json"}},
		{"a filter nested too deep", "/fhir/Patient/_search", "_filter=" + strings.Repeat("(", 5000) + "name eq x" + strings.Repeat(")", 5000), []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"a FHIRPath without an end", "/fhir/Patient/p0001", `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Patient.repeat(descendants()).repeat(descendants()).where(descendants().descendants().exists())"}]}]}`, nil},
	} {
		method := "POST"
		if strings.HasSuffix(c.url, "p0001") {
			method = "PATCH"
		}
		began := time.Now()
		a := h.Call(hubtest.Village, method, c.url, c.body, c.header...)
		if a.Status < 400 || a.Status == 500 || a.Status == 502 {
			t.Errorf("%s: got %d %.300s; want a refusal", c.name, a.Status, a.Body)
		}
		if bytes.Contains(a.Body, []byte("root:")) || len(a.Body) > 64<<10 {
			t.Errorf("%s: the answer has %d bytes: %.200s", c.name, len(a.Body), a.Body)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s took %v", c.name, took)
		}
	}
	// A number beyond all measure is legal; neither storing nor finding it costs anything.
	h.Call(hubtest.Village, "POST", "/fhir/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p0001"},"valueQuantity":{"value":1e999999999}}`)
	for _, v := range []string{"gt1", "1e999999999", "lt-1e999999999", "1e-999999999", "ap1e999999999"} {
		if a := h.Call(hubtest.Village, "GET", "/fhir/Observation?value-quantity="+v, ""); a.Status >= 500 {
			t.Errorf("value-quantity=%s: got %d %.200s", v, a.Status, a.Body)
		}
	}
	if a := h.Call(hubtest.Village, "GET", "/fhir/Patient/p0001", ""); a.Status != 200 {
		t.Errorf("after the bombs: %d %s", a.Status, a.Body)
	}
}

// Nobody writes a line of his own into the program's log, and no name or number of a patient comes there.
func TestNobodyWritesIntoTheLog(t *testing.T) {
	var log bytes.Buffer
	guarded := &safe{w: &log}
	h := hubtest.Open(t, server.Options{Memory: true, Log: slog.New(slog.NewTextHandler(guarded, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	evil := "x\r\nlevel=ERROR msg=forged\x1b[31m\u2028forged"
	h.Call("", "POST", "/api/login", `{"username":"x\r\nlevel=ERROR msg=forged\u001b[31m","password":"forged"}`)
	h.Call(hubtest.Village, "GET", "/fhir/Patient?name="+strings.NewReplacer("\r", "%0d", "\n", "%0a", " ", "%20", "\x1b", "%1b", "[", "%5b").Replace(evil), "")
	h.Call(hubtest.Village, "GET", "/fhir/Patient?identifier=990101199001011234&phone=19901990001", "")
	h.Call(hubtest.Village, "GET", "/fhir/Patient/forged%0d%0aforged", "")
	h.Call(hubtest.Village, "GET", "/api/patients?q=%E5%BC%A0%E4%B8%89%0d%0aforged", "", "X-Request-Id", "forged forged")
	h.Call(hubtest.Village, "POST", "/fhir/Basic", `{"resourceType":"Basic\r\nforged"}`)
	guarded.Lock()
	defer guarded.Unlock()
	lines := strings.Split(log.String(), "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "level=") || strings.Contains(line, "\x1b") || strings.Contains(line, "\u2028") || strings.HasPrefix(line, "forged") {
			t.Errorf("a forged line: %q", line)
		}
		for _, private := range []string{"990101199001011234", "19901990001", "张三"} {
			if strings.Contains(line, private) {
				t.Errorf("the log holds %s: %q", private, line)
			}
		}
	}
	if len(lines) < 5 {
		t.Fatalf("the log has only %d lines", len(lines))
	}
}

// Two lengths of one request, or a length and chunks, are refused: no proxy and hub disagree where it ends.
func TestRequestsCannotHideInOneAnother(t *testing.T) {
	h := hubtest.New(t)
	for name, raw := range map[string]string{
		"two lengths":           "POST /fhir/Basic HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nabcdGET /fhir/Patient HTTP/1.1\r\nHost: x\r\n\r\n",
		"length and odd chunks": "POST /fhir/Basic HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /fhir/Patient HTTP/1.1\r\nHost: x\r\n\r\n",
		"a space before colon":  "GET /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc",
		"no host":               "GET /fhir/Patient HTTP/1.1\r\n\r\n",
		"a header of 2 MB":      "GET /fhir/Patient HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 2<<20) + "\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		go io.WriteString(conn, raw)
		answers, _ := io.ReadAll(conn)
		conn.Close()
		if n := bytes.Count(answers, []byte("HTTP/1.1 ")); n != 1 && !(name == "a header of 2 MB" && n == 0) {
			t.Errorf("%s: got %d answers: %.300s", name, n, answers)
		}
		if len(answers) > 12 && answers[9] != '4' && answers[9] != '5' {
			t.Errorf("%s: got %.60s; want a refusal", name, answers)
		}
	}
}
