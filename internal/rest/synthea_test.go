package rest_test

import (
	"archive/tar"
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/rest"
)

// synthea gives the first n bundles of the outside data, or skips.
func synthea(t testing.TB, n int) (bundles [][]byte) {
	t.Helper()
	folder := os.Getenv("XINGLIN_DATA")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(folder, "synthea-r4", "synthea-r4-bundles.tar.xz"))
	if err != nil {
		t.Skip("no outside data: synthea-r4 is absent")
	}
	defer f.Close()
	z, err := xz.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); len(bundles) < n; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		bundles = append(bundles, data)
	}
	return bundles
}

func TestEveryReferenceOfAnImportedBundleResolves(t *testing.T) {
	h := newHub(t)
	importer := rest.NewBundles(h.options)
	ctx := access.With(context.Background(), system)
	for i, data := range synthea(t, 6) {
		n, err := fhir.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := importer.Import(ctx, n, string(rune('a'+i))); err != nil {
			t.Fatalf("bundle %d: %v", i, err)
		}
	}
	known, refs := map[string]bool{}, map[string]bool{}
	url := "/_history?_count=1000"
	for url != "" {
		r := h.want(200, system, "GET", url, "")
		for _, e := range r.node.All("entry") {
			res := e.Child("resource")
			known[res.Type()+"/"+res.ID()] = true
			for _, ref := range bundle.References(res) {
				refs[ref.Text] = true
			}
		}
		url = strings.TrimPrefix(linkOf(r, "next"), "http://hub.test/fhir")
	}
	dangling := 0
	for ref := range refs {
		if !strings.HasPrefix(ref, "#") && !known[ref] {
			if dangling++; dangling < 5 {
				t.Errorf("dangling: %s", ref)
			}
		}
	}
	t.Logf("%d resources, %d references, %d dangling", len(known), len(refs), dangling)
}

// BenchmarkImport measures everything but the durable disk: parse, validate, plan, index and write on a database in memory.
func BenchmarkImport(b *testing.B) {
	bundles := synthea(b, 4)
	resources, began := 0, time.Now()
	for b.Loop() {
		b.StopTimer()
		h := newHub(b)
		importer := rest.NewBundles(h.options)
		ctx := access.With(context.Background(), system)
		b.StartTimer()
		for _, data := range bundles {
			n, err := fhir.Parse(data)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := importer.Import(ctx, n, ""); err != nil {
				b.Fatal(err)
			}
			resources += len(n.All("entry"))
		}
	}
	b.ReportMetric(float64(resources)/time.Since(began).Seconds(), "resources/s")
}

// BenchmarkCheck measures what happens to a bundle before the database sees it.
func BenchmarkCheck(b *testing.B) {
	bundles := synthea(b, 4)
	var size int64
	for _, data := range bundles {
		size += int64(len(data))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, data := range bundles {
			n, err := fhir.Parse(data)
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range n.All("entry") {
				res := e.Child("resource")
				for _, is := range validate.Resource(res) {
					if is.Severity == "error" {
						b.Fatalf("%+v", is)
					}
				}
				bundle.References(res)
			}
		}
	}
}
