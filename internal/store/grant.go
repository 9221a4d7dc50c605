package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Grant lets one party see the record of one patient.
type Grant struct {
	Patient string    // "Patient/…"
	Party   string    // "Organization/…"
	Basis   string    // why: custodian, task, …
	Class   string    // how much: record, packet
	From    time.Time // zero = always
	Until   time.Time // zero = open
	Source  string    // the resource whose write caused it, "Task/…"; Revoke takes all of a source
}

// Grant adds one row; the same patient, party, source, class and beginning twice is one.
func (tx *Tx) Grant(ctx context.Context, g Grant) error {
	patient, err := tx.reserve(ctx, g.Patient)
	if err == nil && patient == 0 {
		err = fmt.Errorf("store: grant on %q", g.Patient)
	}
	if err != nil {
		return err
	}
	party, err := tx.symbol(ctx, g.Party)
	if err != nil {
		return err
	}
	since, until := int64(minDate), int64(maxDate)
	if !g.From.IsZero() {
		since = g.From.UnixMicro()
	}
	if !g.Until.IsZero() {
		until = g.Until.UnixMicro()
	}
	return tx.Queue(ctx, `INSERT INTO access_grant (patient, party, source, class, since, until, basis) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (patient, party, source, class, since) DO UPDATE SET until = excluded.until, basis = excluded.basis`,
		patient, party, g.Source, g.Class, since, until, g.Basis)
}

// Item lets one party see one resource: a piece of a packet.
type Item struct {
	Resource string    // "Type/id"
	Party    string    // as in Grant
	Basis    string    // why
	From     time.Time // zero = always
	Until    time.Time // zero = open
	Source   string    // as in Grant
}

// Item adds one row; the same resource, party, source and beginning twice is one. A resource that is not there yet is waited for.
func (tx *Tx) Item(ctx context.Context, i Item) error {
	rid, err := tx.reserve(ctx, i.Resource)
	if err == nil && rid == 0 {
		err = fmt.Errorf("store: item %q", i.Resource)
	}
	if err != nil {
		return err
	}
	party, err := tx.symbol(ctx, i.Party)
	if err != nil {
		return err
	}
	since, until := int64(minDate), int64(maxDate)
	if !i.From.IsZero() {
		since = i.From.UnixMicro()
	}
	if !i.Until.IsZero() {
		until = i.Until.UnixMicro()
	}
	return tx.Queue(ctx, `INSERT INTO access_item (rid, party, source, since, until, basis) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (rid, party, source, since) DO UPDATE SET until = excluded.until, basis = excluded.basis`,
		rid, party, i.Source, since, until, i.Basis)
}

// Revoke ends every grant and item that came from source. The rows stay, closed: who could see what, and when.
func (tx *Tx) Revoke(ctx context.Context, source string) error {
	return tx.RevokeAt(ctx, source, tx.now)
}

// RevokeAt lets what came from source end at a time, now or later.
func (tx *Tx) RevokeAt(ctx context.Context, source string, at time.Time) error {
	end := at.UnixMicro()
	if err := tx.Queue(ctx, "UPDATE access_grant SET until = ? WHERE source = ? AND until > ?", end, source, end); err != nil {
		return err
	}
	return tx.Queue(ctx, "UPDATE access_item SET until = ? WHERE source = ? AND until > ?", end, source, end)
}

// keep notes that an institution is custodian of something in a patient's record, or of something of a type that
// is about nobody. It may note too much: custody says where to look, the resource says whose it is.
func (tx *Tx) keep(ctx context.Context, custodian int64, typ int16, patient int64) error {
	if patient == 0 {
		patient = -int64(typ)
	}
	pair := [2]int64{custodian, patient}
	n := &tx.s.names
	n.mu.RLock()
	known := n.custody[pair]
	n.mu.RUnlock()
	if known || tx.names.custody[pair] {
		return nil
	}
	if tx.names.custody == nil {
		tx.names.custody = map[[2]int64]bool{}
	}
	tx.names.custody[pair] = true
	return tx.Queue(ctx, "INSERT INTO custody (custodian, patient) VALUES (?, ?) ON CONFLICT (custodian, patient) DO NOTHING", custodian, patient)
}

