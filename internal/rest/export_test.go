package rest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/blob"
	"github.com/xinglin-health/xinglin/internal/bulk"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// bulkHub is a hub with exports and imports; a test moves them on by run.
type bulkHub struct {
	*hub
	jobs    *job.Runner
	files   *blob.Files
	folder  string
	revoked map[string]bool
	options bulk.Options
}

const async = "Prefer: respond-async"

func newBulkHub(t testing.TB, open storetest.Open, more func(*bulk.Options)) *bulkHub {
	t.Helper()
	with := func(t testing.TB, o store.Options) *store.Store {
		o.Migrations = slices.Concat(job.Migrations, bulk.Migrations)
		return open(t, o)
	}
	h := &bulkHub{hub: newHubOn(t, with), revoked: map[string]bool{}, folder: t.TempDir()}
	url, err := blob.URL(filepath.Join(h.folder, "files"))
	if err != nil {
		t.Fatal(err)
	}
	if h.files, err = blob.Open(t.Context(), url, filepath.Join(h.folder, "parts"), h.clock, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.files.Close() })
	callers := map[string]*access.Caller{}
	for _, c := range []*access.Caller{system, program("system/*.cruds"), elsewhere(), narrow()} {
		callers[c.User] = c
	}
	writer := rest.NewBundles(h.hub.options)
	h.options = bulk.Options{Store: h.store, Files: h.files, Audit: h.audit, Subset: rest.Subset, PartSize: 4,
		Renew: func(_ context.Context, c access.Caller) (*access.Caller, error) {
			if h.revoked[c.User] {
				return nil, fhir.Refuse(401, "login", "bad-token", "revoked", "已撤销")
			}
			return callers[c.User], nil
		},
		Write: func(ctx context.Context, n []*fhir.Node) error { return writer.PutAll(ctx, n, "import") },
	}
	if more != nil {
		more(&h.options)
	}
	h.restart()
	return h
}

// restart makes everything anew on the same database and files, as another process would.
func (h *bulkHub) restart() {
	room := bulk.New(h.options)
	h.jobs = job.NewRunner(h.store, h.clock)
	h.jobs.Handle(bulk.Job, room.Work())
	o := h.hub.options
	o.Bulk = room
	h.handler = rest.New(o)
}

