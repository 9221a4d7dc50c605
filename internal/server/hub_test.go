package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/store"
)

// cheap hashes passwords fast enough for tests.
var cheap = identity.Cost{Passes: 1, Memory: 64, Threads: 1}

func open(t *testing.T, change ...func(*Options)) *Hub {
	t.Helper()
	o := Options{Memory: true, Data: t.TempDir(), Listen: "127.0.0.1:0",
		Clock: clock.At(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), PasswordCost: cheap}
	for _, c := range change {
		c(&o)
	}
	h, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// serving runs the hub on a port of its own and returns its address and what ends it.
func serving(t *testing.T, h *Hub) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	up, down := make(chan string, 1), make(chan error, 1)
	go func() { down <- h.Serve(ctx, func(url string) { up <- url }) }()
	select {
	case url = <-up:
	case err := <-down:
		t.Fatal(err)
	}
	return url, func() error {
		cancel()
		err := <-down
		if shut := h.Close(); err == nil {
			err = shut
		}
		return err
	}
}

func TestAWholeHub(t *testing.T) {
	h := open(t)
	url, stop := serving(t, h)
	_, token, err := h.Identity.NewToken(t.Context(), "loader", []string{"system/*.cruds"}, "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string, header ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	bearer := []string{"Authorization", "Bearer " + token, "Content-Type", "application/fhir+json"}
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		content                  string
	}{
		{"alive", "GET", "/healthz", "", nil, 200, "ok"},
		{"ready", "GET", "/readyz", "", nil, 200, "ready"},
		{"what it can", "GET", "/fhir/metadata", "", nil, 200, "CapabilityStatement"},
		{"nobody reads without login", "GET", "/fhir/Patient", "", nil, 401, "login-required"},
		{"nobody is I without login", "GET", "/api/me", "", nil, 401, "login-required"},
		{"a wrong token is refused", "GET", "/fhir/Patient", "", []string{"Authorization", "Bearer xl_no"}, 401, "OperationOutcome"},
		{"an address of nothing", "GET", "/api/nothing", "", bearer, 404, "unknown-address"},
		{"an organisation", "PUT", "/fhir/Organization/county", `{"resourceType":"Organization","id":"county","name":"县人民医院"}`, bearer, 201, ""},
		{"a patient", "PUT", "/fhir/Patient/p1", `{"resourceType":"Patient","id":"p1","name":[{"text":"张三"}]}`, bearer, 201, ""},
		{"the patient again", "GET", "/fhir/Patient/p1", "", bearer, 200, "张三"},
		{"found", "GET", "/fhir/Patient?_id=p1", "", bearer, 200, "张三"},
		{"the page", "GET", "/lines/referral", "", nil, 200, "<!doctype html>"},
	} {
		status, text := call(c.method, c.path, c.body, c.header...)
		if status != c.status || !strings.Contains(text, c.content) {
			t.Errorf("%s: %s %s: got %d %s; want %d with %q", c.name, c.method, c.path, status, text, c.status, c.content)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("got %v on stopping; want none", err)
	}
}

func TestStoppingEndsOpenStreams(t *testing.T) {
	h := open(t)
	url, stop := serving(t, h)
	_, password, err := h.Identity.AddUser(t.Context(), identity.NewUser{Username: "boss", Name: "甲", Roles: []identity.Role{{Role: access.Leader, Org: "Organization/a"}}})
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	res, err := client.Post(url+"/api/login", "application/json", strings.NewReader(fmt.Sprintf(`{"username":"boss","password":%q}`, password)))
	if err != nil {
		t.Fatal(err)
	}
	var me struct {
		CSRF string `json:"csrf"`
	}
	if err := json.NewDecoder(res.Body).Decode(&me); err != nil || me.CSRF == "" {
		t.Fatalf("login: got %d, %v; want a session", res.StatusCode, err)
	}
	change, _ := http.NewRequest("POST", url+"/api/password", strings.NewReader(fmt.Sprintf(`{"old":%q,"new":"Grove-of-apricots-9"}`, password)))
	change.Header.Set("X-CSRF-Token", me.CSRF)
	change.Header.Set("Content-Type", "application/json")
	if res, err = client.Do(change); err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("password: got %v, %v; want it changed", res.Status, err)
	}
	stream, err := client.Get(url + "/api/stream")
	if err != nil || stream.StatusCode != 200 {
		t.Fatalf("stream: got %v, %v; want it open", stream.Status, err)
	}
	defer stream.Body.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
		}
	}()
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	<-ended
	if took := time.Since(began); took > patience/2 {
		t.Errorf("stopping took %v with an open stream; want it to let go", took)
	}
}

