package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// names remembers committed pairs of text and number, so that a write asks the database for few.
// A pair never changes once committed.
type names struct {
	mu      sync.RWMutex
	symbols map[string]int64
	texts   map[int64]string
	rids    map[ident]int64
	spans   map[int64]int64
	codes   map[codeKey]codeText
	custody map[[2]int64]bool // custodian, patient
	totals  map[uint64]total  // what planners have counted
	lists   map[uint64]list   // of texts that all have a number

	gifts   atomic.Int64                // units that have given anybody anything
	known   map[string]map[string]party // what parties were ever given, as of knownAt
	knownAt int64
}

// list is one of texts with their numbers.
type list struct {
	texts []string
	ids   []any
}

// given is what parties were ever given, where no unit has given anything since it was looked up; nil = look it up.
func (n *names) given(key string, gifts int64) map[string]party {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.knownAt != gifts {
		return nil
	}
	return n.known[key]
}

// giveOut remembers what a view that began after so many gifts has found.
func (n *names) giveOut(key string, gifts int64, found map[string]party) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if gifts < n.knownAt {
		return
	}
	if n.knownAt != gifts || len(n.known) >= maxLists {
		n.known, n.knownAt = map[string]map[string]party{}, gifts
	}
	n.known[key] = found
}

// total is a planner's hint.
type total struct {
	n    int64
	when time.Time
}

// hintKey tells the ways of planners apart.
func hintKey(q *sql) uint64 {
	h := fnv.New64a()
	io.WriteString(h, q.String())
	fmt.Fprint(h, q.args...)
	return h.Sum64()
}

type ident struct {
	typ int16
	id  string
}

// unitNames are the pairs met in one unit, kept only when it commits.
type unitNames struct {
	symbols map[string]int64
	rids    map[ident]int64
	spans   map[int64]int64
	codes   map[codeKey]codeText
	custody map[[2]int64]bool
}

// Bounds of the memory; a full map starts anew.
const (
	maxSymbols = 100_000
	maxRIDs    = 50_000
	maxLists   = 1000
)

func (n *names) init() {
	n.symbols, n.texts, n.rids, n.spans = map[string]int64{}, map[int64]string{}, map[ident]int64{}, map[int64]int64{}
	n.totals, n.codes, n.custody = map[uint64]total{}, map[codeKey]codeText{}, map[[2]int64]bool{}
	n.lists, n.known = map[uint64]list{}, map[string]map[string]party{}
}

func (n *names) keep(u *unitNames) {
	if u.symbols == nil && u.rids == nil && u.spans == nil && u.codes == nil && u.custody == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.symbols) > maxSymbols {
		n.symbols, n.texts = map[string]int64{}, map[int64]string{}
	}
	if len(n.rids) > maxRIDs {
		n.rids = map[ident]int64{}
	}
	// Cloned: what was parsed is a piece of its whole bundle, which would stay with it.
	for text, id := range u.symbols {
		if _, known := n.symbols[text]; !known {
			text = strings.Clone(text)
			n.symbols[text], n.texts[id] = id, text
		}
	}
	for key, v := range u.rids {
		if _, known := n.rids[key]; !known {
			n.rids[ident{key.typ, strings.Clone(key.id)}] = v
		}
	}
	if len(n.codes) > maxCodes {
		n.codes = map[codeKey]codeText{}
	}
	if len(n.custody) > maxRIDs {
		n.custody = map[[2]int64]bool{}
	}
	for key, text := range u.codes {
		n.codes[key] = text
	}
	for pair := range u.custody {
		n.custody[pair] = true
	}
	for p, span := range u.spans {
		n.spans[p] = max(span, n.spans[p])
	}
}

// symbol returns the number of text, making one when it is new; "" is 0.
func (tx *Tx) symbol(ctx context.Context, text string) (int64, error) {
	if id, ok, err := tx.findSymbol(ctx, text); ok || err != nil {
		return id, err
	}
	var id int64
	err := tx.s.db.Apart(ctx, tx.c, func(c engine.Conn) error {
		const find = "SELECT id FROM symbol WHERE text = ?"
		if _, err := c.Exec(ctx, "INSERT INTO symbol (text) VALUES (?) ON CONFLICT (text) DO NOTHING", text); err != nil {
			return err
		}
		return c.Query(ctx, find, []any{text}, func(scan engine.Row) error { return scan(&id) })
	})
	if err != nil {
		return 0, err
	}
	tx.noteSymbol(text, id)
	return id, nil
}

func (tx *Tx) noteSymbol(text string, id int64) {
	if tx.names.symbols == nil {
		tx.names.symbols = map[string]int64{}
	}
	tx.names.symbols[text] = id
}

// findSymbol returns the number of text if it has one.
func (tx *Tx) findSymbol(ctx context.Context, text string) (id int64, ok bool, err error) {
	if text == "" {
		return 0, true, nil
	}
	n := &tx.s.names
	n.mu.RLock()
	id, ok = n.symbols[text]
	n.mu.RUnlock()
	if ok {
		return id, true, nil
	}
	if id, ok = tx.names.symbols[text]; ok {
		return id, true, nil
	}
	ok, err = tx.one(ctx, "SELECT id FROM symbol WHERE text = ?", []any{text}, &id)
	if ok {
		tx.noteSymbol(text, id)
	}
	return id, ok, err
}

// text returns the text of a symbol.
func (tx *Tx) text(ctx context.Context, id int64) (string, error) {
	if id == 0 {
		return "", nil
	}
	n := &tx.s.names
	n.mu.RLock()
	text, ok := n.texts[id]
	n.mu.RUnlock()
	if ok {
		return text, nil
	}
	for text, made := range tx.names.symbols { // made apart: this unit's snapshot does not have it
		if made == id {
			return text, nil
		}
	}
	found, err := tx.one(ctx, "SELECT text FROM symbol WHERE id = ?", []any{id}, &text)
	if found {
		tx.noteSymbol(text, id)
	}
	return text, err
}
