package beds

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// MaySay refuses who may not clean, close or open the beds of a ward: its nurses, the bed desk and the chief on duty of
// the institution may, and the ward's own systems.
func (r *Room) MaySay(by *access.Caller, w *Ward) error {
	if by != nil && by.Institution == r.institution(w.Org) {
		switch by.Role {
		case "bed-desk", "duty-chief", NursingDuty:
			return nil
		case access.Nurse, "head-nurse", access.Program:
			if by.Org == by.Institution && by.Role != access.Program || r.within(w.Org, by.Org) {
				return nil
			}
		}
	}
	return fhir.Refuse(403, "forbidden", "not-your-ward", "the ward's nurses and the bed desk say what state a bed is in", "床位状态由本病区护士或床位调配中心登记")
}

// SetState is what people say of a bed: cleaning, closed, or free when it is clean or open again.
func (r *Room) SetState(ctx context.Context, tx *store.Tx, by *access.Caller, bed string, state allocate.State, reason string) (allocate.State, error) {
	g, err := r.register(ctx, tx)
	if err != nil {
		return "", err
	}
	w, b := g.bed(bed)
	if w == nil || by == nil || by.Institution != r.institution(w.Org) {
		return "", fhir.Refuse(404, "not-found", "unknown-bed", "no such bed in your institution", "本院没有这张床")
	}
	if err := r.MaySay(by, w); err != nil {
		return "", err
	}
	if err := tx.Lock(ctx, wardLock(w.ID)); err != nil {
		return "", err
	}
	if len(reason) > 500 {
		return "", fhir.Refuse(422, "too-long", "reason-too-long", "a reason has at most 500 bytes", "说明过长")
	}
	now, _, err := r.stateNow(ctx, tx, bed, b.Off)
	if err != nil {
		return "", err
	}
	inUse := now == allocate.Held || now == allocate.Occupied || now == allocate.Lent
	pool := r.institution(w.Org)
	switch state {
	case allocate.Free:
		if b.Off {
			return "", fhir.Refuse(422, "business-rule", "out-of-service", "the bed, its room or its ward is suspended in the register", "该床位所在病室或病区在登记中已停用")
		}
		_, err = tx.Exec(ctx, "DELETE FROM beds_state WHERE bed = ?", bed)
	case allocate.Cleaning, allocate.Closed:
		if inUse && (state == allocate.Closed || now != allocate.Held) {
			return "", fhir.Refuse(409, "conflict", "bed-in-use", "the bed is in use or held", "该床位已占用或已预留")
		}
		if state == allocate.Closed && strings.TrimSpace(reason) == "" {
			return "", fhir.Refuse(422, "required", "reason-required", "say why the bed is closed", "请填写停用原因")
		}
		var u *Rules
		if u, err = r.RulesOf(ctx, tx, pool); err != nil {
			return "", err
		}
		until, confirm := time.Time{}, int64(0)
		if state == allocate.Cleaning {
			until = tx.Now().Add(u.cleaning(b.Level))
			confirm = flag(u.confirms(w, b.Level, false))
		}
		_, err = tx.Exec(ctx, `INSERT INTO beds_state (bed, state, since, until, confirm, reason, account) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (bed) DO UPDATE SET state = excluded.state, since = excluded.since, until = excluded.until, confirm = excluded.confirm, reason = excluded.reason, account = excluded.account`,
			bed, string(state), tx.Now().UnixMicro(), micros(until), confirm, reason, by.User)
	default:
		return "", fhir.Refuse(422, "value", "bad-state", "say free, cleaning or closed; the rest follows from bookings", "只能登记空床、清洁或停用；其余状态由预订与占用产生")
	}
	if err != nil {
		return "", fmt.Errorf("beds: state of %s: %w", bed, err)
	}
	if err := r.note(ctx, tx, "U", "bed-state:"+string(state), bed); err != nil {
		return "", err
	}
	return r.settle(ctx, tx, g, bed, pool)
}

