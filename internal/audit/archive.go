package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Archive describes a file of old entries that were moved out of the database. The description is signed and stays;
// the chain goes on from where it says.
type Archive struct {
	First     int64             `json:"first"`
	Last      int64             `json:"last"`
	File      string            `json:"file"`
	SHA256    string            `json:"sha256"` // of the file
	From      time.Time         `json:"from"`   // of the first entry
	Until     time.Time         `json:"until"`  // of the last
	Algorithm string            `json:"algorithm"`
	Hash      string            `json:"hash"`   // of the last entry
	Before    map[string]string `json:"before"` // what each algorithm makes of the chain up to the entry before the first
	After     map[string]string `json:"after"`  // and up to the last
	Keys      map[string]int64  `json:"keys"`   // introduced in it: the introduction and its entry
	Key       string            `json:"key"`
	Made      time.Time         `json:"made"`
	Signature string            `json:"signature,omitempty"`
}

// archiving is what the signature of an archive is for.
const archiving = "xinglin audit archive"

// mostInFile is how many entries one archive holds: about as many as a unit may delete while others wait.
const mostInFile = 50_000

func (a Archive) message() []byte {
	a.Signature = ""
	text, _ := json.Marshal(a)
	return text
}

// archives lists what was moved out, oldest first.
func archives(ctx context.Context, tx *store.Tx) (list []Archive, err error) {
	err = tx.Query(ctx, `SELECT first, last, line FROM audit_archive ORDER BY first`, nil, func(scan func(...any) error) error {
		var first, last int64
		var line string
		if err := scan(&first, &last, &line); err != nil {
			return err
		}
		var a Archive
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			return fmt.Errorf("audit: archive %d: %w", first, err)
		}
		if a.First != first || a.Last != last {
			return fmt.Errorf("audit: archive %d: its row says something else", first)
		}
		list = append(list, a)
		return nil
	})
	return list, err
}

// Archive moves sealed entries from before a time into files in dir, compressed and signed. It moves nothing younger
// than Rules.LeastMonths, and nothing of a chain that does not hold.
func (b *Book) Archive(ctx context.Context, before time.Time, dir string) (made []Archive, err error) {
	if youngest := b.wall.Now().AddDate(0, -Rules.LeastMonths, 0); before.After(youngest) {
		return nil, fhir.Refuse(422, "business-rule", "too-young", fmt.Sprintf("the audit trail is kept at least %d months; nothing from after %s is moved out", Rules.LeastMonths, youngest.Format("2006-01-02")),
			fmt.Sprintf("审计记录至少保留 %d 个月，%s 之后的记录不能归档", Rules.LeastMonths, youngest.Format("2006-01-02")))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit: archive: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("audit: archive: %w", err)
	}
	if err := b.Seal(ctx); err != nil {
		return nil, err
	}
	if err := b.Checkpoint(ctx); err != nil {
		return nil, err
	}
	for {
		a, err := b.archiveSome(ctx, before, dir)
		if err != nil {
			return made, fmt.Errorf("audit: archive: %w", err)
		}
		if a == nil {
			return made, b.Checkpoint(ctx)
		}
		made = append(made, *a)
	}
}

// leaf is an entry on its way into a file.
type leaf struct {
	seq        int64
	hash, body []byte
	Entry
}

