package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Book is the Log of one hub: reads go through a journal in its folder, writes through their
// transaction, and one sealer at a time moves both into the chain.
type Book struct {
	store    *store.Store
	business clock.Clock
	wall     clock.Clock
	dir      string
	journal  *journal

	sealing    sync.Mutex
	checkpoint int64 // last seq noted outside the database
	noted      time.Time
}

// Open opens the journal in dir; what an earlier process left there is sealed by Run or Seal.
func Open(s *store.Store, dir string, business clock.Clock) (*Book, error) {
	j, err := openJournal(dir)
	if err != nil {
		return nil, err
	}
	if business == nil {
		business = clock.System
	}
	return &Book{store: s, business: business, wall: clock.System, dir: dir, journal: j}, nil
}

// Write records a change in its transaction.
func (b *Book) Write(ctx context.Context, tx *store.Tx, e Entry) error {
	b.stamp(&e, tx.Now())
	err := tx.Queue(ctx, `INSERT INTO audit_entry (at, who, org, action, what, body) VALUES (?, ?, ?, ?, ?, ?)`,
		e.At.UnixMicro(), e.User, e.Org, e.Action, e.What, appendBody(nil, &e))
	if err != nil {
		return fmt.Errorf("audit: write: %w", err)
	}
	return nil
}

// Read records a read in the journal; when it returns nil the entry survives the end of the process.
func (b *Book) Read(ctx context.Context, e Entry) error {
	b.stamp(&e, b.business.Now())
	return b.journal.add(&e)
}

func (b *Book) stamp(e *Entry, now time.Time) {
	if e.At.IsZero() {
		e.At = now
	}
	e.At = e.At.Truncate(time.Microsecond)
	if e.Wall.IsZero() {
		e.Wall = b.wall.Now()
	}
	if e.Outcome == "" {
		e.Outcome = "0"
	}
	if len(e.Patients) > 1 {
		slices.Sort(e.Patients)
		e.Patients = slices.Compact(e.Patients)
	}
}

// Run makes the journal durable every half second and seals every second, until ctx ends; then it seals the rest.
func (b *Book) Run(ctx context.Context) error {
	sync := time.NewTicker(500 * time.Millisecond)
	defer sync.Stop()
	odd := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sync.C:
		}
		if err := b.journal.sync(); err != nil {
			slog.Error("audit: the journal is not durable", "error", err)
		}
		if odd = !odd; odd {
			continue
		}
		// Two thousand a second keep step with people; a burst of programs is sealed when it is over.
		for range 2 {
			n, err := b.sealSome(ctx)
			if err != nil && ctx.Err() == nil {
				slog.Error("audit: seal", "error", err)
			}
			if err != nil || n < sealBatch {
				break
			}
		}
	}
}

// Close seals what is left, as far as ctx allows, and closes the journal.
func (b *Book) Close(ctx context.Context) error {
	err := b.Seal(ctx)
	if err == nil {
		err = b.note(ctx, true)
	}
	return errors.Join(err, b.journal.close())
}

// sealBatch is how many entries one transaction seals.
const sealBatch = 1000

