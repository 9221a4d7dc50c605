package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// forever stands for an open end.
const forever = math.MaxInt64

// Derive keeps the tables of this room in step with Practitioner and PractitionerRole; it is a store.Deriver.
func (r *Room) Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	switch w.Type {
	case "PractitionerRole":
		return r.derivePosts(ctx, tx, w.Version, w.After)
	case "Practitioner":
		return r.deriveLicences(ctx, tx, w.ID, w.After)
	}
	return nil
}

func (r *Room) derivePosts(ctx context.Context, tx *store.Tx, v store.Version, n *fhir.Node) error {
	ref, now := "PractitionerRole/"+v.ID, v.Updated.UnixMicro()
	if v.VID > 1 {
		if err := tx.Queue(ctx, "UPDATE registry_post SET superseded = ? WHERE role = ? AND superseded = ?", now, ref, int64(forever)); err != nil {
			return fmt.Errorf("registry: %s: %w", ref, err)
		}
	}
	for _, h := range r.postsOf(n) {
		more, err := json.Marshal(h.more)
		if err != nil {
			return fmt.Errorf("registry: %s: %w", ref, err)
		}
		err = tx.Queue(ctx, "INSERT INTO registry_post (role, vid, code, person, org, since, until, known, superseded, stands_for, more) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			ref, v.VID, h.Code, h.Person, h.Org, micros(h.From, math.MinInt64), micros(h.Until, forever), now, int64(forever), h.StandsFor, string(more))
		if err != nil {
			return fmt.Errorf("registry: %s: %w", ref, err)
		}
	}
	return nil
}

func micros(t time.Time, open int64) int64 {
	if t.IsZero() {
		return open
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == math.MinInt64 || us == forever {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

// span reads a FHIR Period: an end that names a day includes that day.
func (r *Room) span(p *fhir.Node) (from, until time.Time) {
	if d, err := fhir.ParseDate(p.Str("start"), r.zone()); err == nil {
		from = time.UnixMicro(d.Low)
	}
	if d, err := fhir.ParseDate(p.Str("end"), r.zone()); err == nil {
		until = time.UnixMicro(d.High)
		if d.Precision >= fhir.Minute {
			until = time.UnixMicro(d.Low)
		}
	}
	return from, until
}

func extension(n *fhir.Node, url string) *fhir.Node {
	for _, e := range n.All("extension") {
		if e.Str("url") == url {
			return e
		}
	}
	return nil
}

// postsOf reads a PractitionerRole: one Held for each of its codes, headships and login roles alike.
func (r *Room) postsOf(n *fhir.Node) (list []Held) {
	if n == nil || n.Str("active") == "false" {
		return nil
	}
	h := Held{Person: n.Str("practitioner.reference"), Org: n.Str("organization.reference"), StandsFor: extension(n, StandsForOf).Str("valueReference.reference")}
	if !strings.HasPrefix(h.Person, "Practitioner/") || !strings.HasPrefix(h.Org, "Organization/") {
		return nil
	}
	h.From, h.Until = r.span(n.Get("period"))
	h.Basis = extension(n, BasisOf).Str("valueCode")
	for _, e := range n.All("extension") {
		if e.Str("url") != RightOf {
			continue
		}
		g := Granted{Code: extension(e, "right").Str("valueCode")}
		g.From, g.Until = r.span(extension(e, "period").Get("valuePeriod"))
		h.Rights = append(h.Rights, g)
	}
	for _, a := range n.All("notAvailable") {
		from, until := r.span(a.Get("during"))
		h.Away = append(h.Away, Span{from, until})
	}
	for _, a := range n.All("availableTime") {
		t := Hours{From: a.Str("availableStartTime"), Until: a.Str("availableEndTime")}
		for _, d := range a.All("daysOfWeek") {
			t.Days = append(t.Days, d.Text)
		}
		h.Hours = append(h.Hours, t)
	}
	seen := map[string]bool{}
	for _, c := range n.All("code") {
		for _, coding := range c.All("coding") {
			switch coding.Str("system") {
			case PostSystem:
				h.Code = "post/" + coding.Str("code")
			case RoleSystem:
				h.Code = "role/" + coding.Str("code")
			default:
				continue
			}
			if !seen[h.Code] {
				seen[h.Code] = true
				list = append(list, h)
			}
		}
	}
	if list == nil {
		h.Code = "role/"
		list = append(list, h)
	}
	return list
}

func (r *Room) deriveLicences(ctx context.Context, tx *store.Tx, id string, n *fhir.Node) error {
	ref := "Practitioner/" + id
	if err := tx.Queue(ctx, "DELETE FROM registry_licence WHERE person = ?", ref); err != nil {
		return fmt.Errorf("registry: %s: %w", ref, err)
	}
	if n.Str("active") == "false" {
		return nil
	}
	for i, l := range r.LicencesOf(n) {
		err := tx.Queue(ctx, "INSERT INTO registry_licence (person, ord, kind, number, scope, places, since, until, suspended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			ref, int64(i), l.Kind, tail(l.Number), l.Scope, strings.Join(l.Places, " "), micros(l.From, math.MinInt64), micros(l.Until, forever), flag(l.Suspended))
		if err != nil {
			return fmt.Errorf("registry: %s: %w", ref, err)
		}
	}
	return nil
}

// tail keeps of a number what tells two of one person apart: the whole stands, sealed, in the Practitioner.
func tail(number string) string {
	if len(number) <= 4 {
		return number
	}
	return "*" + number[len(number)-4:]
}

// LicencesOf reads the qualifications of a Practitioner that are licences.
func (r *Room) LicencesOf(n *fhir.Node) (list []Licence) {
	for _, q := range n.All("qualification") {
		l := Licence{Number: q.Str("identifier[0].value"), Scope: extension(q, ScopeOf).Str("valueString"), Suspended: extension(q, SuspendedOf).Str("valueBoolean") == "true"}
		for _, c := range q.All("code.coding") {
			if c.Str("system") == LicenceKind {
				l.Kind = c.Str("code")
			}
		}
		if l.Kind == "" {
			continue
		}
		for _, e := range q.All("extension") {
			if e.Str("url") == PlaceOf {
				l.Places = append(l.Places, e.Str("valueReference.reference"))
			}
		}
		l.From, l.Until = r.span(q.Get("period"))
		list = append(list, l)
	}
	return list
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Fill derives what was written before this room had tables; call it once after the store is open.
func (r *Room) Fill(ctx context.Context, s *store.Store) error {
	filled := false
	err := s.View(ctx, func(tx *store.Tx) (err error) { _, filled, err = tx.Setting(ctx, "registry.filled"); return err })
	if filled || err != nil {
		return err
	}
	return s.Update(ctx, func(tx *store.Tx) error {
		if _, done, err := tx.Setting(ctx, "registry.filled"); done || err != nil {
			return err
		}
		for _, typ := range []string{"Practitioner", "PractitionerRole"} {
			q := search.Query{Type: typ, Count: 1000, Scope: search.Everything}
			for {
				page, err := tx.Search(ctx, q)
				if err != nil {
					return fmt.Errorf("registry: fill: %w", err)
				}
				for _, v := range page.Matches {
					n, err := fhir.Parse(v.JSON)
					if err != nil {
						return fmt.Errorf("registry: fill %s/%s: %w", typ, v.ID, err)
					}
					if typ == "Practitioner" {
						err = r.deriveLicences(ctx, tx, v.ID, n)
					} else {
						err = r.derivePosts(ctx, tx, v, n)
					}
					if err != nil {
						return err
					}
				}
				if page.Next == "" {
					break
				}
				q.Cursor = page.Next
			}
		}
		return tx.SetSetting(ctx, "registry.filled", "1")
	})
}

// ServiceSpan is from when until when a HealthcareService is offered, the times of notAvailable apart.
func (r *Room) ServiceSpan(n *fhir.Node) Span {
	from, until := r.span(extension(n, ServicePeriod).Get("valuePeriod"))
	return Span{from, until}
}

// Offered says whether a HealthcareService is to be had at a moment.
func (r *Room) Offered(n *fhir.Node, at time.Time) bool {
	for _, a := range n.All("notAvailable") {
		if from, until := r.span(a.Get("during")); a.Get("during") != nil && (Span{from, until}).At(at) {
			return false
		}
	}
	return r.ServiceSpan(n).At(at)
}
