package store_test

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// resource is one entry of a bundle with its references made local.
type resource struct {
	typ, id string
	node    *fhir.Node
}

// bundles reads the first n Synthea bundles; the benchmark is skipped where they are absent.
func bundles(t testing.TB, n int) [][]resource {
	t.Helper()
	dir := os.Getenv("XINGLIN_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	f, err := os.Open(filepath.Join(dir, "synthea-r4", "synthea-r4-bundles.tar.xz"))
	if err != nil {
		t.Skip("no Synthea bundles: ", err)
	}
	defer f.Close()
	x, err := xz.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]resource
	for tr := tar.NewReader(x); len(out) < n; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		b, err := fhir.Parse(data)
		if err != nil {
			t.Fatal(h.Name, err)
		}
		out = append(out, localise(b, len(out)))
	}
	return out
}

// localise names the entries of a bundle and turns its urn:uuid references into local ones.
func localise(b *fhir.Node, round int) []resource {
	var list []resource
	local := map[string]string{}
	for _, e := range b.All("entry") {
		r := resource{typ: e.Str("resource.resourceType"), node: e.Child("resource")}
		r.id = fmt.Sprintf("%s-%d", strings.TrimPrefix(e.Str("fullUrl"), "urn:uuid:"), round)
		local[e.Str("fullUrl")] = r.typ + "/" + r.id
		list = append(list, r)
	}
	for _, r := range list {
		rewrite(r.node, local)
	}
	return list
}

func rewrite(n *fhir.Node, local map[string]string) {
	for i := range n.Members {
		m := &n.Members[i]
		if to, ok := local[m.Value.Text]; ok && m.Name == "reference" {
			m.Value = fhir.Of(to)
			continue
		}
		rewrite(m.Value, local)
	}
	for _, item := range n.Items {
		rewrite(item, local)
	}
}

// load writes bundles by clients at once, one unit each, round after round until total resources.
func load(t testing.TB, s *store.Store, all [][]resource, clients, rounds int) (resources int64) {
	ctx := context.Background()
	type job struct{ bundle, round int }
	jobs := make(chan job)
	var wg sync.WaitGroup
	var n atomic.Int64
	for range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range jobs {
				puts := make([]store.Put, 0, len(all[j.bundle]))
				for _, r := range all[j.bundle] {
					node := r.node
					if j.round > 0 {
						node = rename(node, j.round)
					}
					p, err := s.Prepare(node)
					if err != nil {
						t.Error(err)
						return
					}
					id := r.id
					if j.round > 0 {
						id = fmt.Sprint(id, "r", j.round)
					}
					puts = append(puts, store.Put{Op: store.Create, Type: r.typ, ID: id, Resource: p, Custodian: "Organization/bench"})
				}
				if err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.PutAll(ctx, puts); return err }); err != nil {
					t.Error(err)
				}
				n.Add(int64(len(puts)))
			}
		}()
	}
	for round := range rounds {
		for b := range all {
			jobs <- job{b, round}
		}
	}
	close(jobs)
	wg.Wait()
	return n.Load()
}

func rename(n *fhir.Node, round int) *fhir.Node {
	n = n.Copy()
	var walk func(*fhir.Node)
	walk = func(n *fhir.Node) {
		for i := range n.Members {
			if m := &n.Members[i]; m.Name == "reference" && !strings.HasPrefix(m.Value.Text, "#") {
				m.Value.Text = fmt.Sprint(m.Value.Text, "r", round)
			} else {
				walk(m.Value)
			}
		}
		for _, item := range n.Items {
			walk(item)
		}
	}
	walk(n)
	return n
}

func openDisk(b testing.TB) (*store.Store, string) {
	dir := b.TempDir()
	s, err := store.Open(context.Background(), "file:"+dir, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s, dir
}

// BenchmarkImport loads Synthea bundles into SQLite on disk with synchronous=FULL.
func BenchmarkImport(b *testing.B) {
	all := bundles(b, 60)
	for range b.N {
		s, dir := openDisk(b)
		start := time.Now()
		n := load(b, s, all, 2, 1)
		took := time.Since(start)
		s.Close()
		info, err := os.Stat(filepath.Join(dir, "xinglin.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/took.Seconds(), "resources/s")
		b.ReportMetric(float64(info.Size())/float64(n), "B/resource")
		b.ReportMetric(float64(n), "resources")
	}
}

func BenchmarkImportPostgres(b *testing.B) {
	all := bundles(b, 60)
	for range b.N {
		s := storetest.Postgres(b, store.Options{})
		start := time.Now()
		n := load(b, s, all, 4, 1)
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "resources/s")
	}
}

func BenchmarkRead(b *testing.B) {
	ctx := context.Background()
	all := bundles(b, 10)
	s, _ := openDisk(b)
	load(b, s, all, 2, 1)
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(s.Update(ctx, func(tx *store.Tx) error {
		for _, bundle := range all {
			if err := tx.Grant(ctx, store.Grant{Patient: "Patient/" + bundle[0].id, Party: "Organization/c", Source: "x"}); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, c := range []struct {
		name  string
		scope search.Scope
	}{{"everything", search.Everything}, {"granted", search.Scope{Parties: []string{"Organization/a", "Organization/c"}}}} {
		b.Run(c.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				bundle := all[i%len(all)]
				r := bundle[(i*7)%len(bundle)]
				if c.name == "granted" && r.node.Child("subject") == nil {
					r = bundle[0]
				}
				must(s.View(ctx, func(tx *store.Tx) error { _, err := tx.Read(ctx, c.scope, r.typ, r.id); return err }))
			}
		})
	}
}
