package store

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// cache keeps current versions as they are shown, up to a number of bytes. It never decides who may see
// one. A version leaves when a unit begins to replace it and comes back when somebody reads the new one.
type cache struct {
	seed   maphash.Seed
	parts  [cacheParts]cachePart
	hits   atomic.Int64
	misses atomic.Int64
}

const (
	cacheParts   = 16
	cacheLargest = 256 << 10 // a longer body is not kept
	// Commands that run beside the server link records, too: it learns of that within this time.
	cacheLinks = 10 * time.Second
)

type cachePart struct {
	sync.Mutex
	limit   int
	bytes   int
	entries map[ident]*cached
	first   *cached       // used last
	last    *cached       // goes next
	writing map[ident]int // being replaced: neither shown nor kept
	writes  uint64        // replacements that have ended
}

type cached struct {
	key          ident
	rid          int64
	v            Version
	asked        time.Time // machine's: when it was looked up whether a Patient is linked
	newer, older *cached
}

func (e *cached) size() int { return len(e.v.JSON) + 400 }

func (c *cache) init(limit int64) {
	c.seed = maphash.MakeSeed()
	for i := range c.parts {
		c.parts[i].limit = int(limit / cacheParts)
		c.parts[i].entries, c.parts[i].writing = map[ident]*cached{}, map[ident]int{}
	}
}

func (c *cache) part(key ident) *cachePart {
	return &c.parts[maphash.String(c.seed, key.id)%cacheParts]
}

// get returns what is kept, and the mark that put wants if there is nothing; sure says that a Patient's Linked is not old.
func (c *cache) get(key ident) (v Version, rid int64, ok, sure bool, mark uint64) {
	p := c.part(key)
	p.Lock()
	defer p.Unlock()
	e := p.entries[key]
	if e == nil || p.writing[key] > 0 {
		c.misses.Add(1)
		return Version{}, 0, false, false, p.writes
	}
	c.hits.Add(1)
	p.unlink(e)
	p.link(e)
	return e.v, e.rid, true, key.typ != patientType || time.Since(e.asked) < cacheLinks, p.writes
}

// learn keeps whether a Patient is linked, asked just now, unless something was written since get gave mark.
func (c *cache) learn(key ident, linked bool, mark uint64) {
	p := c.part(key)
	p.Lock()
	defer p.Unlock()
	if e := p.entries[key]; e != nil && p.writes == mark && p.writing[key] == 0 {
		e.v.Linked, e.asked = linked, time.Now()
	}
}

// put keeps a version that was read after get had given mark, unless something was written since.
func (c *cache) put(key ident, v Version, rid int64, mark uint64) {
	p := c.part(key)
	p.Lock()
	defer p.Unlock()
	if p.writes != mark || p.writing[key] > 0 || len(v.JSON) > min(cacheLargest, p.limit/4) {
		return
	}
	p.remove(key)
	e := &cached{key: ident{key.typ, strings.Clone(key.id)}, v: v, rid: rid, asked: time.Now()}
	p.entries[e.key] = e
	p.bytes += e.size()
	p.link(e)
	for p.bytes > p.limit {
		p.remove(p.last.key)
	}
}

// replace forgets a version that is about to be replaced; nothing is kept of it until end.
func (c *cache) replace(key ident) {
	p := c.part(key)
	p.Lock()
	defer p.Unlock()
	p.remove(key)
	p.writing[key]++
}

// end says that replacements have ended, well or not.
func (c *cache) end(keys map[ident]bool) {
	for key := range keys {
		p := c.part(key)
		p.Lock()
		p.writes++
		if p.writing[key]--; p.writing[key] == 0 {
			delete(p.writing, key)
		}
		p.Unlock()
	}
}

func (p *cachePart) remove(key ident) {
	if e := p.entries[key]; e != nil {
		p.unlink(e)
		p.bytes -= e.size()
		delete(p.entries, key)
	}
}

func (p *cachePart) unlink(e *cached) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		p.first = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		p.last = e.newer
	}
}

func (p *cachePart) link(e *cached) {
	e.newer, e.older = nil, p.first
	if p.first != nil {
		p.first.newer = e
	} else {
		p.last = e
	}
	p.first = e
}

// Kept says how the memory of bodies does: reads that it answered, reads that it did not, bytes held.
func (s *Store) Kept() (hits, misses, bytes int64) {
	for i := range s.cache.parts {
		p := &s.cache.parts[i]
		p.Lock()
		bytes += int64(p.bytes)
		p.Unlock()
	}
	return s.cache.hits.Load(), s.cache.misses.Load(), bytes
}

// Read returns the current version as of now; ErrNotFound, ErrGone. Its JSON is shared: do not change it.
func (s *Store) Read(ctx context.Context, scope search.Scope, typ, id string) (Version, error) {
	key := ident{spec.TypeID(typ), id}
	kept, rid, ok, sure, mark := s.cache.get(key)
	if sure = sure && s.opts.Alone; ok && sure && scope.All && scope.Only == nil && (scope.Types == nil || slices.Contains(scope.Types, typ)) {
		return kept, nil
	}
	var v Version
	err := s.View(ctx, func(tx *Tx) (err error) {
		if ok {
			// Only whether it is still current and visible is asked.
			v = kept
			if ok, v.Linked, err = tx.stands(ctx, scope, key, rid, kept, sure); ok || err != nil {
				return err
			}
		}
		if v, rid, err = tx.readRID(ctx, scope, typ, id, 0); err == nil && typ == "Patient" {
			v.Linked, err = tx.one(ctx, "SELECT 1 FROM person_member WHERE patient = ? AND "+standing, []any{rid}, new(int64))
		}
		return err
	})
	if err != nil {
		return Version{}, err
	}
	if !ok {
		s.cache.put(key, v, rid, mark)
	} else if !sure && typ == "Patient" {
		s.cache.learn(key, v.Linked, mark)
	}
	return v, nil
}

// stands tells whether a version is the current one and visible, and whether a person has this record, which is asked
// unless what is kept is sure.
func (tx *Tx) stands(ctx context.Context, scope search.Scope, key ident, rid int64, kept Version, sure bool) (found, linked bool, err error) {
	see, err := tx.sight(ctx, scope)
	if err != nil || !see.reads(key.typ) {
		return false, false, err
	}
	q := &sql{}
	ask := key.typ == patientType && !sure
	if ask {
		q.add("SELECT EXISTS (SELECT 1 FROM person_member m WHERE m.patient = r.rid AND m." + standing + ")")
	} else {
		q.add("SELECT 0")
	}
	q.add(" FROM resource r WHERE r.rid = ? AND r.seq = ? AND r.deleted = 0", rid, kept.Seq)
	see.visible(q, "r", key.typ)
	found, err = tx.one(ctx, q.String(), q.args, &linked)
	if err != nil {
		return false, false, fmt.Errorf("store: %w", err)
	}
	return found, ask && linked || !ask && kept.Linked, nil
}

var patientType = spec.TypeID("Patient")

// replacing keeps readers from the version that this unit replaces, until the unit has ended.
func (tx *Tx) replacing(key ident) {
	if !tx.keys[key] {
		tx.s.cache.replace(key)
		tx.keys[key] = true
	}
}
