package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// condition is a criterion that a plan relies on: the resource it matched, id "" = none.
type condition struct{ typ, query, id string }

// planner decides on a snapshot what each change of a unit will do.
type planner struct {
	b      *Bundles
	u      *unit
	tx     *store.Tx
	scope  search.Scope
	ids    bundle.Identities
	copies bool // the nodes as sent are kept, because the plan may be made again
	conds  []condition
	taken  map[string]*change // condition -> the creation that it led to
}

func (p *planner) plan(ctx context.Context) ([]condition, error) {
	p.taken = map[string]*change{}
	for _, ch := range p.u.changes {
		if err := p.decide(ctx, ch); err != nil {
			return nil, within(ch, err)
		}
		if ch.entry != nil && ch.op != store.Delete {
			typ, id := ch.typ, ch.put.ID
			if ch.op == 0 {
				id = ch.out.ID
			}
			if id != "" {
				p.ids.Name(ch.entry, typ, id)
			}
		}
	}
	own := map[string]bool{}
	for _, ch := range p.u.changes {
		if ch.op == store.Create || ch.op == store.Update {
			own[ch.typ+"/"+ch.put.ID] = true
		}
	}
	missing := map[string]map[string]*use{} // type -> id -> where it was first named
	for _, ch := range p.u.changes {
		if ch.op != store.Create && ch.op != store.Update {
			continue
		}
		if err := p.write(ctx, ch, own, missing); err != nil {
			return nil, within(ch, err)
		}
	}
	if err := p.mustExist(ctx, missing); err != nil {
		return nil, err
	}
	return p.conds, nil
}

// use is the first place that names a resource outside of the unit.
type use struct {
	ch  *change
	ref *fhir.Node
}

func (p *planner) match(ctx context.Context, typ, query string) (store.Version, error) {
	for _, c := range p.conds {
		if c.typ == typ && c.query == query {
			if c.id == "" {
				return store.Version{}, nil
			}
			return p.tx.Read(ctx, p.scope, typ, c.id)
		}
	}
	v, err := p.b.match(ctx, p.tx, p.scope, p.u.base, typ, query)
	if err == nil {
		p.conds = append(p.conds, condition{typ, query, v.ID})
	}
	return v, err
}

// decide sets op, the id and the expected version of one change.
func (p *planner) decide(ctx context.Context, ch *change) error {
	ch.op, ch.found, ch.created, ch.out = 0, false, false, store.Version{}
	if ch.typ == auditEvent && p.b.Trail != nil {
		return errTrailNotWritten
	}
	if ch.typ == personType && p.b.Persons != nil {
		return errPersonNotWritten
	}
	ch.put = store.Put{Type: ch.typ, ID: ch.id, Custodian: p.b.custodian(p.u.caller, ch.node)}
	if ch.query != "" {
		key := ch.typ + "?" + ch.query
		if first := p.taken[key]; first != nil && ch.method == "POST" {
			// the same condition twice in one bundle means the same resource
			ch.out = store.Version{Type: ch.typ, ID: first.put.ID}
			return nil
		}
		v, err := p.match(ctx, ch.typ, ch.query)
		if err != nil {
			return err
		}
		if v.ID != "" && ch.method == "POST" {
			ch.out = v
			return nil
		}
		switch {
		case ch.method == "DELETE" && v.ID == "":
			return nil
		case ch.method == "PATCH" && v.ID == "":
			return notFound()
		case ch.method == "PUT" && v.ID == "":
			if ch.put.ID = ch.node.ID(); ch.put.ID == "" {
				ch.create(p.b.Clock.Now())
				return nil
			}
		case ch.method == "PUT" && ch.node.ID() != "" && ch.node.ID() != v.ID:
			return fhir.Refuse(http.StatusBadRequest, "invalid", "id-mismatch", "the condition matches a resource with another id than the one sent", "条件匹配到的记录与内容中的 id 不一致")
		case v.ID != "":
			ch.put.ID = v.ID
		}
		if ch.method == "POST" {
			p.taken[key] = ch
		}
	}
	if ch.method == "POST" {
		ch.create(p.b.Clock.Now())
		return nil
	}
	v, err := p.tx.Read(ctx, p.scope, ch.typ, ch.put.ID)
	gone := errors.Is(err, store.ErrGone)
	absent := gone || errors.Is(err, store.ErrNotFound)
	if err != nil && !absent {
		return err
	}
	if !absent {
		ch.found, ch.previous = true, v
		if err := p.b.mayChange(p.u.caller, ch.typ, v.Custodian); err != nil {
			return err
		}
	}
	if ch.method == "PATCH" && absent {
		if !gone {
			return notFound()
		}
		return err
	}
	if ch.absent && ch.found {
		return preconditionFailed("exists", "If-None-Match: * and the resource exists", "记录已存在")
	}
	if ch.ifMatch != "" {
		vid, ok := readETag(ch.ifMatch)
		if !ok {
			return fhir.Refuse(http.StatusBadRequest, "value", "bad-etag", `If-Match is written W/"3"`, `If-Match 的写法是 W/"3"`)
		}
		if !ch.found || vid != v.VID {
			return preconditionFailed("version-conflict", fmt.Sprintf("If-Match asks for version %d; the current one differs", vid), "该记录已被他人修改，请刷新后再试")
		}
	}
	ch.put.IfMatch = v.VID
	if ch.method == "DELETE" {
		if absent {
			return nil // deleting twice is no error
		}
		ch.op, ch.put.Op = store.Delete, store.Delete
		return nil
	}
	if ch.method == "PATCH" {
		if ch.node, err = p.b.patched(ch, v); err != nil {
			return err
		}
	}
	ch.op, ch.put.Op = store.Update, store.Update
	if absent {
		ch.created = true
		if err := p.u.caller.May(mayCreate, ch.typ); err != nil {
			return err
		}
		if ch.put.IfMatch = -1; gone {
			ch.put.IfMatch = 0
		}
	}
	return nil
}

