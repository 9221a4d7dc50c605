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
	Patient string // "Patient/…"
	User    string
	Action  string // C R U D E, or an interaction such as "reveal"
	Orgs    []string
	NoOrgs  bool // true: Orgs do not limit; false with no Orgs finds nothing
	From    time.Time
	Until   time.Time
	Cursor  string
	Count   int
}

// Query returns sealed entries, newest first, and the cursor of the next page.
func (b *Book) Query(ctx context.Context, f Filter) (entries []Entry, next string, err error) {
	if f.Count <= 0 || f.Count > 500 {
		f.Count = 50
	}
	beforeAt, beforeSeq := int64(1<<62), int64(1<<62)
	if !f.Until.IsZero() {
		beforeAt, beforeSeq = f.Until.UnixMicro(), 0
	}
	if f.Cursor != "" {
		if n, _ := fmt.Sscanf(f.Cursor, "%d.%d", &beforeAt, &beforeSeq); n != 2 {
			return nil, "", fhir.Refuse(400, "value", "bad-cursor", "the cursor is not one of ours", "翻页标记无效")
		}
	}
	from := int64(-1 << 62)
	if !f.From.IsZero() {
		from = f.From.UnixMicro()
	}
	err = b.store.View(ctx, func(tx *store.Tx) error {
		entries = entries[:0]
		find := func(table, where string, args ...any) error {
			var q strings.Builder
			q.WriteString(`SELECT e.seq, e.body FROM ` + table + ` WHERE ` + where)
			at := "e"
			if f.Patient != "" {
				at = "p"
			}
			fmt.Fprintf(&q, ` AND %s.at >= ? AND (%s.at < ? OR (%s.at = ? AND %s.seq < ?)) AND %s.seq IS NOT NULL`, at, at, at, at, at)
			args = append(args, from, beforeAt, beforeAt, beforeSeq)
			if f.Action != "" {
				q.WriteString(` AND (e.action = ? OR e.what = ?)`)
				args = append(args, f.Action, f.Action)
			}
			if f.User != "" {
				q.WriteString(` AND e.who = ?`)
				args = append(args, f.User)
			}
			fmt.Fprintf(&q, ` ORDER BY %s.at DESC, %s.seq DESC LIMIT ?`, at, at)
			args = append(args, int64(f.Count+1))
			return tx.Query(ctx, q.String(), args, func(scan func(...any) error) error {
				var seq int64
				var body []byte
				if err := scan(&seq, &body); err != nil {
					return err
				}
				e, err := readBody(body)
				e.Seq = seq
				entries = append(entries, e)
				return err
			})
		}
		if f.Patient != "" {
			table, where, args := `audit_patient p JOIN audit_entry e ON e.seq = p.seq`, `p.patient = ?`, []any{f.Patient}
			if !f.NoOrgs {
				if len(f.Orgs) == 0 {
					return nil
				}
				where += ` AND e.org IN (?` + strings.Repeat(`, ?`, len(f.Orgs)-1) + `)`
				for _, o := range f.Orgs {
					args = append(args, o)
				}
			}
			return find(table, where, args...)
		}
		if f.NoOrgs {
			return find(`audit_entry e`, `1 = 1`)
		}
		// one short walk down the index per organisation, merged below
		for _, o := range f.Orgs {
			if err := find(`audit_entry e`, `e.org = ?`, o); err != nil {
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
