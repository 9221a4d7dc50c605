package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bundles writes resources: single ones, and transactions all or nothing. It needs no HTTP.
type Bundles struct{ Options }

// NewBundles takes of the options what writing needs.
func NewBundles(o Options) *Bundles {
	setDefaults(&o)
	return &Bundles{o}
}

// maxEntries is the largest bundle; each entry costs some kilobytes while it is prepared.
const maxEntries = 20000

// Import applies a transaction as the caller in ctx and remembers key in the same unit; again is true, and nothing
// changes, when that key was applied before. References to what is not here yet are let through for a caller without limits.
func (b *Bundles) Import(ctx context.Context, n *fhir.Node, key string) (again bool, err error) {
	caller := access.From(ctx)
	if caller == nil {
		return false, errors.New("rest: import needs a caller")
	}
	_, entries, err := bundle.Read(n, b.BaseURL)
	if err != nil {
		return false, err
	}
	u, err := b.transaction(caller, entries)
	if err != nil {
		return false, err
	}
	u.base, u.loose = b.BaseURL, true
	u.audit = auditEntry(caller, "")
	u.audit.Action, u.audit.What = "E", "import"
	if key != "" {
		u.before = func(ctx context.Context, tx *store.Tx) error {
			err := tx.Claim(ctx, "import", key, newID(b.Clock.Now())) // a holder of its own, so that the second claim fails
			if errors.Is(err, store.ErrExists) {
				return errImported
			}
			return err
		}
	}
	err = b.apply(ctx, u)
	if errors.Is(err, errImported) {
		return true, nil
	}
	return false, err
}

// PutAll writes resources as a client's updates would, as the caller in ctx, all or nothing. What says nothing new makes
// no version. References to what is not here yet are let through, those to patients not.
func (b *Bundles) PutAll(ctx context.Context, resources []*fhir.Node, what string) error {
	caller := access.From(ctx)
	if caller == nil {
		return errors.New("rest: a write needs a caller")
	}
	u := &unit{caller: caller, base: b.BaseURL, loose: true}
	for _, n := range resources {
		u.changes = append(u.changes, &change{method: "PUT", typ: n.Type(), id: n.ID(), node: n})
	}
	u.audit = auditEntry(caller, caller.Request)
	u.audit.Action, u.audit.What = "E", what
	return b.apply(ctx, u)
}

// PutKnown is PutAll on what was looked at before: known has the versions by reference, 0 = it must not be there yet.
// Whatever has changed since is ErrConflict.
func (b *Bundles) PutKnown(ctx context.Context, resources []*fhir.Node, known map[string]int64, what string) error {
	caller := access.From(ctx)
	if caller == nil {
		return errors.New("rest: a write needs a caller")
	}
	u := &unit{caller: caller, base: b.BaseURL, loose: true}
	for _, n := range resources {
		ch := &change{method: "PUT", typ: n.Type(), id: n.ID(), node: n}
		if vid := known[n.Type()+"/"+n.ID()]; vid > 0 {
			ch.ifMatch = fmt.Sprintf(`W/"%d"`, vid)
		} else {
			ch.absent = true
		}
		u.changes = append(u.changes, ch)
	}
	u.audit = auditEntry(caller, caller.Request)
	u.audit.Action, u.audit.What = "E", what
	return b.apply(ctx, u)
}

var errImported = errors.New("imported before")

// transaction turns the writing entries into one unit, in the order of processing.
func (b *Bundles) transaction(caller *access.Caller, entries []bundle.Entry) (*unit, error) {
	if len(entries) > maxEntries {
		return nil, fhir.Refuse(http.StatusRequestEntityTooLarge, "too-long", "too-many-entries", fmt.Sprintf("a bundle has at most %d entries", maxEntries), "条目过多")
	}
	if err := bundle.CheckIdentities(entries); err != nil {
		return nil, err
	}
	u := &unit{caller: caller}
	for _, i := range bundle.Order(entries) {
		e := &entries[i]
		if e.Reads() {
			continue
		}
		ch, err := changeOf(e)
		if err != nil {
			return nil, err
		}
		u.changes = append(u.changes, ch)
	}
	return u, nil
}

