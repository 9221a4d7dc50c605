package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/his"
	"github.com/xinglin-health/xinglin/internal/beds/whatif"
	"github.com/xinglin-health/xinglin/internal/blob"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/bulk"
	"github.com/xinglin-health/xinglin/internal/conform"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/smart"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/subscription"
	"github.com/xinglin-health/xinglin/internal/term"
	"github.com/xinglin-health/xinglin/lines"
	"github.com/xinglin-health/xinglin/web"
)

// migrations of the services, in the order in which they were released. Only append.
func migrations() []store.Migration {
	return slices.Concat(identity.Migrations, audit.Migrations, event.Migrations, job.Migrations, line.Migrations(), subscription.Migrations, bulk.Migrations, term.Migrations, registry.Migrations,
		agreement.Migrations, smart.Migrations, access.Migrations, empi.Migrations, booking.Migrations, beds.Migrations, his.Migrations, hl7v2.Migrations, whatif.Migrations)
}

// openStore: floor 1, with what runs in the transaction of every write.
func (h *Hub) openStore(ctx context.Context) error {
	if h.SQLite() && !h.Beside && !h.Memory {
		l, err := hold(h.Data, "address "+h.Listen)
		if err != nil {
			return err
		}
		h.onClose("data folder", func() error { l.release(); return nil })
	}
	h.Tree = access.NewTree()
	h.Tree.Kept = true
	h.Relations = &access.Relations{Tree: h.Tree, Tables: true, Sharing: func(ctx context.Context, tx *store.Tx, from, to string) (bool, bool, error) {
		return h.Agreements.Gives(ctx, tx, from, to)
	}}
	h.Registry = h.registry()
	h.Agreements = &agreement.Room{Tree: h.Tree, Zone: h.Zone, Legal: h.Tree.Legal}
	h.Relations.Sharing = h.Agreements.Gives
	h.Conform = &conform.Room{Clock: h.Clock}
	h.Beds = beds.New(beds.Options{Tree: h.Tree, Zone: h.Zone, Raise: raiseOfBeds, Log: h.Log})
	h.Index = empi.New(empi.Options{Clock: h.Clock, Log: h.Log})
	h.Subscriptions = subscription.New(subscription.Options{Clock: h.Clock, Zone: h.Zone, Base: h.pageURL() + "/fhir", Hosts: h.Hooks, Log: h.Log})
	if err := h.peers(); err != nil {
		return err
	}
	sealing, err := h.sealing()
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, h.dsn(), store.Options{
		Sealing:    sealing,
		Clock:      h.Clock,
		Zone:       h.Zone,
		Migrations: migrations(),
		Derive: []store.Deriver{h.Tree.Derive, h.Registry.Derive, h.Registry.Acting, h.countersigning, h.Relations.Derive, identity.Derive(h.who), line.Derive(lines.All), h.Subscriptions.Derive, term.Derive, h.Conform.Derive,
			h.Agreements.Derive, access.Follow, h.Index.Derive, h.deciding, booking.Derive, h.Beds.Derive, h.HIS.Derive, h.lying},
		Guard: []store.Guard{h.Tree.Guard, h.Relations.Guard, h.Registry.Guard, identity.Guard(h.who), line.Guard(lines.All), h.Subscriptions.Guard, blob.Guard,
			h.Agreements.Guard, booking.Guard, h.Beds.Keep},
		Guarded:  access.Guarded,
		Kinds:    access.GuardedKinds(),
		Watch:    h.watch,
		Alone:    h.SQLite() && !h.Beside,
		Memory:   h.Budget,
		FullText: h.FullText,
	})
	if errors.Is(err, store.ErrSealed) {
		return fmt.Errorf("server: %w; --seal off does not undo it / 数据库已加密", err)
	}
	if err != nil {
		return fmt.Errorf("server: %w: %w", ErrUnavailable, err)
	}
	h.Store, h.Conform.Store = s, s
	h.Zone = s.Zone()
	h.onClose("store", s.Close)
	if err := h.Tree.Load(ctx, s); err != nil {
		return fmt.Errorf("server: organisations: %w", err)
	}
	if err := h.Registry.Fill(ctx, s); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}

