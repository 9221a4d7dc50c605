// Package e2e runs the real program and tells stories against it.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/region"
)

var binary string // the program under test

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	binary = os.Getenv("XINGLIN_BIN")
	if binary == "" {
		dir, err := os.MkdirTemp("", "xinglin-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "xinglin")
		build := exec.Command("go", "build", "-o", binary, "../cmd/xinglin")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: build:", err)
			return 1
		}
	}
	code := m.Run()
	if registry.dir != "" {
		os.RemoveAll(registry.dir)
	}
	return code
}

// hub is one running program.
type hub struct {
	t     testing.TB
	url   string
	data  string // data folder
	db    string // postgres://…, "" = SQLite in the data folder
	clock string // offset file
	cmd   *exec.Cmd
	log   *said
	done  chan struct{}
}

var registry struct {
	once sync.Once
	dir  string
	err  error
}

var registrySize = []string{"--patients", "60", "--referrals", "0"}

// prepared is a data folder with a small registry, made once and copied for each test.
func prepared(t testing.TB) string {
	t.Helper()
	registry.once.Do(func() {
		dir, err := os.MkdirTemp("", "xinglin-registry-")
		if err != nil {
			registry.err = err
			return
		}
		registry.dir = dir
		h := &hub{t: t, data: filepath.Join(dir, "data"), clock: filepath.Join(dir, "clock")}
		if registry.err = h.begin("demo", registrySize...); registry.err == nil {
			registry.err = h.end(syscall.SIGTERM)
		}
	})
	if registry.err != nil {
		t.Fatalf("make the registry: %v", registry.err)
	}
	return filepath.Join(registry.dir, "data")
}

// start runs the program on its own copy of the registry. It ends with the test.
func start(t testing.TB) *hub {
	t.Helper()
	from, dir := prepared(t), t.TempDir()
	h := &hub{t: t, data: filepath.Join(dir, "data"), clock: filepath.Join(dir, "clock")}
	if err := os.CopyFS(h.data, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if key := filepath.Join(h.data, "master.key"); os.Chmod(key, 0o600) != nil { // a copy takes the default mode
		t.Fatalf("start: %s is missing", key)
	}
	h.resume()
	return h
}

// startOn runs the program on a PostgreSQL database with the same registry.
func startOn(t testing.TB, database string) *hub {
	t.Helper()
	dir := t.TempDir()
	h := &hub{t: t, db: database, data: filepath.Join(dir, "data"), clock: filepath.Join(dir, "clock")}
	if err := h.begin("demo", registrySize...); err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() { h.end(syscall.SIGTERM) })
	return h
}

// resume starts the program again on the same data.
func (h *hub) resume() {
	h.t.Helper()
	if err := h.begin("serve"); err != nil {
		h.t.Fatalf("start: %v\n%s", err, h.log)
	}
	h.t.Cleanup(func() { h.end(syscall.SIGTERM) })
}

// said is what the program printed; it finds the address in it.
type said struct {
	mu    sync.Mutex
	text  bytes.Buffer
	found chan string
	told  bool
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	if u := address.FindString(s.text.String()); u != "" && !s.told {
		s.told = true
		s.found <- u
	}
	return len(b), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

var address = regexp.MustCompile(`https?://127\.0\.0\.1:\d+\b`)

func (h *hub) begin(command string, more ...string) error {
	args := append([]string{command, "--data", h.data, "--listen", "127.0.0.1:0", "--test-clock", h.clock}, more...)
	if h.db != "" {
		args = append(args, "--db", h.db)
	}
	h.cmd = exec.Command(binary, args...)
	h.log = &said{found: make(chan string, 1)}
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	if err := h.cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	h.done = done
	go func() {
		h.cmd.Wait()
		close(done)
	}()
	select {
	case h.url = <-h.log.found:
	case <-done:
		return fmt.Errorf("%s ended early:\n%s", command, h.log)
	case <-time.After(2 * time.Minute):
		h.cmd.Process.Kill()
		return fmt.Errorf("%s did not come up:\n%s", command, h.log)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if res, err := http.Get(h.url + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s is not ready:\n%s", command, h.log)
}

// end sends a signal to the program and waits until it is gone.
func (h *hub) end(signal syscall.Signal) error {
	select {
	case <-h.done:
		return nil
	default:
	}
	h.cmd.Process.Signal(signal)
	select {
	case <-h.done:
	case <-time.After(30 * time.Second):
		h.cmd.Process.Kill()
		<-h.done
		return fmt.Errorf("the program did not stop")
	}
	return nil
}

// person is somebody logged in with an own browser.
type person struct {
	hub    *hub
	client *http.Client
	csrf   string
	bearer string
}

// login opens a session of a demo account.
func (h *hub) login(username string) (*person, error) {
	jar, _ := cookiejar.New(nil)
	p := &person{hub: h, client: &http.Client{Jar: jar, Timeout: time.Minute}}
	body, _ := json.Marshal(map[string]string{"username": username, "password": region.DemoPassword})
	a, err := p.call("POST", "/api/login", "application/json", body, nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("login %s: %d %s", username, a.status, a.body)
	}
	p.csrf, _ = a.find("csrf").(string)
	return p, nil
}

// program is another system with a bearer token.
func (h *hub) program(name, scope string, more ...string) *person {
	h.t.Helper()
	args := append([]string{"token", "--data", h.data, "--client", name, "--scope", scope}, more...)
	if h.db != "" {
		args = append(args, "--db", h.db)
	}
	out, err := exec.Command(binary, args...).Output()
	if err != nil {
		h.t.Fatalf("token: %v %s", err, out)
	}
	return &person{hub: h, client: &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, bearer: strings.TrimSpace(string(out))}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	tree   any
}

func (p *person) call(method, path, contentType string, body []byte, header http.Header) (*answer, error) {
	req, err := http.NewRequest(method, p.hub.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if p.csrf != "" {
		req.Header.Set("X-CSRF-Token", p.csrf)
	}
	if p.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+p.bearer)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	json.Unmarshal(a.body, &a.tree)
	return a, nil
}

func (p *person) fhir(method, path string, body []byte, header http.Header) (*answer, error) {
	return p.call(method, "/fhir/"+path, "application/fhir+json", body, header)
}

var step = regexp.MustCompile(`^([^\[]*)\[(\d+)\]$`)

// find follows a path such as rows[0].state.
func (a *answer) find(path string) any {
	at := a.tree
	for _, name := range strings.Split(path, ".") {
		index := -1
		if m := step.FindStringSubmatch(name); m != nil {
			name = m[1]
			fmt.Sscan(m[2], &index)
		}
		if name != "" {
			object, _ := at.(map[string]any)
			at = object[name]
		}
		if index >= 0 {
			list, _ := at.([]any)
			if index >= len(list) {
				return nil
			}
			at = list[index]
		}
	}
	return at
}
