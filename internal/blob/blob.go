// Package blob keeps files by the hash of their content.
package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://
	_ "gocloud.dev/blob/s3blob"   // s3://
	"gocloud.dev/gcerrors"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// MaxSize is the largest file that is taken, in bytes.
const MaxSize = 2 << 30

// ErrNotFound: no file of that hash, or no upload of that id for this owner.
var ErrNotFound = errors.New("no such file")

// File is one stored file.
type File struct {
	Hash        string `json:"hash"` // SHA-256, lower-case hex
	Size        int64  `json:"size"`
	ContentType string `json:"contentType"` // found in the content, not believed from the sender
}

// Files is one hub's file store. Safe for many goroutines.
type Files struct {
	bucket *blob.Bucket
	parts  string
	clock  clock.Clock
	locks  sync.Map // upload id → *sync.Mutex
}

// Open opens a store at a gocloud URL (file:///… or s3://…); unfinished uploads lie in the folder parts.
func Open(ctx context.Context, url, parts string, c clock.Clock) (*Files, error) {
	if err := os.MkdirAll(parts, 0o700); err != nil {
		return nil, fmt.Errorf("blob: parts folder: %w", err)
	}
	bucket, err := blob.OpenBucket(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", url, err)
	}
	return &Files{bucket: bucket, parts: parts, clock: c}, nil
}

// URL is the store's address for a folder on this machine.
func URL(folder string) (string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("blob: folder: %w", err)
	}
	return "file://" + filepath.ToSlash(folder) + "?no_tmp_dir=true&metadata=skip", nil
}

// Close ends the store.
func (f *Files) Close() error { return f.bucket.Close() }

// Put stores what r gives and names it by its hash; the same content is stored once.
// A file over limit or of a kind that is not taken is refused with a *fhir.Error.
func (f *Files) Put(ctx context.Context, r io.Reader, limit int64) (File, error) {
	part, err := os.CreateTemp(f.parts, "put-*")
	if err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	defer os.Remove(part.Name())
	defer part.Close()
	n, err := io.Copy(part, io.LimitReader(r, limit+1))
	if err != nil {
		return File{}, fmt.Errorf("blob: receive: %w", err)
	}
	if n > limit {
		return File{}, tooLarge(limit)
	}
	return f.keep(ctx, part, "")
}

// keep moves a complete part into the bucket; want is the hash that the sender promised, "" when none.
func (f *Files) keep(ctx context.Context, part *os.File, want string) (File, error) {
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	head := make([]byte, 4096)
	n, err := io.ReadFull(part, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	kind, ok := Sniff(head[:n])
	if !ok {
		return File{}, fhir.Refuse(415, "not-supported", "file-type", "files of this kind are not taken; send PDF, an image, DICOM, XML, text or a video", "不支持此类文件；请上传 PDF、图片、DICOM、XML、文本或视频")
	}
	sum := sha256.New()
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	size, err := io.Copy(sum, part)
	if err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	file := File{Hash: hex.EncodeToString(sum.Sum(nil)), Size: size, ContentType: kind}
	if want != "" && want != file.Hash {
		return File{}, fhir.Refuse(422, "value", "file-hash", "the content does not have the promised hash; send it again", "文件内容与校验值不符，请重新上传")
	}
	if there, err := f.bucket.Exists(ctx, key(file.Hash)); err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	} else if there {
		return file, nil
	}
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	if err := f.bucket.Upload(ctx, key(file.Hash), part, &blob.WriterOptions{ContentType: kind}); err != nil {
		return File{}, fmt.Errorf("blob: store: %w", err)
	}
	return file, nil
}

var hashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Open returns the content of a file; the reader can seek. The caller closes it.
func (f *Files) Open(ctx context.Context, hash string) (io.ReadSeekCloser, File, error) {
	if !hashForm.MatchString(hash) {
		return nil, File{}, ErrNotFound
	}
	r, err := f.bucket.NewReader(ctx, key(hash), nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, File{}, ErrNotFound
	}
	if err != nil {
		return nil, File{}, fmt.Errorf("blob: open: %w", err)
	}
	head := make([]byte, 4096)
	n, _ := io.ReadFull(r, head)
	kind, _ := Sniff(head[:n])
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		r.Close()
		return nil, File{}, fmt.Errorf("blob: open: %w", err)
	}
	return r, File{Hash: hash, Size: r.Size(), ContentType: kind}, nil
}

// key spreads the files over folders that stay small.
func key(hash string) string { return hash[:2] + "/" + hash[2:4] + "/" + hash }

// Each calls visit with the hash of every file, for backup.
func (f *Files) Each(ctx context.Context, visit func(hash string) error) error {
	for list := f.bucket.List(nil); ; {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("blob: list: %w", err)
		}
		if name := filepath.Base(o.Key); hashForm.MatchString(name) {
			if err := visit(name); err != nil {
				return err
			}
		}
	}
}

func tooLarge(limit int64) error {
	return fhir.Refuse(413, "too-long", "too-large", fmt.Sprintf("the file is larger than %d MB", limit>>20), fmt.Sprintf("文件超过 %d MB", limit>>20))
}

func randomID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}
