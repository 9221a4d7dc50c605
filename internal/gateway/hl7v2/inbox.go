package hl7v2

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/er7"
	"github.com/xinglin-health/xinglin/internal/store"
)

// message is one on its way through the inbox.
type message struct {
	*er7.Message
	raw      []byte
	peer     *Peer
	by       *access.Caller
	kind     string // ADT^A01
	control  string
	digest   string
	happened time.Time

	// of a record that is new; the same at every try, since locks go by them
	newPatient, newEncounter string

	patient, encounter, bed string // what came of it
	done                    []string
}

// Answer takes one message and gives its acknowledgement, after the commit. It is mllp.Server's Answer. The same message
// again gets the same answer and changes nothing; what was refused may be mended here and sent again.
func (g *Gateway) Answer(ctx context.Context, from netip.Addr, raw []byte) []byte {
	answer, code, why := g.answer(ctx, from, raw)
	switch code {
	case accepted:
		g.Counts.Accepted.Add(1)
	case failed:
		g.Counts.Failed.Add(1)
	case rejected:
		g.Counts.Rejected.Add(1)
	default:
		g.Counts.Repeated.Add(1)
	}
	if why != "" {
		g.Log.Warn("hl7v2: message refused", "from", from.String(), "code", code, "why", why)
	}
	return answer
}

func (g *Gateway) answer(ctx context.Context, from netip.Addr, raw []byte) (answer []byte, code, why string) {
	now := g.Clock.Now().In(g.Zone)
	id := store.NewID(now)
	m := message{raw: raw}
	refuse := func(n *no) ([]byte, string, string) {
		return acknowledge(m.Message, n.code, n, id, now), n.code, n.why
	}
	var err error
	if m.Message, err = er7.Parse(raw); err != nil {
		return refuse(&unreadable)
	}
	if m.peer = g.peer(from, m.Message); m.peer == nil {
		return refuse(&stranger)
	}
	if m.control = m.Get("MSH-10"); m.control == "" || len(m.control) > 200 {
		return refuse(&noControl)
	}
	if m.by, err = g.Standing(ctx, m.peer.Credential, m.peer.Organization); err != nil {
		g.Log.Error("hl7v2: credential", "peer", m.peer.Name, "error", err)
		return refuse(&broken)
	}
	if m.by == nil {
		return refuse(&withdrawn)
	}
	m.by.Remote, m.by.Request = from.String(), id
	m.kind = m.Get("MSH-9.1") + "^" + m.Get("MSH-9.2")
	m.digest = g.digest(raw)
	m.newPatient, m.newEncounter = store.NewID(now), store.NewID(now)
	m.happened = g.when(&m, now)

	ctx = access.With(ctx, m.by)
	for try := 1; ; try++ {
		var was *kept
		answer = nil
		inTurn := "hl7v2 " + m.peer.Name // one after the other
		err = g.Store.Update(store.Locking(ctx, inTurn), func(tx *store.Tx) (err error) {
			m.patient, m.encounter, m.bed, m.done = "", "", "", nil
			if err := tx.Lock(ctx, inTurn); err != nil {
				return err
			}
			if was, err = g.recall(ctx, tx, &m); err != nil || was != nil {
				return err
			}
			if err := g.act(ctx, tx, &m); err != nil {
				return err
			}
			answer = acknowledge(m.Message, accepted, nil, id, now)
			if err := g.keep(ctx, tx, &m, accepted, "", answer); err != nil {
				return err
			}
			return g.note(ctx, tx, &m, "0")
		})
		if try < 5 && (errors.Is(err, store.ErrTryAgain) || errors.Is(err, store.ErrConflict)) {
			continue
		}
		if err == nil && was != nil {
			return was.answer, "", ""
		}
		break
	}
	if err == nil {
		return answer, accepted, ""
	}
	var n *no
	var e *fhir.Error
	switch {
	case errors.As(err, &n):
	case errors.As(err, &e):
		n = refused(e)
	default: // the database, say: nothing is kept of it, and the sender tries again
		g.Log.Error("hl7v2: message not kept", "peer", m.peer.Name, "kind", m.kind, "error", err)
		return refuse(&broken)
	}
	answer, code, why = refuse(n)
	m.patient, m.encounter, m.bed, m.done = "", "", "", nil
	err = g.Store.Update(ctx, func(tx *store.Tx) error {
		if n.why == reused.why { // what stands under this id is the other message
			return g.note(ctx, tx, &m, "4")
		}
		if err := g.keep(ctx, tx, &m, code, n.why, answer); err != nil {
			return err
		}
		return g.note(ctx, tx, &m, "4")
	})
	if err != nil {
		g.Log.Error("hl7v2: refusal not kept", "peer", m.peer.Name, "kind", m.kind, "error", err)
	}
	return answer, code, why
}

// when the event happened, as the message says; never later than now.
func (g *Gateway) when(m *message, now time.Time) time.Time {
	for _, place := range []string{"EVN-6", "EVN-2", "MSH-7"} {
		if t, err := er7.Time(m.Get(place), g.Zone); err == nil {
			if t.After(now) {
				return now
			}
			return t
		}
	}
	return now
}

