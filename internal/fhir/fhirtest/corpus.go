// Package fhirtest reads the outside resources that tests run against.
package fhirtest

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// Archives in the data folder.
const (
	Examples = "fhir-r4-examples/hl7.fhir.r4.examples-4.0.1.tar.xz" // HL7's own, CC0
	Synthea  = "synthea-r4/synthea-r4-bundles.tar.xz"               // made-up patients, Apache-2.0
)

// Folder is $XINGLIN_DATA, or shared/data beside the repository; the test is skipped where there is none.
func Folder(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("XINGLIN_DATA")
	if dir == "" {
		root, err := os.Getwd()
		for err == nil {
			if _, e := os.Stat(filepath.Join(root, "go.mod")); e == nil {
				break
			}
			if root == filepath.Dir(root) {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no outside data: set XINGLIN_DATA (looked in %s)", dir)
	}
	return dir
}

// Each calls fn for every JSON file of an archive, at most limit of them (0 = all).
func Each(t testing.TB, archive string, limit int, fn func(name string, data []byte)) {
	t.Helper()
	file := filepath.Join(Folder(t), archive)
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no %s", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := xz.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(x)
	for n := 0; limit == 0 || n < limit; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		n++
		fn(h.Name, data)
	}
}
