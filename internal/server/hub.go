package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/agreement"
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
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/mllp"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/smart"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/subscription"
	"github.com/xinglin-health/xinglin/internal/term"
)

// Hub is one opened house: every room wired, nothing listening yet.
type Hub struct {
	Options
	Store         *store.Store
	Tree          *access.Tree
	Relations     *access.Relations
	Audit         *audit.Book
	Identity      *identity.Service
	Smart         *smart.Service
	Events        *event.Hub
	Terms         *term.Service
	Jobs          *job.Runner
	Slow          *job.Runner // what takes seconds
	Dispatcher    *event.Dispatcher
	Files         *blob.Files
	Runner        *line.Runner
	Subscriptions *subscription.Engine
	Bundles       *rest.Bundles
	Bulk          *bulk.Room
	Conform       *conform.Room
	Registry      *registry.Room
	Agreements    *agreement.Room
	Index         *empi.Index
	Bookings      *booking.Room
	Beds          *beds.Room
	HIS           *his.Room
	WhatIf        *whatif.Room
	Gateway       *hl7v2.Gateway

	reviewed int64 // the last event of which the cases of pairs know; 0 = none were looked at since the start

	mllp    *mllp.Server
	rules   *identity.Rules
	issuers []identity.Issuer
	handler http.Handler
	inside  http.Handler
	meter   *meter
	tracer  trace.Tracer
	ready   atomic.Bool
	streams context.Context // ends when the hub stops, so that open streams let go
	end     context.CancelFunc

	settled string // the month whose lent beds were drawn up

	mu    sync.Mutex
	stops []stop
}

// stop is one thing to end; they run in reverse order of starting.
type stop struct {
	what string
	do   func() error
}

// Open wires the rooms on one database, making or migrating it first. Start begins the work in the background.
func Open(ctx context.Context, o Options) (*Hub, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	h := &Hub{Options: o}
	h.meter = newMeter(h)
	if err := h.openTraces(ctx); err != nil {
		return nil, err
	}
	h.streams, h.end = context.WithCancel(context.WithoutCancel(ctx))
	for _, floor := range []func(context.Context) error{h.openStore, h.openServices, h.openLines, h.openDoors} {
		if err := floor(ctx); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}
	return h, nil
}

// Handler answers everything: page, FHIR, the page's own API, health.
func (h *Hub) Handler() http.Handler { return h.handler }

// Inside answers FHIR and the page's own API behind the door, for tests that bring their own caller in the context.
func (h *Hub) Inside() http.Handler { return h.inside }

func (h *Hub) onClose(what string, do func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stops = append(h.stops, stop{what, do})
}

// Close ends the rooms in reverse order; what was acknowledged is on disk when it returns.
func (h *Hub) Close() error {
	h.ready.Store(false)
	h.end()
	h.mu.Lock()
	stops := h.stops
	h.stops = nil
	h.mu.Unlock()
	var all error
	for i := len(stops) - 1; i >= 0; i-- {
		if err := stops[i].do(); err != nil {
			h.Log.Error("stop", "what", stops[i].what, "error", err)
			all = errors.Join(all, err)
		}
	}
	return all
}

// healthz: the process answers. readyz: it also serves.
func (h *Hub) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
}

func (h *Hub) readyz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !h.ready.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte("starting or stopping\n"))
		return
	}
	w.Write([]byte("ready\n"))
}
