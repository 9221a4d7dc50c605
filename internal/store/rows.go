package store

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// row is one row of an index table, without its rid.
type row struct {
	table table
	param int32
	n     [5]int64
	f, f2 float64
	s, s2 string
}

type table uint8

const (
	ixToken    table = iota // code, at, system
	ixHot                   // patient, code, at, system
	ixIdent                 // s code; system
	ixSealed                // s mac
	ixString                // s folded, s2 exact
	ixDate                  // low, high
	ixQuantity              // f value; unit, system
	ixRef                   // target, at
	ixURI                   // uri
	ixRange                 // f low, f2 high; unit, system
	ixPair                  // a, b, at, a_system, b_system; f x, f2 y
	ixPairText              // a, at, a_system; s folded, s2 exact
	ixText                  // s folded; code, system
	tables
)

var inserts = [tables]string{
	ixToken:    "INSERT INTO ix_token (param, code, at, rid, system) VALUES (?, ?, ?, ?, ?)",
	ixHot:      "INSERT INTO ix_hot (param, patient, code, at, rid, system) VALUES (?, ?, ?, ?, ?, ?)",
	ixIdent:    "INSERT INTO ix_ident (param, code, rid, system) VALUES (?, ?, ?, ?)",
	ixSealed:   "INSERT INTO ix_sealed (param, mac, rid) VALUES (?, ?, ?)",
	ixString:   "INSERT INTO ix_string (param, folded, rid, exact) VALUES (?, ?, ?, ?)",
	ixDate:     "INSERT INTO ix_date (param, low, high, rid) VALUES (?, ?, ?, ?)",
	ixQuantity: "INSERT INTO ix_quantity (param, unit, value, rid, system) VALUES (?, ?, ?, ?, ?)",
	ixRef:      "INSERT INTO ix_ref (param, target, at, rid) VALUES (?, ?, ?, ?)",
	ixURI:      "INSERT INTO ix_uri (param, uri, rid) VALUES (?, ?, ?)",
	ixRange:    "INSERT INTO ix_range (param, unit, low, high, rid, system) VALUES (?, ?, ?, ?, ?, ?)",
	ixPair:     "INSERT INTO ix_pair (param, a, b, x, at, rid, y, a_system, b_system) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	ixPairText: "INSERT INTO ix_pair_text (param, a, folded, at, rid, a_system, exact) VALUES (?, ?, ?, ?, ?, ?, ?)",
	ixText:     "INSERT INTO ix_text (param, folded, rid, code, system) VALUES (?, ?, ?, ?, ?)",
}

var deletes = [tables]string{
	ixToken:    "DELETE FROM ix_token WHERE param = ? AND code = ? AND at = ? AND rid = ? AND system = ?",
	ixHot:      "DELETE FROM ix_hot WHERE param = ? AND patient = ? AND code = ? AND at = ? AND rid = ? AND system = ?",
	ixIdent:    "DELETE FROM ix_ident WHERE param = ? AND code = ? AND rid = ? AND system = ?",
	ixSealed:   "DELETE FROM ix_sealed WHERE param = ? AND mac = ? AND rid = ?",
	ixString:   "DELETE FROM ix_string WHERE param = ? AND folded = ? AND rid = ? AND exact = ?",
	ixDate:     "DELETE FROM ix_date WHERE param = ? AND low = ? AND high = ? AND rid = ?",
	ixQuantity: "DELETE FROM ix_quantity WHERE param = ? AND unit = ? AND value = ? AND rid = ? AND system = ?",
	ixRef:      "DELETE FROM ix_ref WHERE param = ? AND target = ? AND at = ? AND rid = ?",
	ixURI:      "DELETE FROM ix_uri WHERE param = ? AND uri = ? AND rid = ?",
	ixRange:    "DELETE FROM ix_range WHERE param = ? AND unit = ? AND low = ? AND high = ? AND rid = ? AND system = ?",
	ixPair:     "DELETE FROM ix_pair WHERE param = ? AND a = ? AND b = ? AND x = ? AND at = ? AND rid = ? AND y = ? AND a_system = ? AND b_system = ?",
	ixPairText: "DELETE FROM ix_pair_text WHERE param = ? AND a = ? AND folded = ? AND at = ? AND rid = ? AND a_system = ? AND exact = ?",
	ixText:     "DELETE FROM ix_text WHERE param = ? AND folded = ? AND rid = ? AND code = ? AND system = ?",
}

