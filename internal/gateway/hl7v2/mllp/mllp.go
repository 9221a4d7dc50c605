// Package mllp carries HL7 v2 messages over a connection: each in a frame, each answered before the next.
package mllp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A frame is 0x0B, the message, 0x1C 0x0D.
const (
	begin  = 0x0B
	end    = 0x1C
	finish = 0x0D
)

// between is how many line ends may stand between two frames; some senders write them.
const between = 16

var (
	ErrFrame    = errors.New("mllp: what came is no frame")
	ErrTooLarge = errors.New("mllp: the message is too large")
)

// Read gives the message of the next frame, of at most limit bytes. started, if not nil, is called when its first byte
// has come. io.EOF: the other side has ended between two frames.
func Read(r *bufio.Reader, limit int, started func()) ([]byte, error) {
	for i := 0; ; i++ {
		b, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		if b == begin {
			break
		}
		if b != '\r' && b != '\n' || i >= between {
			return nil, fmt.Errorf("%w: it begins with 0x%02X", ErrFrame, b)
		}
	}
	if started != nil {
		started()
	}
	var message []byte
	for {
		part, err := r.ReadSlice(end)
		if len(message)+len(part) > limit+1 {
			return nil, ErrTooLarge
		}
		message = append(message, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		break
	}
	b, err := r.ReadByte()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if b != finish {
		return nil, fmt.Errorf("%w: its end is followed by 0x%02X", ErrFrame, b)
	}
	return message[:len(message)-1], nil
}

// Write sends a message as one frame.
func Write(w io.Writer, message []byte) error {
	frame := make([]byte, 0, len(message)+3)
	frame = append(frame, begin)
	frame = append(frame, message...)
	_, err := w.Write(append(frame, end, finish))
	return err
}

// Client sends messages over one connection and waits for the answer to each.
type Client struct {
	Patience time.Duration // for an answer; 0 = 30 s
	conn     net.Conn
	r        *bufio.Reader
}

// Over makes a client of a connection.
func Over(conn net.Conn) *Client { return &Client{conn: conn, r: bufio.NewReader(conn)} }

// Send gives the answer to a message.
func (c *Client) Send(message []byte) ([]byte, error) {
	wait := c.Patience
	if wait == 0 {
		wait = 30 * time.Second
	}
	if err := c.conn.SetDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	if err := Write(c.conn, message); err != nil {
		return nil, err
	}
	return Read(c.r, 1<<20, nil)
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }
