package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// journal is the append-only file of reads that are not sealed yet. Each process writes its own file,
// which it holds by flock while it lives; a line counts once its newline is there. A line is an entry, a tab and the
// code of the entry under the hub's key, taken over the code of the line before it: what is changed, removed or moved
// before it is sealed breaks the row of codes.
type journal struct {
	dir  string
	macs *macs

	mu    sync.Mutex
	file  *os.File
	name  string
	size  int64
	dirty bool
	line  []byte
	code  []byte // of the last line
}

// rotateAt is the size at which a journal file is left to the sealer and the next one begun.
const rotateAt = 16 << 20

func openJournal(dir string, key *Key) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit: journal: %w", err)
	}
	j := &journal{dir: dir, macs: key.macs()}
	return j, j.begin()
}

// begin starts a new file. The caller holds mu or is alone.
func (j *journal) begin() error {
	var salt [4]byte
	rand.Read(salt[:])
	name := fmt.Sprintf("%s-%s.log", time.Now().UTC().Format("20060102T150405.000000"), hex.EncodeToString(salt[:]))
	f, err := os.OpenFile(filepath.Join(j.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("audit: journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("audit: journal: lock %s: %w", name, err)
	}
	if j.file != nil {
		j.file.Sync()
		j.file.Close()
	}
	j.file, j.name, j.size, j.dirty = f, name, 0, false
	j.code = append(j.code[:0], name...)
	return syncDir(j.dir)
}

// add appends one entry by one write(2); after it returns the entry survives the end of the process.
func (j *journal) add(e *Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return fmt.Errorf("audit: journal is closed")
	}
	if j.size >= rotateAt {
		if err := j.begin(); err != nil {
			return err
		}
	}
	j.line = appendBody(j.line[:0], e)
	code := j.macs.of(j.code, j.line)
	j.line = append(j.line, '\t')
	j.line = append(hex.AppendEncode(j.line, code), '\n')
	n, err := j.file.Write(j.line)
	j.size += int64(n)
	j.dirty = true
	if err != nil {
		more, _ := j.file.Write([]byte{'\n'}) // what was torn must not swallow the next entry
		j.size += int64(more)
		return fmt.Errorf("audit: journal: %w", err)
	}
	j.code = append(j.code[:0], code...)
	return nil
}

// renew leaves the current file to the sealer and begins another.
func (j *journal) renew() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	return j.begin()
}

// cutLine takes a line apart; code is nil where there is none.
func cutLine(line []byte) (body, code []byte) {
	i := bytes.LastIndexByte(line, '\t')
	if i < 0 {
		return line, nil
	}
	code = make([]byte, hex.DecodedLen(len(line)-i-1))
	if n, err := hex.Decode(code, line[i+1:]); err != nil || n != macSize {
		return line, nil
	}
	return line[:i], code
}

// sync makes durable what was added.
func (j *journal) sync() error {
	j.mu.Lock()
	f, dirty := j.file, j.dirty
	j.dirty = false
	j.mu.Unlock()
	if f == nil || !dirty {
		return nil
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		j.mu.Lock()
		j.dirty = true
		j.mu.Unlock()
		return fmt.Errorf("audit: journal: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	j.file.Sync()
	err := j.file.Close()
	j.file = nil
	return err
}

// files lists the journal files, oldest first, and whether each still grows.
func (j *journal) files() ([]journalFile, error) {
	j.mu.Lock()
	current, size := "", int64(0)
	if j.file != nil {
		current, size = j.name, j.size
	}
	j.mu.Unlock()
	names, err := filepath.Glob(filepath.Join(j.dir, "*.log"))
	if err != nil {
		return nil, fmt.Errorf("audit: journal: %w", err)
	}
	slices.Sort(names)
	var files []journalFile
	for _, path := range names {
		f := journalFile{path: path, name: filepath.Base(path), current: filepath.Base(path) == current}
		if f.current {
			f.least, current = size, ""
		}
		files = append(files, f)
	}
	if current != "" { // somebody took it away while it is being written
		files = append(files, journalFile{path: filepath.Join(j.dir, current), name: current, current: true, least: size})
	}
	return files, nil
}

type journalFile struct {
	path, name string
	current    bool
	least      int64 // how long it is for certain
}

// lines reads whole lines from offset, up to about limit bytes, and returns where they end.
func (f journalFile) lines(offset int64, limit int) (lines [][]byte, end int64, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, offset, fmt.Errorf("audit: journal: %w", err)
	}
	defer file.Close()
	buf := make([]byte, limit)
	n, err := file.ReadAt(buf, offset)
	if n == 0 {
		return nil, offset, nil
	}
	buf = buf[:n]
	last := bytes.LastIndexByte(buf, '\n')
	if last < 0 {
		if n == limit {
			return nil, offset, fmt.Errorf("audit: journal %s: a line longer than %d bytes at %d", f.name, limit, offset)
		}
		return nil, offset, nil // torn by a crash: its answer was never sent
	}
	for line := range bytes.SplitSeq(buf[:last], []byte{'\n'}) {
		if len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines, offset + int64(last) + 1, nil
}

// abandoned says whether the process that wrote the file is gone.
func (f journalFile) abandoned() bool {
	if f.current {
		return false
	}
	file, err := os.Open(f.path)
	if err != nil {
		return false
	}
	defer file.Close()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("audit: journal: %w", err)
	}
	defer d.Close()
	return d.Sync()
}
