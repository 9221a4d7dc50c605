package registry

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Ahead is how long before its end a licence or role is warned of.
const Ahead = 7 * 24 * time.Hour

// Ending is a licence or a role that ends soon, or ended lately.
type Ending struct {
	What   string // "licence" or "role"
	Person string
	Code   string   // kind of the licence, code of the post or role
	Number string   // of the licence
	Role   string   // "PractitionerRole/…"
	Orgs   []string // where the person works now, or where the role is
	Until  time.Time
}

// Expiring lists what ends between since and until, the first to end first, at most 2,000.
func (r *Room) Expiring(ctx context.Context, tx *store.Tx, since, until time.Time) ([]Ending, error) {
	var list []Ending
	err := tx.Query(ctx, "SELECT person, kind, number, until FROM registry_licence WHERE until > ? AND until <= ? ORDER BY until, person LIMIT 2000", []any{since.UnixMicro(), until.UnixMicro()},
		func(scan func(...any) error) error {
			e := Ending{What: "licence"}
			var end int64
			err := scan(&e.Person, &e.Code, &e.Number, &end)
			e.Until = moment(end)
			list = append(list, e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("registry: expiring: %w", err)
	}
	now := tx.Now()
	places := map[string][]string{}
	for i := range list {
		e := &list[i]
		if _, known := places[e.Person]; !known {
			posts, err := r.PostsOf(ctx, tx, e.Person)
			if err != nil {
				return nil, err
			}
			places[e.Person] = nil
			for _, h := range posts {
				if h.Span.At(now) && !slices.Contains(places[e.Person], h.Org) {
					places[e.Person] = append(places[e.Person], h.Org)
				}
			}
		}
		e.Orgs = places[e.Person]
	}
	err = tx.Query(ctx, "SELECT role, code, person, org, until FROM registry_post WHERE until > ? AND until <= ? AND superseded = ? AND stands_for = '' ORDER BY until, role LIMIT 2000",
		[]any{since.UnixMicro(), until.UnixMicro(), int64(forever)}, func(scan func(...any) error) error {
			e := Ending{What: "role"}
			var org string
			var end int64
			err := scan(&e.Role, &e.Code, &e.Person, &org, &end)
			e.Orgs, e.Until = []string{org}, moment(end)
			list = append(list, e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("registry: expiring: %w", err)
	}
	slices.SortStableFunc(list, func(a, b Ending) int { return a.Until.Compare(b.Until) })
	return list[:min(len(list), 2000)], nil
}

// Warning is told once to the person and to the administrators of where he works.
type Warning struct {
	Ending
	Institutions []string
}

// Warn tells once of everything that ends within the week: tell runs in the transaction that remembers it.
func (r *Room) Warn(ctx context.Context, s *store.Store, tell func(context.Context, *store.Tx, Warning) error) (told int, err error) {
	var due []Ending
	err = s.View(ctx, func(tx *store.Tx) (err error) {
		now := tx.Now()
		list, err := r.Expiring(ctx, tx, now, now.Add(Ahead))
		if err != nil {
			return err
		}
		due = due[:0]
		for _, e := range list {
			known := false
			err := tx.Query(ctx, "SELECT at FROM registry_told WHERE key = ?", []any{e.key()}, func(scan func(...any) error) error { known = true; return nil })
			if err != nil {
				return err
			}
			if !known {
				due = append(due, e)
			}
		}
		return nil
	})
	for _, e := range due {
		if err != nil {
			break
		}
		err = s.Update(ctx, func(tx *store.Tx) error {
			n, err := tx.Exec(ctx, "INSERT INTO registry_told (key, at) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", e.key(), tx.Now().UnixMicro())
			if err != nil || n == 0 {
				return err
			}
			w := Warning{Ending: e}
			for _, org := range e.Orgs {
				if in := r.Tree.Institution(org); !slices.Contains(w.Institutions, in) {
					w.Institutions = append(w.Institutions, in)
				}
			}
			told++
			return tell(ctx, tx, w)
		})
	}
	if err != nil {
		return told, fmt.Errorf("registry: warn: %w", err)
	}
	return told, nil
}

func (e *Ending) key() string {
	return strings.Join([]string{e.What, e.Person, e.Role, e.Code, e.Number, strconv.FormatInt(e.Until.UnixMicro(), 10)}, "|")
}

// Member is somebody who works, or worked, at an organisation.
type Member struct {
	Person   string
	Posts    []Held
	Licences []Licence
}

// Staff lists who holds a post or role at one of the organisations, or held one, by person; at most limit people after
// the given one.
func (r *Room) Staff(ctx context.Context, tx *store.Tx, orgs []string, after string, limit int) (list []Member, err error) {
	in := strings.TrimSuffix(strings.Repeat("?, ", len(orgs)), ", ")
	args := []any{}
	for _, o := range orgs {
		args = append(args, o)
	}
	args = append(args, int64(forever), after, int64(limit))
	err = tx.Query(ctx, "SELECT DISTINCT person FROM registry_post WHERE org IN ("+in+") AND superseded = ? AND person > ? ORDER BY person LIMIT ?", args, func(scan func(...any) error) error {
		var m Member
		err := scan(&m.Person)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("registry: staff: %w", err)
	}
	for i := range list {
		if list[i].Posts, err = r.PostsOf(ctx, tx, list[i].Person); err != nil {
			return nil, err
		}
		if list[i].Licences, err = r.Licences(ctx, tx, list[i].Person); err != nil {
			return nil, err
		}
	}
	return list, nil
}
