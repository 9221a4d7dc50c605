package mllp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFrames(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want string // of each message, with a comma
		err  error
	}{
		"two in a row":              {"\x0bA\rB\r\x1c\r\x0bC\x1c\r", "A\rB\r,C,", io.EOF},
		"line ends between":         {"\r\n\x0bA\x1c\r\r\n\r\n\x0bB\x1c\r", "A,B,", io.EOF},
		"empty":                     {"\x0b\x1c\r", ",", io.EOF},
		"nothing":                   {"", "", io.EOF},
		"cut off":                   {"\x0bA", "", io.ErrUnexpectedEOF},
		"cut off before the end":    {"\x0bA\x1c", "", io.ErrUnexpectedEOF},
		"a request of another kind": {"GET / HTTP/1.1\r\n", "", ErrFrame},
		"line ends without end":     {strings.Repeat("\r\n", 20), "", ErrFrame},
		"an end that goes on":       {"\x0bA\x1cB\r", "", ErrFrame},
		"as large as may be":        {"\x0b" + strings.Repeat("A", 5000) + "\x1c\r", strings.Repeat("A", 5000) + ",", io.EOF},
		"larger":                    {"\x0b" + strings.Repeat("A", 5001) + "\x1c\r", "", ErrTooLarge},
		"without an end":            {"\x0b" + strings.Repeat("A", 100_000), "", ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r, got := bufio.NewReaderSize(strings.NewReader(c.in), 64), ""
			for {
				m, err := Read(r, 5000, nil)
				if err != nil {
					if !errors.Is(err, c.err) || got != c.want {
						t.Errorf("got %.80q, %v; want %.80q, %v", got, err, c.want, c.err)
					}
					return
				}
				got += string(m) + ","
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x0bA\x1c\r"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(in), 16)
		for {
			m, err := Read(r, 100, nil)
			if err != nil {
				return
			}
			if len(m) > 100 || bytes.IndexByte(m, 0x1c) >= 0 {
				t.Fatalf("got %q of %q", m, in)
			}
			var b bytes.Buffer
			Write(&b, m)
			if again, err := Read(bufio.NewReader(&b), 100, nil); err != nil || !bytes.Equal(again, m) {
				t.Fatalf("got %q, %v; want %q", again, err, m)
			}
		}
	})
}

// serve runs a server on a port of its own; end stops it and waits.
func serve(t *testing.T, s *Server) (dial func() net.Conn, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Log = slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(end)
	return func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}, end
}

func TestManyConnectionsAreAnsweredEachInOrder(t *testing.T) {
	dial, _ := serve(t, &Server{Each: 16, Answer: func(_ context.Context, _ netip.Addr, m []byte) []byte { return append([]byte("to "), m...) }})
	var all sync.WaitGroup
	for c := range 10 {
		client := Over(dial())
		all.Go(func() {
			for i := range 50 {
				m := fmt.Sprintf("%d.%d", c, i)
				if got, err := client.Send([]byte(m)); err != nil || string(got) != "to "+m {
					t.Errorf("got %q, %v; want to %s", got, err, m)
					return
				}
			}
		})
	}
	all.Wait()
}

// closed says whether the other side ended the connection without a word.
func closed(t *testing.T, c net.Conn) bool {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := c.Read(make([]byte, 1))
	var late net.Error
	return n == 0 && err != nil && !(errors.As(err, &late) && late.Timeout())
}

func TestWhoMayNotConnectIsCutOff(t *testing.T) {
	s := &Server{Answer: func(context.Context, netip.Addr, []byte) []byte { return []byte("A") }, Allowed: func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.1") }}
	dial, _ := serve(t, s)
	if c := dial(); !closed(t, c) {
		t.Error("a stranger stays connected")
	}
	if s.Refused.Load() != 1 {
		t.Errorf("refused: got %d; want 1", s.Refused.Load())
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	s := &Server{Each: 2, Answer: func(context.Context, netip.Addr, []byte) []byte { return []byte("A") }}
	dial, _ := serve(t, s)
	first, second := Over(dial()), Over(dial())
	for _, c := range []*Client{first, second} {
		if _, err := c.Send([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if !closed(t, dial()) {
		t.Error("a third connection of one address is let in")
	}
	first.Close()
	for range 100 { // its place is free once the server has seen the end
		c := Over(dial())
		if _, err := c.Send([]byte("x")); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the place of a connection that ended stays taken")
}

func TestSlowAndSilentSendersAreCutOff(t *testing.T) {
	dial, _ := serve(t, &Server{Idle: 50 * time.Millisecond, Slow: 50 * time.Millisecond, Answer: func(context.Context, netip.Addr, []byte) []byte { return []byte("A") }})
	if !closed(t, dial()) {
		t.Error("a silent sender stays connected")
	}
	c := dial()
	c.Write([]byte("\x0bMSH"))
	if !closed(t, c) {
		t.Error("a sender that stops in the middle stays connected")
	}
}

func TestWhatHasBegunIsAnsweredWhenTheServerStops(t *testing.T) {
	begun, go_on := make(chan struct{}), make(chan struct{})
	dial, end := serve(t, &Server{Answer: func(context.Context, netip.Addr, []byte) []byte {
		close(begun)
		<-go_on
		return []byte("done")
	}})
	idle := dial()
	client := Over(dial())
	answered := make(chan string, 1)
	go func() {
		got, err := client.Send([]byte("x"))
		answered <- fmt.Sprint(string(got), err)
	}()
	<-begun
	stopped := make(chan struct{})
	go func() { end(); close(stopped) }()
	if !closed(t, idle) {
		t.Error("an idle connection outlives the server")
	}
	close(go_on)
	if got := <-answered; got != "done<nil>" {
		t.Errorf("got %s; want done", got)
	}
	<-stopped
}