// args stand in the order of both texts above.
func (r *row) args(rid int64) []any {
	switch r.table {
	case ixToken:
		return []any{r.param, r.n[0], r.n[1], rid, r.n[2]}
	case ixHot:
		return []any{r.param, r.n[0], r.n[1], r.n[2], rid, r.n[3]}
	case ixIdent:
		return []any{r.param, r.s, rid, r.n[0]}
	case ixSealed:
		return []any{r.param, []byte(r.s), rid}
	case ixString:
		return []any{r.param, r.s, rid, r.s2}
	case ixDate:
		return []any{r.param, r.n[0], r.n[1], rid}
	case ixQuantity:
		return []any{r.param, r.n[0], r.f, rid, r.n[1]}
	case ixRef:
		return []any{r.param, r.n[0], r.n[1], rid}
	case ixRange:
		return []any{r.param, r.n[0], r.f, r.f2, rid, r.n[1]}
	case ixPair:
		return []any{r.param, r.n[0], r.n[1], r.f, r.n[2], rid, r.f2, r.n[3], r.n[4]}
	case ixPairText:
		return []any{r.param, r.n[0], r.s, r.n[1], rid, r.n[2], r.s2}
	case ixText:
		return []any{r.param, r.s, rid, r.n[0], r.n[1]}
	}
	return []any{r.param, r.n[0], rid}
}

// The bounds of dates in the database: far beyond any date, far from overflow.
const (
	minDate = -(int64(1) << 61)
	maxDate = int64(1) << 61
)

func bound(t int64) int64 { return max(minDate, min(maxDate, t)) }

// begin is bound for the main date, where minDate itself says that there is none.
func begin(t int64) int64 { return max(minDate+1, bound(t)) }

// mainDates are tried in this order: the date by which people sort resources of a type.
var mainDates = []string{"date", "authored-on", "authoredon", "authored", "onset-date", "recorded-date", "created", "effective-time", "sent",
	"started", "start", "whenhandedover", "issued", "period", "birthdate", "start-date", "occurrence", "timestamp", "effective"}

type plan struct {
	id   int16
	name string
	date *spec.Param // main date, nil when there is none
	code *spec.Param // hot code, nil when there is none
}

var plans sync.Map // type name -> *plan

// planOf tells how a type is indexed; nil for an unknown type.
func planOf(typ string) *plan {
	if p, ok := plans.Load(typ); ok {
		return p.(*plan)
	}
	id := spec.TypeID(typ)
	if id == 0 {
		return nil
	}
	p := &plan{id: id, name: typ}
	for _, code := range mainDates {
		if d := spec.Lookup(typ, code); d != nil && d.Type == spec.Date {
			p.date = d
			break
		}
	}
	if c := spec.Lookup(typ, "code"); c != nil && c.Type == spec.Token && p.date != nil {
		p.code = c
	}
	plans.Store(typ, p)
	return p
}

var bases sync.Map // parameter number -> *spec.Param

// base is the parameter in whose rows a reference parameter stands: patient, being subject where that is
// a Patient, has none of its own.
func base(p *spec.Param) *spec.Param {
	if p.ID >= firstParameter {
		return p
	}
	if b, ok := bases.Load(p.ID); ok {
		return b.(*spec.Param)
	}
	b := p
	if path, ok := strings.CutSuffix(p.Expression, ".where(resolve() is Patient)"); ok && p.Type == spec.Reference {
		for _, other := range spec.Params(p.Base) {
			if other.Type == spec.Reference && other.Expression == path {
				b = other
			}
		}
	}
	bases.Store(p.ID, b)
	return b
}

// byText tells the token parameters whose values are nearly all different, so that they are not interned.
func byText(p *spec.Param) bool {
	return strings.Contains(p.Code, "identifier") || p.Code == "requisition" || p.Code == "udi-di"
}

// indexed is what the tables know of one version.
type indexed struct {
	rows     []row
	shape    string
	at, till int64
	home     int64
	all      []int64 // every patient, home included
}

