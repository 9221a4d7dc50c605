package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/rest"
)

// served is the handler behind a real connection, for a caller who may do everything.
func (h *hub) served(t *testing.T, o rest.Options) *httptest.Server {
	t.Helper()
	api := rest.New(o)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.ServeHTTP(w, r.WithContext(access.With(r.Context(), system)))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// A client that sends its body drop by drop is given up, and told so; others are served meanwhile.
func TestASlowBodyIsGivenUp(t *testing.T) {
	h := newHub(t)
	o := h.options
	o.BodyIdle = 100 * time.Millisecond
	srv := h.served(t, o)
	slow, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 1000000\r\nAccept-Language: en\r\n\r\n{\"resourceType\":")
	r, err := http.Post(srv.URL+"/fhir/Patient", "application/fhir+json", strings.NewReader(`{"resourceType":"Patient"}`))
	if err != nil || r.StatusCode != http.StatusCreated {
		t.Errorf("meanwhile: got %v, %v; want 201", r, err)
	}
	slow.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), "body-too-slow") || !answer.Close {
		t.Errorf("got %s, close %v, %s; want 408 body-too-slow and the end of the connection", answer.Status, answer.Close, body)
	}
}

// Bodies that announce much and never come, and many large ones at once, take no more memory than is allowed.
func TestManyLargeBodiesAtOnceAreBounded(t *testing.T) {
	h := newHub(t)
	o := h.options
	o.MaxBody, o.MaxBundle = 4<<20, 4<<20
	o.BodyIdle = time.Minute
	srv := h.served(t, o)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for range 40 { // 40 times 4 MB are announced, some bytes come
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		fmt.Fprintf(c, "POST /fhir HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n{", 4<<20)
	}
	text := strings.Repeat("x", 100_000)
	entry := `{"request":{"method":"POST","url":"Basic"},"resource":{"resourceType":"Basic","code":{"text":"` + text + `"}}}`
	body := `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Repeat(entry+",", 30) + entry + `]}`
	var wg sync.WaitGroup
	statuses := make([]int, 12)
	for i := range statuses {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := http.Post(srv.URL+"/fhir", "application/fhir+json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			io.Copy(io.Discard, r.Body)
			if statuses[i] = r.StatusCode; r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") == "" {
				t.Error("got 503 without Retry-After")
			}
		}()
	}
	wg.Wait()
	done := 0
	for _, s := range statuses {
		switch s {
		case http.StatusOK:
			done++
		case http.StatusServiceUnavailable:
		default:
			t.Errorf("got %d; want 200 or 503", s)
		}
	}
	if done == 0 {
		t.Error("none of the bundles was written")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 48<<20 {
		t.Errorf("got %d MB more on the heap; want what was only announced to cost little", grown>>20)
	}
}

// Text nested deeper than any resource, and bodies over the limit, end in a clear refusal on a real connection.
func TestHostileBodiesAreRefused(t *testing.T) {
	h := newHub(t)
	o := h.options
	o.MaxBody, o.MaxBundle = 1<<20, 1<<20
	srv := h.served(t, o)
	for _, c := range []struct {
		name, body, code string
		status           int
	}{
		{"arrays in arrays", `{"resourceType":"Basic","code":` + strings.Repeat("[", 300_000), "bad-json", 400},
		{"objects in objects", strings.Repeat(`{"a":`, 60_000), "bad-json", 400},
		{"extensions in extensions", `{"resourceType":"Basic",` + strings.Repeat(`"extension":[{"url":"http://x",`, 2000) + `"valueCode":"x"` + strings.Repeat("}]", 2000) + "}", "bad-json", 400},
		{"over the limit", `{"resourceType":"Basic","id":"` + strings.Repeat("x", 2<<20) + `"}`, "body-too-large", 413},
		{"cut short", `{"resourceType":"Basic","code":{"te`, "bad-json", 400},
		{"a number without end", `{"resourceType":"Basic","code":` + strings.Repeat("9", 900_000) + `}`, "", 422},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _ := http.NewRequest("POST", srv.URL+"/fhir/Basic", strings.NewReader(c.body))
			req.Header.Set("Content-Type", "application/fhir+json")
			r, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			if r.StatusCode != c.status || !strings.Contains(string(body), c.code) || len(body) > 64<<10 {
				t.Errorf("got %d with %d bytes %.300s; want %d %s", r.StatusCode, len(body), body, c.status, c.code)
			}
		})
	}
}

// A client that goes away while its transaction is worked on leaves all of it or nothing, and the next is served.
func TestAClientThatLeavesMidwayLeavesAllOrNothing(t *testing.T) {
	h := newHub(t)
	srv := h.served(t, h.options)
	const entries = 2000
	for round := range 6 {
		mark := fmt.Sprint("leaver", round)
		var b strings.Builder
		b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
		for i := range entries {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"request":{"method":"POST","url":"Basic"},"resource":{"resourceType":"Basic","identifier":[{"system":"http://x","value":%q}],"code":{"text":"x"}}}`, mark)
		}
		b.WriteString(`]}`)
		client := &http.Client{Timeout: time.Duration(20+40*round) * time.Millisecond}
		if r, err := client.Post(srv.URL+"/fhir", "application/fhir+json", strings.NewReader(b.String())); err == nil {
			r.Body.Close()
		}
		// The writer takes units in turn, so what comes after has seen the end of the one before.
		h.want(201, system, "POST", "/Basic", `{"resourceType":"Basic","code":{"text":"after"}}`)
		page := h.want(200, system, "GET", "/Basic?identifier=http://x|"+mark+"&_summary=count", "")
		if n := page.node.Str("total"); n != "0" && n != fmt.Sprint(entries) {
			t.Errorf("round %d: got %s resources; want none or %d", round, n, entries)
		}
	}
}

// The largest bundle that is usual goes in as one unit, in bounded time.
func TestABundleOfTenThousandEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: long")
	}
	h := newHub(t)
	srv := h.served(t, h.options)
	const entries = 10_000
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i := range entries {
		if i > 0 {
			b.WriteByte(',')
		}
		if i == 0 {
			b.WriteString(`{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000000","request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Patient"}}`)
			continue
		}
		fmt.Fprintf(&b, `{"request":{"method":"POST","url":"Observation"},"resource":{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2"}]},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000000"},"effectiveDateTime":"2026-11-%02d","valueQuantity":{"value":%d,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}}`, 1+i%28, i)
	}
	b.WriteString(`]}`)
	began := time.Now()
	r, err := http.Post(srv.URL+"/fhir", "application/fhir+json", strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	t.Logf("%d entries in %s", entries, time.Since(began).Round(time.Millisecond))
	if r.StatusCode != http.StatusOK {
		t.Fatalf("got %s; want 200", r.Status)
	}
	if n := h.want(200, system, "GET", "/Observation?code=8302-2&_summary=count", "").node.Str("total"); n != fmt.Sprint(entries-1) {
		t.Errorf("got %s; want %d", n, entries-1)
	}
}
