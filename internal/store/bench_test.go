package store_test

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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
	x, err := xz.NewReader(bufio.NewReaderSize(f, 1<<20))
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
				for i, r := range all[j.bundle] {
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
					puts = append(puts, store.Put{Op: store.Create, Type: r.typ, ID: id, Resource: p, Custodian: benchKeeper(j.bundle + j.round*len(all) + i/8)})
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

// benchUnits are the departments that keep the resources; every twentieth piece is kept by another hospital.
const benchUnits = 130

func benchKeeper(i int) string {
	if i%20 == 19 {
		return "Organization/elsewhere"
	}
	return fmt.Sprint("Organization/unit", i%benchUnits)
}

// benchOptions guard one patient in twenty, and one other resource in two hundred by itself.
func benchOptions() store.Options {
	return store.Options{Kinds: []string{"psychiatry", "hiv", "genetics", "staff", "abuse"}, Guarded: func(n *fhir.Node) []string {
		h := fnv.New32a()
		io.WriteString(h, n.ID())
		switch at := h.Sum32() % 400; {
		case n.Type() == "Patient" && at%20 == 0:
			return []string{"hiv"}
		case n.Type() != "Patient" && at%200 == 0:
			return []string{"psychiatry"}
		}
		return nil
	}}
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
	s, err := store.Open(context.Background(), "file:"+dir, benchOptions())
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
		n := load(b, s, all, 4, benchRounds())
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

// BenchmarkSearch asks the pages that people open, for callers who see all, a third and a few of the patients.
func BenchmarkSearch(b *testing.B) {
	for _, db := range []string{"sqlite", "postgres"} {
		b.Run(db, func(b *testing.B) {
			all := bundles(b, 60)
			var s *store.Store
			if kept := os.Getenv("XINGLIN_BENCH_STORE"); kept != "" && db == "sqlite" {
				s = keptStore(b, "file:"+kept, all)
				searchBench(b, s, all, 0)
				return
			} else if url := os.Getenv("XINGLIN_BENCH_POSTGRES"); url != "" && db == "postgres" {
				s = keptStore(b, url, all)
				searchBench(b, s, all, 0)
				return
			} else if db == "sqlite" {
				s, _ = openDisk(b)
			} else {
				s = storetest.Postgres(b, benchOptions())
			}
			n := load(b, s, all, 4, benchRounds())
			searchBench(b, s, all, n)
		})
	}
}

// keptStore opens a store that stays, in a folder or a database, filling it the first time.
func keptStore(b testing.TB, where string, all [][]resource) *store.Store {
	o := benchOptions()
	o.Alone = strings.HasPrefix(where, "file:") // as the server says of its folder
	s, err := store.Open(context.Background(), where, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	stats, err := s.Stats(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	if stats.Resources == 0 {
		start := time.Now()
		n := load(b, s, all, 2, benchRounds())
		b.Logf("%d resources in %s", n, time.Since(start))
	}
	return s
}

// benchRounds multiplies the bundles; XINGLIN_BENCH_ROUNDS=55 is about a million resources.
func benchRounds() int {
	n := 1
	fmt.Sscan(os.Getenv("XINGLIN_BENCH_ROUNDS"), &n)
	return n
}

// caller is one who asks.
type caller struct {
	name  string
	scope search.Scope
}

// benchCallers are one who sees all, programs of institutions to which a third and three of the patients are granted,
// and clinicians who see a thousandth, a hundredth, a third and all of them as far as their own hospital keeps what is
// about them, with teams and a ward, single resources of others, what is guarded closed, and grants that have ended.
func benchCallers(b *testing.B, s *store.Store, patients []string) []caller {
	ctx := context.Background()
	units := []string{}
	for i := range benchUnits {
		units = append(units, fmt.Sprint("Organization/unit", i))
	}
	clinician := func(of string) search.Scope {
		return search.Scope{Own: units[:1], Sights: []search.Sight{
			{Parties: []string{"Practitioner/" + of, "CareTeam/" + of, "CareTeam/" + of + "2", "Organization/" + of, "Organization/" + of + "#emergency", "Organization/hospital#emergency"}, Custodians: units},
			{Parties: []string{"Organization/hospital#whole"}},
			{Parties: []string{"Organization/hospital#results"}, Types: []string{"Observation", "DiagnosticReport", "ImagingStudy", "Media"}},
		}}
	}
	shares := []struct {
		name  string
		every int
	}{{"unit0.1", 1000}, {"unit1", 100}, {"unit30", 3}, {"unit100", 1}}
	var shown int64
	err := s.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, "SELECT count(*) FROM access_item", nil, func(scan func(...any) error) error { return scan(&shown) })
	})
	if err == nil && shown == 0 {
		err = s.Update(ctx, func(tx *store.Tx) error {
			for i, id := range patients {
				grant := func(party string, until time.Time) error {
					return tx.Grant(ctx, store.Grant{Patient: "Patient/" + id, Party: party, Source: "x", Until: until})
				}
				var parties []string
				if i%3 == 0 {
					parties = append(parties, "Organization/third")
				}
				if i%max(1, len(patients)/3) == 0 {
					parties = append(parties, "Organization/few")
				}
				for _, share := range shares {
					if i%share.every == 0 {
						parties = append(parties, []string{"Organization/", "CareTeam/", "Practitioner/"}[i/share.every%3]+share.name)
					}
				}
				for _, party := range parties {
					if err := grant(party, time.Time{}); err != nil {
						return err
					}
				}
				for past := range 5 {
					if err := grant(fmt.Sprint("Organization/ward", (i+past)%40), tx.Now().Add(-time.Hour)); err != nil {
						return err
					}
				}
				for k, share := range shares {
					if i%37 == k {
						if err := tx.Item(ctx, store.Item{Resource: "Patient/" + id, Party: "Practitioner/" + share.name, Source: "x"}); err != nil {
							return err
						}
					}
				}
			}
			return nil
		})
	}
	if err != nil {
		b.Fatal(err)
	}
	callers := []caller{{"all", search.Everything}, {"third", search.Scope{Parties: []string{"Organization/third"}}}, {"few", search.Scope{Parties: []string{"Organization/few"}}}}
	for _, share := range shares {
		callers = append(callers, caller{share.name, clinician(share.name)})
	}
	return callers
}

// spent is the processor time of this program so far.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func searchBench(b *testing.B, s *store.Store, all [][]resource, n int64) {
	ctx := context.Background()
	var patients []string
	for round := range benchRounds() {
		for _, bundle := range all {
			for _, r := range bundle {
				if r.typ == "Patient" {
					id := r.id
					if round > 0 {
						id = fmt.Sprint(id, "r", round)
					}
					patients = append(patients, id)
				}
			}
		}
	}
	callers := benchCallers(b, s, patients)
	b.Logf("%d resources, %d patients", n, len(patients))
	for _, who := range callers {
		for _, q := range []struct{ name, typ, query string }{
			{"token", "Observation", "code=8302-2&_count=20"},
			{"token+date", "Observation", "code=http://loinc.org|8302-2&date=ge2015&date=lt2017&_count=20"},
			{"patient+code+date", "Observation", "patient=PATIENT&code=8302-2&date=ge2010&_sort=-date&_count=20"},
			{"patient-timeline", "Encounter", "patient=PATIENT&_sort=-date&_count=20"},
			{"newest", "Encounter", "_sort=-date&_count=20"},
			{"date", "Encounter", "date=ge2015-06-01&date=lt2015-07-01&_count=20"},
			{"status", "Encounter", "status=finished&_count=20"},
			{"chain", "Observation", "subject:Patient.family=" + "FAMILY&code=8302-2&_count=20"},
			{"include", "Observation", "code=8302-2&_include=Observation:subject&_count=20"},
			{"revinclude", "Patient", "_id=PATIENT&_revinclude=Condition:subject"},
			{"name", "Patient", "name=a&_count=20"},
			{"two-tokens", "Condition", "code=59621000&clinical-status=active&_count=20"},
			{"last-updated", "Observation", "_lastUpdated=ge2020&_sort=-_lastUpdated&_count=20"},
			{"quantity", "Observation", "value-quantity=gt180|http://unitsofmeasure.org|cm&_count=20"},
			{"nothing", "Observation", "code=no-such-code"},
			{"birthdate", "Patient", "birthdate=ge1980&birthdate=lt1982&_count=20"},
			{"code+value", "Observation", "code-value-quantity=http://loinc.org|8302-2$gt180&_count=20"},
			{"patient+code+value", "Observation", "patient=PATIENT&code-value-quantity=8302-2$gt100&_count=20"},
			{"component", "Observation", "component-code-value-quantity=8480-6$gt130&_count=20"},
			{"has", "Patient", "_has:Observation:patient:code=8302-2&_count=20"},
			{"count-type", "Observation", "_summary=count"},
			{"count-code", "Observation", "code=8302-2&_summary=count"},
			{"count-common-code", "Observation", "code=72514-3&_summary=count"},
			{"count-code+date", "Observation", "code=8302-2&date=ge2012&date=lt2019&_summary=count"},
			{"count-code+status", "Observation", "code=8302-2&status=final&_summary=count"},
			{"count-code+value", "Observation", "code-value-quantity=8302-2$gt150&_summary=count"},
			{"count-chain", "Observation", "subject:Patient.gender=female&code=8302-2&_summary=count"},
		} {
			b.Run(who.name+"/"+q.name, func(b *testing.B) {
				var took []time.Duration
				i := 0
				before := spent()
				for b.Loop() {
					i++
					id := patients[(i*31)%len(patients)]
					text := strings.NewReplacer("PATIENT", id, "FAMILY", string(rune('A'+i%26))).Replace(q.query)
					query := storetest.Query(b, q.typ+"?"+text, who.scope)
					start := time.Now()
					if err := s.View(ctx, func(tx *store.Tx) error { _, err := tx.Search(ctx, query); return err }); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(start))
				}
				b.ReportMetric(float64((spent()-before).Microseconds())/float64(len(took)), "cpu-µs") // steadier than a median while others work
				slices.Sort(took)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}
