package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// Moment names what is committed now, for walks later on. On PostgreSQL it is a snapshot: numbers of the
// log alone do not say what had been committed.
func (tx *Tx) Moment(ctx context.Context) (moment string, err error) {
	query := "SELECT cast(coalesce(max(seq), 0) AS TEXT) FROM version"
	if tx.s.db.Dialect() == engine.Postgres {
		query = "SELECT cast(pg_current_snapshot() AS text)"
	}
	_, err = tx.one(ctx, query, nil, &moment)
	return moment, err
}

// Walk goes through the resources of one type as they stood at a moment, in the order of their ids.
type Walk struct {
	Type     string
	Scope    search.Scope
	Moment   string    // of Tx.Moment; what was written later does not show
	After    string    // id; "" begins
	Limit    int       // how many ids are looked at, at most
	Since    time.Time // only versions from then on; zero = all
	Deleted  bool      // deletes are shown, too
	Patients []string  // only what belongs to one of these, "Patient/…"; nil = no limit
	Personal bool      // only what belongs to some patient
	From     time.Time // with Until: only what has no main date, or one that touches this span; zero = open
	Until    time.Time
}

// Walk calls fn for each version and returns the id to go on after, "" at the end.
func (tx *Tx) Walk(ctx context.Context, w Walk, fn func(Version) error) (next string, err error) {
	t := spec.TypeID(w.Type)
	if t == 0 {
		return "", unknownType(w.Type)
	}
	see, err := tx.sight(ctx, w.Scope)
	if err != nil || !see.reads(t) {
		return "", err
	}
	q := &sql{}
	if w.Patients != nil {
		next, err = tx.walkPatients(ctx, q, t, &w)
	} else {
		next, err = tx.walkType(ctx, q, t, &w)
	}
	if err != nil || len(q.args) == 0 {
		return "", err
	}
	before, at, err := tx.at(w.Moment)
	if err != nil {
		return "", err
	}
	q.add(" AND v.seq = (SELECT w.seq FROM version w WHERE w.rid = r.rid AND "+before+" ORDER BY w.vid DESC LIMIT 1)", at)
	if !w.Since.IsZero() {
		q.add(" AND r.updated >= ? AND v.updated >= ?", w.Since.UnixMicro(), w.Since.UnixMicro())
	}
	if !w.Deleted {
		q.add(" AND v.op <> ?", uint8(Delete))
	}
	if w.Personal {
		q.add(" AND (r.home <> 0 OR EXISTS (SELECT 1 FROM compartment c WHERE c.rid = r.rid AND c.extra = 1))")
	}
	if !w.From.IsZero() || !w.Until.IsZero() {
		from, until := int64(minDate), int64(maxDate)
		if !w.From.IsZero() {
			from = w.From.UnixMicro()
		}
		if !w.Until.IsZero() {
			until = w.Until.UnixMicro()
		}
		q.add(" AND (r.at = ? AND r.till = ? OR r.at < ? AND r.till > ?)", int64(minDate), int64(minDate), until, from)
	}
	see.visible(q, "r", t)
	see.version(q, "v", "r")
	q.add(" ORDER BY r.id")
	err = tx.Query(ctx, q.String(), q.args, func(scan func(...any) error) error {
		v, _, err := tx.version(ctx, scan)
		if err != nil {
			return err
		}
		return fn(v)
	})
	if err != nil {
		return "", fmt.Errorf("store: walk %s: %w", w.Type, err)
	}
	return next, nil
}

// at is the condition that a version w was committed at a moment.
func (tx *Tx) at(moment string) (condition string, arg any, err error) {
	if tx.s.db.Dialect() == engine.Postgres {
		return "pg_visible_in_snapshot(w.xid, cast(cast(? AS text) AS pg_snapshot))", moment, nil
	}
	seq, err := strconv.ParseInt(moment, 10, 64)
	if err != nil {
		return "", nil, fmt.Errorf("store: %q is no moment of this database", moment)
	}
	return "w.seq <= ?", seq, nil
}

// walkType begins the query over the next ids of a type.
func (tx *Tx) walkType(ctx context.Context, q *sql, t int16, w *Walk) (next string, err error) {
	if _, err := tx.one(ctx, fmt.Sprintf("SELECT id FROM resource_id WHERE type = ? AND id > ? ORDER BY id LIMIT 1 OFFSET %d", max(w.Limit, 1)-1), []any{t, w.After}, &next); err != nil {
		return "", err
	}
	q.add("SELECT "+versionColumns+` FROM resource_id i CROSS JOIN resource r CROSS JOIN version v LEFT JOIN resource h ON h.rid = r.home
		WHERE i.type = ? AND i.id > ?`, t, w.After)
	if next != "" {
		q.add(" AND i.id <= ?", next)
	}
	q.add(" AND r.rid = i.rid")
	return strings.Clone(next), nil
}

