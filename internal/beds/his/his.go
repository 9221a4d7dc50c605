// Package his lets the hospital's own system own the state of its beds: what it says wins, and where we thought otherwise somebody is told.
package his

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bookings is what this room asks of the one that holds and reserves.
type Bookings interface {
	Do(ctx context.Context, tx *store.Tx, by *access.Caller, commands ...booking.Command) error
	At(ctx context.Context, tx *store.Tx, thing string) (*booking.Booking, error)
	WaitOf(ctx context.Context, tx *store.Tx, holder string) (*booking.Wait, error)
	OfPatients(ctx context.Context, tx *store.Tx, pool string, patients ...string) ([]booking.Booking, []booking.Wait, error)
}

// Options of New.
type Options struct {
	Store    *store.Store
	Tree     *access.Tree
	Zone     *time.Location
	Audit    audit.Log // nil = none, for tests
	Log      *slog.Logger
	Bookings Bookings
	// State has a bed cleaned, closed or free, as people say it of their beds.
	State func(ctx context.Context, tx *store.Tx, by *access.Caller, bed string, state allocate.State, reason string) (allocate.State, error)
	// Propose decides for all who wait in a pool now, for the shadow; nil = no proposals.
	Propose func(ctx context.Context, tx *store.Tx, pool string) ([]allocate.Proposal, error)
	// Feeds says whether an institution's own system sends us what happens to its beds: its wards are then owned by it
	// unless somebody says otherwise. nil = none does.
	Feeds func(institution string) bool
	// Runner takes the steps by which a case follows; Standing renews the program that reported.
	Runner   *line.Runner
	Standing func(ctx context.Context, credential, org string) (*access.Caller, error)
}

// Room keeps who owns the state of a ward's beds, the differences, and what was proposed in the shadow.
type Room struct{ Options }

// New makes the room. Give Derive to the store, Changed and Guard to booking, Work to the jobs.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("CST", 8*3600)
	}
	return &Room{o}
}

func (r *Room) legal(org string) string {
	if r.Tree == nil {
		return org
	}
	return r.Tree.Legal(org)
}

func (r *Room) institution(org string) string {
	if r.Tree == nil {
		return org
	}
	return r.Tree.Institution(org)
}

// place is where a bed stands.
type place struct {
	bed, ward, org, pool string // org answers for the ward
}

