package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/keys"
)

// Sealing says how a database is sealed.
type Sealing struct {
	Algorithm keys.Algorithm // of new data keys; "" = as before, AES for a new database
	// Master opens the master key. fresh: no key of this database is wrapped yet, so one may be made.
	Master func(ctx context.Context, fresh bool) (keys.Master, error)
	Always bool          // begin with a database that has unsealed versions, too
	Every  time.Duration // a new data key after this time; 0 = 90 days
	Bytes  int64         // or after so many bytes; 0 = 64 GB
}

// A data key seals at most so much: far below the 2^32 random nonces at which two of them may meet (NIST SP 800-38D, 8.3).
const (
	keyAge   = 90 * 24 * time.Hour
	keyBytes = 64 << 30
	keyTimes = 1 << 30
)

// ErrSealed: the database is sealed, and its master key was not named.
var ErrSealed = errors.New("this database is sealed: name its master key")

// purposes of data keys.
const (
	forData  = "data"
	forIndex = "index"
)

type keeping struct {
	mu     sync.Mutex
	master keys.Master
	index  []byte
}

// KeyInfo is one data key as the operator sees it.
type KeyInfo struct {
	ID        int64          `json:"id"`
	Purpose   string         `json:"purpose"` // data, index
	Algorithm keys.Algorithm `json:"algorithm"`
	Created   time.Time      `json:"created"`
	Retired   *time.Time     `json:"retired,omitempty"` // seals nothing new since
	Master    string         `json:"master"`            // that wraps it
	Bytes     int64          `json:"bytes"`             // sealed so far
	Times     int64          `json:"times"`
	Bodies    int64          `json:"bodies"` // versions that need it

	wrapped []byte
}

func aboutKey(id int64, purpose string) []byte { return fmt.Appendf(nil, "xinglin/%s/%d", purpose, id) }

// keyRows are all data keys, oldest first.
func (tx *Tx) keyRows(ctx context.Context) (all []KeyInfo, err error) {
	err = tx.Query(ctx, "SELECT id, purpose, algorithm, created, retired, master, wrapped, bytes, times FROM data_key ORDER BY id", nil, func(scan func(...any) error) error {
		k := KeyInfo{}
		var created, retired int64
		var algorithm string
		if err := scan(&k.ID, &k.Purpose, &algorithm, &created, &retired, &k.Master, &k.wrapped, &k.Bytes, &k.Times); err != nil {
			return err
		}
		k.wrapped = append([]byte(nil), k.wrapped...)
		k.Algorithm, k.Created = keys.Algorithm(algorithm), time.UnixMicro(created).UTC()
		if retired != 0 {
			at := time.UnixMicro(retired).UTC()
			k.Retired = &at
		}
		all = append(all, k)
		return nil
	})
	return all, err
}

// openKeys unwraps the keys of a sealed database, or makes the first ones.
func (s *Store) openKeys(ctx context.Context) error {
	var have []KeyInfo
	var versions int64
	old := ""
	err := s.View(ctx, func(tx *Tx) (err error) {
		if have, err = tx.keyRows(ctx); err != nil {
			return err
		}
		if old, _, err = tx.Setting(ctx, "key"); err != nil {
			return err
		}
		_, err = tx.one(ctx, "SELECT count(*) FROM (SELECT 1 FROM version LIMIT 1) v", nil, &versions)
		return err
	})
	if err != nil {
		return err
	}
	o := s.opts.Sealing
	switch {
	case o == nil && len(have) > 0:
		return ErrSealed
	case o == nil, len(have) == 0 && versions > 0 && !o.Always:
		return nil
	}
	if s.keep.master, err = o.Master(ctx, len(have) == 0); err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	if len(have) == 0 {
		root := s.opts.Key
		if root == nil {
			if root, err = s.formerRoot(old); err != nil {
				return err
			}
		}
		if err := s.newKey(ctx, forIndex, root, 0); err != nil {
			return err
		}
	}
	take := func() error { return s.View(ctx, func(tx *Tx) error { return s.takeKeys(ctx, tx) }) }
	if err := take(); err != nil || s.ring.Now() != nil {
		return err
	}
	if err := s.newKey(ctx, forData, nil, 0); err != nil {
		return err
	}
	return take()
}

// formerRoot is the key of sealed parameters that stood in plain before; nil = none.
func (s *Store) formerRoot(kept string) ([]byte, error) {
	if s.dir != "" {
		text, err := os.ReadFile(filepath.Join(s.dir, keyName))
		switch {
		case err == nil:
			kept = string(text)
		case !errors.Is(err, os.ErrNotExist):
			return nil, err
		}
	}
	if kept == "" {
		return nil, nil
	}
	return hex.DecodeString(strings.TrimSpace(kept))
}

