package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Report is what Verify found.
type Report struct {
	Entries     int64    `json:"entries"` // in the database
	Archived    int64    `json:"archived"`
	Head        string   `json:"head"` // hash of the last entry, hex
	Algorithm   string   `json:"algorithm"`
	Checkpoints int      `json:"checkpoints"`
	Signed      int64    `json:"signed"` // the last entry under a signature that is trusted
	Unsigned    int64    `json:"unsigned"`
	Keys        []string `json:"keys"` // that are trusted
	Findings    []string `json:"findings"`
	Alarms      []string `json:"alarms"` // what the sealer found before it sealed; these entries never go away
}

// OK says whether the chain is whole.
func (r Report) OK() bool { return len(r.Findings) == 0 }

// Against is what Verify holds the chain against.
type Against struct {
	Dir      string   // of the journal and the checkpoints beside it; "" = none
	Trusted  []Public // whose signatures count; what they have signed vouches for keys introduced before
	Copies   []string // files or folders of checkpoints that were kept elsewhere
	Archives []string // folders of moved entries, beside where each was written
	Absent   bool     // archives that are not there are believed by their signature
}

// Verify walks the chain from its beginning and finds what was changed, removed or reordered.
func (b *Book) Verify(ctx context.Context) (Report, error) {
	return Verify(ctx, b.store, b.Against())
}

// Against is what this book knows by itself.
func (b *Book) Against() Against {
	a := Against{Dir: b.dir, Trusted: []Public{b.key.Public}}
	for _, c := range b.options.Copies {
		if !isAddress(c) {
			a.Copies = append(a.Copies, c)
		}
	}
	return a
}

// mostFindings is how many findings are listed.
const mostFindings = 100

// walker goes along the chain.
type walker struct {
	Against
	tx     *store.Tx
	report *Report

	folds     map[string][]byte // what each algorithm makes of all that was read
	algorithm string
	last      int64
	other     []byte // what the last hash should have been, where it was not
	gap       bool   // entries before the next are missing

	notes    map[int64][]noted
	keys     map[string]int64  // introduced at
	public   map[string]Public // by id
	archived int64             // the last entry that was moved out
	moved    []Archive
	patients patientSums
}

// noted is a checkpoint and where it was found.
type noted struct {
	Checkpoint
	place   string
	matches bool
}

func (w *walker) say(format string, args ...any) {
	if len(w.report.Findings) < mostFindings {
		w.report.Findings = append(w.report.Findings, fmt.Sprintf(format, args...))
	}
}

