package server

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// meter is what GET /metrics shows. Labels name interactions, never records or people.
type meter struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec // door, what, status
	active   prometheus.Gauge
	units    *prometheus.HistogramVec // unit, result
}

// from 0.25 ms to about 16 s, each step double
var seconds = prometheus.ExponentialBuckets(0.00025, 2, 17)

func newMeter(h *Hub) *meter {
	m := &meter{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "xinglin_request_seconds", Buckets: seconds,
			Help: "Time to answer, by door (fhir, api, page), interaction and status."}, []string{"door", "what", "status"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{Name: "xinglin_requests_active", Help: "Requests under way, open streams included."}),
		units: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "xinglin_store_unit_seconds", Buckets: seconds,
			Help: "Time of a unit of the database, waiting and commit included: view or update; ok, conflict or error."}, []string{"unit", "result"}),
	}
	kind := "postgres"
	if h.SQLite() {
		kind = "sqlite"
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "xinglin_build_info", Help: "1, with the version and the kind of database.",
		ConstLabels: prometheus.Labels{"version": Version, "database": kind}})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.active, m.units, build, &backlog{hub: h},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// served notes one request. what is an interaction of FHIR or a pattern of the page's API.
func (m *meter) served(door, what string, status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK
	}
	m.requests.WithLabelValues(door, what, strconv.Itoa(status)).Observe(took.Seconds())
}

// backlog asks the rooms, at each scrape, what waits in them.
type backlog struct{ hub *Hub }

var (
	lagDesc      = prometheus.NewDesc("xinglin_log_lag_versions", "How far a consumer of the version log is behind its end.", []string{"consumer"}, nil)
	dueDesc      = prometheus.NewDesc("xinglin_jobs_due", "Jobs that could run now.", nil, nil)
	deadDesc     = prometheus.NewDesc("xinglin_jobs_dead", "Jobs given up, for a person to look at.", nil, nil)
	unsealedDesc = prometheus.NewDesc("xinglin_audit_unsealed", "Audit entries that wait to be sealed into the chain.", nil, nil)
	keptDesc     = prometheus.NewDesc("xinglin_kept_reads_total", "Reads by id, by whether memory had the body.", []string{"memory"}, nil)
	keptSizeDesc = prometheus.NewDesc("xinglin_kept_bytes", "Bodies that are kept in memory.", nil, nil)
	toTellDesc   = prometheus.NewDesc("xinglin_subscription_events", "Events of subscriptions: waiting for delivery, or dead for a person to look at.", []string{"state"}, nil)
	toldDesc     = prometheus.NewDesc("xinglin_subscription_deliveries_total", "Events delivered, attempts that failed, and events not kept, since the start.", []string{"result"}, nil)
	failingDesc  = prometheus.NewDesc("xinglin_subscriptions_failing", "Subscriptions that have been given up.", nil, nil)
	messagesDesc = prometheus.NewDesc("xinglin_hl7_messages_total", "HL7 v2 messages since the start, by what was answered: accepted, repeated, failed (AE), rejected (AR).", []string{"answer"}, nil)
	mllpDesc     = prometheus.NewDesc("xinglin_mllp_connections", "Connections of hospitals' own systems.", nil, nil)
	mllpNoDesc   = prometheus.NewDesc("xinglin_mllp_refused_total", "Connections that were not let in.", nil, nil)
	readyDesc    = prometheus.NewDesc("xinglin_ready", "1 while the server takes requests.", nil, nil)
)

func (b *backlog) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lagDesc, dueDesc, deadDesc, unsealedDesc, keptDesc, keptSizeDesc, toTellDesc, toldDesc, failingDesc, messagesDesc, mllpDesc, mllpNoDesc, readyDesc} {
		ch <- d
	}
}

