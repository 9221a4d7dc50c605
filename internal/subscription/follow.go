package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// horizon is the name of this consumer of the log.
const horizon = "subscription"

// atOnce is how many versions of the log are looked at in one step, askedAtOnce how many ids one search asks for.
const (
	atOnce      = 1000
	askedAtOnce = 60
)

// live is one subscription as the follower keeps it between steps.
type live struct {
	Row
	where []search.Clause
	sieve sieve
	topic *Topic
	err   error // criteria that could be read when they came and cannot now
}

// livelyRows are those that may get events: active, about to be, or failed but not stopped.
const livelyRows = `WHERE status = 'active' OR started = 1 AND status <> 'off'`

// reload reads the subscriptions again when one has changed.
func (e *Engine) reload(ctx context.Context, tx *store.Tx) error {
	var generation int64
	if err := tx.Query(ctx, `SELECT generation FROM subscription_head WHERE id = 1`, nil, func(scan func(...any) error) error { return scan(&generation) }); err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	if generation == e.generation {
		return nil
	}
	list, err := rows(ctx, tx, livelyRows)
	if err != nil {
		return err
	}
	e.live = map[string][]*live{}
	types := map[string]bool{}
	for _, r := range list {
		l := &live{Row: r}
		if l.where, l.err = e.where(r.Def.Type, r.Def.Query); l.err == nil {
			l.sieve = sieveOf(r.Def.Type, l.where)
		}
		if r.Def.Topic != "" {
			l.topic, _ = topicOf(r.Def.Topic)
		}
		e.live[r.Def.Type] = append(e.live[r.Def.Type], l)
		types[r.Def.Type] = true
	}
	e.types.Store(&types)
	e.generation = generation
	return nil
}

var errMoved = errors.New("another process has followed the log")

// Follow looks at the next part of the log and queues what was subscribed to; more says that there is more to do.
// What it queues is committed with its horizon. One goroutine at a time.
func (e *Engine) Follow(ctx context.Context) (more bool, err error) {
	e.following.Lock()
	defer e.following.Unlock()
	var s step
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		s = step{e: e, tx: tx, callers: map[Owner]*access.Caller{}}
		if err = e.reload(ctx, tx); err != nil {
			return err
		}
		if s.from, err = tx.Horizon(ctx, horizon); err != nil {
			return err
		}
		if len(e.live) == 0 {
			s.to, err = tx.Head(ctx)
			return err
		}
		return s.look(ctx)
	})
	if err != nil {
		return false, fmt.Errorf("subscription: follow: %w", err)
	}
	for _, sub := range s.unable {
		if sub.Status == Failed {
			continue
		}
		if err := e.giveUp(ctx, sub.Row, clip("the criteria cannot be decided: "+sub.err.Error())); err != nil {
			return false, err
		}
	}
	if s.to == s.from {
		return false, nil
	}
	told := false
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		told = false
		if err := tx.Lock(ctx, horizon); err != nil {
			return err
		}
		from, err := tx.Horizon(ctx, horizon)
		if err != nil {
			return err
		}
		if from != s.from {
			return errMoved
		}
		if len(e.live) == 0 { // nobody may have begun meanwhile, or his beginning would be passed over
			begun := 0
			err := tx.Query(ctx, `SELECT count(*) FROM subscription_state `+livelyRows, nil, func(scan func(...any) error) error { return scan(&begun) })
			if err != nil || begun > 0 {
				return errors.Join(err, errMoved)
			}
		}
		for _, f := range s.found {
			if err := e.enqueue(ctx, tx, f); err != nil {
				return err
			}
			told = told || len(f.events) > 0
		}
		return tx.SetHorizon(ctx, horizon, s.to)
	})
	if errors.Is(err, errMoved) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("subscription: follow: %w", err)
	}
	e.Counts.Followed.Add(int64(len(s.entries)))
	if told {
		e.wakeDeliver()
	}
	return len(s.entries) == atOnce, nil
}

// step is one look at the log.
type step struct {
	e        *Engine
	tx       *store.Tx
	from, to int64
	entries  []store.Logged
	callers  map[Owner]*access.Caller
	bodies   map[*store.Logged][2]*version  // before and after, of types that topics watch
	fresh    map[string]map[string]*version // current versions by type and id, of types that somebody's sieve looks at
	found    []found
	unable   []*live // whose criteria the search engine refuses
}

// found is what a step has for one subscription.
type found struct {
	sub    *live
	begins bool // its activation was seen in this step
	events []store.Logged
}

