package booking

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// bookers are the roles that book for the whole institution. Programs book where their legal person keeps the records.
var bookers = []access.Role{"bed-desk", "duty-chief", "head-nurse", "registrar"}

// openEnded marks a proposed Appointment whose end only closes its first day.
const openEnded = spec.Canonical + "/StructureDefinition/open-ended"

// mayBook refuses who may not book in a pool; pool "" asks whether he may anywhere.
func (r *Room) mayBook(by *access.Caller, pool string) error {
	no := fhir.Refuse(403, "forbidden", "may-not-book", "your role does not book here", "您的角色不能办理此处的预约")
	if r.Tree == nil {
		return no
	}
	switch {
	case by.Role == access.Program:
		if by.May('c', "Appointment") != nil && by.May('u', "Appointment") != nil {
			return no
		}
		if pool == "" || by.Org == "" || r.Tree.Legal(by.Org) == r.Tree.Legal(pool) {
			return nil
		}
	case by.Delegated() && by.May('s', "Appointment") != nil:
	case slices.Contains(bookers, by.Role) && by.Institution != "":
		if pool == "" || by.Institution == pool {
			return nil
		}
	}
	return no
}

// poolOf is the institution whose thing is proposed.
func (u *unit) poolOf(p *proposal) (string, error) {
	typ, id, _ := strings.Cut(p.thing, "/")
	if typ != "Location" && typ != "Slot" && typ != "Device" {
		return "", fhir.Refuse(422, "value", "nothing-to-book", "the Appointment names no Slot, Location or Device", "预约未指明号源、床位或设备")
	}
	v, err := u.tx.Read(u.ctx, u.by.Scope, typ, id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return "", noAppointment()
	} else if err != nil {
		return "", err
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return "", err
	}
	org := v.Custodian
	switch typ {
	case "Location":
		if n.Str("physicalType.coding[0].code") == "bd" && (n.Str("status") != "" && n.Str("status") != "active" || slices.Contains([]string{"C", "K", "I"}, n.Str("operationalStatus.code"))) {
			return "", fhir.Refuse(409, "conflict", "closed", p.thing+" is not in use now", "该床位当前不可用")
		}
		for range 8 {
			if to := n.Str("managingOrganization.reference"); to != "" {
				org = to
				break
			}
			up, err := u.tx.Read(u.ctx, u.by.Scope, "Location", strings.TrimPrefix(n.Str("partOf.reference"), "Location/"))
			if err != nil {
				break
			}
			if n, err = fhir.Parse(up.JSON); err != nil {
				return "", err
			}
		}
	case "Slot":
		if s := n.Str("status"); s != "free" && extension(n, slotBooking) == nil {
			return "", fhir.Refuse(409, "conflict", "taken", p.thing+" is "+s, "该号源不可预约")
		}
		var err error // a Slot has its own time
		if p.from, err = instant(n.Str("start"), "start"); err != nil {
			return "", err
		}
		if p.until, err = instant(n.Str("end"), "end"); err != nil {
			return "", err
		}
	case "Device":
		if to := n.Str("owner.reference"); to != "" {
			org = to
		}
	}
	if org == "" {
		return "", fhir.Refuse(422, "business-rule", "nobodys-thing", "nobody is responsible for "+p.thing, "该资源未登记所属机构")
	}
	return u.Tree.Institution(org), nil
}

// Bounds of $find.
const (
	findShown  = 50
	findMost   = 500
	findLooked = 20_000 // resources read for one call
)