func (b *backlog) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	ready := 0.0
	if b.hub.ready.Load() {
		ready = 1
	}
	gauge(readyDesc, ready)
	hits, misses, size := b.hub.Store.Kept()
	ch <- prometheus.MustNewConstMetric(keptDesc, prometheus.CounterValue, float64(hits), "hit")
	ch <- prometheus.MustNewConstMetric(keptDesc, prometheus.CounterValue, float64(misses), "miss")
	gauge(keptSizeDesc, float64(size))
	counts := &b.hub.Subscriptions.Counts
	for result, n := range map[string]int64{"delivered": counts.Delivered.Load(), "failed": counts.Failed.Load(), "missed": counts.Missed.Load()} {
		ch <- prometheus.MustNewConstMetric(toldDesc, prometheus.CounterValue, float64(n), result)
	}
	messages := &b.hub.Gateway.Counts
	for answer, n := range map[string]int64{"accepted": messages.Accepted.Load(), "repeated": messages.Repeated.Load(), "failed": messages.Failed.Load(), "rejected": messages.Rejected.Load()} {
		ch <- prometheus.MustNewConstMetric(messagesDesc, prometheus.CounterValue, float64(n), answer)
	}
	gauge(mllpDesc, float64(b.hub.mllp.Open.Load()))
	ch <- prometheus.MustNewConstMetric(mllpNoDesc, prometheus.CounterValue, float64(b.hub.mllp.Refused.Load()))
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	lag, err := b.hub.Store.Lag(ctx)
	if err != nil {
		b.hub.Log.Warn("metrics", "what", "log", "error", err)
	}
	for name, n := range lag {
		gauge(lagDesc, float64(n), name)
	}
	err = b.hub.Store.View(ctx, func(tx *store.Tx) error {
		due, dead, err := job.Backlog(ctx, tx)
		if err != nil {
			return err
		}
		unsealed, err := audit.Unsealed(ctx, tx)
		if err != nil {
			return err
		}
		waits, lies, failing, err := subscription.Backlog(ctx, tx)
		if err != nil {
			return err
		}
		gauge(toTellDesc, float64(waits), "waiting")
		gauge(toTellDesc, float64(lies), "dead")
		gauge(failingDesc, float64(failing))
		gauge(dueDesc, float64(due))
		gauge(deadDesc, float64(dead))
		gauge(unsealedDesc, float64(unsealed))
		return nil
	})
	if err != nil {
		b.hub.Log.Warn("metrics", "what", "backlog", "error", err)
	}
}

// metrics answers Prometheus on the machine itself or from an address that the operator named, and the
// administrator; nobody else learns that it is here.
func (h *Hub) metrics() http.Handler {
	show := promhttp.HandlerFor(h.meter.registry, promhttp.HandlerOpts{Registry: h.meter.registry, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
	asked := h.Identity.Authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := access.From(r.Context()); c == nil || c.Role != access.Administrator {
			http.NotFound(w, r)
			return
		}
		show.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.scraper(r) {
			show.ServeHTTP(w, r)
			return
		}
		asked.ServeHTTP(w, r)
	})
}

func (h *Hub) scraper(r *http.Request) bool {
	for _, forwarded := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(forwarded) != "" {
			return false // somebody else behind a proxy on this machine
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := from.Addr().Unmap()
	if len(h.Scrapers) == 0 {
		return addr.IsLoopback()
	}
	return slices.ContainsFunc(h.Scrapers, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// what names a request for its metric: the interaction, without record or person.
func (r *request) what(path string) (door, name string) {
	switch {
	case r.interaction != "":
		return "fhir", r.interaction
	case path == "/fhir" || strings.HasPrefix(path, "/fhir/"):
		return "fhir", "refused"
	case strings.HasPrefix(path, "/api/"):
		if r.pattern == "" {
			return "api", "refused"
		}
		return "api", template(path, r.pattern)
	}
	return "page", "page"
}

// watch times the units of the database and, where traces are on, gives each a span.
func (h *Hub) watch(ctx context.Context, unit string) func(error) {
	began := time.Now()
	_, span := beginUnit(h.tracer, ctx, unit)
	return func(err error) {
		result := "ok"
		switch {
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrTryAgain), errors.Is(err, store.ErrExists), errors.Is(err, store.ErrMultiple):
			result = "conflict"
		case err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrGone) && !refused(err):
			result = "error"
		}
		h.meter.units.WithLabelValues(unit, result).Observe(time.Since(began).Seconds())
		finishUnit(span, result)
	}
}

// refused tells a refusal, which is an answer, from a failure.
func refused(err error) bool {
	var e *fhir.Error
	return errors.As(err, &e) || errors.Is(err, context.Canceled)
}