// forgetRoot removes the plain key once it is wrapped, and known to belong to this database.
func (s *Store) forgetRoot(ctx context.Context) error {
	if s.dir != "" {
		if err := os.Remove(filepath.Join(s.dir, keyName)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return s.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM setting WHERE key = 'key'")
		return err
	})
}

// newKey makes a data key. Where replaces is not the newest key of its purpose any more, another program was first, and nothing is made.
func (s *Store) newKey(ctx context.Context, purpose string, secret []byte, replaces int64) error {
	a := s.algorithm()
	if secret == nil {
		secret = keys.Random(a.Size())
		if purpose == forIndex {
			secret = keys.Random(32)
		}
	}
	name, err := s.keep.master.Name(ctx)
	if err != nil {
		return err
	}
	for range 10 {
		var next, newest, others int64
		err := s.View(ctx, func(tx *Tx) error {
			_, err := tx.one(ctx, "SELECT coalesce(max(id), 0) + 1, coalesce(max(CASE WHEN purpose = ? THEN id END), 0), count(CASE WHEN master <> ? THEN 1 END) FROM data_key", []any{purpose, name}, &next, &newest, &others)
			return err
		})
		if err != nil || newest != replaces {
			return err
		}
		if others > 0 { // a key of ours beside them could not be unwrapped together with them
			return fmt.Errorf("the data keys are wrapped by another master key now: start again with that one: %w", keys.ErrNoMaster)
		}
		wrapped, err := s.keep.master.Wrap(ctx, secret, aboutKey(next, purpose)) // outside the unit: it may ask over the network
		if err != nil {
			return err
		}
		err = s.Update(ctx, func(tx *Tx) error {
			if err := tx.Lock(ctx, "store/keys"); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE data_key SET retired = ? WHERE purpose = ? AND retired = 0", tx.now.UnixMicro(), purpose); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO data_key (id, purpose, algorithm, created, retired, master, wrapped, bytes, times) VALUES (?, ?, ?, ?, 0, ?, ?, 0, 0)",
				next, purpose, string(a), tx.now.UnixMicro(), name, wrapped)
			return err
		})
		if !errors.Is(err, ErrExists) {
			return err
		}
	}
	return errors.New("too many programs make keys at once")
}

func (s *Store) algorithm() keys.Algorithm {
	if s.opts.Sealing.Algorithm != "" {
		return s.opts.Sealing.Algorithm
	}
	if k := s.ring.Now(); k != nil {
		return k.Algorithm
	}
	return keys.AES
}

// takeKeys unwraps the keys that are not on the ring yet, and seals under the newest.
func (s *Store) takeKeys(ctx context.Context, tx *Tx) error {
	all, err := tx.keyRows(ctx)
	if err != nil {
		return err
	}
	if len(all) > 0 && s.opts.Sealing == nil {
		return ErrSealed
	}
	s.keep.mu.Lock()
	defer s.keep.mu.Unlock()
	if s.keep.master == nil && len(all) > 0 { // another program has begun to seal
		if s.keep.master, err = s.opts.Sealing.Master(ctx, false); err != nil {
			return fmt.Errorf("master key: %w", err)
		}
	}
	newest := int64(0)
	for i := range all {
		k := &all[i]
		if k.Purpose == forIndex && s.keep.index == nil || k.Purpose == forData && s.ring.Key(k.ID) == nil {
			if err := s.unwrap(ctx, k); err != nil {
				return err
			}
		}
		if k.Purpose == forData && k.Retired == nil {
			newest = k.ID
		}
	}
	s.ring.Use(newest)
	return nil
}

func (s *Store) unwrap(ctx context.Context, k *KeyInfo) error {
	secret, err := s.keep.master.Unwrap(ctx, k.wrapped, aboutKey(k.ID, k.Purpose))
	if err != nil {
		if name, other := s.keep.master.Name(ctx); other == nil && name != k.Master {
			return fmt.Errorf("key %d is wrapped by the master key %s; the one named is %s: %w", k.ID, k.Master, name, keys.ErrNoMaster)
		}
		return fmt.Errorf("key %d, wrapped by the master key %s: %w", k.ID, k.Master, err)
	}
	if k.Purpose == forIndex {
		s.keep.index = secret
		return nil
	}
	key, err := keys.NewKey(k.ID, k.Algorithm, secret)
	if err == nil {
		s.ring.Add(key)
	}
	return err
}

// Ring seals what other rooms keep outside the database; without a key it passes everything on.
func (s *Store) Ring() *keys.Ring { return &s.ring }

// Sealed tells whether new bodies are sealed, and by which algorithm.
func (s *Store) Sealed() (keys.Algorithm, bool) {
	if k := s.ring.Now(); k != nil {
		return k.Algorithm, true
	}
	return "", false
}

