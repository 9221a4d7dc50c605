package audit

import (
	"os"
	"testing"
)

// Crash lets go of the journal as the end of a process would.
func (b *Book) Crash() { b.journal.file.Close() }

// VerifyIn verifies what a unit that is not over would leave.
var VerifyIn = verify

// Dir is where the journal lies.
func (b *Book) Dir() string { return b.dir }

// Full lets the journal write to a disk that is full.
func (b *Book) Full() {
	b.journal.mu.Lock()
	defer b.journal.mu.Unlock()
	b.journal.file, _ = os.OpenFile("/dev/full", os.O_WRONLY, 0)
}

// CodeOf gives the code of one line after another.
func CodeOf(t testing.TB, path, kind string) func(body []byte) {
	key, err := LoadKey(path, kind)
	if err != nil {
		t.Fatal(err)
	}
	m, before := key.macs(), []byte("x")
	return func(body []byte) { before = append(before[:0], m.of(before, body)...) }
}