func (h *bulkHub) run() {
	h.t.Helper()
	if _, err := h.jobs.Tick(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

// elsewhere is a token of another hospital, narrow one that reads Patients only.
func elsewhere() *access.Caller {
	c := *doctor("elsewhere")
	c.User, c.Role, c.Scopes = "program-elsewhere", access.Program, []string{"system/*.rs"}
	return &c
}

func narrow() *access.Caller {
	c := program("system/Patient.rs")
	c.User = "program-narrow"
	return c
}

// begin calls the operation and returns the path of its status.
func (h *bulkHub) begin(as *access.Caller, url string) string {
	h.t.Helper()
	r := h.want(202, as, "GET", url, "", async)
	status := strings.TrimPrefix(r.Header.Get("Content-Location"), "http://hub.test/fhir")
	if status == "" || r.body != "" {
		h.t.Fatalf("%s: got Content-Location %q and %q", url, status, r.body)
	}
	return status
}

// lines downloads the files of a kind and returns what stands in them as Type/id, sorted, with a ! where mark is in the line.
func (h *bulkHub) lines(as *access.Caller, manifest reply, kind, mark string) string {
	h.t.Helper()
	var out []string
	for _, o := range manifest.node.All(kind) {
		r := h.want(200, as, "GET", strings.TrimPrefix(o.Str("url"), "http://hub.test/fhir"), "", "Accept: application/fhir+ndjson")
		if r.Header.Get("Content-Type") != "application/fhir+ndjson" {
			h.t.Errorf("Content-Type: got %s", r.Header.Get("Content-Type"))
		}
		for line := range strings.Lines(r.body) {
			n, err := fhir.Parse([]byte(strings.TrimSpace(line)))
			if err != nil {
				h.t.Fatalf("%q: %v", line, err)
			}
			if n.Type() != o.Str("type") && kind == "output" {
				h.t.Errorf("a %s among %s", n.Type(), o.Str("type"))
			}
			text := n.Type() + "/" + n.ID()
			if n.Type() == "Bundle" {
				text = n.Str("entry[0].request.method") + " " + n.Str("entry[0].request.url")
			}
			if mark != "" && strings.Contains(line, mark) {
				text += "!"
			}
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (h *bulkHub) population() {
	program := program("system/*.cruds")
	for i := range 5 {
		h.patient(program, fmt.Sprintf("p%d", i), "张")
		h.observation(program, fmt.Sprintf("o%d", i), fmt.Sprintf("p%d", i), fmt.Sprintf("2026-01-0%d", i+1))
	}
	h.put(program, `{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p1"}},{"entity":{"reference":"Patient/p2"}},{"entity":{"reference":"Patient/p3"},"inactive":true}]}`)
	h.put(elsewhere2(), `{"resourceType":"Patient","id":"theirs","name":[{"family":"李"}]}`)
	h.audit.take()
}

func elsewhere2() *access.Caller {
	c := elsewhere()
	c.Scopes = []string{"system/*.cruds"}
	return c
}

func TestExport(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newBulkHub(t, open, nil)
		h.population()
		mine := program("system/*.cruds")
		all := "Group/g Observation/o0 Observation/o1 Observation/o2 Observation/o3 Observation/o4 Patient/p0 Patient/p1 Patient/p2 Patient/p3 Patient/p4"
		for _, c := range []struct {
			name, url string
			as        *access.Caller
			want      string
		}{
			{"everything of the hospital", "/$export?_type=Patient,Observation,Group", mine, all},
			{"without types, the registers come too", "/$export", mine, strings.Replace(all, " Patient/p0", " Organization/county Organization/elsewhere Patient/p0", 1)},
			{"of patients", "/Patient/$export", mine, all},
			{"of a group", "/Group/g/$export", mine, "Group/g Observation/o1 Observation/o2 Patient/p1 Patient/p2"},
			{"of some patients", "/Patient/$export?patient=Patient/p4&patient=Patient/theirs", mine, "Observation/o4 Patient/p4"},
			{"by types", "/$export?_type=Observation", mine, "Observation/o0 Observation/o1 Observation/o2 Observation/o3 Observation/o4"},
			{"by a filter", "/$export?_type=Observation,Patient&_typeFilter=" + esc("Observation?date=ge2026-01-04") + "&_typeFilter=" + esc("Observation?date=2026-01-01"), mine, "Observation/o0 Observation/o3 Observation/o4 Patient/p0 Patient/p1 Patient/p2 Patient/p3 Patient/p4"},
			{"of another hospital", "/Patient/$export", elsewhere(), "Patient/theirs"},
			{"by a token for patients", "/$export", narrow(), "Patient/p0 Patient/p1 Patient/p2 Patient/p3 Patient/p4"},
			{"nothing", "/$export?_type=Encounter", mine, ""},
		} {
			h.audit.take()
			status := h.begin(c.as, c.url)
			if entries := h.audit.take(); len(entries) != 1 || entries[0].What != "export" || entries[0].User != c.as.User {
				t.Errorf("%s: audit: got %+v", c.name, entries)
			}
			if r := h.want(202, c.as, "GET", status, ""); r.Header.Get("X-Progress") == "" || r.Header.Get("Retry-After") == "" {
				t.Errorf("%s: got %v", c.name, r.Header)
			}
			h.run()
			r := h.want(200, c.as, "GET", status, "")
			if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Expires") == "" || r.node.Str("requiresAccessToken") != "true" || r.node.Str("transactionTime") == "" {
				t.Errorf("%s: got %v %s", c.name, r.Header, r.body)
			}
			if got := h.lines(c.as, r, "output", ""); got != c.want {
				t.Errorf("%s: got %s; want %s", c.name, got, c.want)
			}
			var told []string
			for _, e := range h.audit.take() {
				told = append(told, e.Patients...)
			}
			if strings.Contains(c.want, "Patient/p1") && !slices.Contains(told, "Patient/p1") || c.as.User == "program-elsewhere" && slices.Contains(told, "Patient/p1") {
				t.Errorf("%s: audit names %v", c.name, told)
			}
			// nobody else's business
			h.want(404, system, "GET", status, "")
			h.want(404, system, "DELETE", status, "")
			for _, o := range r.node.All("output") {
				h.want(404, system, "GET", strings.TrimPrefix(o.Str("url"), "http://hub.test/fhir"), "")
			}
			h.want(202, c.as, "DELETE", status, "")
			h.want(404, c.as, "GET", status, "")
		}
		left, err := filepath.Glob(filepath.Join(h.folder, "files", "bulk", "*", "*"))
		if err != nil || len(left) != 0 {
			t.Errorf("got %v left; want no file", left)
		}
	})
}

func esc(s string) string { return strings.NewReplacer("?", "%3F", "=", "%3D", "&", "%26").Replace(s) }

func TestExportRefuses(t *testing.T) {
	h := newBulkHub(t, storetest.Memory, nil)
	h.population()
	mine := program("system/*.cruds")
	for _, c := range []struct {
		name, url string
		as        *access.Caller
		status    int
		detail    string
	}{
		{"a person", "/$export", county, 403, "programs-only"},
		{"nobody", "/$export", nil, 401, "login-required"},
		{"a type that is none", "/$export?_type=Dog", mine, 400, "bad-type"},
		{"a type that belongs to no patient", "/Patient/$export?_type=Organization", mine, 400, "bad-type"},
		{"a type that the token may not read", "/$export?_type=Observation", narrow(), 403, "not-allowed"},
		{"a filter of another type", "/$export?_type=Patient&_typeFilter=" + esc("Observation?code=1"), mine, 400, "bad-filter"},
		{"a filter that is no search", "/$export?_typeFilter=" + esc("Observation?nose=1"), mine, 400, "unknown-parameter"},
		{"a format", "/$export?_outputFormat=parquet", mine, 400, "format-unsupported"},
		{"what is not known", "/$export?organizeOutputBy=Patient", mine, 400, "unknown-parameter"},
		{"a group that cannot be seen", "/Group/g/$export", elsewhere(), 404, "not-found"},
		{"no such group", "/Group/none/$export", mine, 404, "not-found"},
		{"since never", "/$export?_since=yesterday", mine, 400, "bad-value"},
	} {
		if r := h.do(c.as, "GET", c.url, "", async); r.StatusCode != c.status || r.detail() != c.detail {
			t.Errorf("%s: got %d %s; want %d %s", c.name, r.StatusCode, r.body, c.status, c.detail)
		}
	}
	if r := h.want(400, mine, "GET", "/$export", ""); r.detail() != "respond-async" {
		t.Errorf("not asynchronous: got %s", r.body)
	}
	h.want(202, mine, "GET", "/$export?organizeOutputBy=Patient", "", "Prefer: respond-async, handling=lenient")
	h.want(202, mine, "POST", "/$export", `{"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Patient"}]}`, async)
	h.want(202, mine, "GET", "/$export", "", async)
	if r := h.want(429, mine, "GET", "/$export", "", async); r.detail() != "too-many-tasks" {
		t.Errorf("a fourth at a time: got %s", r.body)
	}
	h.want(202, elsewhere(), "GET", "/$export", "", async)
	h.want(404, mine, "GET", "/$bulk-file?_jobId=x&part=0", "")
	h.want(404, mine, "GET", "/$bulk-status?_jobId=x", "")
}

func TestAnExportShowsTheMomentOfItsCall(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newBulkHub(t, open, nil)
		h.population()
		h.clock.Turn(time.Minute)
		mine := program("system/*.cruds")
		status := h.begin(mine, "/$export?_type=Observation,Patient")
		h.clock.Turn(time.Minute)
		h.observation(mine, "o9", "p1", "2026-02-01")
		h.put(mine, `{"resourceType":"Patient","id":"p0","name":[{"family":"后来"}]}`)
		h.want(204, mine, "DELETE", "/Observation/o3", "")
		h.run()
		r := h.want(200, mine, "GET", status, "")
		// o3 stood then, but nobody may read it any more
		if got := h.lines(mine, r, "output", "后来"); got != "Observation/o0 Observation/o1 Observation/o2 Observation/o4 Patient/p0 Patient/p1 Patient/p2 Patient/p3 Patient/p4" {
			t.Errorf("got %s", got)
		}
		total := int64(0)
		for _, o := range r.node.All("output") {
			var n int64
			fmt.Sscan(o.Str("count"), &n)
			total += n
		}
		if total != 10 {
			t.Errorf("got %d resources in the files; want the 10 that stood then", total)
		}
		// what came later comes with the next, once
		status = h.begin(mine, "/$export?_type=Observation,Patient&_since="+r.node.Str("transactionTime"))
		h.run()
		r = h.want(200, mine, "GET", status, "")
		if got := h.lines(mine, r, "output", "后来"); got != "Observation/o9 Patient/p0!" {
			t.Errorf("since then: got %s", got)
		}
		if got := h.lines(mine, r, "deleted", ""); got != "DELETE Observation/o3" {
			t.Errorf("deleted since then: got %s", got)
		}
	})
}