// Verify is Book.Verify without an open journal.
func Verify(ctx context.Context, s *store.Store, a Against) (r Report, err error) {
	err = s.View(ctx, func(tx *store.Tx) (err error) {
		r, err = verify(ctx, tx, a)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("audit: verify: %w", err)
	}
	return r, nil
}

func verify(ctx context.Context, tx *store.Tx, a Against) (r Report, err error) {
	r = Report{Findings: []string{}, Alarms: []string{}, Keys: []string{}}
	w := &walker{Against: a, tx: tx, report: &r, folds: map[string][]byte{}, algorithm: SHA256, notes: map[int64][]noted{}, keys: map[string]int64{}, public: map[string]Public{}}
	w.patients.seed = maphash.MakeSeed()
	for _, k := range a.Trusted {
		w.public[k.ID] = k
	}
	for _, do := range []func(context.Context) error{w.collect, w.walkArchives, w.walkEntries, w.head, w.judge, w.known, w.index} {
		if err := do(ctx); err != nil {
			return r, err
		}
	}
	r.Head, r.Algorithm = hex.EncodeToString(w.folds[w.algorithm]), w.algorithm
	return r, nil
}

// collect reads the checkpoints of every place.
func (w *walker) collect(ctx context.Context) error {
	err := w.tx.Query(ctx, `SELECT COALESCE(MAX(last), 0) FROM audit_archive`, nil, func(scan func(...any) error) error { return scan(&w.archived) })
	if err != nil {
		return err
	}
	var before int64
	first := true
	err = w.tx.Query(ctx, `SELECT seq, line FROM audit_checkpoint ORDER BY seq`, nil, func(scan func(...any) error) error {
		var seq int64
		var line string
		if err := scan(&seq, &line); err != nil {
			return err
		}
		c, err := readCheckpoint(line)
		if err != nil || c.Seq != seq || c.Key == "" {
			w.say("the checkpoint at entry %d in the database is not what was written", seq)
			return nil
		}
		if c.Previous != before && !(first && c.Previous <= w.archived) {
			w.say("the checkpoint at entry %d in the database follows one at entry %d, which is not there", seq, c.Previous)
		}
		before, first = seq, false
		w.notes[seq] = append(w.notes[seq], noted{Checkpoint: c, place: "the database"})
		w.report.Checkpoints++
		return nil
	})
	if err != nil {
		return err
	}
	inDatabase := map[int64]string{}
	for seq, list := range w.notes {
		inDatabase[seq] = list[0].Signature
	}
	read := func(path, place string) error {
		list, err := readCheckpoints(path)
		if err != nil {
			return err
		}
		for _, c := range list {
			if signature, ok := inDatabase[c.Seq]; ok && signature == c.Signature && c.Key != "" {
				continue // the same line
			}
			if _, ok := inDatabase[c.Seq]; !ok && c.Key != "" && c.Seq > w.archived {
				w.say("the checkpoint at entry %d of %s is not in the database", c.Seq, place)
			}
			w.notes[c.Seq] = append(w.notes[c.Seq], noted{Checkpoint: c, place: place})
			w.report.Checkpoints++
		}
		return nil
	}
	if w.Dir != "" {
		if err := read(w.Dir, "the file beside the journal"); err != nil {
			return err
		}
	}
	for _, path := range w.Copies {
		if err := read(path, path); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) compare(seq int64, hash []byte) {
	for i, n := range w.notes[seq] {
		w.notes[seq][i].matches = n.Hash == hex.EncodeToString(hash)
		if !w.notes[seq][i].matches {
			w.say("entry %d differs from the checkpoint in %s", seq, n.place)
		}
	}
}

func (w *walker) walkEntries(ctx context.Context) error {
	for more := true; more; {
		more = false
		err := w.tx.Query(ctx, `SELECT seq, hash, at, who, org, action, what, outcome, purpose, target, mark, body FROM audit_entry WHERE seq > ? ORDER BY seq LIMIT 5000`, []any{w.last}, func(scan func(...any) error) error {
			more = true
			var seq int64
			var hash, body []byte
			var c columns
			if err := scan(append(append([]any{&seq, &hash}, c.dest()...), &body)...); err != nil {
				return err
			}
			w.report.Entries++
			e := w.step(seq, hash, body)
			if e != nil && !c.of(e) {
				w.say("entry %d: what it is searched by differs from what it says", seq)
			}
			if e != nil {
				for _, p := range e.Patients {
					w.patients.add(seq, e.At.UnixMicro(), p, 1)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// step looks at the next entry; nil when it cannot be read.
func (w *walker) step(seq int64, hash, body []byte) *Entry {
	if seq != w.last+1 {
		w.say("entries %d to %d are missing", w.last+1, seq-1)
		w.gap = true
	}
	e, err := readBody(body)
	before := w.folds[w.algorithm]
	if err != nil {
		w.say("entry %d cannot be read", seq)
	} else if algorithm, was, head, ok := anchorOf(&e); ok && algorithm != w.algorithm {
		if was != w.algorithm || !bytes.Equal(head, before) {
			w.say("entry %d lets the chain go on from a hash that is not the one before it", seq)
		}
		w.algorithm, w.other = algorithm, nil
		before = w.folds[algorithm]
	}
	for _, algorithm := range algorithms {
		w.folds[algorithm] = link(algorithm, w.folds[algorithm], body)
	}
	want := link(w.algorithm, before, body)
	follows := bytes.Equal(want, hash) || w.other != nil && bytes.Equal(link(w.algorithm, w.other, body), hash)
	w.other = nil
	if !follows && !w.gap {
		w.say("entry %d does not follow from the entry before it: it was changed, removed or moved", seq)
		w.other = want // the next one follows from one of the two
	}
	w.gap = false
	w.folds[w.algorithm] = bytes.Clone(hash)
	w.compare(seq, hash)
	w.last = seq
	if err != nil {
		return nil
	}
	if e.User == "" {
		switch e.What {
		case introduced:
			if p, err := publicOf(e.Target); err == nil && w.keys[p.ID] == 0 {
				w.keys[p.ID] = seq
				w.public[p.ID] = p
			}
		case meddled, torn:
			if len(w.report.Alarms) < mostFindings {
				text := e.Target
				if e.What == torn {
					text = "a line of the journal could not be read: a disk that was full, or somebody's hand"
				}
				w.report.Alarms = append(w.report.Alarms, fmt.Sprintf("entry %d: %s", seq, text))
			}
		}
	}
	return &e
}

// head compares with what the sealer remembers.
func (w *walker) head(ctx context.Context) error {
	e, err := takeEnd(ctx, w.tx, false)
	if err != nil {
		return err
	}
	if e.seq != w.last || !bytes.Equal(e.hash, w.folds[w.algorithm]) {
		w.say("the chain ends at entry %d, but %d entries were sealed", w.last, e.seq)
	}
	if e.algorithm != w.algorithm {
		w.say("the next entry would be linked by %s, the chain is of %s", e.algorithm, w.algorithm)
	}
	for _, seq := range slices.Sorted(maps.Keys(w.notes)) {
		if seq > w.last {
			w.say("the checkpoint in %s knows entry %d, the chain ends at %d", w.notes[seq][0].place, seq, w.last)
			break
		}
	}
	var rows int64
	err = w.tx.Query(ctx, `SELECT count(*) FROM audit_entry WHERE seq IS NOT NULL`, nil, func(scan func(...any) error) error { return scan(&rows) })
	if err == nil && rows != w.report.Entries {
		w.say("%d entries stand outside the chain, numbered below its beginning", rows-w.report.Entries)
	}
	return err
}

// judge decides whose signatures count. A key that was introduced in the chain is vouched for by a checkpoint that
// stands at or after its introduction and is signed by a key that counts already.
func (w *walker) judge(context.Context) error {
	reach := map[string]int64{} // key -> last checkpoint of it that the chain agrees with
	bad := map[string]bool{}
	for seq, list := range w.notes {
		for _, n := range list {
			if n.Key == "" {
				continue
			}
			p, known := w.public[n.Key]
			switch {
			case !known:
				bad[n.Key] = true
			case !p.Signed(signing, n.message(), n.Signature):
				w.say("the checkpoint at entry %d in %s is not signed by the key that it names", seq, n.place)
			case n.matches || seq < w.archived:
				reach[n.Key] = max(reach[n.Key], seq)
			}
		}
	}
	trusted := map[string]bool{}
	for _, k := range w.Trusted {
		trusted[k.ID] = true
	}
	for more := true; more; {
		more = false
		for id, at := range w.keys {
			for t := range trusted {
				if !trusted[id] && reach[t] >= at {
					trusted[id], more = true, true
				}
			}
		}
	}
	for id := range reach {
		if trusted[id] {
			w.report.Signed = max(w.report.Signed, reach[id])
		} else {
			bad[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(bad)) {
		w.say("checkpoints are signed by key %s, for which no trusted key has vouched; if it was this hub's, give its public half", id)
	}
	w.vouch(trusted)
	w.report.Keys = slices.Sorted(maps.Keys(trusted))
	w.report.Unsigned = w.last - w.report.Signed
	if w.report.Unsigned > mostUnsigned {
		w.say("entries %d to %d stand under no signed checkpoint", w.report.Signed+1, w.last)
	}
	return nil
}

// mostUnsigned is how many entries may follow the last checkpoint: it is made sooner than that.
const mostUnsigned = 50_000

// known compares the keys of the table with those of the chain.
func (w *walker) known(ctx context.Context) error {
	return w.tx.Query(ctx, `SELECT id, public, seq FROM audit_key`, nil, func(scan func(...any) error) error {
		var id, public string
		var seq int64
		if err := scan(&id, &public, &seq); err != nil {
			return err
		}
		p, ok := w.public[id]
		switch {
		case seq == 0 && !ok:
		case !ok, p.String() != public, seq != 0 && w.keys[id] != seq, seq == 0 && w.keys[id] != 0:
			w.say("key %s in the database is not the one that the chain introduced", id)
		}
		return nil
	})
}

// patientSums compares the index by patient with the entries without keeping either: sums of keyed hashes, one for
// every thousand entries.
type patientSums struct {
	seed maphash.Seed
	sums map[int64]uint64
}

const patientBucket = 1000

func (p *patientSums) add(seq, at int64, patient string, sign int) {
	if p.sums == nil {
		p.sums = map[int64]uint64{}
	}
	h := maphash.Comparable(p.seed, struct {
		seq, at int64
		patient string
	}{seq, at, patient})
	if sign < 0 {
		h = -h
	}
	p.sums[seq/patientBucket] += h
}

func (w *walker) index(ctx context.Context) error {
	err := w.tx.Query(ctx, `SELECT patient, at, seq FROM audit_patient`, nil, func(scan func(...any) error) error {
		var patient string
		var at, seq int64
		err := scan(&patient, &at, &seq)
		w.patients.add(seq, at, patient, -1)
		return err
	})
	if err != nil {
		return err
	}
	for _, bucket := range slices.Sorted(maps.Keys(w.patients.sums)) {
		if w.patients.sums[bucket] == 0 || len(w.report.Findings) >= mostFindings {
			continue
		}
		if err := w.indexed(ctx, bucket*patientBucket); err != nil {
			return err
		}
	}
	return nil
}

// indexed finds which of a thousand entries the index by patient does not agree with.
func (w *walker) indexed(ctx context.Context, from int64) error {
	type row struct {
		seq, at int64
		patient string
	}
	rows := map[row]int{}
	err := w.tx.Query(ctx, `SELECT seq, body FROM audit_entry WHERE seq >= ? AND seq < ?`, []any{from, from + patientBucket}, func(scan func(...any) error) error {
		var seq int64
		var body []byte
		if err := scan(&seq, &body); err != nil {
			return err
		}
		if e, err := readBody(body); err == nil {
			for _, p := range e.Patients {
				rows[row{seq, e.At.UnixMicro(), p}]++
			}
		}
		return nil
	})
	if err == nil {
		err = w.tx.Query(ctx, `SELECT patient, at, seq FROM audit_patient WHERE seq >= ? AND seq < ?`, []any{from, from + patientBucket}, func(scan func(...any) error) error {
			var r row
			err := scan(&r.patient, &r.at, &r.seq)
			rows[r]--
			return err
		})
	}
	wrong := map[int64]bool{}
	for r, n := range rows {
		wrong[r.seq] = wrong[r.seq] || n != 0
	}
	for _, seq := range slices.Sorted(maps.Keys(wrong)) {
		if wrong[seq] {
			w.say("entry %d: the index by patient differs from what it says", seq)
		}
	}
	return err
}
