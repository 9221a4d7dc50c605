package empi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/store"
)

// undone is a link that stands no more, until who read by it has been told.
type undone struct {
	id, at, since, person int64
	patient               string
	others                []string
}

// trailAtMost is how many entries of the trail one undone link is looked up in, for each record.
const trailAtMost = 5000

// tell looks into the trail for who opened records of both sides while a link stood, and tells him.
func (x *Index) tell(ctx context.Context) (more bool, err error) {
	var u *undone
	err = x.store.View(ctx, func(tx *store.Tx) error {
		u = nil
		return tx.Query(ctx, `SELECT id, at, since, person, patient, others FROM empi_undone ORDER BY id LIMIT 1`, nil, func(scan func(...any) error) error {
			u = &undone{}
			var others string
			err := scan(&u.id, &u.at, &u.since, &u.person, &u.patient, &others)
			u.others = strings.Fields(others)
			return err
		})
	})
	if err != nil || u == nil {
		return false, err
	}
	told, persons, err := x.readers(ctx, u)
	if err != nil {
		return false, fmt.Errorf("empi: tell: %w", err)
	}
	err = x.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, lock); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM empi_undone WHERE id = ?`, u.id)
		if err != nil || n == 0 {
			return err // another process was faster
		}
		for i, t := range told {
			id, err := number(ctx, tx, "told")
			if err != nil {
				return err
			}
			err = tx.Queue(ctx, `INSERT INTO empi_told (id, at, by_user, org, person, patient, opened, opened_at, noticed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)`,
				id, micros(tx.Now()), t.User, t.Org, t.Person, t.Left, t.Read, micros(t.ReadAt))
			if err != nil {
				return err
			}
			if persons[i] == "" {
				continue
			}
			err = event.Raise(ctx, tx, event.Event{Kind: "person.unlinked", Focus: t.Read, Patient: t.Read, Parties: []string{persons[i]},
				Data: map[string]string{"line": "person", "why": "read"}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("empi: tell: %w", err)
	}
	return true, nil
}

// readers are the users who opened both the record that left and another one of the person while they were linked.
func (x *Index) readers(ctx context.Context, u *undone) (told []Told, persons []string, err error) {
	if x.trail == nil {
		return nil, nil, nil
	}
	if err := x.trail.CatchUp(ctx, 2*time.Second); err != nil {
		return nil, nil, err
	}
	type reader struct {
		left, other audit.Entry
	}
	by := map[string]*reader{}
	look := func(patient string, left bool) error {
		f := audit.Filter{Patient: patient, NoOrgs: true, From: moment(u.since), Until: moment(u.at).Add(time.Microsecond), Count: 500}
		for seen := 0; seen < trailAtMost; {
			entries, next, err := x.trail.Query(ctx, f)
			if err != nil {
				return err
			}
			seen += len(entries)
			for _, e := range entries {
				if e.User == "" || e.Outcome != "0" || strings.HasPrefix(e.What, "person:") {
					continue
				}
				r := by[e.User]
				if r == nil {
					r = &reader{}
					by[e.User] = r
				}
				e.Target = patient
				if left {
					r.left = e
				} else {
					r.other = e
				}
			}
			if next == "" {
				break
			}
			f.Cursor = next
		}
		return nil
	}
	if err := look(u.patient, true); err != nil {
		return nil, nil, err
	}
	for _, other := range u.others {
		if err := look(other, false); err != nil {
			return nil, nil, err
		}
	}
	var users []string
	for user, r := range by {
		if r.left.User != "" && r.other.User != "" {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	for _, user := range users {
		e := by[user].other
		told = append(told, Told{User: user, Org: e.Org, Person: u.person, Left: u.patient, Read: e.Target, ReadAt: e.At})
		persons = append(persons, e.Person)
	}
	return told, persons, nil
}

// Told lists what a user is to know since links that he read by were undone, newest first; Noted says that he knows.
func (x *Index) Told(ctx context.Context, tx *store.Tx, user string) (list []Told, err error) {
	err = tx.Query(ctx, `SELECT id, at, by_user, org, person, patient, opened, opened_at, noticed FROM empi_told WHERE by_user = ? ORDER BY id DESC LIMIT 200`, []any{user}, func(scan func(...any) error) error {
		var t Told
		var at, read, noticed int64
		if err := scan(&t.ID, &at, &t.User, &t.Org, &t.Person, &t.Left, &t.Read, &read, &noticed); err != nil {
			return err
		}
		t.At, t.ReadAt, t.Noticed = moment(at), moment(read), moment(noticed)
		list = append(list, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("empi: told: %w", err)
	}
	return list, nil
}

// Noted see Told.
func (x *Index) Noted(ctx context.Context, tx *store.Tx, user string, id int64) error {
	n, err := tx.Exec(ctx, `UPDATE empi_told SET noticed = ? WHERE id = ? AND by_user = ?`, micros(tx.Now()), id, user)
	if err == nil && n == 0 {
		err = refuse(http.StatusNotFound, "not-found", "unknown-notice", "there is no such notice for you", "没有这条通知")
	}
	return err
}
