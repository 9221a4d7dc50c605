package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"sync"

	"github.com/xinglin-health/xinglin/internal/store"
)

// sealRound moves one batch of rows and journal lines into the chain.
type sealRound struct {
	book   *Book
	tx     *store.Tx
	batch  []open
	rows   [][]byte         // codes of the rows in it
	upto   map[string]int64 // by journal file
	sealed int
	end    int64 // of the chain, before
	renew  bool  // our own journal file is not what we wrote
}

func (r *sealRound) run(ctx context.Context, files []journalFile, waiting bool, before map[string]int64) error {
	r.upto = map[string]int64{}
	e, err := takeEnd(ctx, r.tx, true)
	if err != nil {
		return err
	}
	r.end = e.seq
	if err := r.takeRows(ctx, before); err != nil {
		return err
	}
	if waiting {
		if err := r.takeLines(ctx, files); err != nil {
			return err
		}
	}
	if len(r.batch) == 0 {
		return nil
	}
	slices.SortStableFunc(r.batch, func(x, y open) int { return x.Wall.Compare(y.Wall) })
	r.sealed = len(r.batch)
	return e.seal(ctx, r.tx, r.batch)
}

// alarm puts into the chain what was found wrong before it was sealed.
func (r *sealRound) alarm(format string, args ...any) {
	e := r.book.now(r.tx)
	e.What, e.Outcome, e.Target = meddled, "8", fmt.Sprintf(format, args...)
	r.batch = append(r.batch, opened(e))
}

