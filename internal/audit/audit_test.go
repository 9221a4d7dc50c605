package audit_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

var ctx = access.With(context.Background(), &access.Caller{User: "u1", Name: "林一", Role: access.ReferringDoctor, Org: "Organization/county", Remote: "10.0.0.1", Request: "r-1"})

func openIn(t testing.TB, with storetest.Open, dir string) (*store.Store, *audit.Book) {
	t.Helper()
	s := with(t, store.Options{Migrations: audit.Migrations})
	return s, reopen(t, s, dir)
}

func reopen(t testing.TB, s *store.Store, dir string) *audit.Book {
	t.Helper()
	b, err := audit.Open(s, dir, clock.At(storetest.Start))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, s *store.Store, b *audit.Book, target string, patients ...string) {
	t.Helper()
	err := s.Update(ctx, func(tx *store.Tx) error {
		e := audit.Of(ctx, "U", "update", target)
		e.Patients = patients
		return b.Write(ctx, tx, e)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, b *audit.Book, target string, patients ...string) {
	t.Helper()
	e := audit.Of(ctx, "R", "read", target)
	e.Patients = patients
	if err := b.Read(ctx, e); err != nil {
		t.Fatal(err)
	}
}

func seal(t testing.TB, b *audit.Book) {
	t.Helper()
	if err := b.Seal(ctx); err != nil {
		t.Fatal(err)
	}
}

// targets of all sealed entries, oldest first.
func targets(t testing.TB, b *audit.Book) []string {
	t.Helper()
	entries, next, err := b.Query(ctx, audit.Filter{NoOrgs: true, Count: 500})
	if err != nil || next != "" {
		t.Fatal(err, next)
	}
	slices.SortFunc(entries, func(x, y audit.Entry) int { return int(x.Seq - y.Seq) })
	var list []string
	for _, e := range entries {
		list = append(list, e.Target)
	}
	return list
}

func verify(t testing.TB, b *audit.Book) audit.Report {
	t.Helper()
	r, err := b.Verify(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReadsAndWritesEndInOneChain(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s, b := openIn(t, with, t.TempDir())
		for i := range 3 {
			write(t, s, b, fmt.Sprintf("Task/w%d", i), "Patient/1")
			read(t, b, fmt.Sprintf("Task/r%d", i), "Patient/1", "Patient/2", "Patient/1")
		}
		seal(t, b)
		want := []string{"Task/w0", "Task/r0", "Task/w1", "Task/r1", "Task/w2", "Task/r2"}
		if got := targets(t, b); !slices.Equal(got, want) {
			t.Errorf("got %v; want %v", got, want)
		}
		if r := verify(t, b); !r.OK() || r.Entries != 6 {
			t.Errorf("got %+v; want 6 entries without findings", r)
		}
		entries, _, _ := b.Query(ctx, audit.Filter{NoOrgs: true, Count: 1})
		e := entries[0]
		if e.User != "u1" || e.Name != "林一" || e.Org != "Organization/county" || e.Remote != "10.0.0.1" || e.Request != "r-1" || !slices.Equal(e.Patients, []string{"Patient/1", "Patient/2"}) || e.Outcome != "0" || !e.At.Equal(storetest.Start) {
			t.Errorf("got %+v", e)
		}
	})
}

func TestAnUndoneWriteLeavesNoEntry(t *testing.T) {
	s, b := openIn(t, storetest.Memory, t.TempDir())
	s.Update(ctx, func(tx *store.Tx) error {
		b.Write(ctx, tx, audit.Of(ctx, "U", "update", "Task/1"))
		return fmt.Errorf("refused")
	})
	seal(t, b)
	if got := targets(t, b); len(got) != 0 {
		t.Errorf("got %v; want none", got)
	}
}

func TestVerifyFindsEveryMeddling(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		for _, c := range []struct{ rule, sql string }{
			{"a changed entry", "UPDATE audit_entry SET body = (SELECT body FROM audit_entry WHERE seq = 2) WHERE seq = 3"},
			{"a removed entry", "DELETE FROM audit_entry WHERE seq = 3"},
			{"a removed last entry", "DELETE FROM audit_entry WHERE seq = 5"},
			{"a removed first entry", "DELETE FROM audit_entry WHERE seq = 1"},
			{"a changed search column", "UPDATE audit_entry SET who = 'somebody' WHERE seq = 3"},
			{"a removed patient row", "DELETE FROM audit_patient WHERE seq = 3"},
			{"a moved entry", "UPDATE audit_entry SET seq = CASE seq WHEN 3 THEN 103 ELSE 104 END WHERE seq IN (3, 4); UPDATE audit_entry SET seq = CASE seq WHEN 103 THEN 4 ELSE 3 END WHERE seq > 100"},
			{"a cut chain with its head", "DELETE FROM audit_patient WHERE seq > 3; DELETE FROM audit_entry WHERE seq > 3; UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit_entry WHERE seq = 3)"},
		} {
			t.Run(strings.ReplaceAll(c.rule, " ", "_"), func(t *testing.T) {
				dir := t.TempDir()
				s, b := openIn(t, with, dir)
				for i := range 5 {
					write(t, s, b, fmt.Sprintf("Task/%d", i), "Patient/1")
				}
				if err := b.Close(ctx); err != nil { // notes the checkpoint
					t.Fatal(err)
				}
				b = reopen(t, s, dir)
				if r := verify(t, b); !r.OK() {
					t.Fatalf("before: got %v; want no findings", r.Findings)
				}
				for sql := range strings.SplitSeq(c.sql, "; ") {
					if err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, sql); return err }); err != nil {
						t.Fatal(err)
					}
				}
				if r := verify(t, b); r.OK() {
					t.Error("got no findings; want some")
				}
			})
		}
	})
}

