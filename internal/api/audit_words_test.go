package api

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// kinds of calls that leave an entry, with what it says of itself; "…:" goes on with more.
var leaves = regexp.MustCompile(`(?:audit\.Of\([\w.()]+, "\w+", |touch\(w, r, "[\w-]+", |touched\(w, r, |\.refused\(w, r, |\.note\(ctx, tx, "\w", |audit\.Entry\{[^}\n]*What: +)"([a-z][a-z:-]*)"`)

// The auditor reads words, never our codes.
func TestWhatIsAuditedHasWords(t *testing.T) {
	trail, seen := &Trail{}, 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, m := range leaves.FindAllStringSubmatch(string(code), -1) {
			what := m[1]
			if what == "subscription-" { // and the state that it has come to
				what += "active"
			} else if strings.HasSuffix(what, ":") || strings.HasSuffix(what, "-") {
				what += "id"
			}
			seen++
			if n := trail.whatName(what); n.Zh == what || n.En == what || n.Zh == "" {
				t.Errorf("%s leaves %q; the page has no words for it", path, what)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Errorf("only %d kinds of entries found; has the way to leave them changed?", seen)
	}
	if n := roleName("system"); n.Zh == "" || n.Zh == "system" {
		t.Errorf("what the hub does by itself is done by %q", n.Zh)
	}
}