// spanOf gives lengths in powers of two days, so that the known longest rarely grows.
func spanOf(low, high int64) int64 {
	const day = 86400e6
	d := int64(day)
	for d < high-low && d < maxDate {
		d *= 2
	}
	return d
}

// index turns entries into rows; names and references become numbers.
func (tx *Tx) index(ctx context.Context, pl *plan, p *Prepared) (*indexed, error) {
	ix := &indexed{at: minDate, till: minDate}
	p = tx.withGiven(pl, p)
	if !p.foreseen {
		if err := tx.learn(ctx, p); err != nil {
			return nil, err
		}
	}
	for _, patient := range p.compartments {
		rid, err := tx.reserve(ctx, patient)
		if err != nil {
			return nil, err
		}
		if patient == p.home {
			ix.home = rid
		}
		if rid != 0 {
			ix.all = append(ix.all, rid)
		}
	}
	if p.home != "" && ix.home == 0 {
		rid, err := tx.reserve(ctx, p.home)
		if err != nil {
			return nil, err
		}
		ix.home = rid
		ix.all = append(ix.all, rid)
	}
	// Several values of the main date count as their hull.
	for i := range p.Entries {
		if e := &p.Entries[i]; pl.date != nil && e.Param.ID == pl.date.ID {
			if ix.at == minDate && ix.till == minDate {
				ix.at, ix.till = begin(e.Low), bound(e.High)
			} else {
				ix.at, ix.till = min(ix.at, begin(e.Low)), max(ix.till, bound(e.High))
			}
		}
	}
	if ix.at != minDate || ix.till != minDate {
		if err := tx.span(ctx, pl.date.ID, ix.at, ix.till); err != nil {
			return nil, err
		}
	}
	const few = 40 // up to here looking at each is quicker than a map
	ix.rows = make([]row, 0, len(p.Entries)+4)
	var seen map[row]bool
	add := func(r row) {
		switch {
		case seen != nil:
			if seen[r] {
				return
			}
			seen[r] = true
		case slices.Contains(ix.rows, r):
			return
		case len(ix.rows) == few:
			seen = make(map[row]bool, 2*len(p.Entries))
			for _, other := range ix.rows {
				seen[other] = true
			}
			seen[r] = true
		}
		ix.rows = append(ix.rows, r)
	}
	ids := make([]int32, 0, 32)
	for i := range p.Entries {
		e := &p.Entries[i]
		if n := len(ids); n == 0 || ids[n-1] != e.Param.ID {
			ids = append(ids, e.Param.ID)
		}
		if err := tx.indexEntry(ctx, pl, ix, e, add); err != nil {
			return nil, err
		}
	}
	if err := tx.sameText(ctx, p.Entries, ix.rows, add); err != nil {
		return nil, err
	}
	slices.Sort(ids)
	b := append(make([]byte, 0, 160), "shape:,"...)
	for _, id := range slices.Compact(ids) {
		b = append(strconv.AppendInt(b, int64(id), 10), ',')
	}
	ix.shape = string(b)
	return ix, nil
}

