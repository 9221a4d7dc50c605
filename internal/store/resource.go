package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

var shanghai = func() *time.Location {
	if zone, err := time.LoadLocation("Asia/Shanghai"); err == nil {
		return zone
	}
	return time.FixedZone("Asia/Shanghai", 8*3600)
}()

// Prepare makes a resource ready for Put, outside the writer. The node must not change afterwards.
func Prepare(n *fhir.Node) (Prepared, error) { return prepare(n, shanghai) }

// Prepare is as the function Prepare, in the zone of this hub.
func (s *Store) Prepare(n *fhir.Node) (Prepared, error) { return prepare(n, s.zone) }

func prepare(n *fhir.Node, zone *time.Location) (Prepared, error) {
	if planOf(n.Type()) == nil {
		return Prepared{}, unknownType(n.Type())
	}
	p := Prepared{Node: n, Entries: index.Extract(n, zone), zone: zone, home: index.Home(n), compartments: index.Compartments(n), plain: strip(n)}
	p.packed, p.codec, p.dict = pack(p.plain)
	return p, nil
}

func unknownType(typ string) error {
	return fhir.Refuse(404, "not-supported", "unknown-type", fmt.Sprintf("%q is not a resource type", typ), "没有这种资源类型："+typ)
}

// head is what stands of a resource beside its body.
type head struct {
	rid, home, custodian int64
	vid, seq             int64
	deleted, multi       bool
	at, shape            int64
	guarded              int64
}

func (h *head) alive() bool { return h.vid > 0 && !h.deleted }

// head finds a resource; rid 0 = never heard of, vid 0 = only referred to.
func (tx *Tx) head(ctx context.Context, typ int16, id string) (h head, err error) {
	if key := (ident{typ, id}); tx.absent[key] || tx.promised[key] != 0 {
		return head{}, nil
	}
	_, err = tx.one(ctx, `SELECT r.rid, r.home, r.custodian, r.vid, r.seq, r.deleted, r.multi, r.at, r.shape, r.guarded
		FROM resource_id i JOIN resource r ON r.rid = i.rid WHERE i.type = ? AND i.id = ?`, []any{typ, id},
		&h.rid, &h.home, &h.custodian, &h.vid, &h.seq, &h.deleted, &h.multi, &h.at, &h.shape, &h.guarded)
	return h, err
}

// PutAll writes many versions in order, with fewer round trips than as many Puts.
func (tx *Tx) PutAll(ctx context.Context, puts []Put) ([]Version, error) {
	if err := tx.Foresee(ctx, puts); err != nil {
		return nil, err
	}
	out := make([]Version, len(puts))
	for i := range puts {
		var err error
		if out[i], err = tx.Put(ctx, puts[i]); err != nil {
			return nil, fmt.Errorf("put %d of %d: %w", i+1, len(puts), err)
		}
	}
	return out, nil
}

// Foresee looks up at once what the Puts that follow would ask one by one, and notes so in them.
func (tx *Tx) Foresee(ctx context.Context, puts []Put) error {
	var prepared []*Prepared
	var ids []ident
	for i := range puts {
		p := &puts[i]
		if p.Resource.Node != nil {
			if err := tx.ready(&p.Resource); err != nil {
				return err
			}
			prepared = append(prepared, &p.Resource)
		}
		if pl := planOf(p.Type); pl != nil && p.ID != "" {
			ids = append(ids, ident{pl.id, p.ID})
		}
	}
	if err := tx.learnRIDs(ctx, ids); err != nil {
		return err
	}
	// New ones get their numbers before what refers to them is written.
	for _, key := range ids {
		if !tx.absent[key] {
			continue
		}
		rid, err := tx.newRID(ctx)
		if err != nil {
			return err
		}
		if tx.promised == nil {
			tx.promised = map[ident]int64{}
		}
		tx.promised[key] = rid
		tx.noteRID(key, rid)
	}
	if err := tx.learn(ctx, prepared...); err != nil {
		return err
	}
	for _, p := range prepared {
		p.foreseen = true
	}
	return nil
}

// honour makes references of what was foreseen and then not written, so that nothing points nowhere.
func (tx *Tx) honour(ctx context.Context) error {
	for key, rid := range tx.promised {
		if err := tx.stub(ctx, key, rid); err != nil {
			return err
		}
	}
	tx.promised = nil
	return nil
}