func (r *sealRound) takeRows(ctx context.Context, before map[string]int64) error {
	keys := map[string]bool{}
	err := r.tx.Query(ctx, `SELECT id FROM audit_key`, nil, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		keys[id[:min(8, len(id))]] = true
		return err
	})
	if err != nil {
		return err
	}
	m := r.book.key.macs()
	found := map[string]bool{}
	all := 0
	err = r.tx.Query(ctx, `SELECT n, mac, at, who, org, action, what, outcome, purpose, target, mark, body FROM audit_entry WHERE seq IS NULL ORDER BY n LIMIT ?`, []any{int64(sealBatch)}, func(scan func(...any) error) error {
		all++
		var o open
		var c columns
		if err := scan(append([]any{&o.n, &o.mac}, append(c.dest(), &o.body)...)...); err != nil {
			return err
		}
		o.mac, o.body = slices.Clone(o.mac), slices.Clone(o.body)
		var err error
		if o.Entry, err = readBody(o.body); err != nil {
			r.alarm("row %d of changes cannot be read: %s", o.n, hex.EncodeToString(o.body[:min(len(o.body), 200)]))
			_, err = r.tx.Exec(ctx, `DELETE FROM audit_entry WHERE n = ?`, o.n) // its bytes stand in the alarm
			return err
		}
		switch {
		case len(o.mac) != 12+macSize || !keys[hex.EncodeToString(o.mac[:4])]:
			r.alarm("row %d of changes (%s, request %s) carries no code of a key that is known here", o.n, o.What, o.Request)
		case bytes.Equal(o.mac[:4], m.id[:]) && !bytes.Equal(o.mac[12:], m.of(o.mac[:12], o.body)):
			r.alarm("row %d of changes (%s, request %s) was changed before it was sealed", o.n, o.What, o.Request)
		case !c.of(&o.Entry):
			r.alarm("row %d of changes (%s, request %s): what it is searched by differs from what it says", o.n, o.What, o.Request)
		}
		o.amend = !c.of(&o.Entry)
		found[string(o.mac)] = true
		r.rows = append(r.rows, o.mac)
		r.batch = append(r.batch, o)
		return nil
	})
	if err != nil || all == sealBatch {
		return err
	}
	// Every row that waits has been seen. What was acknowledged before this and is not among them was sealed
	// meanwhile, perhaps by another process, or it was taken away.
	missing, from := map[string]bool{}, int64(math.MaxInt64)
	for code, seen := range before {
		if !found[code] {
			missing[code], from = true, min(from, seen)
			r.rows = append(r.rows, []byte(code))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	err = r.tx.Query(ctx, `SELECT mac FROM audit_entry WHERE seq > ? AND mac IS NOT NULL`, []any{from}, func(scan func(...any) error) error {
		var code []byte
		err := scan(&code)
		delete(missing, string(code))
		return err
	})
	for code := range missing {
		r.alarm("a change that was acknowledged lost its entry before it was sealed (code %x)", code[12:])
	}
	return err
}

// columns repeat parts of the body for searching.
type columns struct {
	at                       int64
	who, org, action, what   string
	outcome, purpose, target *string
	mark                     *int64
}

func (c *columns) dest() []any {
	return []any{&c.at, &c.who, &c.org, &c.action, &c.what, &c.outcome, &c.purpose, &c.target, &c.mark}
}

// of tells whether they are those of an entry; NULL ones are of before they were kept.
func (c *columns) of(e *Entry) bool {
	same := func(t *string, want string) bool { return t == nil || *t == want }
	return c.at == e.At.UnixMicro() && c.who == e.User && c.org == e.Org && c.action == e.Action && c.what == e.What &&
		same(c.outcome, e.Outcome) && same(c.purpose, e.Purpose) && same(c.target, e.target()) && (c.mark == nil || *c.mark == e.mark()) &&
		(c.outcome == nil) == (c.purpose == nil) && (c.outcome == nil) == (c.target == nil) && (c.outcome == nil) == (c.mark == nil)
}

// unchecked stands for the code of a journal file that has been found wrong: it is said once.
var unchecked = []byte{0}

func (r *sealRound) takeLines(ctx context.Context, files []journalFile) error {
	codes := map[string][]byte{}
	err := r.tx.Query(ctx, `SELECT file, upto, mac FROM audit_journal`, nil, func(scan func(...any) error) error {
		var file string
		var end int64
		var code []byte
		err := scan(&file, &end, &code)
		r.upto[file], codes[file] = end, slices.Clone(code)
		return err
	})
	if err != nil {
		return err
	}
	m := r.book.key.macs()
	for _, f := range files {
		if len(r.batch) >= sealBatch {
			break
		}
		start := r.upto[f.name]
		code := codes[f.name]
		if len(code) == 0 {
			if code = []byte(f.name); start > 0 {
				code = unchecked // begun by a program that knew no codes
			}
		}
		info, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && f.current:
			r.alarm("journal file %s was taken away while it was written; sealed up to byte %d of %d", f.name, start, f.least)
			r.renew = true
			continue
		case err != nil:
			return fmt.Errorf("journal: %w", err)
		case info.Size() < max(f.least, start) && !bytes.Equal(code, unchecked):
			r.alarm("journal file %s has %d bytes, %d were written", f.name, info.Size(), max(f.least, start))
			r.renew = r.renew || f.current
			code = unchecked
			if err := r.reached(ctx, f.name, start, code); err != nil {
				return err
			}
		}
		lines, end, err := f.lines(start, 1<<20)
		if err != nil {
			return err
		}
		if room := 2*sealBatch - len(r.batch); len(lines) > room {
			for _, l := range lines[room:] {
				end -= int64(len(l)) + 1
			}
			lines = lines[:room]
		}
		for _, l := range lines {
			body, its := cutLine(l)
			e, err := readBody(body)
			if err != nil { // torn in the middle by a full disk: kept as it is, visibly
				e = r.book.now(r.tx)
				e.What, e.Target, e.Outcome = torn, hex.EncodeToString(l[:min(len(l), 200)]), "8"
				r.batch = append(r.batch, opened(e))
				continue
			}
			if !bytes.Equal(code, unchecked) {
				if want := m.of(code, body); bytes.Equal(want, its) {
					code = append([]byte(nil), its...)
				} else {
					r.alarm("journal file %s: the entry of request %s (%s) or one before it was changed, removed or moved before it was sealed", f.name, e.Request, e.What)
					code = unchecked
				}
			}
			r.batch = append(r.batch, open{body: body, Entry: e})
		}
		if end == start {
			continue
		}
		if err := r.reached(ctx, f.name, end, code); err != nil {
			return err
		}
	}
	return nil
}

func (r *sealRound) reached(ctx context.Context, file string, end int64, code []byte) error {
	r.upto[file] = end
	_, err := r.tx.Exec(ctx, `INSERT INTO audit_journal (file, upto, mac) VALUES (?, ?, ?) ON CONFLICT (file) DO UPDATE SET upto = excluded.upto, mac = excluded.mac`, file, end, code)
	return err
}

// pending are the codes of changes that were acknowledged and not yet seen in the chain, with where the chain
// stood for certain when each was written.
type pending struct {
	mu    sync.Mutex
	codes map[string]int64
}

// mostPending bounds the memory of pending; what is written beyond it can be lost unnoticed before it is sealed.
const mostPending = 100_000

func (p *pending) add(code []byte, seen int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.codes == nil {
		p.codes = map[string]int64{}
	}
	if len(p.codes) < mostPending {
		p.codes[string(code)] = seen
	}
}

func (p *pending) before() map[string]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.codes)
}

func (p *pending) done(codes [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range codes {
		delete(p.codes, string(c))
	}
}
