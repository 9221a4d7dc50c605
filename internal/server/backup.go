package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// A backup is a folder: the store's archive, the files by hash, and backup.json, written last.
const (
	backupNote     = "backup.json"
	backupDatabase = "database.tar.zst"
	backupFiles    = "files"
)

// BackupNote says what a backup holds.
type BackupNote struct {
	Version string           `json:"version"` // of the program that made it
	Made    time.Time        `json:"made"`
	SHA256  string           `json:"sha256"` // of database.tar.zst
	Rows    map[string]int64 `json:"rows"`
	Files   int              `json:"files"`
	Sealed  *store.KeyProbe  `json:"sealed,omitempty"` // which master key it needs; the key itself is never in a backup
}

// Backup writes everything into a new folder while the server runs: the database at one moment, then the files,
// of which none is ever changed.
func (h *Hub) Backup(ctx context.Context, dir string) (note BackupNote, err error) {
	if _, err := os.Stat(dir); err == nil {
		return note, fmt.Errorf("backup: %s is there already; a backup goes into a new folder", dir)
	}
	if err := h.Audit.Seal(ctx); err != nil {
		return note, fmt.Errorf("backup: %w", err)
	}
	work := dir + ".making"
	if err := os.RemoveAll(work); err != nil {
		return note, fmt.Errorf("backup: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(work, backupFiles), 0o700); err != nil {
		return note, fmt.Errorf("backup: %w", err)
	}
	note = BackupNote{Version: Version, Made: time.Now().UTC().Truncate(time.Second)}
	sum := sha256.New()
	err = written(filepath.Join(work, backupDatabase), func(w io.Writer) error {
		m, err := h.Store.Backup(ctx, io.MultiWriter(w, sum))
		note.Rows = m.Rows
		return err
	})
	if err != nil {
		return note, fmt.Errorf("backup: %w", err)
	}
	if note.Sealed, err = h.Store.Probe(ctx); err != nil {
		return note, fmt.Errorf("backup: %w", err)
	}
	note.SHA256 = hex.EncodeToString(sum.Sum(nil))
	err = h.Files.Each(ctx, func(hash string) error {
		r, err := h.Files.Stored(ctx, hash)
		if err != nil {
			return err
		}
		defer r.Close()
		note.Files++
		return written(filepath.Join(work, backupFiles, hash), func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	})
	if err != nil {
		return note, fmt.Errorf("backup: files: %w", err)
	}
	err = written(filepath.Join(work, backupNote), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(note)
	})
	if err == nil {
		err = os.Rename(work, dir)
	}
	if err != nil {
		return note, fmt.Errorf("backup: %w", err)
	}
	return note, nil
}

// written makes a file that is on disk when it returns.
func written(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Sync(), f.Close())
}

// Restore puts a backup into an empty place and looks whether all of it arrived: hashes, counts, files, audit chain.
func Restore(ctx context.Context, o Options, dir string) (note BackupNote, err error) {
	if err := o.complete(); err != nil {
		return note, err
	}
	if o.SQLite() {
		if _, err := os.Stat(o.Database()); err == nil {
			return note, fmt.Errorf("restore: %s is there already; a restore goes into an empty place", o.Database())
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, backupNote))
	if err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	if err := json.Unmarshal(text, &note); err != nil {
		return note, fmt.Errorf("restore: %s: %w", backupNote, err)
	}
	if err := o.checkSeal(ctx, note.Sealed); err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	archive, err := os.Open(filepath.Join(dir, backupDatabase))
	if err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	defer archive.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, archive); err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != note.SHA256 {
		return note, fmt.Errorf("restore: %s has changed since it was made: hash %s, noted %s", backupDatabase, got, note.SHA256)
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	if _, err := store.Restore(ctx, o.dsn(), store.Options{Clock: o.Clock, Zone: o.Zone, Migrations: migrations()}, archive); err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	h, err := Open(ctx, o)
	if err != nil {
		return note, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := h.takeFiles(ctx, filepath.Join(dir, backupFiles), note.Files); err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	// the key of here vouches for that of there, which stays where it was
	if err := h.Audit.Checkpoint(ctx); err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	report, err := h.Audit.Verify(ctx)
	if err != nil {
		return note, fmt.Errorf("restore: %w", err)
	}
	if !report.OK() {
		return note, fmt.Errorf("restore: the audit chain does not hold: %v", report.Findings)
	}
	return note, nil
}

func (h *Hub) takeFiles(ctx context.Context, dir string, want int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) != want {
		return fmt.Errorf("%d files; the backup noted %d", len(entries), want)
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		got, err := h.Files.PutStored(ctx, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("file %s: %w", e.Name(), err)
		}
		if got.Hash != e.Name() {
			return fmt.Errorf("file %s has changed: its hash is %s", e.Name(), got.Hash)
		}
	}
	return nil
}