func TestJournalIsSealedExactlyOnceOverRestarts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		dir := t.TempDir()
		s, b := openIn(t, with, dir)
		for i := range 5 {
			read(t, b, fmt.Sprintf("Task/%d", i))
		}
		seal(t, b)
		for i := 5; i < 8; i++ {
			read(t, b, fmt.Sprintf("Task/%d", i))
		}
		b.Crash()
		b = reopen(t, s, dir)
		read(t, b, "Task/8")
		seal(t, b)
		seal(t, b)
		b.Crash()
		b = reopen(t, s, dir)
		seal(t, b)
		var want []string
		for i := range 9 {
			want = append(want, fmt.Sprintf("Task/%d", i))
		}
		if got := targets(t, b); !slices.Equal(got, want) {
			t.Errorf("got %v; want %v", got, want)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "*.log")); len(files) != 1 {
			t.Errorf("got %d journal files; want the current one only", len(files))
		}
		if r := verify(t, b); !r.OK() {
			t.Errorf("got %v; want no findings", r.Findings)
		}
	})
}

func TestATornLastLineIsDroppedAndTheRestKept(t *testing.T) {
	dir := t.TempDir()
	s, b := openIn(t, storetest.Memory, dir)
	read(t, b, "Task/1")
	b.Crash()
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	f, _ := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString(`{"wall":"2026-`)
	f.Close()
	b = reopen(t, s, dir)
	seal(t, b)
	if got := targets(t, b); !slices.Equal(got, []string{"Task/1"}) {
		t.Errorf("got %v; want Task/1", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.log")); len(left) != 1 || left[0] == files[0] {
		t.Errorf("got %v; want the torn file gone", left)
	}
}

func TestTwoSealersAtOnce(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s, b1 := openIn(t, with, t.TempDir())
		b2 := reopen(t, s, t.TempDir())
		var all sync.WaitGroup
		for i, b := range []*audit.Book{b1, b2, b1, b2} {
			all.Go(func() {
				for n := range 25 {
					write(t, s, b, fmt.Sprintf("Task/w%d-%d", i, n))
					read(t, b, fmt.Sprintf("Task/r%d-%d", i, n), "Patient/1")
					if n%5 == 0 {
						seal(t, b)
					}
				}
			})
		}
		all.Wait()
		seal(t, b1)
		seal(t, b2)
		got := targets(t, b1)
		if slices.Sort(got); len(got) != 200 || len(slices.Compact(got)) != 200 {
			t.Errorf("got %d entries, %d different; want 200", len(got), len(slices.Compact(got)))
		}
		if r := verify(t, b1); !r.OK() {
			t.Errorf("got %v; want no findings", r.Findings)
		}
	})
}