// archiveSome writes one file and then, in one unit, notes it, says so in the chain and removes its entries.
func (b *Book) archiveSome(ctx context.Context, before time.Time, dir string) (*Archive, error) {
	var leaves []leaf
	var list []Archive
	w := &walker{report: &Report{}, folds: map[string][]byte{}, algorithm: SHA256, keys: map[string]int64{}, public: map[string]Public{}}
	err := b.store.View(ctx, func(tx *store.Tx) (err error) {
		leaves = leaves[:0]
		if list, err = archives(ctx, tx); err != nil {
			return err
		}
		if n := len(list); n > 0 {
			w.continueFrom(list[n-1])
		}
		return tx.Query(ctx, `SELECT seq, hash, body FROM audit_entry WHERE seq > ? ORDER BY seq LIMIT ?`, []any{w.last, int64(mostInFile + 1)}, func(scan func(...any) error) error {
			var l leaf
			err := scan(&l.seq, &l.hash, &l.body)
			l.hash, l.body = bytes.Clone(l.hash), bytes.Clone(l.body)
			leaves = append(leaves, l)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if len(leaves) > 0 {
		leaves = leaves[:len(leaves)-1] // the end of the chain stays
	}
	a := Archive{First: w.last + 1, Before: w.both(), Key: b.key.ID, Made: b.wall.Now().UTC().Truncate(time.Second)}
	count := 0
	for i := range leaves {
		l := &leaves[i]
		e, err := readBody(l.body)
		if err != nil {
			return nil, err
		}
		if !e.At.Before(before) || !e.Wall.Before(before) && e.Wall.After(b.wall.Now().AddDate(0, -Rules.LeastMonths, 0)) {
			break
		}
		l.Entry = e
		if w.step(l.seq, l.hash, l.body); len(w.report.Findings) > 0 {
			return nil, fmt.Errorf("nothing is moved out of a chain that does not hold: %s", w.report.Findings[0])
		}
		if count == 0 {
			a.From = e.At.UTC()
		}
		a.Until = e.At.UTC()
		count++
	}
	if count == 0 {
		return nil, nil
	}
	leaves = leaves[:count]
	a.Last, a.Algorithm, a.Hash, a.After, a.Keys = w.last, w.algorithm, hex.EncodeToString(w.folds[w.algorithm]), w.both(), map[string]int64{}
	for id, seq := range w.keys {
		a.Keys[w.public[id].String()] = seq
	}
	path := filepath.Join(dir, fmt.Sprintf("audit-%012d-%012d.jsonl.zst", a.First, a.Last))
	if a.SHA256, err = writeArchive(path, leaves); err != nil {
		return nil, err
	}
	a.File = path
	if a.Signature, err = b.key.Sign(archiving, a.message()); err != nil {
		return nil, err
	}
	line, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path+".json", append(line, '\n'), 0o600); err != nil {
		return nil, err
	}
	return &a, b.store.Update(ctx, func(tx *store.Tx) error {
		e, err := takeEnd(ctx, tx, true)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO audit_archive (first, last, line) VALUES (?, ?, ?)`, a.First, a.Last, string(line)); err != nil {
			return err // somebody else is at it
		}
		now := b.now(tx)
		now.What, now.Target = archived, fmt.Sprintf("%d-%d %s sha256:%s", a.First, a.Last, filepath.Base(path), a.SHA256)
		if err := e.seal(ctx, tx, []open{opened(now)}); err != nil {
			return err
		}
		for _, l := range leaves {
			for _, p := range l.Patients {
				if err := tx.Queue(ctx, `DELETE FROM audit_patient WHERE patient = ? AND at = ? AND seq = ?`, p, l.At.UnixMicro(), l.seq); err != nil {
					return err
				}
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM audit_entry WHERE seq >= ? AND seq <= ?`, a.First, a.Last); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM audit_checkpoint WHERE seq < ?`, a.Last)
		return err
	})
}

func writeArchive(path string, leaves []leaf) (sum string, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	z, err := zstd.NewWriter(io.MultiWriter(f, h), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return "", err
	}
	out := bufio.NewWriterSize(z, 1<<20)
	for _, l := range leaves {
		fmt.Fprintf(out, "%d %x %s\n", l.seq, l.hash, l.body)
	}
	err = errors.Join(out.Flush(), z.Close(), f.Sync())
	return hex.EncodeToString(h.Sum(nil)), err
}

// both is what each algorithm makes of all that was read.
func (w *walker) both() map[string]string {
	m := map[string]string{}
	for _, algorithm := range algorithms {
		m[algorithm] = hex.EncodeToString(w.folds[algorithm])
	}
	return m
}

// continueFrom goes on behind an archive.
func (w *walker) continueFrom(a Archive) {
	for _, algorithm := range algorithms {
		w.folds[algorithm], _ = hex.DecodeString(a.After[algorithm])
	}
	w.algorithm, w.last, w.other = a.Algorithm, a.Last, nil
}

func (w *walker) walkArchives(ctx context.Context) error {
	list, err := archives(ctx, w.tx)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.First != w.last+1 || !maps.Equal(a.Before, w.both()) {
			w.say("the archive of entries %d to %d does not follow from what is before it", a.First, a.Last)
		}
		for text, seq := range a.Keys {
			if p, err := publicOf(text); err == nil && w.keys[p.ID] == 0 {
				w.keys[p.ID], w.public[p.ID] = seq, p
			}
		}
		w.moved = append(w.moved, a)
		switch err := w.walkArchive(a); {
		case errors.Is(err, fs.ErrNotExist) && !w.Absent:
			w.say("the archive of entries %d to %d is not here: %s", a.First, a.Last, a.File)
		case errors.Is(err, fs.ErrNotExist):
			hash, _ := hex.DecodeString(a.Hash)
			w.compare(a.Last, hash)
		case err != nil:
			w.say("the archive of entries %d to %d cannot be read: %v", a.First, a.Last, err)
		case !maps.Equal(a.After, w.both()) || a.Last != w.last || a.Algorithm != w.algorithm:
			w.say("the archive of entries %d to %d ends otherwise than its description says", a.First, a.Last)
		}
		w.continueFrom(a)
		w.report.Archived += a.Last - a.First + 1
	}
	return nil
}

func (w *walker) walkArchive(a Archive) error {
	places := []string{a.File}
	for _, dir := range w.Archives {
		places = append(places, filepath.Join(dir, filepath.Base(a.File)))
	}
	var f *os.File
	err := error(fs.ErrNotExist)
	for _, place := range places {
		if f, err = os.Open(place); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	z, err := zstd.NewReader(io.TeeReader(f, h), zstd.WithDecoderMaxMemory(64<<20), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 0, 1<<20), 32<<20)
	for lines.Scan() {
		number, rest, _ := bytes.Cut(lines.Bytes(), []byte{' '})
		text, body, ok := bytes.Cut(rest, []byte{' '})
		hash, err := hex.DecodeString(string(text))
		var seq int64
		if n, _ := fmt.Sscan(string(number), &seq); n != 1 || !ok || err != nil {
			return errors.New("a line is not an entry")
		}
		w.step(seq, hash, body)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != a.SHA256 {
		return errors.New("it is not the file that was written")
	}
	return nil
}

// vouch holds the archives against the keys that count.
func (w *walker) vouch(trusted map[string]bool) {
	for _, a := range w.moved {
		if p, known := w.public[a.Key]; !known || !p.Signed(archiving, a.message(), a.Signature) {
			w.say("the archive of entries %d to %d is not signed by the key that it names", a.First, a.Last)
		} else if !trusted[a.Key] {
			w.say("the archive of entries %d to %d is signed by key %s, for which no trusted key has vouched", a.First, a.Last, a.Key)
		}
	}
}