// sharedTypes lists the numbers of search.Shared.
var sharedTypes = func() []any {
	var ids []any
	for _, t := range search.Shared {
		if id := spec.TypeID(t); id != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}()

// sight is a scope made ready for SQL.
type sight struct {
	all     bool
	parties []any // see whole what was granted to them, and what they are custodian of
	parts   []part
	own     []any          // custodians of what is about nobody
	items   []any          // every party, where anything was given singly to one
	types   map[int16]bool // nil = any
	limited bool
	only    []any         // patients; where limited
	closed  int64         // guarded kinds that need a reason
	opened  map[int][]any // kind -> parties that gave one
	now     int64
}

// part is one way of seeing less than the whole.
type part struct {
	parties    []any
	types      []any // nil = any
	custodians []any // nil = whoever's
}

func (tx *Tx) sight(ctx context.Context, scope search.Scope) (sight, error) {
	v := sight{all: scope.All, now: tx.now.UnixMicro()}
	if scope.Types != nil {
		v.types = map[int16]bool{}
		for _, t := range scope.Types {
			if id := spec.TypeID(t); id != 0 {
				v.types[id] = true
			}
		}
	}
	if scope.Only != nil {
		v.limited = true
		for _, patient := range scope.Only {
			id, _ := strings.CutPrefix(patient, "Patient/")
			rid, err := tx.rid(ctx, spec.TypeID("Patient"), id)
			if err != nil {
				return v, err
			}
			if rid != 0 {
				v.only = append(v.only, rid)
			}
		}
	}
	if v.all {
		return v, nil
	}
	symbols := func(texts []string) (ids []any, err error) {
		for _, text := range texts {
			id, ok, err := tx.findSymbol(ctx, text)
			if err != nil {
				return nil, err
			}
			if ok && id != 0 {
				ids = append(ids, id)
			}
		}
		return ids, nil
	}
	var err error
	if v.parties, err = symbols(scope.Parties); err != nil {
		return v, err
	}
	if v.own, err = symbols(scope.Own); err != nil {
		return v, err
	}
	v.items = append(v.items, v.parties...)
	everyone := slices.Clone(scope.Parties)
	for _, s := range scope.Sights {
		var p part
		if p.parties, err = symbols(s.Parties); err != nil {
			return v, err
		}
		everyone = append(everyone, s.Parties...)
		v.items = append(v.items, p.parties...)
		if s.Types != nil {
			p.types = []any{}
			for _, t := range s.Types {
				if id := spec.TypeID(t); id != 0 {
					p.types = append(p.types, id)
				}
			}
		}
		if s.Custodians != nil {
			if p.custodians, err = symbols(s.Custodians); err != nil {
				return v, err
			}
			if len(p.custodians) == 0 {
				continue
			}
		}
		if len(p.parties) > 0 && (p.types == nil || len(p.types) > 0) {
			v.parts = append(v.parts, p)
		}
	}
	for i, kind := range tx.s.opts.Kinds {
		if slices.Contains(scope.Opens, kind) {
			continue
		}
		v.closed |= 1 << i
		var opened []string
		for _, party := range everyone {
			opened = append(opened, party+"!"+kind)
		}
		ids, err := symbols(opened)
		if err != nil {
			return v, err
		}
		if len(ids) > 0 {
			if v.opened == nil {
				v.opened = map[int][]any{}
			}
			v.opened[i] = ids
		}
	}
	if len(v.items) > 0 {
		q := &sql{}
		q.add("SELECT 1 FROM access_item WHERE party IN ("+marks(len(v.items))+") LIMIT 1", v.items...)
		var one int64
		given, err := tx.one(ctx, q.String(), q.args, &one)
		if err != nil {
			return v, err
		}
		if !given {
			v.items = nil
		}
	}
	return v, nil
}

// reads tells whether a type may be read at all.
func (v *sight) reads(typ int16) bool { return v.types == nil || v.types[typ] }

// simple tells a sight that parties alone decide: what is granted to one is seen whole.
func (v *sight) simple() bool {
	return len(v.parts) == 0 && len(v.own) == 0 && len(v.items) == 0 && !v.limited && v.closed == 0
}

// visible is the condition that every hop carries; r names the row of resource.
func (v *sight) visible(q *sql, r string) {
	if v.types != nil {
		ids := make([]any, 0, len(v.types))
		for id := range v.types {
			ids = append(ids, id)
		}
		q.add(" AND "+r+".type IN ("+marks(len(ids))+")", ids...)
	}
	shared := func() { q.add("("+r+".home = 0 AND "+r+".type IN ("+marks(len(sharedTypes))+"))", sharedTypes...) }
	if v.limited {
		q.add(" AND (")
		shared()
		q.add(" OR "+r+".home IN ("+marks(len(v.only))+")", v.only...)
		q.add(" OR ("+r+".multi = 1 AND EXISTS (SELECT 1 FROM compartment c WHERE c.rid = "+r+".rid AND c.extra = 1 AND c.patient IN ("+marks(len(v.only))+"))))", v.only...)
	}
	if v.all {
		return
	}
	granted := func(parties []any) {
		in := marks(len(parties))
		q.add("(EXISTS (SELECT 1 FROM access_grant g WHERE g.patient = "+r+".home AND g.party IN ("+in+")", parties...)
		q.add(" AND g.since <= ? AND g.until > ?)", v.now, v.now)
		q.add(" OR ("+r+".multi = 1 AND EXISTS (SELECT 1 FROM compartment c JOIN access_grant g ON g.patient = c.patient WHERE c.rid = "+r+".rid AND c.extra = 1 AND g.party IN ("+in+")", parties...)
		q.add(" AND g.since <= ? AND g.until > ?)))", v.now, v.now)
	}
	q.add(" AND (")
	shared()
	if len(v.parties) > 0 {
		q.add(" OR "+r+".custodian IN ("+marks(len(v.parties))+") OR ", v.parties...)
		granted(v.parties)
	}
	if len(v.own) > 0 {
		q.add(" OR ("+r+".home = 0 AND "+r+".custodian IN ("+marks(len(v.own))+"))", v.own...)
	}
	for i := range v.parts {
		p := &v.parts[i]
		q.add(" OR (")
		if p.types != nil {
			q.add(r+".type IN ("+marks(len(p.types))+") AND ", p.types...)
		}
		if p.custodians != nil {
			q.add(r+".custodian IN ("+marks(len(p.custodians))+") AND ", p.custodians...)
		}
		granted(p.parties)
		q.add(")")
	}
	if len(v.items) > 0 {
		q.add(" OR EXISTS (SELECT 1 FROM access_item i WHERE i.rid = "+r+".rid AND i.party IN ("+marks(len(v.items))+")", v.items...)
		q.add(" AND i.since <= ? AND i.until > ?)", v.now, v.now)
	}
	q.add(")")
	if v.closed != 0 {
		q.add(" AND ("+r+".guarded = 0 OR ("+r+".guarded & ? = 0", v.bits(v.closed&^v.reasoned()))
		for i, parties := range v.opened {
			q.add(" AND ("+r+".guarded & ? = 0 OR EXISTS (SELECT 1 FROM access_grant g WHERE g.patient = "+r+".home AND g.party IN ("+marks(len(parties))+")", append([]any{v.bits(1 << i)}, parties...)...)
			q.add(" AND g.since <= ? AND g.until > ?))", v.now, v.now)
		}
		q.add("))")
	}
}

// bits are those of kinds, as a resource has them of itself and of its patient.
func (v *sight) bits(kinds int64) int64 { return kinds | kinds<<patientKinds }

func (v *sight) reasoned() (kinds int64) {
	for i := range v.opened {
		kinds |= 1 << i
	}
	return kinds
}