// placeOf finds the ward of a bed; nil when it is no bed of the register.
func (r *Room) placeOf(ctx context.Context, tx *store.Tx, bed string) (*place, error) {
	var p *place
	err := tx.Query(ctx, `SELECT a.id, a.kind, a.org, b.id, b.kind, b.org, c.id, c.kind, c.org FROM beds_place x JOIN beds_place a ON a.id = x.parent
LEFT JOIN beds_place b ON b.id = a.parent LEFT JOIN beds_place c ON c.id = b.parent WHERE x.id = ? AND x.kind = 'bd'`, []any{bed}, func(scan func(...any) error) error {
		var above [3]struct{ id, kind, org string }
		if err := scan(&above[0].id, &above[0].kind, &above[0].org, &above[1].id, &above[1].kind, &above[1].org, &above[2].id, &above[2].kind, &above[2].org); err != nil {
			return err
		}
		for _, a := range above {
			if a.kind == "wa" {
				p = &place{bed: bed, ward: a.id, org: a.org, pool: r.institution(a.org)}
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("beds: %s: %w", bed, err)
	}
	return p, nil
}

// WardOf is the organisation that answers for a bed's ward, "" when it is none of the register.
func (r *Room) WardOf(ctx context.Context, tx *store.Tx, bed string) (string, error) {
	p, err := r.placeOf(ctx, tx, bed)
	if p == nil {
		return "", err
	}
	return p.org, err
}

// Who owns the state of a ward's beds.
const (
	Hub = "hub" // what is booked here
	HIS = "his" // what the hospital's own system reports
)

// Source is who owns a ward's beds, and whether the ward runs in the shadow.
type Source struct {
	Ward    string // "Location/…"
	Org     string
	Name    string
	Owner   string // hub, his
	Shadow  bool   // proposals are recorded there and bind nobody
	Since   time.Time
	Account string // who said so; "" = nobody did, it follows from the configuration
	Reason  string
}

// sourceOf reads one ward.
func (r *Room) sourceOf(ctx context.Context, tx *store.Tx, ward, pool string) (Source, error) {
	s := Source{Ward: ward, Owner: Hub}
	if r.Feeds != nil && r.Feeds(pool) {
		s.Owner = HIS
	}
	err := tx.Query(ctx, "SELECT owner, shadow, since, account, reason FROM beds_source WHERE ward = ?", []any{ward}, func(scan func(...any) error) error {
		var since, shadow int64
		err := scan(&s.Owner, &shadow, &since, &s.Account, &s.Reason)
		s.Since, s.Shadow = time.UnixMicro(since), shadow != 0
		return err
	})
	if err != nil {
		return s, fmt.Errorf("beds: source of %s: %w", ward, err)
	}
	return s, nil
}

// Sources lists the wards of an institution.
func (r *Room) Sources(ctx context.Context, tx *store.Tx, pool string) ([]Source, error) {
	var wards []Source
	err := tx.Query(ctx, "SELECT id, org, name FROM beds_place WHERE kind = 'wa' ORDER BY name, id", nil, func(scan func(...any) error) error {
		var s Source
		err := scan(&s.Ward, &s.Org, &s.Name)
		wards = append(wards, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("beds: sources: %w", err)
	}
	wards = slices.DeleteFunc(wards, func(s Source) bool { return r.institution(s.Org) != pool })
	for i := range wards {
		s, err := r.sourceOf(ctx, tx, wards[i].Ward, pool)
		if err != nil {
			return nil, err
		}
		s.Org, s.Name = wards[i].Org, wards[i].Name
		wards[i] = s
	}
	return wards, nil
}

var switchers = []access.Role{"bed-desk", "duty-chief", access.Leader, access.Administrator}

// MaySwitch says who decides about the sources of a pool.
func MaySwitch(by *access.Caller, pool string) bool {
	return by != nil && by.Institution != "" && by.Institution == pool && slices.Contains(switchers, by.Role)
}

// Switch says who owns a ward's beds, and whether it runs in the shadow.
func (r *Room) Switch(ctx context.Context, tx *store.Tx, by *access.Caller, ward, owner string, shadow bool, reason string) error {
	if by == nil {
		return fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	}
	all, err := r.Sources(ctx, tx, by.Institution)
	if err != nil {
		return err
	}
	switch {
	case !slices.ContainsFunc(all, func(s Source) bool { return s.Ward == ward }):
		return fhir.Refuse(404, "not-found", "unknown-ward", "no such ward in your institution", "本院没有这个病区")
	case !MaySwitch(by, by.Institution):
		return fhir.Refuse(403, "forbidden", "not-your-switch", "the bed desk, leaders and administrators decide about this", "由床位调配中心、院领导或管理员设置")
	case owner != Hub && owner != HIS:
		return fhir.Refuse(422, "value", "bad-owner", "the owner is hub or his", "床位状态来源只能是 hub 或 his")
	case strings.TrimSpace(reason) == "" || len(reason) > 500:
		return fhir.Refuse(422, "required", "reason-required", "say why, in at most 500 bytes", "请填写原因（不要过长）")
	}
	flag := int64(0)
	if shadow {
		flag = 1
	}
	_, err = tx.Exec(ctx, `INSERT INTO beds_source (ward, owner, shadow, since, account, reason) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (ward) DO UPDATE SET owner = excluded.owner, shadow = excluded.shadow, since = excluded.since, account = excluded.account, reason = excluded.reason`,
		ward, owner, flag, tx.Now().UnixMicro(), by.User, reason)
	if err != nil {
		return fmt.Errorf("beds: source of %s: %w", ward, err)
	}
	mode := owner
	if shadow {
		mode += ",shadow"
	}
	return r.note(ctx, tx, "U", "bed-source:"+mode, ward)
}

func (r *Room) note(ctx context.Context, tx *store.Tx, action, what, target string, patients ...string) error {
	if r.Audit == nil {
		return nil
	}
	e := audit.Of(ctx, action, what, target)
	e.At, e.Patients = tx.Now(), patients
	return r.Audit.Write(ctx, tx, e)
}

// reporting marks the unit in which the hospital's own system says how it is.
type reporting struct{}

func isReport(ctx context.Context) bool { return ctx.Value(reporting{}) != nil }

// hub is who books what has happened already: hard rules do not speak against facts.
func hub(by *access.Caller) *access.Caller {
	return &access.Caller{User: by.User, Name: by.Name, Role: "system", Org: by.Org, Institution: by.Institution, Scope: by.Scope}
}