func (tx *Tx) indexEntry(ctx context.Context, pl *plan, ix *indexed, e *index.Entry, add func(row)) error {
	p := e.Param
	if stands(p) {
		return nil
	}
	r := row{param: p.ID}
	tx.indexTypes(e, add)
	if p.Sealed || p.Type == spec.Reference && e.RefType == "" && e.URI == "" && e.Code != "" {
		for _, v := range sealedForms(e) {
			add(row{table: ixSealed, param: p.ID, s: string(tx.s.seal.mac(p.Code, v))})
		}
		return nil
	}
	switch {
	case p.Type == spec.Token && e.Code == "" && e.System == "" || p.Type == spec.Token && byText(p) && e.Code == "":
		return tx.indexText(ctx, e, 0, 0, add)
	case p.Type == spec.Token && byText(p):
		system, err := tx.symbol(ctx, clip(e.System))
		if err != nil {
			return err
		}
		r.table, r.s, r.n[0] = ixIdent, clip(e.Code), system
		add(r)
		return tx.indexText(ctx, e, 0, 0, add)
	case p.Type == spec.Token:
		system, code, err := tx.coded(ctx, e)
		if err != nil {
			return err
		}
		r.table, r.n = ixToken, [5]int64{code, ix.at, system}
		add(r)
		if pl.code != nil && p.ID == pl.code.ID && ix.home != 0 {
			add(row{table: ixHot, param: p.ID, n: [5]int64{ix.home, code, ix.at, system}})
		}
		return tx.indexText(ctx, e, code, system, add)
	case p.Type == spec.String:
		r.table = ixString
		if r.s, r.s2 = folded(e.Text); r.s == "" {
			return nil
		}
		add(r)
	case p.Type == spec.Date:
		if pl.date != nil && p.ID == pl.date.ID {
			return nil // stands on the resource itself
		}
		low, high := bound(e.Low), bound(e.High)
		if err := tx.span(ctx, p.ID, low, high); err != nil {
			return err
		}
		r.table, r.n = ixDate, [5]int64{low, high}
		add(r)
	case p.Type == spec.Number || p.Type == spec.Quantity:
		if unusable(e) {
			return nil
		}
		system, unit, err := tx.coded(ctx, e)
		if err != nil {
			return err
		}
		r.table, r.f, r.n = ixQuantity, e.Value, [5]int64{unit, system}
		if e.Interval {
			r.table, r.f, r.f2 = ixRange, e.NumLow, e.NumHi
		}
		add(r)
	case p.Type == spec.Composite:
		return tx.indexPair(ctx, ix, e, add)
	case p.Type == spec.Reference && e.RefType != "":
		if base(p) != p {
			return nil
		}
		target, err := tx.reserve(ctx, e.RefType+"/"+e.RefID)
		if err != nil {
			return err
		}
		if target == 0 {
			return nil
		}
		r.table, r.n = ixRef, [5]int64{target, ix.at}
		add(r)
	case e.URI != "":
		uri, err := tx.symbol(ctx, clip(e.URI))
		if err != nil {
			return err
		}
		r.table, r.n[0] = ixURI, uri
		add(r)
	}
	return nil
}

// coded gives the numbers of an entry's system and code.
func (tx *Tx) coded(ctx context.Context, e *index.Entry) (system, code int64, err error) {
	if system, err = tx.symbol(ctx, clip(e.System)); err != nil {
		return 0, 0, err
	}
	code, err = tx.symbol(ctx, clip(e.Code))
	return system, code, err
}

// folded is a text as it is compared, and as it was written where that differs.
func folded(text string) (fold_, exact string) {
	if fold_, exact = fold(text), clip(text); exact == fold_ {
		exact = ""
	}
	return fold_, exact
}

func unusable(e *index.Entry) bool { return math.IsNaN(e.Value) || math.IsInf(e.Value, 0) }

// sealedForms are the values of which a sealed entry keeps a seal: with its system, or the word that it has none, and without.
func sealedForms(e *index.Entry) []string {
	v := e.Code
	if e.Param.Type == spec.String {
		v = e.Text
	}
	if v = fold(v); v == "" {
		return nil
	}
	if index.ByWords(e.Param) {
		forms := []string{v}
		for _, w := range index.AddressWords(v) {
			forms = append(forms, wordForm(w))
		}
		return forms
	}
	if e.System == "" && e.Param.Type == spec.String {
		return []string{v}
	}
	return []string{v, sealedValue(e.System, v)}
}

// wordForm is what stands in a seal for one word of a value.
func wordForm(word string) string { return "word\x00" + word }

func sealedValue(system, folded string) string { return system + "\x00" + folded }

// span notes the longest interval of a date parameter: it bounds where a search must begin to look.
func (tx *Tx) span(ctx context.Context, param int32, low, high int64) error {
	span := spanOf(low, high)
	n := &tx.s.names
	n.mu.RLock()
	old := n.spans[int64(param)]
	n.mu.RUnlock()
	if span <= max(old, tx.names.spans[int64(param)]) {
		return nil
	}
	err := tx.apart(ctx, "INSERT INTO date_span (param, span) VALUES (?, ?) ON CONFLICT (param) DO UPDATE SET span = CASE WHEN excluded.span > date_span.span THEN excluded.span ELSE date_span.span END",
		param, span)
	if tx.names.spans == nil {
		tx.names.spans = map[int64]int64{}
	}
	tx.names.spans[int64(param)] = span
	return err
}