func (g *Gateway) digest(raw []byte) string {
	h := hmac.New(sha256.New, g.Store.Secret("hl7v2"))
	h.Write(raw)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// kept is a message that came before.
type kept struct {
	digest, code string
	answer       []byte
}

// recall finds the same message; another one under its id is refused. What was not accepted is tried again.
func (g *Gateway) recall(ctx context.Context, tx *store.Tx, m *message) (*kept, error) {
	var was kept
	found := false
	err := tx.Query(ctx, "SELECT digest, code, answer FROM hl7v2_message WHERE sender = ? AND control = ?", []any{m.peer.Name, m.control}, func(scan func(...any) error) error {
		found = true
		return scan(&was.digest, &was.code, &was.answer)
	})
	if err != nil || !found {
		return nil, err
	}
	if was.digest != m.digest {
		n := reused
		return nil, &n
	}
	if was.code != accepted {
		return nil, nil
	}
	if was.answer, err = tx.OpenBox(ctx, was.answer, about(m)+" answer"); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "UPDATE hl7v2_message SET times = times + 1 WHERE sender = ? AND control = ?", m.peer.Name, m.control); err != nil {
		return nil, err
	}
	return &was, nil
}

func about(m *message) string { return "hl7v2 " + m.peer.Name + " " + m.control }

func (g *Gateway) keep(ctx context.Context, tx *store.Tx, m *message, code, why string, answer []byte) error {
	body := g.Store.Ring().Seal(m.raw, about(m))
	answer = g.Store.Ring().Seal(answer, about(m)+" answer") // a refusal may quote what it refuses
	_, err := tx.Exec(ctx, `INSERT INTO hl7v2_message (sender, control, digest, kind, at, happened, code, why, answer, patient, encounter, bed, times, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
		ON CONFLICT (sender, control) DO UPDATE SET kind = excluded.kind, at = excluded.at, happened = excluded.happened, code = excluded.code, why = excluded.why, answer = excluded.answer,
		patient = excluded.patient, encounter = excluded.encounter, bed = excluded.bed, times = hl7v2_message.times + 1, body = excluded.body`,
		m.peer.Name, m.control, m.digest, m.kind, tx.Now().UnixMicro(), m.happened.UnixMicro(), code, why, answer, m.patient, m.encounter, m.bed, body)
	if err != nil {
		return fmt.Errorf("hl7v2: keep: %w", err)
	}
	return nil
}

// note writes the audit's entry: who sent what about whom.
func (g *Gateway) note(ctx context.Context, tx *store.Tx, m *message, outcome string) error {
	if g.Audit == nil {
		return nil
	}
	e := audit.By(m.by)
	e.At, e.Wall, e.Action, e.Outcome = tx.Now(), time.Now(), "U", outcome
	e.What, e.Target, e.Count = "hl7v2:"+strings.ReplaceAll(m.kind, "^", "-"), m.encounter, len(m.done)
	if e.Target == "" {
		e.Target = m.bed
	}
	if m.patient != "" {
		e.Patients = []string{m.patient}
	}
	return g.Audit.Write(ctx, tx, e)
}

// Body opens a message that was kept, for who may replay it.
func (g *Gateway) Body(ctx context.Context, tx *store.Tx, sender, control string) ([]byte, error) {
	var box []byte
	err := tx.Query(ctx, "SELECT body FROM hl7v2_message WHERE sender = ? AND control = ?", []any{sender, control}, func(scan func(...any) error) error { return scan(&box) })
	if err != nil || box == nil {
		return nil, err
	}
	return tx.OpenBox(ctx, box, "hl7v2 "+sender+" "+control)
}

// Kept is how long the bodies of messages stay; what came of them stays for good, so that nothing is done twice.
const Kept = 180 * 24 * time.Hour

// Sweep forgets the bodies of old messages, at most some at a time.
func (g *Gateway) Sweep(ctx context.Context) error {
	return g.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE hl7v2_message SET body = NULL WHERE body IS NOT NULL AND (sender, control) IN (
			SELECT sender, control FROM hl7v2_message WHERE at < ? AND body IS NOT NULL ORDER BY at LIMIT 1000)`, tx.Now().Add(-Kept).UnixMicro())
		return err
	})
}

// Sender is what has come from a peer.
type Sender struct {
	Name         string
	Organization string
	Last         time.Time      // zero = nothing yet
	Today        map[string]int // by code of the answer, in the last 24 hours
	Refused      map[string]int // by why, in the last 24 hours
}

// Senders lists the peers of institutions that may be seen.
func (g *Gateway) Senders(ctx context.Context, tx *store.Tx, sees func(organization string) bool) ([]Sender, error) {
	var all []Sender
	for i := range g.Peers {
		p := &g.Peers[i]
		if !sees(p.Organization) {
			continue
		}
		s := Sender{Name: p.Name, Organization: p.Organization, Today: map[string]int{}, Refused: map[string]int{}}
		if slices.ContainsFunc(all, func(o Sender) bool { return o.Name == p.Name }) {
			continue
		}
		var last int64
		if err := tx.Query(ctx, "SELECT COALESCE(MAX(at), 0) FROM hl7v2_message WHERE sender = ?", []any{p.Name}, func(scan func(...any) error) error { return scan(&last) }); err != nil {
			return nil, err
		}
		if last > 0 {
			s.Last = time.UnixMicro(last)
		}
		err := tx.Query(ctx, "SELECT code, why, COUNT(*) FROM hl7v2_message WHERE sender = ? AND at >= ? GROUP BY code, why", []any{p.Name, tx.Now().Add(-24 * time.Hour).UnixMicro()}, func(scan func(...any) error) error {
			var code, why string
			var n int
			if err := scan(&code, &why, &n); err != nil {
				return err
			}
			s.Today[code] += n
			if why != "" {
				s.Refused[why] += n
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
