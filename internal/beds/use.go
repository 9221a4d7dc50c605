package beds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Use is one span in which a booking had a bed in one state: what Guard counts and leaders read.
type Use struct {
	Booking, Bed, Holder, Patient string
	Pool, Campus, Ward, Host      string // Ward: "Location/…"; Host: the organisation that nurses
	Level                         allocate.Level
	Home                          string // responsible department, "" when only the specialty is known
	Specialty, Team               string
	Sex                           allocate.Sex
	Nursing, Isolation            string
	Urgency                       allocate.Urgency
	Lent                          bool
	Waited                        time.Time // since when the case had waited
	Began                         time.Time
	State                         booking.State
	Since                         time.Time // in this state
	Expires                       time.Time
	From                          time.Time // of the booking; later than now for one that begins later
	Frees                         time.Time
	Likely                        float64
	Ended                         time.Time // zero = it still is
	Ending                        string    // the state that followed
	seq                           int64
}

// live says whether it counts at a time: a hold that has run out does not.
func (u *Use) live(now time.Time) bool {
	return u.Ended.IsZero() && (u.State != booking.Held || u.Expires.IsZero() || u.Expires.After(now))
}

const useColumns = `SELECT booking, bed, began, holder, patient, pool, campus, ward, host, level, home, specialty, team, sex, nursing, isolation, urgency, lent, waited,
state, since, expires, frees, likely, ended, ending, seq FROM beds_use `