func TestADownloadShowsOnlyWhatMayStillBeSeen(t *testing.T) {
	h := newBulkHub(t, storetest.Memory, nil)
	h.population()
	task := func(status string) {
		h.put(system, `{"resourceType":"Task","id":"t","status":"`+status+`","intent":"order","for":{"reference":"Patient/p2"},"requester":{"reference":"Organization/county"},"owner":{"reference":"Organization/elsewhere"}}`)
	}
	task("requested")
	status := h.begin(elsewhere(), "/Patient/$export?_type=Patient,Observation")
	h.run()
	r := h.want(200, elsewhere(), "GET", status, "")
	if got := h.lines(elsewhere(), r, "output", ""); got != "Observation/o2 Patient/p2 Patient/theirs" {
		t.Errorf("with the grant: got %s", got)
	}
	task("entered-in-error")
	h.audit.take()
	if got := h.lines(elsewhere(), r, "output", ""); got != "Patient/theirs" {
		t.Errorf("after its end: got %s", got)
	}
	for _, e := range h.audit.take() {
		if slices.Contains(e.Patients, "Patient/p2") {
			t.Errorf("audit says that p2 was shown: %+v", e)
		}
	}
}

// stopping takes back its reader's token once it has got something.
type stopping struct {
	strings.Builder
	stop func()
}

