package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Filter chooses sealed entries; empty fields do not limit.
type Filter struct {
	Seq      int64
	Patient  string   // "Patient/…"
	Own      []string // patients who look at their own trail: one of them; not nil and empty finds nothing
	User     string
	Users    []string // one of them; not nil and empty finds nothing
	Org      string   // of the entry, among Orgs
	Action   string   // C R U D E, or an interaction such as "reveal"
	Kinds    []Kind   // each must hold
	Executed bool     // AuditEvent.action E: ours, and searches
	Target   string   // "Type/id" that was touched
	Purpose  string
	Outcome  string
	Marked   bool // only where a reason was asked for
	Orgs     []string
	NoOrgs   bool // true: Orgs do not limit; false with no Orgs finds nothing
	From     time.Time
	Until    time.Time
	Cursor   string
	Count    int
}

// Kind is a condition on what was done: any of the interactions, any that begins so, any of the kinds; none of those when Not.
type Kind struct {
	Whats    []string
	Prefixes []string
	Any      []Kind
	Not      bool
}

// clause is one part of a WHERE.
type clause struct {
	text string
	args []any
}

func (f *Filter) clauses(at string) (all []clause) {
	add := func(text string, args ...any) { all = append(all, clause{text, args}) }
	in := func(column string, values []string) {
		args := make([]any, len(values))
		for i, v := range values {
			args[i] = v
		}
		if len(args) == 0 {
			add(`1 = 0`)
			return
		}
		add(column+` IN (?`+strings.Repeat(`, ?`, len(args)-1)+`)`, args...)
	}
	if !f.From.IsZero() {
		add(at+`.at >= ?`, f.From.UnixMicro())
	}
	if !f.Until.IsZero() {
		add(at+`.at < ?`, f.Until.UnixMicro())
	}
	if f.Seq != 0 {
		add(`e.seq = ?`, f.Seq)
	}
	if f.User != "" {
		add(`e.who = ?`, f.User)
	}
	if f.Users != nil {
		in(`e.who`, f.Users)
	}
	if f.Action != "" {
		add(`(e.action = ? OR e.what = ? OR e.what LIKE ?)`, f.Action, f.Action, f.Action+`:%`)
	}
	if f.Target != "" {
		add(`e.target = ?`, f.Target)
		add(`e.target <> ''`)
	}
	if f.Purpose != "" {
		add(`e.purpose = ?`, f.Purpose)
	}
	if f.Outcome != "" {
		add(`COALESCE(e.outcome, '0') = ?`, f.Outcome)
	}
	if f.Marked {
		add(`e.mark <> 0`)
	}
	if f.Org != "" {
		add(`e.org = ?`, f.Org)
	}
	if f.Executed {
		add(`(e.action = 'E' OR e.what LIKE 'search-%')`)
	}
	for _, k := range f.Kinds {
		text, args := k.clause()
		add(text, args...)
	}
	return all
}

func (k Kind) clause() (string, []any) {
	text, args := []string{`1 = 0`}, []any{}
	for _, w := range k.Whats {
		text, args = append(text, `e.what = ?`), append(args, w)
	}
	for _, p := range k.Prefixes {
		text, args = append(text, `e.what LIKE ?`), append(args, p+`%`)
	}
	for _, one := range k.Any {
		t, a := one.clause()
		text, args = append(text, t), append(args, a...)
	}
	all := `(` + strings.Join(text, ` OR `) + `)`
	if k.Not {
		all = `NOT ` + all
	}
	return all, args
}

// walk is one way down an index; a query takes several where no single index holds what is asked for.
type walk struct {
	from, at string
	clause
}

