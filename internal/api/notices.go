package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Notices lists what happened for the caller's institution, and what of it he has read.
type Notices struct {
	Store *store.Store
	Book  *event.Book
}

func (a *Notices) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/notices", a.list)
	mux.HandleFunc("POST /api/notices/read", a.read)
}

// fresh is how long an unread notice counts: who comes back from leave starts with his worklist.
const fresh = 72 * time.Hour

type noticeOut struct {
	Seq   int64      `json:"seq"`
	At    time.Time  `json:"at"`
	Kind  string     `json:"kind"`
	Line  string     `json:"line"`
	Focus string     `json:"focus"`
	Text  Words      `json:"text"`
	Due   *time.Time `json:"due"`
	Mine  bool       `json:"mine"`
}

func noticeOf(book *event.Book, e event.Event, institution string) noticeOut {
	n := book.Notice(e, institution)
	return noticeOut{n.Seq, n.At, n.Kind, n.Line, n.Focus, Words{n.Zh, n.En}, when(n.Due), n.Mine}
}

// RegistryDesk is the party of what administrators of an institution are told: nothing about cases.
func RegistryDesk(institution string) string { return institution + "#registry" }

// BedParty is the party of what moves beds in an institution: its boards hear it, and no list of notices shows it.
func BedParty(institution string) string { return institution + "#beds" }

// parties is whose events the page of a caller hears as they happen.
func parties(c *access.Caller) []string {
	p := party(c)
	if p != "" && p == c.Institution {
		return []string{p, BedParty(p)}
	}
	return []string{p}
}

// party is whose notices a caller reads; administrators and auditors get none about cases.
func party(c *access.Caller) string {
	if c.Role == access.Administrator {
		return RegistryDesk(c.Institution)
	}
	if c.Role != access.Program && !access.SeesPatients(c.Role) {
		return "-"
	}
	return c.Institution
}

func (a *Notices) list(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	q := r.URL.Query()
	before, _ := strconv.ParseInt(q.Get("after"), 10, 64) // newest first: after this one comes the next older
	count, _ := strconv.Atoi(q.Get("count"))
	if q.Get("count") == "0" {
		count = 0 // how many are unread, and no more
	} else if count <= 0 || count > 200 {
		count = 30
	}
	var events []event.Event
	var unread int64
	if err := event.Sequence(r.Context(), a.Store); err != nil { // what he has just done himself is among them
		Refuse(w, r, err)
		return
	}
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		events = nil
		if count > 0 {
			if events, err = event.Before(r.Context(), tx, party(c), before, count); err != nil {
				return err
			}
		}
		if count > 0 && c.Practitioner != "" { // what concerns himself
			own, err := event.Before(r.Context(), tx, c.Practitioner, before, count)
			if err != nil {
				return err
			}
			events = newest(append(events, own...), count)
		}
		seen, err := event.Seen(r.Context(), tx, reader(c))
		if err != nil {
			return err
		}
		unread, err = event.Unread(r.Context(), tx, party(c), seen, tx.Now().Add(-fresh), 1000)
		return err
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := make([]noticeOut, 0, len(events))
	for _, e := range events {
		out = append(out, noticeOf(a.Book, e, c.Institution))
	}
	Answer(w, 200, map[string]any{"notices": out, "unread": unread})
}

// newest orders events from the newest on, each once.
func newest(events []event.Event, count int) []event.Event {
	slices.SortFunc(events, func(a, b event.Event) int { return cmp.Compare(b.Seq, a.Seq) })
	events = slices.CompactFunc(events, func(a, b event.Event) bool { return a.Seq == b.Seq })
	return events[:min(len(events), count)]
}

// reader is a user at an institution: each role has its own pile.
func reader(c *access.Caller) string { return c.User + "@" + c.Institution }

func (a *Notices) read(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var in struct{ Seq int64 }
	err := Body(w, r, 4<<10, &in)
	if err == nil && in.Seq < 0 {
		err = fhir.Refuse(422, "value", "bad-seq", "seq is a number of a notice", "通知编号无效")
	}
	if err == nil {
		err = a.Store.Update(r.Context(), func(tx *store.Tx) error {
			last, err := event.Last(r.Context(), tx)
			if err != nil {
				return err
			}
			return event.See(r.Context(), tx, reader(c), min(in.Seq, last))
		})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 204, nil)
}
