package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Span is a half-open interval; a zero bound is open.
type Span struct{ From, Until time.Time }

// At says whether t lies within.
func (s Span) At(t time.Time) bool {
	return (s.From.IsZero() || !t.Before(s.From)) && (s.Until.IsZero() || t.Before(s.Until))
}

// Granted is a right given by an institution to one person.
type Granted struct {
	Code string
	Span
}

// Hours are the days of the week ("mon" …) and the time of day ("08:00:00") of somebody on a rota; empty = all.
type Hours struct {
	Days        []string
	From, Until string
}

// more is what of a post nobody looks for in SQL.
type more struct {
	Basis  string    `json:",omitempty"`
	Rights []Granted `json:",omitempty"`
	Away   []Span    `json:",omitempty"`
	Hours  []Hours   `json:",omitempty"`
}

// Held is a post or role that a person holds, or held, at an organisation, as it was known at some time.
type Held struct {
	Role      string // "PractitionerRole/…"
	Version   int64
	Code      string // "post/clinical-director", "role/referring-doctor"
	Person    string // "Practitioner/…"
	Org       string // "Organization/…"
	StandsFor string // "PractitionerRole/…" whose duties a substitute takes
	Span
	Known      time.Time // since when the hub has known it so
	Superseded time.Time // zero = still
	more
}

// Acts says whether the holder is there at t: in the period, not away, on the rota.
func (h *Held) Acts(t time.Time, zone *time.Location) bool {
	if !h.Span.At(t) {
		return false
	}
	for _, a := range h.Away {
		if a.At(t) {
			return false
		}
	}
	if len(h.Hours) == 0 {
		return true
	}
	local := t.In(zone)
	day, clock := strings.ToLower(local.Weekday().String()[:3]), local.Format(time.TimeOnly)
	return slices.ContainsFunc(h.Hours, func(o Hours) bool {
		return (len(o.Days) == 0 || slices.Contains(o.Days, day)) && (o.From == "" || o.From <= clock) && (o.Until == "" || clock < o.Until)
	})
}

// There says whether the holder of a post acts at a moment, by the clock of this hub.
func (r *Room) There(h *Held, at time.Time) bool { return h.Acts(at, r.zone()) }

// WhoIs lists who held a post at an organisation at a moment, substitutes included: as the hub knows it now, or
// with known not zero as it was known then. Who was away is listed, too; Acts tells.
func (r *Room) WhoIs(ctx context.Context, tx *store.Tx, org, post string, at, known time.Time) ([]Held, error) {
	where, args := "org = ? AND code = ? AND since <= ? AND until > ?", []any{org, "post/" + post, at.UnixMicro(), at.UnixMicro()}
	return r.held(ctx, tx, where, args, known)
}

// HistoryOf lists every post of an organisation that is known now (or was known then), with its period, by post and time.
func (r *Room) HistoryOf(ctx context.Context, tx *store.Tx, org string, known time.Time) ([]Held, error) {
	return r.held(ctx, tx, "org = ? AND code LIKE 'post/%'", []any{org}, known)
}

// PostsOf lists what a person holds, held or will hold, login roles included.
func (r *Room) PostsOf(ctx context.Context, tx *store.Tx, person string) ([]Held, error) {
	return r.held(ctx, tx, "person = ?", []any{person}, time.Time{})
}

func (r *Room) held(ctx context.Context, tx *store.Tx, where string, args []any, known time.Time) (list []Held, err error) {
	if known.IsZero() {
		where += " AND superseded = ?"
		args = append(args, int64(forever))
	} else {
		where += " AND known <= ? AND superseded > ?"
		args = append(args, known.UnixMicro(), known.UnixMicro())
	}
	err = tx.Query(ctx, "SELECT role, vid, code, person, org, since, until, known, superseded, stands_for, more FROM registry_post WHERE "+where+" ORDER BY code, since, role LIMIT 5000", args,
		func(scan func(...any) error) error {
			var h Held
			var since, until, known, superseded int64
			var rest string
			if err := scan(&h.Role, &h.Version, &h.Code, &h.Person, &h.Org, &since, &until, &known, &superseded, &h.StandsFor, &rest); err != nil {
				return err
			}
			h.From, h.Until, h.Known, h.Superseded = moment(since), moment(until), moment(known), moment(superseded)
			if err := json.Unmarshal([]byte(rest), &h.more); err != nil {
				return err
			}
			list = append(list, h)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("registry: posts: %w", err)
	}
	return list, nil
}

// MayApprove says whether a person may take a decision for an organisation at a moment: by a post there or above it
// up to the institution, held or stood in for. Where a decision needs both directors, each of them may sign.
func (r *Room) MayApprove(ctx context.Context, tx *store.Tx, decision, person, org string, at time.Time) (bool, error) {
	posts, err := r.signs(ctx, tx, decision, org, at)
	if err != nil {
		return false, err
	}
	return len(posts[person]) > 0, nil
}

// Enough says whether those who signed are enough for a decision at that moment, and which posts are still wanted.
// Where a unit has dual directors and the decision needs both, each must have signed, himself or by his substitute.
func (r *Room) Enough(ctx context.Context, tx *store.Tx, decision, org string, at time.Time, signed []string) (ok bool, wanted []string, err error) {
	rule, known := Rules.Approval(decision)
	if !known {
		return false, nil, fmt.Errorf("registry: unknown decision %q", decision)
	}
	posts, err := r.signs(ctx, tx, decision, org, at)
	if err != nil {
		return false, nil, err
	}
	have, exists := map[string]bool{}, map[string]bool{}
	for person, list := range posts {
		for _, p := range list {
			exists[p] = true
			have[p] = have[p] || slices.Contains(signed, person)
		}
	}
	if rule.Both && exists["clinical-director"] && exists["administrative-director"] {
		for _, p := range []string{"clinical-director", "administrative-director"} {
			if !have[p] {
				wanted = append(wanted, p)
			}
		}
		return wanted == nil, wanted, nil
	}
	for p := range have {
		if have[p] {
			return true, nil, nil
		}
		wanted = append(wanted, p)
	}
	slices.Sort(wanted)
	if wanted == nil {
		wanted = rule.By
	}
	return false, wanted, nil
}

// signs lists by person the posts by which he may sign a decision of an organisation.
func (r *Room) signs(ctx context.Context, tx *store.Tx, decision, org string, at time.Time) (map[string][]string, error) {
	rule, known := Rules.Approval(decision)
	if !known {
		return nil, fmt.Errorf("registry: unknown decision %q", decision)
	}
	by := rule.By
	if rule.Both {
		by = append(slices.Clone(by), "clinical-director", "administrative-director")
	}
	found := map[string][]string{}
	institution := r.Tree.Institution(org)
	for range 32 {
		for _, post := range by {
			list, err := r.WhoIs(ctx, tx, org, post, at, time.Time{})
			if err != nil {
				return nil, err
			}
			for _, h := range list {
				if h.Acts(at, r.zone()) && !slices.Contains(found[h.Person], post) {
					found[h.Person] = append(found[h.Person], post)
				}
			}
		}
		if org == institution || r.Above == nil || r.Above(org) == "" {
			break
		}
		org = r.Above(org)
	}
	return found, nil
}
