package audit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// chainOf makes a chain of every kind of entry: two algorithms, several checkpoints, several patients.
func chainOf(t testing.TB, s *store.Store, dir string) *audit.Book {
	t.Helper()
	b, err := audit.OpenWith(s, dir, audit.Options{Clock: clock.At(storetest.Start), Entries: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		if i == 5 {
			if err := b.Reanchor(ctx, audit.SM3); err != nil {
				t.Fatal(err)
			}
		}
		write(t, s, b, fmt.Sprintf("Task/w%d", i), "Patient/1", fmt.Sprintf("Patient/x%d", i))
		read(t, b, fmt.Sprintf("Task/r%d", i), "Patient/2")
		if i%2 == 1 {
			seal(t, b)
		}
	}
	if err := b.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

var errUndo = errors.New("undo")

// meddle runs statements, verifies what they leave, and undoes them.
func meddle(t testing.TB, s *store.Store, a audit.Against, do func(tx *store.Tx) error) (r audit.Report) {
	t.Helper()
	err := s.Update(ctx, func(tx *store.Tx) (err error) {
		if err := do(tx); err != nil {
			return err
		}
		if r, err = audit.VerifyIn(ctx, tx, a); err != nil {
			r.Findings = append(r.Findings, err.Error())
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		t.Fatal(err)
	}
	return r
}

func TestAnyChangeOfAnyRowIsFound(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s := with(t, store.Options{Migrations: audit.Migrations})
		b := chainOf(t, s, t.TempDir())
		a := audit.Against{Dir: b.Dir(), Trusted: []audit.Public{b.Key().Public}}
		clean := meddle(t, s, a, func(*store.Tx) error { return nil })
		if !clean.OK() || clean.Algorithm != audit.SM3 || clean.Signed != clean.Entries || clean.Checkpoints < 3 {
			t.Fatalf("before: got %+v", clean)
		}
		var seqs []int64
		s.View(ctx, func(tx *store.Tx) error {
			return tx.Query(ctx, "SELECT seq FROM audit_entry ORDER BY seq", nil, func(scan func(...any) error) error {
				var seq int64
				err := scan(&seq)
				seqs = append(seqs, seq)
				return err
			})
		})
		check := func(rule string, names int64, sql string, args ...any) {
			t.Helper()
			changed := int64(0)
			r := meddle(t, s, a, func(tx *store.Tx) (err error) { changed, err = tx.Exec(ctx, sql, args...); return err })
			if changed == 0 {
				t.Errorf("%s: nothing was changed by %s %v", rule, sql, args)
			}
			if r.OK() {
				t.Errorf("%s: not found", rule)
			}
			if all := strings.Join(r.Findings, "\n"); names != 0 && !strings.Contains(all, fmt.Sprintf("entry %d", names)) && !strings.Contains(all, fmt.Sprintf("entries %d to", names)) {
				t.Errorf("%s: got %q; want it to name entry %d", rule, all, names)
			}
		}
		for _, n := range seqs {
			check(fmt.Sprintf("body of %d", n), n, "UPDATE audit_entry SET body = (SELECT body FROM audit_entry WHERE seq = ?) WHERE seq = ?", n%int64(len(seqs))+1, n)
			check(fmt.Sprintf("hash of %d", n), n, "UPDATE audit_entry SET hash = (SELECT hash FROM audit_entry WHERE seq = ?) WHERE seq = ?", n%int64(len(seqs))+1, n)
			check(fmt.Sprintf("removal of %d", n), 0, "DELETE FROM audit_entry WHERE seq = ?", n)
			check(fmt.Sprintf("%d below the chain", n), 0, "UPDATE audit_entry SET seq = -seq WHERE seq = ?", n)
			for _, column := range []string{"who", "org", "action", "what", "outcome", "purpose", "target"} {
				check(column+fmt.Sprint(" of ", n), n, "UPDATE audit_entry SET "+column+" = 'other' WHERE seq = ?", n)
			}
			for _, column := range []string{"at", "mark"} {
				check(column+fmt.Sprint(" of ", n), n, "UPDATE audit_entry SET "+column+" = 7 WHERE seq = ?", n)
			}
			check(fmt.Sprint("no longer sealed: ", n), 0, "UPDATE audit_entry SET seq = NULL WHERE seq = ?", n)
		}
		check("an entry that is only found by search", 0, "INSERT INTO audit_entry (seq, hash, at, who, org, action, what, body) SELECT -7, hash, at, who, org, action, what, body FROM audit_entry WHERE seq = 4")
		check("a patient's row removed", 2, "DELETE FROM audit_patient WHERE seq = 2")
		check("a patient's row renamed", 2, "UPDATE audit_patient SET patient = 'Patient/9' WHERE seq = 2 AND patient = 'Patient/2'")
		check("a patient's row at another time", 2, "UPDATE audit_patient SET at = at + 1 WHERE seq = 2 AND patient = 'Patient/2'")
		check("a patient's row for another entry", 3, "UPDATE audit_patient SET seq = 4 WHERE seq = 3 AND patient = 'Patient/1'")
		check("a patient's row added", 1, "INSERT INTO audit_patient (patient, at, seq) VALUES ('Patient/9', 5, 1)")
		check("the head's number", 0, "UPDATE audit_head SET seq = seq - 1")
		check("the head's hash", 0, "UPDATE audit_head SET hash = (SELECT hash FROM audit_entry WHERE seq = 1)")
		check("the head's algorithm", 0, "UPDATE audit_head SET algorithm = 'sha256'")
		check("the newest checkpoint removed", 0, "DELETE FROM audit_checkpoint WHERE seq = (SELECT MAX(seq) FROM audit_checkpoint)")
		check("the oldest checkpoint removed", 0, "DELETE FROM audit_checkpoint WHERE seq = (SELECT MIN(seq) FROM audit_checkpoint)")
		check("a checkpoint changed", 0, "UPDATE audit_checkpoint SET line = REPLACE(line, '\"algorithm\":\"sm3\"', '\"algorithm\":\"sha256\"') WHERE seq = (SELECT MAX(seq) FROM audit_checkpoint)")
		check("a checkpoint moved", 0, "UPDATE audit_checkpoint SET seq = seq - 1 WHERE seq = (SELECT MAX(seq) FROM audit_checkpoint)")
		check("a key exchanged", 0, "UPDATE audit_key SET public = 'other'")
		check("a key's place", 0, "UPDATE audit_key SET seq = seq + 1")
		check("a key's name", 0, "UPDATE audit_key SET id = 'other'")

		for round := range 150 { // any permutation of any of them
			order := slices.Clone(seqs)
			from := rand.IntN(len(order) - 1)
			some := order[from : from+2+rand.IntN(len(order)-from-1)]
			rand.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
			if slices.Equal(order, seqs) {
				continue
			}
			r := meddle(t, s, a, func(tx *store.Tx) error {
				for i, n := range order {
					if _, err := tx.Exec(ctx, "UPDATE audit_entry SET seq = ? WHERE seq = ?", -seqs[i], n); err != nil {
						return err
					}
				}
				_, err := tx.Exec(ctx, "UPDATE audit_entry SET seq = -seq")
				return err
			})
			if r.OK() {
				t.Fatalf("round %d: the order %v was not found", round, order)
			}
		}
	})
}

// rewrite makes a whole chain anew, as somebody would who knows how it is made but has no key.
func rewrite(t testing.TB, s *store.Store, sql string) {
	t.Helper()
	dir := t.TempDir()
	err := s.Update(ctx, func(tx *store.Tx) error {
		for _, q := range []string{sql, "UPDATE audit_head SET seq = 0, hash = x'', algorithm = 'sha256'", "DELETE FROM audit_checkpoint", "DELETE FROM audit_key", "DELETE FROM audit_patient",
			"DELETE FROM audit_entry WHERE what IN ('audit-key', 'chain-algorithm')", "UPDATE audit_entry SET seq = NULL, hash = NULL, mac = NULL"} {
			if s.Database() == "postgres" {
				q = strings.ReplaceAll(q, "x''", "''::bytea")
			}
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	thief := reopen(t, s, dir)
	if err := thief.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s.Update(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, "DELETE FROM audit_journal"); return err })
}

func TestARewrittenChainIsFoundByItsSignature(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s := with(t, store.Options{Migrations: audit.Migrations})
		b := chainOf(t, s, t.TempDir())
		copies := t.TempDir()
		text, err := os.ReadFile(filepath.Join(b.Dir(), "checkpoints"))
		if err != nil || os.WriteFile(filepath.Join(copies, "checkpoints"), text, 0o600) != nil {
			t.Fatal(err)
		}
		rewrite(t, s, "DELETE FROM audit_entry WHERE seq = 3")
		mine := []audit.Public{b.Key().Public}
		for _, c := range []struct {
			rule string
			a    audit.Against
		}{
			{"by the file beside the journal", audit.Against{Dir: b.Dir(), Trusted: mine}},
			{"by a copy kept elsewhere", audit.Against{Copies: []string{copies}, Trusted: mine}},
			{"by the key alone", audit.Against{Trusted: mine}},
		} {
			r, err := audit.Verify(ctx, s, c.a)
			if err != nil || r.OK() {
				t.Errorf("%s: got %v, %v; want findings", c.rule, r.Findings, err)
			}
		}
	})
}

func TestTheEndCutOffIsFoundByACopy(t *testing.T) {
	s := storetest.Memory(t, store.Options{Migrations: audit.Migrations})
	copies := t.TempDir()
	b, err := audit.OpenWith(s, t.TempDir(), audit.Options{Clock: clock.At(storetest.Start), Copies: []string{copies}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		write(t, s, b, fmt.Sprint("Task/", i))
		seal(t, b)
		if err := b.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
	}
	os.Remove(filepath.Join(b.Dir(), "checkpoints"))
	for _, q := range []string{"DELETE FROM audit_entry WHERE seq > 2", "DELETE FROM audit_checkpoint WHERE seq > 2", "UPDATE audit_head SET seq = 2, hash = (SELECT hash FROM audit_entry WHERE seq = 2)"} {
		if err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, q); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if r := verify(t, b); r.OK() || !strings.Contains(strings.Join(r.Findings, " "), "the chain ends at 2") {
		t.Errorf("got %v; want the end cut off", r.Findings)
	}
}

func TestMeddlingBeforeTheSealIsSealedAsSuch(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		journal := func(t *testing.T, b *audit.Book, change func(lines []string) []string) {
			t.Helper()
			files, _ := filepath.Glob(filepath.Join(b.Dir(), "*.log"))
			text, err := os.ReadFile(files[len(files)-1])
			if err != nil {
				t.Fatal(err)
			}
			lines := change(strings.SplitAfter(strings.TrimSuffix(string(text), ""), "\n"))
			if err := os.WriteFile(files[len(files)-1], []byte(strings.Join(lines, "")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			rule string
			do   func(t *testing.T, s *store.Store, b *audit.Book)
		}{
			{"a read changed", func(t *testing.T, _ *store.Store, b *audit.Book) {
				journal(t, b, func(l []string) []string { l[1] = strings.Replace(l[1], "Task/r1", "Task/r9", 1); return l })
			}},
			{"a read removed", func(t *testing.T, _ *store.Store, b *audit.Book) {
				journal(t, b, func(l []string) []string { return slices.Delete(l, 1, 2) })
			}},
			{"the last read removed", func(t *testing.T, _ *store.Store, b *audit.Book) {
				journal(t, b, func(l []string) []string { return l[:2] })
			}},
			{"two reads exchanged", func(t *testing.T, _ *store.Store, b *audit.Book) {
				journal(t, b, func(l []string) []string { l[0], l[1] = l[1], l[0]; return l })
			}},
			{"a read added", func(t *testing.T, _ *store.Store, b *audit.Book) {
				journal(t, b, func(l []string) []string { return append(l[:3], l[2]) })
			}},
			{"the journal taken away", func(t *testing.T, _ *store.Store, b *audit.Book) {
				files, _ := filepath.Glob(filepath.Join(b.Dir(), "*.log"))
				os.Remove(files[0])
			}},
			{"a change changed", func(t *testing.T, s *store.Store, _ *audit.Book) {
				run(t, s, "UPDATE audit_entry SET body = (SELECT body FROM audit_entry WHERE seq IS NULL ORDER BY n DESC LIMIT 1) WHERE n = (SELECT MIN(n) FROM audit_entry WHERE seq IS NULL)")
			}},
			{"a change without its code", func(t *testing.T, s *store.Store, _ *audit.Book) { run(t, s, "UPDATE audit_entry SET mac = NULL") }},
			{"a change removed", func(t *testing.T, s *store.Store, _ *audit.Book) {
				run(t, s, "DELETE FROM audit_entry WHERE n = (SELECT MIN(n) FROM audit_entry WHERE seq IS NULL)")
			}},
			{"where the journal was read up to", func(t *testing.T, s *store.Store, b *audit.Book) {
				seal(t, b)
				read(t, b, "Task/a")
				read(t, b, "Task/b")
				run(t, s, "UPDATE audit_journal SET upto = upto + (SELECT LENGTH(body) + 33 FROM audit_entry WHERE what = 'read' ORDER BY seq DESC LIMIT 1)")
			}},
		} {
			t.Run(strings.ReplaceAll(c.rule, " ", "_"), func(t *testing.T) {
				s, b := openIn(t, with, t.TempDir())
				for i := range 3 {
					read(t, b, fmt.Sprintf("Task/r%d", i))
					write(t, s, b, fmt.Sprintf("Task/w%d", i))
				}
				c.do(t, s, b)
				seal(t, b)
				seal(t, b)
				if r := verify(t, b); len(r.Alarms) == 0 || !r.OK() {
					t.Errorf("got alarms %v, findings %v; want alarms in a whole chain", r.Alarms, r.Findings)
				}
				n := len(verify(t, b).Alarms)
				read(t, b, "Task/after")
				seal(t, b)
				if r := verify(t, b); len(r.Alarms) > n+1 {
					t.Errorf("got %v; want no more alarms afterwards", r.Alarms)
				}
			})
		}
	})
}

func run(t testing.TB, s *store.Store, sql string) {
	t.Helper()
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, sql)
		if err == nil && n == 0 {
			t.Errorf("nothing was changed by %s", sql)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestANewKeyIsVouchedForByTheOldOne(t *testing.T) {
	s := storetest.Memory(t, store.Options{Migrations: audit.Migrations})
	first := chainOf(t, s, t.TempDir())
	if err := first.Close(ctx); err != nil {
		t.Fatal(err)
	}
	b, err := audit.OpenWith(s, t.TempDir(), audit.Options{Clock: clock.At(storetest.Start), Signature: audit.SM2})
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, b, "Task/1")
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if k := b.Key(); k.Kind != audit.SM2 || k.ID == first.Key().ID {
		t.Errorf("got key %v %v", k.ID, k.Kind)
	}
	if r, err := audit.Verify(ctx, s, audit.Against{Trusted: []audit.Public{b.Key().Public}}); err != nil || !r.OK() || len(r.Keys) != 2 || r.Unsigned != 0 {
		t.Errorf("got %+v, %v; want both keys trusted", r, err)
	}
}

func TestASM3ChainFromItsBeginning(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s := with(t, store.Options{Migrations: audit.Migrations})
		dir := t.TempDir()
		b, err := audit.OpenWith(s, dir, audit.Options{Clock: clock.At(storetest.Start), Hash: audit.SM3})
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, b, "Task/1", "Patient/1")
		read(t, b, "Task/2", "Patient/1")
		if err := b.Close(ctx); err != nil {
			t.Fatal(err)
		}
		b = reopen(t, s, dir) // configured for SHA-256: the chain goes on as it is
		write(t, s, b, "Task/3")
		seal(t, b)
		r := verify(t, b)
		if !r.OK() || r.Algorithm != audit.SM3 || b.Key().Kind != audit.SM2 {
			t.Errorf("got %+v, key %s; want an SM3 chain signed by SM2", r, b.Key().Kind)
		}
		if err := b.Reanchor(ctx, audit.SHA256); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, b); !r.OK() || r.Algorithm != audit.SHA256 {
			t.Errorf("got %+v; want SHA-256 from now on", r)
		}
	})
}

