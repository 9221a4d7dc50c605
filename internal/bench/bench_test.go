package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestImportCountsResourcesAndFailures(t *testing.T) {
	var n, others atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer other" {
			others.Add(1)
		} else if got := r.Header.Get("Authorization"); got != "Bearer t" {
			t.Errorf("got authorization %q; want Bearer t", got)
		}
		if n.Add(1) == 2 {
			http.Error(w, "no room", http.StatusInsufficientStorage)
			return
		}
		fmt.Fprint(w, "{}")
	})
	bundle := []byte(`{"entry":[{"request":{}},{"request":{}}]}`)
	var turn atomic.Int64
	pick := func() string {
		if turn.Add(1) == 1 {
			return "other"
		}
		return ""
	}
	f := NewTarget(url, "t", 0, 2).Import(context.Background(), "import", 2, [][]byte{bundle, bundle, bundle}, pick)
	if f.Count != 3 || f.Errors != 1 || f.Resources != 4 || f.FirstFail == "" {
		t.Errorf("got %+v; want 3 requests, 1 failure with its text, 4 resources", f)
	}
	if others.Load() != 1 {
		t.Errorf("got %d bundles of the other caller; want 1", others.Load())
	}
}

func TestReadsSampleTheServerAndStopInTime(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"entry":[{"resource":{"id":"a"}}]}`) })
	var rows []Figure
	err := NewTarget(url, "", 0, 2).Reads(context.Background(), 2, 20*time.Millisecond, func(f Figure) { rows = append(rows, f) })
	if err != nil || len(rows) != 4 {
		t.Fatalf("got %d rows, %v; want 4", len(rows), err)
	}
	for _, f := range rows {
		if f.Count == 0 || f.Errors != 0 || f.P99 < f.P50 {
			t.Errorf("got %+v; want requests, no errors, p99 not under p50", f)
		}
	}
}

func TestNothingToSampleIsAnError(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) })
	if err := NewTarget(url, "", 0, 1).Searches(context.Background(), "", 1, time.Millisecond, func(Figure) {}); err == nil {
		t.Error("got no error from an empty server; want one")
	}
}

// A server that lacks a search, and pages in its own way, is measured in the rest.
func TestAnotherServerIsMeasuredInWhatItCan(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case q.Has("_has:Condition:subject:code"):
			http.Error(w, `{"resourceType":"OperationOutcome"}`, http.StatusBadRequest)
		case r.URL.Path == "/page2":
			fmt.Fprint(w, `{"entry":[{"resource":{"id":"b","code":{"coding":[{"system":"s","code":"c"}]},"valueQuantity":{"value":1.5},"name":[{"family":"Li"}]}}]}`)
		default:
			fmt.Fprintf(w, `{"link":[{"relation":"next","url":"http://elsewhere.example/page2"}],"entry":[{"resource":{"id":"a"}}]}`)
		}
	})
	var rows []Figure
	if err := NewTarget(base, "", 0, 1).Searches(context.Background(), "", 1, 2*time.Millisecond, func(f Figure) { rows = append(rows, f) }); err != nil {
		t.Fatal(err)
	}
	for _, f := range rows {
		lacks := strings.Contains(f.Name, "_has")
		if lacks != (f.Skipped != "") || !lacks && (f.Count == 0 || f.Errors > 0) {
			t.Errorf("got %+v; want it measured unless the server lacks it", f)
		}
	}
	if len(rows) != 16 {
		t.Errorf("got %d rows; want 16", len(rows))
	}
}

// A stall of the server is felt by all requests that should have begun in it, not by the few that were under way.
func TestOpenLoopCountsFromTheIntendedStart(t *testing.T) {
	const stall = 150 * time.Millisecond
	run := func(rate float64) Figure {
		var n atomic.Int64
		gate := make(chan struct{})
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch k := n.Add(1); {
			case k == 20: // after the look of Get
				time.AfterFunc(stall, func() { close(gate) })
				<-gate
			case k > 20:
				<-gate
			}
			fmt.Fprint(w, "{}")
		})
		target := NewTarget(url, "", 0, 2)
		target.Rate = rate
		return target.Get(context.Background(), "x", 2, 400*time.Millisecond, []string{"/a"})
	}
	open := run(500)
	if open.P90 < 30 || open.Asked != 500 {
		t.Errorf("open loop: got p90 %.1f ms of %d requests; want the stall to show", open.P90, open.Count)
	}
}

func TestMixedKeepsItsRatio(t *testing.T) {
	var created, updated atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case "POST":
			w.Header().Set("Location", fmt.Sprintf("http://x/Observation/o%d/_history/1", created.Add(1)))
			w.WriteHeader(http.StatusCreated)
		case "PUT":
			body, _ := io.ReadAll(r.Body)
			if id := strings.TrimPrefix(r.URL.Path, "/Observation/"); !bytes.Contains(body, []byte(`"id":"`+id+`"`)) {
				t.Errorf("PUT %s: got %s; want its id inside", r.URL.Path, body)
			}
			updated.Add(1)
		default:
			fmt.Fprint(w, `{"entry":[{"resource":{"id":"a","code":{"coding":[{"system":"s","code":"c"}]},"name":[{"family":"Li"}]}}]}`)
		}
	})
	var rows []Figure
	if err := NewTarget(url, "", 0, 4).Mixed(context.Background(), Mix{50, 20, 30}, 4, 400*time.Millisecond, func(f Figure) { rows = append(rows, f) }); err != nil {
		t.Fatal(err)
	}
	count := map[string]float64{}
	for _, f := range rows {
		_, kind, _ := strings.Cut(f.Name, ": ")
		if f.Skipped == "" {
			count[kind] = float64(f.Count)
		}
		if f.Errors > 0 {
			t.Errorf("got %+v; want no errors", f)
		}
	}
	all := count[""]
	if share := count["read"] / all; all < 20 || share < 0.25 || share > 0.75 {
		t.Errorf("got %v of %v requests reading; want about half", count["read"], all)
	}
	if created.Load() == 0 || updated.Load() == 0 {
		t.Errorf("got %d created, %d updated; want some of each", created.Load(), updated.Load())
	}
}

func TestLatenciesAreExactToTwoPercent(t *testing.T) {
	var l latencies
	for us := 1; us <= 100_000; us++ {
		l.add(time.Duration(us) * time.Microsecond)
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := q * 100
		if got := l.at(q); got < want*0.999 || got > want*1.02 {
			t.Errorf("at %v: got %.3f ms; want %.3f and up to 2 %% more", q, got, want)
		}
	}
	for us := range 100_000 {
		b := bucket(time.Duration(us) * time.Microsecond)
		if math.Round(upper(b)*1000) < float64(us) || b > 0 && math.Round(upper(b-1)*1000) >= float64(us) {
			t.Fatalf("%d µs: got bucket %d, up to %v ms", us, b, upper(b))
		}
	}
}

func TestUsageCountsChildren(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("skipped: no /proc")
	}
	_, own := usage(os.Getpid())
	_, parents := usage(os.Getppid())
	if own == 0 || parents < own {
		t.Errorf("got %d bytes of this process, %d of its parent with children; want the child counted", own, parents)
	}
}

func TestCompareSetsRowsSideBySide(t *testing.T) {
	a, err := ReadFigures(strings.NewReader(`{"name":"search: code","count":100,"rate":300,"p50":1,"p99":2}
{"name":"only here","count":1,"rate":1}
`))
	if err != nil {
		t.Fatal(err)
	}
	b := []Figure{{Name: "search: code", Count: 10, Rate: 100, P50: 10, P99: 20, CPU: 2, RSS: 1 << 30}, {Name: "refused there", Skipped: "400"}}
	var out bytes.Buffer
	if err := Compare(&out, Run{"ours", a}, Run{"theirs", b}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| search: code ", "| 3.0 ", "| 1.00 / 2.00 ", "| 10.00 / 20.00 ", "| 200.00, 1024 ", "only here", "| refused "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got no %q in\n%s", want, out.String())
		}
	}
}

func TestMixIsThreeNumbers(t *testing.T) {
	if m, err := ParseMix("70:20:10"); err != nil || m != (Mix{70, 20, 10}) {
		t.Errorf("got %v, %v", m, err)
	}
	for _, bad := range []string{"", "1:2", "0:0:0", "-1:2:3", "a:b:c"} {
		if _, err := ParseMix(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}
