package audit

import "os"

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