// ready makes sure that a resource was prepared, in this hub's zone.
func (tx *Tx) ready(p *Prepared) error {
	if p.zone == tx.s.zone || p.zone != nil && p.zone.String() == tx.s.zone.String() {
		return nil
	}
	made, err := prepare(p.Node, tx.s.zone)
	if err != nil {
		return err
	}
	*p = made
	return nil
}

// Put writes one version and everything that follows from it. ErrConflict: IfMatch failed; ErrExists:
// Create of an id that is there; ErrNotFound, ErrGone: Delete of what is not.
func (tx *Tx) Put(ctx context.Context, p Put) (Version, error) {
	pl := planOf(p.Type)
	if pl == nil {
		return Version{}, unknownType(p.Type)
	}
	if p.Op != Delete {
		if p.Resource.Node == nil {
			return Version{}, fmt.Errorf("store: put %s without a resource", p.Type)
		}
		if err := tx.ready(&p.Resource); err != nil {
			return Version{}, err
		}
	}
	var h head
	var err error
	if p.ID == "" {
		if p.Op != Create {
			return Version{}, fmt.Errorf("store: put %s without an id", p.Type)
		}
		p.ID = NewID(tx.now)
	} else if h, err = tx.head(ctx, pl.id, p.ID); err != nil {
		return Version{}, err
	}
	ref := p.Type + "/" + p.ID
	alive := h.alive()
	switch {
	case p.IfMatch > 0 && (!alive || h.vid != p.IfMatch):
		return Version{}, fmt.Errorf("%s is at version %d: %w", ref, h.vid, ErrConflict)
	case p.IfMatch < 0 && alive:
		return Version{}, fmt.Errorf("%s: %w", ref, ErrConflict)
	case p.Op == Create && alive:
		return Version{}, fmt.Errorf("%s: %w", ref, ErrExists)
	case p.Op == Delete && h.vid == 0:
		return Version{}, fmt.Errorf("%s: %w", ref, ErrNotFound)
	case p.Op == Delete && !alive:
		return Version{}, fmt.Errorf("%s: %w", ref, ErrGone)
	}
	op := p.Op
	if op == Update && !alive {
		op = Create
	} else if op == Create && alive {
		op = Update
	}

	if h.vid > 0 {
		tx.replacing(ident{pl.id, p.ID})
	}
	var before *fhir.Node
	var old *indexed
	if alive {
		if before, old, err = tx.before(ctx, pl, p.ID, h); err != nil {
			return Version{}, err
		}
	}
	if h.vid > 0 && len(tx.s.opts.Guard) > 0 {
		if p.Keeper, err = tx.text(ctx, h.custodian); err != nil {
			return Version{}, err
		}
	}
	for _, guard := range tx.s.opts.Guard {
		if err := guard(ctx, p, before); err != nil {
			return Version{}, err
		}
	}

	p.Resource.own(ref)
	next := &indexed{at: h.at, till: h.at, home: h.home}
	if op != Delete {
		if next, err = tx.index(ctx, pl, &p.Resource); err != nil {
			return Version{}, err
		}
	}
	v := Version{Type: p.Type, ID: p.ID, VID: h.vid + 1, Op: op, Updated: tx.now.Truncate(time.Millisecond)}
	isNew := h.rid == 0
	if isNew {
		// index may have reserved this very id, for a resource that refers to itself. What others have
		// reserved since this unit's snapshot does not count: the insert collides with it.
		key := ident{pl.id, p.ID}
		h.rid = tx.names.rids[key]
		if tx.promised[key] != 0 {
			delete(tx.promised, key)
		} else if isNew = h.rid == 0; isNew {
			if h.rid, err = tx.newRID(ctx); err != nil {
				return Version{}, err
			}
		}
	}
	if h.vid == 0 {
		if h.custodian, err = tx.symbol(ctx, p.Custodian); err != nil {
			return Version{}, err
		}
	}
	if v.Seq, err = tx.c.Next(ctx, engine.CounterSeq); err != nil {
		return Version{}, err
	}
	if err := tx.write(ctx, pl, p, v, h, isNew, old, next); err != nil {
		return Version{}, fmt.Errorf("store: put %s: %w", ref, err)
	}
	if v.Custodian, err = tx.text(ctx, h.custodian); err != nil {
		return Version{}, err
	}
	if op == Delete {
		if v.Home, err = tx.patientRef(ctx, h.home); err != nil {
			return Version{}, err
		}
	} else {
		v.Home = p.Resource.home
		v.JSON = splice(p.Resource.plain, p.Type, p.ID, v.VID, v.Updated.In(tx.s.zone))
	}
	if p.Type == "SearchParameter" {
		if err := tx.noteParameter(ctx, p.ID, p.Resource.Node); err != nil {
			return Version{}, err
		}
	}
	if len(tx.s.opts.Derive) > 0 {
		w := Written{Version: v, Before: before}
		if op != Delete {
			w.After = p.Resource.Node
		}
		for _, derive := range tx.s.opts.Derive {
			if err := derive(ctx, tx, w); err != nil {
				return Version{}, err
			}
		}
	}
	return v, nil
}

