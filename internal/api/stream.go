package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Stream sends notices to the page as they happen, as server-sent events that resume by Last-Event-ID, and begin after
// ?after= (the events of GET /api/me), else at the newest.
type Stream struct {
	Store   *store.Store
	Hub     *event.Hub
	Book    *event.Book
	Counts  func(ctx context.Context, c *access.Caller) (any, error) // of the lines, for "event: counts"; nil = none
	Ends    context.Context                                          // when the server stops; nil = never
	Recheck func(r *http.Request) bool                               // whether the login of the request still holds; nil = yes
	Beat    time.Duration                                            // comment that keeps the connection, and time of Recheck; 0 = 20 s
	Pause   time.Duration                                            // from what happens to new counts, so that a burst is counted once; 0 = 300 ms
}

func (a *Stream) Register(mux *http.ServeMux) { mux.HandleFunc("GET /api/stream", a.serve) }

func (a *Stream) serve(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	out := http.NewResponseController(w)
	if err := out.SetWriteDeadline(time.Time{}); err != nil {
		slog.Debug("api: stream without write deadline", "error", err)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if a.Ends != nil {
		defer context.AfterFunc(a.Ends, cancel)()
	}
	ear := a.Hub.Listen(parties(c)...) // before the log is read: nothing falls between
	defer a.Hub.Leave(ear)

	last, missed, lost, err := a.missed(ctx, r, c)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(200)
	fmt.Fprintf(w, "retry: 3000\nid: %d\n\n", last)
	if lost {
		fmt.Fprint(w, "event: reset\ndata: {}\n\n")
	}
	for _, e := range missed {
		a.notice(w, c, e)
		last = e.Seq
	}
	if out.Flush() != nil || !a.counts(ctx, w, c) || out.Flush() != nil { // the page hears that it is open before anything is counted
		return
	}
	beat := a.Beat
	if beat == 0 {
		beat = 20 * time.Second
	}
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	pause := a.Pause
	if pause == 0 {
		pause = 300 * time.Millisecond
	}
	var count <-chan time.Time // when the counts are due; nil = nothing has moved
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			if a.Recheck != nil && !a.Recheck(r) {
				return
			}
			fmt.Fprint(w, ": beat\n\n")
		case <-count:
			if count = nil; !a.counts(ctx, w, c) {
				return
			}
		case e, open := <-ear.C:
			if !open {
				return // too slow or the hub ends: the page resumes from the last id
			}
			for more := true; more; {
				if e.Seq > last {
					a.notice(w, c, e)
					last = e.Seq
					if count == nil && !ofBeds(e.Kind) {
						count = time.After(pause)
					}
				}
				select {
				case e, more = <-ear.C:
				default:
					more = false
				}
			}
		}
		if out.Flush() != nil {
			return
		}
	}
}

// ofBeds says that an event moves beds and no case, so that the counts stay.
func ofBeds(kind string) bool {
	return strings.HasPrefix(kind, "booking.") || strings.HasPrefix(kind, "beds.")
}

// atMost is how many missed events a party is told one by one.
const atMost = 100

// missed is what happened since the id that the page has seen; who names none starts at the newest. After too much of it the
// page is to ask for everything anew: lost.
func (a *Stream) missed(ctx context.Context, r *http.Request, c *access.Caller) (last int64, events []event.Event, lost bool, err error) {
	id := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after"))
	if id != "" {
		if last, err = strconv.ParseInt(id, 10, 64); err != nil || last < 0 {
			return 0, nil, false, fhir.Refuse(400, "value", "bad-seq", "Last-Event-ID and after are numbers", "Last-Event-ID 与 after 须为数字")
		}
	}
	err = a.Store.View(ctx, func(tx *store.Tx) (err error) {
		events, lost = nil, false
		newest, err := event.Last(ctx, tx)
		if err != nil {
			return err
		}
		if id == "" {
			last = newest
			return nil
		}
		seen := map[int64]bool{}
		for _, p := range parties(c) {
			some, err := event.After(ctx, tx, p, last, atMost+1)
			if err != nil {
				return err
			}
			if len(some) > atMost {
				events, last, lost = nil, newest, true
				return nil
			}
			for _, e := range some {
				if !seen[e.Seq] {
					seen[e.Seq] = true
					events = append(events, e)
				}
			}
		}
		slices.SortFunc(events, func(a, b event.Event) int { return cmp.Compare(a.Seq, b.Seq) })
		return nil
	})
	return last, events, lost, err
}

func (a *Stream) notice(w http.ResponseWriter, c *access.Caller, e event.Event) {
	data, _ := json.Marshal(noticeOf(a.Book, e, c.Institution))
	fmt.Fprintf(w, "id: %d\nevent: notice\ndata: %s\n\n", e.Seq, data)
}

func (a *Stream) counts(ctx context.Context, w http.ResponseWriter, c *access.Caller) bool {
	if a.Counts == nil {
		return true
	}
	counts, err := a.Counts(ctx, c)
	if err != nil {
		if ctx.Err() == nil {
			slog.Error("api: stream counts", "error", err)
		}
		return false
	}
	data, _ := json.Marshal(counts)
	_, err = fmt.Fprintf(w, "event: counts\ndata: %s\n\n", data)
	return err == nil
}