func changeOf(e *bundle.Entry) (*change, error) {
	ch := &change{method: e.Method, typ: e.Type, id: e.ID, query: e.Query, ifMatch: e.IfMatch, node: e.Resource, entry: e, at: e.Path() + ".resource"}
	if e.Rest != "" {
		return nil, within(ch, fhir.Refuse(http.StatusBadRequest, "invalid", "entry-url", fmt.Sprintf("%s %q is no interaction", e.Method, e.URL), "request.url 不正确"))
	}
	switch {
	case e.Method == "POST":
		ch.query = criteria(e.Type, e.IfNoneExist)
	case e.ID != "":
		ch.query = ""
	}
	switch e.Method {
	case "DELETE":
		ch.node = nil
	case "PATCH":
		var err error
		if ch.patch, err = patchOf(e); err != nil {
			return nil, err
		}
		ch.node = nil
	}
	ch.absent = e.Method == "PUT" && strings.TrimSpace(e.IfNoneMatch) == "*"
	return ch, nil
}

func (s *server) bundle(c *call) (*answer, error) {
	kind, entries, err := bundle.Read(c.body, c.base)
	if err != nil {
		return nil, err
	}
	c.what = kind
	if len(entries) > maxEntries {
		return nil, fhir.Refuse(http.StatusRequestEntityTooLarge, "too-long", "too-many-entries", fmt.Sprintf("a bundle has at most %d entries", maxEntries), "条目过多")
	}
	responses := make([]*answer, len(entries))
	if kind == "batch" {
		err = s.batch(c, entries, responses)
	} else {
		err = s.transact(c, entries, responses)
	}
	if err != nil {
		return nil, err
	}
	entry := c.entry("R", "")
	for _, a := range responses {
		if a.audit != nil {
			entry.Patients = append(entry.Patients, a.audit.Patients...)
			entry.Count += a.audit.Count
		}
	}
	a := &answer{status: http.StatusOK, body: s.responseBundle(c, kind, entries, responses)}
	if entry.Count > 0 {
		a.audit = &entry
	}
	return a, nil
}

func (s *server) transact(c *call, entries []bundle.Entry, responses []*answer) error {
	u, err := s.writer.transaction(c.caller, entries)
	if err != nil {
		return err
	}
	for i := range entries { // what cannot be read is known before anything is written
		if e := &entries[i]; e.Reads() {
			if _, _, err := s.inner(c, e); err != nil {
				return within(&change{at: e.Path()}, err)
			}
		}
	}
	if len(u.changes) > 0 {
		u.base, u.loose = c.base, s.AllowDangling
		u.follow(c.provenance)
		u.audit = c.entry("E", "")
		if c.key != "" {
			h := sha256.New()
			h.Write(c.raw)
			if c.provenance != nil {
				h.Write(c.provenance.JSON())
			}
			u.key, u.hash = c.key, hex.EncodeToString(h.Sum(nil))
		}
		if err := s.writer.apply(c.ctx, u); err != nil {
			return err
		}
		if c.repeated = u.again != nil; c.repeated {
			if err := s.writer.replay(c.ctx, u); err != nil {
				return err
			}
		}
	}
	byID := map[string]store.Version{}
	for _, ch := range u.changes {
		if ch.out.VID > 0 {
			byID[ch.typ+"/"+ch.out.ID] = ch.out
		}
	}
	for _, ch := range u.asked() {
		if v := ch.result(); v.VID == 0 && v.ID != "" && ch.op == 0 {
			if same, ok := byID[ch.typ+"/"+v.ID]; ok {
				ch.out = same
			}
		}
		a := c.written(ch)
		if ch.op == 0 && ch.out.VID > 0 && u.again == nil {
			shown := c.entry("R", "")
			shown.Patients, shown.Count = patients(ch.out), 1
			a.audit = &shown
		}
		responses[ch.entry.Index] = a
	}
	for i := range entries {
		if e := &entries[i]; e.Reads() {
			a, err := s.readEntry(c, e)
			if err != nil {
				a = s.entryRefusal(c, err) // the writes stand; this read says why it has no answer
			}
			responses[i] = a
		}
	}
	return nil
}

// batch performs each entry by itself; those of one kind run side by side and share commits.
func (s *server) batch(c *call, entries []bundle.Entry, responses []*answer) error {
	order := bundle.Order(entries)
	for from := 0; from < len(order); {
		to := from
		var group errgroup.Group
		group.SetLimit(16)
		for ; to < len(order) && entries[order[to]].Method == entries[order[from]].Method && entries[order[to]].Reads() == entries[order[from]].Reads(); to++ {
			e := &entries[order[to]]
			group.Go(func() error {
				a, err := s.alone(c, e)
				if err != nil {
					a = s.entryRefusal(c, err)
				}
				responses[e.Index] = a
				return nil
			})
		}
		group.Wait()
		if err := c.ctx.Err(); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// alone keeps a fault in one entry from ending the program: net/http guards only its own goroutine.
func (s *server) alone(c *call, e *bundle.Entry) (a *answer, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("rest: %s: %v\n%s", e.Path(), fault, debug.Stack())
		}
	}()
	return s.batchEntry(c, e)
}

