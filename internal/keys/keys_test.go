package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

func ringOf(t *testing.T, a Algorithm) *Ring {
	t.Helper()
	k, err := NewKey(1, a, Random(a.Size()))
	if err != nil {
		t.Fatal(err)
	}
	r := &Ring{}
	r.Add(k)
	r.Use(1)
	return r
}

func TestABoxOpensOnlyUnchangedAndInItsPlace(t *testing.T) {
	for _, a := range []Algorithm{AES, SM4} {
		r := ringOf(t, a)
		box := r.Seal([]byte("绝不明文"), "idempotency")
		if bytes.Contains(box, []byte("绝不")) {
			t.Errorf("%s: the box holds the text", a)
		}
		if plain, err := r.Open(box, "idempotency"); err != nil || string(plain) != "绝不明文" {
			t.Errorf("%s: got %q, %v", a, plain, err)
		}
		if _, err := r.Open(box, "channel"); err == nil {
			t.Errorf("%s: opened in another place", a)
		}
		for i := range box {
			bad := bytes.Clone(box)
			bad[i] ^= 1
			if plain, err := r.Open(bad, "idempotency"); err == nil && string(plain) == "绝不明文" {
				t.Errorf("%s: opened with byte %d changed", a, i)
			}
		}
		if bytes.Equal(box, r.Seal([]byte("绝不明文"), "idempotency")) {
			t.Errorf("%s: the same text makes the same box", a)
		}
		if _, err := ringOf(t, a).Open(box, "idempotency"); err == nil {
			t.Errorf("%s: opened by another key of the same number", a)
		}
		if _, err := (&Ring{}).Open(box, "idempotency"); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: got %v; want ErrUnknown", a, err)
		}
	}
	var none *Ring
	if got := none.Seal([]byte("x"), ""); string(got) != "x" {
		t.Errorf("without a ring: got %q", got)
	}
}

func TestStreamsReadFromAnyPlaceAndShowEveryChange(t *testing.T) {
	r := ringOf(t, AES)
	for _, size := range []int{0, 1, segmentSize - 1, segmentSize, segmentSize + 1, 3*segmentSize + 17} {
		plain := Random(size)
		var sealed bytes.Buffer
		w, err := NewWriter(&sealed, r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(plain))); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		read := func(b []byte) ([]byte, error) {
			x, err := NewReader(bytes.NewReader(b), r)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(x)
		}
		if got, err := read(sealed.Bytes()); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
		x, err := NewReader(bytes.NewReader(sealed.Bytes()), r)
		if err != nil || x.Size() != int64(size) {
			t.Fatalf("got size %d, %v; want %d", x.Size(), err, size)
		}
		for range 50 {
			from := rand.IntN(size + 1)
			n := rand.IntN(size - from + 1)
			x.Seek(int64(from), io.SeekStart)
			got := make([]byte, n)
			if _, err := io.ReadFull(x, got); err != nil || !bytes.Equal(got, plain[from:from+n]) {
				t.Fatalf("%d bytes, [%d:%d]: %v", size, from, from+n, err)
			}
		}
		for range 30 {
			bad := bytes.Clone(sealed.Bytes())
			at := len(streamMark) + rand.IntN(len(bad)-len(streamMark)) // without its mark it is not sealed at all
			bad[at] ^= 4
			if _, err := read(bad); err == nil {
				t.Errorf("%d bytes: byte %d changed, and nobody saw it", size, at)
			}
		}
		for _, cut := range []int{1, tagSize, minSized, sealedSize, sealedSize + 1} {
			if n := sealed.Len() - cut; n > len(streamMark) {
				if _, err := read(sealed.Bytes()[:n]); err == nil && n >= headSize {
					t.Errorf("%d bytes: cut by %d, and nobody saw it", size, cut)
				}
			}
		}
		if size > 2*segmentSize {
			swapped := bytes.Clone(sealed.Bytes())
			copy(swapped[headSize:], sealed.Bytes()[headSize+sealedSize:headSize+2*sealedSize])
			copy(swapped[headSize+sealedSize:], sealed.Bytes()[headSize:headSize+sealedSize])
			if _, err := read(swapped); err == nil {
				t.Error("two segments changed places, and nobody saw it")
			}
		}
	}
}

func TestAPartGrowsAcrossBrokenLinesAndTornWrites(t *testing.T) {
	for _, ring := range []*Ring{ringOf(t, SM4), nil} {
		path := filepath.Join(t.TempDir(), "part")
		if err := MakePart(path, ring); err != nil {
			t.Fatal(err)
		}
		plain := Random(3*segmentSize + 999)
		at := int64(0)
		for at < int64(len(plain)) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			p, err := OpenPart(f, ring)
			if err != nil || p.Size() != at {
				t.Fatalf("got %d, %v; want to go on at %d", p.Size(), err, at)
			}
			n := min(at+int64(rand.IntN(2*segmentSize)), int64(len(plain)))
			piece := io.MultiReader(bytes.NewReader(plain[at:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
			if _, err := p.ReadFrom(piece); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("got %v; want the broken line", err)
			}
			at = n
			if at > 100 && rand.IntN(3) == 0 {
				back := at - int64(rand.IntN(int(min(at, 2*segmentSize))))
				if err := p.Truncate(back); err != nil {
					t.Fatal(err)
				}
				at = back
			}
			f.Close()
		}
		f, _ := os.OpenFile(path, os.O_RDWR, 0)
		x, err := ReadPart(f, ring)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(x); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(plain))
		}
		if file, _ := os.ReadFile(path); ring != nil && bytes.Contains(file, plain[:32]) {
			t.Error("the part lies in plain")
		}
		if ring != nil {
			info, _ := f.Stat()
			f.Truncate(info.Size() - 5)
			p, err := OpenPart(f, ring)
			if err != nil || p.Size() != 3*segmentSize {
				t.Errorf("torn: got %d, %v; want %d", p.Size(), err, 3*segmentSize)
			}
		}
		f.Close()
	}
}