// openServices: floor 2.
func (h *Hub) openServices(ctx context.Context) (err error) {
	if h.AuditKey == "" {
		h.AuditKey = filepath.Join(h.Data, "audit.key")
	}
	h.Audit, err = audit.OpenWith(h.Store, filepath.Join(h.Data, "audit-journal"), audit.Options{Clock: h.Clock, Hash: h.AuditHash, Signature: h.AuditSignature, KeyFile: h.AuditKey, Copies: h.AuditCopies})
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	h.onClose("audit", func() error {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return h.Audit.Close(grace)
	})
	if err := h.Index.Open(ctx, h.Store, h.Audit, h.Audit); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	if err := h.openLogins(ctx); err != nil {
		return err
	}
	h.Identity = identity.New(h.Store, h.Tree, identity.Options{Clock: h.Clock, Secure: h.Cert != "" || strings.HasPrefix(h.BaseURL, "https://"), Proxies: h.Proxies, Cost: h.PasswordCost,
		Zone: h.Zone, Rules: h.rules, Issuers: h.issuers, Lenient: h.Lenient, Origin: h.origin(), MayAppoint: mayAppoint,
		Teams:  access.TeamsAt,
		App:    func(ctx context.Context, token string) (*access.Caller, error) { return h.Smart.Bearer(ctx, token) },
		Refuse: api.Refuse, Note: func(ctx context.Context, tx *store.Tx, action, what, target string) error {
			return h.Audit.Write(ctx, tx, audit.Of(ctx, action, what, target))
		}})
	if err := h.Identity.Build(ctx); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	h.Smart = smart.New(smart.Options{Store: h.Store, Identity: h.Identity, Tree: h.Tree, Audit: h.Audit, BaseURL: h.BaseURL, Listen: h.pageURL(), Hosts: h.AppHosts, Log: h.Log,
		Note: func(ctx context.Context, tx *store.Tx, action, what, target string) error {
			return h.Audit.Write(ctx, tx, audit.Of(ctx, action, what, target))
		}})
	h.Subscriptions.Open(h.Store, h.Audit, func(ctx context.Context, o subscription.Owner) (*access.Caller, error) {
		c, err := h.Identity.Standing(ctx, o.User, o.Role, o.Org)
		if err == nil && c == nil && o.Role == access.Program {
			c, err = h.Smart.Standing(ctx, o.User, o.Org)
		}
		return c, err
	})
	h.Terms = term.New(h.Store)
	h.Conform.Terms = h.Terms
	if err := term.Build(ctx, h.Store); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	h.Events = event.NewHub(h.Store)
	h.Jobs, h.Slow = job.NewRunner(h.Store, h.Clock), job.NewRunner(h.Store, h.Clock)
	address := h.Blob
	if address == "" {
		if address, err = blob.URL(filepath.Join(h.Data, "files")); err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	if h.Files, err = blob.Open(ctx, address, filepath.Join(h.Data, "uploads"), h.Clock, h.Store.Ring()); err != nil {
		return fmt.Errorf("server: %w: %w", ErrUnavailable, err)
	}
	h.onClose("files", h.Files.Close)
	return nil
}

// openLines: floor 3.
func (h *Hub) openLines(context.Context) error {
	h.Runner = &line.Runner{
		Store: h.Store, Lines: lines.All, Clock: h.Clock, Audit: h.Audit, Raise: event.Raise,
		Institution: h.Tree.Institution, Validate: validate.Resource, Request: requestOf,
		Allowed: h.Registry.Allowed,
		Agreed:  h.Agreements.Between,
		Legal:   h.Agreements.Legal,
	}
	h.Bookings = booking.New(booking.Options{Store: h.Store, Clock: h.Clock, Zone: h.Zone, Audit: h.Audit, Log: h.Log, Raise: raiseOfBeds, Inform: h.Runner.System, Tree: h.Tree,
		Guard: h.guardBed, Beside: h.Beds.Beside, Changed: h.bedChanged, Fits: h.Beds.Fits, Units: h.Beds.Units})
	h.Runner.Rule = h.Beds.Rule
	h.Runner.Beds = func(ctx context.Context, tx *store.Tx, institution string) (bool, error) {
		pools, err := h.Beds.Pools(ctx, tx)
		return pools[institution] > 0, err
	}
	h.Runner.Bookings, h.Beds.Bookings, h.Beds.Audit = h.Bookings, h.Bookings, h.Audit
	h.openHIS()
	h.WhatIf = whatif.New(whatif.Options{Store: h.Store, Clock: h.Clock, Audit: h.Audit, Log: h.Log, Past: h.pastOfPool})
	h.Slow.Handle(whatif.Job, h.WhatIf.Work())
	return nil
}

// openDoors: floor 4 and the page.
func (h *Hub) openDoors(context.Context) error {
	front, err := newPage(web.Files())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", h.metrics())
	doors := rest.Options{
		Store: h.Store, Audit: h.Audit, Clock: h.Clock, Zone: h.Zone, BaseURL: h.BaseURL, Version: Version,
		Operations: slices.Concat(operations(h.Runner), h.reasons(), bookings(h.Bookings), h.bedState()), Terminology: h.Terms, Terms: h.Terms, Within: h.Tree.Within, Log: h.Log, Observe: interaction,
		Subscriptions: h.Subscriptions,
	}
	doors.Trail, doors.Persons = h.trail(), h.Index
	doors.Conformance, doors.Apps = h.Conform, true
	if h.EnforceProfiles {
		doors.Enforce = h.Conform.Enforce
	}
	h.Bundles = rest.NewBundles(doors)
	h.Bulk = bulk.New(bulk.Options{Store: h.Store, Files: h.Files, Audit: h.Audit, Zone: h.Zone, Renew: h.renew, Uploaded: h.uploaded, Subset: rest.Subset,
		Write: func(ctx context.Context, resources []*fhir.Node) error {
			return h.Bundles.PutAll(ctx, resources, "import")
		}})
	h.Jobs.Handle(bulk.Job, h.Bulk.Work())
	h.Jobs.Handle(countersignJob, h.countersign())
	h.Jobs.Handle(lyingJob, h.looks())
	doors.Bulk = h.Bulk
	fhirAPI := rest.New(doors)
	mux.Handle("GET /fhir/ws", h.Identity.Authenticate(&subscription.Door{Engine: h.Subscriptions, Holds: h.Identity.Holds, Ends: h.streams}))
	mux.Handle("/fhir", h.Identity.Authenticate(fhirAPI))
	mux.Handle("/fhir/", h.Identity.Authenticate(fhirAPI))
	own := packed(forPeople(&api.Quiet{Next: h.ownAPI(), Log: h.Audit}))
	mux.Handle("/api/", h.Identity.Authenticate(own))
	inside := http.NewServeMux()
	inside.Handle("/fhir", fhirAPI)
	inside.Handle("/fhir/", fhirAPI)
	inside.Handle("/api/", own)
	h.inside = inside
	mux.Handle("/", front)
	h.Smart.Register(mux)
	h.handler = outer(h.Log, h.Cert != "", h.meter, h.tracer, h.Smart.Cross(mux))
	return nil
}

// Start begins what runs in the background: the audit's sealer, events, deadlines.
func (h *Hub) Start(ctx context.Context) {
	h.background(ctx, "audit sealer", h.Audit.Run)
	h.background(ctx, "events", h.Events.Run)
	h.background(ctx, "apps", h.Smart.Run)
	h.background(ctx, "jobs", h.Jobs.Run)
	h.background(ctx, "slow jobs", h.Slow.Run)
	h.background(ctx, "old simulations", every(time.Hour, h.WhatIf.Sweep))
	h.background(ctx, "indexing", h.Store.RunIndexing)
	h.background(ctx, "keys", every(time.Minute, h.tendKeys))
	h.background(ctx, "outgoing notices", h.Dispatcher.Run)
	h.background(ctx, "subscriptions", h.Subscriptions.Run)
	h.background(ctx, "patient index", h.Index.Run)
	h.background(ctx, "pairs to review", every(2*time.Second, h.review))
	h.background(ctx, "deadlines", every(2*time.Second, func(ctx context.Context) error {
		_, err := h.Runner.Tick(ctx)
		return err
	}))
	h.background(ctx, "bookings", h.Bookings.Run)
	h.background(ctx, "cleaning of beds", every(5*time.Second, func(ctx context.Context) error {
		_, err := h.Beds.Tick(ctx, h.Store)
		return err
	}))
	h.background(ctx, "capacity of beds", every(15*time.Second, func(ctx context.Context) error {
		_, err := h.Beds.Report(ctx, h.Store)
		return err
	}))
	h.background(ctx, "shadow", every(time.Minute, func(ctx context.Context) error {
		_, err := h.HIS.Tick(ctx)
		return err
	}))
	h.background(ctx, "old messages", every(time.Hour, h.Gateway.Sweep))
	h.background(ctx, "settlements of lent beds", every(10*time.Minute, h.SettleMonth))
	h.background(ctx, "beds to bind today", every(time.Minute, h.remindToBind))
	h.background(ctx, "licences and roles that end", every(time.Minute, h.warn))
	h.background(ctx, "refusals that begin", every(15*time.Second, func(ctx context.Context) error {
		_, err := h.Relations.Refusals(ctx, h.Store)
		return err
	}))
	h.background(ctx, "organisations", every(15*time.Second, func(ctx context.Context) error { return h.Tree.Refresh(ctx, h.Store) }))
	if h.FullText {
		h.background(ctx, "full text", every(time.Second, func(ctx context.Context) error {
			for more := true; more && ctx.Err() == nil; {
				var err error
				if more, err = h.Store.IndexWords(ctx); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	h.background(ctx, "expired bulk files", every(10*time.Minute, h.Bulk.Sweep))
	h.background(ctx, "unfinished uploads", every(time.Hour, func(ctx context.Context) error {
		return api.Files{Store: h.Store, Files: h.Files, Audit: h.Audit, Clock: h.Clock}.Sweep(ctx)
	}))
}

// renew is the caller for work that goes on after his request: an app of Backend Services, or whom identity knows.
func (h *Hub) renew(ctx context.Context, c access.Caller) (*access.Caller, error) {
	if c.Client == "" {
		return h.Identity.Renew(ctx, c)
	}
	fresh, err := h.Smart.Standing(ctx, c.User, c.Org)
	if err == nil && fresh == nil {
		err = fhir.Refuse(http.StatusUnauthorized, "login", "bad-token", "the app is not in force any more", "应用已停用")
	}
	if fresh != nil {
		fresh.Remote, fresh.Request, fresh.Lang = c.Remote, c.Request, c.Lang
	}
	return fresh, err
}

// uploaded opens a file for an import.
func (h *Hub) uploaded(ctx context.Context, hash string) (io.ReadSeekCloser, error) {
	f, _, err := h.Files.Open(ctx, hash)
	return f, err
}

// operations hangs the lines' steps under /fhir/Task.
func operations(r *line.Runner) []rest.Operation {
	all := []rest.Operation{unknownPatient(r)}
	for _, op := range r.Operations() {
		all = append(all, rest.Operation{
			Type: op.Type, Name: op.Name, Instance: op.Instance,
			Handle: func(ctx context.Context, c rest.Call) (rest.Answer, error) {
				done, err := op.Handle(ctx, line.OperationCall{ID: c.ID, Params: c.Body, Key: c.Key, IfMatch: c.IfMatch})
				if err != nil {
					return rest.Answer{}, err
				}
				status := http.StatusOK
				if done.Created {
					status = http.StatusCreated
				}
				typ, id, _ := strings.Cut(done.Task, "/")
				return rest.Answer{Status: status, Version: &store.Version{Type: typ, ID: id, VID: done.Version, JSON: done.JSON}}, nil
			},
		})
	}
	return all
}
