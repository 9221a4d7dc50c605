package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/store"
)

// change is one resource to be written, and what became of it.
type change struct {
	method  string // POST, PUT, PATCH, DELETE
	typ, id string
	query   string     // criteria of a conditional write
	ifMatch string     // If-Match
	absent  bool       // If-None-Match: *
	node    *fhir.Node // as sent; of a PATCH what it makes of the current version
	patch   *fhir.Node // an array of operations, or Parameters
	at      string     // where in the request, "Bundle.entry[3].resource"; "" for a request of its own
	entry   *bundle.Entry

	given    string // the id that a creation will have
	found    bool   // a current version exists and may be seen
	previous store.Version
	op       store.Op   // 0 = nothing to write
	work     *fhir.Node // as written
	put      store.Put
	out      store.Version // what was written, or what was found
	created  bool
	follows  bool // a Provenance about the others: the last of its unit
}

// unit is a set of changes that are written together or not at all.
type unit struct {
	changes []*change
	caller  *access.Caller
	audit   audit.Entry
	base    string
	key     string // Idempotency-Key with the hash of the request
	hash    string
	before  func(ctx context.Context, tx *store.Tx) error // runs first in the unit
	loose   bool                                          // references to what is not here are let through
	tries   int
	again   *kept // the answer was given before: nothing is written
}

var errReplan = errors.New("what the plan was based on has changed")

// apply checks, plans, prepares and writes a unit. What was read for the plan and has changed meanwhile
// makes it start over, a few times.
func (b *Bundles) apply(ctx context.Context, u *unit) error {
	scope := u.caller.Scope
	conditional := false
	for _, ch := range u.changes {
		if err := b.check(u, ch); err != nil {
			return err
		}
		conditional = conditional || ch.query != ""
	}
	var err error
	for u.tries = range 5 {
		err = b.attempt(ctx, u, scope, conditional)
		if !errors.Is(err, errReplan) && !errors.Is(err, store.ErrTryAgain) {
			return err
		}
	}
	return fmt.Errorf("rest: %w: %w", store.ErrTryAgain, err)
}

// check looks at one change by itself.
func (b *Bundles) check(u *unit, ch *change) error {
	letter := map[string]byte{"POST": mayCreate, "PUT": mayUpdate, "PATCH": mayUpdate, "DELETE": mayDelete}[ch.method]
	if err := u.caller.May(letter, ch.typ); err != nil {
		return err
	}
	if ch.id != "" && !validID(ch.id) {
		return within(ch, fhir.Refuse(http.StatusBadRequest, "value", "bad-id", "an id has 1 to 64 letters, digits, - and .", "id 只能由 1 到 64 个字母、数字、- 和 . 组成"))
	}
	if ch.node == nil {
		return nil
	}
	if got := ch.node.Type(); got != ch.typ {
		return within(ch, fhir.Refuse(http.StatusBadRequest, "invalid", "type-mismatch", fmt.Sprintf("the address says %s, the resource says %q", ch.typ, got), "地址与内容的资源类型不一致"))
	}
	if ch.method == "POST" {
		ch.node.Set("id", nil) // an id on creation is ignored
	}
	if ch.method == "PUT" && ch.id != "" && ch.node.ID() != ch.id {
		return within(ch, fhir.Refuse(http.StatusBadRequest, "invalid", "id-mismatch", fmt.Sprintf("the address says id %q, the resource says %q", ch.id, ch.node.ID()), "地址与内容中的 id 不一致"))
	}
	return b.fit(ch, ch.node)
}

// fit refuses a resource that cannot be stored as it is.
func (b *Bundles) fit(ch *change, n *fhir.Node) error {
	for _, tag := range n.All("meta.tag") {
		if tag.Str("code") == "SUBSETTED" {
			return within(ch, fhir.Refuse(http.StatusUnprocessableEntity, "business-rule", "subsetted", "a part of a resource (SUBSETTED) cannot be written back", "不能用不完整的内容（SUBSETTED）覆盖记录"))
		}
	}
	var wrong []fhir.Issue
	fatal := false
	look := validate.Resource
	if ch.at != "" {
		look = validate.Entry
	}
	for _, is := range look(n) {
		if is.Severity == "error" || is.Severity == "fatal" {
			fatal = true
		}
		wrong = append(wrong, is)
	}
	if fatal {
		return within(ch, &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: wrong})
	}
	if b.Enforce != nil && n.Get("meta.profile") != nil {
		if wrong := b.Enforce(n); len(wrong) > 0 {
			return within(ch, &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: wrong})
		}
	}
	return nil
}