func uses(ctx context.Context, tx *store.Tx, where string, args ...any) (all []Use, err error) {
	err = tx.Query(ctx, useColumns+where, args, func(scan func(...any) error) error {
		var u Use
		var level, sex, urgency, state string
		var began, lent, waited, since, expires, frees, ended int64
		if err := scan(&u.Booking, &u.Bed, &began, &u.Holder, &u.Patient, &u.Pool, &u.Campus, &u.Ward, &u.Host, &level, &u.Home, &u.Specialty, &u.Team, &sex, &u.Nursing, &u.Isolation,
			&urgency, &lent, &waited, &state, &since, &expires, &frees, &u.Likely, &ended, &u.Ending, &u.seq); err != nil {
			return err
		}
		u.Level, u.Sex, u.Urgency, u.State, u.Lent = allocate.Level(level), allocate.Sex(sex), allocate.Urgency(urgency), booking.State(state), lent != 0
		u.Began, u.From, u.Waited, u.Since, u.Expires, u.Frees, u.Ended = moment(began), moment(began), moment(waited), moment(since), moment(expires), moment(frees), moment(ended)
		all = append(all, u)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("beds: uses: %w", err)
	}
	return all, nil
}

// Changed follows a booking in its unit: the use of the bed, cleaning after it, and what its Location says.
func (r *Room) Changed(ctx context.Context, tx *store.Tx, before, after *booking.Booking) error {
	var touched []string
	for _, b := range []*booking.Booking{before, after} {
		if b != nil && isBed(b.Thing) && !slices.Contains(touched, b.Thing) {
			touched = append(touched, b.Thing)
		}
	}
	if len(touched) == 0 {
		return nil
	}
	r.forget()
	g, err := r.register(ctx, tx)
	if err != nil {
		return err
	}
	has := before != nil && isBed(before.Thing) && before.State.Live()
	takes := after != nil && isBed(after.Thing) && after.State.Live()
	if has && takes && before.Thing == after.Thing && before.State == after.State {
		err = r.goesOn(ctx, tx, g, before, after)
	} else {
		if has {
			err = r.ends(ctx, tx, g, before, after)
		}
		if takes && err == nil {
			err = r.begins(ctx, tx, g, before, after)
		}
	}
	if err != nil {
		return err
	}
	for _, bed := range touched {
		if err := r.mark(ctx, tx, bed); err != nil {
			return err
		}
		if err := r.tell(ctx, tx, g, bed); err != nil {
			return err
		}
	}
	return nil
}

// planned is when a use is expected to end; zero = nobody has said.
func planned(b *booking.Booking) time.Time { return b.Planned }

// mark notes that a board which was read before is stale for this bed.
func (r *Room) mark(ctx context.Context, tx *store.Tx, bed string) error {
	err := tx.Queue(ctx, "INSERT INTO beds_change (bed, at) VALUES (?, ?) ON CONFLICT (bed) DO UPDATE SET at = excluded.at", bed, tx.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("beds: %s: %w", bed, err)
	}
	return nil
}

func isBed(thing string) bool { return strings.HasPrefix(thing, "Location/") }

// goesOn: another holder, another end, or time that runs or stands.
func (r *Room) goesOn(ctx context.Context, tx *store.Tx, g *register, before, after *booking.Booking) error {
	if after.Holder != before.Holder {
		if err := r.inherit(ctx, tx, before.Holder, after.Holder, after.Patient); err != nil {
			return err
		}
		q, err := r.known(ctx, tx, after.Holder, after.Patient, nil)
		if err != nil {
			return err
		}
		if err := r.rewrite(ctx, tx, g, after.Thing, after.ID, q); err != nil {
			return err
		}
	}
	frees := planned(after)
	if frees.IsZero() {
		frees = after.Until
	}
	likely := likelihood(after.Reason)
	if frees.IsZero() {
		likely = 0
	}
	err := tx.Queue(ctx, "UPDATE beds_use SET holder = ?, began = ?, expires = ?, frees = ?, likely = ? WHERE booking = ? AND ended = 0",
		after.Holder, micros(after.From), micros(after.Expires), micros(frees), likely, after.ID)
	if err != nil {
		return fmt.Errorf("beds: use of %s: %w", after.Thing, err)
	}
	return nil
}

// inherit lets a stay know what its admission needed.
func (r *Room) inherit(ctx context.Context, tx *store.Tx, from, to, patient string) error {
	if _, _, found, err := remembered(ctx, tx, to); err != nil || found {
		return err
	}
	q, _, found, err := remembered(ctx, tx, from)
	if err != nil || !found {
		return err
	}
	return r.remember(ctx, tx, to, patient, q)
}

// rewrite puts what is known of the holder now into the open row: a stay may know more than the admission did.
func (r *Room) rewrite(ctx context.Context, tx *store.Tx, g *register, bed, id string, q allocate.Request) error {
	w, _ := g.bed(bed)
	if w == nil {
		return nil
	}
	err := tx.Queue(ctx, "UPDATE beds_use SET home = ?, specialty = ?, team = ?, sex = ?, nursing = ?, isolation = ?, urgency = ?, lent = ? WHERE booking = ? AND ended = 0",
		q.Ward, q.Specialty, q.Team, string(q.Sex), q.Nursing, q.Isolation, string(q.Urgency), flag(!r.atHome(w, q)), id)
	if err != nil {
		return fmt.Errorf("beds: use of %s: %w", bed, err)
	}
	return nil
}

func (r *Room) ends(ctx context.Context, tx *store.Tx, g *register, before, after *booking.Booking) error {
	ending := string(booking.Released)
	if after != nil {
		ending = string(after.State)
	}
	if after != nil && after.State.Live() && after.Thing != before.Thing {
		ending = "moved"
	}
	now := tx.Now()
	if err := tx.Queue(ctx, "UPDATE beds_use SET ended = ?, ending = ? WHERE booking = ? AND ended = 0", now.UnixMicro(), ending, before.ID); err != nil {
		return fmt.Errorf("beds: use of %s: %w", before.Thing, err)
	}
	left := before.State == booking.Occupied && (after == nil || !after.State.Live() || after.Thing != before.Thing)
	if !left {
		return nil
	}
	last, err := uses(ctx, tx, "WHERE booking = ? ORDER BY seq DESC LIMIT 1", before.ID)
	if err != nil {
		return err
	}
	return r.clean(ctx, tx, g, before.Thing, len(last) > 0 && last[0].Isolation != "")
}

func (r *Room) begins(ctx context.Context, tx *store.Tx, g *register, before, after *booking.Booking) error {
	w, b := g.bed(after.Thing)
	if w == nil {
		return nil // no bed of the register: somebody books a Location of another kind
	}
	if before != nil && before.Holder != after.Holder {
		if err := r.inherit(ctx, tx, before.Holder, after.Holder, after.Patient); err != nil {
			return err
		}
	}
	q, err := r.known(ctx, tx, after.Holder, after.Patient, nil)
	if err != nil {
		return err
	}
	if err := r.remember(ctx, tx, after.Holder, after.Patient, q); err != nil {
		return err
	}
	if after.State == booking.Occupied { // whoever lies there, the bed is not being cleaned
		if err := tx.Queue(ctx, "DELETE FROM beds_state WHERE bed = ? AND state = 'cleaning'", after.Thing); err != nil {
			return fmt.Errorf("beds: %s: %w", after.Thing, err)
		}
	}
	lent := flag(!r.atHome(w, q))
	frees, likely := planned(after), 0.0
	if frees.IsZero() {
		frees = after.Until
	}
	if !frees.IsZero() {
		likely = likelihood(after.Reason)
	}
	err = tx.Queue(ctx, `INSERT INTO beds_use (booking, bed, began, holder, patient, pool, campus, ward, host, level, home, specialty, team, sex, nursing, isolation, urgency, lent, waited,
state, since, expires, frees, likely, ended, ending, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?)`,
		after.ID, after.Thing, micros(after.From), after.Holder, after.Patient, r.institution(w.Org), w.Campus, w.ID, w.Org, string(b.Level),
		q.Ward, q.Specialty, q.Team, string(q.Sex), q.Nursing, q.Isolation, string(q.Urgency), lent, micros(q.Since),
		string(after.State), tx.Now().UnixMicro(), micros(after.Expires), micros(frees), likely, after.Version)
	if err != nil {
		return fmt.Errorf("beds: use of %s: %w", after.Thing, err)
	}
	return nil
}

// atHome says whether a ward is the patient's own: of his department, or where that is not said, of his specialty.
func (r *Room) atHome(w *Ward, q allocate.Request) bool {
	if q.Ward == "" && q.Specialty == "" || slices.Contains(w.Specialties, q.Specialty) {
		return true
	}
	if q.Ward != "" {
		return r.within(w.Org, q.Ward) || r.within(q.Ward, w.Org)
	}
	return false
}

// likelihood of a planned discharge: a share, a percentage or a word.
func likelihood(said string) float64 {
	switch said {
	case "certain", "confirmed", "definite", "sure":
		return 1
	case "likely", "probable", "":
		return 0.8
	case "possible", "unsure":
		return 0.4
	}
	if v, err := strconv.ParseFloat(strings.TrimSuffix(said, "%"), 64); err == nil && v > 0 {
		if v > 1 {
			v /= 100
		}
		return min(v, 1)
	}
	return 0.8
}

// clean begins the cleaning after a use.
func (r *Room) clean(ctx context.Context, tx *store.Tx, g *register, bed string, isolated bool) error {
	w, b := g.bed(bed)
	if w == nil {
		return nil
	}
	u, err := r.RulesOf(ctx, tx, r.institution(w.Org))
	if err != nil {
		return err
	}
	confirm := flag(u.confirms(w, b.Level, isolated))
	now := tx.Now()
	err = tx.Queue(ctx, `INSERT INTO beds_state (bed, state, since, until, confirm, reason, account) VALUES (?, 'cleaning', ?, ?, ?, 'after-use', 'hub')
ON CONFLICT (bed) DO UPDATE SET state = excluded.state, since = excluded.since, until = excluded.until, confirm = excluded.confirm, reason = excluded.reason, account = excluded.account
WHERE beds_state.state <> 'closed'`, bed, now.UnixMicro(), now.Add(u.cleaning(b.Level)).UnixMicro(), confirm)
	if err != nil {
		return fmt.Errorf("beds: clean %s: %w", bed, err)
	}
	return nil
}

// stateNow is the state of one bed as everybody sees it, and whether its patient is isolated.
func (r *Room) stateNow(ctx context.Context, tx *store.Tx, bed string, off bool) (s allocate.State, isolated bool, err error) {
	s = allocate.Free
	err = tx.Query(ctx, "SELECT state FROM beds_state WHERE bed = ?", []any{bed}, func(scan func(...any) error) error {
		var said string
		err := scan(&said)
		s = allocate.State(said)
		return err
	})
	if err != nil {
		return s, false, fmt.Errorf("beds: state of %s: %w", bed, err)
	}
	if off {
		s = allocate.Closed
	}
	all, err := uses(ctx, tx, "WHERE bed = ? AND ended = 0", bed)
	if err != nil {
		return s, false, err
	}
	for _, u := range all {
		if u.live(tx.Now()) && (u.State == booking.Occupied || s != allocate.Occupied && s != allocate.Lent) {
			s = u.bedState()
			isolated = u.Isolation != "" && u.State == booking.Occupied
		}
	}
	return s, isolated, nil
}

// bedState is what a use makes of its bed.
func (u *Use) bedState() allocate.State {
	switch {
	case u.Lent && u.State == booking.Occupied:
		return allocate.Lent
	case u.State == booking.Occupied:
		return allocate.Occupied
	}
	return allocate.Held
}

// tell writes a bed's state into its Location and raises beds.state, where it has changed.
func (r *Room) tell(ctx context.Context, tx *store.Tx, g *register, bed string) error {
	w, b := g.bed(bed)
	if w == nil {
		return nil
	}
	s, isolated, err := r.stateNow(ctx, tx, bed, b.Off)
	if err != nil {
		return err
	}
	_, id, _ := strings.Cut(bed, "/")
	v, err := tx.Read(ctx, search.Everything, "Location", id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("beds: %s: %w", bed, err)
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return fmt.Errorf("beds: %s: %w", bed, err)
	}
	code, display := operational(s, isolated || b.Level == allocate.Isolation && s == allocate.Cleaning)
	old, status := stateSaid(n)
	if (old == string(s) || old == "" && s == allocate.Free) && (status == code || status == "" && code == "U") {
		return nil
	}
	n.Set("operationalStatus", fhir.Coding(OperationalStatus, code, display))
	setState(n, s)
	ready, err := store.Prepare(n)
	if err != nil {
		return fmt.Errorf("beds: %s: %w", bed, err)
	}
	if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Location", ID: id, Resource: ready, IfMatch: v.VID, ByStep: true}); err != nil {
		return fmt.Errorf("beds: %s: %w", bed, err)
	}
	if r.Raise == nil || old == string(s) {
		return nil
	}
	pool := r.institution(w.Org)
	return r.Raise(ctx, tx, event.Event{Kind: "beds.state", Focus: bed, Parties: []string{pool},
		Data: map[string]string{"state": string(s), "ward": w.ID, "pool": pool}})
}

func setState(n *fhir.Node, s allocate.State) {
	for i, e := range n.All("extension") {
		if e.Str("url") == StateOf {
			n.Set("extension["+strconv.Itoa(i)+"].valueCode", string(s))
			return
		}
	}
	n.Add("extension", fhir.Extension(StateOf, "valueCode", string(s)))
}