func (w *stopping) Write(b []byte) (int, error) {
	w.stop()
	return w.Builder.Write(b)
}

func TestADownloadUnderWayEndsWithTheRightOfItsCaller(t *testing.T) {
	h := newBulkHub(t, storetest.Memory, func(o *bulk.Options) { o.PartSize = 1000 })
	mine := program("system/*.cruds")
	const patients = 520
	for i := range patients {
		h.patient(mine, fmt.Sprintf("p%03d", i), "张")
	}
	status := h.begin(mine, "/Patient/$export?_type=Patient")
	h.run()
	room, id := bulk.New(h.options), strings.TrimPrefix(status, "/$bulk-status?_jobId=")
	task, err := room.Find(t.Context(), mine, id)
	if err != nil || len(task.Parts) != 1 {
		t.Fatalf("%v %+v", err, task)
	}
	ctx := access.With(t.Context(), mine)
	for _, c := range []struct {
		revoked bool
		want    int
	}{{false, patients}, {true, 500}} {
		w := &stopping{stop: func() { h.revoked[mine.User] = c.revoked }}
		err := room.Send(ctx, mine, id, task.Parts[0].N, w)
		if n := strings.Count(w.String(), "\n"); n != c.want || (err != nil) != c.revoked {
			t.Errorf("token taken back in the middle %t: got %d resources and %v; want %d", c.revoked, n, err, c.want)
		}
	}
}