func (ch *change) create(now time.Time) {
	if ch.given == "" {
		ch.given = newID(now)
	}
	ch.put.ID, ch.op, ch.put.Op, ch.created = ch.given, store.Create, store.Create, true
}

// write makes the resource as it will be stored and gathers what it refers to.
func (p *planner) write(ctx context.Context, ch *change, own map[string]bool, missing map[string]map[string]*use) error {
	if ch.typ == "Patient" {
		withoutLinks(ch.node)
	}
	ch.work = ch.node
	refs := bundle.References(ch.node)
	if p.copies || slices.ContainsFunc(refs, func(r *fhir.Node) bool { return strings.IndexByte(r.Text, '?') > 0 }) {
		ch.work = ch.node.Copy()
		refs = bundle.References(ch.work)
	}
	setID(ch.work, ch.put.ID)
	p.ids.Rewrite(ch.work)
	for _, r := range refs {
		if typ, query, ok := bundle.Conditional(r.Text); ok {
			v, err := p.match(ctx, typ, query)
			if err != nil {
				return at(err, ch.work, r)
			}
			if v.ID == "" {
				first := p.taken[typ+"?"+query]
				if first == nil {
					return at(fhir.Refuse(http.StatusUnprocessableEntity, "not-found", "unknown-reference", "the conditional reference matches nothing that you may see", "条件引用没有匹配到可用的记录"), ch.work, r)
				}
				v.ID = first.put.ID
			}
			r.Text = typ + "/" + v.ID
			continue
		}
		local := strings.TrimPrefix(r.Text, p.u.base+"/")
		if p.u.base != "" && local != r.Text {
			r.Text = local // an absolute reference to ourselves is a relative one
		}
		typ, id, ok := localReference(r.Text)
		if !ok || own[typ+"/"+id] {
			continue
		}
		if missing[typ] == nil {
			missing[typ] = map[string]*use{}
		}
		if missing[typ][id] == nil {
			missing[typ][id] = &use{ch, r}
		}
	}
	if err := p.hide(ch); err != nil {
		return err
	}
	if ch.op == store.Update && ch.found {
		before, err := fhir.Parse(ch.previous.JSON)
		if err != nil {
			return err
		}
		if same(before, ch.work) {
			ch.op, ch.out = 0, ch.previous // nothing to write: the version stays
		}
	}
	return nil
}

