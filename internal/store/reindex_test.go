package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// indexer makes the test binary a program that indexes until it is killed.
const indexer = "XINGLIN_STORE_INDEXER"

func init() {
	if dsn := os.Getenv(indexer); dsn != "" {
		s, err := store.Open(context.Background(), dsn, store.Options{})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		for more := true; more; {
			if more, err = s.IndexSome(context.Background()); err != nil {
				fmt.Println("error", err)
				os.Exit(1)
			}
			fmt.Println("piece")
		}
		select {}
	}
}

func putJSON(t testing.TB, s *store.Store, resources ...string) {
	t.Helper()
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		for _, text := range resources {
			n, err := fhir.Parse([]byte(text))
			if err != nil {
				return err
			}
			p, err := s.Prepare(n)
			if err != nil {
				return err
			}
			if _, err := tx.Put(context.Background(), store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// total counts what a search finds; an error of the parameters is returned as its code.
func total(t testing.TB, s *store.Store, typ, query string) string {
	t.Helper()
	params, err := search.ParseQuery(query + "&_summary=count")
	if err != nil {
		t.Fatal(err)
	}
	r, err := search.Parse(typ, params, search.Options{Given: s.Parameter})
	if refused, ok := err.(*fhir.Error); ok {
		return refused.Issues[0].Detail
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Scope = search.Everything
	var page store.Page
	if err := s.View(context.Background(), func(tx *store.Tx) (err error) {
		page, err = tx.Search(context.Background(), r.Query)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(page.Total)
}

func finish(t testing.TB, s *store.Store) {
	t.Helper()
	for patience := time.Now().Add(time.Minute); time.Now().Before(patience); { // units that are open hold it up
		more, err := s.IndexSome(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if list, err := s.Indexing(context.Background()); err != nil {
			t.Fatal(err)
		} else if len(list) == 0 {
			return
		}
		if !more {
			time.Sleep(time.Millisecond)
		}
	}
	t.Fatal("indexing does not end")
}

const ward = `{"resourceType":"SearchParameter","id":"ward","url":"http://example.org/sp/ward","status":"active","code":"ward","base":["Basic"],"type":"token","expression":"Basic.extension('http://example.org/ward').value"}`

func basics(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf(`{"resourceType":"Basic","id":"b%05d","code":{"text":"x"},"extension":[{"url":"http://example.org/ward","valueCode":"w%d"}]}`, i, i%10))
	}
	return list
}

// TestKilledIndexingGoesOn kills a program while it indexes; the next one goes on where it stopped, and every row is there once.
func TestKilledIndexingGoesOn(t *testing.T) {
	const n = 6000
	dsn := "file:" + t.TempDir()
	s, err := store.Open(context.Background(), dsn, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < n; i += 1000 {
		putJSON(t, s, basics(i, i+1000)...)
	}
	putJSON(t, s, ward)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	for range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), indexer+"="+dsn)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 5 {
			if !lines.Scan() || lines.Text() != "piece" {
				t.Fatalf("the child says %q, %v", lines.Text(), lines.Err())
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		s, err := store.Open(context.Background(), dsn, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.Indexing(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 1 {
			if list[0].Done < last {
				t.Errorf("it began anew: %d done after %d", list[0].Done, last)
			}
			last = list[0].Done
			if got := total(t, s, "Basic", "ward=w3"); got != "parameter-not-ready" {
				t.Errorf("after a kill at %d: got %s; want parameter-not-ready", last, got)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = store.Open(context.Background(), dsn, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	t.Logf("killed three times, last at %d of %d", last, n)
	finish(t, s)
	if got := total(t, s, "Basic", "ward=w3"); got != fmt.Sprint(n/10) {
		t.Errorf("got %s; want %d", got, n/10)
	}
}

// TestNewReleaseIndexesAgain: a database that another program indexed is noticed at the start.
func TestNewReleaseIndexesAgain(t *testing.T) {
	ctx := context.Background()
	dsn := "file:" + t.TempDir()
	open := func() *store.Store {
		s, err := store.Open(ctx, dsn, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	var patients []string
	for i := range 150 {
		patients = append(patients, fmt.Sprintf(`{"resourceType":"Patient","id":"p%03d","gender":"female","name":[{"family":"李"}],"birthDate":"1960-01-01"}`, i))
	}
	putJSON(t, s, patients...)
	if list, _ := s.Indexing(ctx); len(list) != 0 {
		t.Fatalf("a new database is indexed again: %+v", list)
	}
	gender, _ := s.Parameter("Patient", "gender")
	// The program before took gender in another way.
	err := s.Update(ctx, func(tx *store.Tx) error {
		marks, ok, err := tx.Setting(ctx, "extraction")
		if err != nil || !ok {
			return fmt.Errorf("no marks: %w", err)
		}
		changed := strings.Replace(marks, fmt.Sprintf(" %d:", gender.ID), fmt.Sprintf(" %d:old", gender.ID), 1)
		if changed == marks {
			return fmt.Errorf("no mark of gender")
		}
		if _, err := tx.Exec(ctx, "DELETE FROM ix_token WHERE param = ? AND rid % 2 = 0", gender.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO ix_token (param, code, at, rid, system) SELECT param, code + 1, at, rid, system FROM ix_token WHERE param = ?", gender.ID); err != nil {
			return err
		}
		return tx.SetSetting(ctx, "extraction", changed)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open()
	if list, _ := s.Indexing(ctx); len(list) != 1 || list[0].Code != "gender" || !list[0].Withheld {
		t.Fatalf("got %+v; want gender", list)
	}
	if got := total(t, s, "Patient", "gender=female"); got != "parameter-not-ready" {
		t.Errorf("got %s; want parameter-not-ready", got)
	}
	if got := total(t, s, "Patient", "family=李"); got != "150" {
		t.Errorf("another parameter: got %s; want 150", got)
	}
	found, err := s.Check(ctx)
	if err != nil || len(found) != 1 || found[0].Code != "indexing" {
		t.Errorf("doctor: got %+v, %v; want indexing", found, err)
	}
	finish(t, s)
	if got := total(t, s, "Patient", "gender=female"); got != "150" {
		t.Errorf("after indexing: got %s; want 150", got)
	}
	if got := total(t, s, "Patient", "gender:not=female"); got != "0" {
		t.Errorf("stale rows: got %s; want 0", got)
	}
	s.Close()
	s = open()
	defer s.Close()
	if list, _ := s.Indexing(ctx); len(list) != 0 {
		t.Errorf("the next start: got %+v; want nothing", list)
	}
}

// TestContainedAfterAnUpgrade: what an older program wrote is found within its containers as soon as they are gone
// through; until then the search is refused instead of finding less.
func TestContainedAfterAnUpgrade(t *testing.T) {
	ctx := context.Background()
	dsn := "file:" + t.TempDir()
	open := func() *store.Store {
		s, err := store.Open(ctx, dsn, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	putJSON(t, s, `{"resourceType":"MedicationRequest","id":"r","status":"active","intent":"order","medicationReference":{"reference":"#m"},"subject":{"display":"x"},"contained":[{"resourceType":"Medication","id":"m","code":{"text":"x"}}]}`,
		`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"}}`)
	find := func() (page store.Page, err error) {
		err = s.View(ctx, func(tx *store.Tx) (err error) {
			page, err = tx.Search(ctx, search.Query{Type: "Medication", Contained: "true", Count: 10, Scope: search.Everything})
			return err
		})
		return page, err
	}
	if page, err := find(); err != nil || len(page.Matches) != 1 || page.Matches[0].Inside != "m" {
		t.Fatalf("got %+v, %v", page, err)
	}
	err := s.Update(ctx, func(tx *store.Tx) error {
		marks, _, err := tx.Setting(ctx, "extraction")
		if err != nil {
			return err
		}
		var old []string
		for _, mark := range strings.Fields(marks) {
			var id int32
			fmt.Sscanf(mark, "%d:", &id)
			if p := spec.ParamByID(id); p.Code != "contained-type" {
				old = append(old, mark)
				continue
			}
			for _, table := range []string{"ix_token", "ix_code"} {
				if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE param = ?", id); err != nil {
					return err
				}
			}
		}
		return tx.SetSetting(ctx, "extraction", strings.Join(old, " "))
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open()
	defer s.Close()
	if list, _ := s.Indexing(ctx); len(list) != 2 || list[0].Code != "contained-type" {
		t.Fatalf("got %+v; want contained-type of two types", list)
	}
	var refused *fhir.Error
	if _, err := find(); !errors.As(err, &refused) || refused.Issues[0].Detail != "parameter-not-ready" {
		t.Errorf("before: got %v; want parameter-not-ready", err)
	}
	finish(t, s)
	if page, err := find(); err != nil || len(page.Matches) != 1 {
		t.Errorf("after: got %+v, %v; want the medication", page, err)
	}
}

// TestIndexingWhileOthersWrite: whatever is written during the walk ends up as if it had been there before.
func TestIndexingWhileOthersWrite(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		s := open(t, store.Options{})
		putJSON(t, s, basics(0, 1000)...)
		putJSON(t, s, ward)
		done := make(chan error, 1)
		go func() {
			for i := range 300 {
				n, _ := fhir.Parse([]byte(fmt.Sprintf(`{"resourceType":"Basic","id":"b%05d","code":{"text":"x"},"extension":[{"url":"http://example.org/ward","valueCode":"moved"}]}`, i*3)))
				p, err := s.Prepare(n)
				if err == nil {
					err = s.Update(context.Background(), func(tx *store.Tx) error {
						_, err := tx.Put(context.Background(), store.Put{Op: store.Update, Type: "Basic", ID: n.ID(), Resource: p})
						return err
					})
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		finish(t, s)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := total(t, s, "Basic", "ward=moved"); got != "300" {
			t.Errorf("moved: got %s; want 300", got)
		}
		sum := 0
		for i := range 10 {
			var n int
			fmt.Sscan(total(t, s, "Basic", fmt.Sprintf("ward=w%d", i)), &n)
			sum += n
		}
		if sum != 700 {
			t.Errorf("not moved: got %d; want 700", sum)
		}
	})
}

// BenchmarkIndexing walks 20,000 Observations for a parameter that is new.
func BenchmarkIndexing(b *testing.B) {
	s, err := store.Open(context.Background(), "file:"+b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const n = 20_000
	for i := 0; i < n; i += 1000 {
		var list []string
		for j := i; j < i+1000; j++ {
			list = append(list, fmt.Sprintf(`{"resourceType":"Observation","id":"o%05d","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"subject":{"reference":"Patient/p%d"},"effectiveDateTime":"2026-01-%02d","valueQuantity":{"value":13.%d,"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"},"note":[{"text":"note %d"}]}`, j, j%500, j%28+1, j%10, j))
		}
		putJSON(b, s, list...)
	}
	round := 0
	for b.Loop() {
		round++
		putJSON(b, s, fmt.Sprintf(`{"resourceType":"SearchParameter","id":"note%d","url":"http://example.org/sp/note%d","status":"active","code":"note%d","base":["Observation"],"type":"string","expression":"Observation.note.text"}`, round, round, round))
		finish(b, s)
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "resources/s")
}
