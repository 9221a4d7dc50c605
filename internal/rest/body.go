package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// intake bounds what the bodies of all requests together take: what has arrived of them, and the large ones
// that are worked on at once, whose trees are several times as long.
type intake struct {
	arrived atomic.Int64
	most    int64
	work    *semaphore.Weighted
}

const (
	largeBody    = 1 << 20          // bytes; a longer body waits until there is room to work on it
	workPatience = 30 * time.Second // how long it waits
	bodyPatience = 10 * time.Minute // for a whole body: large bundles over thin lines
)

func newIntake(o *Options) *intake {
	largest := max(o.MaxBody, o.MaxBundle)
	return &intake{most: 4 * largest, work: semaphore.NewWeighted(largest)}
}

// hold remembers what is to be given back when the call ends.
func (c *call) hold(back func()) { c.held = append(c.held, back) }

func (c *call) release() {
	for _, back := range c.held {
		back()
	}
	c.held = nil
}

// readAll reads a body to its end. Each piece must come within Options.BodyIdle; a body over the limit, or over
// what all bodies together may take, ends at once.
func (s *server) readAll(c *call, r io.Reader, limit, announced int64) ([]byte, error) {
	began := time.Now()
	buf := make([]byte, 0, min(max(announced+1, 512), 64<<10))
	taken := int64(0)
	c.hold(func() { s.intake.arrived.Add(-taken) })
	for {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), max(2*cap(buf), min(int(announced)+1, 16*cap(buf)))) // what is announced and does not come costs little
			copy(grown, buf)
			buf = grown
		}
		if more := int64(cap(buf)) - taken; more > 0 {
			taken += more
			if s.intake.arrived.Add(more) > s.intake.most {
				return nil, busy()
			}
		}
		if c.patience != nil {
			c.patience(earlier(began.Add(bodyPatience), time.Now().Add(s.BodyIdle)))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, tooLarge()
		}
		if err == io.EOF {
			break
		}
		var large *http.MaxBytesError
		switch {
		case err == nil:
		case errors.As(err, &large):
			return nil, tooLarge()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, fhir.Refuse(http.StatusRequestTimeout, "timeout", "body-too-slow", "the body came too slowly and was given up", "提交的内容传输过慢，已中止")
		default:
			return nil, fhir.Refuse(http.StatusBadRequest, "structure", "body-broken", "the body could not be read to its end", "提交的内容不完整")
		}
	}
	if c.patience != nil {
		c.patience(time.Time{})
	}
	if n := int64(len(buf)); n > largeBody {
		ctx, cancel := context.WithTimeout(c.ctx, workPatience)
		defer cancel()
		if err := s.intake.work.Acquire(ctx, n); err != nil {
			if c.ctx.Err() != nil {
				return nil, c.ctx.Err()
			}
			return nil, busy()
		}
		c.hold(func() { s.intake.work.Release(n) })
	}
	return buf, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func tooLarge() error {
	return fhir.Refuse(http.StatusRequestEntityTooLarge, "too-long", "body-too-large", "the body is larger than allowed", "提交的内容超过大小限制")
}

func busy() error {
	return fhir.Refuse(http.StatusServiceUnavailable, "throttled", "busy", "too much is being sent at once; send it again in a while", "同时提交的内容过多，请稍后再试")
}
