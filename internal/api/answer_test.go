package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/store"
)

// A client that goes away is no fault of ours: whoever watches the log for errors is not called for it.
func TestWhoGoesAwayIsNoFaultOfOurs(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		detail string
		logged bool
	}{
		{"the client went away", fmt.Errorf("api: page: %w", context.Canceled), 499, "cancelled", false},
		{"our own limit ran out", fmt.Errorf("api: page: %w", context.DeadlineExceeded), 503, "timeout", true},
		{"changed meanwhile", store.ErrConflict, 409, "changed-meanwhile", false},
		{"a fault of ours", errors.New("disk is full"), 500, "internal", true},
	} {
		var log bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})))
		w := httptest.NewRecorder()
		Refuse(w, httptest.NewRequest("GET", "/api/anything", nil), c.err)
		slog.SetDefault(before)
		if w.Code != c.status || !strings.Contains(w.Body.String(), `"`+c.detail+`"`) {
			t.Errorf("%s: got %d %s; want %d %s", c.name, w.Code, w.Body, c.status, c.detail)
		}
		if got := log.Len() > 0; got != c.logged {
			t.Errorf("%s: an error was logged: %v; want %v\n%s", c.name, got, c.logged, log.String())
		}
	}
}
