// Package transfer carries resources into a hub and out of it in files.
package transfer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// document is one JSON value found in the input: a bundle, a resource, or some lines of NDJSON.
type document struct {
	Name  string // "dir/all.tar.xz!one.json", "lines.ndjson:1-500"
	Data  []byte
	Lines bool
}

// linesAtOnce is how many lines of NDJSON go into one transaction.
const linesAtOnce = 200

// maxDocument keeps one broken archive from filling the memory.
const maxDocument = 512 << 20

// list finds the files below the given paths, registers first: others refer to them.
func list(paths []string) (files []string, total int64, err error) {
	for _, p := range paths {
		err := filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if name != p && strings.HasPrefix(d.Name(), ".") {
					return fs.SkipDir
				}
				return nil
			}
			if name != p && !readable(name) {
				return nil
			}
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			total += info.Size()
			files = append(files, name)
			return nil
		})
		if err != nil {
			return nil, 0, fmt.Errorf("import: %w", err)
		}
	}
	slices.SortStableFunc(files, func(a, b string) int { return registersFirst(a) - registersFirst(b) })
	return files, total, nil
}

// registersFirst: Synthea and bulk exports put organisations and people at work into files of their own.
func registersFirst(name string) int {
	base := strings.ToLower(filepath.Base(name))
	for i, start := range []string{"organization", "hospitalinformation", "location", "practitioner", "patient"} {
		if strings.HasPrefix(base, start) {
			return i
		}
	}
	return 99
}

func readable(name string) bool {
	name = strings.ToLower(name)
	for _, ext := range []string{".gz", ".xz", ".zst"} {
		name = strings.TrimSuffix(name, ext)
	}
	switch filepath.Ext(name) {
	case ".json", ".ndjson", ".jsonl", ".tar", ".tgz", ".txz":
		return true
	}
	return false
}

// read calls visit for each document in one file. bad is told of members that cannot be read.
func read(ctx context.Context, name string, tally func(int), visit func(document) error, bad func(path string, err error)) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return unpack(ctx, filepath.Base(name), name, &counted{f, tally}, visit, bad)
}

func unpack(ctx context.Context, kind, name string, r io.Reader, visit func(document) error, bad func(string, error)) error {
	lower := strings.ToLower(kind)
	cut := func(ext string) string { return kind[:len(kind)-len(ext)] }
	switch filepath.Ext(lower) {
	case ".gz", ".tgz":
		z, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<20))
		if err != nil {
			return err
		}
		inner := cut(".gz")
		if strings.HasSuffix(lower, ".tgz") {
			inner = "x.tar"
		}
		return unpack(ctx, inner, name, z, visit, bad)
	case ".xz", ".txz":
		z, err := xz.NewReader(bufio.NewReaderSize(r, 1<<20))
		if err != nil {
			return err
		}
		inner := cut(".xz")
		if strings.HasSuffix(lower, ".txz") {
			inner = "x.tar"
		}
		return unpack(ctx, inner, name, z, visit, bad)
	case ".zst":
		z, err := zstd.NewReader(r)
		if err != nil {
			return err
		}
		defer z.Close()
		return unpack(ctx, cut(".zst"), name, z, visit, bad)
	case ".tar":
		return untar(ctx, name, r, visit, bad)
	case ".ndjson", ".jsonl":
		return lines(ctx, name, r, visit)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return err
	}
	if len(data) > maxDocument {
		return fmt.Errorf("larger than %d MB", maxDocument>>20)
	}
	return visit(document{Name: name, Data: data})
}

func untar(ctx context.Context, name string, r io.Reader, visit func(document) error, bad func(string, error)) error {
	t := tar.NewReader(r)
	for ctx.Err() == nil {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !readable(h.Name) || strings.HasPrefix(filepath.Base(h.Name), "._") {
			continue
		}
		member := name + "!" + h.Name
		if err := unpack(ctx, filepath.Base(h.Name), member, t, visit, bad); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			bad(member, err)
		}
	}
	return ctx.Err()
}

func lines(ctx context.Context, name string, r io.Reader, visit func(document) error) error {
	in := bufio.NewReaderSize(r, 1<<20)
	var chunk bytes.Buffer
	first, at, held := 1, 0, 0
	flush := func() error {
		if held == 0 {
			return nil
		}
		d := document{Name: fmt.Sprintf("%s:%d-%d", name, first, at), Data: bytes.Clone(chunk.Bytes()), Lines: true}
		chunk.Reset()
		first, held = at+1, 0
		return visit(d)
	}
	for ctx.Err() == nil {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			at++
			if len(bytes.TrimSpace(line)) > 0 {
				held++
			}
			chunk.Write(line)
			if line[len(line)-1] != '\n' {
				chunk.WriteByte('\n')
			}
		}
		if errors.Is(err, io.EOF) {
			return flush()
		}
		if err != nil {
			return err
		}
		if held >= linesAtOnce || chunk.Len() > 8<<20 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// counted tells how far a file has been read.
type counted struct {
	io.Reader
	tally func(int)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.tally(n)
	return n, err
}
