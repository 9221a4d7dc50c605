package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Archive describes a file of old entries that were moved out of the database. Its description is signed and stays.
type Archive struct {
	First     int64             `json:"first"`
	Last      int64             `json:"last"`
	File      string            `json:"file"`
	SHA256    string            `json:"sha256"` // of the file
	From      time.Time         `json:"from"`   // of the first entry
	Until     time.Time         `json:"until"`  // of the last
	Algorithm string            `json:"algorithm"`
	Hash      string            `json:"hash"`   // of the last entry
	After     map[string]string `json:"after"`  // what each algorithm makes of the whole chain up to there
	Before    map[string]string `json:"before"` // and up to the entry before the first
	Start     string            `json:"start"`  // the algorithm at the entry before the first
	Key       string            `json:"key"`
	Made      time.Time         `json:"made"`
	Signature string            `json:"signature,omitempty"`
}

func (a Archive) message() []byte {
	a.Signature = ""
	text, _ := json.Marshal(a)
	return text
}

// archives lists what was moved out, oldest first.
func archives(ctx context.Context, tx *store.Tx) (list []Archive, err error) {
	err = tx.Query(ctx, `SELECT first, last, line FROM audit_archive ORDER BY first`, nil, func(scan func(...any) error) error {
		var first, last int64
		var line string
		if err := scan(&first, &last, &line); err != nil {
			return err
		}
		var a Archive
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			return fmt.Errorf("audit: archive %d: %w", first, err)
		}
		if a.First != first || a.Last != last {
			return fmt.Errorf("audit: archive %d: its row says something else", first)
		}
		list = append(list, a)
		return nil
	})
	return list, err
}

func (w *walker) walkArchives(ctx context.Context) error { return nil }
