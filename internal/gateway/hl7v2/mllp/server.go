package mllp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Server answers the messages of many connections, those of one connection in order.
type Server struct {
	// Answer gives the answer to a message; nil = none, and the connection ends. It is called by many goroutines.
	Answer  func(ctx context.Context, from netip.Addr, message []byte) []byte
	Allowed func(netip.Addr) bool // who may connect at all; nil = everybody
	Log     *slog.Logger

	Limit int           // bytes of a message; 0 = 1 MB
	Most  int           // connections at once; 0 = 64
	Each  int           // of one address; 0 = 8
	Idle  time.Duration // between two messages; 0 = 15 min
	Slow  time.Duration // from the first byte of a message to its last, and for its answer to be taken; 0 = 30 s

	Open    atomic.Int64 // connections now
	Refused atomic.Int64 // connections that were not let in

	mu    sync.Mutex
	conns map[net.Conn]*state
	from  map[netip.Addr]int
}

// state of a connection: busy from the first byte of a message until its answer has left.
type state struct{ busy bool }

func or[T comparable](given, usual T) T {
	var zero T
	if given == zero {
		return usual
	}
	return given
}

// Serve takes connections until ctx ends; then what has begun is answered, and all are closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.conns, s.from = map[net.Conn]*state{}, map[netip.Addr]int{}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var all sync.WaitGroup
	done := context.AfterFunc(ctx, func() { l.Close(); s.hush() })
	defer done()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			var n net.Error
			if errors.As(err, &n) && n.Timeout() || errors.Is(err, net.ErrClosed) {
				return err
			}
			s.Log.Warn("mllp: accept", "error", err)
			select { // out of file handles, say: a moment later there are some
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		from := address(conn)
		if !s.let(conn, from) {
			s.Refused.Add(1)
			s.Log.Warn("mllp: connection refused", "from", from.String())
			conn.Close()
			continue
		}
		all.Go(func() {
			defer s.gone(conn, from)
			s.converse(ctx, work, conn, from)
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(or(s.Slow, 30*time.Second)):
		stop()
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		<-ended
	}
	return nil
}

func address(conn net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

func (s *Server) let(conn net.Conn, from netip.Addr) bool {
	if s.Allowed != nil && !s.Allowed(from) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= or(s.Most, 64) || s.from[from] >= or(s.Each, 8) {
		return false
	}
	s.conns[conn] = &state{}
	s.from[from]++
	s.Open.Add(1)
	return true
}

func (s *Server) gone(conn net.Conn, from netip.Addr) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	if s.from[from]--; s.from[from] == 0 {
		delete(s.from, from)
	}
	s.Open.Add(-1)
}

// hush closes the connections on which nothing is under way.
func (s *Server) hush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, st := range s.conns {
		if !st.busy {
			c.Close()
		}
	}
}

// mark notes that a message has begun, or has been answered.
func (s *Server) mark(conn net.Conn, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.conns[conn]; st != nil {
		st.busy = busy
	}
}

// converse answers message by message. ctx ends when the server stops, work when its patience has ended too.
func (s *Server) converse(ctx, work context.Context, conn net.Conn, from netip.Addr) {
	if t, ok := conn.(*tls.Conn); ok {
		conn.SetDeadline(time.Now().Add(or(s.Slow, 30*time.Second)))
		if err := t.HandshakeContext(ctx); err != nil {
			return
		}
	}
	r := bufio.NewReaderSize(conn, 16<<10)
	for ctx.Err() == nil {
		conn.SetDeadline(time.Now().Add(or(s.Idle, 15*time.Minute)))
		message, err := Read(r, or(s.Limit, 1<<20), func() {
			s.mark(conn, true)
			conn.SetDeadline(time.Now().Add(or(s.Slow, 30*time.Second)))
		})
		if err != nil {
			if errors.Is(err, ErrFrame) || errors.Is(err, ErrTooLarge) {
				s.Log.Warn("mllp: connection ended", "from", from.String(), "error", err)
			}
			return
		}
		conn.SetDeadline(time.Time{})
		answer := s.Answer(work, from, message)
		if answer == nil {
			return
		}
		conn.SetDeadline(time.Now().Add(or(s.Slow, 30*time.Second)))
		if err := Write(conn, answer); err != nil {
			return
		}
		s.mark(conn, false)
	}
}
