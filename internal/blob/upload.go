package blob

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/keys"
)

// KeepUnfinished is how long an upload that nobody continues stays.
const KeepUnfinished = 7 * 24 * time.Hour

// Upload is a file that arrives in parts.
type Upload struct {
	ID          string    `json:"id"`
	Owner       string    `json:"owner"` // account that began it; nobody else can continue it
	Subject     string    `json:"subject"`
	Document    string    `json:"document"` // "DocumentReference/…" that waits for it
	Name        string    `json:"name"`
	ContentType string    `json:"contentType,omitempty"` // as declared
	Size        int64     `json:"size"`
	Hash        string    `json:"hash"` // SHA-256 promised by the sender, hex
	Touched     time.Time `json:"touched"`
	Offset      int64     `json:"-"` // bytes that are safely here
}

// Begin starts an upload and gives it an id.
func (f *Files) Begin(u Upload) (Upload, error) {
	u.Hash = strings.ToLower(u.Hash)
	switch {
	case u.Size <= 0:
		return u, fhir.Refuse(422, "value", "file-size", "the file is empty", "文件为空")
	case u.Size > MaxSize:
		return u, tooLarge(MaxSize)
	case !hashForm.MatchString(u.Hash):
		return u, fhir.Refuse(422, "value", "file-hash", "hash must be SHA-256 in hex", "校验值应为 SHA-256")
	}
	u.ID = randomID()
	if err := f.note(u); err != nil {
		return u, err
	}
	if err := keys.MakePart(f.partOf(u.ID), f.ring); err != nil {
		return u, fmt.Errorf("blob: begin upload: %w", err)
	}
	return u, nil
}

// Find returns an upload of this owner with the offset at which it continues.
func (f *Files) Find(id, owner string) (Upload, error) {
	if !idForm(id) {
		return Upload{}, ErrNotFound
	}
	u, err := f.noted(f.noteOf(id))
	if errors.Is(err, os.ErrNotExist) {
		return u, ErrNotFound
	}
	if err != nil {
		return u, fmt.Errorf("blob: upload: %w", err)
	}
	if u.Owner != owner {
		return Upload{}, ErrNotFound
	}
	file, err := os.Open(f.partOf(id))
	if err != nil {
		return u, fmt.Errorf("blob: upload: %w", err)
	}
	defer file.Close()
	part, err := keys.OpenPart(file, f.ring)
	if err != nil {
		return u, fmt.Errorf("blob: upload: %w", err)
	}
	u.Offset = part.Size()
	return u, nil
}

// noted reads the note of an upload.
func (f *Files) noted(path string) (u Upload, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		text, err = f.ring.Open(text, "upload/"+filepath.Base(path))
	}
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	return u, err
}

// Append adds a part at offset. What arrived before a broken line stays; the answer carries the offset to
// continue at, also beside the error when offset was another.
func (f *Files) Append(id, owner string, offset int64, r io.Reader) (Upload, error) {
	defer f.lock(id)()
	u, err := f.Find(id, owner)
	if err != nil {
		return u, err
	}
	if offset != u.Offset {
		return u, fhir.Refuse(409, "conflict", "upload-offset", fmt.Sprintf("the upload continues at %d", u.Offset), fmt.Sprintf("请从第 %d 字节继续上传", u.Offset))
	}
	file, err := os.OpenFile(f.partOf(id), os.O_RDWR, 0)
	if err != nil {
		return u, fmt.Errorf("blob: upload: %w", err)
	}
	defer file.Close()
	part, err := keys.OpenPart(file, f.ring)
	if err != nil {
		return u, fmt.Errorf("blob: upload: %w", err)
	}
	n, copyErr := part.ReadFrom(io.LimitReader(r, u.Size-u.Offset+1))
	if u.Offset+n > u.Size {
		if err := part.Truncate(offset); err != nil {
			return u, fmt.Errorf("blob: upload: %w", err)
		}
		return u, fhir.Refuse(422, "value", "file-size", "more content than promised", "内容超过声明的文件大小")
	}
	if err := file.Sync(); err != nil {
		return u, fmt.Errorf("blob: upload: %w", err)
	}
	u.Offset += n
	u.Touched = f.clock.Now()
	if err := f.note(u); err != nil {
		return u, err
	}
	if copyErr != nil {
		return u, fmt.Errorf("blob: upload broke off: %w", copyErr)
	}
	return u, nil
}

// Finish checks size and hash and stores the file. It may be repeated until Discard.
func (f *Files) Finish(ctx context.Context, id, owner string) (File, Upload, error) {
	defer f.lock(id)()
	u, err := f.Find(id, owner)
	if err != nil {
		return File{}, u, err
	}
	if u.Offset != u.Size {
		return File{}, u, fhir.Refuse(409, "conflict", "upload-incomplete", fmt.Sprintf("%d of %d bytes are here", u.Offset, u.Size), fmt.Sprintf("文件尚未传完：%d / %d 字节", u.Offset, u.Size))
	}
	sealed, err := os.Open(f.partOf(id))
	if err != nil {
		return File{}, u, fmt.Errorf("blob: finish: %w", err)
	}
	defer sealed.Close()
	part, err := keys.ReadPart(sealed, f.ring)
	if err != nil {
		return File{}, u, fmt.Errorf("blob: finish: %w", err)
	}
	file, err := f.keep(ctx, part, func(part *keys.Reader) (string, error) { return Inspect(part, part.Size(), u.ContentType) }, u.Hash)
	return file, u, err
}

// Discard forgets an upload once its file is in use, or when it is not wanted.
func (f *Files) Discard(id string) {
	if idForm(id) {
		os.Remove(f.partOf(id))
		os.Remove(f.noteOf(id))
		f.locks.Delete(id)
	}
}

// Sweep removes the uploads that nobody continued for KeepUnfinished and returns the documents that waited for them.
func (f *Files) Sweep() (abandoned []Upload, err error) {
	notes, err := filepath.Glob(filepath.Join(f.parts, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("blob: sweep: %w", err)
	}
	limit := f.clock.Now().Add(-KeepUnfinished)
	for _, path := range notes {
		u, err := f.noted(path)
		if err != nil || !u.Touched.Before(limit) {
			continue
		}
		f.Discard(u.ID)
		abandoned = append(abandoned, u)
	}
	return abandoned, nil
}

func (f *Files) note(u Upload) error {
	if u.Touched.IsZero() {
		u.Touched = f.clock.Now()
	}
	b, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("blob: upload: %w", err)
	}
	next := f.noteOf(u.ID) + ".next"
	if err := os.WriteFile(next, f.ring.Seal(b, "upload/"+u.ID+".json"), 0o600); err != nil {
		return fmt.Errorf("blob: upload: %w", err)
	}
	if err := os.Rename(next, f.noteOf(u.ID)); err != nil {
		return fmt.Errorf("blob: upload: %w", err)
	}
	return nil
}

func (f *Files) lock(id string) (unlock func()) {
	m, _ := f.locks.LoadOrStore(id, &sync.Mutex{})
	m.(*sync.Mutex).Lock()
	return m.(*sync.Mutex).Unlock
}

func (f *Files) partOf(id string) string { return filepath.Join(f.parts, id+".part") }
func (f *Files) noteOf(id string) string { return filepath.Join(f.parts, id+".json") }

func idForm(id string) bool {
	return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

// Await notes which document waits for an upload.
func (f *Files) Await(u Upload) error {
	defer f.lock(u.ID)()
	return f.note(u)
}