func wrapsAndUnwraps(t *testing.T, m Master) {
	t.Helper()
	ctx := context.Background()
	key := Random(32)
	wrapped, err := m.Wrap(ctx, key, []byte("data/1"))
	if err != nil || bytes.Contains(wrapped, key[:8]) {
		t.Fatalf("wrap: %v", err)
	}
	if got, err := m.Unwrap(ctx, wrapped, []byte("data/1")); err != nil || !bytes.Equal(got, key) {
		t.Errorf("unwrap: %v", err)
	}
	if _, err := m.Unwrap(ctx, wrapped, []byte("data/2")); err == nil {
		t.Error("unwrapped as another key")
	}
	if name, err := m.Name(ctx); err != nil || name == "" {
		t.Errorf("name: got %q, %v", name, err)
	}
}

func TestMasterKeysOfFilesAndEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := OpenMaster("file:"+path, AES); !errors.Is(err, ErrNoMaster) {
		t.Errorf("no file: got %v; want ErrNoMaster", err)
	}
	for range 2 { // the second time it stays as it is
		if err := MakeFile(path); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(path)
	t.Setenv("TEST_MASTER", string(text))
	names := map[string]bool{}
	for _, address := range []string{"file:" + path, "env:TEST_MASTER"} {
		for _, a := range []Algorithm{AES, SM4} {
			m, err := OpenMaster(address, a)
			if err != nil {
				t.Fatal(err)
			}
			wrapsAndUnwraps(t, m)
			name, _ := m.Name(t.Context())
			names[name] = true
			if strings.Contains(string(text), strings.TrimPrefix(name, "key-")) {
				t.Error("the name tells of the key")
			}
		}
	}
	if len(names) != 1 {
		t.Errorf("got names %v; want the same for the same key", names)
	}
	os.Chmod(path, 0o644)
	if _, err := OpenMaster("file:"+path, AES); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read: got %v; want a refusal that says how to mend it", err)
	}
	for _, bad := range []string{"", "master.key", "env:TEST_NOT_SET", "exec:helper", "http://kms.example/x", "ftp://x", "file:/nowhere/key"} {
		if _, err := OpenMaster(bad, AES); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// kms is a key service that can go away.
func kms(t *testing.T) (address string, away *atomic.Bool) {
	away = &atomic.Bool{}
	inside := &held{Random(32), AES}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Error(w, "gone", http.StatusServiceUnavailable)
			return
		}
		var q question
		json.NewDecoder(r.Body).Decode(&q)
		var a reply
		var err error
		switch q.Op {
		case "name":
			a.Name = "kms-1"
		case "wrap":
			a.Data, err = inside.Wrap(r.Context(), q.Data, q.About)
		case "unwrap":
			a.Data, err = inside.Unwrap(r.Context(), q.Data, q.About)
		}
		if err != nil {
			a.Error = err.Error()
		}
		json.NewEncoder(w).Encode(a)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, away
}

func TestMasterKeyOfAService(t *testing.T) {
	address, away := kms(t)
	m, err := OpenMaster(address, AES)
	if err != nil {
		t.Fatal(err)
	}
	wrapsAndUnwraps(t, m)
	away.Store(true)
	if _, err := m.Wrap(t.Context(), Random(32), nil); !errors.Is(err, ErrNoMaster) {
		t.Errorf("the service is away: got %v; want ErrNoMaster", err)
	}
}

func TestMasterKeyOfAProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "helper")
	// A helper that "wraps" by putting a word before it, to show the protocol.
	script := `#!/bin/sh
read ask
case "$ask" in
*'"op":"name"'*) echo '{"name":"helper-1"}' ;;
*) echo '{"error":"not now"}' ;;
esac
`
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := OpenMaster("exec:"+path, AES)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := m.Name(t.Context()); err != nil || name != "helper-1" {
		t.Errorf("got %q, %v", name, err)
	}
	if _, err := m.Wrap(t.Context(), Random(32), nil); err == nil || !strings.Contains(err.Error(), "not now") {
		t.Errorf("got %v; want its refusal", err)
	}
	m, _ = OpenMaster("exec:/bin/false", AES)
	if _, err := m.Name(t.Context()); !errors.Is(err, ErrNoMaster) {
		t.Errorf("got %v; want ErrNoMaster", err)
	}
	m, _ = OpenMaster("exec:/usr/bin/yes", AES)
	if _, err := m.Name(t.Context()); !errors.Is(err, ErrNoMaster) {
		t.Errorf("an endless answer: got %v; want ErrNoMaster", err)
	}
}