// own puts a patient under itself: its id may have come after Prepare.
func (p *Prepared) own(ref string) {
	if strings.HasPrefix(ref, "Patient/") {
		p.home, p.compartments = ref, []string{ref}
	}
}

// before reads the version that is about to be replaced, and the rows that it stands in.
func (tx *Tx) before(ctx context.Context, pl *plan, id string, h head) (*fhir.Node, *indexed, error) {
	plain, err := tx.plain(ctx, h.seq)
	if err != nil {
		return nil, nil, err
	}
	n, err := fhir.Parse(splice(plain, pl.name, id, h.vid, tx.now))
	if err != nil {
		return nil, nil, fmt.Errorf("store: %s/%s as stored: %w", pl.name, id, err)
	}
	p := Prepared{Node: n, Entries: index.Extract(n, tx.s.zone), home: index.Home(n), compartments: index.Compartments(n)}
	p.own(pl.name + "/" + id)
	old, err := tx.index(ctx, pl, &p)
	return n, old, err
}

// plain reads the body of one version.
func (tx *Tx) plain(ctx context.Context, seq int64) ([]byte, error) {
	if plain, read := tx.plains[seq]; read {
		return plain, nil
	}
	var body []byte
	var codec int
	var key, rid, vid int64
	ok, err := tx.one(ctx, "SELECT codec, key, body, rid, vid FROM version WHERE seq = ?", []any{seq}, &codec, &key, &body, &rid, &vid)
	if err == nil && !ok {
		err = fmt.Errorf("store: version %d is missing", seq)
	}
	if err != nil {
		return nil, err
	}
	return tx.openBody(ctx, body, codec, key, rid, vid)
}