// settle tells the Location, the stream and the waiting list what has come of a bed.
func (r *Room) settle(ctx context.Context, tx *store.Tx, g *register, bed, pool string) (allocate.State, error) {
	r.forget()
	if err := r.mark(ctx, tx, bed); err != nil {
		return "", err
	}
	if err := r.tell(ctx, tx, g, bed); err != nil {
		return "", err
	}
	_, b := g.bed(bed)
	now, _, err := r.stateNow(ctx, tx, bed, b.Off)
	if err != nil || r.Bookings == nil {
		return now, err
	}
	if now == allocate.Free {
		err = r.Bookings.Opened(ctx, tx, pool, bed)
	} else if now == allocate.Closed || now == allocate.Cleaning {
		err = r.Bookings.Closed(ctx, tx, bed)
	}
	return now, err
}

// cleaning is how long a bed of a level is cleaned after use.
func (u *Rules) cleaning(level allocate.Level) time.Duration {
	m, said := u.Cleaning[level]
	if !said {
		m = u.Cleaning[allocate.General]
	}
	return time.Duration(m) * time.Minute
}

// confirms says whether somebody must say that a bed is clean.
func (u *Rules) confirms(w *Ward, level allocate.Level, isolated bool) bool {
	switch w.Confirms {
	case "true":
		return true
	case "false":
		return isolated
	}
	return isolated || slices.Contains(u.Confirms, level)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Tick ends the cleaning whose time is over where nobody need say so; it returns how many beds became free.
func (r *Room) Tick(ctx context.Context, s *store.Store) (freed int, err error) {
	ctx = access.With(ctx, nil)
	for more := true; more && ctx.Err() == nil; {
		var due []string
		err := s.View(ctx, func(tx *store.Tx) error {
			due = due[:0]
			return tx.Query(ctx, "SELECT bed FROM beds_state WHERE state = 'cleaning' AND confirm = 0 AND until <= ? ORDER BY until LIMIT 200", []any{tx.Now().UnixMicro()}, func(scan func(...any) error) error {
				var bed string
				err := scan(&bed)
				due = append(due, bed)
				return err
			})
		})
		if err != nil {
			return freed, fmt.Errorf("beds: cleaning: %w", err)
		}
		more = len(due) == 200
		for _, bed := range due {
			done := false
			err := s.Update(ctx, func(tx *store.Tx) error {
				n, err := tx.Exec(ctx, "DELETE FROM beds_state WHERE bed = ? AND state = 'cleaning' AND confirm = 0 AND until <= ?", bed, tx.Now().UnixMicro())
				if err != nil || n == 0 {
					return err
				}
				done = true
				g, err := r.register(ctx, tx)
				if err != nil {
					return err
				}
				w, _ := g.bed(bed)
				if w == nil {
					return nil
				}
				_, err = r.settle(ctx, tx, g, bed, r.institution(w.Org))
				return err
			})
			if err != nil {
				return freed, fmt.Errorf("beds: clean %s: %w", bed, err)
			}
			if done {
				freed++
			}
		}
	}
	if err := r.Flush(ctx, s); err != nil {
		return freed, err
	}
	return freed, r.appear(ctx, s)
}

// appear lets those who wait be told of beds that are new, or changed in the register, and has the Location of one that
// was taken out of service say so.
func (r *Room) appear(ctx context.Context, s *store.Store) error {
	for ctx.Err() == nil {
		var beds []string
		err := s.View(ctx, func(tx *store.Tx) error {
			beds = beds[:0]
			return tx.Query(ctx, "SELECT id FROM beds_place WHERE kind = 'bd' AND told = 0 ORDER BY id LIMIT 200", nil, func(scan func(...any) error) error {
				var bed string
				err := scan(&bed)
				beds = append(beds, bed)
				return err
			})
		})
		if err == nil && len(beds) > 0 {
			err = s.Update(ctx, func(tx *store.Tx) error { return r.appeared(ctx, tx, beds) })
		}
		if err != nil {
			return fmt.Errorf("beds: new beds: %w", err)
		}
		if len(beds) < 200 {
			return nil
		}
	}
	return ctx.Err()
}

func (r *Room) appeared(ctx context.Context, tx *store.Tx, beds []string) error {
	g, err := r.register(ctx, tx)
	if err != nil {
		return err
	}
	for _, bed := range beds {
		told := 2 // it stands in no ward yet
		if w, _ := g.bed(bed); w != nil {
			if _, err := r.settle(ctx, tx, g, bed, r.institution(w.Org)); err != nil {
				return err
			}
			told = 1
		}
		if _, err := tx.Exec(ctx, "UPDATE beds_place SET told = ? WHERE id = ?", told, bed); err != nil {
			return err
		}
	}
	return nil
}