func TestAFullDiskRefusesReads(t *testing.T) {
	_, b := openIn(t, storetest.Memory, t.TempDir())
	b.Full()
	if err := b.Read(ctx, audit.Of(ctx, "R", "read", "Task/1")); err == nil {
		t.Error("got no error; want the read refused")
	}
}

func TestLongAndStrangeTextsAreBoundedAndQuoted(t *testing.T) {
	_, b := openIn(t, storetest.Memory, t.TempDir())
	nasty := "a\r\n{\"user\":\"forged\"}\t\x1b[31mred\x00" + strings.Repeat("长", 5000)
	e := audit.Entry{User: nasty, Name: nasty, Role: nasty, Action: "R", What: nasty, Target: "Patient?name=" + nasty, Remote: nasty, Request: nasty, Reason: nasty, Client: "\xff\xfe" + nasty}
	if err := b.Read(ctx, e); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(b.Dir(), "*.log"))
	text, _ := os.ReadFile(files[0])
	if strings.Count(string(text), "\n") != 1 || strings.ContainsAny(string(text), "\r\x1b\x00") || len(text) > 8000 {
		t.Errorf("got %d bytes, %d lines", len(text), strings.Count(string(text), "\n"))
	}
	seal(t, b)
	if r := verify(t, b); !r.OK() || len(r.Alarms) > 0 || r.Entries != 1 {
		t.Errorf("got %+v; want one entry", r)
	}
	entries, _, err := b.Query(ctx, audit.Filter{NoOrgs: true})
	if err != nil || len(entries) != 1 || !strings.HasPrefix(entries[0].User, "a\r\n{") || len(entries[0].User) > 210 || !strings.HasSuffix(entries[0].User, "…") {
		t.Errorf("got %+v, %v", entries, err)
	}
}