// Mask is a name of something that must not be readable in a room's own tables: the same for the same text, told apart by family.
func (s *Store) Mask(family, text string) string {
	return hex.EncodeToString(s.seal.mac("mask/"+family, text))
}

// Keys lists the data keys, oldest first.
func (s *Store) Keys(ctx context.Context) (all []KeyInfo, err error) {
	if err := s.noteSpent(ctx); err != nil {
		return nil, err
	}
	err = s.View(ctx, func(tx *Tx) error {
		if all, err = tx.keyRows(ctx); err != nil {
			return err
		}
		for i := range all {
			if all[i].Purpose == forData {
				if _, err := tx.one(ctx, "SELECT count(*) FROM version WHERE key = ?", []any{all[i].ID}, &all[i].Bodies); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return all, err
}

// KeyProbe is one wrapped key, by which a restore finds out whether it has the right master key.
type KeyProbe struct {
	Master  string `json:"master"`
	Wrapped []byte `json:"wrapped"`
	About   []byte `json:"about"`
}

// Probe is nil when the database is not sealed.
func (s *Store) Probe(ctx context.Context) (p *KeyProbe, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		all, err := tx.keyRows(ctx)
		if err == nil && len(all) > 0 {
			k := all[len(all)-1]
			p = &KeyProbe{Master: k.Master, Wrapped: k.wrapped, About: aboutKey(k.ID, k.Purpose)}
		}
		return err
	})
	return p, err
}

// Unsealed counts the bodies that lie in plain.
func (s *Store) Unsealed(ctx context.Context) (n int64, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		_, err := tx.one(ctx, "SELECT count(*) FROM version WHERE key = 0 AND body IS NOT NULL", nil, &n)
		return err
	})
	return n, err
}

var errNotSealed = errors.New("store: this database is not sealed")

// RotateKey has new bodies sealed under a new data key; the old ones stay for reading.
func (s *Store) RotateKey(ctx context.Context) error {
	now := s.ring.Now()
	if now == nil {
		return errNotSealed
	}
	if err := s.newKey(ctx, forData, nil, now.ID); err != nil {
		return fmt.Errorf("store: new key: %w", err)
	}
	return s.View(ctx, func(tx *Tx) error { return s.takeKeys(ctx, tx) })
}

