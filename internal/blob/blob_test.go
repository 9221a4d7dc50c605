package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/keys"
)

func open(t *testing.T) (*Files, *clock.Turned) {
	t.Helper()
	f, c, _ := openSealed(t)
	return f, c
}

// openSealed also gives the folder, in which nothing may be read.
func openSealed(t *testing.T) (*Files, *clock.Turned, string) {
	t.Helper()
	dir := t.TempDir()
	url, err := URL(filepath.Join(dir, "files"))
	if err != nil {
		t.Fatal(err)
	}
	c := clock.At(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))
	f, err := Open(t.Context(), url, filepath.Join(dir, "parts"), c, ring(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, c, dir
}

func ring(t *testing.T) *keys.Ring {
	t.Helper()
	r := &keys.Ring{}
	for id := int64(1); id <= 2; id++ {
		k, err := keys.NewKey(id, keys.AES, keys.Random(32))
		if err != nil {
			t.Fatal(err)
		}
		r.Add(k)
	}
	r.Use(1)
	return r
}

func hashOf(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func refusal(err error) string {
	var fe *fhir.Error
	if errors.As(err, &fe) {
		return fe.Issues[0].Detail
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

var pdf = append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte("x"), 9000)...)

func TestPutIsNamedByItsContentAndStoredOnce(t *testing.T) {
	f, _ := open(t)
	ctx := context.Background()
	for range 2 {
		file, err := f.Put(ctx, bytes.NewReader(pdf), 1<<20, "")
		if err != nil || file.Hash != hashOf(pdf) || file.Size != int64(len(pdf)) || file.ContentType != "application/pdf" {
			t.Fatalf("got %+v, %v", file, err)
		}
	}
	n := 0
	if err := f.Each(ctx, func(string) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("got %d files, %v; want 1", n, err)
	}
	r, file, err := f.Open(ctx, hashOf(pdf))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, _ := io.ReadAll(r)
	if !bytes.Equal(got, pdf) || file.ContentType != "application/pdf" {
		t.Errorf("got %d bytes of %s back", len(got), file.ContentType)
	}
	for _, bad := range []string{"", "../../etc/passwd", hashOf([]byte("other"))} {
		if _, _, err := f.Open(ctx, bad); !errors.Is(err, ErrNotFound) {
			t.Errorf("open %q: got %v; want ErrNotFound", bad, err)
		}
	}
}

func TestWhatIsTaken(t *testing.T) {
	dicom := append(make([]byte, 128), "DICM\x02\x00"...)
	for _, c := range []struct {
		name, want string
		head       []byte
	}{
		{"a PDF", "application/pdf", pdf},
		{"a DICOM file", "application/dicom", dicom},
		{"a PNG", "image/png", []byte("\x89PNG\r\n\x1a\n0000")},
		{"Chinese text", "text/plain", []byte("主诉：胸痛三天")},
		{"Chinese text cut in a character", "text/plain", []byte("主诉：胸痛三天")[:20]},
		{"a clinical document", "application/xml", []byte(`<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3">`)},
		{"a web page", "", []byte("<!DOCTYPE html><html><script>alert(1)</script>")},
		{"a drawing with a script", "", []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`)},
		{"a Windows program", "", []byte("MZ\x90\x00\x03\x00\x00\x00")},
		{"a Linux program", "", []byte("\x7fELF\x02\x01\x01\x00")},
		{"a shell script", "", []byte("#!/bin/sh\nrm")},
		{"nothing", "", nil},
	} {
		if got, ok := Sniff(c.head); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, ok, c.want)
		}
	}
}

func TestTooLargeLeavesNothing(t *testing.T) {
	f, _ := open(t)
	if _, err := f.Put(t.Context(), bytes.NewReader(pdf), 100, ""); refusal(err) != "too-large" {
		t.Errorf("got %v; want too-large", err)
	}
	left, _ := os.ReadDir(f.parts)
	if len(left) != 0 {
		t.Errorf("got %d parts left; want none", len(left))
	}
}

func TestUploadResumesAfterABrokenLine(t *testing.T) {
	f, _ := open(t)
	u, err := f.Begin(Upload{Owner: "a", Size: int64(len(pdf)), Hash: hashOf(pdf)})
	if err != nil {
		t.Fatal(err)
	}
	half := io.MultiReader(bytes.NewReader(pdf[:4000]), iotest.ErrReader(errors.New("line cut")))
	if _, err := f.Append(u.ID, "a", 0, half); err == nil {
		t.Fatal("the cut line was not reported")
	}
	if _, err := f.Append(u.ID, "b", 4000, bytes.NewReader(pdf[4000:])); !errors.Is(err, ErrNotFound) {
		t.Errorf("another owner continues: got %v; want ErrNotFound", err)
	}
	if at, err := f.Append(u.ID, "a", 3000, bytes.NewReader(pdf[3000:])); refusal(err) != "upload-offset" || at.Offset != 4000 {
		t.Errorf("wrong offset: got %v at %d; want upload-offset at 4000", err, at.Offset)
	}
	if _, _, err := f.Finish(t.Context(), u.ID, "a"); refusal(err) != "upload-incomplete" {
		t.Errorf("finish too early: got %v; want upload-incomplete", err)
	}
	if _, err := f.Append(u.ID, "a", 4000, bytes.NewReader(pdf[4000:])); err != nil {
		t.Fatal(err)
	}
	file, _, err := f.Finish(t.Context(), u.ID, "a")
	if err != nil || file.Hash != hashOf(pdf) {
		t.Errorf("got %+v, %v", file, err)
	}
}

func TestUploadKeepsItsPromise(t *testing.T) {
	f, _ := open(t)
	other := append(append([]byte{}, pdf...), 'y')
	u, _ := f.Begin(Upload{Owner: "a", Size: int64(len(pdf)), Hash: hashOf(other)})
	if _, err := f.Append(u.ID, "a", 0, bytes.NewReader(other)); refusal(err) != "file-size" {
		t.Errorf("more than promised: got %v; want file-size", err)
	}
	if _, err := f.Append(u.ID, "a", 0, bytes.NewReader(pdf)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Finish(t.Context(), u.ID, "a"); refusal(err) != "file-hash" {
		t.Errorf("another hash: got %v; want file-hash", err)
	}
	for _, bad := range []Upload{{Size: 0, Hash: hashOf(pdf)}, {Size: MaxSize + 1, Hash: hashOf(pdf)}, {Size: 1, Hash: "zz"}} {
		if _, err := f.Begin(bad); err == nil {
			t.Errorf("begin %+v: got no refusal", bad)
		}
	}
}

func TestAbandonedUploadsGoAfterSevenDays(t *testing.T) {
	f, c := open(t)
	u, _ := f.Begin(Upload{Owner: "a", Size: 10, Hash: hashOf(pdf), Document: "DocumentReference/1"})
	c.Turn(KeepUnfinished - time.Minute)
	if gone, _ := f.Sweep(); len(gone) != 0 {
		t.Errorf("got %d swept before seven days; want 0", len(gone))
	}
	c.Turn(2 * time.Minute)
	if gone, _ := f.Sweep(); len(gone) != 1 || gone[0].Document != "DocumentReference/1" {
		t.Errorf("got %v; want the one upload", gone)
	}
	if _, err := f.Find(u.ID, "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v; want ErrNotFound", err)
	}
}

func TestNothingOnDiskCanBeRead(t *testing.T) {
	f, _, dir := openSealed(t)
	ctx := t.Context()
	look := func(when string) (bytesSeen int) {
		t.Helper()
		filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				b, _ := os.ReadFile(path)
				bytesSeen += len(b)
				for _, plain := range []string{"%PDF", "xxxxxxxx", "张三的报告", "resourceType"} {
					if bytes.Contains(b, []byte(plain)) {
						t.Errorf("%s: %s holds %q", when, path, plain)
					}
				}
			}
			return nil
		})
		return bytesSeen
	}
	u, err := f.Begin(Upload{Owner: "a", Name: "张三的报告.pdf", Size: int64(len(pdf)), Hash: hashOf(pdf)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append(u.ID, "a", 0, bytes.NewReader(pdf[:5000])); err != nil {
		t.Fatal(err)
	}
	if look("half an upload") < 5000 {
		t.Error("half an upload is not there")
	}
	if got, err := f.Find(u.ID, "a"); err != nil || got.Name != "张三的报告.pdf" || got.Offset != 5000 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := f.Append(u.ID, "a", 5000, bytes.NewReader(pdf[5000:])); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Finish(ctx, u.ID, "a"); err != nil {
		t.Fatal(err)
	}
	if err := f.Keep(ctx, "bulk/1/1", []byte(`{"resourceType":"Patient"}`)); err != nil {
		t.Fatal(err)
	}
	look("a file, its upload and a bulk file")
	f.ring.Use(2)
	if err := f.Reseal(ctx); err != nil {
		t.Fatal(err)
	}
	look("after another key")
	r, err := f.Stored(ctx, hashOf(pdf))
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := io.ReadAll(r)
	r.Close()
	if back, err := f.PutStored(ctx, bytes.NewReader(stored)); err != nil || back.Hash != hashOf(pdf) {
		t.Errorf("got %+v, %v", back, err)
	}
	x, _, err := f.Open(ctx, hashOf(pdf))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	x.Seek(8000, io.SeekStart)
	if got, err := io.ReadAll(x); err != nil || !bytes.Equal(got, pdf[8000:]) {
		t.Errorf("a range: got %d bytes, %v", len(got), err)
	}
	k, err := f.Kept(ctx, "bulk/1/1")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if got, err := io.ReadAll(k); err != nil || string(got) != `{"resourceType":"Patient"}` {
		t.Errorf("got %s, %v", got, err)
	}
}
