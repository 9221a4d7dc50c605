package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// checkpoints is the file beside the journal that remembers where the chain stood, one line a checkpoint. The same
// lines stand in the database and at every place of Options.Copies: whoever rewrites the chain must rewrite them all,
// and cannot sign them without the key.
const checkpoints = "checkpoints"

// signing is what a checkpoint's signature is for.
const signing = "xinglin audit checkpoint"

// Checkpoint says where the chain stood, over a signature.
type Checkpoint struct {
	Key       string    `json:"key"`
	Seq       int64     `json:"seq"`
	Algorithm string    `json:"algorithm"`
	Hash      string    `json:"hash"`
	Previous  int64     `json:"previous"` // the checkpoint before it, 0 = none
	At        time.Time `json:"at"`       // machine time
	Signature string    `json:"signature,omitempty"`
}

// message is what is signed: the line without its signature.
func (c Checkpoint) message() []byte {
	c.Signature = ""
	text, _ := json.Marshal(c)
	return text
}

func readCheckpoint(line string) (c Checkpoint, err error) {
	if err := json.Unmarshal([]byte(line), &c); err == nil && c.Seq > 0 {
		return c, nil
	}
	var hash []byte // as they were before they were signed: seq, hash, time
	if n, _ := fmt.Sscanf(line, "%d %x", &c.Seq, &hash); n != 2 {
		return c, errors.New("audit: not a checkpoint")
	}
	c.Hash = hex.EncodeToString(hash)
	return c, nil
}

// note makes a checkpoint when it is time.
func (b *Book) note(ctx context.Context) error {
	if b.since < b.options.Entries && b.wall.Now().Sub(b.noted) < b.options.Every {
		return nil
	}
	return b.checkpoint(ctx)
}

// Checkpoint signs where the chain stands now.
func (b *Book) Checkpoint(ctx context.Context) error {
	b.sealing.Lock()
	defer b.sealing.Unlock()
	return b.checkpoint(ctx)
}

// checkpoint introduces our key in the chain if that was not done, signs the chain's end and carries the line to
// every place; the caller holds sealing.
func (b *Book) checkpoint(ctx context.Context) error {
	err := b.store.Update(ctx, func(tx *store.Tx) error {
		e, err := takeEnd(ctx, tx, true)
		if err != nil {
			return err
		}
		last, err := lastCheckpoint(ctx, tx)
		if err != nil || e.seq == 0 || last == e.seq {
			return err
		}
		introducedAt := int64(0)
		err = tx.Query(ctx, `SELECT seq FROM audit_key WHERE id = ?`, []any{b.key.ID}, func(scan func(...any) error) error { return scan(&introducedAt) })
		if err != nil {
			return err
		}
		if introducedAt == 0 {
			now := b.now(tx)
			now.What, now.Target = introduced, b.key.Public.String()
			if err := e.seal(ctx, tx, []open{opened(now)}); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE audit_key SET seq = ? WHERE id = ?`, e.seq, b.key.ID); err != nil {
				return err
			}
		}
		c := Checkpoint{Key: b.key.ID, Seq: e.seq, Algorithm: e.algorithm, Hash: hex.EncodeToString(e.hash), Previous: last, At: b.wall.Now().UTC().Truncate(time.Second)}
		if c.Signature, err = b.key.Sign(signing, c.message()); err != nil {
			return err
		}
		line, err := json.Marshal(c)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO audit_checkpoint (seq, line) VALUES (?, ?)`, c.Seq, string(line))
		return err
	})
	if err != nil {
		return fmt.Errorf("audit: checkpoint: %w", err)
	}
	b.since, b.noted = 0, b.wall.Now()
	if err := b.carry(ctx, filepath.Join(b.dir, checkpoints), &b.copied); err != nil {
		return err
	}
	for i, place := range b.options.Copies {
		if b.sent == nil {
			b.sent = make([]int64, len(b.options.Copies))
		}
		// a place out of reach holds nothing up: it gets what it missed with the next one
		if err := b.carry(ctx, place, &b.sent[i]); err != nil {
			slog.Error("audit: a copy of the checkpoints could not be written", "error", err)
		}
	}
	return nil
}

func lastCheckpoint(ctx context.Context, tx *store.Tx) (seq int64, err error) {
	err = tx.Query(ctx, `SELECT COALESCE(MAX(seq), 0) FROM audit_checkpoint`, nil, func(scan func(...any) error) error { return scan(&seq) })
	return seq, err
}

func keyKnown(ctx context.Context, tx *store.Tx, id string) (known bool, err error) {
	err = tx.Query(ctx, `SELECT 1 FROM audit_key WHERE id = ?`, []any{id}, func(func(...any) error) error { known = true; return nil })
	return known, err
}

// carry brings a place up to what the database has; upto remembers how far it got.
func (b *Book) carry(ctx context.Context, place string, upto *int64) error {
	web := isAddress(place)
	path := place
	if !web {
		if info, err := os.Stat(place); err == nil && info.IsDir() {
			path = filepath.Join(place, checkpoints)
		}
		if *upto == 0 {
			known, err := readCheckpoints(path)
			if err != nil {
				return err
			}
			for _, c := range known {
				*upto = max(*upto, c.Seq)
			}
		}
	}
	for {
		var lines bytes.Buffer
		end := *upto
		err := b.store.View(ctx, func(tx *store.Tx) error {
			lines.Reset()
			order, from := "ORDER BY seq LIMIT 1000", *upto
			if web && from == 0 {
				order = "ORDER BY seq DESC LIMIT 1" // a receiver that we do not know gets the newest
			}
			return tx.Query(ctx, `SELECT seq, line FROM audit_checkpoint WHERE seq > ? `+order, []any{from}, func(scan func(...any) error) error {
				var line string
				err := scan(&end, &line)
				lines.WriteString(line)
				lines.WriteByte('\n')
				return err
			})
		})
		if err != nil || lines.Len() == 0 {
			return err
		}
		if web {
			err = post(ctx, place, lines.Bytes())
		} else {
			err = appendTo(path, lines.Bytes())
		}
		if err != nil {
			return fmt.Errorf("audit: checkpoint: %w", err)
		}
		*upto = end
	}
}

func appendTo(path string, lines []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Sync(), f.Close())
}

var receiver = &http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func post(ctx context.Context, place string, lines []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, place, bytes.NewReader(lines))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	answer, err := receiver.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s", r.URL.Redacted(), answer.Status)
	}
	return nil
}

// readCheckpoints reads a file of checkpoints, or that of a folder; one that is not there holds none.
func readCheckpoints(path string) (list []Checkpoint, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, checkpoints)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("audit: checkpoints: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if c, err := readCheckpoint(lines.Text()); err == nil {
			list = append(list, c)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("audit: checkpoints: %w", err)
	}
	return list, nil
}

func isAddress(place string) bool {
	return strings.HasPrefix(place, "http://") || strings.HasPrefix(place, "https://")
}
