package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// An import and an export that are killed on the way go on by themselves, and have everything once.
func TestKillInTheMiddleOfBulkDoublesAndLosesNothing(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killedInBulk(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { killedInBulk(t, startOn(t, storetest.PostgresURL(t))) })
}

const bulkSize = 11_000

func killedInBulk(t *testing.T, h *hub) {
	program := h.program("bulk", "system/*.cruds")
	async := http.Header{"Prefer": {"respond-async"}}
	turned := time.Duration(0)
	// killed follows a task, kills the program once something is done, and returns the manifest.
	killed := func(begun *answer, err error) *answer {
		t.Helper()
		if err != nil || begun.status != http.StatusAccepted {
			t.Fatalf("got %v %v", begun, err)
		}
		_, status, _ := strings.Cut(begun.header.Get("Content-Location"), "/fhir/")
		cut := false
		for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			a, err := program.fhir("GET", status, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != http.StatusAccepted {
				if a.status != http.StatusOK {
					t.Fatalf("got %d %s", a.status, a.body)
				}
				if !cut {
					t.Log("was complete before it could be killed")
				}
				return a
			}
			if progress := a.header.Get("X-Progress"); !cut && progress != "0 resources" {
				cut = true
				h.end(syscall.SIGKILL)
				turned += time.Minute // the lease of the step that was cut off lapses
				if err := os.WriteFile(h.clock, []byte(turned.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				h.resume()
				program.client = &http.Client{Timeout: time.Minute}
				t.Logf("killed after %s", progress)
			}
		}
		t.Fatal("the task does not end")
		return nil
	}

	var lines strings.Builder
	for i := range bulkSize {
		fmt.Fprintf(&lines, `{"resourceType":"Patient","id":"bulk-%d","active":true,"name":[{"family":"批量"}]}`+"\n", i)
	}
	a, err := program.call("PUT", "/fhir/Binary/bulk", "application/fhir+ndjson", []byte(lines.String()), nil)
	if err != nil || a.status != http.StatusCreated {
		t.Fatalf("upload: got %v %v", a, err)
	}
	manifest := killed(program.fhir("POST", "$import", []byte(`{"resourceType":"Parameters","parameter":[{"name":"input","part":[{"name":"type","valueCode":"Patient"},{"name":"url","valueUrl":"Binary/bulk"}]}]}`), async))
	if got := fmt.Sprint(manifest.find("extension.resources")); got != fmt.Sprint(bulkSize) {
		t.Errorf("import: got %s resources; want %d", got, bulkSize)
	}
	a, err = program.fhir("GET", "Patient/_history?_count=1000&_since=2000-01-01", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(a.body), `"versionId":"2"`) {
		t.Error("a line of the import made two versions")
	}

	manifest = killed(program.fhir("GET", "$export?_type=Patient", nil, async))
	seen := map[string]int{}
	files, _ := manifest.find("output").([]any)
	for i := range files {
		_, path, _ := strings.Cut(manifest.find(fmt.Sprintf("output[%d].url", i)).(string), "/fhir/")
		a, err := program.fhir("GET", path, nil, nil)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("file %d: got %v %v", i, a, err)
		}
		for line := range strings.Lines(string(a.body)) {
			var r struct{ ID string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			seen[r.ID]++
		}
	}
	for i := range bulkSize {
		if n := seen[fmt.Sprintf("bulk-%d", i)]; n != 1 {
			t.Fatalf("bulk-%d: got it %d times; want once", i, n)
		}
	}
	t.Logf("%d patients in %d files", len(seen), len(files))
}
