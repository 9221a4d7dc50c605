package subscription

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bounds of websockets.
const (
	maxSocks     = 1000 // connections
	maxSocksEach = 20   // of one account
	maxTies      = 50   // subscriptions bound on one connection
	maxAsks      = 1000 // messages of a client
	maxAsk       = 8 << 10
	bindWithin   = 15 * time.Second // a connection that binds nothing is closed
)

// Door is the websocket at /fhir/ws.
type Door struct {
	Engine *Engine
	Holds  func(*http.Request) bool // whether the login of a request still holds; nil = yes
	Ends   context.Context          // when the server stops; nil = never
	Beat   time.Duration            // of pings and of looking whether the login holds; 0 = 20 s
}

// sock is one connection.
type sock struct {
	d      *Door
	conn   *websocket.Conn
	caller *access.Caller // nil: only a token binds
	woken  chan struct{}
	ties   map[string]*tie
}

// tie is one subscription bound on a connection.
type tie struct {
	owner  Owner
	cursor int64 // number of the last event that went out here
	said   time.Time
}

func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := d.Engine
	s := &sock{d: d, caller: access.From(r.Context()), woken: make(chan struct{}, 1), ties: map[string]*tie{}}
	if !e.admit(s) {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	defer e.dismiss(s)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled}) // refuses other origins
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxAsk)
	s.conn = conn
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel() // after the closing words: a read that is cancelled cuts the line
	why, code := s.talk(ctx, r)
	conn.Close(code, why)
}

func (e *Engine) admit(s *sock) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	same := 0
	for other := range e.socks {
		if s.caller == nil && other.caller == nil || s.caller != nil && other.caller != nil && s.caller.User == other.caller.User {
			same++
		}
	}
	most := maxSocksEach
	if s.caller == nil {
		most = maxSocks / 4
	}
	if len(e.socks) >= maxSocks || same >= most {
		return false
	}
	e.socks[s] = struct{}{}
	e.Counts.Sockets.Add(1)
	return true
}

func (e *Engine) dismiss(s *sock) {
	e.mu.Lock()
	delete(e.socks, s)
	e.mu.Unlock()
	e.Counts.Sockets.Add(-1)
}

func (e *Engine) wakeSocks() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.socks {
		wake(s.woken)
	}
}

// talk serves one connection until it ends, and says why it did.
func (s *sock) talk(ctx context.Context, r *http.Request) (why string, code websocket.StatusCode) {
	asks := make(chan string)
	var ends <-chan struct{}
	if s.d.Ends != nil {
		ends = s.d.Ends.Done()
	}
	go func() {
		defer close(asks)
		for range maxAsks {
			kind, msg, err := s.conn.Read(ctx)
			if err != nil || kind != websocket.MessageText {
				return
			}
			select {
			case asks <- string(msg):
			case <-ctx.Done():
				return
			}
		}
	}()
	beat := s.d.Beat
	if beat == 0 {
		beat = 20 * time.Second
	}
	lost := make(chan error, 1)
	go func() { // apart: the answer to a ping comes through the reader, who may wait for us
		beats := time.NewTicker(beat)
		defer beats.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beats.C:
			}
			if err := s.ping(ctx); err != nil {
				lost <- err
				return
			}
		}
	}()
	begun := time.Now()
	look, ticks := time.NewTicker(time.Second), time.NewTicker(beat)
	defer look.Stop()
	defer ticks.Stop()
	for {
		var err error
		select {
		case <-ends:
			return "the server stops", websocket.StatusGoingAway
		case ask, open := <-asks:
			if !open {
				return "", websocket.StatusNormalClosure
			}
			err = s.hear(ctx, ask)
		case <-ticks.C:
			if s.caller != nil && s.d.Holds != nil && !s.d.Holds(r) {
				return "the login has ended", websocket.StatusPolicyViolation
			}
		case err = <-lost:
		case <-look.C: // for what other processes have found, and for heartbeats
			if len(s.ties) == 0 && time.Since(begun) > bindWithin {
				return "nothing was bound", websocket.StatusPolicyViolation
			}
			err = s.flush(ctx)
		case <-s.woken:
			err = s.flush(ctx)
		}
		if err != nil {
			if ctx.Err() == nil && websocket.CloseStatus(err) == -1 {
				s.d.Engine.o.Log.Info("websocket ends", "error", err)
			}
			return "", websocket.StatusInternalError
		}
	}
}

func (s *sock) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return s.conn.Ping(ctx)
}

func (s *sock) say(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, []byte(text))
}

