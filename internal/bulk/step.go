package bulk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
)

// file is one file in the making, compressed.
type file struct {
	Part
	raw  int // bytes before compression
	buf  bytes.Buffer
	pack *zstd.Encoder
}

func newFile(kind, typ, source string) (*file, error) {
	f := &file{Part: Part{Kind: kind, Type: typ, Source: source}}
	var err error
	f.pack, err = zstd.NewWriter(&f.buf, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	return f, err
}

// finish ends the file; again is no error.
func (f *file) finish() error {
	if f == nil || f.pack == nil {
		return nil
	}
	pack := f.pack
	f.pack = nil
	if err := pack.Close(); err != nil {
		return fmt.Errorf("bulk: compress: %w", err)
	}
	return nil
}

func (f *file) line(data []byte) error {
	f.Count++
	f.raw += len(data) + 1
	if _, err := f.pack.Write(data); err != nil {
		return err
	}
	_, err := f.pack.Write([]byte{'\n'})
	return err
}

// largest is how many bytes a file holds before compression.
const largest = 64 << 20

// progress is what one step has done.
type progress struct {
	cursor cursor
	files  []*file
	shown  int64
	done   bool
}

// step does the next bounded piece of a task. What it has done and how far it came are saved together, so a
// step that was cut off is done again from where the last one ended, and nothing stands twice.
func (r *Room) step(ctx context.Context, j job.Job) error {
	id, step, _ := strings.Cut(j.Key, "/")
	var t Task
	err := r.Store.View(ctx, func(tx *store.Tx) (err error) {
		t, _, err = r.read(ctx, tx, id)
		return err
	})
	if errors.Is(err, notFound) || err == nil && (t.State != Running || fmt.Sprint(t.step) != step) {
		return nil // deleted, or done by another
	}
	if err != nil {
		return err
	}
	err = r.advance(ctx, t)
	var refused *fhir.Error
	if err == nil || ctx.Err() != nil || !errors.As(err, &refused) && j.Attempts+1 < tries {
		return err
	}
	if refused == nil {
		refused = fhir.Refuse(500, "exception", "internal", "internal error; the operators' log has the cause", "系统内部错误，请联系管理员")
	}
	if err := r.fail(ctx, t, refused); err != nil {
		return err
	}
	return job.Refused{Err: err}
}

func (r *Room) advance(ctx context.Context, t Task) error {
	caller, err := r.Renew(ctx, t.caller)
	if err != nil {
		return err
	}
	ctx = access.With(ctx, caller)
	var p progress
	if t.Kind == "import" {
		p, err = r.importStep(ctx, t, caller)
	} else {
		p, err = r.exportStep(ctx, t, caller)
	}
	if err != nil {
		return err
	}
	for i, f := range p.files {
		if err := f.finish(); err != nil {
			return err
		}
		var own [6]byte // a step done twice must not write over the other's files
		rand.Read(own[:])
		f.name = fmt.Sprintf("%s%06d-%d-%s", folder(t.ID), t.step, i, hex.EncodeToString(own[:]))
		if err := r.Files.Keep(ctx, f.name, f.buf.Bytes()); err != nil {
			return err
		}
	}
	moved, err := r.save(ctx, t, p)
	if err == nil && !moved {
		for _, f := range p.files {
			err = errors.Join(err, r.Files.Drop(ctx, f.name))
		}
	}
	return err
}

// save records a step; moved is false when the task has gone on or ended without it.
func (r *Room) save(ctx context.Context, t Task, p progress) (moved bool, err error) {
	at, err := json.Marshal(p.cursor)
	if err != nil {
		return false, err
	}
	err = r.Store.Update(ctx, func(tx *store.Tx) error {
		state, expires := Running, int64(1<<62)
		if p.done {
			state, expires = Complete, tx.Now().Add(r.Keep).UnixMicro()
		}
		n, err := tx.Exec(ctx, `UPDATE bulk_task SET cursor = ?, step = step + 1, shown = shown + ?, state = ?, expires = ? WHERE id = ? AND step = ? AND state = 0`,
			at, p.shown, int64(state), expires, t.ID, t.step)
		if moved = n == 1; err != nil || !moved {
			return err
		}
		for i, f := range p.files {
			_, err := tx.Exec(ctx, `INSERT INTO bulk_part (task, n, kind, type, source, name, count) VALUES (?, ?, ?, ?, ?, ?, ?)`,
				t.ID, t.step*1000+int64(i), f.Kind, f.Type, f.Source, f.name, f.Count)
			if err != nil {
				return err
			}
		}
		if p.done {
			return nil
		}
		return job.Enqueue(ctx, tx, Job, fmt.Sprintf("%s/%d", t.ID, t.step+1), time.Time{}, nil)
	})
	if err != nil {
		return false, fmt.Errorf("bulk: save: %w", err)
	}
	return moved, nil
}

func (r *Room) fail(ctx context.Context, t Task, why *fhir.Error) error {
	text, err := json.Marshal(why)
	if err != nil {
		return err
	}
	err = r.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE bulk_task SET state = ?, error = ?, expires = ? WHERE id = ? AND state = 0`, int64(Failed), text, tx.Now().Add(r.Keep).UnixMicro(), t.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("bulk: fail: %w", err)
	}
	return nil
}
