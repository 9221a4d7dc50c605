package beds

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// overlap is how far before a board was read its changes are told again: a unit may commit after a board that is newer
// than its beginning.
const overlap = 10 * time.Second

// Changes is what a board that was read before has to draw anew.
type Changes struct {
	Whole bool // everything
	Beds  map[string]bool
	Wards map[string]bool
	Stamp string // to ask with next time
}

// Since says what has changed in a pool since a stamp; "" or one that is not understood means everything.
func (r *Room) Since(ctx context.Context, tx *store.Tx, pool string, l *Look, stamp string) (c Changes, err error) {
	g, err := r.register(ctx, tx)
	if err != nil {
		return c, err
	}
	now := tx.Now()
	c = Changes{Beds: map[string]bool{}, Wards: map[string]bool{}, Stamp: fmt.Sprintf("%d.%d", g.version, now.UnixMicro())}
	version, at, ok := strings.Cut(stamp, ".")
	us, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || version != strconv.FormatInt(g.version, 10) || us > now.UnixMicro() || us < now.Add(-24*time.Hour).UnixMicro() {
		c.Whole = true
		return c, nil
	}
	from := time.UnixMicro(us).Add(-overlap).UnixMicro()
	add := func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		c.Beds[id] = true
		return err
	}
	if err := tx.Query(ctx, "SELECT bed FROM beds_change WHERE at >= ?", []any{from}, add); err != nil {
		return c, fmt.Errorf("beds: changes: %w", err)
	}
	if err := tx.Query(ctx, "SELECT bed FROM beds_use WHERE pool = ? AND ended = 0 AND expires > ? AND expires <= ?", []any{pool, from, now.UnixMicro()}, add); err != nil {
		return c, fmt.Errorf("beds: changes: %w", err)
	}
	for bed := range c.Beds {
		if w, _ := g.bed(bed); w == nil || !slices.Contains(l.Of, w) {
			delete(c.Beds, bed)
		} else {
			c.Wards[w.ID] = true
		}
	}
	for _, w := range l.Of {
		if s, set := l.Set[w.ID]; l.From.UnixMicro() > us || set && s.At.UnixMicro() >= from {
			c.Wards[w.ID] = true
		}
	}
	return c, nil
}

// Case is what is known of who has a bed, beside his needs.
type Case struct {
	Line, Flow string
	Version    int64
	Arrival    time.Time // promised; zero = not
}

// Cases of those who have a bed of a pool now, by holder.
func (r *Room) Cases(ctx context.Context, tx *store.Tx, pool string) (map[string]Case, error) {
	all := map[string]Case{}
	err := tx.Query(ctx, "SELECT c.holder, c.line, c.flow, c.vid, c.arrival FROM beds_use u JOIN beds_case c ON c.holder = u.holder WHERE u.pool = ? AND u.ended = 0", []any{pool}, func(scan func(...any) error) error {
		var c Case
		var holder string
		var arrival int64
		err := scan(&holder, &c.Line, &c.Flow, &c.Version, &arrival)
		c.Arrival = moment(arrival)
		all[holder] = c
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("beds: cases: %w", err)
	}
	return all, nil
}

// PoolOf is whose bed a Location is, "" when it is none.
func (r *Room) PoolOf(ctx context.Context, tx *store.Tx, bed string) (string, error) {
	g, err := r.register(ctx, tx)
	if err != nil {
		return "", err
	}
	w, _ := g.bed(bed)
	if w == nil {
		return "", nil
	}
	return r.institution(w.Org), nil
}

// Campuses by id, shared: do not change them.
func (r *Room) Campuses(ctx context.Context, tx *store.Tx) (map[string]Campus, error) {
	g, err := r.register(ctx, tx)
	if err != nil {
		return nil, err
	}
	return g.campuses, nil
}
