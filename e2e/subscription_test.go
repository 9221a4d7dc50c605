package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// A subscriber hears of every acknowledged write at least once and in order, however often the hub is killed.
func TestKillLosesNoNotification(t *testing.T) {
	t.Setenv("XINGLIN_HOOKS", "127.0.0.1")
	t.Run("sqlite", func(t *testing.T) { killedWhileTelling(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { killedWhileTelling(t, startOn(t, storetest.PostgresURL(t))) })
}

// heard is what one endpoint was told, by the numbers of the resources.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) add(ids ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, ids...)
}

// until waits until the endpoint has heard of id.
func (h *heard) until(t *testing.T, id string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		h.mu.Lock()
		got := len(h.list) > 0 && h.list[len(h.list)-1] == id
		h.mu.Unlock()
		if got {
			return
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t.Fatalf("never heard of %s; the last is %v", id, h.list[max(0, len(h.list)-3):])
}

// complete says whether each of the first n came, none before its predecessor.
func (h *heard) complete(t *testing.T, who string, n int) {
	t.Helper()
	seen, next := map[string]bool{}, 0
	for _, id := range h.list {
		if id == fmt.Sprintf("n%05d", next) {
			seen[id] = true
			next++
		} else if !seen[id] {
			t.Fatalf("%s: got %s where n%05d comes next", who, id, next)
		}
	}
	if next != n {
		t.Errorf("%s: heard of %d; want %d", who, next, n)
	}
	t.Logf("%s: %d writes in %d notifications", who, n, len(h.list))
}

func killedWhileTelling(t *testing.T, h *hub) {
	var plain, topical heard
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if id, ok := strings.CutPrefix(r.URL.Path, "/plain/Observation/"); ok {
			plain.add(id)
			return
		}
		for line := range strings.SplitSeq(string(body), `"fullUrl":"`) {
			if _, id, ok := strings.Cut(line[:strings.IndexByte(line+`"`, '"')], "/DocumentReference/"); ok {
				topical.add(id)
			}
		}
	}))
	defer endpoint.Close()
	program := h.program("his", "system/*.cruds")
	send := func(path, body string) error {
		a, err := program.fhir("PUT", path, []byte(body), nil)
		if err == nil && a.status >= 300 {
			t.Fatalf("PUT %s: %d %s", path, a.status, a.body)
		}
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(send("Subscription/plain", fmt.Sprintf(`{"resourceType":"Subscription","id":"plain","status":"requested","reason":"e2e","criteria":"Observation?status=final","channel":{"type":"rest-hook","endpoint":"%s/plain","payload":"application/fhir+json"}}`, endpoint.URL)))
	must(send("Subscription/topic", fmt.Sprintf(`{"resourceType":"Subscription","id":"topic","status":"requested","reason":"e2e","criteria":"https://xinglin.health/fhir/SubscriptionTopic/document-ready","channel":{"type":"rest-hook","endpoint":"%s/topic","payload":"application/fhir+json","_payload":{"extension":[{"url":"%sbackport-payload-content","valueCode":"id-only"}]}}}`,
		endpoint.URL, subscription.Backport)))
	for _, id := range []string{"plain", "topic"} {
		for status := ""; status != "active"; {
			a, err := program.fhir("GET", "Subscription/"+id, nil, nil)
			must(err)
			if status, _ = a.find("status").(string); status == "error" {
				t.Fatalf("%s", a.body)
			}
		}
	}
	n := 0
	for round := range 4 {
		stop := time.After(600 * time.Millisecond)
	writing:
		for {
			select {
			case <-stop:
				break writing
			default:
			}
			id := fmt.Sprintf("n%05d", n)
			must(send("Observation/"+id, `{"resourceType":"Observation","id":"`+id+`","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p0001"}}`))
			must(send("DocumentReference/"+id, `{"resourceType":"DocumentReference","id":"`+id+`","status":"current","subject":{"reference":"Patient/p0001"},"content":[{"attachment":{"title":"x"}}]}`))
			n++
		}
		if round < 3 {
			h.end(syscall.SIGKILL)
			if h.db != "" { // what the killed process held on a shared database is free after a while
				os.WriteFile(h.clock, []byte(fmt.Sprint(time.Duration(round+1)*2*time.Minute)), 0o600)
			}
			h.resume()
			program.hub, program.client = h, &http.Client{Timeout: time.Minute}
		}
	}
	if n < 20 {
		t.Fatalf("got only %d writes; the test says nothing", n)
	}
	last := fmt.Sprintf("n%05d", n-1)
	plain.until(t, last)
	topical.until(t, last)
	plain.complete(t, "plain", n)
	topical.complete(t, "topical", n)
}
