package transfer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ulikunitz/xz"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// shelf keeps what was applied, like a store that knows its keys.
type shelf struct {
	mu     sync.Mutex
	keys   map[string]bool
	urls   []string
	refuse string // requests whose url contains this fail
	broken bool
}

func (s *shelf) apply(_ context.Context, b *fhir.Node, key string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return false, Fatal{Err: errors.New("disk full")}
	}
	if s.keys[key] {
		return true, nil
	}
	var urls []string
	for _, e := range b.All("entry") {
		url := e.Str("request.method") + " " + e.Str("request.url")
		if s.refuse != "" && strings.Contains(url, s.refuse) {
			return false, fmt.Errorf("%s: refused", url)
		}
		urls = append(urls, url)
	}
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	s.keys[key] = true
	s.urls = append(s.urls, urls...)
	return false, nil
}

func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	transaction = `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","id":"x"},"request":{"method":"POST","url":"Patient"}}]}`
	collection  = `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"c1"}},{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"c2"}}]}`
	organ       = `{"resourceType":"Organization","id":"o1"}`
)

func packed(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, m := range []struct{ name, text string }{
		{"in/a.json", strings.Replace(transaction, `"x"`, `"tarred"`, 1)},
		{"in/._a.json", "resource fork"},
		{"in/broken.json", `{"resourceType":`},
		{"in/readme.txt", "no resource"},
	} {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Size: int64(len(m.text)), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(m.text))
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func TestEveryFormIsReadAndBadOnesAreReported(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "bundle.json", []byte(transaction))
	put(t, dir, "collection.json", []byte("\xef\xbb\xbf"+collection))
	put(t, dir, "organization.json", []byte(organ))
	put(t, dir, "all.tar.xz", packed(t))
	put(t, dir, "notes.txt", []byte("ignored"))
	put(t, dir, "cut.json.gz", []byte("\x1f\x8bnot gzip"))
	put(t, dir, "observation.ndjson", []byte(`{"resourceType":"Observation","id":"n1"}

{"resourceType":"Observation","id":
{"resourceType":"Observation","id":"n3"}
`))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(strings.Replace(transaction, `"Patient","id":"x"`, `"Patient","id":"zipped"`, 1)))
	w.Close()
	put(t, dir, "one.json.gz", z.Bytes())

	var s shelf
	report, err := Import{Apply: s.apply}.Run(t.Context(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if s.urls[0] != "PUT Organization/o1" {
		t.Errorf("got %s first; want the organisation, others refer to it", s.urls[0])
	}
	slices.Sort(s.urls)
	want := []string{"POST Patient", "POST Patient", "POST Patient", "POST Patient", "PUT Observation/n1", "PUT Observation/n3", "PUT Organization/o1", "PUT Patient/c1"}
	if !slices.Equal(s.urls, want) {
		t.Errorf("got %v; want %v", s.urls, want)
	}
	if report.Bundles != 6 || report.Resources != 8 || report.Again != 0 {
		t.Errorf("got %+v; want 6 bundles, 8 resources", report)
	}
	var paths []string
	for _, b := range report.Bad {
		paths = append(paths, filepath.Base(b.Path))
	}
	slices.Sort(paths)
	if want := []string{"broken.json", "cut.json.gz", "observation.ndjson:3"}; !slices.Equal(paths, want) {
		t.Errorf("got bad %v; want %v", report.Bad, want)
	}

	report, err = Import{Apply: s.apply}.Run(t.Context(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if report.Bundles != 0 || report.Again != 6 {
		t.Errorf("got %+v the second time; want everything to be there already", report)
	}
}

func TestOneRefusedLineDoesNotKeepTheOthersOut(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	for i := range 450 {
		fmt.Fprintf(&text, "{\"resourceType\":\"Patient\",\"id\":\"p%d\"}\n", i)
	}
	put(t, dir, "patient.ndjson", []byte(text.String()))
	s := shelf{refuse: "Patient/p250"}
	report, err := Import{Apply: s.apply}.Run(t.Context(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if report.Resources != 449 || len(report.Bad) != 1 || !strings.Contains(report.Bad[0].Path, "Patient/p250") {
		t.Errorf("got %d resources, bad %v; want 449 and p250", report.Resources, report.Bad)
	}
}

func TestABrokenDatabaseStopsTheRun(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "bundle.json", []byte(transaction))
	s := shelf{broken: true}
	if _, err := (Import{Apply: s.apply}).Run(t.Context(), []string{dir}); err == nil || err.Error() != "disk full" {
		t.Errorf("got %v; want disk full", err)
	}
	if _, err := (Import{Apply: s.apply}).Run(t.Context(), []string{filepath.Join(dir, "nowhere")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v; want not exist", err)
	}
}
