// Package bench measures any FHIR server over HTTP: import, read, search and all of them mixed, with latency, CPU and memory.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

	// Rate is the requests a second that begin whether or not earlier ones have ended: an open loop. The latency
	// counts from when a request should have begun, so that a stall is felt by all that it would have kept waiting.
	// 0 = a closed loop: each client begins the next request when its last one has ended.
	Rate float64

	client *http.Client
}

// NewTarget prepares connections for up to clients requests at once.
func NewTarget(url, token string, pid, clients int) *Target {
	return &Target{URL: strings.TrimSuffix(url, "/"), Token: token, PID: pid, client: &http.Client{
		Timeout:   5 * time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients, DisableCompression: true},
	}}
}

// As is the same server seen by another caller.
func (t *Target) As(token string) *Target {
	other := *t
	other.Token = token
	return &other
}

// Figure is one measured row. Latencies are milliseconds.
type Figure struct {
	Name      string  `json:"name"`
	Count     int     `json:"count"`               // requests
	Resources int     `json:"resources,omitempty"` // resources written
	Errors    int     `json:"errors"`
	Seconds   float64 `json:"seconds"`
	Asked     float64 `json:"asked,omitempty"` // requests a second of an open loop
	Rate      float64 `json:"rate"`            // resources a second for import, else requests a second
	P50       float64 `json:"p50"`
	P90       float64 `json:"p90"`
	P99       float64 `json:"p99"`
	P999      float64 `json:"p999"`
	Max       float64 `json:"max"`
	CPU       float64 `json:"cpuSeconds,omitempty"` // of the server and its children
	RSS       int64   `json:"rssBytes,omitempty"`   // of the server and its children, at the end
	FirstFail string  `json:"firstFail,omitempty"`
	Skipped   string  `json:"skipped,omitempty"` // why it was not measured
}

func (f Figure) String() string {
	if f.Skipped != "" {
		return fmt.Sprintf("%-46s not measured: %s", f.Name, f.Skipped)
	}
	s := fmt.Sprintf("%-46s %8d req %9.0f /s   p50 %8.2f ms   p99 %8.2f ms   max %8.1f ms", f.Name, f.Count, f.Rate, f.P50, f.P99, f.Max)
	if f.CPU > 0 {
		s += fmt.Sprintf("   cpu %6.1f s   rss %4d MB", f.CPU, f.RSS>>20)
	}
	if f.Errors > 0 {
		s += fmt.Sprintf("   %d FAILED: %s", f.Errors, f.FirstFail)
	}
	return s
}

// request is one thing to ask, of one kind; size is the resources that it writes.
type request struct {
	kind   string
	method string
	path   string
	body   []byte
	token  string // "" = the target's
	size   int
	got    func(*http.Response) // looks at an answer that is no error; may be nil
}

// tally gathers what one client saw of one kind.
type tally struct {
	lat       latencies
	fails     int
	resources int
	first     string
}

func (a *tally) merge(b *tally) {
	a.lat.merge(&b.lat)
	a.fails += b.fails
	a.resources += b.resources
	if a.first == "" {
		a.first = b.first
	}
}

// run sends requests until next has none or time is up, and gives the figure of all and of each kind.
func (t *Target) run(ctx context.Context, name string, clients int, limit time.Duration, next func() (request, bool)) (Figure, map[string]Figure) {
	var mu sync.Mutex
	all := map[string]*tally{}
	cpu, _ := usage(t.PID)
	start := time.Now()
	var turn atomic.Int64
	var wg sync.WaitGroup
	for range max(clients, 1) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			own := map[string]*tally{}
			for ctx.Err() == nil && (limit == 0 || time.Since(start) < limit) {
				began := time.Now()
				if t.Rate > 0 {
					began = start.Add(time.Duration(float64(turn.Add(1)-1) / t.Rate * float64(time.Second)))
					if limit > 0 && began.Sub(start) >= limit || !sleep(ctx, time.Until(began)) {
						break
					}
				}
				r, ok := next()
				if !ok {
					break
				}
				err := t.do(ctx, r)
				if ctx.Err() != nil {
					break
				}
				a := own[r.kind]
				if a == nil {
					a = &tally{}
					own[r.kind] = a
				}
				a.lat.add(time.Since(began))
				if err == nil {
					a.resources += r.size
				} else if a.fails++; a.first == "" {
					a.first = err.Error()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for kind, a := range own {
				if all[kind] == nil {
					all[kind] = a
				} else {
					all[kind].merge(a)
				}
			}
		}()
	}
	wg.Wait()
	took := time.Since(start).Seconds()
	sum := &tally{}
	kinds := map[string]Figure{}
	for kind, a := range all {
		kinds[kind] = figure(name+": "+kind, a, took, 0)
		sum.merge(a)
	}
	f := figure(name, sum, took, t.Rate)
	if t.PID != 0 {
		after, rss := usage(t.PID)
		f.CPU, f.RSS = after-cpu, rss
	}
	return f, kinds
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func figure(name string, a *tally, took, asked float64) Figure {
	f := Figure{Name: name, Count: int(a.lat.n), Resources: a.resources, Errors: a.fails, Seconds: took, Asked: asked, FirstFail: a.first,
		P50: a.lat.at(0.50), P90: a.lat.at(0.90), P99: a.lat.at(0.99), P999: a.lat.at(0.999), Max: float64(a.lat.max.Microseconds()) / 1000}
	if f.Rate = float64(f.Count) / took; f.Resources > f.Count {
		f.Rate = float64(f.Resources) / took
	}
	return f
}

// do sends one request and reads its answer to the end.
func (t *Target) do(ctx context.Context, r request) error {
	req, err := http.NewRequestWithContext(ctx, r.method, t.address(r.path), bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/fhir+json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("Prefer", "return=minimal")
	}
	token := t.Token
	if r.token != "" {
		token = r.token
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 600))
		path, _, _ := strings.Cut(r.path, "?")
		return &refusal{res.StatusCode, fmt.Sprintf("%s %s: %s %s", r.method, path, res.Status, bytes.Join(bytes.Fields(body), []byte(" ")))}
	}
	if r.got != nil {
		r.got(res)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// address makes a path absolute; next links are so already.
func (t *Target) address(path string) string {
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		return path
	}
	return t.URL + path
}