// within moves the places of an error's issues to where the change stands in the request.
func within(ch *change, err error) error {
	var e *fhir.Error
	if ch.at == "" || !errors.As(err, &e) {
		return err
	}
	moved := &fhir.Error{Status: e.Status, Issues: make([]fhir.Issue, len(e.Issues))}
	for i, is := range e.Issues {
		if !strings.HasPrefix(is.Expression, "Bundle.entry[") {
			_, tail, _ := strings.Cut(is.Expression, ".")
			is.Expression = ch.at
			if tail != "" {
				is.Expression += "." + tail
			}
		}
		moved.Issues[i] = is
	}
	return moved
}

func (b *Bundles) attempt(ctx context.Context, u *unit, scope search.Scope, conditional bool) error {
	ids := bundle.Identities{}
	var conds []condition
	err := b.Store.View(ctx, func(tx *store.Tx) (err error) {
		u.again, err = recall(ctx, tx, u)
		if err != nil || u.again != nil {
			return err
		}
		p := planner{b: b, u: u, tx: tx, scope: scope, ids: ids, copies: conditional}
		conds, err = p.plan(ctx)
		return err
	})
	if err != nil || u.again != nil {
		return err
	}
	for _, ch := range u.changes {
		if ch.op == 0 || ch.op == store.Delete || ch.follows {
			continue
		}
		if ch.put.Resource, err = store.Prepare(ch.work); err != nil {
			return within(ch, fmt.Errorf("rest: %w", err))
		}
	}
	if asked := u.asked(); len(asked) == 1 && asked[0].op == 0 && asked[0].entry == nil && u.key == "" && u.before == nil {
		return nil // nothing to write; the caller's entry of audit says what was shown
	}
	return b.Store.Update(ctx, func(tx *store.Tx) error { return b.commit(ctx, tx, u, scope, conds) })
}

// commit is the inside of the writer: it only verifies and puts.
func (b *Bundles) commit(ctx context.Context, tx *store.Tx, u *unit, scope search.Scope, conds []condition) error {
	slices.SortFunc(conds, func(a, b condition) int { return strings.Compare(a.typ+"?"+a.query, b.typ+"?"+b.query) })
	for _, c := range conds {
		if err := tx.Lock(ctx, "if "+c.typ+"?"+c.query); err != nil {
			return err
		}
	}
	if u.key != "" {
		if err := tx.Lock(ctx, "key "+u.caller.User+" "+u.key); err != nil {
			return err
		}
		again, err := recall(ctx, tx, u)
		if err != nil {
			return err
		}
		if u.again = again; again != nil {
			return nil
		}
	}
	if u.before != nil {
		if err := u.before(ctx, tx); err != nil {
			return err
		}
	}
	for _, c := range conds {
		v, err := b.match(ctx, tx, scope, u.base, c.typ, c.query)
		if err != nil {
			return err
		}
		if v.ID != c.id {
			return errReplan
		}
	}
	puts := make([]store.Put, 0, len(u.changes))
	for _, ch := range u.changes {
		if ch.op != 0 {
			puts = append(puts, ch.put)
		}
	}
	if err := tx.Foresee(ctx, puts); err != nil {
		return err
	}
	for _, ch := range u.changes {
		if ch.op != 0 {
			ch.put, puts = puts[0], puts[1:]
		}
	}
	touched := make([]store.Version, 0, len(u.changes))
	for _, ch := range u.changes {
		if ch.op == 0 {
			continue
		}
		if ch.follows {
			if len(touched) == 0 {
				continue
			}
			if err := ch.about(ctx, b, touched); err != nil {
				return err
			}
		}
		out, err := tx.Put(ctx, ch.put)
		switch {
		case errors.Is(err, store.ErrConflict) && ch.ifMatch == "" && !ch.absent && (ch.found || u.tries == 0):
			return errReplan
		case errors.Is(err, store.ErrConflict) && ch.found:
			return within(ch, preconditionFailed("version-conflict", "the resource has changed meanwhile; read it again", "该记录已被他人修改，请刷新后再试"))
		case errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists):
			return within(ch, fhir.Refuse(http.StatusConflict, "duplicate", "id-taken", "this id is not free", "该 id 已被占用"))
		case err != nil:
			return within(ch, err)
		}
		if scope.Only != nil && ch.op != store.Delete && !slices.Contains(search.Shared, ch.typ) && !slices.Contains(scope.Only, out.Home) {
			return within(ch, fhir.Refuse(http.StatusForbidden, "forbidden", "not-this-patient", "this app was let in for one patient, and writes nothing that is not about him", "该应用仅获准用于指定患者，不能写入与其无关的资料"))
		}
		ch.out = out
		touched = append(touched, out)
	}
	entry := u.audit
	entry.Patients, entry.Count = patients(touched...), len(touched)
	if asked := u.asked(); len(asked) == 1 {
		entry.Target = target(asked[0].typ, asked[0].result().ID)
	}
	if err := b.Audit.Write(ctx, tx, entry); err != nil {
		return fmt.Errorf("rest: audit: %w", err)
	}
	return remember(ctx, tx, u)
}

