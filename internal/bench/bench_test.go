package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestImportCountsResourcesAndFailures(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer t" {
			t.Errorf("got authorization %q; want Bearer t", got)
		}
		if n.Add(1) == 2 {
			http.Error(w, "no room", http.StatusInsufficientStorage)
			return
		}
		fmt.Fprint(w, "{}")
	}))
	defer srv.Close()
	bundle := []byte(`{"entry":[{"request":{}},{"request":{}}]}`)
	f := NewTarget(srv.URL, "t", 0, 2).Import(context.Background(), "import", 2, [][]byte{bundle, bundle, bundle})
	if f.Count != 3 || f.Errors != 1 || f.Resources != 4 || f.FirstFail == "" {
		t.Errorf("got %+v; want 3 requests, 1 failure with its text, 4 resources", f)
	}
}

func TestReadsSampleTheServerAndStopInTime(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"entry":[{"resource":{"id":"a"}}]}`)
	}))
	defer srv.Close()
	var rows []Figure
	err := NewTarget(srv.URL, "", 0, 2).Reads(context.Background(), 2, 20*time.Millisecond, func(f Figure) { rows = append(rows, f) })
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
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) }))
	defer srv.Close()
	if err := NewTarget(srv.URL, "", 0, 1).Searches(context.Background(), 1, time.Millisecond, func(Figure) {}); err == nil {
		t.Error("got no error from an empty server; want one")
	}
}
