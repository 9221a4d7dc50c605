package empi_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/empi/people"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// BenchmarkPersons fills an index with XINGLIN_BENCH_PERSONS records (kept in XINGLIN_BENCH_STORE where named, or in
// PostgreSQL by XINGLIN_BENCH_DB=postgres) and measures what a register takes, and what one question takes against it.
func BenchmarkPersons(b *testing.B) {
	n, _ := strconv.Atoi(os.Getenv("XINGLIN_BENCH_PERSONS"))
	if n == 0 {
		b.Skip("XINGLIN_BENCH_PERSONS says how many records")
	}
	dir := os.Getenv("XINGLIN_BENCH_STORE")
	if dir == "" {
		dir = b.TempDir()
	}
	dsn := "file:" + dir
	if os.Getenv("XINGLIN_BENCH_DB") == "postgres" { // one of the test's own on the server of XINGLIN_TEST_POSTGRES
		dsn = storetest.PostgresURL(b)
	}
	s, err := store.Open(ctx, dsn, store.Options{Migrations: slices.Concat(event.Migrations, empi.Migrations), Alone: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	x := empi.New(empi.Options{})
	if err := x.Open(ctx, s, nil, nil); err != nil {
		b.Fatal(err)
	}
	rows := people.Make(people.Options{Records: n, Seed: 3, Today: storetest.Start})
	begun := time.Now()
	var batch []match.Record
	i, have := 0, x.Size(ctx)
	for r := range rows {
		if i++; i <= have {
			continue
		}
		rec := empi.FromPatient(r.Patient(fmt.Sprint("p", i), "Organization/"+r.Org), "Organization/"+r.Org)
		if batch = append(batch, rec); len(batch) == 1000 || i == n {
			if err := x.Take(ctx, batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	b.Logf("%d records kept in %v", n-have, time.Since(begun).Round(time.Second))
	begun = time.Now()
	asking := os.Getenv("XINGLIN_BENCH_ASK") != "" // the questions only: another process may still be matching
	if !asking {
		if err := x.Settle(ctx); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(begun)
	b.Logf("matched in %v, %v a record", took.Round(time.Second), (took / time.Duration(n)).Round(time.Microsecond))

	asks := people.Make(people.Options{Records: n, Seed: 3, Today: storetest.Start})
	var times []time.Duration
	found := 0
	k := 0
	for r := range asks {
		if k++; k%(max(1, n/3000)) != 0 {
			continue
		}
		rec := empi.FromPatient(r.Patient("new", "Organization/"+r.Org), "Organization/new")
		var list []empi.Candidate
		begun := time.Now()
		if err := s.View(ctx, func(tx *store.Tx) (err error) { list, err = x.Match(ctx, tx, rec, 10); return err }); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begun))
		if len(list) > 0 && list[0].Verdict.Outcome == match.Same {
			found++
		}
	}
	slices.Sort(times)
	b.Logf("%d questions, %d found: p50 %v p99 %v max %v", len(times), found, times[len(times)/2], times[len(times)*99/100], times[len(times)-1])

	if asking {
		return
	}
	times = times[:0]
	for j := range 200 {
		p := meng(fmt.Sprint("live", j), county)
		p.phone = fmt.Sprint("151242982", 10+j%90)
		begun := time.Now()
		if err := put(s, p); err != nil {
			b.Fatal(err)
		}
		mid := time.Now()
		if err := x.Settle(ctx); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(mid))
		_ = begun
		if j%10 == 9 {
			for k := range 10 {
				s.Update(ctx, func(tx *store.Tx) error {
					_, err := tx.Put(ctx, store.Put{Op: store.Delete, Type: "Patient", ID: fmt.Sprint("live", j-k)})
					return err
				})
			}
			if err := x.Settle(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	slices.Sort(times)
	b.Logf("a write is matched after p50 %v p99 %v", times[len(times)/2], times[len(times)*99/100])
}
