// Package bench measures any FHIR server over HTTP: import, read and search, with latency, CPU and memory.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Target is the server under test.
type Target struct {
	URL   string // FHIR base, e.g. http://127.0.0.1:8080/fhir
	Token string // bearer token, "" = none
	PID   int    // process of the server on this machine, 0 = unknown; adds CPU and memory to the figures

	client *http.Client
}

// NewTarget prepares connections for up to clients requests at once.
func NewTarget(url, token string, pid, clients int) *Target {
	return &Target{URL: strings.TrimSuffix(url, "/"), Token: token, PID: pid, client: &http.Client{
		Timeout:   5 * time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients, DisableCompression: true},
	}}
}

// Figure is one measured row. Latencies are milliseconds.
type Figure struct {
	Name      string  `json:"name"`
	Count     int     `json:"count"`               // requests
	Resources int     `json:"resources,omitempty"` // resources written
	Errors    int     `json:"errors"`
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"rate"` // resources a second for import, else requests a second
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	Max       float64 `json:"max"`
	CPU       float64 `json:"cpuSeconds,omitempty"` // of the server
	RSS       int64   `json:"rssBytes,omitempty"`   // of the server, at the end
	FirstFail string  `json:"firstFail,omitempty"`
}

func (f Figure) String() string {
	s := fmt.Sprintf("%-44s %8d req %10.0f /s   p50 %8.2f ms   p99 %8.2f ms   max %8.1f ms", f.Name, f.Count, f.Rate, f.P50, f.P99, f.Max)
	if f.CPU > 0 {
		s += fmt.Sprintf("   cpu %6.1f s   rss %4d MB", f.CPU, f.RSS>>20)
	}
	if f.Errors > 0 {
		s += fmt.Sprintf("   %d FAILED: %s", f.Errors, f.FirstFail)
	}
	return s
}

// run sends jobs with the given number of clients, closed loop, until next is exhausted or time is up.
func (t *Target) run(ctx context.Context, name string, clients int, limit time.Duration, next func() (*http.Request, int, bool)) Figure {
	var (
		mu    sync.Mutex
		lat   []time.Duration
		fails atomic.Int64
		first atomic.Pointer[string]
		total atomic.Int64
		wg    sync.WaitGroup
	)
	cpu := t.cpuSeconds()
	start := time.Now()
	for range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var own []time.Duration
			for ctx.Err() == nil && (limit == 0 || time.Since(start) < limit) {
				req, size, ok := next()
				if !ok {
					break
				}
				began := time.Now()
				err := t.do(req.WithContext(ctx))
				own = append(own, time.Since(began))
				if err != nil {
					fails.Add(1)
					msg := err.Error()
					first.CompareAndSwap(nil, &msg)
				} else {
					total.Add(int64(size))
				}
			}
			mu.Lock()
			lat = append(lat, own...)
			mu.Unlock()
		}()
	}
	wg.Wait()
	f := Figure{Name: name, Count: len(lat), Resources: int(total.Load()), Errors: int(fails.Load()), Seconds: time.Since(start).Seconds()}
	if msg := first.Load(); msg != nil {
		f.FirstFail = *msg
	}
	slices.Sort(lat)
	at := func(q float64) float64 {
		if len(lat) == 0 {
			return 0
		}
		return float64(lat[min(len(lat)-1, int(q*float64(len(lat))))].Microseconds()) / 1000
	}
	f.P50, f.P99, f.Max = at(0.50), at(0.99), at(1)
	f.Rate = float64(f.Count) / f.Seconds
	if f.Resources > 0 {
		f.Rate = float64(f.Resources) / f.Seconds
	}
	if t.PID != 0 {
		f.CPU, f.RSS = t.cpuSeconds()-cpu, t.rss()
	}
	return f
}

func (t *Target) do(req *http.Request) error {
	res, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 600))
		return fmt.Errorf("%s %s: %s %s", req.Method, req.URL.Path, res.Status, body)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func (t *Target) request(method, path string, body []byte) *http.Request {
	req, err := http.NewRequest(method, t.URL+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("Prefer", "return=minimal")
	}
	if t.Token != "" {
		req.Header.Set("Authorization", "Bearer "+t.Token)
	}
	return req
}

// Import posts every bundle once with the given number of clients: one round.
func (t *Target) Import(ctx context.Context, name string, clients int, bundles [][]byte) Figure {
	sizes := make([]int, len(bundles))
	for i, b := range bundles {
		sizes[i] = bytes.Count(b, []byte(`"request"`))
	}
	var i atomic.Int64
	return t.run(ctx, name, clients, 0, func() (*http.Request, int, bool) {
		n := int(i.Add(1)) - 1
		if n >= len(bundles) {
			return nil, 0, false
		}
		return t.request("POST", "", bundles[n]), sizes[n], true
	})
}

// Get asks the given paths in turn for the given time.
func (t *Target) Get(ctx context.Context, name string, clients int, d time.Duration, paths []string) Figure {
	var i atomic.Int64
	return t.run(ctx, name, clients, d, func() (*http.Request, int, bool) {
		return t.request("GET", paths[int(i.Add(1))%len(paths)], nil), 0, len(paths) > 0
	})
}

// Sample reads pages of a search and returns what pick finds in each resource.
func (t *Target) Sample(ctx context.Context, path string, pick func(resource map[string]any) string) ([]string, error) {
	res, err := t.client.Do(t.request("GET", path, nil).WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var page struct {
		Entry []struct {
			Resource map[string]any `json:"resource"`
		} `json:"entry"`
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
		return nil, fmt.Errorf("bench: sample %s: %s: %w", path, res.Status, err)
	}
	var out []string
	for _, e := range page.Entry {
		if s := pick(e.Resource); s != "" {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("bench: sample %s: %s: nothing found", path, res.Status)
	}
	return out, nil
}

// cpuSeconds is user + system time of the server so far.
func (t *Target) cpuSeconds() float64 {
	if t.PID == 0 {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.PID))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	u, _ := strconv.ParseFloat(fields[11], 64)
	s, _ := strconv.ParseFloat(fields[12], 64)
	return (u + s) / 100 // USER_HZ
}

func (t *Target) rss() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", t.PID))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
