package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// links is the name under which the events of persons are followed: a link changes no Patient, so the log does not have it.
const links = "subscription-links"

// onLink is the letter of topics that tell of links.
const onLink = "l"

// linked are the live subscriptions to links.
func (e *Engine) linked() (subs []*live) {
	for _, l := range e.live["Patient"] {
		if l.topic != nil && l.topic.On == onLink && l.err == nil {
			subs = append(subs, l)
		}
	}
	return subs
}

// followLinks queues what was linked and unlinked for those who see the record and another one of the same person: nobody
// hears that there is a record which he may not see.
func (e *Engine) followLinks(ctx context.Context) (more bool, err error) {
	e.following.Lock()
	defer e.following.Unlock()
	s := step{e: e}
	var list []event.Event
	if err := event.Sequence(ctx, e.store); err != nil {
		return false, fmt.Errorf("subscription: links: %w", err)
	}
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		s, list = step{e: e, tx: tx}, nil
		if err = e.reload(ctx, tx); err != nil || len(e.linked()) == 0 {
			return err
		}
		if s.from, err = tx.Horizon(ctx, links); err != nil {
			return err
		}
		s.to = s.from
		if list, err = event.After(ctx, tx, "", s.from, atOnce); err != nil || len(list) == 0 {
			return err
		}
		s.to = list[len(list)-1].Seq
		return s.lookAtLinks(ctx, list)
	})
	if err != nil {
		return false, fmt.Errorf("subscription: links: %w", err)
	}
	if s.to == s.from {
		return false, nil
	}
	told := false
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		told = false
		if err := tx.Lock(ctx, links); err != nil {
			return err
		}
		from, err := tx.Horizon(ctx, links)
		if err != nil {
			return err
		}
		if from != s.from {
			return errMoved
		}
		for _, f := range s.found {
			if err := e.enqueue(ctx, tx, f); err != nil {
				return err
			}
			told = true
		}
		return tx.SetHorizon(ctx, links, s.to)
	})
	if errors.Is(err, errMoved) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("subscription: links: %w", err)
	}
	if told {
		e.wakeDeliver()
	}
	return len(list) == atOnce, nil
}

func (s *step) lookAtLinks(ctx context.Context, list []event.Event) error {
	with := map[string][]string{} // Person/… → patients of his, now or until just now
	var mine []event.Event
	var ids []string
	for _, ev := range list {
		if (ev.Kind == "person.linked" || ev.Kind == "person.unlinked") && strings.HasPrefix(ev.Focus, "Person/") && ev.Patient != "" {
			mine = append(mine, ev)
			with[ev.Focus] = append(with[ev.Focus], ev.Patient)
			ids = append(ids, strings.TrimPrefix(ev.Patient, "Patient/"))
		}
	}
	if len(mine) == 0 {
		return nil
	}
	for person := range with {
		var id int64
		if n, _ := fmt.Sscanf(person, "Person/%d", &id); n != 1 {
			continue
		}
		members, err := s.tx.Members(ctx, id)
		if err != nil {
			return err
		}
		for _, m := range members {
			with[person] = append(with[person], m.Patient)
		}
	}
	slices.Sort(ids)
	now, err := s.tx.ReadMany(ctx, search.Everything, "Patient", slices.Compact(ids))
	if err != nil {
		return err
	}
	for _, sub := range s.e.linked() {
		if !sub.started {
			continue
		}
		caller, err := s.e.standing(ctx, sub.Owner)
		if err != nil || caller == nil {
			if err != nil {
				return err
			}
			continue
		}
		meet, err := s.current(ctx, sub, caller.Scope, ids)
		if err != nil {
			return err
		}
		var others []string
		for _, list := range with {
			for _, p := range list {
				others = append(others, strings.TrimPrefix(p, "Patient/"))
			}
		}
		seen, err := s.tx.Sees(ctx, caller.Scope, "Patient", others)
		if err != nil {
			return err
		}
		f := found{sub: sub}
		for _, ev := range mine {
			id := strings.TrimPrefix(ev.Patient, "Patient/")
			v, stands := now[id]
			other := slices.ContainsFunc(with[ev.Focus], func(p string) bool { return p != ev.Patient && seen[strings.TrimPrefix(p, "Patient/")] })
			if !stands || !meet[id] || !other || ev.At.Before(sub.Created) {
				continue
			}
			f.events = append(f.events, store.Logged{Type: "Patient", ID: id, VID: v.VID, Seq: v.Seq, Op: store.Update, Updated: ev.At, Current: true})
		}
		if len(f.events) > 0 {
			s.found = append(s.found, f)
		}
	}
	return nil
}
