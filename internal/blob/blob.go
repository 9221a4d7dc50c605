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
	"github.com/xinglin-health/xinglin/internal/keys"
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
	ring   *keys.Ring
	locks  sync.Map // upload id → *sync.Mutex
}

// Open opens a store at a gocloud URL (file:///… or s3://…); unfinished uploads lie in the folder parts. Everything is sealed
// under the ring's key; without one it lies in plain.
func Open(ctx context.Context, url, parts string, c clock.Clock, ring *keys.Ring) (*Files, error) {
	if err := os.MkdirAll(parts, 0o700); err != nil {
		return nil, fmt.Errorf("blob: parts folder: %w", err)
	}
	bucket, err := blob.OpenBucket(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", url, err)
	}
	return &Files{bucket: bucket, parts: parts, clock: c, ring: ring}, nil
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
// A file over limit, of a kind that is not taken, or of another than declared is refused with a *fhir.Error.
func (f *Files) Put(ctx context.Context, r io.Reader, limit int64, declared string) (File, error) {
	return f.put(ctx, r, limit, func(part *keys.Reader) (string, error) { return Inspect(part, part.Size(), declared) })
}

// inspecting tells the kind of what has arrived, or refuses it.
type inspecting = func(part *keys.Reader) (string, error)

func (f *Files) put(ctx context.Context, r io.Reader, limit int64, inspect inspecting) (File, error) {
	part, err := os.CreateTemp(f.parts, "put-*")
	if err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	defer os.Remove(part.Name())
	defer part.Close()
	w, err := keys.NewWriter(part, f.ring)
	if err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	if err != nil {
		return File{}, fmt.Errorf("blob: receive: %w", err)
	}
	if n > limit {
		return File{}, tooLarge(limit)
	}
	if err := w.Close(); err != nil {
		return File{}, fmt.Errorf("blob: receive: %w", err)
	}
	whole, err := keys.NewReader(part, f.ring)
	if err != nil {
		return File{}, fmt.Errorf("blob: receive: %w", err)
	}
	return f.keep(ctx, whole, inspect, "")
}

// keep moves a complete part into the bucket; want is the hash that the sender promised, "" when none.
func (f *Files) keep(ctx context.Context, part *keys.Reader, inspect inspecting, want string) (File, error) {
	kind, err := inspect(part)
	if err != nil {
		return File{}, err
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
	if err := f.upload(ctx, key(file.Hash), part); err != nil {
		return File{}, fmt.Errorf("blob: store: %w", err)
	}
	return file, nil
}

// upload seals what r gives into the bucket.
func (f *Files) upload(ctx context.Context, name string, r io.Reader) error {
	stop, cancel := context.WithCancel(ctx)
	defer cancel() // a writer that is not finished leaves nothing
	out, err := f.bucket.NewWriter(stop, name, &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return err
	}
	w, err := keys.NewWriter(out, f.ring)
	if err == nil {
		_, err = io.Copy(w, r)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		cancel()
		return errors.Join(err, ignoreCanceled(out.Close()))
	}
	return out.Close()
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
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
	plain, err := keys.NewReader(r, f.ring)
	if err != nil {
		r.Close()
		return nil, File{}, fmt.Errorf("blob: open: %w", err)
	}
	head := make([]byte, 4096)
	n, err := io.ReadFull(plain, head)
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		_, err = plain.Seek(0, io.SeekStart)
	}
	if err != nil {
		r.Close()
		return nil, File{}, fmt.Errorf("blob: open: %w", err)
	}
	kind, _ := Sniff(head[:n])
	if kind == packed {
		if kind, err = packageOf(file{plain, plain.Size(), ""}); err == nil {
			_, err = plain.Seek(0, io.SeekStart)
		}
		if err != nil {
			r.Close()
			return nil, File{}, fmt.Errorf("blob: open: %w", err)
		}
	}
	return content{plain, r}, File{Hash: hash, Size: plain.Size(), ContentType: kind}, nil
}

// content is what was sealed, over what lies in the bucket.
type content struct {
	*keys.Reader
	under io.Closer
}

func (c content) Close() error { return c.under.Close() }

// Stored gives a file as it lies in the bucket, for a backup: sealed, where it is.
func (f *Files) Stored(ctx context.Context, hash string) (io.ReadCloser, error) {
	r, err := f.bucket.NewReader(ctx, key(hash), nil)
	if err != nil {
		return nil, fmt.Errorf("blob: stored: %w", err)
	}
	return r, nil
}

// PutStored takes what Stored gave.
func (f *Files) PutStored(ctx context.Context, r io.ReadSeeker) (File, error) {
	plain, err := keys.NewReader(r, f.ring)
	if err != nil {
		return File{}, fmt.Errorf("blob: %w", err)
	}
	return f.put(ctx, plain, 1<<40, func(*keys.Reader) (string, error) { return "", nil }) // it was inspected when it came
}

// Reseal seals every file under the ring's key of now that is not yet.
func (f *Files) Reseal(ctx context.Context) error {
	now := f.ring.Now()
	if now == nil {
		return nil
	}
	return f.Each(ctx, func(hash string) error {
		r, err := f.bucket.NewReader(ctx, key(hash), nil)
		if err != nil {
			return fmt.Errorf("blob: reseal: %w", err)
		}
		defer r.Close()
		plain, err := keys.NewReader(r, f.ring)
		if err == nil && plain.Key() != now.ID {
			err = f.upload(ctx, key(hash), plain)
		}
		if err != nil {
			return fmt.Errorf("blob: reseal: %w", err)
		}
		return nil
	})
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
