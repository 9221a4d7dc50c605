package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// The line bedpool decides by what it is given. What has to be looked up first, the hub looks up here: earlier stays of a
// patient, and what wards have done for others in a month.

const lyingJob = "bedpool-lying"

// lying is a store.Deriver: when a stay begins, what else the hub knows of the patient is looked at, afterwards.
func (h *Hub) lying(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Type != "Task" || w.Before != nil || w.After == nil {
		return nil
	}
	if slug, code := line.LineOf(w.After); slug != "bedpool" || code != "stay" {
		return nil
	}
	return job.Enqueue(ctx, tx, lyingJob, "Task/"+w.ID, tx.Now(), nil)
}

// looks ends an observation of who lies in a bed now, whoever took him in, and flags a stay for the same disease as one
// that ended a few days before, to be looked at before settlement (分解住院). It refuses nothing: he may simply be ill again.
func (h *Hub) looks() job.Work {
	return job.Work{Lease: time.Minute, Call: func(ctx context.Context, j job.Job) error {
		earlier, observed := "", ""
		err := h.Store.View(ctx, func(tx *store.Tx) error {
			stay, err := readNode(ctx, tx, j.Key)
			if err != nil || stay == nil {
				return err
			}
			if observed, _, err = tx.Claimed(ctx, "bedpool-observation", stay.Str("for.reference")+" > "+stay.Str("owner.reference")); err != nil {
				return err
			}
			earlier, err = h.earlierStay(ctx, tx, stay)
			return err
		})
		if err != nil {
			return err
		}
		if observed != "" {
			if _, err := h.Runner.System(ctx, observed, "taken-in", nil); err != nil {
				return err
			}
		}
		if earlier != "" {
			_, err = h.Runner.System(ctx, j.Key, "flag", line.Ask("flag", "readmission", "of", earlier))
		}
		return err
	}}
}

// earlierStay is the end of the last stay for the same disease within the days of the hospital's rule, "" when there is
// none or the stay is flagged already.
func (h *Hub) earlierStay(ctx context.Context, tx *store.Tx, task *fhir.Node) (string, error) {
	for _, f := range line.Facts(task, "flag") {
		if f.Str("coding[0].code") == "readmission" {
			return "", nil
		}
	}
	here, err := readNode(ctx, tx, line.FactText(task, "encounter"))
	if err != nil || here == nil {
		return "", err
	}
	rules, err := h.Beds.RulesOf(ctx, tx, task.Str("owner.reference"))
	if err != nil || rules.Flags.Readmission <= 0 {
		return "", err
	}
	began, err := time.Parse(time.RFC3339, here.Str("period.start"))
	if err != nil {
		return "", nil
	}
	since := began.AddDate(0, 0, -rules.Flags.Readmission)
	q, err := search.Parse("Encounter", []search.Param{{Name: "patient", Value: strings.TrimPrefix(task.Str("for.reference"), "Patient/")}, {Name: "class", Value: "IMP"}, {Name: "status", Value: "finished"},
		{Name: "date", Value: "ge" + since.UTC().Format(time.RFC3339)}}, search.Options{})
	if err != nil {
		return "", fmt.Errorf("server: earlier stays: %w", err)
	}
	q.Count, q.Scope = 50, search.Everything
	page, err := tx.Search(ctx, q.Query)
	if err != nil {
		return "", fmt.Errorf("server: earlier stays: %w", err)
	}
	last := time.Time{}
	for _, v := range page.Matches {
		was, err := fhir.Parse(v.JSON)
		if err != nil {
			return "", err
		}
		ended, err := time.Parse(time.RFC3339, was.Str("period.end"))
		if err == nil && v.ID != here.ID() && sameDisease(was, here) && !ended.Before(since) && !ended.After(began) && ended.After(last) {
			last = ended
		}
	}
	if last.IsZero() {
		return "", nil
	}
	return last.In(line.Zone()).Format("2006-01-02") + " 出院", nil
}

// sameDisease compares the three-character category of ICD-10, or the words where neither is coded.
func sameDisease(a, b *fhir.Node) bool {
	category := func(n *fhir.Node) string {
		code := n.Str("reasonCode[0].coding[0].code")
		return strings.ToUpper(code[:min(len(code), 3)])
	}
	if x, y := category(a), category(b); x != "" || y != "" {
		return x == y
	}
	words := a.Str("reasonCode[0].text")
	return words != "" && words == b.Str("reasonCode[0].text")
}

func readNode(ctx context.Context, tx *store.Tx, ref string) (*fhir.Node, error) {
	typ, id, ok := strings.Cut(ref, "/")
	if !ok {
		return nil, nil
	}
	v, err := tx.Read(ctx, search.Everything, typ, id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: %s: %w", ref, err)
	}
	return fhir.Parse(v.JSON)
}

// SettleMonth draws up what wards have done for others in the month that has ended, once, for both directors to confirm.
// It may run as often as one likes.
func (h *Hub) SettleMonth(ctx context.Context) error {
	now := h.Clock.Now().In(line.Zone())
	until := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, line.Zone())
	from := until.AddDate(0, -1, 0)
	month := from.Format("2006-01")
	h.mu.Lock()
	done := h.settled == month
	h.mu.Unlock()
	if done {
		return nil
	}
	var pools []string
	lent := map[string][]beds.Lent{}
	err := h.Store.View(ctx, func(tx *store.Tx) error {
		all, err := h.Beds.Pools(ctx, tx)
		if err != nil {
			return err
		}
		for pool := range all {
			if lent[pool], err = h.Beds.LentDays(ctx, tx, pool, from, until); err != nil {
				return err
			}
			pools = append(pools, pool)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("server: settlement: %w", err)
	}
	for _, pool := range pools {
		by := access.With(ctx, &access.Caller{User: "hub", Name: "系统", Role: "system", Org: pool, Institution: pool, Scope: search.Everything})
		for _, l := range lent[pool] {
			params := line.Ask("home", fhir.Obj{"reference", l.Home}, "host", fhir.Obj{"reference", l.Ward}, "month", month, "days", number(l.Days), "patients", strconv.Itoa(l.Patients), "points", number(l.Points))
			_, err := h.Runner.Start(by, line.StartCall{Line: "bedpool", Flow: "settlement", Params: params})
			var no *fhir.Error
			if errors.As(err, &no) { // drawn up already, or the departments are no longer two
				h.Log.Debug("no settlement", "home", l.Home, "ward", l.Ward, "month", month, "why", no.Issues[0].Detail)
			} else if err != nil {
				return fmt.Errorf("server: settlement of %s: %w", month, err)
			}
		}
	}
	h.mu.Lock()
	h.settled = month
	h.mu.Unlock()
	return nil
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