func TestImportDoublesNothing(t *testing.T) {
	h := open(t)
	defer h.Close()
	apply, err := h.Import("")
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := fhir.Parse([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","name":[{"text":"李四"}]},"request":{"method":"POST","url":"Patient"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true} {
		again, err := apply(t.Context(), bundle.Copy(), "same")
		if err != nil || again != want {
			t.Errorf("import %d: got again %v, %v; want %v", i+1, again, err, want)
		}
	}
	if _, err := h.Import("Organization/nowhere"); err == nil {
		t.Error("got a custodian that is not there; want a refusal")
	}
}

func TestABackupComesBackWhole(t *testing.T) {
	at := clock.At(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	from := Options{Data: t.TempDir(), Clock: at, PasswordCost: cheap}
	h, err := Open(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	apply, err := h.Import("")
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := fhir.Parse([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","id":"p1","name":[{"text":"李四"}]},"request":{"method":"PUT","url":"Patient/p1"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t.Context(), bundle, "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Files.Put(t.Context(), strings.NewReader("%PDF-1.4 a report"), 1<<20, ""); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	note, err := h.Backup(t.Context(), dir)
	if err != nil || note.Files != 1 {
		t.Fatalf("got %+v, %v; want a backup with one file", note, err)
	}
	if _, err := h.Backup(t.Context(), dir); err == nil {
		t.Error("got a second backup over the first; want a refusal")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	to := Options{Data: t.TempDir(), Clock: at, PasswordCost: cheap}
	if _, err := Restore(t.Context(), to, dir); !errors.Is(err, keys.ErrNoMaster) {
		t.Errorf("restore without the master key: got %v; want it said", err)
	}
	other := filepath.Join(t.TempDir(), "other.key")
	if err := keys.MakeFile(other); err != nil {
		t.Fatal(err)
	}
	to.Master = "file:" + other
	if _, err := Restore(t.Context(), to, dir); err == nil || !strings.Contains(err.Error(), "not the one named") {
		t.Errorf("restore with another master key: got %v; want it said", err)
	}
	master, err := os.ReadFile(filepath.Join(from.Data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			var b []byte
			b, err = os.ReadFile(path)
			if bytes.Contains(b, bytes.TrimSpace(master)) || bytes.Contains(b, []byte("a report")) {
				t.Errorf("%s holds the master key, or a file in plain", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	to.Master = "file:" + filepath.Join(from.Data, "master.key")
	if _, err := Restore(t.Context(), to, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), to, dir); err == nil {
		t.Error("got a restore over data; want a refusal")
	}
	again, err := Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	err = again.Store.View(t.Context(), func(tx *store.Tx) error {
		v, err := tx.Read(t.Context(), search.Everything, "Patient", "p1")
		if err == nil && !strings.Contains(string(v.JSON), "李四") {
			err = fmt.Errorf("got %s; want the patient", v.JSON)
		}
		return err
	})
	if err := errors.Join(err, again.Close()); err != nil {
		t.Error(err)
	}

	archive := filepath.Join(dir, backupDatabase)
	text, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(archive, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), Options{Data: t.TempDir(), Master: to.Master, Clock: at}, dir); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("got %v from a backup with one bit turned; want it refused", err)
	}
}

func TestExamineSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	states := func(o Options) map[string]string {
		got := map[string]string{}
		for _, f := range Examine(t.Context(), o) {
			got[f.Check] = f.State
			if f.State != "ok" && f.Mend == "" {
				t.Errorf("%s: %s: got no way to mend it", f.Check, f.Text)
			}
		}
		return got
	}
	got := states(Options{Data: dir, Listen: "0.0.0.0:80"})
	for check, want := range map[string]string{"data folder": "warning", "configuration": "warning", "database": "bad"} {
		if got[check] != want {
			t.Errorf("an empty folder open to all: %s: got %q; want %s", check, got[check], want)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h, err := Open(t.Context(), Options{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got = states(Options{Data: dir, Listen: "127.0.0.1:8080"})
	for check, want := range map[string]string{"data folder": "ok", "configuration": "ok", "database": "ok", "audit": "ok", "accounts": "warning", "server": "ok"} {
		if got[check] != want {
			t.Errorf("a new hub beside its server: %s: got %q; want %s", check, got[check], want)
		}
	}
}