// at gives an error the place of a reference.
func at(err error, n, ref *fhir.Node) error {
	var e *fhir.Error
	if !errors.As(err, &e) || len(e.Issues) == 0 {
		return err
	}
	placed := &fhir.Error{Status: e.Status, Issues: slices.Clone(e.Issues)}
	placed.Issues[0].Expression = bundle.PathTo(n, ref)
	return placed
}

// localReference splits Type/id, also with a version or fragment behind.
func localReference(ref string) (typ, id string, ok bool) {
	typ, id, ok = strings.Cut(ref, "/")
	if !ok || !spec.IsResource(typ) {
		return "", "", false
	}
	id, _, _ = strings.Cut(id, "/_history/")
	id, _, _ = strings.Cut(id, "#")
	return typ, id, validID(id)
}

// mustExist refuses references to what is not here, or not for the caller to see: one answer for both.
func (p *planner) mustExist(ctx context.Context, missing map[string]map[string]*use) error {
	if p.u.loose && p.scope.All {
		return nil
	}
	scope := p.scope
	scope.Types = nil // a token that may only write may still refer to what its organisation sees
	var wrong []fhir.Issue
	for _, typ := range spec.Types() {
		ids := missing[typ]
		if len(ids) == 0 || (p.u.loose && typ != "Patient") {
			continue
		}
		seen, err := p.tx.Sees(ctx, scope, typ, slices.Collect(maps.Keys(ids)))
		if err != nil {
			return err
		}
		for id, u := range ids {
			if seen[id] || p.had(u, typ+"/"+id) {
				continue
			}
			is := fhir.Issue{Severity: "error", Code: "not-found", Detail: "unknown-reference", Text: fmt.Sprintf("%s/%s is not here, or not for you to see", typ, id),
				Zh: "引用的记录不存在或无权查看：" + typ + "/" + id, Expression: bundle.PathTo(u.ch.work, u.ref)}
			if typ == "Patient" {
				is.Detail, is.Zh = "unknown-patient", "引用的患者不存在或无权查看"
			}
			e := within(u.ch, &fhir.Error{Issues: []fhir.Issue{is}}).(*fhir.Error)
			wrong = append(wrong, e.Issues...)
		}
	}
	if wrong == nil {
		return nil
	}
	slices.SortFunc(wrong, func(a, b fhir.Issue) int { return strings.Compare(a.Expression, b.Expression) })
	return &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: wrong}
}

// had says whether the version before named the resource too: an update is not refused for what stood there already.
func (p *planner) had(u *use, ref string) bool {
	if !u.ch.found || strings.HasPrefix(ref, "Patient/") {
		return false
	}
	before, err := fhir.Parse(u.ch.previous.JSON)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(bundle.References(before), func(r *fhir.Node) bool { return r.Text == ref || strings.HasPrefix(r.Text, ref+"/") })
}

// match finds the one resource that criteria mean; a zero Version when there is none.
func (b *Bundles) match(ctx context.Context, tx *store.Tx, scope search.Scope, base, typ, query string) (store.Version, error) {
	params, err := search.ParseQuery(query)
	if err != nil {
		return store.Version{}, err
	}
	r, err := search.Parse(typ, params, search.Options{Zone: b.Zone, Base: base, Given: b.Store.Parameter})
	if err != nil {
		return store.Version{}, err
	}
	if len(r.Where) == 0 {
		return store.Version{}, preconditionFailed("no-criteria", "the condition has no search criteria", "条件为空")
	}
	q := search.Query{Type: typ, Where: r.Where, Count: 2, Scope: scope}
	page, err := tx.Search(ctx, q)
	if err != nil || len(page.Matches) == 0 {
		return store.Version{}, err
	}
	if len(page.Matches) > 1 {
		return store.Version{}, store.ErrMultiple
	}
	return page.Matches[0], nil
}

// setID puts the id right behind the type.
func setID(n *fhir.Node, id string) {
	n.Set("id", nil)
	members := make([]fhir.Member, 0, len(n.Members)+1)
	for _, m := range n.Members {
		members = append(members, m)
		if m.Name == "resourceType" {
			members = append(members, fhir.Member{Name: "id", Value: fhir.Of(id)})
		}
	}
	n.Members = members
}

// newID is a UUID of version 7: ids made together stand together in the index.
func newID(now time.Time) string {
	var u [16]byte
	rand.Read(u[6:])
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}