func TestAnExportEndsWithTheRightOfItsCaller(t *testing.T) {
	h := newBulkHub(t, storetest.Memory, nil)
	h.population()
	mine := program("system/*.cruds")
	status := h.begin(mine, "/$export")
	h.revoked[mine.User] = true
	h.run()
	if r := h.want(500, mine, "GET", status, ""); r.detail() != "bad-token" {
		t.Errorf("got %s", r.body)
	}
}

// cut is a file store that breaks off like a killed process, once.
type cut struct {
	bulk.Keeper
	left int
}

var errCut = errors.New("cut off")

func (c *cut) Keep(ctx context.Context, name string, data []byte) error {
	if c.left--; c.left == 0 {
		c.Keeper.Keep(ctx, name, data[:len(data)/2])
		return errCut
	}
	return c.Keeper.Keep(ctx, name, data)
}

func TestAnExportThatWasCutOffGoesOnWithoutDoublingOrLosing(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		for at := 1; at <= 4; at++ {
			var broken *cut
			h := newBulkHub(t, open, func(o *bulk.Options) { broken = &cut{o.Files, at}; o.Files = broken })
			h.population()
			mine := program("system/*.cruds")
			status := h.begin(mine, "/$export?_type=Observation,Patient")
			h.run()
			h.want(202, mine, "GET", status, "")
			h.restart()
			h.clock.Turn(time.Minute)
			h.run()
			r := h.want(200, mine, "GET", status, "")
			if got := h.lines(mine, r, "output", ""); got != "Observation/o0 Observation/o1 Observation/o2 Observation/o3 Observation/o4 Patient/p0 Patient/p1 Patient/p2 Patient/p3 Patient/p4" {
				t.Errorf("cut at file %d: got %s", at, got)
			}
		}
	})
}

// meddling deletes the task while a step of it keeps its first file.
type meddling struct {
	bulk.Keeper
	delete func()
}

func (m *meddling) Keep(ctx context.Context, name string, data []byte) error {
	if m.delete != nil {
		do := m.delete
		m.delete = nil
		do()
	}
	return m.Keeper.Keep(ctx, name, data)
}

func TestAnExportDeletedInTheMiddleLeavesNothing(t *testing.T) {
	var m *meddling
	h := newBulkHub(t, storetest.Memory, func(o *bulk.Options) { m = &meddling{Keeper: o.Files}; o.Files = m })
	h.population()
	mine := program("system/*.cruds")
	status := h.begin(mine, "/$export")
	m.delete = func() { h.want(202, mine, "DELETE", status, "") }
	h.run()
	h.want(404, mine, "GET", status, "")
	if left, _ := filepath.Glob(filepath.Join(h.folder, "files", "bulk", "*", "*")); len(left) != 0 {
		t.Errorf("got %v left; want no file", left)
	}
}

func TestBulkFilesExpire(t *testing.T) {
	h := newBulkHub(t, storetest.Memory, nil)
	h.population()
	mine := program("system/*.cruds")
	status := h.begin(mine, "/$export")
	h.run()
	r := h.want(200, mine, "GET", status, "")
	h.clock.Turn(25 * time.Hour)
	h.want(404, mine, "GET", status, "")
	h.want(404, mine, "GET", strings.TrimPrefix(r.node.Str("output[0].url"), "http://hub.test/fhir"), "")
	if err := bulk.New(h.options).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(h.folder, "files", "bulk", "*", "*")); len(left) != 0 {
		t.Errorf("got %v left; want no file", left)
	}
}

func TestExportWithElements(t *testing.T) {
	h := newBulkHub(t, storetest.Memory, nil)
	h.population()
	mine := program("system/*.cruds")
	status := h.begin(mine, "/$export?_type=Patient&_elements=gender")
	h.run()
	r := h.want(200, mine, "GET", status, "")
	file := h.want(200, mine, "GET", strings.TrimPrefix(r.node.Str("output[0].url"), "http://hub.test/fhir"), "")
	if strings.Contains(file.body, "birthDate") || !strings.Contains(file.body, `"gender":"male"`) || !strings.Contains(file.body, "SUBSETTED") {
		t.Errorf("got %s", file.body)
	}
}

