package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

const pageOfExport = 500

// Export writes the current version of every resource of the given types as NDJSON, one snapshot for all.
// open gives the place for one type, asked for when the first resource of it comes.
func Export(ctx context.Context, s *store.Store, types []string, open func(typ string) (io.WriteCloser, error)) (counts map[string]int, err error) {
	counts = map[string]int{}
	err = s.View(ctx, func(tx *store.Tx) error {
		for _, typ := range types {
			n, err := exportType(ctx, tx, typ, open)
			if err != nil {
				return fmt.Errorf("export: %s: %w", typ, err)
			}
			if n > 0 {
				counts[typ] = n
			}
		}
		return nil
	})
	return counts, err
}

func exportType(ctx context.Context, tx *store.Tx, typ string, open func(string) (io.WriteCloser, error)) (n int, err error) {
	var out io.WriteCloser
	defer func() {
		if out != nil {
			err = errors.Join(err, out.Close())
		}
	}()
	q := search.Query{Type: typ, Count: pageOfExport, Scope: search.Everything, Sort: []search.SortKey{{Special: "_id"}}}
	for {
		page, err := tx.Search(ctx, q)
		if err != nil {
			return n, err
		}
		for _, v := range page.Matches {
			if out == nil {
				if out, err = open(typ); err != nil {
					return n, err
				}
			}
			if _, err := out.Write(append(v.JSON, '\n')); err != nil {
				return n, err
			}
			n++
		}
		if page.Next == "" {
			return n, nil
		}
		q.Cursor = page.Next
	}
}

// Folder opens DIR/Type.ndjson; a file appears under its name when it is whole.
func Folder(dir string) func(typ string) (io.WriteCloser, error) {
	return func(typ string) (io.WriteCloser, error) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		f, err := os.CreateTemp(dir, "."+typ+"-*")
		if err != nil {
			return nil, err
		}
		return &whole{Writer: bufio.NewWriterSize(f, 1<<20), file: f, name: filepath.Join(dir, typ+".ndjson")}, nil
	}
}

type whole struct {
	*bufio.Writer
	file *os.File
	name string
}

func (w *whole) Close() error {
	if err := w.Flush(); err != nil {
		return errors.Join(err, w.file.Close(), os.Remove(w.file.Name()))
	}
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		return err
	}
	return os.Rename(w.file.Name(), w.name)
}

// Stream writes every type to one writer.
func Stream(w io.Writer) func(typ string) (io.WriteCloser, error) {
	return func(string) (io.WriteCloser, error) { return unclosed{w}, nil }
}

type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
