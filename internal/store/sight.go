package store

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

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

func isShared(typ int16) bool { return slices.Contains(sharedTypes, any(typ)) }

// sight is a scope made ready for SQL.
type sight struct {
	pg      bool
	all     bool
	kinds   int64  // all guarded kinds there are
	keeps   []any  // custodians of whatever they keep
	parts   []part // of the patients granted to whom what is seen
	own     []any  // custodians of what is about nobody
	items   []any  // every party, where anything was given singly to one
	types   []any  // nil = any
	limited bool
	only    []any    // patients; where limited
	closed  int64    // guarded kinds that need a reason
	opened  []reason // which of them had one from whom
	now     int64
	views   map[int16]*view
}

// part is one way of seeing: of the patients granted to the parties.
type part struct {
	parties    []any
	types      []any // nil = any
	custodians []any // nil = whoever's
}

// reason is a guarded kind with the parties for which one was given.
type reason struct {
	kind    int
	parties []any
}

// view is what of a sight counts for one type.
type view struct {
	whole   []any // parties whose patients are seen whole
	within  []part
	parties []any // of both
}

func (tx *Tx) sight(ctx context.Context, scope search.Scope) (sight, error) {
	v := sight{pg: tx.s.db.Dialect() == engine.Postgres, all: scope.All, now: tx.now.UnixMicro()}
	if scope.Types != nil {
		v.types = typeIDs(scope.Types)
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
	var missing []string
	numbers := func(texts []string) []any {
		ids, lacks := tx.numbersOf(texts)
		missing = append(missing, lacks...)
		return ids
	}
	v.keeps, v.own = numbers(scope.Parties), numbers(scope.Own)
	custodians := make([][]any, len(scope.Sights))
	for i := range scope.Sights {
		custodians[i] = numbers(scope.Sights[i].Custodians)
	}
	known, err := tx.known(ctx, scope, missing)
	if err != nil {
		return v, err
	}
	if len(missing) > 0 { // now looked for: what still lacks a number keeps nothing
		v.keeps, v.own = numbers(scope.Parties), numbers(scope.Own)
		for i := range scope.Sights {
			custodians[i] = numbers(scope.Sights[i].Custodians)
		}
	}
	see := func(texts []string, p part) {
		for _, text := range texts {
			k := known[text]
			if k.granted {
				p.parties = append(p.parties, k.id)
			}
			if k.shown {
				v.items = append(v.items, k.id)
			}
		}
		if p.parties = unique(p.parties); len(p.parties) > 0 && (p.types == nil || len(p.types) > 0) && (p.custodians == nil || len(p.custodians) > 0) {
			v.see(p)
		}
	}
	see(scope.Parties, part{})
	for i, s := range scope.Sights {
		var p part
		if s.Types != nil {
			p.types = typeIDs(s.Types)
		}
		if s.Custodians != nil {
			p.custodians = append([]any{}, custodians[i]...)
		}
		see(s.Parties, p)
	}
	v.items = unique(v.items)
	v.kinds = 1<<len(tx.s.opts.Kinds) - 1
	for i, kind := range tx.s.opts.Kinds {
		if slices.Contains(scope.Opens, kind) {
			continue
		}
		v.closed |= 1 << i
		var parties []any
		for text, k := range known {
			if k.granted && strings.HasSuffix(text, reasonMark+kind) {
				parties = append(parties, k.id)
			}
		}
		if len(parties) > 0 {
			v.opened = append(v.opened, reason{i, unique(parties)})
		}
	}
	return v, nil
}

// reasonMark stands between a party and a guarded kind in the party of a reason. No id has it, or a character before it.
const reasonMark = "!"

// party is one by its number, with what it was ever given.
type party struct {
	id             int64
	granted, shown bool
}

// known looks up the parties of a scope and the reasons given to them, all at once. Those that never were given
// anything are left out. The numbers of more texts are noted on the way.
func (tx *Tx) known(ctx context.Context, scope search.Scope, more []string) (map[string]party, error) {
	var texts []string
	texts = append(texts, scope.Parties...)
	for _, s := range scope.Sights {
		texts = append(texts, s.Parties...)
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	if len(texts)+len(more) == 0 {
		return nil, nil
	}
	key := ""
	if tx.s.opts.Alone && !tx.Writing() {
		key = strings.Join(texts, "\x00") + "\x01" + strings.Join(more, "\x00")
		if found := tx.s.names.given(key, tx.gifts); found != nil {
			return found, nil
		}
	}
	list, err := json.Marshal(append(texts[:len(texts):len(texts)], more...))
	if err != nil {
		return nil, err
	}
	from, value := "json_each(?) j", "j.value"
	if tx.s.db.Dialect() == engine.Postgres {
		from, value = `(SELECT x COLLATE "C" AS value FROM json_array_elements_text(cast(? AS json)) x) j`, `j.value`
	}
	found := map[string]party{}
	err = tx.Query(ctx, `SELECT s.id, s.text, CASE WHEN EXISTS (SELECT 1 FROM access_grant g WHERE g.party = s.id) THEN 1 ELSE 0 END,
		CASE WHEN EXISTS (SELECT 1 FROM access_item i WHERE i.party = s.id) THEN 1 ELSE 0 END
		FROM `+from+` CROSS JOIN symbol s WHERE s.text >= `+value+` AND s.text < `+value+` || '"'`, []any{string(list)}, func(scan func(...any) error) error {
		var p party
		var text string
		if err := scan(&p.id, &text, &p.granted, &p.shown); err != nil {
			return err
		}
		if slices.Contains(more, text) {
			tx.noteSymbol(strings.Clone(text), p.id)
		}
		if whose, _, _ := strings.Cut(text, reasonMark); p.granted || p.shown {
			if _, of := slices.BinarySearch(texts, whose); of {
				found[strings.Clone(text)] = p
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Symbols are made apart: on PostgreSQL this unit's snapshot lacks those that it has made itself.
	for text, id := range tx.names.symbols {
		if whose, _, _ := strings.Cut(text, reasonMark); found[text].id != 0 || !slices.Contains(texts, whose) {
			continue
		}
		p := party{id: id}
		if _, err := tx.one(ctx, "SELECT CASE WHEN EXISTS (SELECT 1 FROM access_grant g WHERE g.party = ?) THEN 1 ELSE 0 END, CASE WHEN EXISTS (SELECT 1 FROM access_item i WHERE i.party = ?) THEN 1 ELSE 0 END",
			[]any{id, id}, &p.granted, &p.shown); err != nil {
			return nil, err
		}
		if p.granted || p.shown {
			found[text] = p
		}
	}
	if key != "" {
		tx.s.names.giveOut(key, tx.gifts, found)
	}
	return found, nil
}

// see adds a way of seeing, to one that differs only in its parties where there is one.
func (v *sight) see(p part) {
	for i := range v.parts {
		if o := &v.parts[i]; slices.Equal(o.types, p.types) && slices.Equal(o.custodians, p.custodians) && (o.types == nil) == (p.types == nil) && (o.custodians == nil) == (p.custodians == nil) {
			o.parties = unique(append(o.parties[:len(o.parties):len(o.parties)], p.parties...))
			return
		}
	}
	v.parts = append(v.parts, p)
}

// numbersOf are the numbers of those texts that are known to have one, in order, and the texts that are not. A caller's
// list of departments is the same in every request, so those that are whole are remembered.
func (tx *Tx) numbersOf(texts []string) (ids []any, missing []string) {
	if len(texts) == 0 {
		return nil, nil
	}
	n := &tx.s.names
	var h maphash.Hash
	h.SetSeed(listSeed)
	for _, text := range texts {
		h.WriteString(text)
		h.WriteByte(0)
	}
	key := h.Sum64()
	n.mu.RLock()
	if l := n.lists[key]; slices.Equal(l.texts, texts) {
		n.mu.RUnlock()
		return l.ids, nil
	}
	for _, text := range texts {
		if id, ok := n.symbols[text]; ok {
			ids = append(ids, id)
		} else if id, ok := tx.names.symbols[text]; ok {
			ids = append(ids, id)
		} else if text != "" {
			missing = append(missing, text)
		}
	}
	n.mu.RUnlock()
	ids = slices.Clip(unique(ids))
	if missing == nil && !tx.Writing() {
		n.mu.Lock()
		if len(n.lists) >= maxLists {
			clear(n.lists)
		}
		n.lists[key] = list{slices.Clone(texts), ids}
		n.mu.Unlock()
	}
	return ids, missing
}

var listSeed = maphash.MakeSeed()

// unique sorts numbers and leaves each once, so that the same scope is the same statement.
func unique(ids []any) []any {
	slices.SortFunc(ids, func(a, b any) int { return int(number(a) - number(b)) })
	return slices.Compact(ids)
}

func number(x any) int64 {
	switch n := x.(type) {
	case int16:
		return int64(n)
	case int32:
		return int64(n)
	case int:
		return int64(n)
	}
	return x.(int64)
}

func typeIDs(names []string) []any {
	ids := []any{}
	for _, t := range names {
		if id := spec.TypeID(t); id != 0 {
			ids = append(ids, id)
		}
	}
	return unique(ids)
}

// of is what counts for one type; 0 = any, where parts keep their types.
func (v *sight) of(typ int16) *view {
	if known := v.views[typ]; known != nil {
		return known
	}
	w := &view{}
	within := sight{}
	for _, p := range v.parts {
		if typ != 0 && p.types != nil {
			if !slices.Contains(p.types, any(typ)) {
				continue
			}
			p.types = nil
		}
		if p.types == nil && p.custodians == nil {
			w.whole = unique(append(w.whole, p.parties...))
		} else {
			within.see(p)
		}
		w.parties = append(w.parties, p.parties...)
	}
	w.within, w.parties = within.parts, unique(w.parties)
	if v.views == nil {
		v.views = map[int16]*view{}
	}
	v.views[typ] = w
	return w
}

// reads tells whether a type may be read at all.
func (v *sight) reads(typ int16) bool { return v.types == nil || slices.Contains(v.types, any(typ)) }

// simple tells a sight that for a type parties alone decide: what is granted to one is seen whole.
func (v *sight) simple(typ int16) bool {
	return len(v.of(typ).within) == 0 && len(v.own) == 0 && len(v.items) == 0 && !v.limited && v.closed == 0
}

// in writes column IN (…); a long list goes as one argument. SQLite builds a list of arguments twice as fast as one of JSON.
func (v *sight) in(q *sql, column string, ids []any) {
	long := 300
	if v.pg {
		long = 12
	}
	switch {
	case len(ids) == 1:
		q.add(column+" = ?", ids[0])
	case len(ids) <= long:
		q.add(column+" IN ("+marks(len(ids))+")", ids...)
	case v.pg:
		q.add(column+" = ANY(?::text::bigint[])", "{"+joined(ids)+"}")
	default:
		q.add(column+" IN (SELECT value FROM json_each(?))", "["+joined(ids)+"]")
	}
}

// visible is the condition that every hop carries; r names the row of resource, typ its type where that is known.
func (v *sight) visible(q *sql, r string, typ int16) {
	if typ == 0 && v.types != nil {
		q.add(" AND ")
		v.oneOf(q, r+".type", v.types)
	}
	v.within(q, r, typ)
	if v.all {
		return
	}
	q.add(" AND (")
	v.shown(q, r, typ, singly)
	q.add(")")
	v.guards(q, r+".guarded", r+".home", 0)
}

// by has SQLite take an index that it would pass over, not knowing how few rows it visits there; plus keeps it from
// looking for each of many parties by itself.
func (v *sight) by(index string) string {
	if v.pg {
		return ""
	}
	return " INDEXED BY " + index
}

func (v *sight) plus() string {
	if v.pg {
		return ""
	}
	return "+"
}

func (v *sight) oneOf(q *sql, column string, ids []any) {
	if len(ids) == 0 {
		q.add(nothing)
		return
	}
	v.in(q, column, ids)
}

// within keeps a limited sight to its patients.
func (v *sight) within(q *sql, r string, typ int16) {
	if !v.limited {
		return
	}
	q.add(" AND (")
	v.register(q, r, typ)
	if len(v.only) > 0 {
		q.add(" OR ")
		v.in(q, r+".home", v.only)
		q.add(" OR (" + r + ".multi = 1 AND EXISTS (SELECT 1 FROM compartment c WHERE c.rid = " + r + ".rid AND c.extra = 1 AND ")
		v.in(q, "c.patient", v.only)
		q.add("))")
	}
	q.add(")")
}

// register is the condition that r is in a register of all.
func (v *sight) register(q *sql, r string, typ int16) {
	switch {
	case typ == 0:
		q.add("("+r+".home = 0 AND "+r+".type IN ("+marks(len(sharedTypes))+"))", sharedTypes...)
	case isShared(typ):
		q.add(r + ".home = 0")
	default:
		q.add(nothing)
	}
}

// How much of what shows a resource is asked: its own patient and its custodian, the other patients that it is about,
// what was given singly.
const (
	itself = iota
	beside
	singly
)

// shown is the condition that r is shown to the caller, whatever guards it.
func (v *sight) shown(q *sql, r string, typ int16, how int) {
	w := v.of(typ)
	v.register(q, r, typ)
	if len(w.whole) > 0 {
		q.add(" OR ")
		v.granted(q, r, w.whole, how)
	}
	for i := range w.within {
		p := &w.within[i]
		q.add(" OR (")
		if p.types != nil {
			v.in(q, r+".type", p.types)
			q.add(" AND ")
		}
		if p.custodians != nil {
			v.in(q, r+".custodian", p.custodians)
			q.add(" AND ")
		}
		v.granted(q, r, p.parties, how)
		q.add(")")
	}
	if len(v.keeps) > 0 {
		q.add(" OR ")
		v.in(q, r+".custodian", v.keeps)
	}
	if len(v.own) > 0 {
		q.add(" OR (" + r + ".home = 0 AND ")
		v.in(q, r+".custodian", v.own)
		q.add(")")
	}
	if how >= singly && len(v.items) > 0 {
		q.add(" OR EXISTS (SELECT 1 FROM access_item i WHERE i.rid = " + r + ".rid AND ")
		v.in(q, v.plus()+"i.party", v.items)
		q.add(" AND i.since <= ? AND i.until > ?)", v.now, v.now)
	}
}

// granted is the condition that the home of r, or beside it another of its patients, is granted to one of the parties now.
func (v *sight) granted(q *sql, r string, parties []any, how int) {
	q.add("(")
	v.grantedPatient(q, r+".home", parties)
	if how >= beside {
		q.add(" OR (" + r + ".multi = 1 AND EXISTS (SELECT 1 FROM compartment c WHERE c.rid = " + r + ".rid AND c.extra = 1 AND ")
		v.grantedPatient(q, "c.patient", parties)
		q.add("))")
	}
	q.add(")")
}

func (v *sight) grantedPatient(q *sql, patient string, parties []any) {
	q.add("EXISTS (SELECT 1 FROM access_grant a"+v.by("access_grant_now")+" WHERE a.patient = "+patient+" AND a.until > ? AND a.since <= ? AND ", v.now, v.now)
	v.in(q, "a.party", parties)
	q.add(")")
}

// guards adds the condition that no guarded kind in column stands closed; extra are further bits that must not be set.
func (v *sight) guards(q *sql, column, patient string, extra int64) {
	if v.closed|extra == 0 {
		return
	}
	q.add(" AND (" + column + " = 0")
	if shut := v.closed &^ v.reasoned(); shut != v.kinds {
		shut = v.bits(shut) | extra
		q.add(fmt.Sprintf(" OR (%s & %d = 0", column, shut))
		for _, o := range v.opened {
			q.add(fmt.Sprintf(" AND (%s & %d = 0 OR ", column, v.bits(1<<o.kind)))
			v.grantedPatient(q, patient, o.parties)
			q.add(")")
		}
		q.add(")")
	}
	q.add(")")
}

// version adds the condition that a version v of the visible resource r may be shown: an older one may tell what the
// newest does not, or be about somebody else.
func (v *sight) version(q *sql, version, r string) {
	if !v.all {
		v.guards(q, version+".guarded", r+".home", movedAway)
	} else if v.limited {
		q.add(fmt.Sprintf(" AND %s.guarded & %d = 0", version, int64(movedAway)))
	}
}

// bits are those of kinds, as a resource has them of itself and of its patient.
func (v *sight) bits(kinds int64) int64 { return kinds | kinds<<patientKinds }

func (v *sight) reasoned() (kinds int64) {
	for _, o := range v.opened {
		kinds |= 1 << o.kind
	}
	return kinds
}