// write stores the version, its head and what changed in the indexes.
func (tx *Tx) write(ctx context.Context, pl *plan, p Put, v Version, h head, isNew bool, old, next *indexed) error {
	deleted, multi := int64(0), int64(0)
	shape, err := tx.symbol(ctx, next.shape)
	if err != nil {
		return err
	}
	if v.Op == Delete {
		deleted, shape, multi = 1, h.shape, 0
		if h.multi {
			multi = 1
		}
	} else if len(next.all) > 1 || len(next.all) == 1 && next.all[0] != next.home {
		multi = 1
	}
	guarded, told := h.guarded, int64(0)
	if v.Op != Delete {
		if guarded, err = tx.guarded(ctx, p.Resource.Node, h.rid, next.home); err != nil {
			return err
		}
		told = guarded & ownKinds
		if next.home == h.rid {
			tx.noteGuarded(h.rid, guarded)
			if guarded != h.guarded && !isNew && !tx.born[h.rid] { // of whom nobody else knows, nobody else writes
				if err := tx.Lock(ctx, guardKey(h.rid)); err != nil {
					return err
				}
			}
		}
	}
	body, key := tx.s.sealBody(p.Resource.packed, h.rid, v.VID)
	updated := v.Updated.UnixMicro()
	if isNew {
		if err := tx.insertID(ctx, pl.id, p.ID, h.rid, next.home); err != nil {
			return err
		}
		tx.noteRID(ident{pl.id, p.ID}, h.rid)
		err = tx.Queue(ctx, insertResource,
			h.rid, pl.id, p.ID, next.home, multi, h.custodian, v.VID, v.Seq, updated, deleted, shape, next.at, next.till, guarded)
	} else {
		if next.home != h.home {
			if err := tx.Queue(ctx, "UPDATE resource_id SET home = ? WHERE type = ? AND id = ?", next.home, pl.id, p.ID); err != nil {
				return err
			}
		}
		err = tx.Queue(ctx, `UPDATE resource SET home = ?, multi = ?, custodian = ?, vid = ?, seq = ?, updated = ?, deleted = ?, shape = ?, at = ?, till = ?, guarded = ? WHERE rid = ?`,
			next.home, multi, h.custodian, v.VID, v.Seq, updated, deleted, shape, next.at, next.till, guarded, h.rid)
	}
	if err != nil {
		return err
	}
	if err := tx.keep(ctx, h.custodian, pl.id, next.home); err != nil {
		return err
	}
	// After the head: two units that write the same resource collide there, and the later one runs again.
	if err := tx.Queue(ctx, "INSERT INTO version (seq, rid, type, vid, op, updated, codec, dict, key, body, guarded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		v.Seq, h.rid, pl.id, v.VID, uint8(v.Op), v.Updated.UnixMicro(), p.Resource.codec, p.Resource.dict, key, body, told); err != nil {
		return err
	}
	if h.vid > 0 && h.home != 0 && next.home != h.home {
		if err := tx.Queue(ctx, "UPDATE version SET guarded = guarded | ? WHERE rid = ? AND vid < ?", int64(movedAway), h.rid, v.VID); err != nil {
			return err
		}
	}
	if v.Op != Delete {
		if err := tx.writeCompartments(ctx, pl, h, next); err != nil {
			return err
		}
		if next.home == h.rid && guarded != h.guarded && (h.vid > 0 || !isNew) {
			if err := tx.guardRecord(ctx, h.rid, guarded); err != nil {
				return err
			}
		}
	}
	if old == nil {
		for i := range next.rows {
			r := &next.rows[i]
			if err := tx.Queue(ctx, inserts[r.table], r.args(h.rid)...); err != nil {
				return err
			}
		}
		return nil
	}
	stay := make(map[row]bool, len(next.rows))
	for _, r := range next.rows {
		stay[r] = true
	}
	was := make(map[row]bool, len(old.rows))
	for i := range old.rows {
		r := &old.rows[i]
		was[*r] = true
		if !stay[*r] {
			if err := tx.Queue(ctx, deletes[r.table], r.args(h.rid)...); err != nil {
				return err
			}
		}
	}
	for i := range next.rows {
		if r := &next.rows[i]; !was[*r] {
			if err := tx.Queue(ctx, inserts[r.table], r.args(h.rid)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeCompartments lists the resource under each of its patients. A deleted one keeps its place: its history stays visible.
func (tx *Tx) writeCompartments(ctx context.Context, pl *plan, h head, next *indexed) error {
	var olds []int64
	if h.vid > 0 {
		if h.home != 0 {
			olds = append(olds, h.home)
		}
		if h.multi {
			err := tx.Query(ctx, "SELECT patient FROM compartment WHERE rid = ? AND extra = 1", []any{h.rid}, func(scan func(...any) error) error {
				var patient int64
				err := scan(&patient)
				olds = append(olds, patient)
				return err
			})
			if err != nil {
				return err
			}
		}
		if h.at == next.at && h.home == next.home && len(olds) == len(next.all) && !h.multi {
			return nil
		}
		for _, patient := range olds {
			if err := tx.Queue(ctx, "DELETE FROM compartment WHERE patient = ? AND type = ? AND at = ? AND rid = ?", patient, pl.id, h.at, h.rid); err != nil {
				return err
			}
		}
	}
	for _, patient := range next.all {
		extra := 0
		if patient != next.home {
			extra = 1
		}
		if err := tx.Queue(ctx, "INSERT INTO compartment (patient, type, at, rid, extra) VALUES (?, ?, ?, ?, ?)", patient, pl.id, next.at, h.rid, extra); err != nil {
			return err
		}
	}
	return nil
}

// patientRef names a patient by number, also one that has not come yet.
func (tx *Tx) patientRef(ctx context.Context, rid int64) (string, error) {
	if rid == 0 {
		return "", nil
	}
	var id string
	_, err := tx.one(ctx, "SELECT id FROM resource WHERE rid = ?", []any{rid}, &id)
	return "Patient/" + id, err
}

var idCount atomic.Uint32

// NewID makes an id that sorts by time (the form of a UUID, version 7).
func NewID(now time.Time) string {
	var b [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (8 * (5 - i)))
	}
	rand.Read(b[6:])
	n := idCount.Add(1) // order within a millisecond
	b[6], b[7] = 0x70|byte(n>>8)&0x0f, byte(n)
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
