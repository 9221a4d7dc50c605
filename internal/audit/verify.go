package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Report is what Verify found.
type Report struct {
	Entries  int64    `json:"entries"`
	Head     string   `json:"head"` // hash of the last entry, hex
	Findings []string `json:"findings"`
}

// OK says whether the chain is whole.
func (r Report) OK() bool { return len(r.Findings) == 0 }

// Verify walks the chain from its beginning and finds what was changed, removed or reordered.
func (b *Book) Verify(ctx context.Context) (Report, error) { return Verify(ctx, b.store, b.dir) }

// Verify is Book.Verify without an open journal; dir may be "".
func Verify(ctx context.Context, s *store.Store, dir string) (Report, error) {
	var r Report
	notes, err := readCheckpoints(dir)
	if err != nil {
		return r, err
	}
	err = s.View(ctx, func(tx *store.Tx) error {
		r = Report{Findings: []string{}}
		say := func(format string, args ...any) {
			if len(r.Findings) < 100 {
				r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
			}
		}
		var head []byte
		var last, patients int64
		for more := true; more; {
			more = false
			err := tx.Query(ctx, `SELECT seq, hash, at, who, org, action, what, body FROM audit_entry WHERE seq > ? ORDER BY seq LIMIT 5000`, []any{last}, func(scan func(...any) error) error {
				more = true
				var seq, at int64
				var hash, body []byte
				var who, org, action, what string
				if err := scan(&seq, &hash, &at, &who, &org, &action, &what, &body); err != nil {
					return err
				}
				if seq != last+1 {
					say("entries %d to %d are missing", last+1, seq-1)
				}
				if want := link(head, body); !bytes.Equal(want, hash) {
					say("entry %d does not follow from the entry before it: one of them was changed, removed or moved", seq)
				}
				e, err := readBody(body)
				if err != nil {
					say("entry %d cannot be read", seq)
				} else if e.At.UnixMicro() != at || e.User != who || e.Org != org || e.Action != action || e.What != what {
					say("entry %d: what it is searched by differs from what it says", seq)
				}
				if want, ok := notes[seq]; ok && !bytes.Equal(want, hash) {
					say("entry %d differs from the checkpoint noted outside the database", seq)
				}
				patients += int64(len(e.Patients))
				head = append(head[:0], hash...)
				last = seq
				r.Entries++
				return nil
			})
			if err != nil {
				return err
			}
		}
		var seq, rows int64
		var hash []byte
		err := tx.Query(ctx, `SELECT seq, hash FROM audit_head WHERE id = 1`, nil, func(scan func(...any) error) error { return scan(&seq, &hash) })
		if err != nil {
			return err
		}
		if seq != last || !bytes.Equal(hash, head) {
			say("the chain ends at entry %d, but %d entries were sealed", last, seq)
		}
		for _, n := range slices.Sorted(maps.Keys(notes)) {
			if n > last {
				say("a checkpoint outside the database knows entry %d, the chain ends at %d", n, last)
				break
			}
		}
		err = tx.Query(ctx, `SELECT count(*) FROM audit_patient`, nil, func(scan func(...any) error) error { return scan(&rows) })
		if err != nil {
			return err
		}
		if rows != patients {
			say("the index by patient has %d rows, the entries name %d", rows, patients)
		}
		r.Head = hex.EncodeToString(head)
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("audit: verify: %w", err)
	}
	return r, nil
}

func readCheckpoints(dir string) (map[int64][]byte, error) {
	notes := map[int64][]byte{}
	if dir == "" {
		return notes, nil
	}
	f, err := os.Open(filepath.Join(dir, checkpoints))
	if errors.Is(err, fs.ErrNotExist) {
		return notes, nil
	}
	if err != nil {
		return nil, fmt.Errorf("audit: checkpoints: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var seq int64
		var hash []byte
		if n, _ := fmt.Sscanf(lines.Text(), "%d %x", &seq, &hash); n == 2 {
			notes[seq] = hash
		}
	}
	return notes, lines.Err()
}