// Import posts every bundle once with the given number of clients: one round. pick names the token of each; nil = the target's.
func (t *Target) Import(ctx context.Context, name string, clients int, bundles [][]byte, pick func() string) Figure {
	var i atomic.Int64
	f, _ := t.run(ctx, name, clients, 0, func() (request, bool) {
		n := int(i.Add(1)) - 1
		if n >= len(bundles) {
			return request{}, false
		}
		r := request{kind: "import", method: "POST", body: bundles[n], size: bytes.Count(bundles[n], []byte(`"request"`))}
		if pick != nil {
			r.token = pick()
		}
		return r, true
	})
	return f
}

// Get asks the given paths in turn for the given time. What the server refuses at once is not measured.
func (t *Target) Get(ctx context.Context, name string, clients int, d time.Duration, paths []string) Figure {
	if len(paths) == 0 {
		return Figure{Name: name, Skipped: "the server holds nothing to ask for"}
	}
	var no *refusal
	if err := t.do(ctx, request{method: "GET", path: paths[0]}); errors.As(err, &no) && no.status < 500 {
		return Figure{Name: name, Skipped: no.text}
	} else if errors.As(err, &no) && no.status == http.StatusNotImplemented {
		return Figure{Name: name, Skipped: no.text}
	}
	var i atomic.Int64
	f, _ := t.run(ctx, name, clients, d, func() (request, bool) {
		return request{kind: "get", method: "GET", path: paths[int(i.Add(1))%len(paths)]}, true
	})
	return f
}

// Sample reads pages of a search, following their next links, until it has looked at n resources, and returns
// what pick finds in each.
func (t *Target) Sample(ctx context.Context, path string, n int, pick func(resource map[string]any) string) ([]string, error) {
	var out []string
	for seen, pages := 0, 0; path != "" && seen < n && pages < 40; pages++ {
		var page struct {
			Link []struct {
				Relation string `json:"relation"`
				URL      string `json:"url"`
			} `json:"link"`
			Entry []struct {
				Resource map[string]any `json:"resource"`
			} `json:"entry"`
		}
		var bad error
		err := t.do(ctx, request{method: "GET", path: path, got: func(res *http.Response) { bad = json.NewDecoder(res.Body).Decode(&page) }})
		if err = errors.Join(err, bad); err != nil {
			return nil, fmt.Errorf("bench: sample %s: %w", path, err)
		}
		for _, e := range page.Entry {
			seen++
			if s := pick(e.Resource); s != "" && seen <= n {
				out = append(out, s)
			}
		}
		path = ""
		for _, l := range page.Link {
			if l.Relation == "next" {
				path = t.here(l.URL)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("bench: sample: nothing found: %w", errNothing)
	}
	return out, nil
}

var errNothing = errors.New("the server holds none")

// here keeps a next link on the address that was given: servers behind a proxy name themselves otherwise.
func (t *Target) here(link string) string {
	to, err := url.Parse(link)
	from, err2 := url.Parse(t.URL)
	if err != nil || err2 != nil || !to.IsAbs() {
		return link
	}
	to.Scheme, to.Host = from.Scheme, from.Host
	return to.String()
}