func (s *step) look(ctx context.Context) error {
	s.to = s.from
	err := s.tx.Heads(ctx, s.from, atOnce, func(l store.Logged) error {
		s.entries = append(s.entries, l)
		s.to = l.Seq
		return nil
	})
	if err != nil || len(s.entries) == 0 {
		return err
	}
	begun := map[string]int{}
	byType := map[string][]int{}
	for i := range s.entries {
		l := &s.entries[i]
		if l.Type == "Subscription" {
			begun[fmt.Sprint(l.ID, "/", l.VID)] = i
		} else if s.e.live[l.Type] != nil {
			byType[l.Type] = append(byType[l.Type], i)
		}
	}
	for typ, subs := range s.e.live {
		for _, sub := range subs {
			f := found{sub: sub}
			after := -1
			if !sub.started {
				at, ok := begun[fmt.Sprint(sub.ID, "/", sub.activeVID)]
				if !ok {
					continue
				}
				f.begins, after = true, at
			}
			var mine []*store.Logged
			for _, i := range byType[typ] {
				if i > after {
					mine = append(mine, &s.entries[i])
				}
			}
			if len(mine) > 0 && sub.err == nil {
				f.events, err = s.match(ctx, sub, mine)
				var unable *fhir.Error
				if errors.As(err, &unable) { // one that cannot be asked holds up no other
					s.unable = append(s.unable, sub)
					sub.err, f.events, err = err, nil, nil
				}
				if err != nil {
					return err
				}
			}
			if f.begins || len(f.events) > 0 {
				s.found = append(s.found, f)
			}
		}
	}
	return nil
}

// caller is the account that a subscription acts for, as of now; nil when it is not in force.
func (s *step) caller(ctx context.Context, o Owner) (c *access.Caller, err error) {
	c, known := s.callers[o]
	if !known {
		c, err = s.e.standing(ctx, o)
		s.callers[o] = c
	}
	return c, err
}

// match returns those of the entries, all of one type, that a subscription is to be told of.
func (s *step) match(ctx context.Context, sub *live, entries []*store.Logged) ([]store.Logged, error) {
	caller, err := s.caller(ctx, sub.Owner)
	if err != nil || caller == nil {
		return nil, err
	}
	scope := caller.Scope
	if sub.topic != nil {
		var raised []*store.Logged
		for _, l := range entries {
			pair, err := s.versions(ctx, l)
			if err != nil {
				return nil, err
			}
			if sub.topic.raises(pair[0], pair[1], s.tx.Now()) {
				raised = append(raised, l)
			}
		}
		entries = raised
	}
	var fresh map[string]*version
	if len(sub.sieve) > 0 && len(entries) > 0 {
		if fresh, err = s.freshOf(ctx, sub.Def.Type); err != nil {
			return nil, err
		}
	}
	asked := map[string]bool{}
	var ids []string
	for _, l := range entries {
		if v := fresh[l.ID]; v != nil && !sub.sieve.passes(v) {
			continue
		}
		if l.Op != store.Delete && !asked[l.ID] {
			asked[l.ID] = true
			ids = append(ids, l.ID)
		}
	}
	now, err := s.current(ctx, sub, scope, ids)
	if err != nil {
		return nil, err
	}
	var out []store.Logged
	for _, l := range entries {
		hit := false
		switch {
		case l.Op == store.Delete:
			hit, err = s.deleted(ctx, sub, scope, l)
		case l.Current:
			hit = now[l.ID]
		default:
			hit, err = s.overtaken(ctx, sub, scope, l, now[l.ID])
		}
		if err != nil {
			return nil, err
		}
		if hit {
			out = append(out, *l)
		}
	}
	return out, nil
}

// current asks the search engine which of the ids meet the criteria now, in the scope of the subscriber.
func (s *step) current(ctx context.Context, sub *live, scope search.Scope, ids []string) (map[string]bool, error) {
	hits := map[string]bool{}
	for some := range slices.Chunk(ids, askedAtOnce) {
		if len(sub.where) == 0 {
			seen, err := s.tx.Sees(ctx, scope, sub.Def.Type, some)
			if err != nil {
				return nil, err
			}
			for id := range seen {
				hits[id] = true
			}
			continue
		}
		among := search.Clause{Special: "_id"}
		for _, id := range some {
			among.Values = append(among.Values, search.Value{Raw: id, Text: id})
		}
		page, err := s.tx.Search(ctx, search.Query{Type: sub.Def.Type, Where: append([]search.Clause{among}, sub.where...), Count: len(some), Scope: scope})
		if err != nil {
			return nil, err
		}
		for _, v := range page.Matches {
			hits[v.ID] = true
		}
	}
	return hits, nil
}