// result is the version that an answer shows.
func (ch *change) result() store.Version {
	if ch.op == 0 || ch.out.ID != "" {
		return ch.out
	}
	return store.Version{Type: ch.typ, ID: ch.put.ID}
}

// status is that of the answer.
func (ch *change) status() int {
	switch {
	case ch.method == "DELETE":
		return http.StatusNoContent
	case ch.created:
		return http.StatusCreated
	}
	return http.StatusOK
}

// kept is what an idempotent answer is made from again; it holds no resource.
type kept struct {
	Writes []keptWrite
}

type keptWrite struct {
	Type, ID string
	VID      int64
	Status   int
}

func recall(ctx context.Context, tx *store.Tx, u *unit) (*kept, error) {
	if u.key == "" {
		return nil, nil
	}
	hash, answer, ok, err := tx.Recall(ctx, u.caller.User, u.key)
	if err != nil || !ok {
		return nil, err
	}
	if hash != u.hash {
		return nil, fhir.Refuse(http.StatusUnprocessableEntity, "conflict", "key-reused", "this Idempotency-Key came with another request before", "该 Idempotency-Key 已用于另一请求")
	}
	k := &kept{}
	if err := json.Unmarshal(answer, k); err != nil {
		return nil, fmt.Errorf("rest: kept answer: %w", err)
	}
	return k, nil
}

func remember(ctx context.Context, tx *store.Tx, u *unit) error {
	if u.key == "" {
		return nil
	}
	k := kept{}
	for _, ch := range u.changes {
		v := ch.result()
		k.Writes = append(k.Writes, keptWrite{v.Type, v.ID, v.VID, ch.status()})
	}
	answer, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return tx.Remember(ctx, u.caller.User, u.key, u.hash, answer)
}

// replay fills the changes from an answer that was given before.
func (b *Bundles) replay(ctx context.Context, u *unit) error {
	return b.Store.View(ctx, func(tx *store.Tx) error {
		for i, w := range u.again.Writes {
			if i >= len(u.changes) {
				break
			}
			ch := u.changes[i]
			ch.op, ch.created = 0, w.Status == http.StatusCreated
			ch.out = store.Version{Type: w.Type, ID: w.ID, VID: w.VID}
			if ch.method == "DELETE" || w.VID == 0 {
				continue
			}
			v, err := tx.ReadVersion(ctx, u.caller.Scope, w.Type, w.ID, w.VID)
			if err == nil {
				ch.out = v
			} else if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrGone) {
				return err
			}
		}
		return nil
	})
}