func TestImport(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newBulkHub(t, open, nil)
		mine := program("system/*.cruds")
		var patients, observations strings.Builder
		for i := range 700 {
			fmt.Fprintf(&patients, `{"resourceType":"Patient","id":"b%d","name":[{"family":"张"}]}`+"\n", i)
			fmt.Fprintf(&observations, `{"resourceType":"Observation","id":"b%d","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/b%d"}}`+"\n", i, i)
			switch i {
			case 10:
				patients.WriteString(`{"resourceType":"Patient","id":"bad","gender":"manly"}` + "\n\n{\n" + `{"resourceType":"Observation","id":"wrong"}` + "\n" + `{"resourceType":"Patient"}` + "\n")
			case 20:
				patients.WriteString(`{"resourceType":"Patient","id":"b20","name":[{"family":"张"}]}` + "\n")
				observations.WriteString(`{"resourceType":"Observation","id":"lost","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/nobody"}}` + "\n")
			}
		}
		upload := func(id, text string) {
			h.put(mine, fmt.Sprintf(`{"resourceType":"Binary","id":%q,"contentType":"application/fhir+ndjson","data":%q}`, id, base64.StdEncoding.EncodeToString([]byte(text))))
		}
		upload("patients", patients.String())
		upload("observations", strings.TrimSpace(observations.String()))
		input := func(list ...string) string {
			var parts []string
			for _, in := range list {
				typ, url, _ := strings.Cut(in, " ")
				parts = append(parts, fmt.Sprintf(`{"name":"input","part":[{"name":"type","valueCode":%q},{"name":"url","valueUrl":%q}]}`, typ, url))
			}
			return `{"resourceType":"Parameters","parameter":[{"name":"inputFormat","valueString":"application/fhir+ndjson"},` + strings.Join(parts, ",") + `]}`
		}
		body := input("Patient Binary/patients", "Observation http://hub.test/fhir/Binary/observations")
		for round := range 2 {
			r := h.want(202, mine, "POST", "/$import", body, async)
			status := strings.TrimPrefix(r.Header.Get("Content-Location"), "http://hub.test/fhir")
			h.run()
			r = h.want(200, mine, "GET", status, "")
			if got := r.node.Str("extension.resources"); got != "1401" {
				t.Errorf("round %d: got %s resources; want 1401, one of them twice", round, got)
			}
			if got := h.lines(mine, r, "error", ""); strings.Count(got, "OperationOutcome/") != 5 {
				t.Errorf("round %d: got %s; want five complaints: %s", round, got, r.body)
			}
			if got := h.want(200, mine, "GET", "/Observation?_summary=count", "").node.Str("total"); got != "700" {
				t.Errorf("round %d: got %s observations; want 700", round, got)
			}
		}
		if r := h.want(200, mine, "GET", "/Patient/b5/_history", ""); r.node.Str("total") != "1" {
			t.Errorf("the same import twice: got %s versions; want 1", r.node.Str("total"))
		}
		for _, c := range []struct {
			name   string
			as     *access.Caller
			body   string
			status int
			detail string
		}{
			{"an address elsewhere", mine, input("Patient http://10.0.0.1/p.ndjson"), 400, "bad-input"},
			{"a file of this machine", mine, input("Patient file:///etc/passwd"), 400, "bad-input"},
			{"what was never uploaded", mine, input("Patient Binary/none"), 422, "unknown-input"},
			{"what another uploaded", elsewhere2(), input("Patient Binary/patients"), 422, "unknown-input"},
			{"no inputs", mine, `{"resourceType":"Parameters"}`, 400, "bad-input"},
			{"a token that only reads", elsewhere(), input("Patient Binary/patients"), 403, "not-allowed"},
			{"a person", county, input("Patient Binary/patients"), 403, "programs-only"},
		} {
			if r := h.do(c.as, "POST", "/$import", c.body, async); r.StatusCode != c.status || r.detail() != c.detail {
				t.Errorf("%s: got %d %s; want %d %s", c.name, r.StatusCode, r.body, c.status, c.detail)
			}
		}
		_ = http.StatusOK
	})
}
