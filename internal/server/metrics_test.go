package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMetricsTellWhatWasDoneAndNameNobody(t *testing.T) {
	var mu sync.Mutex
	var spans strings.Builder
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		io.Copy(&spans, r.Body)
	}))
	defer collector.Close()
	h := open(t, func(o *Options) { o.Traces = collector.URL })
	url, stop := serving(t, h)
	_, token, err := h.Identity.NewToken(t.Context(), "loader", []string{"system/*.cruds"}, "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string, header ...string) (int, string) {
		t.Helper()
		r, _ := http.NewRequest(method, url+path, strings.NewReader(body))
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	bearer := []string{"Authorization", "Bearer " + token, "Content-Type", "application/fhir+json"}
	call("PUT", "/fhir/Patient/zhangsan", `{"resourceType":"Patient","id":"zhangsan","name":[{"text":"张三"}]}`, bearer...)
	call("GET", "/fhir/Patient/zhangsan", "", append(bearer, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")...)
	call("GET", "/fhir/Patient/nobody", "", bearer...)
	call("GET", "/fhir/Patient?name=张三", "", bearer...)

	status, text := call("GET", "/metrics", "")
	if status != 200 {
		t.Fatalf("got %d %s; want the metrics", status, text)
	}
	for _, want := range []string{
		`xinglin_request_seconds_count{door="fhir",status="201",what="update"} 1`,
		`xinglin_request_seconds_count{door="fhir",status="200",what="read"} 1`,
		`xinglin_request_seconds_count{door="fhir",status="404",what="read"} 1`,
		`xinglin_request_seconds_count{door="fhir",status="200",what="search-type"} 1`,
		`xinglin_store_unit_seconds_count{result="ok",unit="update"}`,
		"xinglin_ready 1", "xinglin_jobs_dead 0", "xinglin_audit_unsealed", "process_resident_memory_bytes", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"GET /fhir/Patient/{id}", "store update", "search-type", "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"} {
		if !strings.Contains(spans.String(), want) {
			t.Errorf("the spans lack %q", want)
		}
	}
	for _, secret := range []string{"zhangsan", "张三", "%E5%BC%A0"} {
		if strings.Contains(text, secret) || strings.Contains(spans.String(), secret) {
			t.Errorf("metrics or spans name %s", secret)
		}
	}
}

func TestMetricsAreForTheOperator(t *testing.T) {
	h := open(t)
	defer h.Close()
	from := func(addr string, header ...string) int {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = addr
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, r)
		return w.Code
	}
	for _, c := range []struct {
		name, addr string
		header     []string
		scrapers   []netip.Prefix
		want       int
	}{
		{"this machine", "127.0.0.1:9000", nil, nil, 200},
		{"another machine", "192.0.2.7:9000", nil, nil, 404},
		{"somebody behind a proxy here", "127.0.0.1:9000", []string{"X-Forwarded-For", "192.0.2.7"}, nil, 404},
		{"a machine that was named", "192.0.2.7:9000", nil, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}, 200},
		{"this machine, when another was named", "127.0.0.1:9000", nil, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}, 404},
	} {
		h.Scrapers = c.scrapers
		if got := from(c.addr, c.header...); got != c.want {
			t.Errorf("%s: got %d; want %d", c.name, got, c.want)
		}
	}
}
