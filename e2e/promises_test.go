package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// What was acknowledged is there after kill -9, and what is there is whole.
func TestKillUnderLoadLosesNothingAcknowledged(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killUnderLoad(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { killUnderLoad(t, startOn(t, storetest.PostgresURL(t))) })
}

func killUnderLoad(t *testing.T, h *hub) {
	const clients = 16
	program := h.program("load", "system/*.cruds")
	var mu sync.Mutex
	acknowledged := map[string]string{} // id → the number written
	for round := range 3 {
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for c := range clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					family := fmt.Sprintf("r%dc%dn%d", round, c, n)
					body := fmt.Sprintf(`{"resourceType":"Patient","active":true,"name":[{"family":%q}]}`, family)
					a, err := program.fhir("POST", "Patient", []byte(body), nil)
					if err != nil {
						return // the program is gone
					}
					if a.status != http.StatusCreated {
						t.Errorf("got %d %s; want 201", a.status, a.body)
						return
					}
					id, _ := a.find("id").(string)
					mu.Lock()
					acknowledged[id] = family
					mu.Unlock()
				}
			}()
		}
		time.Sleep(700 * time.Millisecond) // some load before the cut; the length does not matter
		h.end(syscall.SIGKILL)
		close(stop)
		wg.Wait()
		h.resume()
		program.hub, program.client = h, &http.Client{Timeout: time.Minute}
	}
	if len(acknowledged) < 3*clients {
		t.Fatalf("got only %d acknowledged writes; the test says nothing", len(acknowledged))
	}
	for id, family := range acknowledged {
		a, err := program.fhir("GET", "Patient/"+id, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := a.find("name[0].family").(string); a.status != http.StatusOK || got != family {
			t.Errorf("Patient/%s: got %d %q; want 200 %q", id, a.status, got, family)
		}
	}
	found := 0
	for round := range 3 { // and searching finds as many as reading
		a, err := program.fhir("GET", fmt.Sprintf("Patient?family:exact=r%dc0n0&_summary=count", round), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := a.find("total").(float64)
		found += int(n)
	}
	if found == 0 {
		t.Error("a search finds none of what was written")
	}
	t.Logf("%d acknowledged writes survived three kills", len(acknowledged))
}

// Of many who take the same step at once, one does.
func TestManyClientsOneStepOneWinner(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { oneWinner(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { oneWinner(t, startOn(t, storetest.PostgresURL(t))) })
}

func oneWinner(t *testing.T, h *hub) {
	s := &story{t: t, hub: h, people: map[string]*person{}, files: map[string]string{}, names: map[string]string{}}
	for _, line := range []string{
		"post Task/$start @xiangcun line=referral flow=up patient=Patient/p0001 to=Organization/county-1 urgency=routine reason=胸痛 coordinator=村医 phone=0990-5500001 → 201 as up",
		"get Task/{up} @xianzhuanzhen → 200",
	} {
		if err := s.run(line); err != nil {
			t.Fatalf("%v\n%s", err, s.told())
		}
	}
	office := s.people["xianzhuanzhen"]
	const clients = 64
	office.client.Transport = &http.Transport{MaxIdleConnsPerHost: clients}
	var winners, losers atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-begin
			path, body := "Task/"+s.names["up"]+"/$receive", `{"resourceType":"Parameters"}`
			if i%2 == 1 { // half of them decide otherwise
				path = "Task/" + s.names["up"] + "/$decline"
				body = `{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"capacity-full"},{"name":"advice","valueString":"请联系下一家"}]}`
			}
			a, err := office.fhir("POST", path, []byte(body), http.Header{"If-Match": {`W/"1"`}})
			switch {
			case err != nil:
				t.Error(err)
			case a.status == http.StatusOK:
				winners.Add(1)
			case a.status == http.StatusConflict || a.status == http.StatusUnprocessableEntity || a.status == http.StatusPreconditionFailed:
				losers.Add(1)
			default:
				t.Errorf("got %d %s", a.status, a.body)
			}
		}()
	}
	close(begin)
	wg.Wait()
	if winners.Load() != 1 || losers.Load() != clients-1 {
		t.Errorf("got %d winners and %d refused; want 1 and %d", winners.Load(), losers.Load(), clients-1)
	}
	if err := s.run("get Task/{up} @xianzhuanzhen → 200"); err != nil {
		t.Fatal(err)
	}
	if version, _ := s.last.find("meta.versionId").(string); version != "2" {
		t.Errorf("got version %s; want 2", version)
	}
}

// synthea is the folder of outside bundles, "" when absent.
func synthea(t *testing.T) string {
	root := os.Getenv("XINGLIN_DATA")
	if root == "" {
		root = "../../shared/data"
	}
	path := filepath.Join(root, "synthea-r4", "synthea-r4-bundles.tar.xz")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		t.Skipf("skipped: no outside bundles at %s", path)
	}
	return path
}

func (h *hub) command(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(binary, append(args[:1:1], append([]string{"--data", h.data}, args[1:]...)...)...)
	if h.db != "" {
		cmd.Args = append(cmd.Args, "--db", h.db)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return out
}

// All bundles go in, every reference resolves, and going in again doubles nothing.
func TestImportOfAllBundles(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: long")
	}
	archive := synthea(t)
	h := &hub{t: t, data: filepath.Join(t.TempDir(), "data")}
	begun := time.Now()
	h.command(t, "import", archive)
	took := time.Since(begun)
	first := h.exported(t)
	t.Logf("%d resources in %s, %.0f resources/s", len(first), took.Round(time.Millisecond), float64(len(first))/took.Seconds())
	if len(first) < 60_000 {
		t.Errorf("got %d resources; want more than 60,000", len(first))
	}
	dangling := 0
	for id, refs := range first {
		for _, to := range refs {
			if _, ok := first[to]; !ok {
				if dangling++; dangling < 10 {
					t.Errorf("%s refers to %s, which is not there", id, to)
				}
			}
		}
	}
	if dangling > 0 {
		t.Errorf("got %d references that do not resolve; want 0", dangling)
	}
	h.command(t, "import", archive)
	if again := h.exported(t); len(again) != len(first) {
		t.Errorf("a second import: got %d resources; want %d as before", len(again), len(first))
	}
}

// exported lists every resource with the relative references in it.
func (h *hub) exported(t *testing.T) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	h.command(t, "export", dir)
	all := map[string][]string{}
	files, _ := filepath.Glob(filepath.Join(dir, "*.ndjson*"))
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range bytes.Split(text, []byte("\n")) {
			if len(line) == 0 {
				continue
			}
			var n map[string]any
			if err := json.Unmarshal(line, &n); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			var refs []string
			collect(n, &refs)
			all[fmt.Sprintf("%v/%v", n["resourceType"], n["id"])] = refs
		}
	}
	return all
}

func collect(v any, refs *[]string) {
	switch v := v.(type) {
	case map[string]any:
		if r, ok := v["reference"].(string); ok && !strings.HasPrefix(r, "#") {
			r, _, _ = strings.Cut(r, "/_history/")
			*refs = append(*refs, r)
		}
		for _, x := range v {
			collect(x, refs)
		}
	case []any:
		for _, x := range v {
			collect(x, refs)
		}
	}
}
