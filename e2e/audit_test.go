package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// Whatever was answered stands in the audit chain after kill -9, reads and changes alike, and the chain holds.
func TestNothingAcknowledgedIsUnauditedAfterKill9(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { auditedAfterKill(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { auditedAfterKill(t, startOn(t, storetest.PostgresURL(t))) })
}

func auditedAfterKill(t *testing.T, h *hub) {
	const clients = 16
	program := h.program("load", "system/*.cruds")
	var mu sync.Mutex
	acknowledged := map[string]string{} // request id → what it was
	for round := range 3 {
		var wg sync.WaitGroup
		stop := make(chan struct{})
		program.client.Transport = &http.Transport{MaxIdleConnsPerHost: clients}
		for c := range clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				mine := ""
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					id := fmt.Sprintf("round-%d-client-%d-%d", round, c, n)
					header := http.Header{"X-Request-Id": {id}}
					method, path, body := "GET", "Patient/"+mine, ""
					switch {
					case mine == "" || c%2 == 0 && n%3 == 0:
						method, path, body = "POST", "Patient", fmt.Sprintf(`{"resourceType":"Patient","active":true,"name":[{"family":%q}]}`, id)
					case n%5 == 0:
						path = "Patient?_id=" + mine
					}
					a, err := program.fhir(method, path, []byte(body), header)
					if err != nil {
						return // the program is gone
					}
					if a.status/100 != 2 {
						t.Errorf("%s %s: got %d %s", method, path, a.status, a.body)
						return
					}
					if method == "POST" {
						mine, _ = a.find("id").(string)
					}
					mu.Lock()
					acknowledged[id] = method + " " + path
					mu.Unlock()
				}
			}()
		}
		time.Sleep(900 * time.Millisecond) // some load before the cut; the length does not matter
		h.end(syscall.SIGKILL)
		close(stop)
		wg.Wait()
		h.resume()
		program.hub, program.client = h, &http.Client{Timeout: time.Minute}
	}
	if len(acknowledged) < 3*clients {
		t.Fatalf("got only %d acknowledged requests; the test says nothing", len(acknowledged))
	}
	if err := h.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Entries  int64
		Findings []string
		Alarms   []string
		Unsigned int64
	}
	if err := json.Unmarshal(h.command(t, "audit", "verify", "--json"), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) > 0 || len(report.Alarms) > 0 || report.Unsigned > 0 {
		t.Errorf("got %+v; want a whole chain, signed to its end", report)
	}
	audited := h.auditedRequests(t)
	missing := 0
	for id, what := range acknowledged {
		if !audited[id] {
			if missing++; missing <= 5 {
				t.Errorf("%s (%s) was answered and is not in the chain", id, what)
			}
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d answered requests are not in the chain", missing, len(acknowledged))
	}
	t.Logf("%d answered requests over three kills, %d entries in the chain", len(acknowledged), report.Entries)
}

// auditedRequests reads the sealed entries from the database of a program that has ended.
func (h *hub) auditedRequests(t *testing.T) map[string]bool {
	t.Helper()
	ctx := context.Background()
	s, err := server.Open(ctx, server.Options{Data: h.data, DB: h.db, Beside: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found := map[string]bool{}
	err = s.Store.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, "SELECT body FROM audit_entry WHERE seq IS NOT NULL", nil, func(scan func(...any) error) error {
			var body []byte
			if err := scan(&body); err != nil {
				return err
			}
			_, rest, _ := strings.Cut(string(body), `"request":"`)
			id, _, _ := strings.Cut(rest, `"`)
			found[id] = true
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
