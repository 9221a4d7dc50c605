// Package hl7v2 takes what a hospital's own system says of its patients and beds (ADT over MLLP), and answers when it is on disk.
package hl7v2

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/er7"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Options of New.
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Zone  *time.Location // of times without an offset
	Audit audit.Log      // nil = none, for tests
	Log   *slog.Logger
	Peers []Peer

	// Standing is the program whose credential a peer uses, nil when it is not in force any more.
	Standing func(ctx context.Context, credential, org string) (*access.Caller, error)
	// Legal is the legal person of an organisation; nil = itself.
	Legal func(organization string) string
	Beds  Beds
}

// Beds is what follows from a message beside the patient's record. The Encounter itself says who lies where: whoever
// keeps the beds reads it there, as he does when it comes over FHIR.
type Beds interface {
	// Stated has a bed ("Location/…") in a state that the hospital's system reports, of table 0116.
	Stated(ctx context.Context, tx *store.Tx, by *access.Caller, bed, status, source string) error
	// WardOf is the organisation that answers for a bed's ward, "" when it is none of the register.
	WardOf(ctx context.Context, tx *store.Tx, bed string) (string, error)
}

// Gateway takes messages.
type Gateway struct {
	Options
	Counts Counts
}

// Counts since the start, for metrics.
type Counts struct {
	Accepted, Repeated, Failed, Rejected atomic.Int64 // answers AA, AA of before, AE, AR
}

// New makes the room; its tables are in Migrations.
func New(o Options) *Gateway {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("CST", 8*3600)
	}
	return &Gateway{Options: o}
}

// Allowed says whether some peer may connect from an address.
func (g *Gateway) Allowed(from netip.Addr) bool {
	for i := range g.Peers {
		if g.Peers[i].at(from) {
			return true
		}
	}
	return false
}

// peer is who sends a message from an address: by sending application and facility.
func (g *Gateway) peer(from netip.Addr, m *er7.Message) *Peer {
	for i := range g.Peers {
		p := &g.Peers[i]
		if p.at(from) && (p.Application == "" || p.Application == m.Get("MSH-3")) && (p.Facility == "" || p.Facility == m.Get("MSH-4")) {
			return p
		}
	}
	return nil
}

func (g *Gateway) legal(org string) string {
	if g.Legal == nil {
		return org
	}
	return g.Legal(org)
}