// hear answers one message: bind ID, or bind-with-token TOKEN.
func (s *sock) hear(ctx context.Context, ask string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(ask), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "bind":
		if s.caller == nil {
			return s.say(ctx, "error "+rest+": log in, or bind with a token")
		}
		return s.bind(ctx, strings.TrimPrefix(rest, "Subscription/"), OwnerOf(s.caller))
	case "bind-with-token":
		b, ok := s.d.Engine.bound(rest)
		if !ok {
			return s.say(ctx, "error: the token is unknown or too old")
		}
		for _, id := range b.IDs {
			if err := s.bind(ctx, id, b.Owner); err != nil {
				return err
			}
		}
		return nil
	}
	return s.say(ctx, "error: send bind ID or bind-with-token TOKEN")
}

func (s *sock) bind(ctx context.Context, id string, o Owner) error {
	e := s.d.Engine
	r, err := e.Row(ctx, id)
	if err != nil && !errors.Is(err, unknown) {
		return err
	}
	if err != nil || r.Owner.User != o.User || r.Owner.Role != o.Role || r.Owner.Org != o.Org || r.Def.Channel != WebSocket || len(s.ties) >= maxTies {
		return s.say(ctx, "error "+id+": no websocket subscription of yours") // or none at all: the same words
	}
	t := &tie{owner: o, said: time.Now()}
	err = e.store.View(ctx, func(tx *store.Tx) error {
		t.cursor = r.Last
		return tx.Query(ctx, `SELECT coalesce(min(number), ?) FROM subscription_event WHERE sub = ? AND state = 0`, []any{r.Last + 1, id}, func(scan func(...any) error) error {
			err := scan(&t.cursor)
			t.cursor--
			return err
		})
	})
	if err != nil {
		return err
	}
	s.ties[id] = t
	if r.Def.Topic == "" {
		err = s.say(ctx, "bound "+id)
	} else {
		err = s.say(ctx, string(Notice(e.o.Base, r, Handshake, "empty", nil, e.o.Clock.Now()).JSON()))
	}
	if err != nil {
		return err
	}
	return s.flush(ctx)
}

// flush sends what is new on every bound subscription.
func (s *sock) flush(ctx context.Context) error {
	for id, t := range s.ties {
		for {
			more, err := s.next(ctx, id, t)
			if err != nil {
				return fmt.Errorf("subscription %s: %w", id, err)
			}
			if !more {
				break
			}
		}
	}
	return nil
}

// next sends the next notification of one subscription, as far as its owner may see the events now.
func (s *sock) next(ctx context.Context, id string, t *tie) (more bool, err error) {
	e := s.d.Engine
	var r Row
	var list []Event
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		if r, err = rowOf(ctx, tx, id); err == nil {
			list, err = events(ctx, tx, `WHERE sub = ? AND number > ? AND state IN (0, 1) ORDER BY number LIMIT ?`, id, t.cursor, e.batch(r.Def))
		}
		return err
	})
	if errors.Is(err, unknown) {
		delete(s.ties, id)
		return false, nil
	}
	if err != nil || r.Status != Active {
		return false, err
	}
	silent := r.Def.Beat > 0 && time.Since(t.said) >= time.Duration(r.Def.Beat)*time.Second
	if len(list) == 0 && !silent {
		return false, nil
	}
	caller, err := e.standing(ctx, r.Owner)
	if err != nil {
		return false, err
	}
	if caller == nil || r.Owner != t.owner && (r.Owner.User != t.owner.User || r.Owner.Role != t.owner.Role || r.Owner.Org != t.owner.Org) {
		delete(s.ties, id) // not the binder's any more
		return false, nil
	}
	if len(list) == 0 {
		t.said = time.Now()
		return false, s.say(ctx, string(Notice(e.o.Base, r, Heartbeat, "empty", nil, e.o.Clock.Now()).JSON()))
	}
	var told []Told
	if err := e.store.View(ctx, func(tx *store.Tx) (err error) { told, err = see(ctx, tx, caller.Scope, list); return err }); err != nil {
		return false, err
	}
	told, list = e.fit(r.Def, told, list)
	if len(told) > 0 {
		if err := e.audit.Read(ctx, e.entry(r, told)); err != nil {
			return false, err
		}
		text := "ping " + id
		if r.Def.Topic != "" {
			text = string(Notice(e.o.Base, r, Happened, r.Def.Content, told, e.o.Clock.Now()).JSON())
		}
		if err := s.say(ctx, text); err != nil {
			return false, err
		}
		e.Counts.Notices.Add(1)
		t.said = time.Now()
	}
	t.cursor = list[len(list)-1].Number
	return true, e.note(ctx, r, told, list, nil)
}
