package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/emmansun/gmsm/sm3"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Algorithms of the chain.
const (
	SHA256 = "sha256"
	SM3    = "sm3" // GB/T 32905
)

var algorithms = []string{SHA256, SM3}

// What the chain says about itself.
const (
	anchored   = "chain-algorithm" // from this entry on the chain is of another algorithm; Target "sm3 sha256:HEAD"
	introduced = "audit-key"       // a key that signs checkpoints; Target "ID ecdsa|sm2 BASE64"
	archived   = "audit-archive"   // old entries went into a file; Target "FIRST-LAST FILE"
	meddled    = "meddled"         // what was found wrong before it was sealed
	torn       = "torn"            // a line of the journal that cannot be read
)

func newHash(algorithm string) func() hash.Hash {
	if algorithm == SM3 {
		return sm3.New
	}
	return sha256.New
}

// link is the hash of an entry: over the hash before it and its canonical form. From an anchor on, the hash before
// it is what the new algorithm makes of the whole chain from its beginning, so that old entries are bound by both.
func link(algorithm string, head, body []byte) []byte {
	h := newHash(algorithm)()
	h.Write(head)
	h.Write(body)
	return h.Sum(nil)
}

// end is where the chain stands.
type end struct {
	seq       int64
	hash      []byte
	algorithm string
}

// takeEnd reads the end of the chain; hold makes this the one sealer until the unit ends, also beside other processes.
func takeEnd(ctx context.Context, tx *store.Tx, hold bool) (e end, err error) {
	if hold {
		if _, err := tx.Exec(ctx, `UPDATE audit_head SET seq = seq WHERE id = 1`); err != nil {
			return e, err
		}
	}
	err = tx.Query(ctx, `SELECT seq, hash, algorithm FROM audit_head WHERE id = 1`, nil, func(scan func(...any) error) error {
		return scan(&e.seq, &e.hash, &e.algorithm)
	})
	e.hash = slices.Clone(e.hash)
	return e, err
}

// open is an entry on its way into the chain.
type open struct {
	n    int64 // row of a write, 0 for a read
	mac  []byte
	body []byte
	Entry
	amend bool // its columns are not those of its body
}

func opened(e Entry) open { return open{body: appendBody(nil, &e), Entry: e} }

// seal appends to the chain; the caller holds its end.
func (e *end) seal(ctx context.Context, tx *store.Tx, batch []open) error {
	for _, o := range batch {
		e.seq++
		e.hash = link(e.algorithm, e.hash, o.body)
		var err error
		if o.amend {
			err = tx.Queue(ctx, `UPDATE audit_entry SET at = ?, who = ?, org = ?, action = ?, what = ?, outcome = ?, purpose = ?, target = ?, mark = ? WHERE n = ?`,
				o.At.UnixMicro(), o.User, o.Org, o.Action, o.What, o.Outcome, o.Purpose, o.target(), o.mark(), o.n)
			if err != nil {
				return err
			}
		}
		if o.n != 0 {
			err = tx.Queue(ctx, `UPDATE audit_entry SET seq = ?, hash = ? WHERE n = ?`, e.seq, e.hash, o.n)
		} else {
			err = tx.Queue(ctx, `INSERT INTO audit_entry (seq, hash, at, who, org, action, what, outcome, purpose, target, mark, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				e.seq, e.hash, o.At.UnixMicro(), o.User, o.Org, o.Action, o.What, o.Outcome, o.Purpose, o.target(), o.mark(), o.body)
		}
		if err != nil {
			return err
		}
		for _, p := range o.Patients {
			if err := tx.Queue(ctx, `INSERT INTO audit_patient (patient, at, seq) VALUES (?, ?, ?)`, p, o.At.UnixMicro(), e.seq); err != nil {
				return err
			}
		}
	}
	_, err := tx.Exec(ctx, `UPDATE audit_head SET seq = ?, hash = ?, algorithm = ? WHERE id = 1`, e.seq, e.hash, e.algorithm)
	return err
}

// target is what an entry is found by: the resource that it names, "" for searches and the rest.
func (e *Entry) target() string {
	typ, rest, ok := strings.Cut(e.Target, "/")
	if !ok || strings.ContainsAny(e.Target, "?= #,") || !spec.IsResource(typ) {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	if id == "" || len(id) > 64 {
		return ""
	}
	return typ + "/" + id
}

// mark is 1 where somebody had to say why: break-glass, further reasons, revealed numbers.
func (e *Entry) mark() int64 {
	if e.Reason != "" || e.Purpose == "BTG" || e.Purpose == "ETREAT" || strings.HasPrefix(e.What, "break-glass") || strings.HasPrefix(e.What, "reveal") {
		return 1
	}
	return 0
}

// anchorOf reads an anchor's target; ok is false for every other entry.
func anchorOf(e *Entry) (algorithm, before string, head []byte, ok bool) {
	if e.What != anchored || e.User != "" {
		return "", "", nil, false
	}
	algorithm, rest, _ := strings.Cut(e.Target, " ")
	before, text, found := strings.Cut(rest, ":")
	head, err := hex.DecodeString(text)
	return algorithm, before, head, found && err == nil && slices.Contains(algorithms, algorithm)
}

// Reanchor lets the chain go on with another algorithm: it binds all that stands by the new one and says so in the
// chain. It reads the chain once while nothing is sealed.
func (b *Book) Reanchor(ctx context.Context, algorithm string) error {
	if !slices.Contains(algorithms, algorithm) {
		return fmt.Errorf("audit: %q is not an algorithm of the chain; there are %s", algorithm, strings.Join(algorithms, ", "))
	}
	if err := b.Seal(ctx); err != nil {
		return err
	}
	err := b.store.Update(ctx, func(tx *store.Tx) error {
		e, err := takeEnd(ctx, tx, true)
		if err != nil || e.algorithm == algorithm {
			return err
		}
		return e.anchor(ctx, tx, algorithm, b.now(tx))
	})
	if err != nil {
		return fmt.Errorf("audit: reanchor: %w", err)
	}
	return b.Checkpoint(ctx)
}

func (e *end) anchor(ctx context.Context, tx *store.Tx, algorithm string, now Entry) error {
	head, last, err := refold(ctx, tx, algorithm)
	if err != nil {
		return err
	}
	if last != e.seq {
		return fmt.Errorf("the chain ends at entry %d, but %d entries were sealed", last, e.seq)
	}
	now.What, now.Target = anchored, fmt.Sprintf("%s %s:%x", algorithm, e.algorithm, e.hash)
	e.hash, e.algorithm = head, algorithm
	return e.seal(ctx, tx, []open{opened(now)})
}

// refold takes the whole chain together under one algorithm.
func refold(ctx context.Context, tx *store.Tx, algorithm string) (head []byte, last int64, err error) {
	archives, err := archives(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	if n := len(archives); n > 0 {
		last = archives[n-1].Last
		if head, err = hex.DecodeString(archives[n-1].After[algorithm]); err != nil {
			return nil, 0, err
		}
	}
	for more := true; more; {
		more = false
		err = tx.Query(ctx, `SELECT seq, body FROM audit_entry WHERE seq > ? ORDER BY seq LIMIT 5000`, []any{last}, func(scan func(...any) error) error {
			more = true
			var body []byte
			if err := scan(&last, &body); err != nil {
				return err
			}
			head = link(algorithm, head, body)
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return head, last, nil
}