// walkPatients begins it over what belongs to some patients.
func (tx *Tx) walkPatients(ctx context.Context, q *sql, t int16, w *Walk) (next string, err error) {
	var patients []any
	for _, ref := range w.Patients {
		id, ok := strings.CutPrefix(ref, "Patient/")
		if !ok {
			return "", fmt.Errorf("store: %q is no patient", ref)
		}
		rid, err := tx.rid(ctx, spec.TypeID("Patient"), id)
		if err != nil {
			return "", err
		}
		if rid != 0 {
			patients = append(patients, rid)
		}
	}
	if len(patients) == 0 {
		return "", nil
	}
	from := " FROM compartment c JOIN resource o ON o.rid = c.rid WHERE c.patient IN (" + marks(len(patients)) + ") AND c.type = ? AND o.id > ?"
	args := append(patients, t, w.After)
	if _, err := tx.one(ctx, fmt.Sprintf("SELECT DISTINCT o.id"+from+" ORDER BY 1 LIMIT 1 OFFSET %d", max(w.Limit, 1)-1), args, &next); err != nil {
		return "", err
	}
	q.add("SELECT "+versionColumns+" FROM (SELECT DISTINCT c.rid"+from, args...)
	if next != "" {
		q.add(" AND o.id <= ?", next)
	}
	q.add(") i CROSS JOIN resource r CROSS JOIN version v LEFT JOIN resource h ON h.rid = r.home WHERE r.rid = i.rid")
	return strings.Clone(next), nil
}

// Homes tells whose the current resources of these ids are, of those that the scope may see: "Patient/…", "" = nobody's.
func (tx *Tx) Homes(ctx context.Context, scope search.Scope, typ string, ids []string) (map[string]string, error) {
	homes := make(map[string]string, len(ids))
	err := tx.among(ctx, scope, typ, ids, "SELECT i.id, coalesce(h.id, '') FROM resource_id i JOIN resource r ON r.rid = i.rid LEFT JOIN resource h ON h.rid = r.home WHERE r.vid > 0", func(scan func(...any) error) error {
		var id, home string
		if err := scan(&id, &home); err != nil {
			return err
		}
		if home != "" {
			home = "Patient/" + home
		}
		homes[id] = home
		return nil
	})
	return homes, err
}

// TypesOf lists the types of which there is something in a patient's compartment, by name.
func (tx *Tx) TypesOf(ctx context.Context, patient string) (types []string, err error) {
	id, _ := strings.CutPrefix(patient, "Patient/")
	rid, err := tx.rid(ctx, spec.TypeID("Patient"), id)
	if err != nil || rid == 0 {
		return nil, err
	}
	for t := int64(0); ; {
		var next int64
		found, err := tx.one(ctx, "SELECT type FROM compartment WHERE patient = ? AND type > ? ORDER BY type LIMIT 1", []any{rid, t}, &next)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		types, t = append(types, spec.TypeName(int16(next))), next
	}
	slices.Sort(types)
	return types, nil
}

// Coded is one code of a patient's resources.
type Coded struct{ System, Code string }

// CodesOf lists the different codes that a type's resources of one patient have, at most limit: a seek in the index for
// each. What the caller may see of them is for the search by each code to say.
func (tx *Tx) CodesOf(ctx context.Context, typ, patient string, limit int) (codes []Coded, err error) {
	pl := planOf(typ)
	if pl == nil || pl.code == nil {
		return nil, unknownType(typ)
	}
	id, _ := strings.CutPrefix(patient, "Patient/")
	rid, err := tx.rid(ctx, spec.TypeID("Patient"), id)
	if err != nil || rid == 0 {
		return nil, err
	}
	for last := int64(-1); len(codes) < limit; {
		var code int64
		found, err := tx.one(ctx, "SELECT code FROM ix_hot WHERE param = ? AND patient = ? AND code > ? ORDER BY code LIMIT 1", []any{pl.code.ID, rid, last}, &code)
		if err != nil {
			return nil, err
		}
		if !found {
			return codes, nil
		}
		last = code
		var systems []int64
		err = tx.Query(ctx, "SELECT DISTINCT system FROM ix_hot WHERE param = ? AND patient = ? AND code = ?", []any{pl.code.ID, rid, code}, func(scan func(...any) error) error {
			var system int64
			err := scan(&system)
			systems = append(systems, system)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, system := range systems {
			var c Coded
			if c.Code, err = tx.text(ctx, code); err == nil {
				c.System, err = tx.text(ctx, system)
			}
			if err != nil {
				return nil, err
			}
			codes = append(codes, c)
		}
	}
	return codes, nil
}

// UncodedOf lists the ids of a patient's resources of a type that have no code, newest first by main date, at most limit.
func (tx *Tx) UncodedOf(ctx context.Context, typ, patient string, limit int) (ids []string, err error) {
	pl := planOf(typ)
	if pl == nil || pl.code == nil {
		return nil, unknownType(typ)
	}
	id, _ := strings.CutPrefix(patient, "Patient/")
	rid, err := tx.rid(ctx, spec.TypeID("Patient"), id)
	if err != nil || rid == 0 {
		return nil, err
	}
	err = tx.Query(ctx, `SELECT r.id FROM (SELECT rid FROM compartment WHERE patient = ? AND type = ? EXCEPT SELECT rid FROM ix_hot WHERE param = ? AND patient = ?) u
		JOIN resource r ON r.rid = u.rid WHERE r.deleted = 0 ORDER BY r.at DESC, r.rid DESC LIMIT ? + 0`, []any{rid, pl.id, pl.code.ID, rid, limit}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, strings.Clone(id))
		return err
	})
	return ids, err
}