// CatchUp seals for at most about d; after a burst of programs the rest follows by and by.
func (b *Book) CatchUp(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		n, err := b.sealSome(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// Seal moves everything that is recorded by now into the chain.
func (b *Book) Seal(ctx context.Context) error {
	for {
		n, err := b.sealSome(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}

// open is an entry on its way into the chain.
type open struct {
	n    int64 // row of a write, 0 for a read
	body []byte
	Entry
}

func (b *Book) sealSome(ctx context.Context) (sealed int, err error) {
	b.sealing.Lock()
	defer b.sealing.Unlock()
	files, err := b.journal.files()
	if err != nil {
		return 0, err
	}
	waiting := len(files) > 1
	for _, f := range files {
		info, err := os.Stat(f.path)
		waiting = waiting || err == nil && info.Size() > 0
	}
	upto := map[string]int64{}
	err = b.store.Update(ctx, func(tx *store.Tx) error {
		sealed = 0
		clear(upto)
		// taking the row first makes this the one sealer, also beside other processes
		if _, err := tx.Exec(ctx, `UPDATE audit_head SET seq = seq WHERE id = 1`); err != nil {
			return err
		}
		batch, err := openRows(ctx, tx)
		if err != nil {
			return err
		}
		if waiting {
			if batch, err = openLines(ctx, tx, files, batch, upto); err != nil {
				return err
			}
		}
		if len(batch) == 0 {
			return nil
		}
		slices.SortStableFunc(batch, func(x, y open) int { return x.Wall.Compare(y.Wall) })
		sealed = len(batch)
		return chain(ctx, tx, batch)
	})
	if err != nil {
		return 0, fmt.Errorf("audit: seal: %w", err)
	}
	if err := b.sweep(ctx, files, upto); err != nil {
		return sealed, err
	}
	return sealed, b.note(ctx, false)
}

func openRows(ctx context.Context, tx *store.Tx) (batch []open, err error) {
	err = tx.Query(ctx, `SELECT n, body FROM audit_entry WHERE seq IS NULL ORDER BY n LIMIT ?`, []any{int64(sealBatch)}, func(scan func(...any) error) error {
		var o open
		if err := scan(&o.n, &o.body); err != nil {
			return err
		}
		o.body = slices.Clone(o.body)
		var err error
		if o.Entry, err = readBody(o.body); err != nil {
			return err
		}
		batch = append(batch, o)
		return nil
	})
	return batch, err
}

func openLines(ctx context.Context, tx *store.Tx, files []journalFile, batch []open, upto map[string]int64) ([]open, error) {
	err := tx.Query(ctx, `SELECT file, upto FROM audit_journal`, nil, func(scan func(...any) error) error {
		var file string
		var end int64
		err := scan(&file, &end)
		upto[file] = end
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if len(batch) >= sealBatch {
			break
		}
		start := upto[f.name]
		lines, end, err := f.lines(start, 1<<20)
		if err != nil {
			return nil, err
		}
		if room := 2*sealBatch - len(batch); len(lines) > room {
			for _, l := range lines[room:] {
				end -= int64(len(l)) + 1
			}
			lines = lines[:room]
		}
		for _, l := range lines {
			e, err := readBody(l)
			if err != nil { // torn in the middle by a full disk: kept as it is, visibly
				e = Entry{Wall: time.Now(), At: tx.Now(), Action: "E", What: "torn", Target: hex.EncodeToString(l[:min(len(l), 200)]), Outcome: "8"}
				l = appendBody(nil, &e)
			}
			batch = append(batch, open{body: l, Entry: e})
		}
		if end == start {
			continue
		}
		upto[f.name] = end
		_, err = tx.Exec(ctx, `INSERT INTO audit_journal (file, upto) VALUES (?, ?) ON CONFLICT (file) DO UPDATE SET upto = excluded.upto`, f.name, end)
		if err != nil {
			return nil, err
		}
	}
	return batch, nil
}

func chain(ctx context.Context, tx *store.Tx, batch []open) error {
	var seq int64
	var head []byte
	err := tx.Query(ctx, `SELECT seq, hash FROM audit_head WHERE id = 1`, nil, func(scan func(...any) error) error { return scan(&seq, &head) })
	if err != nil {
		return err
	}
	head = slices.Clone(head)
	for _, o := range batch {
		seq++
		head = link(head, o.body)
		if o.n != 0 {
			err = tx.Queue(ctx, `UPDATE audit_entry SET seq = ?, hash = ? WHERE n = ?`, seq, head, o.n)
		} else {
			err = tx.Queue(ctx, `INSERT INTO audit_entry (seq, hash, at, who, org, action, what, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
				seq, head, o.At.UnixMicro(), o.User, o.Org, o.Action, o.What, o.body)
		}
		if err != nil {
			return err
		}
		for _, p := range o.Patients {
			if err := tx.Queue(ctx, `INSERT INTO audit_patient (patient, at, seq) VALUES (?, ?, ?)`, p, o.At.UnixMicro(), seq); err != nil {
				return err
			}
		}
	}
	_, err = tx.Exec(ctx, `UPDATE audit_head SET seq = ?, hash = ? WHERE id = 1`, seq, head)
	return err
}

func link(head, body []byte) []byte {
	h := sha256.New()
	h.Write(head)
	h.Write(body)
	return h.Sum(nil)
}

// sweep removes journal files whose writer is gone and whose lines are all in the table. The file
// goes before its row: the other way round a crash would seal it twice.
func (b *Book) sweep(ctx context.Context, files []journalFile, upto map[string]int64) error {
	var gone []string
	for _, f := range files {
		if f.current || !f.abandoned() {
			continue
		}
		if lines, _, err := f.lines(upto[f.name], 1<<20); err != nil || len(lines) > 0 {
			continue
		}
		if err := os.Remove(f.path); err != nil {
			return fmt.Errorf("audit: sweep: %w", err)
		}
		gone = append(gone, f.name)
	}
	if len(gone) == 0 {
		return nil
	}
	return b.store.Update(ctx, func(tx *store.Tx) error {
		for _, name := range gone {
			if _, err := tx.Exec(ctx, `DELETE FROM audit_journal WHERE file = ?`, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkpoints is the file beside the journal that remembers where the chain stood: whoever rewrites
// the whole chain in the database must also rewrite this file, and every copy of it.
const checkpoints = "checkpoints"

func (b *Book) note(ctx context.Context, now bool) error {
	if !now && b.wall.Now().Sub(b.noted) < time.Minute {
		return nil
	}
	var seq int64
	var hash []byte
	err := b.store.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, `SELECT seq, hash FROM audit_head WHERE id = 1`, nil, func(scan func(...any) error) error { return scan(&seq, &hash) })
	})
	if err != nil || seq == b.checkpoint {
		return err
	}
	f, err := os.OpenFile(filepath.Join(b.dir, checkpoints), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("audit: checkpoint: %w", err)
	}
	defer f.Close()
	wall := b.wall.Now()
	if _, err := fmt.Fprintf(f, "%d %x %s\n", seq, hash, wall.UTC().Format(time.RFC3339)); err != nil {
		return fmt.Errorf("audit: checkpoint: %w", err)
	}
	b.checkpoint, b.noted = seq, wall
	return nil
}