// find proposes what is free.
func (r *Room) find(ctx context.Context, c Call) (Answer, error) {
	by := access.From(ctx)
	if by == nil {
		return Answer{}, fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	}
	f := &finding{r: r, ctx: ctx, by: by, count: findShown, within: c.Asked("location-reference"), slots: c.Asked("slot") == "true", now: r.Clock.Now(), specialty: specialtyOf(c)}
	pool := c.Asked("organization")
	if pool == "" {
		pool = by.Institution
	}
	if pool = r.institution(pool); pool == "" {
		return Answer{}, fhir.Refuse(422, "required", "organization-required", "organization is required", "请指明机构")
	}
	if err := r.mayBook(by, pool); err != nil {
		return Answer{}, err
	}
	f.pool = pool
	var err error
	if f.from, err = instant(c.Asked("start"), "start"); err != nil {
		return Answer{}, err
	}
	if f.from.Before(f.now) {
		f.from = f.now
	}
	if s := c.Asked("end"); s != "" {
		if f.until, err = instant(s, "end"); err != nil {
			return Answer{}, err
		}
		if !f.until.After(f.from) {
			return Answer{}, fhir.Refuse(422, "invalid", "bad-interval", "the end must be after the beginning", "结束时间须晚于开始时间")
		}
	}
	if s := c.Asked("_count"); s != "" {
		if f.count, err = strconv.Atoi(s); err != nil || f.count < 1 || f.count > findMost {
			return Answer{}, fhir.Refuse(422, "value", "bad-value", "_count: a number from 1 to 500 is expected", "_count：值不正确")
		}
	}
	if err := r.Store.View(ctx, f.look); err != nil {
		return Answer{}, err
	}
	e := audit.Of(ctx, "R", "appointment-find", "Appointment/$find?organization="+pool)
	e.Count = len(f.found)
	return Answer{Body: r.bundle(c.Base, f.found), Audit: &e}, nil
}

func (r *Room) institution(org string) string {
	if r.Tree == nil || org == "" {
		return org
	}
	return r.Tree.Institution(org)
}

// finding is one $find.
type finding struct {
	r           *Room
	ctx         context.Context
	tx          *store.Tx
	by          *access.Caller
	now         time.Time
	pool        string
	from, until time.Time
	within      string
	specialty   string
	slots       bool
	count       int
	taken       map[string]bool
	places      map[string]*fhir.Node // Locations above the beds
	found       []*fhir.Node
}

func (f *finding) look(tx *store.Tx) error {
	f.tx, f.found, f.taken, f.places = tx, nil, map[string]bool{}, map[string]*fhir.Node{}
	end := far
	if !f.until.IsZero() {
		end = f.until.UnixMicro()
	}
	all, err := list(f.ctx, tx, "WHERE pool = ? AND live = 1 AND from_at < ? AND (until_at IS NULL OR until_at > ?)", f.pool, end, f.from.UnixMicro())
	if err != nil {
		return err
	}
	for i := range all {
		if !all[i].runOut(f.now) {
			f.taken[all[i].Thing] = true
		}
	}
	if f.slots {
		return f.freeSlots()
	}
	return f.freeBeds()
}

// search pages through what the caller sees; each says whether to go on.
func (f *finding) search(typ string, params []search.Param, each func(v store.Version, n *fhir.Node) bool) error {
	q, err := search.Parse(typ, params, search.Options{Zone: f.r.Zone, MaxCount: 500, DefaultCount: 500})
	if err != nil {
		return err
	}
	q.Scope = f.by.Scope
	for seen := 0; seen < findLooked; {
		page, err := f.tx.Search(f.ctx, q.Query)
		if err != nil {
			return err
		}
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			if !each(v, n) {
				return nil
			}
		}
		if seen += len(page.Matches); page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
	return nil
}

