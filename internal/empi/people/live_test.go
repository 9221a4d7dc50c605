package people_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/empi/people"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const hospital = "Organization/h"

// register is a store whose Patients the index follows.
type register struct {
	t     testing.TB
	ctx   context.Context
	store *store.Store
	index *empi.Index
	truth map[string]int // Patient/… to the person
	next  int
}

func open(t testing.TB, dsn string) *register {
	t.Helper()
	g := &register{t: t, ctx: context.Background(), index: empi.New(empi.Options{}), truth: map[string]int{}}
	var err error
	g.store, err = store.Open(g.ctx, dsn, store.Options{Migrations: slices.Concat(audit.Migrations, event.Migrations, empi.Migrations), Derive: []store.Deriver{g.index.Derive}, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.store.Close() })
	if err := g.index.Open(g.ctx, g.store, nil, nil); err != nil {
		t.Fatal(err)
	}
	// it follows while the register is filled, as it does in a hub
	ctx, stop := context.WithCancel(g.ctx)
	done := make(chan error, 1)
	go func() { done <- g.index.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g
}

// put writes the rows as Patients, in one unit.
func (g *register) put(rows []people.Row) {
	puts := make([]store.Put, 0, len(rows))
	for _, r := range rows {
		g.next++
		id := "p" + strconv.Itoa(g.next)
		ready, err := store.Prepare(r.Patient(id, hospital+r.Org[1:]))
		if err != nil {
			g.t.Fatal(err)
		}
		puts = append(puts, store.Put{Op: store.Update, Type: "Patient", ID: id, Resource: ready, Custodian: hospital + r.Org[1:]})
		g.truth["Patient/"+id] = r.Person
	}
	err := g.store.Update(g.ctx, func(tx *store.Tx) error {
		_, err := tx.PutAll(g.ctx, puts)
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *register) settle() {
	if err := g.index.Settle(g.ctx); err != nil {
		g.t.Fatal(err)
	}
}

// ask the index for a row that it does not have; found says that a record of the same person came.
func (g *register) ask(r people.Row) (took time.Duration, candidates int, found bool) {
	rec := empi.FromPatient(r.Patient("asked", hospital+r.Org[1:]), hospital+r.Org[1:])
	begun := time.Now()
	var list []empi.Candidate
	err := g.store.View(g.ctx, func(tx *store.Tx) (err error) {
		list, err = g.index.Match(g.ctx, tx, rec, 20)
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	took = time.Since(begun)
	for _, c := range list {
		found = found || g.truth[c.Patient] == r.Person && c.Verdict.Outcome != match.Different
	}
	return took, len(list), found
}

// XINGLIN_BENCH_STORE names a folder with an index that has been filled before: it is only asked.
func TestAskAFilledIndex(t *testing.T) {
	dir := os.Getenv("XINGLIN_BENCH_STORE")
	if dir == "" {
		t.Skip("XINGLIN_BENCH_STORE names no folder")
	}
	s, err := store.Open(context.Background(), dir, store.Options{Migrations: slices.Concat(event.Migrations, empi.Migrations), Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g := &register{t: t, ctx: context.Background(), store: s, index: empi.New(empi.Options{})}
	if err := g.index.Open(g.ctx, s, nil, nil); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		var took []time.Duration
		n, candidates := 0, 0
		for r := range people.Make(people.Options{Records: 100_000, Seed: 3, Today: storetest.Start}) {
			if n++; n%20 != 0 {
				continue
			}
			d, found, _ := g.ask(r)
			took = append(took, d)
			candidates += found
		}
		t.Logf("round %d: match: %s; %.2f candidates", round+1, spread(took), float64(candidates)/float64(len(took)))
	}
}

// XINGLIN_BENCH_PERSONS="100000 1000000" fills an index to each size through the store and measures; see make bench-persons.
func TestPersonsAtScale(t *testing.T) {
	sizes := strings.Fields(os.Getenv("XINGLIN_BENCH_PERSONS"))
	if len(sizes) == 0 {
		t.Skip("make bench-persons: XINGLIN_BENCH_PERSONS names no sizes")
	}
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		scale(t, dir, dir, sizes)
	})
	t.Run("postgres", func(t *testing.T) { scale(t, storetest.PostgresURL(t), "", sizes) })
}

func scale(t *testing.T, dsn, dir string, sizes []string) {
	g := open(t, dsn)
	last, err := strconv.Atoi(sizes[len(sizes)-1])
	if err != nil {
		t.Fatal(err)
	}
	// of every hundred rows one is kept back to ask for it
	var asked, batch []people.Row
	n, at := 0, 0
	begun, puts := time.Now(), time.Duration(0)
	for r := range people.Make(people.Options{Records: last*100/99 + 200, Seed: 11}) {
		if n++; n%100 == 0 {
			asked = append(asked, r)
			continue
		}
		batch = append(batch, r)
		to, err := strconv.Atoi(sizes[at])
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 500 || g.next+len(batch) == to {
			before := time.Now()
			g.put(batch)
			puts += time.Since(before)
			batch = batch[:0]
		}
		if g.next < to {
			continue
		}
		g.settle()
		t.Logf("%d records: put in %s (%.0f/s), all linked after %s (%.0f/s); %s", g.next, puts.Round(time.Second), float64(g.next)/puts.Seconds(), time.Since(begun).Round(time.Second),
			float64(g.next)/time.Since(begun).Seconds(), size(dir))
		g.measure(asked)
		if at++; at == len(sizes) {
			return
		}
	}
}

// XINGLIN_BENCH_LINK=20000 links a register that is there already: what the index itself takes.
func TestLinkingARegister(t *testing.T) {
	size, _ := strconv.Atoi(os.Getenv("XINGLIN_BENCH_LINK"))
	if size == 0 {
		t.Skip("XINGLIN_BENCH_LINK says how many records")
	}
	link := func(t *testing.T, dsn string) {
		g := &register{t: t, ctx: context.Background(), index: empi.New(empi.Options{}), truth: map[string]int{}}
		var err error
		g.store, err = store.Open(g.ctx, dsn, store.Options{Migrations: slices.Concat(audit.Migrations, event.Migrations, empi.Migrations), Alone: true})
		if err != nil {
			t.Fatal(err)
		}
		defer g.store.Close()
		if err := g.index.Open(g.ctx, g.store, nil, nil); err != nil {
			t.Fatal(err)
		}
		var batch []people.Row
		for r := range people.Make(people.Options{Records: size, Seed: 11}) {
			if batch = append(batch, r); len(batch) == 500 {
				g.put(batch)
				batch = batch[:0]
			}
		}
		g.put(batch)
		begun, busy := time.Now(), processor(t)
		g.settle()
		took, used := time.Since(begun), processor(t)-busy
		t.Logf("what was decided: %s", g.decided())
		t.Logf("%d records linked in %s (%.0f/s), %s of the processor (%.0f µs each)", size, took.Round(10*time.Millisecond), float64(size)/took.Seconds(), used.Round(10*time.Millisecond), float64(used.Microseconds())/float64(size))
	}
	t.Run("sqlite", func(t *testing.T) { link(t, t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { link(t, storetest.PostgresURL(t)) })
}

// decided is all that the index has decided, in its order, as one hash: two builds that decide alike show the same.
func (g *register) decided() string {
	h := sha256.New()
	for _, query := range []string{
		`SELECT patient || ' ' || person FROM empi_record ORDER BY rec`,
		`SELECT id || ' ' || a || ' ' || b || ' ' || outcome || ' ' || round(CAST(score AS NUMERIC), 6) || ' ' || bar || ' ' || firm || ' ' || state || ' ' || why FROM empi_pair ORDER BY id`,
		`SELECT id || ' ' || person || ' ' || patient || ' ' || what || ' ' || source || ' ' || other || ' ' || why FROM empi_log ORDER BY id`,
	} {
		n := 0
		err := g.store.View(g.ctx, func(tx *store.Tx) error {
			return tx.Query(g.ctx, query, nil, func(scan func(...any) error) error {
				var line string
				err := scan(&line)
				n++
				fmt.Fprintln(h, line)
				return err
			})
		})
		if err != nil {
			g.t.Fatal(err)
		}
		fmt.Fprintln(h, n)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// processor is what this process has used of it.
func processor(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (g *register) measure(asked []people.Row) {
	asked = asked[max(0, len(asked)-4000):]
	asking, writing := asked[:len(asked)*3/4], asked[len(asked)*3/4:]
	var took []time.Duration
	found, candidates := 0, 0
	for _, r := range asking {
		d, n, ok := g.ask(r)
		took = append(took, d)
		candidates += n
		if ok {
			found++
		}
	}
	g.t.Logf("  match: %s; %.2f candidates, %.0f %% find a record of the same person", spread(took), float64(candidates)/float64(len(asking)), 100*float64(found)/float64(len(asking)))
	took = took[:0]
	for _, r := range writing[:min(len(writing), 500)] {
		begun := time.Now()
		g.put([]people.Row{r})
		g.settle()
		took = append(took, time.Since(begun))
	}
	g.t.Logf("  a Patient written and linked: %s", spread(took))
}

func spread(d []time.Duration) string {
	slices.Sort(d)
	at := func(p int) time.Duration { return d[min(len(d)-1, len(d)*p/100)].Round(10 * time.Microsecond) }
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, at most %s (%d)", at(50), at(90), at(99), d[len(d)-1].Round(10*time.Microsecond), len(d))
}

func size(dir string) string {
	if dir == "" {
		return "on the server"
	}
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() {
			return err
		}
		info, err := f.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d MB on disk", sum>>20)
}
