package beds

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// system is the hub itself: what it books has happened already, such as a move that the hospital's own system reports.
const system = access.Role("system")

// Guard asks the hard rules in the unit that books, one unit a ward at a time: two holds do not pass a limit together.
// What the caller may set aside with a reason, the institution's rules say.
func (r *Room) Guard(ctx context.Context, tx *store.Tx, by *access.Caller, c *booking.Command, before *booking.Booking) error {
	if strings.HasPrefix(c.Thing, "capacity:") && c.Wait != nil && len(c.Wait.Needs) > 0 { // for the morning on which it becomes a bed
		q, err := r.known(ctx, tx, c.Holder, c.Patient, c.Wait)
		if err != nil {
			return err
		}
		return r.remember(ctx, tx, c.Holder, c.Patient, q)
	}
	if !isBed(c.Thing) {
		return nil
	}
	g, err := r.register(ctx, tx)
	if err != nil {
		return err
	}
	w, b := g.bed(c.Thing)
	if w == nil {
		return nil
	}
	pool := r.institution(w.Org)
	if c.Pool != "" && c.Pool != pool {
		return fhir.Refuse(http.StatusUnprocessableEntity, "business-rule", "other-pool", "that bed belongs to another hospital", "该床位不属于本院")
	}
	if err := tx.Lock(ctx, wardLock(w.ID)); err != nil {
		return err
	}
	q, err := r.known(ctx, tx, c.Holder, c.Patient, c.Wait)
	if err != nil {
		return err
	}
	if c.Wait != nil && len(c.Wait.Needs) > 0 {
		if err := r.remember(ctx, tx, c.Holder, c.Patient, q); err != nil {
			return err
		}
	}
	if by == nil || by.Role == system || c.Fact {
		return nil
	}
	mine := before != nil && before.Thing == c.Thing // promised already: what speaks against him was asked then
	if q.Ward == "" && q.Specialty == "" {           // nobody says whose patient he is: the ward's that takes him
		q.Ward = w.Org
	}
	q.At = ""
	holder := c.Holder
	if before != nil && before.State == booking.Occupied && isBed(before.Thing) { // he lies there until he is moved
		q.At, holder = before.Thing, ""
	}
	l, err := r.look(ctx, tx, pool, []*Ward{w}, w.ID, holder, c.Thing)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(l.Beds, func(x allocate.Bed) bool { return x.ID == b.ID })
	var against []allocate.Objection
	if !mine {
		against = allocate.Objections(&l.Pool, at, &q, l.Rules.Who)
	}
	if c.Do == booking.Occupy && l.Said[b.ID].State == string(allocate.Cleaning) && l.Said[b.ID].Confirm {
		against = append(against, allocate.Objection{Code: "unclean", Zh: "床位尚未确认清洁完毕", En: "nobody has said that the bed is clean"})
	}
	if err := r.refuse(by, c, pool, w.ID, against, l.Rules.Who, tx.Now()); err != nil {
		return err
	}
	for _, o := range against { // set aside by somebody who may
		if err := count(ctx, tx, refusal{pool, r.day(tx.Now()), w.ID, overridden + o.Code}, 1); err != nil {
			return err
		}
	}
	return nil
}

// Beside is booking.Options.Beside: the ward's lock, by the register as it is in memory. A bed that has moved since costs a
// lock too many, and Guard asks for the right one.
func (r *Room) Beside(thing string) string {
	if !isBed(thing) {
		return ""
	}
	r.mu.Lock()
	kept := r.kept
	r.mu.Unlock()
	if kept == nil {
		return ""
	}
	w, _ := kept.bed(thing)
	if w == nil {
		return ""
	}
	return wardLock(w.ID)
}

func wardLock(ward string) string { return "ward " + ward }

// refuse says what speaks against a bed and is not set aside by somebody who may.
func (r *Room) refuse(by *access.Caller, c *booking.Command, pool, ward string, against []allocate.Objection, rules *allocate.Rules, now time.Time) error {
	var issues []fhir.Issue
	first := ""
	for _, o := range against {
		issue := fhir.Issue{Severity: "error", Code: "business-rule", Detail: "bed-" + o.Code, Text: o.En, Zh: o.Zh, Expression: c.Thing}
		if slices.Contains(c.Override, o.Code) {
			switch who := rules.Override[o.Code]; {
			case len(who) == 0:
				issue.Text, issue.Zh = o.En+"; nobody may set this aside", o.Zh+"；此项不得放行"
			case !slices.Contains(who, string(by.Role)):
				issue.Code, issue.Detail = "forbidden", "override-not-yours"
				issue.Text, issue.Zh = o.En+"; only these may set it aside: "+strings.Join(who, ", "), o.Zh+"；只能由"+roles(who)+"放行"
			case strings.TrimSpace(c.Reason) == "":
				issue.Code, issue.Detail = "required", "needs-reason"
				issue.Text, issue.Zh = o.En+"; say why it is set aside", o.Zh+"；放行须说明理由"
			default:
				continue
			}
		}
		if issues = append(issues, issue); first == "" {
			first = o.Code
		}
	}
	if len(issues) == 0 {
		return nil
	}
	r.mu.Lock()
	if n := r.refused; len(n) < 10_000 {
		n[refusal{pool, r.day(now), ward, first}]++
	}
	r.mu.Unlock()
	return &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: issues}
}

