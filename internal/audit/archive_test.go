package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// aged records reads of long ago and of now.
func aged(t testing.TB, b *audit.Book) {
	t.Helper()
	for i := range 40 {
		at := time.Now().AddDate(-4, i, 0) // one a month, the last ones of now
		e := audit.Of(ctx, "R", "read", fmt.Sprintf("Task/%d", i))
		e.At, e.Wall, e.Patients = at, at, []string{"Patient/1", fmt.Sprintf("Patient/x%d", i)}
		if err := b.Read(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestOldEntriesMoveIntoSignedFiles(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s, b := openIn(t, with, t.TempDir())
		for i := range 3 {
			e := audit.Of(ctx, "R", "read", fmt.Sprintf("Task/old%d", i))
			at := time.Now().AddDate(-5, 0, i)
			e.At, e.Wall, e.Patients = at, at, []string{"Patient/1"}
			b.Read(ctx, e)
		}
		seal(t, b)
		for i := range 2 {
			read(t, b, fmt.Sprintf("Task/new%d", i), "Patient/1")
		}
		dir := t.TempDir()
		if _, err := b.Archive(ctx, time.Now().AddDate(0, -5, 0), dir); err == nil || !strings.Contains(err.Error(), "six") && !strings.Contains(err.Error(), "6 months") {
			t.Errorf("entries of five months ago: got %v; want a refusal", err)
		}
		made, err := b.Archive(ctx, time.Now().AddDate(-3, 0, 0), dir)
		if err != nil || len(made) != 1 || made[0].First != 1 || made[0].Last != 3 {
			t.Fatalf("got %+v, %v; want the three old ones", made, err)
		}
		if r := verify(t, b); !r.OK() || r.Archived != 3 || r.Unsigned != 0 {
			t.Errorf("got %+v; want a whole chain over file and database", r)
		}
		if entries, _, _ := b.Query(ctx, audit.Filter{Patient: "Patient/1", NoOrgs: true}); len(entries) != 2 {
			t.Errorf("got %d entries of the patient in the database; want the two new ones", len(entries))
		}
		if err := b.Reanchor(ctx, audit.SM3); err != nil { // reads on from where the file ends
			t.Fatal(err)
		}
		write(t, s, b, "Task/after")
		if made, err = b.Archive(ctx, time.Now().AddDate(-3, 0, 0), dir); err != nil || len(made) != 0 {
			t.Errorf("again: got %v, %v; want nothing more to move", made, err)
		}
		if r := verify(t, b); !r.OK() || r.Algorithm != audit.SM3 {
			t.Errorf("after a change of the hash: got %+v", r)
		}
		mine := []audit.Public{b.Key().Public}
		file := filepath.Join(dir, "audit-000000000001-000000000003.jsonl.zst")
		check := func(rule string, a audit.Against, whole bool, sql ...string) {
			t.Helper()
			a.Trusted = mine
			r := meddle(t, s, a, func(tx *store.Tx) error {
				for _, q := range sql {
					if _, err := tx.Exec(ctx, q); err != nil {
						return err
					}
				}
				return nil
			})
			if r.OK() != whole {
				t.Errorf("%s: got %v; want whole: %v", rule, r.Findings, whole)
			}
		}
		check("as it is", audit.Against{}, true)
		check("the archive forgotten", audit.Against{}, false, "DELETE FROM audit_archive")
		check("the archive described otherwise", audit.Against{}, false, `UPDATE audit_archive SET line = REPLACE(line, '"made":"2', '"made":"1')`)
		check("an entry that was moved put back", audit.Against{}, false, "INSERT INTO audit_entry (seq, hash, at, who, org, action, what, body) SELECT 2, hash, at, who, org, action, what, body FROM audit_entry WHERE seq = 5")
		elsewhere := t.TempDir()
		if err := os.Rename(file, filepath.Join(elsewhere, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
		check("the file is not there", audit.Against{}, false)
		check("the file is believed", audit.Against{Absent: true}, true)
		check("the file is elsewhere", audit.Against{Archives: []string{elsewhere}}, true)
		text, _ := os.ReadFile(filepath.Join(elsewhere, filepath.Base(file)))
		text[len(text)/2] ^= 1
		os.WriteFile(file, text, 0o600)
		check("the file was changed", audit.Against{}, false)
	})
}

func TestArchivingGoesOnWhereItStopped(t *testing.T) {
	_, b := openIn(t, storetest.Memory, t.TempDir())
	aged(t, b)
	dir := t.TempDir()
	for _, years := range []int{-3, -2, -1} {
		if _, err := b.Archive(ctx, time.Now().AddDate(years, 0, 0), dir); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, b); !r.OK() {
			t.Fatalf("%d years: got %v", years, r.Findings)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.zst"))
	if r := verify(t, b); len(files) != 3 || r.Archived < 30 || r.Entries == 0 {
		t.Errorf("got %d files, %+v", len(files), r)
	}
}