func (f *finding) freeBeds() error {
	var orgs []string
	for _, o := range f.r.Tree.Below(f.pool) {
		if len(orgs) < 400 {
			orgs = append(orgs, o)
		}
	}
	params := []search.Param{{Name: "organization", Value: strings.Join(orgs, ",")}, {Name: "status", Value: "active"}}
	var beds []*fhir.Node
	err := f.search("Location", params, func(_ store.Version, n *fhir.Node) bool {
		ref := "Location/" + n.ID()
		f.places[ref] = n
		if n.Str("physicalType.coding[0].code") == "bd" && !f.taken[ref] && !slices.Contains([]string{"C", "K", "I"}, n.Str("operationalStatus.code")) {
			beds = append(beds, n)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, n := range beds {
		if len(f.found) >= f.count {
			break
		}
		if ok, err := f.wanted(n); err != nil {
			return err
		} else if ok {
			f.propose(n, proposal{"Location/" + n.ID(), f.from.Truncate(time.Second), f.until})
		}
	}
	return nil
}

const wardSpecialty = spec.Canonical + "/StructureDefinition/ward-specialty"

// wanted walks up from a bed to its campus: is the place asked for among them, and the specialty at home in one?
func (f *finding) wanted(n *fhir.Node) (bool, error) {
	inside, fits := f.within == "", f.specialty == ""
	for range 8 {
		ref := "Location/" + n.ID()
		inside = inside || ref == f.within
		for _, x := range n.All("extension") {
			fits = fits || x.Str("url") == wardSpecialty && x.Str("valueCode") == f.specialty
		}
		up := n.Str("partOf.reference")
		if inside && fits || up == "" {
			break
		}
		if f.places[up] == nil {
			v, err := f.tx.Read(f.ctx, f.by.Scope, "Location", strings.TrimPrefix(up, "Location/"))
			if err != nil {
				break
			}
			if f.places[up], err = fhir.Parse(v.JSON); err != nil {
				return false, err
			}
		}
		n = f.places[up]
	}
	return inside && fits, nil
}

func (f *finding) freeSlots() error {
	params := []search.Param{{Name: "status", Value: "free"}, {Name: "start", Value: "ge" + f.from.UTC().Format(time.RFC3339)}, {Name: "_sort", Value: "start"}}
	if !f.until.IsZero() {
		params = append(params, search.Param{Name: "start", Value: "lt" + f.until.UTC().Format(time.RFC3339)})
	}
	if f.specialty != "" {
		params = append(params, search.Param{Name: "specialty", Value: f.specialty})
	}
	return f.search("Slot", params, func(v store.Version, n *fhir.Node) bool {
		ref := "Slot/" + n.ID()
		if f.taken[ref] || f.r.institution(v.Custodian) != f.pool {
			return true
		}
		from, err1 := instant(n.Str("start"), "start")
		until, err2 := instant(n.Str("end"), "end")
		if err1 != nil || err2 != nil || !f.until.IsZero() && until.After(f.until) {
			return true
		}
		f.propose(n, proposal{ref, from, until})
		return len(f.found) < f.count
	})
}

// propose adds an Appointment of which nothing is stored.
func (f *finding) propose(n *fhir.Node, p proposal) {
	a := fhir.New("Appointment")
	if id := p.id(); id != "" {
		a.Set("id", id)
	}
	end := p.until
	if end.IsZero() {
		local := p.from.In(f.r.Zone)
		end = time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, f.r.Zone)
		a.Set("extension", fhir.Arr{fhir.Obj{"url", openEnded, "valueBoolean", true}})
	}
	a.Set("status", "proposed")
	a.Set("start", p.from.In(f.r.Zone).Format(stamp))
	a.Set("end", end.In(f.r.Zone).Format(stamp))
	if strings.HasPrefix(p.thing, "Slot/") {
		a.Set("slot", fhir.Arr{fhir.Obj{"reference", p.thing}})
		a.Set("participant", fhir.Arr{fhir.Obj{"type", fhir.Arr{fhir.Obj{"text", "Slot"}}, "status", "needs-action"}})
	} else {
		actor := fhir.Obj{"reference", p.thing}
		if name := n.Str("name"); name != "" {
			actor = append(actor, "display", name)
		}
		a.Set("participant", fhir.Arr{fhir.Obj{"actor", actor, "status", "needs-action"}})
	}
	f.found = append(f.found, a)
}

func (r *Room) bundle(base string, all []*fhir.Node) *fhir.Node {
	b := fhir.New("Bundle", "type", "searchset", "timestamp", r.Clock.Now().In(r.Zone).Format(stamp), "total", len(all))
	for _, n := range all {
		entry := fhir.Obj{}
		if n.ID() != "" {
			entry = append(entry, "fullUrl", base+"/Appointment/"+n.ID())
		}
		b.Add("entry", append(entry, "resource", n, "search", fhir.Obj{"mode", "match"}))
	}
	return b
}