// Rewrap has all data keys wrapped by another master key; nothing that they seal changes.
func (s *Store) Rewrap(ctx context.Context, to keys.Master) error {
	if s.ring.Now() == nil {
		return errNotSealed
	}
	name, err := to.Name(ctx)
	if err != nil {
		return fmt.Errorf("store: rewrap: %w", err)
	}
	var all []KeyInfo
	if err := s.View(ctx, func(tx *Tx) error { all, err = tx.keyRows(ctx); return err }); err != nil {
		return fmt.Errorf("store: rewrap: %w", err)
	}
	for i := range all {
		k := &all[i]
		about := aboutKey(k.ID, k.Purpose)
		secret, err := s.keep.master.Unwrap(ctx, k.wrapped, about)
		if err == nil {
			k.wrapped, err = to.Wrap(ctx, secret, about)
		}
		if err == nil { // nothing is written that could not be read again
			var again []byte
			if again, err = to.Unwrap(ctx, k.wrapped, about); err == nil && string(again) != string(secret) {
				err = errors.New("the new master key does not give back what it wrapped")
			}
		}
		if err != nil {
			return fmt.Errorf("store: rewrap key %d: %w", k.ID, err)
		}
	}
	err = s.Update(ctx, func(tx *Tx) error {
		if err := tx.Lock(ctx, "store/keys"); err != nil {
			return err
		}
		var n int64
		if _, err := tx.one(ctx, "SELECT count(*) FROM data_key", nil, &n); err != nil {
			return err
		}
		if int(n) != len(all) {
			return errors.New("a key was made meanwhile: run it again")
		}
		for _, k := range all {
			if _, err := tx.Exec(ctx, "UPDATE data_key SET wrapped = ?, master = ? WHERE id = ?", k.wrapped, name, k.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: rewrap: %w", err)
	}
	s.keep.mu.Lock()
	s.keep.master = to
	s.keep.mu.Unlock()
	return nil
}

// noteSpent adds what this process has sealed to the counts of the keys.
func (s *Store) noteSpent(ctx context.Context) error {
	type spent struct {
		k            *keys.Key
		bytes, times int64
	}
	var all []spent
	s.ring.Each(func(k *keys.Key) {
		if bytes, times := k.Spent(); times > 0 || bytes > 0 {
			all = append(all, spent{k, bytes, times})
		}
	})
	if len(all) == 0 {
		return nil
	}
	err := s.Update(ctx, func(tx *Tx) error {
		for _, x := range all {
			if _, err := tx.Exec(ctx, "UPDATE data_key SET bytes = bytes + ?, times = times + ? WHERE id = ?", x.bytes, x.times, x.k.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, x := range all {
			x.k.Unspent(x.bytes, x.times)
		}
	}
	return err
}

// TendKeys notes what was sealed, takes keys that other programs made, and makes a new one when the time or the amount
// of the old is up. While the master key is not to be had, the old one goes on and the error says so.
func (s *Store) TendKeys(ctx context.Context) error {
	if s.opts.Sealing == nil {
		return nil
	}
	if err := s.noteSpent(ctx); err != nil {
		return err
	}
	if err := s.View(ctx, func(tx *Tx) error { return s.takeKeys(ctx, tx) }); err != nil {
		return err
	}
	now := s.ring.Now()
	if now == nil {
		return nil
	}
	var created, bytes, times int64
	err := s.View(ctx, func(tx *Tx) error {
		_, err := tx.one(ctx, "SELECT created, bytes, times FROM data_key WHERE id = ?", []any{now.ID}, &created, &bytes, &times)
		return err
	})
	if err != nil {
		return err
	}
	age, most := s.opts.Sealing.Every, s.opts.Sealing.Bytes
	if age == 0 {
		age = keyAge
	}
	if most == 0 {
		most = keyBytes
	}
	if a := s.opts.Sealing.Algorithm; s.clock.Now().Sub(time.UnixMicro(created)) < age && bytes < most && times < keyTimes && (a == "" || a == now.Algorithm) {
		return nil
	}
	return s.RotateKey(ctx)
}

const resealSetting = "reseal"

// Reencrypt seals everything under the data key of now, a few hundred bodies a unit, while the store serves. It goes on where it
// was left; done and total count versions.
func (s *Store) Reencrypt(ctx context.Context, progress func(done, total int64)) error {
	if s.ring.Now() == nil {
		return errNotSealed
	}
	var last, total, from int64
	err := s.View(ctx, func(tx *Tx) error {
		if _, err := tx.one(ctx, "SELECT coalesce(max(seq), 0), count(*) FROM version", nil, &last, &total); err != nil {
			return err
		}
		text, _, err := tx.Setting(ctx, resealSetting)
		var key, at int64
		if n, _ := fmt.Sscanf(text, "%d:%d", &key, &at); n == 2 && key == s.ring.Now().ID {
			from = at
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("store: reencrypt: %w", err)
	}
	done := int64(0)
	for from < last {
		if err := ctx.Err(); err != nil {
			return err
		}
		seen := 0
		next := from
		err := s.Update(ctx, func(tx *Tx) (err error) {
			seen, next, err = tx.reseal(ctx, from)
			return err
		})
		if err != nil {
			return fmt.Errorf("store: reencrypt: %w", err)
		}
		if seen == 0 {
			break
		}
		from, done = next, done+int64(seen)
		if progress != nil {
			progress(min(done, total), total)
		}
	}
	return s.noteSpent(ctx)
}

const resealBatch = 300

func (tx *Tx) reseal(ctx context.Context, after int64) (seen int, last int64, err error) {
	type body struct {
		seq, rid, vid, key int64
		codec              int
		text               []byte
	}
	var batch []body
	now := tx.s.ring.Now()
	err = tx.Query(ctx, "SELECT seq, rid, vid, key, codec, CASE WHEN key = ? THEN NULL ELSE body END FROM version WHERE seq > ? ORDER BY seq LIMIT ?",
		[]any{now.ID, after, resealBatch}, func(scan func(...any) error) error {
			var b body
			if err := scan(&b.seq, &b.rid, &b.vid, &b.key, &b.codec, &b.text); err != nil {
				return err
			}
			b.text = append([]byte(nil), b.text...)
			batch = append(batch, b)
			return nil
		})
	if err != nil {
		return 0, after, err
	}
	for _, b := range batch {
		last = b.seq
		if b.key == now.ID || len(b.text) == 0 {
			continue
		}
		packed := b.text
		if b.key != 0 {
			// the codec stays: only what lies over it changes
			if packed, err = tx.openBody(ctx, b.text, codecPlain, b.key, b.rid, b.vid); err != nil {
				return 0, after, fmt.Errorf("version %d: %w", b.seq, err)
			}
		}
		if err := tx.Queue(ctx, "UPDATE version SET body = ?, key = ? WHERE seq = ? AND key = ?", now.Seal(packed, place(b.rid, b.vid)), now.ID, b.seq, b.key); err != nil {
			return 0, after, err
		}
	}
	if len(batch) > 0 {
		err = tx.SetSetting(ctx, resealSetting, fmt.Sprintf("%d:%d", now.ID, last))
	}
	return len(batch), last, err
}