func roles(codes []string) string {
	var names []string
	for _, c := range codes {
		name := access.RoleNames[access.Role(c)].Zh
		if name == "" {
			name = c
		}
		names = append(names, name)
	}
	return strings.Join(names, "、")
}

// memo is what Fits has looked at in one unit: booking asks about many pairs at once.
type memo struct {
	tx       *store.Tx
	engines  map[string]*allocate.Engine // by ward
	requests map[string]allocate.Request
}

// forget drops what was looked at: the unit has changed something.
func (r *Room) forget() {
	r.mu.Lock()
	r.memo = memo{}
	r.mu.Unlock()
}

// Fits says whether a bed would do for a waiter now, and is not better kept.
func (r *Room) Fits(ctx context.Context, tx *store.Tx, thing string, w booking.Wait) (bool, error) {
	if !isBed(thing) {
		return false, nil
	}
	g, err := r.register(ctx, tx)
	if err != nil {
		return false, err
	}
	ward, _ := g.bed(thing)
	if ward == nil {
		return false, nil
	}
	r.mu.Lock()
	m := r.memo
	r.mu.Unlock()
	if m.tx != tx {
		m = memo{tx: tx, engines: map[string]*allocate.Engine{}, requests: map[string]allocate.Request{}}
	}
	e := m.engines[ward.ID]
	if e == nil {
		l, err := r.look(ctx, tx, r.institution(ward.Org), []*Ward{ward}, ward.ID, "", "")
		if err != nil {
			return false, err
		}
		e = allocate.NewEngine(&l.Pool, l.Rules.Who)
		m.engines[ward.ID] = e
	}
	q, known := m.requests[w.Holder]
	if !known {
		if q, err = r.known(ctx, tx, w.Holder, w.Patient, &w); err != nil {
			return false, err
		}
		m.requests[w.Holder] = q
	}
	r.mu.Lock()
	r.memo = m
	r.mu.Unlock()
	at := e.Find(thing)
	return at >= 0 && e.Bed(at).State == allocate.Free && e.Fits(at, &q) && e.Cost(at, &q) < e.Leave(&q), nil
}

// Units is how many beds of a kind are expected to be free on a day, less what is kept for emergencies. base is a
// capacity as booking names it, without its unit.
func (r *Room) Units(ctx context.Context, tx *store.Tx, base string, day time.Time) (int, error) {
	pool, group, level, sex, ok := capacityOf(base)
	if !ok {
		return 0, nil
	}
	wards, err := r.Wards(ctx, tx, pool)
	if err != nil {
		return 0, err
	}
	wards = slices.DeleteFunc(slices.Clone(wards), func(w *Ward) bool { return w.Group != group && !slices.Contains(w.Specialties, group) })
	l, err := r.look(ctx, tx, pool, wards, "", "", "")
	if err != nil {
		return 0, err
	}
	by := day.Add(14 * time.Hour) // who leaves later frees it for the next day
	expected, kept := 0.0, 0
	for i := range l.Beds {
		b := &l.Beds[i]
		room := &l.Rooms[b.Room]
		if b.Level != allocate.Level(level) || !takes(room, allocate.Sex(sex)) {
			continue
		}
		switch b.State {
		case allocate.Free, allocate.Cleaning:
			expected++
		case allocate.Occupied, allocate.Lent:
			if !b.Frees.IsZero() && b.Frees.Before(by) {
				expected += b.Likely
			}
		}
	}
	for i := range l.Wards {
		kept += l.Wards[i].Reserve
	}
	return max(0, int(expected+1e-9)-kept), nil
}

func takes(room *allocate.Room, sex allocate.Sex) bool {
	switch room.Rule {
	case allocate.Male, allocate.Female:
		return sex == room.Rule
	case allocate.Mixed:
		return sex == allocate.Mixed || sex == allocate.Male && room.Women == 0 || sex == allocate.Female && room.Men == 0
	}
	return true
}

// capacityOf takes "capacity:Organization/x/group/level/sex" apart.
func capacityOf(base string) (pool, group, level, sex string, ok bool) {
	rest, ok := strings.CutPrefix(base, "capacity:")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 5 {
		return "", "", "", "", false
	}
	sex, _, _ = strings.Cut(parts[4], "#")
	return parts[0] + "/" + parts[1], parts[2], parts[3], sex, true
}
