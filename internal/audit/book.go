package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
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

	options Options
	key     *Key
	rows    sync.Pool // of *macs

	pending pending
	seen    atomic.Int64 // where the chain stood when we last looked
	fault   atomic.Pointer[error]

	sealing sync.Mutex
	since   int       // sealed since the last checkpoint
	noted   time.Time // when that was
	copied  int64     // the last checkpoint that stands in our own file
	sent    []int64   // the same of Options.Copies
}

// Options of OpenWith.
type Options struct {
	Clock     clock.Clock   // business time; nil = the machine's
	Hash      string        // of a new chain: sha256 or sm3; "" = sha256. An existing one goes on as it is; see Reanchor
	KeyFile   string        // signs checkpoints; made where there is none; "" = audit.key in the journal's folder
	Signature string        // of a new key: ecdsa or sm2; "" = by Hash
	Copies    []string      // where checkpoints also go: folders, or http(s) addresses that keep what is posted
	Every     time.Duration // between checkpoints; 0 = a minute
	Entries   int           // after so many entries there is one sooner; 0 = 5,000
}

// Open is OpenWith the usual options.
func Open(s *store.Store, dir string, business clock.Clock) (*Book, error) {
	return OpenWith(s, dir, Options{Clock: business})
}

// OpenWith opens the journal in dir; what an earlier process left there is sealed by Run or Seal.
func OpenWith(s *store.Store, dir string, o Options) (*Book, error) {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Hash == "" {
		o.Hash = SHA256
	}
	if !slices.Contains(algorithms, o.Hash) {
		return nil, fmt.Errorf("audit: %q is not an algorithm of the chain; there are %v", o.Hash, algorithms)
	}
	if o.Signature == "" && o.Hash == SM3 {
		o.Signature = SM2
	}
	if o.KeyFile == "" {
		o.KeyFile = filepath.Join(dir, "audit.key")
	}
	if o.Every == 0 {
		o.Every = time.Minute
	}
	if o.Entries == 0 {
		o.Entries = 5000
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit: journal: %w", err)
	}
	key, err := LoadKey(o.KeyFile, o.Signature)
	if err != nil {
		return nil, err
	}
	j, err := openJournal(dir, key)
	if err != nil {
		return nil, err
	}
	b := &Book{store: s, business: o.Clock, wall: clock.System, dir: dir, journal: j, options: o, key: key, noted: time.Now()}
	b.rows.New = func() any { return key.macs() }
	if err := b.begin(context.Background()); err != nil {
		j.close()
		return nil, fmt.Errorf("audit: open: %w", err)
	}
	return b, nil
}

// begin makes our key known and gives a new chain its algorithm.
func (b *Book) begin(ctx context.Context) error {
	known, last := false, end{}
	err := b.store.View(ctx, func(tx *store.Tx) (err error) {
		if known, err = keyKnown(ctx, tx, b.key.ID); err == nil {
			last, err = takeEnd(ctx, tx, false)
		}
		return err
	})
	if err != nil || known && (last.seq > 0 || last.algorithm == b.options.Hash) {
		return err
	}
	return b.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO audit_key (id, public, seq) VALUES (?, ?, 0) ON CONFLICT (id) DO NOTHING`, b.key.ID, b.key.Public.String())
		if err != nil {
			return err
		}
		e, err := takeEnd(ctx, tx, true)
		if err != nil || e.seq > 0 || e.algorithm == b.options.Hash {
			return err
		}
		return e.anchor(ctx, tx, b.options.Hash, b.now(tx))
	})
}

// Key is what this book signs with.
func (b *Book) Key() *Key { return b.key }

// Write records a change in its transaction.
func (b *Book) Write(ctx context.Context, tx *store.Tx, e Entry) error {
	b.stamp(&e, tx.Now())
	body := appendBody(nil, &e)
	m := b.rows.Get().(*macs)
	code := rowCode(m, body)
	b.rows.Put(m)
	err := tx.Queue(ctx, `INSERT INTO audit_entry (at, who, org, action, what, outcome, purpose, target, mark, mac, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.At.UnixMicro(), e.User, e.Org, e.Action, e.What, e.Outcome, e.Purpose, e.target(), e.mark(), code, body)
	if err != nil {
		return fmt.Errorf("audit: write: %w", err)
	}
	seen := b.seen.Load()
	tx.AfterCommit(func() { b.pending.add(code, seen) })
	return nil
}

// rowCode protects the row of a change until it is sealed: which key, a number that is never used twice, the code.
func rowCode(m *macs, body []byte) []byte {
	code := make([]byte, 0, 12+macSize)
	code = append(code, m.id[:]...)
	code = binary.BigEndian.AppendUint64(code, rand.Uint64())
	return append(code, m.of(code, body)...)
}

// Read records a read in the journal; when it returns nil the entry survives the end of the process.
func (b *Book) Read(ctx context.Context, e Entry) error {
	if h, ok := ctx.Value(heldKey{}).(*Held); ok && h != nil {
		h.entries = append(h.entries, e)
		return nil
	}
	if fault := b.fault.Load(); fault != nil {
		return *fault
	}
	b.stamp(&e, b.business.Now())
	return b.journal.add(&e)
}

// Fail lets every read fail as a full disk would, for tests of what is then not shown; nil ends it.
func (b *Book) Fail(err error) {
	if err == nil {
		b.fault.Store(nil)
		return
	}
	b.fault.Store(&err)
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
	e.bound()
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
		err = b.checkpoint(ctx)
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

// now starts an entry of the program itself.
func (b *Book) now(tx *store.Tx) Entry {
	e := Entry{Action: "E"}
	b.stamp(&e, tx.Now())
	return e
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
		waiting = waiting || err == nil && info.Size() > 0 || f.least > 0
	}
	before := b.pending.before()
	var round *sealRound
	err = b.store.Update(ctx, func(tx *store.Tx) error {
		round = &sealRound{book: b, tx: tx}
		return round.run(ctx, files, waiting, before)
	})
	if err != nil {
		return 0, fmt.Errorf("audit: seal: %w", err)
	}
	b.pending.done(round.rows)
	b.seen.Store(round.end)
	if round.renew {
		if err := b.journal.renew(); err != nil {
			return round.sealed, err
		}
	}
	if err := b.sweep(ctx, files, round.upto); err != nil {
		return round.sealed, err
	}
	b.since += round.sealed
	return round.sealed, b.note(ctx)
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