func (s *server) batchEntry(c *call, e *bundle.Entry) (*answer, error) {
	if e.Reads() {
		return s.readEntry(c, e)
	}
	ch, err := changeOf(e)
	if err != nil {
		return nil, err
	}
	one := *c
	one.what = map[string]string{"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[e.Method]
	one.typ, one.id, one.key = e.Type, e.ID, ""
	if c.key != "" {
		one.key, one.raw = fmt.Sprintf("%s#%d", c.key, e.Index), []byte(e.URL)
		if e.Resource != nil {
			one.raw = e.Resource.JSON()
		}
	}
	return s.writeOne(&one, ch)
}

// inner makes the call that a reading entry stands for.
func (s *server) inner(c *call, e *bundle.Entry) (*call, func(*call) (*answer, error), error) {
	one := *c
	one.method, one.typ, one.id, one.body, one.raw, one.key = e.Method, "", "", nil, nil, ""
	one.ifNone, one.ifSince, one.ifMatch, one.ifExist = e.IfNoneMatch, e.IfModifiedSince, "", ""
	var err error
	if one.query, err = search.ParseQuery(e.Query); err != nil {
		return nil, nil, err
	}
	var seg []string
	path, _, _ := strings.Cut(e.URL, "?")
	if path = strings.Trim(path, "/"); path != "" {
		seg = strings.Split(path, "/")
	}
	do, err := s.route(&one, seg)
	if err == nil && e.Operation {
		if !one.operator.Safe {
			return nil, nil, fhir.Refuse(http.StatusBadRequest, "not-supported", "entry-operation", "an operation that changes something is not accepted inside a bundle", "Bundle 内不接受会改变数据的操作（$…）")
		}
		one.body = e.Resource
	}
	return &one, do, err
}

func (s *server) readEntry(c *call, e *bundle.Entry) (*answer, error) {
	one, do, err := s.inner(c, e)
	if err != nil {
		return nil, err
	}
	if one.typ == auditEvent && s.Trail != nil && one.what != "operation" {
		do = s.trail
	}
	if s.personal(one) {
		do = s.person
	}
	a, err := do(one)
	if err == nil && a.raw != nil {
		return nil, fhir.Refuse(http.StatusBadRequest, "not-supported", "entry-raw", "this answer is a file: it cannot stand inside a bundle", "该操作返回文件，不能放在 Bundle 内")
	}
	return a, err
}

func (s *server) entryRefusal(c *call, err error) *answer {
	e := explain(err)
	if e.Status >= 500 && e.Status != http.StatusNotImplemented {
		s.Log.Error("fhir batch entry failed", "status", e.Status, "request", c.request, "error", err)
	}
	return &answer{status: e.Status, body: outcome(e.Issues, c.lang, c.request).JSON()}
}

func (s *server) responseBundle(c *call, kind string, entries []bundle.Entry, responses []*answer) []byte {
	b := newBundleWriter(kind+"-response", s.Clock.Now())
	for i, a := range responses {
		full := ""
		if a.version != nil && a.status < 300 {
			full = c.base + "/" + a.version.Type + "/" + a.version.ID
		}
		b.open(full)
		r := fhir.Obj{"status", fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))}
		if a.location != "" {
			r = append(r, "location", a.location)
		} else if a.version != nil && a.version.VID > 0 && (entries[i].Method == "PUT" || entries[i].Method == "PATCH") {
			r = append(r, "location", versionPath(*a.version))
		}
		if a.version != nil && a.version.VID > 0 {
			r = append(r, "etag", etag(a.version.VID))
			if !a.version.Updated.IsZero() {
				r = append(r, "lastModified", instantText(a.version.Updated))
			}
		}
		response := fhir.Of(r).JSON()
		reading := entries[i].Reads()
		switch {
		case len(a.body) == 0:
		case a.status >= 400 || (!reading && c.prefer.answer == "OperationOutcome"):
			response = append(response[:len(response)-1], `,"outcome":`...)
			response = append(append(response, a.body...), '}')
		case reading || c.prefer.answer == "representation":
			b.raw("resource", a.body)
		}
		b.raw("response", response)
		b.close()
	}
	return b.done()
}

func auditEntry(caller *access.Caller, request string) audit.Entry {
	e := audit.By(caller)
	e.Request = request
	return e
}
