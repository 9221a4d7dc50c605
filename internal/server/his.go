package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/beds/his"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/mllp"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
)

// peers reads who may send messages. The room that keeps differences knows of them before the store is open.
func (h *Hub) peers() (err error) {
	if h.MLLPPeers != "" {
		if h.Senders, err = hl7v2.ReadPeers(h.MLLPPeers); err != nil {
			return fmt.Errorf("server: %w", err)
		}
	} else if len(h.Senders) > 0 {
		if err := hl7v2.Check(h.Senders); err != nil {
			return fmt.Errorf("server: senders: %w", err)
		}
	}
	if h.MLLP != "" && len(h.Senders) == 0 {
		return fmt.Errorf("server: --mllp needs --mllp-peers: who may send / 请用 --mllp-peers 指明允许的发送方")
	}
	h.HIS = his.New(his.Options{Tree: h.Tree, Zone: h.Zone, Log: h.Log, Feeds: func(institution string) bool {
		return slices.ContainsFunc(h.Senders, func(p hl7v2.Peer) bool { return h.Tree.Institution(p.Organization) == institution })
	}})
	return nil
}

// openHIS gives the room of the hospitals' own systems what it stands on, and makes the gateway.
func (h *Hub) openHIS() {
	standing := func(ctx context.Context, credential, org string) (*access.Caller, error) {
		c, err := h.Identity.Standing(ctx, credential, access.Program, org)
		if err == nil && c == nil {
			c, err = h.Smart.Standing(ctx, credential, org)
		}
		return c, err
	}
	h.HIS.Store, h.HIS.Audit, h.HIS.Bookings, h.HIS.State, h.HIS.Runner, h.HIS.Standing = h.Store, h.Audit, h.Bookings, h.Beds.SetState, h.Runner, standing
	h.HIS.Propose = h.proposals
	h.Gateway = hl7v2.New(hl7v2.Options{Store: h.Store, Clock: h.Clock, Zone: h.Zone, Audit: h.Audit, Log: h.Log, Peers: h.Senders, Standing: standing, Legal: h.Tree.Legal, Beds: h.HIS})
	h.mllp = &mllp.Server{Answer: h.Gateway.Answer, Allowed: h.Gateway.Allowed, Log: h.Log}
	h.Jobs.Handle(his.Job, h.HIS.Work())
}

// proposals are what the bed desk would be offered for all who wait in a pool now.
func (h *Hub) proposals(ctx context.Context, tx *store.Tx, pool string) ([]allocate.Proposal, error) {
	l, err := h.Beds.Look(ctx, tx, pool)
	if err != nil {
		return nil, err
	}
	_, requests, err := h.Beds.Requests(ctx, tx, pool)
	if err != nil || len(requests) == 0 {
		return nil, err
	}
	return allocate.Propose(&l.Pool, requests, l.Rules.Who), nil
}

// sendersOf lists the systems that send for an institution.
func (h *Hub) sendersOf(ctx context.Context, tx *store.Tx, pool string) ([]api.SenderView, error) {
	all, err := h.Gateway.Senders(ctx, tx, func(org string) bool { return h.Tree.Institution(org) == pool })
	if err != nil {
		return nil, err
	}
	views := []api.SenderView{}
	for _, s := range all {
		v := api.SenderView{Name: s.Name, Today: s.Today, Refused: s.Refused}
		if !s.Last.IsZero() {
			v.Last = line.Stamp(s.Last)
		}
		views = append(views, v)
	}
	return views, nil
}

// guardBed asks whether anything may be held in a ward at all, then the hard rules.
func (h *Hub) guardBed(ctx context.Context, tx *store.Tx, by *access.Caller, c *booking.Command, before *booking.Booking) error {
	if err := h.HIS.Guard(ctx, tx, by, c, before); err != nil {
		return err
	}
	return h.Beds.Guard(ctx, tx, by, c, before)
}

func (h *Hub) bedChanged(ctx context.Context, tx *store.Tx, before, after *booking.Booking) error {
	if err := h.Beds.Changed(ctx, tx, before, after); err != nil {
		return err
	}
	return h.HIS.Changed(ctx, tx, before, after)
}

// statuses of table 0116 by what $bed-state is told.
var statuses = map[string]string{"free": "U", "occupied": "O", "cleaning": "H", "closed": "C"}

// bedState is Location/$bed-state: the hospital's own system says how a bed is, and the ward's people what is cleaned,
// closed or open again.
func (h *Hub) bedState() []rest.Operation {
	return []rest.Operation{{Type: "Location", Name: "bed-state", Instance: true,
		Doc: "Says how a bed is: state (free, cleaning, closed; of a program also occupied), or status (table 0116: U O H K C I), and reason. Where the hospital's own system owns the ward's beds, what it says wins.",
		Handle: func(ctx context.Context, c rest.Call) (rest.Answer, error) {
			by, p, ref := access.From(ctx), line.ParamsOf(c.Body), "Location/"+c.ID
			if err := by.May('u', "Location"); err != nil && by.Role == access.Program {
				return rest.Answer{}, err
			}
			state, status := p.Str("state"), p.Str("status")
			if status == "" {
				status = statuses[state]
			}
			for s, code := range statuses {
				if state == "" && code == status {
					state = s
				}
			}
			if status == "" {
				return rest.Answer{}, fhir.Refuse(http.StatusUnprocessableEntity, "value", "bad-state", "say a state: free, cleaning, closed or occupied", "请填写床位状态：free、cleaning、closed 或 occupied")
			}
			var v store.Version
			err := h.Store.Update(ctx, func(tx *store.Tx) (err error) {
				owned := false
				if by.Role == access.Program {
					if owned, err = h.HIS.Owns(ctx, tx, by, ref); err != nil {
						return err
					}
				}
				if owned {
					if err := h.HIS.Stated(ctx, tx, by, ref, status, ref); err != nil {
						return err
					}
				} else if _, err := h.Beds.SetState(ctx, tx, by, ref, allocate.State(state), p.Str("reason")); err != nil {
					return err
				}
				v, err = tx.Read(ctx, by.Scope, "Location", c.ID)
				return err
			})
			return rest.Answer{Version: &v}, err
		}}}
}

// ServeMLLP takes messages on a listener until ctx ends.
func (h *Hub) ServeMLLP(ctx context.Context, l net.Listener) error {
	return h.mllp.Serve(ctx, l)
}

// listenMLLP begins to take messages, under the hub's certificate where that is asked for.
func (h *Hub) listenMLLP(ctx context.Context) error {
	if h.MLLP == "" {
		return nil
	}
	l, err := listen(h.MLLP)
	if err != nil {
		return err
	}
	if h.MLLPTLS {
		pair, err := loadCertificate(h.Cert, h.Key, h.Log)
		if err != nil {
			l.Close()
			return err
		}
		config := tlsConfig(pair)
		config.NextProtos = nil
		l = tls.NewListener(l, config)
	}
	h.Log.Info("taking messages", "address", l.Addr().String(), "tls", h.MLLPTLS, "senders", len(h.Senders))
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- h.ServeMLLP(ctx, l) }()
	h.onClose("messages", func() error { stop(); return <-done })
	return nil
}