// freshOf reads the current versions of what this step has of a type, once for all subscriptions.
func (s *step) freshOf(ctx context.Context, typ string) (map[string]*version, error) {
	if known, ok := s.fresh[typ]; ok {
		return known, nil
	}
	var ids []string
	for i := range s.entries {
		if l := &s.entries[i]; l.Type == typ && l.Op != store.Delete {
			ids = append(ids, l.ID)
		}
	}
	slices.Sort(ids)
	found, err := s.tx.ReadMany(ctx, search.Everything, typ, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	fresh := make(map[string]*version, len(found))
	for id, v := range found {
		if fresh[id], err = versionOf(v, s.e.o.Zone); err != nil {
			return nil, err
		}
	}
	if s.fresh == nil {
		s.fresh = map[string]map[string]*version{}
	}
	s.fresh[typ] = fresh
	return fresh, nil
}

// overtaken decides a version that is not the current one any more by its own content; what only the search engine
// can decide is decided by the current one.
func (s *step) overtaken(ctx context.Context, sub *live, scope search.Scope, l *store.Logged, current bool) (bool, error) {
	v, err := s.tx.ReadVersion(ctx, scope, l.Type, l.ID, l.VID)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	then, err := versionOf(v, s.e.o.Zone)
	if err != nil {
		return false, err
	}
	ok, known := then.Meets(sub.where, s.tx.Now())
	if !known {
		return current, nil
	}
	return ok, nil
}

// deleted: plain criteria tell of no delete; a topic may, and then the last version decides.
func (s *step) deleted(ctx context.Context, sub *live, scope search.Scope, l *store.Logged) (bool, error) {
	if sub.topic == nil || l.VID < 2 {
		return false, nil
	}
	v, err := s.tx.ReadVersion(ctx, scope, l.Type, l.ID, l.VID-1)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	last, err := versionOf(v, s.e.o.Zone)
	if err != nil {
		return false, err
	}
	ok, known := last.Meets(sub.where, s.tx.Now())
	return ok && known, nil
}

// versions reads what a topic compares: the version before (nil on creation) and this one (nil on delete).
func (s *step) versions(ctx context.Context, l *store.Logged) (pair [2]*version, err error) {
	if pair, ok := s.bodies[l]; ok {
		return pair, nil
	}
	for i, vid := range [2]int64{l.VID - 1, l.VID} {
		if vid == 0 || i == 1 && l.Op == store.Delete {
			continue
		}
		v, err := s.tx.ReadVersion(ctx, search.Everything, l.Type, l.ID, vid)
		if errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			pair[i], err = versionOf(v, s.e.o.Zone)
		}
		if err != nil {
			return pair, err
		}
	}
	if s.bodies == nil {
		s.bodies = map[*store.Logged][2]*version{}
	}
	s.bodies[l] = pair
	return pair, nil
}

// enqueue numbers and keeps the events of one subscription. When too many wait already, the rest is counted as
// missed: the numbers show the gap.
func (e *Engine) enqueue(ctx context.Context, tx *store.Tx, f found) error {
	if f.begins {
		if _, err := tx.Exec(ctx, `UPDATE subscription_state SET started = 1 WHERE id = ? AND active_vid = ?`, f.sub.ID, f.sub.activeVID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE subscription_head SET generation = generation + 1 WHERE id = 1`); err != nil {
			return err
		}
	}
	if len(f.events) == 0 {
		return nil
	}
	n, err := tx.Exec(ctx, `UPDATE subscription_state SET last = last + ? WHERE id = ? AND status <> 'off' AND started = 1`, len(f.events), f.sub.ID)
	if err != nil || n == 0 {
		return err // deleted or stopped meanwhile
	}
	var last, kept int64
	failed := false
	err = tx.Query(ctx, `SELECT last, status = 'error', (SELECT count(*) FROM subscription_event e WHERE e.sub = s.id AND e.state IN (0, 2)) FROM subscription_state s WHERE s.id = ?`,
		[]any{f.sub.ID}, func(scan func(...any) error) error { return scan(&last, &failed, &kept) })
	if err != nil {
		return err
	}
	state := waiting
	if failed {
		state = dead
	}
	number, missed := last-int64(len(f.events)), 0
	now := micros(tx.Now())
	for _, l := range f.events {
		number++
		if kept++; kept > int64(e.o.Keep) {
			missed++
			continue
		}
		err := tx.Queue(ctx, `INSERT INTO subscription_event (sub, number, type, rid, vid, op, at, state, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			f.sub.ID, number, l.Type, l.ID, l.VID, int(l.Op), micros(l.Updated), state, now)
		if err != nil {
			return err
		}
	}
	tx.AfterCommit(func() {
		e.Counts.Events.Add(int64(len(f.events) - missed))
		e.Counts.Missed.Add(int64(missed))
	})
	if missed > 0 {
		_, err = tx.Exec(ctx, `UPDATE subscription_state SET missed = missed + ? WHERE id = ?`, missed, f.sub.ID)
	}
	return err
}

// standing is the account that a subscription acts for, as of now; nil when it is not in force any more.
func (e *Engine) standing(ctx context.Context, o Owner) (*access.Caller, error) {
	c, err := e.o.Standing(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("subscription: account: %w", err)
	}
	return c, nil
}

// breathe lets a moment pass, so that many writes are one look and one commit.
func breathe(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}

// followForever follows the log until ctx ends: when woken, and every second for what other processes write.
func (e *Engine) followForever(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for {
			more, err := e.Follow(ctx)
			if err != nil {
				return err
			}
			if !more || ctx.Err() != nil {
				break
			}
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = e.followLinks(ctx); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.follow:
			breathe(ctx)
		case <-tick.C:
		}
	}
}
