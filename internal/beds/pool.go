package beds

import (
	"context"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Pool is everything that a decision about an institution's beds looks at, as of the unit's time.
func (r *Room) Pool(ctx context.Context, tx *store.Tx, institution string) (allocate.Pool, error) {
	l, err := r.Look(ctx, tx, institution)
	return l.Pool, err
}

// Look is Pool with all that people see beside it.
func (r *Room) Look(ctx context.Context, tx *store.Tx, institution string) (Look, error) {
	g, err := r.register(ctx, tx)
	if err != nil {
		return Look{}, err
	}
	return r.look(ctx, tx, institution, r.wardsOf(g, institution), "", "", "")
}

// LookFor is Look for a decision about one case, with what it needs: what it holds is left out, where its patient lies is
// in Request.At.
func (r *Room) LookFor(ctx context.Context, tx *store.Tx, institution, holder string) (Look, allocate.Request, error) {
	g, err := r.register(ctx, tx)
	if err != nil {
		return Look{}, allocate.Request{}, err
	}
	patient, but := "", holder
	var at string
	open, err := uses(ctx, tx, "WHERE holder = ? AND ended = 0", holder)
	if err != nil {
		return Look{}, allocate.Request{}, err
	}
	for _, u := range open {
		if patient = u.Patient; u.State == booking.Occupied {
			at, but = u.Bed, ""
		}
	}
	q, err := r.known(ctx, tx, holder, patient, nil)
	if err != nil {
		return Look{}, q, err
	}
	if at != "" {
		q.At = at
	}
	l, err := r.look(ctx, tx, institution, r.wardsOf(g, institution), "", but, "")
	return l, q, err
}

// Requests are those who wait in a pool for a bed, in the order of its list.
func (r *Room) Requests(ctx context.Context, tx *store.Tx, pool string) ([]booking.Wait, []allocate.Request, error) {
	waits, err := r.Bookings.Waits(ctx, tx, pool)
	if err != nil {
		return nil, nil, fmt.Errorf("beds: %w", err)
	}
	all := make([]allocate.Request, 0, len(waits))
	for _, w := range waits {
		q, err := RequestOf(w)
		if err != nil {
			return nil, nil, err
		}
		if q, err = r.sexed(ctx, tx, q, w.Patient); err != nil {
			return nil, nil, err
		}
		all = append(all, q)
	}
	return waits, all, nil
}

// NeedsOf is what a case needs of a bed, whether it waits or has one.
func (r *Room) NeedsOf(ctx context.Context, tx *store.Tx, holder, patient string) (allocate.Request, error) {
	return r.known(ctx, tx, holder, patient, nil)
}

// Look is a pool with what the decision does not need and people ask for.
type Look struct {
	allocate.Pool
	Of    []*Ward        // as Pool.Wards
	Uses  map[string]Use // by bed: who has it now
	Said  map[string]Said
	Rules *Rules
	Shift Shift
	From  time.Time // of the shift
	Until time.Time
	Set   map[string]Staffing // of the shift, by ward
}

// Said is what people, or time after a use, have said of a bed.
type Said struct {
	State, Reason, By string
	Since, Until      time.Time
	Confirm           bool
}

// look reads the live state of some wards of one institution. With ward, it is only one of them; what holder
// has, and who has the bed but, are left out of what is counted, for a decision about them.
func (r *Room) look(ctx context.Context, tx *store.Tx, institution string, wards []*Ward, ward, holder, but string) (l Look, err error) {
	now := tx.Now()
	l = Look{Of: wards, Uses: map[string]Use{}}
	l.Now = now
	if l.Rules, err = r.RulesOf(ctx, tx, institution); err != nil {
		return l, err
	}
	l.Shift, l.From, l.Until = l.Rules.ShiftAt(now.In(r.zone()))
	where, args := "WHERE pool = ? AND ended = 0", []any{institution}
	if ward != "" {
		where, args = where+" AND ward = ?", append(args, ward)
	}
	all, err := uses(ctx, tx, where, args...)
	if err != nil {
		return l, err
	}
	for _, u := range all {
		if !u.live(now) || u.Holder == holder && holder != "" || u.Bed == but {
			continue
		}
		if was, taken := l.Uses[u.Bed]; taken && was.State == booking.Occupied {
			continue
		}
		l.Uses[u.Bed] = u
	}
	if l.Said, err = states(ctx, tx, wards, ward); err != nil {
		return l, err
	}
	if l.Set, err = shiftsAt(ctx, tx, now, ward); err != nil {
		return l, err
	}
	for _, w := range wards {
		l.add(w)
	}
	return l, nil
}

func (l *Look) add(w *Ward) {
	at, rooms := len(l.Wards), len(l.Rooms)
	out := allocate.Ward{ID: w.Org, Name: w.Name, Campus: w.Campus, Specialties: w.Specialties, Neighbours: w.Neighbours,
		Kinds: w.Protected, Lends: w.Lends, Reserve: w.Reserve, Teams: map[string]int{}}
	s, set := l.Set[w.ID]
	out.Capacity, out.Stale = s.Points, !set
	for _, c := range w.Rooms {
		l.Rooms = append(l.Rooms, allocate.Room{ID: c.ID, Rule: c.Rule})
	}
	for _, b := range w.Beds {
		bed := allocate.Bed{ID: b.ID, Name: b.Name, Ward: at, Room: rooms + b.Chamber, Level: b.Level, Equipment: b.Equipment, State: allocate.Free}
		switch said := l.Said[b.ID]; {
		case b.Off || said.State == string(allocate.Closed):
			bed.State = allocate.Closed
		case said.State == string(allocate.Cleaning):
			bed.State, bed.Frees, bed.Likely = allocate.Cleaning, said.Until, 1
			if said.Confirm {
				bed.Likely = 0.9
			}
		}
		if u, taken := l.Uses[b.ID]; taken {
			bed.State = u.bedState()
			bed.Frees, bed.Likely = u.Frees, u.Likely
			if u.Lent && u.State != booking.Occupied {
				bed.State = allocate.Held
			}
			room := &l.Rooms[bed.Room]
			switch u.Sex {
			case allocate.Male:
				room.Men++
			case allocate.Female:
				room.Women++
			default:
				room.Others++
			}
			if u.Isolation != "" {
				room.Isolation = u.Isolation
			}
			if u.From.Before(l.Until) {
				out.Load += l.points(u.Nursing)
			}
			if u.Team != "" {
				out.Teams[u.Team]++
			}
		}
		if bed.State == allocate.Free {
			out.Free++
		}
		l.Beds = append(l.Beds, bed)
	}
	l.Wards = append(l.Wards, out)
}

// points of a patient by nursing level.
func (l *Look) points(nursing string) float64 {
	if p, said := l.Rules.Who.Nursing[nursing]; said {
		return p
	}
	return l.Rules.Who.Nursing[""]
}

func states(ctx context.Context, tx *store.Tx, wards []*Ward, ward string) (map[string]Said, error) {
	all := map[string]Said{}
	read := func(where string, args ...any) error {
		return tx.Query(ctx, "SELECT bed, state, since, until, confirm, reason, account FROM beds_state "+where, args, func(scan func(...any) error) error {
			var bed string
			var s Said
			var since, until, confirm int64
			err := scan(&bed, &s.State, &since, &until, &confirm, &s.Reason, &s.By)
			s.Since, s.Until, s.Confirm = moment(since), moment(until), confirm != 0
			all[bed] = s
			return err
		})
	}
	if ward == "" {
		if err := read(""); err != nil {
			return nil, fmt.Errorf("beds: states: %w", err)
		}
		return all, nil
	}
	for _, w := range wards {
		marks, args := "", []any{}
		for _, b := range w.Beds {
			marks, args = marks+", ?", append(args, b.ID)
		}
		if len(args) == 0 {
			continue
		}
		if err := read("WHERE bed IN ("+marks[2:]+")", args...); err != nil {
			return nil, fmt.Errorf("beds: states: %w", err)
		}
	}
	return all, nil
}
