package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Exporting is what the signature of an exported file is for.
const Exporting = "xinglin audit export"

// VerifyExport checks a file of signed JSON lines against a key.
func VerifyExport(r io.Reader, key Public) error {
	sum := sha256.New()
	lines := bufio.NewReaderSize(r, 1<<20)
	n := -1
	for {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return errors.New("audit: export: it ends without its signature")
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("audit: export: %w", err)
		}
		var last struct {
			End *struct {
				Entries   int    `json:"entries"`
				SHA256    string `json:"sha256"`
				Signature string `json:"signature"`
				Error     string `json:"error"`
			} `json:"end"`
		}
		if err := json.Unmarshal(line, &last); err != nil {
			return fmt.Errorf("audit: export: line %d: %w", n+2, err)
		}
		if end := last.End; end != nil {
			switch got := sum.Sum(nil); {
			case end.Error != "":
				return fmt.Errorf("audit: export: %s", end.Error)
			case end.Entries != n, end.SHA256 != hex.EncodeToString(got), !key.Signed(Exporting, got, end.Signature):
				return errors.New("audit: export: it was changed, or another key has signed it")
			}
			return nil
		}
		sum.Write(line)
		n++
	}
}
