package audit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Desk is where the trail is read: by auditors and leaders for their institution and below, of a patient whose
// custodian lies there whoever it was; by patients their own; by programs of the hub itself.
type Desk struct {
	Store *store.Store
	Tree  *access.Tree
	Book  *Book
	// Accounts lists the account ids of a practitioner, or of whoever is called so; nil = nobody is found by either.
	Accounts func(ctx context.Context, practitioner, name string) ([]string, error)
}

var errNotAuditor = fhir.Refuse(403, "forbidden", "not-auditor", "only auditors and leaders may read the audit trail, and patients their own", "只有审计员和院领导可以查看审计记录，患者可查看自己的")

// Reads says whether a caller reads the trail at all. A guardian does not: the trail would tell of a suspicion that
// is kept from him.
func (d *Desk) Reads(c *access.Caller) error {
	switch {
	case c.Role == access.Auditor, c.Role == access.Leader:
	case c.Role == access.Patient && len(c.Scope.Only) > 0:
	case c.Role == access.Program && c.Org == "" && c.Scope.All:
	default:
		return errNotAuditor
	}
	return nil
}

// Limit narrows a filter to what the caller may see, or refuses.
func (d *Desk) Limit(ctx context.Context, c *access.Caller, f *Filter) error {
	if err := d.Reads(c); err != nil {
		return err
	}
	if c.Scope.Only != nil { // the patient himself, and apps that were let in for one patient
		f.Own = c.Scope.Only
	}
	if c.Role == access.Patient {
		f.Kinds = append(f.Kinds, Kind{Prefixes: Rules.Copy.LeaveOut, Not: true})
		return nil
	}
	if c.Org == "" {
		f.NoOrgs = true
		return nil
	}
	f.Orgs = d.Tree.Below(c.Institution)
	if f.Patient == "" || f.Own != nil {
		return nil
	}
	own, err := d.keeps(ctx, c, f.Patient)
	f.NoOrgs = own
	return err
}

// keeps says whether the caller's institution is custodian of a patient.
func (d *Desk) keeps(ctx context.Context, c *access.Caller, patient string) (own bool, err error) {
	err = d.Store.View(ctx, func(tx *store.Tx) error {
		v, err := tx.Read(ctx, search.Everything, "Patient", strings.TrimPrefix(patient, "Patient/"))
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			return nil
		}
		own = err == nil && v.Custodian != "" && d.Tree.Within(v.Custodian, c.Institution)
		return err
	})
	return own, err
}

// Show is what a caller sees of an entry that a limited filter has found. Of what others did with a patient of his,
// he sees nothing about other patients.
func (d *Desk) Show(c *access.Caller, f Filter, e Entry) Entry {
	var only []string
	switch {
	case c.Role == access.Patient || f.Own != nil:
		only = f.Own
		if f.Patient != "" {
			only = []string{f.Patient}
		}
		e.Remote, e.Request, e.Session = "", "", ""
		e.Reason, _, _ = strings.Cut(e.Reason, ": ") // the words are for those who look at it again
	case c.Org == "" || e.Org != "" && slices.Contains(f.Orgs, e.Org):
		return e
	default:
		only = []string{f.Patient}
		e.Session = ""
	}
	all := len(e.Patients)
	e.Patients = slices.DeleteFunc(slices.Clone(e.Patients), func(p string) bool { return !slices.Contains(only, p) })
	if len(e.Patients) < all {
		e.Target, e.Count = typeOf(e.Target), 0
	} else if i := strings.IndexByte(e.Target, '?'); i >= 0 {
		e.Target = e.Target[:i]
	}
	return e
}

// typeOf leaves the resource type of a target.
func typeOf(target string) string {
	if i := strings.IndexAny(target, "/?"); i >= 0 {
		return target[:i]
	}
	return target
}

// Find is one page of what the caller may see. The first page waits a moment for what has just happened.
func (d *Desk) Find(ctx context.Context, c *access.Caller, f Filter) (entries []Entry, next string, err error) {
	if err := d.Limit(ctx, c, &f); err != nil {
		return nil, "", err
	}
	if f.Cursor == "" {
		if err := d.Book.CatchUp(ctx, time.Second); err != nil {
			return nil, "", err
		}
	}
	entries, next, err = d.Book.Query(ctx, f)
	for i := range entries {
		entries[i] = d.Show(c, f, entries[i])
	}
	return entries, next, err
}

// Count is how many entries Find would find.
func (d *Desk) Count(ctx context.Context, c *access.Caller, f Filter) (int64, error) {
	if err := d.Limit(ctx, c, &f); err != nil {
		return 0, err
	}
	return d.Book.Count(ctx, f)
}

// Entry is one entry, found is false where it is not there or not the caller's to see.
func (d *Desk) Entry(ctx context.Context, c *access.Caller, seq int64) (e Entry, found bool, err error) {
	if err := d.Reads(c); err != nil {
		return e, false, err
	}
	if err := d.Book.CatchUp(ctx, time.Second); err != nil {
		return e, false, err
	}
	list, _, err := d.Book.Query(ctx, Filter{Seq: seq, NoOrgs: true, Count: 1})
	if err != nil || len(list) == 0 {
		return e, false, err
	}
	// it is seen as the search by one of its patients would show it, or as one of the own institution's
	patients := append([]string{""}, list[0].Patients[:min(len(list[0].Patients), mostTried)]...)
	for _, patient := range patients {
		f := Filter{Seq: seq, Patient: patient, Count: 1}
		if err := d.Limit(ctx, c, &f); err != nil {
			return e, false, err
		}
		found, _, err := d.Book.Query(ctx, f)
		if err != nil {
			return e, false, err
		}
		if len(found) == 1 {
			return d.Show(c, f, found[0]), true, nil
		}
	}
	return e, false, nil
}

// mostTried bounds the patients of one entry that are looked at for whose they are.
const mostTried = 200