func TestQuery(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		_, b := openIn(t, with, t.TempDir())
		put := func(at time.Duration, user, org, action, target string, patients ...string) {
			e := audit.Entry{At: storetest.Start.Add(at), User: user, Org: org, Action: action, What: map[string]string{"R": "read", "U": "update"}[action], Target: target, Patients: patients}
			if err := b.Read(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		put(0, "a", "Organization/x", "R", "t1", "Patient/1")
		put(time.Hour, "b", "Organization/y", "U", "t2", "Patient/1", "Patient/2")
		put(2*time.Hour, "a", "Organization/x", "U", "t3", "Patient/2")
		put(3*time.Hour, "c", "Organization/z", "R", "t4")
		seal(t, b)
		x, y := []string{"Organization/x"}, []string{"Organization/x", "Organization/y"}
		for _, c := range []struct {
			rule string
			f    audit.Filter
			want string
		}{
			{"everything, newest first", audit.Filter{NoOrgs: true}, "t4 t3 t2 t1"},
			{"no organisation sees nothing", audit.Filter{}, ""},
			{"nor of a patient", audit.Filter{Patient: "Patient/1"}, ""},
			{"of one's organisations", audit.Filter{Orgs: y}, "t3 t2 t1"},
			{"of a patient, limited to one's organisations", audit.Filter{Patient: "Patient/1", Orgs: x}, "t1"},
			{"of a patient, whoever it was", audit.Filter{Patient: "Patient/1", NoOrgs: true}, "t2 t1"},
			{"of a user", audit.Filter{User: "a", Orgs: y}, "t3 t1"},
			{"by action letter", audit.Filter{Action: "U", NoOrgs: true}, "t3 t2"},
			{"by interaction", audit.Filter{Action: "read", Orgs: x}, "t1"},
			{"from and until, the end excluded", audit.Filter{NoOrgs: true, From: storetest.Start.Add(time.Hour), Until: storetest.Start.Add(3 * time.Hour)}, "t3 t2"},
		} {
			for _, count := range []int{0, 1} { // in one page, and page by page
				var got []string
				f := c.f
				for f.Count = count; ; {
					entries, next, err := b.Query(ctx, f)
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range entries {
						got = append(got, e.Target)
					}
					if f.Cursor = next; next == "" {
						break
					}
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("%s (count %d): got %q; want %q", c.rule, count, strings.Join(got, " "), c.want)
				}
			}
		}
	})
}

// TestKill9 kills a process that reads as fast as it can; every read that was acknowledged must be in the chain.
func TestKill9(t *testing.T) {
	if dir := os.Getenv("XINGLIN_TEST_AUDIT_CHILD"); dir != "" {
		_, b := openIn(t, storetest.Memory, dir)
		for i := 0; ; i++ {
			read(t, b, fmt.Sprintf("Task/%d", i))
			fmt.Printf("%d\n", i)
		}
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKill9$")
	child.Env = append(os.Environ(), "XINGLIN_TEST_AUDIT_CHILD="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := -1
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Sscan(lines.Text(), &acknowledged)
		if acknowledged == 2000 {
			child.Process.Kill()
		}
	}
	child.Wait()
	if acknowledged < 2000 {
		t.Fatalf("the child acknowledged only %d", acknowledged)
	}
	s, b := openIn(t, storetest.Memory, dir)
	seal(t, b)
	n := 0
	err = s.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, "SELECT count(*) FROM audit_entry", nil, func(scan func(...any) error) error { return scan(&n) })
	})
	if err != nil || n < acknowledged+1 || n > acknowledged+2 {
		t.Errorf("got %d entries, %v; want the %d acknowledged (one more may have been on its way)", n, err, acknowledged+1)
	}
	if r := verify(t, b); !r.OK() {
		t.Errorf("got %v; want no findings", r.Findings)
	}
}

func BenchmarkRead(b *testing.B) {
	_, book := openIn(b, storetest.Memory, b.TempDir())
	e := audit.Of(ctx, "R", "read", "Observation/0192f0c1-7b7a-7c11-9f1a-1b6c1c6a2f10")
	e.Patients = []string{"Patient/0192f0c1-7b7a-7c11-9f1a-1b6c1c6a2f11"}
	b.ResetTimer()
	for b.Loop() {
		if err := book.Read(ctx, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	_, book := openIn(b, storetest.Memory, b.TempDir())
	e := audit.Of(ctx, "R", "read", "Observation/0192f0c1-7b7a-7c11-9f1a-1b6c1c6a2f10")
	e.Patients = []string{"Patient/0192f0c1-7b7a-7c11-9f1a-1b6c1c6a2f11"}
	for range b.N {
		book.Read(ctx, e)
	}
	b.ResetTimer()
	seal(b, book)
}

func BenchmarkCode(b *testing.B) {
	for _, kind := range []string{audit.ECDSA, audit.SM2} {
		b.Run(kind, func(b *testing.B) {
			code := audit.CodeOf(b, filepath.Join(b.TempDir(), "audit.key"), kind)
			body := make([]byte, 420) // an entry with one patient
			for b.Loop() {
				code(body)
			}
		})
	}
}
