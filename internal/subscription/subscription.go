// Package subscription tells other systems of what has changed, in order and at least once, as far as they may see it.
package subscription

import (
	"context"
	"crypto/x509"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Options of New; zero values take the defaults said beside them.
type Options struct {
	Clock clock.Clock
	Zone  *time.Location // of zoneless dates in criteria
	Base  string         // absolute URL of our FHIR API, for full URLs in notifications
	Hosts []string       // host or host:port to which a rest-hook may be sent; none = rest-hook is refused
	Roots *x509.CertPool // certificates that endpoints are checked against; nil = the machine's
	Log   *slog.Logger

	// Standing is the account that a subscription acts for, with what it may see now; nil when it is not in force any more.
	Standing func(ctx context.Context, o Owner) (*access.Caller, error)

	First, Longest time.Duration // pause after the first failure, doubling up to Longest: 1 s, 1 h
	Tries          int           // failures in a row, then the subscription is given up: 20 (about 10 hours)
	Shakes         int           // failed handshakes, likewise: 5
	Timeout        time.Duration // for one answer: 20 s
	Batch          int           // events in one notification of the topic style: 20
	Keep           int           // events that may wait in one subscription; later ones are counted as missed: 10,000
	Kept           time.Duration // how long delivered events stay for $events: 7 days
	PerOrg         int           // subscriptions of one organisation: 1,000
	AtOnce         int           // deliveries under way: 64
	PerHost        int           // of them to one host: 4
	MaxBytes       int           // of one notification: 4 MB; at least one event goes
}

// Engine follows the log, keeps the queues and delivers.
type Engine struct {
	o     Options
	store *store.Store
	audit audit.Log
	hooks *hooks

	follow, deliver chan struct{}
	types           atomic.Pointer[map[string]bool] // that somebody has subscribed to
	Counts          Counts

	following  sync.Mutex // guards generation and live
	generation int64
	live       map[string][]*live

	mu    sync.Mutex
	busy  map[string]int // deliveries under way by host; "" = all
	at    map[string]bool
	work  sync.WaitGroup
	socks map[*sock]struct{}
}

// Counts are what has happened since the start, for metrics.
type Counts struct {
	Followed, Events, Missed, Delivered, Failed, Notices, Sockets atomic.Int64
}

// New makes an engine. Give its Guard and Derive to the store, then call Open.
func New(o Options) *Engine {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&o.First, time.Second}, {&o.Longest, time.Hour}, {&o.Timeout, 20 * time.Second}, {&o.Kept, 7 * 24 * time.Hour}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	for _, n := range []struct {
		v   *int
		def int
	}{{&o.Tries, 20}, {&o.Shakes, 5}, {&o.Batch, 20}, {&o.Keep, 10_000}, {&o.PerOrg, 1000}, {&o.AtOnce, 64}, {&o.PerHost, 4}, {&o.MaxBytes, 4 << 20}} {
		if *n.v == 0 {
			*n.v = n.def
		}
	}
	return &Engine{o: o, hooks: newHooks(o.Hosts, o.Roots), follow: make(chan struct{}, 1), deliver: make(chan struct{}, 1),
		busy: map[string]int{}, at: map[string]bool{}, socks: map[*sock]struct{}{}}
}

// Open gives the engine what opens after it; standing replaces Options.Standing unless nil.
func (e *Engine) Open(s *store.Store, a audit.Log, standing func(context.Context, Owner) (*access.Caller, error)) {
	e.store, e.audit = s, a
	if standing != nil {
		e.o.Standing = standing
	}
}

// Run works until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	if e.store.Database() == "sqlite" { // nobody else works here: what a killed process held is free
		err := e.store.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE subscription_state SET lease = 0 WHERE lease > 0`)
			return err
		})
		if err != nil {
			return err
		}
	}
	g, both := errgroup.WithContext(ctx)
	g.Go(func() error { return e.followForever(both) })
	g.Go(func() error { return e.deliverForever(both) })
	err := g.Wait()
	e.work.Wait()
	if ctx.Err() != nil {
		return nil // it was told to end
	}
	return err
}

// Tick follows the log to its end and delivers what is due now, for tests.
func (e *Engine) Tick(ctx context.Context) error {
	for {
		more, err := e.Follow(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	for more := true; more; {
		var err error
		if more, err = e.followLinks(ctx); err != nil {
			return err
		}
	}
	if err := e.lapse(ctx); err != nil {
		return err
	}
	for {
		n, err := e.dispatch(ctx)
		if err != nil {
			return err
		}
		e.work.Wait()
		if n == 0 {
			return nil
		}
	}
}

func (e *Engine) secret(purpose string) []byte { return e.store.Secret("subscription/" + purpose) }

func (e *Engine) wakeFollow()  { wake(e.follow) }
func (e *Engine) wakeDeliver() { wake(e.deliver); e.wakeSocks() }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