func (f *Filter) walks() (all []walk) {
	const plain = `audit_entry e`
	if f.Patient != "" || f.Own != nil {
		const table = `audit_patient p JOIN audit_entry e ON e.seq = p.seq`
		patients := f.Own
		if f.Own == nil || f.Patient != "" && slices.Contains(f.Own, f.Patient) {
			patients = []string{f.Patient}
		} else if f.Patient != "" {
			patients = nil
		}
		for _, p := range patients {
			w := walk{table, `p`, clause{`p.patient = ?`, []any{p}}}
			if !f.NoOrgs && f.Own == nil {
				if len(f.Orgs) == 0 {
					return nil
				}
				w.text += ` AND e.org IN (?` + strings.Repeat(`, ?`, len(f.Orgs)-1) + `)`
				for _, o := range f.Orgs {
					w.args = append(w.args, o)
				}
			}
			all = append(all, w)
		}
		return all
	}
	if f.NoOrgs || f.Org != "" && slices.Contains(f.Orgs, f.Org) {
		return []walk{{plain, `e`, clause{text: `1 = 1`}}}
	}
	if f.Org != "" {
		return nil
	}
	if f.Seq != 0 || f.Target != "" || f.User != "" || f.Users != nil || f.Marked { // few rows: their organisation is looked at afterwards
		if len(f.Orgs) == 0 {
			return nil
		}
		w := walk{plain, `e`, clause{text: `e.org IN (?` + strings.Repeat(`, ?`, len(f.Orgs)-1) + `)`}}
		for _, o := range f.Orgs {
			w.args = append(w.args, o)
		}
		return []walk{w}
	}
	for _, o := range f.Orgs {
		all = append(all, walk{plain, `e`, clause{`e.org = ?`, []any{o}}})
	}
	return all
}

// Query returns sealed entries, newest first, and the cursor of the next page.
func (b *Book) Query(ctx context.Context, f Filter) (entries []Entry, next string, err error) {
	if f.Count <= 0 || f.Count > 500 {
		f.Count = 50
	}
	beforeAt, beforeSeq := int64(0), int64(0)
	if f.Cursor != "" {
		if n, _ := fmt.Sscanf(f.Cursor, "%d.%d", &beforeAt, &beforeSeq); n != 2 {
			return nil, "", fhir.Refuse(400, "value", "bad-cursor", "the cursor is not one of ours", "翻页标记无效")
		}
	}
	err = b.store.View(ctx, func(tx *store.Tx) error {
		entries = entries[:0]
		seen := map[int64]bool{}
		for _, w := range f.walks() {
			var q strings.Builder
			q.WriteString(`SELECT e.seq, e.body FROM ` + w.from + ` WHERE ` + w.text + ` AND ` + w.at + `.seq IS NOT NULL`)
			args := slices.Clone(w.args)
			for _, c := range f.clauses(w.at) {
				q.WriteString(` AND ` + c.text)
				args = append(args, c.args...)
			}
			if f.Cursor != "" {
				q.WriteString(strings.ReplaceAll(` AND @.at <= ? AND (@.at < ? OR @.seq < ?)`, `@`, w.at))
				args = append(args, beforeAt, beforeAt, beforeSeq)
			}
			q.WriteString(strings.ReplaceAll(` ORDER BY @.at DESC, @.seq DESC LIMIT ?`, `@`, w.at))
			args = append(args, int64(f.Count+1))
			err := tx.Query(ctx, q.String(), args, func(scan func(...any) error) error {
				var seq int64
				var body []byte
				if err := scan(&seq, &body); err != nil || seen[seq] {
					return err
				}
				seen[seq] = true
				e, err := readBody(body)
				e.Seq = seq
				entries = append(entries, e)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("audit: query: %w", err)
	}
	slices.SortFunc(entries, func(x, y Entry) int {
		return cmp.Or(y.At.Compare(x.At), cmp.Compare(y.Seq, x.Seq))
	})
	if len(entries) > f.Count {
		entries = entries[:f.Count]
		last := entries[f.Count-1]
		next = fmt.Sprintf("%d.%d", last.At.UnixMicro(), last.Seq)
	}
	return entries, next, nil
}

// Count tells how many sealed entries there are.
func (b *Book) Count(ctx context.Context, f Filter) (n int64, err error) {
	err = b.store.View(ctx, func(tx *store.Tx) error {
		n = 0
		walks := f.walks()
		if len(walks) == 0 {
			return nil
		}
		var parts []string
		var args []any
		for _, w := range walks {
			q := `SELECT e.seq FROM ` + w.from + ` WHERE ` + w.text + ` AND ` + w.at + `.seq IS NOT NULL`
			args = append(args, w.args...)
			for _, c := range f.clauses(w.at) {
				q += ` AND ` + c.text
				args = append(args, c.args...)
			}
			parts = append(parts, q)
		}
		return tx.Query(ctx, `SELECT count(*) FROM (`+strings.Join(parts, ` UNION `)+`) x`, args, func(scan func(...any) error) error { return scan(&n) })
	})
	if err != nil {
		return 0, fmt.Errorf("audit: count: %w", err)
	}
	return n, nil
}

// Before is the cursor of a page that begins with what was before a time.
func Before(at time.Time) string { return fmt.Sprintf("%d.%d", at.UnixMicro(), 0) }
